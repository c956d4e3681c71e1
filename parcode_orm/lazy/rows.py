"""Where the rows of a lazy collection are: in its owner's row group (a span of a column) or in a table of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

from ..codec.base import Getter, Space, View
from ..model.plain import deep_plain
from ..table.reader import Table

_ATOMIC = frozenset({int, str, float, bool, bytes, type(None), complex})
_MISSING: Any = object()


class Rows(Protocol):
    """The rows of a stored collection, by position."""

    @property
    def space(self) -> Space:
        """What the rows are read through."""

    @property
    def location(self) -> tuple[int, ...]:
        """Where the rows lie."""

    def __len__(self) -> int: ...

    def get(self, position: int) -> Any:
        """The row at `position`, lazy; in a writable session the same object each time."""

    def scan(self, start: int, stop: int) -> Iterator[Any]:
        """The rows `start` to `stop`, lazy, a row group at a time."""

    def read(self, start: int, stop: int) -> list[Any]:
        """The rows `start` to `stop` as plain copies."""


class PairRows(Rows, Protocol):
    """Rows that have keys."""

    def find(self, key: Any) -> Any:
        """The row with this key, lazy; KeyError where there is none."""

    def has(self, key: Any) -> bool:
        """Whether a row has this key."""

    def keys(self) -> Iterator[Any]:
        """The keys, in the order of the rows."""


def _hand_out(get: Getter, place: int, handed: dict[int, Any], writable: bool) -> Any:
    if not writable:
        return get(place)
    value = handed.get(place, _MISSING)
    if value is _MISSING:
        value = get(place)
        if type(value) not in _ATOMIC:
            value = handed.setdefault(place, value)
    return value


def _read_plain(view: View, start: int, stop: int, handed: dict[int, Any]) -> list[Any]:
    values = view.read(start, stop)
    for place, value in handed.items():
        if start <= place < stop:
            values[place - start] = deep_plain(value)
    return values


class SpanRows:
    """Rows `start` to `stop` of a column of the owner's row group."""

    __slots__ = ("_items", "_start", "_stop", "handed", "space")

    def __init__(self, space: Space, items: View, start: int, stop: int) -> None:
        self.space = space
        self._items = items
        self._start = start
        self._stop = stop
        self.handed: dict[int, Any] = {}

    @property
    def location(self) -> tuple[int, ...]:
        """The column (by the identity of its view) and the span."""
        return id(self._items), self._start, self._stop

    def __len__(self) -> int:
        return self._stop - self._start

    def get(self, position: int) -> Any:
        """The row at `position`."""
        return _hand_out(self._items.get, self._start + position, self.handed, self.space.writable)

    def scan(self, start: int, stop: int) -> Iterator[Any]:
        """The rows `start` to `stop`, one by one."""
        return map(self.get, range(start, stop))

    def read(self, start: int, stop: int) -> list[Any]:
        """Plain copies of the rows `start` to `stop`."""
        return _read_plain(self._items, self._start + start, self._start + stop, self.handed)


class SpanPairs(SpanRows):
    """Keys and values `start` to `stop` of two columns of the owner's row group."""

    __slots__ = ("_keys", "_places")

    def __init__(self, space: Space, keys: View, values: View, start: int, stop: int) -> None:
        super().__init__(space, values, start, stop)
        self._keys = keys
        self._places: dict[Any, int] | None = None

    def _by_key(self) -> dict[Any, int]:
        if self._places is None:
            keys = self._keys.read(self._start, self._stop)
            self._places = dict(zip(keys, range(len(keys)), strict=True))
        return self._places

    def find(self, key: Any) -> Any:
        """The value of `key`."""
        return self.get(self._by_key()[key])

    def has(self, key: Any) -> bool:
        """Whether there is such a key."""
        return key in self._by_key()

    def keys(self) -> Iterator[Any]:
        """The keys in order."""
        return iter(self._keys.read(self._start, self._stop))


class TableRows:
    """The rows of a table."""

    __slots__ = ("space", "table")

    def __init__(self, table: Table) -> None:
        self.space = table.space
        self.table = table

    @property
    def location(self) -> tuple[int, ...]:
        """The table's place in the file."""
        return (self.table.ref.offset,)

    def __len__(self) -> int:
        return self.table.rows

    def get(self, position: int) -> Any:
        """The row at `position`."""
        group, place = self.table.at(position)
        return _hand_out(group.get, place, group.handed, self.space.writable)

    def scan(self, start: int, stop: int) -> Iterator[Any]:
        """The rows `start` to `stop`, a row group at a time."""
        writable = self.space.writable
        for group, a, b in self.table.pieces(start, stop):
            get, handed = group.get, group.handed
            for place in range(a, b):
                yield _hand_out(get, place, handed, writable)

    def read(self, start: int, stop: int) -> list[Any]:
        """Plain copies of the rows `start` to `stop`."""
        found: list[Any] = []
        for group, a, b in self.table.pieces(start, stop):
            found += _read_plain(group.items, a, b, group.handed)
        return found


class TablePairs(TableRows):
    """The rows of a keyed table."""

    __slots__ = ()

    def find(self, key: Any) -> Any:
        """The value of `key`."""
        found = self.table.find(key)
        if found is None:
            raise KeyError(key)
        group, place = found
        if not self.space.writable:
            return group.get(place)
        return _hand_out(group.get, place, group.handed, True)

    def has(self, key: Any) -> bool:
        """Whether there is such a key."""
        return self.table.find(key) is not None

    def keys(self) -> Iterator[Any]:
        """The keys in order, a row group at a time."""
        for group, a, b in self.table.pieces():
            assert group.keys is not None
            yield from group.keys.read(a, b)
