"""Models and what is like them: one child a field, then what the struct's `param` says follows.

The children after the fields, each only if its bit stands in `param`: which fields were set (SETS),
which are missing (MISSING), extras (EXTRA), private attributes (PRIVATE, a STRUCT of its own).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from operator import attrgetter
from types import NoneType
from typing import Any

from pydantic import BaseModel, RootModel
from typing_extensions import is_typeddict

from ...errors import EncodeError
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding, Node
from ...stack import carried, is_deep, on_fresh_stack
from .. import kernels, trail
from ..apart import all_set, columns_of, models_apart, types_of
from ..base import Space, View, is_lazy
from ..cycles import MAX_NESTED, deep_error
from ..structs import EXTRA, MISSING, PRIVATE, SETS, UNDECLARED, Struct, StructPlan
from ..views.boundary import Marked, hands_out
from ..views.build import Builder
from ..views.nodes import open_child
from ..views.struct import StructView
from .containers import ListColumn, MapColumn
from .lenient import FIELD, view_mixed
from .mixed import Mixed
from .mixed_rows import stands_for, write_mixed
from .packed import PackedColumn
from .physical import Gappy, Physical, gappy, write_gaps, write_named, write_packed
from .poly import open_poly, write_poly
from .rows import FEW_RECURSIVE, RowsView, Ways, few_of, write_rows
from .text import TextColumn
from .undeclared import undeclared_of

NAMES = ListColumn(TextColumn(), tuple)  # field sets: few distinct ones, each written once
# EXTRA, where the schema names no column for it; UNDECLARED.
OTHERS = MapColumn(TextColumn(), PackedColumn())
STEP = 8  # models inside each other from one look at the stack to the next

_sets = attrgetter("__pydantic_fields_set__")
_extras = attrgetter("__pydantic_extra__")
_privates = attrgetter("__pydantic_private__")


class _Path(threading.local):
    def __init__(self) -> None:
        self.levels: list[Sequence[Any]] = []
        self.asked: set[Any] = set()


# The values of the structs that are being encoded, from the outermost inwards; columns that are
# asked if they are lazy.
_path = _Path()
carried(_path)


class _TooDeep(Exception):
    """Nested beyond `MAX_NESTED`; the outermost struct finds out whether the values are a cycle."""


class StructColumn(Struct, Physical):
    """Objects of one class."""

    __slots__ = ("_lazy", "_lazy_names", "_lets_go", "_few", "_ways", "_builder")
    encodings = frozenset({Encoding.STRUCT, Encoding.POLY, Encoding.ROWS})
    mixes = True

    def forget(self) -> None:
        super().forget()
        self._lazy: bool | None = None
        self._lazy_names: list[str] | None = None
        self._lets_go: bool | None = None
        self._few: int | None = None
        self._ways: Ways | None = None
        self._builder: Builder | None = None

    @property
    def lazy(self) -> bool:
        if self.plan.kind == "model":
            return True
        if self._lazy is None:
            asked = _path.asked
            # It is asked already, or was without a result: whoever asked first will know.
            if self in asked:
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
    def lazy_names(self) -> list[str]:
        """The fields whose values are, or hold, lazy objects."""
        if self._lazy_names is None:
            self._lazy_names = [name for name, column in self.plan.fields if hands_out(column)]
        return self._lazy_names

    @property
    def lets_go(self) -> bool:
        """Whether a field is marked, or its values are, or hold, lazy objects."""
        if self._lets_go is None:
            self._lets_go = any(isinstance(column, Marked) or hands_out(column) for _, column in self.plan.fields)
        return self._lets_go

    @property
    def few(self) -> int:
        """Up to how many rows take less room as rows than as columns."""
        if self._few is None:
            self._few = few_of(self) if self.plan.kind == "plain" else 0
        return self._few

    @property
    def ways(self) -> Ways:
        if self._ways is None:
            self._ways = Ways(self)
        return self._ways

    @property
    def builder(self) -> Builder:
        if self._builder is None:
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
        few = len(values) <= FEW_RECURSIVE and len(values) <= self.few
        if not few and self._write_models(values, out):
            return
        if (types := types_of(values)) == self.exact:
            if not (few and write_rows(self, values, out, len(_path.levels) - 1)):
                self.write_rows(values, self.dicts(values), out)
        elif NoneType in types:
            write_gaps(self, values, out)
        else:
            self.odd(values, types, out)

    def encode_arm(self, values: Sequence[Any], out: Encoder) -> None:
        """Append `values` of exactly this class, on the level of their base class's column."""
        if not values:
            out.leaf(Encoding.EMPTY, 0)
        elif not self._write_models(values, out):
            if (types := types_of(values)) == self.exact:
                self.write_rows(values, self.dicts(values), out)
            else:
                self.odd(values, types, out)

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        (exact,) = self.exact
        if set(map(stands_for, types)) == self.exact:
            write_mixed(self, Mixed([list(values)]), out)
            return
        for row, value in enumerate(values):
            if not isinstance(value, exact):
                raise trail.misfit(values, row, self.expected)
        if self.plan.cls is not exact:  # subclasses of dict where a TypedDict belongs
            write_packed(values, out)
            return
        write_poly(self, values, out)

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        self.write_rows(values, self.dicts(values), out)

    def _write_models(self, values: Sequence[Any], out: Encoder) -> bool:
        """Append a STRUCT of models that are all exactly of this class and have all its fields; False for others."""
        plan = self.plan
        if not self.pydantic or plan.extract is not None or len(self.exact) != 1:
            return False
        cls: Any
        (cls,) = self.exact
        taken = models_apart(values, cls, self.names)
        if taken is None:
            return False
        columns, most = taken
        plain = plan.others is None and plan.private is None and most <= len(cls.__pydantic_fields__)
        node = out.open(Encoding.STRUCT, len(values))
        self._write_fields(values, None, columns, {}, out)
        if not (plain and all_set(values, self.all_names)):
            out.entries[node][5] = self.write_rest(values, list(map(_sets, values)), len(values), {}, out, most)
        out.close(node)
        return True

    def write_rows(self, values: Sequence[Any], dicts: Sequence[dict[str, Any]], out: Encoder) -> None:
        """Append a STRUCT of `values` whose fields stand in `dicts`."""
        names = self.names
        missing: dict[str, set[int]] = {}
        try:
            columns = columns_of(dicts, names)
        except KeyError:
            columns = [[row.get(name) for row in dicts] for name in names]
            gaps = ((name, {i for i, row in enumerate(dicts) if name not in row}) for name in names)
            missing = {name: rows for name, rows in gaps if rows}
        node = out.open(Encoding.STRUCT, len(dicts))
        self._write_fields(values, dicts, columns, missing, out)
        if self.pydantic or missing or self.plan.others is not None:
            sets = list(map(_sets, values)) if self.pydantic else []
            most = max(map(len, dicts))
            out.entries[node][5] = self.write_rest(values, sets, len(dicts), missing, out, most)
        out.close(node)

    def _write_fields(
        self,
        values: Sequence[Any],
        dicts: Sequence[dict[str, Any]] | None,
        columns: list[Sequence[Any]],
        missing: dict[str, set[int]],
        out: Encoder,
    ) -> None:
        """Append the fields of `values`, a child each; `columns` are taken from, so that they end with their use."""
        columns.reverse()
        for name, column in self.plan.fields:
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

    def write_rest(
        self,
        values: Sequence[Any],
        sets: Sequence[Any],
        count: int,
        missing: dict[str, set[int]],
        out: Encoder,
        most: int | None = None,
    ) -> int:
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
        if not values:
            return bits
        others = self.plan.others or (_all_extras if self.pydantic else None)
        if others is not None and any(extras := others(values)):
            bits |= EXTRA
            write_named(self.plan.extra or OTHERS, gappy(extras), out)
        if self.pydantic and self.plan.private is not None:
            privates = list(map(_privates, values))
            if any(private is not None for private in privates):
                bits |= PRIVATE
                write_named(self.plan.private, [private or {} for private in privates], out)
        if self.pydantic:
            if attributes := undeclared_of(values, most, bool(missing)):
                bits |= UNDECLARED
                write_named(OTHERS, gappy(attributes), out)
        return bits

    # -- reading ----------------------------------------------------------------------------------------------------

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        if node.encoding == Encoding.POLY:
            return open_poly(self, chunk, at, space, node)
        if node.encoding == Encoding.ROWS:
            return RowsView(self, chunk, at, node)
        return StructView(self, chunk, at, space, node)

    def open_field(self, name: str, chunk: Chunk, at: int, space: Space, count: int) -> View:
        column, ways = self.places[name][1], self.plan.ways
        if ways is not None and chunk.nodes[at].encoding == Encoding.MIXED:
            return view_mixed(column, ways.way(name), FIELD, chunk, at, space, count)
        return open_child(column, chunk, at, space, count)

    def open_part(self, bit: int, chunk: Chunk, at: int, space: Space, count: int) -> View:
        known = {SETS: NAMES, MISSING: NAMES, EXTRA: self.plan.extra, PRIVATE: self.plan.private}
        return open_child(known.get(bit) or OTHERS, chunk, at, space, count)

    def describe(self) -> Any:
        plan = self.plan
        found: dict[str, Any] = {"struct": plan.name, "kind": kind_of(plan), **plan.about}
        found["fields"] = [[name, column.describe()] for name, column in plan.fields]
        if plan.privates:
            found["privates"] = [[name, column.describe()] for name, column in plan.privates]
        if plan.extra is not None:
            found["extra"] = plan.extra.describe()
        return found


def kind_of(plan: StructPlan) -> str:
    """What a schema says a class is."""
    cls = plan.cls
    if issubclass(cls, BaseModel):
        return "model" if plan.kind == "model" else "root model" if issubclass(cls, RootModel) else "base model"
    if is_typeddict(cls):
        return "typed dict"
    return "named tuple" if issubclass(cls, tuple) else "dataclass"


def write_names(sets: Sequence[Any], out: Encoder) -> None:
    """Append a set of names for each value: distinct sets in order of appearance, and codes."""
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
    """Encode at the top level, even if an interrupt left values of an earlier encoding."""
    before, _path.levels = _path.levels, []
    try:
        yield
    finally:
        _path.levels = before


def being_encoded() -> set[int]:
    """The ids of the objects being encoded, and of their neighbours in their columns."""
    return {id(value) for level in _path.levels for value in level}
