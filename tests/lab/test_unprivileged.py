"""The same proofs without root: an ordinary user's room, with what it cannot close said."""

import json
import os
import subprocess

import pytest

from workbench.lab.acts import ACTS
from workbench.lab.residual import Room, of_room

COMMAND = "from workbench.cli import main; main()"


@pytest.fixture
def ordinary(ordinary_python):
    """Runs `workbench` as an ordinary user."""
    python, who = ordinary_python
    env = {"PATH": os.environ["PATH"], "HOME": "/"}
    given = {"capture_output": True, "text": True, "cwd": "/", "env": env, **who}
    return lambda *words: subprocess.run([python, "-c", COMMAND, *words], **given)


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
