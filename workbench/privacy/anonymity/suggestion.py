"""
A first hierarchy for an item, from what the register declares of it or, failing that, from its values.

What the register declares is public; what is read off a column is not: that a code occurs, or where a tenth
of the incomes lies, is a fact about the people in the table. Such a ladder says so in its `origin`, in words
a person can act on, and a reviewer decides whether its cuts may leave.
"""

import itertools
import math
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from workbench.data.item import Item, ItemRole, Kind
from workbench.errors import Refused, Unusable
from workbench.privacy.anonymity import builders, dates
from workbench.privacy.anonymity.classes import categories
from workbench.privacy.anonymity.hierarchies import Hierarchy, Origin, from_rows
from workbench.scoring.recode import MISSING

# So many whole numbers are an order to be grouped; more are a range to be cut.
FEW = 20
# A first level of so many intervals tells people apart without naming any of them.
FINE = 20
# Counted in intervals of the first level.
COARSER = (1, 5)
FAN_OUT = (2, 2)
# A declared range that the data fills to less than this share is a limit of the form, not a scale.
FILLED = 0.05
# Cut points read off the data: tenths, halved in number on each level above. Decimal places are dropped so
# that no cut is anybody's value.
SHARES = 10
NICE = (1, 2, 5)


def suggest(column: "pd.Series[Any]", declared: Item | None = None) -> Hierarchy:
    """
    A hierarchy for `column`, whose name is the item's; why it is as it is stands in `origin`.

    `declared` is the item of the register. A direct identifier or free text is refused: there is no
    coarser name. Raises Unusable for a column of which nothing is known.
    """
    if declared is not None and (declared.role is ItemRole.DIRECT_IDENTIFIER or declared.kind is Kind.TEXT):
        raise Refused(
            ja=f"項目「{declared.name}」は直接識別子か自由記載で、粗くする方法がありません。公開から外してください。",
            en=f"'{declared.name}' is a direct identifier or free text, which has no coarser form; leave it out.",
        )
    known = None if declared is None else of_register(declared, column)
    return known or of_values(str(column.name), column)


def of_register(item: Item, column: "pd.Series[Any]") -> Hierarchy | None:
    """The ladder that the register alone gives, None where it says too little."""
    if item.domain:
        return told(
            from_rows(item.name, [[value, builders.TOP] for value in item.domain]),
            ja=f"台帳の {len(item.domain)} 区分から。区分をまとめる段は、意味を知る人が加えてください",
            en=f"The {len(item.domain)} values of the register; who knows their meaning may add levels that join them",
        )
    if item.minimum is None or item.maximum is None:
        return None
    if item.kind is Kind.DATE:
        return of_days(item)
    low, high = float(item.minimum), float(item.maximum)
    if item.kind is Kind.INTEGER and high - low < FEW:
        values = list(range(int(low), int(high) + 1))
        return told(
            builders.order(item.name, values, fan_out=FAN_OUT),
            ja=f"台帳の範囲の {len(values)} 個の整数を、順に束ねました",
            en=f"The {len(values)} whole numbers of the register's range, joined in their order",
        )
    return of_range(item, column, low=low, high=high)


def of_range(item: Item, column: "pd.Series[Any]", *, low: float, high: float) -> Hierarchy | None:
    """Equal widths over the declared range, unless the data fills next to none of it."""
    numbers = measured(column)
    if len(numbers) and np.ptp(numbers) < FILLED * (high - low):
        return None
    whole = item.kind is Kind.INTEGER
    width = max(nice((high - low) / FINE), 1 if whole else 0)
    start = math.floor(low / (width * COARSER[-1])) * width * COARSER[-1]
    return told(
        builders.interval(
            item.name, minimum=start, maximum=high, widths=[width * times for times in COARSER], whole=whole
        ),
        ja="台帳の最小と最大から、等しい幅で区切りました",
        en="Equal widths over the range that the register declares",
    )


def of_days(item: Item) -> Hierarchy:
    first, last = date.fromisoformat(str(item.minimum)), date.fromisoformat(str(item.maximum))
    born = "birth" in item.name or "生年月日" in item.label["ja"]
    levels = ["birth_month", "school_year"] if born else ["month", "fiscal_year"]
    return told(
        dates.days(item.name, first=first, last=last, levels=levels),
        ja="台帳の期間の全ての日。" + ("生まれ月は 2 日から、学年は 4 月 2 日から" if born else "月と年度"),
        en="Every day of the register's period; "
        + ("months of birth from the 2nd, school years from 2 April" if born else "months and fiscal years"),
    )


