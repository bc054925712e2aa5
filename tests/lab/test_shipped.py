"""What the lab needs beside its code goes along when it is installed."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from workbench.lab.kernels import KERNEL, shipped
from workbench.lab.run import why_not_leave

ROOT = Path(__file__).parent.parent.parent


def test_the_notebooks_are_kept_without_outputs():
    notebooks = sorted(shipped("notebooks").glob("*.ipynb"))

    assert len(notebooks) >= 4
    assert [path.name for path in notebooks if why_not_leave(path.read_bytes())] == []


def test_installed_without_the_project_beside_it_is_found_under_share(monkeypatch, tmp_path):
    monkeypatch.setattr("workbench.__file__", str(tmp_path / "site-packages" / "workbench" / "__init__.py"))
    monkeypatch.setattr(sys, "prefix", str(tmp_path))

    assert shipped("kernels") == tmp_path / "share" / "workbench" / "kernels"


@pytest.mark.slow
def test_the_wheel_holds_the_kernel_and_the_notebooks(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    for name in ("workbench", "kernels", "notebooks"):
        shutil.copytree(ROOT / name, project / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md"):
        shutil.copy(ROOT / name, project)
    quiet = ["--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *quiet, "-w", str(tmp_path), str(project)],
        check=True,
        env={**os.environ, "PIP_CONFIG_FILE": os.devnull},
    )
    [wheel] = tmp_path.glob("*.whl")
    held = [name.partition(".data/data/share/workbench/")[2] for name in zipfile.ZipFile(wheel).namelist()]

    assert f"kernels/{KERNEL}/kernel.json" in held
    assert {f"notebooks/{path.name}" for path in (ROOT / "notebooks").glob("*.ipynb")} <= set(held)
