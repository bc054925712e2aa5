"""
Prove the sandbox: try every forbidden act in it, and say BLOCKED or ALLOWED for each.

An act that neither succeeds nor is refused (because it does not run) counts as ALLOWED would: nothing was
shown. One that succeeds and is accepted, with its reason, in `residual.py` is RESIDUAL.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from workbench.errors import Refused
from workbench.lab import acts, modes, quota, run_folder
from workbench.lab.acts import ACTS, MARK, Targets
from workbench.lab.limits import MB, Limits
from workbench.lab.modes import Mode
from workbench.lab.planted import WORKSPACE as PLANTED_WORKSPACE
from workbench.lab.planted import plant
from workbench.lab.probe import why_not_available
from workbench.lab.residual import RESIDUAL, Room, accepted, of_room
from workbench.lab.sandbox import (
    CODE,
    CONNECTION,
    DATASETS,
    GATEWAY,
    OWNERS,
    PACKAGES,
    WORKSPACE,
    Sandbox,
)

DATASET = "planted-1.0.0"
INSIDE: Targets = {
    "workspace": WORKSPACE,
    "temporary": "/tmp",  # noqa: S108 - inside: a tmpfs of its own
    "shared_folder": "/dev/shm",  # noqa: S108
    "dataset": f"{DATASETS}/{DATASET}/data.csv",
    "dataset_to_delete": f"{DATASETS}/{DATASET}/more.csv",
    "package": f"{CODE}/workbench/__init__.py",
    "packages": PACKAGES,
    "connection": CONNECTION,
    "gateway": GATEWAY,
}
# The limits of size are filled for real, so they are small here; what keeps them is the same.
LIMITS = Limits(disk=48 * MB, temporary=16 * MB, shared_memory=16 * MB)
PATIENCE = 300
SETTLING = 1.5  # seconds until what an act left behind would show


class Outcome(StrEnum):
    BLOCKED = "BLOCKED"
    RESIDUAL = "RESIDUAL"
    ALLOWED = "ALLOWED"
    BROKEN = "BROKEN"


@dataclass(frozen=True)
class Verdict:
    """What became of one act, and what the operating system said."""

    act: str
    outcome: Outcome
    how: str
    errno: int | None = None


@dataclass(frozen=True)
class Proof:
    """What became of every act, and in which kind of room."""

    verdicts: list[Verdict]
    room: Room


# Runs acts by their names, in one sandbox, and returns what they printed and how it ended.
Runner = Callable[[Sequence[str]], subprocess.CompletedProcess[str]]


def prove(mode: Mode | None = None) -> Proof:
    """
    Every act in what holds kernels here; `mode` is the way that was chosen when it is not given.

    Raises Unprotected where there is none.
    """
    mode = mode or modes.chosen()
    reason = why_not_available(mode)
    if reason is not None:
        raise reason
    owner = OWNERS[-1] if os.geteuid() == 0 else None
    with ground(owner=owner) as (folder, targets), bounded(folder / PLANTED_WORKSPACE, owner=owner) as kept:
        sandbox = Sandbox(
            workspace=folder / PLANTED_WORKSPACE,
            datasets={DATASET: Path(targets["dataset"]).parent},
            gateway=Path(targets["gateway"]),
            connection=b"{}",
            owner=owner,
            limits=LIMITS,
        )
        room = Room(root=owner is not None, quota=kept, namespaces=mode is Mode.SANDBOX)
        verdicts = battery(sandboxed(sandbox, targets, mode), targets)
        return Proof([judged(verdict, room) for verdict in verdicts], room)


@contextlib.contextmanager
def bounded(workspace: Path, *, owner: int | None) -> Iterator[bool]:
    """A file system for the workspace, where the room can have one; yields whether it has."""
    held = quota.hold(workspace, size=LIMITS.disk, owner=owner) if owner else None
    try:
        yield held is not None
    finally:
        if held is not None:
            held.release()


@contextlib.contextmanager
def ground(*, owner: int | None) -> Iterator[tuple[Path, Targets]]:
    """A folder with everything planted in it, gone afterwards."""
    folder = run_folder.make()
    try:
        with plant(folder, owner=owner, limits=LIMITS) as targets:
            yield folder, targets
    finally:
        run_folder.remove(folder)


def sandboxed(sandbox: Sandbox, targets: Targets, mode: Mode) -> Runner:
    """Runs acts in the sandbox."""

    def run(names: Sequence[str]) -> subprocess.CompletedProcess[str]:
        folder = run_folder.make()
        try:
            inside = {name: modes.place(mode, at, folder=folder) for name, at in INSIDE.items()}
            told = json.dumps(targets | inside)
            words = ["python", "-I", "-S", f"{CODE}/workbench/lab/acts.py", ",".join(names), told]
            return attempt(modes.launch_command(mode, sandbox, words, folder=folder), targets)
        finally:
            run_folder.remove(folder)

    return run


def unprotected(targets: Targets) -> Runner:
    """Runs acts with no sandbox at all: how the tests see that each of them works."""
    told = json.dumps(targets)
    python = [sys.executable, "-I", "-S", acts.__file__]
    return lambda names: attempt([*python, ",".join(names), told], targets)


def attempt(command: list[str], targets: Targets) -> subprocess.CompletedProcess[str]:
    """Run a command as carelessly as a room could: with a secret in its environment and a file left open."""
    handle = os.open(targets["raw"], os.O_RDONLY)
    try:
        return subprocess.run(
            command,
            env={**os.environ, "PLANTED": MARK.decode()},
            pass_fds=[handle],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    finally:
        os.close(handle)


def battery(run: Runner, targets: Targets, acts: Sequence[str] = tuple(ACTS)) -> list[Verdict]:
    """Run the acts; those that need a sandbox of their own get one."""
    verdicts = {}
    for names in ([name for name in acts if not ACTS[name].alone], *([n] for n in acts if ACTS[n].alone)):
        if names:
            verdicts.update({verdict.act: verdict for verdict in read(names, run(names))})
    later = [n for n in acts if ACTS[n].later and verdicts[n].outcome is not Outcome.BROKEN]
    if later:
        time.sleep(SETTLING)
    for name in later:
        verdicts[name] = Verdict(name, LATER[name](targets), verdicts[name].how)
    return [verdicts[name] for name in acts]


def read(names: Sequence[str], ended: subprocess.CompletedProcess[str]) -> list[Verdict]:
    """What the acts' own reports say; an act without one shows nothing."""
    reports = {}
    for line in ended.stdout.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            report = json.loads(line)
            reports[report["act"]] = report
    last = (ended.stderr.strip().splitlines() or [ended.stdout])[-1][:120]
    return [
        judge(name, reports[name]) if name in reports else Verdict(name, Outcome.BROKEN, last)
        for name in names
    ]


