"""A small file of two commits, damaged in every way, in child processes: the same value or a typed error.

Zero wrong values, zero older commits that do not say so, zero signals, zero hangs, zero errors without a type.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from parcode_orm.storage import append

from . import hostile

pytestmark = pytest.mark.once

ROOT = Path(__file__).parents[2]
MEGABYTES = 256
BATCH = 4000  # cases a child


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "two.par"
    hostile.two_commits(path)
    return path


def run(path: Path, cases: Iterable[str]) -> dict[str, str]:
    """What became of each case, of which none may end its process."""
    found: dict[str, str] = {}
    for batch in _batches(list(cases)):
        command = [sys.executable, "-m", "tests.crash.hostile", str(path), str(MEGABYTES)]
        child = subprocess.run(
            command,
            input="\n".join(batch),
            capture_output=True,
            text=True,
            cwd=ROOT,
            timeout=60 + len(batch),
            check=False,
        )
        told = child.stdout.splitlines()
        found.update(zip(batch, told, strict=False))
        assert child.returncode == 0, (
            f"{batch[min(len(told), len(batch) - 1)]}: {child.returncode} {child.stderr[-500:]}"
        )
        assert len(told) == len(batch)
    return found


def _batches(cases: list[str]) -> list[list[str]]:
    return [cases[i : i + BATCH] for i in range(0, len(cases), BATCH)]


def told(what: str, found: dict[str, str]) -> Counter[str]:
    counts = Counter(found.values())
    print(what, sum(counts.values()), dict(counts))
    bad = {case: outcome for case, outcome in found.items() if outcome.startswith(("SILENT", "UNTYPED"))}
    assert not bad
    return counts


def test_bits(path: Path, length: float) -> None:
    size = path.stat().st_size
    step = 1 if length else 7
    counts = told("bits", run(path, (f"flip {bit}" for bit in range(0, size * 8, step))))
    assert not any("earlier" in outcome for outcome in counts)
    assert sum(counts.values()) >= size * 8 // step > 5000
    assert counts["ChecksumError"] > 500 and counts["recovered"] > 50 and counts["NotAParcodeFile"] > 5


def test_garbage_and_swaps(path: Path, length: float) -> None:
    cases = 400 + round(20_000 * length)
    counts = told("added", run(path, (f"add {seed}" for seed in range(cases))))
    assert counts == {"recovered": cases}
    counts = told("swapped", run(path, (f"swap {seed}" for seed in range(cases))))
    assert not any("earlier" in outcome for outcome in counts)
    assert counts["ChecksumError"] + counts["CorruptionError"] > cases // 2


def test_every_truncation(path: Path, length: float) -> None:
    data = path.read_bytes()
    first = hostile.first_commit(data)
    step = 1 if length else 5
    lengths = sorted({*range(0, len(data), step), first, first - 1, first + 1, len(data) - 1})
    found = run(path, (f"cut {size}" for size in lengths))
    told("cut", found)
    assert found.pop(f"cut {first}") == "earlier, unsaid"  # this is the file of the first commit, byte by byte
    for case, outcome in found.items():
        size = int(case.split()[1])
        if size < first:
            assert outcome in ("TruncatedError", "NotAParcodeFile")
        else:  # a record that stands whole stands for its commit
            assert outcome == ("recovered" if size >= len(data) - 512 else "earlier, said")


def test_a_record_that_stands_once_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bits above find it when a commit's record is written only once: one of them leads to the older commit."""
    path = tmp_path / "once.par"
    pack = append.commit.pack
    monkeypatch.setattr(append.commit, "pack_twice", lambda record, uuid: bytes(512) + pack(record, uuid))
    hostile.two_commits(path)
    last = path.stat().st_size - 160
    found = run(path, (f"flip {bit}" for bit in range(last * 8, (last + 160) * 8, 7)))
    assert set(found.values()) == {"earlier, said"}
