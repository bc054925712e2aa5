"""
The steps that may be asked for by name before a search: `top=60:age`, `microaggregate=3:income,days`, `pram=0.9:aid`.

Each is a row of a table. Whether a policy allows it is asked elsewhere; what is made of it goes into the recipe.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from workbench.errors import Usage
from workbench.privacy.anonymity.classes import categories, require_columns
from workbench.privacy.anonymity.coding import TopBottomCoding
from workbench.privacy.anonymity.hierarchies import Hierarchy
from workbench.privacy.anonymity.microaggregation import Microaggregation
from workbench.privacy.anonymity.pram import Pram
from workbench.privacy.anonymity.step import Step
from workbench.privacy.anonymity.swapping import RankSwapping, RecordSwapping
from workbench.scoring.recode import MISSING


@dataclass(frozen=True)
class Wanted:
    """What a text asks for: a step's name, its number, its items, and the items that must stay alike."""

    name: str
    number: float
    items: tuple[str, ...]
    match: tuple[str, ...] = ()

    @classmethod
    def read(cls, text: str) -> "Wanted":
        """`NAME=NUMBER:ITEM,ITEM[:ITEM,ITEM]`. Usage for anything else, or a step of one item given several."""
        name, _, rest = text.partition("=")
        number, _, of = rest.partition(":")
        items, _, match = of.partition(":")
        form = FORMS.get(name)
        try:
            wanted = cls(name, float(number), named(items), named(match))
        except ValueError:
            raise not_understood() from None
        if form is None or not wanted.items or (form.one_item and len(wanted.items) > 1):
            raise not_understood()
        if wanted.match and name != "swap":
            raise not_understood()
        return wanted


def named(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def not_understood() -> Usage:
    forms = ", ".join(form.form for form in FORMS.values())
    return Usage(
        ja=f"加工の指定は {forms} のいずれかの形にしてください。",
        en=f"Ask for a step in one of these forms: {forms}.",
    )


@dataclass(frozen=True)
class Table:
    """What a step may need to know: the table, its ladders, and the column of households."""

    frame: pd.DataFrame
    hierarchies: Mapping[str, Hierarchy]
    households: str | None


@dataclass(frozen=True)
class Form:
    """How a step is written, and what makes it."""

    form: str
    made: Callable[[Wanted, Table], Step]
    one_item: bool = True


def whole(wanted: Wanted) -> int:
    if not wanted.number.is_integer():
        raise not_understood()
    return int(wanted.number)


def randomised(wanted: Wanted, table: Table) -> Pram:
    """
    Values stay with the chance given, else become any other one; expected counts stay as they are.

    The categories are those of the item's hierarchy where it has one, else those that occur.
    """
    (item,) = wanted.items
    words = categories(table.frame[item]).words
    ladder = table.hierarchies.get(item)
    known = ladder.leaves(words) if ladder is not None and ladder.kind == "table" else words
    return Pram.staying(
        item,
        [word for word in known if word != MISSING],
        stay=wanted.number,
        invariant=True,
        households=table.households,
    )


FORMS: dict[str, Form] = {
    "top": Form("top=60:ITEM", lambda w, _: TopBottomCoding(w.items[0], top=w.number)),
    "bottom": Form("bottom=0:ITEM", lambda w, _: TopBottomCoding(w.items[0], bottom=w.number)),
    "microaggregate": Form(
        "microaggregate=3:ITEM,ITEM",
        lambda w, t: Microaggregation(w.items, k=whole(w), households=t.households),
        one_item=False,
    ),
    "pram": Form("pram=0.9:ITEM", randomised),
    "rank-swap": Form("rank-swap=0.05:ITEM", lambda w, _: RankSwapping(w.items[0], within=w.number)),
    "swap": Form(
        "swap=0.05:ITEM,ITEM[:ALIKE,ALIKE]",
        lambda w, t: RecordSwapping(w.items, share=w.number, match=w.match, households=t.households),
        one_item=False,
    ),
}


def made(
    wanted: Sequence[Wanted],
    frame: pd.DataFrame,
    *,
    hierarchies: Mapping[str, Hierarchy],
    households: str | None = None,
) -> list[Step]:
    """The steps asked for, in their order, for this table; whole households go together where it names them."""
    table = Table(frame, hierarchies, households)
    for one in wanted:
        require_columns(frame, [*one.items, *one.match])
    return [FORMS[one.name].made(one, table) for one in wanted]
