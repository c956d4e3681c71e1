"""`Hooks`: functions that a session calls before a commit, after it, and after a rollback."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar, get_args, overload

from ..errors import called, told
from .connection import Connection

Event = Literal["before_commit", "after_commit", "after_rollback"]
EVENTS: tuple[Event, ...] = get_args(Event)

F = TypeVar("F", bound=Callable[[Any], object])


class Hooks(Connection):
    """The methods of a `Session` that register functions, and that call them."""

    @overload
    def on(self, event: Event, function: F) -> F: ...
    @overload
    def on(self, event: Event) -> Callable[[F], F]: ...
    def on(self, event: Event, function: Any = None) -> Any:
        """Call `function(session)` at each `event` of this session: `session.on("before_commit", check)`.

        Without a function it is a decorator: ``@session.on("after_commit")``. Functions are called in the order in
        which they were registered, each once.

        Args:
            event: `"before_commit"`: at the beginning of each `commit()`, before anything is compared or written. The
                function may change objects of the session, and run statements; the commit stores that. If it raises,
                nothing is stored. `"after_commit"`: after a `commit()` or `revert()` that stored something. If it
                raises, the commit is stored, and a note of the exception says so. `"after_rollback"`: after a
                `rollback()`, also one by `attempts`. Savepoints have no events.
            function: takes the session. What it returns is ignored. It must not commit, roll back or close the session,
                begin a savepoint, or take the session to another commit: these methods raise `SessionError`.

        Returns:
            The function, or a decorator that returns it.

        Raises:
            ValueError: there is no such event.
            TypeError: `function` cannot be called.
        """
        self._check_open()
        known = self._called_at(event, "on")
        if function is None:
            return lambda function: self.on(event, function)
        if not callable(function):
            raise TypeError(f"on(event, function): function takes the session, and {called(function)} is no function")
        if function not in known:
            known.append(function)
        return function

    def off(self, event: Event, function: Callable[[Any], object]) -> None:
        """Do not call `function` at `event` any more.

        Raises:
            ValueError: there is no such event, or `function` is not registered for it.
        """
        self._check_open()
        known = self._called_at(event, "off")
        if function not in known:
            raise ValueError(f"off({event!r}, function): {told(function)} is not registered for this event")
        known.remove(function)

    def _called_at(self, event: Any, method: str) -> list[Callable[[Any], object]]:
        if event not in EVENTS:
            raise ValueError(f"{method}(event, function): event is one of {', '.join(EVENTS)}, not {told(event)}")
        return self._hooks.setdefault(event, [])

    def _call(self, event: Event) -> None:
        """Call the functions that are registered for an event, up to the first that raises."""
        for function in list(self._hooks.get(event, ())):
            self._calling = event
            try:
                function(self)
            except BaseException as problem:
                if event != "before_commit":
                    problem.add_note(self._done(event))
                raise
            finally:
                self._calling = ""

    def _done(self, event: str) -> str:
        what = "the rollback is done"
        if event == "after_commit":
            assert self._work.source is not None
            what = f"commit {self._work.source.record.sequence} is stored"
        return f"{what}: a function called at {event} raised this; those registered behind it were not called"
