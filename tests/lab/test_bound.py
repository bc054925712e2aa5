"""The way without namespaces: chosen by name only, with its gaps said, and what it holds all the same."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from jupyter_client.manager import AsyncKernelManager

from workbench.errors import Usage
from workbench.lab import bound, landlock, launch, modes, probe, prove, sandbox, seccomp
from workbench.lab.kernels import KERNEL, Kernels
from workbench.lab.modes import Mode
from workbench.lab.probe import why_not_available
from workbench.lab.prove import Outcome, table, why_not_proven
from workbench.lab.residual import of_room
from workbench.lab.run import run_notebook

mounts = bound.mounts_of
WORKBENCH = Path(sys.executable).with_name("workbench")
# A part that this machine's own kernel was built without cannot be misused, inside or outside.
ABSENT = {"Function not implemented", "Address family not supported by protocol", "Protocol not supported"}

needs_landlock = pytest.mark.skipif(landlock.abi() < bound.NEEDED, reason="Landlock is too old here")


@pytest.fixture
def room(open_session):
    return open_session(mode=Mode.LANDLOCK)


@needs_landlock
@pytest.mark.attack
def test_no_act_works_that_is_not_accepted():
    proof = prove.prove(Mode.LANDLOCK)

    assert why_not_proven(proof) is None, table(proof)
    assert sum(verdict.outcome is Outcome.BLOCKED for verdict in proof.verdicts) >= 60
    assert "path-socket" in table(proof)


# One of the two protections taken out, and acts that work then.
HOLES = {
    "the rights given up": [
        "raw-data",
        "other-workspace",
        "keys",
        "state",
        "log-read",
        "log-append",
        "server-token",
        "proc-root",
        "environ",
        "command-line",
        "hardware",
        "dataset-write",
        "dataset-delete",
        "abstract-socket",
        "shared-memory",
    ],
    "the filter of system calls": [
        "watch",
        "mode",
        "limits",
        "outlive",
        "udp",
        "netlink",
        "keyring",
        "userfaultfd",
        "system-v-memory",
        "32-bit-calls",
    ],
}


def rights_kept(monkeypatch):
    """Nor are datasets covered read-only, as root would have them."""
    monkeypatch.setattr(bound, "mounts_of", lambda given: [replace(m, writable=True) for m in mounts(given)])
    python = sandbox.interpreter().executable
    monkeypatch.setattr(bound, "inside_command", lambda command, _: [python, *command[1:]])


def calls_let_through(monkeypatch):
    everything = seccomp._step(seccomp._RETURN, seccomp._ALLOW)
    monkeypatch.setattr(seccomp, "program", lambda **_: everything)


TAKEN_OUT = {"the rights given up": rights_kept, "the filter of system calls": calls_let_through}


@needs_landlock
@pytest.mark.attack
@pytest.mark.parametrize("protection", HOLES)
def test_each_of_the_two_is_what_stops_its_acts(protection, monkeypatch):
    TAKEN_OUT[protection](monkeypatch)
    acts = HOLES[protection]
    monkeypatch.setattr(prove, "why_not_available", lambda _: None)
    monkeypatch.setattr(prove.quota, "hold", lambda *_, **__: None)
    monkeypatch.setattr(prove.battery, "__defaults__", (tuple(acts),))
    proof = prove.prove(Mode.LANDLOCK)
    stopped = [verdict for verdict in proof.verdicts if verdict.outcome is not Outcome.ALLOWED]

    assert [verdict for verdict in stopped if verdict.how not in ABSENT] == [], table(proof)
    assert why_not_proven(proof).exit_code == 10


class TestChosenByName:
    """A machine that cannot give the sandbox gets no weaker way unless somebody asked for it."""

    def test_attack_the_weaker_way_is_taken_silently(self, monkeypatch):
        monkeypatch.setattr(probe, "bubblewrap", lambda: None)

        assert "bubblewrap" in why_not_available().en

    def test_it_is_what_the_room_was_told(self, monkeypatch, open_session):
        assert open_session().mode is Mode.SANDBOX
        monkeypatch.setenv(modes.CHOICE, "landlock")
        assert open_session(analyst="analyst-2").mode is Mode.LANDLOCK

    @pytest.mark.parametrize("name", ["none", "plain", "Landlock", "off"])
    def test_another_name_is_no_way_at_all(self, monkeypatch, name):
        monkeypatch.setenv(modes.CHOICE, name)

        with pytest.raises(Usage):
            why_not_available()

    @pytest.mark.parametrize("version", [0, 1, 5])
    def test_an_older_landlock_is_refused(self, monkeypatch, version):
        monkeypatch.setattr(landlock, "abi", lambda: version)
        refused = why_not_available(Mode.LANDLOCK)

        assert refused.exit_code == 14
        assert "Landlock" in refused.en

    def test_with_neither_there_is_no_kernel(self):
        """A filter like a container's, which lets Landlock not be asked for either."""
        ended = subprocess.run(
            [WORKBENCH, "lab", "--sandbox", "landlock", "prove"],
            env={**os.environ, "WORKBENCH_LANG": "en"},
            preexec_fn=deny_both,
            capture_output=True,
            text=True,
        )

        assert ended.returncode == 14
        assert len(ended.stderr.strip().splitlines()) == 1

    @pytest.mark.parametrize("lost", ["rights_kept", "calls_let_through"])
    def test_with_one_half_missing_it_is_refused(self, monkeypatch, lost):
        globals()[lost](monkeypatch)

        assert why_not_available(Mode.LANDLOCK).exit_code == 14

    def test_its_gaps_are_said_each_time(self, room):
        said = "\n".join(room.notices())

        for act, risk in of_room(room.kind).items():
            assert act in said
            assert risk.ja in said
            assert risk.en in said
        assert {"file-names", "path-socket", "mount-names"} <= set(of_room(room.kind))


