"""A report is made again from what its digests name; whatever differs is told by its place."""

import json

import pytest

from workbench.artifact import manifest
from workbench.artifact.canonical import canonical, sha256
from workbench.data.raw import RawStore
from workbench.data.receipt import Receipt
from workbench.errors import Untrusted
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.questions import MICRO
from workbench.release import page, recomputing, report, staging
from workbench.release.prepare.draft import write_json
from workbench.release.recomputing import recomputed
from workbench.release.shelf import Shelf
from workbench.release.staged import LADDERS, SECRET, STEPS


def shelved(town, name="child-year"):
    office = town.office
    return Shelf(office.home, office.state, "dataset").open(name, now=office.clock())


def again(town, folder):
    office = town.office
    return recomputed(folder, home=office.home, state=office.state, now=office.clock())


def admit(town, request):
    for person in ("tanaka", "ito"):
        town.office.vote(request, person=person)
    town.office.workflow.admit(request)


def rewritten(town, change):
    """The admitted bundle with another report, sealed again, and believed by the state: a lie from within."""
    from workbench.audit import Event
    from workbench.release import tables

    opened = shelved(town)
    folder = town.office.folder / "lie"
    from workbench.release.shelf import copy_writable

    copy_writable(opened.folder, folder)
    said = opened.report()
    change(said)
    (folder / staging.REPORT).write_bytes(report.to_bytes(said))
    (folder / staging.PAGE).write_text(page.render(said), encoding="utf-8")
    before = opened.admission.manifest
    sealed = manifest.seal(
        folder, kind=before.kind, name=before.name, version=before.version, meta=before.meta,
        demonstration=before.demonstration,
    )  # fmt: skip
    with town.office.state.transaction() as t:
        t.connection.execute(tables.shelves.update().values(manifest=sealed.digest))
        t.event(Event.REQUEST_WITHDRAWN, actor="workbench", request="R-1")
    return folder


def test_every_place_of_an_admitted_report_is_made_again(admitted):
    found = again(admitted, shelved(admitted).folder)

    assert found.why_not is None
    assert found.places > 300


def one(said, check):
    return next(finding for finding in said["findings"] if finding["check"] == check)


LIES = {
    "findings[k_children].numbers.k_children": lambda said: one(said, "k_children")["numbers"].update(
        k_children=50
    ),
    "suppression.overall": lambda said: said["suppression"].update(overall=0.0001),
    "classes.average": lambda said: said["classes"].update(average=99.5),
    "information_loss[grade].loss": lambda said: next(
        entry for entry in said["information_loss"] if entry["item"] == "grade"
    ).update(loss=0.123),
    "search.score": lambda said: said["search"].update(score=0.0123),
    "search.bound": lambda said: said["search"].update(bound=0.0123),
    "search.lattice": lambda said: said["search"].update(lattice=7),
    "search.measure": lambda said: said["search"].update(measure="height"),
    "search.gap": lambda said: said["search"].update(gap=0.5),
    "provenance.recipe": lambda said: said["provenance"].update(recipe="0" * 64),
    "provenance.steps": lambda said: said["provenance"].update(steps="0" * 64),
    "provenance.output": lambda said: said["provenance"].update(output="0" * 64),
    "reconciliation.suppressed": lambda said: said["reconciliation"].update(suppressed=0),
}


@pytest.mark.parametrize("place", LIES)
def test_attack_a_report_that_lies_is_told_by_the_place_of_the_lie(admitted, place):
    folder = rewritten(admitted, LIES[place])

    with pytest.raises(Untrusted) as error:
        again(admitted, folder)

    assert place in error.value.en
    assert "0.0123" not in error.value.en


def test_attack_a_page_that_says_something_else(admitted):
    folder = rewritten(admitted, dict)
    (folder / staging.PAGE).write_text("<p>k = 100</p>")
    reseal(admitted, folder)

    with pytest.raises(Untrusted, match=r"report\.html"):
        again(admitted, folder)


def reseal(town, folder):
    from workbench.audit import Event
    from workbench.release import tables

    before = manifest.parse((folder / manifest.MANIFEST).read_bytes())
    sealed = manifest.seal(
        folder, kind=before.kind, name=before.name, version=before.version, meta=before.meta,
        demonstration=before.demonstration,
    )  # fmt: skip
    with town.office.state.transaction() as t:
        t.connection.execute(tables.shelves.update().values(manifest=sealed.digest))
        t.event(Event.REQUEST_WITHDRAWN, actor="workbench", request="R-1")


def test_an_input_that_is_another_by_now_is_named_and_is_no_fault_of_the_bundle(admitted):
    store = RawStore(admitted.office.home)
    frame = store.get("child_year").iloc[:-1]
    store.put("child_year", frame, Receipt(rows=len(frame), columns=tuple(frame.columns)))

    found = again(admitted, shelved(admitted).folder)

    assert "source" in found.why_not.en
    assert found.places == 0


def test_attack_hierarchies_changed_after_the_admission(admitted):
    evidence = admitted.office.workflow.find("R-1").evidence(admitted.office.home)
    ladders = json.loads((evidence / LADDERS).read_bytes())
    ladders["grade"]["levels"] = ladders["grade"]["levels"][:1]
    write_json(evidence / LADDERS, ladders)

    assert "hierarchies" in again(admitted, shelved(admitted).folder).why_not.en


