"""`IdentitySet`: objects told apart by `is`, as models need not be hashable and equal ones are not the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import BaseModel

from ..lazy.shown import listed, text_of


class IdentitySet:
    """A set of objects by identity, in the order they were given; it does not change.

    `len`, iteration, `in`, and `==` with another one.
    """

    __slots__ = ("_members",)

    def __init__(self, members: Iterable[object] = ()) -> None:
        self._members = {id(each): each for each in members}

    def __contains__(self, obj: object) -> bool:
        return id(obj) in self._members

    def __iter__(self) -> Iterator[object]:
        return iter(self._members.values())

    def __len__(self) -> int:
        return len(self._members)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IdentitySet):
            return NotImplemented
        return self._members.keys() == other._members.keys()

    def __repr__(self) -> str:
        texts = (f"<{type(each).__qualname__}>" if isinstance(each, BaseModel) else text_of(each) for each in self)
        return f"IdentitySet([{listed(texts, len(self), str)}])"
