"""
Training and undertakings: who was taught what and when, who promised what, and until when that counts.

A record is a signed statement: a training is signed by the manager who says that it took place, an undertaking by
the person who gives it. The table that keeps them is not believed; a row without the right signature is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from workbench.artifact.canonical import sha256
from workbench.artifact.envelope import verify_statement
from workbench.artifact.signing import sign
from workbench.artifact.times import from_text, to_text
from workbench.audit import Event
from workbench.errors import Refused, Unusable, WorkbenchError
from workbench.governance.people import FOUNDER, People, Person
from workbench.governance.permissions import why_not_role
from workbench.governance.settings import policy_in_force
from workbench.home import Home
from workbench.state import State, metadata

SCHEMA = "workbench-training/1"


class Kind(StrEnum):
    GENERAL = "general"
    SYSTEM = "system"
    UNDERTAKING = "undertaking"


LABELS: dict[Kind, tuple[str, str]] = {
    Kind.GENERAL: ("個人情報の取扱いの研修", "training in handling personal information"),
    Kind.SYSTEM: ("システムの管理・運用・セキュリティの研修", "training in running and securing the system"),
    Kind.UNDERTAKING: ("誓約", "undertaking"),
}
# Which act takes which current records, where the policy asks for them; an act that is not here takes none.
# Not among them is whatever a first manager needs before there is a second one to record a training.
NEEDED: Mapping[str, tuple[Kind, ...]] = MappingProxyType(
    {
        "open_session": (Kind.GENERAL, Kind.UNDERTAKING),
        "import_package": (Kind.SYSTEM,),
        "set_checkpoint_place": (Kind.SYSTEM,),
    }
)
CLOSED: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "open_session": ("カーネルを起動できません", "No kernel runs for {person}"),
        "import_package": ("パッケージを取り込めません", "{person} may take no package in"),
        "set_checkpoint_place": (
            "チェックポイントの保管先を決められません",
            "{person} may not say where checkpoints are kept",
        ),
    }
)
UNDERTAKING = {
    "ja": (
        "こどもと家庭の機微なデータを扱うことを自覚し、定められた利用目的のためだけに使います。",
        "データから個人を識別しようとしません。ほかの情報との照合もしません。",
        "データや結果を、定められた手続によらずに持ち出しません。画面の撮影や書き写しもしません。",
        "合言葉・確認コード・署名鍵を人に使わせません。漏えいやそのおそれは直ちに管理責任者に知らせます。",
    ),
    "en": (
        "I know that these are sensitive data about children and families, and use them for the stated purpose only.",
        "I do not try to identify anybody from the data, nor match them with other information.",
        "I take out no data and no result other than by the set procedure, and neither photograph nor copy the screen.",
        "I let nobody use my passphrase, codes or signing key, and report any leak or suspicion of one to the responsible manager at once.",
    ),
}

records = sa.Table(
    "trainings",
    metadata,
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
)


@dataclass(frozen=True)
class Record:
    """A verified record; it counts through `valid_until`."""

    person: str
    kind: Kind
    done_on: str
    valid_until: str
    by: str

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "kind": str(self.kind)}


class Trainings:
    """The training and undertakings of a home's people."""

    def __init__(self, home: Home, state: State) -> None:
        self.home = home
        self.state = state
        self.people = People(state)

    def train(self, person: str, kind: Kind, *, on: date, actor: str, signer: Any, now: datetime) -> Record:
        """Record that the person was trained on a day. `signer` is the actor's own key."""
        if kind is Kind.UNDERTAKING:
            raise Refused(
                ja="誓約は本人だけができます。workbench people undertake を本人が実行してください。",
                en="An undertaking is given by the person alone, with 'workbench people undertake'.",
            )
        self.people.expect_may(actor, "record_training")
        if actor in {person, FOUNDER}:
            raise Refused(
                ja="自分の研修を自分で記録することはできません。別の管理責任者に記録してもらってください。",
                en="Nobody records their own training; have another manager do it.",
            )
        if on > now.date() or on < now.date() - timedelta(days=self._days):
            raise Unusable(
                ja=f"研修日は今日までの {self._days} 日以内の日付（2025-04-01 の形）にしてください。",
                en=f"The day of training lies within the last {self._days} days, written as 2025-04-01.",
            )
        return self._keep(person, kind, on=on, by=actor, signer=signer, event=Event.TRAINING_RECORDED)

    def undertake(self, person: str, *, signer: Any, now: datetime) -> Record:
        """Record the person's own undertaking, signed with their own key."""
        self.people.get(person)
        return self._keep(
            person, Kind.UNDERTAKING, on=now.date(), by=person, signer=signer, event=Event.UNDERTAKING_GIVEN
        )

    def of(self, person: str) -> dict[Kind, Record]:
        """The person's records that verify, by kind; whether they still count is for `why_not_current`."""
        with self.state.reading() as connection:
            rows = connection.execute(sa.select(records).where(records.c.person == person)).all()
        found = {}
        for row in rows:
            record = self._verified(row)
            if record is not None:
                found[record.kind] = record
        return found

    def all(self) -> list[Record]:
        """Everybody's records that verify."""
        return [record for person in self.people.all() for record in self.of(person.id).values()]

    def why_not_current(self, person: str, *, now: datetime, action: str = "open_session") -> Refused | None:
        """What this person lacks for the act today (for a kernel, where none is named), or None."""
        needed = NEEDED.get(action, ())
        found = self.of(person) if needed else {}
        for kind in needed:
            record = found.get(kind)
            if record is None:
                return lacking(person, kind, action=action)
            if now > from_text(record.valid_until):
                return run_out(record, action=action)
        return None

    def why_not(self, person: str, action: str, *, now: datetime) -> Refused | None:
        """The reason why this person's training keeps them from the act, or None; see `NEEDED` and the policy."""
        if not policy_in_force(self.state)["training_required"]:
            return None
        return self.why_not_current(person, now=now, action=action)

    def why_not_kernel(self, person: str, *, now: datetime) -> Refused | None:
        """The reason no kernel runs for this person, or None; None too where the policy asks for no record."""
        return self.why_not(person, "open_session", now=now)

    def expect(self, person: str, action: str, *, now: datetime) -> None:
        """Raise Refused where the person's training keeps them from the act; the founder has no training."""
        refused = None if person == FOUNDER else self.why_not(person, action, now=now)
        if refused is not None:
            raise refused

    def notice(self, person: str, *, now: datetime) -> str | None:
        """What to say where a kernel runs for somebody without current records, in both languages; else None."""
        if self.why_not_current(person, now=now) is None:
            return None
        return (
            f"{person} さんの研修または誓約の記録が、期限内にありません（方針 training_required は必須としていません）。"
            f" / There is no current record of training and undertaking for {person} (the policy does not require one: training_required)."
        )

    @property
    def _days(self) -> int:
        return int(policy_in_force(self.state)["training_days"])

    def _keep(self, person: str, kind: Kind, *, on: date, by: str, signer: Any, event: Event) -> Record:
        self.people.get(person)
        end = datetime.combine(on + timedelta(days=self._days), time.max, tzinfo=UTC)
        record = Record(person, kind, on.isoformat(), to_text(end.replace(microsecond=0)), by)
        envelope = sign(self._statement(record), [signer])
        self._expect_own(by, envelope)
        with self.state.transaction() as transaction:
            same = (records.c.person == person) & (records.c.kind == str(kind))
            transaction.connection.execute(records.delete().where(same))
            row = {"person": person, "kind": str(kind), "envelope": envelope}
            transaction.connection.execute(records.insert().values(row))
            transaction.event(
                event,
                actor=by,
                person=person,
                kind=str(kind),
                valid_until=record.valid_until,
                envelope=sha256(envelope),
            )
        return record

    def _statement(self, record: Record) -> dict[str, Any]:
        text = UNDERTAKING if record.kind is Kind.UNDERTAKING else {}
        return {
            "schema": SCHEMA,
            "home": self.home.identity,
            **record.to_json(),
            "text": {tongue: list(points) for tongue, points in text.items()},
        }

    def _expect_own(self, by: str, envelope: bytes) -> None:
        """What is signed with another key than that of who says so is not kept."""
        verify_statement(envelope, owner_of(self.people.get(by)), threshold=1)

    def _verified(self, row: Any) -> Record | None:
        """The record in a row, or None: not signed by who says so, for another person or home, or by who may not."""
        known = {person.id: person for person in self.people.all()}
        for signer in known.values():
            try:
                said = verify_statement(row.envelope, owner_of(signer), threshold=1)
                record = Record(
                    said["person"], Kind(said["kind"]), said["done_on"], said["valid_until"], said["by"]
                )
            except (WorkbenchError, KeyError, ValueError):
                continue
            whole = said == self._statement(record)
            about = (record.person, str(record.kind), record.by) == (row.person, row.kind, signer.id)
            return record if whole and about and may_say(signer, record) else None
        return None


