"""Objects of older rows in a session: changes, rollbacks, savepoints, streams, history, other threads."""

from __future__ import annotations

import copy
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import parcode_orm
from parcode_orm import Chunk, Key, Model, SchemaMismatchError, ShardedMap, delete, func, select, update, verify
from tests.small import tuned

from .versions import model

Session, save, _ = tuned()
COUNT = 120


def first() -> Any:
    hero = model("Hero", {"name": str, "level": int, "bag": list[int], "gone": int}, bag=Chunk(default=[]), gone=1)
    fields = {"heroes": dict[str, hero], "log": list[str], "ranks": list[hero], "n": int}
    return model("Realm", fields, heroes=ShardedMap(), log=Chunk(), ranks=Chunk(), n=0), hero


class Hero(Model):
    level: float
    name: str
    mana: int = 5
    bag: list[int] = Chunk(default=[])
    notes: list[str] = []


class Realm(Model):
    extra: str = "e"
    heroes: dict[str, Hero] = ShardedMap()
    ranks: list[Hero] = Chunk()
    log: list[str] = Chunk()
    n: int = 0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    realm, hero = first()
    heroes = {f"h{n}": hero(name=f"n{n}", level=n, bag=[n] * 3) for n in range(COUNT)}
    ranks = [hero(name=f"r{n}", level=n) for n in range(COUNT)]
    save(tmp_path / "a.par", realm(heroes=heroes, ranks=ranks, log=[f"l{n}" for n in range(COUNT)]))
    return tmp_path / "a.par"


def expected() -> Any:
    heroes = {f"h{n}": Hero(name=f"n{n}", level=n, bag=[n] * 3) for n in range(COUNT)}
    ranks = [Hero(name=f"r{n}", level=n) for n in range(COUNT)]
    return Realm(heroes=heroes, ranks=ranks, log=[f"l{n}" for n in range(COUNT)])


def check(path: Path, wanted: Any) -> None:
    assert parcode_orm.load(path, Realm) == wanted
    assert verify(path).ok


def test_changes_of_all_kinds(path: Path) -> None:
    wanted = expected()
    with Session(path) as session:
        root = session.root(Realm)
        for realm in (root, wanted):
            realm.heroes["h1"].level = 0.5
            realm.heroes["h2"].bag.append(7)
            realm.heroes["h3"].notes.append("x")
            realm.heroes["h4"] = Hero(name="new", level=1)
            del realm.heroes["h5"]
            realm.ranks[3].mana = 9
            realm.ranks.insert(0, Hero(name="first", level=1))
            del realm.ranks[10:20]
            realm.ranks.append(Hero(name="last", level=2))
            realm.log[5] = "changed"
        assert root in session.dirty
        session.commit()
        assert not session.dirty and root.model_load() == wanted
        for realm in (root, wanted):
            realm.heroes["h1"].level = 1.5
            realm.n = 3
        session.commit()
    check(path, wanted)


def test_rollback_refresh_and_savepoints(path: Path) -> None:
    with Session(path) as session:
        realm = session.root(Realm)
        hero = realm.heroes["h7"]
        hero.mana, hero.level = 1, 0.25
        realm.log.append("x")
        hero.notes.append("n")
        session.rollback()
        assert (hero.mana, hero.level, hero.notes, len(realm.log)) == (5, 7.0, [], COUNT)
        hero.mana = 2
        with session.begin_nested() as inner:
            hero.mana = 3
            realm.heroes["h8"].level = -1
            inner.rollback()
        assert (hero.mana, realm.heroes["h8"].level) == (2, 8.0)
        session.commit()
        assert hero is realm.heroes["h7"] and hero.mana == 2
        with Session(path) as other:
            other.root(Realm).heroes["h7"].mana = 50
            other.commit()
        session.refresh()
        assert realm.heroes["h7"].mana == 50
    wanted = expected()
    wanted.heroes["h7"].mana = 50
    check(path, wanted)


