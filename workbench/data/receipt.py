"""What is written down about a table when it is stored: shape, digest, encoding, what was normalised."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SCHEMA = "workbench-receipt/1"


@dataclass(frozen=True)
class Receipt:
    """
    `sha256` is the digest of the file that was taken in; None for a table made from others, whose `sources`
    name those tables and their digests. `normalised` counts cells by what was normalised in them;
    `empty_columns` are those without a single value. No times and no file names: they belong to the log.
    """

    rows: int
    columns: tuple[str, ...]
    encoding: str | None = None
    separator: str | None = None
    sha256: str | None = None
    normalised: Mapping[str, int] = field(default_factory=dict)
    empty_columns: tuple[str, ...] = ()
    register: str | None = None
    sources: Mapping[str, str | None] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        lists = {"columns": list(self.columns), "empty_columns": list(self.empty_columns)}
        maps = {"normalised": dict(self.normalised), "sources": dict(self.sources)}
        return {**vars(self), **lists, **maps, "schema": SCHEMA}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Receipt":
        """The receipt that `to_json` wrote. Raises ValueError for another schema."""
        fields = dict(document)
        if fields.pop("schema") != SCHEMA:
            raise ValueError(SCHEMA)
        lists = {"columns": tuple(fields["columns"]), "empty_columns": tuple(fields["empty_columns"])}
        return cls(**{**fields, **lists})
