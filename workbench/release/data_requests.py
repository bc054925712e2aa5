"""
What analysts ask the coordinating body for: a dataset, an item in one, or a fresh copy of one.

Asking changes nothing by itself: a person of the coordinating body answers, prepares a release if they
agree, and says which one when it is admitted. The log has that it was asked and answered, not the words.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from workbench.artifact.times import to_text
from workbench.audit import Event
from workbench.errors import NotFound, Refused, Unusable, Usage
from workbench.governance.people import People
from workbench.governance.wording import LONGEST, is_plain
from workbench.release import tables
from workbench.release.requests import NAME
from workbench.state import State, Transaction, metadata

OPEN_AT_ONCE = 20  # of one analyst: more is a flood, or nobody answers
A_DAY = 40  # requests of one person, taken back or not
# The fields that people write, by their name in Japanese.
WORDS = {"about": "ほしいもの", "why": "理由", "answer": "回答"}


class Kind(StrEnum):
    DATASET = "dataset"
    ITEM = "item"
    REFRESH = "refresh"


class Standing(StrEnum):
    OPEN = "open"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    DELIVERED = "delivered"
    WITHDRAWN = "withdrawn"


KINDS: dict[Kind, tuple[str, str]] = {
    Kind.DATASET: ("新しいデータセット", "a new dataset"),
    Kind.ITEM: ("データ項目の追加", "another item"),
    Kind.REFRESH: ("最新の内容への更新", "a refresh"),
}
LABELS: dict[Standing, tuple[str, str]] = {
    Standing.OPEN: ("回答待ち", "waiting for an answer"),
    Standing.ACCEPTED: ("準備中", "accepted, in preparation"),
    Standing.DECLINED: ("見送り", "declined"),
    Standing.DELIVERED: ("提供済", "delivered"),
    Standing.WITHDRAWN: ("取下げ", "withdrawn"),
}
MOVES: dict[Standing, frozenset[Standing]] = {
    Standing.OPEN: frozenset({Standing.ACCEPTED, Standing.DECLINED, Standing.WITHDRAWN}),
    Standing.ACCEPTED: frozenset({Standing.DELIVERED, Standing.DECLINED, Standing.WITHDRAWN}),
    Standing.DECLINED: frozenset(),
    Standing.DELIVERED: frozenset(),
    Standing.WITHDRAWN: frozenset(),
}
ANSWERS = (Standing.ACCEPTED, Standing.DECLINED, Standing.DELIVERED)

data_requests = sa.Table(
    "data_requests",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("kind", sa.String(16), nullable=False),
    sa.Column("dataset", sa.String(64)),
    sa.Column("about", sa.Text, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("author", sa.String(64), nullable=False),
    sa.Column("purpose", sa.String(64), nullable=False),
    sa.Column("asked_at", sa.String(40), nullable=False),
    sa.Column("standing", sa.String(16), nullable=False),
    sa.Column("answer", sa.Text),
    sa.Column("answered_by", sa.String(64)),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class DataRequest:
    """One request. `dataset` is the admitted one that an item or a refresh is asked for; else None."""

    number: int
    kind: Kind
    dataset: str | None
    about: str
    why: str
    author: str
    purpose: str
    asked_at: str
    standing: Standing
    answer: str | None
    answered_by: str | None

    @property
    def id(self) -> str:
        return f"D-{self.number}"

    def to_json(self) -> dict[str, Any]:
        return {"request": self.id, **{name: value for name, value in vars(self).items() if name != "number"}}


@dataclass(frozen=True)
class DataRequests:
    """The requests for data of one home."""

    state: State

    def ask(self, asked: Mapping[str, Any], *, author: str, purpose: str) -> DataRequest:
        """
        Record what `author` asks for: `kind`, `why`, `about` (what is wanted, in words; not for a refresh)
        and `dataset` (its name, for an item or a refresh).

        Refused for who may not ask, or has too many open; Unusable when it does not say what is wanted.
        """
        People(self.state).expect_may(author, "ask_for_data")
        values = {
            **expect_asked(asked),
            "author": author,
            "purpose": purpose,
            "asked_at": to_text(datetime.now(UTC)),
            "standing": Standing.OPEN,
        }
        with self.state.transaction() as t:
            if values["dataset"] is not None:
                expect_admitted(t.connection, values["dataset"], purpose=purpose)
            expect_room(t.connection, author)
            expect_few_today(t.connection, author, today=values["asked_at"][:10])
            inserted = t.connection.execute(data_requests.insert().values(values)).inserted_primary_key
            found = find(t.connection, f"D-{inserted[0] if inserted else 0}")
            t.event(Event.DATA_REQUESTED, actor=author, data_request=found.id, kind=str(found.kind))
        return found

    def answer(self, request: str, *, standing: Standing, answer: str, by: str) -> DataRequest:
        """Accept, decline or call delivered, saying why or which release. Refused for who may not."""
        People(self.state).expect_may(by, "answer_data_request")
        return self._move(request, standing, by=by, answer=expect_words("answer", answer), answered_by=by)

    def withdraw(self, request: str, *, by: str) -> DataRequest:
        """Take a request back; only its author may."""
        People(self.state).expect_may(by, "ask_for_data")
        return self._move(request, Standing.WITHDRAWN, by=by)

    def of(self, author: str) -> list[DataRequest]:
        """What this person asked for, newest first."""
        return [one for one in reversed(self.every()) if one.author == author]

    def every(self) -> list[DataRequest]:
        """All requests, oldest first."""
        with self.state.reading() as connection:
            rows = connection.execute(sa.select(data_requests).order_by(data_requests.c.number))
            return [as_request(row) for row in rows]

    def _move(self, request: str, standing: Standing, *, by: str, **changes: Any) -> DataRequest:
        with self.state.transaction() as t:
            found = find(t.connection, request)
            expect_move(found, standing, by=by)
            self._write(t, found, standing=standing, **changes)
            t.event(Event.DATA_REQUEST_MOVED, actor=by, data_request=found.id, standing=str(standing))
            return find(t.connection, request)

    def _write(self, t: Transaction, request: DataRequest, **changes: Any) -> None:
        mine = data_requests.c.number == request.number
        t.connection.execute(data_requests.update().where(mine).values(changes))


def expect_asked(asked: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a request, if they say what is wanted."""
    kind = asked.get("kind")
    if not isinstance(kind, str) or kind not in set(Kind):
        raise Unusable(
            ja=f"依頼の種類（kind）は {'、'.join(Kind)} のいずれかです。",
            en=f"The kind of a request is one of {', '.join(Kind)}.",
        )
    dataset = asked.get("dataset") if kind != Kind.DATASET else None
    if kind != Kind.DATASET and not (isinstance(dataset, str) and NAME.fullmatch(dataset)):
        raise Unusable(
            ja="どのデータセットについての依頼か（dataset）を選んでください。",
            en="Say which dataset this is about ('dataset').",
        )
    about = "" if kind == Kind.REFRESH else expect_words("about", asked.get("about"))
    return {"kind": kind, "dataset": dataset, "about": about, "why": expect_words("why", asked.get("why"))}


