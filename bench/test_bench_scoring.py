"""
The scoring stage against scikit-learn's own pipeline, in one run: a million rows, one row, a bundle, memory.

    make bench
"""

import hashlib
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import rfc8785
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder

from workbench.artifact import manifest
from workbench.artifact.admission import admission
from workbench.artifact.keys import KeyRing
from workbench.artifact.revocations import Revocations
from workbench.artifact.signing import sign
from workbench.artifact.trust import ADMITTERS, Trusted
from workbench.artifact.verifying import verify_bundle
from workbench.scoring import engine, judging, records
from workbench.scoring.model import Capacity, Feature, Model, Threshold
from workbench.scoring.scorer import CONTRACT, EVALUATION, GOLDEN, MODEL, REASONS, RECODE, Scorer

ROWS = 1_000_000
CATEGORIES = {f"category{n}": [f"区分{n}-{level}" for level in range(3 + n)] for n in range(6)}
NUMBERS = [f"number{n}" for n in range(6)]
EDGES = [10.0, 20.0, 40.0, 80.0]
NOW = datetime.now(UTC)


def frame(rows: int, *, seed: int = 1) -> pd.DataFrame:
    """Japanese categories and numbers, some of them missing."""
    draw = np.random.default_rng(seed)
    columns: dict[str, object] = {"child_id": [f"c{row:08d}" for row in range(rows)]}
    columns |= {name: draw.choice(levels, rows) for name, levels in CATEGORIES.items()}
    for name in NUMBERS:
        values = np.round(draw.gamma(2, 15, rows), 1)
        columns[name] = np.where(draw.random(rows) < 0.05, np.nan, values)
    return pd.DataFrame(columns)


def fastest(work: Callable[[], object], *, times: int = 3) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        found.append(time.perf_counter() - began)
    return min(found)


def pipeline() -> object:
    """The same items as the model's: one-hot categories, binned numbers, a logistic regression."""
    learnt = frame(20_000, seed=2)
    bins = make_pipeline(
        SimpleImputer(strategy="median"), KBinsDiscretizer(5, strategy="uniform", subsample=None)
    )
    columns = make_column_transformer((OneHotEncoder(), list(CATEGORIES)), (bins, NUMBERS))
    made = make_pipeline(columns, LogisticRegression(max_iter=300))
    return made.fit(learnt, np.random.default_rng(3).random(len(learnt)) < 0.1)


def model() -> Model:
    categories = [
        Feature(name, tuple(range(-100, -100 + 37 * len(levels), 37)), 5, levels=tuple(levels), unseen=0)
        for name, levels in CATEGORIES.items()
    ]
    numbers = [Feature(name, (-200, -90, 10, 150, 420), 33, edges=tuple(EDGES)) for name in NUMBERS]
    threshold = Threshold(score=700, capacity=Capacity(children=10_000), tie_rule="leave_out")
    return Model("bench", "target", "child", -2500, (*categories, *numbers), threshold)


def files() -> dict[str, bytes]:
    """The files of a bundle of this model, golden rows and all."""
    made = model()
    common = {"max_missing": 0.5, "max_unseen": 0.1}
    items = [{"name": n, "kind": "category", "levels": levels, **common} for n, levels in CATEGORIES.items()]
    items += [{"name": n, "kind": "number", "minimum": 0, "maximum": 10_000, **common} for n in NUMBERS]
    some = frame(64, seed=9).drop(columns="child_id")
    scored = engine.score(made, pa.Table.from_pandas(some, preserve_index=False)).scores
    golden = [
        {"row": {k: None if pd.isna(v) else v for k, v in row.items()}, "score": int(score)}
        for row, score in zip(some.to_dict("records"), scored, strict=True)
    ]
    texts = {
        f.name: {"label": f.name, "places": {p: f"{f.name} {p}" for p in f.places}, "missing": "?"}
        for f in made.features
    }
    documents = {
        MODEL: made.to_json(),
        CONTRACT: {"schema": "riskflag-input/1", "id": "child_id", "items": items},
        RECODE: {"schema": "riskflag-recode/1", "release": "bench@1", "items": {}},
        **{
            path: {"schema": "riskflag-reasons/1", "language": language, "items": texts}
            for language, path in REASONS.items()
        },
        EVALUATION: {"reference": {}},
    }
    told = {path: rfc8785.dumps(document) for path, document in documents.items()}
    return {**told, GOLDEN: b"".join(rfc8785.dumps(line) + b"\n" for line in golden)}


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    return Scorer.read(files().__getitem__)


