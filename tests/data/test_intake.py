"""What a holder may send: encodings, separators, notations; each becomes the same typed table."""

import hashlib

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.data.intake import read_extract
from workbench.data.item import Item, ItemRole, Kind

HEADER = "pupil_no,name,birth_date,sex,absent_days,fee,aid"
ROW = "S0000001,青葉 花子,2014-05-06,2,3,4500,有"
TYPED = ["S0000001", "青葉 花子", "2014-05-06", "2", 3, 4500.0, "yes"]


def one(kind: Kind, **fields) -> tuple[Item]:
    return (
        Item(name="x", label={"ja": "値", "en": "x"}, holder="課", role=ItemRole.OTHER, kind=kind, **fields),
    )


def column(send, kind: Kind, *cells: str, **fields) -> list:
    """What the cells become, missing as None."""
    frame, _ = read_extract(send(*(f'"{cell}"' for cell in cells), header="x"), one(kind, **fields))
    return frame["x"].astype(object).where(frame["x"].notna(), None).tolist()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp932"])
def test_utf_8_with_or_without_mark_and_cp932_read_alike(send, pupil, encoding):
    frame, receipt = read_extract(send(ROW, encoding=encoding), pupil.items)

    assert frame.iloc[0].tolist() == TYPED
    assert receipt.encoding == encoding


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_comma_semicolon_and_tab_read_alike(send, pupil, separator):
    path = send(ROW.replace(",", separator), header=HEADER.replace(",", separator))

    frame, receipt = read_extract(path, pupil.items)

    assert frame.iloc[0].tolist() == TYPED
    assert receipt.separator == separator


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("ending", ["", "newline", "blank lines"])
def test_line_ends_do_not_matter(tmp_path, pupil, newline, ending):
    path = tmp_path / "pupil.csv"
    tail = {"": "", "newline": newline, "blank lines": newline * 3}[ending]
    path.write_bytes((newline.join([HEADER, ROW, ROW]) + tail).encode())

    frame, _ = read_extract(path, pupil.items)

    assert frame.shape == (2, 7)


def test_parquet_reads_as_csv_does(tmp_path, pupil):
    path = tmp_path / "pupil.parquet"
    sent = {
        "pupil_no": ["S0000001"],
        "name": ["青葉 花子"],
        "birth_date": pd.to_datetime(["2014-05-06"]),
        "sex": pd.Categorical([2.0]),
        "absent_days": [3.0],
        "fee": [4500],
        "aid": [True],
    }
    pd.DataFrame(sent).to_parquet(path)

    frame, receipt = read_extract(path, pupil.items)

    assert frame.iloc[0].tolist() == TYPED
    assert (receipt.encoding, receipt.separator) == ("parquet", None)


def test_columns_come_in_the_registers_order_and_by_their_japanese_labels(send, pupil):
    frame, _ = read_extract(
        send(
            "有,S0000001,青葉 花子,2014-05-06,2,3,4500",
            header="就学援助,学籍番号,氏名,生年月日,性別,欠席日数,給食費",
        ),
        pupil.items,
    )

    assert list(frame.columns) == list(pupil.names)
    assert frame.iloc[0].tolist() == TYPED


def test_the_receipt_says_what_came(send, pupil):
    path = send(ROW, 'Ｓ０００２,B,令和元年5月1日,２,１２,"1,200円",○', "S3,C,H26.4.1,1,不明,,")

    frame, receipt = read_extract(path, pupil.items, register="abc")

    assert receipt.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (receipt.rows, receipt.columns, receipt.register) == (3, pupil.names, "abc")
    assert receipt.normalised == {
        "era_date": 2,
        "flag_notation": 2,
        "full_width": 3,
        "missing_mark": 1,
        "thousands_comma": 1,
    }
    assert str(frame["absent_days"].dtype) == "Int64"
    assert str(frame["fee"].dtype) == "float64"
    assert frame["aid"].tolist() == ["yes", "yes", None]


