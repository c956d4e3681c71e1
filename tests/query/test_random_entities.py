"""Random entities and statements: what an index of any kind finds is what plain Python finds over the objects."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Index, Key, Model, Session, any_, delete, func, select, update, verify
from parcode_orm.errors import ReadOnlyError
from parcode_orm.model.indexes import indexes_of
from parcode_orm.query.expressions.nodes import Field
from parcode_orm.session.entity import indexes, queries
from parcode_orm.tuning import TUNING
from tests.query import plainly
from tests.query.models import Item, Place, Row, rows
from tests.query.plainly import COMPARE, ITEMS, NUMERIC, OTHERS, TEXTUAL, Both, Order, alike, in_order
from tests.query.test_random import in_place, limits, tries
from tests.small import SMALL, small_caches, tuned

pytestmark = pytest.mark.once


class Bare(Row):
    id: int = Key(auto=True)


class Indexed(Row):
    """Each field and each pair that conditions name has an index, or several."""

    id: int = Key(auto=True)
    guild: str = Index()
    tags: list[str] = Index()
    kinds: set[int] = Index()
    __indexes__ = (
        *map(Index, ["number", "level", "big", "score", "bonus", "active", "money", "rank", "name", "alias", "color"]),
        *map(
            Index, ["born", "died", "seen", "told", "played", "place.x", "place.y", "place.note", "home.x", "home.note"]
        ),
        *map(Index, ["shape.sides", "shape.label", "point.x", "items[].price", "items[].kind", "items[].where.x"]),
        *map(Index, ["spare[].price"]),
        Index("guild", "level"),
        Index("color", "active", "number"),
        Index("home.note", "place.note"),
        Index("alias", "bonus"),
        Index("active", "seen"),
        Index("rank", "told", "name"),
        Index("place.x", "born", "score"),
        Index("guild", "color", "alias", "money"),
    )


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Indexes are asked for many rows too, and have several runs with fences in them."""
    monkeypatch.setattr(queries, "SHARE", 1)
    monkeypatch.setattr(indexes, "STEP", 3)


STATES = ["added", "stored", "read-only", "changed", "committed", "past", "compacted"]


def made(cls: Any, row: Row) -> Any:
    return cls(**{name: getattr(row, name) for name in Row.model_fields})


def change(draw: Any, session: Session, cls: Any) -> None:
    """Changes of every kind: entities come and go, change in place and by statements, and get another key."""
    for _ in range(draw(st.integers(1, 5))):
        known = session.scalars(select(cls)).all()
        kind = draw(st.integers(0, 10))
        if kind == 0 or not known:
            session.add(made(cls, draw(rows)))
            continue
        if kind > 8:
            chosen = draw(st.sampled_from([cls.level > 0, cls.guild == "red", cls.id > 3, cls.tags.contains("a")]))
            values: dict[str, Any] = draw(
                st.sampled_from([
                    {"level": cls.level + 1, "guild": "blue"}, {"tags": ["zz", "a"]}, {"home": None, "alias": "a"},
                    {"items": [Item(price=2, kind="a")], "rank": None}, {"place": Place(x=1, note="a")},
                ])
            )  # fmt: skip
            session.execute(delete(cls).where(chosen) if kind == 9 else update(cls).where(chosen).values(**values))
            continue
        one = draw(st.sampled_from(known))
        if kind == 1:
            (session.expunge if one in session.new else session.delete)(one)
        elif kind == 2:
            one.id = -one.id
            session.flush()
        else:
            in_place(draw, one, kind)
            for each in one.items:
                each.price += draw(st.sampled_from([0, 1]))


@contextmanager
def entities(draw: Any, path: Path, cls: Any) -> Iterator[Session]:
    """A session with entities, in one of the states."""
    path.unlink(missing_ok=True)
    state = draw(st.sampled_from(STATES))
    found = draw(st.lists(rows, min_size=1, max_size=12)) * draw(st.sampled_from([1, 1, 3]))
    small = draw(st.booleans())
    Session = tuned(SMALL if small else TUNING).Session
    with small_caches() if small else nullcontext():
        with Session(path, durability="fast") as session:
            session.add_all([made(cls, row) for row in found])
            if state == "added":
                yield session
                return
            session.commit()
        if state == "read-only":
            with Session.open(path) as session:
                yield session
            return
        with Session(path, durability="fast") as session:
            if state == "stored":
                yield session
                return
            change(draw, session, cls)
            if state == "changed":
                yield session
                return
            session.commit()
            if state == "compacted":
                session.compact()
            if state in ("committed", "compacted"):
                change(draw, session, cls)
                yield session
                return
        with Session.open(path, at=1) as session:
            yield session


