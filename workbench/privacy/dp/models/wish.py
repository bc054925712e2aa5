"""
A model that is wished for: what it predicts, from what, by which method, at which price.

A wish names items and public numbers, never data. Its bins come from the register and from the recoding of
an admitted release, so its price, its noise and every refusal depend on public things alone, and asking
what a model would cost tells nothing about anybody.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from workbench.errors import Refused, Unusable
from workbench.privacy.dp.accounting import RHO_UNIT, Budget, most_rho
from workbench.privacy.dp.loss import MICRO, Kind, Loss
from workbench.privacy.dp.models.methods import METHODS, Method, method_named, settings_of
from workbench.riskflag.define import Definition

SMALLEST_EPSILON = 0.01
LARGEST_EPSILON = 20.0
# Beyond this a promise that holds "except with this chance" is no promise.
LARGEST_DELTA = 1e-5
MOST_FEATURES = 60
MOST_EDGES = 64
MOST_TRIES = 20
LONGEST_TEXT = 400
LARGEST_NUMBER = sys.float_info.max
FIELDS = frozenset({"flag", "features", "edges", "method", "settings", "epsilon", "delta", "tries"})


@dataclass(frozen=True)
class Wish:
    """
    A model to be trained on a protected table.

    `epsilon` (with `delta` where the method needs one) is the price of one training; `tries` trainings are
    made and paid, and the best on the admitted data is kept. `edges` are intervals of numbers, chosen in
    public. Make one with `from_request` or `of`.
    """

    definition: Definition
    features: tuple[str, ...]
    edges: Mapping[str, tuple[float, ...]]
    method: str
    settings: Mapping[str, int | float]
    epsilon: float
    delta: float
    tries: int

    @property
    def how(self) -> Method:
        return METHODS[self.method]

    @property
    def each(self) -> Loss:
        """What one training may cost at most."""
        if not self.how.concentrated:
            return Loss.pure(self.epsilon)
        return Loss(Kind.ZCDP, micro=rho_micro(self.epsilon, delta=self.delta))

    @property
    def loss(self) -> Loss:
        """What is charged: every try, whether it is the one that is kept or not."""
        return Loss(self.each.kind, self.each.micro * self.tries)

    def to_json(self) -> dict[str, Any]:
        """The wish as the ledger, the log and the candidate's provenance keep it."""
        return {
            "flag": self.definition.to_json(),
            "features": list(self.features),
            "edges": {item: list(edges) for item, edges in sorted(self.edges.items())},
            "method": self.method,
            "settings": dict(self.settings),
            "epsilon": self.epsilon,
            "delta": self.delta,
            "tries": self.tries,
        }


def rho_micro(epsilon: float, *, delta: float) -> int:
    """
    The millionths of rho whose zCDP gives (epsilon, delta), rounded down: noise is never less than promised.

    By OpenDP's conversion (`accounting.epsilon_of`). Raises Unusable where less than a millionth is left.
    """
    asked = Loss.approximate(epsilon, delta)
    # A budget's delta is shared out in thirds, and the conversion has one of them.
    units = most_rho(Budget(asked.micro, 3 * asked.femto))
    micro = units // (RHO_UNIT // MICRO)
    if micro < 1:
        raise Unusable(
            ja="epsilon が小さすぎて、この方法では学習できません。大きくしてください。",
            en="epsilon is too small for this method; ask for more.",
        )
    return micro


def from_request(asked: Any) -> Wish:
    """The wish in a request from a notebook. Raises Refused or Unusable in a sentence about the request alone."""
    if not isinstance(asked, Mapping) or not set(asked) <= FIELDS or not {"flag", "method"} <= set(asked):
        raise malformed()
    settings = asked.get("settings", {})
    if not isinstance(settings, Mapping):
        raise malformed()
    method = method_named(asked["method"])
    return Wish(
        definition=definition_of(asked["flag"]),
        features=features_of(asked.get("features")),
        edges=edges_of(asked.get("edges", {})),
        method=asked["method"],
        settings=settings_of(method, settings),
        epsilon=number(
            asked.get("epsilon"), name="epsilon", lowest=SMALLEST_EPSILON, highest=LARGEST_EPSILON
        ),
        delta=delta_of(asked.get("delta"), method),
        tries=tries_of(asked.get("tries", 1)),
    )


