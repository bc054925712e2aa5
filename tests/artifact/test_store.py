"""The store holds whole bundles, read-only, whatever is killed, raced or swapped meanwhile."""

import os
import shutil
import subprocess
import sys
import tempfile
from multiprocessing import get_context
from pathlib import Path

import pytest

from workbench.artifact import store as stores
from workbench.artifact.manifest import ENVELOPE, read
from workbench.artifact.store import Store
from workbench.errors import NotFound, Untrusted


def entries(store: Store) -> list[str]:
    return sorted(path.name for path in store.root.iterdir() if path.name != ".lock")


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "catalogue")


def test_a_bundle_is_kept_under_its_digest_with_its_admission(store, bundle):
    digest = store.add(bundle.folder)

    assert digest == bundle.manifest.digest
    assert store.digests() == [digest]
    assert read(store.path(digest)) == bundle.manifest
    assert (store.path(digest) / ENVELOPE).read_bytes() == (bundle.folder / ENVELOPE).read_bytes()


def test_adding_again_changes_nothing(store, bundle):
    digest = store.add(bundle.folder)
    before = (store.path(digest) / "dictionary.json").stat()

    assert store.add(bundle.folder) == digest
    assert (store.path(digest) / "dictionary.json").stat() == before
    assert entries(store) == [digest]


def test_what_is_kept_is_read_only(store, bundle):
    kept = store.path(store.add(bundle.folder))

    modes = {path.stat().st_mode & 0o777 for path in [kept, *kept.rglob("*")]}
    assert modes == {0o444, 0o555}


def test_a_damaged_bundle_is_not_kept(store, bundle):
    (bundle.folder / "dictionary.json").write_text("[]")

    with pytest.raises(Untrusted):
        store.add(bundle.folder)

    assert entries(store) == []


def test_a_file_swapped_between_check_and_copy_is_not_kept(store, bundle, monkeypatch):
    genuine = stores.copy

    def swap(folder, target, paths):
        (folder / "dictionary.json").write_text("[]")
        genuine(folder, target, paths)

    monkeypatch.setattr(stores, "copy", swap)

    with pytest.raises(Untrusted, match="変わっています"):
        store.add(bundle.folder)
    assert Store(store.root).digests() == []


def test_a_link_put_in_between_check_and_copy_is_not_followed(store, bundle, monkeypatch, tmp_path):
    genuine = stores.copy

    def swap(folder, target, paths):
        (folder / "dictionary.json").unlink()
        (tmp_path / "elsewhere").write_text("{}")
        (folder / "dictionary.json").symlink_to(tmp_path / "elsewhere")
        genuine(folder, target, paths)

    monkeypatch.setattr(stores, "copy", swap)

    with pytest.raises(Untrusted, match="リンク"):
        store.add(bundle.folder)


@pytest.mark.parametrize(
    "digest", ["../keys", "", ".", "0" * 63, "0" * 64 + "\n", ".lock", "A" * 64, "0" * 64]
)
def test_only_a_digest_that_is_here_has_a_path(store, digest):
    (store.root.parent / "keys").mkdir()

    with pytest.raises(NotFound):
        store.path(digest)


def test_a_kill_at_any_point_leaves_the_whole_bundle_or_none(tmp_path, bundle, kill_at_every_point):
    digest = bundle.manifest.digest

    def check(root):
        store = Store(root)
        assert entries(store) in ([], [digest])
        if store.digests():
            assert read(store.path(digest)) == bundle.manifest
        assert store.add(bundle.folder) == digest
        assert read(store.path(digest)) == bundle.manifest
        assert entries(store) == [digest]

    points = kill_at_every_point(
        lambda n: tmp_path / f"store-{n}", lambda root: Store(root).add(bundle.folder), check
    )

    assert points > 20


