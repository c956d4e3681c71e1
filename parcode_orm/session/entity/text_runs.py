"""Text indexes: which rows have which words, as sorted runs.

A run covers rows: for each it has the number of words of its text, or that it has no text any more, and for each of the
words, the rows with that word. What an older run says of a row that a newer run covers is void. A commit adds a run of
the rows that changed, and merges it with runs of about its size, as `indexes` does. So a changed text costs what its
words take, and its words before are not asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ...codec.base import Space
from ...lazy.list import LazyList
from ...model.entities import run_class
from ...model.indexes import IndexSpec
from ...model.words import VERSION
from .changed import Entries
from .indexes import GROWTH, MAX_RUNS, STEP
from .long_runs import LONG, long_run
from .postings import Array, Postings, decoded, encoded
from .text_lengths import GONE, NO_ROWS, NONE, Rows, known_length, newest, packed, rows_in, spans_of
from .text_merging import Entry, merged
from .word_codes import WordCodes

IN_MEMORY = 1 << 22  # postings of one commit that are sorted together


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
    rows, void = newest([NO_ROWS, *[rows_in(run) for run in runs]])
    there = (rows.lengths >= 0) & np.isin(rows.ids, ids)
    rows = Rows(np.searchsorted(ids, rows.ids[there]), rows.lengths[there])
    if not len(rows.ids):
        return []

    def blocks() -> Iterator[list[Entry]]:
        for entries in merged([run.entries for run in runs], void[1:]):
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
    blocks = iter([list(parts[0].entries)]) if len(parts) == 1 else merged([each.entries for each in parts], void)
    return _made(space, cls, spec, blocks, rows, weight, VERSION)


def _made(
    space: Space, cls: type, spec: IndexSpec, blocks: Iterator[list[Entry]], rows: Rows, weight: int, version: int
) -> Any:
    """A run of entries that come in order."""
    if weight < LONG:
        entries: Any = list(chain.from_iterable(blocks))
        fences = [word for word, _ in entries[::STEP]]
    else:
        entries, fences = long_run(space, cls, spec, blocks, STEP)
    return run_class(cls, spec).model_construct(
        version=version,
        texts=0,
        words=0,
        weight=weight,
        entries=entries,
        fences=fences,
        spans=spans_of(rows.ids).tobytes(),
        lengths=packed(rows.lengths),
    )


# -- words of texts ----------------------------------------------------------------------------------------------------


def _parts(
    space: Space, cls: type, spec: IndexSpec, changes: Iterable[tuple[Entries, Entries]]
) -> tuple[list[Part], int]:
    """The rows of one commit, in parts that are sorted in memory, and what they weigh."""
    parts: list[Part] = []
    taken = Texts()
    lost = [NONE]
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
    return long_run(space, cls, spec, [list(entries)], STEP)[0]


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
