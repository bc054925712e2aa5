"""
The map of Aobano-shi (青葉野市), a city that does not exist.

160 town blocks lie in 20 elementary-school districts, 10 junior-high districts and 4 areas. The town
names are invented; the postal codes begin with 000, which no real one does.
"""

import csv
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

CITY = "青葉野市"
CHOME = ("一丁目", "二丁目", "三丁目", "四丁目")
BLOCKS_PER_ELEMENTARY = 8
ELEMENTARY_PER_JUNIOR_HIGH = 2
# Junior-high district → area. Four areas of two or three districts each.
AREA_OF_JUNIOR_HIGH = ("A1", "A1", "A1", "A2", "A2", "A3", "A3", "A3", "A4", "A4")


@cache
def towns() -> tuple[tuple[str, str], ...]:
    """The invented towns: (name, kana)."""
    text = (files("workbench.population") / "names" / "towns.csv").read_text(encoding="utf-8")
    return tuple((row["town"], row["kana"]) for row in csv.DictReader(text.splitlines()))


@cache
def places() -> pd.DataFrame:
    """One row per block: block, es_district, jh_district, area, label_ja, label_en, postal_code."""
    block = np.arange(len(towns()) * len(CHOME))
    elementary = block // BLOCKS_PER_ELEMENTARY
    junior_high = elementary // ELEMENTARY_PER_JUNIOR_HIGH
    town, chome = block // len(CHOME), block % len(CHOME)
    return pd.DataFrame(
        {
            "block": [f"B{b + 1:03d}" for b in block],
            "es_district": [f"E{e + 1:02d}" for e in elementary],
            "jh_district": [f"J{j + 1:02d}" for j in junior_high],
            "area": [AREA_OF_JUNIOR_HIGH[j] for j in junior_high],
            "label_ja": [towns()[t][0] + CHOME[c] for t, c in zip(town, chome, strict=True)],
            "label_en": [f"Town {t + 1}, block {c + 1}" for t, c in zip(town, chome, strict=True)],
            "postal_code": [f"000-{b + 1:04d}" for b in block],
        }
    )


def places_csv() -> bytes:
    """The map as `datasets/synthetic/places.csv` ships it."""
    return places().to_csv(index=False, lineterminator="\n").encode()
