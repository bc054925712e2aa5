"""
Which requests the server answers, and to whom: one table of handlers and methods. What is not in it is closed.

Jupyter's own authoriser is asked only by handlers that ask it, and JupyterLab's do not. So every request
passes here on its way to its handler, whichever extension brought it: an unknown handler is replaced by a
closed door before any of its code runs. The authoriser behind it denies by default as well.
"""

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.auth import Authorizer, User
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.services.kernels.connection.base import deserialize_msg_from_ws_v1
from jupyterlab_server.workspaces_handler import WORKSPACE_EXTENSION, slugify
from tornado.web import Application, HTTPError
from tornado.websocket import WebSocketHandler

from workbench.errors import Refused
from workbench.governance.permissions import Role

Roles = frozenset[Role] | None  # None: also whoever has not logged in

LAB: Roles = frozenset({Role.ANALYST})
EVERYBODY: Roles = None
MB = 1 << 20
BODY, FILE_BODY = MB, 96 * MB  # bytes of a request; a file of the workspace travels in base64
MOST_WORKSPACES = 20  # files of up to BODY

Row = tuple[str, Roles]
JUPYTER = "jupyter_server.services"
LAB_SERVER = "jupyterlab_server"
# Handler → the methods that are answered, and to whom.
DOORS: Mapping[str, Row] = MappingProxyType(
    {
        # Before a log-in
        "workbench.lab.identity:LoginPage": ("GET POST", EVERYBODY),
        "workbench.lab.identity:LogoutPage": ("GET POST", EVERYBODY),
        "workbench.lab.identity:StartLink": ("GET", EVERYBODY),
        "workbench.lab.hub.room:HubCallback": ("GET", EVERYBODY),
        "workbench.lab.hub.room:HubLogout": ("GET", EVERYBODY),
        "jupyter_server.base.handlers:RedirectWithParams": ("GET", EVERYBODY),  # `/` leads to the page
        "workbench.lab.identity:AccountPage": ("GET POST", LAB),
        # The page and what it is made of
        "jupyter_server.base.handlers:FileFindHandler": ("GET HEAD", LAB),
        "jupyter_server.base.handlers:Template404": ("GET", LAB),
        f"{LAB_SERVER}.handlers:LabHandler": ("GET", LAB),
        f"{LAB_SERVER}.handlers:NotFoundHandler": ("GET", LAB),
        f"{LAB_SERVER}.licenses_handler:LicensesHandler": ("GET", LAB),
        f"{LAB_SERVER}.settings_handler:SettingsHandler": ("GET PUT", LAB),
        f"{LAB_SERVER}.themes_handler:ThemesHandler": ("GET HEAD", LAB),
        f"{LAB_SERVER}.translations_handler:TranslationsHandler": ("GET", LAB),
        f"{LAB_SERVER}.workspaces_handler:WorkspacesHandler": ("GET PUT DELETE", LAB),
        # The workspace
        f"{JUPYTER}.contents.handlers:ContentsHandler": ("GET POST PUT PATCH DELETE", LAB),
        f"{JUPYTER}.contents.handlers:CheckpointsHandler": ("GET POST", LAB),
        f"{JUPYTER}.contents.handlers:ModifyCheckpointsHandler": ("POST DELETE", LAB),
        # Kernels
        f"{JUPYTER}.kernels.handlers:MainKernelHandler": ("GET POST", LAB),
        f"{JUPYTER}.kernels.handlers:KernelHandler": ("GET DELETE", LAB),
        f"{JUPYTER}.kernels.handlers:KernelActionHandler": ("POST", LAB),
        f"{JUPYTER}.kernels.websocket:KernelWebsocketHandler": ("GET", LAB),
        f"{JUPYTER}.kernelspecs.handlers:MainKernelSpecHandler": ("GET", LAB),
        f"{JUPYTER}.kernelspecs.handlers:KernelSpecHandler": ("GET", LAB),
        f"{JUPYTER}.sessions.handlers:SessionRootHandler": ("GET POST", LAB),
        f"{JUPYTER}.sessions.handlers:SessionHandler": ("GET PATCH DELETE", LAB),
        # What the page asks the server about itself
        "jupyter_server.base.handlers:APIVersionHandler": ("GET", LAB),
        f"{JUPYTER}.api.handlers:APIStatusHandler": ("GET", LAB),
        f"{JUPYTER}.api.handlers:IdentityHandler": ("GET", LAB),
        f"{JUPYTER}.config.handlers:ConfigHandler": ("GET", LAB),
        f"{JUPYTER}.events.handlers:SubscribeWebsocket": ("GET", LAB),
        f"{JUPYTER}.security.handlers:CSPReportHandler": ("POST", LAB),
        # The panel
        "workbench.lab.panel:PanelHandler": ("GET", LAB),
        "workbench.lab.panel:MeterHandler": ("GET", LAB),
        "workbench.lab.panel:NoticeHandler": ("POST", LAB),
        "workbench.lab.panel:RequestsHandler": ("POST", LAB),
        "workbench.lab.panel:WithdrawHandler": ("POST", LAB),
        "workbench.lab.panel:ReportHandler": ("GET", LAB),
    }
)
LARGE = frozenset({f"{JUPYTER}.contents.handlers:ContentsHandler"})
# What the handlers that ask the authoriser may be asked for: resource → actions.
ALLOWED: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "api": frozenset({"read"}),
        "config": frozenset({"read"}),
        "contents": frozenset({"read", "write"}),
        "csp": frozenset({"write"}),
        "events": frozenset({"execute"}),  # subscribing; "write" would forge them
        "kernels": frozenset({"read", "write", "execute"}),
        "kernelspecs": frozenset({"read"}),
        "sessions": frozenset({"read", "write"}),
        "workbench": frozenset({"read", "write"}),
    }
)
# Methods that change something, and messages that a person causes: they keep a log-in from growing idle. A
# page that is left alone sends none of these; it does save (PUT) a notebook into which a kernel goes on printing.
ACTS = frozenset({"POST", "PATCH", "DELETE"})
BAD_MESSAGE = 1007  # the websocket's code for a message that is not in its format
# Of a message: bytes of an offset; the channel and four parts with the end, and buffers.
OFFSET, FEWEST_PARTS, MOST_PARTS = 8, 6, 1024
ACT_MESSAGES = frozenset({"execute_request", "input_reply", "interrupt_request", "complete_request"})


