"""
Examining a request: the room and the staged files go in, the report comes out.

What a kind of release shows besides its findings stands in `SECTIONS`, beside the checks of its kind.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from workbench.artifact.canonical import canonical, sha256
from workbench.data.registers import Registers
from workbench.errors import WorkbenchError
from workbench.governance.charter import Projects
from workbench.home import Home
from workbench.policy import Policy
from workbench.privacy.anonymity import metrics
from workbench.privacy.dp.questions import MICRO
from workbench.release import checks, measures, report, rule62, staging
from workbench.release.findings import Check, Finding, Found, Text, Verdict
from workbench.release.requests import Request
from workbench.release.room import Room
from workbench.release.staged import PART, Rows
from workbench.release.staged_synthetic import Synthetic
from workbench.release.staged_tables import Tables
from workbench.state import State


@dataclass(frozen=True)
class View:
    """How one protection is read from its staging folder and what its report shows."""

    stage: Callable[..., Any]
    sections: Callable[[Any, Found], dict[str, Any]]
    provenance: Callable[[Any], dict[str, Any]]
    notice: Text = rule62.NOTICE


def examine(request: Request, *, home: Home, state: State, policy: Policy) -> dict[str, Any]:
    """Run the checks of the request's protection and build its report."""
    room = room_for(request.purpose, home=home, state=state, policy=policy)
    view = VIEWS[request.protection]
    staged = view.stage(bundle=request.bundle(room.home), evidence=request.evidence(room.home), room=room)
    found = measured(request.protection, staged)
    whole = not any(check.gate and finding.verdict is Verdict.FAIL for check, finding in found.values())
    return report.build(
        found,
        head=head(request, room),
        policy=room.policy,
        provenance={
            "content": staging.content_digest(request.bundle(room.home)),
            "register": room.register.digest,
            "project": room.project.digest,
            **(view.provenance(staged) if whole else {}),
        },
        notice=view.notice,
        sections=view.sections(staged, found) if whole else {},
    )


def room_for(purpose: str, *, home: Home, state: State, policy: Policy) -> Room:
    """The room of the project with this purpose, under the register in force."""
    return Room(home, state, policy, Registers(state).current(), Projects(state).get(purpose))


def measured(protection: str, staged: Any) -> Found:
    """The findings; what cannot even be read is a finding too, in our own words."""
    try:
        return checks.run(protection, staged)
    except WorkbenchError as error:
        return {"complete": (UNREADABLE, unreadable(error))}


def unreadable(error: WorkbenchError) -> Finding:
    return Finding(
        Verdict.FAIL,
        Text(ja=error.ja, en=error.en),
        remedy=Text(ja="作り直して、もう一度提出してください。", en="Prepare it again and submit it again."),
    )


UNREADABLE = Check(Text("ファイルの構成", "Files"), lambda _: None, gate=True)  # type: ignore[arg-type,return-value]


def head(request: Request, room: Room) -> dict[str, Any]:
    """What is asked for, by whom and why."""
    return {
        "kind": request.kind,
        "protection": request.protection,
        "name": request.name,
        "version": request.version,
        "purpose": request.purpose,
        "title": dict(room.project.title),
        "author": request.author,
        "why": request.why,
    }


def row_sections(rows: Rows, found: Found) -> dict[str, Any]:
    """Rule 62, WP29, who was left out, class sizes, what generalisation took, rows that add up."""
    overall = measures.suppression(rows)
    parts = rows.released[PART].value_counts(sort=False)
    return {
        "rule62": rule62.rule62(found),
        "wp29": rule62.wp29(rows),
        "suppression": {
            "overall": round(overall.rate, 4),
            "groups": [
                shown(group, least=rows.room.policy["min_cell_output"])
                for group in measures.suppression_by_group(rows)
            ],
        },
        "classes": class_section(rows),
        "information_loss": losses(rows),
        "reconciliation": {
            "source": len(rows.source),
            "outside": int(len(rows.source) - rows.in_scope.sum()),
            "rows_in": overall.rows,
            "rows_out": len(rows.released),
            "suppressed": overall.suppressed,
            "parts": {str(part): int(count) for part, count in parts.items()},
        },
    }


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


def losses(rows: Rows) -> list[dict[str, Any]]:
    """Every item this project may receive, released or left out, in the register's order."""
    return [loss_of(rows, item) for item in rows.room.releasable(rows.table)]


def loss_of(rows: Rows, item: Any) -> dict[str, Any]:
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
    return {"source": rows.secret["source"], "recipe": sha256(canonical(dict(rows.recipe)))}


def synthetic_sections(staged: Synthetic, _: Found) -> dict[str, Any]:
    """Fidelity of each item, and the attacks as answers to WP29's three questions."""
    return {
        "fidelity": {
            "columns": [
                {"item": name, "label": dict(staged.table[name].label), "score": score}
                for name, score in staged.fidelity.items.items()
            ],
            **{key: value for key, value in staged.fidelity.to_json().items() if key != "items"},
        },
        "wp29": rule62.wp29_synthetic(staged.risks),
    }


def table_sections(staged: Tables, _: Found) -> dict[str, Any]:
    """Each table with its price and margin of error."""
    known = staged.room.register[staged.room.project.source]
    return {
        "tables": [
            {
                "label": joined([Text(**known[item].label) for item in table["items"]]).to_json(),
                "unit": "household",
                "epsilon": table["epsilon_micro"] / MICRO,
                "margin": table["margin_95"],
                "cells": table["cells"],
            }
            for table in staged.listed
        ]
    }


def joined(labels: list[Text]) -> Text:
    return Text(ja=" × ".join(label.ja for label in labels), en=" × ".join(label.en for label in labels))


SYNTHETIC_NOTICE = Text(
    ja=f"差分プライバシーによらない合成データです。最悪の場合の保証はありません。{rule62.NOTICE.ja}",
    en=f"Synthetic data without differential privacy: nothing bounds the worst case. {rule62.NOTICE.en}",
)


VIEWS: Mapping[str, View] = {
    "anonymised": View(Rows, row_sections, row_provenance),
    "pseudonymised": View(Rows, row_sections, row_provenance),
    "synthetic": View(Synthetic, synthetic_sections, lambda _: {}, SYNTHETIC_NOTICE),
    "dp_tables": View(Tables, table_sections, lambda _: {}),
}
