"""Rows of a struct of an older schema, viewed as rows of today's class."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from itertools import repeat
from typing import Any, NamedTuple, Protocol

from ...format.chunk import Chunk
from ...format.layout import Node
from ..base import ATOMS, Column, Space, View
from ..packed.extensions import LEFT_OUT
from ..refs import bound
from ..structs import EXTRA, MISSING, PRIVATE, SETS, Struct
from ..views.struct import StructView
from .unknown import EXTRAS, is_noting, note

Make = Callable[[], Any]


class Stored(NamedTuple):
    """A field that older rows have, called `name` there: child `place` of their node, read by `column`."""

    name: str
    place: int
    column: Column


class Added(NamedTuple):
    """A field that older rows do not have: `make` gives its default; `change` makes its value of an extra value."""

    make: Make
    change: Callable[[Any, Chunk | None, int], Any]


class Reading(Protocol):
    """How rows of an older schema are read as those of `today`.

    `old` describes the struct as it is stored, and `width` is how many fields it has. `fields` says of today's fields
    where they are, `names` what the fields that are there are called today, `dropped` which there are no more, by their
    places. `unbuilt` are indexes that the file does not have, or has of another type, with what to do about it. `never`
    are today's fields that no older row has. `extras`: whether what is stored beside fields is kept,
    and `takes_dropped` whether dropped fields join it. `new_privates` are private attributes that older rows do not
    know, `kept_privates` all that today's class has.
    """

    today: Struct
    old: dict[str, Any]
    width: int
    fields: dict[str, Stored | Added]
    names: dict[str, str]
    dropped: dict[str, int]
    unbuilt: dict[str, str]
    never: frozenset[str]
    extras: bool
    takes_dropped: bool
    new_privates: Collection[str]
    kept_privates: Collection[str]

    def open_stored(self, name: str, chunk: Chunk, at: int, space: Space, count: int) -> View:
        """View the node `at`, which must hold `count` values of today's field `name`."""

    def open_rest(self, bit: int, chunk: Chunk, at: int, space: Space, count: int) -> View:
        """View the node `at`, which must hold the part `bit` of `count` rows."""

    def open_dropped(self, name: str, chunk: Chunk, at: int, space: Space, count: int) -> View:
        """View the node `at`, which must hold `count` values of a field that the class no longer has."""


