"""Text indexes: which rows have which words, as sorted runs.

A run covers rows: for each it has the number of words of its text, or that it has no text any more, and for each of the
words, the rows with that word. What an older run says of a row that a newer run covers is void. A commit adds a run of
the rows that changed, and merges it with runs of about its size, as `indexes` does. So a changed text costs what its
words take, and its words before are not asked for.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ...codec.base import Space
from ...codec.columns.boundary import ChunkColumn
from ...codec.types.compile import struct_for
from ...errors import CorruptionError
from ...lazy.list import LazyList
from ...model.entities import run_class
from ...model.indexes import IndexSpec
from ...model.words import VERSION
from .changed import Entries
from .indexes import GROWTH, MAX_RUNS, STEP
from .long_runs import LONG, long_run, part
from .postings import EMPTY, Array, Postings, decoded, encoded
from .word_codes import WordCodes

IN_MEMORY = 1 << 22  # postings of one commit that are sorted together
AT_ONCE = 1 << 20  # bytes of postings of a run that are read at once
FEW = 64  # entries of a run that are read at once, at least
GONE = -1  # in the place of the number of words: the row has no text any more
Entry = tuple[str, bytes]


class Rows(NamedTuple):
    """Row ids that rise, and the number of words of each, or GONE."""

    ids: Array
    lengths: Array


_NONE = np.empty(0, np.int64)
_NO_ROWS = Rows(_NONE, _NONE)


class Part(NamedTuple):
    """What is merged to a run: words in order, each with its postings, and the rows."""

    entries: Sequence[Entry]
    rows: Rows


def add_text_run(
    runs: Any, space: Space, cls: type, spec: IndexSpec, changes: Iterable[tuple[Entries, Entries]]
) -> None:
    """Add a run to a text index.

    Args:
        runs: a list of the index's runs, plain or lazy, which is changed.
        space: the session's space.
        cls: the class of the entities.
        spec: the index.
        changes: texts that entities had, and texts that they have, each with the ids of the rows.
    """
    parts, weight = _parts(space, cls, spec, changes)
    if not parts:
        return
    before = [known_length(runs, each.rows.ids) for each in parts]
    count = sum(int((each.rows.lengths >= 0).sum()) for each in parts) - sum(int((each >= 0).sum()) for each in before)
    words = sum(_sum(each.rows.lengths) for each in parts) - sum(map(_sum, before))
    first, older = len(runs), []
    while first and (first >= MAX_RUNS or runs[first - 1].weight <= GROWTH * weight):
        first -= 1
        run = runs[first]
        older.append(Part(run.entries, rows_in(run)))
        weight, count, words = weight + run.weight, count + run.texts, words + run.words
    added = _run(space, cls, spec, [*reversed(older), *parts], weight, bottom=not first)
    made = [] if added is None else [added.model_copy(update={"texts": count, "words": words})]
    if isinstance(runs, LazyList):  # not by the list: what changes it there is whole at once, and not taken back later
        runs.rows.splice(first, len(runs), made)
    else:
        runs[first:] = made


def renumbered(space: Space, cls: type, spec: IndexSpec, runs: Sequence[Any], ids: Array) -> list[Any]:
    """The runs of an index as one, for rows that get new ids: their places in `ids`, which rise."""
    rows, void = newest([_NO_ROWS, *[rows_in(run) for run in runs]])
    there = (rows.lengths >= 0) & np.isin(rows.ids, ids)
    rows = Rows(np.searchsorted(ids, rows.ids[there]), rows.lengths[there])
    if not len(rows.ids):
        return []

    def blocks() -> Iterator[list[Entry]]:
        for entries in merged([Part(run.entries, _NO_ROWS) for run in runs], void[1:]):
            found = decoded([block for _, block in entries])
            keep = np.isin(found.rows, ids)
            of = np.repeat(np.arange(len(entries)), found.counts)[keep]
            counts = np.bincount(of, minlength=len(entries))
            words = [word for (word, _), count in zip(entries, counts.tolist(), strict=True) if count]
            left = Postings(counts[counts > 0], np.searchsorted(ids, found.rows[keep]), found.times[keep])
            yield list(zip(words, encoded(left), strict=True))

    version = next((run.version for run in runs if run.version != VERSION), VERSION)
    made = _made(space, cls, spec, blocks(), rows, sum(run.weight for run in runs), version)
    counts = {"texts": len(rows.ids), "words": int(rows.lengths.sum())}
    return [made.model_copy(update=counts)]


def is_of_this_version(runs: Iterable[Any]) -> bool:
    """Whether all runs of an index have words by today's rules."""
    return all(run.version == VERSION for run in runs)


