"""`workbench data hierarchies`: a first ladder for each column, which a person reads and corrects."""

import json
import sys
from pathlib import Path

import pytest

from workbench.cli import main
from workbench.privacy.anonymity.hierarchies import load


@pytest.fixture
def command(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    rows = [f"E{n % 3},{n % 9},{1000 + 37 * n},{'f' if n % 2 else ''}" for n in range(60)]
    Path("town.csv").write_text("\n".join(["area,days,income,sex", *rows, ""]))

    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["workbench", "data", *map(str, words)])
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


# The table of residents in the register of the synthetic city.
TABLE = "resident"
ASKED = ["hierarchies", "town.csv", "-i", "area,days,income,sex", "-o", "made"]


@pytest.mark.parametrize("arx", [[], ["--arx"]], ids=["ours", "ARX's"])
def test_what_is_written_is_read_and_searched(command, arx):
    code, out, err = command(*ASKED, *arx, "--json")
    assert (code, err) == (0, "")
    told = json.loads(out)
    left, found, _ = command(
        "anonymise", "town.csv", "--hierarchies", "made", "-q", "area,days,income,sex", "--json"
    )

    assert set(load(Path("made"))) == {"area", "days", "income", "sex"}
    assert told["income"]["kind"] == "interval"
    assert Path("made", told["income"]["file"]).suffix == (".csv" if arx else ".json")
    assert left == 0
    assert json.loads(found)["measured"]["k_children"] >= 5


def test_cuts_that_were_read_off_the_data_are_said_to_be(command):
    _, out, _ = command(*ASKED)

    assert "days: town_hierarchy_days.csv (4 levels, read off the data: judge before it leaves)" in out
    assert "1037" not in out


def test_what_somebody_corrected_is_not_written_over(command):
    command(*ASKED)
    Path("made/town_hierarchy_area.csv").write_text("mine")
    code, out, err = command(*ASKED)

    assert (code, out) == (2, "")
    assert "'area'" in err
    assert Path("made/town_hierarchy_area.csv").read_text() == "mine"


def test_a_column_that_is_not_there(command):
    code, out, err = command("hierarchies", "town.csv", "-i", "height", "-o", "made")

    assert (code, out) == (12, "")
    assert "'height'" in err
    assert not Path("made").exists()


def test_the_register_comes_before_the_values(command):
    """What the register declares is public, whatever the table happens to hold."""
    register = Path(__file__).parents[2] / "datasets" / "synthetic" / "register.yaml"
    Path("resident.csv").write_text("sex\n1\n1\n")
    code, out, _ = command(
        "hierarchies",
        "resident.csv",
        "-i",
        "sex",
        "-o",
        "made",
        "--register",
        register,
        "--register-table",
        TABLE,
        "--json",
    )

    assert code == 0
    assert json.loads(out)["sex"]["public"] is True
    assert len(Path("made/resident_hierarchy_sex.csv").read_text().splitlines()) >= 2


def test_there_is_no_coarser_name(command):
    register = Path(__file__).parents[2] / "datasets" / "synthetic" / "register.yaml"
    Path("resident.csv").write_text("name\nSakura\nHana\n")
    code, out, err = command(
        "hierarchies",
        "resident.csv",
        "-i",
        "name",
        "-o",
        "made",
        "--register",
        register,
        "--register-table",
        TABLE,
    )

    assert (code, out) == (10, "")
    assert "Sakura" not in err
