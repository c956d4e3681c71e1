"""Rollback, expire and refresh: objects show what is stored, and stay the objects they are."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from parcode_orm import Chunk, Key, LazyMap, Model, Session, ShardedMap, compact, dumps, load, save
from parcode_orm.errors import ConflictError, DetachedError, NoResultFound, SessionError
from tests.small import tuned
from tests.strategies import same

LARGE = 150  # rows: a table of its own; a small collection lies in its owner's row group


class Item(Model):
    level: int = 0
    tags: list[str] = []
    kids: list[int] = Chunk(default=[])


class Wide(Item):
    more: int = 0


class World(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    n: int = 0
    one: Item = Item()
    apart: Item = Chunk(default=Item())
    inline: list[Item] = []
    small: dict[str, Item] = ShardedMap(default={})
    big: dict[str, Item] = ShardedMap(default={})
    rows: list[Item] = Chunk(default=[])
    lists: list[list[int]] = Chunk(default=[])
    mixed: list[Item] = Chunk(default=[])
    array: NDArray[np.int64] = Chunk(default_factory=lambda: np.arange(3))


class Score(Model):
    best: int = 0


def items(count: int) -> dict[str, Item]:
    return {f"k{i}": Item(level=i, tags=[f"{i:0300}"], kids=[i]) for i in range(count)}


def world() -> World:
    return World(
        one=Item(level=1, kids=[1]),
        apart=Item(level=2, kids=[2]),
        inline=[Item(level=3, kids=[3])],
        small=items(3),
        big=items(LARGE),
        rows=list(items(LARGE).values()),
        lists=[[i << 40] * 60 for i in range(LARGE)],
        mixed=[Item(level=1, tags=["x" * 300]), Wide(level=2, more=3)] * LARGE,  # of more than one class
    )


WORLD = dumps(world())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "w.par").write_bytes(WORLD)
    return tmp_path / "w.par"


# Where an `Item` of a world is.
PLACES: dict[str, Any] = {
    "one": lambda w: w.one,
    "apart": lambda w: w.apart,
    "inline": lambda w: w.inline[0],
    "small": lambda w: w.small["k1"],
    "big": lambda w: w.big["k1"],
    "rows": lambda w: w.rows[7],
    "mixed": lambda w: w.mixed[0],
    "wide": lambda w: w.mixed[1],
}
WAYS_BACK = {
    "rollback": lambda session: session.rollback(),
    "expire": lambda session: session.expire(session.root(World)),
    "expire_all": lambda session: session.expire_all(),
    "refresh": lambda session: session.refresh(session.root(World)),
}


@pytest.mark.parametrize("back", WAYS_BACK)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("committed", [False, True])
def test_an_object_shows_what_is_stored_and_stays_attached(path: Path, place: str, back: str, committed: bool) -> None:
    reach = PLACES[place]
    with Session(path) as session:
        root = session.root(World)
        item = reach(root)
        kids = item.kids
        if committed:  # then the row lies elsewhere than where it was read
            item.tags.append("committed")
            kids.append(5)
            root.small["k2"].level = 77
            session.commit()
        stored = load(path, World)
        item.level, item.tags = 99, ["lost"]
        kids.append(99)
        del item.kids
        WAYS_BACK[back](session)
        assert session.root(World) is root
        assert reach(root) is item
        assert item == reach(stored)
        assert item.kids is kids
        assert same(root.model_load(), stored)
        assert not session.dirty
        size = path.stat().st_size
        session.commit()
        assert path.stat().st_size == size

        item.level = 50
        item.tags.append("kept")
        kids.append(51)
        session.commit()
    again = reach(load(path, World))
    assert (again.level, again.tags[-1], again.kids[-1]) == (50, "kept", 51)


@pytest.mark.parametrize("back", WAYS_BACK)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("way", ["level", "tags", "kids"])
def test_a_variable_alone_leads_to_the_next_commit(path: Path, place: str, back: str, way: str) -> None:
    """Nothing is reached again after the way back: the rows of the file lie where nobody has looked yet."""
    reach = PLACES[place]
    with Session(path) as session:
        item = reach(session.root(World))
        kids = item.kids
        if way == "level":
            item.level = 99
        WAYS_BACK[back](session)
        if way == "level":
            item.level = 50
        elif way == "tags":
            item.tags.append("kept")
        else:
            del item
            kids.append(51)
        session.commit()
    again = reach(load(path, World))
    assert {"level": again.level, "tags": again.tags[-1:], "kids": again.kids[-1:]}[way] in (50, ["kept"], [51])


def test_variables_alone_in_trees_of_several_nodes(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    rows = [Item(level=i) for i in range(9000)]
    path.write_bytes(dumps(World(big={f"k{item.level}": item for item in rows}, rows=rows)))
    with Session(path) as session:
        root = session.root(World)
        hero, row = root.big["k8000"], root.rows[8000]
        root.big["new"] = Item()
        root.rows.insert(0, Item())
        session.rollback()
        hero.level = row.level = 5
        session.commit()
    again = load(path, World)
    assert again.big["k8000"].level == again.rows[8000].level == 5
    assert len(again.rows) == len(again.big) == 9000


@pytest.mark.parametrize("back", WAYS_BACK)
@pytest.mark.parametrize("name", ["small", "big"])
def test_maps_and_their_rows(path: Path, name: str, back: str) -> None:
    with Session(path) as session:
        root = session.root(World)
        mapping = getattr(root, name)
        popped, replaced, kept = (mapping[f"k{i}"] for i in range(3))
        replaced.level = -1
        new = Item(level=7)
        mapping.pop("k0").level = -2
        mapping["k1"] = new
        mapping["new"] = popped
        del mapping["k2"]
        WAYS_BACK[back](session)
        assert getattr(root, name) is mapping
        assert len(mapping) == len(getattr(world(), name))
        assert list(mapping) == list(getattr(world(), name))
        for i, item in enumerate((popped, replaced, kept)):
            assert mapping[f"k{i}"] is item
            assert item == items(3)[f"k{i}"]
        assert "new" not in mapping
        assert new == Item(level=7)
        popped.level = 5
        mapping["new"] = new
        session.commit()
        if name == "big":
            mapping.rows.table._check()
    again = getattr(load(path, World), name)
    assert again["k0"].level == 5
    assert again["new"] == Item(level=7)
    assert again["k1"].level == 1


@pytest.mark.parametrize("back", WAYS_BACK)
@pytest.mark.parametrize("name", ["rows", "inline", "mixed", "lists"])
def test_lists(path: Path, name: str, back: str) -> None:
    with Session(path) as session:
        root = session.root(World)
        rows = getattr(root, name)
        first = rows[0]
        del rows[0]
        rows.append(rows[0] if len(rows) else first)
        rows.reverse()
        if isinstance(first, list):
            first.append(9)
        WAYS_BACK[back](session)
        assert same(root.model_load(), world())
        rows = getattr(root, name)
        if name != "lists":
            assert rows[0] is first
            first.level = 41
        rows[-1] = rows[0]
        session.commit()
    again = getattr(load(path, World), name)
    assert again[-1] == again[0]


@pytest.mark.parametrize("back", WAYS_BACK)
def test_fields_that_were_replaced_or_deleted(path: Path, back: str) -> None:
    with Session(path) as session:
        root = session.root(World)
        one, big = root.one, root.big
        one.level = 99
        hero = big["k1"]
        hero.level = 99
        big["x"] = Item()
        other = Item(level=4)
        root.one, root.big = other, {"other": Item()}
        del root.n
        root.array[:] = 7
        WAYS_BACK[back](session)
        assert root.one is one
        assert root.big is big
        assert big["k1"] is hero
        assert same(root.model_load(), world())
        assert other == Item(level=4)
        one.level, hero.level, root.n = 5, 6, 7
        big["y"] = Item(level=8)
        session.commit()
    again = load(path, World)
    assert (again.one.level, again.big["k1"].level, again.n, again.big["y"].level) == (5, 6, 7, 8)
    assert list(again.array) == [0, 1, 2]


def test_what_was_added_and_stored(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    plain = world()
    with Session(path) as session:
        session.add(plain)
        session.commit()
        plain.n = 5
        plain.big["k1"].level = 99
        session.add(score := Score(best=3))
        session.rollback()
        assert session.root(World) is plain
        assert same(plain.model_load(), world())
        assert isinstance(plain.big, LazyMap)
        assert session.roots() == ["World"]
        assert score not in session
        assert score == Score(best=3)
        with pytest.raises(NoResultFound):
            session.root(Score)
        plain.big["k1"].level = 44
        session.commit()
    again = load(path, World)
    assert again.big["k1"].level == 44
    assert again.n == 0


@pytest.mark.parametrize("name", ["small", "big"])
def test_plain_rows_that_were_stored(path: Path, name: str) -> None:
    with Session(path) as session:
        mapping = getattr(session.root(World), name)
        mapping["new"] = new = Item(level=1, tags=["a"])
        session.root(World).one = one = Item(level=2)
        session.commit()
        new.level, one.level = 9, 9
        new.tags.append("b")
        session.rollback()
        assert mapping["new"] is new
        assert session.root(World).one is one
        assert new == Item(level=1, tags=["a"])
        assert one == Item(level=2)
        new.tags.append("c")
        one.level = 3
        session.commit()
    again = load(path, World)
    assert getattr(again, name)["new"].tags == ["a", "c"]
    assert again.one.level == 3


def test_a_root_that_was_replaced_is_back(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        session.add(World(n=8, big=root.big), replace=True)
        session.rollback()
        assert session.root(World) is root
        assert same(root.model_load(), world())
        root.big["k1"].level = 5
        session.commit()
    assert load(path, World).big["k1"].level == 5


def test_rollback_of_a_session_without_a_file(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    with Session(path) as session:
        session.add(Score(best=1))
        session.rollback()
        assert session.roots() == []
        session.commit()
        assert not path.exists()
        session.add(Score(best=2))
        session.commit()
    assert load(path, Score).best == 2


def test_rollback_keeps_what_others_hold_apart(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "o.par"
    other.write_bytes(path.read_bytes())
    with Session(path) as session, Session(other) as theirs:
        foreign = theirs.root(World).big
        foreign["k1"].level = 5
        session.root(World).big = foreign
        session.root(World).one = theirs.root(World).one
        session.rollback()
        assert foreign["k1"].level == 5
        assert same(session.root(World).model_load(), world())
        theirs.commit()
    assert load(other, World).big["k1"].level == 5


def test_a_collection_without_a_place_is_refused_not_lost(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        big = root.big
        root.big = {}
        session.commit()
        root.n = 1
        session.rollback()
        with pytest.raises(DetachedError, match="rollback"):
            big["x"] = Item()


def test_rows_that_somebody_walks_over(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        root.big["x"] = Item()
        with pytest.raises(RuntimeError, match="changed size"):
            for _ in root.big:
                session.rollback()


def test_expire_leaves_the_rest(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        root.n = 5
        root.one.level = root.apart.level = 9
        root.big["k1"].level = root.big["k2"].level = 9
        root.rows[3].level = 9
        session.expire(root.one)
        session.refresh(root.big["k1"])
        session.expire(root.rows)
        assert (root.one.level, root.apart.level) == (1, 9)
        assert (root.big["k1"].level, root.big["k2"].level) == (1, 9)
        assert root.rows[3].level == 3
        assert root.n == 5
        session.commit()
    again = load(path, World)
    assert (again.n, again.one.level, again.apart.level, again.big["k2"].level) == (5, 1, 9, 9)


def test_what_cannot_be_expired(path: Path) -> None:
    with Session(path) as session, Session(path) as other:
        session.add(score := Score())
        item = Item()
        session.root(World).one = item
        for obj in (score, item, Item(), other.root(World), other.root(World).big, 5):
            with pytest.raises(SessionError, match=r"not committed yet|neither a root nor"):
                session.expire(obj)
        session.expire_all()
        assert score in session
        assert session.root(World).one.level == 1


# -- going on to the newest commit -------------------------------------------------------------------------------------


def change(path: Path) -> None:
    with Session(path) as other:
        theirs = other.root(World)
        theirs.n = 10
        theirs.one.level = 11
        theirs.apart.kids.append(12)
        theirs.big["k1"].level = 13
        theirs.big["new"] = Item(level=14)
        theirs.small["k1"].level = 15
        other.add(Score(best=16))
        other.commit()


@pytest.mark.parametrize("read_only", [True, False])
def test_refresh_goes_on_to_the_newest_commit(path: Path, read_only: bool) -> None:
    with Session(path, read_only=read_only) as session:
        root = session.root(World)
        one, kids, big, small, hero = root.one, root.apart.kids, root.big, root.small, root.big["k1"]
        assert (root.n, one.level, list(kids), big["k1"].level, small["k1"].level) == (0, 1, [2], 1, 1)
        before = session.snapshot
        session.refresh()
        assert session.snapshot == before
        assert big["k1"] is hero  # nothing happened
        change(path)
        assert root.n == 0
        session.refresh()
        assert session.snapshot is not None and before is not None
        assert session.snapshot.sequence == before.sequence + 1
        assert session.root(World) is root
        assert (root.one, root.apart.kids, root.big, root.small) == (one, kids, big, small)
        assert root.one is one and root.apart.kids is kids and root.big is big and root.small is small
        assert (root.n, one.level, list(kids), small["k1"].level) == (10, 11, [2, 12], 15)
        assert (big["k1"].level, big["new"].level) == (13, 14)
        assert session.root(Score).best == 16
        assert hero.level == 1
        if read_only:
            assert hero.tags == [f"{1:0300}"]
        else:
            with pytest.raises(DetachedError, match="refresh"):
                hero.level = 5
            root.n = 20
            one.level = 21
            big["new"].level = 22
            kids.append(23)
            session.commit()
            assert load(path, World).model_dump(include={"n", "one"})["one"]["level"] == 21
            assert load(path, World).big["new"].level == 22
            assert load(path, World).apart.kids == [2, 12, 23]


@pytest.mark.parametrize("pending", ["new", "changed", "deleted"])
def test_refresh_refuses_to_lose_changes(path: Path, pending: str) -> None:
    with Session(path) as session:
        root = session.root(World)
        change(path)
        if pending == "new":
            session.add(Score())
        elif pending == "changed":
            root.big["k1"].tags.append("x")
        else:
            session.delete(root)
        with pytest.raises(SessionError, match="unsaved changes"):
            session.refresh()
        if pending == "changed":
            assert root.big["k1"].tags[-1] == "x"
        session.rollback()
        session.refresh()
        assert session.root(World) is root
        assert root.n == 10


def test_refresh_finds_the_first_commit(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    with Session(path) as session:
        session.refresh()
        assert session.snapshot is None
        with Session(path) as other:
            other.add(Score(best=4))
            other.commit()
        session.refresh()
        assert session.root(Score).best == 4
        session.root(Score).best = 5
        session.commit()
    assert load(path, Score).best == 5


def test_refresh_after_a_root_went(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        with Session(path) as other:
            other.add(Score())
            other.delete(other.root(World))
            other.commit()
        session.refresh()
        assert session.roots() == ["Score"]
        assert root not in session
        with pytest.raises(NoResultFound):
            session.root(World)
        with pytest.raises(DetachedError, match="refresh"):
            root.n = 1


def test_refresh_of_memory_and_of_bytes(path: Path) -> None:
    with Session(":memory:") as session:
        session.refresh()
        session.add(Score(best=1))
        session.commit()
        session.refresh()
        assert session.root(Score).best == 1
    with Session(path.read_bytes()) as session:
        session.refresh()
        assert session.root(World).n == 0


class Other(World):
    pass


def test_refresh_of_what_stood_at_two_places(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        other = session.merge(Other())
        other.big, other.one = root.big, root.one
        session.commit()
        with Session(path) as theirs:
            theirs.root(World).big["k1"].level = theirs.root(World).one.level = 50
            theirs.commit()
        session.refresh()
        assert (root.big["k1"].level, root.one.level) == (50, 50)
        assert (other.big["k1"].level, other.one.level) == (1, 1)
        root.n = other.n = 9
        session.commit()
    assert load(path, World).big["k1"].level == 50
    assert load(path, Other).big["k1"].level == 1


def test_rollback_after_a_conflict_goes_on(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        one, big = root.one, root.big
        root.n, big["k2"].level, one.level = 1, 1, 1
        session.add(Score(best=0))
        change(path)
        with pytest.raises(ConflictError):
            session.commit()
        session.rollback()
        assert session.root(World) is root
        assert root.one is one and root.big is big
        assert (root.n, one.level, big["k1"].level, big["k2"].level) == (10, 11, 13, 2)
        assert session.root(Score).best == 16
        root.n = 30
        session.commit()
    assert load(path, World).n == 30


@pytest.mark.parametrize("count", [2, 10_000])
@pytest.mark.parametrize("how", ["expire", "refresh", "expire_all"])
def test_a_held_row_of_a_collection_that_was_replaced_goes_back(tmp_path: Path, count: int, how: str) -> None:
    """The row is reached through no collection then: it was met again with its change, which the next commit stored."""

    class Leaf(Model):
        n: int = 0

    class Owner(Model):
        rows: list[Leaf] = Chunk()

    path = tmp_path / "a.par"
    save(path, Owner(rows=[Leaf(n=n) for n in range(count)]))
    with Session(path) as session:
        root = session.root(Owner)
        row = root.rows[0]
        row.n = 100
        root.rows = [Leaf(n=9)]
        getattr(session, how)(*([] if how == "expire_all" else [root]))
        assert root.rows[0].n == row.n == 0 and root.rows[0] is row and not session.is_modified(root)
        session.commit()
        row.n = 5
        session.commit()
    assert load(path, Owner).rows[0].n == 5


class Holder(BaseModel):
    """A plain model of Pydantic's around one of ours."""

    item: Item


