"""Opening the room for an analyst: what the catalogue admits for the project, and the verbs of the gateway."""

from datetime import UTC, datetime

from workbench.artifact.keys import KeyRing
from workbench.artifact.trust import Trusted
from workbench.governance.hosts import Here
from workbench.home import Home
from workbench.lab.gateway.forwarding import far_verbs
from workbench.lab.gateway.verbs import VERBS
from workbench.lab.session import Session
from workbench.release.catalogue import mounts
from workbench.state import State


def open_session(home: Home, state: State, *, analyst: str, project: str) -> Session:
    """
    A session of `analyst` on the project with this purpose; every mounted dataset was verified just now.

    Refused for who may not open one; Unprotected where no kernel can be sandboxed.
    """
    found = mounts(home, state, analyst=analyst, purpose=project, now=datetime.now(UTC))
    return Session(
        home,
        state,
        analyst=analyst,
        project=project,
        datasets={name: opened.folder for name, opened in found.items()},
        trusted=trusted_in(home).to_json(),
        verbs=far_verbs(home, analyst=analyst, purpose=project) if home.is_host else VERBS,
    )


def trusted_in(home: Home) -> Trusted:
    """The keys that a kernel verifies its datasets with: the room's own, or those pinned on a host."""
    return Here.of(home).trusted if home.is_host else Trusted.of(KeyRing.of(home))
