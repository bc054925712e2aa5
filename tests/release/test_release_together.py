"""Releases add up: what is refused because of what left before it, by the name of the mistake or the attack."""

import shutil
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from workbench.data.raw import RawStore
from workbench.data.receipt import Receipt
from workbench.data.register import Register
from workbench.data.registers import Registers
from workbench.errors import NotFound, Refused
from workbench.governance.charter import Project, Projects
from workbench.policy import load
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.questions import MICRO
from workbench.release import checks_together, page
from workbench.release.findings import Finding, Text, Verdict
from workbench.release.moves import State
from workbench.release.prepare.draft import write_table
from workbench.release.shelf import Shelf
from workbench.release.staged import ALIGNMENT
from workbench.release.workflow import Workflow

START = datetime(2025, 4, 1, 9, 30, tzinfo=UTC)


def finding(report):
    return next(one for one in report["findings"] if one["check"] == "together")


def failing(report):
    return {one["check"] for one in report["findings"] if one["verdict"] == "fail"}


# ------------------------------------------------------------------ a town with one odd household


def item(name, role, kind, **more):
    return {"name": name, "label": {"ja": name, "en": name}, "role": role, "kind": kind, **more}


ABOUT = {"holder": "x", "source_process": "x", "original_purpose": "x", "justification": "x"}
ITEMS = [
    item("child", "direct_identifier", "code"),
    item("home", "direct_identifier", "code"),
    item("area", "quasi_identifier", "category", values=["hill", "shore"]),
    item("family", "quasi_identifier", "category", values=["two", "one"]),
    item("year", "quasi_identifier", "integer", minimum=2020, maximum=2026),
    item("aid", "sensitive", "category", values=["yes", "no"], harmful_values=["yes"]),
]
REGISTER = {
    "schema": "workbench-register/1",
    "tables": {"town": {"label": {"ja": "町", "en": "town"}, "items": ITEMS, **ABOUT}},
}
PROJECT = {
    "schema": "workbench-project/1",
    "purpose": "attendance",
    "title": {"ja": "試験", "en": "trial"},
    "benefit": {"ja": "試験", "en": "trial"},
    "population": 40000,
    "source": "town",
    "person": "child",
    "household": "home",
    "time": None,
    "test_share": 0.3,
    "targets": ["aid"],
    "subgroups": [],
}


def people(groups, *, years=(None,)):
    """Households of two, `groups` of (how many, area, family, aid); `years` gives each child a row a year."""
    rows = []
    for number, area, family, aid in groups:
        for _ in range(number):
            home = f"H{len(rows) // (2 * len(years)):05d}"
            for sibling in "12":
                rows += [
                    {"child": f"{home}-{sibling}", "home": home, "year": year, "area": area, "family": family}
                    | {"aid": aid if aid else "yes" if len(rows) % 5 == 0 else "no"}
                    for year in years
                ]
    return pd.DataFrame(rows)


# Forty in any class of either item alone; one household is of the shore and of one adult.
ODD = [
    (200, "hill", "two", None),
    (40, "shore", "two", None),
    (40, "hill", "one", None),
    (1, "shore", "one", "no"),
]


def settled_with(town, frame, **charter):
    Registers(town.office.state).add(Register.from_json(REGISTER), actor="sato")
    Projects(town.office.state).store(Project.from_json({**PROJECT, **charter}), actor="sato")
    put(town, frame)


def put(town, frame):
    RawStore(town.office.home).put("town", frame, Receipt(rows=len(frame), columns=tuple(frame)))


@pytest.fixture
def odd_town(town):
    settled_with(town, people(ODD).drop(columns="year"))
    return town


def made(town, name, *items, **wanted):
    """A prepared release of these items at their finest level."""
    return town.prepare(name=name, items=[*items, "aid"] if items else None, hierarchies={}, **wanted)


def in_review(town, name, *items, **wanted):
    """Its request, checked."""
    request = town.submit(made(town, name, *items, **wanted), name=name)
    return request, town.office.workflow.report(request)


