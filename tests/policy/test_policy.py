"""Every threshold has a source; an override is strict, within bounds, sourced, and never silent."""

import math

import pytest

from workbench.errors import NotFound, Unusable
from workbench.policy import PROFILES, load, parse_override

# law-and-thresholds, section E: the numbers a municipality may rely on finding.
STANDARD = {
    "k_children": 5,
    "k_households": 5,
    "suppression_overall": 0.05,
    "suppression_subgroup": 0.05,
    "distinct_l": 2,
    "max_confidence": 0.8,
    "t_report": 0.35,
    "min_category_households": 5,
    "min_cell_output": 10,
    "min_cell_output_small": 20,
    "small_population": 25_000,
    "epsilon_total": 1.0,
    "delta_total": 1e-6,
    "budget_warn": 0.8,
    "budget_year_month": 4,
    "epsilon_warn": 1.0,
    "epsilon_refuse": 5.0,
    "model_min_cell": 10,
    "model_levels_households": 10,
    "reviewers_dataset": 2,
    "reviewers_model": 2,
    "retention_days": 365,
}
STRICT = {"k_children": 10, "k_households": 10, "max_confidence": 0.7, "suppression_overall": 0.05}


def override(changes: str) -> str:
    return f"schema: workbench-policy-override/1\nthresholds:\n{changes}"


@pytest.mark.parametrize(("name", "value"), STANDARD.items())
def test_the_standard_numbers(name, value):
    assert load()[name] == value


@pytest.mark.parametrize(("name", "value"), STRICT.items())
def test_the_strict_numbers(name, value):
    assert load("strict")[name] == value


@pytest.mark.parametrize("profile", PROFILES)
def test_every_threshold_has_label_source_unit_and_bounds(profile):
    for threshold in load(profile).thresholds.values():
        for text in (threshold.label, threshold.source):
            assert text.keys() == {"ja", "en"}, threshold.id
            assert all(text.values()), threshold.id
        assert threshold.unit, threshold.id
        assert threshold.minimum <= threshold.value <= threshold.maximum, threshold.id
        assert type(threshold.minimum) is type(threshold.maximum) is type(threshold.value), threshold.id
        assert not threshold.overridden


def test_strict_is_nowhere_looser_than_standard():
    standard, strict = load(), load("strict")

    for name, threshold in standard.thresholds.items():
        if threshold.stricter == "lower":
            assert strict[name] <= standard[name], name
        else:
            assert strict[name] >= standard[name], name


@pytest.mark.parametrize(
    ("change", "weakened"),
    [
        ("k_children: {value: 3, source: 条例}", ["k_children"]),
        ("k_children: {value: 7, source: 条例}", []),
        ("k_children: {value: 5, source: 条例}", []),
        ("max_confidence: {value: 0.9, source: 条例}", ["max_confidence"]),
        ("max_confidence: {value: 0.6, source: 条例}", []),
    ],
)
def test_a_change_that_protects_less_is_marked(change, weakened):
    assert parse_override(override(f"  {change}\n"), load(), name="ours").weakened == weakened


def test_no_profile_lets_one_person_admit_alone():
    for profile in PROFILES:
        for name in ("reviewers_dataset", "reviewers_model"):
            assert load(profile).thresholds[name].minimum == 2


def test_an_override_is_recorded_in_the_policy_and_in_its_digest(tmp_path):
    file = tmp_path / "ours.yaml"
    file.write_text(override("  k_children: {value: 7, source: {ja: 条例第3条, en: Ordinance art. 3}}\n"))

    ours = load("standard", file)

    assert ours["k_children"] == 7
    assert list(ours.overrides) == ["k_children"]
    assert ours.to_json()["thresholds"]["k_children"]["overridden"] is True
    assert ours.thresholds["k_children"].source["en"] == "Ordinance art. 3"
    assert ours.digest != load().digest


def test_an_override_to_the_same_number_is_still_an_override():
    same = parse_override(override("  k_children: {value: 5, source: 確認済み}\n"), load(), name="x")

    assert list(same.overrides) == ["k_children"]
    assert same.digest != load().digest


def test_the_digest_is_of_values_and_sources():
    one, two = (
        parse_override(override(f"  k_children: {{value: 7, source: {text}}}\n"), load(), name="x")
        for text in ("条例", "要綱")
    )

    assert load().digest == load().digest != load("strict").digest
    assert one.digest != two.digest


def test_a_whole_number_serves_where_a_share_is_asked():
    looser = parse_override(override("  epsilon_total: {value: 2, source: 審議会}\n"), load(), name="x")

    assert looser["epsilon_total"] == 2.0
    assert isinstance(looser["epsilon_total"], float)


