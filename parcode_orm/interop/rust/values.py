"""Values as bincode writes them: numbers, texts, collections, structs and enums, without names or types.

    u8, i8          the byte            others unsigned    under 251 a byte; 251 and 2 bytes, 252 and 4, 253 and 8, ...
    f32, f64        4 and 8 bytes       others signed      2 n, or -2 n - 1 below 0, as an unsigned one
    bool            0 or 1              char               its UTF-8, without a length
    text, bytes     length, bytes       list, set, map     length, items (key, value, key, value, ...)
    struct, tuple   their parts         option, enum       0 or 1, the number of the variant; then the content

A reader takes a value at a cursor. All refuse what the Rust crate does not write, so that a wrong type is noticed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from typing import Any

from .cursor import DEPTH, FAILURES, Cursor
from .hints import Integer

Read = Callable[[Cursor], Any]


def boolean(at: Cursor) -> bool:
    """A bool."""
    value = at.data[at.at]
    if value > 1:
        at.misfit("a bool is 0 or 1", "0 or 1", value)
    at.at += 1
    return value == 1


def nothing(at: Cursor) -> None:
    """`()`, which has no bytes."""


def text(at: Cursor) -> str:
    """A String."""
    begin = at.at
    data = at.take(at.count())
    try:
        return data.decode()
    except UnicodeDecodeError as problem:
        at.misfit("a text is not UTF-8", None, problem.object[problem.start : problem.start + 4], at=begin)


def character(at: Cursor) -> str:
    """A char."""
    first = at.data[at.at]
    size = 1 if first < 0x80 else 2 if first < 0xE0 else 3 if first < 0xF0 else 4
    begin = at.at
    data = at.take(size)
    try:
        return data.decode()
    except UnicodeDecodeError:
        at.misfit("a char is not UTF-8", None, data, at=begin)


def sized_bytes(at: Cursor) -> bytes:
    """A `Vec<u8>`."""
    return at.take(at.count())


def fixed_bytes(size: int) -> Read:
    """A `[u8; size]`."""
    return lambda at: at.take(size)


def integer(hint: Integer) -> Read:
    """An integer."""
    low, high, name = hint.low, hint.high, hint.name

    def unsigned(at: Cursor) -> int:
        begin, value = at.at, at.number()
        if value > high:
            at.misfit(f"an integer is too large for {name}", f"at most {high}", value, at=begin)
        return value

    def signed(at: Cursor) -> int:
        begin, value = at.at, at.number()
        value = -(value >> 1) - 1 if value & 1 else value >> 1
        if not low <= value <= high:
            at.misfit(f"an integer does not fit {name}", f"{low} to {high}", value, at=begin)
        return value

    def byte(at: Cursor) -> int:
        value = at.data[at.at]
        at.at += 1
        return value - 256 if value > high else value

    return byte if hint.bits == 8 else signed if hint.signed else unsigned


def floating(size: int) -> Read:
    """A float of 4 or 8 bytes."""
    unpack = struct.Struct("<f" if size == 4 else "<d").unpack_from

    def read(at: Cursor) -> float:
        value: float
        (value,) = unpack(at.data, at.at)
        at.at += size
        return value

    return read


def option(inner: Read) -> Read:
    """An Option."""

    def read(at: Cursor) -> Any:
        tag = at.data[at.at]
        if tag > 1:
            at.misfit("an Option begins with 0 or 1", "0 or 1", tag)
        at.at += 1
        return inner(at) if tag else None

    return read


def parts(readers: Sequence[Read]) -> Read:
    """A tuple."""

    def read(at: Cursor) -> tuple[Any, ...]:
        values: list[Any] = []
        try:
            for each in readers:
                values.append(each(at))
        except FAILURES as problem:
            raise at.within(f"[{len(values)}]", problem) from None
        return tuple(values)

    return read


def items(item: Read, length: int | None = None) -> Callable[[Cursor], list[Any]]:
    """The items of a collection, a list; `length` is that of an array.

    An item without bytes would make a collection of any length: it is refused.
    """

    def read(at: Cursor) -> list[Any]:
        values: list[Any] = []
        first, at.first = at.first, 0
        try:
            count = at.count() if length is None else length
            begin = at.at
            for _ in range(count):
                values.append(item(at))
                if at.at == begin:
                    at.misfit("a collection of items that have no bytes cannot be read")
        except FAILURES as problem:
            raise at.within(f"[{first + len(values)}]", problem) from None
        return values

    return read


def integers(hint: Integer) -> Callable[[Cursor], list[Any]]:
    """The items of a collection of integers. Those under 251 are bytes of the same values."""
    one_by_one = items(integer(hint))

    def read(at: Cursor) -> list[Any]:
        begin = at.at
        count = at.count()
        data = at.data[at.at : at.at + count]
        if len(data) == count and (hint.bits == 8 or max(data, default=0) < 251):
            at.at += count
            return list(data)
        at.at = begin
        return one_by_one(at)

    return one_by_one if hint.signed else read


def floats(size: int) -> Callable[[Cursor], list[Any]]:
    """The items of a collection of floats."""

    def read(at: Cursor) -> list[Any]:
        count = at.count()
        return list(struct.unpack(f"<{count}{'f' if size == 4 else 'd'}", at.take(count * size)))

    return read


def distinct(read_items: Callable[[Cursor], list[Any]], kind: Callable[[list[Any]], Any]) -> Read:
    """A set."""

    def read(at: Cursor) -> Any:
        begin = at.at
        values = read_items(at)
        found = kind(values)
        if len(found) != len(values):
            at.misfit("a set has an item twice", f"{len(values)} items", len(found), at=begin)
        return found

    return read


def mapping(key: Read, value: Read) -> Read:
    """A map."""

    def read(at: Cursor) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        try:
            for _ in range(at.count()):
                pair(at, key, value, found)
        except FAILURES as problem:
            raise at.within("", problem) from None
        return found

    return read


def pair(at: Cursor, key: Read, value: Read, found: dict[Any, Any]) -> Any:
    """Take a key and its value into `found`; the key is returned."""
    begin = at.at
    name = key(at)
    if name in found:
        at.misfit("a map has a key twice", None, name, at=begin)
    try:
        found[name] = value(at)
    except FAILURES as problem:
        raise at.within(f"[{name!r:.80}]", problem) from None
    if at.at == begin:
        at.misfit("a map of keys and values that have no bytes cannot be read")
    return name


def enumeration(readers: Sequence[Read]) -> Read:
    """An enum: one reader for the content of each variant."""

    def read(at: Cursor) -> Any:
        begin, variant = at.at, at.number()
        if variant >= len(readers):
            at.misfit("the enum has no such variant", f"below {len(readers)}", variant, at=begin)
        return readers[variant](at)

    return read


def fields(readers: dict[str, Read]) -> Callable[[Cursor], dict[str, Any]]:
    """The parts of a struct, by name."""
    pairs = tuple(readers.items())

    def read(at: Cursor) -> dict[str, Any]:
        values: dict[str, Any] = {}
        name = ""
        try:
            for name, each in pairs:
                values[name] = each(at)
        except FAILURES as problem:
            raise at.within(f".{name}", problem) from None
        return values

    return read


def built(read_parts: Callable[[Cursor], Any], build: Callable[[Any], Any]) -> Read:
    """An object of the parts that are read."""

    def read(at: Cursor) -> Any:
        values = read_parts(at)
        try:
            return build(values)
        except FAILURES as problem:
            raise at.within("", problem) from None

    return read


def deeper(find: Callable[[], Read]) -> Read:
    """A value of the type inside which it stands; `find` gives the reader when all are made."""

    def read(at: Cursor) -> Any:
        if at.depth == DEPTH:
            at.misfit(f"more than {DEPTH} values of one type lie in each other")
        at.depth += 1
        value = find()(at)
        at.depth -= 1
        return value

    return read
