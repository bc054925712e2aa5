"""Step 6: the analyst's notebooks, run in the sandbox."""

from workbench.demo import cast
from workbench.demo.journal import Figures
from workbench.demo.journey import Journey
from workbench.lab.opening import open_session
from workbench.lab.run import run_notebook
from workbench.release.moves import State

NOTEBOOKS = ("01_look", "02_ask", "03_flag", "04_submit")


def notebooks(journey: Journey) -> Figures:
    """Run the four notebooks, one after the other, each in a kernel of its own without network."""
    ran = []
    with open_session(
        journey.home, journey.state, analyst=cast.ANALYST, project=journey.project.purpose
    ) as session:
        session.acknowledge(how="command")
        for name in NOTEBOOKS:
            if name == NOTEBOOKS[-1] and candidates(journey):
                continue  # a stopped run has handed its model in already
            content = (journey.notebooks / f"{name}.ipynb").read_bytes()
            done = run_notebook(content, session, name=f"{name}.ipynb")
            ran.append({"notebook": name, "cells": sum(cell.cell_type == "code" for cell in done.cells)})
        seen = sorted(session.datasets)
        workspace = str(session.workspace.folder)
    return {"notebooks": ran, "datasets": seen, "workspace": workspace}


def candidates(journey: Journey) -> list[str]:
    """The analyst's models that were handed in and not refused."""
    return [
        one.id for one in journey.workflow.every() if one.kind == "model" and one.state is not State.REFUSED
    ]
