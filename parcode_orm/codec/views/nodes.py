"""Views that may stand around any column's own, and parts that encodings share.

What is checked when a node is opened costs no time that grows with its values; what is left (that
offsets rise, that codes stay in range) is checked where a value is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

from ...errors import CorruptionError, ParcodeError
from ...format.chunk import Chunk
from ...format.layout import Encoding, Node, NodeFlag
from ...stack import room_for
from .. import kernels
from ..asis import gives_stand_ins
from ..base import Column, Getter, Space, View
from ..packed.values import unpack
from ..unpack import slices, unpack_bits, unpack_codes, unpack_optional

INT, SIGNED = int(Encoding.INT), int(NodeFlag.SIGNED)
CODES = {(w, s): (kernels.SIGNED if s else kernels.UNSIGNED)[w] for w in (1, 2, 4, 8) for s in (False, True)}


def child_nodes(chunk: Chunk, at: int, count: int) -> list[int]:
    """The node's children, which must be exactly `count`."""
    found = chunk.children(at)
    if len(found) != count:
        raise chunk.error(at, f"{len(found)} children where {count} belong")
    return found


def open_child(column: Column, chunk: Chunk, at: int, space: Space, count: int) -> View:
    """View the node `at`, which must hold `count` values."""
    node = chunk.nodes[at]
    if node.count != count:
        raise chunk.error(at, f"holds {node.count} values where {count} belong")
    try:
        if node.encoding in column.opens:
            return column.open(chunk, at, space, node)
        return column.view(chunk, at, space)
    except RecursionError as problem:
        return room_for(problem, lambda: column.view(chunk, at, space))


def read_numbers(chunk: Chunk, at: int, count: int) -> memoryview:
    """The values of an unsigned INT node of `count` values: offsets, codes, tags, positions."""
    node = chunk.nodes[at]
    if node.encoding != INT or node.count != count or node.flags & SIGNED:
        raise chunk.error(at, f"not {count} unsigned integers")
    return read_fixed(chunk, at, node)


def read_fixed(chunk: Chunk, at: int, node: Node) -> memoryview:
    """The typed buffer of an INT node."""
    code = CODES.get((node.width, bool(node.flags & SIGNED)))
    if code is None:
        raise chunk.error(at, f"integers of width {node.width}")
    buffer = chunk.buffer(at)
    if buffer.nbytes != node.count * node.width:
        raise chunk.error(at, f"{buffer.nbytes} bytes for {node.count} integers of width {node.width}")
    return buffer.cast(code) if kernels.LITTLE else kernels.cast(buffer, code)  # type: ignore[call-overload]


def read_offsets(chunk: Chunk, at: int, count: int, total: int) -> memoryview:
    """Offsets of `count` values over `total` items. Using them checks that they rise."""
    node = chunk.nodes[at]
    if node.encoding != INT or node.count != count + 1 or node.flags & SIGNED:
        raise chunk.error(at, f"not {count + 1} unsigned integers")
    offsets = read_fixed(chunk, at, node)
    if offsets[0] != 0 or offsets[count] != total:
        raise chunk.error(at, f"offsets run from {offsets[0]} to {offsets[count]} over {total} items")
    return offsets


def wrapped(column: Column, chunk: Chunk, at: int, space: Space, node: Node) -> View:
    """View a node whose encoding may stand around any column's."""
    encoding = node.encoding
    if encoding == Encoding.EMPTY:
        if node.count:
            raise chunk.error(at, f"an empty node that claims {node.count} values")
        return EmptyView()
    if encoding == Encoding.OPTIONAL:
        return open_optional(column, chunk, at, space, node)
    if encoding == Encoding.CONSTANT:
        (one,) = child_nodes(chunk, at, 1)
        _check_inside(chunk, one, _AROUND)
        return ConstantView(open_child(column, chunk, one, space, 1), node.count)
    if encoding == Encoding.DICTIONARY:
        tags, values = child_nodes(chunk, at, 2)
        _check_inside(chunk, values, _AROUND)
        known = open_child(column, chunk, values, space, chunk.nodes[values].count)
        return DictionaryView(read_numbers(chunk, tags, node.count), known, chunk, at)
    if encoding == Encoding.PACKED:
        return PackedView(*read_blocks(chunk, at, node), chunk, at)
    raise chunk.error(at, f"encoding {encoding} where {type(column).__name__} is to be read")


