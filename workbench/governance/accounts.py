"""
Who somebody is: a passphrase, and a code that is good once.

An account belongs to a person of the home. Whoever asks with a wrong name, passphrase or code, or for an
account that is locked, gets one and the same answer after one and the same work; the reason is in the log.
Failures in a row make the account wait, longer each time, until somebody with the role unlocks it.

What is kept: the passphrase as scrypt leaves it, the authenticator's secret sealed with the home's key, and
the recovery codes' digests under that key.
"""

import hashlib
import hmac
import secrets
import stat
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeVar

import sqlalchemy as sa
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from workbench.audit import Event
from workbench.errors import NotFound, Refused, Unprotected, Untrusted, Usage
from workbench.governance import one_time_codes, passphrase
from workbench.governance.people import ID, People, Person
from workbench.governance.settings import policy_in_force
from workbench.home import Home, create_once
from workbench.state import State, Transaction, metadata

KEY_FILE, KEY_SIZE, NONCE = "accounts.key", 32, 12
LONGEST_NAME = 64
Outcome = TypeVar("Outcome")
# How long an account waits after failures in a row. NIST SP 800-63B (2017), 5.2.2: waits that grow "e.g. 30
# seconds up to an hour", and at most 100 failures in a row before the account is closed.
FIRST_WAIT, LONGEST_WAIT, MOST_FAILURES = 30, 3600, 100

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("person", sa.Text, sa.ForeignKey("people.id"), primary_key=True),
    # Counts passphrases: a log-in with an earlier one has ended.
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("passphrase", sa.Text, nullable=False),
    sa.Column("secret", sa.LargeBinary, nullable=False),
    sa.Column("last_step", sa.BigInteger, nullable=False),
    sa.Column("failures", sa.Integer, nullable=False),
    sa.Column("waits_until", sa.Float, nullable=False),
    sa.Column("locked", sa.Boolean, nullable=False),
)

recovery = sa.Table(
    "recovery_codes",
    metadata,
    sa.Column("person", sa.Text, sa.ForeignKey("accounts.person"), primary_key=True),
    sa.Column("digest", sa.Text, primary_key=True),
)

# What makes an account's proofs anew, and what closes and opens it: `otherwise` counts them.
MADE_ANEW = frozenset({Event.ACCOUNT_ADDED, Event.ACCOUNT_RESET, Event.ACCOUNT_CHANGED})
LOCKS = {Event.ACCOUNT_LOCKED: True, Event.ACCOUNT_UNLOCKED: False}

# How often each person proved who they are, and the last of these proofs whose log-in a time-out ended: what a
# hub goes on saying of that log-in opens no room again.
proofs = sa.Table(
    "proofs",
    metadata,
    sa.Column("person", sa.Text, primary_key=True),
    sa.Column("given", sa.Integer, nullable=False),
    sa.Column("over", sa.Integer, nullable=False),
)
HUB = "hub"  # the method of whoever a hub says has logged in
TIMED_OUT = frozenset({"idle", "too_long"})

# Which person a provider of identity means by one of its subjects.
identities = sa.Table(
    "identities",
    metadata,
    sa.Column("issuer", sa.Text, primary_key=True),
    sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("person", sa.Text, sa.ForeignKey("people.id"), nullable=False),
)


@dataclass(frozen=True)
class Enrolment:
    """What the person takes away, once: the authenticator's address and the recovery codes."""

    person: str
    address: str
    recovery_codes: tuple[str, ...]


@dataclass(frozen=True)
class Account:
    """What may be told of an account. `waits_until` is a moment (seconds since 1970), 0 when it does not wait."""

    person: str
    locked: bool
    failures: int
    waits_until: float
    recovery_codes: int

    def to_json(self) -> dict[str, Any]:
        until = datetime.fromtimestamp(self.waits_until, UTC).isoformat() if self.waits_until else None
        return vars(self) | {"waits_until": until}


@dataclass(frozen=True)
class Login:
    """
    Somebody who proved who they are. `id` names this log-in in the log and opens nothing.

    `proof` counts the person's proofs: a hub goes on speaking of the last one.
    """

    id: str
    person: Person
    method: str
    generation: int
    proof: int = 0