def of_values(name: str, column: "pd.Series[Any]") -> Hierarchy:
    """The ladder that the values give, marked as read off the data."""
    words = [word for word in categories(column).words if word != MISSING]
    if not words:
        raise Unusable(
            ja=f"項目「{name}」には値がなく、台帳にも範囲や区分がないため、階層を作れません。台帳に登録してください。",
            en=f"'{name}' has no value, and no range or values in the register, to make a hierarchy of; register it.",
        )
    if (found := read_days(words)) is not None:
        return told(
            dates.days(
                name,
                first=date(found[0].year, 1, 1),
                last=date(found[-1].year, 12, 31),
                levels=["month", "year"],
            ),
            public=False,
            ja="値の最初の年から最後の年までの全ての日。月と年",
            en="Every day from the first year that occurs to the last; months and years",
        )
    numbers = measured(column)
    if len(numbers) and len(numbers) == int(column.notna().sum()) and not codes(words):
        return of_numbers(name, words, numbers)
    if codes(words):
        return told(
            builders.redaction(name, words),
            public=False,
            ja="現れた符号を、後ろの文字から伏せます。上位の桁が地区などを表すか確かめてください",
            en="The codes that occur, masked from the right; see whether their first characters mean a district",
        )
    return told(
        from_rows(name, [[word, builders.TOP] for word in words]),
        public=False,
        ja=f"現れた {len(words)} 個の値から。まとめる段がないため、台帳に区分を登録してください",
        en=f"The {len(words)} values that occur; there is no level to join them, so declare them in the register",
    )


def of_numbers(name: str, words: Sequence[str], numbers: "np.ndarray[Any, Any]") -> Hierarchy:
    """Few whole numbers in their order; more are cut where equally many people lie, at round numbers."""
    if len(words) <= FEW and all(float(word).is_integer() for word in words):
        return told(
            builders.order(name, sorted(words, key=float), fan_out=FAN_OUT),
            public=False,
            ja=f"現れた {len(words)} 個の整数を、順に束ねました",
            en=f"The {len(words)} whole numbers that occur, joined in their order",
        )
    unit = nice(float(np.ptp(numbers)) / 100) or 1.0
    tenths = np.quantile(numbers, np.arange(1, SHARES) / SHARES)
    edges = sorted({round(round(float(cut) / unit) * unit, 9) for cut in tenths})
    levels = [edges, edges[1::2]] if len(edges) > 2 else [edges]
    whole = bool((numbers == np.round(numbers)).all())
    return told(
        builders.from_edges(name, [level for level in levels if level], whole=whole),
        public=False,
        ja="値の十分位を丸めて区切りました。区切りは値から読み取ったもので、公開の根拠がありません",
        en="Cut at rounded tenths of the values; the cuts were read off the data and have no public ground",
    )


def read_days(words: Sequence[str]) -> list[date] | None:
    """The days in order, if every value is one in ISO form."""
    if any(len(word) != len("2000-01-01") for word in words):
        return None
    try:
        return sorted(map(date.fromisoformat, words))
    except ValueError:
        return None


def codes(words: Sequence[str]) -> bool:
    """Whether the values are codes: of one length of three characters or more, a digit in each, and many."""
    lengths = {len(word) for word in words}
    written = all(any(letter.isdigit() for letter in word) and word.isalnum() for word in words)
    padded = any(word.startswith("0") or not word.isdigit() for word in words)
    return len(words) > FEW and len(lengths) == 1 and min(lengths) >= 3 and written and padded


def measured(column: "pd.Series[Any]") -> "np.ndarray[Any, Any]":
    """The finite numbers of a column."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(object)
    if column.dtype == bool or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return np.empty(0)
    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.asarray(numbers[np.isfinite(numbers)])


def nice(width: float) -> float:
    """The next of 1, 2, 5, 10, 20, … from `width` on; 0 for 0."""
    if width <= 0:
        return 0.0
    power = 10.0 ** math.floor(math.log10(width))
    steps = itertools.chain(NICE, (10,))
    return float(next(step * power for step in steps if step * power >= width * (1 - 1e-9)))


def told(hierarchy: Hierarchy, *, ja: str, en: str, public: bool = True) -> Hierarchy:
    """`hierarchy` with where it comes from."""
    return Hierarchy(
        item=hierarchy.item,
        kind=hierarchy.kind,
        levels=hierarchy.levels,
        origin=Origin(public=public, ja=ja, en=en),
    )
