"""
Training: an estimator fitted on generalised items, compiled to integers.

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

from workbench.errors import Refused
from workbench.riskflag import pipelines
from workbench.riskflag.binning import bin_item
from workbench.riskflag.compilers import experts, trees
from workbench.riskflag.compilers.calibrated import recalibrated
from workbench.riskflag.compilers.compiled import LARGEST, MILLI, Compiled, Floats, log_odds
from workbench.riskflag.define import Definition
from workbench.riskflag.design import Column, Design, design_of
from workbench.riskflag.estimators import (
    BY_SHARE,
    WRITTEN,
    described,
    inner,
    is_pipeline,
    last_of,
    refuse_unheld,
    way_of,
)
from workbench.riskflag.part import Part
from workbench.riskflag.population import Considered, considered
from workbench.scoring import engine
from workbench.scoring.engine import Integers
from workbench.scoring.model import Capacity, Feature, Model, Threshold

# Rows, not children: a panel has a row for each child and year, and brothers and sisters share a household,
# so that a hundred rows of a rare level are seldom fewer than ten households.
MIN_CELL = 100
MIN_OUTCOMES = 10


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
    features: Sequence[str] | None = None,
    edges: Mapping[str, Sequence[float]] | None = None,
    min_cell: int = MIN_CELL,
    seed: int = 0,
) -> tuple[Model, Training]:
    """
    Fit a copy of `estimator` on the part and compile it.

    `edges` sets the intervals of numbers where the round quantiles are not wanted. What an expert wrote
    names its own items and thresholds. Raises Refused for an estimator or a feature the integer model
    cannot hold, and where there is too little to learn from.
    """
    refuse_unheld(estimator)
    written = type(estimator).__name__ in WRITTEN
    items = estimator.items if written else asked_for(features)
    definition.check_features(items, dictionary=part.dictionary)
    among = considered(definition, part)
    refuse_too_few(among)
    chosen = dict((estimator.edges() if written else edges) or {})
    # An expert's thresholds and levels are not learnt from anybody's row.
    least = 0 if written else min_cell
    if is_pipeline(estimator):
        prepared = piped(estimator, among, items, seed=seed)
    else:
        prepared = binned(estimator, among, items, edges=chosen, min_cell=least, seed=seed)
    design = prepared.design
    found = stood_for(compiled(prepared.fitted, design), written, design, among)
    model = at_capacity(model_of(definition, design, found), among)
    said = engine.milli_logits(model, scores_of(model, among)) / MILLI if written else prepared.said
    training = Training(
        estimator=type(estimator).__name__,
        parameters=prepared.parameters,
        features=tuple(items),
        seed=seed,
        min_cell=least,
        rows=len(among.labels),
        positives=int(among.labels.sum()),
        edges=chosen,
        notes=prepared.notes,
        compiled=compare(model, said, among),
    )
    return model, training


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator in its design, its settings, and what it says of the training rows as log-odds."""

    design: Design
    fitted: Any
    parameters: Mapping[str, Any]
    notes: tuple[Mapping[str, str], ...]
    said: Floats


def binned(
    estimator: Any,
    among: Considered,
    items: Sequence[str],
    *,
    edges: Mapping[str, Sequence[float]],
    min_cell: int,
    seed: int,
) -> Fitted:
    """Fitted on intervals and levels, already joined so that none describes a few rows."""
    each = [bin_item(among.part, item, min_cell=min_cell, edges=edges.get(item)) for item in items]
    design = design_of(each, how=way_of(estimator).reads)
    copy, parameters = configured(estimator, design.columns, seed=seed)
    written = type(estimator).__name__ in WRITTEN
    notes = () if written else fit(copy, given_to(copy, design), among.labels)
    said = np.zeros(len(among.labels)) if written else said_by(copy, given_to(copy, design))
    return Fitted(design, copy, parameters, (*(note for one in each for note in one.notes), *notes), said)


