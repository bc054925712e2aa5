"""A definition that could not be right is refused where it is written."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.errors import Refused
from workbench.riskflag.define import Definition
from workbench.riskflag.dictionary import Dictionary
from workbench.riskflag.words import banned_in
from workbench.scoring.model import Capacity

GOOD = {"name": "school-attendance", "target": "absent_30d_next_year", "capacity": 0.05}


@pytest.fixture
def dictionary(train):
    return train.dictionary


def test_a_definition_is_read_back_as_it_was_written():
    definition = Definition(
        **GOOD,
        title={"ja": "登校の支援確認候補", "en": "School attendance"},
        excluded={"registered": ("yes",)},
        known="registered",
        outcome={"ja": "学校の出席簿", "en": "School attendance books"},
        decided={"ja": "こども政策課が訪問体制から決めた", "en": "Chosen by the section from its visits"},
        contact={"ja": "こども政策課", "en": "Children's policy section"},
        practice=["absent_days"],
        review_on="2027-03-31",
    )

    assert Definition.from_json(definition.to_json()).to_json() == definition.to_json()


@pytest.mark.parametrize(
    ("item", "word"),
    [
        ("absent_30d_next_year", "looks for"),
        ("poverty", "after the index date"),
        ("child_code", "identifies"),
        ("note", "free text"),
        ("seen_on", "dates"),
        ("income_of_neighbours", "dictionary"),
    ],
)
def test_a_feature_no_model_may_use_is_refused_with_the_reason(dictionary, item, word):
    with pytest.raises(Refused) as refusal:
        Definition(**GOOD).check_features(["sex", item], dictionary=dictionary)

    assert word in refusal.value.en
    assert item in refusal.value.ja


def test_an_item_declared_to_be_measured_after_the_index_date_is_refused(dictionary):
    with pytest.raises(Refused):
        Definition(**GOOD, after_index=["absent_days"]).check_features(["absent_days"], dictionary=dictionary)


def test_attack_an_outcome_that_is_no_target_of_this_project_as_a_feature(train):
    """Another year's outcome is dated by the register, whatever the project looks for."""
    later = replace(train.dictionary["bullied_later"], after_index=True)
    dictionary = Dictionary({**train.dictionary.entries, "bullied_later": later}, targets=())

    with pytest.raises(Refused, match="基準日より後"):
        Definition(**GOOD).check_features(["sex", "bullied_later"], dictionary=dictionary)
    with pytest.raises(Refused, match="基準日より後"):
        Definition(**GOOD, excluded={"bullied_later": ["yes"]}).check_features(["sex"], dictionary=dictionary)


def test_a_condition_is_held_to_the_same_rules_as_a_feature(dictionary):
    with pytest.raises(Refused):
        Definition(**GOOD, excluded={"poverty": ["yes"]}).check_features(["sex"], dictionary=dictionary)


@pytest.mark.parametrize("features", [[], ["sex", "sex"]])
def test_no_features_or_the_same_twice_is_refused(dictionary, features):
    with pytest.raises(Refused):
        Definition(**GOOD).check_features(features, dictionary=dictionary)


@pytest.mark.parametrize(
    "changed",
    [
        {"name": "School Attendance"},
        {"name": "high-risk-children"},
        {"title": {"ja": "危険児童リスト"}},
        {"title": {"ja": "ハイリスク児", "en": "x"}},
        {"title": {"en": "Children at risk", "ja": "x"}} | {"title": {"en": "High-risk families"}},
        {"capacity": 0},
        {"capacity": 1.5},
        {"capacity": -3},
        {"capacity": True},
        {"capacity": float("nan")},
        {"tie_rule": "first come"},
        {"excluded": {"absent_30d_next_year": ["yes"]}},
        {"decided": {"ja": "ハイリスク児を全員訪問するため"}},
        {"contact": {"fr": "mairie"}},
        {"outcome": {"ja": "x" * 401}},
        {"review_on": "next spring"},
        {"review_on": 20270331},
    ],
)
def test_a_definition_that_cannot_be_right_is_refused(changed):
    with pytest.raises(Refused):
        Definition(**{**GOOD, **changed})


@pytest.mark.parametrize(
    "text",
    [
        "危険児童",
        "危 険 児 童",
        "ハイリスク児の一覧",
        "ﾊｲﾘｽｸ児",
        "虐待疑い確定",
        "High-Risk Children",
        "high risk child",
        "confirmed  abuse",
    ],
)
def test_a_banned_word_is_found_in_every_spelling(text):
    assert banned_in(text)


@pytest.mark.parametrize(
    "text",
    [
        "支援確認の候補",
        "登校の支援確認候補",
        "a candidate for a support check",
        "虐待の通告受理",
        "risk flag",
    ],
)
def test_neutral_words_pass(text):
    assert banned_in(text) is None


@given(st.floats(0.0001, 1).map(lambda share: round(share, 4)), st.integers(0, 100_000))
def test_a_share_is_held_exactly_as_it_was_written(share, count):
    """0.29 of 100 is 29 places, not the 28 that binary fractions make of it."""
    places = Definition(**{**GOOD, "capacity": share}).places

    assert places == Capacity(per_10000=round(share * 10_000))
    assert places.of(count) <= count


def test_a_number_of_children_is_a_capacity_too():
    assert Definition(**{**GOOD, "capacity": 150}).places == Capacity(children=150)


def test_a_dictionary_may_list_its_items_or_map_them():
    entry = {"label": {"ja": "性別", "en": "Sex"}, "kind": "category", "role": "other", "values": ["m"]}

    listed = Dictionary.of({"items": [{"name": "sex", **entry}]}, targets=("t",))
    mapped = Dictionary.of({"items": {"sex": entry}, "targets": ["t"]})
    assert listed == mapped


def test_the_order_in_which_conditions_are_written_does_not_matter():
    """Cards and models are made again from the canonical form, in which keys are sorted."""
    one, two = (
        Definition("flag", target="t", capacity=0.05, eligible=dict(pairs))
        for pairs in (
            [("grade", ["6-8"]), ("absent_days", ["0"])],
            [("absent_days", ["0"]), ("grade", ["6-8"])],
        )
    )

    assert list(one.eligible) == list(two.eligible) == list(Definition.from_json(one.to_json()).eligible)