@st.composite
def narrow(draw: Any) -> Both:
    """Conditions that an index of several fields is made for: single values, then one value or a range."""
    parts = draw(st.sampled_from([spec.parts for spec in indexes_of(Indexed) if len(spec.parts) > 1]))
    fields = {each.said._path: each for each in [*NUMERIC, *TEXTUAL, *OTHERS] if isinstance(each.said, Field)}
    chosen = [fields[path] for path in parts[: draw(st.integers(1, len(parts)))]]
    found = []
    for place, one in enumerate(chosen):
        last = place == len(chosen) - 1 and one.ordered
        said, plain = COMPARE[draw(st.sampled_from(list(COMPARE))) if last else "=="]
        value = draw(st.sampled_from(one.values))
        found.append((said(one.said, value), plain, one.plain, value))
    conditions = [said for said, *_ in found]
    whole = conditions[0]
    for each in conditions[1:]:
        whole = whole & each
    return Both(whole, lambda key, row: all(plain(of(key, row), value) for _, plain, of, value in found), [])


@st.composite
def of_one_item(draw: Any) -> Both:
    """Two conditions that one item must fulfil; two items that fulfil one each are not enough."""
    one, other = draw(st.sampled_from(ITEMS)), draw(st.sampled_from(ITEMS))
    (said, plain), (said2, plain2) = (COMPARE[draw(st.sampled_from(list(COMPARE)))] for _ in range(2))
    value, value2 = draw(st.sampled_from(one.values)), draw(st.sampled_from(other.values))

    def holds(key: Any, row: Any) -> bool:
        return any(plain(one.plain(each), value) and plain2(other.plain(each), value2) for each in row.items)

    return Both(any_(Row.items, said(one.said, value) & said2(other.said, value2)), holds, [])


@st.composite
def either(draw: Any) -> Both:
    """Conditions of which one must hold, each of which an index answers; with `~` around them, or one beside them."""
    arms = draw(st.lists(narrow() | of_one_item() | plainly.memberships(), min_size=2, max_size=3))
    whole = arms[0].said
    for each in arms[1:]:
        whole = whole | each.said
    found = Both(whole, lambda key, row: any(each.plain(key, row) for each in arms), [])
    kind = draw(st.integers(0, 3))
    if kind == 1:
        return Both(~(~arms[0].said & ~arms[1].said), lambda *row: arms[0].plain(*row) or arms[1].plain(*row), [])
    if kind == 2:
        other = draw(narrow())
        return Both(other.said & found.said, lambda *row: other.plain(*row) and found.plain(*row), [])
    return found


def conditions() -> st.SearchStrategy[Both]:
    return plainly.conditions() | narrow() | of_one_item() | either()


@tries
@given(st.data(), st.sampled_from([Bare, Indexed, Indexed, Indexed]))
def test_entities_are_those_that_python_finds(tmp_path: Path, data: st.DataObject, cls: Any) -> None:
    draw = data.draw
    with entities(draw, tmp_path / "e.par", cls) as session:
        for _ in range(4):
            wanted = draw(st.lists(conditions(), min_size=1, max_size=2))
            order = draw(st.lists(plainly.orders(), max_size=2))
            count, skip = limits(draw)
            statement = select(cls).where(*(each.said for each in wanted)).order_by(*(each.said for each in order))
            if count is not None:
                statement = statement.limit(count)
            result = session.scalars(statement.offset(skip))
            total, found = result.count(), result.all()
            known = [(each.id, each) for each in session.scalars(select(cls))]
            pairs = [pair for pair in known if all(each.plain(*pair) for each in wanted)]
            expected = in_order(pairs, order)[skip:][: None if count is None else count]
            assert total == len(expected), session.explain(statement)
            assert [each.id for each in found] == [key for key, _ in expected], session.explain(statement)
            assert all(a is b for a, (_, b) in zip(found, expected, strict=True))
            assert session.scalar(select(func.count()).select_from(cls).where(*(each.said for each in wanted))) == len(
                pairs
            )
        with suppress(ReadOnlyError):
            session.commit()
        session.close()
    report = verify(tmp_path / "e.par", models=[cls]) if (tmp_path / "e.par").exists() else None
    assert report is None or report.ok, report


