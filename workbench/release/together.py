"""
What has left the room about the same people, and what it tells together with a new release.

What left once stays known: a release that was revoked or has run out counts like any other. Two releases
are of the same people when the same column names the person in both. Measured here, from what this room
alone holds: which source row each released row is, and whose. Judged in `checks_together`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from workbench.artifact import manifest
from workbench.artifact.store import Store
from workbench.artifact.tree import digest_of
from workbench.audit import Event
from workbench.errors import NotFound, Untrusted
from workbench.governance.charter import Project, Projects
from workbench.privacy.anonymity.composition import Joined
from workbench.privacy.dp.accounting import Budget, total
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import Loss
from workbench.release import admission, report, requests, staging
from workbench.release.moves import LEFT
from workbench.release.requests import Request
from workbench.release.room import Room
from workbench.release.staged import ALIGNMENT, Rows
from workbench.release.staged_synthetic import Synthetic
from workbench.release.staged_tables import ledger_name

RECORD_LEVEL = ("anonymised", "pseudonymised")


@dataclass(frozen=True)
class Floor:
    """What a joined class must leave."""

    k_children: int
    k_households: int
    distinct_l: int
    max_confidence: float


@dataclass(frozen=True)
class Composed:
    """
    What a new release and some earlier ones tell together.

    `people` of the new release's `of` children are in the earlier ones too (in the one that shares most).
    `isolated` counts the children whom only the join brings below the floor, `difference` says whether some
    of them by being in one release and not in another. `over_years` counts those whom only the rows of
    several years, put together, bring below it; None where the releases name no year. `told` has, for each
    sensitive item of a class that the join made smaller, the fewest values and the surest guess.
    """

    earlier: tuple[str, ...]
    people: int
    of: int
    k_children: int
    k_households: int | None
    isolated: int
    difference: bool
    over_years: int | None
    told: Mapping[str, tuple[int | None, float]]

    def too_telling(self, floor: Floor) -> list[str]:
        """The sensitive items that the joined classes tell too much of."""
        return [
            item
            for item, (values, guess) in self.told.items()
            if (values is not None and values < floor.distinct_l) or guess > floor.max_confidence
        ]

    def holds(self, floor: Floor) -> bool:
        return not self.isolated and not self.too_telling(floor)


def left(room: Room, *, asked: Request | None, past: Sequence[str] | None) -> list[Request]:
    """The datasets that have left the room, oldest first; those of `past` when it is given."""
    with room.state.reading() as connection:
        found = [request for request in requests.every(connection) if request.kind == "dataset"]
    return [
        request
        for request in found
        if (request.state in LEFT if past is None else request.id in past)
        and (asked is None or request.number != asked.number)
    ]


def released(request: Request, *, room: Room) -> Rows:
    """
    An earlier record-level release with its evidence.

    Raises Untrusted when either is not what was admitted, NotFound when it is gone.
    """
    bundle = where(request, room=room)
    sealed = manifest.read(bundle)
    said = report.from_bytes(sealed.content(bundle, staging.REPORT))["provenance"]
    rows = Rows(
        bundle,
        request.evidence(room.home),
        replace(room, project=Projects(room.state).get(request.purpose)),
        request,
    )
    if sealed.digest != request.manifest or said.get("alignment") != alignment_digest(rows):
        raise Untrusted(
            ja=f"公開 {rows.release} か、室内に残した元の行との対応表が、受入れの後に変わっています。監査責任者に連絡してください。",
            en=f"Release {rows.release}, or the list of its source rows kept in this room, has changed since its admission; tell the auditor.",
        )
    return rows


def where(request: Request, *, room: Room) -> Path:
    """Where the bundle of an admitted request lies; between decision and shelf it is still staged."""
    try:
        return Store(admission.shelf(room.home, request.kind)).path(request.manifest or "")
    except NotFound:
        return request.bundle(room.home)


def alignment_digest(rows: Rows) -> str:
    path = rows.evidence / ALIGNMENT
    if not path.is_file():
        raise NotFound(
            ja=f"公開 {rows.release} の元の行との対応表が、この室にありません。後の公開と合わせた確認ができないため、バックアップから戻してください。",
            en=f"The list of source rows of release {rows.release} is gone from this room; later releases cannot be checked with it, so restore it from a backup.",
        )
    return digest_of(path)


def composed(new: Rows, earlier: Sequence[Rows], *, floor: Floor) -> Composed:
    """What `new` and `earlier`, together, leave of the children's crowd."""
    views = [rows.view for rows in (new, *earlier)]
    joined = Joined.of(views[0], views[1:])
    lowered = joined.lowered_children(floor.k_children) | joined.lowered_households(floor.k_households)
    held = [joined.shared(place) for place in range(1, len(views))]
    return Composed(
        earlier=tuple(rows.release for rows in earlier),
        people=max(held, default=0),
        of=joined.shared(0),
        k_children=joined.k_children,
        k_households=joined.k_households,
        isolated=joined.people_in(lowered),
        difference=joined.is_difference(lowered),
        over_years=over_years(new, earlier, floor=floor),
        told=sensitive_told(joined, [new, *earlier]),
    )


