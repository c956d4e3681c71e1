"""A diff compares columns: it finds what a comparison row by row finds, in that order, whatever the rows are."""

from __future__ import annotations

import enum
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, PrivateAttr
from typing_extensions import TypedDict

from parcode_orm import Chunk, Model, Session, ShardedMap
from parcode_orm.codec.columns import boundary
from parcode_orm.lazy.rows import TablePairs
from parcode_orm.session.space import FileSpace
from tests.effort import half
from tests.session.rowwise import differences
from tests.small import small_constants
from tests.strategies import Typed, types


class Turn(Model):
    """A root that is another one each time, so that there are two commits."""

    n: int = 0


@contextmanager
def tables() -> Iterator[None]:
    """Collections of a few rows are tables, of one row group each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boundary, "LARGE", 64)
        yield


def found_in(first: Any, second: Any) -> list[str]:
    """The differences of two objects as text, checked against a comparison row by row, forth and back."""
    cls = type(first)
    with Session(":memory:") as session:
        for turn, each in enumerate((first, second)):
            session.add_all([each, Turn(n=turn)], replace=True)
            session.commit()
        differences(session, 2, 1, cls)
        return list(map(str, differences(session, 1, 2, cls)))


# -- rows of every kind ---------------------------------------------------------------------------------------------


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Pair(NamedTuple):
    left: int
    right: str


class Typing(TypedDict):
    a: int
    b: list[float]


@dataclass
class Point:
    x: float = 0.0
    y: Any = None


class Plain(BaseModel):
    model_config = ConfigDict(extra="allow")
    n: int = 0
    tags: list[str] = []


class Below(Model):
    n: int = 0
    text: str = ""
    point: Point = Point()


class Deeper(Below):
    more: float = 0.0


class Other(Model):
    n: int = 0


class Row(Model):
    model_config = ConfigDict(extra="allow")
    n: int = 0
    x: float = 0.0
    on: bool = False
    text: str = ""
    note: str | None = None
    data: bytes = b""
    anything: Any = None
    mixed: int | str | None = None
    either: float | bool = False
    price: Decimal = Decimal(0)
    when: datetime | None = None
    colour: Colour = Colour.RED
    pair: Pair = Pair(0, "")
    typing: Typing = {"a": 0, "b": []}
    spot: tuple[int, float] = (0, 0.0)
    tags: list[str] = []
    numbers: list[float] = []
    counts: dict[str, int] = {}
    kinds: set[int] = set()
    point: Point = Point()
    plain: Plain = Plain()
    below: Below = Below()
    maybe: Below | None = None
    union: Below | Other | None = None
    kids: list[int] = Chunk(default=[])
    large: bytes = Chunk(default=b"")
    apart: Below = Chunk(default=Below())
    _hits: int = PrivateAttr(default=0)
    _memo: list[int] = PrivateAttr(default_factory=list)


class Holder(Model):
    rows: list[Row] = Chunk(default=[])
    big: dict[str, Row] = ShardedMap(default={})


NAN = struct.unpack("<d", b"\1\0\0\0\0\0\xf8\x7f")[0]
CHANGES: dict[str, list[Any]] = {
    "n": [1, -1, 300, 1 << 40, -(1 << 40), 1 << 70],
    "x": [-0.0, 1.0, float("nan"), NAN, float("inf")],
    "on": [True],
    "text": ["a", "ä", "\0", "\ud800", "word " * 10],
    "note": ["", "a", "\0"],
    "data": [b"a", b"\0" * 9],
    "anything": [0, False, 0.0, -0.0, "", b"", [1], [True], {"a": 1}, {"a": 1.0}, Decimal("1.0")],
    "mixed": [0, "", "0", 1],
    "either": [0.0, 1.0, True, -0.0],
    "price": [Decimal("0.0"), Decimal("-0"), Decimal("NaN"), Decimal(1)],
    "when": [datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, fold=1)],
    "colour": [Colour.BLUE],
    "pair": [Pair(1, ""), Pair(0, "a")],
    "typing": [{"a": 1, "b": []}, {"a": 0, "b": [0.0]}, {"a": 0, "b": [-0.0]}],
    "spot": [(0, -0.0), (1, 0.0), (0, float("nan"))],
    "tags": [["a"], ["a", "b"], [""], ["ab"]],
    "numbers": [[0.0], [-0.0], [0.0, 1.0]],
    "counts": [{"a": 1}, {"a": 2}, {"b": 1}, {"a": 1, "b": 2}, {"b": 2, "a": 1}],
    "kinds": [{1}, {1, 2}],
    "point": [Point(-0.0), Point(0.0, 1), Point(0.0, True)],
    "plain": [Plain(n=1), Plain(tags=["a"]), Plain(more=1)],  # type: ignore[call-arg]
    "below": [Below(n=1), Below(point=Point(1.0)), Deeper(), Deeper(n=1), Deeper(more=1.0)],
    "maybe": [Below(), Below(text="a"), Deeper()],
    "union": [Below(), Other(), Below(n=1), Other(n=1), Deeper()],
    "kids": [[1], [1, 2], list(range(100))],
    "large": [b"a", bytes(100), b"a" * 100],
    "apart": [Below(n=1), Deeper()],
    "more": [1, True, "text"],
    "extra": [None, []],
    "_hits": [1, 2],
    "_memo": [[1], [1, 2]],
}


def changed(row: Row, name: str, value: Any) -> Row:
    found = row.model_copy(deep=True)
    setattr(found, name, value)
    return found


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("constants", [small_constants, tables])
def test_each_field_of_every_row(name: str, constants: Callable[[], Any]) -> None:
    """Each value against each other one, and among rows that stay as they are."""
    values = [getattr(Row(), name, 0), *CHANGES[name], getattr(Row(), name, 0)]
    rows = [changed(Row(n=i), name, value) for i, value in enumerate(values)]
    for step in (1, len(values) // 2):
        turned = values[step:] + values[:step]
        others = [changed(Row(n=i), name, value) for i, value in enumerate(turned)]
        with constants():
            found = found_in(
                Holder(rows=[*rows, *rows], big={f"k{i}": row for i, row in enumerate(rows)}),
                Holder(rows=[*others, *rows], big={f"k{i}": row for i, row in enumerate(others)}),
            )
        assert found


MUTATIONS = st.lists(
    st.tuples(
        st.sampled_from(["set", "set", "set", "insert", "delete", "move", "drop a field", "all"]),
        st.integers(0, 1000),
        st.sampled_from([(name, value) for name, values in CHANGES.items() for value in values]),
    ),
    max_size=12,
)


def mutate(rows: list[Row], kind: str, place: int, name: str, value: Any) -> None:
    at = place % len(rows) if rows else 0
    if kind == "insert":
        rows.insert(at, Row(**{name: value}) if name in Row.model_fields else Row())
    elif kind == "all":
        rows[:] = [changed(row, name, value) for row in rows]
    elif rows and kind == "delete":
        del rows[at]
    elif rows and kind == "move":
        rows.append(rows.pop(at))
    elif rows and kind == "drop a field" and name in Row.model_fields:
        kept = {key: each for key, each in rows[at].__dict__.items() if key != name}
        rows[at] = Row.model_construct(set(kept), **kept)
    elif rows and kind == "set":
        rows[at] = changed(rows[at], name, value)


@half(60)
@given(MUTATIONS, MUTATIONS, st.integers(0, 40), st.booleans())
def test_rows_that_were_changed_in_many_ways(before: Any, after: Any, count: int, small: bool) -> None:
    rows = [Row(n=i % 7, text=f"{i}", note=None if i % 3 else "note") for i in range(count)]
    for kind, place, (name, value) in before:
        mutate(rows, kind, place, name, value)
    others = [row.model_copy(deep=True) for row in rows]
    for kind, place, (name, value) in after:
        mutate(others, kind, place, name, value)
    with small_constants() if small else tables():
        found_in(
            Holder(rows=rows, big={str(i): row for i, row in enumerate(rows)}),
            Holder(rows=others, big={str(i): row for i, row in enumerate(others)}),
        )


@st.composite
def holders(draw: st.DrawFn) -> tuple[type[Model], st.SearchStrategy[Model]]:
    """A class with a list and a map of rows of some type, and instances."""
    typed: Typed = draw(types(3))
    tp: Any = typed.annotation
    cls = pydantic.create_model(
        "Holds", __base__=_Base, rows=(list[tp], Chunk(default=[])), big=(dict[str, tp], ShardedMap(default={}))
    )
    some = draw(st.lists(typed.values, min_size=1, max_size=4))  # rows repeat, so that the columns are of all encodings
    values = st.lists(st.sampled_from(some) | typed.values, max_size=30)
    keys = st.lists(st.integers(0, 40).map("k{}".format), unique=True, max_size=30)
    pairs = st.tuples(keys, values).map(lambda both: dict(zip(*both, strict=False)))
    return cls, st.builds(cls, rows=values, big=pairs)


class _Base(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)


@half(100)
@given(st.data(), st.booleans())
def test_rows_of_any_type(data: st.DataObject, small: bool) -> None:
    _, values = data.draw(holders())
    first, second = data.draw(values), data.draw(values)
    if data.draw(st.booleans()):  # most of it as it was
        first, second = (each.model_copy(update={"rows": first.rows + each.rows}) for each in (first, second))  # type: ignore[attr-defined]
    with small_constants() if small else tables():
        found_in(first, second)


# -- keys -------------------------------------------------------------------------------------------------------------


class Key(Model):
    model_config = ConfigDict(frozen=True)
    n: int


class Keyed(Model):
    big: dict[Any, int] = ShardedMap(default={})
    other: dict[Key, int] = ShardedMap(default={})


KEYS: list[Any] = [
    "a", "b", "ab", "", 0, 1, 2, -1, 0.5, 1e300, float("nan"), b"a", None, Decimal("1.5"), (1, 2), (1, "a"),
    datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC), Key(n=1), Key(n=2), *range(10, 40), *map(str, range(40)),
]  # fmt: skip


@half(80)
@given(
    st.lists(st.sampled_from(range(len(KEYS))), unique=True, max_size=60),
    st.lists(st.tuples(st.sampled_from(["drop", "add", "turn", "swap", "bump"]), st.integers(0, 100)), max_size=8),
    st.booleans(),
)
def test_keys_that_come_go_and_move(places: list[int], edits: list[tuple[str, int]], small: bool) -> None:
    keys = [KEYS[i] for i in places]
    values = list(range(len(keys)))
    others = list(zip(keys, values, strict=True))
    for kind, place in edits:
        at = place % (len(others) or 1)
        if kind == "drop":
            del others[at : at + 1]
        elif kind == "add" and KEYS[place % len(KEYS)] not in [key for key, _ in others]:
            others.insert(at, (KEYS[place % len(KEYS)], place))
        elif kind == "turn":
            others = others[at:] + others[:at]
        elif kind == "swap" and len(others) > 1:
            others[at], others[at - 1] = others[at - 1], others[at]
        elif kind == "bump" and others:
            others[at] = (others[at][0], -1)
    with small_constants() if small else tables():
        found_in(Keyed(big=dict(zip(keys, values, strict=True))), Keyed(big=dict(others)))


def test_keys_that_are_equal_and_of_other_types_are_one_key() -> None:
    rows = {i: i for i in range(100)}
    others = {bool(i) if i < 2 else float(i): i + (i == 7) for i in range(100)}
    with tables():
        assert found_in(Keyed(big=rows), Keyed(big=others)) == ["~ Keyed.big[7]: 7 -> 8"]


def test_keys_in_the_same_order_are_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[Any] = []
    position = TablePairs.position
    monkeypatch.setattr(TablePairs, "position", lambda rows, key: looked_up.append(key) or position(rows, key))
    first = {f"k{i}": i for i in range(10_000)}
    second = {**{f"k{i}": -i for i in range(10_000) if i not in (500, 9_000)}, "new": 1}
    with Session(":memory:") as session:
        for each in (first, second):
            session.add_all([Keyed(big=each), Turn(n=len(each))], replace=True)
            session.commit()
        found = list(session.diff(1, 2, Keyed))
    assert len(found) == 10_000 and found[-1].where == "Keyed.big['new']"
    assert looked_up == ["k500", "k9000", "k501", "k9001", "new"]


# -- how much is read -------------------------------------------------------------------------------------------------


@pytest.fixture
def proxies(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The classes of the lazy objects that are made."""
    made: list[str] = []
    proxy = FileSpace.proxy

    def counting(space: FileSpace, view: Any, row: int) -> Any:
        made.append(view.cls.__name__)
        return proxy(space, view, row)

    monkeypatch.setattr(FileSpace, "proxy", counting)
    return made


