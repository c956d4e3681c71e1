"""A change of a lazy collection that raises, or is interrupted at any line, leaves the collection as it was."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, EncodeError, Model, SchemaMismatchError, Session, ShardedMap, dumps, load, save
from tests.crash.interrupting import run
from tests.small import small_caches, tuned


class Item(Model):
    n: int = 0


class Shelf(Model):
    items: list[Item] = Chunk(default=[])
    by: dict[str, Item] = ShardedMap(default={})
    numbers: dict[Any, int] = ShardedMap(default={})


LIST: dict[str, Callable[[Any], object]] = {
    "append": lambda x: x.append(Item(n=-1)),
    "insert": lambda x: x.insert(3, Item(n=-1)),
    "insert after an append": lambda x: (x.append(Item(n=-2)), x.insert(2, Item(n=-1))),
    "set": lambda x: x.__setitem__(2, Item(n=-1)),
    "delete": lambda x: x.__delitem__(2),
    "delete some": lambda x: x.__delitem__(slice(1, None, 2)),
    "set a slice": lambda x: x.__setitem__(slice(1, 4), [Item(n=-1)] * 5),
    "set some": lambda x: x.__setitem__(slice(0, 6, 2), [Item(n=-n) for n in range(3)]),
    "extend": lambda x: x.extend(Item(n=-n) for n in range(3)),
    "extend by a stream": lambda x: x.extend(Item(n=-n) for n in range(40)),
    "pop": lambda x: x.pop(),
    "remove": lambda x: x.remove(Item(n=3)),
    "reverse": lambda x: x.reverse(),
    "sort": lambda x: x.sort(key=lambda item: -item.n),
    "clear": lambda x: x.clear(),
}
MAP: dict[str, Callable[[Any], object]] = {
    "new": lambda x: x.__setitem__("new", Item(n=-1)),
    "set": lambda x: x.__setitem__("k2", Item(n=-1)),
    "set what is new": lambda x: (x.__setitem__("new", Item(n=-2)), x.__setitem__("new", Item(n=-1))),
    "delete": lambda x: x.__delitem__("k2"),
    "delete what is new": lambda x: (x.__setitem__("new", Item(n=-2)), x.__delitem__("new")),
    "pop": lambda x: x.pop("k1"),
    "popitem": lambda x: x.popitem(),
    "setdefault": lambda x: x.setdefault("new", Item(n=-1)),
    "update": lambda x: x.update({"k1": Item(n=-1), "new": Item(n=-2), "k3": Item(n=-3)}),
    "update by a stream": lambda x: x.update((f"k{n}", Item(n=-n)) for n in range(3, 40)),
    "clear": lambda x: x.clear(),
}


def interrupted(work: Callable[[], object], line: int) -> bool:
    """Whether `work` was interrupted at its line number `line` within the package."""
    return len(run(work, line)) > line


def content(value: Any) -> Any:
    if isinstance(value, list) or not hasattr(value, "items"):
        return [item.n for item in value]
    return [(key, item.n) for key, item in value.items()]


@pytest.mark.once
@pytest.mark.parametrize("rows", [8, 30])
@pytest.mark.parametrize(("name", "what"), [*(("items", each) for each in LIST), *(("by", each) for each in MAP)])
def test_an_interrupt_anywhere_leaves_a_change_undone_or_done(
    tmp_path: Path, rows: int, name: str, what: str, length: float
) -> None:
    """Eight rows lie with their owner, thirty are a table of several leaves. Quick runs take a third of the lines."""
    change = (LIST if name == "items" else MAP)[what]
    shelf = Shelf(items=[Item(n=n) for n in range(rows)], by={f"k{n}": Item(n=n) for n in range(rows)})
    step = (1 if rows == 8 else 5 if "stream" not in what else 40) * (1 if length else 3)
    sizes = tuned(large=300, sample_rows=64)  # the streams here are short: they are read at once
    with small_caches():
        path = tmp_path / "shelf.par"
        sizes.save(path, shelf)
        saved = path.read_bytes()
        plain = getattr(shelf.model_copy(deep=True), name)
        allowed = [content(plain)]
        change(plain)
        allowed.append(content(plain))
        for line in count(0, step):
            with sizes.Session(path, durability="fast") as session:
                value = getattr(session.root(Shelf), name)
                done = not interrupted(lambda value=value: change(value), line)
                found = content(value)
                assert len(found) == len(value)
                if done:
                    assert found == allowed[-1]
                elif found not in allowed:  # of two changes the first one is done
                    assert what in ("insert after an append", "set what is new", "delete what is new")
                value._check()
                if line % (step * 7) == 0 or done:
                    session.commit()
            if line % (step * 7) == 0 or done:
                assert content(getattr(load(path, Shelf), name)) == found
                path.write_bytes(saved)
            if done:
                break


class Odd:
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd)

    def __hash__(self) -> int:
        return 5


@pytest.mark.parametrize("rows", [5, 20_000])
def test_an_update_that_fails_keeps_no_pair(tmp_path: Path, rows: int) -> None:
    """The pairs before the one that cannot be a key stayed."""
    path = tmp_path / "shelf.par"
    save(path, Shelf(numbers={n: n for n in range(rows)}))
    with Session(path) as session:
        numbers = session.root(Shelf).numbers
        numbers["kept"] = 1
        for pairs in ([(0, -1), ("first", 1), (Odd(), 2)], iter([("first", 1), (Odd(), 2)])):
            try:
                numbers.update(pairs)
                session.flush()
            except EncodeError:
                numbers.pop(next((key for key in numbers if isinstance(key, Odd)), None), None)
            else:
                raise AssertionError("this cannot be a key")
        assert rows == 5 or ("first" not in numbers and numbers[0] == 0 and len(numbers) == rows + 1)
        session.rollback()
        assert list(numbers) == list(range(rows))


def definition(*names: str) -> tuple[Any, Any]:
    state: Any = Enum("State", names)  # type: ignore[misc]

    class Book(Model):
        states: list[state] = Chunk(default=[])
        by: dict[str, state] = ShardedMap(default={})
        one: state | None = None

    return Book, state


@pytest.mark.parametrize("rows", [3, 20_000])
@pytest.mark.parametrize(
    ("what", "change"),
    [
        ("assign", lambda book, new: (setattr(book, "states", [new]), setattr(book, "by", {"a": new}))),
        ("clear", lambda book, new: (book.states.clear(), book.by.clear())),
        ("replace", lambda book, new: (book.states.__setitem__(1, new), book.by.__setitem__("k1", new))),
        ("remove", lambda book, new: (book.states.pop, book.states.__delitem__(1), book.by.__delitem__("k1"))),
    ],
)
def test_values_that_cannot_be_read_any_more_can_be_replaced(
    tmp_path: Path, rows: int, what: str, change: Callable[[Any, Any], object]
) -> None:
    """A member was taken out of an enum: what holds it could be neither replaced nor removed."""
    book, state = definition("OPEN", "GONE", "PAID")
    kept = [state.OPEN, state.GONE, *[state.PAID] * (rows - 2)]
    data = dumps(book(states=kept, by={f"k{n}": each for n, each in enumerate(kept)}, one=state.GONE))
    path = tmp_path / "book.par"
    path.write_bytes(data)
    book, state = definition("OPEN", "PAID")
    with Session(path) as session:
        mine = session.root(book)
        with pytest.raises(SchemaMismatchError):
            mine.one  # noqa: B018
        assert mine.states[0] is state.OPEN and mine.by["k2"].name == "PAID"
        mine.one = state.PAID
        change(mine, state.OPEN)
        session.commit()
    found = load(path, book)
    assert found.one is state.PAID and "GONE" not in {each.name for each in [*found.states, *found.by.values()]}


def test_damaged_values_can_be_replaced(tmp_path: Path) -> None:
    """A commit compared the new value with the damaged one, and raised."""

    class World(Model):
        terrain: bytes = Chunk(default=b"")
        names: list[str] = Chunk(default=[])
        note: str = ""

    for field, value, new in [
        ("terrain", b"MARKMARK" * 5000, b"fresh"),
        ("terrain", b"MARKMARK" * 5000, b"fresh" * 8000),
        ("terrain", b"MARKMARK", b"fresh"),
        ("names", [f"MARKMARK{n}" for n in range(30)], ["fresh"]),
        ("names", [f"MARKMARK{n}" for n in range(30_000)], ["fresh"]),
    ]:
        path = tmp_path / "world.par"
        save(path, World(**{field: value, "note": "kept"}))
        data = bytearray(path.read_bytes())
        data[data.find(b"MARKMARK")] ^= 1
        path.write_bytes(data)
        with Session(path) as session:
            world = session.root(World)
            setattr(world, field, new)
            assert world.note == "kept"
            session.commit()
        assert getattr(load(path, World), field) == new
