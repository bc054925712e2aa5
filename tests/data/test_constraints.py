"""What can never be is said in the register, read strictly, and found in rows."""

import copy

import pandas as pd
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from workbench.data.constraints import Siblings, broken, constraints_of, within
from workbench.data.register import Register
from workbench.data.register_document import PlainLoader
from workbench.errors import Unusable

REGISTER = yaml.load(
    """
schema: workbench-register/1
tables:
  child_year:
    label: {ja: こども, en: Children}
    holder: 総括
    source_process: 名寄せ
    original_purpose: 支援
    justification: 検査
    items:
      - {name: age, label: {ja: 年齢, en: Age}, role: other, kind: integer, minimum: 0, maximum: 17}
      - {name: grade, label: {ja: 学年, en: Grade}, role: other, kind: integer, minimum: 0, maximum: 12}
      - {name: absent, label: {ja: 欠席, en: Absent}, role: other, kind: integer, minimum: 0, maximum: 366}
      - {name: school, label: {ja: 学校, en: School}, role: other, kind: category, values: [nursery, elementary]}
    constraints:
      - never: {age: {maximum: 5}, absent: present}
      - never: {age: {minimum: 7}, school: [nursery]}
      - difference: {of: age, from: grade, minimum: 5, maximum: 6}
""",
    Loader=PlainLoader,  # noqa: S506 — builds plain values only
)
ROWS = pd.DataFrame(
    {
        "age": pd.array([4, 4, 9, 9, 9, None], dtype="Int64"),
        "grade": pd.array([None, None, 3, 3, 8, 8], dtype="Int64"),
        "absent": pd.array([None, 3, 3, None, 3, 3], dtype="Int64"),
        "school": ["nursery", "nursery", "elementary", "nursery", None, "nursery"],
    }
)


def constraints():
    return constraints_of(Register.from_json(REGISTER)["child_year"].constraints)


def test_a_row_that_cannot_be_is_found_and_what_is_missing_breaks_nothing():
    assert broken(ROWS, constraints=constraints()).tolist() == [False, True, False, True, True, False]


def test_constraints_are_part_of_the_registers_digest():
    without = copy.deepcopy(REGISTER)
    del without["tables"]["child_year"]["constraints"]

    assert Register.from_json(REGISTER).digest != Register.from_json(without).digest
    assert (
        Register.from_json(Register.from_json(REGISTER).to_json()).digest
        == Register.from_json(REGISTER).digest
    )


def test_what_is_said_of_an_item_that_is_left_out_cannot_be_broken():
    kept = within(constraints(), items=["age", "grade"])

    assert [one.items for one in kept] == [("age", "grade")]


@pytest.mark.parametrize(
    "wrong",
    [
        {"never": {}},
        {"never": {"age": {}}},
        {"never": {"shoe_size": "present"}},
        {"never": {"age": "sometimes"}},
        {"difference": {"of": "age", "from": "grade"}},
        {"siblings": {"order": "age"}},
        {"always": {"age": "present"}},
        {},
    ],
)
def test_a_constraint_that_says_nothing_or_of_what_is_not_there_is_unusable(wrong):
    register = copy.deepcopy(REGISTER)
    register["tables"]["child_year"]["constraints"] = [wrong]

    with pytest.raises(Unusable):
        Register.from_json(register)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 17), st.integers(1, 5)), min_size=1, max_size=30))
def test_siblings_numbered_by_age_are_in_order(rows):
    rule = Siblings(order="order", age="age", household="home")
    frame = pd.DataFrame(rows, columns=["home", "age", "order"])

    numbered = rule.numbered(frame)

    assert not rule.broken(numbered).any()
    assert sorted(numbered["age"]) == sorted(frame["age"])


def test_a_younger_child_before_an_older_one_is_found():
    rule = Siblings(order="order", age="age", household="home")
    frame = pd.DataFrame({"home": [1, 1, 2], "age": [7, 9, 3], "order": [1, 2, 1]})

    assert rule.broken(frame).tolist() == [False, True, False]
