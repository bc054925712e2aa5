"""No threshold stands in the policy that nothing in the workbench reads: it would promise what is not kept."""

import re
from pathlib import Path

import workbench
from workbench.policy import load

CODE = "\n".join(path.read_text() for path in Path(workbench.__file__).parent.rglob("*.py"))
# Read by the kind of a request: reviewers_dataset, reviewers_model.
BY_KIND = re.compile(r"reviewers_(dataset|model)")


def test_every_threshold_is_read_somewhere():
    unread = [name for name in load().thresholds if f'"{name}"' not in CODE and not BY_KIND.fullmatch(name)]

    assert unread == []
    assert 'f"reviewers_{request.kind}"' in CODE