class LabAuthorizer(Authorizer):
    """Denies by default."""

    def is_authorized(self, handler: Any, user: User, action: str, resource: str) -> bool:
        return action in ALLOWED.get(resource, frozenset())


def close_all_but_the_table(application: Application) -> None:
    """Let every request of the application pass through the table, whatever handlers it has or will get."""
    to_handler = application.get_handler_delegate

    def delegate(request: Any, target_class: Any, *given: Any, **named: Any) -> Any:
        found = guarded(target_class, method=request.method)
        return to_handler(
            request, found, *(given if found is not Closed else ()), **({} if found is Closed else named)
        )

    application.get_handler_delegate = delegate  # type: ignore[method-assign]


def name_of(handler: type) -> str:
    return f"{handler.__module__}:{handler.__qualname__}"


def guarded(handler: type, *, method: str) -> type:
    """The handler behind its door, or a closed one."""
    methods, roles = DOORS.get(name_of(handler), ("", LAB))
    if method not in methods.split():
        return Closed
    if not issubclass(handler, JupyterHandler):
        # It cannot ask who it is: for everybody, or for nobody.
        return handler if roles is EVERYBODY else Closed
    if handler not in made:
        ours = GUARDS.get(name_of(handler), Guarded)
        bases = (GuardedSocket if issubclass(handler, WebSocketHandler) else ours, handler)
        made[handler] = type(f"Guarded{handler.__name__}", bases, {"behind": name_of(handler)})
    return made[handler]


made: dict[type, type] = {}


