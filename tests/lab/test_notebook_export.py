"""A notebook leaves the room with its code and text, and nothing that a cell put out."""

import json

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from workbench.audit import Event
from workbench.errors import Unusable
from workbench.lab.run import export, run_notebook, stripped, why_not_leave

VALUE = "child-000123"


def full_notebook():
    """A notebook with a value in every corner where one can hide."""
    code = new_code_cell("print('shown')", outputs=[new_output("stream", text=VALUE)], execution_count=7)
    code.metadata = {"note": VALUE, "collapsed": True}
    code.id = "c-000123"
    text = new_markdown_cell("# Title", attachments={"a.png": {"image/png": "Y2hpbGQ="}})
    notebook = new_notebook(cells=[text, code])
    notebook.metadata = {
        "widgets": {"state": VALUE},
        "title": VALUE,
        "kernelspec": {"name": VALUE, "display_name": VALUE},
    }
    return nbformat.writes(notebook).encode()


def test_only_code_and_text_leave():
    left = stripped(full_notebook())
    notebook = nbformat.reads(left.decode(), as_version=4)

    assert b"000123" not in left
    assert [cell.source for cell in notebook.cells] == ["# Title", "print('shown')"]
    assert all(not cell.get("outputs") and "attachments" not in cell for cell in notebook.cells)
    nbformat.validate(notebook)


def test_stripping_twice_is_stripping_once():
    once = stripped(full_notebook())

    assert stripped(once) == once
    assert why_not_leave(once) is None


@pytest.mark.parametrize("corner", ["outputs", "execution_count", "metadata", "id", "attachments", "top"])
def test_a_value_in_any_corner_keeps_the_notebook_in_the_room(corner):
    notebook = json.loads(stripped(full_notebook()))
    text, code = notebook["cells"]
    code |= {
        "outputs": {"outputs": [{"output_type": "stream", "name": "stdout", "text": VALUE}]},
        "execution_count": {"execution_count": 3},
        "metadata": {"metadata": {"note": VALUE}},
        "id": {"id": "c-000123"},
    }.get(corner, {})
    if corner == "attachments":
        text["attachments"] = {"a.png": {"image/png": "Y2hpbGQ="}}
    if corner == "top":
        notebook["metadata"]["title"] = VALUE

    assert why_not_leave(json.dumps(notebook).encode()).exit_code == 10


def test_what_is_no_notebook_does_not_leave():
    with pytest.raises(Unusable):
        why_not_leave(b'{"cells": "child-000123"}')


def test_an_export_is_stripped_and_in_the_log(session, notebook, state):
    ran = run_notebook(notebook(f"print('{VALUE}'[::-1])"), session, name="n.ipynb")
    left = export(session, ran, name="n.ipynb")
    last = list(state.log.records())[-1]

    assert VALUE[::-1].encode() in session.workspace.read("n.ipynb")
    assert VALUE[::-1].encode() not in left
    assert last["event"] == Event.NOTEBOOK_EXPORTED
    assert last["actor"] == "analyst-1"


def test_attack_another_notebook_is_put_in_the_place_of_the_one_that_ran(session, notebook):
    ran = run_notebook(notebook("print(1)"), session, name="n.ipynb")
    session.workspace.write("n.ipynb", notebook(f"# {VALUE}"))

    assert VALUE.encode() not in export(session, ran, name="n.ipynb")
