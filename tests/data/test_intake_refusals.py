"""
Bad input: each is one sentence in each language, with its exit code, and quotes nothing of the file.
"""

import io
import os
import re
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from workbench.data.individual_number import check_digit
from workbench.data.intake import read_extract
from workbench.data.item import Item, ItemRole, Kind
from workbench.errors import NotFound, Refused, Unusable, WorkbenchError

HEADER = "pupil_no,name,birth_date,sex,absent_days,fee,aid"
ROW = "S0000001,青葉 花子,2014-05-06,2,3,4500,有"
# Stands in cells that must never be quoted.
SECRET = "ひみつ7319"
NUMBER = "12345678901" + check_digit("12345678901")


def refusal(path, items) -> WorkbenchError:
    with pytest.raises(WorkbenchError) as raised:
        read_extract(path, items)
    error = raised.value
    for sentence in (error.ja, error.en):
        assert SECRET not in sentence
        assert "7319" not in sentence
        assert "\n" not in sentence
        assert sentence.endswith(("。", "."))
    return error


def test_an_empty_file(tmp_path, pupil):
    for content in (b"", b"\n\n", b"\xef\xbb\xbf\r\n"):
        path = tmp_path / "pupil.csv"
        path.write_bytes(content)

        error = refusal(path, pupil.items)

        assert isinstance(error, Unusable)
        assert "empty" in error.en
        assert "空" in error.ja


def test_attack_a_pipe_or_a_device_is_not_waited_for(tmp_path, pupil):
    os.mkfifo(tmp_path / "pupil.csv")

    for path in (tmp_path / "pupil.csv", Path("/dev/zero")):
        assert "regular file" in refusal(path, pupil.items).en


def test_a_header_and_no_row(send, pupil):
    error = refusal(send(), pupil.items)

    assert isinstance(error, Unusable)
    assert "no data row" in error.en


def test_a_header_without_even_a_line_end(tmp_path, pupil):
    path = tmp_path / "pupil.csv"
    path.write_text(HEADER)

    assert "no data row" in refusal(path, pupil.items).en


def test_duplicate_columns_are_named(send, pupil):
    error = refusal(send(ROW + ",1", header=HEADER + ",sex"), pupil.items)

    assert isinstance(error, Unusable)
    assert "sex" in error.en
    assert "sex" in error.ja


def test_a_label_beside_its_own_item_is_a_duplicate(send, pupil):
    assert "sex" in refusal(send(ROW + ",1", header=HEADER + ",性別"), pupil.items).en


def test_a_column_that_is_not_registered_is_refused_with_its_name(send, pupil):
    error = refusal(send(f"{ROW},{SECRET}", header=HEADER + ",favourite_colour"), pupil.items)

    assert isinstance(error, Refused)
    assert error.rule == "unregistered_column"
    assert "favourite_colour" in error.en
    assert "favourite_colour" in error.ja


def test_a_column_without_a_name_is_refused_by_its_position(send, pupil):
    assert "#8" in refusal(send(ROW + ",x", header=HEADER + ","), pupil.items).en


HEADERS_THAT_MAY_BE_DATA = {
    "half of a number": NUMBER[:6],
    "half in full width": NUMBER[:6].translate(str.maketrans("0123456789", "０１２３４５６７８９")),
    "half in kanji": "一二三四五六",
    "half in negative circles": "❶❷❸❹❺❻",
    "half with marks": f"({NUMBER[:3]}) {NUMBER[3:6]}-",
    "a date": "2015-04-01",
    "a sentence": "児童相談所に通告したことがあり" * 2 + "、今も見守りを続けています",
}


@pytest.mark.parametrize("attack", HEADERS_THAT_MAY_BE_DATA)
def test_attack_a_header_that_may_be_data_is_not_echoed(send, pupil, attack):
    column = HEADERS_THAT_MAY_BE_DATA[attack]

    error = refusal(send(f"{ROW},1", header=f"{HEADER},{column}"), pupil.items)

    assert error.rule == "unregistered_column"
    for sentence in (error.ja, error.en):
        assert "#8" in sentence
        assert column not in sentence


def test_a_header_of_forty_letters_is_still_named(send, pupil):
    assert "c" * 40 in refusal(send(f"{ROW},1", header=f"{HEADER},{'c' * 40}"), pupil.items).en


