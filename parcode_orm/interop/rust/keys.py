"""The hash by which a map of the Rust crate finds a key: XXH64 of the bytes that Rust's `Hash` feeds in.

    integers      their own width      bool, char       a byte, four bytes       text         UTF-8, FF
    tuple         the parts            option           0 or 1 in eight bytes, then the content
    list, array   the length in eight bytes, then the items

The writer's machine had 64 bits, and little-endian numbers, as nearly all do. Enums and structs may hash as they
please (`enum Hue { Red = 7 }` hashes 7, not its place), so keys that have any are not checked.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Union

import xxhash

from .hints import Array, Character, Integer
from .types import Type, resolved

Feed = Callable[[Any], bytes]
_length = struct.Struct("<Q").pack


def hash_of(key: Type) -> Callable[[Any], int] | None:
    """What gives the hash of a key, or None if keys of this type are not checked."""
    feed = _feed(key)
    return None if feed is None else lambda value: xxhash.xxh64_intdigest(feed(value))


def _feed(tp: Type) -> Feed | None:
    origin, args, hint, place = tp
    if origin is int and isinstance(hint, Integer):
        return lambda value: int(value).to_bytes(hint.bits // 8, "little", signed=hint.signed)
    if origin is bool and hint is None:
        return lambda value: b"\1" if value else b"\0"
    if origin is str and isinstance(hint, Character):
        return lambda value: ord(value).to_bytes(4, "little")
    if origin is str and hint is None:
        return lambda value: str(value).encode() + b"\xff"
    if origin is bytes and isinstance(hint, Array | None):
        return lambda value: _length(len(value)) + bytes(value)
    if origin is tuple and args[1:] == (...,) and isinstance(hint, Array | None):
        item = _feed(resolved(args[0], place))
        return None if item is None else lambda value: _length(len(value)) + b"".join(map(item, value))
    if origin is tuple and hint is None:
        return _tuple([_feed(resolved(each, place)) for each in args])
    inner = [each for each in args if each is not type(None)]
    if origin is Union and hint is None and len(inner) == 1:
        content = _feed(resolved(inner[0], place))
        return None if content is None else lambda value: _length(0) if value is None else _length(1) + content(value)
    return None


def _tuple(feeds: list[Feed | None]) -> Feed | None:
    known = [feed for feed in feeds if feed is not None]
    if len(known) < len(feeds):
        return None
    return lambda value: b"".join(feed(each) for feed, each in zip(known, value, strict=True))
