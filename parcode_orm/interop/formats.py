"""The formats of exports and imports: their names, and the libraries that they need."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import MissingExtraError, told

FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".json": "jsonl", ".csv": "csv", ".parquet": "parquet"}


def format_of(path: str, given: str | None) -> str:
    """The format that was given, or else the one of the path's suffix.

    Raises:
        ValueError: there is no such format.
    """
    found = given if given is not None else FORMATS.get(Path(path).suffix.lower(), "")
    if found in FORMATS.values():
        return found
    if given is not None:
        raise ValueError(f"no format is called {told(given)}: use jsonl, csv or parquet")
    raise ValueError(f"the name of {path} does not tell its format: give --format jsonl, csv or parquet")


def pyarrow() -> Any:
    """The module pyarrow, with its Parquet.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as problem:
        raise MissingExtraError(
            "Arrow and Parquet need pyarrow: install it with pip install 'parcode-orm[arrow]'"
        ) from problem
    return pyarrow


def has_maps(tp: Any) -> bool:
    """Whether values of a type may be dictionaries of any keys, or hold such."""
    arrow = pyarrow()
    if arrow.types.is_map(tp) or isinstance(tp, arrow.BaseExtensionType):
        return True
    if arrow.types.is_dictionary(tp):
        return has_maps(tp.value_type)
    return any(has_maps(tp.field(i).type) for i in range(tp.num_fields))