class Case(Model):
    holder: Holder
    holders: list[Holder] = Chunk()


@pytest.mark.parametrize("back", ["rollback", "expire"])
@pytest.mark.parametrize("added", [False, True])
@pytest.mark.parametrize("name", ["holder", "holders"])
def test_a_model_inside_a_plain_model_goes_on_with_each_commit(
    tmp_path: Path, name: str, added: bool, back: str
) -> None:
    path = tmp_path / "c.par"
    case = Case(holder=Holder(item=Item(level=1)), holders=[Holder(item=Item(level=1))])
    if not added:
        save(path, case)
    with Session(path) as session:
        if added:
            session.add(case)
            session.commit()

        def find(case: Case) -> Item:
            return case.holder.item if name == "holder" else case.holders[0].item

        item = find(session.root(Case))
        item.level = 2
        item.kids.append(5)
        session.commit()
        item.level = 3
        if back == "rollback":
            session.rollback()
        else:
            session.expire(session.root(Case))
        assert find(session.root(Case)) is item
        assert (item.level, item.kids) == (2, [5])
        item.level = 4
        session.commit()
    assert find(load(path, Case)) == Item(level=4, kids=[5])


GOING_ON: dict[str, Callable[[Session, Path], None]] = {
    "nothing": lambda session, path: None,
    "compact": lambda session, path: session.compact(keep=1),
    "refresh": lambda session, path: (compact(path), session.refresh())[-1],
    "revert": lambda session, path: session.revert(1),
    "revert and compact": lambda session, path: (session.revert(1), session.compact(keep=1))[-1],
}


