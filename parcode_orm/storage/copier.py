"""Copies chunks of one file to another as they stand: only their references change."""

from __future__ import annotations

from ..format.chunk_copy import Copy
from ..format.layout import Kind, Reference
from .check import Sweep, check_buffers
from .mapped import Source
from .pipeline import Pipeline
from .usage import LEADING

KINDS = frozenset(Kind)


class Copier:
    """Copies chunks of `source` to `pipeline`, each once, and verifies them.

    `places` says where each copied chunk lies now. `sweep` lets go of pages that were read.
    """

    def __init__(self, source: Source, pipeline: Pipeline) -> None:
        self.places: dict[Reference, Reference] = {}
        self.sweep = Sweep(source)
        self._source = source
        self._pipeline = pipeline

    def copy(self, ref: Reference) -> Reference:
        """Copy a chunk and those below it, as far as they were not; where the chunk lies now.

        Raises:
            CorruptionError: a chunk is damaged.
        """
        self.copy_below(ref)
        return self.places[ref]

    def copy_below(self, top: Reference) -> set[int]:
        """Copy `top` and the chunks below it that were not copied yet.

        Returns the offsets of earlier copies to which they refer.
        """
        fresh: set[Reference] = set()
        referred: set[int] = set()
        waiting = [top]
        while waiting:
            ref = waiting.pop()
            if ref in self.places:
                referred.add(ref.offset)
            elif ref not in fresh:
                fresh.add(ref)
                if ref.kind in LEADING:
                    waiting += self._source.read(ref, self.sweep).refs
        for ref in sorted(fresh):  # by offset: children lie before parents
            self._copy(ref)
        return referred

    def _copy(self, ref: Reference) -> None:
        chunk = self._source.read(ref, self.sweep)
        if chunk.kind not in KINDS or (chunk.refs and chunk.kind not in LEADING):
            raise chunk.error(0, f"a chunk of kind {chunk.kind} with {len(chunk.refs)} references is not known")
        for problem in check_buffers(chunk, decompress=False):
            raise problem
        ticket = self._pipeline.submit(Copy(chunk, [self.places[each] for each in chunk.refs]))
        assert ticket.reference is not None
        self.places[ref] = ticket.reference
