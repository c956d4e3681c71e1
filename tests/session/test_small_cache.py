"""Where the cache keeps next to nothing, row groups are closed in the middle of whatever opens
another one.

Random edits (`test_nested_edits.py`) met a row group that was closed after it was opened to hold a
row, and before the row was put into it. What was changed in the row was lost.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from parcode_orm import Chunk, Model, ShardedMap, load
from tests.small import small_caches, tuned

Session, save, _ = tuned()

ROWS = 30


class Kid(Model):
    n: int
    words: list[str] = []


class Item(Model):
    tags: list[str] = []
    kids: list[Kid] = Chunk(default_factory=list)


class World(Model):
    rows: list[Item] = Chunk(default_factory=list)
    by: dict[str, Item] = ShardedMap(default_factory=dict)
    either: list[Item | Kid] = Chunk(default_factory=list)


def item() -> Item:
    return Item(tags=["a"], kids=[Kid(n=n, words=["w"]) for n in range(9)])


def changed_in_place(path: Path) -> bool:
    """Whether all that was changed in place, in rows held over commits, is in the file."""
    with small_caches():
        items = [item() for _ in range(ROWS)]
        save(path, World(rows=items, by={f"k{n}": each for n, each in enumerate(items)}, either=items))
        with Session(path, durability="fast") as session:
            world = session.root(World)
            held: list[Any] = [world.rows[n] for n in range(0, ROWS, 3)]
            held += [world.by[f"k{n}"] for n in range(0, ROWS, 3)] + [world.either[n] for n in range(0, ROWS, 3)]
            lists = [each.tags for each in held] + [each.kids[5].words for each in held]
            for number in range(3):
                for each in (held[number], held[-number]):
                    each.kids[7].n = -number
                session.commit()
                for each in lists:
                    each.append(f"{number}")
                assert all(row.kids[2].n == 2 for row in world.rows)
                session.commit()
                assert not session.dirty
        stored = load(path, World)
        rows: list[Any] = [*stored.rows[::3], *(stored.by[f"k{n}"] for n in range(0, ROWS, 3)), *stored.either[::3]]
        found = [row.tags[1:] for row in rows] + [row.kids[5].words[1:] for row in rows]
        return found == [["0", "1", "2"]] * len(found)


def test_nothing_is_lost_with_next_to_no_cache(tmp_path: Path) -> None:
    assert changed_in_place(tmp_path / "world.par")
