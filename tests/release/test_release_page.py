"""The page: self-contained, both languages, escaped, and drawn from the report alone."""

import copy
import json
import re

import jsonschema
import pytest
from jinja2 import UndefinedError

from workbench.release import page, plots, report
from workbench.release.checks import CHECKS
from workbench.release.findings import Finding, Text, Verdict, worst


@pytest.fixture(scope="session")
def made(tmp_path_factory, settled, prepared, in_town):
    """One real report."""
    town = next(in_town(tmp_path_factory.mktemp("report"), settled))
    return town.report(prepared)


def texts(html, language):
    return re.findall(rf'class="{language}[^"]*" lang="{language}"[^>]*>([^<]*)<', html)


def test_the_page_fetches_nothing_and_runs_nothing(made):
    html = page.render(made)

    assert not re.search(r"https?://|<script|<iframe|<link|<img|url\(|@import|\son\w+=", html)
    assert "default-src 'none'" in html


def test_everything_is_said_in_both_languages(made):
    html = page.render(made)

    japanese, english = texts(html, "ja"), texts(html, "en")
    assert len(japanese) == len(english) > 60
    assert all(text.strip() for text in [*japanese, *english])


def test_japanese_stands_first_and_english_is_a_switch_away(made):
    html = page.render(made)

    assert '<html lang="ja">' in html
    assert re.search(r'id="show-ja" checked', html)
    assert re.search(r'id="show-en" checked', page.render(made, language="en"))


def test_attack_markup_in_the_reason_is_shown_as_text(made):
    hurt = {**made, "why": "<img src=x onerror=alert(1)>{{ 7 * 7 }}"}

    html = page.render(hurt)

    assert "<img" not in html
    assert "&lt;img src=x onerror=alert(1)&gt;{{ 7 * 7 }}" in html


def test_the_same_report_gives_the_same_page(made):
    assert page.render(made) == page.render(json.loads(json.dumps(made)))


def test_what_fails_stands_first_and_says_what_to_do(made):
    failed = copy.deepcopy(made)
    failed["findings"][-1].update(verdict="fail", remedy={"ja": "やり直す", "en": "Do it again"})
    failed["verdict"] = "fail"

    html = page.render(failed)

    order = re.findall(r'<tr class="(fail|review|pass)">', html)
    assert order == sorted(order, key=["fail", "review", "pass"].index)
    assert html.index("やり直す") < html.index("<table")


def test_a_verdict_is_told_by_a_sign_and_a_word_not_by_colour(made):
    html = page.render(made)

    assert "○" in html
    assert "適合" in html


@pytest.mark.parametrize("missing", ["verdict", "findings", "policy"])
def test_a_report_that_lacks_a_part_is_not_drawn(made, missing):
    broken = {name: value for name, value in made.items() if name != missing}

    with pytest.raises((UndefinedError, KeyError)):
        page.render(broken)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(report.schema()).validate(broken)


def test_the_schema_is_closed(made):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(report.schema()).validate({**made, "made_on": "2025-04-01"})


def test_the_headline_has_two_or_three_numbers(made):
    assert 2 <= len(made["headline"]) <= 3
    assert {number["verdict"] for number in made["headline"]} == {"pass"}


def test_the_bands_of_class_sizes_add_up(made):
    sizes = made["classes"]["sizes"]

    assert sum(size["share"] for size in sizes) == pytest.approx(1, abs=0.001)
    assert sum(size["classes"] for size in sizes) == made["classes"]["count"]


def test_a_bar_beyond_its_limit_is_marked():
    measured = {
        "overall": 0.01,
        "groups": [
            {"id": "a", "label": {"ja": "甲", "en": "A"}, "of": "subgroup", "rate": 0.2},
            {"id": "b", "label": {"ja": "乙", "en": "B"}, "of": "target", "rate": None},
        ],
    }

    bars = plots.suppression(measured, limit=0.05).bars

    assert [bar.beyond for bar in bars] == [False, True, False]
    assert bars[2].shown == plots.NOT_SHOWN
    assert max(bar.length for bar in bars) <= 1


def test_a_class_below_k_is_marked_only_where_there_is_one():
    sizes = [
        {"from": 1, "to": 1, "classes": 0, "share": 0.0},
        {"from": 2, "to": 4, "classes": 3, "share": 1.0},
    ]

    assert [bar.beyond for bar in plots.class_sizes({"sizes": sizes}, k=5).bars] == [False, True]


def test_every_check_has_its_words_in_both_languages():
    for checks in CHECKS.values():
        for name, check in checks.items():
            assert check.title.ja.strip(), name
            assert check.title.en.strip(), name


def test_every_standard_of_rule_62_has_a_check_that_bears_on_it():
    assert {rule for check in CHECKS["anonymised"].values() for rule in check.rules} == {1, 2, 3, 4, 5}


def test_no_finding_at_all_is_a_failure():
    assert worst([]) is Verdict.FAIL


def test_a_finding_that_does_not_pass_says_what_to_do():
    with pytest.raises(ValueError, match="remedy"):
        Finding(Verdict.FAIL, Text("だめ", "no"))


def test_each_threshold_of_a_release_is_used_by_one_check():
    """So that a policy can be read aloud: this number is that check."""
    from pathlib import Path

    import workbench.release
    from workbench.policy import load

    folder = Path(workbench.release.__file__).parent
    code = {path.name: path.read_text() for path in folder.glob("checks*.py")}
    judged = ["k_children", "k_households", "suppression_overall", "suppression_subgroup", "distinct_l",
              "max_confidence", "t_report", "min_category_households", "model_min_cell", "model_levels_households",
              "model_residual_df"]  # fmt: skip
    for name in judged:
        assert name in load().thresholds
        assert sum(text.count(f'policy["{name}"]') for text in code.values()) == 1, name
