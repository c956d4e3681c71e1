"""Columns of collections: lists and what is like them, sets, dictionaries."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import sub
from typing import Any, ClassVar

from ...errors import EncodeError
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding, Node
from .. import trail
from ..apart import flatten, types_of
from ..asis import to_write
from ..base import Column, Space, View, is_lazy, scratch
from ..views.containers import CollectionView, Factory, ListView, MapView
from ..views.nodes import child_nodes, open_child, read_offsets
from ..views.stretch import Stretch
from .mixed import Mixed, MixedPairs, Part, encode_parts, joined, unlazy
from .physical import Physical, write_lengths, write_packed

Taken = tuple[list[Any], list[Part]]  # keys, of dictionaries only, and items


class Collections(Physical, ABC):
    """Builtin collections of `kind`: offsets and items. `factory` builds one of a list or dict.

    Collections of a subclass, as a `defaultdict` where `dict` is declared, are PACKED, class and
    all. A `loose` column takes them as its own kind: that of a marked field, whose collections come
    back as lazy ones.
    """

    __slots__ = ("exact", "expected", "factory", "loose", "name")
    view_class: ClassVar[type[CollectionView]]
    partly: frozenset[type] = frozenset()  # what stands for one that is partly stored
    mixes = True

    def __init__(self, kind: type, factory: Factory) -> None:
        self.exact = frozenset({kind})
        self.factory = factory
        self.loose = False
        self.name = self.expected = kind.__name__

    def takes(self, types: Iterable[type]) -> bool:
        """Whether each of `types` is written item by item."""
        here = {*self.exact, *self.partly}
        return all(t in here or (self.loose and issubclass(t, tuple(self.exact))) for t in types)

    def encode(self, values: Any, out: Encoder) -> None:
        if type(values) is Mixed:
            parts = self._parts(values)
            if parts is not None:
                self._write(*parts, out)
                return
            values = values.plain(self)
        super().encode(values, out)

    def _parts(self, mixed: Mixed) -> tuple[list[Any], Taken] | None:
        """What is as long as mixed collections are, and their contents; None if a part is stored otherwise."""
        sized: list[Any] = []
        keys: list[Any] = []
        items: list[Part] = []
        for part in mixed.parts:
            if not isinstance(part, Stretch):
                if not self.takes(types_of(part)):
                    return None
                sized += part
                found = self._taken(part)
            elif type(part.view) is self.view_class:
                ends = part.view.ends(part.start, part.stop)
                sized += map(range, map(sub, ends[1:], ends))
                found = self._stored(part.view, ends[0], ends[-1], part.apart)
            else:
                return None
            keys += found[0]
            items += found[1]
        return sized, (keys, items)

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        if not self.exact.isdisjoint((list, dict)):
            values = unlazy(values, types)
            types = types_of(values)
        kinds = tuple(self.exact)
        if self.takes(types):
            if types.isdisjoint(self.partly):
                self.write(values, out)
            else:
                self._write(values, self._taken(values), out)
        elif all(t in self.partly or issubclass(t, kinds) for t in types):
            write_packed([self.whole(value) for value in values], out)
        else:
            raise trail.first_misfit(values, kinds, self.expected)

    @abstractmethod
    def whole(self, value: Any) -> Any:
        """`value`, read where it is partly stored."""

    @abstractmethod
    def _taken(self, values: Sequence[Any]) -> Taken:
        """The contents of all values; some may be partly stored."""

    @abstractmethod
    def _stored(self, view: Any, start: int, stop: int, apart: bool) -> Taken:
        """The contents `start` to `stop` of a view of this column's own."""

    @abstractmethod
    def _write(self, sized: Sequence[Any], taken: Taken, out: Encoder) -> None:
        """Append collections that are as long as those in `sized`, with these contents."""


def _check_unchanged(total: int, parts: list[Part]) -> None:
    """Raise EncodeError unless collections of `total` items gave as many: another thread changed one meanwhile."""
    taken = sum(part.stop - part.start if isinstance(part, Stretch) else len(part) for part in parts)
    if taken != total:
        raise EncodeError("a collection changed while it was stored: let no other thread change it meanwhile")


