"""What of an object is in memory: the values it holds, one step down and all the way, without reading any."""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import chain
from operator import attrgetter, itemgetter
from typing import Any

from pydantic import BaseModel

from ..codec.base import ATOMS
from ..codec.refs import Ref
from ..codec.stream import is_stream
from ..format.layout import Reference
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.proxy import decoded
from ..lazy.rows import TableRows
from ..lazy.spans import SpanPairs, SpanRows
from ..lazy.state import get_dict
from ..model.plain import LazyModel
from ..table.nodes import Piece
from ..table.table import Table

ATOMIC = ATOMS | {complex, Ref}
Step = Callable[[Any], Any]


def kind_of(value: object) -> str:
    """What `value` is to those who look into it."""
    cls: type = type(value)
    return kind_of_class(cls)


@lru_cache(1024)
def kind_of_class(cls: type) -> str:
    """`kind_of` for objects of `cls`: asked of every object, so by class, and once."""
    kinds: list[tuple[type | tuple[type, ...], str]] = [
        ((LazyList, LazyMap), "collection"),
        (LazyModel, "proxy"),
        (BaseModel, "model"),
        ((list, deque), "list"),
        (dict, "dict"),
        (tuple, "tuple"),
    ]
    if is_stream(cls):
        return "stream"
    found = next((name for bases, name in kinds if issubclass(cls, bases)), "leaf")
    return "dataclass" if found == "leaf" and dataclasses.is_dataclass(cls) else found


def inner_of(values: list[Any]) -> list[object]:
    """What plain objects or containers of one class hold in memory, one step down, but for values that hold nothing."""
    kind = kind_of(values[0])
    if kind in ("list", "tuple"):
        held: Iterable[Iterable[Any]] = values
    elif kind in ("model", "dict"):
        held = map(dict.values, map(get_dict, values) if kind == "model" else values)
    elif kind == "dataclass":
        return [each for value in values for each, _ in children(value) if type(each) not in ATOMIC]
    else:
        return []
    holders = {cls for cls in set(map(type, chain.from_iterable(held))) if cls not in ATOMIC and _holds(cls)}
    if not holders:
        return []
    return [each for value in values for each, _ in children(value) if type(each) in holders]


def _holds(cls: type) -> bool:
    return kind_of_class(cls) not in ("leaf", "stream")


def children(value: Any) -> Iterator[tuple[object, Step]]:
    """The values that `value` holds in memory, each with a step: from the stored form of `value` to the child's own.

    A step raises LookupError where nothing is stored of the child.
    """
    kind = kind_of(value)
    if kind in ("model", "proxy"):
        fields = value.__dict__ if kind == "model" else decoded(value)
        declared = value.__class__.__pydantic_fields__
        for name, child in list(fields.items()):
            if name in declared:  # others are cached properties, of which nothing is stored
                yield child, attrgetter(name)
    elif kind in ("list", "tuple"):
        for at, child in enumerate(value):
            yield child, itemgetter(at)
    elif kind == "dict":
        for key, child in value.items():
            yield child, itemgetter(key)
    elif kind == "dataclass":
        for field in dataclasses.fields(value):
            if hasattr(value, field.name):
                yield getattr(value, field.name), attrgetter(field.name)
    elif kind == "collection":
        rows = value.rows
        yield from _table_rows(rows.table) if isinstance(rows, TableRows) else _span_rows(rows)


def _table_rows(table: Table) -> Iterator[tuple[object, Step]]:
    for piece in table.tree.loaded():
        if piece.rows is not None:
            for at, child in enumerate(piece.rows):
                yield child, _nothing if piece.keys is None else itemgetter(piece.keys[at])
        elif isinstance(piece.ref, Reference) and table.held.get(piece.ref.offset):
            for row, child in list(table.held[piece.ref.offset].items()):
                if piece.start <= row < piece.start + piece.length:
                    yield child, partial(_row, table, piece, row)


def _span_rows(rows: SpanRows) -> Iterator[tuple[object, Step]]:
    keys = rows.all_keys() if isinstance(rows, SpanPairs) else range(len(rows))
    for place, child in rows.places_in_memory():
        yield child, itemgetter(keys[place])


def _row(table: Table, piece: Piece, row: int, _: object) -> object:
    return table.group(piece).items.read(row, row + 1)[0]


def _nothing(_: object) -> object:
    raise LookupError("the row was put there since the last commit")


def walk(value: object) -> Iterator[object]:
    """`value` and every model, collection and container in memory below it, each once."""
    stack = [value]
    seen: dict[int, object] = {}
    while stack:
        each = stack.pop()
        if type(each) in ATOMIC or id(each) in seen or kind_of(each) == "leaf":
            continue
        seen[id(each)] = each
        yield each
        stack.extend(child for child, _ in children(each))


def path_to(value: object, target: object) -> list[Step] | None:
    """The steps that lead from the stored form of `value` to that of `target`; None where it is not below."""
    stack: list[tuple[object, list[Step]]] = [(value, [])]
    seen: dict[int, object] = {}
    while stack:
        each, steps = stack.pop()
        if each is target:
            return steps
        if type(each) in ATOMIC or id(each) in seen or kind_of(each) == "leaf":
            continue
        seen[id(each)] = each
        stack.extend((child, [*steps, step]) for child, step in children(each))
    return None


def name_of_place(objects: Iterable[object], target: object) -> str:
    """Where `target` lies below one of `objects`, for a message: `World.players['Hero'].items`."""
    for each in objects:
        steps = path_to(each, target)
        if steps is not None:
            return type(each).__qualname__ + "".join(map(_name_of_step, steps))
    return "an object"


def _name_of_step(step: Step) -> str:
    if isinstance(step, attrgetter):
        return f".{step.__reduce__()[1][0]}"
    return f"[{step.__reduce__()[1][0]!r:.40}]" if isinstance(step, itemgetter) else "[...]"
