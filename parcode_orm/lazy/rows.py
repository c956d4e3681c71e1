"""The rows of a lazy collection that are a table of their own, and what both kinds of rows share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from ..codec.base import Getter, Space
from ..codec.columns.boundary import ChunkColumn
from ..errors import called
from ..model.plain import deep_plain
from ..storage.spill import is_spilled
from ..table.columns import column as field_of
from ..table.columns import column_parts
from ..table.state import begin, end, places_in_memory, put_back, remember, undo
from ..table.streaming import Spilled, put_pairs, put_rows
from ..table.table import Table
from .protocols import PairRows, Rows, StoredRows

T = TypeVar("T")


def unchanged(rows: Rows | PairRows, values: Iterator[T], what: str) -> Iterator[T]:
    """`values`, which are read from `rows` as they are asked for; an error once there are more or fewer rows."""
    version = rows.version
    for value in values:
        yield value
        if rows.version != version:
            raise RuntimeError(f"{what} changed size during iteration")


def field_path(name: object) -> list[str]:
    """The names of fields in a name that leads into nested models."""
    if not isinstance(name, str):
        raise TypeError(f"a column is named by a field, a str, not {called(name)}")
    return name.split(".")


class Whole:
    """A `with` block that changes `rows` whole or, where it raises or is interrupted, not at all."""

    __slots__ = ("_rows", "_state")

    def __init__(self, rows: Rows | PairRows) -> None:
        self._rows = rows

    def __enter__(self) -> None:
        self._state = self._rows.begin()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if kind is None:
            self._rows.end(self._state)
        else:
            self._rows.undo(self._state)


def named(names: Sequence[str], columns: Callable[[list[list[str]]], Iterator[list[object]]]) -> Iterator[object]:
    """What `columns` gives for dotted `names`: the arrays of one name, or dictionaries of arrays by name."""
    if not names:
        raise TypeError("iter_columns(*names) takes the name of a field, or several")
    parts = columns(list(map(field_path, names)))
    if len(names) == 1:
        return (part for (part,) in parts)
    return (dict(zip(names, part, strict=True)) for part in parts)


def walk(lazy: Any, version: int, message: str) -> Iterator[Any]:
    """The rows of a lazy collection, as long as its version is `version`; else RuntimeError.

    A commit may give the collection other `rows` between two of them; from there on those are read.
    """
    position = 0
    rows = None
    while rows is not lazy.rows:
        rows = lazy.rows
        if rows.version != version:
            raise RuntimeError(message)
        changing = rows.space.writable
        for value in rows.scan(position, len(rows)):
            yield value
            position += 1
            now = lazy.rows
            if now is rows and not changing:
                continue
            if now.version != version:
                raise RuntimeError(message)
            if now is not rows:
                break


class TableRows:
    """The rows of a table. A stream put them there where `before` are the rows that are stored."""

    __slots__ = ("_before", "table")

    def __init__(self, table: Table, before: Any = None) -> None:
        self.table = table
        self._before = before

    @property
    def origin(self) -> Any:
        """The rows that go back to what is stored: those before a stream came, until a commit stores the table."""
        return self._before if self._before is not None and is_spilled(self.table.ref) else self

    @property
    def space(self) -> Space:
        """What the table is read through."""
        return self.table.space

    @property
    def location(self) -> tuple[int, ...]:
        """The table's place in the file."""
        return (self.table.ref.offset,)

    @property
    def version(self) -> int:
        """The table's."""
        return self.table.version

    def held(self) -> list[object]:
        """The rows in memory."""
        return self.table.in_memory()

    def places_in_memory(self) -> list[tuple[int, object]]:
        """The rows in memory, with their positions."""
        return places_in_memory(self.table)

    def mixed(self) -> None:
        """They are a table."""

    def column(self, names: list[str]) -> object:
        """A field of all rows; nothing else of them is read."""
        return field_of(self.table, names)

    def columns(self, paths: list[list[str]]) -> Iterator[list[object]]:
        """Fields of all rows, a row group at a time."""
        return column_parts(self.table, paths)

    def chunks(self) -> Iterator[list[object]]:
        """Plain copies of all rows, a row group at a time."""
        return (part.rows for part in self.table.parts(deep_plain))

    def __len__(self) -> int:
        return self.table.rows

    def get(self, position: int) -> object:
        """The row at `position`."""
        return self.table.value(*self.table.tree.at(position))

    def stretch(self, position: int) -> StoredRows | None:
        """Where the row at `position` lies as it is stored; None for one that is not."""
        piece, place = self.table.tree.at(position)
        if piece.rows is not None:
            return None
        group = self.table.group(piece)
        return StoredRows(group.items, piece.start + place, place, piece.length - place - 1, group.keys)

    def scan(self, start: int, stop: int) -> Iterator[object]:
        """The rows `start` to `stop`, a row group at a time."""
        return self.table.scan(start, stop)

    def read(self, start: int, stop: int) -> list[object]:
        """Plain copies of the rows `start` to `stop`."""
        return self.table.read(start, stop, deep_plain)

    def reset(self, keep: Callable[[Getter, int, object], bool]) -> None:
        """Forget every change since the table was stored."""
        self.table.reset(keep)

    def remember(self) -> object:
        """The state of the table in memory."""
        return remember(self.table)

    def go_back(self, state: Any, keep: Callable[[Getter, int, object], bool]) -> None:
        """Take on that state."""
        put_back(self.table, state, keep)

    def begin(self) -> object:
        """A change begins: what `undo` goes back to."""
        return begin(self.table)

    def end(self, state: Any) -> None:
        """The change is whole."""
        end(self.table, state)

    def undo(self, state: Any) -> None:
        """Take back a change that did not come to its end."""
        undo(self.table, state)

    def hold(self, position: int, value: object) -> None:
        """Let `value` stand for the row at `position`, as which it was stored."""
        piece, place = self.table.tree.at(position)
        self.table.group(piece).held[piece.start + place] = value

    def set(self, position: int, value: object) -> None:
        """Put `value` in the place of a row."""
        self.table.tree.replace(position, value)

    def splice(self, start: int, stop: int, values: list[object]) -> None:
        """Put `values` in the place of the rows `start` to `stop`."""
        self.table.splice(start, stop, values)

    def splice_spilled(self, column: ChunkColumn, start: int, stop: int, spilled: Spilled) -> Rows:
        """Put the rows of a stream in the place of the rows `start` to `stop`."""
        put_rows(self.table, start, stop, spilled)
        return self

    def _check(self) -> None:
        self.table._check()


