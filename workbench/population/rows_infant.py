"""Tables of mother-and-child health and of childcare."""

import numpy as np

from workbench.population.calendar import END, INDEX_DAYS, MONTH_NAME, NEVER, RECORDS, fy_of, fy_start, iso
from workbench.population.chance import Array, Draw, bar
from workbench.population.health import CHECKS, DOSES
from workbench.population.nursery import CLASS_TWO_GRADE
from workbench.population.people import MOTHER, labelled
from workbench.population.spelling import Spelling
from workbench.population.structure import IN_PANEL
from workbench.population.tables import Table, codes, integers, months_between, numbered, table
from workbench.population.world import World
from workbench.population.writing import Writing, flag

PREGNANCY_DAYS = 280
OPEN_DAYS = np.array([20, 20, 22, 22, 20, 20, 21, 20, 20, 19, 19, 21])  # April first.


def pregnancies(world: World) -> tuple[Array, Array, Array]:
    """Mother, day of birth and first child of every pregnancy notified in this city, with the week of notice."""
    kids, families = world.kids, world.families
    rng, rule = world.draw.rng("rows.pregnancies"), world.draw["health.pregnancy"]
    first = np.append(True, (kids.family[1:] != kids.family[:-1]) | (kids.birth[1:] != kids.birth[:-1]))
    child = np.nonzero(first)[0]
    mother = world.people.of_role[kids.family[child], MOTHER]
    teen = (kids.birth[child] - families.mother_birth[kids.family[child]]) < 20 * 365.25
    score = 0.5 * world.structure.hardship[kids.family[child]] + teen + rng.logistic(size=len(child))
    late = [bar(score, share=share) for share in notice_shares(rule)]
    week = np.select(
        [score > late[2], score > late[1], score > late[0]],
        [
            rng.integers(28, 39, len(child)),
            rng.integers(20, 28, len(child)),
            rng.integers(12, 20, len(child)),
        ],
        rng.integers(5, 12, len(child)),
    )
    notice = kids.birth[child] - PREGNANCY_DAYS + week * 7
    here = (mother >= 0) & (notice >= families.arrives[kids.family[child]]) & (notice < kids.birth[child])
    return child[here], week[here], notice[here]


def notice_shares(rule: dict[str, float]) -> tuple[float, float, float]:
    return 1 - rule["notice_by_week_11"], rule["notice_from_week_20"], rule["notice_from_week_28"]


def specified(world: World, child: Array) -> Array:
    """Pregnancies after which the mother is looked after before the birth (特定妊婦)."""
    kids, rule = world.kids, world.draw["health.pregnancy"]
    family = kids.family[child]
    teen = (kids.birth[child] - world.families.mother_birth[family]) < 20 * 365.25
    score = 0.9 * world.structure.hardship[family] + 1.5 * teen + 0.8 * world.care.violence[family]
    score = score + world.draw.rng("rows.specified").logistic(size=world.kids.size)[child]
    return score > bar(score, share=rule["specified"])


def maternal(world: World, writing: Writing) -> Table:
    kids, draw, rule = world.kids, world.draw, world.draw["health.pregnancy"]
    child, week, notice = pregnancies(world)
    family = kids.family[child]
    mother = world.people.of_role[family, MOTHER]
    rng = draw.rng("rows.maternal")
    hardship = world.structure.hardship[family]
    visits = rng.normal(rule["visits_mean"] + 0.4, rule["visits_sd"], len(child)) - 0.2 * np.maximum(
        week - 12, 0
    )
    low = 0.4 * hardship + rng.logistic(size=len(child))
    unseen = 0.4 * hardship + rng.logistic(size=len(child))
    gone = kids.starts[child] > kids.birth[child]
    after = gone | (kids.birth[child] + 30 > np.minimum(kids.ends[child], END))
    spelling = Spelling(writing, "maternal", mother, np.arange(len(child)), len(child), notice)
    return table(
        {
            "mother_name": spelling.name,
            "mother_name_kana": spelling.kana,
            "mother_birth_date": spelling.birth_date,
            "address": spelling.address,
            "notice_date": iso(notice),
            "notice_week": integers(week),
            "due_date": iso(kids.birth[child] + np.round(rng.normal(1, 8, len(child))).astype(np.int64)),
            "antenatal_visits": integers(np.clip(np.round(visits), 0, 14)),
            "epds_high": np.where(after, None, flag(low > bar(low, share=rule["depression_score_high"]))),
            "visit_missed": np.where(after, None, flag(unseen > bar(unseen, share=rule["visit_missed"]))),
            "tokutei": flag(specified(world, child)),
        },
        key="boshi_no",
        keys=numbered(draw, "B", len(child), digits=8),
        of=np.arange(len(child)),
        owner=mother,
        by=(notice,),
    )


