"""Which stored field is which of today's: by name, by earlier names, by what migrations have renamed."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any, Protocol

import msgspec
import pydantic

from ...errors import MigrationRequired, SchemaMismatchError, UnsupportedTypeError
from ...format.chunk import Chunk
from ..base import Column
from ..columns.privates import PrivateColumn
from ..columns.struct import StructColumn
from ..columns.wrappers import OptionalColumn
from ..renames import EXACT, FOUND_BY, class_names, field_names
from ..schema import canonical_schema
from ..stored import LISTS, MAPS, Schema
from ..structs import Struct, StructPlan
from ..upgrades import VERSION
from .defaults import NoDefault, default_of, never
from .keys import is_stable
from .leaves import change_of
from .neutral import neutral
from .readers import ChangedColumn, RefusedColumn, StructReader
from .refusals import Unresolved, brief_of, index_at, place_of, refusal
from .rows import Added, Stored
from .values import Change, Unfit
from .views import Place


class Resolver(Protocol):
    """What resolves the types of fields; `renames` were made by migrations."""

    renames: Sequence[tuple[str, str, str]]

    def column(self, stored: Schema, today: Column, where: str) -> Column:
        """The column that reads values of a stored schema as those of today's column."""


def complete(resolver: Resolver, stored: Schema, reader: StructReader) -> None:
    """Find out where today's fields are in rows of a stored struct.

    Raises:
        MigrationRequired: a field is required, and older rows lack it; or which stored field it was is ambiguous.
    """
    body, today = reader.old, reader.today
    cls, model = today.plan.cls, today.plan.name
    old = {name: (place, stored.part(node)) for place, (name, node) in enumerate(body["fields"])}
    earlier = earlier_names(resolver, today, body["struct"])
    before: dict[str, Column] = {}
    exact = getattr(cls, EXACT, False)
    for name, (_, column) in today.places.items():
        where = model if exact and "[]" not in model else f"{model}.{name}"  # the values of an index are a field's
        source = _source(name, old, today, earlier.get(name, ()), model)
        if source is None:
            if exact:
                reader.unbuilt[name] = _unindexed(where, old.keys() - today.places.keys())
            reader.fields[name] = _added(resolver, today, name, where)
            continue
        place, schema = old[source]
        if exact and not is_sorted_alike(schema, column):
            reader.unbuilt[name] = _reordered(where, schema, column)
            reader.fields[name], reader.names[source] = _added(resolver, today, name, where), name
            continue
        if exact and name == "rows":
            _check_key(resolver, schema, column)
        check_found_by(schema, today, name)
        found = column_of(resolver, schema, today, name, where)
        reader.fields[name] = Stored(source, place, found)
        reader.names[source] = name
        before[source] = found
    reader.never = frozenset(name for name, field in reader.fields.items() if getattr(field, "make", None) is never)
    reader.dropped = {name: place for name, (place, _) in old.items() if name not in reader.names}
    structs: dict[str, Column] = {}
    plan = StructPlan(dict, body["struct"], [], "plain", build=list)
    reader.before = StructColumn(plan)
    reader.before.fields = [(name, before.get(name) or neutral(schema, structs)) for name, (_, schema) in old.items()]
    beside_fields(resolver, stored, reader, structs)


def check_found_by(stored: Schema, today: Struct, name: str) -> None:
    """Raise `MigrationRequired` where code of classes below a field may change what entities are found by."""
    if name not in getattr(today.plan.cls, FOUND_BY, ()):
        return
    before = _versions(stored, stored.root, set())
    now = Schema(**msgspec.json.decode(canonical_schema(today.places[name][1])))
    if before != _versions(now, now.root, set()):
        model = today.plan.name
        raise MigrationRequired(
            f"{model}.{name} is a key or has an index, and objects in it are of an earlier version of their class, "
            "whose code may change what is looked up: a migration must write the entities and their indexes, with the "
            f"operation RunPython(..., model={model!r})"
        )


def _versions(schema: Schema, node: Any, met: set[str]) -> list[tuple[str, int]]:
    """The versions of the classes below a part of a schema."""
    if isinstance(node, list):
        return [each for below in node for each in _versions(schema, below, met)]
    if not isinstance(node, dict):
        return []
    if node.keys() == {"struct"}:
        key = node["struct"]
        if key in met:
            return []
        body = schema.structs[key]
        met.add(key)
        own = [(body["struct"], body[VERSION])] if VERSION in body else []
        return own + _versions(schema, [below for _, below in body["fields"]], met)
    return _versions(schema, list(node.values()), met)


def column_of(resolver: Resolver, schema: Schema, today: Struct, name: str, where: str) -> Column:
    """The column that reads stored values as those of today's field `name`; its validator takes what fits no other way.

    Raises:
        MigrationRequired: there is none.
    """
    column = today.places[name][1]
    try:
        return resolver.column(schema, column, where)
    except Unresolved as problem:
        change = None if has_struct(schema.root) else validator(today, name)
        if change is None:
            raise refusal(where, schema, column, problem) from None
        return ChangedColumn(neutral(schema), change, place_of(where, schema, column))


