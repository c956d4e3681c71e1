"""Hash indexes: sorted runs of (hash, row id), each cut into shards by the hash's top bits.

A shard keeps, sorted, the 32 bits of the hash below those that chose it, beside them the row ids, and the bits that are
left, which only merging runs reads. Equal hashes are told apart by the caller, who compares the row's key. A run of one
shard is that shard alone; over more there are directories, and over many of those directories again.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from parcode_orm.native import compiled

from ..codec.base import Sink
from ..codec.keys.canonical import hash_keys
from ..format.chunk import Chunk
from ..format.encoder import Buffer, Encoder, Ticket
from ..format.layout import Encoding, Kind, Reference
from ..storage.spill import SPILLED, is_spilled
from .ints import get_ints, put_array, put_ints
from .nodes import Target

if TYPE_CHECKING:
    from .row_groups import TableSink
    from .table import Table

MAX_BITS = 24
NEAR = 64  # entries of a shard: how far from its guessed place a hash is looked for first
LOW = (1 << 32) - 1
_offset_of = attrgetter("offset")


def write_run(sink: Sink, hashes: Sequence[int], rows: Sequence[int]) -> Ticket:
    """Write the run that maps `hashes[i]` (64 bits) to `rows[i]`."""
    if len(hashes) < sink.tuning.arrays_from:
        pairs = sorted(zip(hashes, rows, strict=True))
        columns = [h >> 32 for h, _ in pairs], [r for _, r in pairs], [h & LOW for h, _ in pairs]
        return _write_shard(sink, put_ints, *columns)
    import numpy as np

    return write_sorted_run(sink, *sorted_run(np.array(hashes, np.uint64), np.array(rows, np.uint64)))


@compiled
def sort_hashes(hashes: Buffer) -> tuple[bytes, bytes]:
    """Hashes of 8 bytes in order, and the places where they stood, as 8 bytes. Equal hashes keep their order."""
    import numpy as np

    keys = np.frombuffer(hashes, np.uint64)
    order = keys.argsort(kind="stable")
    return keys[order].tobytes(), order.astype(np.uint64).tobytes()


def sorted_hashes(hashes: Any) -> tuple[Any, Any]:
    """As `sort_hashes`, as arrays of uint64."""
    import numpy as np

    keys, places = sort_hashes(hashes)
    return np.frombuffer(keys, np.uint64), np.frombuffer(places, np.uint64)


def sorted_run(keys: Any, rows: Any) -> tuple[Any, Any]:
    """Arrays of hashes and row ids, ordered by hash; equal hashes keep their order."""
    hashes, places = sorted_hashes(keys)
    return hashes, rows[places]


def write_sorted_run(sink: Sink, keys: Any, rows: Any) -> Ticket:
    """Write a run from arrays of uint64, ordered by hash."""
    return write_run_of(sink, len(keys), [(keys, rows)], 0)


def write_run_of(sink: Sink, count: int, stretches: Iterable[tuple[Any, Any]], stretch_bits: int) -> Ticket:
    """Write a run of `count` rows that come as `1 << stretch_bits` pairs of arrays (hashes, row ids).

    One pair for each value of the first bits of the hash, in order, and ordered by hash; so few need to be in memory.
    """
    import numpy as np

    bits = 0
    while count > sink.tuning.shard_rows << bits and bits < MAX_BITS:
        bits += 1
    parts = iter(stretches)
    joined = 1 << max(stretch_bits - bits, 0)  # stretches that make one shard
    tickets, counts = [], []
    for first in range(0, 1 << stretch_bits, joined):
        keys, rows = (np.concatenate(each) for each in zip(*islice(parts, joined), strict=True))
        shards = np.arange(first << bits >> stretch_bits, (first + joined << bits >> stretch_bits) + 1, dtype=np.uint64)
        bounds = np.searchsorted(keys >> np.uint64(64 - bits), shards).tolist() if bits else [0, len(keys)]
        lows = ((keys >> np.uint64(32 - bits)) & np.uint64(LOW)).astype(np.uint32)
        rests = (keys & np.uint64((1 << 32 - bits) - 1)).astype(np.uint32)
        tickets += [_write_shard(sink, put_array, lows[a:b], rows[a:b], rests[a:b]) for a, b in pairwise(bounds)]
        counts += [b - a for a, b in pairwise(bounds)]
    return _write_directories(sink, tickets, counts)


def _write_directories(sink: Sink, tickets: list[Ticket], counts: list[int]) -> Ticket:
    """Write the directories over a run's shards, which have `counts` entries, in levels of about even width."""
    bits = 0
    while len(tickets) > 1:
        left = len(tickets).bit_length() - 1
        taken = -(-left // -(-left // sink.tuning.directory_bits))
        bits += taken
        spans = [slice(at, at + (1 << taken)) for at in range(0, len(tickets), 1 << taken)]
        counts = [sum(counts[span]) for span in spans]
        tickets = [_write_directory(sink, tickets[s], count, bits) for s, count in zip(spans, counts, strict=True)]
    return tickets[0]


def _write_directory(sink: Sink, tickets: list[Ticket], count: int, bits: int) -> Ticket:
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


def bits_of(chunk: Chunk) -> int:
    """The bits of the hash that choose a shard of the run that begins with `chunk`; 0 where that is its one shard."""
    bits = chunk.nodes[0].param if chunk.kind == Kind.INDEX_RUN else 0
    if chunk.kind not in (Kind.INDEX_RUN, Kind.INDEX_SHARD) or bits > MAX_BITS:
        raise chunk.error(0, f"an index run of {bits} bits is a chunk of kind {chunk.kind}")
    return bits


def directory(chunk: Chunk, bits: int) -> tuple[list[Reference], int]:
    """The references of a directory that `bits` bits lead through, and the bits that are left below each of them."""
    refs = chunk.refs
    taken = len(refs).bit_length() - 1
    if chunk.kind != Kind.INDEX_RUN or chunk.nodes[0].param != bits:
        raise chunk.error(0, f"expected the directory of an index run for {bits} bits")
    if not 0 < taken <= bits or len(refs) != 1 << taken:
        raise chunk.error(0, f"an index run of {bits} bits has {len(refs)} references")
    return refs, bits - taken


def shards_of(chunk: Callable[[Reference], Chunk], run: Reference) -> Iterator[Reference]:
    """The shards of a run, in order. Nothing in it may stand twice, or a few chunks could name millions."""
    waiting = [(run, bits_of(chunk(run)))]
    seen = {run}
    while waiting:
        ref, bits = waiting.pop()
        if not bits:
            yield ref
            continue
        opened = chunk(ref)
        refs, below = directory(opened, bits)
        known = len(seen)
        seen.update(refs)
        if len(seen) != known + len(refs):
            raise opened.error(0, "an index run that names a chunk twice")
        waiting += [(each, below) for each in reversed(refs)]


@compiled
def find_row(hashed: int, low_shift: int, lows: memoryview, rows: memoryview, before: int) -> int:
    """The id of a row of a shard that a hash may stand for; -1 where there are no more.

    Args:
        hashed: the hash, 64 bits.
        low_shift: how many bits of it lie below the 32 that the shard compares.
        lows: these 32 bits of all hashes in the shard, unsigned numbers that rise.
        rows: the ids of the rows beside them, unsigned numbers.
        before: how many rows of this hash were found before.
    """
    low = hashed >> low_shift & LOW
    count = len(lows)
    guess = low * count >> 32  # hashes are spread evenly, so the place is near
    first = guess - NEAR if guess > NEAR else 0
    at = bisect_left(lows, low, first, guess + NEAR if guess + NEAR < count else count)
    if at == first or at == count or lows[at] != low:
        at = bisect_left(lows, low)
    at += before
    return rows[at] if at < count and lows[at] == low else -1


@compiled
def is_text(data: bytes, texts: memoryview, offsets: memoryview, gap: int, row: int) -> bool:
    """Whether a text of a column is `data`, in UTF-8.

    Args:
        data: the text that is sought.
        texts: the bytes of all texts.
        offsets: where each begins and the last one ends, unsigned numbers.
        gap: 1 where a NUL follows each text, which offsets do not count; else 0.
        row: the number of the text.
    """
    start, stop = offsets[row], offsets[row + 1]
    return stop - start == len(data) and texts[start + gap * row : stop + gap * row] == data


@compiled
def text_place(data: bytes, texts: memoryview, offsets: memoryview, gap: int, start: int, stop: int) -> int:
    """Where `data` stands among the texts `start` to `stop`, which are sorted; `~row` if it only belongs at `row`.

    Arguments are as for `is_text`.
    """
    if not 0 <= start <= stop < len(offsets):
        raise IndexError("texts are sought beyond those of a column")
    end = stop
    while start < stop:
        middle = (start + stop) // 2
        if bytes(texts[offsets[middle] + gap * middle : offsets[middle + 1] + gap * middle]) < data:
            start = middle + 1
        else:
            stop = middle
    same = start < end and texts[offsets[start] + gap * start : offsets[start + 1] + gap * start] == data
    return start if same else ~start


class Shard:
    """One shard, opened."""

    __slots__ = ("count", "lows", "rows")

    def __init__(self, chunk: Chunk) -> None:
        root = chunk.nodes[0]
        self.count = count = root.count
        children = chunk.children(0)
        if chunk.kind != Kind.INDEX_SHARD or root.encoding != Encoding.STRUCT or len(children) != 3:
            raise chunk.error(0, "an index shard has three columns")
        self.lows = get_ints(chunk, children[0], count)
        self.rows = get_ints(chunk, children[1], count)


class Run:
    """A run of the index: `shard(key_hash >> shift)` is where a hash stands, by its bits `key_hash >> low_shift & LOW`.

    Hashes that agree in these bits are neighbours there; only the row's key tells whether it is the one sought.
    """

    __slots__ = ("chunk", "count", "low_shift", "ref", "shards", "shift")

    def __init__(self, chunk: Callable[[Reference], Chunk], ref: Reference) -> None:
        self.chunk = chunk
        self.ref = ref
        self.shards: dict[int, Shard] = {}
        root = chunk(ref)
        bits = bits_of(root)
        self.count = root.nodes[0].count
        self.shift = 64 - bits
        self.low_shift = 32 - bits

    def shard(self, number: int) -> Shard:
        """The shard `number`, opened at first use; those that are open stand in `shards`."""
        found = self.shards.get(number)
        if found is None:
            ref, bits = self.ref, 64 - self.shift
            while bits:
                refs, bits = directory(self.chunk(ref), bits)
                ref = refs[number >> bits & len(refs) - 1]
            found = self.shards.setdefault(number, Shard(self.chunk(ref)))
        return found

    def may_have(self, hashes: Any) -> Any:
        """For each of an array of hashes, whether the run has one that agrees with it in the bits that shards compare.

        Shards are opened that any of the hashes belongs to.
        """
        import numpy as np

        order = hashes.argsort()
        numbers = (hashes >> np.uint64(self.shift))[order] if self.shift < 64 else np.zeros(len(hashes), np.uint64)
        lows = ((hashes >> np.uint64(self.low_shift)) & np.uint64(LOW)).astype(np.uint32)[order]
        found = np.zeros(len(hashes), bool)
        starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(hashes)]
        for start, stop in pairwise(starts):
            known = np.asarray(self.shard(int(numbers[start])).lows, np.uint32)
            if len(known):
                asked = lows[start:stop]
                places = np.minimum(known.searchsorted(asked), len(known) - 1)
                found[order[start:stop]] = known[places] == asked
        return found

    def entries(self) -> tuple[Any, Any]:
        """All hashes and their row ids, as arrays of uint64, in order."""
        import numpy as np

        keys, rows = [], []
        for number, ref in enumerate(shards_of(self.chunk, self.ref)):
            chunk = self.chunk(ref)
            shard = Shard(chunk)
            rests = get_ints(chunk, chunk.children(0)[2], shard.count)
            top = np.uint64(number << self.shift if self.shift < 64 else 0)
            lows = np.array(shard.lows, np.uint64) << np.uint64(self.low_shift)
            keys.append(top | lows | np.array(rests, np.uint64))
            rows.append(np.array(shard.rows, np.uint64))
        return np.concatenate(keys), np.concatenate(rows)

    def _check(self, next_row: int) -> None:
        """The rules that hold between any two operations; for tests."""
        assert sum(1 for _ in shards_of(self.chunk, self.ref)) == 1 << 64 - self.shift
        keys, rows = self.entries()
        assert len(keys) == self.count
        assert (keys[:-1] <= keys[1:]).all()
        assert rows.max(initial=0) < next_row


