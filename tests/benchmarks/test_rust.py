"""The workload beside the Rust crate, without compiling it: what is skipped, what is asked and what is reported."""

from __future__ import annotations

import io
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from benchmarks import run, rust

pytestmark = pytest.mark.once


def test_without_cargo_the_peer_is_skipped_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    arguments = ["rust", "--users", "100", "--rows", "250", "--repeat", "1", "--dir", str(tmp_path)]
    assert run.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "skipped: parcode_rust (cargo is not installed)" in printed
    assert "stream the list" in printed and "Reach" not in printed
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_fails_is_skipped_with_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cargo = tmp_path / "cargo"
    cargo.write_text(f"#!{sys.executable}\nimport sys\nsys.exit('   Updating\\nerror: no network\\nmore')\n")
    cargo.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda name: str(cargo))
    assert rust.built() == "cargo build failed: error: no network"


def test_the_program_is_asked_by_lines() -> None:
    asked = io.StringIO()
    rust.ask(asked, "lookup", Path("w.par"), ["player-1", "player-2"])
    rust.ask(asked, "load", Path("w.par"), ["player-1"])
    assert asked.getvalue() == "lookup\tw.par\tplayer-1\tplayer-2\nload\tw.par\n"
    assert rust.answer("1.5e-3 42\n") == (0.0015, 42)
    with pytest.raises(RuntimeError, match="ended"):
        rust.answer("")


class Canned:
    """A side whose figures are `seconds` times the place of the step."""

    def __init__(self, seconds: float, told: int = 7) -> None:
        self.seconds, self.told = seconds, told

    def step(self, what: str, path: Path, keys: list[str]) -> tuple[float, int]:
        if what in rust.WRITING:
            path.write_bytes(bytes(1000))
        return self.seconds * (1 + list(rust.STEPS).index(what)), self.told


def canned(tmp_path: Path, told: int = 7) -> dict[str, Any]:
    sides: dict[str, rust.Contestant] = {"ours": Canned(0.002), "rust": Canned(0.001, told)}
    about = {"users": 10, "rows": 20, "repeat": 2, "skipped": {}, "python": "3", "platform": "p"}
    return {**about, **rust.rounds(sides, 10, 2, tmp_path)}


def test_the_report_has_ratios_and_what_is_to_reach(tmp_path: Path) -> None:
    printed = rust.text(canned(tmp_path))
    row = next(line for line in printed.splitlines() if line.startswith("| save the world "))
    assert [cell.strip() for cell in row.split("|")[2:-1]] == ["ms", "2", "1", "2"]
    assert "FAIL  save the world, ours / Rust: 2 (to reach <= 1)" in printed
    assert "pass  stream the list, ours / Rust: 2 (to reach <= 4)" in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{side}.{file}" for side in ("ours", "rust") for file in ("roster", "world")
    ]


def test_sides_that_read_different_things_are_no_result(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="save: the sides differ"):
        canned(tmp_path, told=8)


def test_the_crate_is_pinned() -> None:
    manifest = tomllib.loads((rust.PROJECT / "Cargo.toml").read_text())
    wanted = manifest["dependencies"].values()
    assert manifest["dependencies"]["parcode"] == "=0.6.1"
    assert all((each if isinstance(each, str) else each["version"]).startswith("=") for each in wanted)
