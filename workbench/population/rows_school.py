"""Tables of the board of education and the schools, all under the pupil's number."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from workbench.population.calendar import INDEX_DAYS, YEARS, iso, month_names
from workbench.population.chance import Array, bar, spread
from workbench.population.people import labelled
from workbench.population.school import ELEMENTARY, JUNIOR_HIGH_CODE, NO_SCHOOL, SCHOOL_DAYS, monthly
from workbench.population.spelling import Spelling
from workbench.population.tables import RECORDED, Keys, Table, codes, integers, table
from workbench.population.world import World
from workbench.population.writing import Writing, flag

CLASS_SIZE = 32
WINTER = np.array([1.0, 0.9, 0.9, 0.6, 0.1, 0.9, 1.0, 1.2, 1.4, 1.7, 1.6, 1.0])


@dataclass(frozen=True)
class Pupils:
    """One row per pupil and recorded FY, ordered by year; `number` is the school's own, `month` whether enrolled."""

    world: World

    @cached_property
    def _where(self) -> tuple[Array, Array]:
        column, child = np.nonzero((self.world.school.pupil & RECORDED).T)
        return child, column

    @property
    def child(self) -> Array:
        return self._where[0]

    @property
    def column(self) -> Array:
        return self._where[1]

    @cached_property
    def person(self) -> Array:
        return self.world.people.of_child[self.child]

    @cached_property
    def grade(self) -> Array:
        return self.world.kids.grades()[self.child, self.column]

    @cached_property
    def junior(self) -> Array:
        return self.grade > ELEMENTARY[-1]

    @cached_property
    def run(self) -> Array:
        """Children × YEARS: which of its schools (0, 1, …) a child is at; a change begins a new one."""
        school = self.world.school.school
        before = np.hstack([np.full((len(school), 1), NO_SCHOOL), school[:, :-1]])
        return np.cumsum((school != before) & (school != NO_SCHOOL), axis=1) - 1

    @cached_property
    def entered(self) -> Array:
        """Children × YEARS: the column in which the child's present run began."""
        run, school = self.run, self.world.school.school
        fresh = np.hstack([np.ones((len(run), 1), dtype=bool), np.diff(run, axis=1) > 0]) & (
            school != NO_SCHOOL
        )
        return np.maximum.accumulate(np.where(fresh, np.arange(run.shape[1]), 0), axis=1)

    @cached_property
    def key(self) -> Array:
        """Number of the (child, run) behind each row, from 0."""
        return np.unique(self.child * 32 + self.run[self.child, self.column], return_inverse=True)[1]

    @cached_property
    def keys(self) -> int:
        return int(self.key.max()) + 1

    @cached_property
    def numbers(self) -> Keys:
        """学籍番号 by key: school, FY of entry, running number."""
        first = self._first_row
        child, column = self.child[first], self.column[first]
        school = self.world.school.school[child, column]
        year = YEARS[self.entered[child, column]]
        # Those at school when the records begin entered with their class.
        stage = np.where(school >= JUNIOR_HIGH_CODE, 12, 6)
        year = np.where(
            self.entered[child, column] == 0, YEARS[0] - (self.world.kids.grades()[child, 0] - stage), year
        )
        group = pd.Series(school * 10_000 + year)
        running = group.groupby(group, sort=False).cumcount().to_numpy() + 1
        text = school_codes(school) + labelled("", year, 4) + labelled("", running, 4)
        return Keys(text, np.argsort(np.argsort(text)))

    @cached_property
    def _first_row(self) -> Array:
        return np.unique(self.key, return_index=True)[1]

    @cached_property
    def months(self) -> Array:
        """Rows × 12: enrolled on some day of the month."""
        kids = self.world.kids
        first = month_starts(YEARS[self.column])
        after = month_starts(YEARS[self.column], shift=1)
        starts, ends = kids.starts[self.child][:, None], kids.ends[self.child][:, None]
        return (starts < after - 4) & (ends > first + 4)

    @cached_property
    def counts(self) -> dict[str, Array]:
        """Rows × 12 counts: refused (non-attendance), sick, other, late, early; none in months not enrolled."""
        return absence(self)

    def table(
        self, columns: Mapping[str, object], *, row: Array | None = None, by: Array | None = None
    ) -> Table:
        """A table under the pupil's number; `row` is the pupil-year of each entry, `by` its order (the FY)."""
        row = np.arange(len(self.child)) if row is None else row
        return table(
            columns,
            key="pupil_no",
            keys=self.numbers,
            of=self.key[row],
            owner=self.person[row],
            by=(self.column[row] if by is None else by,),
        )


def school_codes(school: Array) -> Array:
    """P01–P20 elementary, M01–M10 junior high."""
    junior = school >= JUNIOR_HIGH_CODE
    number = np.char.zfill(
        np.where(junior, school - JUNIOR_HIGH_CODE, school).astype(int).__add__(1).astype(str), 2
    )
    return np.where(junior, "M", "P").astype(object) + number.astype(object)


