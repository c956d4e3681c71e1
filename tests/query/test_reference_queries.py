"""Queries on references are those on their keys: random entities and conditions, by an index or a scan.

What plain Python finds over dictionaries of keys is what a query must find, before the commit and after, in rows that
the program holds and in those that it does not, and by an index of the field or by a scan.
"""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Index, Key, Model, QueryError, Ref, Session, any_, func, select, update, verify
from parcode_orm.errors import IntegrityError, UnsupportedTypeError
from parcode_orm.model.indexes import indexes_of
from parcode_orm.model.ordering import order_of
from parcode_orm.session.entity import indexes, queries
from tests.effort import half
from tests.small import small_caches, tuned

pytestmark = pytest.mark.once


class Port(Model):
    name: str = Key()


class Leg(Model):
    carrier: str = Key()
    number: int = Key()


class Spot(Model):
    port: Ref[Port] | None = None


class Trip(Model):
    id: int = Key(default=None, auto=True)
    port: Ref[Port] | None = None
    leg: Ref[Leg] | None = None
    via: list[Ref[Port]] = []
    spot: Spot = Spot()
    before: Ref[Trip] | None = None
    only: Ref[Leg] | None = None


class Indexed(Model):
    id: int = Key(default=None, auto=True)
    port: Ref[Port] | None = Index(None)
    leg: Ref[Leg] | None = Index(None)
    via: list[Ref[Port]] = Index(default=[])
    spot: Spot = Spot()
    before: Ref[Indexed] | None = Index(None)
    only: Ref[Leg] | None = Index(None, unique=True)
    __indexes__ = (Index("spot.port"), Index("port", "leg"))


class WithComplex(Model):
    id: complex = Key()


