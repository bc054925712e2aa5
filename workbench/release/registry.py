"""
The registry: admitted models, and which version of each is in use.

What is in use is not written anywhere. It follows from the log, event by event: a version approved and
published, activated, suspended, rolled back to, revoked. So the log answers what was in use on any day, and
nobody can change the one without the other. Each act is signed with the person's own key and names the
event it follows, so that an act of last year cannot be played again.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from workbench.artifact.canonical import canonical, sha256
from workbench.artifact.envelope import verify_statement
from workbench.artifact.signing import sign
from workbench.artifact.times import to_text
from workbench.audit import Event
from workbench.errors import NotFound, Refused, Untrusted
from workbench.governance.people import People, why_not
from workbench.home import Home
from workbench.release import staging
from workbench.release.admission import known
from workbench.release.shelf import Entry, Shelf
from workbench.state import State

SCHEMA = "workbench-registry-act/1"
FIELDS = frozenset({"schema", "home", "manifest", "act", "after", "person", "why", "at"})


class Act(StrEnum):
    """What a person does with an admitted version."""

    ACTIVATE = "activate"
    SUSPEND = "suspend"
    ROLL_BACK = "roll-back"


class Standing(StrEnum):
    """Where a version stands; `published` was admitted and never yet in use, `replaced` was."""

    PUBLISHED = "published"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    REPLACED = "replaced"
    REVOKED = "revoked"


EVENTS = {
    Act.ACTIVATE: Event.MODEL_ACTIVATED,
    Act.SUSPEND: Event.MODEL_SUSPENDED,
    Act.ROLL_BACK: Event.MODEL_ROLLED_BACK,
}
# From where each act leads. To go back is an act of its own: it says that the newer version disappointed.
MOVES = {
    Act.ACTIVATE: ({Standing.PUBLISHED, Standing.SUSPENDED}, Standing.ACTIVE),
    Act.SUSPEND: ({Standing.ACTIVE}, Standing.SUSPENDED),
    Act.ROLL_BACK: ({Standing.REPLACED}, Standing.ACTIVE),
}
# What stands in the log of a version's life, and what it makes of the version.
LIFE = {
    Event.BUNDLE_SIGNED: None,
    Event.BUNDLE_ADMITTED: Standing.PUBLISHED,
    Event.MODEL_ACTIVATED: Standing.ACTIVE,
    Event.MODEL_SUSPENDED: Standing.SUSPENDED,
    Event.MODEL_ROLLED_BACK: Standing.ACTIVE,
    Event.BUNDLE_REVOKED: Standing.REVOKED,
}


@dataclass(frozen=True)
class Happened:
    """One event of a version's life, as the log has it. `digest` names it."""

    event: Event
    manifest: str
    time: str
    actor: str
    why: str
    digest: str

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "event": str(self.event)}


