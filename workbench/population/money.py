"""
Income, tax and the benefits that follow from it, per family and FY.

ln y = m - .35 H - .27 one adult - .10 with grandparents + noise (dictionary, section 4), y the
equivalised disposable income in units of 10,000 yen; m is solved from the poverty rate.
"""

from dataclasses import dataclass

import numpy as np

from workbench.population.calendar import INDEX_DAYS
from workbench.population.chance import Array, Draw, bar, persistent
from workbench.population.families import Families, Kids
from workbench.population.structure import IN_PANEL, Structure

EARNERS = ("mother", "father", "step", "grandfather", "grandmother")
MOTHER, FATHER, STEP, GRANDFATHER, GRANDMOTHER = range(5)
EXEMPT, PER_CAPITA, TAXED = 1, 2, 3


@dataclass(frozen=True)
class Money:
    """Families × YEARS; `present`, `disposable`, `taxed` also by EARNERS (last axis), in yen at index t."""

    income: Array
    poor: Array
    exempt: Array
    present: Array
    disposable: Array
    undeclared: Array
    tax_class: Array
    tax_arrears: Array
    welfare: Array
    allowance: Array
    aid: Array
    report_missing: Array
    arrears: Array


def money(draw: Draw, families: Families, kids: Kids, structure: Structure) -> Money:
    counted = structure.children * IN_PANEL
    income = incomes(draw, structure, counted=counted)
    poor = income < draw["money.poverty_line"]
    present = earners(families, structure)
    exempt = exemption(draw, income=income, counted=counted)
    disposable = shared_out(draw, income=income, structure=structure, present=present)
    undeclared = undeclared_years(draw, present=present)
    welfare = on_welfare(draw, structure, poor=poor, counted=counted)
    return Money(
        income=income,
        poor=poor,
        exempt=exempt,
        present=present,
        disposable=disposable,
        undeclared=undeclared,
        tax_class=tax_classes(disposable, exempt=exempt),
        tax_arrears=household_rate(draw, "tax_arrears", structure),
        welfare=welfare,
        allowance=child_rearing_allowance(draw, structure, income=income, counted=counted),
        aid=school_aid(draw, families, kids, structure, poor=poor, welfare=welfare),
        report_missing=household_rate(draw, "report_missing", structure),
        arrears={kind: household_rate(draw, kind, structure) for kind in ("lunch", "childcare", "water")},
    )


def incomes(draw: Draw, structure: Structure, *, counted: Array) -> Array:
    """Families × YEARS: y as assessed in that FY."""
    rng = draw.rng("money.income")
    rates = draw["money.income"]
    shape = structure.children.shape
    sd, lasting = rates["noise_sd"], rates["lasting_share"]
    noise = np.sqrt(lasting) * rng.standard_normal((shape[0], 1)) + np.sqrt(
        1 - lasting
    ) * rng.standard_normal(shape)
    score = (
        rates["on_hardship"] * structure.hardship[:, None]
        + rates["on_one_adult"] * (structure.types == 1)
        + rates["on_coresident"] * (structure.types == 2)
        + sd * noise
    )
    line = bar(score, share=1 - draw["money.child_poverty"], weights=counted)
    return np.exp(score - line) * draw["money.poverty_line"]


def earners(families: Families, structure: Structure) -> Array:
    """Families × YEARS × EARNERS: which adults are in the household at the index date."""
    phase, types = structure.phases, structure.types
    mother = (types != 4) & ((phase != 1) | structure.mother_keeps[:, None])
    father = (types != 4) & ((phase == 0) | ~structure.mother_keeps[:, None])
    # In phase 2 the parent who kept the children is joined by a new partner.
    mother &= (phase != 2) | structure.mother_keeps[:, None]
    with_them = structure.grandparents > 0
    return (
        np.stack(
            [
                mother,
                father,
                phase == 2,
                with_them & structure.grandfather[:, None],
                with_them & structure.grandmother[:, None],
            ],
            axis=-1,
        )
        & families.here(INDEX_DAYS)[:, :, None]
    )


def exemption(draw: Draw, *, income: Array, counted: Array) -> Array:
    """Households that pay no residents' tax: the lowest incomes, with some play."""
    rng = draw.rng("money.exempt")
    score = -np.log(income) + 0.12 * rng.standard_normal(income.shape)
    return score > bar(score, share=draw["money.tax_exempt"], weights=counted > 0)


def shared_out(draw: Draw, *, income: Array, structure: Structure, present: Array) -> Array:
    """The household's disposable income in yen, divided between its adults."""
    rng = draw.rng("money.shares")
    earning = rng.gamma([2.0, 6.0, 5.0, 1.8, 0.7], 1.0, size=(len(income), 5))[:, None, :] * present
    share = earning / np.maximum(earning.sum(axis=2, keepdims=True), 1e-9)
    total = income * 10_000 * np.sqrt(np.maximum(structure.members, 1))
    return thousands(total[:, :, None] * share)