def give_up(session: Session) -> None:
    with pytest.raises(KeyError), session.begin_nested():
        session.root(World).n += 1
        raise KeyError


BACK: dict[str, Callable[[Session], None]] = {
    "rollback": Session.rollback,
    "expire": Session.expire_all,
    "savepoint": give_up,
}


@pytest.mark.once
@pytest.mark.parametrize("how", GOING_ON)
@pytest.mark.parametrize("back", BACK)
@pytest.mark.parametrize("name", ["rows", "big"])
def test_a_collection_that_was_let_go_of_does_not_take_the_place_of_another(
    tmp_path: Path, how: str, back: str, name: str
) -> None:
    """It lay in the file before, or in another commit, where what the session stands on now lies in this one."""
    path = tmp_path / "w.par"
    save(path, world())
    with Session(path) as session:
        held = getattr(session.root(World), name)
        fresh = [Item(level=-i, tags=[f"{i:0300}"]) for i in range(LARGE)]
        setattr(session.root(World), name, fresh if name == "rows" else {f"k{i}": row for i, row in enumerate(fresh)})
        session.commit()
        GOING_ON[how](session, path)
        for turn in range(2):
            session.root(World).n = 99
            BACK[back](session)
            rows = getattr(session.root(World), name)
            row = rows[3] if name == "rows" else rows["k3"]
            assert row.level == (70 if turn else 3 if "revert" in how else -3)
            assert rows is not held
            row.level = 70 + turn
            session.commit()
        # A compaction changes nothing in memory, and an expire takes nothing from the session.
        lets_go = back == "rollback" or how not in ("nothing", "compact")
        with pytest.raises(DetachedError) if lets_go else nullcontext():
            held.clear()
        session.root(World).n = 100
        session.commit()
    found = getattr(load(path, World), name)
    assert (found[3] if name == "rows" else found["k3"]).level == 71