def may_say(signer: Person, record: Record) -> bool:
    """An undertaking is one's own; a training is said by somebody else, who may."""
    if record.kind is Kind.UNDERTAKING:
        return signer.id == record.person
    return signer.id != record.person and why_not_role(signer.role, "record_training") is None


def owner_of(person: Person) -> Mapping[str, str]:
    if person.public_key is None:
        raise Refused(
            ja=f"{person.id} さんには署名鍵がありません。workbench key create {person.owner} で作成してください。",
            en=f"{person.id} has no key to sign with; create it with 'workbench key create {person.owner}'.",
        )
    return {person.owner: person.public_key}


HOW: dict[Kind, tuple[str, str]] = {
    Kind.GENERAL: (
        "管理責任者に workbench people train で記録してもらってください",
        "have a manager record it with 'workbench people train'",
    ),
    Kind.SYSTEM: (
        "管理責任者に workbench people train --kind system で記録してもらってください",
        "have a manager record it with 'workbench people train --kind system'",
    ),
    Kind.UNDERTAKING: (
        "本人が workbench people undertake で行ってください",
        "give it with 'workbench people undertake'",
    ),
}


def lacking(person: str, kind: Kind, *, action: str) -> Refused:
    (ja, en), (how_ja, how_en), (closed_ja, closed_en) = LABELS[kind], HOW[kind], CLOSED[action]
    return Refused(
        ja=f"{person} さんの「{ja}」の記録がないため、{closed_ja}。{how_ja}。",
        en=f"{closed_en.format(person=person)}: there is no record of {en}; {how_en}.",
    )


def run_out(record: Record, *, action: str) -> Refused:
    (ja, en), (how_ja, how_en), (closed_ja, closed_en) = (
        LABELS[record.kind],
        HOW[record.kind],
        CLOSED[action],
    )
    day = record.valid_until[:10]
    return Refused(
        ja=f"{record.person} さんの「{ja}」の有効期限（{day}）が過ぎたため、{closed_ja}。{how_ja}。",
        en=f"{closed_en.format(person=record.person)}: the {en} counted until {day}; {how_en}.",
    )
