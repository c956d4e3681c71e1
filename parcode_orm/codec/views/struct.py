"""Rows of a struct: lazily a field at a time, or plain objects in bulk."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

from ...errors import FieldNotStored
from ...format.chunk import Chunk
from ...format.layout import Encoding, Node
from ...stack import room_for
from .. import kernels
from ..attributes import put_others
from ..base import Column, Getter, Space, View
from ..columns.containers import ListColumn, MapColumn
from ..columns.lenient import FIELD, view_mixed
from ..columns.mixed import InMemory
from ..columns.text import TextColumn
from ..packed.values import PackedColumn
from .nodes import accessor, open_child

if TYPE_CHECKING:
    from ..columns.struct import StructColumn

SETS, MISSING, EXTRA, PRIVATE, UNDECLARED = 1, 2, 4, 8, 16
NAMES = ListColumn(TextColumn(), tuple, "tuple")  # field sets: few distinct ones, each written once
OTHERS = MapColumn(TextColumn(), PackedColumn())  # EXTRA, where the schema names no column for it; UNDECLARED


class StructView(View):
    """Rows of a struct node. Children are opened when first asked for; `getters` holds those of the fields touched."""

    __slots__ = (
        "cls",
        "space",
        "column",
        "getters",
        "chunk",
        "at",
        "bits",
        "held",
        "live",
        "lively",
        "_children",
        "_rest",
        "_views",
        "__weakref__",
    )

    def __init__(self, column: StructColumn, chunk: Chunk, at: int, space: Space, node: Node) -> None:
        plan = column.plan
        fields = len(plan.fields)
        self.count = node.count
        self.bits = bits = node.param
        if bits >> 5:
            raise chunk.error(at, f"a struct with unknown parts ({bits:#x})")
        self._children = children = chunk.children(at)
        if len(children) != fields + bits.bit_count():
            raise chunk.error(at, f"{len(children)} children where {fields + bits.bit_count()} belong")
        self.cls = plan.cls
        self.space = space
        self.column = column
        self.chunk = chunk
        self.at = at
        self.getters: dict[str, Getter] = {}
        self.held: dict[int, Any] | None = None  # where a writable session keeps those that must not be forgotten
        self.live: dict[int, ref[Any]] = {}  # proxies of these rows that somebody may hold
        self.lively: set[int] | None = None  # the offset of the chunk goes here before `live` gets its first
        self._views: dict[str, View] = {}
        if bits:
            parts = [bit for bit in (SETS, MISSING, EXTRA, PRIVATE, UNDECLARED) if bits & bit]
            self._rest: dict[int, Any] = dict(zip(parts, children[fields:], strict=True))

    @property
    def direct(self) -> Getter | None:
        """What `get` does for a Model's rows."""
        return partial(self.space.proxy, self) if self.column.plan.kind == "model" else None

    def field(self, name: str) -> View:
        """The view of the field's column."""
        view = self._views.get(name)
        if view is None:
            place, column = self.column.places[name]
            child = self._children[place]
            if self.chunk.nodes[child].encoding == Encoding.MIXED and self.column.plan.ways is not None:
                way = self.column.plan.ways.way(name)
                view = view_mixed(column, way, FIELD, self.chunk, child, self.space, self.count)
            else:
                view = open_child(column, self.chunk, child, self.space, self.count)
            view = self._views.setdefault(name, view)  # one for all threads, as it knows the proxies of its rows
        return view

    def getter(self, name: str) -> Getter:
        """A callable from row to value, lazy flavour; raises `FieldNotStored` for a row without the field."""
        get = accessor(self.field(name))
        if self.bits & MISSING:
            get = self._careful(name, get)
        self.getters[name] = get
        return get

    def field_to_keep(self, name: str, row: int, value: Any) -> Any:
        """What stands for `value`, in memory for the field of `row`: `Kept` where what is stored may do."""
        keep = getattr(self.field(name), "keep", None)
        return value if keep is None else keep(row, InMemory(self, name, row, value))

    def field_to_store(self, name: str, row: int) -> Any:
        """What the field of `row` may be written as again without being read; None where it must be read.

        Of a field that rows may lack, only values that are stored alone are known to be there.
        """
        find = getattr(self.field(name), "unread" if self.bits & MISSING else "stored", None)
        return None if find is None else find(row)

    def _careful(self, name: str, get: Getter) -> Getter:
        missing = self._part(MISSING, NAMES)
        rows = missing.get

        def careful(row: int) -> Any:
            if name in rows(row):
                raise FieldNotStored(name)
            return get(row)

        return careful

    def part(self, bit: int) -> View:
        """The names of the fields that were set, or are missing, a tuple a row."""
        found: View = self._part(bit, NAMES)
        return found

    def _part(self, bit: int, column: Column) -> Any:
        part = self._rest[bit]
        if isinstance(part, int):
            part = self._rest[bit] = open_child(column, self.chunk, part, self.space, self.count)
        return part

    def fields_set(self, row: int) -> set[str] | None:
        """The names of the fields that were set, None for all."""
        return set(self._part(SETS, NAMES).get(row)) if self.bits & SETS else None

    def extra(self, row: int) -> dict[str, Any] | None:
        """What the object holds beyond its fields, None without anything."""
        if not self.bits & EXTRA:
            return None
        found: dict[str, Any] | None = self._part(EXTRA, self.column.plan.extra or OTHERS).get(row)
        return found

    def attributes(self, row: int) -> dict[str, Any]:
        """The attributes that a model's class does not declare."""
        return (self._part(UNDECLARED, OTHERS).get(row) if self.bits & UNDECLARED else None) or {}

    def private(self, row: int) -> dict[str, Any] | None:
        """The private attributes that were set and stored."""
        if not self.bits & PRIVATE or not self.column.plan.privates:
            return None
        found: dict[str, Any] = self.privates().get(row)
        return found

    def privates(self) -> View:
        """The view of the private attributes, of a struct that has them."""
        found: View = self._part(PRIVATE, self.column.private_column)
        return found

    def get(self, i: int) -> Any:
        if self.column.plan.kind == "model":
            return self.space.proxy(self, i)
        if not self.column.lazy:
            return self.read(i, i + 1)[0]
        found = {}
        for name in self.column.places:
            try:
                found[name] = (self.getters.get(name) or self.getter(name))(i)
            except FieldNotStored:
                continue
        return self._build([found], i, i + 1)[0]

    def read(self, start: int, stop: int) -> list[Any]:
        try:
            columns = [self.field(name).read(start, stop) for name in self.column.places]
        except RecursionError as problem:
            places = self.column.places
            columns = room_for(problem, lambda: [self.field(name).read(start, stop) for name in places])
        dicts = self.column.builder.dicts(columns, stop - start)
        if self.bits & MISSING:
            for row, names in zip(dicts, self._part(MISSING, NAMES).read(start, stop), strict=True):
                for name in names:
                    row.pop(name, None)
        return self._build(dicts, start, stop)

    def _build(self, dicts: list[dict[str, Any]], start: int, stop: int) -> list[Any]:
        plan = self.column.plan
        sets: Any = None
        extras: Any = None
        privates: Any = None
        left_out = False
        if self.bits:
            if self.bits & SETS:
                sets = list(map(set, self._part(SETS, NAMES).read(start, stop)))
            if self.bits & EXTRA:
                extras = self._part(EXTRA, plan.extra or OTHERS).read(start, stop)
            if self.bits & PRIVATE and plan.privates:
                part = self.privates()
                privates = part.read(start, stop)
                left_out = bool(getattr(part, "bits", EXTRA) & EXTRA)
        built: Sequence[Any] = self.column.builder.objects(dicts, sets, extras, privates, left_out)
        if self.bits & UNDECLARED:
            kernels.drain(map(put_others, built, self._part(UNDECLARED, OTHERS).read(start, stop)))
        return list(built) if not isinstance(built, list) else built
