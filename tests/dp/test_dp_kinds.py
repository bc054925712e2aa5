"""What each kind of question tells: near the truth, within its margin, and no further apart for neighbours."""

import dataclasses
import itertools
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import Unusable
from workbench.privacy.dp.answer import noisy_lines
from workbench.privacy.dp.kinds.contingency import not_below_zero
from workbench.privacy.dp.noise import Draw
from workbench.privacy.dp.questions import (
    Contingency,
    Count,
    Groups,
    Histogram,
    Mean,
    Number,
    Quantile,
    Regression,
    Source,
    Sum,
    Variance,
    price,
)
from workbench.privacy.dp.rows import read

DISTRICTS = [f"E{number}" for number in range(6)]
SOURCE = Source(
    name="child-year-raw",
    items={
        "sex": {"kind": "table", "map": {"male": "male", "female": "female"}},
        "district": {"kind": "table", "map": {name: name for name in DISTRICTS}},
        "band": {"kind": "interval", "edges": [10, 30], "labels": ["<10", "10-29", "30+"]},
    },
    year=2024,
    household="home",
    rows_per_household=3,
    numbers={"days": Number(0, 60, whole=True), "score": Number(-5, 105.5)},
    open=["school"],
)


def town(rows: int = 6_000, *, seed: int = 0) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    days = draw.poisson(14, rows)
    return pd.DataFrame(
        {
            "fy": 2024,
            "home": [f"h{place // 2}" for place in range(rows)],
            "sex": draw.choice(["male", "female"], rows),
            "district": draw.choice(DISTRICTS, rows),
            "days": days,
            "band": days,
            "score": np.clip(90 - 2.0 * days + draw.normal(0, 10, rows), 0, 100),
            "school": draw.choice(["S1", "S2", "S3"], rows, p=[0.6, 0.3, 0.1]),
        }
    )


TOWN = town()
EPSILON = 1.0
TIMES = 300


def answers(question, *, rows=TOWN, times=TIMES):
    """The same question many times over; seeded, so that a test is the same each time."""
    counted = read(question, source=SOURCE, table=rows, key=b"key")
    parts = question.parts(SOURCE)
    for place in range(times):
        lines = noisy_lines(
            question, counted, source=SOURCE, parts=parts, demonstration=place.to_bytes(2, "big")
        )
        yield {line.cell: line.estimates for line in lines}


def by_sex(function):
    return {(sex,): function(TOWN[TOWN["sex"] == sex]) for sex in ("male", "female")}


FITTED = np.linalg.lstsq(
    np.column_stack([np.ones(len(TOWN)), TOWN["days"]]), TOWN["score"].to_numpy(), rcond=None
)[0]
TRUTHS = {
    "count": (Count(epsilon=EPSILON, by="sex"), by_sex(len)),
    "histogram": (
        Histogram("band", epsilon=EPSILON),
        {("<10",): (TOWN["days"] < 10).sum(), ("30+",): (TOWN["days"] >= 30).sum(), ("(missing)",): 0},
    ),
    "sum": (Sum("days", epsilon=EPSILON, by="sex"), by_sex(lambda part: part["days"].sum())),
    "mean": (Mean("score", epsilon=EPSILON, by="sex"), by_sex(lambda part: part["score"].mean())),
    "variance": (Variance("score", epsilon=EPSILON, by="sex"), by_sex(lambda part: part["score"].var())),
    "standard_deviation": (Variance("score", epsilon=EPSILON), {(): TOWN["score"].std()}),
    "regression": (
        Regression("score", ("days",), epsilon=4.0),
        {("(intercept)",): FITTED[0], ("days",): FITTED[1]},
    ),
    "contingency": (
        Contingency(("sex", "district"), epsilon=EPSILON),
        {
            ("male", "E1"): ((TOWN["sex"] == "male") & (TOWN["district"] == "E1")).sum(),
            (None, "E2"): (TOWN["district"] == "E2").sum(),
            ("female", None): (TOWN["sex"] == "female").sum(),
            (None, None): len(TOWN),
        },
    ),
    "groups": (Groups("school", epsilon=EPSILON), {("S1",): (TOWN["school"] == "S1").sum()}),
}


@pytest.mark.parametrize("name", TRUTHS)
def test_the_truth_is_within_the_margin_as_often_as_promised(name):
    """At least 95 times in 100, less three standard errors; and the answers are right on average."""
    question, truths = TRUTHS[name]
    told = list(answers(question))

    for cell, truth in truths.items():
        found = [one[cell].get(name, next(iter(one[cell].values()))) for one in told]
        assert np.mean([one.low <= truth <= one.high for one in found]) > 0.95 - 3 * math.sqrt(0.0475 / TIMES)
        spread = np.mean([(one.high - one.low) / 2 for one in found])
        assert abs(np.mean([one.value for one in found]) - truth) < 0.15 * spread