def over_years(new: Rows, earlier: Sequence[Rows], *, floor: Floor) -> int | None:
    """How many children the join isolates for a reader who puts all their years together."""
    if any(rows.view.periods is None for rows in (new, *earlier)):
        return None
    joined = Joined.of(new.view.without_periods(), [rows.view.without_periods() for rows in earlier])
    return joined.people_in(
        joined.lowered_children(floor.k_children) | joined.lowered_households(floor.k_households)
    )


def sensitive_told(joined: Joined, releases: Sequence[Rows]) -> dict[str, tuple[int | None, float]]:
    """For each sensitive item, over the classes that the join made smaller: fewest values, surest guess."""
    items = dict.fromkeys(item for rows in releases for item in rows.sensitive)
    return {item: told_of(joined, releases, item) for item in items}


def told_of(joined: Joined, releases: Sequence[Rows], item: str) -> tuple[int | None, float]:
    telling = [place for place, rows in enumerate(releases) if item in rows.sensitive]
    among = joined.narrowed(new_tells=0 in telling, earlier_tell=bool(set(telling) - {0}))
    found = [
        joined.diversity(
            place, releases[place].released[item], harmful=releases[place].harmful(item), among=among
        )
        for place in telling
    ]
    values = [count for count, _ in found if count is not None]
    return min(values, default=None), max(guess for _, guess in found)


# ------------------------------------------------------------------ synthetic rows and budgets


def trained(request: Request, *, room: Room) -> tuple[str, frozenset[str]]:
    """What names a person, and the persons that an earlier synthetic release was trained on."""
    project = Projects(room.state).get(request.purpose)
    staged = Synthetic(request.bundle(room.home), request.evidence(room.home), replace(room, project=project))
    return staged.said_trained


def ledgers(room: Room) -> list[str]:
    """The ledgers of all projects whose source names the same people by the same column as this one's."""
    unit = unit_of(room.project)
    return sorted({ledger_name(one) for one in Projects(room.state).all() if unit_of(one) == unit})


def unit_of(project: Project) -> str | None:
    return project.household or project.person


def spent(room: Room, *, until: str | None = None) -> dict[str, int]:
    """
    What has been asked of these people in the fiscal year of the newest charge, by ledger: composed ε in
    millionths.

    `until` is the digest of a report: what had been asked when it was made, by the order of the log.
    """
    names = ledgers(room)
    if until is None:
        ledger = Ledger(room.state)
        accounts = [account for name in names for account in ledger.accounts(name)]
        told = {(one.dataset, one.year): (one.budget, one.losses) for one in accounts}
    else:
        told = told_in(room.state.log.records(), ledgers=names, until=until)
    newest = max((year for (_, year), (_, losses) in told.items() if losses), default=0)
    return {
        name: total(losses, budget).micro
        for (name, year), (budget, losses) in sorted(told.items(), key=lambda one: one[0])
        if year == newest and losses
    }


def told_in(
    records: Sequence[Any], *, ledgers: Sequence[str], until: str
) -> dict[tuple[str, int], tuple[Budget, Counter[Loss]]]:
    """What the log tells of each ledger and year before a report was made: the budget, and what it lost."""
    told: dict[tuple[str, int], tuple[Budget, Counter[Loss]]] = {}
    for record in records:
        event, details = record["event"], record["details"]
        if event == Event.REQUEST_CHECKED and details["report"] == until:
            break
        if event not in (Event.BUDGET_GRANTED, Event.QUESTION_RESERVED) or details["dataset"] not in ledgers:
            continue
        key = details["dataset"], details["year"]
        budget, losses = told.get(key, (Budget(0), Counter[Loss]()))
        if event == Event.BUDGET_GRANTED:
            budget = Budget(budget.micro + details["micro"], budget.femto + details["femto"])
        else:
            losses[Loss.from_json(details["loss"])] += 1
        told[key] = budget, losses
    return told
