"""What all commands share: exit codes, errors as text and as JSON, text that a terminal would obey."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import parcode_orm
from parcode_orm import ConflictError, LockedError, Model
from parcode_orm.cli import main
from parcode_orm.lazy.shown import visible

from .shell import parcode

pytestmark = pytest.mark.once


class Root(Model):
    n: int


@pytest.fixture
def file(tmp_path: Path) -> Path:
    parcode_orm.save(tmp_path / "a.par", Root(n=1))
    return tmp_path / "a.par"


def test_version_and_help() -> None:
    assert parcode("--version").stdout == f"parcode {parcode_orm.__version__}\n"
    assert "Exit codes" in parcode("--help", columns=200).stdout
    assert "Example: parcode migrate shop.par --plan" in parcode("migrate", "--help").stdout


def test_errors_have_exit_codes(file: Path, tmp_path: Path) -> None:
    missing = parcode("diff-schema", tmp_path / "none.par", "json", code=2)
    assert missing.stderr.startswith("FileMissingError: ") and missing.stdout == ""
    other = tmp_path / "other.par"
    other.write_bytes(b"no such file" * 20)
    found = json.loads(parcode("diff-schema", other, "json", "--json", code=3).stderr)
    assert found["error"] == "NotAParcodeFile" and "other.par" in found["message"]
    file.write_bytes(file.read_bytes()[:-10])
    assert "TruncatedError" in parcode("diff-schema", file, "json", code=4).stderr
    assert "Missing" in parcode("diff-schema", code=2).stderr


@pytest.mark.parametrize("kind", [LockedError, ConflictError])
def test_another_session_has_a_code_of_its_own(kind: type[Exception]) -> None:
    typer = pytest.importorskip("typer")
    from parcode_orm.cli.app import BUSY, errors_told

    with pytest.raises(typer.Exit) as found, errors_told():
        raise kind("another session writes")
    assert found.value.exit_code == BUSY


def test_what_a_terminal_obeys_is_shown_as_escapes() -> None:
    assert visible("a\x1b[31m\u202e\ud800\tz\n") == "a\\x1b[31m\\u202e\\ud800\tz\n"
    assert visible("x" * 20, 5) == "xxxx…"
    assert visible("شهر 👩‍👩‍👧 日本") == "شهر 👩‍👩‍👧 日本"


def test_without_rich_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rich", None)
    with pytest.raises(SystemExit, match=r"needs rich: install it with pip install 'parcode-orm\[cli\]'"):
        main()
