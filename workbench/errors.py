"""
The error families. Each has an exit code and one sentence in Japanese and in English.

An error message is an output: it names columns, rules and counts, never a value of source data.
"""

import os

LANGUAGES = ("ja", "en")


def language() -> str:
    """The reader's language: WORKBENCH_LANG, Japanese when unset or unknown."""
    chosen = os.environ.get("WORKBENCH_LANG", "ja")[:2].lower()
    return chosen if chosen in LANGUAGES else "ja"


class WorkbenchError(Exception):
    """What went wrong, where, and what to do next, in both languages."""

    exit_code = 1

    def __init__(self, *, ja: str, en: str) -> None:
        super().__init__(en)
        self.ja = ja
        self.en = en

    def __str__(self) -> str:
        return self.ja if language() == "ja" else self.en


class Usage(WorkbenchError):
    """The command was not understood."""

    exit_code = 2


class Refused(WorkbenchError):
    """A rule says no."""

    exit_code = 10


class Untrusted(WorkbenchError):
    """A digest, a signature or a chain does not hold."""

    exit_code = 11


class Unusable(WorkbenchError):
    """The input cannot be used."""

    exit_code = 12


class NotFound(WorkbenchError):
    """What was asked for is not there."""

    exit_code = 13


class Unprotected(WorkbenchError):
    """The environment cannot give a protection; we refuse rather than run without it."""

    exit_code = 14


FAMILIES: dict[str, type[WorkbenchError]] = {
    family.__name__: family for family in (Usage, Refused, Untrusted, Unusable, NotFound, Unprotected)
}
