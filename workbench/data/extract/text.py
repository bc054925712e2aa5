"""Bytes to text: UTF-8 with or without a byte-order mark, or CP932, whichever it strictly is."""

import re
from dataclasses import dataclass

import numpy as np

from workbench.errors import Unusable

BOM = b"\xef\xbb\xbf"
# Python decodes these single bytes of CP932 to controls and private characters; no system writes them.
STRAY = re.compile("[\x80\xa0\uf8f0-\uf8f3]")


@dataclass(frozen=True)
class Text:
    """Decoded content and the encoding it was in."""

    content: str
    encoding: str


def decode(content: bytes) -> Text:
    """The text of `content`. Raises Unusable naming line and byte, never the bytes."""
    refuse_nul(content)
    if content.startswith(BOM):
        return Text(strictly(content[len(BOM) :], "utf-8"), "utf-8-sig")
    try:
        return Text(content.decode("utf-8"), "utf-8")
    except UnicodeDecodeError:
        encoding = "utf-8" if is_damaged_utf_8(content) else "cp932"
        return Text(strictly(content, encoding), encoding)


def strictly(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise undecodable(content, error.start, encoding) from None
    if encoding == "cp932" and (stray := STRAY.search(text)):
        raise undecodable(content, len(text[: stray.start()].encode("cp932")), encoding)
    return text


def is_damaged_utf_8(content: bytes) -> bool:
    """
    Whether bytes that are not UTF-8 are nevertheless meant as such.

    Japanese in UTF-8 is three-byte characters with a few broken ones; CP932 read as UTF-8 is broken ones
    with hardly a three-byte character. Without this, a damaged UTF-8 file could pass as CP932 gibberish.
    """
    units = np.frombuffer(content.decode("utf-8", "replace").encode("utf-16-le"), np.uint16)
    broken = int((units == 0xFFFD).sum())
    wide = int((units >= 0x800).sum()) - broken
    return wide > broken


def refuse_nul(content: bytes) -> None:
    position = content.find(b"\0")
    if position >= 0:
        line, byte = place(content, position)
        raise Unusable(
            ja=f"ファイルの {line} 行目 {byte} バイト目に NUL があります。CSV として書き出し直してもらってください。",
            en=f"The file has a NUL at line {line}, byte {byte}; have it written again as CSV.",
        )


def undecodable(content: bytes, position: int, encoding: str) -> Unusable:
    line, byte = place(content, position)
    name = encoding.upper()
    return Unusable(
        ja=f"ファイルの {line} 行目 {byte} バイト目が {name} として読めません。文字コードを確かめ、書き出し直してもらってください。",
        en=f"Line {line}, byte {byte} of the file is not {name}; check the encoding and have it written again.",
    )


def place(content: bytes, position: int) -> tuple[int, int]:
    """Line and byte in the line, both counted from 1."""
    start = content.rfind(b"\n", 0, position) + 1
    return content.count(b"\n", 0, position) + 1, position - start + 1
