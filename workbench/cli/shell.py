"""What every noun of the command shares: the home, the language, plain or JSON output, exit codes."""

import contextlib
import errno
import json
import os
import re
import secrets
import sys
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from workbench.errors import Refused, Unprotected, Unusable, Usage, WorkbenchError
from workbench.home import MARKER, Home

# In the home, for its owner only: a traceback may hold values of the data.
FAILURES = "failures.log"
# What the file system may say, in Japanese and in English.
REFUSED_BY_THE_SYSTEM: dict[int | None, tuple[str, str]] = {
    errno.EACCES: ("読み書きする権限がありません", "there is no permission to read or write"),
    errno.EPERM: ("この操作は許可されていません", "the system does not permit this"),
    errno.EROFS: ("読取り専用の場所なので書けません", "the place is read-only"),
    errno.EEXIST: ("同じ名前のものが既にあります", "something of that name is there already"),
    errno.ENOTEMPTY: ("フォルダが空ではありません", "the folder is not empty"),
    errno.ENOTDIR: ("フォルダであるべき所がフォルダではありません", "what should be a folder is none"),
    errno.EISDIR: ("ファイルであるべき所がフォルダです", "what should be a file is a folder"),
    errno.ENOENT: ("ファイルかフォルダがありません", "a file or folder is not there"),
}
OTHERWISE = ("読み書きに失敗しました", "reading or writing failed")


def home_path() -> Path:
    """Where the home is: WORKBENCH_HOME, else `workbench-home` in the working directory."""
    return Path(os.environ.get("WORKBENCH_HOME", "workbench-home"))


def pass_home(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command the opened home as keyword `home`; `--home` overrides WORKBENCH_HOME."""

    @click.option("--home", "home", type=click.Path(path_type=Path), default=None, help="ホーム / the home")
    @click.pass_context
    def wrapped(ctx: click.Context, /, home: Path | None, **kwargs: Any) -> Any:
        opened = Home.open(home or home_path())
        expect_of_host(opened, ctx.command_path)
        return ctx.invoke(function, home=opened, **kwargs)

    wrapped.__name__ = function.__name__
    wrapped.__doc__ = function.__doc__
    wrapped.__click_params__ = [*wrapped.__click_params__, *getattr(function, "__click_params__", [])]  # type: ignore[attr-defined]
    return wrapped


# What there is to do on an analysts' host; every other command belongs to the coordinating body's room.
ON_A_HOST = re.compile(
    r"(account|audit|gateway|hub|key|lab|people|policy) .*|host card|catalogue (list|show|import)|hub",
    re.ASCII,
)


def expect_of_host(home: Home, command: str) -> None:
    """Refuse, on an analysts' host, what only the coordinating body's room can do."""
    words = command.partition(" ")[2]
    if home.is_host and not ON_A_HOST.fullmatch(words):
        raise Refused(
            ja=f"ここは分析用の機械で、カタログだけがあります。workbench {words} は総括管理主体の部屋で実行してください。",
            en=f"This is an analysts' host, which has only the catalogue; run 'workbench {words}' in the coordinating body's room.",
        )


json_option = click.option("--json", "as_json", is_flag=True, help="JSON で出力 / print JSON")


def show(value: Any, *, as_json: bool, text: str | None = None) -> None:
    """Print `value` as JSON, or `text` (one line per key of `value` without one) for people."""
    if as_json:
        click.echo(json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True))
    elif text is not None:
        click.echo(text)
    else:
        for key, item in value.items():
            click.echo(f"{key}: {item}")


def run(command: click.Command) -> None:
    """Run a click command; every failure is one sentence on stderr and its family's exit code."""
    try:
        command.main(standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(2)
    except click.ClickException as error:
        leave(not_understood(error))
    except WorkbenchError as error:
        leave(error)
    except OSError as error:
        leave(refused_by_the_system(error))
    except Exception as error:
        leave(fault_of_ours(error))


def not_understood(error: click.ClickException) -> Usage:
    said = " ".join(error.format_message().split())
    return Usage(ja=f"コマンドの使い方が違います：{said}", en=f"The command was not understood: {said}")


def refused_by_the_system(error: OSError) -> WorkbenchError:
    """What the file system says, with the file's name only where the user gave it."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unprotected(
            ja="ディスクの空きがありません。書きかけのものは残していません。空きを作り、同じ命令をやり直してください。",
            en="The disk is full; nothing is left half-written. Make room and run the same command again.",
        )
    ja, en = REFUSED_BY_THE_SYSTEM.get(error.errno, OTHERWISE)
    given = given_by_the_user(error.filename)
    return Unusable(
        ja=f"{ja}{f'（{given}）' if given else ''}。場所と権限を確かめ、同じ命令をやり直してください。",
        en=f"The command stopped{f' at {given}' if given else ''}: {en}; check the place and its permissions.",
    )


def given_by_the_user(name: Any) -> str | None:
    """The name as it stands on the command line, or None."""
    typed = {part for argument in sys.argv[1:] for part in (argument, argument.partition("=")[2])}
    return str(name) if name is not None and str(name) in typed else None


def fault_of_ours(error: Exception) -> WorkbenchError:
    """A bug: a number to report it by. Its traceback is shown only with WORKBENCH_DEBUG, else kept in the home."""
    reference = secrets.token_hex(4)
    trace = "".join(traceback.format_exception(error))
    if os.environ.get("WORKBENCH_DEBUG"):
        click.echo(trace, err=True)
    else:
        keep_failure(reference, trace)
    return WorkbenchError(
        ja=f"ワークベンチの不具合です（受付番号 {reference}）。この番号を添えて管理者に知らせてください。",
        en=f"This is a fault of ours (reference {reference}); tell your administrator this number.",
    )


def keep_failure(reference: str, trace: str) -> None:
    """Append the failure to the home's own file; where no home is known it is not kept."""
    home = named_home()
    if not (home / MARKER).is_file():
        return
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW
    with contextlib.suppress(OSError), open(os.open(home / FAILURES, flags, 0o600), "ab") as file:
        file.write(f"{datetime.now(UTC).isoformat()} {reference}\n{trace}\n".encode(errors="replace"))


def named_home() -> Path:
    """The home of the command line, else the usual one; read from what was typed, for click has gone."""
    typed = sys.argv[1:]
    for place, argument in enumerate(typed):
        if argument == "--home" and place + 1 < len(typed):
            return Path(typed[place + 1])
        if argument.startswith("--home="):
            return Path(argument.partition("=")[2])
    return home_path()


def leave(error: WorkbenchError) -> None:
    """Print the sentence and exit with the family's code."""
    click.echo(str(error), err=True)
    sys.exit(error.exit_code)
