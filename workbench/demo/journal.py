"""
What the demonstration has done: one record for each finished step, so that it goes on where it was cut.

A record is written after its step, in one piece. A step that was interrupted runs again, and every step
can: it looks for what it already did.
"""

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import Refused, WorkbenchError
from workbench.home import Home, write_atomically

FILE = "demonstration.json"
SCHEMA = "workbench-demonstration/1"
# What stands in a demonstration's home beside its folders: what a kill may leave there without its marker.
STATE = ("state.db", "state.db-wal", "state.db-shm")
MADE = ("candidates", "demo.html", "failures.log", "gateway-failures.log")

Figures = dict[str, Any]


@dataclass(frozen=True)
class Step:
    """One step: its titles, and the work, which returns the figures to show."""

    id: str
    ja: str
    en: str
    work: Callable[[Any], Figures]


@dataclass(frozen=True)
class Journal:
    """The finished steps of the demonstration in `home`."""

    home: Home
    made_of: str

    @classmethod
    def open(cls, path: Path, *, seed: int, made_of: Mapping[str, Any]) -> "Journal":
        """
        The journal at `path`, in a demonstration home made when missing.

        A demonstration of something else (another profile, other data) is cleared first. Refused when the
        home at `path` is a real one: nothing of it is ever removed.
        """
        digest = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()
        found = existing(path)
        if found is not None and not found.is_demonstration:
            raise Refused(
                ja=f"{path} は実演用のホームではありません。--home に別の場所を指定してください。",
                en=f"The home at {path} is not a demonstration; name another place with --home.",
            )
        if found is not None and read(found).get("made_of") == digest and found.seed == seed:
            return cls(found, digest)
        if path.exists():
            clear(path)
        journal = cls(Home.create(path, seed=seed), digest)
        journal.write({})
        return journal

    def steps(self) -> dict[str, Figures]:
        """Figures and seconds of each finished step."""
        return dict(read(self.home).get("steps", {}))

    def write(self, steps: Mapping[str, Figures]) -> None:
        value = {"schema": SCHEMA, "made_of": self.made_of, "steps": dict(steps)}
        content = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=False)
        write_atomically(self.home.path / FILE, content.encode())

    def run(
        self, steps: Sequence[Step], *, journey: Any, tell: Callable[[Step, Figures, bool], None]
    ) -> None:
        """Do what is not done yet, in order; `tell` hears of each step and whether it stood already."""
        done = self.steps()
        for step in steps:
            stood = step.id in done
            if not stood:
                began = time.monotonic()
                figures = step.work(journey)
                done[step.id] = {"seconds": round(time.monotonic() - began, 1), "figures": figures}
                self.write(done)
            tell(step, done[step.id], stood)


def existing(path: Path) -> Home | None:
    try:
        return Home.open(path)
    except WorkbenchError:
        return None


def read(home: Home) -> dict[str, Any]:
    """The journal's file; empty when there is none or it is not ours."""
    try:
        value = json.loads((home.path / FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return {}
    return value if isinstance(value, dict) and value.get("schema") == SCHEMA else {}


def clear(path: Path) -> None:
    """
    Remove an old demonstration, or a home that a kill left without its marker.

    Refused for a folder that holds anything else, so that a mistyped --home costs nothing.
    """
    from workbench.home import FOLDERS, MARKER

    ours = {*FOLDERS, MARKER, FILE, *STATE, *MADE}
    strange = [
        entry.name for entry in path.iterdir() if entry.name not in ours and not entry.name.startswith(".")
    ]
    if strange and existing(path) is None:
        raise Refused(
            ja=f"{path} には実演と関係のないものが {len(strange)} 個あります。空の場所を指定してください。",
            en=f"{path} holds {len(strange)} things that are not a demonstration's; name an empty place.",
        )
    for folder in path.rglob("*"):
        if folder.is_dir() and not folder.is_symlink():
            folder.chmod(0o700)  # the stores keep their bundles read-only
    shutil.rmtree(path)
