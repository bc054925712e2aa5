"""`workbench budget`: grant a dataset its privacy budget, share it out, see what it was spent on."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.errors import language
from workbench.home import Home

if TYPE_CHECKING:
    from workbench.privacy.dp.ledger import Ledger

by_option = click.option(
    "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)
delta_option = click.option("--delta", type=float, default=None, help="δ（省略すると判定基準の残り） / the δ")
year_option = click.option(
    "--year", type=int, default=None, help="年度（省略すると今年度） / the fiscal year"
)


@click.group()
def budget() -> None:
    """プライバシー予算（差分プライバシー） / Privacy budgets, for differential privacy."""


@budget.command()
@click.argument("dataset")
@click.option("--epsilon", type=float, default=None, help="ε（省略すると判定基準の残り全部） / the ε")
@delta_option
@year_option
@by_option
@json_option
@pass_home
def grant(
    *,
    home: Home,
    dataset: str,
    epsilon: float | None,
    delta: float | None,
    year: int | None,
    actor: str,
    as_json: bool,
) -> None:
    """データセットに年度の予算を割り当てる / Grant a dataset its budget of a year, within the policy."""
    from workbench.privacy.dp.ledger import Ledger
    from workbench.release.budgets import grant as given
    from workbench.state import State

    state = State.open(home)
    balance = given(state, dataset, by=actor, epsilon=epsilon, delta=delta, year=year)
    told = {"dataset": dataset, **balance.to_json()}
    text = "\n".join(lines(stated(Ledger(state), dataset, year=balance.year)))
    show(told, as_json=as_json, text=text)


@budget.command()
@click.argument("dataset")
@click.option("--epsilon", type=float, required=True, help="ε の上限 / the most ε")
@click.option("--delta", type=float, default=None, help="δ の上限（省略すると予算の δ） / the most δ")
@click.option("--analyst", default="", help="分析者 / for one analyst")
@click.option("--purpose", default="", help="利用目的 / for one purpose")
@by_option
@json_option
@pass_home
def share(
    *,
    home: Home,
    dataset: str,
    epsilon: float,
    delta: float | None,
    analyst: str,
    purpose: str,
    actor: str,
    as_json: bool,
) -> None:
    """予算の中で、分析者や利用目的ごとの上限を決める / Limit an analyst or a purpose inside the budget."""
    from workbench.privacy.dp.ledger import Ledger
    from workbench.release.budgets import share as limit
    from workbench.state import State

    state = State.open(home)
    limit(state, dataset, by=actor, epsilon=epsilon, delta=delta, analyst=analyst, purpose=purpose)
    told = stated(Ledger(state), dataset)
    show({"dataset": dataset, "shares": told["shares"]}, as_json=as_json, text="\n".join(shares(told)))


@budget.command("show")
@click.argument("dataset", required=False)
@year_option
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    default=None,
    help="図を PNG で保存 / save a picture",
)
@by_option
@json_option
@pass_home
def show_budget(
    *, home: Home, dataset: str | None, year: int | None, picture: Path | None, actor: str, as_json: bool
) -> None:
    """付与・使用・残り、誰が何に使ったか / What was granted, spent and is left, on what and by whom."""
    from workbench.governance.people import People
    from workbench.privacy.dp.ledger import Ledger
    from workbench.state import State

    state = State.open(home)
    People(state).expect_may(actor, "read_budget")
    ledger = Ledger(state)
    asked = [dataset] if dataset is not None else ledger.datasets_of(year)
    found = [stated(ledger, name, year=year) for name in asked]
    if picture is not None:
        from workbench.cli.budget_picture import drawn

        drawn(found).save(picture)
    text = "\n\n".join("\n".join(lines(one)) for one in found)
    show(found, as_json=as_json, text=text or "なし / none")


def stated(ledger: "Ledger", dataset: str, *, year: int | None = None) -> dict[str, Any]:
    """The statement of a dataset's year, with what all its years come to."""
    from workbench.privacy.dp.statement import statement

    accounts = ledger.accounts(dataset)
    told = statement(ledger.account(dataset, year=year))
    # Years are budgets of their own, and the children are the same: their epsilons add up.
    return told | {"all_years": {str(one.year): one.spent / 1_000_000 for one in accounts}}


# ------------------------------------------------------------------ for people

WORDS: Mapping[str, tuple[str, str]] = {
    "head": (
        "{dataset}  {year} 年度（{begins}〜{ends}）",
        "{dataset}  fiscal year {year} ({begins} to {ends})",
    ),
    "granted": ("付与  ε {epsilon:g}、δ {delta:g}", "granted    ε {epsilon:g}, δ {delta:g}"),
    "spent": (
        "使用  ε {composed:.6g}（合成後。単純な合計なら ε {sum:.6g}）、{charges} 件",
        "spent      ε {composed:.6g} (composed; ε {sum:.6g} as a plain sum), {charges} charges",
    ),
    "remaining": (
        "残り  次の1件に使えるのは ε {remaining:.6g} まで",
        "left       up to ε {remaining:.6g} for one more release",
    ),
    "more": (
        "      ε {epsilon:g} の質問ならあと {number} 件",
        "           {number} more questions of ε {epsilon:g}",
    ),
    "warned": (
        "注意：予算の {percent:.0f} % に達しています。",
        "Note: {percent:.0f} % of the budget is reached.",
    ),
    "by_use": ("使い道ごと（合成後の ε、件数）", "by use (composed ε, charges)"),
    "by_analyst": ("分析者・提供ごと", "by analyst or release"),
    "by_purpose": ("利用目的ごと", "by purpose"),
    "shares": (
        "配分（予算の中での上限。足しても予算は増えません）",
        "shares (limits inside the budget; they add nothing)",
    ),
    "share": (
        "  {who}  上限 ε {epsilon:g}、使用 ε {spent:.6g}、残り ε {remaining:.6g}",
        "  {who}  at most ε {epsilon:g}, spent ε {spent:.6g}, left ε {remaining:.6g}",
    ),
    "years": ("全年度の合計 ε {total:.6g}", "all years together ε {total:.6g}"),
}


def say(key: str, **values: Any) -> str:
    return WORDS[key][int(language() == "en")].format(**values)


def lines(told: Mapping[str, Any]) -> Iterator[str]:
    """A statement as a page of text."""
    from workbench.privacy.dp.statement import label

    yield say("head", **told)
    if told["warned"]:
        yield say("warned", percent=told["warn_at"] * 100)
    yield say("granted", **told["granted"])
    yield say("spent", **told["spent"])
    yield say("remaining", **told)
    yield from (say("more", **one) for one in told["how_many_more"])
    for group in ("by_use", "by_analyst", "by_purpose"):
        if told[group]:
            yield say(group)
        for name, one in told[group].items():
            shown = label(name, language=language()) if group == "by_use" else name
            yield f"  {shown}  ε {one['composed']:.6g}  {one['charges']}"
    yield from shares(told)
    if len(told["all_years"]) > 1:
        yield say("years", total=sum(told["all_years"].values()))


def shares(told: Mapping[str, Any]) -> Iterator[str]:
    if told["shares"]:
        yield say("shares")
    for one in told["shares"]:
        who = " × ".join(name for name in (one["analyst"], one["purpose"]) if name)
        yield say("share", **(one | {"who": who}))
