"""Conditions, columns and orders as text: the expressions that Python gives, and errors with columns for all else."""

from __future__ import annotations

import datetime
import sys
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import HttpUrl

import parcode_orm
from parcode_orm import Key, Model, QueryError, Session, all_, any_, col, func, len_, select
from parcode_orm.model.literals import meant
from parcode_orm.query.columns.operators import like_pattern
from parcode_orm.query.statements.parsing import FUNCTIONS, MAX_DEPTH, columns, condition, order
from tests.query.models import NUMBERS, TEXTS, Color, Item, Rank, Row, World
from tests.query.plainly import like

pytestmark = pytest.mark.once


class Said(NamedTuple):
    """A text, and what Python says in its place."""

    text: str
    python: Any


def _constants(values: list[Any]) -> st.SearchStrategy[Said]:
    return st.sampled_from([Said(f"({value!r})" if isinstance(value, str) else repr(value), value) for value in values])


NUMERIC = st.sampled_from(
    [
        Said("number", Row.number), Said("level", Row.level), Said("score", Row.score), Said("place.x", Row.place.x),
        Said("home.y", Row.home.y), Said('field("big")', Row.big), Said('field(place, "x")', Row.place.x),
        Said("len(tags)", len_(Row.tags)), Said("abs(number)", func.abs(Row.number)), Said("-level", -col(Row.level)),
        Said("born.year", Row.born.year), Said("year(born)", Row.born.year), Said("hour(seen)", Row.seen.hour),
        Said("weekday(born)", Row.born.weekday()), Said("items[0].price", Row.items[0].price),
        Said('notes["a"]', Row.notes["a"]), Said("round(score, 1)", func.round(Row.score, 1)),
        Said("coalesce(bonus, score)", func.coalesce(Row.bonus, Row.score)), Said("visits[-1]", Row.visits[-1]),
    ]
)  # fmt: skip
TEXTUAL = st.sampled_from(
    [
        Said("name", Row.name), Said("guild", Row.guild), Said("home.note", Row.home.note),
        Said("lower(name)", Row.name.lower()), Said("color.value", Row.color.value), Said("tags[0]", Row.tags[0]),
    ]
)  # fmt: skip
COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "==": lambda a, b: a == b, "!=": lambda a, b: a != b, "<": lambda a, b: a < b, "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
}  # fmt: skip
COMPUTE: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "//": lambda a, b: a // b, "%": lambda a, b: a % b,
}  # fmt: skip
NUMBERS_SAID, TEXTS_SAID = _constants(NUMBERS), _constants(TEXTS)


@st.composite
def _computed(draw: Any) -> Said:
    one, operator = draw(NUMERIC), draw(st.sampled_from(list(COMPUTE)))
    other = draw(NUMERIC | NUMBERS_SAID)
    return Said(f"({one.text}) {operator} ({other.text})", COMPUTE[operator](one.python, other.python))


@st.composite
def _leaf(draw: Any) -> Said:
    kind = draw(st.sampled_from(["numbers", "texts", "chain", "test", "in", "none", "flag", "quantified", "has"]))
    if kind in ("numbers", "texts", "chain"):
        values, constants = (TEXTUAL, TEXTS_SAID) if kind == "texts" else (NUMERIC | _computed(), NUMBERS_SAID)
        one, other, operator = draw(values), draw(values | constants), draw(st.sampled_from(list(COMPARE)))
        first = COMPARE[operator](one.python, other.python)
        if kind != "chain":
            return Said(f"{one.text} {operator} {other.text}", first)
        third, last = draw(values), draw(st.sampled_from(list(COMPARE)))
        second = COMPARE[last](other.python, third.python)
        return Said(f"{one.text} {operator} {other.text} {last} {third.text}", first & second)
    if kind == "test":
        name = draw(st.sampled_from(["startswith", "endswith", "like", "ilike", "contains"]))
        value, part = draw(TEXTUAL), draw(TEXTS_SAID)
        return Said(f"{name}({value.text}, {part.text})", getattr(value.python, name)(part.python))
    if kind == "in":
        value, items = draw(NUMERIC), draw(st.lists(NUMBERS_SAID, max_size=3))
        wanted, word = [each.python for each in items], draw(st.sampled_from(["in", "not in"]))
        found = value.python.in_(wanted) if word == "in" else value.python.not_in(wanted)
        return Said(f"{value.text} {word} [{', '.join(each.text for each in items)}]", found)
    if kind == "none":
        word = draw(st.sampled_from(["is None", "is not None", "== None", "!= None"]))
        return Said(f"home.y {word}", Row.home.y == None if word in ("is None", "== None") else Row.home.y != None)  # noqa: E711
    if kind == "has":
        part = draw(TEXTS_SAID)
        return Said(f"{part.text} in tags", Row.tags.contains(part.python))  # type: ignore[attr-defined]
    if kind == "quantified":
        name, price = draw(st.sampled_from(["any", "all"])), draw(NUMBERS_SAID)
        function = {"any": any_, "all": all_}[name]
        return Said(f"{name}(items, price > {price.text})", function(Row.items, Item.price > price.python))
    return Said("active", Row.active)


