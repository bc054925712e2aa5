"""What every noun of the command shares: the home, the language, plain or JSON output, exit codes."""

import errno
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from workbench.errors import Unprotected, WorkbenchError
from workbench.home import Home


def home_path() -> Path:
    """Where the home is: WORKBENCH_HOME, else `workbench-home` in the working directory."""
    return Path(os.environ.get("WORKBENCH_HOME", "workbench-home"))


def pass_home(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command the opened home as keyword `home`; `--home` overrides WORKBENCH_HOME."""

    @click.option("--home", "home", type=click.Path(path_type=Path), default=None, help="ホーム / the home")
    @click.pass_context
    def wrapped(ctx: click.Context, /, home: Path | None, **kwargs: Any) -> Any:
        return ctx.invoke(function, home=Home.open(home or home_path()), **kwargs)

    wrapped.__name__ = function.__name__
    wrapped.__doc__ = function.__doc__
    wrapped.__click_params__ = [*wrapped.__click_params__, *getattr(function, "__click_params__", [])]  # type: ignore[attr-defined]
    return wrapped


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
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except WorkbenchError as error:
        leave(error)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        leave(
            Unprotected(
                ja="ディスクの空きがありません。書きかけのものは残していません。空きを作り、同じ命令をやり直してください。",
                en="The disk is full; nothing is left half-written. Make room and run the same command again.",
            )
        )


def leave(error: WorkbenchError) -> None:
    """Print the sentence and exit with the family's code."""
    click.echo(str(error), err=True)
    sys.exit(error.exit_code)
