"""Thirteen sections, thirteen planted defects: each is seen in its own section, in numbers and in words."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from workbench.errors import Refused
from workbench.riskflag import groups
from workbench.riskflag.dictionary import Dictionary
from workbench.riskflag.evaluate import evaluate
from workbench.riskflag.flag import RiskFlag
from workbench.riskflag.page import drawn_section, fragment, markdown
from workbench.riskflag.report import sections
from workbench.riskflag.said import labels_of
from workbench.riskflag.stability import refit_as

FEATURES = ["grade", "sex", "hh_type", "absent_days", "eq_income", "school_aid", "district"]
DECLARED = {
    "outcome": {"ja": "学校の出席簿による", "en": "From attendance books"},
    "decided": {"ja": "こども政策課が訪問体制から", "en": "The section, from its visits"},
    "contact": {"ja": "こども政策課", "en": "Children's policy section"},
    "practice": ["absent_days"],
    "review_on": "2027-03-31",
}


def flag(**changes):
    said = {"target": "absent_30d_next_year", "capacity": 0.1, "known": "registered", **DECLARED}
    return RiskFlag("school-attendance", **{**said, **changes})


@pytest.fixture(scope="module")
def parts(make_part):
    """Two parts in which offices look everywhere alike; `changed` may spoil a frame."""

    def make(changed=lambda frame: frame, *, rows=(4000, 3000), **sizes):
        found = []
        for number, (name, count) in enumerate(zip(("train", "test"), rows, strict=True), start=1):
            part = make_part(name, rows=count, seed=number)
            rng = np.random.default_rng(100 + number)
            registered = np.where(rng.random(count) < 0.3, "yes", "no")
            found.append(replace(part, frame=changed(part.frame.assign(registered=registered))))
        return found

    return make


@pytest.fixture(scope="module")
def sound(parts):
    """A model with nothing planted, the parts it is about, and its evaluation."""
    train, test = parts()
    fitted = flag().fit(train, LogisticRegression(), features=FEATURES)
    return fitted, train, test, judged(fitted, train, test, refits=4)


def judged(fitted, train, test, *, refits=0, model=None, by=("sex", "hh_type"), **changes):
    """The evaluation, of another model or definition where one is given."""
    return evaluate(
        model or fitted.model,
        replace(fitted.definition, **changes),
        train=train,
        test=test,
        by=by,
        refit=refit_as(fitted.definition, fitted.training.to_json()),
        refits=refits,
    )


def with_feature(model, name, change):
    features = tuple(change(one) if one.name == name else one for one in model.features)
    return replace(model, features=features)


def positive(frame):
    return frame["absent_30d_next_year"] == "yes"


def recorded_where_offices_look(sound, parts):
    def unseen_forgotten(frame):
        seen = (frame["registered"] == "yes") | (np.arange(len(frame)) % 5 == 0)
        return frame.assign(absent_30d_next_year=np.where(positive(frame) & seen, "yes", "no"))

    return judged(sound[0], *parts(unseen_forgotten))


def upside_down(sound, _):
    fitted, train, test, _ = sound
    turned = tuple(
        replace(one, points=tuple(-value for value in one.points), missing=-one.missing)
        for one in fitted.model.features
    )
    return judged(fitted, train, test, model=replace(fitted.model, features=turned))


def many_equal_scores(_, parts):
    train, test = parts()
    fitted = flag().fit(train, LogisticRegression(), features=["school_aid", "sex"])
    return judged(fitted, train, test)


def only_the_known(_, parts):
    def known(frame):
        rng = np.random.default_rng(5)
        yes = np.where(positive(frame), rng.random(len(frame)) < 0.7, rng.random(len(frame)) < 0.15)
        return frame.assign(registered=np.where(yes, "yes", "no"))

    train, test = parts(known)
    fitted = flag().fit(train, LogisticRegression(), features=[*FEATURES, "registered"])
    return judged(fitted, train, test)


def leaking_feature(_, parts):
    train, test = parts(lambda frame: frame.assign(absent_days=np.where(positive(frame), 40, 2)))
    fitted = flag().fit(train, LogisticRegression(C=0.1), features=["absent_days", "sex"])
    return judged(fitted, train, test)


def shifted_calibration(sound, _):
    fitted, train, test, _ = sound
    model = replace(fitted.model, base=fitted.model.base + 1000)
    return judged(fitted, train, test, model=model)


def one_group_held_back(sound, _):
    fitted, train, test, _ = sound
    model = with_feature(
        fitted.model, "sex", lambda one: replace(one, points=tuple(500 * sign for sign in (-1, 1)))
    )
    return judged(fitted, train, test, model=model)


def leaning_on_aid(sound, _):
    fitted, train, test, _ = sound
    model = with_feature(
        fitted.model, "school_aid", lambda one: replace(one, points=tuple(6 * value for value in one.points))
    )
    return judged(fitted, train, test, model=model)


def candidates_by_chance(_, parts):
    def noise(frame):
        rng = np.random.default_rng(len(frame))
        return frame.assign(district=[f"E{code:02d}" for code in rng.integers(0, 30, len(frame))])

    train, test = parts(noise, rows=(900, 3000))
    fitted = flag().fit(
        train, LogisticRegression(C=100, max_iter=1000), features=["district", "sex"], min_cell=15
    )
    return judged(fitted, train, test, refits=6)


def missing_that_counts(sound, _):
    fitted, train, test, _ = sound
    model = with_feature(fitted.model, "sex", lambda one: replace(one, missing=6000))
    return judged(fitted, train, test, model=model)


def on_synthetic_rows(sound, _):
    fitted, train, test, _ = sound
    source = replace(train.source, protection="synthetic")
    return judged(fitted, replace(train, source=source), replace(test, source=source))


def a_level_of_three_children(sound, parts):
    def three(frame):
        types = frame["hh_type"].replace("other", "two_parents").to_numpy(dtype=object)
        types[:3] = "other"
        return frame.assign(hh_type=types)

    train, test = parts(three)
    household = next(one for one in sound[0].model.features if one.name == "hh_type")
    points = tuple(
        900 if level == "other" else own
        for level, own in zip(household.levels, household.points, strict=True)
    )
    model = with_feature(sound[0].model, "hh_type", lambda one: replace(one, points=points))
    return judged(sound[0], train, test, model=model)


def nobody_to_ask(sound, _):
    fitted, train, test, _ = sound
    return judged(fitted, train, test, contact={}, review_on=None)


# section: (what is planted, words of the note that must appear)
DEFECTS = {
    1: (recorded_where_offices_look, "見られている度合い"),
    2: (upside_down, "点数が低いほうの該当率がはっきり高い"),
    3: (many_equal_scores, "使われません"),
    4: (only_the_known, "新たな気づきは多くありません"),
    5: (leaking_feature, "だけでほぼ当たります"),
    6: (shifted_calibration, "点数を確率に読み替えると間違います"),
    7: (one_group_held_back, "見逃しの割合が「性別」"),
    8: (leaning_on_aid, "点数のちがいの半分以上が"),
    9: (candidates_by_chance, "偶然に左右されます"),
    10: (missing_that_counts, "性別"),
    11: (on_synthetic_rows, "実際のこどもでの成績は、ここからは分かりません"),
    12: (a_level_of_three_children, "行より少ないこどもだけから決まった点数"),
    13: (nobody_to_ask, "問い合わせ・異議の窓口"),
}


def told(data, number):
    return " ".join(note["ja"] for note in data["notes"] if note["section"] == number)


def section_of(data, number, part):
    return sections(data, labels=labels_of(data, part.dictionary))[number - 1]


@pytest.mark.parametrize("number", DEFECTS)
def test_a_planted_defect_changes_its_section_and_is_said_there(number, sound, parts):
    plant, words = DEFECTS[number]
    _, _, test, before = sound
    after = plant(sound, parts)

    assert words in told(after, number)
    assert words not in told(before, number)
    found, was = (section_of(data, number, test) for data in (after, before))
    assert drawn_section(found) != drawn_section(was)
    assert (found.tables, found.drawings) != (was.tables, was.drawings)


def test_there_are_thirteen_sections_and_every_one_has_its_planted_defect(sound):
    numbers = [one.number for one in sections(sound[3], labels={})]

    assert numbers == list(range(1, 14)) == list(DEFECTS)


def test_late_records_are_seen_as_another_rate(sound, parts):
    fitted, train, _, _ = sound
    _, test = parts(
        lambda frame: frame.assign(
            absent_30d_next_year=np.where(positive(frame) & (np.arange(len(frame)) % 3 == 0), "yes", "no")
        )
    )

    assert "記録の遅れ" in told(judged(fitted, train, test), 1)


def test_without_the_office_that_decides_who_is_considered_nobody_is(sound):
    fitted, train, test, _ = sound
    data = judged(fitted, train, test, eligible={"sex": ["male", "female"]})

    row = next(row for row in data["sources"] if "sex" in row["items"])
    assert row["nobody_considered"] == ["sex"]
    assert row["auc"] is None
    assert "性別" in told(data, 10)


def test_items_of_one_office_go_missing_together(sound):
    fitted, train, test, _ = sound
    entries = {
        name: replace(entry, holder="学校" if name in ("absent_days", "grade") else "市民課")
        for name, entry in test.dictionary.entries.items()
    }
    data = judged(fitted, train, replace(test, dictionary=Dictionary(entries)))

    assert {row["source"]: set(row["items"]) for row in data["sources"]}["学校"] == {"absent_days", "grade"}
    assert "学校" in fragment(data, labels={})


def test_attack_subtracting_the_groups_of_one_item_from_those_of_another(sound, parts):
    """Beside the types of household, "single parent or not" would tell the outcome of the few others."""

    def nested(frame):
        types = frame["hh_type"].replace("other", "two_parents").to_numpy(dtype=object)
        types[:4] = "other"
        single = np.where(types == "one_adult", "yes", "no").astype(object)
        single[:4] = "yes"
        return frame.assign(hh_type=types, bullied_later=single)

    fitted, train, test, _ = sound
    _, test = parts(nested)
    alone = judged(fitted, train, test, by=("hh_type",))["groups"]["hh_type"]
    both = judged(fitted, train, test, by=("hh_type", "bullied_later"))["groups"]

    # Four others stand with the single parents in one table and would stand with them in the other: alike.
    assert both["hh_type"] == alone
    shown = {tuple(row["levels"]): row["children"] for rows in both.values() for row in rows}
    sizes = sorted(shown.values())
    assert all(b - a == 0 or b - a >= 10 for a, b in pairwise(sizes))


def test_attack_subtracting_a_group_that_lies_within_another(sound, parts):
    def nested(frame):
        male = (frame["sex"] == "male").to_numpy().copy()
        extra = np.flatnonzero(~male)[:6]
        wider = np.where(male, "yes", "no").astype(object)
        wider[extra] = "yes"
        return frame.assign(bullied_later=wider)

    fitted, train, _, _ = sound
    _, test = parts(nested)
    found = judged(fitted, train, test, by=("sex", "bullied_later"))["groups"]

    assert found["sex"]
    assert found["bullied_later"] == []
    assert "少なすぎて示せません" in drawn_section(
        sections({**judged(fitted, train, test, by=("sex", "bullied_later"))}, labels={})[6]
    )


def test_attack_subtracting_a_group_from_the_children_known_already(sound, parts):
    """Children known already stand in a table of their own; a group that is all of them but six may not."""

    def nested(frame):
        registered = (frame["registered"] == "yes").to_numpy().copy()
        registered[np.flatnonzero(registered)[:6]] = False
        return frame.assign(bullied_later=np.where(registered, "yes", "no"))

    fitted, train, _, _ = sound
    _, test = parts(nested)
    data = judged(fitted, train, test, by=("bullied_later",))

    assert data["surveillance"]["seen"]["children"] > 100
    assert data["groups"]["bullied_later"] == []


def test_a_table_is_shown_where_the_known_are_too_few_for_one(sound, parts):
    fitted, train, _, _ = sound
    _, test = parts(lambda frame: frame.assign(registered=["yes"] * 5 + ["no"] * (len(frame) - 5)))
    data = judged(fitted, train, test, by=("sex",))

    assert data["surveillance"] is None
    assert len(data["groups"]["sex"]) == 2


def test_a_gap_between_groups_has_the_interval_of_two_proportions(sound):
    """Newcombe (1998), method 10, his example of 56 of 70 against 48 of 80: 0.20 (0.0524 to 0.3339)."""
    from workbench.riskflag.metrics import difference, wilson

    gap = difference(wilson(56, 70), wilson(48, 80))

    assert (gap.value, gap.low, gap.high) == pytest.approx((0.20, 0.0524, 0.3339), abs=5e-5)
    assert set(sound[3]["gaps"]["sex"]) == set(groups.GAPS)


def test_more_refits_than_a_report_has_are_refused(sound):
    fitted, train, test, _ = sound

    with pytest.raises(Refused):
        judged(fitted, train, test, refits=10**9)


def test_every_section_is_drawn_in_both_languages_and_fetches_nothing(sound):
    data = sound[3]
    html = fragment(data, labels=labels_of(data, sound[2].dictionary))

    assert html.count('lang="ja"') == html.count('lang="en"') > 200
    assert not any(word in html for word in ("<script", "http", "<img", "None", "nan"))
    assert "見逃し" in markdown(data, labels={})


def test_attack_markup_in_a_declaration_is_shown_as_text(sound):
    fitted, train, test, _ = sound
    hurt = {"ja": "<img src=x onerror=alert(1)>", "en": "<script>1</script>"}
    data = judged(fitted, train, test, contact=hurt)

    html = fragment(data, labels={})
    assert "<img" not in html
    assert "<script" not in html
    assert "&lt;img" in html


def test_no_share_of_children_is_told_to_the_child(sound):
    """Shares over sets that a reader could compare are whole per cents, or say on which side the few are."""
    data = sound[3]
    shares = [
        *(found["exchanged"] for found in data["proxies"]["sets"].values() if found),
        *(row["staying"] for row in data["sources"]),
        *(row["above_threshold"] for row in data["sources"]),
        data["stability"]["often"],
        *data["score_by_time"]["bands"],
        *data["reasons"],
    ]

    for told_share in shares:
        assert (told_share["share"] is None) != (told_share["few"] is None)
        if told_share["share"] is not None:
            assert round(100 * told_share["share"]) == pytest.approx(100 * told_share["share"])
