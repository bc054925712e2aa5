"""
Two versions of a model beside each other, and what a withdrawn one has left behind.

What changed decides which part of the version number must rise: another target, purpose, contract or
recoding the first; other points or another threshold the second; words alone the third.
"""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from workbench.artifact.canonical import canonical, parse_canonical, sha256
from workbench.artifact.tree import read_capped
from workbench.audit import Event
from workbench.errors import Untrusted
from workbench.release.findings import Text
from workbench.release.shelf import Opened, order
from workbench.scoring import model as models
from workbench.scoring import plain_json
from workbench.scoring.model import Feature
from workbench.scoring.scorer import CONTRACT, EVALUATION, MODEL, RECODE
from workbench.state import State

DEFINITION = "provenance/definition.json"
LINEAGE = "provenance/lineage.json"
PARTS = ("major", "minor", "patch")
MAX_BATCH = 1 << 20
MAX_LIST = 1 << 30


def compared(before: Opened, after: Opened) -> dict[str, Any]:
    """Both versions, line by line, and which part of the number their difference asks for."""
    read = [contents(one) for one in (before, after)]
    rows = [
        {"line": line, "label": label.to_json(), "before": read[0][line], "after": read[1][line]}
        for line, label in LINES.items()
    ]
    asked, found = bump(*read), raised(before.entry.version, after.entry.version)
    return {
        "before": before.entry.id,
        "after": after.entry.id,
        "lines": [{**row, "same": row["before"] == row["after"]} for row in rows],
        "points": moved_points(before, after),
        "asks_for": asked,
        "raised": found,
        "as_it_should": asked is None or (found is not None and PARTS.index(found) <= PARTS.index(asked)),
    }


LINES = {
    "target": Text("予測の対象", "Target"),
    "purpose": Text("利用目的", "Purpose"),
    "dataset": Text("学習に使った公開データ", "Training release"),
    "estimator": Text("推定の方法", "Estimator"),
    "features": Text("項目", "Items"),
    "threshold": Text("しきい値", "Threshold"),
    "capacity": Text("訪問できる人数", "Capacity"),
    "auc": Text("順位付けの力（AUC）", "Ranking (AUC)"),
    "precision": Text("適合率（訪問できる人数で）", "Precision at capacity"),
    "missed": Text("見逃し", "Missed"),
    "false_alarms": Text("空振り", "False alarms"),
    "contract": Text("入力契約", "Input contract"),
    "recoding": Text("変換表", "Recoding"),
    "model": Text("点数表", "Points"),
    "valid_until": Text("有効期限", "Valid until"),
}


def contents(opened: Opened) -> dict[str, Any]:
    """What the comparison shows of one version, from its verified files."""

    def content(path: str) -> bytes:
        return opened.admission.manifest.content(opened.folder, path)

    model = models.read(content(MODEL))
    evaluation = plain_json.read(content(EVALUATION), name=EVALUATION)
    training = plain_json.read(content(DEFINITION), name=DEFINITION)["training"]
    chosen: Mapping[str, Any] = next((row for row in evaluation.get("capacity", ()) if row["chosen"]), {})
    return {
        "target": model.target,
        "purpose": opened.admission.purpose,
        "dataset": plain_json.read(content(LINEAGE), name=LINEAGE)["dataset"]["digest"],
        "estimator": training["estimator"],
        "features": sorted(model.items),
        "threshold": model.threshold.score,
        "capacity": vars(model.threshold.capacity),
        "auc": value(evaluation.get("auc")),
        "precision": value(chosen.get("precision")),
        "missed": chosen.get("missed"),
        "false_alarms": chosen.get("false_alarms"),
        "contract": sha256(content(CONTRACT)),
        "recoding": sha256(content(RECODE)),
        "model": sha256(content(MODEL)),
        "valid_until": opened.entry.valid_until[:10],
    }


def value(interval: Any) -> Any:
    return interval["value"] if isinstance(interval, dict) else None