def expect_words(field: str, value: Any) -> str:
    """One line of plain words."""
    if not isinstance(value, str) or not is_plain(value):
        raise Unusable(
            ja=f"「{WORDS[field]}」を、改行のない一つの文（{LONGEST} 文字まで）で書いてください。",
            en=f"Write '{field}' in words on one line, at most {LONGEST} characters.",
        )
    return value.strip()


def expect_admitted(connection: sa.Connection, dataset: str, *, purpose: str) -> None:
    """Raise NotFound unless a dataset of this name was ever admitted for the purpose."""
    shelves = tables.shelves.c
    query = sa.select(shelves.name).where(
        shelves.kind == "dataset", shelves.name == dataset, shelves.purpose == purpose
    )
    if connection.execute(query.limit(1)).first() is None:
        raise NotFound(
            ja="その名前のデータセットはこの事業にありません。パネルの一覧から選んでください。",
            en="This project has no dataset of that name; choose one from the panel's list.",
        )


def expect_room(connection: sa.Connection, author: str) -> None:
    mine = (data_requests.c.author == author, data_requests.c.standing == Standing.OPEN)
    count = connection.execute(
        sa.select(sa.func.count()).select_from(data_requests).where(*mine)
    ).scalar_one()
    if count >= OPEN_AT_ONCE:
        raise Refused(
            ja=f"回答待ちの依頼が {count} 件あります。回答を待つか、不要なものを取り下げてください。",
            en=f"{count} of your requests wait for an answer; wait, or withdraw those you no longer need.",
        )


def expect_few_today(connection: sa.Connection, author: str, *, today: str) -> None:
    """Those that were taken back count as well: whoever asks writes what a person of the room's side reads."""
    mine = (data_requests.c.author == author, data_requests.c.asked_at.startswith(today))
    count = connection.execute(
        sa.select(sa.func.count()).select_from(data_requests).where(*mine)
    ).scalar_one()
    if count >= A_DAY:
        raise Refused(
            ja=f"今日の依頼が {count} 件になりました。続きは明日、依頼してください。",
            en=f"You have made {count} requests today; ask again tomorrow.",
        )


def expect_move(request: DataRequest, standing: Standing, *, by: str) -> None:
    """Raise Refused unless the table has this move, and who takes back is who asked."""
    if standing is Standing.WITHDRAWN and by != request.author:
        raise Refused(
            ja=f"依頼 {request.id} を取り下げられるのは、依頼した人だけです。",
            en=f"Only its author can withdraw request {request.id}.",
        )
    if standing not in MOVES[request.standing]:
        before, after = LABELS[request.standing], LABELS[standing]
        raise Refused(
            ja=f"依頼 {request.id} は「{before[0]}」のため、「{after[0]}」にはできません。workbench release wanted で確認してください。",
            en=f"Request {request.id} is '{before[1]}' and cannot become '{after[1]}'; see 'workbench release wanted'.",
        )


def find(connection: sa.Connection, request: str) -> DataRequest:
    """The request with this id. Raises Usage for what is no id, NotFound without one."""
    digits = request.removeprefix("D-")
    if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
        raise Usage(
            ja="依頼番号は D-3 のように指定してください。", en="A request for data is named like D-3."
        )
    row = connection.execute(
        sa.select(data_requests).where(data_requests.c.number == int(digits))
    ).one_or_none()
    if row is None:
        raise NotFound(
            ja=f"依頼 D-{digits} はありません。workbench release wanted で確認してください。",
            en=f"There is no request D-{digits}; see 'workbench release wanted'.",
        )
    return as_request(row)


def as_request(row: Any) -> DataRequest:
    fields = dict(row._mapping)
    return DataRequest(**{**fields, "kind": Kind(fields["kind"]), "standing": Standing(fields["standing"])})
