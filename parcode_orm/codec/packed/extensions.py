"""The extensions of packed values for what the standard library, numpy and Pydantic bring."""

from __future__ import annotations

import enum
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import msgspec
from pydantic import MISSING

from ...errors import CorruptionError, EncodeError
from ..asis import Block
from ..classes import convert, named
from ..classes.factories import factory_name, find_factory
from ..classes.registry import find_class, is_registered, stored_tag
from ..classes.urls import URLS, url_from, url_text
from .arrays import array_from, storable_array
from .dtypes import dtype_text, holds_objects, parse_dtype
from .dumped import Dumped, from_parts, parts_of
from .instances import changed, registered
from .table import CODES, EXACT, Ext, encode, enter, enter_family, extension
from .values import Packer

# Paths of exactly these classes; a user's path class is stored as a builtin subclass.
_FLAVOURS: dict[type, str] = {type(Path()): "path", PureWindowsPath: "windows", PurePosixPath: "posix"}
_BY_FLAVOUR: dict[str, Any] = {flavour: cls for cls, flavour in _FLAVOURS.items()}


class _LeftOut:
    """See `LEFT_OUT`."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "LEFT_OUT"


LEFT_OUT = _LeftOut()  # in place of a private attribute's value that cannot be stored


# -- writing ----------------------------------------------------------------------------------------------------------


def _bytes_of(value: memoryview) -> bytes:
    if value.format != "B" or value.ndim != 1:
        raise EncodeError("a memoryview of other items than bytes would come back as bytes", value_type=memoryview)
    return value.tobytes()


def _set(name: str) -> Callable[[Packer, Any], Any]:
    def lower(packer: Packer, value: Any) -> Any:
        # By their bytes, so that equal sets give equal bytes whatever the order of hashes.
        return extension(name, [msgspec.Raw(raw) for raw in sorted(map(encode, packer.items(list(value))))])

    return lower


def _path(packer: Packer, value: PurePath) -> Any:
    return extension("path", [_FLAVOURS[type(value)], packer.lower(str(value))])


def _numpy(packer: Packer, value: Any) -> Any:
    import numpy as np

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


def _enum(packer: Packer, value: enum.Enum) -> Any:
    cls = type(value)
    (name,) = named.enum_conversion(cls)[3]([value])
    return extension("enum", [stored_tag(registered(cls)), packer.lower(name)])


def _secret(packer: Packer, value: Any) -> Any:
    cls = type(value)
    parts = named.known_class(cls, cls)
    assert parts is not None
    (secret,) = parts[3]([value])
    return extension("secret", [_builtin_tag(cls), packer.lower(secret)])


def _builtin_subclass(packer: Packer, value: Any) -> Any:
    cls = type(value)
    parts = named.builtin_subclass(cls)
    assert parts is not None
    return extension("builtin subclass", [stored_tag(cls), packer.lower(parts[3]([value])[0])])


def _builtin_tag(cls: type) -> str:
    return cls.__name__ if named.PYDANTIC.get(cls.__name__) is cls else stored_tag(registered(cls))


def _sentinel(value: Any) -> Any:
    if value is not MISSING:
        raise EncodeError(
            f"{value!r} is a sentinel, and none but Pydantic's MISSING can be stored", value_type=type(value)
        )
    return Ext(CODES["missing"], b"")


# -- reading ----------------------------------------------------------------------------------------------------------


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
    found: PurePath = _BY_FLAVOUR[flavour](text)
    return found


def _get_array(parts: Any) -> Any:
    dtype, shape, data = parts
    return array_from(memoryview(data), parse_dtype(dtype), shape, writable=True)


def _get_scalar(parts: Any) -> Any:
    import numpy as np

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


def _get_builtin(parts: Any) -> Any:
    tag, value = parts
    found = named.builtin_subclass(find_class(tag))
    if found is None:
        raise changed(tag)
    return found[4]([value])[0]


def _get_pydantic(family: tuple[type, ...], make: Callable[[Any, Any], Any]) -> Callable[[Any], Any]:
    def build(parts: Any) -> Any:
        tag, value = parts
        cls = named.PYDANTIC.get(tag) or find_class(tag)
        if not issubclass(cls, family):
            raise CorruptionError(f"{tag} is not one of Pydantic's types")
        return make(cls, value)

    return build


def _get_deque(parts: Any) -> deque[Any]:
    maxlen, items = parts
    return deque(items, maxlen)


def _put_converted(conversion: convert.Conversion) -> Callable[[Packer, Any], Any]:
    def lower(packer: Packer, value: Any) -> Any:
        (stored,) = conversion.to_stored([value])
        return extension(conversion.name, packer.lower(list(stored) if type(stored) is tuple else stored))

    return lower


def _get_converted(conversion: convert.Conversion) -> Callable[[Any], Any]:
    def build(stored: Any) -> Any:
        return conversion.from_stored([tuple(stored) if type(stored) is list else stored])[0]

    return build


EXACT[Block] = lambda packer, value: msgspec.Raw(value.data)
enter("left out", lambda data: LEFT_OUT, _LeftOut, lambda packer, value: Ext(CODES["left out"], b""))
enter("dumped", from_parts, Dumped, lambda packer, value: extension("dumped", packer.items(parts_of(value))))
enter("missing", lambda data: MISSING, type(MISSING), lambda packer, value: _sentinel(value))
enter("bytearray", bytearray, bytearray, lambda packer, value: Ext(CODES["bytearray"], bytes(value)))
enter(
    "memoryview",
    lambda data: memoryview(bytes(data)),
    memoryview,
    lambda packer, value: Ext(CODES["memoryview"], _bytes_of(value)),
)
enter("tuple", tuple, tuple, lambda packer, value: extension("tuple", packer.items(value)))
enter("set", set, set, _set("set"))
enter("frozenset", frozenset, frozenset, _set("frozenset"))
enter("deque", _get_deque, deque, lambda packer, value: extension("deque", [value.maxlen, packer.items(list(value))]))
enter("dict", _dict)
enter(
    "OrderedDict",
    lambda parts: OrderedDict(_dict(parts)),
    OrderedDict,
    lambda packer, value: extension("OrderedDict", packer.pairs(value)),
)
enter("Counter", _counter, Counter, lambda packer, value: extension("Counter", packer.pairs(value)))
enter(
    "defaultdict",
    lambda parts: defaultdict(find_factory(parts[0]), _dict(parts[1:])),
    defaultdict,
    lambda packer, value: extension("defaultdict", [factory_name(value), *packer.pairs(value)]),
)
for each in convert.CONVERSIONS:
    enter(each.name, _get_converted(each), each.types[0], _put_converted(each))

enter_family(
    "lazy", lambda cls: getattr(cls, "_p_lazy_", False) is True, lambda packer, value: packer.lower(value.load())
)
enter("enum", _get_enum)
enter_family("enum", lambda cls: issubclass(cls, enum.Enum), _enum)
enter("path", _get_path)
enter_family("path", _FLAVOURS.__contains__, _path)
enter("array", _get_array)
enter("numpy scalar", _get_scalar)
enter_family("numpy", lambda cls: cls.__module__.partition(".")[0] == "numpy", _numpy)
enter("secret", _get_pydantic((named._SECRET,), lambda cls, value: cls(value)))
enter_family("secret", lambda cls: issubclass(cls, named._SECRET), _secret)
enter("url", _get_pydantic(URLS, url_from))
enter_family(
    "url",
    lambda cls: issubclass(cls, URLS),
    lambda packer, value: extension("url", [_builtin_tag(type(value)), packer.lower(url_text(value))]),
)
enter("builtin subclass", _get_builtin)
enter_family(
    "builtin subclass",
    lambda cls: named.builtin_subclass(cls) is not None and is_registered(cls),
    _builtin_subclass,
)
