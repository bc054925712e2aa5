"""The panel on one family, made by hand: what each column says, and when it says nothing."""

import pandas as pd
import pytest

from workbench.data.linking import Links
from workbench.data.panel import COLUMNS, TARGETS, child_year, view
from workbench.data.panel.calendar import months_after
from workbench.errors import Unusable

PLACE = "青葉野市月読台一丁目2番3号"
PARENT = "0000000001"
CHILD = "0000000002"


def person(number: str, **differs: str | None) -> dict[str, str | None]:
    return {
        "person_no": number,
        "household_no": "100000001",
        "name": "佐藤　葵",
        "name_kana": "サトウ　アオイ",
        "alias": None,
        "birth_date": "2012-06-01",
        "sex": "2",
        "relation": "03",
        "foreign": "0",
        "address": PLACE,
        "block_code": "B001",
        "spell_from": "2012-06-01",
        "spell_to": None,
        **differs,
    }


def adult(number: str, relation: str, **differs: str | None) -> dict[str, str | None]:
    name = {"name": f"佐藤　大人{number}", "name_kana": f"サトウ　オトナ{number}", "birth_date": "1980-01-01"}
    return person(number, relation=relation, spell_from="2010-04-01", **{**name, **differs})


def rows(*records: dict, **same: object) -> pd.DataFrame:
    return pd.DataFrame([{**same, **record} for record in records], dtype=object)


FAMILY = rows(adult(PARENT, "01"), person(CHILD))
ROLL = rows(
    *({"pupil_no": "S1", "fy": fy} for fy in range(2019, 2024)),
    name="佐藤　葵",
    name_kana="サトウ　アオイ",
    birth_date="2012-06-01",
    address=PLACE,
)
CASE = {
    "case_id": "C1",
    "child_name": "佐藤　葵",
    "child_name_kana": "サトウ　アオイ",
    "child_birth_date": "2012-06-01",
    **dict.fromkeys(["yotai_class", "registered_on", "closed_on", "yc_known_on", "accepted_on"]),
    "kind": "1",
}
TAX = {
    "taxpayer_no": "T1",
    "person_no": PARENT,
    "birth_date": "1980-01-01",
    "revenue_total": 3_000_000,
    "social_insurance": 400_000,
    "taxes_total": 200_000,
    "tax_class": "3",
    "undeclared": "0",
    "tax_arrears": "0",
}


# Whose each number below is: linking has tests of its own.
NUMBERS = {
    "tax": {"T1": PARENT, "T2": "0000000003", "T0000000001": PARENT, "T0000000003": "0000000003"},
    "sp_allowance": {"A1": PARENT},
    "welfare": {"W1": PARENT},
    "arrears": {"R1": PARENT},
    "infant_check": {"I1": CHILD, "I9": "0000000009"},
    "pupil": {"S1": CHILD},
    "consult": {"C1": CHILD, "C2": CHILD},
    "disability": {"D1": CHILD},
    "carer_survey": {"Y1": CHILD, "Y2": CHILD, "Y3": CHILD},
}
REGISTERED = [f"{number:010d}" for number in range(20)] + [str(number) for number in range(20)]
LINKS = Links(
    person_link=pd.DataFrame(
        [
            {"source": source, "source_key": key, "person_id": who, "rule": "by hand"}
            for source, numbers in NUMBERS.items()
            for key, who in numbers.items()
        ]
    ),
    person_of_number=pd.Series(REGISTERED, index=REGISTERED),
    said={},
)


def panel(
    fy: int, *, resident: pd.DataFrame = FAMILY, places: pd.DataFrame | None = None, **sources
) -> pd.DataFrame:
    return child_year({"resident": resident, **sources}, LINKS, years=(fy,), places=places)


def of_child(fy: int, column: str, **sources: pd.DataFrame) -> object:
    """The column's value for the one child; None when missing."""
    places = sources.pop("places", None)
    made = view({"resident": FAMILY, **sources}, LINKS, years=(fy,), places=places)
    value = made[column][made["child_id"] == CHILD].item()
    return None if pd.isna(value) else value


def test_the_columns_are_the_table_of_the_contract_in_its_order():
    made = panel(2020)

    assert list(made) == list(COLUMNS)
    assert set(TARGETS) < set(COLUMNS)
    assert made["child_id"].tolist() == [CHILD]