def infant_check(world: World, writing: Writing) -> Table:
    kids, health, draw = world.kids, world.health, world.draw
    child, check = np.nonzero(health.check_kept)
    person, due = world.people.of_child[child], health.check_due[child, check]
    rng = draw.rng("rows.infant_check")
    when = due + rng.integers(0, 30, len(child))
    attended = ~health.check_missed[child, check]
    when = np.where(when >= np.minimum(END, world.kids.ends[child]), due, when)
    spelling = Spelling(writing, "infant_check", person, child, kids.size, due)
    first = np.append(True, child[1:] != child[:-1])
    return table(
        {
            "name": spelling.name,
            "name_kana": spelling.kana,
            "birth_date": spelling.birth_date,
            "sex": spelling.sex,
            "address": spelling.address,
            "check": np.array(CHECKS, dtype=object)[check],
            "due_date": iso(due),
            "attended": flag(attended),
            "check_date": iso(np.where(attended, when, NEVER)),
            "birth_weight": integers(health.birth_weight[child], missing=~first),
            **findings(draw, world, child=child, check=check, attended=attended),
        },
        key="infant_no",
        keys=numbered(draw, "N", kids.size, digits=8),
        of=child,
        owner=person,
        by=(due,),
    )


def findings(draw: Draw, world: World, *, child: Array, check: Array, attended: Array) -> dict[str, object]:
    """What was noted at a check that took place."""
    rng = draw.rng("rows.findings")
    size = len(child)
    weak, hardship = world.health.vulnerability[child], world.structure.hardship[world.kids.family[child]]
    shares = draw["health.check_result"]
    score = 0.8 * weak + 0.2 * hardship + rng.logistic(size=size)
    above = np.cumsum([shares["4"], shares["3"], shares["2"]])
    lines = [bar(score[attended], share=float(share)) for share in above]
    result = np.select([score > lines[0], score > lines[1], score > lines[2]], ["4", "3", "2"], "1").astype(
        object
    )
    decay = draw["health.caries_at_three"]
    bad = 0.5 * hardship + rng.logistic(size=size)
    at_three = attended & (check == 2)
    mean = decay["mean"] / decay["share"]
    teeth = np.where(bad > bar(bad[at_three], share=decay["share"]), rng.geometric(1 / mean, size), 0)
    concern = 0.9 * weak + rng.logistic(size=size)
    worried = np.full(size, None, dtype=object)
    for column, name in ((1, "18m"), (2, "36m")):
        cell = attended & (check == column)
        line = bar(concern[cell], share=draw["health.development_concern"][name])
        worried[cell] = flag(concern > line)[cell]
    hard = 0.5 * hardship + 0.4 * weak + rng.logistic(size=size)
    difficulty = draw["health.parenting_difficulty"]
    always, sometimes = difficulty["always"], difficulty["always"] + difficulty["sometimes"]
    level = np.select([hard > bar(hard, share=always), hard > bar(hard, share=sometimes)], ["3", "2"], "1")
    return {
        "result": np.where(attended, result, None),
        "caries_n": integers(np.minimum(teeth, 16), missing=~at_three),
        "dev_concern": worried,
        "parent_difficulty": np.where(attended, level.astype(object), None),
    }