def bump(before: Mapping[str, Any], after: Mapping[str, Any]) -> str | None:
    """The part of the number that must rise; None where nothing that counts has changed."""
    changed = {line for line in LINES if before[line] != after[line]}
    if changed & {"target", "purpose", "contract", "recoding"}:
        return "major"
    if changed & {"model", "threshold", "capacity"}:
        return "minor"
    return "patch" if changed else None


def raised(before: str, after: str) -> str | None:
    """The first part of the number that rose; None where none did."""
    pairs = zip(order(before), order(after), PARTS, strict=False)
    return next((part for old, new, part in pairs if new > old), None)


def moved_points(before: Opened, after: Opened) -> list[dict[str, Any]]:
    """Each item's points in either version, place by place, where they differ."""
    old, new = (
        {
            feature.name: places(feature)
            for feature in models.read(one.admission.manifest.content(one.folder, MODEL)).features
        }
        for one in (before, after)
    )
    return [
        {"item": item, "place": place, "before": was.get(place), "after": now.get(place)}
        for item in sorted(old.keys() | new.keys())
        for was, now in [(old.get(item, {}), new.get(item, {}))]
        for place in sorted(was.keys() | now.keys())
        if was.get(place) != now.get(place)
    ]


def places(feature: Feature) -> dict[str, int]:
    """The points of a feature by the name of the place; intervals by their edges."""
    edges = feature.edges
    names = feature.places if edges is None else [interval(edges, place) for place in range(len(edges) + 1)]
    return {**dict(zip(names, feature.points, strict=True)), "(missing)": feature.missing}


def interval(edges: tuple[float, ...], place: int) -> str:
    low = "" if place == 0 else f"{edges[place - 1]:g}"
    high = "" if place == len(edges) else f"{edges[place]:g}"
    return f"{low}–{high}"


def batches(state: State, manifest: str) -> list[dict[str, Any]]:
    """Every batch that was scored with this version, as the log has it, oldest first."""
    return [
        {"time": record["time"], "by": record["actor"], **record["details"]}
        for record in state.log.of_kind(Event.BATCH_SCORED)
        if record["details"]["model"] == manifest
    ]


def flagged(scored: list[dict[str, Any]], *, among: Path) -> Iterator[dict[str, str]]:
    """
    Each candidate of these batches that lies under the folder `among`: batch and reference.

    A batch's folder is known by its digests, whatever it is called; one that was changed raises Untrusted.
    """
    wanted = {one["output"]: one for one in scored}
    for path in sorted(among.rglob("batch.json")):
        summary = parse_canonical(read_capped(path, limit=MAX_BATCH), name="batch.json")
        batch = sha256(canonical(summary))
        if batch in wanted:
            content = read_capped(path.with_name("candidates.csv"), limit=MAX_LIST)
            if sha256(content) != summary["outputs"]["candidates.csv"]:
                raise changed_list()
            for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")):
                yield {"batch": batch, "scored": wanted[batch]["time"], "child_ref": row["child_ref"]}


def changed_list() -> Untrusted:
    return Untrusted(
        ja="候補の一覧が、判定の記録から変わっています。監査責任者に連絡してください。",
        en="A list of candidates has changed since it was recorded; tell the auditor.",
    )


def shown(compared: Mapping[str, Any]) -> str:
    """The comparison as a table of text."""
    lines = [f"{'':30}  {compared['before']:>28}  {compared['after']:>28}"]
    for row in compared["lines"]:
        mark = " " if row["same"] else "*"
        cells = [short(row[side]) for side in ("before", "after")]
        lines.append(f"{mark} {row['label']['en']:28}  {cells[0]:>28}  {cells[1]:>28}  {row['label']['ja']}")
    lines += [
        f"  {point['item']} {point['place']}: {point['before']} → {point['after']}"
        for point in compared["points"]
    ]
    return "\n".join(lines)


def short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 28 else f"{text[:25]}..."
