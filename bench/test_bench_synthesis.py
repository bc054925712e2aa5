"""
Synthesisers beside each other: what each costs, keeps, is worth to who learns from it, and discloses.

On the synthetic city (one row a child of the last year, households held out) and on Adult (rows held out).
Private ones at epsilon 1, 3 and 10 for a household, at most two of its children learnt from, with their
spread over seeds. Every fit runs in a process of its own that has its libraries loaded, so CPU seconds are
those of fitting; the memory is the most that the process held, libraries and rows with it.

AIM's default takes minutes for a fit and hours for nine: here it gets `AIM_ROUNDS` rounds, a model of
`AIM_MEGABYTES` and `AIM_SEEDS` seeds for each epsilon, which the table says; unbounded on Adult at epsilon 1
it took 403 CPU seconds. Fewer rounds make AIM faster and its rows worse: its time in the table flatters it, so the
ratio of times asserted is to AIM's advantage, and what its rows are worth is below what it can do unbounded.

    make bench
    AIM_ROUNDS=0 AIM_SEEDS=3 make bench      unbounded, three seeds: some hours
"""

import json
import os
import resource
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from workbench.data.register import Register
from workbench.population import generate
from workbench.privacy.synthesis.columns import Column, Columns, bounded
from workbench.privacy.synthesis.disclosure import disclosure
from workbench.privacy.synthesis.fidelity import fidelity
from workbench.privacy.synthesis.interface import Task
from workbench.privacy.synthesis.synthesisers import SYNTHESISERS, Fitted, loss_within
from workbench.privacy.synthesis.usefulness import Task as Question
from workbench.privacy.synthesis.usefulness import usefulness
from workbench.release.staged_synthetic import column_of

HERE = Path(__file__).parents[1]
ADULT, CITY = HERE / "tests/data_files/adult", HERE / "datasets/synthetic"
ITEMS = (
    "grade", "sex", "es_district", "hh_type", "n_children", "moves_3y", "tax_exempt", "eq_income", "spa",
    "school_aid", "welfare", "arrears", "checks_missed", "absent_days", "late_days", "nurse_visits", "bullied",
    "score_dev", "poverty", "absent_30d_next_year",
)  # fmt: skip
# Loaded before the clock starts.
LOADED = {
    "dp-tree": ("opendp.prelude",),
    "aim": ("opendp.prelude", "jax", "mbi", "polars"),
    "gaussian-copula": ("sdv.single_table",),
}
EPSILONS, SEEDS, MOST, HELD = (1.0, 3.0, 10.0), (0, 1, 2), 2, 0.3
AIM_ROUNDS = int(os.environ.get("AIM_ROUNDS", "12"))
AIM_MEGABYTES = float(os.environ.get("AIM_MEGABYTES", "2"))
AIM_SEEDS = int(os.environ.get("AIM_SEEDS", "1"))
HUNDREDTH = 100


@dataclass(frozen=True)
class Table:
    """What is learnt from and what is held out; the first target is what is asked, the last the rarest."""

    name: str
    columns: Columns
    train: pd.DataFrame
    held: pd.DataFrame
    households: "pd.Series[Any] | None"
    targets: dict[str, str]
    known: tuple[str, ...]
    sensitive: tuple[str, ...]

    @property
    def question(self) -> Question:
        target, positive = next(iter(self.targets.items()))
        return Question(target, positive, tuple(name for name in self.columns if name not in self.targets))

    @property
    def rarest(self) -> tuple[str, str]:
        return list(self.targets.items())[-1]


@cache
def city() -> Table:
    """Every child of the last year with an outcome, twenty items, its family as its household."""
    made = generate("city", 1).truth_child_year
    rows = made[made["fy"] == made["fy"].max()].reset_index(drop=True)
    register = Register.load(CITY / "register.yaml")["child_year"]
    columns = {name: with_cuts(name, column_of(register[name])) for name in ITEMS}
    frame = bounded(rows[list(ITEMS)], columns=columns)
    families = np.random.default_rng(0).permutation(rows["family"].unique())
    held = rows["family"].isin(set(families[: round(HELD * len(families))])).to_numpy()
    return Table(
        "city",
        columns,
        frame[~held].reset_index(drop=True),
        frame[held].reset_index(drop=True),
        rows.loc[~held, "family"].reset_index(drop=True),
        {"poverty": "yes", "absent_30d_next_year": "yes"},
        known=("grade", "sex", "es_district", "hh_type", "n_children"),
        sensitive=("welfare", "poverty"),
    )


