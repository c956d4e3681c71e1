"""Rows of an earlier version of a class, as its own code upgrades them (`upgrade`)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from ...errors import MigrationRequired
from ...format.chunk import Chunk
from ...format.layout import Encoding, Node
from ..base import ATOMS, Column, Space, View
from ..columns.row_values import get_of
from ..columns.rows import EXTRA as ROW_EXTRA
from ..columns.rows import Ways
from ..columns.struct import OTHERS, StructColumn
from ..renames import FOUND_BY
from ..stored import Schema
from ..structs import EXTRA, MISSING, SETS, Struct, StructPlan
from ..views.nodes import open_child
from .given import Code, Failed, Target, Unread
from .neutral import neutral
from .readers import RefusedColumn, StructReader
from .rows import AddedCollections, UpgradedView
from .structs import Resolver, beside_fields, check_found_by, column_of, earlier_names, has_struct

MARKS = frozenset({"chunk", "map"})
MEMORY = 8  # rows of which a view remembers what the code gave


class Was(NamedTuple):
    """A stored field: child `place` of the node. `then` gives what was stored, `today` what the class has now.

    It stands for the value of a row that the code left as it was.
    """

    name: str
    place: int
    then: Column
    today: Column


class CodedReader(StructReader):
    """Rows of a struct of an earlier version, each of which goes through the code of today's class."""

    __slots__ = ("apart", "code", "target", "was")
    apart: set[str]  # the stored fields that are marked
    code: Code
    target: Target
    was: dict[str, Was]

    def view_rows(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        return CodedView(self, chunk, at, space, node)

    def open_then(self, name: str, chunk: Chunk, at: int, space: Space, count: int) -> View:
        """View the node `at`, which must hold `count` stored values of the field `name`, as they were stored."""
        if chunk.nodes[at].encoding == Encoding.MIXED:  # some are not of the field's type
            return self.open_stored(name, chunk, at, space, count)
        return open_child(self.was[name].then, chunk, at, space, count)

    def open_stored(self, name: str, chunk: Chunk, at: int, space: Space, count: int) -> View:
        """View the node `at`, which must hold `count` values of the stored field `name`, as the class has them now."""
        return self.open_as(self.target.field_of.get(name), self.was[name].today, chunk, at, space, count)

    def make_ways(self) -> Ways:
        return _CodedWays(self)


class CodedView(UpgradedView):
    """Rows of an earlier version. The code runs once for a row whose fields are read one after another.

    A value of the code's result is given out once: if it may change in place, it must not be compared with itself.
    """

    __slots__ = ("_block", "_made", "_then", "_today")
    reading: CodedReader

    def __init__(self, reading: CodedReader, chunk: Chunk, at: int, space: Space, node: Node) -> None:
        super().__init__(reading, chunk, at, space, node)
        self._then: dict[str, View] = {}
        self._today: dict[str, View] = {}
        self._made: dict[int, dict[Any, Any]] = {}
        self._block: tuple[int, int, list[dict[Any, Any]]] = 0, 0, []
        self.bits &= ~(SETS | EXTRA | MISSING)
        if reading.today.pydantic:
            self.bits |= SETS | (EXTRA if reading.today.plan.extra is not None else 0)

    def field(self, name: str) -> View:
        view = self._views.get(name)
        if view is None:
            column = self.column.places[name][1]
            view = CodedField(self, name)
            if getattr(column, "is_list", False) or getattr(column, "is_map", False):
                view = AddedCollections(view, column, self.space)
            view = self._views.setdefault(name, view)
        return view

    def part(self, bit: int) -> View:
        return CodedField(self, bit) if bit in (SETS, EXTRA) else super().part(bit)

    def read_sets(self, start: int, stop: int) -> list[set[str]]:
        return list(map(set, self.part(SETS).read(start, stop)))

    def one(self, row: int, name: Any) -> Any:
        """What the code gives for a field of a row, or beside the fields."""
        made = self._made.pop(row, None)
        if made is None or name not in made:
            made = self._row(row)
        value = _taken(made, name)
        if len(self._made) >= MEMORY:
            self._made.clear()
        self._made[row] = made
        return value

    def many(self, start: int, stop: int, name: Any) -> list[Any]:
        """What the code gives for a field of rows, or beside the fields."""
        first, last, rows = self._block
        if (first, last) != (start, stop) or any(name not in row for row in rows):
            rows = list(map(self._row, range(start, stop)))
        found = [_taken(row, name) for row in rows]
        self._block = start, stop, rows
        return found

    def today(self, name: str) -> View:
        """The view of a stored field whose values are as the class has them now."""
        return self._opened(self._today, self.reading.open_stored, name)

    def _opened(self, views: dict[str, View], opened: Callable[..., View], name: str) -> View:
        view = views.get(name)
        if view is None:
            child = self._children[self.reading.was[name].place]
            view = views.setdefault(name, opened(name, self.chunk, child, self.space, self.count))
        return view

    def _row(self, row: int) -> dict[Any, Any]:
        reading = self.reading
        missing, extras, names = (self._stored_part(bit) for bit in (MISSING, EXTRA, SETS))
        left = () if missing is None else missing.get(row)
        fields: dict[str, Any] = {
            name: Unread(name, partial(self._load, name, row), partial(self._keep, name, row))
            for name in reading.was
            if name not in left
        }
        for name, value in ((extras.get(row) if extras is not None else None) or {}).items():
            fields.setdefault(name, value)
        try:
            result = reading.code.run(fields, reading.apart)
            found = reading.target.values(fields, result, None if names is None else names.get(row))
        except Failed as problem:
            raise reading.code.error(problem, self.chunk, row) from problem.__cause__
        was = reading.was
        return {name: was[value.name] if type(value) is Unread else value for name, value in found.items()}

    def _load(self, name: str, row: int) -> Any:
        return self._opened(self._then, self.reading.open_then, name).read(row, row + 1)[0]

    def _keep(self, name: str, row: int) -> Any:
        return self.today(name).read(row, row + 1)[0]


def _taken(row: dict[Any, Any], name: Any) -> Any:
    """A value of a row. One that may change in place is taken out, and computed anew when it is asked for again."""
    value = row[name]
    if type(value) not in ATOMS and type(value) is not Was and name != SETS:
        row.pop(name, None)
    return value


class CodedField(View):
    """A field of the rows of a `CodedView`, or what stands beside their fields (`name` is a bit)."""

    __slots__ = ("_name", "_rows")

    def __init__(self, rows: CodedView, name: Any) -> None:
        self.count = rows.count
        self._rows = rows
        self._name = name

    def get(self, i: int) -> Any:
        value = self._rows.one(i, self._name)
        return self._rows.today(value.name).get(i) if type(value) is Was else value

    def read(self, start: int, stop: int) -> list[Any]:
        if stop - start == 1:
            values = [self._rows.one(start, self._name)]
        else:
            values = self._rows.many(start, stop, self._name)
        left = {value.name for value in values if type(value) is Was}
        if not left:
            return values
        stored = {name: self._rows.today(name).read(start, stop) for name in left}
        return [stored[value.name][at] if type(value) is Was else value for at, value in enumerate(values)]


class _CodedWays(Ways):
    """Reads rows of an earlier version that are stored one by one."""

    __slots__ = ("_reader",)

    def __init__(self, reader: CodedReader) -> None:
        super().__init__(reader.before)
        self.required = set()
        self._gets = [_as_stored] * len(reader.was)
        self._reader = reader

    def _object(self, row: dict[str, Any], names_set: set[str], bits: int, after: Iterator[Any]) -> Any:
        reader = self._reader
        fields: dict[str, Any] = {
            name: Unread(name, partial(get_of(was.then), row[name]), partial(get_of(was.today), row[name]))
            for name, was in reader.was.items()
            if name in row
        }
        if bits & ROW_EXTRA:
            for name, value in get_of(reader.extra or OTHERS)(next(after)).items():
                fields.setdefault(name, value)
        try:
            values = reader.target.values(fields, reader.code.run(fields), names_set)
        except Failed as problem:
            raise reader.code.error(problem, None, 0) from problem.__cause__
        names, extra = values.pop(SETS), values.pop(EXTRA, None)
        found = {name: value.kept() if type(value) is Unread else value for name, value in values.items()}
        if not reader.today.pydantic:
            return reader.today.builder.objects([found], None, None, None)[0]
        return reader.today.builder.one(found, set(names), extra)


def _as_stored(stored: Any) -> Any:
    return stored


def complete(resolver: Resolver, stored: Schema, reader: CodedReader) -> None:
    """Find out how each stored field is read, as it was stored and as today's class has it."""
    body, today = reader.old, reader.today
    model = today.plan.name
    names = earlier_names(resolver, today, body["struct"])
    reader.target = Target(today, names, getattr(today.plan.cls, FOUND_BY, ()))
    structs: dict[str, Column] = {}
    reader.was = {}
    reader.apart = {
        name
        for name, node in body["fields"]
        if isinstance(node, dict) and len(node) == 1 and not MARKS.isdisjoint(node)
    }
    for place, (name, node) in enumerate(body["fields"]):
        schema, then = stored.part(node), neutral(stored.part(node), structs)
        field = reader.target.field_of.get(name)
        if field is not None:
            check_found_by(schema, today, field)
        now = then if field is None else field_column(resolver, schema, today, field, f"{model}.{field}")
        if has_struct(node) and not isinstance(now, RefusedColumn):
            then = now  # objects inside are as their classes have them now
        reader.was[name] = Was(name, place, then, now)
    plan = StructPlan(dict, body["struct"], [], "plain", build=list)
    reader.before = StructColumn(plan)
    reader.before.fields = [(name, was.then) for name, was in reader.was.items()]
    beside_fields(resolver, stored, reader, structs)


def field_column(resolver: Resolver, schema: Schema, today: Struct, name: str, where: str) -> Column:
    """The column that reads stored values as those of a field; where there is none, one that says why."""
    try:
        return column_of(resolver, schema, today, name, where)
    except MigrationRequired as problem:
        return RefusedColumn(problem)
