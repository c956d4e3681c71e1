"""Values beside the type of their field: made by a validator, or defaults, which are not validated.

A column that refuses some of its values is tried again on the others, and those are PACKED beside
it, in a MIXED node: if the field's own validator gives them back from what its serializer dumps, or
if they are defaults. While every value is of the annotated type this costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from ...errors import CyclicGraphError, EncodeError, with_article
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding
from .. import trail
from ..asis import UNREADABLE, AsIs, gives_stand_ins
from ..base import ATOMS, Column, Space, View, is_lazy_collection, scratch
from ..packed.ways import Way
from ..stream import is_stream
from ..views.boundary import Unread
from ..views.nodes import child_nodes, open_child
from ..views.stretch import InMemory
from ..views.tuples import open_arms
from ..views.wrappers import EachView
from .containers import ListColumn
from .fallback import CheckedColumn
from .mixed import Mixed, MixedPairs
from .packed import PackedColumn
from .physical import Gappy, gaps_of
from .scalars import NumberColumn
from .text import BytesColumn, TextColumn
from .tuples import Encodes, UnionColumn, write_arms
from .wrappers import Around, OptionalColumn

# A MIXED node's `param`: others of a type with validators, of a field, of a `Sequence`.
TYPE, FIELD, KIND = 0, 1, 2
_PACKED = PackedColumn()
_NONE: frozenset[type] = frozenset({type(None)})
_NUMBERS: frozenset[type] = ATOMS - {str, bytes}


def may_convert(metadata: Iterable[Any]) -> bool:
    """Whether `metadata` holds validators or schemas, which may give values of another type."""
    return any(hasattr(item, "__get_pydantic_core_schema__") for item in metadata)


class LenientColumn(Around):
    """Values of a type that has validators of its own. Values that `inner` refuses go `way`.

    Columns of numbers, text and bytes take subclasses too, as their base; here those go `way`.
    """

    __slots__ = ("exact", "way")

    def __init__(self, inner: Column, way: Way) -> None:
        self.inner = inner
        self.way = way
        self.exact: frozenset[type] | None = None
        if is_atomic(inner):
            bare: Any = inner.inner if isinstance(inner, OptionalColumn) else inner
            self.exact = frozenset({*_NUMBERS, *bare.exact}) if isinstance(bare, NumberColumn) else bare.exact | _NONE

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        mark = out.mark()
        try:
            self._strictly(values, out)
        except EncodeError as problem:
            out.back(mark)
            write_mixed(self.inner, self._strictly, values, out, TYPE, self._other(values), problem)

    def _strictly(self, values: Sequence[Any], out: Encoder) -> None:
        if self.exact is not None and not self.exact.issuperset(map(type, values)):
            row = next(row for row, value in enumerate(values) if type(value) not in self.exact)
            raise _misfit(values, row, getattr(self.inner, "expected", "a value of the type"))
        self.inner.encode(values, out)

    def _other(self, values: Sequence[Any]) -> Callable[[int], Any]:
        return lambda row: self.way.checked(values[row])

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        return view_mixed(self.inner, self.way, TYPE, chunk, at, space, chunk.nodes[at].count)

    def describe(self) -> Any:
        return self.inner.describe()


def is_atomic(column: Column) -> bool:
    """Whether values are numbers, text or bytes, or None."""
    bare = column.inner if isinstance(column, OptionalColumn) else column
    return isinstance(bare, NumberColumn | TextColumn | BytesColumn)


def _misfit(values: Sequence[Any], row: int, expected: str) -> EncodeError:
    cls = type(values[row])
    if not issubclass(cls, int | float | str | bytes) or cls.__module__ == "builtins":
        return trail.misfit(values, row, expected)
    message = (
        f"{with_article(cls.__qualname__)} would come back as what it derives from; call "
        f"parcode_orm.register({cls.__name__}), so that the file can name it"
    )
    return trail.at(EncodeError(message, value_type=cls), row)


class SequenceColumn(Around):
    """A `Sequence` in a marked field: lists, which may be lazy; `others` has all other kinds."""

    __slots__ = ("others",)

    def __init__(self, inner: ListColumn, others: Column) -> None:
        self.inner = inner
        self.others = others

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        rows = [row for row, value in enumerate(values) if value is not None and not _is_list(value)]
        if rows:
            arms = [[row for row in range(len(values)) if row not in set(rows)], rows]
            _write_arms(KIND, [self.inner, self.others], arms, values, out)
        else:
            self.inner.encode(values, out)

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        return _view_mixed(self.inner, self.others, KIND, chunk, at, space, chunk.nodes[at].count)

    def parts(self) -> Sequence[Column]:
        return (self.inner, self.others)

    def describe(self) -> Any:
        return self.others.describe()


def _is_list(value: Any) -> bool:
    return isinstance(value, list) or _is_stored(value)


def _is_stored(value: Any) -> bool:
    """Whether `value` stands for rows that its column takes, and must not be read here."""
    return (
        isinstance(value, Mixed | MixedPairs | InMemory | Unread) or is_lazy_collection(value) or is_stream(type(value))
    )


class _WithGaps:
    """A column whose values at `gaps` are missing."""

    __slots__ = ("column", "gaps")

    def __init__(self, column: Encodes, gaps: Collection[int]) -> None:
        self.column = column
        self.gaps = gaps

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        self.column.encode(Gappy(values, self.gaps), out)


def _write_arms(level: int, columns: list[Encodes], arms: list[list[int]], values: Sequence[Any], out: Encoder) -> None:
    gaps = gaps_of(values)
    if gaps:
        columns = [_WithGaps(columns[0], {at for at, row in enumerate(arms[0]) if row in gaps}), *columns[1:]]
    tags, positions = [0] * len(values), [0] * len(values)
    for tag, rows in enumerate(arms):
        for position, row in enumerate(rows):
            tags[row], positions[row] = tag, position
    write_arms(out, Encoding.MIXED, values, tags, positions, list(zip(columns, arms, strict=True)), param=level)


def write_mixed(
    column: Column,
    strictly: Callable[[Sequence[Any], Encoder], None],
    values: Sequence[Any],
    out: Encoder,
    level: int,
    other: Callable[[int], Any],
    problem: EncodeError,
) -> None:
    """Append `values` as MIXED, after `column` refused some by `problem`.

    `strictly` encodes those it takes and raises otherwise; `other` gives what is stored of the
    value of a row.

    Raises:
        EncodeError: the column's own, of the first value that is not stored otherwise.
    """
    if isinstance(problem, CyclicGraphError):
        raise problem
    rows: dict[int, EncodeError] = {}
    gaps = gaps_of(values)
    _misfits(strictly, values, [row for row in range(len(values)) if row not in gaps], rows)
    if not rows or any(is_stream(type(value)) for value in values):
        raise problem
    stored = Gappy(values, gaps)
    for row, refusal in rows.items():
        try:
            stored[row] = other(row)
            _PACKED.encode([stored[row]], scratch())
        except EncodeError:
            raise trail.at(refusal, row) from None
    fitting = [row for row in range(len(values)) if row not in rows]
    _write_arms(level, [column, _PACKED], [fitting, list(rows)], stored, out)


def _misfits(
    strictly: Callable[[Sequence[Any], Encoder], None],
    values: Sequence[Any],
    rows: list[int],
    found: dict[int, EncodeError],
) -> None:
    """Note the `rows` whose values `strictly` refuses; it takes lazy values and streams."""
    mine = [row for row in rows if not _is_stored(values[row])]
    if not mine:
        return
    try:
        strictly([values[row] for row in mine], scratch())
    except EncodeError as problem:
        if len(mine) == 1:
            found[mine[0]] = problem
            return
        half = len(mine) // 2
        _misfits(strictly, values, mine[:half], found)
        _misfits(strictly, values, mine[half:], found)


def view_mixed(column: Column, way: Way, level: int, chunk: Chunk, at: int, space: Space, count: int) -> View:
    """View the node `at`, which must hold `count` values, of `column` or MIXED of this level."""
    return _view_mixed(column, _Others(way), level, chunk, at, space, count)


def _view_mixed(column: Column, others: Column, level: int, chunk: Chunk, at: int, space: Space, count: int) -> View:
    node = chunk.nodes[at]
    if node.encoding != Encoding.MIXED or node.param != level:
        return open_child(column, chunk, at, space, count)
    if node.count != count:
        raise chunk.error(at, f"holds {node.count} values where {count} belong")
    tags, positions, first, second = child_nodes(chunk, at, 4)
    nodes = chunk.nodes
    arms = [
        open_child(column, chunk, first, space, nodes[first].count),
        open_child(others, chunk, second, space, nodes[second].count),
    ]
    return open_arms(chunk, at, node, tags, positions, arms)


class _Others(Column):
    """Values that went `way`, to be read."""

    __slots__ = ("way",)

    def __init__(self, way: Way) -> None:
        self.way = way

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        return EachView(_PACKED.view(chunk, at, space), self._load)

    def _load(self, stored: Any) -> Any:
        try:
            return self.way.load(stored)
        except UNREADABLE as problem:
            if gives_stand_ins():
                return AsIs(self.way, stored, problem)
            raise


def sequence(item: Column, way: Way) -> Column:
    """A `Sequence`, which Pydantic leaves of the kind it was given."""
    lists, tuples = ListColumn(item), ListColumn(item, tuple)
    return UnionColumn([(is_listlike, lists), (is_tuple, tuples), (is_other_sequence, CheckedColumn(way))])


def is_tuple(value: Any) -> bool:
    """A plain tuple."""
    return type(value) is tuple


def is_listlike(value: Any) -> bool:
    """A list, or what stands for one."""
    return type(value) is list or bool(getattr(type(value), "_p_lazy_", False))


def is_other_sequence(value: Any) -> bool:
    """A sequence that is stored packed: a range, text, an array."""
    return isinstance(value, Sequence) and not is_listlike(value) and not is_tuple(value)
