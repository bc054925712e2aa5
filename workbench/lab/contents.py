"""
The files of the workspace, as the page sees them: plain files of moderate size, and no way out.

Every path is opened beneath the workspace without following anything, and is read and written through what
was opened. Names that begin with a dot are not there. A notebook is never trusted: a kernel writes in the
same folder, so what a file says of its own outputs is worth nothing. What is neither text nor a picture is
not shown: it would only be carried off.
"""

import base64
import errno
import hashlib
import json
import mimetypes
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from jupyter_server.services.contents.checkpoints import Checkpoints
from jupyter_server.services.contents.manager import ContentsManager
from tornado.web import HTTPError
from traitlets import Unicode

from workbench.audit import Event
from workbench.errors import NotFound, Refused, WorkbenchError
from workbench.governance.wording import WIDE_BLANK
from workbench.lab.outgoing import stored
from workbench.lab.workspace import LARGEST, Workspace, not_plain

if TYPE_CHECKING:
    from workbench.lab.session import Session

SHOWN = 16 << 20  # bytes of a file that a page gets in one piece
CHECKPOINTS = 2 * LARGEST  # bytes of all checkpoints together
PICTURES = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
CHECKPOINT = "checkpoint"
LAST_CHUNK = -1
# What of a file's model a kernel can choose, and what is said instead of a file of which nothing was said.
NOT_TOLD: dict[str, Any] = {
    "size": 0,
    **dict.fromkeys(("created", "last_modified"), datetime.fromtimestamp(0, UTC)),
    "hash": hashlib.sha256().hexdigest(),
    "hash_algorithm": "sha256",
}
MOST_TOLD = 10_000
STATUS: dict[type[WorkbenchError], int] = {NotFound: 404, Refused: 403}
FULL = (
    507,
    "作業場所がいっぱいです。不要なファイルを消してください。 / The workspace is full; delete what is not needed.",
)
UNREADABLE = (400, "ファイルを読み書きできません。 / The file cannot be read or written.")


