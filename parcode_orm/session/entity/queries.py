"""Statements over entities: where their rows are, and which of them keys and indexes find."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from enum import Enum
from functools import partial
from itertools import islice, product
from math import prod
from types import NoneType
from typing import Any, NamedTuple, TypeVar

from ...errors import UnsupportedTypeError
from ...lazy.map import LazyMap
from ...model.entities import UNORDERED, by, order_of, runs_of
from ...query.expressions import Expression
from ...query.given import Entities, is_entity_class
from ...query.kinds import present
from ...query.nodes import Field, Item, Literal, Logical, Operation
from ...storage.spill import is_spilled
from ..unit_of_work import UnitOfWork
from .changes import delete, expunge
from .indexes import Range, count, keys_in
from .tables import entities, find_table, in_memory, is_hashable, keys_of, stored_rows, table_in

FEW = 1000  # rows that are looked up one by one
SHARE = 16  # and no more than one of so many
_DAY = timedelta(days=1)
_TURNED = {"==": "==", "<": ">", "<=": ">=", ">": "<", ">=": "<="}

S = TypeVar("S")


def bound(work: UnitOfWork, statement: S) -> S:
    """A statement over a class of entities, given the entities of a session."""
    given: Any = statement
    cls = given._source
    if cls is None:
        cls = next((found for each in given._expressions() for found in _classes(each)), None)
    if is_entity_class(cls):
        found: S = replace(given, _source=StoredEntities(work, cls))
        return found
    return statement


def _classes(expression: Expression[Any]) -> Iterator[Any]:
    """The classes whose fields stand in an expression."""
    if isinstance(expression, Field | Item):
        yield expression._cls
    for part in expression._parts():
        yield from _classes(part)


class StoredEntities(Entities):
    """The entities of a class in a session, as a query takes them."""

    def __init__(self, work: UnitOfWork, cls: type[Any]) -> None:
        self.cls = cls
        self._work = work
        self._root = find_table(work, cls)
        self.rows: Mapping[Any, Any] = {} if self._root is None else entities(self._root)

    def __delitem__(self, key: Any) -> None:
        obj = self.rows[key]
        root = self._root
        assert root is not None
        (delete if key in stored_rows(self._work, root) else expunge)(self._work, obj)

    def narrowed(self, where: Sequence[Expression[bool]]) -> tuple[Collection[Any], str] | None:
        """Keys among which are those of all entities that fulfil the conditions, and how they were found."""
        rows = self.rows
        if not isinstance(rows, LazyMap):
            return None
        if any(piece.ref is not None and is_spilled(piece.ref) for piece in table_in(rows).tree.loaded()):
            return None  # no index has them yet
        keys = keys_of(self.cls)
        most = min(FEW, len(rows) // SHARE)
        ways = [way for way in self._ways(_ranges(self.cls, where)) if way.most <= most]
        if not ways:
            return None
        best = min(ways, key=lambda way: way.most)
        changed = [key for key, _ in islice(in_memory(rows, (*keys.fields, *keys.unique, *keys.indexed)), most + 1)]
        if len(changed) > most:
            return None
        memory = f", and {len(changed):,} in memory" if changed else ""
        return {*best.keys(), *changed}, f"by {best.name}{memory}"

    def _ways(self, asked: dict[str, list[Range]]) -> Iterator[_Way]:
        """What finds entities of which a field lies in the ranges that are asked for."""
        assert self._root is not None
        keys, table = keys_of(self.cls), self._root.obj
        exact = {name: [each.low for each in ranges] for name, ranges in asked.items() if all(map(_is_one, ranges))}
        exact = {name: values for name, values in exact.items() if all(map(is_hashable, values))}
        if all(name in exact for name in keys.fields):
            yield _Way("key", prod(len(exact[name]) for name in keys.fields), partial(_keys, keys.fields, exact))
        for name in keys.unique:
            if name in exact:
                index = getattr(table, by(name))
                found = partial(filter, _is_there, (index.get(value) for value in exact[name]))
                yield _Way(f"the index of {name}", len(exact[name]), found)
        for name in keys.indexed:
            if name in asked:
                runs, order = getattr(table, runs_of(name)), order_of(self.cls, name)
                with suppress(*UNORDERED):
                    if _mixes_zones(runs, asked[name], order):
                        continue
                    ranges = list(map(_widened, asked[name]))
                    most = count(runs, ranges, order)
                    yield _Way(f"the index of {name}", most, partial(keys_in, runs, ranges, order))


class _Way(NamedTuple):
    """A way to find entities: its name, how many it finds at most, and their keys."""

    name: str
    most: int
    keys: Callable[[], Iterable[Any]]


def _mixes_zones(runs: Iterable[Any], ranges: list[Range], order: Callable[[Any], Any]) -> bool:
    """Whether times with and without a time zone would be compared, which the scan refuses."""
    bounds = [order(each) for asked in ranges if not _is_one(asked) for each in asked[:2] if each is not None]
    if not any(isinstance(each, tuple) for each in bounds):
        return False
    ends = [order(run.entries[at][0]) for run in runs if len(run.entries) for at in (0, -1)]
    return len({each[0] for each in (*bounds, *ends)}) > 1


def _is_one(asked: Range) -> bool:
    return asked.low is not None and asked.low is asked.high


def _is_there(key: Any) -> bool:
    return key is not None


def _keys(fields: tuple[str, ...], exact: dict[str, list[Any]]) -> Iterable[Any]:
    return exact[fields[0]] if len(fields) == 1 else product(*(exact[name] for name in fields))


def _ranges(cls: type[Any], where: Sequence[Expression[bool]]) -> dict[str, list[Range]]:
    """The ranges in which the conditions want fields to be; of several conditions for a field, the narrowest."""
    found: dict[str, list[Range]] = {}
    for name, ranges in _conditions(where):
        if _is_enum(cls, name) and not all(map(_is_one, ranges)):
            continue  # members stand by name in an index
        known = found.get(name)
        if known is not None and len(known) == len(ranges) == 1:
            with suppress(*UNORDERED, UnsupportedTypeError):
                ranges = [_both(known[0], ranges[0], order_of(cls, name))]
        elif known is not None and len(known) <= len(ranges):
            continue
        found[name] = ranges
    return found


def _widened(asked: Range) -> Range:
    """Times in one zone compare by its clock, which is set by a day at most; an index has them by the moment."""
    low, high = asked.low, asked.high
    if not any(isinstance(each, datetime) and not isinstance(each.tzinfo, NoneType | timezone) for each in (low, high)):
        return asked
    return Range(None if low is None else low - _DAY, None if high is None else high + _DAY)


def _is_enum(cls: Any, name: str) -> bool:
    kind = present(cls.__pydantic_fields__[name].annotation)
    return isinstance(kind, type) and issubclass(kind, Enum)


def _conditions(where: Sequence[Expression[bool]]) -> Iterator[tuple[str, list[Range]]]:
    for condition in where:
        if isinstance(condition, Logical) and condition._operator == "and":
            yield from _conditions(condition._args)
        elif isinstance(condition, Operation):
            yield from _condition(condition)


def _condition(condition: Operation[Any]) -> Iterator[tuple[str, list[Range]]]:
    operator = condition._operator
    if operator not in (*_TURNED, "in", "startswith"):
        return
    one, other = condition._args
    if isinstance(one, Literal) and operator in _TURNED:
        one, other, operator = other, one, _TURNED[operator]
    if not isinstance(one, Field) or len(one._path) != 1 or not isinstance(other, Literal):
        return
    (name,), value = one._path, other._value
    values = list(value) if operator == "in" else [value]
    if any(each is None for each in values):  # no index has it
        return
    if operator in ("==", "in"):
        yield name, [Range(each, each) for each in values]
    elif operator == "startswith":
        if isinstance(value, str) and value and ord(value[-1]) < 0x10FFFF:
            yield name, [Range(value, value[:-1] + chr(ord(value[-1]) + 1), high_open=True)]
    elif operator in (">", ">="):
        yield name, [Range(value, None, low_open=operator == ">")]
    else:
        yield name, [Range(None, value, high_open=operator == "<")]


def _both(one: Range, other: Range, order: Callable[[Any], Any]) -> Range:
    """Values that lie in both of two ranges."""
    lows = [each for each in (one, other) if each.low is not None]
    highs = [each for each in (one, other) if each.high is not None]
    low = max(lows, key=lambda each: (order(each.low), each.low_open), default=one)
    high = min(highs, key=lambda each: (order(each.high), not each.high_open), default=one)
    return Range(low.low, high.high, low.low_open, high.high_open)
