"""
What the three protections cost in use, side by side: for one table, one target, several strengths, several draws.

Each draw divides the households anew, protects the training part in every way that is asked about, trains the
same learners on each and tests them on the same real children held out. So the numbers of two protections stand
beside each other, with the spread that chance alone makes.

Everything here is computed on real children and is shown in the coordinating body's room: one comparison counts
as one evaluation of the table (`evaluations`).
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd

from workbench.artifact.times import to_text
from workbench.data.constraints import constraints_of
from workbench.data.register import Item, ItemRole
from workbench.errors import Refused, Unusable, Usage, WorkbenchError
from workbench.governance.people import People
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.risk.attackers import prosecutor
from workbench.privacy.anonymity.transform import recoded
from workbench.privacy.synthesis.columns import Column, bounded
from workbench.privacy.synthesis.disclosure import Disclosure, disclosure
from workbench.privacy.synthesis.synthesisers import DELTA, synthesise
from workbench.privacy.synthesis.usefulness import LEAST, Task, Usefulness, usefulness
from workbench.release import evaluations
from workbench.release.findings import Text
from workbench.release.prepare.draft import Draft
from workbench.release.prepare.rows import generalised
from workbench.release.room import Room
from workbench.release.sections import source_digest
from workbench.release.split import PARTS, Part
from workbench.release.staged import PART
from workbench.release.staged_synthetic import column_of, homes, once, positive, with_rare_missing

SCHEMA = "protection-comparison/1"
LEAST_SEEDS = 3
# The learner that is drawn: a risk flag is a logistic regression. The other one's numbers are in the JSON.
DRAWN = "logistic"
MEASURES = ("auc", "average_precision", "calibration_error", "group_error")
# Rows of a household that a synthesiser with differential privacy learns from.
ROWS_PER_HOUSEHOLD = 3
DP_METHOD = "dp-tree"


@dataclass(frozen=True)
class Wanted:
    """
    What is compared. `items` are learnt from (None: all that the project may receive), `groups` compared.

    `ks`, `epsilons` and `methods` are the strengths of k-anonymity, of differential privacy and the
    synthesisers without a guarantee; an empty one leaves the protection out.
    """

    target: str
    items: tuple[str, ...] | None = None
    groups: tuple[str, ...] | None = None
    ks: tuple[int, ...] = (5, 10, 20)
    epsilons: tuple[float, ...] = (0.5, 1.0, 3.0, 10.0)
    methods: tuple[str, ...] = ("gaussian-copula",)
    seeds: int = LEAST_SEEDS
    hierarchies: Mapping[str, Hierarchy] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.seeds < LEAST_SEEDS:
            raise Usage(
                ja=f"比べる回数は {LEAST_SEEDS} 以上にしてください（--seeds）。一回では偶然の幅が分かりません。",
                en=f"Compare at least {LEAST_SEEDS} draws (--seeds): one does not show what chance does.",
            )
        if min(self.epsilons, default=1) <= 0 or min(self.ks, default=2) < 2:
            raise Usage(
                ja="ε は 0 より大きく、k は 2 以上にしてください。",
                en="Every epsilon must be above 0, and every k at least 2.",
            )


@dataclass(frozen=True)
class Trained:
    """A protected training table with what it is tested on, and what is known of its protection."""

    learnt: pd.DataFrame
    held: pd.DataFrame
    columns: Mapping[str, Column]
    protects: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Drawn:
    """One division of the households into those learnt from and those held out."""

    wanted: Wanted
    draft: Draft
    number: int

    @cached_property
    def columns(self) -> dict[str, Column]:
        """What is public about the items and the target, in the register's order."""
        known = {item.name: column_of(item) for item in self.draft.wanted}
        return {name: column for name, column in known.items() if column is not None}

    @cached_property
    def rows(self) -> dict[Part, pd.DataFrame]:
        """The raw rows of both parts whose outcome is known."""
        parts = self.draft.split
        frames = {part: self.draft.source[parts == str(part)] for part in PARTS}
        return {
            part: frame[frame[self.wanted.target].notna()].reset_index(drop=True)
            for part, frame in frames.items()
        }

    def bounded(self, part: Part) -> pd.DataFrame:
        return bounded(self.rows[part][list(self.columns)], columns=self.columns)

    @cached_property
    def control(self) -> pd.DataFrame:
        """The raw rows by which attacks are judged: of the training part's periods, of households held back."""
        rows = self.draft.source[self.draft.control]
        return rows[rows[self.wanted.target].notna()].reset_index(drop=True)

    @cached_property
    def task(self) -> Task:
        table = self.draft.table
        target = table[self.wanted.target]
        time = self.draft.room.project.time
        items = tuple(name for name in self.columns if name not in (self.wanted.target, time))
        return Task(target.name, positive(target), items, groups_of(self.draft, self.wanted))

    @cached_property
    def homes(self) -> "pd.Series[Any] | None":
        """The household of each training row."""
        column = self.draft.room.household or self.draft.room.person
        return None if column is None else self.rows[Part.TRAIN][column]

    def seed(self, purpose: str) -> int:
        drawn = self.draft.room.home.entropy(f"compare {self.draft.release} {self.number} {purpose}", size=8)
        return int.from_bytes(drawn, "big")

    def useful(self, trained: Trained) -> dict[str, Usefulness]:
        """Each learner on the protected table; groups are told apart by the real values."""
        task = self.task
        kept = tuple(item for item in task.items if item in trained.columns)
        found = usefulness(
            trained.learnt,
            trained.held,
            columns=trained.columns,
            task=Task(task.target, task.positive, kept, task.groups, task.capacity),
            groups=self.rows[Part.TEST],
        )
        return {one.learner: one for one in found}


