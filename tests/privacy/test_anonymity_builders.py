"""Builders of hierarchies, each with its table; suggestions, each with its reason."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.item import Item, ItemRole, Kind
from workbench.errors import Refused, Unusable, Usage
from workbench.population.documents import register
from workbench.privacy.anonymity import builders, dates, hierarchies
from workbench.privacy.anonymity.classes import categories
from workbench.privacy.anonymity.hierarchies import rows_of, written
from workbench.privacy.anonymity.suggestion import suggest
from workbench.scoring import recode

SHIPPED = Path(__file__).parent.parent.parent / "datasets" / "synthetic" / "hierarchies"


def table(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.split("|")] for line in text.strip().splitlines()]


# --- Intervals ----------------------------------------------------------------------------------------


def test_intervals_of_equal_width():
    ladder = builders.interval("age", minimum=0, maximum=17, widths=[3, 6])

    assert ladder.levels[1]["edges"] == [0, 3, 6, 9, 12, 15, 18]
    assert ladder.labels(["-1", "0", "5", "17", "18", "(missing)"], level=2) == [
        "under 0",
        "0-5",
        "0-5",
        "12-17",
        "18 or more",
        "(missing)",
    ]
    assert set(ladder.labels(["-1", "0", "(missing)"], level=3)) == {"*"}


def test_tenths_add_up():
    """0.1 + 0.2 is not 0.3 in binary; an edge is what the person wrote."""
    ladder = builders.interval("gpa", minimum=0, maximum=0.5, widths=[0.1, 0.3], whole=False)

    assert ladder.levels[1]["edges"] == [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6]
    assert ladder.labels(["0.3"], level=1) == ["[0.3, 0.4)"]


@given(
    minimum=st.integers(-50, 50),
    span=st.integers(0, 200),
    width=st.integers(1, 9),
    times=st.lists(st.integers(1, 4), max_size=3),
    value=st.integers(-300, 300),
)
@settings(deadline=None)
def test_a_value_lies_in_the_interval_that_its_label_names(minimum, span, width, times, value):
    widths = [width]
    for factor in times:
        widths.append(widths[-1] * factor)
    ladder = builders.interval("x", minimum=minimum, maximum=minimum + span, widths=widths)

    for level in range(1, ladder.height):
        label = ladder.labels([str(value)], level=level)[0]
        item = ladder.levels[level]
        place = item["labels"].index(label)
        assert place == 0 or item["edges"][place - 1] <= value
        assert place == len(item["edges"]) or value < item["edges"][place]


@pytest.mark.parametrize(
    ("low", "high", "widths"),
    [(0, 9, []), (0, 9, [0]), (0, 9, [-1]), (0, 9, [2, 3]), (9, 0, [1]), (0, 10**6, [1])],
    ids=["none", "nothing", "negative", "does not nest", "the wrong way", "too many"],
)
def test_intervals_that_cannot_be_are_a_matter_of_usage(low, high, widths):
    with pytest.raises(Usage, match="age"):
        builders.interval("age", minimum=low, maximum=high, widths=widths)


# --- Trees, places, orders, codes -----------------------------------------------------------------------


def test_a_leaf_that_hangs_higher_stands_for_itself_below():
    ladder = builders.tree("born", {"Asia": {"East": ["JP", "KR"]}, "Europe": ["FR"]})

    assert rows_of(ladder) == table(
        """
        JP | East | Asia   | *
        KR | East | Asia   | *
        FR | FR   | Europe | *
        """
    )


@pytest.mark.parametrize(
    "branches",
    [{}, [], {"a": ["x"], "b": ["x"]}, {"a": {"other": ["x"]}, "b": {"other": ["y"]}}],
    ids=["nothing", "no leaf", "a leaf twice", "one name for two"],
)
def test_a_tree_that_is_none_is_unusable(branches):
    with pytest.raises(Unusable, match="born"):
        builders.tree("born", branches)


PLACES = pd.DataFrame(
    {
        "code": ["13101", "14101", "14102", "14101"],
        "city": ["千代田区", "横浜市", "横浜市", "横浜市"],
        "prefecture": ["東京都", "神奈川県", "神奈川県", "神奈川県"],
        "block": ["a", "b", "c", "d"],
    }
)


def test_places_from_a_table_that_lists_them_once_for_each_part():
    ladder = builders.area("code", PLACES, columns=["code", "city", "prefecture"])

    assert rows_of(ladder) == table(
        """
        13101 | 千代田区 | 東京都   | *
        14101 | 横浜市   | 神奈川県 | *
        14102 | 横浜市   | 神奈川県 | *
        """
    )


def test_a_place_in_two_cities_is_unusable():
    with pytest.raises(Unusable, match="4 行目"):
        builders.area("code", PLACES.assign(code=["1", "2", "3", "1"]), columns=["code", "city"])


def test_a_column_the_places_lack_is_named():
    with pytest.raises(Unusable, match="ward"):
        builders.area("code", PLACES, columns=["code", "ward"])


def test_ordered_values_are_joined_by_fan_out():
    ladder = builders.order("tier", ["low", "mid", "high", "top", "best"], fan_out=[2, 2])

    assert rows_of(ladder) == table(
        """
        low  | low … mid  | low … top | *
        mid  | low … mid  | low … top | *
        high | high … top | low … top | *
        top  | high … top | low … top | *
        best | best       | best      | *
        """
    )


@pytest.mark.parametrize("fan_out", [[], [1], [2, 0]])
def test_a_fan_out_joins_at_least_two(fan_out):
    with pytest.raises(Usage):
        builders.order("tier", ["a", "b"], fan_out=fan_out)


def test_a_code_is_masked_from_the_right_and_shows_no_length():
    assert rows_of(builders.redaction("zip", ["12", "1234"])) == table(
        """
        12   | 12** | 12** | 1*** | *
        1234 | 123* | 12** | 1*** | *
        """
    )


def test_a_code_is_masked_from_the_left():
    assert rows_of(builders.redaction("zip", ["123", "993"], side="left", mask="#", levels=[2])) == table(
        """
        123 | ##3 | *
        993 | ##3 | *
        """
    )


@pytest.mark.parametrize("wanted", [{"side": "top"}, {"mask": ""}, {"levels": [2, 1]}, {"levels": [0]}])
def test_masking_goes_from_a_side_with_one_character_and_further_each_level(wanted):
    with pytest.raises(Usage):
        builders.redaction("zip", ["123"], **wanted)


@given(st.lists(st.text("0123456789", min_size=1, max_size=7), min_size=1, max_size=12, unique=True))
@settings(deadline=None)
def test_masked_codes_nest_and_keep_the_characters_in_front(values):
    ladder = builders.redaction("zip", values)

    for level, masked in enumerate(range(1, max(map(len, values))), start=1):
        shown = max(map(len, values)) - masked
        for value, label in zip(values, ladder.labels(values, level=level), strict=True):
            assert label == value[:shown].ljust(max(map(len, values)), "*")


# --- Days ---------------------------------------------------------------------------------------------

# day of birth: the grade on 1 April 2024, by the count of the school
BIRTHDAYS = {
    date(2018, 4, 2): "5",  # enters school in April 2025
    date(2018, 4, 1): "6",  # the youngest of the first class
    date(2017, 4, 2): "6",  # the oldest of the first class
    date(2017, 4, 1): "7",
    date(2024, 4, 1): "0",
    date(2006, 4, 2): "17",
}


@pytest.mark.parametrize(("day", "grade"), BIRTHDAYS.items())
def test_who_is_born_on_1_april_belongs_to_the_older_class(day, grade):
    ladder = dates.birthdays("birth_date", fy=2024)

    assert ladder.labels([str(day)], level=2) == [grade]


def test_a_birthday_climbs_by_month_grade_band_and_stage():
    ladder = dates.birthdays("birth_date", fy=2024)

    assert [ladder.labels(["2018-04-01"], level=level)[0] for level in range(6)] == [
        "2018-04-01",
        "2018-03-02 to 2018-04-01",
        "6",
        "6-8",
        "elementary",
        "*",
    ]


def test_adults_are_told_apart_from_children_only():
    ladder = dates.birthdays("birth_date", fy=2024, first=date(2005, 4, 2))

    assert ladder.labels(["2006-04-01", "2006-04-02"], level=2) == ["18 or more", "17"]


@given(st.dates(date(2000, 1, 1), date(2040, 12, 31)))
@settings(deadline=None)
def test_a_month_of_births_lies_in_one_school_year(day):
    first, last = map(date.fromisoformat, dates.birth_month(day).split(" to "))

    assert first <= day <= last
    assert dates.school_year(first) == dates.school_year(last)
    assert dates.birth_month(first) == dates.birth_month(last) != dates.birth_month(last + timedelta(days=1))


@pytest.mark.parametrize(
    ("level", "day", "label"),
    [
        ("month", "2024-03-31", "2024-03"),
        ("quarter", "2024-03-31", "2024-Q1"),
        ("year", "2024-03-31", "2024"),
        ("decade", "2024-03-31", "2020-2029"),
        ("fiscal_year", "2024-03-31", "FY2023"),
        ("fiscal_year", "2024-04-01", "FY2024"),
        ("fiscal_quarter", "2024-03-31", "FY2023-Q4"),
        ("fiscal_quarter", "2024-04-01", "FY2024-Q1"),
        ("school_year", "2024-04-01", "2023-04-02 to 2024-04-01"),
        ("birth_month", "2024-01-01", "2023-12-02 to 2024-01-01"),
    ],
)
def test_what_a_day_is_called(level, day, label):
    assert dates.LEVELS[level](date.fromisoformat(day)) == label


def test_a_calendar_month_lies_in_two_school_years_and_is_refused():
    with pytest.raises(Unusable, match="段 2 で分かれます"):
        dates.days(
            "birth_date", first=date(2018, 3, 1), last=date(2018, 5, 1), levels=["month", "school_year"]
        )


def test_a_day_outside_the_period_is_missed_and_not_put_into_the_nearest_class():
    ladder = dates.days("seen", first=date(2023, 4, 1), last=date(2024, 3, 31), levels=["month"])

    with pytest.raises(Unusable, match="2 行目"):
        ladder.require_cover(categories([date(2023, 4, 1), date(2024, 4, 1)]))


@pytest.mark.parametrize(
    "wanted",
    [
        {"first": date(2024, 1, 2), "last": date(2024, 1, 1), "levels": ["month"]},
        {"first": date(1, 1, 1), "last": date(2024, 1, 1), "levels": ["month"]},
        {"first": date(2024, 1, 1), "last": date(2024, 1, 1), "levels": ["moon"]},
        {"first": date(2024, 1, 1), "last": date(2024, 1, 1), "levels": []},
    ],
    ids=["the wrong way", "too long", "unknown level", "no level"],
)
def test_days_that_cannot_be_are_a_matter_of_usage(wanted):
    with pytest.raises(Usage):
        dates.days("seen", **wanted)


def test_nobody_is_born_after_the_index_date():
    with pytest.raises(Usage):
        dates.birthdays("birth_date", fy=2024, last=date(2024, 4, 2))


# --- What is shipped ----------------------------------------------------------------------------------

BUILT = {
    "child_hierarchy_birth_date.csv": dates.birthdays("birth_date", fy=2024),
    "child_hierarchy_movein_ym.csv": dates.months_since("movein_ym", fy=2024, first=date(2006, 4, 1)),
    "infant_check_hierarchy_birth_weight.json": builders.from_edges(
        "birth_weight", [range(500, 5001, 250), [1500, 2500, 4000], [2500]]
    ),
}


@pytest.mark.parametrize("name", BUILT)
def test_the_shipped_ladders_of_days_and_weights_are_what_the_builders_give(name):
    assert (SHIPPED / name).read_text(encoding="utf-8") == written(BUILT[name])


@pytest.mark.parametrize("path", sorted(SHIPPED.iterdir()), ids=lambda path: path.name)
def test_a_shipped_ladder_covers_what_the_register_declares(path):
    table, _, item = path.stem.partition("_hierarchy_")
    declared = {name.name: name for name in register()[table]} if table in register().tables else {}
    domain = declared[item].domain if item in declared else None

    hierarchies.read(path).require_cover(categories(domain or []))


def test_moving_in_is_told_by_month_year_and_how_long_ago():
    ladder = BUILT["child_hierarchy_movein_ym.csv"]

    assert [ladder.labels(["2023-04", "2023-03", "2021-03"], level=level) for level in (1, 2)] == [
        ["FY2023", "FY2022", "FY2020"],
        ["within 1 year", "1-3 years", "over 3 years"],
    ]


# --- Suggestions --------------------------------------------------------------------------------------


def declared(**fields):
    filled = {"name": "x", "label": {"ja": "x", "en": "x"}, "holder": "h", "role": ItemRole.QUASI_IDENTIFIER}
    return Item(**{**filled, **fields})


def test_declared_values_are_public():
    ladder = suggest(pd.Series(["a"], name="x"), declared(kind=Kind.FLAG))

    assert rows_of(ladder) == [["yes", "*"], ["no", "*"]]
    assert ladder.origin.public


def test_a_declared_range_is_cut_into_equal_widths():
    ladder = suggest(pd.Series([0.0, 99.0], name="x"), declared(kind=Kind.NUMBER, minimum=0, maximum=100))

    assert ladder.origin.public
    assert ladder.levels[1]["edges"][:3] == [0, 5, 10]
    assert ladder.levels[2]["edges"] == [0, 25, 50, 75, 100, 125]


def test_few_declared_whole_numbers_are_an_order():
    ladder = suggest(pd.Series([1], name="x"), declared(kind=Kind.INTEGER, minimum=1, maximum=5))

    assert ladder.labels(["1", "2", "5"], level=1) == ["1 … 2", "1 … 2", "5"]


def test_a_declared_period_of_births_follows_the_school_year():
    born = declared(name="birth_date", kind=Kind.DATE, minimum="2018-04-01", maximum="2018-04-02")

    assert suggest(pd.Series([], dtype=object), born).labels(["2018-04-01"], level=2) == [
        "2017-04-02 to 2018-04-01"
    ]


@pytest.mark.parametrize(
    ("role", "kind"),
    [(ItemRole.DIRECT_IDENTIFIER, Kind.CODE), (ItemRole.OTHER, Kind.TEXT)],
    ids=["identifier", "text"],
)
def test_what_has_no_coarser_form_is_refused(role, kind):
    with pytest.raises(Refused, match="公開から外して"):
        suggest(pd.Series(["a"]), declared(role=role, kind=kind))


def test_a_limit_of_the_form_is_no_scale():
    """Incomes of up to 999,999,999 by the form would all lie in one interval."""
    wide = declared(kind=Kind.INTEGER, minimum=0, maximum=999_999_999)
    ladder = suggest(pd.Series(np.arange(0, 8_000_000, 1000), name="x"), wide)

    assert not ladder.origin.public
    assert len(ladder.levels[1]["edges"]) == 9


READ_OFF = {
    "numbers": (pd.Series(np.linspace(0, 50, 500)), "interval"),
    "few numbers": (pd.Series([1, 2, 3, None, 2]), "table"),
    "codes": (pd.Series([f"B{place:03d}" for place in range(160)]), "table"),
    "days": (pd.Series(["2024-02-29", "2023-01-01", None]), "table"),
    "timestamps": (pd.Series(pd.to_datetime(["2024-02-29", None])), "table"),
    "words": (pd.Series(["north", "south", None]), "table"),
    "a category": (pd.Series([1, 5, 9], dtype="category"), "table"),
    "truth": (pd.Series([True, False]), "table"),
}


@pytest.mark.parametrize(("column", "kind"), READ_OFF.values(), ids=READ_OFF)
def test_what_is_read_off_the_data_says_so_and_covers_it(column, kind):
    ladder = suggest(column.rename("x"))

    assert (ladder.item, ladder.kind) == ("x", kind)
    assert not ladder.origin.public
    assert ladder.origin.ja
    assert ladder.origin.en
    ladder.require_cover(categories(column))
    for level in range(ladder.height + 1):
        recode.check({"schema": recode.SCHEMA, "items": {"x": ladder.recode(level)}})


def test_no_cut_is_anybody_s_value():
    incomes = pd.Series(np.random.default_rng(1).lognormal(5, 0.5, 400), name="income")

    assert not set(suggest(incomes).levels[1]["edges"]) & set(incomes)


def test_a_column_of_which_nothing_is_known_is_unusable():
    with pytest.raises(Unusable, match="「x」には値がなく"):
        suggest(pd.Series([None, None], name="x", dtype=object))


def test_the_mark_survives_the_file(tmp_path):
    """Cuts that were read off the data stay so when they are saved and read again."""
    ladder = suggest(pd.Series(np.linspace(0, 50, 500), name="x"))
    path = tmp_path / "t_hierarchy_x.json"
    path.write_text(written(ladder), encoding="utf-8")

    assert hierarchies.read(path) == ladder
    assert hierarchies.read(path).origin == ladder.origin
