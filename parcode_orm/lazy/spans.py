"""The rows of a small lazy collection: a span of a column of its owner's row group."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Self

from ..codec.asis import AsIs, to_write
from ..codec.base import Getter, Space, View
from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.mixed import Mixed, Part
from ..codec.views.stretch import Stretch
from ..errors import CorruptionError
from ..model.plain import deep_plain
from ..table.columns import array_of
from ..table.streaming import Spilled, new_table, put_pairs, put_rows
from ..table.table import ATOMIC, MISSING
from .protocols import PairRows, Rows, StoredRows
from .rows import TablePairs, TableRows


class SpanRows:
    """Rows `start` to `stop` of a column of the owner's row group, and what became of them.

    From the first change on `order` says for each row which stored one it is, or, as ~i, that it is `fresh[i]`. Stored
    rows that nobody asked for are not read when others change. `handed` are rows in memory, by their place as stored.
    """

    __slots__ = ("_items", "_row", "_start", "_stop", "fresh", "handed", "order", "space", "version")

    def __init__(self, space: Space, items: View, start: int, stop: int, row: int) -> None:
        self.space = space
        self._items = items
        self._start = start
        self._stop = stop
        self._row = row
        self.handed: dict[int, object] = {}
        self.order: list[int] | None = None
        self.fresh: list[object] = []
        self.version = 0

    @property
    def origin(self) -> Self:
        """The rows that go back to what is stored."""
        return self

    @property
    def location(self) -> tuple[int, ...]:
        """The column (by the identity of its view) and the owner's row: spans of no items are equal in many rows."""
        return id(self._items), self._row

    @property
    def size(self) -> int:
        """How many rows are stored."""
        return self._stop - self._start

    def places_in_memory(self) -> list[tuple[int, object]]:
        """The rows in memory, with their positions."""
        if self.order is None:
            return list(self.handed.items())
        handed, fresh = self.handed, self.fresh
        return [
            (position, handed[place] if place >= 0 else fresh[~place])
            for position, place in enumerate(self.order)
            if place < 0 or place in handed
        ]

    def held(self) -> list[object]:
        """The rows in memory."""
        return [value for _, value in self.places_in_memory()]

    def put_in_memory(self, position: int, value: object) -> None:
        """Let `value` stand for the row at `position`, which is in memory and equal."""
        place = position if self.order is None else self.order[position]
        if place >= 0:
            self.handed[place] = value
        else:
            self.fresh[~place] = value

    def may_change_keys(self) -> bool:
        """Whether keys are in memory that can change in place."""
        return False

    def prune(self) -> None:
        """Hold no rows any more that were taken out."""
        if self.order is not None:
            used = set(self.order)
            self.handed = {place: value for place, value in self.handed.items() if place in used}
            self.fresh = [value if ~i in used else None for i, value in enumerate(self.fresh)]

    def moved(self) -> Iterator[tuple[int, object]]:
        """The rows that are not where they were stored, with their positions."""
        for position, place in enumerate(self.order or ()):
            if place != position:
                yield position, self.get(position)

    def mixed(self) -> Mixed:
        """The rows for the codec: stretches of stored ones, and those in memory between them."""
        view, start = self._items, self._start
        apart = (chunk := getattr(view, "chunk", None)) is None or bool(chunk.refs)
        parts: list[Part] = []
        for first, end, value in self._in_place() if self.order is None else self._in_order(self.order):
            if first < end:
                parts.append(Stretch(view, start + first, start + end, apart))
            elif parts and isinstance(parts[-1], list):
                parts[-1].append(value)
            else:
                parts.append([value])
        return Mixed(parts)

    def _in_place(self) -> Iterator[tuple[int, int, object]]:
        """The rows where they are stored: from a place to another as stored, or a value, the places being equal."""
        done = 0
        for place in sorted(self.handed):
            if done < place:
                yield done, place, None
            yield place, place, self.handed[place]
            done = place + 1
        if done < self.size:
            yield done, self.size, None

    def _in_order(self, order: list[int]) -> Iterator[tuple[int, int, object]]:
        """The same, in another order and with fresh rows."""
        first = end = 0
        for place in order:
            stored = place >= 0 and place not in self.handed
            if stored and place == end and first < end:
                end += 1
                continue
            if first < end:
                yield first, end, None
            first, end = (place, place + 1) if stored else (0, 0)
            if not stored:
                yield 0, 0, self.fresh[~place] if place < 0 else self.handed[place]
        if first < end:
            yield first, end, None

    def column(self, names: list[str]) -> object:
        """A field of all rows."""
        return array_of(self.scan(0, len(self)), names)

    def columns(self, paths: list[list[str]]) -> Iterator[list[object]]:
        """Fields of all rows, at once."""
        rows = list(self.scan(0, len(self)))
        return iter([[array_of(rows, names) for names in paths]] if rows else [])

    def chunks(self) -> Iterator[list[object]]:
        """Plain copies of all rows, at once."""
        return iter([self.read(0, len(self))] if len(self) else [])

    def __len__(self) -> int:
        return self._stop - self._start if self.order is None else len(self.order)

    def get(self, position: int) -> object:
        """The row at `position`."""
        place = position if self.order is None else self.order[position]
        if place < 0:
            return self.fresh[~place]
        if not self.space.writable:
            return self._items.get(self._start + place)
        value = self.handed.get(place, MISSING)
        if value is MISSING:
            value = self._items.get(self._start + place)
            if type(value) not in ATOMIC:
                value = self.handed.setdefault(place, value)
        return value

    def stretch(self, position: int) -> StoredRows | None:
        """Where the row at `position` lies as it is stored; None once rows were changed."""
        if self.order is not None:
            return None
        return StoredRows(self._items, self._start + position, position, len(self) - position - 1)

    def scan(self, start: int, stop: int) -> Iterator[object]:
        """The rows `start` to `stop`, one by one."""
        return map(self.get, range(start, stop))

    def read(self, start: int, stop: int) -> list[object]:
        """Plain copies of the rows `start` to `stop`."""
        first = self._start
        if self.order is None:
            values = self._items.read(first + start, first + stop)
            for place, value in self.handed.items():
                if start <= place < stop:
                    values[place - start] = deep_plain(value)
            return values
        stored = self._items.read(first, self._stop)
        found = []
        for place in self.order[start:stop]:
            if place < 0:
                found.append(deep_plain(self.fresh[~place]))
            else:
                found.append(deep_plain(self.handed[place]) if place in self.handed else stored[place])
        return found

    def _changing(self) -> list[int]:
        if self.order is None:
            self.order = list(range(self.size))
        return self.order

    def _add(self, values: list[object]) -> range:
        """Take fresh rows: their places."""
        first = len(self.fresh)
        self.fresh += values
        return range(~first, ~first - len(values), -1)

    def set(self, position: int, value: object) -> None:
        """Put `value` in the place of a row."""
        order = self._changing()
        (order[position],) = self._add([value])

    def splice(self, start: int, stop: int, values: list[object]) -> None:
        """Put `values` in the place of the rows `start` to `stop`."""
        order = self._changing()
        order[start:stop] = self._add(values)
        self.version += 1

    def splice_spilled(self, column: ChunkColumn, start: int, stop: int, spilled: Spilled) -> Rows:
        """Put the rows of a stream in the place of the rows `start` to `stop`, in a table."""
        table = new_table(self.space, column)
        table.splice(0, 0, list(self.scan(0, len(self))))
        put_rows(table, start, stop, spilled)
        return TableRows(table, self)

    def reset(self, keep: Callable[[Getter, int, object], bool]) -> None:
        """Forget every change since the rows were stored; of those handed out, what `keep` says is held further."""
        kept = {place: value for place, value in self.handed.items() if keep(self._stored, place, value)}
        self.handed, self.order, self.fresh = kept, None, []
        self.version += 1

    def remember(self) -> object:
        """What was handed out, the changed rows, and the version."""
        return dict(self.handed), None if self.order is None else list(self.order), list(self.fresh), self.version

    def go_back(self, state: Any, keep: Callable[[Getter, int, object], bool]) -> None:
        """Hand out again what was handed out, and hold the rows that were changed."""
        since, (self.handed, self.order, self.fresh, version) = self.handed, state
        if self.version != version:  # rows came or went: for those who iterate
            self.version += 1
        for place, value in since.items():
            if place not in self.handed and keep(self._stored, place, value):
                self.handed[place] = value

    def begin(self) -> object:
        """A change begins: what `undo` goes back to."""
        return None if self.order is None else list(self.order), len(self.fresh), self.version

    def end(self, state: object) -> None:
        """The change is whole."""

    def undo(self, state: Any) -> None:
        """Take back a change that did not come to its end."""
        self.order, count, self.version = state
        del self.fresh[count:]

    def _stored(self, place: int) -> object:
        return self._items.get(self._start + place)

    def stored(self, position: int) -> object:
        """The row that is stored at `position`, plain, whatever is in memory."""
        return to_write(self._items.read, self._start + position, self._start + position + 1)[0]

    def hold(self, position: int, value: object) -> None:
        """Let `value` stand for the row at `position`, as which it was stored."""
        self.handed[position] = value

    def _check(self) -> None:
        """The rules that hold between any two operations; for tests."""
        assert 0 <= self._start <= self._stop <= self._items.count
        assert all(0 <= place < self.size and type(value) not in ATOMIC for place, value in self.handed.items())
        if self.order is None:
            assert not self.fresh
        else:
            assert all(-len(self.fresh) <= place < self.size for place in self.order)


