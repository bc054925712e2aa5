"""Which version of a model is in use follows from the log; acts on it are signed, and cannot be played again."""

import csv
import io

import pytest

from workbench.artifact.canonical import canonical, sha256
from workbench.artifact.keys import KeyRing
from workbench.audit import Event
from workbench.errors import NotFound, Refused, Untrusted
from workbench.release import registry, versions
from workbench.release.registry import Act, Standing

MODEL = "school-attendance"


@pytest.fixture
def models(office):
    return registry.registry(office.home, office.state)


@pytest.fixture
def admit(office, models):
    """Admit one version, by a coordinator and a reviewer."""

    def of(version):
        office.folder.joinpath("bundle/data").mkdir(parents=True, exist_ok=True)
        request = office.submit(kind="model", name=MODEL, version=version, author="mori", protection="model")
        office.workflow.report(request)
        office.vote(request, person="suzuki")
        office.vote(request, person="tanaka")
        office.workflow.admit(request)
        return models.find(f"{MODEL}@{version}")

    return of


@pytest.fixture(autouse=True)
def bundles_differ(office, monkeypatch):
    """Each version's bundle has a content of its own."""
    made = office.bundle
    count = iter(range(100))
    monkeypatch.setattr(type(office), "bundle", lambda _: made(content=f"points {next(count)}"))


def signed(office, models, act, entry, *, person="sato", after=None, **changes):
    said = {
        "home": office.home.identity,
        "entry": entry,
        "after": registry.head(models.history(MODEL)) if after is None else after,
        "person": person,
        "why": "二つの地区での試行の結果",
        "now": office.clock(),
        "signer": KeyRing.of(office.home).signer(f"person:{person}"),
        **changes,
    }
    return registry.signed_act(act, **said)


def do(office, models, act, entry, *, person="sato", **changes):
    envelope = signed(office, models, act, entry, person=person, **changes)
    return models.act(envelope, entry=entry, person=person, now=office.clock())


def test_the_first_version_is_in_use_and_a_later_one_waits(admit, models):
    first, second = admit("1.0.0"), admit("1.1.0")

    assert models.active(MODEL) == first
    assert models.standings(MODEL) == {first.manifest: Standing.ACTIVE, second.manifest: Standing.PUBLISHED}


def test_activating_replaces_and_rolling_back_brings_back(office, admit, models):
    first, second = admit("1.0.0"), admit("1.1.0")

    assert do(office, models, Act.ACTIVATE, second) is Standing.ACTIVE
    assert models.standings(MODEL)[first.manifest] is Standing.REPLACED
    assert do(office, models, Act.ROLL_BACK, first, person="tanaka") is Standing.ACTIVE
    assert models.active(MODEL) == first
    told = [(one.event, one.actor) for one in models.history(MODEL)[-2:]]
    assert told == [(Event.MODEL_ACTIVATED, "sato"), (Event.MODEL_ROLLED_BACK, "tanaka")]


def test_what_is_suspended_is_not_in_use_until_it_is_activated_again(office, admit, models):
    first = admit("1.0.0")

    do(office, models, Act.SUSPEND, first)
    with pytest.raises(NotFound):
        models.active(MODEL)
    assert isinstance(registry.why_not_score(models, first.manifest), Refused)
    do(office, models, Act.ACTIVATE, first)

    assert models.active(MODEL) == first
    assert registry.why_not_score(models, first.manifest) is None


def test_a_version_that_waits_scores_nothing(admit, models):
    admit("1.0.0")
    second = admit("1.1.0")

    assert isinstance(registry.why_not_score(models, second.manifest), Refused)
    assert registry.why_not_score(models, "f" * 64) is None


@pytest.mark.parametrize(
    ("act", "version"),
    [(Act.ACTIVATE, "1.0.0"), (Act.ROLL_BACK, "1.1.0"), (Act.SUSPEND, "1.1.0"), (Act.ROLL_BACK, "1.0.0")],
)
def test_an_act_that_leads_nowhere_from_here_is_refused(office, admit, models, act, version):
    entries = {one.version: one for one in (admit("1.0.0"), admit("1.1.0"))}

    with pytest.raises(Refused):
        do(office, models, act, entries[version])


@pytest.mark.parametrize("act", list(Act))
def test_attack_rolling_back_to_a_revoked_version(office, admit, models, act):
    first, second = admit("1.0.0"), admit("1.1.0")
    do(office, models, Act.ACTIVATE, second)
    office.workflow.revoke(first.manifest, person="sato", why="誤りが見つかった")

    with pytest.raises((Refused, Untrusted)):
        do(office, models, act, first)
    assert models.active(MODEL) == second


