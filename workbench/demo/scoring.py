"""Steps 8 and 9: next year's children are scored by the real command; what must be refused is tried; the log."""

import csv
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.artifact.keys import KeyRing
from workbench.artifact.revocations import Revocations
from workbench.artifact.trust import Trusted
from workbench.demo import cast
from workbench.demo.city import OUTCOMES, RECORDS
from workbench.demo.journal import Figures
from workbench.demo.journey import Journey, refused
from workbench.errors import Refused
from workbench.release import revocations
from workbench.release.registry import registry
from workbench.scoring.batch import score_batch

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
    export = registry(journey.home, journey.state).export(
        MODEL, to=work, now=datetime.now(UTC), by=cast.SECOND_OFFICER
    )
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
    """The `workbench` command of this environment, in the demonstration's home, as its second officer types it."""
    program = Path(sys.executable).with_name("workbench")
    line = [str(program), *map(str, arguments), "--home", str(journey.home.path), "--by", cast.SECOND_OFFICER]
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


@dataclass(frozen=True)
class Attempt:
    """Something scoring must refuse, and the exit code it must refuse it with."""

    what: str
    bundle: Path
    table: Path
    code: int
    options: Mapping[str, Any] = field(default_factory=dict)


def refusals(journey: Journey, export: Path, work: Path) -> list[dict[str, Any]]:
    """Each way a bundle or a table can be wrong, with the exit code and the sentence it was refused with."""
    records = journey.work / RECORDS
    missing, beyond = spoilt(records, export, work)
    tried = (
        Attempt("a changed byte", changed(export, work), records, 11),
        Attempt("unsigned", unsigned(export, work), records, 11),
        Attempt("revoked", export, records, 11, {"revocations": revoked(journey)}),
        Attempt("expired", export, records, 11, {"as_of": date(2199, 4, 1)}),
        Attempt("another purpose", export, records, 10, {"purpose": "another-purpose"}),
        Attempt("a missing item", export, missing, 12),
        Attempt("a value out of range", export, beyond, 12),
    )
    return [attempt(journey, one, out=work / f"out-{number}") for number, one in enumerate(tried)]


def attempt(journey: Journey, one: Attempt, *, out: Path) -> dict[str, Any]:
    """The sentence it was refused with. What is not refused, or refused otherwise, stops the demonstration."""
    now = datetime.now(UTC)
    ordinary = {
        "trusted": Trusted.of(KeyRing.of(journey.home)),
        "revocations": revocations.current(journey.home, now=now),
        "purpose": journey.project.purpose,
        "as_of": now.date(),
    }
    tried = refused(one.what, partial(score_batch, one.bundle, one.table, out, **{**ordinary, **one.options}))
    if tried["exit_code"] != one.code or out.exists():
        raise Refused(
            ja=f"断られるはずの判定（{one.what}）が別の形で終わりました。実演を止めます。",
            en=f"Scoring that must be refused ({one.what}) ended otherwise; the demonstration stops.",
        )
    return tried


def spoilt(records: Path, export: Path, work: Path) -> tuple[Path, Path]:
    """The records without an item of the contract, and with a value that it does not know."""
    frame = pd.read_parquet(records)
    asked = json.loads((export / "contract/input.schema.json").read_bytes())["items"]
    item = asked[0]["name"]
    missing, beyond = work / "missing.parquet", work / "beyond.parquet"
    frame.drop(columns=item).to_parquet(missing)
    frame.assign(**{item: 999}).to_parquet(beyond)
    return missing, beyond


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


def revoked(journey: Journey) -> Revocations:
    """The home's list of revocations, as it would be if it named this model."""
    now = datetime.now(UTC)
    digest = registry(journey.home, journey.state).find(MODEL).manifest
    return revocations.current(journey.home, now=now).revoking(digest, reason="demonstration", now=now)


def log(journey: Journey) -> Figures:
    """The chain of the log, verified."""
    verified = journey.state.verify()
    return {"records": verified.records}
