"""What cannot be anonymised is refused at the command in one sentence that says where and never what."""

import json
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.cli import data_anonymise, main

FORTY = 40


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    """`command(…)` after `data anonymise t.csv --hierarchies .`: exit code, what is printed, the sentence."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_LANG", "en")

    def run(*words: object) -> tuple[int, str, str]:
        typed = ["workbench", "data", "anonymise", "t.csv", "--hierarchies", ".", *map(str, words)]
        monkeypatch.setattr(sys, "argv", typed)
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


def table(rows: list[str], ladder: str = "Rose;J1;*\nLily;J1;*\nIris;J2;*\n") -> None:
    Path("t.csv").write_text("\n".join(["area,aid", *rows, ""]))
    Path("t_hierarchy_area.csv").write_text(ladder)


PLAIN = ["Rose,yes", "Rose,no"] * 5 + ["Lily,yes", "Lily,no"] * 5


def test_k_larger_than_the_table(command):
    table(PLAIN)
    code, out, err = command("-q", "area", "--model", "k=21")

    assert (code, out) == (10, "")
    assert "20" in err


def test_a_quasi_identifier_that_is_not_in_the_table(command):
    table(PLAIN)
    code, out, err = command("-q", "area,height")

    assert (code, out) == (12, "")
    assert "'height'" in err


def test_a_hierarchy_that_misses_a_value_names_its_row_and_not_the_value(command):
    table([*PLAIN, "Secretgarden,no"])
    code, out, err = command("-q", "area")

    assert (code, out) == (12, "")
    assert "21" in err
    assert "area" in err
    assert "Secretgarden" not in err


NOT_A_FUNCTION = {
    "one label with two labels above": "Rose;J1;N;*\nLily;J1;S;*\nIris;J2;S;*\n",
    "a value that stands twice": "Rose;J1;*\nRose;J2;*\nLily;J1;*\n",
    "rows of different lengths": "Rose;J1;*\nLily;*\n",
    "nothing": "",
}


@pytest.mark.parametrize("ladder", NOT_A_FUNCTION.values(), ids=NOT_A_FUNCTION)
def test_a_hierarchy_that_is_no_function_from_level_to_level(command, ladder):
    table(PLAIN, ladder)
    code, out, err = command("-q", "area")

    assert (code, out) == (12, "")
    assert "area" in err
    assert "Rose" not in err


def test_a_quasi_identifier_without_a_hierarchy(command):
    table(PLAIN)
    code, out, err = command("-q", "area,aid")

    assert code in (12, 13)
    assert out == ""
    assert "aid" in err


def test_a_table_of_which_nothing_would_be_left(command):
    """Nobody's neighbour has the same area, and the hierarchy has no coarser level."""
    Path("t.csv").write_text("\n".join(["area,aid", *(f"E{n},no" for n in range(20)), ""]))
    Path("t_hierarchy_area.csv").write_text("".join(f"E{n};F{n}\n" for n in range(20)))
    code, out, err = command("-q", "area", "--suppression-limit", "1")

    assert (code, out) == (10, "")
    assert err


def test_a_measure_blind_to_suppression_that_would_delete_most_of_the_table(command):
    """Height is least where nothing is generalised, and all that is rare goes."""
    Path("t.csv").write_text("\n".join(["area,aid", *(f"E{n},no" for n in range(40)), *["E0,no"] * 9, ""]))
    Path("t_hierarchy_area.csv").write_text("".join(f"E{n};*\n" for n in range(40)))
    code, out, err = command("-q", "area", "--suppression-limit", "1", "--measure", "height")

    assert (code, out) == (10, "")
    assert "height" in err


def test_weights_of_zero_are_told_or_leave_the_item_free(command):
    """An item of weight zero costs nothing; with nothing that costs there is no optimum to look for."""
    Path("t.csv").write_text("\n".join(["area,sex", *["Rose,f", "Rose,m", "Lily,f"] * 4, "Iris,m", ""]))
    Path("t_hierarchy_area.csv").write_text("Rose;J1;*\nLily;J1;*\nIris;J2;*\n")
    Path("t_hierarchy_sex.csv").write_text("f;*\nm;*\n")
    code, out, _ = command(
        "-q", "area,sex", "--model", "k=4", "--suppression-limit", "0", "--weight", "area=0", "--json"
    )
    none, nothing, err = command("-q", "area,sex", "--weight", "area=0", "--weight", "sex=0")

    assert code == 0
    assert json.loads(out)["levels"] == {"area": 2, "sex": 0}
    assert (none, nothing) == (2, "")
    assert err


@pytest.fixture
def forty(tmp_path) -> list[str]:
    """Forty quasi-identifiers of three values: 3^40 combinations, beyond what 63 bits can number."""
    draw = np.random.default_rng(5)
    names = [f"q{n}" for n in range(FORTY)]
    rows = np.where(draw.random((300, FORTY)) < 0.02, draw.integers(0, 3, (300, FORTY)), 0)
    pd.DataFrame(rows, columns=names).to_csv(tmp_path / "t.csv", index=False)
    for name in names:
        (tmp_path / f"t_hierarchy_{name}.csv").write_text("0;a;*\n1;a;*\n2;b;*\n")
    return names


def test_forty_quasi_identifiers_and_keys_beyond_63_bits(command, forty):
    """What cannot be enumerated is searched best first, and says how far from the optimum it may be."""
    code, out, _ = command(
        "-q", ",".join(forty), "--stop-after", "0.2", "--suppression-limit", "0.2", "--json"
    )
    told = json.loads(out)

    assert code == 0
    assert told["lattice"] == 3**FORTY
    assert told["measured"]["k_children"] >= 5
    assert 0 <= told["bound"] <= told["score"]


def test_an_interrupted_search_tells_its_best_and_how_far_it_may_be(command, forty, monkeypatch):
    """Ctrl-C after the first node: without it the search would go on for an hour."""
    pressed = []

    def press(_: object) -> None:
        if not pressed:
            pressed.append(True)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(data_anonymise, "Shown", lambda: press)
    code, out, _ = command("-q", ",".join(forty), "--stop-after", "3600", "--suppression-limit", "0.2")

    assert code == 0
    assert pressed
    assert "gap to the optimum" in out
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_stopped_search_goes_on_from_what_it_printed(command, forty):
    _, first, _ = command(
        "-q", ",".join(forty), "--stop-after", "0.1", "--suppression-limit", "0.2", "--json"
    )
    Path("first.json").write_text(first)
    _, again, _ = command(
        "-q", ",".join(forty), "--stop-after", "0.1", "--suppression-limit", "0.2", "--start", "first.json", "--json"
    )  # fmt: skip

    assert json.loads(again)["score"] <= json.loads(first)["score"]
