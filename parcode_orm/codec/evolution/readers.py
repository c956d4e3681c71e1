"""Columns that read what an older schema wrote, and give values of today's types. They write nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from ...errors import MigrationRequired, ParcodeError
from ...format.chunk import Chunk
from ...format.layout import Encoding, Node
from ..base import Column, Space, View, is_lazy
from ..columns.boundary import ChunkColumn
from ..columns.containers import MapColumn
from ..columns.lenient import FIELD, TYPE, view_mixed
from ..columns.physical import Physical
from ..columns.poly import open_poly
from ..columns.row_values import get_of, only
from ..columns.rows import EXTRA as ROW_EXTRA
from ..columns.rows import RowsView, Ways
from ..columns.struct import NAMES, OTHERS, StructColumn
from ..columns.wrappers import Around
from ..packed.dumped import Dumped
from ..packed.ways import Way
from ..stored import believed
from ..structs import EXTRA, MISSING, PRIVATE, SETS, Struct, StructPlan
from ..views.nodes import open_child
from .defaults import GENERATED
from .rows import Added, Stored, UpgradedView
from .unknown import EXTRAS, note
from .values import Change, Unfit
from .views import AsInlineView, AsMarkedView, ChangedView, DistinctView, Place, present


class _Row(Around):
    """A reader that stands around another; `change` makes today's value of the other's, in rows too."""

    __slots__ = ()

    def change_one(self, value: Any) -> Any:
        """Today's value of one that `inner` read."""
        return value

    @property
    def ways(self) -> Any:
        """How values in a row of a plain struct are read."""
        return _OneWay(get_of(self.inner), self.change_one)


class _OneWay:
    """Reads single stored values."""

    __slots__ = ("_change", "_get")

    def __init__(self, get: Callable[[Any], Any], change: Callable[[Any], Any]) -> None:
        self._get = get
        self._change = change

    def get(self, stored: Any) -> Any:
        """The value of a stored one."""
        return self._change(self._get(stored))


class ChangedColumn(_Row):
    """Values that `inner` reads, each made one of today's type."""

    __slots__ = ("change", "place")
    lazy = False

    def __init__(self, inner: Column, change: Change, place: Place) -> None:
        self.inner = inner
        self.change = change
        self.place = place

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        node = chunk.nodes[at]
        if node.encoding == Encoding.EMPTY:
            return self.inner.view(chunk, at, space)
        return ChangedView(self.inner.view(chunk, at, space), self.change, self.place, chunk)

    def change_one(self, value: Any) -> Any:
        try:
            return self.change(value)
        except Unfit as problem:
            raise self.place.error(value, problem, None, 0) from problem.__cause__


class PresentColumn(_Row):
    """Values that may be stored as None, which the class refuses now."""

    __slots__ = ("place",)

    def __init__(self, inner: Column, place: Place) -> None:
        self.inner = inner
        self.place = place

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        return present(self.inner.view(chunk, at, space), self.place, chunk)

    def change_one(self, value: Any) -> Any:
        if value is None:
            raise self.place.error(value, "None is not allowed", None, 0)
        return value


class DistinctColumn(Around):
    """Sets and dictionaries whose items or keys were others, and may be equal now."""

    __slots__ = ("place",)

    def __init__(self, inner: Column, place: Place) -> None:
        self.inner = inner
        self.place = place

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        return DistinctView(self.inner.view(chunk, at, space), self.place, chunk)

    @property
    def ways(self) -> Any:
        """How values in a row of a plain struct are read."""
        return self

    def get(self, stored: Any) -> Any:
        """The value of a stored one, a list of items, or of keys and values in turn."""
        if isinstance(self.inner, MapColumn):
            keys = list(map(get_of(self.inner.key), only(stored, list)[::2]))
            if len(set(keys)) < len(keys):
                raise self.place.error(keys, "two of its keys are equal now", None, 0)
            return get_of(self.inner)(stored)
        found = get_of(self.inner)(stored)
        if len(found) < len(stored):
            raise self.place.error(found, "two of its items are equal now", None, 0)
        return found


