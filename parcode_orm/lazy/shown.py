"""Bounded texts of lazy objects and collections: what is not shown is not read, and what cannot be read is named."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar, TypeVarTuple

from pydantic import BaseModel

from ..codec.base import is_lazy, is_lazy_collection
from ..codec.packed.blobs import ARRAY, TEXT
from ..errors import ParcodeError
from ..format.layout import Kind
from ..model.plain import LazyModel

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

LONG = 1_000  # characters or bytes of a value that is shown whole; of a longer one the half of that
WHOLE, SOME = 100, 10  # items: of a collection of more than the first number, the second one
MOST = 10_000  # characters of a whole text, about
DEEP = 20  # objects and collections in each other
LARGE = 1 << 16  # bytes of a stored value that is not read to be shown
READ = 3 << 15  # bytes of chunks of marked fields that are read for rows of collections


# Control characters but for tabs and line feeds, surrogates, line separators, marks of direction, invisible tags:
# what a terminal or page obeys, or what hides or turns other text.
OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str, limit: int | None = None) -> str:
    """`text` with what a terminal would obey as escapes of Python, and cut to `limit` characters."""
    if limit is not None and len(text) > limit:
        text = f"{text[: limit - 1]}…"
    return OBEYED.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


class Shown:
    """Something whose `repr` is a given text."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


class _Here(threading.local):
    """The text that this thread is making: how deep it is, and how many characters more it may take."""

    level = 0
    left = MOST
    lists = 0  # collections that it is within
    read: dict[object, int] = {}  # the sizes of the chunks that fields of their rows lie in


_here = _Here()


def within(work: Callable[[*Ts], T], *args: *Ts) -> T:
    """`work(*args)`, which makes a text or a part of one: what it meets on the way shares the bound."""
    if not _here.level:
        _here.left, _here.read = MOST, {}
    _here.level += 1
    try:
        return work(*args)
    finally:
        _here.level -= 1


def field_within(name: str | None, others: int, work: Callable[[], T]) -> T:
    """`work()`, which makes the text of a field: it takes its share, so that `others` that follow are shown, too."""
    left = _here.left
    _here.left = share = left // (others + 1)
    try:
        return work()
    finally:
        _here.left = left - (share - _here.left) - len(name or "") - 3


def is_full() -> bool:
    """Whether the text that is being made is as long as it may be."""
    return _here.left < 0


def brief(value: object) -> object:
    """`value`, or what shows the beginning of it where its text may be long, or fail."""
    known = value is None or type(value) in (float, bool, Shown) or (type(value) is int and value.bit_length() < 64)
    return value if known else Shown(text_of(value))


def text_of(value: object) -> str:
    """The text that `repr` gives of `value`, bounded in length, items and depth; it never fails."""
    if type(value) is Shown:
        _here.left -= len(value.text)
        return value.text
    try:
        return within(_text, value)
    except Exception as problem:  # in a user's __repr__, or in reading
        return f"<{type(value).__name__}, {why(problem)}>"


def why(problem: Exception) -> str:
    """Why a value cannot be shown."""
    kind = type(problem).__name__
    return f"not read: {kind}" if isinstance(problem, ParcodeError) else f"its repr raised {kind}"


def _text(value: object) -> str:
    make = _CONTAINERS.get(type(value))
    if make is not None:
        return make(value) if _here.level <= DEEP else "..."
    if isinstance(value, BaseModel) and type(value).__repr__ is BaseModel.__repr__:
        return _model(value) if _here.level <= DEEP else f"{type(value).__name__}(...)"
    if is_lazy_collection(value):
        return repr(value) if _here.level <= DEEP else "..."
    text = _leaf(value)
    _here.left -= len(text)
    return text


def _leaf(value: Any) -> str:
    if type(value) not in (str, bytes, bytearray):
        return cut(repr(value))
    if len(value) <= LONG:
        return repr(value)
    unit = "characters" if type(value) is str else "bytes"
    return f"{value[: LONG // 2]!r}... <{len(value) - LONG // 2} more {unit}>"


def _model(model: Any) -> str:
    found = []
    fields = list(model.__repr_args__())
    bounded = isinstance(model, LazyModel)  # what its class gives is as much as fits
    for at, (name, value) in enumerate(fields):
        if is_full() and not bounded:
            found.append("<more fields>")
            break
        others = len(fields) - at - 1
        text = text_of(value) if bounded else field_within(name, others, partial(text_of, value))
        found.append(text if name is None else f"{name}={text}")
    return f"{model.__repr_name__()}({', '.join(found)})"


def cut(text: str) -> str:
    """`text`, or the beginning of it where it is long."""
    return text if len(text) <= LONG else f"{text[: LONG // 2]}... <{len(text) - LONG // 2} more characters>"


def listed(items: Iterable[T], count: int, text: Callable[[T], str] = text_of) -> str:
    """The texts of the first of `count` items, and how many follow."""
    return within(of_rows, _listed, items, count, text)


def of_rows(work: Callable[[*Ts], T], *args: *Ts) -> T:
    """`work(*args)`, which shows rows of a collection: what is read for them is bounded."""
    _here.lists += 1
    try:
        return work(*args)
    finally:
        _here.lists -= 1


def _listed(items: Iterable[T], count: int, text: Callable[[T], str]) -> str:
    found: list[str] = []
    most = count if count <= WHOLE else SOME
    reason = ""
    rest = iter(items)
    try:
        while len(found) < most and not is_full():
            found.append(text(next(rest)))
            _here.left -= 2
    except StopIteration:
        pass
    except ParcodeError as problem:
        reason = f", {why(problem)}"
    if len(found) < count:
        found.append(f"<{count - len(found)} more{reason}>")
    return ", ".join(found)


def paired(pairs: Iterable[tuple[object, object]], count: int) -> str:
    """`listed`, of the pairs of a mapping."""
    return listed(pairs, count, lambda pair: f"{text_of(pair[0])}: {text_of(pair[1])}")


_CONTAINERS: dict[type, Callable[[Any], str]] = {
    list: lambda items: f"[{listed(items, len(items))}]",
    tuple: lambda items: f"({listed(items, len(items))}{',' if len(items) == 1 else ''})",
    set: lambda items: f"{{{listed(items, len(items))}}}" if items else "set()",
    frozenset: lambda items: f"frozenset({{{listed(items, len(items))}}})" if items else "frozenset()",
    dict: lambda pairs: f"{{{paired(pairs.items(), len(pairs))}}}",
}


def unread(field: Any) -> object:
    """What shows a large value that nobody has read, by its size alone; None for a table."""
    found = field.blob()
    if found is None:
        return None
    content, meta = found
    kind = {TEXT: "text of ", ARRAY: "array of "}.get(meta[:1], "")
    return Shown(f"<{kind}{len(content)} bytes, not read>")


def unread_in(view: Any, row: int) -> object:
    """What shows the value at `row` of a marked field where it is not read: it is large, or much was read; or None."""
    found = view.stored(row)
    column = found.column
    if found.ref.kind != Kind.COLUMN:
        return None
    if not (column.is_list or column.is_map or is_lazy(column.inner)):
        size = found.ref.length // max(found.view.count, 1)
        if size > LARGE:
            return Shown(f"<about {size} bytes, not read>")
    if not _here.lists:
        return None
    _here.read.setdefault(found.ref, found.ref.length)
    if sum(_here.read.values()) <= READ:
        return None
    del _here.read[found.ref]
    return Shown("<not read>")
