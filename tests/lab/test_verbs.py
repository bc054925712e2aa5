"""The gateway's verbs through a real session: what an analyst gets, and what a forger does not."""

import json
import socket

import numpy as np
import pandas as pd
import pytest

from workbench.audit import Event
from workbench.data.raw import RawStore
from workbench.data.receipt import Receipt
from workbench.errors import Refused
from workbench.governance.people import People, Person, Role
from workbench.lab.gateway import questions
from workbench.lab.gateway.verbs import VERBS
from workbench.lab.opening import open_session as open_room
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.questions import KINDS, MICRO
from workbench.riskflag.export import PATHS

ASKED = "child-year-raw"
PUBLISHED = {
    "source": ASKED,
    "year": 2023,
    "rows_per_household": 3,
    "items": {
        "sex": {"kind": "table", "map": {"male": "male", "female": "female"}, "missing": "(missing)"},
        "aid": {"kind": "table", "map": {"yes": "yes", "no": "no"}, "missing": "(missing)"},
    },
    "numbers": {
        "days": {"minimum": 0, "maximum": 200, "whole": True},
        "score": {"minimum": 0, "maximum": 100, "whole": False},
    },
    "open": ["school"],
}


@pytest.fixture
def town(office, state):
    """The office with a raw table that may be asked about, and a budget for it."""
    households = np.arange(400)
    frame = pd.DataFrame(
        {
            "child_id": [f"C{number}" for number in households],
            "household_id": [f"H{number}" for number in households],
            "fy": 2023,
            "sex": np.where(households % 4, "male", "female"),
            "aid": np.where(households % 3, "yes", "no"),
            "days": households % 50,
            "score": households / 4,
            "school": np.where(households % 10, "S1", "S2"),
        }
    )
    RawStore(office).put("child_year", frame, Receipt(rows=len(frame), columns=tuple(frame.columns)))
    Ledger(state).grant(ASKED, micro=MICRO, granted_by="sato")
    return office


@pytest.fixture
def mounted(tmp_path):
    """A release of tables that says what may be asked, and synthetic rows to rehearse on."""
    tables, synthetic = tmp_path / "tables", tmp_path / "synthetic"
    for folder, protection in ((tables, "dp_tables"), (synthetic, "synthetic")):
        (folder / "data").mkdir(parents=True)
        (folder / "manifest.json").write_text(json.dumps({"meta": {"protection": protection}}))
    (tables / "questions.json").write_text(json.dumps(PUBLISHED))
    for part in ("train", "test"):
        rows = pd.DataFrame({"sex": ["male", "female"] * 20, "aid": ["yes", "no"] * 20, "fy": 2023})
        rows = rows.assign(days=range(40), score=50.0, school="S1")
        rows.to_parquet(synthetic / "data" / f"{part}.parquet")
    return {"child-tables-1": tables, "child-synthetic-1.0.0": synthetic}


@pytest.fixture
def desk(town, mounted, open_session):
    """Asks the gateway as the analyst mori's kernel."""
    session = open_session(analyst="mori", project="attendance", datasets=mounted, verbs=VERBS)

    def ask(verb, *, session=session, **more):
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(30)
            connection.connect(str(session.sandbox().gateway))
            connection.sendall(json.dumps({"verb": verb, **more}).encode() + b"\n")
            return json.loads(connection.makefile("rb").readline())

    return ask


def histogram(**changes):
    return {
        "dataset": ASKED,
        "question": {"kind": "histogram", "item": "sex", "by": None, "epsilon": 0.25} | changes,
    }


def left(desk):
    return desk("budget", dataset=ASKED)["result"]["remaining"]


def test_the_price_is_known_before_anything_is_read_or_spent(desk, monkeypatch):
    monkeypatch.setattr(RawStore, "get", lambda *_: pytest.fail("the raw table was opened"))
    price = desk("price", **histogram())["result"]

    assert (price["epsilon"], price["how_many_more"]) == (0.25, 4)
    assert left(desk) == 1.0


def test_an_answer_is_charged_each_time_until_nothing_is_left(desk):
    answers = [desk("answer", **histogram()) for _ in range(5)]

    assert [answer["ok"] for answer in answers] == [True] * 4 + [False]
    assert left(desk) == 0.0
    counts = {row["cell"][0]: row["count"]["value"] for row in answers[0]["result"]["rows"]}
    assert abs(counts["female"] - 100) < 150
    assert answers[4]["error"]["family"] == "Refused"


def test_a_rehearsal_is_free_and_never_opens_the_raw_table(desk, monkeypatch):
    monkeypatch.setattr(RawStore, "get", lambda *_: pytest.fail("the raw table was opened"))
    rehearsed = desk("rehearse", **histogram())["result"]

    assert {row["cell"][0] for row in rehearsed["rows"]} == {"male", "female", "(missing)"}
    assert left(desk) == 1.0


def asked(kind, **fields):
    return {"dataset": ASKED, "question": {"kind": kind, "epsilon": 0.1, **fields}}


