"""Who is in the room, since when, and until when."""

import asyncio
import threading
import time

import pytest

from workbench.demo.cast import PASSPHRASE, ensure_account
from workbench.errors import Refused
from workbench.governance import passphrase
from workbench.governance.accounts import HUB, Accounts, not_admitted
from workbench.governance.one_time_codes import RECOVERY_CODES, RECOVERY_SIZE, recovery_codes
from workbench.governance.passphrase import PARAMETERS, Scrypt
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.lab.reception import HOUR, LINK_SECONDS, MINUTE, WAITING, Reception
from workbench.policy import load
from workbench.state import State

pytestmark = pytest.mark.attack

IDLE = load()["session_idle_minutes"] * MINUTE
LONGEST = load()["session_hours"] * HOUR


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


class Room:
    """A session that only knows whether it is open."""

    def __init__(self):
        self.id, self.is_open = "s", True

    def close(self):
        self.is_open = False


class Socket:
    closed = False

    def close(self, *_):
        self.closed = True


@pytest.fixture(autouse=True)
def cheap(monkeypatch):
    monkeypatch.setitem(PARAMETERS, passphrase.NOW, Scrypt(2**4, 8, 1, "test"))


@pytest.fixture
def staffed(home, state):
    people = People(state)
    people.add(Person("oka", "Oka", Role.MANAGER, "section"))
    for name, role in (("mori", Role.ANALYST), ("hara", Role.ANALYST), ("sato", Role.COORDINATOR)):
        people.add(Person(name, name, role, "section"), actor="oka")
        ensure_account(home, state, name)
    return home


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def rooms():
    return []


@pytest.fixture
def reception(staffed, state, clock, rooms):
    def opened():
        rooms.append(Room())
        return rooms[-1]

    return Reception(staffed, state, person="mori", open_room=opened, clock=clock)


@pytest.fixture
def codes(staffed):
    """A demonstration's recovery codes, which follow from its seed; each is good once."""
    size = RECOVERY_CODES * RECOVERY_SIZE
    made = {
        name: iter(recovery_codes(lambda _, n=name: staffed.entropy(f"recovery {n} 1", size=size)))
        for name in ("mori", "hara", "sato")
    }
    return lambda name="mori": next(made[name])


@pytest.fixture
def entered(reception, codes):
    """The visit of who just logged in, and its secret."""

    def enter():
        secret = asyncio.run(reception.log_in("mori", PASSPHRASE, codes()))
        return secret, reception.visit(secret)

    return enter


def reasons(state):
    return [r["details"]["reason"] for r in state.log.records() if r["event"] == "login.closed"]


def test_a_room_opens_with_a_log_in_and_closes_with_a_log_out(reception, state, rooms, entered):
    assert reception.room is None
    ended = []

    async def end():
        ended.append(rooms[0].is_open)

    reception.end_kernels = end
    _, visit = entered()
    asyncio.run(reception.log_out(visit))

    assert ended == [True]  # before the room was closed
    assert not rooms[0].is_open
    assert reception.room is None
    assert reasons(state) == ["logged_out"]
    assert [r["details"].get("session") for r in state.log.records()][-1] == "s"


def test_attack_a_cookie_is_used_after_the_log_out(reception, entered):
    secret, visit = entered()
    asyncio.run(reception.log_out(visit))

    assert reception.visit(secret) is None
    assert not reception.is_here(visit)


def test_attack_a_conversation_goes_on_after_the_log_out(reception, entered):
    _, visit = entered()
    socket = Socket()
    visit.sockets.add(socket)
    asyncio.run(reception.log_out(visit))

    assert socket.closed


@pytest.mark.parametrize("secret", [None, "", "x", "\udcff", "0" * 43])
def test_attack_a_cookie_is_made_up(reception, entered, secret):
    entered()

    assert reception.visit(secret) is None


def test_what_a_cookie_holds_is_not_kept(reception, entered):
    secret, _ = entered()

    assert secret not in repr(vars(reception))


def test_who_does_nothing_has_to_log_in_again_and_finds_the_kernels(reception, state, clock, rooms, entered):
    secret, _ = entered()
    clock.now += IDLE
    assert reception.visit(secret) is None
    asyncio.run(reception.look_round())

    assert reasons(state) == ["idle"]
    assert rooms[0].is_open
    entered()
    assert len(rooms) == 1


def test_what_somebody_does_keeps_them_in_for_the_longest_time_and_no_longer(
    reception, state, clock, rooms, entered
):
    secret, visit = entered()
    while clock.now < 1000 + LONGEST - IDLE:
        clock.now += IDLE - 1
        asyncio.run(reception.look_round())
        assert reception.visit(secret) is visit
        reception.acted(visit)
    clock.now = 1000 + LONGEST
    asyncio.run(reception.look_round())

    assert reasons(state) == ["too_long"]
    assert not rooms[0].is_open


def test_kernels_of_somebody_who_never_comes_back_end(reception, clock, rooms, entered):
    entered()
    clock.now += LONGEST - 1
    asyncio.run(reception.look_round())
    assert rooms[0].is_open
    clock.now += 1
    asyncio.run(reception.look_round())

    assert not rooms[0].is_open


@pytest.mark.parametrize("change", ["lock", "reset"])
def test_attack_a_locked_or_reset_account_goes_on_working(reception, state, rooms, entered, change):
    secret, _ = entered()
    words = (PASSPHRASE,) if change == "reset" else ()
    getattr(reception.accounts, change)("mori", *words, actor="oka")
    asyncio.run(reception.look_round())

    assert reception.visit(secret) is None
    assert not rooms[0].is_open
    assert reasons(state) == ["ended"]


