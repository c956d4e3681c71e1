"""Rows of a struct column that are mixed: new objects, lazy ones, and stretches of stored rows.

Each field is encoded from the same parts. A stored stretch gives the field's own view, a plain
object its value. A lazy object gives values for fields in memory, and the view at its row for all
others, so nothing is read that was not asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from itertools import repeat
from operator import is_not
from typing import Any

from ...errors import CorruptionError, EncodeError
from ...format.encoder import Encoder
from ...format.layout import Encoding
from ...native import compiled
from .. import trail
from ..apart import field_of, names_within, types_of
from ..attributes import declared
from ..base import Column, is_lazy
from ..cycles import get_dict
from ..slots import FIELDS_SET, MORE, SLOTS, none_set
from ..structs import SETS, Struct
from ..views.boundary import Marked
from ..views.stretch import Stretch
from ..views.struct import StructView
from .mixed import Mixed, Part, encode_parts, joined
from .physical import Gappy
from .picked import NOTHING, Picked
from .wrappers import OptionalColumn

_MISSING: Any = object()
_fields_set = SLOTS["__pydantic_fields_set__"].__get__
_more = [SLOTS["__pydantic_extra__"].__get__, SLOTS["__pydantic_private__"].__get__]


class _Stored:
    """Rows `start` to `stop` of a struct view, and the lazy objects that stand for them, if these are in memory."""

    __slots__ = ("_names", "objects", "start", "stop", "view")

    def __init__(self, view: StructView, start: int, stop: int, objects: list[Any] | None = None) -> None:
        self.view = view
        self.start = start
        self.stop = stop
        self.objects = objects
        self._names: set[str] | None = None

    def __len__(self) -> int:
        return self.stop - self.start

    def field(self, name: str, column: Column) -> list[Part]:
        view, start = self.view, self.start
        values, rows = self._in_memory(name, column)
        if rows and len(rows) == len(values):
            return [values]
        apart = bool(view.chunk.refs)
        stored = view.field(name)
        if rows and is_lazy(column):
            found: list[Part] = []
            for row, value in enumerate(values, start):
                found.append(Stretch(stored, row, row + 1, apart) if value is _MISSING else [value])
            return joined(found)
        whole = Stretch(stored, start, self.stop, apart)
        if not rows and (column.mixes or not values):
            return [whole]
        known = whole.values(column)
        return [[old if new is _MISSING else new for old, new in zip(known, values, strict=True)]] if rows else [known]

    @property
    def names(self) -> set[str]:
        """The names of what any of the objects has in memory."""
        if self._names is None:
            self._names = names_within(self.objects or [])
        return self._names

    def _in_memory(self, name: str, column: Column) -> tuple[list[Any], Sequence[int]]:
        """The values of a field that are in memory, `_MISSING` for others, and the places of those that are."""
        objects = self.objects or []
        if name not in self.names:
            return [_MISSING] * len(objects), ()
        values: list[Any]
        if not isinstance(column, Marked):
            with suppress(KeyError):
                values = field_of(objects, name)
                return values, range(len(values))
        values = [get_dict(each).get(name, _MISSING) for each in objects]
        rows = [row for row, value in enumerate(values) if value is not _MISSING]
        for row in rows if isinstance(column, Marked) else ():
            with suppress(CorruptionError):  # so nothing that is stored can serve
                values[row] = self.view.field_to_keep(name, self.start + row, values[row])
        return values, rows

    def sets(self, names: set[str]) -> list[Any]:
        """The names of the fields that were set, a row each."""
        view, start, stop = self.view, self.start, self.stop
        sets = list(map(set, view.part(SETS).read(start, stop))) if view.bits & SETS else [names] * (stop - start)
        objects = self.objects or ()
        for row, each in enumerate(() if none_set(FIELDS_SET, objects) else objects):
            try:
                sets[row] = _fields_set(each)
            except AttributeError:  # never asked for
                continue
        return sets

    def owners(self) -> list[Any]:
        """The objects themselves."""
        return self.view.read(self.start, self.stop) if self.objects is None else self.objects

    def with_more(self, column: Struct) -> list[Any] | None:
        """The objects that may have more than fields, with `NOTHING` for the others; the rows have nothing more."""
        if not self.objects:
            return None
        fields = self.view.column.all_names
        if none_set(MORE, self.objects) and self.names <= fields:
            return None
        found: list[Any] = [NOTHING] * len(self)
        for row, each in enumerate(self.objects):
            names = get_dict(each).keys()
            if not (names <= fields or names <= declared(self.view.cls)):
                found[row] = each
            for slot in _more:
                try:
                    slot(each)
                    found[row] = each
                except AttributeError:  # never asked for
                    continue
        return found if any(map(is_not, found, repeat(NOTHING))) else None


class _Objects:
    """Objects whose fields stand in `dicts`."""

    __slots__ = ("dicts", "objects")

    def __init__(self, objects: list[Any], dicts: Sequence[dict[str, Any]]) -> None:
        self.objects = objects
        self.dicts = dicts

    def __len__(self) -> int:
        return len(self.objects)

    def field(self, name: str, column: Column) -> list[Part]:
        return [[row.get(name, _MISSING) for row in self.dicts]]

    def sets(self, names: set[str]) -> list[Any]:
        return [each.__pydantic_fields_set__ for each in self.objects]

    def owners(self) -> list[Any]:
        """The objects themselves."""
        return self.objects

    def with_more(self, column: Struct) -> list[Any] | None:
        """The objects, if any may have more than all of its fields."""
        if column.pydantic and column.plan.others is None and column.exact.issuperset(map(type, self.objects)):
            fields = column.all_names
            if all(map(fields.issuperset, self.dicts)):
                more = [each for slot in _more for each in map(slot, self.objects)]
                if more.count(None) == len(more):
                    return None
        return self.objects


_Rows = _Stored | _Objects | Picked


def write_mixed(column: Struct, mixed: Mixed, out: Encoder) -> None:
    """Append the rows of `mixed` as one node."""
    newest = getattr(out.sink, "newest", None)
    if newest is not None:
        _check_lost(newest, mixed)
    rows: list[_Rows] | None = []
    for part in mixed.parts:
        found: list[_Rows] | None
        if isinstance(part, Picked):
            found = [part]
        else:
            found = _stretch(column, part) if isinstance(part, Stretch) else _objects(column, part)
        if found is None or rows is None:
            rows = None
            break
        rows += found
    if rows is None:
        column.encode_here(mixed.plain(column), out)
        return
    count = len(mixed)
    missing: dict[str, set[int]] = {}
    ways = column.plan.ways
    node = out.open(Encoding.STRUCT, count)
    for name, field in column.plan.fields:
        mark = len(out.entries), len(out.refs)
        parts: list[Part] = []
        try:
            for each in rows:
                parts += each.field(name, field)
            if len(parts) > 1:
                parts = joined(parts)
            if any(type(some) is _Objects for some in rows):
                parts = _without_gaps(parts, name, missing)
            if name in missing:
                field.encode(Gappy(Mixed(parts).plain(field), missing[name]), out)
            elif len(parts) == 1 and isinstance(parts[0], list):
                field.encode(parts[0], out)
            else:
                encode_parts(field, parts, out)
        except CorruptionError as problem:
            raise _needed(problem, column, name, field) from problem.__cause__
        except EncodeError as problem:
            if ways is None:
                raise trail.below(problem, name, trail.row_of(problem)) from None
            out.back(mark)
            owners = [each for some in rows for each in some.owners()]
            found = Gappy(Mixed(parts).plain(field), missing.get(name, ()))
            ways.write(name, field, owners, found, out, problem)
    if column.pydantic or missing or column.plan.others is not None:
        sets: list[Any] = []
        objects: list[Any] = []
        more = [some.with_more(column) for some in rows]
        if more.count(None) < len(more):
            for some, given in zip(rows, more, strict=True):
                objects += [NOTHING] * len(some) if given is None else given
        if column.pydantic:
            for some in rows:
                sets += some.sets(column.all_names)
        out.entries[node][5] = column.write_rest(objects, sets, count, missing, out)
    out.close(node)


def _check_lost(newest: Any, mixed: Mixed) -> None:
    """Raise `DowngradeError` where stored rows, or those of lazy objects, have more than their class knows."""
    for part in mixed.parts:
        if isinstance(part, Stretch):
            newest.check_rows(part.view, part.start, part.stop)
        elif isinstance(part, list):
            for value in part:
                stored = getattr(type(value), "_p_stored_", None)
                if stored is not None:
                    newest.check(*stored(value))


def _needed(problem: CorruptionError, column: Struct, name: str, field: Column) -> CorruptionError:
    """The error, saying which field is damaged, and why its values are needed.

    A model that may be None is named as a whole.
    """
    known = vars(problem)
    if "damage" not in known or type(field) is OptionalColumn:
        damage = known.setdefault("damage", problem.args[0])
        problem.args = (
            f"{column.plan.cls.__name__}.{name} is damaged, and has to be written again with what changed beside "
            f"it: assign it, or replace or remove the rows that cannot be read; {damage}",
        )
    return problem


def _without_gaps(parts: list[Part], name: str, missing: dict[str, set[int]]) -> list[Part]:
    """A field's parts, with None where objects lack a value; `missing` gets these rows."""
    at = 0
    for part in parts:
        if isinstance(part, Stretch):
            at += part.stop - part.start
            continue
        for place, value in enumerate(part):
            if value is _MISSING:
                missing.setdefault(name, set()).add(at + place)
                part[place] = None
        at += len(part)
    return parts


