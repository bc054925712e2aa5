"""The tree of RFC 6962, signed notes, and what a checkpoint kept elsewhere tells of a log."""

import base64
import hashlib
import json

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from workbench.audit import Event, Log
from workbench.audit.checkpoint import Checkpoint
from workbench.audit.merkle import Frontier, leaf, root_of
from workbench.audit.note import NoteKey, open_note, sign_note
from workbench.audit.record import GENESIS, digest, seal
from workbench.errors import Untrusted, Unusable

KEY = bytes(range(32))
SIGNER = Ed25519PrivateKey.from_private_bytes(b"s" * 32)
NAME = "workbench.audit/test"
VKEY = NoteKey(NAME, SIGNER.public_key().public_bytes_raw())

# The inputs and roots that certificate-transparency-go and sigsum check their trees with.
INPUTS = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243")]
INPUTS += [bytes.fromhex("5051525354555657"), bytes.fromhex("606162636465666768696a6b6c6d6e6f")]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_the_root_is_that_of_rfc_6962(size):
    leaves = [leaf(line) for line in INPUTS[:size]]

    assert root_of(leaves).hex() == Frontier.over(leaves).root().hex() == ROOTS[size]


def textbook(lines: list[bytes]) -> bytes:
    """RFC 6962, 2.1, as it is written."""
    if len(lines) < 2:
        return hashlib.sha256(b"\0" + lines[0]).digest() if lines else hashlib.sha256().digest()
    split = 1 << (len(lines) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + textbook(lines[:split]) + textbook(lines[split:])).digest()


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_frontier_and_the_levels_come_to_the_root_of_the_definition(lines):
    leaves = [leaf(line) for line in lines]
    frontier = Frontier.over(leaves)

    assert root_of(leaves) == frontier.root() == textbook(lines)
    assert Frontier.from_hex(frontier.size, frontier.to_hex()) == frontier


def sign(checkpoint: Checkpoint) -> bytes:
    return checkpoint.sign(key=VKEY, sign=SIGNER.sign)


def test_a_note_of_the_go_library_is_read():
    """The example of golang.org/x/mod/sumdb/note: its key, its text, its signature."""
    key = NoteKey.parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")
    text = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
    signed = (
        text
        + "\n— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
    )

    assert open_note(signed.encode(), key=key) == text
    with pytest.raises(Untrusted):
        open_note(signed.replace("answer", "question").encode(), key=key)


def test_a_checkpoint_is_three_lines_and_a_signature():
    content = sign(Checkpoint(NAME, 6, b"r" * 32)).decode()

    name, size, root, gap, signature, end = content.split("\n")
    assert (name, size, gap, end) == (NAME, "6", "", "")
    assert base64.b64decode(root) == b"r" * 32
    assert signature.startswith(f"— {NAME} ")
    assert NoteKey.parse(VKEY.to_text()) == VKEY
    assert Checkpoint.open(content.encode(), key=VKEY) == Checkpoint(NAME, 6, b"r" * 32)


def test_a_witness_may_add_its_signature_below():
    content = sign(Checkpoint(NAME, 6, b"r" * 32)) + "— witness.example AAAAAAAA\n".encode()

    assert Checkpoint.open(content, key=VKEY).size == 6


def test_a_note_signed_by_another_under_the_same_name_is_refused():
    other = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
    theirs = NoteKey(NAME, other.public_key().public_bytes_raw())

    with pytest.raises(Untrusted, match="署名"):
        Checkpoint.open(Checkpoint(NAME, 6, b"r" * 32).sign(key=theirs, sign=other.sign), key=VKEY)
    with pytest.raises(Untrusted, match="署名"):
        Checkpoint.open(Checkpoint(NAME, 6, b"r" * 32).sign(key=VKEY, sign=other.sign), key=VKEY)


