"""`workbench account`: who can log in. A passphrase is typed or read from a descriptor, never an argument."""

import os
from collections.abc import Callable
from typing import Any

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.errors import Unusable
from workbench.home import Home

LONGEST = 1024
WHAT = ("passphrase", "authenticator", "both")
TAKE_AWAY = """{person}
認証アプリで次の図か文字を読み取ってください / Read this with an authenticator application:
{picture}
{address}

復旧コード（各1回。印刷して保管） / Recovery codes, each good once; print them and lock them away:
{codes}

これらは二度と表示しません / This is not shown again."""


def with_passphrase(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a command that sets a passphrase."""
    function = click.option(
        "--passphrase-fd",
        type=click.IntRange(0),
        default=None,
        help="合言葉を読む記述子 / read the passphrase from this descriptor",
    )(function)
    return by(function)


def by(function: Callable[..., Any]) -> Callable[..., Any]:
    return click.option(
        "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
    )(function)


@click.group()
def account() -> None:
    """ログインのアカウント / Accounts to log in with."""


@account.command()
@click.argument("person")
@with_passphrase
@json_option
@pass_home
def add(*, home: Home, person: str, passphrase_fd: int | None, actor: str, as_json: bool) -> None:
    """アカウントを作る（本人が合言葉を入力する） / Make an account; its owner types the passphrase."""
    enrolled = opened(home).add(person, asked(passphrase_fd), actor=actor)
    tell(enrolled, as_json=as_json)


@account.command()
@click.argument("person")
@with_passphrase
@json_option
@pass_home
def reset(*, home: Home, person: str, passphrase_fd: int | None, actor: str, as_json: bool) -> None:
    """合言葉・認証アプリ・復旧コードを作り直す / New passphrase, authenticator and recovery codes."""
    enrolled = opened(home).reset(person, asked(passphrase_fd), actor=actor)
    tell(enrolled, as_json=as_json)


@account.command()
@click.argument("person")
@click.option(
    "--what",
    type=click.Choice(WHAT),
    default=WHAT[0],
    show_default=True,
    help="何を変えるか / what is made anew",
)
@click.option(
    "--passphrase-fd",
    type=click.IntRange(0),
    default=None,
    help="今の合言葉・確認コード・新しい合言葉を1行ずつ読む記述子 / read present passphrase, code and new passphrase, a line each",
)
@json_option
@pass_home
def change(*, home: Home, person: str, what: str, passphrase_fd: int | None, as_json: bool) -> None:
    """本人が合言葉や認証アプリを変える / One's own change of passphrase or authenticator; log-ins end."""
    has_words = what != "authenticator"
    words, code, new = typed(has_words) if passphrase_fd is None else read(passphrase_fd, 2 + has_words)
    made = opened(home).change(
        person,
        words,
        code,
        new_words=new if has_words else None,
        new_authenticator=what != "passphrase",
    )
    if made is not None:
        tell(made, as_json=as_json)
    else:
        show({"person": person}, as_json=as_json, text=person)


@account.command()
@click.argument("person")
@by
@pass_home
def lock(*, home: Home, person: str, actor: str) -> None:
    """アカウントを止める（ログイン中なら終わらせる） / Close an account and end its log-ins."""
    opened(home).lock(person, actor=actor)
    click.echo(person)


@account.command()
@click.argument("person")
@by
@pass_home
def unlock(*, home: Home, person: str, actor: str) -> None:
    """アカウントを再び使えるようにする / Open an account again."""
    opened(home).unlock(person, actor=actor)
    click.echo(person)


@account.command()
@click.argument("person")
@click.option("--issuer", required=True, help="認証基盤の番地 / the provider's address")
@click.option("--subject", required=True, help="認証基盤での識別子 (sub) / its name for the person")
@by
@pass_home
def link(*, home: Home, person: str, issuer: str, subject: str, actor: str) -> None:
    """認証基盤（OpenID Connect）の識別子を人に結ぶ / Say which person a provider's subject is."""
    opened(home).link(person, issuer=issuer, subject=subject, actor=actor)
    click.echo(person)


@account.command("list")
@json_option
@pass_home
def list_accounts(*, home: Home, as_json: bool) -> None:
    """一覧 / Every account and its state."""
    rows = [one.to_json() for one in opened(home).all()]
    lines = [
        f"{row['person']}  {'停止 / locked' if row['locked'] else '有効 / open'}"
        + (f"  待機 / waits until {row['waits_until']}" if row["waits_until"] else "")
        + f"  失敗 / failures {row['failures']}  復旧コード / recovery codes {row['recovery_codes']}"
        for row in rows
    ]
    show(rows, as_json=as_json, text="\n".join(lines))


def opened(home: Home) -> Any:
    from workbench.governance.accounts import Accounts
    from workbench.state import State

    return Accounts(home, State.open(home))


def asked(descriptor: int | None) -> str:
    """The passphrase, typed twice at the terminal, or the first line of what the descriptor gives."""
    if descriptor is None:
        return str(click.prompt("合言葉 / passphrase", hide_input=True, confirmation_prompt=True, err=True))
    return read(descriptor, 1)[0]


def typed(has_new: bool) -> tuple[str, str, str]:
    """What a change asks its owner for at the terminal; the new passphrase twice."""
    words = click.prompt("今の合言葉 / present passphrase", hide_input=True, err=True)
    code = click.prompt("確認コード / code", err=True)
    new = (
        click.prompt("新しい合言葉 / new passphrase", hide_input=True, confirmation_prompt=True, err=True)
        if has_new
        else ""
    )
    return str(words), str(code), str(new)


def read(descriptor: int, lines: int) -> tuple[str, str, str]:
    """So many lines of what the descriptor gives; empty text for the others."""
    try:
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            found = [file.readline(LONGEST).decode().rstrip("\r\n") for _ in range(lines)]
            first, second, third = [*found, "", ""][:3]
            return first, second, third
    except (OSError, UnicodeDecodeError):
        raise Unusable(
            ja=f"記述子 {descriptor} から合言葉を読めません。UTF-8 の行を渡してください。",
            en=f"No passphrase can be read from descriptor {descriptor}; hand over lines of UTF-8.",
        ) from None


def tell(enrolled: Any, *, as_json: bool) -> None:
    codes = "\n".join(enrolled.recovery_codes)
    text = TAKE_AWAY.format(
        person=enrolled.person, picture=picture(enrolled.address), address=enrolled.address, codes=codes
    )
    show(vars(enrolled), as_json=as_json, text=text)


def picture(address: str) -> str:
    """A QR code in letters, for terminals."""
    import io

    import segno

    drawn = io.StringIO()
    segno.make(address, error="l", micro=False).terminal(drawn, compact=True)
    return drawn.getvalue()
