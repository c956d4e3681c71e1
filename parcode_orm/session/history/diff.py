"""`session.history.diff`: what changed between two commits of a file."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal, NoReturn

from ...codec.schema import differences
from ...codec.types.compile import struct_for
from ...errors import SchemaMismatchError
from ...lazy.shown import cut
from ...lazy.state import MISSING
from ...model.base import Model
from ...model.entities import table_class
from ...model.entity_names import SUFFIX, is_entity, table_name
from ..renamed import classes_named
from ..roots import class_of_root, read_root, root_name, settle_name
from ..space import FileSpace
from .compare import compare
from .difference import Difference, Place
from .fields import shown, value_now
from .snapshot import Snapshot, snapshot_of

SHOWN = 50  # changes that a diff's text lists
Kind = Literal["added", "removed", "changed"]


class Change:
    """One place where two commits differ.

    `kind` is "added", "removed" or "changed". `path` leads there: the root's name, then names of fields, keys and
    positions; the position of what was removed is that in the older value, any other that in the newer one.
    `str()` spells it, with both values cut short.
    """

    __slots__ = ("_difference",)

    def __init__(self, difference: Difference) -> None:
        self._difference = difference

    @property
    def kind(self) -> Kind:
        """What happened to the value: "added", "removed" or "changed"."""
        if self._difference.old is MISSING:
            return "added"
        return "removed" if self._difference.new is MISSING else "changed"

    @property
    def path(self) -> tuple[Any, ...]:
        """The way to the value: the root's name, then field names, keys and positions, as a tuple."""
        return self._difference.path

    @property
    def where(self) -> str:
        """`path` as Python would spell it, a str: `World.players['ann'].level`."""
        return self._difference.text

    @property
    def old(self) -> object:
        """The value before, read-only and lazy; large values are read now. None for what was added.

        Raises:
            CorruptionError, DecodeError: it cannot be read.
        """
        return value_now(self._difference.old)

    @property
    def new(self) -> object:
        """The value after, in the same way; None for what was removed. Raises as `old`."""
        return value_now(self._difference.new)

    def __str__(self) -> str:
        _, path, old, new = self._difference
        where = cut(path)
        if old is MISSING:
            return f"+ {where}: {shown(new)}"
        return f"- {where}: {shown(old)}" if new is MISSING else f"~ {where}: {shown(old)} -> {shown(new)}"

    def __repr__(self) -> str:
        return f"<Change {self}>"


class Diff:
    """What changed from the commit `a` to the commit `b`, found while it is iterated.

    What both commits refer to is not read: whole tables, nodes, row groups, and large values. Iterating again compares
    again. Empty if nothing changed: `if session.diff(3, 5): ...`. `str()` lists the first 50 changes.

    Attributes:
        a, b: the two commits, each a `Snapshot`.

    Raises:
        CorruptionError, SchemaMismatchError: while iterating: as `Session.diff` says.
    """

    def __init__(self, old: FileSpace, new: FileSpace, asked: tuple[type[Model], ...], in_use: dict[str, type]) -> None:
        self._old = old
        self._new = new
        self._asked = dict(map(_stored_as, asked))
        self._classes = {**in_use, **self._asked}
        self.a: Snapshot = snapshot_of(old.source)
        self.b: Snapshot = snapshot_of(new.source)

    def __iter__(self) -> Iterator[Change]:
        return map(Change, self._differences())

    def _differences(self) -> Iterator[Difference]:
        mine, theirs = self._old.source.catalog.roots, self._new.source.catalog.roots
        for name, cls in self._classes.items():
            for space in (self._old, self._new):
                settle_name(space.source, name, cls)
        for name in sorted({*mine, *theirs}):
            if mine.get(name) == theirs.get(name) or (self._asked and name not in self._asked):
                continue
            cls = self._classes.get(name) or _class_of(self._new if name in theirs else self._old, name)
            old, new = self._root(self._old, name, cls), self._root(self._new, name, cls)
            shown = name.removesuffix(SUFFIX)
            place = Place((shown,), shown, {})
            if shown == name:
                yield from compare(old, new, place)
            else:
                yield from _entities(old, new, place)

    def _root(self, space: FileSpace, name: str, cls: type) -> object:
        """The lazy object of a root, MISSING where the commit has none."""
        if name not in space.source.catalog.roots:
            return MISSING
        return read_root(space, name, struct_for(cls))

    @property
    def schemas(self) -> list[str]:
        """The changes of the classes that wrote the roots, a list of str; none of them counts as a change of values."""
        return schema_changes(self._old, self._new)

    def __bool__(self) -> bool:
        return next(self._differences(), None) is not None

    def __reduce__(self) -> NoReturn:
        raise TypeError("a diff cannot be copied or pickled: it reads the file; str(diff), or list(diff), can be kept")

    def __str__(self) -> str:
        changes = iter(self)
        lines = [f"commit {self.a.sequence} -> commit {self.b.sequence}", *map(str, islice(changes, SHOWN))]
        if len(lines) == 1:
            lines.append("no changes")
        elif next(changes, None) is not None:
            lines.append("... and more")
        return "\n".join(lines)

    def __repr__(self) -> str:
        return f"<Diff of commit {self.a.sequence} and commit {self.b.sequence}>"


def schema_changes(old: FileSpace, new: FileSpace) -> list[str]:
    """The changes of the classes that wrote the roots of two commits."""
    found: list[str] = []
    mine, theirs = old.source.catalog.writers, new.source.catalog.writers
    for name, writer in theirs.items():
        before = mine.get(name, writer)
        if before != writer:
            found += differences(_schema(old, before), _schema(new, writer))
    return found


def _schema(space: FileSpace, name: str) -> bytes:
    return bytes(space.chunk(space.source.catalog.schema(name)).buffer(0))


def _stored_as(cls: Any) -> tuple[str, type]:
    """The name and class of the root that `cls` is, or that holds its entities."""
    if isinstance(cls, type) and issubclass(cls, Model) and is_entity(cls):
        return table_name(cls), table_class(cls)
    return root_name(cls), cls


def _entities(old: Any, new: Any, place: Place) -> Iterator[Difference]:
    """The differences of two tables of entities; MISSING for a commit that has none."""
    if old is MISSING or new is MISSING:
        for key, obj in (new if old is MISSING else old).rows.items():
            yield from place.item(key).differ(*((MISSING, obj) if old is MISSING else (obj, MISSING)))
    else:
        yield from compare(old.rows, new.rows, place)


def _class_of(space: FileSpace, name: str) -> type:
    """The class of a root, among those that this process has defined: by its name and schema."""
    bare = name.removesuffix(SUFFIX)
    found = class_of_root(space, name)
    if found is not None:
        return found
    named = classes_named(name)
    if named:
        return named[-1]  # reading with it says what differs
    raise SchemaMismatchError(
        f"no class named {bare} is defined in this program, so what is stored of it cannot be compared: import the "
        "module that defines it, or name the classes of the roots to compare, session.diff(a, b, World)"
    )
