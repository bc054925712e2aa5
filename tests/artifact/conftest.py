"""A bundle as it leaves review: sealed, admitted by both roles, with what a place needs to verify it."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from workbench.artifact.admission import admission
from workbench.artifact.keys import KeyRing
from workbench.artifact.manifest import ENVELOPE, Manifest, seal
from workbench.artifact.signing import sign
from workbench.artifact.verifying import ADMITTERS, Admission, Trusted, verify_bundle
from workbench.home import Home

NOW = datetime(2026, 4, 1, 9, 0, tzinfo=UTC)


def write_files(folder: Path, *, content: str = "a,b\n1,2\n") -> Path:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "train.csv").write_text(content)
    (folder / "dictionary.json").write_text("{}")
    return folder


@dataclass
class Bundle:
    """A signed bundle and the house that signed it."""

    folder: Path
    manifest: Manifest
    ring: KeyRing

    @property
    def trusted(self) -> Trusted:
        return Trusted.of(self.ring)

    @property
    def statement(self):
        return admission(
            self.manifest,
            request="R-1",
            purpose="school-attendance",
            report="0" * 64,
            votes=[{"person": "sato", "role": "reviewer", "envelope": "1" * 64}],
            admitted_at=NOW,
            valid_until=NOW + timedelta(days=365),
            policy="2" * 64,
            home="home",
        )

    def signed(self, *owners: str, statement=None) -> "Bundle":
        """Write the envelope with the signatures of `owners`."""
        envelope = sign(statement or self.statement, [self.ring.signer(owner) for owner in owners])
        (self.folder / ENVELOPE).write_bytes(envelope)
        return self

    def verify(self, **changes) -> Admission:
        return verify_bundle(self.folder, **({"trusted": self.trusted, "now": NOW} | changes))


def ring_of(home: Home) -> KeyRing:
    ring = KeyRing.of(home)
    for owner in ADMITTERS:
        ring.ensure(owner)
    return ring


def sealed(folder: Path, ring: KeyRing, **changes) -> Bundle:
    fields = {
        "kind": "dataset",
        "name": "child-year",
        "version": "1.0.0",
        "meta": {"protection": "anonymised"},
    }
    manifest = seal(folder, **(fields | {"demonstration": ring.demonstration} | changes))
    return Bundle(folder, manifest, ring)


@pytest.fixture
def ring(home) -> KeyRing:
    return ring_of(home)


@pytest.fixture
def bundle(tmp_path, ring) -> Bundle:
    """A bundle both roles have signed."""
    return sealed(write_files(tmp_path / "bundle"), ring).signed(*ADMITTERS)


@pytest.fixture
def demonstrated(tmp_path, demonstration) -> Bundle:
    """The same, of a demonstration."""
    return sealed(write_files(tmp_path / "shown"), ring_of(demonstration)).signed(*ADMITTERS)


@pytest.fixture
def make(tmp_path, ring):
    """`make(name, content=…)`: another bundle of the same house, sealed and not yet signed."""
    return lambda name, content="x", **changes: sealed(
        write_files(tmp_path / name, content=content), ring, **changes
    )


@pytest.fixture
def now() -> datetime:
    return NOW