def test_attack_a_recipe_that_is_not_what_its_hierarchy_says(admitted):
    """The levels in the evidence name another step of the ladder than the one that was published."""
    evidence = admitted.office.workflow.find("R-1").evidence(admitted.office.home)
    secret = json.loads((evidence / SECRET).read_bytes())
    height = secret["levels"]["grade"][1]
    secret["levels"]["grade"][0] = (secret["levels"]["grade"][0] + 1) % (height + 1)
    (evidence / SECRET).write_bytes(canonical(secret))

    with pytest.raises(Untrusted, match=r"recipe\.grade|information_loss\[grade\]"):
        again(admitted, shelved(admitted).folder)


def changed_steps(town, change):
    """The evidence's recipe with both parts changed and bound together again, as its writer could."""
    evidence = town.office.workflow.find("R-1").evidence(town.office.home)
    parts = json.loads((evidence / STEPS).read_bytes())
    change(parts["public"], parts["secret"])
    parts["public"]["secret"] = sha256(canonical(parts["secret"]))
    write_json(evidence / STEPS, parts)


def nobody_leaves(public, secret):
    some = secret["steps"][1]["combinations"]
    secret["steps"][1]["combinations"] = [*some, ["train", *["*"] * (len(public["steps"][1]["items"]) - 1)]]


def another_label(public, secret):
    item = public["steps"][0]["items"]["grade"]
    item["missing"] = "unknown"


CHANGED = {"whom it left out": nobody_leaves, "how it recoded": another_label}


@pytest.mark.parametrize("change", CHANGED.values(), ids=CHANGED)
def test_attack_a_recipe_changed_after_the_admission_is_refused(admitted, change):
    """Even where it would still make the same table, it is not the one that the report names."""
    changed_steps(admitted, change)

    with pytest.raises(Untrusted, match=r"provenance\.steps"):
        again(admitted, shelved(admitted).folder)


def test_attack_a_recipe_of_which_one_part_was_changed(admitted):
    evidence = admitted.office.workflow.find("R-1").evidence(admitted.office.home)
    parts = json.loads((evidence / STEPS).read_bytes())
    parts["secret"]["steps"][1]["combinations"] = []
    write_json(evidence / STEPS, {**parts, "secret": {**parts["secret"], "nonce": "00"}})

    with pytest.raises(Untrusted):
        again(admitted, shelved(admitted).folder)


def test_a_recipe_that_is_gone_is_named(admitted):
    (admitted.office.workflow.find("R-1").evidence(admitted.office.home) / STEPS).unlink()

    assert "steps" in again(admitted, shelved(admitted).folder).why_not.en


def test_the_report_names_input_hierarchies_recipe_and_output(admitted):
    named = shelved(admitted).report()["provenance"]

    assert {"source", "hierarchies", "recipe", "steps", "output"} <= set(named)


def test_what_left_later_changes_no_earlier_report(admitted):
    """The second release is joined with the first; the first was joined with nothing, and still is."""
    request = admitted.submit(admitted.prepare(like="child-year@1", name="later"), name="later")
    admitted.office.workflow.report(request)
    admit(admitted, request)

    assert again(admitted, shelved(admitted, "child-year").folder).why_not is None
    assert again(admitted, shelved(admitted, "later").folder).why_not is None


def test_tables_are_made_again_with_the_budget_of_their_day(town):
    """Questions asked since then are not in their report, and are not held against it."""
    ledger = Ledger(town.office.state)
    ledger.grant("child-year-raw", micro=MICRO, granted_by="sato")
    folder = town.prepare(protection="dp_tables", name="tables", tables=[("absent_30d", None)], epsilon=0.4)
    request = town.submit(folder, protection="dp_tables", name="tables")
    town.office.workflow.report(request)
    admit(town, request)
    with ledger.charge(
        "child-year-raw", loss=Loss.pure(0.3), analyst="mori", purpose="attendance", question={}
    ):
        pass

    assert again(town, shelved(town, "tables").folder).why_not is None


def test_synthetic_rows_are_made_again(town):
    folder = town.prepare(protection="synthetic", name="synthetic")
    request = town.submit(folder, protection="synthetic", name="synthetic")
    town.office.workflow.report(request)
    admit(town, request)

    assert again(town, shelved(town, "synthetic").folder).why_not is None


def test_a_bundle_admitted_elsewhere_is_not_recomputed(admitted, tmp_path):
    from workbench.home import Home
    from workbench.state import State

    home = Home.create(tmp_path / "elsewhere", seed=8)
    state = State.open(home)

    found = recomputed(shelved(admitted).folder, home=home, state=state, now=admitted.office.clock())

    assert found.why_not == recomputing.NOT_OURS
    state.close()


def test_places_name_the_members_of_a_list():
    told = {"findings": [{"check": "k", "numbers": {"n": 1}}], "none": [], "plain": [1, 2]}

    assert [place for place, _ in recomputing.places(told)] == [
        "findings[k].check",
        "findings[k].numbers.n",
        "none",
        "plain[0]",
        "plain[1]",
    ]
    assert recomputing.different(told, {**told, "plain": [1, 3], "more": 1}) == ["plain[1]", "more"]
