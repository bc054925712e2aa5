"""
`workbench lab`: JupyterLab for one analyst on this machine, with the sandboxed kernel and no other.

It listens on the loopback interface only, and answers whoever has logged in. Its settings are all here: no
configuration of the machine or of the user is read.
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tornado.ioloop import PeriodicCallback
from traitlets.config import Config

from workbench.lab import page, panel, run_folder
from workbench.lab.connection import RecordedConnection
from workbench.lab.contents import LabCheckpoints, LabContents
from workbench.lab.doors import FILE_BODY, LabAuthorizer, close_all_but_the_table
from workbench.lab.identity import LabIdentity
from workbench.lab.kernel_manager import LabKernels
from workbench.lab.kernels import KERNEL, Kernels, shipped
from workbench.lab.reception import Reception
from workbench.lab.session import Session
from workbench.lab.workspace import Workspace

LOOPBACK = "127.0.0.1"
LOOK_ROUND = 5000  # milliseconds
EXTENSIONS = {
    "jupyterlab": True,
    # Language servers are programs of the room that would run on the analyst's word.
    "jupyter_lsp": False,
    "jupyter_server_terminals": False,
    "notebook_shim": False,
}


def start(reception: Reception, *, port: int, announce: Callable[[str], Any]) -> None:
    """
    Run the server until it is interrupted; whoever is in the room then has left.

    `announce` is told the server's address once it answers there.
    """
    folder = run_folder.make()
    try:
        keep_to(folder)
        server = make(reception, folder=folder, port=port)
        # The loop has the binding of the port before this: whoever is told the address can use it.
        server.io_loop.add_callback(announce, f"http://{LOOPBACK}:{server.port}")
        server.start()
    finally:
        reception.end_kernels = None
        asyncio.run(reception.close())
        run_folder.remove(folder)


def make(
    reception: Reception,
    *,
    folder: Path,
    port: int,
    identity: type = LabIdentity,
    more: Config | None = None,
) -> Any:
    """
    The server, bound to its port and not yet running. `folder` is for Jupyter's own files.

    `identity` finds out who is asking; `more` is what a room behind another's address has instead.
    """
    from jupyterlab.labapp import LabApp

    workspace = Workspace.of(reception.home, analyst=reception.person)
    config = settings(folder=folder, port=port, root=workspace.folder, identity=identity)
    config.merge(more or Config())
    server = LabApp.initialize_server(argv=[], config=config)
    server.identity_provider.reception = reception
    panel.add_to(server.web_app)
    close_all_but_the_table(server.web_app)
    server.web_app.settings["headers"]["Content-Security-Policy"] = content_policy(server.port)

    def room_changes(room: Session | None) -> None:
        server.kernel_spec_manager.room = room
        if room is not None:
            copy_notebooks(room)

    reception.when_room_changes = room_changes
    reception.end_kernels = lambda: server.kernel_manager.shutdown_all(now=True)
    server.io_loop.add_callback(PeriodicCallback(reception.look_round, LOOK_ROUND).start)
    return server


def content_policy(port: int, *, public: str = "") -> str:
    """
    What the notebook puts on the page stays on the page: nothing is fetched from or sent to another place.

    `public` is where the page's websockets go when the server stands behind another's address.
    """
    sockets = public or f"ws://{LOOPBACK}:{port} ws://localhost:{port}"
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self' 'unsafe-eval'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "font-src 'self' data:",
            # Browsers differ in whether 'self' covers the websocket; another port is somebody else's.
            f"connect-src 'self' {sockets}",
            "form-action 'self'",
            "frame-ancestors 'self'",
            "object-src 'none'",
            "base-uri 'self'",
        )
    )


def copy_notebooks(session: Session) -> None:
    """Put the notebooks that come with the workbench where the analyst can use and change them."""
    for notebook in sorted(shipped("notebooks").glob("*.ipynb")):
        if not (session.workspace.folder / notebook.name).exists():
            session.workspace.write(notebook.name, notebook.read_bytes())


def keep_to(folder: Path) -> None:
    """Let Jupyter read and write its own files in `folder` only, before it is imported."""
    (folder / "checkpoints").mkdir(mode=0o700)
    for name in ("CONFIG", "DATA", "RUNTIME"):
        place = folder / name.lower()
        place.mkdir(mode=0o700)
        os.environ[f"JUPYTER_{name}_DIR"] = str(place)
    os.environ["JUPYTER_NO_CONFIG"] = "1"
    os.environ["JUPYTER_PATH"] = os.environ["JUPYTER_CONFIG_PATH"] = ""
    page.prepare(folder / "lab")


def settings(*, folder: Path, port: int, root: Path, identity: type = LabIdentity) -> Config:
    """Every setting of the server. `root` is the workspace; `identity` finds out who is asking."""
    config = Config()
    config.Application.log_level = "ERROR"
    config.ServerApp.update(
        {
            "ip": LOOPBACK,
            "port": port,
            "allow_root": True,  # the room's side; kernels never are
            "allow_remote_access": False,
            "open_browser": False,
            "root_dir": str(root),
            "terminals_enabled": False,
            # Brings "Log Out" with it; "Shut Down" is in no menu, and refused.
            "quit_button": True,
            "allow_unauthenticated_access": False,
            "max_body_size": FILE_BODY,
            "jpserver_extensions": EXTENSIONS,
            "kernel_spec_manager_class": Kernels,
            "kernel_manager_class": LabKernels,
            "contents_manager_class": LabContents,
            "authorizer_class": LabAuthorizer,
            "identity_provider_class": identity,
            "kernel_websocket_connection_class": RecordedConnection,
            "tornado_settings": {
                "headers": {
                    "Content-Security-Policy": content_policy(port),
                    "X-Content-Type-Options": "nosniff",
                    "Referrer-Policy": "same-origin",
                },
                "xsrf_cookie_kwargs": {"samesite": "Strict"},
                # Lab is as it was shipped: the page need not ask whether to build it anew.
                "page_config_data": {"buildAvailable": False, "buildCheck": False},
            },
            "answer_yes": True,
        }
    )
    config.LabKernels.default_kernel_name = KERNEL
    config.LabContents.update(
        {"root_dir": str(root), "allow_hidden": False, "checkpoints_class": LabCheckpoints}
    )
    config.LabCheckpoints.folder = str(folder / "checkpoints")
    config.LabApp.update(
        {
            "extension_manager": "readonly",
            "news_url": None,
            # Ours and no other: a package that some library brings along has no business in the page.
            "labextensions_path": [str(page.EXTENSIONS)],
            "extra_labextensions_path": [],
            "user_settings_dir": str(folder / "lab" / "user"),
            "workspaces_dir": str(folder / "lab" / "workspaces"),
            "app_settings_dir": str(folder / "lab"),
        }
    )
    return config
