"""Entities: the objects of a class with a `Key`, many a file, by their keys."""

from __future__ import annotations

import gc
import os
import sys
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, Optional, TypeVar
from uuid import UUID, uuid4

import pytest
from pydantic import ConfigDict

import parcode_orm
from parcode_orm import Chunk, Index, Key, Model, Session, dumps, load, select, verify
from parcode_orm.errors import (
    ConflictError,
    CorruptionError,
    EncodeError,
    IntegrityError,
    MultipleResultsFound,
    NoResultFound,
    QueryError,
    ReadOnlyError,
    SchemaMismatchError,
    SessionError,
)
from parcode_orm.model.entities import table_class
from parcode_orm.session.entity import changed
from parcode_orm.session.entity.tables import entities, find_table

T = TypeVar("T")
MANY = 5000  # more than an iterator has at once in memory


class Player(Model):
    id: int = Key(auto=True)
    name: Optional[str] = Index(None, unique=True)  # noqa: UP045
    level: int = 1
    tags: list[str] = []


class Elf(Player):
    age: int = 100


class Flight(Model):
    carrier: str = Key()
    number: int = Key()
    dest: str = ""


class Document(Model):
    id: UUID = Key(default_factory=uuid4)
    text: str = Chunk(default="")


class Frozen(Model):
    model_config = ConfigDict(frozen=True)
    id: int = Key(auto=True)
    name: str = ""


class Box(Model, Generic[T]):
    id: int = Key(auto=True)
    value: T


class World(Model):
    name: str = ""
    hero: Optional[Player] = None  # noqa: UP045
    crowd: list[Player] = Chunk(default=[])


class Score(Model):
    id: int = Key()
    rank: Optional[float] = Index(None, unique=True)  # noqa: UP045
    code: Optional[int] = Index(None, unique=True)  # noqa: UP045


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "e.par"


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session(path) as session:
        yield session


def named(session: Session, *names: str) -> list[Player]:
    """Players of these names, stored."""
    players = [Player(name=name) for name in names]
    session.add_all(players)
    session.commit()
    return players


def check(session: Session, cls: Any = Player) -> None:
    """The table and its indexes agree, in the file too."""
    root = find_table(session._work, cls)
    if root is None:
        return
    entities(root)._check()
    for name in ("name", "rank", "code"):
        index = getattr(root.obj, f"by_{name}", None)
        if index is not None and not session.new and not session.dirty:
            index._check()
            rows = {getattr(obj, name): key for key, obj in entities(root).items()}
            assert dict(index.items()) == {value: key for value, key in rows.items() if value == value is not None}


def test_added_and_found_by_key(session: Session, path: Path) -> None:
    player = Player(id=5, name="ann")
    session.add(player)
    assert session.get(Player, 5) is player
    session.commit()
    assert session.get(Player, 5) is player
    with Session.open(path) as reader:
        found = reader.get(Player, 5)
        assert found == player
        assert reader.get(Player, 5) is found
    assert verify(path).ok


def test_get_gives_none_and_get_one_raises_where_there_is_none(session: Session) -> None:
    assert session.get(Player, 5) is None
    named(session, "ann")
    assert session.get(Player, 5) is None
    with pytest.raises(NoResultFound, match=r"no Player has the key 5: get\(cls, key\) gives None instead"):
        session.get_one(Player, 5)
    assert session.get_one(Player, 1).name == "ann"


def test_get_again_is_of_the_session_as_it_is_then(session: Session) -> None:
    other = type("Player", (Model,), {"__annotations__": {"id": int}, "__module__": __name__, "id": Key()})
    (ann,) = named(session, "ann")
    assert session.get(Player, 1) is ann and session.get(Player, 2) is None
    session.add(Player(id=2, name="bob"))
    assert session.get_one(Player, 2).name == "bob"
    for _ in range(2):
        with pytest.raises(SchemaMismatchError, match="another class of this name"):
            session.get(other, 1)
    session.rollback()
    assert session.get(Player, 2) is None and session.get_one(Player, 1).name == "ann"
    session.delete(session.get_one(Player, 1))
    assert session.get(Player, 1) is None
    session.commit()
    assert session.get(Player, 1) is None
    session.close()
    with pytest.raises(SessionError):
        session.get(Player, 1)


def test_a_key_that_no_entity_can_have_is_an_error_and_not_none(session: Session) -> None:
    for name in ("ann", "bob"):  # before there are entities, and after
        with pytest.raises(
            TypeError, match=r"no key of Player is '1': Player.id is of type int, and cannot be compared"
        ):
            session.get(Player, "1")
        for key in (5, ("AA",), ("AA", 1, 2)):
            with pytest.raises(TypeError, match=r"the key of Flight is a tuple \(carrier, number\), and not "):
                session.get(Flight, key)
        with pytest.raises(TypeError, match=r"no key of Flight is 'x': Flight.number is of type int"):
            session.get_one(Flight, ("AA", "x"))
        assert session.get(Player, None) is None and session.get(Player, 99.5) is None
        named(session, name)
        session.add(Flight(carrier=name, number=1))
    assert session.get_one(Player, True) is session.get_one(Player, 1.0)  # equal keys are one key


def test_get_takes_an_entity_class_and_a_hashable_key(session: Session) -> None:
    with pytest.raises(TypeError, match=r"World has no Key\(\), so a file holds one object of it: session.root\(World"):
        session.get(World, 1)
    with pytest.raises(TypeError, match="entities are asked for by their class"):
        session.get("Player", 1)  # type: ignore[type-var]
    with pytest.raises(TypeError, match="no key of Flight is a list: it is a value or a tuple"):
        session.get(Flight, ["AA", 1])