@dataclass(frozen=True)
class Registry(Shelf):
    """The models of a home."""

    def history(self, name: str) -> list[Happened]:
        """Everything that happened to the versions of a model, oldest first."""
        versions = {entry.manifest for entry in self.every() if entry.name == name}
        found = [
            (record["seq"], happened(event, record))
            for event in LIFE
            for record in self.state.log.of_kind(event)
            if record["details"]["manifest"] in versions
        ]
        return [one for _, one in sorted(found, key=lambda pair: pair[0])]

    def standings(self, name: str) -> dict[str, Standing]:
        """Where each version of a model stands, by manifest."""
        return derived(self.history(name))

    def standing(self, manifest: str) -> Standing | None:
        """Where the version with this manifest stands; None for what is not of this registry."""
        entry = next((entry for entry in self.every() if entry.manifest == manifest), None)
        return None if entry is None else self.standings(entry.name).get(manifest)

    def active(self, name: str) -> Entry:
        """The version in use. Raises NotFound where there is none."""
        standings = self.standings(name)
        for entry in self.every():
            if entry.name == name and standings.get(entry.manifest) is Standing.ACTIVE:
                return entry
        raise NotFound(
            ja=f"{name[:100]} に使用中の版はありません。workbench registry history で経緯を確かめ、activate か roll-back をしてください。",
            en=f"No version of {name[:100]} is in use; see 'workbench registry history', then activate one or roll back.",
        )

    def act(self, envelope: bytes, *, entry: Entry, person: str, now: datetime) -> Standing:
        """
        Carry out a signed act on a version and return where it stands then.

        Raises Refused for who may not, or where the act leads nowhere from here; Untrusted for a signature
        of another act, or of one that something has happened after; and for a version that no longer verifies.
        """
        people = People(self.state)
        staging.expect(why_not(people.get(person), "activate"))
        with self._alone():
            statement = read_act(
                envelope, home=self.home.identity, entry=entry, signer=(person, people.get(person).public_key)
            )
            act = Act(statement["act"])
            history = self.history(entry.name)
            if statement["after"] != head(history):
                raise played_again(entry)
            staging.expect(why_not_act(act, derived(history).get(entry.manifest), entry))
            if MOVES[act][1] is Standing.ACTIVE:
                # Signatures, content, revocation and validity, as at any use.
                self.open(entry.id, now=now)
            self.state.record(
                EVENTS[act],
                actor=person,
                manifest=entry.manifest,
                name=entry.name,
                version=entry.version,
                reason=statement["why"],
                after=statement["after"],
                envelope=sha256(envelope),
            )
            return MOVES[act][1]

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One act at a time: two activations at once would each follow the same event."""
        handle = os.open(self.home.registry / ".acts", os.O_RDONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def registry(home: Home, state: State) -> Registry:
    """The models of a home."""
    return Registry(home, state, "model")


def happened(event: Event, record: dict[str, Any]) -> Happened:
    details = record["details"]
    return Happened(
        event,
        details["manifest"],
        record["time"],
        record["actor"],
        details.get("reason", ""),
        sha256(canonical(record)),
    )


def derived(history: list[Happened]) -> dict[str, Standing]:
    """
    Where each version stands after these events.

    The first version ever published is in use from then on: two people admitted it for that. A later one
    waits until it is activated. One version at most is in use.
    """
    standings: dict[str, Standing] = {}
    for one in history:
        after = LIFE[one.event]
        if after is None:
            continue
        if after is Standing.PUBLISHED and not standings:
            after = Standing.ACTIVE
        if standings.get(one.manifest) is Standing.REVOKED:
            # What was withdrawn stays so, whatever the log says after it.
            continue
        if after is Standing.ACTIVE:
            standings = {
                manifest: Standing.REPLACED if standing is Standing.ACTIVE else standing
                for manifest, standing in standings.items()
            }
        standings[one.manifest] = after
    return standings


def head(history: list[Happened]) -> str:
    """The event that the next act follows."""
    return history[-1].digest if history else ""


def signed_act(
    act: Act, *, home: str, entry: Entry, after: str, person: str, why: str, now: datetime, signer: Any
) -> bytes:
    """The signed envelope of an act, made with the person's own key."""
    staging.expect_reason(why)
    statement = {
        "schema": SCHEMA,
        "home": home,
        "manifest": entry.manifest,
        "act": str(act),
        "after": after,
        "person": person,
        "why": why,
        "at": to_text(now),
    }
    return sign(statement, [signer])


def read_act(envelope: bytes, *, home: str, entry: Entry, signer: tuple[str, str | None]) -> dict[str, Any]:
    """The act in `envelope`; Untrusted unless this person signed it, for this version of this home."""
    person, public_key = signer
    statement = verify_statement(envelope, {f"person:{person}": known(public_key)}, threshold=1)
    about = tuple(statement.get(name) for name in ("schema", "home", "manifest", "person"))
    if set(statement) != FIELDS or about != (SCHEMA, home, entry.manifest, person):
        raise Untrusted(
            ja=f"この署名は {entry.id} についての {person} さんの操作ではありません。操作をやり直してください。",
            en=f"This signature is not {person}'s act on {entry.id}; do it again.",
        )
    return statement


def why_not_act(act: Act, standing: Standing | None, entry: Entry) -> Refused | None:
    """Why this act leads nowhere from here; None where it does."""
    if standing in MOVES[act][0]:
        return None
    ja, en = HERE.get(standing, ("登録されていません", "is not registered"))
    return Refused(
        ja=f"{entry.id} は{ja}。{act} はできません。workbench registry history {entry.name} で経緯を確かめてください。",
        en=f"{entry.id} {en}: it cannot be '{act}' from there; see 'workbench registry history {entry.name}'.",
    )


HERE: dict[Standing | None, tuple[str, str]] = {
    Standing.PUBLISHED: ("まだ使われていません", "was not in use yet"),
    Standing.ACTIVE: ("使用中です", "is in use"),
    Standing.SUSPENDED: ("停止中です", "is suspended"),
    Standing.REPLACED: ("別の版に替わっています", "was replaced by another version"),
    Standing.REVOKED: ("失効しています", "was revoked"),
}


def played_again(entry: Entry) -> Untrusted:
    return Untrusted(
        ja=f"{entry.id} についてのこの操作の後に、別の出来事がありました。今の状態を確かめて、操作をやり直してください。",
        en=f"Something has happened to {entry.name} since this act was signed; look at it as it stands and do it again.",
    )


def why_not_score(registry: Registry, manifest: str) -> Refused | None:
    """
    Why a batch may not be scored with this bundle here; None where it is in use, or of no registry.

    Of a revoked one verifying says more, to everybody and not only here.
    """
    standing = registry.standing(manifest)
    if standing in (None, Standing.ACTIVE, Standing.REVOKED):
        return None
    ja, en = HERE[standing]
    return Refused(
        ja=f"この判定モデルの版は{ja}。使用中の版を workbench registry list で確かめてください。",
        en=f"This version of the model {en}; see 'workbench registry list' for the one in use.",
    )
