"""Looking at lazy objects: their texts are bounded, and what they do not show is not read."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from parcode_orm import ChecksumError, Chunk, Model, Session, ShardedMap, save, verify


class Note(Model):
    text: str = ""
    tags: list[str] = []


class World(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    name: str = ""
    terrain: bytes = Chunk(default=b"")
    story: str = Chunk(default="")
    grid: NDArray[np.int64] = Chunk(default=np.arange(0))
    notes: list[Note] = Chunk(default=[])
    by: dict[str, Note] = ShardedMap(default={})


def shown(path: Path, world: World) -> tuple[str, str, str, int]:
    save(path, world)
    with Session.open(path) as session:
        found = session.root(World)
        return repr(found), repr(found.notes), repr(found.by), session.stats.bytes_read


def test_small_objects_are_shown_as_the_plain_ones(tmp_path: Path) -> None:
    world = World(name="a", notes=[Note(text="b", tags=["c"])] * 3, by={"k": Note()}, terrain=b"x", story="y")
    assert shown(tmp_path / "a.par", world)[:3] == (repr(world), repr(world.notes), repr(world.by))


def test_large_values_are_neither_shown_nor_read(tmp_path: Path) -> None:
    world = World(terrain=b"t" * 1_000_000, story="s" * 900_000, grid=np.arange(100_000))
    text, *_, read = shown(tmp_path / "a.par", world)
    assert "terrain=<1000000 bytes, not read>" in text and "story=<text of 900000 bytes, not read>" in text
    assert "grid=<array of 800000 bytes, not read>" in text and read < 20_000


def test_many_and_long_items_are_cut(tmp_path: Path) -> None:
    long = Note(text="x" * 30_000, tags=["y" * 5_000])
    many = World(name="n" * 50_000, notes=[Note(text=f"note {n}") for n in range(50_000)], by={"k" * 3_000: long})
    text, notes, by, read = shown(tmp_path / "many.par", many)
    assert len(text) < 15_000 and len(by) < 10_000 and "<49990 more>" in notes and read < 300_000
    assert "name='nnnn" in text and "<49500 more characters>" in text and "<2500 more characters>" in by
    text, notes, by, _ = shown(tmp_path / "long.par", World(notes=[long] * 90, by={f"k{n}": long for n in range(90)}))
    assert max(len(text), len(notes), len(by)) < 40_000 and " more>" in notes and " more>" in by


class Loud:
    """What a user's class may do to those who look at it."""

    def __repr__(self) -> str:
        raise ValueError("not now")


class Held(BaseModel):
    text: str = ""
    values: list[Any] = []


class Anything(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True, extra="allow")
    value: Any = None
    held: Held = Held()
    apart: set[str] = Chunk(default=set())
    line: tuple[str, ...] = Chunk(default=())
    some: list[Any] = Chunk(default=[])


