"""What analysts ask for: said in words, answered by who may, moved along the table and no other way."""

import json

import pytest
from click.testing import CliRunner

from workbench.audit import Event
from workbench.cli.release import release
from workbench.errors import NotFound, Refused, Unusable, Usage
from workbench.release.data_requests import (
    ANSWERS,
    KINDS,
    LABELS,
    MOVES,
    OPEN_AT_ONCE,
    DataRequests,
    Kind,
    Standing,
)

ITEM = {"kind": "item", "dataset": "child-year", "about": "保健室の来室回数", "why": "登校の判定に使うため"}


@pytest.fixture
def office_with_release(office):
    office.admitted()
    return office


@pytest.fixture
def requests(office_with_release):
    return DataRequests(office_with_release.state)


def ask(requests, **changes):
    return requests.ask(ITEM | changes, author="mori", purpose="attendance")


def test_every_kind_and_standing_has_its_words_and_moves():
    assert set(KINDS) == set(Kind)
    assert set(LABELS) == set(Standing) == set(MOVES)
    assert set(ANSWERS) == {after for afters in MOVES.values() for after in afters} - {Standing.WITHDRAWN}


def test_a_request_is_kept_and_the_log_has_that_it_was_made_not_its_words(requests):
    asked = ask(requests)

    assert requests.of("mori") == [asked]
    assert (asked.id, asked.standing, asked.purpose) == ("D-1", Standing.OPEN, "attendance")
    record = requests.state.log.records()[-1]
    assert (record["event"], record["actor"]) == (Event.DATA_REQUESTED, "mori")
    assert ITEM["about"] not in str(record)
    assert ITEM["why"] not in str(record)


def test_it_is_answered_twice_on_the_way_to_its_delivery(requests):
    asked = ask(requests)
    requests.answer(asked.id, standing=Standing.ACCEPTED, answer="10月に", by="sato")
    delivered = requests.answer(asked.id, standing=Standing.DELIVERED, answer="child-year@2", by="sato")

    assert (delivered.answer, delivered.answered_by) == ("child-year@2", "sato")
    with pytest.raises(Refused):
        requests.withdraw(asked.id, by="mori")


def test_a_move_that_is_not_in_the_table_is_refused(requests):
    for before in Standing:
        asked = ask(requests)
        if before is not Standing.OPEN:
            reach(requests, asked.id, before)
        for after in set(ANSWERS) - MOVES[before]:
            with pytest.raises(Refused):
                requests.answer(asked.id, standing=after, answer="x", by="sato")
        assert requests.of("mori")[0].standing is before


def reach(requests, request, standing):
    if standing is Standing.WITHDRAWN:
        requests.withdraw(request, by="mori")
        return
    if standing is Standing.DELIVERED:
        requests.answer(request, standing=Standing.ACCEPTED, answer="x", by="sato")
    requests.answer(request, standing=standing, answer="x", by="sato")


def test_only_the_coordinating_body_answers(requests):
    asked = ask(requests)
    for person in ("tanaka", "mori", "oka", "abe"):
        with pytest.raises(Refused):
            requests.answer(asked.id, standing=Standing.ACCEPTED, answer="x", by=person)


def test_attack_one_analyst_withdraws_anothers_request(requests):
    asked = ask(requests)
    with pytest.raises(Refused):
        requests.withdraw(asked.id, by="sato")
    with pytest.raises(NotFound):
        requests.withdraw(asked.id, by="nobody")

    assert requests.of("mori")[0].standing is Standing.OPEN


def test_only_an_analyst_asks(requests):
    with pytest.raises(Refused):
        requests.ask(ITEM, author="sato", purpose="attendance")


SAYS_NOTHING = [
    {"kind": "everything"},
    {"kind": None},
    {"kind": ["item"]},
    {"dataset": None},
    {"dataset": "\ud800"},
    {"about": ""},
    {"why": " "},
    {"why": "x" * 1001},
    {"why": 7},
    {"why": "\ud800"},
    {"why": "line\nline"},
    {"why": "reads \u202ebackwards"},
]


def test_what_does_not_say_what_is_wanted_is_not_taken(requests):
    for changes in SAYS_NOTHING:
        with pytest.raises(Unusable):
            ask(requests, **changes)

    assert requests.every() == []


def test_a_dataset_that_this_project_does_not_have_is_not_found(requests):
    for name, purpose in (("child-month", "attendance"), ("child-year", "poverty")):
        with pytest.raises(NotFound):
            requests.ask(ITEM | {"dataset": name}, author="mori", purpose=purpose)


def test_a_refresh_needs_no_words_and_a_dataset_no_name(requests):
    assert (
        requests.ask({**ITEM, "kind": "refresh", "about": None}, author="mori", purpose="attendance").about
        == ""
    )
    assert ask(requests, kind="dataset", dataset="x").dataset is None


def test_attack_a_flood_of_requests_ends(requests):
    for _ in range(OPEN_AT_ONCE):
        ask(requests)
    with pytest.raises(Refused, match=str(OPEN_AT_ONCE)):
        ask(requests)
    requests.withdraw("D-1", by="mori")

    assert ask(requests).id == f"D-{OPEN_AT_ONCE + 1}"


def test_what_is_no_number_of_a_request_is_a_usage_error(requests):
    for name in ("3x", "D-x", "D-", "D-9999999999", "R-1"):
        with pytest.raises(Usage):
            requests.withdraw(name, by="mori")


def test_the_coordinating_body_reads_and_answers_on_the_command_line(requests, office):
    ask(requests)

    def run(*words):
        return CliRunner().invoke(release, [*words, "--home", str(office.home.path)])

    assert "保健室の来室回数" in run("wanted").output
    answered = run("answer", "D-1", "--as", "accepted", "--because", "10月に", "--by", "sato", "--json")
    assert json.loads(answered.output)["standing"] == "accepted"
    assert isinstance(
        run("answer", "D-1", "--as", "accepted", "--because", "x", "--by", "sato").exception, Refused
    )
    assert json.loads(run("wanted", "--json").output)[0]["answer"] == "10月に"
