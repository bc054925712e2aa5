"""
Twenty analysts' labs, started and killed at random: what is left of them is their log and their files.

`make soak` takes ten minutes (SOAK_SECONDS, SOAK_LABS); the second tier a shorter run of the same.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from workbench.audit import Event
from workbench.governance.log_process import running
from workbench.home import Home
from workbench.lab import cgroups, quota, run_folder
from workbench.state import State

SECONDS = int(os.environ.get("SOAK_SECONDS", "20"))
LABS = int(os.environ.get("SOAK_LABS", "4"))
SETTLING = 30
PATIENCE = 180
TOLD = re.compile(r"^told ([0-9a-f]{16}) ([0-9]+)$", re.MULTILINE)
MB = 1 << 20

# One analyst's lab: a session, its gateway and a kernel that runs cell after cell. It says which cells are in
# the log, once they are, and ends in order when its input does.
LAB = """
import asyncio, hashlib, os, sys, threading
from pathlib import Path
from jupyter_client.manager import AsyncKernelManager
from workbench.audit import Event
from workbench.home import Home
from workbench.lab.kernels import Kernels
from workbench.lab.session import Session
from workbench.state import State

home, dataset, analyst = Home.open(Path(sys.argv[1])), Path(sys.argv[2]), sys.argv[3]
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()

CELL = '''
import json, os, socket, subprocess
with socket.socket(socket.AF_UNIX) as talk:
    talk.connect(os.environ["WORKBENCH_GATEWAY"])
    talk.sendall(b'{"verb": "echo", "say": 1}' + bytes([10]))
    assert json.loads(talk.makefile().readline())["result"] == 1
open("kept.txt", "a").write("x" * 1000)
left = subprocess.Popen(["sleep", "1000"])
'''

async def story(session):
    manager = AsyncKernelManager(kernel_name="workbench", kernel_spec_manager=Kernels(room=session))
    await manager.start_kernel()
    number = 0
    while not stop.is_set():
        client = manager.client()
        client.start_channels()
        try:
            await client.wait_for_ready(timeout=60)
            while not stop.is_set():
                number += 1
                digest = hashlib.sha256(CELL.encode()).hexdigest()
                session.record(Event.CELL_EXECUTED, cell=number, sha256=digest, source=CELL)
                os.write(1, f"told {session.id} {number}\\n".encode())
                reply = await client.execute_interactive(CELL, timeout=20, output_hook=lambda _: None)
                await asyncio.sleep(0.2)
        except (RuntimeError, TimeoutError):
            if await manager.is_alive():
                await manager.shutdown_kernel(now=True)
            await manager.restart_kernel(now=True)
        finally:
            client.stop_channels()
    await manager.shutdown_kernel(now=True)

with Session(home, State.open(home), analyst=analyst, project="soak", datasets={"child-year-1.0.0": dataset},
             trusted=b'{"keys": {}}', verbs={"echo": lambda _, request: request.get("say")}) as session:
    session.acknowledge(how="command")
    asyncio.run(story(session))
"""


class Lab:
    """A lab's process and what it has said."""

    def __init__(self, home, dataset, number, said):
        self.said = said
        self.process = subprocess.Popen(
            [sys.executable, "-c", LAB, str(home.path), str(dataset), f"analyst-{number}"],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.DEVNULL,
        )

    def kill_room(self):
        self.process.kill()
        self.process.wait()

    def kill_kernel(self):
        for pid in descendants(self.process.pid):
            if b"ipykernel" in about(pid, "cmdline") and nested(status(pid)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def close(self):
        self.process.stdin.close()

    def wait(self):
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=SETTLING)
        self.kill_room()


def about(pid, file):
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/{file}").read_bytes()
    return b""


def parents():
    """The parent and the start of every process."""
    found = {}
    for entry in os.listdir("/proc"):
        words = about(entry, "stat").rpartition(b")")[2].split() if entry.isdecimal() else []
        if words:
            found[int(entry)] = (int(words[1]), int(words[19]))
    return found


def descendants(pid, above=None):
    """The processes beneath `pid`, with their starts: a number is used again, a number and a start never."""
    above = above or parents()
    found, waiting = {}, [pid]
    while waiting:
        parent = waiting.pop()
        for child, (of, start) in above.items():
            if of == parent and child not in found:
                found[child] = start
                waiting.append(child)
    return found


def status(pid):
    lines = about(pid, "status").decode().splitlines()
    return {name: value.split() for name, _, value in (line.partition(":") for line in lines)}


def nested(words):
    """Is the process of this status in a process namespace of its own? Asked again, it may have ended."""
    return len(words.get("NSpid", ())) > 1