class Row(Model):
    id: int = Key()
    items: list[int] = Chunk(default=[])
    named: dict[str, int] = ShardedMap(default={})


@pytest.mark.parametrize("count", [0, 2, 40])
@pytest.mark.parametrize("back", ["expire", "rollback", "expire_all", "begin_nested"])
def test_no_object_takes_the_collection_of_another_one(tmp_path: Path, back: str, count: int) -> None:
    """Empty lists of two rows lay at one place, as did a table to which both refer.

    `session.expire(two)` gave it the list of `one`, and what was then appended to it was stored under both.
    """
    small = tuned().Session
    with small(tmp_path / "rows.par") as session:
        numbers = list(range(1 << 40, (1 << 40) + count))
        named = {str(n): n for n in numbers}
        session.add_all([Row(id=1, items=numbers, named=named), Row(id=2), Row(id=3)])
        session.commit()
        one, two = session.get_one(Row, 1), session.get_one(Row, 2)
        if count:
            two.items, two.named = one.items, one.named  # a table is stored once, for both
            session.commit()
    for replaced in (False, True):
        with small(tmp_path / "rows.par") as session:
            one, two = session.get_one(Row, 1), session.get_one(Row, 2)
            mine = one.items, one.named
            assert len(two.items) == len(two.named) == count
            savepoint = session.begin_nested() if back == "begin_nested" else None
            if replaced:
                two.items, two.named = [7], {"7": 7}
            if savepoint is not None:
                savepoint.rollback()
            elif back == "expire":
                session.expire(two)
            else:
                getattr(session, back)()
            assert one.items is mine[0] and one.named is mine[1]
            two.items.append(8)
            two.named["8"] = 8
            assert len(one.items) == len(one.named) == count
            assert len(two.items) == len(two.named) == count + 1


