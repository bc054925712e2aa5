"""However a table is held, an engine reduces it to what `Classes` and `Spread` count in memory."""

import datetime
import decimal
import math
import shutil
from importlib.util import find_spec
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workbench.errors import NotFound, Unprotected, Unusable, Usage
from workbench.privacy.anonymity.classes import Classes
from workbench.privacy.anonymity.reduction import Reduced, reduce
from workbench.privacy.anonymity.spread import Spread

JAPAN = datetime.timezone(datetime.timedelta(hours=9))
NOON = datetime.datetime(2024, 4, 1, 12)
FALL_BACK = datetime.datetime(2024, 11, 3, 5, 30, tzinfo=datetime.UTC)

# A type of column, and values that an engine may confuse: missing in its forms, signs of zero, blanks, zones.
COLUMNS: dict[str, tuple[pa.DataType, list[object]]] = {
    "text": (pa.string(), [None, "", "(missing)", "a", "a ", " a", "A", "1", "1.0", "é", "e\u0301", "保"]),
    "float": (pa.float64(), [None, math.nan, 0.0, -0.0, 1.0, 0.1, 1e300, math.inf, -math.inf]),
    "single": (pa.float32(), [None, math.nan, 0.0, -0.0, 1.0, 0.5, 3.25]),
    "integer": (pa.int64(), [None, 0, -1, 10, 9, 2**53, 2**53 + 1, 2**63 - 1]),
    "small": (pa.int8(), [None, 0, -1, 127]),
    "truth": (pa.bool_(), [None, True, False]),
    "decimal": (pa.decimal128(9, 2), [None, decimal.Decimal("0.00"), decimal.Decimal("1.50")]),
    "date": (pa.date32(), [None, datetime.date(2024, 4, 1), datetime.date(1900, 1, 1)]),
    "time": (pa.timestamp("us"), [None, NOON, NOON + datetime.timedelta(microseconds=1)]),
    "nanosecond": (pa.timestamp("ns"), [None, NOON, NOON + datetime.timedelta(seconds=1)]),
    "moment": (
        pa.timestamp("us", tz="America/New_York"),
        [None, FALL_BACK, FALL_BACK + datetime.timedelta(hours=1), NOON.replace(tzinfo=JAPAN)],
    ),
    "exact moment": (
        pa.timestamp("ns", tz="Asia/Tokyo"),
        [None, 1_700_000_000_000_000_001, 1_700_000_000_000_000_002, NOON.replace(tzinfo=JAPAN)],
    ),
    "hour": (pa.time64("us"), [None, datetime.time(8, 30), datetime.time(8, 30, 0, 1)]),
    "nothing": (pa.null(), [None]),
    "level": (pa.dictionary(pa.int32(), pa.string()), [None, "", "low", "high"]),
}
QUASI = ["text", "float", "integer", "moment"]
SENSITIVE = ["level", "decimal"]


@st.composite
def tables(draw: st.DrawFn) -> tuple[pa.Table, list[str], list[str]]:
    """A table of a few of these columns, and which of them are quasi-identifiers and sensitive."""
    names = draw(st.lists(st.sampled_from(list(COLUMNS)), min_size=2, max_size=5, unique=True))
    rows = draw(st.integers(0, 30))
    columns = {
        name: draw(st.lists(st.sampled_from(COLUMNS[name][1]), min_size=rows, max_size=rows))
        for name in names
    }
    table = pa.table({name: arrow(name, cells) for name, cells in columns.items()})
    cut = draw(st.integers(1, len(names) - 1))
    return table, names[:cut], names[cut:]


def arrow(name: str, cells: list[object]) -> pa.Array:
    kind = COLUMNS[name][0]
    if pa.types.is_dictionary(kind):
        return pa.array(cells, type=pa.string()).dictionary_encode().cast(kind)
    return pa.array(cells, type=kind, from_pandas=False)


def in_memory(table: pa.Table) -> pd.DataFrame:
    """The same table in pandas; whole numbers stay whole beside a missing value."""
    return table.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype(), pa.int8(): pd.Int8Dtype()}.get)


