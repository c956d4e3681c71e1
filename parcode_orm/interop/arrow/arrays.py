"""Columns as arrays of Arrow: of the views over a row group, and of the vectors of a query.

Floats, integers that are stored in 64 bits, and bools without None stay where they are: the array's buffer is the
mapped file. So do the numbers of numpy arrays of one length. Lists and structs are taken apart, and their parts go the
same way.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...codec.base import View
from ...codec.structs import MISSING
from ...codec.views.arrays import ArrayView
from ...codec.views.boundary import ReferenceView
from ...codec.views.containers import ListView
from ...codec.views.nodes import NullView, OptionalView
from ...codec.views.refs import RefView
from ...codec.views.scalars import BitsView, NumbersView
from ...codec.views.struct import StructView
from ...errors import EncodeError
from ...query.columns.array_parts import matrix_of
from ...query.columns.columns import DATE, DURATION, MOMENT, present, read
from ...query.columns.vectors import Coded, Constant, Numbers, Texts, Vector
from ..formats import pyarrow
from ..rows import plain
from .types import Mapped

DAY_ONE = 719_163  # the ordinal of 1970-01-01
_ZERO = np.uint8(0)
_PLAIN = {str, int, float, bool, bytes, type(None)}


def array_of(view: View, rows: range, column: Mapped) -> Any:
    """The values of some rows of a view, as an array of Arrow."""
    arrow = pyarrow()
    if isinstance(view, ReferenceView | RefView):
        view = view.inner
    if isinstance(view, NullView):
        return arrow.nulls(len(rows), column.type)
    if isinstance(view, OptionalView):
        there, below = present(view, rows)
        found = array_of(view.present, below, column)
        if there.all():
            return found
        if arrow.types.is_dictionary(column.type):  # None stands in the codes: a word that is null counts as one
            codes = found.indices.take(_places(there))
            return arrow.DictionaryArray.from_arrays(codes, found.dictionary)
        return found.take(_places(there))
    if isinstance(view, StructView) and arrow.types.is_struct(column.type) and _is_whole(view, column):
        names = [field.name for field in column.type]
        parts = [array_of(view.field(name), rows, part) for name, part in zip(names, column.parts, strict=True)]
        return arrow.StructArray.from_arrays(parts, fields=list(column.type))
    if isinstance(view, ListView) and arrow.types.is_list(column.type) and column.parts:
        return _lists(view, rows, column)
    if isinstance(view, ArrayView) and arrow.types.is_list(column.type):
        found = _vectors(view, rows, column.type)
        if found is not None:
            return found
    if isinstance(view, BitsView) and arrow.types.is_boolean(column.type):
        return arrow.Array.from_buffers(column.type, len(rows), [None, arrow.py_buffer(view.bits)], offset=rows.start)
    return array_of_vector(read(view, (), rows), column)


def may_be_in_place(column: Mapped) -> bool:
    """Whether there are views whose values need no copy to be such a column."""
    types = pyarrow().types
    return bool(types.is_int64(column.type) or types.is_float64(column.type) or types.is_boolean(column.type))


def is_in_place(view: View, column: Mapped) -> bool:
    """Whether the array of a view's values needs no copy of them."""
    arrow = pyarrow()
    if isinstance(view, NumbersView):
        wide = {"d": arrow.float64(), "q": arrow.int64(), "Q": arrow.int64()}.get(view.values.format)
        return wide is not None and wide == column.type
    return isinstance(view, BitsView) and bool(arrow.types.is_boolean(column.type))


def array_of_vector(vector: Vector, column: Mapped) -> Any:
    """The values of a vector as an array of Arrow.

    Raises:
        EncodeError: a value does not fit the column's type.
    """
    arrow, tp = pyarrow(), column.type
    if isinstance(vector, Numbers) and (found := _numbers(vector, tp)) is not None:
        return found
    if isinstance(vector, Texts) and not vector.lenient and column.convert is None:
        if arrow.types.is_string(tp):
            return _texts(vector)
        if arrow.types.is_dictionary(tp):
            return _texts(vector).dictionary_encode()
    if isinstance(vector, Coded) and len(vector.words) <= max(len(vector), 64):
        return _coded(vector, column)
    if isinstance(vector, Constant):
        one = _of_objects([vector.value], column)
        return (
            arrow.nulls(len(vector), tp) if one.null_count else one.take(arrow.array(np.zeros(len(vector), np.int32)))
        )
    return _of_objects(vector.tolist(), column)


