"""Files and datasets as sources that Polars reads."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from ...codec.classes.names import name_of
from ...errors import FileMissingError, MissingExtraError, NoResultFound, NotAFileError, QueryError
from ...lazy.proxy import plain_class
from ...query.statements.statement import select
from ...session import Session
from ...storage.paths import AnyPath, Remote, is_remote
from ..formats import pyarrow
from .predicates import condition_of
from .reading import columns_of

TOGETHER = 65_536  # rows that Polars is given at once at least, if there are so many


def scan_parcode(path: AnyPath, model: type[Any], *, at: Any = None) -> Any:
    """A `polars.LazyFrame` of entities, or of the rows of a dataset. What Polars asks of it, the planner reads.

    Polars hands over the columns that a query names, the number of rows it needs, and its conditions. Comparisons of
    columns with numbers and texts, joined by `&`, `|` and `~`, choose rows here, by indexes and bounds of row groups,
    and parts of a dataset; Polars applies all conditions once more.

    Args:
        path: the file, or the folder of a dataset; a URL or a `Remote` for one elsewhere.
        model: the class of the rows.
        at: an earlier commit of a file, as in `Session(path, at=...)`. Each scan reads the newest commit without it.

    Raises:
        MissingExtraError: polars or pyarrow is not installed.
        FileMissingError, CorruptionError, SchemaMismatchError: the file cannot be read as of the class.
        NoResultFound: the file never had entities of the class.
        QueryError: `at` of a dataset, which has no commits.
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
    opened = _file
    try:
        empty = _empty(file, model, at)
    except (FileMissingError, NotAFileError) as problem:
        is_folder = isinstance(problem, NotAFileError) and (is_remote(file) or os.path.isdir(file))
        if not is_folder and _datasets().place_of(file).manifest() is None:
            raise
        if at is not None:
            raise QueryError(f"{path} is a dataset, and has no earlier commits: leave at= out") from None
        opened = _dataset
        with _dataset(file, model, None) as (source, statement):
            empty = source.scalars(statement).arrow().schema.empty_table()

    def read(columns: list[str] | None, predicate: Any, n_rows: int | None, batch_size: int | None) -> Iterator[Any]:
        with opened(file, model, at) as (source, statement):
            condition = None if predicate is None else condition_of(predicate, model)
            if condition is not None:
                statement = statement.where(condition)
            if n_rows is not None and predicate is None:
                statement = statement.limit(n_rows)
            left = n_rows
            needed = None if columns is None else _with_those_of(columns, predicate)
            least = TOGETHER if n_rows is None else min(TOGETHER, n_rows)
            rows = source.scalars(statement)
            found, parts = columns_of(rows, needed)
            for table in _together(found.reader(rows, parts, joined=True), least):
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

    return register_io_source(read, schema=polars.DataFrame(empty).schema, validate_schema=False)


@contextmanager
def _file(file: Any, model: Any, at: Any) -> Iterator[tuple[Any, Any]]:
    with Session.open(file, at=at) as session:
        yield session, select(model)


@contextmanager
def _dataset(file: Any, model: Any, at: Any) -> Iterator[tuple[Any, Any]]:
    with _datasets().Dataset(file, model) as dataset:
        yield dataset, dataset.select()


def _datasets() -> Any:
    """The module of datasets. By name, since its sinks make objects of Arrow's tables by a module of this package."""
    return import_module("parcode_orm.interop.dataset.collection")


def _empty(file: Any, model: Any, at: Any) -> Any:
    """A table without rows of the entities of a file."""
    with Session.open(file, at=at) as session:
        rows = session.scalars(select(model))
        if name_of(plain_class(model)) not in session.entities() and not rows.count():
            there = ", ".join(session.entities()) or "none at all"
            raise NoResultFound(f"{file} has no entities of {model.__qualname__}: it has {there}")
        return rows.arrow().schema.empty_table()


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
