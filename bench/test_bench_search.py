"""
The search, in units of one `numpy.unique` of the packed full table: what a single look at every row costs.

Unit and search are measured in turns in one process, and the least of each is taken: what else the machine does
adds to the others. CPU seconds, of all threads; wall seconds stand beside. ARX's figures are those of its warm
virtual machine in the same unit, its compiler and garbage collector not counted.
"""

import json
import math
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.privacy.anonymity import hierarchies
from workbench.privacy.anonymity.compact import Compact
from workbench.privacy.anonymity.hierarchies import Hierarchy, from_rows
from workbench.privacy.anonymity.lattice import Limits, Search
from workbench.privacy.anonymity.local import recode_locally
from workbench.privacy.anonymity.models import Model
from workbench.privacy.anonymity.threads import workers

ADULT = Path(__file__).parents[1] / "tests/data_files/adult"
# Suppression limit: units at most, and ARX 3.9.2's, warm.
UNITS = {0.0: (60, 75), 0.02: (200, 1_700), 0.05: (150, 1_900), 1.0: (200, 6_500)}
# Items of a health survey: values, and levels of generalisation with the raw one.
SURVEY = {
    "year": (13, 6), "quarter": (4, 3), "region": (4, 3), "number": (25, 4), "age": (86, 5), "marital": (10, 3),
    "sex": (2, 2), "race": (16, 2), "school": (26, 2),
}  # fmt: skip
# At most: a search in a new process, and the command, in processes that only import pandas (half a second where this was set); the
# survey's, in units of its own table (25 ms there, so that ten seconds of wall time are kept on one core even).
NEW_PROCESS, NEW_COMMAND, SURVEY_UNITS = 2.0, 2.5, 400
COLD = """
from pathlib import Path
import pandas as pd
from workbench.privacy.anonymity import hierarchies
from workbench.privacy.anonymity.compact import Compact
from workbench.privacy.anonymity.lattice import Limits, Search
from workbench.privacy.anonymity.models import Model
table = pd.read_csv({adult!r} + "/adult.csv.gz", sep=";", dtype=str, keep_default_na=False)
small = Compact.of(table, hierarchies=hierarchies.load(Path({adult!r})), quasi_identifiers=list(table),
    steps={{}}, persons=None, households=None, sensitive=[], groups={{}})
search = Search(small, models=[Model("k", 5)], limits=Limits(overall=0.05))
search.run()
assert search.best.suppressed == 1346
"""


COMMAND = """
from workbench.cli import workbench
words = ["data", "anonymise", {table!r}, "--separator", ";", "--hierarchies", {adult!r}, "--quasi-identifiers",
    {items!r}, "--model", "k=5", "--suppression-limit", "0.05", "--measure", "loss", "--recipe-only", "--json"]
workbench(words, standalone_mode=False)
"""


@pytest.fixture(scope="module")
def adult() -> pd.DataFrame:
    return pd.read_csv(ADULT / "adult.csv.gz", sep=";", dtype=str, keep_default_na=False)


def reduced(table: pd.DataFrame, ladders: dict[str, Hierarchy]) -> Compact:
    return Compact.of(
        table, hierarchies=ladders, quasi_identifiers=list(ladders), steps={}, persons=None, households=None,
        sensitive=[], groups={},
    )  # fmt: skip


def in_turns(*works: Callable[[], object], times: int) -> list[tuple[float, float]]:
    """CPU and wall seconds of the quickest call of each, called in turns."""
    found = [(math.inf, math.inf) for _ in works]
    for _ in range(times):
        for number, work in enumerate(works):
            wall, cpu = time.perf_counter(), time.process_time()
            work()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            found[number] = (min(found[number][0], cpu), min(found[number][1], wall))
    return found


def packed(table: pd.DataFrame) -> np.ndarray:
    """Each row as one number."""
    key = np.zeros(len(table), dtype=np.int64)
    for item in table:
        key = key * 120 + pd.factorize(table[item])[0]
    return key


@pytest.mark.parametrize("limit", UNITS)
def test_adult_at_k_5(adult, limit):
    ladders = hierarchies.load(ADULT)
    small = reduced(adult, {item: ladders[item] for item in adult})
    rows = packed(adult)

    def search() -> Search:
        found = Search(small, models=[Model("k", 5)], limits=Limits(overall=limit))
        found.run()
        return found

    looked_at = search().looked_at
    (cpu, wall), (unit, unit_wall) = in_turns(search, lambda: np.unique(rows), times=40)
    needed, arx = UNITS[limit]
    print(
        f"\nsearch, Adult, k = 5, Loss, {limit:.0%}: {cpu / unit:.0f} units of CPU, {wall / unit_wall:.0f} of wall "
        f"(one is {unit * 1000:.2f} ms), {looked_at} nodes; at most {needed}, ARX about {arx:,} "
        f"(load {os.getloadavg()[0]:.1f})"
    )
    assert cpu / unit <= needed