def groups_of(draft: Draft, wanted: Wanted) -> tuple[str, ...]:
    """The items by which errors are compared: those asked for, else the project's subgroups and sex."""
    if wanted.groups is not None:
        unknown = sorted(set(wanted.groups) - set(draft.source.columns))
        if unknown:
            raise not_there(unknown)
        return wanted.groups
    items = [group.item for group in draft.room.project.subgroups if group.item != wanted.target]
    return tuple(dict.fromkeys(items))


def not_there(items: Sequence[str]) -> Unusable:
    return Unusable(
        ja=f"表にない項目です：{'、'.join(items)}。データ項目台帳で名前を確かめてください。",
        en=f"Not in the table: {', '.join(items)}; see the names in the item register.",
    )


# What is tried: a protection and its strength


@dataclass(frozen=True)
class Choice:
    """One row of the comparison: a protection at one strength, and how a training table is made with it."""

    protection: str
    strength: Text
    make: Callable[[Drawn], Trained]
    value: float | int | str | None = None


def choices(wanted: Wanted) -> Iterator[Choice]:
    """Every row of the page, from no protection on, in the order in which it is read."""
    yield Choice("none", Text("実データのまま", "real rows"), unprotected)
    for k in wanted.ks:
        yield Choice("anonymised", Text(f"k = {k}", f"k = {k}"), partial(anonymised, k=k), k)
    for epsilon in wanted.epsilons:
        label = f"ε = {epsilon:g}"
        yield Choice("dp", Text(label, label), partial(private, epsilon=epsilon), epsilon)
    for method in wanted.methods:
        yield Choice("synthetic", Text(method, method), partial(synthetic, method=method), method)


def unprotected(drawn: Drawn) -> Trained:
    return Trained(drawn.bounded(Part.TRAIN), drawn.bounded(Part.TEST), drawn.columns)


