"""
Speed, as ratios against a peer or a floor measured in the same run. Seconds are shown, never asserted.

    make bench
"""

import hashlib
import json
import os
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from workbench.audit import Event, Log, verify_log
from workbench.audit.keeper import Keeper, listen
from workbench.audit.kept import open_log
from workbench.audit.log import Entry
from workbench.audit.wire import SOCKET
from workbench.home import Home
from workbench.population import generate
from workbench.scoring import engine
from workbench.scoring.model import Capacity, Feature, Model, Threshold
from workbench.state import State


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


@pytest.mark.parametrize("profile", ["tiny", "city", "large"])
def test_generating_the_city_against_writing_it(profile, tmp_path):
    """The floor is what Parquet needs for the same rows."""
    made = []
    wall, _ = timed(lambda: made.append(generate(profile, 1)))
    tables = made[0].tables
    floor, _ = timed(lambda: [t.to_parquet(tmp_path / f"{n}.parquet") for n, t in tables.items()])

    show(f"population {profile}, {sum(map(len, tables.values())):,} rows", wall, floor, against="Parquet")


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


CELL = {"sha256": "0" * 64, "session": "s", "source": "x" * 300, "cell": "1"}
CLIENTS, EACH, ROUNDS = 16, 200, 9
# A flush of a plain disk; what a virtual one takes changes twentyfold with what its host does at the time.
PLAIN_DISK = 0.004


def synced_one_by_one(path: Path, *, rounds: int, flush: Callable[[int], None]) -> float:
    """Lines a second, each on disk before the next."""
    with open(path, "ab", buffering=0) as file:
        began = time.perf_counter()
        for _ in range(rounds):
            file.write(b"x" * 700 + b"\n")
            flush(file.fileno())
        return rounds / (time.perf_counter() - began)


def client(home: Path, start: Barrier, rate: Connection, *, window: int) -> None:
    """Append, with at most `window` records that are not yet acknowledged."""
    log = open_log(Home.open(home))
    entries = [Entry(Event.CELL_EXECUTED, "aoki", CELL)] * window
    log.append_all(entries)
    start.wait()
    began = time.perf_counter()
    for _ in range(EACH // window):
        log.append_all(entries)
    rate.send((began, time.perf_counter()))


def appended(home: Home, *, window: int) -> float:
    """Records a second that the log's process acknowledges to sixteen clients, each a process."""
    context = get_context("fork")
    start, pipes = context.Barrier(CLIENTS), [context.Pipe(duplex=False) for _ in range(CLIENTS)]
    clients = [
        context.Process(target=client, args=(home.path, start, end), kwargs={"window": window})
        for _, end in pipes
    ]
    for one in clients:
        one.start()
    times = [pipe.recv() for pipe, _ in pipes]
    for one in clients:
        one.join()
    begun, ended = zip(*times, strict=True)
    return CLIENTS * EACH / (max(ended) - min(begun))


def slower(seconds: float) -> Callable[[int], None]:
    """A flush that takes so much longer than this disk's."""
    flush = os.fdatasync

    def fdatasync(handle: int) -> None:
        flush(handle)
        time.sleep(seconds)

    return fdatasync if seconds else flush


@contextmanager
def kept(home: Home, flush: Callable[[int], None]) -> Iterator[None]:
    """The log's process, on a disk that flushes so."""
    listening = listen(home.path / SOCKET, everybody=False)
    child = os.fork()
    if child == 0:
        os.fdatasync = flush
        keeper = Keeper(Log.of(home), listening, admitted=frozenset({os.getuid()}))
        signal.signal(signal.SIGTERM, keeper.stop)
        keeper.run()
        os._exit(0)
    try:
        yield
    finally:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)


@pytest.mark.parametrize("added", [0.0, PLAIN_DISK], ids=["this disk", "plus 4 ms a flush"])
@pytest.mark.parametrize("window", [1, 4])
def test_sixteen_clients_of_the_log_against_synced_lines(tmp_path, window, added):
    """
    Acknowledged after the disk on both sides, interleaved; the median of the rounds' ratios.

    A window of 1 waits for each record, as a request does: then a flush holds sixteen records at most, and
    16 is what the ratio cannot pass. Outputs that follow one another need not wait for each other.
    """
    home, flush = Home.create(tmp_path / "home", seed=1), slower(added)
    State.open(home).close()
    with kept(home, flush):
        rounds = [
            (
                appended(home, window=window),
                synced_one_by_one(tmp_path / "bare", rounds=100, flush=flush),
            )
            for _ in range(ROUNDS)
        ]
    ours, bare = (statistics.median(rates) for rates in zip(*rounds, strict=True))
    ratios = sorted(mine / theirs for mine, theirs in rounds)
    show(f"16 clients, window {window}, +{added:.3f} s", ours, bare, against="one by one", unit="records/s")
    print(f"median ratio of rounds {statistics.median(ratios):.1f}, from {ratios[0]:.1f} to {ratios[-1]:.1f}")


def test_verifying_the_log_against_parsing_and_hashing_its_lines(tmp_path):
    """Chain, seals and the root of the tree, against one parse and one digest a line; interleaved."""
    log = Log(tmp_path / "audit", b"k" * 32)
    for _ in range(20):
        log.append_all([Entry(Event.CELL_EXECUTED, "aoki", CELL)] * 1000)

    def bare() -> None:
        for line in (log.folder / "log.jsonl").read_bytes().split(b"\n")[:-1]:
            json.loads(line)
            hashlib.sha256(line).digest()

    pairs = [(timed(log.verify)[1], timed(bare)[1]) for _ in range(5)]
    ours, floor = (min(times) for times in zip(*pairs, strict=True))
    show("verifying 20,000 records, CPU", ours, floor, against="parse and hash")
    alone = min(
        timed(lambda: verify_log.verify(str(log.folder / "log.jsonl"), [], None))[1] for _ in range(3)
    )
    show("the auditor's verifier, CPU", alone, floor, against="parse and hash")
