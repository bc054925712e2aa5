"""
Write the bundles of this version, once: `python tests/vectors/make.py`. What is there is never written again.

Each folder has a signed bundle of one form of model, the keys it was signed with, records, and what the
records scored. A later version that cannot verify one or scores it otherwise is wrong, not the vector.
"""

import hashlib
import json
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from interpret.glassbox import ExplainableBoostingClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from workbench.artifact import manifest
from workbench.artifact.admission import admission
from workbench.artifact.keys import KeyRing
from workbench.artifact.signing import sign
from workbench.artifact.trust import ADMITTERS, Trusted
from workbench.riskflag import export
from workbench.riskflag.dictionary import Dictionary
from workbench.riskflag.expert import Points, Rule, RuleList, Scorecard
from workbench.riskflag.flag import RiskFlag
from workbench.riskflag.part import Part
from workbench.scoring.scorer import Scorer

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE.parent / "riskflag"), str(HERE.parent / "scoring")]
from conftest import DICTIONARY, FEATURES, RECODE, SOURCE, frame  # noqa: E402
from test_vectors import found  # noqa: E402

ESTIMATORS = {
    "additive": LogisticRegression(),
    "pairs": ExplainableBoostingClassifier(outer_bags=1, max_rounds=60, interactions=2),
    "tree": DecisionTreeClassifier(min_samples_leaf=100),
    "forest": RandomForestClassifier(6, min_samples_leaf=100),
    "boosting": HistGradientBoostingClassifier(max_iter=6, min_samples_leaf=100),
    "calibrated": CalibratedClassifierCV(
        HistGradientBoostingClassifier(max_iter=6), method="isotonic", ensemble=False, cv=3
    ),
    "rules": RuleList(
        Rule(
            {"absent_days": (20, None), "grade": ["中学以上"]},
            points=2000,
            ja="中学生で欠席20日以上",
            en="Absent 20 days or more, junior high",
        ),
        Rule({"absent_days": (10, None)}, points=900, ja="欠席10日以上", en="Absent 10 days or more"),
        Rule({"absent_days": ["(missing)"]}, points=200, ja="欠席の記録がない", en="Absence not recorded"),
        apply="first",
    ),
    "scorecard": Scorecard(
        Points("absent_days", edges=[10, 20], points=[0, 700, 1500], missing=100),
        Points("school_aid", points={"yes": 500}),
        Points("grade", points={"小学4–6年": 200, "中学以上": 400}),
    ),
}
WRITTEN = datetime(2026, 11, 1, tzinfo=UTC)


def part(name, rows, seed):
    return Part(name, frame(rows, seed), Dictionary.of(DICTIONARY), RECODE, SOURCE)


def make(form):
    flag = RiskFlag(
        "school-attendance", target="absent_30d_next_year", capacity=0.1, excluded={"registered": ["yes"]}
    )
    written = form in ("rules", "scorecard")
    fitted = flag.fit(part("train", 4000, 1), ESTIMATORS[form], features=None if written else FEATURES)
    report = flag.evaluate(fitted, part("test", 3000, 2), groups=["sex"])
    folder = HERE / form
    bundle = folder / "bundle"
    for path, text in export.candidate_files(fitted, report, version="1.0.0").items():
        (bundle / path).parent.mkdir(parents=True, exist_ok=True)
        (bundle / path).write_bytes(text.encode())
    trusted = signed(bundle)
    (folder / "trust.json").write_bytes(trusted.to_json())
    write_records(folder / "records.csv")
    scorer = Scorer.open(bundle)
    expected = {
        "now": (WRITTEN + timedelta(days=1)).isoformat(),
        "bundle": manifest.read(bundle).digest,
        **found(scorer, folder / "records.csv"),
    }
    (folder / "expected.json").write_text(json.dumps(expected) + "\n")


def write_records(path):
    """Raw rows, a few of them with what is missing, unseen in a code, or beyond every interval."""
    rows = frame(60, 9)
    rows["grade"] = [place % 16 for place in range(60)]
    rows["child_id"] = [f"c{place}" for place in range(60)]
    rows.loc[3:5, "absent_days"] = None
    rows.loc[6:8, "eq_income"] = [16_777_217.0, 0.1, 9_999.5]
    rows["eq_income"] = rows["eq_income"].clip(upper=10_000)
    rows.to_csv(path, index=False)


def signed(bundle):
    with tempfile.TemporaryDirectory() as keys:
        ring = KeyRing(
            Path(keys), lambda purpose: hashlib.sha256(purpose.encode()).digest(), demonstration="vectors"
        )
        for owner in ADMITTERS:
            ring.create(owner)
        sealed = manifest.seal(
            bundle, kind="model", name="school-attendance", version="1.0.0", meta={}, demonstration="vectors"
        )
        nobody = hashlib.sha256(b"").hexdigest()
        statement = admission(
            sealed,
            request="R-1",
            purpose="school-support",
            report=nobody,
            votes=[{"person": "person:a", "role": "reviewer", "envelope": nobody}],
            admitted_at=WRITTEN,
            valid_until=WRITTEN + timedelta(days=365),
            policy=nobody,
            home="vectors",
        )
        (bundle / manifest.ENVELOPE).write_bytes(sign(statement, [ring.signer(owner) for owner in ADMITTERS]))
        return Trusted.of(ring)


if __name__ == "__main__":
    for form in ESTIMATORS:
        if not (HERE / form).exists():
            make(form)
            print(form)