def anonymised(drawn: Drawn, *, k: int) -> Trained:
    """Generalised and suppressed as a release would be; the children held out are recoded, none left out."""
    draft = Draft(**{**vars_of(drawn.draft), "k": k})
    made = generalised(draft)
    released = [name for name in drawn.columns if name in {*made.quasi, *made.fixed}]
    if drawn.wanted.target not in released:
        raise Refused(
            ja="正解の項目が一般化で失われました。階層に細かい段を加えるか、k を下げてください。",
            en="Generalisation lost the target; add a finer level to its hierarchy, or ask for a smaller k.",
        )
    learnt = made.result.frame[made.result.frame[PART] == str(Part.TRAIN)]
    spec = {**made.result.spec, "items": {name: made.result.spec["items"][name] for name in released}}
    frames = [words(frame[released]) for frame in (learnt, recoded(drawn.rows[Part.TEST][released], spec))]
    columns = {
        name: Column(labels=tuple(sorted({value for f in frames for value in f[name].dropna()})))
        for name in released
    }
    attack, overall = prosecutor(made.result.classes), made.result.suppressed["overall"]
    protects = {
        "k": int(made.result.classes.children.min()),
        "highest": float(attack.highest),
        "average": float(attack.success),
        "suppressed": float(overall.share),
    }
    return Trained(frames[0].reset_index(drop=True), frames[1].reset_index(drop=True), columns, protects)


def words(frame: pd.DataFrame) -> pd.DataFrame:
    """Every value as it reads: a recoded item is a category, whatever it was before."""
    plain = frame.astype("object")
    return plain.astype(str).where(plain.notna(), None)


def private(drawn: Drawn, *, epsilon: float) -> Trained:
    """Rows of the target-aware tree; what the loss is about is a household."""
    made = synthesise(
        drawn.bounded(Part.TRAIN),
        columns=drawn.columns,
        seed=drawn.seed(f"dp {epsilon}"),
        method=DP_METHOD,
        targets=[drawn.wanted.target],
        households=drawn.homes,
        most=1 if drawn.homes is None else ROWS_PER_HOUSEHOLD,
        epsilon=epsilon,
        constraints=constraints_of(drawn.draft.table.constraints),
    )
    promise = {"epsilon": epsilon, "delta": DELTA}
    return Trained(made, drawn.bounded(Part.TEST), drawn.columns, {**promise, **attacked(drawn, made)})


def synthetic(drawn: Drawn, *, method: str) -> Trained:
    """Rows of a synthesiser that promises nothing, fitted as a release would be."""
    rows, columns = drawn.bounded(Part.TRAIN), drawn.columns
    holders = pd.Series(rows.index) if drawn.homes is None else drawn.homes
    least = int(drawn.draft.room.policy["synthetic_min_category_households"])
    fitted = with_rare_missing(rows, holders=holders, columns=columns, least=least)
    made = synthesise(
        fitted,
        columns=columns,
        rows=len(rows),
        seed=drawn.seed(f"synthetic {method}"),
        method=method,
        constraints=constraints_of(drawn.draft.table.constraints),
    )
    return Trained(made, drawn.bounded(Part.TEST), columns, attacked(drawn, made))


def attacked(drawn: Drawn, made: pd.DataFrame) -> dict[str, Any]:
    """The highest upper limit of each kind of attack, and which could not be evaluated."""
    table = drawn.draft.table
    columns = {name: c for name, c in drawn.columns.items() if name != drawn.draft.room.project.time}
    of_role = {
        role: [name for name in columns if table[name].role is role]
        for role in (ItemRole.QUASI_IDENTIFIER, ItemRole.SENSITIVE)
    }
    room = drawn.draft.room
    victims = [once(rows, room=room) for rows in (drawn.rows[Part.TRAIN], drawn.control)]
    real, other = (bounded(rows[list(drawn.columns)], columns=drawn.columns) for rows in victims)
    found = disclosure(
        real,
        other,
        bounded(made[list(columns)], columns=columns),
        columns=columns,
        known=of_role[ItemRole.QUASI_IDENTIFIER],
        sensitive=of_role[ItemRole.SENSITIVE],
        homes=homes(victims, room=room),
        seed=drawn.seed("attacks"),
    )
    return {"attacks": upper_limits(found)}


