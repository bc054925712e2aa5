"""`workbench data link`: the raw tables of a home become person_link and child_year, and a report."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from workbench.audit import Event
from workbench.cli.data import data
from workbench.data.intake import import_extract
from workbench.data.linked import link_tables, looked_at
from workbench.data.linking import link
from workbench.data.panel import child_year
from workbench.data.raw import RawStore
from workbench.data.receipt import Receipt
from workbench.data.register import Register
from workbench.data.registers import Registers
from workbench.errors import Refused, Unusable
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.population import generate, write
from workbench.population.places import places
from workbench.state import State

SHIPPED = Path(__file__).parents[2] / "datasets" / "synthetic"
PERSON = {"name": "佐藤　葵", "name_kana": "サトウ　アオイ", "birth_date": "2012-06-01", "sex": "2"}
PLACED = {**PERSON, "address": "青葉野市月読台一丁目2番3号"}
RESIDENT = {
    **PLACED,
    "person_no": "0000000001",
    "household_no": "100000001",
    "alias": None,
    "relation": "03",
    "foreign": "0",
    "protected": "0",
    "block_code": "B001",
    "spell_from": "2012-06-01",
    "spell_to": None,
}
STRANGER = {**PLACED, "name": "鈴木　蓮", "name_kana": "スズキ　レン", "birth_date": "2013-01-01"}
TABLES = {
    "resident": pd.DataFrame([RESIDENT], dtype=object),
    "pupil": pd.DataFrame(
        [
            {"pupil_no": "S1", "fy": 2019, **PLACED},
            {"pupil_no": "S1", "fy": 2020, **PLACED},
            {"pupil_no": "S2", "fy": 2020, **STRANGER},
        ]
    ),
    "nurse_visit": pd.DataFrame({"pupil_no": ["S1", "S2"], "visited_on": ["2019-05-01", "2019-05-01"]}),
}


@pytest.fixture
def home(tmp_path) -> Home:
    made = Home.create(tmp_path / "home", seed=1)
    store = RawStore(made)
    for name, frame in TABLES.items():
        store.put(name, frame, Receipt(rows=len(frame), columns=tuple(frame), sha256=name))
    return made


def run(home: Home, *arguments: str):
    return CliRunner().invoke(data, ["link", "--home", str(home.path), *arguments], catch_exceptions=False)


def test_the_links_and_the_panel_are_stored_with_what_they_were_made_from(home):
    link_tables(home, State.open(home))
    store = RawStore(home)

    assert store.get("person_link").to_dict("records") == [
        {"source": "pupil", "source_key": "S1", "person_id": "0000000001", "rule": "name_reading_birth"}
    ]
    assert store.get("child_year")["fy"].tolist() == [2020]
    assert store.receipt("child_year").sources == {name: name for name in TABLES}


def test_linking_again_gives_the_same_bytes(home):
    link_tables(home, State.open(home))
    before = {path.name: path.read_bytes() for path in home.raw.glob("*.parquet")}
    link_tables(home, State.open(home))

    assert {path.name: path.read_bytes() for path in home.raw.glob("*.parquet")} == before


def test_each_stored_table_is_an_event_in_the_log(home):
    state = State.open(home)
    link_tables(home, state)
    linked = [record["details"] for record in state.log.records() if record["event"] == Event.TABLES_LINKED]

    assert [(details["table"], details["rows"], details["persons"]) for details in linked] == [
        ("person_link", 1, 1),
        ("child_year", 1, 1),
    ]


def test_who_may_not_link_changes_nothing(home):
    state = State.open(home)
    People(state).add(Person(id="ayumi", name="分析 歩", role=Role.ANALYST, section="分析課"))
    with pytest.raises(Refused):
        link_tables(home, state, actor="ayumi")

    assert "person_link" not in RawStore(home).tables()


def test_a_home_without_a_register_of_residents_cannot_be_linked(tmp_path):
    empty = Home.create(tmp_path / "empty", seed=1)

    with pytest.raises(Unusable, match="resident"):
        link_tables(empty, State.open(empty))


def test_the_stored_map_gives_the_school_districts(home):
    places = pd.DataFrame({"block": ["B001"], "es_district": ["E01"]})
    RawStore(home).put("places", places, Receipt(rows=1, columns=tuple(places)))

    assert link_tables(home, State.open(home)).child_year["es_district"].tolist() == ["E01"]


def test_the_command_prints_a_line_per_source(home, monkeypatch):
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    printed = run(home).output

    assert "pupil                     2        1   50.00%" in printed
    assert "register: 1 numbers, 1 persons" in printed


def test_the_command_measures_recall_and_precision_when_given_the_truth(home, tmp_path):
    truth = tmp_path / "truth.csv"
    truth.write_text(
        "source,source_key,true_person_id\nresident,0000000001,P1\npupil,S1,P1\npupil,S2,P2\n",
        encoding="utf-8",
    )
    report = json.loads(run(home, "--truth", str(truth), "--json").output)

    assert report["sources"]["pupil"] | {"subgroups": {}} == {
        "numbers": 2,
        "linked": 1,
        "rate": 0.5,
        "rules": {"name_reading_birth": 1},
        "subgroups": {},
    }
    assert report["logs"]["nurse_visit"] == {"numbers": 2, "linked": 1, "rate": 0.5}
    assert report["truth"]["overall"] == {
        "findable": 1,
        "linked": 1,
        "correct": 1,
        "recall": 1.0,
        "precision": 1.0,
    }


def test_the_report_names_no_person(home):
    printed = run(home, "--json").output

    assert not [value for value in ("佐藤", "サトウ", "0000000001", "月読台", "S1") if value in printed]


@pytest.mark.parametrize("content", ["", "a,b\n1,2\n"])
def test_a_truth_that_is_no_truth_table_is_refused(home, tmp_path, content):
    (tmp_path / "truth.csv").write_text(content, encoding="utf-8")

    with pytest.raises(Unusable):
        run(home, "--truth", str(tmp_path / "truth.csv"))
    assert "person_link" not in RawStore(home).tables()


def test_a_truth_file_that_is_not_there_is_refused(home, tmp_path):
    with pytest.raises(Unusable, match=r"none\.csv"):
        run(home, "--truth", str(tmp_path / "none.csv"))


def test_what_is_read_is_enough_for_every_column_of_the_panel_and_no_more():
    columns = ("pupil_no", "fy", "name", "birth_date", "height", "my_note")

    assert looked_at("pupil", columns) == ["pupil_no", "fy", "name", "birth_date"]
    assert looked_at("childcare_month", ("child_no", "month", "absent_days")) == ["child_no"]
    assert looked_at("resident", ("person_no", "alias", "postal_code", "protected")) == [
        "person_no",
        "alias",
        "protected",
    ]


@pytest.mark.slow
def test_the_files_as_holders_send_them_give_the_panel_of_the_tables_in_memory(tmp_path):
    """Era dates, full-width digits and CP932 on the way change nothing."""
    city = generate("tiny", 11)
    write(city, tmp_path / "sent")
    home = Home.create(tmp_path / "home", seed=1)
    state = State.open(home)
    Registers(state).add(Register.load(SHIPPED / "register.yaml"))
    for table in city.tables:
        (sent,) = (tmp_path / "sent").glob(f"{table}.[cp]*")
        import_extract(home, state, table=table, path=sent)
    imported = link_tables(home, state, places=places()).child_year

    expected = child_year(city.tables, link(city.tables), places=places())
    pd.testing.assert_frame_equal(imported, expected, check_dtype=False)
