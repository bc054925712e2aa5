"""Every rate of the city, each with the source it comes from and how far it can be trusted."""

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

from workbench.artifact.canonical import sha256
from workbench.errors import Unusable

MARKS = ("verified", "derived", "recalled", "assumed")


class Params:
    """Rates by name (`section.rate`); a municipality hands in its own for any of them."""

    def __init__(self, own: Mapping[str, Any] | None = None) -> None:
        own = dict(own or {})
        unknown = sorted(set(own) - set(shipped()))
        if unknown:
            raise Unusable(
                ja=f"パラメータ {', '.join(unknown)} はありません。params.yaml の名前を使ってください。",
                en=f"There is no parameter {', '.join(unknown)}; use the names of params.yaml.",
            )
        self._values = {name: row["value"] for name, row in shipped().items()} | own

    @property
    def digest(self) -> str:
        """The digest of all rates together."""
        return sha256(json.dumps(self._values, sort_keys=True, ensure_ascii=False).encode())

    def __getitem__(self, name: str) -> Any:
        return self._values[name]


@cache
def shipped() -> dict[str, dict[str, Any]]:
    """name → {value, source, mark}, as shipped."""
    text = (files("workbench.population") / "params.yaml").read_text(encoding="utf-8")
    sections: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(text)
    return {f"{section}.{name}": row for section, rows in sections.items() for name, row in rows.items()}
