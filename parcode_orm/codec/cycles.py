"""Objects that hold themselves, or are nested too deeply: where, for the error that refuses them.

Nothing here recurses: what is looked at may be deeper than Python's stack.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from pydantic import BaseModel

from ..errors import CyclicGraphError, EncodeError
from . import trail
from .types.marks import is_lazy_collection

get_dict: Callable[[Any], dict[str, Any]] = BaseModel.__dict__["__dict__"].__get__
MAX_NESTED = 256  # models inside each other, with all that is stored field by field


def deep_error(values: Sequence[Any], name: str, nested: bool) -> EncodeError:
    """The error for `values` of a struct called `name` that could not be encoded to the bottom.

    `nested`: the limit was met, else Python's stack ended.
    """
    found = ((row, value, find_cycle(value, part)) for part in (_declared, _parts) for row, value in enumerate(values))
    for row, value, path in found:
        if path is not None:
            message = "the object holds itself below; what is stored inline must be a tree"
            problem: EncodeError = CyclicGraphError(message, model=name, path=path, value_type=type(value))
            return trail.at(problem, row)
    heights = [_deepest(value) for value in values]
    height, path = max(heights, key=lambda each: each[0], default=(0, ""))
    if not nested:
        return EncodeError("Python's stack ended while the value was encoded; call with less on the stack", model=name)
    message = (
        f"models are nested {max(height, MAX_NESTED + 1)} deep, and at most {MAX_NESTED} can be stored; keep the parts "
        "in a list or dictionary, and their places in each other"
    )
    return trail.at(EncodeError(message, model=name, path=path), heights.index((height, path)))


def _deepest(root: Any) -> tuple[int, str]:
    """How many models are inside each other in `root`, which is no cycle, and the path to the innermost."""
    known: dict[int, tuple[int, str, Any]] = {}  # by id: the height, the step to the highest part, and that part
    stack: list[tuple[Any, list[tuple[str, Any]]]] = [(root, _declared(root))]
    while stack:
        value, parts = stack[-1]
        unknown = [part for _, part in parts if id(part) not in known]
        if unknown:
            stack.append((unknown[0], _declared(unknown[0])))
            continue
        stack.pop()
        below = [(known[id(part)][0], step, part) for step, part in parts]
        height, step, inner = max(below, key=lambda each: each[0], default=(0, "", None))
        known[id(value)] = (height + (isinstance(value, BaseModel) or dataclasses.is_dataclass(value)), step, inner)
    steps, value = [], root
    while known[id(value)][0] > 1 and known[id(value)][1]:
        _, step, value = known[id(value)]
        steps.append(step)
    return known[id(root)][0], _joined(steps)


def find_cycle(root: Any, parts_of: Callable[[Any], list[tuple[str, Any]]] | None = None) -> str | None:
    """The path from `root` to the first value found that holds itself, through the second time it is met."""
    parts_of = parts_of or _parts
    stack: list[tuple[Any, str, Any]] = [(root, "", iter(parts_of(root)))]
    active = {id(root)}
    done: set[int] = set()
    while stack:
        value, _, parts = stack[-1]
        step, part = next(parts, (None, None))
        if step is None:
            stack.pop()
            active.discard(id(value))
            done.add(id(value))
            continue
        if id(part) in active:
            return _joined([*(taken for _, taken, _ in stack), step])
        if id(part) not in done:
            found = parts_of(part)
            if found:
                active.add(id(part))
                stack.append((part, step, iter(found)))
    return None


def _declared(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, str | bytes | bytearray | int | float | type) or value is None:
        return []
    if isinstance(value, dict):
        return [(f"[{key!r}]", part) for key, part in value.items()]
    if isinstance(value, list | tuple | set | frozenset):
        return [(f"[{i}]", part) for i, part in enumerate(value)]
    if isinstance(value, BaseModel):  # of a proxy what was read: the rest came from a file and is a tree
        return [item for found in (get_dict(value), value.__pydantic_extra__) if found for item in found.items()]
    if is_lazy_collection(value):
        return [("[...]", part) for part in value._p_held_()]
    return list(getattr(value, "__dict__", {}).items())


def _parts(value: Any) -> list[tuple[str, Any]]:
    private = value.__pydantic_private__ if isinstance(value, BaseModel) else None
    return [*_declared(value), *(private or {}).items()]


def _joined(steps: list[str]) -> str:
    path = ""
    for step in steps:
        path += step if not path or step.startswith("[") else f".{step}"
    return path
