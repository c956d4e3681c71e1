"""The commands that take rows out of a file and into it, and that make it smaller."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import DanglingError, IntegrityError, MigrationError
from ..inspector import paths
from ..inspector.recover import recover as save_what_verifies
from ..interop.exporting import export as write
from ..interop.exporting import replacing
from ..interop.formats import format_of
from ..interop.importing import import_rows
from ..interop.rows import statement_of
from ..interop.rust.reading import streamed
from ..query.statements.parsing import columns as columns_of
from ..query.statements.parsing import condition, labelled
from ..query.statements.parsing import order as order_of
from ..query.statements.statement import select
from ..session import Session
from ..session import compact as compact_file
from .app import DAMAGED, File, Json, bars, command, say, say_json
from .migrations import models_in

MERGING = "With --merge, rows replace the entities that have their keys"
Format = Annotated[str | None, typer.Option("--format", help="jsonl, csv or parquet; else as the name ends.")]


@command("parcode export shop.par Trade trades.parquet --where 'price > 30'")
def export(
    file: File,
    collection: Annotated[str, typer.Argument(help="A path to rows: Trade, World.players.", show_default=False)],
    to: Annotated[str, typer.Argument(help="A new file, or - for the standard output.", show_default=False)],
    where: Annotated[str | None, typer.Option(help="A condition, such as 'level > 50'.")] = None,
    columns: Annotated[str | None, typer.Option(help="Fields, such as 'name, stats.level'.")] = None,
    order: Annotated[str | None, typer.Option(help="Fields, such as '-level, name'.")] = None,
    limit: Annotated[int | None, typer.Option(min=0, help="At most so many rows.")] = None,
    format: Format = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that exists.")] = False,
    json_: Json = False,
) -> None:
    """Write rows as JSON lines, CSV or Parquet."""
    kind = format_of(to, format)
    with Session.open(file) as session, bars() as progress:
        rows = paths.rows(session, collection)
        statement = statement_of(rows)
        if columns is not None:
            statement = select(*labelled(columns_of(rows, columns))).select_from(rows)
        if where is not None:
            statement = statement.where(condition(rows, where))
        if order is not None:
            statement = statement.order_by(*order_of(rows, order))
        if limit is not None:
            statement = statement.limit(limit)
        total = session.scalars(statement).count() if sys.stderr.isatty() else 0

        def show(done: int) -> None:
            progress(collection, done, max(total, done))

        if to == "-":
            count = write(session, statement, rows, sys.stdout.buffer, kind, show)
            return
        with replacing(Path(to), force, file) as target:
            count = write(session, statement, rows, target, kind, show)
    if json_:
        say_json({"path": to, "format": kind, "rows": count, "bytes": os.path.getsize(to)})
    else:
        say(f"{count:,} rows to {to} ({os.path.getsize(to):,} bytes)")


@command("parcode import shop.par trades.csv --name Trade --key id")
def import_(
    file: Annotated[Path, typer.Argument(help="A Parcode file; it is created if there is none.", show_default=False)],
    source: Annotated[Path, typer.Argument(help="JSON lines, CSV or Parquet.", show_default=False)],
    name: Annotated[str | None, typer.Option(help="The class of the rows; else as the source is called.")] = None,
    key: Annotated[str | None, typer.Option(help="The field that is the key of a new class; else id.")] = None,
    model: Annotated[
        str | None, typer.Option(help="module:Class, which is imported from here: a class of yours.")
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Rows replace the entities that have their keys; a root replaces the root.")
    ] = False,
    format: Format = None,
    rust: Annotated[
        bool, typer.Option("--rust", help="The source is a file of the Rust crate parcode, --model its root.")
    ] = False,
    json_: Json = False,
) -> None:
    """Add rows as entities: of a class of yours, of the file, or one that is inferred from the rows."""
    cls = None if model is None else model_named(model)
    if rust:
        if cls is None or name or key or format:
            raise ValueError("with --rust there is --model, the class of the root, and no --name, --key and --format")
        import_rust(file, source, cls, merge, json_)
        return
    kind = format_of(str(source), format)
    called = name or _class_name(source.stem)
    with Session(file) as session, bars() as progress:
        try:
            found, count = import_rows(
                session, source, kind, model=cls, name=called, key=key, merge=merge,
                progress=lambda done: progress(source.name, done, done),
            )  # fmt: skip
        except IntegrityError as problem:
            again = merge or isinstance(problem, DanglingError)
            raise problem if again else IntegrityError(f"{problem}. {MERGING}") from problem
    if json_:
        say_json({"class": found.__qualname__, "rows": count})
    else:
        say(f"{count:,} row{'s' * (count != 1)} as {found.__qualname__}")


def import_rust(file: Path, source: Path, model: Any, merge: bool, as_json: bool) -> None:
    """Add the root of a file of the Rust crate as a root, in a commit.

    Raises:
        IntegrityError: the file has such a root, and `merge` is False.
    """
    with streamed(source, model, "import --rust") as found, Session(file) as session:
        if not merge and model in session:
            raise IntegrityError(f"{file} has a root {model.__qualname__} already. With --merge, it is replaced")
        session.add(found, replace=merge)
        session.commit(f"import of {source.name}")
    if as_json:
        say_json({"class": model.__qualname__, "bytes": os.path.getsize(file)})
    else:
        say(f"{model.__qualname__} from {source} ({os.path.getsize(file):,} bytes)")


def model_named(text: str) -> Any:
    """The class that `module:Class` or `models.py:Class` names. The module is imported, so its code runs.

    Raises:
        ValueError: the text names no class.
        MigrationError: the module cannot be imported, or has no such model.
    """
    module, colon, name = text.rpartition(":")
    if not colon:
        raise ValueError(f"{text!r} names no class: write module:Class, or models.py:Class")
    classes = {each.__name__: each for each in models_in(module)}
    if name not in classes:
        raise MigrationError(f"{module} has no model {name}: it has {', '.join(sorted(classes)) or 'none'}")
    return classes[name]


def _class_name(stem: str) -> str:
    words = re.split(r"\W+", stem)
    return "".join(word[:1].upper() + word[1:] for word in words) or "Row"


@command("parcode compact shop.par --keep 10")
def compact(
    file: File,
    keep: Annotated[int, typer.Option(min=1, help="How many of the newest commits stay.")] = 1,
    json_: Json = False,
) -> None:
    """Replace a file by its newest commits, without the bytes that only earlier ones use."""
    before = os.path.getsize(file) if file.exists() else 0
    with bars() as progress:
        compact_file(file, keep, progress=progress)
    after = os.path.getsize(file)
    if json_:
        say_json({"before": before, "after": after, "kept": keep})
    else:
        say(f"{before:,} bytes before, {after:,} after")


@command("parcode recover broken.par saved.par")
def recover(
    file: File,
    target: Annotated[Path, typer.Argument(help="The new file; there must be none yet.", show_default=False)],
    json_: Json = False,
) -> None:
    """Write a new file of what verifies of a damaged one. Exits with 4 if something was lost."""
    with bars() as progress:
        report = save_what_verifies(file, target, progress=progress)
    if json_:
        say_json(report.to_dict())
    else:
        say(report)
    if not report.ok:
        raise typer.Exit(DAMAGED)
