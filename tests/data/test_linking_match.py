"""The rules on small, hand-made registers: who is linked, and above all who is not."""

import pandas as pd
import pytest

from workbench.data.linking import link, matching
from workbench.data.linking.matching import alone
from workbench.data.linking.rules import RULES, Rule
from workbench.data.linking.sources import OWNERS, SOURCES, describing
from workbench.errors import Unusable

RESIDENT = {
    "person_no": "0000000001",
    "household_no": "100000001",
    "name": "佐藤　葵",
    "name_kana": "サトウ　アオイ",
    "alias": None,
    "birth_date": "2015-06-01",
    "sex": "2",
    "relation": "03",
    "foreign": "0",
    "address": "青葉野市月読台一丁目2番3号",
    "block_code": "B001",
    "spell_from": "2015-06-01",
    "spell_to": None,
}


def resident(*people: dict) -> pd.DataFrame:
    """A register; each person is given by what differs from 佐藤葵."""
    rows = [{**RESIDENT, "person_no": f"{row:010d}", **person} for row, person in enumerate(people, start=1)]
    return pd.DataFrame(rows, dtype=object)


def pupil(**differs: str | None) -> pd.DataFrame:
    row = {name: RESIDENT[name] for name in ("name", "name_kana", "birth_date", "sex", "address")}
    return pd.DataFrame([{"pupil_no": "S1", "fy": 2022, **row, **differs}], dtype=object)


def rule_of(register: pd.DataFrame, **sources: pd.DataFrame) -> str | None:
    """The rule that linked the first number, or None."""
    linked = link({"resident": register, **sources}).person_link
    return linked["rule"].iloc[0] if len(linked) else None


def person_of(register: pd.DataFrame, **sources: pd.DataFrame) -> list[str]:
    return link({"resident": register, **sources}).person_link["person_id"].tolist()


AMONG_TWO = resident(
    {}, {"name": "鈴木　蓮", "name_kana": "スズキ　レン", "birth_date": "2014-02-11", "sex": "1"}
)


@pytest.mark.parametrize(
    ("differs", "rule"),
    [
        ({}, "name_reading_birth"),
        ({"name": "佐藤　〓"}, "reading_birth_place"),
        ({"name": None, "address": None}, "reading_birth"),
        ({"name_kana": "サトウ　キ"}, "name_birth"),
        ({"name": None, "name_kana": "アオイ　サトウ"}, "reading_any_order_birth"),
        ({"name": "田中　葵", "name_kana": "タナカ　アオイ"}, "given_birth_place"),
        ({"birth_date": "2015-01-06"}, "reading_place_slip"),
        ({"birth_date": "2015-05-31"}, "reading_place_slip"),
        ({"birth_date": "2015-05-31", "address": None}, "name_reading_slip"),
        ({"birth_date": "1985-06-01"}, "reading_place_slip"),
        ({"birth_date": None}, "name_reading_place"),
    ],
)
def test_a_record_is_linked_by_the_strongest_rule_that_holds(differs, rule):
    assert rule_of(AMONG_TWO, pupil=pupil(**differs)) == rule


@pytest.mark.parametrize(
    "differs",
    [
        {"name": None, "name_kana": None},
        {"name": "田中　葵", "name_kana": "タナカ　アオイ", "address": "青葉野市朝凪町1-2-3"},
        {"birth_date": "2015-08-20"},
        {"birth_date": None, "address": None},
        {"name": "田中　蓮", "name_kana": "タナカ　レン"},
    ],
)
def test_a_record_about_which_too_little_agrees_stays_unlinked(differs):
    assert rule_of(AMONG_TWO, pupil=pupil(**differs)) is None


TWINS = resident(
    {"name": "佐藤　優", "name_kana": "サトウ　ユウ"}, {"name": "佐藤　悠", "name_kana": "サトウ　ユウ"}
)


def test_twins_of_one_reading_are_not_linked_by_their_reading():
    assert person_of(TWINS, pupil=pupil(name=None, name_kana="サトウ　ユウ")) == []


def test_twins_of_one_reading_are_linked_by_their_glyphs():
    assert person_of(TWINS, pupil=pupil(name="佐藤　悠", name_kana="サトウ　ユウ")) == ["0000000002"]


