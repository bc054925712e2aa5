"""Ways of writing the same thing collapse; different names stay different; nothing is changed twice."""

import datetime
import unicodedata

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.data.linking import normalise
from workbench.data.linking.address import address
from workbench.data.linking.normalise import UNREADABLE, fold, glyph_table

# A shared machine is sometimes slow; that is not a fault of the normaliser.
unhurried = settings(deadline=None)

TEXT_FORMS = {
    "name": normalise.name,
    "kana": normalise.kana,
    "kana_in_any_order": normalise.kana_in_any_order,
    "name_in_any_order": normalise.name_in_any_order,
    "code": normalise.code,
    "date": normalise.date,
}
KATAKANA = "".join(chr(code) for code in range(ord("ァ"), ord("ヶ") + 1)) + "ー"
JAPANESE = st.text(
    st.sampled_from(KATAKANA + "ぁあがっゃゐゔｱｶﾞﾟｰ゛ 　・々〓?佐藤髙邉𠮷辻\U000e0100ＡaＢß-－1１")
)
WIDE_TO_HALF = {
    "ガ": "ｶﾞ",
    "パ": "ﾊﾟ",
    "ッ": "ｯ",
    "ー": "ｰ",
    "ア": "ｱ",
    "サ": "ｻ",
    "ト": "ﾄ",
    "ウ": "ｳ",
    "ヤ": "ﾔ",
}


@pytest.mark.parametrize("form", TEXT_FORMS.values(), ids=TEXT_FORMS)
@unhurried
@given(text=st.one_of(JAPANESE, st.text()))
def test_a_normal_form_is_its_own_normal_form(form, text):
    once = form(text)

    assert once is None or form(once) == once


@pytest.mark.parametrize(("variant", "standard"), [(chr(code), to) for code, to in glyph_table().items()])
def test_every_variant_glyph_of_the_table_is_written_as_its_standard(variant, standard):
    assert normalise.name(f"{variant}田") == normalise.name(f"{standard}田")


def test_the_glyph_table_leads_to_the_standard_in_one_step_and_survives_nfkc():
    table = glyph_table()

    assert len(table) >= 120
    assert not {chr(code) for code in table} & set(table.values())
    assert all(unicodedata.normalize("NFKC", chr(code)) == chr(code) for code in table)


SAME_NAMES = [
    ("髙橋　一郎", "高橋 一郎"),
    ("渡邊花子", "渡辺 花子"),
    ("渡邉花子", "渡辺　花子"),
    ("齋藤", "斎藤"),
    ("山﨑", "山崎"),
    ("𠮷田", "吉田"),
    ("辻\U000e0100 葵", "辻葵"),
    ("葛\ufe00城", "葛城"),
    ("佐々木", "佐佐木"),
    ("神\ufa19", "神神"),
    ("ＮＧＵＹＥＮ　ＴＨＩ　ＬＡＮ", "Nguyen Thi Lan"),
]


@pytest.mark.parametrize(("one", "other"), SAME_NAMES)
def test_one_name_in_two_writings_is_one_name(one, other):
    assert normalise.name(one) == normalise.name(other)


