"""Streams whose code changes other collections of the session while a commit reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import PlainSerializer, PlainValidator

from parcode_orm import Chunk, Model, Session, ShardedMap, load, save
from parcode_orm.errors import EncodeError, SessionError

MOVED = 3


class Item(Model):
    n: int
    pad: str = ""


class Inner(Model):
    done: list[Item] = Chunk(default=[])


class Tasks(Model):
    n: int = 0
    todo: list[Item] = Chunk(default=[])
    by_id: dict[str, Item] = ShardedMap(default={})
    inner: Inner = Inner()
    shelves: list[Inner] = Chunk(default=[])
    done: list[Item] = Chunk(default=[])
    done_by_id: dict[str, Item] = ShardedMap(default={})


def tasks(rows: int) -> Tasks:
    return Tasks(
        todo=[Item(n=n, pad=f"{n:020}") for n in range(rows)],
        by_id={str(n): Item(n=n) for n in range(rows)},
        shelves=[Inner(), Inner()],
    )


def each(work: Callable[[int], Item]) -> Iterator[Item]:
    return (work(n) for n in range(MOVED))


def replace(rows: Any, place: Any) -> Item:
    rows[place] = Item(n=-1)
    return Item(n=-2)


def add(rows: Any) -> Item:
    rows.append(Item(n=-1))
    return Item(n=-2)


EDITS: dict[str, Callable[[Tasks], Callable[[int], Item]]] = {
    "pop": lambda w: lambda n: w.todo.pop(),
    "pop the first": lambda w: lambda n: w.todo.pop(0),
    "append": lambda w: lambda n: add(w.todo),
    "replace": lambda w: lambda n: replace(w.todo, n + 2),
    "replace again": lambda w: lambda n: replace(w.todo, 1),
    "pop a key": lambda w: lambda n: w.by_id.pop(str(n)),
    "add a key": lambda w: lambda n: replace(w.by_id, f"new {n}"),
    "replace a key": lambda w: lambda n: replace(w.by_id, str(n)),
    "swap": lambda w: lambda n: replace(w.by_id, str(n)) if n else w.todo.pop(),
}
PLACES: dict[str, Callable[[Tasks, Iterator[Item]], None]] = {
    "done": lambda w, stream: setattr(w, "done", stream),
    "inner": lambda w, stream: setattr(w.inner, "done", stream),
    "by key": lambda w, stream: setattr(w, "done_by_id", ((str(n), row) for n, row in enumerate(stream))),
}


@pytest.mark.parametrize("rows", [10, 4000])  # small collections, and tables
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("touched", [False, True])
def test_a_stream_edits_collections(tmp_path: Path, rows: int, place: str, edit: str, touched: bool) -> None:
    path = tmp_path / "a.par"
    plain = tasks(rows)
    save(path, plain)
    with Session(path) as session:
        stored = session.root(Tasks)
        for each_world in (plain, stored) if touched else ():
            each_world.todo[1].n = each_world.by_id["1"].n = -5
        PLACES[place](stored, each(EDITS[edit](stored)))
        session.commit()
        PLACES[place](plain, each(EDITS[edit](plain)))
        plain.done, plain.inner.done, plain.done_by_id = (
            list(plain.done), list(plain.inner.done), dict(plain.done_by_id)
        )  # fmt: skip
        assert stored.model_dump() == plain.model_dump()
        session.commit()
    assert load(path, Tasks).model_dump() == plain.model_dump()


def test_a_stream_edits_plain_collections_that_are_saved_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    plain = tasks(10)
    plain.done = each(lambda n: plain.todo.pop())  # type: ignore[assignment]
    save(path, plain)
    found = load(path, Tasks)
    assert [[row.n for row in each_list] for each_list in (found.todo, found.done)] == [[*range(7)], [9, 8, 7]]


@pytest.mark.parametrize("rows", [10, 4000])  # small collections, and tables
@pytest.mark.parametrize("edit", EDITS)
def test_a_stream_in_a_row_edits_what_was_written_already(tmp_path: Path, rows: int, edit: str) -> None:
    path = tmp_path / "a.par"
    plain = tasks(rows)
    save(path, plain)
    with Session(path) as session:
        stored = session.root(Tasks)
        stored.todo[1] = Item(n=-5)
        stored.by_id["1"].n = -5  # so that both are written
        stored.shelves[1].done = each(EDITS[edit](stored))  # type: ignore[assignment]
        with pytest.raises(SessionError, match=r"added, removed or replaced rows.*nothing is stored"):
            session.commit()
        session.rollback()
        assert stored.model_dump() == plain.model_dump()
        stored.n = 1
        session.commit()
    plain.n = 1
    assert load(path, Tasks).model_dump() == plain.model_dump()


class Token:
    """A value of a class that Pydantic serializes by the user's code."""

    work: ClassVar[Callable[[], Any]] = lambda: None

    @staticmethod
    def to_int(token: Token) -> int:
        Token.work()
        return 7

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Token)

    __hash__ = None  # type: ignore[assignment]


class Signed(Model):
    token: Annotated[Token, PlainValidator(lambda value: Token()), PlainSerializer(Token.to_int)]


class Ledger(Model):
    todo: list[Item] = Chunk(default=[])
    signed: list[Signed] = Chunk(default=[])


@pytest.mark.parametrize("rows", [10, 4000])
def test_a_serializer_edits_what_was_written_already(
    tmp_path: Path, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.par"
    save(path, Ledger(todo=tasks(rows).todo, signed=[Signed(token=1)]))  # type: ignore[arg-type]
    with Session(path) as session:
        ledger = session.root(Ledger)
        ledger.todo[1].n = -5
        ledger.signed.append(Signed(token=2))  # type: ignore[arg-type]
        monkeypatch.setattr(Token, "work", lambda: ledger.todo.pop())
        with pytest.raises(SessionError, match=r"added, removed or replaced rows.*nothing is stored"):
            session.commit()
    assert len(load(path, Ledger).todo) == rows


def test_an_error_in_a_stream_names_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save(path, tasks(10))
    with Session(path) as session:
        stored = session.root(Tasks)
        stored.inner.done = iter([Item(n=1), Item.model_construct(n="x")])  # type: ignore[assignment]
        with pytest.raises(EncodeError, match=r"Tasks.inner\.done\[1\]\.n"):
            session.commit()
