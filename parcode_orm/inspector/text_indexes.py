"""Comparing the text indexes of entities with their rows: each must have the words that the texts have.

The hashes of all (word, row, times) have a sum, by the rows and by the index. Only if the sums differ are they
themselves compared, which takes memory for all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import Any

import numpy as np

from ..errors import CorruptionError, told
from ..model.indexes import IndexSpec
from ..model.words import VERSION, words_of
from ..session.entity.indexes import STEP
from ..session.entity.tables import keys_of, table_in
from ..session.entity.text_reader import OpenRun, Stack
from ..session.entity.text_rows import every_text

SHOWN = 10  # words that are wrong, and named
Found = tuple[str, int, int]  # a word, a row and how often


def check_text(cls: type[Any], spec: IndexSpec, stored: Any, runs: Any) -> Iterator[str]:
    """What is wrong with a text index of `cls`, whose table is `stored`."""
    older = [run.version for run in runs if run.version != VERSION]
    if older:
        yield (
            f"it has words by version {older[0]} of the rules for words, and this program has version {VERSION}: "
            "queries scan until a commit that changes a text builds it anew"
        )
        return
    try:
        for run in runs:
            yield from _check_run(run)
        stack = Stack(list(runs))
        yield from _check_rows(spec, stored, stack)
        if _sum(stack.pairs()) != _sum(_in_rows(spec, stored)):
            yield from _differences(cls, spec, stored, stack)
    except CorruptionError as problem:
        yield str(problem)


def _check_run(run: Any) -> Iterator[str]:
    """What is wrong with the order of a run's words, and with its fences."""
    last: list[str] = []
    fences = []
    for entries in OpenRun(run).every():
        words = [word for word, _ in entries]
        fences += words[:1]
        if not all(one < other for one, other in pairwise([*last, *words])):
            yield "the words of a run are not in their order"
            return
        last = words[-1:]
    if fences != list(run.fences):
        yield f"the fences of a run are not every {STEP}th word"


def _check_rows(spec: IndexSpec, stored: Any, stack: Stack) -> Iterator[str]:
    """What is wrong with the rows that an index knows, and with their numbers of words."""
    rows = words = wrong = 0
    for _, there in every_text(table_in(stored.rows), spec):
        texts: list[Any] = there.values
        lengths = np.fromiter((len(words_of(text)) for text in texts), np.int64, len(texts))
        wrong += int((stack.lengths(np.array(there.keys, np.int64)) != lengths).sum())
        rows, words = rows + len(lengths), words + int(lengths.sum())
    if wrong:
        yield f"the number of words of {wrong:,} rows is wrong"
    if (rows, words) != (stack.rows, stack.words):
        yield f"it counts {stack.rows:,} rows and {stack.words:,} words, and there are {rows:,} and {words:,}"
    if rows != stack.live():
        yield f"it knows {stack.live():,} rows with a text, and there are {rows:,}"


def _in_rows(spec: IndexSpec, stored: Any) -> Iterator[Found]:
    for _, there in every_text(table_in(stored.rows), spec):
        texts: list[Any] = there.values
        rows: list[Any] = there.keys
        for text, row in zip(texts, rows, strict=True):
            for word, times in Counter(words_of(text)).items():
                yield word, row, times


def _sum(found: Iterable[Found]) -> int:
    return sum(map(hash, found)) % (1 << 64)


def _differences(cls: type[Any], spec: IndexSpec, stored: Any, stack: Stack) -> Iterator[str]:
    counts = Counter(_in_rows(spec, stored))
    counts.subtract(stack.pairs())
    wrong = [(found, count) for found, count in counts.items() if count]
    table = table_in(stored.rows)
    for (word, row, times), count in islice(wrong, SHOWN):
        place = table.tree.row(row)
        entity = f"row {row}" if place is None else keys_of(cls).spelled(table.key(*place))
        has = "does not have" if count > 0 else "has"
        more = "" if count > 0 else ", whose text does not have it so often"
        yield f"it {has} {told(word)} {times} times for the {cls.__qualname__} {entity}{more}"
    if len(wrong) > SHOWN:
        yield f"{len(wrong) - SHOWN} more of its words are wrong"
