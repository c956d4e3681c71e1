"""`AsyncSession`: the methods of a `Session` as coroutines, each run in the session's own thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from types import TracebackType
from typing import Any, Concatenate, Literal, NoReturn, ParamSpec, Self, TypedDict, TypeVar, Unpack, overload

from ...errors import ClosedError, SessionError
from ...model import Model
from ...query import Delete, Plan, Select, Update
from ...session import CommitChanges, Diff, Session, Snapshot
from ...session.hooks import Event
from ...session.identity_set import IdentitySet
from ...session.versions import POLL
from ...storage.paths import AnyPath, Content
from ...storage.stats import Stats
from .blocks import AsyncAttempt, AsyncSavepoint
from .results import AsyncResult, AsyncScalarResult
from .worker import Worker

M = TypeVar("M", bound=Model)
F = TypeVar("F", bound=Callable[[Any], object])
P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Options(TypedDict, total=False):
    """The keyword arguments of `Session`."""

    read_only: bool
    at: Any
    compression: str | None
    workers: int | None
    durability: Literal["full", "fast"]
    compact_above: float | None
    lock_timeout: float
    downgrade: bool


class AsyncSession:
    """A `Session` for a program of asyncio: the same methods, awaited. Each runs in a thread that the session has.

        async with AsyncSession("savegame.par") as session:
            world = await session.root(GameWorld)
            world.players["ann"].level += 1
            await session.commit()

    Objects are those of `Session`. Touching what is not read yet reads it at once, in the thread that touches it: a row
    group is mapped memory. `run_sync` reads much at once in the session's thread. `scalars` and `execute` give results
    whose methods are awaited. The session opens its file in ``async with``, or when it is awaited.

    A session, and the objects of one that writes, is for one task at a time: another task gets a session of its own. A
    task that is cancelled goes on when the call that it waits for has ended: a commit is stored, or it never began.

    Args:
        path, options: as of `Session`.

    Raises:
        SessionError: a method is called before the file is open. ClosedError: or after the session closed.
        Every other error is that of the `Session`'s method.
    """

    def __init__(
        self,
        path: AnyPath | Content,
        **options: Unpack[Options],
    ) -> None:
        self._path, self._options = path, options
        self._session: Session | None = None
        self._thread: Worker | None = Worker("parcode-session")

    @classmethod
    def open(cls, path: AnyPath | Content, *, at: Any = None) -> Self:
        """A read-only session, as `Session.open`."""
        return cls(path, read_only=True, at=at)

    async def _open(self) -> Self:
        if self._session is None:
            await self._working().run(self._open_file)
        return self

    def _open_file(self) -> None:  # in the thread: of two tasks that open, one opens, and one that closes comes after
        if self._session is None:
            self._session = Session(self._path, **self._options)

    def __await__(self) -> Generator[Any, None, Self]:
        return self._open().__await__()

    async def __aenter__(self) -> Self:
        try:
            return await self._open()
        except BaseException:  # nobody leaves a block that was not entered: the file and the thread would stay
            await self.close()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._end(lambda session: session.__exit__(kind, error, trace))

    def __enter__(self) -> NoReturn:
        raise SessionError("asyncio opens a session by `async with AsyncSession(path) as session:`, not by `with`")

    def __exit__(self, *of: object) -> None:
        """Nothing: no block is entered."""

    async def close(self) -> None:
        """End the session, as `Session.close`; its objects are detached."""
        await self._end(Session.close)

    async def _end(self, close: Callable[[Session], None]) -> None:
        thread, self._thread = self._thread, None
        if thread is not None:
            await thread.finish(lambda: None if self._session is None else close(self._session))

    def _working(self) -> Worker:
        if self._thread is None:
            raise ClosedError(f"this session of {self._path!r} is closed: open the file again")
        return self._thread

    def _opened(self) -> Session:
        self._working()
        if self._session is None:
            raise SessionError(
                "this session has not opened its file: write `async with AsyncSession(path) as session:`, or await it"
            )
        return self._session

    def _ready(self) -> Worker:
        self._opened()
        return self._working()

    async def run_sync(self, function: Callable[Concatenate[Session, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """What `function(session, ...)` gives, run in the session's thread with the `Session` itself.

        players = await session.run_sync(lambda _: lazy(world.players).load())
        """
        return await self._working().run(function, self._opened(), *args, **kwargs)

    # -- what the next commit stores ------------------------------------------------------------------------------

    async def add(self, obj: Model, *, replace: bool = False) -> None:
        """As `Session.add`."""
        await self.run_sync(Session.add, obj, replace=replace)

    async def add_all(self, objs: Iterable[Model], *, replace: bool = False) -> None:
        """As `Session.add_all`. An iterator is read in the session's thread."""
        await self.run_sync(Session.add_all, objs, replace=replace)

    async def merge(self, obj: M) -> M:
        """As `Session.merge`."""
        return await self.run_sync(Session.merge, obj)

    async def delete(self, obj: Model) -> None:
        """As `Session.delete`."""
        await self.run_sync(Session.delete, obj)

    async def expunge(self, obj: Model) -> None:
        """As `Session.expunge`."""
        await self.run_sync(Session.expunge, obj)

    async def flush(self) -> None:
        """As `Session.flush`."""
        await self.run_sync(Session.flush)

    async def commit(self, message: str = "") -> None:
        """As `Session.commit`."""
        await self.run_sync(Session.commit, message)

    async def rollback(self) -> None:
        """As `Session.rollback`."""
        await self.run_sync(Session.rollback)

    async def is_modified(self, obj: object) -> bool:
        """As `Session.is_modified`."""
        return await self.run_sync(Session.is_modified, obj)

    @property
    def new(self) -> Awaitable[IdentitySet]:
        """As `Session.new`, to be awaited."""
        return self.run_sync(lambda session: session.new)

    @property
    def dirty(self) -> Awaitable[IdentitySet]:
        """As `Session.dirty`, to be awaited."""
        return self.run_sync(lambda session: session.dirty)

    @property
    def deleted(self) -> Awaitable[IdentitySet]:
        """As `Session.deleted`, to be awaited."""
        return self.run_sync(lambda session: session.deleted)

    async def attempts(self, count: int = 3) -> AsyncIterator[AsyncAttempt]:
        """As `Session.attempts`: ``async for attempt in session.attempts(): async with attempt: ...``."""
        thread = self._ready()
        async for attempt in thread.iterate(lambda: self._opened().attempts(count)):
            yield AsyncAttempt(attempt, thread)

    def begin_nested(self) -> AsyncSavepoint:
        """As `Session.begin_nested`: ``async with session.begin_nested(): ...``."""
        return AsyncSavepoint(self.run_sync)

    # -- what is stored -------------------------------------------------------------------------------------------

    @overload
    async def root(self, cls: type[M]) -> M: ...
    @overload
    async def root(self, cls: str | None = None) -> Any: ...
    async def root(self, cls: Any = None) -> Any:
        """As `Session.root`."""
        return await self.run_sync(Session.root, cls)

    async def roots(self) -> list[str]:
        """As `Session.roots`."""
        return await self.run_sync(Session.roots)

    async def entities(self) -> list[str]:
        """As `Session.entities`."""
        return await self.run_sync(Session.entities)

    async def models(self) -> Mapping[str, type[Any]]:
        """As `Session.models`."""
        return await self.run_sync(Session.models)

    async def get(self, cls: type[M], key: Any) -> M | None:
        """As `Session.get`."""
        return await self.run_sync(lambda session: session.get(cls, key))

    async def get_one(self, cls: type[M], key: Any) -> M:
        """As `Session.get_one`."""
        return await self.run_sync(lambda session: session.get_one(cls, key))

    async def get_or_create(
        self, cls: type[M], /, defaults: dict[str, Any] | None = None, **values: Any
    ) -> tuple[M, bool]:
        """As `Session.get_or_create`."""
        return await self.run_sync(lambda session: session.get_or_create(cls, defaults, **values))

    async def update_or_create(
        self, cls: type[M], /, defaults: dict[str, Any] | None = None, **values: Any
    ) -> tuple[M, bool]:
        """As `Session.update_or_create`."""
        return await self.run_sync(lambda session: session.update_or_create(cls, defaults, **values))

    def scalars(self, statement: Select[T]) -> AsyncScalarResult[T]:
        """As `Session.scalars`: ``await session.scalars(statement).all()``, or ``async for row in ...``."""
        session = self._opened()
        return AsyncScalarResult(self._ready, lambda: session.scalars(statement))

    async def scalar(self, statement: Select[T]) -> T | None:
        """As `Session.scalar`."""
        return await self.run_sync(lambda session: session.scalar(statement))

    @overload
    def execute(self, statement: Select[Any, R]) -> AsyncResult[R]: ...
    @overload
    def execute(self, statement: Update | Delete) -> Awaitable[int]: ...
    def execute(self, statement: Any) -> Any:
        """As `Session.execute`: ``await session.execute(select(...)).all()``; updates and deletes are awaited alone."""
        if isinstance(statement, Update | Delete):
            return self.run_sync(lambda session: session.execute(statement))
        session = self._opened()
        return AsyncResult(self._ready, lambda: session.execute(statement))

    async def explain(self, statement: Select[Any]) -> Plan:
        """As `Session.explain`."""
        return await self.run_sync(lambda session: session.explain(statement))

    async def expire(self, obj: object) -> None:
        """As `Session.expire`."""
        await self.run_sync(Session.expire, obj)

    async def expire_all(self) -> None:
        """As `Session.expire_all`."""
        await self.run_sync(Session.expire_all)

    async def refresh(self, obj: object = None) -> None:
        """As `Session.refresh`."""
        await self.run_sync(Session.refresh, obj)

    # -- commits --------------------------------------------------------------------------------------------------

    @property
    def stats(self) -> Stats:
        """As `Session.stats`."""
        return self._opened().stats

    @property
    def read_only(self) -> bool:
        """As `Session.read_only`."""
        return self._opened().read_only

    @property
    def recovered(self) -> str | None:
        """As `Session.recovered`."""
        return self._opened().recovered

    @property
    def snapshot(self) -> Awaitable[Snapshot | None]:
        """As `Session.snapshot`, to be awaited."""
        return self.run_sync(lambda session: session.snapshot)

    def history(self) -> AsyncIterator[Snapshot]:
        """As `Session.history`."""
        return self._ready().iterate(lambda: self._opened().history())

    async def diff(self, a: Any, b: Any = None, /, *classes: type[Model]) -> Diff:
        """As `Session.diff`. Iterating the result reads the file."""
        a, b = (each._opened() if isinstance(each, AsyncSession) else each for each in (a, b))
        return await self.run_sync(lambda session: session.diff(a, b, *classes))

    def changes(self, since: Any, until: Any = None, *, classes: Any = ()) -> AsyncIterator[CommitChanges]:
        """As `Session.changes`."""
        return self._ready().iterate(lambda: self._opened().changes(since, until, classes=classes))

    async def watch(self, *, timeout: float | None = None, poll: float = POLL) -> AsyncIterator[Snapshot]:
        """As `Session.watch`. It waits in a thread of its own, so the session can be used meanwhile."""
        await self.run_sync(lambda session: session.watch(timeout=timeout, poll=poll))  # checks the arguments
        thread = Worker("parcode-watch")
        looking = await thread.run(lambda: Session(self._path, read_only=self.read_only))
        try:
            found = await thread.run(lambda: looking.snapshot)
            news = await thread.run(lambda: looking.watch(timeout=timeout, poll=poll))
            while True:
                if found is not None and found != await self.snapshot:
                    yield found
                # Not awaited to its end: closing the session ends it.
                found = await asyncio.wrap_future(thread.submit(_next, looking, news))
                if found is None:
                    return
        finally:
            looking.close()
            thread.end()

    async def revert(self, to: Any, /, *, message: str | None = None) -> None:
        """As `Session.revert`."""
        await self.run_sync(Session.revert, to, message=message)

    async def compact(self, *, keep: int = 1) -> None:
        """As `Session.compact`."""
        await self.run_sync(Session.compact, keep=keep)

    async def on(self, event: Event, function: F) -> F:
        """As `Session.on`. The function is a plain one: it takes the `Session` and is called in its thread."""
        return await self.run_sync(lambda session: session.on(event, function))

    async def off(self, event: Event, function: Callable[[Any], object]) -> None:
        """As `Session.off`."""
        await self.run_sync(Session.off, event, function)


def _next(session: Session, news: Iterator[Snapshot]) -> Snapshot | None:
    """Wait for the next commit, and go on to it."""
    found = next(news, None)
    if found is not None:
        session.refresh()
    return found
