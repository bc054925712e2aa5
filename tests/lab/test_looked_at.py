"""Code that is completed or explained and not run: its record is on disk before the kernel hears of it."""

import asyncio
import threading

from workbench.audit import Event
from workbench.lab.incoming import Asked
from workbench.lab.looked_at import MOST_WAITING, Looks, entry_of

HEADER = {"msg_id": "m1", "msg_type": "complete_request"}


class Heard(list):
    """What a kernel heard, and what was refused."""

    def __init__(self):
        self.refused = []

    def looks(self):
        return Looks(pass_on=self.append, refuse=self.refused.append)


def add(looks, session, code):
    asked = Asked("complete_request", HEADER, {"code": code})
    looks.add(code, entry_of(session, asked, kernel="k"), header=HEADER, room=session)


async def until(happened):
    while not happened():
        await asyncio.sleep(0.01)


def test_attack_a_kernel_looks_at_code_whose_record_is_not_on_disk(session, state, monkeypatch):
    append, on_disk = state.log.append_all, threading.Event()

    def slow(entries):
        on_disk.wait()
        return append(entries)

    monkeypatch.setattr(state.log, "append_all", slow)
    heard = Heard()

    async def story():
        looks = heard.looks()
        add(looks, session, "os.en")
        await asyncio.sleep(0.2)
        assert heard == []
        on_disk.set()
        await until(lambda: heard)

    asyncio.run(story())
    [record] = [r for r in state.log.records() if r["event"] == Event.CODE_LOOKED_AT]
    assert record["actor"] == "analyst-1"
    assert record["details"] | {"sha256": ""} == {
        "session": session.id,
        "cell": "m1",
        "kind": "complete_request",
        "source": "os.en",
        "kernel": "k",
        "sha256": "",
    }


def test_attack_code_is_looked_at_while_the_log_does_not_answer(session, state, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    heard = Heard()

    async def story():
        add(heard.looks(), session, "x")
        await until(lambda: heard.refused)

    with monkeypatch.context() as patched:
        patched.setattr(state.log, "append_all", full)
        asyncio.run(story())
    assert heard == []
    assert heard.refused == [HEADER]


def test_what_is_typed_meanwhile_is_written_with_one_flush_and_in_order(session, state, monkeypatch):
    append, sizes, first = state.log.append_all, [], threading.Event()

    def counted(entries):
        sizes.append(len(entries))
        first.wait()
        return append(entries)

    monkeypatch.setattr(state.log, "append_all", counted)
    heard, typed = Heard(), [f"d.{'x' * size}" for size in range(20)]

    async def story():
        looks = heard.looks()
        add(looks, session, typed[0])
        await until(lambda: sizes)
        for code in typed[1:]:
            add(looks, session, code)
        first.set()
        await until(lambda: len(heard) == len(typed))

    asyncio.run(story())
    assert heard == typed
    assert sizes == [1, len(typed) - 1]


def test_a_flood_is_refused_and_not_kept(session, state, monkeypatch):
    gate = threading.Event()
    append = state.log.append_all

    def slow(entries):
        gate.wait()
        return append(entries)

    monkeypatch.setattr(state.log, "append_all", slow)
    heard = Heard()

    async def story():
        looks = heard.looks()
        for _ in range(MOST_WAITING + 10):
            add(looks, session, "x")
        gate.set()
        await until(lambda: len(heard) == MOST_WAITING)

    asyncio.run(story())
    assert len(heard.refused) == 10
