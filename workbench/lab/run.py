"""
Run a notebook in a session's sandbox, and let a notebook out of the room.

The source of each cell is in the log before the cell runs. Of its outputs that is kept which a page would get. The executed notebook stays in the workspace;
what leaves the room is the notebook without its outputs.
"""

import asyncio
import hashlib
from typing import Any

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from workbench.audit import Event
from workbench.errors import Refused, Unusable, WorkbenchError
from workbench.lab.kernels import KERNEL, Kernels, limited_context
from workbench.lab.outgoing import CELL, EACH, KINDS, MESSAGE, Letter, spelled, too_large
from workbench.lab.outputs import SHOWING, Output, of_cell
from workbench.lab.session import Session

TIMEOUT = 600  # seconds, for one cell
OUTPUT_TIMEOUT = 30  # for what it put out, once it has run
STOPS = (CellExecutionError, CellTimeoutError, DeadKernelError)


def run_notebook(
    content: bytes, session: Session, *, name: str, timeout: int = TIMEOUT, allow_errors: bool = False
) -> NotebookNode:
    """
    Execute the notebook `content` in `session` and save it in the workspace as `name`, with its outputs.

    Raises Refused, naming the cell by its number, when a cell fails or does not end in time; what ran until
    then is saved all the same.
    """
    notebook = read_notebook(content)
    context = limited_context()
    manager = AsyncKernelManager(
        kernel_name=KERNEL, kernel_spec_manager=Kernels(room=session), context=context
    )
    client = BoundedClient(
        notebook,
        km=manager,
        timeout=timeout,
        allow_errors=allow_errors,
        store_widget_state=False,
        # After a message that is too large nothing more is heard: it stops there.
        raise_on_iopub_timeout=True,
        iopub_timeout=OUTPUT_TIMEOUT,
        on_cell_execute=lambda cell, cell_index: log_cell(session, cell, cell_index),
        on_cell_executed=lambda cell, cell_index, **_: session.shown(
            [*of_cell(cell.outputs), *client.withheld], cell=cell_index, kernel=str(manager.kernel_id)
        ),
    )
    client.room = session
    try:
        # On this very thread: a kernel ends with the thread that started it.
        asyncio.run(execute(client, manager))
    except STOPS:
        raise session.why_ended(str(manager.kernel_id)) or stopped(notebook) from None
    finally:
        context.destroy(linger=0)
        session.workspace.write(name, nbformat.writes(notebook).encode())
    return notebook


class BoundedClient(NotebookClient):
    """
    Keeps of a kernel's outputs what a page would get of them, and no more: by kind, size and the day's amount.

    They are counted as shown, because the notebook that holds them is made to be looked at.
    """

    room: Session
    _cell, _left = -1, 0

    def process_message(
        self, msg: dict[str, Any], cell: NotebookNode, cell_index: int
    ) -> NotebookNode | None:
        """What becomes of a message that was written anew; a sentence of ours where something is left out."""
        if cell_index != self._cell:
            self._cell, self._left, self.withheld, self._told = cell_index, CELL, list[Output](), set[str]()
        kind = str(msg["msg_type"])
        if kind not in KINDS:
            return None
        letter = Letter(room=min(MESSAGE, self._left))
        content = KINDS[kind](msg["content"], letter)
        self._left = max(self._left - letter.used - EACH * (kind in SHOWING), 0)
        refused = self._why_not_kept(kind, content, letter)
        self.withheld += letter.withheld
        kept = None
        if kind not in SHOWING or letter.passed:
            kept = super().process_message({**msg, "content": content}, cell, cell_index)
        if refused is not None and str(refused) not in self._told:
            self._told.add(str(refused))
            said = {"name": "stderr", "text": f"{refused.ja} / {refused.en}\n"}
            ours = {"header": {**msg["header"], "msg_type": "stream"}, "msg_type": "stream", "content": said}
            super().process_message({**msg, **ours}, cell, cell_index)
        return kept

    def _why_not_kept(self, kind: str, content: dict[str, Any], letter: Letter) -> WorkbenchError | None:
        """Why a part of this is left out, or None; what is kept is counted."""
        if kind in SHOWING and letter.passed:
            try:
                self.room.meter.charge(len(spelled(content)), can_say=False)
            except WorkbenchError as refused:
                letter.withhold_all("day")
                return refused
        return too_large() if any(one["why"] == "size" for one in letter.withheld) else None


