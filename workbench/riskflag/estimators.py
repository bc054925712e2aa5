"""
Which estimators a model can hold: one table, from class to what it reads and who compiles it.

Whatever is not here is refused before anything is fitted, naming the nearest thing that is. An estimator's
settings are plain data, so that whoever checks a model can fit the same again without running anyone's code.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from inspect import signature
from typing import Any

import numpy as np

from workbench.errors import Refused, Unusable
from workbench.riskflag.compilers import additive, experts, linear, trees
from workbench.riskflag.compilers.calibrated import several_estimators
from workbench.riskflag.compilers.compiled import Compiled
from workbench.riskflag.design import Design
from workbench.riskflag.expert import RuleList, Scorecard


@dataclass(frozen=True)
class Way:
    """Where a class comes from, which design it reads, who compiles it, and which settings it must have."""

    module: str
    reads: str
    compile: Callable[[Any, Design], Compiled]
    must: Mapping[str, Any]


ESTIMATORS: Mapping[str, Way] = {
    "LogisticRegression": Way("sklearn.linear_model", "indicators", linear.logistic, {}),
    "BernoulliNB": Way("sklearn.naive_bayes", "indicators", linear.bernoulli, {"binarize": 0.0}),
    "GaussianNB": Way("sklearn.naive_bayes", "indicators", linear.gaussian, {}),
    "DecisionTreeClassifier": Way("sklearn.tree", "amounts", trees.single, {}),
    "RandomForestClassifier": Way("sklearn.ensemble", "amounts", trees.forest, {}),
    "ExtraTreesClassifier": Way("sklearn.ensemble", "amounts", trees.forest, {}),
    "GradientBoostingClassifier": Way(
        "sklearn.ensemble", "amounts_and_missing", trees.boosted, {"loss": "log_loss", "init": None}
    ),
    "HistGradientBoostingClassifier": Way(
        "sklearn.ensemble",
        "codes",
        trees.histogram,
        {
            "loss": "log_loss",
            "categorical_features": "from_dtype",
            "interaction_cst": None,
            "monotonic_cst": None,
        },
    ),
    "ExplainableBoostingClassifier": Way(
        "interpret.glassbox",
        "codes",
        additive.explainable_boosting,
        {"feature_names": None, "feature_types": None, "exclude": None, "monotone_constraints": None},
    ),
    "RuleList": Way("workbench.riskflag.expert", "items", experts.rule_list, {}),
    "Scorecard": Way("workbench.riskflag.expert", "items", experts.scorecard, {}),
}
WRITTEN = {"RuleList": RuleList, "Scorecard": Scorecard}
CALIBRATED = "CalibratedClassifierCV"
# What may stand before an estimator in a Pipeline: each looks at one column at a time.
TRANSFORMERS: Mapping[str, str] = {
    "Pipeline": "sklearn.pipeline",
    "ColumnTransformer": "sklearn.compose",
    "SimpleImputer": "sklearn.impute",
    "MissingIndicator": "sklearn.impute",
    "OneHotEncoder": "sklearn.preprocessing",
    "OrdinalEncoder": "sklearn.preprocessing",
    "KBinsDiscretizer": "sklearn.preprocessing",
    "StandardScaler": "sklearn.preprocessing",
    "MinMaxScaler": "sklearn.preprocessing",
    "MaxAbsScaler": "sklearn.preprocessing",
    "RobustScaler": "sklearn.preprocessing",
}
# Interpret's own intervals follow the columns that `fit` gives it.
NOT_IN_A_PIPELINE = {"ExplainableBoostingClassifier", "RuleList", "Scorecard"}
# What a calibrator is given for these is a share of votes, and what the others call a decision.
BY_SHARE = {"DecisionTreeClassifier", "RandomForestClassifier", "ExtraTreesClassifier"}
BY_DECISION = {
    "LogisticRegression",
    "GradientBoostingClassifier",
    "HistGradientBoostingClassifier",
}

ALL_ANEW = "LogisticRegression()"

# What is asked for, what it is called, and the nearest thing that the model can hold.
NEAREST: Mapping[str, tuple[str, str, str]] = {
    "SVC": ("サポートベクターマシン", "a support vector machine", "HistGradientBoostingClassifier()"),
    "NuSVC": ("サポートベクターマシン", "a support vector machine", "HistGradientBoostingClassifier()"),
    "LinearSVC": ("線形サポートベクターマシン", "a linear support vector machine", ALL_ANEW),
    "SGDClassifier": ("確率的勾配降下の線形モデル", "a linear model by stochastic descent", ALL_ANEW),
    "RidgeClassifier": ("リッジ分類器", "a ridge classifier", ALL_ANEW),
    "LogisticRegressionCV": (
        "交差検証つきロジスティック回帰",
        "a logistic regression with its own search",
        ALL_ANEW,
    ),
    "KNeighborsClassifier": (
        "近傍法（学習データそのものを持ち歩きます）",
        "nearest neighbours, which carry the training rows",
        "RandomForestClassifier(min_samples_leaf=100)",
    ),
    "GaussianProcessClassifier": (
        "ガウス過程（学習データそのものを持ち歩きます）",
        "a Gaussian process, which carries the training rows",
        "HistGradientBoostingClassifier()",
    ),
    "MLPClassifier": ("ニューラルネットワーク", "a neural network", "ExplainableBoostingClassifier()"),
    "AdaBoostClassifier": ("AdaBoost", "AdaBoost", "GradientBoostingClassifier()"),
    "BaggingClassifier": ("バギング", "bagging", "RandomForestClassifier()"),
    "VotingClassifier": ("複数の学習器の投票", "a vote of several estimators", "RandomForestClassifier()"),
    "StackingClassifier": ("積み重ねた学習器", "stacked estimators", "HistGradientBoostingClassifier()"),
    "XGBClassifier": ("XGBoost", "XGBoost", "HistGradientBoostingClassifier()"),
    "LGBMClassifier": ("LightGBM", "LightGBM", "HistGradientBoostingClassifier()"),
    "CatBoostClassifier": ("CatBoost", "CatBoost", "HistGradientBoostingClassifier()"),
    "GridSearchCV": ("設定の探索", "a search over settings", "search.best_estimator_"),
    "RandomizedSearchCV": ("設定の探索", "a search over settings", "search.best_estimator_"),
}


def way_of(estimator: Any) -> Way:
    """The row of the table for an estimator, or for the one inside a calibration. Raises Refused."""
    inside = inner(estimator)
    name = type(inside).__name__
    # A class of the same name from elsewhere, or one that inherits, may compute something else.
    if name not in ESTIMATORS or type(inside) is not class_of(name):
        raise not_held(name)
    return ESTIMATORS[name]


def refuse_unheld(estimator: Any) -> None:
    """Raise Refused for what the model cannot hold, before anything is fitted."""
    if is_pipeline(estimator):
        for step in estimator.steps[:-1]:
            refuse_step(step[1])
        refuse_unheld(estimator.steps[-1][1])
        if type(last_of(estimator)).__name__ in NOT_IN_A_PIPELINE:
            raise alone(type(last_of(estimator)).__name__)
        return
    way, inside = way_of(estimator), inner(estimator)
    name = type(inside).__name__
    refuse_settings(inside, way, name=name)
    if inside is not estimator:
        refuse_calibration(estimator, name)


def is_pipeline(estimator: Any) -> bool:
    """Whether it is scikit-learn's own pipeline."""
    return type(estimator).__name__ == "Pipeline" and type(estimator) is class_of("Pipeline")


