"""How a command leaves: whatever fails, a person reads one sentence and a script its exit code."""

import errno
import os
import sys

import click
import pytest

from workbench.cli import main
from workbench.cli.shell import FAILURES, run

SECRET = "child-4711"


@pytest.fixture(autouse=True)
def in_english(monkeypatch):
    monkeypatch.setenv("WORKBENCH_LANG", "en")
    monkeypatch.delenv("WORKBENCH_DEBUG", raising=False)


@pytest.fixture
def leave_with(capsys, monkeypatch):
    """`leave_with(error)`: the exit code and stderr of a command that fails so."""
    monkeypatch.setattr(sys, "argv", ["workbench"])

    def fail(error):
        @click.command(context_settings={"ignore_unknown_options": True})
        @click.argument("rest", nargs=-1, type=click.UNPROCESSED)
        def failing(rest):
            raise error

        with pytest.raises(SystemExit) as left:
            run(failing)
        return left.value.code, capsys.readouterr().err

    return fail


@pytest.fixture
def typed(capsys, monkeypatch):
    def type_in(*arguments):
        monkeypatch.setattr(sys, "argv", ["workbench", *map(str, arguments)])
        with pytest.raises(SystemExit) as left:
            main()
        return left.value.code, capsys.readouterr().err

    return type_in


def one_sentence(said: str) -> bool:
    return len(said.strip().splitlines()) == 1 and "Traceback" not in said


@pytest.mark.parametrize(
    "number",
    [
        errno.EACCES,
        errno.EPERM,
        errno.EROFS,
        errno.EEXIST,
        errno.ENOTDIR,
        errno.ENOENT,
        errno.EISDIR,
        errno.EIO,
    ],
)
def test_a_file_system_that_refuses_is_code_12_and_one_sentence(leave_with, number):
    code, said = leave_with(OSError(number, os.strerror(number), f"/raw/{SECRET}.csv"))

    assert code == 12
    assert one_sentence(said)
    assert SECRET not in said
    assert "Errno" not in said


def test_each_kind_of_refusal_is_told_apart(leave_with):
    numbers = (errno.EACCES, errno.EROFS, errno.EEXIST, errno.ENOTDIR, errno.EIO)

    assert len({leave_with(OSError(number, "x"))[1] for number in numbers}) == len(numbers)


def test_a_full_disk_keeps_its_own_sentence(leave_with):
    code, said = leave_with(OSError(errno.ENOSPC, "x"))

    assert code == 14
    assert "full" in said


def test_the_file_that_the_user_named_is_named(leave_with, monkeypatch, tmp_path):
    given = tmp_path / "out"
    monkeypatch.setattr(sys, "argv", ["workbench", "key", "trust", "-o", str(given)])

    _, said = leave_with(PermissionError(errno.EACCES, "x", str(given)))

    assert str(given) in said


def test_a_home_below_a_file_is_one_sentence(typed, tmp_path):
    (tmp_path / "file").write_text("")

    code, said = typed("init", "--home", tmp_path / "file" / "home")

    assert code == 12
    assert one_sentence(said)


def test_a_fault_of_ours_is_code_1_with_a_number_and_no_data(leave_with, tmp_path, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(tmp_path / "nowhere"))

    code, said = leave_with(KeyError(SECRET))

    assert code == 1
    assert one_sentence(said)
    assert SECRET not in said
    assert not (tmp_path / "nowhere").exists()


def test_the_traceback_of_a_fault_is_kept_in_the_home_for_its_owner(leave_with, home, monkeypatch):
    monkeypatch.setenv("WORKBENCH_HOME", str(home.path))

    _, said = leave_with(KeyError(SECRET))

    kept = home.path / FAILURES
    assert SECRET in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600
    reference = kept.read_text().split()[1]
    assert reference in said


def test_the_home_of_the_option_keeps_the_failure(leave_with, home, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["workbench", "x", "--home", str(home.path)])

    leave_with(KeyError(SECRET))

    assert SECRET in (home.path / FAILURES).read_text()


def test_a_link_put_at_the_failures_file_is_not_followed(leave_with, home, monkeypatch, tmp_path):
    monkeypatch.setenv("WORKBENCH_HOME", str(home.path))
    (home.path / FAILURES).symlink_to(tmp_path / "elsewhere")

    assert leave_with(KeyError(SECRET))[0] == 1
    assert not (tmp_path / "elsewhere").exists()


def test_the_traceback_is_shown_when_asked_for(leave_with, monkeypatch):
    monkeypatch.setenv("WORKBENCH_DEBUG", "1")

    assert "Traceback" in leave_with(KeyError("x"))[1]


@pytest.mark.parametrize(
    ("language", "start"),
    [("ja", "コマンドの使い方が違います："), ("en", "The command was not understood: ")],
)
@pytest.mark.parametrize(
    "arguments", [("nonsense",), ("audit", "show", "--last", "x"), ("score",), ("key", "create", "a", "b")]
)
def test_a_command_not_understood_is_code_2_and_one_sentence(typed, monkeypatch, language, start, arguments):
    monkeypatch.setenv("WORKBENCH_LANG", language)

    code, said = typed(*arguments)

    assert code == 2
    assert said.startswith(start)
    assert len(said.strip().splitlines()) == 1


@pytest.mark.parametrize("seed", ["-5", "-1"])
def test_a_negative_seed_is_refused_and_makes_no_home(typed, tmp_path, seed):
    code, said = typed("init", "--home", tmp_path / "home", "--demonstration", seed)

    assert code == 2
    assert one_sentence(said)
    assert not (tmp_path / "home").exists()