def test_a_file_without_a_header_is_not_taken_as_names_of_columns(send, pupil):
    """The first row of such a file is somebody's data."""
    error = refusal(send(ROW, header=ROW.replace("青葉 花子", SECRET)), pupil.items)

    assert isinstance(error, Unusable)
    assert "header" in error.en


def test_a_column_that_is_lacking_is_named(send, pupil):
    error = refusal(send("S1,A,2014-05-06,2,3,4500", header=HEADER.removesuffix(",aid")), pupil.items)

    assert isinstance(error, Unusable)
    assert "aid" in error.en


def test_cp932_with_bytes_that_are_none_is_refused_with_their_place(tmp_path, pupil):
    path = tmp_path / "pupil.csv"
    row = ROW.replace("青葉 花子", SECRET).encode("cp932")
    path.write_bytes(HEADER.encode() + b"\n" + row + b"\n" + b"S2,\x83\x65\x81\x20,2014-05-06,2,3,1," + b"\n")

    error = refusal(path, pupil.items)

    assert isinstance(error, Unusable)
    assert "CP932" in error.en
    assert "line 3, byte 6" in error.en.lower()
    assert "3 行目 6 バイト目" in error.ja


@pytest.mark.parametrize("stray", [b"\x80", b"\xa0", b"\xfd", b"\xff"])
def test_single_bytes_that_python_would_let_pass_are_not_cp932(tmp_path, pupil, stray):
    path = tmp_path / "pupil.csv"
    path.write_bytes(HEADER.encode() + b"\nS1," + "青葉".encode("cp932") + stray + b",,,,,\n")

    assert "line 2, byte 8" in refusal(path, pupil.items).en.lower()


def test_damaged_utf_8_does_not_pass_as_cp932_gibberish(tmp_path, pupil):
    path = tmp_path / "pupil.csv"
    content = f"{HEADER}\n{ROW}\n{ROW}\n".encode()
    broken = content.rindex("葉".encode())
    path.write_bytes(content[:broken] + b"\x20" + content[broken + 1 :])

    error = refusal(path, pupil.items)

    assert "UTF-8" in error.en
    assert "line 3" in error.en.lower()


def test_nul_bytes_are_refused_with_their_place(tmp_path, pupil):
    path = tmp_path / "pupil.csv"
    path.write_bytes(f"{HEADER}\n{ROW}\n".encode() + b"S2,\0" + SECRET.encode() + b",,,,,\n")

    assert "line 3, byte 4" in refusal(path, pupil.items).en


def test_nul_in_a_parquet_cell_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table({"x": [f"{SECRET}\0"]}), path)

    assert isinstance(refusal(path, item(Kind.TEXT)), Unusable)


def item(kind: Kind, **fields) -> tuple[Item]:
    return (
        Item(name="x", label={"ja": "値", "en": "x"}, holder="課", role=ItemRole.OTHER, kind=kind, **fields),
    )


CATEGORY = {"values": {"1": {"ja": "男", "en": "male"}}}
BAD_CELLS = {
    "a word for a whole number": (Kind.INTEGER, ["1", SECRET], {}, "whole number"),
    "a fraction for a whole number": (Kind.INTEGER, ["1", "7319.5"], {}, "whole number"),
    "a number beyond 64 bits": (Kind.INTEGER, ["1", "73190000000000000000"], {}, "whole number"),
    "misplaced commas": (Kind.INTEGER, ["1", "7,31,9"], {}, "whole number"),
    "a word for a number": (Kind.NUMBER, ["1", SECRET], {}, "a number"),
    "infinity": (Kind.NUMBER, ["1", "inf"], {}, "a number"),
    "a number too large to be one": (Kind.NUMBER, ["1", "1e999"], {}, "a number"),
    "a word for a date": (Kind.DATE, ["R5.4.1", SECRET], {}, "a date"),
    "a time of day": (Kind.DATE, ["R5.4.1", "2024-04-01 07:31"], {}, "a date"),
    "an impossible era date": (Kind.DATE, ["R5.4.1", "平成31年5月1日"], {}, "never were"),
    "an impossible day": (Kind.DATE, ["R5.4.1", "2023-02-29"], {}, "never were"),
    "a date before the range": (Kind.DATE, ["R5.4.1", "S1.12.25"], {"minimum": "1930-01-01"}, "1930-01-01"),
    "a word for a flag": (Kind.FLAG, ["有", SECRET], {}, "yes/no"),
    "a number below the range": (Kind.INTEGER, ["1", "-7319"], {"minimum": 0}, "outside"),
    "a number above the range": (Kind.NUMBER, ["1", "7319"], {"maximum": 366}, "366"),
    "an unknown category": (Kind.CATEGORY, ["1", SECRET], CATEGORY, "1 categories"),
}


