"""A copy of a file in plain objects that follows `session.changes`: each change is applied as it comes, in order."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from parcode_orm import Model, RowChange, Session, select
from parcode_orm.model.entity_names import is_entity
from parcode_orm.model.plain import deep_plain
from parcode_orm.session.entity.tables import key_of

Copy = dict[str, Any]  # a root by the name of its class, or the entities of a class by key


def follow(copy: Copy, changes: Iterable[RowChange]) -> None:
    """Apply the changes of a commit to `copy`."""
    for change in changes:
        *way, last = change.path
        if change.key is not None:
            copy.setdefault(change.cls, {})
        holder = _walk(copy, way)
        if change.kind == "deleted":
            assert change.old is not None or change.new is None
            del holder[last]
        elif change.kind == "inserted":
            if isinstance(holder, list):
                assert 0 <= last <= len(holder)
                holder.insert(last, deep_plain(change.new))
            else:
                assert last not in holder
                holder[last] = deep_plain(change.new)
        elif change.fields:
            for field in change.fields.values():
                _set(_walk(holder[last], field.path[:-1]), field.path[-1], field)
        else:
            holder[last] = deep_plain(change.new)
    for name in [name for name, value in copy.items() if value == {}]:
        del copy[name]  # no entities are as none ever


def _set(obj: Any, name: str, field: Any) -> None:
    values = _values(obj, name) if isinstance(obj, BaseModel) else vars(obj)
    if field.kind == "deleted":
        del values[name]
        return
    assert dataclasses.is_dataclass(obj) or isinstance(obj, BaseModel)
    values[name] = deep_plain(field.new)


def _values(model: BaseModel, name: str) -> dict[str, Any]:
    if name in type(model).__pydantic_fields__:
        return model.__dict__
    found: Any = model.__pydantic_private__ if name.startswith("_") else model.__pydantic_extra__
    return found


def _walk(value: Any, path: Iterable[Any]) -> Any:
    for step in path:
        if isinstance(value, BaseModel):
            value = _values(value, step)[step]
        else:
            value = value[step] if isinstance(value, list | dict) else getattr(value, step)
    return value


def content(session: Session, *classes: type[Model]) -> Copy:
    """What a file holds of some classes, as `follow` has it."""
    found: Copy = {}
    for cls in classes:
        if is_entity(cls):
            entities = {key_of(obj): obj.model_load() for obj in session.scalars(select(cls))}
            if entities:
                found[cls.__name__] = entities
        elif cls.__name__ in session.roots():
            found[cls.__name__] = session.root(cls).model_load()
    return found
