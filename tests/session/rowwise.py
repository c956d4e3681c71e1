"""What `session.diff` finds, found in plain Python: row by row, through the lazy objects of both commits.

The package compares columns. This says what it must find: the same differences, in the same order.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from difflib import SequenceMatcher
from struct import pack as pack_struct
from typing import Any

from pydantic import BaseModel

from parcode_orm import Model, Session
from parcode_orm.codec.base import BlobContent
from parcode_orm.codec.kernels import loaded_numpy
from parcode_orm.codec.packed.values import pack
from parcode_orm.codec.views.boundary import Unread
from parcode_orm.errors import EncodeError
from parcode_orm.lazy.list import LazyList
from parcode_orm.lazy.map import LazyMap
from parcode_orm.lazy.proxy import is_proxy
from parcode_orm.lazy.rows import TablePairs, TableRows
from parcode_orm.lazy.state import MISSING, field_value
from parcode_orm.session.history.diff import Change
from parcode_orm.session.history.difference import Difference, Place
from parcode_orm.table.diff import Gap, gaps
from tests.session.changing import alike

ALIGNED = 512  # rows: of longer stretches without a row in common, those at the same place are compared
PART = 1 << 20  # bytes of two blobs that are compared at a time
_ATOMIC = frozenset({int, str, bool, bytes, type(None)})


def differences(session: Session, a: int, b: int, cls: type[Model]) -> list[Change]:
    """What a diff finds of the root `cls`, checked against what is found here."""
    diff = session.diff(a, b, cls)
    found = list(diff)
    old, new = (diff._root(space, cls.__name__, cls) for space in (diff._old, diff._new))
    wanted = list(map(Change, compare(old, new, Place((cls.__name__,), cls.__name__, {}))))
    assert [each.where for each in found] == [each.where for each in wanted]
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.kind == theirs.kind and alike(list(mine.path), list(theirs.path))
        assert alike(mine.old, theirs.old) and alike(mine.new, theirs.new)
    assert bool(diff) is bool(found)
    return found


def compare(old: Any, new: Any, place: Place) -> Iterator[Difference]:
    """Where two values differ, from the outermost to the innermost and in the order of the fields and rows.

    Both are lazy values of sessions that do not change them, or plain. The order of a dictionary's keys, and which
    fields were set, are no difference; that of types is.
    """
    if old is MISSING or new is MISSING:
        return iter(()) if old is new else place.differ(old, new)
    if isinstance(old, Unread) and isinstance(new, Unread):
        return _unread(old, new, place)
    old, new = _read(old), _read(new)
    cls = old.__class__
    if cls is not new.__class__:
        return place.differ(old, new)
    if cls in _ATOMIC:
        return iter(()) if old == new else place.differ(old, new)
    if isinstance(old, BaseModel):
        return _fields(old, new, place)
    if issubclass(cls, LazyList):
        return _lists(old, new, place)
    if issubclass(cls, LazyMap):
        return _maps(old, new, place)
    if cls is list:
        return _rows(old.__getitem__, new.__getitem__, Gap(0, len(old), 0, len(new)), place)
    if issubclass(cls, dict):
        return _pairs(old.items(), new.items(), old.get, new.get, place)
    if dataclasses.is_dataclass(cls):
        return _fields(old, new, place)
    return iter(()) if _same_whole(old, new) else place.differ(old, new)


def is_same(old: Any, new: Any) -> bool:
    """Whether `compare` finds nothing."""
    return next(compare(old, new, Place((), "", {})), None) is None


def _read(value: Any) -> Any:
    return value.read() if isinstance(value, Unread) else value


# -- values that are told apart whole ----------------------------------------------------------------------------------


def _same_whole(old: Any, new: Any) -> bool:
    """Whether two values of one class are equal, as they are stored: NaN is NaN, and -0.0 is not 0.0."""
    if isinstance(old, float):
        return pack_struct("<d", old) == pack_struct("<d", new)
    if isinstance(old, tuple | deque):
        return len(old) == len(new) and all(map(is_same, old, new))
    numpy = loaded_numpy()
    if numpy is not None and isinstance(old, numpy.ndarray) and not old.dtype.hasobject:
        return bool(old.dtype == new.dtype and old.shape == new.shape and old.tobytes() == new.tobytes())
    try:
        return pack(old) == pack(new)
    except EncodeError:  # its field's own column can store it, and not alone
        return bool(old == new)


def _unread(old: Unread, new: Unread, place: Place) -> Iterator[Difference]:
    """Two tables or blobs: nothing of them is read where they are the same one, nor of blobs whose checksums agree."""
    if old.ref.offset == new.ref.offset:
        return iter(())
    mine, theirs = old.blob(), new.blob()
    if mine is None or theirs is None:
        return compare(old.read(), new.read(), place)
    if old.space.chunk(old.ref).directory == new.space.chunk(new.ref).directory:
        return iter(())
    same = mine[1] == theirs[1] and _same_content(mine[0], theirs[0])
    return iter(()) if same else place.differ(old, new)


def _same_content(old: BlobContent, new: BlobContent) -> bool:
    """Whether two blobs, stored in other ways, have the same bytes."""
    size = len(old)
    return size == len(new) and all(old.read(at, at + PART) == new.read(at, at + PART) for at in range(0, size, PART))


# -- fields ------------------------------------------------------------------------------------------------------------


def _fields(old: Any, new: Any, place: Place) -> Iterator[Difference]:
    for name in dict.fromkeys((*_names(old), *_names(new))):
        yield from compare(_field(old, name), _field(new, name), place.field(name))


def _names(obj: Any) -> Iterable[str]:
    """The fields of a dataclass; the fields, extra values and private attributes of a model."""
    if not isinstance(obj, BaseModel):
        return [field.name for field in dataclasses.fields(obj)]
    return [*obj.__class__.__pydantic_fields__, *(obj.__pydantic_extra__ or {}), *(obj.__pydantic_private__ or {})]


def _field(obj: Any, name: str) -> Any:
    """One of `_names`; MISSING where the object lacks it. Of a lazy model nothing else is read, nor large values."""
    if not isinstance(obj, BaseModel):
        return getattr(obj, name, MISSING)
    if name not in obj.__class__.__pydantic_fields__:
        return {**(obj.__pydantic_extra__ or {}), **(obj.__pydantic_private__ or {})}.get(name, MISSING)
    lazy: Any = obj if is_proxy(obj) else None
    unread = None if lazy is None else lazy._p_unread_(name)
    return field_value(obj, name) if unread is None else unread


# -- rows --------------------------------------------------------------------------------------------------------------

Get = Callable[[int], Any]


def _lists(old: LazyList[Any], new: LazyList[Any], place: Place) -> Iterator[Difference]:
    mine, theirs = old.rows, new.rows
    for gap in _gaps(mine, theirs):
        yield from _rows(mine.get, theirs.get, gap, place)


def _gaps(mine: Any, theirs: Any) -> Iterable[Gap]:
    """The rows that two collections do not share; all, where one is so small that it lies with its owner."""
    if isinstance(mine, TableRows) and isinstance(theirs, TableRows):
        return gaps(mine.table.tree, theirs.table.tree)
    return [Gap(0, len(mine), 0, len(theirs))]


def _rows(old: Get, new: Get, gap: Gap, place: Place) -> Iterator[Difference]:
    """The rows of a stretch: equal ones at its ends are left aside, and, if what is left is not long, between."""
    start, stop, other, end = gap
    while start < stop and other < end and is_same(old(start), new(other)):
        start, other = start + 1, other + 1
    while start < stop and other < end and is_same(old(stop - 1), new(end - 1)):
        stop, end = stop - 1, end - 1
    if 1 < max(stop - start, end - other) <= ALIGNED and start < stop and other < end:
        mine, theirs = _tokens(old, start, stop), _tokens(new, other, end)
        found: Any = SequenceMatcher(None, mine, theirs, autojunk=False).get_opcodes()
    else:
        found = [("replace", 0, stop - start, 0, end - other)]
    for kind, a, b, c, d in found:
        if kind != "equal":
            yield from _replaced(old, new, Gap(start + a, start + b, other + c, other + d), place)


def _replaced(old: Get, new: Get, gap: Gap, place: Place) -> Iterator[Difference]:
    """Rows in the place of others: those at the same place are compared, what is left came or went."""
    start, stop, other, end = gap
    both = min(stop - start, end - other)
    for i in range(both):
        yield from compare(old(start + i), new(other + i), place.item(other + i))
    for i in range(start + both, stop):
        yield from place.item(i).differ(old(i), MISSING)
    for i in range(other + both, end):
        yield from place.item(i).differ(MISSING, new(i))


def _tokens(get: Get, start: int, stop: int) -> list[Any]:
    """What stands for each row: equal for two of which `compare` finds nothing, unless they hold large values."""
    return [_token(get(i)) for i in range(start, stop)]


def _token(value: Any) -> Any:
    if isinstance(value, Unread):
        return "at", value.ref.offset
    cls = value.__class__
    if cls in _ATOMIC:
        return cls, value
    if isinstance(value, BaseModel) or dataclasses.is_dataclass(cls):
        return cls, *((name, _token(_field(value, name))) for name in _names(value))
    if isinstance(value, LazyList | LazyMap) and isinstance(value.rows, TableRows):
        return "at", value.location
    if isinstance(value, dict | LazyMap):
        return cls, frozenset((key, _token(each)) for key, each in value.items())
    if isinstance(value, list | tuple | deque | LazyList):
        return cls, *map(_token, value)
    try:
        return cls, pack(value)
    except EncodeError:
        return cls, id(value)  # equal to no other


# -- keys --------------------------------------------------------------------------------------------------------------

Find = Callable[[Any, Any], Any]


def _maps(old: LazyMap[Any, Any], new: LazyMap[Any, Any], place: Place) -> Iterator[Difference]:
    mine: Any = old.rows
    theirs: Any = new.rows
    for gap in _gaps(mine, theirs):
        yield from _pairs(
            _stretch(mine, gap.start, gap.stop),
            _stretch(theirs, gap.other_start, gap.other_stop),
            mine.find,
            theirs.find,
            place,
        )


def _stretch(rows: Any, start: int, stop: int) -> Iterator[tuple[Any, Any]]:
    """Neighbouring pairs of a stored dictionary."""
    if not isinstance(rows, TablePairs):
        yield from zip(rows.keys(), rows.scan(start, stop), strict=True)
        return
    table = rows.table
    for piece, first, end in table.tree.pieces(start, stop):
        for at in range(first, end):
            yield table.key(piece, at), table.value(piece, at)


def _pairs(
    old: Iterable[tuple[Any, Any]], new: Iterable[tuple[Any, Any]], find_old: Find, find_new: Find, place: Place
) -> Iterator[Difference]:
    for key, value in old:
        yield from compare(value, find_new(key, MISSING), place.item(key))
    for key, value in new:
        if find_old(key, MISSING) is MISSING:
            yield from place.item(key).differ(MISSING, value)
