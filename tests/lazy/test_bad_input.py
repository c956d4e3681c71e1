"""What a lazy collection is given that it cannot take: an error that says what and where, and nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from parcode_orm import Chunk, Model, Session, ShardedMap, load, save
from parcode_orm.tuning import TUNING
from tests.small import tuned

pytestmark = pytest.mark.once


class Row(Model):
    x: int = 1


class World(Model):
    rows: list[Row] = Chunk(default_factory=list)
    numbers: list[int] = Chunk(default_factory=list)
    table: dict[str, Row] = ShardedMap(default_factory=dict)


@pytest.fixture(params=[6, 9000])
def path(tmp_path: Path, request: Any) -> Path:
    """A file whose collections lie in their owner's row, or in tables."""
    rows = [Row(x=n * 10**9) for n in range(request.param)]
    numbers = [n * 10**9 for n in range(request.param * 2)]
    save(tmp_path / "w.par", World(rows=rows, numbers=numbers, table={f"k{n}": row for n, row in enumerate(rows)}))
    return tmp_path / "w.par"


@pytest.fixture
def world(path: Path) -> Iterator[Any]:
    with Session(path) as session:
        yield session.root(World)
        assert not session.is_modified(session.root(World))
        session.commit()
        assert session.snapshot is not None and session.snapshot.sequence == 1


def broken(values: Any) -> Iterator[Any]:
    yield from values
    raise OSError("the source went away")


def fail(row: Row) -> Any:
    if row.x == 4 * 10**9:
        raise LookupError("no rank")
    return -row.x


def rows(count: int) -> Iterator[Row]:
    return (Row(x=n) for n in range(count))


def pairs(count: int) -> Iterator[tuple[str, Row]]:
    return ((f"n{n}", Row(x=n)) for n in range(count))


def last(values: Any, bad: Any) -> Any:
    return chain(values, [bad])


