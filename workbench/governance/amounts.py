"""
How much each person was shown in a day: counted on disk before it is shown, over sessions and restarts.

Room for output is set aside in the state, a little at a time, and each time the log says so. A kill therefore
counts what was set aside and not shown, never the other way round. Above the signed threshold the person is
told, and so are the responsible managers, in the log; above the limit nothing more is shown that day.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from workbench.audit import Event
from workbench.errors import Refused
from workbench.governance.signed_settings import TOKYO, Setting, in_force, managers, today
from workbench.home import Home
from workbench.state import State, Transaction, metadata

WARNING, LIMIT = "daily-output-warning", "daily-output-limit"
# What is set aside at once: one write to the disk for so much output, and what a kill may count too much.
LARGEST_PART, SMALLEST_PART, PARTS = 256_000, 4_000, 50

amounts = sa.Table(
    "amounts_shown",
    metadata,
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("day", sa.Text, primary_key=True),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    # How many times over the threshold the managers were told of.
    sa.Column("warned", sa.Integer, nullable=False),
)


def clock() -> datetime:
    return datetime.now(TOKYO)


@dataclass(frozen=True)
class Amount:
    """What one person was shown on one day, against the settings in force."""

    person: str
    day: str
    bytes: int
    warning: Setting
    limit: Setting

    @property
    def times(self) -> int:
        """How many times the threshold was passed; reaching it is not passing it."""
        return max(self.bytes - 1, 0) // self.warning.value

    def to_json(self) -> dict[str, Any]:
        """For the page's meter, in bytes: `limit` is where the managers are told, `most` where it ends."""
        return {
            "person": self.person,
            "day": self.day,
            "timezone": str(TOKYO),
            "shown": self.bytes,
            "limit": self.warning.value,
            "most": self.limit.value,
            "warned": self.times > 0,
            "stopped": self.bytes >= self.limit.value,
            "notice": {"ja": much(self).ja, "en": much(self).en} if self.times else None,
            "settings": {
                one.name: {
                    "version": one.version,
                    "signed_by": one.person,
                    "review_by": None if one.review_by is None else one.review_by.isoformat(),
                    "overdue": one.is_overdue(today()),
                }
                for one in (self.warning, self.limit)
            },
        }


