"""
What a question tells for nothing: its errors, its price, the shape of its answer. All are alike on neighbours.

The kernel's side of the gateway is read byte by byte, with the noise of one table replayed on the other.
"""

import hashlib
import json
from types import SimpleNamespace

import pandas as pd
import pytest

from workbench.data.raw import RawStore
from workbench.data.receipt import Receipt
from workbench.home import Home
from workbench.lab.gateway import moments
from workbench.lab.gateway.server import Answering
from workbench.lab.gateway.verbs import VERBS
from workbench.privacy.dp.audit.neighbours import ASKED, HOUSEHOLD, city, pairs
from workbench.privacy.dp.audit.recording import Player, Recorder, at_the_door
from workbench.privacy.dp.audit.shipped import EXAMPLES, SOURCE
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.questions import MICRO, describe

NAME = "child-year-raw"
PUBLISHED = {
    "source": NAME,
    "year": ASKED,
    "rows_per_household": SOURCE.rows_per_household,
    "items": SOURCE.items,
    "numbers": {
        name: {"minimum": number.minimum, "maximum": number.maximum, "whole": number.whole}
        for name, number in SOURCE.numbers.items()
    },
    "open": list(SOURCE.open),
}
NEIGHBOURS = {
    pair.name: pair
    for pair in pairs(city(), thorough=True)
    if pair.name in ("infinite, middle", "new category, last", "many rows, first", "missing, alone")
}
ASKS = [
    *(describe(examples[-1]) | {"epsilon": 0.01} for examples in EXAMPLES.values()),
    # Questions that cannot be answered say so in the same words, whatever the table holds.
    {"kind": "histogram", "item": "note", "epsilon": 0.01},
    {"kind": "histogram", "item": HOUSEHOLD, "epsilon": 0.01},
    {"kind": "sum", "item": "sex", "epsilon": 0.01},
    {"kind": "count", "where": {"district": ["a category nobody had"]}, "epsilon": 0.01},
    {"kind": "count", "epsilon": 0},
    {"kind": "count", "epsilon": 10_000},
    {"kind": "count", "epsilon": 0.01, "seed": 1},
    {"kind": "count"},
    "count",
    None,
]


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A real home, whose choice among the rows of a household repeats: it is the same for both tables."""
    monkeypatch.setattr(
        Home, "entropy", lambda _, purpose, size=32: hashlib.shake_256(purpose.encode()).digest(size)
    )
    return Home.create(tmp_path / "home")


@pytest.fixture
def reply(office, state, tmp_path, open_session):
    """The gateway's line for a request, from a room whose raw table is the one given."""
    tables = tmp_path / "tables"
    tables.mkdir()
    (tables / "manifest.json").write_text(json.dumps({"meta": {"protection": "dp_tables"}}))
    (tables / "questions.json").write_text(json.dumps(PUBLISHED))
    Ledger(state).grant(NAME, micro=20 * MICRO, femto=10**9, granted_by="sato")
    session = open_session(
        analyst="mori", project="attendance", datasets={"child-tables-1": tables}, verbs=VERBS
    )

    def reply(frame: pd.DataFrame, verb: str, question) -> bytes:
        store = RawStore(office)
        store.put("child_year", frame, Receipt(rows=len(frame), columns=tuple(frame.columns)))
        line = json.dumps({"verb": verb, "dataset": NAME, "question": question}).encode()
        return Answering(session, VERBS).reply(line)

    return reply


class Clock:
    """Time that passes only while a table is read, and while somebody waits."""

    def __init__(self, monkeypatch, *, reading):
        self.now, self.waits = 1000.0, []
        get = RawStore.get

        def slow(store, table):
            self.now += reading
            return get(store, table)

        monkeypatch.setattr(RawStore, "get", slow)
        monkeypatch.setattr(moments, "time", SimpleNamespace(monotonic=lambda: self.now, sleep=self.sleep))

    def sleep(self, seconds):
        self.waits.append(seconds)
        self.now += seconds


