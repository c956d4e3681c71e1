"""Which rows of two stretches differ, and in which fields: found column by column, and no object is made.

`differing(old, a, new, b)` compares row `a[i]` of one view with row `b[i]` of the other. It gives a part:

    Exact    these rows differ, and these are the values: numbers, text, bools, bytes
    Read     these rows are stored in another way, and these are the values: dates, sets, lists of numbers
    Perhaps  these rows may differ, and their values must be asked: marked fields, whatever else there is
    Fields   rows of a model or dataclass, a part for each field in which some of them may differ
    Split    rows that lie in several views each: None or not, instances of several classes
"""

from __future__ import annotations

import dataclasses
from collections.abc import Container, Mapping, Sequence

from pydantic import BaseModel

from ...codec.base import View
from ...codec.columns.poly import ArmView
from ...codec.columns.privates import LooseColumn
from ...codec.structs import EXTRA, MISSING, PRIVATE, UNDECLARED
from ...codec.views.boundary import ReferenceView
from ...codec.views.nodes import NullView, OptionalView
from ...codec.views.scalars import NumbersView
from ...codec.views.struct import StructView
from ...codec.views.tokens import (
    Rows,
    Tokens,
    as_rows,
    exact,
    holds_atoms,
    holds_plain,
    is_bare,
    is_canonical,
    places,
    take,
    tokens,
    unequal,
)
from ...codec.views.tuples import ArmsView
from ...stack import roomy
from .fields import field_of


class Part:
    """`rows`, which rise, are those that may differ, by their places in the stretch; `where` says whether one does."""

    __slots__ = ("rows", "where")

    def __init__(self, rows: Sequence[int]) -> None:
        self.rows = rows
        self.where: Container[int] = rows if isinstance(rows, range) else frozenset(rows)


class Perhaps(Part):
    """Rows whose values must be asked."""

    __slots__ = ()


Values = Sequence[object] | Mapping[int, object]


class Exact(Part):
    """Rows that differ; `old[i]` and `new[i]` are the values of row `i`."""

    __slots__ = ("new", "old")

    def __init__(self, rows: Sequence[int], old: Values, new: Values) -> None:
        super().__init__(rows)
        self.old = old
        self.new = new


class Read(Exact):
    """Rows whose values must be compared."""

    __slots__ = ()


class Fields(Part):
    """Rows of objects: `parts` by field. `rest`: rows of which extra values and private attributes must be asked."""

    __slots__ = ("_sides", "parts", "rest")

    def __init__(self, parts: list[tuple[str, Part]], rest: Part, old: View, a: Rows, new: View, b: Rows) -> None:
        super().__init__(_joined([*(part for _, part in parts), rest], len(a)))
        self.parts = parts
        self.rest = rest
        self._sides = old, a, new, b

    def objects(self, i: int) -> tuple[object, object]:
        """Both objects of a row, lazy where they are Models."""
        old, a, new, b = self._sides
        return old.get(a[i]), new.get(b[i])

    def field(self, i: int, name: str) -> tuple[object, object]:
        """Both values of a field of a row."""
        old, new = self.objects(i)
        return field_of(old, name), field_of(new, name)


class Split(Part):
    """Rows that lie elsewhere: `index` has for each the part that compares it, and its place in the stretch of that."""

    __slots__ = ("index",)

    def __init__(self, index: dict[int, tuple[Part, int]]) -> None:
        super().__init__(sorted(index))
        self.index = index


@roomy
def differing(old: View, a: Rows, new: View, b: Rows) -> Part:
    """Where the rows `a` of `old` and `b` of `new`, two views of one column and as many rows, may differ."""
    if isinstance(old, StructView) and isinstance(new, StructView):
        return _structs(old, a, new, b)
    if isinstance(old, ArmsView) and isinstance(new, ArmsView) and not (holds_atoms(old) and holds_atoms(new)):
        return _arms(old, a, new, b)
    if isinstance(old, ReferenceView) and isinstance(new, ReferenceView):
        return _references(old, a, new, b)
    if _is_identical(old, a, new, b):
        return Perhaps(())
    if holds_atoms(old) and holds_atoms(new):
        mine, theirs = take(old, a), take(new, b)
        return Exact(unequal(exact(mine), exact(theirs)), mine, theirs)
    if isinstance(old, OptionalView | NullView) or isinstance(new, OptionalView | NullView):
        return _optionals(old, a, new, b)
    return _by_tokens(old, a, new, b)


def _by_tokens(old: View, a: Rows, new: View, b: Rows) -> Part:
    mine: Tokens | None = tokens(old, a)
    theirs = None if mine is None else tokens(new, b)
    if mine is None or theirs is None:
        return Perhaps(range(len(a)))
    try:
        rows = unequal(mine, theirs)
    except RecursionError:  # Python compares what is nested only so deep
        return Perhaps(range(len(a)))
    if not rows or not (holds_plain(old) and holds_plain(new)):
        return Perhaps(rows)
    kind = Exact if is_canonical(old) and is_canonical(new) else Read
    return kind(rows, _values(old, a, rows), _values(new, b, rows))


def _values(view: View, rows: Rows, wanted: list[int]) -> Values:
    return dict(zip(wanted, take(view, as_rows([rows[i] for i in wanted])), strict=True))