# What is asked of which field, the error, and what its message says.
REFUSED: list[tuple[str, Callable[[Any], Any], type[Exception], str]] = [
    ("rows", lambda c: c[len(c)], IndexError, r"list index \d+ out of range: the list has \d+ items"),
    ("rows", lambda c: c[-len(c) - 1], IndexError, r"list index -\d+ out of range: the list has"),
    ("rows", lambda c: c.__setitem__(len(c), Row()), IndexError, "out of range"),
    ("rows", lambda c: c.__setitem__(-len(c) - 1, Row()), IndexError, "out of range"),
    ("rows", lambda c: c.__delitem__(len(c)), IndexError, "out of range"),
    ("rows", lambda c: c.pop(len(c)), IndexError, "out of range"),
    ("rows", lambda c: c["a"], TypeError, "integers or slices, not str"),
    ("rows", lambda c: c[1.0], TypeError, "integers or slices, not float"),
    ("rows", lambda c: c.__setitem__(None, Row()), TypeError, "integers or slices, not NoneType"),
    ("rows", lambda c: c.__delitem__("a"), TypeError, "integers or slices, not str"),
    ("rows", lambda c: c["a":"b"], TypeError, "slice indices must be integers"),
    ("rows", lambda c: c[::0], ValueError, "slice step cannot be zero"),
    ("rows", lambda c: c.__delitem__(slice(None, None, 0)), ValueError, "slice step cannot be zero"),
    ("rows", lambda c: c.insert("a", Row()), TypeError, "'str' object cannot be interpreted as an integer"),
    ("rows", lambda c: c.index(Row(x=-1)), ValueError, r"Row\(x=-1\) is not in the list"),
    ("rows", lambda c: c.index(Row(x=0), 1), ValueError, r"Row\(x=0\) is not in the list"),
    ("rows", lambda c: c.remove(Row(x=-1)), ValueError, r"Row\(x=-1\) is not in the list"),
    ("rows", lambda c: c.extend(None), TypeError, "'NoneType' object is not iterable"),
    ("rows", lambda c: c.__setitem__(slice(0, 2), 5), TypeError, "'int' object is not iterable"),
    ("rows", lambda c: c.__setitem__(slice(0, 4, 2), 5), TypeError, "'int' object is not iterable"),
    ("rows", lambda c: c.__setitem__(slice(0, 4, 2), [Row()]), ValueError, "1 items to an extended slice of 2"),
    ("rows", lambda c: c.__setitem__(slice(4, 0, -1), rows(3)), ValueError, "3 items to an extended slice of 4"),
    ("rows", lambda c: c.__setitem__(slice(0, 4, 2), broken(rows(1))), OSError, "went away"),
    ("rows", lambda c: c.__setitem__(slice(0, 4), broken(rows(1))), OSError, "went away"),
    ("rows", lambda c: c.__setitem__(slice(0, 4), broken(rows(5000))), OSError, "went away"),
    ("rows", lambda c: c.extend(broken(rows(2))), OSError, "went away"),
    ("rows", lambda c: c.extend(broken(rows(5000))), OSError, "went away"),
    ("rows", lambda c: c.__iadd__(broken(rows(5000))), OSError, "went away"),
    ("rows", lambda c: c.sort(), TypeError, "'<' not supported between instances of 'Row' and 'Row'"),
    ("rows", lambda c: c.sort(key=fail), LookupError, "no rank"),
    ("numbers", lambda c: c.extend(last(range(3), "x")), ValidationError, r"numbers\.\d+\n"),
    ("numbers", lambda c: c.extend(last(range(5000), "x")), ValidationError, r"numbers\.\d+\n"),
    ("numbers", lambda c: c.extend([1, 2, "x"]), ValidationError, r"numbers\.\d+\n"),
    ("numbers", lambda c: c.__setitem__(slice(2, 3), [1, "x"]), ValidationError, r"numbers\.3\n"),
    ("numbers", lambda c: c.__setitem__(slice(2, 3), last(range(5000), "x")), ValidationError, r"numbers\.5002\n"),
    ("numbers", lambda c: c.__setitem__(slice(0, 6, 2), [1, 2, "x"]), ValidationError, r"numbers\.4\n"),
    ("table", lambda c: c["none"], KeyError, "'none'"),
    ("table", lambda c: c.__delitem__("none"), KeyError, "'none'"),
    ("table", lambda c: c.pop("none"), KeyError, "'none'"),
    ("table", lambda c: c.pop(5), KeyError, "5"),
    ("table", lambda c: c[[]], TypeError, "unhashable type: 'list'"),
    ("table", lambda c: c.__setitem__([], Row()), TypeError, "unhashable type: 'list'"),
    ("table", lambda c: c.__setitem__(5, Row()), ValidationError, r"table\.5\.\[key\]"),
    ("table", lambda c: c.__setitem__("n", {"x": "y"}), ValidationError, r"table\.n\.x"),
    ("table", lambda c: c.setdefault("n", 5), ValidationError, r"table\.n\n"),
    ("table", lambda c: c.setdefault([], Row()), TypeError, "unhashable type: 'list'"),
    ("table", lambda c: c.update(None), TypeError, "'NoneType' object is not iterable"),
    ("table", lambda c: c.update([1, 2]), TypeError, "element #0 is 1, not a pair of key and value"),
    ("table", lambda c: c.update(iter([("n", Row()), None])), TypeError, "element #1 is None, not a pair"),
    ("table", lambda c: c.update([("n", Row(), 3)]), ValueError, "element #0 has length 3; 2 is required"),
    ("table", lambda c: c.update(last(pairs(5000), (1, 2, 3))), ValueError, "element #5000 has length 3"),
    ("table", lambda c: c.update(last(pairs(5000), ([], Row()))), TypeError, "unhashable type: 'list'"),
    ("table", lambda c: c.update({"n": Row(), "o": 5}), ValidationError, r"table\.o\n"),
    ("table", lambda c: c.update({"k1": Row(x=7), "o": 5}), ValidationError, r"table\.o\n"),
    ("table", lambda c: c.update(last(pairs(3), ("o", 5))), ValidationError, r"table\.o\n"),
    ("table", lambda c: c.update(last(pairs(5000), ("o", 5))), ValidationError, r"table\.o\n"),
    ("table", lambda c: c.update(broken(pairs(3))), OSError, "went away"),
    ("table", lambda c: c.update(broken(pairs(5000))), OSError, "went away"),
    ("table", lambda c: c.__ior__(5), TypeError, "'int' object is not iterable"),
    ("table", lambda c: c | [], TypeError, "unsupported operand"),
]


