"""Every setting of the hub; no file of the machine or of the working directory is read."""

import os
import sys
from pathlib import Path
from typing import Any

from workbench.errors import Unprotected
from workbench.governance.accounts import Accounts
from workbench.governance.permissions import Role
from workbench.governance.settings import policy_in_force
from workbench.home import Home
from workbench.lab.hub.authenticator import choose, hub_role
from workbench.lab.hub.spawner import KEPT, PUBLIC, RoomSpawner
from workbench.state import State

LOOPBACK = ("127.0.0.1", "::1", "localhost")
HOURS_A_DAY = 24
REVIEW = "review"
REVIEW_PAGES = "from workbench.lab.hub.review import main; main()"


def expect_safe(address: str, *, certificate: str | None) -> None:
    """Raise Unprotected for an address that others reach without TLS."""
    if address not in LOOPBACK and certificate is None:
        raise Unprotected(
            ja=f"{address} は他の機械から届く番地です。--tls-certificate と --tls-key を指定するか、127.0.0.1 で待ち受けて TLS の終端を前に置いてください。",
            en=f"Others reach {address}: give --tls-certificate and --tls-key, or listen at 127.0.0.1 and put what ends TLS in front.",
        )


def fill(
    c: Any,
    *,
    ports: dict[str, int],
    home: str,
    project: str,
    address: str,
    folder: str,
    provider: str | None = None,
    **tls: str,
) -> None:
    """Put every setting into JupyterHub's configuration `c`; `tls` are its certificate and key."""
    opened = Home.open(Path(home))
    state = State.open(opened)
    scheme = "https" if tls else "http"
    policy = policy_in_force(state)
    choose(c, Accounts(opened, state), provider=Path(provider) if provider else None)
    RoomSpawner.home, RoomSpawner.state, RoomSpawner.project = opened, state, project
    c.JupyterHub.update(
        {
            "bind_url": f"{scheme}://{address}:{ports['public']}",
            "hub_bind_url": f"http://127.0.0.1:{ports['hub']}",
            "ssl_cert": tls.get("certificate", ""),
            "ssl_key": tls.get("key", ""),
            "spawner_class": RoomSpawner,
            # In memory: rooms and log-ins end with the hub, and rights that somebody wrote into a file of
            # its own would be believed.
            "db_url": "sqlite://",
            "cookie_secret_file": str(opened.keys / "hub.cookie"),
            "cookie_max_age_days": policy["session_hours"] / HOURS_A_DAY,
            "pid_file": "",
            "template_paths": [str(Path(__file__).with_name("templates"))],
            "allow_named_servers": False,
            "shutdown_on_logout": True,
            "default_url": first_page,
            # JupyterHub's own role for every user is emptied; the others come from the authenticator.
            "load_roles": [{"name": "user", "description": "", "scopes": ["read:users:name!user"]}],
            # On an analysts' host there is nothing to review.
            "services": [] if opened.is_host else [review_service(opened, ports=ports)],
            "log_level": "WARN",
            "answer_yes": True,
        }
    )
    c.ConfigurableHTTPProxy.update(
        {
            "command": [sys.executable, "-P", "-m", "workbench.lab.hub.proxy", "--log-level", "error"],
            "api_url": f"http://127.0.0.1:{ports['proxy']}",
            "pid_file": str(Path(folder) / "proxy.pid"),
        }
    )
    c.Spawner.update(
        {
            "environment": {PUBLIC: f"{scheme}://{address}:{ports['public']}"},
            "default_url": "/lab",
            "http_timeout": 120,
            "start_timeout": 120,
        }
    )


def review_service(home: Home, *, ports: dict[str, int]) -> dict[str, Any]:
    """The reviewers' pages, started and ended with the hub."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    return {
        "name": REVIEW,
        "url": f"http://127.0.0.1:{ports['review']}",
        "command": [sys.executable, "-P", "-c", REVIEW_PAGES, str(home.path)],
        "environment": kept,
        "oauth_no_confirm": True,
        "display": False,
    }


def first_page(handler: Any) -> str:
    """Analysts go to their room, everybody else to the review pages."""
    user = handler.current_user
    named = {role.name for role in user.roles} if user is not None else set()
    return (
        f"{handler.hub.base_url}spawn"
        if hub_role(Role.ANALYST)["name"] in named
        else f"{handler.hub.base_url.removesuffix('hub/')}services/{REVIEW}/"
    )
