"""
Training: a scikit-learn logistic regression on the one-hot generalised categories, compiled to integers.

Single thread and a named seed, so that the same part gives the same model. Whatever the integer model
cannot hold is refused before anything is fitted, naming the nearest thing that it can. The compiled model
is the model; how far it is from the estimator is measured and reported, not assumed.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from workbench.errors import Refused
from workbench.riskflag.binning import Binned, bin_item, counts_of
from workbench.riskflag.define import Definition
from workbench.riskflag.part import Part
from workbench.riskflag.population import Considered, considered
from workbench.scoring import engine
from workbench.scoring.model import Feature, Model, Threshold

MILLI = 1000
# Odds of 160,000 to one: no item that was known beforehand decides that much.
LARGEST = 12_000
# Rows, not children: a panel has a row for each child and year, and brothers and sisters share a household,
# so that a hundred rows of a rare level are seldom fewer than ten households.
MIN_CELL = 100
MIN_OUTCOMES = 10

# What is asked for most, and what the integer model can hold instead.
NEAREST = {
    "RandomForestClassifier": ("決定木の集まり", "a forest"),
    "ExtraTreesClassifier": ("決定木の集まり", "a forest"),
    "HistGradientBoostingClassifier": ("勾配ブースティング", "gradient boosting"),
    "GradientBoostingClassifier": ("勾配ブースティング", "gradient boosting"),
    "DecisionTreeClassifier": ("決定木", "a tree"),
    "MLPClassifier": ("ニューラルネットワーク", "a neural network"),
    "SVC": ("サポートベクターマシン", "a support vector machine"),
    "Pipeline": ("前処理を含むパイプライン", "a pipeline with its own preprocessing"),
}


@dataclass(frozen=True)
class Training:
    """
    How a model came to be: what a reviewer needs in order to do it again.

    `guarantee` is that of a model trained under differential privacy on protected rows: there is no seed,
    counts are told with noise or not at all, and it cannot be done again.
    """

    estimator: str
    parameters: Mapping[str, Any]
    features: tuple[str, ...]
    seed: int | None
    min_cell: int
    rows: int | None
    positives: int | None
    edges: Mapping[str, Sequence[float]]
    notes: tuple[Mapping[str, str], ...]
    compiled: Mapping[str, Any]
    guarantee: Mapping[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        own = {name: value for name, value in vars(self).items() if name != "guarantee"}
        return {
            **own,
            **({} if self.guarantee is None else {"guarantee": dict(self.guarantee)}),
            "parameters": dict(self.parameters),
            "features": list(self.features),
            "edges": {item: list(edges) for item, edges in self.edges.items()},
            "notes": [dict(note) for note in self.notes],
            "compiled": dict(self.compiled),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Training":
        """The training that `to_json` wrote."""
        fields = {**data, "features": tuple(data["features"]), "notes": tuple(data["notes"])}
        return cls(**fields)


def train(
    definition: Definition,
    part: Part,
    estimator: Any,
    *,
    features: Sequence[str],
    edges: Mapping[str, Sequence[float]] | None = None,
    min_cell: int = MIN_CELL,
    seed: int = 0,
) -> tuple[Model, Training]:
    """
    Fit a copy of `estimator` on the part and compile it.

    `edges` sets the intervals of numbers where the round quantiles are not wanted. Raises Refused for an
    estimator or a feature the integer model cannot hold, and where there is too little to learn from.
    """
    refuse_unheld(estimator)
    definition.check_features(features, dictionary=part.dictionary)
    among = considered(definition, part)
    refuse_too_few(among)
    chosen = dict(edges or {})
    binned = [bin_item(among.part, item, min_cell=min_cell, edges=chosen.get(item)) for item in features]
    design = one_hot(binned)
    fitted, notes = fit(estimator, design, among.labels, seed=seed)
    model = compile_linear(definition, binned, fitted, among=among)
    training = Training(
        estimator=type(estimator).__name__,
        parameters=plain_parameters(fitted),
        features=tuple(features),
        seed=seed,
        min_cell=min_cell,
        rows=len(among.labels),
        positives=int(among.labels.sum()),
        edges=chosen,
        notes=(*(note for each in binned for note in each.notes), *notes),
        compiled=compare(model, fitted.decision_function(design), among),
    )
    return model, training


def refuse_unheld(estimator: Any) -> None:
    """Raise Refused unless the estimator is scikit-learn's logistic regression."""
    kind = type(estimator)
    if kind.__name__ == "LogisticRegression" and kind.__module__.startswith("sklearn."):
        return
    ja, en = NEAREST.get(kind.__name__, (f"{kind.__name__}", f"{kind.__name__}"))
    raise Refused(
        ja=f"{ja}は整数の判定モデルに入れられません。LogisticRegression() を使い、数値の項目は edges={{…}} で区間を細かくしてください。",
        en=f"The integer model cannot hold {en}; use LogisticRegression(), with finer intervals for numbers through edges={{...}}.",
    )


def refuse_too_few(among: Considered) -> None:
    positives = int(among.labels.sum())
    if min(positives, len(among.labels) - positives) < MIN_OUTCOMES:
        raise Refused(
            ja=f"該当ありまたは該当なしの行が{MIN_OUTCOMES}行に満たず、少なすぎて学習できません。年度や地域をまとめたデータを使ってください。",
            en=f"There are too few rows with or without the target (fewer than {MIN_OUTCOMES}) to learn from; use data pooled over more years or areas.",
        )


