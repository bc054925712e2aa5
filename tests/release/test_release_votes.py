"""The rule of admission, and who may vote on what."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused, Untrusted
from workbench.governance.people import PERMISSIONS, Role
from workbench.release.moves import State
from workbench.release.votes import SEATS, Vote, outcome, seats, why_not_admit

# Few people, and roles and votes that often suffice: what must not admit lies close to what does.
people = st.sampled_from(["author", "anna", "ben", "chie"])
roles = st.sampled_from([Role.REVIEWER, Role.REVIEWER, Role.COORDINATOR, Role.ANALYST])
decisions = st.sampled_from([Vote.ADMIT, Vote.ADMIT, Vote.ADMIT, Vote.RETURN, Vote.REJECT])
casts = st.dictionaries(people, st.tuples(roles, decisions))


@given(author=people, votes=casts, kind=st.sampled_from(sorted(SEATS)), number=st.integers(0, 5))
def test_one_person_never_admits_alone(author, votes, kind, number):
    """However the votes fall, and whatever a policy says, admitting takes two people who are not the author."""
    if why_not_admit(author, votes=votes, needed=seats(kind, people=number)) is None:
        in_favour = {person for person, (_, vote) in votes.items() if vote is Vote.ADMIT} - {author}
        assert len(in_favour) >= max(2, number)
        assert all(vote is Vote.ADMIT for person, (_, vote) in votes.items() if person != author)


@given(author=people, votes=casts, kind=st.sampled_from(sorted(SEATS)))
def test_the_outcome_admits_exactly_when_the_rule_does(author, votes, kind):
    needed = seats(kind, people=2)

    admits = outcome(author, votes=votes, needed=needed) is Vote.ADMIT

    assert admits == (why_not_admit(author, votes=votes, needed=needed) is None)


@given(author=people, votes=casts)
def test_one_voter_alone_decides_nothing_not_even_a_refusal(author, votes):
    others = {person: cast for person, cast in votes.items() if person != author}

    if len(others) < 2:
        assert outcome(author, votes=votes, needed=seats("dataset", people=2)) is None


def test_an_empty_table_of_seats_still_takes_two_people():
    assert why_not_admit("author", votes={}, needed={}) is not None
    assert why_not_admit("author", votes={"anna": (Role.REVIEWER, Vote.ADMIT)}, needed={}) is not None


@pytest.mark.parametrize(
    ("kind", "voters", "admits"),
    [
        ("dataset", [Role.REVIEWER, Role.REVIEWER], True),
        ("dataset", [Role.REVIEWER, Role.COORDINATOR], False),
        ("dataset", [Role.REVIEWER], False),
        ("model", [Role.REVIEWER, Role.COORDINATOR], True),
        ("model", [Role.REVIEWER, Role.REVIEWER], False),
        ("model", [Role.COORDINATOR, Role.COORDINATOR], False),
        ("model", [Role.ANALYST, Role.REVIEWER], False),
    ],
)
def test_each_kind_has_its_seats(kind, voters, admits):
    votes = {f"person{number}": (role, Vote.ADMIT) for number, role in enumerate(voters)}

    assert (why_not_admit("author", votes=votes, needed=seats(kind, people=2)) is None) == admits


def test_a_policy_may_ask_for_more_people_and_never_for_fewer():
    assert seats("dataset", people=3) == Counter({Role.REVIEWER: 3})
    assert seats("model", people=0) == Counter({Role.COORDINATOR: 1, Role.REVIEWER: 1})


def test_two_reviewers_admit(office):
    request = office.in_review()
    assert office.vote(request, person="tanaka") is None
    assert office.vote(request, person="ito") is Vote.ADMIT

    assert office.workflow.admit(request).state is State.ADMITTED


def test_attack_one_reviewer(office):
    request = office.in_review()
    office.vote(request, person="tanaka")

    with pytest.raises(Refused):
        office.workflow.admit(request)


def test_attack_the_authors_own_vote(office, monkeypatch):
    """Even a role that could hand in what it votes on would not vote on its own request."""
    monkeypatch.setitem(PERMISSIONS, "submit_model", frozenset({Role.COORDINATOR}))
    request = office.in_review(kind="model", version="1.0.0", author="suzuki", protection="model")
    office.vote(request, person="tanaka")

    with pytest.raises(Refused):
        office.vote(request, person="suzuki")
    with pytest.raises(Refused):
        office.workflow.admit(request)


def test_attack_voting_twice(office):
    """The second vote of one person replaces the first; it does not count beside it."""
    request = office.in_review()
    office.vote(request, person="tanaka")
    office.vote(request, person="tanaka")

    with pytest.raises(Refused):
        office.workflow.admit(request)


def test_a_later_vote_replaces_the_earlier(office):
    request = office.in_review()
    office.vote(request, person="tanaka", vote=Vote.REJECT)
    office.vote(request, person="tanaka")

    assert office.vote(request, person="ito") is Vote.ADMIT


def test_attack_putting_a_withdrawn_vote_back(office):
    request = office.in_review()
    first = office.envelope(request, person="tanaka")
    office.workflow.vote(request, person="tanaka", envelope=first)
    office.vote(request, person="tanaka", vote=Vote.REJECT)

    with pytest.raises(Refused):
        office.workflow.vote(request, person="tanaka", envelope=first)


@pytest.mark.parametrize("person", ["mori", "abe"])
def test_attack_a_vote_without_the_role(office, person):
    request = office.in_review()

    with pytest.raises(Refused):
        office.vote(request, person=person)


def test_attack_a_vote_on_a_report_that_has_since_changed(office):
    request = office.in_review()
    late = office.envelope(request, person="ito")
    office.vote(request, person="tanaka")
    (office.workflow.find(request).bundle(office.home) / "data" / "table.txt").write_text("k = 2")
    office.examine = changed_report(office)
    object.__setattr__(office.workflow, "examine", office.examine)
    office.workflow.report(request)

    with pytest.raises(Refused, match=r"report|報告書"):
        office.workflow.vote(request, person="ito", envelope=late)
    # The vote that was counted fell with its report.
    office.vote(request, person="ito")
    with pytest.raises(Refused):
        office.workflow.admit(request)


def changed_report(office):
    before = office.examine

    def examine(request, **room):
        return {**before(request, **room), "why": "another reason"}

    return examine


def test_attack_a_forged_signature(office):
    """A vote in somebody's name, signed with another key of the same home."""
    from workbench.artifact.keys import KeyRing

    request = office.in_review()
    forged = office.envelope(request, person="ito", signer=KeyRing.of(office.home).signer("person:tanaka"))

    with pytest.raises(Untrusted):
        office.workflow.vote(request, person="ito", envelope=forged)


