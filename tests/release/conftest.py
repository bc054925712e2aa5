"""A demonstration home with its people, and requests made through the real workflow."""

import copy
import itertools
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.artifact.keys import KeyRing
from workbench.artifact.times import to_text
from workbench.artifact.trust import ADMITTERS
from workbench.data.raw import RawStore
from workbench.data.receipt import Receipt
from workbench.data.register import Register
from workbench.data.registers import Registers
from workbench.governance.charter import Project, Projects
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.policy import load
from workbench.privacy.anonymity import hierarchies
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.release import checks, examination, report, staging, votes
from workbench.release.findings import Check, Finding, Text, Verdict
from workbench.release.prepare import prepare
from workbench.release.requests import Request
from workbench.release.room import Room
from workbench.release.staged import Rows
from workbench.release.votes import Vote
from workbench.release.workflow import Workflow
from workbench.riskflag import membership
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

    def examine(
        self, request: Request, *, home: Home, state: State, policy: Any, now: datetime
    ) -> dict[str, Any]:
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
            provenance={"content": staging.content_digest(request.bundle(home))},
            notice=SAID,
            sections={},
        )


@pytest.fixture(autouse=True)
def few_shadows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four shadow models instead of sixteen: tests of other checks need the attack's way, not its sharpness."""
    monkeypatch.setattr(membership, "SHADOWS", 4)


def nothing_to_join(*_: Any, **__: Any) -> None:
    """For an office whose bundles are no real data."""


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
    office.workflow = Workflow(
        home, state, load(), clock=clock, examine=office.examine, again=nothing_to_join
    )
    yield office
    state.close()


# ------------------------------------------------------------------ a small town with a real register


def item(name: str, role: str, kind: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "label": {"ja": f"{name}の項目", "en": name}, "role": role, "kind": kind, **more}


FLAG = {"harmful_values": ["yes"]}
REGISTER = {
    "schema": "workbench-register/1",
    "tables": {
        "child_year": {
            "label": {"ja": "こども年度表", "en": "child by year"},
            "holder": "総括",
            "source_process": "連結",
            "original_purpose": "各事務",
            "justification": "困難との関連",
            "items": [
                item("child_id", "direct_identifier", "code"),
                item("household_id", "direct_identifier", "code"),
                item("fy", "quasi_identifier", "integer", minimum=2010, maximum=2040),
                item("grade", "quasi_identifier", "integer", minimum=0, maximum=17),
                item("sex", "quasi_identifier", "category", values=["male", "female"]),
                item("es_district", "quasi_identifier", "code"),
                item("hh_type", "quasi_identifier", "category", values=["two_parents", "one_adult", "other"]),
                item("eq_income", "sensitive", "number", minimum=0, maximum=2000),
                item("welfare", "sensitive", "flag", **FLAG),
                item("absent_days", "other", "integer", minimum=0, maximum=250),
                item("checks_missed", "other", "integer", minimum=0, maximum=3),
                item("only_for_care", "other", "flag", justification={"young_carer": "家族の世話"}),
                item("absent_30d", "sensitive", "flag", **FLAG),
            ],
        }
    },
}
PROJECT = {
    "schema": "workbench-project/1",
    "purpose": "attendance",
    "title": {"ja": "登校の支援の早期の気付き", "en": "Noticing early who needs help with attendance"},
    "benefit": {"ja": "早い支援", "en": "earlier help"},
    "population": 40000,
    "source": "child_year",
    "person": "child_id",
    "household": "household_id",
    "time": "fy",
    "test_period": 2023,
    "test_share": 0.4,
    "targets": ["absent_30d"],
    "subgroups": [
        {
            "id": "single_parent",
            "label": {"ja": "ひとり親世帯", "en": "single parent"},
            "item": "hh_type",
            "values": ["one_adult"],
        }
    ],
}
LADDERS = {
    "fy": [[str(year), "*"] for year in range(2010, 2041)],
    "grade": [[str(grade), f"band {grade // 6}", "*"] for grade in range(18)],
    "sex": [["male", "*"], ["female", "*"]],
    "es_district": [[f"E{number:02d}", f"J{number // 3}", f"A{number // 6}", "*"] for number in range(12)],
    "hh_type": [["two_parents", "other", "*"], ["one_adult", "one_adult", "*"], ["other", "other", "*"]],
}
BANDS = {
    "eq_income": [
        {"edges": [127, 250], "labels": ["under 127", "127-249", "250 or more"]},
        {"edges": [], "labels": ["*"], "missing": "*"},
    ],
    "absent_days": [
        {"edges": [10, 30], "labels": ["0-9", "10-29", "30 or more"]},
        {"edges": [30], "labels": ["under 30", "30 or more"]},
        {"edges": [], "labels": ["*"], "missing": "*"},
    ],
}


