"""The same proofs without root: an ordinary user's room, with what it cannot close said."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import pytest

import workbench
from workbench.lab.acts import ACTS
from workbench.lab.residual import Room, of_room
from workbench.lab.sandbox import OWNERS

USER = OWNERS[2]
COMMAND = "from workbench.cli import main; main()"


@pytest.fixture
def ordinary():
    """Runs `workbench` as an ordinary user, with an interpreter that this user can read."""
    if os.geteuid() != 0:
        yield lambda *words: run([sys.executable, "-c", COMMAND, *words])
        return
    python = shutil.which(
        f"python{sys.version_info[0]}.{sys.version_info[1]}", path="/usr/bin:/usr/local/bin"
    )
    packages, code = sysconfig.get_path("purelib"), Path(workbench.__file__).parents[1]
    place = Path(tempfile.mkdtemp(dir="/var/tmp"))
    place.chmod(0o755)
    if python is None or not all(readable(path) for path in (packages, code)):
        pytest.skip("no interpreter here that an ordinary user can read")
    (place / "bin").mkdir()
    (place / "bin" / "python").symlink_to(python)
    (place / "pyvenv.cfg").write_text(f"home = {Path(python).parent}\n")
    (place / "lib" / Path(python).name).mkdir(parents=True)
    (place / "lib" / Path(python).name / "site-packages").symlink_to(packages)
    yield lambda *words: run([place / "bin" / "python", "-c", COMMAND, *words], user=USER, group=USER)
    shutil.rmtree(place)


def readable(path):
    return subprocess.run(["test", "-r", path, "-a", "-x", path], user=USER, group=USER).returncode == 0


def run(command, **who):
    return subprocess.run(
        command, capture_output=True, text=True, cwd="/", env={"PATH": os.environ["PATH"], "HOME": "/"}, **who
    )


@pytest.mark.slow
@pytest.mark.attack
@pytest.mark.parametrize("held_by", ["bubblewrap", "landlock"])
def test_no_act_works_that_is_not_accepted(ordinary, held_by):
    ended = ordinary("lab", "--sandbox", held_by, "prove", "--json")
    assert ended.returncode == 0, ended.stderr
    rows = json.loads(ended.stdout)
    risks = of_room(Room(root=False, quota=False, namespaces=held_by == "bubblewrap"))

    assert [row["act"] for row in rows] == list(ACTS)
    residual = {row["act"] for row in rows if row["outcome"] == "RESIDUAL"}
    assert {"many-files", "mount-names"} <= residual <= set(risks)
    assert {row["outcome"] for row in rows} == {"BLOCKED", "RESIDUAL"}
