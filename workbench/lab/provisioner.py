"""
How Jupyter starts a kernel here: `workbench-sandbox`, an entry point of jupyter_client.

The kernel speaks over Unix sockets in a folder of its own, so that it needs no network. It is told where its
connection is by a sealed copy of the connection file. It takes interrupts as messages: a signal would end
bubblewrap, not the cell.
"""

import json
import subprocess
from pathlib import Path
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.provisioning import LocalProvisioner

from workbench.errors import Unprotected
from workbench.lab.modes import FURTHER_WORDS, launch_command, place
from workbench.lab.sandbox import CONNECTION, SOCKETS
from workbench.lab.session import Session

SOCKET_PREFIX = "s"


class SandboxProvisioner(LocalProvisioner):
    """Starts a kernel in the sandbox of the session that the kernel manager belongs to."""

    folder: Path | None = None

    @property
    def room(self) -> Session:
        """The session; without one there is no sandbox, and so no kernel."""
        room = getattr(getattr(self.parent, "kernel_spec_manager", None), "room", None)
        if room is None:
            raise Unprotected(
                ja="カーネルはセッションの中でだけ動きます。workbench lab から始めてください。",
                en="A kernel runs only inside a session; start it from 'workbench lab'.",
            )
        return room

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        """Point the manager to sockets in a private folder, and make the command that builds the sandbox."""
        self.room.expect_may_start()
        if self.folder is None:
            self.folder = self.room.kernel_folder(str(self.kernel_id))
        sockets = self.folder / "k"
        # What a kernel that died left there: the next one may make sockets, and remove none.
        for stale in sockets.iterdir():
            stale.unlink()
        self.parent.transport = "ipc"
        self.parent.ip = str(sockets / SOCKET_PREFIX)
        self.parent.connection_file = str(self.folder / "connection.json")
        kwargs = await super().pre_launch(**kwargs)
        return kwargs | {"cmd": self._command(sockets), "cwd": None}

    def _command(self, sockets: Path) -> list[str]:
        folder, mode = Path(str(self.folder)), self.room.mode
        inside = {
            name: value.decode() if isinstance(value, bytes) else value
            for name, value in self.connection_info.items()
        } | {"ip": place(mode, f"{SOCKETS}/{SOCKET_PREFIX}", folder=folder)}
        # The kernelspec's words and no more: what a client appends does not reach the kernel.
        command = [word.replace("{connection_file}", CONNECTION) for word in self.kernel_spec.argv]
        command += FURTHER_WORDS[mode]
        sandbox = self.room.sandbox(
            sockets=sockets,
            connection=json.dumps(inside).encode(),
            group=self.room.kernel_group(str(self.kernel_id)),
        )
        return launch_command(mode, sandbox, command, folder=folder)

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        """Start it. Its own output goes nowhere: what a kernel prints past Jupyter is not for our terminal."""
        self.process = subprocess.Popen(
            cmd,
            env={},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.pid = self.pgid = self.process.pid
        self.room.kernel_started(str(self.kernel_id), self.process)
        return self.connection_info

    async def wait(self) -> int | None:
        result = await super().wait()
        self.room.kernel_stopped(str(self.kernel_id))
        return result

    async def cleanup(self, restart: bool = False) -> None:
        await super().cleanup(restart=restart)
        if not restart and self.folder is not None:
            self.room.forget_kernel(str(self.kernel_id))
            self.folder = None
