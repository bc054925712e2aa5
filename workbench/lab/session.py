"""
One analyst at work on one project: what is mounted, where they work, and their gateway.

A session owns its kernels. When it closes they end, and when its process dies they die with it.
"""

import hashlib
import os
import re
import secrets
import signal
import subprocess
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from workbench.artifact.canonical import sha256
from workbench.audit import Event
from workbench.errors import Refused, Unprotected
from workbench.governance.amounts import Meter
from workbench.governance.signed_settings import KINDS, expect_newest, in_force, record_overdue
from workbench.governance.training import Trainings
from workbench.home import Home
from workbench.lab import cgroups, disk, modes, quota, run_folder
from workbench.lab.cgroups import Group
from workbench.lab.gateway.server import Gateway, Handler
from workbench.lab.limits import MB, Limits
from workbench.lab.modes import Mode
from workbench.lab.notice import not_read
from workbench.lab.outputs import Output, OutputLog
from workbench.lab.probe import why_not_available
from workbench.lab.residual import LACKING, UNGROUPED, Room, of_room
from workbench.lab.sandbox import Sandbox
from workbench.lab.workspace import Workspace
from workbench.state import State

MOUNT_NAME = re.compile(r"[a-z][a-z0-9-]*-[0-9]+(?:\.[0-9]+){0,2}", re.ASCII)
PATIENCE = 10
MOST_ENTRIES = 100_000  # that are remembered; whoever has more is counted again


