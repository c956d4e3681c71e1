"""The MessagePack extensions of packed values: one code a type, its payload, and how to get back.

Payloads are bytes, or MessagePack of one value again, decoded by a decoder of the next depth: depth is capped there, so
that a hostile nesting ends in an error before the interpreter's stack does.
"""

from __future__ import annotations

import dataclasses
import enum
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from functools import cache
from pathlib import PurePath, PurePosixPath, PureWindowsPath
from typing import TYPE_CHECKING, Any

import msgspec
from pydantic import MISSING, BaseModel

from ...errors import CorruptionError, EncodeError
from ...stack import room_for
from ..asis import Block
from ..attributes import put_others
from ..columns import convert
from ..columns.factories import factory_name, find_factory
from ..types import named
from ..types.marks import is_lazy_collection
from ..types.registry import find_class, hook_of, is_registered, parts_of, register_parts, stored_tag
from ..urls import URLS, url_from, url_text
from . import dumped, instances

if TYPE_CHECKING:
    from .values import Packer

MAX_LEVELS = 620
Ext = msgspec.msgpack.Ext
_encode = msgspec.msgpack.Encoder().encode

# Codes never change their meaning, and a code that is given up is not used again.
CODES: dict[str, int] = {
    "int": 1, "text": 2, "bytearray": 3, "tuple": 4, "set": 5, "frozenset": 6, "deque": 7, "dict": 8, "OrderedDict": 9,
    "defaultdict": 10, "Counter": 11, "enum": 12, "model": 13, "dataclass": 14, "named tuple": 15, "path": 16,
    "array": 17, "numpy scalar": 18, "secret": 19, "url": 20, "builtin subclass": 21, "memoryview": 22, "custom": 23,
    "left out": 24, "dumped": 25, "missing": 26,
    **{conversion.name: 40 + index for index, conversion in enumerate(convert.CONVERSIONS)},
}  # fmt: skip
_FLAVOURS: dict[str, Any] = {"posix": PurePosixPath, "windows": PureWindowsPath, "local": type(PurePath())}


def extension(name: str, payload: Any) -> Any:
    """The extension `name` whose payload is lowered values."""
    return Ext(CODES[name], _encode(payload))


def int_extension(value: int) -> Any:
    """An int beyond 64 bits: two's complement, little-endian."""
    return Ext(CODES["int"], value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True))


def text_extension(value: str) -> Any:
    """Text with lone surrogates."""
    return Ext(CODES["text"], value.encode("utf-8", "surrogatepass"))


class _LeftOut:
    """See `LEFT_OUT`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "LEFT_OUT"


LEFT_OUT = _LeftOut()  # in place of a private attribute's value that cannot be stored


# -- writing ----------------------------------------------------------------------------------------------------------


def lower_other(packer: Packer, value: Any) -> Any:
    """An extension for a value that is none of MessagePack's own."""
    cls = type(value)
    handler = _LOWER.get(cls)
    if handler is not None:
        return handler(packer, value)
    if hook_of(cls) is not None:
        return _named(packer, value)
    conversion = convert.BY_TYPE.get(cls)
    if conversion is not None:
        (stored,) = conversion.to_stored([value])
        return extension(conversion.name, packer.lower(list(stored) if type(stored) is tuple else stored))
    if is_lazy_collection(value):
        return packer.lower(value.load())
    if isinstance(value, enum.Enum):
        (name,) = named.enum_conversion(cls)[3]([value])
        return extension("enum", [stored_tag(registered(cls)), packer.lower(name)])
    if isinstance(value, BaseModel):
        return extension("model", instances.put_model(packer, value))
    if dataclasses.is_dataclass(value):
        return extension("dataclass", instances.put_dataclass(packer, value))
    if isinstance(value, tuple) and hasattr(cls, "_fields"):
        parts = [stored_tag(registered(cls)), packer.items(list(value))]
        return extension("named tuple", parts + instances.put_attributes(packer, value))
    if isinstance(value, PurePath):
        return _path(packer, value)
    if cls.__module__.partition(".")[0] == "numpy":
        return _numpy(packer, value)
    return _named(packer, value)


def registered(cls: type) -> type:
    """`cls`, which values name by its tag; refused unless reading would find this very class."""
    if not is_registered(cls):
        raise EncodeError(
            f"{cls.__qualname__} stands in a field of type Any, and reading would not find the class: name it in a "
            "field's type, or call parcode_orm.register() on it",
            value_type=cls,
        )
    return cls


def _bytes_of(value: memoryview) -> bytes:
    if value.format != "B" or value.ndim != 1:
        raise EncodeError("a memoryview of other items than bytes would come back as bytes", value_type=memoryview)
    return value.tobytes()