def test_the_rank_of_a_quantile_is_within_its_margin():
    question = Quantile("score", at=0.9, epsilon=EPSILON, by="sex")
    margin = question.precision(SOURCE).margin

    for sex in ("male", "female"):
        scores = TOWN["score"][TOWN["sex"] == sex].to_numpy()
        found = [one[(sex,)]["quantile"].value for one in answers(question, times=100)]
        off = [
            max(
                0.9 * len(scores) - (scores <= value + 0.1).sum(),
                (scores < value - 0.1).sum() - 0.9 * len(scores),
            )
            for value in found
        ]
        assert np.mean(np.array(off) <= margin) > 0.95


def test_the_mean_of_a_small_group_keeps_its_promise():
    """Where the noise is larger than the group, a narrow interval would be a lie."""
    few = TOWN.iloc[:3]
    told = [one[()]["mean"] for one in answers(Mean("score", epsilon=0.1), rows=few)]

    assert np.mean([one.low <= few["score"].mean() <= one.high for one in told]) > 0.93
    assert np.median([one.high - one.low for one in told]) > 100


def test_a_line_through_too_few_children_has_no_interval():
    told = next(answers(Regression("score", ("days",), epsilon=0.1), rows=TOWN.iloc[:50]))

    assert all(one["coefficient"].low is None for one in told.values())


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("items", [("sex", "district"), ("district", "band", "sex")])
def test_margins_of_a_table_add_up(items, whole):
    for told in answers(Contingency(items, whole=whole, epsilon=0.05), times=20):
        counts = {cell: one["count"].value for cell, one in told.items()}
        cells = {cell: count for cell, count in counts.items() if None not in cell}
        for margin, count in counts.items():
            inside = [
                value
                for cell, value in cells.items()
                if all(own in (None, at) for own, at in zip(margin, cell, strict=True))
            ]
            assert count == sum(inside)
        assert all(isinstance(count, int) for count in counts.values())
        assert not whole or min(counts.values()) >= 0


@given(st.lists(st.integers(-500, 500), min_size=1, max_size=30))
@settings(deadline=None)
def test_whole_cells_keep_the_total(counts):
    table = np.array(counts, dtype=float)

    made = not_below_zero(table)

    assert (made >= 0).all()
    assert (made == np.rint(made)).all()
    assert made.sum() == max(0, table.sum())
    assert (table < 0).any() or (made == table).all()


def test_only_the_children_named_by_the_filter_count():
    question = Count(epsilon=EPSILON, where=(("sex", ("male",)), ("district", ("E1", "E2"))))
    rows = read(question, source=SOURCE, table=TOWN, key=b"key")

    wanted = (TOWN["sex"] == "male") & TOWN["district"].isin(["E1", "E2"])
    assert question.exact(rows, SOURCE) == [[[wanted.sum()]]]


def test_values_are_clipped_to_their_range_and_kept_on_its_grid():
    rows = town(4).assign(home=None, days=[-7, 20, 59, 10**9])
    question = Sum("days", epsilon=EPSILON)

    assert question.exact(read(question, source=SOURCE, table=rows, key=b""), SOURCE) == [
        [[0 + 20 + 59 + 60]]
    ]


def test_what_is_no_number_is_missing():
    rows = town(5).assign(home=None, score=[1.0, math.inf, -math.inf, math.nan, 2.0])
    question = Mean("score", epsilon=EPSILON)

    assert len(read(question, source=SOURCE, table=rows, key=b"").cell) == 2


def test_a_narrower_range_buys_a_smaller_margin_and_clips():
    wide, narrow = (Mean("score", epsilon=EPSILON, between=ends) for ends in (None, (50, 60)))

    margins = [question.precision(SOURCE).by_group[1_000] for question in (wide, narrow)]
    assert margins[1] < margins[0] / 10
    told = [one[()]["mean"].value for one in answers(narrow, times=20)]
    assert np.mean(told) == pytest.approx(TOWN["score"].clip(50, 60).mean(), abs=0.1)


@pytest.mark.parametrize("between", [(-6, 50), (0, 200), (50, 50), (60, 50), (math.nan, 50), (0, math.inf)])
def test_attack_a_range_beyond_the_public_one(between):
    """Bounds come from the register; a question narrows them, and never looks beyond."""
    with pytest.raises(Unusable):
        price(Quantile("score", epsilon=EPSILON, between=between), SOURCE)


@pytest.mark.parametrize("item", ["days", "score"])
def test_every_value_told_lies_on_a_public_grid(item):
    """No low-order bits: a sum is a whole number of steps, and a step is a power of two."""
    step = SOURCE.number(item).step

    assert math.frexp(step)[0] == 0.5
    for told in answers(Sum(item, epsilon=EPSILON), times=20):
        assert told[()]["sum"].value % step == 0


