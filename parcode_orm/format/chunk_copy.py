"""A chunk as it stands in one file, on its way to another."""

from __future__ import annotations

from .chunk import Chunk
from .encoder import Buffer, Encoder, Ticket
from .layout import Kind, Reference

STRETCH = 1 << 20  # bytes of a copied chunk that are written at once


class Copy(Encoder):
    """A chunk of another file, to be written as it is, with other references.

    Its buffers are neither verified nor decoded.
    """

    __slots__ = ("chunk",)

    def __init__(self, chunk: Chunk, refs: list[Ticket | Reference]) -> None:
        super().__init__(Kind(chunk.kind), None, None, chunk.fingerprint)
        self.chunk = chunk
        self.refs = refs
        self.entries = [[]] * chunk.node_count  # the number is known, the content is not

    @property
    def size(self) -> int:
        """Bytes to be written."""
        return len(self.chunk.body)

    def finish(self) -> tuple[bytes, list[Buffer]]:
        """As `Encoder.finish`."""
        body = self.chunk.body
        parts: list[Buffer] = [body]
        if len(body) > STRETCH:
            parts = [body[at : at + STRETCH] for at in range(0, len(body), STRETCH)]
        return bytes(self.chunk.directory), parts


def unverified(chunk: Chunk) -> Chunk:
    """A chunk again, for a caller that takes a few bytes of it and verifies what it makes of them.

    Buffers that are not compressed are given as they stand in the file.
    """
    plain = [i for i, node in enumerate(chunk.nodes) if node.raw and not node.compression]
    here = Reference(chunk.where[1], 0, 0, chunk.kind)
    return chunk.again(here, chunk.refs, {i: chunk.stored(i) for i in plain})