def votes(town, request):
    for person in ("tanaka", "ito"):
        town.office.vote(request, person=person)


def admitted(town, name, *items, **wanted):
    request, report = in_review(town, name, *items, **wanted)
    assert report["verdict"] == "pass", [one for one in report["findings"] if one["verdict"] != "pass"]
    votes(town, request)
    town.office.workflow.admit(request)
    return request


def test_two_releases_of_k_five_whose_join_isolates_one_household(odd_town):
    """Each is safe alone; together they leave one household of the shore with one adult."""
    admitted(odd_town, "by-area", "area")

    request, report = in_review(odd_town, "by-family", "family")

    assert failing(report) == {"together"}
    found = finding(report)
    assert found["numbers"]["k_together"] == 2
    assert found["numbers"]["k_households_together"] == 1
    assert found["numbers"]["isolated"] == 2
    assert found["numbers"]["with"] == ["by-area@1"]
    for language in ("ja", "en"):
        assert "by-area@1" in found["sentence"][language]
        assert "by-family@1" in found["sentence"][language]
        assert "by-area@1" in found["remedy"][language]
    assert odd_town.office.workflow.find(request).state is State.REFUSED


def test_each_of_the_two_is_safe_alone(odd_town):
    _, report = in_review(odd_town, "by-family", "family")

    assert report["verdict"] == "pass"
    assert report["classes"]["smallest_households"] >= 5
    assert finding(report)["numbers"]["k_together"] is None


def test_the_same_levels_again_pass(odd_town):
    admitted(odd_town, "by-area", "area")

    _, report = in_review(odd_town, "by-area-again", "area")

    assert finding(report)["verdict"] == "pass"
    assert report["together"]["k_children"] >= 5
    assert [one["release"] for one in report["together"]["earlier"]] == ["by-area@1"]
    assert report["together"]["earlier"][0]["people"] == 562
    assert "by-area@1" in page.render(report)


def test_what_the_refusal_advises_is_possible_and_passes(town):
    """Other items of the same children isolate some; the items and levels of the earlier release do not."""
    town.office.workflow.report(town.submit(town.prepare(items=QUASI_ONE, name="one"), name="one"))
    votes(town, "R-1")
    town.office.workflow.admit("R-1")
    other = town.report(town.prepare(items=QUASI_TWO, name="two"), name="two")
    assert "--like one@1" in finding(other)["remedy"]["en"]

    again = town.report(town.prepare(like="one@1", name="three"), name="three")

    assert failing(other) == {"together"}
    assert again["verdict"] == "pass"
    with pytest.raises(NotFound):
        town.prepare(like="never@1", name="four")


QUASI_ONE = ["fy", "grade", "sex", "absent_30d"]
QUASI_TWO = ["fy", "es_district", "hh_type", "absent_30d"]


def test_difference_whoever_was_left_out_of_the_first_is_found_by_the_second(odd_town):
    """The same single class twice, but one household is not in the second: what is missing is that household."""
    folder = made(odd_town, "all", "area")
    first = odd_town.submit(folder, name="all")
    odd_town.office.workflow.report(first)
    votes(odd_town, first)
    odd_town.office.workflow.admit(first)
    second = made(odd_town, "fewer", "area")
    leave_out(second, homes=1)

    report = odd_town.report(second, name="fewer")

    # The recipe, run again, does not leave that household out.
    assert failing(report) == {"together", "as_recoded"}
    assert finding(report)["numbers"]["isolated"] == 2
    assert "差し引き" in finding(report)["sentence"]["ja"]


