"""Roots: tables of one row, named by their type."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import msgspec

from ..codec.columns.struct import StructColumn
from ..codec.types.names import name_of
from ..codec.types.schema import canonical_schema, differences, short_fingerprint
from ..errors import EncodeError, NoResultFound, SchemaMismatchError, SessionError, told
from ..format.catalog import CatalogData
from ..format.checksum import checksum, fingerprint
from ..format.chunk import Ticket
from ..format.layout import Encoding, Kind, Reference
from ..lazy.proxy import decoded, is_proxy, proxy_state
from ..model.base import Model
from ..storage.mapped import Source
from ..table.row_group import Group
from ..table.row_groups import TableSink
from .content_hash import UnreadStream, is_stored
from .dirty import Change, root_changes
from .reuse import reuse_from
from .space import Family, FileSpace

LARGE_SCHEMA = 4096  # bytes
SHOWN = 10  # differences that a message lists
ITEMS = 1  # the node of a row group where its items stand, if it has no keys


@dataclass(slots=True)
class Root:
    """An object attached to a session, and the column that stores it.

    `read`: it is the lazy object of the stored root. `tables`: the fields whose tables changed, with the ordinals of
    their references, where `root_state` found nothing else changed. `family`: what its objects belong to, once it has
    any that are lazy.
    """

    name: str
    obj: Any
    column: StructColumn
    read: bool = False
    tables: dict[str, int] = field(default_factory=dict)
    family: Family | None = None


def root_name(cls: type[Any]) -> str:
    """The name a root is stored under: its class's, without the module, so that a class may move.

    Raises:
        TypeError: `cls` is no model.
    """
    given: Any = cls
    if not (isinstance(given, type) and issubclass(given, Model)):
        raise TypeError(f"a root is asked for by its class, a subclass of parcode_orm.Model, not by {told(given)}")
    return name_of(cls)


def check_free(obj: Any, roots: Mapping[str, Root], deleted: Container[str], source: Source | None) -> None:
    """Raise SessionError where another object than `obj` is, or is stored as, the root of its name."""
    name = root_name(obj.__class__)
    known = roots.get(name)
    stored = None if source is None or name in deleted else source.catalog.roots.get(name)
    if known is None and stored is not None and not (source is not None and _is_stored_root(obj, stored, source)):
        raise SessionError(
            f"the file holds a root {name} already: change that one, session.root({name}), copy this object onto it, "
            f"session.merge(obj), or let this object take its place, add(obj, replace=True)"
        )
    if known is not None and known.obj is not obj:
        raise is_taken(obj, known.obj)


def _is_stored_root(obj: Any, stored: Any, source: Source) -> bool:
    """Whether `obj`, whose session has ended, is the root that the file holds."""
    if not is_proxy(obj):
        return False
    view, row = proxy_state(obj)
    space = view.space
    if not isinstance(space, FileSpace) or space.source.uuid != source.uuid:
        return False
    return bool((view.chunk.where[1], view.at, row) == (stored.offset, ITEMS, 0))


def is_taken(obj: Any, other: Any) -> SessionError:
    """The error for `obj`, added as a root where `other` is the root of the name."""
    cls, name = obj.__class__, root_name(obj.__class__)
    if other.__class__ is not cls:
        classes = " and ".join(f"{each.__module__}.{each.__qualname__}" for each in (other.__class__, cls))
        return SessionError(
            f"two classes named {name} cannot both be roots of one file, which knows them by that name: {classes}. "
            "Rename one, make both fields of one root, or let this object take the other's place: "
            "add(obj, replace=True)"
        )
    return SessionError(
        f"another {name} is the root of its class, and a file holds one root a class. To store several, put them in a "
        f"list[{name}] = Chunk() or a dict[str, {name}] = ShardedMap() of one root. To let this object take the place "
        "of the other: add(obj, replace=True)"
    )


def root_group(space: FileSpace, name: str, column: StructColumn) -> Group:
    """The row group of the root `name`, which has one row.

    Raises:
        NoResultFound: the file holds no such root.
        SchemaMismatchError: it was written with another definition of the class.
    """
    ref: Any = space.source.catalog.roots.get(name)
    if ref is None:
        there = ", ".join(sorted(space.source.catalog.roots)) or "no root"
        where = space.source.path or "the file"
        raise NoResultFound(f"no root of type {name}: {where} holds {there}; add(obj) and commit() store one")
    try:
        group = Group(ref, space, (column,), short_fingerprint(column), {})
    except SchemaMismatchError as problem:
        raise _mismatch(space, name, ref, column) from problem
    if group.count != 1:
        raise space.chunk(ref).error(0, f"a root has one row, not {group.count}")
    return group


def read_root(space: FileSpace, name: str, column: StructColumn) -> Any:
    """The lazy proxy of the root `name`."""
    return space.proxy(root_group(space, name, column).items, 0)


def _mismatch(space: FileSpace, name: str, ref: Reference, column: StructColumn) -> SchemaMismatchError:
    written_with = space.chunk(ref).fingerprint
    current = canonical_schema(column)
    for name_of_schema in space.source.catalog.schemas:
        stored = bytes(space.chunk(space.source.catalog.schema(name_of_schema)).buffer(0))
        if checksum(stored) == written_with:
            try:
                found = differences(msgspec.json.decode(stored), msgspec.json.decode(current))
            except Exception:  # whatever a file may say in the place of a schema
                found = ["the schema it was written with cannot be read"]
            break
    else:
        found = ["the schema it was written with is not in the file"]
    return SchemaMismatchError(
        f"the root {name} was written with another definition of the class ({_some(found)}). Nothing is lost: define "
        f"the class as it was, under the name {name} in another module, read by it, old = load(path, that_class), and "
        f"store what it read by the new class, session.add({name}.model_validate(old.model_dump()), replace=True) and "
        "session.commit()"
    )


def _some(found: list[str]) -> str:
    return "; ".join(found if len(found) <= SHOWN else [*found[:SHOWN], f"and {len(found) - SHOWN} more"])


class State(Enum):
    """What a root is, beside what the file holds."""

    SAME = "nothing in it was replaced"
    EQUAL = "it would be stored as it is"
    CHANGED = "it must be written again"


States = list[tuple[Root, State]]


def root_state(root: Root, space: FileSpace | None, compression: str | None) -> State:
    """Whether the root must be written again."""
    root.tables = {}
    if space is None or root.name not in space.source.catalog.roots:
        return State.CHANGED
    stored = space.source.catalog.root(root.name)
    if root.read and _is_row_of(root, stored):
        change, root.tables = root_changes(root.obj)
        if change is not Change.PERHAPS:
            return State.CHANGED if change else State.SAME
    try:
        equal = is_stored(
            root.column, root.obj, stored, space.source, compression, reuse_from(space.source, space.owner)
        )
    except UnreadStream:
        return State.CHANGED
    return State.EQUAL if equal else State.CHANGED


def _is_row_of(root: Root, stored: Reference) -> bool:
    """Whether the lazy object is of the root as it is stored now, be it through an earlier snapshot."""
    if not is_proxy(root.obj):
        return False
    space = proxy_state(root.obj)[0].space
    return isinstance(space, FileSpace) and space.source.catalog.roots.get(root.name) == stored


def write_roots(
    sink: TableSink, roots: Iterable[Root], deleted: Container[str], base: CatalogData | None, message: str = ""
) -> CatalogData:
    """Write the tables of `roots` and return the catalog that names them, and all of `base` but what is deleted."""
    catalog = CatalogData(message=message)
    if base is not None:
        kept = {name: table for name, table in base.roots.items() if name not in deleted}
        catalog = replace(base, roots=kept, schemas=dict(base.schemas), message=message)
    for root in roots:
        schema = canonical_schema(root.column)
        name = fingerprint(schema)
        if name not in catalog.schemas:
            out = sink.encoder(Kind.SCHEMA)
            if len(schema) > LARGE_SCHEMA:  # of a class with many others below it, more than a document of it
                out.compression = "lz4"
            out.leaf(Encoding.RAW, 1, schema)
            catalog.schemas[name] = sink.submit(out)
        catalog.roots[root.name] = _with_tables(sink, root) or sink.list_table(root.column, [root.obj], None)
    return catalog


def _with_tables(sink: TableSink, root: Root) -> Ticket | None:
    """Write the root as it is stored, but for its changed tables, where these are all; else None."""
    if not root.tables:
        return None
    view, _ = proxy_state(root.obj)
    refs: list[Ticket | Reference] = list(view.chunk.refs)
    for name, ordinal in root.tables.items():
        _, column = view.column.places[name]
        value = decoded(root.obj)[name]
        sink.marked.add(id(value.rows.table))
        try:
            found = sink.reuse(value, column)
        except EncodeError:  # encoding the root tells its path
            return None
        if found is None:
            return None
        refs[ordinal - 1] = found
    ticket = sink.write_again(view.chunk, refs)
    sink.again.append((ticket, view.chunk))
    return ticket
