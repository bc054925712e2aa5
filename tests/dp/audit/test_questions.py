"""Every kind of question passes the audit, and the audit turns red for each fault that is planted in it."""

import contextlib
import dataclasses
from collections import Counter

import numpy as np
import pytest

from workbench.errors import Unprotected
from workbench.privacy.dp import answer, noise, rows
from workbench.privacy.dp.audit import battery, shipped
from workbench.privacy.dp.audit.battery import audited_question, audited_questions, expect_sound, given_away
from workbench.privacy.dp.audit.distinguisher import Pure
from workbench.privacy.dp.audit.neighbours import city, pairs
from workbench.privacy.dp.audit.shipped import EXAMPLES, asked
from workbench.privacy.dp.kinds import counting, interface, moments
from workbench.privacy.dp.kinds.counting import Groups, Histogram
from workbench.privacy.dp.kinds.quantile import Quantile
from workbench.privacy.dp.noise import Mechanism
from workbench.privacy.dp.questions import KINDS

TABLE = city()
PAIRS = list(pairs(TABLE, thorough=False))
QUESTIONS = [question for examples in EXAMPLES.values() for question in examples]


def test_every_kind_of_question_is_audited():
    """A new kind needs an example in the audit's list."""
    assert EXAMPLES.keys() == KINDS.keys()
    assert all(type(question) is KINDS[kind] for kind, some in EXAMPLES.items() for question in some)


@pytest.mark.parametrize("kind", KINDS)
def test_every_option_of_a_question_is_audited(kind):
    """So does a new option of an old kind: some example sets it to something else than its default."""
    options = [field for field in dataclasses.fields(KINDS[kind]) if field.default is not dataclasses.MISSING]

    assert [
        field.name
        for field in options
        if all(getattr(question, field.name) == field.default for question in EXAMPLES[kind])
    ] == []


@pytest.mark.parametrize("question", QUESTIONS, ids=battery.said)
def test_a_question_tells_neighbours_apart_by_its_noise_alone(question):
    found = audited_question(question, TABLE, PAIRS, outputs=0, thorough=False)

    assert found.holds
    # Some neighbour uses the whole of the declared sensitivity: it is no larger than it must be.
    assert found.reached == 1.0


@pytest.mark.slow
def test_questions_pass_the_whole_audit():
    findings = list(audited_questions(outputs=3_000))

    expect_sound(findings)
    assert all(found.neighbours == len(list(pairs(TABLE))) for found in findings)


def test_an_audit_that_finds_something_raises():
    with pytest.raises(Unprotected):
        expect_sound([battery.finding("x", Pure(1.0), 1.1)])
    with pytest.raises(Unprotected):
        expect_sound([battery.finding("x", Pure(1.0), 0.0, faults=("outcome",))])


def test_neighbours_differ_in_one_household():
    for pair in pairs(TABLE):
        here, there = (
            Counter(frame.astype(str).itertuples(index=False, name=None)) for frame in (pair.here, pair.there)
        )
        changed = {row[0] for row in (here - there) + (there - here)}
        assert len(changed) <= 1, pair.name


def test_a_hostile_household_keeps_the_types_of_its_table():
    """But for the one that is meant to change them."""
    changed = {pair.name for pair in pairs(TABLE) if dict(pair.there.dtypes) != dict(TABLE.dtypes)}

    assert changed == {"a text among numbers"}


def test_outputs_of_a_question_show_nearly_what_it_costs():
    """The statistic is a sharp one: on its worst neighbour a count gives away nearly its whole epsilon."""
    crowd = next(pair for pair in PAIRS if pair.name.startswith("many rows"))

    shown = given_away(asked(EXAMPLES["count"][0]), crowd, claim=Pure(1.0), outputs=10_000)

    assert 0.75 < shown.found <= 1.0


# ------------------------------------------------------------------ planted faults, each caught


def less_noise(patch):
    """The scale of every Laplace draw is four fifths of what it must be, and nobody compares it to the charge."""

    def counted(*, sensitivity, epsilon):
        return Mechanism(noise.Draw.LAPLACE, 0.8 * sensitivity / epsilon, sensitivity)

    for module in (counting, moments):
        patch.setattr(module, "counting", counted)
    unguarded(patch)


def unguarded(patch):
    """A price that does not check what its parts cost."""
    told = interface.Precision("children", 1)

    def price(question, source):
        return answer.Price(question.loss, 1, told, question.parts(source))

    patch.setattr(answer, "price", price)


def forgotten_clip(patch):
    def unclipped(values, number):
        found = np.array([float(v) if str(v) not in ("<NA>", "nan", "twelve") else 0.0 for v in values])
        with np.errstate(over="ignore"):
            steps = np.clip(np.nan_to_num(found / number.step), -(2.0**60), 2.0**60)
        return steps.astype(np.int64), np.ones(len(values), dtype=bool)

    patch.setattr(rows, "in_steps", unclipped)


def doubled(patch):
    """The question is answered twice for one price, and the better answer given."""
    once = answer.noisy_lines

    def twice(*args, **kwargs):
        return min(once(*args, **kwargs), once(*args, **kwargs), key=str)

    patch.setattr(answer, "noisy_lines", twice)


def fixed_seed(patch):
    patch.setattr(
        answer, "draw", lambda mechanism, exact, **_: noise.draw(mechanism, exact, demonstration=b"seed")
    )