_OPTIONAL = frozenset({Encoding.OPTIONAL})
_AROUND = frozenset({Encoding.OPTIONAL, Encoding.CONSTANT, Encoding.DICTIONARY})


def _check_inside(chunk: Chunk, at: int, around: frozenset[Encoding]) -> None:
    """Refuse a wrapping encoding inside another one: depth follows from the type."""
    if chunk.nodes[at].encoding in around:
        raise chunk.error(at, f"encoding {chunk.nodes[at].encoding} within one that says the same")


def open_optional(column: Column, chunk: Chunk, at: int, space: Space, node: Node) -> View:
    """View an OPTIONAL node, its present values through `column`."""
    (child,) = child_nodes(chunk, at, 1)
    _check_inside(chunk, child, _OPTIONAL)
    count, nulls = node.count, node.param
    bits = chunk.buffer(at)
    if nulls == count and not bits.nbytes:
        if chunk.nodes[child].count:
            raise chunk.error(child, "values where all are null")
        return NullView(count)
    if bits.nbytes != (count + 7) >> 3 or nulls > count or kernels.count_bits(bits, count) != count - nulls:
        raise chunk.error(at, f"validity bits do not fit {count} values of which {nulls} are null")
    return OptionalView(bits, open_child(column, chunk, child, space, count - nulls), count)


def read_blocks(chunk: Chunk, at: int, node: Node) -> tuple[memoryview, memoryview]:
    """Buffer and offsets of a BYTES, BIGINT or PACKED node."""
    (offsets,) = child_nodes(chunk, at, 1)
    data = chunk.buffer(at)
    return data, read_offsets(chunk, offsets, node.count, data.nbytes)


def rising(chunk: Chunk, at: int, offsets: memoryview, start: int, stop: int) -> list[int]:
    """Offsets `start` to `stop`, both included, found to rise."""
    found = offsets[start : stop + 1].tolist()
    if not kernels.rising(found):
        raise chunk.error(at, "offsets fall")
    return found


class EmptyView(View):
    """No values."""

    __slots__ = ()

    def __init__(self) -> None:
        self.count = 0

    def get(self, i: int) -> Any:
        raise IndexError(i)

    def read(self, start: int, stop: int) -> list[Any]:
        return []


class NullView(View):
    """Nothing but None."""

    __slots__ = ()

    def __init__(self, count: int) -> None:
        self.count = count

    def get(self, i: int) -> Any:
        return None

    def read(self, start: int, stop: int) -> list[Any]:
        return [None] * (stop - start)


class ConstantView(View):
    """One value for all."""

    __slots__ = ("one",)

    def __init__(self, one: View, count: int) -> None:
        self.one = one
        self.count = count

    def get(self, i: int) -> Any:
        return self.one.get(0)

    def read(self, start: int, stop: int) -> list[Any]:
        if stop <= start:
            return []
        (value,) = self.one.read(0, 1)
        # One object would be one key of a dictionary; each NaN is another.
        if type(value) is float and value != value:
            return [self.one.get(0) for _ in range(start, stop)]
        return [value] * (stop - start)


class DictionaryView(View):
    """Codes into distinct values, which are immutable and so may be shared."""

    __slots__ = ("codes", "known", "chunk", "at", "_values")

    def __init__(self, codes: memoryview, known: View, chunk: Chunk, at: int) -> None:
        self.count = len(codes)
        self.codes = codes
        self.known = known
        self.chunk = chunk
        self.at = at
        self._values: list[Any] | None = None

    def get(self, i: int) -> Any:
        code = self.codes[i]
        if code >= self.known.count:
            raise self.chunk.error(self.at, f"code {code} of {self.known.count} distinct values")
        return self.known.get(code)

    def words(self) -> list[Any]:
        """The distinct values, by code."""
        values = self._values
        if values is None:
            values = self.known.read(0, self.known.count)
            if not gives_stand_ins():
                self._values = values
        return values

    def read(self, start: int, stop: int) -> list[Any]:
        values = self.words()
        found = unpack_codes(values, self.codes, start, stop)
        if found is None:
            raise self.chunk.error(self.at, f"a code beyond {len(values)} distinct values")
        return found


