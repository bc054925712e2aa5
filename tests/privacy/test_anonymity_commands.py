"""`workbench data measure` and `workbench data anonymise`, as they are typed."""

import gzip
import json
import sys
from pathlib import Path

import pandas as pd
import pytest

from workbench.cli import main

ADULT = Path(__file__).parent.parent / "data_files" / "adult"
EIGHT = "sex,age,race,marital-status,education,native-country,workclass,occupation"


@pytest.fixture
def command(monkeypatch, capsys):
    """`command("data", "measure", …)`: the exit code, what is printed, and the sentence of a failure."""

    def run(*words: str) -> tuple[int, str, str]:
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
def city(tmp_path) -> Path:
    """Thirty-two children: two areas of fifteen, one of two, in homes of two."""
    path = tmp_path / "city.csv"
    rows = ["area,home,aid", *(f"E0{1 + i % 2},H{i // 2},{'yes' if i < 3 else 'no'}" for i in range(30))]
    path.write_text("\n".join([*rows, "E03,H90,yes", "E03,H91,", ""]), encoding="utf-8")
    return path


@pytest.fixture
def ladders(tmp_path) -> Path:
    (tmp_path / "city_hierarchy_area.csv").write_text("E01;J01;*\nE02;J01;*\nE03;J02;*\n")
    return tmp_path


def test_measure_prints_every_metric_as_json(command, city):
    code, out, _ = command(
        "data", "measure", city, "--quasi-identifiers", "area", "--sensitive", "aid", "--harmful", "aid=yes",
        "--unit", "home", "--json",
    )  # fmt: skip
    told = json.loads(out)

    assert code == 0
    assert (told["rows"], told["classes"], told["k_children"], told["k_households"]) == (32, 3, 2, 2)
    assert told["share_below"] == {"5": 2 / 32, "10": 2 / 32, "20": 1.0}
    assert told["sensitive"]["aid"]["max_confidence"] == 1.0


def test_measure_speaks_the_reader_s_language(command, city, monkeypatch):
    _, japanese, _ = command("data", "measure", city, "-q", "area")
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    _, english, _ = command("data", "measure", city, "-q", "area")

    assert "k（人数）: 2" in japanese
    assert "k (children): 2" in english


