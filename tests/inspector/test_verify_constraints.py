"""`verify(path, models=[...])` validates stored objects: constraints may be tighter than when they were written."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import pytest
from annotated_types import Gt
from pydantic import BaseModel, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from parcode_orm import Chunk, Key, Model, Ref, ShardedMap, renamed_from, upgrade, verify
from parcode_orm.inspector import constraints
from tests.evolution.versions import model
from tests.small import tuned

Session, save, _ = tuned(large=600, group_rows=32)
COUNT = 150


@dataclasses.dataclass
class Place:
    x: Annotated[int, Gt(0)]


def write(path: Path) -> None:
    place = dataclasses.make_dataclass("Place", [("x", int)])
    bag = model("Bag", {"size": int, "items": list[int]}, BaseModel)
    hero = model("Hero", {"name": str, "level": int, "bag": bag, "log": list[int]}, log=Chunk(default=[]))
    world = model("World", {"title": str, "heroes": dict[str, hero], "places": list[place]}, heroes=ShardedMap())
    heroes = {
        f"h{n}": hero(name=f"n{n}", level=n, bag=bag(size=n % 7, items=[n % 5]), log=range(n % 200))
        for n in range(COUNT)
    }
    with Session(path) as session:
        session.add(world(title="w", heroes=heroes, places=[place(n) for n in range(3)]))
        trade = model("Trade", {"id": int, "price": int}, id=Key())
        session.add_all(trade(id=n, price=n % 10) for n in range(COUNT))
        session.commit()


def world_of(**tighter: Any) -> Any:
    """Today's classes, with a tighter type for fields that are named."""
    bag = model("Bag", {"size": tighter.get("size", int), "items": list[tighter.get("item", int)]}, BaseModel)  # type: ignore[misc]
    fields = {"name": tighter.get("name", str), "level": tighter.get("level", int), "bag": bag}
    body = {name: tighter[name] for name in ("check", "both") if name in tighter}
    hero = model("Hero", {**fields, "log": list[tighter.get("entry", int)]}, log=Chunk(default=[]), **body)  # type: ignore[misc]
    place = tighter.get("place", dataclasses.make_dataclass("Place", [("x", int)]))
    return model(
        "World",
        {"title": tighter.get("title", str), "heroes": dict[str, hero], "places": list[place]},
        heroes=ShardedMap(),
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    write(tmp_path / "a.par")
    return tmp_path / "a.par"


def problems(path: Path, *models: Any) -> list[tuple[str, str]]:
    report = verify(path, models=models)
    assert all(0 < each.offset < path.stat().st_size and each.commit == 1 for each in report.problems)
    assert not report.notes and report.ok is not bool(report.problems)
    return [(each.where, each.what) for each in report.problems]


def test_objects_that_pass(path: Path) -> None:
    trade = model("Trade", {"id": int, "price": Annotated[int, Gt(-1)]}, id=Key())
    assert problems(path, world_of(level=Annotated[int, Gt(-1)]), trade, model("Absent", {"n": int})) == []


def test_each_object_that_does_not_is_named(path: Path) -> None:
    found = problems(
        path, world_of(level=Annotated[int, Field(ge=2, lt=148)], title=Annotated[str, Field(min_length=2)])
    )
    assert sorted(found) == [
        ("World", "World.title: String should have at least 2 characters, not 'w'"),
        ("World.heroes['h0']", "Hero.level: Input should be greater than or equal to 2, not 0"),
        ("World.heroes['h1']", "Hero.level: Input should be greater than or equal to 2, not 1"),
        ("World.heroes['h148']", "Hero.level: Input should be less than 148, not 148"),
        ("World.heroes['h149']", "Hero.level: Input should be less than 148, not 149"),
    ]


@pytest.mark.parametrize(
    ("tighter", "where", "what"),
    [
        ({"size": Annotated[int, Gt(5)]}, "World.heroes['h0'].bag", "Bag.size: Input should be greater than 5, not 0"),
        ({"item": Annotated[int, Gt(4)]}, "World.heroes['h0'].bag", "Bag.items[0]: Input should be greater than 4"),
        ({"entry": Annotated[int, Field(lt=99)]}, "World.heroes['h101']", "Hero.log[99]: Input should be less than 99"),
        ({"place": Place}, "World.places[0]", "Place.x: Input should be greater than 0, not 0"),
        ({"level": bool}, "World.heroes['h2']", "Hero.level: 2, "),
    ],
)  # fmt: skip
@pytest.mark.parametrize("whole", [4096, 20])
def test_wherever_it_stands(
    path: Path, tighter: dict[str, Any], where: str, what: str, whole: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constraints, "WHOLE", whole)
    found = dict(problems(path, world_of(**tighter)))
    assert found[where].startswith(what)


def test_validators_of_the_class(path: Path) -> None:
    def check(cls: Any, value: str) -> str:
        if value == "n3":
            raise ValueError("no n3")
        if value == "n4":
            raise KeyError(value)
        return value

    def both(self: Any) -> Any:
        if (self.name, self.level) == ("n5", 5):
            raise PydanticCustomError("both", "not both")
        return self

    body = {"check": field_validator("name")(check), "both": model_validator(mode="after")(both)}
    found = sorted(problems(path, world_of(**body)))
    assert found[:2] == [
        ("World.heroes['h3']", "Hero.name: Value error, no n3, not 'n3'"),
        ("World.heroes['h4']", "Hero: its validation raised KeyError('n4')"),
    ]
    assert [where for where, _ in found[2:]] == ["World.heroes['h5']"] and found[2][1].startswith(
        "Hero: not both, not {"
    )


def test_ten_of_a_class_are_named_and_the_others_counted(path: Path) -> None:
    trade = model("Trade", {"id": int, "price": Annotated[int, Gt(3)]}, id=Key())
    found = problems(path, trade, world_of(level=Annotated[int, Gt(COUNT)]))
    mine = [each for each in found if "Trade" in each[0]]
    assert len(mine) == 11 and ("the Trade id=0", "Trade.price: Input should be greater than 3, not 0") in mine
    assert ("Trade", f"{COUNT * 4 // 10 - 10} more objects of Trade do not pass") in mine
    assert len(found) == 22 and ("World", f"{COUNT - 10} more objects of Hero do not pass") in found


def test_older_rows_are_validated_as_they_are_read(path: Path) -> None:
    """By code of the class, and under an earlier name of the class."""
    code = upgrade(from_version=1)(staticmethod(lambda stored: {**stored, "price": 100 // stored["price"]}))
    trade = renamed_from("Trade")(model("Deal", {"id": int, "price": Annotated[int, Gt(11)]}, id=Key(), code=code))
    report = verify(path, models=[trade])
    found = [(each.where, each.what) for each in report.problems]
    assert report.notes[0].startswith("the indexes of Deal were not all compared: Deal: an object of version 1")
    assert "its code gives 11 for 'price': Input should be greater than 11" in dict(found)["the Deal id=9"]
    assert any("its @upgrade(from_version=1), raised ZeroDivisionError" in what for _, what in found)


def test_one_row_group_is_in_memory(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No collection of many rows is read whole."""
    from parcode_orm.table.table import Table

    monkeypatch.setattr(Table, "parts", None)
    monkeypatch.setattr(constraints, "WHOLE", 20)
    assert problems(path, world_of()) == []


class Plane(Model):
    tail: str = Key()


class Stop(Model):
    plane: Ref[Plane] | None = None


class Flight(Model):
    id: int = Key()
    plane: Ref[Plane] | None = None
    seen: set[Ref[Plane]] = set()
    by_plane: dict[Ref[Plane], Ref[Plane]] = {}
    stops: list[Stop] = Chunk(default=[])


def test_references_must_lead_somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recovered file may lack entities to which others refer, and verified as whole."""
    path = tmp_path / "f.par"
    with Session(path) as session:
        session.add_all([Plane(tail="N1"), Flight(id=1, plane="N1", seen=["N1"], stops=[Stop(plane="N1")])])
        session.commit()
        assert verify(path, models=[Plane, Flight]).ok
        monkeypatch.setattr("parcode_orm.session.entity.dangling.check_targets", lambda work, referred: None)
        lost = Ref(Plane, "N2")
        session.add(Flight(id=2, plane=lost, seen=[lost], by_plane={lost: lost}, stops=[Stop(), Stop(plane=lost)]))
        session.commit()
    report = verify(path, models=[Flight])
    assert {problem.what for problem in report.problems} == {"refers to Plane['N2'], which is not stored"}
    places = [".by_plane[Ref[Plane]('N2')]"] * 2 + [".plane", ".seen", ".stops[1].plane"]
    assert sorted(problem.where for problem in report.problems) == [f"the Flight id=2{place}" for place in places]
