"""One process writes, four read: each reader sees whole commits alone, and never goes back."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from parcode_orm import verify

from .reading import begin

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]


def test_readers_see_whole_commits(tmp_path: Path, length: float) -> None:
    path, seconds = tmp_path / "book.par", 2 + 28 * length
    begin(path)
    command = [sys.executable, "-m", "tests.crash.reading"]
    running = [
        subprocess.Popen(
            [*command, what, str(path), str(seconds)],
            cwd=ROOT,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for what in ("write", *["read"] * 4)
    ]
    found = []
    for process in running:
        out, errors = process.communicate(timeout=60 + 5 * seconds)
        assert process.returncode == 0, errors
        found.append(json.loads(out))
    print(found)
    assert found[0]["compactions"] and all(each["reads"] > 2 for each in found[1:])
    assert verify(path).ok
