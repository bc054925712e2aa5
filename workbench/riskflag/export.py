"""
A candidate: the files of a model on its way to review, as text by path, and reading one back.

Everything is canonical JSON or Markdown without times, places or machine names: the same fit gives the same
bytes. The room that checks a candidate reads it here and evaluates it again.
"""

import json
import re
from collections.abc import Mapping
from importlib.metadata import version as installed
from pathlib import Path
from platform import python_version
from typing import Any

import rfc8785

from workbench.errors import Refused, Unusable
from workbench.riskflag.card import cards
from workbench.riskflag.define import Definition
from workbench.riskflag.evaluate import digest_of, evaluate
from workbench.riskflag.explain import reason_texts
from workbench.riskflag.flag import FittedFlag
from workbench.riskflag.inputs import golden_rows, input_contract
from workbench.riskflag.page import Report
from workbench.riskflag.part import Part
from workbench.riskflag.stability import REFITS, refit_as
from workbench.scoring import model as models
from workbench.scoring import plain_json
from workbench.scoring.model import Model
from workbench.scoring.scorer import CONTRACT, EVALUATION, GOLDEN, MODEL, REASONS, RECODE

DEFINITION = "provenance/definition.json"
LINEAGE = "provenance/lineage.json"
ENVIRONMENT = "provenance/environment.json"
CARDS = {language: f"card/{language}.md" for language in ("ja", "en")}

# Every path a candidate has, and no other: what the gateway writes, what the checks expect.
PATHS = (
    MODEL,
    CONTRACT,
    RECODE,
    *REASONS.values(),
    GOLDEN,
    EVALUATION,
    DEFINITION,
    LINEAGE,
    ENVIRONMENT,
    *CARDS.values(),
)

VERSION = re.compile(r"(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})\.(0|[1-9][0-9]{0,5})")
LIBRARIES = ("numpy", "pandas", "scikit-learn", "scipy")


def candidate_files(
    fitted: FittedFlag, report: Report, *, version: str, notebook: str | None = None
) -> dict[str, str]:
    """
    The files of the candidate `version` of a fitted flag.

    `notebook` is the sha256 of the notebook it came from. Raises Refused for a report of another model.
    """
    refuse_version(version)
    if report.data["model"] != digest_of(fitted.model):
        raise Refused(
            ja="この評価は別の判定モデルのものです。flag.evaluate(model, children.test) をやり直してください。",
            en="This report evaluates another model; run flag.evaluate(model, children.test) again.",
        )
    part, model = fitted.part, fitted.model
    asked = input_contract(fitted.definition, model, part)
    documents: dict[str, Any] = {
        MODEL: model.to_json(),
        CONTRACT: asked,
        RECODE: dict(part.recode),
        **{REASONS[language]: texts for language, texts in reason_texts(model, part.dictionary).items()},
        EVALUATION: dict(report.data),
        DEFINITION: {"definition": fitted.definition.to_json(), "training": fitted.training.to_json()},
        LINEAGE: {"schema": "riskflag-lineage/1", "dataset": part.source.to_json(), "notebook": notebook},
        ENVIRONMENT: environment(),
    }
    golden = golden_rows(model, part.recode, asked["items"])
    written = cards(
        fitted.definition,
        model,
        evaluation=report.data,
        dictionary=part.dictionary,
        source=part.source,
        version=version,
        guarantee=fitted.training.guarantee,
    )
    return {
        **{path: rfc8785.dumps(document).decode() for path, document in documents.items()},
        GOLDEN: "".join(rfc8785.dumps(line).decode() + "\n" for line in golden),
        **{CARDS[language]: text for language, text in written.items()},
    }


def refuse_version(version: str) -> None:
    if not VERSION.fullmatch(version):
        raise Refused(
            ja="版は 1.0.0 のように三つの数で書いてください。目的・入力が変われば先頭、再学習なら中央、言葉だけなら末尾を上げます。",
            en="Write the version as three numbers such as 1.0.0: raise the first for another purpose or input, the second for a refit, the last for words only.",
        )


def environment() -> dict[str, Any]:
    """The versions a refit needs; no name of a machine or a person."""
    return {
        "schema": "riskflag-environment/1",
        "python": python_version(),
        "workbench": installed("workbench"),
        "libraries": {name: installed(name) for name in LIBRARIES},
        "threads": 1,
    }


def read_candidate(folder: Path) -> tuple[Definition, Model, Mapping[str, Any]]:
    """The definition, the model and the evaluation of a candidate's folder. Raises Unusable."""
    model = models.read((folder / MODEL).read_bytes())
    provenance = plain_json.read((folder / DEFINITION).read_bytes(), name="definition.json")
    evaluation = plain_json.read((folder / EVALUATION).read_bytes(), name="evaluation.json")
    try:
        definition = Definition.from_json(provenance["definition"])
    except (KeyError, TypeError, AttributeError):
        raise Unusable(
            ja="definition.json が定義の形ではありません。desk.submit で提出し直してください。",
            en="definition.json holds no definition; submit again with desk.submit.",
        ) from None
    return definition, model, evaluation


def evaluated_again(folder: Path, *, train: Part, test: Part, min_cell: int) -> dict[str, Any]:
    """
    The evaluation of a candidate, run anew on these parts with this room's smallest cell.

    Equal to the candidate's evaluation.json, digit by digit, when the candidate told the truth.
    """
    definition, model, claimed = read_candidate(folder)
    record = plain_json.read((folder / DEFINITION).read_bytes(), name="definition.json")["training"]
    refits = claimed.get("refits")
    again = evaluate(
        model,
        definition,
        train=train,
        test=test,
        by=claimed.get("by", []),
        min_cell=min_cell,
        refit=refit_as(definition, record),
        # Another's number of refits is work for this room, and is bounded here.
        refits=refits if isinstance(refits, int) and 0 <= refits <= REFITS else REFITS,
    )
    # Through the bytes, so that both sides have the numbers JSON has.
    plain: dict[str, Any] = json.loads(rfc8785.dumps(again))
    return plain
