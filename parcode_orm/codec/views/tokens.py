"""Tokens of stored values, by which two commits are compared without making objects.

Two values of one column whose tokens are equal are the same, in value and in type. Where the values
are atoms the reverse holds as well; other values may be stored in two ways.

    [1, None] and [True, None]  ->  [1, None] and [(bool, True), None]
    [0.0] and [-0.0]            ->  [(float, 0)] and [(float, 1 << 63)]
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from itertools import accumulate, repeat
from struct import pack
from typing import Any

from ...stack import roomy
from .. import kernels
from ..base import View
from ..classes.convert import BY_TYPE
from ..structs import SETS
from ..unpack import slices, unpack_bits
from .containers import ListView, MapView
from .nodes import ConstantView, DictionaryView, EmptyView, NullView, OptionalView, PackedView, accessor
from .scalars import BigIntView, BitsView, NumbersView
from .struct import StructView
from .text import BytesView, TextView
from .tuples import ArmsView, TupleView
from .wrappers import ConvertView

Rows = Sequence[int]  # of a view, rising where they are a range
Tokens = Sequence[Any]

NONE = type(None)
_UNLIKE = frozenset({int, str, bytes, NONE})  # types of which values are equal only where the types are
_ATOMIC = (NumbersView, TextView, BitsView, BytesView, BigIntView, NullView, EmptyView)
SPARSE = 16  # rows are read one by one where they are this far apart


def take(view: View, rows: Rows) -> list[Any]:
    """The values of `rows`, which hold no marked field and no Model."""
    if type(rows) is range:
        return view.read(rows.start, rows.stop) if rows else []
    if not rows:
        return []
    low, high = min(rows), max(rows) + 1
    if high - low > SPARSE * len(rows):
        return list(map(accessor(view), rows))
    found = view.read(low, high)
    return [found[row - low] for row in rows]


def holds_atoms(view: View) -> bool:
    """Whether the values of `view` are ints, floats, bools, text, bytes and None."""
    while isinstance(view, OptionalView | ConstantView | DictionaryView):
        view = _below(view)
    if isinstance(view, ArmsView):
        return all(map(holds_atoms, view.arms))
    if not view.count:  # the arm of values that fit no other, most often
        return True
    return isinstance(view, _ATOMIC) and not (isinstance(view, BytesView) and view.factory is not bytes)


def _below(view: OptionalView | ConstantView | DictionaryView) -> View:
    if isinstance(view, OptionalView):
        return view.present
    return view.one if isinstance(view, ConstantView) else view.known


@roomy
def holds_plain(view: View) -> bool:
    """Whether `get` gives what `read` does: no value of `view` is lazy, nor is anything in one."""
    if holds_atoms(view):
        return True
    parts = _PARTS.get(type(view))
    return parts is not None and all(map(holds_plain, parts(view)))


def is_canonical(view: View) -> bool:
    """Whether different tokens mean different values: of dates, decimals, enum members."""
    if not isinstance(view, ConvertView):
        return False
    column, inner = view.column, view.inner
    known = BY_TYPE.get(column.types[0])
    if known is None or known.to_stored is not column.to_stored:
        kind = column.types[0]
        if not issubclass(kind, enum.Enum) or issubclass(kind, enum.Flag):
            return False
    return all(map(holds_atoms, inner.items if isinstance(inner, TupleView) else (inner,)))


def exact(values: list[Any]) -> Tokens:
    """The tokens of atoms."""
    types = set(map(type, values))
    if types <= _UNLIKE:
        return values
    if types == {float}:
        bits = memoryview(pack(f"<{len(values)}d", *values)).cast("Q").tolist()
        return list(zip(repeat(float), bits, strict=False))
    return [_exact(value) for value in values]


def _exact(value: Any) -> Any:
    cls = type(value)
    if cls is float:
        return float, int.from_bytes(pack("<d", value), "little")
    return (bool, value) if cls is bool else value


@roomy
def tokens(view: View, rows: Rows) -> Tokens | None:
    """The tokens of `rows`; None where the values must be looked at themselves."""
    if not rows:
        return []
    if holds_atoms(view):
        return exact(take(view, rows))
    handler = _HANDLERS.get(type(view))
    return None if handler is None else handler(view, rows)


def places(view: View, rows: Rows) -> Rows:
    """The places of the values of `rows` among the present values; -1 for None."""
    if isinstance(view, NullView):
        return [-1] * len(rows)
    if not isinstance(view, OptionalView):
        return rows
    if type(rows) is not range:
        return list(map(view.place, rows))
    flags = unpack_bits(view.bits, rows.start, rows.stop)
    before = accumulate(flags, initial=kernels.count_bits(view.bits, rows.start))
    return [place if flag else -1 for flag, place in zip(flags, before, strict=False)]


def as_rows(found: list[int]) -> Rows:
    """`found`, as a range where it is one."""
    if found and found[-1] - found[0] == len(found) - 1 and kernels.rising(found):
        first = range(found[0], found[-1] + 1)
        return first if len(set(found)) == len(found) else found
    return found


def unequal(mine: Tokens, theirs: Tokens) -> list[int]:
    """Where two lists of tokens differ."""
    if mine == theirs:
        return []
    return [i for i, (a, b) in enumerate(zip(mine, theirs, strict=True)) if a != b]


# -- views whose values are no atoms -------------------------------------------------------------------------------


def _zipped(parts: list[Tokens | None], count: int) -> Tokens | None:
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    return list(zip(*known, strict=True)) if known else [()] * count


def is_bare(view: StructView) -> bool:
    """Whether a row of `view` is its fields and nothing else."""
    return not view.bits & ~SETS and not getattr(view.cls, "__private_attributes__", None)


def _of_struct(view: StructView, rows: Rows) -> Tokens | None:
    if not is_bare(view):
        return None
    found: list[Tokens | None] = []
    for name in view.column.places:
        found.append(tokens(view.field(name), rows))
        if found[-1] is None:
            return None
    return _zipped(found, len(rows))


def _of_tuple(view: TupleView, rows: Rows) -> Tokens | None:
    return _zipped([tokens(item, rows) for item in view.items], len(rows))


def _of_optional(view: OptionalView, rows: Rows) -> Tokens | None:
    where = places(view, rows)
    found = tokens(view.present, as_rows([place for place in where if place >= 0]))
    if found is None:
        return None
    following = iter(found).__next__
    return [None if place < 0 else ("some", following()) for place in where]


def _of_constant(view: ConstantView, rows: Rows) -> Tokens | None:
    found = tokens(view.one, range(1))
    return None if found is None else [found[0]] * len(rows)


def _of_convert(view: ConvertView, rows: Rows) -> Tokens | None:
    return tokens(view.inner, rows)


def _of_packed(view: PackedView, rows: Rows) -> Tokens | None:
    if type(rows) is range:
        blocks: Sequence[Any] = view.blocks(rows.start, rows.stop)
    else:
        blocks = [bytes(view.block(row)) for row in rows]
    return list(zip(repeat("packed"), blocks, strict=False))


def _of_list(view: ListView, rows: Rows) -> Tokens | None:
    return _cut(view, rows, lambda items: tokens(view.items, items))


def _of_map(view: MapView, rows: Rows) -> Tokens | None:
    return _cut(view, rows, lambda items: _zipped([tokens(view.keys, items), tokens(view.items, items)], len(items)))


def _cut(view: ListView | MapView, rows: Rows, of: Callable[[Rows], Tokens | None]) -> Tokens | None:
    """The tokens of collections: tuples of their items' tokens."""
    low, high = (rows.start, rows.stop) if type(rows) is range else (min(rows), max(rows) + 1)
    if high - low > SPARSE * len(rows):
        return None
    ends = view.ends(low, high)
    items = of(range(ends[0], ends[-1]))
    if items is None:
        return None
    found: list[Any] = slices(tuple(items), ends)
    return found if type(rows) is range else [found[row - low] for row in rows]


_HANDLERS: dict[type, Callable[[Any, Rows], Tokens | None]] = {
    StructView: _of_struct,
    TupleView: _of_tuple,
    OptionalView: _of_optional,
    ConstantView: _of_constant,
    ConvertView: _of_convert,
    PackedView: _of_packed,
    ListView: _of_list,
    MapView: _of_map,
}
# What the values of a view are made of.
_PARTS: dict[type, Callable[[Any], Sequence[View]]] = {
    TupleView: lambda view: view.items,
    OptionalView: lambda view: (view.present,),
    ConstantView: lambda view: (view.one,),
    ConvertView: lambda view: (view.inner,),
    PackedView: lambda view: (),
    BytesView: lambda view: (),
    ListView: lambda view: (view.items,),
    MapView: lambda view: (view.keys, view.items),
}
