"""
The life of a request, from hand-in to revocation. The only writer of requests, votes and shelves.

Every method is one move of the table in `moves`, in one transaction with its event. Admission is the one
that takes two: it is decided and logged first, signed and shelved after, and `recover` finishes what a kill
left between the two.
"""

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import sqlalchemy as sa

from workbench.artifact.times import to_text
from workbench.artifact.trust import ADMITTERS
from workbench.audit import Event
from workbench.errors import Refused, Untrusted
from workbench.governance.people import People, Role, why_not
from workbench.governance.settings import policy_in_force
from workbench.home import Home, clear_leftovers
from workbench.policy import Policy
from workbench.release import (
    admission,
    checks,
    examination,
    requests,
    revocations,
    rules,
    staging,
    tables,
    votes,
)
from workbench.release.findings import Finding, Verdict
from workbench.release.moves import Action, State, after
from workbench.release.requests import Request
from workbench.release.votes import Vote
from workbench.state import State as Store
from workbench.state import Transaction

Examine = Callable[..., dict[str, Any]]

# How a decision of the reviewers moves the request, and the event it leaves.
DECISIONS: dict[Vote, tuple[Action, Event]] = {
    Vote.REJECT: (Action.REJECT, Event.REQUEST_REJECTED),
    Vote.RETURN: (Action.RETURN, Event.REQUEST_RETURNED),
}
OPEN = (State.CHECKING, State.IN_REVIEW, State.RETURNED, State.ADMITTING)


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Workflow:
    """The requests of one home. `clock` is for tests: real homes use the system's."""

    home: Home
    state: Store
    policy: Policy
    clock: Callable[[], datetime] = field(default=now)
    examine: Examine = field(default=examination.examine)
    again: Callable[..., Finding | None] = field(default=examination.again)

    @classmethod
    def open(cls, home: Home, state: Store) -> "Workflow":
        """The workflow of `home` under the policy in force, after finishing what a kill interrupted."""
        workflow = cls(home, state, policy_in_force(state))
        workflow.recover()
        return workflow

    def submit(
        self,
        kind: str,
        *,
        bundle: Path,
        evidence: Path,
        author: str,
        name: str,
        version: str,
        purpose: str,
        why: str,
        protection: str | None = None,
    ) -> Request:
        """
        Hand in a copy of `bundle` and `evidence` for admission as `name` `version`.

        Refused when the author may not, when the name and version are taken, or without a reason.
        """
        requests.expect_name(kind, name=name, version=version)
        self._expect_may(author, f"submit_{kind}")
        requests.expect_protection(kind, protection=protection or kind)
        staging.expect_reason(why)
        with self._alone(), staging.copied(self.home, bundle=bundle, evidence=evidence) as aside:
            with self.state.transaction() as t:
                self._expect_free(t.connection, kind, name, version)
                inserted = t.connection.execute(
                    tables.requests.insert().values(
                        kind=kind,
                        protection=protection or kind,
                        name=name,
                        version=version,
                        purpose=purpose,
                        author=author,
                        why=why,
                        state=after(State.DRAFT, action=Action.SUBMIT, request=name),
                        attempt=1,
                    )
                ).inserted_primary_key
                request = requests.find(t.connection, f"R-{cast(Any, inserted)[0]}")
                staging.place(aside, request.folder(self.home))
                self._submitted(t, request)
            return request

    def resubmit(self, request: str, *, bundle: Path, evidence: Path, author: str) -> Request:
        """Hand in a mended bundle for a request that was returned; earlier votes do not count for it."""
        with self._alone(), staging.copied(self.home, bundle=bundle, evidence=evidence) as aside:
            with self.state.transaction() as t:
                found = self._expect_author(t.connection, request, author)
                self._move(t, found, Action.SUBMIT, attempt=found.attempt + 1, report=None, verdict=None)
                found = requests.find(t.connection, request)
                requests.forget_votes(t.connection, found)
                staging.place(aside, found.folder(self.home))
                self._submitted(t, found)
            return found

    def report(self, request: str) -> dict[str, Any]:
        """
        Run the checks and put the report into the bundle; a failing check refuses the request.

        Making a report again voids the votes on the old one.
        """
        found = self.find(request)
        after(found.state, action=Action.REPORT, request=request)
        made = self.examine(found, home=self.home, state=self.state, policy=self.policy, now=self.clock())
        failed = [finding["check"] for finding in made["findings"] if finding["verdict"] == "fail"]
        action = Action.REFUSE if failed else Action.REPORT
        # Alone, and asked once more: nobody may be signing what is sealed anew here.
        with self._alone():
            found = self.find(request)
            after(found.state, action=action, request=request)
            sealed = staging.seal(found, home=self.home, made=made)
            with self.state.transaction() as t:
                self._checked(t, found, sealed, made=made, action=action, failed=failed)
        return made

    def _checked(
        self,
        t: Transaction,
        request: Request,
        sealed: staging.Sealed,
        *,
        made: Mapping[str, Any],
        action: Action,
        failed: Sequence[str],
    ) -> None:
        verdict, report = made["verdict"], sealed.report
        self._move(
            t,
            request,
            action,
            report=report,
            verdict=verdict,
            manifest=sealed.manifest,
            policy=self.policy.digest,
        )
        told = {"request": request.id, "report": report}
        self._event(t, Event.REQUEST_CHECKED, **told, policy=self.policy.digest, verdict=verdict)
        if failed:
            self._event(t, Event.REQUEST_REFUSED, **told, checks=list(failed))

    def vote(self, request: str, *, person: str, envelope: bytes) -> Vote | None:
        """
        Count a signed vote; a person's later vote replaces the earlier. Returns what the votes now decide.

        A decision against takes effect at once; a decision to admit is carried out by `admit`.
        """
        voter = People(self.state).get(person)
        with self.state.transaction() as t:
            found = requests.find(t.connection, request)
            self._expect_may(person, "vote")
            staging.expect(rules.why_not_vote(found, person=person))
            ballot = votes.read(
                envelope,
                home=self.home.identity,
                request=request,
                person=person,
                role=voter.role,
                public_key=admission.known(voter.public_key),
            )
            standing = requests.cast_at(t.connection, found, person=person)
            staging.expect(
                rules.why_not_count(found, report=ballot.report, cast_at=ballot.cast_at, standing=standing)
            )
            requests.keep(t.connection, found, ballot=ballot, envelope=envelope)
            t.event(
                Event.REQUEST_VOTED,
                actor=person,
                request=request,
                person=person,
                vote=str(ballot.vote),
                report=ballot.report,
                envelope=ballot.digest,
            )
            decided = votes.outcome(
                found.author, votes=self._cast(t.connection, found), needed=self._needed(found)
            )
            if decided in DECISIONS:
                action, event = DECISIONS[decided]
                self._move(t, found, action)
                self._event(t, event, request=request, report=found.report)
        return decided

    def why_not_admit(self, request: str) -> Refused | None:
        """The reason this request is not admitted yet, or None."""
        with self.state.reading() as connection:
            found = requests.find(connection, request)
            return votes.why_not_admit(
                found.author, votes=self._cast(connection, found), needed=self._needed(found)
            )

    def standing_votes(self, request: str) -> list[dict[str, str]]:
        """The votes on the report as it stands, each verified with its person's key."""
        with self.state.reading() as connection:
            ballots = self._ballots(connection, requests.find(connection, request))
        return [{**vars(ballot), "role": str(ballot.role), "vote": str(ballot.vote)} for ballot in ballots]

    def admit(self, request: str) -> Request:
        """
        Decide, log, sign, shelve. Refused while votes are missing; Untrusted when the bundle has changed.

        The decision and its event are in the log before anything is signed. What was admitted since the
        report is joined with it first: two requests checked at the same time did not know of each other.
        """
        with self._alone():
            with self.state.transaction() as t:
                found = requests.find(t.connection, request)
                after(found.state, action=Action.ADMIT, request=request)
                staging.expect(
                    votes.why_not_admit(
                        found.author, votes=self._cast(t.connection, found), needed=self._needed(found)
                    )
                )
                staging.expect(rules.why_not_under(self.policy.digest, request=found))
                admission.expect_keys(self.home)
                admission.expect_as_reported(found, home=self.home)
                refusal = self._why_not_by_now(t, found)
                if refusal is None:
                    self._decide(t, found)
            staging.expect(refusal)
            return self._publish(request)

    def _why_not_by_now(self, t: Transaction, request: Request) -> Refused | None:
        """
        Why it cannot be admitted as things are by now: a failure ends the request, as in the report.

        Asked while no other admission can be decided. Raises where reviewers must see a new report first.
        """
        finding = self.again(request, home=self.home, state=self.state, policy=self.policy, now=self.clock())
        if finding is None or finding.verdict is Verdict.PASS:
            return None
        if finding.verdict is Verdict.REVIEW:
            said = admission.said(request, home=self.home)
            staging.expect(rules.why_not_unseen(finding, said=said, request=request))
            return None
        self._move(t, request, Action.REFUSE)
        self._event(
            t,
            Event.REQUEST_REFUSED,
            request=request.id,
            report=request.report,
            checks=[checks.once_more(request.protection)],
        )
        return rules.refused_by(finding)

    def _decide(self, t: Transaction, request: Request) -> None:
        admitted = self.clock()
        self._move(
            t,
            request,
            Action.ADMIT,
            admitted_at=to_text(admitted),
            valid_until=to_text(admitted + timedelta(days=self.policy["retention_days"])),
        )
        self._event(
            t,
            Event.REQUEST_ADMITTED,
            request=request.id,
            manifest=request.manifest,
            report=request.report,
            votes=[ballot.digest for ballot in self._ballots(t.connection, request)],
        )

    def withdraw(self, request: str, *, person: str) -> None:
        """The author takes the request back."""
        with self.state.transaction() as t:
            found = self._expect_author(t.connection, request, person)
            self._move(t, found, Action.WITHDRAW)
            t.event(Event.REQUEST_WITHDRAWN, actor=person, request=request)

    def revoke(self, manifest: str, *, person: str, why: str) -> None:
        """Take an admitted bundle out of use everywhere, from now on; the signed list says so."""
        self._expect_may(person, "revoke")
        staging.expect_reason(why)
        with self._alone():
            with self.state.transaction() as t:
                found = admission.request_of(t.connection, manifest)
                self._move(t, found, Action.REVOKE)
                t.connection.execute(
                    tables.shelves.update()
                    .where(tables.shelves.c.manifest == manifest)
                    .values(revoked_at=to_text(self.clock()), revoked_why=why)
                )
                t.event(
                    Event.BUNDLE_REVOKED,
                    actor=person,
                    manifest=manifest,
                    reason=why,
                    sequence=revocations.current(self.home, now=self.clock()).sequence + 1,
                )
            revocations.publish(self.home, self.state, now=self.clock())

    def recover(self) -> list[Request]:
        """Finish the admissions and revocations that a kill interrupted. Harmless when there are none."""
        with self._alone():
            clear_leftovers(self.home.staging)
            staging.clear_drafts(self.home)
            with self.state.reading() as connection:
                begun = list(requests.every(connection, state=State.ADMITTING))
                shelved = list(requests.every(connection, state=State.ADMITTED))
            finished = []
            for request in begun:
                # One that cannot be finished has been refused by now; it must not keep the house closed.
                with suppress(Untrusted):
                    finished.append(self._publish(request.id))
            for request in shelved:
                admission.clear(request, home=self.home)
            revocations.publish(self.home, self.state, now=self.clock())
        return finished

    def find(self, request: str) -> Request:
        with self.state.reading() as connection:
            return requests.find(connection, request)

    def every(self, *, state: State | None = None) -> list[Request]:
        with self.state.reading() as connection:
            return list(requests.every(connection, state=state))

    def _publish(self, request: str) -> Request:
        """Sign and shelve a decided admission. Every step may be repeated."""
        found = self.find(request)
        with self.state.reading() as connection:
            ballots = self._ballots(connection, found)
        self.state.record(
            Event.BUNDLE_SIGNED,
            actor="workbench",
            request=request,
            manifest=found.manifest,
            owners=list(ADMITTERS),
        )
        try:
            admission.sign_and_store(found, home=self.home, ballots=ballots)
        except Untrusted:
            self._refuse_changed(found)
            raise
        with self.state.transaction() as t:
            found = requests.find(t.connection, request)
            admission.enter(t.connection, found)
            self._move(t, found, Action.PUBLISH)
            self._event(
                t,
                Event.BUNDLE_ADMITTED,
                request=request,
                manifest=found.manifest,
                name=found.name,
                version=found.version,
            )
        self._tidy(found)
        return self.find(request)

    def _refuse_changed(self, request: Request) -> None:
        """End an admission whose bundle is no longer what was decided on: it cannot be finished, only refused."""
        with self.state.transaction() as t:
            self._move(t, requests.find(t.connection, request.id), Action.REFUSE)
            self._event(
                t,
                Event.REQUEST_REFUSED,
                request=request.id,
                report=request.report,
                checks=["changed_after_decision"],
            )

    def _tidy(self, request: Request) -> None:
        """After an admission: the staged copy goes, and a list of revocations exists to go with the bundle."""
        admission.clear(request, home=self.home)
        revocations.publish(self.home, self.state, now=self.clock())

    def _ballots(self, connection: sa.Connection, request: Request) -> list[votes.Ballot]:
        """
        The votes on the report as it stands, each verified again with its person's key.

        The table of votes is not believed: a row without the person's signature is no vote, and a vote on
        an earlier report is not one on this.
        """
        people = {person.id: person for person in People(self.state).all() if person.public_key}
        verified = [
            votes.read(
                envelope,
                home=self.home.identity,
                request=request.id,
                person=stored.person,
                role=people[stored.person].role,
                public_key=admission.known(people[stored.person].public_key),
            )
            for stored, envelope in requests.ballots(connection, request)
            if stored.person in people
        ]
        return [ballot for ballot in verified if ballot.report == request.report]

    def _cast(self, connection: sa.Connection, request: Request) -> dict[str, tuple[Role, Vote]]:
        return {ballot.person: (ballot.role, ballot.vote) for ballot in self._ballots(connection, request)}

    def _needed(self, request: Request) -> Mapping[Role, int]:
        return votes.seats(request.kind, people=self.policy[f"reviewers_{request.kind}"])

    def _expect_may(self, person: str, action: str) -> None:
        staging.expect(why_not(People(self.state).get(person), action))

    def _expect_author(self, connection: sa.Connection, request: str, person: str) -> Request:
        found = requests.find(connection, request)
        if found.author != person:
            raise Refused(
                ja=f"申請 {request} を動かせるのは申請者本人だけです。",
                en=f"Only its author can do this to request {request}.",
            )
        return found

    def _expect_free(self, connection: sa.Connection, kind: str, name: str, version: str) -> None:
        taken = connection.execute(
            sa.select(tables.requests.c.number).where(
                tables.requests.c.kind == kind,
                tables.requests.c.name == name,
                tables.requests.c.version == version,
                tables.requests.c.state.in_([*OPEN, State.ADMITTED, State.REVOKED]),
            )
        ).first()
        if taken is not None:
            raise Refused(
                ja=f"{name} {version} は申請 R-{taken.number} で使われています。版を上げて提出してください。",
                en=f"{name} {version} is taken by request R-{taken.number}; submit a higher version.",
            )

    def _move(self, t: Transaction, request: Request, action: Action, **changes: Any) -> None:
        state = after(request.state, action=action, request=request.id)
        t.connection.execute(
            tables.requests.update()
            .where(tables.requests.c.number == request.number)
            .values(state=str(state), **changes)
        )

    def _submitted(self, t: Transaction, request: Request) -> None:
        t.event(
            Event.REQUEST_SUBMITTED,
            actor=request.author,
            request=request.id,
            kind=request.kind,
            name=request.name,
            version=request.version,
        )

    def _event(self, t: Transaction, event: Event, **details: Any) -> None:
        t.event(event, actor="workbench", **details)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time in the staging folder: a recovery must not clear what another is copying."""
        handle = os.open(self.home.staging / ".lock", os.O_RDONLY | os.O_CREAT, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
