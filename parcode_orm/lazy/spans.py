"""The rows of a small lazy collection: a span of a column of its owner's row group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..codec.base import Getter, Space, View
from ..codec.boundary import ChunkColumn
from ..errors import CorruptionError
from ..model.plain import deep_plain
from ..table.columns import array_of
from ..table.streaming import Spilled, new_table, put_pairs, put_rows
from ..table.table import ATOMIC, MISSING
from .base import is_untouched
from .protocols import PairRows, Rows, Stretch
from .proxy import is_proxy, proxy_state
from .rows import TablePairs, TableRows


class SpanRows:
    """Rows `start` to `stop` of a column of the owner's row group; from the first change on, a list of them."""

    __slots__ = ("_items", "_start", "_stop", "changed", "handed", "space", "version")

    def __init__(self, space: Space, items: View, start: int, stop: int) -> None:
        self.space = space
        self._items = items
        self._start = start
        self._stop = stop
        self.handed: dict[int, Any] = {}
        self.changed: list[Any] | None = None
        self.version = 0

    @property
    def location(self) -> tuple[int, ...]:
        """The column (by the identity of its view) and the span."""
        return id(self._items), self._start, self._stop

    def held(self) -> list[Any]:
        """The rows in memory."""
        return list(self.handed.values()) if self.changed is None else list(self.changed)

    def places_in_memory(self) -> list[tuple[int, Any]]:
        """The rows in memory, with their positions."""
        return list(self.handed.items() if self.changed is None else enumerate(self.changed))

    def to_store(self) -> list[Any]:
        """The rows to be written again: plain copies, read at once, of those of which nobody has seen anything.

        Rows that refer to other chunks are taken lazily, so that what these hold is referred to where it is.
        """
        chunk = getattr(self._items, "chunk", None)
        if chunk is None or chunk.refs:
            return list(self.scan(0, len(self)))
        plain = self._items.read(self._start, self._stop)
        if self.changed is not None:
            return [plain[self._place_of(value)] if self._is_as_read(value) else value for value in self.changed]
        for place, value in self.handed.items():
            if not self._is_as_read(value):
                plain[place] = value
        return plain

    def _is_as_read(self, value: Any) -> bool:
        """Whether `value` is one of these rows, and nobody has seen anything of it; the column has other spans, too."""
        if not is_proxy(value):
            return False
        view, row = proxy_state(value)
        return view is self._items and self._start <= row < self._stop and is_untouched(value)

    def _place_of(self, proxy: Any) -> int:
        return proxy_state(proxy)[1] - self._start

    def column(self, names: list[str]) -> Any:
        """A field of all rows."""
        return array_of(self.scan(0, len(self)), names)

    def columns(self, paths: list[list[str]]) -> Iterator[list[Any]]:
        """Fields of all rows, at once."""
        rows = list(self.scan(0, len(self)))
        return iter([[array_of(rows, names) for names in paths]] if rows else [])

    def chunks(self) -> Iterator[list[Any]]:
        """Plain copies of all rows, at once."""
        return iter([self.read(0, len(self))] if len(self) else [])

    def __len__(self) -> int:
        return self._stop - self._start if self.changed is None else len(self.changed)

    def get(self, position: int) -> Any:
        """The row at `position`."""
        if self.changed is not None:
            return self.changed[position]
        if not self.space.writable:
            return self._items.get(self._start + position)
        value = self.handed.get(position, MISSING)
        if value is MISSING:
            value = self._items.get(self._start + position)
            if type(value) not in ATOMIC:
                value = self.handed.setdefault(position, value)
        return value

    def stretch(self, position: int) -> Stretch | None:
        """Where the row at `position` lies as it is stored; None once rows were changed."""
        if self.changed is not None:
            return None
        return Stretch(self._items, self._start + position, position, len(self) - position - 1)

    def scan(self, start: int, stop: int) -> Iterator[Any]:
        """The rows `start` to `stop`, one by one."""
        return map(self.get, range(start, stop))

    def read(self, start: int, stop: int) -> list[Any]:
        """Plain copies of the rows `start` to `stop`."""
        if self.changed is not None:
            return deep_plain(self.changed[start:stop])
        values = self._items.read(self._start + start, self._start + stop)
        for position, value in self.handed.items():
            if start <= position < stop:
                values[position - start] = deep_plain(value)
        return values

    def _changing(self) -> list[Any]:
        if self.changed is None:
            self.changed = list(self.scan(0, len(self)))
        return self.changed

    def set(self, position: int, value: Any) -> None:
        """Put `value` in the place of a row."""
        self._changing()[position] = value

    def splice(self, start: int, stop: int, values: list[Any]) -> None:
        """Put `values` in the place of the rows `start` to `stop`."""
        self._changing()[start:stop] = values
        self.version += 1

    def splice_spilled(self, column: ChunkColumn, start: int, stop: int, spilled: Spilled) -> Rows:
        """Put the rows of a stream in the place of the rows `start` to `stop`, in a table."""
        table = new_table(self.space, column)
        table.splice(0, 0, list(self.scan(0, len(self))))
        put_rows(table, start, stop, spilled)
        return TableRows(table)

    def reset(self, keep: Callable[[Getter, int, Any], bool]) -> None:
        """Forget every change since the rows were stored; of those handed out, what `keep` says is held further."""
        handed, self.handed, self.changed = self.handed, {}, None
        self.version += 1
        for place, value in handed.items():
            if keep(self._stored, place, value):
                self.handed[place] = value

    def remember(self) -> Any:
        """What was handed out, the changed rows, and the version."""
        return dict(self.handed), None if self.changed is None else list(self.changed), self.version

    def go_back(self, state: Any, keep: Callable[[Getter, int, Any], bool]) -> None:
        """Hand out again what was handed out, and hold the rows that were changed."""
        since, (self.handed, self.changed, version) = self.handed, state
        if self.version != version:  # rows came or went: for those who iterate
            self.version += 1
        for place, value in since.items():
            if place not in self.handed and keep(self._stored, place, value):
                self.handed[place] = value

    def _stored(self, position: int) -> Any:
        return self._items.get(self._start + position)

    def hold(self, position: int, value: Any) -> None:
        """Let `value` stand for the row at `position`, as which it was stored."""
        self.handed[position] = value

    def _check(self) -> None:
        """The rules that hold between any two operations; for tests."""
        assert 0 <= self._start <= self._stop <= self._items.count
        if self.changed is None:
            assert all(0 <= place < len(self) and type(value) not in ATOMIC for place, value in self.handed.items())


