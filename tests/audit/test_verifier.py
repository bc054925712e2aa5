"""The auditor's verifier: one file, alone, on a machine without the workbench."""

import importlib.util
import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.audit import Event, Log, verify_log
from workbench.audit.checkpoint import Checkpoint
from workbench.audit.merkle import leaf, root_of
from workbench.audit.note import NoteKey
from workbench.audit.oddities import oddities
from workbench.audit.record import seal

KEY = bytes(range(32))
SIGNER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
VKEY = NoteKey("workbench.audit/test", SIGNER.public_key().public_bytes_raw())


class Kept:
    """What the auditor has: the log as it is now, a checkpoint and a key kept since before."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        log = Log(folder / "audit", KEY)
        for number in range(1, 7):
            log.append(Event.REQUEST_WITHDRAWN, "佐藤", {"request": f"R-{number}"}, number)
        end = log.end
        self.log = folder / "audit" / "log.jsonl"
        made = Checkpoint(VKEY.name, end.records, end.frontier.root()).sign(key=VKEY, sign=SIGNER.sign)
        (folder / "kept.checkpoint").write_bytes(made)
        (folder / "log.vkey").write_text(VKEY.to_text() + "\n")

    @property
    def lines(self) -> list[bytes]:
        return self.log.read_bytes().splitlines()

    def rewrite(self, lines: list[bytes]) -> None:
        self.log.write_bytes(b"".join(line + b"\n" for line in lines))

    def arguments(self, *, checkpoint: bool = True, lang: str = "en") -> list[str]:
        kept = [f"--key={self.folder}/log.vkey", f"--checkpoint={self.folder}/kept.checkpoint"]
        return [str(self.log), "--lang", lang, *(kept if checkpoint else [])]


@pytest.fixture
def kept(tmp_path) -> Kept:
    return Kept(tmp_path)


@pytest.fixture
def verify(kept, capsys):
    """`verify(code, …)`: what the verifier said."""

    def run(expect: int, **options) -> str:
        code = verify_log.main(kept.arguments(**options))
        said = capsys.readouterr()
        assert code == expect, said
        return said.err or said.out

    return run


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """A folder with `cryptography` and nothing else of what is installed."""
    folder = tmp_path_factory.mktemp("only-cryptography")
    for name in ("cryptography", "_cffi_backend"):
        found = importlib.util.find_spec(name)
        origin = Path(found.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        os.symlink(source, folder / source.name)
    return folder


def alone(bare: Path, kept: Kept, program: Path, **options) -> subprocess.CompletedProcess[str]:
    """Run the file in a bare interpreter (-I -S): no site packages, no environment, no workbench."""
    loader = (
        f"import sys, runpy; sys.path[:0] = [{str(bare)!r}]; runpy.run_path(sys.argv[1], run_name='__main__')"
    )
    # The loader's own argument is taken away, so that the program sees its own.
    loader = loader.replace("runpy.run", "sys.argv = sys.argv[1:]; runpy.run").replace("argv[1],", "argv[0],")
    return subprocess.run(
        [sys.executable, "-I", "-S", "-c", loader, program, *kept.arguments(**options)],
        capture_output=True,
        text=True,
        cwd="/",
        timeout=60,
    )


def test_the_exported_file_verifies_in_a_bare_interpreter(bare, kept, home, monkeypatch):
    from workbench.cli import main

    program = kept.folder / "verify_log.py"
    monkeypatch.setattr(
        sys, "argv", ["workbench", "audit", "verifier", "-o", str(program), "--home", str(home.path)]
    )
    main()

    ran = alone(bare, kept, program)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "The chain holds: 6 records" in ran.stdout
    assert "the first 6 records" in ran.stdout
    ja = alone(bare, kept, program, lang="ja")
    assert "鎖は正常です：6 件" in ja.stdout
    rehash_everything(kept)
    assert alone(bare, kept, program).returncode == 11


def test_the_file_names_nothing_of_the_workbench():
    source = Path(verify_log.__file__).read_text()

    imported = {
        line.split()[1].partition(".")[0]
        for line in source.splitlines()
        if line.startswith(("import ", "from "))
    }
    assert imported - set(sys.stdlib_module_names) == {"cryptography"}


def alter(lines):
    return [*lines[:2], lines[2].replace(b"R-3", b"R-8"), *lines[3:]]


def forge(lines):
    return [*lines[:2], lines[2].replace(b"R-3", b"R-8"), *lines[2:]]


ATTACKS = {
    "alter": (alter, "Record 3 was altered"),
    "alter the last": (lambda f: [*f[:-1], f[-1].replace(b"R-6", b"R-9")], "the log was made again"),
    "garbage": (lambda f: [*f[:2], b"{", *f[3:]], "Record 3 was altered"),
    "delete": (lambda f: [*f[:2], *f[3:]], "Record 3 was deleted"),
    "delete the first": (lambda f: f[1:], "Record 1 was deleted"),
    "insert": (forge, "inserted where record 4"),
    "insert garbage": (lambda f: [*f[:2], b"{}", *f[2:]], "inserted where record 3"),
    "reorder": (lambda f: [*f[:2], f[3], f[2], *f[4:]], "reordered from record 3"),
    "truncate": (lambda f: f[:-1], "promises 6 records and there are 5"),
    "empty": (lambda _: [], "promises 6 records and there are 0"),
}


@pytest.mark.parametrize(("attack", "sentence"), ATTACKS.values(), ids=ATTACKS)
def test_attack_on_the_records_is_found_and_named(kept, verify, attack, sentence):
    kept.rewrite(attack(kept.lines))

    assert sentence in verify(11)


def rehash_everything(kept: Kept) -> None:
    """With the log's own key, from the third record on: a perfect log, and another one."""
    again = kept.lines[:2]
    for line in kept.lines[2:]:
        body = {name: value for name, value in json.loads(line).items() if name != "mac"}
        body["actor"] = "nobody"
        again.append(seal({**body, "previous": leaf(again[-1]).hex()}, key=KEY))
    kept.rewrite(again)


