"""Running the hub: its ports, its one configuration file, and its end."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from workbench.errors import Unprotected, Unusable
from workbench.home import Home
from workbench.lab import run_folder
from workbench.lab.hub import lineage
from workbench.lab.hub.config import expect_safe
from workbench.lab.oidc import Provider

CONFIG = "from workbench.lab.hub.config import fill\nfill(get_config(), **{given!r})\n"
HUB = "from workbench.lab.hub import lineage; lineage.end_with_parent(); from jupyterhub.app import main; main()"
STOP_SECONDS = 60


def start(
    home: Home,
    *,
    project: str,
    address: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
    provider: Path | None,
    announce: Callable[[str], Any],
) -> None:
    """Run the hub until it is interrupted. Raises Unprotected for an address that others reach without TLS."""
    tls = (
        {"certificate": str(certificate.resolve()), "key": str(key.resolve())} if certificate and key else {}
    )
    expect_safe(address, certificate=tls.get("certificate"))
    expect_free(address, port)
    folder = run_folder.make()
    ports = {"public": port, **dict(zip(("hub", "proxy", "review"), free_ports(3), strict=True))}
    given = {"ports": ports, "home": str(home.path), "project": project, "address": address}
    if provider is not None:
        Provider.read(provider)  # what is wrong with it is said here, in one sentence
        given["provider"] = str(provider.resolve())
    config = folder / "hub_config.py"
    config.write_text(CONFIG.format(given={**given, "folder": str(folder), **tls}))
    # In a session of its own: Ctrl-C is for us, who end it in order; and it never outlives us.
    process = subprocess.Popen(
        [sys.executable, "-P", "-c", HUB, "--config", str(config)],
        cwd=folder,
        start_new_session=True,
    )
    lineage.adopt()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        announce(f"{'https' if tls else 'http'}://{address}:{port}")
        if process.wait():
            raise stopped()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            # Its rooms, its proxy and its pages end with it, each in order (`lineage`).
            process.kill()
            process.wait()
        # Until they have written down their end: the log's process goes after this.
        lineage.wait_for_adopted("workbench.lab.hub", seconds=STOP_SECONDS)
        run_folder.remove(folder)


def lesser() -> str | None:
    """What is less when the hub is not run as root, in both languages; None as root."""
    if os.geteuid() == 0:
        return None
    return (
        "root で動いていないため、分析者ごとの利用者（uid）を分けられません。カーネルどうしは囲いで分かれますが、作業場所のファイルの持ち主は全員同じで、使えるディスクの量は利用者ごとには区切れません。\n"
        "Not run as root: analysts have no user (uid) each. Their kernels are kept apart by the sandbox, but the files of all workspaces have one owner, and disk is not limited for each by the system."
    )


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens at."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [one.getsockname()[1] for one in sockets]


def expect_free(address: str, port: int) -> None:
    try:
        socket.create_server((address, port)).close()
    except OSError:
        raise Unusable(
            ja=f"{address} の {port} 番で待ち受けられません。この機械の番地か、空いている番号を指定してください。",
            en=f"Nothing can listen at {address}, port {port}; name an address of this machine and a free port.",
        ) from None


def stopped() -> Unprotected:
    return Unprotected(
        ja="ハブが止まりました。上に出ている理由を確かめ、もう一度起動してください。",
        en="The hub stopped; see the reason above and start it again.",
    )
