"""A unit of work that is repeated where another session committed first."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self

from ..errors import ConflictError, SessionError


class Attempt:
    """One attempt of a unit of work: ``with attempt:`` takes a `ConflictError` of the session, unless it is the last.

    Attributes:
        number: which one it is, an int from 1 on.
        last: whether there is none after it, a bool.
    """

    def __init__(self, number: int, *, last: bool, give_way: Callable[[], bool]) -> None:
        self.number = number
        self.last = last
        self._done: bool | None = None  # None: not begun
        self._give_way = give_way

    def __enter__(self) -> Self:
        self._done = False
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        self._done = error is None
        return isinstance(error, ConflictError) and not self.last and self._give_way()

    def __repr__(self) -> str:
        return f"<Attempt {self.number}{', the last' if self.last else ''}>"


def attempts(count: int, give_way: Callable[[], bool]) -> Iterator[Attempt]:
    """Up to `count` attempts, until one has ended without an exception.

    `give_way` takes the session to the newest commit after a conflict; it returns whether the conflict was its own.
    """
    for number in range(1, count + 1):
        attempt = Attempt(number, last=number == count, give_way=give_way)
        yield attempt
        if attempt._done is None:
            raise SessionError("an attempt was not used: write `with attempt:` around the unit of work")
        if attempt._done:
            return
