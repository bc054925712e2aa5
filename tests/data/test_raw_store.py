"""The raw store: whole tables with their receipts, or nothing; and the import that fills it."""

import errno
import os
import stat
from pathlib import Path

import pandas as pd
import pytest

from workbench.audit import Event
from workbench.data.intake import import_extract
from workbench.data.raw import RawStore
from workbench.data.receipt import Receipt
from workbench.data.register import Register
from workbench.data.registers import Registers
from workbench.errors import NotFound, Refused, Unusable, Usage
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.state import State

ROW = "S0000001,青葉 花子,2014-05-06,2,3,4500,有"
OTHER_ROW = "S0000002,青葉 太郎,2015-05-06,1,,,無"


@pytest.fixture
def home(tmp_path) -> Home:
    return Home.create(tmp_path / "home", seed=1)


@pytest.fixture
def store(home) -> RawStore:
    return RawStore(home)


@pytest.fixture
def state(home, pupil) -> State:
    state = State.open(home)
    Registers(state).add(Register({"pupil": pupil}))
    return state


FRAME = pd.DataFrame(
    {
        "child": ["a", None, "c"],
        "absent_days": pd.array([1, None, 3], dtype="Int64"),
        "fee": [1.5, None, 2.0],
        "aid": ["yes", "no", None],
    }
)
RECEIPT = Receipt(
    rows=3,
    columns=tuple(FRAME.columns),
    normalised={"era_date": 2},
    empty_columns=("fee",),
    sources={"resident": "ab"},
)


def leftovers(home: Home) -> list[str]:
    return sorted(path.name for path in home.raw.iterdir())


def test_a_table_and_its_receipt_come_back_as_they_were(store):
    store.put("child_year", FRAME, RECEIPT)

    pd.testing.assert_frame_equal(store.get("child_year"), FRAME)
    assert store.receipt("child_year") == RECEIPT
    assert store.tables() == ("child_year",)


def test_some_columns_can_be_read_alone(store):
    store.put("child_year", FRAME, RECEIPT)

    pd.testing.assert_frame_equal(store.get("child_year", columns=["aid", "fee"]), FRAME[["aid", "fee"]])


def test_the_same_table_has_the_same_bytes(store, home):
    store.put("child_year", FRAME, RECEIPT)
    first = (home.raw / "child_year.parquet").read_bytes()
    store.put("child_year", FRAME.copy(), RECEIPT)

    assert (home.raw / "child_year.parquet").read_bytes() == first


def test_only_the_owner_can_read_a_raw_table(store, home):
    store.put("child_year", FRAME, RECEIPT)

    assert stat.S_IMODE((home.raw / "child_year.parquet").stat().st_mode) == 0o600


def test_a_table_that_is_not_there_is_not_found(store):
    for ask in (store.get, store.receipt, store.remove):
        with pytest.raises(NotFound, match="data import"):
            ask("resident")


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "UPPER", "x" * 64])
def test_a_tables_name_is_no_path(store, name):
    for ask in (store.get, store.receipt, lambda table: store.put(table, FRAME, RECEIPT)):
        with pytest.raises(Usage):
            ask(name)


def test_a_removed_table_is_gone(store):
    store.put("child_year", FRAME, RECEIPT)
    store.remove("child_year")

    assert store.tables() == ()


@pytest.mark.parametrize("keep", [0, 3, 100, -1])
def test_a_damaged_table_is_named_and_not_read(store, home, keep):
    store.put("child_year", FRAME, RECEIPT)
    path = home.raw / "child_year.parquet"
    path.write_bytes(path.read_bytes()[:keep])

    for ask in (store.get, store.receipt):
        with pytest.raises(Unusable, match="child_year"):
            ask("child_year")


def test_what_a_kill_left_behind_is_no_table_and_is_cleared(store, home):
    (home.raw / ".child_year.parquet.12ab34cd.aside").write_bytes(b"half")

    assert store.tables() == ()
    store.put("child_year", FRAME, RECEIPT)
    assert leftovers(home) == ["child_year.parquet"]


FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("when", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_table_and_nothing_half_written(store, home, monkeypatch, when):
    store.put("child_year", FRAME, RECEIPT)

    def full(*_args):
        raise FULL

    with monkeypatch.context() as patched:
        patched.setattr(os, when, full)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            store.put("child_year", FRAME.head(1), RECEIPT)

    assert leftovers(home) == ["child_year.parquet"]
    assert len(store.get("child_year")) == 3


def test_a_full_disk_during_an_import_leaves_no_table_and_no_event(home, state, send, monkeypatch):
    real = os.replace

    def full(source, target):
        if Path(target).parent == home.raw:
            raise FULL
        return real(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", full)
        with pytest.raises(OSError, match=os.strerror(errno.ENOSPC)):
            import_extract(home, state, table="pupil", path=send(ROW))

    assert leftovers(home) == []
    assert events(state) == []
    assert import_extract(home, state, table="pupil", path=send(ROW)).rows == 1


def events(state: State) -> list[dict]:
    return [record for record in state.log.records() if record["event"].startswith("extract.")]


def test_an_import_stores_table_receipt_and_event(home, state, send, pupil):
    receipt = import_extract(home, state, table="pupil", path=send(ROW, OTHER_ROW))
    store = RawStore(home)

    assert store.receipt("pupil") == receipt
    assert receipt.register == Registers(state).current().digest
    assert store.get("pupil")["aid"].tolist() == ["yes", "no"]
    (event,) = events(state)
    assert event["event"] == Event.EXTRACT_IMPORTED
    assert event["details"] == {"table": "pupil", "rows": 2, "columns": 7, "sha256": receipt.sha256}


def test_an_import_takes_the_place_of_the_one_before(home, state, send):
    import_extract(home, state, table="pupil", path=send(ROW, OTHER_ROW))
    import_extract(home, state, table="pupil", path=send(ROW))

    assert len(RawStore(home).get("pupil")) == 1


REFUSED = {
    "unregistered_column": (["", "x"], Refused),
    "forbidden_number": (["", "個人番号"], Refused),
    "unusable": (["S2,B"], Unusable),
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_refused_import_changes_nothing_and_is_in_the_log(home, state, send, rule):
    import_extract(home, state, table="pupil", path=send(ROW, OTHER_ROW))
    (extra, family) = REFUSED[rule]
    columns = "".join(f",{name}" for name in extra[1:])
    bad = send(
        *(ROW + columns, *extra[:1]), header="pupil_no,name,birth_date,sex,absent_days,fee,aid" + columns
    )

    with pytest.raises(family):
        import_extract(home, state, table="pupil", path=bad)

    assert len(RawStore(home).get("pupil")) == 2
    assert events(state)[-1]["details"] == {"table": "pupil", "rule": rule}


def test_only_who_may_imports(home, state, send):
    people = People(state)
    people.add(Person("mori", "森", Role.COORDINATOR, "企画課"))
    people.add(Person("kato", "加藤", Role.ANALYST, "大学"))

    for actor in ("kato", "workbench"):
        with pytest.raises(Refused):
            import_extract(home, state, table="pupil", path=send(ROW), actor=actor)
    assert leftovers(home) == []
    import_extract(home, state, table="pupil", path=send(ROW), actor="mori")
    assert events(state)[-1]["actor"] == "mori"


def test_a_table_that_is_not_registered_is_not_found(home, state, send):
    with pytest.raises(NotFound):
        import_extract(home, state, table="tax", path=send(ROW))

    assert leftovers(home) == []