def _sum(lengths: Array) -> int:
    return int(lengths[lengths >= 0].sum())


def _run(space: Space, cls: type, spec: IndexSpec, parts: list[Part], weight: int, *, bottom: bool) -> Any:
    """A run of parts, the older ones first; None for nothing. Under the `bottom` one no run says what is gone."""
    rows, void = newest([each.rows for each in parts])
    if bottom:
        there = rows.lengths >= 0
        rows = Rows(rows.ids[there], rows.lengths[there])
    if not len(rows.ids):
        return None
    blocks = iter([list(parts[0].entries)]) if len(parts) == 1 else merged(parts, void)
    return _made(space, cls, spec, blocks, rows, weight, VERSION)


def _made(
    space: Space, cls: type, spec: IndexSpec, blocks: Iterator[list[Entry]], rows: Rows, weight: int, version: int
) -> Any:
    """A run of entries that come in order."""
    if weight < LONG:
        entries: Any = list(chain.from_iterable(blocks))
        fences = [word for word, _ in entries[::STEP]]
    else:
        entries, fences = long_run(space, _column(cls, spec), blocks, STEP)
    return run_class(cls, spec).model_construct(
        version=version,
        texts=0,
        words=0,
        weight=weight,
        entries=entries,
        fences=fences,
        spans=spans_of(rows.ids).tobytes(),
        lengths=_packed(rows.lengths),
    )


def _column(cls: type, spec: IndexSpec) -> ChunkColumn:
    column = struct_for(run_class(cls, spec)).places["entries"][1]
    assert isinstance(column, ChunkColumn)
    return column


# -- words of texts ----------------------------------------------------------------------------------------------------


def _parts(
    space: Space, cls: type, spec: IndexSpec, changes: Iterable[tuple[Entries, Entries]]
) -> tuple[list[Part], int]:
    """The rows of one commit, in parts that are sorted in memory, and what they weigh."""
    parts: list[Part] = []
    taken = Texts()
    lost = [_NONE]
    weight = 0
    for gone, got in changes:
        if gone.keys:
            lost.append(np.array(gone.keys, np.int64))
        taken.add(got.keys, got.values)
        if taken.postings >= IN_MEMORY:
            found = taken.part()
            parts.append(found._replace(entries=_aside(space, cls, spec, found.entries)))
            weight += taken.postings + taken.rows
            taken = Texts()
    if taken.rows:
        parts.append(taken.part())
        weight += taken.postings + taken.rows
    gone_ids = np.unique(np.concatenate(lost))
    for each in parts if len(gone_ids) else ():
        gone_ids = np.setdiff1d(gone_ids, each.rows.ids, assume_unique=True)
    if len(gone_ids):
        parts.insert(0, Part([], Rows(gone_ids, np.full(len(gone_ids), GONE))))
        weight += len(gone_ids)
    return parts, weight


def _aside(space: Space, cls: type, spec: IndexSpec, entries: Sequence[Entry]) -> Any:
    """Entries that leave memory."""
    return long_run(space, _column(cls, spec), [list(entries)], STEP)[0]


