"""Writing the rows of a statement as JSON lines, CSV or Parquet, some thousand rows in memory at a time."""

from __future__ import annotations

import csv
import io
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import StorageError
from ..storage.files import check_regular, storing
from .formats import pyarrow
from .rows import blocks, described, json_of, text_of

Progress = Callable[[int], None]


def export(session: Any, statement: Any, rows: Any, file: BinaryIO, format: str, progress: Progress) -> int:
    """Write what a statement finds.

    Args:
        session: the session that has the rows.
        statement: a `select` of columns.
        rows: the collection, or the class of the entities, that `statement` reads.
        file: a binary writer.
        format: `"jsonl"`, `"csv"` or `"parquet"`.
        progress: called with the number of rows written so far.

    Returns:
        The number of rows, an int.

    Raises:
        EncodeError: a value does not fit the format.
        MissingExtraError: Parquet needs pyarrow.
    """
    result = session.execute(statement)
    names = result.keys()
    count = 0
    with _WRITERS[format](file, names, described(rows, names)) as write:
        for block in blocks(result):
            write(block)
            count += len(block)
            progress(count)
    return count


@contextmanager
def _json_lines(file: BinaryIO, names: list[str], _: Any) -> Iterator[Callable[[list[Any]], None]]:
    def write(block: list[Any]) -> None:
        file.write(b"".join(_line(dict(zip(names, row, strict=True))) for row in block))

    yield write


def _line(row: Any) -> bytes:
    return json_of(row) + b"\n"


@contextmanager
def _csv(file: BinaryIO, names: list[str], _: Any) -> Iterator[Callable[[list[Any]], None]]:
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    few = csv.writer(text, lineterminator="\n")
    every = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def write(block: list[Any]) -> None:
        for row in block:
            cells = [_cell(value) for value in row]
            # Up to Python 3.12 a writer leaves a carriage return unquoted, which a reader takes for the end of the row.
            returns = any(type(cell) is str and "\r" in cell for cell in cells)
            (every if returns else few).writerow(cells)

    write([tuple(names)])

    try:
        yield write
    finally:
        text.detach()


def _cell(value: Any) -> Any:
    """None is an empty cell; anything else is a text."""
    return value if value is None or type(value) is int else text_of(value)


@contextmanager
def _parquet(file: BinaryIO, names: list[str], types: list[Any]) -> Iterator[Callable[[list[Any]], None]]:
    from .parquet import Columns

    arrow = pyarrow()
    columns = Columns(names, types)
    writer: Any = None

    def write(block: list[Any]) -> None:
        nonlocal writer
        table = columns.table(block)
        if writer is None:
            writer = arrow.parquet.ParquetWriter(file, table.schema)
        writer.write_table(table)

    try:
        yield write
        if writer is None:
            write([])
    finally:
        if writer is not None:
            writer.close()


_WRITERS: dict[str, Any] = {"jsonl": _json_lines, "csv": _csv, "parquet": _parquet}


@contextmanager
def replacing(path: Path, force: bool, source: Path | None = None) -> Iterator[BinaryIO]:
    """A file that has its name only when it is whole. A link stays, and leads to it.

    Raises:
        StorageError: the file exists, and `force` is not set; it is `source`, which is read meanwhile, or no regular
            file; the system refuses to write.
    """
    if not force and os.path.lexists(path):
        raise StorageError(f"{path} exists: give another name, or --force to replace it")
    with storing("write", str(path)):
        path = Path(os.path.realpath(path))
        if path.exists():
            if source is not None and path.samefile(source):
                raise StorageError(f"{path} is the file itself: give another name")
            check_regular(path.stat(), str(path))
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with open(draft, "xb") as file:
                yield file
            os.replace(draft, path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