def test_attack_full_rehash_is_found_with_the_checkpoint(kept, verify):
    rehash_everything(kept)

    assert "The chain holds" in verify(0, checkpoint=False)
    assert "The first 6 records are not those of the checkpoint" in verify(11)


def test_without_a_checkpoint_it_says_what_cannot_be_found(kept, verify):
    assert "Without a checkpoint" in verify(0, checkpoint=False)
    assert "チェックポイントがないため" in verify(0, checkpoint=False, lang="ja")


def test_records_after_the_checkpoint_are_counted(kept, verify):
    Log(kept.log.parent, KEY).append(Event.REQUEST_WITHDRAWN, "sato", {"request": "R-7"}, 7)

    assert "The 1 after them" in verify(0)


def test_a_torn_line_at_the_end_is_told_of(kept, verify):
    with kept.log.open("ab") as file:
        file.write(b'{"actor":')

    assert "half-written (9 bytes)" in verify(0)


@pytest.fixture
def with_torn(kept) -> Kept:
    """The same, after a write that was torn and closed by the next record."""
    log, torn = Log(kept.log.parent, KEY), b'{"actor":"sato","det'
    with log.locked(), kept.log.open("ab") as file:
        file.write(torn)
        head, [closing] = log._closed(log._head(), torn)
        file.write(closing)
        log._save(head)
    log.append(Event.REQUEST_WITHDRAWN, "sato", {"request": "R-7"}, 7)
    assert log.verify().records == 8
    return kept


def test_a_write_that_was_torn_and_closed_is_told_of(with_torn, verify):
    said = verify(0)

    assert "8 records" in said
    assert "1 writes did not end" in said
    assert "The 2 after them" in said


@pytest.mark.parametrize(
    "change",
    [
        lambda line: b"X" + line,
        lambda line: line[1:],
        lambda line: line[:3] + b"X" + line[4:],
        lambda line: line[line.rindex(b'{"actor":') :],
        lambda line: line.replace(b"audit.torn", b"audit.read"),
    ],
)
@pytest.mark.parametrize("last", [False, True])
def test_attack_on_a_write_that_was_torn(with_torn, verify, change, last):
    *before, line, after = with_torn.lines
    with_torn.rewrite([*before, change(line), *([] if last else [after])])

    assert "record 7" in verify(11).lower()


def test_attack_bytes_before_a_record_that_tells_of_none(with_torn, verify):
    *before, last = with_torn.lines
    with_torn.rewrite([*before, b"X" + last])

    assert "ecord 8" in verify(11)


def append(folder, *times, event=Event.REQUEST_WITHDRAWN, details=None):
    """Records as a client has them written, each with the time that it says."""
    log = Log(folder, KEY)
    for time in times:
        log.append(event, "sato", details or {"request": "R"}, time=time)
    return log


