"""Ordered indexes: which entities have which values in a field, as sorted runs.

A run holds entries (value, key, whether the entity has the value or lost it), sorted by value. A commit adds a run of
what changed, and merges it with runs of about its size, so that there are few; where an entity got a value and lost it
again, merging drops both entries. (A log-structured merge tree: O'Neil, Cheng, Gawlick, O'Neil, 1996.) Every 256th
value of a run stands in its `fences`, so that a lookup reads these and one row group of the run.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from itertools import chain
from typing import Any, NamedTuple, get_args
from uuid import UUID

from ...errors import UnsupportedTypeError
from ...lazy.list import LazyList
from ...model.base import Model, ModelMeta
from ...model.fields import Chunk
from ...model.keys import key_type

STEP = 256  # entries between two fences
_RUN_CLASSES = "_p_run_classes_"  # in the model's own `__dict__`, so that they live as long as the model
MAX_RUNS = 8
ORDERED = (int, float, str, bytes, date, datetime, time, timedelta, Decimal, Fraction, UUID)
Entry = tuple[Any, Any, bool]


class Run(Model):
    """A run of an index: its `entries`, sorted by value, and `fences`, the value of every 256th of them."""


def run_class(cls: Any, name: str) -> type[Run]:
    """The class of the runs of the index of a field of `cls`, made once.

    Raises:
        UnsupportedTypeError: the values of the field have no order.
    """
    known: dict[str, type[Run]] = cls.__dict__.get(_RUN_CLASSES, {})
    if name not in known:
        order_of(cls, name)
        setattr(cls, _RUN_CLASSES, {**known, name: _derived(cls, name)})
    found: type[Run] = cls.__dict__[_RUN_CLASSES][name]
    return found


def _derived(cls: Any, name: str) -> type[Run]:
    value, key = cls.__pydantic_fields__[name].annotation, key_type(cls)
    annotations = {"entries": list[tuple[value, key, bool]], "fences": list[value]}  # type: ignore[valid-type]
    body = {
        "__module__": cls.__module__,
        "__qualname__": f"{cls.__qualname__}.{name}",
        "__annotations__": annotations,
        "entries": Chunk(),
        "fences": Chunk(),
    }
    return ModelMeta(f"{cls.__name__}.{name}", (Run,), body)


def order_of(cls: type[Any], name: str) -> Callable[[Any], Any]:
    """What the values of an indexed field are ordered by.

    Raises:
        UnsupportedTypeError: they have no order.
    """
    annotation = cls.__pydantic_fields__[name].annotation
    types = [each for each in get_args(annotation) or (annotation,) if each is not type(None)]
    if len(types) == 1 and isinstance(types[0], type):
        if issubclass(types[0], Enum):
            return _value_of
        if issubclass(types[0], datetime):
            return _moment
        if issubclass(types[0], ORDERED):
            return _itself
    raise UnsupportedTypeError(
        f"{cls.__qualname__}.{name}: Index() is for numbers, text, bytes, dates, times, UUIDs and enums, which have an "
        f"order, not for {annotation}"
    )


def _itself(value: Any) -> Any:
    return value


def _value_of(member: Any) -> Any:
    return member.value


def _moment(value: datetime) -> tuple[bool, datetime]:
    return value.tzinfo is not None, value  # those with a time zone do not compare with those without


def add_run(runs: Any, cls: Any, name: str, changes: Iterable[tuple[Any, Any, Any]]) -> None:
    """Add a run to the index of the field `name` of `cls`.

    Args:
        runs: a list of the index's runs, plain or lazy, which is changed.
        cls: the class of the entities.
        name: the indexed field.
        changes: key, value before and value now of each entity that changed; None is no value.
    """
    entries: list[Entry] = []
    for key, was, now in changes:
        if was is not None and was == was:
            entries.append((was, key, False))
        if now is not None and now == now:
            entries.append((now, key, True))
    if not entries:
        return
    first = len(runs)
    size = len(entries)
    merged: list[Iterable[Entry]] = [entries]
    while first and (first >= MAX_RUNS or len(runs[first - 1].entries) <= 2 * size):
        first -= 1
        found = runs[first].entries
        size += len(found)
        merged.append(found.load() if isinstance(found, LazyList) else found)
    if len(merged) > 1:
        entries = _netted(chain.from_iterable(merged))
    order = order_of(cls, name)
    entries.sort(key=lambda entry: order(entry[0]))
    made: Any = run_class(cls, name)
    runs[first:] = [made(entries=entries, fences=[entry[0] for entry in entries[::STEP]])] if entries else []


def _netted(entries: Iterable[Entry]) -> list[Entry]:
    """The entries without those that take each other back."""
    counts: Counter[tuple[Any, Any]] = Counter()
    for value, key, has in entries:
        counts[value, key] += 1 if has else -1
    return [(value, key, count > 0) for (value, key), count in counts.items() if count]


class Range(NamedTuple):
    """Values from `low` to `high`, None for no bound; `low_open` and `high_open` leave the bound itself out."""

    low: Any
    high: Any
    low_open: bool = False
    high_open: bool = False


def count(runs: Iterable[Any], ranges: Iterable[Range], order: Callable[[Any], Any]) -> int:
    """At most how many entries lie in `ranges`, as the fences tell."""
    return sum(len(range(*_fenced(run, each, order))) for run in runs for each in ranges)


def keys_in(runs: Iterable[Any], ranges: list[Range], order: Callable[[Any], Any]) -> list[Any]:
    """The keys of the entities whose value lies in one of `ranges`, which do not overlap."""
    counts: Counter[tuple[Any, Any]] = Counter()
    for run in runs:
        for each in ranges:
            for value, key, has in _between(run, each, order):
                counts[value, key] += 1 if has else -1
    return [key for (_, key), count in counts.items() if count > 0]


def _fenced(run: Any, asked: Range, order: Callable[[Any], Any]) -> tuple[int, int]:
    """Entries of a run between which all of a range lie."""
    fences = run.fences
    start = 0 if asked.low is None else (bisect_left(fences, order(asked.low), key=order) - 1) * STEP
    stop = len(run.entries) if asked.high is None else bisect_right(fences, order(asked.high), key=order) * STEP
    return max(start, 0), min(stop, len(run.entries))


def _between(run: Any, asked: Range, order: Callable[[Any], Any]) -> Iterator[Entry]:
    start, stop = _fenced(run, asked, order)
    if start >= stop:
        return

    def by_value(entry: Entry) -> Any:
        return order(entry[0])

    entries = run.entries
    part: list[Entry] = entries.rows.read(start, stop) if isinstance(entries, LazyList) else entries[start:stop]
    first, last = 0, len(part)
    if asked.low is not None:
        first = (bisect_right if asked.low_open else bisect_left)(part, order(asked.low), key=by_value)
    if asked.high is not None:
        last = (bisect_left if asked.high_open else bisect_right)(part, order(asked.high), key=by_value)
    yield from part[first:last]
