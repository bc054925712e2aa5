"""What a holder sends, as a header and cells of text: separated text or Parquet."""

from workbench.data.extract.source import Source, open_source

__all__ = ["Source", "open_source"]