def last_of(estimator: Any) -> Any:
    """The estimator at the end of a pipeline; any other as it is."""
    return estimator.steps[-1][1] if is_pipeline(estimator) else estimator


def refuse_step(step: Any) -> None:
    """Raise Refused unless a step, and whatever it is made of, may stand before an estimator."""
    if isinstance(step, str) and step in ("passthrough", "drop"):
        return
    name = type(step).__name__
    if name not in TRANSFORMERS or type(step) is not class_of(name):
        raise Refused(
            ja=f"前処理 {name} は判定モデルに入りません。使えるのは {'、'.join(TRANSFORMERS)} です。前処理なしの学習器を渡せば、区間・区分・欠損は fit が扱います。",
            en=f"The model cannot hold the step {name}; it can hold {', '.join(TRANSFORMERS)}. Without preprocessing fit itself sees to intervals, levels and missing values.",
        )
    parts = getattr(step, "steps", None) or getattr(step, "transformers", None) or ()
    for each in parts:
        refuse_step(each[1])


def alone(name: str) -> Refused:
    return Refused(
        ja=f"{name} は前処理なしで渡してください。区間・区分・欠損は fit が扱います。",
        en=f"Hand in {name} without preprocessing; fit itself sees to intervals, levels and missing values.",
    )


def inner(estimator: Any) -> Any:
    """The estimator inside a pipeline or a calibration of scikit-learn; any other as it is."""
    estimator = last_of(estimator)
    calibrated = type(estimator).__name__ == CALIBRATED
    if not calibrated or type(estimator).__module__.partition(".")[0] != "sklearn":
        return estimator
    if estimator.estimator is None:
        raise not_held("LinearSVC")
    return estimator.estimator