class Accounts:
    """The accounts of a home. `clock` gives seconds since 1970."""

    def __init__(self, home: Home, state: State, *, clock: Callable[[], float] = time.time) -> None:
        self.home = home
        self.state = state
        self.people = People(state)
        self._clock = clock

    def add(self, person: str, words: str, *, actor: str) -> Enrolment:
        """
        Make the account of a person who has none.

        Refused for who may not, and where there is an account; Unusable for a weak passphrase.
        """
        self.people.expect_may(actor, "keep_account")
        owner = self.people.get(person)
        self._expect_strong(owner, words)
        kept = passphrase.keep(words)
        with self.state.transaction() as transaction:
            if self._row(transaction.connection, person) is not None:
                raise Refused(
                    ja=f"{person} さんのアカウントは既にあります。作り直すには workbench account reset を使ってください。",
                    en=f"{person} has an account; to make it anew use 'workbench account reset'.",
                )
            return self._enrol(transaction, owner, kept, generation=1, event=Event.ACCOUNT_ADDED, actor=actor)

    def reset(self, person: str, words: str, *, actor: str) -> Enrolment:
        """A new passphrase, a new authenticator and new recovery codes; whoever is logged in has to again."""
        self.people.expect_may(actor, "keep_account")
        owner = self.people.get(person)
        self._expect_strong(owner, words)
        kept = passphrase.keep(words)
        with self.state.transaction() as transaction:
            row = self._expect_row(transaction.connection, person)
            transaction.connection.execute(recovery.delete().where(recovery.c.person == person))
            transaction.connection.execute(accounts.delete().where(accounts.c.person == person))
            return self._enrol(
                transaction,
                owner,
                kept,
                generation=row.generation + 1,
                locked=row.locked,
                event=Event.ACCOUNT_RESET,
                actor=actor,
            )

    def change(
        self, person: str, words: str, code: str, *, new_words: str | None, new_authenticator: bool
    ) -> Enrolment | None:
        """
        The owner's own change: another passphrase, a new authenticator with new recovery codes, or both.

        Asks for passphrase and code as a log-in does, and counts a failure as one: Refused, with one sentence for
        every reason. Whoever is logged in has to again. Unusable for a weak passphrase; Usage for no change.
        """
        if new_words in {None, words} and not new_authenticator:
            raise nothing_new()
        owner = self.people.get(person)
        if new_words is not None:
            self._expect_strong(owner, new_words)
        kept = {} if new_words is None else {"passphrase": passphrase.keep(new_words)}

        def changed(transaction: Transaction, row: Any, _: str) -> Enrolment | None:
            anew, made = {"generation": row.generation + 1, **kept}, None
            if new_authenticator:
                transaction.connection.execute(recovery.delete().where(recovery.c.person == person))
                anew["secret"], made = self._authenticator(transaction, owner, row.generation + 1)
                anew["last_step"] = 0
            self._update(transaction, person, **anew)
            what = [*kept, *(["authenticator"] if new_authenticator else [])]
            transaction.event(Event.ACCOUNT_CHANGED, actor=person, person=person, what=what)
            return made

        return self._proven(person, words, code, then=changed)

    def lock(self, person: str, *, actor: str) -> None:
        """Close an account until it is unlocked and forget its links; whoever is logged in no longer is."""
        self.people.expect_may(actor, "lock_account")
        with self.state.transaction() as transaction:
            links = identities.delete().where(identities.c.person == person)
            if not transaction.connection.execute(links).rowcount:
                self._expect_row(transaction.connection, person)
            self._update(transaction, person, locked=True)
            transaction.event(Event.ACCOUNT_LOCKED, actor=actor, person=person)

    def unlock(self, person: str, *, actor: str) -> None:
        """Open an account again and forget its failures."""
        self.people.expect_may(actor, "keep_account")
        self._set(person, Event.ACCOUNT_UNLOCKED, actor=actor, locked=False, failures=0, waits_until=0.0)

    def link(self, person: str, *, issuer: str, subject: str, actor: str) -> None:
        """Say that a provider's subject is this person. Refused where it is somebody already."""
        self.people.expect_may(actor, "keep_account")
        owner = self.people.get(person)
        with self.state.transaction() as transaction:
            if self._linked(transaction.connection, issuer, subject) is not None:
                raise Refused(
                    ja="その識別子は既に登録されています。一つの識別子は一人のものです。",
                    en="That subject is registered already; one subject is one person's.",
                )
            row = {"issuer": issuer, "subject": subject, "person": owner.id}
            transaction.connection.execute(identities.insert().values(**row))
            told = {"person": owner.id, "issuer": issuer, "subject": subject_digest(issuer, subject)}
            transaction.event(Event.ACCOUNT_LINKED, actor=actor, **told)

    def admit_linked(self, issuer: str, subject: str) -> Login:
        """The log-in of the person that a provider's subject is. Refused for anybody else."""
        with self.state.reading() as connection:
            person = self._linked(connection, issuer, subject)
        if person is None:
            self.state.record(Event.LOGIN_FAILED, actor="unknown", reason="not linked")
            raise not_admitted()
        return self.admit(person, method="oidc")

    def all(self) -> list[Account]:
        """Every account, by person."""
        with self.state.reading() as connection:
            rows = connection.execute(sa.select(accounts).order_by(accounts.c.person)).all()
            counted = sa.select(recovery.c.person, sa.func.count()).group_by(recovery.c.person)
            left = {row[0]: row[1] for row in connection.execute(counted)}
        now = self._clock()
        return [
            Account(
                row.person,
                row.locked or row.failures >= MOST_FAILURES,
                row.failures,
                row.waits_until if row.waits_until > now else 0,
                left.get(row.person, 0),
            )
            for row in rows
        ]

    def has(self, person: str) -> bool:
        with self.state.reading() as connection:
            return self._row(connection, person) is not None

    def demonstration_address(self, person: str) -> str:
        """The authenticator's address once more: in a demonstration, where everybody may know it."""
        if not self.home.is_demonstration:
            raise Refused(
                ja="認証アプリの鍵は二度と表示しません。workbench account reset で作り直してください。",
                en="An authenticator's key is not shown again; make a new one with 'workbench account reset'.",
            )
        with self.state.reading() as connection:
            row = self._expect_row(connection, person)
        return one_time_codes.address(self._unsealed(row), person=person, home=self.home.identity[:16])

    def log_in(self, name: str, words: str, code: str) -> Login:
        """
        The log-in of whoever knows passphrase and code; `code` may be a recovery code.

        Raises Refused with one sentence for every reason. Takes a while and much memory on purpose: a server
        calls it in a thread, and answers no refusal sooner than another.
        """

        def opened(transaction: Transaction, row: Any, method: str) -> Login:
            return self._opened(transaction, self.people.get(row.person), method, row.generation)

        return self._proven(name, words, code, then=opened)

    def _proven(
        self, name: str, words: str, code: str, *, then: Callable[[Transaction, Any, str], Outcome]
    ) -> Outcome:
        """What `then` makes of the account, in the transaction in which its owner proved passphrase and code."""
        name = name.strip() if ID.fullmatch(name.strip()) else ""
        with self.state.reading() as connection:
            known = self._row(connection, name)
        right = passphrase.holds(known.passphrase if known else None, words)
        renewed = passphrase.keep(words) if right and passphrase.is_outdated(known.passphrase) else None
        with self.state.transaction() as transaction:
            # Read again: what happened meanwhile counts, and nothing happens between here and the write.
            row = self._row(transaction.connection, name)
            right = right and row.passphrase == known.passphrase
            method, reason = self._judge(transaction, row, right=right, code=code)
            if method is not None:
                kept = {"passphrase": renewed} if renewed else {}
                self._update(transaction, name, failures=0, waits_until=0.0, **kept)
                return then(transaction, row, method)
            self._count_failure(transaction, name, row, reason=str(reason))
        raise not_admitted()

    def admit(self, person: str, *, method: str) -> Login:
        """The log-in of somebody who was made certain of in another way, `method`: a provider of identity, a link."""
        with self.state.transaction() as transaction:
            row = self._row(transaction.connection, person)
            if row is not None and (row.locked or row.failures >= MOST_FAILURES):
                transaction.event(Event.LOGIN_FAILED, actor=person, person=person, reason="locked")
            elif method == HUB and is_over(transaction.connection, person):
                transaction.event(Event.LOGIN_FAILED, actor=person, person=person, reason="timed out")
            else:
                return self._opened(
                    transaction, self.people.get(person), method, row.generation if row else 0
                )
        raise not_admitted()

    def has_timed_out(self, person: str) -> bool:
        """Whether a time-out ended the log-in of this person's last proof: only another proof opens a room again."""
        with self.state.reading() as connection:
            return is_over(connection, person)

    def holds(self, login: Login) -> bool:
        """Whether a log-in is still good: its account neither locked nor reset since, its proof not timed out."""
        with self.state.reading() as connection:
            if 0 < login.proof <= proof_of(connection, login.person.id).over:
                return False
            row = self._row(connection, login.person.id)
            links = sa.select(identities).where(identities.c.person == login.person.id)
            is_linked = connection.execute(links).first() is not None
        if login.method == "oidc" and not is_linked:
            return False
        if row is None:
            return login.generation == 0
        return not row.locked and row.generation == login.generation

    def log_out(self, login: Login, *, reason: str, **details: Any) -> None:
        """Record the end of a log-in: logged_out, idle, too_long, changed or ended."""
        told = {"login": login.id, "person": login.person.id, "reason": reason}
        with self.state.transaction() as transaction:
            if reason in TIMED_OUT:
                # A proof given since, in another browser, is not over.
                mine = (proofs.c.person == login.person.id, proofs.c.over < login.proof)
                transaction.connection.execute(proofs.update().where(*mine).values(over=login.proof))
            transaction.event(Event.LOGGED_OUT, actor=login.person.id, **told, **details)

    def otherwise(self, records: Iterable[Mapping[str, Any]]) -> list[str]:
        """
        The people whose account or links are not what the log's records tell of them.

        Of an account: whether there is one, how often it was made anew, and whether it is locked.
        """
        told: dict[str, tuple[int, bool]] = {}
        links: dict[str, set[str]] = {}
        unnamed: Counter[str] = Counter()  # links whose record, of an earlier version, does not say which
        for record in records:
            person = record["details"].get("person", "")
            if record["event"] in MADE_ANEW:
                generation, locked = told.get(person, (0, False))
                told[person] = generation + 1, locked
            elif record["event"] == Event.ACCOUNT_LINKED:
                named = record["details"].get("subject")
                links.setdefault(person, set()).update({named} if named else ())
                unnamed[person] += named is None
            elif record["event"] == Event.ACCOUNT_LOCKED:
                links.pop(person, None)
                del unnamed[person]
            if record["event"] in LOCKS and person in told:
                told[person] = told[person][0], LOCKS[record["event"]]
        with self.state.reading() as connection:
            rows = connection.execute(sa.select(accounts)).all()
            linked = connection.execute(sa.select(identities)).all()
        found = {row.person: (row.generation, row.locked) for row in rows}
        known: dict[str, set[str]] = {}
        for row in linked:
            known.setdefault(row.person, set()).add(subject_digest(row.issuer, row.subject))
        for person, count in unnamed.items():
            # As many as there are records of them: no more, and no fewer.
            others = known.get(person, set()) - links[person]
            links[person] |= others if len(others) == count else {"a link of a record without its subject"}
        everybody = told.keys() | found.keys() | links.keys() | known.keys()
        return sorted(
            person
            for person in everybody
            if (told.get(person), links.get(person)) != (found.get(person), known.get(person))
        )

    def _opened(self, transaction: Transaction, person: Person, method: str, generation: int) -> Login:
        if method != HUB:
            mine = proofs.update().where(proofs.c.person == person.id)
            if not transaction.connection.execute(mine.values(given=proofs.c.given + 1)).rowcount:
                transaction.connection.execute(proofs.insert().values(person=person.id, given=1, over=0))
        given = proof_of(transaction.connection, person.id).given
        login = Login(secrets.token_hex(8), person, method, generation, given)
        transaction.event(Event.LOGGED_IN, actor=person.id, login=login.id, person=person.id, method=method)
        return login

    def _judge(
        self, transaction: Transaction, row: Any, *, right: bool, code: str
    ) -> tuple[str | None, str | None]:
        """How somebody is admitted, or why not. A code that admits is used up with this transaction."""
        if row is None:
            return None, "unknown"
        if row.locked or row.failures >= MOST_FAILURES or self._clock() < row.waits_until:
            return None, "locked"
        if not right:
            return None, "passphrase"
        step = one_time_codes.step_of(self._unsealed(row), code, now=self._clock())
        if step is None:
            return ("recovery", None) if self._use_recovery(transaction, row.person, code) else (None, "code")
        if step <= row.last_step:
            return None, "code used"
        self._update(transaction, row.person, last_step=step)
        return "passphrase and code", None

    def _count_failure(self, transaction: Transaction, name: str, row: Any, *, reason: str) -> None:
        # An unknown name costs the same statements, and is not written down: people type passphrases there.
        failures = (row.failures if row else 0) + (reason != "locked")
        waits = self._clock() + self._wait(failures) if reason != "locked" else row.waits_until
        self._update(transaction, name, failures=failures, waits_until=waits)
        who = {"person": row.person} if row else {}
        transaction.event(
            Event.LOGIN_FAILED,
            actor=row.person if row else "unknown",
            reason=reason,
            failures=failures,
            **who,
        )

    def _wait(self, failures: int) -> float:
        """Seconds that an account waits after so many failures in a row."""
        free = policy_in_force(self.state)["login_failures"] if failures else 0
        return (
            0.0 if failures < max(free, 1) else min(FIRST_WAIT * 2 ** min(failures - free, 16), LONGEST_WAIT)
        )

    def _use_recovery(self, transaction: Transaction, person: str, code: str) -> bool:
        digest = one_time_codes.recovery_digest(code, key=self._recovery_key)
        found = recovery.delete().where(recovery.c.person == person, recovery.c.digest == digest)
        return bool(transaction.connection.execute(found).rowcount)

    def _enrol(
        self,
        transaction: Transaction,
        owner: Person,
        kept: str,
        *,
        generation: int,
        event: Event,
        actor: str,
        locked: bool = False,
    ) -> Enrolment:
        row = {"person": owner.id, "generation": generation, "passphrase": kept, "locked": locked}
        unused = {"secret": b"", "last_step": 0, "failures": 0, "waits_until": 0.0}
        transaction.connection.execute(accounts.insert().values(**row, **unused))
        sealed, enrolled = self._authenticator(transaction, owner, generation)
        self._update(transaction, owner.id, secret=sealed)
        transaction.event(event, actor=actor, person=owner.id)
        return enrolled

    def _authenticator(
        self, transaction: Transaction, owner: Person, generation: int
    ) -> tuple[bytes, Enrolment]:
        """A new secret, sealed, and what its owner takes away; the recovery codes are kept already."""

        def drawn(purpose: str) -> Callable[[int], bytes]:
            return lambda size: self.home.entropy(f"{purpose} {owner.id} {generation}", size=size)

        secret = drawn("authenticator")(one_time_codes.SECRET)
        codes = one_time_codes.recovery_codes(drawn("recovery"))
        digests = [one_time_codes.recovery_digest(code, key=self._recovery_key) for code in codes]
        transaction.connection.execute(
            recovery.insert(), [{"person": owner.id, "digest": digest} for digest in digests]
        )
        named = one_time_codes.address(secret, person=owner.id, home=self.home.identity[:16])
        return self._sealed(secret, owner.id), Enrolment(owner.id, named, tuple(codes))

    def _set(self, person: str, event: Event, *, actor: str, **values: Any) -> None:
        with self.state.transaction() as transaction:
            self._expect_row(transaction.connection, person)
            self._update(transaction, person, **values)
            transaction.event(event, actor=actor, person=person)

    def _update(self, transaction: Transaction, person: str, **values: Any) -> None:
        transaction.connection.execute(accounts.update().where(accounts.c.person == person).values(**values))

    def _row(self, connection: sa.Connection, person: str) -> Any:
        return connection.execute(sa.select(accounts).where(accounts.c.person == person)).one_or_none()

    def _linked(self, connection: sa.Connection, issuer: str, subject: str) -> str | None:
        known = (identities.c.issuer == issuer, identities.c.subject == subject)
        found: str | None = connection.execute(sa.select(identities.c.person).where(*known)).scalar()
        return found

    def _expect_row(self, connection: sa.Connection, person: str) -> Any:
        row = self._row(connection, person)
        if row is None:
            raise NotFound(
                ja=f"{person[:LONGEST_NAME]} さんのアカウントはありません。workbench account list で確かめてください。",
                en=f"{person[:LONGEST_NAME]} has no account; see 'workbench account list'.",
            )
        return row

    def _expect_strong(self, owner: Person, words: str) -> None:
        shortest = policy_in_force(self.state)["passphrase_length"]
        passphrase.expect_strong(words, about=(owner.id, owner.name), shortest=shortest)

    @property
    def _key(self) -> bytes:
        return account_key(self.home)

    @property
    def _recovery_key(self) -> bytes:
        return hmac.digest(self._key, b"recovery codes", "sha256")

    def _sealed(self, secret: bytes, person: str) -> bytes:
        nonce = secrets.token_bytes(NONCE)
        return nonce + AESGCM(self._key).encrypt(nonce, secret, person.encode())

    def _unsealed(self, row: Any) -> bytes:
        try:
            return AESGCM(self._key).decrypt(row.secret[:NONCE], row.secret[NONCE:], row.person.encode())
        except InvalidTag:
            raise Untrusted(
                ja=f"{KEY_FILE} がこのホームのアカウントのものではありません。バックアップから鍵を戻してください。",
                en=f"{KEY_FILE} does not belong to this home's accounts; restore it from a backup.",
            ) from None


