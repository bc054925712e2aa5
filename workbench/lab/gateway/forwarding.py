"""
The forwarder beside a lab on an analysts' host: what the kernel says to its socket goes to the room, and back.

The kernel sees its socket and nothing else. Whom it speaks as is decided by the certificate of that socket,
which lies outside of its world. A question is sent once and never again by itself: it may have been charged.
"""

import json
import socket
import ssl
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from workbench.analyst.gateway import LONGEST, PATIENCE, result_of
from workbench.artifact.canonical import sha256
from workbench.errors import Refused, Unprotected, Untrusted
from workbench.home import Home
from workbench.lab.gateway.candidates import datasets
from workbench.lab.gateway.certificates import Link, client_context, link_of
from workbench.lab.gateway.server import Handler
from workbench.lab.gateway.verbs import VERBS

if TYPE_CHECKING:
    from workbench.lab.session import Session

CONNECT_SECONDS = 10
# Answered on the host itself: what is mounted here is known here.
HERE: Mapping[str, Handler] = {"datasets": datasets}


def far_verbs(home: Home, *, analyst: str, purpose: str) -> dict[str, Handler]:
    """The verbs of a lab on a host: the same names, answered by the room, or by a refusal where there is no link."""
    link = link_of(home)
    if link is None:
        return {**dict.fromkeys(VERBS, not_linked), **HERE}
    tls = client_context(home, analyst=analyst, purpose=purpose, link=link)
    return {**dict.fromkeys(VERBS, partial(forward, link=link, tls=tls)), **HERE}


def forward(_: "Session", request: dict[str, Any], *, link: Link, tls: ssl.SSLContext) -> Any:
    """What the room answers to a request; its refusals are raised as what they are."""
    line = json.dumps(request, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    if len(line) > LONGEST:
        raise Refused(
            ja=f"依頼が大きすぎます（上限 {LONGEST >> 20} MB）。",
            en=f"The request is too large (at most {LONGEST >> 20} MB).",
        )
    return result_of(exchange(line, link=link, tls=tls))


def exchange(line: bytes, *, link: Link, tls: ssl.SSLContext) -> bytes:
    """One line there and one back. Raises Unprotected where the room cannot be reached or takes nothing."""
    try:
        plain = socket.create_connection((link.address, link.port), timeout=CONNECT_SECONDS)
    except OSError:
        raise out_of_reach() from None
    try:
        with plain, tls.wrap_socket(plain) as connection:
            shown = connection.getpeercert(binary_form=True) or b""
            if sha256(shown) != sha256(ssl.PEM_cert_to_DER_cert(link.certificate)):
                raise another_room()
            connection.settimeout(PATIENCE)
            connection.sendall(line)
            with connection.makefile("rb") as reader:
                answer = reader.readline(LONGEST + 1)
    except ssl.SSLCertVerificationError:
        raise another_room() from None
    except OSError:
        raise not_taken() from None
    if not answer:
        raise not_taken()
    return answer


def not_linked(_: "Session", __: dict[str, Any]) -> Any:
    raise Refused(
        ja="この機械は総括側の窓口（gateway）につながっていません。質問や申請は、つながった機械で行ってください。",
        en="This machine is not linked to the coordinating body's gateway; ask and submit on one that is.",
    )


def out_of_reach() -> Unprotected:
    return Unprotected(
        ja="総括側の窓口（gateway）に届きません。通信経路と、総括側の workbench gateway serve が動いているかを確かめてください。",
        en="The coordinating body's gateway cannot be reached; check the network, and that 'workbench gateway serve' runs there.",
    )


def not_taken() -> Unprotected:
    return Unprotected(
        ja="総括側の窓口（gateway）が、この機械の証明書を受け付けないか、途中で切れました。証明書の登録と期限を総括側に確かめてください。",
        en="The coordinating body's gateway does not take this machine's certificate, or broke off; check there that it is admitted and in date.",
    )


def another_room() -> Untrusted:
    return Untrusted(
        ja="つながった先は、登録した総括側の窓口ではありません（証明書が違うか期限切れ）。質問は送っていません。総括側に確かめてください。",
        en="What answered is not the gateway that was pinned (another certificate, or one past its end); nothing was sent. Check with the coordinating body.",
    )