def test_measure_says_in_words_which_item_costs_k(command, city, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    _, out, _ = command("data", "measure", city, "-q", "area,aid")

    costs = out[out.index("Which items cost k") :].splitlines()
    assert costs[1].startswith("  aid: rows in classes below 5")
    assert "k 1 → 2" in costs[1]


def test_measure_counts_a_large_file_on_the_engine(command, city):
    told = [
        json.loads(command("data", "measure", city, "-q", "area", "-s", "aid", "--json", *more)[1])
        for more in ([], ["--large"])
    ]

    assert told[1] == {name: told[0][name] for name in told[1]}


@pytest.mark.parametrize("more", [[], ["--large"]])
def test_attack_an_individual_number_in_a_file_too_large_to_read(command, tmp_path, more):
    (tmp_path / "t.csv").write_text("area,note\nE1,123456789018\nE1,x\n")

    code, out, err = command("data", "measure", tmp_path / "t.csv", "-q", "area", "-s", "note", *more)

    assert code == 10
    assert "9018" not in out + err


def test_anonymise_writes_a_table_that_measures_as_told(command, city, ladders, tmp_path):
    written = tmp_path / "out.csv"
    code, out, _ = command(
        "data", "anonymise", city, "--hierarchies", ladders, "-q", "area", "--unit", "home", "--model", "k=5",
        "--suppression-limit", "0.1", "-o", written, "--json",
    )  # fmt: skip
    told = json.loads(out)
    frame = pd.read_csv(written)

    assert code == 0
    assert told["suppressed"]["overall"] == {"rows": 2, "of": 32, "share": 2 / 32}
    assert told["measured"]["k_households"] >= 5
    assert list(frame.columns) == ["area"]
    assert frame["area"].value_counts().min() == told["measured"]["k_children"] == 15
    # The source goes from area to area and back: an output in its order would say who is who.
    assert frame["area"].is_monotonic_increasing


def test_a_subgroup_has_a_limit_of_its_own(command, city, ladders):
    """Two of the four aided rows would go to save the areas; the limit makes the areas coarser instead."""
    ask = [
        "data",
        "anonymise",
        city,
        "--hierarchies",
        ladders,
        "-q",
        "area",
        "--suppression-limit",
        "0.1",
        "--json",
    ]

    _, averaged, _ = command(*ask)
    _, limited, _ = command(*ask, "--subgroup", "aid=yes")

    assert json.loads(averaged)["levels"] == {"area": 0}
    assert json.loads(limited)["levels"] == {"area": 2}
    assert json.loads(limited)["suppressed"]["aid=yes"]["rows"] == 0


def test_where_nothing_satisfies_it_is_refused_with_what_to_do(command, city, tmp_path, monkeypatch):
    """The hierarchy has no level on which the area of two children meets another."""
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    (tmp_path / "city_hierarchy_area.csv").write_text("E01;J01\nE02;J01\nE03;J02\n")
    code, out, err = command(
        "data", "anonymise", city, "--hierarchies", tmp_path, "-q", "area", "--suppression-limit", "0"
    )

    assert (code, out) == (10, "")
    assert "6.2% of 'overall'" in err
    assert "Leave out a quasi-identifier" in err


def test_k_above_the_table_is_refused_before_any_search(command, city, ladders, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    code, out, err = command(
        "data", "anonymise", city, "--hierarchies", ladders, "-q", "area", "--model", "k=50"
    )

    assert (code, out) == (10, "")
    assert "32 people" in err


ASKED = {
    "no such model": (["--model", "m=5"], 2, "distinct-l"),
    "a model without its item": (["--model", "distinct-l=3"], 2, "distinct-l=3:ITEM"),
    "a model of a column that is not there": (["--model", "distinct-l=3:height"], 12, "height"),
    "no such measure": (["--measure", "cost"], 2, "discernibility"),
    "a weight below zero": (["--weight", "area=-1"], 2, "0"),
    "a table where none is to be written": (["--recipe-only", "-o", "out.csv"], 2, "--recipe-only"),
    "a picture of nothing": (["--plot", "curve.png"], 2, "--suggest"),
    "a picture of an unknown kind": (["--suggest", "--plot", "curve.doc"], 2, ".svg"),
    "a start that is none": (["--start", "nowhere.json"], 13, "--start"),
}


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_what_cannot_be_asked_is_said_in_one_sentence(command, city, ladders, asked):
    words, code, held = asked
    left, out, err = command("data", "anonymise", city, "--hierarchies", ladders, "-q", "area", *words)

    assert (left, out) == (code, "")
    assert held in err
    assert "Traceback" not in err


def test_any_mix_of_models_is_kept(command, city, ladders):
    code, out, _ = command(
        "data", "anonymise", city, "--hierarchies", ladders, "-q", "area", "--unit", "home", "--suppression-limit",
        "0.1", "--model", "k=4", "--model", "distinct-l=2:aid", "--model", "equal-t=0.5:aid", "--json",
    )  # fmt: skip
    told = json.loads(out)

    assert code == 0
    assert told["models"] == ["k=4", "distinct-l=2:aid", "equal-t=0.5:aid", "k-households=4"]
    assert told["measured"]["k_households"] >= 4
    assert told["measured"]["sensitive"]["aid"]["plain_distinct_l"] >= 2
    assert (told["gap"], told["bound"]) == (0.0, told["score"])
    assert {"levels", "suppressed_rows", "classes", "lattice", "checked", "seconds"} <= set(told)


def test_three_recipes_are_offered_with_a_picture(command, city, ladders, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    ask = ["data", "anonymise", city, "--hierarchies", ladders, "-q", "area", "--suppression-limit", "0.1"]
    code, out, _ = command(*ask, "--suggest", "--plot", tmp_path / "curve.png", "--subgroup", "aid=yes")
    _, told, _ = command(*ask, "--suggest", "--json")

    assert code == 0
    assert out.startswith("Recipe 1: --suppression-limit")
    assert "aid=yes 0.0%" in out
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
    offered = json.loads(told)["offered"]
    assert [one["suppressed"]["overall"]["rows"] for one in offered] == [0, 2]
    assert offered[0]["score"] > offered[1]["score"]


def test_a_search_goes_on_from_what_an_earlier_one_printed(command, city, ladders, tmp_path):
    ask = ["data", "anonymise", city, "--hierarchies", ladders, "-q", "area", "--json"]
    _, first, _ = command(*ask, "--stop-after", "60")
    (tmp_path / "first.json").write_text(first)
    _, again, _ = command(*ask, "--start", tmp_path / "first.json")

    assert json.loads(again)["levels"] == json.loads(first)["levels"]


def test_adult_with_eight_quasi_identifiers(command, tmp_path):
    """Real census microdata, its hierarchies in ARX's form, one class of income as the sensitive value."""
    table = tmp_path / "adult.csv"
    table.write_bytes(gzip.decompress((ADULT / "adult.csv.gz").read_bytes()))
    code, out, _ = command(
        "data", "anonymise", table, "--separator", ";", "--hierarchies", ADULT, "--quasi-identifiers", EIGHT,
        "--model", "k=5", "--suppression-limit", "0.05", "--json",
    )  # fmt: skip
    told = json.loads(out)

    assert code == 0
    assert told["measured"]["k_children"] >= 5
    assert told["suppressed"]["overall"]["share"] <= 0.05
    assert told["lattice"] == 6480


@pytest.fixture
def years(tmp_path) -> Path:
    """Six children of three homes over two years; one moves, one is alone in an area."""
    path = tmp_path / "years.csv"
    rows = ["child,home,year,area,days,weight"]
    rows += [f"P{n},H{n // 2},{year},{'E0' + str(n // 4 + (year > 2023) * (n == 0))},{n},3"
             for n in range(6) for year in (2023, 2024)]  # fmt: skip
    path.write_text("\n".join([*rows, ""]), encoding="utf-8")
    return path


def test_risk_tells_every_attacker_s_chance_as_json(command, years):
    code, out, _ = command(
        "data", "risk", years, "-q", "area,year", "--unit", "home", "--person", "child", "--year", "year",
        "--weights", "weight", "--residents", "100", "--population", years, "--intruder", years,
        "--knows", "area", "--json",
    )  # fmt: skip
    told = json.loads(out)

    assert code == 0
    assert told["prosecutor"]["highest"] == told["journalist"]["highest"] == 1 / 2
    assert 0 < told["individual"]["highest"] < 1 / 2
    assert told["household_signatures"]["owners"] == 3
    assert told["trajectories"]["alone"] == 1
    assert told["population_uniqueness"]["zayatz"]["share"] == 0
    assert told["intruder"]["tried"] == 6
    assert told["separation"][0]["items"] == ["area", "year"]
    assert "special_uniques" in told


def test_risk_speaks_the_reader_s_language(command, years, monkeypatch):
    ask = ["data", "risk", years, "-q", "area,days", "--unit", "home"]
    _, japanese, _ = command(*ask)
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    _, english, _ = command(*ask)

    assert "本人が表にいると知る人" in japanese
    assert "Who knows that a child is in the table" in english
    assert "P0" not in english + japanese


UNTOLD = {
    "a weight of zero": (["--weights", "days"], 12, "12"),
    "no such weight": (["--weights", "height"], 12, "height"),
    "years of nobody": (["--year", "year"], 2, "--person"),
    "no such year": (["--year", "height", "--person", "child"], 12, "height"),
    "a population smaller than the table": (["--residents", "5"], 2, "12"),
    "a table of nothing": (["--intruder", "nowhere.csv", "--person", "child"], 13, ""),
    "an item that is not there": (["-q", "height"], 12, "height"),
}


@pytest.mark.parametrize(("words", "code", "held"), UNTOLD.values(), ids=UNTOLD)
def test_a_risk_that_cannot_be_told_is_refused_in_one_sentence(command, years, words, code, held):
    left, out, err = command("data", "risk", years, *([] if "-q" in words else ["-q", "area"]), *words)

    assert (left, out) == (code, "")
    assert held in err
    assert "Traceback" not in err


# name: (what is typed after the table, exit code, what the sentence holds)
REFUSED = {
    "no such column": (["-q", "height"], 12, "height"),
    "no such sensitive column": (["-q", "area", "-s", "height"], 12, "height"),
    "no such household": (["-q", "area", "--unit", "height"], 12, "height"),
    "another separator": (["-q", "area", "--separator", ";"], 2, "--separator"),
    "harm in a column that is not sensitive": (["-q", "area", "--harmful", "aid=yes"], 2, "aid"),
    "harm without a value": (["-q", "area", "--harmful", "aid"], 2, "column=value"),
    "no quasi-identifier": (["-q", ","], 2, "準識別子"),
}


@pytest.mark.parametrize(("words", "code", "held"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_measured_is_said_in_one_sentence(command, city, words, code, held):
    left, out, err = command("data", "measure", city, *words)

    assert (left, out) == (code, "")
    assert held in err
    assert "Traceback" not in err


def test_an_individual_number_is_refused_and_not_echoed(command, tmp_path):
    path = tmp_path / "numbers.csv"
    path.write_text("area,code\nE01,123456789018\nE01,1\n")
    code, out, err = command("data", "measure", path, "-q", "area")

    assert (code, out) == (10, "")
    assert "1234" not in err


@pytest.mark.parametrize(
    "content", [b"", b"area,home\n", b"area,area\nE01,E02\n"], ids=["empty", "header", "twice"]
)
def test_a_file_that_is_no_table_is_unusable(command, tmp_path, content):
    path = tmp_path / "broken.csv"
    path.write_bytes(content)

    assert command("data", "measure", path, "-q", "area")[0] == 12


UNHELD = {
    "households without their column": ["--model", "k-households=5"],
    "half a person": ["--model", "k=2.9"],
    "half a value": ["--model", "recursive-cl=2,2.9:aid"],
    "c that is no number": ["--model", "recursive-cl=nan,3:aid"],
    "a limit that is no number": ["--suppression-limit", "nan"],
    "a time that is no number": ["--stop-after", "nan"],
    "a harm that nobody has": ["-s", "aid", "--harmful", "aid=ja", "--model", "confidence=0.1:aid"],
    "a group of nobody": ["--subgroup", "aid=ja"],
    "local recoding by another measure": ["--local-recoding", "--measure", "height"],
}


@pytest.mark.parametrize("more", UNHELD.values(), ids=UNHELD)
def test_what_would_protect_nobody_unnoticed_is_refused(command, city, ladders, more):
    code, _, err = command("data", "anonymise", city, "--hierarchies", ladders, "-q", "area", *more)

    assert code == 2, err


def test_a_column_named_twice_is_a_slip(command, city, ladders):
    assert command("data", "measure", city, "-q", "area,area")[0] == 2
    assert command("data", "anonymise", city, "--hierarchies", ladders, "-q", "area,area")[0] == 2


def test_nothing_is_searched_for_a_place_that_is_not_there(command, city, ladders, tmp_path):
    code, _, _ = command(
        "data", "anonymise", city, "--hierarchies", ladders, "-q", "area",
        "-o", tmp_path / "nowhere" / "x.csv", "--recipe", tmp_path / "recipe",
    )  # fmt: skip

    assert code == 13
    assert not (tmp_path / "recipe").exists()


def test_zero_has_one_sign(command, tmp_path):
    pd.DataFrame({"q": list("aabb"), "f": [0.0, -0.0, 0.0, -0.0]}).to_parquet(tmp_path / "z.parquet")

    told = json.loads(command("data", "measure", tmp_path / "z.parquet", "-q", "q", "-s", "f", "--json")[1])

    assert told["sensitive"]["f"]["plain_distinct_l"] == 1
