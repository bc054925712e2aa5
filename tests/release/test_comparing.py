"""The three protections on one table: the same children to test on, each choice in its row, counted first."""

import json
from datetime import UTC, datetime

import pytest

from workbench.artifact.canonical import canonical
from workbench.cli.data_compare import expect_new, write_whole
from workbench.errors import Refused, Unusable, Usage
from workbench.privacy.synthesis import usefulness
from workbench.release import comparing, comparison_page, evaluations
from workbench.release.comparing import Wanted, compare

NOW = datetime(2026, 5, 1, tzinfo=UTC)
ASKED = {"target": "welfare", "ks": (5,), "epsilons": (3.0,), "methods": ()}


def used(town) -> int:
    return evaluations.counted(town.office.state, table="child_year", allowed=9, now=NOW).used


def test_every_choice_has_its_row_its_spread_and_its_protection(town, monkeypatch):
    told = []
    # The town has few children on welfare, and what is measured here is the page, not them.
    for module in (comparing, usefulness):
        monkeypatch.setattr(module, "LEAST", 5)

    found = compare(
        town.room, Wanted(**ASKED), person="sato", now=NOW, tell=lambda n, of, _: told.append((n, of))
    )

    rows = {row["protection"]: row for row in found["choices"]}
    assert set(rows) == {"none", "anonymised", "dp"}
    assert rows["none"]["measures"]["auc"]["mean"] > 0.6
    assert all(len(row["runs"]) == found["seeds"] == 3 for row in rows.values())
    assert rows["dp"]["protects"]["epsilon"] == 3.0
    assert set(rows["dp"]["protects"]["attacks"]) >= {
        "singling_out",
        "linkability",
        "inference",
        "membership",
    }
    assert told == [(number, 9) for number in range(1, 10)]
    assert used(town) == found["evaluation"]["used"] == 1
    page = comparison_page.files(json.loads(canonical(found)))
    assert set(page) == set(comparison_page.FILES) - {"comparison.json"}
    assert "持ち出せません" in page["comparison.html"]


def test_who_may_not_evaluate_is_refused_and_nothing_is_counted(town):
    with pytest.raises(Refused):
        compare(town.room, Wanted(**ASKED), person="mori", now=NOW)

    assert used(town) == 0


@pytest.mark.parametrize(
    ("change", "error"), [({"target": "child_id"}, Refused), ({"target": "absent_30d"}, Unusable)]
)
def test_a_target_that_cannot_be_compared_is_refused_before_anything_is_counted(town, change, error):
    with pytest.raises(error):
        compare(town.room, Wanted(**{**ASKED, **change}), person="sato", now=NOW)

    assert used(town) == 0


@pytest.mark.parametrize("change", [{"seeds": 2}, {"epsilons": (0.0,)}, {"ks": (1,)}])
def test_a_comparison_that_would_mislead_is_not_made(change):
    with pytest.raises(Usage):
        Wanted(**{**ASKED, **change})


def test_the_folder_is_there_whole_or_not_at_all(tmp_path):
    write_whole(tmp_path / "page", {"a": b"1", "b": b"2"})

    with pytest.raises(TypeError):
        write_whole(tmp_path / "other", {"a": b"1", "b": None})  # type: ignore[dict-item]
    with pytest.raises(Usage):
        expect_new(tmp_path / "page")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["page"]
    assert (tmp_path / "page").stat().st_mode & 0o77 == 0
