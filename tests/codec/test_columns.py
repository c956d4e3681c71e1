"""Every column gives back equal values of equal types, in bulk and one by one."""

from __future__ import annotations

import struct
from collections import deque
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness import encodings, image, roundtrip, same, stored, view_of
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import register
from parcode_orm.codec import kernels
from parcode_orm.codec.base import Column
from parcode_orm.codec.columns.arrays import ArrayColumn
from parcode_orm.codec.columns.containers import ListColumn, MapColumn, SetColumn
from parcode_orm.codec.columns.scalars import BoolColumn, FloatColumn, IntColumn, NoneColumn
from parcode_orm.codec.columns.text import BytesColumn, TextColumn
from parcode_orm.codec.columns.tuples import TupleColumn, UnionColumn
from parcode_orm.codec.columns.wrappers import ConvertColumn, OptionalColumn
from parcode_orm.errors import EncodeError
from parcode_orm.format.chunk import Chunk
from parcode_orm.format.layout import Encoding, Node, NodeFlag
from tests.effort import half

INT, FLOAT, BOOL, NONE, TEXT, BYTES = (
    IntColumn(),
    FloatColumn(),
    BoolColumn(),
    NoneColumn(),
    TextColumn(),
    BytesColumn(),
)


@register
class Point(NamedTuple):
    x: int
    y: str


class Level(IntEnum):
    LOW = 1
    HIGH = 300


class Shout(str):
    __slots__ = ()

    def __str__(self) -> str:
        return self.upper() + "!"


class Count(int):
    pass


class Raw(bytes):
    pass


class Voice(StrEnum):
    LOUD = "loud"


def is_a(*types: type) -> Any:
    return lambda value: type(value) in types


UNION = UnionColumn([(is_a(int), INT), (is_a(str), TEXT), (is_a(list), ListColumn(INT))])
ints = st.one_of(
    st.integers(0, 300), st.integers(-(1 << 63), (1 << 64) - 1), st.integers(), st.sampled_from([0, -1, 255, 256])
)
floats = st.floats() | st.sampled_from([0.0, -0.0])
texts = st.text(st.characters()) | st.text("ab\0\ud800é", max_size=4)

CASES: dict[str, tuple[Any, st.SearchStrategy[Any]]] = {
    "int": (INT, ints),
    "small ints": (INT, st.integers(-3, 3)),
    "float": (FLOAT, floats),
    "bool": (BOOL, st.booleans()),
    "none": (NONE, st.none()),
    "text": (TEXT, texts),
    "few texts": (TEXT, st.sampled_from(["a", "b", "c" * 20])),
    "bytes": (BYTES, st.binary(max_size=9)),
    "bytearray": (BytesColumn(bytearray), st.binary(max_size=9).map(bytearray)),
    "numbers that are mixed": (FLOAT, st.one_of(st.integers(), st.booleans(), st.floats())),
    "ints and bools": (INT, st.one_of(st.integers(), st.booleans())),
    "optional": (OptionalColumn(TEXT), st.none() | texts),
    "list": (ListColumn(INT), st.lists(ints)),
    "optional list": (OptionalColumn(ListColumn(OptionalColumn(TEXT))), st.none() | st.lists(st.none() | texts)),
    "tuple of any length": (ListColumn(FLOAT, tuple), st.lists(floats).map(tuple)),
    "deque": (ListColumn(INT, deque), st.lists(ints).map(deque)),
    "nested lists": (ListColumn(ListColumn(BOOL)), st.lists(st.lists(st.booleans()))),
    "set": (SetColumn(TEXT, set), st.sets(texts)),
    "frozenset": (SetColumn(UNION, frozenset), st.frozensets(st.integers() | st.text())),
    "dict": (MapColumn(TEXT, INT), st.dictionaries(texts, ints)),
    "dict of lists": (MapColumn(INT, ListColumn(TEXT)), st.dictionaries(ints, st.lists(texts))),
    "tuple": (TupleColumn([INT, TEXT]), st.tuples(ints, texts)),
    "empty tuple": (TupleColumn([]), st.just(())),
    "named tuple": (TupleColumn([INT, TEXT]), st.builds(Point, ints, texts)),
    "union": (UNION, st.one_of(st.integers(), texts, st.lists(st.integers()))),
    "optional union": (OptionalColumn(UNION), st.one_of(st.none(), st.integers(), texts)),
    "converted": (
        ConvertColumn(TEXT, "complex", (complex,), lambda v: list(map(str, v)), lambda v: list(map(complex, v))),
        st.complex_numbers(allow_nan=False).map(lambda z: complex(str(z))),
    ),
}