def upper_limits(found: Disclosure) -> dict[str, Any]:
    """By kind: the highest upper limit among what could be evaluated, None where nothing could."""
    kinds: dict[str, list[tuple[bool, float]]] = {}
    for risk in found.risks:
        kinds.setdefault(risk.name.split(":")[0], []).append((risk.evaluable, risk.upper))
    for one in found.membership:
        kinds.setdefault(one.name, []).append((one.evaluable, one.found.high))
    return {
        kind: {
            "upper": max((upper for known, upper in limits if known), default=None),
            "not_evaluated": sum(not known for known, _ in limits),
        }
        for kind, limits in kinds.items()
    }


# Trying everything


def compare(
    room: Room,
    wanted: Wanted,
    *,
    person: str,
    now: datetime,
    tell: Callable[[int, int, Text], None] = lambda *_: None,
) -> dict[str, Any]:
    """
    The comparison as plain data. `tell` hears which of how many trials begins.

    Counted before anything is computed. Raises Refused for who may not, where the year's evaluations are used
    up, or for a target that this project may not receive. A choice that is not possible on this table says why
    in its row, and the others go on.
    """
    People(room.state).expect_may(person, "evaluate")
    call = secrets.token_hex(8)
    draws = [drawn_of(room, wanted, call=call, number=number) for number in range(wanted.seeds)]
    for drawn in draws:
        expect_learnable(drawn)
    first = draws[0]
    counted = evaluations.count(
        room.state,
        table=room.project.source,
        subject=room.home.entropy(f"comparison {call}").hex(),
        kind="comparison",
        person=person,
        allowed=room.policy["evaluations_per_table"],
        now=now,
    )
    asked = list(choices(wanted))
    tried: list[list[dict[str, Any]]] = [[] for _ in asked]
    for number, drawn in enumerate(draws):
        for place, choice in enumerate(asked):
            tell(number * len(asked) + place + 1, wanted.seeds * len(asked), titled(choice))
            tried[place].append(trial(choice, drawn))
    table = room.register[room.project.source]
    return {
        "schema": SCHEMA,
        "table": {"name": table.name, "label": dict(table.label)},
        "purpose": room.project.purpose,
        "title": dict(room.project.title),
        "target": {
            "name": wanted.target,
            "label": dict(table[wanted.target].label),
            "value": first.task.positive,
        },
        "items": {name: dict(table[name].label) for name in first.task.items},
        "groups": {name: dict(table[name].label) for name in first.task.groups},
        "capacity": first.task.capacity,
        "rows": {str(part): len(first.rows[part]) for part in PARTS},
        "seeds": wanted.seeds,
        "learner": DRAWN,
        "made_at": to_text(now),
        "evaluation": counted.to_json(),
        "policy": {"profile": room.policy.profile, "digest": room.policy.digest},
        "source": source_digest(room),
        "choices": [row_of(choice, runs) for choice, runs in zip(asked, tried, strict=True)],
    }


def drawn_of(room: Room, wanted: Wanted, *, call: str, number: int) -> Drawn:
    """One division of the households, of its own seed; nothing is written by it."""
    key = room.home.entropy(f"compare {call} {number}").hex()
    draft = Draft(
        room,
        Path("nowhere"),
        call,
        hierarchies=wanted.hierarchies,
        items=asked_items(room, wanted),
        again={"split_key": key},
    )
    return Drawn(wanted, draft, number)


def asked_items(room: Room, wanted: Wanted) -> list[str]:
    """The items asked for and the target; the other targets would give the answer away."""
    releasable = {item.name: item for item in room.releasable(room.register[room.project.source])}
    if wanted.target not in releasable:
        raise Refused(
            ja=f"「{wanted.target[:64]}」はこの目的で公開できる項目ではありません。データ項目台帳の名前と理由を確かめてください。",
            en=f"'{wanted.target[:64]}' is no item that this project may receive; see its name and reason in the register.",
        )
    if wanted.items is not None:
        return [*wanted.items, wanted.target]
    others = set(room.targets) - {wanted.target}
    return [name for name in releasable if name not in others and is_usable(releasable[name])]


