"""Commits of rows that are scattered over a large table cost what changed, however many row groups are written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Model, ShardedMap, load
from parcode_orm.codec.columns.mixed import Mixed
from parcode_orm.codec.views.stretch import Stretch
from parcode_orm.table.nodes import Piece
from parcode_orm.tuning import TUNING
from tests.small import tuned

pytestmark = pytest.mark.once

ROWS, EVERY = 3_000, 20
Small = tuned(TUNING, group_rows=64)


class Reading(Model):
    n: int
    text: str = ""


class Log(Model):
    readings: dict[int, Reading] = ShardedMap()


def test_each_part_of_what_is_joined_is_looked_at_a_few_times(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neighbours of changed rows are joined to one piece, of thousands of parts, and written as many row groups."""
    path = tmp_path / "log.par"
    Small.save(path, Log(readings={n: Reading(n=n, text="x" * (n % 9)) for n in range(ROWS)}))
    looks = 0
    among = Piece.among

    def counted(self: Piece, rows: Any) -> Any:
        nonlocal looks
        looks += 1
        return among(self, rows)

    with Small.Session(path, durability="fast") as session:
        readings = session.root(Log).readings
        held = [readings[n] for n in range(0, ROWS, EVERY)]
        for each in held:
            each.n += 1
        monkeypatch.setattr(Piece, "among", counted)
        session.commit()
        monkeypatch.undo()
        assert looks < 10 * len(held)
        for each in held:  # each stands for its row where that is now
            each.n += 1
        session.commit()
        assert all(readings[n] is each for n, each in zip(range(0, ROWS, EVERY), held, strict=True))
    found = load(path, Log).readings
    assert {n: each.n for n, each in found.items()} == {n: n + 2 * (n % EVERY == 0) for n in range(ROWS)}


class Watched(list[Any]):
    """A list that counts how often it is asked for an item."""

    asked = 0

    def __getitem__(self, at: Any) -> Any:
        self.asked += 1
        return super().__getitem__(at)

    def __iter__(self) -> Iterator[Any]:
        self.asked += len(self)
        return super().__iter__()


class Numbers:
    """A view whose values are its rows."""

    def read(self, start: int, stop: int) -> list[int]:
        return list(range(start, stop))


def stretch(start: int, length: int) -> Stretch:
    return Stretch(Numbers(), start, start + length, False)  # type: ignore[arg-type]


PARTS = st.lists(st.lists(st.integers(), max_size=3) | st.builds(stretch, st.integers(0, 9), st.integers(0, 3)))


@given(PARTS, st.data())
def test_a_cut_has_the_values_of_its_range(parts: list[Any], data: st.DataObject) -> None:
    def values(mixed: Mixed) -> list[Any]:
        found: list[Any] = []
        for part in mixed.parts:
            assert part if isinstance(part, list) else part.start < part.stop
            found += part if isinstance(part, list) else part.view.read(part.start, part.stop)
        return found

    whole = values(Mixed([part for part in parts if (part if isinstance(part, list) else part.start < part.stop)]))
    start, stop = (data.draw(st.integers(0, len(whole))) for _ in "ab")
    cut = Mixed(parts).cut(start, stop)
    assert values(cut) == whole[start:stop] and len(cut) == len(whole[start:stop])


def test_cuts_look_at_their_own_parts() -> None:
    mixed = Mixed([[n] for n in range(1_000)])
    mixed.parts = Watched(mixed.parts)
    for start in range(0, 1_000, 10):
        mixed.cut(start, start + 10)
    assert mixed.parts.asked == 1_000