@pytest.mark.parametrize("name", CASES)
@half()
@given(st.data())
def test_values_come_back(name: str, data: st.DataObject) -> None:
    column, values_of = CASES[name]
    values = data.draw(st.lists(values_of, max_size=40))
    if data.draw(st.booleans()):  # repeats, so that constants and dictionaries appear
        values = values[:2] * 20
    plain, lazy = roundtrip(column, values)
    assert same(plain, values), (plain, values)
    assert same(lazy, values), (lazy, values)
    assert image(column, values) == image(column, values)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("count", [0, 1, 3000])
def test_counts(name: str, count: int) -> None:
    column, values_of = CASES[name]
    one = values_of.filter(lambda value: True)
    import random
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sample = [one.example() for _ in range(min(count, 12))]
    chooser = random.Random(7)
    values = [chooser.choice(sample) for _ in range(count)]
    plain, lazy = roundtrip(column, values)
    assert same(plain, values)
    assert same(lazy, values)


def test_numpy_changes_no_byte(monkeypatch: pytest.MonkeyPatch) -> None:
    lists = [
        (INT, [i * 7 - 900 for i in range(5000)]),
        (INT, [1 << 63, *range(5000)]),
        (INT, [1 << 70, *range(5000)]),
        (FLOAT, [(-1) ** i * i / 3 for i in range(5000)]),
        (FLOAT, [-0.0, 0.0] * 1000 + [float("nan")]),
        (FLOAT, [-0.0, 0.0] * 1000),
        (TEXT, [f"name {i}" for i in range(5000)]),
        (ListColumn(INT), [list(range(i % 9)) for i in range(5000)]),
    ]
    with_numpy = [image(column, values) for column, values in lists]
    monkeypatch.setattr(kernels, "numpy_for", lambda count: None)
    assert [image(column, values) for column, values in lists] == with_numpy


@pytest.mark.parametrize(
    ("column", "values", "expected"),
    [
        (INT, [7] * 9, ["CONSTANT", "INT"]),
        (INT, [1, True], ["PACKED", "INT"]),
        (FLOAT, [0.0, -0.0, 0.0], ["FLOAT"]),
        (FLOAT, [0.5] * 3, ["CONSTANT", "FLOAT"]),
        (BOOL, [True] * 3, ["CONSTANT", "BOOL"]),
        (INT, [], ["EMPTY"]),
        (OptionalColumn(INT), [None, None], ["OPTIONAL", "EMPTY"]),
        (OptionalColumn(INT), [1, 2], ["INT"]),
        (INT, [1 << 64, 2], ["BIGINT", "INT"]),
        (TEXT, ["a", "b"] * 20, ["DICTIONARY", "INT", "TEXT", "INT"]),
        (TEXT, [str(i) for i in range(100)], ["TEXT", "INT"]),
    ],
)
def test_the_encoding_follows_the_values(column: Any, values: list[Any], expected: list[str]) -> None:
    assert encodings(column, values) == expected


@pytest.mark.parametrize(
    ("low", "high", "width"),
    [(0, 255, 1), (0, 256, 2), (-1, 127, 1), (-1, 128, 2), (-129, 0, 2), (0, 1 << 32, 8), (-(1 << 31), 0, 4)],
)
def test_ints_take_the_smallest_width(low: int, high: int, width: int) -> None:
    sink, _ = stored(INT, [low, high])
    entry = sink.submitted[0].entries[0]
    assert entry[1] == width
    assert len(sink.submitted[0].buffers[0]) == 2 * width


