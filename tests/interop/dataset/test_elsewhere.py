"""Datasets under a prefix in an object store: nothing is locked there, and nobody's commit may be lost."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from parcode_orm import Dataset, FileMissingError, IntegrityError, Key, Model, StorageError, dataset, func, select
from parcode_orm.interop.dataset import DatasetWriter
from parcode_orm.interop.dataset.parts import PartReader
from parcode_orm.interop.dataset.places import Folder, Prefix, place_of
from parcode_orm.interop.remote import Remote

fsspec = pytest.importorskip("fsspec")
pytestmark = pytest.mark.once


class Player(Model):
    id: int = Key()
    guild: str
    level: int


def players(count: int, start: int = 0) -> Iterator[Player]:
    return (Player(id=n, guild="abc"[n % 3], level=n % 7) for n in range(start, start + count))


@pytest.fixture
def url() -> Iterator[str]:
    files = fsspec.filesystem("memory")
    yield "memory://bucket/players"
    files.rm("/bucket", recursive=True)


def names() -> list[str]:
    return sorted(each.rsplit("/", 1)[-1] for each in fsspec.filesystem("memory").ls("/bucket/players", detail=False))


@pytest.mark.parametrize("division", [{}, {"partition_by": "guild"}, {"shards": 2}])
def test_a_dataset_elsewhere_answers_as_one_in_a_folder(url: str, tmp_path: Path, division: dict[str, Any]) -> None:
    here = Dataset.write(tmp_path / "d", players(60), rows_per_file=25, **division)
    there = Dataset.write(url, players(60), rows_per_file=25, **division)
    for data in (here, there):
        data.append(players(5, 60))
    there = dataset(Remote(url), Player)
    assert len(there) == len(here) == 65 and there.get(64) == here.get(64)
    means = select(Player.guild, func.avg(Player.level)).group_by(Player.guild).order_by(Player.guild)
    assert there.execute(means).all() == here.execute(means).all()
    assert sorted(row.id for row in pickle.loads(pickle.dumps(there))) == list(range(65))
    assert {row.id for row in dataset(url)} == set(range(65))  # without its class
    with pytest.raises(IntegrityError, match="key 7"):
        there.append(players(1, 7))
    reader = pickle.loads(pickle.dumps(PartReader.of(place_of(url), Player, there.manifest)))
    assert sum(len(list(reader.objects(part))) for part in there.manifest.parts) == 65


def test_commits_of_several_at_once_are_all_there(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each reads the newest manifest and puts the next one: of two, one finds that name taken, and goes again."""
    data = Dataset.write(url, players(1))
    threads = [Thread(target=data.writer().write_all, args=(players(10, 10 * n),)) for n in range(1, 7)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data.refresh()
    assert sorted(row.id for row in data) == [0, *range(10, 70)] and data.manifest.sequence == 7
    monkeypatch.setattr("parcode_orm.interop.dataset.places.TRIES", 1)
    monkeypatch.setattr(Prefix, "_newest", lambda self: (3, "manifest-0000000003.json"))
    with pytest.raises(StorageError, match="try again"):
        data.append(players(1, 999))


def test_what_no_manifest_names_is_cleaned(url: str) -> None:
    data = Dataset.write(url, players(9), rows_per_file=3)
    data.append(players(3, 100))
    DatasetWriter(url, Player).write(players(4, 200))  # and its process dies
    assert len(names()) == 7 and data.clean() == []
    assert len(data.clean(older_than=0)) == 2 and len(names()) == 5
    with pytest.raises(StorageError, match="there is a dataset"):
        Dataset.write(url, players(1))
    data = Dataset.write(url, players(2), replace=True)
    data.clean(older_than=0)
    assert len(names()) == 2 and [row.id for row in data] == [0, 1]
    fsspec.filesystem("memory").rm("/bucket/players/" + data.manifest.parts[0].file)
    with pytest.raises(FileMissingError):
        list(Dataset(url, Player))
    with pytest.raises(FileMissingError, match="there is no manifest"):
        dataset("memory://bucket/players/none", Player)


def test_places_are_told_by_their_paths(tmp_path: Path) -> None:
    assert isinstance(place_of("memory://a/b/"), Prefix) and place_of("memory://a/b/").path == "memory://a/b"
    assert isinstance(place_of(tmp_path), Folder) and place_of(tmp_path).manifest() is None
