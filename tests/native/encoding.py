"""Arguments for the functions that take values apart and pack them."""

from __future__ import annotations

from copy import deepcopy
from random import Random
from typing import Any

from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, RootModel

from parcode_orm.codec.kernels import pack
from parcode_orm.codec.views.build import FullSet
from parcode_orm.format.checksum import checksum
from parcode_orm.format.encoder import Ticket
from parcode_orm.format.layout import CHUNK_HEADER, CHUNK_MAGIC, Kind, Reference
from tests.native.strategies import FLOATS, SCALARS, sequences

WIDE = st.one_of(*(st.integers(-(1 << bits), 1 << bits) for bits in (3, 8, 16, 32, 63, 66)), st.integers())
TEXTS = st.one_of(st.text(), st.text(st.characters(codec=None)), st.text("a\0\u00e9\u20ac\U0001f600\ud800", max_size=4))
KEYS = st.one_of(TEXTS, st.integers(0, 600).map(lambda size: "key-" * size))


class Thing(BaseModel):
    a: int = 0
    b: str = ""
    c: list[int] = []


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")
    a: int = 0


class Sub(Thing):
    pass


class Root(RootModel[int]):
    pass


def _lacking(thing: Thing) -> Thing:
    del thing.__dict__["b"]
    return thing


def _with_note(thing: Thing) -> Thing:
    thing.__dict__["note"] = 1
    return thing


def _reordered(thing: Thing) -> Thing:
    thing.__dict__["a"] = thing.__dict__.pop("a")
    return thing


FULL = {"a", "b", "c"}
WHOLE = st.builds(Thing, a=st.integers(), b=st.text(max_size=3), c=st.lists(st.integers(), max_size=3))
SHARED = WHOLE.map(lambda thing: Thing.model_construct(FullSet(FULL), **thing.__dict__))
ODD = st.one_of(
    st.builds(Thing),
    st.builds(lambda names: Thing.model_construct(names, a=1, b="b", c=[]), st.sets(st.sampled_from("abcdef"))),
    *(WHOLE.map(change) for change in (_lacking, _with_note, _reordered)),
    st.builds(Sub),
    st.builds(Open, a=st.just(1), more=st.integers()),
    st.builds(Open),
    st.builds(Root, st.just(1)),
)
MODELS = sequences(WHOLE) | sequences(SHARED | WHOLE) | st.lists(WHOLE | ODD, max_size=5) | sequences(SCALARS)


def are_models(values: Any) -> bool:
    return all(isinstance(value, BaseModel) for value in values)


ROWS = st.fixed_dictionaries({"a": st.integers(), "b": st.text(max_size=3), "c": st.none()}, optional={"d": st.none()})
NAMES = st.lists(st.sampled_from("abcd"), unique=True).map(tuple)
LISTS = st.lists(SCALARS, max_size=4) | st.lists(SCALARS, max_size=4).map(tuple)
NESTED = sequences(LISTS) | sequences(LISTS | st.dictionaries(st.integers(), st.integers(), max_size=3) | st.text())
HASHES = st.lists(st.integers(0, 9) | st.integers(0, (1 << 64) - 1), max_size=300)
MANY_HASHES = st.builds(lambda seed, few: Random(seed).choices(few, k=5000), st.integers(0, 9), HASHES.filter(len))

NUMBERS = st.integers(0, 255) | st.integers(-1, 1 << 33)
EDGES = st.binary(max_size=20)
NODES = st.tuples(st.integers(0, 99), *[st.integers(0, 3) | NUMBERS] * 5, EDGES, EDGES).map(list)
REFERENCES = st.lists(st.tuples(*[st.integers(0, 1 << 64)] * 3, st.integers(1, 9)), max_size=3)
BUFFERS = (
    st.binary(max_size=20) | st.sampled_from([b"ab" * 150, bytes(4096), bytes(4095)]) | st.just(memoryview(b"abc"))
)
HEADER = CHUNK_HEADER.pack(CHUNK_MAGIC, Kind.COLUMN, 0, 0, 0, 0, 0, 7)


@st.composite
def small_chunks(draw: st.DrawFn) -> tuple[Any, ...]:
    entries = draw(st.lists(NODES, max_size=4))
    buffers = draw(st.lists(BUFFERS, min_size=len(entries), max_size=len(entries)))
    return HEADER, entries, buffers, draw(REFERENCES), checksum, draw(st.sampled_from([1 << 16, 4500, 300]))


