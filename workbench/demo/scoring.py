"""Steps 8 and 9: next year's children are scored by the real command; what must be refused is tried; the log."""

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.artifact.keys import KeyRing
from workbench.artifact.signing import sign
from workbench.artifact.trust import ADMITTERS, Trusted
from workbench.demo.city import OUTCOMES, RECORDS
from workbench.demo.journal import Figures
from workbench.demo.journey import Journey
from workbench.errors import Refused
from workbench.release import revocations
from workbench.release.registry import registry

MODEL = "school-attendance"
TARGET = "absent_30d_next_year"
CANDIDATES = "candidates"
# Fewer events than this among the candidates and a precision is noise.
FEWEST = 10


def scoring(journey: Journey) -> Figures:
    """Score next year with the admitted model, judge it by what came, and try what must be refused."""
    work = journey.work / "scoring"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    export = registry(journey.home, journey.state).export(MODEL, to=work, now=datetime.now(UTC))
    out = journey.home.path / CANDIDATES
    shutil.rmtree(out, ignore_errors=True)
    purpose = journey.project.purpose
    done = command(journey, "score", export, journey.work / RECORDS, "-o", out, "--purpose", purpose)
    if done.returncode:
        raise Refused(ja=done.stderr.strip(), en=done.stderr.strip())
    batch = json.loads((out / "batch.json").read_bytes())
    return {
        "rows": batch["rows"],
        "scored": batch["scored"],
        "candidates": batch["candidates"],
        "outcome": outcome(journey, out / "candidates.csv"),
        "out": str(out / "candidates.csv"),
        "refused": refusals(journey, export, work),
    }


def command(journey: Journey, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """The `workbench` command of this environment, in the demonstration's home."""
    program = Path(sys.executable).with_name("workbench")
    line = [str(program), *map(str, arguments), "--home", str(journey.home.path)]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def outcome(journey: Journey, listed: Path) -> dict[str, Any]:
    """Of the candidates, how many came to have the difficulty; None where there are too few to say."""
    came = pd.read_parquet(journey.work / OUTCOMES).set_index("child_id")[TARGET]
    with listed.open(encoding="utf-8-sig", newline="") as file:
        found = came.reindex([row["child_ref"] for row in csv.DictReader(file)])
    right, known = int((found == "yes").sum()), int(found.notna().sum())
    total = int((came == "yes").sum())
    enough = right >= FEWEST
    return {
        "candidates_with_known_outcome": known,
        "precision": round(right / known, 3) if enough else None,
        "recall": round(right / total, 3) if enough else None,
    }


def refusals(journey: Journey, export: Path, work: Path) -> list[dict[str, Any]]:
    """Each way a bundle or a table can be wrong, with the exit code and the sentence it was refused with."""
    records = journey.work / RECORDS
    frame = pd.read_parquet(records)
    asked = json.loads((export / "contract/input.schema.json").read_bytes())["items"]
    frame.drop(columns=asked[0]["name"]).to_parquet(work / "missing.parquet")
    frame.assign(grade=999).to_parquet(work / "range.parquet")
    tried = (
        Attempt("a changed byte", changed(export, work), records, 11),
        Attempt("unsigned", unsigned(export, work), records, 11),
        Attempt("revoked", export, records, 11, tuple(revoked(journey, work))),
        Attempt("expired", export, records, 11, ("--as-of", "2199-04-01")),
        Attempt("another purpose", export, records, 10, ("--purpose", "another-purpose")),
        Attempt("a missing item", export, work / "missing.parquet", 12),
        Attempt("a value out of range", export, work / "range.parquet", 12),
    )
    return [attempt(journey, one, out=work / f"out-{number}") for number, one in enumerate(tried)]


@dataclass(frozen=True)
class Attempt:
    """Something `workbench score` must refuse, and the exit code it must refuse it with."""

    what: str
    bundle: Path
    table: Path
    code: int
    options: tuple[str, ...] = ()


def attempt(journey: Journey, one: Attempt, *, out: Path) -> dict[str, Any]:
    """The sentence it was refused with. What is not refused, or refused otherwise, stops the demonstration."""
    purpose = [] if "--purpose" in one.options else ["--purpose", journey.project.purpose]
    done = command(journey, "score", one.bundle, one.table, "-o", out, *purpose, *one.options)
    if done.returncode != one.code or out.exists():
        raise Refused(
            ja=f"断られるはずの判定（{one.what}）が終了コード {done.returncode} で終わりました。実演を止めます。",
            en=f"Scoring that must be refused ({one.what}) ended with exit code {done.returncode}; the demonstration stops.",
        )
    sentence = done.stderr.strip()
    return {"tried": one.what, "exit_code": one.code, "ja": sentence, "en": sentence}


def changed(export: Path, work: Path) -> Path:
    """A copy with one byte of its model changed."""
    copy = Path(shutil.copytree(export, work / "changed"))
    model = copy / "model/model.json"
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    return copy


def unsigned(export: Path, work: Path) -> Path:
    """A copy without its signatures."""
    copy = Path(shutil.copytree(export, work / "unsigned"))
    (copy / "release.dsse.json").unlink()
    return copy


def revoked(journey: Journey, work: Path) -> list[str]:
    """Options for a scoring stage elsewhere, whose list of revocations names this model."""
    ring = KeyRing.of(journey.home)
    now = datetime.now(UTC)
    digest = registry(journey.home, journey.state).find(MODEL).manifest
    listed = revocations.current(journey.home, now=now).revoking(digest, reason="demonstration", now=now)
    (work / "trusted.json").write_bytes(Trusted.of(ring).to_json())
    (work / "revoked.json").write_bytes(sign(listed.statement(), [ring.signer(ADMITTERS[0])]))
    return ["--trust", str(work / "trusted.json"), "--revocations", str(work / "revoked.json")]


def log(journey: Journey) -> Figures:
    """The chain of the log, verified."""
    verified = journey.state.verify()
    return {"records": verified.records}
