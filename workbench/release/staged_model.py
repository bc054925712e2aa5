"""
A model candidate as the checks see it: its files, and the admitted release it says it was trained on.

Nothing in a candidate is run. It is read by the closed readers of the scoring stage, and whatever can be
made again in this room is made again and compared.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from workbench.artifact.canonical import canonical, sha256
from workbench.audit import Event
from workbench.errors import NotFound, WorkbenchError
from workbench.release import requests
from workbench.release.catalogue import catalogue
from workbench.release.room import Room
from workbench.release.shelf import Opened
from workbench.release.staged import ALIGNMENT, PART, RECIPE, Rows
from workbench.riskflag import export
from workbench.riskflag.define import Definition
from workbench.riskflag.estimators import rebuilt
from workbench.riskflag.evaluate import digest_of
from workbench.riskflag.membership import Pool, pool
from workbench.riskflag.part import Part, Source, read_part
from workbench.riskflag.population import Considered, considered
from workbench.riskflag.train import train
from workbench.scoring import engine, plain_json
from workbench.scoring.model import Model
from workbench.scoring.scorer import RECODE, Scorer

# A column that no release has: whose household a training row is.
HOUSEHOLD = "\0household"


@dataclass(frozen=True)
class Candidate:
    """A model candidate in its staging folder."""

    bundle: Path
    evidence: Path
    room: Room
    version: str
    now: datetime

    @cached_property
    def scorer(self) -> Scorer:
        return Scorer.open(self.bundle)

    @cached_property
    def read(self) -> tuple[Definition, Model, Mapping[str, Any]]:
        return export.read_candidate(self.bundle)

    @property
    def definition(self) -> Definition:
        return self.read[0]

    @property
    def model(self) -> Model:
        return self.read[1]

    @property
    def claimed(self) -> Mapping[str, Any]:
        """The evaluation the notebook handed in."""
        return self.read[2]

    @cached_property
    def training(self) -> Mapping[str, Any]:
        """How the notebook says it was trained."""
        found: Mapping[str, Any] = self.document(export.DEFINITION)["training"]
        return found

    @property
    def guarantee(self) -> Mapping[str, Any] | None:
        """The guarantee of differential privacy that the candidate claims for itself."""
        claimed: Mapping[str, Any] | None = self.training.get("guarantee")
        return claimed

    @cached_property
    def trained_here(self) -> bool:
        """Whether the log says that this very model was trained under differential privacy in this room."""
        return bool(self._trainings)

    @property
    def as_trained_here(self) -> bool:
        """Whether it was, under the guarantee it claims and in the recoding of the release it names."""
        told = {
            "guarantee": sha256(canonical(self.guarantee)),
            "release": self.lineage["dataset"]["digest"],
        }
        return any(told.items() <= details.items() for details in self._trainings)

    @cached_property
    def _trainings(self) -> list[Mapping[str, Any]]:
        model = digest_of(self.model)
        records = self.room.state.log.of_kind(Event.MODEL_TRAINED)
        return [record["details"] for record in records if record["details"]["model"] == model]

    @cached_property
    def lineage(self) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.document(export.LINEAGE)
        return found

    def document(self, path: str) -> Any:
        return plain_json.read((self.bundle / path).read_bytes(), name=path)

    @cached_property
    def dataset(self) -> Opened:
        """The release it names, verified, found by digest in the catalogue. Raises NotFound, Untrusted."""
        named = self.lineage["dataset"]
        shelved = catalogue(self.room.home, self.room.state)
        entry = next((entry for entry in shelved.every() if entry.manifest == named["digest"]), None)
        if entry is None:
            raise NotFound(
                ja="学習に使ったという公開データが、カタログにありません。",
                en="The release it says it was trained on is not in the catalogue.",
            )
        return shelved.open(entry.id, now=self.now)

    @cached_property
    def source(self) -> Source:
        """The release as a notebook sees it, from the catalogue and not from the candidate."""
        entry = self.dataset.entry
        return Source(
            name=entry.name,
            version=entry.version,
            digest=entry.manifest,
            purpose=entry.purpose,
            protection=entry.protection,
            report=entry.report,
        )

    @cached_property
    def train(self) -> Part:
        return self.part("train")

    @cached_property
    def test(self) -> Part:
        return self.part("test")

    def part(self, name: str) -> Part:
        """A part of the release, its bytes checked as they are read."""
        opened = self.dataset
        return read_part(
            partial(opened.admission.manifest.content, opened.folder), name=name, source=self.source
        )

    def same_recoding(self) -> bool:
        """Whether the candidate carries its release's recoding to the byte."""
        recipe = self.dataset.folder / RECIPE
        return recipe.is_file() and recipe.read_bytes() == (self.bundle / RECODE).read_bytes()

    @cached_property
    def evaluated(self) -> dict[str, Any]:
        """The evaluation run again here, with the smallest cell the candidate says it used."""
        least = self.claimed["min_cell"]
        return export.evaluated_again(self.bundle, train=self.train, test=self.test, min_cell=least)

    @cached_property
    def trained_again(self) -> Model:
        """The model that the candidate's own settings give on its release."""
        return self.refit(self.train)

    def refit(self, part: Part, *, definition: Definition | None = None) -> Model:
        """The model that the candidate's own settings give on `part`; for another definition where one is given."""
        said = self.training
        return train(
            definition or self.definition,
            part,
            rebuilt(said["estimator"], said["parameters"]),
            features=said["features"],
            edges=said["edges"],
            min_cell=said["min_cell"],
            seed=said["seed"],
        )[0]

    @cached_property
    def repeats(self) -> bool:
        """Whether its own settings give the same points again, so that they are what made it."""
        if self.guarantee is not None:
            return False
        try:
            return digest_of(self.trained_again) == digest_of(self.model)
        except (WorkbenchError, TypeError, ValueError, KeyError):
            return False

    @property
    def is_post_processing(self) -> bool:
        """Whether it is proved to say nothing that its admitted, anonymised release does not say."""
        return self.source.protection == "anonymised" and self.repeats

    @cached_property
    def households(self) -> "pd.Series[Any] | None":
        """The household of each training row; None where it is not to be had any more."""
        return self.households_of(self.train.name)

    def households_of(self, part: str) -> "pd.Series[Any] | None":
        """The household of each row of a part; None where it is not to be had any more."""
        if self.origin is None or self.origin.households is None:
            return None
        here = (self.origin.released[PART] == part).to_numpy()
        return self.origin.households[here].reset_index(drop=True)

    @cached_property
    def pool(self) -> Pool:
        """The rows of both parts that the flag considers, by household where that is known."""
        both = [self.households_of(part.name) for part in (self.train, self.test)]
        homes = None if both[0] is None or both[1] is None else (both[0], both[1])
        return pool(self.definition, self.train, self.test, homes=homes)

    @cached_property
    def origin(self) -> Rows | None:
        """The release with its evidence, which stayed in this room; None where its source is another by now."""
        with self.room.state.reading() as connection:
            request = requests.find(connection, self.dataset.entry.request)
        rows = Rows(self.dataset.folder, request.evidence(self.room.home), self.room)
        whole = (rows.evidence / ALIGNMENT).exists() and rows.source_digest == rows.secret["source"]
        return rows if whole else None

    @cached_property
    def cells(self) -> pd.DataFrame:
        """
        Training rows, households and rows with the outcome behind whatever the model tells rows apart by.

        Levels with the same points are one cell, for the model cannot tell them apart; so is a leaf of a tree.
        """
        frame = self.train.frame
        marked = frame if self.households is None else frame.assign(**{HOUSEHOLD: self.households.to_numpy()})
        among = considered(self.definition, replace(self.train, frame=marked))
        places = engine.score(self.model, among.part.table(self.model.items)).places
        found = [self._cells_of(name, cell, among) for name, cell in engine.cells(self.model, places)]
        return pd.concat(found, ignore_index=True)

    def _cells_of(self, name: str, cell: engine.Integers, among: Considered) -> pd.DataFrame:
        frame = among.part.frame
        homes = frame[HOUSEHOLD].to_numpy() if HOUSEHOLD in frame else np.arange(len(frame))
        rows = pd.DataFrame({"points": cell, "household": homes, "outcome": among.labels})
        grouped = rows.groupby("points")
        return pd.DataFrame(
            {
                "feature": name,
                "rows": grouped.size(),
                "households": grouped["household"].nunique(),
                "positives": grouped["outcome"].sum(),
            }
        ).reset_index()
