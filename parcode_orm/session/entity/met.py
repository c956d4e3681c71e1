"""References that are met in objects: where each stands, and how it is taken out of there."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any, NamedTuple

from ...codec.base import Column
from ...codec.columns.boundary import ChunkColumn
from ...codec.columns.containers import ListColumn, MapColumn
from ...codec.columns.refs import RefColumn
from ...codec.columns.tuples import TupleColumn, UnionColumn
from ...codec.columns.wrappers import Around
from ...codec.entity_keys import key_of
from ...codec.refs import Ref
from ...codec.structs import Struct
from ...codec.types.compiled import parts_below
from ...errors import told
from ...lazy.list import LazyList
from ...lazy.map import LazyMap
from ...lazy.proxy import is_proxy
from ...lazy.state import MISSING, check_change, field_value, get_dict, touch
from ...model.on_delete import Rule, rule_of
from ..unit_of_work import UnitOfWork
from .undoing import taken_back, unless_stored


class Met(NamedTuple):
    """A reference in an object: the name of the class and the key that it leads to, and the place where it stands.

    `where` is the place as a message names it, below the root or entity. `rule` is the rule of the innermost field.
    `holder` has the reference at `step`: a model at a field, a list at a position, a dictionary at a key. In a set,
    `step` is the reference.
    """

    called: str
    key: Any
    where: str
    rule: Rule
    holder: Any
    step: Any

    @property
    def target(self) -> str:
        """What it leads to, as a message names it."""
        return f"{self.called}[{told(self.key)}]"


class Here(NamedTuple):
    """The place of a value that is looked through."""

    where: str
    rule: Rule
    holder: Any
    step: Any

    def below(self, where: str, holder: Any, step: Any) -> Here:
        return Here(self.where + where, self.rule, holder, step)


def met_in_field(column: Struct, obj: object, name: str, called: str) -> Iterator[Met]:
    """The references to the class `called` in a field of a model."""
    here = Here(f".{name}", rule_of(column.plan.cls, name), obj, name)
    yield from met(column.places[name][1], field_value(obj, name), called, here)


def met(column: Column, value: Any, called: str, here: Here) -> Iterator[Met]:
    """The references to the class `called` in a value of a column."""
    if value is None or value is MISSING:
        return
    if isinstance(column, RefColumn):
        key = value.key if type(value) is Ref else key_of(value) if value.__class__ is column.cls else value
        if column.called == called and key is not None:
            yield Met(called, key, here.where, here.rule, here.holder, here.step)
    elif isinstance(column, Struct):
        yield from _in_struct(column, value, called, here)
    elif isinstance(column, Around | ChunkColumn):
        yield from met(column.inner, value, called, here)
    elif isinstance(column, ListColumn):
        of_sets = isinstance(value, set | frozenset)
        for at, item in enumerate(value):
            yield from met(column.item, item, called, here.below(f"[{at}]", value, item if of_sets else at))
    elif isinstance(column, MapColumn):
        for key, item in value.items():
            below = here.below(f"[{key!r:.40}]", value, key)
            yield from met(column.key, key, called, below)
            yield from met(column.value, item, called, below)
    elif isinstance(column, TupleColumn):
        for at, (part, item) in enumerate(zip(column.items, value, strict=False)):
            yield from met(part, item, called, here.below(f"[{at}]", value, at))
    elif isinstance(column, UnionColumn):
        arm = next((each for accept, each in column.arms if accept(value)), None)
        if arm is not None:
            yield from met(arm, value, called, here)


def _in_struct(column: Struct, value: object, called: str, here: Here) -> Iterator[Met]:
    cls = value.__class__
    compile_class = column.plan.struct_for
    others = cls is not column.plan.cls and cls is not dict  # of a TypedDict there are no objects
    if others and compile_class is not None and issubclass(cls, column.plan.cls):
        column = compile_class(cls)
    for name, part in column.plan.fields:
        if holds_refs(part, called):
            below = here.below(f".{name}", value, name)._replace(rule=rule_of(cls, name))
            yield from met(part, _field(value, name), called, below)


def _field(value: object, name: str) -> Any:
    if isinstance(value, dict):
        return value.get(name)
    return field_value(value, name) if hasattr(value, "__pydantic_fields_set__") else getattr(value, name, None)


def holds_refs(column: Column, called: str) -> bool:
    """Whether references to the class `called` may stand in values of a column, or in objects of subclasses there."""
    return any(
        (isinstance(each, RefColumn) and each.called == called) or isinstance(each, Struct)
        for each in parts_below(column)
    )


# -- taking them out ---------------------------------------------------------------------------------------------------


def take_out(work: UnitOfWork, found: Collection[Met], undo: ExitStack) -> None:
    """Set fields that hold these references to None, and take references out of their collections.

    `undo` takes that back unless the commit stores it.
    """
    for each in reversed(list(found)):  # of a list, the last one first: positions do not shift
        holder, step = each.holder, each.step
        if isinstance(holder, LazyList | LazyMap):
            undo.enter_context(taken_back(work, holder))
            del holder[step]
        elif isinstance(holder, list | dict):
            undo.enter_context(unless_stored(work, partial(_put_back(holder), holder, holder.copy())))
            del holder[step]
        elif isinstance(holder, set):
            undo.enter_context(unless_stored(work, partial(holder.add, step)))
            holder.discard(step)
        else:
            set_field(work, holder, step, None, undo)


def _put_back(holder: list[Any] | dict[Any, Any]) -> Callable[[Any, Any], None]:
    return _fill_list if isinstance(holder, list) else _fill_dict


def _fill_list(holder: list[object], values: list[object]) -> None:
    holder[:] = values


def _fill_dict(holder: dict[object, object], values: dict[object, object]) -> None:
    holder.clear()
    holder.update(values)


def set_field(work: UnitOfWork, obj: Any, name: str, value: object, undo: ExitStack) -> None:
    """Set a field of an object, frozen or not; nothing is validated. `undo` takes that back."""
    if not hasattr(obj, "__pydantic_fields_set__"):
        undo.enter_context(unless_stored(work, partial(object.__setattr__, obj, name, getattr(obj, name))))
        object.__setattr__(obj, name, value)
        return
    lazy = is_proxy(obj)
    if lazy:
        check_change(obj)
    values = get_dict(obj)
    before, was_set = values.get(name, MISSING), name in obj.__pydantic_fields_set__
    undo.enter_context(unless_stored(work, partial(_as_it_was, obj, name, before, was_set=was_set)))
    values[name] = value
    obj.__pydantic_fields_set__.add(name)
    if lazy:
        touch(obj)


def _as_it_was(obj: Any, name: str, before: object, *, was_set: bool) -> None:
    values = get_dict(obj)
    if before is MISSING:
        values.pop(name, None)
    else:
        values[name] = before
    if not was_set:
        obj.__pydantic_fields_set__.discard(name)