def test_history(path: Path) -> None:
    with Session(path) as session:
        realm = session.root(Realm)
        for n in range(5):
            realm.heroes[f"h{n}"].mana = n
            session.commit()
        found = session.diff(1, 6)
        assert [str(each) for each in found] == [f"~ Realm.heroes['h{n}'].mana: 5 -> {n}" for n in range(5)]
        assert found.schemas == [
            "Hero.gone: this field is gone", "Hero.mana: this field is new", "Hero.notes: this field is new",
            "Hero.level: int became float", "Hero: the order of its fields is another",
            "Realm.extra: this field is new", "Realm: the order of its fields is another",
        ]  # fmt: skip
        assert session.diff(5, 6).schemas == []
        session.revert(2)
        assert realm.heroes["h3"].mana == 5 and realm.heroes["h0"].mana == 0
    with Session.open(path, at=1) as session:
        assert session.root(Realm).heroes["h0"].mana == 5
    with Session.open(path, at=1) as session:
        assert session.root(first()[0]).heroes["h0"].gone == 1


def test_streams_queries_and_copies(path: Path) -> None:
    wanted = expected()
    with Session(path) as session:
        realm = session.root(Realm)
        realm.ranks.extend(Hero(name=f"s{n}", level=n) for n in range(50))
        wanted.ranks.extend(Hero(name=f"s{n}", level=n) for n in range(50))
        session.commit()
        heroes = realm.heroes
        assert session.scalar(select(func.sum(Hero.level)).select_from(heroes)) == sum(range(COUNT))
        assert session.execute(update(heroes).where(Hero.level < 10).values(mana=Hero.mana + 1)) == 10
        assert session.execute(delete(heroes).where(Hero.level > 115)) == 4
        for n in range(10):
            wanted.heroes[f"h{n}"].mana += 1
        for n in range(116, COUNT):
            del wanted.heroes[f"h{n}"]
        session.commit()
        hero = heroes["h20"]
        for copied in (copy.copy(hero), copy.deepcopy(hero), hero.model_copy(), pickle.loads(pickle.dumps(hero))):
            assert copied == hero and copied.bag == [20] * 3
        assert hero == Hero.model_validate_json(hero.model_dump_json()) and "mana=5" in repr(hero)
        assert heroes.column("mana").sum() == sum(each.mana for each in wanted.heroes.values())
    check(path, wanted)


def test_threads_read_one_session(path: Path) -> None:
    with Session.open(path) as session, ThreadPoolExecutor(8) as pool:
        realm = session.root(Realm)
        found = list(pool.map(lambda n: realm.heroes[f"h{n % COUNT}"].level, range(2_000)))
        assert found == [float(n % COUNT) for n in range(2_000)]


def test_a_value_that_cannot_be_read_beside_others(path: Path) -> None:
    """It is an error where it is asked for, and where its row is written; assigning mends it."""
    other = model("Hero", {"name": int, "level": int}, level=0)
    realm = model("Realm", {"heroes": dict[str, other], "n": int}, heroes=ShardedMap(), n=0)
    with Session(path) as session:
        root = session.root(realm)
        hero = root.heroes["h1"]
        assert hero.level == 1
        with pytest.raises(SchemaMismatchError, match=r"Hero\.name: 'n1'"):
            _ = hero.name
        hero.level = 5
        with pytest.raises((SchemaMismatchError, parcode_orm.EncodeError), match="name"):
            session.commit()
        hero.name = 7
        session.commit()
        assert (hero.name, hero.level) == (7, 5)
        with pytest.raises(SchemaMismatchError):
            _ = root.heroes["h2"].name


