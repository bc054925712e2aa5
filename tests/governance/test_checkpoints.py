"""`workbench audit checkpoint` and `verify`: what reaches somebody else, and what it finds later."""

import json
import shutil
import sys

import pytest

from workbench.artifact.keys import KeyRing
from workbench.audit import Log, verify_log
from workbench.audit.key import audit_key
from workbench.audit.record import seal
from workbench.cli import main
from workbench.governance.checkpoints import OWNER, folder_name
from workbench.state import State


@pytest.fixture
def workbench(home, monkeypatch, capsys):
    """`workbench(verb, …, expect=code)` of the noun audit: what it printed."""
    monkeypatch.setenv("WORKBENCH_HOME", str(home.path))
    monkeypatch.setenv("WORKBENCH_LANG", "en")

    def run(*arguments: str, expect: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["workbench", "audit", *arguments])
        code = 0
        try:
            main()
        except SystemExit as left:
            code = left.code
        said = capsys.readouterr()
        assert code == expect, said
        return said.out if expect == 0 else said.err

    return run


@pytest.fixture
def place(tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def rehash(home) -> None:
    """An administrator with every key of the home makes another history, head and all."""
    log = Log.of(home)
    records = log.records()
    shutil.rmtree(home.audit)
    again = Log(home.audit, audit_key_of(home))
    head, content = again.end, b""
    for number, record in enumerate(records, start=1):
        body = {**record, "actor": "nobody", "seq": number, "previous": head.last}
        del body["mac"]
        line = seal(body, key=audit_key_of(home))
        head, content = head.after(line, outbox=record["outbox"]), content + line + b"\n"
    (home.audit / "log.jsonl").write_bytes(content)
    (home.audit / "head.json").unlink(missing_ok=True)
    again._save(head)


def audit_key_of(home) -> bytes:
    return (home.keys / "audit.key").read_bytes()


def test_a_checkpoint_is_handed_over_and_verifies(workbench, home, tmp_path):
    workbench("checkpoint", "-o", str(tmp_path / "kept.checkpoint"))
    kept = ["--checkpoint", str(tmp_path / "kept.checkpoint"), "--key", str(tmp_path / "kept.vkey")]

    assert json.loads(workbench("verify", "--json", *kept))["checkpoints"] == 1
    assert verify_log.main([str(home.audit / "log.jsonl"), "--lang=en", *kept]) == 0


def test_the_log_has_a_key_of_its_own_and_says_so(workbench, home):
    workbench("checkpoint")
    workbench("checkpoint")

    created = [r["details"]["owner"] for r in Log.of(home).records() if r["event"] == "key.created"]
    assert created == [OWNER]
    assert KeyRing.of(home).public(OWNER) != audit_key(home).hex()


def test_a_checkpoint_is_in_the_log_before_it_is_signed(workbench, home):
    value = json.loads(workbench("checkpoint", "--json"))

    record = Log.of(home).records()[-1]
    assert (record["event"], record["details"]["size"]) == ("audit.checkpointed", value["size"])
    assert record["seq"] == value["size"] + 1


def test_attack_full_rehash_by_somebody_with_every_key_of_the_home(workbench, home, place, tmp_path):
    """Chain, seals and head are perfect; only what was kept elsewhere tells."""
    workbench("checkpoint", "-o", str(tmp_path / "kept.checkpoint"))
    rehash(home)

    workbench("verify")
    said = workbench("verify", "--checkpoint", str(tmp_path / "kept.checkpoint"), expect=11)
    assert "the log was made again" in said
    assert len(said.splitlines()) == 1


def test_attack_full_rehash_is_found_by_the_second_place_without_being_asked(workbench, home, place):
    workbench("checkpoint", "--keep-at", str(place))
    assert (
        json.loads(workbench("verify", "--json"))["checkpoints"] == 2
    )  # the one of its size, and the latest
    rehash(home)

    assert "made again" in workbench("verify", expect=11)
    assert "made again" in workbench("checkpoint", expect=11)


def test_attack_putting_the_whole_log_back_to_before_the_checkpoint(workbench, home, tmp_path):
    State.open(home).close()
    shutil.copytree(home.audit, tmp_path / "earlier")
    workbench("checkpoint", "-o", str(tmp_path / "kept.checkpoint"))
    shutil.rmtree(home.audit)
    shutil.copytree(tmp_path / "earlier", home.audit)
    kept = ["--key", str(tmp_path / "kept.vkey"), "--checkpoint", str(tmp_path / "kept.checkpoint")]

    assert Log.of(home).verify().records == 1
    assert verify_log.main([str(home.audit / "log.jsonl"), *kept]) == 11
    workbench("verify", *kept, expect=11)


def test_the_second_place_holds_every_checkpoint_and_the_key(workbench, home, place):
    workbench("checkpoint", "--keep-at", str(place))
    workbench("checkpoint")

    kept = sorted(path.name for path in (place / folder_name(home)).iterdir())
    assert len([name for name in kept if name.startswith("0")]) == 2
    assert {"latest.checkpoint", "log.vkey"} <= set(kept)


@pytest.mark.parametrize("where", ["", "audit", "catalogue"])
def test_attack_keeping_the_checkpoints_inside_the_home(workbench, home, where):
    assert "outside the home" in workbench("checkpoint", "--keep-at", str(home.path / where), expect=10)


def test_attack_a_checkpoint_of_another_home(workbench, home, tmp_path, demonstration):
    from workbench.governance.checkpoints import make_checkpoint

    made = make_checkpoint(demonstration, State.open(demonstration))
    (tmp_path / "other.checkpoint").write_bytes(made.content)
    workbench("checkpoint")

    assert "no valid signature" in workbench(
        "verify", "--checkpoint", str(tmp_path / "other.checkpoint"), expect=11
    )


def test_a_place_that_is_not_there_is_one_sentence(workbench, tmp_path):
    said = workbench("checkpoint", "--keep-at", str(tmp_path / "nowhere"), expect=13)

    assert len(said.splitlines()) == 1


def test_reading_the_log_is_in_the_log_with_who_read_it(workbench, home):
    before = json.loads(workbench("show", "--json", "--last", "100"))
    after = json.loads(workbench("show", "--json", "--last", "100", "--event", "audit"))

    assert [record["event"] for record in before] == ["home.created"]
    assert [(r["event"], r["actor"], r["details"]["records"]) for r in after] == [
        ("audit.read", "workbench", 1)
    ]


def test_attack_reading_the_log_without_leaving_a_trace(workbench, home, monkeypatch):
    """Nothing is shown when the reading cannot be written down."""
    full = OSError(28, "No space left on device")
    monkeypatch.setattr(Log, "append_all", lambda *_: (_ for _ in ()).throw(full))

    assert "home.created" not in workbench("show", expect=14)
