"""One run of the demonstration on the tiny city, shared by the tests that look at it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("workbench")


def demonstrate(home: Path, *more: str) -> "subprocess.CompletedProcess[str]":
    """`workbench demo --json` into `home`."""
    line = [str(PROGRAM), "demo", "--json", "--home", str(home), *more]
    environment = {**os.environ, "WORKBENCH_LANG": "en"}
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, env=environment, check=False)


@pytest.fixture(scope="session")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The home of a finished demonstration, and what it printed."""
    home = tmp_path_factory.mktemp("demonstration") / "home"
    done = demonstrate(home)
    assert done.returncode == 0, done.stderr[-2000:]
    return home, json.loads(done.stdout)
