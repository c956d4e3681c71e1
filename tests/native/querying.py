"""Arguments for the functions that find, measure and add up rows, and that make objects of them."""

from __future__ import annotations

from threading import RLock
from typing import Any
from weakref import ref

import numpy as np
from hypothesis import strategies as st


def float32s(of: st.SearchStrategy[float], count: int) -> st.SearchStrategy[Any]:
    """Arrays of `count` numbers, many of them equal."""
    few = st.lists(of, min_size=1, max_size=12)
    return st.builds(lambda values, seed: np.random.default_rng(seed).choice(np.array(values, "f4"), count), few, SEEDS)


@st.composite
def products(draw: st.DrawFn) -> tuple[Any, ...]:
    """Matrices of small ints, whose sums are exact in any order."""
    width, heights = draw(st.integers(1, 200)), draw(st.lists(st.integers(0, 5), max_size=4))
    ints = np.random.default_rng(draw(SEEDS)).integers(-9, 9, (sum(heights), width)).astype("f4")
    room = np.zeros(len(ints), "f4")
    cuts = np.cumsum(heights)[:-1] if heights else 0
    matrices = tuple(np.split(ints, cuts)) if heights else ()
    unit = draw(float32s(st.integers(-9, 9).map(float), width))
    return matrices, unit, room, draw(st.sampled_from([None, room])), draw(st.integers(0, 3))


@st.composite
def measured(draw: st.DrawFn) -> tuple[Any, ...]:
    count = draw(st.integers(0, 70))
    one, other = (draw(float32s(st.floats(width=32), count)) for _ in range(2))
    metric, length = draw(st.sampled_from(["cosine", "dot", "l2"])), draw(st.sampled_from([0.0, 1.5, 1e17]))
    return metric, one, other, length, draw(st.sampled_from([1e-6, 0.05])), np.zeros(count, "f4"), np.zeros(count, "f4")


@st.composite
def candidates(draw: st.DrawFn) -> tuple[Any, ...]:
    count, values = draw(st.integers(0, 70)), st.floats(width=32) | st.sampled_from([1.0, 2.0, 3.0, np.nan])
    low, high = (draw(float32s(values, count)) for _ in range(2))
    return low, high, draw(st.integers(0, 75)), draw(st.floats() | st.just(np.inf)), draw(st.booleans())


class Lazy:
    """What stands for a row; two of one state are equal."""

    __slots__ = ("__dict__", "__weakref__", "state")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Lazy) and (self.state, self.__dict__) == (other.state, other.__dict__)

    def __hash__(self) -> int:
        return hash(self.state)


def lazy(row: int) -> Lazy:
    made = Lazy()
    made.state = row
    return made


@st.composite
def lazies(draw: st.DrawFn) -> tuple[Any, ...]:
    views = draw(st.lists(st.tuples(st.text(), st.lists(st.integers() | st.none(), max_size=9)), max_size=3))
    wanted = draw(st.sampled_from([tuple(views), (("view", None),), (1,)]))
    return Lazy, Lazy.__dict__["state"], draw(st.sampled_from([None, Lazy.__dict__["__dict__"]])), wanted


@st.composite
def neighbours(draw: st.DrawFn) -> tuple[Any, ...]:
    """Lazy objects, as a rule of neighbouring rows of one view; sometimes one of another row, of none, or another."""
    first, count = draw(st.integers(-3, 1 << 33)), draw(st.integers(0, 5))
    found: list[Any] = [Lazy() for _ in range(count)]
    for row, each in enumerate(found, first):
        each.state = "view", row
    if found and draw(st.booleans()):
        odd = draw(st.sampled_from([("view", first), ("other", first), Ellipsis]))
        at = draw(st.integers(0, count - 1))
        if odd is Ellipsis:
            found[at] = Lazy()
        else:
            found[at].state = odd
    return Lazy.__dict__["state"], draw(st.sampled_from([list, tuple]))(found)


class Slotted:
    __slots__ = ("one", "other")


class Counted:
    """What counts; two that have counted alike are equal."""

    __slots__ = ("number",)

    def __init__(self) -> None:
        self.number = 3

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Counted) and self.number == other.number

    __hash__ = None  # type: ignore[assignment]


