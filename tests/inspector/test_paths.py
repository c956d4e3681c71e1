"""Paths lead to what Python's own steps lead to; their texts are canonical; what is wrong is named with its column."""

from __future__ import annotations

import collections
import copy
import enum
import uuid
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel
from typing_extensions import TypedDict

import parcode_orm
from parcode_orm import Chunk, Key, LazyBytes, Model, PathError, Session, ShardedMap, select
from parcode_orm.inspector.paths import find, resolve, rows
from parcode_orm.inspector.steps import Path, Step, literal_of, parse
from tests.effort import half
from tests.kinds import KEYS
from tests.strategies import ANYTHING, objects, same

pytestmark = pytest.mark.once


class Hue(enum.Enum):
    RED = 1
    BLUE = "blue"


class Card(TypedDict, total=False):
    title: str
    days: dict[date, int]


class Player(Model):
    level: int
    inventory: list[int] = Chunk()


class World(Model):
    name: str
    terrain: bytes = Chunk()
    players: dict[str, Player] = ShardedMap()
    days: dict[date, int] = {}
    ids: dict[uuid.UUID, Player] = ShardedMap(default={})
    hues: dict[Hue, int] = {}
    pairs: dict[tuple[int, Hue], str] = {}
    card: Card = {}
    anything: Any = None
    queue: collections.deque[int] = collections.deque()


class Trade(Model):
    id: int = Key(auto=True)
    price: int


NUMBER = uuid.UUID(int=7)


@pytest.fixture
def session(tmp_path: FilePath) -> Iterator[Session]:
    world = World(
        name="x", terrain=bytes(range(256)) * 1_000,
        players={f"h{n}": Player(level=n, inventory=[n]) for n in range(50)},
        days={date(2020, 1, 1): 1}, ids={NUMBER: Player(level=0, inventory=[])}, hues={Hue.RED: 3},
        pairs={(1, Hue.BLUE): "p"}, card={"title": "t", "days": {date(2021, 1, 1): 2}},
        anything={date(2022, 1, 1): [5]}, queue=collections.deque([1, 2, 3]),
    )  # fmt: skip
    with Session(tmp_path / "a.par") as made:
        made.add(world)
        made.add_all(Trade(price=n) for n in range(20))
        made.commit()
    with Session.open(tmp_path / "a.par") as opened:
        yield opened


@pytest.mark.parametrize(
    ("path", "found", "canonical"),
    [
        ('players["h7"].level', 7, 'World.players["h7"].level'),
        (" World . players [ 'h7' ] . inventory [ : 1 ] ", [7], 'World.players["h7"].inventory[:1]'),
        ('["World"]."name"', "x", "World.name"),
        ("Trade[5].price", 4, "Trade[5].price"),
        ('days["2020-01-01"]', 1, 'World.days["2020-01-01"]'),
        (f'ids["{NUMBER}"].level', 0, f'World.ids["{NUMBER}"].level'),
        ('hues["RED"]', 3, 'World.hues["RED"]'),
        ("hues[1]", 3, 'World.hues["RED"]'),
        ('pairs[(1, "BLUE")]', "p", 'World.pairs[(1, "BLUE")]'),
        ("pairs[(1, 'blue',)]", "p", 'World.pairs[(1, "BLUE")]'),
        ("card.title", "t", "World.card.title"),
        ('card.days["2021-01-01"]', 2, 'World.card.days["2021-01-01"]'),
        ('anything["2022-01-01"][-1]', 5, 'World.anything["2022-01-01"][0]'),
        ("queue[1:]", [2, 3], "World.queue[1:]"),
        ("terrain[254:257]", b"\xfe\xff\x00", "World.terrain[254:257]"),
        ("terrain[-1]", 255, "World.terrain[255999]"),
        ("name[:1]", "x", "World.name[:1]"),
    ],
)
def test_a_path_and_its_value(session: Session, path: str, found: Any, canonical: str) -> None:
    place = find(session, path)
    assert (place.value, str(place.path)) == (found, canonical)
    assert resolve(session, canonical) == found and parse(str(place.path)) == place.path