@pytest.mark.parametrize("count", [0, 2, 40])
@pytest.mark.parametrize("more", [3, 60])
@pytest.mark.parametrize("back", ["expire", "rollback", "expire_all", "begin_nested"])
def test_a_collection_that_a_stream_made_a_table_goes_back(tmp_path: Path, back: str, more: int, count: int) -> None:
    """A small list that an iterator made a table was not known again where it is stored.

    The session let go of it: `items.append(1)` raised `DetachedError`.
    """
    with tuned().Session(tmp_path / "rows.par") as session:
        session.add(Row(id=1, items=list(range(count)), named={str(n): n for n in range(count)}))
        session.commit()
        row = session.get_one(Row, 1)
        items, named = row.items, row.named
        for stored in (False, True):  # again, when a commit has stored the table
            if stored:
                items.extend(iter(range(30)))
                named.update(iter({str(n): n for n in range(count, count + 30)}.items()))
                session.commit()
            held = list(items), dict(named)
            savepoint = session.begin_nested() if back == "begin_nested" else None
            items.extend(iter(range(more)))
            named.update(iter({f"new{n}": n for n in range(more)}.items()))
            items.append(5)
            if savepoint is not None:
                savepoint.rollback()
            else:
                getattr(session, back)(*([row] if back == "expire" else []))
            assert row.items is items and row.named is named
            assert (list(items), dict(named)) == held and not session.is_modified(row)
        items.append(7)
        named["seven"] = 7
        session.commit()
        assert session.get_one(Row, 1).items[-1] == 7
    with Session.open(tmp_path / "rows.par") as session:
        assert list(session.get_one(Row, 1).items) == [*held[0], 7]
        assert dict(session.get_one(Row, 1).named) == {**held[1], "seven": 7}