class Texts:
    """Takes texts, and gives the words that they have, with the rows."""

    def __init__(self) -> None:
        self.rows = 0
        self._words = WordCodes()
        self._ids: list[Array] = []
        self._lengths: list[Array] = []

    @property
    def postings(self) -> int:
        """How many there are at most: a word that stands twice in a text counts twice."""
        return self._words.count

    def add(self, ids: Sequence[Any], texts: Sequence[Any]) -> None:
        """Take texts, each with the id of its row."""
        if len(ids):
            self._lengths.append(self._words.take(texts))
            self._ids.append(np.array(ids, np.int64))
            self.rows += len(ids)

    def part(self) -> Part:
        """All that was taken."""
        ids, lengths = np.concatenate(self._ids), np.concatenate(self._lengths)
        order = np.argsort(ids, kind="stable")
        place = np.empty(len(ids), np.int64)  # of a row in the order of the ids
        place[order] = np.arange(len(ids))
        words, codes = self._words.finish()
        pairs = codes * len(ids) + np.repeat(place, lengths)
        pairs.sort()
        firsts = np.flatnonzero(np.diff(pairs, prepend=-1))
        times = np.diff(firsts, append=len(pairs))
        of, row = np.divmod(pairs[firsts], max(len(ids), 1))
        ids, lengths = ids[order], lengths[order]
        found = Postings(np.bincount(of, minlength=len(words)), ids[row], times)
        return Part(list(zip(words, encoded(found), strict=True)), Rows(ids, lengths))


# -- rows --------------------------------------------------------------------------------------------------------------


def spans_of(ids: Array) -> Array:
    """Ids that rise as pairs: the first of neighbours, and how many they are."""
    cuts = np.flatnonzero(np.diff(ids, prepend=-2) != 1)
    return np.stack([ids[cuts], np.diff(cuts, append=len(ids))], 1).astype("<u8")


def _packed(lengths: Array) -> bytes:
    """Numbers of words, one more each so that GONE is 0, behind a byte that says how wide they are."""
    most = int(lengths.max(initial=0)) + 1
    width = next(width for width in (1, 2, 4, 8) if most < 1 << 8 * width)
    packed: bytes = (lengths + 1).astype(f"<u{width}").tobytes()
    return bytes([width]) + packed


class Lengths:
    """The rows that a stored run covers: the number of words of each, by ids."""

    __slots__ = ("_before", "_counts", "_firsts", "_lengths", "count")

    def __init__(self, run: Any) -> None:
        spans, packed = run.spans, run.lengths
        width = packed[0] if packed else 0
        if width not in (1, 2, 4, 8) or len(spans) % 16 or (len(packed) - 1) % width:
            raise CorruptionError("the rows of a text index are damaged")
        pairs = np.frombuffer(spans, "<u8").astype(np.int64).reshape(-1, 2)
        self._firsts, self._counts = pairs[:, 0].copy(), pairs[:, 1]
        ends = np.cumsum(self._counts)
        self._before = ends - self._counts
        self._lengths = np.frombuffer(packed, f"<u{width}", offset=1)
        self.count = len(self._lengths)
        wrong = (self._firsts < 0).any() or (self._counts <= 0).any() or int(ends[-1] if len(ends) else 0) != self.count
        if wrong or (self._firsts[1:] <= (self._firsts + self._counts)[:-1]).any():
            raise CorruptionError("the rows of a text index are damaged")

    @property
    def nbytes(self) -> int:
        """The bytes that they take in memory."""
        return int(self._firsts.nbytes * 3 + self._lengths.nbytes)

    def places(self, ids: Array) -> tuple[Array, Array]:
        """Where rows are among those covered, and which are: the other places say nothing."""
        if not len(self._firsts):
            return np.zeros(len(ids), np.int64), np.zeros(len(ids), bool)
        if len(self._firsts) == 1:
            places = ids - self._firsts[0]
            there = (places >= 0) & (places < self._counts[0])
        else:
            at = np.maximum(np.searchsorted(self._firsts, ids, side="right") - 1, 0)
            within = ids - self._firsts[at]
            there = (within >= 0) & (within < self._counts[at])
            places = within + self._before[at]
        return places, there

    def of(self, ids: Array, unknown: Array) -> Array:
        """The number of words of rows, or GONE; those that are not covered are as in `unknown`."""
        places, there = self.places(ids)
        if there.all():
            return self._lengths[places].astype(np.int64) - 1
        found = unknown.copy()
        found[there] = self._lengths[places[there]].astype(np.int64) - 1
        return found

    def every(self) -> Rows:
        """All rows."""
        ids = np.arange(self.count) + np.repeat(self._firsts - self._before, self._counts)
        return Rows(ids, self._lengths.astype(np.int64) - 1)


def rows_in(run: Any) -> Rows:
    """The rows that a run covers."""
    return Lengths(run).every()


