"""
Signed checkpoints of the log: made with a key of their own, kept where the home's administrators do not reach.

A checkpoint convinces only whom it reached before the log was changed. So each is written to a second place
outside the home, when one is set, and can be exported for somebody else: an auditor, a witness, a printer.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from workbench.artifact.keys import KeyRing
from workbench.artifact.signing import sign_text
from workbench.audit import Event, Verified
from workbench.audit.checkpoint import Checkpoint, origin
from workbench.audit.note import NoteKey
from workbench.errors import NotFound, Refused, Untrusted, Unusable
from workbench.governance.keys import ensure_role_key
from workbench.governance.people import FOUNDER, People
from workbench.governance.training import Trainings
from workbench.home import Home, create_once, write_atomically
from workbench.state import State, metadata

OWNER = "role:log"
LATEST = "latest.checkpoint"
VERIFICATION_KEY = "log.vkey"
LARGEST = 1 << 16

places = sa.Table(
    "checkpoint_place",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("folder", sa.Text, nullable=False),
)


@dataclass(frozen=True)
class Made:
    """A checkpoint, its signed note, and the key that others verify it with."""

    checkpoint: Checkpoint
    content: bytes
    key: NoteKey


def make_checkpoint(home: Home, state: State, *, actor: str = FOUNDER) -> Made:
    """
    Verify the log, then sign a checkpoint of it, and write it to the second place when one is set.

    Raises Untrusted when the log does not hold, or is not the one that was checkpointed before.
    """
    People(state).expect_may(actor, "read_log")
    ensure_role_key(home, state, OWNER, actor=actor)
    signer = Signer.of(home, place=place_of(state))
    verified = state.verify()
    for earlier in kept_checkpoints(signer.folder, key=signer.key):
        verified.expect(earlier)
    checkpoint = signer.checkpoint(verified.records, verified.root)
    # Signed after its own event, which therefore is the first that it does not cover.
    state.record(Event.AUDIT_CHECKPOINTED, actor=actor, size=checkpoint.size, root=checkpoint.root.hex())
    return signer.sign(checkpoint)


class Signer:
    """What signs a home's checkpoints, and the folder where they are kept (None: nowhere)."""

    def __init__(self, key: NoteKey, sign: Callable[[bytes], bytes], *, folder: Path | None) -> None:
        self.key = key
        self.folder = folder
        self._sign = sign

    @classmethod
    def of(cls, home: Home, *, place: Path | None) -> "Signer":
        """Raises NotFound while the log has no key; `make_checkpoint` makes it."""
        signer = KeyRing.of(home).signer(OWNER)
        folder = None if place is None else place / folder_name(home)
        return cls(note_key(home), lambda content: sign_text(content, signer), folder=folder)

    def checkpoint(self, size: int, root: bytes) -> Checkpoint:
        return Checkpoint(self.key.name, size, root)

    def sign(self, checkpoint: Checkpoint) -> Made:
        """The signed checkpoint, kept in the folder when there is one."""
        made = Made(checkpoint, checkpoint.sign(key=self.key, sign=self._sign), self.key)
        if self.folder is not None:
            keep(made, self.folder)
        return made


def keep(made: Made, folder: Path) -> None:
    """Write a checkpoint beside those before it; one of the same size that says otherwise is kept, and told of."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o755)
    path = folder / f"{made.checkpoint.size:012}.checkpoint"
    if not create_once(path, made.content) and path.read_bytes() != made.content:
        raise two_histories(made.checkpoint.size)
    write_atomically(folder / LATEST, made.content, mode=0o644)
    create_once(folder / VERIFICATION_KEY, made.key.to_text().encode() + b"\n")


def kept_checkpoints(folder: Path | None, *, key: NoteKey) -> list[Checkpoint]:
    """Every checkpoint in the second place, each verified; none when no place is set."""
    if folder is None or not folder.is_dir():
        return []
    return [read_checkpoint(path, key=key) for path in sorted(folder.glob("*.checkpoint"))]


def expect_kept(home: Home, state: State, verified: Verified) -> int:
    """Hold the log against every checkpoint of the second place; how many there are."""
    place = place_of(state)
    if place is None:
        return 0
    found = kept_checkpoints(place / folder_name(home), key=note_key(home))
    for checkpoint in found:
        verified.expect(checkpoint)
    return len(found)


def read_checkpoint(path: Path, *, key: NoteKey) -> Checkpoint:
    """The checkpoint in a file, verified with `key`."""
    with path.open("rb") as file:
        return Checkpoint.open(file.read(LARGEST + 1), key=key)


def note_key(home: Home) -> NoteKey:
    """What checkpoints of this home are verified with. Whoever keeps checkpoints keeps this too."""
    return NoteKey(origin(home.identity), bytes.fromhex(KeyRing.of(home).public(OWNER)))


def folder_name(home: Home) -> str:
    """Several homes may keep their checkpoints in one place."""
    return f"workbench-log-{home.identity}"


def place_of(state: State) -> Path | None:
    """The second place, when one is set."""
    with state.reading() as connection:
        found = connection.execute(sa.select(places.c.folder)).scalar_one_or_none()
    return None if found is None else Path(found)


def set_place(home: Home, state: State, folder: Path, *, actor: str = FOUNDER) -> None:
    """Name the second place. Refused inside the home: whoever changes the log could change it as well."""
    People(state).expect_may(actor, "set_checkpoint_place")
    Trainings(home, state).expect(actor, "set_checkpoint_place", now=datetime.now(UTC))
    where = folder.resolve()
    if where.is_relative_to(home.path) or home.path.is_relative_to(where):
        raise Refused(
            ja="チェックポイントの保管先は、ホームの外（別の機械の共有フォルダなど）にしてください。",
            en="Checkpoints are kept outside the home; name a place there, best on another machine.",
        )
    if not where.is_dir():
        raise NotFound(
            ja="チェックポイントの保管先のフォルダがありません。先に作成してください。",
            en="The place to keep checkpoints is not there; make the folder first.",
        )
    with state.transaction() as transaction:
        transaction.connection.execute(places.delete())
        transaction.connection.execute(places.insert().values(id=1, folder=str(where)))
        transaction.event(Event.AUDIT_PLACE_SET, actor=actor, place=str(where))


def read_key(text: str) -> NoteKey:
    """The key in a file or on the command line, as whoever kept the checkpoint kept it."""
    path = Path(text)
    try:
        return NoteKey.parse(path.read_text() if path.is_file() else text)
    except (UnicodeDecodeError, OSError):
        raise Unusable(
            ja="検証鍵のファイルを読めません。保管している .vkey を指定してください。",
            en="The file of the verification key cannot be read; name the .vkey that was kept.",
        ) from None


def two_histories(size: int) -> Untrusted:
    return Untrusted(
        ja=f"{size} 件目までの別のチェックポイントが保管先にあります。ログが作り直されています。両方を保全し、監査責任者に連絡してください。",
        en=f"The place keeps another checkpoint of {size} records: the log was made again. Keep both and tell the audit officer.",
    )
