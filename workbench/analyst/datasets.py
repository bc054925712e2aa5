"""
Admitted datasets as a notebook meets them: verified when opened, ordinary DataFrames afterwards.

Both signatures, every file's digest, revocation and the end of validity are checked against the keys the
sandbox was given, by the same code as everywhere else; what was verified is what is read.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import pandas as pd

from workbench.analyst.display import Facts, Rows, page
from workbench.artifact.verifying import Admission
from workbench.errors import NotFound, Refused
from workbench.riskflag.part import DICTIONARY, Part, Source, read_part
from workbench.scoring import plain_json

PAGE = "report/report.html"
REPORT = "report/report.json"
TABLES = "tables/"


@dataclass(frozen=True)
class Report:
    """The anonymity report of a dataset: `data` is its content, the notebook shows its page."""

    data: Mapping[str, Any]
    html: str

    def _repr_html_(self) -> str:
        return page(self.html)


@dataclass(frozen=True)
class Dataset:
    """One admitted dataset. Nothing of it can be changed here."""

    folder: Path
    admission: Admission

    @property
    def name(self) -> str:
        return self.admission.manifest.name

    @property
    def version(self) -> str:
        return self.admission.manifest.version

    @cached_property
    def source(self) -> Source:
        """What a model trained on it carries as its lineage."""
        return Source.of(self.admission.manifest, purpose=self.admission.purpose)

    @property
    def facts(self) -> dict[str, Any]:
        """What it is, in the words of its manifest and its admission."""
        meta = self.admission.manifest.meta
        return {
            "name": self.name,
            "version": self.version,
            "protection": meta.get("protection"),
            "guarantee": meta.get("guarantee"),
            "purpose": self.admission.purpose,
            "valid_until": self.admission.valid_until.date().isoformat(),
            "digest": self.admission.manifest.digest[:12],
        }

    @cached_property
    def report(self) -> Report:
        """The anonymity report, inline."""
        data = plain_json.read(self._content(REPORT), name=REPORT)
        return Report(data=data, html=self._content(PAGE).decode())

    @cached_property
    def train(self) -> Part:
        """The part to train on: earlier years of most households."""
        return self._part("train")

    @cached_property
    def test(self) -> Part:
        """The part to evaluate on: the last year of other households."""
        return self._part("test")

    def frame(self) -> pd.DataFrame:
        """All rows as one DataFrame of your own; `part` says train or test."""
        parts = [part.frame.assign(part=part.name) for part in (self.train, self.test)]
        return pd.concat(parts, ignore_index=True)

    @cached_property
    def dictionary(self) -> Rows:
        """What each item means, with the values it can take."""
        items = plain_json.read(self._content(DICTIONARY), name=DICTIONARY)["items"]
        listed = items.items() if isinstance(items, Mapping) else ((item["name"], item) for item in items)
        rows = [
            {
                "item": name,
                "label": item.get("label"),
                "kind": item.get("kind"),
                "role": item.get("role"),
                "values": item.get("values"),
            }
            for name, item in listed
        ]
        return Rows(rows, title="項目 / items")

    def tables(self) -> dict[str, pd.DataFrame]:
        """The released tables of a dataset that has tables instead of rows."""
        paths = [
            path
            for path in self.admission.manifest.files
            if path.startswith(TABLES) and path.endswith(".csv")
        ]
        if not paths:
            raise Refused(
                ja="このデータセットは集計表ではありません。frame() で行を読んでください。",
                en="This dataset has rows and no tables; read them with frame().",
            )
        return {
            path.removeprefix(TABLES).removesuffix(".csv"): pd.read_csv(io.BytesIO(self._content(path)))
            for path in sorted(paths)
        }

    def _part(self, name: str) -> Part:
        if f"data/{name}.parquet" not in self.admission.manifest.files:
            raise Refused(
                ja="このデータセットは集計表で、行がありません。tables() で表を読んでください。",
                en="This dataset has tables and no rows; read them with tables().",
            )
        return read_part(self._content, name=name, source=self.source)

    @property
    def _content(self) -> Any:
        return partial(self.admission.manifest.content, self.folder)

    def _repr_html_(self) -> str:
        return Facts(self.facts, title=f"{self.name}@{self.version}", note=SIGNED)._repr_html_()

    def __repr__(self) -> str:
        return f"{self.name}@{self.version}: {self.facts['protection']}, {self.facts['guarantee']}"


SIGNED = "署名と内容を確かめました。 / Signatures and content verified."


def find(folder: Path, name: str) -> Path:
    """
    The mounted folder of `name`, written as name@version; a version may be shortened from the right.

    The newest of those that fit. Raises NotFound, naming what is mounted.
    """
    wanted, _, version = name.partition("@")
    found = [
        (numbers(mounted), path)
        for path in mounts(folder)
        for stem, _, mounted in [path.name.rpartition("-")]
        if stem == wanted and (not version or mounted == version or mounted.startswith(f"{version}."))
    ]
    if not found:
        there = ", ".join(path.name for path in mounts(folder)) or "0"
        raise NotFound(
            ja=f"データセット「{name}」はこの部屋にありません。使えるのは {there} です。",
            en=f"The dataset '{name}' is not in this room; there are: {there}.",
        )
    return max(found)[1]


def mounts(folder: Path) -> list[Path]:
    """The datasets' folders, by name."""
    return sorted(path for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
