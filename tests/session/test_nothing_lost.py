"""Rule 1: nothing is silently lost. Each test changes something in a way of its own and finds it after reopening."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any, NamedTuple, Optional

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ConfigDict, PrivateAttr, RootModel
from typing_extensions import TypedDict

from parcode_orm import Chunk, LazyList, LazyMap, Model, Session, ShardedMap, dumps, lazy, load, loads, save
from parcode_orm.errors import ConflictError, DetachedError, EncodeError, SessionError
from parcode_orm.lazy.rows import TableRows
from parcode_orm.table.table import Table
from tests.small import small_caches, tuned
from tests.strategies import same

LARGE = 4000  # rows, so that the collection is a table


class Item(Model):
    level: int
    tags: list[str] = []


class Log(Model):
    lines: list[str] = Chunk(default=[])
    level: int = 0


@dataclasses.dataclass
class Crate:
    log: Log


@dataclasses.dataclass(frozen=True)
class Sealed:
    logs: tuple[Log, ...]


class World(Model):
    n: int = 0
    one: Optional[Item] = None  # noqa: UP045
    items: list[Item] = []
    small: dict[str, Item] = ShardedMap(default={})
    big: dict[str, Item] = ShardedMap(default={})
    rows: list[Item] = Chunk(default=[])
    logs: dict[str, Log] = ShardedMap(default={})
    crate: Optional[Crate] = None  # noqa: UP045
    sealed: Optional[Sealed] = None  # noqa: UP045


@dataclasses.dataclass
class Plain:
    n: int
    pad: str


class Typed(TypedDict):
    n: int
    pad: str


class Named(NamedTuple):
    n: int
    pad: str
    sub: list[int]


class PlainRows(Model):
    data: list[Plain] = Chunk(default=[])
    typed: list[Typed] = Chunk(default=[])
    named: list[Named] = Chunk(default=[])
    by_key: dict[int, Plain] = ShardedMap(default={})


class Twice(Model):
    n: int = 0
    one: dict[str, Item] = ShardedMap(default={})
    other: dict[str, Item] = ShardedMap(default={})
    third: dict[str, Item] = ShardedMap(default={})


class Mutable(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    nested: list[list[int]] = Chunk(default=[])
    lists: dict[str, list[int]] = ShardedMap(default={})
    some: set[int] = set()
    other: set[int] = Chunk(default=set())
    raw: bytearray = bytearray()
    anything: Any = None
    array: NDArray[np.int64] = Chunk(default=None)


class Frozen(Model):
    model_config = ConfigDict(frozen=True)
    a: list[int]


class Names(RootModel[dict[str, list[int]]]):
    pass


class Kinds(Model):
    names: Names
    frozen: Frozen
    many: dict[str, Frozen] = ShardedMap()


class Checked(Model):
    model_config = ConfigDict(validate_assignment=True)
    a: int
    b: list[int] = Chunk()


class Open(Model):
    model_config = ConfigDict(extra="allow")
    a: int = 0
    _notes: dict[str, list[int]] = PrivateAttr(default_factory=dict)
    _array: Any = PrivateAttr(default=None)


def items(first: int, count: int = LARGE) -> dict[str, Item]:
    return {f"k{i}": Item(level=first + i % 50) for i in range(count)}


def _world(first: int, level: int) -> bytes:
    rows = items(first)
    return dumps(World(small=items(first, 5), big=rows, rows=list(rows.values()), one=Item(level=level)))


WORLD, OTHER = _world(0, 1), _world(50, 2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "w.par").write_bytes(WORLD)
    return tmp_path / "w.par"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Laid out as `path` is, with other values."""
    (tmp_path / "o.par").write_bytes(OTHER)
    return tmp_path / "o.par"


def test_a_collection_of_another_file_at_the_same_place(path: Path, other: Path) -> None:
    with Session(path) as session, Session(other) as theirs:
        mine, from_there = session.root(World), theirs.root(World)
        assert mine.big.location == from_there.big.location
        mine.big, mine.rows = from_there.big, from_there.rows
        mine.small = from_there.small
        session.commit()
    again = load(path, World)
    assert again.big["k0"].level == again.rows[0].level == again.small["k0"].level == 50


@pytest.mark.parametrize("read_only", [True, False])
def test_what_came_from_another_session_is_ours_after_the_commit(path: Path, other: Path, read_only: bool) -> None:
    with Session(path) as session:
        world = session.root(World)
        with Session(other, read_only=read_only) as theirs:
            there = theirs.root(World)
            world.big, world.one, world.small["new"] = there.big, there.one, there.big["k3"]
            world.items = [there.big["k4"]]
            world.rows.append(there.rows[7])
            session.commit()
        world.n = 5
        session.commit()  # their session is closed
        world.big["k1"].level = 1000
        world.one.level = 1001
        world.small["new"].level = 1002
        world.items[0].tags.append("x")
        world.rows[-1].level = 1003
        session.commit()
    again = load(path, World)
    assert (again.n, again.big["k1"].level, again.one.level, again.small["new"].level) == (5, 1000, 1001, 1002)
    assert (again.items, again.rows[-1].level) == ([Item(level=54, tags=["x"])], 1003)
    assert load(other, World).big["k1"].level == 51


