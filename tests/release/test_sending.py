"""Datasets on their way to an analysts' host: what arrives there, and what never does."""

import json
import os
import shutil
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from workbench.artifact import package
from workbench.artifact.canonical import canonical
from workbench.artifact.keys import KeyRing
from workbench.artifact.signing import sign
from workbench.artifact.store import Store
from workbench.artifact.trust import Trusted
from workbench.cli import workbench
from workbench.errors import NotFound, Refused, Untrusted, Unusable
from workbench.governance.hosts import Here, Host, Hosts, fingerprint
from workbench.governance.people import People, Person, Role
from workbench.governance.settings import adopt_policy
from workbench.home import Home
from workbench.release import revocations, sending
from workbench.release.catalogue import catalogue, mounts
from workbench.release.receiving import INCOMING, SEEN, receive, revocations_of
from workbench.release.sending import Sendings, files_of
from workbench.state import State


@dataclass
class Ground:
    """The coordinating body's office, and a host far from it."""

    office: object
    here: Here
    state: State
    medium: Path

    @property
    def sendings(self) -> Sendings:
        return Sendings(self.office.home, self.office.state)

    def ask(self, *names: str, by: str = "sato", host: str = "univ-lab", again: str | None = None, **more):
        given = {"purpose": "attendance", "now": self.office.clock(), **more}
        return self.sendings.ask(names, host=host, again=again or host, by=by, **given)

    def write(self, number: str, *, by: str = "tanaka", host: str = "univ-lab", again: str | None = None):
        return self.sendings.write(
            number, folder=self.medium, host=host, again=again or host, by=by, now=self.office.clock()
        )

    def sent(self, *names: str) -> Path:
        return self.write(self.ask(*names).id)

    def receive(self, path: Path, *, by: str = "kanri", now=None):
        return receive(path, home=self.here.home, state=self.state, by=by, now=now or self.office.clock())

    def arrived(self) -> list[str]:
        return [entry.id for entry in catalogue(self.here.home, self.state).every()]

    def untouched(self) -> bool:
        """Nothing of a package that was refused is on the host."""
        home = self.here.home
        return (
            Store(home.catalogue).digests() == []
            and not revocations_of(home).exists()
            and not (home.path / SEEN).exists()
            and not list(home.path.glob(f"{INCOMING}*"))
        )

    def forged(self, files: dict[str, Path], **changes) -> Path:
        """A package with these files, signed and sealed as the coordinating body would."""
        said = {
            "home": self.office.home.identity,
            "number": "P-99",
            "host": self.here.host.name,
            "host_key": self.here.host.key,
            "portable": False,
            "purpose": "attendance",
            "made_at": "2025-04-01T00:00:00Z",
            "valid_until": "2025-05-01T00:00:00Z",
            "people": [{"person": "sato", "envelope": "0" * 64}],
            "bundles": [],
            **changes,
        }
        ring = KeyRing.of(self.office.home)
        signer = ring.signer(said.pop("signer", package.SENDER))
        key = said.pop("sealed_to", self.here.host.key)
        path = self.medium / "forged.workbench"
        (self.medium / "content").unlink(missing_ok=True)
        with path.open("wb") as target:
            package.write(
                target,
                files=files,
                key=key,
                envelope=lambda sealed: sign(package.package_statement(said, sealed), [signer]),
                aside=self.medium / "content",
            )
        return path


@pytest.fixture
def ground(office, tmp_path):
    trust = Trusted.of(KeyRing.of(office.home)).to_json()
    here = Here.set_up(
        tmp_path / "host", name="univ-lab", purposes=["attendance"], trust=trust, typed=fingerprint(trust)
    )
    card = here.host.card()
    Hosts(office.state).add(card, typed=fingerprint(card), actor="oka")
    state = State.open(here.home)
    people = People(state)
    people.add(Person("kanri", "管理", Role.MANAGER, "研究室"))
    people.add(Person("mori", "森", Role.ANALYST, "研究室"), actor="kanri")
    medium = tmp_path / "medium"
    medium.mkdir()
    yield Ground(office, here, state, medium)
    state.close()


def changed_at(path: Path, place: int) -> Path:
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)
    return path


