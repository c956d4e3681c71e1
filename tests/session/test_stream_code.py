"""Streams whose code changes other collections of the session while a commit reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar

import pytest
from pydantic import PlainSerializer, PlainValidator

from parcode_orm import Chunk, Model, ShardedMap, load
from parcode_orm.errors import CyclicGraphError, EncodeError, SessionError, StreamConsumedError
from parcode_orm.tuning import TUNING
from tests.small import tuned

pytestmark = pytest.mark.once

# Collections of a few hundred rows are tables of several row groups.
Session, save, _ = tuned(TUNING, large=4096, group_rows=128)
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
    more: list[Inner] = Chunk(default=[])


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
    "a field of a row": lambda w: lambda n: (setattr(w.todo[n], "n", -3), Item(n=-2))[-1],
    "a field of the root": lambda w: lambda n: (setattr(w, "n", n), Item(n=-2))[-1],
    "swap": lambda w: lambda n: replace(w.by_id, str(n)) if n else w.todo.pop(),
}
PLACES: dict[str, Callable[[Tasks, Iterator[Item]], None]] = {
    "done": lambda w, stream: setattr(w, "done", stream),
    "inner": lambda w, stream: setattr(w.inner, "done", stream),
    "by key": lambda w, stream: setattr(w, "done_by_id", ((str(n), row) for n, row in enumerate(stream))),
}


def in_a_row(w: Tasks, stream: Iterator[Item]) -> None:
    w.shelves[1].done = stream  # type: ignore[assignment]


PLACES["in a row"] = in_a_row


@pytest.mark.parametrize("rows", [10, 400])  # small collections, and tables
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("touched", [False, True])
def test_the_code_of_a_stream_must_change_nothing(
    tmp_path: Path, rows: int, place: str, edit: str, touched: bool
) -> None:
    path = tmp_path / "a.par"
    plain = tasks(rows)
    save(path, plain)
    with Session(path) as session:
        stored = session.root(Tasks)
        if touched:
            stored.todo[1] = Item(n=-5)
            stored.by_id["1"].n = -5  # so that both are written
        PLACES[place](stored, each(EDITS[edit](stored)))
        with pytest.raises(SessionError, match=r"changed what is written; nothing is stored.*assign list\(stream\)"):
            session.commit()
        session.rollback()
        assert stored.model_dump() == plain.model_dump()
        stored.n = 1
        session.commit()
    plain.n = 1
    assert load(path, Tasks).model_dump() == plain.model_dump()


@pytest.mark.parametrize("nested", [False, True])
def test_a_stream_edits_plain_collections_that_are_saved_with_it(tmp_path: Path, nested: bool) -> None:
    path = tmp_path / "a.par"
    plain = tasks(10)
    PLACES["inner" if nested else "done"](plain, each(lambda n: plain.todo.pop()))
    with pytest.raises(EncodeError, match=r"changed what is written; nothing is stored"):
        save(path, plain)
    assert not path.exists()
    plain = tasks(10)
    PLACES["inner" if nested else "done"](plain, each(lambda n: plain.todo.pop()))
    with Session(path) as session:
        session.add(plain)
        with pytest.raises(SessionError, match=r"changed what is written; nothing is stored"):
            session.commit()
    assert not path.exists()


@pytest.mark.parametrize("rows", [10, 400])
@pytest.mark.parametrize("place", PLACES)
def test_a_stream_may_read_the_session(tmp_path: Path, rows: int, place: str) -> None:
    path = tmp_path / "a.par"
    plain = tasks(rows)
    save(path, plain)
    with Session(path) as session:
        stored = session.root(Tasks)
        stored.todo[1].n = -5  # its row group is written again before the stream is read
        kept = []

        def read(n: int) -> Item:
            kept.append(stored.todo[n])
            return Item(n=stored.todo[n].n)

        PLACES[place](stored, each(read))
        session.commit()
        for n, row in enumerate(kept):
            assert row is stored.todo[n]
            row.pad = f"kept {n}"
        session.commit()
        expected = [(n if n != 1 else -5, f"kept {n}") for n in range(MOVED)]
    found = load(path, Tasks)
    assert [(row.n, row.pad) for row in found.todo[:MOVED]] == expected
    done = [found.done, found.inner.done, list(found.done_by_id.values()), found.shelves[1].done]
    assert [row.n for each_list in done for row in each_list] == [0, -5, 2]


@pytest.mark.parametrize("first", [True, False])
def test_an_iterator_that_a_failed_commit_has_read_is_not_stored_as_empty(tmp_path: Path, first: bool) -> None:
    path = tmp_path / "a.par"
    save(path, tasks(3))
    with Session(path) as session:
        stored = session.root(Tasks)
        if first:
            stored.done = iter([Item(n=1)])  # type: ignore[assignment]
        else:
            stored.shelves[0].done = iter([Item(n=1)])  # type: ignore[assignment]
        stored.done_by_id = {"x": Item.model_construct(n="wrong")}
        with pytest.raises(EncodeError):
            session.commit()
        stored.done_by_id = {}
        with pytest.raises(StreamConsumedError, match="assign a new one"):
            session.commit()
        if first:
            stored.done = iter([Item(n=1)])  # type: ignore[assignment]
        else:
            stored.shelves[0].done = iter([Item(n=1)])  # type: ignore[assignment]
        session.commit()
    found = load(path, Tasks)
    assert [row.n for row in (found.done if first else found.shelves[0].done)] == [1]


class Chain(Model):
    below: Chain | None = None
    items: list[int] = Chunk(default=[])


@pytest.mark.parametrize("cyclic", [False, True])
def test_deep_models(tmp_path: Path, cyclic: bool) -> None:
    chain = last = Chain()
    for _ in range(3000):
        chain = Chain.model_construct(below=chain, items=[])
    last.below = chain if cyclic else None
    with pytest.raises(CyclicGraphError if cyclic else EncodeError):
        save(tmp_path / "a.par", chain)


class Other(Model):
    n: int = 0
    todo: list[Item] = Chunk(default=[])


@pytest.mark.parametrize("rows", [10, 400])
@pytest.mark.parametrize("touched", [False, True])
def test_a_stream_edits_another_root(tmp_path: Path, rows: int, touched: bool) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add_all([Other(todo=tasks(rows).todo), tasks(1)])
        session.commit()
    with Session(path) as session:
        other = session.root(Other)
        if touched:
            assert other.todo[1].n == 1
        session.root(Tasks).done = each(lambda n: other.todo.pop())  # type: ignore[assignment]
        with pytest.raises(SessionError, match="changed what is written"):
            session.commit()
        session.rollback()
        assert len(other.todo) == rows


@pytest.mark.parametrize("kind", ["add", "delete"])
def test_a_stream_adds_or_deletes_roots(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add_all([Other(n=1), tasks(1)] if kind == "delete" else [tasks(1)])
        session.commit()

    def stream(work: Callable[[], None]) -> Iterator[Item]:
        work()
        yield Item(n=7)

    with Session(path) as session:
        stored = session.root(Tasks)
        if kind == "delete":
            other = session.root(Other)
            stored.done = stream(lambda: session.delete(other))  # type: ignore[assignment]
        else:
            stored.done = stream(lambda: session.add(Other(n=2)))  # type: ignore[assignment]
        with pytest.raises(SessionError, match="changed what is written"):
            session.commit()
        session.rollback()
        assert session.roots() == (["Other", "Tasks"] if kind == "delete" else ["Tasks"])


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


@pytest.mark.parametrize("rows", [10, 400])
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
        with pytest.raises(SessionError, match=r"changed what is written; nothing is stored"):
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


@pytest.mark.parametrize("call", ["commit", "rollback", "refresh", "close", "compact", "begin_nested"])
@pytest.mark.parametrize("place", ["a stream", "a serializer"])
def test_code_that_a_commit_runs_cannot_end_or_move_it(
    tmp_path: Path, call: str, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.par"
    save(path, Ledger(todo=[Item(n=n) for n in range(3)], signed=[Signed(token=1)]))  # type: ignore[arg-type]
    with Session(path) as session:
        ledger = session.root(Ledger)

        def stream() -> Iterator[Item]:
            yield Item(n=8)
            getattr(session, call)()
            yield Item(n=9)

        if place == "a stream":
            ledger.todo = stream()  # type: ignore[assignment]
        else:
            ledger.signed.append(Signed(token=2))  # type: ignore[arg-type]
            monkeypatch.setattr(Token, "work", lambda: getattr(session, call)())
        with pytest.raises((SessionError, EncodeError), match="was called while this session commits"):
            session.commit()
        monkeypatch.setattr(Token, "work", lambda: None)
        session.rollback()
        ledger.todo.append(Item(n=5))
        session.commit()
    assert [row.n for row in load(path, Ledger).todo] == [0, 1, 2, 5]
