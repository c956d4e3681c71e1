"""`matches` and `bm25` in statements: before a statement runs, they are told what the index of the field found.

Without an index, each row's text is looked at as the statement comes to it. `bm25` needs one pass over all rows before,
which counts how many have each word.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from operator import is_
from typing import Any, NamedTuple

import numpy as np

from ...errors import QueryError, told
from ...model.kinds import item_type, kinds_of
from ...model.words import as_text, words_of
from ..columns.operators import dig
from ..columns.places import is_scalar
from ..columns.vectors import Numbers, Rows, Vector, apply, pick
from ..expressions.computed import Searched
from ..expressions.corpus import Array, Corpus, Indexed, among
from ..expressions.evaluate import Frame, evaluate
from ..expressions.expressions import Expression, builds, has
from ..expressions.nodes import Field, Item, Logical, Of
from ..expressions.occurrences import Occurrence, bare, leaves_of, place_of
from ..expressions.rewriting import changed, mapped
from ..expressions.selectables import Derived, Entities
from ..expressions.simple import fact, is_simple, varied
from ..expressions.text_search import K1, B, Term, Weights, Words, parsed
from ..joins.hash_join import JoinedBatch, Part
from ..joins.join_planning import alone
from ..rows.rows_by_id import LookedUpBatch, SelectedBatch, SelectedSource
from ..rows.sources import Source, StoredBatch, source_of
from ..statements.statement import Select

_FOUND = (LookedUpBatch, SelectedBatch, SelectedSource)  # what says which searches hold of all its rows


class Matches(Searched[bool]):
    """Whether a text has the words looked for; `found` are the ids of the stored rows that have."""

    __slots__ = ("_found", "_words")
    _tp = bool

    def __init__(self, of: Expression[Any], words: Words, found: Array | None = None) -> None:
        self._of = of
        self._words = words
        self._found = found

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Matches(parts[0], self._words, self._found)

    def with_found(self, found: Array) -> Matches:
        """The same search, with the ids that an index found."""
        return Matches(self._of, self._words, found)

    def _identity(self) -> Any:
        return Matches, self._of._identity(), self._words

    def _holds_of(self, batch: Any) -> bool:
        """See `Searched`."""
        return isinstance(batch, _FOUND) and any(map(partial(is_, self._found), batch.found))

    def _values(self, frame: Any) -> Vector:
        if self._holds_of(frame.columns):
            return Numbers(np.ones(len(frame), bool))
        stored = None if self._found is None else _stored(frame, self._of)
        if stored is not None:
            batch, rows = stored
            there, _ = batch.with_ids(self._found)
            found = np.zeros(batch.count, bool)
            found[there] = True
            found = pick(found, rows)
            return _with_held(batch, rows, found, self._of, self._fits)
        return apply(self._fits, [evaluate(self._of, frame)], len(frame))

    def _fits(self, value: object) -> bool:
        text = as_text(value)
        return text is not None and self._words.fit(text)

    def _reads(self) -> bool:
        return self._found is None

    def __str__(self) -> str:
        return f"{self._of}.matches({told(self._words.text)})"


class Score(Searched[float]):
    """How well a text fits the words looked for.

    `weights` say it, once it is known which rows there are; an index, `corpus`, knows stored rows.
    """

    __slots__ = ("_b", "_corpus", "_k1", "_weights", "_words")
    _tp = float

    def __init__(
        self,
        of: Expression[Any],
        words: Words,
        k1: float,
        b: float,
        weights: Weights | None = None,
        corpus: Indexed | None = None,
    ) -> None:
        self._of = of
        self._words = words
        self._k1 = k1
        self._b = b
        self._weights = weights
        self._corpus = corpus

    def _rebuilt(self, parts: tuple[Expression[Any], ...]) -> Expression[Any]:
        return Score(parts[0], self._words, self._k1, self._b, self._weights, self._corpus)

    def with_weights(self, weights: Weights, corpus: Indexed | None = None) -> Score:
        """The same score, with the weights that it depends on."""
        return Score(self._of, self._words, self._k1, self._b, weights, corpus)

    def _identity(self) -> Any:
        return Score, self._of._identity(), self._words, self._k1, self._b

    @property
    def _name(self) -> str:
        return "bm25"

    def _values(self, frame: Any) -> Vector:
        weights = self._weights
        if weights is None:
            raise QueryError(f"{self} ranks the rows of a statement: it cannot stand in a condition on items")

        def score(value: object) -> float:
            return weights.score(as_text(value))

        columns, rows = frame.columns, range(frame.columns.count) if frame.rows is None else frame.rows
        if isinstance(columns, LookedUpBatch) and self._corpus is not None and isinstance(self._of, Field):
            return Numbers(self._corpus.scores(weights, pick(columns.ids, rows)))
        if isinstance(columns, JoinedBatch) and self._corpus is not None and isinstance(self._of, Of):
            return self._joined(columns.parts_of[self._of._number], rows, weights.score(None))
        stored = None if self._corpus is None else _stored(frame, self._of)
        if stored is not None and self._corpus is not None:
            batch, rows = stored
            return _with_held(batch, rows, self._corpus.scores(weights, batch.ids(rows)), self._of, score)
        found = apply(score, [evaluate(self._of, frame)], len(frame)).tolist()
        return Numbers(np.array(found, np.float64))

    def _joined(self, part: Part, rows: Rows, missing: float) -> Numbers:
        """The scores of rows of a join, from those of the source with the text; `missing` where it has no row."""
        assert isinstance(self._of, Of)
        at = part.at(rows)
        there = at >= 0
        found = np.full(len(at), missing)
        if there.any():
            found[there] = part.side.evaluated_at(self._rebuilt((bare(self._of._of),)), at[there]).tolist()
        return Numbers(found)

    def _reads(self) -> bool:
        return self._corpus is None

    def __str__(self) -> str:
        more = "".join(
            f", {name}={value}" for name, value, usual in (("k1", self._k1, K1), ("b", self._b, B)) if value != usual
        )
        return f"{self._of}.bm25({told(self._words.text)}{more})"


def _stored(frame: Frame, of: Expression[Any]) -> tuple[StoredBatch, Any] | None:
    """The batch and the rows of a frame of stored rows, if a field of them is looked at; None for any other."""
    columns, rows = frame.columns, range(frame.columns.count) if frame.rows is None else frame.rows
    if not isinstance(of, Field):
        return None
    if isinstance(columns, SelectedBatch):
        return columns.inner, columns.at(rows)
    return (columns, rows) if isinstance(columns, StoredBatch) else None


def _with_held(
    batch: StoredBatch, rows: Any, found: Array, of: Expression[Any], compute: Callable[[object], Any]
) -> Vector:
    """What was `found` of stored rows; it is computed for rows in memory."""
    places, objects = batch.held_among(rows)
    if objects:
        assert isinstance(of, Field)
        found[places] = [compute(dig(obj, of._path)) for obj in objects]
    return Numbers(found)


# -- building ----------------------------------------------------------------------------------------------------------


@builds
def matching_words(value: Expression[Any], words: Any) -> Matches:
    """The condition that a text has words, checked."""
    _check_text(value, "matches")
    return Matches(value, parsed(f"{value}.matches(words)", words))


@builds
def score(value: Expression[Any], words: Any, k1: Any, b: Any) -> Score:
    """How well a text fits words, checked."""
    _check_text(value, "bm25")
    for name, number, most in (("k1", k1, float("inf")), ("b", b, 1)):
        if type(number) not in (int, float) or not 0 <= number <= most or number == float("inf"):
            raise QueryError(
                f"{value}.bm25(words): {name} is a number from 0 on{' to 1' * (most == 1)}, not {told(number)}"
            )
    return Score(value, parsed(f"{value}.bm25(words)", words), float(k1), float(b))


def _check_text(value: Expression[Any], name: str) -> None:
    kinds = kinds_of(value._tp)
    if kinds is None:
        kinds = kinds_of(item_type(value._tp))
    if kinds is not None and "text" not in kinds:
        raise QueryError(f"{value} is no text and no list of texts: {name}() looks for words")


# -- before a statement runs -------------------------------------------------------------------------------------------


class Selection(NamedTuple):
    """Ids of stored rows: all rows that fulfil the conditions are among them, except for rows in memory.

    The ids are in each of `parts`, the results of single searches. `name` is the name of the index.
    """

    ids: Array
    name: str
    parts: tuple[Array, ...]


def given_of(statement: Select[Any]) -> Any:
    """What a statement takes its rows from; of a class, its entities in the session that runs the statement."""
    given = statement._source
    return statement._home.entities(given) if isinstance(given, type) and statement._home is not None else given


def bound(statement: Select[Any]) -> tuple[Select[Any], Selection | None]:
    """A statement whose searches know what indexes found, and the rows that its conditions leave, if these say so."""
    given = given_of(statement)
    if given is None or isinstance(given, type) or not has_search(statement):
        return statement, None
    search = Search(statement, given)
    found = varied(changed(statement, search.bound), _source=given)
    return found, search.selection(found._where)


def weighted(statement: Select[Any], sources: Sequence[Occurrence]) -> Select[Any]:
    """A statement of several sources whose scores know how rare words are among the rows of their source."""
    if not has_search(statement):
        return statement

    def change(each: Expression[Any]) -> Expression[Any] | None:
        leaf = next(leaves_of(each), None) if isinstance(each, Score) else None
        place = None if leaf is None else place_of(leaf, sources)
        if not isinstance(each, Score) or place is None:
            return None
        mine = alone(Select(sources[place].rows, (each,), _home=statement._home), sources[place])
        (score,) = mine._outputs
        assert isinstance(score, Score)
        search = Search(mine, given_of(mine))
        return each.with_weights(search.weights(score), search.corpus(score._of))

    return changed(statement, change)


def has_search(statement: Select[Any]) -> bool:
    """Whether a statement looks for words."""
    return fact(statement, "searches", _searches)


def _searches(statement: Select[Any]) -> bool:
    return not fact(statement, "simple", is_simple) and any(has(each, Searched) for each in statement._expressions())


class Search:
    """The text searches of one statement, whose rows are those of `given`."""

    def __init__(self, statement: Select[Any], given: Any) -> None:
        self._home = statement._home
        self._given = given
        self._corpora: dict[Any, Indexed | None] = {}

    def informed(self, expression: Expression[Any]) -> Expression[Any]:
        """An expression in which searches know what indexes found."""
        if isinstance(expression, (Field, Item)):
            return expression
        found = self.bound(expression) if isinstance(expression, Searched) else None
        return mapped(expression, self.bound) if found is None else found

    def bound(self, expression: Expression[Any]) -> Expression[Any] | None:
        """A search that knows what an index found; None for any other expression."""
        if isinstance(expression, Matches):
            corpus = self.corpus(expression._of)
            return expression.with_found(corpus.found(expression._words)) if corpus is not None else expression
        if isinstance(expression, Score):
            return expression.with_weights(self.weights(expression), self.corpus(expression._of))
        return None

    def weights(self, score: Score) -> Weights:
        """What the scores of rows depend on."""
        corpus: Corpus | None = self.corpus(score._of)
        if corpus is None:
            given = self._given
            source = given.source(self._home) if isinstance(given, Derived) else source_of(given)
            corpus = Scanned(source, score._of, score._words.terms)
        return corpus.weights(score._words, score._k1, score._b)

    def corpus(self, of: Expression[Any]) -> Indexed | None:
        """What the text index of a field knows; None if there is none."""
        if not isinstance(of, Field) or not isinstance(self._given, Entities):
            return None
        if of._path not in self._corpora:
            self._corpora[of._path] = self._given.corpus(of._path)
        return self._corpora[of._path]

    def selection(self, where: Iterable[Expression[bool]]) -> Selection | None:
        """The rows that the searches among the conditions leave, which all hold."""
        found: Selection | None = None
        for condition in where:
            here: Selection | None = None
            if isinstance(condition, Matches) and condition._found is not None:
                corpus = self.corpus(condition._of)
                assert corpus is not None
                here = Selection(condition._found, corpus.name, (condition._found,))
            elif isinstance(condition, Logical) and condition._operator == "and":
                here = self.selection(condition._args)
            if here is not None and found is not None:
                names = here.name if here.name == found.name else f"{found.name} and {here.name}"
                here = Selection(found.ids[among(found.ids, here.ids)], names, found.parts + here.parts)
            found = found if here is None else here
        return found


class Scanned(Corpus):
    """Texts that no index knows: all are read, and terms are counted."""

    def __init__(self, source: Source, of: Expression[Any], terms: list[Term]) -> None:
        self.rows = self.words = 0
        self._counts = dict.fromkeys(terms, 0)
        path = of._path if isinstance(of, Field) else None
        for batch in source.batches(arrays=lambda items: path is not None and is_scalar(items, path)):
            for value in evaluate(of, Frame(batch)).tolist():
                text = as_text(value)
                if text is not None:
                    self._take(words_of(text))

    def _take(self, words: list[str]) -> None:
        self.rows += 1
        self.words += len(words)
        counted = Counter(words)
        for term in self._counts:
            if term.times(counted):
                self._counts[term] += 1

    def count(self, term: Term) -> int:
        """See `Corpus`."""
        return self._counts[term]