ATTACKS = {
    "an unknown name": ("  k_childrn: {value: 7, source: x}", "k_childrn"),
    "a text for a number": ("  k_children: {value: '7', source: x}", "k_children"),
    "a flag for a number": ("  k_children: {value: yes, source: x}", "k_children"),
    "a share for a count": ("  k_children: {value: 7.0, source: x}", "k_children"),
    "a list": ("  k_children: {value: [7], source: x}", "k_children"),
    "nothing": ("  k_children: {value: , source: x}", "k_children"),
    "not a number": ("  max_confidence: {value: .nan, source: x}", "max_confidence"),
    "infinity": ("  epsilon_total: {value: .inf, source: x}", "epsilon_total"),
    "k of one": ("  k_children: {value: 1, source: x}", "k_children"),
    "one reviewer": ("  reviewers_dataset: {value: 1, source: x}", "reviewers_dataset"),
    "more than everything": ("  suppression_overall: {value: 1.5, source: x}", "suppression_overall"),
    "a bare number": ("  k_children: 7", "k_children"),
    "no source": ("  k_children: {value: 7}", "k_children"),
    "an empty source": ("  k_children: {value: 7, source: '  '}", "k_children"),
    "a source in one language": ("  k_children: {value: 7, source: {ja: x}}", "k_children"),
    "one key more": ("  k_children: {value: 7, source: x, unit: cats}", "k_children"),
    "bounds moved": ("  k_children: {value: 1, minimum: 1, source: x}", "k_children"),
}


@pytest.mark.parametrize(("change", "named"), ATTACKS.values(), ids=ATTACKS)
def test_an_override_that_is_wrong_is_refused_by_name(change, named):
    with pytest.raises(Unusable) as refused:
        parse_override(override(change), load(), name="ours.yaml")

    assert named in refused.value.ja
    assert named in refused.value.en


FILES = {
    "a key twice": override("  k_children: {value: 9, source: x}\n  k_children: {value: 2, source: x}\n"),
    "no thresholds": "schema: workbench-policy-override/1\nthresholds: {}\n",
    "another schema": "schema: workbench-policy/1\nthresholds:\n  k_children: {value: 9, source: x}\n",
    "one key more at the top": "extends: none\n" + override("  k_children: {value: 9, source: x}\n"),
    "code": override("  k_children: !!python/object/apply:os.system ['true']\n"),
    "an empty file": "",
    "a list": "- 1\n",
    "no YAML": "{",
    "deep brackets": "[" * 5_000,
}


@pytest.mark.parametrize("text", FILES.values(), ids=FILES)
def test_a_file_that_is_no_override_is_refused(text):
    with pytest.raises(Unusable):
        parse_override(text, load(), name="ours.yaml")


HUGE = (override("  k_children: {value: 7, source: x}\n") + "#" * 300_000).encode()


@pytest.mark.parametrize("content", [b"\xff\xfe", HUGE], ids=["not UTF-8", "huge"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, content):
    (tmp_path / "ours.yaml").write_bytes(content)

    with pytest.raises(Unusable, match=r"ours\.yaml"):
        load("standard", tmp_path / "ours.yaml")


def test_a_missing_file_is_refused_and_does_not_mean_no_override(tmp_path):
    with pytest.raises(Unusable, match=r"ours\.yaml"):
        load("standard", tmp_path / "ours.yaml")


def test_an_unknown_profile_is_not_standard():
    with pytest.raises(NotFound):
        load("lenient")


def test_an_unknown_threshold_is_a_bug_of_the_caller():
    with pytest.raises(KeyError):
        load()["k_anything"]


def test_no_value_is_without_end():
    for threshold in load().thresholds.values():
        assert math.isfinite(threshold.maximum)


def test_a_source_with_half_a_surrogate_pair_is_refused_with_its_threshold(tmp_path):
    for text in ('"\\ud800"', '{ja: 条例, en: "art. \\udfff"}'):
        file = tmp_path / "ours.yaml"
        file.write_text(override(f"  k_children: {{value: 7, source: {text}}}\n"))

        with pytest.raises(Unusable, match="k_children") as refused:
            load("standard", file)

        str(refused.value).encode()


def test_a_name_with_half_a_surrogate_pair_is_refused_in_text(tmp_path):
    file = tmp_path / "ours.yaml"
    file.write_text(override('  "k\\ud800": {value: 7, source: 条例}\n'))

    with pytest.raises(Unusable) as refused:
        load("standard", file)

    str(refused.value).encode()