def _is_whole(view: StructView, column: Mapped) -> bool:
    return not view.bits & MISSING and all(field.name in view.column.places for field in column.type)


def _places(there: Any) -> Any:
    """For each row the place of its value among those that are not None."""
    return pyarrow().array(np.cumsum(there, dtype=np.int64) - 1, mask=~there)


def _lists(view: ListView, rows: range, column: Mapped) -> Any:
    """Lists over the array of their items. Offsets of four bytes stay where they are; narrower ones are widened."""
    arrow = pyarrow()
    offsets = np.frombuffer(view.offsets, np.dtype(view.offsets.format))[rows.start : rows.stop + 1]
    if (offsets[1:] < offsets[:-1]).any() or offsets[-1] > view.items.count:
        raise view.chunk.error(view.at, "offsets fall")
    first, last = int(offsets[0]), int(offsets[-1])
    items = array_of(view.items, range(first, last), column.parts[0])
    if first:
        offsets = offsets - offsets.dtype.type(first)
    if offsets.dtype == np.uint32 and last - first < 1 << 31:
        offsets = offsets.view(np.int32)
    ends = arrow.Array.from_buffers(arrow.int32(), len(offsets), [None, buffer_of(offsets, np.int32)])
    return arrow.ListArray.from_arrays(ends, items, type=column.type)


def _vectors(view: ArrayView, rows: range, tp: Any) -> Any:
    """Arrays of one length as lists over the memory that has their numbers; None where they are not stored so."""
    arrow, found = pyarrow(), matrix_of(view, rows)
    if found is None or found.ndim != 2 or found.size >= 1 << 31:
        return None
    if found.dtype != tp.value_type.to_pandas_dtype() or found.dtype == bool:
        return None
    items = arrow.Array.from_buffers(tp.value_type, found.size, [None, arrow.py_buffer(found.reshape(-1))])
    offsets = np.arange(len(found) + 1, dtype=np.int32) * np.int32(found.shape[1])
    return arrow.ListArray.from_arrays(arrow.array(offsets), items, type=tp)


def _numbers(vector: Numbers, tp: Any) -> Any:
    """An array over the vector's own memory, where its numbers are of the type's width; None where they do not fit."""
    arrow, values, kind = pyarrow(), vector.values, vector.kind
    if kind is None:
        if not (arrow.types.is_integer(tp) or arrow.types.is_floating(tp) or arrow.types.is_boolean(tp)):
            return None
        if arrow.types.is_boolean(tp) != (values.dtype == bool):
            return None
        if arrow.types.is_integer(tp) and values.dtype.kind not in "iu":
            return None
        if arrow.types.is_integer(tp) and values.dtype == np.uint64 and len(values) and values.max() >= 1 << 63:
            return None
        if values.dtype == np.uint64 and arrow.types.is_int64(tp):
            values = values.view(np.int64)  # all of them fit, as was just seen
        elif values.dtype != bool and vector.nulls is None:
            return arrow.Array.from_buffers(tp, len(values), [None, buffer_of(values, tp.to_pandas_dtype())])
        elif values.dtype != bool:
            values = values.astype(tp.to_pandas_dtype(), copy=False)
    elif kind is DATE and arrow.types.is_date32(tp):
        values = (values.astype(np.int64) - DAY_ONE).astype(np.int32)
    elif (kind is DURATION and arrow.types.is_duration(tp)) or (
        kind is MOMENT and arrow.types.is_timestamp(tp) and tp.tz is None
    ):
        values = values.astype(np.int64, copy=False)
    else:
        return None
    if vector.nulls is not None or values.dtype == bool:
        return arrow.array(values, mask=vector.nulls).cast(tp) if kind is None else _moments(values, vector.nulls, tp)
    return arrow.Array.from_buffers(tp, len(values), [None, buffer_of(values, values.dtype)])


