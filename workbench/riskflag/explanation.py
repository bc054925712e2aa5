"""
Why the flag would point at a row: reasons in words, what is not known beside them, and no score.

The reasons are the model itself: its base and the row's contributions are the score, to the unit. The score
is kept from the eye, not from the analyst: who wants to check the sum asks for it by name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape

from workbench.riskflag.explain import reason_texts
from workbench.riskflag.part import Part
from workbench.scoring import engine, reasons
from workbench.scoring.model import Model
from workbench.scoring.reasons import LANGUAGES

MOST = 3


@dataclass(frozen=True)
class Explanation:
    """
    One row explained. `reasons` and `not_known` are what a list of candidates says, in both languages.

    `score` is `base` plus all of `contributions`, which name every term of the model, in milli-logits; it is
    no probability. `above_threshold` says nothing of whether there is a place.
    """

    reasons: Mapping[str, str]
    not_known: str
    base: int
    contributions: Mapping[str, int]
    above_threshold: bool

    @property
    def score(self) -> int:
        """The score, which nobody is shown: base and contributions, added up."""
        return self.base + sum(self.contributions.values())

    def _repr_html_(self) -> str:
        return "".join(f"<p>{escape(line)}</p>" for line in self.lines())

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> Sequence[str]:
        word = SAID[self.above_threshold]
        return (
            f"{word[0]} / {word[1]}",
            f"理由：{self.reasons['ja']}",
            f"Reasons: {self.reasons['en']}",
            f"分かっていないこと / not known：{self.not_known or 'なし / none'}",
            "必ず人がアセスメントします / a person always assesses (requires_human_assessment)",
        )


SAID = {
    True: ("支援確認の候補になりうる", "may be a candidate for a support check"),
    False: (
        "候補の基準に達しない（支援が不要という意味ではない）",
        "below the threshold, which does not mean that no support is needed",
    ),
}


def explained(model: Model, part: Part, *, row: int) -> Explanation:
    """The explanation of a row of `part`, counted from 0. Raises Refused for words that judge children."""
    texts = reason_texts(model, part.dictionary)
    one = replace(part, frame=part.frame.iloc[[row]].reset_index(drop=True))
    scored = engine.score(model, one.table(model.items))
    return Explanation(
        reasons={
            language: reasons.reasons(model, scored, 0, texts=texts[language], most=MOST)
            for language in LANGUAGES
        },
        not_known=reasons.not_known(model, scored, 0, texts=texts),
        base=model.base,
        contributions=dict(zip(model.terms, map(int, scored.contributions[0]), strict=True)),
        above_threshold=bool(scored.scores[0] >= model.threshold.score),
    )
