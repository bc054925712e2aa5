"""`workbench data`: the register, the tables that holders send, and what is made of them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.data_anonymise import anonymise
from workbench.cli.data_audit_dp import audit_dp
from workbench.cli.data_compare import compare
from workbench.cli.data_hierarchies import hierarchies
from workbench.cli.data_link import link
from workbench.cli.data_measure import measure
from workbench.cli.data_recipe import replay
from workbench.cli.data_risk import risk
from workbench.cli.shell import json_option, pass_home, show
from workbench.home import Home

if TYPE_CHECKING:
    from workbench.data.receipt import Receipt
    from workbench.data.register import Register
    from workbench.state import State

FILE = click.Path(path_type=Path)
actor_option = click.option(
    "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)


@click.group()
def data() -> None:
    """データの登録・取込 / Register items and take in what holders send."""


@data.command()
@click.argument("file", type=FILE)
@actor_option
@json_option
@pass_home
def register(*, home: Home, file: Path, actor: str, as_json: bool) -> None:
    """データ項目台帳を登録 / Put an item register (YAML or JSON) in force."""
    from workbench.state import State

    registered = put_in_force(State.open(home), file, actor=actor)
    show(
        {"digest": registered.digest, "tables": {table.name: len(table) for table in registered}},
        as_json=as_json,
        text=f"{len(registered.tables)} tables, {registered.size} items, sha256 {registered.digest}",
    )


@data.command(name="import")
@click.argument("table")
@click.argument("file", type=FILE)
@click.option(
    "--register", "register_file", type=FILE, default=None, help="先に登録する台帳 / register first"
)
@actor_option
@json_option
@pass_home
def import_(
    *, home: Home, table: str, file: Path, register_file: Path | None, actor: str, as_json: bool
) -> None:
    """保有元のファイル (CSV, Parquet) を取込 / Take a holder's file in as TABLE."""
    from workbench.data.intake import import_extract
    from workbench.state import State

    state = State.open(home)
    if register_file:
        put_in_force(state, register_file, actor=actor)
    receipt = import_extract(home, state, table=table, path=file, actor=actor)
    show(receipt.to_json(), as_json=as_json, text=described(receipt, table=table))


data.add_command(link)
data.add_command(measure)
data.add_command(hierarchies)
data.add_command(risk)
data.add_command(anonymise)
data.add_command(replay)
data.add_command(compare)
data.add_command(audit_dp)


def put_in_force(state: "State", file: Path, *, actor: str) -> "Register":
    from workbench.data.register import Register
    from workbench.data.registers import Registers

    loaded = Register.load(file)
    Registers(state).add(loaded, actor=actor)
    return loaded


def described(receipt: "Receipt", *, table: str) -> str:
    """The receipt for people, in the reader's language."""
    from workbench.errors import language

    words: dict[str, Any] = {
        "table": table,
        "rows": receipt.rows,
        "columns": len(receipt.columns),
        "encoding": receipt.encoding,
        "normalised": ", ".join(f"{kind} {cells}" for kind, cells in receipt.normalised.items()) or "–",
        "empty": ", ".join(receipt.empty_columns) or "–",
    }
    return DESCRIPTIONS[language()].format(**words)


DESCRIPTIONS = {
    "ja": "{table}: {rows} 行 {columns} 列（{encoding}）を取り込みました。表記をそろえたセル: {normalised}。値が一つもない列: {empty}",
    "en": "{table}: {rows} rows, {columns} columns ({encoding}) taken in. Cells normalised: {normalised}. Columns without a value: {empty}",
}
