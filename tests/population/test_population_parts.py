"""The small parts: bars, parameters, names, dates as holders write them, the map."""

from datetime import date, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.eras import read_date
from workbench.errors import Unusable, Usage
from workbench.population.calendar import END, INDEX_DAYS, NEVER, YEARS
from workbench.population.chance import bar, persistent
from workbench.population.city import generate
from workbench.population.documents import documents, register
from workbench.population.era import Style, written
from workbench.population.names import names, styles
from workbench.population.params import MARKS, Params, shipped
from workbench.population.places import places
from workbench.population.school import SCHOOL_DAYS, YEAR_DAYS, monthly
from workbench.population.tables import spells_of


# Whole numbers: between two neighbouring floats there is no room for a bar.
@given(st.lists(st.integers(-50, 50), min_size=1, max_size=60, unique=True), st.floats(0, 1))
def test_a_bar_leaves_the_share_above_it(scores, share):
    above = (np.array(scores) > bar(np.array(scores), share=share)).mean()

    assert abs(above - share) <= 0.5 / len(scores) + 1e-9


def test_a_bar_counts_weight_and_not_heads():
    scores, weights = np.array([4.0, 3.0, 2.0, 1.0]), np.array([1, 1, 1, 3])

    assert (scores > bar(scores, share=0.5, weights=weights)).tolist() == [True, True, True, False]


def test_noise_that_stays_is_alike_from_year_to_year():
    noise = persistent(np.random.default_rng(1), shape=(20_000, 2), stays=0.7)

    assert np.corrcoef(noise.T)[0, 1] == pytest.approx(0.7, abs=0.03)
    assert noise.std() == pytest.approx(np.pi / np.sqrt(3), rel=0.03)


@pytest.mark.parametrize("name", shipped())
def test_every_rate_says_where_it_comes_from_and_how_far_to_trust_it(name):
    rate = shipped()[name]

    assert set(rate) == {"value", "source", "mark"}
    assert rate["mark"] in MARKS
    assert len(rate["source"]) > 10


def test_a_rate_that_does_not_exist_is_refused_by_name():
    with pytest.raises(Unusable, match=r"money\.povertty"):
        Params({"money.povertty": 0.1})


def test_a_profile_that_does_not_exist_is_refused():
    with pytest.raises(Usage):
        generate("village", 1)


def test_spells_cover_exactly_the_index_dates_of_their_state():
    rng = np.random.default_rng(4)
    state = rng.integers(0, 3, (300, len(YEARS)))
    low = np.repeat(INDEX_DAYS[None, :] - 40, 300, axis=0)
    high = np.repeat(INDEX_DAYS[None, :] + 40, 300, axis=0)
    found = spells_of(state, rng=rng, low=low, high=high)
    covered = np.zeros(state.shape, dtype=int)
    for entity, kind, since, until in zip(found.entity, found.state, found.since, found.until, strict=True):
        covered[entity, (since <= INDEX_DAYS) & (until > INDEX_DAYS)] += kind

    assert (covered == state).all()
    assert (found.since >= INDEX_DAYS[found.column] - 40).all()
    assert ((found.until == NEVER) | (found.until < END)).all()


def test_absence_is_laid_out_over_the_months_without_losing_a_day():
    refused = np.arange(YEAR_DAYS - 4)
    months = monthly(np.random.default_rng(2), refused=refused)

    assert (months.sum(axis=1) == refused).all()
    assert (months <= SCHOOL_DAYS).all()


KNOWN_DATES = {
    ("2019-05-01", Style.ERA): "令和元年5月1日",
    ("2019-04-30", Style.ERA): "平成31年4月30日",
    ("1989-01-07", Style.LETTER): "S64.1.7",
    ("1989-01-08", Style.DIGITS): "4010108",
    ("2024-04-01", Style.SLASHES): "2024/4/1",
    ("2024-04-01", Style.ISO): "2024-04-01",
}


@pytest.mark.parametrize(("iso", "style"), KNOWN_DATES)
def test_dates_are_written_as_offices_do(iso, style):
    assert written(iso, style=style) == KNOWN_DATES[iso, style]


@pytest.mark.parametrize("style", Style)
def test_every_way_of_writing_a_date_is_read_back(style):
    for step in range(0, 40_000, 97):
        day = date(1915, 1, 1) + timedelta(days=step)
        assert read_date(written(day.isoformat(), style=style))[0] == day


def test_kana_are_written_in_the_ways_of_the_dictionary():
    assert styles("ショウ") == ["ショウ", "ｼｮｳ", "シヨウ", "ショー", "ショウ"]
    assert styles("テヅカ")[4] == "テズカ"


def test_there_are_names_enough_and_each_reads_as_katakana():
    table = names()

    assert len(table.surnames.text) > 350
    assert table.surnames.prone.sum() > 120
    for part in (table.surnames, table.givens):
        assert all(
            set(reading)
            <= set(
                "ァアィイゥウェエォオカガキギクグケゲコゴサザシジスズセゼソゾタダチヂッツヅテデトドナニヌネノハバパヒビピフブプヘベペホボポマミムメモャヤュユョヨラリルレロワヲンヴー　"
            )
            for reading in part.kana[:, 0]
        )


def test_the_map_has_160_blocks_in_20_districts_in_10_in_4():
    table = places()

    assert len(table) == 160
    assert table["label_ja"].is_unique
    assert [table[level].nunique() for level in ("es_district", "jh_district", "area")] == [20, 10, 4]
    for fine, coarse in (("block", "es_district"), ("es_district", "jh_district"), ("jh_district", "area")):
        assert (table.groupby(fine)[coarse].nunique() == 1).all()


def test_the_register_has_the_items_of_the_linked_table_with_their_reason():
    linked = register()["child_year"]

    assert {"poverty", "abuse_report", "absent_30d_next_year", "young_carer"} <= set(linked.names)
    assert all(item.justification and item.label["ja"] and item.label["en"] for item in linked)
    assert all(
        item.harmful_values == ("yes",) for item in linked if item.kind == "flag" and item.role == "sensitive"
    )


def test_the_dictionaries_say_first_that_all_is_invented():
    assert "実在しません" in documents()["dictionary.ja.md"].decode()[:200]
    assert "does not exist" in documents()["dictionary.en.md"].decode()[:200]