class LabContents(ContentsManager):
    """Reads and writes files of the workspace in `root_dir`, which has to be given: Jupyter's default is `/`."""

    root_dir = Unicode("/nonexistent", config=True)

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._uploads: dict[str, bytes] = {}
        self._told: dict[str, dict[str, Any]] = {}  # what the page knows, for when no more is counted

    @property
    def workspace(self) -> Workspace:
        return Workspace(Path(self.root_dir))

    @property
    def room(self) -> "Session | None":
        return getattr(getattr(self.parent, "kernel_spec_manager", None), "room", None)

    def file_exists(self, path: str = "") -> bool:
        about = self._about(path)
        return about is not None and stat.S_ISREG(about.st_mode)

    def dir_exists(self, path: str) -> bool:
        about = self._about(path)
        return about is not None and stat.S_ISDIR(about.st_mode)

    def is_hidden(self, path: str) -> bool:
        return any(part.startswith(".") for part in path.strip("/").split("/"))

    def get(
        self,
        path: str,
        content: bool = True,
        type: str | None = None,  # noqa: A002 - Jupyter gives these by name
        format: str | None = None,  # noqa: A002
        require_hash: bool = False,
    ) -> dict[str, Any]:
        """The model of a file or folder, as Jupyter's contents service has it."""
        with plainly():
            name = named(path)
            model = self._model(name, self.workspace.about(name or "."))
            if type not in (None, model["type"]) and (type, model["type"]) != ("file", "notebook"):
                raise HTTPError(400, f"{name} is no {type}", reason="bad type")
            if model["type"] == "directory":
                return self._counted(name, model) | (self._listing(name) if content else {})
            if not content and not require_hash:
                return self._counted(name, model)
            raw = self.workspace.read(name, largest=SHOWN)
            digest = {"hash": hashlib.sha256(raw).hexdigest(), "hash_algorithm": "sha256"}
            model = self._counted(name, model | (digest if require_hash else {}))
            if content:
                if self.room is not None:
                    self.room.show_file(name, raw)
                as_notebook = model["type"] == "notebook" and type != "file"
                model |= notebook_shown(raw, name) if as_notebook else file_shown(raw, model, format)
        return model

    def save(self, model: dict[str, Any], path: str = "") -> dict[str, Any]:
        """Put what the page sends in place, whole; a large file comes in pieces and is kept until its last."""
        kind, chunk = model.get("type"), model.get("chunk")
        if kind not in ("notebook", "file", "directory") or (kind != "directory" and "content" not in model):
            raise HTTPError(400, "no type or no content")
        with plainly():
            name = named(path)
            self._expect_room()
            if kind == "directory":
                if not self.dir_exists(name):
                    self._record_name(name)
                    self.workspace.make_folder(name)
            else:
                raw = notebook_sent(model["content"]) if kind == "notebook" else file_sent(model)
                if chunk is not None:
                    raw = self._gathered(name, raw, chunk=chunk)
                    if chunk != LAST_CHUNK:
                        return self._model(name, None) | {"type": "file", "size": len(raw)}
                self._expect_replaceable(name, raw)
                self.put(name, raw)
        return self.get(name, content=False)

    def delete_file(self, path: str) -> None:
        with plainly():
            self.workspace.remove(named(path))

    def rename_file(self, old_path: str, new_path: str) -> None:
        if named(old_path) == named(new_path):
            return
        with plainly(refused=409):
            self._record_name(named(new_path))
            self.workspace.move(named(old_path), named(new_path))

    def copy(self, from_path: str, to_path: str | None = None) -> dict[str, Any]:
        """A copy of a file, under a name that is free."""
        with plainly():
            source = named(from_path)
            folder = named(to_path) if to_path is not None else source.rpartition("/")[0]
            raw = self.workspace.read(source)
            self._expect_room()
            free = self.increment_filename(source.rpartition("/")[2], folder, insert="-Copy")
            target = f"{folder}/{free}".strip("/")
            self.put(target, raw)
        return self.get(target, content=False)

    def put(self, name: str, raw: bytes) -> None:
        """Write a file of the workspace as the page has it; the record is on disk before a kernel can read it."""
        if self.room is not None:
            self.room.save_file(name, raw)
        self.workspace.write(name, raw)

    def _record_name(self, name: str) -> None:
        if self.room is not None:
            self.room.record(Event.FILE_NAMED, name=name)

    def trust_notebook(self, path: str) -> None:
        raise HTTPError(403, "no notebook is trusted here")

    def get_kernel_path(self, path: str, model: Any = None) -> str:
        return path.rpartition("/")[0]

    def info_string(self) -> str:
        return "workspace"

    def _about(self, path: str) -> Any:
        try:
            return self.workspace.about(named(path) or ".")
        except (NotFound, Refused, HTTPError):
            return None

    def _model(self, name: str, about: Any) -> dict[str, Any]:
        is_folder = about is not None and stat.S_ISDIR(about.st_mode)
        kind = "directory" if is_folder else "notebook" if name.endswith(".ipynb") else "file"
        moment = datetime.fromtimestamp(about.st_mtime if about is not None else 0, UTC)
        return {
            "name": name.rpartition("/")[2],
            "path": name,
            "type": kind,
            "created": moment,
            "last_modified": moment,
            "size": about.st_size if about is not None and not is_folder else None,
            "writable": True,
            "mimetype": mimetypes.guess_type(name)[0] if kind == "file" else None,
            "content": None,
            "format": None,
            "hash": None,
            "hash_algorithm": None,
        }

    def _counted(self, name: str, model: dict[str, Any]) -> dict[str, Any]:
        """
        The model as the page gets it: what a kernel can choose of it is counted, as a listing's is.

        Above the day's limit it is what the page had before, so that one's own code can still be saved.
        """
        chosen = {part: model[part] for part in NOT_TOLD if model[part] is not None}
        try:
            if self.room is not None:
                self.room.show_entries([f"{name} " + " ".join(str(value) for value in chosen.values())])
        except (WorkbenchError, OSError):
            known = NOT_TOLD | self._told.get(name, {})
            return model | {part: known[part] for part in chosen}
        if len(self._told) > MOST_TOLD:
            self._told.clear()
        self._told[name] = self._told.get(name, {}) | chosen
        return model

    def _listing(self, name: str) -> dict[str, Any]:
        found = self.workspace.entries(name)
        listed = [
            self._model(f"{name}/{one}".strip("/"), about)
            for one, about in found.items()
            if is_text(one) and not one.startswith(".") and self.should_list(one)
        ]
        if self.room is not None:
            self.room.show_entries(f"{one['path']} {one['size']} {one['last_modified']}" for one in listed)
        return {"content": listed, "format": "json"}

    def _expect_room(self) -> None:
        refused = self.room.why_full() if self.room is not None else None
        if refused is not None:
            raise refused

    def _expect_replaceable(self, name: str, raw: bytes) -> None:
        if len(raw) > LARGEST:
            raise not_plain(name)
        try:
            about = self.workspace.about(name)
        except NotFound:
            return
        if stat.S_ISDIR(about.st_mode):
            raise not_plain(name)

    def _gathered(self, name: str, raw: bytes, *, chunk: int) -> bytes:
        """The pieces of an upload so far. One upload at a time: what was begun before is forgotten."""
        before = b"" if chunk == 1 else self._uploads.get(name, b"")
        self._uploads = {}
        if len(before) + len(raw) > LARGEST:
            raise not_plain(name)
        if chunk != LAST_CHUNK:
            self._uploads = {name: before + raw}
        return before + raw


