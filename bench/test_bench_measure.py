"""
What measuring a table costs: against pycanon, and against only reading it and grouping it once.

CPU and wall seconds are shown; ratios are asserted on CPU, which other work on the machine disturbs less.
"""

import multiprocessing
import os
import resource
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pycanon import anonymity

from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.measure import measure, of_classes, of_spread
from workbench.privacy.anonymity.spread import Spread

# How many values each quasi-identifier has: 10 million combinations could be met.
SIZES = (2, 19, 8, 47, 6, 5, 12, 10)
QUASI = [f"item{n}" for n in range(len(SIZES))]
# rows: distinct combinations, few and many
CLASSES = {100_000: 23_600, 1_000_000: 236_000, 10_000_000: 2_000_000}
FEW = 1_200
# CPU seconds that one of pycanon's metrics is given: other work on the machine must not decide what ends.
PATIENCE = 120

PYCANON: dict[str, Callable[..., object]] = {
    "k": lambda table: anonymity.k_anonymity(table, QUASI),
    "alpha, k": lambda table: anonymity.alpha_k_anonymity(table, QUASI, ["ill"]),
    "distinct l": lambda table: anonymity.l_diversity(table, QUASI, ["ill"]),
    "entropy l": lambda table: anonymity.entropy_l_diversity(table, QUASI, ["ill"]),
    "recursive c, l": lambda table: anonymity.recursive_c_l_diversity(table, QUASI, ["ill"]),
    "basic beta": lambda table: anonymity.basic_beta_likeness(table, QUASI, ["ill"]),
    "enhanced beta": lambda table: anonymity.enhanced_beta_likeness(table, QUASI, ["ill"]),
    "t": lambda table: anonymity.t_closeness(table, QUASI, ["ill"]),
    "delta": lambda table: anonymity.delta_disclosure(table, QUASI, ["ill"]),
}


def survey(rows: int, *, classes: int) -> pa.Table:
    """Rows of exactly so many combinations, 14 illnesses, two children a household."""
    draw = np.random.default_rng(1)
    met = draw.choice(np.prod(SIZES), size=classes, replace=False)
    of = np.concatenate([np.arange(classes), draw.integers(0, classes, rows - classes)])
    draw.shuffle(of)
    codes = dict(zip(QUASI, np.unravel_index(met[of], SIZES), strict=True))
    texts = {name: words(code) for name, code in codes.items() if name not in ("item1", "item5")}
    return pa.table(
        {name: texts.get(name, code) for name, code in codes.items()}
        | {"ill": words(draw.integers(0, 14, rows)), "home": draw.permutation(rows) // 2}
    )


def words(codes: np.ndarray) -> pa.Array:
    spelled = [f"value {n}" for n in range(int(codes.max()) + 1)]
    return pa.DictionaryArray.from_arrays(codes.astype(np.int32), spelled).cast(pa.string())


def least(work: Callable[[], object], *, times: int) -> tuple[float, float]:
    """CPU and wall seconds of the quickest of several calls."""
    found = []
    for _ in range(times):
        cpu, wall = time.process_time(), time.perf_counter()
        work()
        found.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(cpu for cpu, _ in found), min(wall for _, wall in found)


@pytest.mark.timeout(3600)
def test_every_metric_against_pycanon():
    """
    At 100,000 rows in 23,600 classes: all our metrics of classes and of one sensitive item, pycanon's that end.

    What pycanon does not finish within its time counts for nothing.
    """
    table = survey(100_000, classes=CLASSES[100_000]).to_pandas()

    def ours() -> None:
        classes = Classes.of(table, QUASI)
        of_classes(classes), of_spread(Spread.of(classes, table["ill"]))

    mine, wall = least(ours, times=5)
    theirs = {name: patiently(measured, table) for name, measured in PYCANON.items()}

    ended = {name: cpu for name, cpu in theirs.items() if cpu is not None}
    for name, cpu in theirs.items():
        print(f"\n  pycanon {name}: " + ("not ended" if cpu is None else f"{cpu:.1f} s CPU"), end="")
    ratio = sum(ended.values()) / mine
    print(
        f"\nall metrics, 100,000 rows: {mine:.3f} s CPU, {wall:.3f} s wall; pycanon's {len(ended)} "
        f"{sum(ended.values()):.0f} s CPU, {ratio:,.0f} times (load {os.getloadavg()[0]:.1f})"
    )
    assert ratio >= 1_000


def patiently(measured: Callable[[pd.DataFrame], object], table: pd.DataFrame) -> float | None:
    """CPU seconds in a process of its own; None when it has not ended in time."""
    context = multiprocessing.get_context("fork")
    answer = context.SimpleQueue()

    def run() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (PATIENCE, PATIENCE))
        began = time.process_time()
        measured(table)
        answer.put(time.process_time() - began)

    child = context.Process(target=run)
    child.start()
    child.join()
    return answer.get() if not answer.empty() else None


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("many", [False, True], ids=["few classes", "many classes"])
def test_the_whole_report_against_one_grouping(many, tmp_path):
    """At 1 and 10 million rows at most three times the floor, and ten times the rows at most twelve times the cost."""
    smaller, larger = (
        report_and_floor(tmp_path, rows=rows, classes=CLASSES[rows] if many else FEW, times=times)
        for rows, times in ((1_000_000, 5), (10_000_000, 2))
    )

    print(f"growth from 1 to 10 million rows: {larger / smaller:.1f}-fold")
    assert larger <= 12 * smaller