def definition_of(data: Any) -> Definition:
    """A stranger's definition, every field of its kind before any rule reads it."""
    if not isinstance(data, Mapping) or not all(isinstance(name, str) for name in data):
        raise malformed()
    fields = {name: value for name, value in data.items() if name != "schema"}
    if not set(fields) <= KINDS.keys() or not all(KINDS[name](value) for name, value in fields.items()):
        raise malformed()
    if not {"name", "target", "capacity"} <= set(fields):
        raise malformed()
    return Definition(**fields)


def is_text(value: Any) -> bool:
    return isinstance(value, str) and len(value) <= LONGEST_TEXT


def is_words(value: Any) -> bool:
    return isinstance(value, Mapping) and all(is_text(key) and is_text(text) for key, text in value.items())


def is_texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) <= MOST_FEATURES and all(map(is_text, value))


def is_levels(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        is_text(item) and is_texts(levels) for item, levels in value.items()
    )


def is_number(value: Any) -> bool:
    """A finite number that 64 bits can hold: a whole number of JSON may be longer than any."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST_NUMBER


KINDS = {
    **dict.fromkeys(("name", "target", "positive", "unit", "reference", "index_date", "tie_rule"), is_text),
    "capacity": is_number,
    **dict.fromkeys(("title", "horizon", "outcome", "decided", "contact"), is_words),
    "eligible": is_levels,
    "excluded": is_levels,
    **dict.fromkeys(("known", "review_on"), lambda value: value is None or is_text(value)),
    **dict.fromkeys(("after_index", "poverty_items", "practice"), is_texts),
}


def features_of(given: Any) -> tuple[str, ...]:
    if not is_texts(given):
        raise Unusable(
            ja=f"features には項目名を {MOST_FEATURES} 個まで並べてください。",
            en=f"List at most {MOST_FEATURES} item names in features.",
        )
    return tuple(given)


def edges_of(given: Any) -> dict[str, tuple[float, ...]]:
    """The intervals that were chosen, rising and finite."""
    if not isinstance(given, Mapping):
        raise malformed()
    found = {}
    for item, edges in given.items():
        if not (
            is_text(item)
            and isinstance(edges, Sequence)
            and 0 < len(edges) <= MOST_EDGES
            and all(map(is_number, edges))
        ):
            raise Unusable(
                ja=f"edges には項目ごとに、区切りの数を {MOST_EDGES} 個まで並べてください。",
                en=f"In edges list at most {MOST_EDGES} finite numbers for each item.",
            )
        found[item] = tuple(sorted({float(edge) for edge in edges}))
    return found


def number(given: Any, *, name: str, lowest: float, highest: float) -> float:
    if not is_number(given) or not lowest <= given <= highest:
        raise Unusable(
            ja=f"{name} は {lowest:g} 以上 {highest:g} 以下の数で指定してください。",
            en=f"{name} is a number from {lowest:g} to {highest:g}.",
        )
    # As it was written, and exact: what is charged is what was meant.
    return float(Fraction(str(given)))


def delta_of(given: Any, method: Method) -> float:
    """The delta of a method that needs one; a pure method takes none."""
    if method.concentrated:
        return number(given, name="delta", lowest=1e-12, highest=LARGEST_DELTA)
    if given not in (None, 0):
        raise Unusable(
            ja=f"{method.label} は delta を使いません。その指定を外してください。",
            en=f"{method.label} takes no delta; leave it out.",
        )
    return 0.0


def tries_of(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or not 1 <= given <= MOST_TRIES:
        raise Unusable(
            ja=f"tries（試す回数）は 1 から {MOST_TRIES} までの整数です。回数分の費用がかかります。",
            en=f"tries is a whole number from 1 to {MOST_TRIES}; each is paid for.",
        )
    return given


def malformed() -> Refused | Unusable:
    return Unusable(
        ja="学習の依頼の形が正しくありません。desk.ask(…).model(flag, wb.dp_ebm(epsilon=…), features=[…], like=…) を使ってください。",
        en="This is no request for a model; use desk.ask(...).model(flag, wb.dp_ebm(epsilon=...), features=[...], like=...).",
    )