def turned(session: Session, first: Any, second: Any) -> None:
    for turn, each in enumerate((first, second)):
        session.add_all([each, Turn(n=turn)], replace=True)
        session.commit()


def test_rows_of_which_every_field_is_known_make_no_objects(proxies: list[str]) -> None:
    rows = [Row(n=i, maybe=Below(n=i) if i % 2 else None, kids=[i], tags=["a"]) for i in range(6_000)]
    others = [row.model_copy(update={"n": -1, "when": datetime(2026, 1, 1)}) for row in rows]
    with Session(":memory:") as session:
        turned(session, Holder(rows=rows, big={str(row.n): row for row in rows}), Holder(rows=others, big={}))
        proxies.clear()
        found = [each for each in session.diff(1, 2, Holder) if each.path[1] == "rows"]
        assert len(found) == 12_000
        assert "Row" not in proxies[:-6_000]  # those of the other field were removed, each with its object


def test_the_first_difference_is_found_by_reading_little() -> None:
    rows = [Row(n=i) for i in range(6_000)]
    with Session(":memory:") as session:
        turned(session, Holder(rows=rows), Holder(rows=[row.model_copy(update={"n": -1}) for row in rows]))
        before = session.stats.rows_read
        assert session.diff(1, 2, Holder)
        assert session.stats.rows_read - before < 20
        assert len(list(session.diff(1, 2, Holder))) == 6_000
        assert 2 * 6_000 <= session.stats.rows_read - before < 5 * 6_000
