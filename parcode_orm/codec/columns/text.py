"""Columns of text and byte strings: the values end to end, and offsets beside them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding, Node, NodeFlag
from .. import kernels, trail
from ..base import Space, View
from ..packed import blobs
from ..views.nodes import child_nodes, read_blocks, read_offsets
from ..views.text import BytesView, TextView
from .physical import Physical, described, write_blocks, write_constant, write_packed
from .subclasses import write_subclasses

CUT = 16  # bytes of text kept as statistics


class TextColumn(Physical):
    """Any string, lone surrogates included. Few distinct values become a DICTIONARY.

    `literal` are the values that a `Literal` names, for the schema alone.
    """

    __slots__ = ("literal", "schema_known")
    encodings = frozenset({Encoding.TEXT})
    blob_kinds = (blobs.TEXT,)
    exact = frozenset({str})
    expected = "str"

    def __init__(self) -> None:
        self.literal: tuple[str, ...] = ()

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        # Text of equal values is looked at closely in `write`; all other text is joined.
        count = len(values)
        if count == 1 or (count and values[0] is not values[-1] and kernels.is_varied(values)):
            packed = kernels.pack_text(values)
            if packed is not None:
                write_text(packed, count, out, values if count == 1 else ())
                return
        super().encode(values, out)

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        if not all(issubclass(t, str) for t in types):
            raise trail.first_misfit(values, (str,), self.expected)
        if not write_subclasses(values, types, (str,), out):
            self.write([str.__str__(value) for value in values], out)

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        count, first = len(values), values[0]
        if count > 1 and first == values[-1] and values.count(first) == count:
            write_constant(self, first, count, out)
            return
        known = kernels.distinct(values)
        if known is None:
            write_text(kernels.pack_text(values), count, out, values if count == 1 else ())
            return
        node = out.open(Encoding.DICTIONARY, count)
        data = kernels.codes(values, known)
        out.leaf(Encoding.INT, count, data, width=len(data) // count)
        write_text(kernels.pack_text(known), len(known), out, known)
        out.close(node)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        (child,) = child_nodes(chunk, at, 1)
        data = chunk.buffer(at)
        gap = 1 if node.flags & NodeFlag.SEPARATED else 0
        total = data.nbytes - gap * node.count
        if node.count == 0 or total < 0:
            raise chunk.error(at, f"{data.nbytes} bytes for {node.count} texts")
        offsets = read_offsets(chunk, child, node.count, total)
        errors = "surrogatepass" if node.flags & NodeFlag.SURROGATES else "strict"
        return TextView(data, offsets, chunk, at, gap, errors)

    def describe(self) -> Any:
        return described("text", self.literal)


def write_text(packed: kernels.PackedText | None, count: int, out: Encoder, bounded: Sequence[str] = ()) -> None:
    """Append a TEXT node with the bounds of `bounded`, given for few values: bounds take time."""
    assert packed is not None  # the values are exact strings
    data, offsets, width, separated, surrogates = packed
    flags = NodeFlag.SEPARATED * separated | NodeFlag.SURROGATES * surrogates
    low, high = text_range(bounded) if bounded else (b"", None)
    if high is None:
        low, high = b"", b""
    else:
        flags |= NodeFlag.STATISTICS
    out.open(Encoding.TEXT, count, data, flags=flags, low=low, high=high, ints=[(count + 1, offsets, width)])


def text_range(values: Sequence[str]) -> tuple[bytes, bytes | None]:
    """Bounds of the texts' UTF-8: `low` cut to 16 bytes, `high` cut and rounded up, or None.

    Both are padded with zeros in the file, so a text that ends in a zero byte within the cut has no
    bounds.
    """
    low = min(values).encode("utf-8", "surrogatepass")
    high = low if len(values) == 1 else max(values).encode("utf-8", "surrogatepass")
    if b"\0" in low[:CUT] or b"\0" in high[:CUT]:
        return b"", None
    if len(high) > CUT:
        high = high[:CUT].rstrip(b"\xff")
        if not high:
            return b"", None
        high = high[:-1] + bytes([high[-1] + 1])
    return low[:CUT], high


class BytesColumn(Physical):
    """`bytes` or `bytearray`, as `factory` says; the one given for the other is PACKED.

    `literal` are the values that a `Literal` names, for the schema alone.
    """

    __slots__ = ("exact", "expected", "factory", "literal")
    encodings = frozenset({Encoding.BYTES})
    blob_kinds = (blobs.BYTES, blobs.BYTEARRAY)

    def __init__(self, factory: type[bytes] | type[bytearray] = bytes) -> None:
        self.factory = factory
        self.literal: tuple[bytes, ...] = ()
        self.exact = frozenset({factory})
        self.expected = factory.__name__

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        if not all(issubclass(t, bytes | bytearray) for t in types):
            raise trail.first_misfit(values, (bytes, bytearray), self.expected)
        if not write_subclasses(values, types, (bytes, bytearray), out):
            write_packed(values, out)

    def write(self, values: Sequence[Any], out: Encoder) -> None:
        count, first = len(values), values[0]
        same = count > 1 and self.factory is bytes and first == values[-1] and values.count(first) == count
        if same:
            write_constant(self, first, count, out)
        else:
            write_blocks(Encoding.BYTES, values, out)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        return BytesView(*read_blocks(chunk, at, node), chunk, at, self.factory)

    def describe(self) -> Any:
        return described(self.expected, self.literal)