def test_a_composite_key_is_a_tuple(session: Session, path: Path) -> None:
    session.add_all([Flight(carrier="AA", number=1, dest="JFK"), Flight(carrier="AA", number=2)])
    with pytest.raises(IntegrityError, match="another Flight has the key carrier='AA', number=1: "):
        session.add(Flight(carrier="AA", number=1))
    session.commit()
    flight = session.get_one(Flight, ("AA", 1))
    assert flight.dest == "JFK"
    flight.number = 7
    session.commit()
    with Session.open(path) as reader:
        assert [reader.get(Flight, ("AA", number)) is None for number in (1, 2, 7)] == [True, False, False]


def test_a_key_may_be_made_by_a_factory(session: Session, path: Path) -> None:
    document = Document(text="a" * 100_000)
    session.add(document)
    session.commit()
    with Session.open(path) as reader:
        assert reader.get_one(Document, document.id).text == document.text


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_numbers_are_given_by_add_in_order(session: Session) -> None:
    players = [Player() for _ in range(3)]
    session.add_all(players)
    assert [player.id for player in players] == [1, 2, 3]
    assert "id" in players[0].model_fields_set
    session.commit()
    session.add(player := Player())
    assert player.id == 4


def test_the_number_of_a_deleted_entity_is_not_used_again(session: Session, path: Path) -> None:
    (player,) = named(session, "ann")
    session.delete(player)
    session.commit()
    assert named(session, "bob")[0].id == 2
    session.delete(session.get_one(Player, 2))
    session.commit()
    with Session(path) as other:
        assert Player not in other
        assert named(other, "eve")[0].id == 3


def test_an_explicit_number_raises_the_counter(session: Session) -> None:
    session.add_all([Player(id=10), player := Player(), Player(id=3), other := Player()])
    assert (player.id, other.id) == (11, 12)


def test_a_changed_number_raises_the_counter(session: Session) -> None:
    (player,) = named(session, "ann")
    player.id = 20
    session.commit()
    assert named(session, "bob")[0].id == 21


def test_a_rollback_takes_numbers_back(session: Session) -> None:
    named(session, "ann")
    player = Player(name="bob")
    session.add(player)
    session.rollback()
    assert player.id is None and player not in session
    assert "id" not in player.model_fields_set
    session.add(player)
    assert player.id == 2


def test_a_savepoint_takes_back_the_numbers_given_since(session: Session) -> None:
    session.add(first := Player())
    savepoint = session.begin_nested()
    session.add(second := Player())
    savepoint.rollback()
    assert (first.id, second.id) == (1, None)
    assert first in session.new and second not in session


def test_an_expunged_entity_loses_its_number(session: Session) -> None:
    session.add(player := Player())
    session.expunge(player)
    assert player.id is None and Player not in session and session.entities() == []
    assert not session.new
    session.refresh()  # nothing is unsaved


def test_a_frozen_model_is_numbered(session: Session, path: Path) -> None:
    session.add(frozen := Frozen(name="a"))
    session.commit()
    assert frozen.id == 1
    with Session.open(path) as reader:
        assert reader.get(Frozen, 1) == frozen


def test_a_key_that_is_none_is_refused_where_it_is_not_numbered(session: Session) -> None:
    flight = Flight.model_construct(carrier="AA", number=None)
    with pytest.raises(IntegrityError, match="Flight: an object has no key, as number is None: set it before add"):
        session.add(flight)
    with pytest.raises(IntegrityError, match="carrier is None"):
        session.add(Flight.model_construct(number=1))
    assert not session.new


def test_a_key_that_equals_nothing_is_refused(session: Session) -> None:
    class Point(Model):
        x: float = Key()

    with pytest.raises(IntegrityError, match="x is nan, which is not equal to itself"):
        session.add(Point(x=float("nan")))


# -- adding ------------------------------------------------------------------------------------------------------------


def test_a_key_that_is_taken_is_refused(session: Session, path: Path) -> None:
    session.add(Player(id=1))
    for _ in range(2):
        with pytest.raises(
            IntegrityError, match=r"another Player has the key id=1: .*session\.get\(Player, 1\).*merge"
        ):
            session.add(Player(id=1))
        session.commit()
    with Session(path) as other, pytest.raises(IntegrityError):
        other.add(Player(id=1))


def test_add_all_adds_all_or_none(session: Session) -> None:
    named(session, "ann")
    players = [Player(name="bob"), Player(id=1)]
    with pytest.raises(IntegrityError):
        session.add_all([World(), *players])
    assert players[0].id is None and not session.new and session.roots() == []
    with pytest.raises(IntegrityError):
        session.add_all([Player(id=5), Player(id=5)])
    with pytest.raises(TypeError, match=r"obj is an instance of a parcode_orm\.Model, not a list: add_all\(objs\)"):
        session.add([Player(name="a")])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"obj is an instance of a parcode_orm\.Model, not a str"):
        session.add_all([Player(), "x"])  # type: ignore[list-item]
    assert session.get(Player, 5) is None and not session.new


def test_one_object_may_be_added_twice(session: Session) -> None:
    player = Player()
    session.add_all([player, player])
    session.add(player)
    session.commit()
    before = session.snapshot
    session.add(player)
    session.commit()
    assert session.snapshot == before and player.id == 1


def test_replace_lets_an_object_take_the_place_of_another(session: Session, path: Path) -> None:
    (ann,) = named(session, "ann")
    session.add(new := Player(id=1, name="bob"), replace=True)
    assert session.get(Player, 1) is new
    assert new not in session.new and ann not in session
    session.commit()
    check(session)
    with Session.open(path) as reader:
        assert reader.get_one(Player, 1).name == "bob"


def test_replace_rolled_back_shows_the_object_before(session: Session) -> None:
    (ann,) = named(session, "ann")
    session.add(Player(id=1, name="bob"), replace=True)
    session.rollback()
    assert session.get(Player, 1) is ann and ann in session