def _set(name: str) -> Callable[[Packer, Any], Any]:
    def lower(packer: Packer, value: Any) -> Any:
        # By their bytes, so that equal sets give equal bytes whatever the order of hashes.
        return extension(name, [msgspec.Raw(raw) for raw in sorted(map(_encode, packer.items(list(value))))])

    return lower


def _path(packer: Packer, value: PurePath) -> Any:
    if isinstance(value, PureWindowsPath) and type(value) is PureWindowsPath:
        flavour = "windows"
    else:
        flavour = "posix" if type(value) is PurePosixPath else "local"
    if type(value) is type(_local_path()):
        flavour = "path"
    elif flavour == "local":
        return _named(packer, value)
    return extension("path", [flavour, packer.lower(str(value))])


def _local_path() -> PurePath:
    from pathlib import Path

    return Path()


def _numpy(packer: Packer, value: Any) -> Any:
    import numpy as np

    from ..columns.arrays import storable_array
    from ..columns.dtypes import dtype_text, holds_objects

    if isinstance(value, np.ndarray) and not isinstance(value, np.ma.MaskedArray):
        text, data = storable_array(value)
        return extension("array", [text, list(value.shape), bytes(data)])
    if isinstance(value, np.generic) and not holds_objects(value.dtype):
        if type(value) in (np.str_, np.bytes_):  # an array would lose NULs at their end
            plain = named.plain_view(str if type(value) is np.str_ else bytes)
            return extension("numpy scalar", ["", packer.lower(plain(value))])
        if type(value) is value.dtype.type:
            return extension("numpy scalar", [dtype_text(value.dtype), value.tobytes()])
    raise EncodeError("a numpy value of this kind cannot be stored", value_type=type(value))


def _named(packer: Packer, value: Any) -> Any:
    cls = type(value)
    if isinstance(value, named._SECRET):
        parts = named.known_class(cls, cls)
        assert parts is not None
        (secret,) = parts[3]([value])
        return extension("secret", [_builtin_tag(cls), packer.lower(secret)])
    if isinstance(value, URLS):
        return extension("url", [_builtin_tag(cls), packer.lower(url_text(value))])
    parts = _custom_parts(cls)
    if parts is not None and packer.native and parts is not hook_of(cls):
        raise EncodeError("only Pydantic knows how to dump it", value_type=cls)
    if parts is not None:
        return extension("custom", [stored_tag(registered(cls)), packer.lower(parts[3]([value])[0])])
    parts = named.builtin_subclass(cls)
    if parts is not None and is_registered(cls):
        return extension("builtin subclass", [stored_tag(cls), packer.lower(parts[3]([value])[0])])
    raise EncodeError(
        "a value of this class cannot be stored in a field of type Any; use a Model, a dataclass or builtin types, or "
        "call parcode_orm.register_type(cls, encode=..., decode=...)",
        value_type=cls,
    )


def _custom_parts(cls: type) -> Any:
    """How a class that `register_type` was given, or a registered one that Pydantic dumps, is stored; else None."""
    hook = hook_of(cls)
    if hook is not None or not is_registered(cls):
        return hook
    found = parts_of(cls)
    if found is None and hasattr(cls, "__get_pydantic_core_schema__"):
        from ..types.custom import custom_parts

        found = custom_parts(cls, cls.__qualname__)
        if found is not None:
            register_parts(cls, found)
    return found


def _builtin_tag(cls: type) -> str:
    return cls.__name__ if instances.PYDANTIC.get(cls.__name__) is cls else stored_tag(registered(cls))


_LOWER: dict[type, Callable[[Packer, Any], Any]] = {
    Block: lambda packer, value: msgspec.Raw(value.data),
    _LeftOut: lambda packer, value: Ext(CODES["left out"], b""),
    dumped.Dumped: lambda packer, value: extension("dumped", packer.items(dumped.parts_of(value))),
    type(MISSING): lambda packer, value: _sentinel(value),
    bytearray: lambda packer, value: Ext(CODES["bytearray"], bytes(value)),
    memoryview: lambda packer, value: Ext(CODES["memoryview"], _bytes_of(value)),
    tuple: lambda packer, value: extension("tuple", packer.items(value)),
    set: _set("set"),
    frozenset: _set("frozenset"),
    deque: lambda packer, value: extension("deque", [value.maxlen, packer.items(list(value))]),
    OrderedDict: lambda packer, value: extension("OrderedDict", packer.pairs(value)),
    Counter: lambda packer, value: extension("Counter", packer.pairs(value)),
    defaultdict: lambda packer, value: extension("defaultdict", [factory_name(value), *packer.pairs(value)]),
}


def _sentinel(value: Any) -> Any:
    if value is not MISSING:
        raise EncodeError(
            f"{value!r} is a sentinel, and none but Pydantic's MISSING can be stored", value_type=type(value)
        )
    return Ext(CODES["missing"], b"")