def test_a_dataset_goes_to_a_host_and_is_mounted_there(ground):
    ground.office.admitted()

    path = ground.sent()
    got = ground.receive(path)

    assert got.number == "P-1"
    assert ground.arrived() == ["child-year@1"]
    now = ground.office.clock()
    mounted = mounts(ground.here.home, ground.state, analyst="mori", purpose="attendance", now=now)
    assert list(mounted) == ["child-year-1"]
    assert mounted["child-year-1"].report()["verdict"] == "pass"
    assert mounts(ground.here.home, ground.state, analyst="mori", purpose="else", now=now) == {}
    record = ground.state.log.records()[-1]
    assert (record["event"], record["details"]["manifests"]) == ("package.received", list(got.bundles))
    events = [record["event"] for record in ground.office.state.log.records()]
    assert events[-2:] == ["package.asked", "package.written"]


def test_the_medium_shows_no_data(ground):
    ground.office.admitted()

    content = ground.sent().read_bytes()

    assert b"k = 7" not in content
    assert [path.name for path in ground.medium.iterdir()] == ["P-1-univ-lab.workbench"]


def test_importing_again_changes_nothing(ground):
    ground.office.admitted()
    path = ground.sent()

    assert ground.receive(path) == ground.receive(path)
    assert ground.arrived() == ["child-year@1"]


def test_only_what_is_named_is_sent(ground):
    ground.office.admitted(name="child-year")
    ground.office.admitted(name="child-area")

    ground.receive(ground.sent("child-area"))

    assert ground.arrived() == ["child-area@1"]
    with pytest.raises(NotFound):
        ground.ask("nothing")
    with pytest.raises(NotFound):
        ground.ask(purpose="another")


def test_a_package_larger_than_a_block_arrives_whole(ground, monkeypatch):
    monkeypatch.setattr(package, "BLOCK", 1000)
    ground.office.admitted()

    ground.receive(ground.sent())

    assert ground.arrived() == ["child-year@1"]


# ------------------------------------------------------------------ who may send


def test_attack_one_person_alone_sends_a_medium(ground):
    ground.office.admitted()
    number = ground.ask().id

    with pytest.raises(Refused, match="別の人"):
        ground.write(number, by="sato")
    with pytest.raises(Refused):
        ground.write(number, by="suzuki")
    with pytest.raises(Refused):
        ground.write(number, by="mori")

    assert list(ground.medium.iterdir()) == []


def test_where_the_policy_says_so_one_person_sends(ground):
    ground.office.admitted()
    override = (
        "schema: workbench-policy-override/1\nthresholds:\n  people_to_send: {value: 1, source: 一人の課}\n"
    )
    adopt_policy(ground.office.state, profile="standard", override=override, actor="oka")

    assert ground.write(ground.ask().id, by="sato").exists()


def test_attack_a_slip_in_the_recipient(ground):
    ground.office.admitted()

    with pytest.raises(Refused, match="二度"):
        ground.ask(host="univ-lab", again="univ-lap")
    with pytest.raises(NotFound):
        ground.ask(host="univ-lap")
    number = ground.ask().id
    other = replace(ground.here.host, name="other-lab", key="1" * 64)
    Hosts(ground.office.state).add(other.card(), typed=fingerprint(other.card()), actor="oka")
    with pytest.raises(Refused, match="宛先"):
        ground.write(number, host="other-lab")

    assert list(ground.medium.iterdir()) == []


def test_attack_a_row_that_sends_what_nobody_asked_for(ground):
    """Whoever can write to the state cannot make the second person send something else, or elsewhere."""
    ground.office.admitted(name="child-year")
    ground.office.admitted(name="child-area")
    number = ground.ask("child-year").id
    both = json.dumps(
        sorted(entry.manifest for entry in catalogue(ground.office.home, ground.office.state).every())
    )
    with ground.office.state.engine.begin() as connection:
        connection.execute(sa.update(sending.sendings).values(bundles=both))

    with pytest.raises(Refused, match="監査責任者"):
        ground.write(number)


