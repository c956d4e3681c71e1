"""Commands that tell what a file is made of: its classes, its commits, what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

import parcode_orm

from ..errors import InputError
from ..interop.rows import json_of, plain
from ..model.entity_names import SUFFIX
from ..session import Change, Session, Snapshot
from .app import DAMAGED, DIFFERS, File, Json, command, say, say_json
from .asking import json_text
from .tables import print_rows

Version = Annotated[str, typer.Argument(help="A Parcode file, or one of its commits: shop.par@3.", show_default=False)]


@command("parcode schema shop.par")
def schema(file: File, json_: Json = False) -> None:
    """Print the classes of a file: as Python source, or as JSON Schema."""
    found = parcode_orm.schema(file)
    if json_:
        say_json(found)
    else:
        say(found.source().rstrip("\n"))
    if "damaged" in found:
        raise typer.Exit(DAMAGED)


@command("parcode log shop.par -n 5")
def log(
    file: File,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=0, help="How many commits at most.")] = None,
    json_: Json = False,
) -> None:
    """List the commits of a file, the newest first. As JSON, each is a line."""
    with Session.open(file) as session:
        commits = islice(_with_sizes(session.history()), limit)
        if json_:
            for each, size in commits:
                told = {"commit": each.sequence, "time": each.time.isoformat(), "bytes": size, "size": each.size}
                say_json({**told, "live": each.live, "dead": each.dead, "message": each.message})
        else:
            rows = ((each.sequence, f"{each.time:%Y-%m-%d %H:%M:%S}", size, each.message) for each, size in commits)
            print_rows(["commit", "time (UTC)", "bytes", "message"], rows)


def _with_sizes(commits: Iterator[Snapshot]) -> Iterator[tuple[Snapshot, int]]:
    """Each commit with the bytes that it added to the file; the oldest with all up to it."""
    newer: Snapshot | None = None
    for each in commits:
        if newer is not None:
            yield newer, newer.size - each.size
        newer = each
    if newer is not None:
        yield newer, newer.size


@command("parcode diff shop.par@3 shop.par")
def diff(
    old: Version,
    new: Version,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="How many changes at most.")] = None,
    json_: Json = False,
) -> None:
    """Show what differs between two commits, of one file or of two. Exits with 1 if something does."""
    with _opened(old) as first, _opened(new) as second:
        classes = {**_classes(first), **_classes(second)}
        found = second.diff(first, second, *classes.values())
        differs = False
        for change in islice(found, limit):
            differs = True
            if json_:
                typer.echo(json_text(json_of(_told(change)).decode()))
            else:
                say(change)
    if differs:
        raise typer.Exit(DIFFERS)
    if not json_:
        say("No differences")


def _opened(version: str) -> Session:
    """A session of a file, or of one of its commits.

    Raises:
        InputError: what stands behind the @ is no number of a commit.
    """
    path, at, number = version.rpartition("@")
    if not at or Path(version).exists():
        return Session.open(version)
    if not number.isdecimal():
        raise InputError(f"{version}: behind the @ stands the number of a commit, as in shop.par@3")
    return Session.open(path, at=int(number))


def _classes(session: Session) -> dict[str, Any]:
    """The classes of the roots and entities, by the names that these are stored under."""
    roots = session.roots()
    return {
        name if name in roots else name.removesuffix(SUFFIX) + SUFFIX: cls for name, cls in session.models().items()
    }


def _told(change: Change) -> dict[str, Any]:
    values = {name: plain(getattr(change, name)) for name in ("old", "new")}
    left = {"added": ("new",), "removed": ("old",)}.get(change.kind, ("old", "new"))
    return {"kind": change.kind, "where": change.where, **{name: values[name] for name in left}}
