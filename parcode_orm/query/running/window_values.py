"""The values of window functions: the rows are sorted by partition and order once, then each function is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import QueryError
from ..columns.merging import merged
from ..columns.vectors import WIDEST, Constant, Numbers, Objects, Vector, nulls_of, packed
from ..expressions.evaluate import Frame, evaluate
from ..expressions.expressions import Expression
from ..expressions.nodes import Aggregate, Slot
from ..expressions.rewriting import reordered, rewritten
from ..expressions.windows import Over
from ..rows.aggregates import FINISH, MERGE, OF_LIST, Grouped, State
from ..rows.grouping import numbered
from ..rows.ordered import Hits, outputs
from ..rows.picked import Picked
from ..rows.sorting import sortable
from ..rows.sources import Batch
from .prepared import Query


def windowed(found: Iterable[tuple[Batch, Frame]], query: Query) -> tuple[Picked, Query]:
    """The rows `found` with their window functions as columns, and what `query` asks of these.

    Raises:
        QueryError: a window function has no `.over()`; values to order or to group by do not fit.
    """
    picked = Picked(Hits.of(found))
    slots: dict[Any, Slot[Any]] = {}
    layouts: dict[Any, Layout] = {}
    frame = Frame(picked)
    for number, each in enumerate(query.windows):
        if not each._placed:
            raise QueryError(f"{each} is a window function: write {each}.over(order_by=...)")
        slots[each._identity()] = Slot(-1 - number, each)  # other columns of groups have numbers from 0 on
        spec = _spec(each)
        if spec not in layouts:
            layouts[spec] = Layout(each, frame)
        picked.more[str(-1 - number),] = values(each, layouts[spec], picked, frame)

    def slot(expression: Expression[Any]) -> Expression[Any] | None:
        return slots[expression._identity()] if isinstance(expression, Over) else None

    return picked, query._replace(
        where=tuple(rewritten(each, slot) for each in query.later),
        outputs=tuple(rewritten(each, slot) for each in query.outputs),
        order=tuple(reordered(each, slot) for each in query.order),
        later=(),
    )


def _spec(window: Over[Any]) -> Any:
    order = tuple((each._of._identity(), each._descending, each._first) for each in window._order)
    return tuple(each._identity() for each in window._partition), order


class Layout:
    """Rows sorted by partition and order: `rows[i]` is the row in place i, `places[r]` the place of row r.

    The partition of place i has the places from `begins[i]` to `ends[i]`, the equals of its row those from `firsts[i]`
    to `lasts[i]`, and `number[i]` counts the different rows before it in the partition. `codes` is the partition of
    each row, one of `partitions`.
    """

    __slots__ = ("begins", "codes", "ends", "firsts", "lasts", "number", "partitions", "places", "rows")

    def __init__(self, window: Over[Any], frame: Frame) -> None:
        count = len(frame)
        self.codes: Any = np.zeros(count, np.int64)
        self.partitions = 1
        if window._partition and count:
            grouped, keys, _ = numbered([evaluate(each, frame) for each in window._partition], window._partition)
            self.codes, self.partitions = grouped.codes, len(keys)
        keys = [(evaluate(each._of, frame), each) for each in window._order] if count else []
        passes = [numbers for vector, each in reversed(keys) for numbers in sortable(vector, each)]
        self.rows = np.lexsort([np.arange(count), *passes, self.codes])
        self.places = np.empty(count, np.int64)
        self.places[self.rows] = np.arange(count)
        starts = _changes(self.codes[self.rows])
        self.begins, self.ends = _spread(starts, count)
        others = starts.copy()
        for each in passes:
            others |= _changes(each[self.rows])
        self.firsts, self.lasts = _spread(others, count)
        different = np.cumsum(others)
        self.number = different - different[self.begins]

    def frame(self, window: Over[Any]) -> tuple[Any, Any]:
        """The places at which the frame of each place begins and ends."""
        if window._rows is None:
            return self.begins, self.lasts if window._order else self.ends
        here = np.arange(len(self.rows))
        first, last = window._rows
        most = len(self.rows)  # a distance beyond all rows is as good as a larger one
        begins = self.begins if first is None else here + max(min(first, most), -most)
        ends = self.ends if last is None else here + max(min(last, most), -most) + 1
        begins = np.clip(begins, self.begins, self.ends)
        return begins, np.maximum(np.clip(ends, self.begins, self.ends), begins)


def _changes(values: Any) -> Any:
    """Where an array has another value than in the place before; true in the first place."""
    found = np.ones(len(values), bool)
    found[1:] = values[1:] != values[:-1]
    return found


def _spread(starts: Any, count: int) -> tuple[Any, Any]:
    """The first and the last place, the latter not included, of the stretch of each place."""
    begins = np.flatnonzero(starts)
    ends = np.append(begins[1:], count) if count else begins
    return np.repeat(begins, ends - begins), np.repeat(ends, ends - begins)


def values(window: Over[Any], layout: Layout, picked: Picked, frame: Frame) -> Vector:
    """The value of a window function for each row."""
    count = len(frame)
    if not count:
        return Objects([])
    here, function = np.arange(count), window._function
    if function == "row_number":
        return Numbers((here - layout.begins + 1)[layout.places])
    if function == "rank":
        return Numbers((layout.firsts - layout.begins + 1)[layout.places])
    if function == "dense_rank":
        return Numbers((layout.number + 1)[layout.places])
    if function not in ("lag", "lead", "first_value", "last_value"):
        return _aggregated(window, layout, frame)
    of, *default = outputs(window._args, picked, frame)  # of objects where values may change
    if function in ("lag", "lead"):
        shift = min(window._shift, count)
        source = here - shift if function == "lag" else here + shift
        there = (source >= layout.begins) & (source < layout.ends)
    else:
        begins, ends = layout.frame(window)
        source, there = begins if function == "first_value" else ends - 1, ends > begins
        default = [Constant(None, count)]
    rows = layout.rows[np.where(there, source, 0)][layout.places]
    there = there[layout.places]
    if there.all():
        return of.take(rows)
    return merged([of, *default]).take(np.where(there, rows, count + here))


def _aggregated(window: Over[Any], layout: Layout, frame: Frame) -> Vector:
    """An aggregate of the frame of each row."""
    function, of = window._function, window._args[0] if window._args else None
    begins, ends = layout.frame(window)
    try:
        if (begins == layout.begins).all() and (ends == layout.ends).all():
            state = State(Aggregate(function, of, window._tp))
            everything = np.arange(layout.partitions)
            state.take(frame, Grouped(layout.codes, layout.partitions, len(frame)), everything, layout.partitions)
            return packed(state.finished(layout.partitions)).take(layout.codes)
        if of is None:
            return Numbers((ends - begins)[layout.places])
        vector = evaluate(of, frame).take(layout.rows)
        found = _of_numbers(function, vector, layout, begins, ends)
        if found is None:
            known = vector.tolist()
            running = bool((begins == layout.begins).all())
            found = packed(
                _running(function, known, layout, begins, ends) if running else _moving(function, known, begins, ends)
            )
        return found.take(layout.places)
    except (TypeError, ArithmeticError) as problem:
        raise QueryError(f"{window}: {problem}") from None


def _running(function: str, known: Sequence[Any], layout: Layout, begins: Any, ends: Any) -> list[Any]:
    """Aggregates of frames that begin with their partition: each row is added once."""
    make, merge = OF_LIST[function], MERGE[function]
    finish: Callable[[Any], Any] = FINISH[function]
    if function == "count_distinct":  # one set grows, and its length is what a place keeps
        make, merge, finish = _first_length, _more, lambda state: 0 if state is None else state[1]
    states: list[Any] = []
    state = None
    for value, starts in zip(known, (layout.begins == np.arange(len(known))).tolist(), strict=True):
        if starts:
            state = None
        if value is not None:
            state = make([value]) if state is None else merge(state, make([value]))
        states.append(state)
    every = zip(begins.tolist(), ends.tolist(), strict=True)
    return [finish(states[end - 1] if end > begin else None) for begin, end in every]


def _first_length(values: list[Any]) -> tuple[set[Any], int]:
    distinct = OF_LIST["count_distinct"](values)
    return distinct, len(distinct)


def _more(state: tuple[set[Any], int], other: tuple[set[Any], int]) -> tuple[set[Any], int]:
    state[0].update(other[0])
    return state[0], len(state[0])


def _moving(function: str, known: Sequence[Any], begins: Any, ends: Any) -> list[Any]:
    """Aggregates of any frames, each of its rows alone."""
    make, finish = OF_LIST[function], FINISH[function]
    found = []
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        part = [value for value in known[begin:end] if value is not None]
        found.append(finish(make(part) if part else None))
    return found


def _of_numbers(function: str, vector: Vector, layout: Layout, begins: Any, ends: Any) -> Vector | None:
    """Counts, sums, means, and extremes of numbers, as arrays; None where Python must compute them."""
    if not isinstance(vector, Numbers):
        return None
    there = ~nulls_of(vector)
    counts = _between(there.astype(np.int64), begins, ends)
    if function == "count":
        return Numbers(counts)
    array = vector.values
    if function in ("min", "max"):
        if not (begins == layout.begins).all():
            return None
        return _extremes(function, vector, there, counts, layout, ends)
    if function not in ("sum", "avg") or vector.kind is not None:
        return None
    if array.dtype.kind == "f":
        if not (begins == layout.begins).all():
            return None
        sums = _up_to(np.cumsum, np.where(there, array, 0.0), layout, begins, ends)
    else:
        if max(-int(array.min()), int(array.max())) * len(array) >= (1 << 53 if function == "avg" else WIDEST >> 1):
            return None
        sums = _between(np.where(there, array, 0).astype(np.int64), begins, ends)
    if function == "sum":
        return Numbers(sums)
    with np.errstate(all="ignore"):
        return Numbers(sums / counts, counts == 0 if not counts.all() else None)


def _between(array: Any, begins: Any, ends: Any) -> Any:
    """The sum of the values of each frame."""
    sums = np.concatenate([[0], np.cumsum(array)])
    return sums[ends] - sums[begins]


def _up_to(accumulate: Callable[[Any], Any], array: Any, layout: Layout, begins: Any, ends: Any) -> Any:
    """What is accumulated from the begin of the partition to the end of each frame; 0 for an empty one.

    A partition is accumulated alone: NaN and rounding errors of one do not reach the next.
    """
    starts = np.flatnonzero(layout.begins == np.arange(len(array)))
    parts = [accumulate(part) for part in np.split(array, starts[1:])]
    found = np.concatenate(parts)
    return np.where(ends > begins, found[np.maximum(ends - 1, 0)], 0)


def _extremes(function: str, vector: Numbers, there: Any, counts: Any, layout: Layout, ends: Any) -> Vector | None:
    array, smallest = vector.values, function == "min"
    neutral: float  # NaN is the largest number, which `maximum` keeps and `fmin` leaves out
    accumulate: Callable[[Any], Any]
    if array.dtype == np.uint64 or array.dtype == bool:
        return None
    if array.dtype.kind == "f":
        if not there.all() and np.isnan(array).any():
            return None
        neutral, accumulate = (np.inf, np.fmin.accumulate) if smallest else (-np.inf, np.maximum.accumulate)
    else:
        array = array.astype(np.int64)
        limits = np.iinfo(np.int64)
        neutral = limits.max if smallest else limits.min
        accumulate = (np.minimum if smallest else np.maximum).accumulate
    found = _up_to(accumulate, np.where(there, array, neutral), layout, layout.begins, ends)
    empty = counts == 0
    return Numbers(np.where(empty, 0, found), empty if empty.any() else None, vector.kind)
