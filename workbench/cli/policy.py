"""`workbench policy`: the thresholds in force, where they come from, and what was overridden."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.errors import language
from workbench.home import Home

if TYPE_CHECKING:
    from workbench.policy import Policy

profile_option = click.option(
    "--profile", default=None, help="standard または strict / which profile (default: the one in force)"
)
file = click.Path(path_type=Path, dir_okay=False)


@click.group()
def policy() -> None:
    """判定基準とその根拠 / The thresholds and their sources."""


@policy.command("show")
@profile_option
@click.option("--override", type=file, default=None, help="変更ファイルを重ねて見る / with an override file")
@json_option
@pass_home
def show_policy(home: Home, profile: str | None, override: Path | None, as_json: bool) -> None:
    """基準・根拠・変更点を表示 / Show every threshold, its source, and what was overridden."""
    from workbench.policy import load

    chosen = load(profile or "standard", override) if profile or override else in_force(home)
    show({**chosen.to_json(), "digest": chosen.digest}, as_json=as_json, text=as_text(chosen))


@policy.command()
@click.argument("override", type=file)
@click.option("--profile", default="standard", show_default=True)
@json_option
def check(override: Path, profile: str, as_json: bool) -> None:
    """変更ファイルを確かめる（採用はしない） / Check an override file without adopting it."""
    from workbench.policy import load

    before, after = load(profile), load(profile, override)
    changes = {name: {"from": before[name], "to": after[name]} for name in after.overrides}
    lines = [f"{name}: {change['from']} → {change['to']}" for name, change in changes.items()]
    show(
        {"profile": profile, "changes": changes, "weakened": after.weakened, "digest": after.digest},
        as_json=as_json,
        text="\n".join([*lines, *warning(after)]),
    )


@policy.command()
@click.argument("override", type=file, required=False)
@click.option("--profile", default="standard", show_default=True)
@click.option(
    "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)
@pass_home
def adopt(home: Home, override: Path | None, profile: str, actor: str) -> None:
    """基準を採用し、記録する / Put a profile, with an override file, in force; it is recorded."""
    from workbench.governance.settings import adopt_policy
    from workbench.policy.reading import read_text
    from workbench.state import State

    text = read_text(override) if override else None
    click.echo(as_text(adopt_policy(State.open(home), profile=profile, override=text, actor=actor)))


def in_force(home: Home) -> "Policy":
    from workbench.governance.settings import policy_in_force
    from workbench.state import State

    return policy_in_force(State.open(home))


def as_text(chosen: "Policy") -> str:
    """The policy as a list for people, the overridden thresholds marked."""
    changed = ", ".join(chosen.overrides) or "なし / none"
    head = f"profile: {chosen.profile}\ndigest: {chosen.digest}\n変更 / overridden: {changed}\n"
    entries = (entry(threshold) for threshold in chosen.thresholds.values())
    return "\n".join([head, *warning(chosen), *entries])


def warning(chosen: "Policy") -> list[str]:
    """One line where changes protect less than the profile does."""
    if not chosen.weakened:
        return []
    names = ", ".join(chosen.weakened)
    sentences = {
        "ja": f"注意：次の変更は、{chosen.profile} より保護を弱めます：{names}。根拠を管理者と確かめてください。",
        "en": f"Warning: these changes protect less than {chosen.profile} does: {names}. "
        "Confirm their grounds with the manager.",
    }
    return [sentences[language()]]


def entry(threshold: Any) -> str:
    mark = "*" if threshold.overridden else " "
    label, source = threshold.label[language()], threshold.source[language()]
    return f"{mark} {threshold.id} = {threshold.value} {threshold.unit} — {label}\n      {source}"
