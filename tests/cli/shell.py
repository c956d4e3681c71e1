"""The `parcode` command, run within the tests."""

from __future__ import annotations

from typing import Any

import pytest


def parcode(*arguments: object, code: int = 0, columns: int = 80, answers: str = "") -> Any:
    """The result of a command: `stdout` and `stderr` have what it prints. Its exit code must be `code`."""
    testing: Any = pytest.importorskip("typer.testing")
    from parcode_orm.cli import commands

    found_app = commands()
    from parcode_orm.cli import app

    for console in (app.out, app.err):  # whatever the environment said when they were made
        console._force_terminal, console._color_system, console._width = False, None, columns
    environment = {"COLUMNS": str(columns), "NO_COLOR": "1", "FORCE_COLOR": None, "TTY_COMPATIBLE": None, "TERM": None}
    found = testing.CliRunner(env=environment).invoke(found_app, list(map(str, arguments)), input=answers)
    assert found.exit_code == code, found.output + repr(found.exception)
    return found