def buffer_of(values: Any, dtype: Any) -> Any:
    """A buffer with numbers of one dimension as a dtype has them: over their own memory where they are such already.

    What must be copied goes to memory of Arrow's pool, which keeps pages that an earlier batch has let go: fresh ones
    cost several times what the copy costs.
    """
    arrow, wanted = pyarrow(), np.dtype(dtype)
    if values.dtype == wanted and values.flags.c_contiguous:
        return arrow.py_buffer(values)
    made = arrow.allocate_buffer(len(values) * wanted.itemsize)
    np.copyto(np.frombuffer(made, wanted), values, casting="unsafe")
    return made


def _moments(values: Any, nulls: Any, tp: Any) -> Any:
    return pyarrow().array(values, mask=nulls).view(tp)


def _texts(vector: Texts) -> Any:
    """Texts side by side, without what stands between them."""
    arrow, begins, ends = pyarrow(), vector.begins, vector.ends
    count = len(begins)
    if not count:
        return arrow.array([], arrow.string())
    lengths = ends - begins
    offsets = np.zeros(count + 1, np.int64)
    np.cumsum(lengths, out=offsets[1:])
    if offsets[-1] >= 1 << 31:
        raise EncodeError("the texts of a batch have more than 2 GiB: take fewer rows at once")
    data = np.frombuffer(vector.data, np.uint8)
    gaps = begins[1:] - ends[:-1]
    if not gaps.any():
        data = data[begins[0] : ends[-1]]
    elif (gaps == 1).all() and not data[ends[:-1]].any():  # a NUL between neighbours, and in none of them
        whole = data[begins[0] : ends[-1]]
        data = whole[whole != _ZERO]
    if len(data) != offsets[-1]:
        every = np.repeat(begins - offsets[:-1], lengths) + np.arange(offsets[-1])
        data = np.frombuffer(vector.data, np.uint8)[every]
    buffers = [None, buffer_of(offsets, np.int32), arrow.py_buffer(np.ascontiguousarray(data))]
    return arrow.Array.from_buffers(arrow.string(), count, buffers)


def _coded(vector: Coded, column: Mapped) -> Any:
    arrow, tp, codes = pyarrow(), column.type, vector.codes
    is_dictionary = arrow.types.is_dictionary(tp)
    word = column.parts[0] if is_dictionary else column
    known = vector.made.get(word.type) if word.convert is None else None
    if known is None:
        nones = [place for place, each in enumerate(vector.words) if each is None]
        known = _of_objects([each for each in vector.words if each is not None], word), nones
        if word.convert is None and known[0].type == arrow.string():  # other values may change
            vector.made[word.type] = known
    words, nones = known
    if nones:
        codes = codes.astype(np.int32)
        places, is_safe = arrow.array(codes - (codes > nones[0]), mask=codes == nones[0]), False
    else:
        places = arrow.Array.from_buffers(arrow.int32(), len(vector), [None, buffer_of(codes, np.int32)])
        is_safe = codes.dtype.kind == "u" and int(codes.max(initial=0)) < len(words)
    found = arrow.DictionaryArray.from_arrays(places, words, safe=not is_safe)
    return found if is_dictionary else found.dictionary_decode()


def _of_objects(values: list[Any], column: Mapped) -> Any:
    arrow, convert = pyarrow(), column.convert
    found = values if _PLAIN.issuperset(map(type, values)) else list(map(plain, values))
    if convert is not None:
        found = [None if value is None else convert(value) for value in found]
    try:
        if arrow.types.is_dictionary(column.type):
            return arrow.array(found, column.type.value_type).dictionary_encode().cast(column.type)
        return arrow.array(found, column.type)
    except (arrow.ArrowException, OverflowError, TypeError, ValueError) as problem:
        raise EncodeError(f"a value does not fit the type {column.type} of Arrow: {problem}") from problem