def test_a_lazy_object_of_another_session_is_refused(session: Session, tmp_path: Path) -> None:
    with Session(tmp_path / "o.par") as other:
        (ann,) = named(other, "ann")
        with pytest.raises(SessionError, match="lazy object of another session"):
            session.add(ann)
        session.add(ann.model_copy())
        session.commit()
    session.add(ann, replace=True)  # detached now
    ann.level = 7
    session.commit()
    assert session.get(Player, 1) is ann


def test_an_entity_that_another_session_stored_meanwhile_is_refused(session: Session, tmp_path: Path) -> None:
    session.add(player := Player(name="ann"))
    with Session(tmp_path / "o.par") as other:
        other.add(player)
        other.commit()
        with pytest.raises(SessionError, match="the Player that was added became an object of another session"):
            session.commit()
        session.expunge(player)
        session.commit()
        player.level = 5
        other.commit()
        assert other.get_one(Player, 1).level == 5


def test_adding_many_one_by_one_costs_the_same_each(session: Session) -> None:
    session.add_all(Player(name=f"{n}") for n in range(MANY))
    session.commit()
    session.expire_all()
    gc.collect()
    before = session.stats.rows_read
    session.add(Player(name="new"))
    session.commit()
    assert session.stats.rows_read - before <= 2


# -- more than memory holds --------------------------------------------------------------------------------------------


def players(first: int, count: int) -> Iterator[Player]:
    return (Player(id=n, name=f"p{n}", level=n) for n in range(first, first + count))


def test_a_long_iterator_into_a_new_file(session: Session, path: Path) -> None:
    session.add_all(players(1, MANY))
    assert session.get_one(Player, MANY).level == MANY
    assert not session.new and Player in session
    session.commit()
    check(session)
    with Session.open(path) as reader:
        assert reader.get_one(Player, 4321).name == "p4321"
    assert verify(path).ok


@pytest.mark.parametrize("stored", [1, MANY])
def test_a_long_iterator_beside_stored_entities(session: Session, stored: int) -> None:
    session.add_all([Player(id=n, name=f"s{n}") for n in range(-stored, 0)])
    session.commit()
    held = session.get_one(Player, -1)
    held.level = 9
    session.add_all(players(1, MANY))
    assert not session.new and [each is held for each in session.dirty] == [True]
    session.commit()
    check(session)
    assert session.get(Player, -1) is held and held.level == 9
    assert session.get_one(Player, MANY).level == MANY


def test_a_long_iterator_is_numbered(session: Session) -> None:
    named(session, "ann")
    given = [Player() for _ in range(MANY)]
    session.add_all(iter(given))
    assert given[-1].id == MANY + 1 and "id" in given[-1].model_fields_set
    session.add(player := Player())
    assert player.id == MANY + 2
    session.commit()
    check(session)


def failing(count: int) -> Iterator[Player]:
    yield from players(1, count)
    raise KeyError("the end")


@pytest.mark.parametrize("stored", [False, True])
def test_a_long_iterator_that_fails_adds_nothing(session: Session, stored: bool) -> None:
    if stored:
        named(session, "ann")
    with pytest.raises(KeyError, match="the end"):
        session.add_all(failing(MANY))
    with pytest.raises(TypeError, match="gives objects of one class, and this one gave a Player and a Flight"):
        session.add_all(iter([*players(1, MANY), Flight(carrier="", number=1)]))
    with pytest.raises(EncodeError, match=r"Player\[4999\]\.level: expected int, found 'x'"):
        session.add_all(iter([*players(1, MANY - 2), Player.model_construct(id=MANY - 1, level="x"), Player()]))
    assert len(list(session.entities())) == stored
    assert session.get(Player, 7) is None
    session.commit()
    assert (session.snapshot is None) is not stored


def test_a_key_twice_in_a_long_iterator_adds_nothing(session: Session) -> None:
    with pytest.raises(IntegrityError, match="another Player has the key id=77: "):
        session.add_all(iter([*players(1, MANY), Player(id=77)]))
    session.commit()
    assert session.get(Player, 77) is None and session.snapshot is None
    named(session, "ann")
    with pytest.raises(IntegrityError, match="another Player has the key id=1: "):
        session.add_all(players(0, MANY))
    assert session.get(Player, 77) is None and session.get_one(Player, 1).name == "ann"
    session.commit()
    check(session)


def test_a_long_iterator_may_replace(session: Session) -> None:
    named(session, "ann", "bob")
    session.delete(session.get_one(Player, 2))
    session.add_all(players(1, MANY), replace=True)
    assert not session.deleted and session.get_one(Player, 2).name == "p2"
    session.commit()
    check(session)


def test_a_streamed_replacement_is_expunged(session: Session) -> None:
    named(session, "ann")
    session.add_all(players(1, MANY), replace=True)
    session.expunge(session.get_one(Player, 1))
    session.commit()
    assert session.get_one(Player, 1).name == "ann"
    check(session)


def test_a_stream_takes_the_place_of_an_added_entity(session: Session) -> None:
    session.add(Player(id=7, name="ann"))
    session.add_all(players(1, MANY), replace=True)
    assert not session.new and session.get_one(Player, 7).name == "p7"
    session.commit()
    check(session)


def test_unique_values_of_a_long_iterator_are_checked_by_the_commit(session: Session) -> None:
    (ann,) = named(session, "ann")
    session.add_all(Player(name="ann" if n == 4500 else f"{n}") for n in range(MANY))
    with pytest.raises(IntegrityError, match=r"Player.name: 'ann' is the value of two objects, id=1 and id=4502"):
        session.commit()
    ann.name = "anna"
    session.commit()
    check(session)


def test_streamed_entities_that_were_touched_are_in_the_index(session: Session) -> None:
    session.add_all(players(1, MANY))
    session.get_one(Player, 7).level = 0
    session.get_one(Player, 8).tags.append("x")
    session.get_one(Player, 9).name = "nine"
    session.commit()
    check(session)
    assert [session.get_one(Player, n).name for n in (7, 8, 9)] == ["p7", "p8", "nine"]


