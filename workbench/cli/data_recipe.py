"""What changes a plain table besides its levels, its recipe in two files, and `workbench data replay`."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.plain_table import FILE, read, write
from workbench.cli.shell import home_path, json_option, show
from workbench.errors import NotFound, Unusable, language

if TYPE_CHECKING:
    import pandas as pd

    from workbench.policy import Policy
    from workbench.privacy.anonymity.hierarchies import Hierarchy
    from workbench.privacy.anonymity.recipe import Recipe
    from workbench.privacy.anonymity.step import Step
    from workbench.privacy.anonymity.steps import Wanted

PUBLIC = "recipe.public.json"
KEPT_IN_ROOM = "recipe.secret.json"
# What is asked for: the flag of the policy that allows it.
ALLOWED_BY = {
    "top": "top_bottom_coding_allowed",
    "bottom": "top_bottom_coding_allowed",
    "empty-cells": "cell_suppression_allowed",
    "microaggregate": "microaggregation_allowed",
    "swap": "swapping_allowed",
    "rank-swap": "swapping_allowed",
    "pram": "randomisation_allowed",
}


def understood(texts: Sequence[str], *, empty_cells: bool) -> "list[Wanted]":
    """The steps asked for. Refused for one that the policy does not allow."""
    if not texts and not empty_cells:
        return []
    from workbench.privacy.anonymity.steps import Wanted
    from workbench.release.rules import why_not_change
    from workbench.release.staging import expect

    wanted = [Wanted.read(text) for text in texts]
    methods = [*(one.name for one in wanted), *(["empty-cells"] if empty_cells else [])]
    policy = policy_here()
    for method in methods:
        expect(why_not_change(ALLOWED_BY[method], policy=policy))
    return wanted


def changed(
    source: "pd.DataFrame",
    wanted: "Sequence[Wanted]",
    *,
    hierarchies: "Mapping[str, Hierarchy]",
    households: str | None,
) -> "tuple[list[Step], pd.DataFrame]":
    """The steps for this table, and the table after them; untouched where none was asked for."""
    if not wanted:
        return [], source
    from workbench.privacy.anonymity.recipe import run
    from workbench.privacy.anonymity.steps import made

    steps = made(wanted, source, hierarchies=hierarchies, households=households)
    return steps, run(source, steps)


def policy_here() -> "Policy":
    """The policy in force where there is a home, else the standard one: no option of a command loosens it."""
    from workbench.governance.settings import policy_in_force
    from workbench.home import MARKER, Home
    from workbench.policy import load
    from workbench.state import State

    if not (home_path() / MARKER).is_file():
        return load()
    return policy_in_force(State.open(Home.open(home_path())))


def write_recipe(recipe: "Recipe", folder: Path) -> None:
    """Both parts; the secret one for its owner only."""
    from workbench.home import write_atomically

    folder.mkdir(parents=True, exist_ok=True)
    for name, part in ((PUBLIC, recipe.public()), (KEPT_IN_ROOM, recipe.secret())):
        content = json.dumps(part, ensure_ascii=False, indent=2, sort_keys=True)
        write_atomically(folder / name, f"{content}\n".encode())


def read_recipe(folder: Path) -> "Recipe":
    from workbench.privacy.anonymity.recipe import Recipe

    return Recipe.of(part(folder / PUBLIC), part(folder / KEPT_IN_ROOM))


def part(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        raise NotFound(
            ja=f"手順（レシピ）のフォルダーに {path.name} がありません。anonymise --recipe で書いたフォルダーを指定してください。",
            en=f"The folder of the recipe has no {path.name}; name one that 'anonymise --recipe' wrote.",
        ) from None
    except ValueError:
        raise Unusable(
            ja=f"{path.name} を JSON として読めません。書かれたままのファイルを使ってください。",
            en=f"{path.name} cannot be read as JSON; use the file as it was written.",
        ) from None


def digests(recipe: "Recipe") -> dict[str, Any]:
    """What a report names, so that it can be run again."""
    return {
        "input": recipe.source,
        "hierarchies": dict(recipe.hierarchies),
        "recipe": recipe.digest,
        "output": recipe.output,
    }


@click.command()
@click.argument("table", type=FILE)
@click.argument("recipe", type=FILE)
@click.option(
    "--separator",
    default=None,
    help="区切り文字（なければ見出しから判断） / told from the header if unset",
)
@click.option("--output", "-o", type=FILE, default=None, help="加工した表 (CSV) / write the table")
@json_option
def replay(*, table: Path, recipe: Path, separator: str | None, output: Path | None, as_json: bool) -> None:
    """手順のフォルダー RECIPE をもう一度実行し、同じ表になるかを確かめる / Run a recipe again and compare."""
    from workbench.privacy.anonymity import recipe as recipes

    known = read_recipe(recipe)
    after = recipes.replay(known, read(table, separator=separator))
    if output is not None:
        write(after, output, separator=separator or ",")
    show(
        {"rows": len(after), "columns": list(after.columns), "digests": digests(known)},
        as_json=as_json,
        text=SAME[language()].format(
            rows=len(after), steps=len(known.steps), recipe=known.digest, output=known.output
        ),
    )


SAME = {
    "ja": "{steps} 段の手順を再実行し、記録どおりの表（{rows:,} 行）になりました。\n手順の sha256: {recipe}\n出力の sha256: {output}",
    "en": "{steps} steps run again give the table that was recorded ({rows:,} rows).\nrecipe sha256: {recipe}\noutput sha256: {output}",
}
