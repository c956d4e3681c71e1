"""How values of a stored schema are read as those of today's column: the resolver.

    resolver.columns((stored schema of the items,), (today's column,))

A part of the schema that did not change is read by today's column itself. A container is a container of resolved
parts. A struct finds its fields by name (`structs.py`). A leaf of another type is changed value by value. What fits
nowhere here is left to the field that it stands in, whose validator takes it whole, or refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from ...errors import MigrationRequired
from ..base import Column
from ..columns.arrays import ArrayColumn
from ..columns.boundary import ChunkColumn
from ..columns.containers import ListColumn, MapColumn, SetColumn
from ..columns.lenient import LenientColumn
from ..columns.packed import PackedColumn
from ..columns.refs import RefColumn
from ..columns.scalars import BoolColumn, FloatColumn, IntColumn, NoneColumn
from ..columns.struct import kind_of
from ..columns.text import BytesColumn, TextColumn
from ..columns.tuples import TupleColumn, UnionColumn
from ..columns.wrappers import ConvertColumn, OptionalColumn
from ..renames import class_names
from ..schema import brief, canonical_schema
from ..stored import LISTS, MAPS, Schema
from ..structs import Struct
from ..upgrades import VERSION, steps_from, version_of
from . import coded
from .coded import CodedReader
from .enums import enum_column, is_enum
from .given import Code
from .keys import is_stable
from .leaves import change_of
from .neutral import CONVERSIONS, NEUTRAL, NeutralMarked, neutral
from .readers import (
    AsInlineColumn,
    AsMarkedColumn,
    ChangedColumn,
    DistinctColumn,
    LenientReader,
    MarkedReader,
    PresentColumn,
    StructReader,
)
from .refs import as_reference, as_value, is_reference
from .refusals import Unresolved, brief_of, place_of, refusal, without_steps
from .structs import complete
from .unknown import for_messages
from .values import first_of, to_collection

Renames = Sequence[tuple[str, str, str]]
_ATOMS = (IntColumn, FloatColumn, BoolColumn, TextColumn, BytesColumn)
_MODELS = frozenset({"model", "base model", "root model"})


class Resolver:
    """Resolves the schemas of one file. `renames` were made by its migrations."""

    def __init__(self, renames: Renames = ()) -> None:
        self.renames = renames
        self._structs: dict[tuple[int, str, int], tuple[StructReader, Any]] = {}

    def columns(self, stored: Sequence[Schema], today: Sequence[Column]) -> tuple[Column, ...]:
        """The columns that read rows of the `stored` schemas as those of today's columns: keys, if any, and items.

        Raises:
            MigrationRequired: a migration must say how.
        """
        items, column = stored[-1], today[-1]
        if column is NEUTRAL:
            return tuple(map(neutral, stored))
        found = (self._rows(items, column),)
        if len(stored) == 1:
            return found
        _check_keys(stored[0], today[0], "a table")
        return (self.column(stored[0], today[0], "a key"), *found)

    def complete(self) -> None:
        """Resolve the fields of all classes met so far, at any depth, before a row is read.

        Raises:
            SchemaMismatchError: no row of one of them can be read.
        """
        done: set[int] = set()
        while fresh := [reader for reader, _ in self._structs.values() if id(reader) not in done]:
            for reader in fresh:
                done.add(id(reader))
                reader.complete()

    def unbuilt(self) -> list[str]:
        """What to do about indexes of all classes met so far that the file does not have."""
        return [what for reader, _ in self._structs.values() for what in reader.unbuilt.values()]

    def lacking(self) -> list[str]:
        """What all classes met so far lack of what is stored, `Class.field` each."""
        return for_messages(name for reader, _ in self._structs.values() for name in reader.unknown())

    def _rows(self, stored: Schema, today: Column) -> Column:
        try:
            return self.column(stored, today, "a row")
        except Unresolved as problem:
            raise refusal("a row of this table", stored, today, problem) from None

    def column(self, stored: Schema, today: Column, where: str) -> Column:
        """The column that reads values of a stored schema as those of today's column.

        Raises:
            Unresolved: there is none.
            MigrationRequired: a migration must say how.
        """
        if stored.canonical() == canonical_schema(today):
            return today
        node = stored.root
        if isinstance(today, LenientColumn):
            inner = self.column(stored, today.inner, where)
            return today if inner is today.inner else LenientReader(inner, today.way)
        marked = next(
            (name for name in ("chunk", "map") if isinstance(node, dict) and len(node) == 1 and name in node), ""
        )
        if marked or isinstance(today, ChunkColumn):
            return self._marked(stored.part(node[marked]) if marked else stored, bool(marked), today, where)
        if isinstance(node, dict) and "struct" in node:
            return self._struct(stored, today, where)
        if isinstance(node, dict) and "optional" in node:
            return self._optional(stored, today, where)
        if isinstance(today, OptionalColumn):
            return OptionalColumn(self.column(stored, today.inner, where))
        if isinstance(today, RefColumn) and not (isinstance(node, dict) and "union" in node):
            return as_reference(self, stored, today, where)
        if is_reference(node):
            return as_value(self, stored, today, where)
        if isinstance(node, dict) and "union" in node:
            arms = [self.column(stored.part(arm), today, where) for arm in node["union"]]
            return UnionColumn([(_never, arm) for arm in arms])
        if isinstance(today, UnionColumn):
            return self._arm(stored, today, where)
        if isinstance(today, Struct):
            raise Unresolved
        if isinstance(node, dict):
            found = self._container(stored, today, where)
            if found is not None:
                return found
        return self._leaf(stored, today, where)

    # -- around -----------------------------------------------------------------------------------------------------

    def _marked(self, stored: Schema, was: bool, today: Column, where: str) -> Column:
        shaped = today.shape if isinstance(today, ChunkColumn) else today
        node = stored.root["optional"] if isinstance(stored.root, dict) and "optional" in stored.root else stored.root
        if was and isinstance(node, dict) and "dict" in node and isinstance(shaped, MapColumn):
            _check_keys(stored.part(node["dict"][0]), shaped.key, where)
        if not isinstance(today, ChunkColumn):
            old = self._opened(stored)
            shape: Any = today.inner if isinstance(today, OptionalColumn | LenientColumn) else today
            if old.is_list or old.is_map:  # a table of rows that today's items resolve
                if old.is_list and isinstance(shape, ListColumn) and shape.factory is not list:
                    return self._collected(stored, old, shape, today, where)
                if old.is_list is not isinstance(shape, ListColumn) or old.is_map is not isinstance(shape, MapColumn):
                    raise Unresolved
                return AsInlineColumn(_tables(old, self.column(stored, today, where), shape))
            return AsInlineColumn(_tables(old, self.column(stored, today, where), None))
        if was and not today.is_list and isinstance(today.shape, ListColumn):
            old = self._opened(stored)
            if old.is_list:
                return self._collected(stored, old, today.shape, today.inner, where)
        inner = self.column(stored, today.inner, where)
        if not was:
            return AsMarkedColumn(inner, today)
        if inner is today.inner:
            return today
        old = self._opened(stored)
        if (old.is_list, old.is_map) != (today.is_list, today.is_map) and (old.is_list or old.is_map):
            raise Unresolved
        return MarkedReader(inner, today)

    def _collected(self, stored: Schema, old: NeutralMarked, shape: ListColumn, today: Column, where: str) -> Column:
        """Lists that may be tables, as another kind of collection."""
        optional = isinstance(stored.root, dict) and "optional" in stored.root
        node = stored.root["optional"] if optional else stored.root
        items: Column = ListColumn(self.column(stored.part(node["list"]), shape.item, where))
        reader = _tables(old, OptionalColumn(items) if optional else items, ListColumn(shape.item))
        change = to_collection(shape.factory, isinstance(today, OptionalColumn))
        return ChangedColumn(reader, change, place_of(where, stored, today))

    def _opened(self, stored: Schema) -> NeutralMarked:
        return NeutralMarked(neutral(stored), "chunk")

    def _optional(self, stored: Schema, today: Column, where: str) -> Column:
        inner = stored.part(stored.root["optional"])
        if isinstance(today, OptionalColumn):
            return OptionalColumn(self.column(inner, today.inner, where))
        if isinstance(today, PackedColumn | NoneColumn) or (isinstance(today, ConvertColumn) and object in today.types):
            raise Unresolved
        found = OptionalColumn(self.column(inner, today, where))
        return PresentColumn(found, place_of(where, stored, today))

    def _arm(self, stored: Schema, today: UnionColumn, where: str) -> Column:
        """The arm of a union that takes values of a stored schema: the same one, or that of the same class."""
        arms = [arm for _, arm in today.arms]
        canonical = stored.canonical()
        same = next((arm for arm in arms if canonical_schema(arm) == canonical), None)
        if same is not None:
            return same
        node = stored.root
        if isinstance(node, dict) and "struct" in node:
            name = node_name(stored)
            mine = [arm for arm in arms if isinstance(arm, Struct) and self.is_class(name, arm)]
            if len(mine) == 1:
                return self._struct(stored, mine[0], where)
            raise refusal(where, stored, today, f"{len(mine)} of its classes are or were called {name}")
        if isinstance(node, dict) and ("members" in node or "flags" in node):
            same_enum = next((arm for arm in arms if is_enum(self.renames, node, arm)), None)
            if same_enum is not None:
                return self.column(stored, same_enum, where)
        base = bare(node)
        alike = next((arm for arm in arms[:-1] if isinstance(base, str) and bare(arm.describe()) == base), None)
        if alike is not None:
            return self.column(stored, alike, where)
        if isinstance(base, str) or "convert" in base:
            changes = [change for arm in arms[:-1] if (change := change_of(arm)) is not None]
            return ChangedColumn(neutral(stored), first_of(changes), place_of(where, stored, today))
        found = []
        for arm in arms[:-1]:
            with suppress(Unresolved):
                found.append(self.column(stored, arm, where))
        if len(found) == 1:
            return found[0]
        raise Unresolved

    # -- structs ----------------------------------------------------------------------------------------------------

    def _struct(self, stored: Schema, today: Column, where: str) -> Column:
        if isinstance(today, OptionalColumn):
            return OptionalColumn(self._struct(stored, today.inner, where))
        if isinstance(today, UnionColumn):
            return self._arm(stored, today, where)
        if not isinstance(today, Struct):
            raise refusal(where, stored, today, "an object of a class is no value of another type")
        body = stored.struct()
        if not self.is_class(body["struct"], today):
            raise refusal(
                where,
                stored,
                today,
                f"{body['struct']} is another class; if it was renamed, say @renamed_from({body['struct']!r})",
            )
        kinds = {body["kind"], kind_of(today.plan)}
        if len(kinds) > 1 and not kinds <= _MODELS:
            raise refusal(where, stored, today, f"a {body['kind']} became a {kind_of(today.plan)}")
        key = id(stored.structs), stored.root["struct"], id(today)
        known = self._structs.get(key)
        if known is None:
            known = self._structs[key] = self._reader(stored, today, where), stored.structs
        return known[0]

    def _reader(self, stored: Schema, today: Struct, where: str) -> StructReader:
        body, cls = stored.struct(), today.plan.cls
        version = body.get(VERSION, 1)
        if version == version_of(cls):
            return StructReader(today, body, lambda reader: complete(self, stored, reader))
        steps = steps_from(cls, version)
        if steps is None:
            raise without_steps(where, cls, version)
        reader = CodedReader(today, body, lambda reader: coded.complete(self, stored, reader))
        reader.code = Code(today.plan.name, version, steps)
        return reader

    def is_class(self, name: str, today: Struct) -> bool:
        """Whether a stored class of this name is today's, by its name or an earlier one; arguments may be others."""
        return self.is_called(name, today.plan.name, today.plan.cls)

    def is_called(self, name: str, called: str, cls: type) -> bool:
        """Whether the class `cls`, today `called` so, is or was a class of this name."""
        bare = name.partition("[")[0]
        names = {called.partition("[")[0]}
        names.update(class_names(cls))
        for owner, old, new in reversed(self.renames):
            if not owner and new in names:
                names.add(old)
        return bare in names or name in names

    # -- containers -------------------------------------------------------------------------------------------------

    def _container(self, stored: Schema, today: Column, where: str) -> Column | None:
        node = stored.root
        if "fixed" in node:
            if isinstance(today, TupleColumn) and len(today.items) == len(node["tuple"]):
                pairs = zip(node["tuple"], today.items, strict=True)
                return TupleColumn([self.column(stored.part(old), new, where) for old, new in pairs])
            if isinstance(today, ListColumn):
                items = [self.column(stored.part(old), today.item, where) for old in node["tuple"]]
                if any(getattr(item, "lazy", False) for item in items):
                    raise Unresolved
                place = place_of(where, stored, today)
                return ChangedColumn(TupleColumn(items), to_collection(today.factory, False), place)
            return None
        kinds = node.keys() & LISTS
        if kinds and isinstance(today, ListColumn):
            (kind,) = kinds
            item = self.column(stored.part(node[kind]), today.item, where)
            (exact,) = today.exact
            found = SetColumn(item, exact) if exact in (set, frozenset) else ListColumn(item, exact)
            same = item is today.item and kind in ("set", "frozenset")
            return (
                DistinctColumn(found, place_of(where, stored, today))
                if exact in (set, frozenset) and not same
                else found
            )
        kinds = node.keys() & MAPS
        if kinds and isinstance(today, MapColumn):
            (kind,) = kinds
            old_key, old_value = (stored.part(each) for each in node[kind])
            key = self.column(old_key, today.key, where)
            value = self.column(old_value, today.value, where)
            (exact,) = today.exact
            found_map = MapColumn(key, value, exact, today.factory)
            return found_map if key is today.key else DistinctColumn(found_map, place_of(where, stored, today))
        if "array" in node and isinstance(today, ArrayColumn):
            return today
        if node.get("convert") == "deque" and getattr(today, "name", "") == "deque":
            assert isinstance(today, ConvertColumn)
            inner = self.column(stored.part(node["stored"]), today.inner, where)
            return ConvertColumn(inner, today.name, today.types, today.to_stored, today.from_stored)
        return None

    # -- leaves -----------------------------------------------------------------------------------------------------

    def _leaf(self, stored: Schema, today: Column, where: str) -> Column:
        node = stored.root
        if isinstance(node, dict) and ("members" in node or "flags" in node):
            found = enum_column(self.renames, stored, today, where)
            if found is not None:
                return found
        if isinstance(node, dict) and "convert" in node and node["convert"] not in CONVERSIONS:
            inside = stored.part(node["stored"])  # a custom type is read as what it is stored as
            if inside.canonical() == canonical_schema(today) and "members" not in node and "flags" not in node:
                return neutral(inside) if inside.root == "any" else today
        change = change_of(today)
        if change is None or (isinstance(node, dict) and not ("literal" in node or "convert" in node)):
            raise Unresolved
        if isinstance(today, _ATOMS) and not isinstance(today, FloatColumn):
            type_alone = type(today)() if not isinstance(today, BytesColumn) else BytesColumn(today.factory)
            if bare(node) == type_alone.describe():  # the values of a `Literal` alone are others
                old = set(map(repr, node["literal"])) if isinstance(node, dict) else None
                new = {repr(value) for value in (today.describe()["literal"] if today.literal else ())}
                if not today.literal or (old is not None and old <= new):
                    return today
        if node in ("int", "float") and isinstance(today, ConvertColumn) and today.name in _MOMENTS:
            raise refusal(where, stored, today, "a number is no time")
        return ChangedColumn(neutral(stored), change, place_of(where, stored, today))


_MOMENTS = frozenset({"datetime", "date", "time", "timedelta"})


def _check_keys(stored: Schema, today: Column, where: str) -> None:
    """Raise `MigrationRequired` where an index would not find the keys of a table any more."""
    if not is_stable(stored, today):
        model, _, field = where.partition(".")
        operation = f"AlterField({model!r}, {field!r}, ...)" if field else "RunPython(...)"
        raise MigrationRequired(
            f"{where}: its keys were stored as {brief(stored.root)} and are declared as {brief_of(today)}: they are "
            f"found by their bytes, which differ, so a migration must write them anew, {operation}"
        )


def _never(value: Any) -> bool:
    return False


def _tables(old: NeutralMarked, inner: Column, shape: Any) -> NeutralMarked:
    """`old`, whose values in a chunk are read by `inner`, and in tables by the parts of `shape`."""
    old.inner = inner
    if shape is not None:
        old.shape = shape
    return old


def node_name(stored: Schema) -> str:
    """The name of the class of a stored struct."""
    found: str = stored.struct()["struct"]
    return found


def bare(node: Any) -> Any:
    """A description without the values of a `Literal`."""
    return node["stored"] if isinstance(node, dict) and "literal" in node and "convert" not in node else node
