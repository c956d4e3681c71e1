"""The loops of reading give what plain Python gives, and refuse bounds that do not fit."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.codec.unpack import slices, unpack_codes, unpack_lists, unpack_optional, unpack_texts

NUMBERS = {"B": (0, 255), "h": (-(1 << 15), (1 << 15) - 1), "Q": (0, (1 << 64) - 1), "q": (-(1 << 63), (1 << 63) - 1)}


def buffer(code: str, values: list[Any]) -> memoryview:
    return memoryview(struct.pack(f"{len(values)}{code}", *values)).cast(code)


@given(st.data(), st.sampled_from(sorted(NUMBERS)), st.sampled_from("BHIQ"))
def test_lists_are_cut_as_they_were_joined(data: st.DataObject, code: str, width: str) -> None:
    lists = data.draw(st.lists(st.lists(st.integers(*NUMBERS[code]), max_size=5), max_size=9))
    offsets = [sum(map(len, lists[:i])) for i in range(len(lists) + 1)]
    joined = [item for each in lists for item in each]
    start = data.draw(st.integers(0, len(lists)))
    assert unpack_lists(buffer(code, joined), buffer(width, offsets), start, len(lists)) == lists[start:]
    assert slices(joined[offsets[start] :], offsets[start:]) == lists[start:]


@pytest.mark.parametrize("offsets", [[0, 3, 2], [0, 2, 5], [4, 4, 4], [0, 1 << 63, 2]])
def test_offsets_that_fall_or_leave_the_items_are_refused(offsets: list[int]) -> None:
    assert unpack_lists(buffer("B", [1, 2, 3]), buffer("Q", offsets), 0, 2) is None


def test_rows_beyond_the_offsets_are_refused() -> None:
    assert unpack_lists(buffer("B", [1, 2, 3]), buffer("B", [0, 3]), 0, 2) is None
    assert unpack_lists(buffer("B", [1, 2, 3]), buffer("B", [0, 3]), 1, 0) is None


def test_codes_beyond_the_values_are_refused() -> None:
    assert unpack_codes(["a", "b"], buffer("H", [1, 0, 1]), 0, 3) == ["b", "a", "b"]
    assert unpack_codes(["a", "b"], buffer("H", [1, 2, 1]), 0, 3) is None
    assert unpack_codes([], buffer("Q", [1 << 63]), 0, 1) is None


@given(st.lists(st.none() | st.integers(), max_size=40), st.data())
def test_none_stands_where_no_bit_is_set(values: list[Any], data: st.DataObject) -> None:
    bits = sum((value is not None) << i for i, value in enumerate(values)).to_bytes(6, "little")
    start = data.draw(st.integers(0, len(values)))
    present = [value for value in values[start:] if value is not None]
    assert unpack_optional(present, memoryview(bits), start, len(values)) == values[start:]
    with pytest.raises(ValueError, match="bits set"):
        unpack_optional([*present, 0], memoryview(bits), start, len(values))


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=())), min_size=1, max_size=9))
def test_texts_are_split_as_they_were_joined(values: list[str]) -> None:
    data = memoryview("\0".join(values).encode("utf-8", "surrogatepass"))
    assert unpack_texts(data, len(values), "surrogatepass") == values
    assert unpack_texts(data, len(values) + 1, "surrogatepass") is None
    assert unpack_texts(data, len(values) - 1, "surrogatepass") is None


def test_one_letter_is_one_object() -> None:
    texts = unpack_texts(memoryview(b"a\0\0b\0a"), 4, "strict")
    assert texts is not None
    assert texts[0] is texts[3]
    assert unpack_texts(memoryview(b"a\xff"), 1, "strict") is None