def beside_fields(resolver: Resolver, stored: Schema, reader: StructReader, structs: dict[str, Column]) -> None:
    """Find out how extra values and private attributes are read."""
    _extras(resolver, stored, reader, structs)
    reader.before.plan.extra = reader.extra
    _privates(resolver, stored, reader, structs)


def earlier_names(resolver: Resolver, today: Struct, stored_name: str) -> dict[str, tuple[str, ...]]:
    """The earlier names of today's fields, the newest first: the names in the class, then the names in migrations."""
    found = {name: list(names) for name, names in field_names(today.plan.cls).items()}
    classes = {today.plan.name.partition("[")[0], stored_name.partition("[")[0], *class_names(today.plan.cls)}
    for name in today.places:
        known = name
        for owner, old, new in reversed(resolver.renames):
            if owner in classes and new == known:
                known = old
                mine = found.setdefault(name, [])
                if old not in mine:
                    mine.append(old)
    return {name: tuple(names) for name, names in found.items()}


def _source(name: str, old: dict[str, Any], today: Struct, earlier: tuple[str, ...], model: str) -> str | None:
    """The stored field that is today's field `name`; None where there is none."""
    candidates = [each for each in (name, *earlier) if each in old]
    taken = [each for each in candidates if each != name and each in today.places]
    if taken:
        if candidates[0] == name:
            return name
        raise MigrationRequired(
            f"{model}.{name} was renamed from {taken[0]!r}, but {model} has a field {taken[0]!r} still: a migration "
            f"must say what becomes of it, RenameField({model!r}, {taken[0]!r}, {name!r})"
        )
    if len(candidates) > 1:
        raise MigrationRequired(
            f"{model}.{name}: older rows have {' and '.join(map(repr, candidates))}, and each could be it: a migration "
            f"must say which, RemoveField({model!r}, {candidates[-1]!r})"
        )
    return candidates[0] if candidates else None


def _unindexed(where: str, gone: Set[str]) -> str:
    """What to do about an index that the file does not have, or that is unique in one of the two alone."""
    owner, paths, told, argument = index_at(where)
    field = where.partition("[].")[2]
    unique, text = field.startswith("by_"), field.startswith("text_")
    if not text and any(name.partition("_")[2] == paths for name in gone if not name.startswith("text_")):
        change, more = ("is unique now", "") if unique else ("is not unique any more", ", unique=False")
        return (
            f"the index of {told} {change}: build it anew by a migration with the operation "
            f"SetUnique({owner!r}, {argument}{more})"
        )
    more = ", unique=True" if unique else ", text=True" if text else ""
    return (
        f"{told} has {'a text' if text else 'an'} index now, which the file has not: build it by a migration with the "
        f"operation AddIndex({owner!r}, {argument}{more})"
    )


def _reordered(where: str, stored: Schema, today: Column) -> str:
    """What to do about an index of values that have another type now.

    Raises:
        MigrationRequired: it is the keys of entities that have.
    """
    owner, paths, told, _ = index_at(where)
    if not paths:
        why = "entities are found by their keys, and must be stored anew"
        raise refusal(owner, stored, today, why, f"AlterField({owner!r}, ...) of the key")
    return (
        f"the index of {told} was built when its values had another type, and must be built anew: write a migration "
        f"with the operation AlterField({owner!r}, ...) of the field whose type changed"
    )


def _check_key(resolver: Resolver, stored: Schema, today: Column) -> None:
    """Raise `MigrationRequired` where a table's entities have another key now: other fields, another order, numbers."""
    row = getattr(getattr(today, "shape", None), "value", None)
    body = stored.part(stored.root["map"]["dict"][1]).struct()
    if not isinstance(row, Struct):
        return
    old, earlier, model = dict(body["fields"]), earlier_names(resolver, row, body["struct"]), row.plan.name
    keys = row.plan.about.get("key", [])
    if not keys:
        raise UnsupportedTypeError(
            f"the class {model} is not complete: a name in its annotations is not defined; define it, and call "
            f"{model}.model_rebuild()"
        )
    if [_source(name, old, row, earlier.get(name, ()), model) for name in keys] != body.get("key", []):
        raise MigrationRequired(
            f"{model}: the key was of the fields {', '.join(body.get('key', []))} and is of {', '.join(keys)} now, in "
            "this order: entities are found by their keys, and must be stored anew: a migration must say so, with the "
            f"operation AlterField({model!r}, {keys[0]!r}, ...)"
        )
    if row.plan.about.get("auto") and not body.get("auto"):
        raise MigrationRequired(
            f"{model}.{keys[0]} is numbered by the file now, which does not know from which number on: a migration "
            f"must count what is stored, with the operation AlterField({model!r}, {keys[0]!r}, ...)"
        )