class UpgradedView(StructView):
    """Rows of an older schema. `column` is that of today's class.

    Fields that were not changed are viewed as if nothing had been. The view has no stored form to write again.
    """

    __slots__ = ("_parts", "_stored", "reading")

    def __init__(self, reading: Reading, chunk: Chunk, at: int, space: Space, node: Node) -> None:
        super().__init__(reading.today, chunk, at, space, node, reading.width)
        self.reading = reading
        bits = self.bits
        self._stored: dict[int, Any] = dict(self._rest) if bits else {}
        self._parts: dict[int, View] = {}
        if reading.today.pydantic and len(reading.names) < len(reading.fields):
            bits |= SETS
        if reading.never:
            bits |= MISSING
        if not reading.extras:
            bits &= ~EXTRA
        elif reading.takes_dropped and reading.dropped:
            bits |= EXTRA
        if not reading.today.plan.privates:
            bits &= ~PRIVATE
        self.bits = bits

    def field(self, name: str) -> View:
        view = self._views.get(name)
        if view is None:
            field = self.reading.fields[name]
            if isinstance(field, Stored):
                child = self._children[field.place]
                view = self.reading.open_stored(name, self.chunk, child, self.space, self.count)
            else:
                column = self.column.places[name][1]
                view = AddedView(field, name, self._stored_part(EXTRA), self.chunk, self.count, self.space)
                if getattr(column, "is_list", False) or getattr(column, "is_map", False):
                    view = AddedCollections(view, column, self.space)
            view = self._views.setdefault(name, view)
        return view

    def read(self, start: int, stop: int) -> list[Any]:
        if is_noting():
            self.note(start, stop)
        return super().read(start, stop)

    def note(self, start: int, stop: int) -> None:
        """Note what some rows have beside what today's class knows."""
        reading, name, today = self.reading, self.reading.old["struct"], self.reading.today
        missing = self._stored_part(MISSING)
        for row in range(start, stop):
            gone = () if missing is None else missing.get(row)
            note(name, () if reading.takes_dropped else (each for each in reading.dropped if each not in gone), today)
        known = reading.kept_privates
        note(name, (each for each, _ in reading.old.get("privates", ()) if each not in known), today)
        extras = None if reading.extras else self._stored_part(EXTRA)
        if extras is not None and any(extras.read(start, stop)):
            note(name, (EXTRAS,), today)

    def read_sets(self, start: int, stop: int) -> list[set[str]]:
        if SETS in self._stored:
            return super().read_sets(start, stop)
        (names,) = self.part(SETS).read(0, 1)
        return list(map(set.copy, repeat(set(names), stop - start)))  # assigning a field changes the set of its object

    def part(self, bit: int) -> View:
        part = self._parts.get(bit)
        if part is None:
            part = self._parts.setdefault(bit, self._part(bit))
        return part

    def _stored_part(self, bit: int) -> View | None:
        at = self._stored.get(bit)
        return None if at is None else self.reading.open_rest(bit, self.chunk, at, self.space, self.count)

    def _part(self, bit: int) -> View:
        reading, stored = self.reading, self._stored_part(bit)
        if bit == SETS:
            return NamesView(stored, (*reading.names, *reading.dropped), reading, (), self.count)
        if bit == MISSING:
            return NamesView(stored, (), reading, tuple(reading.never), self.count)
        if bit == EXTRA:
            views = {}
            if reading.takes_dropped:
                views = {
                    name: reading.open_dropped(name, self.chunk, self._children[place], self.space, self.count)
                    for name, place in reading.dropped.items()
                }
            missing = self._stored_part(MISSING) if views else None
            return ExtrasView(stored, frozenset(reading.fields), views, missing, self.count)
        assert stored is not None
        return PrivatesView(stored, reading) if bit == PRIVATE else stored


class AddedView(View):
    """A field that older rows do not have: its default, or what was stored as an extra value of its name."""

    __slots__ = ("_chunk", "_extras", "_field", "_name", "_space")

    def __init__(self, field: Added, name: str, extras: View | None, chunk: Chunk, count: int, space: Space) -> None:
        self.count = count
        self._field = field
        self._name = name
        self._extras = extras
        self._chunk = chunk
        self._space = space

    def get(self, i: int) -> Any:
        if self._extras is not None:
            extra = self._extras.get(i)
            if extra and self._name in extra:
                return self._field.change(extra[self._name], self._chunk, i)
        return bound(self._field.make(), self._space)

    def read(self, start: int, stop: int) -> list[Any]:
        if self._extras is not None:
            return list(map(self.get, range(start, stop)))
        count = stop - start
        value = self._field.make() if count else None
        if type(value) in ATOMS:
            return [value] * count
        return [bound(each, self._space) for each in (value, *(self._field.make() for _ in range(count - 1)))]


class AddedCollections(View):
    """Collections of a marked field that older rows do not have. They are lazy, as stored ones are."""

    __slots__ = ("_column", "_made", "_space", "_values")

    def __init__(self, values: View, column: Any, space: Space) -> None:
        self.count = values.count
        self._values = values
        self._column = column
        self._space = space
        self._made: dict[int, tuple[GivenView, ...]] = {}

    def get(self, i: int) -> Any:
        column, made = self._column, self._made.get(i)
        if made is None:
            value = self._values.get(i)
            if column.is_list and type(value) is list:
                made = (self._given(i, list, value),)
            elif column.is_map and type(value) is dict:
                made = self._given(i, list, value), self._given(i, _values_of, value)
            else:
                return value
            made = self._made.setdefault(i, made)  # where they lie tells lazy collections apart
        if column.is_list:
            return self._space.lazy_list(column, made[0], 0, made[0].count, i)
        return self._space.lazy_map(column, made[0], made[1], 0, made[0].count, i)

    def _given(self, i: int, part: Callable[[Any], list[Any]], value: Any) -> GivenView:
        again = (lambda: part(self._values.get(i))) if self._space.writable else None
        return GivenView(part(value), again)

    def read(self, start: int, stop: int) -> list[Any]:
        return self._values.read(start, stop)