async def execute(client: NotebookClient, manager: AsyncKernelManager) -> None:
    """Run every cell; the kernel ends with them."""
    try:
        await client.async_execute()
    finally:
        if manager.provisioner is not None:
            await manager.shutdown_kernel(now=True)


def log_cell(session: Session, cell: NotebookNode, index: int) -> None:
    """Record a cell that is about to run: its source, whole. Refused when it may not run at all."""
    refused = session.why_not_run()
    if refused is not None:
        raise refused
    session.record(Event.CELL_EXECUTED, cell=index, sha256=code_digest(cell.source), source=cell.source)


def code_digest(source: str) -> str:
    """The digest of a piece of code; what is no text at all (lone surrogates) has one too."""
    return hashlib.sha256(source.encode("utf-8", "surrogatepass")).hexdigest()


def read_notebook(content: bytes) -> NotebookNode:
    """The notebook in `content`. Raises Unusable when it is none."""
    try:
        notebook = nbformat.reads(content.decode(), as_version=4)
        nbformat.validate(notebook)
        nbformat.writes(notebook).encode()  # JSON can spell half of a character; a file cannot hold it
    except Exception:
        raise Unusable(
            ja="ノートブックとして読めません。Jupyter で保存し直してください。",
            en="This cannot be read as a notebook; save it again from Jupyter.",
        ) from None
    return notebook


def export(session: Session, notebook: NotebookNode, *, name: str) -> bytes:
    """
    A notebook that was run, as it may leave the room: stripped, and recorded.

    It is the room's own, and not read from the workspace again: a kernel could have put another in its place.
    """
    content = stripped(nbformat.writes(notebook).encode())
    digest = hashlib.sha256(content).hexdigest()
    session.record(Event.NOTEBOOK_EXPORTED, notebook=name, sha256=digest)
    return content


def stripped(content: bytes) -> bytes:
    """
    The notebook with its code and text only: no outputs, counts, attached files or metadata.

    Built anew from what may leave, because a notebook's format has many corners where a value can hide.
    """
    notebook = read_notebook(content)
    cells = [
        {"cell_type": cell.cell_type, "id": f"cell-{number}", "metadata": {}, "source": cell.source}
        | ({"outputs": [], "execution_count": None} if cell.cell_type == "code" else {})
        for number, cell in enumerate(notebook.cells, start=1)
    ]
    bare: dict[str, Any] = {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Workbench (Python)", "language": "python", "name": KERNEL}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (nbformat.writes(nbformat.from_dict(bare)) + "\n").encode()


def why_not_leave(content: bytes) -> Refused | None:
    """Why this notebook may not leave the room as it is, or None when it is stripped already."""
    if read_notebook(stripped(content)) == read_notebook(content):
        return None
    return Refused(
        ja="ノートブックに出力や添付が残っています。workbench lab strip で取り除いてから持ち出してください。",
        en="The notebook still holds outputs or attachments; take them out with 'workbench lab strip'.",
    )


def stopped(notebook: NotebookNode) -> Refused:
    """The first cell that failed; else the last that ran, which did not end."""
    started = [number for number, cell in enumerate(notebook.cells, start=1) if cell.get("execution_count")]
    failed = [
        number
        for number, cell in enumerate(notebook.cells, start=1)
        if any(output.output_type == "error" for output in cell.get("outputs", []))
    ]
    number = (failed or started[-1:] or [1])[0]
    return Refused(
        ja=f"ノートブックの {number} 番目のセルで止まりました。実行結果は作業場所に保存してあります。そこを直してください。",
        en=f"The notebook stopped at cell {number}; what ran is saved in the workspace. Mend it there.",
    )
