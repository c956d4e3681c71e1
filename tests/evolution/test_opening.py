"""Old files open through today's classes: fields added, removed, reordered; rows of several schemas in one table."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest

import parcode_orm
from parcode_orm import (
    Chunk,
    DowngradeError,
    Field,
    Key,
    MigrationRequired,
    NoResultFound,
    SchemaMismatchError,
    Session,
    ShardedMap,
    UnsupportedTypeError,
    compact,
    desc,
    func,
    select,
    verify,
)

from .versions import model


def old_classes() -> tuple[Any, Any]:
    fields = {"level": int, "name": str, "gold": int, "tags": list[str]}
    player = model("Player", fields, tags=Chunk(default=[]))
    world = model("World", {"title": str, "gold": int, "players": dict[str, player]}, players=ShardedMap(default={}))
    return world, player


def new_classes() -> tuple[Any, Any]:
    fields = {"name": str, "mana": int, "tags": list[str], "level": int}
    player = model("Player", fields, mana=7, tags=Chunk(default=[]))
    fields = {"players": dict[str, player], "note": str, "title": str}
    world = model("World", fields, note="-", players=ShardedMap(default={}))
    return world, player


@pytest.fixture
def path(tmp_path: Path) -> Path:
    world, player = old_classes()
    found = tmp_path / "world.par"
    players = {f"p{n}": player(level=n, name=f"n{n}", gold=n, tags=[f"t{n}"]) for n in range(3_000)}
    parcode_orm.save(found, world(title="old", gold=5, players=players))
    return found


def test_reading(path: Path) -> None:
    world, player = new_classes()
    before = path.read_bytes()
    with Session.open(path) as session:
        root = session.root(world)
        assert (root.title, root.note) == ("old", "-") and isinstance(root, world)
        assert root.model_fields_set == {"title", "players"}
        hero = root.players["p12"]
        assert isinstance(hero, player)
        assert (hero.level, hero.name, hero.mana) == (12, "n12", 7) and hero.tags.load() == ["t12"]
        assert hero.model_fields_set == {"level", "name", "tags"}
        assert not hasattr(hero, "gold") and list(hero.model_dump()) == ["name", "mana", "tags", "level"]
        assert "p2999" in root.players and "x" not in root.players
        plain = root.model_load()
        assert plain.players["p5"] == player(level=5, name="n5", tags=["t5"])
        assert plain.players["p5"].model_fields_set == {"level", "name", "tags"}
        players = root.players
        best = select(players).where(player.level > 2_990).order_by(desc(player.level))
        assert [each.level for each in session.scalars(best)] == list(range(2_999, 2_990, -1))
        assert session.scalar(select(func.sum(player.mana)).select_from(players)) == 21_000
        assert session.scalar(select(func.count()).select_from(players).where(player.name == "n7")) == 1
    assert parcode_orm.load(path, world).players["p5"].mana == 7
    assert path.read_bytes() == before


def test_changing(path: Path) -> None:
    world, player = new_classes()
    old_world, _ = old_classes()
    with Session(path) as session:
        root = session.root(world)
        session.commit()
        assert session.snapshot.sequence == 1  # nothing changed by looking
        root.players["p1"].mana = 99
        root.players["new"] = player(name="x", level=1)
        root.note = "changed"
        session.commit()
        assert root.players["p1"].mana == 99 and root.players["p2"].mana == 7
    with Session.open(path) as session:
        root = session.root(world)
        assert (root.note, root.title) == ("changed", "old")
        assert (root.players["p1"].mana, root.players["p1"].level, root.players["new"].level) == (99, 1, 1)
        assert root.players["p1"].tags.load() == ["t1"]
        assert root.players["p2"].mana == 7
        assert sorted(each.level for each in root.players.values()) == sorted([*range(3_000), 1])
        found = select(func.sum(player.mana)).select_from(root.players)
        assert session.scalar(found) == 3_001 * 7 + 92
    with Session.open(path, at=1) as session:
        assert session.root(world).note == "-"
    with Session.open(path, at=1) as session:
        assert session.root(old_world).players["p1"].gold == 1
    assert verify(path).ok
    for keep in (2, 1):
        compact(path, keep)
        loaded = parcode_orm.load(path, world)
        assert loaded.players["p1"].mana == 99 and loaded.players["p2"].mana == 7 and len(loaded.players) == 3_001
        assert verify(path).ok


def test_rows_of_several_schemas_are_never_merged(path: Path) -> None:
    world, player = new_classes()
    with Session(path) as session:
        for n in range(40):
            session.root(world).players[f"p{n * 3}"].mana = n
            session.commit()
    rows = parcode_orm.load(path, world).players
    assert [rows[f"p{n * 3}"].mana for n in range(40)] == list(range(40))
    compact(path)
    player = model("Player", {"level": int, "name": str, "gold": int}, gold=-1)
    world = model("World", {"title": str, "players": dict[str, player]}, players=ShardedMap(default={}))
    rows = parcode_orm.load(path, world).players
    assert [rows[f"p{n}"].gold for n in range(121)] == [-1 if n % 3 == 0 and n < 120 else n for n in range(121)]


def test_diff(path: Path) -> None:
    world, _ = new_classes()
    with Session(path) as session:
        session.root(world).players["p3"].mana = 1
        session.commit()
        assert [str(change) for change in session.diff(1, 2)] == ["~ World.players['p3'].mana: 7 -> 1"]


def test_a_marked_field_is_added(path: Path) -> None:
    fields = {"title": str, "log": list[int], "seen": dict[str, int], "notes": list[str]}
    world = model("World", fields, log=Chunk(default=[1]), seen=ShardedMap(default_factory=dict), notes=[])
    with Session(path) as session:
        root = session.root(world)
        assert root.log.load() == [1] and len(root.seen) == 0 and root.notes == []
        assert not session.dirty
        session.commit()
        assert session.snapshot.sequence == 1
        root.log.append(2)
        root.seen["a"] = 5
        root.notes.append("n")
        session.commit()
    found = parcode_orm.load(path, world)
    assert (found.title, found.log, found.seen, found.notes) == ("old", [1, 2], {"a": 5}, ["n"])


def test_an_older_class_does_not_write(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    first, second = model("Town", {"n": int}, n=0), model("Town", {"n": int, "m": int}, n=0, m=0)
    parcode_orm.save(path, first(n=1))
    with Session(path) as session:
        session.root(second).m = 2
        session.commit()
    with Session(path) as session:
        town = session.root(first)
        town.n = 5
        with pytest.raises(DowngradeError, match=r"Town is not the newest .*downgrade=True"):
            session.commit()
        session.rollback()
        assert town.n == 1
    assert parcode_orm.load(path, second) == second(n=1, m=2)
    with pytest.raises(TypeError, match="downgrade is True or False"):
        Session(path, downgrade=1)  # type: ignore[arg-type]


def test_a_required_field_needs_a_migration(path: Path) -> None:
    world = model("World", {"title": str, "rank": int})
    with Session.open(path) as session:
        with pytest.raises(MigrationRequired, match=r"World.rank: older rows .* AddField\('World', 'rank', ...\)"):
            session.root(world)
    player = model("Player", {"level": int, "born": uuid.UUID}, born=Field(default_factory=uuid.uuid4))
    world = model("World", {"players": dict[str, player]}, players=ShardedMap())
    with Session.open(path) as session:
        players = session.root(world).players
        with pytest.raises(MigrationRequired, match=r"Player.born: .* another one each time"):
            players["p1"]


def test_rows_that_are_read_whole_share_nothing(path: Path) -> None:
    """Ints become floats a column at a time. What an object may change, it has of its own."""
    fields = {"level": float, "name": str, "mana": int, "notes": list[str], "tags": list[str]}
    player = model("Player", fields, mana=7, notes=[], tags=Chunk())
    world = model("World", {"players": dict[str, player]}, players=ShardedMap())
    players = parcode_orm.load(path, world).players
    one, other = players["p1"], players["p2"]
    assert (one.level, other.level, type(one.level)) == (1.0, 2.0, float)
    one.notes.append("x")
    one.mana = 3
    assert other.notes == [] and other.model_fields_set == {"level", "name", "tags"}
    assert one.model_fields_set == {"level", "name", "tags", "mana"}


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({"number": str, "carrier": str, "id": str}, ["number", "carrier"]),
        ({"carrier": str, "number": str, "id": str}, ["carrier", "id"]),
    ],
)
def test_other_fields_as_the_key_or_in_another_order_need_a_migration(
    tmp_path: Path, fields: dict[str, Any], keys: list[str]
) -> None:
    path = tmp_path / "a.par"
    old = model("Flight", {"carrier": str, "number": str, "id": str}, carrier=Key(), number=Key())
    with Session(path) as session:
        session.add(old(carrier="AA", number="1", id="x"))
        session.commit()
    now = model("Flight", fields, **{name: Key() for name in keys})
    with Session(path) as session:
        told = f"Flight: the key was of the fields carrier, number and is of {', '.join(keys)} now, in this order"
        with pytest.raises(MigrationRequired, match=told):
            session.get(now, ("1", "AA"))
    fields = {"id": str, "operator": str, "seats": int, "number": str}
    renamed = model("Flight", fields, operator=Key(renamed_from="carrier"), number=Key(), seats=0)
    with Session(path) as session:
        assert session.get_one(renamed, ("AA", "1")).seats == 0


def test_a_key_that_does_not_fit_is_no_field_that_can_be_assigned(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    parcode_orm.save(path, model("W", {"m": dict[float, int]}, m=ShardedMap())(m={n / 2: n for n in range(9_000)}))
    now = model("W", {"m": dict[int, int]}, m=ShardedMap())
    with Session.open(path) as session, pytest.raises(SchemaMismatchError, match=r"^a key: 0\.5, .* RunPython") as told:
        list(session.root(now).m)
    assert "AlterField" not in str(told.value) and "assign" not in str(told.value)


def test_a_class_that_was_renamed_without_saying_so(tmp_path: Path) -> None:
    """The error names the only root of the same fields, if no class of the program has its name."""
    path = tmp_path / "a.par"
    old = model("StoredOnce", {"n": int, "title": str})
    parcode_orm.save(path, old(n=1, title="a"))
    new = model("StoredNow", {"title": str, "n": float})

    def message(cls: Any) -> str:
        with Session.open(path) as session, pytest.raises(NoResultFound) as caught:
            session.root(cls)
        return str(caught.value)

    assert "holds StoredOnce; add(obj)" in message(new)  # the class is there still
    old.__name__ = "NoLonger"
    hint = (
        "StoredOnce has the same fields: if it was renamed, say @renamed_from('StoredOnce') above the class; else add("
    )
    assert hint in message(new)
    for fields in ({"n": int}, {"n": int, "title": str, "more": int}):
        assert "renamed_from" not in message(model("Other", fields))
    renamed = parcode_orm.renamed_from("StoredOnce")(model("StoredNow", {"title": str, "n": float}))
    assert parcode_orm.load(path, renamed).n == 1.0


def test_an_entity_class_that_waits_for_a_name(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    row = model("Row", {"id": int, "place": model("Place", {"x": int})}, id=Key())
    with Session(path) as session:
        session.add(row(id=1, place={"x": 2}))
        session.commit()
    waiting = model("Row", {"id": int, "place": "NoSuchName"}, id=Key())
    with Session.open(path) as session:
        for find in (lambda: session.get(waiting, 1), lambda: session.scalars(select(waiting)).all()):
            with pytest.raises(UnsupportedTypeError, match="the class Row is not complete"):
                find()
