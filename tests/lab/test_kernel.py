"""A notebook runs in the sandbox, through the provisioner, as it would anywhere else; and lives no longer than it may."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from jupyter_client.manager import AsyncKernelManager

from workbench.audit import Event
from workbench.errors import Refused, Unprotected, Unusable
from workbench.lab import run as running
from workbench.lab.kernels import KERNEL, Kernels
from workbench.lab.run import run_notebook


@asynccontextmanager
async def kernel(session):
    """A kernel of the session, its manager and a client that is connected to it."""
    manager = AsyncKernelManager(kernel_name=KERNEL, kernel_spec_manager=Kernels(room=session))
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=60)
        yield manager, client
    finally:
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def run_code(client, code):
    """What one cell printed, or the name of the error that it ended with."""
    printed = []

    def keep(message):
        content = message["content"]
        printed.append(content.get("text") or content.get("ename") or "")

    await client.execute_interactive(code, timeout=60, output_hook=keep)
    return "".join(printed).strip()


def sandboxes_of(session):
    """The processes that have this session's workspace for their own."""
    device = os.stat(session.workspace.folder).st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    roots = ("/", str(session.workspace.folder))
    return [
        path
        for path in Path("/proc").glob("[0-9]*/mountinfo")
        for _, _, found, root, place, *_ in map(str.split, read_or_nothing(path).splitlines())
        if (found, place) == (number, "/workspace") and root in roots
    ]


def read_or_nothing(path):
    try:
        return path.read_text()
    except OSError:
        return ""


def wait_until(holds, *, seconds=15):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


def test_python_s_own_library_comes_before_the_packages(session, notebook, texts):
    """As for every interpreter: a package named as a module of it does not stand in its place."""
    look = "import os, sys; print(sys.path.index(os.path.dirname(os.__file__)) < sys.path.index('/opt/packages'))"
    assert texts(run_notebook(notebook(look), session, name="n.ipynb")) == ["True"]


def test_a_notebook_runs_with_the_analysts_libraries(session, notebook, texts):
    executed = run_notebook(
        notebook(
            """
            import matplotlib.pyplot as plt, os, pandas, sklearn.linear_model
            frame = pandas.read_csv("/datasets/child-year-1.0.0/train.csv")
            print(len(frame), os.getcwd(), os.getuid() != 0)
            """,
            "plt.plot([1, 2]); plt.show()",
            """
            import json, os, socket
            with socket.socket(socket.AF_UNIX) as talk:
                talk.connect(os.environ["WORKBENCH_GATEWAY"])
                talk.sendall(b'{"verb": "echo", "say": "from the kernel"}' + bytes([10]))
                print(json.loads(talk.makefile().readline())["result"])
            """,
            """
            import socket
            try:
                socket.create_connection(("192.0.2.1", 80), timeout=5)
            except OSError:
                print("no network")
            """,
        ),
        session,
        name="first.ipynb",
    )

    assert texts(executed) == ["1 /workspace True", "", "from the kernel", "no network"]
    assert "image/png" in executed.cells[1].outputs[0].data
    assert b"from the kernel" in session.workspace.read("first.ipynb")


def test_each_cell_is_in_the_log_whole_before_it_runs(session, notebook, state):
    run_notebook(notebook("x = 1\nprint(x)", "print(2)"), session, name="n.ipynb")
    events = [
        (record["event"], record["details"].get("source"))
        for record in state.log.records()
        if record["event"].startswith(("kernel.", "cell."))
    ]

    assert events == [
        (Event.KERNEL_STARTED, None),
        (Event.CELL_EXECUTED, "x = 1\nprint(x)"),
        (Event.CELL_EXECUTED, "print(2)"),
        (Event.KERNEL_STOPPED, None),
    ]


def test_a_cell_that_cannot_be_logged_does_not_run(session, notebook, monkeypatch):
    def full_disk(*_):
        raise OSError("No space left on device")

    monkeypatch.setattr(running, "log_cell", full_disk)

    with pytest.raises(OSError, match="No space"):
        run_notebook(notebook("open('it_ran', 'w')"), session, name="n.ipynb")
    assert not (session.workspace.folder / "it_ran").exists()


