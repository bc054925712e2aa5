"""The input contract: a batch that breaks it is refused with the item's name and the number of rows."""

import json
import math

import pyarrow as pa
import pytest

from workbench.errors import Unusable
from workbench.scoring import contract

GOOD = {
    "child_id": ["c1", "c2", "c3", "c4"],
    "sex": ["male", "female", "male", "female"],
    "grade": [1, 2, 8, None],
    "absent_days": [0, 210, None, 3],
    "registered": [None, None, "yes", "no"],
    "name": ["not", "asked", "for", "!"],
}


def accept(contract_data, **changed):
    columns = {**GOOD, **changed}
    table = pa.table({name: column for name, column in columns.items() if column is not None})
    return contract.accept(contract.read(json.dumps(contract_data).encode()), table)


def test_only_what_the_contract_asks_for_is_taken(contract_data):
    accepted = accept(contract_data)

    assert accepted.references == GOOD["child_id"]
    assert accepted.table.to_pydict() == {
        "sex": GOOD["sex"],
        "grade": ["1", "2", "8", None],
        "absent_days": [0, 210, None, 3],
        "registered": GOOD["registered"],
    }
    assert accepted.missing == {"sex": 0, "grade": 0.25, "absent_days": 0.25, "registered": 0.5}
    assert not any(mask.any() for mask in accepted.unseen.values())


def test_a_number_may_be_spelled_as_text_as_in_a_csv(contract_data):
    accepted = accept(contract_data, absent_days=["0", "7.0", "", "12"], grade=["1", "2", "8", ""])

    assert accepted.table["absent_days"].to_pylist() == [0, 7, None, 12]
    assert accepted.table["grade"].to_pylist() == ["1", "2", "8", None]


def test_an_unlisted_category_is_recorded_for_its_row(contract_data):
    assert accept(contract_data, sex=["male", "x", "male", "male"]).unseen["sex"].tolist() == [
        False,
        True,
        False,
        False,
    ]


BROKEN = {
    "a missing column": ({"sex": None}, "sex"),
    "a missing reference column": ({"child_id": None}, "child_id"),
    "an empty reference": ({"child_id": ["c1", None, "c3", "c4"]}, "child_id"),
    "a repeated reference": ({"child_id": ["c1", "c1", "c3", "c4"]}, "child_id"),
    "a reference that is a formula": ({"child_id": ["=cmd|x", "c2", "c3", "c4"]}, "child_id"),
    "a reference with a line break": ({"child_id": ["c\n1", "c2", "c3", "c4"]}, "child_id"),
    "words for a number": ({"absent_days": ["few", "1", "2", "3"]}, "absent_days"),
    "full-width digits": ({"absent_days": ["１", "1", "2", "3"]}, "absent_days"),
    "a fraction of a day": ({"absent_days": [1.5, 1.0, 2.0, 3.0]}, "absent_days"),
    "infinity": ({"absent_days": [math.inf, 1.0, 2.0, 3.0]}, "absent_days"),
    "NaN as a word": ({"absent_days": ["nan", "1", "2", "3"]}, "absent_days"),
    "a number below the range": ({"absent_days": [-1, 1, 2, 3]}, "absent_days"),
    "a number above the range": ({"absent_days": [211, 1, 2, 3]}, "absent_days"),
    "too much missing": ({"sex": ["male", None, "male", "male"]}, "sex"),
    "everything missing": ({"sex": pa.nulls(4)}, "sex"),
    "too many unlisted categories": ({"sex": ["x", "y", "male", "male"]}, "sex"),
}


@pytest.mark.parametrize("fault", BROKEN)
def test_a_broken_contract_is_unusable_and_names_the_item(contract_data, fault):
    changed, item = BROKEN[fault]
    with pytest.raises(Unusable) as refusal:
        accept(contract_data, **changed)

    assert item in refusal.value.ja
    assert item in refusal.value.en


def test_every_broken_rule_has_its_own_sentence(contract_data):
    sentences = set()
    for fault in (
        "a missing column",
        "a repeated reference",
        "words for a number",
        "a number above the range",
        "too much missing",
        "too many unlisted categories",
        "an empty reference",
        "a reference that is a formula",
    ):
        with pytest.raises(Unusable) as refusal:
            accept(contract_data, **BROKEN[fault][0])
        sentences.add(refusal.value.en.replace("child_id", "").replace("absent_days", "").replace("sex", ""))

    assert len(sentences) == 8


def test_a_refusal_quotes_no_value_of_the_records(contract_data):
    for secret in (
        {"absent_days": ["Tanaka", "1", "2", "3"]},
        {"sex": ["Tanaka", "Tanaka", "male", "male"]},
        {"child_id": ["Tanaka", "Tanaka", "c3", "c4"]},
    ):
        with pytest.raises(Unusable) as refusal:
            accept(contract_data, **secret)
        assert "Tanaka" not in refusal.value.ja + refusal.value.en


def test_a_table_without_rows_is_unusable(contract_data):
    with pytest.raises(Unusable):
        accept(contract_data, **{name: pa.array([], pa.string()) for name in GOOD})


@pytest.mark.parametrize(
    "bend",
    [
        lambda c: c.update(schema="riskflag-input/2"),
        lambda c: c.update(extra=1),
        lambda c: c.update(items=[]),
        lambda c: c["items"].append(c["items"][0]),
        lambda c: c["items"][0].update(kind="expression"),
        lambda c: c["items"][0].update(minimum=3),
        lambda c: c["items"][2].update(levels=["1"]),
        lambda c: c["items"][2].update(max_missing=2),
        lambda c: c["items"][2].pop("max_missing"),
    ],
)
def test_a_malformed_contract_is_unusable(contract_data, bend):
    bend(contract_data)

    with pytest.raises(Unusable):
        contract.read(json.dumps(contract_data).encode())
