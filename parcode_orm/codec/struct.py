"""Models and what is like them: one child a field, then what the struct's `param` says follows.

The children after the fields, each only if its bit stands in `param`: which fields were set (SETS), which are missing
(MISSING), extras (EXTRA), private attributes (PRIVATE, a STRUCT of its own).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from types import NoneType
from typing import Any

from pydantic import BaseModel
from typing_extensions import is_typeddict

from ..errors import CyclicGraphError, EncodeError
from ..format.chunk import Chunk, Encoder
from ..format.layout import Encoding, Node
from . import kernels, trail
from .base import Column, Space, View
from .caller import in_caller
from .containers import is_lazy
from .marks import is_lazy_collection
from .physical import Physical, write_optional
from .structview import EXTRA, MISSING, NAMES, OTHERS, PRIVATE, SETS, StructView

MAX_COLUMNS_DEEP = 200

get_dict: Callable[[Any], dict[str, Any]] = BaseModel.__dict__["__dict__"].__get__
_sets = attrgetter("__pydantic_fields_set__")
_extras = attrgetter("__pydantic_extra__")
_privates = attrgetter("__pydantic_private__")


@dataclass(slots=True)
class StructPlan:
    """What a struct column needs to know of a class.

    `kind` is "model" (a Model: `get` gives proxies) or "plain". `extract` gives the field dictionaries of objects, by
    default their `__dict__`; `build` makes objects of dictionaries, by default models without validation. `others`
    gives what objects hold beside their fields, by default extra values, stored in the column `extra`. `exact` is the
    type of the values where it is not `cls` (a TypedDict's are dicts).
    """

    cls: type
    name: str
    fields: list[tuple[str, Column]]
    kind: str = "model"
    extract: Callable[[Sequence[Any]], list[dict[str, Any]]] | None = None
    build: Callable[[list[dict[str, Any]]], list[Any]] | None = None
    privates: list[tuple[str, Column]] = field(default_factory=list)
    extra: Column | None = None
    others: Callable[[Sequence[Any]], list[dict[str, Any] | None]] | None = None
    exact: type | None = None


class _Path(threading.local):
    def __init__(self) -> None:
        self.levels: list[Sequence[Any]] = []
        self.asked: set[StructColumn] = set()


# The values of the structs that are being encoded, from the outermost inwards; columns that are asked if they are lazy.
_path = _Path()


class _TooDeep(Exception):
    """Nested beyond `MAX_COLUMNS_DEEP`; the outermost struct finds out whether the values are a cycle."""


class StructColumn(Physical):
    """Objects of one class. May be built before its fields are known: `fields = [...]` completes it."""

    __slots__ = ("plan", "exact", "expected", "pydantic", "_private", "_lazy", "_builder", "_places", "_all_names")
    encodings = frozenset({Encoding.STRUCT, Encoding.POLY})

    def __init__(self, plan: StructPlan) -> None:
        self.plan = plan
        self.exact = frozenset({plan.exact or (dict if is_typeddict(plan.cls) else plan.cls)})
        self.expected = plan.name
        self.pydantic = issubclass(plan.cls, BaseModel)
        self._private: StructColumn | None = None
        self._lazy: bool | None = None
        self._builder: Any = None
        self._places: dict[str, tuple[int, Column]] | None = None
        self._all_names: set[str] | None = None

    @property
    def fields(self) -> list[tuple[str, Column]]:
        """Names and columns of the fields, in order."""
        return self.plan.fields

    @fields.setter
    def fields(self, fields: list[tuple[str, Column]]) -> None:
        self.plan.fields = fields
        self._lazy = self._builder = self._places = self._all_names = None

    @property
    def places(self) -> dict[str, tuple[int, Column]]:
        """Of each field which child of a node it is, and its column."""
        if self._places is None:
            self._places = {name: (i, column) for i, (name, column) in enumerate(self.plan.fields)}
        return self._places

    @property
    def lazy(self) -> bool:
        if self.plan.kind == "model":
            return True
        if self._lazy is None:
            asked = _path.asked
            if self in asked:  # a class that holds itself
                return False
            asked.add(self)
            try:
                found = any(is_lazy(column) for _, column in self.fields)
            finally:
                asked.discard(self)
            if asked and not found:  # as far as is known before those that were asked first are done
                return False
            self._lazy = found
        return self._lazy

    @property
    def private_column(self) -> StructColumn:
        """The column of the private attributes, dictionaries of those that are set."""
        if self._private is None:
            from .privates import PrivateColumn

            self._private = PrivateColumn(self.plan)
        return self._private

    @property
    def builder(self) -> Any:
        """Makes plain objects of read columns."""
        if self._builder is None:
            from .build import Builder

            self._builder = Builder(self)
        return self._builder

    # -- writing ----------------------------------------------------------------------------------------------------

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        levels = _path.levels
        depth = len(levels)
        if depth * 2 >= MAX_COLUMNS_DEEP:
            raise _TooDeep
        levels.append(values)
        try:  # no call that could be spared: every level of a deep model takes its frames
            if not values:
                out.leaf(Encoding.EMPTY, 0)
            elif (types := set(map(type, values))) == self.exact:
                self.write_rows(values, self._dicts(values), out)
            elif NoneType in types:
                write_optional(self, values, out)
            else:
                self.odd(values, types, out)
        except EncodeError as problem:
            problem.model = self.plan.name
            raise
        except (_TooDeep, RecursionError):
            if depth:
                raise _TooDeep from None
            raise _deep_error(values, self.plan.name) from None
        finally:
            levels.pop()

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        (exact,) = self.exact
        classes = {value.__class__ for value in values}  # a proxy names the class that it stands for
        if classes == {exact}:
            in_caller(lambda: self.write_rows(values, [_fields_of(value) for value in values], out))
            return
        for row, value in enumerate(values):
            if not isinstance(value, exact):
                raise trail.misfit(values, row, self.expected)
        if self.plan.cls is not exact:  # subclasses of dict where a TypedDict belongs
            self.write_rows(values, [dict(value) for value in values], out)
            return
        from .poly import write_poly

        write_poly(self, values, out)

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        self.write_rows(values, self._dicts(values), out)

    def _dicts(self, values: Sequence[Any]) -> Sequence[dict[str, Any]]:
        """The fields of `values`, all exactly of this class."""
        if self.plan.extract is not None:
            return self.plan.extract(values)
        if dict in self.exact:
            return values
        return list(map(get_dict, values)) if self.pydantic else _plain_dicts(values)

    def write_rows(self, values: Sequence[Any], dicts: Sequence[dict[str, Any]], out: Encoder) -> None:
        """Append a STRUCT of `values` whose fields stand in `dicts`."""
        fields = self.plan.fields
        names = list(self.places)
        missing: dict[str, set[int]] = {}
        try:
            columns = kernels.columns_of(dicts, names)
        except KeyError:
            columns = [[row.get(name) for row in dicts] for name in names]
            gaps = ((name, {i for i, row in enumerate(dicts) if name not in row}) for name in names)
            missing = {name: rows for name, rows in gaps if rows}
        node = out.open(Encoding.STRUCT, len(dicts))
        columns.reverse()
        for name, column in fields:
            try:
                column.encode(columns.pop(), out)
            except EncodeError as problem:
                raise trail.below(problem, name, trail.row_of(problem)) from None
        more = self.pydantic or missing or self.plan.others is not None
        out.entries[node][5] = self.write_rest(values, len(dicts), missing, out) if more else 0
        out.close(node)

    def write_rest(self, values: Sequence[Any], count: int, missing: dict[str, set[int]], out: Encoder) -> int:
        """Append what follows the fields of `count` rows; returns what of it is there."""
        bits = 0
        if self.pydantic:
            sets = list(map(_sets, values))
            if sets.count(self.all_names) < len(sets):
                bits |= SETS
                write_names(sets, out)
        if missing:
            bits |= MISSING
            rows: list[set[str]] = [set() for _ in range(count)]
            for name, where in missing.items():
                for row in where:
                    rows[row].add(name)
            write_names(rows, out)
        others = self.plan.others or (_all_extras if self.pydantic else None)
        if others is not None and any(extras := others(values)):
            bits |= EXTRA
            write_named(self.plan.extra or OTHERS, extras, out)
        if self.pydantic and self.plan.privates:
            privates = list(map(_privates, values))
            if any(private is not None for private in privates):
                bits |= PRIVATE
                write_named(self.private_column, [private or {} for private in privates], out)
        return bits

    @property
    def all_names(self) -> set[str]:
        """The names of all fields."""
        if self._all_names is None:
            self._all_names = set(self.places)
        return self._all_names

    # -- reading ----------------------------------------------------------------------------------------------------

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        if node.encoding == Encoding.POLY:
            from .poly import open_poly

            return open_poly(self, chunk, at, space, node)
        return StructView(self, chunk, at, space, node)

    def describe(self) -> Any:
        plan = self.plan
        found: dict[str, Any] = {"struct": plan.name, "kind": plan.kind}
        found["fields"] = [[name, column.describe()] for name, column in plan.fields]
        if plan.privates:
            found["privates"] = [[name, column.describe()] for name, column in plan.privates]
        if plan.extra is not None:
            found["extra"] = plan.extra.describe()
        return found


def write_names(sets: Sequence[Any], out: Encoder) -> None:
    """Append one set of names a value: the distinct ones sorted within, in order of appearance, and codes."""
    frozen = list(map(frozenset, sets))
    known = list(dict.fromkeys(frozen))
    names = [tuple(sorted(one)) for one in known]
    if len(known) == 1:
        node = out.open(Encoding.CONSTANT, len(frozen))
        NAMES.encode(names, out)
    else:
        node = out.open(Encoding.DICTIONARY, len(frozen))
        data = kernels.codes(frozen, known)
        out.leaf(Encoding.INT, len(frozen), data, width=len(data) // len(frozen))
        NAMES.encode(names, out)
    out.close(node)


def write_named(column: Column, values: Sequence[Any], out: Encoder) -> None:
    """Append `values`, one a row, to `out`."""
    try:
        column.encode(values, out)
    except EncodeError as problem:
        raise trail.at(problem, trail.row_of(problem)) from None


def _fields_of(value: Any) -> dict[str, Any]:
    """The fields of a plain object or a proxy; a proxy gives `Unread` for what need not be read to be written again."""
    cls: Any = type(value)
    fields_to_store = _to_store(cls)
    found: dict[str, Any] = value.__dict__ if fields_to_store is None else fields_to_store(value)
    return found


@lru_cache(1024)
def _to_store(cls: Any) -> Callable[[Any], dict[str, Any]] | None:
    return getattr(cls, "_p_fields_to_store_", None)  # Pydantic's metaclass takes long to say that there is none


def _all_extras(values: Sequence[Any]) -> list[dict[str, Any] | None]:
    return list(map(_extras, values)) if any(map(_extras, values)) else []


def _plain_dicts(values: Sequence[Any]) -> list[dict[str, Any]]:
    return [value.__dict__ for value in values]


def levels() -> list[Sequence[Any]]:
    """The values of the structs that this thread is encoding, from the outermost inwards."""
    return list(_path.levels)


@contextmanager
def within(outer: list[Sequence[Any]]) -> Iterator[None]:
    """What is encoded here stands below `outer`, which another thread is encoding."""
    before, _path.levels = _path.levels, outer
    try:
        yield
    finally:
        _path.levels = before


# -- cycles ---------------------------------------------------------------------------------------------------------


def being_encoded() -> set[int]:
    """The ids of the objects that are being encoded, and of those beside them in their columns."""
    return {id(value) for level in _path.levels for value in level}


def _deep_error(values: Sequence[Any], name: str) -> EncodeError:
    found = ((row, value, find_cycle(value, part)) for part in (_declared, _parts) for row, value in enumerate(values))
    for row, value, path in found:
        if path is not None:
            message = "the object holds itself below; what is stored inline must be a tree"
            problem: EncodeError = CyclicGraphError(message, model=name, path=path, value_type=type(value))
            return trail.at(problem, row)
    return EncodeError(f"nested deeper than {MAX_COLUMNS_DEEP} levels of columns", model=name)


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
