"""Rows as Parquet, and files as sources that Polars reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from ...codec.classes.names import name_of
from ...errors import MissingExtraError, NoResultFound, QueryError, StorageError, called, told
from ...lazy.proxy import plain_class
from ...query.statements.statement import select
from ...session import Session
from ...storage.paths import AnyPath, LocalPath, Remote, is_remote
from ..exporting import replacing
from ..formats import pyarrow
from .predicates import condition_of

TOGETHER = 65_536  # rows that Polars is given at once at least, if there are so many


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


def scan_parcode(path: AnyPath, model: type[Any], *, at: Any = None) -> Any:
    """A `polars.LazyFrame` of the entities of a class. What Polars asks of it, the planner of queries reads.

    Polars hands over the columns that a query names, the number of rows it needs, and its conditions. Comparisons of
    columns with numbers and texts, joined by `&`, `|` and `~`, choose rows here, by indexes and bounds of row groups;
    Polars applies all conditions once more.

    Args:
        path: the file; a URL or a `Remote` for one elsewhere.
        model: the class of the entities.
        at: an earlier commit, as in `Session(path, at=...)`. Each scan reads the newest commit without it.

    Raises:
        MissingExtraError: polars or pyarrow is not installed.
        FileMissingError, CorruptionError, SchemaMismatchError: the file cannot be read as of the class.
        NoResultFound: the file never had entities of the class.
    """
    pyarrow()
    try:
        import polars
        from polars.io.plugins import register_io_source
    except ImportError as problem:
        raise MissingExtraError(
            "scan_parcode() needs polars: install it with pip install 'parcode-orm[polars]'"
        ) from problem
    file: Any = path if isinstance(path, Remote) or is_remote(path) else os.path.abspath(path)

    def read(columns: list[str] | None, predicate: Any, n_rows: int | None, batch_size: int | None) -> Iterator[Any]:
        with Session.open(file, at=at) as session:
            statement = select(model)
            condition = None if predicate is None else condition_of(predicate, model)
            if condition is not None:
                statement = statement.where(condition)
            if n_rows is not None and predicate is None:
                statement = statement.limit(n_rows)
            left = n_rows
            needed = None if columns is None else _with_those_of(columns, predicate)
            least = TOGETHER if n_rows is None else min(TOGETHER, n_rows)
            for table in _together(session.scalars(statement).arrow(needed), least):
                frame = polars.DataFrame(table)
                if predicate is not None:
                    frame = frame.filter(predicate)
                if needed is not None:
                    frame = frame.select(columns)
                if left is not None:
                    frame, left = frame.head(left), left - min(left, len(frame))
                yield frame
                if left == 0:
                    return

    with Session.open(file, at=at) as session:
        rows = session.scalars(select(model))
        if name_of(plain_class(model)) not in session.entities() and not rows.count():
            there = ", ".join(session.entities()) or "none at all"
            raise NoResultFound(f"{path} has no entities of {model.__qualname__}: it has {there}")
        empty = rows.arrow().schema.empty_table()
    return register_io_source(read, schema=polars.DataFrame(empty).schema, validate_schema=False)


def _together(batches: Iterable[Any], least: int) -> Iterator[Any]:
    """Batches as tables of `least` rows and more, but for the last: a table costs Polars the same, however small."""
    arrow = pyarrow()
    waiting: list[Any] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        if rows >= least:
            yield arrow.Table.from_batches(waiting)
            waiting, rows = [], 0
    if waiting:
        yield arrow.Table.from_batches(waiting)


def _with_those_of(columns: list[str], predicate: Any) -> list[str]:
    """The columns that are asked for, and those that a condition names."""
    named = [] if predicate is None else predicate.meta.root_names()
    return list(dict.fromkeys([*columns, *named]))