def told(minutes):
    """A time that many minutes from now, as a client would spell it."""
    moment = datetime.now(UTC) + timedelta(minutes=minutes)
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


ODD = {
    "before": (lambda: [told(-60)], "another time"),
    "after": (lambda: [told(60)], "another time"),
    "no moment": (lambda: ["yesterday"], "no time"),
    "no zone": (lambda: ["2026-04-01T00:00:00.000000"], "no time"),
}


@pytest.mark.parametrize("times", ODD)
def test_attack_a_client_tells_a_time_that_is_not_now(tmp_path, capsys, times):
    """The log says when it wrote the record, and both verifiers when the two are far apart."""
    given, kind = ODD[times]
    log = append(tmp_path, told(-1), *given(), told(0))

    assert [(one.kind, one.first, one.count) for one in oddities(log.records())] == [(kind, 2, 1)]
    assert verify_log.main([str(tmp_path / "log.jsonl"), "--lang=en"]) == 0
    said = capsys.readouterr().out
    assert said.count("Finding") == 1
    assert "(the first is record 2)" in said


def test_attack_a_clock_put_back_before_something_is_done(tmp_path, capsys, monkeypatch):
    log = append(tmp_path, None, None)
    monkeypatch.setattr("workbench.audit.log.now", lambda: told(-600))
    append(tmp_path, None, told(-600))

    assert [(one.kind, one.first, one.count) for one in oddities(log.records())] == [("out of order", 3, 2)]
    assert verify_log.main([str(tmp_path / "log.jsonl"), "--lang=ja"]) == 0
    assert "時刻が戻っている記録が 2 件（最初は記録 3）" in capsys.readouterr().out.replace("あります", "")


def test_records_of_their_time_are_not_odd(tmp_path, kept, verify):
    assert oddities(append(tmp_path / "new", None, told(0), None, told(-4), None).records()) == []
    assert "Finding" not in verify(0)


def test_a_record_of_an_earlier_version_is_told_of(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("workbench.audit.log.missing_details", lambda *_: [])
    linked = {"person": "mori", "issuer": "https://id.example"}
    log = append(tmp_path, None, event=Event.ACCOUNT_LINKED, details=linked)

    assert [(one.kind, one.first) for one in oddities(log.records())] == [("too little", 1)]
    assert verify_log.main([str(tmp_path / "log.jsonl"), "--lang=en"]) == 0
    assert "without saying to whom (subject; the first is record 1)" in capsys.readouterr().out


def test_attack_a_checkpoint_signed_by_somebody_else(kept, verify):
    other = Ed25519PrivateKey.generate()
    theirs = NoteKey(VKEY.name, other.public_key().public_bytes_raw())
    for key in (theirs, VKEY):
        made = Checkpoint(VKEY.name, 0, root_of([])).sign(key=key, sign=other.sign)
        (kept.folder / "kept.checkpoint").write_bytes(made)
        assert "no valid signature" in verify(11)


@pytest.mark.parametrize(
    "content", [b"", b"\n\n", b"\xff", b"a\nb\nc\n\n", b"x\n1\nAA==\n\n\xe2\x80\x94 x AA==\n"]
)
def test_what_is_no_checkpoint_is_unusable(kept, verify, content):
    (kept.folder / "kept.checkpoint").write_bytes(content)

    assert len(verify(12).splitlines()) == 1


@pytest.mark.parametrize("text", ["", "x", "a+b+c", VKEY.to_text().replace("+", "+0", 1), "\udcff"])
def test_what_is_no_key_is_unusable(kept, verify, text):
    (kept.folder / "log.vkey").write_text(text, errors="surrogateescape")

    assert "verification key" in verify(12)


@given(st.lists(st.binary(max_size=4), max_size=40))
def test_two_implementations_come_to_one_root(lines):
    leaves = [leaf(line) for line in lines]

    assert verify_log.root(leaves) == root_of(leaves)
    assert [verify_log.leaf(line) for line in lines] == leaves


@settings(deadline=None)
@given(place=st.integers(0), bit=st.integers(0, 7))
def test_attack_changing_any_bit_of_the_log(tmp_path_factory, place, bit):
    kept = Kept(tmp_path_factory.mktemp("log"))
    content = bytearray(kept.log.read_bytes())
    content[place % len(content)] ^= 1 << bit
    kept.log.write_bytes(bytes(content))

    assert verify_log.main(kept.arguments()) == 11