def report_and_floor(folder: Path, *, rows: int, classes: int, times: int) -> float:
    """
    CPU seconds of the whole report on a Parquet file, not above three times the floor.

    The floor reads the same columns and groups the quasi-identifiers once; it knows no household.
    """
    path, names = folder / f"{rows}.parquet", ", ".join(QUASI)
    pq.write_table(survey(rows, classes=classes), path)

    def floor() -> None:
        duckdb.sql(f"SELECT {names}, ill, home FROM '{path}'").to_arrow_table()
        duckdb.sql(f"SELECT {names}, count(*) FROM '{path}' GROUP BY ALL").to_arrow_table()

    def report() -> None:
        found = measure(path, quasi_identifiers=QUASI, sensitive=["ill"], households="home")
        assert found["classes"] == classes

    floor_cpu, floor_wall = least(floor, times=times)
    cpu, wall = least(report, times=times)
    print(
        f"\nthe whole report, {rows:,} rows, {classes:,} classes: {cpu:.2f} s CPU, {wall:.2f} s wall, "
        f"floor {floor_cpu:.2f} and {floor_wall:.2f}, ratio {cpu / floor_cpu:.2f} and {wall / floor_wall:.2f} "
        f"(load {os.getloadavg()[0]:.1f})"
    )
    assert cpu <= 3 * floor_cpu
    return cpu


@pytest.mark.skipif(
    "BENCH_100M" not in os.environ, reason="needs 2 GB of disk and some minutes: BENCH_100M=1"
)
@pytest.mark.timeout(3600)
def test_a_hundred_million_rows_in_eight_gigabytes(tmp_path, monkeypatch):
    """Ten files as one table, DuckDB bounded, in a process of its own."""
    folder = tmp_path / "survey"
    folder.mkdir()
    tenth = survey(10_000_000, classes=CLASSES[10_000_000])
    for part in range(10):
        homes = pa.array(tenth.column("home").to_numpy() + part * 10_000_000)
        pq.write_table(
            tenth.set_column(tenth.column_names.index("home"), "home", homes), folder / f"{part}.parquet"
        )
    del tenth, homes
    monkeypatch.setenv("WORKBENCH_MEMORY", "4GB")

    began = time.perf_counter()
    peak = in_new_process(folder)

    print(f"\n100,000,000 rows: {time.perf_counter() - began:.0f} s wall, {peak / 2**30:.1f} GB at most")
    assert peak < 8 * 2**30


def in_new_process(path: Path) -> int:
    """Bytes of memory that measuring takes at most."""
    context = multiprocessing.get_context("spawn")
    answer = context.SimpleQueue()
    child = context.Process(target=peak_of_measuring, args=(path, answer))
    child.start()
    child.join()
    return answer.get()


def peak_of_measuring(path: Path, answer: "multiprocessing.SimpleQueue[int]") -> None:
    measure(path, quasi_identifiers=QUASI, sensitive=["ill"], households="home")
    answer.put(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
