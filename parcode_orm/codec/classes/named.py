"""Types known by their class: enums, paths, URLs, secrets, subclasses of builtins.

A class that is none of these is stored as Pydantic dumps it, where Pydantic knows how
(`custom.py`), or by the functions that `register_type` was given.
"""

from __future__ import annotations

import collections.abc
import copyreg
import enum
import os
import pathlib
import re
import struct
import typing
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import partial
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from typing import Any
from uuid import UUID

import pydantic
import typing_extensions
from pydantic import networks
from pydantic import types as pydantic_types
from pydantic_core import MultiHostUrl, Url

from ...errors import CorruptionError, EncodeError, SchemaMismatchError, with_article
from ..attributes import check_rebuilt
from .convert import Bulk, each, rebuilt
from .urls import URLS, conversion_of

# The types that values of Pydantic's pseudo-types have once they are validated.
STANDS_FOR: dict[Any, Any] = {
    pydantic.EmailStr: str,
    pydantic.AwareDatetime: datetime,
    pydantic.NaiveDatetime: datetime,
    pydantic.PastDatetime: datetime,
    pydantic.FutureDatetime: datetime,
    pydantic.PastDate: date,
    pydantic.FutureDate: date,
    pydantic.Json: Any,
    pydantic.IPvAnyAddress: IPv4Address | IPv6Address,
    pydantic.IPvAnyInterface: IPv4Interface | IPv6Interface,
    pydantic.IPvAnyNetwork: IPv4Network | IPv6Network,
    os.PathLike: pathlib.PurePath,
    pathlib.Path: type(pathlib.Path()),
    pathlib.PurePath: pathlib.PurePosixPath | pathlib.PureWindowsPath | type(pathlib.Path()),
    Fraction: Fraction,
}
_SECRET: type = pydantic_types._SecretBase

# Subclasses of these may carry attributes that their `==` does not see.
NUMBERS_AND_TEXT: tuple[type, ...] = (str, int, float, bytes, Decimal)
KNOWN = (*URLS, _SECRET, pathlib.PurePath)  # whose subclasses values name by their tag

Parts = tuple[Any, str, tuple[type, ...], Bulk, Bulk]


def enum_conversion(cls: type[enum.Enum]) -> Parts:
    """Members by name, flags by their bits' names: renumbering is harmless."""
    flags = issubclass(cls, enum.Flag)
    members: dict[str, Any] = {} if flags else dict(cls.__members__)  # by what stands in the file
    names: dict[Any, str] = {}

    def name_of(member: Any) -> str:
        # By identity: an enum whose members are unhashable, or compare as they like, is no
        # hindrance.
        found = names.get(id(member))
        if found is None:
            found = flag_name(cls, member) if flags else member._name_
            if (_flag_member(cls, found) is not member) if flags else (members.get(found) is not member):
                raise EncodeError(
                    f"{member!r:.60} is no member that {cls.__qualname__} has by a name, so reading would not find it",
                    value_type=type(member),
                )
            names[id(member)] = found
            kept.append(member)
        return found

    def member_of(name: str) -> Any:
        found = members.get(name)
        if found is None:
            if not flags:
                raise SchemaMismatchError(_gone(cls, name))
            found = members[name] = _flag_member(cls, name)
        return found

    kept: list[Any] = []
    return str, f"enum {cls.__qualname__}", (cls,), each(name_of), each(member_of)


_ESCAPED = {"\\": "\\\\", "|": "\\p", "=": "\\e"}
_BACK = {escaped: plain for plain, escaped in _ESCAPED.items()}


def flag_name(cls: type[enum.Enum], member: Any) -> str:
    """The names of a flag's bits, with `|` between; bits without a name are a number after `=`."""
    value = int(member._value_)
    parts = []
    for name, each_ in cls.__members__.items():
        bit = int(each_._value_)
        if bit > 0 and bit & (bit - 1) == 0 and value & bit == bit and each_._name_ == name:
            parts.append(re.sub(r"[\\|=]", lambda found: _ESCAPED[found[0]], name))
            value &= ~bit
    if value or not parts:
        parts.append(f"={value}")
    return "|".join(parts)


def _gone(cls: type, name: str) -> str:
    return (
        f"{cls.__qualname__} has no member {name[:80]!r}, which the file holds: give the class this member again, or "
        "assign another value here"
    )