Row = dict[str, Any]
PORTS = [Port(name=f"p{n}") for n in range(4)]
LEGS = [Leg(carrier=c, number=n) for c in "ab" for n in range(3)]


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are asked for many rows too, and have several runs with fences in them."""
    monkeypatch.setattr(queries, "SHARE", 1)
    monkeypatch.setattr(indexes, "STEP", 3)


ports = st.none() | st.sampled_from([port.name for port in PORTS])
legs = st.none() | st.sampled_from([(leg.carrier, leg.number) for leg in LEGS])
lists = st.lists(st.sampled_from([port.name for port in PORTS]), max_size=3)
rows = st.fixed_dictionaries(
    {"port": ports, "leg": legs, "via": lists, "spot": ports, "before": st.none() | st.just(1)}
)


def given_as(key: Any, cls: type[Model], kind: str) -> Any:
    """What stands for a reference: an object, a reference or a key."""
    if key is None or kind == "key":
        return key
    if kind == "ref":
        return Ref(cls, key)
    return Port(name=key) if cls is Port else Leg(carrier=key[0], number=key[1])


def values_of(row: Row, kind: str) -> dict[str, Any]:
    return {
        "port": given_as(row["port"], Port, kind),
        "leg": given_as(row["leg"], Leg, kind),
        "via": [given_as(each, Port, kind) for each in row["via"]],
        "spot": Spot(port=given_as(row["spot"], Port, kind)),
        "before": row["before"],
    }


Test = tuple[Callable[[Any], Any], Callable[[Row], bool]]
kinds = st.sampled_from(["key", "ref", "object"])


def less(one: Any, other: Any) -> bool:
    return one is not None and bool(one < other)


@st.composite
def conditions(draw: Any) -> Test:
    """An expression of a class, and the same in Python over a row."""
    kind = draw(kinds)
    port, leg = draw(ports), draw(legs)
    some = draw(lists)
    a_port, a_leg = given_as(port, Port, kind), given_as(leg, Leg, kind)
    found: list[Test] = [
        (lambda cls: cls.port == a_port, lambda row: row["port"] == port),
        (lambda cls: cls.port != a_port, lambda row: row["port"] != port),
        (lambda cls: cls.port.key == port, lambda row: row["port"] == port),
        (lambda cls: cls.leg == a_leg, lambda row: row["leg"] == leg),
        (lambda cls: cls.port.in_([given_as(each, Port, kind) for each in some]), lambda row: row["port"] in some),
        (
            lambda cls: cls.via.contains(given_as(some[0], Port, kind) if some else "p9"),
            lambda row: (some[0] if some else "p9") in row["via"],
        ),
        (
            lambda cls: any_(cls.via, func.item() == given_as(some[0], Port, kind) if some else func.item() == "p9"),
            lambda row: (some[0] if some else "p9") in row["via"],
        ),
        (lambda cls: cls.spot.port == a_port, lambda row: row["spot"] == port),
        (lambda cls: cls.before == 1, lambda row: row["before"] == 1),
        (lambda cls: cls.via == some, lambda row: row["via"] == some),
    ]
    if port is not None:
        found.append((lambda cls: cls.port < port, lambda row: less(row["port"], port)))
        found.append((lambda cls: cls.port.startswith(port), lambda row: row["port"] == port))
    if leg is not None:
        found.append((lambda cls: cls.leg < leg, lambda row: less(row["leg"], leg)))
        both = (
            (lambda cls: (cls.port == a_port) & (cls.leg < leg)),
            (lambda row: row["port"] == port and less(row["leg"], leg)),
        )
        found.append(both)
    one = draw(st.sampled_from(found))
    if draw(st.booleans()):
        other = draw(st.sampled_from(found))
        if draw(st.booleans()):
            return lambda cls: one[0](cls) | other[0](cls), lambda row: one[1](row) or other[1](row)
        return lambda cls: ~one[0](cls) & other[0](cls), lambda row: not one[1](row) and other[1](row)
    return one


def in_order(key: Any) -> Any:
    return (key is not None, key)


def check(session: Session, cls: Any, expected: dict[int, Row], tests: list[Test]) -> None:
    for condition, holds in tests:
        found = session.scalars(select(cls).where(condition(cls))).all()
        assert sorted(each.id for each in found) == [key for key, row in sorted(expected.items()) if holds(row)]
    for name in ("port", "leg"):
        field = getattr(cls, name)
        counted = session.execute(select(field, func.count()).group_by(field)).all()
        assert {row[0]: row[1] for row in counted} == Counter(row[name] for row in expected.values())
        ordered = session.scalars(select(field).order_by(field, cls.id).limit(3)).all()
        assert ordered == sorted([row[name] for row in expected.values()], key=in_order)[:3]
        known = [row[name] for row in expected.values() if row[name] is not None]
        least = session.execute(select(func.min(field), func.max(field)).select_from(cls)).one()
        assert tuple(least) == (min(known, default=None), max(known, default=None))
    assert dict(map(tuple, session.execute(select(cls.id, cls.via)).all())) == {
        key: row["via"] for key, row in expected.items()
    }


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("cls", [Trip, Indexed])
@half()
@given(
    first=st.lists(rows, min_size=1, max_size=12),
    later=st.lists(rows, max_size=4),
    kind=kinds,
    tests=st.lists(conditions(), min_size=1, max_size=4),
    data=st.data(),
)
def test_references_are_found_as_keys_are(
    cls: Any, first: list[Row], later: list[Row], kind: str, tests: list[Test], data: Any
) -> None:
    expected: dict[int, Row] = {}
    with small_caches(), tuned().Session(":memory:") as session:
        session.add_all([Port(name=each.name) for each in PORTS])
        session.add_all([Leg(carrier=each.carrier, number=each.number) for each in LEGS])
        for row in first:
            session.add(obj := cls(**values_of(row, kind)))
            expected[obj.id] = {**row, "via": list(row["via"])}
        del obj
        check(session, cls, expected, tests)
        session.commit()
        gc.collect()
        check(session, cls, expected, tests)
        held = [session.get_one(cls, key) for key in data.draw(st.lists(st.sampled_from(sorted(expected)), max_size=3))]
        for obj, row in zip(held, later, strict=False):
            values = values_of(row, kind)
            for name in ("port", "leg", "via", "before"):
                setattr(obj, name, values[name])
            obj.spot.port = values["spot"].port
            obj.via.append(given_as("p1", Port, kind))
            expected[obj.id] = {**row, "via": [*row["via"], "p1"]}
        port = data.draw(ports)
        session.execute(update(cls).where(cls.port == port).values(port=given_as("p0", Port, kind)))
        for row in expected.values():
            row["port"] = "p0" if row["port"] == port else row["port"]
        check(session, cls, expected, tests)
        session.commit()
        check(session, cls, expected, tests)
        del held
        gc.collect()
        check(session, cls, expected, tests)
        session.rollback()
        check(session, cls, expected, tests)


def test_an_index_serves_references_of_every_kind(tmp_path: Any) -> None:
    path = tmp_path / "trips.par"
    with Session(path) as session:
        ports = [Port(name=f"p{n}") for n in range(300)]
        legs = [Leg(carrier=f"c{n % 7}", number=n) for n in range(300)]
        session.add_all([*ports, *legs])
        session.add_all(
            [Indexed(port=ports[n % 300], leg=legs[n * 7 % 300], via=[ports[n * 3 % 300]]) for n in range(3000)]
        )
        session.commit()
        for condition, how in [
            (Indexed.port == ports[7], "index of port (port == 'p7')"),
            (Indexed.leg == legs[7], "index of leg (leg == ('c0', 7))"),
            (Indexed.via.contains(ports[6]), "index of via[] (via[] == 'p6')"),  # type: ignore[attr-defined]
            ((Indexed.port == ports[7]) & (Indexed.leg < ("c0", 200)), "index of port, leg"),
            (Indexed.leg < ("c0", 30), "index of leg (leg < ('c0', 30))"),  # type: ignore[operator]
        ]:
            statement = select(Indexed).where(condition)
            assert how in str(session.explain(statement))
            assert session.scalars(statement).all()
        ordered = select(Indexed).order_by(Indexed.port).limit(3)
        assert "in the order of the index of port" in str(session.explain(ordered))
        session.add_all([Indexed(only=legs[0]), Indexed(only=legs[0])])
        with pytest.raises(IntegrityError, match=r"Indexed\.only: \('c0', 0\) is the value of two objects"):
            session.commit()
    assert verify(path, models=[Indexed]).ok


def test_what_a_class_says_of_its_references() -> None:
    specs = {spec.name: spec for spec in indexes_of(Indexed)}
    assert specs["port"].targets == (Port,) and specs["port"].types == (str,)
    assert specs["port, leg"].types == (str, tuple[str, int]) and specs["via[]"].targets == (Port,)
    assert order_of(tuple[str, complex]) is None and order_of(tuple[()]) is None


def test_what_no_index_orders_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedTypeError, match="not for complex, the keys of WithComplex"):

        class Wrong(Model):
            id: int = Key()
            one: Ref[WithComplex] = Index()


@pytest.mark.parametrize("wrong", [Leg(carrier="a", number=1), Ref(Leg, ("a", 1)), 3])
def test_a_reference_to_another_class_is_a_mistake(wrong: Any) -> None:
    with pytest.raises(QueryError):
        Trip.port == wrong  # noqa: B015
    with pytest.raises(QueryError):
        Trip.port.in_([wrong])  # type: ignore[union-attr]
    with pytest.raises(QueryError):
        update(Trip).values(port=wrong)
    if wrong != 3:  # which a list may contain as well as not
        with pytest.raises(QueryError):
            Trip.via.contains(wrong)  # type: ignore[attr-defined]
