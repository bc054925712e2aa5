"""Starting an analyst's room: a locked server in a process of its own that ends with the hub."""

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from jupyterhub.spawner import LocalProcessSpawner

from workbench.errors import Refused
from workbench.governance.people import why_not
from workbench.governance.training import Trainings
from workbench.home import Home
from workbench.lab.hub.lineage import end_with_parent
from workbench.state import State

# Of the hub's own environment a room gets these, and what JupyterHub itself tells it.
KEPT = ("PATH", "LANG", "LC_ALL", "WORKBENCH_LANG", "WORKBENCH_STATE_URL", "WORKBENCH_KEY_PASSPHRASE")
PUBLIC = "WORKBENCH_PUBLIC_URL"  # the hub's address as browsers know it
ROOM = "from workbench.lab.hub.room import main; main()"


class RoomSpawner(LocalProcessSpawner):
    """
    One room for one analyst. `home`, `state` and `project` are set by `config.fill`.

    The room's server stands on the trusted side and runs as the hub's user; the kernels in it run as the
    analyst's own, one of a pool that has no other use.
    """

    home: Home
    state: State
    project: str

    async def start(self) -> Any:
        """Refused, with its sentence on the page, for who may not open a room or is not trained."""
        refused = self.why_not()
        if refused is not None:
            raise with_sentence(refused)
        self.cmd = [sys.executable, "-P", "-c", ROOM, str(self.home.path), self.project]
        self.args = []
        return await super().start()

    def why_not(self) -> Refused | None:
        """Why this person gets no room, or None."""
        from workbench.governance.people import People

        person = People(self.state).get(self.user.name)
        refused = why_not(person, "open_session")
        return refused or Trainings(self.home, self.state).why_not_kernel(person.id, now=datetime.now(UTC))

    def make_preexec_fn(self, name: str) -> Callable[[], None]:
        """The room ends with the hub; it stays its user: no account of the system is needed for an analyst."""

        def prepare() -> None:
            os.chdir("/")
            end_with_parent()

        return prepare

    def get_env(self) -> dict[str, str]:
        given = super().get_env().items()
        told = {name: value for name, value in given if name.startswith("JUPYTERHUB_") or name == PUBLIC}
        kept = {name: os.environ[name] for name in KEPT if name in os.environ}
        return {**kept, **told, "HOME": "/nonexistent"}

    def user_env(self, env: dict[str, str]) -> dict[str, str]:
        return env

    def move_certs(self, paths: Any) -> Any:
        return paths


def with_sentence(refused: Refused) -> Exception:
    """An error that the hub shows to the person, in both languages."""
    error = RuntimeError(refused.en)
    error.jupyterhub_message = f"{refused.ja} / {refused.en}"  # type: ignore[attr-defined]
    return error
