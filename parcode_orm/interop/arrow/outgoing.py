"""Rows as Parquet."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...errors import QueryError, StorageError, called, told
from ...storage.paths import LocalPath
from ..exporting import replacing
from ..formats import pyarrow


def to_parquet(
    rows: Any,
    path: LocalPath,
    *,
    columns: Sequence[str] | None = None,
    partition_by: str | Sequence[str] = (),
) -> None:
    """Write rows as Parquet, a row group at a time.

    Args:
        rows: a lazy list or map, or the result of a statement.
        path: a file, which stays as it is if anything fails; with `partition_by` a folder, which has a folder
            `name=value` for each value of these columns.
        columns: the names of the columns; all without it.
        partition_by: the column that tells the folders, or several.

    Raises:
        MissingExtraError: pyarrow is not installed.
        QueryError: there is no such column. EncodeError: as `arrow()` of the rows.
        TypeError: `rows` is no such thing.
        StorageError: it cannot be written there; or the folder holds Parquet files already. A folder keeps what was
            written before an error.
    """
    arrow = pyarrow()
    import pyarrow.dataset as datasets

    if not hasattr(rows, "__arrow_c_stream__") or not hasattr(rows, "arrow"):
        raise TypeError(
            f"to_parquet() takes a lazy list or map, or a result such as session.scalars(select(T)), not {called(rows)}"
        )
    reader = rows.arrow(columns)
    partitions = [partition_by] if isinstance(partition_by, str) else list(partition_by)
    missing = [name for name in partitions if name not in reader.schema.names]
    if missing:
        raise QueryError(f"partition_by: there is no column {told(missing[0])}: {', '.join(reader.schema.names)}")
    if not partitions:
        with (
            replacing(Path(path), force=True) as file,
            arrow.parquet.ParquetWriter(file, reader.schema) as writer,
        ):
            for batch in reader:
                writer.write_batch(batch)
        return
    try:
        if os.path.isdir(path) and any(name.endswith(".parquet") for _, _, names in os.walk(path) for name in names):
            raise StorageError(f"{os.fspath(path)} holds Parquet files: remove it, or give another folder")
        datasets.write_dataset(reader, path, format="parquet", partitioning=partitions, partitioning_flavor="hive")
    except OSError as problem:
        if isinstance(problem, StorageError):
            raise
        raise StorageError(f"{os.fspath(path)} cannot be written: {problem}") from problem