def process(code: str, **environment: str) -> tuple[float, float]:
    """CPU and wall seconds of a new Python process."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(
        [sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL, env={**os.environ, **environment}
    )
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, wall


def test_adult_from_a_new_process(adult, tmp_path):
    """From nothing compiled; then with the loops, and Python's own modules, on disk."""
    kept = {"NUMBA_CACHE_DIR": str(tmp_path / "loops"), "PYTHONPYCACHEPREFIX": str(tmp_path / "modules")}
    kept["PYTHONDONTWRITEBYTECODE"] = ""
    adult.to_csv(tmp_path / "adult.csv", sep=";", index=False)
    works = [
        COLD.format(adult=str(ADULT)),
        COMMAND.format(adult=str(ADULT), table=str(tmp_path / "adult.csv"), items=",".join(adult)),
        "import pandas",
    ]
    first, *_ = [process(work, **kept) for work in works]
    runs = [[process(work, **kept) for work in works] for _ in range(5)]
    search, command, floor = (np.min([run[number] for run in runs], axis=0) for number in range(3))

    print(
        f"\nAdult from a new process, once compiled: {search[1]:.2f} s wall (goal 1), {search[0]:.2f} s CPU; the "
        f"command {command[1]:.2f} s wall, {command[0]:.2f} s CPU; the first, which compiles, {first[1]:.1f} s wall, "
        f"{first[0]:.1f} s CPU. In processes that only import pandas ({floor[1]:.2f} s wall, {floor[0]:.2f} s CPU): "
        f"{search[0] / floor[0]:.2f} and {command[0] / floor[0]:.2f}, at most {NEW_PROCESS} and {NEW_COMMAND} "
        f"(load {os.getloadavg()[0]:.1f})"
    )
    assert search[0] / floor[0] <= NEW_PROCESS
    assert command[0] / floor[0] <= NEW_COMMAND


def survey(rows: int) -> tuple[pd.DataFrame, dict[str, Hierarchy]]:
    """A synthetic survey of nearly as many combinations as rows."""
    draw = np.random.default_rng(1)
    columns, ladders = {}, {}
    for item, (size, levels) in SURVEY.items():
        width = max(2, round(size ** (1 / (levels - 1))))
        ladders[item] = from_rows(
            item,
            [
                [f"v{v}", *(f"{level}.{v // width**level}" for level in range(1, levels - 1)), "*"]
                for v in range(size)
            ],
        )
        likely = 1 / np.arange(1, size + 1) ** 0.9
        codes = draw.choice(size, rows, p=likely / likely.sum())
        columns[item] = pd.Categorical.from_codes(codes, [f"v{v}" for v in range(size)])
    return pd.DataFrame(columns), ladders


def threads_cpu() -> dict[str, int]:
    """Clock ticks that each thread of this process has used."""
    found = {}
    for about in Path("/proc/self/task").glob("*/stat"):
        user, system = about.read_text().rpartition(")")[2].split()[11:13]
        found[about.parent.name] = int(user) + int(system)
    return found


def test_a_survey_of_a_million_rows():
    """Nine items, 5 % suppression, from the table to the optimum; ARX took 225 CPU seconds on one of its shape."""
    table, ladders = survey(1_200_000)
    rows = packed(table)
    ((unit, _),) = in_turns(lambda: np.unique(rows), times=3)
    before = threads_cpu()
    wall, cpu = time.perf_counter(), time.process_time()
    small = reduced(table, ladders)
    search = Search(small, models=[Model("k", 5)], limits=Limits(overall=0.05))
    search.run()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    used = [ticks - before.get(thread, 0) for thread, ticks in threads_cpu().items()]

    print(
        f"\nsearch, {len(table):,} rows, {len(small.rows):,} distinct, 5 %: {wall:.1f} s wall (goal 10), {cpu:.1f} s "
        f"CPU = {cpu / unit:.0f} units of {unit:.2f} s, at most {SURVEY_UNITS}; {search.looked_at} of {search.size:,} "
        f"nodes; the busiest thread did {max(used) / sum(used):.0%} (load {os.getloadavg()[0]:.1f})"
    )
    assert search.size == 25_920
    assert cpu / unit <= SURVEY_UNITS
    if workers() > 1:
        assert max(used) / sum(used) < 0.75


def test_local_recoding_of_adult(adult):
    """In ARX's own definition of granularity, which ours gives to nine digits for one node for all rows."""
    answers = json.loads((ADULT.parent / "arx_known_answers.json").read_text())["local_recoding"]
    theirs = next(a for a in answers if (a["data"], a["k"]) == ("adult", 5) and "Fast" in a["mode"])
    ladders = hierarchies.load(ADULT)
    found = []

    def recode() -> None:
        found.append(recode_locally(adult, hierarchies=ladders, quasi_identifiers=list(adult), k=5))

    rows = packed(adult)
    (cpu, wall), (unit, _) = in_turns(recode, lambda: np.unique(rows), times=3)
    ours = found[-1]
    suppressed = int((~ours.kept).sum())
    print(
        f"\nlocal recoding, Adult, k = 5: granularity {ours.granularity:.4f}, {len(ours.classes):,} classes, "
        f"{suppressed} suppressed, {cpu:.2f} s CPU = {cpu / unit:,.0f} units, {wall:.2f} s wall; ARX "
        f"{theirs['granularity']:.4f}, {theirs['classes']:,}, {theirs['suppressed_rows']}, {theirs['cpu']:.1f} s CPU"
    )
    assert ours.granularity >= theirs["granularity"]
    assert len(ours.classes) >= theirs["classes"]
    assert suppressed == 0
