"""One field of all rows of a table as a numpy array: no object is made, and no other column is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..codec.base import Column, View
from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.lenient import LenientColumn
from ..codec.columns.scalars import BitsView, NumbersView
from ..codec.columns.struct import StructColumn
from ..codec.columns.wrappers import OptionalColumn
from ..codec.views.boundary import ReferenceView
from ..codec.views.nodes import ConstantView
from ..codec.views.struct import MISSING, StructView
from .scan import Stretch, walk
from .table import Table


def column(table: Table, names: Sequence[str]) -> Any:
    """The field at the path `names` of every row; without names, the rows themselves.

    Numbers and bools come as such: a view of the file where one row group holds them uncompressed, else an array of
    int64, uint64, float64 or bool. Anything else, None among numbers too, comes as an array of objects.
    """
    import numpy as np

    _check(table.items, names)
    joined: Any = None
    done, signed = 0, False
    for stretch in walk(table):
        (part,) = _parts(table, stretch, [names])
        if len(part) == table.rows:
            return part
        signed = signed or part.dtype.kind == "i"
        part = _wide(part)
        if joined is None:
            joined = np.empty(table.rows, part.dtype)
        elif joined.dtype != part.dtype:
            common = np.uint64 if {joined.dtype.kind, part.dtype.kind} == {"i", "u"} and not signed else object
            joined = _as(common, joined, done)
            part = _as(common, part, len(part))
        joined[done : done + len(part)] = part
        done += len(part)
    return np.empty(0, object) if joined is None else joined


def column_parts(table: Table, paths: Sequence[Sequence[str]]) -> Iterator[list[Any]]:
    """The fields at `paths` as arrays, one list of them for each stretch of rows in one place.

    Numbers come as int64, or uint64 where one needs it, as float64 or bool; anything else as an array of objects.
    """
    for names in paths:
        _check(table.items, names)
    return ([_wide(part) for part in _parts(table, stretch, paths)] for stretch in walk(table))


def array_of(values: Iterable[Any], names: Sequence[str]) -> Any:
    """The field at the path `names` of each of `values`, which are in memory."""
    return _array([_field(value, names) for value in values])


def _parts(table: Table, stretch: Stretch, paths: Sequence[Sequence[str]]) -> list[Any]:
    """The arrays of a stretch of rows, at the width they are stored with."""
    piece, a, b = stretch
    if piece.rows is None:
        group = table.group(piece)
        first, end = piece.start + a, piece.start + b
        if not any(first <= row < end for row in group.held):
            table.space.count_rows(b - a)
            return [_stored(group.items, names, first, end) for names in paths]
    rows = [table.value(piece, place) for place in range(a, b)]
    return [array_of(rows, names) for names in paths]


def _wide(part: Any) -> Any:
    """Numbers at the full width of their kind, so that arithmetic does not leave it; `part` itself where it has it."""
    import numpy as np

    if part.dtype.kind not in "iu" or part.dtype == np.uint64:
        return part
    return part.astype(np.int64, copy=False)


def _as(dtype: Any, values: Any, count: int) -> Any:
    """An array of `dtype`, as long as `values` and with the first `count` of them; objects are Python's own numbers."""
    import numpy as np

    if values.dtype == dtype:
        return values
    found = np.empty(len(values), dtype)
    found[:count] = values[:count].tolist() if dtype is object else values[:count]
    return found


def _stored(view: View, names: Sequence[str], start: int, stop: int) -> Any:
    for i, name in enumerate(names):
        if isinstance(view, ReferenceView):
            view = view.inner
        if not isinstance(view, StructView):
            return _array([_field(view.get(row), names[i:]) for row in range(start, stop)])
        if view.bits & MISSING:
            return _array([_field(view.get(row), names[i:]) for row in range(start, stop)])
        view = view.field(name)
    return _values(view, start, stop)


def _check(found: Column, names: Sequence[str]) -> None:
    for name in names:
        while isinstance(found, OptionalColumn | ChunkColumn | LenientColumn):
            found = found.inner
        if not isinstance(found, StructColumn):
            return
        fields = dict(found.fields)
        if name not in fields:
            raise AttributeError(f"{found.plan.name!r} has no field {name!r}")
        found = fields[name]


def _values(view: View, start: int, stop: int) -> Any:
    import numpy as np

    if isinstance(view, NumbersView):
        return np.frombuffer(view.values, np.dtype(view.values.format))[start:stop]
    if isinstance(view, BitsView):
        bits = np.frombuffer(view.bits, np.uint8)[start >> 3 :]
        return np.unpackbits(bits, count=stop - (start & ~7), bitorder="little")[start & 7 :].astype(bool)
    if isinstance(view, ConstantView) and isinstance(view.one, NumbersView | BitsView):
        return np.repeat(_values(view.one, 0, 1), stop - start)
    return _array(view.read(start, stop))


def _field(value: Any, names: Sequence[str]) -> Any:
    for name in names:
        if value is None:
            return None
        value = getattr(value, name)
    return value


def _array(values: list[Any]) -> Any:
    import numpy as np

    types = set(map(type, values))
    if types in ({float}, {bool}):
        return np.array(values)
    if types == {int}:  # numpy alone would make floats of large and small ones
        for dtype in (np.int64, np.uint64):
            try:
                return np.array(values, dtype)
            except OverflowError:
                continue
    return _objects(values)


def _objects(values: list[Any]) -> Any:
    import numpy as np

    found = np.empty(len(values), object)
    found[:] = values
    return found