def assert_same(reduced: Reduced, frame: pd.DataFrame, **who: str | None) -> None:
    """Class by class and value by value, in the same order and with the same words."""
    expected = Classes.of(frame, reduced.items, **who)
    classes = reduced.classes
    assert classes.rows.tolist() == expected.rows.tolist()
    assert classes.children.tolist() == expected.children.tolist()
    if who.get("households"):
        assert classes.households.tolist() == expected.households.tolist()
    for item in reduced.falls:
        mine, theirs = reduced.spread(item), Spread.of(expected, frame[item])
        assert mine.words == theirs.words
        for part in ("classes", "in_class", "value", "count", "harmful", "recorded"):
            assert np.array_equal(getattr(mine, part), getattr(theirs, part)), (item, part)


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn=tables())
def test_duckdb_counts_what_pandas_counts(drawn, tmp_path):
    """From Parquet and from a frame, sorted here or grouped there; some of the columns name persons and households too."""
    table, quasi, sensitive = drawn
    path = tmp_path / "table.parquet"
    pq.write_table(table, path)
    who = {"persons": sensitive[-1], "households": quasi[0]}

    for source, bounded in ((path, {}), (in_memory(table), {}), (path, {"WORKBENCH_MEMORY": "1GB"})):
        with mock.patch.dict("os.environ", bounded):
            reduced = reduce(source, quasi, sensitive=sensitive, engine="duckdb", **who)
        assert_same(reduced, in_memory(table), **who)


def mixed(rows: int, *, seed: int) -> pa.Table:
    draw = np.random.default_rng(seed)
    cells = {
        name: [values[n] for n in draw.integers(0, len(values), rows)]
        for name, (_, values) in COLUMNS.items()
    }
    return pa.table({name: arrow(name, column) for name, column in cells.items()})


@pytest.mark.parametrize("name", COLUMNS)
def test_every_type_of_column_has_the_same_categories(name, tmp_path):
    table = mixed(200, seed=1)
    pq.write_table(table, tmp_path / "t.parquet")

    reduced = reduce(tmp_path / "t.parquet", [name], sensitive=[name])

    assert_same(reduced, in_memory(table))
    assert reduced.words[0] == reduced.falls[name].words


def test_a_combination_can_be_read_back():
    frame = pd.DataFrame({"area": ["A1", None, "A2"], "grade": [2, 10, 2]})

    reduced = reduce(frame, ["area", "grade"])

    read = [[words[c] for c in codes] for words, codes in zip(reduced.words, reduced.codes, strict=True)]
    assert read == [["(missing)", "A1", "A2"], ["10", "2", "2"]]


def test_a_key_of_more_than_63_bits_tells_all_rows_apart():
    """Ten items of 1,000 values: 10^30 combinations."""
    frame = pd.DataFrame({f"item{n}": np.arange(1000)[:: (-1) ** n] for n in range(10)}).assign(
        ill=[1, 2] * 500
    )

    reduced = reduce(frame, [f"item{n}" for n in range(10)], sensitive=["ill"])

    assert len(reduced.codes) == 10
    assert_same(reduced, frame)


@pytest.mark.parametrize(
    "home", [[7, 7, 8], [0, 10**18, 10**18], [None, None, 3], ["a", None, ""], [0.5, 0.5, -0.0]]
)
def test_households_of_every_kind_are_told_apart(home):
    frame = pd.DataFrame({"area": ["A1"] * 3, "home": home})

    assert reduce(frame, ["area"], households="home").households.tolist() == [2]


def test_a_folder_of_files_is_one_table(tmp_path):
    table = mixed(100, seed=2)
    (tmp_path / "table").mkdir()
    pq.write_table(table.slice(0, 60), tmp_path / "table/part-0.parquet")
    pq.write_table(table.slice(60), tmp_path / "table/part-1.parquet")

    assert_same(reduce(tmp_path / "table", QUASI, sensitive=SENSITIVE), in_memory(table))


def test_separated_text_is_read_as_text(tmp_path):
    """A code keeps its leading zero; the encoding may be the offices' old one."""
    (tmp_path / "t.csv").write_bytes("地区,学年\n01,1\n1,1\n,1\n".encode("cp932"))

    reduced = reduce(tmp_path / "t.csv", ["地区"], sensitive=["学年"])

    assert reduced.words == (("(missing)", "01", "1"),)