def test_without_the_condition_of_one_candidate_twins_are_over_linked(monkeypatch):
    """The fault that the condition guards against: the test above fails without it."""
    monkeypatch.setattr(matching, "alone", lambda pairs: pairs)

    assert len(person_of(TWINS, pupil=pupil(name=None, name_kana="サトウ　ユウ"))) == 2


def test_twins_of_different_names_are_each_linked_to_themselves():
    twins = resident({}, {"name": "佐藤　蓮", "name_kana": "サトウ　レン", "sex": "1"})
    records = pd.concat(
        [pupil(pupil_no="S1", name="佐藤　蓮", name_kana="サトウ　レン", sex="1"), pupil(pupil_no="S2")]
    )
    linked = link({"resident": twins, "pupil": records}).person_link

    assert dict(zip(linked["source_key"], linked["person_id"], strict=True)) == {
        "S1": "0000000002",
        "S2": "0000000001",
    }


COLLISION = resident({}, {"address": "青葉野市朝凪町三丁目4番5号", "household_no": "100000002"})


def test_two_children_of_one_name_and_birth_are_told_apart_by_where_they_live():
    record = pupil(address="青葉野市朝凪町３－４－５　コーポ２０１")

    assert person_of(COLLISION, pupil=record) == ["0000000002"]


def test_two_children_of_one_name_and_birth_are_not_linked_without_an_address():
    assert person_of(COLLISION, pupil=pupil(address=None)) == []


def test_missing_values_never_match():
    """A person without a reading and a record without one share nothing."""
    nobody = resident({"name_kana": None, "name": None, "birth_date": None, "address": None})
    empty = pupil(name=None, name_kana=None, birth_date=None, address=None, sex=None)

    assert person_of(nobody, pupil=empty) == []


def test_blank_values_never_match():
    nobody = resident({"name_kana": "　", "name": "", "birth_date": "", "address": " "})
    blank = pupil(name="", name_kana=" ", birth_date="", address="")

    assert person_of(nobody, pupil=blank) == []


def test_one_number_whose_rows_point_at_two_persons_is_not_linked():
    two = pd.concat([pupil(), pupil(name="鈴木　蓮", name_kana="スズキ　レン", birth_date="2014-02-11")])

    assert person_of(AMONG_TWO, pupil=two) == []


def taxpayer(**differs: str | None) -> pd.DataFrame:
    row = {
        "person_no": "0000000001",
        "name": "佐藤　葵",
        "name_kana": "サトウ　アオイ",
        "birth_date": "2015-06-01",
    }
    return pd.DataFrame([{"taxpayer_no": "T1", "fy": 2022, **row, **differs}], dtype=object)


def test_a_number_confirmed_by_the_birth_links_whatever_the_name_is_now():
    record = taxpayer(name="田中　葵", name_kana="タナカ　アオイ")

    assert rule_of(AMONG_TWO, tax=record) == "number_birth"


def test_a_number_given_to_another_person_does_not_link_to_that_person():
    record = taxpayer(person_no="0000000002")

    assert person_of(AMONG_TWO, tax=record) == ["0000000001"]


def test_the_number_of_the_other_twin_does_not_link_to_the_other_twin():
    """It agrees with the birth, which twins share; the name decides."""
    twins = resident({}, {"name": "佐藤　蓮", "name_kana": "サトウ　レン", "sex": "1"})

    assert person_of(twins, tax=taxpayer(person_no="0000000002")) == ["0000000001"]


def test_a_number_that_nothing_confirms_does_not_link():
    record = taxpayer(name="田中　翔", name_kana="タナカ　ショウ", birth_date="1980-01-01")

    assert person_of(AMONG_TWO, tax=record) == []


def test_a_former_name_and_a_former_address_still_link():
    married = resident(
        {"spell_to": "2020-05-01"},
        {
            "person_no": "0000000001",
            "name": "田中　葵",
            "name_kana": "タナカ　アオイ",
            "spell_from": "2020-05-01",
        },
    )

    assert rule_of(married, pupil=pupil()) == "name_reading_birth"


def test_an_address_of_the_moving_history_counts_as_an_address_of_the_person():
    moves = pd.DataFrame(
        [
            {
                "person_no": "0000000002",
                "moved_on": "2019-04-01",
                "reason": "3",
                "address": "青葉野市朝凪町1-1-1",
            }
        ]
    )
    register = COLLISION.assign(address="青葉野市月読台一丁目9番9号")
    record = pupil(address="青葉野市朝凪町一丁目1番1号")

    assert person_of(register, pupil=record, resident_addr_hist=moves) == ["0000000002"]


