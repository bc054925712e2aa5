"""Running the hub: its ports, its one configuration file, and its end."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.artifact.times import to_text
from workbench.audit import Event
from workbench.errors import Unprotected, Unusable, Usage, language
from workbench.governance.people import FOUNDER
from workbench.home import Home
from workbench.lab import run_folder
from workbench.lab.expiring import findings, hub_certificate
from workbench.lab.hub import lineage
from workbench.lab.hub.config import expect_safe
from workbench.lab.oidc import Provider
from workbench.lab.probe import why_not_available
from workbench.state import State

CONFIG = "from workbench.lab.hub.config import fill\nfill(get_config(), **{given!r})\n"
HUB = "from workbench.lab.hub import lineage; lineage.end_with_parent(); from jupyterhub.app import main; main()"
STOP_SECONDS = 60


def start(
    home: Home,
    state: State,
    *,
    project: str,
    address: str,
    port: int,
    certificate: Path | None,
    key: Path | None,
    provider: Path | None,
    announce: Callable[[str], Any],
    say: Callable[[str], Any],
) -> None:
    """
    Run the hub until it is interrupted. `say` is told what its starter must know.

    Raises Unprotected where no kernel could be sandboxed, for an address that others reach without TLS, and for
    a certificate that is not valid now; Usage for a certificate without its key.
    """
    tls, until = tls_of(certificate, key)
    expect_safe(address, certificate=tls.get("certificate"))
    expect_free(address, port)
    expect_sandbox()
    folder = run_folder.make()
    ports = {"public": port, **dict(zip(("hub", "proxy", "review"), free_ports(3), strict=True))}
    given = {"ports": ports, "home": str(home.path), "project": project, "address": address}
    if provider is not None:
        Provider.read(provider)  # what is wrong with it is said here, in one sentence
        given["provider"] = str(provider.resolve())
    tell(home, state, address=address, port=port, until=until, say=say)
    state.close()
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


def tls_of(certificate: Path | None, key: Path | None) -> tuple[dict[str, str], datetime | None]:
    """Certificate and key for the hub's configuration, and until when the certificate is valid."""
    if certificate is None and key is None:
        return {}, None
    if certificate is None or key is None:
        raise Usage(
            ja="--tls-certificate と --tls-key は二つとも指定してください。",
            en="--tls-certificate and --tls-key are given together.",
        )
    until = hub_certificate(certificate, key, now=datetime.now(UTC))
    return {"certificate": str(certificate.resolve()), "key": str(key.resolve())}, until


def expect_sandbox() -> None:
    """Raise Unprotected now where every kernel of the hub's rooms would be refused."""
    reason = why_not_available()
    if reason is not None:
        raise reason


def tell(
    home: Home,
    state: State,
    *,
    address: str,
    port: int,
    until: datetime | None,
    say: Callable[[str], Any],
) -> None:
    """Record that the hub starts, and say what is less without root and which certificates end soon."""
    valid = {"valid_until": to_text(until)} if until is not None else {}
    started = {"address": address, "port": port, "tls": until is not None, "root": os.geteuid() == 0, **valid}
    state.record(Event.HUB_STARTED, actor=FOUNDER, **started)
    less = lesser()
    if less:
        say(less)
    for one in findings(home, state, records=[{"event": Event.HUB_STARTED, "details": started}]):
        say(f"! {getattr(one, language())}")


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
