"""Views over rows of an older schema that give what today's class has."""

from __future__ import annotations

from typing import Any

from ...errors import SchemaMismatchError, told
from ...format.chunk import Chunk
from ..asis import stays
from ..base import Space, View
from ..views.boundary import MarkedView, ReferenceView
from ..views.containers import ListView, MapView
from ..views.nodes import NullView, OptionalView, locate
from ..views.stretch import Stretch
from .values import Change, Unfit, in_bulk


class Place:
    """Where a value stands, for messages: `name` is class and field; types are as a user writes them."""

    __slots__ = ("name", "new", "old")

    def __init__(self, name: str, old: str, new: str) -> None:
        self.name = name
        self.old = old
        self.new = new

    def error(self, value: Any, why: object, chunk: Chunk | None, row: int) -> SchemaMismatchError:
        """The error for a value that does not fit the class as it is now."""
        where = "in the file"
        if chunk is not None:
            path, offset = chunk.where
            where = f"value {row} of the chunk at byte {offset} of {path or 'the file'}"
        model, _, field = self.name.partition(".")
        ways = "write a migration that changes it, "
        if field:
            ways = f"assign another value here, or {ways}AlterField({model!r}, {field!r}, ...)"
        else:  # a key, which is not assigned
            ways += "RunPython(...)"
        return SchemaMismatchError(
            f"{self.name}: {told(value)}, {where}, was stored as {self.old} and is not what the class declares now, "
            f"{self.new} ({why}): {ways}"
        )


class ChangedView(View):
    """Values of an older type, each changed to the type that the class declares now when it is read."""

    __slots__ = ("change", "chunk", "inner", "place")

    def __init__(self, inner: View, change: Change, place: Place, chunk: Chunk) -> None:
        self.count = inner.count
        self.inner = inner
        self.change = change
        self.place = place
        self.chunk = chunk

    def get(self, i: int) -> Any:
        return self._changed(self.inner.read(i, i + 1), i)[0]

    def read(self, start: int, stop: int) -> list[Any]:
        return self._changed(self.inner.read(start, stop), start)

    def _changed(self, values: list[Any], first: int) -> list[Any]:
        change = self.change
        at_once = in_bulk(change, values) if len(values) > 1 else None
        if at_once is not None:
            return at_once
        found: list[Any] = []
        for row, value in enumerate(values, first):
            try:
                found.append(change(value))
            except Unfit as problem:
                if not stays():
                    raise self.place.error(value, problem, self.chunk, row) from problem.__cause__
                found.append(value)
        return found


class _CheckedView(View):
    """Values that may not fit the type that the class declares now."""

    __slots__ = ("chunk", "inner", "place")

    def __init__(self, inner: View, place: Place, chunk: Chunk) -> None:
        self.count = inner.count
        self.inner = inner
        self.place = place
        self.chunk = chunk


class PresentView(_CheckedView):
    """Values that may be stored as None, which the class refuses now."""

    __slots__ = ()

    def get(self, i: int) -> Any:
        value = self.inner.get(i)
        if value is None:
            raise self._error(i)
        return value

    def read(self, start: int, stop: int) -> list[Any]:
        values = self.inner.read(start, stop)
        if any(value is None for value in values):
            raise self._error(start + next(row for row, value in enumerate(values) if value is None))
        return values

    def arm(self, i: int) -> tuple[View, int]:
        """The view that has value `i`, found to be one, and its place there."""
        found = locate(self.inner, i)
        if found is None:
            raise self._error(i)
        return found

    def _error(self, row: int) -> SchemaMismatchError:
        return self.place.error(None, "None is not allowed", self.chunk, row)


def present(view: View, place: Place, chunk: Chunk) -> View:
    """`view`, where it may hold None as one that refuses it."""
    return PresentView(view, place, chunk) if isinstance(view, OptionalView | NullView) else view


class DistinctView(_CheckedView):
    """Sets and dictionaries: two items or keys of one that are equal now are an error, as one would be lost.

    `arm` leads to where a value is stored, as an arm of a union does.
    """

    __slots__ = ()

    def get(self, i: int) -> Any:
        return self._checked([self.inner.get(i)], i)[0]

    def read(self, start: int, stop: int) -> list[Any]:
        return self._checked(self.inner.read(start, stop), start)

    def arm(self, i: int) -> tuple[View, int]:
        """The view that has value `i`, found to be sound, and its place there."""
        self._checked(self.inner.read(i, i + 1), i)
        return self.inner, i

    def _checked(self, values: list[Any], first: int) -> list[Any]:
        view = self.inner
        for row, value in enumerate(values, first):
            found = locate(view, row)
            if found is not None and isinstance(found[0], ListView | MapView):
                a, b = found[0].bounds(found[1])
                if len(value) != b - a:
                    raise self.place.error(value, "two of its items are equal now", self.chunk, row)
        return values


class AsMarkedView(View):
    """Inline collections, read as lazy ones for a field that is marked now."""

    __slots__ = ("column", "inner", "space")

    def __init__(self, inner: View, column: Any, space: Space) -> None:
        self.count = inner.count
        self.inner = inner
        self.column = column
        self.space = space

    def get(self, i: int) -> Any:
        column = self.column
        found = locate(self.inner, i) if column.is_list or column.is_map else None
        if found is not None:
            view, at = found
            if isinstance(view, ListView) and view.factory is list:
                return self.space.lazy_list(column, view.items, *view.bounds(at), i)
            if isinstance(view, MapView):
                return self.space.lazy_map(column, view.keys, view.items, *view.bounds(at), i)
        return self.inner.get(i)

    def read(self, start: int, stop: int) -> list[Any]:
        return self.inner.read(start, stop)


class AsInlineView(View):
    """Values of a field that was marked, read as inline ones: no collection is lazy."""

    __slots__ = ("inner",)

    def __init__(self, inner: View) -> None:
        self.count = inner.count
        self.inner = inner

    def get(self, i: int) -> Any:
        found = locate(self.inner, i)
        if found is None:
            return None
        view, at = found
        if isinstance(view, MarkedView):
            (place,) = view.places(at, at + 1)
            if isinstance(place, Stretch) and isinstance(place.view, ReferenceView):
                return place.view.inner.get(place.start)
        return view.read(at, at + 1)[0]

    def read(self, start: int, stop: int) -> list[Any]:
        return self.inner.read(start, stop)
