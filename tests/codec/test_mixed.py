"""Values of which some are stored already: encoded by column they give the bytes that all of them as objects give."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from parcode_orm import Chunk, Model, ShardedMap
from parcode_orm.codec.base import Column
from parcode_orm.codec.columns.mixed import Mixed, encode_parts, joined
from parcode_orm.codec.types.compile import struct_for
from parcode_orm.codec.views.boundary import read_spans
from parcode_orm.codec.views.stretch import Stretch
from parcode_orm.errors import CorruptionError
from parcode_orm.format.encoder import Encoder
from parcode_orm.format.layout import SPAN, Encoding, Kind
from parcode_orm.tuning import TUNING
from tests.codec.harness import MemorySink, MemorySpace
from tests.equality import same


@dataclasses.dataclass
class Point:
    x: int
    y: float | None = None


class Plain(BaseModel):
    name: str = ""


class Leaf(Model):
    n: int = 0
    text: str | None = None


class Special(Leaf):
    more: bool = False


class Extra(Model, extra="allow"):
    n: int = 0
    _secret: int = 1


class Branch(Model):
    title: str = ""
    tags: list[str] = []
    flags: set[int] = set()
    points: list[Point] = []
    by: dict[str, Plain] = {}
    leaf: Leaf | None = None
    inline: list[Leaf] = []
    either: int | str | Leaf = 0
    extra: Extra | None = None
    items: list[Leaf] = Chunk(default=[])
    maps: dict[str, Leaf] | None = ShardedMap(default=None)
    blob: bytes = Chunk(default=b"")


class Twig(Model):
    branches: list[Branch] = Chunk(default=[])
    one: Branch = Chunk(default=Branch())


texts = st.text(max_size=4) | st.sampled_from(["a", "b", "a long text " * 5])
leaves = st.builds(Leaf, n=st.integers(-3, 300), text=st.none() | texts) | st.builds(Leaf, n=st.integers())
any_leaves = leaves | st.builds(Special, more=st.booleans())
extras = st.builds(Extra, n=st.integers(), other=texts) | st.builds(Extra)
few_leaves = st.lists(leaves, max_size=4)
branches = st.builds(
    Branch,
    title=texts,
    tags=st.lists(texts, max_size=3),
    flags=st.sets(st.integers(0, 9), max_size=3),
    points=st.lists(st.builds(Point, st.integers(), st.none() | st.floats()), max_size=3),
    by=st.dictionaries(texts, st.builds(Plain, name=texts), max_size=2),
    leaf=st.none() | any_leaves,
    inline=few_leaves,
    either=st.integers() | texts | leaves,
    extra=st.none() | extras,
    items=st.lists(any_leaves, max_size=4),
    maps=st.none() | st.dictionaries(texts, leaves, max_size=3),
    blob=st.binary(max_size=5),
)
short_branches = st.builds(Branch, title=texts, items=few_leaves) | branches
twigs = st.builds(Twig, branches=st.lists(short_branches, max_size=3), one=branches)


class Reusing(MemorySink):
    """What is stored is referred to."""

    def is_fresh(self, space: Any) -> bool:
        return False

    def refer(self, cls: type[Any], keys: Sequence[Any], fresh: Sequence[Any]) -> None:
        """References are not kept."""

    def learn(self, column: Column) -> None:
        """Schemas are not kept."""

    def reuse(self, value: Any, column: Column) -> Any:
        return getattr(value, "ref", None)


def written(sink: MemorySink, column: Column, parts: list[Any]) -> Encoder:
    out = sink.encoder(Kind.COLUMN)
    encode_parts(column, joined(parts), out)
    return out


def stored(sink: MemorySink, column: Column, parts: list[Any]) -> Any:
    """The view of what was written."""
    ticket = sink.submit(written(sink, column, parts))
    space = MemorySpace(sink)
    return column.view(space.chunk(ticket.reference), 0, space)  # type: ignore[arg-type]


@st.composite
def cut(draw: Any, values: list[Any]) -> list[tuple[int, int, bool]]:
    """The values in stretches, each stored already or not."""
    places = sorted(draw(st.sets(st.integers(0, len(values)), max_size=4)) | {0, len(values)})
    return [(a, b, draw(st.booleans())) for a, b in pairwise(places)]


@pytest.mark.parametrize(
    ("cls", "strategy"), [(Leaf, leaves), (Extra, extras), (Branch, branches), (Twig, twigs), (Leaf, any_leaves)]
)
@given(data=st.data())
def test_mixed_values_are_those_values(cls: type[Any], strategy: Any, data: Any) -> None:
    values = data.draw(st.lists(strategy, min_size=1, max_size=6))
    column = struct_for(cls)
    parts = data.draw(cut(values))
    for kind in (MemorySink, Reusing):
        sink = kind()
        mixed: list[Any] = [
            Stretch(stored(sink, column, [values[a:b]]), 0, b - a, True) if before else values[a:b]
            for a, b, before in parts
            if a < b
        ]
        view = stored(sink, column, mixed)
        assert same(view.read(0, len(values)), values)
        a, b = sorted(data.draw(st.tuples(st.integers(0, len(values)), st.integers(0, len(values)))))
        assert same(view.read(a, b), values[a:b]) and same([view.get(i) for i in range(a, b)], values[a:b])
        again = Reusing()
        again.chunks, again.end = sink.chunks, sink.end
        if a < b:
            assert same(stored(again, column, [Stretch(view, a, b, True)]).read(0, b - a), values[a:b])


@pytest.mark.parametrize("cls", [Leaf, Branch])
def test_mixed_values_give_the_bytes_of_plain_ones(cls: type[Any]) -> None:
    values: list[Any] = [Leaf(n=n, text=f"text {n % 3}" if n % 4 else None) for n in range(50)]
    if cls is Branch:
        values = [Branch(title=f"t{n}", inline=values[: n % 5], tags=["a"] * (n % 3), flags={n, 1}) for n in range(50)]
    column = struct_for(cls)
    sink = MemorySink()
    view = stored(sink, column, [values])
    plain = written(sink, column, [values])
    mixed = written(sink, column, [Stretch(view, 0, 10, True), values[10:13], Stretch(view, 13, 50, True)])
    assert (plain.entries, plain.buffers) == (mixed.entries, mixed.buffers)


def nodes(out: Encoder) -> list[str]:
    return [entry[0].name for entry in out.entries]


def test_what_is_stored_is_named_not_copied() -> None:
    column = struct_for(Branch)
    items = [Branch(title=f"t{n}", items=[Leaf(n=n)] * 3) for n in range(20)]
    sink = Reusing()
    view = stored(sink, column, [items])
    found = written(sink, column, [Stretch(view, 3, 5, True), [Branch(title="new")], Stretch(view, 9, 20, True)])
    again = written(sink, column, [Stretch(view, 0, 20, True)])
    assert nodes(again).count("REFERENCE") == 3 and "SPANS" not in nodes(again)
    assert nodes(found).count("SPANS") == 3


def test_many_small_chunks_are_written_together() -> None:
    column = struct_for(Branch)
    sink, few = Reusing(), TUNING.few_chunks
    views = [stored(sink, column, [[Branch(items=[Leaf(n=n)])]]) for n in range(few)]
    for count, spans in ((few - 1, 3), (few, 0)):
        found = written(sink, column, [Stretch(view, 0, 1, True) for view in views[:count]])
        assert nodes(found).count("SPANS") == spans


@pytest.mark.parametrize(("fresh", "named", "chunks"), [(5, 5, 2), (5, 6, 3), (1, 4, 2), (1, 5, 3), (0, 5, 2)])
def test_the_last_values_of_a_mostly_dead_chunk_are_written_with_new_ones(fresh: int, named: int, chunks: int) -> None:
    """Four for each new one at most, of a chunk of which a quarter is used at most. Without new ones, none."""
    column = struct_for(Branch)
    sink = Reusing()
    items = [Branch(items=[Leaf(n=n, text="x" * 900)]) for n in range(20)]
    view, other = stored(sink, column, [items]), stored(sink, column, [items])
    new = [Branch(items=[Leaf(n=-1)])] * fresh
    found = written(sink, column, [Stretch(view, 0, named, True), new, Stretch(other, 0, 15, True)])
    assert nodes(found).count("SPANS") == 3 and len(found.refs) == 3 * chunks
    assert stored(sink, column, [Stretch(view, 0, named, True), new]).read(0, named + fresh) == [*items[:named], *new]


@pytest.mark.parametrize(
    ("spans", "count", "what"),
    [
        ([(0, 0, 1), (0, 2, 1)], 2, ""),
        ([(0, 0, 3)], 2, "spans of 3 values where 2 belong"),
        ([(0, 0, 0), (0, 0, 2)], 2, "spans of 2 values"),
        ([(1, 0, 2)], 2, "reference 1 of 1"),
        ([], 2, "0 bytes of spans"),
        ([(0, 2, 2)], 2, "value 3 of 3"),
        ([(0, 9, 2)], 2, "value 9 of 3"),
    ],
)
def test_spans_that_lead_nowhere_are_damage(spans: list[tuple[int, int, int]], count: int, what: str) -> None:
    column = dict(struct_for(Branch).fields)["items"]
    sink = MemorySink()
    inner = sink.encoder(Kind.COLUMN)
    column.inner.encode([[Leaf(n=1)], [Leaf(n=2)], []], inner)  # type: ignore[attr-defined]
    out = sink.encoder(Kind.COLUMN)
    out.ref(sink.submit(inner))
    out.leaf(Encoding.SPANS, count, b"".join(SPAN.pack(*span) for span in spans))
    space = MemorySpace(sink)
    chunk = space.chunk(sink.submit(out).reference)  # type: ignore[arg-type]
    try:
        view = column.view(chunk, 0, space)
        found = view.read(0, count)
        assert [view.get(i) for i in range(count)] == found == [[Leaf(n=1)], []] and not what
        assert read_spans(chunk, 0) == spans
    except CorruptionError as problem:
        assert what and what in str(problem)


def test_cutting_and_joining() -> None:
    column = struct_for(Leaf)
    sink = MemorySink()
    values = [Leaf(n=n) for n in range(10)]
    view = stored(sink, column, [values])
    mixed = Mixed(joined([Stretch(view, 0, 2, False), Stretch(view, 2, 4, False), values[4:6], values[6:7]]))
    assert len(mixed) == 7 and len(mixed.parts) == 2 and mixed.in_memory() == values[4:7]
    for a in range(8):
        for b in range(a, 8):
            assert mixed.cut(a, b).plain(column) == values[a:b]