@tries
@given(st.data())
def test_values_of_all_entities_that_are_found_are_those_that_python_computes(
    tmp_path: Path, data: st.DataObject
) -> None:
    draw = data.draw
    with entities(draw, tmp_path / "e.par", Indexed) as session:
        for _ in range(4):
            wanted = draw(narrow() | either())
            asked = draw(st.lists(narrow_aggregates() | plainly.aggregates(), min_size=1, max_size=2))
            statement = select(func.count(), *(said for said, _ in asked)).select_from(Indexed).where(wanted.said)
            (found,) = session.execute(statement).all()
            pairs = [(each.id, each) for each in session.scalars(select(Indexed))]
            pairs = [pair for pair in pairs if wanted.plain(*pair)]
            expected = (len(pairs), *(plain(pairs) for _, plain in asked))
            assert all(map(alike, found, expected)), (found, expected, session.explain(statement))


@st.composite
def narrow_aggregates(draw: Any) -> Any:
    """Aggregates of fields that indexes of several fields have."""
    one = draw(st.sampled_from([each for each in NUMERIC if str(each.said) in ("Row.level", "Row.number", "Row.rank")]))
    said, plain, _ = plainly.AGGREGATES[draw(st.sampled_from(["count", "count_distinct", "sum", "min", "max"]))]
    return said(one.said), lambda pairs: plain(plainly.known(one.plain(*pair) for pair in pairs))


@st.composite
def leading(draw: Any) -> tuple[list[Both], list[Order]]:
    """What the order of an index answers: single values, a range perhaps, and an order by what follows."""
    fields = {each.said._path: each for each in [*NUMERIC, *TEXTUAL, *OTHERS] if isinstance(each.said, Field)}
    specs = [spec for spec in indexes_of(Indexed) if not spec.of_items]
    parts = draw(st.sampled_from([spec.parts for spec in specs if fields[spec.parts[-1]].ordered]))
    at = draw(st.sampled_from([place for place, path in enumerate(parts) if fields[path].ordered]))
    wanted = []
    for path in parts[:at]:
        value = draw(st.sampled_from(fields[path].values))
        wanted.append(Both(fields[path].said == value, lambda *row, f=fields[path], v=value: f.plain(*row) == v, []))
    one = fields[parts[at]]
    for _ in range(draw(st.sampled_from([0, 0, 1, 2]))):
        said, plain = COMPARE[draw(st.sampled_from(["<", ">", "<=", ">="]))]
        value = draw(st.sampled_from(one.values))
        wanted.append(Both(said(one.said, value), lambda *row, p=plain, v=value: p(one.plain(*row), v), []))
    descending = draw(st.booleans())
    orders = []
    for path in parts[at : at + draw(st.integers(1, 3))]:
        first = draw(st.sampled_from([not descending, not descending, descending]))
        said = fields[path].said.desc() if descending else fields[path].said.asc()
        if fields[path].ordered:
            orders.append(
                Order(said.nulls_first() if first else said.nulls_last(), fields[path].plain, descending, first)
            )
    return wanted, orders + draw(st.lists(plainly.orders(), max_size=1))