def test_what_is_refused_changes_nothing(world: Any) -> None:
    before = {name: getattr(world, name).load() for name in World.model_fields}
    for name, change, error, message in REFUSED:
        collection = getattr(world, name)
        with pytest.raises(error, match=message):
            change(collection)
        collection._check()
        assert len(collection) == len(before[name]) and collection.load() == before[name], message


def test_what_an_empty_collection_refuses(tmp_path: Path) -> None:
    save(tmp_path / "w.par", World())
    with Session(tmp_path / "w.par") as session:
        world: Any = session.root(World)
        for ask, error, message in (
            (lambda: world.rows[0], IndexError, "out of range: the list has 0 items"),
            (lambda: world.rows.pop(), IndexError, "pop from empty list"),
            (lambda: world.table.popitem(), KeyError, "the map is empty"),
            (lambda: world.table[""], KeyError, "''"),
        ):
            with pytest.raises(error, match=message):
                ask()
        assert not session.is_modified(world)


def test_changes_under_a_sort_are_not_lost(path: Path) -> None:
    """What the key function appended was gone after the sort."""
    with Session(path) as session:
        found = session.root(World).rows
        size = len(found)

        def key(row: Row) -> int:
            if len(found) == size:
                found.append(Row(x=-1))
            return -row.x

        with pytest.raises(ValueError, match="list modified during sort"):
            found.sort(key=key)
        assert len(found) == size + 1 and found[-1].x == -1 and found[0].x == 0