class AsMarkedColumn(_Row):
    """Values of a field that is marked now, and was not."""

    __slots__ = ("today",)
    lazy = True

    def __init__(self, inner: Column, today: ChunkColumn) -> None:
        self.inner = inner
        self.today = today

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        return AsMarkedView(self.inner.view(chunk, at, space), self.today, space)


class AsInlineColumn(Around):
    """Values of a field that was marked, and is not now."""

    __slots__ = ()

    def __init__(self, inner: ChunkColumn) -> None:
        self.inner = inner

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        return AsInlineView(self.inner.view(chunk, at, space))


class MarkedReader(ChunkColumn):
    """Values of a marked field: `inner` reads those in its chunk. Tables open each row group by its own schema."""

    __slots__ = ()

    def __init__(self, inner: Column, today: ChunkColumn) -> None:
        self.inner = inner
        self.items = today.items
        self.compression = today.compression
        self.kind = today.kind
        self.shape = today.shape
        self.is_list = today.is_list
        self.is_map = today.is_map


class _Validating(Way):
    """The way of values of an older type: all that come along it are validated."""

    __slots__ = ()

    def __init__(self, way: Way) -> None:
        super().__init__(way.name, way._make)

    def load(self, stored: Any) -> Any:
        return super().load(stored if type(stored) is Dumped else Dumped("python", stored))


class LenientReader(_Row):
    """Values of a type with validators. The values that `inner` did not take are validated again."""

    __slots__ = ("way",)

    def __init__(self, inner: Column, way: Way) -> None:
        self.inner = inner
        self.way = _Validating(way)

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        return view_mixed(self.inner, self.way, TYPE, chunk, at, space, chunk.nodes[at].count)


class RefusedColumn(Column):
    """Values that cannot be read: each raises `problem`."""

    __slots__ = ("problem",)

    def __init__(self, problem: ParcodeError) -> None:
        self.problem = problem

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        return _RefusedView(self.problem, chunk.nodes[at].count)

    @property
    def ways(self) -> Any:
        """No value in a row can be read either."""
        return self

    def get(self, stored: Any) -> Any:
        """No value."""
        raise self.problem


class _RefusedView(View):
    __slots__ = ("problem",)

    def __init__(self, problem: ParcodeError, count: int) -> None:
        self.count = count
        self.problem = problem

    def get(self, i: int) -> Any:
        raise self.problem

    def read(self, start: int, stop: int) -> list[Any]:
        raise self.problem


