"""Polars scans a dataset as it scans a file: its folder was refused, as it is no file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Dataset, FileMissingError, Key, Model, NotAFileError, QueryError, SchemaMismatchError, Session
from parcode_orm.interop.arrow.scanning import scan_parcode
from parcode_orm.interop.dataset.manifest import Part

polars = pytest.importorskip("polars")
pytestmark = pytest.mark.once


class Player(Model):
    id: int = Key()
    guild: str
    level: int
    score: float | None = None


class Point(Model):
    x: int
    y: float


def players(count: int) -> Iterator[Player]:
    return (Player(id=n, guild="abc"[n % 3], level=n % 7, score=None if n % 5 == 0 else n / 4) for n in range(count))


@pytest.mark.parametrize("division", [{}, {"partition_by": "guild"}, {"shards": 3}])
def test_polars_finds_what_it_finds_in_a_frame(tmp_path: Path, division: dict[str, Any]) -> None:
    Dataset.write(tmp_path / "d", players(400), rows_per_file=90, **division)
    found = scan_parcode(tmp_path / "d", Player)
    whole = polars.DataFrame([each.model_dump() for each in players(400)])
    assert found.collect_schema() == whole.schema
    col = polars.col
    for asked in (
        lambda each: each.sort("id"),
        lambda each: each.filter((col("level") > 4) & (col("guild") == "b")).select("id", "score").sort("id"),
        lambda each: each.filter(col("score").is_null()).select(polars.len()),
        lambda each: each.group_by("guild").agg(col("level").sum(), col("score").max()).sort("guild"),
        lambda each: each.filter(~(col("id") <= 390)).sort("id").select("id"),
    ):
        assert asked(found).collect().equals(asked(whole.lazy()).collect())
    assert found.head(5).collect().height == 5 and found.select("id").head(100).collect()["id"].n_unique() == 100


def test_conditions_of_polars_choose_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Dataset.write(tmp_path / "d", players(300), rows_per_file=50, partition_by="guild")
    opened: list[str] = []

    def noted(self: Dataset[Player], part: Part, before: Any = Dataset.opened) -> Any:
        opened.append(part.file)
        return before(self, part)

    monkeypatch.setattr(Dataset, "opened", noted)
    found = scan_parcode(tmp_path / "d", Player).filter(polars.col("guild") == "b").select("id").collect()
    assert sorted(found["id"].to_list()) == [n for n in range(300) if n % 3 == 1]
    assert set(opened) == {part.file for part in data.parts(Player.guild == "b")} and len(set(opened)) < 6


def test_each_scan_reads_the_newest_parts(tmp_path: Path) -> None:
    data = Dataset.write(tmp_path / "d", [Point(x=n, y=n / 2) for n in range(10)], rows_per_file=4)
    found = scan_parcode(tmp_path / "d", Point)
    assert found.select("x").sum().collect().item() == 45
    data.append([Point(x=100, y=0.5)])
    assert found.filter(polars.col("x") > 8).collect()["x"].to_list() == [9, 100]
    empty = Dataset.write(tmp_path / "none", [], Point)
    assert len(empty) == 0 and scan_parcode(tmp_path / "none", Point).collect().shape == (0, 2)


def test_a_dataset_elsewhere_is_scanned(tmp_path: Path) -> None:
    files = pytest.importorskip("fsspec").filesystem("memory")
    Dataset.write("memory://scanned/players", players(50), rows_per_file=20)
    try:
        found = scan_parcode("memory://scanned/players", Player).filter(polars.col("id") > 47).select("id").collect()
        assert found["id"].to_list() == [48, 49]
        with pytest.raises(FileMissingError):
            scan_parcode("memory://scanned/nothing", Player)
        with pytest.raises(NotAFileError, match="it is a directory"):  # it was a server that does not tell a size
            Session.open("memory://scanned/players")
    finally:
        files.rm("/scanned", recursive=True)


def test_what_is_neither_a_file_nor_a_dataset_is_said(tmp_path: Path) -> None:
    Dataset.write(tmp_path / "d", players(5))
    with pytest.raises(QueryError, match="has no earlier commits: leave at= out"):
        scan_parcode(tmp_path / "d", Player, at=1)
    with pytest.raises(SchemaMismatchError):
        scan_parcode(tmp_path / "d", Point).collect()
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileMissingError, match=r"no manifest: Dataset\.write makes one"):
        scan_parcode(tmp_path / "folder", Player)
    with pytest.raises(FileMissingError, match="there is no such file"):
        scan_parcode(tmp_path / "missing.par", Player)
    with pytest.raises(NotAFileError):
        scan_parcode("/dev/null", Player)
