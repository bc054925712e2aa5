"""
Models trained where the protected rows are: priced before, rehearsed for nothing, then trained for a price.

    wish = desk.ask("child-year-raw").model(flag, wb.dp_ebm(epsilon=1.0), features=[...], like=children)
    wish.cost
    model = wish.rehearse()
    model = wish.answer()
    report = flag.evaluate(model, children.test, groups=["sex"])

A method is named, never handed over: nothing of an analyst's runs beside the protected rows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from workbench.analyst.datasets import Dataset
from workbench.analyst.display import Facts
from workbench.analyst.gateway import Gateway
from workbench.errors import Refused
from workbench.riskflag.define import Definition
from workbench.riskflag.flag import FittedFlag
from workbench.riskflag.train import Training
from workbench.scoring import model as models

NOTHING_SPENT = "まだ何も使っていません。試す回数（tries）の分だけ費用がかかります。 / Nothing has been spent yet; every try is paid for."


@dataclass(frozen=True)
class Method:
    """A method of the coordinating body's room, by name, with its loss and its settings."""

    name: str
    epsilon: float
    delta: float | None = None
    settings: Mapping[str, Any] | None = None


def dp_ebm(*, epsilon: float, delta: float = 3e-7, **settings: Any) -> Method:
    """
    DP-EBM: an additive model boosted from noisy sums (Nori et al., ICML 2021). Costs (epsilon, delta).

    Settings: `rounds` (10) and `rate` (0.3). Numbers that are released as numbers take `edges`. A model may take
    less than a third of a budget's delta: the one that nobody chose fits the policies' 1e-6.
    """
    return Method("dp_ebm", epsilon, delta, settings)


def dp_logistic(*, epsilon: float, **settings: Any) -> Method:
    """diffprivlib's logistic regression with a public norm. Costs epsilon. Setting: `C` (30.0)."""
    return Method("dp_logistic", epsilon, None, settings)


def dp_naive_bayes(*, epsilon: float, **settings: Any) -> Method:
    """diffprivlib's Gaussian naive Bayes with public bounds and classes. Costs epsilon."""
    return Method("dp_naive_bayes", epsilon, None, settings)


@dataclass(frozen=True)
class ModelWish:
    """A model that is wished for. Only `answer()` costs, and what it costs is `cost`."""

    gateway: Gateway
    dataset: str
    definition: Definition
    like: Dataset
    wish: Mapping[str, Any]

    @cached_property
    def cost(self) -> Facts:
        """What it would cost, and how large a difference it could tell from noise."""
        return Facts(self._ask("price_model"), title=self._title, note=NOTHING_SPENT)

    def rehearse(self) -> FittedFlag:
        """The same training, with the same noise, on the admitted rows; for nothing."""
        return self._fitted(self._ask("rehearse_model"))

    def answer(self) -> FittedFlag:
        """The model, charged to the dataset's budget before it is trained. Evaluate it on `like.test`."""
        return self._fitted(self._ask("train_model"))

    def _ask(self, verb: str) -> Any:
        like = f"{self.like.name}-{self.like.version}"
        return self.gateway.ask(verb, dataset=self.dataset, like=like, wish=dict(self.wish))

    def _fitted(self, answer: Mapping[str, Any]) -> FittedFlag:
        return FittedFlag(
            definition=self.definition,
            model=models.build(answer["model"]),
            training=Training.from_json(answer["training"]),
            part=self.like.train,
        )

    @property
    def _title(self) -> str:
        return f"{self.dataset}: {self.definition.name}, {self.wish['method']}"

    def _repr_html_(self) -> str:
        return self.cost._repr_html_()

    def __repr__(self) -> str:
        return f"{self._title}, ε = {self.wish['epsilon']} × {self.wish['tries']}"


def wished(
    gateway: Gateway,
    dataset: str,
    *,
    flag: Definition,
    method: Method,
    features: Sequence[str],
    like: Dataset,
    edges: Mapping[str, Sequence[float]] | None,
    tries: int,
) -> ModelWish:
    """The wish as a value. Raises Refused for an estimator of one's own: it would not be run."""
    if not isinstance(method, Method):
        raise Refused(
            ja="総括の部屋では、自作の学習器は動かせません。wb.dp_ebm(epsilon=…) などの方法を渡してください。",
            en="An estimator of your own is not run in the coordinating body's room; hand in wb.dp_ebm(epsilon=...) or another method.",
        )
    wish = {
        "flag": flag.to_json(),
        "features": list(features),
        "edges": {item: list(chosen) for item, chosen in (edges or {}).items()},
        "method": method.name,
        "settings": dict(method.settings or {}),
        "epsilon": method.epsilon,
        "delta": method.delta,
        "tries": tries,
    }
    return ModelWish(gateway, dataset, flag, like, wish)