class Meter:
    """Counts what `person` is shown in one session. For several threads."""

    def __init__(
        self, home: Home, state: State, *, person: str, session: str, now: Callable[[], datetime] = clock
    ) -> None:
        self._home, self._state, self._now = home, state, now
        self._person, self._session = person, session
        self._day, self._left, self._told, self._stopped = "", 0, 0, False
        self._amount: Amount | None = None
        self._lock = threading.Lock()

    def charge(self, size: int, *, can_say: bool = True) -> Refused | None:
        """
        Count `size` bytes that are about to be shown.

        Returns what to tell the person beside them, once for each time the threshold is passed, or None; where
        nothing can be said (a file), it is left for the next.
        Raises Refused when the day's limit does not allow them; they are not counted then, nor to be shown.
        """
        with self._lock:
            self._turn_the_day()
            if size > self._left:
                self._set_aside(size)
            self._left -= size
            return self._warning(can_say=can_say)

    def why_not_more(self) -> Refused | None:
        """Why nothing more is shown today, or None; to be asked before code runs whose output would be lost."""
        with self._lock:
            self._turn_the_day()
            if self._amount is None or self._room(self._amount) >= SMALLEST_PART:
                return None
            self._amount = self._read()  # a manager may have signed another limit since
            return no_more(self._amount.limit.value) if self._room(self._amount) < SMALLEST_PART else None

    def amount(self) -> Amount:
        """What was shown until now, in all sessions."""
        with self._lock:
            self._turn_the_day()
            return self._shown(self._read())

    def close(self) -> None:
        """Count no more than was shown."""
        with self._lock:
            self._give_back()

    def _turn_the_day(self) -> None:
        day = self._now().astimezone(TOKYO).date().isoformat()
        if day != self._day:
            self._give_back()
            self._day, self._told, self._stopped, self._amount = day, 0, False, None

    def _read(self) -> Amount:
        with self._state.reading() as connection:
            row = connection.execute(self._mine()).one_or_none()
        return Amount(
            self._person,
            self._day,
            0 if row is None else row.bytes,
            in_force(self._home, self._state, WARNING),
            in_force(self._home, self._state, LIMIT),
        )

    def _shown(self, counted: Amount) -> Amount:
        """Without what this session set aside and has not used."""
        return replace(counted, bytes=counted.bytes - self._left)

    def _mine(self) -> sa.Select[Any]:
        return sa.select(amounts).where(amounts.c.person == self._person, amounts.c.day == self._day)

    def _room(self, amount: Amount) -> int:
        return amount.limit.value - amount.bytes + self._left

    def _set_aside(self, size: int) -> None:
        """Count a part ahead. Raises Refused where the limit does not leave room for `size`."""
        known = self._read()
        if self._stopped and size > self._room(known):
            raise no_more(known.limit.value)  # the log has it already
        part = min(max(known.warning.value // PARTS, SMALLEST_PART), LARGEST_PART)
        with self._state.transaction() as transaction:
            row = transaction.connection.execute(self._mine()).one_or_none()
            counted = 0 if row is None else int(row.bytes)
            needed, room = size - self._left, known.limit.value - counted
            refused = needed > room
            taken = 0 if refused else min(max(needed, part), room)
            self._count(transaction, counted + taken, new=row is None)
            if refused and not self._stopped:
                self._tell(transaction, Event.OUTPUT_STOPPED, counted - self._left, known.limit)
        self._left += taken
        self._stopped = refused
        self._amount = Amount(self._person, self._day, counted + taken, known.warning, known.limit)
        if refused:
            raise no_more(known.limit.value)

    def _count(self, transaction: Transaction, counted: int, *, new: bool) -> None:
        row = {"person": self._person, "day": self._day, "bytes": counted}
        if new:
            transaction.connection.execute(amounts.insert().values(**row, warned=0))
        else:
            mine = (amounts.c.person == self._person) & (amounts.c.day == self._day)
            transaction.connection.execute(amounts.update().where(mine).values(bytes=counted))
        transaction.event(Event.OUTPUT_METERED, actor=self._person, session=self._session, **row)

    def _warning(self, *, can_say: bool) -> Refused | None:
        if self._amount is None:
            return None
        now = self._shown(self._amount)
        if now.times <= self._told:
            return None
        self._warn(now)
        if not can_say:
            return None
        self._told = now.times
        return much(now)

    def _warn(self, now: Amount) -> None:
        """Tell the managers, unless another session of this person has done so."""
        with self._state.reading() as connection:
            row = connection.execute(self._mine()).one()
        if row.warned >= now.times:
            return
        with self._state.transaction() as transaction:
            mine = (amounts.c.person == self._person) & (amounts.c.day == self._day)
            transaction.connection.execute(amounts.update().where(mine).values(warned=now.times))
            self._tell(transaction, Event.OUTPUT_WARNED, now.bytes, now.warning)

    def _tell(self, transaction: Transaction, event: Event, counted: int, setting: Setting) -> None:
        transaction.event(
            event,
            actor="workbench",
            session=self._session,
            person=self._person,
            day=self._day,
            bytes=counted,
            threshold=setting.value,
            setting=setting.name,
            version=setting.version,
            to=managers(self._state),
        )

    def _give_back(self) -> None:
        if self._left:
            with self._state.transaction() as transaction:
                row = transaction.connection.execute(self._mine()).one()
                self._count(transaction, int(row.bytes) - self._left, new=False)
        self._left = 0


def otherwise(state: State, records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The people and days whose amount is not the last that the log's records tell of."""
    told = {
        (record["details"]["person"], record["details"]["day"]): record["details"]["bytes"]
        for record in records
        if record["event"] == Event.OUTPUT_METERED
    }
    with state.reading() as connection:
        rows = connection.execute(sa.select(amounts)).all()
    found = {(row.person, row.day): row.bytes for row in rows}
    differing = [one for one in told.keys() | found.keys() if told.get(one) != found.get(one)]
    return sorted(f"{person} {day}" for person, day in differing)


def megabytes(size: int) -> str:
    return f"{size / 1_000_000:,.2f} MB"


def much(amount: Amount) -> Refused:
    """What the person is told above the threshold: in the form of a refusal, and none yet."""
    shown, threshold = megabytes(amount.bytes), megabytes(amount.warning.value)
    return Refused(
        ja=f"警告：今日あなたの画面に出した量が {shown} になり、設定値（{threshold}）を超えました。管理責任者にも通知しました。必要な出力だけにしてください。",
        en=f"Warning: you were shown {shown} today, more than the set amount ({threshold}). The responsible manager has been told. Show only what you need.",
    )


def no_more(limit: int) -> Refused:
    return Refused(
        ja=f"今日画面に出せる量の上限（{megabytes(limit)}）に達したため、表示しません。急ぐときは管理責任者に相談してください。",
        en=f"The most that is shown to one person in a day ({megabytes(limit)}) is reached, so this is not shown; ask the responsible manager if it cannot wait.",
    )