EVERY_KIND = [
    asked("count", where={"aid": ["yes"]}),
    asked("histogram", item="sex", by="aid"),
    asked("sum", item="days"),
    asked("mean", item="score", by="sex"),
    asked("variance", item="score"),
    asked("quantile", item="days", at=0.9, by="aid"),
    asked("contingency", items=["sex", "aid"], whole=True),
    asked("groups", item="school"),
    asked("regression", item="score", on=["days"]),
]


def test_every_kind_is_priced_rehearsed_and_answered_for_what_was_said(desk, state):
    Ledger(state).grant(ASKED, micro=MICRO, femto=10**9, granted_by="sato")
    assert [one["question"]["kind"] for one in EVERY_KIND] == list(KINDS)
    for one in EVERY_KIND:
        price, rehearsed = (desk(verb, **one)["result"] for verb in ("price", "rehearse"))
        before = desk("budget", dataset=ASKED)["result"]["own_charges"]
        answered = desk("answer", **one)["result"]

        assert price["epsilon"] == answered["epsilon"] == 0.1
        assert price["how_many_more"] >= 1
        assert rehearsed.keys() == answered.keys()
        assert desk("budget", dataset=ASKED)["result"]["own_charges"] == before + 1


WEIRD_TOWNS = {
    "empty": lambda frame: frame.iloc[:0],
    "one group empty": lambda frame: frame[frame["aid"] == "yes"],
    "one child": lambda frame: frame.iloc[:1],
    "all missing": lambda frame: frame.assign(sex=None, aid=None, days=pd.NA, score=np.nan, school=None),
    "infinite": lambda frame: frame.assign(score=np.inf, days=2**62),
    "unknown categories": lambda frame: frame.assign(sex="C17", aid="H17", school=frame["child_id"]),
    "one household": lambda frame: frame.assign(household_id="H1"),
    "no households": lambda frame: frame.assign(household_id=None),
}


@pytest.mark.parametrize("weird", WEIRD_TOWNS)
def test_attack_what_comes_with_an_answer_tells_of_the_table(desk, town, state, weird):
    """Price, charge, success and the shape of an answer are the same for every table there could be."""
    Ledger(state).grant(ASKED, micro=3 * MICRO, femto=10**9, granted_by="sato")
    plain = [seen(desk, one) for one in EVERY_KIND]
    store = RawStore(town)
    frame = WEIRD_TOWNS[weird](store.get("child_year"))
    store.put("child_year", frame, Receipt(rows=len(frame), columns=tuple(frame.columns)))

    assert [seen(desk, one) for one in EVERY_KIND] == plain


def seen(desk, one):
    """All of a question that noise does not cover. The rows of groups are covered by their threshold."""
    price, before = desk("price", **one)["result"], left(desk)
    answered = desk("answer", **one)
    told = answered["result"]
    shape = [(row["cell"], sorted(row)) for row in told["rows"]] if told["kind"] != "groups" else None
    same = {name: told[name] for name in told if name != "rows"}
    alone = {name: price[name] for name in price if name not in ("remaining", "how_many_more")}
    return answered["ok"], shape, same, alone, round(before - left(desk), 3)


def test_attack_an_identifier_is_told_where_it_stands_in_place_of_a_code(desk, town, state):
    """Every child with a school of its own: none is told, for no key reaches the threshold."""
    Ledger(state).grant(ASKED, micro=MICRO, femto=10**9, granted_by="sato")
    store = RawStore(town)
    frame = store.get("child_year")
    frame = frame.assign(school=frame["child_id"])
    store.put("child_year", frame, Receipt(rows=len(frame), columns=tuple(frame.columns)))

    assert desk("answer", **asked("groups", item="school"))["result"]["rows"] == []


def test_attack_the_same_question_again_and_again(desk):
    """An average of many answers is worth what they cost together: each is charged, none is remembered."""
    answers = [desk("answer", **asked("count")) for _ in range(11)]

    assert [answer["ok"] for answer in answers] == [True] * 10 + [False]


@pytest.mark.parametrize(
    "extra",
    [{"budget": 100}, {"seed": 1}, {"demonstration": "00"}, {"micro": 0}, {"loss": 0}, {"analyst": "sato"}],
)
def test_attack_the_gateway_is_asked_for_more_than_an_answer(desk, extra):
    """Beside the verb nothing is heard, inside the question nothing more is taken."""
    inside = asked("count", **extra)
    assert desk("answer", **inside)["error"]["family"] == "Unusable"
    desk("answer", **asked("count"), **extra)

    assert left(desk) == 0.9
    assert desk("budget", dataset=ASKED)["result"]["granted"] == 1.0


def test_a_failure_while_answering_costs_and_tells_nothing(desk, monkeypatch):
    """An exception would be an answer for free, and its text might be the answer."""

    def fail(*_, **__):
        raise ValueError("child C17 of household H17")

    monkeypatch.setattr(questions.dp, "read", fail)
    answer = desk("answer", **histogram())

    assert "C17" not in json.dumps(answer)
    assert left(desk) == 0.75


