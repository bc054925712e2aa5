"""Tables changed in other ways than by levels, and every recipe run again, as they are typed."""

import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from workbench.cli import main
from workbench.governance.settings import adopt_policy
from workbench.home import Home
from workbench.privacy.anonymity.missing import k_in_both_readings
from workbench.state import State

ITEMS = "area,grade"


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """`command("data", "anonymise", …)`: the exit code, what is printed, and the sentence of a failure."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    monkeypatch.delenv("WORKBENCH_HOME", raising=False)

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capsys.readouterr()
        return code, out, err

    return run


@pytest.fixture
def table(tmp_path) -> Path:
    """Forty-three children, most in homes of two; a grade of three children in each of two areas stands out."""
    (tmp_path / "t_hierarchy_area.csv").write_text("E1;J1;*\nE2;J1;*\nE3;J2;*\n")
    (tmp_path / "t_hierarchy_grade.csv").write_text("1;low;*\n2;low;*\n3;high;*\n")
    (tmp_path / "t_hierarchy_aid.csv").write_text("no;*\nyes;*\n")
    rows = [
        (f"H{n // 2}", f"E{1 + n % 3}", 1 + n % 2, n % 7, "yes" if n % 5 == 0 else "no") for n in range(37)
    ]
    rows += [("H90", "E1", 3, 40, "no"), ("H91", "E1", 3, 1, "yes"), ("H92", "E1", 3, 2, "no")]
    rows += [(f"H{n}", "E2", 3, n % 9, "no") for n in (93, 94, 95)]
    path = tmp_path / "table.csv"
    lines = [",".join(map(str, row)) for row in rows]
    path.write_text("\n".join(["home,area,grade,days,aid", *lines, ""]), encoding="utf-8")
    return path


def asked(table: Path, *more: object) -> list[object]:
    return ["data", "anonymise", table, "--hierarchies", table.parent, "-q", ITEMS, "--json", *more]


WAYS = {
    "levels": ["--unit", "home", "--suppression-limit", "0.2"],
    "rows left out": ["--suppression-limit", "0.2"],
    "row by row": ["--local-recoding", "--model", "k=4"],
    "row by row, in households": ["--local-recoding", "--model", "k=4", "--unit", "home"],
    "cells": ["--empty-cells", "--suppression-limit", "0.2"],
    "after other steps": [
        "--step",
        "top=6:days",
        "--step",
        "bottom=1:days",
        "--step",
        "microaggregate=3:days",
    ],
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_every_recipe_makes_the_same_table_again_to_the_byte(command, table, way):
    code, out, err = command(*asked(table, *way, "-o", "out.csv", "--recipe", "made"))
    assert (code, err) == (0, "")
    told = json.loads(out)
    left, again, _ = command("data", "replay", table, "made", "-o", "again.csv", "--json")

    assert left == 0
    assert json.loads(again)["digests"] == told["digests"]
    assert Path("again.csv").read_bytes() == Path("out.csv").read_bytes()
    assert set(told["digests"]) == {"input", "hierarchies", "recipe", "output"}
    assert "home" not in pd.read_csv("out.csv")


def test_the_public_part_names_nobody_and_the_secret_one_is_its_owner_s(command, table):
    command(*asked(table, "--suppression-limit", "0.2", "--recipe", "made"))
    secret = Path("made/recipe.secret.json")

    assert '"combinations"' in secret.read_text()
    assert '"combinations"' not in Path("made/recipe.public.json").read_text()
    assert secret.stat().st_mode & 0o077 == 0


def change(path: str, **fields: object) -> None:
    part = json.loads(Path(path).read_text())
    Path(path).write_text(json.dumps({**part, **fields}))


CHANGED = {
    "another step": ("recipe.public.json", {"steps": []}),
    "another output": ("recipe.public.json", {"output": "0" * 64}),
    "another secret": ("recipe.secret.json", {"nonce": "00"}),
    "another source": ("recipe.secret.json", {"source": "0" * 64}),
}


@pytest.mark.parametrize(("name", "fields"), CHANGED.values(), ids=CHANGED)
def test_attack_a_recipe_that_was_changed_is_refused(command, table, name, fields):
    command(*asked(table, "--suppression-limit", "0.2", "--recipe", "made"))
    change(f"made/{name}", **fields)

    code, out, _ = command("data", "replay", table, "made", "-o", "again.csv")

    assert code in (11, 12)
    assert out == ""
    assert not Path("again.csv").exists()


def test_another_table_is_not_what_the_recipe_was_written_for(command, table):
    command(*asked(table, "--recipe", "made"))
    table.write_text(table.read_text().replace("H91", "H96"))

    assert command("data", "replay", table, "made")[0] == 11


def test_a_folder_without_a_recipe_is_said_to_have_none(command, table):
    code, _, err = command("data", "replay", table, table.parent)

    assert code == 13
    assert "recipe.public.json" in err


def test_row_by_row_keeps_every_row_and_more_detail(command, table):
    _, out, _ = command(*asked(table, "--model", "k=4", "--local-recoding", "-o", "rows.csv"))
    _, global_, _ = command(*asked(table, "--model", "k=4", "--suppression-limit", "0"))
    told = json.loads(out)

    assert told["suppressed_rows"] == 0
    assert told["measured"]["k_children"] >= 4
    assert told["classes"] > json.loads(global_)["classes"]
    assert len(pd.read_csv("rows.csv")) == 43


def test_emptied_cells_leave_every_row_among_k_that_fit_it(command, table):
    code, out, _ = command(*asked(table, "--empty-cells", "--suppression-limit", "0.2", "-o", "cells.csv"))
    told, frame = json.loads(out), pd.read_csv("cells.csv", dtype=str)

    assert code == 0
    assert len(frame) == 43
    assert sum(told["emptied_cells"].values()) == frame.isna().sum().sum() > 0
    both = k_in_both_readings(frame, ITEMS.split(","))
    assert both.wildcard == told["measured"]["missing"]["wildcard"]["k_children"] >= 5
    assert both.worse == told["measured"]["missing"]["worse"]["k_children"]


SWAPPED = ["--step", "swap=0.5:area:grade", "--step", "rank-swap=0.2:days", "--step", "pram=0.8:aid"]


def test_attack_values_made_untrue_without_the_policy_s_leave(command, table):
    for step in SWAPPED[1::2]:
        code, out, err = command(*asked(table, "--step", step, "-o", "out.csv"))

        assert (code, out) == (10, "")
        assert "_allowed" in err
        assert not Path("out.csv").exists()


def home_that_allows(tmp_path: Path, *flags: str) -> Path:
    lines = "".join(f"  {flag}:\n    value: true\n    source: 審査会の決定\n" for flag in flags)
    home = Home.create(tmp_path / "room", seed=3)
    state = State.open(home)
    text = f"schema: workbench-policy-override/1\nthresholds:\n{lines}"
    adopt_policy(state, profile="standard", override=text)
    state.close()
    return tmp_path / "room"


def test_what_the_policy_in_force_allows_is_done_and_recorded(command, table, tmp_path, monkeypatch):
    allowed = home_that_allows(tmp_path, "swapping_allowed", "randomisation_allowed")
    monkeypatch.setenv("WORKBENCH_HOME", str(allowed))
    code, out, err = command(
        *asked(table, *SWAPPED, "--suppression-limit", "0.2", "-o", "out.csv", "--recipe", "made")
    )
    assert (code, err) == (0, "")
    public = json.loads(Path("made/recipe.public.json").read_text())
    before, after = pd.read_csv(table), pd.read_csv("out.csv")

    assert [step["do"] for step in public["steps"]][:3] == ["record_swapping", "rank_swapping", "pram"]
    assert "share" not in public["steps"][0]
    assert "within" not in public["steps"][1]
    if not json.loads(out)["suppressed_rows"]:
        assert sorted(after["days"]) == sorted(before["days"])
    assert command("data", "replay", table, "made")[0] == 0


TOGETHER = {
    "no such step": (["--step", "blur=3:days"], 2, "top=60:ITEM"),
    "a step without an item": (["--step", "top=3"], 2, "top=60:ITEM"),
    "a step of a number that is none": (["--step", "top=many:days"], 2, "top=60:ITEM"),
    "a step of two items": (["--step", "top=3:days,grade"], 2, "top=60:ITEM"),
    "half a group": (["--step", "microaggregate=2.5:days"], 2, "microaggregate=3"),
    "a step of a column that is not there": (["--step", "top=3:height"], 12, "height"),
    "a mean of words": (["--step", "microaggregate=3:aid"], 12, "aid"),
    "cells and households": (["--empty-cells", "--unit", "home"], 2, "--unit"),
    "cells and other models": (["--empty-cells", "--model", "distinct-l=2:aid"], 2, "--empty-cells"),
    "cells and rows": (["--empty-cells", "--local-recoding"], 2, "--local-recoding"),
    "rows and a subgroup": (["--local-recoding", "--subgroup", "aid=yes"], 2, "--subgroup"),
    "rows and suggestions": (["--local-recoding", "--suggest"], 2, "--suggest"),
    "a recipe of suggestions": (["--suggest", "--recipe", "made"], 2, "--recipe"),
    "rows and a model of the table": (["--local-recoding", "--model", "average-risk=0.1"], 2, "average-risk"),
}


@pytest.mark.parametrize(("words", "code", "held"), TOGETHER.values(), ids=TOGETHER)
def test_what_does_not_go_together_is_said_in_one_sentence(command, table, words, code, held):
    left, out, err = command(*asked(table, *words))

    assert (left, out) == (code, "")
    assert held in err
    assert "Traceback" not in err


@pytest.mark.parametrize("models", [["k-households=5"], ["k=2", "k-households=6"]])
def test_attack_local_recoding_forgets_the_households(command, table, models):
    wanted = [word for model in models for word in ("--model", model)]
    code, out, _ = command(
        *asked(table, "--local-recoding", "--unit", "home", "--suppression-limit", "1"), *wanted
    )

    assert code == 0
    assert json.loads(out)["measured"]["k_households"] >= int(models[-1][-1])


def test_what_is_told_of_t_is_what_was_asked_of_it(command, table):
    """Both against the table that came in, whatever was suppressed."""
    for more in ([], ["--local-recoding"]):
        code, out, _ = command(
            *asked(table, "--model", "k=4", "--model", "equal-t=0.2:aid", "--suppression-limit", "1", *more)
        )

        assert code == 0
        assert json.loads(out)["measured"]["sensitive"]["aid"]["t_closeness"] <= 0.2 + 1e-12