@pytest.mark.parametrize("case", BAD_CELLS)
def test_a_cell_that_is_not_as_registered_is_counted_and_placed(send, case):
    kind, (good, bad), fields, words = BAD_CELLS[case]

    error = refusal(send(good, good, f'"{bad}"', good, f'"{bad}"', header="x"), item(kind, **fields))

    assert isinstance(error, Unusable)
    assert "'x'" in error.en
    assert words in error.en
    assert re.search(r"\b2 (cells|dates)", error.en)
    assert "data row 3" in error.en
    assert "データ 3 行目" in error.ja


def test_ten_thousand_categories_in_a_category_are_refused_with_their_count(send):
    error = refusal(
        send(*(f"C{number}" for number in range(10_000)), header="x"), item(Kind.CATEGORY, **CATEGORY)
    )

    assert isinstance(error, Unusable)
    assert "10000 categories" in error.en
    assert "code" in error.en


@pytest.mark.parametrize("row", ["S2,B", ROW + ",7319", f"{SECRET},"])
def test_ragged_rows_are_counted_and_placed(send, pupil, row):
    error = refusal(send(ROW, row, ROW, row), pupil.items)

    assert isinstance(error, Unusable)
    assert "2 rows" in error.en
    assert "data row 2" in error.en


def test_a_quote_that_is_never_closed_does_not_swallow_the_rest(send, pupil):
    assert "quote" in refusal(send(ROW, f'S2,"{SECRET},2014-05-06,2,3,1,有', ROW), pupil.items).en


def parquet_bytes(**columns) -> bytes:
    written = io.BytesIO()
    pq.write_table(pa.table(columns), written)
    return written.getvalue()


@pytest.mark.parametrize("keep", [4, 40, -1, -8])
def test_a_parquet_that_is_cut_short(tmp_path, keep):
    path = tmp_path / "x.parquet"
    path.write_bytes(parquet_bytes(x=[SECRET] * 100)[:keep])

    error = refusal(path, item(Kind.TEXT))

    assert isinstance(error, Unusable)
    assert "cut short" in error.en


def test_a_parquet_whose_pages_are_damaged(tmp_path):
    path = tmp_path / "x.parquet"
    content = bytearray(parquet_bytes(x=[f"{SECRET}{number}" for number in range(1000)]))
    content[20:2000] = b"\xff" * 1980
    path.write_bytes(content)

    assert isinstance(refusal(path, item(Kind.TEXT)), Unusable)


def test_a_parquet_with_two_columns_of_one_name(tmp_path):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.Table.from_arrays([pa.array(["1"]), pa.array(["2"])], names=["x", "x"]), path)

    assert "more than once" in refusal(path, item(Kind.TEXT)).en


@pytest.mark.parametrize("values", [[b"\x01"], [[1, 2]], [{"a": 1}]])
def test_a_parquet_column_that_is_no_text_number_or_date(tmp_path, values):
    path = tmp_path / "x.parquet"
    path.write_bytes(parquet_bytes(x=values))

    assert "'x'" in refusal(path, item(Kind.TEXT)).en


def test_an_excel_workbook_is_named_as_what_it_is(tmp_path, pupil):
    path = tmp_path / "pupil.csv"
    path.write_bytes(b"PK\x03\x04" + b"x" * 100)

    assert "Excel" in refusal(path, pupil.items).en


def test_utf_16_is_named_as_what_it_is(send, pupil):
    assert "UTF-16" in refusal(send(ROW, encoding="utf-16"), pupil.items).en


def test_a_file_that_is_not_there(tmp_path, pupil):
    assert isinstance(refusal(tmp_path / SECRET, pupil.items), NotFound)


def test_a_folder_in_the_place_of_a_file(tmp_path, pupil):
    assert isinstance(refusal(tmp_path, pupil.items), Unusable)


def forbids(error: WorkbenchError) -> bool:
    """Refused by the rule, and not one digit of the number is in the sentence."""
    assert isinstance(error, Refused)
    assert error.rule == "forbidden_number"
    for sentence in (error.ja, error.en):
        assert NUMBER[:4] not in re.sub(r"\D", "", sentence)
    return True


