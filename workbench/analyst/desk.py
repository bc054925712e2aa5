"""
The analyst's desk: what is admitted, what may be asked, what was submitted.

Who and where come from the sandbox; a notebook configures nothing.
"""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workbench.analyst.datasets import Dataset, find, mounts
from workbench.analyst.display import Facts, Rows
from workbench.analyst.gateway import Gateway
from workbench.analyst.notebook import digest_of_notebook
from workbench.analyst.questions import Asking
from workbench.artifact.verifying import Trusted, verify_bundle
from workbench.errors import Unprotected, Untrusted
from workbench.riskflag.export import candidate_files
from workbench.riskflag.flag import FittedFlag
from workbench.riskflag.page import Report

TRUST = "WORKBENCH_TRUST"
DATASETS = Path("/datasets")


@dataclass(frozen=True)
class Desk:
    """One analyst's desk, with the keys it trusts, the datasets mounted, and the gateway."""

    gateway: Gateway
    trusted: Trusted
    mounted: Path

    def datasets(self) -> Rows:
        """What is admitted and mounted: name, version, protection, guarantee, expiry."""
        return Rows(
            [self._facts(path) for path in mounts(self.mounted)], title="使えるデータ / admitted datasets"
        )

    def dataset(self, name: str) -> Dataset:
        """Open an admitted dataset, written as name@version. Raises Untrusted unless it verifies."""
        return self._opened(find(self.mounted, name))

    def ask(self, dataset: str) -> Asking:
        """Ask about a dataset that is answered with noise and never shown."""
        return Asking(self.gateway, dataset)

    def budget(self, dataset: str) -> Facts:
        """What was granted for a dataset, what is spent, what remains."""
        return Facts(
            self.gateway.ask("budget", dataset=dataset), title=f"プライバシー予算 / privacy budget: {dataset}"
        )

    def submit(
        self, model: FittedFlag, report: Report, *, version: str, why: str, notebook: Path | None = None
    ) -> Facts:
        """
        Hand in a model for review, with its evaluation. Nothing leaves before two people agree.

        What was run in this notebook is named by its digest; `notebook` names a file instead.
        """
        notebook_digest = digest_of_notebook(notebook)
        files = candidate_files(model, report, version=version, notebook=notebook_digest)
        result = self.gateway.ask(
            "submit",
            name=model.definition.name,
            version=version,
            why=why,
            files=files,
            notebook=notebook_digest,
        )
        return Facts(result, title=f"{model.definition.name} {version}", note=IN_REVIEW)

    def want(self, kind: str, *, why: str, dataset: str | None = None, about: str | None = None) -> Facts:
        """
        Ask the coordinating body for data: `kind` is "dataset", "item" or "refresh".

        `about` says in words what is wanted (not for a refresh); an item and a refresh name their `dataset`.
        """
        result = self.gateway.ask("want", kind=kind, why=why, dataset=dataset, about=about)
        return Facts(result, title=result["request"], note=WANTED)

    def wanted(self) -> Rows:
        """What you asked for, and what was answered."""
        return Rows(self.gateway.ask("wanted"), title="データの依頼 / requests for data")

    def requests(self) -> Rows:
        """Your requests and where they stand."""
        return Rows(self.gateway.ask("requests"), title="申請 / requests")

    def _opened(self, folder: Path) -> Dataset:
        return Dataset(folder, verify_bundle(folder, trusted=self.trusted, now=datetime.now(UTC)))

    def _facts(self, folder: Path) -> dict[str, Any]:
        try:
            return self._opened(folder).facts
        except Untrusted as error:
            return {"name": folder.name, "guarantee": {"ja": error.ja, "en": error.en}}


IN_REVIEW = "審査に出しました。desk.requests() で進み具合を確かめられます。 / In review; see desk.requests()."
WANTED = "総括管理主体に送りました。desk.wanted() で回答を確かめられます。 / Sent; see desk.wanted()."


def open_desk() -> Desk:
    """The desk of this kernel. Raises Unprotected outside the analyst's room."""
    trust = os.environ.get(TRUST)
    if not trust:
        raise Unprotected(
            ja="信頼する鍵の一覧がありません。workbench lab で開いたノートブックで実行してください。",
            en="There are no trusted keys here; run this in a notebook opened by 'workbench lab'.",
        )
    return Desk(gateway=Gateway.here(), trusted=Trusted.load(Path(trust)), mounted=DATASETS)
