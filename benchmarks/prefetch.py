"""The `prefetch` workload: objects selected together with the targets of their references, beside SQLAlchemy.

One target for every 30 rows (`few`), and one for each row (`each`). SQLAlchemy loads entities of SQLite with
`selectinload`; ours are lazy objects of a read-only session. Each round opens the file anew, selects all rows, and
then reads a field of each target. The sums must be equal.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from benchmarks.measure import clock, machine, number, reached, say, table
from parcode_orm import Key, Model, Ref, Session, prefetch, raise_lazy, select

PER_TARGET = {"few": 30, "each": 1}
FASTER = 20  # than SQLAlchemy


class Plane(Model):
    tail: str = Key()
    year: int


class Flight(Model):
    id: int = Key()
    distance: int
    plane: Ref[Plane]


def planes(count: int) -> Iterable[dict[str, Any]]:
    return ({"tail": f"N{place:07}", "year": 1990 + place % 30} for place in range(count))


def flights(rows: int, targets: int) -> Iterable[dict[str, Any]]:
    state = 12345
    for place in range(rows):
        state = (state * 6364136223846793005 + 1442695040888963407) & ((1 << 64) - 1)
        yield {"id": place, "distance": place % 4000, "plane": f"N{(state >> 33) % targets:07}"}


class Ours:
    """`select` reads the objects with their targets, `touch` a field of each target."""

    name = "Parcode ORM"

    def __init__(self, path: Path, rows: int, targets: int) -> None:
        self.path = path / "ours.par"
        with Session(self.path) as session:
            session.add_all(Plane(**each) for each in planes(targets))
            session.add_all(Flight(**each) for each in flights(rows, targets))
            session.commit()

    def select(self) -> None:
        session = Session.open(self.path)
        statement = select(Flight).options(prefetch(Flight.plane), raise_lazy())
        self.found = session.scalars(statement).all()

    def touch(self) -> int:
        return sum(flight.plane.year for flight in self.found)


class Sqlalchemy:
    """The same in SQLAlchemy."""

    name = "SQLAlchemy selectinload"

    def __init__(self, path: Path, rows: int, targets: int) -> None:
        from sqlalchemy import Column, ForeignKey, Integer, String, create_engine, insert
        from sqlalchemy.orm import DeclarativeBase, relationship

        class Base(DeclarativeBase):
            pass

        class PlaneRow(Base):
            __tablename__ = "planes"
            tail = Column(String, primary_key=True)
            year = Column(Integer, nullable=False)

        class FlightRow(Base):
            __tablename__ = "flights"
            id = Column(Integer, primary_key=True)
            distance = Column(Integer, nullable=False)
            plane_tail = Column(ForeignKey("planes.tail"), nullable=False)
            plane = relationship(PlaneRow)

        self.row = FlightRow
        self.engine = create_engine(f"sqlite:///{path / 'peer.db'}")
        Base.metadata.create_all(self.engine)
        with self.engine.begin() as connection:
            connection.execute(insert(PlaneRow), list(planes(targets)))
            others = [
                {"id": each["id"], "distance": each["distance"], "plane_tail": each["plane"]}
                for each in flights(rows, targets)
            ]
            connection.execute(insert(FlightRow), others)

    def select(self) -> None:
        from sqlalchemy import select as select_rows
        from sqlalchemy.orm import Session as RowSession
        from sqlalchemy.orm import selectinload

        self.session = RowSession(self.engine)
        self.found = self.session.scalars(select_rows(self.row).options(selectinload(self.row.plane))).all()

    def touch(self) -> int:
        return sum(flight.plane.year for flight in self.found)


def run(rows: int, rounds: int, directory: Path) -> dict[str, Any]:
    """Measure both stores with both numbers of targets."""
    found: dict[str, Any] = {}
    for case, share in PER_TARGET.items():
        path = directory / case
        path.mkdir()
        stores: list[Any] = [Ours(path, rows, rows // share), Sqlalchemy(path, rows, rows // share)]
        seconds: dict[str, dict[str, list[float]]] = {store.name: {"select": [], "touch": []} for store in stores}
        for _ in range(rounds):
            for store in stores:
                seconds[store.name]["select"].append(clock(store.select))
                seconds[store.name]["touch"].append(clock(store.touch))
            if len({store.touch() for store in stores}) != 1:
                raise AssertionError("the stores give other sums")
            for store in stores:
                store.found = []
        found[case] = {
            name: {step: statistics.median(each) for step, each in steps.items()} for name, steps in seconds.items()
        }
        say(f"{case}: {rows:,} rows of {rows // share:,} targets")
    return {"machine": machine(), "rows": rows, "seconds": found}


def text(result: dict[str, Any]) -> str:
    """The figures as a table."""
    lines = []
    for case, stores in result["seconds"].items():
        rows = [[name, number(1000 * steps["select"]), number(1000 * steps["touch"])] for name, steps in stores.items()]
        lines += [f"{result['rows']:,} rows, {case} target", *table(["ms", "select", "touch each"], rows)]
        ours, peer = stores[Ours.name], stores[Sqlalchemy.name]
        lines += [reached("times faster to select than SQLAlchemy", peer["select"] / ours["select"], ">=", FASTER), ""]
    return "\n".join(lines)