LONG = "x" * 1_000_000
VALUES: dict[str, Any] = {
    "text": LONG,
    "bytes": b"x" * 1_000_000,
    "a bytearray": bytearray(1_000_000),
    "texts": [LONG] * 20,
    "many": ["abc"] * 100_000,
    "nested": {"a": [LONG, (LONG, {"b": {LONG}})]},
    "a long key": {LONG: 1},
    "a large dictionary": {str(n): "v" * 100 for n in range(10_000)},
    "sets": [{f"{n}" * 50 for n in range(1_000)}, frozenset(range(1_000))],
    "a large number": 1 << 100_000,
    "an array": np.arange(1_000_000),
    "an array of long texts": np.array([LONG, LONG]),
    "an array of many axes": np.zeros((4, 4, 4, 40, 40)),
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_any_value_is_cut(tmp_path: Path, value: Any) -> None:
    plain = value if not isinstance(value, np.ndarray) else [value]
    world = Anything(value=value, held=Held(values=[value]), some=[plain], more=value)
    save(tmp_path / "a.par", world)
    with Session(tmp_path / "a.par") as session:
        found = session.root(Anything)
        assert len(repr(found)) < 25_000 and len(repr(found.some)) < 15_000
        assert "value=" in repr(found) and "held=Held(" in repr(found)
        assert len(f"{session.dirty} {session.new}") < 1_000
    added = Anything(value=value)
    with Session(":memory:") as session:
        session.add(added)
        session.commit()
        assert len(repr(added)) < 15_000


def test_builtin_values_are_shown_as_they_are(tmp_path: Path) -> None:
    values: list[Any] = [
        (),
        (1,),
        (1, "a"),
        set(),
        {1},
        frozenset(),
        frozenset({2}),
        {},
        {"a": [b"b", None]},
        [[]],
        1.5,
    ]
    world = Anything(value=values, held=Held(text="t", values=values), some=values, line=("a",), more=values)
    save(tmp_path / "a.par", world)
    with Session.open(tmp_path / "a.par") as session:
        assert repr(session.root(Anything)) == repr(world)


def test_large_values_that_are_read_whole_are_not_read(tmp_path: Path) -> None:
    texts = [f"{n}" * 100 for n in range(10_000)]
    save(tmp_path / "a.par", Anything(apart=set(texts), line=tuple(texts)))
    with Session.open(tmp_path / "a.par") as session:
        text = repr(session.root(Anything))
        assert re.search(r"apart=<about \d{7} bytes, not read>, line=<about \d{7} bytes, not read>", text)
        assert session.stats.bytes_read < 20_000
        assert len(session.root(Anything).line) == 10_000
        assert "line=('0000" in repr(session.root(Anything)) and "<9990 more>" in repr(session.root(Anything))


class Node(Model):
    n: int = 0
    below: list[Node] = Chunk(default=[])
    by: dict[str, Node] = ShardedMap(default={})


def test_what_is_nested_deeply_or_widely_is_cut(tmp_path: Path) -> None:
    deep = Node()
    for n in range(150):
        deep = Node(n=n, below=[deep])
    wide = Node(below=[Node(below=[Node(below=[Node(n=n)] * 40)] * 40, by={"a": Node()}) for n in range(40)])
    for node in (deep, wide):
        save(tmp_path / "a.par", node)
        with Session.open(tmp_path / "a.par") as session:
            found = session.root(Node)
            assert len(repr(found)) < 20_000 and len(repr(found.below)) < 20_000
            assert session.stats.bytes_read < 500_000


def test_what_holds_itself_is_cut() -> None:
    with Session(":memory:") as session:
        found = Anything(value=[1])
        session.add(found)
        session.commit()
        found.value.append(found.value)
        found.held.values.append(found.held)
        assert len(repr(found)) < 15_000 and "..." in repr(found)
        session.rollback()


def test_a_repr_that_fails_is_named() -> None:
    with Session(":memory:") as session:
        found = Anything()
        session.add(found)
        session.commit()
        found.value = Loud()
        found.held.values.append(Loud())
        text = "<Loud, its repr raised ValueError>"
        assert f"value={text}" in repr(found) and f"values=[{text}]" in repr(found)
        session.rollback()


def test_objects_are_shown_after_close(tmp_path: Path) -> None:
    """Debuggers and loggers look at objects of closed sessions."""
    many = [Note(text=f"note {n}") for n in range(9_000)]
    save(tmp_path / "a.par", World(name="n", notes=many, by={str(n): each for n, each in enumerate(many)}, story="s"))
    with Session.open(tmp_path / "a.par") as session:
        world = session.root(World)
        notes, by, name = world.notes, world.by, world.name
        first, handle = notes[0], world.lazy("story")
        assert first.text == "note 0" and name == "n"
    text = repr(world)
    assert "name='n'" in text and "terrain=b''" in text
    assert repr(notes).endswith("<8990 more>]") and repr(by).endswith("<8990 more>}")
    assert repr(by.keys()).startswith("KeysView({") and repr(by.items()).startswith("ItemsView({")
    assert "text='note 0'" in repr(first) and repr(handle).startswith("<LazyText of ")
    assert repr(session).endswith("a.par closed>") and str(world)


def test_damage_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    words = random.Random(5)
    story, texts = "s" * 100_000, [words.randbytes(20).hex() for _ in range(5_000)]
    save(tmp_path / "a.par", World(name="whole", story=story, notes=[Note(text=text) for text in texts]))
    data = (tmp_path / "a.par").read_bytes()
    at = data.index(texts[3].encode())
    with Session.open(data[:at] + b"X" + data[at + 1 :]) as session:
        world = session.root(World)
        assert "name='whole'" in repr(world) and "ChecksumError>" in repr(world)
        assert "ChecksumError>" in repr(world.notes)
        with pytest.raises(ChecksumError):
            _ = world.notes[3].text


def test_texts_of_what_sessions_tell_are_bounded(tmp_path: Path) -> None:
    save(tmp_path / "a.par", World(name=LONG))
    with Session(tmp_path / "a.par") as session:
        session.root(World).name = f"{LONG}y"
        session.root(World).by["k" * 100_000] = Note()
        session.commit("m" * 1_000_000)
        newest, _ = session.history()
        changes = list(session.diff(1, 2))
        for each in (newest, session.snapshot, session.stats, session.diff(1), *changes, session.begin_nested()):
            assert len(repr(each)) < 2_000 and " object at 0x" not in repr(each)
        assert len(str(session.diff(1, 2))) < 5_000
    data = bytearray((tmp_path / "a.par").read_bytes())
    for at in range(200, len(data), 5_000):
        data[at] ^= 1
    report = verify(data)
    assert re.fullmatch(r"<VerifyReport of bytes: \d+ problems?>", repr(report)) and len(str(report)) < 20_000
