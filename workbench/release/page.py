"""
The report as one HTML page: Japanese first, English at a switch, nothing fetched, no script.

Drawn from the report's JSON alone; whoever holds the JSON can draw the page again to the byte.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import PackageLoader, StrictUndefined
from jinja2.sandbox import SandboxedEnvironment

from workbench.release import plots
from workbench.riskflag import page as evaluation

TEMPLATE = "report.html.j2"
METRICS = "metrics.html.j2"


def render(report: Mapping[str, Any], *, language: str = "ja") -> str:
    """The page of `report`; `language` is the one shown first."""
    template = environment().get_template(TEMPLATE)
    return str(
        template.render(report=report, charts=charts(report), evaluated=evaluated(report), first=language)
    )


def evaluated(report: Mapping[str, Any]) -> str:
    """A model's evaluation in its sections; nothing for another kind of release."""
    data = report.get("evaluation")
    return evaluation.fragment(data, labels=data["labels"]) if data else ""


def render_metrics(measured: Mapping[str, Any], *, language: str = "ja") -> str:
    """The page of a synthetic release's numbers, for reviewers."""
    template = environment().get_template(METRICS)
    drawn = {
        "attacks": plots.attacks(measured),
        "membership": plots.membership(measured),
        "fidelity": plots.fidelity(measured),
    }
    return str(template.render(measured=measured, charts=drawn, first=language))


def charts(report: Mapping[str, Any]) -> dict[str, Any]:
    """The charts this report has numbers for."""
    drawn = {name: draw(report) for name, (section, draw) in CHARTS.items() if has(report, section)}
    return {name: chart for name, chart in drawn.items() if chart.tells}


def has(report: Mapping[str, Any], section: str) -> bool:
    """Whether the report has this section, written with dots, and something is in it."""
    found: Any = report
    for name in section.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return bool(found)


def _limit(report: Mapping[str, Any], check: str, name: str) -> Any:
    """The limit a check held its number against, or None when the check is not in the report."""
    return next((f["limits"].get(name) for f in report["findings"] if f["check"] == check), None)


# chart: (the section of the report it needs, how to draw it)
CHARTS: dict[str, tuple[str, Any]] = {
    "classes": (
        "classes",
        lambda report: plots.class_sizes(report["classes"], k=_limit(report, "k_children", "k_children")),
    ),
    "suppression": (
        "suppression",
        lambda report: plots.suppression(
            report["suppression"], limit=_limit(report, "suppression_subgroup", "suppression_subgroup")
        ),
    ),
    "information_loss": (
        "information_loss",
        lambda report: plots.information_loss(report["information_loss"]),
    ),
    "margins": ("tables", lambda report: plots.margins(report["tables"])),
    "ventiles": ("evaluation.ventiles", lambda report: plots.ventiles(report["evaluation"]["ventiles"])),
    "capacity": (
        "evaluation.capacity",
        lambda report: plots.capacity_curve(report["evaluation"]["capacity"]),
    ),
}


@cache
def environment() -> SandboxedEnvironment:
    environment = SandboxedEnvironment(
        loader=PackageLoader("workbench.release"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["form"] = form
    environment.filters["percent"] = plots.percent
    return environment


def form(value: float | None, kind: str) -> str:
    """A number as people read it: a count, a share in per cent, or a number with two decimals."""
    if value is None:
        return "–"
    return str(FORMS[kind](value))


FORMS: dict[str, Any] = {
    "count": lambda value: f"{value:,.0f}",
    "share": plots.percent,
    "number": lambda value: f"{value:,.2f}",
}