def _stretch(column: Struct, part: Stretch) -> list[_Rows] | None:
    """Stored rows; None where they are not rows of `column` alone, or have more than fields."""
    view = part.view
    if type(view) is not StructView or view.column is not column or view.bits & ~SETS or column.plan.privates:
        return None
    return [_Stored(view, part.start, part.stop)]


def _objects(column: Struct, values: list[Any]) -> list[_Rows] | None:
    """Objects, lazy ones as stored rows; None unless all are of this class."""
    if not column.exact:  # not all fields of the class are known
        return None
    types = types_of(values)
    if types == column.exact:
        return [_Objects(values, column.dicts(values))]
    if not column.exact.issuperset(map(stands_for, types)):
        return None
    found: list[_Rows] = []
    if len(types) == 1 and (together := _neighbours(column, values, *types)):
        return [together]
    for value in values:
        cls: Any = type(value)
        if cls in column.exact:
            _add_object(found, value, column.dicts([value])[0])
        else:
            _add_lazy(found, column, value, *cls._p_stored_(value))
    return found


def _neighbours(column: Struct, values: list[Any], cls: Any) -> _Stored | None:
    """Lazy objects of one class, if all stand for neighbouring rows of a view as which they can be written."""
    first = first_of_neighbours(cls._p_state, values)
    if first is None or not _can_be_mixed(column, first[0]):
        return None
    view, row = first
    return _Stored(view, row, row + len(values), values)


