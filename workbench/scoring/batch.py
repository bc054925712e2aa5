"""
Scoring a batch: a verified bundle and a table of records in, a folder with the candidates out.

The order is the order of trust and never goes back: bundle, purpose, model files, golden rows, input
contract, then scores. Whatever fails ends the batch and leaves no folder. A candidate is someone to look
at, decided by a person; the score ranks and is no probability.
"""

import csv
import hashlib
import io
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785

from workbench.artifact.canonical import parse_canonical
from workbench.artifact.revocations import Revocations
from workbench.artifact.tree import read_capped
from workbench.artifact.verifying import Admission, Trusted, verify_bundle
from workbench.errors import Refused, Untrusted, Unusable
from workbench.home import publish_folder
from workbench.scoring import drift, engine, reasons, records
from workbench.scoring.judging import Inspect, Judged, judge
from workbench.scoring.scorer import Scorer

SCHEMA = "riskflag-batch/1"
FLAG = "支援確認の候補"
COLUMNS = (
    "child_ref",
    "rank",
    "flag",
    "reasons_ja",
    "reasons_en",
    "missing_sources",
    "requires_human_assessment",
)
# Shown only when it is asked for by name: a number beside a child is soon read as a degree of danger.
SCORE = "score"
MOST_REASONS = 3
MAX_SUMMARY = 1 << 20


@dataclass(frozen=True)
class Limits:
    """
    What stops a batch at run time; handed in by whoever opens the room.

    `drift`: the stability index from which on an item has moved too far; None where people have accepted it.
    """

    drift: float | None = None


def score_batch(
    bundle: Path,
    records_path: Path,
    out: Path,
    *,
    trusted: Trusted,
    revocations: Revocations | None,
    purpose: str,
    as_of: date,
    limits: Limits | None = None,
    inspect: Inspect | None = None,
    record: Callable[[dict[str, Any]], None] | None = None,
    show_scores: bool = False,
) -> dict[str, Any]:
    """
    Score the records with the bundle into the new folder `out`; the content of its batch.json.

    The list tells the order and the reasons; `show_scores` adds the scores, and batch.json says so.
    `inspect` is shown each piece of the records before anything is done with it. `record` is told the summary
    before the folder appears: where either raises, nothing is published.

    Raises Untrusted for a bundle that is unsigned, changed, revoked, expired or scores its golden rows
    differently; Refused for another purpose, or a batch that has moved too far from the training table;
    Unusable for records that break the input contract.
    """
    refuse_existing(out)
    admission = verify_bundle(bundle, trusted=trusted, now=moment(as_of), revocations=revocations)
    refuse_other_use(admission, purpose=purpose)
    summary, files, scorer = scored_files(
        admission,
        bundle,
        records_path,
        as_of=as_of,
        demonstration=trusted.demonstration,
        show_scores=show_scores,
        inspect=inspect,
    )
    refuse_moved(summary, scorer, limits or Limits())
    if record is not None:
        record(summary)
    publish({**files, "batch.json": rfc8785.dumps(summary)}, out)
    return summary


def replay(bundle: Path, records_path: Path, out: Path, *, trusted: Trusted) -> dict[str, Any]:
    """
    Score an earlier batch once more and return its summary; `out` is the folder it was written to.

    The bundle must be the one that scored it, at the moment it was admitted: what has expired or was revoked
    since can still be looked into, for nothing is published. Raises Untrusted unless the records, every
    output and the summary are the same to the byte.
    """
    said = read_capped(out / "batch.json", limit=MAX_SUMMARY)
    told = parse_canonical(said, name="batch.json")
    admission = verify_bundle(bundle, trusted=trusted, now=datetime.min.replace(tzinfo=UTC))
    refuse_other_use(admission, purpose=told["purpose"])
    summary, files, _ = scored_files(
        admission,
        bundle,
        records_path,
        as_of=date.fromisoformat(told["as_of"]),
        demonstration=trusted.demonstration,
        show_scores=told.get("scores_shown") is True,
        inspect=None,
    )
    differing = [name for name, data in files.items() if (out / name).read_bytes() != data]
    if differing or rfc8785.dumps(summary) != said:
        other = sorted(name for name in {*summary, *told} if summary.get(name) != told.get(name))
        raise Untrusted(
            ja=f"判定をやり直すと、記録と違う結果になりました（{', '.join([*differing, *other])}）。監査責任者に連絡してください。",
            en=f"Scored again, the batch differs from its record ({', '.join([*differing, *other])}); tell the auditor.",
        )
    return summary


