"""
The evaluation in words, tables and plots: thirteen sections, Japanese and English, from its plain data alone.

It adds nothing to the data.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from workbench.riskflag import report_performance as performance
from workbench.riskflag import report_trust as trust
from workbench.riskflag.said import Data, Labels, Said, Section, both


def sections(data: Data, *, labels: Labels) -> list[Section]:
    """The sections of the report; with too few children those that need none."""
    said = Said(data, labels)
    makers = (performance.target, trust.limits) if data["too_few"] else SECTIONS
    found = [make(said) for make in makers]
    return [with_notes(section, data["notes"]) for section in found]


def with_notes(section: Section, notes: Sequence[Mapping[str, Any]]) -> Section:
    own = tuple(both(note["ja"], note["en"]) for note in notes if note["section"] == section.number)
    return Section(**{**vars(section), "notes": own})


SECTIONS: tuple[Callable[[Said], Section], ...] = (
    performance.target,
    performance.by_score,
    performance.at_capacity,
    performance.new_ones,
    performance.beside,
    performance.calibrated,
    trust.fair,
    trust.leaning,
    trust.steady,
    trust.without_sources,
    trust.to_real,
    trust.disclosed,
    trust.limits,
)
