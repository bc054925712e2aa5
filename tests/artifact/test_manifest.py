"""A manifest lists exactly what lies in the bundle, in one spelling, and nothing slips in beside it."""

import json
import os

import pytest
import rfc8785

from workbench.artifact import tree
from workbench.artifact.canonical import sha256
from workbench.artifact.manifest import ENVELOPE, MANIFEST, content_digest, read, seal
from workbench.errors import NotFound, Untrusted


def write_manifest(bundle, **changes) -> None:
    """Replace keys of the manifest, in the one spelling."""
    value = json.loads((bundle.folder / MANIFEST).read_bytes())
    (bundle.folder / MANIFEST).write_bytes(rfc8785.dumps(value | changes))


def files(bundle):
    return json.loads((bundle.folder / MANIFEST).read_bytes())["files"]


def test_reading_gives_what_was_sealed(bundle):
    manifest = read(bundle.folder)

    assert manifest == bundle.manifest
    assert manifest.digest == sha256((bundle.folder / MANIFEST).read_bytes())
    assert list(manifest.files) == ["data/train.csv", "dictionary.json"]
    assert manifest.content(bundle.folder, "dictionary.json") == b"{}"


def test_the_same_content_has_the_same_digest_anywhere(make):
    assert make("one").manifest.digest == make("two").manifest.digest != make("three", "y").manifest.digest


def test_sealing_again_after_a_change_gives_another_digest(bundle):
    (bundle.folder / "dictionary.json").write_text("[]")

    again = seal(
        bundle.folder, kind="dataset", name="child-year", version="1.0.0", meta={}, demonstration=None
    )

    assert again.digest != bundle.manifest.digest
    assert read(bundle.folder) == again


def test_an_empty_bundle_is_none(tmp_path):
    with pytest.raises(Untrusted, match="files"):
        seal(tmp_path, kind="dataset", name="child-year", version="1", meta={}, demonstration=None)


ATTACKS = {
    "a changed byte": (lambda f: (f / "data/train.csv").write_text("a,b\n1,3\n"), "data/train.csv"),
    "a longer file": (lambda f: (f / "dictionary.json").write_text("{ }"), "dictionary.json"),
    "an extra file": (lambda f: (f / "data/more.csv").write_text("x"), "data/more.csv"),
    "a hidden file": (lambda f: (f / ".git").write_text("x"), ".git"),
    "a hidden folder": (lambda f: ((f / ".git").mkdir(), (f / ".git/model").write_text("x")), ".git/model"),
    "an empty folder": (lambda f: (f / "empty").mkdir(), "empty"),
    "a missing file": (lambda f: (f / "dictionary.json").unlink(), "dictionary.json"),
    "a name with a line feed": (lambda f: (f / "a\nb").write_text("x"), "a"),
    "a name in another script": (lambda f: (f / "表.csv").write_text("x"), "u8868"),
    "a file in too deep a folder": (
        lambda f: ((f / "a/b/c/d/e/f").mkdir(parents=True), (f / "a/b/c/d/e/f/g").write_text("x")),
        "a/b/c/d/e/f",
    ),
}


@pytest.mark.parametrize(("attack", "name"), ATTACKS.values(), ids=ATTACKS)
def test_a_folder_that_differs_from_its_manifest_is_refused_by_name(bundle, attack, name):
    attack(bundle.folder)

    with pytest.raises(Untrusted) as refused:
        read(bundle.folder)

    assert name in refused.value.en


def test_a_symbolic_link_to_the_same_content_is_refused(bundle, tmp_path):
    target = tmp_path / "elsewhere"
    target.write_text("{}")
    (bundle.folder / "dictionary.json").unlink()
    (bundle.folder / "dictionary.json").symlink_to(target)

    with pytest.raises(Untrusted, match="通常のファイルではありません"):
        read(bundle.folder)
    with pytest.raises(Untrusted, match="リンク"):
        bundle.manifest.content(bundle.folder, "dictionary.json")


def test_a_linked_folder_with_the_same_content_is_refused(bundle, tmp_path):
    (bundle.folder / "data").rename(tmp_path / "elsewhere")
    (bundle.folder / "data").symlink_to(tmp_path / "elsewhere")

    with pytest.raises(Untrusted):
        read(bundle.folder)


def test_a_manifest_that_is_a_link_is_refused(bundle, tmp_path):
    (bundle.folder / MANIFEST).rename(tmp_path / "elsewhere")
    (bundle.folder / MANIFEST).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(Untrusted, match="リンク"):
        read(bundle.folder)


def test_a_hard_link_is_refused_because_its_other_name_can_change_it(bundle, tmp_path):
    os.link(bundle.folder / "dictionary.json", tmp_path / "other")

    with pytest.raises(Untrusted, match="リンク"):
        read(bundle.folder)


def test_a_pipe_does_not_make_the_reader_wait(bundle):
    (bundle.folder / "dictionary.json").unlink()
    os.mkfifo(bundle.folder / "dictionary.json")

    with pytest.raises(Untrusted, match="通常のファイルではありません"):
        read(bundle.folder)
    with pytest.raises(Untrusted, match="通常のファイルではありません"):
        bundle.manifest.content(bundle.folder, "dictionary.json")


