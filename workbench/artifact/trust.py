"""The public keys a place trusts, pinned in a file that reaches it by another way than the bundles."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from workbench.artifact.canonical import canonical, parse_canonical
from workbench.artifact.envelope import two_owners_one_key
from workbench.artifact.schemas import TRUST_SCHEMA, expect_schema
from workbench.artifact.tree import read_capped
from workbench.errors import NotFound

if TYPE_CHECKING:
    from workbench.artifact.keys import KeyRing

ADMITTERS = ("role:coordinator", "role:reviewer")
MAX_BYTES = 1 << 20


@dataclass(frozen=True)
class Trusted:
    """Owner → public key; and the demonstration they belong to, None for the real thing."""

    keys: Mapping[str, str]
    demonstration: str | None

    def __post_init__(self) -> None:
        admitters = {self.keys[owner] for owner in ADMITTERS if owner in self.keys}
        if len(admitters) < len(ADMITTERS):
            raise two_owners_one_key()

    @classmethod
    def of(cls, ring: "KeyRing") -> "Trusted":
        """What the holder of these keys trusts: the keys of the two roles that admit."""
        return cls({owner: ring.public(owner) for owner in ADMITTERS}, ring.demonstration)

    @classmethod
    def load(cls, path: Path) -> "Trusted":
        """The keys pinned in a file written by `workbench key trust`."""
        if not path.exists():
            raise NotFound(
                ja=f"信頼する鍵の一覧 {path.name} がありません。workbench key trust で書き出したものを置いてください。",
                en=f"There is no list of trusted keys {path.name}; put there what 'workbench key trust' wrote.",
            )
        value = parse_canonical(read_capped(path, limit=MAX_BYTES), name=path.name)
        expect_schema(value, TRUST_SCHEMA, name=path.name)
        return cls(value["keys"], value["demonstration"])

    def to_json(self) -> bytes:
        """The file's content."""
        return canonical(
            {
                "schema": "workbench-trust/1",
                "demonstration": self.demonstration,
                "keys": dict(self.keys),
            }
        )

    @property
    def admitters(self) -> dict[str, str]:
        """The keys of the two roles that admit together."""
        return {owner: self.keys[owner] for owner in ADMITTERS}