DEEP = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from([1, True, "a", b"", None, 0.0]), inner, max_size=3)
    ),
    max_leaves=6,
)


@st.composite
def compared(draw: st.DrawFn) -> tuple[Any, ...]:
    """Values beside others, most of which are copies."""
    values = draw(sequences(DEEP | st.just(Thing())))
    other = draw(st.dictionaries(st.integers(0, len(values)), DEEP, max_size=3))
    stored = [other.get(at, value) for at, value in enumerate(deepcopy(values))]
    return values, stored + draw(st.sampled_from([[], [], [], [0]]))


class Numbered:
    """What has a number, or none."""

    __slots__ = ("n",)

    def __init__(self, *numbers: Any) -> None:
        for self.n in numbers:
            pass


def numbered(*odd: Any) -> st.SearchStrategy[list[Numbered]]:
    numbers = st.integers(0, 300) | st.integers(0, (1 << 64) - 1)
    return st.lists((numbers | st.sampled_from(odd) if odd else numbers).map(Numbered), max_size=70)


def ticket(reference: Any) -> Ticket:
    made = Ticket()
    made.reference = reference
    return made


PLACED = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.just(1)).map(Reference._make)
TARGETS = st.lists(PLACED | PLACED.map(ticket), max_size=6)

ENCODING: dict[str, st.SearchStrategy[tuple[Any, ...]]] = {
    "all_set": st.tuples(MODELS, st.just(FULL) | st.sets(st.sampled_from("abc"))),
    "are_distinct": st.tuples(MODELS | st.lists(st.sampled_from([object() for _ in range(40)]))),
    "columns_of": st.tuples(sequences(ROWS) | MODELS.filter(lambda rows: not rows), NAMES),
    "compare_values": compared(),
    "field_of": st.tuples(MODELS.filter(are_models), st.sampled_from("abc")),
    "flatten": st.tuples(NESTED | st.lists(SCALARS, max_size=3)),
    "float_range": sequences(FLOATS).map(lambda values: (values, pack("d", values))),
    "hash_plain": st.tuples(
        sequences(KEYS) | sequences(WIDE) | sequences(SCALARS) | st.just([]), st.just(0) | st.integers(0, (1 << 64) - 1)
    ),
    "is_varied": st.tuples(sequences(TEXTS) | sequences(SCALARS) | sequences(st.sampled_from("abc")) | st.just([])),
    "models_apart": st.tuples(MODELS, st.sampled_from([Thing, Open]), NAMES),
    "offsets_of": st.tuples(NESTED | sequences(SCALARS) | st.just([])),
    "pack_bools": st.tuples(sequences(st.booleans()) | sequences(SCALARS)),
    "pack_exact_ints": st.tuples(sequences(WIDE) | sequences(SCALARS) | st.just([])),
    "pack_field": st.tuples(
        numbered() | numbered(-1) | numbered("", None) | st.lists(st.just(Numbered()), max_size=2), st.just("n")
    ),
    "pack_floats": st.tuples(sequences(FLOATS) | sequences(SCALARS)),
    "pack_text": st.tuples(sequences(TEXTS) | sequences(SCALARS) | st.just([])),
    "present": st.tuples(sequences(st.none() | SCALARS) | sequences(FLOATS)),
    "references_of": st.tuples(
        TARGETS | st.lists(PLACED | st.just(ticket(None))), st.just(Ticket), st.integers(0, 9), st.just(set())
    ),
    "small_chunk": small_chunks(),
    "spaced": st.tuples(st.dictionaries(SCALARS, SCALARS), st.integers(1, 5), st.integers(0, 6)),
    "tuples_apart": st.tuples(NESTED | sequences(st.tuples(SCALARS, SCALARS)) | st.just([]), st.integers(0, 3)),
    "most_references": st.just(([],)),  # a test of its own counts references, as what was found holds some
    "names_within": st.tuples(MODELS.filter(are_models)),
    "types_within": st.tuples(MODELS.filter(are_models)),
    "types_of": st.tuples(sequences(SCALARS) | MODELS | st.just([])),
    "sort_hashes": st.tuples((HASHES | MANY_HASHES).map(lambda hashes: pack("Q", hashes))),
}