def test_a_failing_cell_is_named_and_what_ran_is_kept(session, notebook):
    with pytest.raises(Refused) as refused:
        run_notebook(notebook("print('so far')", "1 / 0", "print('never')"), session, name="n.ipynb")

    assert "cell 2" in refused.value.en
    kept = session.workspace.read("n.ipynb")
    assert b"so far" in kept
    assert b"ZeroDivisionError" in kept


def test_a_cell_without_end_is_stopped(session, notebook):
    with pytest.raises(Refused):
        run_notebook(notebook("import time; time.sleep(60)"), session, name="n.ipynb", timeout=1)
    assert not sandboxes_of(session)


def test_what_is_no_notebook_is_unusable(session):
    for content in (b"", b"{}", b"\xff", b"[1]"):
        with pytest.raises(Unusable):
            run_notebook(content, session, name="n.ipynb")


def test_a_result_is_not_written_through_a_planted_link(session, notebook, tmp_path):
    victim = tmp_path / "raw.csv"
    victim.write_text("raw data")
    (session.workspace.folder / "n.ipynb").symlink_to(victim)
    run_notebook(notebook("print(1)"), session, name="n.ipynb")

    assert victim.read_text() == "raw data"


def test_restart_gives_a_new_kernel_on_the_same_sockets(session):
    async def story():
        async with kernel(session) as (manager, client):
            await run_code(client, "kept = 1")
            await manager.provisioner.kill()
            await manager.provisioner.wait()
            await manager.restart_kernel(now=True)  # as Jupyter does with one that died
            await client.wait_for_ready(timeout=60)
            after_kill = await run_code(client, "print('kept' in globals())")
            await manager.restart_kernel()
            await client.wait_for_ready(timeout=60)
            return after_kill, await run_code(client, "print('again')")

    assert asyncio.run(story()) == ("False", "again")


def test_interrupt_stops_the_cell_and_not_the_kernel(session):
    async def story():
        async with kernel(session) as (manager, client):
            slow = asyncio.create_task(run_code(client, "import time; time.sleep(60)"))
            await asyncio.sleep(1)
            await manager.interrupt_kernel()
            return await asyncio.wait_for(slow, 20), await run_code(client, "print('alive')")

    assert asyncio.run(story()) == ("KeyboardInterrupt", "alive")


def test_attack_a_kernel_leads_the_room_to_another_socket(session):
    """The room connects to what it finds: a kernel may not move, remove or replace its own socket."""
    attack = """
import os
acts = {
    'move': lambda: os.rename('/run/k/s-1', '/run/k/aside'),
    'remove': lambda: os.unlink('/run/k/s-1'),
    'link': lambda: os.symlink('/run/other.sock', '/run/k/s-9'),
    'file': lambda: open('/run/k/file', 'w'),
    'folder': lambda: os.mkdir('/run/k/folder'),
}
for name, act in acts.items():
    try:
        act()
        print(name)
    except OSError:
        pass
print('done')
"""

    async def story():
        async with kernel(session) as (_, client):
            return await run_code(client, attack)

    assert asyncio.run(story()) == "done"


def test_a_kernel_ends_with_its_session(session):
    async def story():
        manager = AsyncKernelManager(kernel_name=KERNEL, kernel_spec_manager=Kernels(room=session))
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        await run_code(client, "import os; os.spawnlp(os.P_NOWAIT, 'setsid', 'setsid', 'sleep', '1000')")
        client.stop_channels()

    asyncio.run(story())
    assert sandboxes_of(session)
    session.close()

    wait_until(lambda: not sandboxes_of(session))