@compiled
def first_of_neighbours(state: Any, objects: Sequence[Any]) -> tuple[Any, int] | None:
    """What the first of some lazy objects stands for, a view and a row. None unless the others stand for the next rows.

    `state` is the slot that has it.
    """
    try:
        states = list(map(state.__get__, objects))
    except AttributeError:  # one stands for nothing
        return None
    if not states:
        return None
    view, row = states[0]
    together = states == list(zip(repeat(view), range(row, row + len(states)), strict=False))
    return states[0] if together else None


def _can_be_mixed(column: Struct, view: Any) -> bool:
    return type(view) is StructView and view.column is column and not view.bits & ~SETS and not column.plan.private


def _add_lazy(found: list[_Rows], column: Struct, value: Any, view: Any, row: int) -> None:
    if not _can_be_mixed(column, view):
        _add_object(found, value, value._p_fields_to_store_())
        return
    last = found[-1] if found else None
    if type(last) is not _Stored or last.view is not view or last.stop != row:
        last = _Stored(view, row, row, [])
        found.append(last)
    assert last.objects is not None
    last.stop += 1
    last.objects.append(value)


def _add_object(found: list[_Rows], value: Any, fields: dict[str, Any]) -> None:
    last = found[-1] if found else None
    if type(last) is _Objects and type(last.dicts) is list:
        last.objects.append(value)
        last.dicts.append(fields)
    else:
        found.append(_Objects([value], [fields]))


def stands_for(cls: Any) -> Any:
    """The model of a lazy class; any other class itself."""
    return cls.__dict__.get("_p_model_", cls)
