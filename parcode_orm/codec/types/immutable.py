"""Which classes have objects that cannot change in place.

A class that has a `__hash__` of its own may well have attributes that change, so only classes known here count.
"""

from __future__ import annotations

import enum
import pathlib
from datetime import timezone
from types import MemberDescriptorType
from typing import Any
from zoneinfo import ZoneInfo

import pydantic
from pydantic_core import TzInfo

from ..columns.convert import BY_TYPE
from ..kernels import loaded_numpy
from ..packed.instances import PYDANTIC
from ..urls import URLS

_BUILTIN: tuple[type, ...] = (str, int, float, bytes, complex, type(None), *BY_TYPE)
_KNOWN = frozenset(
    {
        *_BUILTIN,
        bool,
        type(pathlib.Path()),
        pathlib.PurePosixPath,
        pathlib.PureWindowsPath,
        timezone,
        ZoneInfo,
        TzInfo,
        pydantic.NameEmail,
        pydantic.SecretStr,
        pydantic.SecretBytes,
        *(cls for cls in PYDANTIC.values() if issubclass(cls, URLS)),
    }
)
_WORD = object.__basicsize__ // 2


def is_immutable(cls: type) -> bool:
    """Whether objects of `cls` never change: members of enums, numbers, texts, times, paths and the like."""
    if cls in _KNOWN or issubclass(cls, enum.Enum | type):
        return True
    numpy = loaded_numpy()
    if numpy is not None and issubclass(cls, numpy.generic):
        return not issubclass(cls, numpy.void)
    return issubclass(cls, _BUILTIN) and not cls.__dictoffset__ and not members(cls)


def members(cls: type) -> list[Any]:
    """The slots that the class and its bases define."""
    return [each for base in cls.__mro__ for each in vars(base).values() if isinstance(each, MemberDescriptorType)]


def has_only_attributes(cls: type) -> bool:
    """Whether the state of objects of `cls` that can change is a dictionary and slots: as `copyreg` tells, by size."""
    if issubclass(cls, _BUILTIN):
        return True
    words = (cls.__dictoffset__ > 0) + (cls.__weakrefoffset__ > 0) + len(members(cls))
    return not cls.__itemsize__ and bool(cls.__basicsize__ <= object.__basicsize__ + words * _WORD)
