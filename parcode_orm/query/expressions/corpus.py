"""`Corpus`: the texts of a field of all rows of a collection, as text search asks for them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from .text_search import Alternative, Term, Weights, Words, weights

Array = Any  # a numpy array
NONE: Array = np.empty(0, np.int64)


class Corpus(ABC):
    """The texts of a field. `rows` is how many rows have one, `words` how many words these have."""

    rows: int
    words: int

    @abstractmethod
    def count(self, term: Term) -> int:
        """How many rows have a term."""

    def weights(self, words: Words, k1: float, b: float) -> Weights:
        """What the scores of rows depend on."""
        return weights(words.terms, map(self.count, words.terms), self.rows, self.words, k1, b)


class Indexed(Corpus):
    """The texts of entities, which an index knows. `name` is that of the index.

    Arrays are of the stored rows that did not change since, by the ids of the rows, which rise.
    """

    name: str

    @abstractmethod
    def postings(self, term: Term) -> tuple[Array, Array]:
        """The rows that have a term, and how often each has it."""

    @abstractmethod
    def lengths(self, ids: Array) -> Array:
        """The number of words of rows."""

    def found(self, words: Words) -> Array:
        """The rows that have what is looked for."""
        parts = list(map(self._alternative, words.alternatives))
        return parts[0] if len(parts) == 1 else np.unique(np.concatenate([NONE, *parts]))

    def _alternative(self, wanted: Alternative) -> Array:
        found = self._together(wanted.every)
        for group in wanted.without:
            found = found[~among(found, self._together(group))]
        return found

    def _together(self, terms: Sequence[Term]) -> Array:
        """The rows that have all terms."""
        if len(terms) == 1:
            return self.postings(terms[0])[0]
        first, *others = sorted([self.postings(term)[0] for term in terms], key=len)
        for each in others:
            first = first[among(first, each)]
        return first

    def scores(self, found: Weights, ids: Array) -> Array:
        """The scores of rows, in any order: 0 for those without any of the terms."""
        total = np.zeros(len(ids))
        for term, weight in found.terms:  # one by one, as the score of a single text is added up
            rows, times = self.postings(term)
            if len(rows):
                at = np.minimum(np.searchsorted(rows, ids), len(rows) - 1)
                there = np.flatnonzero(rows[at] == ids)
                lengths = self.lengths(ids[there]).astype(np.float64)
                total[there] += found.of(weight, times[at[there]].astype(np.float64), lengths)
        return total


def among(ids: Array, others: Array) -> Array:
    """Which of `ids` are among `others`; both rise."""
    if not len(ids) or not len(others):
        return np.zeros(len(ids), bool)
    low, high = int(ids[0]), int(ids[-1])
    if high - low < 8 * (len(ids) + len(others)):
        there = np.zeros(high - low + 1, bool)
        first, last = np.searchsorted(others, (low, high + 1))
        there[others[first:last] - low] = True
        return there[ids - low]
    at = np.minimum(np.searchsorted(others, ids), len(others) - 1)
    return others[at] == ids
