"""
Why a child is a candidate, in plain words: the largest positive contributions, and what is not known.

A text stands for a generalised level, never for the value in the record. The texts come with the bundle
(`riskflag-reasons/1`), one for each point of each feature, in Japanese and in English.
"""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

import jsonschema
import numpy as np
import numpy.typing as npt

from workbench.errors import Unusable
from workbench.scoring import plain_json
from workbench.scoring.engine import MISSING_PLACE, Scored
from workbench.scoring.model import Feature, Model

SCHEMA = "riskflag-reasons/1"
LANGUAGES = ("ja", "en")
SEPARATOR = {"ja": "／", "en": "; "}
NONE_STANDS_OUT = {"ja": "平均を上回る項目はありません", "en": "No item stands out"}

Texts = Mapping[str, Any]


def read(content: bytes, *, model: Model, language: str) -> dict[str, Any]:
    """The texts in `content`, checked to have one for every point of `model`."""
    name = f"reasons.{language}.json"
    texts = plain_json.read(content, name=name)
    for _ in jsonschema.Draft202012Validator(schema()).iter_errors(texts):
        raise incomplete(name)
    if texts["language"] != language:
        raise incomplete(name)
    for feature in model.features:
        entry = texts["items"].get(feature.name)
        if entry is None or set(feature.places) - set(entry["places"]):
            raise incomplete(name)
    return dict(texts)


def reasons(model: Model, scored: Scored, row: int, *, texts: Texts, most: int) -> str:
    """Up to `most` positive contributions of a row, the largest first, in the language of `texts`."""
    contributions = scored.contributions[row]
    order = np.argsort(-contributions, kind="stable")
    found = [
        words_of(model, scored, row, int(column), texts=texts)
        for column in order[:most]
        if contributions[column] > 0
    ]
    return SEPARATOR[texts["language"]].join(found) or NONE_STANDS_OUT[texts["language"]]


def words_of(model: Model, scored: Scored, row: int, column: int, *, texts: Texts) -> str:
    """The words for a term of a row: those of an item's level, or those an expert gave a rule."""
    if column >= len(model.features):
        return model.rules[column - len(model.features)].words[str(texts["language"])]
    return text_of(model.features[column], int(scored.places[row, column]), texts=texts)


def text_of(feature: Feature, place: int, *, texts: Texts) -> str:
    """The words for one point of a feature."""
    entry = texts["items"][feature.name]
    return str(entry["places"][feature.places[place]] if place >= 0 else entry["missing"])


def not_known(model: Model, scored: Scored, row: int, *, texts: Mapping[str, Texts]) -> str:
    """The items that are missing for a row, by their labels in both languages, with the office that holds them."""
    columns: npt.NDArray[np.intp] = np.flatnonzero(scored.places[row] == MISSING_PLACE)
    told = (missing_item(model.features[column].name, texts=texts) for column in columns)
    return SEPARATOR["ja"].join(told)


def missing_item(item: str, *, texts: Mapping[str, Texts]) -> str:
    entries = [texts[language]["items"][item] for language in LANGUAGES]
    label = " ".join(entry["label"] for entry in entries)
    source = entries[0].get("source")
    return f"{label}（{source}）" if source else label


@cache
def schema() -> dict[str, Any]:
    """The JSON Schema of the texts, as shipped."""
    content = resources.files(__package__).joinpath("schemas/reasons.schema.json").read_bytes()
    return dict(plain_json.read(content, name="reasons.schema.json"))


def incomplete(name: str) -> Unusable:
    return Unusable(
        ja=f"{name} に判定モデルのすべての項目の説明がありません。作成元から受け取り直してください。",
        en=f"{name} does not explain every item of the model; obtain it again from where it was made.",
    )
