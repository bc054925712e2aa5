"""
Settings that watch over people at work: signed by a responsible manager, numbered, with a date to look again.

Each version names the one before it by digest, so that none can be slipped in. A version that was put back in
the place of a newer one is found against the log, where every signing is recorded. What nobody has signed yet
has the value of the table below, and is told of as a finding; so is a setting whose date has passed. A setting
that does not hold is never used, nor replaced by that value.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from types import MappingProxyType
from typing import Any

import sqlalchemy as sa

from workbench.artifact.canonical import sha256
from workbench.artifact.envelope import verify_statement
from workbench.artifact.keys import KeyRing
from workbench.artifact.signing import sign
from workbench.artifact.times import from_text, to_text
from workbench.audit import Event
from workbench.errors import NotFound, Untrusted, Unusable
from workbench.governance.people import People, Person
from workbench.governance.permissions import why_not_role
from workbench.home import Home
from workbench.state import State, metadata

SCHEMA = "workbench-setting/1"
FIELDS = frozenset(
    {"schema", "home", "name", "version", "value", "review_by", "previous", "person", "reason", "signed_at"}
)
FIRST = "0" * 64
# The day of a municipality; Japan keeps one time all year.
TOKYO = timezone(timedelta(hours=9), "Asia/Tokyo")
# "Regularly" is at least once in a fiscal year.
LONGEST = timedelta(days=366)
MB = 1_000_000


@dataclass(frozen=True)
class Kind:
    """What a setting may be. `default` is in force until a manager has signed one."""

    default: int
    smallest: int
    largest: int
    unit: str
    label: Mapping[str, str]


# A screen of a table or a plot is 30 to 100 kB, so a day at work shows some megabytes. The warning is there
# to be lowered to what a section's days look like; the limit is what no day of work comes to.
KINDS: Mapping[str, Kind] = MappingProxyType(
    {
        "daily-output-warning": Kind(
            20 * MB,
            10_000,
            1000 * MB,
            "bytes",
            {
                "ja": "1人が1日に画面へ出した量がこれを超えると警告",
                "en": "warn when one person's output of a day passes this",
            },
        ),
        "daily-output-limit": Kind(
            200 * MB,
            10_000,
            10_000 * MB,
            "bytes",
            {
                "ja": "1人が1日に画面へ出せる量の上限",
                "en": "the most that is shown to one person in a day",
            },
        ),
    }
)

signed_settings = sa.Table(
    "signed_settings",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True),
    sa.Column("envelope", sa.LargeBinary, nullable=False),
)


@dataclass(frozen=True)
class Setting:
    """A verified setting. `version` 0 was signed by nobody: it is the table's value, without a date."""

    name: str
    value: int
    version: int = 0
    review_by: date | None = None
    person: str | None = None
    reason: str = ""
    signed_at: str | None = None
    digest: str = FIRST

    def is_overdue(self, today: date) -> bool:
        """Whether somebody ought to have looked at it again by now."""
        return self.review_by is not None and today > self.review_by

    def to_json(self) -> dict[str, Any]:
        review_by = None if self.review_by is None else self.review_by.isoformat()
        return asdict(self) | {"review_by": review_by, "unit": KINDS[self.name].unit}


@dataclass(frozen=True)
class Finding:
    """Something a manager has to do about a setting."""

    setting: Setting
    ja: str
    en: str

    def to_json(self) -> dict[str, Any]:
        return {"setting": self.setting.name, "ja": self.ja, "en": self.en}


def today() -> date:
    """The municipality's day."""
    return datetime.now(TOKYO).date()


def sign_setting(
    home: Home,
    state: State,
    name: str,
    *,
    value: int | None,
    review_by: date,
    actor: str,
    reason: str,
    now: datetime | None = None,
) -> Setting:
    """
    The next version, signed with the actor's own key; without a value the last one, looked at again.

    Refused for who may not, Unusable for a value or a date that cannot be, Untrusted where what stands does
    not hold.
    """
    moment = now or datetime.now(UTC)
    People(state).expect_may(actor, "sign_setting")
    last = in_force(home, state, name) if value is None else newest(home, state, name)
    expect_possible(name, last.value if value is None else value, review_by, reason, moment)
    statement = {
        "schema": SCHEMA,
        "home": home.identity,
        "name": name,
        "version": last.version + 1,
        "value": last.value if value is None else value,
        "review_by": review_by.isoformat(),
        "previous": last.digest,
        "person": actor,
        "reason": reason.strip(),
        "signed_at": to_text(moment),
    }
    envelope = sign(statement, [KeyRing.of(home).signer(f"person:{actor}")])
    with state.transaction() as transaction:
        row = {"name": name, "version": last.version + 1, "envelope": envelope}
        transaction.connection.execute(signed_settings.insert().values(row))
        told = {key: statement[key] for key in ("name", "version", "value", "review_by")}
        transaction.event(Event.SETTING_SIGNED, actor=actor, **told, digest=sha256(envelope))
    return in_force(home, state, name)


def in_force(home: Home, state: State, name: str) -> Setting:
    """The setting that counts. Untrusted unless its last version is a responsible manager's."""
    found = newest(home, state, name)
    if found.person is not None:
        signer = People(state).get(found.person)
        if why_not_role(signer.role, "sign_setting") is not None:
            raise not_signed(name)
    return found


def newest(home: Home, state: State, name: str) -> Setting:
    """The last of an unbroken chain of versions, each signed by a person of this home."""
    with state.reading() as connection:
        query = sa.select(signed_settings).where(signed_settings.c.name == expect_known(name))
        rows = connection.execute(query.order_by(signed_settings.c.version)).all()
    people = {person.id: person for person in People(state).all()}
    last = Setting(name, KINDS[name].default)
    for row in rows:
        last = verified(row.envelope, after=last, home=home.identity, people=people)
        if last.version != row.version:
            raise not_signed(name)
    return last


