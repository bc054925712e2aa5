"""Asking for data from a notebook: as the session's analyst and for its purpose, whatever the kernel says."""

import json

import pytest

from workbench.errors import Refused
from workbench.lab.gateway.server import Answering
from workbench.lab.gateway.verbs import VERBS
from workbench.release.data_requests import DataRequests

ASKED = {"kind": "dataset", "about": "保健室の来室回数", "why": "登校の判定に使うため"}


@pytest.fixture
def ask(office, open_session):
    """Sends a line to the gateway of mori's session, as a kernel would, and returns the answer."""
    session = open_session(analyst="mori", project="attendance", datasets={}, verbs=VERBS)
    answering = Answering(session, VERBS)

    def send(verb, **fields):
        return json.loads(answering.reply(json.dumps({"verb": verb, **fields}).encode()))

    return send


def test_what_was_asked_for_is_told_back_with_where_it_stands(ask):
    number = ask("want", **ASKED)["result"]["request"]

    (told,) = ask("wanted")["result"]
    assert (told["request"], told["standing"]["en"]) == (number, "waiting for an answer")
    assert ask("unwant", request=number)["result"]["standing"]["en"] == "withdrawn"


def test_attack_a_kernel_asks_in_anothers_name_or_for_another_purpose(ask, state):
    ask("want", **ASKED, author="sato", purpose="poverty", standing="delivered", number=7)

    (kept,) = DataRequests(state).every()
    assert (kept.author, kept.purpose, str(kept.standing), kept.id) == ("mori", "attendance", "open", "D-1")


def test_attack_a_kernel_answers_its_own_request(ask, state):
    ask("want", **ASKED)

    assert not ask("answer_data_request", request="D-1", standing="delivered")["ok"]
    with pytest.raises(Refused):
        DataRequests(state).answer("D-1", standing="delivered", answer="x", by="mori")


@pytest.mark.parametrize("fields", [{}, {"kind": "item"}, {**ASKED, "why": {"a": 1}}, {"request": ["D-1"]}])
def test_what_cannot_be_understood_is_one_of_our_sentences(ask, fields):
    for verb in ("want", "unwant"):
        told = ask(verb, **fields)
        assert not told["ok"]
        assert told["error"]["family"] in ("Unusable", "Usage", "NotFound")
