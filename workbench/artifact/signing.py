"""
Putting a name to a statement: a DSSE envelope with one Ed25519 signature per signer; or to a plain text.

Imported only where people's decisions become signatures; never by anything that runs in a kernel.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from securesystemslib.dsse import Envelope
from securesystemslib.signer import Signer  # type: ignore[attr-defined]

from workbench.artifact.canonical import canonical
from workbench.artifact.schemas import PAYLOAD_TYPE


def sign(statement: Mapping[str, Any], signers: Iterable[Signer]) -> bytes:
    """The envelope of `statement`, signed by each of `signers`."""
    envelope = Envelope(canonical(dict(statement)), PAYLOAD_TYPE, {})
    for signer in signers:
        envelope.sign(signer)
    if not envelope.signatures:
        raise ValueError("nobody signs")
    return canonical(envelope.to_dict())


def sign_text(content: bytes, signer: Signer) -> bytes:
    """The bare signature of `content`, for formats that say themselves what was signed."""
    return bytes.fromhex(signer.sign(content).signature)
