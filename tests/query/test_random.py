"""Random tables and statements: whatever a query answers is what plain Python answers over the objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from parcode_orm import Session, func, select
from parcode_orm.tuning import TUNING
from tests.effort import EXAMPLES, THOROUGH
from tests.query import plainly
from tests.query.models import NUMBERS, TEXTS, Row, World, places, rows
from tests.query.plainly import NUMERIC, OTHERS, TEXTUAL, Both, Pair, alike, grouped, in_order
from tests.small import SMALL, small_caches, tuned

pytestmark = pytest.mark.once

STATES = ["plain", "added", "stored", "read-only", "changed", "committed", "past", "compacted"]
COLUMNS = [*NUMERIC, *TEXTUAL, *OTHERS]
tries = settings(
    max_examples=EXAMPLES if THOROUGH else EXAMPLES // 2,  # each is slow
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


def change(draw: Any, world: World) -> None:
    """Changes of every kind, in a session that writes: some rows in place, some put, some taken out."""
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.integers(0, 8))
        listed = world.rows if draw(st.booleans()) else None
        if kind == 0 or not len(world.by if listed is None else listed):
            new = draw(rows)
            if listed is None:
                world.by[f"new{draw(st.integers(0, 3))}"] = new
            else:
                listed.insert(draw(st.integers(0, len(listed))), new)
            continue
        place = draw(st.integers(0, len(world.by if listed is None else listed) - 1))
        where: Any = place if listed is not None else list(world.by)[place]
        holder: Any = listed if listed is not None else world.by
        if kind == 1:
            del holder[where]
        elif kind == 2:
            holder[where] = draw(rows)
        else:
            in_place(draw, holder[where], kind)


def in_place(draw: Any, row: Row, kind: int) -> None:
    if kind == 3:
        row.number = draw(st.sampled_from([*NUMBERS, 1 << 40]))
        row.alias = draw(st.sampled_from([None, *TEXTS]))
    elif kind == 4:
        row.tags.append(draw(st.sampled_from(TEXTS)))
    elif kind == 5:
        row.place.x = draw(st.sampled_from(NUMBERS))
    elif kind == 6:
        row.home = draw(st.none() | places)
    elif kind == 7:
        row.visits.append(draw(st.sampled_from(NUMBERS)))
    else:
        row.base.x = draw(st.sampled_from(NUMBERS))
        row.bonus = None


@contextmanager
def tables(draw: Any, path: Path) -> Iterator[tuple[Any, World]]:
    """A session, and a world in one of the states."""
    path.unlink(missing_ok=True)
    state = draw(st.sampled_from(STATES))
    found = draw(st.lists(rows, max_size=15))
    found = [row.model_copy(deep=True) for row in found * draw(st.sampled_from([1, 1, 3]))]
    world = World(by={f"k{place}": row for place, row in enumerate(found)}, rows=found[::-1])
    small = draw(st.booleans())
    Session = tuned(SMALL if small else TUNING).Session
    with small_caches() if small else nullcontext():
        if state == "plain":
            with Session(":memory:") as session:
                yield session, world
            return
        with Session(path, durability="fast", compression=draw(st.sampled_from([None, "lz4"]))) as session:
            session.add(world)
            if state == "added":
                yield session, world
                return
            session.commit()
            del world
        if state == "read-only":
            with Session.open(path) as session:
                yield session, session.root(World)
            return
        with Session(path, durability="fast") as session:
            world = session.root(World)
            if state == "stored":
                yield session, world
                return
            change(draw, world)
            if state == "changed":
                yield session, world
                return
            session.commit()
            if state == "committed":
                change(draw, world)
                yield session, world
                return
            if state == "compacted":
                session.compact()
                change(draw, world)
                yield session, world
                return
        with Session.open(path, at=1) as session:
            yield session, session.root(World)


def picked(draw: Any, world: World) -> tuple[Any, Any]:
    """A collection, and a function that gives its pairs."""
    if draw(st.booleans()):
        return world.by, lambda: list(world.by.items())
    return world.rows, lambda: list(enumerate(world.rows))


def limits(draw: Any) -> tuple[int | None, int]:
    return draw(st.none() | st.integers(0, 6)), draw(st.sampled_from([0, 0, 1, 3]))


@tries
@given(st.data())
def test_rows_are_those_that_python_finds(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with tables(draw, tmp_path / "world.par") as (session, world):
        for _ in range(3):
            collection, pairs = picked(draw, world)
            wanted = draw(st.lists(plainly.conditions(), max_size=2))
            order = draw(st.lists(plainly.orders(), max_size=2))
            count, skip = limits(draw)
            statement = (
                select(collection).where(*(each.said for each in wanted)).order_by(*(each.said for each in order))
            )
            if count is not None:
                statement = statement.limit(count)
            result = session.scalars(statement.offset(skip))
            total, found = result.count(), result.all()
            expected = [pair for pair in pairs() if all(each.plain(*pair) for each in wanted)]
            expected = in_order(expected, order)[skip:][: None if count is None else count]
            assert total == len(expected)
            assert found == [row for _, row in expected]
            if collection.__class__ not in (dict, list):
                assert all(a is b for a, (_, b) in zip(found, expected, strict=True))


@tries
@given(st.data())
def test_values_are_those_of_the_objects(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with tables(draw, tmp_path / "world.par") as (session, world):
        for _ in range(3):
            collection, pairs = picked(draw, world)
            wanted = draw(st.lists(plainly.conditions(), max_size=1))
            order = draw(st.lists(plainly.orders(), max_size=1))
            said = draw(st.lists(st.sampled_from(COLUMNS) | plainly.numbers(), min_size=1, max_size=3))
            once = draw(st.booleans())
            count, skip = limits(draw)
            statement = select(*(each.said for each in said)).select_from(collection).offset(skip)
            statement = statement.where(*(each.said for each in wanted)).order_by(*(each.said for each in order))
            if once:
                statement = statement.distinct()
            if count is not None:
                statement = statement.limit(count)
            found = session.execute(statement).all()
            expected = [pair for pair in pairs() if all(each.plain(*pair) for each in wanted)]
            values = [tuple(each.plain(*pair) for each in said) for pair in in_order(expected, order)]
            if once:
                values = list(dict.fromkeys(values))
            values = values[skip:][: None if count is None else count]
            assert len(found) == len(values) == session.execute(statement).count()
            assert all(all(map(alike, a, b)) for a, b in zip(found, values, strict=True)), (found, values)
            if not once:
                columns = session.execute(statement).columns(*(each.said for each in said))
                assert all(
                    all(map(alike, row, values[place]))
                    for place, row in enumerate(zip(*(column.tolist() for column in columns), strict=True))
                )


@tries
@given(st.data())
def test_groups_are_those_that_python_makes(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with tables(draw, tmp_path / "world.par") as (session, world):
        for _ in range(3):
            collection, pairs = picked(draw, world)
            wanted = draw(st.lists(plainly.conditions(), max_size=1))
            by: list[Both] = draw(st.lists(st.sampled_from(COLUMNS), max_size=2))
            asked = draw(st.lists(plainly.aggregates(), min_size=1, max_size=3))
            least = draw(st.integers(0, 2))
            statement = (
                select(*(each.said for each in by), func.count(), *(said for said, _ in asked))
                .select_from(collection)
                .where(*(each.said for each in wanted))
                .group_by(*(each.said for each in by))
                .having(func.count() >= least)
            )
            found = session.execute(statement).all()
            expected = [pair for pair in pairs() if all(each.plain(*pair) for each in wanted)]
            values = [
                (*key, len(group), *(plain(group) for _, plain in asked))
                for key, group in grouped(expected, by).items()
                if len(group) >= least
            ]
            assert len(found) == len(values), (found, values)
            assert all(all(map(alike, a, b)) for a, b in zip(found, values, strict=True)), (found, values)


@tries
@given(st.data())
def test_pages_join_to_the_whole(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with tables(draw, tmp_path / "world.par") as (session, world):
        collection, _ = picked(draw, world)
        order = [each.said for each in draw(st.lists(plainly.orders(), min_size=1, max_size=2))]
        keys = [getattr(each, "_of", each) for each in order]
        statement = select(func.key(), *keys).select_from(collection).order_by(*order)
        whole = session.execute(statement).all()
        for place, row in enumerate(whole):
            page = session.execute(statement.limit(4, after=tuple(row[1:]))).all()
            rest = [other for other in whole[place + 1 :] if tuple(other[1:]) != tuple(row[1:])]
            assert [tuple(each) for each in page] == [tuple(each) for each in rest[:4]]


def pairs_of(collection: Any) -> list[Pair]:
    return list(collection.items()) if hasattr(collection, "items") else list(enumerate(collection))


@pytest.mark.parametrize("state", ["stored", "changed"])
def test_many_rows_in_groups_of_full_size(tmp_path: Path, state: str) -> None:
    """Dictionaries, offsets of every width, and row groups that are skipped come only with thousands of rows."""
    example = Row(
        number=0, name="n", guild="g", level=0, big=0, score=0.0, bonus=None, alias=None, active=True,
        spare=None,
        shape={"sides": 4},
        point=None,
        money="1.5", born="2000-01-01", died=None, seen="2000-01-01", told="2000-01-01T00:00:00Z", played=60,
        color="red", rank=None, place={"x": 1}, home=None, tags=[], kinds=[], notes={}, items=[], visits=[],
        base={"x": 2},
    )  # fmt: skip
    made = [
        example.model_copy(
            update={
                "number": place,
                "name": f"name {place}",
                "guild": f"g{place % 7}",
                "score": place / 4,
                "bonus": None if place % 3 else float(place),
                "alias": None if place % 2 else f"alias {place % 5}",
                "active": place % 2 == 0,
            }
        )
        for place in range(9_000)
    ]
    with Session(tmp_path / "many.par", durability="fast") as session:
        session.add(World(by={f"k{row.number}": row for row in made}, rows=made))
        session.commit()
        world = session.root(World)
        if state == "changed":
            world.by["k4100"].guild = "changed"
            world.rows[5_000].score = -1.0
            del world.by["k17"]
            world.rows.insert(10, made[0])
        for collection in (world.by, world.rows):
            for said, plain in [
                (Row.guild == "g3", lambda row: row.guild == "g3"),
                (Row.number.between(4_000, 4_200), lambda row: 4_000 <= row.number <= 4_200),
                (Row.name == "name 5000", lambda row: row.name == "name 5000"),
                (Row.name.in_(["name 1", "name 8999"]), lambda row: row.name in ("name 1", "name 8999")),
                (Row.alias.startswith("alias 4"), lambda row: (row.alias or "").startswith("alias 4")),
                (Row.bonus > 8_990, lambda row: row.bonus is not None and row.bonus > 8_990),
                (Row.active & (Row.score < 2), lambda row: row.active and row.score < 2),
            ]:
                found = session.scalars(select(collection).where(said)).all()
                assert found == [row for _, row in pairs_of(collection) if plain(row)]
            best = session.scalars(select(collection).order_by(Row.score.desc()).limit(3)).all()
            assert [row.score for row in best] == sorted((row.score for _, row in pairs_of(collection)), reverse=True)[
                :3
            ]
            counts = dict(
                session.execute(select(Row.guild, func.count()).select_from(collection).group_by(Row.guild)).all()
            )
            assert counts["g3"] == sum(row.guild == "g3" for _, row in pairs_of(collection))
