"""
Making an admitted report again: from the bundle, and from what stayed in the room.

Every number is measured anew from the same input, hierarchies, recipe and output, which their digests in
the report name, joined with the releases that had left then; and the search is run again. What is compared
are places in the report; a difference is told by its place, never by a value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from workbench.artifact import manifest
from workbench.artifact.canonical import canonical
from workbench.artifact.tree import digest_of
from workbench.errors import NotFound, Untrusted, WorkbenchError
from workbench.governance.settings import policy_in_force
from workbench.home import Home
from workbench.privacy.anonymity.search import Anonymised
from workbench.release import admission, examination, page, report, staging
from workbench.release.examination import Subject, room_for
from workbench.release.findings import Text
from workbench.release.prepare.rows import searched_again
from workbench.release.requests import Request
from workbench.release.room import Room
from workbench.release.staged import ALIGNMENT, LADDERS, STEPS, Rows
from workbench.state import State

# Nothing is compared more closely than a search repeats its sums.
CLOSE = 1e-12
SHOWN = 5


@dataclass(frozen=True)
class Recomputed:
    """How many numbers, words and digests of a report were made again; or why none could be."""

    places: int
    why_not: Text | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "recomputed": self.why_not is None,
            "places": self.places,
            "why_not": None if self.why_not is None else self.why_not.to_json(),
        }


def recomputed(bundle: Path, *, home: Home, state: State, now: datetime) -> Recomputed:
    """
    Make the report of an admitted dataset again and compare.

    Raises Untrusted naming the places that differ. Where an input is not here any more nothing is compared
    and the reason is returned: that is no fault of the bundle.
    """
    sealed = manifest.read(bundle)
    said = report.from_bytes(sealed.content(bundle, staging.REPORT))
    subject = subject_of(bundle, sealed.digest, said=said, home=home, state=state, now=now)
    if isinstance(subject, Text):
        return Recomputed(0, subject)
    made = examination.examined(subject)
    differing = [*different(said, made), *drawn(bundle, sealed, said), *search_differs(subject, said)]
    if differing:
        raise differs(differing)
    return Recomputed(sum(1 for _ in places(said)))


def subject_of(
    bundle: Path, digest: str, *, said: Mapping[str, Any], home: Home, state: State, now: datetime
) -> Subject | Text:
    """What to examine, or why it cannot be examined here."""
    try:
        with state.reading() as connection:
            request = admission.request_of(connection, digest)
        room = room_for(request.purpose, home=home, state=state, policy=policy_in_force(state))
    except NotFound:
        return NOT_OURS
    if request.kind != "dataset":
        return A_MODEL
    gone = missing(said, request=request, room=room)
    if gone:
        return Text(
            ja=f"計算のもとになった {'、'.join(gone)} が、今はこの室にないか、変わっています。",
            en=f"What it was computed from is not in this room any more, or has changed: {', '.join(gone)}.",
        )
    past = tuple(one["request"] for one in said.get("together", {}).get("earlier", []))
    return Subject(request, bundle, room, now, past)


NOT_OURS = Text(
    ja="この成果物を受け入れたのはこの場所ではないため、署名と内容だけを検証しました。",
    en="It was not admitted here, so only signatures and content were verified.",
)
A_MODEL = Text(
    ja="モデルの報告書は受入れの確認で計算し直されており、ここでは署名と内容だけを検証しました。",
    en="A model's report was made again at its check; here only signatures and content were verified.",
)


def missing(said: Mapping[str, Any], *, request: Request, room: Room) -> list[str]:
    """The inputs that are not what the report's digests name."""
    evidence = request.evidence(room.home)
    here = {
        "policy": room.policy.digest,
        "register": room.register.digest,
        "project": room.project.digest,
        "source": digest_if(room.home.raw / f"{room.project.source}.parquet"),
        "alignment": digest_if(evidence / ALIGNMENT),
        "hierarchies": digest_if(evidence / LADDERS),
    }
    named = {**said["provenance"], "policy": said["policy"]["digest"]}
    gone = ["steps"] if "steps" in named and not (evidence / STEPS).is_file() else []
    return [name for name, digest in here.items() if name in named and named[name] != digest] + gone


