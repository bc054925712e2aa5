"""
Which kernels the server starts, when, and how much it holds for them.

The server stands outside the limits of the kernels: what a kernel says may not fill its memory.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import zmq.asyncio
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets import default

from workbench.errors import Refused
from workbench.lab.kernels import KERNEL, closed, limited_context
from workbench.lab.outgoing import EACH, MB, STATES

# A notebook that was open the last time asks for its kernel while the notice is still being read.
NOTICE_SECONDS, LOOK_SECONDS = 60, 0.2
EXECUTION_STATES = frozenset({*STATES, "restarting", "autorestarting", "terminating", "dead", "unknown"})


KEPT = 10 * MB  # of what a kernel says while no page is there: what a cell may show


class Waiting(deque[tuple[str, list[bytes]]]):
    """What a kernel said while no page was there: the last of it. `dropped` is told the size of what goes."""

    def __init__(self, dropped: Callable[[int], Any]) -> None:
        super().__init__()
        self._size, self._dropped = 0, dropped

    def append(self, message: tuple[str, list[bytes]]) -> None:
        super().append(message)
        self._size += weight(message)
        while self._size > KEPT:
            gone = weight(self.popleft())
            self._size -= gone
            self._dropped(gone)


def weight(message: tuple[str, list[bytes]]) -> int:
    return EACH + sum(map(len, message[1]))


class LabKernels(AsyncMappingKernelManager):
    """Starts our kernel only, and always lets the server stop."""

    async def start_kernel(
        self, *, kernel_id: str | None = None, path: str | None = None, **given: Any
    ) -> str:
        """Refuse another kernel before anything is set aside for it: Jupyter would not forget it again."""
        if given.get("kernel_name", KERNEL) not in (None, KERNEL):
            raise HTTPError(403, closed().en)
        await self._noticed()
        room = self.kernel_spec_manager.room
        try:
            if room is not None:
                room.expect_fewer_kernels()
            started: str = await super().start_kernel(kernel_id=kernel_id, path=path, **given)
        except Refused as refused:
            raise HTTPError(403, f"{refused.ja} / {refused.en}") from None
        return started

    @default("context")
    def _limited_context(self) -> zmq.asyncio.Context:
        """Its sockets take no message that could fill the server's memory."""
        self._created_context = True
        return limited_context()

    def start_buffering(self, kernel_id: str, session_key: str, channels: dict[str, Any]) -> None:
        """Keep the last of what a kernel says until its page is back; that there was more is in the log."""
        super().start_buffering(kernel_id, session_key, channels)
        room = self.kernel_spec_manager.room

        def dropped(size: int) -> None:
            if room is not None:
                told = {"mime": "unknown", "size": size, "sha256": "", "why": "away"}
                room.shown([told], cell="", kernel=kernel_id)

        if kernel_id in self._kernel_buffers:
            self._kernel_buffers[kernel_id]["buffer"] = Waiting(dropped)

    async def _noticed(self) -> None:
        """Wait a while for the session's notice to be acknowledged; whether it was is asked at the start itself."""
        room, until = self.kernel_spec_manager.room, time.monotonic() + NOTICE_SECONDS
        while room is not None and not room.noticed and time.monotonic() < until:
            await asyncio.sleep(LOOK_SECONDS)
            room = self.kernel_spec_manager.room

    def kernel_model(self, kernel_id: str) -> dict[str, Any]:
        """What the page hears of a kernel. It says its state itself: only a word that is one is passed on."""
        model: dict[str, Any] = super().kernel_model(kernel_id)
        known = model["execution_state"] in EXECUTION_STATES
        return model | {"execution_state": model["execution_state"] if known else "unknown"}

    async def shutdown_all(self, now: bool = False) -> None:
        """End the kernels politely; one that failed to start must not keep the server up."""
        try:
            await super().shutdown_all(now=now)
        except Exception:
            # The session ends whatever is left, right after the server.
            self.log.error("kernels are ended by their session", exc_info=True)
