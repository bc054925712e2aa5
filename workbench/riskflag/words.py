"""
The words a risk flag may be called by: neutral ones.

A candidate is someone whose need for support a person will look at. Words that decide it beforehand
(glossary, section 2) are refused in names, titles, labels and cards, in both languages.
"""

import re
import unicodedata

from workbench.errors import Refused

# Each as a pattern over the text in NFKC and lower case, with spaces and hyphens removed.
BANNED = (
    "危険児童",
    "危険な(子|こ)ども",
    "要注意(児童|家庭)",
    "問題(児|家庭)",
    "ハイリスク(児|家庭|世帯|な(子|こ)ども)",
    "高リスク(児|家庭|世帯)",
    "虐待(疑い)?確定",
    "虐待(児|親|家庭)",
    "不良(少年|児)",
    "highrisk(child|famil|household|pupil|student)",
    "dangerous(child|famil|household|pupil|student)",
    "problem(child|famil|household)",
    "(child|family)atrisk",
    "confirmedabuse",
    "abus(er(?!e)|ive(parent|famil|household))",  # an abuse report is a record, not a person
)
PATTERN = re.compile("|".join(BANNED))


def banned_in(text: str) -> str | None:
    """The first word of `text` that judges beforehand, as it was found, or None."""
    plain = re.sub(r"[\s\-_・]", "", unicodedata.normalize("NFKC", text).lower())
    found = PATTERN.search(plain)
    return found.group() if found else None


def refuse_banned(text: str, *, place: str) -> None:
    """Raise Refused where `text` judges children beforehand. The word is the author's own, so it is named."""
    word = banned_in(text)
    if word is not None:
        raise Refused(
            ja=f"{place}の「{word}」は、こどもや家庭を決めつける言葉です。「支援確認の候補」など中立な言葉にしてください。",
            en=f"'{word}' in {place} judges children or families beforehand; use neutral words such as 'candidate for a support check'.",
        )