@pytest.mark.parametrize(
    ("birth", "fy", "grade"),
    [
        ("2012-04-02", 2019, 6),
        ("2013-04-01", 2019, 6),
        ("2013-04-02", 2019, 5),
        ("2019-04-01", 2019, 0),
        ("2001-04-02", 2019, 17),
    ],
)
def test_the_grade_is_the_school_year_age_and_the_first_of_april_belongs_to_the_year_before(birth, fy, grade):
    child = person(CHILD, birth_date=birth, spell_from=birth)

    assert of_child(fy, "grade", resident=rows(adult(PARENT, "01"), child)) == grade


@pytest.mark.parametrize("birth", ["2001-04-01", "2019-04-02"])
def test_who_is_grown_up_or_not_yet_born_is_not_in_the_panel(birth):
    assert panel(2019, resident=rows(person(CHILD, birth_date=birth, spell_from="2001-01-01"))).empty


@pytest.mark.parametrize(
    ("since", "until", "there"),
    [
        ("2020-04-01", None, True),
        ("2020-04-02", None, False),
        ("2015-01-01", "2020-04-01", False),
        ("2015-01-01", "2020-04-02", True),
    ],
)
def test_a_child_is_in_the_panel_when_registered_on_the_index_date(since, until, there):
    child = person(CHILD, spell_from=since, spell_to=until)

    assert (len(panel(2020, resident=rows(child))) == 1) is there


@pytest.mark.parametrize(
    ("others", "kind"),
    [
        ([adult("1", "01"), adult("3", "02")], "two_parents"),
        ([adult("1", "01")], "one_adult"),
        ([adult("1", "01"), adult("3", "07", birth_date="1950-01-01")], "single_coresident"),
        ([adult("1", "01"), adult("3", "02"), adult("4", "06", birth_date="1950-01-01")], "three_generation"),
        ([adult("1", "01"), adult("3", "03", birth_date="2000-01-01")], "one_adult"),
        ([], "other"),
    ],
)
def test_the_kind_of_household_is_read_from_the_relations_to_its_head(others, kind):
    assert of_child(2020, "hh_type", resident=rows(person(CHILD), *others)) == kind


@pytest.mark.parametrize(
    ("others", "kind"),
    [
        (["03", "04"], "three_generation"),
        (["03"], "single_coresident"),
        ([], "other"),
    ],
)
def test_a_grandchild_of_the_head_has_the_heads_children_as_parents(others, kind):
    grandparent = adult("1", "01", birth_date="1950-01-01")
    parents = [adult(f"{number}", relation) for number, relation in enumerate(others, start=3)]
    child = person(CHILD, relation="05")

    assert of_child(2020, "hh_type", resident=rows(grandparent, *parents, child)) == kind


def test_children_of_the_household_are_counted_up_to_five():
    siblings = [
        person(f"{number}", name=f"佐藤　子{number}", name_kana=f"サトウ　コ{number}")
        for number in range(10, 16)
    ]

    assert of_child(2020, "n_children", resident=rows(person(CHILD), *siblings[:2])) == 3
    assert of_child(2020, "n_children", resident=rows(person(CHILD), *siblings)) == 5


MOVES = rows(
    {"moved_on": "2012-06-01", "reason": "2", "block_code": "B002"},
    {"moved_on": "2017-03-31", "reason": "3", "block_code": "B003"},
    {"moved_on": "2017-04-01", "reason": "1", "block_code": "B004"},
    {"moved_on": "2020-03-31", "reason": "3", "block_code": "B005"},
    {"moved_on": "2020-04-02", "reason": "3", "block_code": "B006"},
    person_no=CHILD,
    address=PLACE,
)


def test_the_moves_of_three_years_before_the_index_date_are_counted_and_birth_is_none():
    assert of_child(2020, "moves_3y", resident_addr_hist=MOVES) == 2
    assert of_child(2015, "moves_3y", resident_addr_hist=MOVES) == 0
    assert of_child(2020, "moves_3y") is None


def test_the_block_is_where_the_child_lived_on_the_index_date():
    places = pd.DataFrame({"block": ["B005", "B006"], "es_district": ["E01", "E02"]})

    assert of_child(2020, "block", resident_addr_hist=MOVES) == "B005"
    assert of_child(2020, "es_district", resident_addr_hist=MOVES, places=places) == "E01"
    assert of_child(2020, "es_district", resident_addr_hist=MOVES) is None


def test_income_is_what_the_household_disposed_of_over_the_root_of_its_size():
    tax = rows({"fy": 2019}, **TAX)

    assert of_child(2020, "eq_income", tax=tax) == round(240 / 2**0.5, 1)


def test_income_of_another_year_is_not_income_of_last_year():
    assert of_child(2020, "eq_income", tax=rows({"fy": 2018}, {"fy": 2020}, **TAX)) is None


