"""Ways to the entities with one value of a field: most statements ask for these, and few steps lead there.

`best_way` finds the same way, and any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from ...model.entity_names import field_of
from ...model.indexes import IndexSpec, Path, indexes_of
from ...model.ordering import itself, order_of_parts
from ...query.expressions.expressions import Expression
from ...query.expressions.nodes import Field, Literal, Operation
from ..roots import unbuilt
from .indexes import Range, entries_in, spans_of
from .opened_runs import runs_of
from .planning import Wanted, spelled
from .tables import keys_of
from .ways import Limits, Way, found_in, paired

_PLAIN = frozenset({int, str, bytes, bool})  # types of which each value is hashable, and has an order


def point_way(table: object, cls: type, where: Sequence[Expression[bool]], limits: Limits) -> Way | None:
    """The way by the key or by an index of one field to the entities that have one value of it, as `where` asks.

    None where the conditions are not such, where the way is not surely the best, or where a scan may be as fast. A scan
    is never as fast as the way by the key, however few entities there are.
    """
    key = keys_of(cls).fields
    for condition in where:
        path, value = _point(condition)
        if path is None:
            continue
        if path == key:
            return Way(("key",), 1, 1, partial(paired, (value,)), 1, (path,))
        if not limits.rows:
            continue
        spec = next((each for each in indexes_of(cls) if each.parts == (path,) and not each.text), None)
        if spec is None or (not spec.unique and len(where) > 1) or field_of(spec) in unbuilt(table):
            continue
        if spec.unique:
            pairs = partial(found_in, getattr(table, field_of(spec)), (value,))
            return Way((f"the index of {spec.name}",), 1, 1, pairs, 1, (path,))
        return _by_runs(table, spec, path, value, limits)
    return None


def _point(condition: Expression[bool]) -> tuple[Path | None, object]:
    """The path of a field and the value that it must have; no path if a condition is another one."""
    if type(condition) is Operation and condition._operator == "==":
        one, other = condition._args
        if type(one) is Field and type(other) is Literal and type(other._value) in _PLAIN:
            return one._path, other._value
    return None, None


def _by_runs(table: object, spec: IndexSpec, path: Path, value: object, limits: Limits) -> Way | None:
    order = order_of_parts(spec.types)
    if order is not itself or spec.types[0] is not type(value):
        return None
    spans = spans_of(runs_of(table, spec), [Range(value, value)], order)
    most = sum([span.stop - span.start for span in spans])
    least = sum([span.least for span in spans])
    if least > limits.rows or most > limits.entries:
        return None
    name = f"the index of {spec.name} ({spelled(path, Wanted(spec.types[0], [Range(value, value)]))})"
    return Way((name,), least, most, partial(entries_in, spans, order), 1, (path,), spec)
