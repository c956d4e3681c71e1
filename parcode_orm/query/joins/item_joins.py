"""Joins by the items of lists: `join(Label, Issue.labels.contains(Label.name))` looks each item up."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple, get_origin

import numpy as np

from ...model.annotations import arms, present
from ...model.kinds import item_type, kinds_of
from ...model.references import referred_class
from ..columns.operators import keyed
from ..columns.vectors import Vector
from ..expressions.expressions import Expression
from ..expressions.nodes import Field, Key, Of, Operation
from .join_keys import Matches

_HOLDERS = (list, tuple, set, frozenset)


class Inside(NamedTuple):
    """The fields of a condition that the list of one side of a join contains the value of the other side.

    Attributes:
        key: the field of the rows so far.
        other: the field of the source that is joined.
        lists: whether `key` holds the lists; else `other` does.
    """

    key: Expression[Any]
    other: Expression[Any]
    lists: bool


def inside(condition: Expression[bool], placed: set[int], place: int) -> Inside | None:
    """What a condition says of lists and items of the sources `placed` and the source `place`; None for another one."""
    if not isinstance(condition, Operation) or condition._operator != "contains":
        return None
    lists, value = condition._args
    if not (isinstance(lists, Of) and isinstance(value, Of) and isinstance(lists._of, Field)):
        return None
    if get_origin(present(lists._tp)) not in _HOLDERS or not _has_hash(item_type(lists._tp)):
        return None
    if not (isinstance(value._of, Key) or _has_hash(value._tp)):
        return None
    if lists._number in placed and value._number == place:
        return Inside(lists, value, lists=True)
    if value._number in placed and lists._number == place:
        return Inside(value, lists, lists=False)
    return None


def _has_hash(tp: Any) -> bool:
    return kinds_of(tp) is not None or any(referred_class(arm) is not None for arm in arms(tp))


class Members:
    """Which rows of the source of a join have which value, or which item.

    What it finds is no more than a choice: the condition is asked of the pairs as well. So it may find a pair too many,
    but never one too few.
    """

    def __init__(self, condition: Inside, vector: Vector) -> None:
        """Takes the values of `condition.other` for all rows of the source."""
        self._lists = condition.lists
        self._rows: dict[Any, list[int]] = {}
        for row, value in enumerate(vector.tolist()):
            for each in (keyed(value),) if self._lists else _items(value):
                self._rows.setdefault(each, []).append(row)

    def find(self, vector: Vector) -> Matches:
        """The rows that fit rows with these values of `condition.key`."""
        counts: list[int] = []
        order: list[int] = []
        for value in vector.tolist():
            found: Iterable[int] = self._of_list(value) if self._lists else self._rows.get(keyed(value), ())
            before = len(order)
            order += found
            counts.append(len(order) - before)
        ends = np.array(counts, np.int64)
        return Matches(None, ends, np.cumsum(ends) - ends, np.array(order, np.int64))

    def _of_list(self, value: Any) -> list[int]:
        found = [self._rows.get(each, ()) for each in _items(value)]
        return sorted({row for rows in found for row in rows})


def _items(value: Any) -> Iterable[Any]:
    """The different items of a list in a row; none where there is no list."""
    return () if value is None else dict.fromkeys(keyed(value))
