"""
Handing a model in, and seeing where requests stand.

What arrives is text by path. Only the paths a candidate has are written, in a folder of the room; nothing
of it is run or parsed here. The author is the session's analyst, whatever the request says.
"""

import re
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from workbench.audit import Event
from workbench.errors import Refused, Unusable
from workbench.governance.settings import policy_in_force
from workbench.release.requests import Request
from workbench.release.workflow import Workflow
from workbench.riskflag.export import PATHS

if TYPE_CHECKING:
    from workbench.lab.session import Session

DIGEST = re.compile(r"[0-9a-f]{64}")
LARGEST = 4 << 20  # characters of all files together


def datasets(session: "Session", _: dict[str, Any]) -> list[str]:
    """What is mounted in this session, by name and version."""
    return sorted(session.datasets)


def requests(session: "Session", _: dict[str, Any]) -> list[dict[str, Any]]:
    """The analyst's own requests and where they stand."""
    return [told(one) for one in workflow(session).every() if one.author == session.analyst]


def told(request: Request) -> dict[str, Any]:
    """A request as its author sees it."""
    return {
        "request": request.id,
        "kind": request.kind,
        "name": request.name,
        "version": request.version,
        "state": str(request.state),
    }


def submit(session: "Session", request: dict[str, Any]) -> dict[str, Any]:
    """Hand a candidate in. Refused or unusable in one sentence; nothing is left of what was not taken."""
    files = expect_files(request.get("files"))
    name, version, why = (expect_text(request, field) for field in ("name", "version", "why"))
    notebook = expect_digest(request.get("notebook"))
    folder = session.home.staging / f".candidate-{secrets.token_hex(8)}.aside"
    try:
        write(folder / "bundle", files)
        (folder / "evidence").mkdir()
        taken = workflow(session).submit(
            "model",
            bundle=folder / "bundle",
            evidence=folder / "evidence",
            author=session.analyst,
            name=name,
            version=version,
            purpose=session.project,
            why=why,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    session.record(
        Event.CANDIDATE_SUBMITTED,
        request=taken.id,
        name=name,
        version=version,
        notebook=notebook,
    )
    return told(taken)


def workflow(session: "Session") -> Workflow:
    return Workflow(session.home, session.state, policy_in_force(session.state))


def expect_files(files: Any) -> dict[str, str]:
    """Exactly the files of a candidate, as text and of a size a person could read."""
    if not isinstance(files, Mapping) or not all(
        isinstance(text, str) and is_encodable(text) for text in files.values()
    ):
        raise Unusable(
            ja="申請の中身がありません。desk.submit で提出してください。",
            en="The submission has no files; submit with desk.submit.",
        )
    if set(files) != set(PATHS):
        raise Refused(
            ja=f"申請のファイルが決まったもの（{len(PATHS)} 個）と違います。desk.submit で提出してください。",
            en=f"The files are not the {len(PATHS)} of a candidate; submit with desk.submit.",
        )
    if sum(map(len, files.values())) > LARGEST:
        raise Refused(
            ja="申請が大きすぎます。項目や区分を減らしてください。",
            en="The submission is too large; use fewer items or levels.",
        )
    return dict(files)


def expect_text(request: Mapping[str, Any], field: str) -> str:
    value = request.get(field)
    if not isinstance(value, str) or len(value) > 1_000 or not is_encodable(value):
        raise Unusable(
            ja=f"申請の {field} がありません。desk.submit で提出してください。",
            en=f"The submission has no {field}; submit with desk.submit.",
        )
    return value


def is_encodable(text: str) -> bool:
    """JSON can spell half of a character; no file and no log can hold it."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def expect_digest(value: Any) -> str:
    """The digest of the notebook that the candidate comes from."""
    if not isinstance(value, str) or not DIGEST.fullmatch(value):
        raise Unusable(
            ja="申請にノートブックの識別子（notebook）がありません。desk.submit で提出してください。",
            en="The submission has no notebook digest; submit with desk.submit.",
        )
    return value


def write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
