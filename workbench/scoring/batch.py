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
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import rfc8785

from workbench.artifact.revocations import Revocations
from workbench.artifact.verifying import Admission, Trusted, verify_bundle
from workbench.errors import Refused, Unusable
from workbench.home import publish_folder
from workbench.scoring import contract, drift, engine, reasons, records
from workbench.scoring.engine import Mask, Scored
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


@dataclass(frozen=True)
class Judged:
    """What became of every row: rejected (by item), not eligible, scored, candidate."""

    references: list[str]
    scored: Scored
    rejected: dict[str, Mask]
    eligible: Mask
    considered: Mask
    candidates: Mask
    missing: dict[str, float]


def score_batch(
    bundle: Path,
    records_path: Path,
    out: Path,
    *,
    trusted: Trusted,
    revocations: Revocations | None,
    purpose: str,
    as_of: date,
    record: Callable[[dict[str, Any]], None] | None = None,
    show_scores: bool = False,
) -> dict[str, Any]:
    """
    Score the records with the bundle into the new folder `out`; the content of its batch.json.

    The list tells the order and the reasons; `show_scores` adds the scores, and batch.json says so.
    `record` is told the summary before the folder appears: where it fails, nothing is published.

    Raises Untrusted for a bundle that is unsigned, changed, revoked, expired or scores its golden rows
    differently; Refused for another purpose; Unusable for records that break the input contract.
    """
    refuse_existing(out)
    admission = verify_bundle(bundle, trusted=trusted, now=moment(as_of), revocations=revocations)
    refuse_other_use(admission, purpose=purpose)
    # Each file is checked again as it is read: what was verified is what scores.
    scorer = Scorer.read(partial(admission.manifest.content, bundle))
    golden = scorer.prove()
    content = records.content_of(records_path)
    judged = judge(scorer, records.read(content, suffix=records_path.suffix.lower()))
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
        "demonstration": trusted.demonstration,
        "name": admission.manifest.name,
        "version": admission.manifest.version,
        "purpose": purpose,
        "as_of": as_of.isoformat(),
        "records": hashlib.sha256(content).hexdigest(),
        "golden_rows": golden,
        "scores_shown": show_scores,
        **counts(scorer, judged),
        "outputs": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    if record is not None:
        record(summary)
    publish({**files, "batch.json": rfc8785.dumps(summary)}, out)
    return summary


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


def judge(scorer: Scorer, table: Any) -> Judged:
    """Hold the table to the contract, recode it, score it, and choose the candidates."""
    accepted = contract.accept(scorer.contract, table)
    recoded = scorer.recoded(accepted.table)
    scored = engine.score(scorer.model, recoded)
    rejected = unseen_by_item(scorer, accepted, scored)
    whole = ~np.logical_or.reduce([*rejected.values(), scored.rejected])
    eligible = engine.eligible(scorer.model, recoded)
    considered = whole & eligible
    candidates = np.zeros(table.num_rows, dtype=bool)
    candidates[considered] = engine.candidates(scored.scores[considered], scorer.model.threshold)
    return Judged(
        references=accepted.references,
        scored=scored,
        rejected=rejected,
        eligible=eligible,
        considered=considered,
        candidates=candidates,
        missing=dict(accepted.missing),
    )


def unseen_by_item(scorer: Scorer, accepted: contract.Accepted, scored: Scored) -> dict[str, Mask]:
    """For each item, the rows whose category neither the contract nor the model knows."""
    unseen = {item: accepted.unseen[item].copy() for item in scorer.model.items}
    for column, feature in enumerate(scorer.model.features):
        if feature.unseen is None:
            unseen[feature.name] |= scored.places[:, column] == engine.UNSEEN_PLACE
    return unseen


def candidate_rows(scorer: Scorer, judged: Judged, *, show_scores: bool) -> Iterable[tuple[object, ...]]:
    """The candidates, highest score first; equal scores share a rank and stand by reference."""
    scores = judged.scored.scores
    rows = sorted(np.flatnonzero(judged.candidates), key=lambda row: (-scores[row], judged.references[row]))
    rank = 0
    for position, row in enumerate(rows, start=1):
        if position == 1 or scores[row] != scores[rows[position - 2]]:
            rank = position
        why = [
            reasons.reasons(scorer.model, judged.scored, row, texts=scorer.texts[language], most=MOST_REASONS)
            for language in reasons.LANGUAGES
        ]
        missing = reasons.not_known(scorer.model, judged.scored, row, texts=scorer.texts)
        shown = (int(scores[row]),) if show_scores else ()
        yield (judged.references[row], rank, FLAG, *why, missing, "true", *shown)


def rejected_rows(judged: Judged) -> Iterable[tuple[object, ...]]:
    """Who could not be scored, and why: nobody disappears silently."""
    rejected = np.logical_or.reduce(list(judged.rejected.values()))
    for row in sorted(np.flatnonzero(rejected), key=lambda row: judged.references[row]):
        items = ", ".join(item for item, mask in judged.rejected.items() if mask[row])
        yield (
            judged.references[row],
            f"未知の区分のため点数を付けていません（{items}）",
            f"Not scored: a category the model does not know ({items})",
        )


def counts(scorer: Scorer, judged: Judged) -> dict[str, Any]:
    """The batch in numbers, without a value of any row."""
    threshold = scorer.model.threshold
    considered = judged.scored.scores[judged.considered]
    above = int((considered >= threshold.score).sum())
    rejected = np.logical_or.reduce(list(judged.rejected.values()))
    return {
        "rows": len(judged.references),
        "rejected": int(rejected.sum()),
        "rejected_by_item": {item: int(mask.sum()) for item, mask in judged.rejected.items() if mask.any()},
        "not_eligible": int((~judged.eligible & ~rejected).sum()),
        "scored": len(considered),
        "threshold": threshold.score,
        "tie_rule": threshold.tie_rule,
        "capacity": threshold.capacity.of(len(considered)),
        "at_or_above_threshold": above,
        "candidates": int(judged.candidates.sum()),
        "left_out_by_capacity": above - int(judged.candidates.sum()),
        "missing_rates": {item: round(rate, 4) for item, rate in judged.missing.items()},
        "stability_index": drift.indices(
            scorer.model, rows_of(judged.scored, judged.considered), reference=scorer.reference
        ),
        "score_is": "milli-logits for ranking; not a probability",
        "requires_human_assessment": True,
    }


def rows_of(scored: Scored, mask: Mask) -> Scored:
    return Scored(
        scores=scored.scores[mask],
        contributions=scored.contributions[mask],
        places=scored.places[mask],
        rejected=scored.rejected[mask],
    )


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