WIDE = str.maketrans("0123456789", "０１２３４５６７８９")
CELLS = {
    "plain": NUMBER,
    "full width": NUMBER.translate(WIDE),
    "spaced": f"{NUMBER[:4]} {NUMBER[4:8]} {NUMBER[8:]}",
    "hyphens": f"{NUMBER[:4]}-{NUMBER[4:8]}-{NUMBER[8:]}",
    "full width and spaced": f"{NUMBER[:4]}　{NUMBER[4:8]}　{NUMBER[8:]}".translate(WIDE),
    "in a sentence": f"母の番号は{NUMBER}です",
    "kana between": f"{NUMBER[:4]}の{NUMBER[4:8]}の{NUMBER[8:]}",
}


def with_cell(position: int, cell: str) -> str:
    cells = ROW.split(",")
    cells[position] = cell
    return ",".join(cells)


@pytest.mark.parametrize("position", range(7))
@pytest.mark.parametrize("form", CELLS)
def test_an_individual_number_in_any_cell_of_any_column_is_refused(send, pupil, form, position):
    error = refusal(send(ROW, with_cell(position, CELLS[form])), pupil.items)

    assert forbids(error)
    assert pupil.names[position] in error.en
    assert "1 cells" in error.en


@pytest.mark.parametrize(
    "cell", ["1234.56789018", "12:34 56:78 90:18", "❶❷❸❹❺❻❼❽❾⓿❶❽", "壱弐参四五六七八九零壱八"]
)
def test_attack_a_disguised_number_in_a_text_column_is_refused(send, pupil, cell):
    assert forbids(refusal(send(with_cell(1, cell)), pupil.items))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp932"])
@pytest.mark.parametrize("form", CELLS)
def test_an_individual_number_in_any_encoding_is_refused(send, pupil, form, encoding):
    assert forbids(refusal(send(with_cell(1, CELLS[form]), encoding=encoding), pupil.items))


@pytest.mark.parametrize("form", CELLS)
def test_an_individual_number_in_the_header_is_refused(send, pupil, form):
    assert forbids(refusal(send(ROW + ",1", header=f"{HEADER},{CELLS[form]}"), pupil.items))


@pytest.mark.parametrize("form", CELLS)
def test_an_individual_number_in_the_files_name_is_refused(send, pupil, form):
    assert forbids(refusal(send(ROW, name=f"pupil {CELLS[form]}.csv"), pupil.items))


@pytest.mark.parametrize("name", ["個人番号", "マイナンバー", "my_number"])
def test_a_column_that_says_it_holds_individual_numbers_is_refused(send, pupil, name):
    assert forbids(refusal(send(ROW + ",", header=f"{HEADER},{name}"), pupil.items))


@pytest.mark.parametrize("values", [[int(NUMBER)], [float(NUMBER)], [int(NUMBER), None]])
def test_an_individual_number_in_a_numeric_parquet_column_is_refused(tmp_path, values):
    path = tmp_path / "x.parquet"
    pd.DataFrame({"x": values}).to_parquet(path)

    assert forbids(refusal(path, item(Kind.CODE)))


def test_an_individual_number_that_lost_its_leading_zero_among_other_numbers_is_refused(tmp_path):
    digits = "0" + "1234567890"
    path = tmp_path / "x.parquet"
    others = [10_000_000_001, 10_000_000_002, 10_000_000_003]
    pd.DataFrame({"x": [*others, int(digits + check_digit(digits))]}).to_parquet(path)

    assert forbids(refusal(path, item(Kind.CODE)))


def test_a_column_of_resident_record_codes_is_refused(send):
    codes = [f"{code}{check_digit(str(code))}" for code in range(1_000_000_007, 1_000_000_027)]

    error = refusal(send(*codes, header="x"), item(Kind.CODE))

    assert forbids(error)
    assert "20 cells" in error.en


def test_ten_digit_codes_of_a_whole_city_are_not_refused(send):
    """宛名番号 has ten digits: none of 30,000 is taken for anything else."""
    codes = [str(1_000_000_000 + 7 * number) for number in range(30_000)]

    frame, _ = read_extract(send(*codes, header="x"), item(Kind.CODE))

    assert len(frame) == 30_000