def test_a_streamed_entity_may_be_expunged_before_the_commit(session: Session) -> None:
    session.add_all(players(1, MANY))
    player = session.get_one(Player, 7)
    with pytest.raises(SessionError, match="was not committed yet: to take it back, expunge it"):
        session.delete(player)
    session.expunge(player)
    assert player not in session and player.name == "p7"
    session.commit()
    check(session)
    assert session.get(Player, 7) is None


def test_a_rollback_after_a_long_iterator(session: Session) -> None:
    (ann,) = named(session, "ann")
    session.add_all(players(2, MANY))
    session.rollback()
    assert session.get(Player, 2) is None and session.get(Player, 1) is ann
    savepoint = session.begin_nested()
    session.add_all(players(2, MANY))
    savepoint.rollback()
    assert session.get(Player, 2) is None and session.get(Player, 1) is ann
    session.add_all(players(2, MANY))
    session.commit()
    check(session)


def test_code_of_an_iterator_may_use_the_session(session: Session) -> None:
    def flights() -> Iterator[Flight]:
        for n in range(MANY):
            session.get_or_create(Player, id=n % 3 + 1)
            yield Flight(carrier="AA", number=n)

    session.add_all(flights())
    session.commit()
    assert session.entities() == ["Flight", "Player"] and session.get_one(Flight, ("AA", 4999)).number == 4999
    assert sorted(key for key in (1, 2, 3, 4) if session.get(Player, key)) == [1, 2, 3]


# -- changed keys ------------------------------------------------------------------------------------------------------


def test_a_key_changed_to_a_free_one(session: Session, path: Path) -> None:
    (ann,) = named(session, "ann")
    ann.id = 9
    assert ann in session and ann in session.dirty
    session.commit()
    assert session.get(Player, 1) is None and session.get(Player, 9) is ann
    check(session)
    with Session.open(path) as reader:
        assert reader.get(Player, 1) is None and reader.get_one(Player, 9).name == "ann"


def test_a_key_changed_to_a_taken_one_stores_nothing(session: Session, path: Path) -> None:
    ann, bob = named(session, "ann", "bob")
    before = path.read_bytes()
    ann.id, ann.name = 2, "eve"
    for store in (session.flush, session.commit):
        with pytest.raises(IntegrityError, match="another Player has the key id=2: "):
            store()
    assert path.read_bytes() == before
    assert session.get(Player, 1) is ann and session.get(Player, 2) is bob
    ann.id = 3
    session.commit()
    check(session)
    assert session.get(Player, 3) is ann and session.get(Player, 2) is bob


def test_keys_swapped_between_two_objects(session: Session, path: Path) -> None:
    ann, bob = named(session, "ann", "bob")
    ann.id, bob.id = 2, 1
    session.commit()
    assert session.get(Player, 2) is ann and session.get(Player, 1) is bob
    check(session)
    with Session.open(path) as reader:
        assert [reader.get_one(Player, n).name for n in (1, 2)] == ["bob", "ann"]


def test_a_key_changed_back_is_no_change(session: Session) -> None:
    (ann,) = named(session, "ann")
    before = session.snapshot
    ann.id = 9
    ann.id = 1
    session.commit()
    assert session.snapshot == before


def test_a_flush_leaves_keys_as_they_are_known(session: Session) -> None:
    (ann,) = named(session, "ann")
    ann.id = 9
    session.flush()
    assert session.get(Player, 1) is ann and session.get(Player, 9) is None
    assert not session.new and not session.deleted
    session.delete(ann)
    session.commit()
    assert Player not in session


@pytest.mark.parametrize("new", [None, [1]])
def test_a_key_changed_to_what_cannot_be_one(session: Session, new: Any) -> None:
    (ann,) = named(session, "ann")
    ann.id = new
    with pytest.raises(IntegrityError, match="Player: an object has no key, as id is"):
        session.commit()
    assert ann in session
    session.rollback()
    assert ann.id == 1 and session.get(Player, 1) is ann


def test_a_deleted_key_may_be_taken_in_the_same_commit(session: Session) -> None:
    ann, bob = named(session, "ann", "bob")
    session.delete(ann)
    bob.id = 1
    session.commit()
    check(session)
    assert session.get(Player, 1) is bob and session.get(Player, 2) is None


# -- unique fields -----------------------------------------------------------------------------------------------------


def test_a_unique_value_twice_stores_nothing(session: Session, path: Path) -> None:
    named(session, "ann")
    before = path.read_bytes()
    session.add(bob := Player(name="ann"))
    for store in (session.flush, session.commit, session.commit):
        with pytest.raises(IntegrityError, match=r"Player\.name: 'ann' is the value of two objects, id=1 and id=2"):
            store()
    assert path.read_bytes() == before
    bob.name = "bob"
    session.commit()
    check(session)


def test_none_may_occur_many_times(session: Session) -> None:
    session.add_all([Player(), Player(), Player(name="")])
    session.commit()
    check(session)
    with pytest.raises(IntegrityError):
        session.add(Player(name=""))
        session.commit()


def test_what_equals_nothing_may_occur_many_times(session: Session) -> None:
    scores = [Score(id=n, rank=float("nan"), code=n) for n in range(3)]
    session.add_all(scores)
    session.commit()
    scores[0].rank = 1.0
    scores[1].rank = None
    session.delete(scores[2])
    session.commit()
    check(session, Score)


def test_unique_values_swapped_in_one_commit(session: Session, path: Path) -> None:
    ann, bob = named(session, "ann", "bob")
    ann.name, bob.name = bob.name, ann.name
    session.commit()
    check(session)
    with Session.open(path) as reader:
        assert reader.get_one(Player, 1).name == "bob"


def test_a_unique_value_freed_in_the_same_commit(session: Session) -> None:
    ann, bob = named(session, "ann", "bob")
    session.delete(ann)
    bob.name = None
    session.add_all([Player(name="ann"), Player(name="bob")])
    session.commit()
    check(session)


