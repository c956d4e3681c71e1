"""Rows of several sources that belong together, as batches of a query.

All sources but the first are read whole, and each batch of the first finds the rows that fit it. A pair is kept as the
numbers of its rows. Values are read when an expression asks for them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from ...codec.base import Column
from ..columns.arrays import Vectors, one_after_the_other
from ..columns.merging import merged
from ..columns.vectors import Coded, Constant, Objects, Rows, Vector, indices, pick, spread
from ..expressions.evaluate import Frame, Unparted, evaluate, matching, vectors_at
from ..expressions.expressions import Expression
from ..expressions.nodes import Field, Key, Literal, Of, Operation
from ..expressions.occurrences import bare
from ..rows.filtering import matched
from ..rows.pruning import candidates
from ..rows.sources import Batch, Source
from .item_joins import Inside, Members
from .join_keys import KeyIndex, Matches

PAIRS = 1 << 20  # at most in a batch
FEW = 1000  # different keys, by which the rows of another source are chosen
LARGE = 4096  # rows of a source, at most, are read whole without another thought
DENSE = 4  # times as many rows of a source as are asked: its column is read whole
KEY = ("",)  # stands for a path: the keys of the rows


class Side:
    """The rows of one source that fulfil its own conditions, numbered through the `frames` of its batches."""

    __slots__ = ("_arrays", "_columns", "_ends", "_frames", "count")

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = frames
        self._ends = np.cumsum([len(frame) for frame in frames], dtype=np.int64)
        self.count = int(self._ends[-1]) if frames else 0
        self._columns: dict[tuple[str, ...], Vector] = {}
        self._arrays: dict[tuple[str, ...], Vectors] = {}

    def whole(self, path: tuple[str, ...]) -> Vector:
        """The field at `path` of all rows."""
        known = self._columns.get(path)
        if known is None:
            parts = [_read(frame, path, range(len(frame))) for frame in self._frames]
            known = self._columns[path] = merged(parts)
        return known

    def column(self, path: tuple[str, ...], rows: Any) -> Vector:
        """The field at `path` of `rows`, an array; the keys of the rows for `KEY`, and the rows without a path."""
        if path in self._columns or (path and len(rows) * DENSE >= self.count):
            return self.whole(path).take(rows)
        used, places = np.unique(rows, return_inverse=True)
        return merged([_read(frame, path, here) for frame, here in self._parted(used)]).take(places)

    def vectors(self, path: tuple[str, ...]) -> Vectors:
        """The arrays at `path` of all rows, and None behind them."""
        known = self._arrays.get(path)
        if known is None:
            known = self._arrays[path] = one_after_the_other([vectors_at(frame, path) for frame in self._frames])
        return known

    def objects(self, rows: Any) -> list[Any]:
        """The rows as their collection gives them."""
        used, places = np.unique(rows, return_inverse=True)
        found: list[Any] = []
        for frame, here in self._parted(used):
            batch: Any = frame.columns
            found += batch.objects(here if frame.rows is None else frame.rows[here])
        return list(map(found.__getitem__, places.tolist()))

    def evaluated(self, expression: Expression[Any]) -> Vector:
        """The values of an expression of this source for all rows."""
        return merged([evaluate(expression, frame) for frame in self._frames])

    def evaluated_at(self, expression: Expression[Any], rows: Any) -> Vector:
        """The values of an expression of this source for `rows`, an array of at least one."""
        used, places = np.unique(rows, return_inverse=True)
        return merged([evaluate(expression, frame.at(here)) for frame, here in self._parted(used)]).take(places)

    def _parted(self, rows: Any) -> Iterator[tuple[Frame, Any]]:
        """The frames with some of `rows`, which rise, and the places of these in each."""
        cuts = np.searchsorted(rows, self._ends)
        start = begin = 0
        for frame, end, stop in zip(self._frames, self._ends.tolist(), cuts.tolist(), strict=True):
            if stop > start:
                yield frame, rows[start:stop] - begin
            start, begin = stop, end


def _read(frame: Frame, path: tuple[str, ...], places: Rows) -> Vector:
    """A field of the rows at some places of a frame."""
    whole = isinstance(places, range)
    rows: Rows = places if frame.rows is None else frame.rows if whole else frame.rows[places]
    return frame.columns.keys(rows) if path == KEY else frame.columns.column(path, rows)


class Part(NamedTuple):
    """The rows of one source in a batch of a join: row `rows[i]` of `side`, None for -1; without `rows`, all in order.

    With `coded`, all rows of the join with word `i` of this vector have row `rows[i]` of the source.
    """

    side: Side
    rows: Any = None
    coded: Coded | None = None

    def at(self, rows: Rows) -> Any:
        """The rows of the source at `rows` of the join."""
        every = self.rows if self.coded is None else self.coded.codes
        if every is None:
            return indices(rows)
        found = pick(every, rows)
        return found if self.coded is None else self.rows[found]

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """A field of the source at `rows` of the join."""
        if not path:
            return Objects(self.objects(rows))
        whole = isinstance(rows, range) and len(rows) == (self.side.count if self.coded is None else len(self.coded))
        if whole and self.coded is not None:
            words = Part(self.side, self.rows).column(path, range(len(self.rows)))
            return self.coded.renamed(words.tolist())
        if whole and self.rows is None:
            return self.side.whole(path)
        at = self.at(rows)
        there = at >= 0
        if there.all():
            return self.side.column(path, at)
        if not there.any():
            return Constant(None, len(at))
        return spread(self.side.column(path, at[there]), there)

    def objects(self, rows: Rows) -> list[Any]:
        """The rows of the source at `rows` of the join; None where there is none."""
        at = self.at(rows)
        there = at >= 0
        if there.all():
            return self.side.objects(at)
        following = iter(self.side.objects(at[there])).__next__
        return [following() if each else None for each in there.tolist()]


class JoinedBatch(Unparted):
    """Rows of a join: of each source that was joined so far, by its number."""

    __slots__ = ("count", "parts_of")

    def __init__(self, parts_of: dict[int, Part], count: int) -> None:
        self.parts_of = parts_of
        self.count = count

    def column(self, path: tuple[str, ...], rows: Rows) -> Vector:
        """See `Batch`. The path begins with the number of the source, as `Of` has it."""
        return self.parts_of[int(path[0][1:])].column(path[1:], rows)

    def vectors(self, path: tuple[str, ...], rows: Rows) -> Vectors:
        """See `HasVectors`."""
        part = self.parts_of[int(path[0][1:])]
        at = part.at(rows)
        return part.side.vectors(path[1:]).take(np.where(at < 0, part.side.count, at))

    def keys(self, rows: Rows) -> Vector:
        """See `Batch`: the keys of the first source that a statement names."""
        return self.parts_of[min(self.parts_of)].column(KEY, rows)

    def objects(self, rows: Rows) -> list[Any]:
        """See `Batch`: dictionaries of the rows, by what the paths of their fields begin with."""
        columns = {f"#{number}": part.objects(rows) for number, part in self.parts_of.items()}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def at(self, rows: Any) -> JoinedBatch:
        """Some of the rows."""
        return JoinedBatch(
            {number: Part(part.side, part.at(rows)) for number, part in self.parts_of.items()}, len(rows)
        )

    def with_part(self, number: int, part: Part) -> JoinedBatch:
        """The rows, each with one of another source."""
        return JoinedBatch({**self.parts_of, number: part}, self.count)

    def paired(self, number: int, side: Side, rows: Any, others: Any) -> JoinedBatch:
        """The rows at `rows`, each with row `others[i]` of another source."""
        here = self if rows is None else self.at(rows)
        return JoinedBatch({**here.parts_of, number: Part(side, others)}, len(others))


class Given(NamedTuple):
    """A source of a join: its rows that fulfil `where`, in batches of many rows if what is asked of it is `arrays`.

    `find` gives the conditions and the rows if there are more conditions. `name` is what plans call the source. Row
    groups in which no row can fulfil `likely` are left out.
    """

    name: str
    source: Source
    where: tuple[Expression[bool], ...]
    arrays: Callable[[Column], bool]
    find: Callable[[tuple[Expression[bool], ...]], tuple[tuple[Expression[bool], ...], Source]]
    likely: tuple[Expression[bool], ...] = ()

    def frames(self) -> Iterator[Frame]:
        """Its rows."""
        for batch in self.source.batches(arrays=self.arrays):
            frame = matched(self.where, batch, candidates((*self.where, *self.likely), batch))
            if len(frame):
                yield frame

    def with_values(
        self, keys: Sequence[Expression[Any]], values: Sequence[Sequence[Any] | None], *, first: bool
    ) -> Given:
        """The source with only the rows whose `keys` have some of `values`; None stands for any value.

        An index or the bounds of row groups may find these rows. Else they are filtered, but those of the `first`
        source, which are looked up anyway.
        """
        if len(self.source) <= LARGE:
            return self
        more: list[Expression[bool]] = [
            Operation("in", (key, Literal(frozenset(each))), bool)
            for key, each in zip(keys, values, strict=True)
            if each is not None and isinstance(key, Field | Key)
        ]
        if not more:
            return self
        where, source = self.find(tuple(more))
        if first and not source.how:
            return self._replace(likely=(*self.likely, *more))
        return self._replace(where=where, source=source)


def _few(vector: Vector) -> list[Any] | None:
    """The different values of a vector, but for NaN; None where they are many, or cannot be told apart."""
    if len(vector) > FEW and not isinstance(vector, Coded):
        return None
    try:
        values = {value for value in (vector.words if isinstance(vector, Coded) else vector.tolist()) if value == value}
    except (TypeError, ArithmeticError):
        return None
    return list(values) if len(values) <= FEW else None


class Step(NamedTuple):
    """How a join goes on: source `number` is joined to the rows so far.

    Rows fit if values are equal, those of `keys` so far and those of `others` of the source, and `on` holds. `outer`:
    rows that nothing fits stay. `where` is asked of all rows then. `said` are the equalities as text. Without keys,
    `inside` may choose the rows that can fit.
    """

    number: int
    keys: tuple[Expression[Any], ...]
    others: tuple[Expression[Any], ...]
    on: tuple[Expression[bool], ...]
    outer: bool
    where: tuple[Expression[bool], ...]
    said: tuple[str, ...]
    inside: Inside | None = None

    def run(self, batches: Iterator[JoinedBatch], given: Given, side: Side | None) -> Iterator[JoinedBatch]:
        """The rows so far, joined to those of the source: of `side`, if they were read before."""
        index: KeyIndex | None = None
        members: Members | None = None
        if side is None and self.keys and len(given.source) > LARGE:
            batches, given = self._narrowed(batches, given)
        for batch in batches:
            if side is None:
                side = Side(list(given.frames()))
            if index is None and self.keys:
                index = KeyIndex([side.evaluated(each) for each in self.others], self.others)
            if members is None and self.inside is not None:
                members = Members(self.inside, side.evaluated(self.inside.other))
            frame = Frame(batch)
            if index is not None:
                matches = index.find([evaluate(each, frame) for each in self.keys])
            elif members is not None and self.inside is not None:
                matches = members.find(evaluate(self.inside.key, frame))
            else:
                every = np.full(batch.count, side.count)
                matches = Matches(None, every, np.zeros(batch.count, np.int64))
            for pairs in self._pairs(batch, side, matches):
                places = matching(self.where, Frame(pairs))
                yield pairs if places is None else pairs.at(places)

    def _narrowed(self, batches: Iterator[JoinedBatch], given: Given) -> tuple[Iterator[JoinedBatch], Given]:
        """The rows so far; and if they are few, the rows of the source with their keys."""
        first: list[JoinedBatch] = []
        count = 0
        for batch in batches:
            first.append(batch)
            count += batch.count
            if count > FEW:
                return chain(first, batches), given
        keys = [merged([evaluate(key, Frame(batch)) for batch in first]) for key in self.keys]
        return iter(first), given.with_values(self.others, list(map(_few, keys)), first=False)

    def _pairs(self, batch: JoinedBatch, side: Side, matches: Matches) -> Iterator[JoinedBatch]:
        if matches.coded is not None and not self.on and (self.outer or int(matches.rows.min(initial=0)) >= 0):
            yield batch.with_part(self.number, Part(side, matches.rows, matches.coded))
            return
        if matches.rows is not None:
            rows, others = None, matches.rows if matches.coded is None else matches.rows[matches.coded.codes]
            if (others < 0).any() and not self.outer:
                rows = np.flatnonzero(others >= 0)
                others = others[rows]
            yield self._fitting(batch, side, 0, batch.count, rows, others)
            return
        ends = np.cumsum(matches.counts)
        start = done = 0
        while start < batch.count:
            stop = max(int(np.searchsorted(ends, done + PAIRS, side="right")), start + 1)
            counts = matches.counts[start:stop]
            rows = np.repeat(np.arange(start, stop), counts)
            firsts = np.cumsum(counts) - counts
            others = np.arange(len(rows)) + np.repeat(matches.starts[start:stop] - firsts, counts)
            if matches.order is not None:
                others = matches.order[others]
            yield self._fitting(batch, side, start, stop, rows, others)
            start, done = stop, int(ends[stop - 1])

    def _fitting(self, batch: JoinedBatch, side: Side, start: int, stop: int, rows: Any, others: Any) -> JoinedBatch:
        """Pairs of the rows from `start` to `stop` for which `on` holds, with the rows that nothing fits if `outer`."""
        if self.on:
            there = np.flatnonzero(others >= 0)
            rows = (np.arange(batch.count) if rows is None else rows)[there]
            others = others[there]
            places = matching(self.on, Frame(batch.paired(self.number, side, rows, others)))
            if places is not None:
                rows, others = rows[places], others[places]
        if self.outer and rows is not None:
            alone = np.ones(stop - start, bool)
            alone[rows - start] = False
            left = np.flatnonzero(alone) + start
            rows, others = np.concatenate([rows, left]), np.concatenate([others, np.full(len(left), -1)])
            order = np.argsort(rows, kind="stable")
            rows, others = rows[order], others[order]
        return batch.paired(self.number, side, rows, others)


class JoinedSource:
    """The rows of several sources that belong together: those of source `first` of `given`, joined by `steps`."""

    __slots__ = ("first", "given", "how", "model", "steps")

    def __init__(self, first: int, given: Sequence[Given], steps: Sequence[Step]) -> None:
        self.first = first
        self.given = given
        self.steps = steps
        self.model = None
        self.how = ""

    def __len__(self) -> int:
        return len(self.given[self.first].source)

    def batches(self, *, arrays: Callable[[Column], bool]) -> Iterator[Batch]:
        """See `Source`; each source knows itself how its rows are taken."""
        given, sides = self._chosen()
        rows: Iterator[JoinedBatch] = (
            JoinedBatch({self.first: Part(Side([frame]))}, len(frame)) for frame in given[self.first].frames()
        )
        for step in self.steps:
            rows = step.run(rows, given[step.number], sides.get(step.number))
        return (batch for batch in rows if batch.count)

    def _chosen(self) -> tuple[list[Given], dict[int, Side]]:
        """The sources, and the rows of each source that is small or has conditions.

        If these rows have few keys, other sources are asked only for rows with these keys. The last source comes first:
        a few makers choose planes, and these choose flights.
        """
        given, sides = list(self.given), {}
        outer = {step.number for step in self.steps if step.outer}
        for step in reversed(self.steps):
            here = given[step.number]
            if step.outer or not step.keys or not (here.where or len(here.source) <= FEW):
                continue
            side = sides[step.number] = Side(list(here.frames()))
            for key, other in zip(step.keys, step.others, strict=True):
                if isinstance(key, Of) and key._number not in outer and len(given[key._number].source) > LARGE:
                    values = _few(side.evaluated(other))
                    first = key._number == self.first
                    given[key._number] = given[key._number].with_values([bare(key._of)], [values], first=first)
        return given, sides

    def at_keys(self, keys: Collection[Any], how: str) -> Source | None:
        """See `Source`."""
        return None
