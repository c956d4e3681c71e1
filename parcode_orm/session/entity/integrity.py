"""References to entities that a commit deletes: they are followed, cut or defended, as their fields say.

`on_delete="cascade"` deletes the entities that refer, and these are looked for in turn, until nothing more is deleted.
Then `"restrict"` refuses the commit where a reference remains, and `"null"` takes the remaining ones out. A key that
changes is refused while a reference leads to it, whatever the field says.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from ...codec.types.compile import struct_for
from ...errors import IntegrityError
from ...lazy.map import LazyMap
from ...model.entity_names import SUFFIX
from ...model.on_delete import RULES, Rule
from ...model.referring import Place
from ...query.expressions.nodes import Key, Literal, Operation
from ...query.running.update_delete import Delete, Update
from ...table.pairs import known_keys
from ...table.replacing import remove_keys
from ..roots import Root
from ..unit_of_work import UnitOfWork
from .holders import Holder, condition, first_met, holders, matching, object_at, of_keys, referring
from .met import Met, set_field, take_out
from .queries import StoredEntities
from .tables import entities, stored_rows, table_in, tables
from .undoing import as_before, taken_back

Keys = Mapping[str, Collection[object]]
"""Keys of entities, by the name of their class."""


def follow_deletes(work: UnitOfWork, moved: Keys, undo: ExitStack) -> set[str]:
    """Let references follow what the next commit deletes. `moved` are the keys that entities had before they changed.

    Returns the names of the tables whose entities this changed. `undo` takes that back unless the commit stores it.

    Raises:
        IntegrityError: a reference that restricts leads to a deleted entity, or one to a changed key.
    """
    if not any(root.gone for root in tables(work)):
        return set()
    every, unknown = holders(work)
    if not every and not unknown:
        return set()
    flow = _Flow(work, every, moved, undo)
    for called, keys in moved.items():
        for holder, place in flow.leading_to(called, *RULES) if keys else ():
            _refuse_moved(first_met(work, holder, place, keys))
        for each in unknown if keys else ():
            _refuse_moved(each.first_met(work, called, keys))
    gone = flow.cascade()
    for called, keys in gone.items():
        for holder, place in flow.leading_to(called, "restrict"):
            rules = "'null' or 'cascade'" if holder.of_entities else "'null'"
            remedy = f"assign another object there, or delete what refers, or declare the field with on_delete={rules}"
            _refuse_deleted(first_met(work, holder, place, keys), remedy)
        for each in unknown:
            remedy = "the class that refers is not defined here, so import it, or keep the object"
            _refuse_deleted(each.first_met(work, called, keys), remedy)
    for called, keys in gone.items():
        for holder, place in flow.leading_to(called, "null"):
            flow.cut(holder, place, keys)
    return flow.touched


class _Flow:
    """The changes that the deletes of a commit bring about. `touched`: the names of the tables that were changed."""

    def __init__(self, work: UnitOfWork, every: list[Holder], moved: Keys, undo: ExitStack) -> None:
        self.touched: set[str] = set()
        self._work = work
        self._holders = every
        self._moved = moved
        self._dropped: dict[str, set[object]] = {}  # keys of entities that were added, and are not stored after all
        self._undo = undo

    def leading_to(self, called: str, *rules: Rule) -> Iterator[tuple[Holder, Place]]:
        """Where references with one of `rules` lead to the class `called`."""
        for holder in self._holders:
            for place in holder.places:
                if place.called == called and place.rule in rules:
                    yield holder, place

    def cascade(self) -> dict[str, set[object]]:
        """Delete what refers to deleted entities by fields that cascade. Return all keys that are deleted, by class."""
        done: dict[str, set[object]] = {}
        while True:
            fresh: dict[str, set[object]] = {}
            for root in tables(self._work):
                called = root.name.removesuffix(SUFFIX)
                keys = set(_vanished(root, self._moved.get(called, ()))) | self._dropped.get(called, set())
                keys -= done.get(called, set())
                if keys:
                    fresh[called] = keys
            if not fresh:
                return done
            for called, keys in fresh.items():
                done.setdefault(called, set()).update(keys)
                for holder, place in self.leading_to(called, "cascade"):
                    self._delete(holder, place, keys)

    def _delete(self, holder: Holder, place: Place, keys: Collection[object]) -> None:
        """Delete the entities of a holder that refer to one of `keys` at a place."""
        asked = condition(holder, place, keys)
        if asked is None:
            found = frozenset(referring(self._work, holder, place, keys))
            asked = Operation("in", (Key(), Literal(found)), bool)
        self._touch(holder)
        entities = _Cascading(self._work, holder.cls)
        Delete(entities, (asked,)).run()
        self._dropped.setdefault(holder.name.removesuffix(SUFFIX), set()).update(entities.dropped)

    def cut(self, holder: Holder, place: Place, keys: Collection[object]) -> None:
        """Set the references of a holder to `keys` at a place to None, or take them out of their collections."""
        asked = condition(holder, place, keys)
        if holder.of_entities and place.shape == "one" and asked is not None:
            self._touch(holder)
            values = (((place.field,), Literal[Any](None)),)
            _, rows = Update(StoredEntities(self._work, holder.cls), (asked,), values).computed()
            for obj, _ in rows:
                set_field(self._work, obj, place.field, None, self._undo)
            return
        column = struct_for(holder.cls)
        for key in list(referring(self._work, holder, place, keys)) if holder.of_entities else [None]:
            if holder.of_entities:
                self._touch(holder)
            obj = object_at(self._work, holder, key)
            take_out(self._work, list(of_keys(matching(column, obj, place), keys)), self._undo)

    def _touch(self, holder: Holder) -> None:
        """Let changes of the entities of a holder be taken back."""
        if holder.name not in self.touched:
            root = StoredEntities(self._work, holder.cls).root
            if root is not None:
                self._undo.enter_context(as_before(self._work, root))
                self._undo.enter_context(taken_back(self._work, entities(root)))
                self.touched.add(holder.name)


class _Cascading(StoredEntities):
    """Entities, some deleted because others are. `dropped` has the keys of deleted entities that were never stored."""

    def __init__(self, work: UnitOfWork, cls: type) -> None:
        super().__init__(work, cls)
        self.dropped: set[object] = set()
        self._stored = {} if self.root is None else stored_rows(work, self.root)

    def delete_all(self, keys: Sequence[object]) -> None:
        """See `Entities`."""
        root = self.root
        assert root is not None
        known = set(known_keys(table_in(self._stored), keys)) if isinstance(self._stored, LazyMap) else set()
        root.gone.update({key: self.rows[key] for key in keys if key in known})
        self.dropped.update(key for key in keys if key not in known)
        remove_keys(table_in(entities(root)), keys)


def _vanished(root: Root, moved: Collection[object]) -> list[object]:
    """The keys of entities that the next commit deletes; `moved` are keys that entities had before they changed."""
    keys = [key for key in root.gone if key not in moved]
    known = set(known_keys(table_in(entities(root)), keys)) if keys else set()
    return [key for key in keys if key not in known]


def _refuse_deleted(met: Met | None, remedy: str) -> None:
    """Raise for a reference to an entity that is deleted."""
    if met is not None:
        raise IntegrityError(f"{met.where} refers to {met.target}, which this commit would delete: {remedy}")


def _refuse_moved(met: Met | None) -> None:
    """Raise for a reference to a key that changed."""
    if met is not None:
        raise IntegrityError(
            f"{met.where} refers to {met.target}, whose key was changed: keep the key while something refers to it, or "
            "set the reference to None, commit, and assign it again after the change"
        )