@pytest.mark.parametrize("of", ["items", "named"])
def test_expire_of_a_collection_itself_that_a_stream_made_a_table(tmp_path: Path, of: str) -> None:
    with tuned().Session(tmp_path / "rows.par") as session:
        session.add(Row(id=1, items=[1, 2], named={"a": 1}))
        session.commit()
        row = session.get_one(Row, 1)
        row.items.extend(iter(range(60)))
        row.named.update((str(n), n) for n in range(60))
        session.expire(getattr(row, of))
        assert list(row.items) == [1, 2] if of == "items" else dict(row.named) == {"a": 1}
        assert len(row.named if of == "items" else row.items) > 60


@pytest.mark.parametrize("how", ["expire", "expire_all"])
def test_keys_that_a_savepoint_brings_back_after_expire_are_found(tmp_path: Path, how: str) -> None:
    """`expire` took back the ids that new keys had, and the savepoint did not: the next key got one of them again.

    Then `named["n0"]` raised KeyError, while a loop over the map gave the key.
    """
    with tuned().Session(tmp_path / "rows.par") as session:
        session.add(Row(id=1, named={str(n): n for n in range(40)}))
        session.commit()
        row = session.get_one(Row, 1)
        for n in range(3):
            row.named[f"n{n}"] = n
        savepoint = session.begin_nested()
        getattr(session, how)(*([row] if how == "expire" else []))
        savepoint.rollback()
        row.named["more"] = 7
        assert [row.named[key] for key in row.named] == [*range(40), 0, 1, 2, 7]
        del row.named["n0"]
        session.commit()
    with Session.open(tmp_path / "rows.par") as session:
        assert dict(session.get_one(Row, 1).named) == {**{str(n): n for n in range(40)}, "n1": 1, "n2": 2, "more": 7}


