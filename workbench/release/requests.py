"""A request as read from the state, and the folder in which what it asks for is waiting."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.errors import NotFound, Usage
from workbench.governance.permissions import Role
from workbench.home import Home
from workbench.release import tables
from workbench.release.moves import State
from workbench.release.votes import Ballot, Vote

NAME = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
NUMBER = r"(?:0|[1-9]\d{0,5})"
# A model's version says what changed (major, minor, patch); a dataset's may be a plain number.
VERSIONS = {
    "dataset": re.compile(rf"{NUMBER}(?:\.{NUMBER}){{0,2}}", re.ASCII),
    "model": re.compile(rf"{NUMBER}(?:\.{NUMBER}){{2}}", re.ASCII),
}
LONGEST_NAME = 63
PROTECTIONS = {
    "dataset": ("anonymised", "pseudonymised", "synthetic", "dp_tables"),
    "model": ("model",),
}


@dataclass(frozen=True)
class Request:
    """One row of the requests. `report`, `verdict` and `manifest` are None until the checks have run."""

    number: int
    kind: str
    protection: str
    name: str
    version: str
    purpose: str
    author: str
    why: str
    state: State
    attempt: int
    report: str | None
    verdict: str | None
    manifest: str | None
    policy: str | None
    admitted_at: str | None
    valid_until: str | None

    @property
    def id(self) -> str:
        return f"R-{self.number}"

    def folder(self, home: Home) -> Path:
        """Where its bundle and evidence wait; a bundle handed in again has a folder of its own."""
        return home.staging / (self.id if self.attempt == 1 else f"{self.id}.{self.attempt}")

    def bundle(self, home: Home) -> Path:
        return self.folder(home) / "bundle"

    def evidence(self, home: Home) -> Path:
        return self.folder(home) / "evidence"

    def to_json(self) -> dict[str, Any]:
        return {"request": self.id, **{k: v for k, v in vars(self).items() if k != "number"}}


def expect_name(kind: str, *, name: str, version: str) -> None:
    """Raise Usage unless these can name a bundle of this kind."""
    if kind not in VERSIONS:
        raise Usage(
            ja=f"種類は {'、'.join(VERSIONS)} のいずれかです。", en=f"The kinds are {', '.join(VERSIONS)}."
        )
    if not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        raise Usage(
            ja="名前は英小文字・数字・ハイフンで、英字から始めてください（63文字まで）。例：child-year",
            en="A name is lower-case letters, digits and hyphens, starting with a letter, at most 63: child-year.",
        )
    if not VERSIONS[kind].fullmatch(version):
        raise Usage(
            ja="版は数で指定してください（データセットは 1 や 1.0、モデルは 1.0.0 の形）。",
            en="A version is numbers: 1 or 1.0 for a dataset, 1.0.0 for a model.",
        )


def expect_protection(kind: str, *, protection: str) -> None:
    """Raise Usage unless a bundle of this kind can be protected so."""
    if protection not in PROTECTIONS[kind]:
        raise Usage(
            ja=f"保護方法は {'、'.join(PROTECTIONS[kind])} のいずれかです。",
            en=f"The protections are {', '.join(PROTECTIONS[kind])}.",
        )


def number_of(request: str) -> int:
    """12 from "R-12"."""
    digits = request.removeprefix("R-")
    if not digits.isascii() or not digits.isdigit():
        raise Usage(ja="申請番号は R-12 のように指定してください。", en="A request is named like R-12.")
    return int(digits)


def find(connection: sa.Connection, request: str) -> Request:
    """The request with this id; NotFound without one."""
    row = connection.execute(
        sa.select(tables.requests).where(tables.requests.c.number == number_of(request))
    ).one_or_none()
    if row is None:
        raise NotFound(
            ja=f"申請 {request} はありません。workbench release list で確認してください。",
            en=f"There is no request {request}; see 'workbench release list'.",
        )
    return _from(row)


def every(connection: sa.Connection, *, state: State | None = None) -> Iterator[Request]:
    """All requests, oldest first; of one state when given."""
    query = sa.select(tables.requests).order_by(tables.requests.c.number)
    for row in connection.execute(query if state is None else query.where(tables.requests.c.state == state)):
        yield _from(row)


def ballots(connection: sa.Connection, request: Request) -> list[tuple[Ballot, bytes]]:
    """The stored votes of a request with their envelopes, not yet verified and on whichever report."""
    query = (
        sa.select(tables.votes)
        .where(tables.votes.c.request == request.number)
        .order_by(tables.votes.c.person)
    )
    return [(_ballot(row), row.envelope) for row in connection.execute(query)]


def _from(row: Any) -> Request:
    fields = dict(row._mapping)
    return Request(**{**fields, "state": State(fields["state"])})


def _ballot(row: Any) -> Ballot:
    return Ballot(
        person=row.person,
        role=Role(row.role),
        vote=Vote(row.vote),
        report=row.report,
        comment=row.comment,
        cast_at=row.cast_at,
        digest=row.digest,
    )


def cast_at(connection: sa.Connection, request: Request, *, person: str) -> str | None:
    """When this person's vote that stands was cast; None without one."""
    found: str | None = connection.execute(
        sa.select(tables.votes.c.cast_at).where(
            tables.votes.c.request == request.number, tables.votes.c.person == person
        )
    ).scalar_one_or_none()
    return found


def keep(connection: sa.Connection, request: Request, *, ballot: Ballot, envelope: bytes) -> None:
    """Store a vote in the place of the same person's earlier one. For `workflow` only."""
    mine = (tables.votes.c.request == request.number, tables.votes.c.person == ballot.person)
    connection.execute(tables.votes.delete().where(*mine))
    values = {**vars(ballot), "role": str(ballot.role), "vote": str(ballot.vote)}
    connection.execute(tables.votes.insert().values(request=request.number, envelope=envelope, **values))


def forget_votes(connection: sa.Connection, request: Request) -> None:
    """Begin the review anew; what was voted stays in the log. For `workflow` only."""
    connection.execute(tables.votes.delete().where(tables.votes.c.request == request.number))
