"""Single values of columns as MessagePack has them, for `rows`, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...errors import CorruptionError, EncodeError, with_article
from ..asis import AsIs, gives_stand_ins
from ..packed.values import Ready, pack, unpack
from .containers import ListColumn, MapColumn, SetColumn, ordered
from .fallback import CheckedColumn, FallbackColumn
from .lenient import LenientColumn
from .packed import PackedColumn
from .scalars import BoolColumn, FloatColumn, IntColumn, NoneColumn
from .text import BytesColumn, TextColumn
from .tuples import TupleColumn, UnionColumn
from .wrappers import ConvertColumn, OptionalColumn

Put = Callable[[Any, int], Any]
Get = Callable[[Any], Any]
ATOM_COLUMNS = (IntColumn, FloatColumn, BoolColumn, NoneColumn, TextColumn, BytesColumn)


class Unfit(Exception):
    """A value that a row cannot hold exactly."""


# -- writing -----------------------------------------------------------------------------------------------------------


def _put_optional(column: Any) -> Put:
    inner = put_of(column.inner)
    return lambda value, level: None if value is None else inner(value, level)


def _put_atom(column: Any) -> Put:
    (exact,) = column.exact

    def put(value: Any, level: int) -> Any:
        if type(value) is not exact:
            raise Unfit
        return value

    return put


def _put_list(column: Any) -> Put:
    (exact,), item = column.exact, put_of(column.item)
    sort = type(column) is SetColumn

    def put(value: Any, level: int) -> Any:
        if type(value) is not exact:
            raise Unfit
        return [item(each, level) for each in (ordered(value, column.item) if sort else value)]

    return put


def _put_map(column: Any) -> Put:
    key_of, value_of = put_of(column.key), put_of(column.value)

    def put(value: Any, level: int) -> Any:
        if type(value) not in column.exact:
            raise Unfit
        found: list[Any] = []
        for key, item in value.items():
            found += (key_of(key, level), value_of(item, level))
        return found

    return put


def _put_tuple(column: Any) -> Put:
    items = list(map(put_of, column.items))

    def put(value: Any, level: int) -> Any:
        if type(value) is not tuple or len(value) != len(items):
            raise Unfit
        return [item(each, level) for item, each in zip(items, value, strict=True)]

    return put


def _put_converted(column: Any) -> Put:
    inner = put_of(column.inner)

    def put(value: Any, level: int) -> Any:
        if value is None or not isinstance(value, column.types):
            raise Unfit
        try:
            (stored,) = column.stored([value], {type(value)})
        except EncodeError as problem:  # the column will say what, and where
            raise Unfit from problem
        return inner(stored, level)

    return put


def _put_arm(column: Any) -> Put:
    choose = getattr(column.arms[0][0], "chooser", column._choose)
    arms = [put_of(arm) for _, arm in column.arms]

    def put(value: Any, level: int) -> Any:
        tag = -1 if value is None else choose(value)
        if tag < 0:
            raise Unfit
        return [tag, arms[tag](value, level)]

    return put


def _put_strictly(column: Any) -> Put:
    inner = put_of(column.inner)

    def put(value: Any, level: int) -> Any:
        if column.exact is not None and type(value) not in column.exact:
            raise Unfit
        return inner(value, level)

    return put


def _put_native(column: Any) -> Put:
    def put(value: Any, level: int) -> Any:
        (stored,) = column.to_stored([value])
        if type(stored) is not Ready:  # it goes the column's way
            raise Unfit
        return stored.data

    return put


def _put_checked(column: Any) -> Put:
    def put(value: Any, level: int) -> Any:
        column.check(value)
        return pack(value)

    return put


def _put_packed(column: Any) -> Put:
    return lambda value, level: None if value is None else pack(value)


# -- reading -----------------------------------------------------------------------------------------------------------


def only(stored: Any, *types: type) -> Any:
    """`stored`, which must be of one of `types`: what is not is no row of ours."""
    if type(stored) not in types:
        raise CorruptionError(f"{with_article(type(stored).__name__)} where {types[0].__name__} belongs")
    return stored


def _get_optional(column: Any) -> Get:
    inner = get_of(column.inner)
    return lambda stored: None if stored is None else inner(stored)


def _get_atom(column: Any) -> Get:
    (exact,) = column.exact
    if exact is bytearray:
        return lambda stored: bytearray(only(stored, bytes))

    def get(stored: Any) -> Any:
        return stored if type(stored) is exact else only(stored, exact)

    return get


def _get_list(column: Any) -> Get:
    item, factory = get_of(column.item), column.factory

    def get(stored: Any) -> Any:
        found = [item(each) for each in only(stored, list)]
        return found if factory is list else factory(found)

    return get


def _get_map(column: Any) -> Get:
    key_of, value_of, factory = get_of(column.key), get_of(column.value), column.factory

    def get(stored: Any) -> Any:
        parts = iter(only(stored, list))
        found = {key_of(key): value_of(next(parts)) for key in parts}
        if len(found) * 2 != len(stored):
            raise CorruptionError("a dictionary has a key twice")
        return found if factory is dict else factory(found)

    return get


def _get_tuple(column: Any) -> Get:
    items = list(map(get_of, column.items))
    return lambda stored: tuple([item(each) for item, each in zip(items, only(stored, list), strict=True)])


def _get_converted(column: Any) -> Get:
    inner, from_stored = get_of(column.inner), column.from_stored

    def get(stored: Any) -> Any:
        found = inner(stored)
        try:
            return from_stored([found])[0]
        except Exception as problem:
            if gives_stand_ins() and not isinstance(problem, RecursionError):
                return AsIs(column, found, problem)
            raise

    return get


def _get_arm(column: Any) -> Get:
    arms = [get_of(arm) for _, arm in column.arms]

    def get(stored: Any) -> Any:
        tag, value = only(stored, list)
        if not 0 <= only(tag, int) < len(arms):
            raise CorruptionError(f"arm {tag} of {len(arms)}")
        return arms[tag](value)

    return get


def _get_packed(column: Any) -> Get:
    return lambda stored: None if stored is None else unpack(only(stored, bytes))


# -- both --------------------------------------------------------------------------------------------------------------

KINDS: dict[type, tuple[Callable[[Any], Put], Callable[[Any], Get]]] = {
    **dict.fromkeys(ATOM_COLUMNS, (_put_atom, _get_atom)),
    **dict.fromkeys((ListColumn, SetColumn), (_put_list, _get_list)),
    OptionalColumn: (_put_optional, _get_optional),
    MapColumn: (_put_map, _get_map),
    TupleColumn: (_put_tuple, _get_tuple),
    ConvertColumn: (_put_converted, _get_converted),
    UnionColumn: (_put_arm, _get_arm),
    PackedColumn: (_put_packed, _get_packed),
    FallbackColumn: (_put_native, _get_packed),
    CheckedColumn: (_put_checked, _get_packed),
    LenientColumn: (_put_strictly, lambda column: get_of(column.inner)),
}


def put_of(column: Any) -> Put:
    """A function that turns a value of `column` into what MessagePack has."""
    kind = KINDS.get(type(column))
    return kind[0](column) if kind is not None else lambda value, level: column.ways.put(value, level)


def get_of(column: Any) -> Get:
    """A function that undoes `put_of`."""
    kind = KINDS.get(type(column))
    return kind[1](column) if kind is not None else lambda stored: column.ways.get(stored)