def vaccine(world: World, writing: Writing) -> Table:
    kids, given = world.kids, world.health.dose_given
    child, dose = np.nonzero(given < END)
    person = world.people.of_child[child]
    spelling = Spelling(writing, "infant_check", person, child, kids.size, given[child, dose])
    return table(
        {
            "name_kana": spelling.kana,
            "birth_date": spelling.birth_date,
            "vaccine": np.array([name for name, _, _ in DOSES], dtype=object)[dose],
            "dose": integers(np.array([number for _, number, _ in DOSES])[dose]),
            "given_on": iso(given[child, dose]),
        },
        key="infant_no",
        keys=numbered(world.draw, "N", kids.size, digits=8),
        of=child,
        owner=person,
        by=(given[child, dose],),
    )


def childcare(world: World, writing: Writing) -> Table:
    """A spell per facility and class: class 3 becomes class 2 on the 1 April after the third birthday."""
    kids, nursery = world.kids, world.nursery
    child = np.nonzero((nursery.since < END) & (nursery.until > fy_start(RECORDS)))[0]
    since, until = nursery.since[child], nursery.until[child]
    turns = fy_start(kids.cohort[child] + 1 + CLASS_TWO_GRADE)
    one = nursery.kindergarten[child]
    pieces = [
        (child[one], "1", since[one], until[one]),
        (child[~one], "3", since[~one], np.minimum(until, turns)[~one]),
        (child[~one], "2", np.maximum(since, turns)[~one], until[~one]),
    ]
    who = np.concatenate([piece[0] for piece in pieces])
    kind = np.concatenate([np.full(len(piece[0]), piece[1], dtype=object) for piece in pieces])
    low, high = np.concatenate([piece[2] for piece in pieces]), np.concatenate([piece[3] for piece in pieces])
    real = (low < high) & (low < END)
    who, kind, low, high = who[real], kind[real], low[real], high[real]
    spelling = Spelling(writing, "childcare", world.people.of_child[who], who, kids.size, low)
    return table(
        {
            "name": spelling.name,
            "name_kana": spelling.kana,
            "birth_date": spelling.birth_date,
            "address": spelling.address,
            "facility_code": labelled("F", nursery.facility[who] + 1, 2),
            "cert_class": kind,
            "fee_tier": codes(fee_tiers(world, who=who, days=low)),
            "spell_from": iso(low),
            "spell_to": iso(np.where(high >= END, NEVER, high)),
        },
        key="child_no",
        keys=numbered(world.draw, "H", kids.size, digits=8),
        of=who,
        owner=world.people.of_child[who],
        by=(low,),
    )


def fee_tiers(world: World, *, who: Array, days: Array) -> Array:
    """1 (lowest income) to 8."""
    income = world.money.income
    counted = (world.structure.children > 0) & IN_PANEL
    lines = [bar(income, share=1 - step / 8, weights=counted) for step in range(1, 8)]
    column = np.clip(fy_of(days) - fy_of(INDEX_DAYS[:1])[0], 0, income.shape[1] - 1)
    return 1 + np.searchsorted(lines, income[world.kids.family[who], column])


def childcare_month(world: World) -> Table:
    nursery, rule = world.nursery, world.draw["nursery.absent_days_a_month"]
    child = np.nonzero((nursery.since < END) & (nursery.until > fy_start(RECORDS)))[0]
    row, month = months_between(nursery.since[child], nursery.until[child])
    rng = world.draw.rng("rows.childcare_month")
    season = (month + 9) % 12  # 0 is April.
    winter = np.isin(season, (8, 9, 10))
    mean = rule["mean"] * np.where(winter, 1 + rule["winter_more"], 1 - rule["winter_more"] / 3)
    often = rng.gamma(3.0, 1 / 3, world.kids.size)[child[row]]
    often = often * np.exp(0.1 * world.structure.hardship[world.kids.family[child[row]]] - 0.005)
    opened = OPEN_DAYS[season]
    return table(
        {
            "month": MONTH_NAME[month],
            "open_days": integers(opened),
            "absent_days": integers(np.minimum(rng.poisson(mean * often), opened)),
        },
        key="child_no",
        keys=numbered(world.draw, "H", world.kids.size, digits=8),
        of=child[row],
        owner=world.people.of_child[child[row]],
        by=(month,),
    )