def _values_of(value: dict[Any, Any]) -> list[Any]:
    return list(value.values())


_GONE: Any = object()


class GivenView(View):
    """Values in memory. `again` makes all of them anew, where those that were given out may have changed in place."""

    __slots__ = ("_again", "_values")

    def __init__(self, values: list[Any], again: Callable[[], list[Any]] | None = None) -> None:
        self.count = len(values)
        self._values = values
        self._again = again

    def get(self, i: int) -> Any:
        value = self._values[i]
        if self._again is None or type(value) in ATOMS:
            return value
        if value is _GONE:
            self._values = self._again()
            value = self._values[i]
        self._values[i] = _GONE
        return value

    def read(self, start: int, stop: int) -> list[Any]:
        return list(map(self.get, range(start, stop)))


class NamesView(View):
    """Names of fields as today's class has them: of those stored, or `every` where none are, and `more`."""

    __slots__ = ("_every", "_more", "_reading", "_stored")

    def __init__(
        self, stored: View | None, every: tuple[str, ...], reading: Reading, more: tuple[str, ...], count: int
    ) -> None:
        self.count = count
        self._stored = stored
        self._reading = reading
        self._more = more
        self._every = every

    def get(self, i: int) -> Any:
        return self._named(self._every if self._stored is None else self._stored.get(i))

    def read(self, start: int, stop: int) -> list[Any]:
        if self._stored is None:
            return [self._named(self._every)] * (stop - start)
        return list(map(self._named, self._stored.read(start, stop)))

    def _named(self, names: Collection[str]) -> tuple[str, ...]:
        reading = self._reading
        known, dropped = reading.names, () if reading.takes_dropped else reading.dropped
        return (*(known.get(name, name) for name in names if name not in dropped), *self._more)


class ExtrasView(View):
    """What rows have beside today's fields: stored extra values, and fields that the class no longer has."""

    __slots__ = ("_dropped", "_fields", "_missing", "_stored")

    def __init__(
        self, stored: View | None, fields: frozenset[str], dropped: Mapping[str, View], missing: View | None, count: int
    ) -> None:
        self.count = count
        self._stored = stored
        self._fields = fields
        self._dropped = dropped
        self._missing = missing

    def get(self, i: int) -> Any:
        extra = (self._stored.get(i) if self._stored is not None else None) or {}
        found = {name: value for name, value in extra.items() if name not in self._fields}
        missing = () if self._missing is None else self._missing.get(i)
        for name, view in self._dropped.items():
            if name not in missing:
                found[name] = view.read(i, i + 1)[0]
        return found or None

    def read(self, start: int, stop: int) -> list[Any]:
        return list(map(self.get, range(start, stop)))


class PrivatesView(View):
    """Private attributes by name. Those that older rows do not know have their defaults."""

    __slots__ = ("_reading", "_stored")

    def __init__(self, stored: View, reading: Reading) -> None:
        self.count = stored.count
        self._stored = stored
        self._reading = reading

    def get(self, i: int) -> Any:
        stored, kept = self._stored.get(i) or {}, self._reading.kept_privates
        known = {name: value for name, value in stored.items() if name in kept}
        return {**dict.fromkeys(self._reading.new_privates, LEFT_OUT), **known}

    def read(self, start: int, stop: int) -> list[Any]:
        return list(map(self.get, range(start, stop)))
