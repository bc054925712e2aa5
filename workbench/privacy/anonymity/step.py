"""
A step of a recipe: a transformation with its parameters, as a value that can be written down and run again.

Every step takes a table and gives one whose rows stand in no order of the source's. What it needs falls in
two parts: the public one may be read by whoever reads the release, the secret one would help them to undo it.
"""

import hashlib
import secrets
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.errors import Usage
from workbench.privacy.anonymity.content import in_no_order

KEY = "key"
KEY_BYTES = 32


class Step(ABC):
    """
    One transformation, a frozen dataclass. Two steps of equal fields do the same to equal tables.

    SECRET names the fields that stay in the room; a field KEY holds the bytes that draws come from.
    """

    name: ClassVar[str]
    SECRET: ClassVar[tuple[str, ...]] = ()

    def apply(self, frame: pd.DataFrame) -> pd.DataFrame:
        """
        The table after this step, its rows in the order of their words and numbered from 0.

        The same rows in another order give the same table, for a step that draws too: it draws from its own
        key and looks at the rows in their own order. Raises Unusable for a table it does not fit.
        """
        return in_no_order(self.change(in_no_order(frame)))

    @abstractmethod
    def change(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The table after this step; its rows come in the order of their words and may leave in any."""

    def public(self) -> dict[str, Any]:
        """The parameters that may be read with the release, as plain JSON."""
        return {name: value for name, value in self.parts().items() if name not in self.SECRET}

    def secret(self) -> dict[str, Any]:
        """The parameters that stay in the room, as plain JSON."""
        return {name: value for name, value in self.parts().items() if name in self.SECRET}

    def parts(self) -> dict[str, Any]:
        return {field.name: plain(getattr(self, field.name)) for field in fields(self)}  # type: ignore[arg-type]

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Self:
        """The step of its public and secret parameters together. ValueError or TypeError for any others."""
        if parts.keys() != {field.name for field in fields(cls)}:  # type: ignore[arg-type]
            raise ValueError
        return cls(**{name: bytes.fromhex(v) if name == KEY else frozen(v) for name, v in parts.items()})


def plain(value: Any) -> Any:
    """As JSON holds it."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, tuple):
        return [plain(each) for each in value]
    return dict(value) if isinstance(value, Mapping) else value


def frozen(value: Any) -> Any:
    """A list of JSON as the tuple it was."""
    return tuple(frozen(each) for each in value) if isinstance(value, list) else value


def new_key() -> bytes:
    """A key from the operating system. A demonstration hands in bytes of its seed instead."""
    return secrets.token_bytes(KEY_BYTES)


@dataclass(frozen=True)
class Draws:
    """
    Random numbers from a key, the same ones again for the same key and purpose: SHAKE-256 as a stream.

    Whoever does not know the key cannot tell them from chance, which a fast generator does not promise, and
    the room can repeat them. Raises Usage for a key of fewer than 32 bytes.
    """

    key: bytes
    purpose: str

    def __post_init__(self) -> None:
        if len(self.key) < KEY_BYTES:
            raise Usage(
                ja=f"乱数の鍵は {KEY_BYTES} バイト以上にしてください。",
                en=f"A key of random draws has {KEY_BYTES} bytes or more.",
            )

    def whole(self, count: int) -> NDArray[np.uint64]:
        """`count` whole numbers of 64 bits."""
        stream = hashlib.shake_256(self.key + b"\0" + self.purpose.encode()).digest(8 * count)
        return np.frombuffer(stream, dtype=">u8").astype(np.uint64)

    def shares(self, count: int) -> NDArray[np.float64]:
        """`count` numbers of at least 0 and below 1."""
        return np.asarray((self.whole(count) >> np.uint64(11)).astype(np.float64) / 2.0**53)

    def order(self, count: int) -> NDArray[np.int64]:
        """The numbers below `count`, shuffled."""
        return np.argsort(self.whole(count), kind="stable")
