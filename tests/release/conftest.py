"""A demonstration home with its people, and requests made through the real workflow."""

import itertools
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from workbench.artifact.keys import KeyRing
from workbench.artifact.times import to_text
from workbench.artifact.trust import ADMITTERS
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.policy import load
from workbench.release import report, votes
from workbench.release.checks import Check
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.requests import Request
from workbench.release.votes import Vote
from workbench.release.workflow import Workflow
from workbench.state import State

PEOPLE = {
    "oka": Role.MANAGER,
    "sato": Role.COORDINATOR,
    "suzuki": Role.COORDINATOR,
    "tanaka": Role.REVIEWER,
    "ito": Role.REVIEWER,
    "kato": Role.REVIEWER,
    "mori": Role.ANALYST,
    "abe": Role.AUDITOR,
}
START = datetime(2025, 4, 1, 9, 0, tzinfo=UTC)
SAID = Text(ja="確認しました。", en="Measured.")


@dataclass
class Clock:
    """A clock that goes a second forward each time it is read."""

    ticks: Iterator[int] = field(default_factory=itertools.count)

    def __call__(self) -> datetime:
        return START + timedelta(seconds=next(self.ticks))


@dataclass
class Office:
    """A home at work: its workflow, and what people do with their own keys."""

    home: Home
    state: State
    workflow: Workflow
    clock: Clock
    folder: Path
    verdict: Verdict = Verdict.PASS

    def bundle(self, *, content: str = "k = 7") -> tuple[Path, Path]:
        """A bundle and its evidence, ready to hand in."""
        bundle, evidence = self.folder / "bundle", self.folder / "evidence"
        for path, text in ((bundle / "data" / "table.txt", content), (evidence / "rows.txt", "1,2,3")):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return bundle, evidence

    def submit(
        self, *, author: str = "sato", name: str = "child-year", version: str = "1", **more: Any
    ) -> str:
        bundle, evidence = self.bundle()
        wanted = {
            "kind": "dataset",
            "purpose": "attendance",
            "why": "試行",
            "protection": "anonymised",
            **more,
        }
        return self.workflow.submit(
            wanted.pop("kind"),
            bundle=bundle,
            evidence=evidence,
            author=author,
            name=name,
            version=version,
            **wanted,
        ).id

    def in_review(self, **more: Any) -> str:
        request = self.submit(**more)
        self.workflow.report(request)
        return request

    def envelope(self, about: str, *, person: str, vote: Vote = Vote.ADMIT, **changes: Any) -> bytes:
        said = {
            "home": self.home.identity,
            "request": about,
            "report": self.workflow.find(about).report,
            "person": person,
            "signer": KeyRing.of(self.home).signer(f"person:{person}"),
            "cast_at": to_text(self.clock()),
            **changes,
        }
        return votes.cast(vote, **said)

    def vote(self, request: str, *, person: str, vote: Vote = Vote.ADMIT, **changes: Any) -> Vote | None:
        return self.workflow.vote(
            request, person=person, envelope=self.envelope(request, person=person, vote=vote, **changes)
        )

    def admitted(self, **more: Any) -> str:
        request = self.in_review(**more)
        self.vote(request, person="tanaka")
        self.vote(request, person="ito")
        self.workflow.admit(request)
        return request

    def examine(self, request: Request, *, home: Home, state: State, policy: Any) -> dict[str, Any]:
        """A report with one finding, of the verdict this office was told."""
        finding = Finding(self.verdict, SAID, remedy=SAID)
        title = Text(ja="確認", en="Check")
        return report.build(
            {"complete": (Check(title, lambda _: finding), finding)},
            head={
                "kind": request.kind,
                "protection": request.protection,
                "name": request.name,
                "version": request.version,
                "purpose": request.purpose,
                "title": {"ja": "目的", "en": "purpose"},
                "author": request.author,
                "why": request.why,
            },
            policy=policy,
            provenance={"content": "0" * 64},
            notice=SAID,
            sections={},
        )


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with its people and their keys; tests work on copies."""
    folder = tmp_path_factory.mktemp("furnished") / "home"
    furnish(folder)
    return folder


def furnish(folder: Path, *, seed: int = 7) -> None:
    home = Home.create(folder, seed=seed)
    state = State.open(home)
    ring, people = KeyRing.of(home), People(state)
    for owner in ADMITTERS:
        ring.create(owner)
    for id_, role in PEOPLE.items():
        public = ring.create(f"person:{id_}")
        founder = "workbench" if not people.all() else "oka"
        people.add(Person(id_, id_.title(), role, "こども政策課", public), actor=founder)
    state.close()


@pytest.fixture
def office(tmp_path: Path, furnished: Path) -> Iterator[Office]:
    yield from opened(tmp_path, furnished)


def opened(folder: Path, furnished: Path) -> Iterator[Office]:
    shutil.copytree(furnished, folder / "home")
    home = Home.open(folder / "home")
    state, clock = State.open(home), Clock()
    office = Office(home, state, Workflow(home, state, load()), clock, folder)
    office.workflow = Workflow(home, state, load(), clock=clock, examine=office.examine)
    yield office
    state.close()
