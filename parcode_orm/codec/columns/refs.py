"""`RefColumn`: references to entities, stored as the keys of their targets."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from types import NoneType
from typing import Any

from ...errors import DanglingError, with_article
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding
from .. import trail
from ..apart import types_of
from ..asis import AsIs
from ..base import Column, Space, View
from ..classes.names import name_of
from ..entity_keys import key_of
from ..refs import Ref, make_ref
from ..views.nodes import open_optional
from ..views.refs import RefView
from ..views.stretch import Stretch
from ..views.tuples import open_mixed
from .mixed import Mixed, encode_parts
from .physical import write_gaps
from .wrappers import ConvertColumn


class RefColumn(ConvertColumn):
    """References to objects of `cls`, by key; `inner` is the column of the keys, `called` the name of `cls`.

    It takes a `Ref`, an object of `cls` or a key, and tells the sink which keys it writes.
    """

    __slots__ = ("called", "cls", "mixes")

    def __init__(self, cls: type[Any], called: str, inner: Column) -> None:
        super().__init__(inner, "Ref", (Ref, cls), self.keys, self._refs)
        self.cls = cls
        self.called = called
        self.mixes = inner.mixes
        self.expected = f"{with_article(cls.__qualname__)}, a reference to one, or its key"

    def encode(self, values: Any, out: Encoder) -> None:
        if type(values) is Mixed:
            parts: list[Any] = []
            for part in values.parts:
                if not isinstance(part, Stretch):
                    parts.append(self._told(part, out))
                elif type(part.view) is RefView:
                    parts.append(part._replace(view=part.view.inner))
                else:
                    break
            else:
                encode_parts(self.inner, parts, out)
                return
            values = values.plain(self)
        if not values:
            out.leaf(Encoding.EMPTY, 0)
        elif NoneType in types_of(values):
            write_gaps(self, values, out)
        else:
            self.inner.encode(self._told(values, out), out)

    def _told(self, values: Sequence[Any], out: Encoder) -> list[Any]:
        """The keys of the references, which are written next. Reports them to the sink."""
        keys = self.keys(list(values))
        if not all(issubclass(cls, Hashable) for cls in types_of(keys)):
            row = next(row for row, key in enumerate(keys) if not isinstance(key, Hashable))
            raise trail.misfit(values, row, self.expected)
        fresh = []
        for space in {value._space for value in values if type(value) is Ref}:
            here = [row for row, value in enumerate(values) if type(value) is Ref and value._space is space]
            try:
                if out.sink.is_fresh(space):
                    fresh += [values[row] for row in here]
            except DanglingError as problem:
                raise trail.at(problem, here[0]) from None
        out.sink.refer(self.cls, keys, fresh)
        return keys

    def keys(self, values: list[Any]) -> list[Any]:
        """What is stored of references, objects and keys.

        Raises:
            DanglingError: an object has no key yet.
            EncodeError: a value refers to something else.
        """
        if types_of(values) == {Ref} and {value._cls for value in values} == {self.cls}:
            found = [key_of(value._target) if value._key is None else value._key for value in values]
            if None in found:
                raise trail.at(_without_key(self.cls), found.index(None))
            return found
        found = []
        for row, value in enumerate(values):
            if type(value) is AsIs:
                found.append(value.stored)
                continue
            if type(value) is Ref and (value._cls is self.cls or name_of(value._cls) == self.called):
                key = value.key  # of a class of this name that is defined anew, too
            elif value.__class__ is self.cls:
                key = key_of(value)
            elif type(value) is Ref:
                raise trail.misfit(values, row, self.expected)
            else:
                found.append(value)
                continue
            if key is None:
                raise trail.at(_without_key(self.cls), row)
            found.append(key)
        return found

    def _refs(self, keys: list[Any]) -> list[Any]:
        return [make_ref(self.cls, key) for key in keys]

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        node = chunk.nodes[at]
        if node.encoding == Encoding.OPTIONAL:
            return open_optional(self, chunk, at, space, node)
        if node.encoding == Encoding.MIXED:
            return open_mixed(self, chunk, at, space, node)
        return RefView(self.inner.view(chunk, at, space), self, chunk, at, self.cls, space)

    def describe(self) -> Any:
        return {"convert": self.name, "ref": self.called, "stored": self.inner.describe()}


def _without_key(cls: type[Any]) -> DanglingError:
    return DanglingError(
        f"refers to {with_article(cls.__qualname__)} that has no key, as it was not added: session.add(obj) adds it"
    )
