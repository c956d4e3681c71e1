"""Tables that belong together, random rows of them, and random joins beside nested loops in Python.

Keys repeat, are None, or have no partner. The nested loops share no code with queries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st

from parcode_orm import Chunk, Index, Key, Model, Session, aliased, col, delete, func, select, update
from parcode_orm.tuning import TUNING
from tests.query.plainly import COMPARE
from tests.small import SMALL, small_caches, tuned

TAILS = ["N1", "N2", "N3", "N4", "N11", "a tail number that is longer than others", "ä"]
NAMES = ["Airbus", "Boeing", "Cessna", "N1", ""]
NUMBERS = [-1, 0, 1, 2, 3, 300, 1 << 40]
FLOATS = [-1.0, 0.0, 1.0, 2.5, 300.0, float("nan"), -0.0]
DAYS = [date(2013, 1, 1), date(2013, 1, 2), date(2014, 1, 1)]


class Maker(Model):
    name: str = Key()
    country: str | None
    founded: int | None


class Plane(Model):
    tail: str = Key()
    maker: str | None
    year: int | None
    bought: date | None


class Stop(Model):
    """Its key has two fields."""

    code: str = Key()
    zone: int = Key()
    height: float | None
    opened: date


class Flight(Model):
    id: int = Key(auto=True)
    tail: str | None
    code: str
    zone: int | None
    delay: float | None
    day: date
    notes: list[str] = []


class IndexedPlane(Plane):
    maker: str | None = Index()
    year: int | None = Index()


class IndexedFlight(Flight):
    tail: str | None = Index()
    zone: int | None = Index()
    delay: float | None = Index()
    __indexes__ = (Index("code", "zone"), Index("day"))


class Spare(Model):
    tail: str | None
    number: int
    weight: float | None
    since: date | None


class Hangar(Model):
    spares: list[Spare] = Chunk()
    weights: list[int] = Chunk()


maybe = st.none()
makers = st.builds(Maker, name=st.sampled_from(NAMES), country=maybe | st.sampled_from(["FR", "US"]),
                   founded=maybe | st.sampled_from(NUMBERS))  # fmt: skip
planes = st.fixed_dictionaries({
    "tail": st.sampled_from(TAILS), "maker": maybe | st.sampled_from(NAMES), "year": maybe | st.sampled_from(NUMBERS),
    "bought": maybe | st.sampled_from(DAYS),
})  # fmt: skip
stops = st.builds(Stop, code=st.sampled_from(NAMES), zone=st.sampled_from(NUMBERS[:4]),
                  height=maybe | st.sampled_from(FLOATS), opened=st.sampled_from(DAYS))  # fmt: skip
flights = st.fixed_dictionaries({
    "tail": maybe | st.sampled_from(TAILS), "code": st.sampled_from(NAMES), "zone": maybe | st.sampled_from(NUMBERS),
    "delay": maybe | st.sampled_from(FLOATS), "day": st.sampled_from(DAYS),
})  # fmt: skip
spares = st.builds(Spare, tail=maybe | st.sampled_from(TAILS), number=st.sampled_from(NUMBERS),
                   weight=maybe | st.sampled_from(FLOATS), since=maybe | st.sampled_from(DAYS))  # fmt: skip

COLUMNS: dict[str, dict[str, str]] = {
    "Maker": {"name": "text", "country": "text", "founded": "number"},
    "Plane": {"tail": "text", "maker": "text", "year": "number", "bought": "day"},
    "Stop": {"code": "text", "zone": "number", "height": "number", "opened": "day"},
    "Flight": {"id": "number", "tail": "text", "code": "text", "zone": "number", "delay": "number", "day": "day"},
    "Spare": {"tail": "text", "number": "number", "weight": "number", "since": "day"},
}
KEYS = {"Maker": ["name"], "Plane": ["tail"], "Stop": ["code", "zone"], "Flight": ["id"]}
VALUES: dict[str, list[Any]] = {"text": [*TAILS[:4], *NAMES], "number": [*NUMBERS, 2.5], "day": DAYS}


class Tables(NamedTuple):
    """A session, the classes that it has, and the collection beside them."""

    session: Session
    plane: Any
    flight: Any
    spares: Any

    def rows(self, name: str) -> list[Any]:
        """The rows of a table, as the session gives them one by one."""
        if name == "Spare":
            return list(self.spares)
        cls = {"Plane": self.plane, "Flight": self.flight}.get(name) or {"Maker": Maker, "Stop": Stop}[name]
        return self.session.scalars(select(cls)).all()


def unique(rows: list[Any], key: Callable[[Any], Any]) -> list[Any]:
    return list({key(row): row for row in rows}.values())


def fill(draw: Any, session: Session, plane: Any, flight: Any) -> None:
    times = draw(st.sampled_from([1, 1, 1, 4]))
    session.add_all(unique(draw(st.lists(makers, max_size=4)), lambda row: row.name))
    session.add_all(unique([plane(**row) for row in draw(st.lists(planes, max_size=7))], lambda row: row.tail))
    session.add_all(unique(draw(st.lists(stops, max_size=6)), lambda row: (row.code, row.zone)))
    session.add_all([flight(**row) for row in draw(st.lists(flights, max_size=10)) * times])
    session.add(
        Hangar(spares=draw(st.lists(spares, min_size=1, max_size=6)), weights=draw(st.lists(st.sampled_from(NUMBERS))))
    )


def change(draw: Any, session: Session, plane: Any, flight: Any) -> None:
    """Rows come, go and change, as objects and by statements."""
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.integers(0, 7))
        cls = draw(st.sampled_from([plane, flight]))
        known = session.scalars(select(cls)).all()
        if kind == 0 or not known:
            session.add(flight(**draw(flights)))
        elif kind == 1:
            one = draw(st.sampled_from(known))
            (session.expunge if one in session.new else session.delete)(one)
        elif kind == 2:
            session.execute(update(flight).where(flight.delay > 0).values(tail="N2", zone=1))
        elif kind == 3:
            session.execute(delete(plane).where(plane.year > 1))
        elif kind == 4:
            listed = session.root(Hangar).spares
            if len(listed):
                listed[draw(st.integers(0, len(listed) - 1))].tail = draw(st.sampled_from([None, *TAILS]))
        else:
            one = draw(st.sampled_from(known))
            if cls is flight:
                one.tail, one.zone = draw(st.sampled_from([None, *TAILS])), draw(st.sampled_from([None, *NUMBERS]))
            else:
                one.maker, one.year = draw(st.sampled_from([None, *NAMES])), draw(st.sampled_from([None, *NUMBERS]))


@contextmanager
def tables(draw: Any, path: Path) -> Iterator[Tables]:
    """Tables in a session, in one of the states."""
    path.unlink(missing_ok=True)
    state = draw(st.sampled_from(["added", "stored", "read-only", "changed", "committed", "past"]))
    plane, flight = draw(st.sampled_from([(Plane, Flight), (IndexedPlane, IndexedFlight)]))
    small = draw(st.booleans())
    Session = tuned(SMALL if small else TUNING).Session

    def of(session: Session) -> Tables:
        return Tables(session, plane, flight, session.root(Hangar).spares)

    with small_caches() if small else nullcontext():
        with Session(path, durability="fast") as session:
            fill(draw, session, plane, flight)
            if state == "added":
                yield of(session)
                return
            session.commit()
        if state == "read-only":
            with Session.open(path) as session:
                yield of(session)
            return
        with Session(path, durability="fast") as session:
            if state != "stored":
                change(draw, session, plane, flight)
            if state in ("committed", "past"):
                session.commit()
                change(draw, session, plane, flight)
            if state != "past":
                yield of(session)
                return
            session.commit()
        with Session.open(path, at=draw(st.integers(1, 2))) as session:
            yield of(session)


# -- statements --------------------------------------------------------------------------------------------------------

Row = tuple[Any, ...]  # the objects of the sources, in their order


class Said(NamedTuple):
    """An expression, and its value as a function of the objects of the sources."""

    said: Any
    plain: Callable[[Row], Any]
    kind: str = "bool"


class Source(NamedTuple):
    """A table in a statement: what stands for it there, and its fields."""

    name: str
    stands: Any
    collection: Any  # what is joined
    place: int

    def field(self, name: str) -> Said:
        place = self.place

        def plain(row: Row) -> Any:
            return None if row[place] is None else getattr(row[place], name)

        return Said(col(self.stands, name), plain, COLUMNS[self.name][name])

    def fields(self, kind: str | None = None) -> list[Said]:
        return [self.field(name) for name, each in COLUMNS[self.name].items() if kind in (None, each)]


def source(draw: Any, at: Tables, place: int, used: set[str]) -> Source:
    """A source that is not in the statement yet; a table that is stands under an alias."""
    name = draw(st.sampled_from(["Flight", "Flight", "Plane", "Plane", "Maker", "Stop", "Spare"]))
    rows = {"Flight": at.flight, "Plane": at.plane, "Maker": Maker, "Stop": Stop, "Spare": at.spares}[name]
    if name in used or draw(st.integers(0, 3)) == 0:
        stands = aliased(rows, f"{name.lower()}{place}")
        return Source(name, stands, stands, place)
    used.add(name)
    return Source(name, Spare if name == "Spare" else rows, rows, place)


def compared(draw: Any, one: Said, other: Said | None = None) -> Said:
    """A comparison of a value with another, or with a constant."""
    said, plain = COMPARE[draw(st.sampled_from(list(COMPARE)))]
    if other is not None:
        return Said(said(one.said, other.said), lambda row: plain(one.plain(row), other.plain(row)))
    value = draw(st.sampled_from(VALUES[one.kind]))
    if draw(st.integers(0, 4)) == 0:
        return Said(col(one.said) == None, lambda row: one.plain(row) is None)  # noqa: E711
    if draw(st.integers(0, 4)) == 0:
        values = [value, draw(st.sampled_from(VALUES[one.kind]))]
        return Said(col(one.said).in_(values), lambda row: one.plain(row) in values)
    return Said(said(one.said, value), lambda row: plain(one.plain(row), value))


def equality(draw: Any, earlier: list[Source], new: Source) -> Said:
    """An equality of a field of `new` and one of an earlier source."""
    mine = draw(st.sampled_from(new.fields()))
    partners = [each for one in earlier for each in one.fields(mine.kind)]
    if not partners:  # of a text, say
        mine = draw(st.sampled_from(new.fields("number")))
        partners = [each for one in earlier for each in one.fields("number")]
    other = draw(st.sampled_from(partners))
    one, two = (mine, other) if draw(st.booleans()) else (other, mine)
    return Said(one.said == two.said, lambda row: one.plain(row) == two.plain(row))


def condition(draw: Any, sources: list[Source]) -> Said:
    """A condition on some of the sources."""
    kind = draw(st.integers(0, 5))
    if kind < 3:
        return compared(draw, draw(st.sampled_from(draw(st.sampled_from(sources)).fields())))
    if kind == 3:
        one = draw(st.sampled_from([each for source in sources for each in source.fields("number")]))
        other = draw(st.sampled_from([each for source in sources for each in source.fields("number")]))
        return compared(draw, one, other)
    a, b = condition(draw, sources), condition(draw, sources)
    if kind == 4:
        return Said(a.said | b.said, lambda row: a.plain(row) or b.plain(row))
    return Said(~(a.said & b.said), lambda row: not (a.plain(row) and b.plain(row)))


class Joined(NamedTuple):
    """A statement that joins, without its outputs, and the rows that nested loops find."""

    statement: Any
    sources: list[Source]
    rows: list[Row]

    def fields(self, kind: str | None = None) -> list[Said]:
        return [each for source in self.sources for each in source.fields(kind)]


def joins(draw: Any, at: Tables) -> Joined:
    """Two to four tables, joined."""
    used: set[str] = set()
    first = source(draw, at, 0, used)
    sources, rows = [first], [(row,) for row in at.rows(first.name)]
    statement = select(func.count()).select_from(first.collection)
    later: list[Said] = []
    for place in range(1, draw(st.sampled_from([2, 2, 2, 3, 4]))):
        new = source(draw, at, place, used)
        kind = draw(st.integers(0, 9))
        outer = draw(st.booleans())
        on = [equality(draw, sources, new) for _ in range(1 if kind < 7 else 2 if kind < 9 else 0)]
        sources.append(new)
        if kind == 9:
            one = draw(st.sampled_from(new.fields("number")))
            other = draw(
                st.sampled_from([each for source in sources[:-1] for each in source.fields("number")] or [one])
            )
            on = [compared(draw, one, other)]
        if draw(st.integers(0, 3)) == 0:
            on.append(condition(draw, sources))
        said = [each.said for each in on]
        if draw(st.booleans()) and len(said) > 1:
            said = [said[0] & said[1], *said[2:]]
        if not outer and draw(st.integers(0, 3)) == 0:
            statement, later, on = statement.join(new.collection), [*later, *on], []
            statement = statement.where(*said)
        else:
            statement = (statement.outerjoin if outer else statement.join)(new.collection, *said)
        others = at.rows(new.name)
        found = []
        for row in rows:
            fits = [(*row, other) for other in others if all(each.plain((*row, other)) for each in on)]
            found += fits or ([(*row, None)] if outer else [])
        rows = found
    where = [condition(draw, sources) for _ in range(draw(st.integers(0, 2)))]
    statement = statement.where(*[each.said for each in where])
    rows = [row for row in rows if all(each.plain(row) for each in (*later, *where))]
    return Joined(statement, sources, rows)
