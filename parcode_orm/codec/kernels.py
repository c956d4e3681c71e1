"""Every loop over values: plain functions on lists and buffers, without columns, nodes or chunks.

numpy is used where it is loaded already, or once so much has been packed that importing it pays;
the bytes are the same either way. Buffers are little-endian.
"""

from __future__ import annotations

import marshal
import struct
import sys
from array import array
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import accumulate
from operator import ne
from typing import Any

from parcode_orm.native import compiled

LITTLE = sys.byteorder == "little"
UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
SIGNED = {1: "b", 2: "h", 4: "i", 8: "q"}
BULK = 1024  # from here numpy beats plain loops
NUMPY_PAYS = 2_000_000  # values packed before a process imports numpy for this alone
WIDTHS = (1,) * 9 + (2,) * 8 + (4,) * 16 + (8,) * 32  # of an unsigned number, by its bits
HEAD = 5  # bytes that `marshal` writes before the items of a list or tuple
_ONES = bytes.maketrans(b"\0\1", b"01")
_packed = 0


def loaded_numpy() -> Any:
    """The numpy module if the process has imported it completely, else None."""
    if sys.modules.get("numpy") is None:
        return None
    import numpy

    return numpy


def numpy_for(count: int) -> Any:
    """The numpy module if it helps for `count` values and is loaded or worth loading, else None."""
    global _packed
    if count < BULK:
        return None
    numpy = loaded_numpy()
    if numpy is None:
        _packed += count
        if _packed > NUMPY_PAYS:
            import numpy
    return numpy


# -- integers and floats ------------------------------------------------------------------------------------------


def pack(code: str, values: Sequence[Any]) -> bytes:
    """`values` as an array of the `struct` code `code`; `struct.error` when one does not fit."""
    return struct.pack(f"{'' if LITTLE else '<'}{len(values)}{code}", *values)


def width_of(low: int, high: int) -> tuple[int, bool]:
    """The smallest width in bytes that holds `low` to `high`, 0 if none does; whether signed."""
    if low >= 0:
        width = 1 if high < 1 << 8 else 2 if high < 1 << 16 else 4 if high < 1 << 32 else 8 if high < 1 << 64 else 0
        return width, False
    reach = max(~low, high)
    width = 1 if reach < 1 << 7 else 2 if reach < 1 << 15 else 4 if reach < 1 << 31 else 8 if reach < 1 << 63 else 0
    return width, True


def marshalled(values: Any, kind: bytes, size: int) -> bytes | None:
    """What `marshal` writes for `values` of exactly the type `kind`, `size` bytes each, or None.

    A check of all types and a packing in one pass, twice as fast as `set(map(type, values))` alone.
    That every item starts where the last one ends follows from the first: `kind` stands there, so
    it is `size` bytes long.
    """
    try:
        data = marshal.dumps(values, 2)  # version 2 writes every value in full
    except ValueError:
        return None
    count = len(values)
    fits = len(data) == HEAD + size * count and data[0] in b"[(" and data[HEAD::size].count(kind) == count
    return data if fits else None


Packed = tuple[bytes, int, bool, int, int]  # buffer, width, signed, lowest, highest


@compiled
def pack_exact_ints(values: Sequence[Any]) -> Packed | None:
    """As `pack_ints`; None also when a value is not exactly an int, or there is none."""
    packed = _pack_small_ints(values) if values else None
    if packed is None and set(map(type, values)) == {int}:
        return pack_ints(values)
    return packed


def _pack_small_ints(values: Sequence[Any]) -> Packed | None:
    """As `pack_exact_ints` for ints that fit in 32 bits; None for any others."""
    if len(values) == 1:
        if type(value := values[0]) is not int or not -1 << 31 <= value < 1 << 31:
            return None
        width, signed = width_of(value, value)
        return value.to_bytes(width, "little", signed=signed), width, signed, value, value
    data = marshalled(values, b"i", 5)
    if data is None:
        return None
    numpy = numpy_for(len(values))
    if numpy is None:
        return pack_ints(values)
    return _shrink(numpy.ndarray(len(values), "<i4", data, HEAD + 1, (5,)))


def pack_ints(values: Sequence[int]) -> Packed | None:
    """Exact ints at the smallest width; None when one needs more than 64 bits."""
    numpy = numpy_for(len(values))
    if numpy is not None:
        try:
            return _shrink(numpy.frombuffer(pack("q", values), "<i8"))
        except struct.error:
            pass
    low, high = min(values), max(values)
    width, signed = width_of(low, high)
    if not width:
        return None
    return pack((SIGNED if signed else UNSIGNED)[width], values), width, signed, low, high


def _shrink(array: Any) -> Packed:
    low, high = int(array.min()), int(array.max())
    width, signed = width_of(low, high)
    return array.astype(f"<{'i' if signed else 'u'}{width}").tobytes(), width, signed, low, high


