"""`workbench lab`: the analyst's room, the proof that it holds, a notebook run in it."""

import click

from workbench.cli.shell import json_option, show


@click.group()
def lab() -> None:
    """分析の部屋 / The controlled Jupyter environment."""


@lab.command()
@json_option
def prove(*, as_json: bool) -> None:
    """禁じられた行為をすべて試す / Try every forbidden act in the sandbox and print BLOCKED or ALLOWED."""
    from workbench.lab.prove import as_rows, prove, table, why_not_proven

    verdicts = prove()
    show(as_rows(verdicts), as_json=as_json, text=table(verdicts))
    refused = why_not_proven(verdicts)
    if refused is not None:
        raise refused
