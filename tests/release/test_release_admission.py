"""Admission: what is signed, what is shelved, and what a kill or an intruder leaves behind."""

import os
import shutil
import signal
import traceback
from datetime import timedelta

import pytest

from workbench.artifact import manifest
from workbench.artifact.keys import KeyRing
from workbench.artifact.manifest import ENVELOPE
from workbench.artifact.store import Store
from workbench.artifact.verifying import Trusted, verify_bundle
from workbench.audit import Event
from workbench.errors import NotFound, Refused, Untrusted, Usage
from workbench.home import Home
from workbench.policy import load
from workbench.release import admission, report, revocations, staging, tables
from workbench.release.findings import Verdict
from workbench.release.moves import State
from workbench.release.shelf import Shelf
from workbench.release.votes import Vote
from workbench.release.workflow import Workflow
from workbench.state import State as Store_
from workbench.state import Transaction


def shelf(office, kind="dataset"):
    return Shelf(office.home, office.state, kind)


def bundle(office, request):
    return office.workflow.find(request).bundle(office.home)


def decided(office):
    """A request that two reviewers have agreed to, not yet admitted."""
    request = office.in_review()
    office.vote(request, person="tanaka")
    office.vote(request, person="ito")
    return request


def test_an_admitted_bundle_verifies_with_the_keys_of_two_roles(office):
    request = office.admitted()

    opened = shelf(office).open("child-year@1", now=office.clock())

    assert opened.entry.request == request
    assert opened.admission.purpose == "attendance"
    assert opened.report()["verdict"] == "pass"
    assert [vote["person"] for vote in opened.admission.statement["predicate"]["votes"]] == ["ito", "tanaka"]


def test_the_whole_life_is_in_the_log_in_its_order(office):
    office.admitted()
    office.workflow.revoke(shelf(office).find("child-year").manifest, person="suzuki", why="誤り")

    events = [record["event"] for record in office.state.log.records()]

    assert events[-8:] == [
        Event.REQUEST_SUBMITTED,
        Event.REQUEST_CHECKED,
        Event.REQUEST_VOTED,
        Event.REQUEST_VOTED,
        Event.REQUEST_ADMITTED,
        Event.BUNDLE_SIGNED,
        Event.BUNDLE_ADMITTED,
        Event.BUNDLE_REVOKED,
    ]


def test_the_staged_copy_goes_and_the_evidence_stays(office):
    request = office.workflow.find(office.admitted())

    assert not request.bundle(office.home).exists()
    assert (request.evidence(office.home) / "rows.txt").exists()


def test_attack_the_bundle_is_changed_after_the_report(office):
    request = decided(office)
    (bundle(office, request) / "data" / "table.txt").write_text("k = 1")

    with pytest.raises(Untrusted):
        office.workflow.admit(request)
    assert office.workflow.find(request).state is State.IN_REVIEW


def test_attack_a_file_is_added_after_the_report(office):
    request = decided(office)
    (bundle(office, request) / "data" / "names.txt").write_text("x")

    with pytest.raises(Untrusted):
        office.workflow.admit(request)


def resealed(office, request):
    """Change a file and make a manifest that says so: the bundle is whole again, and another one."""
    folder = bundle(office, request)
    (folder / "data" / "table.txt").write_text("k = 1")
    before = manifest.parse((folder / "manifest.json").read_bytes())
    manifest.seal(
        folder,
        kind=before.kind,
        name=before.name,
        version=before.version,
        meta=before.meta,
        demonstration=before.demonstration,
    )


def test_attack_bundle_and_manifest_are_changed_together(office):
    """Sealed again after the votes, the bundle is whole, and not the one that was voted on."""
    request = decided(office)
    resealed(office, request)

    with pytest.raises(Untrusted):
        office.workflow.admit(request)
    assert office.workflow.find(request).state is State.IN_REVIEW


def test_attack_the_bundle_is_changed_between_decision_and_signature(office, monkeypatch):
    """It is refused, and no signature is ever made over it."""
    request = decided(office)
    record = office.state.record

    def change_then_record(event, **details):
        resealed(office, request)
        record(event, **details)

    monkeypatch.setattr(office.state, "record", change_then_record)

    with pytest.raises(Untrusted):
        office.workflow.admit(request)
    assert not Store(office.home.catalogue).digests()
    assert not (bundle(office, request) / ENVELOPE).exists()
    assert office.workflow.find(request).state is State.REFUSED


