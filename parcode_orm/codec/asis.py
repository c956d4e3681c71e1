"""Stored values that cannot be read here, and are stored again as they are: what is beside them can still be changed.

A member of an enum is gone, or a validator refuses what it took. Whoever reads such a value gets the error. Where the
value is only written again with its row, a stand-in takes its place between view and column. Users never see one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar
from weakref import ref

from ..errors import CorruptionError, DecodeError, SchemaMismatchError
from ..stack import carried

T = TypeVar("T")

UNREADABLE = (CorruptionError, DecodeError, SchemaMismatchError)


class _Reading:
    """A call of `to_write`: what it says ends with it, even where an interrupt keeps the call from saying so."""

    __slots__ = ("__weakref__",)


class _Mode(threading.local):
    reading: ref[_Reading] | None = None


_mode = _Mode()
carried(_mode)


class AsIs:
    """A value of which only what `column` (or a `Way`) had stored is known; reading it raises `problem`."""

    __slots__ = ("column", "problem", "stored")

    def __init__(self, column: Any, stored: Any, problem: BaseException) -> None:
        self.column = column
        self.stored = stored
        self.problem = problem

    def __eq__(self, other: object) -> bool:
        return isinstance(other, AsIs) and (self.column, self.stored) == (other.column, other.stored)

    def __hash__(self) -> int:
        return id(self.column)


class Block:
    """A packed value that does not unpack: its MessagePack."""

    __slots__ = ("data",)

    def __init__(self, data: bytes) -> None:
        self.data = data


def to_write(read: Callable[..., T], *args: int) -> T:
    """What `read` returns of values that are only to be written again, or compared: some may be stand-ins."""
    try:
        return read(*args)
    except UNREADABLE:
        if gives_stand_ins():
            raise
    reading = _Reading()
    _mode.reading = ref(reading)
    try:
        return read(*args)
    finally:
        _mode.reading = None


def gives_stand_ins() -> bool:
    """Whether a value that cannot be read is to give way to a stand-in."""
    return _mode.reading is not None and _mode.reading() is not None