def test_collections(session: Session) -> None:
    assert session.scalars(select(rows(session, "players"))).count() == 50
    assert session.scalars(select(rows(session, "Trade"))).count() == 20  # by the class, so indexes serve
    assert [each.price for each in resolve(session, "Trade[-2:]").values()] == [18, 19]
    assert list(resolve(session, "players[48:]")) == ["h48", "h49"]
    before = session.stats.bytes_read
    assert isinstance(resolve(session, "terrain"), LazyBytes) and len(resolve(session, "terrain")) == 256_000
    assert session.stats.bytes_read - before < 10_000


@pytest.mark.parametrize(
    ("path", "column", "words"),
    [
        ("", 1, "empty path"),
        (".x", 1, "begins with a name"),
        ("plyers", 1, "did you mean players?"),
        ("Other.x", 1, 'no "Other" in the file'),
        ("World.lvl", 6, 'no field "lvl"'),
        ("players.h7", 8, 'keys stand in brackets: ["h7"]'),
        ('players["h7x"]', 8, 'no key "h7x": it has 50 keys; did you mean "h7"'),
        ('players["h7"][0]', 14, "a Player, and has no items: its fields are written .level"),
        ('players["h7"].inventory[1]', 24, "has 1 item, and none at 1"),
        ('players["h7"].inventory["a"]', 24, "in brackets stands a position"),
        ('players["h7"].inventory[True]', 24, "in brackets stands a position"),
        ("name.x", 5, "a str, and has no fields"),
        ("name.__class__", 5, "has no fields"),
        ("World.__class__", 6, "no field"),
        ("World.model_dump", 6, "no field"),
        ("World._p_state", 6, "no field"),
        ('players["h7"', 13, "] is missing"),
        ("players[h7]", 9, 'write ["h7"]'),
        ("players[UUID('6f')]", 9, 'write ["..."], without UUID()'),
        ("players[1, 2]", 9, "in parentheses"),
        ("players[__import__('os')]", 9, "a key is a text"),
        ("players[9**9]", 10, "] is missing"),
        ("players[" + "9" * 500 + "]", 9, "more than 400 digits"),
        ("players[" + "(" * 500 + "]", 42, "tuples in each other"),
        ('players["\\q"]', 10, "no escape"),
        ('players["\\U00110000"]', 10, "no escape"),
        ("level[:1]x", 10, "after a value"),
        ("Trade[1].price[:1]", 15, "no order"),
        ("a." * 40_000, 1, "at most 65,536 characters"),
        ('Trade[""]', 6, "it has 20 keys: there is 1, 2, 3"),
    ],
)
def test_what_is_wrong_is_named_with_its_column(session: Session, path: str, column: int, words: str) -> None:
    with pytest.raises(PathError) as error:
        resolve(session, path)
    assert words in str(error.value) and f"(column {column})" in str(error.value)


def test_several_roots(tmp_path: FilePath) -> None:
    odd: Any = type(Model)("Page[int]", (Model,), {"__annotations__": {"a b": int}, "__module__": "app"})
    same_name: Any = type(Model)("Trade", (Model,), {"__annotations__": {"title": str}, "__module__": "app"})
    with Session(tmp_path / "a.par") as session:
        session.add_all([odd(**{"a b": 1}), same_name(title="t"), Trade(price=3)])
        session.commit()
    with Session.open(tmp_path / "a.par") as session:
        assert str(find(session, '"Page[int]"."a b"').path) == '"Page[int]"."a b"'
        assert resolve(session, '["Page[int]"]."a b"') == 1
        assert resolve(session, "Trade.title") == "t" and resolve(session, '"Trade[]"[1].price') == 3
        with pytest.raises(PathError, match="a field is found without its root where there is one root"):
            resolve(session, "title")


LITERALS = st.recursive(
    st.text() | st.integers() | st.floats(allow_nan=False) | st.booleans() | st.none() | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple),
    max_leaves=4,
)
PLACES = st.none() | st.integers(-(10**9), 10**9)
STEPS = (
    st.builds(Step, st.just("name"), st.text())
    | st.builds(Step, st.just("key"), LITERALS)
    | st.builds(Step, st.just("slice"), st.tuples(PLACES, PLACES))
)


