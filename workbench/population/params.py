"""Every rate of the city, each with the source it comes from and how far it can be trusted."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import yaml

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

    def __getitem__(self, name: str) -> Any:
        return self._values[name]


@cache
def shipped() -> dict[str, dict[str, Any]]:
    """name → {value, source, mark}, as shipped."""
    text = (files("workbench.population") / "params.yaml").read_text(encoding="utf-8")
    sections: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(text)
    return {f"{section}.{name}": row for section, rows in sections.items() for name, row in rows.items()}
