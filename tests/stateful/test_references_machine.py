"""Random sessions over objects that refer to each other, beside a plain model of what each reference should lead to.

The model holds keys and values in dictionaries. After each step, every reference that the session gives leads to the
object that the session has for its key; old snapshots see the targets of their commit.
"""

from __future__ import annotations

import copy
import gc
import pickle
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from parcode_orm import Chunk, Index, Key, Model, Ref, Session, ShardedMap, select
from tests.effort import half
from tests.small import SMALL, tuned

pytestmark = pytest.mark.once


class Port(Model):
    name: str = Key()
    size: int = 0


class Spot(Model):
    port: Ref[Port] | None = None


class Trip(Model):
    id: int = Key()
    port: Ref[Port] | None = Index(None)
    via: list[Ref[Port]] = []
    spot: Spot = Spot()
    before: Ref[Trip] | None = None


class Desk(Model):
    first: Ref[Trip] | None = None
    ports: list[Ref[Port]] = Chunk(default=[])
    named: dict[str, Ref[Port]] = ShardedMap(default={})


PORTS = [f"p{n}" for n in range(4)]
names = st.sampled_from(PORTS)
ids = st.integers(1, 4)
State = dict[str, Any]


def plain_of(obj: Any) -> Any:
    """What the model holds of an object: keys in the place of references."""
    return obj.model_dump()