def why_not_held(pid):
    """Why this process of a kernel runs with less than its sandbox, or None. The room's own are none of it."""
    words, command = status(pid), about(pid, "cmdline")
    if not words or words["State"][0] in "ZX" or not (nested(words) or b"ipykernel" in command):
        return None
    building = words["Name"] == [
        "bwrap"
    ]  # it stands outside, and takes on the filter as its last step inside
    held = words["NoNewPrivs"] == ["1"] and (building or (nested(words) and words["Seccomp"] == ["2"]))
    if not held or words["Uid"][0] == "0":
        return f"{command!r} runs with {[words[name] for name in ('Seccomp', 'NoNewPrivs', 'NSpid', 'Uid')]}"
    return None


def test_a_kernel_that_is_held_by_nothing_is_seen():
    """Else the soak would find nothing to complain of, whatever ran."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "ipykernel"]) as plain:
        try:
            while b"ipykernel" not in about(plain.pid, "cmdline"):
                pass
            assert "runs with" in why_not_held(plain.pid)
        finally:
            plain.kill()


def resident(pid):
    return int(status(pid)["VmRSS"][0]) * 1024


def children_of_this():
    return {pid for pid, (parent, _) in parents().items() if parent == os.getpid()}


@pytest.mark.slow
def test_labs_started_and_killed_at_random(tmp_path):
    home = Home.create(tmp_path / "home")
    State.open(home).close()
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    (dataset / "manifest.json").write_text("{}")
    said = tmp_path / "said"
    seen, faults, did = {}, set(), Counter()
    chance = random.Random(SECONDS)
    others = children_of_this()  # of tests before this one: Spark's machine outlives them
    with running(home), open(said, "ab") as out:
        (keeper,) = children_of_this() - others
        labs = {}
        end = time.monotonic() + SECONDS
        # On a busy machine a kernel may take longer to start than a lab is let live: then it goes on for a while.
        latest = end + PATIENCE
        memory = 0
        try:
            while time.monotonic() < end or (len(told_in(said)) <= LABS and time.monotonic() < latest):
                number = chance.randrange(LABS)
                lab = labs.get(number)
                if lab is None or lab.process.poll() is not None:
                    labs[number] = Lab(home, dataset, number, out)
                    did["started"] += 1
                else:
                    act = chance.choice(["kill_room", "kill_kernel", "close", "leave", "leave", "leave"])
                    did[act] += 1
                    getattr(lab, act, lambda: None)()
                above = parents()
                for lab in labs.values():
                    beneath = descendants(lab.process.pid, above)
                    seen.update(((pid, start), lab.process.pid) for pid, start in beneath.items())
                    faults.update(filter(None, map(why_not_held, beneath)))
                memory = memory or (resident(keeper) if did["kill_room"] + did["close"] else 0)
                time.sleep(chance.uniform(0, 0.6))
        finally:
            for lab in labs.values():
                lab.close()
            for lab in labs.values():
                lab.wait()
        grown = resident(keeper) - (memory or resident(keeper))
    print(f"\n{LABS} labs, {SECONDS} s: {dict(did)}, {len(seen)} processes, log process +{grown / MB:.1f} MB")

    assert faults == set()
    assert did["started"] >= min(LABS, 3)
    assert_nothing_runs(seen)
    assert_nothing_is_left(home, rooms=set(seen.values()))
    assert_nothing_is_lost(home, said)
    assert grown < 64 * MB


def told_in(said):
    """The cells that a lab was told are in the log."""
    return set(TOLD.findall(said.read_text()))


def assert_nothing_runs(seen):
    """No process of a lab that ended, however it ended."""
    end = time.monotonic() + SETTLING
    while left := [pid for pid, (_, start) in parents().items() if (pid, start) in seen]:
        assert time.monotonic() < end, [about(pid, "cmdline") for pid in left]
        time.sleep(0.2)


def assert_nothing_is_left(home, *, rooms):
    """What a killed room could not put away, the next one does: mounts, groups, folders."""
    run_folder.clear_leftovers()
    cgroups.clear_leftovers()
    quota.clear_leftovers(home.workspaces)

    assert str(home.path) not in Path("/proc/self/mountinfo").read_text()
    groups = [f"{cgroups.PREFIX}{room}-" for room in rooms]
    for parent in {*cgroups._parents_v1().values(), *cgroups._parent_v2()}:
        assert not [folder for folder in parent.iterdir() if folder.name.startswith(tuple(groups))]


def assert_nothing_is_lost(home, said):
    """Every cell that a lab was told is in the log is there, once; the chain holds from end to end."""
    state = State.open(home)
    found = Counter()

    def note(record):
        if record["event"] == Event.CELL_EXECUTED:
            found[record["details"]["session"], record["details"]["cell"]] += 1

    state.verify(keep=note)
    told = {(session, int(cell)) for session, cell in TOLD.findall(said.read_text())}
    assert len(told) > LABS
    assert told <= set(found)
    assert set(found.values()) == {1}
    state.close()
