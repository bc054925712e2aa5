"""What a model trained under differential privacy promises, in words for cards, reports and notebooks."""

from collections.abc import Mapping
from typing import Any

KEYS = {"method", "epsilon", "epsilon_of_all", "delta", "tries", "unit", "how", "charge"}


def sentence(guarantee: Mapping[str, Any], language: str) -> str:
    """The guarantee in a sentence: method, losses, unit, and how the unit is kept to."""
    return WORDS[language](guarantee, guarantee["how"][language])


def japanese(guarantee: Mapping[str, Any], how: str) -> str:
    delta = f"、δ＝{guarantee['delta']:g}" if guarantee["delta"] else ""
    tries = (
        f"（{guarantee['tries']} 回で合計 ε＝{guarantee['epsilon_of_all']:g}）"
        if guarantee["tries"] > 1
        else ""
    )
    return f"総括の部屋で保護された元の表から差分プライバシーで学習しました：{guarantee['method']}、ε＝{guarantee['epsilon']:g}{delta}{tries}、保護の単位は世帯。{how}"


def english(guarantee: Mapping[str, Any], how: str) -> str:
    delta = f", δ = {guarantee['delta']:g}" if guarantee["delta"] else ""
    tries = (
        f" ({guarantee['tries']} tries, ε = {guarantee['epsilon_of_all']:g} in all)"
        if guarantee["tries"] > 1
        else ""
    )
    return f"Trained under differential privacy on the protected table, in the coordinating body's room: {guarantee['method']}, ε = {guarantee['epsilon']:g}{delta}{tries}, the unit is a household. {how}"


WORDS = {"ja": japanese, "en": english}