class StructReader(Physical):
    """Rows of a struct of an older schema, read as rows of `today`: a `Reading`.

    `before` has the fields in the order in which they are stored, each read by the column that gives today's values.
    What the fields are is found out when the first of its rows is opened, as a class may hold itself.
    """

    __slots__ = (
        "_complete",
        "_rows",
        "before",
        "dropped",
        "extra",
        "extras",
        "fields",
        "kept_privates",
        "names",
        "never",
        "new_privates",
        "old",
        "private",
        "takes_dropped",
        "today",
        "unbuilt",
        "width",
        "__weakref__",
    )
    encodings = StructColumn.encodings

    def __init__(self, today: Struct, old: dict[str, Any], complete: Callable[[Any], None]) -> None:
        self.today = today
        self.old = old
        self.width = len(old["fields"])
        self.fields: dict[str, Stored | Added] = {}
        self.names: dict[str, str] = {}
        self.dropped: dict[str, int] = {}
        self.unbuilt: dict[str, str] = {}
        self.never: frozenset[str] = frozenset()
        self.extras = True
        self.takes_dropped = False
        self.new_privates: Collection[str] = ()
        self.kept_privates: Collection[str] = ()
        self.before: Struct = StructColumn(StructPlan(dict, today.plan.name, [], "plain", build=list))
        self.extra: Column | None = None
        self.private: Column | None = None
        self._complete: Callable[[Any], None] | None = complete
        self._rows: Ways | None = None

    @property
    def lazy(self) -> bool:
        return is_lazy(self.today)

    def complete(self) -> None:
        """Find out where today's fields are.

        Raises:
            MigrationRequired: a migration must say it.
        """
        if self._complete is not None:
            with believed():
                self._complete(self)
            self._complete = None

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        if node.encoding == Encoding.POLY:
            return open_poly(self.today, chunk, at, space, node)
        self.complete()
        if self.never and space.writable and self.today.plan.cls.__module__ == GENERATED:
            # Written again, they would lack these fields, and no class would give them its defaults any more.
            raise MigrationRequired(
                f"{self.today.plan.name}.{min(self.never)}: older rows do not have this field, and a class made of a "
                "stored schema has no defaults: open the file read-only, or with the class that wrote it"
            )
        if node.encoding == Encoding.ROWS:
            return RowsView(self, chunk, at, node)
        return self.view_rows(chunk, at, space, node)

    def view_rows(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        """View the STRUCT node `at`."""
        return UpgradedView(self, chunk, at, space, node)

    def open_stored(self, name: str, chunk: Chunk, at: int, space: Space, count: int) -> View:
        """View the node `at`, which must hold `count` values of today's field `name`."""
        field = self.fields[name]
        assert isinstance(field, Stored)
        return self.open_as(name, field.column, chunk, at, space, count)

    def open_as(self, name: str | None, column: Column, chunk: Chunk, at: int, space: Space, count: int) -> View:
        """View the node `at`, which must hold `count` values that `column` reads as those of today's field `name`."""
        if name is not None and column is self.today.places[name][1]:
            return self.today.open_field(name, chunk, at, space, count)
        ways = self.today.plan.ways
        if name is not None and ways is not None and chunk.nodes[at].encoding == Encoding.MIXED:
            return view_mixed(column, _Validating(ways.way(name)), FIELD, chunk, at, space, count)
        return open_child(column, chunk, at, space, count)

    def open_rest(self, bit: int, chunk: Chunk, at: int, space: Space, count: int) -> View:
        """View the node `at`, which must hold the part `bit` of `count` rows."""
        known = {SETS: NAMES, MISSING: NAMES, EXTRA: self.extra, PRIVATE: self.private}
        return open_child(known.get(bit) or OTHERS, chunk, at, space, count)

    def open_dropped(self, name: str, chunk: Chunk, at: int, space: Space, count: int) -> View:
        """View the node `at`, which must hold `count` values of a field that the class no longer has."""
        return open_child(self.before.fields[self.dropped[name]][1], chunk, at, space, count)

    def unknown(self) -> list[tuple[str, str]]:
        """The fields and private attributes that the class no longer has."""
        privates = [name for name, _ in self.old.get("privates", ()) if name not in self.kept_privates]
        names = privates if self.takes_dropped else [*self.dropped, *privates]
        return [(self.old["struct"], name) for name in names]

    @property
    def ways(self) -> Any:
        """How rows stored one by one are read."""
        if self._rows is None:
            self.complete()
            self._rows = self.make_ways()
        return self._rows

    def make_ways(self) -> Ways:
        """What reads rows that are stored one by one."""
        return _RowReader(self)


class _RowReader(Ways):
    """Reads rows of an older schema that are stored one by one."""

    __slots__ = ("_reader",)

    def __init__(self, reader: StructReader) -> None:
        super().__init__(reader.before)
        self.required = set()
        self._reader = reader

    def _object(self, row: dict[str, Any], names_set: set[str], bits: int, after: Iterator[Any]) -> Any:
        reader = self._reader
        today = reader.today
        stored: dict[str, Any] = {}
        if bits & ROW_EXTRA:
            stored = get_of(self.column.plan.extra or OTHERS)(next(after))
        values: dict[str, Any] = {}
        for name, field in reader.fields.items():
            if isinstance(field, Added):
                values[name] = field.change(stored[name], None, 0) if name in stored else field.make()
            elif field.name in row:
                values[name] = row[field.name]
        for name in reader.never:
            values.pop(name, None)
        gone = () if reader.takes_dropped else [name for name in reader.dropped if name in row]
        note(reader.old["struct"], (*gone, EXTRAS) if stored and not reader.extras else gone, today)
        if not today.pydantic:
            return today.builder.objects([values], None, None, None)[0]
        extra = {name: value for name, value in stored.items() if name not in reader.fields} if reader.extras else {}
        if reader.takes_dropped:
            extra.update({name: row[name] for name in reader.dropped if name in row})
        known, dropped = reader.names, () if reader.takes_dropped else reader.dropped
        sets = {known.get(name, name) for name in names_set if name not in dropped}
        return today.builder.one(values, sets, extra or None)
