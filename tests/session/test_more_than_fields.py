"""What rows hold beside their fields: written again by column, as few rows, and compared."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import create_model

from parcode_orm import Chunk, Model, Session, dumps, load, loads, register, verify


class Open(Model):
    """Whose class keeps no extra values: a call lets them in."""

    n: int = 0
    text: str = ""


@register
@dataclasses.dataclass
class Noted:
    n: int = 0


class Pair(NamedTuple):
    a: int
    b: int


@register
class Marked(Pair):
    """May have attributes."""


class Row(Model):
    n: int = 0
    open: Open | None = None
    noted: Noted = Noted()
    marked: Marked = Marked(0, 0)


class Game(Model):
    rows: list[Row] = Chunk(default=[])
    opens: list[Open] = Chunk(default=[])


def opened(n: int, **more: Any) -> Open:
    return Open.model_validate({"n": n, **more}, extra="allow")


def noted(n: int, **more: Any) -> Noted:
    made = Noted(n)
    vars(made).update(more)
    return made


def marked(n: int, **more: Any) -> Marked:
    made = Marked(n, n)
    vars(made).update(more)
    return made


def row(n: int, **more: Any) -> Row:
    """A row of which each part holds `more`; validating it would drop that."""
    return Row.model_construct(n=n, open=opened(n, **more), noted=noted(n, **more), marked=marked(n, **more))


def more_of(row: Row) -> list[Any]:
    return [row.open.__pydantic_extra__ if row.open else None, vars(row.noted), vars(row.marked)]


CHANGES: dict[str, Callable[[Game], Any]] = {
    "a field beside": lambda game: setattr(game.rows[50], "n", -1),
    "a new row": lambda game: game.rows.insert(50, row(1, x=1)),
    "a row moved": lambda game: game.rows.append(game.rows.pop(3)),
    "attributes of a dataclass": lambda game: vars(game.rows[7].noted).update(mood="new"),
    "attributes of a tuple": lambda game: setattr(game.rows[7], "marked", marked(7, mood="new")),
    "extra values": lambda game: setattr(game.opens[8], "__pydantic_extra__", {"x": 5}),
}


@pytest.mark.parametrize("every", [1, 7, 1000])
@pytest.mark.parametrize("change", CHANGES)
def test_rows_written_again_keep_it(change: str, every: int, tmp_path: Path) -> None:
    def build() -> Game:
        more = [{"x": i} if i % every == 0 else {} for i in range(100)]
        rows = [row(i, **one) for i, one in enumerate(more)]
        return Game.model_construct(rows=rows, opens=[opened(i, **one) for i, one in enumerate(more)])

    path, expected = tmp_path / "a.par", build()
    CHANGES[change](expected)
    with Session(path) as session:
        session.add(build())
        session.commit()
    with Session(path) as session:
        CHANGES[change](session.root(Game))
        session.commit()
        assert sum(1 for _ in session.diff(1, 2)) > 0
    found = load(path, Game)
    assert list(map(more_of, found.rows)) == list(map(more_of, expected.rows))
    assert [each.__pydantic_extra__ for each in found.opens] == [each.__pydantic_extra__ for each in expected.opens]
    assert found == expected
    assert verify(path).ok


def test_few_rows_of_a_wide_class_keep_it() -> None:
    cls: Any = register(dataclasses.make_dataclass("Wide", [(f"f{i}", int, i) for i in range(40)]))
    holder: Any = create_model("Holder", __base__=Model, one=(cls, ...), many=(list[cls], ...))
    plain, more = cls(), cls()
    more.mood = "good"
    for one, many in ((plain, [plain]), (plain, [plain, more]), (more, [])):
        found = loads(dumps(holder(one=one, many=many)), holder)
        assert vars(found.one) == vars(one)
        assert list(map(vars, found.many)) == list(map(vars, many))


@pytest.mark.parametrize("make", [noted, marked])
def test_it_is_compared(make: Any, tmp_path: Path) -> None:
    holder: Any = create_model("Holder", __base__=Model, rows=(list[type(make(0))], Chunk()))
    with Session(tmp_path / "a.par") as session:
        session.add(holder.model_construct(rows=[make(i, mood=i) for i in range(10)]))
        session.commit()
        session.root(holder).rows[4] = make(4, mood="other")
        session.commit()
        (change,) = session.diff(1, 2)
        assert change.path[:3] == ("Holder", "rows", 4)