DIFFERENT_NAMES = [
    ("阿部", "安部"),
    ("坂本", "阪本"),
    ("伊藤", "伊東"),
    ("佐藤", "斎藤"),
    ("渡部", "渡辺"),
    ("土屋", "士屋"),
    ("大田", "太田"),
    ("園田", "薗田"),
    ("未来", "末来"),
    ("畑", "畠"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT_NAMES)
def test_names_that_only_look_alike_stay_different(one, other):
    assert normalise.name(one) != normalise.name(other)


@pytest.mark.parametrize("mark", ["〓", "□", "?", "？", "■", "\ufffd"])
def test_every_mark_for_an_unreadable_character_is_the_same_mark(mark):
    assert normalise.name(f"渡{mark} 花子") == f"渡{UNREADABLE}花子"


SAME_READINGS = [
    ("ｻﾄｳ ﾕｳｷ", "サトウ　ユウキ"),
    ("さとう ゆうき", "サトウユウキ"),
    ("ショウ", "シヨウ"),
    ("ｼﾖｳ", "しょう"),
    ("サトー", "サトウ"),
    ("ユーキ", "ユウキ"),
    ("ケイイチ", "ケーイチ"),
    ("オオノ", "オーノ"),
    ("オオノ", "オウノ"),
    ("シヅカ", "シズカ"),
    ("ヂュン", "ジュン"),
    ("カ゛ト", "ガト"),
    ("カ\u3099ト", "ガト"),
    ("イッペイ", "イツペイ"),
    ("ユ−キ", "ユウキ"),
    ("ヴィトル", "ブイトル"),
    ("カワイ イチロウ", "カワイイチロウ"),
]


@pytest.mark.parametrize(("one", "other"), SAME_READINGS)
def test_one_reading_in_two_writings_is_one_reading(one, other):
    assert normalise.kana(one) == normalise.kana(other)


DIFFERENT_READINGS = [
    ("オノ", "オオノ"),
    ("サト", "サトウ"),
    ("ヒナ", "ハルナ"),
    ("ユキ", "ユウキ"),
    ("イダ", "イイダ"),
    ("エリ", "エイリ"),
    ("コウタ", "コウダ"),
    ("ハナ", "バナ"),
    ("ケンイチ", "ケイイチ"),
    ("ショウ", "ショウイ"),
    ("カイ", "カエ"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT_READINGS)
def test_readings_that_sound_different_stay_different(one, other):
    assert normalise.kana(one) != normalise.kana(other)


@unhurried
@given(text=st.text(st.sampled_from("".join(WIDE_TO_HALF))))
def test_the_width_of_kana_does_not_matter(text):
    assert normalise.kana("".join(WIDE_TO_HALF[letter] for letter in text)) == normalise.kana(text)


@unhurried
@given(
    st.lists(st.sampled_from(["グエン", "ティ", "ラン", "マリア", "サントス"]), min_size=1, unique=True),
    st.data(),
)
def test_the_order_of_the_words_does_not_matter_to_the_form_without_order(words, data):
    shuffled = data.draw(st.permutations(words))

    assert normalise.kana_in_any_order(" ".join(shuffled)) == normalise.kana_in_any_order("　".join(words))
    assert normalise.name_in_any_order(" ".join(shuffled)) == normalise.name_in_any_order("　".join(words))


@pytest.mark.parametrize(
    "written",
    [
        datetime.date(2014, 4, 1),
        datetime.datetime(2014, 4, 1),
        pd.Timestamp("2014-04-01"),
        "2014-04-01",
        "2014/4/1",
        "２０１４年４月１日",
        "20140401",
        "2014-04-01 00:00:00",
        "平成26年4月1日",
        "平成２６年　４月　１日",
        "H26.4.1",
        "h26.04.01",
    ],
)
def test_a_day_in_any_writing_is_that_day(written):
    assert normalise.date(written) == "2014-04-01"


def test_the_first_year_of_an_era_is_written_in_a_word_or_a_figure():
    assert normalise.date("令和元年5月1日") == normalise.date("R1.5.1") == "2019-05-01"


@pytest.mark.parametrize("written", ["", "不詳", "2014-02-30", "H26", "0000-00-00", "14-04-01", pd.NaT])
def test_what_is_no_day_of_the_calendar_is_missing(written):
    assert normalise.date(written) is None


@pytest.mark.parametrize("written", [" 00123-45 ", "００１２３－４５", "0012345", "0012 345"])
def test_a_number_is_compared_without_width_spaces_or_hyphens_and_keeps_its_zeros(written):
    assert normalise.code(written) == "0012345"


@pytest.mark.parametrize("form", TEXT_FORMS.values(), ids=TEXT_FORMS)
@pytest.mark.parametrize("nothing", ["", " ", "　"])
def test_nothing_written_is_missing(form, nothing):
    assert form(nothing) is None


SAME_PLACE = [
    "緑ケ丘一丁目2番3号",
    "緑ヶ丘1丁目2-3",
    "緑ケ丘１－２－３",
    "緑ケ丘1-2-3",
    "大字緑ケ丘1丁目2番地3",
    "青葉野市緑ケ丘1丁目2番3号 コーポ若葉201号室",
    "緑ケ丘一丁目二番三号",
    "〒000-0001 青葉野市緑ケ丘１‐２‐３　２０１",
    "緑ケ丘1丁目2番地の3",
    "緑ケ丘 1ー2ー3",
]


@pytest.mark.parametrize("written", SAME_PLACE)
def test_a_place_in_any_notation_is_that_place(written):
    assert address(written) == "緑ケ丘1-2-3"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("緑町1-2-3", "緑町1-2-4"),
        ("緑町1-23", "緑町12-3"),
        ("緑町1-2-3", "緑1-2-3"),
        ("二番町1-2", "三番町1-2"),
        ("二の宮1-2", "三の宮1-2"),
        ("緑町十二丁目3-1", "緑町二丁目3-1"),
        ("東緑町1-2", "西緑町1-2"),
    ],
)
def test_two_places_stay_two(one, other):
    assert None not in (address(one), address(other))
    assert address(one) != address(other)


@pytest.mark.parametrize("written", ["", "非開示", "緑町", "****", "不詳", "1-2-3"])
def test_an_address_without_a_place_has_no_key(written):
    assert address(written) is None


@unhurried
@given(
    town=st.sampled_from(["緑ケ丘", "本町", "三番町", "櫻台"]),
    numbers=st.lists(st.integers(1, 99), min_size=1, max_size=3),
)
def test_a_normal_address_is_its_own_normal_address(town, numbers):
    once = address(town + "-".join(map(str, numbers)))

    assert once is not None
    assert address(once) == once


def test_a_column_is_folded_and_what_is_missing_stays_missing():
    folded = fold(pd.Series(["ｻﾄｳ", None, "サトー", ""], index=[3, 5, 7, 9]), normalise.kana)

    assert folded.tolist() == ["サトー", None, "サトー", None]
    assert folded.index.tolist() == [3, 5, 7, 9]