def test_attack_a_bundle_changed_in_the_middle_of_an_admission_does_not_close_the_house(office, monkeypatch):
    """Found at the next start: refused, logged, and the others go on."""
    broken = decided(office)
    office.state.close()
    assert killed(office.home.path, broken, STEPS["the decision is in the log"])
    (bundle(office, broken) / "data" / "table.txt").write_text("k = 1")
    state = Store_.open(office.home)

    workflow = Workflow.open(office.home, state)

    assert workflow.find(broken).state is State.REFUSED
    assert state.log.records()[-1]["details"]["checks"] == ["changed_after_decision"]
    state.close()


def test_attack_the_bundle_is_changed_while_it_is_checked(office):
    request = office.submit()
    examine = office.examine

    def change_then_report(found, **room):
        made = examine(found, **room)
        (bundle(office, request) / "data" / "table.txt").write_text("k = 1")
        return made

    object.__setattr__(office.workflow, "examine", change_then_report)

    with pytest.raises(Untrusted):
        office.workflow.report(request)
    assert office.workflow.find(request).state is State.CHECKING


def test_nothing_is_decided_while_nobody_can_sign(office):
    request = decided(office)
    next(office.home.keys.glob("*role.reviewer*")).unlink()

    with pytest.raises(NotFound):
        office.workflow.admit(request)
    assert office.workflow.find(request).state is State.IN_REVIEW


# Shown to a reviewer, these would read otherwise than they are stored and signed.
UNPLAIN = {
    "control": "試行\x1b[2K承認済み",
    "direction": "試行\u202e済認承",
    "invisible": "試\u200b行",
    "lines": "試行\n決定：承認",
    "long": "長" * 1001,
    "number": "保護者の番号 1234 5678 9018 の確認",
}


@pytest.mark.parametrize("why", UNPLAIN.values(), ids=UNPLAIN)
def test_attack_a_reason_that_reads_otherwise_or_carries_a_number(office, why):
    with pytest.raises(Refused) as refused:
        office.submit(why=why)

    assert "9018" not in refused.value.ja + refused.value.en
    assert office.workflow.every() == []


def test_attack_an_individual_number_in_the_name_of_a_file(office):
    folder, _ = office.bundle()
    (folder / "data" / "1234-5678-9018.txt").write_text("x")

    with pytest.raises(Refused) as refused:
        office.submit()

    assert "9018" not in refused.value.ja + refused.value.en


def test_attack_handing_in_through_a_link(office, tmp_path):
    folder, evidence = office.bundle()
    (tmp_path / "secret.txt").write_text("raw")
    (folder / "data" / "more.txt").symlink_to(tmp_path / "secret.txt")

    with pytest.raises(Untrusted):
        office.workflow.submit(
            "dataset",
            bundle=folder,
            evidence=evidence,
            author="sato",
            name="a",
            version="1",
            purpose="p",
            why="w",
            protection="anonymised",
        )


def test_what_is_handed_in_is_a_copy(office):
    request = office.submit()
    (office.folder / "bundle" / "data" / "table.txt").write_text("changed by its author")

    assert (bundle(office, request) / "data" / "table.txt").read_text() == "k = 7"


def test_attack_handing_in_ones_own_report_and_signature(office):
    folder, _ = office.bundle()
    (folder / "report").mkdir()
    (folder / "report" / "report.json").write_text("{}")
    (folder / ENVELOPE).write_text("{}")
    request = office.submit()

    assert not (bundle(office, request) / "report").exists()
    assert not (bundle(office, request) / ENVELOPE).exists()


def test_a_failed_check_refuses_the_request_for_good(office):
    office.verdict = Verdict.FAIL
    request = office.in_review()

    assert office.workflow.find(request).state is State.REFUSED
    with pytest.raises(Refused):
        office.vote(request, person="tanaka")
    with pytest.raises(Refused):
        office.workflow.admit(request)


def test_a_policy_that_changed_after_the_report_takes_a_new_report(office):
    request = decided(office)
    office.workflow = Workflow(
        office.home, office.state, load("strict"), clock=office.clock, examine=office.examine
    )

    with pytest.raises(Refused):
        office.workflow.admit(request)
    office.workflow.report(request)
    with pytest.raises(Refused):  # and new votes
        office.workflow.admit(request)


