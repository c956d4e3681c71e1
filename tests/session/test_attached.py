"""What was added, or assigned, plain: after its commit it stands for what was stored, and costs what is held of it."""

from __future__ import annotations

import copy
import dataclasses
import gc
import os
import pickle
import weakref
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from functools import cached_property
from pathlib import Path
from typing import Any, Generic, Optional, TypeVar
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, PrivateAttr

from parcode_orm import Chunk, LazyList, LazyMap, Model, Session, ShardedMap, dumps, load, save
from parcode_orm.errors import SessionError
from parcode_orm.lazy.proxy import is_proxy
from parcode_orm.tuning import TUNING
from tests.small import tuned
from tests.strategies import same

T = TypeVar("T")
MANY = 3000


class Item(Model):
    level: int = 0
    tags: list[str] = []
    note: str = ""


class Player(Model):
    score: int = 0
    name: str = ""
    inventory: list[int] = Chunk(default=[])
    items: dict[str, Item] = ShardedMap(default={})


class World(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    n: int = 0
    one: Optional[Item] = None  # noqa: UP045
    apart: Optional[Player] = Chunk(default=None)  # noqa: UP045
    inline: list[Player] = []
    players: dict[str, Player] = ShardedMap(default={})
    few: dict[str, Player] = ShardedMap(default={})
    items: list[Item] = Chunk(default=[])
    some: list[Item] = Chunk(default=[])
    lists: dict[str, list[int]] = ShardedMap(default={})
    array: NDArray[np.int64] = Chunk(default=None)
    blob: bytes = Chunk(default=b"")


def player(i: int) -> Player:
    items = {"a": Item(level=i, tags=["t"])} if i % 2 else {}
    return Player(score=i, name=f"player {i} " + "x" * 20, inventory=list(range(i % 5)), items=items)


def world(rows: int = 1000) -> World:
    """The large collections are just large enough for a table."""
    return World(
        one=Item(level=1, tags=["x"]),
        apart=player(3),
        inline=[player(5)],
        players={f"k{i}": player(i) for i in range(rows)},
        few={f"k{i}": player(i) for i in range(3)},
        items=[Item(level=i, tags=[str(i)], note=f"{i} " + "x" * 30) for i in range(rows)],
        some=[Item(level=i) for i in range(3)],
        lists={f"k{i}": [i, 1 << 60] for i in range(rows * 3 // 2)},
        array=np.arange(10_000),
        blob=b"blob" * 20_000,
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "w.par"


def commit(session: Session) -> Any:
    session.stats.reset()
    session.commit()
    return session.stats


# -- what a commit costs -----------------------------------------------------------------------------------------------


class User(Model):
    id: int
    name: str
    score: float
    email: str | None = None
    tags: list[int] = []


class Users(Model):
    n: int = 0
    users: dict[str, User] = ShardedMap()
    blob: bytes = Chunk(default=b"")


@pytest.mark.once
def test_later_commits_of_an_added_world_of_100_000_users(path: Path) -> None:
    users = {f"u{i}": User(id=i, name=f"user {i}", score=i / 3, tags=[i, 7]) for i in range(100_000)}
    added = Users(users=users, blob=os.urandom(1 << 20))
    del users
    with Session(path) as session:
        session.add(added)
        session.commit()
        assert isinstance(added.users, LazyMap)
        for _ in range(2):
            stats = commit(session)
            assert (stats.rows_written, stats.bytes_written, stats.rows_read) == (0, 0, 0)
            assert stats.chunks_read <= 1 and stats.bytes_read < 10_000
        added.users["u500"].score = 5.5
        stats = commit(session)
        assert (stats.rows_written, stats.chunks_read <= 10) == (2, True)
        assert stats.bytes_written < 64 << 10
        held = added.users["u7"]
        held.tags.append(8)
        assert commit(session).bytes_written < 64 << 10
        held.tags.append(9)
        added.n = 3
        stats = commit(session)
        assert stats.bytes_written < 64 << 10 and stats.bytes_read < 64 << 10
        assert commit(session).bytes_written == 0
    again = load(path, Users)
    assert (again.n, again.users["u500"].score, again.users["u7"].tags) == (3, 5.5, [7, 7, 8, 9])
    assert len(again.users) == 100_000 and len(again.blob) == 1 << 20


def test_a_large_collection_that_is_assigned(path: Path) -> None:
    save(path, World())
    with Session(path) as session:
        root = session.root(World)
        root.players = {f"k{i}": player(i) for i in range(MANY)}
        root.some = [Item(level=1)]
        root.apart = Player(items={f"k{i}": Item(level=i, note=f"{i} " + "x" * 30) for i in range(MANY)})
        session.commit()
        assert isinstance(root.players, LazyMap) and isinstance(root.some, LazyList)
        assert isinstance(root.apart.items, LazyMap)
        stats = commit(session)
        assert (stats.bytes_written, stats.rows_read) == (0, 0)
        root.players["k7"].inventory = [7]
        root.apart.items["k5"].level = 55
        assert commit(session).bytes_written < 32 << 10
        assert isinstance(root.players["k7"].inventory, LazyList)
    again = load(path, World)
    assert (again.players["k7"].inventory, again.apart.items["k5"].level) == ([7], 55)


def test_where_most_rows_are_held_they_are_compared_together(path: Path) -> None:
    rows = [Item(level=i, note=f"{i} " + "x" * 30) for i in range(MANY)]
    root = World(items=rows)
    with Session(path) as session:
        session.add(root)
        session.commit()
        assert type(root.items) is list and root.items[5] is rows[5]
        assert commit(session).bytes_written == 0
        rows[5].level = 100
        session.commit()
        assert load(path, World).items[5].level == 100
        del rows
        session.commit()
        assert isinstance(root.items, LazyList)
        assert commit(session).bytes_written == 0
    assert root.items[5].level == 100


# -- who holds what ----------------------------------------------------------------------------------------------------

ROWS: dict[str, Callable[[World], Any]] = {
    "row of a map": lambda w: w.players["k7"],
    "row of a small map": lambda w: w.few["k1"],
    "field": lambda w: w.apart,
    "inline": lambda w: w.inline[0],
}
HELD: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "row": (lambda p: p, lambda p: setattr(p, "score", -1)),
    "attributes": (vars, lambda d: d.__setitem__("score", -2)),
    "list": (lambda p: p.inventory, lambda x: x.append(99)),
    "method": (lambda p: p.inventory.append, lambda append: append(98)),
    "map": (lambda p: p.items, lambda m: m.__setitem__("new", Item(level=97))),
    "item": (lambda p: p.items["a"], lambda i: setattr(i, "level", 96)),
    "inner list": (lambda p: p.items["a"].tags, lambda t: t.append("held")),
    "names": (lambda p: p.model_fields_set, lambda s: s.discard("score")),
}


@pytest.mark.parametrize("between", [0, 2])
@pytest.mark.parametrize("held", HELD)
@pytest.mark.parametrize("place", ROWS)
def test_what_somebody_holds_stays_attached(path: Path, place: str, held: str, between: int) -> None:
    """`between` commits without a change, the value is changed through the variable, twice; then by its path."""
    root, plain = world(150), world(150)
    take, change = HELD[held]
    mine, theirs = take(ROWS[place](root)), take(ROWS[place](plain))
    with tuned(TUNING, large=4096).Session(path) as session:
        session.add(root)
        session.commit()
        for _ in range(between):
            assert commit(session).bytes_written == 0
        for _ in range(2):
            change(mine)
            change(theirs)
            session.commit()
            assert same(load(path, World), plain)
            assert commit(session).bytes_written == 0
        if held in ("row", "item", "inner list"):
            assert take(ROWS[place](root)) is mine
        for each in (root, plain):
            ROWS[place](each).inventory.append(5)
        session.commit()
        assert same(load(path, World), plain)
        change(mine)
        change(theirs)
        del mine
        session.commit()
    assert same(load(path, World), plain)
    assert same(root.model_load(), plain)


def test_a_list_in_a_map_that_is_held(path: Path) -> None:
    root = World(lists={f"k{i}": [i, 1 << 60] for i in range(MANY)})
    held = root.lists["k5"]
    with Session(path) as session:
        session.add(root)
        session.commit()
        assert root.lists["k5"] is held
        held.append(1)
        root.lists["k6"].append(2)
        assert commit(session).bytes_written < 32 << 10
    assert load(path, World).lists["k5"] == [5, 1 << 60, 1]
    assert load(path, World).lists["k6"] == [6, 1 << 60, 2]


def test_a_plain_collection_that_is_held_stays_until_it_is_not(path: Path) -> None:
    root = world()
    players, some = root.players, root.some
    with Session(path) as session:
        session.add(root)
        session.commit()
        assert root.players is players and root.some is some and isinstance(root.few, LazyMap)
        assert commit(session).bytes_written == 0
        players["new"] = Player(score=1)
        del players["k0"]
        players["k1"].inventory.append(5)
        some.append(Item(level=9))
        session.commit()
        del players, some
        session.commit()
        assert isinstance(root.players, LazyMap) and isinstance(root.some, LazyList)
        root.players["new"].score = 2
        session.commit()
        assert commit(session).bytes_written == 0
    again = load(path, World)
    assert again.players["new"].score == 2 and "k0" not in again.players and again.players["k1"].inventory[-1] == 5
    assert again.some[-1].level == 9


def test_rows_that_nobody_holds_leave_memory(path: Path) -> None:
    root = world()
    known = [weakref.ref(each) for each in (*root.players.values(), *root.items, *root.few.values())]
    held = root.players["k9"]
    with Session(path) as session:
        session.add(root)
        session.commit()
        gc.collect()
        assert [ref() for ref in known if ref() is not None] == [held]
        gone = weakref.ref(root)
    del root
    gc.collect()
    assert gone() is None and held.items["a"].level == 9


class Kind(Enum):
    A = "a"


@dataclasses.dataclass
class Point:
    x: int
    tags: list[int]


class Plain(BaseModel):
    below: list[int] = []


class Everything(Model):
    model_config = ConfigDict(extra="allow", arbitrary_types_allowed=True)
    kind: Kind = Kind.A
    at: datetime = datetime(2024, 1, 1, tzinfo=UTC)
    price: Decimal = Decimal("1.5")
    id: UUID = UUID(int=5)
    pair: tuple[int, list[int]] = (1, [2])
    names: set[str] = set()
    fixed: frozenset[int] = frozenset()
    raw: bytearray = bytearray()
    point: Optional[Point] = None  # noqa: UP045
    plain: Optional[Plain] = None  # noqa: UP045
    nested: dict[str, list[list[int]]] = {}
    array: Optional[NDArray[np.int64]] = None  # noqa: UP045
    _private: list[int] = PrivateAttr(default_factory=list)


class Cupboard(Model):
    rows: list[Everything] = Chunk(default=[])


def test_of_which_kinds_of_values_is_known_that_nobody_holds_them(path: Path) -> None:
    def row(i: int) -> Everything:
        new = Everything(
            pair=(i, [i]), names={str(i)}, raw=bytearray(b"x"), point=Point(i, [i]), plain=Plain(below=[i]),
            nested={"a": [[i]]}, array=np.arange(i % 5), more=[i],
        )  # fmt: skip
        new._private.append(i)
        return new

    cupboard, plain = Cupboard(rows=[row(i) for i in range(300)]), Cupboard(rows=[row(i) for i in range(300)])
    take: list[Callable[[Everything], Any]] = [
        lambda e: e.pair[1], lambda e: e.names, lambda e: e.raw, lambda e: e.point.tags, lambda e: e.plain.below,
        lambda e: e.nested["a"][0], lambda e: e.array, lambda e: e.more, lambda e: e._private, lambda e: e.point,
    ]  # fmt: skip
    held = [each(cupboard.rows[10 + at]) for at, each in enumerate(take)]
    known = [weakref.ref(each) for each in cupboard.rows]
    with Session(path) as session:
        session.add(cupboard)
        session.commit()
        gc.collect()
        assert [at for at, ref in enumerate(known) if ref() is not None] == list(range(10, 20))
        for at, value in enumerate(held):
            for each in (value, take[at](plain.rows[10 + at])):
                if isinstance(each, set):
                    each.add("held")
                elif isinstance(each, np.ndarray):
                    each[:] = 9
                elif isinstance(each, Point):
                    each.x = 77
                else:
                    each.append(77)
        session.commit()
    assert same(load(path, Cupboard), plain)


def test_one_object_at_several_places(path: Path) -> None:
    def make() -> tuple[World, Item]:
        shared = Item(level=1, tags=["s"])
        new = world()
        new.one, new.some, new.apart = shared, [shared, Item()], Player(items={"a": shared})
        new.players["k3"].items["s"] = shared
        return new, shared

    (root, mine), (plain, theirs) = make(), make()
    with Session(path) as session:
        session.add(root)
        session.commit()
        for n in range(3):
            for each in (mine, theirs):
                each.tags.append(str(n))
            session.commit()
            assert same(load(path, World), plain)
        assert commit(session).rows_written <= 2


# -- after the session -------------------------------------------------------------------------------------------------


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.parametrize("kind", ["file", "memory", "compacted", "expunged", "deleted", "dropped", "failed"])
def test_what_was_added_is_read_and_changed_on(path: Path, kind: str) -> None:
    before = descriptors()
    root, plain = world(), world()
    hero = root.players["k5"]
    try:
        with Session(":memory:" if kind == "memory" else path) as session:
            session.add(root)
            session.commit()
            if kind == "compacted":
                session.compact()
            elif kind == "expunged":
                session.expunge(root)
            elif kind == "deleted":
                session.delete(root)
                session.commit()
            elif kind == "failed":
                raise KeyError
    except KeyError:
        pass
    if kind == "dropped":
        del session
    assert hero.items["a"].level == 5 and hero.inventory == []
    hero.score = plain.players["k5"].score = 99
    assert root == plain if root.array is None else same(root.model_load(), plain)
    assert root.model_dump(exclude={"array"}) == plain.model_dump(exclude={"array"})
    for each in (root, plain):
        each.n = 5
        each.players["k8"].score = 88
        each.players["new"] = Player(score=3)
        each.items[7].tags.append("after")
        each.some.append(Item(level=4))
    assert same(root.model_load(), plain)
    assert root.players["k8"].score == 88
    del root, hero
    assert descriptors() == before


def test_rows_held_over_many_commits_share_a_descriptor(path: Path) -> None:
    with Session(path) as session:
        session.add(world())
        session.commit()
        players = session.root(World).players
        kept = [players[key] for key in list(players)[:8]]
        before = descriptors()
        for n in range(40):
            kept[n % len(kept)].score = 1000 + n
            session.commit()
        assert descriptors() <= before + 2
        scores = [each.score for each in kept]
    found = load(path, World).players
    assert [found[key].score for key in list(found)[:8]] == scores


def test_it_may_be_added_again_and_again(path: Path, tmp_path: Path) -> None:
    """A program that saves now and then: each session stores what changed since the one before."""
    root, plain = world(), world()
    hero, tags = root.players["k5"], root.items[7].tags
    for n in range(3):
        for each, row, words in ((root, hero, tags), (plain, plain.players["k5"], plain.items[7].tags)):
            each.n = n
            row.score = 1000 + n
            words.append(str(n))
            each.players["k6"].inventory.append(n)
            each.players[f"n{n}"] = Player(items={"b": Item(level=n)})
        with Session(path) as session:
            session.add(root)
            assert root in session.new
            stats = commit(session)
            assert n == 0 or (stats.bytes_written < 200_000 and stats.rows_written < 20)
            assert commit(session).bytes_written == 0
            assert root.players["k5"] is hero and root.items[7].tags is tags
        assert same(load(path, World), plain)
    with Session(tmp_path / "other.par") as session:
        session.add(root)
        session.commit()
        hero.score = 5
        tags.append("other")
        root.players["k6"].inventory.append(5)
        session.commit()
        assert root.players["k5"] is hero and root.items[7].tags is tags
        session.rollback()
        hero.score = 6
        session.commit()
    again = load(tmp_path / "other.par", World)
    assert again.players["k5"].score == 6 and again.items[7].tags[-1] == "other"
    assert again.players["k6"].inventory[-1] == 5
    assert same(load(path, World), plain)


def test_two_sessions_at_once(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "o.par"
    root = world()
    with Session(path) as one, Session(other) as two:
        one.add(root)
        one.commit()
        with pytest.raises(SessionError, match="lazy object of another session"):
            two.add(root)
        root.n, root.players["k3"].score = 1, 33
        one.commit()
        one.close()
        two.add(root)
        two.commit()
        for each in (path, other):
            assert (load(each, World).n, load(each, World).players["k3"].score) == (1, 33)
        root.n, root.players["k3"].score = 2, 34
        two.commit()
        root.players["k4"].score = 35
        two.commit()
    assert (load(other, World).n, load(other, World).players["k3"].score) == (2, 34)
    assert load(other, World).players["k4"].score == 35
    assert (load(path, World).n, load(path, World).players["k3"].score) == (1, 33)


def test_what_was_put_into_a_stored_object_is_read_on(path: Path) -> None:
    save(path, world())
    hero = Player(score=1, inventory=[1, 2], items={"a": Item(level=3)})
    before = descriptors()
    with Session(path) as session:
        root = session.root(World)
        root.players["hero"] = hero
        session.commit()
        assert root.players["hero"] is hero and isinstance(hero.inventory, LazyList)
    assert hero.inventory == [1, 2] and hero.items["a"].level == 3
    hero.score, root.n = 2, 1
    hero.inventory.append(3)
    assert root.players["hero"] is hero and hero.inventory == [1, 2, 3]
    del root, hero
    assert descriptors() == before


# -- objects stay what they are ----------------------------------------------------------------------------------------


class Box(Model, Generic[T]):
    value: T
    more: list[T] = Chunk(default=[])


class IntBox(Box[int]):
    pass


class Ice(Model):
    model_config = ConfigDict(frozen=True, extra="allow")
    a: int = 0
    rows: list[Item] = Chunk(default=[])
    _seen: list[int] = PrivateAttr(default_factory=list)

    @cached_property
    def double(self) -> list[int]:
        return [self.a] * 2


def test_it_is_the_object_that_it_was(path: Path) -> None:
    box, root = IntBox(value=1, more=[1, 2]), world()
    ice = Ice(a=1, rows=[Item(level=1)], more="x")  # type: ignore[call-arg]
    ice._seen.append(3)
    double = ice.double
    with Session(path) as session:
        for each in (ice, box, root):
            before = copy.deepcopy(each)
            dumps(each)
            save(path.with_suffix(".copy"), each)
            assert not is_proxy(each) and type(each.__dict__.get("rows", [])) is list
            session.add(each)
            session.commit()
            assert session.root(type(each)) is each and isinstance(load(path, type(each)), type(before))
            assert is_proxy(each) and isinstance(each, type(before)) and each.__class__ is type(before)
            assert each.model_dump_json(exclude={"array"}) == before.model_dump_json(exclude={"array"})
            for again in (pickle.loads(pickle.dumps(each)), copy.deepcopy(each), each.model_load()):
                assert not is_proxy(again) and same(again, before)
        assert ice.double is double and ice.model_extra == {"more": "x"} and ice._seen == [3]
        ice._seen.append(4)
        box.more.append(3)
        assert session.dirty == session.dirty and {type(each) for each in session.dirty} == {type(ice), type(box)}
        session.commit()
    assert load(path, Ice)._seen == [3, 4] and load(path, IntBox).more == [1, 2, 3]


def test_rollback_savepoints_and_expire(path: Path) -> None:
    root, plain = world(), world()
    held, tags = root.players["k5"], root.items[7].tags
    with Session(path) as session:
        session.add(root)
        savepoint = session.begin_nested()
        root.n = 3
        session.commit()
        assert not savepoint.is_active
        plain.n = 3
        with session.begin_nested() as savepoint:
            held.score, root.players["new"] = 7, Player()
            tags.append("gone")
            savepoint.rollback()
        assert tags == ["7"] and same(root.model_load(), plain)
        held.score = 8
        root.few["k1"].inventory.append(5)
        session.rollback()
        assert root.players["k5"] is held and held.score == 5 and same(root.model_load(), plain)
        held.score = 9
        session.expire(root)
        assert held.score == 5
        held.score = plain.players["k5"].score = 10
        session.commit()
        with Session(path) as other:
            other.root(World).n = 50
            other.commit()
        session.refresh()
        assert root.n == 50 and session.root(World) is root
        root.n = plain.n = 51
        session.commit()
    assert same(load(path, World), plain)


class Inner(Model):
    v: int = 0
    z: list[int] = Chunk(default_factory=list)


class Line(Model):
    a: int
    t: list[int] = []
    i: Inner = Inner()
    c: list[int] = Chunk(default_factory=list)


class Lines(Model):
    n: int = 0
    rows: list[Line] = Chunk(default_factory=list)


@pytest.mark.parametrize("count", [1, 20_000])
@pytest.mark.parametrize("mode", ["a new root", "a root that was read", "the same file"])
def test_a_row_of_a_closed_session_goes_on_where_it_is_put(path: Path, tmp_path: Path, count: int, mode: str) -> None:
    with Session(path) as session:
        added = Lines(rows=[Line(a=1) for _ in range(count)])
        row = added.rows[0]
        session.add(added)
        session.commit()
    row.a = 2
    other = path if mode == "the same file" else tmp_path / "other.par"
    if mode == "a root that was read":
        save(other, Lines(rows=[Line(a=i) for i in range(count)]))
    with Session(other) as session:
        if mode == "a root that was read":
            session.root(Lines).rows.append(row)
        else:
            session.add(Lines(rows=[row]), replace=True)
        session.commit()
        assert session.root(Lines).rows[-1] is row
        row.a = 99
        row.t.append(1)
        row.i.v = 5
        row.c.append(7)
        row.i.z.append(3)
        session.commit()
    assert load(other, Lines).rows[-1] == Line(a=99, t=[1], i=Inner(v=5, z=[3]), c=[7])


def test_what_was_added_again_and_rolled_back_is_as_it_was(path: Path) -> None:
    with Session(path) as session:
        added = Lines(rows=[Line(a=1)])
        session.add(added)
        session.commit()
    added.n = 7
    added.rows[0].a = 2
    with Session(path) as session:
        session.add(added)
        session.rollback()
        assert (added.n, added.rows[0].a) == (7, 2)
        assert session.root(Lines) is not added and session.root(Lines).n == 0
        added.n = 9
        session.commit()
    assert load(path, Lines).n == 0
    with Session(path) as session:
        added.n = 16
        session.add(added)
        savepoint = session.begin_nested()
        added.n = 17
        savepoint.rollback()
        assert added.n == 16
        session.commit()
    assert load(path, Lines) == Lines(n=16, rows=[Line(a=2)])


def test_what_was_only_read_reads_on_as_well(path: Path) -> None:
    save(path, Lines(rows=[Line(a=i) for i in range(20_000)]))
    with Session(path) as session:
        read = session.root(Lines)
        session.add(Inner(z=[1]))
        session.commit()
    assert read.rows[19_999].a == 19_999
