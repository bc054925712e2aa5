"""What each kind of report shows besides its findings: the tables and figures a reviewer decides on."""

from typing import Any

from workbench.artifact.canonical import canonical, sha256
from workbench.artifact.tree import digest_of
from workbench.data.register import Item
from workbench.privacy.anonymity import metrics
from workbench.privacy.anonymity.measure import AT_RISK, of_spread
from workbench.privacy.anonymity.risk.attackers import prosecutor
from workbench.privacy.anonymity.spread import Spread
from workbench.privacy.dp.questions import MICRO
from workbench.release import measures, rule62
from workbench.release.checks_promise import guarantee
from workbench.release.checks_rows import over_sensitive
from workbench.release.findings import Found, Text
from workbench.release.metrics import metrics_of
from workbench.release.room import Room
from workbench.release.staged import ALIGNMENT, LADDERS, PART, Rows
from workbench.release.staged_model import Candidate
from workbench.release.staged_synthetic import Synthetic
from workbench.release.staged_tables import Tables
from workbench.riskflag import families
from workbench.riskflag.said import labels_of


def row_sections(rows: Rows, found: Found) -> dict[str, Any]:
    """Rule 62, WP29, who was left out, class sizes, what generalisation took, rows that add up."""
    overall = measures.suppression(rows)
    parts = rows.released[PART].value_counts(sort=False)
    return {
        "rule62": rule62.rule62(found),
        "wp29": rule62.wp29(rows, found),
        **together_section(found),
        "suppression": {
            "overall": round(overall.rate, 4),
            "groups": [
                shown(group, least=rows.room.smallest_cell) for group in measures.suppression_by_group(rows)
            ],
        },
        "classes": class_section(rows),
        "risks": risk_section(rows),
        "information_loss": losses(rows),
        **search_section(rows),
        "reconciliation": {
            "source": len(rows.source),
            "outside": int(len(rows.source) - rows.in_scope.sum()),
            "rows_in": overall.rows,
            "rows_out": len(rows.released),
            "suppressed": overall.suppressed,
            "parts": {str(part): int(count) for part, count in parts.items()},
        },
    }


def search_section(rows: Rows) -> dict[str, Any]:
    """What the search said of its optimum; nothing for rows that no search made."""
    said = rows.secret.get("search")
    if said is None:
        return {}
    shown = {name: said[name] for name in ("measure", "score", "bound", "gap", "looked_at", "lattice")}
    return {"search": {**shown, "proved": said["gap"] == 0}}


def together_section(found: Found) -> dict[str, Any]:
    """What the check found of this release and the earlier ones; nothing where it could not be made."""
    finding = found["together"][1]
    told = finding.numbers
    if "earlier" not in told:
        return {}
    section = {
        "earlier": list(told["earlier"]),
        "k_children": told.get("k_together"),
        "k_households": told.get("k_households_together"),
        "isolated": told.get("isolated"),
        "over_years": told.get("over_years"),
        "trainings": told.get("trainings"),
        "epsilon": told.get("epsilon"),
        "epsilon_limit": finding.limits.get("epsilon_total"),
        "ledgers": told.get("ledgers", {}),
    }
    return {"together": section}


def shown(group: measures.Left, *, least: int) -> dict[str, Any]:
    """A group's rate, unless the group is too small for its rate to be shown."""
    return {
        "id": group.id,
        "label": group.label.to_json(),
        "of": group.of,
        "rate": round(group.rate, 3) if group.rows >= least else None,
    }


def class_section(rows: Rows) -> dict[str, Any]:
    classes = rows.classes
    return {
        "smallest": metrics.k_children(classes),
        "smallest_households": None if classes.households is None else metrics.k_households(classes),
        "average": round(float(classes.rows.mean()), 2),
        "count": len(classes),
        "sizes": measures.size_bands(classes),
    }


# What the report tells of every sensitive item, whether the policy has a limit for it or not.
TOLD = ("entropy_l", "recursive_c", "alpha", "t_closeness", "delta_disclosure", "basic_beta", "enhanced_beta")