def test_entities_in_a_session(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    old = model("Trade", {"id": int, "price": int}, id=Key())
    new = model("Trade", {"id": int, "note": str, "price": float}, id=Key(), note="-")
    with Session(path) as session:
        session.add_all(old(id=n, price=n) for n in range(COUNT))
        session.commit()
    with Session(path) as session:
        trade = session.get(new, 5)
        trade.note = "x"
        session.rollback()
        assert trade.note == "-"
        trade.id = 1_000
        session.delete(session.get(new, 6))
        session.commit()
        assert session.get(new, 1_000) is trade and session.get(new, 5) is None and session.get(new, 6) is None
        assert session.get_or_create(new, id=7, defaults={"price": 1})[1] is False
    with Session.open(path) as session:
        assert session.scalar(select(func.count()).select_from(new)) == COUNT - 1
        assert session.get(new, 1_000).price == 5.0
    assert verify(path).ok


def test_many_versions_in_one_table(tmp_path: Path) -> None:
    """Each commit is of another version, which changes some rows of all versions before it."""
    path = tmp_path / "a.par"

    def version(n: int) -> tuple[Any, Any]:
        fields: dict[str, Any] = {f"name{n}": str, **{f"f{k}": float if k % 2 else int for k in range(n)}, "n": int}
        olds = tuple(f"name{k}" for k in range(n - 1, -1, -1)) or None
        defaults: dict[str, Any] = {f"f{k}": k for k in range(n)}
        hero = model("Hero", fields, **{f"name{n}": parcode_orm.Field(renamed_from=olds)}, **defaults)
        return model("Realm", {"heroes": dict[int, hero], "v": int}, heroes=ShardedMap(), v=0), hero

    realm, hero = version(0)
    save(path, realm(heroes={n: hero(name0=f"n{n}", n=n) for n in range(60)}))
    for n in range(1, 7):
        realm, hero = version(n)
        with Session(path) as session:
            root = session.root(realm)
            assert [getattr(each, f"name{n}") for each in root.heroes.values()][:60] == [f"n{k}" for k in range(60)]
            for k in range(n, 60, 7):
                root.heroes[k].n = 1_000 * n
                setattr(root.heroes[k], f"f{n - 1}", n)
            root.heroes[100 + n] = hero(**{f"name{n}": "fresh"}, n=0)
            session.commit()
    found = parcode_orm.load(path, realm).heroes
    assert len(found) == 66 and verify(path).ok
    for k in range(60):
        last = max((n for n in range(1, 7) if k >= n and (k - n) % 7 == 0), default=0)
        assert found[k].n == (1_000 * last if last else k)
        assert [getattr(found[k], f"f{m}") for m in range(6)] == [
            last if m == last - 1 and last else m for m in range(6)
        ]
    with Session.open(path) as session:
        assert session.scalar(select(func.count()).select_from(session.root(realm).heroes).where(hero.n >= 1_000)) > 40
    parcode_orm.compact(path)
    assert parcode_orm.load(path, realm).heroes == found


def test_changes_inside_the_default_of_a_lazy_collection_are_stored(tmp_path: Path) -> None:
    """What was changed in place was the value that the commit compared with, so it found no change, and lost it."""
    path = tmp_path / "a.par"
    part = model("Part", {"n": int})
    fields = {"n": int, "lists": list[list[int]], "maps": dict[str, list[int]], "parts": list[part]}
    defaults = {"lists": Chunk(default=[[1], [2]]), "maps": ShardedMap(default={"a": [1]})}
    new = model("Root", fields, **defaults, parts=Chunk(default_factory=lambda: [part(n=1), part(n=2)]))
    save(path, model("Root", {"n": int})(n=1))
    with Session(path) as session:
        root = session.root(new)
        assert [list(each) for each in root.lists] == [[1], [2]] and not session.dirty
        root.lists[0].append(5)
        assert root.lists[0] is root.lists[0] and root in session.dirty
        session.commit()
    with Session(path) as session:
        session.root(new).maps["a"].append(7)
        session.root(new).parts[1].n = 9
        session.commit()
    found = parcode_orm.load(path, new)
    assert (found.lists, found.maps, [each.n for each in found.parts]) == ([[1, 5], [2]], {"a": [1, 7]}, [1, 9])
