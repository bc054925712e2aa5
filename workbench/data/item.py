"""One item of the register: a column, what it can do to the person it describes, and how it is read."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from workbench.data.individual_number import is_forbidden_name
from workbench.errors import Refused, Unusable

FLAG_VALUES = ("yes", "no")


class ItemRole(StrEnum):
    """What an item can do to the person it describes."""

    DIRECT_IDENTIFIER = "direct_identifier"
    QUASI_IDENTIFIER = "quasi_identifier"
    SENSITIVE = "sensitive"
    OTHER = "other"


class Kind(StrEnum):
    """How an item's cells are read. A category lists its values; a code is open-ended."""

    CATEGORY = "category"
    INTEGER = "integer"
    NUMBER = "number"
    DATE = "date"
    FLAG = "flag"
    CODE = "code"
    TEXT = "text"


RANGED = {Kind.INTEGER: (int,), Kind.NUMBER: (int, float), Kind.DATE: (str,)}


@dataclass(frozen=True)
class Item:
    """
    One column. An item that contradicts itself cannot be made.

    `values` are the codes of a category with their labels; `minimum` and `maximum` are inclusive, ISO
    dates for a date; `harmful_values` are those whose disclosure harms; `special_care` marks 要配慮個人情報;
    `justification` is one reason, or one for each target; `after_index` marks what
    happens only after the index date: it can be an outcome and never a feature.
    """

    name: str
    label: Mapping[str, str]
    holder: str
    role: ItemRole
    kind: Kind
    values: Mapping[str, Mapping[str, str]] | None = None
    minimum: int | float | str | None = None
    maximum: int | float | str | None = None
    unit: str | None = None
    hierarchy: str | None = None
    harmful_values: tuple[str, ...] = ()
    special_care: bool = False
    after_index: bool = False
    source_process: str = ""
    original_purpose: str = ""
    justification: str | Mapping[str, str] = ""

    def __post_init__(self) -> None:
        if is_forbidden_name(self.name) or is_forbidden_name(self.label["ja"]):
            raise never_registered()
        for is_wrong, ja, en in CONTRADICTIONS:
            if is_wrong(self):
                raise Unusable(
                    ja=f"データ項目台帳の項目 {self.name} を直してください。{ja}。",
                    en=f"Correct item '{self.name}' of the register: {en}.",
                )

    @property
    def domain(self) -> tuple[str, ...] | None:
        """The values the item can take, where they are public: of a flag and of a category."""
        return FLAG_VALUES if self.kind is Kind.FLAG else tuple(self.values) if self.values else None

    def to_json(self) -> dict[str, Any]:
        """The item's fields, without those that say nothing."""
        fields = {**vars(self), "role": self.role.value, "kind": self.kind.value}
        fields["harmful_values"] = list(self.harmful_values)
        return {name: value for name, value in fields.items() if not says_nothing(value)}


def says_nothing(value: Any) -> bool:
    # By identity: a minimum of 0 equals False and says something.
    return value is None or value is False or value in ("", [])


def lists_no_values(item: Item) -> bool:
    return item.kind is Kind.CATEGORY and not item.values


def lists_values_in_vain(item: Item) -> bool:
    return item.kind is not Kind.CATEGORY and bool(item.values)


def bounds(item: Item) -> list[int | float | str]:
    return [bound for bound in (item.minimum, item.maximum) if bound is not None]


def has_bounds_of_another_kind(item: Item) -> bool:
    return any(not isinstance(bound, RANGED.get(item.kind, ())) for bound in bounds(item))


def has_an_empty_range(item: Item) -> bool:
    return len(bounds(item)) == 2 and item.minimum > item.maximum  # type: ignore[operator]


def names_an_unknown_harm(item: Item) -> bool:
    return item.domain is not None and not set(item.harmful_values) <= set(item.domain)


CONTRADICTIONS: tuple[tuple[Callable[[Item], bool], str, str], ...] = (
    (
        lists_no_values,
        "category には values が要ります（値が開いているものは code にします）",
        "a category lists its values; what is open-ended is a code",
    ),
    (lists_values_in_vain, "values を持てるのは category だけです", "only a category lists values"),
    (
        has_bounds_of_another_kind,
        "minimum と maximum は integer・number・date だけが持ち、その種類の値で書きます",
        "minimum and maximum belong to integer, number and date, and are written as such a value",
    ),
    (has_an_empty_range, "minimum が maximum より大きくなっています", "minimum is above maximum"),
    (
        names_an_unknown_harm,
        "harmful_values に、取り得ない値があります",
        "harmful_values names a value that the item cannot take",
    ),
)


def never_registered() -> Refused:
    """The refusal of a column that says it holds what must never enter."""
    return Refused(
        ja="個人番号・住民票コードの列は登録も取込もできません。その列を除いてください。",
        en="A column of Individual Numbers or resident record codes is never registered or taken in; remove it.",
    )
