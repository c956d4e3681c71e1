"""References are compared with objects, references and keys of their class, and with nothing else."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from parcode_orm import Key, Model, QueryError, Ref, Session, func, select, update
from parcode_orm.query.expressions.nodes import Literal
from parcode_orm.query.expressions.reference_keys import check_key, fitting, key_for

pytestmark = pytest.mark.once


class Place(Model):
    row: int = Key()
    name: str = Key()
    other: int = 0


class City(Model):
    name: str = Key()


class Box(Model):
    id: int = Key()
    place: Ref[Place] | None = None
    next: Ref[Place] | None = None
    city: Ref[City] | None = None
    either: Ref[Place] | Ref[City] | None = None
    number: int = 0
    day: date | None = None
    pair: tuple[int, str] = (0, "")


B: Any = Box


@pytest.mark.parametrize(
    "compare",
    [
        lambda: B.place == 2,
        lambda: B.place != "a",
        lambda: B.place == Place.other,
        lambda: Place.other == B.place,
        lambda: B.place == B.number,
        lambda: B.place == (1, 2),
        lambda: B.place == ("a", "a"),
        lambda: B.place == (1, "a", 2),
        lambda: B.place == (1,),
        lambda: B.place.in_([(1, "a"), 3]),
        lambda: B.place.in_(select(Place.other)),
        lambda: B.place == B.city,
        lambda: B.city == (1, "a"),
        lambda: select(Box, Place).join(Place, B.place == Place.name),
        lambda: update(Box).values(place=3),
    ],
)
def test_what_is_never_a_key_is_refused(compare: Any) -> None:
    with pytest.raises(QueryError, match=r"refers to (Place|City), whose key is (\(row, name\)|name), and cannot be"):
        compare()


def test_keys_objects_and_references_are_found() -> None:
    session = Session(":memory:")
    session.add_all([Place(row=1, name="a"), Place(row=2, name="b"), City(name="x")])
    session.add_all([Box(id=1, place=(1, "a"), next=(1, "a"), city="x", pair=(1, "a")), Box(id=2, next=(2, "b"))])
    session.commit()
    place = session.get_one(Place, (1, "a"))
    for condition in (
        B.place == (1, "a"),
        B.place == place,
        B.place == Ref(place),
        B.place.in_([(1, "a"), place]),
        B.place.in_(select(Place)),
        B.place == B.next,
        B.place == B.pair,
        B.place != None,  # noqa: E711
        B.city == "x",
        B.place == func.coalesce(B.next, B.place),
    ):
        assert session.scalars(select(Box.id).where(condition)).all() == [1]
    assert session.scalars(select(Box.id).where(B.place == None)).all() == [2]  # noqa: E711
    assert session.scalars(select(Box.id).where(B.either == 3)).all() == []  # a union says nothing
    check_key("==", B.place, Literal((1, "a")))
    assert key_for(place) == fitting(B.place, place) == (1, "a")