def nothing_new() -> Usage:
    return Usage(
        ja="新しい合言葉を入れるか、認証アプリの作り直しを選んでください。今と同じ合言葉にはできません。",
        en="Give a new passphrase, or choose a new authenticator; a passphrase is not changed to itself.",
    )


def subject_digest(issuer: str, subject: str) -> str:
    """A provider's name for somebody, as the log may hold it."""
    return hashlib.sha256(f"{issuer} {subject}".encode()).hexdigest()


def account_key(home: Home) -> bytes:
    """What seals the authenticators' secrets, made on first use. Unprotected when others may read it."""
    path = home.keys / KEY_FILE
    if not path.exists():
        create_once(path, home.entropy("accounts key", size=KEY_SIZE))
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise Unprotected(
            ja=f"{path.name} を他の利用者が読めます。chmod 600 で所有者だけが読めるようにしてください。",
            en=f"Others may read {path.name}; make it readable by its owner only (chmod 600).",
        )
    return path.read_bytes()


def is_over(connection: sa.Connection, person: str) -> bool:
    proof = proof_of(connection, person)
    return 0 < proof.given <= proof.over


class Proof(NamedTuple):
    """How many proofs somebody gave, and the last of them that a time-out ended."""

    given: int
    over: int


def proof_of(connection: sa.Connection, person: str) -> Proof:
    row = connection.execute(sa.select(proofs).where(proofs.c.person == person)).one_or_none()
    return Proof(0, 0) if row is None else Proof(row.given, row.over)


def not_admitted() -> Refused:
    """One sentence for every reason: who asks must not learn which names, passphrases or codes are right."""
    return Refused(
        ja="ログインできません。識別子・合言葉・確認コードを確かめ、続けて失敗したときは少し待ってください。",
        en="You could not be logged in; check id, passphrase and code, and wait a little after several failures.",
    )