def _added(resolver: Resolver, today: Struct, name: str, where: str) -> Added:
    cls = today.plan.cls
    model, _, field = where.partition(".")
    try:
        make = default_of(cls, name)
    except NoDefault as problem:
        raise MigrationRequired(
            f"{where}: older rows do not have this field, and {problem}: give it a default, or write a migration with "
            f"the operation AddField({model!r}, {field!r}, ...) that says what they get (if there is one, apply it: "
            "parcode migrate), or a method of the class with @upgrade that makes it of other fields"
        ) from None
    column = today.places[name][1]
    change = change_of(column.inner if isinstance(column, OptionalColumn) else column) or validator(today, name)
    place = Place(where, "an extra value", brief_of(column))

    def changed(value: Any, chunk: Chunk | None, row: int) -> Any:
        if change is None:
            raise place.error(value, "it cannot be validated alone", chunk, row)
        try:
            return change(value)
        except Unfit as problem:
            raise place.error(value, problem, chunk, row) from problem.__cause__

    return Added(make, changed)


def validator(today: Struct, name: str) -> Change | None:
    """What the field's own validator makes of values, strictly; None where the class has none for it."""
    ways = today.plan.ways
    if ways is None:
        return None
    way = ways.way(name)

    def change(value: Any) -> Any:
        try:
            return way.strictly(value)
        except pydantic.ValidationError as problem:
            raise Unfit(problem.errors(include_url=False)[0]["msg"]) from problem
        except SchemaMismatchError:
            raise
        except Exception as problem:  # of a validator of the user's
            raise Unfit(repr(problem)) from problem

    return change


def has_struct(node: Any) -> bool:
    """Whether values of a schema hold objects of classes."""
    if isinstance(node, list):
        return any(map(has_struct, node))
    if not isinstance(node, dict):
        return False
    return "struct" in node or any(
        has_struct(below) for name, below in node.items() if name not in ("members", "flags")
    )


def is_sorted_alike(stored: Schema, column: Any) -> bool:
    """Whether values of two types have one order and one hash, in lists, tuples and tables too."""
    node = stored.root
    inner = getattr(column, "inner", None)
    if isinstance(node, dict):
        for mark in ("chunk", "map"):
            if len(node) == 1 and mark in node and inner is not None:
                return is_sorted_alike(stored.part(node[mark]), inner)
        for kind in node.keys() & LISTS:
            if "fixed" not in node:
                item = getattr(column, "item", None)
                return item is not None and is_sorted_alike(stored.part(node[kind]), item)
        for kind in node.keys() & MAPS:
            key = getattr(column, "key", None)
            return key is not None and is_stable(stored.part(node[kind][0]), key)
        if "struct" in node and isinstance(column, Struct):
            if not getattr(column.plan.cls, EXACT, False):
                return stored.canonical() == canonical_schema(column)
            fields = dict(stored.struct()["fields"])
            return all(
                name in fields and is_sorted_alike(stored.part(fields[name]), each) for name, each in column.fields
            )
    return is_stable(stored, column, by_name=True)


def _extras(resolver: Resolver, stored: Schema, reader: StructReader, structs: dict[str, Column]) -> None:
    today, body = reader.today, reader.old
    allows = today.plan.extra is not None
    if today.pydantic:
        reader.extras = reader.takes_dropped = allows
    if "extra" not in body:
        return
    schema = stored.part(body["extra"])
    reader.extra = neutral(schema, structs)
    if allows and today.plan.extra is not None:
        try:
            reader.extra = resolver.column(schema, today.plan.extra, f"{today.plan.name}, extra values")
        except Unresolved:
            problem = refusal(f"{today.plan.name}, extra values", schema, today.plan.extra)
            reader.extra = RefusedColumn(problem)


def _privates(resolver: Resolver, stored: Schema, reader: StructReader, structs: dict[str, Column]) -> None:
    """Private attributes by name. One that cannot be read is an error, never its default."""
    old = reader.old.get("privates", ())
    now = dict(reader.today.plan.privates)
    columns: list[tuple[str, Column]] = []
    for name, node in old:
        schema, where = stored.part(node), f"{reader.today.plan.name}.{name}"
        column: Column
        if name not in now:
            column = neutral(schema, structs)
        else:
            try:
                column = resolver.column(schema, now[name], where)
            except Unresolved:
                column = RefusedColumn(refusal(where, schema, now[name], ""))
            except MigrationRequired as problem:
                column = RefusedColumn(problem)
        columns.append((name, column))
    known = {name for name, _ in old}
    reader.private = PrivateColumn(reader.today.plan.name, columns)
    reader.new_privates = [name for name in now if name not in known]
    reader.kept_privates = frozenset(now)