ROOM = """
import asyncio, sys
from pathlib import Path
from jupyter_client.manager import AsyncKernelManager
from workbench.home import Home
from workbench.state import State
from workbench.lab.kernels import Kernels
from workbench.lab.session import Session

home = Home.open(Path(sys.argv[1]))
session = Session(home, State.open(home), analyst="analyst-1", project="p", datasets={}, trusted=b"{}", verbs={})
session.acknowledge(how="command")

async def story():
    manager = AsyncKernelManager(kernel_name="workbench", kernel_spec_manager=Kernels(room=session))
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    print("ready", flush=True)
    await asyncio.sleep(600)

asyncio.run(story())
"""


def test_a_kernel_dies_with_the_process_of_its_room(session):
    """kill -9: the room gets no chance to clean up; the operating system does."""
    with subprocess.Popen(
        [sys.executable, "-c", ROOM, str(session.home.path)], stdout=subprocess.PIPE, text=True
    ) as room:
        assert room.stdout.readline() == "ready\n"
        assert sandboxes_of(session)
        room.send_signal(signal.SIGKILL)

    wait_until(lambda: not sandboxes_of(session))


class TestNoOtherKernel:
    """A kernelspec written by an analyst names the provisioner of its choice; it must not count."""

    @pytest.fixture
    def planted(self, tmp_path, monkeypatch):
        folder = tmp_path / "jupyter" / "kernels" / "mine"
        folder.mkdir(parents=True)
        (folder / "kernel.json").write_text(
            '{"argv": ["python", "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "Mine",'
            ' "language": "python", "metadata": {"kernel_provisioner": {"provisioner_name": "local-provisioner"}}}'
        )
        monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
        return "mine"

    def test_it_is_what_stock_jupyter_would_offer(self, planted):
        from jupyter_client.kernelspec import KernelSpecManager

        assert planted in KernelSpecManager().find_kernel_specs()

    def test_it_is_not_offered(self, planted):
        assert set(Kernels().get_all_specs()) == {KERNEL}

    def test_it_cannot_be_started(self, planted, session):
        from jupyter_client.kernelspec import NoSuchKernel

        for name in (planted, "python3"):
            manager = AsyncKernelManager(kernel_name=name, kernel_spec_manager=Kernels(room=session))
            with pytest.raises(NoSuchKernel):
                asyncio.run(manager.start_kernel())

    def test_ours_is_started_by_the_sandbox_whatever_its_file_says(self, tmp_path, monkeypatch):
        from workbench.lab import kernels

        folder = tmp_path / KERNEL
        folder.mkdir()
        (folder / "kernel.json").write_text(
            '{"argv": [], "display_name": "x", "language": "python",'
            ' "metadata": {"kernel_provisioner": {"provisioner_name": "local-provisioner"}}}'
        )
        monkeypatch.setattr(kernels, "shipped", lambda _: tmp_path)
        spec = Kernels().get_kernel_spec(KERNEL)

        assert spec.metadata["kernel_provisioner"]["provisioner_name"] == "workbench-sandbox"

    def test_a_default_provisioner_in_the_environment_does_not_count(
        self, monkeypatch, session, notebook, texts
    ):
        monkeypatch.setenv("JUPYTER_DEFAULT_PROVISIONER_NAME", "local-provisioner")
        executed = run_notebook(notebook("import os; print(os.getcwd())"), session, name="n.ipynb")

        assert texts(executed) == ["/workspace"]

    def test_kernels_are_neither_added_nor_removed(self):
        for act in (Kernels().install_kernel_spec, Kernels().remove_kernel_spec):
            with pytest.raises(Refused):
                act("mine")

    def test_without_a_session_there_is_no_kernel(self):
        manager = AsyncKernelManager(kernel_name=KERNEL, kernel_spec_manager=Kernels())

        with pytest.raises(Unprotected):
            asyncio.run(manager.start_kernel())

    def test_the_kernelspec_names_no_place_of_the_machine(self):
        from workbench.lab.kernels import shipped

        text = (shipped("kernels") / KERNEL / "kernel.json").read_text()

        assert not any(place in text for place in (sys.prefix, str(Path.home()), os.getcwd(), "/usr", "/tmp"))
