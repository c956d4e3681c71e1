"""Hash indexes: sorted runs of (hash, row id), each cut into shards by the hash's top bits.

A shard keeps, sorted, the 32 bits of the hash below those that chose it, beside them the row ids, and the bits that are
left, which only merging runs reads. Equal hashes are told apart by the caller, who compares the row's key. A run of one
shard is that shard alone.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from itertools import pairwise
from os import urandom
from typing import Any

from xxhash import xxh3_64_intdigest

from ..codec.base import Sink
from ..codec.keys import canonical
from ..errors import CorruptionError
from ..format.chunk import Chunk, Encoder, Ticket
from ..format.layout import Encoding, Kind, Reference
from .ints import get_ints, put_array, put_ints

SHARD_ROWS = 4096
MAX_BITS = 24
LOW = (1 << 32) - 1


def write_run(sink: Sink, hashes: Sequence[int], rows: Sequence[int]) -> Ticket:
    """Write the run that maps `hashes[i]` (64 bits) to `rows[i]`."""
    if len(hashes) < 512:
        pairs = sorted(zip(hashes, rows, strict=True))
        columns = [h >> 32 for h, _ in pairs], [r for _, r in pairs], [h & LOW for h, _ in pairs]
        return _write_shard(sink, put_ints, *columns)
    import numpy as np

    ids = np.arange(len(rows), dtype=np.uint64) if rows == range(len(rows)) else np.array(rows, np.uint64)
    return write_sorted_run(sink, *sorted_run(np.array(hashes, np.uint64), ids))


def sorted_run(keys: Any, rows: Any) -> tuple[Any, Any]:
    """Arrays of hashes and row ids, ordered by hash; equal hashes keep their order."""
    order = keys.argsort(kind="stable")
    return keys[order], rows[order]


def write_sorted_run(sink: Sink, keys: Any, rows: Any) -> Ticket:
    """Write a run from arrays of uint64, ordered by hash."""
    import numpy as np

    bits = 0
    while len(keys) > SHARD_ROWS << bits and bits < MAX_BITS:
        bits += 1
    lows = ((keys >> np.uint64(32 - bits)) & np.uint64(LOW)).astype(np.uint32)
    rests = (keys & np.uint64((1 << 32 - bits) - 1)).astype(np.uint32)
    if bits == 0:
        return _write_shard(sink, put_array, lows, rows, rests)
    bounds = np.searchsorted(keys >> np.uint64(64 - bits), np.arange((1 << bits) + 1, dtype=np.uint64)).tolist()
    out = sink.encoder(Kind.INDEX_RUN)
    for a, b in pairwise(bounds):
        out.ref(_write_shard(sink, put_array, lows[a:b], rows[a:b], rests[a:b]))
    out.leaf(Encoding.RAW, len(keys), param=bits)
    return sink.submit(out)


def _write_shard(sink: Sink, put: Callable[[Encoder, Any], None], lows: Any, rows: Any, rests: Any) -> Ticket:
    out = sink.encoder(Kind.INDEX_SHARD)
    root = out.open(Encoding.STRUCT, len(rows))
    put(out, lows)
    put(out, rows)
    put(out, rests)
    out.close(root)
    return sink.submit(out)


class Repeated:
    """Finds the keys that occur twice in a stream, without keeping the keys: by 64 more bits of hash for each.

    Two keys are taken for equal when all 128 bits agree: in a map of 10**9 keys the chance that any two that differ do
    is below 10**-20, and half of the bits depend on a random seed, so that no one can choose such keys.
    """

    def __init__(self) -> None:
        self._checks = array("Q")
        self._seed = int.from_bytes(urandom(8))  # so that nobody can make up keys that agree

    def add(self, keys: Sequence[Any]) -> None:
        """The next keys of the stream."""
        for key in keys:
            value = xxh3_64_intdigest(canonical(key), self._seed)
            if key != key:  # NaN equals nothing
                value = (value + len(self._checks)) & (1 << 64) - 1
            self._checks.append(value)

    def earlier(self, hashes: Sequence[int]) -> list[int]:
        """The places, in order, of keys that come again later; `hashes` are those of all keys."""
        if len(hashes) < 4096 and len(set(hashes)) == len(hashes):
            return []
        import numpy as np

        first, second = np.array(hashes, np.uint64), np.array(self._checks, np.uint64)
        order = np.lexsort((second, first))  # stable: equal keys stay in the order of their places
        first, second = first[order], second[order]
        again = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
        return sorted(order[:-1][again].tolist())


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