def fixed_seed_behind_the_door(patch):
    """The library repeats its noise."""
    built = noise.measurement

    class Seeded:
        def __init__(self, mechanism):
            self.map, self.mechanism = built(mechanism).map, mechanism

        def __call__(self, exact):
            return noise.BUILT[self.mechanism.kind].seeded(self.mechanism, exact, np.random.default_rng(1))

    patch.setattr(noise, "measurement", Seeded)


def person_instead_of_household(patch):
    """Every row counts: a household counts as often as it has children."""
    patch.setattr(rows, "bounded", lambda found, *_: found)


def bounded_by_place(patch):
    """Which rows of a household stay depends on where others stand: a random order of the whole table."""

    def by_place(found, households, source, key):
        seen, kept = Counter(), []
        for at in np.random.default_rng(len(found.cell)).permutation(len(found.cell)):
            seen[households[at]] += 1
            if households[at] is None or seen[households[at]] <= source.rows_per_household:
                kept.append(at)
        stay = np.array(sorted(kept), dtype=np.int64)
        numbers = {item: steps[stay] for item, steps in found.numbers.items()}
        return rows.Rows(found.cell[stay], numbers, [found.keys[at] for at in stay] if found.keys else [])

    patch.setattr(rows, "bounded", by_place)


def bounded_one_row_more(patch):
    once = rows.bounded

    def bounded(found, households, source, key):
        wider = dataclasses.replace(source, rows_per_household=source.rows_per_household + 1)
        return once(found, households, wider, key)

    patch.setattr(rows, "bounded", bounded)


def cells_from_the_data(patch):
    """The categories are those that occur."""
    patch.setattr(Histogram, "exact", lambda _, found, __: [[[int(n) for n in np.bincount(found.cell) if n]]])
    patch.setattr(Histogram, "finish", lambda _, released, __: [interface.Line((str(released),), {})])


def noise_from_the_data(patch):
    """The range of a number is that of its values, so the noise follows the data."""
    once = answer.noisy_lines

    def noisy_lines(question, found, *, parts, **more):
        most = max((abs(int(step)) for steps in found.numbers.values() for step in steps), default=1)
        fitted = [
            dataclasses.replace(part, mechanism=dataclasses.replace(part.mechanism, scale=most + 1.0))
            for part in parts
        ]
        return once(question, found, parts=fitted, **more)

    patch.setattr(answer, "noisy_lines", noisy_lines)


def an_exact_number_beside(patch):
    """The answer says how many children it is about."""
    once = answer.noisy_lines

    def noisy_lines(question, found, **more):
        exact = interface.Line(("children",), {"count": interface.Estimate(len(found.cell), None, None)})
        return [*once(question, found, **more), exact]

    patch.setattr(answer, "noisy_lines", noisy_lines)


def an_error_that_quotes(patch):
    def strict(values, number):
        for value in values:
            if str(value) not in ("<NA>", "nan") and not number.minimum <= float(value) <= number.maximum:
                raise ValueError(f"{value} is out of range")
        return once(values, number)

    once = rows.in_steps
    patch.setattr(rows, "in_steps", strict)


def no_draw_for_an_empty_group(patch):
    """A group without children has no quantile, so it is left out."""
    once = Quantile.exact

    def exact(self, found, source):
        draws = once(self, found, source)[0]
        return [[scores for place, scores in enumerate(draws) if (found.cell == place).any()]]

    patch.setattr(Quantile, "exact", exact)
    patch.setattr(Quantile, "finish", lambda _, released, __: [interface.Line((str(released),), {})])


def keys_without_a_threshold(patch):
    """The keys that occur are told, with noisy counts."""

    def exact(self, found, source):
        return [[{key: count + 10**6 for key, count in Counter(found.keys).items()}]]

    patch.setattr(Groups, "exact", exact)


def half_the_charge(patch):
    once = answer.price

    def price(question, source):
        whole = once(question, source)
        return dataclasses.replace(whole, loss=type(whole.loss).pure(whole.loss.amount / 2))

    patch.setattr(answer, "price", price)


def no_charge(patch):
    patch.setattr(shipped.Paper, "charge", lambda *_, **__: contextlib.nullcontext())


# Each fault, and the kind of question it is planted in.
FAULTS = {
    less_noise: "histogram",
    forgotten_clip: "sum",
    doubled: "count",
    fixed_seed: "mean",
    fixed_seed_behind_the_door: "contingency",
    person_instead_of_household: "histogram",
    bounded_one_row_more: "variance",
    bounded_by_place: "histogram",
    cells_from_the_data: "histogram",
    noise_from_the_data: "mean",
    an_exact_number_beside: "mean",
    an_error_that_quotes: "regression",
    no_draw_for_an_empty_group: "quantile",
    keys_without_a_threshold: "groups",
    half_the_charge: "sum",
    no_charge: "count",
}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_attack_a_fault_planted_in_a_question(plant, monkeypatch):
    plant(monkeypatch)

    findings = [
        audited_question(question, TABLE, PAIRS, outputs=0, thorough=False)
        for question in EXAMPLES[FAULTS[plant]]
    ]

    assert not all(finding.holds for finding in findings)
    with pytest.raises(Unprotected):
        expect_sound(findings)
