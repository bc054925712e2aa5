"""
Which methods may be trained on a protected table, with which settings, and which may not and why.

A method is asked for by its name; nothing of an analyst's own runs here. What no row of these tables names
is refused.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from workbench.errors import Refused, Unusable

Number = int | float


@dataclass(frozen=True)
class Setting:
    """A public number that a method takes: its bounds, and what it is when nobody says."""

    lowest: Number
    highest: Number
    otherwise: Number

    def value(self, given: Any, *, name: str) -> Number:
        """`given`, of the setting's own kind and within its bounds. Raises Unusable."""
        whole = isinstance(self.otherwise, int)
        kind = int if whole else int | float
        if isinstance(given, bool) or not isinstance(given, kind) or not self.lowest <= given <= self.highest:
            raise Unusable(
                ja=f"{name} は {self.lowest:g} 以上 {self.highest:g} 以下の{'整数' if whole else '数'}にしてください。",
                en=f"{name} is {'a whole number' if whole else 'a number'} from {self.lowest:g} to {self.highest:g}.",
            )
        return given


@dataclass(frozen=True)
class Method:
    """
    A method on the list. `concentrated`: it is paid in zCDP and needs a delta; else in pure epsilon.

    `household` says how the guarantee, which a library may give by row, is made one for a household.
    """

    label: str
    concentrated: bool
    household: Mapping[str, str]
    settings: Mapping[str, Setting]


# How each guarantee is made one for a household, in the words of the report.
WEIGHED = {
    "ja": "一つの世帯は、行の数では 12 行分、学習の各回の残差では合わせてこども 1 人分までに抑えます（寄与の上限）。世帯が一つ増えても減っても成り立ちます。雑音は OpenDP の離散ガウスです。",
    "en": "A household counts as 12 rows at most where rows are counted, and as one child at most in each sum of residuals (bounded contribution); it holds when a household is added or removed. The noise is OpenDP's discrete Gaussian.",
}
ONE_ROW = {
    "ja": "ライブラリの保証は行ごとのため、一つの世帯から無作為に 1 行だけを使います（寄与の上限）。学習に使う世帯の数は公知とみなし、一つの世帯が別の世帯に置き換わっても成り立ちます。雑音はライブラリの浮動小数点のもので、係数を 1000 分の 1 ロジットに丸めますが、下位の桁についての証明はありません。",
    "en": "The library's guarantee is by row, so one row of each household is drawn and the others are not used (bounded contribution); the number of households that are trained on counts as known, and it holds when a household is replaced. Its noise is floating-point; coefficients are rounded to a thousandth of a logit, which is no proof about low-order bits.",
}

METHODS: Mapping[str, Method] = {
    "dp_ebm": Method(
        "DP-EBM",
        concentrated=True,
        household=WEIGHED,
        settings={"rounds": Setting(1, 100, 10), "rate": Setting(0.01, 0.5, 0.3)},
    ),
    "dp_logistic": Method(
        "diffprivlib LogisticRegression",
        concentrated=False,
        household=ONE_ROW,
        # Rows have norm 1, so weights are large and must be bound little; a larger C makes the noise larger, too.
        settings={"C": Setting(0.001, 1000.0, 30.0)},
    ),
    "dp_naive_bayes": Method("diffprivlib GaussianNB", concentrated=False, household=ONE_ROW, settings={}),
}

# Asked for most, and never trained here. Each was tried on version 0.6.6 of diffprivlib or read in its source.
DENIED: Mapping[str, tuple[str, str]] = {
    "LinearRegression": (
        "下限を二度使うため感度が 0 になり、正確な積和を返します",
        "it uses the lower bound twice, so that a sensitivity is 0 and exact sums of products are returned",
    ),
    "KMeans": (
        "予算を超えて使い、正確な inertia_ と labels_ を残します",
        "it overspends its budget and keeps exact inertia_ and labels_",
    ),
    "PCA": (
        "平均と特異値の範囲がデータから決まり、結果は判定モデルになりません",
        "its centre and singular values follow the data, and its result is no risk flag",
    ),
    "StandardScaler": (
        "範囲を指定しないとデータの最小・最大を使い、欠損の数を正確に数えます",
        "it takes bounds from the data unless told, and counts missing values exactly",
    ),
    "RandomForestClassifier": (
        "整数の判定モデルに入らず、木の形の領域がデータから決まります",
        "the integer model cannot hold it, and its domain follows the data",
    ),
    "DecisionTreeClassifier": (
        "整数の判定モデルに入らず、木の形の領域がデータから決まります",
        "the integer model cannot hold it, and its domain follows the data",
    ),
    "DPExplainableBoostingClassifier": (
        "区分の一覧がデータから決まり、正確な行数を残し、雑音が浮動小数点です。同じ方法は dp_ebm で使えます",
        "its categories follow the data, it keeps the exact number of rows, and its noise is floating-point; dp_ebm is the same method",
    ),
}

# What would let noise be drawn twice, and so cancelled.
SEEDS = frozenset({"random_state", "seed", "rng", "random_seed", "generator"})


def method_named(name: Any) -> Method:
    """The method of this name. Raises Refused, with the reason for what is known to be unsafe."""
    if isinstance(name, str) and name in METHODS:
        return METHODS[name]
    if isinstance(name, str) and name in DENIED:
        ja, en = DENIED[name]
        raise Refused(
            ja=f"{name} は総括の部屋で学習できません。{ja}。使えるのは {'、'.join(METHODS)} です。",
            en=f"{name} is not trained in the coordinating body's room: {en}. There are: {', '.join(METHODS)}.",
        )
    raise Refused(
        ja=f"学習の方法は名前で指定します。使えるのは {'、'.join(METHODS)} です。自作の学習器は動かしません。",
        en=f"A method is asked for by name: {', '.join(METHODS)}. An estimator of your own is not run here.",
    )


def settings_of(method: Method, given: Mapping[str, Any]) -> dict[str, Number]:
    """Every setting of the method, checked. Raises Refused for a seed, Unusable for what it does not take."""
    if SEEDS & set(given):
        raise Refused(
            ja="乱数の種は指定できません。同じ種を二度使うと雑音を打ち消せるためです。その指定を外してください。",
            en="A seed may not be chosen: used twice, it would cancel the noise; leave it out.",
        )
    if not set(given) <= set(method.settings):
        raise Unusable(
            ja=f"この方法の設定は {'、'.join(method.settings) or 'ありません'}。ほかの指定を外してください。",
            en=f"This method takes {', '.join(method.settings) or 'no settings'}; leave the others out.",
        )
    return {
        name: setting.value(given.get(name, setting.otherwise), name=name)
        for name, setting in method.settings.items()
    }