class OptionalView(View):
    """Values, some of them None."""

    __slots__ = ("bits", "present", "_marks", "_get")

    def __init__(self, bits: memoryview, present: View, count: int) -> None:
        self.count = count
        self.bits = bits
        self.present = present
        self._marks: list[int] | None = None
        self._get: Callable[[int], Any] = accessor(present)

    def place(self, i: int) -> int:
        """Where value `i` stands among those present; -1 for None."""
        if not self.bits[i >> 3] >> (i & 7) & 1:
            return -1
        marks = self._marks
        if marks is None:
            marks = self._marks = kernels.rank_marks(self.bits)
        return kernels.rank(self.bits, marks, i)

    def get(self, i: int) -> Any:
        place = self.place(i)
        return None if place < 0 else self._get(place)

    def present_in(self, start: int, stop: int) -> tuple[list[bool], int]:
        """Which of the values `start` to `stop` are not None, and where the first of these stands in `present`."""
        return unpack_bits(self.bits, start, stop), kernels.count_bits(self.bits, start)

    def read(self, start: int, stop: int) -> list[Any]:
        first, last = kernels.count_bits(self.bits, start), kernels.count_bits(self.bits, stop)
        return unpack_optional(self.present.read(first, last), self.bits, start, stop)


class BlocksView(View):
    """Byte strings end to end."""

    __slots__ = ("data", "offsets", "chunk", "at")

    def __init__(self, data: memoryview, offsets: memoryview, chunk: Chunk, at: int) -> None:
        self.count = len(offsets) - 1
        self.data = data
        self.offsets = offsets
        self.chunk = chunk
        self.at = at

    def block(self, i: int) -> memoryview:
        """The bytes of value `i`, in place."""
        a, b = self.offsets[i], self.offsets[i + 1]
        if not a <= b <= len(self.data):
            raise self.chunk.error(self.at, f"value {i} runs from {a} to {b}")
        return self.data[a:b]

    def blocks(self, start: int, stop: int) -> list[bytes]:
        """The bytes of values `start` to `stop`."""
        ends = rising(self.chunk, self.at, self.offsets, start, stop)
        data = self.data
        if ends[-1] - ends[0] > 256 * (stop - start):
            return [bytes(data[a:b]) for a, b in pairwise(ends)]
        return slices(bytes(data[ends[0] : ends[-1]]), ends)


class PackedView(BlocksView):
    """Values that came as they were: a fallback within another column."""

    __slots__ = ()

    def get(self, i: int) -> Any:
        return self._unpack(self.block(i))

    def read(self, start: int, stop: int) -> list[Any]:
        return list(map(self._unpack, self.blocks(start, stop)))

    def _unpack(self, data: Any) -> Any:
        try:
            return unpack(data)
        except CorruptionError as problem:
            raise self.chunk.error(self.at, f"packed value does not decode: {problem}") from problem
        except (ParcodeError, RecursionError):  # a class that is not known or has another shape: nothing is damaged
            raise
        except Exception as problem:
            raise self.chunk.error(self.at, f"packed value does not decode: {problem}") from problem


def accessor(view: View) -> Getter:
    """The fastest callable that does `view.get`."""
    direct: Getter | None = getattr(view, "direct", None)
    return direct if direct is not None else view.get


SPARSE = 4  # a column is read whole up to the last row if at least one of so many of its rows is wanted


def values_at(view: View, rows: Sequence[int]) -> list[Any]:
    """The values of some rows, at least one."""
    if type(rows) is range and rows.step == 1:
        return list(view.read(rows.start, rows.stop))
    first, stop = min(rows), max(rows) + 1
    if stop - first > SPARSE * len(rows):
        return list(map(accessor(view), rows))
    found = view.read(first, stop)
    if stop - first == len(rows) and rows[0] == first and list(rows) == list(range(first, stop)):
        return list(found)
    return [found[row - first] for row in rows]


def locate(view: View, i: int) -> tuple[View, int] | None:
    """The innermost view that holds value `i`, and its place there; None for a None."""
    while True:
        if isinstance(view, OptionalView):
            i = view.place(i)
            if i < 0:
                return None
            view = view.present
        elif isinstance(view, NullView):
            return None
        elif isinstance(view, ConstantView):
            view, i = view.one, 0
        elif (arm := getattr(view, "arm", None)) is not None:
            view, i = arm(i)
        else:
            return view, i