def leave_out(folder, *, homes):
    """Take the rows of some households of the training part out of a prepared release."""
    path = folder / "evidence" / ALIGNMENT
    aligned = pq.read_table(path).to_pandas()
    train = aligned[(aligned["part"] == "train") & (aligned["position"] >= 0)].sort_values("position")
    gone = train["household"].isin(train["household"].unique()[:homes])
    data = folder / "bundle" / "data" / "train.parquet"
    write_table(data, pq.read_table(data).to_pandas()[~gone.to_numpy()])
    aligned.loc[train.index[gone], "position"] = -1
    aligned.loc[train.index[~gone], "position"] = np.arange(int((~gone).sum()))
    write_table(path, aligned)


def test_sensitive_values_that_mix_in_each_release_may_be_one_in_the_join(town):
    """Nobody is isolated, and in the classes of both releases all the children of the shore with one adult have aid."""
    settled_with(
        town,
        people(
            [
                (150, "hill", "two", None),
                (60, "shore", "two", None),
                (60, "hill", "one", None),
                (30, "shore", "one", "yes"),
            ]
        ).drop(columns="year"),
    )
    admitted(town, "by-area", "area")

    _, report = in_review(town, "by-family", "family")

    assert failing(report) == {"together"}
    assert finding(report)["numbers"]["isolated"] == 0
    assert finding(report)["numbers"]["too_telling"] == ["aid"]
    assert "aid" in finding(report)["sentence"]["ja"]


@pytest.mark.parametrize("how", ["revoked", "expired"])
def test_what_left_once_stays_known(odd_town, how):
    """Revoking a release, or letting it run out, does not make its readers forget it."""
    request = admitted(odd_town, "by-area", "area")
    office = odd_town.office
    if how == "revoked":
        office.workflow.revoke(office.workflow.find(request).manifest, person="suzuki", why="誤り")
    later = START + timedelta(days=0 if how == "revoked" else 400)
    office.workflow = Workflow(office.home, office.state, load(), clock=lambda: later)
    entry = Shelf(office.home, office.state, "dataset").find("by-area@1")
    assert entry.status(now=later) == how

    _, report = in_review(odd_town, "by-family", "family")

    assert failing(report) == {"together"}


def test_race_two_requests_checked_before_either_was_admitted(odd_town):
    """Neither report knows of the other; the second is refused when it is to be admitted."""
    first, one = in_review(odd_town, "by-area", "area")
    second, two = in_review(odd_town, "by-family", "family")
    assert one["verdict"] == two["verdict"] == "pass"
    votes(odd_town, first)
    votes(odd_town, second)
    odd_town.office.workflow.admit(first)

    with pytest.raises(Refused, match="by-area@1"):
        odd_town.office.workflow.admit(second)

    assert odd_town.office.workflow.find(second).state is State.REFUSED
    last = odd_town.office.state.log.records()[-1]
    assert last["event"] == "request.refused"
    assert last["details"]["checks"] == ["together"]


def test_a_decided_admission_that_a_kill_left_unfinished_counts_as_gone(odd_town, monkeypatch):
    first, _ = in_review(odd_town, "by-area", "area")
    second, _ = in_review(odd_town, "by-family", "family")
    votes(odd_town, first)
    votes(odd_town, second)
    with monkeypatch.context() as cut:
        cut.setattr(type(odd_town.office.workflow), "_publish", lambda *_: None)
        odd_town.office.workflow.admit(first)
    assert odd_town.office.workflow.find(first).state is State.ADMITTING

    with pytest.raises(Refused, match="by-area@1"):
        odd_town.office.workflow.admit(second)


def test_what_needs_a_judgement_by_now_is_not_admitted_on_a_report_that_did_not_show_it(office):
    request = office.in_review()
    for person in ("tanaka", "ito"):
        office.vote(request, person=person)
    unseen = Finding(Verdict.REVIEW, Text("他年度", "other years"), remedy=Text("判断", "judge"))
    object.__setattr__(office.workflow, "again", lambda *_, **__: unseen)

    with pytest.raises(Refused, match="投票し直"):
        office.workflow.admit(request)

    assert office.workflow.find(request).state is State.IN_REVIEW


# ------------------------------------------------------------------ panels


