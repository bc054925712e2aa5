"""
Hierarchies of days: month, quarter, year, Japanese fiscal year (年度), and the school grade (学年) of a birthday.

A ladder lists every day from `first` to `last`, so that a day outside is noticed and not put into the
nearest class. Days read as ISO dates. Levels must nest, which not all do: a month of the calendar lies in
one fiscal year but, for birthdays, in two school years, because a child born on 1 April belongs to the
class of those born before (学校教育法17条; 年齢計算ニ関スル法律: an age is reached on the day before the
birthday). The months of births therefore run from the 2nd to the 1st.
"""

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from workbench.errors import Usage
from workbench.privacy.anonymity.builders import TOP
from workbench.privacy.anonymity.hierarchies import Hierarchy, from_rows

ADULT = 18
FIRST_MONTH = 4


def month(day: date) -> str:
    return f"{day.year}-{day.month:02d}"


def quarter(day: date) -> str:
    return f"{day.year}-Q{(day.month + 2) // 3}"


def year(day: date) -> str:
    return str(day.year)


def decade(day: date) -> str:
    return f"{day.year // 10 * 10}-{day.year // 10 * 10 + 9}"


def fiscal_year_of(day: date) -> int:
    """The year in which the fiscal year of a day began: 1 April to 31 March."""
    return day.year - (day.month < FIRST_MONTH)


def fiscal_year(day: date) -> str:
    return f"FY{fiscal_year_of(day)}"


def fiscal_quarter(day: date) -> str:
    """April to June is the first."""
    return f"FY{fiscal_year_of(day)}-Q{(day.month - FIRST_MONTH) % 12 // 3 + 1}"


def eve(day: date) -> date:
    """The day on which somebody born on `day` grows older, by law."""
    return day - timedelta(days=1)


def birth_month(day: date) -> str:
    """From the 2nd to the 1st, so that it lies in one school year."""
    first = eve(day).replace(day=1) + timedelta(days=1)
    following = (first + timedelta(days=31)).replace(day=1)
    return f"{first} to {following}"


def school_year(day: date) -> str:
    """The class of those born from 2 April to 1 April."""
    born = fiscal_year_of(eve(day))
    return f"{born}-04-02 to {born + 1}-04-01"


def grade_of(day: date, *, fy: int) -> int:
    """The age at 1 April of `fy` of somebody born on `day`: 6 in the first class of elementary school."""
    return fy - fiscal_year_of(eve(day)) - 1


Level = Callable[[date], str]

LEVELS: dict[str, Level] = {
    "month": month,
    "quarter": quarter,
    "year": year,
    "decade": decade,
    "fiscal_quarter": fiscal_quarter,
    "fiscal_year": fiscal_year,
    "birth_month": birth_month,
    "school_year": school_year,
}

# The school stages, and the bands of three years below them: (first grade of the stage, its name).
STAGES = (
    (0, "preschool"),
    (6, "elementary"),
    (12, "junior-high"),
    (15, "high-school"),
    (ADULT, "18 or more"),
)


def stage(grade: int) -> str:
    return next(name for first, name in reversed(STAGES) if grade >= first)


def band(grade: int) -> str:
    """Three years: 0-2, 3-5, the lower and upper half of elementary school, junior and senior high."""
    return stage(grade) if grade >= ADULT else f"{grade // 3 * 3}-{grade // 3 * 3 + 2}"


def grade_name(grade: int) -> str:
    return stage(grade) if grade >= ADULT else str(grade)


def days(item: str, *, first: date, last: date, levels: Sequence[str]) -> Hierarchy:
    """
    Every day from `first` to `last`, then `levels` of LEVELS, finest first, then '*'.

    Raises Usage for a level that does not exist, Unusable for levels that do not nest.
    """
    unknown = [name for name in levels if name not in LEVELS]
    if unknown or not levels:
        raise Usage(
            ja=f"項目「{item}」の日付の段は {'、'.join(LEVELS)} から選んでください。",
            en=f"Levels of dates of '{item}' are {', '.join(LEVELS)}.",
        )
    steps = [LEVELS[name] for name in levels]
    return from_rows(
        item, [[str(day), *(step(day) for step in steps), TOP] for day in span(item, first, last)]
    )


def birthdays(item: str, *, fy: int, first: date | None = None, last: date | None = None) -> Hierarchy:
    """
    Day of birth → month of birth → grade in `fy` → band of three years → school stage → '*'.

    Unless given, `first` to `last` are the birthdays of those who are 0 to 17 on 1 April of `fy`. Raises
    Usage for a day on which nobody who is alive then was born.
    """
    first = first or date(fy - ADULT, FIRST_MONTH, 2)
    last = last or date(fy, FIRST_MONTH, 1)
    if grade_of(last, fy=fy) < 0:
        raise Usage(
            ja=f"項目「{item}」の生年月日は {fy} 年 4 月 1 日までにしてください。",
            en=f"Days of birth of '{item}' end on 1 April {fy}.",
        )
    rows = []
    for day in span(item, first, last):
        grade = grade_of(day, fy=fy)
        rows.append([str(day), birth_month(day), grade_name(grade), band(grade), stage(grade), TOP])
    return from_rows(item, rows)


def months_since(item: str, *, fy: int, first: date) -> Hierarchy:
    """
    Month ('2023-04') → fiscal year → how long before 1 April of `fy` → '*', for items that name a month.

    Within one year, one to three, more: whole fiscal years, so that the levels nest. `first` lies in the
    earliest month, March before `fy` is the last.
    """
    last = date(fy, FIRST_MONTH, 1) - timedelta(days=1)
    named = dict.fromkeys(
        (month(day), fiscal_year(day), since(fy - fiscal_year_of(day))) for day in span(item, first, last)
    )
    return from_rows(item, [[*labels, TOP] for labels in named])


def since(years: int) -> str:
    if years <= 1:
        return "within 1 year"
    return "1-3 years" if years <= 3 else "over 3 years"


def span(item: str, first: date, last: date) -> list[date]:
    """Every day from `first` to `last`. Raises Usage where there is none, or more than two centuries."""
    count = (last - first).days + 1
    if not 0 < count <= LONGEST:
        raise Usage(
            ja=f"項目「{item}」の日付の範囲は、初日から末日まで {LONGEST} 日以内にしてください。",
            en=f"The days of '{item}' go from a first to a last one, at most {LONGEST} of them.",
        )
    return [first + timedelta(days=place) for place in range(count)]


LONGEST = 73_050
