"""The gateway as a hostile kernel meets it: everything that crosses is ours."""

import json
import os
import socket
import stat
import threading

import pytest

from workbench.audit import Event
from workbench.errors import FAMILIES, NotFound, Refused
from workbench.lab.gateway import server
from workbench.lab.gateway.protocol import LONGEST
from workbench.lab.gateway.server import Rate


def fail_with_a_value(session, request):
    raise KeyError("child-000123 is the only one with 41 absent days")


def refuse(session, request):
    raise Refused(ja="断る", en="No.")


def name_a_place(session, request):
    raise NotFound(ja=f"{session.home.path}/raw がありません", en=f"{session.home.path}/raw is missing")


VERBS = {
    "echo": lambda _, request: request.get("say"),
    "who": lambda session, _: session.analyst,
    "fail": fail_with_a_value,
    "refuse": refuse,
    "place": name_a_place,
    "unspeakable": lambda *_: object(),
    "not-a-number": lambda *_: float("nan"),
    "giant": lambda *_: "x" * LONGEST,
}


@pytest.fixture
def session(open_session):
    return open_session(verbs=VERBS)


@pytest.fixture
def talk(session):
    """Sends raw lines to the gateway and returns the answers."""

    def send(*lines, session=session):
        with connect(session) as connection, connection.makefile("rb") as answers:
            connection.sendall(b"".join(line + b"\n" for line in lines))
            return [json.loads(answers.readline()) for _ in lines]

    return send


def connect(session):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(session.sandbox().gateway))
    return connection


def ask(verb, **more):
    return json.dumps({"verb": verb, **more}).encode()


def test_a_verb_answers(talk):
    assert talk(ask("echo", say="日本語")) == [{"ok": True, "result": "日本語"}]


def test_one_connection_carries_many_requests(talk):
    assert [answer["result"] for answer in talk(*(ask("echo", say=number) for number in range(5)))] == [
        *range(5)
    ]


def test_the_socket_is_the_identity_whatever_the_request_says(talk, open_session):
    other = open_session(analyst="analyst-2", verbs=VERBS)

    assert talk(ask("who", analyst="analyst-2", session=other.id))[0]["result"] == "analyst-1"
    assert talk(ask("who"), session=other)[0]["result"] == "analyst-2"


def test_our_own_sentence_crosses_in_both_languages(talk):
    assert talk(ask("refuse")) == [{"ok": False, "error": {"family": "Refused", "ja": "断る", "en": "No."}}]


@pytest.mark.parametrize("verb", ["fail", "unspeakable", "not-a-number", "place"])
def test_a_library_text_or_a_place_of_the_room_never_crosses(talk, session, verb):
    [reply] = talk(ask(verb))
    kept = (session.home.path / server.FAILURES).read_text()
    crossed = json.dumps(reply, ensure_ascii=False)

    assert reply["error"]["family"] == "Refused"
    assert not any(
        text in crossed for text in ("child", "absent", "JSON", "object", "Key", str(session.home.path))
    )
    assert json.loads(kept)["reference"] in reply["error"]["en"]


def test_the_room_keeps_the_failure_and_the_log_its_number(talk, session, state):
    [reply] = talk(ask("fail"))
    path = session.home.path / server.FAILURES
    [record] = [record for record in state.log.records() if record["event"] == Event.GATEWAY_FAILED]

    assert "child-000123" in path.read_text()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert record["details"]["reference"] in reply["error"]["ja"]
    assert "child-000123" not in json.dumps(record)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"x",
        b"[]",
        b"3",
        b'{"verb": 3}',
        b'{"verb": ["echo"]}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"verb": "nothing"}',
    ],
)
def test_a_malformed_request_is_answered_and_the_talk_goes_on(talk, line):
    refused, answered = talk(line, ask("echo", say=1))

    assert refused["ok"] is False
    assert refused["error"]["family"] in FAMILIES
    assert answered == {"ok": True, "result": 1}


def test_an_oversize_request_is_refused_and_the_talk_is_over(session):
    with connect(session) as connection, connection.makefile("rb") as answers:
        sender = threading.Thread(target=send_giant, args=(connection,))
        sender.start()
        reply = json.loads(answers.readline())
        sender.join()

        assert reply["error"]["family"] == "Refused"
        assert "8 MB" in reply["error"]["en"]


def send_giant(connection):
    try:
        for _ in range(LONGEST // (1 << 20) + 2):
            connection.sendall(b"x" * (1 << 20))
    except OSError:
        return


def test_an_oversize_answer_is_refused_and_not_cut(talk):
    assert talk(ask("giant"))[0]["error"]["family"] == "Refused"


def test_a_flood_is_slowed_down(talk, session):
    replies = talk(*[ask("echo", say=1)] * (server.PER_MINUTE + 40))

    assert replies[0]["ok"]
    assert not replies[-1]["ok"]
    assert "minute" in replies[-1]["error"]["en"]


def test_the_rate_recovers_with_time():
    now = [0.0]
    rate = Rate(60, clock=lambda: now[0])

    assert [rate.why_not() for _ in range(60)] == [None] * 60
    assert rate.why_not() is not None
    now[0] = 1.0
    assert rate.why_not() is None
    assert rate.why_not() is not None


def test_connections_that_are_held_open_do_not_pile_up(session):
    held = []
    try:
        for _ in range(server.CONNECTIONS):
            connection = connect(session)
            connection.sendall(ask("echo", say=1) + b"\n")
            connection.recv(1 << 10)
            held.append(connection)
        with connect(session) as one_more, one_more.makefile("rb") as answers:
            assert json.loads(answers.readline())["error"]["family"] == "Refused"
    finally:
        for connection in held:
            connection.close()


def test_a_kernel_that_hangs_up_does_not_disturb_the_next(talk, session):
    connect(session).close()
    with connect(session) as half:
        half.sendall(b'{"verb": "ec')

    assert talk(ask("echo", say=2))[0]["result"] == 2


def test_the_socket_is_for_one_user_only(session):
    about = os.stat(session.sandbox().gateway)

    assert stat.S_IMODE(about.st_mode) == 0o600
    assert about.st_uid == (session.owner or os.geteuid())


def test_the_gateway_ends_with_its_session(session):
    path = session.sandbox().gateway
    session.close()

    assert not path.exists()
    with pytest.raises(OSError, match=r"No such|refused"):
        socket.socket(socket.AF_UNIX).connect(str(path))