def piped(pipeline: Any, among: Considered, items: Sequence[str], *, seed: int) -> Fitted:
    """Fitted on the items as they are, with the pipeline's own preprocessing."""
    copy, parameters = configured(pipeline, (), seed=seed)
    frame = pipelines.frame_of(among.part, items)
    notes = fit(copy, frame, among.labels)
    design = pipelines.design_of(copy, among.part, items)
    return Fitted(design, copy[-1], parameters, (*notes, OWN_INTERVALS), said_by(copy, frame))


OWN_INTERVALS = {
    "ja": "パイプラインの区間と区分をそのまま使っています。少数の行だけを表す区間・区分・葉があり得るため、受入時の検査で数えられます。",
    "en": "The pipeline's own intervals and levels are used as they are; some may describe few rows, and the check at the door counts them.",
}


def asked_for(features: Sequence[str] | None) -> Sequence[str]:
    if not features:
        raise Refused(
            ja="使う項目を features=[…] で指定してください。",
            en="Say which items to use with features=[...].",
        )
    return features


def refuse_too_few(among: Considered) -> None:
    positives = int(among.labels.sum())
    if min(positives, len(among.labels) - positives) < MIN_OUTCOMES:
        raise Refused(
            ja=f"該当ありまたは該当なしの行が{MIN_OUTCOMES}行に満たず、少なすぎて学習できません。年度や地域をまとめたデータを使ってください。",
            en=f"There are too few rows with or without the target (fewer than {MIN_OUTCOMES}) to learn from; use data pooled over more years or areas.",
        )


def configured(estimator: Any, columns: Sequence[Column], *, seed: int) -> tuple[Any, dict[str, Any]]:
    """A copy on one thread with the seed by name, and its settings as plain data."""
    from sklearn.base import clone

    if type(estimator).__name__ in WRITTEN:
        return estimator, described(estimator)
    copy = clone(estimator)
    for one in dict.fromkeys([copy, last_of(copy), inner(copy)]):
        settings = one.get_params(deep=False)
        if "random_state" in settings and settings["random_state"] is None:
            one.set_params(random_state=seed)
        if "n_jobs" in settings:
            # Threads add in another order each time, and a sum of floats with them.
            one.set_params(n_jobs=None if settings["n_jobs"] is None else 1)
    parameters = described(copy)
    coded = [place for place, column in enumerate(columns) if column.coded]
    kind = type(inner(copy)).__name__
    if kind == "HistGradientBoostingClassifier":
        inner(copy).set_params(categorical_features=coded or None)
    if kind == "ExplainableBoostingClassifier":
        kinds = ["nominal" if column.coded else "continuous" for column in columns]
        copy.set_params(feature_types=kinds)
    return copy, parameters


def given_to(estimator: Any, design: Design) -> Any:
    """The training rows as this estimator reads them."""
    kind = type(inner(estimator)).__name__
    if kind in ("LogisticRegression", "BernoulliNB"):
        return design.sparse
    if kind != "ExplainableBoostingClassifier":
        return design.matrix
    rows = design.matrix.astype(object)
    for place, column in enumerate(design.columns):
        if column.coded:
            rows[:, place] = [str(int(value)) for value in rows[:, place]]
    return rows


def fit(estimator: Any, rows: Any, labels: npt.NDArray[np.bool_]) -> tuple[Mapping[str, str], ...]:
    """Fit on one thread, and what is to be said of it; a fit that did not settle is refused."""
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(limits=1):
        warnings.simplefilter("error", ConvergenceWarning)
        # interpret warns that its pages cannot draw missing values; ours can.
        warnings.filterwarnings("ignore", message="Missing values detected")
        try:
            estimator.fit(rows, labels)
        except ConvergenceWarning:
            raise Refused(
                ja="学習が収束しませんでした。LogisticRegression(max_iter=1000) のように回数を増やしてください。",
                en="The fit did not settle; allow more steps, as in LogisticRegression(max_iter=1000).",
            ) from None
        except ValueError:
            raise Refused(
                ja="学習器がこのデータを受け付けませんでした。多くは欠損か設定の誤りです。パイプラインなら SimpleImputer(add_indicator=True) を前に置き、設定を確かめてください。",
                en="The estimator did not take these rows, most often for missing values or a wrong setting; in a pipeline put SimpleImputer(add_indicator=True) first, and check its settings.",
            ) from None
    weighted = getattr(inner(estimator), "class_weight", None) is not None
    return BALANCED if weighted and inner(estimator) is last_of(estimator) else ()