# -- reading ----------------------------------------------------------------------------------------------------------


@cache
def decoder(level: int) -> Callable[[Any], Any]:
    """The decoder of payloads at `level` extensions deep."""

    def hook(code: int, data: memoryview) -> Any:
        handler = _RAISE.get(code)
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


def _dict(parts: Any) -> dict[Any, Any]:
    keys, values = parts
    found = dict(zip(keys, values, strict=True))
    if len(found) != len(keys):
        raise CorruptionError("a packed dictionary has a key twice")
    return found


def _counter(parts: Any) -> Counter[Any]:
    found: Counter[Any] = Counter()
    dict.update(found, _dict(parts))
    return found


def _get_path(parts: Any) -> PurePath:
    flavour, text = parts
    cls = type(_local_path()) if flavour == "path" else _FLAVOURS[flavour]
    found: PurePath = cls(text)
    return found


def _get_array(parts: Any) -> Any:
    from ..columns.arrays import array_from
    from ..columns.dtypes import parse_dtype

    dtype, shape, data = parts
    return array_from(memoryview(data), parse_dtype(dtype), shape, writable=True)


def _get_scalar(parts: Any) -> Any:
    import numpy as np

    from ..columns.dtypes import parse_dtype

    dtype, data = parts
    if not dtype:
        return np.str_(data) if type(data) is str else np.bytes_(data)
    kind = parse_dtype(dtype)
    if len(data) != kind.itemsize:
        raise CorruptionError(f"{len(data)} bytes for a numpy scalar of {kind.itemsize}")
    found: Any = np.ndarray((1,), kind, bytearray(data))[0]
    return found


def _get_enum(parts: Any) -> Any:
    tag, name = parts
    cls = find_class(tag)
    if not issubclass(cls, enum.Enum):
        raise CorruptionError(f"{tag} is no enum")
    return named.enum_conversion(cls)[4]([name])[0]


def _get_named_tuple(parts: Any) -> Any:
    tag, values, *others = parts
    cls = find_class(tag)
    if not issubclass(cls, tuple) or len(getattr(cls, "_fields", ())) != len(values):
        raise instances.changed(tag)
    made = tuple.__new__(cls, values)
    for each in others:
        put_others(made, each)
    return made


def _get_builtin(parts: Any) -> Any:
    tag, value = parts
    found = named.builtin_subclass(find_class(tag))
    if found is None:
        raise instances.changed(tag)
    return found[4]([value])[0]


def _get_custom(parts: Any) -> Any:
    tag, value = parts
    found = _custom_parts(find_class(tag))
    if found is None:
        raise instances.changed(tag)
    return found[4]([value])[0]


def _get_pydantic(family: tuple[type, ...], make: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    def build(parts: Any) -> Any:
        tag, value = parts
        cls = instances.PYDANTIC.get(tag) or find_class(tag)
        if not issubclass(cls, family):
            raise CorruptionError(f"{tag} is not one of Pydantic's types")
        return make(cls, value)

    return build


def _get_deque(parts: Any) -> deque[Any]:
    maxlen, items = parts
    return deque(items, maxlen)


def _converted(conversion: convert.Conversion) -> Callable[[Any], Any]:
    def build(stored: Any) -> Any:
        return conversion.from_stored([tuple(stored) if type(stored) is list else stored])[0]

    return build


_READERS: dict[str, Callable[[Any], Any]] = {
    "int": lambda data: int.from_bytes(data, "little", signed=True),
    "text": lambda data: bytes(data).decode("utf-8", "surrogatepass"),
    "bytearray": bytearray,
    "left out": lambda data: LEFT_OUT,
    "memoryview": lambda data: memoryview(bytes(data)),
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "deque": _get_deque,
    "dict": _dict,
    "OrderedDict": lambda parts: OrderedDict(_dict(parts)),
    "defaultdict": lambda parts: defaultdict(find_factory(parts[0]), _dict(parts[1:])),
    "Counter": _counter,
    "enum": _get_enum,
    "model": instances.get_model,
    "dataclass": instances.get_dataclass,
    "named tuple": _get_named_tuple,
    "path": _get_path,
    "array": _get_array,
    "numpy scalar": _get_scalar,
    "secret": _get_pydantic((named._SECRET,), lambda cls, value: cls(value)),
    "url": _get_pydantic(URLS, url_from),
    "builtin subclass": _get_builtin,
    "custom": _get_custom,
    "dumped": dumped.from_parts,
    "missing": lambda data: MISSING,
    **{conversion.name: _converted(conversion) for conversion in convert.CONVERSIONS},
}
_RAISE: dict[int, Callable[[Any], Any]] = {CODES[name]: reader for name, reader in _READERS.items()}
_FROM_BYTES = frozenset(CODES[name] for name in ("int", "text", "bytearray", "memoryview", "left out", "missing"))