def ladders() -> dict[str, Hierarchy]:
    tables = {name: hierarchies.from_rows(name, rows) for name, rows in LADDERS.items()}
    return tables | {name: hierarchies.from_ladder(name, steps) for name, steps in BANDS.items()}


def people_of_town(*, households: int = 700, seed: int = 11) -> pd.DataFrame:
    """Children by year, households with siblings, a rare child or two, missing values."""
    draw = np.random.default_rng(seed)
    rows = []
    for household in range(households):
        kind = draw.choice(["two_parents", "one_adult", "other"], p=[0.75, 0.15, 0.1])
        district = f"E{draw.integers(12):02d}"
        income = float(np.round(draw.lognormal(5.4, 0.5), 1))
        for sibling in range(int(draw.choice([1, 2, 3], p=[0.5, 0.35, 0.15]))):
            born = int(draw.integers(0, 15))
            sex = draw.choice(["male", "female"])
            for year in (2021, 2022, 2023):
                absent = int(draw.poisson(4 + 10 * (kind == "one_adult")))
                rows.append(
                    {
                        "child_id": f"C{household:05d}{sibling}",
                        "household_id": f"H{household:05d}",
                        "fy": year,
                        "grade": min(born + year - 2021, 17),
                        "sex": sex,
                        "es_district": district,
                        "hh_type": kind,
                        "eq_income": None if draw.random() < 0.03 else income,
                        "welfare": "yes" if income < 110 and draw.random() < 0.5 else "no",
                        "absent_days": None if born < 3 else absent,
                        "checks_missed": int(draw.choice(4, p=[0.8, 0.12, 0.05, 0.03])),
                        "only_for_care": draw.choice(["yes", "no"]),
                        "absent_30d": "yes" if draw.random() < 0.03 + 0.04 * (kind == "one_adult") else "no",
                    }
                )
    frame = pd.DataFrame(rows)
    return frame.astype({"absent_days": "Int64", "checks_missed": "Int64", "fy": "Int64", "grade": "Int64"})


@dataclass
class Town:
    """An office with a register, a project and a linked table; prepares and submits real releases."""

    office: Office

    @property
    def room(self) -> Room:
        workflow = self.office.workflow
        return examination.room_for(
            "attendance", home=workflow.home, state=workflow.state, policy=workflow.policy
        )

    def prepare(self, *, protection: str = "anonymised", name: str = "child-year", **wanted: Any) -> Path:
        into = self.office.folder / f"draft-{next(self.office.clock.ticks)}"
        prepare(
            self.room,
            protection=protection,
            into=into,
            author="sato",
            name=name,
            version="1",
            **{"hierarchies": ladders(), **wanted},
        )
        return into

    def submit(self, folder: Path, *, protection: str = "anonymised", **more: Any) -> str:
        return self.office.workflow.submit(
            "dataset",
            bundle=folder / "bundle",
            evidence=folder / "evidence",
            author="sato",
            name=more.pop("name", "child-year"),
            version=more.pop("version", "1"),
            purpose="attendance",
            why="二つの地区での試行",
            protection=protection,
        ).id

    def check(self, folder: Path, *, protection: str = "anonymised") -> dict[str, Any]:
        """The findings about what lies in `folder`, without handing it in."""
        staged = Rows(bundle=folder / "bundle", evidence=folder / "evidence", room=self.room)
        found = checks.run(protection, staged)
        return {
            "findings": [
                finding.to_json(check=name, title=check.title) for name, (check, finding) in found.items()
            ]
        }

    def report(self, folder: Path, *, protection: str = "anonymised", **more: Any) -> dict[str, Any]:
        """The report of what lies in `folder`."""
        return self.office.workflow.report(self.submit(folder, protection=protection, **more))


