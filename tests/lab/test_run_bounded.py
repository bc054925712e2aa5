"""What `workbench lab run` keeps of a notebook's outputs: what a page would get, counted as shown."""

from types import SimpleNamespace

import nbformat
import pytest

from workbench.audit import Event
from workbench.errors import Refused
from workbench.lab.kernels import limited_context
from workbench.lab.outgoing import CELL, EACH, LARGEST, MESSAGE
from workbench.lab.run import BoundedClient, run_notebook


class Meter:
    def __init__(self):
        self.sizes, self.most = [], None

    def charge(self, size, *, can_say):
        if self.most is not None and sum(self.sizes) + size > self.most:
            raise Refused(ja="本日の上限", en="the day's limit")
        self.sizes.append(size)


@pytest.fixture
def meter():
    return Meter()


@pytest.fixture
def says(meter):
    """A kernel says something in a cell of a notebook: `says(kind, content, cell=0)`; the cells are `says.cells`."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("x") for _ in range(2)])
    client = BoundedClient(book)
    client.room, client.clear_before_next_output = SimpleNamespace(meter=meter), False

    def say(kind, content, *, cell=0):
        header = {"msg_id": "k", "msg_type": kind}
        message = {"header": header, "msg_type": kind, "content": content, "parent_header": {"msg_id": "m"}}
        client.process_message(message, book.cells[cell], cell)

    say.cells, say.book, say.client = book.cells, book, client
    return say


def size_of(cell):
    return sum(len(str(output)) for output in cell.outputs)


def test_attack_one_large_output(says):
    says("stream", {"name": "stdout", "text": "x" * 5 * MESSAGE})

    assert size_of(says.cells[0]) < 1.1 * MESSAGE
    assert "too large" in says.cells[0].outputs[-1].text
    assert [one["size"] for one in says.client.withheld] == [4 * MESSAGE]


@pytest.mark.parametrize("size", [1, MESSAGE // 2])
def test_attack_outputs_without_end(says, meter, size):
    """Each has a bound, all of a cell together have one, and so has their number; the next cell has its own."""
    for _ in range(3 * CELL // max(size, EACH)):
        says("display_data", {"data": {"text/plain": "x" * size}, "metadata": {}})

    assert len(says.cells[0].outputs) <= CELL // EACH + 1
    assert size_of(says.cells[0]) < 1.5 * CELL
    assert sum(meter.sizes) < 1.5 * CELL
    assert len([one for one in says.cells[0].outputs if one.output_type == "stream"]) == 1
    says("stream", {"name": "stdout", "text": "more"}, cell=1)
    assert says.cells[1].outputs[0].text == "more"


def test_attack_outputs_above_the_days_limit(says, meter):
    meter.most = 1000
    says("stream", {"name": "stdout", "text": "a" * 500})
    for _ in range(3):
        says("stream", {"name": "stdout", "text": "b" * 900})

    assert [one.text[:1] for one in says.cells[0].outputs] == ["a", "本"]
    assert [one["why"] for one in says.client.withheld] == ["day"] * 3


def test_attack_what_no_page_gets_is_kept_in_the_file(says):
    says("comm_open", {"comm_id": "c", "target_name": "jupyter.widget", "data": {"state": {"value": "x"}}})
    says(
        "display_data",
        {"data": {"text/html": "<script>x</script>", "text/plain": "t"}, "metadata": {"m": "x"}},
    )

    [output] = says.cells[0].outputs
    assert output.data == {"text/plain": "t"}
    assert output.metadata == {}
    assert says.book.metadata.get("widgets") is None


def test_the_sockets_take_no_message_that_is_too_large():
    import zmq

    context = limited_context()
    with context.socket(zmq.PULL, socket_class=zmq.Socket) as socket:
        assert socket.getsockopt(zmq.MAXMSGSIZE) == LARGEST
    context.term()


def test_attack_a_notebook_prints_more_than_is_kept(session, notebook, texts, state):
    shown = session.meter.amount().bytes
    ran = run_notebook(notebook("print('x' * 3_000_000)", "print(6 * 7)"), session, name="n.ipynb")

    first, second = texts(ran)
    assert len(first) < 1.1 * MESSAGE
    assert "too large" in first
    assert second == "42"
    saved = nbformat.reads(session.workspace.read("n.ipynb").decode(), as_version=4)
    assert texts(saved) == [first, second]
    assert session.meter.amount().bytes - shown > MESSAGE
    session.close()
    withheld = [
        one["size"]
        for record in state.log.of_kind(Event.OUTPUT_SENT)
        for one in record["details"].get("withheld", [])
    ]
    assert sum(withheld) > 1_900_000
