"""
The search equals brute force: on a thousand small random tables, every model with every measure and limit.

What is compared with is written out below in plain Python, from the definitions, and shares with the search
neither grouping nor measures nor models; it looks at every node.
"""

import itertools
import math
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import linprog

from workbench.privacy.anonymity import kernels, kernels_compiled, kernels_plain
from workbench.privacy.anonymity.best_first import BestFirst
from workbench.privacy.anonymity.compact import Compact
from workbench.privacy.anonymity.grouping import Grouping
from workbench.privacy.anonymity.hierarchies import from_rows
from workbench.privacy.anonymity.lattice import Limits, Search
from workbench.privacy.anonymity.looks import Looks
from workbench.privacy.anonymity.measures import AGGREGATES, MEASURES, ByItem, Measure
from workbench.privacy.anonymity.models import MODELS, Model

AREA = [["a", "north", "*"], ["b", "north", "*"], ["c", "south", "*"], ["d", "south", "*"]]
SEX = [["f", "*"], ["m", "*"]]
YEAR = [[str(n), f"{n // 2}", f"{n // 4}-", "*"] for n in range(8)]
JOB = [["1", "low", "*"], ["2", "low", "*"], ["3", "high", "*"], ["4", "high", "*"]]
OF_POPULATION = {"k-map", "delta-presence"}
TABLES = {"area": AREA, "sex": SEX, "year": YEAR}
LADDERS = {item: from_rows(item, rows) for item, rows in TABLES.items()}
ITEMS = list(TABLES)
NODES = list(itertools.product(*(range(len(rows[0])) for rows in TABLES.values())))
LIMITS = [0.0, 0.1, 0.4, 1.0]
ENOUGH = 1e-12

# A model's possible limits, tight and loose, and what else it is given.
ASKED = {
    "k": ([2, 3, 5], {}),
    "k-households": ([2, 3], {}),
    "k-map": ([2, 4], {}),
    "delta-presence": ([0.4, 0.8], {}),
    "distinct-l": ([2, 3], {"item": "job"}),
    "harmful-l": ([2, 3], {"item": "job", "harmful": ("1",)}),
    "confidence": ([0.3, 0.6], {"item": "job", "harmful": ("1", "2")}),
    "entropy-l": ([1.5, 2.5], {"item": "job"}),
    "recursive-cl": ([2, 3], {"item": "job", "c": 1.5}),
    "equal-t": ([0.2, 0.5], {"item": "job"}),
    "ordered-t": ([0.1, 0.3], {"item": "job", "order": ("1", "2", "3", "4")}),
    "hierarchical-t": ([0.15, 0.4], {"item": "job", "hierarchy": from_rows("job", JOB)}),
    "delta-disclosure": ([0.5, 1.5], {"item": "job"}),
    "basic-beta": ([0.5, 2.0], {"item": "job"}),
    "enhanced-beta": ([0.5, 2.0], {"item": "job"}),
    "average-risk": ([0.2, 0.5], {}),
    "sample-uniqueness": ([0.0, 0.1, 0.3], {}),
}


@dataclass(frozen=True)
class Task:
    frame: pd.DataFrame
    population: pd.DataFrame
    models: list[Model]
    measure: Measure
    limits: Limits


