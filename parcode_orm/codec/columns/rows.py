"""A few rows of a wide plain struct, each one MessagePack value: as small as its JSON.

As columns each field of each nested model takes a node of 80 bytes, whether the one row has a value
there or not. Here a row is an array, its fields by position, and what is nested in it stands in it.
Plain models are read whole anyway, so nothing of laziness is lost. What the array cannot say
exactly is `Unfit`, and written as columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import msgspec

from ...errors import CorruptionError, EncodeError, ParcodeError
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding, Node
from ...stack import room_for
from ..base import Column
from ..cycles import MAX_NESTED, get_dict
from ..structs import Struct
from ..views.nodes import BlocksView, read_blocks
from .fallback import CheckedColumn, FallbackColumn
from .lenient import LenientColumn
from .packed import PackedColumn
from .physical import write_blocks
from .row_values import ATOM_COLUMNS, KINDS, Get, Put, Unfit, get_of, only, put_of
from .scalars import NoneColumn
from .undeclared import undeclared_of
from .wrappers import OptionalColumn

WIDE = 24  # columns from which on a struct is stored so
FEW = 16  # rows up to which it is
# Rows up to which a struct that holds itself is, however wide: each level would multiply columns.
FEW_RECURSIVE = 256
DEEP = 40  # models inside each other in a row; deeper ones are columns
SETS, MISSING, EXTRA, SPARSE = 1, 2, 4, 8

_LEAVES = (*ATOM_COLUMNS, PackedColumn, CheckedColumn, FallbackColumn)

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder().decode


# -- which ------------------------------------------------------------------------------------------------------------


def below(column: Column) -> list[Column] | None:
    """The columns directly inside one; None for a column that rows do not know."""
    if type(column) in _LEAVES:
        return []
    if isinstance(column, Struct):
        known = column.plan.kind == "plain" and not column.plan.privates and bool(column.exact)
    else:
        known = type(column) in KINDS
    return list(column.parts()) if known else None


def few_of(column: Struct) -> int:
    """Up to how many rows of a struct are stored as rows; 0 unless it is wide or recursive.

    All inside it must be plain, and known here.
    """
    seen: dict[int, Column] = {}
    stack = below(column)
    recursive = False
    while stack:
        one = stack.pop()
        recursive = recursive or one is column
        if id(one) in seen:
            continue
        inner = below(one)
        if inner is None:
            return 0
        seen[id(one)] = one
        stack += inner
    if stack is None:
        return 0
    if recursive:
        return FEW_RECURSIVE
    return FEW if sum(type(one) in _LEAVES for one in _walk(column)) >= WIDE else 0


def _walk(column: Column) -> Iterator[Column]:
    """All columns inside `column`, each struct and its fields once."""
    seen: set[int] = set()
    stack = [column]
    while stack:
        one = stack.pop()
        if isinstance(one, Struct):
            if id(one) in seen:
                continue
            seen.add(id(one))
        yield one
        stack += below(one) or []


_NONE = (OptionalColumn, NoneColumn, PackedColumn, FallbackColumn, LenientColumn)  # that take None


# -- writing ----------------------------------------------------------------------------------------------------------


def write_rows(column: Struct, values: Sequence[Any], out: Encoder, depth: int) -> bool:
    """Append `values`, inside `depth` structs, as ROWS; False, and nothing, if one is unfit."""
    put = column.ways.put
    level = DEEP - min(DEEP, MAX_NESTED - depth)  # so that no row goes deeper than columns may
    try:
        parts = [_encode(put(value, level)) for value in values]
    except (Unfit, EncodeError, UnicodeEncodeError, OverflowError, RecursionError):
        return False
    write_blocks(Encoding.ROWS, parts, out)
    return True


class Ways:
    """How rows of a struct are written and read; the fields' functions are made when needed."""

    __slots__ = ("column", "names", "required", "_puts", "_gets")

    def __init__(self, column: Struct) -> None:
        self.column = column
        self.names = list(column.places)
        # The places of fields that are never None: a sparse row has all of them.
        self.required = {at for at, (_, each) in enumerate(column.fields) if type(each) not in _NONE}
        self._puts: list[Put] | None = None
        self._gets: list[Get] | None = None

    def put(self, value: Any, level: int) -> list[Any]:
        """A row: which parts follow, the fields, these parts. SPARSE: most fields are None."""
        column, names = self.column, self.names
        if level >= DEEP or (type(value) not in column.exact):
            raise Unfit
        if self._puts is None:
            self._puts = [put_of(inner) for _, inner in column.fields]
        if column.plan.others is not None and any(column.plan.others([value])):
            raise Unfit
        row = column.dicts([value])[0]
        level += 1
        puts = self._puts
        there = [at for at, name in enumerate(names) if row.get(name) is not None]
        # A row may have more than its fields: cached properties.
        missing = None if row.keys() >= column.all_names else [at for at, name in enumerate(names) if name not in row]
        if not missing and 2 * len(there) < len(names) and self.required.issubset(there):
            found = [SPARSE, there, *[puts[at](row[names[at]], level) for at in there]]
        else:
            parts = zip(names, puts, strict=True)
            found = [0, *[one(row[name], level) if name in row else None for name, one in parts]]
        if column.pydantic or missing:
            self._rest(value, found, missing, level)
        return found

    def _rest(self, value: Any, found: list[Any], missing: list[int] | None, level: int) -> None:
        column = self.column
        bits = found[0]
        if column.pydantic:
            if value.__pydantic_private__ or undeclared_of([value], len(get_dict(value)), bool(missing)):
                raise Unfit
            sets = value.__pydantic_fields_set__
            if sets != column.all_names:
                bits |= SETS
                found.append(_names(column, sets))
        if missing:
            bits |= MISSING
            found.append(missing)
        extra = value.__pydantic_extra__ if column.pydantic else None
        if extra:
            if column.plan.extra is None:
                raise Unfit
            bits |= EXTRA
            found.append(put_of(column.plan.extra)(extra, level))
        found[0] = bits

    def get(self, stored: Any) -> Any:
        """The object of a row."""
        column, names = self.column, self.names
        if self._gets is None:
            self._gets = [get_of(inner) for _, inner in column.fields]
        bits = only(only(stored, list)[0], int)
        there = only(stored[1], list) if bits & SPARSE else names
        count = len(there)
        if not 0 <= bits < 16 or len(stored) != 1 + count + bits.bit_count():
            raise CorruptionError(f"a row of {len(stored)} parts where {count + 1} and some belong")
        start = 2 if bits & SPARSE else 1
        after = iter(stored[start + count :])
        names_set = _set_of(column, next(after)) if bits & SETS else set(column.all_names)
        missing = set(only(next(after), list)) if bits & MISSING else ()
        if bits & SPARSE:
            gets = self._gets
            if not self.required.issubset(there):
                raise CorruptionError("a row without a field that is never None")
            row: dict[str, Any] = dict.fromkeys(names)
            for at, each in zip(there, stored[2 : count + 2], strict=True):
                row[names[at]] = gets[at](each)
            return self._object(row, names_set, bits, after)
        parts = zip(names, self._gets, stored[1 : count + 1], strict=True)
        if missing:
            row = {name: one(each) for at, (name, one, each) in enumerate(parts) if at not in missing}
        else:
            row = {name: one(each) for name, one, each in parts}
        return self._object(row, names_set, bits, after)

    def _object(self, row: dict[str, Any], names_set: set[str], bits: int, after: Iterator[Any]) -> Any:
        column = self.column
        if not column.pydantic:
            return column.builder.objects([row], None, None, None)[0]
        extra = None
        if bits & EXTRA:
            if column.plan.extra is None:
                raise CorruptionError("extra values of a class that has none")
            extra = get_of(column.plan.extra)(next(after))
        return column.builder.one(row, names_set, extra)


