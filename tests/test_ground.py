"""The ground: versions that hold together, error families, the home, a command that starts at once."""

import json
import os
import subprocess
import sys
from fnmatch import fnmatch
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest

from workbench.errors import FAMILIES, Refused, Unusable
from workbench.home import Home, clear_leftovers, publish_folder, write_atomically

ROOT = Path(__file__).parent.parent
NAMED = ["jupyterlab", "pandas", "sklearn", "sdv", "diffprivlib", "pycanon", "matplotlib"]
EXIT_CODES = {"Usage": 2, "Refused": 10, "Untrusted": 11, "Unusable": 12, "NotFound": 13, "Unprotected": 14}


def python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}
    )


def test_the_named_packages_work_together():
    """A scikit-learn newer than 1.7.2 breaks diffprivlib, and this says so before a user meets it."""
    fit = "import numpy as n; diffprivlib.models.LogisticRegression(data_norm=2.0, epsilon=1.0).fit(n.eye(2), [0, 1])"

    done = python(f"import {', '.join(NAMED)}; {fit}")

    assert done.returncode == 0, (
        f"The named packages do not work together (scikit-learn {version('scikit-learn')}; "
        f"diffprivlib needs 1.7.2): install from requirements.lock. {done.stderr[-300:]}"
    )


def test_the_lock_brings_no_torch():
    locked = {
        line.split("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines() if "==" in line
    }

    assert not locked & {"torch", "ctgan", "deepecho", "triton"}
    assert {"sdv", "jupyterlab", "diffprivlib", "pycanon", "opendp"} <= locked


def test_every_locked_package_has_a_hash_and_no_address():
    lock = (ROOT / "requirements.lock").read_text()

    assert "://" not in lock
    for block in lock.split("\n"):
        assert not block.endswith("==")
    packages = [block for block in lock.split("\n") if "==" in block and not block.startswith(" ")]
    assert all(package.endswith("\\") for package in packages), "a package without a hash"


def test_pip_check_complains_only_of_the_neural_parts_of_sdv():
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True)

    complaints = [line for line in done.stdout.splitlines() if "requires" in line]
    assert all("requires ctgan" in line or "requires deepecho" in line for line in complaints), complaints


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import workbench", ["numpy", "click", "pandas"]),
        (
            "from workbench.cli import workbench; workbench.main(['--help'], standalone_mode=False)",
            ["numpy", "pandas", "sqlalchemy", "yaml"],
        ),
    ],
)
def test_starting_loads_nothing_heavy(code, forbidden):
    done = python(f"{code}\nimport sys\nprint([m for m in {forbidden} if m in sys.modules])")

    assert done.stdout.splitlines()[-1] == "[]", done.stderr


@pytest.mark.parametrize(("family", "code"), EXIT_CODES.items())
def test_each_family_has_its_exit_code(family, code):
    assert FAMILIES[family].exit_code == code


def test_the_command_table_covers_every_noun():
    """Each noun of the table loads, and its help is in both languages."""
    from workbench.cli import COMMANDS, workbench

    for noun, (_, text) in COMMANDS.items():
        command = workbench.get_command(None, noun)
        assert command is not None, noun
        assert " / " in text, noun


def test_an_error_speaks_the_readers_language(monkeypatch):
    error = Refused(ja="断りました。", en="Refused.")

    monkeypatch.setenv("WORKBENCH_LANG", "en")
    assert str(error) == "Refused."
    monkeypatch.delenv("WORKBENCH_LANG")
    assert str(error) == "断りました。"


def test_two_homes_share_no_randomness_and_a_demonstration_repeats(tmp_path):
    real = [Home.create(tmp_path / name) for name in "ab"]
    shown = [Home.create(tmp_path / name, seed=7) for name in "cd"]

    assert real[0].entropy("noise") != real[0].entropy("noise")
    assert real[0].identity != real[1].identity
    assert shown[0].entropy("noise") == shown[1].entropy("noise") != shown[0].entropy("keys")
    assert "demonstration" in shown[0].identity


def test_a_home_is_not_made_over_another(tmp_path):
    Home.create(tmp_path)

    with pytest.raises(Refused):
        Home.create(tmp_path, seed=1)


def test_a_damaged_marker_is_unusable(tmp_path):
    Home.create(tmp_path)
    (tmp_path / "home.json").write_text("{")

    with pytest.raises(Unusable):
        Home.open(tmp_path)


@pytest.mark.parametrize(
    ("seed", "identity"),
    [(7, None), (None, "demonstration-7"), (7, "demonstration-8"), (True, "demonstration-1")],
)
def test_attack_a_real_home_is_given_a_seed(tmp_path, seed, identity):
    """Whoever can write the marker must not make noise and keys predictable."""
    Home.create(tmp_path)
    marker = json.loads((tmp_path / "home.json").read_text())
    marker |= {"seed": seed, "identity": identity or marker["identity"]}
    (tmp_path / "home.json").write_text(json.dumps(marker))

    with pytest.raises(Unusable):
        Home.open(tmp_path)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    write_atomically(tmp_path / "file", b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError(28, "full")))

    with pytest.raises(OSError, match="full"):
        write_atomically(tmp_path / "file", b"new")

    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("file", b"old")]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    aside = tmp_path / ".bundle.1.aside"
    (aside / "data").mkdir(parents=True)
    (aside / "data" / "file").write_text("x")
    (tmp_path / ".left.2.aside").mkdir()

    publish_folder(aside, tmp_path / "bundle")
    clear_leftovers(tmp_path)

    assert [p.name for p in tmp_path.iterdir()] == ["bundle"]


def ours() -> list[Path]:
    """The project's files, whether or not this is a checkout: all but what .gitignore names."""
    ignored = [".git", *(line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split())]
    found = []
    for folder, below, names in os.walk(ROOT):
        below[:] = [name for name in below if not any(fnmatch(name, pattern) for pattern in ignored)]
        found += [Path(folder) / name for name in names]
    return found


def test_the_project_s_files_are_found():
    assert {ROOT / "README.md", Path(__file__)} <= set(ours())


def test_notebooks_are_committed_without_outputs():
    for path in [p for p in ours() if p.suffix == ".ipynb"]:
        cells = [c for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code"]
        assert all(not c.outputs and c.execution_count is None for c in cells), path.name


def test_no_tracked_file_is_large():
    assert [p.name for p in ours() if p.stat().st_size > 2 * 2**20] == []


def test_json_that_is_committed_parses():
    for path in [p for p in ours() if p.suffix in {".json", ".ipynb"}]:
        json.loads(path.read_bytes())
