"""An older class that writes all the same: a row that it changed had lost what only the newer class knew."""

from __future__ import annotations

from dataclasses import field, make_dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict, PrivateAttr

import parcode_orm
from parcode_orm import Chunk, DowngradeError, Key, Session, ShardedMap, compact, load, select, update, verify
from parcode_orm.codec.evolution.lost import Known
from parcode_orm.codec.evolution.unknown import for_messages
from parcode_orm.codec.schema import canonical_schema
from parcode_orm.codec.stored import parsed
from parcode_orm.codec.types.compile import struct_for

from .versions import model

pytestmark = pytest.mark.once


def classes(*, new: bool) -> tuple[Any, Any, Any]:
    """World, Player and Item: the new ones have `mana` and `colour`."""
    item = model("Item", {"n": int, **({"colour": str} if new else {})}, **({"colour": "red"} if new else {}))
    fields: dict[str, Any] = {"level": int, "items": list[item], "bag": list[item]}
    marks: dict[str, Any] = {"items": [], "bag": Chunk(default=[])}
    if new:
        fields["mana"], marks["mana"] = int, 7
    player = model("Player", fields, **marks)
    fields = {"title": str, "players": dict[str, player], "log": list[player]}
    world = model("World", fields, players=ShardedMap(default={}), log=Chunk(default=[]))
    return world, player, item


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Rows of both versions: the newer one wrote players 5 to 7 and item 3 of the log."""
    found = tmp_path / "world.par"
    world, player, _ = classes(new=False)
    rows = {f"p{n}": player(level=n) for n in range(3_000)}
    parcode_orm.save(found, world(title="t", players=rows, log=[player(level=n) for n in range(3_000)]))
    world, _, item = classes(new=True)
    with Session(found) as session:
        root = session.root(world)
        root.players["p5"].mana = 99
        root.players["p6"].items = [item(n=1, colour="blue")]
        root.players["p7"].bag.append(item(n=1, colour="blue"))
        root.log[3].mana = 5
        session.commit()
    return found


def test_a_row_that_would_lose_a_field_is_refused(path: Path) -> None:
    world, player, _ = classes(new=False)
    before = path.read_bytes()
    with Session(path, downgrade=True) as session:
        root = session.root(world)
        changes: list[tuple[Any, str]] = [
            (lambda: setattr(root.players["p5"], "level", 1), r"Player\['p5'\] .* without Player.mana, .* new object"),
            (lambda: setattr(root.players["p6"], "level", 1), r"Player\['p6'\] .* without Item.colour, Player.mana,"),
            (lambda: setattr(root.players["p7"], "level", 1), r"Player\['p7'\] .* without Item.colour, Player.mana,"),
            (lambda: root.players["p7"].bag.append(root.players["p7"].bag[0]), r"Player\['p7'\] .* Item.colour"),
            (lambda: setattr(root.log[3], "level", 1), r"Player, item 3 of its list, .* without Player.mana"),
            (
                lambda: setattr(root, "log", [each for each in root.log if each.level < 9]),
                r"Player, row 0 of the chunk",
            ),
            (lambda: session.execute(update(root.players).values(level=player.level + 1)), r"Player\['p5'\]"),
        ]
        for change, message in changes:
            change()
            with pytest.raises(DowngradeError, match=message):
                session.commit()
            session.rollback()
    assert path.read_bytes() == before


def test_what_loses_nothing_is_written_and_the_newer_class_stays_the_newest(path: Path) -> None:
    world, player, _ = classes(new=False)
    with Session(path, downgrade=True) as session:
        root = session.root(world)
        root.title = "old"
        root.players["p1"].level = 11  # a row of the older class
        root.players["added"] = player(level=1)
        root.players["p5"] = player(level=55)  # another object in the place of the newer one
        del root.players["p6"]
        root.log.append(player(level=2))
        session.commit()
    world, player, item = classes(new=True)
    with Session(path) as session:
        root = session.root(world)
        assert (root.title, root.players["p1"].level, root.players["p5"]) == ("old", 11, player(level=55))
        assert "p6" not in root.players and root.players["added"].mana == 7
        assert root.players["p7"].bag[0] == item(n=1, colour="blue") and root.log[3].mana == 5
        root.players["p2"].mana = 1
        session.commit()
    assert load(path, world).players["p2"].mana == 1


def test_a_root_that_would_lose_a_field_is_refused_and_can_be_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    first, second = model("Town", {"n": int}, n=0), model("Town", {"n": int, "m": int}, n=0, m=0)
    parcode_orm.save(path, first(n=1))
    with Session(path) as session:
        session.root(second).m = 2
        session.commit()
    with Session(path, downgrade=True) as session:
        session.root(first).n = 5
        with pytest.raises(DowngradeError, match=r"^the root Town would be written again without Town.m, which"):
            session.commit()
        session.rollback()
        session.add(first(n=6), replace=True)
        session.commit()
    assert load(path, second) == second(n=6)
    with Session(path) as session:
        session.root(second).m = 3
        session.commit()


def test_a_field_that_the_newer_class_removed_may_go(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    versions = [
        model("P", {"id": int, "level": int, **dict.fromkeys(names, int)}, id=Key(), **dict.fromkeys(names, 1))
        for names in (["gold"], [], ["mana"])
    ]
    with Session(path) as session:
        session.add_all(versions[0](id=n, level=n) for n in range(100))
        session.commit()
    for n in (1, 2):
        with Session(path) as session:
            session.get_one(versions[n], n).level = 50
            session.commit()
    with Session(path, downgrade=True) as session:
        session.get_one(versions[1], 3).level = 9  # neither it nor the newest class knows `gold`
        session.commit()
        session.get_one(versions[1], 2).level = 9
        with pytest.raises(DowngradeError, match=r"^P\[2\] would be written again without P.mana"):
            session.commit()
        session.rollback()
        session.delete(session.get_one(versions[1], 2))
        session.add(versions[1](id=2, level=8))
        session.commit()
        assert session.scalar(select(versions[1].level).where(versions[1].id == 2)) == 8


def nested(*, new: bool, within: str, kind: str) -> tuple[Any, Any]:
    """A root that holds a Part, and a value of its field."""
    more = [("more", int, field(default=5))] if new else []
    part: Any
    if kind == "model":
        part = model("Part", {"k": int, **{name: tp for name, tp, _ in more}}, **({"more": 5} if new else {}))
    else:
        part = parcode_orm.register(make_dataclass("Part", [("k", int), *more], namespace={"__module__": "app"}))
    given = part(k=1, more=6) if new else part(k=1)
    if within == "a wide row":
        columns = [(f"f{n}", int, field(default=n)) for n in range(30)]
        wide = make_dataclass("Wide", [("part", part), *columns], namespace={"__module__": "app"})
    values: dict[str, Any] = {
        "inline": lambda: (part, given),
        "optional": lambda: (part | None, given),
        "union": lambda: (part | int, given),
        "tuple": lambda: (tuple[int, part], (1, given)),
        "list": lambda: (list[list[part]], [[], [given]]),
        "dict": lambda: (dict[str, part], {"a": given}),
        "any": lambda: (Any, [given]),
        "a wide row": lambda: (list[wide], [wide(part=given)]),
    }
    tp, value = values[within]()
    fields = {"title": str, "value": tp}
    return model("World", dict(reversed(fields.items())) if new else fields), value


@pytest.mark.parametrize("kind", ["model", "dataclass"])
@pytest.mark.parametrize("within", ["inline", "optional", "union", "tuple", "list", "dict", "any", "a wide row"])
def test_what_lies_inside_a_row_is_not_lost_either(tmp_path: Path, within: str, kind: str) -> None:
    path = tmp_path / "a.par"
    for new in (False, True):
        world, value = nested(new=new, within=within, kind=kind)
        with Session(path) as session:
            if new:
                session.root(world).value = value
            else:
                session.add(world(title="t", value=value))
            session.commit()
    world, _ = nested(new=False, within=within, kind=kind)
    with Session(path, downgrade=True) as session:
        session.root(world).title = "changed"
        with pytest.raises(DowngradeError, match=r"^the root World would be written again without Part.more,"):
            session.commit()


@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("keep", [0, 1, 2])
def test_a_subclass_in_a_field_of_its_base(tmp_path: Path, alike: bool, keep: int) -> None:
    """Its schema is no part of the root's: the root's class may be as it was."""
    path = tmp_path / "a.par"

    def made(*, new: bool) -> tuple[Any, Any]:
        base = model("Animal", {"name": str})
        name = "chip" if new else "gone"
        dog = model("Dog", {"age": int, name: int}, base, **{name: 0})
        fields = {"title": str, "pet": base, "pets": list[base]}
        return model("Home", fields if alike or not new else dict(reversed(fields.items())), pets=Chunk()), dog

    home, dog = made(new=False)
    parcode_orm.save(path, home(title="t", pet=dog(name="a", age=1), pets=[dog(name="b", age=2)] * 2))
    home, dog = made(new=True)
    with Session(path) as session:
        session.root(home).pet = dog(name="a", age=1, chip=5)
        session.root(home).pets[0].chip = 7
        session.commit()
    if keep:
        compact(path, keep)
    home, dog = made(new=False)
    with Session(path, downgrade=not alike) as session:
        session.root(home).title = "changed"
        with pytest.raises(DowngradeError, match=r"^the root Home .* without Dog.chip,"):
            session.commit()
    home, dog = made(new=True)
    with Session(path) as session:
        session.root(home).title = "new"  # `gone` of other rows was dropped on purpose
        session.root(home).pets.append(session.root(home).pets[0])
        session.commit()
        assert [session.root(home).pet.chip, *(pet.chip for pet in session.root(home).pets)] == [5, 7, 0, 7]


def test_a_statement_loses_nothing_of_a_subclass_either(tmp_path: Path) -> None:
    path = tmp_path / "a.par"

    def made(*, new: bool) -> tuple[Any, Any]:
        base = model("Animal", {"name": str})
        dog = model("Dog", {"age": int, **({"chip": int} if new else {})}, base, **({"chip": 0} if new else {}))
        return model("Home", {"id": int, "n": int, "pet": base}, id=Key(), n=0), dog

    home, dog = made(new=False)
    with Session(path) as session:
        session.add_all(home(id=n, pet=dog(name="a", age=1)) for n in range(3_000))
        session.commit()
    home, dog = made(new=True)
    with Session(path) as session:
        for n in range(100):
            session.get_one(home, n).pet.chip = n
        session.commit()
    home, dog = made(new=False)
    with Session(path) as session:
        session.execute(update(home).where(home.id >= 100).values(n=2))
        session.commit()
        session.execute(update(home).where(home.id == 50).values(n=3))
        with pytest.raises(DowngradeError, match=r"^Home\[50\] would be written again without Dog.chip"):
            session.commit()
        session.rollback()
        with pytest.raises(DowngradeError, match=r"^Animal, row 0 of the chunk .* without Dog\.chip"):
            session.execute(update(home).where(home.id < 1_000).values(n=3))
        session.commit()
        assert session.get_one(home, 500).n == 2
    home, dog = made(new=True)
    with Session.open(path) as session:
        assert [session.get_one(home, n).pet.chip for n in (5, 50, 500)] == [5, 50, 0]


def test_small_row_groups_with_an_older_subclass_are_not_merged(tmp_path: Path) -> None:
    """The row group has the schema of the base, so it looked like any other, and the merge dropped the field."""
    path = tmp_path / "a.par"

    def made(*, new: bool) -> tuple[Any, Any]:
        base = model("Animal", {"name": str})
        dog = model("Dog", {"age": int, **({"chip": int} if new else {})}, base, **({"chip": 0} if new else {}))
        return model("Home", {"pets": list[base]}, pets=Chunk()), dog

    home, dog = made(new=False)
    parcode_orm.save(path, home(pets=[dog(name=f"{n:50}", age=1) for n in range(2_000)]))
    for new in (True, False):
        home, dog = made(new=new)
        for n in range(24):
            with Session(path) as session:
                pets = session.root(home).pets
                pets.append(dog(name="new", age=n, chip=n + 1) if new else dog(name="old", age=n))
                session.commit()
    home, dog = made(new=True)
    assert [pet.chip for pet in load(path, home).pets[2_000:]] == [*range(1, 25), *[0] * 24]
    assert verify(path).ok


def test_private_attributes_extra_values_and_a_class_that_takes_extra_values(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    first = model("Town", {"n": int})
    private = model("Town", {"n": int, "_m": int}, _m=PrivateAttr(default=1))
    extra = model("Town", {"n": int}, model_config=ConfigDict(extra="allow"))
    for newest, told_as in ((private, "Town._m"), (extra, r"Town.\(extra values\)")):
        path.unlink(missing_ok=True)
        parcode_orm.save(path, first(n=1))
        town = newest(n=1) if newest is private else newest(n=1, more=2)
        if newest is private:
            town._m = 5
        with Session(path) as session:
            session.add(town, replace=True)
            session.commit()
        with Session(path, downgrade=True) as session:
            session.root(first).n = 2
            with pytest.raises(DowngradeError, match=f"without {told_as}, which"):
                session.commit()
    first = model("Town", {"n": int}, model_config=ConfigDict(extra="allow"))
    second = model("Town", {"n": int, "m": int}, model_config=ConfigDict(extra="allow"), m=0)
    parcode_orm.save(path, first(n=1))
    with Session(path) as session:
        session.root(second).m = 7
        session.commit()
    with Session(path, downgrade=True) as session:
        session.root(first).n = 2  # `m` is an extra value of the older class, and stays
        session.commit()
    assert load(path, second) == second(n=2, m=7)


def test_a_table_inside_a_row_is_not_written_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    part = model("Part", {"k": int, "more": str}, more="-")
    older = model("Part", {"k": int})
    first, second = (model("World", {"title": str, "parts": list[each]}, parts=Chunk()) for each in (older, part))
    parcode_orm.save(path, first(title="t", parts=[]))
    with Session(path) as session:
        session.root(second).parts = [part(k=n, more=f"{n:100}") for n in range(3_000)]
        session.commit()
    with Session(path, downgrade=True) as session:
        session.root(first).title = "changed"
        session.commit()
    assert load(path, second).parts[7].more == f"{7:100}"


@pytest.mark.parametrize("count", [5, 3_000])  # a part of the root's row, and a table
def test_a_collection_that_goes_elsewhere_takes_all_along(tmp_path: Path, count: int) -> None:
    path = tmp_path / "a.par"

    def made(*, new: bool) -> tuple[Any, Any]:
        part = model("Part", {"k": int, **({"more": int} if new else {})}, **({"more": 0} if new else {}))
        fields = {"title": str, "one": list[part], "other": list[part]}
        return model("World", fields, one=Chunk(), other=Chunk()), part

    world, part = made(new=False)
    parcode_orm.save(path, world(title="t", one=[], other=[]))
    world, part = made(new=True)
    with Session(path) as session:
        session.root(world).one = [part(k=n, more=n) for n in range(count)]
        session.commit()
    world, part = made(new=False)
    with Session(path, downgrade=True) as session:
        root = session.root(world)
        root.other, root.one = root.one, []
        if count == 5:
            with pytest.raises(DowngradeError, match=r"^the root World .* without Part\.more"):
                session.commit()
            session.rollback()
            session.add(world(title="t", one=[], other=root.one), replace=True)
            with pytest.raises(DowngradeError, match=r"^Part, row 0 of the chunk .* without Part\.more"):
                session.commit()
            session.rollback()
        else:
            session.commit()  # the table itself stands there
    world, _ = made(new=True)
    with Session.open(path) as session:
        root = session.root(world)
        assert [each.more for each in (root.one if count == 5 else root.other)] == list(range(count))


def test_what_the_newest_class_knows() -> None:
    newest = model("Town", {"n": int, "m": int}, m=0)
    schema = parsed(canonical_schema(struct_for(newest)))
    assert Known(schema, {})._names == {"Town": {"n", "m"}} and not Known(None, {}).older
    names = [("Town", "m"), ("Town[]", "index_guild, level"), ("Town[]", "by_name"), ("Town", "m")]
    assert for_messages(names) == ["Town.m", "the index of Town.(guild, level)", "the index of Town.name"]