def test_attack_a_machine_that_is_carried_about(ground):
    ground.office.admitted()
    portable = Host("note-pc", "2" * 64, portable=True)
    Hosts(ground.office.state).add(portable.card(), typed=fingerprint(portable.card()), actor="oka")

    with pytest.raises(Refused, match="portable_allowed"):
        ground.ask(host="note-pc")


def test_attack_a_revoked_dataset_is_not_sent(ground):
    ground.office.admitted()
    number = ground.ask().id
    manifest = ground.sendings.every()[0].bundles[0]
    ground.office.workflow.revoke(manifest, person="sato", why="誤り")

    with pytest.raises(Untrusted):
        ground.write(number)

    assert list(ground.medium.iterdir()) == []


def test_attack_a_host_entered_by_another_than_the_manager_or_by_a_swapped_card(ground):
    card = Host("other-lab", "1" * 64, portable=False).card()

    with pytest.raises(Refused):
        Hosts(ground.office.state).add(card, typed=fingerprint(card), actor="sato")
    with pytest.raises(Untrusted, match="指紋"):
        Hosts(ground.office.state).add(card, typed=fingerprint(ground.here.host.card()), actor="oka")
    same = ground.here.host.card()
    with pytest.raises(Refused, match="既に"):
        Hosts(ground.office.state).add(same, typed=fingerprint(same), actor="oka")


def test_a_host_that_was_removed_is_sent_nothing(ground):
    ground.office.admitted()
    number = ground.ask().id
    Hosts(ground.office.state).remove("univ-lab", actor="oka")

    with pytest.raises(NotFound):
        ground.write(number)


# ------------------------------------------------------------------ what a host takes in


def test_attack_keys_that_were_swapped_on_the_way(ground, tmp_path):
    trust = (ground.here.home.path / "trusted.json").read_bytes()

    with pytest.raises(Untrusted, match="指紋"):
        Here.set_up(tmp_path / "new", name="x", purposes=["a"], trust=trust, typed="0000-" * 8)

    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("part", [0, 24, 60, 0.3, 0.5, 0.9, -1])
def test_attack_a_changed_byte(ground, part):
    ground.office.admitted()
    path = ground.sent()
    size = path.stat().st_size

    with pytest.raises(Untrusted):
        ground.receive(changed_at(path, int(part * size) if isinstance(part, float) else part))

    assert ground.untouched()


@pytest.mark.parametrize(
    "change", [lambda content: content[:-1], lambda content: content + b"x", lambda _: b""]
)
def test_attack_a_package_cut_short_or_added_to(ground, change):
    ground.office.admitted()
    path = ground.sent()
    path.write_bytes(change(path.read_bytes()))

    with pytest.raises(Untrusted):
        ground.receive(path)

    assert ground.untouched()


def test_attack_a_package_nobody_signed(ground):
    path = ground.forged({}, signer="person:sato")

    with pytest.raises(Untrusted, match="署名"):
        ground.receive(path)

    assert ground.untouched()


def test_attack_a_package_for_another_machine(ground, tmp_path):
    """By the statement it is refused with one sentence; without that check the seal does not open."""
    ground.office.admitted()
    path = ground.sent()
    trust = (ground.here.home.path / "trusted.json").read_bytes()
    other = Here.set_up(
        tmp_path / "thief", name="univ-lab", purposes=["attendance"], trust=trust, typed=fingerprint(trust)
    )
    state = State.open(other.home)
    People(state).add(Person("kanri", "管理", Role.MANAGER, "研究室"))

    with pytest.raises(Untrusted, match="別の機械"):
        receive(path, home=other.home, state=state, by="kanri", now=ground.office.clock())
    found = package.read(path, trusted=other.trusted)
    with pytest.raises(Untrusted, match="別の機械"):
        package.unpack(found, into=tmp_path / "out", key=other.private_key)
    state.close()


@pytest.mark.parametrize("said", [{"host": "other-lab"}, {"host_key": "1" * 64}, {"portable": True}])
def test_attack_a_package_that_says_it_is_for_another_machine(ground, said):
    with pytest.raises(Untrusted, match="機械"):
        ground.receive(ground.forged({}, **said))