def month_starts(fy: Array, *, shift: int = 0) -> Array:
    """First day of each month of the FYs; shape (..., 12)."""
    months = (np.asarray(fy)[..., None] - 1970) * 12 + 3 + np.arange(12) + shift
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def pupil(pupils: Pupils, writing: Writing) -> Table:
    world, child, column = pupils.world, pupils.child, pupils.column
    kids = world.kids
    school = world.school.school[child, column]
    days = np.maximum(INDEX_DAYS[column], kids.starts[child])
    spelling = Spelling(writing, "pupil", pupils.person, pupils.key, pupils.keys, days)
    entry = pupils.entered[child, column]
    began = np.maximum(INDEX_DAYS[entry] + 5, kids.starts[child] + 3)
    support = special_classes(pupils)
    return pupils.table(
        {
            "fy": integers(YEARS[column]),
            "name": spelling.name,
            "name_kana": spelling.kana,
            "birth_date": spelling.birth_date,
            "sex": spelling.sex,
            "address": spelling.address,
            "school": school_codes(school),
            "grade": integers(pupils.grade - 5),
            "class_no": integers(classes(pupils, school)),
            "sp_class": flag(support[0]),
            "tsukyu": flag(support[1]),
            "entered_on": iso(began),
        }
    )


def classes(pupils: Pupils, school: Array) -> Array:
    """Class numbers: each school, FY and grade dealt out into classes of up to 32."""
    group = pd.Series(school * 100_000 + pupils.column * 100 + pupils.grade)
    size = group.groupby(group).transform("size").to_numpy()
    order = pupils.world.draw.rng("rows.classes").random(len(group))
    rank = pd.Series(order).groupby(group).rank(method="first").to_numpy() - 1
    count = np.ceil(size / CLASS_SIZE)
    return (rank * count / size).astype(np.int64) + 1


def special_classes(pupils: Pupils) -> tuple[Array, Array]:
    """Special-needs class and resource room, for children in difficulty of their own."""
    world, shares = pupils.world, pupils.world.draw["school.special_class"]
    disabled = world.health.disabled(INDEX_DAYS)[pupils.child, pupils.column]
    weak = world.health.vulnerability[pupils.child]
    steady = world.draw.rng("rows.special").logistic(size=(world.kids.size, 2))[pupils.child]
    score = 2.5 * disabled + 0.8 * weak + steady[:, 0]
    in_class = score > bar(score, share=shares["class"])
    room = np.where(in_class, -np.inf, 1.2 * disabled + 0.8 * weak + steady[:, 1])
    return in_class, room > bar(room, share=shares["resource_room"])


def school_aid(pupils: Pupils, writing: Writing) -> Table:
    world = pupils.world
    aid = world.money.aid[world.kids.family[pupils.child], pupils.column]
    rows = (aid > 0) & (world.kids.starts[pupils.child] <= INDEX_DAYS[pupils.column])
    days = INDEX_DAYS[pupils.column[rows]]
    spelling = Spelling(writing, "pupil", pupils.person[rows], pupils.key[rows], pupils.keys, days)
    return pupils.table(
        {
            "fy": integers(YEARS[pupils.column[rows]]),
            "school": school_codes(world.school.school[pupils.child[rows], pupils.column[rows]]),
            "grade": integers(pupils.grade[rows] - 5),
            "name": spelling.name,
            "aid_class": codes(aid[rows]),
        },
        row=np.nonzero(rows)[0],
    )


def absence(pupils: Pupils) -> dict[str, Array]:
    """The year's days laid out over its months, never more than a month's school days."""
    school, rng = pupils.world.school, pupils.world.draw.rng("rows.attendance")
    at = (pupils.child, pupils.column)
    refused = monthly(rng, refused=school.refused[at])
    free = SCHOOL_DAYS - refused
    sick = np.minimum(spread(rng, school.sick[at], weights=WINTER * SCHOOL_DAYS), free)
    other = np.minimum(spread(rng, school.other[at], weights=SCHOOL_DAYS.astype(float)), free - sick)
    there = free - sick - other
    counts = {"refused": refused, "sick": sick, "other": other}
    for name in ("late", "early"):
        counts[name] = np.minimum(spread(rng, getattr(school, name)[at], weights=WINTER * SCHOOL_DAYS), there)
    return {name: count * pupils.months for name, count in counts.items()}


def attendance(pupils: Pupils) -> Table:
    counts = pupils.counts
    row, month = np.nonzero(pupils.months)
    at = (row, month)
    return pupils.table(
        {
            "month": month_names(YEARS[pupils.column])[at],
            "school_days": integers(SCHOOL_DAYS[month]),
            "absent_days": integers((counts["refused"] + counts["sick"] + counts["other"])[at]),
            "absent_sick": integers(counts["sick"][at]),
            "absent_nonattend": integers(counts["refused"][at]),
            "late": integers(counts["late"][at]),
            "early": integers(counts["early"][at]),
        },
        row=row,
        by=pupils.column[row] * 12 + month,
    )
