"""Models and what is like them: one child a field, then what the struct's `param` says follows.

The children after the fields, each only if its bit stands in `param`: which fields were set (SETS), which are missing
(MISSING), extras (EXTRA), private attributes (PRIVATE, a STRUCT of its own).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import attrgetter
from types import NoneType
from typing import Any

from pydantic import BaseModel
from typing_extensions import is_typeddict

from ...errors import EncodeError
from ...format.chunk import Chunk, Encoder
from ...format.layout import Encoding, Node
from ...stack import carried, is_deep, on_fresh_stack
from .. import kernels, trail
from ..base import Column, Space, View, is_lazy
from ..cycles import MAX_NESTED, deep_error, get_dict
from ..views.struct import EXTRA, MISSING, NAMES, OTHERS, PRIVATE, SETS, UNDECLARED, StructView
from .mixed import Mixed
from .mixed_rows import write_mixed
from .physical import Gappy, Physical, gappy, write_gaps, write_named, write_packed
from .rows import FEW_RECURSIVE, RowsView, Ways, few_of, write_rows
from .undeclared import undeclared_of

STEP = 8  # models inside each other from one look at the stack to the next

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
    ways: Any = None  # a FieldWays, for values that a field's column does not take


class _Path(threading.local):
    def __init__(self) -> None:
        self.levels: list[Sequence[Any]] = []
        self.asked: set[Any] = set()


# The values of the structs that are being encoded, from the outermost inwards; columns that are asked if they are lazy.
_path = _Path()
carried(_path)


class _TooDeep(Exception):
    """Nested beyond `MAX_NESTED`; the outermost struct finds out whether the values are a cycle."""


class StructColumn(Physical):
    """Objects of one class. May be built before its fields are known: `fields = [...]` completes it."""

    __slots__ = (
        "plan",
        "exact",
        "expected",
        "pydantic",
        "_private",
        "_lazy",
        "_few",
        "_ways",
        "_builder",
        "_places",
        "_all_names",
    )
    encodings = frozenset({Encoding.STRUCT, Encoding.POLY, Encoding.ROWS})
    mixes = True

    def __init__(self, plan: StructPlan) -> None:
        self.plan = plan
        self.exact = frozenset({plan.exact or (dict if is_typeddict(plan.cls) else plan.cls)})
        self.expected = plan.name
        self.pydantic = issubclass(plan.cls, BaseModel)
        self._private: StructColumn | None = None
        self._lazy: bool | None = None
        self._few: int | None = None
        self._ways: Ways | None = None
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
        self._lazy = self._few = self._ways = self._builder = self._places = self._all_names = None

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
            if self in asked:  # it is asked already, or was without a result: whoever asked first will know
                return False
            first = not asked
            asked.add(self)
            try:
                found = on_fresh_stack(self._holds_lazy) if is_deep() else self._holds_lazy()
                if found:
                    self._lazy = True
                elif first:  # nothing that can be reached is lazy
                    for column in asked:
                        column._lazy = False
            finally:
                if first:
                    _path.asked = set()
            return found
        return self._lazy

    def _holds_lazy(self) -> bool:
        return any(is_lazy(column) for _, column in self.fields)

    @property
    def few(self) -> int:
        """Up to how many rows take less room as rows than as columns."""
        if self._few is None:
            self._few = few_of(self) if self.plan.kind == "plain" else 0
        return self._few

    @property
    def ways(self) -> Ways:
        """How rows of this struct are written and read."""
        if self._ways is None:
            self._ways = Ways(self)
        return self._ways

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
            from ..views.build import Builder

            self._builder = Builder(self)
        return self._builder

    # -- writing ----------------------------------------------------------------------------------------------------

    def encode(self, values: Any, out: Encoder) -> None:
        if not len(values):
            out.leaf(Encoding.EMPTY, 0)
            return
        levels = _path.levels
        depth = len(levels)
        if depth >= MAX_NESTED:
            raise _TooDeep
        if depth % STEP == 0 and is_deep():
            on_fresh_stack(lambda: self._encode(values, out, levels, depth))
        else:
            self._encode(values, out, levels, depth)

    def _encode(self, values: Any, out: Encoder, levels: list[Sequence[Any]], depth: int) -> None:
        here = values if type(values) is not Mixed else values.in_memory()
        levels.append(here)
        try:
            if type(values) is Mixed:
                write_mixed(self, values, out)
            else:
                self.encode_here(values, out)
        except EncodeError as problem:
            problem.model = self.plan.name
            raise
        except (_TooDeep, RecursionError) as problem:
            if depth:
                raise
            raise deep_error(here, self.plan.name, isinstance(problem, _TooDeep)) from None
        finally:
            del levels[depth:]

    def encode_here(self, values: Sequence[Any], out: Encoder) -> None:
        """Append `values`, at least one, on the level of the innermost struct that is being encoded: this one."""
        if (types := set(map(type, values))) == self.exact:
            few = len(values) <= FEW_RECURSIVE and len(values) <= self.few
            if not (few and write_rows(self, values, out, len(_path.levels) - 1)):
                self.write_rows(values, self.dicts(values), out)
        elif NoneType in types:
            write_gaps(self, values, out)
        else:
            self.odd(values, types, out)

    def encode_arm(self, values: Sequence[Any], out: Encoder) -> None:
        """Append `values`, all of exactly this class, which stand in a column of a base class: on its level."""
        if not values:
            out.leaf(Encoding.EMPTY, 0)
        elif set(map(type, values)) == self.exact:
            self.write_rows(values, self.dicts(values), out)
        else:
            self.odd(values, set(map(type, values)), out)

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        (exact,) = self.exact
        classes = {value.__class__ for value in values}  # a proxy names the class that it stands for
        if classes == {exact}:
            write_mixed(self, Mixed([list(values)]), out)
            return
        for row, value in enumerate(values):
            if not isinstance(value, exact):
                raise trail.misfit(values, row, self.expected)
        if self.plan.cls is not exact:  # subclasses of dict where a TypedDict belongs
            write_packed(values, out)
            return
        from .poly import write_poly

        write_poly(self, values, out)

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        self.write_rows(values, self.dicts(values), out)

    def dicts(self, values: Sequence[Any]) -> Sequence[dict[str, Any]]:
        """The fields of `values`, all exactly of this class."""
        if self.plan.extract is not None:
            return self.plan.extract(values)
        if dict in self.exact:
            return values
        return list(map(get_dict, values)) if self.pydantic else [value.__dict__ for value in values]

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
            mark = out.mark()
            found = columns.pop()
            try:
                if name in missing:
                    found = Gappy(found, missing[name])
                column.encode(found, out)
            except EncodeError as problem:
                if self.plan.ways is None:
                    raise trail.below(problem, name, trail.row_of(problem)) from None
                out.back(mark)
                self.plan.ways.write(name, column, values or dicts, found, out, problem)
        sets = list(map(_sets, values)) if self.pydantic else []
        rest = self.pydantic or missing or self.plan.others is not None
        out.entries[node][5] = self.write_rest(values, sets, len(dicts), missing, out, dicts) if rest else 0
        out.close(node)

    def write_rest(
        self,
        values: Sequence[Any],
        sets: Sequence[Any],
        count: int,
        missing: dict[str, set[int]],
        out: Encoder,
        dicts: Sequence[dict[str, Any]] | None = None,
    ) -> int:
        """Append what follows the fields of `count` rows; returns what of it is there.

        `sets` are the names of the fields that were set; there are none but of Pydantic's models. `dicts` are the
        dictionaries of `values`, where these are plain objects.
        """
        bits = 0
        if sets and sets.count(self.all_names) < len(sets):
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
            write_named(self.plan.extra or OTHERS, gappy(extras), out)
        if self.pydantic and self.plan.privates:
            privates = list(map(_privates, values))
            if any(private is not None for private in privates):
                bits |= PRIVATE
                write_named(self.private_column, [private or {} for private in privates], out)
        if self.pydantic:
            if attributes := undeclared_of(values, dicts, bool(missing)):
                bits |= UNDECLARED
                write_named(OTHERS, gappy(attributes), out)
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
        if node.encoding == Encoding.ROWS:
            return RowsView(self, chunk, at, node)
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


def _all_extras(values: Sequence[Any]) -> list[dict[str, Any] | None]:
    return list(map(_extras, values)) if any(map(_extras, values)) else []


@contextmanager
def outermost() -> Iterator[None]:
    """What is encoded here stands in nothing else. An interrupt may have left values of an earlier encoding."""
    before, _path.levels = _path.levels, []
    try:
        yield
    finally:
        _path.levels = before


def being_encoded() -> set[int]:
    """The ids of the objects that are being encoded, and of those beside them in their columns."""
    return {id(value) for level in _path.levels for value in level}