def _names(column: Struct, names: set[str]) -> list[Any]:
    """Names of fields by position, others as they are."""
    places = column.places
    return sorted(places[name][0] for name in names if name in places) + sorted(names - places.keys())


def _set_of(column: Struct, names: Any) -> set[str]:
    fields = column.plan.fields
    return {fields[name][0] if type(name) is int and name >= 0 else only(name, str) for name in only(names, list)}


class HasWays(Protocol):
    """A column of structs, of today's or of an older schema."""

    @property
    def ways(self) -> Ways:
        """How single rows are written and read."""


class RowsView(BlocksView):
    """Rows of a struct, each decoded when it is asked for."""

    __slots__ = ("column",)

    def __init__(self, column: HasWays, chunk: Chunk, at: int, node: Node) -> None:
        super().__init__(*read_blocks(chunk, at, node), chunk, at)
        self.column = column

    def get(self, i: int) -> Any:
        return self._row(self.block(i))

    def read(self, start: int, stop: int) -> list[Any]:
        return list(map(self._row, self.blocks(start, stop)))

    def _row(self, data: Any) -> Any:
        get = self.column.ways.get
        try:
            try:
                return get(_decode(data))
            except RecursionError as problem:
                return room_for(problem, lambda: get(_decode(data)))
        except CorruptionError as problem:
            raise self.chunk.error(self.at, f"a row does not decode: {problem}") from problem
        except ParcodeError:
            raise
        except Exception as problem:
            message = f"a row does not decode: {type(problem).__name__}: {problem}"
            raise self.chunk.error(self.at, message) from problem
