"""Objects of the user's own classes: a change in place is noticed, whether or not the class has a `__hash__`."""

from __future__ import annotations

import dataclasses
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import PlainSerializer, PlainValidator

from parcode_orm import Chunk, Model, Session, load, save
from parcode_orm.errors import SessionError
from parcode_orm.session.dirty import Comparison


class Celsius:
    def __init__(self, degrees: float) -> None:
        self.degrees = degrees

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Celsius) and other.degrees == self.degrees

    def __hash__(self) -> int:
        return 7


class Slotted(Celsius):
    __slots__ = ("note",)


def _annotated(cls: Any) -> Any:
    return Annotated[
        cls, PlainValidator(lambda v: v if isinstance(v, cls) else cls(v)), PlainSerializer(lambda v: v.degrees)
    ]


class Reading(Model):
    n: int
    at: _annotated(Celsius)  # type: ignore[valid-type]
    other: _annotated(Slotted)  # type: ignore[valid-type]


class Log(Model):
    readings: list[Reading] = Chunk()


@pytest.mark.parametrize("field", ["at", "other"])
def test_a_change_of_a_hashable_object_whose_row_was_let_go_of(tmp_path: Path, field: str) -> None:
    path = tmp_path / "log.par"
    save(path, Log(readings=[Reading(n=n, at=0.0, other=0.0) for n in range(9000)]))
    with Session(path) as session:
        log = session.root(Log)
        held = getattr(log.readings[5000], field)
        log.readings[3].n = -1
        session.commit()
        gc.collect()
        held.degrees = 21.5
        session.commit()
        assert getattr(log.readings[5000], field).degrees == 21.5
    assert getattr(load(path, Log).readings[5000], field).degrees == 21.5


@pytest.mark.parametrize("field", ["at", "other"])
def test_a_savepoint_is_refused_over_an_object_that_can_change_and_has_a_hash(tmp_path: Path, field: str) -> None:
    with Session(tmp_path / "log.par") as session:
        log = Log(readings=[Reading(n=1, at=1.0, other=1.0)])
        session.add(log)
        session.commit()
        assert getattr(log.readings[0], field).degrees == 1.0
        setattr(log.readings[0], {"at": "other", "other": "at"}[field], None)
        with pytest.raises(
            SessionError, match=rf"Log\.readings\[0\]\.{field} is a tests\.session\.test_custom_objects\."
        ):
            session.begin_nested()


@dataclasses.dataclass(frozen=True)
class Tag:
    """Its hash stays what it is when its words change."""

    name: str
    words: list[str] = dataclasses.field(default_factory=list, compare=False)


class Tagged(Model):
    n: int
    inline: dict[Tag, int]
    apart: dict[Tag, int] = Chunk()
    several: frozenset[Tag]
    deep: list[dict[str, tuple[Tag, ...]]]


class Board(Model):
    one: Tagged
    rows: list[Tagged] = Chunk()


PLACES: dict[str, Callable[[Tagged], Tag]] = {
    "a key": lambda row: next(iter(row.inline)),
    "a key of a marked dictionary": lambda row: next(iter(row.apart)),
    "an item of a set": lambda row: next(iter(row.several)),
    "in a tuple in a dictionary": lambda row: row.deep[0]["a"][0],
}


def tagged(n: int) -> Tagged:
    return Tagged(
        n=n, inline={Tag("a"): 1}, apart={Tag("b"): 2}, several=frozenset({Tag("c")}), deep=[{"a": (Tag("d"),)}]
    )


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "row", [lambda board: board.one, lambda board: board.rows[500]], ids=["in the root", "in a row"]
)
def test_a_change_of_a_hashable_object_that_holds_others(
    place: str, row: Callable[[Board], Tagged], tmp_path: Path
) -> None:
    path = tmp_path / "board.par"
    save(path, Board(one=tagged(0), rows=[tagged(n) for n in range(1000)]))
    with Session(path) as session:
        board = session.root(Board)
        held = PLACES[place](row(board))
        held.words.append("first")
        session.commit()
        board.rows[3].n = -1
        session.commit()
        gc.collect()
        held.words.append("second")
        assert session.dirty
        session.commit()
        assert not session.dirty
        assert PLACES[place](row(board)).words == ["first", "second"]
    assert PLACES[place](row(load(path, Board))).words == ["first", "second"]


@pytest.mark.once
@pytest.mark.parametrize("count", [600, 9000], ids=["in the row", "in a table"])
def test_an_object_that_occurs_many_times_is_compared_once(
    count: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    plain = Comparison._field

    def counted(self: Any, column: Any, value: Any, view: Any, name: str, row: int) -> Any:
        asked.append(value)
        return plain(self, column, value, view, name, row)

    with Session(tmp_path / "many.par") as session:
        session.add(Log(readings=[Reading(n=n, at=0.0, other=0.0) for n in range(count)]))
        session.commit()
        log = session.root(Log)
        held = log.readings[5]
        at = held.at
        for place in range(400):
            log.readings[place] = held
        session.commit()
        monkeypatch.setattr(Comparison, "_field", counted)
        log.readings[500].n = -1
        session.commit()
        assert sum(value is at for value in asked) < 10
        held.n = 7
        session.commit()
    assert {each.n for each in load(tmp_path / "many.par", Log).readings[:400]} == {7}
