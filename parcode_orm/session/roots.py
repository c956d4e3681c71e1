"""Roots: tables of one row, named by their type."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import partial
from typing import Any, NamedTuple

from ..codec import trail
from ..codec.classes.names import name_of
from ..codec.columns.struct import StructColumn
from ..codec.evolution.rows import UpgradedView
from ..codec.renames import class_names
from ..codec.schema import canonical_schema, known, short_fingerprint
from ..codec.stored import parts_of
from ..codec.types.compile import struct_for
from ..errors import (
    EncodeError,
    MigrationRequired,
    NoResultFound,
    ParcodeError,
    told,
)
from ..format.catalog import CatalogData, Target
from ..format.encoder import Ticket
from ..format.layout import Encoding, Kind, Reference
from ..lazy.proxy import decoded, is_proxy, proxy_state
from ..lazy.state import RowView
from ..model.base import Model
from ..model.entity_names import RUNS, SUFFIX, TEXT
from ..model.keys import key_fields
from ..model.plain import LazyModel
from ..storage.mapped import Source
from ..storage.pipeline import Pipeline
from ..table.row_group import Group
from ..table.row_groups import Newest, TableSink
from .content_hash import UnreadStream, is_stored
from .dirty import Change, Comparison
from .owner import Family
from .renamed import classes_named, renamed_hint
from .reuse import reuse_from
from .space import FileSpace

LARGE_SCHEMA = 4096  # bytes
ROW_GROUP, STRUCT = int(Kind.ROW_GROUP), int(Encoding.STRUCT)
ITEMS = 1  # the node of a row group where its items stand, if it has no keys


class Unread(NamedTuple):
    """Stands for an entity that was deleted and of which no object was made: where its row is stored."""

    group: Group
    row: int


@dataclass(slots=True)
class Root:
    """An object attached to a session, and the column that stores it.

    `read`: it is the lazy object of the stored root. `family`: what its objects belong to, once it
    has any that are lazy. Where it holds entities: `gone` are those that the next commit deletes,
    by key (None where the object moved to another key, or another one took its place; `Unread`
    where there is no object yet), and `numbered` those that got their key since the last commit, with the field.
    """

    name: str
    obj: Any
    column: StructColumn
    read: bool = False
    family: Family | None = None
    gone: dict[object, object] = field(default_factory=dict)
    numbered: list[tuple[Any, str]] = field(default_factory=list)

    def number(self, name: Any, numbers: Iterable[tuple[Any, int]]) -> None:
        """Give entities that were added numbers for their keys."""
        for obj, key in numbers:
            set_key(obj, name, key)
            self.numbered.append((obj, name))

    def take_back(self, *objs: object) -> None:
        """Entities are not added after all: those that got a number have none."""
        taken = set(map(id, objs))
        for obj, name in self.numbered:
            if id(obj) in taken and not is_proxy(obj):  # else it is another session's by now
                obj.__dict__[name] = None
                obj.model_fields_set.discard(name)
        self.numbered = [pair for pair in self.numbered if id(pair[0]) not in taken]

    def go_back(self, gone: dict[object, object], numbered: list[tuple[object, str]]) -> None:
        """Nothing is pending but `gone` and `numbered`."""
        before = {id(obj) for obj, _ in numbered}
        self.take_back(*(obj for obj, _ in self.numbered if id(obj) not in before))
        self.gone, self.numbered = gone, numbered

    def drop_pending(self) -> None:
        """Nothing is added or deleted after all."""
        self.go_back({}, [])

    def deleted(self) -> list[object]:
        """The entities that the next commit deletes. Objects are made of those that have none."""
        for key, obj in list(self.gone.items()):
            if type(obj) is Unread:
                self.gone[key] = obj.group.get(obj.row)
        return [obj for obj in self.gone.values() if obj is not None]

    def settle(self) -> None:
        """What was added and deleted is stored. Runs of indexes are read as they are stored: they leave memory."""
        self.gone, self.numbered = {}, []
        if self.name.endswith(SUFFIX):
            values = decoded(self.obj)
            for name in [name for name in values if name.startswith((RUNS, TEXT))]:
                del values[name]


def set_key(obj: Any, name: str | None, key: int) -> None:
    """Set the key field of a plain entity, frozen or not. Nothing is validated."""
    obj.__dict__[name] = key
    obj.__pydantic_fields_set__.add(name)


def root_name(cls: type) -> str:
    """The name a root is stored under: its class's, without the module, so that a class may move.

    Raises:
        TypeError: `cls` is no model.
    """
    given: Any = cls
    if not (isinstance(given, type) and issubclass(given, Model)):
        raise TypeError(f"a root is asked for by its class, a subclass of parcode_orm.Model, not by {told(given)}")
    if key_fields(cls):
        raise TypeError(
            f"{cls.__qualname__} has a Key(), so its objects are entities and no roots: session.add(obj) stores one, "
            f"and session.get({cls.__name__}, key) finds it"
        )
    return name_of(cls)


def settle_name(source: Source, name: str, cls: type) -> None:
    """Let the root of a class that was renamed be known by its present name, here and in the next commit."""
    catalog = source.catalog
    if name in catalog.roots:
        return
    end = SUFFIX if name.endswith(SUFFIX) else ""
    names = list(class_names(cls))
    known = {name.removesuffix(SUFFIX), *(each.removesuffix(SUFFIX) for each in names)}
    for owner, old, new in reversed(catalog.renames):
        if not owner and new in known:
            known.add(old)
            names.append(old + end)
    found = next((each for each in names if each in catalog.roots), None)
    if found is not None:
        catalog.roots[name] = catalog.roots.pop(found)
        if found in catalog.writers:
            catalog.writers[name] = catalog.writers.pop(found)


def root_group(space: FileSpace, name: str, column: StructColumn) -> Group:
    """The row group of the root `name`, which has one row.

    Raises:
        NoResultFound: the file holds no such root.
        SchemaMismatchError: a migration must say how it is read as `column` has it.
    """
    settle_name(space.source, name, column.plan.cls)
    ref: Any = space.source.catalog.roots.get(name)
    if ref is None:
        there = ", ".join(sorted(each for each in space.source.catalog.roots if SUFFIX not in each)) or "no root"
        where = space.source.path or "the file"
        hint = "" if SUFFIX in name else renamed_hint(space.source, name, set(column.places))
        raise NoResultFound(f"no root of type {name}: {where} holds {there}; {hint}add(obj) and commit() store one")
    group = Group(ref, space, (column,), short_fingerprint(column), {})
    if group.count != 1:
        raise space.chunk(ref).error(0, f"a root has one row, not {group.count}")
    if group.proxies is not None:
        group.proxies.held = None  # the session holds the root; it would hold itself
    return group


def class_of_root(space: FileSpace, name: str, modules: Collection[str] = ()) -> type | None:
    """The class that the root `name` was written with, by its name and schema; None where no such one is defined.

    Of several, one that was defined in `modules` comes first, then the youngest.
    """
    written = space.chunk(space.source.catalog.root(name)).fingerprint
    youngest_first = classes_named(name)[::-1]
    for cls in sorted(youngest_first, key=lambda cls: cls.__module__ not in modules):
        try:
            if short_fingerprint(struct_for(cls)) == written:
                found: type = cls
                return found
        except ParcodeError:  # a class that cannot be stored, or is not complete
            continue
    return None


def read_root(space: FileSpace, name: str, column: StructColumn) -> Any:
    """The lazy proxy of the root `name`; raises as `root_group`."""
    ref: Any = space.source.catalog.roots.get(name)
    if ref is not None and ref.kind == ROW_GROUP:
        chunk = space.chunk(ref)
        group, *inside = chunk.nodes
        # A group of one row, which one column holds, of today's schema. `root_group` takes any other.
        usual = inside and group.encoding == STRUCT and inside[0].span + 1 == group.span == len(chunk.nodes)
        if usual and group.count == inside[0].count == 1 and chunk.fingerprint == known(column).short:
            return space.proxy(column.view(chunk, ITEMS, space), 0)
    return space.proxy(root_group(space, name, column).items, 0)


class State(Enum):
    """What a root is, beside what the file holds."""

    SAME = "nothing in it was replaced"
    EQUAL = "it would be stored as it is"
    CHANGED = "it must be written again"


class Compared(NamedTuple):
    """A root, and what it is beside the file's.

    `tables`: where nothing but tables changed, the fields that these are, with the ordinals of
    their references.
    """

    root: Root
    state: State
    tables: dict[str, int] = {}


def compared(root: Root, space: FileSpace | None, compression: str | None, comparison: Comparison) -> Compared:
    """Whether the root must be written again."""
    source = None if space is None else space.source
    stored: Any = None if source is None else source.catalog.roots.get(root.name)
    if space is None or source is None or stored is None:
        return Compared(root, State.CHANGED)
    if root.read and _is_row_of(root, source, stored):
        change, tables = comparison.root(root.obj)
        if change is not Change.PERHAPS:
            return Compared(root, State.CHANGED, tables) if change else Compared(root, State.SAME)
    try:
        reuse = reuse_from(source, space.owner, comparison)
        equal = is_stored(root.column, root.obj, stored, space, compression, reuse)
    except UnreadStream:
        return Compared(root, State.CHANGED)
    return Compared(root, State.EQUAL if equal else State.CHANGED)


def _is_row_of(root: Root, source: Source, stored: Reference) -> bool:
    """Whether the lazy object is of the root as it is stored now, be it through an earlier snapshot."""
    if not isinstance(root.obj, LazyModel):
        return False
    space = proxy_state(root.obj)[0].space
    if not isinstance(space, FileSpace):
        return False
    return space.source is source or space.source.catalog.roots.get(root.name) == stored


class Again(NamedTuple):
    """A root that was written as it stands, but for the references of its changed tables `names`."""

    view: RowView
    names: list[str]
    ticket: Ticket
    refs: list[Target]

    def adopt(self) -> None:
        """The commit is done: the root stands for the row that was written."""
        assert self.ticket.reference is not None
        refs: list[Any] = []
        for target in self.refs:
            refs.append(target.reference if isinstance(target, Ticket) else target)
        self.view.move(self.view.chunk.again(self.ticket.reference, refs), self.names)


def write_roots(
    sink: TableSink,
    roots: Iterable[Compared],
    deleted: Iterable[str],
    base: CatalogData | None,
    message: str = "",
    *,
    older: Callable[[Root, CatalogData], Newest | None] = lambda root, base: None,
) -> tuple[CatalogData, dict[str, Again]]:
    """Write those of `roots` that changed.

    `older` says what the newest class of a root knows, where the one that writes is older.

    Return the catalog that names them, and all of `base` but what is deleted; and the roots that were written as they
    stand, by name.

    Raises:
        DowngradeError: `older` does, or a row would lose what an older class does not know.
        MigrationRequired: entities would be written without an index that the file does not have.
    """
    catalog = CatalogData(message=message)
    again: dict[str, Again] = {}
    if base is not None:
        named = dict(base.roots), dict(base.schemas), dict(base.writers)
        catalog = replace(base, roots=named[0], schemas=named[1], writers=named[2], message=message)
        for name in deleted:
            catalog.roots.pop(name, None)
            catalog.writers.pop(name, None)
    for each in roots:
        if each.state is not State.CHANGED:
            continue
        root = each.root
        schema = known(root.column)
        sink.newest = None if base is None else older(root, base)
        if schema.long not in catalog.schemas:
            write_schema(sink, catalog, schema.long, schema.schema)
        if sink.newest is None or not sink.newest.older:
            catalog.writers[root.name] = schema.long
        if sink.newest is not None and is_proxy(root.obj):
            sink.newest.check(*proxy_state(root.obj), partial(_told, root.name))
        for what in unbuilt(root.obj).values():
            raise MigrationRequired(f"{what}. Until then {root.name.removesuffix(SUFFIX)} can only be read")
        found = _with_tables(sink, root, each.tables) if each.tables else None
        if found is None:
            catalog.roots[root.name] = sink.list_table(root.column, [root.obj], None)
        else:
            catalog.roots[root.name], again[root.name] = found.ticket, found
    if sink.learned:
        changed = [each.root.column for each in roots if each.state is State.CHANGED]
        write_learned(sink, catalog, map(canonical_schema, changed))
    return catalog, again


def unbuilt(table: object) -> dict[str, str]:
    """The fields of a table for indexes that the file does not have as they are now, with what to do about it."""
    reading = getattr(proxy_state(table)[0], "reading", None) if isinstance(table, LazyModel) else None
    return {} if reading is None else dict(reading.unbuilt)


def _told(name: str) -> str:
    """What messages call a root."""
    return f"the table of {name.removesuffix(SUFFIX)}" if name.endswith(SUFFIX) else f"the root {name}"


def write_learned(sink: TableSink, catalog: CatalogData, schemas: Iterable[bytes]) -> None:
    """Write what the sink has learned, but for parts of the `schemas` of roots."""
    parts = [parts_of(schema).fingerprints for schema in schemas]
    for name, schema in sink.learned.items():
        if not any(name in each for each in parts):
            write_schema(sink, catalog, name, schema)


def write_schema(sink: TableSink | Pipeline, catalog: CatalogData, name: str, schema: bytes) -> None:
    """Write a schema, unless the catalog has it already, and let the catalog name it."""
    if name not in catalog.schemas:
        out = sink.encoder(Kind.SCHEMA)
        if len(schema) > LARGE_SCHEMA:  # of a class with many others below it, more than a document of it
            out.compression = "lz4"
        out.leaf(Encoding.RAW, 1, schema)
        catalog.schemas[name] = sink.submit(out)


def _with_tables(sink: TableSink, root: Root, tables: dict[str, int]) -> Again | None:
    """Write the root as it is stored, but for its changed `tables`; None where one of these cannot go on."""
    view: Any = proxy_state(root.obj)[0]
    if isinstance(view, UpgradedView):  # of an older schema: what is written has today's
        return None
    refs: list[Target] = list(view.chunk.refs)
    for name, ordinal in tables.items():
        _, column = view.column.places[name]
        try:
            found = sink.reusing(sink, decoded(root.obj)[name], column)
        except EncodeError as problem:  # not encoded again with the root: streams may have been read
            problem.model = root.column.plan.name
            raise trail.below(column.below(problem, 0), name, 0) from None
        if found is None:
            return None
        refs[ordinal - 1] = found
    return Again(view, list(tables), sink.write_again(view.chunk, refs), refs)