def _readable(key: object) -> object:
    if type(key) is AsIs:
        raise key.problem
    return key


class SpanPairs(SpanRows):
    """Keys and values `start` to `stop` of two columns of the owner's row group."""

    __slots__ = ("_keys", "_places")

    def __init__(self, space: Space, keys: View, values: View, start: int, stop: int, row: int) -> None:
        super().__init__(space, values, start, stop, row)
        self._keys = keys
        self._places: dict[object, int] | None = None  # the position of each key

    def reset(self, keep: Callable[[Getter, int, object], bool]) -> None:
        """As for a list."""
        self._places = None
        super().reset(keep)

    def remember(self) -> object:
        """As for a list, and the places of the keys."""
        return None if self._places is None else dict(self._places), super().remember()

    def go_back(self, state: Any, keep: Callable[[Getter, int, object], bool]) -> None:
        """As for a list."""
        self._places, rows = state
        super().go_back(rows, keep)

    def begin(self) -> object:
        """As for a list, and the places of the keys."""
        return None if self._places is None else dict(self._places), super().begin()

    def undo(self, state: Any) -> None:
        """As for a list."""
        self._places, rows = state
        super().undo(rows)

    def _by_key(self) -> dict[object, int]:
        if self._places is None:
            keys = to_write(self._keys.read, self._start, self._stop)
            self._places = dict(zip(keys, range(len(keys)), strict=True))
            if len(self._places) != len(keys):
                raise CorruptionError(f"a dictionary of {len(keys)} pairs has {len(self._places)} keys")
        return self._places

    def may_change_keys(self) -> bool:
        """Whether keys are in memory that can change in place."""
        return self._places is not None and not ATOMIC.issuperset(map(type, self._places))

    def keep_keys(self, rows: SpanPairs) -> None:
        """Go on with the keys of `rows`, as which these were stored: who holds one may change it in place."""
        if rows.may_change_keys():
            self._places = rows._places

    def stored_keys(self) -> list[object]:
        """The keys that are stored, whatever changed, to compare."""
        return to_write(self._keys.read, self._start, self._stop)

    def find(self, key: object, default: object) -> object:
        """The value of `key`."""
        place = self._by_key().get(key)
        return default if place is None else self.get(place)

    def has(self, key: object) -> bool:
        """Whether there is such a key."""
        return key in self._by_key()

    def keys(self) -> Iterator[object]:
        """The keys in order; raises where one cannot be read."""
        return map(_readable, self._by_key())

    def all_keys(self) -> list[object]:
        """The keys in order, to be written again: also those that cannot be read."""
        return list(self._by_key())

    def pair_chunks(self) -> Iterator[dict[object, object]]:
        """Plain copies of all pairs, at once."""
        return iter([self.load()] if len(self) else [])

    def load(self) -> dict[object, object]:
        """Plain copies of all pairs."""
        return dict(zip(self.keys(), self.read(0, len(self)), strict=True))

    def key_at(self, position: int) -> object:
        """The key at `position`."""
        return _readable(list(self._by_key())[position])

    def put(self, key: object, value: object) -> None:
        """Set the value of a key."""
        places = self._by_key()
        if key in places:
            self.set(places[key], value)
        else:
            places[key] = len(places)
            self.splice(len(self), len(self), [value])

    def remove(self, key: object) -> bool:
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
        return TablePairs(table, self)

    def _check(self) -> None:
        super()._check()
        assert list(self._by_key().values()) == list(range(len(self)))
