"""One field of all rows of a table as a numpy array: no object is made, and no other column is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..codec.base import Column, View
from ..codec.boundary import ChunkColumn
from ..codec.boundary_view import ReferenceView
from ..codec.scalars import BitsView, NumbersView
from ..codec.struct import StructColumn
from ..codec.structview import MISSING, StructView
from ..codec.views import ConstantView
from ..codec.wrappers import OptionalColumn
from .table import Table


def column(table: Table, names: Sequence[str]) -> Any:
    """The field at the path `names` of every row; without names, the rows themselves.

    Numbers and bools come as such: a view of the file where one row group holds them uncompressed, else an array of
    int64, uint64, float64 or bool. Anything else, None among numbers too, comes as an array of objects.
    """
    import numpy as np

    _check(table.items, names)
    parts = list(parts_of(table, names))
    if len(parts) == 1:
        return parts[0]
    if not parts:
        return np.empty(0, object)
    kinds = {part.dtype.kind for part in parts}
    if kinds <= {"i", "u"}:
        signed = "i" in kinds or not any(part.dtype == np.uint64 for part in parts)
        if not signed or not any(part.dtype == np.uint64 for part in parts):
            return np.concatenate([part.astype(np.int64 if signed else np.uint64) for part in parts])
        kinds = {"O"}
    if len(kinds) == 1:
        return np.concatenate(parts)
    return np.concatenate([_objects(part.tolist()) for part in parts])


def array_of(values: Iterable[Any], names: Sequence[str]) -> Any:
    """The field at the path `names` of each of `values`, which are in memory."""
    return _array([_field(value, names) for value in values])


def parts_of(table: Table, names: Sequence[str]) -> Iterator[Any]:
    """The arrays that `column` joins, one for each stretch of rows in one place."""
    for piece, a, b in table.tree.pieces():
        held = False
        if piece.rows is None:
            group = table.group(piece)
            first, end = piece.start + a, piece.start + b
            held = any(first <= row < end for row in group.held)
            if not held:
                yield _stored(group.items, names, first, end)
                table.space.count_rows(b - a)
                continue
        yield _array([_field(table.value(piece, place), names) for place in range(a, b)])


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
        while isinstance(found, OptionalColumn | ChunkColumn):
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
    if types in ({int}, {float}, {bool}):
        try:
            return np.array(values)
        except OverflowError:
            pass
    return _objects(values)


def _objects(values: list[Any]) -> Any:
    import numpy as np

    found = np.empty(len(values), object)
    found[:] = values
    return found