def is_usable(item: Item) -> bool:
    """Whether the register says enough of the item for every protection."""
    return column_of(item) is not None


def expect_learnable(drawn: Drawn) -> None:
    """Raise before anything is counted where the table cannot bear the comparison."""
    if drawn.wanted.target not in drawn.columns or not drawn.task.items:
        raise Unusable(
            ja="比べられる項目がありません。台帳に区分か範囲（minimum と maximum）のある項目を指定してください（--items）。",
            en="No item can be compared; name items whose values or range stand in the register (--items).",
        )
    for part in PARTS:
        labels = drawn.task.labels(drawn.rows[part])
        if min(int(labels.sum()), int((~labels).sum())) < LEAST:
            raise Unusable(
                ja=f"正解「{drawn.wanted.target}」の該当ありか該当なしが {LEAST} 人に満たず、比べられません。年度や地域をまとめた表を使ってください。",
                en=f"Fewer than {LEAST} children with or without '{drawn.wanted.target}': too few to compare; use a table of more years or areas.",
            )


def trial(choice: Choice, drawn: Drawn) -> dict[str, Any]:
    """One choice on one draw; where it is not possible, the sentence that says so."""
    try:
        made = choice.make(drawn)
    except WorkbenchError as error:
        return {"impossible": {"ja": error.ja, "en": error.en}}
    return {
        "use": {name: one.to_json() for name, one in drawn.useful(made).items()},
        "protects": dict(made.protects),
    }


def row_of(choice: Choice, runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A choice with its runs, and for each measure the mean and the spread over the draws."""
    return {
        "protection": choice.protection,
        "strength": choice.strength.to_json(),
        "value": choice.value,
        "impossible": next((run["impossible"] for run in runs if "impossible" in run), None),
        "measures": {
            name: spread([run["use"][DRAWN][name] for run in runs if "use" in run]) for name in MEASURES
        },
        "protects": protection_of([run["protects"] for run in runs if "protects" in run]),
        "runs": [dict(run) for run in runs],
    }


def spread(values: Sequence[Any]) -> dict[str, float] | None:
    """Mean, lowest and highest over the draws; None where any draw could not be learnt from."""
    found = [value["value"] if isinstance(value, Mapping) else value for value in values]
    if not found or any(value is None for value in found):
        return None
    return {"mean": round(fmean(found), 4), "low": min(found), "high": max(found)}


def protection_of(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The least that every draw gave: the smallest k, the highest risks and upper limits."""
    if not runs:
        return {}
    said: dict[str, Any] = {name: runs[0][name] for name in ("epsilon", "delta") if name in runs[0]}
    if "k" in runs[0]:
        said |= {"k": min(run["k"] for run in runs)}
        said |= {name: max(run[name] for run in runs) for name in ("highest", "average", "suppressed")}
    if "attacks" in runs[0]:
        said["attacks"] = {
            kind: worst_of([run["attacks"][kind] for run in runs]) for kind in runs[0]["attacks"]
        }
    return said


def worst_of(limits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    uppers = [limit["upper"] for limit in limits]
    return {
        "upper": None if None in uppers else max(uppers),
        "not_evaluated": max(limit["not_evaluated"] for limit in limits),
    }


PROTECTIONS = {
    "none": Text("保護なし", "No protection"),
    "anonymised": Text("匿名加工", "Anonymised"),
    "dp": Text("差分プライバシー", "Differential privacy"),
    "synthetic": Text("合成データ（保証なし）", "Synthetic, no guarantee"),
}


def titled(choice: Choice) -> Text:
    protection = PROTECTIONS[choice.protection]
    return Text(f"{protection.ja} {choice.strength.ja}", f"{protection.en}, {choice.strength.en}")


def vars_of(draft: Draft) -> dict[str, Any]:
    """The fields a draft was made of, without what it has cached."""
    return {name: getattr(draft, name) for name in Draft.__dataclass_fields__}