def undeclared_years(draw: Draw, *, present: Array) -> Array:
    """Adults who did not declare: at most one per household, some years in a row."""
    rng = draw.rng("money.undeclared")
    noise = persistent(rng, shape=present.shape[:2], stays=0.7)
    household = noise > bar(noise, share=draw["money.tax_undeclared"], weights=present.any(axis=2))
    who = np.argmax(rng.random((len(present), 1, present.shape[2])) * present, axis=2)
    return household[:, :, None] & present & (who[:, :, None] == np.arange(present.shape[2]))


def tax_classes(disposable: Array, *, exempt: Array) -> Array:
    """1 exempt, 2 flat rate only, 3 taxed; in a household that is not exempt someone is taxed."""
    by_income = np.where(disposable < 850_000, EXEMPT, np.where(disposable < 1_050_000, PER_CAPITA, TAXED))
    main = disposable == disposable.max(axis=2, keepdims=True)
    return np.where(exempt[:, :, None], EXEMPT, np.where(main, TAXED, by_income))


def household_rate(draw: Draw, name: str, structure: Structure) -> Array:
    """A yearly event of a household that hardship makes likelier, at its rate among households with children."""
    rule = draw[f"money.{name}"]
    noise = persistent(draw.rng(f"money.{name}"), shape=structure.children.shape, stays=rule["stays"])
    score = rule["on_hardship"] * structure.hardship[:, None] + noise
    return score > bar(score, share=rule["rate"], weights=(structure.children > 0) & IN_PANEL)


def on_welfare(draw: Draw, structure: Structure, *, poor: Array, counted: Array) -> Array:
    rule = draw["money.welfare"]
    noise = persistent(draw.rng("money.welfare"), shape=poor.shape, stays=rule["stays"])
    score = rule["on_poor"] * poor + rule["on_hardship"] * structure.hardship[:, None] + noise
    return (score > bar(score, share=rule["rate"], weights=counted)) & (structure.children > 0)


def child_rearing_allowance(draw: Draw, structure: Structure, *, income: Array, counted: Array) -> Array:
    """
    0 none, 1 full, 2 part, 3 suspended (income above the limit).

    Recipients are single parents under the income limit who took it up; full and part go by income.
    """
    rule = draw["money.child_rearing_allowance"]
    noise = persistent(draw.rng("money.allowance"), shape=income.shape, stays=rule["stays"])
    single, weights = structure.single & (structure.children > 0), counted * structure.single
    under = single & (income < rule["income_limit"])
    reach = weights[under].sum() / weights[single].sum()
    takes = under & (noise > bar(noise[under], share=rule["rate_of_single"] / reach, weights=weights[under]))
    full = income < np.exp(-bar(-np.log(income[takes]), share=rule["full_share"], weights=weights[takes]))
    suspended = single & ~under & (noise > 0)
    return np.where(takes, np.where(full, 1, 2), np.where(suspended, 3, 0))


def school_aid(
    draw: Draw, families: Families, kids: Kids, structure: Structure, *, poor: Array, welfare: Array
) -> Array:
    """0 none, 1 in need (on welfare), 2 near need: by application, so many poor families have none."""
    rule = draw["money.school_aid"]
    grades = kids.grades()
    pupils = np.zeros(poor.shape, dtype=np.int64)
    np.add.at(pupils, kids.family, (kids.at_index() & (grades >= 6) & (grades <= 14)).astype(np.int64))
    noise = persistent(draw.rng("money.aid"), shape=poor.shape, stays=rule["stays"])
    score = rule["on_poor"] * poor + rule["on_hardship"] * structure.hardship[:, None]
    score = score + rule["on_single"] * structure.single + noise
    counted = pupils * IN_PANEL
    applied = happens_among(score, share=rule["rate"], weights=counted, always=welfare)
    return np.where(welfare, 1, np.where(applied, 2, 0)) * (families.here(INDEX_DAYS))


def happens_among(score: Array, *, share: float, weights: Array, always: Array) -> Array:
    """Where the score passes the bar, when `always` is part of the share already."""
    open_to = ~always
    rest = (share * weights.sum() - weights[always].sum()) / max(weights[open_to].sum(), 1)
    return open_to & (score > bar(score[open_to], share=rest, weights=weights[open_to]))


def take_home(disposable: Array, *, exempt: Array) -> tuple[Array, Array, Array, Array]:
    """Yen amounts of a tax row that leave `disposable`: revenue, total income, social insurance, taxes."""
    gross = np.where(
        exempt, disposable / 0.86, disposable * 1.2 + np.maximum(disposable - 2_000_000, 0) * 0.1
    )
    revenue = thousands(gross)
    social = np.where(exempt, revenue - disposable, thousands(0.14 * revenue))
    taxes = revenue - disposable - social
    deduction = np.interp(
        revenue,
        [0, 1_625_000, 1_800_000, 3_600_000, 6_600_000, 8_500_000, 10_000_000],
        [550_000, 550_000, 620_000, 1_160_000, 1_760_000, 1_950_000, 1_950_000],
    )
    return revenue, thousands(np.maximum(revenue - deduction, 0)), social, taxes


def thousands(yen: Array) -> Array:
    """Rounded to 1,000 yen."""
    return (np.round(yen / 1000) * 1000).astype(np.int64)
