"""`Bounds`: the smallest and the largest value of a field in each of several row groups, as their heads have them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..codec.columns.wrappers import ConvertColumn
from ..codec.views.nodes import child_nodes
from ..errors import CorruptionError
from ..format.layout import Encoding, Node, NodeFlag
from .columns import KINDS
from .places import Place, bare
from .vectors import EXACT_FLOAT, WIDEST, Kind

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "<": np.less,
    "<=": np.less_equal,
    ">": np.greater,
    ">=": np.greater_equal,
}
_NONE = b""


class Bounds:
    """Of each row group `low` and `high`, whether it has Nones besides (`nulls`), and whether that is known at all.

    Numbers, and what is stored as such (`kind`), are exact. Of text (`kind` is str) they are the first 16 bytes, the
    upper one rounded up. A row group of nothing but NaN is as one that is not known.
    """

    __slots__ = ("high", "kind", "known", "low", "nulls")

    def __init__(self, low: Any, high: Any, nulls: Any, known: Any, kind: Kind | type[str] | None) -> None:
        self.low = low
        self.high = high
        self.nulls = nulls
        self.known = known
        self.kind = kind

    def part(self, start: int, stop: int) -> Bounds:
        """Those of the row groups `start` to `stop`."""
        here = slice(start, stop)
        return Bounds(self.low[here], self.high[here], self.nulls[here], self.known[here], self.kind)

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


def bounds_of(places: Sequence[Place | None]) -> Bounds | None:
    """The bounds of the field at these places, of one row group each; None where nothing is known of any."""
    nodes: list[Node | None] = []
    nulls = []
    kind: Kind | type[str] | None = None
    for place in places:
        found = None if place is None else _statistics(place)
        node, count = (None, 0) if found is None else found
        nodes.append(node)
        nulls.append(count > 0)
    column = next((place.column for place in places if place is not None), None)
    encodings = {node.encoding for node in nodes if node is not None}
    if column is None or len(encodings) != 1:
        return None
    (encoding,) = encodings
    column = bare(column)
    if isinstance(column, ConvertColumn):
        kind = KINDS.get(column.name)
        if kind is None or encoding != Encoding.INT:
            return None
    if encoding == Encoding.INT:
        ends = _ints(nodes)
    elif encoding == Encoding.FLOAT:
        ends = [np.frombuffer(_joined(nodes, end), "<f8") for end in (_low, _high)]
    elif encoding == Encoding.TEXT:
        kind = str
        ends = [np.array([_NONE if node is None else end(node) for node in nodes], "S16") for end in (_low, _high)]
    else:
        return None
    known = np.array([node is not None for node in nodes])
    return None if ends is None else Bounds(ends[0], ends[1], np.array(nulls), known, kind)


def _low(node: Node) -> bytes:
    return node.low


def _high(node: Node) -> bytes:
    return node.high


def _joined(nodes: Sequence[Node | None], end: Callable[[Node], bytes]) -> bytes:
    return b"".join([bytes(8) if node is None else end(node)[:8] for node in nodes])


def _ints(nodes: Sequence[Node | None]) -> list[Any] | None:
    """The bounds of ints, signed in some row groups; None where one is beyond 63 bits."""
    signed = np.array([node is not None and node.flags & NodeFlag.SIGNED != 0 for node in nodes])
    ends = [np.frombuffer(_joined(nodes, end), "<i8") for end in (_low, _high)]
    return None if any((end[~signed] < 0).any() for end in ends) else ends


def _statistics(place: Place) -> tuple[Node, int] | None:
    """The node with the statistics of a column, below its wrappers, and the count of nulls."""
    chunk, at = place.chunk, place.at
    nulls = 0
    try:
        for _ in range(8):
            node = chunk.node(at)
            if node.flags & NodeFlag.STATISTICS:
                return node, nulls
            if node.encoding == Encoding.OPTIONAL:
                nulls = node.param
                (at,) = child_nodes(chunk, at, 1)
            elif node.encoding == Encoding.CONSTANT:
                (at,) = child_nodes(chunk, at, 1)
            elif node.encoding == Encoding.DICTIONARY:
                at = child_nodes(chunk, at, 2)[1]
            else:
                return None
    except CorruptionError:  # for who reads the values to find
        return None
    return None