def _flag_member(cls: Any, name: str) -> Any:
    value = 0
    for part in name.split("|"):
        found = re.sub(r"\\.", lambda escaped: _BACK.get(escaped[0], ""), part)
        if part.startswith("=") and part[1:].lstrip("-").isdecimal() and len(part) < 4000:
            value |= int(part[1:])
        elif found in cls.__members__:
            value |= int(cls.__members__[found]._value_)
        else:
            raise SchemaMismatchError(_gone(cls, found))
    try:
        return cls(value)
    except ValueError as problem:
        raise SchemaMismatchError(f"{cls.__qualname__} has no value {value}, which the file holds") from problem


def known_class(cls: type, tp: Any) -> Parts | None:
    """How to store a class of the standard library or Pydantic; None for any other."""
    if issubclass(cls, pathlib.PurePath):
        # One flavour each: a path of this machine's flavour comes back as one on any machine.
        here = pathlib.Path if cls is type(pathlib.Path()) else cls
        own = cls.__module__.partition(".")[0] != "pathlib"
        name = "Path" if here is pathlib.Path else f"path {cls.__qualname__}" if own else cls.__qualname__
        return checked((str, name, (cls,), each(str), rebuilt(name, here)), own, pathlib.PurePath)
    if issubclass(cls, URLS):
        return str, f"url {cls.__qualname__}", (cls,), *conversion_of(cls)
    if cls is pydantic.NameEmail:
        return (
            tuple[str, str],
            "NameEmail",
            (cls,),
            each(lambda v: (v.name, v.email)),
            rebuilt("NameEmail", lambda pair: pydantic.NameEmail(*pair)),
        )
    if issubclass(cls, _SECRET):
        inner = secret_of(tp)
        back = rebuilt(cls.__qualname__, cls)
        own = cls.__module__.partition(".")[0] != "pydantic"
        return checked((inner, f"secret {cls.__qualname__}", (cls,), each(lambda v: v.get_secret_value()), back), own)
    return None


def checked(parts: Parts, own: bool, base: type = object) -> Parts:
    """`parts`, which also build each value again when it is written if the constructor is `own`.

    One that does not come back equal, because the constructor wants other arguments or changes
    them, or without its attributes, is refused. The slots of `base` hold what is stored.
    """
    inner, name, types, put, get = parts
    if not own:
        return parts

    def put_checked(values: list[Any]) -> list[Any]:
        stored = put(values)
        for value, one in zip(values, stored, strict=True):
            try:
                (back,) = get([one])
            except CorruptionError as problem:
                raise EncodeError(f"cannot be read again: {problem}", value_type=type(value)) from problem
            if type(back) is not type(value) or back != value:
                message = f"would come back as {back!r:.60}: that is what its constructor makes of it"
                raise EncodeError(message, value_type=type(value))
            check_rebuilt(value, partial(lambda made: made, back), base)
        return stored

    return inner, name, types, put_checked, get


def secret_of(cls: Any) -> Any:
    """The type inside `SecretStr`, `SecretBytes`, `Secret[T]` or a subclass."""
    args = typing.get_args(cls)
    if args:
        return args[0]
    if cls is pydantic.Secret:
        return Any
    if issubclass(cls, pydantic.SecretStr):
        return str
    if issubclass(cls, pydantic.SecretBytes):
        return bytes
    for base in cls.__mro__:
        for spelled in base.__dict__.get("__orig_bases__", ()):
            found = typing.get_args(spelled)
            if found and not isinstance(found[0], typing.TypeVar):
                return found[0]
    return Any


SUBCLASSED: tuple[type, ...] = (
    str, int, float, bytes, Decimal, datetime, date, time, timedelta, Fraction, complex, UUID, IPv4Address, IPv6Address,
)  # fmt: skip