@given(place=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_attack_changing_any_bit_of_a_checkpoint(place, bit):
    content = bytearray(sign(Checkpoint(NAME, 6, b"r" * 32)))
    content[place % len(content)] ^= 1 << bit

    with pytest.raises((Untrusted, Unusable)):
        Checkpoint.open(bytes(content), key=VKEY)


@pytest.mark.parametrize(
    "text", ["", "x\n", f"{NAME}\n06\n{'A' * 43}=\n", f"{NAME}\n-1\n{'A' * 43}=\n", f"{NAME}\n6\nAAAA\n"]
)
def test_what_is_signed_and_no_checkpoint_is_unusable(text):
    with pytest.raises(Unusable):
        Checkpoint.open(sign_note(text or "\n", key=VKEY, sign=SIGNER.sign), key=VKEY)


def test_attack_offering_the_checkpoint_of_another_log():
    with pytest.raises(Untrusted, match="別のログ"):
        Checkpoint.open(sign(Checkpoint("workbench.audit/other", 1, b"r" * 32)), key=VKEY)


@pytest.fixture
def log(tmp_path) -> Log:
    log = Log(tmp_path / "audit", KEY)
    for number in range(1, 7):
        log.append(Event.REQUEST_WITHDRAWN, "sato", {"request": f"R-{number}"}, number)
    return log


@pytest.fixture
def kept(log) -> Checkpoint:
    """A checkpoint of the six records, as somebody else kept it."""
    end = log.end
    return Checkpoint.open(sign(Checkpoint(NAME, end.records, end.frontier.root())), key=VKEY)


def test_a_log_that_went_on_holds_against_an_earlier_checkpoint(log, kept):
    log.append(Event.REQUEST_WITHDRAWN, "sato", {"request": "R-7"}, 7)

    log.verify().expect(kept)


def alter(records):
    records[2]["actor"] = "suzuki"
    return records


def delete(records):
    return records[:2] + records[3:]


def insert(records):
    return [*records[:2], {**records[2], "actor": "nobody"}, *records[2:]]


def reorder(records):
    return [*records[:2], records[3], records[2], *records[4:]]


def truncate(records):
    return records[:4]


# Done by somebody who holds the log's key, and so can seal and chain everything again.
FULL_REHASH = {
    "alter": (alter, "the log was made again"),
    "delete": (delete, "the tail was cut"),
    "insert": (insert, "the log was made again"),
    "reorder": (reorder, "the log was made again"),
    "truncate": (truncate, "the tail was cut"),
    "nothing but the times": (lambda r: [{**one, "time": "x"} for one in r], "the log was made again"),
}


def rehash(log: Log, change) -> Log:
    """Make the whole log again, after `change`, with the key: head, chain and seals are all right."""
    records = change(log.records())
    other = Log(log.folder.parent / "again", KEY)
    head, content = other.end, b""
    for number, record in enumerate(records, start=1):
        body = {name: value for name, value in record.items() if name != "mac"}
        line = seal({**body, "seq": number, "previous": head.last}, key=KEY)
        head, content = head.after(line, outbox=number), content + line + b"\n"
    (other.folder / "log.jsonl").write_bytes(content)
    other._save(head)
    return other


@pytest.mark.parametrize(("change", "sentence"), FULL_REHASH.values(), ids=FULL_REHASH)
def test_attack_full_rehash_with_the_key_is_found_by_the_checkpoint_alone(log, kept, change, sentence):
    again = rehash(log, change).verify()

    with pytest.raises(Untrusted) as refused:
        again.expect(kept)
    assert sentence in refused.value.en


def test_attack_hiding_a_deletion_by_adding_records_to_the_old_length(log, kept):
    again = rehash(log, delete)
    again.append(Event.REQUEST_WITHDRAWN, "sato", {"request": "R-7"}, 7)

    with pytest.raises(Untrusted, match="作り直されて"):
        again.verify().expect(kept)


def test_the_chain_and_the_tree_share_their_leaves(log):
    lines = (log.folder / "log.jsonl").read_bytes().splitlines()

    assert json.loads(lines[0])["previous"] == GENESIS
    assert json.loads(lines[1])["previous"] == digest(lines[0]) == leaf(lines[0]).hex()
    assert log.end.frontier.root() == root_of([leaf(line) for line in lines])