def test_a_nan_keeps_its_payload() -> None:
    import struct

    bits = [0x7FF8000000000001, 0xFFF8DEADBEEF0001, 0x7FF0000000000000, 0x8000000000000000]
    values = [struct.unpack("<d", struct.pack("<Q", b))[0] for b in bits]
    plain, lazy = roundtrip(FLOAT, values)
    for found in (plain, lazy):
        assert [struct.unpack("<Q", struct.pack("<d", v))[0] for v in found] == bits


def test_a_float64_comes_back_as_a_float() -> None:
    assert same(roundtrip(FLOAT, [np.float64(0.5), 1.5])[0], [0.5, 1.5])


def test_a_bytearray_among_bytes_stays_one() -> None:
    assert same(roundtrip(BYTES, [bytearray(b"x"), b"y"])[0], [bytearray(b"x"), b"y"])


@pytest.mark.parametrize(
    ("column", "value"),
    [(TEXT, Shout("a")), (INT, Count(1)), (BYTES, Raw(b"x")), (INT, Level.HIGH), (TEXT, Voice.LOUD)],
)
def test_other_subclasses_of_builtins_keep_their_class_or_are_refused(column: Column, value: Any) -> None:
    base = next(each for each in (str, int, bytes) if isinstance(value, each))
    values = [base(), value, value]
    with pytest.raises(EncodeError, match=f"{type(value).__name__}, a subclass of {base.__name__}"):
        roundtrip(column, values)
    register(type(value))
    assert same(roundtrip(column, values)[0], values)


def test_one_subclass_among_many_texts_is_found() -> None:
    """Text of which a sample was varied was joined, whatever else was in it: the class was lost without a word."""

    class Rare(str):
        pass

    values = [f"text {n}" for n in range(500)]
    values[301] = Rare("text 301")
    with pytest.raises(EncodeError, match="Rare, a subclass of str"):
        roundtrip(TEXT, values)
    register(Rare)
    assert same(roundtrip(TEXT, values)[0], values)


def test_a_set_is_written_in_one_order() -> None:
    a, b = {f"k{i}" for i in range(50)}, set()
    for i in reversed(range(50)):
        b.add(f"k{i}")
    column = SetColumn(TEXT, set)
    assert image(column, [a]) == image(column, [b])
    mixed = SetColumn(UNION, set)
    assert image(mixed, [{1, "1", 2, "b"}]) == image(mixed, [{"b", 2, "1", 1}])


def statistics(chunk: Chunk, at: int) -> tuple[Node, int] | None:
    """The node with the statistics of the column at `at`, and the count of nulls; None without statistics."""
    node, nulls = chunk.nodes[at], 0
    while node.encoding in (Encoding.OPTIONAL, Encoding.CONSTANT, Encoding.DICTIONARY):
        nulls = node.param if node.encoding == Encoding.OPTIONAL else nulls
        at = chunk.children(at)[-1]
        node = chunk.nodes[at]
    return (node, nulls) if node.flags & NodeFlag.STATISTICS else None


def test_statistics() -> None:
    sink, ref = stored(OptionalColumn(INT), [5, None, -3, 900])
    chunk = view_chunk(sink, ref)
    node, nulls = statistics(chunk, 0) or pytest.fail("no statistics")
    assert nulls == 1
    assert int.from_bytes(node.low[:8], "little", signed=True) == -3
    assert int.from_bytes(node.high[:8], "little", signed=True) == 900
    sink, ref = stored(TEXT, ["b" * 40, "c" * 40] * 20)
    node, _ = statistics(view_chunk(sink, ref), 0) or pytest.fail("no statistics")
    assert node.low == b"b" * 16
    assert node.high == b"c" * 15 + b"d"
    for count in (1, 2000):  # with numpy and without
        sink, ref = stored(FLOAT, [float("nan"), 1.0, -0.0, -2.5, float("nan")] * count)
        node, _ = statistics(view_chunk(sink, ref), 0) or pytest.fail("no statistics")
        assert struct.unpack("<dd", node.low[:8] + node.high[:8]) == (-2.5, 1.0) and node.flags & NodeFlag.NANS
        sink, ref = stored(FLOAT, [1.0, 2.0] * count)
        node, _ = statistics(view_chunk(sink, ref), 0) or pytest.fail("no statistics")
        assert not node.flags & NodeFlag.NANS
        sink, ref = stored(FLOAT, [float("nan"), float("nan") * -1] * count)
        found = statistics(view_chunk(sink, ref), 0)
        assert found is None


