"""`Session.changes`: the commits after one, in their order, and the rows that each of them changed.

Each commit is compared with the one before it, as `Session.diff` does. An older commit is read as today's class has it,
if that is possible: else both commits are read by classes made of the schemas that they store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, NoReturn

from ...codec.renames import class_names
from ...codec.types.compile import struct_for
from ...errors import CommitGone, told
from ...format.commit import Record
from ...lazy.proxy import plain_class
from ...lazy.state import MISSING
from ...model.base import Model
from ...model.entities import table_class
from ...model.entity_names import SUFFIX, is_entity, table_name
from ...storage.mapped import Source
from ..roots import class_of_root, read_root, root_name
from ..schemas import reads
from ..space import FileSpace
from ..without_classes import stored_class
from .commits import At, check_at
from .diff import schema_changes
from .row_change import Row, RowChange
from .row_changes import compare_entities, compare_roots
from .snapshot import Snapshot, snapshot_of, time_of

Asked = type[Model] | str


class CommitChanges:
    """One commit, and the rows that it changed: they are found while this is iterated, and anew each time.

    The changes of a commit are those of its roots and entities in the order of their names. Within a collection they
    come so that each may be applied after the one before it: a position in a list is that after all changes before.

    Attributes:
        snapshot: the commit, a `Snapshot`. `sequence`, `time` and `message` are its own.

    Raises:
        CorruptionError, SchemaMismatchError, DecodeError: while iterating: a row cannot be read.
    """

    __slots__ = ("_names", "_new", "_old", "_readers", "snapshot")

    def __init__(self, old: FileSpace | None, new: FileSpace, readers: Readers, names: frozenset[str] | None) -> None:
        self._old = old
        self._new = new
        self._readers = readers
        self._names = names
        self.snapshot: Snapshot = snapshot_of(new.source)

    @property
    def sequence(self) -> int:
        """The number of the commit, an int: `changes(since=...)` goes on behind it."""
        return self.snapshot.sequence

    @property
    def time(self) -> datetime:
        """When the commit was made, a datetime in UTC."""
        return self.snapshot.time

    @property
    def message(self) -> str:
        """What `commit` was given, a str."""
        return self.snapshot.message

    @property
    def schemas(self) -> list[str]:
        """The changes of the classes that wrote the roots and entities, a list of str; none is a change of a row."""
        return [] if self._old is None else schema_changes(self._old, self._new)

    def __iter__(self) -> Iterator[RowChange]:
        before = {} if self._old is None else self._old.source.catalog.roots
        after = self._new.source.catalog.roots
        renamed = {} if self._old is None else self._readers.renamed(before, after)
        for name in sorted({*after, *(renamed.get(each, each) for each in before)}):
            earlier = next((each for each in before if renamed.get(each, each) == name), name)
            if before.get(earlier) == after.get(name) or not (self._names is None or {name, earlier} & self._names):
                continue
            old, new = self._readers.both(self._old, earlier, self._new, name)
            bare = name.removesuffix(SUFFIX)
            compare = compare_roots if bare == name else compare_entities
            yield from compare(old, new, Row(bare, None, (bare,), bare))

    def __reduce__(self) -> NoReturn:
        raise TypeError("the changes of a commit cannot be copied or pickled: they read the file")

    def __repr__(self) -> str:
        return f"<CommitChanges of commit {self.sequence}>"


class Readers:
    """Knows which classes read the roots of commits. `known` are the classes that the session or the caller names."""

    def __init__(self, known: Mapping[str, type], newest: FileSpace) -> None:
        self._known: dict[str, type | None] = dict(known)
        self._newest = newest

    def both(self, old: FileSpace | None, earlier: str, new: FileSpace, name: str) -> tuple[object, object]:
        """A root in two commits, by one class if possible; MISSING where a commit has none."""
        sides = ((old, earlier), (new, name))
        stored = [(space, each) for space, each in sides if space is not None and each in space.source.catalog.roots]
        for cls in (self._defined(name), _made(*stored[-1])):
            if cls is not None and all(reads(space.source, each, struct_for(cls)) for space, each in stored):
                return _read(old, earlier, cls), _read(new, name, cls)
        mine, theirs = (_read(*side, _made(*side)) if side in stored else MISSING for side in sides)
        return mine, theirs

    def renamed(self, before: Mapping[str, object], after: Mapping[str, object]) -> dict[str, str]:
        """The present names of earlier roots, by their names then, as the classes of this program say."""
        found: dict[str, str] = {}
        for name in after:
            cls = None if name in before else self._defined(name)
            names = () if cls is None else class_names(cls)
            found.update((each, name) for each in names if each in before and each not in after)
        return found

    def _defined(self, name: str) -> type | None:
        """The class of this program for a root: one that is known, or one that wrote the newest commit."""
        if name not in self._known:
            is_there = name in self._newest.source.catalog.roots
            self._known[name] = class_of_root(self._newest, name) if is_there else None
        return self._known[name]


def _made(space: Any, name: str) -> type:
    return stored_class(space.source, name)


def _read(space: FileSpace | None, name: str, cls: type) -> object:
    if space is None or name not in space.source.catalog.roots:
        return MISSING
    return read_root(space, name, struct_for(cls))


# -- which commits -----------------------------------------------------------------------------------------------------


def commits_after(source: Source, since: At, until: Record) -> tuple[Record | None, list[Record]]:
    """The commit `since`, None for the state before the first one, and those after it up to `until`, in order.

    Raises:
        CommitGone: the file does not hold `since`, or is another one.
        CorruptionError: a record in between is damaged.
        TypeError, ValueError: as `check_at`; `since` is later than `until`.
    """
    check_at(since)
    later: list[Record] = []
    record = until
    for record in source.records():
        if _is_at(record, since):
            if record.sequence > until.sequence:
                raise ValueError(f"commit {record.sequence}, `since`, is later than commit {until.sequence}, `until`")
            return record, later[::-1]
        if isinstance(since, int) and record.sequence < since:
            break
        if record.sequence <= until.sequence:
            later.append(record)
    if record.sequence == 1 and (since == 0 or isinstance(since, datetime)):
        return None, later[::-1]
    raise _gone(source, since, record)


def _is_at(record: Record, since: At) -> bool:
    if isinstance(since, datetime):
        return time_of(record) <= since
    if isinstance(since, Snapshot):  # compaction keeps both, and changes the size
        return (record.sequence, time_of(record)) == (since.sequence, since.time)
    return record.sequence == since


def _gone(source: Source, since: At, oldest: Record) -> CommitGone:
    where, newest = source.path or "the file", source.record.sequence
    number = since.sequence if isinstance(since, Snapshot) else since
    if isinstance(number, int) and number > newest:
        return CommitGone(
            f"{where} has no commit {number} here: this session reads commit {newest}. If another session committed, "
            "refresh() goes on to its commits. If the file was replaced by another one, read all of it again, and go "
            f"on with changes(since={newest})"
        )
    why = (
        f"the oldest one that is left is commit {oldest.sequence}: the others were dropped by a compaction"
        if not isinstance(number, int) or number < oldest.sequence
        else f"its commit {number} is another one: the file was replaced"
    )
    return CommitGone(
        f"{where} does not tell what changed since {since!r}: {why}. Read all of the file again, as of commit "
        f"{newest}, and go on with changes(since={newest})"
    )


def names_of_asked(asked: Asked | Iterable[Asked]) -> tuple[frozenset[str] | None, dict[str, type]]:
    """The names of the roots that classes, or their names, mean; None for all. And the classes by these names.

    Raises:
        TypeError: one is neither a class of a model nor a name.
    """
    given: list[Any] = [asked] if isinstance(asked, str | type) else list(asked)
    names: set[str] = set()
    classes: dict[str, type] = {}
    for each in given:
        if isinstance(each, str):
            names |= {each, each + SUFFIX}
            continue
        if not (isinstance(each, type) and issubclass(each, Model)):
            raise TypeError(f"changes(classes=...) takes classes of models, or their names, not {told(each)}")
        cls = plain_class(each)
        name, found = (table_name(cls), table_class(cls)) if is_entity(cls) else (root_name(cls), cls)
        names.add(name)
        classes[name] = found
    return frozenset(names) if given else None, classes


def feed(
    base: Record | None,
    records: list[Record],
    newest: FileSpace,
    look_at: Callable[[Source], FileSpace],
    readers: Readers,
    names: frozenset[str] | None,
    check: Callable[[], None],
) -> Iterator[CommitChanges]:
    """The changes of each of `records`, the first after `base`. A commit that was passed keeps no chunk in memory.

    `look_at` gives the space of a snapshot, `check` raises once the session is closed.
    """

    def space_of(record: Record) -> FileSpace:
        source = newest.source.at(record)
        source.catalog = replace(source.catalog, renames=newest.source.catalog.renames)
        return look_at(source)

    old = None if base is None else space_of(base)
    for record in records:
        check()
        new = space_of(record)
        yield CommitChanges(old, new, readers, names)
        if old is not None:
            old.source.retire()
        old = new
