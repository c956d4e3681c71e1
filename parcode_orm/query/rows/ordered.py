"""What is given of rows that were found, and the order that they come in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from typing import Any

import numpy as np

from ...codec.base import ATOMS
from ...table.table import ATOMIC
from ..columns.vectors import Numbers, Objects, Vector, joined
from ..expressions.distances import Distance
from ..expressions.evaluate import Frame, InMemory, evaluate
from ..expressions.expressions import Expression
from ..expressions.nodes import Field, Item, Label, Of, Ordering, Slot
from .grouping import Groups
from .nearest import nearest
from .pruning import by_best
from .sorting import first_places_of, order, sortable
from .sources import Batch

MANY = 4  # times as many rows as are wanted are not sorted whole
Part = list[Vector]  # neighbouring rows of a result: a vector for each output


def outputs(expressions: Sequence[Expression[Any]], batch: Batch, frame: Frame) -> Part:
    """What is given of the rows of `frame`, which are rows of `batch`."""
    rows = range(batch.count) if frame.rows is None else frame.rows
    objects: Objects | None = None
    found = []
    for expression in expressions:
        bare = expression._of if isinstance(expression, Label) else expression
        if isinstance(bare, Of) and bare._is_row:
            found.append(evaluate(bare, frame))
            continue
        if not isinstance(bare, Item):
            vector = evaluate(bare, frame)
            if not may_change(vector) or isinstance(batch, Groups) or _has_slot(bare):
                found.append(vector)
                continue
        if objects is None:
            objects = Objects(batch.objects(rows))
        if isinstance(bare, Item):
            found.append(objects)
        else:  # a list, say: that of the object, so that a change of it is found
            found.append(evaluate(bare, Frame(InMemory(objects.values, batch.keys(rows).tolist()))))
    return found


def _has_slot(expression: Expression[Any]) -> bool:
    """Whether a value that was computed of many rows stands in `expression`."""
    return isinstance(expression, Slot) or any(map(_has_slot, expression._parts()))


def may_change(vector: Vector) -> bool:
    """Whether values of a vector can change in place."""
    if isinstance(vector, Numbers):
        return False
    values = getattr(vector, "words", None) or ([vector.value] if hasattr(vector, "value") else None)
    if values is None:
        if not isinstance(vector, Objects):
            return hasattr(vector, "items")
        values = vector.values
    if ATOMS.issuperset(map(type, values)):
        return False
    return any(not issubclass(cls, _IMMUTABLE) for cls in set(map(type, values)))


_IMMUTABLE: Any = (*ATOMIC, Enum)


class Hits:
    """Rows of several batches in order: row `rows[i]` of `batches[which[i]]`."""

    __slots__ = ("batches", "rows", "which")

    def __init__(self, batches: Sequence[Batch], which: Any, rows: Any) -> None:
        self.batches = batches
        self.which = which
        self.rows = rows

    @classmethod
    def of(cls, found: Iterable[tuple[Batch, Frame]]) -> Hits:
        """The rows of frames, one after the other."""
        every = list(found)
        which = [np.full(len(frame), place, np.int32) for place, (_, frame) in enumerate(every)]
        rows = [np.arange(len(frame)) if frame.rows is None else frame.rows for _, frame in every]
        return cls(
            [batch for batch, _ in every],
            np.concatenate([*which, np.empty(0, np.int32)]),
            np.concatenate([*rows, np.empty(0, np.int64)]),
        )

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rows)

    def part(self, expressions: Sequence[Expression[Any]], start: int, stop: int) -> Part:
        """What is given of the rows `start` to `stop`."""
        which, rows = self.which[start:stop], self.rows[start:stop]
        if len(self.batches) == 1:
            return outputs(expressions, self.batches[0], Frame(self.batches[0], rows))
        places = np.argsort(which, kind="stable")
        ends = np.flatnonzero(np.diff(which[places])) + 1
        back = np.empty(len(places), np.int64)
        back[places] = np.arange(len(places))
        parts = []
        for here in np.split(places, ends):
            batch = self.batches[int(which[here[0]])]
            parts.append(outputs(expressions, batch, Frame(batch, rows[here])))
        return [joined([part[at] for part in parts]).take(back) for at in range(len(expressions))]


class Best:
    """Candidates for the first rows of an ordered result. Those that cannot be among them are dropped now and then."""

    def __init__(self, batches: list[Batch], ordering: Sequence[Ordering], stop: int | None) -> None:
        self.batches = batches
        self.ordering = ordering
        self.stop = stop
        self.worst: Any = None  # of the first key of the last row that counts, as a number that ascends
        self._kind = "i"  # of those numbers
        self._keys: list[list[Vector]] = [[] for _ in ordering]
        self._which: list[Any] = []
        self._rows: list[Any] = []
        self._count = 0

    def visit(self) -> Iterator[tuple[int, Any]]:
        """The places of the batches, each with the parts that count (None: all).

        With a limit, the part that may hold the first rows comes first, and parts that hold none do not come at all.
        """
        first = self.ordering[0]
        known = None
        if self.stop is not None and isinstance(first._of, Field):
            known = by_best(self.batches, first._of._path, first._descending)
        if known is None:
            yield from ((place, None) for place in range(len(self.batches)))
            return
        if not known:
            return
        if first._descending:
            known = [-each if each.dtype.kind == "f" else ~each for each in known]
        tops = [int(each.argmin()) for each in known]
        order = sorted(range(len(known)), key=lambda place: known[place][tops[place]])
        leading = np.arange(len(known[order[0]])) == tops[order[0]]
        yield order[0], leading
        for number, place in enumerate(order):
            parts = known[place] <= self.worst if self.worst is not None else np.ones(len(known[place]), bool)
            if not number:
                parts &= ~leading
            if parts.any():
                yield place, None if parts.all() else parts

    def take(self, place: int, here: Frame) -> None:
        """Take rows of batch `place`."""
        if not len(here):
            return
        first, divided = self.ordering[0], False
        if self.stop and isinstance(first._of, Distance) and first._of._other is None:
            here, nearest_of = nearest(first._of, here, self.stop, self.worst, first)
            keys, divided = [nearest_of], True
        else:
            keys = [evaluate(first._of, here)]
        if self.worst is not None:
            ascending = self._first(keys[0])
            if ascending is not None and ascending.dtype.kind == self._kind:
                better = np.flatnonzero(ascending <= self.worst)
                if not len(better):
                    return
                here, keys = here.at(better), [keys[0].take(better)]
        if self.stop is not None and 0 < MANY * self.stop < len(here):
            better = first_places_of(keys[0], self.ordering[0], self.stop)
            if better is not None:
                divided, here, keys = True, here.at(better), [keys[0].take(better)]
        keys += [evaluate(each._of, here) for each in self.ordering[1:]]
        numbers = np.arange(len(here)) if here.rows is None else here.rows
        for vector, known in zip(keys, self._keys, strict=True):
            known.append(vector)
        self._which.append(np.full(len(here), place, np.int32))
        self._rows.append(numbers)
        self._count += len(here)
        if self.stop is not None and (divided or self._count > MANY * self.stop):
            self._cut()

    def _cut(self) -> None:
        """Put the candidates in order and keep the first."""
        keys = [joined(known) for known in self._keys]
        which, rows = np.concatenate(self._which), np.concatenate(self._rows)
        places = order(list(zip(keys, self.ordering, strict=True)), which.astype(np.int64) << 32 | rows)
        places = places[: self.stop]
        self._keys = [[vector.take(places)] for vector in keys]
        self._which, self._rows, self._count = [which[places]], [rows[places]], len(places)
        if self.stop is None:
            return
        ascending = self._first(self._keys[0][0])
        if ascending is not None and 0 < self.stop <= len(places):
            self.worst, self._kind = ascending[-1].item(), ascending.dtype.kind

    def _first(self, vector: Vector) -> Any:
        """The first key as numbers that ascend in order; None where it is more than numbers."""
        if not isinstance(vector, Numbers) or vector.values.dtype == np.uint64 or vector.kind is not None:
            return None
        found = sortable(vector, self.ordering[0])
        return found[0] if len(found) == 1 else None

    def hits(self) -> Hits:
        """The first rows, in order."""
        if not self._count:
            return Hits(self.batches, np.empty(0, np.int32), np.empty(0, np.int64))
        self._cut()
        return Hits(self.batches, self._which[0], self._rows[0])
