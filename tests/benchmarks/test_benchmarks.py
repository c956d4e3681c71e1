"""The benchmark runs and reports; no time is tested here."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest

from benchmarks import (
    backup,
    bulk,
    calls,
    classes,
    dataset,
    evolution,
    inspecting,
    memory,
    peers,
    prefetch,
    query,
    report,
    run,
    stream,
    update,
    vectors,
    world,
)
from benchmarks.worlds import world_data
from parcode_orm import Dataset

pytestmark = pytest.mark.once


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


def result_of(tmp_path: Path, *arguments: str) -> Any:
    file = tmp_path / "result.json"
    assert run.main([*arguments, "--json", str(file), "--dir", str(tmp_path)]) == 0
    assert list(tmp_path.iterdir()) == [file]
    return json.loads(file.read_text())


def test_stream_in_little_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "stream", "--rows", "20000", "--pairs", "8000")
    assert set(result["steps"]) == set(stream.STEPS) and result["size"] > 500_000
    for figures in result["steps"].values():
        assert 0 < figures["seconds"] and 0 < figures["before"] <= figures["peak"]
    assert result["steps"]["write"]["peak"] < stream.WRITE_BYTES / 2
    assert result["steps"]["scan list"]["peak"] < stream.SCAN_BYTES
    assert result["steps"]["scan map"]["peak"] < stream.SCAN_BYTES
    if memory.status("RssAnon") is not None:
        assert all(0 < figures["RssAnon"] <= figures["peak"] for figures in result["steps"].values())
    printed = capsys.readouterr().out
    assert printed.count("pass  peak MB") == 2


def test_query_asks_every_store_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "query", "--rows", "20000")
    assert {"Parcode ORM", "Python loop"} <= set(result["stores"])
    for figures in result["stores"].values():
        assert set(figures["warm"]) == set(figures["cold"]) == set(query.QUESTIONS) and figures["size"] > 100_000
    assert 0 < result["bytes"]["sum"] <= result["bytes"]["top"] < 20_000 * 40
    assert "filter" in capsys.readouterr().out


def test_arrow_asks_duckdb_and_polars(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("duckdb"), pytest.importorskip("polars")
    result = result_of(tmp_path, "arrow", "--rows", "2000")
    assert result["read"] < result["bytes"] and len(result["times"]) == 7
    assert "scan_parcode" in capsys.readouterr().out


def test_vectors_asks_every_store_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "vectors", "--rows", "2000")
    assert {"Parcode ORM", "numpy", "numpy, lengths kept"} <= set(result["stores"])
    for figures in result["stores"].values():
        assert set(figures["warm"]) == set(figures["first"]) == set(vectors.QUESTIONS)
    assert "times numpy's" in capsys.readouterr().out


def test_text_finds_what_fts5_finds(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        sqlite3.connect(":memory:").execute("create virtual table t using fts5(x)")
    except sqlite3.OperationalError:
        pytest.skip("SQLite has no FTS5")
    result = result_of(tmp_path, "text", "--rows", "2000")
    assert set(result["stores"]) == {"Parcode ORM", "SQLite FTS5"}
    assert result["found"]["frequent"] > result["found"]["medium"] > 0
    assert "the 10 best texts by BM25" in capsys.readouterr().out


def test_evolution_reads_the_file_of_another_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "evolution", "--rows", "2000")
    assert result["written"] <= evolution.WRITTEN
    assert "load all" in capsys.readouterr().out


def test_inspecting_reads_little(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspecting, "RUNS", 1)
    result = result_of(tmp_path, "inspecting", "--megabytes", "2")
    assert 1_500_000 < result["size"] < 2_500_000 and 0 < result["bytes_read"] < result["size"] / 20
    assert result["anonymous"] <= inspecting.BYTES and result["rows"] > 4 * 4_000
    assert "kB read" in capsys.readouterr().out


def test_backup_copies_little(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "backup", "--megabytes", "2")
    assert result["steps"]["whole"]["copied"] > 2e6 and result["steps"]["after none"]["copied"] == 0
    assert 0 < result["steps"]["after one commit"]["copied"] < backup.BYTES
    assert "pass  bytes copied after one commit" in capsys.readouterr().out


def test_a_dataset_is_grouped_by_one_process_as_by_a_loop(tmp_path: Path) -> None:
    data = Dataset.write(tmp_path / "d", dataset.players(0, 300), rows_per_file=90)
    guilds = [player.guild for player in dataset.players(0, 300)]
    found = dataset.one_process(data)
    assert {guild: count for guild, (count, _) in found.items()} == {guild: guilds.count(guild) for guild in guilds}
    figures = {"rows": 300, "parts": 4, "bytes": 9, "seconds": {"write": 1.0, "Ray": 0.5}, "peaks": {"Ray": 80.0}}
    assert "500" in dataset.text(figures) and dataset.peak() > 1


def test_prefetch_gives_the_same_sums(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    result = result_of(tmp_path, "prefetch", "--rows", "300", "--repeat", "1")
    assert set(result["seconds"]) == set(prefetch.PER_TARGET)
    assert "SQLAlchemy selectinload" in prefetch.text(result)


def test_bulk_stores_and_changes_the_same_in_every_way(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "bulk", "--rows", "2000")
    assert set(result["steps"]) == set(bulk.STEPS)
    for figures in result["steps"].values():
        assert "Parcode ORM" in " ".join(figures) and all(seconds > 0 for seconds in figures.values())
    assert "insert all" in capsys.readouterr().out


def test_a_child_that_fails_fails_the_run(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        memory.child("benchmarks.stream", "scan list", str(tmp_path / "missing"), "1", "1")


def test_scale_counts_what_is_read_and_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "scale", "--from", "300", "--to", "3_000", "--commits", "3")
    assert list(result["files"]) == ["300", "3000"]
    for figures in result["files"].values():
        assert all(seconds > 0 for seconds in figures.values())
        assert figures["lookup bytes"] <= 200_000 and figures["row bytes"] <= 200_000
        assert figures["append bytes"] <= 64_000 and figures["insert bytes"] <= 64_000
    assert "pass  KB written by an append" in capsys.readouterr().out


def test_a_grown_map_holds_what_one_written_at_once_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "growth", "--pairs", "2500", "--rounds", "1")
    assert list(result["files"]) == ["grown", "at once"]
    for figures in result["files"].values():
        assert all(value > 0 for value in figures.values())
    assert result["files"]["at once"]["runs"] == 1
    assert "grown / at once: cold" in capsys.readouterr().out


def test_updates_of_ours_are_small_and_there_afterwards(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = result_of(tmp_path, "update", "--users", "500", "--commits", "5", "--repeat", "2", "--peers", "parcode")
    assert [store["barriers"] for store in result["stores"].values()] == [True, False]
    for store in result["stores"].values():
        assert len(store["samples"]) == 10 and 0 < store["counted"] <= 64_000
    assert "pass  KB written by any commit" in capsys.readouterr().out


def test_every_updating_peer_keeps_its_commits(tmp_path: Path) -> None:
    for package in ("lmdb", "sqlalchemy", "ZODB"):
        pytest.importorskip(package)
    result = result_of(tmp_path, "update", "--users", "50", "--commits", "2", "--repeat", "1")
    assert {store["module"] for store in result["stores"].values()} == set(peers.UPDATING)
    assert all(store["written"] > 0 for store in result["stores"].values() if "written" in store)


def test_a_store_that_lost_a_commit_is_not_measured(tmp_path: Path) -> None:
    found, _ = update.contestants(["parcode"], world_data(20), tmp_path)
    levels = {key: player["level"] for key, player in world_data(20)["players"].items()}
    found[0].counts["player-0000003"] += 1
    with pytest.raises(AssertionError, match="1 players"):
        found[0].close(levels)
    found[1].close(levels)


@pytest.mark.parametrize("arguments", [["world", "--peers", "nobody"], ["stream", "--rows", "0"], ["nothing"]])
def test_what_is_no_option_is_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit):
        run.main(arguments)


def test_a_missing_package_is_skipped_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(module: str) -> Any:
        raise ModuleNotFoundError("No module named 'lmdb'")

    monkeypatch.setattr(peers, "find", find)
    found, skipped = world.contestants(["lmdb_msgpack"], {}, tmp_path)
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


def test_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(classes, "SHAPES", {shape: (build, (9,)) for shape, (build, _) in classes.SHAPES.items()})
    seconds = result_of(tmp_path, "classes")["seconds"]
    assert set(seconds) == {"mutual 9", "chain 9", "wide 9"}
    assert all(seconds[name].keys() == classes.STEPS.keys() for name in seconds)
    assert "nine classes that hold each other" in capsys.readouterr().out


def test_fresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    seconds = result_of(tmp_path, "fresh", "--rounds", "1")["seconds"]
    assert len(seconds) == 5 and seconds["nothing"] < seconds["and open, and one field"]


def test_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    steps = result_of(tmp_path, "calls")["steps"]
    assert all(each["modules"] <= each["calls"] and each["changes"] < each["calls"] for each in steps.values())
    assert steps["first read of a field"]["calls"] < steps["commit of one row"]["calls"]
    assert "commit of one row" in capsys.readouterr().out
    assert calls.counted(lambda: None) == {"calls": 0, "modules": 0, "changes": 0}
