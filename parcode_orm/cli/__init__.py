"""The `parcode` command, of the extra `cli`. It uses the package as any program does."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

from ..errors import MissingExtraError

MODULES = (  # in the order of `parcode --help`
    "seeing",
    "asking",
    "telling",
    "serve",
    "moving",
    "following",
    "shell",
    "migrations",
)


def commands() -> Any:
    """The app of all commands.

    Raises:
        MissingExtraError: typer or rich is not installed.
    """
    try:
        import rich
        import typer
    except ImportError as problem:
        raise MissingExtraError(
            f"the parcode command needs {problem.name}: install it with pip install 'parcode-orm[cli]'"
        ) from problem
    from .app import app

    del rich, typer
    for each in MODULES:
        import_module(f".{each}", __name__)
    return app


def main() -> None:
    """Run the command with the arguments of the process. It exits with 1 if typer or rich is not installed."""
    try:
        app = commands()
    except MissingExtraError as problem:
        sys.exit(str(problem))
    app()