def test_a_unique_value_changed_and_rolled_back(session: Session) -> None:
    ann, _ = named(session, "ann", "bob")
    ann.name = "eve"
    session.rollback()
    session.add(other := Player(name="ann"))
    with pytest.raises(IntegrityError):
        session.commit()
    other.name = "eve"
    session.commit()
    check(session)


@pytest.mark.parametrize("count", [2, 300])
def test_a_commit_that_fails_leaves_the_indexes_as_they_were(session: Session, count: int) -> None:
    first, *_, last = named(session, *(f"{n}" * 100 for n in range(count)))
    session.add_all([free := Player(name="free"), taken := Player(name=last.name)])
    with pytest.raises(IntegrityError):
        session.commit()
    free.name, taken.name = "other", "taken"
    first.level = "x"  # type: ignore[assignment]
    with pytest.raises(EncodeError, match=r"Player\[1\]\.level: expected int"):
        session.commit()
    first.level = 1
    session.commit()
    check(session)
    named(session, "free")
    check(session)


def test_a_unique_value_that_does_not_fit_is_named(session: Session) -> None:
    (ann,) = named(session, "ann")
    ann.name = ["x"]  # type: ignore[assignment]
    with pytest.raises(EncodeError, match=r"Player\[1\]\.name: expected"):
        session.commit()


def test_a_unique_value_in_conflict_with_another_session(session: Session, path: Path) -> None:
    named(session, "ann")
    with Session(path) as other:
        other.add(Player(name="bob"))
        other.commit()
    session.add(mine := Player(name="bob"))
    with pytest.raises(ConflictError):
        session.commit()
    session.rollback()
    assert mine.id is None
    session.add(mine)
    assert mine.id == 3
    with pytest.raises(IntegrityError, match="'bob' is the value of two objects, id=2 and id=3"):
        session.commit()
    mine.name = "eve"
    session.commit()
    check(session)


def test_attempts_repeat_a_unit_of_work(session: Session, path: Path) -> None:
    named(session, "ann")
    with Session(path) as other:
        named(other, "bob")
    for attempt in session.attempts(3):
        with attempt:
            session.add(player := Player(name="eve"))
            session.get_one(Player, 1).level += 1
            session.commit()
    assert player.id == 3 and session.get_one(Player, 1).level == 2
    check(session)


# -- deleting, expunging, merging --------------------------------------------------------------------------------------


def test_a_deleted_entity_is_gone_at_once_and_after_the_commit(session: Session, path: Path) -> None:
    ann, bob = named(session, "ann", "bob")
    session.delete(ann)
    assert session.get(Player, 1) is None
    assert list(session.deleted) == [ann] and ann in session and ann not in session.dirty
    session.commit()
    assert not session.deleted and ann not in session and bob in session
    assert ann.name == "ann"
    check(session)
    with Session.open(path) as reader:
        assert reader.get(Player, 1) is None


def test_a_delete_rolled_back(session: Session) -> None:
    (ann,) = named(session, "ann")
    session.delete(ann)
    session.rollback()
    assert not session.deleted and session.get(Player, 1) is ann
    savepoint = session.begin_nested()
    session.delete(ann)
    savepoint.rollback()
    assert not session.deleted and session.get(Player, 1) is ann


def test_deleted_and_added_again(session: Session) -> None:
    (ann,) = named(session, "ann")
    session.delete(ann)
    session.add(ann)
    assert not session.deleted and not session.new and ann in session
    ann.level = 5
    session.commit()
    check(session)
    assert session.get(Player, 1) is ann and not session.dirty
    session.delete(ann)
    session.commit()
    session.add(ann)
    assert ann in session.new
    session.commit()
    assert session.get(Player, 1) is ann and ann.level == 5


def test_delete_and_expunge_take_objects_of_this_session(session: Session) -> None:
    for do, what in ((session.delete, "deleted"), (session.expunge, "expunged")):
        with pytest.raises(
            SessionError, match=rf"only an object of this session can be {what}, and this Player is none"
        ):
            do(Player(id=1))
    session.add(player := Player())
    with pytest.raises(SessionError, match="this Player was not committed yet: to take it back, expunge it"):
        session.delete(player)


@pytest.mark.parametrize("changed", [False, True])
def test_an_expunged_entity_stays_stored(session: Session, changed: bool) -> None:
    (ann,) = named(session, "ann")
    ann.tags.append("x")
    session.commit()
    if changed:
        ann.id, ann.name = 9, "eve"
    session.expunge(ann)
    assert ann not in session and ann.tags == ["x"] and ann.name == ("eve" if changed else "ann")
    ann.level = 7
    session.commit()
    check(session)
    again = session.get_one(Player, 1)
    assert again is not ann and (again.level, again.name) == (1, "ann")


def test_an_expunged_replacement_leaves_what_is_stored(session: Session) -> None:
    (ann,) = named(session, "ann")
    session.add(new := Player(id=1, name="new"), replace=True)
    session.expunge(new)
    assert new not in session
    session.delete(session.get_one(Player, 1))
    session.rollback()
    session.delete(ann)
    session.add(ann)
    session.expunge(ann)
    ann.level = 99
    session.commit()
    assert session.get_one(Player, 1).level == 1 and session.get(Player, 1) is not ann
    check(session)


def test_a_savepoint_takes_back_what_was_expunged(session: Session) -> None:
    (ann,) = named(session, "ann")
    ann.tags.append("x")
    savepoint = session.begin_nested()
    session.expunge(ann)
    ann.level = 7
    savepoint.rollback()
    assert session.get(Player, 1) is ann and ann in session
    assert (ann.level, ann.tags) == (1, ["x"])
    ann.level = 2
    session.commit()
    check(session)