def deny_both():
    """Refuse this process, and all it starts, to unshare and to ask for Landlock."""
    steps = b"".join(
        (
            seccomp._step(seccomp._LOAD, seccomp._NUMBER),
            *(
                seccomp._when_equal(number, seccomp._fail(1))
                for number in (seccomp.numbers()["unshare"], landlock.CREATE_RULESET)
            ),
            seccomp._step(seccomp._RETURN, seccomp._ALLOW),
        )
    )
    launch.bind(steps)


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


def wait_until(holds, *, seconds=15):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.05)


@needs_landlock
class TestKernel:
    """An analyst's ordinary work, and a kernel's life, without namespaces."""

    def test_a_notebook_runs(self, room, notebook, texts):
        executed = run_notebook(
            notebook(
                """
                import matplotlib.pyplot as plt, os, pandas, shutil, sklearn.linear_model
                datasets = os.environ["WORKBENCH_DATASETS"]
                frame = pandas.read_csv(f"{datasets}/child-year-1.0.0/train.csv")
                frame.to_csv("mine.csv"); shutil.copy("mine.csv", "copy.csv")
                print(len(frame), os.getuid() != 0, sorted(os.listdir(datasets)))
                """,
                "plt.plot([1, 2]); plt.show()",
                """
                import json, socket
                with socket.socket(socket.AF_UNIX) as talk:
                    talk.connect(os.environ["WORKBENCH_GATEWAY"])
                    talk.sendall(b'{"verb": "echo", "say": "from the kernel"}' + bytes([10]))
                    print(json.loads(talk.makefile().readline())["result"])
                """,
                "import subprocess; print(subprocess.run(['ls', 'mine.csv'], capture_output=True, text=True).stdout)",
                "!echo from a shell",
                """
                import tempfile
                with tempfile.NamedTemporaryFile() as file:
                    print(file.write(b"x"))
                """,
            ),
            room,
            name="first.ipynb",
        )

        assert texts(executed) == [
            "1 True ['child-year-1.0.0']",
            "",
            "from the kernel",
            "mine.csv",
            "from a shell",
            "1",
        ]
        assert "image/png" in executed.cells[1].outputs[0].data

    @pytest.mark.slow
    def test_restart_and_interrupt(self, room):
        async def story():
            async with kernel(room) as (manager, client):
                await run_code(client, "kept = 1")
                await manager.restart_kernel(now=True)
                await client.wait_for_ready(timeout=60)
                after = await run_code(client, "print('kept' in globals())")
                slow = asyncio.create_task(run_code(client, "import time; time.sleep(60)"))
                await asyncio.sleep(1)
                await manager.interrupt_kernel()
                return after, await asyncio.wait_for(slow, 20), await run_code(client, "print('alive')")

        assert asyncio.run(story()) == ("False", "KeyboardInterrupt", "alive")

    @pytest.mark.slow
    @pytest.mark.parametrize("act", ["setsid", "setpgid"])
    def test_attack_a_process_leaves_its_group(self, room, act):
        async def story():
            async with kernel(room) as (_, client):
                return await run_code(client, f"import os; os.{act}({'0, 0' if act == 'setpgid' else ''})")

        assert asyncio.run(story()) == "PermissionError"

    @pytest.mark.slow
    def test_attack_what_a_kernel_started_outlives_it(self, room):
        """Whether the kernel is ended or ends itself."""

        async def story(last):
            async with kernel(room) as (manager, client):
                await run_code(client, LEAVE_BEHIND)
                group = manager.provisioner.pgid
                assert len(members(group)) >= 3
                if last:
                    client.execute(last)
                    wait_until(lambda: not members(group))
                return group

        for last in ("", "import os; os._exit(0)"):
            group = asyncio.run(story(last))
            wait_until(lambda group=group: not members(group))

    def test_attack_what_a_kernel_started_outlives_its_room(self, room):
        """kill -9 of the room's process."""
        with subprocess.Popen(
            [sys.executable, "-c", ROOM, str(room.home.path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, modes.CHOICE: "landlock"},
        ) as killed:
            group = int(killed.stdout.readline())
            assert len(members(group)) >= 3
            killed.send_signal(signal.SIGKILL)

        wait_until(lambda: not members(group))

    @pytest.mark.slow
    def test_each_process_is_bound(self, room):
        async def story():
            async with kernel(room) as (manager, client):
                await run_code(client, LEAVE_BEHIND)
                inside = [pid for pid in members(manager.provisioner.pgid) if pid != manager.provisioner.pid]
                return [status_of(pid) for pid in inside]

        found = asyncio.run(story())
        assert len(found) >= 2
        assert {(status["Seccomp"], status["NoNewPrivs"]) for status in found} == {("2", "1")}


LEAVE_BEHIND = "import subprocess; left = subprocess.Popen(['sleep', '1000'])"

ROOM = f"""
import asyncio, sys
from pathlib import Path
from jupyter_client.manager import AsyncKernelManager
from workbench.home import Home
from workbench.state import State
from workbench.lab.kernels import Kernels
from workbench.lab.session import Session

home = Home.open(Path(sys.argv[1]))
session = Session(home, State.open(home), analyst="analyst-2", project="p", datasets={{}}, trusted=b"{{}}", verbs={{}})
session.acknowledge(how="command")

async def story():
    manager = AsyncKernelManager(kernel_name="workbench", kernel_spec_manager=Kernels(room=session))
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    await client.wait_for_ready(timeout=60)
    await client.execute_interactive({LEAVE_BEHIND!r}, timeout=60)
    print(manager.provisioner.pgid, flush=True)
    await asyncio.sleep(600)

asyncio.run(story())
"""


def members(group):
    """The living processes of a process group."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == group and words[0] != "Z":
            found.append(int(path.parent.name))
    return found


def status_of(pid):
    text = Path(f"/proc/{pid}/status").read_text()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in text.splitlines())}
