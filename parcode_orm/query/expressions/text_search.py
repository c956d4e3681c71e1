"""Text search: what `matches("words")` finds, and `bm25("words")`, a number that is larger the better a row fits.

The words looked for are taken from a text as those of the rows are (`model.words`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import log
from typing import Any, NamedTuple

from ...errors import QueryError, told
from ...model.words import words_of

K1, B = 1.2, 0.75  # as SQLite's FTS5 and Lucene have them


class Term(NamedTuple):
    """A word that is looked for; as a `prefix`, all words that begin with it."""

    word: str
    prefix: bool = False

    def times(self, words: Mapping[str, int]) -> int:
        """How often it stands in a text; `words` are the counted words of the text."""
        if not self.prefix:
            return words.get(self.word, 0)
        return sum(count for word, count in words.items() if word.startswith(self.word))


class Alternative(NamedTuple):
    """A text has all terms in `every`, and of each group in `without` at least one is missing."""

    every: tuple[Term, ...]
    without: tuple[tuple[Term, ...], ...]

    def fits(self, words: Mapping[str, int]) -> bool:
        """Whether a text of these words has what is wanted."""
        return all(term.times(words) for term in self.every) and not any(
            all(term.times(words) for term in group) for group in self.without
        )


class Words(NamedTuple):
    """What is looked for: one of the alternatives. Without any, nothing is found."""

    text: str
    alternatives: tuple[Alternative, ...]

    @property
    def terms(self) -> list[Term]:
        """The different terms that are looked for, in their order."""
        return list(dict.fromkeys(term for each in self.alternatives for term in each.every))

    def fit(self, text: str) -> bool:
        """Whether a text has what is looked for."""
        words = Counter(words_of(text))
        return any(each.fits(words) for each in self.alternatives)


def parsed(where: str, text: Any) -> Words:
    """What a user looks for: words, `word*`, `-word`, and `OR` between alternatives.

    Args:
        where: what is searched, for messages.
        text: `red wine OR ros* -sweet` finds texts with `red` and `wine`, and texts with a word that begins with `ros`
            and without `sweet`. What holds several words, such as `wi-fi`, stands for all of them.

    Raises:
        QueryError: it is no text, or words in quotes are to stand next to each other.
    """
    if not isinstance(text, str):
        raise QueryError(f"{where} takes the words to look for, a text, not {told(text)}")
    if '"' in text:
        raise QueryError(
            f"{where}: quotes ask for words next to each other, and where words stand is not kept: look for the words, "
            "and add & .ilike('%red wine%') to the condition"
        )
    alternatives: list[Alternative] = []
    every: list[Term] = []
    without: list[tuple[Term, ...]] = []
    for part in [*text.split(), "OR"]:
        if part == "OR":
            if every:
                alternatives.append(Alternative(tuple(dict.fromkeys(every)), tuple(without)))
            every, without = [], []
            continue
        words = words_of(part)
        terms = [Term(word, at == len(words) - 1 and part.endswith("*")) for at, word in enumerate(words)]
        if part.startswith("-"):
            without += [tuple(terms)] if terms else []
        else:
            every += terms
    return Words(text, tuple(dict.fromkeys(alternatives)))


# -- BM25 --------------------------------------------------------------------------------------------------------------


class Weights(NamedTuple):
    """What the score of a row depends on, beside the row: of each term its weight, and the mean number of words."""

    terms: tuple[tuple[Term, float], ...]
    mean: float
    k1: float
    b: float

    def of(self, weight: float, times: Any, lengths: Any) -> Any:
        """What a term adds to the scores of rows that have it `times` times among `lengths` words: arrays or numbers.

        Robertson, Zaragoza: The Probabilistic Relevance Framework: BM25 and Beyond, 2009, as SQLite's FTS5 computes it.
        """
        return weight * (times * (self.k1 + 1.0) / (times + self.k1 * (1.0 - self.b + self.b * lengths / self.mean)))

    def score(self, text: str | None) -> float:
        """The score of a text."""
        words = Counter(words_of(text or ""))
        count, total = sum(words.values()), 0.0
        for term, weight in self.terms:
            times = term.times(words)
            if times:
                total += self.of(weight, float(times), float(count))
        return total


def weights(terms: Sequence[Term], found: Iterable[int], rows: int, words: int, k1: float, b: float) -> Weights:
    """The weights of terms: `found` says how many of `rows` rows have each term; the rows have `words` words.

    A term that more than half of the rows have weighs 1e-6: more rows with it count, but hardly.
    """
    pairs = [(term, (rows - count + 0.5) / (count + 0.5)) for term, count in zip(terms, found, strict=True)]
    weighed = tuple([(term, log(ratio) if ratio > 1 else 1e-6) for term, ratio in pairs])
    return Weights(weighed, words / max(rows, 1) or 1.0, k1, b)
