"""The extensions of packed values: a code for each, how it is written, how it is read.

The module that knows a kind of values enters it here when it is imported. Payloads are bytes, or
MessagePack of one value again, decoded by a decoder of the next depth: depth is capped there, so
that a hostile nesting ends in an error before the interpreter's stack does.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec

from ...errors import CorruptionError, EncodeError
from ...stack import room_for
from ..classes import convert
from ..refs import Ref

MAX_LEVELS = 620
Ext = msgspec.msgpack.Ext
encode = msgspec.msgpack.Encoder().encode

# Codes never change their meaning, and a code that is given up is not used again.
CODES: dict[str, int] = {
    "int": 1, "text": 2, "bytearray": 3, "tuple": 4, "set": 5, "frozenset": 6, "deque": 7, "dict": 8, "OrderedDict": 9,
    "defaultdict": 10, "Counter": 11, "enum": 12, "model": 13, "dataclass": 14, "named tuple": 15, "path": 16,
    "array": 17, "numpy scalar": 18, "secret": 19, "url": 20, "builtin subclass": 21, "memoryview": 22, "custom": 23,
    "left out": 24, "dumped": 25, "missing": 26,
    **{conversion.name: 40 + index for index, conversion in enumerate(convert.CONVERSIONS)},
}  # fmt: skip
_FROM_BYTES = frozenset(CODES[name] for name in ("int", "text", "bytearray", "memoryview", "left out", "missing"))

# What makes an extension of a value; it is given the `Packer`, and then the value.
Lower = Callable[[Any, Any], Any]
Reader = Callable[[Any], Any]  # what makes a value of an extension's payload
EXACT: dict[type, Lower] = {}  # for values of exactly these classes
READERS: dict[int, Reader] = {}  # by code
# For values of all other classes, the first family that takes the class.
_ORDER = (
    "registered", "lazy", "enum", "model", "dataclass", "named tuple", "path", "numpy", "secret", "url", "custom",
    "builtin subclass",
)  # fmt: skip
_families: dict[str, tuple[Callable[[type], Any], Lower]] = {}


def enter(name: str, reader: Reader, cls: type | None = None, lower: Lower | None = None) -> None:
    """Read the extension `name` by `reader`, and write values of exactly `cls` by `lower`."""
    READERS[CODES[name]] = reader
    if cls is not None and lower is not None:
        EXACT[cls] = lower


def enter_family(name: str, takes: Callable[[type], Any], lower: Lower) -> None:
    """Write values of classes that `takes` accepts by `lower`, unless an earlier family does."""
    found = {**_families, name: (takes, lower)}
    _families.clear()
    _families.update({each: found[each] for each in _ORDER if each in found})


def lower_other(packer: Any, value: Any) -> Any:
    """An extension for a value that is none of MessagePack's own."""
    cls = type(value)
    exact = EXACT.get(cls)
    if exact is not None:
        return exact(packer, value)
    for takes, lower in _families.values():
        if takes(cls):
            return lower(packer, value)
    if type(value) is Ref:
        raise EncodeError(
            f"a reference cannot be stored in a field of type Any: declare the field as Ref[{value._cls.__qualname__}]",
            value_type=Ref,
        )
    raise EncodeError(
        "a value of this class cannot be stored in a field of type Any; use a Model, a dataclass or builtin types, or "
        "call parcode_orm.register_type(cls, encode=..., decode=...)",
        value_type=cls,
    )


def extension(name: str, payload: Any) -> Any:
    """The extension `name` whose payload is lowered values."""
    return Ext(CODES[name], encode(payload))


@cache
def decoder(level: int) -> Callable[[Any], Any]:
    """The decoder of payloads at `level` extensions deep."""

    def hook(code: int, data: memoryview) -> Any:
        handler = READERS.get(code)
        if handler is None:
            raise CorruptionError(f"a packed value has the extension code {code}, which there is not")
        if level >= MAX_LEVELS:
            raise CorruptionError(f"a packed value is nested more than {MAX_LEVELS} deep")
        if code in _FROM_BYTES:
            return handler(data)
        try:
            return handler(decoder(level + 1)(data))
        except RecursionError as problem:
            return room_for(problem, lambda: handler(decoder(level + 1)(data)))

    decode: Callable[[Any], Any] = msgspec.msgpack.Decoder(ext_hook=hook).decode
    return decode