def scored_files(
    admission: Admission,
    bundle: Path,
    records_path: Path,
    *,
    as_of: date,
    demonstration: str | None,
    show_scores: bool,
    inspect: Inspect | None,
) -> tuple[dict[str, Any], dict[str, bytes], Scorer]:
    """The summary of a batch and its files, written nowhere."""
    # Each file is checked again as it is read: what was verified is what scores.
    scorer = Scorer.read(partial(admission.manifest.content, bundle))
    golden = scorer.prove()
    with records.opened(records_path) as opened:
        judged = judge(scorer, opened.chunks(), inspect=inspect)
        digest = opened.digest
    files = {
        "candidates.csv": as_csv(
            (*COLUMNS, *([SCORE] if show_scores else [])),
            candidate_rows(scorer, judged, show_scores=show_scores),
        ),
        "not_scored.csv": as_csv(("child_ref", "reason_ja", "reason_en"), rejected_rows(judged)),
    }
    summary = {
        "schema": SCHEMA,
        "engine": engine.VERSION,
        "bundle": admission.manifest.digest,
        "demonstration": demonstration,
        "name": admission.manifest.name,
        "version": admission.manifest.version,
        "purpose": admission.purpose,
        "as_of": as_of.isoformat(),
        "records": digest,
        "golden_rows": golden,
        "scores_shown": show_scores,
        **counts(scorer, judged),
        "outputs": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    return summary, files, scorer


def refuse_moved(summary: Mapping[str, Any], scorer: Scorer, limits: Limits) -> None:
    """Raise Refused where an item is no longer as the model learnt it: people look before anybody is listed."""
    if limits.drift is None:
        return
    found = drift.moved(
        summary["stability_index"], reference=scorer.reference, rows=summary["scored"], limit=limits.drift
    )
    if found:
        raise Refused(
            ja=f"学習時から分布が大きく変わった項目があるため、判定を止めました：{', '.join(found)}（安定性指標 {limits.drift:g} 超）。元のデータの変化を確かめ、承知の上で続けるときは --accept-drift を付けてください。",
            en=f"Stopped: {', '.join(found)} moved too far from the training table (stability index above {limits.drift:g}). Look into the source; to go on knowing it, add --accept-drift.",
        )


def moment(as_of: date) -> datetime:
    """The moment a bundle must be valid at: the day asked for, and never one in the past."""
    return max(datetime.combine(as_of, time(), tzinfo=UTC), datetime.now(UTC))


def refuse_existing(out: Path) -> None:
    if out.exists() or not out.parent.is_dir():
        raise Refused(
            ja="出力先は、既にあるフォルダの中の、まだない名前にしてください。前の結果は上書きしません。",
            en="Name an output folder that does not exist yet, inside one that does; results are never overwritten.",
        )


def refuse_other_use(admission: Admission, *, purpose: str) -> None:
    """A dataset is no model, and a model admitted for one purpose serves no other."""
    if admission.manifest.kind != "model":
        raise Unusable(
            ja="この成果物は判定モデルではありません。登録簿の判定モデルを指定してください。",
            en="This bundle is not a model; name a model of the registry.",
        )
    if admission.purpose != purpose:
        raise Refused(
            ja="この判定モデルは別の利用目的で承認されています。その目的には使えません。目的に合う判定モデルを登録簿から選んでください。",
            en="This model was admitted for another purpose and may not serve this one; choose one that was admitted for it.",
        )


def candidate_rows(scorer: Scorer, judged: Judged, *, show_scores: bool) -> Iterable[tuple[object, ...]]:
    """The candidates, highest score first; equal scores share a rank and stand by reference."""
    scored, references = judged.held.scored, judged.held.references
    scores = scored.scores
    rows = sorted(np.flatnonzero(judged.candidates), key=lambda row: (-scores[row], references[row]))
    rank = 0
    for position, row in enumerate(rows, start=1):
        if position == 1 or scores[row] != scores[rows[position - 2]]:
            rank = position
        why = [
            reasons.reasons(scorer.model, scored, row, texts=scorer.texts[language], most=MOST_REASONS)
            for language in reasons.LANGUAGES
        ]
        missing = reasons.not_known(scorer.model, scored, row, texts=scorer.texts)
        shown = (int(scores[row]),) if show_scores else ()
        yield (references[row], rank, FLAG, *why, missing, "true", *shown)


def rejected_rows(judged: Judged) -> Iterable[tuple[object, ...]]:
    """Who could not be scored, and why: nobody disappears silently."""
    for reference, found in sorted(judged.why_not):
        items = ", ".join(found)
        yield (
            reference,
            f"未知の区分のため点数を付けていません（{items}）",
            f"Not scored: a category the model does not know ({items})",
        )


def counts(scorer: Scorer, judged: Judged) -> dict[str, Any]:
    """The batch in numbers, without a value of any row."""
    threshold = scorer.model.threshold
    above, candidates = len(judged.held.references), int(judged.candidates.sum())
    by_item = Counter(item for _, items in judged.why_not for item in items)
    return {
        "rows": judged.rows,
        "rejected": len(judged.why_not),
        "rejected_by_item": {item: by_item[item] for item in scorer.model.items if by_item[item]},
        "not_eligible": judged.not_eligible,
        "scored": judged.scored,
        "threshold": threshold.score,
        "tie_rule": threshold.tie_rule,
        "capacity": threshold.capacity.of(judged.scored),
        "at_or_above_threshold": above,
        "candidates": candidates,
        "left_out_by_capacity": above - candidates,
        "missing_rates": {item: round(rate, 4) for item, rate in judged.missing.items()},
        "stability_index": drift.indices(scorer.model, judged.places, reference=scorer.reference),
        "score_is": "milli-logits for ranking; not a probability",
        "requires_human_assessment": True,
    }


def as_csv(header: Iterable[str], rows: Iterable[tuple[object, ...]]) -> bytes:
    """UTF-8 with a mark and CRLF, as spreadsheets read it; no cell is a formula."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode("utf-8-sig")


def harmless(cell: object) -> object:
    """A text a spreadsheet would run gets a leading quotation mark; numbers pass."""
    return f"'{cell}" if isinstance(cell, str) and cell[:1] in "=+-@\t\r" and cell else cell


def publish(files: dict[str, bytes], out: Path) -> None:
    """Make `out` appear with all its files, or not at all."""
    aside = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}.", suffix=".aside"))
    try:
        for name, data in files.items():
            (aside / name).write_bytes(data)
        publish_folder(aside, out)
    except BaseException:
        shutil.rmtree(aside, ignore_errors=True)
        raise
