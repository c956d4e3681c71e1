"""The texts of a class of entities as a session has them: what its text index knows, and what changed in memory."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np

from ...codec.per_class import per_class
from ...lazy.map import LazyMap
from ...model.entity_names import field_of
from ...model.indexes import IndexSpec, Path, indexes_of
from ...model.words import words_of
from ...query.expressions.corpus import NONE, Array, Indexed, among
from ...query.expressions.text_search import Term
from ..roots import Root
from ..unit_of_work import UnitOfWork
from .tables import changed_at, is_as_stored, stored_rows, table_in
from .text_lengths import GONE
from .text_reader import Stack, StackKey
from .text_runs import is_of_this_version
from .values import field_values, index_column


class TextIndex(NamedTuple):
    """The text index of a class: the field of the table that has it, and what users call it."""

    spec: IndexSpec
    field: str
    name: str


@per_class
def text_indexes_of(cls: type) -> dict[Path, TextIndex]:
    """The text indexes of a class, by the paths of their texts."""
    return {spec.parts[0]: TextIndex(spec, field_of(spec), spec.name) for spec in indexes_of(cls) if spec.text}


def stack_of(root: Root, field: str, space: Any) -> Stack | None:
    """The runs of a text index as they are stored; None where they have words by other rules than today's.

    `field` is that of the index in the table of the entities, which is read through `space`.
    """
    stored = space.source.catalog.roots.get(root.name)
    key = None if stored is None else StackKey(space.source.uuid, stored.offset, field)
    found: Stack | None = None if key is None else space.cache.kept.get(key)
    if found is not None:
        found.used = True
        return found
    runs = list(getattr(root.obj, field))
    if not is_of_this_version(runs):
        return None
    stack = Stack(runs)
    if key is not None:
        space.cache.put(key, stack)
    return stack


class StoredCorpus(Indexed):
    """The texts of a field, as a text index and the entities in memory have them."""

    _memory: list[Counter[str]]

    def __init__(
        self, work: UnitOfWork, root: Root, index: TextIndex, rows: LazyMap[object, object], stack: Stack
    ) -> None:
        self.name = index.name
        self._stack = stack
        self._known: dict[Term, tuple[Array, Array]] = {}
        self.rows, self.words = stack.rows, stack.words
        self._left_out, self._memory = NONE, []
        changed = [] if is_as_stored(table_in(rows)) else list(changed_at(rows, index.spec.parts))
        if changed or root.gone:
            self._look_at(work, root, index.spec, changed)

    def _look_at(self, work: UnitOfWork, root: Root, spec: IndexSpec, changed: list[tuple[object, object]]) -> None:
        """Take the texts in memory for those that are stored."""
        stack = self._stack
        self._left_out = _stored_ids(work, root, [*(key for key, _ in changed), *root.gone])
        texts = index_column(spec, lambda name: field_values([obj for _, obj in changed], name))
        self._memory = [Counter(words_of(text)) for text in texts if text is not None]
        lengths = stack.lengths(self._left_out)
        lengths = lengths[lengths != GONE]
        self.rows = stack.rows - len(lengths) + len(self._memory)
        self.words = stack.words - int(lengths.sum()) + sum(each.total() for each in self._memory)

    def postings(self, term: Term) -> tuple[Array, Array]:
        """See `Indexed`."""
        known = self._known.get(term)
        if known is None:
            rows, times = self._stack.postings(term.word, prefix=term.prefix)
            if len(self._left_out):
                keep = ~among(rows, self._left_out)
                rows, times = rows[keep], times[keep]
            known = self._known[term] = rows, times
        return known

    def lengths(self, ids: Array) -> Array:
        """See `Indexed`."""
        return self._stack.lengths(ids)

    def count(self, term: Term) -> int:
        """See `Corpus`."""
        return len(self.postings(term)[0]) + sum(1 for each in self._memory if term.times(each))


def _stored_ids(work: UnitOfWork, root: Root, keys: list[object]) -> Array:
    """The ids of the stored rows with some of these keys, each once, in order."""
    stored: Any = stored_rows(work, root) if keys else {}
    if not isinstance(stored, LazyMap):
        return NONE
    table = table_in(stored)
    found = [place[0].first + place[1] for key in keys if (place := table.find(key)) is not None]
    return np.unique(np.array(found, np.int64))