def test_a_table_larger_than_its_memory_is_counted_all_the_same(tmp_path, monkeypatch):
    """What does not fit goes to a folder of its own, which is gone afterwards."""
    monkeypatch.setenv("WORKBENCH_MEMORY", "100MB")
    monkeypatch.setenv("TMPDIR", str(tmp_path / "aside"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "aside").mkdir()
    rows = 1_000_000
    table = pa.table(
        {"area": np.arange(rows) % 1000, "home": np.arange(rows) // 2, "ill": np.arange(rows) % 7}
    )
    pq.write_table(table, tmp_path / "t.parquet")

    reduced = reduce(tmp_path / "t.parquet", ["area"], households="home", sensitive=["ill"])

    assert set(reduced.rows) == {1000}
    assert reduced.households.sum() == rows
    assert list((tmp_path / "aside").iterdir()) == []


def two_of_a_name(path):
    pq.write_table(pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["area", "area"]), path)


def in_two_cases(path):
    pq.write_table(pa.table({"area": [1], "AREA": [2]}), path)


def a_list_in_a_cell(path):
    pq.write_table(pa.table({"area": [["secret"]]}), path)


def cut_short(path):
    pq.write_table(pa.table({"area": ["secret"] * 1000}), path)
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("make", [two_of_a_name, in_two_cases, a_list_in_a_cell, cut_short])
def test_a_table_that_does_not_read_is_unusable_and_not_quoted(make, tmp_path):
    make(tmp_path / "t.parquet")

    with pytest.raises(Unusable) as refused:
        reduce(tmp_path / "t.parquet", ["area"])

    assert "secret" not in refused.value.en + refused.value.ja


def test_what_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound):
        reduce(tmp_path / "t.parquet", ["area"])


@pytest.mark.parametrize(
    "named", [{"quasi_identifiers": ["nowhere"]}, {"sensitive": ["nowhere"]}, {"persons": "nowhere"}]
)
def test_a_column_that_is_not_there_is_named(named, tmp_path):
    pq.write_table(pa.table({"area": [1]}), tmp_path / "t.parquet")

    with pytest.raises(Unusable, match="nowhere"):
        reduce(tmp_path / "t.parquet", **{"quasi_identifiers": ["area"], **named})


def test_an_engine_that_is_not_known_is_named(monkeypatch):
    monkeypatch.setenv("WORKBENCH_ENGINE", "abacus")

    with pytest.raises(Usage, match="abacus"):
        reduce(pd.DataFrame({"area": [1]}), ["area"])


@pytest.mark.parametrize("missing", ["pyspark", "java"])
def test_spark_that_is_not_installed_is_refused_not_replaced(missing, monkeypatch):
    monkeypatch.setenv("WORKBENCH_ENGINE", "local-cluster[2,1,1024]")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr("workbench.data.engine.spark.find_spec", lambda name: name != missing or None)
    monkeypatch.setattr("shutil.which", lambda name: None if name == missing else name)

    with pytest.raises(Unprotected, match="(?i)" + missing):
        reduce(pd.DataFrame({"area": [1]}), ["area"])


@pytest.fixture(scope="module")
def spark():
    """Two executors beside the driver, each a process of its own."""
    from pyspark.sql import SparkSession

    yield "local-cluster[2,1,1024]"
    if session := SparkSession.getActiveSession():
        session.stop()
        # Such a cluster leaves its executors' logs beside the package.
        shutil.rmtree(Path(find_spec("pyspark").origin).parent / "work", ignore_errors=True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "quasi", [["text", "float", "moment", "integer"], ["single", "level", "date", "small"]]
)
def test_two_executors_count_what_duckdb_and_pandas_count(quasi, spark, tmp_path):
    """A table in four files, so that both executors have work."""
    table = mixed(2_000, seed=3).drop_columns(["hour"])
    (tmp_path / "table").mkdir()
    for part in range(4):
        pq.write_table(table.slice(part * 500, 500), tmp_path / f"table/part-{part}.parquet")
    sensitive = [name for name in table.column_names if name not in quasi]
    who = {"persons": "decimal", "households": "integer"}

    on_spark = reduce(tmp_path / "table", quasi, sensitive=sensitive, engine=spark, **who)
    on_duckdb = reduce(tmp_path / "table", quasi, sensitive=sensitive, engine="duckdb", **who)

    for reduced in (on_spark, on_duckdb):
        assert_same(reduced, in_memory(table), **who)
    assert on_spark.words == on_duckdb.words
    assert executors() == 2


@pytest.mark.slow
def test_spark_counts_a_frame_of_this_process(spark):
    frame = in_memory(mixed(300, seed=4))

    assert_same(reduce(frame, QUASI, sensitive=["hour", "truth"], engine=spark), frame)


@pytest.mark.slow
def test_spark_does_not_quote_what_it_cannot_read(spark, tmp_path):
    a_list_in_a_cell(tmp_path / "t.parquet")

    with pytest.raises(Unusable) as refused:
        reduce(tmp_path / "t.parquet", ["area"], engine=spark)

    assert "secret" not in refused.value.en + refused.value.ja


def executors() -> int:
    """How many executors are up, the driver's own place not among them."""
    from pyspark.sql import SparkSession

    return len(SparkSession.getActiveSession().sparkContext._jsc.sc().statusTracker().getExecutorInfos()) - 1