# ------------------------------------------------------------------ neighbours

EVERY_KIND = [
    Count(epsilon=EPSILON, by="sex"),
    Histogram("band", by="district", epsilon=EPSILON),
    Sum("score", by="district", epsilon=EPSILON),
    Mean("days", by="district", epsilon=EPSILON),
    Variance("score", by="district", epsilon=EPSILON),
    Quantile("days", at=0.75, by="district", between=(5, 40), epsilon=EPSILON),
    Contingency(("sex", "band"), epsilon=EPSILON),
    Groups("school", epsilon=EPSILON),
    Regression("score", ("days",), epsilon=EPSILON),
]
FAR, NOTHING = 1e308, None
NEW_HOUSEHOLDS = {
    "three at the upper ends": {"days": [60] * 3, "score": [FAR] * 3},
    "three at the lower ends": {"days": [0] * 3, "score": [-FAR] * 3},
    "forty children": {"days": [60, 0] * 20, "score": [FAR, -FAR] * 20},
    "not a number": {"days": [NOTHING] * 3, "score": [math.nan] * 3},
    "infinite": {"days": [2**62] * 3, "score": [math.inf, -math.inf, math.inf]},
    "new categories": {
        "sex": ["?"] * 3,
        "district": ["new"] * 3,
        "school": ["only ours", "a\x00b", "a\x00c"],
    },
    "half a sign": {"sex": ["\ud800"] * 3, "school": ["\ud800"] * 3},
    "an empty group": {"district": ["E5"] * 3},
    "other types": {"sex": [1, 2.5, True], "school": [7, 7.0, "7"], "days": ["x", 3, math.nan]},
}


def neighbours(change):
    """A town where nobody lives in E5, with and without one household more."""
    before = TOWN[TOWN["district"] != "E5"].iloc[:200]
    size = max(len(values) for values in change.values())
    new = {"fy": 2024, "home": "new", "sex": "male", "district": "E1", "days": 5, "band": 5, "score": 1.0}
    household = pd.DataFrame({**new, "school": "S1", **change}, index=range(size))
    middle = len(before) // 2
    return before, pd.concat([before[:middle], household, before[middle:]], ignore_index=True)


def distance(kind, here, there):
    if isinstance(here, dict):
        return sum(abs(here.get(key, 0) - there.get(key, 0)) for key in here.keys() | there.keys())
    apart = np.abs(np.array(here) - np.array(there))
    return apart.max() if kind is Draw.NOISY_MIN else apart.sum()


@pytest.mark.parametrize("change", NEW_HOUSEHOLDS)
@pytest.mark.parametrize("question", EVERY_KIND, ids=lambda question: question.kind)
def test_attack_one_household_moves_more_than_the_noise_covers(question, change):
    """Two tables that differ in one household: the same draws, and their exact values within the sensitivity."""
    exact = [
        question.exact(read(question, source=SOURCE, table=rows, key=b"key"), SOURCE)
        for rows in neighbours(NEW_HOUSEHOLDS[change])
    ]
    for part, here, there in zip(question.parts(SOURCE), *exact, strict=True):
        assert len(here) == len(there) == part.draws
        kind = part.mechanism.kind
        moved = [distance(kind, one, other) for one, other in zip(here, there, strict=True)]
        # Draws of one part share no rows: it is together that they are within it.
        assert sum(moved) <= part.mechanism.sensitivity
        assert isinstance(here[0], dict) or [len(one) for one in here] == [len(one) for one in there]


@pytest.mark.parametrize("question", EVERY_KIND, ids=lambda question: question.kind)
def test_the_sensitivity_is_reached(question):
    """A sensitivity that no household comes near would only be noise for nothing."""
    worst = 0.0
    for change in NEW_HOUSEHOLDS.values():
        exact = [
            question.exact(read(question, source=SOURCE, table=rows, key=b"key"), SOURCE)
            for rows in neighbours(change)
        ]
        mechanism = question.parts(SOURCE)[0].mechanism
        moved = sum(distance(mechanism.kind, *pair) for pair in zip(exact[0][0], exact[1][0], strict=True))
        worst = max(worst, moved / mechanism.sensitivity)

    assert worst > 0.6


def test_attack_keys_that_end_early_are_told_as_one():
    """OpenDP ends a text at a zero; two codes must not fall together, nor fail, nor be shown unprintable."""
    rows = town(900).assign(home=None, school=["a\x00b", "a\x00c", "\ud800"] * 300)

    told = next(answers(Groups("school", epsilon=EPSILON), rows=rows, times=1))
    assert len(told) == 3
    assert all(key.isprintable() for (key,) in told)