def test_attack_a_purpose_that_is_not_this_hosts(ground):
    path = ground.forged({}, purpose="something-else")

    with pytest.raises(Untrusted, match="利用目的"):
        ground.receive(path)


def test_attack_a_dataset_of_another_purpose_in_a_package_of_this_one(ground):
    ground.office.admitted(purpose="something-else")
    opened = catalogue(ground.office.home, ground.office.state).open("child-year", now=ground.office.clock())
    entry = {"name": "child-year", "version": "1", "manifest": opened.entry.manifest}
    files = {revocations.NAME: revocations.path(ground.office.home), **files_of([opened])}

    with pytest.raises(Untrusted, match="child-year@1"):
        ground.receive(ground.forged(files, bundles=[entry]))

    assert ground.untouched()


def test_attack_an_old_medium(ground):
    ground.office.admitted()
    path = ground.sent()

    with pytest.raises(Untrusted, match="期限"):
        ground.receive(path, now=ground.office.clock() + timedelta(days=31))

    assert ground.untouched()


def test_attack_older_revocations(ground):
    """A package kept from before a revocation does not bring the dataset back."""
    ground.office.admitted(name="child-year")
    ground.office.admitted(name="child-area")
    before = shutil.copy(ground.sent(), ground.medium / "kept")
    manifest = catalogue(ground.office.home, ground.office.state).find("child-year").manifest
    ground.office.workflow.revoke(manifest, person="sato", why="誤り")
    ground.receive(ground.sent("child-area"))

    with pytest.raises(Untrusted, match="失効リスト"):
        ground.receive(Path(before))

    assert ground.arrived() == ["child-area@1"]


def test_attack_a_revoked_dataset_stays_in_use_on_the_host(ground):
    ground.office.admitted(name="child-year")
    ground.office.admitted(name="child-area")
    ground.receive(ground.sent())
    manifest = catalogue(ground.office.home, ground.office.state).find("child-year").manifest
    ground.office.workflow.revoke(manifest, person="sato", why="誤り")

    ground.receive(ground.sent("child-area"))

    now = ground.office.clock()
    mounted = mounts(ground.here.home, ground.state, analyst="mori", purpose="attendance", now=now)
    assert list(mounted) == ["child-area-1"]
    with pytest.raises(Untrusted, match="失効"):
        catalogue(ground.here.home, ground.state).open("child-year@1", now=now)


def test_attack_a_host_whose_list_of_revocations_has_run_out(ground):
    ground.office.admitted()
    ground.receive(ground.sent())

    with pytest.raises(Untrusted, match="失効リスト"):
        mounts(
            ground.here.home,
            ground.state,
            analyst="mori",
            purpose="attendance",
            now=ground.office.clock() + timedelta(days=91),
        )


def test_attack_an_older_list_put_in_place_by_hand(ground):
    ground.office.admitted(name="child-year")
    ground.office.admitted(name="child-area")
    ground.receive(ground.sent())
    old = revocations_of(ground.here.home).read_bytes()
    manifest = catalogue(ground.office.home, ground.office.state).find("child-year").manifest
    ground.office.workflow.revoke(manifest, person="sato", why="誤り")
    ground.receive(ground.sent("child-area"))
    revocations_of(ground.here.home).write_bytes(old)

    with pytest.raises(Untrusted, match="失効リスト"):
        catalogue(ground.here.home, ground.state).open("child-year@1", now=ground.office.clock())


@pytest.mark.parametrize(
    "path",
    ["../out", "/etc/out", "a/../../out", "a//b", "a/.hidden", "a\\b", "child-year-1/..", "..", "", "a/b/"],
)
def test_attack_a_path_that_leads_out(ground, path, tmp_path):
    file = tmp_path / "file"
    file.write_text("x")

    with pytest.raises(Untrusted, match="ファイル名"):
        ground.receive(ground.forged({path: file}))

    assert ground.untouched()
    assert not (ground.here.home.path / "out").exists()


def listing(ground, monkeypatch, files):
    """A package whose list says `files` of its content, which is one byte."""
    value = canonical({"schema": "workbench-package-list/1", "files": files})
    monkeypatch.setattr(package, "plain", lambda _: iter([package.LENGTH.pack(len(value)) + value + b"x"]))
    return ground.forged({})


