"""Order by an index: the first entities of an ordered result, and those with the smallest or largest value.

Entries are read from one end of a range, until enough of them are certainly among the first rows. All entries with the
same values are read there: the other keys of the order, or the places of the rows, tell them apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import suppress
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from heapq import merge
from itertools import groupby
from types import NoneType
from typing import Any, NamedTuple
from uuid import UUID

from ...codec.zones import FIXED
from ...lazy.map import LazyMap
from ...model.annotations import arms, present
from ...model.indexes import IndexSpec, Path
from ...model.ordering import UNORDERED, Order, order_of_parts
from ...query.expressions.expressions import Expression
from ...query.expressions.nodes import Field, Key, Literal, Operation, Ordering
from ...query.expressions.selectables import First
from ...query.rows.sorting import is_nan
from ...query.running.engine import run
from ...query.statements.statement import Select
from .covering import is_same
from .indexes import Range, entries_in, entries_of, spans_of
from .long_runs import Entry
from .opened_runs import runs_of
from .planning import Scope, Wanted, both, exactly, is_one, of_zones, spelled, within
from .ways import Pairs, built_indexes

_NAN = (float, Decimal)
_FURTHER = frozenset({int, bool, str, bytes, date, timedelta, UUID})  # the second key and more: no NaN, no time zones
_ORDERED = _FURTHER | {float, Decimal, Fraction, datetime, time}
_READ = 4  # times as many entries as rows: some take others back


class Match(NamedTuple):
    """An index that gives the first rows of an order.

    The first parts of the index have the single values `fixed`. The next parts are `keys` of the order. The first of
    these keys has the type `tp`, and its values are in `wanted`. `whole`: the order has no other keys.
    """

    spec: IndexSpec
    fixed: tuple[object, ...]
    keys: tuple[Ordering, ...]
    tp: object
    wanted: Wanted | None
    after: tuple[object, ...]
    whole: bool
    first: First
    name: str

    @property
    def descending(self) -> bool:
        """Whether the largest values come first."""
        return self.keys[0]._descending


def match(table: object, cls: type, where: Sequence[Expression[bool]], first: First) -> Match | None:
    """The index that gives the first rows of an order, which fulfil `where`; None where no index does."""
    with suppress(*UNORDERED):
        scope = exactly(where)
        if scope is not None:
            specs = [spec for spec in built_indexes(table, cls) if not spec.unique and not spec.of_items]
            found = [each for spec in specs if (each := _matched(spec, scope, first)) is not None]
            return min(found, key=lambda each: (-len(each.keys), len(each.spec.parts)), default=None)
    return None


def _matched(spec: IndexSpec, scope: Scope, first: First) -> Match | None:
    single = {path for path, wanted in scope.items() if is_one(wanted.ranges[0])}
    after = first.after or (None,) * len(first.order)
    keys = [(each, value) for each, value in zip(first.order, after, strict=True) if _path(each) not in single]
    at = next((at for at, path in enumerate(spec.parts) if path not in single), None)
    if at is None or not keys or _path(keys[0][0]) != spec.parts[at]:
        return None
    used, tp, leading = spec.parts[: at + 1], present(spec.types[at]), keys[0][0]
    if scope.keys() - set(used) or tp not in _ORDERED:
        return None
    count = 1
    for (key, _), path, other in zip(keys[1:], spec.parts[at + 1 :], spec.types[at + 1 :], strict=False):
        if _path(key) != path or present(other) not in _FURTHER or key._descending is not leading._descending:
            break
        if key._first is key._descending and (len(path) > 1 or NoneType in arms(other)):
            break  # an index has None first
        count += 1
    values = () if first.after is None else tuple([value for _, value in keys[:count]])
    if any(value is None or is_nan(value) for value in values):
        return None
    fixed = tuple([scope[path].ranges[0].low for path in used[:at]])
    bounds = " and ".join(spelled(path, scope[path]) for path in used if path in scope)
    name = f"the index of {spec.name}" + (f" ({bounds})" if bounds else "")
    ordered = tuple([key for key, _ in keys[:count]])
    return Match(spec, fixed, ordered, tp, scope.get(used[at]), values, count == len(keys), first, name)


def _path(ordering: Ordering) -> Path | None:
    return ordering._of._path if isinstance(ordering._of, Field) else None


def find(
    table: object, rows: LazyMap[object, object], found: Match, most: int, left_out: Collection[object]
) -> tuple[Pairs, list[object]] | None:
    """Entries of an index that include the first rows of an order, and the keys of entities without an entry.

    An entry is a value and the key of its entity. None where a scan is as fast.

    Args:
        table: the object with the indexes.
        rows: the entities.
        found: the index that gives the order.
        most: how many rows may be looked up.
        left_out: the keys of entities that changed in memory, or are gone.
    """
    with suppress(*UNORDERED):
        runs, order = runs_of(table, found.spec), order_of_parts(found.spec.types)
        if found.first.rows > most or not _is_in_order(runs, found, order):
            return None
        complete = len(runs) == 1 and len(runs[0].entries) == len(rows) and not left_out
        others = [] if complete else _without_value(rows, found, most)
        pairs = _nearest(runs, found, order, most, left_out)
        return None if others is None or pairs is None else (pairs, others)
    return None


def _is_in_order(runs: object, found: Match, order: Order) -> bool:
    """Whether the values of the first key stand in an index in the order of a query."""
    spec, fixed, tp = found.spec, found.fixed, found.tp
    if tp in (datetime, time) and all(_has(runs, within(spec, fixed, each), order) for each in of_zones(tp)):
        return False  # with a zone, and without: there is no order
    if not fixed or found.wanted is not None:
        return True
    natural = found.first.extreme or found.keys[0]._first is not found.descending
    missing = (*fixed, None)  # of None and of NaN
    return (natural and tp not in _NAN) or not _has(runs, Range(missing, missing), order)


def _has(runs: Any, asked: Range, order: Order) -> bool:
    spans = spans_of(runs, [asked], order)
    return any(span.least for span in spans) or bool(entries_in(spans, order))


def _without_value(rows: LazyMap[object, object], found: Match, most: int) -> list[object] | None:
    """The keys of entities that have no entry and may come first; None where there are too many."""
    if found.fixed or found.wanted is not None or found.after:
        return []
    key = found.keys[0]
    conditions: list[Expression[bool]] = []
    if key._first:
        conditions.append(Operation("==", (key._of, Literal(None)), bool))
    if found.tp in _NAN and (key._descending or found.tp is Decimal):
        conditions.append(Operation("!=", (key._of, key._of), bool))
    single = found.whole and len(found.keys) == 1  # then rows without value are in the order of their places
    keys: list[object] = []
    for condition in conditions:
        statement = Select[object](rows, (Key(),), (condition,), _limit=found.first.rows if single else most + 1)
        keys += [each for part in run(statement) for each in part[0].tolist()]
    return keys if single or len(keys) <= most else None


def _nearest(runs: Any, found: Match, order: Order, most: int, left_out: Collection[object]) -> Pairs | None:
    """The entries from one end on that include the first rows; None where there are more than `most`."""
    spec, count = found.spec, found.first.rows
    size = len(found.fixed) + len(found.keys)

    def place(entry: Entry) -> Any:
        return order(entry[0][:size] if len(spec.parts) > 1 else entry[0])

    asked, end = _range(found), None
    if found.after:
        end = order((*found.fixed, *found.after) if len(spec.parts) > 1 else found.after[0])
    entries = merge(*_read(runs, asked, order, found.descending), key=place, reverse=found.descending)
    any_will_do = found.first.extreme and len(runs) == 1 and is_same(found.tp)
    pairs: Pairs = []
    certain = read = 0
    for here, together in groupby(entries, place):
        counts: Counter[tuple[object, object]] = Counter()
        for value, key, has in together:
            if any_will_do and key not in left_out:
                return [(value, key)]
            counts[value, key] += 1 if has else -1
            read += 1
            if len(pairs) + len(counts) > most or read > _READ * most:
                return None
        alive = [pair for pair, times in counts.items() if times > 0 and pair[1] not in left_out]
        pairs += alive
        if end is None or (here < end if found.descending else here > end):
            certain += len(alive)
        if certain >= count:
            return pairs if _is_by_moment(found, pairs) else None
    if not found.fixed and found.wanted is None:
        return None  # entities without a value come last
    return pairs if _is_by_moment(found, pairs) else None


def _read(runs: Any, asked: Range, order: Order, descending: bool) -> Iterator[Iterator[Entry]]:
    return (entries_of(each, asked, order, descending) for each in runs)


def _range(found: Match) -> Range:
    """The range of wanted values behind the row that the result comes after, if there is one."""
    spec, fixed, after, wanted = found.spec, found.fixed, found.after, found.wanted
    if not after:
        whole = Range(None, None) if found.first.extreme else None
        return within(spec, fixed, whole if wanted is None else wanted.ranges[0])
    beyond = Range(None, after[0]) if found.descending else Range(after[0], None)
    narrow = beyond if wanted is None else both(wanted, beyond)
    asked, end = within(spec, fixed, narrow), (*fixed, *after) if len(spec.parts) > 1 else after[0]
    if not found.descending:
        return asked._replace(low=end, low_open=found.whole) if narrow.low is after[0] else asked
    if wanted is None:  # None comes last
        asked = asked._replace(low=fixed or None, low_open=False)
    return asked._replace(high=end, high_open=found.whole) if narrow.high is after[0] else asked


def _is_by_moment(found: Match, pairs: Pairs) -> bool:
    """Whether times compare by the moment, as an index has them: in one zone of clocks they do not."""
    if found.tp is not datetime:
        return True
    at = len(found.fixed)
    values = [value[at] if len(found.spec.parts) > 1 else value for value, _ in pairs]
    return all(value is None or type(value.tzinfo) in (NoneType, *FIXED) for value in values)