def test_a_full_disk_leaves_nothing_half(store, bundle, monkeypatch):
    genuine, left = os.fsync, [3]

    def fsync(handle):
        left[0] -= 1
        if left[0] < 0:
            raise OSError(28, "full")
        genuine(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="full"):
        store.add(bundle.folder)
    monkeypatch.undo()

    assert entries(store) == []
    assert Store(store.root).add(bundle.folder) == bundle.manifest.digest


def test_a_disk_that_fills_while_copying_leaves_nothing_half(store, bundle, monkeypatch):
    def full(*_):
        raise OSError(28, "full")

    monkeypatch.setattr(stores.shutil, "copyfileobj", full)

    with pytest.raises(OSError, match="full"):
        store.add(bundle.folder)

    assert entries(store) == []


def add_together(root, folder, together, answers) -> None:
    together.wait()
    answers.put(Store(root).add(folder))


def test_processes_that_add_the_same_bundle_at_once_all_succeed(store, bundle):
    context = get_context("fork")
    together, answers = context.Barrier(6), context.Queue()
    children = [
        context.Process(target=add_together, args=(store.root, bundle.folder, together, answers))
        for _ in range(6)
    ]
    for child in children:
        child.start()
    given = {answers.get(timeout=60) for _ in children}
    for child in children:
        child.join()

    assert given == {bundle.manifest.digest}
    assert entries(store) == [bundle.manifest.digest]
    assert read(store.path(bundle.manifest.digest)) == bundle.manifest


def test_another_process_that_was_first_is_not_an_error(store, bundle, monkeypatch):
    """The race made to happen: the same bundle appears after the look and before the rename."""
    genuine = stores.publish_folder

    def late(aside, final):
        shutil.copytree(aside, final)
        genuine(aside, final)

    monkeypatch.setattr(stores, "publish_folder", late)

    assert store.add(bundle.folder) == bundle.manifest.digest
    assert entries(store) == [bundle.manifest.digest]


def test_opening_the_store_does_not_sweep_away_what_another_process_is_adding(store, bundle, monkeypatch):
    genuine = stores.publish_folder

    def with_a_visitor(aside, final):
        subprocess.run(
            [
                sys.executable,
                "-c",
                f"from workbench.artifact.store import *; Store(Path({str(store.root)!r}))",
            ],
            check=True,
        )
        genuine(aside, final)

    monkeypatch.setattr(stores, "publish_folder", with_a_visitor)

    assert read(store.path(store.add(bundle.folder))) == bundle.manifest


AS_AN_ORDINARY_USER = """
import os, sys
from pathlib import Path
from workbench.artifact import store as stores
root, folder = Path(sys.argv[1]), Path(sys.argv[2])
stores.read(folder)  # loads what is loaded late, while the interpreter's folder can still be read
if os.geteuid() == 0:
    os.setgroups([]); os.setgid(65534); os.setuid(65534)
store = stores.Store(root)
kept = store.path(store.add(folder))
for act in (lambda: (kept / "dictionary.json").write_text("x"), lambda: (kept / "more").write_text("x"),
            lambda: (kept / "dictionary.json").unlink()):
    try:
        act()
        sys.exit("a kept bundle was changed")
    except PermissionError:
        pass
# A leftover of a kill is read-only already, and must still go.
kept.rename(root / f".{kept.name}.00000000.aside")
assert stores.Store(root).digests() == [] and not list(root.glob(".*.aside"))
"""


def test_an_ordinary_user_cannot_change_what_is_kept_and_clears_leftovers(bundle):
    """As root every permission is moot, so the child becomes nobody first."""
    with tempfile.TemporaryDirectory(dir="/tmp") as ground:
        Path(ground).chmod(0o777)
        shutil.copytree(bundle.folder, f"{ground}/bundle")
        for path in [Path(f"{ground}/bundle"), *Path(f"{ground}/bundle").rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        done = subprocess.run(
            [sys.executable, "-c", AS_AN_ORDINARY_USER, f"{ground}/catalogue", f"{ground}/bundle"],
            capture_output=True,
            text=True,
        )
    assert done.returncode == 0, done.stderr