def test_merge_adds_or_changes(session: Session) -> None:
    new = session.merge(given := Player(name="ann"))
    assert new is not given and new.id == 1 and given.id is None
    session.commit()
    assert session.merge(Player(id=1, name="ann", level=7)) is new
    assert new.level == 7 and new in session.dirty
    assert session.merge(new) is new
    session.commit()
    check(session)


def test_get_or_create_and_update_or_create(session: Session) -> None:
    with pytest.raises(TypeError, match="name the fields that the object is found by"):
        session.get_or_create(Player, "ann")  # type: ignore[arg-type]
    ann, made = session.get_or_create(Player, {"level": 3}, name="ann")
    assert made and (ann.id, ann.level) == (1, 3)
    for _ in range(2):
        assert session.get_or_create(Player, {"level": 4}, name="ann") == (ann, False)
        assert session.get_or_create(Player, id=1) == (ann, False)
        assert session.get_or_create(Player, level=3) == (ann, False)
        assert session.get_or_create(Player, id=1, name="ann")[0] is ann
        session.commit()
    assert session.update_or_create(Player, {"level": 9}, name="ann") == (ann, False)
    assert ann.level == 9
    bob, made = session.update_or_create(Player, {"level": 9}, name="bob")
    assert made and bob.id == 2
    with pytest.raises(MultipleResultsFound, match="several Player objects have level=9: name more of their fields"):
        session.get_or_create(Player, level=9)
    with pytest.raises(QueryError, match="has no field 'lvel'"):
        session.get_or_create(Player, lvel=9)
    with pytest.raises(TypeError, match="name the fields that the object is found by"):
        session.get_or_create(Player)


def test_get_or_create_takes_defaults_by_name(session: Session) -> None:
    ann, made = session.get_or_create(Player, name="ann", defaults={"level": 3})
    assert made and ann.level == 3
    assert session.update_or_create(Player, name="ann", defaults={"level": 4})[0].level == 4


def test_numbers_begin_above_the_keys_that_are_added_with_them(session: Session) -> None:
    """`add_all([Player(), Player(id=1)])` gave the first one the number 1."""
    first, second = Player(name="a"), Player(id=1, name="b")
    session.add_all([first, second])
    assert (first.id, second.id) == (2, 1)


def test_get_or_create_finds_by_the_present_values_of_a_unique_field(session: Session) -> None:
    ann, bob = named(session, "ann", "bob")
    ann.name, bob.name = "bob", "ann"
    assert session.get_or_create(Player, name="ann") == (bob, False)
    ann.name = "eve"
    assert session.get_or_create(Player, name="eve") == (ann, False)
    assert session.get_or_create(Player, name="bob")[1]
    session.rollback()
    session.add_all(players(10, MANY))
    assert session.get_or_create(Player, name="p77")[0].id == 77
    session.delete(ann)
    assert session.get_or_create(Player, name="ann")[1]


def test_get_or_create_by_a_unique_field_reads_one_row(session: Session) -> None:
    session.add_all(players(1, MANY))
    session.commit()
    before = session.stats.rows_read
    assert session.get_or_create(Player, name="p77")[0].id == 77
    assert session.stats.rows_read - before <= 2


# -- identity and the session's state ----------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 3000])
def test_one_object_a_row_whatever_the_session_does(session: Session, path: Path, count: int) -> None:
    held = [Player(name=f"{n}") for n in range(count)]
    session.add_all(held)

    def all_are_the_same() -> bool:
        return all(session.get(Player, player.id) is player and player in session for player in held[:5])

    assert all_are_the_same()
    session.commit()
    assert all_are_the_same()
    held[0].level = 7
    session.rollback()
    assert held[0].level == 1 and all_are_the_same()
    held[0].level = 8
    session.expire(held[0])
    assert held[0].level == 1 and all_are_the_same()
    held[0].level = 9
    session.expire_all()
    assert held[0].level == 1 and all_are_the_same()
    with Session(path) as other:
        other.get_one(Player, 1).level = 50
        other.commit()
    session.refresh()
    assert held[0].level == 50 and all_are_the_same()
    held[0].level += 1
    session.commit()
    session.compact()
    held[0].level += 1
    session.commit()
    assert held[0].level == 52 and all_are_the_same()
    session.revert(next(iter(session.history())).sequence)
    assert all_are_the_same()


def test_a_refresh_leaves_alone_what_is_no_row_any_more(session: Session, path: Path) -> None:
    ann, bob = named(session, "ann", "bob")
    session.delete(ann)
    session.add(new := Player(id=1, name="new"), replace=True)
    session.commit()
    with Session(path) as other:
        other.get_one(Player, 1).level = other.get_one(Player, 2).level = 5
        other.commit()
    session.refresh()
    assert session.get(Player, 1) is new and session.get(Player, 2) is bob and new.level == bob.level == 5
    assert ann not in session


def test_pending_changes_do_not_cost_identity_after_a_conflict(session: Session, path: Path) -> None:
    ann, bob = named(session, "ann", "bob")
    with Session(path) as other:
        other.add(Player(name="eve"))
        other.commit()
    session.delete(ann)
    session.add_all((Player(id=n) for n in range(2, MANY)), replace=True)
    streamed = session.get_one(Player, 2)
    with pytest.raises(ConflictError):
        session.commit()
    session.rollback()
    assert session.get(Player, 1) is ann and session.get(Player, 2) is bob is not streamed
    assert bob.name == "bob"
    bob.level = 3
    session.commit()
    check(session)


def test_an_entity_that_another_session_deleted_is_detached_by_a_refresh(session: Session, path: Path) -> None:
    ann, bob = named(session, "ann", "bob")
    with Session(path) as other:
        other.delete(other.get_one(Player, 1))
        other.commit()
    session.refresh()
    assert ann not in session and bob in session and ann.name == "ann"
    assert session.get(Player, 1) is None
    bob.level = 2
    session.commit()
    check(session)


