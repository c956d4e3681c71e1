"""Private attributes: stored where they can be, at their defaults where they cannot, never in the way of a save."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import PrivateAttr

import parcode_orm
from parcode_orm import Chunk, CyclicGraphError, Model, Session, dumps, loads


class Guarded(Model):
    level: int = 0
    _lock: Any = PrivateAttr(default_factory=threading.Lock)
    _count: int = 0
    _unset: str | None = PrivateAttr()
    _given: int = PrivateAttr(default_factory=lambda data: data["level"] * 2)


class Holder(Model):
    anything: Any = None
    guarded: list[Guarded] = []


class Node(Model):
    name: str = ""
    kids: list[Node] = []
    _parent: Node | None = None
    _any: Any = None
    _friends: list[Node] = []


def lazy(obj: Any) -> Any:
    return parcode_orm.open(dumps(obj)).root(type(obj))


def plain(obj: Any) -> Any:
    return loads(dumps(obj), type(obj))


ways = pytest.mark.parametrize("way", [plain, lazy], ids=["plain", "lazy"])


@ways
def test_a_value_that_cannot_be_stored_comes_back_as_its_default(way: Any) -> None:
    obj = Guarded(level=3)
    obj._count = 5
    found = way(obj)
    assert found._lock is not obj._lock and not found._lock.locked()
    assert found._count == 5
    assert found._lock is found._lock


def test_it_is_the_same_below_any() -> None:
    guarded = Guarded()
    guarded._count = 7
    (found,) = plain(Holder(anything=[guarded])).anything
    assert found._count == 7 and not found._lock.locked()


def test_only_the_value_that_cannot_be_stored_is_left_out() -> None:
    one, two = Guarded(), Guarded()
    two._lock = "a text"
    found = plain(Holder(guarded=[one, two])).guarded
    assert not found[0]._lock.locked()
    assert found[1]._lock == "a text"


@ways
def test_an_unset_attribute_stays_unset(way: Any) -> None:
    assert not hasattr(way(Guarded()), "_unset")
    obj = Guarded()
    obj._unset = None
    assert way(obj)._unset is None
    del obj._count
    assert not hasattr(way(obj), "_count")


@ways
def test_a_default_factory_that_takes_the_fields(way: Any) -> None:
    class Doubled(Model):
        level: int
        _lock: Any = PrivateAttr(default_factory=lambda data: (data["level"] * 2, threading.Lock()))

    assert way(Doubled(level=4))._lock[0] == 8


@ways
def test_a_value_that_its_annotation_does_not_allow_comes_back(way: Any) -> None:
    obj = Guarded()
    obj._count = "text"  # type: ignore[assignment]  # Pydantic validates no private attribute
    assert way(obj)._count == "text"
    obj._count = 1.5  # type: ignore[assignment]
    assert way(obj)._count == 1.5


@ways
def test_a_parent_is_left_out(way: Any) -> None:
    root = Node(name="root", kids=[Node(name="kid", kids=[Node(name="grandkid")])])
    kid = root.kids[0]
    kid._parent = kid._any = root
    kid.kids[0]._parent = kid
    found = way(root)
    assert found.kids[0].name == "kid" and found.kids[0]._parent is None and found.kids[0]._any is None
    assert found.kids[0].kids[0]._parent is None
    assert way(Holder(anything=root)).anything.kids[0]._parent is None


@ways
def test_a_neighbour_is_no_parent(way: Any) -> None:
    first, second = Node(name="first"), Node(name="second")
    second._parent = first
    assert way(Node(kids=[first, second])).kids[1]._parent.name == "first"


def test_cycles_are_named_by_the_declared_fields_first() -> None:
    root = Node(kids=[Node()])
    root.kids[0]._parent = root
    root.kids.append(root)
    with pytest.raises(CyclicGraphError, match=r"kids\[1\]"):
        dumps(root)
    alone = Node()
    alone._friends = [alone]
    with pytest.raises(CyclicGraphError, match=r"_friends\[0\]"):
        dumps(alone)


def test_a_lock_is_no_change(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add(Holder(guarded=[Guarded()]))
        session.commit()
    size = path.stat().st_size
    with Session(path) as session:
        held = session.root(Holder).guarded[0]
        assert not held._lock.locked()
        session.commit()
        assert path.stat().st_size == size
        held._count = 9
        session.commit()
    assert parcode_orm.load(path, Holder).guarded[0]._count == 9


def test_copies_of_lazy_objects_whose_rows_lead_back_to_them(tmp_path: Path) -> None:
    path = tmp_path / "a.par"

    class Tree(Model):
        name: str = ""
        kids: list[Tree] = Chunk(default=[])
        _parent: Tree | None = None
        _lock: Any = PrivateAttr(default_factory=threading.Lock)

    with Session(path) as session:
        session.add(Tree(name="root", kids=[Tree(name=str(n) * 40) for n in range(1000)]))
        session.commit()
    size = path.stat().st_size
    with Session(path) as session:
        root = session.root(Tree)
        kid = root.kids[5]
        kid._parent = root
        assert not kid._lock.locked()
        for copied in (root.model_load(), root.kids.load()[5]._parent, kid.model_load()._parent):
            assert copied.kids[5]._parent is copied and type(copied.kids) is list
            assert copied.kids[5]._lock is not kid._lock
        rows = session.stats.rows_read
        session.commit()
        assert session.stats.rows_read <= rows + 1 and path.stat().st_size - size < 16_384, "the parent is left out"
        size = path.stat().st_size
        session.commit()
        assert path.stat().st_size == size
    assert parcode_orm.load(path, Tree).kids[5]._parent is None


def test_reading_what_was_left_out_is_no_change(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    tree = Node(kids=[Node(name="kid")])
    tree.kids[0]._parent = tree
    parcode_orm.save(path, tree)
    size = path.stat().st_size
    with Session(path) as session:
        assert session.root(Node).kids[0]._parent is None
        session.commit()
    assert path.stat().st_size == size
