"""Whose signatures an envelope carries; the statement is read only after they hold."""

import base64
import binascii
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import UnverifiedSignatureError
from securesystemslib.signer import Signature, SSlibKey  # type: ignore[attr-defined]

from workbench.artifact.canonical import parse_canonical
from workbench.artifact.schemas import ENVELOPE_SCHEMA, expect_schema
from workbench.errors import Untrusted

NAME = "DSSE"


def verify_statement(envelope: bytes, keys: Mapping[str, str], threshold: int) -> dict[str, Any]:
    """
    The statement that at least `threshold` of the owners in `keys` (owner: public key) have signed.

    An owner counts once, however often the key signed; two owners with one key are refused.
    """
    if not 0 < threshold <= len(keys) or len(set(keys.values())) < len(keys):
        raise two_owners_one_key()
    payload, signatures = opened(envelope)
    signed = {owner for owner, public in keys.items() if has_signed(public, payload, signatures)}
    if len(signed) < threshold:
        raise too_few(len(signed), needed=threshold, present=len(signatures))
    statement: dict[str, Any] = parse_canonical(payload.payload, name=NAME)
    return statement


def opened(content: bytes) -> tuple[Envelope, list[Signature]]:
    """The envelope's bytes to verify and its signatures; the payload stays unread."""
    value = parse_canonical(content, name=NAME)
    expect_schema(value, ENVELOPE_SCHEMA, name=NAME)
    try:
        payload = base64.b64decode(value["payload"], validate=True)
    except (binascii.Error, ValueError):
        raise Untrusted(
            ja="署名の封筒の中身を読めません。作成元から受け取り直してください。",
            en="The signed envelope's payload cannot be decoded; obtain it again from its source.",
        ) from None
    signatures = [
        Signature(entry["keyid"], base64.b64decode(entry["sig"]).hex()) for entry in value["signatures"]
    ]
    return Envelope(payload, value["payloadType"], {}), signatures


def has_signed(public: str, payload: Envelope, signatures: list[Signature]) -> bool:
    """Whether one of the signatures is this key's, over exactly these bytes."""
    key = SSlibKey.from_crypto(Ed25519PublicKey.from_public_bytes(bytes.fromhex(public)))
    for signature in signatures:
        with suppress(UnverifiedSignatureError):
            key.verify_signature(signature, payload.pae())
            return True
    return False


def too_few(signed: int, *, needed: int, present: int) -> Untrusted:
    """Why the signatures are not enough: none at all, none of ours, or some missing."""
    if not present:
        return unsigned()
    if not signed:
        return Untrusted(
            ja="署名が、登録された鍵のものではありません。別のホームや実演用のもの、または内容が変わったものは使えません。",
            en="The signatures are not by the keys trusted here: what comes from another home or a demonstration, or was changed after signing, is not used.",
        )
    return Untrusted(
        ja=f"必要な {needed} 者の署名のうち、{signed} 者の署名しかありません。残りの担当者の署名を受けてください。",
        en=f"Only {signed} of the {needed} signatures needed are there; have the others sign.",
    )


def unsigned() -> Untrusted:
    return Untrusted(
        ja="署名がありません。審査を経て署名されたものだけを使えます。",
        en="There is no signature; only what was reviewed and signed is used.",
    )


def two_owners_one_key() -> Untrusted:
    return Untrusted(
        ja="登録された鍵が足りないか、二者が同じ鍵を使っています。信頼する鍵の一覧を作り直してください。",
        en="Too few keys are trusted, or two owners share one key; make the list of trusted keys anew.",
    )