def _joined(inner: st.SearchStrategy[Said]) -> st.SearchStrategy[Said]:
    return st.one_of(
        st.builds(lambda a, b: Said(f"({a.text}) and ({b.text})", a.python & b.python), inner, inner),
        st.builds(lambda a, b: Said(f"({a.text}) or {b.text}", a.python | b.python), inner, inner),
        st.builds(lambda a: Said(f"not ({a.text})", ~a.python), inner),
    )


@given(st.recursive(_leaf(), _joined, max_leaves=6))
def test_a_text_gives_the_expression_of_python(said: Said) -> None:
    found = condition(Row, said.text)
    assert str(found) == str(said.python) and found._identity() == said.python._identity(), said.text


@pytest.mark.parametrize(
    ("text", "python"),
    [
        ('born >= "2000-01-01"', lambda: Row.born >= date(2000, 1, 1)),
        ('"2000-01-01" <= born <= "2024-06-01"', lambda: col(Row.born).between(date(2000, 1, 1), date(2024, 6, 1))),
        ('died in ["2000-01-01", None]', lambda: col(Row.died).in_([date(2000, 1, 1), None])),
        ('date(seen) == "2000-01-01"', lambda: Row.seen.date() == date(2000, 1, 1)),
        ('seen < "2000-01-01T12:00"', lambda: Row.seen < datetime.datetime(2000, 1, 1, 12)),
        ('played > "P1DT1H"', lambda: Row.played > timedelta(days=1, hours=1)),
        ('money == "1.10"', lambda: Row.money == Decimal("1.10")),
        ('color == "RED"', lambda: Row.color == Color.RED),
        ('color == "red"', lambda: Row.color == Color.RED),
        ('color in ("RED", "blue")', lambda: col(Row.color).in_([Color.RED, Color.BLUE])),
        ('rank == "HIGH"', lambda: Row.rank == Rank.HIGH),
        ("rank == 2", lambda: Row.rank == 2),
        ('key() == "2000-01-01"', lambda: func.key() == "2000-01-01"),
        ('all(tags, item() != "x")', lambda: all_(Row.tags, func.item() != "x")),
        ("any(items, where.x > 1)", lambda: any_(Row.items, col(Item, "where.x") > 1)),
        ("3 in kinds", lambda: Row.kinds.contains(3)),  # type: ignore[attr-defined]
        (" level\n> 3 ", lambda: Row.level > 3),
        ("name == 'a' 'b'", lambda: Row.name == "ab"),
        (r"name == r'\d'", lambda: Row.name == r"\d"),
        ("score > 1e3", lambda: Row.score > 1000.0),
        ("big == 18446744073709551615", lambda: Row.big == (1 << 64) - 1),
    ],
)  # fmt: skip
def test_constants_are_values_of_the_type_that_they_meet(text: str, python: Any) -> None:
    found = condition(Row, text if "\n" not in text else f"({text})")
    assert str(found) == str(python()) and found._identity() == python()._identity()


def test_texts_are_urls_paths_and_addresses_where_they_meet_them() -> None:
    class Page(Model):
        site: HttpUrl | None = None
        file: Path = Path("a")
        ip: IPv4Address

    for text, value in (
        ('site == "https://a.org"', Page.site == HttpUrl("https://a.org")),
        ('file in ["b"]', col(Page.file).in_([Path("b")])),
        ('ip < "1.2.3.4"', Page.ip < IPv4Address("1.2.3.4")),
    ):
        assert condition(Page, text)._identity() == value._identity()  # type: ignore[union-attr]
    with pytest.raises(QueryError, match="give a HttpUrl"):
        condition(Page, 'site == "none"')