class Closed(JupyterHandler):
    """Nothing, to nobody."""

    async def prepare(self, **_: Any) -> None:  # type: ignore[override]
        await ensure_async(super().prepare(_redirect_to_login=False))
        raise HTTPError(403)


class Guarded:
    """Asks the table who is admitted, after Jupyter has found out who it is."""

    behind: str

    async def prepare(self, **given: Any) -> None:
        """Refuse whose role is not in the table, and bodies that are too large for what they are for."""
        await ensure_async(super().prepare(**given))  # type: ignore[misc]
        if self._finished:  # type: ignore[attr-defined]
            return
        roles, user = DOORS[self.behind][1], self.current_user  # type: ignore[attr-defined]
        if roles is not EVERYBODY and getattr(user, "role", None) not in roles:
            raise HTTPError(403)
        request = self.request  # type: ignore[attr-defined]
        if len(request.body or b"") > (FILE_BODY if self.behind in LARGE else BODY):
            raise HTTPError(413)
        if request.method in ACTS:
            self.acted()

    def acted(self) -> None:
        """Note that a person did something."""
        reception, visit = self._visit()
        if visit is not None:
            reception.acted(visit)

    def _visit(self) -> tuple[Any, Any]:
        provider = self.identity_provider  # type: ignore[attr-defined]
        return getattr(provider, "reception", None), getattr(self.current_user, "visit", None)  # type: ignore[attr-defined]


class GuardedSocket(Guarded):
    """A conversation that ends with the log-in it was begun in."""

    async def open(self, *given: Any, **named: Any) -> None:
        _, visit = self._visit()
        if visit is not None:
            visit.sockets.add(self)
        await ensure_async(super().open(*given, **named))  # type: ignore[misc]

    def on_message(self, message: Any) -> Any:
        """Hear nothing from somebody who has left, and nothing that is no message."""
        reception, visit = self._visit()
        kind = kind_of(message)
        if kind is None or (visit is not None and not reception.is_here(visit)):
            self.close(BAD_MESSAGE)  # type: ignore[attr-defined]
            return None
        if kind in ACT_MESSAGES:
            self.acted()
        return super().on_message(message)  # type: ignore[misc]

    def on_close(self) -> None:
        _, visit = self._visit()
        if visit is not None:
            visit.sockets.discard(self)
        super().on_close()  # type: ignore[misc]


class FewWorkspaces(Guarded):
    """Lab keeps what is open on its page in a file for each name that it is given: so many names and no more."""

    manager: Any

    def put(self, space_name: str = "") -> None:
        """Write what is open under this name. 403 where as many others are kept."""
        kept = {file.name for file in self.manager.workspaces_dir.glob("*")}
        if len(kept) >= MOST_WORKSPACES and slugify(space_name) + WORKSPACE_EXTENSION not in kept:
            raise HTTPError(403, f"{too_many_workspaces().ja} / {too_many_workspaces().en}")
        super().put(space_name)  # type: ignore[misc]


GUARDS: Mapping[str, type[Guarded]] = MappingProxyType(
    {f"{LAB_SERVER}.workspaces_handler:WorkspacesHandler": FewWorkspaces}
)


def too_many_workspaces() -> Refused:
    return Refused(
        ja=f"画面の配置（ワークスペース）は {MOST_WORKSPACES} 個までです。使っていない名前のものを削除してください。",
        en=f"At most {MOST_WORKSPACES} arrangements of the page (workspaces) are kept; delete one that is not needed.",
    )


def kind_of(message: Any) -> str | None:
    """
    The kind of a kernel message; None for what is none.

    Looked at before Jupyter does: it takes the number of parts at its word, and one message of eight bytes
    that says 2^62 would keep the server busy until its memory is full.
    """
    if not isinstance(message, bytes) or len(message) < OFFSET:
        return None
    parts = int.from_bytes(message[:OFFSET], "little")
    if not FEWEST_PARTS <= parts <= MOST_PARTS or len(message) < OFFSET * (parts + 1):
        return None
    try:
        _, (header, *_) = deserialize_msg_from_ws_v1(message)
        return str(json.loads(header)["msg_type"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
