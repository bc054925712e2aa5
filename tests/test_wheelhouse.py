"""The set of wheels installs with the network off."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OFFLINE = ["bwrap", "--dev-bind", "/", "/", "--unshare-net", "--die-with-parent", "--"]


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_machine_without_network_installs_from_the_wheelhouse(tmp_path):
    """`make wheelhouse` on one machine, `make demo` with WHEELHOUSE_ONLY=1 on the other."""
    house, other = tmp_path / "wheels", tmp_path / "other"
    made = subprocess.run(
        ["make", "wheelhouse", f"WHEELHOUSE={house}"], cwd=ROOT, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stderr[-500:]

    # What is committed goes to the other machine, and nothing of this one's environment.
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split()]
    shutil.copytree(ROOT, other, ignore=shutil.ignore_patterns(".git", *ignored))
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    stamp = subprocess.run(
        [
            *OFFLINE,
            "make",
            ".venv/.installed",
            "WHEELHOUSE_ONLY=1",
            f"WHEELHOUSE={house}",
            f"PYTHON={sys._base_executable}",
        ],
        cwd=other,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert stamp.returncode == 0, stamp.stderr[-500:]

    run = subprocess.run(
        [
            *OFFLINE,
            str(other / ".venv/bin/python"),
            "-c",
            "import workbench.errors, pandas, sdv, opendp, diffprivlib",
        ],
        cwd=other,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-500:]


@pytest.mark.slow
def test_a_changed_wheel_is_refused(tmp_path):
    """Attack: a package is swapped in the wheelhouse on its way to the other machine."""
    fake = tmp_path / "wheels"
    fake.mkdir()
    line = next(x for x in (ROOT / "requirements.lock").read_text().splitlines() if x.startswith("six=="))
    made = subprocess.run(
        [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(fake), line.rstrip(" \\")],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr[-300:]
    wheel = next(fake.glob("six*.whl"))
    wheel.write_bytes(wheel.read_bytes() + b"\0")
    lock = (ROOT / "requirements.lock").read_text()
    block = lock[lock.index("six==") :]
    (tmp_path / "six.lock").write_text("\n".join(block.split("\n")[:3]).rstrip(" \\") + "\n")

    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--no-index",
            "--find-links",
            str(fake),
            "--require-hashes",
            "--target",
            str(tmp_path / "out"),
            "-r",
            str(tmp_path / "six.lock"),
        ],
        capture_output=True,
        text=True,
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull, "PIP_FIND_LINKS": ""},
    )

    assert done.returncode != 0
    assert "HASHES" in done.stderr.upper()
