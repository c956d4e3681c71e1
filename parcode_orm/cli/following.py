"""Commands that follow a file: a copy of it, and what its commits changed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import CommitGone
from ..interop.rows import json_of, plain
from ..lazy.shown import visible
from ..session import CommitChanges, RowChange, Session
from ..session import backup as back_up
from .app import File, Json, bars, command, err, say, say_json
from .asking import json_text


@command("parcode backup shop.par copies/shop.par")
def backup(
    file: File,
    to: Annotated[Path, typer.Argument(help="The copy; it need not exist.", show_default=False)],
    since: Annotated[
        int | None, typer.Option(min=0, help="A commit that the copy must have: all of the file is never copied.")
    ] = None,
    json_: Json = False,
) -> None:
    """Bring a copy of a file up to date: copy the commits that it lacks, or all of the file."""
    with bars() as progress:
        report = back_up(file, to, since=since, progress=progress)
    if json_:
        say_json(report.to_dict())
    else:
        say(report)


@command("parcode changes shop.par --since 41 --json")
def changes(
    file: File,
    since: Annotated[int, typer.Option(min=0, help="The commit after which to begin; 0: with the first one.")],
    until: Annotated[int | None, typer.Option(min=1, help="The last commit; else the newest.")] = None,
    classes: Annotated[list[str] | None, typer.Option("--class", help="A class; may be given several times.")] = None,
    json_: Json = False,
) -> None:
    """List the rows that each commit inserted, changed and deleted. As JSON, each is a line."""
    with Session.open(file) as session:
        for commit in session.changes(since, until, classes=classes or ()):
            tell(commit, json_)


@command("parcode watch shop.par --timeout 60")
def watch(
    file: File,
    timeout: Annotated[float | None, typer.Option(min=0, help="End after so many seconds without a commit.")] = None,
    classes: Annotated[list[str] | None, typer.Option("--class", help="A class; may be given several times.")] = None,
    json_: Json = False,
) -> None:
    """Wait for commits, and list what each changed, until you interrupt it."""
    with Session.open(file) as session:
        seen = session.snapshot
        assert seen is not None  # it is read-only, so there is a file
        try:
            for _ in session.watch(timeout=timeout):
                session.refresh()
                try:
                    for commit in session.changes(seen, classes=classes or ()):
                        tell(commit, json_)
                except CommitGone as problem:
                    err.print(visible(str(problem), 10_000), markup=False, soft_wrap=True)
                seen = session.snapshot or seen
        except KeyboardInterrupt:
            return


def tell(commit: CommitChanges, json_: bool) -> None:
    """Print the changes of a commit."""
    if not json_:
        say(f"commit {commit.sequence}, {commit.time:%Y-%m-%d %H:%M:%S} {commit.message}".rstrip())
    for row in commit:
        if json_:
            about = {"commit": commit.sequence, "time": commit.time.isoformat(), "message": commit.message}
            typer.echo(json_text(json_of({**about, **_told(row)}).decode()))
        else:
            say(f"  {row}")


def _told(row: RowChange) -> dict[str, Any]:
    found = {"kind": row.kind, "class": row.cls, "key": plain(row.key), "path": plain(list(row.path))}
    found["where"] = row.where
    if row.fields:
        found["fields"] = {
            name: {"kind": each.kind, "old": plain(each.old), "new": plain(each.new)}
            for name, each in row.fields.items()
        }
        return found
    if row.kind != "inserted":
        found["old"] = plain(row.old)
    if row.kind != "deleted":
        found["new"] = plain(row.new)
    return found