def one_hot(binned: Sequence[Binned]) -> sparse.csr_matrix:
    """A column for each coefficient of each item."""
    blocks = []
    for each in binned:
        column = np.array(each.group, dtype=np.int64)[each.places % len(each.group)]
        rows = np.arange(len(column))
        blocks.append(sparse.csr_matrix((np.ones(len(rows)), (rows, column)), shape=(len(rows), each.width)))
    return sparse.csr_matrix(sparse.hstack(blocks))


def fit(
    estimator: Any, design: sparse.csr_matrix, labels: npt.NDArray[np.bool_], *, seed: int
) -> tuple[Any, tuple[Mapping[str, str], ...]]:
    """A fitted copy, on one thread; a fit that did not settle is refused."""
    from sklearn.base import clone
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    copy = clone(estimator)
    copy.set_params(n_jobs=None, random_state=seed if copy.random_state is None else copy.random_state)
    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            copy.fit(design, labels)
        except ConvergenceWarning:
            raise Refused(
                ja="学習が収束しませんでした。LogisticRegression(max_iter=1000) のように回数を増やしてください。",
                en="The fit did not settle; allow more steps, as in LogisticRegression(max_iter=1000).",
            ) from None
    return copy, BALANCED if copy.class_weight is not None else ()


BALANCED = (
    {
        "ja": "class_weight を使ったため、点数は実際の発生率より高い確率に対応します。順位には影響しません。",
        "en": "With class_weight, scores stand for higher probabilities than the rates observed; the ranking is not affected.",
    },
)


def compile_linear(
    definition: Definition, binned: Sequence[Binned], fitted: Any, *, among: Considered
) -> Model:
    """
    The integer model of a fitted logistic regression.

    Each item is centred on its training mean, so that a contribution says how far a child stands from
    the average child; the means go to the base, and no score changes.
    """
    base = whole(float(fitted.intercept_[0]))
    features, start = [], 0
    for each in binned:
        coefficients = [whole(value) for value in fitted.coef_[0][start : start + each.width]]
        start += each.width
        feature, shift = centred(each, coefficients)
        features.append(feature)
        base += shift
    return at_capacity(draft(definition, base=base, features=tuple(features)), among)


def draft(definition: Definition, *, base: int, features: tuple[Feature, ...]) -> Model:
    """The model of these points, its threshold still to be set."""
    return Model(
        name=definition.name,
        target=definition.target,
        unit=definition.unit,
        base=base,
        features=features,
        threshold=Threshold(score=0, capacity=definition.places, tie_rule=definition.tie_rule),
        eligible={item: tuple(levels) for item, levels in definition.eligible.items()},
        excluded={item: tuple(levels) for item, levels in definition.excluded.items()},
    )


def at_capacity(model: Model, among: Considered) -> Model:
    """The model with the threshold that the capacity has among these rows."""
    # From the scores alone: no outcome of the test part has a say in it.
    scores = engine.score(model, among.part.table(model.items)).scores
    threshold = model.threshold
    lowest = engine.lowest(scores, threshold.capacity, tie_rule=threshold.tie_rule)
    return replace(model, threshold=replace(threshold, score=lowest))


def centred(binned: Binned, coefficients: Sequence[int]) -> tuple[Feature, int]:
    """The item's points around their mean over the training rows, and the mean."""
    counts = counts_of(binned.shape, binned.places)
    own = np.array([coefficients[group] for group in binned.group], dtype=np.int64)
    shift = round(float((own * counts).sum() / counts.sum()))
    points = [int(value) for value in own - shift]
    unseen = None if binned.shape.unseen is None else points[-2]
    return replace(binned.shape, points=tuple(points[:-2]), missing=points[-1], unseen=unseen), shift


def whole(logit: float) -> int:
    """A coefficient in milli-logits."""
    points = round(logit * MILLI)
    if abs(points) > LARGEST:
        raise Refused(
            ja="係数が大きくなりすぎました。一つの項目がほぼ答えを決めています。その項目が基準日より後の情報でないか確かめるか、正則化（C）を強めてください。",
            en="A coefficient grew out of bounds: one item all but decides the target. Check that it is not dated after the index date, or regularise more (smaller C).",
        )
    return points


def compare(model: Model, logits: npt.NDArray[np.float64], among: Considered) -> dict[str, Any]:
    """How far the compiled model is from the estimator on the training rows, and whether the ranking moved."""
    scores = engine.score(model, among.part.table(model.items)).scores
    places = model.threshold.capacity.of(len(scores))
    top_ir = set(np.argsort(-scores, kind="stable")[:places].tolist())
    top_estimator = set(np.argsort(-logits, kind="stable")[:places].tolist())
    return {
        "largest_difference_milli_logits": round(float(np.abs(scores - logits * MILLI).max()), 1),
        "children_exchanged_at_capacity": len(top_ir - top_estimator),
        "capacity": places,
    }


def plain_parameters(estimator: Any) -> dict[str, Any]:
    """The estimator's settings as plain data."""
    plain = (str, int, float, bool, type(None))
    return {
        name: value
        if isinstance(value, plain)
        else {str(k): float(v) for k, v in value.items()}
        if isinstance(value, dict)
        else repr(value)
        for name, value in sorted(estimator.get_params().items())
    }