def test_an_iterator_that_shortens_the_list_it_is_for(path: Path) -> None:
    with Session(path) as session:
        found = session.root(World).rows
        size = len(found)

        def shortening(count: int) -> Iterator[Row]:
            for n in range(count):
                found.pop()
                yield Row(x=-n)

        with pytest.raises(ValueError, match="to an extended slice of"):
            found[::2] = shortening((size + 1) // 2)
        assert len(found) == size - (size + 1) // 2 and all(row.x >= 0 for row in found)
        found[len(found) :] = shortening(2)
        assert [row.x for row in found[-2:]] == [0, -1]


def test_insertion_under_a_loop(path: Path) -> None:
    plain = load(path, World)
    with Session(path) as session:
        world: Any = session.root(World)
        for change in (
            lambda: world.rows.insert(0, Row()),
            lambda: world.rows.remove(Row(x=0)),
            lambda: world.rows.clear(),
            lambda: world.rows.extend(iter([Row()])),
        ):
            for start in (iter, reversed, enumerate, lambda rows: rows.iter_chunks()):
                walk: Any = start(world.rows)
                next(walk)
                change()
                with pytest.raises(RuntimeError, match="list changed size during iteration"):
                    next(walk)
                session.rollback()
                assert world.rows == plain.rows
        with pytest.raises(RuntimeError, match="dictionary changed size during iteration"):
            for key in world.table:
                world.table[key + " again"] = Row()
        with pytest.raises(RuntimeError, match="dictionary changed size during iteration"):
            for _ in world.table.iter_chunks():
                world.table.popitem()


USES: list[Callable[[Any], Any]] = [
    lambda w: w.rows.append(Row()),
    lambda w: w.rows.clear(),
    lambda w: w.rows.extend([Row()]),
    lambda w: w.rows.insert(0, Row()),
    lambda w: w.rows.pop(),
    lambda w: w.rows.pop(0),
    lambda w: w.rows.remove(Row(x=0)),
    lambda w: w.rows.reverse(),
    lambda w: w.rows.sort(key=lambda row: row.x),
    lambda w: w.rows.__iadd__([Row()]),
    lambda w: w.rows.__setitem__(0, Row()),
    lambda w: w.rows.__setitem__(slice(0, 2), []),
    lambda w: w.rows.__setitem__(slice(0, 4, 2), [Row(), Row()]),
    lambda w: w.rows.__delitem__(0),
    lambda w: w.rows.__delitem__(slice(0, 4, 2)),
    lambda w: w.table.__setitem__("n", Row()),
    lambda w: w.table.__delitem__("k1"),
    lambda w: w.table.__ior__({"n": Row()}),
    lambda w: w.table.clear(),
    lambda w: w.table.pop("k1"),
    lambda w: w.table.pop("n", None),
    lambda w: w.table.popitem(),
    lambda w: w.table.setdefault("k1"),
    lambda w: w.table.setdefault("n", Row()),
    lambda w: w.table.update(n=Row()),
    lambda w: w.table.update(pairs(500)),
    lambda w: list(w.rows),
    lambda w: list(reversed(w.rows)),
    lambda w: w.rows[500],
    lambda w: w.rows[400:500],
    lambda w: w.rows[::250],
    lambda w: Row(x=-1) in w.rows,
    lambda w: w.rows.index(Row(x=-1)),
    lambda w: w.rows.count(Row(x=-1)),
    lambda w: w.rows == [Row()] * len(w.rows),
    lambda w: w.rows.copy(),
    lambda w: w.rows.__add__([]),
    lambda w: w.rows.__radd__([]),
    lambda w: w.rows.load(),
    lambda w: w.rows.column("x"),
    lambda w: w.numbers.to_numpy(),
    lambda w: list(w.rows.iter_chunks()),
    lambda w: list(w.rows.iter_columns("x")),
    lambda w: w.table["k500"],
    lambda w: w.table.get("k500"),
    lambda w: "k500" in w.table,
    lambda w: list(w.table),
    lambda w: list(reversed(w.table)),
    lambda w: list(w.table.keys()),
    lambda w: list(w.table.values()),
    lambda w: list(w.table.items()),
    lambda w: list(reversed(w.table.items())),
    lambda w: w.table == dict.fromkeys(map(str, range(len(w.table)))),
    lambda w: w.table | {},
    lambda w: {} | w.table,
    lambda w: w.table.copy(),
    lambda w: w.table.load(),
    lambda w: w.table.column("x"),
    lambda w: list(w.table.iter_chunks()),
    lambda w: list(w.table.iter_columns("x")),
]


def outcome(use: Callable[[Any], Any], world: Any) -> str:
    try:
        return repr(use(world))
    except Exception as problem:
        return repr(problem)


@pytest.mark.parametrize("read_only", [False, True])
def test_every_use_after_close(tmp_path: Path, read_only: bool) -> None:
    rows = [Row(x=n * n * 10**7) for n in range(1000)]
    table = {f"k{n}": row for n, row in enumerate(rows)}
    save = tuned(TUNING, large=4096, group_rows=400).save
    save(tmp_path / "w.par", World(rows=rows, numbers=[n * n for n in range(5_000)], table=table))
    for number, use in enumerate(USES):
        with Session(tmp_path / "w.par", read_only=read_only) as session:
            world: Any = session.root(World)
            _ = world.rows, world.numbers, world.table
            expected = outcome(use, world)
        with Session(tmp_path / "w.par", read_only=read_only) as session:
            world = session.root(World)
            _ = world.rows, world.numbers, world.table
        assert outcome(use, world) == expected, number
