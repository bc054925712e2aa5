"""
Verify a workbench's audit log without the workbench: for an auditor, on a machine of their own.

    python3 verify_log.py log.jsonl --key log.vkey --checkpoint kept.checkpoint [--lang ja|en]

Needs Python 3.10 or later and `cryptography`, nothing else, and no key of the log. It reads the log line by
line and finds what was altered, deleted, inserted, reordered or cut off; with a checkpoint that somebody
else kept, also a log that was made again from the start. Written apart from the workbench's own verification,
so that a fault in one is not a fault in both.

Leaves 0 when everything holds, 11 when it does not, 12 when a file cannot be used, 2 for wrong usage.
"""

import argparse
import base64
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HOLDS, TAMPERED, UNUSABLE = 0, 11, 12
TORN, START = "audit.torn", b'{"actor":'
LINKED, APART = "account.linked", timedelta(minutes=5)
TEXT = {
    "altered": ("記録 {n} が書き換えられています。", "Record {n} was altered."),
    "deleted": ("記録 {n} が削除されています。", "Record {n} was deleted."),
    "inserted": (
        "記録 {n} の位置に、別の記録が挿入されています。",
        "A record was inserted where record {n} belongs.",
    ),
    "reordered": (
        "記録 {n} の位置から順序が入れ替えられています。",
        "The records were reordered from record {n} on.",
    ),
    "cut": (
        "チェックポイントには {n} 件とありますが、記録は {count} 件です。末尾が切り取られています。",
        "The checkpoint promises {n} records and there are {count}: the tail was cut.",
    ),
    "made_again": (
        "最初の {n} 件はチェックポイントの時と違います。ログ全体が作り直されています。",
        "The first {n} records are not those of the checkpoint: the log was made again.",
    ),
    "unsigned": (
        "チェックポイントに、この検証鍵の有効な署名がありません。",
        "The checkpoint has no valid signature of this verification key.",
    ),
    "not_a_checkpoint": ("チェックポイントとして読めません。", "This cannot be read as a checkpoint."),
    "not_a_key": ("検証鍵として読めません。", "This cannot be read as a verification key."),
    "unreadable": ("ファイルを読めません。", "The file cannot be read."),
    "keep": (
        "ログと保管していたチェックポイントをそのまま保全してください。",
        "Keep the log and the checkpoint exactly as they are.",
    ),
    "chain": (
        "鎖は正常です：{count} 件、最後の記録の指紋 {last}",
        "The chain holds: {count} records, digest of the last one {last}",
    ),
    "checkpoint": (
        "チェックポイントと一致します：最初の {n} 件（{name}）。その後の {newer} 件は次のチェックポイントで確かめてください。",
        "The checkpoint holds: the first {n} records ({name}). The {newer} after them are for the next one.",
    ),
    "torn": (
        "末尾に書きかけの行（{n} バイト）があります。受領の返事をする前のもので、記録ではありません。",
        "At the end is a line half-written ({n} bytes). It was never acknowledged and is no record.",
    ),
    "torn_inside": (
        "途中で終わった書込み（ディスクの満杯など）が {n} か所あり、それぞれ次の記録で閉じられています。記録は失われていません。",
        "{n} writes did not end (a full disk, for instance); the next record closes each. No record is lost.",
    ),
    "no_time": (
        "気付き：時刻として読めない記録が {count} 件あります（最初は記録 {n}）。前後の記録から確かめてください。",
        "Finding: {count} records have no time that can be read (the first is record {n}); look at the records around them.",
    ),
    "another_time": (
        "気付き：出来事の時刻と書いた時刻が 5 分を超えて違う記録が {count} 件あります（最初は記録 {n}）。ログの停止や時計の変更でなければ、時刻が偽られています。",
        "Finding: {count} records tell a time more than 5 minutes from when they were written (the first is record {n}); unless the log had stopped or a clock was set, somebody told a wrong time.",
    ),
    "out_of_order": (
        "気付き：それより前の記録から 5 分を超えて時刻が戻っている記録が {count} 件あります（最初は記録 {n}）。時計の変更でなければ、時刻が偽られています。",
        "Finding: {count} records are more than 5 minutes earlier than one before them (the first is record {n}); unless a clock was set, somebody told a wrong time.",
    ),
    "too_little": (
        "気付き：誰とつながるか（subject）を記していない、古い版の対応付けの記録が {count} 件あります（最初は記録 {n}）。",
        "Finding: {count} records of an earlier version link an account without saying to whom (subject; the first is record {n}).",
    ),
    "no_checkpoint": (
        "チェックポイントがないため、末尾の切取りと、ログ全体の作り直しは分かりません。",
        "Without a checkpoint, a cut tail or a log made again from the start cannot be found.",
    ),
}


