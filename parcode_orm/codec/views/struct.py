"""Rows of a struct: lazily a field at a time, or plain objects in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any
from weakref import ref

from ...errors import FieldNotStored
from ...format.chunk import Chunk
from ...format.layout import Encoding, Node
from ...stack import room_for
from .. import kernels
from ..attributes import put_others
from ..base import Getter, Space, View
from ..structs import EXTRA, MISSING, PRIVATE, SETS, UNDECLARED, Struct
from .nodes import open_child
from .stretch import InMemory

MIXED = int(Encoding.MIXED)


class StructView(View):
    """Rows of a struct node. Children are opened when needed; `getters` has the fields read."""

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
        "made",
        "strays",
        "_children",
        "_rest",
        "_views",
        "__weakref__",
    )

    def __init__(
        self, column: Struct, chunk: Chunk, at: int, space: Space, node: Node, width: int | None = None
    ) -> None:
        plan = column.plan
        fields = len(plan.fields) if width is None else width
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
        # Where a writable session keeps those that must not be forgotten.
        self.held: dict[int, Any] | None = None
        self.made: type | None = None  # the class of the proxies, once there was one
        self.live: dict[int, ref[Any]] = {}  # proxies of these rows that the program may hold
        # The offset of the chunk goes here before `live` gets its first.
        self.lively: set[int] | None = None
        self.strays = False  # whether a proxy in `live` may stand for another row
        self._views: dict[str, View] = {}
        if bits:
            parts = [bit for bit in (SETS, MISSING, EXTRA, PRIVATE, UNDECLARED) if bits & bit]
            self._rest: dict[int, int | View] = dict(zip(parts, children[fields:], strict=True))

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
            if self.column.plan.ways is None or self.chunk.nodes[child].encoding != MIXED:
                view = open_child(column, self.chunk, child, self.space, self.count)
            else:
                view = self.column.open_field(name, self.chunk, child, self.space, self.count)
            # One for all threads, as it knows the proxies of its rows.
            view = self._views.setdefault(name, view)
        return view

    def move(self, chunk: Chunk, names: Iterable[str]) -> None:
        """Stand for the same row in `chunk`, which has other references for the marked fields `names`, and no more."""
        self.chunk = chunk
        for name in names:
            self._views[name].chunk = chunk  # type: ignore[misc]

    def getter(self, name: str) -> Getter:
        """A function from row to lazy value; raises `FieldNotStored` if the row lacks it."""
        view = self.field(name)
        get: Getter = getattr(view, "direct", None) or view.get
        if self.bits & MISSING:
            get = self._careful(name, get)
        self.getters[name] = get
        return get

    def field_to_keep(self, name: str, row: int, value: Any) -> Any:
        """`value`, in memory for the field of `row`, or `Kept` if its stored form may serve."""
        keep = getattr(self.field(name), "keep", None)
        return value if keep is None else keep(row, InMemory(self, name, row, value))

    def field_to_store(self, name: str, row: int) -> Any:
        """The unread value that the field of `row` may be written as; None if it must be read.

        Where rows may lack the field, this finds only values that are stored alone.
        """
        find = getattr(self.field(name), "unread" if self.bits & MISSING else "stored", None)
        return None if find is None else find(row)

    def _careful(self, name: str, get: Getter) -> Getter:
        rows = self.part(MISSING).get

        def careful(row: int) -> Any:
            if name in rows(row):
                raise FieldNotStored(name)
            return get(row)

        return careful

    def part(self, bit: int) -> View:
        """The view of a part beside the fields. `SETS` and `MISSING` give tuples of names."""
        part = self._rest[bit]
        if isinstance(part, int):
            part = self._rest[bit] = self.column.open_part(bit, self.chunk, part, self.space, self.count)
        return part

    def fields_set(self, row: int) -> set[str] | None:
        """The names of the fields that were set, None for all."""
        return set(self.part(SETS).get(row)) if self.bits & SETS else None

    def extra(self, row: int) -> dict[str, Any] | None:
        """What the object holds beyond its fields, None without anything."""
        if not self.bits & EXTRA:
            return None
        found: dict[str, Any] | None = self.part(EXTRA).get(row)
        return found

    def attributes(self, row: int) -> dict[str, Any]:
        """The attributes that a model's class does not declare."""
        return (self.part(UNDECLARED).get(row) if self.bits & UNDECLARED else None) or {}

    def private(self, row: int) -> dict[str, Any] | None:
        """The private attributes that were set and stored."""
        if not self.bits & PRIVATE or not self.column.plan.privates:
            return None
        found: dict[str, Any] = self.part(PRIVATE).get(row)
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
        if not self.bits & MISSING:
            return self._finish(
                self.column.builder.rows(columns, stop - start, *self._beside(start, stop)), start, stop
            )
        dicts = self.column.builder.dicts(columns, stop - start)
        for row, names in zip(dicts, self.part(MISSING).read(start, stop), strict=True):
            for name in names:
                row.pop(name, None)
        return self._build(dicts, start, stop)

    def read_sets(self, start: int, stop: int) -> list[set[str]]:
        """The names of the fields that were set, where `bits` has SETS, a set for each row."""
        return list(map(set, self.part(SETS).read(start, stop)))

    def _build(self, dicts: list[dict[str, Any]], start: int, stop: int) -> list[Any]:
        return self._finish(self.column.builder.objects(dicts, *self._beside(start, stop)), start, stop)

    def _beside(self, start: int, stop: int) -> tuple[Any, Any, Any, bool]:
        """What a `Builder` takes besides fields: fields that were set, extras, private attributes, what they lack."""
        plan = self.column.plan
        sets: Any = None
        extras: Any = None
        privates: Any = None
        left_out = False
        if self.bits:
            if self.bits & SETS:
                sets = self.read_sets(start, stop)
            if self.bits & EXTRA:
                extras = self.part(EXTRA).read(start, stop)
            if self.bits & PRIVATE and plan.privates:
                part = self.part(PRIVATE)
                privates = part.read(start, stop)
                left_out = bool(getattr(part, "bits", EXTRA) & EXTRA)
        return sets, extras, privates, left_out

    def _finish(self, built: Sequence[Any], start: int, stop: int) -> list[Any]:
        if self.bits & UNDECLARED:
            kernels.drain(map(put_others, built, self.part(UNDECLARED).read(start, stop)))
        return list(built) if not isinstance(built, list) else built
