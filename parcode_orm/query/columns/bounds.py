"""`Bounds`: the smallest and the largest value of a field in each of several row groups, as their heads have them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...codec.base import Column
from ...codec.columns.wrappers import ConvertColumn
from ...format.layout import Encoding, NodeFlag
from .columns import KINDS
from .heads import SIGNED, Heads
from .places import bare
from .vectors import EXACT_FLOAT, WIDEST, Kind

_NANS = int(NodeFlag.NANS)
_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}


class Bounds:
    """Of each row group `low` and `high`, whether there is None or NaN besides (`nulls`, `nans`), and what is `known`.

    Numbers, and what is stored as such (`kind`), are exact. Of text (`kind` is str) they are the first 16 bytes, the
    upper one rounded up. A row group of nothing but NaN is as one that is not known.
    """

    __slots__ = ("high", "kind", "known", "low", "nans", "nulls")

    def __init__(self, low: Any, high: Any, nulls: Any, nans: Any, known: Any, kind: Kind | type[str] | None) -> None:
        self.low = low
        self.high = high
        self.nulls = nulls
        self.nans = nans
        self.known = known
        self.kind = kind

    def may(self, operator: str, value: Any) -> Any:
        """Which row groups may have a value that is `operator` `value`, as an array of bools."""
        if operator == "!=":
            return np.ones(len(self.known), bool)
        if value is None:
            return ~self.known | self.nulls if operator == "==" else ~self.known
        if self.kind is str:
            return self._may_text(operator, value)
        number = self._number(value)
        if number is None:
            return np.ones(len(self.known), bool)
        if operator == "==":
            found = (self.low <= number) & (self.high >= number)
        else:
            found = _COMPARE[operator](self.low if operator in ("<", "<=") else self.high, number)
        return found | ~self.known

    def _may_text(self, operator: str, value: Any) -> Any:
        if not isinstance(value, str) or operator not in ("==", "startswith"):
            return np.ones(len(self.known), bool)
        wanted = value.encode("utf-8", "surrogatepass")
        if not wanted or b"\0" in wanted:
            return np.ones(len(self.known), bool)
        if operator == "==":
            return (self.low <= wanted) & (self.high >= wanted) | ~self.known
        cut = np.array(self.low, f"S{len(wanted)}")  # as many bytes as are wanted
        return (self.high >= wanted[:16]) & (cut <= wanted) | ~self.known

    def _number(self, value: Any) -> Any:
        """A number that numpy compares with the bounds as Python does; None where there is none."""
        if isinstance(self.kind, Kind):
            return self.kind.number(value) if type(value) is self.kind.cls else None
        if not isinstance(value, int | float):
            return None
        if self.low.dtype.kind == "f" or isinstance(value, float):
            if isinstance(value, int):
                return value if abs(value) <= EXACT_FLOAT else None
            if self.low.dtype.kind == "f" or value != value:
                return float(value)
            exact = -EXACT_FLOAT <= self.low.min() and self.high.max() <= EXACT_FLOAT
            return float(value) if exact else None
        return int(value) if -WIDEST <= value < WIDEST else None


def bounds_of(heads: Heads, at: Any, column: Column | None) -> Bounds | None:
    """The bounds of the field `column` at the nodes `at`, of one row group each; None where nothing is known of any."""
    at, nulls = heads.statistics(at)
    known = at >= 0
    if column is None or not known.any():
        return None
    encodings = heads.nodes["encoding"][at[known]]
    encoding = int(encodings[0])
    if (encodings != encoding).any():
        return None
    column = bare(column)
    kind: Kind | type[str] | None = None
    if isinstance(column, ConvertColumn):
        kind = KINDS.get(column.name)
        if kind is None or encoding != Encoding.INT:
            return None
    nodes = heads.nodes[at]
    if encoding == Encoding.TEXT:
        kind = str
        ends = [np.where(known, nodes[name].view("S16"), b"") for name in ("low", "high")]
    elif encoding in (Encoding.INT, Encoding.FLOAT):
        code = "<f8" if encoding == Encoding.FLOAT else "<i8"
        ends = [np.where(known, np.ascontiguousarray(nodes[name]).view(code)[::2], 0) for name in ("low", "high")]
        unsigned = nodes["flags"] & SIGNED == 0
        if encoding == Encoding.INT and any((end[unsigned] < 0).any() for end in ends):
            return None  # beyond 63 bits
    else:
        return None
    nans = known & (nodes["flags"] & _NANS != 0)
    return Bounds(ends[0], ends[1], nulls, nans, known, kind)
