"""Columns of collections: lists and what is like them, sets, dictionaries, fixed tuples, unions."""

from __future__ import annotations

from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Iterable, Sequence
from operator import sub
from typing import Any

from ...errors import EncodeError
from ...format.chunk import Chunk, Encoder
from ...format.layout import Encoding, Kind, Node
from .. import kernels, trail
from ..asis import to_write
from ..base import Column, Space, View, is_lazy
from .mixed import Mixed, MixedPairs, Part, Stretch, encode_parts, joined, unlazy
from .physical import Physical, child_nodes, open_child, read_offsets, rising, write_offsets, write_packed

Factory = Callable[[Any], Any]
_MAPS: dict[str, type] = {each.__name__: each for each in (dict, OrderedDict, defaultdict, Counter)}
BUILTINS: dict[str, type] = {"list": list, "tuple": tuple, "deque": deque, "set": set, "frozenset": frozenset}


class Collections(Physical):
    """Builtin collections. Those of a subclass, as a `defaultdict` where `dict` is declared, are PACKED, class and all.

    A `loose` column takes them as its own kind: that of a marked field, whose collections come back as lazy ones.
    """

    __slots__ = ("exact", "loose")
    partly: frozenset[type] = frozenset()  # what stands for one that is partly stored
    loose: bool

    def takes(self, types: Iterable[type]) -> bool:
        """Whether each of `types` is written item by item."""
        here = {*self.exact, *self.partly}
        return all(t in here or (self.loose and issubclass(t, self._kinds())) for t in types)

    def _kinds(self) -> tuple[type, ...]:
        return tuple(self.exact)

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        if not self.exact.isdisjoint((list, dict)):
            values = unlazy(values, types)
            types = set(map(type, values))
        if self.takes(types):
            self.written(values, types, out)
        elif all(t in self.partly or issubclass(t, self._kinds()) for t in types):
            write_packed([self.whole(value) for value in values], out)
        else:
            raise trail.first_misfit(values, self._kinds(), self.expected)

    def written(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        """Append `values`, of the classes `types`, some of which may be partly stored."""
        self.write(values, out)

    def whole(self, value: Any) -> Any:
        """`value`, read where it is partly stored."""
        return value


class ListColumn(Collections):
    """Sequences of one item type; `name` says of which kind, `factory` builds one from a list."""

    __slots__ = ("item", "factory", "name", "expected")
    encodings = frozenset({Encoding.LIST})
    partly = frozenset({Mixed})
    mixes = True

    def __init__(self, item: Column, factory: Factory = list, name: str = "list") -> None:
        self.item = item
        self.factory = factory
        self.name = name
        kind = BUILTINS.get(name, factory if isinstance(factory, type) else list)
        self.exact = frozenset({kind})
        self.loose = False
        self.expected = name

    @property
    def lazy(self) -> bool:
        return is_lazy(self.item)

    def encode(self, values: Any, out: Encoder) -> None:
        if type(values) is Mixed:
            parts = self._parts(values)
            if parts is None:
                values = values.plain(self)
            else:
                self._write(*parts, out)
                return
        super().encode(values, out)

    def _parts(self, mixed: Mixed) -> tuple[list[int], list[Part]] | None:
        """The lengths and the items of mixed lists; None where a part is not stored as a list."""
        lengths: list[int] = []
        items: list[Part] = []
        for part in mixed.parts:
            if not isinstance(part, Stretch):
                if not self.takes(set(map(type, part))):
                    return None
                lengths += map(len, part)
                items += self._items(part)
            elif type(part.view) is ListView:
                view = part.view
                ends = rising(view.chunk, view.at, view.offsets, part.start, part.stop)
                lengths += map(sub, ends[1:], ends)
                items.append(Stretch(view.items, ends[0], ends[-1], part.apart))
            else:
                return None
        return lengths, items

    def written(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        if Mixed in types:
            self._write(list(map(len, values)), self._items(values), out)
        else:
            self.write(values, out)

    def whole(self, value: Any) -> Any:
        return value.plain(self.item) if type(value) is Mixed else value

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        self._write(list(map(len, values)), [self.flat(values)], out)

    def _write(self, lengths: list[int], items: list[Part], out: Encoder) -> None:
        node = out.open(Encoding.LIST, len(lengths))
        write_offsets(lengths, out)
        try:
            encode_parts(self.item, joined(items), out)
        except EncodeError as problem:
            row, position = trail.owner(problem, lengths)
            raise trail.below(problem, f"[{position}]", row) from None
        out.close(node)

    def _items(self, values: Sequence[Any]) -> list[Part]:
        """The items of all values, some of which may be mixed."""
        found: list[Part] = []
        for value in values:
            found += value.parts if type(value) is Mixed else [self.flat([value])]
        return found

    def flat(self, values: Sequence[Any]) -> list[Any]:
        """The items of all values in the order they are written."""
        return kernels.flatten(values)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        offsets, items = child_nodes(chunk, at, 2)
        total = chunk.nodes[items].count
        bounds = read_offsets(chunk, offsets, node.count, total)
        return ListView(bounds, open_child(self.item, chunk, items, space, total), self, chunk, at)

    def describe(self) -> Any:
        return {self.name: self.item.describe()}


class SetColumn(ListColumn):
    """Sets and frozen sets; their items are written in an order that depends on the values alone."""

    __slots__ = ()

    def flat(self, values: Sequence[Any]) -> list[Any]:
        return kernels.flatten([ordered(value, self.item) for value in values])


def ordered(values: Iterable[Any], column: Column) -> list[Any]:
    """The values of a set: texts, ints and bytes by value, others by the bytes that they encode to."""
    found = list(values)
    types = set(map(type, found))
    if len(types) == 1 and types <= {int, str, bytes}:
        found.sort()
    elif len(found) > 1:
        found.sort(key=lambda value: encoded(column, [value]))
    return found


def encoded(column: Column, values: Sequence[Any]) -> bytes:
    """The bytes that `values` encode to, to compare; marked fields within do not count."""
    from .boundary import SCRATCH

    out = Encoder(Kind.COLUMN, None, SCRATCH)
    column.encode(values, out)
    heads = (repr([int(part) if isinstance(part, int) else part for part in entry]) for entry in out.entries)
    return b"".join((*out.buffers, "".join(heads).encode()))


class ListView(View):
    """Collections as slices of one view of items."""

    __slots__ = ("offsets", "items", "column", "chunk", "at", "_one")

    def __init__(self, offsets: memoryview, items: View, column: ListColumn, chunk: Chunk, at: int) -> None:
        self.count = len(offsets) - 1
        self.offsets = offsets
        self.items = items
        self.column = column
        self.chunk = chunk
        self.at = at
        self._one = items.get if is_lazy(column.item) else None

    def bounds(self, i: int) -> tuple[int, int]:
        """Where the items of value `i` begin and end."""
        a, b = self.offsets[i], self.offsets[i + 1]
        if not a <= b <= self.items.count:
            raise self.chunk.error(self.at, f"value {i} runs from {a} to {b}")
        return a, b

    def get(self, i: int) -> Any:
        a, b = self.bounds(i)
        one = self._one
        found = self.items.read(a, b) if one is None else list(map(one, range(a, b)))
        factory = self.column.factory
        return found if factory is list else self._build(found)

    def read(self, start: int, stop: int) -> list[Any]:
        ends = rising(self.chunk, self.at, self.offsets, start, stop)
        found = kernels.slices(self.items.read(ends[0], ends[-1]), ends)
        return found if self.column.factory is list else list(map(self._build, found))

    def _build(self, items: list[Any]) -> Any:
        try:
            return self.column.factory(items)
        except TypeError as problem:  # unhashable items of a set, from a damaged file
            raise self.chunk.error(self.at, f"not the items of a {self.column.name}: {problem}") from problem


class MapColumn(Collections):
    """Dictionaries in their order; `factory` builds one from a dict."""

    __slots__ = ("key", "value", "factory", "name", "expected")
    encodings = frozenset({Encoding.MAP})
    partly = frozenset({MixedPairs})
    mixes = True

    def __init__(self, key: Column, value: Column, factory: Factory = dict, name: str = "dict") -> None:
        self.exact = frozenset({_MAPS[name]})
        self.loose = False
        self.key = key
        self.value = value
        self.factory = factory
        self.name = name
        self.expected = name

    @property
    def lazy(self) -> bool:
        return is_lazy(self.value)

    def encode(self, values: Any, out: Encoder) -> None:
        if type(values) is Mixed:
            parts = self._parts(values)
            if parts is None:
                values = values.plain(self)
            else:
                self._write(*parts, out)
                return
        super().encode(values, out)

    def _parts(self, mixed: Mixed) -> tuple[list[int], list[Any], list[Part]] | None:
        """The lengths, keys and values of mixed dictionaries; None where a part is not stored as a dictionary."""
        lengths: list[int] = []
        keys: list[Any] = []
        found: list[Part] = []
        for part in mixed.parts:
            if not isinstance(part, Stretch):
                if not self.takes(set(map(type, part))):
                    return None
                lengths += map(len, part)
                keys += kernels.flatten(part)
                found += _map_values(part)
            elif type(part.view) is MapView:
                view = part.view
                ends = rising(view.chunk, view.at, view.offsets, part.start, part.stop)
                lengths += map(sub, ends[1:], ends)
                keys += to_write(view.keys.read, ends[0], ends[-1])
                found.append(Stretch(view.values, ends[0], ends[-1], part.apart))
            else:
                return None
        return lengths, keys, found

    def written(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        if MixedPairs in types:
            self._write(list(map(len, values)), kernels.flatten(values), _map_values(values), out)
        else:
            self.write(values, out)

    def whole(self, value: Any) -> Any:
        if type(value) is MixedPairs:
            return dict(zip(value, value.mixed.plain(self.value), strict=True))
        return value

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        found = kernels.flatten([value.values() for value in values])
        self._write(list(map(len, values)), kernels.flatten(values), [found], out)

    def _write(self, lengths: list[int], keys: list[Any], values: list[Part], out: Encoder) -> None:
        node = out.open(Encoding.MAP, len(lengths))
        write_offsets(lengths, out)
        try:
            self.key.encode(keys, out)
            encode_parts(self.value, joined(values), out)
        except EncodeError as problem:
            row, _ = trail.owner(problem, lengths)
            raise trail.below(problem, f"[{keys[trail.row_of(problem)]!r}]", row) from None
        out.close(node)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        offsets, keys, values = child_nodes(chunk, at, 3)
        total = chunk.nodes[keys].count
        bounds = read_offsets(chunk, offsets, node.count, total)
        key_view = open_child(self.key, chunk, keys, space, total)
        return MapView(bounds, key_view, open_child(self.value, chunk, values, space, total), self, chunk, at)

    def describe(self) -> Any:
        return {self.name: [self.key.describe(), self.value.describe()]}


def _map_values(values: Sequence[Any]) -> list[Part]:
    """The values of all dictionaries, some of which may be mixed."""
    found: list[Part] = []
    for value in values:
        found += value.mixed.parts if type(value) is MixedPairs else [list(value.values())]
    return found


class MapView(View):
    """Dictionaries as slices of one view of keys and one of values."""

    __slots__ = ("offsets", "keys", "values", "column", "chunk", "at", "_one")

    def __init__(self, offsets: memoryview, keys: View, values: View, column: MapColumn, chunk: Chunk, at: int) -> None:
        self.count = len(offsets) - 1
        self.offsets = offsets
        self.keys = keys
        self.values = values
        self.column = column
        self.chunk = chunk
        self.at = at
        self._one = values.get if is_lazy(column.value) else None

    def bounds(self, i: int) -> tuple[int, int]:
        """Where the pairs of value `i` begin and end."""
        a, b = self.offsets[i], self.offsets[i + 1]
        if not a <= b <= self.keys.count:
            raise self.chunk.error(self.at, f"value {i} runs from {a} to {b}")
        return a, b

    def get(self, i: int) -> Any:
        a, b = self.bounds(i)
        one = self._one
        values = self.values.read(a, b) if one is None else list(map(one, range(a, b)))
        return self._build(self.keys.read(a, b), values)

    def read(self, start: int, stop: int) -> list[Any]:
        ends = rising(self.chunk, self.at, self.offsets, start, stop)
        keys = kernels.slices(self.keys.read(ends[0], ends[-1]), ends)
        return list(map(self._build, keys, kernels.slices(self.values.read(ends[0], ends[-1]), ends)))

    def _build(self, keys: list[Any], values: list[Any]) -> Any:
        try:
            found = dict(zip(keys, values, strict=True))
        except TypeError as problem:
            raise self.chunk.error(self.at, f"not a dictionary's keys: {problem}") from problem
        return found if self.column.factory is dict else self.column.factory(found)
