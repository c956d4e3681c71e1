"""A committing process is killed at any moment: nothing that it acknowledged is lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("durability", ["full", "fast"])
def test_nothing_acknowledged_is_lost(durability: str, tmp_path: Path, length: float) -> None:
    kills = 15 + round(500 * length)
    command = [sys.executable, "-m", "tests.crash.killing", str(tmp_path), str(kills), durability]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120 + 5 * kills, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    counts = json.loads(done.stdout)
    print(durability, counts)
    assert counts["kills"] == kills and counts["commits"] >= kills // 2
    assert counts["lost"] == counts["wrong"] == counts["other"] == 0
