"""The commands that show what is in a file as a whole, and whether it is what was written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from ..inspector.survey import inspect as survey
from ..inspector.verify import verify as check
from ..interop.exporting import replacing
from ..migrations.models import models_of
from .app import DAMAGED, File, Json, bars, command, out, say, say_json


@command("parcode inspect shop.par --depth 2")
def inspect(
    file: File,
    depth: Annotated[int | None, typer.Option(help="How deep the tree goes: 1 for roots and entities.", min=1)] = None,
    html: Annotated[
        Path | None, typer.Option(help="Write a page here, one file with the first rows of each collection.")
    ] = None,
    json_: Json = False,
) -> None:
    """Show what is in a file, and what takes its bytes: collections, columns, indexes. No value is read.

    With --html the same is a page, and has rows as well. Exits with 4 if a place could not be read; `parcode verify`
    finds all damage.
    """
    report = survey(file, depth=depth)
    if html is not None:
        _write_page(file, html)
    if json_:
        say_json(report.to_dict())
    elif html is None:
        out.print(report)
    if not report.ok:
        raise typer.Exit(DAMAGED)


def _write_page(file: Path, target: Path) -> None:
    from ..inspector.page.standalone import html  # late: few need a page

    page = html(file).encode()
    with replacing(target, True, file) as out:
        out.write(page)


@command("parcode verify shop.par --models shop.models:Player")
def verify(
    file: File,
    models: Annotated[
        list[str] | None,
        typer.Option(help="A module of models, or module:Class. Their objects are validated, and indexes compared."),
    ] = None,
    json_: Json = False,
) -> None:
    """Verify every byte of a file that has a meaning, in all commits. Exits with 4 if something is damaged."""
    classes = classes_of(models or ())
    with bars() as progress:
        report = check(file, models=classes, progress=progress)
    if json_:
        say_json(report.to_dict())
    else:
        for line in str(report).splitlines():
            say(line)
        if not report.ok:
            say("parcode recover writes a new file of what is whole")
    if not report.ok:
        raise typer.Exit(DAMAGED)


def classes_of(names: Sequence[str]) -> list[type[Any]]:
    """The models that `names` name: `module:Class` is one model, and a module all that it defines.

    Raises:
        MigrationError: a module cannot be imported, or has no models.
    """
    if names:
        sys.path.insert(0, str(Path.cwd()))
    return models_of(names)
