"""
What the sandbox costs when a kernel starts: against a plain ipykernel, pairs interleaved in one run.

    make bench
"""

import asyncio
import os
import statistics
import time

import numpy as np
from jupyter_client.manager import AsyncKernelManager

from workbench.home import Home
from workbench.lab.kernels import KERNEL, Kernels
from workbench.lab.modes import Mode
from workbench.lab.session import Session
from workbench.state import State

PAIRS = 30
MOST = 1.10  # the median ratio that is promised


def test_starting_a_kernel_against_a_plain_one(tmp_path):
    """Start to first reply; the median ratio of the pairs and its bootstrap interval."""
    pairs = interleaved(tmp_path, Mode.SANDBOX, pairs=PAIRS)
    median, low, high = report("sandbox", pairs)

    assert low <= median <= high
    assert median <= MOST


def test_starting_a_kernel_without_namespaces_against_a_plain_one(tmp_path):
    report("landlock", interleaved(tmp_path, Mode.LANDLOCK, pairs=PAIRS // 3))


def interleaved(tmp_path, mode: Mode, *, pairs: int) -> list[tuple[float, float]]:
    """Seconds of ours and of the plain one, in turns: whoever comes first has no advantage."""
    home = Home.create(tmp_path / "home")
    measured = []
    with Session(
        home,
        State.open(home),
        analyst="mori",
        project="bench",
        datasets={},
        trusted=b"{}",
        verbs={},
        mode=mode,
    ) as session:
        session.acknowledge(how="command")

        def ours() -> float:
            return started(AsyncKernelManager(kernel_name=KERNEL, kernel_spec_manager=Kernels(room=session)))

        def plain() -> float:
            return started(AsyncKernelManager(kernel_name="python3"))

        ours(), plain()  # both read their files once
        for number in range(pairs):
            first, second = (ours, plain) if number % 2 else (plain, ours)
            times = {first: first(), second: second()}
            measured.append((times[ours], times[plain]))
    return measured


def report(what: str, pairs: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Print and return the median ratio and the interval that holds it with 95 %."""
    ratios = np.array([ours / plain for ours, plain in pairs])
    draws = np.random.default_rng(1).choice(ratios, (10_000, len(ratios)))
    median = float(np.median(ratios))
    low, high = map(float, np.percentile(np.median(draws, axis=1), (2.5, 97.5)))
    ours, plain = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(
        f"\nkernel, start to first reply, {what}: {ours:.3f} s, plain ipykernel {plain:.3f} s, {len(pairs)} pairs, "
        f"median ratio {median:.3f} (95 % {low:.3f}-{high:.3f}), load {os.getloadavg()[0]:.1f}"
    )
    return median, low, high


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