class ListColumn(Collections):
    """Sequences of one item type."""

    __slots__ = ("item",)
    encodings = frozenset({Encoding.LIST})
    view_class = ListView
    partly = frozenset({Mixed})

    def __init__(self, item: Column, kind: type = list) -> None:
        super().__init__(kind, kind)
        self.item = item

    @property
    def lazy(self) -> bool:
        return is_lazy(self.item)

    def whole(self, value: Any) -> Any:
        return value.plain(self.item) if type(value) is Mixed else value

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        self._write(values, ([], [self.flat(values)]), out)

    def _write(self, sized: Sequence[Any], taken: Taken, out: Encoder) -> None:
        node = out.open(Encoding.LIST, len(sized))
        _check_unchanged(write_lengths(sized, out), taken[1])
        try:
            encode_parts(self.item, joined(taken[1]), out)
        except EncodeError as problem:
            row, position = trail.owner(problem, list(map(len, sized)))
            raise trail.below(problem, f"[{position}]", row) from None
        out.close(node)

    def _taken(self, values: Sequence[Any]) -> Taken:
        found: list[Part] = []
        for value in values:
            found += value.parts if type(value) is Mixed else [self.flat([value])]
        return [], found

    def _stored(self, view: Any, start: int, stop: int, apart: bool) -> Taken:
        return [], [Stretch(view.items, start, stop, apart)]

    def flat(self, values: Sequence[Any]) -> list[Any]:
        """The items of all values in the order they are written."""
        return flatten(values)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        offsets, items = child_nodes(chunk, at, 2)
        total = chunk.nodes[items].count
        bounds = read_offsets(chunk, offsets, node.count, total)
        view = open_child(self.item, chunk, items, space, total)
        return ListView(bounds, view, self.factory, is_lazy(self.item), chunk, at)

    def parts(self) -> Sequence[Column]:
        return (self.item,)

    def describe(self) -> Any:
        return {self.name: self.item.describe()}


class SetColumn(ListColumn):
    """Sets and frozen sets. The order of items in the file depends on the values alone."""

    __slots__ = ()

    def flat(self, values: Sequence[Any]) -> list[Any]:
        return flatten([ordered(value, self.item) for value in values])


def ordered(values: Iterable[Any], column: Column) -> list[Any]:
    """A set's values in order: texts, ints and bytes by value, others by their encoded bytes."""
    found = list(values)
    types = types_of(found)
    if len(types) == 1 and types <= {int, str, bytes}:
        found.sort()
    elif len(found) > 1:
        found.sort(key=lambda value: encoded(column, [value]))
    return found


def encoded(column: Column, values: Sequence[Any]) -> bytes:
    """The bytes that `values` encode to, to compare; marked fields within do not count."""
    out = scratch()
    column.encode(values, out)
    heads = (repr([int(part) if isinstance(part, int) else part for part in entry]) for entry in out.entries)
    return b"".join((*out.buffers, "".join(heads).encode()))


class MapColumn(Collections):
    """Dictionaries in their order."""

    __slots__ = ("key", "value")
    encodings = frozenset({Encoding.MAP})
    view_class = MapView
    partly = frozenset({MixedPairs})

    def __init__(self, key: Column, value: Column, kind: type = dict, factory: Factory | None = None) -> None:
        super().__init__(kind, factory or kind)
        self.key = key
        self.value = value

    @property
    def lazy(self) -> bool:
        return is_lazy(self.value)

    def whole(self, value: Any) -> Any:
        return value.plain(self.value) if type(value) is MixedPairs else value

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        found = flatten([value.values() for value in values])
        self._write(values, (flatten(values), [found]), out)

    def _write(self, sized: Sequence[Any], taken: Taken, out: Encoder) -> None:
        keys, values = taken
        node = out.open(Encoding.MAP, len(sized))
        _check_unchanged(write_lengths(sized, out), [keys])
        _check_unchanged(len(keys), values)
        try:
            self.key.encode(keys, out)
            encode_parts(self.value, joined(values), out)
        except EncodeError as problem:
            row, _ = trail.owner(problem, list(map(len, sized)))
            raise trail.below(problem, f"[{keys[trail.row_of(problem)]!r}]", row) from None
        out.close(node)

    def _taken(self, values: Sequence[Any]) -> Taken:
        found: list[Part] = []
        for value in values:
            found += value.mixed.parts if type(value) is MixedPairs else [list(value.values())]
        return flatten(values), found

    def _stored(self, view: Any, start: int, stop: int, apart: bool) -> Taken:
        return to_write(view.keys.read, start, stop), [Stretch(view.items, start, stop, apart)]

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        offsets, keys, values = child_nodes(chunk, at, 3)
        total = chunk.nodes[keys].count
        bounds = read_offsets(chunk, offsets, node.count, total)
        key_view = open_child(self.key, chunk, keys, space, total)
        view = open_child(self.value, chunk, values, space, total)
        return MapView(bounds, key_view, view, self.factory, is_lazy(self.value), chunk, at)

    def parts(self) -> Sequence[Column]:
        return (self.key, self.value)

    def describe(self) -> Any:
        return {self.name: [self.key.describe(), self.value.describe()]}


class DefaultDictColumn(MapColumn):
    """Dictionaries with the annotation's factory; dictionaries with another one are packed."""

    __slots__ = ("implied",)

    def __init__(self, key: Column, value: Column, implied: Callable[[], Any] | None) -> None:
        super().__init__(key, value, defaultdict, partial(defaultdict, implied))
        self.implied = implied

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        if all(map(self._is_implied, values)):
            super().write(values, out)
        else:
            write_packed(values, out)

    def _is_implied(self, value: Any) -> bool:
        found = getattr(value, "default_factory", self.implied)
        # Where the value's type is a type variable, Pydantic makes a function anew for each schema.
        return found is self.implied or getattr(found, "__module__", "") == "pydantic._internal._validators"
