"""Buffers of a file to lists of values: the loops of reading, without columns, nodes or chunks.

Bounds that come from the file are checked before they are used. Where they are broken a function
gives None, and the view that called it says what is wrong and where.
"""

from __future__ import annotations

from itertools import chain
from typing import Any

from parcode_orm.native import compiled

from .kernels import rising

_BITS = [tuple(bool(byte >> bit & 1) for bit in range(8)) for byte in range(256)]


@compiled
def unpack_numbers(values: memoryview, start: int, stop: int) -> list[Any]:
    """The numbers `start` to `stop` of a typed buffer."""
    return values[start:stop].tolist()


@compiled
def unpack_lists(values: memoryview, offsets: memoryview, start: int, stop: int) -> list[list[Any]] | None:
    """A list for each of the rows `start` to `stop`: the numbers between two of the unsigned `offsets`.

    None where the offsets fall or leave the numbers.
    """
    if not 0 <= start <= stop < len(offsets):
        return None
    ends = offsets[start : stop + 1].tolist()
    if not rising(ends) or ends[-1] > len(values):
        return None
    return slices(values[ends[0] : ends[-1]].tolist(), ends)


@compiled
def unpack_codes(values: list[Any], codes: memoryview, start: int, stop: int) -> list[Any] | None:
    """The value of each of the unsigned codes `start` to `stop`, its place in `values`. None where one is beyond."""
    try:
        return list(map(values.__getitem__, codes[start:stop]))
    except IndexError:
        return None


@compiled
def unpack_texts(data: memoryview, count: int, errors: str) -> list[str] | None:
    """The `count` texts that NULs in UTF-8 separate. None if it is not UTF-8, or there are more or fewer."""
    try:
        values = str(data, "utf-8", errors).split("\0")
    except UnicodeDecodeError:
        return None
    return values if len(values) == count else None


@compiled
def unpack_bits(bits: memoryview, start: int, stop: int) -> list[bool]:
    """Bits `start` to `stop` as bools, from the least significant of each byte on."""
    first = start >> 3
    flags = list(chain.from_iterable(map(_BITS.__getitem__, bits[first : (stop + 7) >> 3])))
    skip = start - (first << 3)
    return flags[skip : skip + stop - start]


@compiled
def unpack_optional(present: list[Any], bits: memoryview, start: int, stop: int) -> list[Any]:
    """The values of `present` in the places of the bits `start` to `stop` that are set, None elsewhere.

    Raises ValueError where there are other values than bits set.
    """
    flags = unpack_bits(bits, start, stop)
    if flags.count(True) != len(present):
        raise ValueError("other values than there are bits set")
    following = iter(present).__next__
    return [following() if flag else None for flag in flags]


@compiled
def slices(items: Any, offsets: list[int]) -> list[Any]:
    """`items` cut at `offsets`, which rise from that of item 0 to the end of the last item."""
    base = offsets[0]
    if base:
        offsets = [offset - base for offset in offsets]
    ends = iter(offsets)
    next(ends)
    return [items[a:b] for a, b in zip(offsets, ends)]  # noqa: B905  (one shorter on purpose)


@compiled
def fill_map(found: dict[Any, Any], keys: list[Any], values: list[Any]) -> None:
    """Set the items of a dictionary.

    Raises ValueError where there are other values than keys, TypeError at a key that has no hash.
    """
    if len(keys) != len(values):
        raise ValueError(f"{len(values)} values for {len(keys)} keys")
    found.update(zip(keys, values, strict=True))
