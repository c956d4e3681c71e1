"""Values of one column, some stored already: they are copied column by column, not as objects.

`[stretch, [new], stretch]` is a list of two stored parts with a new value between them. A struct
column takes it apart by field: each field's column gets the same parts of its own view, and the new
object's value between them. A column of numbers or text then reads its parts as lists, which costs
a tenth of making objects and taking these apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any

from ..base import Column, is_lazy_collection
from ..views.stretch import Stretch

Part = Stretch | list[Any]


class Mixed:
    """Values given as `parts`, in order. Columns that say `mixes` take it, others a list."""

    __slots__ = ("_ends", "parts")

    def __init__(self, parts: list[Any]) -> None:
        self.parts = parts
        sizes = [part.stop - part.start if isinstance(part, Stretch) else len(part) for part in parts]
        self._ends = list(accumulate(sizes))

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def plain(self, column: Column) -> list[Any]:
        """All values in one list."""
        found: list[Any] = []
        for part in self.parts:
            found += part.values(column) if isinstance(part, Stretch) else part
        return found

    def in_memory(self) -> list[Any]:
        """The values that are not stretches."""
        return [value for part in self.parts if isinstance(part, list) for value in part]

    def cut(self, start: int, stop: int) -> Mixed:
        """The values `start` to `stop`."""
        found: list[Part] = []
        ends = self._ends
        first = bisect_right(ends, start)
        end = bisect_left(ends, stop, first) + 1  # there are `stop` values at least
        for i in range(first, end if start < stop else first):
            part, begin = self.parts[i], ends[i - 1] if i else 0
            a, b = max(start, begin) - begin, min(stop, ends[i]) - begin
            if a < b and isinstance(part, Stretch):
                found.append(part._replace(start=part.start + a, stop=part.start + b))
            elif a < b:
                found.append(part[a:b])
        return Mixed(found)


class MixedPairs:
    """A dictionary as its keys and, in the same order, its mixed values."""

    __slots__ = ("_keys", "mixed")

    def __init__(self, keys: list[Any], mixed: Mixed) -> None:
        self._keys = keys
        self.mixed = mixed

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._keys)

    @property
    def keys(self) -> list[Any]:
        """The keys, in order."""
        return self._keys

    def plain(self, column: Column) -> dict[Any, Any]:
        """The dictionary, its values read through `column`."""
        return dict(zip(self._keys, self.mixed.plain(column), strict=True))


def unlazy(values: Sequence[Any], types: set[type]) -> Sequence[Any]:
    """`values`, of `types`, with what the codec takes in the place of lazy collections."""
    if not any(getattr(each, "_p_lazy_", False) for each in types):
        return values
    return [_unlazy(value) if is_lazy_collection(value) else value for value in values]


def _unlazy(value: Any) -> Any:
    mixed = value._p_mixed_()
    return value._p_to_store_() if mixed is None else mixed


def encode_parts(column: Column, parts: list[Part], out: Any) -> None:
    """Encode the values of `parts`: mixed where `column` takes that, else read."""
    if len(parts) == 1 and isinstance(parts[0], list):
        column.encode(parts[0], out)
    elif not any(part.start < part.stop if isinstance(part, Stretch) else part for part in parts):
        column.encode([], out)  # stretches of nothing are stored as no values are
    elif column.mixes:
        column.encode(Mixed(parts), out)  # type: ignore[arg-type]
    else:
        column.encode(Mixed(parts).plain(column), out)


def joined(parts: list[Part]) -> list[Part]:
    """The same values with neighbours joined: lists, and adjacent stretches of one view."""
    if len(parts) == 1:
        return parts
    found: list[Part] = []
    for part in parts:
        last = found[-1] if found else None
        if not isinstance(part, Stretch):
            if isinstance(last, list):
                last += part
            else:
                found.append(list(part))
        elif isinstance(last, Stretch) and last.view is part.view and last.stop == part.start:
            found[-1] = last._replace(stop=part.stop)
        elif part.start < part.stop:
            found.append(part)
    return found
