"""`workbench data register | import`: exit codes, one sentence in the reader's language, JSON."""

import errno
import json
import os

import pytest

from workbench.cli import workbench
from workbench.cli.shell import run
from workbench.data.individual_number import check_digit
from workbench.data.raw import RawStore
from workbench.data.register import Register
from workbench.home import Home

HEADER = "pupil_no,name,birth_date,sex,absent_days,fee,aid"
ROW = "S0000001,青葉 花子,R元.5.6,2,3,4500,有"
NUMBER = "12345678901" + check_digit("12345678901")
SPACED = f"{NUMBER[:4]} {NUMBER[4:8]} {NUMBER[8:]}"


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "home"))
    return Home.create(tmp_path / "home", seed=1)


@pytest.fixture
def register_file(tmp_path, pupil):
    path = tmp_path / "register.json"
    path.write_text(json.dumps(Register({"pupil": pupil}).to_json()))
    return path


@pytest.fixture
def call(capfd, monkeypatch, home):
    """Run the command as a shell would: its exit code, what it printed, what it said on stderr."""

    def run_it(*words, lang: str = "en") -> tuple[int, str, str]:
        monkeypatch.setenv("WORKBENCH_LANG", lang)
        monkeypatch.setattr("sys.argv", ["workbench", *map(str, words)])
        code = 0
        try:
            run(workbench)
        except SystemExit as left:
            code = left.code
        return code, *capfd.readouterr()

    return run_it


def test_register_then_import(call, register_file, send, home):
    code, out, _ = call("data", "register", register_file, "--json")
    assert (code, json.loads(out)["tables"]) == (0, {"pupil": 7})

    code, out, _ = call("data", "import", "pupil", send(ROW), "--json")
    assert code == 0
    assert json.loads(out)["normalised"] == {"era_date": 1, "flag_notation": 1}
    assert RawStore(home).get("pupil")["birth_date"].tolist() == ["2019-05-06"]


def test_import_can_register_first(call, register_file, send):
    assert call("data", "import", "pupil", send(ROW), "--register", register_file)[0] == 0


@pytest.mark.parametrize(("lang", "word"), [("ja", "取り込みました"), ("en", "taken in")])
def test_an_import_says_what_it_did_in_the_readers_language(call, register_file, send, lang, word):
    _, out, _ = call("data", "import", "pupil", send(ROW), "--register", register_file, lang=lang)

    assert word in out
    assert "era_date 1" in out


@pytest.fixture
def store(call, register_file, home) -> RawStore:
    """The raw store of a home whose register is in force."""
    assert call("data", "register", register_file)[0] == 0
    return RawStore(home)


BAD = {
    "an empty file": (12, [""], {"header": ""}, ("空", "empty")),
    "a header only": (12, [], {}, ("データの行がありません", "no data row")),
    "ragged rows": (12, ["S1,A"], {}, ("7 列", "7 columns")),
    "an impossible date": (12, [ROW.replace("R元.5.6", "R元.4.30")], {}, ("存在しない日付", "never were")),
    "an unknown category": (12, [ROW.replace(",2,3", ",9,3")], {}, ("台帳にない区分", "does not list")),
    "an unregistered column": (10, [ROW + ",1"], {"header": HEADER + ",colour"}, ("colour", "colour")),
    "an Individual Number in a cell": (
        10,
        [ROW.replace("青葉 花子", SPACED)],
        {},
        ("個人番号", "Individual Number"),
    ),
    "one in the header": (
        10,
        [ROW + ",1"],
        {"header": f"{HEADER},{SPACED}"},
        ("個人番号", "Individual Number"),
    ),
    "one in the file's name": (10, [ROW], {"name": f"{NUMBER}.csv"}, ("個人番号", "Individual Number")),
}


@pytest.mark.parametrize("language", ["ja", "en"])
@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_sentence_and_its_exit_code(call, store, send, case, language):
    expected, rows, fields, words = BAD[case]

    code, out, said = call("data", "import", "pupil", send(*rows, **fields), lang=language)

    assert code == expected
    assert words[language == "en"] in said
    assert len(said.splitlines()) == 1
    assert "花子" not in said
    assert NUMBER[:4] not in out + said
    assert store.tables() == ()


def test_what_is_not_there_is_13(call, register_file, send, tmp_path):
    assert call("data", "import", "pupil", send(ROW))[0] == 13
    assert call("data", "register", tmp_path / "none.yaml")[0] == 13
    call("data", "register", register_file)
    assert call("data", "import", "tax", send(ROW))[0] == 13
    assert call("data", "import", "pupil", tmp_path / "none.csv")[0] == 13


@pytest.mark.usefixtures("store")
def test_an_individual_number_in_the_name_of_a_file_that_is_not_there_is_not_echoed(call, tmp_path):
    code, out, said = call("data", "import", "pupil", tmp_path / f"{SPACED}.csv")

    assert code == 10
    assert NUMBER[:4] not in out + said


def test_a_full_disk_is_14_in_one_sentence(call, store, send, monkeypatch):
    def full(*_args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr("workbench.home.os.replace", full)
        code, _, said = call("data", "import", "pupil", send(ROW))

    assert code == 14
    assert len(said.splitlines()) == 1
    assert list(store.folder.iterdir()) == []
    assert call("data", "import", "pupil", send(ROW))[0] == 0