Key = tuple[str, bytes, Ed25519PublicKey]  # name, id and key
Row = tuple[str, dict[str, Any]]  # of TEXT, with its values


class Failure(Exception):
    """What does not hold, as a row of TEXT."""

    def __init__(self, kind: str, *, code: int = TAMPERED, **values: int) -> None:
        super().__init__(kind)
        self.kind, self.code, self.values = kind, code, values


def leaf(line: bytes) -> bytes:
    return hashlib.sha256(b"\0" + line).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962, 2.1, with the largest power of two below the number on the left."""
    if len(leaves) < 2:
        return leaves[0] if leaves else hashlib.sha256().digest()
    stack: list[tuple[int, bytes]] = []  # height and digest, the higher the more to the left
    for one in leaves:
        height, digest = 0, one
        while stack and stack[-1][0] == height:
            height, digest = height + 1, node(stack.pop()[1], digest)
        stack.append((height, digest))
    digest = stack.pop()[1]
    while stack:
        digest = node(stack.pop()[1], digest)
    return digest


def node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


def read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        raise Failure("unreadable", code=UNUSABLE) from None


def text_of(key: str) -> str:
    """A key is given as its text or as the file that holds it."""
    return read(key).decode(errors="replace") if os.path.exists(key) else key


def record(line: bytes) -> tuple[int, str | None]:
    """
    The number and the link of a line, or (0, None) for what is no record.

    The bytes of a write that did not end may stand before the record that tells of them, and no other.
    """
    found = parsed(line)
    before = b""
    if found is None:
        before = line[: max(line.rfind(START), 0)]
        found = parsed(line[len(before) :]) if before else None
    if found is None or ((before or found.get("event") == TORN) and not tells_of(found, before)):
        return 0, None
    return found["seq"], found["previous"]


def parsed(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
        return found if isinstance(found["seq"], int) and found["previous"] is not None else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def tells_of(found: dict[str, Any], before: bytes) -> bool:
    told = {"bytes": len(before), "sha256": hashlib.sha256(before).hexdigest()}
    return bool(before) and found.get("event") == TORN and found.get("details") == told


def verify_chain(lines: Sequence[bytes]) -> list[bytes]:
    """The leaves of the tree; raises at the first line that the line before does not lead to."""
    leaves: list[bytes] = []
    previous = "0" * 64
    for number, line in enumerate(lines, start=1):
        found, link = record(line)
        if found != number:
            raise Failure(what_happened(number, found, lines), n=number)
        if link != previous:
            # The line is in its place and points to another one: the line before is not what it was.
            raise Failure("altered", n=max(number - 1, 1))
        leaves.append(leaf(line))
        previous = leaves[-1].hex()
    return leaves


def what_happened(number: int, found: int, lines: Sequence[bytes]) -> str:
    later = [record(line)[0] for line in lines[number:]]
    if found == 0:
        return "inserted" if later[:1] == [number] else "altered"
    if found < number:
        return "inserted"
    return "reordered" if number in later else "deleted"


def whole(line: bytes) -> dict[str, Any]:
    """The record of a line that the chain holds."""
    found = parsed(line)
    return found if found is not None else parsed(line[line.rfind(START) :]) or {}


def moment(told: object) -> datetime | None:
    """A record's time in UTC, which is spelled with a Z; any other spelling is none."""
    try:
        found = datetime.fromisoformat(str(told).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo is not None else None


def what_is_odd(lines: Sequence[bytes]) -> list[Row]:
    """What holds and should still be asked about: times that cannot be, and links that do not say to whom."""
    odd: dict[str, list[int]] = {}
    latest = datetime.min.replace(tzinfo=timezone.utc)  # noqa: UP017 - Python 3.10 has no other name
    for number, line in enumerate(lines, start=1):
        found = whole(line)
        details = found.get("details")
        if found.get("event") == LINKED and "subject" not in (details if isinstance(details, dict) else ()):
            odd.setdefault("too_little", []).append(number)
        told = moment(found.get("time"))
        written = moment(found["written"]) if "written" in found else told
        if told is None or written is None:
            odd.setdefault("no_time", []).append(number)
            continue
        if abs(told - written) > APART:
            odd.setdefault("another_time", []).append(number)
        if written < latest and latest - written > APART:
            odd.setdefault("out_of_order", []).append(number)
        latest = max(latest, written)
    return [(kind, {"count": len(numbers), "n": numbers[0]}) for kind, numbers in odd.items()]


def parse_key(text: str) -> Key:
    """Name, id and key of a C2SP verification key."""
    try:
        name, identity, encoded = text.strip().split("+", 2)
        content = base64.b64decode(encoded, validate=True)
        expected = hashlib.sha256(name.encode() + b"\n" + content).digest()[:4]
        if content[:1] != b"\1" or len(content) != 33 or identity != expected.hex():
            raise ValueError
        return name, expected, Ed25519PublicKey.from_public_bytes(content[1:])
    except ValueError:
        raise Failure("not_a_key", code=UNUSABLE) from None


def open_checkpoint(content: bytes, key: Key) -> tuple[int, bytes]:
    """Size and root that a signed note promises; a C2SP checkpoint is its text."""
    name, identity, public = key
    try:
        text, gap, after = content.decode().rpartition("\n\n")
        origin, size, digest = (text + "\n").split("\n")[:3]
        promised = int(size), base64.b64decode(digest, validate=True)
        words = [line.split(" ") for line in after.splitlines() if line.startswith("— ")]
        signatures = [base64.b64decode(w[2], validate=True) for w in words if len(w) == 3 and w[1] == name]
    except ValueError:
        raise Failure("not_a_checkpoint", code=UNUSABLE) from None
    if not gap or str(promised[0]) != size or promised[0] < 0 or len(promised[1]) != 32:
        raise Failure("not_a_checkpoint", code=UNUSABLE)
    ours = [signature[4:] for signature in signatures if signature[:4] == identity]
    if not ours or origin != name:
        raise Failure("unsigned")
    for signature in ours:
        try:
            public.verify(signature, (text + "\n").encode())
        except InvalidSignature:
            raise Failure("unsigned") from None
    return promised


def verify(log: str, checkpoints: Sequence[str], key: Key | None) -> list[Row]:
    """The lines to print, each a row of TEXT and its values."""
    *lines, torn = read(log).split(b"\n")
    leaves = verify_chain(lines)
    last = leaves[-1].hex() if leaves else "-"
    said: list[Row] = [("chain", {"count": len(leaves), "last": last})]
    for path in checkpoints:
        if key is None:
            raise Failure("not_a_key", code=UNUSABLE)
        size, promised = open_checkpoint(read(path), key)
        if len(leaves) < size:
            raise Failure("cut", n=size, count=len(leaves))
        if root(leaves[:size]) != promised:
            raise Failure("made_again", n=size)
        said.append(("checkpoint", {"n": size, "name": key[0], "newer": len(leaves) - size}))
    inside = sum(TORN.encode() in line and parsed(line) is None for line in lines)
    if inside:
        said.append(("torn_inside", {"n": inside}))
    if torn:
        said.append(("torn", {"n": len(torn)}))
    said += what_is_odd(lines)
    if not checkpoints:
        said.append(("no_checkpoint", {}))
    return said


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="監査ログの検証 / Verify an audit log")
    parser.add_argument("log", help="log.jsonl")
    parser.add_argument(
        "--checkpoint", action="append", default=[], help="保管していたもの / one that was kept; repeatable"
    )
    parser.add_argument("--key", help="検証鍵（ファイルか文字列） / the verification key, a file or its text")
    parser.add_argument("--lang", choices=("ja", "en"), default=os.environ.get("WORKBENCH_LANG", "ja")[:2])
    given = parser.parse_args(arguments)
    if given.checkpoint and not given.key:
        parser.error("--checkpoint には --key が必要です / --checkpoint needs --key")
    language = 1 if given.lang == "en" else 0
    try:
        key = parse_key(text_of(given.key)) if given.key else None
        for kind, values in verify(given.log, given.checkpoint, key):
            print(TEXT[kind][language].format(**values))
    except Failure as failure:
        kinds = [failure.kind, "keep"] if failure.code == TAMPERED else [failure.kind]
        print(" ".join(TEXT[kind][language].format(**failure.values) for kind in kinds), file=sys.stderr)
        return failure.code
    return HOLDS


if __name__ == "__main__":
    sys.exit(main())
