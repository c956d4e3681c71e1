"""The `bulk` workload: many objects stored at once, changed in a loop and by statements, beside SQLAlchemy with SQLite.

Both have the same rows and an index of one field, and wait for the disk. Each figure says which way it is, and whether
the objects or dictionaries are made before the clock starts or inside it. Each round begins with a new file.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import clock, machine, number, say, table
from benchmarks.query import Alchemy, Hero, Heroes, Stored, data
from parcode_orm import Session, delete, save, select, update

ROUNDS = 3
SOME = 10  # of 1,000 levels: one row in 100
Step = tuple[str, Callable[[Path, list[dict[str, Any]]], float]]


def seconds(function: Callable[[], Any]) -> float:
    gc.collect()
    return clock(function)


# -- Parcode ORM -------------------------------------------------------------------------------------------------------


def store(path: Path, objs: Any) -> None:
    with Session(path) as session:
        session.add_all(objs)
        session.commit()


def ours_before(path: Path, rows: list[dict[str, Any]]) -> float:
    objs = [Stored(**row) for row in rows]
    return seconds(lambda: store(path, objs))


def ours_inside(path: Path, rows: list[dict[str, Any]]) -> float:
    return seconds(lambda: store(path, [Stored(**row) for row in rows]))


def ours_iterator(path: Path, rows: list[dict[str, Any]]) -> float:
    return seconds(lambda: store(path, (Stored(**row) for row in rows)))


def ours_update(path: Path, rows: list[dict[str, Any]]) -> float:
    store(path, iter([Stored(**row) for row in rows]))
    with Session(path) as session:
        return seconds(lambda: _run(session, update(Stored).where(Stored.level < SOME).values(score=Stored.score + 1)))


def ours_delete(path: Path, rows: list[dict[str, Any]]) -> float:
    store(path, iter([Stored(**row) for row in rows]))
    with Session(path) as session:
        return seconds(lambda: _run(session, delete(Stored).where(Stored.level < SOME)))


def ours_held(path: Path, rows: list[dict[str, Any]]) -> float:
    store(path, iter([Stored(**row) for row in rows]))
    with Session(path) as session:
        held = session.scalars(select(Stored)).all()
        assert sum(each.level for each in held) >= 0
        held[len(held) // 2].level += 1
        return seconds(session.commit)


def _each(session: Any, objs: Any) -> None:
    for each in objs:
        each.level += 1
    session.commit()


def ours_each(path: Path, rows: list[dict[str, Any]]) -> float:
    store(path, iter([Stored(**row) for row in rows]))
    with Session(path) as session:
        return seconds(lambda: _each(session, session.scalars(select(Stored))))


def ours_each_of_list(path: Path, rows: list[dict[str, Any]]) -> float:
    save(path, Heroes(rows=[Hero(**row) for row in rows], guilds=[]))
    with Session(path) as session:
        return seconds(lambda: _each(session, session.root(Heroes).rows))


def _run(session: Any, statement: Any) -> None:
    session.execute(statement)
    session.commit()


# -- SQLAlchemy --------------------------------------------------------------------------------------------------------


@contextmanager
def alchemy(path: Path, rows: list[dict[str, Any]]) -> Iterator[tuple[Any, Any]]:
    """A session on a new file, with `rows` in it, and the class of its objects."""
    from sqlalchemy import insert
    from sqlalchemy.orm import Session as SqlSession

    known = Alchemy(path.parent)
    known.path = path
    engine = known.create()
    known.row.metadata.create_all(engine)
    if rows:
        with engine.begin() as connection:
            connection.execute(insert(known.row), rows)
    with SqlSession(engine) as session:
        yield session, known.row
    engine.dispose()


def _add(session: Any, objs: Any) -> None:
    session.add_all(objs)
    session.commit()


def core(path: Path, rows: list[dict[str, Any]]) -> float:
    from sqlalchemy import insert

    with alchemy(path, []) as (session, kind):
        return seconds(lambda: (session.execute(insert(kind.__table__), rows), session.commit()))


def orm_before(path: Path, rows: list[dict[str, Any]]) -> float:
    with alchemy(path, []) as (session, kind):
        objs = [kind(**row) for row in rows]
        return seconds(lambda: _add(session, objs))


def orm_inside(path: Path, rows: list[dict[str, Any]]) -> float:
    with alchemy(path, []) as (session, kind):
        return seconds(lambda: _add(session, [kind(**row) for row in rows]))


def orm_update(path: Path, rows: list[dict[str, Any]]) -> float:
    from sqlalchemy import update as sql_update

    with alchemy(path, rows) as (session, kind):
        return seconds(lambda: _run(session, sql_update(kind).where(kind.level < SOME).values(score=kind.score + 1)))


def orm_delete(path: Path, rows: list[dict[str, Any]]) -> float:
    from sqlalchemy import delete as sql_delete

    with alchemy(path, rows) as (session, kind):
        return seconds(lambda: _run(session, sql_delete(kind).where(kind.level < SOME)))


def orm_held(path: Path, rows: list[dict[str, Any]]) -> float:
    from sqlalchemy import select as sql_select

    with alchemy(path, rows) as (session, kind):
        held = session.scalars(sql_select(kind)).all()
        held[len(held) // 2].level += 1
        return seconds(session.commit)


def orm_each(path: Path, rows: list[dict[str, Any]]) -> float:
    from sqlalchemy import select as sql_select

    with alchemy(path, rows) as (session, kind):
        return seconds(lambda: _each(session, session.scalars(sql_select(kind))))


STEPS: dict[str, list[Step]] = {
    "insert all": [
        ("Parcode ORM: add_all of a list, objects made before", ours_before),
        ("Parcode ORM: add_all of a list, objects made inside", ours_inside),
        ("Parcode ORM: add_all of an iterator, objects made inside", ours_iterator),
        ("SQLAlchemy: ORM add_all, objects made before", orm_before),
        ("SQLAlchemy: ORM add_all, objects made inside", orm_inside),
        ("SQLAlchemy: Core insert of dictionaries made before", core),
    ],
    "update one row in 100, by a statement, and commit": [("Parcode ORM", ours_update), ("SQLAlchemy", orm_update)],
    "delete one row in 100, by a statement, and commit": [("Parcode ORM", ours_delete), ("SQLAlchemy", orm_delete)],
    "change every row in a loop, and commit": [
        ("Parcode ORM, a list of a root", ours_each_of_list),
        ("Parcode ORM, entities", ours_each),
        ("SQLAlchemy", orm_each),
    ],
    "commit one change while all rows are held": [("Parcode ORM", ours_held), ("SQLAlchemy", orm_held)],
}


def bulk(count: int, directory: Path) -> dict[str, Any]:
    rows = list(data(count))
    figures: dict[str, dict[str, float]] = {}
    missing = set()
    for what, steps in STEPS.items():
        for name, step in steps:
            say(f"{what}: {name}")
            try:
                found = []
                for turn in range(ROUNDS):
                    path = directory / f"bulk.{turn}"
                    found.append(step(path, rows))
                    path.unlink()
            except ImportError as problem:
                missing.add(str(problem))
                continue
            figures.setdefault(what, {})[name] = statistics.median(found)
    return {"workload": "bulk", "rows": count, "steps": figures, "missing": sorted(missing), **machine()}


def text(result: dict[str, Any]) -> str:
    count = result["rows"]
    lines = [f"bulk: {count:,} rows, medians of {ROUNDS}", f"Python {result['python']}, {result['platform']}"]
    for what, figures in result["steps"].items():
        rows = [[name, number(each), number(each / count * 1e6)] for name, each in figures.items()]
        lines += ["", f"{what}:", *table(["", "s", "us a row of all"], rows)]
    return "\n".join([*lines, *(f"not installed: {each}" for each in result["missing"])])
