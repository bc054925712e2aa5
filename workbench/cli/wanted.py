"""`workbench release wanted` and `answer`: what analysts ask for, and what the coordinating body answers."""

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.errors import language
from workbench.home import Home

ANSWERS = ("accepted", "declined", "delivered")


@click.command()
@json_option
@pass_home
def wanted(home: Home, as_json: bool) -> None:
    """分析主体からのデータの依頼 / What analysts ask for: datasets, items, refreshes."""
    from workbench.release.data_requests import KINDS, LABELS, DataRequests
    from workbench.state import State

    found = DataRequests(State.open(home)).every()
    which = 0 if language() == "ja" else 1
    lines = [
        "  ".join(
            filter(
                None,
                (
                    one.id,
                    LABELS[one.standing][which],
                    KINDS[one.kind][which],
                    one.dataset,
                    one.about,
                    one.author,
                    one.why,
                ),
            )
        )
        for one in found
    ]
    show([one.to_json() for one in found], as_json=as_json, text="\n".join(lines))


@click.command()
@click.argument("request")
@click.option("--as", "standing", type=click.Choice(ANSWERS), required=True, help="回答 / the answer")
@click.option("--because", required=True, help="理由か提供したデータの名前 / why, or which release it became")
@click.option("--by", "person", required=True, envvar="WORKBENCH_PERSON", help="操作する人 / who does it")
@json_option
@pass_home
def answer(*, home: Home, request: str, standing: str, because: str, person: str, as_json: bool) -> None:
    """データの依頼に回答 / Answer a request for data."""
    from workbench.release.data_requests import LABELS, DataRequests, Standing
    from workbench.state import State

    answered = DataRequests(State.open(home)).answer(
        request, standing=Standing(standing), answer=because, by=person
    )
    label = LABELS[answered.standing][0 if language() == "ja" else 1]
    show(answered.to_json(), as_json=as_json, text=f"{answered.id}  {label}")
