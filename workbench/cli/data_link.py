"""`workbench data link`: link the raw tables, make the panel, say how well it went."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from workbench.cli.shell import json_option, pass_home, show
from workbench.errors import Unusable, language
from workbench.home import Home

if TYPE_CHECKING:
    import pandas as pd

FILE = click.Path(path_type=Path)


@click.command()
@click.option("--truth", type=FILE, default=None, help="真値表（再現率・適合率） / for recall and precision")
@click.option(
    "--places", type=FILE, default=None, help="町丁目と学校区の表 / the map of blocks and districts"
)
@click.option(
    "--by", "actor", default="workbench", envvar="WORKBENCH_PERSON", help="操作する人 / who does it"
)
@json_option
@pass_home
def link(*, home: Home, truth: Path | None, places: Path | None, actor: str, as_json: bool) -> None:
    """名寄せして連携表を作成 / Link the raw tables into person_link and child_year."""
    from workbench.data.linkage_quality import linkage_quality
    from workbench.data.linkage_truth import expect_truth
    from workbench.data.linked import link_tables
    from workbench.state import State

    known = expect_truth(read_text_table(truth)) if truth else None
    city = read_text_table(places) if places else None
    linked = link_tables(home, State.open(home), places=city, actor=actor)
    report = linkage_quality(linked.tables, linked.links, truth=known)
    report["child_year"] = {"rows": len(linked.child_year), "years": linked.child_year["fy"].nunique()}
    show(report, as_json=as_json, text=drawn(report))


def read_text_table(path: Path) -> "pd.DataFrame":
    """A CSV or Parquet file whose every cell is text. Raises Unusable."""
    import pandas as pd

    try:
        if path.suffix == ".parquet":
            return pd.read_parquet(path).astype(object)
        return pd.read_csv(path, dtype=str, encoding="utf-8-sig")
    except (OSError, ValueError):
        raise Unusable(
            ja=f"{path.name} を表として読めません。UTF-8 の CSV か Parquet を指定してください。",
            en=f"{path.name} cannot be read as a table; give a CSV in UTF-8 or a Parquet file.",
        ) from None


def drawn(report: dict[str, Any]) -> str:
    """The report for people: one line per source, then the whole."""
    words = WORDS[language()]
    judged = report.get("truth", {"sources": {}})
    lines = [words["head"]]
    for name, source in {**report["sources"], words["all"]: report["overall"]}.items():
        truth = judged["sources"].get(name) or (judged.get("overall") if name == words["all"] else None)
        lines.append(line(name, source, truth))
    lines.append(words["register"].format(**report["register"]))
    lines.append(words["panel"].format(**report["child_year"]))
    return "\n".join(lines)


def line(name: str, source: dict[str, Any], truth: dict[str, Any] | None) -> str:
    measures = "" if truth is None else f"{share(truth['recall'])} {share(truth['precision'])}"
    return f"{name:<18}{source['numbers']:>9}{source['linked']:>9}{share(source['rate'])} {measures}".rstrip()


def share(value: float | None) -> str:
    return f"{'–':>9}" if value is None else f"{value:>9.2%}"


WORDS = {
    "ja": {
        "head": "表 番号の数 名寄せ済み 割合（真値表があれば 再現率 適合率）",
        "all": "全体",
        "register": "住民記録: 宛名番号 {numbers} 件、{persons} 人。確実でないものは結び付けていません。",
        "panel": "child_year: {rows} 行、{years} 年度",
    },
    "en": {
        "head": "table, numbers, linked, rate (recall and precision where the truth is known)",
        "all": "all",
        "register": "register: {numbers} numbers, {persons} persons. What was not certain was not linked.",
        "panel": "child_year: {rows} rows, {years} years",
    },
}
