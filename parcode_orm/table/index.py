"""Hash indexes: sorted runs of (hash, row id), each cut into shards by the hash's top bits.

A shard keeps the 32 bits of the hash below those that chose it, sorted, and the row ids beside them; equal hashes are
told apart by the caller, who compares the row's key. A run of one shard is that shard alone.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from itertools import pairwise

from ..codec.base import Sink
from ..errors import CorruptionError
from ..format.chunk import Chunk, Ticket
from ..format.layout import Encoding, Kind, Reference
from .ints import get_ints, put_ints

SHARD_ROWS = 4096
MAX_BITS = 24
_LOW = (1 << 32) - 1


def write_run(sink: Sink, hashes: Sequence[int], rows: Sequence[int]) -> Ticket:
    """Write the run that maps `hashes[i]` (64 bits) to `rows[i]`."""
    bits = 0
    while len(hashes) > SHARD_ROWS << bits and bits < MAX_BITS:
        bits += 1
    if len(hashes) < 512:
        pairs = sorted(zip(hashes, rows, strict=True))
        ordered, ids = [h for h, _ in pairs], [r for _, r in pairs]
        return _write_shard(sink, [h >> 32 for h in ordered], ids)
    import numpy as np

    keys = np.fromiter(hashes, np.uint64, len(hashes))
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    places = np.fromiter(rows, np.uint64, len(hashes))[order]
    lows = ((keys >> np.uint64(32 - bits)) & np.uint64(_LOW)).astype(np.uint32)
    if bits == 0:
        return _write_shard(sink, lows.tolist(), places.tolist())
    bounds = np.searchsorted(keys >> np.uint64(64 - bits), np.arange((1 << bits) + 1, dtype=np.uint64)).tolist()
    out = sink.encoder(Kind.INDEX_RUN)
    for a, b in pairwise(bounds):
        out.ref(_write_shard(sink, lows[a:b].tolist(), places[a:b].tolist()))
    out.leaf(Encoding.RAW, len(hashes), param=bits)
    return sink.submit(out)


def _write_shard(sink: Sink, lows: list[int], rows: list[int]) -> Ticket:
    out = sink.encoder(Kind.INDEX_SHARD)
    root = out.open(Encoding.STRUCT, len(rows))
    put_ints(out, lows)
    put_ints(out, rows)
    out.close(root)
    return sink.submit(out)


class Shard:
    """One shard, opened."""

    __slots__ = ("lows", "rows")

    def __init__(self, chunk: Chunk) -> None:
        count = chunk.nodes[0].count
        children = chunk.children(0)
        if chunk.nodes[0].encoding != Encoding.STRUCT or len(children) != 2:
            raise chunk.error(0, "an index shard has two columns")
        self.lows = get_ints(chunk, children[0], count)
        self.rows = get_ints(chunk, children[1], count)


class Run:
    """A run of the index. `probe` gives the places of a shard where a hash may stand."""

    __slots__ = ("_bits", "_chunk", "_refs", "_shards", "_shift")

    def __init__(self, chunk: Callable[[Reference], Chunk], ref: Reference) -> None:
        self._chunk = chunk
        self._shards: dict[int, Shard] = {}
        if ref.kind == Kind.INDEX_SHARD:
            self._bits, self._refs = 0, [ref]
        elif ref.kind == Kind.INDEX_RUN:
            run = chunk(ref)
            self._bits, self._refs = run.nodes[0].param, run.refs
            if not 0 < self._bits <= MAX_BITS or len(self._refs) != 1 << self._bits:
                raise run.error(0, f"an index run of {self._bits} bits has {len(self._refs)} shards")
        else:
            raise CorruptionError(f"an index run is a chunk of kind {ref.kind}", offset=ref.offset)
        self._shift = 64 - self._bits

    def _open(self, number: int) -> Shard:
        ref = self._refs[number]
        if ref.kind != Kind.INDEX_SHARD:
            raise CorruptionError(f"an index shard is a chunk of kind {ref.kind}", offset=ref.offset)
        return self._shards.setdefault(number, Shard(self._chunk(ref)))

    def rows(self, key_hash: int) -> Sequence[int]:
        """Row ids whose hash agrees with `key_hash` in the bits that are kept."""
        shard = self._shards.get(key_hash >> self._shift)
        if shard is None:
            shard = self._open(key_hash >> self._shift)
        low = key_hash >> (32 - self._bits) & _LOW
        lows = shard.lows
        first = end = bisect_left(lows, low)
        count = len(lows)
        while end < count and lows[end] == low:
            end += 1
        return shard.rows[first:end]