@st.composite
def entered(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of `enter_proxy`; an object that is known may be gone."""
    live = {row: ref(KNOWN[row] if row % 2 else lazy(row)) for row in draw(st.lists(st.integers(0, 9), max_size=3))}
    fields = draw(st.sampled_from([None, Lazy.__dict__["__dict__"]]))
    counter = Counted.__dict__["number"]
    row = draw(st.integers(0, 9))
    return live, "view", row, Lazy, Lazy.__dict__["state"], fields, Counted(), counter, RLock()


@st.composite
def lives(draw: st.DrawFn) -> tuple[Any, ...]:
    """Arguments of `forget_dead`."""
    found = {}
    for key in draw(st.lists(st.integers(0, 9) | st.tuples(st.integers(), st.integers()), max_size=4, unique=True)):
        rows = draw(st.lists(st.integers(0, 300), max_size=5))
        found[key] = {row: ref(KNOWN[row] if row % 3 else lazy(row)) for row in rows}
    return (found,)


@st.composite
def slotted(draw: st.DrawFn) -> tuple[Any, ...]:
    """Objects of which some have a value in a slot; sometimes one without slots, and what is no slot."""
    found: list[Any] = [Slotted() for _ in range(draw(st.integers(0, 5)))]
    for each in draw(st.lists(st.sampled_from(found), max_size=2)) if found else ():
        each.other = draw(st.sampled_from([None, {}, {1: 2}, 0, 7]))
    found += draw(st.sampled_from([[], [], [], [7]]))
    slots = [Slotted.__dict__["one"], Slotted.__dict__["other"]]
    slots += draw(st.sampled_from([[], [], [], [type.__dict__["mro"]]]))
    return tuple(draw(st.lists(st.sampled_from(slots), max_size=2))), draw(st.sampled_from([list, tuple]))(found)


@st.composite
def meetings(draw: st.DrawFn) -> tuple[Any, ...]:
    """Some rows are known and held, some known and gone."""
    rows = draw(st.lists(st.integers(0, 300), unique=True, max_size=40))
    before = draw(st.integers(0, 3))
    made = [lazy(row) for row in [*range(before), *rows]]
    there = draw(st.dictionaries(st.integers(0, 300), st.booleans()))
    known = {row: ref(KNOWN[row] if held else lazy(row)) for row, held in there.items()}
    return known, rows, made, list(map(ref, made)), before


KNOWN = list(map(lazy, range(301)))
_INTS = ("u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "?")


@st.composite
def sums(draw: st.DrawFn) -> tuple[Any, ...]:
    generator, rows, groups = np.random.default_rng(draw(SEEDS)), draw(st.integers(0, 50)), draw(st.integers(1, 70))
    codes = generator.integers(0, groups, rows).astype(draw(st.sampled_from(("u1", "u2", "u4", "i8"))))
    if draw(st.booleans()):
        floats = draw(st.lists(st.floats(), min_size=1, max_size=5))
        return codes, generator.choice(np.array(floats), rows), np.zeros(groups), True
    dtype = np.dtype(draw(st.sampled_from(_INTS)))
    ends = (0, 2) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
    values = generator.integers(ends[0] >> 8, ends[1] >> 8, rows, dtype=np.int64, endpoint=True).astype(dtype)
    return codes, values, np.zeros(groups, np.int64), dtype.itemsize <= 4


@st.composite
def codes(draw: st.DrawFn) -> tuple[Any, ...]:
    """Codes, some of them beyond the counts, of few groups or of more than have two tables."""
    generator, groups = np.random.default_rng(draw(SEEDS)), draw(st.integers(0, 40) | st.just(5000))
    high = max(1, groups + draw(st.integers(-9, 1)))
    found = generator.integers(0, high, draw(st.integers(0, 50))).astype(
        draw(st.sampled_from(("u1", "u2", "u4", "i8")))
    )
    return found, np.zeros(groups, np.int64)


@st.composite
def positions(draw: st.DrawFn) -> tuple[Any, ...]:
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=6))
    total = sum(lengths)
    rows = draw(st.lists(st.integers(-1, total) | st.integers(0, total - 1), max_size=20))
    before = draw(st.lists(st.integers(-5, 1 << 40), min_size=len(lengths), max_size=len(lengths)))
    rows = sorted(rows) if draw(st.booleans()) else rows
    return np.array(rows, np.int64), np.cumsum(lengths), np.array(before, np.int64)


@st.composite
def comparisons(draw: st.DrawFn) -> tuple[Any, ...]:
    """Few values, more of them than are looked at once; the number is one of them, or beside one, or at an end."""
    operator, seed = draw(st.sampled_from(["==", "!=", "<", "<=", ">", ">="])), draw(SEEDS)
    count = draw(st.sampled_from([0, 1, 7, 13, 4099]))
    if draw(st.booleans()):
        floats = draw(st.lists(st.floats() | st.sampled_from([0.0, -0.0, np.inf, -np.inf]), min_size=1, max_size=5))
        number: float = draw(st.sampled_from(floats) | st.floats())
        return np.random.default_rng(seed).choice(np.array(floats), count), operator, number
    dtype = np.dtype(draw(st.sampled_from([each for each in _INTS if each != "u8"])))
    low, high = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    ints = draw(st.lists(st.integers(low, high) | st.sampled_from([low, high]), min_size=1, max_size=5))
    number = draw(st.sampled_from(ints) | st.sampled_from(ints) | st.integers(-(1 << 63), (1 << 63) - 1))
    return np.random.default_rng(seed).choice(np.array(ints, dtype), count), operator, number


@st.composite
def stored_texts(draw: st.DrawFn) -> tuple[Any, ...]:
    """Texts behind one another, some of which are equal, begin so, or differ in one byte."""
    wanted = draw(st.binary(max_size=20))
    more = st.binary(max_size=3)
    near = st.builds(lambda at, byte: wanted[:at] + byte + wanted[at + 1 :], st.integers(0, 20), st.binary(max_size=1))
    texts = draw(st.lists(st.just(wanted) | more | near | more.map(lambda end: wanted + end), max_size=30))
    ends = np.cumsum([0, *map(len, texts)]).astype(draw(st.sampled_from(["u2", "u4", "i8"])))
    return memoryview(b"".join(texts)), ends[:-1], ends[1:], wanted, draw(st.booleans()), np.zeros(len(texts), bool)


SEEDS = st.integers(0, 1 << 30)
QUERYING: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "bounds_around": measured(),
    "count_codes": codes(),
    "enter_proxy": entered(),
    "first_of_neighbours": neighbours(),
    "forget_dead": lives(),
    "group_sums": sums(),
    "int_sum": sums().filter(lambda given: given[1].dtype.kind != "f").map(lambda given: (given[1],)),
    "inner_products": products(),
    "mark_texts": stored_texts(),
    "meet": meetings(),
    "nearest_rows": candidates(),
    "new_proxies": lazies(),
    "none_filled": slotted(),
    "none_set": slotted(),
    "rows_by_part": positions(),
    "rows_where": comparisons(),
}
