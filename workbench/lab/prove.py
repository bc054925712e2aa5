"""
Prove the sandbox: try every forbidden act in it, and say BLOCKED or ALLOWED for each.

An act that neither succeeds nor is refused (because it does not run) counts as ALLOWED would: nothing was
shown.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from workbench.errors import Refused
from workbench.lab import acts, run_folder
from workbench.lab.acts import ACTS, MARK, Targets
from workbench.lab.limits import Limits
from workbench.lab.planted import plant
from workbench.lab.probe import why_not_available
from workbench.lab.sandbox import (
    CODE,
    CONNECTION,
    DATASETS,
    GATEWAY,
    OWNERS,
    PACKAGES,
    WORKSPACE,
    Sandbox,
    launch_command,
)

DATASET = "planted-1.0.0"
INSIDE: Targets = {
    "workspace": WORKSPACE,
    "temporary": "/tmp",  # noqa: S108 - inside: a tmpfs of its own
    "dataset": f"{DATASETS}/{DATASET}/data.csv",
    "dataset_to_delete": f"{DATASETS}/{DATASET}/more.csv",
    "package": f"{CODE}/workbench/__init__.py",
    "packages": PACKAGES,
    "connection": CONNECTION,
    "gateway": GATEWAY,
}
PATIENCE = 60
SETTLING = 1.5  # seconds until what an act left behind would show
AT_ONCE = 2


class Outcome(StrEnum):
    BLOCKED = "BLOCKED"
    ALLOWED = "ALLOWED"
    BROKEN = "BROKEN"


@dataclass(frozen=True)
class Verdict:
    """What became of one act, and what the operating system said."""

    act: str
    outcome: Outcome
    how: str
    errno: int | None = None


# Runs one act by its name and returns what it printed and how it ended.
Runner = Callable[[str], subprocess.CompletedProcess[str]]


def prove() -> list[Verdict]:
    """Every act in the sandbox that kernels get. Raises Unprotected where there is none."""
    reason = why_not_available()
    if reason is not None:
        raise reason
    owner = OWNERS[-1] if os.geteuid() == 0 else None
    with ground(owner=owner) as (folder, targets):
        sandbox = Sandbox(
            workspace=folder / "workspace",
            datasets={DATASET: folder / "dataset"},
            gateway=Path(targets["gateway"]),
            connection=b"{}",
            owner=owner,
        )
        return battery(sandboxed(sandbox, targets), targets)


@contextlib.contextmanager
def ground(*, owner: int | None) -> Iterator[tuple[Path, Targets]]:
    """A folder with everything planted in it, gone afterwards."""
    folder = run_folder.make()
    try:
        with plant(folder, owner=owner, limits=Limits()) as targets:
            yield folder, targets
    finally:
        run_folder.remove(folder)


def sandboxed(sandbox: Sandbox, targets: Targets) -> Runner:
    """Runs acts in the sandbox."""
    told = json.dumps(targets | INSIDE)

    def run(name: str) -> subprocess.CompletedProcess[str]:
        folder = run_folder.make()
        try:
            script = f"{CODE}/workbench/lab/acts.py"
            command = launch_command(sandbox, ["python", "-I", "-S", script, name, told], folder=folder)
            return attempt(command, targets)
        finally:
            run_folder.remove(folder)

    return run


def unprotected(targets: Targets) -> Runner:
    """Runs acts with no sandbox at all: how the tests see that each of them works."""
    told = json.dumps(targets)
    return lambda name: attempt([sys.executable, "-I", "-S", acts.__file__, name, told], targets)


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


def battery(run: Runner, targets: Targets) -> list[Verdict]:
    """Run every act, in the order of the table."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        verdicts = {name: judge(name, ended) for name, ended in zip(ACTS, pool.map(run, ACTS), strict=True)}
    time.sleep(SETTLING)
    for name in (name for name, act in ACTS.items() if act.later):
        verdicts[name] = Verdict(name, LATER[name](targets), verdicts[name].how)
    return list(verdicts.values())


def judge(name: str, ended: subprocess.CompletedProcess[str]) -> Verdict:
    """What an act's own report says; an act ended by the filter of system calls was blocked."""
    if ended.returncode in (-signal.SIGSYS, 128 + signal.SIGSYS):
        return Verdict(name, Outcome.BLOCKED, "SIGSYS")
    try:
        report = json.loads(ended.stdout)
        outcome = {"succeeded": Outcome.ALLOWED, "refused": Outcome.BLOCKED}[report["result"]]
    except (ValueError, KeyError):
        return Verdict(name, Outcome.BROKEN, (ended.stderr.strip().splitlines() or [ended.stdout])[-1][:120])
    return Verdict(name, outcome, report["how"], report["errno"])


def _ended(targets: Targets) -> Outcome:
    with open(f"/proc/{targets['to_end']}/stat") as file:
        state = file.read().rpartition(")")[2].split()[0]
    return Outcome.ALLOWED if state == "Z" else Outcome.BLOCKED


def _outlived(targets: Targets) -> Outcome:
    left = Path(targets["host_workspace"]) / "outlived"
    return Outcome.ALLOWED if left.exists() else Outcome.BLOCKED


LATER: dict[str, Callable[[Targets], Outcome]] = {"kill": _ended, "outlive": _outlived}


def table(verdicts: list[Verdict]) -> str:
    """One line per act, then the count."""
    lines = [
        f"{verdict.outcome:8} {verdict.act:22} {ACTS[verdict.act].ja} / {ACTS[verdict.act].en}"
        + (f"  ({verdict.how})" if verdict.how else "")
        for verdict in verdicts
    ]
    blocked = sum(verdict.outcome is Outcome.BLOCKED for verdict in verdicts)
    return "\n".join([*lines, f"{blocked}/{len(verdicts)} BLOCKED"])


def as_rows(verdicts: list[Verdict]) -> list[dict[str, str]]:
    """The same for programs."""
    return [
        {
            "act": verdict.act,
            "outcome": verdict.outcome,
            "how": verdict.how,
            "ja": ACTS[verdict.act].ja,
            "en": ACTS[verdict.act].en,
        }
        for verdict in verdicts
    ]


def why_not_proven(verdicts: list[Verdict]) -> Refused | None:
    """The acts that were not blocked, or None."""
    open_ones = [verdict.act for verdict in verdicts if verdict.outcome is not Outcome.BLOCKED]
    if not open_ones:
        return None
    listed = ", ".join(open_ones)
    return Refused(
        ja=f"囲いが止められない行為があります（{listed}）。この機械で分析を始めず、管理者に知らせてください。",
        en=f"The sandbox does not stop: {listed}. Do not start analyses here; tell the administrator.",
    )
