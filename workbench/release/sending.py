"""
Sending admitted datasets to a host by medium: who asked for it, who agreed, and the package that they signed.

The recipient is typed twice by whoever asks and again by another person who agrees; each signs with their own
key what they typed. Only then is the package written, and the log has it before a byte is on the medium.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from workbench.artifact.canonical import sha256
from workbench.artifact.envelope import verify_statement
from workbench.artifact.keys import KeyRing
from workbench.artifact.manifest import ENVELOPE, MANIFEST
from workbench.artifact.package import SENDER, Sealed, package_statement, write
from workbench.artifact.signing import sign
from workbench.artifact.times import to_text
from workbench.audit import Event
from workbench.errors import NotFound, Refused
from workbench.governance.hosts import Host, Hosts
from workbench.governance.people import People, Person
from workbench.governance.settings import policy_in_force
from workbench.home import Home, sync_folder
from workbench.release import revocations
from workbench.release.admission import known
from workbench.release.catalogue import catalogue
from workbench.release.shelf import Opened
from workbench.state import State, metadata

SCHEMA = "workbench-sending/1"
PACKAGE = "{number}-{host}.workbench"

sendings = sa.Table(
    "sendings",
    metadata,
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("host", sa.Text, nullable=False),
    sa.Column("purpose", sa.Text, nullable=False),
    sa.Column("bundles", sa.Text, nullable=False),
    sa.Column("asked_by", sa.Text, nullable=False),
    sa.Column("asked", sa.LargeBinary, nullable=False),
    sa.Column("written_at", sa.Text, nullable=True),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True)
class Sending:
    """What somebody asks to send. `bundles` are manifest digests."""

    number: int
    host: str
    purpose: str
    bundles: tuple[str, ...]
    asked_by: str
    written_at: str | None

    @property
    def id(self) -> str:
        return f"P-{self.number}"

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "number": self.id, "bundles": list(self.bundles)}


class Sendings:
    """The sendings of one home."""

    def __init__(self, home: Home, state: State) -> None:
        self.home = home
        self.state = state

    def ask(
        self, wanted: Sequence[str], *, host: str, again: str, purpose: str, by: str, now: datetime
    ) -> Sending:
        """
        Ask to send the datasets `wanted` (all that is valid for the purpose when none is named) to a host.

        `again` is the recipient typed once more. Every dataset is verified now, and again when it is written.
        """
        self._expect_may(by, "send_package")
        to = self._recipient(host, again)
        opened = self._opened(wanted, purpose=purpose, now=now)
        digests = sorted(one.entry.manifest for one in opened)
        with self.state.transaction() as transaction:
            row = sendings.insert().values(
                host=to.name, purpose=purpose, bundles=json.dumps(digests), asked_by=by, asked=b""
            )
            number = transaction.connection.execute(row.returning(sendings.c.number)).scalar_one()
            sending = Sending(number, to.name, purpose, tuple(digests), by, None)
            transaction.connection.execute(
                sendings.update()
                .where(sendings.c.number == number)
                .values(asked=self._signed(sending, to, by=by))
            )
            transaction.event(
                Event.PACKAGE_ASKED, actor=by, package=sending.id, host=to.name, manifests=digests
            )
        return sending

    def write(self, number: str, *, folder: Path, host: str, again: str, by: str, now: datetime) -> Path:
        """
        Agree to a sending and write its package into `folder`; returns the file.

        `by` is not who asked, unless the policy lets one person send alone.
        """
        sending, asked = self._find(number)
        self._expect_second(sending, by=by)
        to = self._recipient(host, again)
        if to.name != sending.host:
            raise Refused(
                ja=f"{sending.id} の宛先は、入力された宛先と違います。依頼した人と宛先を確かめてください。",
                en=f"{sending.id} is for another recipient than the one typed; check the recipient with who asked.",
            )
        self._expect_asked(sending, asked, to)
        wanted = [entry.id for entry in self._shelf.every() if entry.manifest in sending.bundles]
        opened = self._opened(wanted, purpose=sending.purpose, now=now)
        people = [{"person": sending.asked_by, "envelope": sha256(asked)}]
        if by != sending.asked_by:
            people.append({"person": by, "envelope": sha256(self._signed(sending, to, by=by))})
        final = folder / PACKAGE.format(number=sending.id, host=to.name)
        with self.state.transaction() as transaction:
            transaction.connection.execute(
                sendings.update().where(sendings.c.number == sending.number).values(written_at=to_text(now))
            )
            transaction.event(
                Event.PACKAGE_WRITTEN,
                actor=by,
                package=sending.id,
                host=to.name,
                host_key=to.key,
                asked_by=sending.asked_by,
                manifests=list(sending.bundles),
            )
        self._write(final, sending=sending, to=to, opened=opened, people=people, now=now)
        return final

    def every(self) -> list[Sending]:
        """Every sending, oldest first."""
        with self.state.reading() as connection:
            rows = connection.execute(sa.select(sendings).order_by(sendings.c.number)).all()
        return [as_sending(row) for row in rows]

    @property
    def _shelf(self) -> Any:
        return catalogue(self.home, self.state)

    def _write(
        self,
        final: Path,
        *,
        sending: Sending,
        to: Host,
        opened: Sequence[Opened],
        people: Sequence[dict[str, str]],
        now: datetime,
    ) -> None:
        predicate = {
            "home": self.home.identity,
            "number": sending.id,
            "host": to.name,
            "host_key": to.key,
            "portable": to.portable,
            "purpose": sending.purpose,
            "made_at": to_text(now),
            "valid_until": to_text(now + timedelta(days=policy_in_force(self.state)["package_days"])),
            "people": list(people),
            "bundles": [
                {"name": one.entry.name, "version": one.entry.version, "manifest": one.entry.manifest}
                for one in opened
            ],
        }

        def envelope(sealed: Sealed) -> bytes:
            return sign(package_statement(predicate, sealed), [KeyRing.of(self.home).signer(SENDER)])

        revocations.publish(self.home, self.state, now=now)
        files = {revocations.NAME: revocations.path(self.home), **files_of(opened)}
        final.parent.mkdir(parents=True, exist_ok=True)
        # Put together in the room: what is half done never stands on the medium under the package's name.
        work = Path(tempfile.mkdtemp(prefix=".package-", suffix=".aside", dir=self.home.staging))
        try:
            with (work / "package").open("xb") as made:
                write(made, files=files, key=to.key, envelope=envelope, aside=work / "content")
            place(work / "package", final)
        finally:
            shutil.rmtree(work, ignore_errors=True)

    def _opened(self, wanted: Sequence[str], *, purpose: str, now: datetime) -> list[Opened]:
        """The bundles, each verified now, and admitted for this purpose."""
        shelf = self._shelf
        opened = (
            [shelf.open(name, now=now) for name in wanted] if wanted else list(shelf.usable(purpose, now=now))
        )
        if not opened:
            raise NotFound(
                ja=f"利用目的「{purpose}」の受入済みデータセットがありません。workbench catalogue list で確かめてください。",
                en=f"No dataset is admitted for the purpose '{purpose}'; see 'workbench catalogue list'.",
            )
        other = next((one for one in opened if one.entry.purpose != purpose), None)
        if other is not None:
            raise Refused(
                ja=f"{other.entry.id} は別の利用目的で受け入れたものです。利用目的ごとに送ってください。",
                en=f"{other.entry.id} was admitted for another purpose; send each purpose by itself.",
            )
        return opened

    def _recipient(self, host: str, again: str) -> Host:
        if host != again:
            raise Refused(
                ja="二度入力された宛先が一致しません。宛先を確かめて入力し直してください。",
                en="The recipient was not typed the same way twice; check it and type it again.",
            )
        found = Hosts(self.state).get(host)
        if found.portable and not policy_in_force(self.state)["portable_allowed"]:
            raise Refused(
                ja=f"「{host}」は持ち出す端末です。方針（portable_allowed）が許していないので送りません。",
                en=f"'{host}' is a machine that is carried outside, and the policy (portable_allowed) does not allow sending to one.",
            )
        return found

    def _expect_second(self, sending: Sending, *, by: str) -> None:
        needed = policy_in_force(self.state)["people_to_send"]
        if by == sending.asked_by and needed == 1:
            self._expect_may(by, "send_package")
            return
        if by == sending.asked_by:
            raise Refused(
                ja=f"{sending.id} を依頼した人とは別の人が、宛先と中身を確かめて書き出してください（{needed} 人）。",
                en=f"Somebody other than who asked for {sending.id} must check the recipient and write it ({needed} people).",
            )
        self._expect_may(by, "confirm_package")

    def _expect_may(self, person: str, action: str) -> None:
        People(self.state).expect_may(person, action)

    def _expect_asked(self, sending: Sending, asked: bytes, to: Host) -> None:
        """The row is not believed: who asked has signed what is sent, and to whom."""
        person = People(self.state).get(sending.asked_by)
        owner = {person.owner: known(person.public_key)}
        if verify_statement(asked, owner, threshold=1) != self._statement(sending, to, by=person.id):
            raise Refused(
                ja=f"{sending.id} の内容が、依頼した人の署名した内容と違います。監査責任者に知らせ、依頼し直してください。",
                en=f"{sending.id} is not what its asker signed; tell the auditor and ask again.",
            )

    def _signed(self, sending: Sending, to: Host, *, by: str) -> bytes:
        person: Person = People(self.state).get(by)
        return sign(self._statement(sending, to, by=by), [KeyRing.of(self.home).signer(person.owner)])

    def _statement(self, sending: Sending, to: Host, *, by: str) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "home": self.home.identity,
            "package": sending.id,
            "host": to.name,
            "host_key": to.key,
            "purpose": sending.purpose,
            "bundles": list(sending.bundles),
            "person": by,
        }

    def _find(self, number: str) -> tuple[Sending, bytes]:
        digits = number.removeprefix("P-")
        with self.state.reading() as connection:
            row = (
                connection.execute(sa.select(sendings).where(sendings.c.number == int(digits))).one_or_none()
                if digits.isdecimal() and len(digits) < 10
                else None
            )
        if row is None:
            raise NotFound(
                ja=f"送付 {number[:20]} はありません。workbench catalogue sendings で確かめてください。",
                en=f"There is no sending {number[:20]}; see 'workbench catalogue sendings'.",
            )
        return as_sending(row), row.asked


def as_sending(row: Any) -> Sending:
    return Sending(
        row.number, row.host, row.purpose, tuple(json.loads(row.bundles)), row.asked_by, row.written_at
    )


def files_of(opened: Sequence[Opened]) -> dict[str, Path]:
    """Every file of the bundles, by its path in the package."""
    return {
        f"{one.entry.name}-{one.entry.version}/{path}": one.folder / path
        for one in opened
        for path in (*one.admission.manifest.files, MANIFEST, ENVELOPE)
    }


def place(made: Path, final: Path) -> None:
    """Copy to the medium under another name, then rename: a pulled plug leaves no package that looks whole."""
    aside = final.with_name(f".{final.name}.aside")
    shutil.copyfile(made, aside)
    with aside.open("rb") as file:
        os.fsync(file.fileno())
    aside.replace(final)
    sync_folder(final.parent)