class SpanPairs(SpanRows):
    """Keys and values `start` to `stop` of two columns of the owner's row group."""

    __slots__ = ("_keys", "_places")

    def __init__(self, space: Space, keys: View, values: View, start: int, stop: int) -> None:
        super().__init__(space, values, start, stop)
        self._keys = keys
        self._places: dict[Any, int] | None = None  # the position of each key

    def reset(self, keep: Callable[[Getter, int, Any], bool]) -> None:
        """As for a list."""
        self._places = None
        super().reset(keep)

    def remember(self) -> Any:
        """As for a list, and the places of the keys."""
        return None if self._places is None else dict(self._places), super().remember()

    def go_back(self, state: Any, keep: Callable[[Getter, int, Any], bool]) -> None:
        """As for a list."""
        self._places, rows = state
        super().go_back(rows, keep)

    def _by_key(self) -> dict[Any, int]:
        if self._places is None:
            keys = self._keys.read(self._start, self._stop)
            self._places = dict(zip(keys, range(len(keys)), strict=True))
            if len(self._places) != len(keys):
                raise CorruptionError(f"a dictionary of {len(keys)} pairs has {len(self._places)} keys")
        return self._places

    def find(self, key: Any, default: Any) -> Any:
        """The value of `key`."""
        place = self._by_key().get(key)
        return default if place is None else self.get(place)

    def has(self, key: Any) -> bool:
        """Whether there is such a key."""
        return key in self._by_key()

    def keys(self) -> Iterator[Any]:
        """The keys in order."""
        return iter(self._by_key())

    def pair_chunks(self) -> Iterator[dict[Any, Any]]:
        """Plain copies of all pairs, at once."""
        return iter([self.load()] if len(self) else [])

    def load(self) -> dict[Any, Any]:
        """Plain copies of all pairs."""
        return dict(zip(self._by_key(), self.read(0, len(self)), strict=True))

    def key_at(self, position: int) -> Any:
        """The key at `position`."""
        return list(self._by_key())[position]

    def put(self, key: Any, value: Any) -> None:
        """Set the value of a key."""
        places = self._by_key()
        if key in places:
            self.set(places[key], value)
        else:
            places[key] = len(places)
            self.splice(len(self), len(self), [value])

    def remove(self, key: Any) -> bool:
        """Remove a key."""
        places = self._by_key()
        position = places.pop(key, None)
        if position is None:
            return False
        self._places = dict(zip(places, range(len(places)), strict=True))
        self.splice(position, position + 1, [])
        return True

    def clear(self) -> None:
        """Remove all keys."""
        self._places = {}
        self.splice(0, len(self), [])

    def put_spilled(self, column: ChunkColumn, spilled: Spilled) -> PairRows:
        """Set the pairs of a stream, in a table."""
        table = new_table(self.space, column)
        for key, value in zip(self.keys(), self.scan(0, len(self)), strict=True):
            table.put(key, value)
        put_pairs(table, spilled)
        return TablePairs(table)

    def _check(self) -> None:
        super()._check()
        assert list(self._by_key().values()) == list(range(len(self)))
