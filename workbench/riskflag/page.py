"""
The evaluation drawn: as HTML that stands in a notebook or in a report, as a page of its own, as Markdown.

Nothing is fetched and nothing runs. A page shows one language at a time, a notebook Japanese with English
beneath.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from html import escape
from importlib import resources
from pathlib import Path
from typing import Any

from workbench.riskflag.drawing import Words
from workbench.riskflag.report import sections
from workbench.riskflag.said import Labels, Section, Table


@dataclass(frozen=True)
class Report:
    """An evaluation that prints itself. `data` is what a candidate carries, digit by digit."""

    data: Mapping[str, Any]
    labels: Labels = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.data[name]

    def _repr_html_(self) -> str:
        return f'<div class="evaluation notebook">{fragment(self.data, labels=self.labels)}</div>'

    def _repr_markdown_(self) -> str:
        return markdown(self.data, labels=self.labels)

    def __str__(self) -> str:
        return markdown(self.data, labels=self.labels)

    def save(self, path: Path, *, language: str = "ja") -> None:
        """Write the evaluation as one page; `language` is the one shown first."""
        path.write_text(page(self.data, labels=self.labels, language=language), encoding="utf-8")


def fragment(data: Mapping[str, Any], *, labels: Labels) -> str:
    """The thirteen sections with their style, for a page that switches languages by the classes ja and en."""
    drawn = "".join(drawn_section(one) for one in sections(data, labels=labels))
    return f"<style>{style()}</style>{drawn}"


@cache
def style() -> str:
    return resources.files(__package__).joinpath("templates/evaluation.css").read_text(encoding="utf-8")


def said(words: Words) -> str:
    return "".join(
        f'<span class="{name}" lang="{name}">{escape(words[name])}</span>' for name in ("ja", "en")
    )


def drawn_section(section: Section) -> str:
    notes = "".join(f'<p class="note">{said(note)}</p>' for note in section.notes)
    tables = "".join(drawn_table(table) for table in section.tables)
    figures = "".join(
        f"<figure><figcaption>{said(caption)}</figcaption>{svg}</figure>" for caption, svg in section.drawings
    )
    return (
        f'<section class="evaluated"><h2>{section.number}. {said(section.title)}</h2>'
        f'<p class="asks">{said(section.asks)}</p>{notes}{tables}{figures}</section>'
    )


def drawn_table(table: Table) -> str:
    caption = f"<caption>{said(table.caption)}</caption>" if table.caption else ""
    head = "".join(f"<th>{said(header)}</th>" for header in table.headers)
    body = "".join(
        "<tr>" + "".join(f"<td>{cell(words)}</td>" for words in row) + "</tr>" for row in table.rows
    )
    return f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def cell(words: Words) -> str:
    return escape(words["ja"]) if words["ja"] == words["en"] else said(words)


def page(data: Mapping[str, Any], *, labels: Labels, language: str = "ja") -> str:
    """The evaluation as a page of its own."""
    ticked = {name: " checked" if name == language else "" for name in ("ja", "en")}
    title = labels.get(data["target"], {}).get("", {"ja": data["target"], "en": data["target"]})
    return f"""<!DOCTYPE html>
<html lang="{language}"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>評価 / Evaluation</title></head>
<body class="evaluation page">
<input class="switch" type="radio" name="language" id="show-ja"{ticked["ja"]}>
<input class="switch" type="radio" name="language" id="show-en"{ticked["en"]}>
<nav aria-label="言語 / Language"><label for="show-ja" lang="ja">日本語</label><label for="show-en" lang="en">English</label></nav>
<main><h1>{said({"ja": "評価：" + title["ja"], "en": "Evaluation: " + title["en"]})}</h1>
{fragment(data, labels=labels)}</main></body></html>
"""


def markdown(data: Mapping[str, Any], *, labels: Labels) -> str:
    """The tables and notes as Markdown, both languages."""
    return "\n".join(line for section in sections(data, labels=labels) for line in lines(section))


def lines(section: Section) -> Iterable[str]:
    yield f"**{section.number}. {joined(section.title)}**\n\n{section.asks['ja']}  \n{section.asks['en']}\n"
    for note in section.notes:
        yield f"> {note['ja']}  \n> {note['en']}\n"
    for table in section.tables:
        if table.caption:
            yield f"*{joined(table.caption)}*\n"
        yield "| " + " | ".join(joined(header) for header in table.headers) + " |"
        yield "|" + "---|" * len(table.headers)
        for row in table.rows:
            yield "| " + " | ".join(joined(words) for words in row) + " |"
        yield ""


def joined(words: Words) -> str:
    return words["ja"] if words["ja"] == words["en"] else f"{words['ja']} / {words['en']}"