def test_a_million_rows_against_predict_proba(scorer, tmp_path):
    """Score alone, meant to be five times as fast; and with file, contract, candidates and reasons."""
    table, theirs = frame(ROWS), pipeline()
    arrow = pa.Table.from_pandas(table, preserve_index=False)
    path = tmp_path / "records.parquet"
    pyarrow.parquet.write_table(arrow, path)

    def whole() -> object:
        from workbench.scoring.batch import candidate_rows

        with records.opened(path) as opened:
            judged = judging.judge(scorer, opened.chunks())
        return list(candidate_rows(scorer, judged, show_scores=False))

    peer = fastest(lambda: theirs.predict_proba(table))
    alone = fastest(lambda: engine.score(scorer.model, arrow))
    everything = fastest(whole)

    print(f"\n{ROWS:,} rows: predict_proba {peer:.2f} s; score {alone:.2f} s, {peer / alone:.1f} times as fast;"
          f" contract, score, reasons {everything:.2f} s, {peer / everything:.1f} times")  # fmt: skip
    assert peer / alone >= 1
    assert peer / everything >= 1


def test_one_row_against_predict_proba(scorer):
    """One child at a desk: the row's places in the model's own tables, and their sum."""
    row, theirs = frame(1), pipeline()
    table = pa.Table.from_pandas(row, preserve_index=False)
    times = 200

    peer = fastest(lambda: [theirs.predict_proba(row) for _ in range(20)]) / 20
    ours = fastest(lambda: [engine.score(scorer.model, table) for _ in range(times)]) / times

    print(
        f"\none row: predict_proba {peer * 1e6:.0f} µs, score {ours * 1e6:.0f} µs, {peer / ours:.1f} times as fast"
    )


def test_verifying_a_bundle(tmp_path):
    """Signatures, manifest, every file, revocation and expiry: meant to take less than ten milliseconds."""
    ring = KeyRing(
        tmp_path, lambda owner: hashlib.sha256(owner.encode()).digest(), demonstration="demonstration-1"
    )
    for owner in ADMITTERS:
        ring.create(owner)
    folder = tmp_path / "bundle"
    for path, content in files().items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    sealed = manifest.seal(
        folder, kind="model", name="bench", version="1.0.0", meta={}, demonstration=ring.demonstration
    )
    statement = admission(
        sealed,
        request="R-1",
        purpose="bench",
        report="0" * 64,
        votes=[{"person": "person:a", "role": "reviewer", "envelope": "0" * 64}],
        admitted_at=NOW,
        valid_until=NOW + timedelta(days=30),
        policy="0" * 64,
        home="home",
    )
    (folder / manifest.ENVELOPE).write_bytes(sign(statement, [ring.signer(owner) for owner in ADMITTERS]))
    trusted, listed = Trusted.of(ring), Revocations.none_yet(home="home", now=NOW)

    def verify() -> object:
        return verify_bundle(folder, trusted=trusted, now=NOW, revocations=listed)

    hashed = sum(len(content) for content in files().values())
    floor = fastest(lambda: hashlib.sha256(b"x" * hashed).hexdigest(), times=20)
    found = fastest(verify, times=20)

    print(f"\nverifying a bundle: {found * 1e3:.1f} ms, its bytes alone hashed in {floor * 1e3:.2f} ms")


MEMORY = """
import resource, sys
from pathlib import Path
from workbench.scoring import judging, records
from workbench.scoring.scorer import Scorer

scorer = Scorer.open(Path(sys.argv[1]))
with records.opened(Path(sys.argv[2])) as opened:
    judged = judging.judge(scorer, opened.chunks())
print(judged.rows, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_from_one_to_ten_million_rows(tmp_path):
    """Eight bytes a row are kept, to know a reference that repeats; the rest does not grow. Takes minutes."""
    for path, content in files().items():
        (tmp_path / "bundle" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "bundle" / path).write_bytes(content)
    piece = pa.Table.from_pandas(frame(100_000), preserve_index=False)
    found = {}
    for millions in (1, 10):
        path = tmp_path / f"{millions}.parquet"
        with pyarrow.parquet.ParquetWriter(path, piece.schema) as writer:
            for part in range(10 * millions):
                names = pa.array([f"c{part}-{row}" for row in range(piece.num_rows)])
                writer.write_table(piece.set_column(0, "child_id", names))
        done = subprocess.run(
            [sys.executable, "-c", MEMORY, tmp_path / "bundle", path],
            capture_output=True,
            text=True,
            check=True,
        )
        rows, peak = map(int, done.stdout.split())
        assert rows == millions * 1_000_000
        found[millions] = peak / 1024

    print(
        f"\npeak memory: 1 million rows {found[1]:.0f} MB, 10 million {found[10]:.0f} MB, ratio {found[10] / found[1]:.2f}"
    )
    assert found[10] / found[1] < 2
