"""
Models trained in the coordinating body's room: what one costs, a rehearsal, a training.

A notebook sends words and public numbers; the model comes back as a table of integers. The release that is
named gives the recoding, the dictionary and the rows for threshold and rehearsal; it is verified anew, and
which households it holds back for evaluation are not trained on.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.parquet as pq

from workbench.artifact.canonical import canonical, sha256
from workbench.audit import Event
from workbench.errors import NotFound, Refused
from workbench.governance.charter import Project
from workbench.governance.settings import policy_in_force
from workbench.lab.gateway.questions import project_asked
from workbench.privacy.dp.ledger import Ledger
from workbench.privacy.dp.loss import Loss
from workbench.privacy.dp.models import training
from workbench.privacy.dp.models.rows import Protected
from workbench.privacy.dp.models.training import Trained
from workbench.privacy.dp.models.wish import Wish, from_request
from workbench.privacy.dp.terms import Use
from workbench.release import requests
from workbench.release.catalogue import mounts
from workbench.release.examination import room_for
from workbench.release.shelf import Opened
from workbench.release.staged import ALIGNMENT
from workbench.release.staged_tables import ledger_name
from workbench.riskflag.evaluate import digest_of
from workbench.riskflag.part import Part, Source, read_part

if TYPE_CHECKING:
    from workbench.lab.session import Session

Request = dict[str, Any]


def price(session: "Session", request: Request) -> dict[str, Any]:
    """What a model would cost, and how many more like it the budget holds. Nothing is read or spent."""
    asked = Asked.of(session, request)
    cost = training.price(asked.wish, released=asked.released)
    return {**cost.to_json(), "how_many_more": asked.how_many_more(cost.loss)}


def rehearse(session: "Session", request: Request) -> dict[str, Any]:
    """The same training on the admitted rows, for nothing."""
    asked = Asked.of(session, request)
    order = session.home.generator(f"rehearse {asked.described}")
    return told(training.rehearse(asked.wish, released=asked.released, order=order))


def train(session: "Session", request: Request) -> dict[str, Any]:
    """The model, trained on the protected table: charged first, kept charged whatever happens."""
    asked = Asked.of(session, request)
    home = session.home
    made = training.answer(
        asked.wish,
        table=asked.table,
        protected=asked.protected,
        released=asked.released,
        charge=asked.charge,
        order=home.generator(f"train {asked.described}"),
        demonstration=home.entropy(f"noise {asked.described}") if home.is_demonstration else None,
    )
    guarantee = dict(made.training.guarantee or {})
    session.record(
        Event.MODEL_TRAINED,
        model=digest_of(made.model),
        question=guarantee["charge"],
        guarantee=sha256(canonical(guarantee)),
        release=asked.released.source.digest,
    )
    return told(made)


def told(made: Trained) -> dict[str, Any]:
    """All that crosses of a training."""
    return {"model": made.model.to_json(), "training": made.training.to_json()}


@dataclass(frozen=True)
class Asked:
    """A request that is understood: who asks, for which project, for what, on which release."""

    session: "Session"
    project: Project
    wish: Wish
    opened: Opened

    @classmethod
    def of(cls, session: "Session", request: Request) -> "Asked":
        """Refused, NotFound or unusable, in a sentence about the request and public things alone."""
        project = project_asked(session, request)
        wish = from_request(request.get("wish"))
        return cls(session, project, wish, opened(session, request.get("like")))

    @property
    def described(self) -> str:
        return f"{self.session.analyst} {sha256(canonical(self.wish.to_json()))}"

    @cached_property
    def released(self) -> Part:
        """The training part of the release, its bytes checked as they are read."""
        manifest = self.opened.admission.manifest
        if "data/train.parquet" not in manifest.files:
            raise Refused(
                ja="like には、行のある受入済みデータセット（匿名化または合成）を指定してください。",
                en="In like name an admitted dataset that has rows (anonymised or synthetic).",
            )
        source = Source.of(manifest, purpose=self.opened.admission.purpose)
        return read_part(partial(manifest.content, self.opened.folder), name="train", source=source)

    @cached_property
    def protected(self) -> Protected:
        """The unit, and what the release keeps for evaluation: fixed when it was admitted."""
        unit = self.project.household or self.project.person
        if unit is None:
            raise Refused(
                ja="保護の単位（世帯または人）の列が事業計画にないため、学習できません。",
                en="The charter names no household or person, so there is no unit for differential privacy.",
            )
        key = "household" if self.project.household else "person"
        with self.session.state.reading() as connection:
            found = requests.find(connection, self.opened.entry.request)
        lines = pq.read_table(found.evidence(self.session.home) / ALIGNMENT).to_pandas()
        return Protected(
            household=unit,
            time=self.project.time,
            before=self.project.public_period,
            held_back=frozenset(lines.loc[lines["held_back"], key].dropna()),
        )

    def table(self) -> pd.DataFrame:
        """The protected rows."""
        session = self.session
        room = room_for(
            self.project.purpose,
            home=session.home,
            state=session.state,
            policy=policy_in_force(session.state),
        )
        return room.raw.get(self.project.source)

    def charge(self, loss: Loss, question: Mapping[str, Any]) -> AbstractContextManager[str]:
        return self._ledger.charge(self.budget, loss=loss, question=question, use=Use.MODEL, **self._asker)

    def how_many_more(self, loss: Loss) -> int:
        return self._ledger.how_many_more(self.budget, loss, use=Use.MODEL, **self._asker)

    @property
    def budget(self) -> str:
        """The name that the source's budget is kept under."""
        return ledger_name(self.project)

    @property
    def _ledger(self) -> Ledger:
        return Ledger(self.session.state)

    @property
    def _asker(self) -> dict[str, str]:
        return {"analyst": self.session.analyst, "purpose": self.project.purpose}


def opened(session: "Session", like: Any) -> Opened:
    """The mounted release that is named as NAME-VERSION, verified now."""
    found = mounts(
        session.home,
        session.state,
        analyst=session.analyst,
        purpose=session.project,
        now=now(),
    )
    if not isinstance(like, str) or like not in found or like not in session.datasets:
        raise NotFound(
            ja="like のデータセットはこの部屋にありません。desk.dataset(…) で開いたものを渡してください。",
            en="The dataset in like is not in this room; hand in one opened with desk.dataset(...).",
        )
    return found[like]


def now() -> datetime:
    return datetime.now(UTC)
