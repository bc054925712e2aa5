"""
What an analyst types: a flag that is defined once, fitted on one part and evaluated on the other.

    flag = RiskFlag("school-attendance", target="absent_30d_next_year", capacity=0.05)
    model = flag.fit(children.train, LogisticRegression(), features=[...])
    report = flag.evaluate(model, children.test, groups=["sex"])
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from workbench.errors import Refused
from workbench.riskflag import explain, plots
from workbench.riskflag.card import Card, cards
from workbench.riskflag.define import Definition
from workbench.riskflag.dictionary import NOT_RECORDED
from workbench.riskflag.evaluate import MIN_CELL, evaluate
from workbench.riskflag.explanation import Explanation, explained
from workbench.riskflag.guarantee import sentence
from workbench.riskflag.page import Report
from workbench.riskflag.part import Part
from workbench.riskflag.plotting import Plot, japanese_font
from workbench.riskflag.said import labels_of
from workbench.riskflag.stability import REFITS, refit_as
from workbench.riskflag.train import MIN_CELL as LEAST_ROWS
from workbench.riskflag.train import Training, train
from workbench.scoring import engine
from workbench.scoring.model import Feature, Model


@dataclass(frozen=True)
class FittedFlag:
    """
    A flag's compiled model, with what it was trained on. It prints as the whole table of its points.

    Where trees or pairs speak of several items together, the table has what a level contributes on average.
    """

    definition: Definition
    model: Model
    training: Training
    part: Part

    def explain(self, part: Part, *, row: int) -> Explanation:
        """Why a row of `part`, counted from 0, would be a candidate, and what is not known of it."""
        return explained(self.model, part, row=row)

    def card(self, report: Report, *, version: str = "0.0.0") -> Card:
        """The model card as it would be handed in, in both languages."""
        written = cards(
            self.definition,
            self.model,
            evaluation=report.data,
            dictionary=self.part.dictionary,
            source=self.part.source,
            version=version,
            guarantee=self.training.guarantee,
        )
        return Card(**written)

    def plot(self) -> Plot:
        """The points of every level of every item."""
        language = "ja" if japanese_font() else "en"
        return plots.contributions(
            [self._drawn(feature, language=language) for feature in self.model.features]
        )

    def _drawn(self, feature: Feature, *, language: str) -> dict[str, Any]:
        entry = self.part.dictionary[feature.name]
        words = explain.place_words(feature, entry, language=language)
        return {
            "label": entry.label[language],
            "words": [*words.values(), NOT_RECORDED[language]],
            "points": list(self._points(feature)),
        }

    def _points(self, feature: Feature) -> Sequence[int]:
        """The points of each level, missing last; of trees and pairs what they contribute on average."""
        if not (self.model.trees or self.model.pairs):
            return [*feature.points, feature.missing]
        column = self.model.features.index(feature)
        places, said = self._scored.places[:, column], self._scored.contributions[:, column]
        # Missing stands at -1, behind the levels; what is unseen is not shown.
        standing = [said[places == place] for place in [*range(len(feature.points)), engine.MISSING_PLACE]]
        return [round(float(each.mean())) if len(each) else 0 for each in standing]

    @cached_property
    def _scored(self) -> engine.Scored:
        return engine.score(self.model, self.part.table(self.model.items))

    def _repr_html_(self) -> str:
        rows = "".join(self._html_row(feature) for feature in self.model.features)
        notes = "".join(
            f"<li>{escape(note['ja'])}<br><small>{escape(note['en'])}</small></li>"
            for note in self.training.notes
        )
        return (
            f"<p><b>{escape(self.definition.name)}</b>: {' / '.join(form_words(self.model))}, "
            f"基点 base {self.model.base:+,}, しきい値 threshold {self.model.threshold.score:+,} "
            f"({SCALE[self.model.calibration is None]}確率ではありません / not a probability)</p>"
            f"{rules_html(self.model)}<table><thead><tr><th>項目 / item</th><th>区分と点数 / levels and points</th></tr></thead>"
            f"<tbody>{rows}</tbody></table><ul>{notes}</ul>{self._html_difference()}"
        )

    def _html_difference(self) -> str:
        """How far the compiled integers are from the estimator; or under which guarantee they were learnt."""
        compiled, guarantee = self.training.compiled, self.training.guarantee
        if guarantee is not None:
            said = {language: escape(sentence(guarantee, language)) for language in ("ja", "en")}
            return f"<p>{said['ja']}<br><small>{said['en']}</small></p>"
        return (
            f"<p>学習器との差は最大 {compiled['largest_difference_milli_logits']}（1000 = 1 logit）、上位 "
            f"{compiled['capacity']:,} 行のうち入れ替わり {compiled['children_exchanged_at_capacity']} 行。<br><small>At most "
            f"{compiled['largest_difference_milli_logits']} from the estimator; "
            f"{compiled['children_exchanged_at_capacity']} of the top {compiled['capacity']:,} rows change.</small></p>"
        )

    def _html_row(self, feature: Feature) -> str:
        entry = self.part.dictionary[feature.name]
        words = explain.place_words(feature, entry, language="ja")
        *known, missing = self._points(feature)
        cells = [f"{words[place]} {points:+d}" for place, points in zip(feature.places, known, strict=True)]
        cells.append(f"{NOT_RECORDED['ja']} {missing:+d}")
        name = f"{escape(entry.label['ja'])}<br><small>{escape(entry.label['en'])}</small>"
        return f"<tr><td>{name}</td><td>{escape('　'.join(cells))}</td></tr>"


# A score with a calibration is a sum of votes or of an expert's points.
SCALE = {True: "1000 = 1 logit; ", False: ""}


def form_words(model: Model) -> tuple[str, str]:
    """What kind of model it is, in both languages."""
    counts = {"trees": len(model.trees), "rules": len(model.rules), "additive": len(model.pairs)}
    count = counts[model.form]
    pairs = (
        {"ja": f"（二次元の表 {count}）", "en": f" with {count} two-way tables"}
        if count
        else {"ja": "", "en": ""}
    )
    return {
        "trees": (
            f"決定木 {count} 本（項目の点数は平均の寄与）",
            f"{count} trees (points are average contributions)",
        ),
        "rules": (f"専門家の規則 {count} 件", f"{count} rules by experts"),
        "additive": (f"加法モデル{pairs['ja']}", f"additive model{pairs['en']}"),
    }[model.form]


def rules_html(model: Model) -> str:
    """The rules of an expert with their points."""
    if not model.rules:
        return ""
    kept = (
        "最初に当てはまる規則だけ / only the first that holds"
        if model.first_rule_only
        else "すべて加算 / all that hold"
    )
    rows = "".join(
        f"<tr><td>{escape(rule.words['ja'])}<br><small>{escape(rule.words['en'])}</small></td>"
        f"<td>{rule.points:+,}</td></tr>"
        for rule in model.rules
    )
    return f"<table><thead><tr><th>規則 / rule（{kept}）</th><th>点数 / points</th></tr></thead><tbody>{rows}</tbody></table>"


class RiskFlag(Definition):
    """A definition that fits and evaluates. See `Definition` for its arguments; all but the name are keywords."""

    def fit(
        self,
        part: Part,
        estimator: Any,
        *,
        features: Sequence[str] | None = None,
        edges: Mapping[str, Sequence[float]] | None = None,
        min_cell: int = LEAST_ROWS,
        seed: int = 0,
    ) -> FittedFlag:
        """Train on `part` and compile to the integer model; see `train`."""
        model, training = train(
            self, part, estimator, features=features, edges=edges, min_cell=min_cell, seed=seed
        )
        return FittedFlag(definition=self, model=model, training=training, part=part)

    def evaluate(
        self,
        model: FittedFlag,
        part: Part,
        *,
        groups: Sequence[str] = (),
        min_cell: int = MIN_CELL,
        refits: int = REFITS,
    ) -> Report:
        """
        Evaluate the compiled model on the test part of the dataset it was trained on.

        `refits` is how often it is fitted again to see who stays flagged; fewer are quicker while trying.
        """
        if part.source != model.part.source or part.name == model.part.name:
            raise Refused(
                ja="評価には、学習に使ったデータセットの検証用（test）を渡してください。",
                en="Evaluate on the test part of the dataset the model was trained on.",
            )
        data = evaluate(
            model.model,
            model.definition,
            train=model.part,
            test=part,
            by=groups,
            min_cell=min_cell,
            refit=refit_as(model.definition, model.training.to_json()),
            refits=refits,
        )
        return Report(data, labels=labels_of(data, part.dictionary))
