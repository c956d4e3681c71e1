"""Stored values that cannot be read here, and are stored again unchanged.

An enum member is gone, or a validator refuses what it accepted before. Reading such a value
raises the error. Where the value is only written again with its row, a stand-in takes its place
between view and column. Users never see one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar
from weakref import ref

from ..errors import CorruptionError, DecodeError, SchemaMismatchError
from ..stack import carried

T = TypeVar("T")

UNREADABLE = (CorruptionError, DecodeError, SchemaMismatchError)


class _Reading:
    """A running call of `to_write`. Its effect ends with it, even if an interrupt skips the
    cleanup."""

    __slots__ = ("__weakref__",)


class _Mode(threading.local):
    reading: ref[_Reading] | None = None


_mode = _Mode()
carried(_mode)


class AsIs:
    """A value known only as `column` (or a `Way`) stored it; reading it raises `problem`."""

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


def to_write(read: Callable[..., T], *args: Any) -> T:
    """Call `read` for values that are only written again, or compared; some may be stand-ins."""
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
    """Whether a stand-in replaces a value that cannot be read."""
    return _mode.reading is not None and _mode.reading() is not None


_stays: ContextVar[bool] = ContextVar("stays", default=False)


class Gone(str):
    """The name of a member of an enum, which the enum has no more."""

    __slots__ = ()


def as_stored(work: Callable[..., T], *args: Any) -> T:
    """What `work` returns, which reads values by which rows are found.

    Those that today's class refuses are given as they are stored: numbers of another kind, `Gone` members of an enum.
    """
    try:
        return work(*args)
    except UNREADABLE:
        before = _stays.set(True)
        try:
            return work(*args)
        finally:
            _stays.reset(before)


def stays() -> bool:
    """Whether a value that does not fit is given as it is stored."""
    return _stays.get()