def view_chunk(sink: Any, ref: Any) -> Any:
    from harness import MemorySpace

    return MemorySpace(sink).chunk(ref)


@pytest.mark.parametrize(
    ("column", "values", "path"),
    [
        (INT, [1, "x"], ""),
        (ListColumn(INT), [[1], [2, "x"]], "[1]"),
        (MapColumn(TEXT, ListColumn(OptionalColumn(INT))), [{"a": [1]}, {"b": [1, 2, None, object()]}], "['b'][3]"),
        (MapColumn(TEXT, ListColumn(INT)), [{"a": [1]}, {"b": [1, 2, 3, None]}], "['b'][3]"),
        (INT, [1, 2, 2.0], ""),
        (INT, [1, 2, None], ""),
        (BOOL, [True, 0], ""),
        (TEXT, ["a", "b", None], ""),
        (ListColumn(TEXT), [["a"], None], ""),
        (TupleColumn([INT, TEXT]), [(1, "a"), (None, "b")], "[0]"),
        (SetColumn(TEXT, set), [{"a"}, {None}], "[0]"),
        (MapColumn(INT, TEXT), [{1: "a"}, {None: "x"}], "[None]"),
        (UNION, [1, None], ""),
        (TupleColumn([INT, TEXT]), [(1, "a"), (2, b"x")], "[1]"),
        (OptionalColumn(ListColumn(OptionalColumn(INT))), [None, [None, 1], None, [None, None, "x"]], "[2]"),
        (UNION, [1, 2.5], ""),
        (ListColumn(UNION), [[1, "a", [1, "b"]]], "[2][1]"),
    ],
)
def test_a_value_that_does_not_fit_is_named(column: Any, values: list[Any], path: str) -> None:
    with pytest.raises(EncodeError) as caught:
        image(column, values)
    assert caught.value.path == path
    assert caught.value.value_type is not None
    assert vars(caught.value)["row"] == len(values) - 1


ARRAYS = [
    np.arange(6, dtype="<i4").reshape(2, 3),
    np.arange(6, dtype=">f8")[::2],
    np.array(3.5),
    np.zeros((0, 4), "u1"),
    np.array(["2024-01-01", "NaT"], "M8[s]"),
    np.array([(1, 2.0, "ab")], dtype=[("a", "<i4"), ("b", "<f8"), ("c", "<U2")]),
    np.array([(1, [2, 3])], dtype=[("a", "<i4"), ("b", "<u2", (2,))]),
    np.array([((1, 2),)], dtype=[("n", [("x", "<i4"), ("y", "<i4")])]),
    np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    np.array([True, False]),
    np.array([b"abc", b""], "S3"),
    np.array([1 + 2j]),
    np.zeros(3, "V5"),
    np.array(["", ""]),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda a: f"{a.dtype}{a.shape}")
def test_arrays(array: Any) -> None:
    column = ArrayColumn()
    plain, lazy = roundtrip(column, [array, array])
    assert same(plain, [array, array])
    assert same(lazy, [array, array])
    assert plain[0].flags.writeable
    if array.size:
        assert not lazy[0].flags.writeable
    assert view_of(column, [array], writable=True).get(0).flags.writeable


def test_arrays_of_objects_are_refused() -> None:
    with pytest.raises(EncodeError):
        image(ArrayColumn(), [np.array([object()])])
    with pytest.raises(EncodeError):
        image(ArrayColumn(), [np.ma.array([1], mask=[True])])
