"""The ledger shares out, warns, ends with the year, and tells the log everything."""

from datetime import date

import pytest

from workbench.audit.warnings import described, warnings_in
from workbench.errors import NotFound, Refused, Unusable
from workbench.governance.people import People, Person, Role
from workbench.home import Home
from workbench.privacy.dp.accounting import Budget
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import FEMTO, MICRO, Loss
from workbench.privacy.dp.terms import USES, Terms, Use
from workbench.state import State

QUESTION = {"kind": "histogram", "item": "sex", "by": None, "epsilon": "0.3"}
DAY = date(2026, 11, 23)
DELTA = FEMTO // 10**6


@pytest.fixture
def state(tmp_path):
    return State.open(Home.create(tmp_path / "home"))


@pytest.fixture
def ledger(state):
    ledger = Ledger(state, on=DAY)
    ledger.grant("raw", micro=MICRO, femto=DELTA, granted_by="workbench")
    return ledger


def charge(ledger, epsilon=0.3, *, analyst="aoki", purpose="attendance", loss=None, use=Use.QUESTION) -> bool:
    try:
        with ledger.charge(
            "raw",
            loss=loss or Loss.pure(epsilon),
            analyst=analyst,
            purpose=purpose,
            question=QUESTION,
            use=use,
        ):
            return True
    except Refused:
        return False


def events(state) -> list[str]:
    return [record["event"] for record in state.log.records()]


def test_every_charge_is_in_the_log(state, ledger):
    charge(ledger)

    assert events(state)[-3:] == ["budget.granted", "question.reserved", "question.settled"]
    told = state.log.records()[-2]["details"]
    assert [told[name] for name in ("dataset", "year", "use")] == ["raw", 2026, "question"]
    assert Loss.from_json(told["loss"]) == Loss.pure(0.3)
    assert "histogram" not in str(told)  # the question by its digest alone


@pytest.mark.parametrize("use", Use)
def test_one_budget_pays_for_every_use(ledger, use):
    assert charge(ledger, 0.8, use=use)
    assert not charge(ledger, 0.3)


def test_every_use_is_in_the_table():
    assert USES.keys() == set(Use)
    assert all(one.ja and one.en for one in USES.values())


def test_what_is_no_use_is_not_charged(ledger):
    with pytest.raises(ValueError, match="refund"):
        charge(ledger, use="refund")


def test_composition_buys_more_cheap_questions_than_their_sum(ledger):
    for _ in range(20):
        charge(ledger, 0.04)

    balance = ledger.balance("raw")
    assert balance.naive == 800_000
    assert balance.spent == 800_000  # twenty of them: the sum is still the better bound
    many = ledger.how_many_more("raw", Loss.pure(0.001), analyst="aoki", purpose="attendance")
    assert many > 200_000 / 1_000


def test_a_loss_in_rho_is_charged_and_composed(ledger):
    assert charge(ledger, loss=Loss.zcdp(0.01))
    assert charge(ledger, loss=Loss.zcdp(0.01))
    assert not charge(ledger, loss=Loss.zcdp(0.01))

    balance = ledger.balance("raw")
    assert 900_000 < balance.spent <= MICRO < balance.naive


# ------------------------------------------------------------------ shares


def test_a_share_limits_an_analyst_inside_the_budget(ledger):
    ledger.share("raw", budget=Budget(400_000), analyst="aoki", granted_by="workbench")
    ledger.share("raw", budget=Budget(900_000), analyst="baba", granted_by="workbench")

    assert [charge(ledger, analyst="aoki") for _ in range(2)] == [True, False]
    assert [charge(ledger, analyst="baba") for _ in range(3)] == [True, True, False]


def test_shares_do_not_make_the_budget_larger(ledger):
    for analyst in ("aoki", "baba", "chiba"):
        ledger.share("raw", budget=Budget(MICRO), analyst=analyst, granted_by="workbench")

    assert [charge(ledger, 0.5, analyst=one) for one in ("aoki", "baba", "chiba")] == [True, True, False]
    assert ledger.balance("raw").granted == MICRO


def test_who_is_not_named_has_no_share_of_what_is_shared_out(ledger):
    ledger.share("raw", budget=Budget(400_000), analyst="aoki", granted_by="workbench")

    assert not charge(ledger, 0.1, analyst="baba")
    assert ledger.how_many_more("raw", Loss.pure(0.1), analyst="baba", purpose="attendance") == 0
    # What the coordinating body itself releases is asked for by no analyst.
    assert charge(ledger, 0.1, analyst="release:tables@1", use=Use.TABLES)


def test_a_purpose_has_its_share_whoever_works_for_it(ledger):
    ledger.share("raw", budget=Budget(400_000), purpose="attendance", granted_by="workbench")
    ledger.share("raw", budget=Budget(400_000), purpose="poverty", granted_by="workbench")

    assert [charge(ledger, analyst=one) for one in ("aoki", "baba")] == [True, False]
    assert charge(ledger, purpose="poverty")
    assert not charge(ledger, purpose="other")


def test_a_share_of_both_names_binds_where_both_are_met(ledger):
    ledger.share("raw", budget=Budget(300_000), analyst="aoki", purpose="attendance", granted_by="workbench")
    ledger.share("raw", budget=Budget(600_000), analyst="aoki", purpose="poverty", granted_by="workbench")

    purposes = ("attendance", "attendance", "poverty")
    assert [charge(ledger, purpose=one) for one in purposes] == [True, False, True]