class References(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.session = tuned(SMALL).Session(":memory:")
        self.model: State = {}
        self.committed: State = {}
        self.past: list[tuple[int, State]] = []
        self.held: list[Any] = []

    @initialize()
    def begin(self) -> None:
        self.session.add_all([Port(name=name) for name in PORTS])
        self.session.add_all([Trip(id=number) for number in range(1, 5)])
        self.session.add(Desk())
        self.model = {
            "ports": dict.fromkeys(PORTS, 0),
            "trips": {
                number: {"id": number, "port": None, "via": [], "spot": {"port": None}, "before": None}
                for number in range(1, 5)
            },
            "desk": {"first": None, "ports": [], "named": {}},
        }
        self.commit()

    def given(self, name: str, kind: int) -> Any:
        """What stands for a reference to a port: a key, an object, a reference, or that of another object."""
        port = self.session.get_one(Port, name)
        return [name, port, Ref(Port, name), Ref(port), pickle.loads(pickle.dumps(Ref(port)))][kind]

    @rule(number=ids, name=st.none() | names, kind=st.integers(0, 4))
    def assign(self, number: int, name: str | None, kind: int) -> None:
        self.session.get_one(Trip, number).port = None if name is None else self.given(name, kind)
        self.model["trips"][number]["port"] = name

    @rule(number=ids, name=names, kind=st.integers(0, 4))
    def append(self, number: int, name: str, kind: int) -> None:
        self.session.get_one(Trip, number).via.append(self.given(name, kind))
        self.model["trips"][number]["via"].append(name)

    @rule(number=ids, name=names, kind=st.integers(0, 4))
    def nested(self, number: int, name: str, kind: int) -> None:
        self.session.get_one(Trip, number).spot.port = self.given(name, kind)
        self.model["trips"][number]["spot"]["port"] = name

    @rule(number=ids, other=ids)
    def refer(self, number: int, other: int) -> None:
        self.session.get_one(Trip, number).before = self.session.get_one(Trip, other)  # type: ignore[assignment]
        self.model["trips"][number]["before"] = other

    @rule(name=names, size=st.integers(0, 5), number=ids)
    def through(self, name: str, size: int, number: int) -> None:
        """A target is changed through a reference to it, or by itself."""
        ref = self.session.get_one(Trip, number).port
        target = self.session.get_one(Port, name) if ref is None else ref
        target.size = size
        self.model["ports"][target.name] = size

    @rule(number=ids, name=names, key=st.sampled_from("ab"), kind=st.integers(0, 4))
    def desk(self, number: int, name: str, key: str, kind: int) -> None:
        desk = self.session.root(Desk)
        desk.first = self.session.get_one(Trip, number)  # type: ignore[assignment]
        desk.ports.append(self.given(name, kind))
        desk.named[key] = self.given(name, kind)
        there = self.model["desk"]
        there["first"] = number
        there["ports"].append(name)
        there["named"][key] = name

    @rule(number=ids, name=names)
    def merge(self, number: int, name: str) -> None:
        """A copy that was changed elsewhere is merged."""
        row = {**copy.deepcopy(self.model["trips"][number]), "port": name}
        self.session.merge(Trip(**{**row, "spot": Spot(**row["spot"])}))
        self.model["trips"][number] = row

    @rule(number=ids)
    def hold(self, number: int) -> None:
        trip = self.session.get_one(Trip, number)
        self.held += [trip, trip.port, trip.via]

    @rule()
    def let_go(self) -> None:
        self.held.clear()
        gc.collect()

    @rule()
    def commit(self) -> None:
        self.session.commit()
        self.committed = copy.deepcopy(self.model)
        snapshot = self.session.snapshot
        assert snapshot is not None
        self.past.append((snapshot.sequence, self.committed))

    @rule()
    def rollback(self) -> None:
        self.session.rollback()
        self.held.clear()
        self.model = copy.deepcopy(self.committed)

    @rule(number=ids, name=names)
    def savepoint(self, number: int, name: str) -> None:
        savepoint = self.session.begin_nested()
        trip = self.session.get_one(Trip, number)
        trip.port = name  # type: ignore[assignment]
        trip.via.append(self.session.get_one(Port, name))  # type: ignore[arg-type]
        self.session.root(Desk).ports.append(name)  # type: ignore[arg-type]
        savepoint.rollback()

    @precondition(lambda self: self.model == self.committed)
    @rule(number=ids)
    def expire(self, number: int) -> None:
        self.session.expire(self.session.get_one(Trip, number))

    def leads_right(self, ref: Any) -> None:
        if type(ref) is Ref:
            assert ref.target is self.session.get(Port, ref.key)
            assert ref.size == self.model["ports"][ref.key]

    @invariant()
    def every_reference_leads_to_the_object_of_the_session(self) -> None:
        for number, row in self.model.get("trips", {}).items():
            trip = self.session.get_one(Trip, number)
            assert trip.id == number
            assert (trip.port and trip.port.key) == row["port"] and (trip.before and trip.before.key) == row["before"]
            self.leads_right(trip.port)
            spot = trip.spot.port
            if spot is None or spot._space is not None or spot._target is not None:
                self.leads_right(spot)  # else it was made of a key in a nested object that waits for its commit
            if trip.before is not None:
                assert trip.before.target is self.session.get(Trip, row["before"])

    @invariant()
    def queries_find_by_key(self) -> None:
        for name in PORTS if self.model else ():
            found = self.session.scalars(select(Trip.id).where(Trip.port == name)).all()
            assert sorted(found) == [key for key, row in self.model["trips"].items() if row["port"] == name]
            with_it = self.session.scalars(select(Trip.id).where(Trip.via.contains(name))).all()  # type: ignore[attr-defined]
            assert sorted(with_it) == [key for key, row in self.model["trips"].items() if name in row["via"]]

    def teardown(self) -> None:
        if self.past:
            self.commit()
            desk = self.session.root(Desk)
            assert plain_of(desk.model_load()) == self.model["desk"]
            for port in desk.ports:
                self.leads_right(port)
            for number, row in self.model["trips"].items():
                assert plain_of(self.session.get_one(Trip, number)) == row
            assert not self.session.dirty
        self.session.close()


References.TestCase.settings = half()
TestReferences = References.TestCase


def test_old_snapshots_see_the_targets_of_their_commit(tmp_path: Any) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add_all([Port(name="p0"), Trip(id=1, port="p0", via=["p0"])])
        session.commit()
        for size in range(1, 6):
            session.get_one(Trip, 1).port.size = size  # type: ignore[union-attr]
            session.commit()
    for sequence in range(1, 7):
        with Session.open(path, at=sequence) as then:
            trip = then.get_one(Trip, 1)
            assert trip.port is not None and trip.port.size == trip.via[0].size == sequence - 1
            assert trip.port.target is trip.via[0].target is then.get(Port, "p0")