def digest_if(path: Path) -> str | None:
    return digest_of(path) if path.is_file() else None


def different(said: Any, made: Any) -> list[str]:
    """The places at which two reports differ, in their order."""
    before, after = dict(places(said)), dict(places(made))
    return [place for place in {**before, **after} if before.get(place, UNSAID) != after.get(place, UNSAID)]


UNSAID = object()


def places(value: Any, *, at: str = "") -> Iterator[tuple[str, Any]]:
    """Every number, word and empty list of a report with its place; members of a list go by their name."""
    if isinstance(value, Mapping) and value:
        for name, inside in value.items():
            yield from places(inside, at=f"{at}.{name}" if at else str(name))
    elif isinstance(value, list | tuple) and value:
        for number, inside in enumerate(value):
            yield from places(inside, at=f"{at}[{name_of(inside, number)}]")
    else:
        yield at, canonical(value)


def name_of(member: Any, number: int) -> str:
    keys = ("check", "id", "item", "release", "question")
    return next(
        (str(member[key]) for key in keys if isinstance(member, Mapping) and key in member), str(number)
    )


def drawn(bundle: Path, sealed: manifest.Manifest, said: Mapping[str, Any]) -> list[str]:
    """The page, where it is not the one that the report draws."""
    same = sealed.content(bundle, staging.PAGE) == page.render(said).encode()
    return [] if same else [staging.PAGE]


def search_differs(subject: Subject, said: Mapping[str, Any]) -> list[str]:
    """What the search, run again, finds otherwise; nothing for a release that no search made."""
    if "search" not in said:
        return []
    rows: Rows = examination.VIEWS[subject.request.protection].stage(subject)
    off = [
        f"recipe.{item}"
        for item, (level, _) in rows.secret["levels"].items()
        if item in rows.columns and off_ladder(rows, item, level)
    ]
    try:
        found = searched_again(rows)
    except WorkbenchError:
        return [*off, "search"]
    levels = {item: int(level) for item, (level, _) in rows.secret["levels"].items()}
    off += [
        f"search.levels.{item}"
        for item in found.levels
        if item in levels and found.levels[item] != levels[item]
    ]
    off += [] if abs(found.loss - said["search"]["score"]) <= CLOSE else ["search.score"]
    return off + [f"search.{name}" for name in claims_off(said["search"], found)]


def claims_off(said: Mapping[str, Any], found: Anonymised) -> list[str]:
    """
    What a report says of its search that this one does not bear out.

    A search that was stopped by the clock stops elsewhere on another day: its bound is held against what is
    proved now. How many combinations were looked at proves nothing and is not compared.
    """
    timed = bool(said["gap"] or found.gap)
    proved_now = said["bound"] <= found.loss + CLOSE if timed else abs(found.bound - said["bound"]) <= CLOSE
    holds = {
        "measure": said["measure"] == found.measure.name,
        "lattice": said["lattice"] == found.lattice,
        "bound": proved_now,
        "gap": abs(said["score"] - said["bound"] - said["gap"]) <= CLOSE,
    }
    return [name for name, right in holds.items() if not right]


def off_ladder(rows: Rows, item: str, level: int) -> bool:
    """Whether the published recoding of an item is not its hierarchy's at the level it says."""
    return canonical(rows.recipe["items"][item]) != canonical(dict(rows.ladders[item].levels[level]))


def differs(found: list[str]) -> Untrusted:
    shown = ", ".join(found[:SHOWN])
    return Untrusted(
        ja=f"報告書のうち {len(found)} か所が、計算し直した結果と違います：{shown}。使わずに、監査責任者に連絡してください。",
        en=f"{len(found)} places of the report differ from what they are when made again: {shown}. Do not use it; tell the auditor.",
    )