class TablePairs(TableRows):
    """The rows of a keyed table."""

    __slots__ = ()

    def find(self, key: object, default: object) -> object:
        """The value of `key`."""
        return self.table.lookup(key, default)

    def has(self, key: object) -> bool:
        """Whether there is such a key."""
        return self.table.find(key) is not None

    def keys(self) -> Iterator[object]:
        """The keys in order, a row group at a time."""
        for keys in self.table.read_keys():
            yield from keys

    def pair_chunks(self) -> Iterator[dict[object, object]]:
        """Plain copies of all pairs, a row group at a time."""
        return (dict(zip(keys, rows, strict=True)) for keys, rows in self.table.parts(deep_plain))

    def load(self) -> dict[object, object]:
        """Plain copies of all pairs."""
        return self.table.read_map(deep_plain)

    def key_at(self, position: int) -> object:
        """The key at `position`."""
        return self.table.key(*self.table.tree.at(position))

    def position(self, key: object) -> int | None:
        """The position of `key`; None where there is none."""
        found = self.table.find(key)
        return None if found is None else self.table.tree.position(found[0].first + found[1])

    def put(self, key: object, value: object) -> None:
        """Set the value of a key."""
        self.table.put(key, value)

    def remove(self, key: object) -> bool:
        """Remove a key."""
        return self.table.remove(key)

    def clear(self) -> None:
        """Remove all keys."""
        self.table.clear()

    def put_spilled(self, column: ChunkColumn, spilled: Spilled) -> PairRows:
        """Set the pairs of a stream."""
        put_pairs(self.table, spilled)
        return self