@pytest.mark.parametrize(
    "files",
    [
        {"bomb": {"size": 1 << 31, "sha256": "0" * 64}},
        {f"bomb{n}": {"size": 1 << 31, "sha256": "0" * 64} for n in range(4)},
        {"a": {"size": 1, "sha256": "0" * 64}},
        {},
    ],
    ids=["more than it holds", "more than is allowed", "another digest", "something left over"],
)
def test_attack_a_list_that_promises_what_is_not_there(ground, monkeypatch, files):
    path = listing(ground, monkeypatch, files)

    with pytest.raises(Untrusted, match="署名されたものと違います"):
        ground.receive(path)

    assert ground.untouched()


def test_attack_more_than_a_host_takes(ground, monkeypatch):
    ground.office.admitted()
    path = ground.sent()
    monkeypatch.setattr(package, "MAX_TOTAL_BYTES", 100)

    with pytest.raises(Untrusted, match="署名されたものと違います"):
        ground.receive(path)

    assert ground.untouched()


def test_attack_other_content_sealed_with_the_same_key(ground, monkeypatch, tmp_path):
    """Whoever came by the key of one package cannot put other content behind its signature."""
    monkeypatch.setattr(package.os, "urandom", lambda size: b"k" * size)
    mine, theirs = tmp_path / "mine", tmp_path / "theirs"
    mine.write_text("one")
    theirs.write_text("two")
    signed = ground.forged({"file": mine}).read_bytes()
    other = ground.forged({"file": theirs}).read_bytes()
    trusted, key = ground.here.trusted, ground.here.private_key
    path = ground.medium / "mixed"
    path.write_bytes(signed)
    start = package.read(path, trusted=trusted).start
    path.write_bytes(signed[:start] + other[start:])

    with pytest.raises(Untrusted, match="署名されたものと違います"):
        package.unpack(package.read(path, trusted=trusted), into=tmp_path / "out", key=key)


def test_attack_a_file_that_is_another_files_folder(ground, monkeypatch):
    entry = {"size": 0, "sha256": "0" * 64}
    path = listing(ground, monkeypatch, {"a": entry, "a/b": entry})

    with pytest.raises(Untrusted, match="ファイル名"):
        ground.receive(path)


def test_attack_a_link_instead_of_a_package(ground):
    ground.office.admitted()
    path = ground.sent()
    link = ground.medium / "link.workbench"
    link.symlink_to(path)

    with pytest.raises(Untrusted, match="リンク"):
        ground.receive(link)


def test_attack_a_pipe_instead_of_a_package(ground):
    os.mkfifo(ground.medium / "pipe")

    with pytest.raises(Untrusted):
        ground.receive(ground.medium / "pipe")


def test_attack_a_bundle_that_only_the_medium_knows(ground):
    """A signed package does not make up for a bundle that was changed before it was packed."""
    ground.office.admitted()
    opened = catalogue(ground.office.home, ground.office.state).open("child-year", now=ground.office.clock())
    entry = {"name": "child-year", "version": "1", "manifest": opened.entry.manifest}
    other = ground.medium / "table.txt"
    other.write_text("k = 1")
    files = {revocations.NAME: revocations.path(ground.office.home), **files_of([opened])}
    files["child-year-1/data/table.txt"] = other

    with pytest.raises(Untrusted, match=r"table\.txt"):
        ground.receive(ground.forged(files, bundles=[entry]))
    with pytest.raises(Untrusted, match="一覧"):
        ground.receive(ground.forged(files | files_of([opened]), bundles=[]))

    assert ground.untouched()


def test_attack_an_analyst_takes_in_a_package(ground):
    ground.office.admitted()

    with pytest.raises(Refused):
        ground.receive(ground.sent(), by="mori")

    assert ground.untouched()


