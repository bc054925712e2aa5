"""A small model, its words, its contract: plain data that each test may bend."""

import copy
import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from workbench.artifact import manifest
from workbench.artifact.admission import admission
from workbench.artifact.keys import KeyRing
from workbench.artifact.signing import sign
from workbench.artifact.trust import ADMITTERS, Trusted

MODEL = {
    "schema": "riskflag-ir/1",
    "name": "school-attendance",
    "target": "absent_30d_next_year",
    "unit": "child",
    "scale": "milli-logit",
    "base": -3000,
    "features": [
        {
            "name": "sex",
            "type": "category",
            "points": {"male": 100, "female": -100},
            "missing": 0,
            "unseen": "reject",
        },
        {
            "name": "grade",
            "type": "category",
            "points": {"low": -200, "high": 400},
            "missing": 50,
            "unseen": 7,
        },
        {
            "name": "absent_days",
            "type": "number",
            "edges": [5, 10.5],
            "points": [-300, 0, 900],
            "missing": 250,
        },
    ],
    "threshold": {"score": -2500, "capacity": {"per_10000": 2000}, "tie_rule": "leave_out"},
    "eligible": {"grade": ["low", "high"]},
    "excluded": {"registered": ["yes"]},
}

RECODE = {
    "schema": "riskflag-recode/1",
    "release": "child-year@1",
    "items": {"grade": {"kind": "table", "map": {"1": "low", "2": "low", "8": "high"}}},
}

CONTRACT = {
    "schema": "riskflag-input/1",
    "id": "child_id",
    "items": [
        {
            "name": "sex",
            "kind": "category",
            "levels": ["male", "female"],
            "max_missing": 0.1,
            "max_unseen": 0.3,
        },
        {
            "name": "grade",
            "kind": "category",
            "levels": ["1", "2", "8"],
            "max_missing": 0.5,
            "max_unseen": 0.3,
        },
        {
            "name": "absent_days",
            "kind": "integer",
            "minimum": 0,
            "maximum": 210,
            "max_missing": 0.5,
            "max_unseen": 0,
        },
        {
            "name": "registered",
            "kind": "category",
            "levels": ["yes", "no"],
            "max_missing": 1,
            "max_unseen": 0,
        },
    ],
}

REASONS = {
    language: {
        "schema": "riskflag-reasons/1",
        "language": language,
        "items": {
            "sex": {
                "label": words[0],
                "places": {"male": f"{words[0]}:m", "female": f"{words[0]}:f"},
                "missing": "?",
            },
            "grade": {
                "label": words[1],
                "places": {"low": f"{words[1]}:low", "high": f"{words[1]}:high"},
                "missing": "?",
            },
            "absent_days": {
                "label": words[2],
                "places": {"0": "<5", "1": "5-10", "2": f"{words[2]}:11+"},
                "missing": f"{words[2]}:?",
            },
        },
    }
    for language, words in {"ja": ("性別", "学年", "欠席日数"), "en": ("Sex", "Grade", "Days absent")}.items()
}


@pytest.fixture
def model_data():
    return copy.deepcopy(MODEL)


@pytest.fixture
def recode_data():
    return copy.deepcopy(RECODE)


@pytest.fixture
def contract_data():
    return copy.deepcopy(CONTRACT)


@pytest.fixture
def reasons_data():
    return copy.deepcopy(REASONS)


@pytest.fixture
def candidate_files(model_data, recode_data, contract_data, reasons_data):
    """The files of a complete candidate, by path. Golden scores were added up by hand."""
    golden = [
        {
            "row": {"sex": "male", "grade": 8, "absent_days": 11, "registered": "no"},
            "score": -3000 + 100 + 400 + 900,
        },
        {
            "row": {"sex": "female", "grade": 1, "absent_days": 4, "registered": None},
            "score": -3000 - 100 - 200 - 300,
        },
        {
            "row": {"sex": None, "grade": None, "absent_days": None, "registered": None},
            "score": -3000 + 50 + 250,
        },
        {"row": {"sex": "male", "grade": 9, "absent_days": 5, "registered": None}, "score": -3000 + 100 + 7},
        {"row": {"sex": "unknown", "grade": 8, "absent_days": 10, "registered": None}, "score": None},
    ]
    reference = {"sex": {"male": 0.5, "female": 0.5}, "absent_days": {"0": 0.8, "1": 0.15, "2": 0.05}}
    return {
        "model/model.json": json.dumps(model_data),
        "contract/recode.json": json.dumps(recode_data),
        "contract/input.schema.json": json.dumps(contract_data),
        "contract/reasons.ja.json": json.dumps(reasons_data["ja"], ensure_ascii=False),
        "contract/reasons.en.json": json.dumps(reasons_data["en"]),
        "contract/golden.jsonl": "".join(json.dumps(line) + "\n" for line in golden),
        "evaluation/evaluation.json": json.dumps({"reference": reference}),
    }


@dataclass(frozen=True)
class Office:
    """Where bundles are admitted: keys, and the signing of a folder of files as a bundle."""

    folder: Path
    ring: KeyRing

    @property
    def trusted(self):
        return Trusted.of(self.ring)

    def admit(
        self, files, *, name="bundle", kind="model", purpose="school-support", days=30, signers=ADMITTERS
    ):
        """A signed bundle of `files`, as the release does it."""
        folder = self.folder / name
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text, encoding="utf-8")
        sealed = manifest.seal(
            folder,
            kind=kind,
            name="school-attendance",
            version="1.0.0",
            meta={},
            demonstration=self.ring.demonstration,
        )
        now = datetime.now(UTC)
        digest = hashlib.sha256(b"").hexdigest()
        statement = admission(
            sealed,
            request="R-1",
            purpose=purpose,
            report=digest,
            votes=[{"person": "person:a", "role": "reviewer", "envelope": digest}],
            admitted_at=now,
            valid_until=now + timedelta(days=days),
            policy=digest,
            home="home",
        )
        if signers:
            envelope = sign(statement, [self.ring.signer(owner) for owner in signers])
            (folder / manifest.ENVELOPE).write_bytes(envelope)
        return folder


@pytest.fixture
def office(tmp_path):
    """An office with the keys of both roles."""
    (tmp_path / "keys").mkdir()
    ring = KeyRing(
        tmp_path / "keys",
        lambda purpose: hashlib.sha256(purpose.encode()).digest(),
        demonstration="demonstration-1",
    )
    for owner in ADMITTERS:
        ring.create(owner)
    return Office(tmp_path, ring)