def with_cuts(name: str, column: Column | None) -> Column:
    """The public cut points of the item's ladder."""
    assert column is not None
    ladder = CITY / f"hierarchies/child_year_hierarchy_{name}.json"
    if column.is_category or not ladder.exists():
        return column
    return replace(column, cuts=tuple(json.loads(ladder.read_bytes())["levels"][0]["edges"]))


@cache
def adult() -> Table:
    """A row is a person; the categories are those of the hierarchies' files."""
    rows = pd.read_csv(ADULT / "adult.csv.gz", sep=";", dtype=str, keep_default_na=False)
    columns = {name: adult_column(name) for name in rows}
    frame = bounded(rows, columns=columns)
    order = np.random.default_rng(0).permutation(len(frame))
    cut = round(HELD * len(frame))
    return Table(
        "adult",
        columns,
        frame.iloc[order[cut:]].reset_index(drop=True),
        frame.iloc[order[:cut]].reset_index(drop=True),
        None,
        {"salary-class": ">50K"},
        known=("sex", "age", "race", "marital-status", "education"),
        sensitive=("occupation", "salary-class"),
    )


def adult_column(name: str) -> Column:
    if name == "age":
        return Column(minimum=17, maximum=90)
    lines = (ADULT / f"adult_hierarchy_{name}.csv").read_text().splitlines()
    return Column(labels=tuple(sorted({line.split(";")[0] for line in lines if line})))


TABLES = {"city": city, "adult": adult}


@dataclass(frozen=True)
class Case:
    """One fit."""

    method: str
    epsilon: float | None
    seed: int

    @property
    def label(self) -> str:
        return self.method if self.epsilon is None else f"{self.method} ε {self.epsilon:g}"


def cases() -> Iterator[Case]:
    yield Case("gaussian-copula", None, 0)
    for epsilon in EPSILONS:
        yield from (Case("dp-tree", epsilon, seed) for seed in SEEDS)
        if all(map(find_spec, ("jax", "mbi", "polars"))):
            yield from (Case("aim", epsilon, seed) for seed in range(AIM_SEEDS))


@dataclass
class Run:
    """What one fit cost and what its rows are worth."""

    case: Case
    fit: float
    sample: float
    megabytes: float
    shapes: float = 0.0
    pairs: float = 0.0
    auc: dict[str, float] = field(default_factory=dict)
    precision: dict[str, float] = field(default_factory=dict)
    rare: float = 0.0
    risk: float | None = None
    membership: float | None = None

    @property
    def worth(self) -> float:
        """The mean of both learners' AUC on the rows held out."""
        return statistics.mean(self.auc.values())


def fitted_apart(table: Table, case: Case, pipe: Connection) -> None:
    """Fit and sample in this process; send what it cost, and the rows."""
    for library in LOADED[case.method]:
        import_module(library)
    task = Task(
        frame=table.train,
        columns=table.columns,
        targets=tuple(table.targets),
        households=table.households,
        most=1 if table.households is None else MOST,
        loss=None if case.epsilon is None else loss_within(case.epsilon),
        entropy=case.seed,
    )
    began = time.process_time()
    fitted = Fitted(task, sampler(task, case))
    between = time.process_time()
    made = fitted.sample(fitted.rows, order=np.random.default_rng(case.seed))
    pipe.send((between - began, time.process_time() - between, memory(), made))


def sampler(task: Task, case: Case) -> Any:
    if case.method == "aim":
        from workbench.privacy.synthesis import aim

        return aim.aim(task, rounds=AIM_ROUNDS or None, megabytes=AIM_MEGABYTES)
    return SYNTHESISERS[case.method].fit(task)


def memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(table: Table, case: Case) -> Run:
    ours, theirs = get_context("spawn").Pipe(duplex=False)
    process = get_context("spawn").Process(target=fitted_apart, args=(table, case, theirs))
    process.start()
    theirs.close()
    fit, sample, megabytes, made = ours.recv()
    process.join()
    return judged(table, made, Run(case, fit, sample, megabytes))


def judged(table: Table, made: pd.DataFrame, found: Run) -> Run:
    kept = fidelity(table.train, made, columns=table.columns)
    found.shapes, found.pairs = kept.shapes, kept.pairs
    for one in usefulness(made, table.held, columns=table.columns, task=table.question):
        found.auc[one.learner] = one.auc.value if one.auc else 0.5
        found.precision[one.learner] = one.average_precision or 0.0
    target, positive = table.rarest
    real, share = (float((frame[target] == positive).mean()) for frame in (table.train, made))
    found.rare = share / real
    if found.case.seed == 0:
        told = disclosure(
            table.train, table.held, made, columns=table.columns, known=table.known, sensitive=table.sensitive, seed=0
        )  # fmt: skip
        found.risk = max(risk.upper for risk in told.risks)
        found.membership = max(one.auc.value for one in told.membership)
    return found


def ceiling(table: Table) -> list[str]:
    real = usefulness(table.train, table.held, columns=table.columns, task=table.question)
    return [
        f"{one.learner} AUC {one.auc.value:.3f}, AP {one.average_precision:.3f}" for one in real if one.auc
    ]


HEADER = (
    "method", "fit CPU s", "sample", "MB", "shapes", "pairs", "AUC boosting", "logistic", "AP boosting", "logistic",
    "rare", "risk", "member",
)  # fmt: skip


def line(runs: list[Run]) -> list[str]:
    def of(values: list[float]) -> str:
        if not values:
            return "-"
        mean = statistics.mean(values)
        return f"{mean:.3f}" if len(values) == 1 else f"{mean:.3f}±{statistics.stdev(values):.3f}"

    figures = [
        [one.fit for one in runs],
        [one.sample for one in runs],
        [one.megabytes for one in runs],
        [one.shapes for one in runs],
        [one.pairs for one in runs],
        *([one.auc[learner] for one in runs] for learner in ("boosting", "logistic")),
        *([one.precision[learner] for one in runs] for learner in ("boosting", "logistic")),
        [one.rare for one in runs],
        [one.risk for one in runs if one.risk is not None],
        [one.membership for one in runs if one.membership is not None],
    ]
    return [runs[0].case.label, *map(of, figures)]


@pytest.mark.parametrize("name", TABLES)
def test_synthesisers_beside_each_other(name):
    """Our default is at least as good for who learns as any other private method, in a hundredth of its time."""
    table = TABLES[name]()
    found: dict[str, list[Run]] = {}
    for case in cases():
        found.setdefault(case.label, []).append(run(table, case))
    print(f"\n{name}: {len(table.train):,} rows of {len(table.columns)} items, {len(table.held):,} held out")
    print("real rows: " + "; ".join(ceiling(table)))
    print(f"AIM: {AIM_ROUNDS or 'unbounded'} rounds, {AIM_MEGABYTES:g} MB, {AIM_SEEDS} seed(s) an epsilon")
    print("rare: made share / real share of the rarest outcome; risk: highest upper bound; member: AUC\n")
    rows = [list(HEADER), *(line(runs) for runs in found.values())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)))

    for epsilon in EPSILONS:
        ours, theirs = found[f"dp-tree ε {epsilon:g}"], found.get(f"aim ε {epsilon:g}")
        if theirs is None:
            pytest.skip("AIM is not installed: make aim")
        assert statistics.mean(one.worth for one in ours) >= statistics.mean(one.worth for one in theirs)
        assert HUNDREDTH * max(one.fit for one in ours) <= min(one.fit for one in theirs)