def test_in_place_changes_are_found(session: Session, path: Path) -> None:
    named(session, "ann")
    gc.collect()
    session.get_one(Player, 1).tags.append("x")
    gc.collect()
    session.commit()
    with Session.open(path) as reader:
        assert reader.get_one(Player, 1).tags == ["x"]


def test_new_dirty_and_deleted_are_exact(session: Session) -> None:
    ann, bob, eve, _ = named(session, "ann", "bob", "eve", "joe")
    assert not session.new and not session.dirty and not session.deleted
    ann.level = 2
    bob.tags.append("x")
    session.delete(eve)
    session.add(new := Player(name="new"))
    assert (set(map(id, session.new)), set(map(id, session.dirty)), list(session.deleted)) == (
        {id(new)}, {id(ann), id(bob)}, [eve],
    )  # fmt: skip
    assert [session.is_modified(each) for each in (ann, bob, new)] == [True] * 3
    session.commit()
    assert not session.new and not session.dirty and not session.deleted
    assert not session.is_modified(ann)


def test_expire_drops_changes_of_one_entity(session: Session) -> None:
    ann, bob = named(session, "ann", "bob")
    ann.id, bob.level = 9, 5
    session.expire(ann)
    assert ann.id == 1 and set(map(id, session.dirty)) == {id(bob)}
    session.add(new := Player())
    with pytest.raises(SessionError):
        session.expire(new)


def test_expire_all_drops_what_is_not_stored(session: Session) -> None:
    (ann,) = named(session, "ann")
    session.delete(ann)
    session.add(new := Player())
    session.expire_all()
    assert not session.deleted and not session.new and new.id is None
    assert session.get(Player, 1) is ann


def test_a_savepoint_held_while_all_is_expired(session: Session) -> None:
    (ann,) = named(session, "ann")
    session.compact()
    savepoint = session.begin_nested()
    session.expire_all()
    assert session.get(Player, 1) is ann and ann in session
    savepoint.rollback()
    assert session.get(Player, 1) is ann and ann in session


def test_savepoints(session: Session) -> None:
    ann, bob = named(session, "ann", "bob")
    ann.level = 2
    with pytest.raises(KeyError), session.begin_nested():
        ann.level, ann.id, bob.name = 3, 9, "ann"
        session.add(Player(name="new"))
        session.delete(bob)
        raise KeyError
    assert (ann.level, ann.id, bob.name) == (2, 1, "bob")
    assert not session.new and not session.deleted and session.get(Player, 2) is bob
    session.commit()
    check(session)


# -- history -----------------------------------------------------------------------------------------------------------


def test_diff_names_entities_by_their_keys(session: Session) -> None:
    ann, _ = named(session, "ann", "bob")
    session.add(Flight(carrier="AA", number=1))
    ann.level = 5
    session.delete(session.get_one(Player, 2))
    session.add(Player(name="eve"))
    session.commit()
    found = [(change.kind, change.where, change.path) for change in session.diff(1, 2)]
    assert found == [
        ("added", "Flight[('AA', 1)]", ("Flight", ("AA", 1))),
        ("changed", "Player[1].level", ("Player", 1, "level")),
        ("removed", "Player[2]", ("Player", 2)),
        ("added", "Player[3]", ("Player", 3)),
    ]
    assert next(iter(session.diff(1, 2, Player))).where == "Player[1].level"


def test_the_past_is_read_by_key(session: Session, path: Path) -> None:
    ann, _ = named(session, "ann", "bob")
    ann.id, ann.level = 9, 5
    session.commit()
    with Session.open(path, at=1) as past:
        assert past.get_one(Player, 1).level == 1 and past.get(Player, 9) is None
    session.revert(1)
    assert session.get_one(Player, 1).level == 1 and session.get(Player, 9) is None
    check(session)
    session.compact()
    check(session)
    assert verify(path).ok and [each.sequence for each in session.history()] == [3]


# -- beside roots, and what is refused ---------------------------------------------------------------------------------


def test_entities_and_roots_of_many_classes(session: Session, path: Path) -> None:
    session.add_all([World(name="w"), Player(), Flight(carrier="AA", number=1), Document(), Elf()])
    assert session.entities() == ["Document", "Elf", "Flight", "Player"] and session.roots() == ["World"]
    session.commit()
    with Session.open(path) as reader:
        assert reader.entities() == ["Document", "Elf", "Flight", "Player"] and reader.roots() == ["World"]
        assert Player in reader and World in reader and Frozen not in reader
        with pytest.raises(NoResultFound, match=r"no root of type \w+: .* holds World; add"):
            reader.root(parcode_orm.Model.__class__("Nothing", (Model,), {"__annotations__": {}, "__module__": "x"}))


def test_a_subclass_has_a_table_of_its_own(session: Session) -> None:
    session.add_all([player := Player(name="ann"), elf := Elf(name="ann")])
    session.commit()
    assert player.id == elf.id == 1
    assert session.get(Player, 1) is player and session.get(Elf, 1) is elf
    check(session, Elf)


def test_generic_classes_have_a_table_each(session: Session, path: Path) -> None:
    session.add_all([Box[int](value=1), Box[str](value="a"), Box[int](value=2)])
    session.commit()
    with Session.open(path) as reader:
        assert reader.get_one(Box[int], 2).value == 2 and reader.get(Box[str], 2) is None
        assert reader.entities() == ["Box[int]", "Box[str]"]


def test_an_entity_class_as_a_value_in_a_root(session: Session, path: Path) -> None:
    session.add(world := World(hero=Player(name="h"), crowd=[Player(id=3, name="c")]))
    session.commit()
    assert Player not in session
    assert world.hero is not None and world.hero.id is None and world.hero in session
    named(session, "h")
    world.crowd[0].level = 9
    session.commit()
    with Session.open(path) as reader:
        assert reader.root(World).crowd[0].level == 9 and reader.get_one(Player, 1).name == "h"


