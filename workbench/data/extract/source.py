"""Opening an extract: which format it is, by its first bytes and its name, never by guessing from cells."""

import hashlib
from pathlib import Path

from workbench.data.extract.parquet import PARQUET, open_parquet
from workbench.data.extract.separated import open_separated
from workbench.data.extract.shape import Source
from workbench.data.extract.text import decode
from workbench.errors import NotFound, Unusable

__all__ = ["Source", "open_source"]

# First bytes of what offices send by mistake.
FOREIGN = {
    b"PK\x03\x04": ("Excel ブックか ZIP", "an Excel workbook or a ZIP archive"),
    b"\xd0\xcf\x11\xe0": ("古い形式の Excel ブック", "an Excel workbook of the old form"),
    b"\xff\xfe": ("UTF-16 の文書", "UTF-16 text"),
    b"\xfe\xff": ("UTF-16 の文書", "UTF-16 text"),
    b"\x1f\x8b": ("gzip で圧縮したもの", "compressed with gzip"),
    b"%PDF": ("PDF", "a PDF"),
}


def open_source(path: Path) -> Source:
    """Read an extract's header. Raises NotFound, Unusable."""
    content = read_bytes(path)
    refuse_foreign(content)
    digest = hashlib.sha256(content).hexdigest()
    if content.startswith(PARQUET) or path.suffix.lower() == ".parquet":
        return open_parquet(content, sha256=digest)
    return open_separated(decode(content), sha256=digest)


def read_bytes(path: Path) -> bytes:
    try:
        # A pipe or a device has no end that could be waited for.
        if path.exists() and not path.is_file():
            raise IsADirectoryError
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(
            ja="取り込むファイルが見つかりません。場所を確かめてください。",
            en="The file to take in was not found; check where it is.",
        ) from None
    except (IsADirectoryError, PermissionError):
        raise Unusable(
            ja="取り込むファイルを開けません。普通のファイルであること、読む権限があることを確かめてください。",
            en="The file to take in cannot be opened; check that it is a regular file and may be read.",
        ) from None
    if not content.strip(b"\xef\xbb\xbf \t\r\n"):
        raise Unusable(
            ja="ファイルが空です。保有元に送り直してもらってください。",
            en="The file is empty; ask its holder to send it again.",
        )
    return content


def refuse_foreign(content: bytes) -> None:
    for first_bytes, (ja, en) in FOREIGN.items():
        if content.startswith(first_bytes):
            raise Unusable(
                ja=f"ファイルは{ja}です。CSV（UTF-8 か CP932）か Parquet で保存し直してください。",
                en=f"The file is {en}; save it as CSV (UTF-8 or CP932) or Parquet.",
            )
