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
from workbench.privacy.dp.questions import MICRO
from workbench.riskflag.export import PATHS

ASKED = "child-year-raw"
PUBLISHED = {
    "source": ASKED,
    "year": 2023,
    "rows_per_household": 3,
    "items": {"sex": {"kind": "table", "map": {"male": "male", "female": "female"}, "missing": "(missing)"}},
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
        rows = pd.DataFrame({"sex": ["male", "female"] * 20, "fy": 2023})
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