def known_length(runs: Iterable[Any], ids: Array) -> Array:
    """The number of words of rows, as the newest run that covers them has it; GONE if none does."""
    found = np.full(len(ids), GONE)
    for run in runs:
        found = Lengths(run).of(ids, found)
    return found


def newest(parts: Sequence[Rows]) -> tuple[Rows, list[Array]]:
    """The rows of parts, the newest part deciding; and for each part the ids that newer ones cover."""
    if len(parts) == 1:
        return parts[0], [_NONE]
    ids = np.concatenate([each.ids for each in parts])
    lengths = np.concatenate([each.lengths for each in parts])
    ages = np.repeat(np.arange(len(parts)), [len(each.ids) for each in parts])
    order = np.lexsort((ages, ids))
    ids, lengths, ages = ids[order], lengths[order], ages[order]
    last = np.diff(ids, append=-1) != 0
    void = [ids[~last & (ages == age)] for age in range(len(parts))]
    return Rows(ids[last], lengths[last]), void


# -- merging -----------------------------------------------------------------------------------------------------------


def merged(parts: Sequence[Part], void: Sequence[Array]) -> Iterator[list[Entry]]:
    """The entries of parts in order, some thousand at a time, without the rows of each part that are `void`."""
    heads = [_Head(each.entries) for each in parts]
    while sum(map(_Head.fill, heads)):
        ends = [head.words[-1] for head in heads if head.more]
        taken = [head.take(min(ends) if ends else None) for head in heads]
        known: dict[str, list[tuple[int, bytes]]] = {}
        for at, entries in enumerate(taken):
            for word, block in entries:
                known.setdefault(word, []).append((at, block))
        whole = {word: found[0][1] for word, found in known.items() if len(found) == 1 and not len(void[found[0][0]])}
        others = sorted(known.keys() - whole.keys())
        whole.update(_joined([known[word] for word in others], others, void))
        yield sorted(whole.items())


def _joined(found: list[list[tuple[int, bytes]]], words: list[str], void: Sequence[Array]) -> Iterator[Entry]:
    """The postings of words that several parts have, or one that has void rows."""
    blocks: list[list[bytes]] = [[] for _ in void]
    of: list[list[int]] = [[] for _ in void]
    for at, each in enumerate(found):
        for number, block in each:
            blocks[number].append(block)
            of[number].append(at)
    rows, times, places = [EMPTY.rows], [EMPTY.times], [EMPTY.rows]
    for here, words_of_part, gone in zip(blocks, of, void, strict=True):
        postings = decoded(here)
        place = np.repeat(np.array(words_of_part, np.int64), postings.counts)
        keep = np.isin(postings.rows, gone, invert=True) if len(gone) else slice(None)
        rows.append(postings.rows[keep])
        times.append(postings.times[keep])
        places.append(place[keep])
    place, row = np.concatenate(places), np.concatenate(rows)
    order = np.lexsort((row, place))
    counts = np.bincount(place, minlength=len(words))
    there = np.flatnonzero(counts)
    joined = Postings(counts[there], row[order], np.concatenate(times)[order])
    return zip([words[at] for at in there.tolist()], encoded(joined), strict=True)


class _Head:
    """The entries of a part that were read and not taken yet."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = entries
        self._next = 0
        self._size = len(entries)
        self.words: list[str] = []
        self._blocks: list[bytes] = []

    @property
    def more(self) -> bool:
        """Whether there are entries that were not read yet."""
        return self._next < self._size

    def fill(self) -> bool:
        """Whether there are entries; some are read if none are known."""
        size = 0
        while (not self.words and self.more) or (size and size < AT_ONCE and self.more):
            stop = min(self._next + FEW, self._size)
            found: list[Any] = part(self._entries, self._next, stop)
            self._next = stop
            self.words += [word for word, _ in found]
            self._blocks += [block for _, block in found]
            size += sum(len(block) + 16 for _, block in found)
        return bool(self.words)

    def take(self, end: str | None) -> list[Entry]:
        """The entries up to the word `end`, or all, which are known no longer."""
        count = len(self.words) if end is None else bisect_right(self.words, end)
        taken = list(zip(self.words[:count], self._blocks[:count], strict=True))
        self.words, self._blocks = self.words[count:], self._blocks[count:]
        return taken
