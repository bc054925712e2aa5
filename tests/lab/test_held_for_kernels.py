"""What the server holds for its kernels: how many there are, what one says while no page is there, how long a message is."""

import asyncio
from types import SimpleNamespace

import pytest
import zmq
from tornado.web import HTTPError

from workbench.errors import Refused
from workbench.lab.kernel_manager import KEPT, LabKernels
from workbench.lab.kernels import Kernels
from workbench.lab.limits import Limits
from workbench.lab.outgoing import EACH, LARGEST


class Stream:
    """A channel of a kernel, to which a test says what the kernel says."""

    def on_recv(self, hear):
        self.says = hear


@pytest.fixture
def told():
    """The sizes of what was withheld, as the log is told of them."""
    return []


@pytest.fixture
def kernels(told):
    room = SimpleNamespace(shown=lambda outputs, **_: told.extend(outputs))
    return LabKernels(kernel_spec_manager=Kernels(room=room))


@pytest.fixture
def left(kernels, monkeypatch):
    """A kernel whose last page was closed: its channel, and what is kept for the page."""
    monkeypatch.setattr(kernels, "_check_kernel_id", lambda _: None)
    channel = Stream()
    kernels.start_buffering("k", "page", {"iopub": channel})
    return channel, lambda: kernels._kernel_buffers["k"]["buffer"]


@pytest.mark.parametrize("size", [0, 1_000_000, KEPT * 2])
def test_attack_a_kernel_prints_on_while_no_page_is_there(left, told, size):
    channel, kept = left
    count = 3 * KEPT // max(size, EACH)
    for _ in range(count):
        channel.says([b"x" * size])
    channel.says([b"the last"])

    assert sum(EACH + len(parts[0]) for _, parts in kept()) <= KEPT
    assert kept()[-1] == ("iopub", [b"the last"])
    dropped = count + 1 - len(kept())
    assert sum(one["size"] for one in told) == dropped * (size + EACH)
    assert {one["why"] for one in told} == {"away"}


def test_what_is_said_meanwhile_waits_for_the_page(left, told):
    channel, kept = left
    for number in range(100):
        channel.says([f"{number}".encode()])

    assert [parts for _, parts in kept()] == [[f"{number}".encode()] for number in range(100)]
    assert told == []


def test_attack_one_message_that_fills_the_servers_memory(kernels, tmp_path):
    """It is sent for real, as a kernel would."""
    with zmq.Context() as outside, outside.socket(zmq.PUSH) as kernel:
        kernel.setsockopt(zmq.LINGER, 0)
        kernel.bind(f"ipc://{tmp_path}/k")
        with kernels.context.socket(zmq.PULL, socket_class=zmq.Socket) as room:
            room.setsockopt(zmq.RCVTIMEO, 20_000)
            room.connect(f"ipc://{tmp_path}/k")
            kernel.send(b"before")
            assert room.recv() == b"before"
            kernel.send(bytes(LARGEST))
            assert len(room.recv()) == LARGEST
            kernel.send(bytes(LARGEST + 1))
            room.setsockopt(zmq.RCVTIMEO, 1000)
            with pytest.raises(zmq.Again):
                room.recv()


def test_attack_a_room_full_of_kernels(open_session):
    """Each has limits of its own; ten of them have ten times as much."""
    session = open_session(limits=Limits(kernels=2))
    session.kernel_folder("a")
    session.kernel_folder("b")

    with pytest.raises(Refused, match="2"):
        session.kernel_folder("c")
    kernels = LabKernels(kernel_spec_manager=Kernels(room=session))
    with pytest.raises(HTTPError, match="shut down"):
        asyncio.run(kernels.start_kernel())
    session.forget_kernel("a")
    session.kernel_folder("c")
