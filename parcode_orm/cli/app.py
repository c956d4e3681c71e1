"""The app of all commands, and what they share: output, errors, exit codes.

Text of a file reaches a terminal through `say`, `shown` or a `visible` cell of a table only: a name or a value may
hold escapes of a terminal.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, TypeVar

import rich.console
import rich.progress
import typer
from rich.markup import escape

from .. import __version__
from ..errors import ConflictError, CorruptionError, FormatError, LockedError, ParcodeError
from ..lazy.shown import visible

F = TypeVar("F", bound=Callable[..., None])

DIFFERS = 1  # what was asked for is not so: a check, a comparison
USAGE = 2  # wrong arguments or input
FOREIGN = 3  # no Parcode file, or one of another version
DAMAGED = 4
BUSY = 5  # another session writes, or has written
_CODES = ((CorruptionError, DAMAGED), (FormatError, FOREIGN), ((LockedError, ConflictError), BUSY))

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Look into Parcode files, ask them, and bring them to another schema.",
    epilog="Exit codes: 0 done, 1 a check or comparison differs, 2 wrong usage or input, 3 no Parcode file or one of "
    "another version, 4 a damaged file, 5 another session writes.",
)
out, err = rich.console.Console(highlight=False), rich.console.Console(stderr=True, highlight=False)

File = Annotated[Path, typer.Argument(help="A Parcode file.", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, errors too.")]


def _version(asked: bool) -> None:
    if asked:
        say(f"parcode {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    del version


def command(example: str) -> Callable[[F], F]:
    """Make a function a command, called after it. Its errors end the process with a message and an exit code.

    Args:
        example: a line for its help.
    """

    def register(function: F) -> F:
        name = function.__name__.strip("_").replace("_", "-")

        @functools.wraps(function)
        def run(**arguments: Any) -> None:
            with errors_told(arguments.get("json_", False)):
                function(**arguments)

        app.command(name, epilog=f"Example: [bold]{escape(example)}[/]")(run)
        return function

    return register


@contextmanager
def errors_told(as_json: bool = False) -> Iterator[None]:
    """End the command with the message of an error, and its exit code."""
    try:
        yield
    except (ParcodeError, ValueError, OSError) as problem:
        if isinstance(problem, BrokenPipeError):
            raise
        if as_json:
            typer.echo(json.dumps({"error": type(problem).__name__, "message": str(problem)}), err=True)
        else:
            err.print(f"[bold red]{type(problem).__name__}:[/] ", end="")
            err.print(visible(str(problem), 10_000), markup=False, soft_wrap=True)
        raise typer.Exit(next((code for kind, code in _CODES if isinstance(problem, kind)), USAGE)) from problem


def say(text: object) -> None:
    """Print a line as it is, but for what a terminal would obey."""
    out.print(visible(str(text)), markup=False, soft_wrap=True)


def say_json(value: Any) -> None:
    """Print a value as one line of JSON, in ASCII."""
    typer.echo(json.dumps(value))


@contextmanager
def bars() -> Iterator[Callable[[str, int, int], None]]:
    """A function that shows progress on stderr, if that is a terminal: of what, how much is done, and the whole."""
    progress = rich.progress.Progress(console=err, transient=True, disable=not err.is_terminal)
    tasks: dict[str, rich.progress.TaskID] = {}

    def show(what: str, done: int, total: int) -> None:
        if what not in tasks:
            progress.start()
            tasks[what] = progress.add_task(escape(visible(what, 60)), total=total)
        progress.update(tasks[what], completed=done, total=total)

    try:
        yield show
    finally:
        if tasks:
            progress.stop()