class LabCheckpoints(Checkpoints):
    """The last checkpoint of each file, in a folder of the room that no kernel sees; gone with the session."""

    folder = Unicode(config=True)

    def create_checkpoint(self, contents_mgr: Any, path: str) -> dict[str, Any]:
        with plainly():
            raw = contents_mgr.workspace.read(named(path))
        self._make_room(len(raw), besides=self._place(path))
        self._place(path).write_bytes(raw)
        return self.list_checkpoints(path)[0]

    def restore_checkpoint(self, contents_mgr: Any, checkpoint_id: str, path: str) -> None:
        if not self.list_checkpoints(path):
            raise HTTPError(404, "there is no checkpoint")
        with plainly():
            contents_mgr.put(named(path), self._place(path).read_bytes())

    def rename_checkpoint(self, checkpoint_id: str, old_path: str, new_path: str) -> None:
        if self.list_checkpoints(old_path):
            self._place(old_path).replace(self._place(new_path))

    def delete_checkpoint(self, checkpoint_id: str, path: str) -> None:
        self._place(path).unlink(missing_ok=True)

    def list_checkpoints(self, path: str) -> list[dict[str, Any]]:
        place = self._place(path)
        if not place.exists():
            return []
        return [{"id": CHECKPOINT, "last_modified": datetime.fromtimestamp(place.stat().st_mtime, UTC)}]

    def _make_room(self, size: int, *, besides: Path) -> None:
        """The oldest go: a file that takes no room in a workspace (it is all holes) takes its length here."""
        kept = [(one.stat(), one) for one in Path(self.folder).iterdir() if one != besides]
        total = size + sum(about.st_size for about, _ in kept)
        for about, one in sorted(kept, key=lambda pair: pair[0].st_mtime):
            if total <= CHECKPOINTS:
                return
            one.unlink()
            total -= about.st_size

    def _place(self, path: str) -> Path:
        return Path(self.folder) / hashlib.sha256(named(path).encode()).hexdigest()


def named(path: str) -> str:
    """A path of the page as a name beneath the workspace. Refused when it is hidden, leads up, or is no text."""
    parts = [part for part in path.strip("/").split("/") if part]
    if any(part.startswith(".") for part in parts) or not is_text(path):
        raise HTTPError(404, "there is no such file")
    return "/".join(parts)


@contextmanager
def plainly(*, refused: int = 403) -> Iterator[None]:
    """Our refusals as answers of the server."""
    try:
        yield
    except WorkbenchError as error:
        code = refused if type(error) is Refused else STATUS.get(type(error), 500)
        raise HTTPError(code, f"{error.ja} / {error.en}".replace("%", "%%")) from None
    except OSError as error:
        code, said = FULL if error.errno in (errno.ENOSPC, errno.EDQUOT) else UNREADABLE
        raise HTTPError(code, said) from None


def notebook_shown(raw: bytes, name: str) -> dict[str, Any]:
    """A notebook with every cell untrusted, whatever its file says, and its outputs as a kernel may show them."""
    try:
        notebook = nbformat.reads(raw.decode(), as_version=4)
    except Exception:
        raise HTTPError(400, f"{name} is no notebook", reason="bad notebook") from None
    for cell in notebook.cells:
        cell.get("metadata", {}).pop("trusted", None)
        if "outputs" in cell:
            cell.outputs = [nbformat.from_dict(one) for one in map(stored, cell.outputs) if one]
    return {"content": notebook, "format": "json"}


def file_shown(raw: bytes, model: dict[str, Any], asked: str | None) -> dict[str, Any]:
    """Text as text, pictures in base64."""
    try:
        if asked != "base64":
            return {"content": raw.decode(), "format": "text", "mimetype": model["mimetype"] or "text/plain"}
    except UnicodeDecodeError:
        if asked == "text":
            raise HTTPError(400, "the file is not UTF-8", reason="bad format") from None
    if model["mimetype"] not in PICTURES:
        raise Refused(
            ja="文章でも画像でもないファイルは画面に出しません。ノートブックの中で開いてください。",
            en="A file that is neither text nor a picture is not shown; open it in a notebook.",
        )
    return {"content": base64.b64encode(raw).decode(), "format": "base64"}


def notebook_sent(content: Any) -> bytes:
    """What the page sends of a notebook, as it is kept."""
    try:
        notebook = nbformat.from_dict(content)
        for cell in notebook.cells:
            cell.get("metadata", {}).pop("trusted", None)
        return nbformat.writes(notebook, version=nbformat.NO_CONVERT).encode()
    except Exception:
        raise HTTPError(400, "this is no notebook", reason="bad notebook") from None


SENT: dict[str | None, Callable[[str], bytes]] = {
    "text": str.encode,
    None: str.encode,
    "base64": lambda text: base64.b64decode(text, validate=True),
    "json": lambda text: json.dumps(text).encode(),
}


def file_sent(model: dict[str, Any]) -> bytes:
    try:
        return SENT[model.get("format")](model["content"])
    except (KeyError, ValueError, TypeError):
        raise HTTPError(400, "the content is not in its format", reason="bad format") from None


def is_text(name: str) -> bool:
    """Whether a name reads as it is stored; a kernel can make files whose names turn a screen or a log about."""
    return name.replace(WIDE_BLANK, " ").isprintable()