def test_a_returned_request_is_mended_and_its_old_votes_are_void(office):
    request = office.in_review()
    office.vote(request, person="tanaka", vote=Vote.RETURN)
    office.vote(request, person="ito", vote=Vote.RETURN)
    mended, evidence = office.bundle(content="k = 9")
    with pytest.raises(Refused):
        office.workflow.resubmit(request, bundle=mended, evidence=evidence, author="suzuki")

    office.workflow.resubmit(request, bundle=mended, evidence=evidence, author="sato")
    office.workflow.report(request)

    assert (bundle(office, request) / "data" / "table.txt").read_text() == "k = 9"
    office.vote(request, person="kato")
    with pytest.raises(Refused):
        office.workflow.admit(request)
    office.vote(request, person="ito")
    assert office.workflow.admit(request).state is State.ADMITTED


def test_only_the_author_withdraws(office):
    request = office.in_review()

    with pytest.raises(Refused):
        office.workflow.withdraw(request, person="suzuki")
    office.workflow.withdraw(request, person="sato")
    assert office.workflow.find(request).state is State.WITHDRAWN


@pytest.mark.parametrize(
    ("wanted", "family"),
    [
        ({"author": "mori"}, Refused),
        ({"author": "tanaka"}, Refused),
        ({"why": "  "}, Refused),
        ({"name": "../up"}, Usage),
        ({"name": "Child"}, Usage),
        ({"version": "v1"}, Usage),
        ({"kind": "model", "version": "1.0"}, Usage),
        ({"kind": "notebook"}, Usage),
    ],
)
def test_what_cannot_be_handed_in(office, wanted, family):
    with pytest.raises(family):
        office.submit(**wanted)


def test_a_name_and_version_are_given_once(office):
    office.submit()

    with pytest.raises(Refused, match="R-1"):
        office.submit()


def test_the_name_of_a_withdrawn_request_is_free_again(office):
    office.workflow.withdraw(office.submit(), person="sato")

    assert office.submit() == "R-2"


# ---------------------------------------------------------------- after admission


def test_a_revoked_bundle_is_not_opened_and_the_signed_list_says_so(office):
    office.admitted()
    entry = shelf(office).find("child-year")
    office.workflow.revoke(entry.manifest, person="sato", why="元の表の誤り")

    with pytest.raises(Untrusted):
        shelf(office).open("child-year@1", now=office.clock())
    assert entry.manifest in revocations.current(office.home, now=office.clock()).revoked
    assert list(shelf(office).usable("attendance", now=office.clock())) == []


def test_attack_an_old_list_brings_no_revoked_bundle_back(office):
    """A kill before the list was written, or somebody's copy of last week's: the state knows."""
    office.admitted()
    digest = shelf(office).find("child-year").manifest
    before = revocations.path(office.home).read_bytes() if revocations.path(office.home).exists() else None
    office.workflow.revoke(digest, person="sato", why="誤り")
    if before is None:
        revocations.path(office.home).unlink()
    else:
        revocations.path(office.home).write_bytes(before)

    assert digest not in revocations.current(office.home, now=office.clock()).revoked
    assert digest in revocations.known(office.home, office.state, now=office.clock()).revoked