def test_an_income_that_a_member_did_not_declare_is_missing_and_not_low():
    second = {"taxpayer_no": "T2", "person_no": "0000000003", "undeclared": "1", "revenue_total": None}
    two = rows(adult(PARENT, "01"), adult("0000000003", "02", birth_date="1981-01-01"), person(CHILD))
    tax = rows({"fy": 2019}, {"fy": 2019, **second, "birth_date": "1981-01-01"}, **TAX)

    assert of_child(2020, "eq_income", resident=two, tax=tax) is None


@pytest.mark.parametrize(
    ("classes", "exempt"),
    [(["1"], "yes"), (["3"], "no"), (["1", "2"], "no"), (["1", "1"], "yes"), ([None], None)],
)
def test_a_household_is_exempt_when_everyone_who_declared_is(classes, exempt):
    two = rows(adult(PARENT, "01"), adult("0000000003", "02", birth_date="1981-01-01"), person(CHILD))
    who = [(PARENT, "1980-01-01"), ("0000000003", "1981-01-01")]
    records = [
        {"fy": 2019, "taxpayer_no": f"T{number}", "person_no": number, "birth_date": birth, "tax_class": kind}
        for (number, birth), kind in zip(who, classes, strict=False)
    ]

    assert (
        of_child(2020, "tax_exempt", resident=two, tax=rows(*(TAX | record for record in records))) == exempt
    )


@pytest.mark.parametrize(
    ("spell", "status", "paid"),
    [
        (("2019-08-01", None), "1", "yes"),
        (("2019-08-01", None), "3", "no"),
        (("2019-08-01", "2020-03-31"), "2", "no"),
        (("2020-04-02", None), "1", "no"),
    ],
)
def test_the_allowance_counts_when_it_is_paid_on_the_index_date(spell, status, paid):
    allowance = rows(
        {"certificate_no": "A1", "person_no": PARENT, "birth_date": "1980-01-01", "status": status},
        spell_from=spell[0],
        spell_to=spell[1],
    )

    assert of_child(2020, "spa", sp_allowance=allowance) == paid


def test_the_welfare_of_the_head_is_the_welfare_of_the_household():
    head = FAMILY.iloc[0]
    welfare = rows(
        {"case_no": "W1", "head_name": head["name"], "head_name_kana": head["name_kana"], "address": PLACE},
        head_birth_date=head["birth_date"],
        spell_from="2019-01-01",
        spell_to=None,
    )

    assert of_child(2020, "welfare", welfare=welfare) == "yes"
    assert of_child(2018, "welfare", welfare=welfare) == "no"
    assert of_child(2020, "welfare") is None


def test_arrears_are_a_no_only_when_both_fees_and_tax_are_known():
    fees = rows({"arrears_no": "R1", "payer_name": FAMILY.iloc[0]["name"], "address": PLACE, "fy": 2019})

    assert of_child(2020, "arrears", arrears=fees) == "yes"
    assert of_child(2021, "arrears", arrears=fees) is None
    assert of_child(2021, "arrears", arrears=fees, tax=rows({"fy": 2020}, **TAX)) == "no"
    assert of_child(2021, "arrears", tax=rows({"fy": 2020}, **TAX | {"tax_arrears": "1"})) == "yes"
    assert of_child(2020, "arrears") is None


SCHOOL = {
    "school_aid": rows({"pupil_no": "S1", "fy": 2019, "name": "佐藤　葵"}),
    "attendance": rows(
        {"month": "2019-04", "absent_days": 3, "absent_nonattend": 0, "late": 1},
        {"month": "2020-03", "absent_days": 4, "absent_nonattend": 2, "late": 0},
        {"month": "2020-04", "absent_days": 20, "absent_nonattend": 20, "late": 9},
        {"month": "2020-05", "absent_days": 12, "absent_nonattend": 10, "late": 9},
        pupil_no="S1",
    ),
    "nurse_visit": rows({"visited_on": "2019-06-01"}, {"visited_on": "2020-04-01"}, pupil_no="S1"),
    "bullying": rows({"incident_no": "B1", "pupil_no": "S1", "found_on": "2019-10-01"}),
    "school_survey": rows(
        {"fy": 2019, "score_dev": 48.5, "fitness": "B", "breakfast": "3"},
        {"fy": 2020, "score_dev": None, "fitness": None, "breakfast": None},
        pupil_no="S1",
    ),
    "school_health": rows({"pupil_no": "S1", "fy": 2019, "untreated_teeth": 2}),
}
SCHOOL_ITEMS = {
    "school_aid": ("yes", "no"),
    "absent_days": (7, 32),
    "late_days": (1, 18),
    "nurse_visits": (1, 1),
    "bullied": ("yes", "no"),
    "score_dev": (48.5, None),
    "fitness": ("B", None),
    "breakfast_skipped": ("yes", None),
    "untreated_teeth": (2, None),
    "absent_30d_now": ("no", "yes"),
}