@pytest.mark.slow
def test_a_kill_at_any_point_of_an_import_is_mended_by_importing_again(office, tmp_path, kill_at_every_point):
    office.admitted()
    trust = Trusted.of(KeyRing.of(office.home)).to_json()
    template = tmp_path / "template"
    here = Here.set_up(template, name="h", purposes=["attendance"], trust=trust, typed=fingerprint(trust))
    card = here.host.card()
    Hosts(office.state).add(card, typed=fingerprint(card), actor="oka")
    state = State.open(here.home)
    People(state).add(Person("kanri", "管理", Role.MANAGER, "研究室"))
    state.close()
    sendings = Sendings(office.home, office.state)
    number = sendings.ask((), host="h", again="h", purpose="attendance", by="sato", now=office.clock()).id
    path = sendings.write(number, folder=tmp_path, host="h", again="h", by="tanaka", now=office.clock())
    now = office.clock()

    def prepare(point):
        return shutil.copytree(template, tmp_path / f"host-{point}")

    def act(folder):
        home = Home.open(folder)
        receive(path, home=home, state=State.open(home), by="kanri", now=now)

    def check(folder):
        home = Home.open(folder)
        state = State.open(home)
        shelf = catalogue(home, state)
        for entry in shelf.every():  # what is there is whole
            shelf.open(entry.id, now=now)
        act(folder)
        assert [entry.id for entry in catalogue(home, state).every()] == ["child-year@1"]
        assert not list(home.path.glob(f"{INCOMING}*"))
        state.verify()
        state.close()
        shutil.rmtree(folder)

    assert kill_at_every_point(prepare, act, check) > 10


# ------------------------------------------------------------------ by command


def test_by_command_from_one_machine_to_the_other(office, tmp_path, monkeypatch):
    monkeypatch.setattr("workbench.release.workflow.now", office.clock)
    override = (
        "schema: workbench-policy-override/1\nthresholds:\n  retention_days: {value: 3660, source: 試験}\n"
    )
    adopt_policy(office.state, profile="standard", override=override, actor="oka")
    office.workflow = replace(office.workflow, policy=sending.policy_in_force(office.state))
    office.admitted()
    office.state.close()
    run = CliRunner().invoke
    room, host = {"WORKBENCH_HOME": str(office.home.path)}, {"WORKBENCH_HOME": str(tmp_path / "host")}

    def told(*words, **env):
        result = run(workbench, [*words], env=env, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.output.split()

    trust, card = str(tmp_path / "trusted.json"), str(tmp_path / "card.json")
    mark = told("key", "trust", "-o", trust, "--by", "sato", **room)[-1]
    told(
        "init",
        "--host",
        "univ-lab",
        "--trust",
        trust,
        "--fingerprint",
        mark,
        "--purpose",
        "attendance",
        **host,
    )
    told("people", "add", "kanri", "--name", "管理", "--role", "manager", "--section", "研究室", **host)
    mark = told("host", "card", "-o", card, **host)[-1]
    told("host", "add", card, "--fingerprint", mark, "--by", "oka", **room)
    to = ("--to", "univ-lab", "--to-again", "univ-lab")
    told("catalogue", "send", "--purpose", "attendance", *to, "--by", "sato", **room)
    wanted = ["catalogue", "export", str(tmp_path / "usb"), "--package", "P-1", *to, "--by", "tanaka"]
    assert run(workbench, wanted, env=room).exit_code != 0  # the list was not checked
    path = told(*wanted, "--checked", **room)[-1]
    told("catalogue", "import", path, "--by", "kanri", **host)

    assert told("catalogue", "list", **host)[0] == "child-year@1"
    refused = run(workbench, ["catalogue", "revoke", "child-year", "--why", "x", "--by", "kanri"], env=host)
    assert isinstance(refused.exception, Refused)
    refused = run(workbench, ["release", "list"], env=host)
    assert isinstance(refused.exception, Refused)
    refused = run(workbench, ["catalogue", "import", path, "--by", "oka"], env=room)
    assert isinstance(refused.exception, Refused)


@pytest.mark.parametrize("name", ["", "Univ", "a b", "../x"])
def test_a_host_has_a_plain_name(tmp_path, office, name):
    trust = Trusted.of(KeyRing.of(office.home)).to_json()

    with pytest.raises(Unusable):
        Here.set_up(tmp_path / "new", name=name, purposes=["a"], trust=trust, typed=fingerprint(trust))
