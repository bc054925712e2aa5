"""
`workbench lab`: JupyterLab for one analyst on this machine, with the sandboxed kernel and no other.

It listens on the loopback interface only and asks for a token that is made for the occasion. Its settings
are all here: no configuration of the machine or of the user is read.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from traitlets.config import Config

from workbench.lab import page, panel, run_folder
from workbench.lab.connection import RecordedConnection
from workbench.lab.kernels import KERNEL, Kernels, shipped
from workbench.lab.locks import (
    MESSAGES,
    LabAuthorizer,
    LabContents,
    LabIdentity,
    LabKernels,
)
from workbench.lab.session import Session

LOOPBACK = "127.0.0.1"
# What the notebook puts on the page stays on the page: nothing is fetched from or sent to another place.
CONTENT_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' ws://127.0.0.1:*",
        "form-action 'self'",
        "frame-ancestors 'self'",
        "object-src 'none'",
        "base-uri 'self'",
    )
)
EXTENSIONS = {
    "jupyterlab": True,
    # Language servers are programs of the room that would run on the analyst's word.
    "jupyter_lsp": False,
    "jupyter_server_terminals": False,
    "notebook_shim": False,
}


def start(session: Session, *, port: int, announce: Callable[[str], Any]) -> None:
    """Run the server until it is interrupted. `announce` is told the address, with its token."""
    folder = run_folder.make()
    token = secrets.token_urlsafe(32)
    try:
        copy_notebooks(session)
        keep_to(folder)
        from jupyterlab.labapp import LabApp

        server = LabApp.initialize_server(
            argv=[], config=settings(session, folder=folder, port=port, token=token)
        )
        server.kernel_spec_manager.room = session
        panel.add_to(server.web_app)
        # The loop has the binding of the port before this: whoever is told the address can use it.
        server.io_loop.add_callback(announce, f"http://{LOOPBACK}:{server.port}/lab?token={token}")
        server.start()
    finally:
        run_folder.remove(folder)


def copy_notebooks(session: Session) -> None:
    """Put the notebooks that come with the workbench where the analyst can use and change them."""
    for notebook in sorted(shipped("notebooks").glob("*.ipynb")):
        if not (session.workspace.folder / notebook.name).exists():
            session.workspace.write(notebook.name, notebook.read_bytes())


def keep_to(folder: Path) -> None:
    """Let Jupyter read and write its own files in `folder` only, before it is imported."""
    for name in ("CONFIG", "DATA", "RUNTIME"):
        place = folder / name.lower()
        place.mkdir(mode=0o700)
        os.environ[f"JUPYTER_{name}_DIR"] = str(place)
    os.environ["JUPYTER_NO_CONFIG"] = "1"
    os.environ["JUPYTER_PATH"] = os.environ["JUPYTER_CONFIG_PATH"] = ""
    page.prepare(folder / "lab")


def settings(session: Session, *, folder: Path, port: int, token: str) -> Config:
    """Every setting of the server."""
    config = Config()
    config.ServerApp.update(
        {
            "ip": LOOPBACK,
            "port": port,
            "allow_root": True,  # the room's side; kernels never are
            "allow_remote_access": False,
            "open_browser": False,
            "root_dir": str(session.workspace.folder),
            "terminals_enabled": False,
            "jpserver_extensions": EXTENSIONS,
            "kernel_spec_manager_class": Kernels,
            "kernel_manager_class": LabKernels,
            "contents_manager_class": LabContents,
            "authorizer_class": LabAuthorizer,
            "identity_provider_class": LabIdentity,
            "kernel_websocket_connection_class": RecordedConnection,
            "tornado_settings": {"headers": {"Content-Security-Policy": CONTENT_POLICY}},
            "log_level": "ERROR",
            "answer_yes": True,
        }
    )
    config.LabIdentity.update({"token": token, "analyst": session.analyst})
    config.LabKernels.update({"default_kernel_name": KERNEL, "allowed_message_types": list(MESSAGES)})
    config.LabContents.update({"allow_hidden": False, "delete_to_trash": False})
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