def test_an_alias_links_like_a_name():
    register = resident({"name": "NGUYEN THI LAN", "name_kana": "グエン　ティ　ラン", "alias": "山田　蘭"})
    record = pupil(name="山田　蘭", name_kana="ヤマダ　ラン")

    assert rule_of(register, pupil=record) == "name_birth"


def test_a_foreign_name_links_in_any_order_and_width():
    register = resident({"name": "NGUYEN THI LAN", "name_kana": "グエン　ティ　ラン"})
    record = pupil(name="ｌａｎ　ｔｈｉ　ｎｇｕｙｅｎ", name_kana=None)

    assert rule_of(register, pupil=record) == "name_any_order_birth"


CAME_BACK = resident(
    {"spell_to": "2018-03-31"}, {"spell_from": "2021-04-01", "address": "青葉野市朝凪町1-1-1"}
)


def test_who_comes_back_under_a_second_number_is_one_person():
    assert link({"resident": CAME_BACK}).person_of_number.tolist() == ["0000000001", "0000000001"]


@pytest.mark.parametrize(
    "differs",
    [
        {"spell_from": "2017-04-01"},
        {"sex": "1", "spell_from": "2021-04-01"},
        {"birth_date": "2015-06-02", "spell_from": "2021-04-01"},
        {"name": "佐藤　碧", "spell_from": "2021-04-01"},
    ],
)
def test_two_numbers_that_differ_in_anything_or_overlap_are_two_persons(differs):
    two = resident({"spell_to": "2018-03-31"}, differs)

    assert link({"resident": two}).person_of_number.nunique() == 2


def test_three_numbers_of_one_description_are_not_joined():
    """Which two of the three are one person cannot be told."""
    three = resident(
        {"spell_to": "2016-03-31"},
        {"spell_from": "2018-04-01", "spell_to": "2019-03-31"},
        {"spell_from": "2021-04-01"},
    )

    assert link({"resident": three}).person_of_number.nunique() == 3


def test_a_log_follows_the_roll_whose_numbers_it_uses():
    roll, log = pupil(), pd.DataFrame({"pupil_no": ["S1", "S9", "Ｓ１"]})
    links = link({"resident": AMONG_TWO, "pupil": roll, "attendance": log})

    assert links.person(log, "attendance").fillna("-").tolist() == ["0000000001", "-", "0000000001"]


def test_a_vaccination_helps_to_link_the_infant_checks_it_shares_numbers_with():
    check = pd.DataFrame(
        [{"infant_no": "I1", "name": "佐藤　〓", "name_kana": None, "birth_date": "2015-06-01"}]
    )
    dose = pd.DataFrame([{"infant_no": "I1", "name_kana": "ｻﾄｳ ｱｵｲ", "birth_date": "2015-06-01"}])

    assert person_of(AMONG_TWO, infant_check=check) == []
    assert person_of(AMONG_TWO, infant_check=check, vaccine=dose) == ["0000000001"]


def test_without_the_register_nothing_can_be_linked():
    with pytest.raises(Unusable, match="住民記録"):
        link({"pupil": pupil()})


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_rule_serves_only_tables_that_have_what_it_compares(rule: Rule):
    needs = {"words": "name", "sounds": "kana", "given": "kana", "place": "address"}
    for table in rule.tables:
        described = [SOURCES[name].describes for name in describing(table)]
        for field in rule.equal:
            assert any(getattr(one, needs.get(field, field)) for one in described), (table, field)


@pytest.mark.parametrize("table", OWNERS)
def test_every_table_with_numbers_of_its_own_is_served_by_a_rule(table):
    assert any(table in rule.tables for rule in RULES)


def test_no_rule_rests_on_the_number_or_the_place_alone():
    assert all(len(set(rule.equal)) >= 2 for rule in RULES)
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_a_key_with_two_candidates_is_dropped_and_one_with_one_stays():
    pairs = pd.DataFrame({"key": ["a", "a", "b"], "person": ["1", "2", "3"]})

    assert alone(pairs)["key"].tolist() == ["b"]