@given(st.builds(lambda name, steps: Path((Step("name", name), *steps)), st.text(), st.lists(STEPS, max_size=4)))
def test_the_text_of_a_path_gives_the_path(path: Path) -> None:
    text = str(path)
    assert text.isprintable() and repr(parse(text).steps) == repr(_placed(path, text).steps)


def _placed(path: Path, text: str) -> Path:
    """The path with the places of its steps in the text."""
    return Path(
        tuple(Step(each.kind, each.value, at.at) for each, at in zip(path.steps, parse(text).steps, strict=True))
    )


@given(st.text(alphabet="ab.[]\"'\\:(),10x- \n") | st.text())
def test_any_text_is_a_path_or_refused(text: str) -> None:
    try:
        assert parse(str(parse(text))) == parse(text)
    except PathError as error:
        assert error.position is not None and 0 <= error.position <= len(text)


@half()
@given(objects(), st.data())
def test_a_path_leads_where_python_leads(obj: Any, data: st.DataObject) -> None:
    name = type(obj).__name__
    path, value = Path((Step("name", name),)), obj
    for _ in range(data.draw(st.integers(0, 4))):
        found = data.draw(st.sampled_from([*_ways(path, value)] or [None]))
        if found is None:
            break
        path, value = found
    with Session.open(parcode_orm.dumps(obj)) as session:
        session.root(type(obj))
        there = resolve(session, str(path))
        assert same(copy.deepcopy(there), value), str(path)  # a copy of what is lazy is plain
    with Session.open(parcode_orm.dumps(obj)) as session:  # without the class, and without the name of the root
        assert str(find(session, str(path)).path) == str(path)


def _ways(path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """Paths one step longer, and what Python gives there."""
    if isinstance(value, BaseModel):
        names = [*value.__dict__, *(value.model_extra or {})]
        yield from ((path.field(name), getattr(value, name)) for name in names)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            inner = path.item(key)
            if inner is not None and key == key:
                yield inner, item
        yield Path((*path.steps, Step("slice", (0, 2)))), dict(list(value.items())[:2])
    elif type(value) in (list, str, bytes):
        yield Path((*path.steps, Step("slice", (1, None)))), value[1:]
        if type(value) is list:
            yield from ((path.item(at), item) for at, item in enumerate(value))  # type: ignore[misc]


@half()
@given(st.data())
def test_keys_are_named_by_literals(data: st.DataObject) -> None:
    typed = data.draw(st.sampled_from(KEYS))
    key = data.draw(typed.values)
    base: Any = type(Model)
    keyed = base("Keyed", (Model,), {"__annotations__": {"m": dict[typed.annotation, int]}, "m": ShardedMap()})  # type: ignore[name-defined]
    try:
        literal_of(key)
    except PathError:
        return
    assume(key == key)
    with Session.open(parcode_orm.dumps(keyed(m={key: 1}))) as session:
        found = find(session, str(Path((Step("name", "m"),)).item(key)))
        assert found.value == 1


@pytest.mark.parametrize(
    ("key", "literal"),
    [
        (date(2020, 1, 2), "2020-01-02"),
        (datetime(2020, 1, 2, 3), "2020-01-02T03:00:00"),
        (timedelta(hours=1), "PT1H"),
        (Decimal("1.50"), "1.50"),
        (NUMBER, str(NUMBER)),
        (Hue.BLUE, "BLUE"),
        ((Hue.RED, b"x"), ("RED", b"x")),
    ],
)
def test_literals_of_keys(key: Any, literal: Any) -> None:
    assert literal_of(key) == literal


def test_no_literal_names_some_keys() -> None:
    for key in (10**2000, frozenset({1}), object(), Player(level=1, inventory=[])):
        with pytest.raises(PathError, match="a path cannot name"):
            literal_of(key)
    assert Path((Step("name", "m"),)).item(object()) is None


@given(ANYTHING)
def test_any_key_has_a_literal_or_none(key: Any) -> None:
    try:
        found = literal_of(key)
    except PathError:
        return
    path = Path((Step("name", "m"), Step("key", found)))
    assert str(parse(str(path))) == str(path)
