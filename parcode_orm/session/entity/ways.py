"""Ways to find entities: by key, by an index, or, where one of several conditions must hold, by an index for each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from itertools import product
from math import prod
from typing import Any, NamedTuple

from ...codec.per_class import per_class
from ...model.entity_names import field_of
from ...model.indexes import IndexSpec, Path, indexes_of
from ...model.ordering import UNORDERED, order_of_parts
from ...query.expressions.expressions import Expression
from ..roots import unbuilt
from .indexes import entries_in, spans_of
from .opened_runs import runs_of
from .planning import Scope, exact, parted, ranges_of, scopes_of
from .tables import keys_of
from .values import is_hashable

NAMED = 3  # ways of which the plan gives the names

Pairs = list[tuple[Any, Any]]


class Limits(NamedTuple):
    """What a way may cost before a scan is as fast: how many rows it finds, how many entries of indexes it reads."""

    rows: int
    entries: int


class Way(NamedTuple):
    """A way to find entities.

    `least` is about how many it finds at least, `most` how many entries it reads. `pairs` gives values and keys,
    `parts` is how many fields it looks at, and `paths` where the values lie by which it knows entities: it finds one
    with other values there in memory by the stored ones. `spec` is the ordered index that has the values.
    """

    names: tuple[str, ...]
    least: int
    most: int
    pairs: Callable[[], Pairs]
    parts: int
    paths: tuple[Path, ...]
    spec: IndexSpec | None = None

    @property
    def name(self) -> str:
        """Its name in the plan."""
        more = len(self.names) - NAMED
        return " or ".join(self.names[:NAMED]) + (f" or {more:,} more" if more > 0 else "")


def best_way(table: object, cls: type, where: Sequence[Expression[bool]], limits: Limits) -> Way | None:
    """The way that reads least to find the entities that fulfil all of `where`; None where a scan is as fast.

    Args:
        table: the object with the indexes.
        cls: the class of the entities.
        where: the conditions.
        limits: what the way may cost.
    """
    every, some = parted(where)
    found = [way for scope in scopes_of(every) for way in _ways(table, cls, scope, limits) if _is_cheap(way, limits)]
    for arms in some:
        way = _union(table, cls, every, arms, limits)
        if way is not None:
            found.append(way)
    return min(found, key=lambda way: (way.most, -way.parts), default=None)


def _is_cheap(way: Way, limits: Limits) -> bool:
    return way.least <= limits.rows and way.most <= limits.entries


def _union(
    table: object, cls: type, every: list[Expression[bool]], arms: Sequence[Expression[bool]], limits: Limits
) -> Way | None:
    """The way to the entities that fulfil one of `arms`: a way for each arm; None if an arm has none."""
    found: list[Way] = []
    least = most = 0
    for arm in arms:
        way = best_way(table, cls, [*every, arm], limits)
        if way is None:
            return None
        least, most = least + way.least, most + way.most
        if least > limits.rows or most > limits.entries:
            return None
        found.append(way)
    spec = found[0].spec if all(way.spec is found[0].spec for way in found) else None
    names = tuple(dict.fromkeys(name for way in found for name in way.names))
    pairs = partial(_together, [way.pairs for way in found])
    paths = tuple(dict.fromkeys(path for way in found for path in way.paths))
    return Way(names, least, most, pairs, min(way.parts for way in found), paths, spec)


def _together(parts: Iterable[Callable[[], Pairs]]) -> Pairs:
    return list(dict.fromkeys(pair for pairs in parts for pair in pairs()))


def built_indexes(table: object, cls: type) -> list[IndexSpec]:
    """The indexes of a class that the file has, except for text indexes."""
    missing = unbuilt(table)
    return [spec for spec in indexes_of(cls) if not spec.text and field_of(spec) not in missing]


def _ways(table: object, cls: type, scope: Scope, limits: Limits) -> Iterator[Way]:
    """The ways by the key, and by each index, to the entities whose values are in `scope`."""
    key = _key_spec(cls)
    for spec in (key, *built_indexes(table, cls)):
        if spec.parts[0] not in scope:
            continue
        if spec.unique:
            values = exact(spec, scope)
            if values is None or not all(is_hashable(each) for some in values for each in some):
                continue
            number = prod(map(len, values))
            wanted = values[0] if len(values) == 1 else product(*values)
            if spec is key:
                yield Way(("key",), number, number, partial(paired, wanted), len(values), spec.parts)
            else:
                index = getattr(table, field_of(spec))
                name = f"the index of {spec.name}"
                yield Way((name,), number, number, partial(found_in, index, wanted), len(values), spec.parts)
            continue
        with suppress(*UNORDERED):
            asked = ranges_of(spec, scope, limits.rows)
            if asked is not None:
                ranges, bounds = asked
                runs, order = runs_of(table, spec), order_of_parts(spec.types)
                name = f"the index of {spec.name} ({' and '.join(bounds)})"
                spans = spans_of(runs, ranges, order)
                most = sum(span.stop - span.start for span in spans)
                yield Way(
                    (name,),
                    sum(span.least for span in spans),
                    most,
                    partial(entries_in, spans, order),
                    len(bounds),
                    spec.parts,
                    spec,
                )


@per_class
def _key_spec(cls: object) -> IndexSpec:
    """The key of a class, as an index."""
    return IndexSpec(tuple((name,) for name in keys_of(cls).fields), (), unique=True)


def paired(keys: Iterable[object]) -> Pairs:
    """Keys as pairs of a value and a key."""
    return [(key, key) for key in keys]


def found_in(index: Mapping[object, object], values: Iterable[object]) -> Pairs:
    """The values that an index of unique values has, each with its key."""
    return [(value, key) for value in values if (key := index.get(value)) is not None]
