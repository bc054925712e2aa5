"""
The charter of a project: what the data is used for, about whom, and which groups must not be lost.

Written by people in YAML, checked whole, stored with its digest. Empty means no: a project without a
purpose or a benefit for children is not one.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.artifact.canonical import canonical, parse_canonical, sha256
from workbench.audit import Event
from workbench.errors import NotFound, Refused, Unusable
from workbench.governance.people import FOUNDER, People
from workbench.policy.reading import read_text, read_yaml
from workbench.state import State, metadata

SCHEMA = "workbench-project/1"
ID = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
NAME = re.compile(r"[^\W\d][\w-]{0,63}")
POPULATION = 20_000_000

projects = sa.Table(
    "projects",
    metadata,
    sa.Column("purpose", sa.Text, primary_key=True),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("content", sa.LargeBinary, nullable=False),
)

Text = Mapping[str, str]


@dataclass(frozen=True)
class Subgroup:
    """Children whose `item` has one of `values`; suppression is limited among them by itself."""

    id: str
    label: Text
    item: str
    values: tuple[str, ...]


@dataclass(frozen=True)
class Project:
    """
    One project. `purpose` is the id of the purpose of use, which bundles carry and scoring compares.

    `person` and `household` name the columns that identify them in the source table (None where a row is
    a person, or where there are no households); `time` names the column of the periods, `test_period` the
    one that is tested on, and `test_share` the share of households held back. Without `test_period` it is the
    last one in the table; then one household decides it, and nothing is promised by differential privacy.
    """

    purpose: str
    title: Text
    benefit: Text
    population: int
    source: str
    person: str | None
    household: str | None
    time: str | None
    test_share: float
    targets: tuple[str, ...]
    subgroups: tuple[Subgroup, ...]
    test_period: int | None = None

    @classmethod
    def load(cls, path: Path) -> "Project":
        """The project written in a charter file. Raises Unusable naming the key that is wrong."""
        return cls.from_json(read_yaml(read_text(path), name=path.name))

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Project":
        """The project in `value`; every key is needed but the optional one, and no other is known."""
        wrong = sorted(map(str, {**OPTIONAL, **value}.keys() ^ RULES.keys()))
        wrong += [name for name, rule in RULES.items() if name in value and not rule(value[name])]
        if wrong:
            raise unusable(wrong)
        value = {**OPTIONAL, **value}
        fields = {name: value[name] for name in RULES if name not in ("schema", "targets", "subgroups")}
        groups = tuple(
            Subgroup(**{**group, "values": tuple(group["values"])}) for group in value["subgroups"]
        )
        return cls(**fields, targets=tuple(value["targets"]), subgroups=groups)

    def to_json(self) -> dict[str, Any]:
        groups = [{**asdict(group), "values": list(group.values)} for group in self.subgroups]
        said = {"schema": SCHEMA, **asdict(self), "targets": list(self.targets), "subgroups": groups}
        return {name: value for name, value in said.items() if name not in OPTIONAL or value is not None}

    @property
    def public_period(self) -> int | None:
        """
        The period that is tested on, as a promise to every household needs it: read off no table.

        None where the table has no periods. Raises Refused where the charter names the column alone.
        """
        if self.time is not None and self.test_period is None:
            raise Refused(
                ja="差分プライバシーには、評価に使う年度が公開の情報として必要です。事業計画に test_period を書いて、登録し直してください。",
                en="Differential privacy needs the period that is tested on as public knowledge: write test_period in the charter and store it again.",
            )
        return self.test_period

    @cached_property
    def digest(self) -> str:
        """The digest of the whole charter."""
        return sha256(canonical(self.to_json()))


def is_text(value: Any) -> bool:
    """A text in both languages, neither empty."""
    return (
        isinstance(value, dict)
        and value.keys() == {"ja", "en"}
        and all(isinstance(text, str) and text.strip() for text in value.values())
    )


def is_id(value: Any) -> bool:
    return isinstance(value, str) and bool(ID.fullmatch(value))


def is_name(value: Any) -> bool:
    """The name of a table or an item, as in the register."""
    return isinstance(value, str) and bool(NAME.fullmatch(value))


def is_name_or_none(value: Any) -> bool:
    return value is None or is_name(value)


def is_population(value: Any) -> bool:
    return type(value) is int and 0 < value <= POPULATION


def is_share(value: Any) -> bool:
    return type(value) is float and 0 < value < 1


def is_period(value: Any) -> bool:
    return value is None or type(value) is int


def are_names(value: Any) -> bool:
    return isinstance(value, list) and all(map(is_name, value)) and len(set(value)) == len(value) > 0


def is_subgroup(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and value.keys() == {"id", "label", "item", "values"}
        and is_name(str(value["id"]).replace("-", "_"))
        and is_text(value["label"])
        and is_name(value["item"])
        and isinstance(value["values"], list)
        and bool(value["values"])
        and all(isinstance(one, str) for one in value["values"])
    )


def are_subgroups(value: Any) -> bool:
    if not isinstance(value, list) or not all(map(is_subgroup, value)):
        return False
    return len({group["id"] for group in value}) == len(value)


RULES: dict[str, Callable[[Any], bool]] = {
    "schema": lambda value: value == SCHEMA,
    "purpose": is_id,
    "title": is_text,
    "benefit": is_text,
    "population": is_population,
    "source": is_name,
    "person": is_name_or_none,
    "household": is_name_or_none,
    "time": is_name_or_none,
    "test_share": is_share,
    "targets": are_names,
    "subgroups": are_subgroups,
    "test_period": is_period,
}
OPTIONAL = {"test_period": None}


class Projects:
    """The projects of one home."""

    def __init__(self, state: State) -> None:
        self.state = state

    def store(self, project: Project, *, actor: str = FOUNDER) -> str:
        """Keep the project, replacing an earlier charter of the same purpose; returns its digest."""
        People(self.state).expect_may(actor, "store_project")
        row = {"digest": project.digest, "content": canonical(project.to_json())}
        with self.state.transaction() as transaction:
            transaction.connection.execute(projects.delete().where(projects.c.purpose == project.purpose))
            transaction.connection.execute(projects.insert().values(purpose=project.purpose, **row))
            transaction.event(
                Event.PROJECT_STORED, actor=actor, project=project.purpose, digest=project.digest
            )
        return project.digest

    def get(self, purpose: str) -> Project:
        """The project with this purpose. Raises NotFound."""
        with self.state.reading() as connection:
            found = connection.execute(
                sa.select(projects.c.content).where(projects.c.purpose == purpose)
            ).scalar_one_or_none()
        if found is None:
            raise NotFound(
                ja=f"利用目的 {purpose[:63]} の事業計画がありません。workbench project charter で登録してください。",
                en=f"There is no project with purpose {purpose[:63]}; store its charter with 'workbench project charter'.",
            )
        return from_content(found)

    def all(self) -> list[Project]:
        """Every project, by purpose."""
        with self.state.reading() as connection:
            rows = connection.execute(sa.select(projects.c.content).order_by(projects.c.purpose)).scalars()
            return [from_content(content) for content in rows]


def from_content(content: bytes) -> Project:
    return Project.from_json(parse_canonical(content, name="project"))


def unusable(keys: list[str]) -> Unusable:
    named = ", ".join(key[:40] for key in keys[:5])
    return Unusable(
        ja=f"事業計画のこの項目が欠けているか正しくありません：{named}。目的（purpose）と こどもへの利益（benefit）は必ず書いてください。",
        en=f"These keys of the charter are missing or wrong: {named}. Purpose and benefit must always be given.",
    )
