"""`workbench budget`: grant, share and show, in both languages, within the policy and for who may."""

import json

import pytest
from click.testing import CliRunner

from workbench.cli import workbench
from workbench.governance.people import People, Person, Role
from workbench.governance.settings import adopt_policy
from workbench.home import Home
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.terms import Use
from workbench.release import budgets
from workbench.state import State

OVERRIDE = """
schema: workbench-policy-override/1
thresholds:
  epsilon_total: {value: 2.0, source: 審議会の答申}
"""


@pytest.fixture
def home(tmp_path):
    home = Home.create(tmp_path / "home")
    people = People(State.open(home))
    people.add(Person("oka", "Oka", Role.MANAGER, "section"))
    for id_, role in (("sato", Role.COORDINATOR), ("aoki", Role.ANALYST)):
        people.add(Person(id_, id_.title(), role, "section"), actor="oka")
    return home


@pytest.fixture
def run(home):
    def run(*arguments, expect=0, language="en") -> str:
        env = {"WORKBENCH_HOME": str(home.path), "WORKBENCH_LANG": language}
        result = CliRunner(env=env).invoke(workbench, ["budget", *arguments])
        found = getattr(result.exception, "exit_code", 1) if result.exception else 0
        assert found == expect, (result.output, result.exception)
        return result.exception.en if expect else result.output

    return run


def charge(home, epsilon, *, analyst="aoki", use=Use.QUESTION) -> None:
    ledger = Ledger(State.open(home))
    asked = {"analyst": analyst, "purpose": "attendance", "question": {"kind": "histogram", "item": "sex"}}
    with ledger.charge("raw", loss=Loss.pure(epsilon), use=use, **asked):
        pass


def test_a_grant_without_amounts_is_all_that_the_policy_allows(run):
    told = json.loads(run("grant", "raw", "--by", "sato", "--json"))

    assert (told["granted"], told["delta"], told["remaining"]) == (1.0, 1e-6, 1.0)
    assert told["ends"].endswith("-03-31")


def test_more_than_the_policy_needs_another_policy(run, home):
    run("grant", "raw", "--by", "sato")
    for more in ([], ["--epsilon", "0.1"]):
        assert "change the policy" in run("grant", "raw", *more, "--by", "sato", expect=10)
    adopt_policy(State.open(home), profile="standard", override=OVERRIDE, actor="sato")

    assert json.loads(run("grant", "raw", "--by", "sato", "--json"))["granted"] == 2.0


@pytest.mark.attack
@pytest.mark.parametrize("epsilon", ["nan", "inf", "-inf", "-1", "0", "1e400", "1e-9"])
def test_attack_a_grant_of_no_amount(run, epsilon):
    said = run("grant", "raw", f"--epsilon={epsilon}", "--by", "sato", expect=12)

    assert "finite number" in said
    run("show", "raw", "--by", "sato", expect=13)


@pytest.mark.attack
def test_attack_an_analyst_grants_shares_and_reads_who_asked_what(run):
    run("grant", "raw", "--by", "sato")

    for command in (["grant", "raw"], ["share", "raw", "--epsilon", "1", "--analyst", "aoki"], ["show"]):
        assert "may not" in run(*command, "--by", "aoki", expect=10)


@pytest.mark.parametrize("name", [["--analyst", "aoky"], ["--purpose", "atendance"], []])
def test_a_share_names_somebody_who_is_there(run, name):
    """A mistyped name would shut out the one who was meant."""
    run("grant", "raw", "--by", "sato")

    run("share", "raw", "--epsilon", "1", *name, "--by", "sato", expect=13 if name else 12)

    assert json.loads(run("show", "raw", "--by", "sato", "--json"))[0]["shares"] == []


def test_the_statement_says_who_spent_what_on_what(run, home):
    run("grant", "raw", "--by", "sato")
    run("share", "raw", "--epsilon", "0.5", "--analyst", "aoki", "--by", "sato")
    for _ in range(3):
        charge(home, 0.1)
    charge(home, 0.4, analyst="release:tables@1", use=Use.TABLES)

    told = json.loads(run("show", "raw", "--by", "sato", "--json"))[0]

    assert told["spent"] == {"charges": 4, "composed": 0.7, "sum": 0.7, "delta": 0.0}
    assert {use: one["charges"] for use, one in told["by_use"].items()} == {"question": 3, "tables": 1}
    assert {name: one["composed"] for name, one in told["by_analyst"].items()} == {
        "aoki": 0.3,
        "release:tables@1": 0.4,
    }
    assert told["shares"][0]["remaining"] == 0.2
    assert [one["number"] for one in told["how_many_more"]][:2] == [1, 3]
    assert set(told["all_years"].values()) == {0.7}


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("ja", ("年度", "合成後", "質問の答え", "あと 3 件", "配分")),
        ("en", ("composed", "answers", "3 more", "shares")),
    ],
)
def test_the_statement_reads_in_both_languages(run, home, language, words):
    run("grant", "raw", "--by", "sato")
    run("share", "raw", "--epsilon", "1", "--analyst", "aoki", "--by", "sato")
    charge(home, 0.7)

    said = run("show", "--by", "sato", language=language)

    assert all(word in said for word in words), said


def test_the_level_of_warning_is_said(run, home):
    run("grant", "raw", "--by", "sato")
    charge(home, 0.8)

    assert "80 % of the budget is reached" in run("show", "raw", "--by", "sato")


def test_a_year_ahead_is_granted_and_a_year_that_is_over_is_not(run):
    this = json.loads(run("grant", "raw", "--by", "sato", "--json"))
    year = int(this["ends"][:4])

    assert json.loads(run("grant", "raw", f"--year={year}", "--by", "sato", "--json"))["ends"][:4] == str(
        year + 1
    )
    run("grant", "raw", f"--year={year - 2}", "--by", "sato", expect=10)
    run("grant", "raw", "--year=26", "--by", "sato", expect=12)
    assert [one["year"] for one in json.loads(run("show", "--by", "sato", "--json"))] == [year - 1]


def test_a_picture_is_drawn(run, home, tmp_path):
    run("grant", "raw", "--by", "sato")
    charge(home, 0.3)

    run("show", "--picture", str(tmp_path / "budget.png"), "--by", "sato")

    assert (tmp_path / "budget.png").read_bytes().startswith(b"\x89PNG")


def test_a_grant_is_judged_by_the_policy_of_its_day(home):
    budgets.grant(State.open(home), "raw", by="sato")

    terms = Ledger(State.open(home)).account("raw").terms
    assert (terms.warn, terms.dearest, terms.most.micro) == (800_000, 5_000_000, 1_000_000)
