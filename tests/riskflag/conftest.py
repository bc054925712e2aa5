"""A small made-up table of a release, with a known dependence, and its dictionary."""

import numpy as np
import pandas as pd
import pytest

from workbench.riskflag.dictionary import Dictionary
from workbench.riskflag.part import Part, Source


def item(name, label, kind, *, role="other", values=None, **more):
    words = {code: {"ja": f"{code}の", "en": f"{code}_"} for code in values or ()}
    return {
        "name": name,
        "label": {"ja": label, "en": name.replace("_", " ").capitalize()},
        "kind": kind,
        "role": role,
        **({"values": words} if words else {}),
        **more,
    }


DICTIONARY = {
    "schema": "workbench-dictionary/1",
    "items": [
        item("grade", "学年", "integer", role="quasi_identifier", minimum=0, maximum=17),
        item("sex", "性別", "category", role="quasi_identifier", values=("male", "female")),
        item(
            "hh_type",
            "世帯の型",
            "category",
            role="quasi_identifier",
            values=("two_parents", "one_adult", "other"),
        ),
        item("absent_days", "欠席日数", "integer", minimum=0, maximum=210, unit="日"),
        item("eq_income", "等価所得", "number", role="sensitive", minimum=0, maximum=10_000, unit="万円"),
        item("school_aid", "就学援助", "flag", role="sensitive"),
        item("registered", "要対協の登録", "flag", role="sensitive"),
        item("district", "学区", "code", role="quasi_identifier"),
        item("bullied_later", "翌年度のいじめ認知", "flag"),
        item("absent_30d_next_year", "翌年度30日以上欠席", "flag"),
        item("poverty", "生活困窮", "flag"),
        item("note", "自由記述", "text"),
        item("seen_on", "把握日", "date"),
        item("child_code", "個人コード", "code", role="direct_identifier"),
    ],
    "targets": ["absent_30d_next_year", "poverty"],
}

RECODE = {
    "schema": "riskflag-recode/1",
    "release": "child-year@1",
    "items": {
        "grade": {
            "kind": "interval",
            "edges": [6, 9, 12],
            "labels": ["就学前", "小学1–3年", "小学4–6年", "中学以上"],
        }
    },
}
SOURCE = Source("child-year", "1", "a" * 64, "school-support", "anonymised", report="b" * 64)


def frame(rows, seed):
    """Absence next year depends on absence now, school aid and grade."""
    rng = np.random.default_rng(seed)
    aid = rng.random(rows) < 0.15
    days = rng.poisson(4 + 6 * aid + 12 * (rng.random(rows) < 0.1))
    band = rng.integers(0, 4, rows)
    logit = -4.2 + 0.09 * days + 0.8 * aid + 0.5 * band
    outcome = rng.random(rows) < 1 / (1 + np.exp(-logit))
    absent = pd.Series(days, dtype="Int64").mask(band == 0)
    return pd.DataFrame(
        {
            "grade": np.array(RECODE["items"]["grade"]["labels"], dtype=object)[band],
            "sex": rng.choice(["male", "female"], rows),
            "hh_type": rng.choice(["two_parents", "one_adult", "other"], rows, p=[0.8, 0.199, 0.001]),
            "absent_days": absent,
            "eq_income": np.where(
                rng.random(rows) < 0.05, np.nan, np.clip(rng.gamma(4, 80, rows) - 60 * aid, 0, None)
            ),
            "school_aid": np.where(aid, "yes", "no"),
            "registered": np.where(rng.random(rows) < 0.15 + 0.3 * outcome, "yes", "no"),
            "district": rng.choice(["E01", "E02", "E03"], rows),
            "absent_30d_next_year": np.where(outcome, "yes", "no"),
            "poverty": np.where(rng.random(rows) < 0.1, "yes", "no"),
            "note": "",
            "seen_on": "2024-01-01",
            "child_code": "x",
        }
    )


FEATURES = ["grade", "sex", "hh_type", "absent_days", "eq_income", "school_aid", "district"]


@pytest.fixture(scope="session")
def make_part():
    """Build a part with so many rows."""

    def make(name="train", rows=4000, seed=1, **changes):
        return Part(name, frame(rows, seed).assign(**changes), Dictionary.of(DICTIONARY), RECODE, SOURCE)

    return make


@pytest.fixture(scope="session")
def train(make_part):
    return make_part()


@pytest.fixture(scope="session")
def test(make_part):
    return make_part("test", rows=3000, seed=2)
