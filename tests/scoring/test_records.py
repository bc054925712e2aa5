"""Records come as Parquet or CSV, in the encodings Japanese offices use."""

import io

import pyarrow as pa
import pyarrow.parquet
import pytest

from workbench.errors import NotFound, Unusable
from workbench.scoring import records

TEXT = "child_id,学年,note\r\n00123,7,\r\n00456,,髙橋\r\n"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_a_csv_keeps_its_leading_zeros_and_its_blanks_are_missing(encoding):
    table = records.read(TEXT.encode(encoding), suffix=".csv")

    assert table.to_pydict() == {"child_id": ["00123", "00456"], "学年": ["7", None], "note": [None, "髙橋"]}


def parquet():
    file = io.BytesIO()
    pyarrow.parquet.write_table(pa.table({"child_id": ["a"], "grade": [7]}), file)
    return file.getvalue()


def test_a_parquet_keeps_its_types():
    assert records.read(parquet(), suffix=".parquet").to_pydict() == {"child_id": ["a"], "grade": [7]}


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (parquet()[:-20], ".parquet"),
        (TEXT.encode(), ".parquet"),
        (b"", ".csv"),
        (b"a,b\n1,2,3\n", ".csv"),
        (b"a,b\n\x81\xff,2\n", ".csv"),
        (b"a,a\n1,2\n", ".csv"),
        (b"a,b\n1,2\n", ".xlsx"),
    ],
    ids=["truncated", "not parquet", "empty", "ragged", "undecodable", "duplicate columns", "excel"],
)
def test_what_is_no_table_is_unusable(content, suffix):
    with pytest.raises(Unusable):
        records.read(content, suffix=suffix)


def test_a_header_without_rows_is_a_table_without_rows():
    assert records.read(b"a,b\n", suffix=".csv").num_rows == 0


def test_a_file_that_is_not_there_is_not_found(tmp_path):
    with pytest.raises(NotFound), records.opened(tmp_path / "records.csv"):
        pass