def settle(
    home: Home,
    state: State,
    *,
    register: dict[str, Any] = REGISTER,
    people: Callable[[], pd.DataFrame] = people_of_town,
) -> None:
    """Put register, project and raw table into a home."""
    Registers(state).add(Register.from_json(register), actor="sato")
    Projects(state).store(Project.from_json(PROJECT), actor="sato")
    frame = people()
    RawStore(home).put("child_year", frame, Receipt(rows=len(frame), columns=tuple(frame.columns)))


@pytest.fixture(scope="session")
def settled(tmp_path_factory: pytest.TempPathFactory, furnished: Path) -> Path:
    """A furnished home with the town's table; tests work on copies."""
    folder = tmp_path_factory.mktemp("settled") / "home"
    shutil.copytree(furnished, folder)
    home = Home.open(folder)
    state = State.open(home)
    settle(home, state)
    state.close()
    return folder


@pytest.fixture
def town(tmp_path: Path, settled: Path) -> Iterator[Town]:
    yield from town_in(tmp_path, settled)


@pytest.fixture
def admitted(tmp_path: Path, shelved: Path) -> Iterator[Town]:
    """The town with its anonymised release in the catalogue."""
    yield from town_in(tmp_path, shelved)


@pytest.fixture(scope="session")
def in_town() -> Callable[[Path, Path], Iterator[Town]]:
    """For fixtures that make a town of their own."""
    return town_in


def town_in(folder: Path, home: Path) -> Iterator[Town]:
    for office in opened(folder, home):
        office.workflow = Workflow(office.home, office.state, load(), clock=office.clock)
        yield Town(office)


@pytest.fixture(scope="session")
def shelved(tmp_path_factory: pytest.TempPathFactory, settled: Path, prepared: Path) -> Path:
    """A settled home whose release was admitted; tests work on copies."""
    folder = tmp_path_factory.mktemp("shelved")
    for town in town_in(folder, settled):
        request = town.submit(prepared)
        town.office.workflow.report(request)
        for person in ("tanaka", "ito"):
            town.office.vote(request, person=person)
        town.office.workflow.admit(request)
    return folder / "home"


QUESTIONS = [f"q{number:02d}" for number in range(16)]
ANSWERS = [f"v{value:03d}" for value in range(120)]


def people_with_answers() -> pd.DataFrame:
    """A larger town, where children answered a questionnaire that says nothing of the outcome."""
    frame, draw = people_of_town(households=2600), np.random.default_rng(5)
    return frame.assign(**{q: draw.choice(ANSWERS, len(frame)) for q in QUESTIONS})


@pytest.fixture(scope="session")
def polled_home(tmp_path_factory: pytest.TempPathFactory, furnished: Path) -> Path:
    """A home whose town answered a questionnaire, its release admitted; tests work on copies."""
    folder = tmp_path_factory.mktemp("polled")
    shutil.copytree(furnished, folder / "first")
    home = Home.open(folder / "first")
    state = State.open(home)
    asked = copy.deepcopy(REGISTER)
    asked["tables"]["child_year"]["items"] += [
        item(q, "other", "category", values=ANSWERS) for q in QUESTIONS
    ]
    settle(home, state, register=asked, people=people_with_answers)
    state.close()
    for town in town_in(folder / "second", folder / "first"):
        request = town.submit(town.prepare())
        town.office.workflow.report(request)
        for person in ("tanaka", "ito"):
            town.office.vote(request, person=person)
        town.office.workflow.admit(request)
    return folder / "second" / "home"


@pytest.fixture
def polled(tmp_path: Path, polled_home: Path) -> Iterator[Town]:
    yield from town_in(tmp_path, polled_home)


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory, settled: Path) -> Path:
    """One anonymised release of the town, made once; tests alter copies of it."""
    folder = tmp_path_factory.mktemp("prepared")
    for office in opened(folder, settled):
        office.workflow = Workflow(office.home, office.state, load(), clock=office.clock)
        return Town(office).prepare()
    raise AssertionError


@pytest.fixture
def draft(tmp_path: Path, prepared: Path) -> Path:
    """A copy of the anonymised release, to be altered."""
    return Path(shutil.copytree(prepared, tmp_path / "draft"))