def open_runs(chunk: Callable[[Reference], Chunk], refs: Sequence[Reference], known: Iterable[Run]) -> list[Run]:
    """The runs at `refs`, read by `chunk` from now on. Those that are among `known` keep the shards that are open."""
    there = {run.ref: run for run in known}
    found = [there.get(ref) or Run(chunk, ref) for ref in refs]
    for run in found:
        run.chunk = chunk
    return found


def write_runs(sink: TableSink, table: Table) -> list[Target]:
    """The index's runs, the oldest first: those that are there, and one for the keys that were added.

    Small runs, and those of streams, are merged into the new one, so that each is at least twice as large as the next
    and there are few.
    """
    if not table.added and max(map(_offset_of, table.run_refs), default=0) < SPILLED:
        return list(table.run_refs)
    runs: list[Target] = [ref for ref in table.run_refs if not is_spilled(ref)]
    spilled = [ref for ref in table.run_refs if is_spilled(ref)]
    hashes = hash_keys(list(table.added))
    rows = list(table.added.values())
    old = [Run(table.space.chunk, ref) for ref in table.run_refs[: len(runs)]]
    merged = [Run(table.space.chunk, ref) for ref in reversed(spilled)]
    size = len(rows) + sum(run.count for run in merged)
    while size and old and (len(old) >= sink.tuning.max_runs or old[-1].count <= 2 * size):
        run = old.pop()
        runs.pop()
        size += run.count
        merged.append(run)
    if not merged:
        return [*runs, write_run(sink, hashes, rows)] if rows else runs
    if not rows and len(merged) == len(spilled) == 1:
        return [*runs, sink.copy(spilled[0], table.space)]
    import numpy as np

    parts = [(np.array(hashes, np.uint64), np.array(rows, np.uint64))]
    parts += [run.entries() for run in reversed(merged)]
    keys, ids = (np.concatenate(each) for each in zip(*parts, strict=True))
    if table.rows < table.next_row:  # some rows are gone, and their entries stale
        there = np.array([table.tree.row(row) is not None for row in ids.tolist()], bool)
        keys, ids = keys[there], ids[there]
    return [*runs, write_sorted_run(sink, *sorted_run(keys, ids))] if len(keys) else runs