def builtin_subclass(cls: type) -> Parts | None:
    """A subclass of `str`, a number, a time or an identifier: stored as that, rebuilt by calling
    the class where it has an `__init__` or `__new__` of its own that gives this value again, else
    as pickle rebuilds the base.

    A value that is not rebuilt equal, attributes included, is refused when it is written.
    """
    if issubclass(cls, pathlib.PurePath):
        return known_class(cls, cls)
    base = next((b for b in SUBCLASSED if issubclass(cls, b)), None)
    if base is None or cls is base or issubclass(cls, enum.Enum):
        return None
    own = any("__init__" in b.__dict__ or "__new__" in b.__dict__ for b in cls.__mro__[: cls.__mro__.index(base)])
    # int(IntSubclass) may be overridden, as Decimal's and str's text are: the base's own view of
    # the value counts.
    plain = plain_view(base)
    make: Any = cls
    new = _rebuilder(base)

    def build(bare: Any) -> Any:
        # What the constructor makes of its own value is another one, or nothing: arguments differ.
        if own:
            try:
                made = make(bare)
                if type(made) is cls and _bits(plain(made)) == _bits(bare):
                    return made
            except Exception:  # whatever it says: it was not asked to make this value
                pass
        return new(cls, bare)

    def put(values: list[Any]) -> list[Any]:
        stored = list(map(plain, values))
        for value, bare in zip(values, stored, strict=True):
            check_rebuilt(value, partial(build, bare), base, always=own)
            if base not in NUMBERS_AND_TEXT and build(bare) != value:
                mine = with_article(cls.__qualname__)
                message = f"{mine} that is not all that its {base.__qualname__} says cannot be rebuilt"
                raise EncodeError(message, value_type=cls)
        return stored

    return base, f"{base.__name__} {cls.__qualname__}", (cls,), put, rebuilt(cls.__qualname__, build)


def _rebuilder(base: Any) -> Callable[[type, Any], Any]:
    """A function that makes a subclass's value of a `base` value, without its constructor."""
    if base in NUMBERS_AND_TEXT:
        return lambda cls, bare: base.__new__(cls, bare)

    def rebuild(cls: type, bare: Any) -> Any:
        function, args, *rest = bare.__reduce_ex__(4)
        if function is copyreg.__newobj__:  # type: ignore[attr-defined]
            args = args[1:]
        made = base.__new__(cls) if base.__new__ is object.__new__ else base.__new__(cls, *args)
        if rest and rest[0] is not None:
            base.__setstate__(made, rest[0])
        elif base.__init__ is not object.__init__:
            base.__init__(made, *args)
        return made

    return rebuild


def plain_view(base: type) -> Callable[[Any], Any]:
    """A function that gives a subclass's instance as a plain value of `base`."""
    if base is int:
        return lambda v: int.__add__(v, 0)
    if base is float:
        return lambda v: float.__pos__(v)
    if base is str:
        return lambda v: str.__str__(v) if type(v) is str else "".join((str.__getitem__(v, slice(None)),))
    if base is bytes:
        return lambda v: bytes.__getitem__(v, slice(None))
    if base is Decimal:
        return lambda v: Decimal(Decimal.__str__(v))
    if base is UUID:
        return lambda v: UUID(int=v.int)
    if base in (IPv4Address, IPv6Address):
        return lambda v: base(str(v))
    return partial(_from_parts, base)


_PARTS: dict[type, tuple[str, ...]] = {
    datetime: ("year", "month", "day", "hour", "minute", "second", "microsecond", "tzinfo"),
    date: ("year", "month", "day"),
    time: ("hour", "minute", "second", "microsecond", "tzinfo"),
    timedelta: ("days", "seconds", "microseconds"),
    Fraction: ("numerator", "denominator"),
    complex: ("real", "imag"),
}


def _from_parts(base: Any, value: Any) -> Any:
    """The `base` in `value`, whose class may see its parts otherwise."""
    found = base(*[getattr(base, name).__get__(value) for name in _PARTS[base]])
    return found.replace(fold=value.fold) if base in (datetime, time) and value.fold else found


def _bits(value: Any) -> Any:
    """What is equal only where the builtin values are, to the last bit and digit."""
    if isinstance(value, float):
        return struct.pack("<d", value)
    return repr(value) if isinstance(value, Decimal | datetime | time | complex) else value


# Pydantic's own classes may be named in a file without being registered.
PYDANTIC: dict[str, Any] = {
    **{name: found for name in networks.__all__ if isinstance(found := getattr(networks, name), type)},
    "Url": Url,
    "MultiHostUrl": MultiHostUrl,
    "SecretStr": pydantic.SecretStr,
    "SecretBytes": pydantic.SecretBytes,
    "Secret": pydantic.Secret,
}


ANY: tuple[Any, ...] = (Any, typing_extensions.Any, object, collections.abc.Hashable, typing.Hashable)