def test_a_second_log_in_ends_the_first_and_keeps_the_room(reception, rooms, entered):
    first, _ = entered()
    second, _ = entered()

    assert reception.visit(first) is None
    assert reception.visit(second) is not None
    assert len(rooms) == 1


@pytest.mark.parametrize("name", ["hara", "sato"])
def test_attack_somebody_else_enters_the_room_with_their_own_account(reception, state, rooms, codes, name):
    with pytest.raises(Refused):
        asyncio.run(reception.log_in(name, PASSPHRASE, codes(name)))

    assert rooms == []
    assert reasons(state) == ["ended"]


def test_where_the_room_does_not_open_nobody_is_in_it(staffed, state, codes):
    def refuse():
        raise Refused(ja="x", en="the sandbox is not there")

    reception = Reception(staffed, state, person="mori", open_room=refuse)
    with pytest.raises(Refused, match="x"):
        asyncio.run(reception.log_in("mori", PASSPHRASE, codes()))

    assert reasons(state) == ["ended"]


def test_attack_two_log_ins_at_once_open_two_rooms(reception, rooms, codes, monkeypatch):
    """The second is there while the room is being opened for the first."""
    given, opened = [codes(), codes()], reception._open_room
    monkeypatch.setattr(reception, "_open_room", lambda: (time.sleep(0.5), opened())[1])

    async def both():
        return await asyncio.gather(*(reception.log_in("mori", PASSPHRASE, code) for code in given))

    first, second = asyncio.run(both())
    assert len(rooms) == 1
    assert [reception.visit(first) is None, reception.visit(second) is None].count(True) == 1


@pytest.mark.parametrize("passed", ["idle", "too_long"])
def test_attack_what_a_hub_still_says_opens_a_room_that_timed_out(reception, clock, codes, passed):
    """The hub knows its log-in by a cookie that the browser can change; the room wants a new proof."""
    reception.accounts.log_in("mori", PASSPHRASE, codes())
    secret = asyncio.run(reception.admit(method=HUB))
    clock.now += {"idle": IDLE, "too_long": LONGEST}[passed]
    asyncio.run(reception.look_round())

    assert reception.visit(secret) is None
    assert reception.accounts.has_timed_out("mori")
    with pytest.raises(Refused):
        asyncio.run(reception.admit(method=HUB))
    reception.accounts.log_in("mori", PASSPHRASE, codes())
    assert reception.visit(asyncio.run(reception.admit(method=HUB)))


def test_attack_strangers_log_in_without_end_and_nobody_gets_out(reception, rooms, entered, monkeypatch):
    """Each of their tries takes long; the room closes for its analyst, and locks take hold, all the same."""
    _, visit = entered()
    tried, done = threading.Event(), threading.Event()

    def slow(*_):
        tried.set()
        assert done.wait(20)
        raise not_admitted()

    monkeypatch.setattr(reception.accounts, "log_in", slow)

    async def scene():
        tries = [asyncio.create_task(reception.log_in("x", "y", "z")) for _ in range(3 * WAITING)]
        while not tried.is_set():
            await asyncio.sleep(0.01)
        try:
            await asyncio.wait_for(reception.look_round(), 10)
            await asyncio.wait_for(reception.log_out(visit), 10)
            sent_away = sum(one.done() for one in tries)
        finally:
            done.set()
        return sent_away, await asyncio.gather(*tries, return_exceptions=True)

    sent_away, ends = asyncio.run(scene())
    assert not rooms[0].is_open
    assert sent_away == 2 * WAITING
    assert all(isinstance(end, Refused) for end in ends)


def test_the_work_of_a_log_in_leaves_the_loop_to_others(reception, codes, monkeypatch):
    main, threads = threading.get_ident(), []
    holds = passphrase.holds
    monkeypatch.setattr(
        passphrase, "holds", lambda *given: (threads.append(threading.get_ident()), holds(*given))[1]
    )
    asyncio.run(reception.log_in("mori", PASSPHRASE, codes()))

    assert threads
    assert main not in threads


class TestLink:
    def test_it_opens_the_room_once_and_is_in_the_log(self, reception, state, rooms):
        link = reception.link()
        secret = asyncio.run(reception.follow(link))

        assert reception.visit(secret).person.id == "mori"
        assert [r["details"]["method"] for r in state.log.records() if r["event"] == "login.opened"] == [
            "start link"
        ]

    def test_attack_it_is_followed_twice(self, reception):
        link = reception.link()
        asyncio.run(reception.follow(link))
        with pytest.raises(Refused):
            asyncio.run(reception.follow(link))

    def test_attack_it_is_followed_late(self, reception, clock):
        link = reception.link()
        clock.now += LINK_SECONDS + 1
        with pytest.raises(Refused):
            asyncio.run(reception.follow(link))

    @pytest.mark.parametrize("made_up", ["", "x", "0" * 43])
    def test_attack_it_is_guessed(self, reception, made_up):
        reception.link()
        with pytest.raises(Refused):
            asyncio.run(reception.follow(made_up))

    def test_attack_there_is_one_in_a_real_home(self, tmp_path):
        home = Home.create(tmp_path / "real")
        state = State.open(home)
        reception = Reception(home, state, person="mori", open_room=Room)
        with pytest.raises(Refused, match="実演"):
            reception.link()
        with pytest.raises(Refused):
            asyncio.run(reception.follow(""))
        state.close()

    def test_attack_a_real_home_gets_the_demonstrations_account(self, tmp_path):
        home = Home.create(tmp_path / "real")
        state = State.open(home)
        People(state).add(Person("oka", "Oka", Role.MANAGER, "section"))
        ensure_account(home, state, "oka")
        accounts = Accounts(home, state)

        assert not accounts.has("oka")
        accounts.add("oka", "another sentence", actor="oka")
        with pytest.raises(Refused):
            accounts.demonstration_address("oka")
        state.close()