@pytest.mark.parametrize(("item", "values"), SCHOOL_ITEMS.items(), ids=SCHOOL_ITEMS)
def test_a_school_item_is_last_years_and_missing_for_a_preschooler_and_without_its_table(item, values):
    assert of_child(2020, item, pupil=ROLL, **SCHOOL) == values[0]
    assert of_child(2021, item, pupil=ROLL, **SCHOOL) == values[1]
    assert of_child(2019, item, pupil=ROLL, **SCHOOL) is None
    assert of_child(2020, item, pupil=ROLL) is None


INFANT = {"infant_no": "I1", "name": "佐藤　葵", "name_kana": "サトウ　アオイ", "birth_date": "2012-06-01"}


def test_a_check_is_missed_once_it_was_due_and_not_attended():
    checks = rows(
        {"check": "4m", "due_date": "2012-10-01", "attended": "0"},
        {"check": "18m", "due_date": "2013-12-01", "attended": "1"},
        {"check": "36m", "due_date": "2015-06-01", "attended": "0"},
        **INFANT,
    )

    assert of_child(2013, "checks_missed", infant_check=checks) == 1
    assert of_child(2016, "checks_missed", infant_check=checks) == 2


OTHERS = rows({**INFANT, "infant_no": "I9", "name": "鈴木　蓮", "name_kana": "スズキ　レン"})


def test_checks_that_were_due_here_and_are_not_linked_are_unknown_and_not_missed():
    checks = OTHERS.assign(check="4m", due_date="2012-10-01", attended="1")
    came_late = rows(person(CHILD, spell_from="2019-01-01"))

    assert of_child(2016, "checks_missed", infant_check=checks) is None
    assert of_child(2020, "checks_missed", infant_check=checks, resident=came_late) == 0


def test_a_dose_is_missing_half_a_year_after_it_was_due_here():
    doses = rows(
        {"vaccine": "MR", "dose": "1", "given_on": "2013-07-01"},
        {"vaccine": "BCG", "dose": 1, "given_on": "2012-12-20"},
        {"vaccine": "VAR", "dose": "1", "given_on": "2020-05-01"},
        **{field: INFANT[field] for field in ("infant_no", "name_kana", "birth_date")},
    )
    came_late = rows(person(CHILD, spell_from="2014-01-01"))

    assert of_child(2013, "vac_missing", vaccine=doses) == 2
    assert of_child(2020, "vac_missing", vaccine=doses) == 6
    # Only what fell due after the arrival can be missing here.
    assert of_child(2020, "vac_missing", vaccine=doses, resident=came_late) == 2
    assert (
        of_child(2020, "vac_missing", vaccine=OTHERS.assign(vaccine="MR", dose="1", given_on="2013-07-01"))
        is None
    )


def test_disability_support_counts_while_it_is_in_force():
    held = rows(
        {"certificate_no": "D1", "person_no": CHILD, "birth_date": "2012-06-01"},
        spell_from="2016-01-01",
        spell_to="2019-01-01",
    )

    assert [of_child(fy, "disability", disability=held) for fy in (2015, 2018, 2020)] == ["no", "yes", "no"]


def test_a_report_of_last_year_is_a_feature_and_one_of_this_year_the_target():
    consult = rows(CASE | {"accepted_on": "2019-05-01"})

    assert (of_child(2020, "reported", consult=consult), of_child(2020, "abuse_report", consult=consult)) == (
        "yes",
        "no",
    )
    assert (of_child(2019, "reported", consult=consult), of_child(2019, "abuse_report", consult=consult)) == (
        "no",
        "yes",
    )


def test_counselling_is_a_case_accepted_or_a_contact_of_it_and_not_the_follow_up_of_a_report():
    consult = rows(
        CASE | {"case_id": "C1", "kind": "2", "accepted_on": "2017-05-01"}, CASE | {"case_id": "C2"}
    )
    contacts = rows(
        {"case_id": "C1", "contact_on": "2018-05-01"}, {"case_id": "C2", "contact_on": "2019-05-01"}
    )

    made = [
        of_child(fy, "consulted", consult=consult, consult_contact=contacts)
        for fy in (2017, 2018, 2019, 2020)
    ]
    assert made == ["no", "yes", "yes", "no"]