def verified(envelope: bytes, *, after: Setting, home: str, people: Mapping[str, Person]) -> Setting:
    """The setting in an envelope that continues `after`."""
    keys = {person.owner: person.public_key for person in people.values() if person.public_key}
    statement = verify_statement(envelope, keys, threshold=1) if keys else {}
    signer = people.get(str(statement.get("person")))
    if set(statement) != FIELDS or signer is None or signer.public_key is None:
        raise not_signed(after.name)
    # Whoever it names has signed it, and not just anybody of this home.
    verify_statement(envelope, {signer.owner: signer.public_key}, threshold=1)
    expected = (SCHEMA, home, after.name, after.version + 1, after.digest)
    told = tuple(statement[key] for key in ("schema", "home", "name", "version", "previous"))
    if told != expected:
        raise not_signed(after.name)
    return Setting(
        name=after.name,
        value=int(statement["value"]),
        version=after.version + 1,
        review_by=day_in(str(statement["review_by"])),
        person=signer.id,
        reason=str(statement["reason"]),
        signed_at=to_text(from_text(str(statement["signed_at"]))),
        digest=sha256(envelope),
    )


def day_in(text: str) -> date:
    return from_text(f"{text}T00:00:00Z").date()


def otherwise(home: Home, state: State, records: Iterable[Mapping[str, Any]]) -> list[str]:
    """The settings that are not, in version and content, the last that the log's records tell of."""
    told = {
        record["details"]["name"]: (record["details"]["version"], record["details"]["digest"])
        for record in records
        if record["event"] == Event.SETTING_SIGNED
    }
    found = {name: newest(home, state, name) for name in KINDS}
    return sorted(
        name for name, one in found.items() if told.get(name, (0, FIRST)) != (one.version, one.digest)
    )


def expect_newest(home: Home, state: State) -> None:
    """
    Untrusted where the log knows another or a later version of a setting than the one that stands here.

    Reads no more of the log than these records. Raises Unprotected for who may not read it.
    """
    for name in otherwise(home, state, state.log.of_kind(Event.SETTING_SIGNED)):
        raise put_back(name)


def findings(home: Home, state: State, *, on: date | None = None) -> Iterator[Finding]:
    """What a manager has to do about the settings: sign them a first time, or look at them again."""
    for name in KINDS:
        found = in_force(home, state, name)
        if found.version == 0:
            yield Finding(
                found,
                f"設定 {name} は管理責任者がまだ署名していません（既定値 {found.value:,}）。workbench settings set で定めてください。",
                f"No responsible manager has signed the setting {name} yet (its default is {found.value:,}); set it with 'workbench settings set'.",
            )
        elif found.is_overdue(on or today()):
            yield Finding(
                found,
                f"設定 {name} の見直し期限（{found.review_by}）が過ぎています。workbench settings review で見直してください。",
                f"The setting {name} was to be reviewed by {found.review_by}; do so with 'workbench settings review'.",
            )


def managers(state: State) -> list[str]:
    """The people a warning is for."""
    return [person.id for person in People(state).all() if why_not_role(person.role, "sign_setting") is None]


def record_overdue(home: Home, state: State, *, session: str) -> None:
    """Tell the managers, in the log, of every setting whose date has passed."""
    for finding in findings(home, state):
        setting = finding.setting
        if setting.review_by is not None:
            state.record(
                Event.SETTING_OVERDUE,
                actor="workbench",
                session=session,
                name=setting.name,
                version=setting.version,
                review_by=setting.review_by.isoformat(),
                to=managers(state),
            )


def expect_known(name: str) -> str:
    if name not in KINDS:
        listed = ", ".join(KINDS)
        raise NotFound(
            ja=f"その名前の設定はありません。設定：{listed}",
            en=f"There is no such setting; there are {listed}.",
        )
    return name


def expect_possible(name: str, value: int, review_by: date, reason: str, now: datetime) -> None:
    kind, day = KINDS[name], now.astimezone(TOKYO).date()
    if not kind.smallest <= value <= kind.largest:
        raise Unusable(
            ja=f"{name} は {kind.smallest:,} から {kind.largest:,} までの数にしてください（単位 {kind.unit}）。",
            en=f"{name} is a number from {kind.smallest:,} to {kind.largest:,} ({kind.unit}).",
        )
    if not day < review_by <= day + LONGEST:
        raise Unusable(
            ja=f"見直しの期限は、明日から {LONGEST.days} 日以内の日にしてください。",
            en=f"The date of the next review is a day after today and within {LONGEST.days} days.",
        )
    if not reason.strip():
        raise Unusable(
            ja="理由（--reason）を書いてください。見直しの記録に残ります。",
            en="Give the reason (--reason); it is kept with the review.",
        )


def not_signed(name: str) -> Untrusted:
    return Untrusted(
        ja=f"設定 {name} が、管理責任者の署名した版の続きではありません。使わずに止めます。バックアップと監査ログを確かめ、監査責任者に連絡してください。",
        en=f"The setting {name} is not what a responsible manager signed, version by version, so it is not used; compare a backup and the log, and tell the audit officer.",
    )


def put_back(name: str) -> Untrusted:
    return Untrusted(
        ja=f"設定 {name} が、監査ログに記録された最後の署名と異なります。古い版に戻された可能性があります。使わずに止めます。監査責任者に連絡してください。",
        en=f"The setting {name} is not the last one that the log records; an older one may have been put back, so it is not used. Tell the audit officer.",
    )
