"""Values of any type as MessagePack: `pack` and `unpack`, and the column of fields whose type says nothing.

None, booleans, 64-bit ints, floats, text, bytes, lists and dictionaries with text keys are plain MessagePack. Whatever
MessagePack has no type for is an extension, so that values come back with their exact types. Instances of classes are
packed by the class's tag, and found again among the classes this process knows; nothing is imported or evaluated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from ...errors import CorruptionError, CyclicGraphError, DecodeError, EncodeError, SchemaError
from ...format.chunk import Chunk, Encoder
from ...format.layout import Encoding
from ...stack import is_deep, on_fresh_stack, room_for
from .. import trail
from ..asis import Block, gives_stand_ins
from ..base import Column, Space, View
from ..columns.physical import PackedView, read_blocks, wrapped, write_blocks

MAX_DEPTH = 600  # containers: 200 levels of models, each in a list in a dictionary
STEP = 16  # containers inside each other from one look at the stack to the next
_INT_MIN, _INT_MAX = -(1 << 63), (1 << 64) - 1
_PLAIN = frozenset({type(None), bool, int, float, str, bytes})
_TEXT = frozenset({str})

_encode = msgspec.msgpack.Encoder().encode


def pack(value: Any) -> bytes:
    """One value as MessagePack.

    Raises:
        EncodeError: a value in it has a class that cannot be stored; `path` says where.
        CyclicGraphError: it holds itself, or is nested more than 100 deep.
    """
    if type(value) is Ready:
        return value.data
    try:
        return _packed(value)
    except RecursionError as problem:
        return _packed_deeply(value, problem)


class Ready:
    """A value that was packed when it was looked at: `pack` need not do it again."""

    __slots__ = ("value", "data")

    def __init__(self, value: Any, data: bytes) -> None:
        self.value = value
        self.data = data


def packed_natively(value: Any) -> bytes | None:
    """What `pack` gives for `value` if it stores it by its class alone, without what Pydantic dumps; else None."""
    try:
        return _packed(value, native=True)
    except EncodeError:
        return None


def _packed_deeply(value: Any, problem: RecursionError) -> bytes:
    try:
        return room_for(problem, lambda: _packed(value))
    except RecursionError:
        raise EncodeError(f"Python's stack does not suffice to pack it: {problem}", value_type=type(value)) from problem


def _packed(value: Any, native: bool = False) -> bytes:
    try:
        if type(value) in _PLAIN:
            return _encode(value)
        return _encode(Packer(careful=False, native=native).lower(value))
    except (OverflowError, UnicodeEncodeError):  # somewhere in it is a large int or a lone surrogate
        return _encode(Packer(careful=True, native=native).lower(value))


def is_native(value: Any) -> bool:
    """Whether `pack` stores `value` by its class alone, without what Pydantic dumps."""
    return type(value) in _PLAIN or packed_natively(value) is not None


class Packer:
    """One value on its way: `active` holds the ids of the containers being packed, from the outermost inwards.

    `careful`: each int and text is looked at, whether MessagePack can hold it; else encoding will tell. `native`: what
    only Pydantic knows how to dump is refused.
    """

    __slots__ = ("active", "careful", "native")

    def __init__(self, careful: bool, native: bool = False) -> None:
        self.active: list[int] = []
        self.careful = careful
        self.native = native

    def lower(self, value: Any) -> Any:
        """`value` made of what MessagePack has, and extensions."""
        cls = type(value)
        if cls in _PLAIN:
            if self.careful:
                if cls is str and not _is_utf8(value):
                    return text_extension(value)
                if cls is int and not _INT_MIN <= value <= _INT_MAX:
                    return int_extension(value)
            return value
        identity = id(value)
        if identity in self.active:
            raise CyclicGraphError("the value holds itself; what is stored inline must be a tree", value_type=cls)
        if len(self.active) >= MAX_DEPTH:
            raise CyclicGraphError(f"values are nested more than {MAX_DEPTH} deep", value_type=cls)
        self.active.append(identity)
        try:
            if len(self.active) % STEP == 0 and is_deep():
                return on_fresh_stack(lambda: self.container(cls, value))
            return self.container(cls, value)
        finally:
            self.active.pop()

    def container(self, cls: type, value: Any) -> Any:
        """Lower a value that is none of MessagePack's own, or holds others."""
        if cls is list:
            return self.items(value)
        if cls is dict:
            return self.mapping(value)
        if cls is Ready:  # inside another value, as whose part it is to be checked
            return self.lower(value.value)
        return lower_other(self, value)

    def items(self, values: Sequence[Any]) -> list[Any]:
        """Lower each of `values`."""
        if not self.careful and _PLAIN.issuperset(map(type, values)):
            return list(values)
        out = []
        for index, value in enumerate(values):
            try:
                out.append(self.lower(value))
            except EncodeError as problem:
                raise trail.below(problem, f"[{index}]", 0) from None
        return out

    def mapping(self, value: dict[Any, Any]) -> Any:
        """Lower a dictionary: plain where all keys are text, else an extension of keys and values in order."""
        if _TEXT.issuperset(map(type, value)) and not (self.careful and not all(map(_is_utf8, value))):
            return dict(zip(value, self.values(value), strict=True))
        return extension("dict", self.pairs(value))

    def values(self, value: dict[Any, Any]) -> list[Any]:
        """Lower a dictionary's values."""
        if not self.careful and _PLAIN.issuperset(map(type, value.values())):
            return list(value.values())
        out = []
        for key, item in value.items():
            try:
                out.append(self.lower(item))
            except EncodeError as problem:
                raise trail.below(problem, f"[{_key(key)}]", 0) from None
        return out

    def pairs(self, value: dict[Any, Any]) -> list[Any]:
        """Keys, then values, lowered."""
        return [self.items(list(value)), self.values(value)]


def _is_utf8(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _key(key: Any) -> str:
    shown = repr(key)
    return shown if len(shown) <= 40 else shown[:37] + "..."


def unpack(data: bytes | bytearray | memoryview) -> Any:
    """The value that `pack` gave `data` for.

    Raises:
        CorruptionError: `data` is not what `pack` gives.
        SchemaMismatchError: a class in it is not known to this process, or has other fields now.
    """
    try:
        try:
            return decoder(0)(data)
        except RecursionError as problem:
            return room_for(problem, lambda: decoder(0)(data))
    except Exception as problem:  # whatever a hostile value makes a constructor say
        if gives_stand_ins():
            return Block(bytes(data))
        if isinstance(problem, SchemaError | CorruptionError | DecodeError):
            raise
        raise CorruptionError(f"a packed value does not decode: {type(problem).__name__}: {problem}") from problem


class PackedColumn(Column):
    """Values of any type, each packed on its own."""

    __slots__ = ()
    lazy = False

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        """Append a PACKED node, EMPTY where there are no values."""
        if not values:
            out.leaf(Encoding.EMPTY, 0)
            return
        parts = []
        for row, value in enumerate(values):
            try:
                parts.append(pack(value))
            except EncodeError as problem:
                raise trail.at(problem, row) from None
        write_blocks(Encoding.PACKED, parts, out)

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        """Read the node `at`."""
        node = chunk.nodes[at]
        if node.encoding == Encoding.PACKED:
            return PackedView(*read_blocks(chunk, at, node), chunk, at)
        return wrapped(self, chunk, at, space, node)

    def describe(self) -> Any:
        """The schema of anything."""
        return "any"


from .extensions import decoder, extension, int_extension, lower_other, text_extension  # noqa: E402