def test_a_lazy_object_of_another_session_is_added_as_a_copy(tmp_path: Path, other: Path) -> None:
    path = tmp_path / "copy.par"
    with Session(path) as session, Session.open(other) as theirs:
        there = theirs.root(World)
        with pytest.raises(SessionError, match="model_copy"):
            session.add(there)
        mine = there.model_copy()
        session.add(mine)
        session.commit()
        mine.big["k1"].level = -1
        mine.one.level = -2
        session.commit()
    assert load(path, World).big["k1"].level == -1
    assert load(path, World).one.level == -2


def test_a_nested_object_becomes_a_root(path: Path) -> None:
    with Session(path) as session:
        session.add(Item(level=77))
        session.commit()
    with Session(path) as session:
        nested = session.root(World).one
        session.add(nested, replace=True)
        session.commit()
        assert load(path, Item).level == 1
        nested.level = 3
        session.commit()
    assert load(path, Item).level == load(path, World).one.level == 3


def test_a_row_becomes_a_root(path: Path) -> None:
    with Session(path) as session:
        session.add(session.root(World).big["k9"])
        session.commit()
        session.root(Item).tags.append("x")
        session.commit()
    assert load(path, Item) == load(path, World).big["k9"] == Item(level=9, tags=["x"])


def test_streams_everywhere(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        world.logs = {f"a{i}": Log(lines=["x"]) for i in range(LARGE)}
        session.commit()
    with Session(path) as session:
        world = session.root(World)
        world.logs["a1"].lines = (f"{i}" for i in range(6000))
        session.commit()
        world.logs["a1"].level = 5
        session.commit()
        world.logs["new"] = Log(lines=iter("ab"))
        world.crate = Crate(Log(lines=iter("cd")))
        world.sealed = Sealed((Log(lines=iter("ef")), Log()))
        session.commit()
        world.logs["new"].level = 6
        world.crate.log.level = 7
        world.sealed.logs[0].level = 8
        world.logs["a1"].lines.append("last")
        session.commit()
    again = load(path, World)
    assert again.logs["a1"] == Log(level=5, lines=[*map(str, range(6000)), "last"])
    assert again.logs["new"] == Log(level=6, lines=["a", "b"])
    assert again.crate.log == Log(level=7, lines=["c", "d"])
    assert again.sealed.logs == (Log(level=8, lines=["e", "f"]), Log())
    assert len(again.logs) == LARGE + 1


def test_a_stream_in_a_small_collection(path: Path) -> None:
    with Session(path) as session:
        session.root(World).logs = {"a": Log(), "b": Log()}
        session.commit()
    with Session(path) as session:
        world = session.root(World)
        world.logs["b"].lines = iter("xy")
        session.commit()
        world.logs["b"].level = 4
        session.commit()
    assert load(path, World).logs == {"a": Log(), "b": Log(lines=["x", "y"], level=4)}


def test_a_field_that_the_row_was_stored_without(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    save(path, Item.model_construct())
    with Session(path) as session:
        item = session.root(Item)
        item.level = 9
        session.commit()
        item.tags = ["a"]
        session.commit()
    assert same(load(path, Item), Item(level=9, tags=["a"]))


def test_plain_objects_put_into_lazy_collections(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        new = Item(level=1)
        world.big["new"] = world.small["new"] = new
        world.rows.append(new)
        session.commit()
        assert world.big["new"] is new
        new.level = 3
        session.commit()
        session.root(World).big["new"].tags.append("x")
        world.items.append(new)
        world.one = None
        session.commit()
        world.one = new
        session.commit()
        new.tags.append("y")
        session.commit()
    again = load(path, World)
    expected = Item(level=3, tags=["x", "y"])
    assert again.big["new"] == again.small["new"] == again.rows[-1] == again.items[-1] == again.one == expected


def test_rows_change_and_then_the_collection(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        held = world.big["k7"]
        world.big["k1"].level = 100
        world.rows[3].tags.append("row")
        session.commit()
        world.big["k2"].level = 200
        del world.big["k0"]
        lazy(world.rows).insert(0, Item(level=-1))
        session.commit()
        held.tags.append("held")
        world.big["k3"].level = 300
        session.commit()
        del world.big["k4"]
        session.commit()
    again = load(path, World)
    assert [again.big[f"k{i}"].level for i in (1, 2, 3)] == [100, 200, 300]
    assert again.big["k7"].tags == ["held"]
    assert again.rows[4].tags == ["row"]
    assert len(again.big) == LARGE - 2


def test_swapped_and_shared_collections(path: Path) -> None:
    class Pair(Model):
        x: dict[str, Item] = ShardedMap()
        y: dict[str, Item] = ShardedMap()

    with Session(path) as session:
        session.add(Pair(x=items(0), y=items(50)))
        session.commit()
    with Session(path) as session:
        pair = session.root(Pair)
        pair.x, pair.y = pair.y, pair.x
        session.commit()
        pair.x["k1"].level = 500
        session.commit()
        del pair.x["k0"]
        pair.y["moved"] = pair.x.pop("k2")
        session.commit()
        pair.y["moved"].level = 501
        session.commit()
        pair.y = pair.x
        session.commit()
        pair.y["k3"].level = 502
        session.commit()
    again = load(path, Pair)
    assert again.x == again.y
    assert again.x["k1"].level == 500
    assert again.x["k3"].level == 502
    assert len(again.x) == LARGE - 2


def test_values_that_change_in_place(tmp_path: Path) -> None:
    path = tmp_path / "m.par"
    plain = Mutable(
        nested=[[i] * 3 for i in range(6000)],
        lists={f"k{i}": [i] for i in range(6000)},
        some={1},
        other={1, 2},
        raw=bytearray(b"ab"),
        anything=np.arange(3),
        array=np.arange(100_000),
    )
    save(path, plain)

    with Session(path) as session:
        read = session.root(Mutable)
        for each in (plain, read):
            each.nested[5].append(9)
            each.lists["k7"].append(8)
            each.some.add(2)
            each.other.add(3)
            each.raw.extend(b"c")
            each.anything[0] = 7
            each.array[5] = 99
        session.commit()
        held = [(each.nested[6], each.lists["k8"], each.array) for each in (plain, read)]
        session.commit()
        for inner, outer, array in held:
            inner.append(1)
            outer.append(2)
            array[6] = 98
        session.commit()
        for each in (plain, read):
            del each.lists["k0"]
        for _, outer, _ in held:
            outer.append(3)
        session.commit()
        for each in (plain, read):
            each.nested.insert(0, [0])
        for inner, outer, _ in held:
            outer.append(4)
            inner.append(5)
        session.commit()
        assert same(load(path, Mutable), plain)
        for inner, outer, array in held:
            inner.append(6)
            outer.append(7)
            array[7] = 1
        session.commit()
    assert same(load(path, Mutable), plain)


def test_kinds_of_models(tmp_path: Path) -> None:
    path = tmp_path / "k.par"
    with Session(path) as session:
        many = {str(i): Frozen(a=[i]) for i in range(6000)}
        session.add(Kinds(names=Names({"a": [1]}), frozen=Frozen(a=[1]), many=many))
        session.add(Checked(a=1, b=[1]))
        session.commit()
    with Session(path) as session:
        kinds, checked = session.root(Kinds), session.root(Checked)
        kinds.names.root["a"].append(2)
        kinds.frozen.a.append(3)
        kinds.many["5"].a.append(6)
        checked.a = "7"  # type: ignore[assignment]
        checked.b = ["1", "2"]  # type: ignore[list-item]
        session.commit()
        checked.b.append(4)
        session.commit()
    again = load(path, Kinds)
    assert again.names == Names({"a": [1, 2]})
    assert again.frozen.a == [1, 3]
    assert again.many["5"].a == [5, 6]
    assert same(load(path, Checked), Checked(a=7, b=[1, 2, 4]))


def test_extras_and_private_attributes(tmp_path: Path) -> None:
    path = tmp_path / "e.par"
    save(path, Open(b=[1]))
    with Session(path) as session:
        read = session.root(Open)
        read.b = object()
        with pytest.raises(EncodeError, match=r"Open.*b"):
            session.commit()
        read.b = [2]
        read.b.append(3)
        read._notes["x"] = [1]
        session.commit()
        read._notes["x"].append(2)
        read.c = {"x": 1}
        session.commit()
        read.c["y"] = 2
        read._array = np.arange(4)
        session.commit()
        read._array[0] = 9
        session.commit()
    again = load(path, Open)
    assert (again.b, again.c, again._notes, again._array.tolist()) == (
        [2, 3],
        {"x": 1, "y": 2},
        {"x": [1, 2]},
        [9, 1, 2, 3],
    )
    with Session(path) as session:
        read = session.root(Open)
        read.b[0] = True
        read._notes["x"].append(4)
        read._array[1] = 5
        del read.c
        session.commit()
    again = load(path, Open)
    assert again.b[0] is True
    assert again._notes == {"x": [1, 2, 4]}
    assert not hasattr(again, "c")
    assert again._array[1] == 5


def test_ways_round_attribute_assignment(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        for number, change in enumerate(
            [
                lambda n: world.__dict__.__setitem__("n", n),
                lambda n: vars(world).update(n=n),
                lambda n: object.__setattr__(world, "n", n),
                lambda n: setattr(world, "n", n),
            ]
        ):
            change(number + 100)
            session.commit()
            assert load(path, World).n == number + 100
        world.model_fields_set.discard("n")
        session.commit()
        assert "n" not in load(path, World).model_fields_set
        world.big["k5"].model_fields_set.add("tags")
        session.commit()
    assert "tags" in load(path, World).big["k5"].model_fields_set


def test_after_an_error_the_value_is_mended_and_committed(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        world.n = 8
        world.big["k2"].tags.append(3)  # type: ignore[arg-type]
        world.big["new"] = Item(level=4)
        for _ in range(2):
            with pytest.raises(EncodeError):
                session.commit()
        assert load(path, World).n == 0
        world.big["k2"].tags[0] = "three"
        session.commit()
        world.big["k2"].tags.append("four")
        session.commit()
    again = load(path, World)
    assert (again.n, again.big["k2"].tags, again.big["new"].level) == (8, ["three", "four"], 4)


def test_after_a_conflict_nothing_is_stored_and_nothing_is_forgotten(path: Path) -> None:
    with Session(path) as one, Session(path) as two:
        one.root(World).n = 1
        world = two.root(World)
        world.n = 2
        one.commit()
        for _ in range(2):
            with pytest.raises(ConflictError):
                two.commit()
        assert world.n == 2
        one.root(World).n = 3
        one.commit()
    assert load(path, World).n == 3


def test_the_same_object_under_two_owners(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    shared = Item(level=1)
    with Session(path) as session:
        world = World(one=shared, items=[shared], small={"a": shared})
        session.add(world)
        session.add(world)
        session.add(shared)
        session.commit()
        shared.tags.append("x")
        session.commit()
        shared.level = 2
        session.commit()
    again = load(path, World)
    assert again.one == again.items[0] == again.small["a"] == load(path, Item) == Item(level=2, tags=["x"])


def test_a_row_read_through_the_root_that_was_added_plain(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    with Session(path) as session:
        session.add(World(big=items(0), rows=[Item(level=1)]))
        session.commit()
        session.root(World).big["k1"].tags.append("x")
        session.commit()
        session.root(World).rows[0].level = 9
        session.commit()
    again = load(path, World)
    assert again.big["k1"].tags == ["x"]
    assert again.rows == [Item(level=9)]


def test_a_change_after_rollback_is_stored(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        held, hero = world.big, world.big["k1"]
        one = world.one
        world.n = 5
        session.rollback()
        assert world in session
        assert session.root(World) is world
        assert world.n == 0
        world.n = 6
        hero.level = 6
        hero.tags.append("x")
        held["x"] = Item(level=1)
        one.level = 3
        session.add(world)
        session.commit()
    again = load(path, World)
    assert again.n == again.big["k1"].level == 6
    assert again.big["k1"].tags == ["x"]
    assert again.big["x"] == Item(level=1)
    assert again.one.level == 3


def test_a_change_to_what_a_session_let_go_of_is_refused_not_lost(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        hero, first = world.big["k1"], world.small["k1"]
        with Session(path) as other:
            other.root(World).n = 5
            other.commit()
        session.refresh()
        for change in (
            lambda: setattr(hero, "level", 6),
            lambda: hero.tags.append("x"),
            lambda: setattr(first, "level", 6),
            lambda: session.add(hero),
        ):
            with pytest.raises((DetachedError, SessionError), match="refresh"):
                change()
        assert hero not in session
        session.commit()
    assert load(path, World).n == 5


def test_a_change_that_is_undone_after_its_commit(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        world.big["k1"].level = 100
        session.commit()
        world.big["k1"].level = 1
        session.commit()
        assert load(path, World).big["k1"].level == 1
        world.big["k2"].level = 5
        session.commit()
    assert load(path, World).big["k1"].level == 1
    assert load(path, World).big["k2"].level == 5


def test_rows_are_let_go_only_when_nothing_is_lost(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        tags = world.big["k1"].tags
        append = world.big["k2"].tags.append
        item = world.big["k3"]
        fields_set = world.big["k4"].model_fields_set
        iterator = iter(world.big["k5"].tags)
        for row in world.big.values():
            assert row.tags == []
        session.commit()
        handed = sum(map(len, world.big.rows.table.held.values()))
        assert handed <= 6
        del row
        tags.append("a")
        append("b")
        item.tags.append("c")
        fields_set.add("tags")
        assert list(iterator) == []
        session.commit()
    again = load(path, World)
    assert [again.big[f"k{i}"].tags for i in (1, 2, 3)] == [["a"], ["b"], ["c"]]
    assert "tags" in again.big["k4"].model_fields_set


def test_lists_within_rows_are_held_as_well(tmp_path: Path) -> None:
    path = tmp_path / "m.par"
    save(path, Mutable(lists={f"k{i}": [i] for i in range(6000)}, nested=[[i] * 9 for i in range(6000)]))
    with Session(path) as session:
        read = session.root(Mutable)
        held, other = read.lists["k5"], read.nested[7]
        assert len(list(read.lists.values())) == len(list(read.nested)) == 6000
        session.commit()
        assert sum(map(len, read.lists.rows.table.held.values())) == 1
        held.append(1)
        other.append(2)
        session.commit()
    again = load(path, Mutable)
    assert again.lists["k5"] == [5, 1]
    assert again.nested[7] == [7] * 9 + [2]


def test_what_a_commit_compares_it_need_not_read(path: Path) -> None:
    with Session(path) as session:
        world = session.root(World)
        world.n = 5
        session.commit()
        session.stats.reset()
        world.n = 6
        session.commit()
        assert session.stats.bytes_read < 20_000  # the root and its small collections, which are written again
        assert session.stats.bytes_written < 20_000
    assert isinstance(Session.open(path).root(World).big, LazyMap)
    assert isinstance(Session.open(path).root(World).rows, LazyList)
    assert os.path.getsize(path) < 1_000_000


class Wide(Item):
    wide: list[int] = []


class Family(Model):
    pad: str = ""
    array: Any = None
    kids: list[Item] = Chunk(default=[])
    below: Optional[Item] = None  # noqa: UP045


class Tree(Model):
    small: dict[str, Family] = ShardedMap(default={})
    big: list[Family] = Chunk(default=[])
    mixed: dict[str, Item] = ShardedMap(default={})
    items: list[Family] = []


def _family(i: int) -> Family:
    return Family(pad=f"{i} " + "x" * 200, kids=[Item(level=i), Item(level=-i)], below=Item(level=i))


@pytest.fixture(scope="module")
def tree() -> bytes:
    mixed = {f"k{i}": (Wide if i % 2 else Item)(level=i, tags=[f"{i} " + "x" * 200]) for i in range(300)}
    small = {"a": _family(1), "b": _family(2)}
    made = dumps(Tree(small=small, big=[_family(i) for i in range(300)], mixed=mixed, items=[_family(3)]))
    with Session(made) as session:
        for name in ("big", "mixed"):
            assert isinstance(getattr(session.root(Tree), name).rows, TableRows)
    return made


@pytest.mark.parametrize("place", [
    lambda tree: tree.small["b"].kids[0],
    lambda tree: tree.small["b"].below,
    lambda tree: tree.big[77].kids[1],
    lambda tree: tree.big[77].below,
    lambda tree: tree.mixed["k7"],
    lambda tree: tree.mixed["k8"],
    lambda tree: tree.items[0].kids[0],
    lambda tree: tree.items[0].below,
])  # fmt: skip
def test_what_is_changed_back_is_a_change(tmp_path: Path, tree: bytes, place: Any) -> None:
    """A row left on the snapshot it was read from, where it had the old value, would pass for unchanged."""
    path = tmp_path / "t.par"
    path.write_bytes(tree)
    with Session(path) as session:
        item = place(session.root(Tree))
        first = item.level
        for level in (777, first, 778, first):
            item.level = level
            session.commit()
            assert place(load(path, Tree)).level == level
        item.tags.append("x")
        session.commit()
        assert place(load(path, Tree)).tags[-1] == "x"
        item.tags.pop()
        session.commit()
        assert place(session.root(Tree)) is item
    assert same(load(path, Tree), loads(tree, Tree))


def test_lists_of_models_with_arrays(tmp_path: Path) -> None:
    """`==` of models that hold arrays raises."""
    path = tmp_path / "t.par"
    save(path, Tree(items=[Family(array=np.arange(0))]))
    with Session(path) as session:
        read = session.root(Tree)
        read.items = [Family(array=np.arange(3)), Family(array=np.arange(0))]
        session.commit()
        read.items[1].array = np.arange(5)
        session.commit()
        session.commit()
    assert [len(each.array) for each in load(path, Tree).items] == [3, 5]


def test_an_array_gives_way_to_a_value_of_another_kind(tmp_path: Path) -> None:
    """`!=` between the two gives an array, which is neither true nor false."""
    path = tmp_path / "f.par"
    values: list[Any] = [None, 3, "text", np.arange(4)]
    for value in values:
        save(path, Family(array=np.arange(4)))
        with Session(path) as session:
            session.root(Family).array = value
            session.commit()
        assert same(load(path, Family).array, value)


@pytest.mark.parametrize("name", ["one", "small", "big", "rows"])
def test_the_other_session_keeps_what_was_taken_from_it(path: Path, other: Path, name: str) -> None:
    with Session(path) as session, Session(other) as theirs:
        mine, there = session.root(World), theirs.root(World)
        taken = getattr(there, name)
        for _ in range(2):
            setattr(mine, name, taken)
            session.commit()
            assert getattr(there, name) is taken
            assert taken in theirs
            assert taken not in session
            assert getattr(mine, name) in session  # also where the commit had nothing to write
        session.rollback()
        first = next(iter(taken.values())) if isinstance(taken, LazyMap) else taken if name == "one" else taken[0]
        first.level = 4321
        theirs.commit()
        session.commit()
    assert "4321" in repr(load(other, World))
    assert "4321" not in repr(load(path, World))


@pytest.mark.parametrize("name", ["big", "rows"])
def test_another_session_of_the_same_file_keeps_what_it_changed(path: Path, name: str) -> None:
    with Session(path) as session, Session(path) as theirs:
        mine, there = session.root(World), theirs.root(World)
        taken = getattr(there, name)
        row = taken["k1"] if name == "big" else taken[1]
        row.level = 4321
        setattr(mine, name, taken)
        session.commit()
        assert getattr(there, name) is taken
        assert taken in theirs
        assert taken not in session and row not in session
        assert getattr(mine, name) in session
        assert "4321" in repr(load(path, World))
        session.close()
        assert list(taken) and row.level == 4321
        with pytest.raises(ConflictError):
            theirs.commit()


class Number(Model):
    """Nothing in it can change in place, so reading it obliges nobody to keep it."""

    model_config = ConfigDict(extra="allow")
    n: int = 0
    text: str = ""


class Shelf(Model):
    numbers: list[Number] = Chunk(default=[])


class Room(Model):
    shelves: dict[str, Shelf] = ShardedMap(default={})
    a: dict[str, Number] = ShardedMap(default={})
    b: dict[str, Number] = ShardedMap(default={})
    few: list[Number] = Chunk(default=[])
    other: list[Number] = Chunk(default=[])
    small: dict[str, Number] = ShardedMap(default={})


def _numbers(count: int) -> list[Number]:
    return [Number(n=i, text=f"{i:04}" + "x" * 400) for i in range(count)]


@pytest.fixture
def room(tmp_path: Path) -> Path:
    many = _numbers(200)
    named = {f"k{i}": each for i, each in enumerate(many)}
    shelves = {f"k{i}": Shelf(numbers=many if i == 1 else many[:30]) for i in range(9)}
    with Session(tmp_path / "r.par") as session:
        session.add(Room(a=named, b=named, shelves=shelves, few=many[:2], other=many[2:4], small={"x": many[4]}))
        session.commit()
    with Session(tmp_path / "r.par") as session:
        read = session.root(Room)
        for each in (read.a, read.b, read.shelves["k1"].numbers):
            assert isinstance(lazy(each).rows, TableRows)
    return tmp_path / "r.par"


def test_a_held_row_of_a_table_within_a_row(room: Path) -> None:
    """The commit in between lets go of the row whose table it is only if nobody holds a row of that."""
    with Session(room) as session:
        number = session.root(Room).shelves["k1"].numbers[5]
        assert number.n == 5
        session.commit()
        number.n = 55
        session.commit()
        assert session.root(Room).shelves["k1"].numbers[5] is number
    assert load(room, Room).shelves["k1"].numbers[5].n == 55


@pytest.mark.parametrize("field", ["a", "b"])
def test_a_row_in_two_places_of_which_nothing_mutable_was_read(room: Path, field: str) -> None:
    with Session(room) as session:
        read = session.root(Room)
        row = read.a["k1"]
        getattr(read, field)["k2"] = row
        session.commit()
        row.n = 999
        assert lazy(read.a).column("n").tolist().count(999) == (2 if field == "a" else 1)
        session.commit()
    again = load(room, Room)
    assert again.a["k1"].n == getattr(again, field)["k2"].n == 999


def test_a_deep_copy_of_several_changed_collections(room: Path) -> None:
    """Each is copied by way of a list that lives for a moment: the next must not be taken for it by its id."""
    with Session(room) as session:
        read = session.root(Room)
        read.few.append(Number(n=10))
        read.other.append(Number(n=20))
        read.small["y"] = Number(n=30)
        copied = read.model_load()
    assert [each.n for each in copied.few] == [0, 1, 10]
    assert [each.n for each in copied.other] == [2, 3, 20]
    assert {key: each.n for key, each in copied.small.items()} == {"x": 4, "y": 30}


def test_ways_round_attribute_assignment_of_a_row(room: Path) -> None:
    with Session(room) as session:
        read = session.root(Room)
        row = read.a["k1"]
        object.__setattr__(row, "n", 100)
        read.a["k2"].__dict__["n"] = 200
        vars(read.a["k3"]).update(n=300)
        read.a["k4"].model_extra["more"] = 400  # type: ignore[index]
        session.commit()
    again = load(room, Room).a
    assert [again[f"k{i}"].n for i in (1, 2, 3)] == [100, 200, 300]
    assert again["k4"].model_extra == {"more": 400}


def test_what_is_held_of_a_row_that_nobody_holds(room: Path) -> None:
    with Session(room) as session:
        read = session.root(Room)
        read.a["k4"].model_fields_set.clear()
        session.commit()
        extra, fields, names = read.a["k1"].model_extra, vars(read.a["k2"]), read.a["k4"].model_fields_set
        assert extra == {} and not names
        session.commit()
        extra["more"] = 1
        fields["n"] = 2
        names.add("n")
        session.commit()
    again = load(room, Room).a
    assert (again["k1"].model_extra, again["k2"].n, again["k4"].model_fields_set) == ({"more": 1}, 2, {"n"})


def test_a_row_below_a_leaf_that_an_earlier_commit_had_not_read(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    sizes = tuned()
    with small_caches():
        sizes.save(
            path, World(rows=[Item(level=i) for i in range(200)], big={str(i): Item(level=i) for i in range(200)})
        )
        with sizes.Session(path) as session:
            world = session.root(World)
            for i in range(0, 200, 40):  # each a commit, after which more of the tree is read
                world.rows[i].level = world.big[str(i)].level = -1
                session.commit()
    found = load(path, World)
    assert [i for i, row in enumerate(found.rows) if row.level == -1] == [*range(0, 200, 40)]
    assert [int(key) for key, row in found.big.items() if row.level == -1] == [*range(0, 200, 40)]


def test_a_table_that_two_fields_share_changes_under_one_of_them(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    save(path, Twice(one={str(i): Item(level=i) for i in range(LARGE)}))
    with Session(path) as session:
        twice = session.root(Twice)
        twice.other = twice.one
        session.commit()
    with Session(path) as session:  # two collections now, at one place
        twice = session.root(Twice)
        twice.one["7"].level = -1
        session.commit()
        twice.other["8"].level = -1
        assert len(twice.third) == 0
        session.commit()
        twice.n = 5
        twice.other["9"].level = -1
        session.commit()
    found = load(path, Twice)
    changed = [[key for key, row in rows.items() if row.level == -1] for rows in (found.one, found.other)]
    assert changed == [["7"], ["8", "9"]]
    assert found.n == 5


def test_a_stream_changes_rows_that_were_written_before_it(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    save(path, World(big={str(i): Item(level=i) for i in range(LARGE)}))
    with Session(path) as session:
        world = session.root(World)
        world.big["1"].level = -1

        def stream() -> Any:
            world.big["1"].level = -2  # was encoded as -1
            world.big["1"].tags.append("late")
            yield Item(level=1)

        world.rows = stream()
        with pytest.raises(SessionError, match="changed what is written"):
            session.commit()
        world.rows = []
        session.commit()
    found = load(path, World)
    assert (found.big["1"].level, found.big["1"].tags) == (-2, ["late"])


def test_many_commits_of_one_row_leave_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    save(path, World(big={str(i): Item(level=i) for i in range(LARGE)}))
    with Session(path, durability="fast") as session:
        big = session.root(World).big
        for i in range(300):
            big[str(i * 7 % LARGE)].level = -1
            session.commit()
        assert isinstance(big.rows, TableRows)
        table = big.rows.table
        assert not table.rows_held()
        assert len(table.groups) < 100
        assert len(table.held) < 100
    assert sum(row.level == -1 for row in load(path, World).big.values()) == 300


def test_a_field_that_its_row_was_stored_without_is_set_past_every_hook(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    lacking = Item.model_construct(tags=["t"])
    save(path, World(big={"lacking": lacking, **{str(i): Item(level=i) for i in range(LARGE)}}))
    with Session(path) as session:
        big = session.root(World).big
        assert big["6"].level == 6
        row = big["lacking"]
        object.__setattr__(row, "level", 9)
        session.commit()
    assert load(path, World).big["lacking"].level == 9


class Special(Item):
    more: int = 0


@pytest.mark.parametrize("held", range(1, 12))
def test_a_row_that_is_merged_with_rows_of_other_classes_stays_one_object(tmp_path: Path, held: int) -> None:
    """Nothing of it was read that could change in place: its view alone knew it. That of several classes does not."""
    path = tmp_path / "w.par"
    sizes = tuned()
    with small_caches():
        sizes.save(path, World(rows=[Item(level=i) for i in range(90)]))
        with sizes.Session(path, durability="fast") as session:
            rows = session.root(World).rows
            row = rows[held]
            for i in range(12):
                if i != held:
                    rows[i] = Special(level=i) if i % 3 == 0 else Item(level=i)
                    session.commit()
            assert [rows[i].level for i in range(30, 90)] == [*range(30, 90)]  # so that row groups are closed
            assert rows[held] is row
            row.level = -1
            session.commit()
        assert [each.level for each in load(path, World).rows] == [-1 if i == held else i for i in range(90)]


def test_a_row_that_moved_is_held_where_it_is_alone(tmp_path: Path) -> None:
    path = tmp_path / "w.par"
    save(path, World(big={str(i): Item(level=i) for i in range(LARGE)}))
    with Session(path, durability="fast") as session:
        big: Any = session.root(World).big
        row = big["7"]
        for level in range(3):
            row.level = level
            row.tags.append("x")
            session.commit()
            held = {offset: dict(rows) for offset, rows in big.rows.table.rows_held().items()}
            there = {piece.ref.offset for piece, _, _ in big.rows.table.tree.pieces()}
            assert held.keys() <= there and [list(rows.values()) for rows in held.values()] == [[row]]
            assert all(group.ref.offset in there for group in big.rows.table.live_groups())
    assert load(path, World).big["7"] == Item(level=2, tags=["x"] * 3)


def test_row_groups_that_were_merged_do_not_stay_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Table, "close_small", lambda table, offset: None)  # which closes most of them
    path = tmp_path / "w.par"
    save(path, World(big={str(i): Item(level=i) for i in range(LARGE)}))
    with Session(path, durability="fast") as session:
        big = session.root(World).big
        for i in range(200):
            big[str(i)].level = -1
            session.commit()
        assert isinstance(big.rows, TableRows)
        table = big.rows.table
        there = {piece.ref.offset for piece, _, _ in table.tree.pieces() if piece.ref is not None}
        assert table.groups.keys() <= there
    assert sum(row.level == -1 for row in load(path, World).big.values()) == 200


@pytest.mark.parametrize(("to", "of"), [(2, 3), (3, 2)])
def test_a_row_of_which_nothing_was_read_in_the_small_collection_of_another_row(room: Path, to: int, of: int) -> None:
    """The rows of both collections stand in one column, each in a span of it."""
    with Session(room) as session:
        shelves = session.root(Room).shelves
        for each, number in zip(shelves["k3"].numbers, range(100, 130), strict=True):
            each.n = number
        session.commit()
    with Session(room) as session:
        shelves = session.root(Room).shelves
        shelves[f"k{to}"].numbers.insert(0, shelves[f"k{of}"].numbers[5])
        session.commit()
    again = load(room, Room).shelves
    firsts = {"k2": 0, "k3": 100}
    assert again[f"k{to}"].numbers[0].n == firsts[f"k{of}"] + 5
    assert again[f"k{to}"].numbers[1].n == firsts[f"k{to}"]


class Noted(Model):
    model_config = ConfigDict(extra="allow")
    n: int = 0
    _notes: list[int] = PrivateAttr(default_factory=list)


class Notes(Model):
    rows: list[Noted] = Chunk(default=[])


@pytest.mark.parametrize("part", ["_notes", "more"])
def test_a_row_that_is_written_again_with_its_neighbours(tmp_path: Path, part: str) -> None:
    """A commit writes rows of which nothing changed, and reads for it what of them can change in place."""
    path = tmp_path / "n.par"
    sizes = tuned()
    with small_caches():
        sizes.save(path, Notes(rows=[Noted(n=i, more=[i]) for i in range(40)]))
        with sizes.Session(path) as session:
            rows = session.root(Notes).rows
            held = [rows[i] for i in range(40)]
            for i in range(0, 40, 2):
                rows[i].n = -1
                session.commit()
            for row in held:
                getattr(row, part).append(99)
            del held, row
            session.commit()
    assert all(getattr(row, part)[-1:] == [99] for row in load(path, Notes).rows)


def test_rows_that_a_stream_meets_while_a_commit_reads_it(tmp_path: Path) -> None:
    """Their table is written by then, some of them with their neighbours in another row group."""
    path = tmp_path / "r.par"
    sizes = tuned()
    with small_caches():
        sizes.save(path, Room(a={str(i): Number(n=i) for i in range(40)}))
        with sizes.Session(path) as session:
            room = session.root(Room)
            for i in range(0, 40, 2):
                room.a[str(i)].n = -1
                session.commit()
            room.a["3"].n = -1
            met: list[Number] = []
            room.b = ((str(at), met.append(row) or Number(n=at)) for at, row in enumerate(room.a.values()))  # type: ignore
            session.commit()
            assert all(row is room.a[str(i)] for i, row in enumerate(met))
            for row in met:
                row.n = 99
            del met, row
            session.commit()
    again = load(path, Room)
    assert len(again.b) == 40
    assert {row.n for row in again.a.values()} == {99}


def test_rows_of_tables_that_are_no_models(tmp_path: Path) -> None:
    path = tmp_path / "p.par"
    rows = range(2000)
    pads = [f"{i * 7919:040}" for i in rows]
    plain = PlainRows(
        data=[Plain(i, pads[i]) for i in rows],
        typed=[Typed(n=i, pad=pads[i]) for i in rows],
        named=[Named(i, pads[i], []) for i in rows],
        by_key={i: Plain(i, pads[i]) for i in rows},
    )
    save(path, plain)
    with Session(path) as session:
        root = session.root(PlainRows)
        assert isinstance(root.data, LazyList) and isinstance(root.data.rows, TableRows)
        assert root.data[7] is root.data[7] and root.by_key[7] is root.by_key[7]
        held = root.data[9]
        for n in (-1, -2):
            for each in (root, plain):
                each.data[7].n = each.typed[8]["n"] = each.by_key[10].n = n
                each.named[11].sub.append(n)
                each.data[9].n = n
            assert held.n == n
            session.commit()
    assert same(load(path, PlainRows), plain)


def test_a_stream_of_another_root_must_not_change_what_was_found_changed_before(tmp_path: Path) -> None:
    path = tmp_path / "t.par"
    one = {str(i): Item(level=i) for i in range(LARGE)}
    save(path, Twice(one=one, other={key: Item(level=-row.level) for key, row in one.items()}))

    def stream() -> Any:
        twice.one, twice.other, twice.n = twice.other, twice.one, 99
        yield Item(level=1)

    with Session(path) as session:
        session.add(World(rows=stream()))
        twice = session.root(Twice)
        twice.one["5"].level = 77
        with pytest.raises(SessionError, match="changed what is written"):
            session.commit()
        session.root(World).rows = []
        session.commit()
    found = load(path, Twice)
    assert (found.n, found.one["5"].level, found.other["5"].level) == (99, -5, 77)