@pytest.mark.parametrize("change", [{"request": "R-9"}, {"home": "another"}, {"person": "tanaka"}])
def test_attack_a_vote_made_for_something_else(office, change):
    request = office.in_review()
    wrong = office.envelope(request, **{"person": "ito", **change})

    with pytest.raises(Untrusted):
        office.workflow.vote(request, person="ito", envelope=wrong)


def test_attack_a_row_written_into_the_table_of_votes(office):
    """Whoever can write to the database has no reviewer's key; the row is not believed."""
    from workbench.audit import Event
    from workbench.release import tables

    request = office.in_review()
    office.vote(request, person="tanaka")
    envelope = office.envelope(request, person="tanaka")
    report = office.workflow.find(request).report
    with office.state.transaction() as t:
        t.connection.execute(
            tables.votes.insert().values(
                request=1,
                person="ito",
                role="reviewer",
                vote="admit",
                report=report,
                cast_at="2025-04-01T00:00:00Z",
                comment="",
                envelope=envelope,
                digest="0" * 64,
            )
        )
        t.event(Event.KEY_CREATED, actor="test", owner="x", public="y")

    with pytest.raises(Untrusted):
        office.workflow.admit(request)


@pytest.mark.parametrize(("vote", "state"), [(Vote.REJECT, State.REJECTED), (Vote.RETURN, State.RETURNED)])
def test_the_second_voter_decides_against(office, vote, state):
    request = office.in_review()
    office.vote(request, person="tanaka", vote=vote)
    assert office.workflow.find(request).state is State.IN_REVIEW

    assert office.vote(request, person="ito") is vote
    assert office.workflow.find(request).state is state
    with pytest.raises(Refused):
        office.vote(request, person="kato")
