"""What a session knows of its objects, and what it does with whole ones: delete, expunge, merge, flush, commit."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ConfigDict, PrivateAttr

from parcode_orm import Chunk, Model, Session, ShardedMap, dumps, load
from parcode_orm.errors import ClosedError, EncodeError, NoResultFound, ReadOnlyError, SessionError
from parcode_orm.session.identity_set import IdentitySet


class Item(Model):
    level: int = 0
    tags: list[str] = []
    below: Item | None = None


class World(Model):
    n: int = 0
    one: Item = Item()
    small: dict[str, Item] = ShardedMap(default={})
    big: dict[str, Item] = ShardedMap(default={})
    rows: list[Item] = Chunk(default=[])
    plain: dict[str, list[Item]] = {}
    _note: list[int] = PrivateAttr(default_factory=list)


class Score(Model):
    best: int = 0


class Frozen(Model):
    model_config = ConfigDict(frozen=True)
    best: int = 0
    below: list[int] = Chunk(default=[])


def world() -> World:
    rows = {f"k{i}": Item(level=i, tags=["x" * 300]) for i in range(150)}
    return World(one=Item(below=Item()), small={"a": Item()}, big=rows, rows=[Item()], plain={"a": [Item()]})


WORLD = dumps(world())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "w.par").write_bytes(WORLD)
    return tmp_path / "w.par"


def test_identity_sets() -> None:
    a, b = Item(), Item()
    assert a == b
    found = IdentitySet([a, a, b])
    assert len(found) == 2
    assert a in found and b in found and Item() not in found
    assert list(found) == [a, b]
    assert found == IdentitySet([b, a])
    assert found != IdentitySet([a])
    assert found != {1}
    assert not IdentitySet()
    assert repr(IdentitySet([1])) == "IdentitySet([1])"


def test_new_dirty_and_deleted(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        assert not session.new and not session.dirty and not session.deleted
        score, frozen = Score(), Frozen()
        session.add_all([score, frozen])
        assert session.new == IdentitySet([score, frozen])
        assert not session.dirty
        hero = root.big["k1"]
        hero.tags.append("x")
        assert session.dirty == IdentitySet([root, hero])
        session.commit()
        assert not session.new and not session.dirty
        score.best = 4
        assert session.dirty == IdentitySet([score])
        session.delete(score)
        assert session.deleted == IdentitySet([score])
        assert not session.dirty
        session.commit()
        assert not session.deleted
        assert session.roots() == ["Frozen", "World"]


@pytest.mark.parametrize("added", [True, False])
def test_is_modified(tmp_path: Path, path: Path, added: bool) -> None:
    with Session(tmp_path / "x.par" if added else path) as session:
        if added:
            session.add(root := world())
            assert session.is_modified(root) and session.is_modified(root.one)
            session.commit()
        root = session.root(World)

        def objects() -> list[Item]:
            assert root.one.below is not None
            return [root.one.below, root.one, root.small["a"], root.big["k1"], root.rows[0], root.plain["a"][0]]

        before = objects()
        assert not any(map(session.is_modified, [root, *before]))
        for i, item in enumerate(before):
            item.tags.append("y")
            modified = [each for each in before if session.is_modified(each)]
            assert list(map(id, modified)) == [id(item), id(root.one)] if i == 0 else [id(item)]
            assert session.is_modified(root)
            item.tags.pop()
            assert not any(map(session.is_modified, [root, *before]))
        root.small["new"] = new = Item()
        root.one = other = Item(below=Item())
        assert session.is_modified(new) and session.is_modified(root.small)
        assert session.is_modified(root)
        assert not session.is_modified(other)  # it says what is stored in its place
        with pytest.raises(SessionError, match="not part of this session"):
            session.is_modified(Item())


def test_delete(path: Path) -> None:
    with Session(path) as session:
        session.add(Score(best=3))
        session.commit()
        root = session.root(World)
        hero = root.big["k1"]
        session.delete(root)
        assert session.roots() == ["Score"]
        assert root in session
        with pytest.raises(NoResultFound, match="deleted"):
            session.root(World)
        session.add(root)
        assert not session.new and session.root(World) is root
        hero.level = 9
        session.commit()
        assert load(path, World).big["k1"].level == 9
        session.delete(root)
        session.rollback()
        assert session.root(World) is root
        session.delete(root)
        session.commit()
        with pytest.raises(NoResultFound):
            session.root(World)
        assert root not in session
        assert root.big["k1"].level == 9  # it can still be read
        root.n = 5  # and changed
        session.commit()
        assert session.roots() == ["Score"]
        session.add(root)
        session.commit()
        assert (load(path, World).n, load(path, World).big["k1"].level) == (5, 9)
        root.big["k1"].level = 10
        session.commit()
        assert load(path, World).big["k1"].level == 10
    with Session.open(path) as session:
        assert session.roots() == ["Score", "World"]
        assert session.root(World).n == 5


def test_delete_and_another_in_its_place(path: Path) -> None:
    with Session(path) as session:
        session.delete(session.root(World))
        session.add(new := World(n=6))
        assert session.new == IdentitySet([new])
        session.commit()
    assert load(path, World).n == 6


def test_delete_of_the_last_root(path: Path) -> None:
    with Session(path) as session:
        session.delete(session.root(World))
        session.commit()
        assert session.roots() == []
    with Session(path) as session:
        assert session.roots() == []
        session.add(Score(best=1))
        session.commit()
    assert load(path, Score).best == 1


def test_what_cannot_be_deleted_or_expunged(path: Path) -> None:
    with Session(path) as session:
        root = session.root(World)
        session.add(score := Score())
        with pytest.raises(SessionError, match="expunge"):
            session.delete(score)
        for obj in (root.one, Item(), root.big, World()):
            for method in (session.delete, session.expunge):
                with pytest.raises(SessionError, match="only a root"):
                    method(obj)  # type: ignore[arg-type]
    with Session.open(path) as session, pytest.raises(ReadOnlyError):
        session.delete(session.root(World))


def test_expunge(path: Path) -> None:
    with Session(path) as session:
        session.add(score := Score(best=1))
        session.expunge(score)
        assert score not in session and session.roots() == ["World"]
        session.add(score)
        session.commit()
        session.expunge(score)
        score.best = 5
        root = session.root(World)
        root.n = 5
        session.expunge(root)
        assert root not in session and root.n == 5
        root.n, root.one.level = 6, 6
        root.big.clear()
        root.rows.append(Item())
        assert (root.n, root.one.level, len(root.big)) == (6, 6, 0)
        assert session.root(World) is not root
        size = path.stat().st_size
        session.commit()
        assert path.stat().st_size == size
        assert session.root(Score).best == 1
        replaced = session.root(World)
        session.add(new := World(), replace=True)
        session.expunge(new)
        assert session.root(World) is replaced
        replaced.n = 7
        session.commit()
    assert load(path, World).n == 7
    assert load(path, World).one.level == 0


def test_merge(path: Path, tmp_path: Path) -> None:
    (tmp_path / "o.par").write_bytes(WORLD)
    with Session(path) as session, Session(tmp_path / "o.par") as other:
        root = session.root(World)
        given = world()
        given.n, given.big["k2"].level = 3, 30
        given._note.append(1)
        assert session.merge(given) is root
        assert root == given
        assert root._note == [1]
        given.big["k2"].level = 31  # it stays its own
        assert root.big["k2"].level == 30
        session.commit()
        assert load(path, World).big["k2"].level == 30

        theirs = other.root(World)
        theirs.n = 8
        assert session.merge(theirs) is root
        assert session.merge(root) is root
        session.commit()
        assert load(path, World).n == 8
        assert load(path, World).big["k2"].level == 2

        frozen = Frozen(best=2, below=[1])
        attached = session.merge(frozen)
        assert attached is not frozen and attached in session and frozen not in session
        session.commit()
        assert session.merge(Frozen(best=3)) is attached
        session.commit()
        assert load(path, Frozen) == Frozen(best=3)
    with Session(path) as session:
        assert session.merge(Frozen(best=4, below=[2])) is session.root(Frozen)
        session.commit()
    assert load(path, Frozen) == Frozen(best=4, below=[2])


def test_flush_says_what_a_commit_would(path: Path) -> None:
    before = path.read_bytes()
    with Session(path) as session:
        root = session.root(World)
        root.big["k1"].level = "high"  # type: ignore[assignment]
        with pytest.raises(EncodeError, match=r"World.big\['k1'\].level"):
            session.flush()
        root.big["k1"].level = 5
        session.flush()
        session.add(Score.model_construct(best="high"))
        with pytest.raises(EncodeError, match=r"Score.best"):
            session.flush()
        session.root(Score).best = 1
        root.rows = (Item(level=i) for i in range(3))  # type: ignore[assignment]
        session.flush()
        assert path.read_bytes() == before
        session.commit()
    again = load(path, World)
    assert len(again.rows) == 3 and again.big["k1"].level == 5
    with Session.open(path) as session, pytest.raises(ReadOnlyError):
        session.flush()


def test_messages_and_snapshots(tmp_path: Path) -> None:
    path = tmp_path / "x.par"
    with Session(path) as session:
        assert session.snapshot is None
        session.add(score := Score(best=1))
        session.commit(message="first, ü")
        first = session.snapshot
        assert first is not None
        assert (first.sequence, first.message, first.size) == (1, "first, ü", path.stat().st_size)
        assert timedelta(0) <= datetime.now(UTC) - first.time < timedelta(minutes=5)
        session.commit(message="nothing to say")
        assert session.snapshot == first
        assert path.stat().st_size == first.size
        reader = Session.open(path)
        score.best = 2
        session.commit()
        second = session.snapshot
        assert second is not None
        assert (second.sequence, second.message, second.size) == (2, "", path.stat().st_size)
        assert reader.snapshot == first
        reader.refresh()
        assert reader.snapshot == second
        with pytest.raises(dataclasses.FrozenInstanceError):
            second.sequence = 3  # type: ignore[misc]
        with pytest.raises(TypeError, match="message"):
            session.commit(message=b"x")  # type: ignore[arg-type]
    with pytest.raises(ClosedError):
        _ = reader.close() or reader.snapshot


def test_the_hero_of_the_readme(path: Path) -> None:
    """A hero held in a variable: through the variable, in place, through the world's map; and with nothing held."""
    with Session(path) as session:
        root = session.root(World)
        hero = root.big["hero"] = Item(level=1, tags=["a"])
        session.commit()
        hero.level = 2
        session.commit()
        hero.tags.append("b")
        session.commit()
        root.big["hero"].tags.append("c")
        del root
        session.commit()
        session.root(World).big["k5"].tags.append("y")
        session.root(World).small["a"].tags.append("y")
        session.commit()
        assert session.root(World).big["hero"] is hero
        again = load(path, World)
        assert again.big["hero"] == Item(level=2, tags=["a", "b", "c"])
        assert again.big["k5"].tags[-1] == again.small["a"].tags[-1] == "y"


def test_half_a_character_is_no_message(tmp_path: Path) -> None:
    with Session(tmp_path / "a.par") as session, pytest.raises(ValueError, match="half a character"):
        session.commit(message="\ud800")
