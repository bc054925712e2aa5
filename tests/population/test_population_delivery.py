"""What is sent: the same bytes for the same seed, readable by the register, and nothing that must not exist."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from workbench.artifact.canonical import canonical
from workbench.cli import population as command
from workbench.data.individual_number import mentions
from workbench.data.intake import read_extract
from workbench.errors import NotFound, Untrusted, Unusable
from workbench.population.check import Held, check, every_key_has_an_owner, no_record_after_the_end
from workbench.population.city import City
from workbench.population.delivery import MANIFEST, SENT, as_file, write
from workbench.population.documents import documents, register
from workbench.population.params import Params

SHIPPED = Path(__file__).parents[2] / "datasets" / "synthetic"
MEBIBYTE = 2**20


@pytest.fixture(scope="module")
def tiny(tmp_path_factory) -> Path:
    """The tiny city made by the command, as anybody would make it."""
    folder = tmp_path_factory.mktemp("tiny")
    made = CliRunner().invoke(
        command.population, ["generate", "--profile", "tiny", "--seed", "1", "-o", str(folder)]
    )
    assert made.exit_code == 0, made.output
    return folder


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_the_shipped_city_is_what_its_seed_gives_byte_for_byte(tiny: Path):
    names = files(SHIPPED / "tiny")

    assert names == files(tiny) - set(documents())
    assert [
        name for name in names if (tiny / name).read_bytes() != (SHIPPED / "tiny" / name).read_bytes()
    ] == []


@pytest.mark.parametrize("name", documents())
def test_the_shipped_documents_are_what_the_register_and_the_rates_give(name, tiny: Path):
    assert (SHIPPED / name).read_bytes() == documents()[name] == (tiny / name).read_bytes()


def test_the_shipped_city_stays_small():
    sizes = [path.stat().st_size for path in (SHIPPED / "tiny").rglob("*") if path.is_file()]

    assert max(sizes) < 2 * MEBIBYTE
    assert sum(sizes) < 12 * MEBIBYTE


def test_another_seed_gives_another_city(tiny: Path, town: City):
    assert as_file("welfare", town.tables["welfare"])[1] != (tiny / "welfare.csv").read_bytes()


def test_a_finished_city_passes_its_check(tiny: Path):
    assert [finding.rule for finding in check(tiny) if finding.wrong or not finding.looked_at] == []


# One table for each way of sending: old and new encodings, every style of date, wide digits, Parquet.
READ_BACK = [
    "resident_addr_hist",
    "sp_allowance",
    "welfare",
    "consult",
    "arrears",
    "pupil",
    "maternal",
    "childcare",
    "disability",
    "carer_survey",
    "school_health",
]


def test_every_way_of_sending_is_read_back_in_the_round():
    assert {SENT[table] for table in READ_BACK} | {SENT["infant_check"]} == set(SENT.values())


@pytest.mark.parametrize("table", READ_BACK)
def test_what_is_sent_is_read_back_as_it_was(table, town: City, tmp_path: Path):
    name, content = as_file(table, town.tables[table])
    (tmp_path / name).write_bytes(content)
    frame, _ = read_extract(tmp_path / name, register()[table].items)

    pd.testing.assert_frame_equal(frame, town.tables[table])


def test_old_systems_send_cp932_with_japanese_eras(tiny: Path):
    text = (tiny / "consult.csv").read_bytes().decode("cp932")

    assert "令和" in text
    assert "ケースID" in text
    with pytest.raises(UnicodeDecodeError):
        (tiny / "consult.csv").read_bytes().decode()


def test_no_individual_number_stands_anywhere(tiny: Path):
    """The intake scans every column of every table in `check`; here are the names and the documents."""
    for path in tiny.rglob("*"):
        assert not mentions(path.name)
    for name, content in documents().items():
        assert not any(mentions(line) for line in content.decode().splitlines()), name


def test_a_changed_byte_is_named(tiny: Path, tmp_path: Path):
    copy = copied(tiny, tmp_path)
    (copy / "welfare.csv").write_bytes((copy / "welfare.csv").read_bytes().replace(b"W", b"V", 1))

    with pytest.raises(Untrusted, match=r"welfare\.csv"):
        check(copy)


def copied(folder: Path, to: Path) -> Path:
    """A copy of what a check looks at first: the manifest and one file."""
    manifest = json.loads((folder / MANIFEST).read_bytes())
    manifest["files"] = {"welfare.csv": manifest["files"]["welfare.csv"]}
    (to / MANIFEST).write_bytes(canonical(manifest))
    (to / "welfare.csv").write_bytes((folder / "welfare.csv").read_bytes())
    return to


def test_a_city_that_was_not_finished_is_not_found(tmp_path: Path):
    with pytest.raises(NotFound):
        check(tmp_path)


def test_a_manifest_of_another_form_is_unusable(tmp_path: Path):
    (tmp_path / MANIFEST).write_bytes(canonical({"schema": "other", "files": {}}))

    with pytest.raises(Unusable):
        check(tmp_path)


def test_a_key_without_an_owner_is_found(town: City):
    truth = town.truth_link[town.truth_link["source"] != "welfare"]
    held = Held(town.tables, truth)

    assert every_key_has_an_owner(held).wrong == len(town.tables["welfare"])


def test_a_record_of_the_future_is_found(town: City):
    welfare = town.tables["welfare"].assign(spell_from="2031-01-01")

    assert no_record_after_the_end(Held({"welfare": welfare}, town.truth_link)).wrong == len(welfare)


def test_every_key_has_one_true_owner(town: City):
    link = town.truth_link

    assert not link.duplicated(["source", "source_key"]).any()
    assert every_key_has_an_owner(Held(town.tables, link)).wrong == 0


def test_every_table_is_registered_item_by_item(town: City):
    assert {name: tuple(frame.columns) for name, frame in town.tables.items()} == {
        name: register()[name].names for name in town.tables
    }


def test_profiles_of_the_command_are_those_of_the_parameters():
    assert list(command.PROFILES) == list(Params()["profiles.children"])


def test_own_rates_are_taken_from_a_file(tmp_path: Path):
    (tmp_path / "ours.yaml").write_text("money.school_aid: {rate: 0.2}\n")

    assert command.own_rates(tmp_path / "ours.yaml") == {"money.school_aid": {"rate": 0.2}}
    assert command.own_rates(None) == {}


@pytest.mark.parametrize("content", [b"- a\n", b"\xff\xfe", b"a: [\n"])
def test_rates_that_cannot_be_read_are_refused(content, tmp_path: Path):
    (tmp_path / "ours.yaml").write_bytes(content)

    with pytest.raises(Unusable, match=r"ours\.yaml"):
        command.own_rates(tmp_path / "ours.yaml")


def test_progress_counts_every_step(capsys):
    tell = command.told()
    for step in range(command.STEPS):
        tell(str(step))

    assert capsys.readouterr().err.splitlines()[-1].startswith(f"[{command.STEPS}/{command.STEPS}]")


def test_writing_again_over_a_city_leaves_the_new_one(town: City, tmp_path: Path):
    few = {"welfare": town.tables["welfare"], "arrears": town.tables["arrears"]}
    small = City(**{**vars(town), "tables": few})
    write(small, tmp_path)
    (tmp_path / "welfare.csv").write_bytes(b"old")
    manifest = write(small, tmp_path)

    assert set(manifest["files"]) == {
        "welfare.csv",
        "arrears.csv",
        *(f"truth/truth_{t}.parquet" for t in ("link", "latent", "child_year")),
    }
    assert (tmp_path / "welfare.csv").read_bytes() != b"old"