class Cell(Model):
    n: int = 0
    more: list[int] = Chunk(default=[])


class Owner(Model):
    cells: dict[str, Cell] = ShardedMap(default={})
    row: list[Cell] = Chunk(default=[])


class Owners(Model):
    owners: dict[str, Owner] = ShardedMap(default={})


@pytest.mark.parametrize("large", [64, 320, 2_000])  # bytes: the cells are tables, or columns of their owners
@pytest.mark.parametrize("deleted", [False, True])
@pytest.mark.parametrize("again", ["rollback", "expire_all"])
def test_a_held_row_is_part_of_the_collection_that_comes_back(
    tmp_path: Path, large: int, deleted: bool, again: str
) -> None:
    path = tmp_path / "held.par"
    made = {f"o{n}": Owner(cells={c: Cell(more=[n] * 9) for c in "gh"}, row=[Cell(more=[n])] * 3) for n in range(3)}
    small = tuned(large=large).Session
    with small(path) as session:
        session.add(Owners(owners=made))
        session.commit()
    with small(path) as session:
        owners = session.root(Owners).owners
        cell, other = owners["o0"].cells["g"], owners["o0"].row[1]
        assert len(cell.more) == 9
        if deleted:
            del owners["o0"]
        else:
            owners["o0"].cells = {"a": Cell()}
            owners["o0"].row = []
        getattr(session, again)()
        owners.load()
        cell.more.clear()  # nothing asks the collections for the rows before the commit
        other.n = 5
        del cell, other
        assert owners.load()["o0"].cells["g"].more == []
        session.commit()
    with small(path) as session:
        owner = session.root(Owners).owners["o0"]
        assert list(owner.cells["g"].more) == [] and [each.n for each in owner.row] == [0, 5, 0]