HOSTILE: dict[str, tuple[str, int, str]] = {
    "an assignment": ("level = 5", 7, "write == to compare"),
    "a date without quotes": ("born > 2013-01-31", 13, "a date stands in quotes"),
    "a field that is not there": ('levle > 3 and name == "é"', 1, "did you mean level?"),
    "behind letters of several bytes": ('"é" == name and levle > 3', 17, "did you mean level?"),
    "a text without quotes": ("name == RED", 9, "a text stands in quotes"),
    "another type": ('level > "a"', 9, "is of type int, and cannot be compared"),
    "a number for a day": ("born == 5", 9, "is of type date"),
    "powers": ("9**9**9 > level", 1, "there are no powers"),
    "powers of fields": ("level ** 99999 > 1", 1, "there are no powers"),
    "repeated text": ("name * 999999999 == 'x'", 1, "takes numbers"),
    "a format": ("'%999999999d' % level == 'x'", 1, "takes numbers"),
    "a class": ("name.__class__ == 1", 1, "has no field '__class__'"),
    "a class of a row": ("__class__ == 1", 1, "no field '__class__'"),
    "a method of the model": ("model_dump == 1", 1, "no field 'model_dump'"),
    "an import": ("__import__('os').system('true')", 1, "no such function"),
    "a builtin": ("print(level)", 1, "no such function"),
    "a method": ("name.encode() == 'x'", 1, "no such function"),
    "a method that is a function": ("name.startswith('a')", 1, "startswith(value, text)"),
    "a call of a call": ("len(tags)()", 1, "no such function"),
    "a lambda": ("(lambda: 1)()", 1, "no such function"),
    "a comprehension": ("[x for x in tags]", 1, "no part of expressions"),
    "a generator": ("any(x for x in tags)", 1, "any(items, condition)"),
    "a walrus": ("(x := 3) > 2", 2, "write == to compare"),
    "a choice": ("level if active else 3", 1, "no part of expressions"),
    "an f-string": ("f'{level}' == 'x'", 1, "no f before"),
    "stars": ("len(*tags)", 1, "plain arguments"),
    "a name for an argument": ("len(value=tags)", 1, "plain arguments"),
    "arguments": ("len(tags, 2)", 1, "write len(value)"),
    "bits": ("active & active", 1, "write and"),
    "other bits": ("~active", 1, "write not"),
    "a number of 65 bits": ("level > 18446744073709551616", 9, "64 bits"),
    "a negative one": ("level > -9223372036854775809", 9, "64 bits"),
    "thousands of digits": ("level > " + "9" * 4000, 9, "64 bits"),
    "brackets": ("(" * 2000, MAX_DEPTH + 1, "brackets"),
    "other brackets": ("len(" * 60 + "tags" + ")" * 60 + " > 1", 4 * (MAX_DEPTH + 1), "brackets"),
    # The parser of CPython gives up, from 3.14 on later than the depth is checked.
    "signs": ("-" * 4000 + "level > 1", 1 if sys.version_info < (3, 14) else MAX_DEPTH, ""),
    "nots": ("not " * 1000 + "active", 4 * MAX_DEPTH + 1, "in each other"),
    "dots": ("home." * 700 + "x", 1, "in each other"),
    "a long sum": ("1+" * 2000 + "1 > 2", 1, "in each other"),
    "a long text": ("name == '" + "x" * 5000 + "'", 1, "4,096 bytes"),
    "a digit out of bounds": ("round(score, 9999) > 1", 1, "-20 to 20"),
    "a bad escape": ("name == '\\d'", 10, "no escape"),
    "a bad escape that no terminal takes": ("name == '\\\ud800'", 10, r"\\ud800 is no escape"),
    "a null": ("level\0 > 1", 6, "no expression"),
    "a surrogate": ("level > '\ud800'", 1, ""),
    "true of other languages": ("active == true", 11, "write True"),
    "null of other languages": ("home == null", 9, "write None"),
    "nothing": ("  ", 1, "an empty expression"),
    "a number alone": ("3", 1, "a condition is an expression"),
    "a truth alone": ("True", 1, "a condition is an expression"),
    "a truth in a condition": ("active and True", 12, "a constant is no condition"),
    "a field alone": ("level", 1, "no condition"),
    "a function alone": ("len", 1, "write len(value)"),
    "a method alone": ("name.upper == 'X'", 1, "write upper(...)"),
    "an index that is a field": ("tags[level] == 'x'", 6, "a constant"),
    "a slice": ("tags[1:] == 'x'", 6, "a constant"),
    "a list in a field's place": ("len([1]) > 2", 5, "no part"),
    "in what is no list": ("name in 'abc'", 9, "a list of constants"),
    "is with a number": ("level is 3", 10, "write =="),
    "a complex number": ("level == 1j", 10, "no constant"),
    "dots for a constant": ("level == ...", 10, "no constant"),
    "a field of a list": ("items.price > 3", 1, "has no field 'price'"),
    "an outer field within": ("any(items, level > 3)", 12, "there is price, kind"),
    "an aggregate": ("count() > 3", 1, "no such function"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_condition_is_refused_with_its_column(name: str) -> None:
    text, column, words = HOSTILE[name]
    with pytest.raises(QueryError) as error:
        condition(Row, text)
    assert words in str(error.value) and f"(column {column})" in str(error.value)
    assert error.value.position == column - 1


def test_a_value_that_may_be_text_is_not_multiplied() -> None:
    loose: Any = type(Model)("Loose", (Model,), {"__annotations__": {"a": int | str, "b": Any}, "__module__": "app"})
    for text in ("a * 999999999 == 1", "b * 9 == 1", "coalesce(a, 1) * 9 == 1", "b % 5 == 1"):
        with pytest.raises(QueryError, match="takes numbers"):
            condition(loose, text)
    assert condition(Row, "coalesce(bonus, score) * 2 > 1")._tp is bool


@given(st.text(alphabet="leva()[]{}'\"\\ .,<>=!&|+-*/%#\n019_") | st.text())
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    for read in (condition, columns, order):
        try:
            read(Row, text)
        except QueryError as error:
            assert error.position is not None and 0 <= error.position <= len(text)


def test_columns_and_orders() -> None:
    found = columns(Row, "name, level * 2 , key(), home.y")
    assert list(map(str, found.values())) == ["Row.name", "Row.level * 2", "func.key()", "Row.home.y"]
    assert list(found) == ["name", "level * 2", "key()", "home.y"]
    assert str(order(Row, "-level, name, -len(tags)")) == "[Row.level.desc(), Row.name, func.len(Row.tags).desc()]"
    with pytest.raises(QueryError, match=r"levle.*column 7"):
        order(Row, "name, levle")
    for text in (name for name in FUNCTIONS if name not in ("key", "item")):
        with pytest.raises(QueryError, match="arguments"):
            columns(Row, f"{text}()")


class Trade(Model):
    day: date = Key()
    price: int


def test_rows_of_every_kind() -> None:
    assert str(condition([1, 2], "item() > 1")) == "func.item() > 1"
    assert str(condition({date(2020, 1, 1): 5}, 'key() == "2020-01-01"')) == "func.key() == datetime.date(2020, 1, 1)"
    assert "datetime.date" in str(condition(Trade, 'key() == "2020-01-01" or day == "2020-01-01"'))
    with pytest.raises(QueryError, match=r"the rows have none, item\(\) is a row"):
        condition([1, 2], "level > 1")
    places = [Row.model_construct(number=n, items=[Item(price=n)]) for n in range(10)]
    world = World.model_construct(rows=places)
    with Session.open(parcode_orm.dumps(World(by={}, rows=[]))) as session:
        rows = session.root(World).rows
        assert str(condition(rows, "number > 3")) == "Row.number > 3"
        found = session.scalars(select(world.rows).where(condition(world.rows, "number > 3 and any(items, price < 6)")))
        assert [each.number for each in found] == [4, 5]


@given(st.text(alphabet="ab%_"), st.text(alphabet="ab\n"))
def test_patterns(pattern: str, text: str) -> None:
    assert (like_pattern(pattern, 0).fullmatch(text) is not None) == like(text, pattern)


def test_a_pattern_of_many_parts_is_not_tried_in_every_way() -> None:
    """Each % was a `.*`, and nine of them tried a text of 5,000 letters in 5,000 to the ninth ways."""
    assert like_pattern("%a" * 9 + "%b", 0).fullmatch("a" * 5_000) is None


def test_what_a_literal_means() -> None:
    assert list(meant("RED", Color)) == ["RED", Color.RED]
    assert list(meant("2020-01-01", date | None)) == ["2020-01-01", date(2020, 1, 1)]
    assert list(meant(("RED", "x"), tuple[Color, ...]))[1] == (Color.RED, "x")
    assert list(meant("7", int)) == ["7"] and list(meant("x", date)) == ["x"] and list(meant(5, date)) == [5]