def compiled(fitted: Any, design: Design) -> Compiled:
    """The estimator in whole numbers; inside a calibration, with its table."""
    way = way_of(fitted)
    if inner(fitted) is fitted:
        return way.compile(fitted, design)
    (one,) = fitted.calibrated_classifiers_
    inside, (calibrator,) = one.estimator, one.calibrators
    if type(inside).__name__ not in BY_SHARE:
        return recalibrated(way.compile(inside, design), calibrator)
    estimators = getattr(inside, "estimators_", [inside])
    return recalibrated(trees.votes(estimators, design), calibrator)


def stood_for(found: Compiled, written: bool, design: Design, among: Considered) -> Compiled:
    """`found`; with what its points stood for in training, where an expert wrote them."""
    if not written:
        return found
    bare = Model("", "", "", found.base, shapes(design, found), Threshold(0, NOWHERE, ""), **forms(found))
    return experts.observed(found, scores_of(bare, among), among.labels)


NOWHERE = Capacity(children=0)


def said_by(fitted: Any, rows: Any) -> Floats:
    """The estimator's own log-odds of rows."""
    if hasattr(fitted, "decision_function"):
        return np.asarray(fitted.decision_function(rows), dtype=np.float64)
    return log_odds(fitted.predict_proba(rows)[:, 1]) / MILLI


def scores_of(model: Model, among: Considered) -> Integers:
    return engine.score(model, among.part.table(model.items)).scores


BALANCED = (
    {
        "ja": "class_weight を使ったため、点数は実際の発生率より高い確率に対応します。順位には影響しません。",
        "en": "With class_weight, scores stand for higher probabilities than the rates observed; the ranking is not affected.",
    },
)


def model_of(definition: Definition, design: Design, found: Compiled) -> Model:
    """The model of a compiled estimator, its threshold still to be set."""
    model = draft(definition, base=found.base, features=shapes(design, found))
    return replace(model, **forms(found))


def shapes(design: Design, found: Compiled) -> tuple[Feature, ...]:
    """The items with their points."""
    return tuple(
        pointed(shape, points.tolist()) for shape, points in zip(design.shapes, found.points, strict=True)
    )


def pointed(shape: Feature, points: Sequence[int]) -> Feature:
    *known, unseen, missing = points
    kept = None if shape.unseen is None else unseen
    return replace(shape, points=tuple(known), missing=missing, unseen=kept)


def forms(found: Compiled) -> dict[str, Any]:
    names = ("pairs", "trees", "rules", "first_rule_only", "calibration")
    return {name: getattr(found, name) for name in names}


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


def compare(model: Model, logits: Floats, among: Considered) -> dict[str, Any]:
    """How far the compiled model is from the estimator on the training rows, and whether the ranking moved."""
    scores = scores_of(model, among)
    places = model.threshold.capacity.of(len(scores))
    top = np.argsort(-scores, kind="stable")[:places]
    # Below the last who has a place with the estimator; those it calls equal may take each other's.
    last = np.sort(logits)[::-1][places - 1] if places else -np.inf
    # Beyond the largest odds a model tells, a probability has too few digits to compare.
    bounds = (-LARGEST, LARGEST)
    apart = np.abs(np.clip(engine.milli_logits(model, scores), *bounds) - np.clip(logits * MILLI, *bounds))
    return {
        "largest_difference_milli_logits": round(float(apart.max()), 1),
        "children_exchanged_at_capacity": int((logits[top] < last - SAME).sum()),
        "capacity": places,
        "rank_correlation": rank_correlation(scores, logits),
    }


# Sums of floats in another order differ by less.
SAME = 1e-9


def rank_correlation(scores: Integers, logits: Floats) -> float | None:
    """Spearman's correlation of the two rankings; None where one of them tells nobody apart."""
    from scipy.stats import rankdata

    ranks = [rankdata(scores), rankdata(np.round(logits / SAME))]
    if any(np.ptp(own) == 0 for own in ranks):
        return None
    return round(float(np.corrcoef(*ranks)[0, 1]), 6)