def class_of(name: str) -> Any:
    """The class of a row; None where its library is not installed."""
    try:
        module = ESTIMATORS[name].module if name in ESTIMATORS else TRANSFORMERS[name]
        return getattr(import_module(module), name)
    except ImportError:
        return None


def refuse_calibration(estimator: Any, name: str) -> None:
    if estimator.ensemble is not False:
        raise several_estimators()
    if estimator.method not in ("sigmoid", "isotonic") or name not in BY_SHARE | BY_DECISION:
        raise Refused(
            ja=f"{name} の校正（{CALIBRATED}）は判定モデルに入りません。校正せずに使うか、method='sigmoid' か 'isotonic' で木・ブースティング・ロジスティック回帰に使ってください。",
            en=f"The model cannot hold a calibration of {name} by {CALIBRATED}; leave it uncalibrated, or calibrate trees, boosting or logistic regression by 'sigmoid' or 'isotonic'.",
        )


def refuse_settings(estimator: Any, way: Way, *, name: str) -> None:
    for setting, value in way.must.items():
        if getattr(estimator, setting) != value:
            raise Refused(
                ja=f"{name}({setting}=…) のこの設定は判定モデルに入りません。既定（{value!r}）のまま使ってください。",
                en=f"The model cannot hold this setting of {name}({setting}=...); leave it at {value!r}.",
            )


def not_held(name: str) -> Refused:
    ja, en, nearest = NEAREST.get(name, (name, name, "HistGradientBoostingClassifier()"))
    also = "" if nearest == ALL_ANEW else ALL_ANEW
    return Refused(
        ja=f"{ja}は整数の判定モデルに入れられません。最も近い {nearest}{f' か {also}' if also else ''} を使ってください。",
        en=f"The integer model cannot hold {en}; the nearest it can is {nearest}{f', or {also}' if also else ''}.",
    )


def described(estimator: Any) -> dict[str, Any]:
    """An estimator's settings as plain data, those of an estimator inside it with its name."""
    settings = estimator.get_params(deep=False)
    if type(estimator).__name__ in TRANSFORMERS:
        # Some defaults of transformers are no plain data; only what was chosen is told.
        usual = {name: one.default for name, one in signature(type(estimator)).parameters.items()}
        settings = {name: value for name, value in settings.items() if not same(value, usual[name])}
    return {name: plain(value) for name, value in sorted(settings.items())}


def same(value: Any, usual: Any) -> bool:
    return value is usual or repr(value) == repr(usual)


def plain(value: Any) -> Any:
    """A setting as plain data. Raises Refused for what is none."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | int | float | bool):
        return value
    name = type(value).__name__
    if (name in ESTIMATORS or name in TRANSFORMERS or name == CALIBRATED) and hasattr(value, "get_params"):
        return {"estimator": name, "parameters": described(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [plain(one) for one in value]
    raise Refused(
        ja="学習器の設定に、数・文字・真偽値以外のものがあります。関数や乱数の生成器は渡さず、seed= を使ってください。",
        en="A setting of the estimator is no number, text or truth value; pass no function or generator, and use seed=.",
    )


def rebuilt(name: str, parameters: Mapping[str, Any]) -> Any:
    """
    The unfitted estimator that `described` told, of the classes of the table and no other.

    Raises Unusable for another class, or settings that the class does not take.
    """
    try:
        if name in WRITTEN:
            return WRITTEN[name].of(parameters)
        settings = {key: setting(key, value) for key, value in parameters.items()}
        if name == CALIBRATED:
            from sklearn.calibration import CalibratedClassifierCV

            return CalibratedClassifierCV(**settings)
        return class_of(name)(**settings)
    except (KeyError, TypeError, ValueError, AttributeError, Refused):
        raise Unusable(
            ja="学習器の名前か設定が、判定モデルに入るものの一覧にありません。flag.fit で学習し直してください。",
            en="The estimator or its settings are none that a model can hold; fit again with flag.fit.",
        ) from None


# JSON has no keys but texts.
OUTCOMES = {"True": True, "1": True, "False": False, "0": False}


def setting(name: str, value: Any) -> Any:
    if name == "class_weight" and isinstance(value, dict):
        return {OUTCOMES[key]: weight for key, weight in value.items()}
    if isinstance(value, dict) and set(value) == {"estimator", "parameters"}:
        return rebuilt(value["estimator"], value["parameters"])
    if name in ("steps", "transformers"):
        return [tuple(setting("", one) for one in step) for step in value]
    return value
