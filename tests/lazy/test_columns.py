"""Columns as arrays: the values of the objects, without the objects."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from parcode_orm import Chunk, Model, Session, ShardedMap, lazy, save

pytestmark = pytest.mark.once


class Position(Model):
    x: float
    y: float


class Unit(Model):
    level: int
    name: str
    alive: bool
    bonus: int | None = None
    position: Position
    same: int = 7
    notes: list[str] = Chunk(default=[])


class Army(Model):
    units: list[Unit] = Chunk()
    by_name: dict[str, Unit] = ShardedMap()
    numbers: list[int] = Chunk()
    few: list[Unit] = Chunk()


def unit(i: int) -> Unit:
    position = Position(x=i / 2, y=-i)
    return Unit(level=i, name=f"u{i}", alive=i % 3 == 0, bonus=i if i % 2 else None, position=position)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("columns") / "a.par"
    units = [unit(i) for i in range(9_000)]
    army = Army(units=units, by_name={each.name: each for each in units}, numbers=list(range(20_000)), few=units[:9])
    save(path, army)
    return path


@pytest.mark.parametrize("field", ["units", "by_name", "few"])
@pytest.mark.parametrize("name", ["level", "name", "alive", "bonus", "position.x", "same", "notes"])
def test_a_column_is_the_field_of_every_object(path: Path, field: str, name: str) -> None:
    army = Session.open(path).root(Army)
    collection = getattr(army, field)
    expected = []
    for each in collection.values() if field == "by_name" else collection:
        for part in name.split("."):
            each = getattr(each, part)
        expected.append(each)
    found = collection.column(name)
    assert found.tolist() == expected
    kinds = {"level": "iu", "alive": "b", "position.x": "f", "same": "iu"}
    assert found.dtype.kind in kinds.get(name, "O")


def test_a_column_reads_nothing_else(path: Path) -> None:
    with Session.open(path) as session:
        units = lazy(session.root(Army).units)
        before = session.stats.bytes_read
        assert units.column("level").sum() == sum(range(9_000))
        assert session.stats.bytes_read - before < 30_000 + 9_000 * 4


def test_one_row_group_is_a_view_of_the_file(tmp_path: Path) -> None:
    save(tmp_path / "a.par", Army(units=[], by_name={}, numbers=[i * 1_000_003 for i in range(4_000)], few=[]))
    army = Session.open(tmp_path / "a.par").root(Army)
    numbers = lazy(army.numbers).to_numpy()
    assert numbers.tolist() == [i * 1_000_003 for i in range(4_000)]


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3, -1],
        [1, 300, 2**63, 2**64 - 1],
        [-1, 1, 2**63, 5],
        [2**63, 1, -1, 5],
        [1, 2.5, 3, 4.5],
        [True, 1, False, 2],
        [1, [1, 2], [3, 4], 2],
        [[1, 2], [3, 4], 5, None],
        [1, None, 2**70, 3],
    ],
)
def test_parts_of_different_kinds_become_one(tmp_path: Path, values: list[Any]) -> None:
    class Bag(Model):
        things: list[int | float | bool | list[int] | None] = Chunk()

    with Session(tmp_path / "b.par") as session:
        session.add(Bag(things=[values[0]] * 5_000))
        session.commit()
    with Session(tmp_path / "b.par") as session:
        things = lazy(session.root(Bag).things)
        for value in values[1:]:
            things.extend([value] * 5_000)
            session.commit()
        expected = [value for value in values for _ in range(5_000)]
        found = things.to_numpy().tolist()
        assert found == expected and list(map(type, found)) == list(map(type, expected))
        parts = [value for chunk in things.iter_chunks() for value in chunk]
        assert parts == expected and list(map(type, parts)) == list(map(type, expected))


def test_changes_in_memory_are_seen(path: Path, tmp_path: Path) -> None:
    with Session(shutil.copy(path, tmp_path)) as session:
        army = session.root(Army)
        army.units[8_999].level = -1
        lazy(army.units).append(unit(5))
        army.by_name["new"] = unit(3)
        assert lazy(army.units).column("level")[-2:].tolist() == [-1, 5]
        assert lazy(army.by_name).column("level")[-1] == 3
        session.commit()
        assert lazy(army.units).column("level")[-2:].tolist() == [-1, 5]
        assert lazy(army.units).column("level").dtype == np.int64


def test_unknown_fields_are_named(path: Path) -> None:
    with pytest.raises(AttributeError, match=r"'Unit'.*'speed'"):
        lazy(Session.open(path).root(Army).units).column("speed")
