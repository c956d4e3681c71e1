"""Two tables whose values meet: owners and pets, in every state of a session, and their rows as plain objects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from parcode_orm import Index, Key, Model, Session, func, select
from parcode_orm.tuning import TUNING
from tests.small import SMALL, small_caches, tuned

NAN = float("nan")
VALUES: dict[str, list[Any]] = {
    "number": [None, -1, 0, 1, 2, 3],
    "score": [None, -0.0, 0.0, 1.0, 2.5, NAN],
    "name": [None, "", "a", "b", "ab", "é"],
    "born": [None, date(2020, 1, 1), date(2020, 1, 2), date(2021, 5, 5)],
    "money": [None, Decimal("0"), Decimal("1"), Decimal("1.0"), Decimal("2.5")],
}
MEET = {"number": ["number", "score", "money"], "score": ["number", "score"], "money": ["number", "money"]}
"""Fields of pets that may be equal to a field of owners; others are equal to those of the same name."""


class Owner(Model):
    id: int = Key(auto=True)
    number: int | None = None
    score: float | None = None
    name: str | None = None
    born: date | None = None
    money: Decimal | None = None


class Pet(Model):
    id: int = Key(auto=True)
    number: int | None = Index(default=None)
    score: float | None = None
    name: str | None = Index(default=None)
    born: date | None = None
    money: Decimal | None = None


class Said(NamedTuple):
    """An expression, and what it says as a function of an object."""

    said: Any
    plain: Callable[[Any], Any]


def field(cls: Any, name: str) -> Said:
    return Said(getattr(cls, name), lambda obj: getattr(obj, name))


@st.composite
def conditions(draw: Any, cls: Any) -> Said:
    """A comparison of a field with a value."""
    name = draw(st.sampled_from(list(VALUES)))
    said, plain = field(cls, name)
    value = draw(st.sampled_from(VALUES[name][:-1]))
    kind = draw(st.sampled_from(["==", "!=", "<"] if value is not None else ["==", "!="]))
    if kind == "==":
        return Said(said == value, lambda obj: plain(obj) == value)
    if kind == "!=":
        return Said(said != value, lambda obj: plain(obj) != value)
    return Said(said < value, lambda obj: plain(obj) is not None and plain(obj) < value)


@st.composite
def equalities(draw: Any, outer: Any, inner: Any) -> tuple[Any, Callable[[Any, Any], bool]]:
    """A condition that a field of the inner class equals one of the outer class."""
    name = draw(st.sampled_from(list(VALUES)))
    other = draw(st.sampled_from(MEET.get(name, [name])))
    if draw(st.booleans()):
        said = getattr(inner, other) == getattr(outer, name)
    else:
        said = getattr(outer, name) == getattr(inner, other)
    return said, lambda out, obj: getattr(obj, other) == getattr(out, name)


@st.composite
def comparisons(draw: Any, outer: Any, inner: Any) -> tuple[Any, Callable[[Any, Any], bool]]:
    """Another condition on a field of the inner class and one of the outer class; None fulfils none but !=."""
    name = draw(st.sampled_from(list(VALUES)))
    other = draw(st.sampled_from(MEET.get(name, [name])))
    kind = draw(st.sampled_from(["<", ">=", "!=", "or"]))
    mine, theirs = getattr(inner, other), getattr(outer, name)
    said = {"<": mine < theirs, ">=": theirs >= mine, "!=": mine != theirs, "or": (mine == theirs) | (inner.id == 2)}

    def plain(out: Any, obj: Any) -> bool:
        a, b = getattr(obj, other), getattr(out, name)
        if kind == "!=":
            return bool(a != b)
        if kind == "or":
            return bool(a == b) or obj.id == 2
        return a is not None and b is not None and bool(a < b if kind == "<" else b >= a)

    return said[kind], plain


def rows(cls: Any) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({name: st.sampled_from(values) for name, values in VALUES.items()}).map(
        lambda values: cls(**values)
    )


def change(draw: Any, session: Any) -> None:
    """Objects in place, new ones, and deleted ones."""
    for cls in (Owner, Pet):
        found = session.scalars(select(cls)).all()
        for obj in found[: draw(st.integers(0, 2))]:
            name = draw(st.sampled_from(list(VALUES)))
            setattr(obj, name, draw(st.sampled_from(VALUES[name])))
        if len(found) > 2 and draw(st.booleans()):
            session.delete(found[2])
        if draw(st.booleans()):
            session.add(draw(rows(cls)))


@contextmanager
def families(draw: Any, path: Path) -> Iterator[Any]:
    """A session with owners and pets, in one of its states."""
    path.unlink(missing_ok=True)
    state = draw(st.sampled_from(["added", "stored", "changed", "read-only", "past"]))
    small = draw(st.booleans())
    Made: type[Session] = tuned(SMALL if small else TUNING).Session
    with small_caches() if small else nullcontext():
        with Made(path, durability="fast") as session:
            session.add_all(draw(st.lists(rows(Owner), min_size=state != "added", max_size=8)))
            session.add_all(draw(st.lists(rows(Pet), max_size=14)))
            if state == "added":
                yield session
                return
            session.commit()
            if state == "changed":
                change(draw, session)
                yield session
                return
            if state == "past":
                change(draw, session)
                session.commit()
        with Made(path) if state == "stored" else Made.open(path, at=1 if state == "past" else None) as session:
            yield session


def everything(session: Any) -> tuple[list[Owner], list[Pet]]:
    return session.scalars(select(Owner)).all(), session.scalars(select(Pet)).all()


def same(a: Any, b: Any) -> bool:
    """Equal, with NaN equal to itself."""
    if isinstance(a, tuple | list) and isinstance(b, tuple | list):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b or (a != a and b != b))


AGGREGATES: list[tuple[Any, Callable[[list[Any]], Any]]] = [
    (func.count(), len),
    (func.count(Pet.name), lambda pets: sum(pet.name is not None for pet in pets)),
    (func.sum(Pet.number), lambda pets: sum(pet.number for pet in pets if pet.number is not None)),
    (func.max(Pet.born), lambda pets: max((pet.born for pet in pets if pet.born is not None), default=None)),
    (func.min(Pet.money), lambda pets: min((pet.money for pet in pets if pet.money is not None), default=None)),
    (func.max(Pet.number) - func.min(Pet.number), lambda pets: _spread([pet.number for pet in pets])),
    (func.coalesce(func.max(Pet.number), -7), lambda pets: max(_known(pet.number for pet in pets) or [-7])),
]


def _known(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if value is not None]


def _spread(numbers: list[int | None]) -> int | None:
    known = _known(numbers)
    return max(known) - min(known) if known else None