def test_who_is_registered_on_the_index_date_is_known_and_has_no_target():
    dates = {
        "yotai_class": "1",
        "accepted_on": "2018-05-01",
        "registered_on": "2018-06-01",
        "closed_on": "2020-01-01",
    }
    consult = rows(CASE | dates)

    assert [of_child(fy, "registered", consult=consult) for fy in (2018, 2019, 2020)] == ["no", "yes", "no"]
    assert [of_child(fy, "abuse_report", consult=consult) for fy in (2018, 2019, 2020)] == ["yes", None, "no"]


def test_the_registration_of_the_expectant_mother_is_not_the_childs():
    consult = rows(CASE | {"kind": "3", "yotai_class": "3", "registered_on": "2018-06-01"})

    assert of_child(2019, "registered", consult=consult) == "no"


def test_poverty_is_the_income_of_the_year_and_missing_on_welfare_or_without_an_income():
    low = rows({"fy": 2020, "revenue_total": 1_500_000}, **{**TAX, "revenue_total": 1})
    head = FAMILY.iloc[0]
    welfare = rows(
        {"case_no": "W1", "head_name": head["name"], "head_name_kana": head["name_kana"], "address": PLACE},
        head_birth_date=head["birth_date"],
        spell_from="2019-01-01",
        spell_to=None,
    )

    assert of_child(2020, "poverty", tax=low.assign(revenue_total=1_500_000)) == "yes"
    assert of_child(2020, "poverty", tax=low.assign(revenue_total=9_000_000)) == "no"
    assert of_child(2020, "poverty", tax=low, welfare=welfare) is None
    assert of_child(2021, "poverty", tax=low) is None


def test_absence_is_a_target_for_pupils_of_both_years_who_were_not_absent_so_long():
    assert of_child(2020, "absent_30d_next_year", pupil=ROLL, **SCHOOL) == "yes"
    assert of_child(2021, "absent_30d_next_year", pupil=ROLL, **SCHOOL) is None
    assert of_child(2019, "absent_30d_next_year", pupil=ROLL, **SCHOOL) is None


def test_a_young_carers_answer_counts_unless_the_carer_is_known_already():
    survey = rows(
        {"answer_no": "Y1", "fy": 2020, "cares": "1"},
        {"answer_no": "Y2", "fy": 2021, "cares": "0"},
        {"answer_no": "Y3", "fy": 2022, "cares": None},
        person_no=CHILD,
        birth_date="2012-06-01",
    )
    known = rows(CASE | {"yc_known_on": "2020-04-01"})

    assert [of_child(fy, "young_carer", carer_survey=survey) for fy in (2020, 2021, 2022)] == [
        "yes",
        "no",
        None,
    ]
    assert of_child(2020, "young_carer", carer_survey=survey, consult=known) == "yes"
    assert of_child(2021, "young_carer", carer_survey=survey, consult=known) is None


def test_without_any_source_every_feature_but_the_registers_is_missing_and_none_is_a_no():
    register_alone = {
        "child_id",
        "household_id",
        "fy",
        "grade",
        "sex",
        "block",
        "hh_type",
        "n_children",
        "foreign",
    }
    made = panel(2020).iloc[0]

    assert set(made.index[made.notna()]) == register_alone


def test_a_table_without_a_column_the_panel_reads_is_refused_by_name():
    with pytest.raises(Unusable, match=r"pupil.*fy"):
        panel(2020, pupil=ROLL.drop(columns="fy"))


def test_the_years_are_those_with_a_recorded_year_before_them():
    assert sorted(child_year({"resident": FAMILY, "pupil": ROLL}, LINKS)["fy"]) == [2020, 2021, 2022, 2023]


def test_without_a_yearly_table_there_is_no_index_date():
    with pytest.raises(Unusable, match="fy"):
        child_year({"resident": FAMILY}, LINKS)


@pytest.mark.parametrize(
    ("birth", "months", "day"),
    [("2012-06-01", 3, "2012-09-01"), ("2012-11-30", 3, "2013-02-28"), ("2012-08-31", 6, "2013-02-28")],
)
def test_some_months_later_is_the_same_day_or_the_last_of_a_shorter_month(birth, months, day):
    assert months_after(pd.Series([pd.Timestamp(birth), pd.NaT]), months).tolist() == [
        pd.Timestamp(day),
        pd.NaT,
    ]


def test_people_without_a_household_number_do_not_live_together():
    """A missing number never equals a missing number."""
    homeless = FAMILY.assign(household_no=None)

    assert (
        of_child(
            2020,
            "n_children",
            resident=rows(*homeless.to_dict("records"), person("10") | {"household_no": None}),
        )
        == 1
    )
    assert of_child(2020, "hh_type", resident=homeless) == "other"
    assert of_child(2020, "household_id", resident=homeless) is None
