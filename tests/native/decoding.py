"""Arguments for the compiled functions that read columns (`CASES` has those of all)."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel

from parcode_orm.codec.views.build import empty_row
from tests.native.strategies import SCALARS


def buffers(codes: str = "BHIQbhiqd") -> st.SearchStrategy[memoryview]:
    """Typed buffers, as the nodes of a file are seen."""
    return st.sampled_from(codes).flatmap(
        lambda code: st.binary(max_size=256).map(
            lambda data: memoryview(data[: len(data) // struct.calcsize(code) * struct.calcsize(code)]).cast(code)
        )
    )


def rising(count: int) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, count), min_size=1, max_size=12).map(sorted)


PLACES = st.integers(0, 40)
OFFSETS = st.builds(
    lambda code, found: memoryview(struct.pack(f"{len(found)}{code}", *found)).cast(code),
    st.sampled_from("BHIQ"),
    st.one_of(rising(40), st.lists(st.integers(0, 255), min_size=1, max_size=12)),
)
WORDS = st.one_of(
    st.lists(st.text(max_size=9), max_size=20).map(lambda words: "\0".join(words).encode("utf-8", "surrogatepass")),
    st.binary(max_size=40),
)


class Built(BaseModel):
    """What `build_models` makes in the tests."""

    a: Any = None
    b: Any = None


class Abstract(BaseModel, ABC):
    @abstractmethod
    def use(self) -> None: ...


SLOTS = tuple(
    BaseModel.__dict__[name] for name in ("__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__")
)


def columns(count: int) -> st.SearchStrategy[tuple[Any, ...]]:
    """Arguments of `build_models`; some columns have another length."""
    column = st.lists(SCALARS, min_size=count, max_size=count) | st.lists(SCALARS, max_size=3)
    value = st.none() | st.builds(set) | st.lists(SCALARS, min_size=count, max_size=count)
    slots = st.tuples(*(st.tuples(st.just(slot), value) for slot in SLOTS))
    return st.integers(0, 3).flatmap(
        lambda width: st.tuples(
            st.sampled_from([Built, Built, Abstract]),
            st.sampled_from([dict.fromkeys, empty_row]).map(lambda made: made(("a", "b", "c")[:width])),
            st.tuples(*[column] * width),
            slots,
            st.just(count),
        )
    )


@st.composite
def shards(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of `find_row`: as a rule a hash of the shard, whose hashes may also fall."""
    shift = draw(st.integers(0, 32))
    many = st.integers(0, 2000).map(lambda count: [i * ((1 << 32) // (count + 1)) for i in range(count)])
    lows = draw(
        many | st.lists(st.integers(0, 40), max_size=300).map(sorted) | st.lists(st.integers(0, 9), max_size=200)
    )
    low = draw(st.sampled_from(lows) | st.integers(0, (1 << 32) - 1)) if lows else 0
    hashed = (low << shift | draw(st.integers(0, (1 << 64) - 1)) & (1 << shift) - 1) & (1 << 64) - 1
    code = draw(st.sampled_from("IQ"))
    rows = memoryview(struct.pack(f"{len(lows)}I", *range(len(lows)))).cast("I")
    return hashed, shift, memoryview(struct.pack(f"{len(lows)}{code}", *lows)).cast(code), rows, draw(st.integers(0, 5))


@st.composite
def postings(draw: st.DrawFn) -> tuple[Any, ...]:
    """The argument of `word_postings`: as a rule what is stored of a word, perhaps damaged."""
    codes = draw(st.integers(0, 3)), draw(st.integers(0, 3)), draw(st.integers(0, 4))
    head, wide, times = 1 << codes[0], 1 << codes[1], 1 << codes[2] >> 1
    count = draw(st.integers(1, 6))
    room = head + (count - 1) * wide + count * times
    body = draw(st.just(bytes([1] + [0] * 7) * 3) | st.binary(max_size=60))
    data = bytes([codes[0] | codes[1] << 2 | codes[2] << 4]) + (body * (room // max(len(body), 1) + 1))[:room]
    return (draw(st.just(data) | st.just(data[:-1]) | st.binary(max_size=20)),)


@st.composite
def texts_at(draw: st.DrawFn) -> tuple[Any, ...]:
    words = draw(st.lists(st.text(max_size=5).map(str.encode), min_size=1, max_size=9))
    gap, row = draw(st.integers(0, 1)), draw(st.integers(0, len(words) - 1))
    ends = [sum(map(len, words[:i])) for i in range(len(words) + 1)]
    ends = draw(st.just(ends) | st.lists(st.integers(0, 99), min_size=len(ends), max_size=len(ends)))
    joined = (b"\0" * gap).join(words) + b"\0" * gap
    sought = draw(st.just(words[row]) | st.sampled_from(words) | st.binary(max_size=3))
    return sought, memoryview(joined), memoryview(struct.pack(f"{len(ends)}H", *ends)).cast("H"), gap, row


@st.composite
def text_places(draw: st.DrawFn) -> tuple[Any, ...]:
    sought, joined, offsets, gap, _ = draw(texts_at())
    if draw(st.booleans()):
        words = sorted(draw(st.lists(st.text(max_size=5).map(str.encode), min_size=1, max_size=9)))
        joined = memoryview((b"\0" * gap).join(words))
        ends = [sum(map(len, words[:i])) for i in range(len(words) + 1)]
        offsets = memoryview(struct.pack(f"{len(ends)}I", *ends)).cast("I")
        sought = draw(st.sampled_from(words) | st.text(max_size=5).map(str.encode))
    start, stop = sorted([draw(st.integers(0, len(offsets) - 1)), draw(st.integers(0, len(offsets) - 1))])
    return sought, joined, offsets, gap, start, stop + draw(st.sampled_from([0, 0, 0, 9]))


DECODING: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "build_models": st.integers(0, 8).flatmap(columns),
    "fill_map": st.tuples(st.builds(dict), st.lists(SCALARS, max_size=4), st.lists(SCALARS, max_size=4)),
    "find_row": shards(),
    "is_text": texts_at(),
    "slices": st.tuples(
        st.lists(SCALARS, max_size=40) | st.binary(max_size=40) | st.lists(SCALARS, max_size=40).map(tuple), rising(40)
    ),
    "text_place": text_places(),
    "unpack_bits": st.tuples(st.binary(max_size=8), st.integers(0, 70), st.integers(0, 70)),
    "unpack_codes": st.tuples(st.lists(SCALARS, max_size=300), buffers("BHIQ"), PLACES, PLACES),
    "unpack_lists": st.tuples(buffers(), OFFSETS, PLACES | st.integers(0, 4), PLACES | st.integers(0, 12)),
    "unpack_numbers": st.tuples(buffers(), PLACES, PLACES),
    "unpack_optional": st.binary(max_size=8).flatmap(
        lambda bits: st.tuples(
            st.just(list(range(int.from_bytes(bits).bit_count()))) | st.lists(SCALARS, max_size=9),
            st.just(bits),
            st.just(0) | st.integers(0, 70),
            st.just(len(bits) * 8) | st.integers(0, 70),
        )
    ),
    "word_postings": postings(),
    "unpack_texts": st.tuples(WORDS, st.integers(0, 21), st.sampled_from(["strict", "surrogatepass"]))
    | WORDS.map(lambda data: (data, data.count(0) + 1, "surrogatepass")),
}
