"""Rows of a struct column that are mixed: new objects, lazy ones, and stretches of stored rows.

Each field is encoded from the same parts. A stored stretch gives the field's own view, a plain object its value. Of a
lazy object the fields in memory give their values, and the others the field's view at its row, so that nothing is read
that nobody asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any

from ...errors import CorruptionError, EncodeError
from ...format.chunk import Encoder
from ...format.layout import Encoding
from .. import trail
from ..attributes import declared
from ..base import Column, is_lazy
from ..cycles import get_dict
from ..slots import SLOTS
from ..views.struct import SETS, StructView
from .mixed import Mixed, Part, Stretch, encode_parts, joined
from .physical import Gappy

if TYPE_CHECKING:
    from .struct import StructColumn

_MISSING: Any = object()
_fields_set = SLOTS["__pydantic_fields_set__"].__get__
_more = [SLOTS["__pydantic_extra__"], SLOTS["__pydantic_private__"]]


class _Nothing(dict[str, Any]):
    """Stands for a stored row that has neither extra values nor private attributes."""

    __pydantic_extra__ = None
    __pydantic_private__ = None


_NOTHING = _Nothing()


class _Stored:
    """Rows `start` to `stop` of a struct view, with what is in memory of each: `here` is None for nothing."""

    __slots__ = ("here", "objects", "start", "stop", "view")

    def __init__(self, view: StructView, start: int, stop: int, objects: list[Any] | None = None) -> None:
        self.view = view
        self.start = start
        self.stop = stop
        self.objects = objects  # lazy ones
        self.here: list[dict[str, Any]] | None = None

    def __len__(self) -> int:
        return self.stop - self.start

    def field(self, name: str, column: Column) -> list[Part]:
        values = [] if self.here is None else [here.get(name, _MISSING) for here in self.here]
        rows = [row for row, value in enumerate(values) if value is not _MISSING]
        try:
            view = self.view.field(name)
        except CorruptionError:
            if rows and len(rows) == len(values):  # nothing of it is needed
                return [values]
            raise
        start, stop = self.start, self.stop
        apart = bool(self.view.chunk.refs)
        whole = Stretch(view, start, stop, apart)
        if not rows:
            return [whole]
        if hasattr(view, "keep"):
            for row in rows:
                values[row] = self.view.field_to_keep(name, start + row, values[row])
        if len(rows) == len(values):
            return [values]
        if not is_lazy(column):
            stored = whole.values(column)
            return [[old if new is _MISSING else new for old, new in zip(stored, values, strict=True)]]
        found: list[Part] = []
        for row, value in enumerate(values, start):
            found.append(Stretch(view, row, row + 1, apart) if value is _MISSING else [value])
        return joined(found)

    def sets(self, names: set[str]) -> list[Any]:
        """The names of the fields that were set, a row each."""
        view, start, stop = self.view, self.start, self.stop
        sets = list(map(set, view.part(SETS).read(start, stop))) if view.bits & SETS else [names] * (stop - start)
        for row, each in enumerate(self.objects or ()):
            try:
                sets[row] = _fields_set(each)
            except AttributeError:  # never asked for
                continue
        return sets

    def owners(self) -> list[Any]:
        """The objects themselves."""
        return self.view.read(self.start, self.stop) if self.objects is None else self.objects

    def with_more(self) -> list[Any]:
        """The objects that may have more than fields; the rows have nothing more."""
        if not self.objects:
            return [_NOTHING] * len(self)
        known = declared(self.objects[0].__class__)
        return [
            each if not get_dict(each).keys() <= known or any(map(_is_set, _more, repeat(each))) else _NOTHING
            for each in self.objects
        ]


def _is_set(slot: Any, value: Any) -> bool:
    try:
        slot.__get__(value)
    except AttributeError:  # never asked for
        return False
    return True


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

    def with_more(self) -> list[Any]:
        """The objects that may have more than fields."""
        return self.objects


_Rows = _Stored | _Objects


def write_mixed(column: StructColumn, mixed: Mixed, out: Encoder) -> None:
    """Append the rows of `mixed` as one node."""
    rows: list[_Rows] | None = []
    for part in mixed.parts:
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
    node = out.open(Encoding.STRUCT, count)
    for name, field in column.fields:
        mark = out.mark()
        parts: list[Part] = []
        try:
            parts += [part for each in rows for part in each.field(name, field)]
            parts = _without_gaps(joined(parts), name, missing)
            if name in missing:
                field.encode(Gappy(Mixed(parts).plain(field), missing[name]), out)
            else:
                encode_parts(field, parts, out)
        except CorruptionError as problem:
            raise _needed(problem, column, name) from problem.__cause__
        except EncodeError as problem:
            if column.plan.ways is None:
                raise trail.below(problem, name, trail.row_of(problem)) from None
            out.back(mark)
            owners = [each for some in rows for each in some.owners()]
            found = Gappy(Mixed(parts).plain(field), missing.get(name, ()))
            column.plan.ways.write(name, field, owners, found, out, problem)
    if column.pydantic or missing or column.plan.others is not None:
        sets = [each for some in rows for each in some.sets(column.all_names)] if column.pydantic else []
        objects = [each for some in rows for each in some.with_more()]
        out.entries[node][5] = column.write_rest(objects, sets, count, missing, out)
    out.close(node)


def _needed(problem: CorruptionError, column: StructColumn, name: str) -> CorruptionError:
    """The error, saying which field is damaged, and why its values are needed."""
    if not vars(problem).get("of_field"):
        problem.args = (
            f"{column.plan.cls.__name__}.{name} is damaged, and has to be written again with what changed beside "
            f"it: assign it, or replace or remove the rows that cannot be read; {problem.args[0]}",
        )
        vars(problem)["of_field"] = True
    return problem


def _without_gaps(parts: list[Part], name: str, missing: dict[str, set[int]]) -> list[Part]:
    """The parts of a field with None in the place of values that objects lack; these rows are noted in `missing`."""
    at = 0
    for i, part in enumerate(parts):
        if isinstance(part, Stretch):
            at += part.stop - part.start
            continue
        gaps = [place for place, value in enumerate(part) if value is _MISSING]
        if gaps:
            missing.setdefault(name, set()).update(at + place for place in gaps)
            parts[i] = [None if value is _MISSING else value for value in part]
        at += len(part)
    return parts


def _stretch(column: StructColumn, part: Stretch) -> list[_Rows] | None:
    """Stored rows; None where they are not rows of `column` alone, or have more than fields."""
    view = part.view
    if type(view) is not StructView or view.column is not column or view.bits & ~SETS or column.plan.privates:
        return None
    return [_Stored(view, part.start, part.stop)]


def _objects(column: StructColumn, values: list[Any]) -> list[_Rows] | None:
    """Objects, lazy ones by the rows that they stand for; None where they are not all of this class."""
    if not column.exact:  # not all fields of the class are known
        return None
    (exact,) = column.exact
    if set(map(type, values)) == column.exact:
        return [_Objects(values, column.dicts(values))]
    found: list[_Rows] = []
    for value in values:
        if value.__class__ is not exact:
            return None
        cls: Any = type(value)
        row = stored_row(cls)
        if row is None:
            _add_object(found, value, column.dicts([value])[0])
        else:
            _add_lazy(found, column, value, *row(value))
    return found


def _add_lazy(found: list[_Rows], column: StructColumn, value: Any, view: Any, row: int, here: dict[str, Any]) -> None:
    if type(view) is not StructView or view.column is not column or view.bits & ~SETS or column.plan.privates:
        _add_object(found, value, value._p_fields_to_store_())
        return
    last = found[-1] if found else None
    if type(last) is not _Stored or last.view is not view or last.stop != row:
        last = _Stored(view, row, row, [])
        last.here = []
        found.append(last)
    assert last.objects is not None and last.here is not None
    last.stop += 1
    last.objects.append(value)
    last.here.append(here)


def _add_object(found: list[_Rows], value: Any, fields: dict[str, Any]) -> None:
    last = found[-1] if found else None
    if type(last) is _Objects and type(last.dicts) is list:
        last.objects.append(value)
        last.dicts.append(fields)
    else:
        found.append(_Objects([value], [fields]))


@lru_cache(1024)
def stored_row(cls: Any) -> Any:
    """What gives the view and row of a lazy object of `cls`, and its values in memory; None for a plain class."""
    return getattr(cls, "_p_stored_", None)  # Pydantic's metaclass takes long to say that there is none