NOT_TO_BE_ASKED = [
    histogram(item="household_id"),
    histogram(item="sex", epsilon=0),
    histogram(epsilon="0.1"),
    histogram(kind="rows"),
    histogram(by="child_id"),
    {"dataset": "another-raw", "question": histogram()["question"]},
    {"dataset": ASKED, "question": "SELECT * FROM child_year"},
    {"dataset": ASKED},
]


def test_what_may_not_be_asked_is_refused_for_nothing(desk):
    for asked in NOT_TO_BE_ASKED:
        for verb in ("price", "rehearse", "answer"):
            answer = desk(verb, **asked)
            assert answer["ok"] is False, asked
            assert understood(answer), asked
    assert left(desk) == 1.0


def understood(answer):
    """Refused in a sentence about the request, not as a failure of ours with a reference number."""
    return "(number " not in answer["error"]["en"]


def test_without_a_published_list_nothing_can_be_asked(open_session, desk):
    bare = open_session(analyst="mori", project="attendance", datasets={}, verbs=VERBS)

    assert desk("answer", session=bare, **histogram())["error"]["family"] == "NotFound"


CANDIDATE = dict.fromkeys(PATHS, "{}")


def submission(**changes):
    return {
        "name": "school",
        "version": "1.0.0",
        "why": "pilot",
        "files": CANDIDATE,
        "notebook": "0" * 64,
    } | changes


def test_a_candidate_is_handed_in_under_the_name_of_the_sockets_analyst(desk, state, open_session):
    taken = desk("submit", **submission(author="sato", analyst="sato"))["result"]
    People(state).add(Person("hara", "Hara", Role.ANALYST, "section"), actor="oka")
    hara = open_session(analyst="hara", project="attendance", datasets={}, verbs=VERBS)
    [record] = [record for record in state.log.records() if record["event"] == Event.CANDIDATE_SUBMITTED]

    assert desk("requests")["result"] == [taken]
    assert desk("requests", session=hara)["result"] == []
    assert record["actor"] == "mori"
    assert record["details"]["notebook"] == "0" * 64


WRONG_SHAPES = [
    {"files": {**CANDIDATE, "../../keys/stolen": "x"}},
    {"files": {**CANDIDATE, "model/run.py": "import os"}},
    {"files": {}},
    {"files": None},
    {"files": {**CANDIDATE, PATHS[0]: 3}},
    {"files": {**CANDIDATE, PATHS[0]: "\ud800"}},
    {"files": {**CANDIDATE, PATHS[0]: "x" * (5 << 20)}},
    {"name": "../escape"},
    {"name": None},
    {"version": "1"},
    {"why": ""},
    {"why": "x" * 2000},
    {"why": "\ud800"},
    {"notebook": None},
    {"notebook": "\ud800"},
]


def test_a_candidate_of_the_wrong_shape_leaves_nothing_behind(desk, home):
    for changes in WRONG_SHAPES:
        answer = desk("submit", **submission(**changes))
        assert answer["ok"] is False, changes
        assert understood(answer), changes
    assert [path for path in home.staging.iterdir() if path.name != ".lock"] == []
    assert desk("requests")["result"] == []


@pytest.mark.attack
@pytest.mark.parametrize("verb", ["grant", "share", "budget grant", "charge", "settle", "refund"])
def test_attack_the_gateway_is_asked_for_a_larger_budget(desk, verb):
    for wish in ({"micro": 9 * MICRO, "granted_by": "sato"}, {"epsilon": 9, "analyst": "mori"}):
        assert desk(verb, dataset=ASKED, **wish)["ok"] is False

    assert left(desk) == 1.0


@pytest.mark.attack
def test_attack_a_budget_an_analyst_and_a_price_are_smuggled_into_a_question(desk, state):
    """Who asks, for what and at which price is the session's and the question's; the request cannot say it."""
    smuggled = {"analyst": "sato", "purpose": "other", "use": "tables", "loss": {"kind": "pure", "micro": 1}}
    answered = desk("answer", **histogram(), **smuggled, micro=1, budget={"granted": 9})
    assert desk("budget", dataset=ASKED, granted=9, **smuggled)["result"]["granted"] == 1.0

    assert answered["ok"]
    (record,) = [one for one in state.log.records() if one["event"] == "question.reserved"]
    details = record["details"]
    assert (record["actor"], details["purpose"], details["use"]) == ("mori", "attendance", "question")
    assert details["loss"]["micro"] == 250_000


def test_what_is_mounted_is_what_is_listed(desk):
    assert desk("datasets")["result"] == ["child-synthetic-1.0.0", "child-tables-1"]


def test_only_an_analyst_opens_a_session(office, state):
    for person in ("sato", "oka"):
        with pytest.raises(Refused):
            open_room(office, state, analyst=person, project="attendance")


def test_an_analysts_session_is_opened_from_the_home(office, state):
    with open_room(office, state, analyst="mori", project="attendance") as session:
        assert session.datasets == {}
        assert b"role:reviewer" in session.sandbox().trusted.read_bytes()