@pytest.mark.parametrize(
    "changed",
    [
        {"purpose": "census"},
        {"author": "ito"},
        {"name": "other"},
        {"version": "9.0.0"},
        {"protection": "synthetic"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_attack_the_state_says_of_a_request_what_its_report_does_not(office, changed):
    request = decided(office)
    with office.state.transaction() as t:
        t.connection.execute(tables.requests.update().values(**changed))
        t.event(Event.KEY_CREATED, actor="intruder", owner="x", public="y")

    found = office.workflow.find(request)
    with pytest.raises(Untrusted, match=request):
        admission.expect_as_reported(found, home=office.home)


def test_attack_a_failed_report_is_called_passed_in_the_state(office):
    """The report, not the row, says what the checks found."""
    request = office.submit()
    office.workflow.report(request)
    found = office.workflow.find(request)
    told = {**report.from_bytes((found.bundle(office.home) / staging.REPORT).read_bytes()), "verdict": "fail"}

    assert found.verdict != "fail"
    assert admission.says_otherwise(found, told)


def test_attack_undoing_a_revocation_in_the_database(office):
    """The signed list remembers what the row no longer says."""
    office.admitted()
    entry = shelf(office).find("child-year")
    office.workflow.revoke(entry.manifest, person="sato", why="誤り")
    with office.state.transaction() as t:
        t.connection.execute(tables.shelves.update().values(revoked_at=None, revoked_why=None))
        t.event(Event.KEY_CREATED, actor="intruder", owner="x", public="y")

    with pytest.raises(Untrusted):
        shelf(office).open("child-year@1", now=office.clock())


def test_attack_giving_a_bundle_another_purpose_in_the_database(office):
    office.admitted()
    with office.state.transaction() as t:
        t.connection.execute(tables.shelves.update().values(purpose="surveillance"))
        t.event(Event.KEY_CREATED, actor="intruder", owner="x", public="y")

    with pytest.raises(Untrusted):
        list(shelf(office).usable("surveillance", now=office.clock()))


def test_attack_changing_a_file_in_the_store(office):
    office.admitted()
    folder = Store(office.home.catalogue).path(shelf(office).find("child-year").manifest)
    (folder / "data").chmod(0o700)
    (folder / "data" / "table.txt").chmod(0o600)
    (folder / "data" / "table.txt").write_text("k = 1")

    with pytest.raises(Untrusted):
        shelf(office).open("child-year@1", now=office.clock())


def test_a_bundle_ends_with_its_retention(office):
    office.admitted()
    later = office.clock() + timedelta(days=366)

    with pytest.raises(Untrusted):
        shelf(office).open("child-year@1", now=later)
    assert list(shelf(office).usable("attendance", now=later)) == []


def test_only_who_may_revokes(office):
    office.admitted()

    with pytest.raises(Refused):
        office.workflow.revoke(shelf(office).find("child-year").manifest, person="mori", why="x")


def test_a_version_is_found_by_number_not_by_letters(office):
    for version in ("1.9", "1.10"):
        office.admitted(version=version)

    assert shelf(office).find("child-year").version == "1.10"
    assert shelf(office).find("child-year@1").version == "1.10"
    assert shelf(office).find("child-year@1.9").version == "1.9"


def test_a_kernel_sees_what_is_valid_for_its_purpose_and_nothing_else(office):
    from workbench.release.catalogue import mounts

    office.admitted(name="child-year")
    office.admitted(name="other-aim", purpose="something-else")
    now = office.clock()

    assert list(mounts(office.home, office.state, analyst="mori", purpose="attendance", now=now)) == [
        "child-year-1"
    ]
    with pytest.raises(Refused):
        mounts(office.home, office.state, analyst="abe", purpose="attendance", now=now)


def test_an_exported_bundle_verifies_elsewhere_with_its_revocations(office, tmp_path):
    office.admitted()

    copy = shelf(office).export("child-year@1", to=tmp_path / "out", by="sato", now=office.clock())

    trusted = Trusted.of(KeyRing.of(office.home))
    assert verify_bundle(copy, trusted=trusted, now=office.clock()).purpose == "attendance"
    assert (tmp_path / "out" / revocations.NAME).exists()
    assert office.state.log.records()[-1]["event"] == Event.BUNDLE_EXPORTED
    with pytest.raises(Refused):
        shelf(office).export("child-year@1", to=tmp_path / "elsewhere", by="mori", now=office.clock())
    with pytest.raises(Refused):
        shelf(office).export("child-year@1", to=tmp_path / "out", by="sato", now=office.clock())


# ---------------------------------------------------------------- kill -9

# Where the axe falls: (what is called there, before or after it).
STEPS = {
    "the decision is being written": (Transaction, "event", "after"),
    "the decision is in the state, not in the log": (Store_, "drain", "before"),
    "the decision is in the log": (Store_, "record", "before"),
    "the signature is announced": (Store_, "record", "after"),
    "the bundle is about to be signed": (admission, "decided", "before"),
    "the envelope is about to be written": (admission, "write_atomically", "before"),
    "the envelope is written": (admission, "write_atomically", "after"),
    "the bundle is about to be stored": (Store, "add", "before"),
    "the bundle is half copied": (Store, "_publish", "before"),
    "the bundle is stored": (Store, "add", "after"),
    "the row is about to be written": (admission, "enter", "before"),
    "the row is being written": (admission, "enter", "after"),
    "the staged copy is about to go": (admission, "clear", "before"),
    "the staged copy is gone": (admission, "clear", "after"),
}


def nothing_to_join(*_, **__):
    """These bundles are no real data."""


def killed(home_path, request, where):
    """Admit in a process of its own, and kill it dead at `where`. Returns whether it was reached."""
    child = os.fork()
    if child == 0:
        try:
            owner, name, when = where
            original = getattr(owner, name)

            def axe(*args, **kwargs):
                if when == "after":
                    original(*args, **kwargs)
                os.kill(os.getpid(), signal.SIGKILL)

            home = Home.open(home_path)
            state = Store_.open(home)
            setattr(owner, name, axe)
            Workflow(home, state, load(), again=nothing_to_join).admit(request)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize("step", STEPS)
def test_attack_kill_9_during_an_admission(office, step):
    """Whatever moment the kill meets, the next start finishes the admission or leaves it undecided: never half."""
    request = decided(office)
    office.state.close()

    assert killed(office.home.path, request, STEPS[step])
    signed = (bundle(office, request) / ENVELOPE).exists() or bool(Store(office.home.catalogue).digests())

    state = Store_.open(office.home)
    logged = [record["event"] for record in state.log.records()]
    assert Event.REQUEST_ADMITTED in logged or not signed
    workflow = Workflow.open(office.home, state)
    if workflow.find(request).state is State.IN_REVIEW:
        Workflow(office.home, state, load(), again=office.workflow.again).admit(request)
    assert workflow.find(request).state is State.ADMITTED
    opened = Shelf(office.home, state, "dataset").open("child-year@1", now=office.clock())
    assert opened.entry.request == request
    assert not workflow.find(request).bundle(office.home).exists()
    assert len(Store(office.home.catalogue).digests()) == 1
    assert state.verify().records == len(state.log.records())
    assert Workflow.open(office.home, state).recover() == []
    state.close()


def test_attack_kill_9_while_handing_in_leaves_no_trace(office):
    """A folder without its row is not a request; the next hand-in takes its number and its place."""
    office.bundle()
    shutil.copytree(office.folder / "bundle", office.home.staging / "R-1" / "bundle")
    (office.home.staging / "R-1" / "bundle" / "data" / "old.txt").write_text("left by a kill")
    (office.home.staging / ".half.aside").mkdir()

    request = office.submit()

    assert request == "R-1"
    assert sorted(path.name for path in (bundle(office, request) / "data").iterdir()) == ["table.txt"]
    office.workflow.recover()
    assert not list(office.home.staging.glob("*.aside"))


def test_attack_kill_9_between_a_revocation_and_its_list(office, monkeypatch):
    office.admitted()
    digest = shelf(office).find("child-year").manifest
    with monkeypatch.context() as patch:
        patch.setattr(revocations, "write_atomically", interrupted)
        with pytest.raises(KeyboardInterrupt):
            office.workflow.revoke(digest, person="sato", why="誤り")

    with pytest.raises(Untrusted):
        shelf(office).open("child-year@1", now=office.clock())
    office.workflow.recover()
    assert digest in revocations.current(office.home, now=office.clock()).revoked


def interrupted(*_, **__):
    raise KeyboardInterrupt


def test_a_full_disk_while_admitting_is_finished_when_there_is_room_again(office, monkeypatch):
    import errno

    request = decided(office)

    def full(*_, **__):
        raise OSError(errno.ENOSPC, "full")

    with monkeypatch.context() as patch:
        patch.setattr(admission, "write_atomically", full)
        with pytest.raises(OSError, match="full"):
            office.workflow.admit(request)
    assert office.workflow.find(request).state is State.ADMITTING

    office.workflow.recover()

    assert office.workflow.find(request).state is State.ADMITTED


def test_the_list_of_revocations_is_renewed_before_its_end(office):
    office.admitted()
    office.workflow.recover()
    before = revocations.current(office.home, now=office.clock())
    later = office.clock() + timedelta(days=80)

    revocations.publish(office.home, office.state, now=later)

    after = revocations.current(office.home, now=later)
    assert after.sequence == before.sequence + 1
    assert after.valid_until > before.valid_until
