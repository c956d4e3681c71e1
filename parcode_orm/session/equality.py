"""Whether two values would be stored as the same bytes, by type and value or by encoding both."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import chain
from typing import Any

from parcode_orm.lazy.state import RowView
from parcode_orm.native import compiled

from ..codec.asis import to_write
from ..codec.base import EXACT_ATOMS, Column, View, is_lazy
from ..codec.classes.alike import alike, details
from ..codec.columns.boundary import ChunkColumn
from ..codec.columns.privates import privates_changed
from ..codec.columns.undeclared import storable, undeclared
from ..codec.packed.dumped import sets_of
from ..codec.packed.extensions import LEFT_OUT
from ..codec.packed.values import pack
from ..codec.refs import Ref
from ..codec.slots import SLOTS
from ..errors import EncodeError
from ..lazy.proxy import decoded
from .content_hash import UnreadStream, digest_of, digest_of_row

LEVELS = 3  # of lists and dictionaries inside each other that are compared without encoding them
SAME, PERHAPS, OTHER = range(3)
DOUBLE = struct.Struct("d")


def differs_from_row(column: Column, value: object, view: View, row: int) -> bool:
    """Whether `value` differs from the row `row` of a view."""
    if isinstance(column, ChunkColumn) and type(value) in (list, dict) and is_lazy(column.inner):
        try:
            return digest_of(column, value) != digest_of_row(column, view, row)
        except UnreadStream:
            return True
        except EncodeError:
            pass
    return differ(column, value, to_write(view.read, row, row + 1)[0])


def differ(column: Column, value: object, stored: object) -> bool:
    """Whether two values would be stored as other bytes."""
    plainly = plainly_differ(value, stored)
    if plainly is not None:
        return plainly
    try:
        return digest_of(column, value) != digest_of(column, stored)
    except UnreadStream:
        return True
    except EncodeError:  # it was stored in its field's way, or what is wrong will be said, with its path, when written
        return not (alike(value, stored) and details(value) == details(stored) and sets_of(value) == sets_of(stored))


@compiled
def compare_values(values: Iterable[object], stored: Iterable[object]) -> bytes | None:
    """`SAME`, `PERHAPS` or `OTHER` for each value: whether it would be stored as other bytes. None if all are the same.

    Types alone tell it: numbers, texts and bytes, and what consists of them, `LEVELS` deep.
    """
    found = bytes(_compare(value, other, LEVELS) for value, other in zip(values, stored, strict=True))
    return found if any(found) else None


def _compare(value: Any, stored: Any, levels: int) -> int:
    cls = type(value)
    if cls is not type(stored):
        return PERHAPS
    if cls in EXACT_ATOMS:
        return SAME if value == stored else OTHER
    if cls is float:
        numbers = value == value or stored == stored  # one of them at least
        return SAME if DOUBLE.pack(value) == DOUBLE.pack(stored) else OTHER if numbers else PERHAPS
    if cls not in (list, tuple, dict) or not levels:
        return PERHAPS
    if len(value) != len(stored):
        return OTHER
    if cls is dict:  # in the order in which it is stored
        value, stored = (chain.from_iterable(each.items()) for each in (value, stored))
    most = SAME
    for mine, theirs in zip(value, stored, strict=True):
        most = max(most, _compare(mine, theirs, levels - 1))
        if most == OTHER:
            break
    return most


def plainly_differ(value: object, stored: object) -> bool | None:
    """Whether two references, or lists or dictionaries of plain values, or of lists or dictionaries of these, differ.

    None if only encoding tells.
    """
    cls = type(value)
    if cls is Ref and type(stored) is Ref:
        return _references_differ([value], [stored])
    if cls is not type(stored) or cls not in (list, dict):
        return None
    return _differ_inside(cls, [value], [stored], LEVELS)


def items_differ(values: list[Any], stored: list[Any], levels: int = LEVELS) -> bool | None:
    """Whether two lists of such values differ; None where a value is of another type, or lies deeper than `levels`."""
    types = list(map(type, values))
    if EXACT_ATOMS.issuperset(types) and EXACT_ATOMS.issuperset(map(type, stored)):
        return values != stored or types != list(map(type, stored))
    kinds = set(types)
    if kinds == {Ref} == set(map(type, stored)):
        return _references_differ(values, stored)
    if len(kinds) == 1 and kinds <= {list, dict} and kinds == set(map(type, stored)) and levels:
        return _differ_inside(types[0], values, stored, levels - 1)
    return None


def _references_differ(values: list[Any], stored: list[Any]) -> bool | None:
    """Whether two lists of references differ: those to one class do if their keys do."""
    if len({each._cls for each in chain(values, stored)}) > 1:
        return None
    mine, theirs = ([each.key for each in refs] for refs in (values, stored))
    if {tuple} == set(map(type, mine)) == set(map(type, theirs)):  # composite keys, all with as many parts
        mine, theirs = (list(chain.from_iterable(keys)) for keys in (mine, theirs))
    return items_differ(mine, theirs)


def _differ_inside(cls: type, values: list[Any], stored: list[Any], levels: int) -> bool | None:
    """`items_differ` for the items of all lists in `values`, or for the keys and values of all dictionaries."""
    if list(map(len, values)) != list(map(len, stored)):
        return True
    found = items_differ(list(chain.from_iterable(values)), list(chain.from_iterable(stored)), levels)
    if cls is list or found is not False:
        return found
    mine, theirs = (list(chain.from_iterable(map(dict.values, each))) for each in (values, stored))
    return items_differ(mine, theirs, levels)


def slots_differ(proxy: object, view: RowView, row: int) -> bool:
    """Whether extra values, private attributes or the names of the fields that were set differ from the row's."""
    for name, slot in SLOTS.items():
        try:
            value = slot.__get__(proxy)
        except AttributeError:  # never asked for
            continue
        if _slot_differs(name, value, view, row):
            return True
    return False


def rest_differs(proxy: object, view: RowView, row: int) -> bool:
    """Whether what a proxy has besides fields differs from its row."""
    if slots_differ(proxy, view, row):
        return True
    if decoded(proxy).keys() <= view.column.all_names:
        return False
    attributes = undeclared(proxy)
    if not attributes:
        return False
    mine = {name: storable(item) for name, item in attributes.items()}
    stored = view.attributes(row)
    return any(
        item is not stored.get(name, LEFT_OUT) and (name not in stored or _packs_differ(item, stored[name]))
        for name, item in mine.items()
    )


def _slot_differs(slot: str, value: Any, view: RowView, row: int) -> bool:
    if slot == "__pydantic_fields_set__":
        stored = view.fields_set(row)
        return bool(value != (set(view.cls.__pydantic_fields__) if stored is None else stored))
    if slot == "__pydantic_extra__":
        return _packs_differ(value or {}, view.extra(row) or {})
    return privates_changed(view.column.plan, value, view.private(row))


def _packs_differ(value: object, stored: object) -> bool:
    try:
        return pack(value) != pack(stored)
    except EncodeError:  # what is wrong will be said, with its path, when it is written
        return True
