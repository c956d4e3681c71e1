"""`Picked`: rows of several batches in any order as one batch, with columns that were computed for them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import numpy as np

from ...codec.base import Column
from ..columns.merging import merged
from ..columns.vectors import Objects, Rows, Vector, indices
from ..expressions.evaluate import Unparted
from .ordered import Hits
from .sources import Batch


class PickedSource:
    """The rows of `hits`, objects of `model`, as a `Source`; `how` says how they were found."""

    __slots__ = ("_picked", "how", "model")

    def __init__(self, hits: Hits, model: Any, how: str) -> None:
        self._picked = Picked(hits)
        self.model = model
        self.how = how

    def __len__(self) -> int:
        return self._picked.count

    def batches(self, *, arrays: Callable[[Column], bool]) -> Iterator[Batch]:
        """See `Source`."""
        yield self._picked

    def at_keys(self, keys: Collection[Any], how: str) -> None:
        """There is no index."""


class Picked(Unparted):
    """The rows of `hits` as a batch. `more` has computed columns, by path."""

    __slots__ = ("_hits", "count", "more")

    def __init__(self, hits: Hits, more: Mapping[tuple[str, ...], Vector] | None = None) -> None:
        self._hits = hits
        self.count = hits.count
        self.more = dict(more or {})

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Batch`."""
        known = self.more.get(path)
        if known is not None:
            return known.take(indices(rows))
        return self._gathered(rows, lambda batch, here: batch.column(path, here))

    def keys(self, rows: Rows) -> Vector:
        """See `Batch`."""
        return self._gathered(rows, lambda batch, here: batch.keys(here))

    def objects(self, rows: Rows) -> list[Any]:
        """See `Batch`."""
        return self._gathered(rows, lambda batch, here: Objects(batch.objects(here))).tolist()

    def _gathered(self, rows: Rows, read: Callable[[Batch, Any], Vector]) -> Vector:
        """What `read` gives of the rows of each batch, in the order of `rows`."""
        at = slice(rows.start, rows.stop) if isinstance(rows, range) else rows
        which, places = self._hits.which[at], self._hits.rows[at]
        order = np.argsort(which, kind="stable")
        cuts = np.flatnonzero(np.diff(which[order])) + 1
        parts = [
            read(self._hits.batches[int(which[here[0]])], places[here]) for here in np.split(order, cuts) if len(here)
        ]
        if len(parts) == 1:
            return parts[0]
        back = np.empty(len(order), np.int64)
        back[order] = np.arange(len(order))
        return merged(parts).take(back)