def judge(name: str, report: dict[str, Any]) -> Verdict:
    """One act's report; an act ended by the filter of system calls was blocked."""
    if report["result"] == "ended" and report["how"] == signal.SIGSYS.name:
        return Verdict(name, Outcome.BLOCKED, report["how"])
    outcome = {"succeeded": Outcome.ALLOWED, "refused": Outcome.BLOCKED}.get(report["result"], Outcome.BROKEN)
    return Verdict(name, outcome, report["how"], report["errno"])


def judged(verdict: Verdict, room: Room) -> Verdict:
    """RESIDUAL for an act that succeeded where that is accepted."""
    if verdict.outcome is Outcome.ALLOWED and accepted(verdict.act, room) is not None:
        return replace(verdict, outcome=Outcome.RESIDUAL)
    return verdict


def _ended(targets: Targets) -> Outcome:
    with open(f"/proc/{targets['to_end']}/stat") as file:
        state = file.read().rpartition(")")[2].split()[0]
    return Outcome.ALLOWED if state == "Z" else Outcome.BLOCKED


def _outlived(targets: Targets) -> Outcome:
    left = Path(targets["host_workspace"]) / "outlived"
    return Outcome.ALLOWED if left.exists() else Outcome.BLOCKED


LATER: dict[str, Callable[[Targets], Outcome]] = {"kill": _ended, "outlive": _outlived}


def table(proof: Proof) -> str:
    """One line per act, the count, and what remains with its reason."""
    lines = [
        f"{verdict.outcome:8} {verdict.act:22} {ACTS[verdict.act].ja} / {ACTS[verdict.act].en}"
        + (f"  ({verdict.how})" if verdict.how else "")
        for verdict in proof.verdicts
    ]
    blocked = sum(verdict.outcome is Outcome.BLOCKED for verdict in proof.verdicts)
    return "\n".join([*lines, f"{blocked}/{len(proof.verdicts)} BLOCKED", *remaining(proof)])


def remaining(proof: Proof) -> list[str]:
    """The risks that this kind of room is opened with, in words."""
    risks = of_room(proof.room)
    if not risks:
        return []
    sentences = [
        line for act, risk in risks.items() for line in (f"  {act}", f"    {risk.ja}", f"    {risk.en}")
    ]
    return ["", f"残る危険 {len(risks)} / Residual risks {len(risks)}:", *sentences]


def as_rows(proof: Proof) -> list[dict[str, str]]:
    """The same for programs."""
    return [
        {
            "act": verdict.act,
            "outcome": verdict.outcome,
            "how": verdict.how,
            "ja": ACTS[verdict.act].ja,
            "en": ACTS[verdict.act].en,
        }
        | (
            {"residual_ja": RESIDUAL[verdict.act].ja, "residual_en": RESIDUAL[verdict.act].en}
            if verdict.outcome is Outcome.RESIDUAL
            else {}
        )
        for verdict in proof.verdicts
    ]


def why_not_proven(proof: Proof) -> Refused | None:
    """The acts that were neither blocked nor accepted with a reason, or None."""
    good = (Outcome.BLOCKED, Outcome.RESIDUAL)
    open_ones = [verdict.act for verdict in proof.verdicts if verdict.outcome not in good]
    if not open_ones:
        return None
    listed = ", ".join(open_ones)
    return Refused(
        ja=f"囲いが止められない行為があります（{listed}）。この機械で分析を始めず、管理者に知らせてください。",
        en=f"The sandbox does not stop: {listed}. Do not start analyses here; tell the administrator.",
    )
