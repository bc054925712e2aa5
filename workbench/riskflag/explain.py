"""
The words of a model: one plain sentence part for each point of each feature, in Japanese and in English.

They come from the dictionary's labels, so a reason speaks of a generalised level ("10 days or more"),
never of the value in a record.
"""

from collections.abc import Mapping
from typing import Any

from workbench.riskflag.dictionary import NOT_RECORDED, Dictionary, Entry
from workbench.riskflag.words import refuse_banned
from workbench.scoring.model import Feature, Model
from workbench.scoring.reasons import LANGUAGES, SCHEMA

COLON = {"ja": "：", "en": ": "}


def reason_texts(model: Model, dictionary: Dictionary) -> dict[str, dict[str, Any]]:
    """The texts of reasons.ja.json and reasons.en.json, by language."""
    return {language: texts(model, dictionary, language=language) for language in LANGUAGES}


def texts(model: Model, dictionary: Dictionary, *, language: str) -> dict[str, Any]:
    items = {
        feature.name: item_texts(feature, dictionary[feature.name], language=language)
        for feature in model.features
    }
    for name, item in items.items():
        for text in (item["label"], *item["places"].values()):
            refuse_banned(text, place=name)
    return {"schema": SCHEMA, "language": language, "items": items}


def item_texts(feature: Feature, entry: Entry, *, language: str) -> dict[str, Any]:
    label = entry.label[language]
    words = place_words(feature, entry, language=language)
    return {
        "label": label,
        "places": {place: f"{label}{COLON[language]}{text}" for place, text in words.items()},
        "missing": f"{label}{COLON[language]}{NOT_RECORDED[language]}",
        **({"source": entry.holder} if entry.holder else {}),
    }


def place_words(feature: Feature, entry: Entry, *, language: str) -> Mapping[str, str]:
    """The words for each place of a feature: its value's label, or its interval."""
    if feature.edges is None:
        return {level: entry.value_label(level, language=language) for level in feature.places}
    unit = entry.unit or ""
    return {
        place: INTERVAL[language](feature.edges, index, unit) for index, place in enumerate(feature.places)
    }


def interval_ja(edges: tuple[float, ...], index: int, unit: str) -> str:
    if not edges:
        return "記録あり"
    below = f"{edges[index]:g}{unit}未満" if index < len(edges) else ""
    above = f"{edges[index - 1]:g}{unit}以上" if index else ""
    return above + below


def interval_en(edges: tuple[float, ...], index: int, _unit: str) -> str:
    # Units of the register are written in Japanese; the English text leaves them to the label.
    if not edges:
        return "recorded"
    if index == 0:
        return f"below {edges[0]:g}"
    if index == len(edges):
        return f"{edges[-1]:g} or more"
    return f"{edges[index - 1]:g} to below {edges[index]:g}"


INTERVAL = {"ja": interval_ja, "en": interval_en}
