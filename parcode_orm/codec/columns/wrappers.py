"""Columns around a column: values that may be None, and values stored as another type."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from ...errors import EncodeError, ParcodeError
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding
from .. import trail
from ..apart import present, types_of
from ..asis import AsIs
from ..base import Column, Space, View, is_lazy
from ..packed.blobs import ANY_KIND
from ..views.nodes import ConstantView, DictionaryView, NullView, OptionalView, PackedView, open_optional
from ..views.stretch import Stretch
from ..views.tuples import open_mixed
from ..views.wrappers import ConvertView
from .mixed import Mixed, Part, encode_parts, joined
from .physical import Physical, write_gaps, write_optional, write_present


class Around(Column):
    """A column around `inner`."""

    __slots__ = ("inner",)
    inner: Column

    @property
    def lazy(self) -> bool:
        return is_lazy(self.inner)

    def parts(self) -> Sequence[Column]:
        return (self.inner,)


class OptionalColumn(Around):
    """`T | None`. Without a None the inner column stands alone.

    `declared` is False where only a default of None, which is not validated, brings None in.
    """

    __slots__ = ("declared", "mixes")

    def __init__(self, inner: Column, *, declared: bool = True) -> None:
        self.inner = inner
        self.mixes = inner.mixes
        self.declared = declared

    def encode(self, values: Any, out: Encoder) -> None:
        if type(values) is Mixed:
            found = _present(values)
            if found is not None:
                flags, parts = found
                if all(flags):
                    encode_parts(self.inner, parts, out)
                else:
                    write_present(self.inner, flags, parts, out)
                return
            values = values.plain(self)
        there = present(values)
        if there is None:
            self.inner.encode(values, out)
        else:
            write_optional(self.inner, values, out, there)

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        node = chunk.nodes[at]
        if node.encoding == Encoding.OPTIONAL:
            return open_optional(self.inner, chunk, at, space, node)
        return self.inner.view(chunk, at, space)

    def describe(self) -> Any:
        return {"optional": self.inner.describe()} if self.declared else self.inner.describe()


def _present(mixed: Mixed) -> tuple[list[bool], list[Part]] | None:
    """Which of mixed values are not None, and these; None where a part is stored in another way."""
    flags: list[bool] = []
    found: list[Part] = []
    for part in mixed.parts:
        if not isinstance(part, Stretch):
            flags += [value is not None for value in part]
            found.append([value for value in part if value is not None])
        elif type(part.view) is OptionalView:
            here, first = part.view.present_in(part.start, part.stop)
            flags += here
            found.append(Stretch(part.view.present, first, first + sum(here), part.apart))
        elif type(part.view) is NullView:
            flags += [False] * (part.stop - part.start)
        elif type(part.view) in (ConstantView, DictionaryView, PackedView):
            return None
        else:
            flags += [True] * (part.stop - part.start)
            found.append(part)
    return flags, joined(found)


class ConvertColumn(Physical):
    """Values of `types`, stored as what `to_stored` makes of them; `from_stored` goes back.

    `about` is what the schema says of the type besides: the members of an enum.
    """

    __slots__ = ("about", "inner", "name", "types", "to_stored", "from_stored", "expected")
    blob_kinds = ANY_KIND

    def __init__(
        self,
        inner: Column,
        name: str,
        types: tuple[type, ...],
        to_stored: Callable[[list[Any]], list[Any]],
        from_stored: Callable[[list[Any]], list[Any]],
        about: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self.about = about
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
        types = types_of(values)
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
        if node.encoding == Encoding.MIXED:
            return open_mixed(self, chunk, at, space, node)
        return ConvertView(self.inner.view(chunk, at, space), self, chunk, at)

    def parts(self) -> Sequence[Column]:
        return (self.inner,)

    def describe(self) -> Any:
        return {"convert": self.name, "stored": self.inner.describe(), **self.about}
