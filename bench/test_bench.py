"""
Speed, as ratios against a peer or a floor measured in the same run. Seconds are shown, never asserted.

    make bench
"""

import asyncio
import gzip
import io
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from jupyter_client.manager import AsyncKernelManager
from pycanon import anonymity
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from workbench.audit import Event, Log
from workbench.home import Home
from workbench.lab.kernels import KERNEL, Kernels
from workbench.lab.session import Session
from workbench.population import generate
from workbench.privacy.anonymity import metrics
from workbench.privacy.anonymity.classes import Classes
from workbench.scoring import engine
from workbench.scoring.model import Capacity, Feature, Model, Threshold
from workbench.state import State

ADULT = Path(__file__).parents[1] / "tests/data_files/adult"
QUASI = ["sex", "age", "race", "marital-status", "education", "native-country", "workclass", "occupation"]


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds of one call."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - wall, time.process_time() - cpu


def show(what: str, ours: float, floor: float, *, against: str, unit: str = "s") -> None:
    load = os.getloadavg()[0]
    print(
        f"\n{what}: {ours:.3f} {unit}, {against} {floor:.3f} {unit}, ratio {ours / floor:.2f} (load {load:.1f})"
    )


@pytest.fixture(scope="module")
def adult() -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(gzip.decompress((ADULT / "adult.csv.gz").read_bytes())), sep=";", dtype=str)


@pytest.mark.parametrize("profile", ["tiny", "city", "large"])
def test_generating_the_city_against_writing_it(profile, tmp_path):
    """The floor is what Parquet needs for the same rows."""
    made = []
    wall, _ = timed(lambda: made.append(generate(profile, 1)))
    tables = made[0].tables
    floor, _ = timed(lambda: [t.to_parquet(tmp_path / f"{n}.parquet") for n, t in tables.items()])

    show(f"population {profile}, {sum(map(len, tables.values())):,} rows", wall, floor, against="Parquet")


def test_k_and_l_against_pycanon(adult):
    sensitive = "salary-class"

    def ours() -> None:
        classes = Classes.of(adult[[*QUASI, sensitive]], QUASI)
        assert metrics.k_children(classes) == 1

    _, mine = min(timed(ours) for _ in range(3))
    _, theirs = timed(lambda: anonymity.k_anonymity(adult, QUASI))

    show("k on Adult, CPU", mine, theirs, against="pycanon")


def test_scoring_against_scikit_learn():
    """An additive model of ten items on 200,000 rows: the engine and a scikit-learn pipeline."""
    draw = np.random.default_rng(1)
    frame = pd.DataFrame({f"item{n}": draw.choice(list("abcd"), 200_000) for n in range(10)})
    pipeline = make_pipeline(OneHotEncoder(), LogisticRegression(max_iter=200))
    pipeline.fit(frame.head(5_000), draw.random(5_000) < 0.2)
    features = tuple(Feature(name, (0, 10, 20, 30), 0, levels=tuple("abcd")) for name in frame)
    model = Model("bench", "target", "child", 0, features, Threshold(0, Capacity(children=1), "leave_out"))
    table = pa.Table.from_pandas(frame)

    ours, _ = min(timed(lambda: engine.score(model, table)) for _ in range(3))
    theirs, _ = min(timed(lambda: pipeline.predict_proba(frame)) for _ in range(3))

    show("scoring 200,000 rows", ours, theirs, against="scikit-learn")


def test_appending_to_the_log_against_bare_synced_lines(tmp_path):
    home = Home.create(tmp_path / "home")
    log, rounds = Log.of(home), 100
    record = {"sha256": "0" * 64, "session": "s", "source": "x" * 300, "cell": 1}

    def ours() -> None:
        with log.locked():
            for number in range(1, rounds + 1):
                log.append(Event.CELL_EXECUTED, "aoki", record, number)

    def bare() -> None:
        with open(tmp_path / "bare", "ab") as file:
            for _ in range(rounds):
                file.write(b"x" * 600 + b"\n")
                file.flush()
                os.fdatasync(file.fileno())

    show(f"{rounds} records on disk", timed(ours)[0], timed(bare)[0], against="bare synced lines")


def test_starting_a_kernel_against_a_plain_one(tmp_path):
    """Start to first reply, interleaved; the median ratio of the pairs."""
    home = Home.create(tmp_path / "home")
    with Session(
        home, State.open(home), analyst="mori", project="bench", datasets={}, trusted=b"{}", verbs={}
    ) as session:
        pairs = [
            (
                started(AsyncKernelManager(kernel_name=KERNEL, kernel_spec_manager=Kernels(room=session))),
                started(AsyncKernelManager(kernel_name="python3")),
            )
            for _ in range(7)
        ]
    ratios = [ours / plain for ours, plain in pairs]

    ours, plain = (statistics.median(times) for times in zip(*pairs, strict=True))
    show("kernel, start to first reply", ours, plain, against="plain ipykernel")
    print(
        f"median ratio of pairs {statistics.median(ratios):.2f}, from {min(ratios):.2f} to {max(ratios):.2f}"
    )


def started(manager: AsyncKernelManager) -> float:
    async def once() -> float:
        began = time.perf_counter()
        await manager.start_kernel()
        client = manager.client()
        client.start_channels()
        await client.wait_for_ready(timeout=60)
        taken = time.perf_counter() - began
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
        return taken

    return asyncio.run(once())
