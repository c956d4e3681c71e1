"""The keys of a join: numbers for values that are equal, and which rows have each of them.

Values are equal as Python says: `1 == 1.0`, None is equal to None, and NaN to nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import QueryError
from ..columns.hashed import Hashed, TextBits, TextTable, encoded, exactly, text_bits
from ..columns.vectors import Coded, Constant, Numbers, Texts, Vector, nulls_of
from ..expressions.expressions import Expression

SPARSE = 4  # times as many numbers as there are values may lie between the smallest and the largest, in a table
_EXACT = 1 << 62  # ints below it are compared as int64


class Distinct:
    """Different ints or floats, and the place of each: by a table if they lie close together, else by their hashes."""

    __slots__ = ("_hashed", "low", "table", "values")

    def __init__(self, values: Any) -> None:
        self.table, self.low = None, 0
        if len(values) and values.dtype.kind == "i":
            low, high = int(values.min()), int(values.max())
            if high - low < SPARSE * len(values) + 1024:
                there = np.zeros(high - low + 3, bool)  # with a place for what lies on either side
                there[values - (low - 1)] = True
                self.low, self.values = low, np.flatnonzero(there) + (low - 1)
                self.table = np.where(there, np.cumsum(there) - 1, -1)
                return
        self._hashed = Hashed(_bits(values), exactly)
        self.values = values[self._hashed.first]

    def __len__(self) -> int:
        return len(self.values)

    def find(self, values: Any) -> Any:
        """The place of each of some values; -1 for one that is not there."""
        if not len(self.values):
            return np.full(len(values), -1)
        if self.table is not None:
            return self.looked_up(self.table, values)
        return self._hashed.find(_bits(values), exactly)

    def looked_up(self, table: Any, values: Any) -> Any:
        """What `table` has for each of some values, looked up as in the own table."""
        return table.take(np.subtract(values, self.low - 1, dtype=np.int64), mode="clip")


class Codes:
    """Numbers for the different values of one key of the rows that others are joined to."""

    def __init__(self, vector: Vector, of: Expression[Any]) -> None:
        self._of = of
        self._numbers: Distinct | None = None
        self._kind: Any = None
        self._none = -1  # the number of None
        self._words: dict[Any, int] | None = None
        self._texts: TextTable | None = None  # by which stored texts are found,
        self._numbers_of_texts: Any = None  # and their numbers here
        self._stored: Texts | None = None  # the texts by their numbers
        self._maps: dict[int, tuple[list[Any], Any]] = {}  # from codes of words to numbers, by the list of words
        if isinstance(vector, Numbers) and _fits(vector.values):
            self._kind = vector.kind
            there = ~nulls_of(vector)
            values = vector.values
            if values.dtype.kind == "f":
                there &= values == values
            self._numbers = Distinct(_plain(values[there]))
            self.count = len(self._numbers)
            if vector.nulls is not None and vector.nulls.any():
                self._none, self.count = self.count, self.count + 1
            self.codes = self.find(vector)
            return
        bits = text_bits(vector) if isinstance(vector, Texts) and len(vector) else None
        if bits is not None and isinstance(vector, Texts):
            self._texts = TextTable(bits)
            self.codes, self.count = self._texts.codes, len(self._texts.first)
            self._stored = vector.take(self._texts.first)
            return
        self._words = {}
        words = vector.words if isinstance(vector, Coded) else vector.tolist()
        self._number(words)
        self.count = len(self._words)
        self.codes = self.find(vector)

    def _number(self, words: Sequence[Any]) -> None:
        assert self._words is not None
        try:
            for word in words:
                if word == word:  # NaN is equal to nothing
                    self._words.setdefault(word, len(self._words))
        except (TypeError, ArithmeticError) as problem:
            raise QueryError(f"{self._of} cannot be joined by its values: {problem}") from None

    def find(self, vector: Vector) -> Any:
        """The number of each value of a vector; -1 for one that is not there."""
        if self._numbers is not None and isinstance(vector, Numbers) and _fits(vector.values):
            return self._of_numbers(vector)
        if isinstance(vector, Coded):
            return self.of_words(vector)[vector.codes]
        if isinstance(vector, Texts) and self._numbers is None and (bits := text_bits(vector)) is not None:
            return self._of_texts(bits)
        if isinstance(vector, Constant):
            return np.full(len(vector), self._found([vector.value])[0])
        return self._found(vector.tolist())

    def of_words(self, vector: Coded) -> Any:
        """The number of each word of a vector."""
        known = self._maps.get(id(vector.words))
        if known is None:
            known = self._maps[id(vector.words)] = vector.words, self._found(vector.words)
        return known[1]

    def in_table(self, vector: Vector) -> Distinct | None:
        """The table by which the numbers of a vector are found, if nothing else is."""
        numbers = self._numbers
        plain = isinstance(vector, Numbers) and vector.nulls is None and vector.values.dtype.kind in "iub"
        if numbers is None or numbers.table is None or not plain:
            return None
        assert isinstance(vector, Numbers)
        return numbers if vector.kind is self._kind and _fits(vector.values) else None

    def _of_numbers(self, vector: Numbers) -> Any:
        assert self._numbers is not None
        if vector.kind is not self._kind:
            found = np.full(len(vector), -1)
        else:
            values, mine = _plain(vector.values), self._numbers.values
            if values.dtype.kind == mine.dtype.kind:
                found = self._numbers.find(values)
            elif mine.dtype.kind == "f":
                floats = values.astype(np.float64)
                found = np.where(floats.astype(np.int64) == values, self._numbers.find(floats), -1)
            else:
                whole = (values == np.floor(values)) & (np.abs(values) < _EXACT)
                found = np.where(whole, self._numbers.find(np.where(whole, values, 0).astype(np.int64)), -1)
        return found if vector.nulls is None else np.where(vector.nulls, self._none, found)

    def _of_texts(self, bits: TextBits) -> Any:
        if self._texts is None:
            assert self._words is not None
            known = {word: number for word, number in self._words.items() if type(word) is str}
            self._texts = TextTable(encoded(list(known)))
            self._numbers_of_texts = np.array([*known.values(), -1], np.int64)
        found = self._texts.find(bits)
        return found if self._numbers_of_texts is None else self._numbers_of_texts[found]

    def _found(self, values: list[Any]) -> Any:
        if self._words is None and self._stored is not None:
            words = self._stored.tolist()
            self._words = dict(zip(words, range(len(words)), strict=True))
        if self._words is None:
            assert self._numbers is not None
            listed = self._numbers.values.tolist()
            words = listed if self._kind is None else self._kind.values(listed)
            self._words = dict(zip(words, range(len(words)), strict=True))
            if self._none >= 0:
                self._words[None] = self._none
        known = self._words
        try:
            return np.fromiter((known.get(value, -1) for value in values), np.int64, len(values))
        except (TypeError, ArithmeticError) as problem:
            raise QueryError(f"{self._of} cannot be joined by its values: {problem}") from None


def _fits(values: Any) -> bool:
    """Whether numbers are floats, or ints that int64 has with room to spare."""
    if values.dtype.kind in "bf" or values.dtype.itemsize < 8 or not len(values):
        return True
    return -_EXACT < int(values.min()) and int(values.max()) < _EXACT


def _bits(values: Any) -> Any:
    """64 bits of each int or float, the same for equal ones; NaN is looked up in no table that has it."""
    return (values + 0.0 if values.dtype.kind == "f" else values).view(np.uint64)  # 0.0 for -0.0


def _plain(values: Any) -> Any:
    return values.astype(np.float64 if values.dtype.kind == "f" else np.int64, copy=False)


class Matches(NamedTuple):
    """For each row that is looked up: row `rows[i]` alone fits it (-1: none), or `counts[i]` rows `order[starts[i]:]`.

    Without an `order`, the rows are those from `starts[i]` on. With `coded`, row `rows[i]` fits all rows that have word
    `i` of this vector.
    """

    rows: Any = None
    counts: Any = None
    starts: Any = None
    order: Any = None
    coded: Coded | None = None


class KeyIndex:
    """Which rows have which values of one or several keys."""

    def __init__(self, vectors: Sequence[Vector], of: Sequence[Expression[Any]]) -> None:
        self._parts = [Codes(vector, each) for vector, each in zip(vectors, of, strict=True)]
        self._pairs: list[Distinct] = []
        codes, count = self._parts[0].codes, self._parts[0].count
        for part in self._parts[1:]:
            both = np.where((codes < 0) | (part.codes < 0), -1, codes * part.count + part.codes)
            pairs = Distinct(both[both >= 0])
            self._pairs.append(pairs)
            codes, count = pairs.find(both), len(pairs)
        there = codes >= 0
        counts = np.bincount(codes[there], minlength=count)
        self._order = self._starts = self._rows = None
        self._table: Any = None  # from ints to rows
        if not len(counts) or int(counts.max()) <= 1:
            self._rows = np.full(count + 1, -1)  # the last place is that of what is not there, -1
            self._rows[codes[there]] = np.flatnonzero(there)
            return
        order = np.argsort(codes, kind="stable")
        self._order = order[len(codes) - int(there.sum()) :]
        self._counts = np.append(counts, 0)
        self._starts = np.append(np.cumsum(counts) - counts, 0)

    def find(self, vectors: Sequence[Vector]) -> Matches:
        """The rows that fit rows with these values of the keys."""
        first, vector = self._parts[0], vectors[0]
        if self._rows is not None and not self._pairs:
            if isinstance(vector, Coded) and 2 * len(vector.words) <= len(vector):
                return Matches(self._rows[first.of_words(vector)], coded=vector)
            numbers = first.in_table(vector)
            if numbers is not None and isinstance(vector, Numbers):
                if self._table is None:
                    self._table = self._rows[numbers.table]
                return Matches(numbers.looked_up(self._table, vector.values))
        codes = first.find(vector)
        for pairs, part, vector in zip(self._pairs, self._parts[1:], vectors[1:], strict=True):
            more = part.find(vector)
            codes = pairs.find(np.where((codes < 0) | (more < 0), -1, codes * part.count + more))
        if self._rows is not None:
            return Matches(self._rows[codes])
        assert self._starts is not None
        return Matches(None, self._counts[codes], self._starts[codes], self._order)