@tries
@given(st.data())
def test_the_first_entities_in_an_order_are_those_that_python_sorts_first(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with entities(draw, tmp_path / "e.par", Indexed) as session:
        known = [(each.id, each) for each in session.scalars(select(Indexed))]
        for _ in range(6):
            wanted, order = draw(leading())
            statement = select(Indexed).where(*(each.said for each in wanted)).order_by(*(each.said for each in order))
            expected = in_order([pair for pair in known if all(each.plain(*pair) for each in wanted)], order)
            count, skip = draw(st.integers(1, 5)), draw(st.sampled_from([0, 0, 2]))
            here = statement.limit(count).offset(skip)
            found = session.scalars(here).all()
            assert [each.id for each in found] == [key for key, _ in expected][skip:][:count], session.explain(here)
            first = session.scalars(statement).first()
            assert first is (expected[0][1] if expected else None)
            for pair in expected[:8]:
                marks = tuple(each.plain(*pair) for each in order)
                page = statement.limit(count, after=marks)
                rest = [each for each in expected[expected.index(pair) :] if marks_of(order, each) != marks]
                found = session.scalars(page).all()
                assert [each.id for each in found] == [key for key, _ in rest[:count]], session.explain(page)
            ends = draw(st.sampled_from([(func.min,), (func.max,), (func.min, func.max)]))
            one = order[0]
            values = plainly.known(one.plain(*pair) for pair in known if all(each.plain(*pair) for each in wanted))
            asked = select(*(each(one.said._of) for each in ends)).select_from(Indexed)
            asked = asked.where(*(each.said for each in wanted))
            python = tuple((min if each is func.min else max)(values, default=None) for each in ends)
            assert tuple(session.execute(asked).one()) == python, session.explain(asked)


def marks_of(order: list[Order], pair: Any) -> tuple[Any, ...]:
    return tuple(each.plain(*pair) for each in order)


def test_statements_over_entities_are_answered_by_every_kind_of_index(tmp_path: Path) -> None:
    example: dict[str, Any] = {
        "number": 0, "name": "n", "guild": "g", "level": 0, "big": 0, "score": 0.0, "bonus": None, "alias": None,
        "active": True, "spare": None, "shape": {"sides": 4}, "point": None, "money": "1.5", "born": "2000-01-01",
        "died": None, "seen": "2000-01-01", "told": "2000-01-01T00:00:00Z", "played": 60, "color": "red", "rank": None,
        "place": {"x": 1}, "home": None, "tags": ["a"], "kinds": [7], "notes": {}, "items": [{"price": 3}],
        "visits": [], "base": {"x": 2},
    }  # fmt: skip
    with Session(tmp_path / "e.par") as session:
        session.add_all([Indexed(**{**example, "level": n}) for n in range(20)])
        session.commit()

        def plan(*conditions: Any) -> str:
            return str(session.explain(select(Indexed).where(*conditions)))

        assert "by the index of guild, level (guild == 'g' and level >= 7 and < 9)" in plan(
            Row.guild == "g", Row.level >= 7, Row.level < 9
        )
        assert "by the index of place.x (place.x == 2)" in plan(Row.place.x == 2)
        assert "by the index of tags[] (tags[] == 'b')" in plan(Row.tags.contains("b"))
        assert "by the index of tags[] (tags[] in 2 values)" in plan(any_(Row.tags, func.item().in_(["b", "c"])))
        assert "by the index of kinds[] (kinds[] == 1)" in plan(Row.kinds.contains(1))
        assert "by the index of items[].price (items[].price > 3)" in plan(any_(Row.items, Item.price > 3))
        assert "by the index of items[].price (items[].price >= 5 and <= 6)" in plan(
            Row.items.any(Item.price.between(5, 6))
        )


class Node(Model):
    """Items of the class of the row itself."""

    id: int = Key(auto=True)
    name: str = ""
    below: list[Node] = []
    __indexes__ = (Index("below[].name"), Index("below[].below[].name"))


def test_items_of_the_class_of_their_row_are_told_from_it(tmp_path: Path) -> None:
    def node(name: str, *below: Node) -> Node:
        return Node(name=name, below=list(below))

    with Session(tmp_path / "n.par") as session:
        session.add_all([node("a", node("b", node("c"))), node("b", node("a")), node("c"), node("d", node("d"))])
        session.commit()
        for asked, ids in [
            (any_(Node.below, Node.name == "b"), [1]),
            (any_(Node.below, Node.name == "a"), [2]),
            (any_(Node.below, any_(Node.below, Node.name == "c")), [1]),
            ((Node.name == "b") & any_(Node.below, Node.name == "a"), [2]),
        ]:
            statement = select(Node).where(asked)
            assert [each.id for each in session.scalars(statement)] == ids
            assert "by the index of below[]" in str(session.explain(statement))