def test_mixed_era_and_western_dates_in_one_column(send):
    written = [
        "令和5年4月1日",
        "H26/4/1",
        "令和元年5月1日",
        "2014-04-01",
        "2014/4/1",
        "S64.1.7",
        "4260401",
        "",
    ]

    assert column(send, Kind.DATE, *written) == [
        "2023-04-01",
        "2014-04-01",
        "2019-05-01",
        "2014-04-01",
        "2014-04-01",
        "1989-01-07",
        "2014-04-01",
        None,
    ]


def test_numbers_in_full_width_digits_with_commas_and_yen(send):
    written = ["１２３", "1,234", "１，２３４", "￥5,000", "5000円", "-7", "▲7", "3.0", "－", " 8 "]

    assert column(send, Kind.INTEGER, *written) == [123, 1234, 1234, 5000, 5000, -7, -7, 3, None, 8]


def test_decimal_numbers(send):
    assert column(send, Kind.NUMBER, "1.5", "１．５", ".5", "1e3", "1,234.5", "NaN") == [
        1.5,
        1.5,
        0.5,
        1000.0,
        1234.5,
        None,
    ]


YES = ["有", "あり", "1", "１", "○", "◯", "はい", "yes", "TRUE", "✓", "該当", " 有 ", "1.0"]
NO = ["無", "なし", "0", "０", "×", "いいえ", "no", "false", "非該当", "0.0"]


def test_flags_in_every_notation(send):
    assert column(send, Kind.FLAG, *YES) == ["yes"] * len(YES)
    assert column(send, Kind.FLAG, *NO, "", "不明") == [*["no"] * len(NO), None, None]


def test_category_codes_are_taken_in_any_width_and_stay_text(send):
    labels = {code: {"ja": code, "en": code} for code in ("01", "2", "不明")}

    assert column(send, Kind.CATEGORY, "０１", "01", "2", " 2", "不明", "", values=labels) == [
        "01",
        "01",
        "2",
        "2",
        "不明",
        None,
    ]


def test_a_code_keeps_its_leading_zeros_and_a_name_its_glyphs(send):
    assert column(send, Kind.CODE, "０００１２", "0001") == ["00012", "0001"]
    assert column(send, Kind.TEXT, "𠮷田　ｱｵｲ", "辻\U000e0100") == ["𠮷田　ｱｵｲ", "辻\U000e0100"]


def test_quoted_cells_may_hold_separators_and_line_ends(send):
    assert column(send, Kind.TEXT, "青葉町1-2,\n102号室", 'ビル""北""') == ["青葉町1-2,\n102号室", 'ビル"北"']


def test_one_row_is_a_table(send, pupil):
    assert len(read_extract(send(ROW), pupil.items)[0]) == 1


def test_a_column_without_a_single_value_is_accepted_and_reported(send, pupil):
    frame, receipt = read_extract(send(*["S1,A,,2,,,有"] * 3), pupil.items)

    assert receipt.empty_columns == ("birth_date", "absent_days", "fee")
    assert frame["absent_days"].isna().all()
    assert str(frame["absent_days"].dtype) == "Int64"


def test_ten_thousand_different_codes_are_accepted(send):
    assert len(set(column(send, Kind.CODE, *(f"C{number:05}" for number in range(10_000))))) == 10_000


def test_a_record_longer_than_a_block_is_read(send, monkeypatch):
    monkeypatch.setattr("workbench.data.extract.separated.BLOCK", 64)

    assert column(send, Kind.TEXT, "あ" * 500, "い") == ["あ" * 500, "い"]


def test_a_parquet_of_dictionaries_and_nulls_is_read(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": pa.array(["有", None, "無"]).dictionary_encode()}), path)

    assert read_extract(path, one(Kind.FLAG))[0]["x"].tolist() == ["yes", None, "no"]