def test_years_apart_a_reviewer_judges_what_knowing_both_years_tells(town):
    """No row is in both releases. One household moved between them: alone among those of both its classes."""
    before = [(60, "hill", "two", None), (60, "shore", "two", None)]
    settled_with(town, people(before, years=(2022, 2023)), time="year")
    admitted(town, "early", "area")
    later = people(before, years=(2024, 2025))
    mover = trained_on(town, "R-1")
    later.loc[later["home"] == mover, "area"] = "hill" if later_area(later, mover) == "shore" else "shore"
    put(town, later)

    request, report = in_review(town, "late", "area")

    assert report["verdict"] == finding(report)["verdict"] == "review"
    assert finding(report)["numbers"]["isolated"] == 0
    assert finding(report)["numbers"]["over_years"] == 2
    assert town.office.workflow.find(request).state is State.IN_REVIEW


def trained_on(town, request):
    """A household of the training part."""
    evidence = town.office.workflow.find(request).evidence(town.office.home)
    aligned = pq.read_table(evidence / ALIGNMENT).to_pandas()
    return aligned.loc[aligned["part"] == "train", "household"].iloc[0]


def later_area(frame, household):
    return frame.loc[frame["home"] == household, "area"].iloc[0]


def test_a_release_of_another_purpose_counts_and_cannot_be_asked_for_again(odd_town):
    """The same people in two projects: refused all the same, and the advice names no command that would fail."""
    admitted(odd_town, "by-area", "area")
    office = odd_town.office
    Projects(office.state).store(Project.from_json({**PROJECT, "purpose": "second"}), actor="sato")
    folder = made(odd_town, "by-family", "family")
    request = office.workflow.submit(
        "dataset",
        bundle=folder / "bundle",
        evidence=folder / "evidence",
        author="sato",
        name="by-family",
        version="1",
        purpose="second",
        why="別の目的",
        protection="anonymised",
    )

    report = office.workflow.report(request.id)

    assert failing(report) == {"together"}
    assert "by-area@1" in finding(report)["remedy"]["ja"]
    assert "--like" not in finding(report)["remedy"]["ja"]


def test_a_table_that_grew_keeps_its_split(odd_town):
    """Nobody who was trained on is tested on in the next version, and the join of both holds."""
    admitted(odd_town, "by-area", "area")
    grown = people([*ODD, (80, "hill", "two", None), (40, "shore", "two", None)]).drop(columns="year")
    put(odd_town, grown)

    folder = made(odd_town, "by-area-grown", "area")
    aligned = pq.read_table(folder / "evidence" / ALIGNMENT).to_pandas()
    first = pq.read_table(next(odd_town.office.home.staging.glob("R-1/evidence")) / ALIGNMENT).to_pandas()

    both = aligned.merge(first, on="person", suffixes=("", "_before"))
    assert len(both) == 562
    assert (both["held_back"] == both["held_back_before"]).all()
    assert 0.2 < aligned["held_back"].mean() < 0.4
    assert odd_town.report(folder, name="by-area-grown")["verdict"] == "pass"


def test_attack_a_second_table_that_names_the_same_people_by_another_column(odd_town):
    """Its codes may be those of the same children: reviewers are asked, not told that they are others."""
    request = odd_town.office.workflow.find(admitted(odd_town, "by-area", "area"))
    new = SimpleNamespace(key="pupil_no", secret={"table": "pupils"})
    earlier = SimpleNamespace(key="child", secret={"table": "child_year"})

    assert checks_together.how(request, earlier, new=new) == "untraced"


def test_releases_of_other_people_are_listed_and_not_joined(odd_town):
    admitted(odd_town, "by-area", "area")
    frame = people(ODD).drop(columns="year").rename(columns={"child": "home", "home": "child"})
    Projects(odd_town.office.state).store(
        Project.from_json({**PROJECT, "person": "home", "household": None}), actor="sato"
    )
    put(odd_town, frame)

    _, report = in_review(odd_town, "by-family", "family")

    assert finding(report)["verdict"] == "review"
    assert [one["how"] for one in report["together"]["earlier"]] == ["untraced"]