def test_a_new_share_takes_the_place_of_the_old_one(ledger):
    for micro in (900_000, 200_000):
        ledger.share("raw", budget=Budget(micro), analyst="aoki", granted_by="workbench")

    assert not charge(ledger)
    assert charge(ledger, 0.2)


def test_a_share_names_somebody_and_is_an_amount(ledger):
    with pytest.raises(Unusable):
        ledger.share("raw", budget=Budget(1), granted_by="workbench")
    with pytest.raises(Unusable):
        ledger.share("raw", budget=Budget(-1), analyst="aoki", granted_by="workbench")
    with pytest.raises(NotFound):
        ledger.share("other", budget=Budget(1), analyst="aoki", granted_by="workbench")


def test_an_analyst_sees_their_own_charges_and_nobody_elses(ledger):
    ledger.share("raw", budget=Budget(500_000), analyst="aoki", granted_by="workbench")
    ledger.share("raw", budget=Budget(500_000), analyst="baba", granted_by="workbench")
    charge(ledger, 0.2, analyst="aoki")
    charge(ledger, 0.4, analyst="baba", use=Use.MODEL)

    seen = ledger.seen_by("aoki", dataset="raw", purpose="attendance")

    assert (seen["own_spent"], seen["own_charges"]) == (0.2, 1)
    assert (seen["granted"], seen["remaining"]) == (1.0, 0.3)
    # The dataset's total is everybody's to know; who spent it, on what and in how many questions is not.
    assert set(seen) == {"granted", "spent", "remaining", "delta", "ends", "own_spent", "own_charges"}


# ------------------------------------------------------------------ levels and years


def test_the_managers_are_told_once_when_the_level_is_reached(state):
    People(state).add(Person("oka", "Oka", Role.MANAGER, "section"), actor="workbench")
    ledger = Ledger(state, on=DAY)
    terms = Terms.of_year(DAY, warn=800_000)
    ledger.grant("raw", micro=MICRO, granted_by="workbench", terms=terms)
    counts = []
    for epsilon in (0.7, 0.1, 0.1):
        assert charge(ledger, epsilon)
        counts.append(events(state).count("budget.warned"))

    assert counts == [0, 1, 1]
    told = next(one for one in state.log.records() if one["event"] == "budget.warned")["details"]
    assert (told["percent"], told["to"]) == (80, ["oka"])
    (warning,) = warnings_in(state.log.records())
    assert "80 % of the privacy budget of 'raw'" in described(warning, language="en")


def test_one_release_may_not_cost_more_than_the_level_of_refusal(state):
    ledger = Ledger(state, on=DAY)
    terms = Terms.of_year(DAY, dearest=500_000)
    ledger.grant("raw", micro=2 * MICRO, granted_by="workbench", terms=terms)

    assert not charge(ledger, 0.6)
    assert charge(ledger, 0.5)
    assert ledger.how_many_more("raw", Loss.pure(0.6), analyst="aoki", purpose="attendance") == 0
    assert ledger.left("raw", analyst="aoki", purpose="attendance") == 500_000


def test_a_grant_beyond_its_terms_is_refused_however_it_is_divided(state):
    ledger = Ledger(state, on=DAY)
    terms = Terms.of_year(DAY, most_micro=MICRO, most_femto=DELTA)
    ledger.grant("raw", micro=600_000, femto=DELTA, granted_by="workbench", terms=terms)

    for micro, femto in ((600_000, 0), (100_000, 1)):
        with pytest.raises(Refused):
            ledger.grant("raw", micro=micro, femto=femto, granted_by="workbench", terms=terms)
    assert ledger.grant("raw", micro=400_000, granted_by="workbench", terms=terms).granted == MICRO


@pytest.mark.parametrize(
    ("day", "year", "ends"),
    [(date(2027, 3, 31), 2026, "2027-03-31"), (date(2027, 4, 1), 2027, "2028-03-31")],
)
def test_a_year_begins_in_april(day, year, ends):
    assert (Terms.of_year(day).year, Terms.of_year(day).ends) == (year, ends)


def test_a_budget_ends_with_its_year_and_what_is_left_of_it_lapses(state, ledger):
    charge(ledger)
    after = Ledger(state, on=date(2027, 4, 1))
    with pytest.raises(NotFound, match="2027-03-31"):
        charge(after)

    after.grant("raw", micro=200_000, granted_by="workbench")

    assert not charge(after)
    assert charge(after, 0.2)
    assert (after.balance("raw").spent, after.balance("raw", year=2026).spent) == (200_000, 300_000)


def test_the_last_day_is_part_of_the_year(state, ledger):
    assert charge(Ledger(state, on=date(2027, 3, 31)))


def test_no_budget_is_granted_for_a_year_that_is_over(ledger):
    with pytest.raises(Refused):
        ledger.grant("raw", micro=1, granted_by="workbench", terms=Terms.of_year(date(2026, 3, 31)))


def test_periods_of_one_dataset_do_not_overlap(ledger):
    """Else the same day would have two budgets."""
    with pytest.raises(Refused):
        ledger.grant(
            "raw", micro=1, granted_by="workbench", terms=Terms.of_year(date(2026, 12, 1), first_month=10)
        )


def test_who_may_not_grant_does_not(state, ledger):
    People(state).add(Person("aoki", "Aoki", Role.ANALYST, "section"), actor="workbench")

    for attempt in (
        lambda: ledger.grant("raw", micro=1, granted_by="aoki"),
        lambda: ledger.share("raw", budget=Budget(1), analyst="aoki", granted_by="aoki"),
    ):
        with pytest.raises(Refused):
            attempt()
