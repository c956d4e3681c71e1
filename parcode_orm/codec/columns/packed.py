"""Columns of values of any type, each packed on its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding
from ..base import Column, Space, View
from ..packed.blobs import ANY_KIND
from ..views.nodes import PackedView, read_blocks, wrapped
from ..views.tuples import open_mixed
from .physical import write_packed


class PackedColumn(Column):
    """Values of any type, each packed on its own."""

    __slots__ = ()
    lazy = False
    blob_kinds = ANY_KIND

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        """Append a PACKED node, EMPTY where there are no values."""
        if values:
            write_packed(values, out)
        else:
            out.leaf(Encoding.EMPTY, 0)

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        """Read the node `at`."""
        node = chunk.nodes[at]
        if node.encoding == Encoding.PACKED:
            return PackedView(*read_blocks(chunk, at, node), chunk, at)
        if node.encoding == Encoding.MIXED:
            return open_mixed(self, chunk, at, space, node)
        return wrapped(self, chunk, at, space, node)

    def describe(self) -> Any:
        """The schema of anything."""
        return "any"