def test_attack_one_household_spelled_in_two_ways():
    """7, 7.0 and "7" are one household; a bound for each spelling would be three bounds."""
    rows = town(9).assign(home=pd.Series([7, 7.0, "7"] * 3, dtype=object))
    question = Count(epsilon=EPSILON)

    [[counts]] = question.exact(read(question, source=SOURCE, table=rows, key=b"key"), SOURCE)
    assert counts == [3]


@pytest.mark.parametrize("nobody", [None, math.nan, "", pd.NA])
def test_a_child_without_a_household_is_one_alone(nobody):
    """Otherwise all of them together would be one household, and most would not count."""
    rows = town(9).assign(home=pd.Series([nobody] * 9, dtype=object))
    question = Count(epsilon=EPSILON)

    assert question.exact(read(question, source=SOURCE, table=rows, key=b"key"), SOURCE) == [[[9]]]


def test_what_is_kept_of_a_household_depends_on_it_alone():
    """Whoever else comes or goes, and in whatever order the rows stand."""
    crowds = town(60).assign(home=[f"h{place // 20}" for place in range(60)])
    question = Histogram("district", by="sex", epsilon=EPSILON)

    def kept(rows):
        [[counts]] = question.exact(read(question, source=SOURCE, table=rows, key=b"key"), SOURCE)
        return np.array(counts)

    one_by_one = sum(kept(crowds[crowds["home"] == home]) for home in ("h0", "h1", "h2"))
    assert (kept(crowds) == one_by_one).all()
    assert (kept(crowds.sample(frac=1, random_state=1)) == one_by_one).all()
    assert one_by_one.sum() == 9


def test_every_child_of_a_large_household_is_kept_alike_often():
    """Where one kind of row always stayed, large households would bend the answer."""
    crowd = town(8).assign(home="one", sex=["male", "female"] * 4)
    question = Histogram("sex", epsilon=EPSILON)
    kept = [
        question.exact(read(question, source=SOURCE, table=crowd, key=place.to_bytes(2, "big")), SOURCE)[0][0]
        for place in range(400)
    ]

    assert np.mean(kept, axis=0)[:2] == pytest.approx([1.5, 1.5], abs=0.15)


def test_missing_rows_do_not_use_up_a_household():
    rows = town(6).assign(home="one", days=pd.array([None, None, None, 1, 2, 3], dtype="Int64"))
    question = Sum("days", epsilon=EPSILON)

    assert question.exact(read(question, source=SOURCE, table=rows, key=b"key"), SOURCE) == [[[6]]]


@pytest.mark.parametrize("question", EVERY_KIND, ids=lambda question: question.kind)
@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_table_is_answered_like_any_other(question, rows):
    full, nearly_none = (next(answers(question, rows=some, times=1)) for some in (TOWN, TOWN.iloc[:rows]))

    if question.kind != "groups":
        assert full.keys() == nearly_none.keys()


@pytest.mark.parametrize("question", EVERY_KIND, ids=lambda question: question.kind)
def test_how_a_column_is_stored_does_not_matter(question):
    """One odd value makes a column of numbers one of objects; nobody else's row may move for it."""
    columns = ["days", "band", "score", "home"]
    as_objects = TOWN.iloc[:300].astype(dict.fromkeys(columns, object))
    as_texts = TOWN.iloc[:300].astype(dict.fromkeys(columns, str))
    as_categories = TOWN.iloc[:300].astype({"sex": "category", "district": "category", "school": "category"})
    tables = [TOWN.iloc[:300], as_objects, as_texts, as_categories]

    exact = [question.exact(read(question, source=SOURCE, table=rows, key=b"k"), SOURCE) for rows in tables]
    assert all(one == exact[0] for one in exact)


def test_other_years_do_not_count():
    both = pd.concat([TOWN.assign(fy=2023), TOWN.astype({"fy": object}).assign(fy="2024")])
    question = Count(epsilon=EPSILON)
    once = dataclasses.replace(SOURCE, rows_per_household=2)

    assert question.exact(read(question, source=once, table=both, key=b"k"), SOURCE) == [[[len(TOWN)]]]


def test_groups_cost_nothing_for_a_quantile():
    """One household with its three children in one group or in three: what it can move is the same in all."""
    question = Quantile("days", at=0.5, by="district", epsilon=EPSILON)
    before = TOWN.iloc[:200]
    for homes in itertools.product(["E1", "E2", "E3"], repeat=3):
        household = TOWN.iloc[:3].assign(home="new", district=list(homes), days=60)
        here, there = (
            question.exact(read(question, source=SOURCE, table=rows, key=b"k"), SOURCE)[0]
            for rows in (before, pd.concat([before, household]))
        )
        moved = sum(distance(Draw.NOISY_MIN, one, other) for one, other in zip(here, there, strict=True))
        assert moved <= question.parts(SOURCE)[0].mechanism.sensitivity
