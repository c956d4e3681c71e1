"""`Savepoint`: a state of the session's objects in memory to go back to, without the file."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from ..errors import SessionError
from ..lazy.proxy import is_proxy
from .expire import Reset, names_met
from .memento import Memento

if TYPE_CHECKING:
    from .unit_of_work import UnitOfWork


class Savepoint:
    """What `Session.begin_nested` gives: the state of the session at that time.

    In a `with` statement an exception goes back to that state, and goes on; without one, what was changed is kept.
    The session's `commit()`, `rollback()` and `close()` end it, as does the end of a savepoint that it
    began in.
    """

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work
        self._state: _State | None = _State(work)
        work.savepoints.append(self)

    @property
    def is_active(self) -> bool:
        """Whether it can still be committed or rolled back."""
        return self._state is not None

    def __repr__(self) -> str:
        return f"<Savepoint {'active' if self.is_active else 'ended'}>"

    def commit(self) -> None:
        """End the savepoint and the savepoints inside it. The changes stay, for the session's next commit.

        Raises:
            SessionError: it has ended already.
        """
        self._check_active()
        self._work.thread.check()
        self._work.end_savepoints(self)

    def rollback(self) -> None:
        """Take every change since the savepoint back, and end it.

        Objects that were in memory are again as they were, and the objects they were: lists, sets, dictionaries and
        arrays, too. What was read since shows again what is stored, and stays attached, but for plain values that were
        handed out since. What was added since is no longer part of the session, and stays as it is.

        Raises:
            SessionError: it has ended already, or an array changed its type or its buffer is in use;
                all else is as it was then.
        """
        state = self._check_active()
        self._work.thread.check()
        self._work.halfway = True  # until all is done: an interrupt may leave anything half put back
        self._work.end_savepoints(self)
        problems = state.put_back(self._work)
        self._work.halfway = False
        if problems:
            raise SessionError(
                f"not all could be put back as it was at the savepoint, but all else was: {'; '.join(problems)}"
            )

    def end(self) -> None:
        """The session calls this when nothing can go back to the savepoint. Programs call `commit` or `rollback`."""
        self._state = None

    def _check_active(self) -> _State:
        if self._state is None:
            raise SessionError(
                "this savepoint has ended (it was committed or rolled back, or the session or an outer savepoint was): "
                "begin another one"
            )
        return self._state

    def __enter__(self) -> Self:
        self._check_active()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._state is not None:
            if error is None:
                self.commit()
            else:
                self.rollback()


class _State:
    """The roots of a session, and all that is in memory for it."""

    def __init__(self, work: UnitOfWork) -> None:
        self._roots = dict(work.roots)
        self._settled = dict(work.settled)
        self._deleted = dict(work.deleted)
        roots = [*self._roots.values(), *self._settled.values(), *self._deleted.values()]
        self._read = [(root, root.read, dict(root.gone), list(root.numbered)) for root in roots]
        self.memento = Memento([root.obj for root in roots] + work.in_memory(), work.owner)

    def put_back(self, work: UnitOfWork) -> list[str]:
        """Let all be as it was; what could not be, a line each."""
        memento = self.memento
        since = work.in_memory()  # they must outlive this: what was changed through them is to be found
        unread = [(proxy, names_met(proxy) - known) for proxy, known in memento.proxies if is_proxy(proxy)]
        problems = memento.put_back()
        self._put_roots_back(work)
        if work.own():
            reset = Reset(work.owner, memento.known)
            for collection, rows, state in memento.rows:
                collection.rows = rows
                reset.bring_back(rows, state)
                rows.go_back(state, reset.keep)
            for proxy, names in unread:
                reset.fields(proxy, names, {})
            reset.everything((), work.own(), work.lost())
        del since
        return problems

    def _put_roots_back(self, work: UnitOfWork) -> None:
        for root, read, gone, numbered in self._read:
            root.read = read
            root.go_back(gone, numbered)
        known = {id(root) for root, *_ in self._read}
        for root in work.roots.values():
            if id(root) not in known:
                root.drop_pending()
        found = [root for name, root in work.settled.items() if name not in self._settled]
        lost = [root for name, root in work.settled.items() if self._settled.get(name, root) is not root]
        work.roots, work.settled, work.deleted = self._roots, self._settled, self._deleted
        for root in found:  # first read since
            work.settled[root.name] = root
            work.roots.setdefault(root.name, root)
        for root in lost:
            work.detach(root)