@pytest.mark.parametrize("again", ["rollback", "expire_all"])
def test_a_collection_that_comes_back_is_not_searched_for_held_rows_of_others(tmp_path: Path, again: str) -> None:
    path, read = tmp_path / "read.par", []
    made = {f"o{n}": Owner(cells={f"{n}": Cell(n=n) for n in range(200)}) for n in range(3)}
    with tuned(large=64).Session(path) as session:
        session.add(Owners(owners=made))
        session.commit()
    for replaced in (False, True):
        with tuned(large=64).Session(path) as session:
            owners = session.root(Owners).owners
            kept = owners["o1"].cells["7"]
            assert len(owners["o0"].cells) == 200
            if replaced:
                owners["o0"].cells = {"a": Cell()}
            before = session.stats.chunks_read
            getattr(session, again)()
            read.append(session.stats.chunks_read - before)
            del kept
    assert read[1] - read[0] < 5


class Box(Model):
    taken: list[Cell] = Chunk(default=[])
    by_key: dict[str, Cell] = ShardedMap(default={})


@pytest.mark.parametrize("again", ["expire", "refresh"])
@pytest.mark.parametrize("large", [64, 2_000])
@pytest.mark.parametrize("whole", [False, True])
def test_expire_of_a_root_leaves_what_was_taken_out_of_another_one(
    tmp_path: Path, large: int, whole: bool, again: str
) -> None:
    """An owner that is held and part of nothing is no part of the root; rows that it had stand elsewhere by now."""
    small = tuned(large=large).Session
    with small(tmp_path / "taken.par") as session:
        made = {f"o{n}": Owner(cells={c: Cell(n=n, more=[n] * 9) for c in "gh"}, row=[Cell(n=n)] * 3) for n in range(3)}
        session.add_all([Owners(owners=made), Box(), Score()])
        session.commit()
    with small(tmp_path / "taken.par") as session:
        owners, box = session.root(Owners).owners, session.root(Box)
        owner = owners.pop("o1")
        if whole:
            box.taken, box.by_key = owner.row, owner.cells
            owner.row, owner.cells = [], {}
        else:
            box.taken.append(owner.row.pop(1))
            box.by_key["g"] = owner.cells.pop("g")
        box.taken[0].n = 5
        box.by_key["g"].more.append(6)
        score = session.root(Score)
        score.best = 3
        getattr(session, again)(score)
        assert score.best == 0 and box.taken[0].n == 5 and box.by_key["g"].more[-1] == 6
        session.commit()
    with small(tmp_path / "taken.par") as session:
        box = session.root(Box)
        assert "o1" not in session.root(Owners).owners
        assert box.taken[0].n == 5 and box.by_key["g"].more == [1] * 9 + [6]
