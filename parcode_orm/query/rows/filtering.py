"""The rows of a batch that fulfil conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...codec.base import ATOMS
from ...native import compiled
from ..columns.kernels import COMPARE, code_of
from ..columns.operators import FUNCTIONS, TURNED, dig
from ..columns.vectors import EXACT_FLOAT, WIDEST, Coded, Numbers, Vector
from ..expressions.computed import Searched
from ..expressions.evaluate import Frame, InMemory, evaluate, matching
from ..expressions.expressions import Expression
from .pruning import candidates, compared
from .sources import Batch

NONE = np.empty(0, np.int64)
FEW = 32  # objects in memory that are compared one by one
MOST = 4  # a condition is computed of a whole column unless one row in so many is left out


def found(batch: Batch, where: Sequence[Expression[bool]]) -> Frame:
    """The rows of a batch that fulfil the conditions."""
    if isinstance(batch, InMemory) and batch.count <= FEW:
        rows = _compared_one_by_one(where, batch.values)
        if rows is not None:
            return Frame(batch, None if len(rows) == batch.count else np.array(rows, np.int64))
    where = [each for each in where if not (isinstance(each, Searched) and each._holds_of(batch))]
    return matched(where, batch, candidates(where, batch)) if where else Frame(batch)


def _compared_one_by_one(where: Sequence[Expression[bool]], values: list[Any]) -> Sequence[int] | None:
    """The places of the objects whose fields compare with constants so; None where other conditions are to be tested.

    Arrays of a few values take longer to make than to compare.
    """
    rows: Sequence[int] = range(len(values))
    for condition in where:
        parts = compared(condition)
        if parts is None or parts[1] not in TURNED:
            return None
        field, operator, value = parts
        found = [dig(values[row], field._path) for row in rows]
        if type(value) not in ATOMS or not ATOMS.issuperset(map(type, found)):
            return None
        test = FUNCTIONS[operator]
        try:
            rows = [row for row, each in zip(rows, found, strict=True) if test(each, value)]
        except TypeError:  # which evaluating the condition explains
            return None
    return rows


def matched(where: Sequence[Expression[bool]], batch: Batch, parts: Any) -> Frame:
    """The rows of some `parts` of a batch, or of all (None), that fulfil the conditions."""
    frame, inside, left_out = Frame(batch), None, 0
    if parts is not None:
        inside = batch.inside(parts)
        left_out = len(inside) - int(np.count_nonzero(inside))
        if left_out == len(inside):
            return frame.at(NONE)
    if where and MOST * left_out <= batch.count:
        rows = _scanned(where[0], frame)
        if rows is not None:
            frame, where = frame.at(rows if inside is None else rows[inside[rows]]), where[1:]
            inside = None
    if inside is not None:
        frame = frame.at(np.flatnonzero(inside))
    places = matching(where, frame)
    return frame if places is None else frame.at(places)


def _scanned(condition: Expression[bool], frame: Frame) -> Any:
    """The rows of a frame of all rows that fulfil `condition`, if it compares a stored column with a value; else None.

    It raises no error: rows that need not be looked at may be among them.
    """
    parts = compared(condition)
    if parts is None or parts[1] not in TURNED:
        return None
    field, operator, value = parts
    test = _test(evaluate(field, frame), operator, value) if type(value) in (int, float, bool, str) else None
    return None if test is None else np.frombuffer(rows_where(*test), np.int64)


def _test(vector: Vector, operator: str, value: Any) -> tuple[Any, str, int | float] | None:
    """What `rows_where` takes to compare a vector with a value; None where numbers do not decide."""
    if isinstance(vector, Coded):
        code = code_of(vector, value) if operator in ("==", "!=") else None
        return None if code is None or not vector.codes.flags.c_contiguous else (vector.codes, operator, code)
    if not isinstance(vector, Numbers) or vector.kind is not None or vector.nulls is not None or type(value) is str:
        return None
    array = vector.values
    if not array.flags.c_contiguous or array.dtype == np.uint64:
        return None
    if array.dtype == np.float64:
        exact = type(value) is float or -EXACT_FLOAT <= value <= EXACT_FLOAT
        return (array, operator, float(value)) if exact else None
    exact = array.dtype.kind in "iub" and type(value) is not float and -WIDEST <= value < WIDEST
    return (array, operator, int(value)) if exact else None


@compiled
def rows_where(values: Any, operator: str, number: int | float) -> bytes:
    """The numbers of the rows whose values compare so with `number`: int64, ascending.

    `values` is an array of ints or bools, or of float64 if `number` is a float.
    """
    return np.flatnonzero(COMPARE[operator](values, number)).astype(np.int64).tobytes()