def _references(old: ReferenceView, a: Rows, new: ReferenceView, b: Rows) -> Part:
    """Marked values that lie together in a chunk: they are compared as inline ones are, lazy collections by token."""
    if a == b and old.reference(a[0]) == new.reference(b[0]):
        return Perhaps(())
    part = differing(old.inner, a, new.inner, b)
    return Perhaps(part.rows) if old.column.is_list or old.column.is_map else part


def _is_identical(old: View, a: Rows, new: View, b: Rows) -> bool:
    """Whether two columns of numbers have the same bytes."""
    if not (isinstance(old, NumbersView) and isinstance(new, NumbersView) and type(a) is type(b) is range):
        return False
    mine, theirs = old.values, new.values
    return mine.format == theirs.format and (mine[a.start : a.stop].tobytes() == theirs[b.start : b.stop].tobytes())


def _structs(old: StructView, a: Rows, new: StructView, b: Rows) -> Part:
    if old.column is not new.column or (old.bits | new.bits) & MISSING:
        return Perhaps(range(len(a)))
    parts = []
    for name in old.column.places:
        part = differing(old.field(name), a, new.field(name), b)
        if part.rows:
            parts.append((name, part))
    rest = _rest(old, a, new, b)
    cls = old.column.plan.cls
    if issubclass(cls, BaseModel) or dataclasses.is_dataclass(cls):
        return Fields(parts, rest, old, a, new, b)
    return Perhaps(_joined([*(part for _, part in parts), rest], len(a)))  # typed dictionaries, named tuples


def _rest(old: StructView, a: Rows, new: StructView, b: Rows) -> Part:
    """The rows whose extra values, other attributes or private attributes may differ."""
    if is_bare(old) and is_bare(new):
        return Perhaps(())
    every = Perhaps(range(len(a)))
    if (old.bits | new.bits) & (EXTRA | UNDECLARED) or not old.bits & new.bits & PRIVATE:
        return every
    plan = old.column.plan
    known = {name for name, column in plan.privates if not isinstance(column, LooseColumn)}
    if known != set(plan.declared_privates):
        return every  # some come from defaults
    mine, theirs = old.part(PRIVATE), new.part(PRIVATE)
    if not (isinstance(mine, StructView) and isinstance(theirs, StructView)):
        return every
    if (mine.bits | theirs.bits) & (EXTRA | MISSING):
        return every
    parts = [differing(mine.field(name), a, theirs.field(name), b) for name in mine.column.places]
    return Perhaps(_joined(parts, len(a)))


def _joined(parts: Sequence[Part], count: int) -> Sequence[int]:
    """The rows that stand in any of `parts`."""
    found = [part.rows for part in parts if part.rows]
    if len(found) < 2:
        return found[0] if found else ()
    if any(len(rows) == count for rows in found):
        return range(count)
    return sorted(set().union(*found))


def _optionals(old: View, a: Rows, new: View, b: Rows) -> Part:
    """Rows of which some are None: where both are not, their values are compared; where both are, nothing is."""
    mine, theirs = places(old, a), places(new, b)
    both = [i for i, (x, y) in enumerate(zip(mine, theirs, strict=True)) if x >= 0 and y >= 0]
    one = [i for i, (x, y) in enumerate(zip(mine, theirs, strict=True)) if (x < 0) is not (y < 0)]
    alone: Part = Perhaps(one)
    if one and holds_plain(old) and holds_plain(new):
        alone = Read(one, _values(old, a, one), _values(new, b, one))
    index: dict[int, tuple[Part, int]] = {i: (alone, i) for i in one}
    if both:
        rows = as_rows([mine[i] for i in both]), as_rows([theirs[i] for i in both])
        part = differing(_present(old), rows[0], _present(new), rows[1])
        index.update((both[j], (part, j)) for j in part.rows)
    return Split(index)


def _present(view: View) -> View:
    return view.present if isinstance(view, OptionalView) else view


def _arms(old: ArmsView, a: Rows, new: ArmsView, b: Rows) -> Part:
    """Rows of several types: those that are of one class on both sides are compared by field, others as a whole."""
    pairs: dict[tuple[int, int], list[int]] = {}
    for i, (x, y) in enumerate(zip(a, b, strict=True)):
        pairs.setdefault((old.tags[x], new.tags[y]), []).append(i)
    index: dict[int, tuple[Part, int]] = {}
    for (tag, other), rows in pairs.items():
        mine, theirs = _arm(old, tag), _arm(new, other)
        if mine is None or theirs is None or mine.column is not theirs.column:
            asked = Perhaps(rows)
            index.update((i, (asked, i)) for i in rows)
            continue
        part = differing(
            mine, _positions(old, [a[i] for i in rows], mine), theirs, _positions(new, [b[i] for i in rows], theirs)
        )
        index.update((rows[j], (part, j)) for j in part.rows)
    return Split(index)


def _positions(view: ArmsView, rows: list[int], arm: View) -> Rows:
    """Where the values of `rows` stand in their arm."""
    found = [view.positions[row] for row in rows]
    for row, position in zip(rows, found, strict=True):
        if position >= arm.count:
            view.get(row)  # which says what is wrong
    return as_rows(found)


def _arm(view: ArmsView, tag: int) -> StructView | None:
    """The view of an arm that has objects; None for any other, and where a damaged file has no such arm."""
    arm: object = view.arms[tag] if tag < len(view.arms) else None
    if isinstance(arm, ArmView):
        arm = arm.opened
    return arm if isinstance(arm, StructView) else None