# ------------------------------------------------------------------ evidence


def test_attack_evidence_that_names_other_people(odd_town):
    folder = made(odd_town, "by-area", "area")
    path = folder / "evidence" / ALIGNMENT
    aligned = pq.read_table(path).to_pandas()
    write_table(path, aligned.assign(person=aligned["person"].to_numpy()[::-1]))

    assert failing(odd_town.report(folder, name="by-area")) == {"traceable"}


def test_attack_the_evidence_of_an_earlier_release_is_changed(odd_town):
    """Whoever could rewrite whose the rows were could make any join look safe."""
    request = odd_town.office.workflow.find(admitted(odd_town, "by-area", "area"))
    path = request.evidence(odd_town.office.home) / ALIGNMENT
    folder = made(odd_town, "by-family", "family")
    aligned = pq.read_table(path).to_pandas()
    write_table(path, aligned.assign(household=aligned["person"]))

    report = odd_town.report(folder, name="by-family")

    assert failing(report) == {"together"}
    assert "by-area@1" in finding(report)["sentence"]["en"]
    assert "has changed since its admission" in finding(report)["sentence"]["en"]


def test_without_the_evidence_of_an_earlier_release_nothing_more_is_released(odd_town):
    request = odd_town.office.workflow.find(admitted(odd_town, "by-area", "area"))
    folder = made(odd_town, "by-family", "family")
    shutil.rmtree(request.evidence(odd_town.office.home))

    assert odd_town.report(folder, name="by-family")["verdict"] == "fail"
    with pytest.raises(NotFound, match="by-area@1"):
        made(odd_town, "by-family", "family")


# ------------------------------------------------------------------ tables and synthetic rows


def test_budgets_of_all_projects_about_the_same_people_add_up(town):
    """Each ledger has enough; together they pass the policy's total."""
    ledger = Ledger(town.office.state)
    for name in ("child-year-raw", "other-raw"):
        ledger.grant(name, micro=MICRO, granted_by="sato")
    other = {**Projects(town.office.state).get("attendance").to_json(), "purpose": "other", "source": "other"}
    Projects(town.office.state).store(Project.from_json(other), actor="sato")
    with ledger.charge("other-raw", loss=Loss.pure(0.7), analyst="mori", purpose="other", question={}):
        pass
    draft = town.prepare(protection="dp_tables", name="tables", tables=[("absent_30d", None)], epsilon=0.6)

    report = town.report(draft, protection="dp_tables", name="tables")

    assert failing(report) == {"together"}
    assert finding(report)["numbers"]["epsilon"] == pytest.approx(1.3)
    assert finding(report)["numbers"]["ledgers"] == {"child-year-raw": 0.6, "other-raw": 0.7}


def test_synthetic_rows_stand_for_nobody_and_their_trainings_are_counted(town):
    for number, name in enumerate(["first", "second"], start=1):
        folder = town.prepare(protection="synthetic", name=name)
        report = town.report(folder, protection="synthetic", name=name)
        assert finding(report)["verdict"] == "pass", finding(report)
        assert report["together"]["trainings"] == number
        votes(town, f"R-{number}")
        town.office.workflow.admit(f"R-{number}")

    report = town.report(town.prepare(name="rows"), name="rows")

    assert finding(report)["verdict"] == "pass"
    assert [one["how"] for one in report["together"]["earlier"]] == ["synthetic", "synthetic"]


def test_few_shared_children_are_not_counted_out_loud():
    from workbench.release.together import Composed

    def pair(people, of):
        return Composed((), people, of, 5, 5, 0, False, 0, {})

    assert checks_together.shown(pair(100, 100), least=10) == 100
    assert checks_together.shown(pair(0, 100), least=10) == 0
    assert checks_together.shown(pair(95, 100), least=10) is None
    assert checks_together.shown(pair(4, 100), least=10) is None
