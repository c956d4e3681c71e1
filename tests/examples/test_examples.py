"""The examples run as a user runs them, and show what they claim."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import parcode_orm

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[2]


def run(example: str, *arguments: str, cwd: Path) -> str:
    """Its output. The package is the one under test, installed or not."""
    package = str(Path(parcode_orm.__file__).resolve().parents[1])
    path = os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / example), *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": path, "PYTHONUTF8": "1"},
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_game_world_reads_what_it_shows(tmp_path: Path) -> None:
    output = run("game_world.py", str(tmp_path), cwd=tmp_path)
    found = re.search(r"In all ([\d,]+) of ([\d,]+) bytes and (\d+) rows", output)
    assert found, output
    read, size, rows = (int(number.replace(",", "")) for number in found.groups())
    assert size > 4_000_000
    assert 0 < read < 200_000
    assert 0 < rows <= 10
    assert "The terrain and the other players were never read." in output
    terrain = re.search(r"len\(world\.terrain\) += 4000000 +read +\d+ chunks, +([\d,]+) bytes", output)
    assert terrain and int(terrain[1].replace(",", "")) >= 4_000_000, output
    assert "Reopened: level" in output


def test_game_world_cleans_up_without_a_directory(tmp_path: Path) -> None:
    run("game_world.py", cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_flights_equal_their_source(tmp_path: Path) -> None:
    output = run("flights.py", "--rows", "3000", str(tmp_path), cwd=tmp_path)
    assert "10,474 rows equal the source's" in output
    assert re.search(r"read: [1-9][\d,]* of [\d,]+ bytes", output), output