@compiled
def pack_floats(values: Sequence[Any]) -> bytes | None:
    """Floats as they stand in memory; None when one is not exactly a float."""
    data = marshalled(values, b"g", 9)
    if data is None:
        return None
    numpy = numpy_for(len(values))
    if numpy is None:
        return pack("d", values)
    packed: bytes = numpy.ndarray(len(values), "<f8", data, HEAD + 1, (9,)).tobytes()
    return packed


def cast(buffer: memoryview, code: str) -> memoryview:
    """`buffer` as a typed view; the caller has checked its length."""
    if not LITTLE:
        swapped = array(code, bytes(buffer))
        swapped.byteswap()
        return memoryview(swapped)
    return buffer.cast("B").cast(code)  # type: ignore[call-overload,no-any-return]


@compiled
def float_range(values: Sequence[float], data: bytes) -> tuple[float, float, bool] | None:
    """Lowest and highest of exact floats (packed: `data`) without NaN, zeros as 0.0; whether there is NaN.

    None when all are.
    """
    numpy = numpy_for(len(values))
    if numpy is not None:
        wide = numpy.frombuffer(data, "<f8")
        low, high = float(wide.min()), float(wide.max())
        nans = low != low
        if nans:
            low, high = float(numpy.fmin.reduce(wide)), float(numpy.fmax.reduce(wide))
        return (low + 0.0, high + 0.0, nans) if low == low else None
    total = sum(values)
    nans = total != total and any(map(ne, values, values))
    numbers = [value for value in values if value == value] if nans else values
    return (min(numbers) + 0.0, max(numbers) + 0.0, nans) if numbers else None


def repeats(data: bytes, width: int) -> bool:
    """Whether `data` is one item of `width` bytes, again and again."""
    return data[:width] == data[-width:] and data[width:] == data[:-width]


