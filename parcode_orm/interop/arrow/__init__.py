"""Rows of Arrow, of Polars, pandas, DuckDB and Parquet, in and out."""

from __future__ import annotations

from .incoming import from_arrow, from_pandas, from_parquet, from_polars
from .outgoing import to_parquet
from .scanning import scan_parcode

__all__ = ["from_arrow", "from_pandas", "from_parquet", "from_polars", "scan_parcode", "to_parquet"]
