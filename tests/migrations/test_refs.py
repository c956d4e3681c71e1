"""Migrations of classes that refer to each other: what files say of references, and what becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from parcode_orm import MigrationError, Ref, Session, select, verify
from parcode_orm.migrations import AlterField, Field, Named
from parcode_orm.migrations.state import ProjectState
from parcode_orm.migrations.types import names_held, names_in, referred_names
from parcode_orm.migrations.writer import source_of

from .project import HEAD, Project

pytestmark = pytest.mark.once

HEADED = "from parcode_orm import Ref\n"
TWO = """
class Plane(Model):
    tail: str = Key()
    year: int = 0
    last: Ref[Flight] | None = None

class Flight(Model):
    id: int = Key(auto=True)
    plane: Ref[Plane] | None = Index(None, on_delete="null")
    via: list[Ref[Plane]] = []
    before: Ref[Flight] | None = None
"""


def project(tmp_path: Path, text: str, module: str = "airline") -> tuple[Project, Any]:
    made = Project(tmp_path, module)
    return made, made.define(HEADED + text)


def test_classes_that_refer_to_each_other_are_written_and_read(tmp_path: Path) -> None:
    made, module = project(tmp_path, TWO)
    written = made.make()
    assert written is not None
    text = next(made.migrations.glob("0001*.py")).read_text()
    assert "from parcode_orm import Index, Key, Ref" in text and "Ref[Plane]" in text and "list[Ref[Plane]]" in text
    assert made.make() is None
    plane = module.Plane(tail="N1", year=1)
    made.store(plane, module.Flight(plane=plane, via=[plane]))
    made.migrate()
    with Session(made.path) as session:
        assert session.get_one(module.Flight, 1).plane.year == 1


def test_a_change_of_the_target_leaves_what_refers_to_it(tmp_path: Path) -> None:
    made, module = project(tmp_path, TWO)
    made.make()
    made.migrate() if made.path.exists() else None
    made.store(module.Plane(tail="N1"), module.Flight(plane="N1", via=["N1"]))
    made.migrate()
    now = made.define(HEADED + TWO.replace("year: int = 0", "year: float = 0.0\n    seats: int = 5"))
    made.make()
    (planned,) = made.migrate()
    assert "Flight" not in str(planned)
    with Session(made.path) as session:
        flight = session.get_one(now.Flight, 1)
        assert flight.plane.seats == 5 and flight.via[0].year == 0.0
        assert session.scalars(select(now.Flight).where(now.Flight.plane == "N1")).all() == [flight]
    made.migrate("0001")
    before = made.define(HEADED + TWO)
    with Session(made.path) as session:
        assert session.get_one(before.Flight, 1).plane.year == 0
    assert verify(made.path, models=[before.Flight]).ok


def test_keys_become_references_without_a_rewrite(tmp_path: Path) -> None:
    was = TWO.replace("Ref[Plane]", "str").replace("Ref[Flight]", "int").replace(', on_delete="null"', "")
    made, module = project(tmp_path, was)
    made.make()
    made.store(module.Plane(tail="N1", last=1), module.Flight(plane="N1", via=["N1"]))
    made.migrate()
    now = made.define(HEADED + TWO)
    made.make()
    size = made.path.stat().st_size
    made.migrate()
    assert made.path.stat().st_size - size < 20_000
    with Session(made.path) as session:
        flight = session.get_one(now.Flight, 1)
        assert flight.plane.last.target is flight and flight.via == [Ref(now.Plane, "N1")]
        assert session.scalars(select(now.Flight).where(now.Flight.plane == "N1")).all() == [flight]
    made.migrate("0001")
    with Session(made.path) as session:
        assert session.get_one(module.Flight, 1).plane == "N1"


def test_references_follow_a_key_that_changes(tmp_path: Path) -> None:
    made, module = project(tmp_path, TWO)
    made.make()
    made.store(module.Plane(tail="17"), module.Plane(tail="18"), module.Flight(plane="17", via=["18", "17"]))
    made.migrate()
    now = made.define(HEADED + TWO.replace("tail: str", "tail: int"))
    made.make()
    made.migrate()
    with Session(made.path) as session:
        flight = session.get_one(now.Flight, 1)
        assert flight.plane == Ref(now.Plane, 17) and flight.plane.target is session.get(now.Plane, 17)
        assert [each.key for each in flight.via] == [18, 17]
        assert session.scalars(select(now.Flight).where(now.Flight.plane == 17)).all() == [flight]
    assert verify(made.path, models=[now.Flight, now.Plane]).ok


def test_references_follow_a_class_that_is_renamed(tmp_path: Path) -> None:
    made, module = project(tmp_path, TWO)
    made.make()
    made.store(module.Plane(tail="N1", year=3), module.Flight(plane="N1"))
    made.migrate()
    now = made.define(HEADED + TWO.replace("Plane", "Craft"))
    made.make(renames={"Plane": "Craft"})
    made.migrate()
    with Session(made.path) as session:
        assert session.get_one(now.Flight, 1).plane.year == 3


def test_what_types_say_of_references() -> None:
    plane, box = Named("Plane"), Named("Box")
    tp = dict[str, Ref[plane] | None] | box
    assert set(names_in(tp)) == {"Plane", "Box"}
    assert list(names_held(tp)) == ["Box"] and list(referred_names(tp)) == ["Plane"]
    assert "plane: Ref" not in source_of([], []) and ProjectState().keyed(Ref[plane]) == Ref[plane]
    assert AlterField("A", "b", Field(int)).told() and HEAD and MigrationError