def risk_section(rows: Rows) -> dict[str, Any]:
    """How surely a child is found by somebody who knows it is there, and what a class tells of each item."""
    attack = prosecutor(rows.classes)
    chances = {
        "highest": attack.highest,
        "average": attack.success,
        "rows_at_risk": attack.at_risk(above=AT_RISK),
        "sample_uniques": metrics.sample_uniques(rows.classes),
    }
    return {
        "prosecutor": {name: round(value, 4) for name, value in chances.items()},
        "sensitive": [
            {"item": item, "label": dict(rows.table[item].label), **told}
            for item, told in over_sensitive(rows, diversity_told).items()
        ],
    }


def diversity_told(spread: Spread) -> dict[str, float | None]:
    measured = of_spread(spread)
    return {name: None if (value := measured[name]) is None else round(float(value), 4) for name in TOLD}


def losses(rows: Rows) -> list[dict[str, Any]]:
    """Every item this project may receive, released or left out, in the register's order."""
    return [loss_of(rows, item) for item in rows.room.releasable(rows.table)]


def loss_of(rows: Rows, item: Item) -> dict[str, Any]:
    released = item.name in rows.columns
    level, height = rows.secret["levels"].get(item.name, [None, None])
    spec = rows.recipe["items"].get(item.name, {"kind": "keep"})
    treatment = (
        "dropped" if not released else "kept" if spec["kind"] == "keep" or level == 0 else "generalised"
    )
    return {
        "item": item.name,
        "label": dict(item.label),
        "role": item.role.value,
        "treatment": treatment,
        "level": level,
        "height": height,
        "categories": rows.released[item.name].nunique(dropna=False) if released else 0,
        "loss": round(measures.loss(item.name, rows), 4) if released else 1.0,
    }


def row_provenance(rows: Rows) -> dict[str, Any]:
    return {
        "source": rows.secret["source"],
        "recipe": sha256(canonical(dict(rows.recipe))),
        "alignment": digest_of(rows.evidence / ALIGNMENT),
        **({"hierarchies": digest_of(rows.evidence / LADDERS)} if rows.secret.get("search") else {}),
        **({"steps": rows.steps.digest} if rows.steps else {}),
        "output": rows.output_digest,
    }


def synthetic_provenance(staged: Synthetic) -> dict[str, Any]:
    """With the digest of the numbers that reviewers read: the report they vote on is about these."""
    return {
        "source": source_digest(staged.room),
        "alignment": digest_of(staged.evidence / ALIGNMENT),
        "metrics": sha256(canonical(metrics_of(staged))),
    }


def table_provenance(staged: Tables) -> dict[str, Any]:
    return {"source": source_digest(staged.room)}


def source_digest(room: Room) -> str:
    return digest_of(room.home.raw / f"{room.project.source}.parquet")


def synthetic_sections(staged: Synthetic, found: Found) -> dict[str, Any]:
    """WP29's three questions; what was measured stays with the reviewers (`metrics`)."""
    promise = {"guarantee": guarantee(staged)}
    return {**promise, "wp29": rule62.wp29_synthetic(found), **together_section(found)}


def table_sections(staged: Tables, found: Found) -> dict[str, Any]:
    """Each table with its price and margin of error."""
    known = staged.room.register[staged.room.project.source]
    return {
        "tables": [
            {
                "label": joined([Text(**known[item].label) for item in table["items"]]).to_json(),
                "unit": "household" if staged.room.household else "person",
                "epsilon": table["epsilon_micro"] / MICRO,
                "margin": table["margin_95"],
                "cells": table["cells"],
            }
            for table in staged.listed
        ],
        **together_section(found),
    }


def joined(labels: list[Text]) -> Text:
    return Text(ja=" × ".join(label.ja for label in labels), en=" × ".join(label.en for label in labels))


def model_sections(candidate: Candidate, _: Found) -> dict[str, Any]:
    """The evaluation as run again in this room, with the words of its items and, where known, its families."""
    data = candidate.evaluated
    homes = candidate.households_of(candidate.test.name)
    visits = (
        {}
        if homes is None or data["too_few"]
        else {
            "families": families.counted(
                candidate.model,
                candidate.definition,
                train=candidate.train,
                test=candidate.test,
                homes=homes,
                min_cell=data["min_cell"],
            )
        }
    )
    return {"evaluation": {**data, **visits, "labels": labels_of(data, candidate.train.dictionary)}}


def model_provenance(candidate: Candidate) -> dict[str, Any]:
    """The release it was trained on, that release's report, and the notebook."""
    return {
        "dataset": candidate.source.digest,
        "dataset_report": candidate.source.report,
        "notebook": candidate.lineage["notebook"],
    }
