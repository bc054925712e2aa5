"""Which kernels the server starts, and when."""

import asyncio
import time
from typing import Any

from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError

from workbench.errors import Refused
from workbench.lab.kernels import KERNEL, closed
from workbench.lab.outgoing import STATES

# A notebook that was open the last time asks for its kernel while the notice is still being read.
NOTICE_SECONDS, LOOK_SECONDS = 60, 0.2
EXECUTION_STATES = frozenset({*STATES, "restarting", "autorestarting", "terminating", "dead", "unknown"})


class LabKernels(AsyncMappingKernelManager):
    """Starts our kernel only, and always lets the server stop."""

    async def start_kernel(
        self, *, kernel_id: str | None = None, path: str | None = None, **given: Any
    ) -> str:
        """Refuse another kernel before anything is set aside for it: Jupyter would not forget it again."""
        if given.get("kernel_name", KERNEL) not in (None, KERNEL):
            raise HTTPError(403, closed().en)
        await self._noticed()
        try:
            started: str = await super().start_kernel(kernel_id=kernel_id, path=path, **given)
        except Refused as refused:
            raise HTTPError(403, f"{refused.ja} / {refused.en}") from None
        return started

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
