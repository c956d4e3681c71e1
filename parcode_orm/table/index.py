"""Hash indexes: sorted runs of (hash, row id), each cut into shards by the hash's top bits.

A shard keeps, sorted, the 32 bits of the hash below those that chose it, beside them the row ids, and the bits that are
left, which only merging runs reads. Equal hashes are told apart by the caller, who compares the row's key. A run of one
shard is that shard alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import islice, pairwise
from typing import Any

from ..codec.base import Sink
from ..errors import CorruptionError
from ..format.chunk import Chunk, Encoder, Ticket
from ..format.layout import Encoding, Kind, Reference
from .ints import get_ints, put_array, put_ints

SHARD_ROWS = 4096
ARRAYS_FROM = 512  # keys
MAX_BITS = 24
LOW = (1 << 32) - 1


def write_run(sink: Sink, hashes: Sequence[int], rows: Sequence[int]) -> Ticket:
    """Write the run that maps `hashes[i]` (64 bits) to `rows[i]`."""
    if len(hashes) < ARRAYS_FROM:
        pairs = sorted(zip(hashes, rows, strict=True))
        columns = [h >> 32 for h, _ in pairs], [r for _, r in pairs], [h & LOW for h, _ in pairs]
        return _write_shard(sink, put_ints, *columns)
    import numpy as np

    return write_sorted_run(sink, *sorted_run(np.array(hashes, np.uint64), np.array(rows, np.uint64)))


def sorted_run(keys: Any, rows: Any) -> tuple[Any, Any]:
    """Arrays of hashes and row ids, ordered by hash; equal hashes keep their order."""
    order = keys.argsort(kind="stable")
    return keys[order], rows[order]


def write_sorted_run(sink: Sink, keys: Any, rows: Any) -> Ticket:
    """Write a run from arrays of uint64, ordered by hash."""
    return write_run_of(sink, len(keys), [(keys, rows)], 0)


def write_run_of(sink: Sink, count: int, stretches: Iterable[tuple[Any, Any]], stretch_bits: int) -> Ticket:
    """Write a run of `count` rows that come as `1 << stretch_bits` pairs of arrays (hashes, row ids).

    One pair for each value of the first bits of the hash, in order, and ordered by hash; so few need to be in memory.
    """
    import numpy as np

    bits = 0
    while count > SHARD_ROWS << bits and bits < MAX_BITS:
        bits += 1
    parts = iter(stretches)
    joined = 1 << max(stretch_bits - bits, 0)  # stretches that make one shard
    tickets = []
    for first in range(0, 1 << stretch_bits, joined):
        keys, rows = (np.concatenate(each) for each in zip(*islice(parts, joined), strict=True))
        shards = np.arange(first << bits >> stretch_bits, (first + joined << bits >> stretch_bits) + 1, dtype=np.uint64)
        bounds = np.searchsorted(keys >> np.uint64(64 - bits), shards).tolist() if bits else [0, len(keys)]
        lows = ((keys >> np.uint64(32 - bits)) & np.uint64(LOW)).astype(np.uint32)
        rests = (keys & np.uint64((1 << 32 - bits) - 1)).astype(np.uint32)
        tickets += [_write_shard(sink, put_array, lows[a:b], rows[a:b], rests[a:b]) for a, b in pairwise(bounds)]
    if bits == 0:
        return tickets[0]
    out = sink.encoder(Kind.INDEX_RUN)
    for ticket in tickets:
        out.ref(ticket)
    out.leaf(Encoding.RAW, count, param=bits)
    return sink.submit(out)


def _write_shard(sink: Sink, put: Callable[[Encoder, Any], None], lows: Any, rows: Any, rests: Any) -> Ticket:
    out = sink.encoder(Kind.INDEX_SHARD)
    root = out.open(Encoding.STRUCT, len(rows))
    put(out, lows)
    put(out, rows)
    put(out, rests)
    out.close(root)
    return sink.submit(out)


class Shard:
    """One shard, opened."""

    __slots__ = ("count", "lows", "rows")

    def __init__(self, chunk: Chunk) -> None:
        self.count = count = chunk.nodes[0].count
        children = chunk.children(0)
        if chunk.nodes[0].encoding != Encoding.STRUCT or len(children) != 3:
            raise chunk.error(0, "an index shard has three columns")
        self.lows = get_ints(chunk, children[0], count)
        self.rows = get_ints(chunk, children[1], count)


class Run:
    """A run of the index: `shard(key_hash >> shift)` is where a hash stands, by its bits `key_hash >> low_shift & LOW`.

    Hashes that agree in these bits are neighbours there; only the row's key tells whether it is the one sought.
    """

    __slots__ = ("_chunk", "_refs", "count", "low_shift", "shards", "shift")

    def __init__(self, chunk: Callable[[Reference], Chunk], ref: Reference) -> None:
        self._chunk = chunk
        self.shards: dict[int, Shard] = {}
        bits = 0
        if ref.kind == Kind.INDEX_SHARD:
            self._refs, self.count = [ref], chunk(ref).nodes[0].count
        elif ref.kind == Kind.INDEX_RUN:
            run = chunk(ref)
            bits, self._refs, self.count = run.nodes[0].param, run.refs, run.nodes[0].count
            if not 0 < bits <= MAX_BITS or len(self._refs) != 1 << bits:
                raise run.error(0, f"an index run of {bits} bits has {len(self._refs)} shards")
        else:
            raise CorruptionError(f"an index run is a chunk of kind {ref.kind}", offset=ref.offset)
        self.shift = 64 - bits
        self.low_shift = 32 - bits

    def shard(self, number: int) -> Shard:
        """The shard `number`, opened at first use; those that are open stand in `shards`."""
        found = self.shards.get(number)
        if found is None:
            ref = self._refs[number]
            if ref.kind != Kind.INDEX_SHARD:
                raise CorruptionError(f"an index shard is a chunk of kind {ref.kind}", offset=ref.offset)
            found = self.shards.setdefault(number, Shard(self._chunk(ref)))
        return found

    def entries(self) -> tuple[Any, Any]:
        """All hashes and their row ids, as arrays of uint64, in order."""
        import numpy as np

        keys, rows = [], []
        for number, ref in enumerate(self._refs):
            chunk = self._chunk(ref)
            shard = self.shard(number)
            rests = get_ints(chunk, chunk.children(0)[2], shard.count)
            top = np.uint64(number << self.shift if self.shift < 64 else 0)
            lows = np.array(shard.lows, np.uint64) << np.uint64(self.low_shift)
            keys.append(top | lows | np.array(rests, np.uint64))
            rows.append(np.array(shard.rows, np.uint64))
        return np.concatenate(keys), np.concatenate(rows)

    def _check(self, next_row: int) -> None:
        """The rules that hold between any two operations; for tests."""
        assert len(self._refs) == 1 << 64 - self.shift
        keys, rows = self.entries()
        assert len(keys) == self.count
        assert (keys[:-1] <= keys[1:]).all()
        assert rows.max(initial=0) < next_row
