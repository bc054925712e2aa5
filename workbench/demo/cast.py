"""The people of the demonstration. Their names and their keys are demonstration persons', and say so."""

from datetime import UTC, datetime, timedelta

from workbench.artifact.keys import KeyRing
from workbench.artifact.times import to_text
from workbench.artifact.trust import ADMITTERS
from workbench.governance.accounts import Accounts
from workbench.governance.keys import create_key
from workbench.governance.people import People, Person, Role
from workbench.governance.signed_settings import findings, sign_setting, today
from workbench.governance.training import Kind, Trainings
from workbench.home import Home
from workbench.release import votes
from workbench.release.votes import Vote
from workbench.release.workflow import Workflow
from workbench.state import State

MANAGER, OFFICER, SECOND_OFFICER = "demo-manager", "demo-officer", "demo-officer-2"
REVIEWERS = ("demo-reviewer-1", "demo-reviewer-2")
ANALYST, AUDITOR = "demo-analyst", "demo-auditor"

# Every demonstration account has this one, and it is shown to whoever starts the demonstration.
PASSPHRASE = "open the fictional city"  # noqa: S105

# id: name, role, section. The manager comes first: who is first may add the others.
CAST: dict[str, tuple[str, Role, str]] = {
    MANAGER: ("実演 課長", Role.MANAGER, "実演市 こども政策課"),
    OFFICER: ("実演 総括", Role.COORDINATOR, "実演市 こども政策課"),
    SECOND_OFFICER: ("実演 総括二", Role.COORDINATOR, "実演市 こども家庭センター"),
    REVIEWERS[0]: ("実演 審査一", Role.REVIEWER, "実演市 情報公開課"),
    REVIEWERS[1]: ("実演 審査二", Role.REVIEWER, "実演市 法務課"),
    ANALYST: ("実演 分析", Role.ANALYST, "実演大学 データ研究室"),
    AUDITOR: ("実演 監査", Role.AUDITOR, "実演市 監査課"),
}


def assemble(home: Home, state: State) -> int:
    """Add whoever is missing, each with a key; the role keys too. Returns how many people there are."""
    people = People(state)
    known = {person.id for person in people.all()}
    for id_, (name, role, section) in CAST.items():
        if id_ not in known:
            people.add(Person(id_, name, role, section), actor=founder(people))
    for id_ in CAST:
        if people.get(id_).public_key is None:
            create_key(home, state, f"person:{id_}", actor=founder(people))
    held = {key.owner for key in KeyRing.of(home).owners()}
    for owner in ADMITTERS:
        if owner not in held:
            create_key(home, state, owner, actor=founder(people))
    train(home, state)
    sign_settings(home, state)
    return len(people.all())


def train(home: Home, state: State) -> None:
    """Record the analyst's training and undertaking, where there is none that counts today."""
    trainings, keys, now = Trainings(home, state), KeyRing.of(home), datetime.now(UTC)
    if trainings.why_not_current(ANALYST, now=now) is not None:
        manager = keys.signer(f"person:{MANAGER}")
        trainings.train(ANALYST, Kind.GENERAL, on=now.date(), actor=MANAGER, signer=manager, now=now)
        trainings.undertake(ANALYST, signer=keys.signer(f"person:{ANALYST}"), now=now)


def sign_settings(home: Home, state: State) -> None:
    """The manager's signature under each setting, where there is none, or where its review is due."""
    for finding in list(findings(home, state)):
        sign_setting(
            home,
            state,
            finding.setting.name,
            value=None,
            review_by=today() + timedelta(days=180),
            actor=MANAGER,
            reason="実演 / demonstration",
        )


def ensure_account(home: Home, state: State, person: str) -> None:
    """A demonstration person's account, made where there is none; never in another home."""
    accounts = Accounts(home, state)
    if home.is_demonstration and not accounts.has(person):
        managers = [one.id for one in People(state).all() if one.role is Role.MANAGER]
        accounts.add(person, PASSPHRASE, actor=managers[0] if managers else "workbench")


def founder(people: People) -> str:
    """Who may set up: the home's founder until there is a manager."""
    return MANAGER if any(person.id == MANAGER for person in people.all()) else "workbench"


def vote(workflow: Workflow, request: str, *, person: str, report: str | None = None) -> Vote | None:
    """A vote to admit, signed with the person's demonstration key over the report as it is now."""
    found = workflow.find(request)
    envelope = votes.cast(
        Vote.ADMIT,
        home=workflow.home.identity,
        request=request,
        report=report or str(found.report),
        person=person,
        signer=KeyRing.of(workflow.home).signer(f"person:{person}"),
        cast_at=to_text(workflow.clock()),
        comment="実演 / demonstration",
    )
    return workflow.vote(request, person=person, envelope=envelope)