def test_two_classes_of_one_name(session: Session, path: Path) -> None:
    other: Any = type(Player)("Player", (Model,), {"__annotations__": {"id": int}, "id": Key(), "__module__": "users"})
    session.add(Player())
    with pytest.raises(
        SchemaMismatchError, match=r"Player is in use as .*test_entities\.Player in this session, .* users\.Player, was"
    ):
        session.add(other(id=1))
    session.commit()
    with Session(path) as again:
        assert again.get(other, 1).model_dump() == {"id": 1}  # a class of this name that has fewer fields


@pytest.mark.parametrize(
    "do",
    [
        lambda path, player: parcode_orm.save(path, player),
        lambda path, player: load(path, Player),
        lambda path, player: parcode_orm.dumps(player),
        lambda path, player: Session(path).root(Player),
    ],
)
def test_what_is_for_roots_refuses_entities(session: Session, path: Path, do: Any) -> None:
    (player,) = named(session, "ann")
    with pytest.raises(TypeError, match=r"Player has a Key\(\), so its objects are entities and no roots: session.add"):
        do(path, player)


def test_a_read_only_session(session: Session, path: Path) -> None:
    named(session, "ann")
    with Session.open(path) as reader:
        player = reader.get_one(Player, 1)
        for do in (
            lambda: reader.add(Player()),
            lambda: reader.delete(player),
            lambda: reader.merge(player),
            lambda: reader.get_or_create(Player, id=1),
            lambda: setattr(player, "level", 2),
        ):
            with pytest.raises(ReadOnlyError):
                do()
        assert not reader.new and not reader.dirty and not reader.deleted and player in reader


def test_errors_of_values_name_the_entity(session: Session) -> None:
    (ann,) = named(session, "ann")
    ann.tags = ["x", 5]  # type: ignore[list-item]
    with pytest.raises(EncodeError) as caught:
        session.flush()
    assert str(caught.value).startswith("Player[1].tags[1]: expected str") and caught.value.model == "Player"
    ann.tags = []
    session.add(Flight.model_construct(carrier="AA", number="x"))
    with pytest.raises(EncodeError, match=r"Flight\[\('AA', 'x'\)\]"):
        session.commit()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_two_processes_in_conflict(session: Session, path: Path) -> None:
    named(session, "ann")
    child = os.fork()
    if not child:
        with Session(path) as other:
            named(other, "bob")
        os._exit(0)
    os.waitpid(child, 0)
    session.add(player := Player(name="eve"))
    with pytest.raises(ConflictError):
        session.commit()
    session.rollback()
    session.add(player)
    session.commit()
    assert player.id == 3
    check(session)


class Ticket(Model):
    id: int = Key(auto=True)
    holder: Optional[str] = Index(None, unique=True)  # noqa: UP045
    price: int = Index(0)


def test_numbered_entities_leave_memory_at_the_commit_that_stores_them() -> None:
    """The note of their numbers held them until the next one, and each query looked at all of them."""
    with Session(":memory:") as session:
        tickets = [Ticket(holder=f"h{number}", price=number) for number in range(500)]
        known = [weakref.ref(ticket) for ticket in tickets]
        session.add_all(tickets)
        kept = tickets[7]
        del tickets
        session.commit()
        assert [ref() for ref in known if ref() is not None] == [kept]
        session.rollback()
        assert kept.id == 8 and session.get(Ticket, 8) is kept


def test_entities_that_are_no_table_are_damage(tmp_path: Path) -> None:
    """A file with a small dictionary in their place gave AttributeError; its checksums are right."""
    forged = dumps(table_class(Player)(rows={1: Player(id=1, name="ann")}, by_name={"ann": 1}))
    with Session.open(forged) as session:
        for use in (
            lambda: session.get(Player, 1),
            lambda: session.scalars(select(Player).where(Player.name == "ann")).all(),
            lambda: Player in session,
        ):
            with pytest.raises(CorruptionError, match="entities are stored as a table"):
                use()
    path = tmp_path / "forged.par"
    path.write_bytes(forged)
    with Session(path) as session:
        for change in (lambda: session.add(Player(name="bob")), lambda: session.get_or_create(Player, name="bob")):
            with pytest.raises(CorruptionError, match="entities are stored as a table"):
                change()
    assert path.read_bytes() == forged


def test_the_rows_in_memory_are_looked_at_once_a_commit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each index looked at all of them again."""
    looked = []
    plain = changed.parts_in_memory
    monkeypatch.setattr(changed, "parts_in_memory", lambda *given: looked.append(given) or plain(*given))
    with Session(path) as session:
        session.add_all([Player(name=f"p{n}") for n in range(5)])
        session.commit()
        assert len(looked) == 1
        session.get_one(Player, 1).name = "other"
        session.commit()
        assert len(looked) == 2


def test_get_or_create_by_key_looks_at_no_other_entity(tmp_path: Path) -> None:
    """An import that commits once at its end takes no longer for each object than for the one before."""

    def calls(session: Session, key: int) -> int:
        count = 0

        def counted(frame: Any, event: str, argument: object) -> None:
            nonlocal count
            count += event in ("call", "c_call")

        sys.setprofile(counted)
        try:
            found, made = session.get_or_create(Flight, carrier="UA", number=key)
        finally:
            sys.setprofile(None)
        assert made and found.number == key
        return count

    with Session(tmp_path / "a.par") as session:
        few = [calls(session, key) for key in range(20)][-1]
        session.add_all(Flight(carrier="AA", number=key) for key in range(500))
        assert calls(session, 20) <= 1.2 * few
        assert session.get_or_create(Flight, number=7, carrier="AA")[1] is False
        with pytest.raises(QueryError):
            session.get_or_create(Flight, number="seven", carrier="AA")
        session.commit()
        assert session.update_or_create(Flight, {"dest": "OSL"}, carrier="AA", number=7)[1] is False
        session.commit()
        assert session.get_one(Flight, ("AA", 7)).dest == "OSL"
