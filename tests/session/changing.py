"""What a diff says, done to plain objects: `apply(a, session.diff(1, 2))` is b but for what no diff tells of."""

from __future__ import annotations

import dataclasses
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from parcode_orm.model.plain import deep_plain
from parcode_orm.session.history.diff import Change
from tests.equality import same


def apply(roots: dict[str, Any], changes: Iterable[Change]) -> dict[str, Any]:
    """The plain `roots`, changed as a diff says: outer places first, and at each what went, what came, what changed."""
    roots = deep_plain(roots)
    at: dict[int, dict[tuple[Any, ...], list[Change]]] = defaultdict(lambda: defaultdict(list))
    for change in changes:
        at[len(change.path)][change.path[:-1]].append(change)
    for depth in sorted(at):
        for path, found in at[depth].items():
            _apply_here(_walk(roots, path), found)
    return roots


def _apply_here(holder: Any, changes: list[Change]) -> None:
    removed = [change.path[-1] for change in changes if change.kind == "removed"]
    for step in reversed(removed):  # positions rise
        if isinstance(holder, list | dict):
            del holder[step]
        else:
            _values(holder, step).pop(step)
    for change in changes:
        step, new = change.path[-1], deep_plain(change.new)
        if change.kind == "removed":
            assert new is None
        elif change.kind == "added" and isinstance(holder, list):
            assert step <= len(holder)
            holder.insert(step, new)
        elif isinstance(holder, list | dict):
            holder[step] = new
        elif isinstance(holder, BaseModel):
            _values(holder, step)[step] = new
        else:
            object.__setattr__(holder, step, new)


def _values(model: BaseModel, name: str) -> dict[str, Any]:
    if name in type(model).__pydantic_fields__:
        return model.__dict__
    found: Any = model.__pydantic_private__ if name.startswith("_") else model.__pydantic_extra__
    return found


def _walk(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        if isinstance(value, BaseModel):
            value = _values(value, step)[step]
        else:
            value = value[step] if isinstance(value, list | dict) else getattr(value, step)
    return value


def alike(a: Any, b: Any) -> bool:
    """`same`, but for the order of dictionaries, and which fields were set."""
    if a.__class__ is not b.__class__:
        return False
    if isinstance(a, BaseModel):
        mine, theirs = ([dict(x.__dict__), x.__pydantic_extra__ or {}, x.__pydantic_private__ or {}] for x in (a, b))
        return alike(mine, theirs)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(alike(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple | deque):
        return len(a) == len(b) and all(map(alike, a, b))
    if dataclasses.is_dataclass(a):
        names = [field.name for field in dataclasses.fields(a)]
        missing = object()
        return all(alike(getattr(a, name, missing), getattr(b, name, missing)) for name in names if hasattr(a, name))
    return same(a, b)