def task(number: int) -> Task:
    """Model, measure and limit count up together, so that a thousand numbers meet every one with every other."""
    draw = np.random.default_rng(number)
    names, measures = list(MODELS), list(MEASURES)
    name = names[number % len(names)]
    measure = measures[number // len(names) % len(measures)]
    limit = LIMITS[number // len(names) // len(measures) % len(LIMITS)]
    frame = table(draw, rows=int(draw.integers(1, 40)))
    others = draw.choice(names, size=int(draw.integers(0, 3)), replace=False)
    group = draw.random(len(frame)) < 0.4
    return Task(
        frame=frame,
        population=pd.concat([frame, table(draw, rows=20)], ignore_index=True)[ITEMS],
        models=[model(draw, each) for each in dict.fromkeys([name, *others.tolist()])],
        measure=asked(draw, measure),
        limits=Limits(
            overall=limit,
            subgroup=float(draw.choice([0.2, 1.0])),
            subgroups={"group": group} if number % 3 else {},
        ),
    )


def table(draw: np.random.Generator, *, rows: int) -> pd.DataFrame:
    """Few values, so that classes come about."""
    return pd.DataFrame(
        {
            "area": draw.choice(list("abcd"), rows, p=[0.4, 0.3, 0.2, 0.1]),
            "sex": draw.choice(list("fm"), rows),
            "year": draw.integers(0, 8, rows).astype(str),
            "job": draw.choice(list("1234"), rows, p=[0.2, 0.4, 0.3, 0.1]),
            "home": draw.integers(0, max(rows // 2, 1), rows),
        }
    )


def model(draw: np.random.Generator, name: str) -> Model:
    limits, given = ASKED[name]
    return Model(name, float(draw.choice(limits)), **given)


def asked(draw: np.random.Generator, name: str) -> Measure:
    if not isinstance(MEASURES[name], ByItem):
        return Measure(name)
    suppression = 0.5 if name == "normalised-entropy" else float(draw.choice([0.0, 0.3, 0.5, 0.8, 1.0]))
    weights = (
        dict(zip(ITEMS, draw.choice([0.0, 0.5, 1.0, 2.0], 3), strict=True)) if draw.random() < 0.5 else {}
    )
    if weights and not any(weights.values()):
        weights = {}
    return Measure(
        name, str(draw.choice(list(AGGREGATES))), suppression, {k: float(v) for k, v in weights.items()}
    )


def compact(of: Task) -> Compact:
    return Compact.of(
        of.frame,
        hierarchies=LADDERS,
        quasi_identifiers=ITEMS,
        steps={},
        persons=None,
        households="home",
        sensitive=["job"],
        groups=of.limits.subgroups,
        population=of.population if any(m.name in OF_POPULATION for m in of.models) else None,
    )


# --- Brute force -----------------------------------------------------------------------------------------


def shown(row: dict, node: tuple[int, ...]) -> tuple[str, ...]:
    return tuple(
        next(line for line in TABLES[i] if line[0] == row[i])[step]
        for i, step in zip(ITEMS, node, strict=True)
    )


def shares(values: list[str]) -> dict[str, float]:
    return {value: count / len(values) for value, count in Counter(values).items()}


def distance(here: dict[str, float], whole: dict[str, float], apart) -> float:
    """The earth mover's distance of two distributions over four values."""
    values = tuple(sorted(whole))
    return moved(
        values,
        tuple(here.get(v, 0) for v in values),
        tuple(whole[v] for v in values),
        tuple(apart(a, b) for a in values for b in values),
    )


@cache
def moved(values: tuple, here: tuple, whole: tuple, cost: tuple) -> float:
    """The cost of the cheapest of all ways to move."""
    sides = [[i == n for i in range(len(values)) for _ in values] for n in range(len(values))]
    sides += [[j == n for _ in values for j in range(len(values))] for n in range(len(values))]
    found = linprog(
        cost,
        A_eq=np.array(sides, dtype=float),
        b_eq=[*here, *whole],
    )
    return float(found.fun)


def class_fails(model: Model, rows: list[dict], of: Task, people: int) -> bool:  # noqa: PLR0911, PLR0912
    jobs = [row["job"] for row in rows]
    here, whole = shares(jobs), shares(list(of.frame["job"]))
    known = [value for value in model.order or () if value in whole]
    harm = [value for value in jobs if model.harmful is None or value in model.harmful]
    falling = sorted(Counter(jobs).values(), reverse=True)
    limit = model.limit
    match model.name:
        case "k":
            return len(rows) < limit
        case "k-households":
            return len({row["home"] for row in rows}) < limit
        case "k-map":
            return people < limit
        case "delta-presence":
            return len(rows) / people > limit + ENOUGH
        case "distinct-l":
            return len(set(jobs)) < limit
        case "harmful-l":
            return bool(harm) and len(set(jobs)) < limit
        case "confidence":
            return max((n / len(jobs) for n in Counter(harm).values()), default=0) > limit
        case "entropy-l":
            return math.exp(-sum(p * math.log(p) for p in here.values())) < limit - ENOUGH
        case "recursive-cl":
            return not falling[0] < model.c * sum(falling[int(limit) - 1 :])
        case "equal-t":
            return sum(abs(here.get(v, 0) - p) for v, p in whole.items()) / 2 > limit + ENOUGH
        case "ordered-t":
            far = distance(
                here, whole, lambda a, b: abs(known.index(a) - known.index(b)) / max(len(known) - 1, 1)
            )
            return far > limit + 1e-9
        case "hierarchical-t":
            return (
                distance(
                    here,
                    whole,
                    lambda a, b: 0 if a == b else (0.5 if ("12".count(a) == "12".count(b)) else 1),
                )
                > limit + 1e-9
            )
        case "delta-disclosure":
            return max(abs(math.log2(p / whole[v])) for v, p in here.items()) >= limit - ENOUGH
        case "basic-beta":
            return any((p - whole[v]) / whole[v] > limit + ENOUGH for v, p in here.items())
        case "enhanced-beta":
            return any(
                (p - whole[v]) / whole[v] > min(limit, -math.log(whole[v])) + ENOUGH for v, p in here.items()
            )
    raise AssertionError(model.name)


def holds(model: Model, classes: list[list[int]]) -> bool:
    rows = sum(map(len, classes))
    if model.name == "average-risk":
        return len(classes) <= model.limit * rows + ENOUGH
    return sum(len(members) == 1 for members in classes) <= model.limit * rows + ENOUGH


def judged(node: tuple[int, ...], of: Task, rows: list[dict]) -> tuple[set[int], list[list[int]]]:
    """The rows that go at a node, and its classes."""
    classes = defaultdict(list)
    for place, row in enumerate(rows):
        classes[shown(row, node)].append(place)
    people = Counter(shown(row, node) for row in of.population.to_dict("records"))

    def covered(place: int) -> float:
        """Of classes of one size the finer one goes first, when what covers little is what costs little."""
        at = zip(ITEMS, node, strict=True)
        shares = [(cover(i, step, rows[place][i]) - 1) / (len(TABLES[i]) - 1) for i, step in at]
        return round(sum(shares), 9) if of.measure.name == "loss" else 0.0

    of_class = [m for m in of.models if m.name not in {"average-risk", "sample-uniqueness"}]
    kept = [
        (label, members)
        for label, members in classes.items()
        if not any(class_fails(m, [rows[i] for i in members], of, people[label]) for m in of_class)
    ]
    left = sorted(
        (members for _, members in kept), key=lambda members: (len(members), covered(members[0]), members[0])
    )
    # In the order of the table of models, each on what the one before it left.
    for name in [m for m in of.models if m not in of_class]:
        while left and not holds(name, left):
            left.pop(0)
    return set(range(len(rows))) - {i for members in left for i in members}, list(classes.values())


def cover(item: str, step: int, value: str) -> int:
    label = next(line[step] for line in TABLES[item] if line[0] == value)
    return sum(line[step] == label for line in TABLES[item])


def bits(counts: Counter, total: int) -> float:
    return sum(n * math.log2(total / n) for n in counts.values())


def by_item(measure: Measure, node: tuple[int, ...], bad: set[int], rows: list[dict]) -> list[float]:
    g = 1.0 if measure.suppression <= 0.5 else 2 - 2 * measure.suppression
    s = min(1.0, 2 * measure.suppression)
    found = []
    for axis, (item, step) in enumerate(zip(ITEMS, node, strict=True)):
        lines = TABLES[item]
        size = len(lines)
        if measure.name == "loss":
            costs = [
                (c / size) + s * (1 - c / size) if i in bad else g * c / size
                for i, c in enumerate(cover(item, step, row[item]) for row in rows)
            ]
            found.append((sum(costs) / len(rows) - g / size) / (1 - g / size))
        elif measure.name == "precision":
            level = step / (len(lines[0]) - 1)
            found.append(sum(s if i in bad else g * level for i in range(len(rows))) / len(rows))
        elif measure.name == "height":
            found.append(float(step))
        else:
            raw = Counter(row[item] for row in rows)
            labels = Counter(shown(row, node)[axis] for row in rows)
            lost = Counter(shown(rows[i], node)[axis] for i in bad)
            open_ = bits(raw, len(rows)) - bits(labels, len(rows))
            said = 0.0 if measure.name == "entropy-monotone" else s * bits(lost, len(bad))
            whole = bits(raw, len(rows)) if measure.name == "normalised-entropy" else 1.0
            found.append((g * open_ + said) / whole if whole else 0.0)
    return found


def of_table(
    name: str, node: tuple[int, ...], bad: set[int], classes: list[list[int]], rows: list[dict]
) -> float:
    kept = [members for members in classes if members[0] not in bad]
    every = math.prod(map(len, TABLES.values()))

    def area(row: dict) -> int:
        return math.prod(cover(i, step, row[i]) for i, step in zip(ITEMS, node, strict=True))

    match name:
        case "discernibility":
            return sum(len(m) ** 2 for m in kept) + len(rows) * len(bad)
        case "discernibility-monotone":
            return sum(len(m) ** 2 for m in classes)
        case "average-class-size":
            return len(rows) / (len(kept) + bool(bad))
        case "ambiguity":
            return sum(every if i in bad else area(row) for i, row in enumerate(rows))
        case "kl-divergence":
            same = Counter(tuple(row[i] for i in ITEMS) for row in rows)
            size = {i: len(members) for members in classes for i in members}
            total = 0.0
            for i, row in enumerate(rows):
                p = same[tuple(row[item] for item in ITEMS)] / len(rows)
                q = len(bad) / len(rows) / every if i in bad else size[i] / len(rows) / area(row)
                total += p * math.log2(p / q)
            return total
    raise AssertionError(name)


def scored(measure: Measure, losses: list[float]):
    weights = [measure.weights.get(item, 1.0) for item in ITEMS]
    heavy = [w / max(weights) for w in weights]
    usual = {"loss": "geometric", "precision": "arithmetic", "normalised-entropy": "arithmetic"}
    match measure.aggregate or usual.get(measure.name, "sum"):
        case "geometric":
            return math.prod((1 + v) ** (w / 3) for v, w in zip(losses, heavy, strict=True)) - 1
        case "arithmetic":
            return sum(v * w for v, w in zip(losses, heavy, strict=True)) / 3
        case "sum":
            return sum(v * w for v, w in zip(losses, heavy, strict=True))
        case "maximum":
            return max(v * w for v, w in zip(losses, heavy, strict=True))
        case "rank":
            # Ten digits count: below, equal losses differ by how they were summed up.
            return tuple(sorted((round(v, 10) * w for v, w in zip(losses, heavy, strict=True)), reverse=True))


def within_limits(limits: Limits, bad: set[int], rows: int) -> bool:
    groups = [(limits.overall, set(range(rows)))]
    groups += [(limits.subgroup, set(np.flatnonzero(mask).tolist())) for mask in limits.subgroups.values()]
    return all(len(bad & members) <= limit * len(members) + 1e-9 for limit, members in groups)


def everything(of: Task) -> dict[tuple[int, ...], tuple[object, int]]:
    """The score of every node that keeps the limits, and how many rows go."""
    rows = of.frame.to_dict("records")
    found = {}
    for node in NODES:
        bad, classes = judged(node, of, rows)
        if within_limits(of.limits, bad, len(rows)):
            name = of.measure.name
            score = (
                scored(of.measure, by_item(of.measure, node, bad, rows))
                if isinstance(MEASURES[name], ByItem)
                else of_table(name, node, bad, classes, rows)
            )
            found[node] = score, len(bad)
    return found


# --- The search ------------------------------------------------------------------------------------------


def as_found(score: object) -> object:
    """What the search may differ from brute force in: the rounding of the last digits."""
    return pytest.approx(score, rel=1e-9, abs=1e-9)


def expect_equal(number: int, search_class, module) -> None:
    of = task(number)
    search = search_class(compact(of), models=of.models, limits=of.limits, measure=of.measure, kernels=module)
    search.run()
    expected = everything(of)

    assert (search.best is None) == (not expected)
    if search.best is None:
        assert search.nearest is not None
        return
    best = min(score for score, _ in expected.values())
    assert search.best.score == as_found(best)
    assert search.bound == pytest.approx(search.best.loss, abs=1e-9)
    assert (search.best.score, search.best.suppressed) == (
        as_found(expected[search.best.node][0]),
        expected[search.best.node][1],
    )


SHUFFLED = np.random.default_rng(7).permutation(1_000).tolist()


@pytest.mark.parametrize("tenth", range(10))
def test_the_search_equals_brute_force_on_a_hundred_tables(tenth):
    for number in SHUFFLED[tenth * 10 : tenth * 10 + 10]:
        expect_equal(number, Search, kernels.KERNELS)


@pytest.mark.slow
@pytest.mark.parametrize("hundred", range(1, 10))
def test_the_search_equals_brute_force_on_the_rest_of_a_thousand(hundred):
    for number in SHUFFLED[hundred * 100 : hundred * 100 + 100]:
        expect_equal(number, Search, kernels.KERNELS)


def test_a_lattice_that_is_not_written_out_has_the_same_optimum():
    for number in SHUFFLED[:40]:
        expect_equal(number, BestFirst, kernels.KERNELS)


def test_without_numba_the_optimum_is_the_same():
    for number in SHUFFLED[40:80]:
        expect_equal(number, Search, kernels_plain)


@pytest.mark.parametrize(
    "module", [kernels.KERNELS, pytest.param(kernels_compiled, marks=pytest.mark.slow), kernels_plain]
)
def test_small_classes_are_those_that_counting_finds(module):
    """Whatever bases were made on the way: the quick look, the full look and a plain count agree at every node."""
    for number in range(12):
        draw = np.random.default_rng(number)
        of = replace(
            task(number), frame=table(draw, rows=int(draw.integers(1, 400))), limits=Limits(overall=1.0)
        )
        small = compact(replace(of, models=[]))
        grouping, looks = Grouping(small, kernels=module), Looks(small, kernels=module)
        for place in draw.permutation(len(NODES)):
            node = NODES[place]
            labels = [
                a.place[step][codes] for a, step, codes in zip(small.axes, node, small.codes, strict=True)
            ]
            sizes = pd.Series(small.rows).groupby(labels).transform("sum").to_numpy()
            failing = sizes < 5
            rows, cover = looks.rows(node, least=5, most=len(of.frame))
            covered = [
                int((small.rows * a.cover[step][codes])[failing].sum())
                for a, step, codes in zip(small.axes, node, small.codes, strict=True)
            ]

            assert looks.failing(node, least=5).tolist() == failing.tolist()
            assert (rows, cover.tolist()) == (small.rows[failing].sum(), covered)
            most = int(draw.integers(0, rows + 1))
            assert (looks.rows(node, least=5, most=most)[0] > most) == (rows > most)
            member, count = grouping.classes(node)
            assert np.bincount(member, weights=small.rows, minlength=count)[member].tolist() == sizes.tolist()


def test_every_model_measure_and_limit_is_met():
    met = {(n % len(MODELS), n // len(MODELS) % len(MEASURES)) for n in range(1_000)}

    assert set(ASKED) == set(MODELS)
    assert len(met) == len(MODELS) * len(MEASURES)
    assert len(met) * len(LIMITS) <= 1_000


def test_generalising_never_lowers_k_without_suppression():
    """The classes of a coarser node are joins of those of a finer one."""
    for number in range(20):
        small = compact(replace(task(number), models=[]))
        search = Search(small, models=[], limits=Limits(overall=1.0))
        least = {}
        for node in NODES:
            member, count = search.grouping.classes(node)
            least[node] = np.bincount(member, weights=small.rows, minlength=count).min()
        for finer, coarser in itertools.product(NODES, NODES):
            if all(a <= b for a, b in zip(finer, coarser, strict=True)):
                assert least[finer] <= least[coarser]