@pytest.mark.parametrize(
    "path",
    [
        "../outside",
        "data/../../outside",
        "/etc/hostname",
        "data//train.csv",
        "./dictionary.json",
        "data\\train.csv",
        ".hidden",
        "data/train.csv\n",
        "表.csv",
        "",
        "a/b/c/d/e/f/g",
        "manifest.json",
        ENVELOPE,
    ],
)
def test_a_path_that_leaves_the_bundle_is_refused_before_it_is_opened(bundle, monkeypatch, path):
    write_manifest(bundle, files={**files(bundle), path: {"sha256": "0" * 64, "size": 1}})
    monkeypatch.setattr("workbench.artifact.manifest.digest_of", None)

    with pytest.raises(Untrusted, match="名前"):
        read(bundle.folder)


def test_two_names_that_differ_in_case_only_are_refused(bundle):
    entry = files(bundle)["dictionary.json"]
    write_manifest(bundle, files={**files(bundle), "Dictionary.json": entry})

    with pytest.raises(Untrusted, match="大文字小文字"):
        read(bundle.folder)


def test_a_huge_file_is_refused_before_it_is_read(bundle, monkeypatch):
    monkeypatch.setattr("workbench.artifact.manifest.digest_of", None)
    with (bundle.folder / "data/train.csv").open("r+b") as file:
        file.truncate(tree.MAX_FILE_BYTES + 1)

    with pytest.raises(Untrusted, match="大きすぎます"):
        read(bundle.folder)


def test_many_large_files_are_refused_as_a_whole(bundle, monkeypatch):
    monkeypatch.setattr(tree, "MAX_TOTAL_BYTES", 9)

    with pytest.raises(Untrusted, match="合計"):
        read(bundle.folder)


def test_too_many_files_are_refused(bundle, monkeypatch):
    monkeypatch.setattr(tree, "MAX_FILES", 2)

    with pytest.raises(Untrusted, match="2 件を超えます"):
        read(bundle.folder)


def test_a_huge_manifest_is_refused_before_it_is_parsed(bundle):
    with (bundle.folder / MANIFEST).open("r+b") as file:
        file.truncate(2 << 20)

    with pytest.raises(Untrusted, match="大きすぎます"):
        read(bundle.folder)


UNKNOWN = {
    "a key nobody knows": {"executable": "model.pkl"},
    "another schema": {"schema": "workbench-bundle/2"},
    "a name with a path": {"name": "../child-year"},
    "a name with a line feed": {"name": "child-year\n"},
    "a version that is none": {"version": "latest"},
    "a version with leading zeros": {"version": "01.0.0"},
    "files as a list": {"files": []},
    "a size that is negative": {"files": {"dictionary.json": {"sha256": "0" * 64, "size": -1}}},
    "a digest that is short": {"files": {"dictionary.json": {"sha256": "00", "size": 2}}},
    "a file with one more key": {"files": {"d": {"sha256": "0" * 64, "size": 2, "mode": 7}}},
    "no demonstration mark": {"demonstration": ""},
}


@pytest.mark.parametrize("changes", UNKNOWN.values(), ids=UNKNOWN)
def test_what_the_manifest_may_not_say_is_refused(bundle, changes):
    write_manifest(bundle, **changes)

    with pytest.raises(Untrusted, match="決められた形"):
        read(bundle.folder)


def test_a_missing_key_is_refused(bundle):
    value = json.loads((bundle.folder / MANIFEST).read_bytes())
    del value["demonstration"]
    (bundle.folder / MANIFEST).write_bytes(rfc8785.dumps(value))

    with pytest.raises(Untrusted, match="決められた形"):
        read(bundle.folder)


SPELLINGS = {
    "a duplicate key": lambda text: text.replace(b'"kind":"dataset"', b'"kind":"model","kind":"dataset"'),
    "blanks": lambda text: text.replace(b",", b", "),
    "an escape": lambda text: text.replace(b'"dataset"', b'"\\u0064ataset"'),
    "a byte order mark": lambda text: b"\xef\xbb\xbf" + text,
    "a final line feed": lambda text: text + b"\n",
    "nothing": lambda _: b"",
    "not a number": lambda text: text.replace(b'"meta":{', b'"meta":{"x":NaN,'),
    "a million brackets": lambda _: b"[" * 100_000,
    "another encoding": lambda text: text.decode().encode("utf-16"),
}


@pytest.mark.parametrize("respell", SPELLINGS.values(), ids=SPELLINGS)
def test_a_manifest_has_one_spelling(bundle, respell):
    path = bundle.folder / MANIFEST
    path.write_bytes(respell(path.read_bytes()))

    with pytest.raises(Untrusted, match="RFC 8785"):
        read(bundle.folder)


def test_a_file_that_changes_after_verification_is_not_read(bundle):
    manifest = read(bundle.folder)
    (bundle.folder / "dictionary.json").write_text("[]")

    with pytest.raises(Untrusted, match="変わっています"):
        manifest.content(bundle.folder, "dictionary.json")


def test_a_file_that_grows_after_verification_is_not_read_into_memory(bundle):
    manifest = read(bundle.folder)
    (bundle.folder / "dictionary.json").write_text("{}" * 1000)

    with pytest.raises(Untrusted, match="大きすぎます"):
        manifest.content(bundle.folder, "dictionary.json")


def test_a_file_that_is_not_listed_is_not_read(bundle):
    with pytest.raises(NotFound):
        bundle.manifest.content(bundle.folder, "../../keys/role.coordinator.pem")


def test_one_digest_over_some_files_follows_their_content_only(make):
    one, two, other = make("one"), make("two"), make("other", "y")
    paths = ["data/train.csv", "dictionary.json"]

    digests = [content_digest(bundle.folder, paths) for bundle in (one, two, other)]

    assert digests[0] == digests[1] != digests[2]
    assert content_digest(one.folder, reversed(paths)) == digests[0]
