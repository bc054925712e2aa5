"""The synthesisers as the command shows them: what each promises first, in red where that is nothing."""

from typing import Any

import click

from workbench.cli.shell import json_option, show
from workbench.errors import language

# Named here so that the command's help needs no library; held against the table by a test.
METHODS = ("dp-tree", "aim", "gaussian-copula", "ctgan", "tvae")
NO_GUARANTEE = {
    "ja": "形式的な保証なし：差分プライバシーによらない方法です。最悪の場合の保証はありません。",
    "en": "No formal guarantee: made without differential privacy, nothing bounds the worst case.",
}
PRIVATE = {"ja": "差分プライバシー（世帯単位の ε, δ）", "en": "differential privacy (ε, δ by household)"}
NONE = {"ja": "形式的な保証なし", "en": "no formal guarantee"}
COSTS = {
    "seconds": {"ja": "数秒", "en": "seconds"},
    "minutes": {"ja": "数分", "en": "minutes"},
    "hours": {"ja": "数時間", "en": "hours"},
}


@click.command()
@json_option
def synthesisers(as_json: bool) -> None:
    """合成の方法の一覧 / The synthesisers: what each promises, takes and needs."""
    from workbench.privacy.synthesis.synthesisers import SYNTHESISERS

    told = {
        name: {
            "guarantee": str(one.guarantee),
            "cost": str(one.cost),
            "extra": one.extra,
            "about": {"ja": one.ja, "en": one.en},
        }
        for name, one in SYNTHESISERS.items()
    }
    show(told, as_json=as_json, text="\n".join(line(name, one) for name, one in told.items()))


def line(name: str, one: dict[str, Any]) -> str:
    words = language()
    promise = (
        PRIVATE[words]
        if one["guarantee"] == "differential_privacy"
        else click.style(NONE[words], fg="red", bold=True)
    )
    extra = f"  workbench[{one['extra']}]" if one["extra"] else ""
    return f"{name}  {promise}  {COSTS[one['cost']][words]}{extra}\n    {one['about'][words]}"


def warn_without_guarantee(method: str) -> None:
    """Say in red, on standard error, that a method promises nothing; of a private one nothing is said."""
    from workbench.privacy.synthesis.synthesisers import SYNTHESISERS

    if method in SYNTHESISERS and not SYNTHESISERS[method].is_private:
        click.secho(f"{method}  {NO_GUARANTEE[language()]}", fg="red", bold=True, err=True)
