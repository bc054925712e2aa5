"""
The Jupyter server's locks: who is asking, what they may ask for, which files, which messages to a kernel.

The server stands in the room and acts for an analyst whose kernel is hostile. What is not in a table here
is refused. Nothing here lets a file out: downloads and conversions leave through the release door only.
"""

import os
from pathlib import Path
from types import MappingProxyType
from typing import Any

from jupyter_server.auth import Authorizer, IdentityProvider, User
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager
from tornado.web import HTTPError
from traitlets import Unicode

from workbench.errors import NotFound, Refused
from workbench.lab.kernels import KERNEL, closed
from workbench.lab.workspace import Workspace

# What an analyst may do through the server; a resource or an action that is not here is refused.
ALLOWED: MappingProxyType[str, frozenset[str]] = MappingProxyType(
    {
        "api": frozenset({"read"}),
        "config": frozenset({"read"}),
        "contents": frozenset({"read", "write"}),
        "csp": frozenset({"write"}),
        "events": frozenset({"read"}),
        "kernels": frozenset({"read", "write", "execute"}),
        "kernelspecs": frozenset({"read"}),
        "sessions": frozenset({"read", "write"}),
        "workbench": frozenset({"read", "write"}),
    }
)
# Ways out of the server that share a resource with what is allowed.
WAYS_OUT = ("/files/", "/view/", "/nbconvert/")
WAYS_OUT_ENDING = ("/trust",)

MESSAGES = (
    "execute_request",
    "complete_request",
    "inspect_request",
    "is_complete_request",
    "history_request",
    "kernel_info_request",
    "interrupt_request",
    "shutdown_request",
    "input_reply",
    "comm_info_request",
)


class LabIdentity(IdentityProvider):
    """Whoever has the token is the analyst that the session was opened for."""

    analyst = Unicode(config=True)

    def generate_anonymous_user(self, handler: Any) -> User:
        return User(username=self.analyst, name=self.analyst, display_name=self.analyst)


class LabAuthorizer(Authorizer):
    """Denies by default."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        path = handler.request.path
        if any(way in path for way in WAYS_OUT) or path.endswith(WAYS_OUT_ENDING):
            return False
        return action in ALLOWED.get(resource, frozenset())


class LabContents(AsyncLargeFileManager):
    """The workspace's plain files. Links, pipes and what has two names are refused, not followed."""

    def _get_os_path(self, path: str) -> str:
        found: str = super()._get_os_path(path)
        try:
            self._workspace.expect_plain(os.path.relpath(found, self.root_dir))
        except NotFound:
            pass
        except Refused as error:
            raise HTTPError(403, error.en) from None
        return found

    async def save(self, model: Any, path: str = "") -> Any:
        """Save, and give the file to the kernel's user: the analyst's code works in the same folder."""
        saved = await super().save(model, path)
        owner = self._workspace.owner
        if owner:
            os.chown(self._get_os_path(path.strip("/")), owner, owner, follow_symlinks=False)
        return saved

    @property
    def _workspace(self) -> Workspace:
        return Workspace(Path(self.root_dir))


class LabKernels(AsyncMappingKernelManager):
    """Starts our kernel only, and always lets the server stop."""

    async def start_kernel(
        self, *, kernel_id: str | None = None, path: str | None = None, **given: Any
    ) -> str:
        """Refuse another kernel before anything is set aside for it: Jupyter would not forget it again."""
        if given.get("kernel_name", KERNEL) not in (None, KERNEL):
            raise HTTPError(403, closed().en)
        started: str = await super().start_kernel(kernel_id=kernel_id, path=path, **given)
        return started

    async def shutdown_all(self, now: bool = False) -> None:
        """End the kernels politely; one that failed to start must not keep the server up."""
        try:
            await super().shutdown_all(now=now)
        except Exception:
            # The session ends whatever is left, right after the server.
            self.log.error("kernels are ended by their session", exc_info=True)
