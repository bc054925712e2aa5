"""
How well the tables were linked: a report as data, for the people who decide what to do with it.

Match rates need no truth. They are given by source, by rule and by subgroup, because linking that fails
more often for one group of families makes that group disappear from every later figure. Recall and
precision need a truth table, which only a synthetic city or a checked sample has (linkage_truth.py).
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import pandas as pd

from workbench.data.linkage_truth import Truth
from workbench.data.linking import Links
from workbench.data.linking.normalise import UNREADABLE, UNREADABLE_MARKS, plain
from workbench.data.linking.rules import RULES
from workbench.data.linking.sources import OWNERS, REGISTER, SOURCES

SCHEMA = "workbench-linkage-quality/1"

Report = dict[str, Any]


def linkage_quality(
    tables: Mapping[str, pd.DataFrame], links: Links, *, truth: pd.DataFrame | None = None
) -> Report:
    """Match rates of every source; with `truth` (source, source_key, true_person_id) recall and precision."""
    sources = {table: _source(links, table, said) for table, said in links.said.items()}
    logs = [table for table in SOURCES if table in tables and table not in OWNERS]
    numbers = links.person_of_number
    report: Report = {
        "schema": SCHEMA,
        "register": {"numbers": len(numbers), "persons": int(numbers.nunique())},
        "overall": _total(sources.values()),
        "sources": sources,
        "logs": {table: _log(tables[table], links, table) for table in logs},
    }
    if truth is None:
        return report
    known = Truth.of(links, truth, register=tables[REGISTER])
    return report | {"truth": known.report([*sources])}


def _source(links: Links, table: str, described: pd.DataFrame) -> Report:
    link = links.person_link[links.person_link["source"] == table]
    linked = described["key"].isin(link["source_key"])
    by_rule = link["rule"].value_counts()
    return rate(len(described), int(linked.sum())) | {
        "rules": {rule.name: int(by_rule[rule.name]) for rule in RULES if rule.name in by_rule},
        "subgroups": {name: _by_group(linked, of(described)) for name, of in SUBGROUPS.items()},
    }


def _log(frame: pd.DataFrame, links: Links, table: str) -> Report:
    numbers = frame.drop_duplicates(SOURCES[table].key)
    return rate(len(numbers), int(links.person(numbers, table).notna().sum()))


def _by_group(linked: pd.Series, group: pd.Series) -> Report:
    groups = linked.groupby(group, sort=True)
    return {str(name): rate(len(members), int(members.sum())) for name, members in groups}


def _total(sources: Iterable[Report]) -> Report:
    counts = [(source["numbers"], source["linked"]) for source in sources]
    return rate(sum(numbers for numbers, _ in counts), sum(linked for _, linked in counts))


def rate(numbers: int, linked: int) -> Report:
    """A count and its share; no share of nothing."""
    return {"numbers": numbers, "linked": linked, "rate": round(linked / numbers, 4) if numbers else None}


def _writing(described: pd.DataFrame) -> pd.Series:
    """In which writing the record names the person."""
    name = described["name"].astype("string").fillna("").map(plain).str.translate(UNREADABLE_MARKS)
    writing = pd.Series("kana", index=described.index).mask(name == "", "reading only")
    for kind, letters in WRITINGS.items():
        writing = writing.mask(name.str.contains(letters), kind)
    return writing


def _whether_given(field: str) -> Callable[[pd.DataFrame], pd.Series]:
    return lambda described: described[field].notna().map({True: "given", False: "missing"})


# The last that holds names the writing.
WRITINGS = {
    "letters": "[A-Za-z]",
    "kanji": "[々\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]",
    "with an unreadable character": UNREADABLE,
}
# What the records themselves tell of the group they belong to.
SUBGROUPS: dict[str, Callable[[pd.DataFrame], pd.Series]] = {
    "writing": _writing,
    "address": _whether_given("address"),
    "birth": _whether_given("birth"),
}