class Session:
    """
    An open session; use it as a context manager.

    `mode` is how its kernels are held: the way that was chosen when it is not given.

    `datasets` are the admitted bundles to mount, by `<name>-<version>`; `trusted` is the text of the public
    keys that the kernel verifies them with. Raises Unprotected where no kernel can be sandboxed.
    """

    def __init__(
        self,
        home: Home,
        state: State,
        *,
        analyst: str,
        project: str,
        datasets: Mapping[str, Path],
        trusted: bytes,
        verbs: Mapping[str, Handler],
        limits: Limits | None = None,
        mode: Mode | None = None,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.home = home
        self.state = state
        self.analyst = analyst
        self.project = project
        self.datasets = dict(datasets)
        self._limits = limits or Limits()
        self.mode = mode or modes.chosen()
        self._kernels: dict[str, subprocess.Popen[bytes]] = {}
        run_folder.clear_leftovers()
        cgroups.clear_leftovers()
        self._together: Group | None = None  # of all its kernels
        self._groups: dict[str, Group] = {}
        self._reasons: dict[str, Refused] = {}
        self._folders: dict[str, Path] = {}
        self._entries: set[str] = set()
        self._closed = False
        self.noticed = False  # whether this session's notice was acknowledged
        self._refuse_unprotected()
        self._expect_trained()
        expect_settings(home, state)
        self.workspace = Workspace.of(home, analyst=analyst)
        self.owner = self.workspace.owner
        quota.clear_leftovers(home.workspaces)
        self._quota = self._hold_workspace()
        try:
            self._open(trusted, verbs)
        except BaseException:
            # Nobody has a session to close: what was mounted would stay.
            if self._quota is not None:
                self._quota.release()
            raise

    def _open(self, trusted: bytes, verbs: Mapping[str, Handler]) -> None:
        self._folder = run_folder.make()
        self._trusted = self._folder / "trusted.json"
        self._trusted.write_bytes(trusted)
        self._trusted.chmod(0o644)
        self._gateway = Gateway(self._folder / "gateway.sock", self, verbs)
        self._outputs = OutputLog(self)
        self.meter = Meter(self.home, self.state, person=self.analyst, session=self.id)
        self._opened()

    def __enter__(self) -> "Session":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def record(self, event: Event, **details: Any) -> None:
        """An event of this session in the log."""
        self.state.record(event, actor=self.analyst, session=self.id, **details)

    def shown(self, outputs: list[Output], *, cell: str | int, kernel: str) -> None:
        """Outputs of a cell that reach the analyst; they are in the log soon after, without their content."""
        if outputs:
            self._outputs.note(cell=cell, kernel=kernel, outputs=outputs)

    def show_file(self, name: str, content: bytes) -> None:
        """Count and write down a file that the page is about to get. Raises Refused above the day's limit."""
        self.meter.charge(len(content), can_say=False)
        digest = hashlib.sha256(content).hexdigest()
        self.record(Event.FILE_SHOWN, name=name, size=len(content), sha256=digest)

    def save_file(self, name: str, content: bytes) -> None:
        """Write down a file that the page is about to put into the workspace, where a kernel can run it."""
        digest = hashlib.sha256(content).hexdigest()
        self.record(Event.FILE_SAVED, name=name, size=len(content), sha256=digest)

    def show_entries(self, entries: Iterable[str]) -> None:
        """
        Count what a list of files says of them that the page has not had yet: a kernel chooses names and times.

        Raises Refused above the day's limit.
        """
        new = {entry for entry in entries if entry not in self._entries}
        self.meter.charge(sum(len(entry.encode()) for entry in new), can_say=False)
        self._entries = new if len(self._entries) > MOST_ENTRIES else self._entries | new

    def sandbox(
        self, *, sockets: Path | None = None, connection: bytes | None = None, group: Group | None = None
    ) -> Sandbox:
        """What a kernel of this session may touch."""
        return Sandbox(
            workspace=self.workspace.folder,
            datasets=self.datasets,
            sockets=sockets,
            gateway=self._gateway.path,
            trusted=self._trusted,
            connection=connection,
            owner=self.owner,
            limits=self._limits,
            group=group,
        )

    def acknowledge(self, *, how: str) -> None:
        """Record that the analyst has the session's notice: on the page, or above a command's own output."""
        if not self.noticed:
            self.record(Event.NOTICE_ACKNOWLEDGED, datasets=sorted(self.datasets), how=how)
        self.noticed = True

    def expect_may_start(self) -> None:
        """Raise Refused while no kernel may run for this analyst; to be asked before each start of one."""
        self._expect_trained()
        if not self.noticed:
            self.record(Event.KERNEL_REFUSED, protection="notice")
            raise not_read()

    def _expect_trained(self) -> None:
        refused = Trainings(self.home, self.state).why_not_kernel(self.analyst, now=datetime.now(UTC))
        if refused is not None:
            self.record(Event.KERNEL_REFUSED, protection="training")
            raise refused

    def why_not_run(self) -> Refused | None:
        """Why no more code is run in this session for now, or None; to be asked before each piece of code."""
        return self.meter.why_not_more() or self.why_full()

    def why_full(self) -> Refused | None:
        """Why nothing more is put into the workspace, or None."""
        return disk.why_full(self.workspace.folder, size=self._limits.disk)

    @property
    def kind(self) -> Room:
        """What holds its kernels, as `residual.py` asks for it."""
        return Room(
            root=self.owner is not None,
            quota=self._quota is not None,
            namespaces=self.mode is Mode.SANDBOX,
        )

    def notices(self) -> list[str]:
        """What whoever opens this room must know about it, one line for each, in both languages."""
        risks = [f"{act}: {risk.ja} / {risk.en}" for act, risk in of_room(self.kind).items()]
        lacking = [] if self.kind.namespaces else [" / ".join(LACKING)]
        return [*risks, *lacking, *([] if self._group_of_all() else [" / ".join(UNGROUPED)])]

    def kernel_group(self, kernel: str) -> Group | None:
        """A new control group for this kernel, or None where there are none; one of its last run is removed."""
        self._remove_group(kernel)
        self._reasons.pop(kernel, None)
        together = self._group_of_all()
        group = cgroups.make(self._limits, within=together) if together else None
        if group is not None:
            self._groups[kernel] = group
        return group

    def _group_of_all(self) -> Group | None:
        """The control group of all kernels of the room together, or None where there are none."""
        self._together = self._together or cgroups.make(self._limits.of_room())
        return self._together

    def why_ended(self, kernel: str) -> Refused | None:
        """Why a kernel was ended by its limits, or None where it was not."""
        group = self._groups.get(kernel)
        if group is None or not group.ended_for_memory():
            return self._reasons.get(kernel)
        most, together = (f"{limit // MB:,} MB" for limit in (self._limits.memory, self._limits.room_memory))
        return Refused(
            ja=f"メモリーが上限（{most}、動いているカーネル全体で {together}）を超えたため、カーネルを止めました。扱う行や列を減らすか、使っていないカーネルを止めてやり直してください。",
            en=f"The kernel was ended: it took more than its memory limit ({most}; {together} with all that run). Use fewer rows or columns, or shut down kernels that are not needed.",
        )

    def expect_fewer_kernels(self) -> None:
        """Raise Refused while as many kernels run as one room may have; a kernel that starts again has its place."""
        if len(self._folders) >= self._limits.kernels:
            raise Refused(
                ja=f"同時に動かせるカーネルは {self._limits.kernels} 個までです。使っていないノートブックのカーネルを「実行中のタブとカーネル」の一覧で停止してください。",
                en=f"At most {self._limits.kernels} kernels run at once; shut down one that is not needed in the list 'Running Tabs and Kernels'.",
            )

    def kernel_folder(self, kernel: str) -> Path:
        """A new folder of the room for one kernel; `k` in it is the kernel's own, for its sockets."""
        self.expect_fewer_kernels()
        folder = self._folders[kernel] = run_folder.make()
        (folder / "k").mkdir(mode=0o700)
        if self.owner:
            os.chown(folder / "k", self.owner, self.owner)
        return folder

    def kernel_started(self, kernel: str, process: subprocess.Popen[bytes]) -> None:
        self._kernels[kernel] = process
        if group := self._groups.get(kernel):
            group.enter(process.pid)
        self.record(Event.KERNEL_STARTED, kernel=kernel, held_by=self.mode)

    def kernel_stopped(self, kernel: str) -> None:
        if self._kernels.pop(kernel, None) is not None:
            reason = self.why_ended(kernel)
            if reason is not None:
                self._reasons[kernel] = reason
            self.record(Event.KERNEL_STOPPED, kernel=kernel, **({"limit": "memory"} if reason else {}))

    def forget_kernel(self, kernel: str) -> None:
        """End what may be left of a kernel, and remove its folder."""
        process = self._kernels.get(kernel)
        if process is not None:
            end(process)
        self.kernel_stopped(kernel)
        self._remove_group(kernel)
        folder = self._folders.pop(kernel, None)
        if folder is not None:
            run_folder.remove(folder)

    def close(self) -> None:
        """End every kernel and the gateway. What the analyst saved stays in the workspace."""
        if self._closed:
            return
        self._closed = True
        for kernel in list(self._folders):
            self.forget_kernel(kernel)
        for kernel in list(self._groups):
            self._remove_group(kernel)
        if self._together is not None:
            self._together.remove()
        self._gateway.close()
        run_folder.remove(self._folder)
        if self._quota is not None:
            self._quota.release()
        self._outputs.close()
        self.meter.close()
        self.record(Event.GATEWAY_CLOSED)

    def _remove_group(self, kernel: str) -> None:
        group = self._groups.pop(kernel, None)
        if group is not None:
            group.remove()

    def _hold_workspace(self) -> quota.Held | None:
        """The workspace as a file system of its own, where the room is root and the system has one."""
        if self.owner is None:
            return None
        return quota.hold(self.workspace.folder, size=self._limits.disk, owner=self.owner)

    def _refuse_unprotected(self) -> None:
        reason = why_not_available(self.mode)
        if reason is not None:
            self.record(Event.KERNEL_REFUSED, protection="sandbox")
            raise reason

    def _opened(self) -> None:
        self.record(Event.GATEWAY_OPENED, analyst=self.analyst, project=self.project)
        record_overdue(self.home, self.state, session=self.id)
        for name, folder in sorted(self.datasets.items()):
            if not MOUNT_NAME.fullmatch(name):
                raise Refused(
                    ja="データ製品の名前と版が正しくありません。",
                    en="The name and version of a data product are not well-formed.",
                )
            manifest = sha256((folder / "manifest.json").read_bytes())
            self.record(Event.DATASET_OPENED, manifest=manifest, dataset=name)


def expect_settings(home: Home, state: State) -> None:
    """Untrusted where a signed setting was forged, or an older one put back."""
    # Who may not read the log's files leaves the second to `workbench audit verify`.
    with suppress(Unprotected):
        expect_newest(home, state)
    for name in KINDS:
        in_force(home, state, name)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill a sandbox; everything in it dies with its first process."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=PATIENCE)