def pack_bigints(values: Sequence[int]) -> list[bytes]:
    """Each int as two's complement, little-endian, in as few bytes as hold it."""
    return [v.to_bytes((v if v >= 0 else ~v).bit_length() // 8 + 1, "little", signed=True) for v in values]


# -- offsets --------------------------------------------------------------------------------------------------------


def pack_offsets(lengths: list[int]) -> tuple[bytes, int, int]:
    """Running sums of `lengths` from 0 on: buffer, width, total."""
    numpy = numpy_for(len(lengths)) if len(lengths) >= BULK else None
    if numpy is not None:
        sums = numpy.zeros(len(lengths) + 1, "<u8")
        numpy.cumsum(lengths, out=sums[1:])
        total = int(sums[-1])
        width = WIDTHS[total.bit_length()]
        return sums.astype(f"<u{width}").tobytes(), width, total
    offsets = list(accumulate(lengths, initial=0))
    total = offsets[-1]
    width = WIDTHS[total.bit_length()]
    return struct.pack(f"<{len(offsets)}{UNSIGNED[width]}", *offsets), width, total


@compiled
def offsets_of(sized: Sequence[Any]) -> tuple[bytes, int, int]:
    """`pack_offsets` of the lengths of what is in `sized`."""
    return pack_offsets(list(map(len, sized)))


def _numbers(values: Sequence[Any]) -> Any:
    """An array of many values that are all floats, ints of 63 bits or bools; None for others."""
    numpy = numpy_for(len(values))
    if numpy is None:
        return None
    if type(values[0]) is float:
        floats = pack_floats(values)
        return None if floats is None else numpy.frombuffer(floats, "<f8")
    if type(values[0]) is bool:
        return numpy.array(values, "?") if set(map(type, values)) == {bool} else None
    packed = pack_exact_ints(values)
    if packed is None or packed[4] >> 63:
        return None
    data, width, signed, _, _ = packed
    return numpy.frombuffer(data, f"<{'i' if signed else 'u'}{width}").astype("<i8")


def sorted_places(values: Sequence[Any]) -> Any:
    """The places of `values` in their order, as `picked` takes them; equal ones in the order of their places."""
    numbers = _numbers(values)
    if numbers is None:
        return sorted(range(len(values)), key=values.__getitem__)
    return numbers.argsort(kind="stable")


def picked(values: Sequence[Any], places: Any) -> list[Any]:
    """The values at `places`. Numbers are made anew, side by side in memory: what comes next reads them faster."""
    numbers = _numbers(values)
    if numbers is None:
        return list(map(values.__getitem__, places if isinstance(places, list) else places.tolist()))
    found: list[Any] = numbers[places].tolist()
    return found


def rising(offsets: list[int]) -> bool:
    """Whether `offsets` never fall."""
    return sorted(offsets) == offsets  # linear on what is sorted already


# -- bits -----------------------------------------------------------------------------------------------------------


def pack_bits(flags: Sequence[Any]) -> bytes:
    """One bit a value (True or False), least significant first."""
    digits = bytes(flags).translate(_ONES)[::-1]
    size = (len(digits) + 7) // 8
    if len(digits) <= 1 << 16:
        return int(digits, 2).to_bytes(size, "little")
    step = 1 << 15
    return b"".join(pack_bits(flags[at : at + step]) for at in range(0, len(flags), step))


@compiled
def pack_bools(values: Sequence[Any]) -> bytes | None:
    """`pack_bits` of values that are all exactly bools; None for others."""
    return pack_bits(values) if set(map(type, values)) <= {bool} else None


def count_bits(bits: memoryview, stop: int) -> int:
    """How many of the first `stop` bits are set."""
    whole, rest = stop >> 3, stop & 7
    found = int.from_bytes(bits[:whole], "little").bit_count()
    return found + (bits[whole] & ((1 << rest) - 1)).bit_count() if rest else found


RANK_BYTES = 64  # bytes between two marks of `rank_marks`


def rank_marks(bits: memoryview) -> list[int]:
    """Set bits before each run of `RANK_BYTES` bytes."""
    runs = range(0, len(bits), RANK_BYTES)
    counts = (int.from_bytes(bits[at : at + RANK_BYTES], "little").bit_count() for at in runs)
    return list(accumulate(counts, initial=0))


def rank(bits: memoryview, marks: list[int], i: int) -> int:
    """Set bits before bit `i`."""
    run = i // (RANK_BYTES * 8)
    byte = i >> 3
    part = int.from_bytes(bits[run * RANK_BYTES : byte], "little").bit_count()
    return marks[run] + part + (bits[byte] & ((1 << (i & 7)) - 1)).bit_count()


# -- text -----------------------------------------------------------------------------------------------------------


PackedText = tuple[bytes, bytes, int, bool, bool]


@compiled
def pack_text(values: Sequence[Any]) -> PackedText | None:
    """Exact strings as UTF-8: buffer, offsets, their width, whether a NUL follows each, whether surrogates.

    None when one is not exactly a str, or there is none.
    """
    if set(map(type, values)) != {str}:
        return None
    joined = "\0".join(values)
    surrogates = False
    try:
        data = joined.encode()
    except UnicodeEncodeError:
        data, surrogates = joined.encode("utf-8", "surrogatepass"), True
    separated = data.count(0) == len(values) - 1
    if separated:
        lengths = list(map(len, values if joined.isascii() else data.split(b"\0")))
        data += b"\0"
    else:
        parts = [value.encode("utf-8", "surrogatepass") for value in values]
        data, lengths = b"".join(parts), list(map(len, parts))
    offsets, width, _ = pack_offsets(lengths)
    return data, offsets, width, separated, surrogates


@compiled
def is_varied(values: Sequence[Any]) -> bool:
    """Whether `values` are neither one text again and again nor, by a sample, texts of few kinds.

    What it compares are exact strings: a subclass may say that different texts are equal.
    """
    count = len(values)
    sample = values[:: count // 512 + 1]
    if set(map(type, sample)) != {str}:
        return False
    return len(set(sample)) * 2 > len(sample) if count >= 16 else sample[0] != sample[-1]


def distinct(values: Sequence[str]) -> list[str] | None:
    """The distinct strings, sorted, if they are few, else None: row groups with the same ones have the same bytes."""
    if len(values) < 16 or is_varied(values):
        return None
    found = set(values)
    return sorted(found) if len(found) * 4 <= len(values) else None


def codes(values: Iterable[Any], of: Sequence[Any]) -> bytes:
    """The position in `of` of each value, at the width that holds `len(of)`."""
    table = dict(zip(of, range(len(of)), strict=True))
    return pack(UNSIGNED[width_of(0, len(of))[0]], list(map(table.__getitem__, values)))


# -- builders -------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def dict_builder(names: tuple[str, ...]) -> Callable[..., list[dict[str, Any]]]:
    """A function from one list a name, all of one length, to a list of dicts."""
    if not names:
        raise ValueError("no names")
    slots = [f"v{i}" for i in range(len(names))]
    pairs = ", ".join(f"{name!r}: {slot}" for name, slot in zip(names, slots, strict=True))
    if len(names) == 1:
        source = f"lambda a: [{{{pairs}}} for v0 in a]"
    else:
        source = f"lambda *a: [{{{pairs}}} for {', '.join(slots)} in zip(*a)]"
    # Field names only, through !r.
    built: Callable[..., list[dict[str, Any]]] = eval(source, {"zip": zip})
    return built


def drain(results: Iterable[Any]) -> None:
    """Run an iterator for its effects."""
    deque(results, maxlen=0)
