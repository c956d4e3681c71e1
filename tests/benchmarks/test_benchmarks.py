"""The benchmark runs and reports; no time is tested here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import peers, report, run
from benchmarks.worlds import world_data


def test_world_beside_pickle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "result.json"
    arguments = ["world", "--users", "200", "--repeat", "1", "--peers", "pickled,parcode", "--json", str(file)]
    assert run.main([*arguments, "--dir", str(tmp_path)]) == 0
    result = json.loads(file.read_text())
    assert set(result["peers"]) == {"pickled", "parcode"}
    for peer in result["peers"].values():
        assert all(peer[key] > 0 for _, key, _ in report.COLUMNS if not key.endswith("_peak"))
        assert peer["save_peak"] >= 0 and peer["load_peak"] >= 0
    parts = result["bytes_read"]
    assert 0 < max(parts["one field"], parts["one nested field"], parts["one user"]) <= parts["all three"]
    printed = capsys.readouterr().out
    assert "Parcode ORM" in printed and "Reach" in printed and "LMDB's: the peer did not run" in printed
    assert list(tmp_path.iterdir()) == [file]


def test_a_missing_package_is_skipped_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(module: str) -> Any:
        raise ModuleNotFoundError("No module named 'lmdb'")

    monkeypatch.setattr(peers, "find", find)
    found, skipped = run.contestants(["lmdb_msgpack"], {}, tmp_path)
    assert found == [] and skipped == {"lmdb_msgpack": "No module named 'lmdb'"}


def test_worlds_are_seeded() -> None:
    assert world_data(50) == world_data(50)
    assert world_data(50) != world_data(50, seed=1)


def test_reach_tells_pass_from_fail() -> None:
    ours = {"name": "ours", "syncs": True, "save": 1.0, "load": 1.0, "field": 1.0, "lookup": 1.0, "size": 19e6}
    peer = {**ours, "name": "peer", "syncs": False, "load": 3.0}
    result = {"users": 100_000, "peers": {"pydantic_json": peer, "lmdb_msgpack": peer, "parcode": ours}}
    result |= {"repeat": 1, "python": "3", "platform": "here", "skipped": {}, "bytes_read": {"all three": 200_001}}
    reach = report.text(result).partition("Reach")[2].splitlines()[1:]
    assert [line.split()[0] for line in reach] == ["pass"] * 5 + ["FAIL"] * 2
