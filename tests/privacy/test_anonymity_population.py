"""Against a table of the population: k-map and delta-presence are counted, not estimated."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.errors import Unusable
from workbench.privacy.anonymity.metrics import k_children
from workbench.privacy.anonymity.population import Matched, delta_presence, k_map


def letters(text: str) -> pd.DataFrame:
    """One row for each letter; '.' is a missing value."""
    return pd.DataFrame({"area": [None if c == "." else c for c in text]}, dtype=object)


# table, population: k-map, delta-presence
COUNTED = {
    ("ab", "aaabb"): (2, (1 / 3, 1 / 2)),
    ("aab", "aab"): (1, (1, 1)),
    ("aab", "aabbc"): (2, (0, 1)),
    ("a.", "aa..."): (2, (1 / 3, 1 / 2)),
    ("a", "aaaa"): (4, (1 / 4, 1 / 4)),
    ("", "ab"): (0, (0, 0)),
}


@pytest.mark.parametrize(("tables", "said"), COUNTED.items())
def test_what_is_counted_against_the_population(tables, said):
    table, population = tables
    matched = Matched.of(letters(table), letters(population), ["area"])

    assert (k_map(matched), delta_presence(matched)) == (said[0], pytest.approx(said[1]))


@pytest.mark.parametrize(("table", "population"), [("ab", "aac"), ("aa", "a"), ("a.", "aa")])
def test_a_population_that_lacks_people_is_refused(table, population):
    """Whoever is not in the register cannot be counted there, and 0 would read as nobody to hide among."""
    with pytest.raises(Unusable, match=r"[12] 行"):
        Matched.of(letters(table), letters(population), ["area"])


def test_residents_are_counted_once_however_many_rows_they_have():
    population = pd.DataFrame({"area": ["a", "a", "a", "b"], "resident": ["R1", "R1", "R2", "R3"]})
    table = pd.DataFrame({"area": ["a", "a"], "child": ["C1", "C1"]})
    matched = Matched.of(table, population, ["area"], persons="child", population_persons="resident")

    assert (k_map(matched), matched.residents, matched.unseen) == (2, 3, 1)


def test_the_two_tables_may_have_other_dtypes_and_orders_of_columns():
    table = pd.DataFrame({"grade": [1, 2], "area": ["a", "b"]})
    population = pd.DataFrame({"area": ["b", "a", "a"], "grade": ["2", "1", "1"], "more": [0, 0, 0]})

    assert k_map(Matched.of(table, population, ["area", "grade"])) == 1


def test_a_population_without_the_items_is_refused():
    with pytest.raises(Unusable, match="area"):
        Matched.of(letters("a"), pd.DataFrame({"town": ["a"]}), ["area"])


@settings(max_examples=40, deadline=None)
@given(chosen=st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=20))
def test_k_map_and_presence_are_what_a_loop_counts(chosen):
    everyone = [area for area, _ in chosen]
    table = [area for area, released in chosen if released]
    matched = Matched.of(letters("".join(table)), letters("".join(everyone)), ["area"])

    residents = {area: everyone.count(area) for area in everyone}
    present = [table.count(area) / residents[area] for area in residents]
    assert k_map(matched) == min((residents[area] for area in table), default=0)
    if table:
        assert delta_presence(matched) == pytest.approx((min(present), max(present)))
        assert k_children(matched.classes) <= k_map(matched)
