"""What every step works on: the home with its state and workflow, and where the shipped data lie."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from workbench.errors import NotFound, Refused, WorkbenchError, language
from workbench.governance.charter import Project
from workbench.home import Home
from workbench.release.admission import shelf
from workbench.release.workflow import Workflow
from workbench.state import State

# The years of the release: two to learn from, one to test on; the next one is scored.
YEARS = (2021, 2022, 2023)
NEXT_YEAR = 2024
PROFILES = ("tiny", "town", "city", "large")


@dataclass(frozen=True)
class Journey:
    """One demonstration. `data` is `datasets/synthetic`, `notebooks` the folder of notebooks."""

    home: Home
    state: State
    profile: str
    seed: int
    data: Path
    notebooks: Path

    @property
    def work(self) -> Path:
        """What the demonstration itself puts down: extracts as sent, records to score, candidates."""
        folder = self.home.staging / "demonstration"
        folder.mkdir(exist_ok=True)
        return folder

    @property
    def hierarchies(self) -> Path:
        return self.data / "hierarchies"

    @cached_property
    def project(self) -> Project:
        return Project.load(self.data / "project.yaml")

    def bundle(self, request: str) -> Path:
        """Where the bundle of a request lies now: on its shelf once admitted, else in staging."""
        found = self.workflow.find(request)
        shelved = shelf(self.home, found.kind) / str(found.manifest)
        return shelved if shelved.is_dir() else found.bundle(self.home)

    @cached_property
    def workflow(self) -> Workflow:
        return Workflow.open(self.home, self.state)


def expect_data(data: Path, notebooks: Path) -> None:
    """Raise NotFound unless the shipped data and notebooks are there."""
    for path in (data / "register.yaml", data / "project.yaml", notebooks / "04_submit.ipynb"):
        if not path.is_file():
            raise NotFound(
                ja=f"{path} がありません。配布物のフォルダーで実行するか、--data と --notebooks で場所を指定してください。",
                en=f"There is no {path}; run this in the folder of the distribution, or name --data and --notebooks.",
            )


def refused(what: str, action: Callable[[], Any]) -> dict[str, Any]:
    """
    Try what must be refused, and show the sentence and exit code it was refused with.

    What is not refused stops the demonstration: a rule that does not hold is worse than none.
    """
    try:
        action()
    except WorkbenchError as error:
        return {"tried": what, "exit_code": error.exit_code, "ja": error.ja, "en": error.en}
    raise Refused(
        ja=f"断られるはずの操作が通りました（{what}）。実演を止めます。",
        en=f"What must be refused was not ({what}); the demonstration stops.",
    )


def said(sentence: dict[str, Any]) -> str:
    """A refusal in the reader's language."""
    return str(sentence[language()])
