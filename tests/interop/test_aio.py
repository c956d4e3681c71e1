"""`AsyncSession` does what `Session` does, in a thread, for programs of asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from functools import wraps
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import (
    Chunk,
    ClosedError,
    ConflictError,
    Index,
    IntegrityError,
    Key,
    Model,
    NoResultFound,
    QueryError,
    ReadOnlyError,
    Session,
    SessionError,
    ShardedMap,
    delete,
    load,
    save,
    select,
    update,
)
from parcode_orm.interop.aio import AsyncSession
from parcode_orm.interop.aio.worker import Worker

pytestmark = pytest.mark.once


class Trade(Model):
    id: int = Key(default=None, auto=True)
    buyer: str = Index()
    price: int


class Shop(Model):
    name: str
    stock: dict[str, int] = ShardedMap()
    notes: list[str] = Chunk()


def asynchronous(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    @wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 60))

    return run


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "shop.par"
    with Session(found) as session:
        session.add(Shop(name="corner", stock={"pear": 3, "plum": 5}, notes=["open"]))
        session.add_all([Trade(buyer=f"b{n % 7}", price=n) for n in range(2500)])
        session.commit()
    return found


def test_every_method_of_a_session_is_there() -> None:
    names = {name for name in dir(Session) if not name.startswith("_")} | {"stats", "read_only"}
    assert names - set(dir(AsyncSession)) == {"hand_over"}  # a session has one thread for all its life


@asynchronous
async def test_a_root_is_read_changed_and_stored(path: Path) -> None:
    async with AsyncSession(path) as session:
        shop = await session.root(Shop)
        assert shop.stock["pear"] == 3 and list(shop.notes) == ["open"]
        shop.stock["fig"] = 9
        shop.notes.append("busy")
        assert await session.is_modified(shop) and shop in await session.dirty
        await session.commit("figs")
        assert (await session.snapshot).message == "figs"  # type: ignore[union-attr]
        assert [each.message async for each in session.history()] == ["figs", ""]
    assert load(path, Shop).stock == {"pear": 3, "plum": 5, "fig": 9}


@asynchronous
async def test_entities_are_found_changed_and_deleted(path: Path) -> None:
    async with AsyncSession(path) as session:
        first = await session.get_one(Trade, 1)
        assert (await session.get(Trade, 1)) is first and await session.get(Trade, 9999) is None
        with pytest.raises(NoResultFound):
            await session.get_one(Trade, 9999)
        statement = select(Trade).where(Trade.buyer == "b3").order_by(Trade.price)
        found = await session.scalars(statement).all()
        with pytest.raises(SessionError, match="its methods are: write `async for row"):
            await session.scalars(statement)  # type: ignore[misc]
        with pytest.raises(SessionError, match="write `async for row"):
            list(session.scalars(statement))
        with pytest.raises(SessionError, match="async with AsyncSession"), session:
            pass
        assert [trade.price for trade in found] == list(range(3, 2500, 7))
        assert [trade async for trade in session.scalars(statement)] == found
        assert [len(part) async for part in session.scalars(statement).partitions(300)] == [300, 57]
        assert await session.scalars(statement).count() == len(found) == 357
        assert (await session.scalars(statement).column(Trade.price)).tolist() == list(range(3, 2500, 7))
        assert await session.scalars(select(Trade.buyer)).unique().all() == [f"b{n}" for n in range(7)]
        rows = await session.execute(select(Trade.id, Trade.price).where(Trade.id == 8)).one()
        assert rows == (8, 7) and await session.execute(select(Trade.id)).keys() == ["id"]
        assert await session.execute(update(Trade).where(Trade.price < 10).values(price=0)) == 10
        assert await session.execute(delete(Trade).where(Trade.buyer == "b6")) == 357
        made, new = await session.get_or_create(Trade, buyer="new", defaults={"price": 1})
        assert new and made in await session.new
        async with session.begin_nested() as savepoint:
            made.price = 2
            await savepoint.rollback()
        assert made.price == 1 and not savepoint.is_active
        with pytest.raises(ZeroDivisionError):
            async with session.begin_nested():
                made.price = 1 // 0
        await session.commit()
    with Session.open(path) as session:
        assert session.scalars(select(Trade)).count() == 2500 - 357 + 1


@asynchronous
async def test_errors_are_those_of_the_session(path: Path, tmp_path: Path) -> None:
    fresh = AsyncSession(path)
    with pytest.raises(SessionError, match="async with"):
        fresh.scalars(select(Trade))
    with pytest.raises(SessionError, match="async with"):
        await fresh.commit()
    await fresh.close()
    with pytest.raises(FileNotFoundError):
        await AsyncSession.open(tmp_path / "missing.par")
    async with await AsyncSession.open(path) as reader:
        with pytest.raises(ReadOnlyError):
            await reader.add(Trade(buyer="x", price=1))
        with pytest.raises(QueryError):
            await reader.scalars(select(Trade).where(Trade.buyer > 3)).all()
        result = reader.scalars(select(Trade))
    with pytest.raises(ClosedError, match="closed"):
        await reader.root(Shop)
    with pytest.raises(ClosedError, match="closed"):
        await result.all()
    async with AsyncSession(path) as session:
        await session.add(Trade(id=1, buyer="x", price=1), replace=True)
        with pytest.raises(IntegrityError):
            await session.add(Trade(id=2, buyer="x", price=1))


@asynchronous
async def test_a_conflict_is_repeated(path: Path) -> None:
    async def add(number: int) -> None:
        async with AsyncSession(path, durability="fast") as session:
            async for attempt in session.attempts(50):
                async with attempt:
                    (await session.root(Shop)).stock["pear"] += number
                    await session.commit()

    await asyncio.gather(*map(add, range(1, 9)))
    assert load(path, Shop).stock["pear"] == 3 + sum(range(1, 9))
    async with AsyncSession(path) as one, AsyncSession(path) as two:
        (await one.root(Shop)).name = "one"
        await one.commit()
        with pytest.raises(ConflictError):
            async for attempt in two.attempts(1):
                async with attempt:
                    (await two.root(Shop)).name = "two"
                    await two.commit()


@asynchronous
async def test_a_cancelled_commit_is_stored_or_has_not_begun(path: Path) -> None:
    entered, go_on = threading.Event(), threading.Event()

    def slow(session: Session) -> None:
        entered.set()
        go_on.wait(10)

    async with AsyncSession(path) as session:
        await session.on("before_commit", slow)
        (await session.root(Shop)).name = "changed"
        running = asyncio.create_task(session.commit())
        while not entered.is_set():
            await asyncio.sleep(0.001)
        waiting = asyncio.create_task(session.commit())
        await asyncio.sleep(0)
        running.cancel(), waiting.cancel()
        await asyncio.wait([waiting], timeout=5)
        assert waiting.cancelled() and not running.done()  # one has not begun, the other ends first
        go_on.set()
        await asyncio.wait([running], timeout=5)
        assert running.cancelled() and load(path, Shop).name == "changed"
        await session.off("before_commit", slow)


@asynchronous
async def test_watch_waits_beside_the_session(path: Path) -> None:
    async with AsyncSession(path) as session:
        assert [each async for each in session.watch(timeout=0)] == []
        seen: list[int] = []

        async def follow() -> None:
            async for snapshot in session.watch(poll=0.01):
                seen.append(snapshot.sequence)
                await session.refresh()

        task = asyncio.create_task(follow())
        for number in (1, 2):
            await asyncio.sleep(0.05)
            with Session(path) as other:
                other.root(Shop).name = str(number)
                other.commit()
            while len(seen) < number:
                await asyncio.sleep(0.01)
            assert (await session.root(Shop)).name == str(number)
        task.cancel()
        await asyncio.wait([task], timeout=5)
        assert task.cancelled() and seen == [2, 3]
        changes = [commit async for commit in session.changes(1)]
        assert len(changes) == 2


@asynchronous
async def test_code_of_the_session_runs_in_its_thread(path: Path) -> None:
    async with AsyncSession(path) as session:
        names = [await session.run_sync(lambda _: threading.current_thread().name) for _ in range(2)]
        assert len(set(names)) == 1 and names[0].startswith("parcode-session")

        def stream() -> Iterator[Trade]:
            names.append(threading.current_thread().name)
            yield from (Trade(buyer="s", price=n) for n in range(10))

        await session.add_all(stream())
        assert names[-1] == names[0]


@asynchronous
async def test_a_worker_passes_what_a_call_raises() -> None:
    worker = Worker("test")
    with pytest.raises(KeyError):
        await worker.run({}.__getitem__, 1)
    assert [item async for item in worker.iterate(lambda: iter("abc"))] == ["a", "b", "c"]
    worker.end()


@asynchronous
async def test_a_worker_does_not_let_a_task_wait_forever_for_a_stop_iteration() -> None:
    """`run_sync(lambda session: next(rows))` hung: asyncio does not pass a `StopIteration` on to who waits."""
    worker = Worker("test")
    nothing: Iterator[int] = iter(())
    with pytest.raises(RuntimeError, match="StopIteration"):
        await worker.run(next, nothing)
    worker.end()


@asynchronous
async def test_a_result_of_a_closed_session_says_so(path: Path) -> None:
    """It raised the RuntimeError of a pool of threads."""
    async with AsyncSession(path) as session:
        rows = aiter(session.scalars(select(Trade)).yield_per(2))
        await anext(rows)
    with pytest.raises(ClosedError):
        _ = [row async for row in rows]


@asynchronous
async def test_a_cancelled_close_closes(path: Path) -> None:
    """A close that waited for another task's call was dropped with its task: the file stayed open."""
    session = await AsyncSession(path)
    inner = await session.run_sync(lambda session: session)
    goes_on = threading.Event()
    busy = asyncio.create_task(session.run_sync(lambda _: goes_on.wait()))
    await asyncio.sleep(0)
    closing = asyncio.create_task(session.close())
    await asyncio.sleep(0)
    closing.cancel()
    await asyncio.sleep(0)
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert await busy
    with pytest.raises(ClosedError):
        inner.roots()


@asynchronous
async def test_opening_leaves_neither_a_second_session_nor_a_thread(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Session] = []
    begin = Session.__init__

    def count(session: Session, *args: Any, **kwargs: Any) -> None:
        made.append(session)
        begin(session, *args, **kwargs)

    monkeypatch.setattr(Session, "__init__", count)
    session = AsyncSession(path)
    await asyncio.gather(session.__aenter__(), session.__aenter__())
    await session.close()
    assert len(made) == 1
    missing = AsyncSession(tmp_path / "none" / "file")
    with pytest.raises(FileNotFoundError):
        await missing.__aenter__()
    with pytest.raises(ClosedError):
        await missing


def test_a_missing_file_is_made_by_the_first_commit(tmp_path: Path) -> None:
    async def main() -> None:
        session = await AsyncSession(tmp_path / "new.par")
        await session.add(Shop(name="x", stock={}, notes=[]))
        await session.commit()
        await session.close()
        await session.close()

    asyncio.run(main())
    assert load(tmp_path / "new.par", Shop).name == "x"
    save(tmp_path / "new.par", Shop(name="y", stock={}, notes=[]))