def test_attack_a_forged_event_brings_a_revoked_version_back(office, admit, models):
    """Whoever can append to the log still cannot: what was withdrawn stays so, whatever is said after it."""
    first = admit("1.0.0")
    office.workflow.revoke(first.manifest, person="sato", why="誤りが見つかった")
    office.state.record(
        Event.MODEL_ACTIVATED,
        actor="sato",
        manifest=first.manifest,
        name=MODEL,
        version="1.0.0",
        reason="x",
        after="",
        envelope="",
    )

    assert models.standings(MODEL) == {first.manifest: Standing.REVOKED}


def test_attack_an_old_activation_played_again(office, admit, models):
    """Signed in good faith once; since then the version was suspended."""
    first, second = admit("1.0.0"), admit("1.1.0")
    envelope = signed(office, models, Act.ACTIVATE, second)
    models.act(envelope, entry=second, person="sato", now=office.clock())
    do(office, models, Act.SUSPEND, second)

    with pytest.raises(Untrusted):
        models.act(envelope, entry=second, person="sato", now=office.clock())
    assert models.standings(MODEL)[second.manifest] is Standing.SUSPENDED
    assert models.standings(MODEL)[first.manifest] is Standing.REPLACED


def test_attack_an_activation_for_another_version_or_home_or_by_another(office, admit, models):
    first, second = admit("1.0.0"), admit("1.1.0")
    tried = {
        "another version": (signed(office, models, Act.ACTIVATE, first), second, "sato"),
        "another home": (signed(office, models, Act.ACTIVATE, second, home="elsewhere"), second, "sato"),
        "another person": (signed(office, models, Act.ACTIVATE, second), second, "tanaka"),
    }

    for envelope, entry, person in tried.values():
        with pytest.raises(Untrusted):
            models.act(envelope, entry=entry, person=person, now=office.clock())
    assert models.active(MODEL) == first


def test_an_analyst_puts_nothing_in_use(office, admit, models):
    admit("1.0.0")
    second = admit("1.1.0")

    with pytest.raises(Refused):
        do(office, models, Act.ACTIVATE, second, person="mori")


def batch(office, manifest, folder, children):
    """A batch as scoring leaves it: its folder and its line in the log."""
    listed = ("child_ref\r\n" + "".join(f"{child}\r\n" for child in children)).encode("utf-8-sig")
    summary = {
        "bundle": manifest,
        "outputs": {"candidates.csv": sha256(listed)},
        "rows": 9,
        "n": len(folder.name),
    }
    folder.mkdir(parents=True)
    (folder / "candidates.csv").write_bytes(listed)
    (folder / "batch.json").write_bytes(canonical(summary))
    office.state.record(
        Event.BATCH_SCORED,
        actor="sato",
        model=manifest,
        purpose="attendance",
        input="0" * 64,
        output=sha256(canonical(summary)),
        rows=9,
        flagged=len(children),
    )


def test_a_withdrawn_version_lists_every_batch_and_flag_it_produced(office, admit, models, tmp_path):
    first, second = admit("1.0.0"), admit("1.1.0")
    batch(office, first.manifest, tmp_path / "out" / "april", ["c1", "c2"])
    batch(office, first.manifest, tmp_path / "out" / "deep" / "october", ["c3"])
    batch(office, second.manifest, tmp_path / "out" / "other-one", ["c4"])
    office.workflow.revoke(first.manifest, person="sato", why="誤りが見つかった")

    scored = versions.batches(office.state, first.manifest)
    found = [row["child_ref"] for row in versions.flagged(scored, among=tmp_path / "out")]

    assert [one["flagged"] for one in scored] == [2, 1]
    assert sorted(found) == ["c1", "c2", "c3"]


def test_attack_a_list_of_candidates_shortened_before_the_withdrawal(office, admit, tmp_path):
    first = admit("1.0.0")
    batch(office, first.manifest, tmp_path / "out" / "april", ["c1", "c2"])
    listed = tmp_path / "out" / "april" / "candidates.csv"
    listed.write_bytes(listed.read_bytes().replace(b"c2\r\n", b""))
    assert len(list(csv.reader(io.StringIO(listed.read_text("utf-8-sig"))))) == 2

    with pytest.raises(Untrusted):
        list(versions.flagged(versions.batches(office.state, first.manifest), among=tmp_path / "out"))


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"contract": "b"}, "major"),
        ({"target": "poverty", "model": "b"}, "major"),
        ({"model": "b", "auc": 0.8}, "minor"),
        ({"threshold": 7}, "minor"),
        ({"valid_until": "2027-01-01"}, "patch"),
        ({}, None),
    ],
)
def test_what_changed_decides_which_part_of_the_number_rises(changed, part):
    before = dict.fromkeys(versions.LINES, "a")

    assert versions.bump(before, {**before, **changed}) == part


@pytest.mark.parametrize(
    ("before", "after", "part"),
    [
        ("1.0.0", "2.0.0", "major"),
        ("1.9.0", "1.10.0", "minor"),
        ("1.0.0", "1.0.1", "patch"),
        ("1.1.0", "1.1.0", None),
    ],
)
def test_the_part_of_a_number_that_rose(before, after, part):
    assert versions.raised(before, after) == part
