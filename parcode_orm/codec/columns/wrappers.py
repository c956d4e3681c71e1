"""Columns around a column: values that may be None, and values stored as those of another type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import EncodeError, ParcodeError
from ...format.chunk import Chunk, Encoder
from ...format.layout import Encoding
from .. import trail
from ..asis import AsIs, gives_stand_ins
from ..base import Column, Space, View
from .physical import Physical, open_optional, write_gaps, write_optional


class OptionalColumn(Column):
    """`T | None`. Without a None the inner column stands alone.

    `declared` is False where only a default of None, which is not validated, brings None in.
    """

    __slots__ = ("declared", "inner")

    def __init__(self, inner: Column, *, declared: bool = True) -> None:
        self.inner = inner
        self.declared = declared

    @property
    def lazy(self) -> bool:
        return bool(getattr(self.inner, "lazy", False))

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        present = [value for value in values if value is not None]
        if len(present) < len(values):
            write_optional(self.inner, values, out, present)
        else:
            self.inner.encode(values, out)

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        node = chunk.nodes[at]
        if node.encoding == Encoding.OPTIONAL:
            return open_optional(self.inner, chunk, at, space, node)
        return self.inner.view(chunk, at, space)

    def describe(self) -> Any:
        return {"optional": self.inner.describe()} if self.declared else self.inner.describe()


class ConvertColumn(Physical):
    """Values of `types`, stored as what `to_stored` makes of them in bulk; `from_stored` goes back."""

    __slots__ = ("inner", "name", "types", "to_stored", "from_stored", "expected")

    def __init__(
        self,
        inner: Column,
        name: str,
        types: tuple[type, ...],
        to_stored: Callable[[list[Any]], list[Any]],
        from_stored: Callable[[list[Any]], list[Any]],
    ) -> None:
        self.inner = inner
        self.name = name
        self.types = types
        self.to_stored = to_stored
        self.from_stored = from_stored
        self.expected = name

    def encode(self, values: Sequence[Any], out: Encoder) -> None:
        if not values:
            out.leaf(Encoding.EMPTY, 0)
            return
        types = set(map(type, values))
        if type(None) in types and type(None) not in self.types:
            write = write_optional if object in self.types else write_gaps
            write(self, values, out)
            return
        if AsIs in types:
            self.inner.encode(self._stored_or_as_is(values), out)
            return
        if not types.issubset(self.types) and not all(issubclass(t, self.types) for t in types):
            raise trail.first_misfit(values, self.types, self.expected)
        self.inner.encode(self.stored(values, types), out)

    def stored(self, values: Sequence[Any], types: set[type]) -> list[Any]:
        """What is stored for `values`, of the classes `types`.

        Raises:
            EncodeError: a value of a subclass would come back as another one.
        """
        stored = self._stored(values)
        if not types.issubset(self.types) and object not in self.types:
            self._check_subclasses(values, stored)
        return stored

    def _check_subclasses(self, values: Sequence[Any], stored: list[Any]) -> None:
        """Raise EncodeError where a value of a subclass would come back as another one."""
        for row, value in enumerate(values):
            cls = value.__class__
            if cls not in self.types and (back := self.from_stored([stored[row]])[0].__class__) is not cls:
                message = f"{cls.__qualname__}, a subclass, would come back as {back.__qualname__}"
                remedy = f"call parcode_orm.register({cls.__name__})"
                raise trail.at(EncodeError(f"{message}: {remedy}", value_type=cls), row)

    def _stored_or_as_is(self, values: Sequence[Any]) -> list[Any]:
        known = [value for value in values if type(value) is not AsIs]
        stored = iter(self._stored(known))
        found = []
        for row, value in enumerate(values):
            mine = value.column is self if type(value) is AsIs else isinstance(value, self.types)
            if not mine:
                raise trail.misfit(values, row, self.expected)
            found.append(value.stored if type(value) is AsIs else next(stored))
        return found

    def _stored(self, values: Sequence[Any]) -> list[Any]:
        try:
            return self.to_stored(list(values))
        except Exception as problem:
            if isinstance(problem, ParcodeError | RecursionError) and not isinstance(problem, EncodeError):
                raise
        for row, value in enumerate(values):  # once more, one by one, to find which it was
            try:
                self.to_stored([value])
            except EncodeError as problem:
                raise trail.at(problem, row) from problem.__cause__
            except RecursionError:
                raise
            except Exception as problem:
                message = f"cannot be stored as {self.name}: {problem}"
                raise trail.at(EncodeError(message, value_type=type(value)), row) from problem
        raise EncodeError(f"cannot be stored as {self.name}")

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        node = chunk.nodes[at]
        if node.encoding == Encoding.OPTIONAL and type(None) not in self.types:
            return open_optional(self, chunk, at, space, node)
        return ConvertView(self.inner.view(chunk, at, space), self, chunk, at)

    def describe(self) -> Any:
        return {"convert": self.name, "stored": self.inner.describe()}


class ConvertView(View):
    """Values made from those of `inner`."""

    __slots__ = ("inner", "column", "chunk", "at")

    def __init__(self, inner: View, column: ConvertColumn, chunk: Chunk, at: int) -> None:
        self.count = inner.count
        self.inner = inner
        self.column = column
        self.chunk = chunk
        self.at = at

    def get(self, i: int) -> Any:
        return self._convert([self.inner.get(i)])[0]

    def read(self, start: int, stop: int) -> list[Any]:
        return self._convert(self.inner.read(start, stop))

    def _convert(self, stored: list[Any]) -> list[Any]:
        try:
            values = self.column.from_stored(stored)
        except RecursionError:
            raise
        except Exception as problem:
            if gives_stand_ins():
                if len(stored) == 1:
                    return [AsIs(self.column, stored[0], problem)]
                return [value for one in stored for value in self._convert([one])]
            if isinstance(problem, ParcodeError):
                raise
            raise self.chunk.error(self.at, f"not a stored {self.column.name}: {problem}") from problem
        if len(values) != len(stored):
            raise self.chunk.error(self.at, f"{len(values)} values of {self.column.name} from {len(stored)}")
        return values