@pytest.mark.parametrize("verb", ["answer", "train_model"])
def test_attack_the_time_an_answer_takes(reply, monkeypatch, verb):
    """A table that takes a little longer to read is answered, or refused, at the same public moment."""
    taken = set()
    for reading in (0.0, 0.001, 0.03, 0.09):
        with monkeypatch.context() as patch:
            clock = Clock(patch, reading=reading)
            reply(city(), verb, ASKS[0])
            taken.add(round(clock.now - 1000, 9))
            assert len(clock.waits) == 1
    assert taken == {moments.FIRST_SECONDS}


@pytest.mark.parametrize("seconds", [0, 0.05, 0.1, 0.100001, 1, 59.9, 4000])
def test_public_moments_are_few_and_never_in_the_past(seconds):
    moment = moments.next_moment(seconds)

    assert seconds <= moment <= max(moments.FIRST_SECONDS, seconds * moments.GROWTH)
    assert moment in [moments.next_moment(later) for later in (seconds, moment)]


def test_attack_the_table_is_opened_for_a_question_that_the_budget_does_not_hold(reply, monkeypatch):
    """How long a refusal takes, or a table that is damaged, would be an answer for nothing."""
    frame = city()
    reply(frame, "budget", None)
    monkeypatch.setattr(RawStore, "get", lambda *_: pytest.fail("the raw table was opened"))

    told = json.loads(reply(frame, "answer", {"kind": "count", "epsilon": 25}))

    assert told["error"]["family"] == "Refused"


@pytest.mark.slow
@pytest.mark.parametrize("name", NEIGHBOURS)
def test_attack_an_error_a_price_or_a_shape_as_an_oracle(reply, name, monkeypatch):
    """With the noise held fixed every byte that reaches the kernel is the same for two neighbours."""
    monkeypatch.setattr(moments, "FIRST_SECONDS", 1e-6)
    pair = NEIGHBOURS[name]
    said = []
    for question in ASKS:
        with at_the_door(Recorder()) as recorder:
            here = [reply(pair.here, verb, question) for verb in ("price", "answer")]
        with at_the_door(Player(recorder.calls)) as player:
            there = [reply(pair.there, verb, question) for verb in ("price", "answer")]
        assert not player.faults
        # The budget that is left falls with each answer; it is told by the price.
        assert there[1] == here[1], question
        said.append(json.loads(here[1])["ok"])
    assert said == [True] * len(EXAMPLES) + [False] * (len(ASKS) - len(EXAMPLES))


@pytest.mark.slow
def test_attack_what_is_left_of_the_budget_as_an_oracle(reply, monkeypatch):
    """A question costs the same whether its table makes it easy, hard or impossible to answer."""
    monkeypatch.setattr(moments, "FIRST_SECONDS", 1e-6)
    tables = [pair.there for pair in NEIGHBOURS.values()]

    for question in ASKS:
        left = [json.loads(reply(frame, "budget", question))["result"]["remaining"] for frame in tables]
        assert len(set(left)) == 1
        costs = []
        for frame in tables:
            before = json.loads(reply(frame, "budget", question))["result"]["remaining"]
            reply(frame, "answer", question)
            costs.append(
                round(before - json.loads(reply(frame, "budget", question))["result"]["remaining"], 6)
            )
        assert len(set(costs)) == 1


def test_attack_a_table_that_cannot_be_read_is_an_answer_that_costs(reply, office):
    """What fails in the middle fails in our one sentence, with a number, and keeps its charge."""
    frame = city()
    question = {"kind": "mean", "item": "score", "epsilon": 0.5}
    before = json.loads(reply(frame, "budget", question))["result"]["remaining"]

    told = json.loads(reply(frame.drop(columns=["score"]), "answer", question))

    assert not told["ok"]
    assert "score" not in told["error"]["en"]
    after = json.loads(reply(frame, "budget", question))["result"]["remaining"]
    assert round(before - after, 6) == 0.5
