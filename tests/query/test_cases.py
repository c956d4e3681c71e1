"""`case` chooses values as `if` and `elif` do; functions of texts and types give what Python gives."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Model, QueryError, Session, case, cast, col, func, select, update
from parcode_orm.query.expressions.cases import Case
from tests.query import plainly
from tests.query.models import TEXTS, Row
from tests.query.plainly import NUMERIC, OTHERS, TEXTUAL, Both, alike
from tests.query.test_random import picked, tables, tries

pytestmark = pytest.mark.once

SCALARS = [*NUMERIC, *TEXTUAL, *OTHERS]


@st.composite
def cases(draw: Any) -> Both:
    """A case of random conditions; its values are fields, constants and None, of one type or of several."""
    whens = draw(st.lists(plainly.conditions(), min_size=1, max_size=3))
    kind = draw(st.sampled_from([NUMERIC, TEXTUAL, SCALARS]))
    constants = st.sampled_from([None, 0, 7, "x", 2.5, True])
    chosen = draw(
        st.lists(
            st.sampled_from(kind) | constants.map(lambda value: Both(value, lambda key, row: value, [])),
            min_size=len(whens) + 1,
            max_size=len(whens) + 1,
        )
    )

    def plain(key: Any, row: Any) -> Any:
        for asked, value in zip(whens, chosen, strict=False):
            if asked.plain(key, row):
                return value.plain(key, row)
        return chosen[-1].plain(key, row)

    pairs = [(asked.said, value.said) for asked, value in zip(whens, chosen, strict=False)]
    return Both(case(*pairs, else_=chosen[-1].said), plain, [])


@tries
@given(st.data())
def test_a_case_gives_what_if_and_elif_choose(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with tables(draw, tmp_path / "world.par") as (session, world):
        for _ in range(2):
            collection, pairs = picked(draw, world)
            asked = draw(cases())
            where = draw(st.lists(plainly.conditions(), max_size=1))
            statement = select(func.key(), asked.said).select_from(collection).where(*(each.said for each in where))
            found = [tuple(row) for row in session.execute(statement)]
            rows = [pair for pair in pairs() if all(each.plain(*pair) for each in where)]
            expected = [(key, asked.plain(key, row)) for key, row in rows]
            assert len(found) == len(expected)
            assert all(a == c and alike(b, d) for (a, b), (c, d) in zip(found, expected, strict=True))
            chosen = draw(cases())
            test = case((chosen.said == None, False), else_=True)  # noqa: E711
            found = session.execute(select(func.key()).select_from(collection).where(test)).all()
            assert [key for (key,) in found] == [key for key, row in pairs() if chosen.plain(key, row) is not None]


@tries
@given(st.data())
def test_cases_are_grouped_and_aggregated(tmp_path: Path, data: st.DataObject) -> None:
    draw = data.draw
    with tables(draw, tmp_path / "world.par") as (session, world):
        collection, pairs = picked(draw, world)
        one, other = draw(plainly.conditions()), draw(plainly.conditions())
        by = case((one.said, "one"), (other.said, "other"))
        total = func.sum(case((other.said, Row.number), else_=0))
        size = case((func.count() > 2, "many"), else_="few")
        statement = select(by, total, size).select_from(collection).group_by(by)
        found = {name: (total, size) for name, total, size in session.execute(statement)}
        expected: dict[Any, list[int]] = {}
        for pair in pairs():
            name = "one" if one.plain(*pair) else "other" if other.plain(*pair) else None
            expected.setdefault(name, []).append(pair[1].number if other.plain(*pair) else 0)
        assert found == {name: (sum(values), "many" if len(values) > 2 else "few") for name, values in expected.items()}


class Hero(Model):
    name: str = ""
    level: int = 0
    title: str | None = None


HEROES = [Hero(name=name, level=place, title=None if place % 2 else name.upper()) for place, name in enumerate(TEXTS)]


def values_of(*asked: Any) -> list[Any]:
    with Session(":memory:") as session:
        return [tuple(row) for row in session.execute(select(*asked).select_from(HEROES))]


def test_a_value_is_computed_of_the_rows_alone_that_choose_it() -> None:
    level = Hero.level
    assert values_of(case((level != 0, 12 / col(level)), else_=None))[:3] == [(None,), (12.0,), (6.0,)]
    assert values_of(case((level == 0, 0), (6 / col(level) >= 3, 1), else_=2))[:4] == [(0,), (1,), (1,), (2,)]


def test_a_dictionary_says_what_each_value_becomes() -> None:
    asked = case({0: "none", 1: "one"}, value=Hero.level, else_=Hero.name)
    assert values_of(asked) == [("none",), ("one",), *((hero.name,) for hero in HEROES[2:])]
    assert str(asked) == "case((Hero.level == 0, 'none'), (Hero.level == 1, 'one'), else_=Hero.name)"


def test_an_update_sets_what_a_case_gives() -> None:
    heroes = [hero.model_copy() for hero in HEROES]
    with Session(":memory:") as session:
        change = update(heroes).values(level=case((Hero.level > 1, Hero.level * 10), else_=-1))
        assert session.execute(change) == len(heroes)
    assert [hero.level for hero in heroes] == [each.level * 10 if each.level > 1 else -1 for each in HEROES]


def test_cases_that_say_the_same_are_one_group_key() -> None:
    def band() -> Any:
        return case((Hero.level > 2, "high"), else_="low")

    with Session(":memory:") as session:
        found = session.execute(select(band(), func.count()).select_from(HEROES).group_by(band())).all()
    assert [tuple(row) for row in found] == [("low", 3), ("high", len(HEROES) - 3)]
    assert isinstance(band(), Case)


FUNCTIONS: dict[str, tuple[Any, Callable[[Hero], Any]]] = {
    "lower": (func.lower(Hero.title), lambda hero: hero.title and hero.title.lower()),
    "upper": (func.upper(Hero.name), lambda hero: hero.name.upper()),
    "trim": (func.trim(Hero.name), lambda hero: hero.name.strip()),
    "length": (func.length(Hero.title), lambda hero: None if hero.title is None else len(hero.title)),
    "substr": (func.substr(Hero.name, 2, 3), lambda hero: hero.name[1:4]),
    "the last ones": (func.substr(Hero.name, -2), lambda hero: hero.name[-2:]),
    "a start of each": (func.substr(Hero.title, Hero.level + 1), lambda hero: hero.title and hero.title[hero.level :]),
    "replace": (func.replace(Hero.title, "A", "o"), lambda hero: hero.title and hero.title.replace("A", "o")),
    "concat": (
        func.concat(Hero.name, "-", Hero.title, Hero.level),
        lambda hero: f"{hero.name}-{hero.title or ''}{hero.level}",
    ),
    "nullif": (func.nullif(Hero.level, 2), lambda hero: None if hero.level == 2 else hero.level),
    "cast to text": (cast(Hero.level, str), lambda hero: str(hero.level)),
    "cast to a float": (cast(Hero.level, float), lambda hero: float(hero.level)),
    "cast of text": (cast(func.concat("1", Hero.level), int), lambda hero: int(f"1{hero.level}")),
    "cast to a decimal": (cast(Hero.level, Decimal), lambda hero: Decimal(hero.level)),
    "cast of None": (cast(func.nullif(Hero.level, 0), str), lambda hero: str(hero.level) if hero.level else None),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_give_what_python_gives(name: str) -> None:
    said, plain = FUNCTIONS[name]
    found = values_of(said)
    assert found == [(plain(hero),) for hero in HEROES]
    assert [type(value) for (value,) in found] == [type(plain(hero)) for hero in HEROES]


@given(st.text("abc", max_size=6), st.integers(-8, 8).filter(bool), st.none() | st.integers(0, 8))
def test_parts_of_texts_are_those_of_sqlite(text: str, start: int, count: int | None) -> None:
    import sqlite3

    parts = [start] if count is None else [start, count]
    marks = ", ".join("?" * (len(parts) + 1))
    with sqlite3.connect(":memory:") as connection:
        ((expected,),) = connection.execute(f"SELECT substr({marks})", [text, *parts]).fetchall()
    connection.close()
    with Session(":memory:") as session:
        (found,) = session.scalars(select(func.substr(func.item(), *parts)).select_from([text]))
    assert found == expected


MISTAKES: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "no case": (lambda: case(), ["case()", "Player.level"]),
    "no pair": (lambda: case(Hero.level > 3), ["pairs", "Hero.level > 3"]),
    "three of a pair": (lambda: case((Hero.level > 3, 1, 2)), ["pairs"]),
    "no condition": (lambda: case((Hero.level, 1)), ["Hero.level", "no condition"]),
    "a truth": (lambda: case((True, 1)), ["a condition is an expression", "True"]),
    "a dictionary of nothing": (lambda: case({1: 2}), ["value=", "None"]),
    "a value of no dictionary": (lambda: case((Hero.level > 3, 1), value=Hero.level), ["dictionary"]),
    "a value that is never equal": (lambda: case({"a": 1}, value=Hero.level), ["Hero.level", "'a'"]),
    "a case as a condition": (lambda: select(Hero).where(case((Hero.level > 3, 1), else_=2)), ["no condition"]),
    "a number in lower case": (lambda: func.lower(Hero.level), ["func.lower(Hero.level)", "no text", "cast"]),
    "a cast to a list": (lambda: cast(Hero.level, list), ["cast(Hero.level", "list", "Decimal"]),
    "a part from nowhere": (lambda: func.substr(Hero.name, 0), ["func.substr(Hero.name, 0", "from 1"]),
    "a part from a text": (lambda: func.substr(Hero.name, "a"), ["whole numbers", "'a'"]),
    "a part of a negative length": (lambda: func.substr(Hero.name, 1, -1), ["from 1"]),
    "nothing to join": (lambda: func.concat(), ["func.concat()"]),
    "a nullif that is never": (lambda: func.nullif(Hero.level, "a"), ["Hero.level", "'a'"]),
    "an aggregate in where": (
        lambda: select(Hero).where(case((func.count() > 3, True), else_=False)),
        ["where(case((func.count() > 3", "having"],
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_found_where_it_is_written(name: str) -> None:
    build, words = MISTAKES[name]
    with pytest.raises(QueryError) as caught:
        build()
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (cast(Hero.name, int), ["cast(Hero.name, int)", "invalid literal"]),
        (func.substr(Hero.name, Hero.level), ["func.substr(Hero.name, Hero.level)", "from 1"]),
        (case((Hero.level >= 0, 1 / col(Hero.level))), ["1 / Hero.level", "division"]),
    ],
)
def test_a_value_that_does_not_fit_is_named(asked: Any, words: list[str]) -> None:
    with pytest.raises(QueryError) as caught:
        values_of(asked)
    assert all(word in str(caught.value) for word in words), caught.value
