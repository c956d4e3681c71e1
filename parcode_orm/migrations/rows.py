"""Rows through a migration: objects of historical classes before it as objects of those after it, or the other way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import Enum, Flag
from functools import cached_property, partial, reduce
from operator import or_
from typing import Any

from pydantic import BaseModel

from ..codec.base import is_lazy_collection
from ..codec.entity_keys import key_fields
from ..codec.refs import Ref, make_ref
from ..codec.stream import Stream
from ..codec.types.marks import Mark, find_mark, item_spec
from ..errors import MigrationError, told
from .fields import AlterField, RenameField
from .history import History
from .operation import Operation
from .operations import RunPython
from .row import STREAMED, Row, Step, Streamed
from .state import Field, ProjectState
from .types import names_in

Watch = Callable[[str, Iterator[Any], int], Iterator[Any]]


class Rows:
    """Converts objects of the classes before `operations` to those after them; `backwards`: the other way.

    `states` are the states before, between and after the operations, `before` and `after` the classes of the outer two.
    """

    def __init__(
        self,
        before: History,
        after: History,
        operations: Sequence[Operation],
        states: Sequence[ProjectState],
        backwards: bool = False,
    ) -> None:
        self.backwards = backwards
        self.source, self.target = (after, before) if backwards else (before, after)
        self._operations = list(operations)
        self._states = states
        state = self.source.state
        classes = self.source.classes
        touched = {
            name
            for name, cls in classes.items()
            if self.target.classes.get(self.named(name)) is not cls or self.steps(name)
        }
        self.changed = {name for name in classes if not touched.isdisjoint(state.closure(name))}
        self._kinds: dict[str, _Kind] = {}
        self.watch: Watch = lambda where, items, total: items  # what long collections are read through

    def named(self, name: str, start: int | None = None) -> str:
        """What a class of the source is called in the target; `start`: one of the state at that place."""
        if self.backwards:
            for operation in reversed(self._operations[:start]):
                name = operation.renamed_back(name)
        else:
            for operation in self._operations[start or 0 :]:
                name = operation.renamed(name)
        return name

    def steps(self, name: str) -> list[tuple[Operation, Step]]:
        """The operations that change rows of a class of the source, in the order in which they run."""
        found = []
        places = range(len(self._operations))
        for place in reversed(places) if self.backwards else places:
            operation = self._operations[place]
            start = place if self.backwards else place + 1
            step = Step(
                self._states[place],
                self._states[place + 1],
                self.target,
                partial(self.named, start=start),
            )
            if self.backwards:
                name = operation.renamed_back(name)
            if operation.touches(name, step):
                found.append((operation, step))
            if not self.backwards:
                name = operation.renamed(name)
        return found

    def kind(self, name: str) -> _Kind:
        """What is known of a class of the source."""
        if name not in self._kinds:
            self._kinds[name] = _Kind(self, name)
        return self._kinds[name]

    def convert(self, value: Any) -> Any:
        """A value that stands in a row of the source, with all that it holds, for a row of the target."""
        name = self.source.name_of(value)
        if name is not None:
            return self.kind(name).convert(value) if name in self.changed else value
        cls = type(value)
        if cls is Ref:
            return self._reference(value)
        if cls in (list, tuple, set, frozenset):
            return cls(map(self.convert, value))
        if isinstance(value, deque):
            return deque(map(self.convert, value), value.maxlen)
        if isinstance(value, dict):
            pairs = [(self.convert(key), self.convert(each)) for key, each in value.items()]
            if cls is dict:
                return dict(pairs)
            found = value.copy()  # a defaultdict, with its factory
            found.clear()
            found.update(pairs)
            return found
        return value

    def _reference(self, ref: Any) -> Any:
        """A reference in a row of the source, for a row of the target: what becomes of a key becomes of it, too."""
        name = self.source.called(ref._cls)
        cls = None if name is None else self.target.classes.get(self.named(name))
        if name is None or cls is None or cls is ref._cls or not key_fields(cls):
            return ref
        old = key_fields(ref._cls)
        values = {old[0]: ref.key} if len(old) == 1 else dict(zip(old, ref.key, strict=True))
        row = Row(self.named(name), values, set(values), None)
        for operation, step in self.steps(name):
            if isinstance(operation, AlterField | RenameField):
                (operation.backwards if self.backwards else operation.forwards)(row, step)
        new = key_fields(cls)
        if not row.values.keys() >= set(new):
            raise MigrationError(
                f"a reference leads to the {name} with the key {told(ref.key)}, and {cls.__qualname__} has other key "
                "fields after the migration: set the references to None first, and again after it"
            )
        return make_ref(cls, row.values[new[0]] if len(new) == 1 else tuple([row.values[each] for each in new]))

    def collection(self, value: Any, streams: bool, where: str) -> Any:
        """A lazy collection for a row of the target."""
        if streams and len(value) > STREAMED:
            return Streamed(value, self.convert, lambda items: self.watch(where, items, len(value)))
        return self.convert(value.load())


class _Kind:
    """How objects of one class of the source become objects of the target."""

    def __init__(self, rows: Rows, name: str) -> None:
        self._rows = rows
        self.name = name
        self.now = rows.named(name)
        self._cls: Any = rows.target.classes.get(self.now)
        self._fields = rows.source.state.all_fields(name)
        # Of fields that name no changed class, values stay as they are. So do those of fields that name a class which
        # the target has no more: an operation takes the field away, or converts its values.
        self._inside = {key for key, each in self._fields.items() if self._converts(each.type)}

    def _converts(self, tp: Any) -> bool:
        rows, names = self._rows, set(names_in(tp))
        return not rows.changed.isdisjoint(names) and all(rows.named(name) in rows.target.classes for name in names)

    @cached_property
    def steps(self) -> list[tuple[Operation, Step]]:
        """The operations that change its rows."""
        return self._rows.steps(self.name)

    @cached_property
    def _streams(self) -> bool:
        return not any(isinstance(operation, RunPython) for operation, _ in self.steps)

    def convert(self, obj: Any) -> Any:
        """An object of the target for one of the source."""
        if isinstance(obj, Enum):
            return self._member(obj)
        row = self._row(obj)
        for operation, step in self.steps:
            if self._rows.backwards:
                operation.backwards(row, step)
            else:
                operation.forwards(row, step)
        return self._built(obj, row)

    def _member(self, member: Any) -> Any:
        try:
            if isinstance(member, Flag):
                parts = [self._cls[each.name] for each in member if each.name is not None]
                return reduce(or_, parts, self._cls(0))
            return self._cls[member.name]
        except KeyError:
            raise MigrationError(
                f"a row holds {self.name}.{member.name}, and the migration leaves no such member: change these rows "
                f"first, or keep the member"
            ) from None

    def _row(self, obj: Any) -> Row:
        values = {}
        for name in self._fields:
            try:
                value = getattr(obj, name)
            except AttributeError:  # `model_construct` left it out
                continue
            if name in self._inside:
                lazily = is_lazy_collection(value)
                where = f"{self.now}.{name}"
                value = self._rows.collection(value, self._streams, where) if lazily else self._rows.convert(value)
            values[name] = value
        if not isinstance(obj, BaseModel):
            return Row(self.now, values, set(values), None)
        extra = obj.__pydantic_extra__
        return Row(self.now, values, set(obj.model_fields_set), None if extra is None else self._rows.convert(extra))

    def _built(self, old: Any, row: Row) -> Any:
        cls = self._cls
        fields = self._rows.target.state.all_fields(self.now)
        for name in row.values.keys() - fields.keys():
            raise MigrationError(
                f"{self.now}.{name}: a migration gives rows this value, and the class has no such field"
            )
        values = {}
        for name, field in fields.items():
            if name in row.values:
                values[name] = self._stored(name, field, row.values[name])
            elif isinstance(old, BaseModel) and name in self._fields:
                continue  # left out of the old object, too
            else:
                values[name] = self._rows.target.default(f"{self.now}.{name}", field)
        if not issubclass(cls, BaseModel):
            return cls(**values)
        # Not `model_construct`, which would make defaults and values for private attributes.
        new = cls.__new__(cls)
        private = old.__pydantic_private__ if isinstance(old, BaseModel) else None
        extra = dict(row.extra or {}) if cls.model_config.get("extra") == "allow" else None
        known = cls.__private_attributes__
        if known:
            private = self._rows.convert({key: value for key, value in (private or {}).items() if key in known})
        object.__setattr__(new, "__dict__", values)
        object.__setattr__(new, "__pydantic_fields_set__", set(row.given))
        object.__setattr__(new, "__pydantic_extra__", extra)
        object.__setattr__(new, "__pydantic_private__", private if known else None)
        return new

    def _stored(self, name: str, field: Field, value: Any) -> Any:
        """A value as the new object holds it: streams in marked fields, else plain values."""
        if isinstance(value, Streamed):
            info = self._cls.__pydantic_fields__[name]
            spec = item_spec(self._cls.__name__, name, info.annotation, self._cls.model_config, info.metadata)
            if find_mark(info.metadata) is not None and spec is not None:
                return Stream(iter(value), spec)
            return value.load()
        if is_lazy_collection(value) and not isinstance(field.mark, Mark):
            return value.load()
        return value
