"""Golden files of the examples' models at each point of their history in `migrations/`, and what they hold."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from parcode_orm import Session, compact, select
from parcode_orm.migrations import load, migrate
from parcode_orm.migrations.history import History

MIGRATIONS = Path(__file__).parents[2] / "migrations"
NAMES = list(load(MIGRATIONS).migrations)
Data = dict[str, Any]


def world(state: int) -> Data:
    """The saved game, as the models had it after so many migrations."""
    items = "items" if state < 2 else "inventory"
    players = {f"Hero{n}": {"level": n % 9, items: list(range(n % 4))} for n in range(40)}
    settings = {"difficulty": 3, "history": [f"day {n}: all quiet" for n in range(9)]}
    found = {"name": "Aldermoor", "settings": settings, "terrain": bytes(range(256)) * 4, "players": players}
    return found if state < 2 else {"id": 1, **found}


def flight(state: int, n: int) -> Data:
    """A flight, as the models had it after so many migrations."""
    found = {"id": n + 1, "month": n % 12 + 1, "day": n % 28 + 1, "dep_delay": n if n % 2 else None, "arr_delay": -n}
    found |= {"carrier": "AA" if n % 3 else "UA", "flight": n, "tailnum": f"N{n}" if n % 5 else None, "origin": "JFK"}
    found |= {"dest": "HNL" if n % 7 else "SFO"}
    if state < 4:
        return {**found, "hour": n % 24, "distance": 100.0 + n}
    moment = datetime(2013, n % 12 + 1, n % 28 + 1, n % 24, tzinfo=UTC)
    return {**found, "air_time": None, "distance": 100 + n, "time_hour": moment}


FLIGHTS = 12


def classes(state: int) -> dict[str, Any]:
    """The models as they were after so many migrations."""
    return History(load(MIGRATIONS).state(NAMES[:state])).classes


def content(path: Path, models: dict[str, Any]) -> tuple[Data, list[Data]]:
    """The saved game and the flights of a file, by these models."""
    flights = models.get("Flight") or models["Trip"]
    with Session.open(path) as session:
        world = session.root(models["GameWorld"]).model_dump()
        return world, [each.model_dump() for each in session.scalars(select(flights).order_by(flights.id))]


def expected(state: int) -> tuple[Data, list[Data]]:
    """What `content` gives of a file at this point."""
    return world(state), [flight(state, n) for n in range(FLIGHTS)]


def write(path: Path, state: int) -> None:
    """Write the file as a program of that time did, and record the migrations in it."""
    models = classes(state)
    flights = models.get("Flight") or models["Trip"]
    with Session(path, workers=0) as session:
        session.add(models["GameWorld"].model_validate(world(state)))
        session.add_all([flights.model_validate(flight(state, n)) for n in range(FLIGHTS)])
        session.commit()
    migrate(path, NAMES[state - 1], migrations=MIGRATIONS, fake=True)
    compact(path)
