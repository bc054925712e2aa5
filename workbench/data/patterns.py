"""
What in a table reads as an identifier: measures for the release checks of 規則第62条 第1号から第3号.

Methods measure: each pattern is counted by column and nothing is judged here. The counts go into the
report; which of them refuse a release stands in `release/checks`. A pattern finds what is written in its
usual form; it does not prove that nothing else is there.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from workbench.data.columns import Encoded
from workbench.data.individual_number import scan


@dataclass(frozen=True)
class Pattern:
    """A form of writing, for Arrow's regular expressions, and the number of 第62条 it falls under."""

    number: int
    label: Mapping[str, str]
    form: str


def alone(form: str) -> str:
    """The form with no letter or digit touching it."""
    return f"(^|[^0-9A-Za-z])({form})($|[^0-9A-Za-z])"


PATTERNS = {
    "telephone": Pattern(
        1,
        {"ja": "電話番号", "en": "telephone number"},
        alone(r"0[0-9]{1,4}[-(][0-9]{1,4}[-)][0-9]{3,4}|0[5-9]0[0-9]{8}|\+81[-0-9]{9,13}"),
    ),
    "postal_code": Pattern(
        1, {"ja": "郵便番号", "en": "postal code"}, r"〒|(^|[^0-9A-Za-z-])[0-9]{3}-[0-9]{4}($|[^0-9A-Za-z-])"
    ),
    "street_address": Pattern(
        1,
        {"ja": "番地", "en": "street number"},
        r"[0-9〇一二三四五六七八九十]+(丁目|番地|番[0-9の]|番.{0,4}号)|\p{L}[0-9]+-[0-9]+(-[0-9]+)?($|[^0-9-])",
    ),
    "e_mail": Pattern(1, {"ja": "電子メール", "en": "e-mail address"}, r"[\w.+-]+@[\w-]+(\.[\w-]+)+"),
    "passport": Pattern(2, {"ja": "旅券番号", "en": "passport number"}, alone("[A-Z]{2}[0-9]{7}")),
    "residence_card": Pattern(
        2, {"ja": "在留カード番号", "en": "residence card number"}, alone("[A-Z]{2}[0-9]{8}[A-Z]{2}")
    ),
    # 宛名番号 has ten digits, 世帯番号 nine; a fiscal year, a band or a district code has fewer.
    "linking_code": Pattern(3, {"ja": "連結に使う長い番号", "en": "long linking code"}, alone("[0-9]{9,}")),
}
# Found by their check digits, not by their form.
NUMBERS = {
    "individual_number": Pattern(2, {"ja": "個人番号", "en": "Individual Number"}, ""),
    "resident_record_code": Pattern(2, {"ja": "住民票コード", "en": "resident record code"}, ""),
}
ALL = {**PATTERNS, **NUMBERS}


def measure(frame: pd.DataFrame) -> dict[str, dict[str, int]]:
    """For each pattern, how many cells of which column show it; patterns that nothing shows are left out."""
    found: dict[str, dict[str, int]] = {}
    for column in frame.columns:
        for pattern, cells in measure_column(frame[column]).items():
            found.setdefault(pattern, {})[str(column)] = cells
    return {pattern: found[pattern] for pattern in ALL if pattern in found}


def measure_column(column: pd.Series) -> dict[str, int]:
    """How many cells of one column show each pattern. A number is searched for numbers of persons only."""
    numeric = pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)
    text = column.astype("Int64" if pd.api.types.is_integer_dtype(column) else object).astype("string")
    encoded = Encoded.of(pa.chunked_array([pa.array(text, type=pa.string(), from_pandas=True)]))
    marks = {} if numeric else shown_forms(encoded.distinct)
    numbers = scan(encoded.distinct, numeric=numeric)
    marks |= {"individual_number": numbers.individual, "resident_record_code": numbers.resident}
    return {pattern: encoded.count(marked) for pattern, marked in marks.items() if marked.any()}


def measure_text(text: str) -> dict[str, int]:
    """How many lines of a text, such as a report or a notebook, show each pattern."""
    return measure_column(pd.Series(text.splitlines() or [""], dtype="string"))


def shown_forms(values: pa.Array) -> dict[str, np.ndarray]:
    normal = pc.utf8_normalize(values, form="NFKC")
    return {
        name: np.asarray(pc.match_substring_regex(normal, pattern.form)) for name, pattern in PATTERNS.items()
    }
