"""A base-typed field that holds instances of subclasses: each class is an arm, named and fingerprinted.

On reading a name is looked up among the subclasses that the process knows; nothing is imported for a file's sake.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import SchemaMismatchError
from ..format.chunk import Chunk, Encoder
from ..format.layout import Encoding, Node
from .base import Space, View
from .physical import open_child
from .registry import tag_of
from .text import TextColumn
from .tuples import open_arms, write_arms

if TYPE_CHECKING:
    from .struct import StructColumn

_TEXT = TextColumn()
MAX_CLASSES = 1 << 16


def subclasses(cls: type) -> Iterator[type]:
    """`cls` and all classes below it; those generated for lazy objects are none."""
    seen = {cls}
    stack = [cls]
    while stack:
        found = stack.pop()
        yield found
        known: list[type] = type.__subclasses__(found)
        for below in known:
            if below not in seen and "_p_model_" not in below.__dict__:
                seen.add(below)
                stack.append(below)


def _column_for(column: StructColumn, cls: type) -> StructColumn:
    if cls is column.plan.cls:
        return column
    from .compile import struct_for

    found: StructColumn = struct_for(cls)
    return found


def write_poly(column: StructColumn, values: Sequence[Any], out: Encoder) -> None:
    """Append `values`, instances of subclasses of the column's class among them."""
    from .compile import fingerprint_of

    tags, positions = [], []
    rows: dict[type, list[int]] = {}
    order: dict[type, int] = {}
    for row, value in enumerate(values):
        cls = value.__class__
        tag = order.setdefault(cls, len(order))
        mine = rows.setdefault(cls, [])
        tags.append(tag)
        positions.append(len(mine))
        mine.append(row)
    columns = [_column_for(column, cls) for cls in order]

    def head() -> None:
        _TEXT.encode([tag_of(cls) for cls in order], out)
        _TEXT.encode([fingerprint_of(one) for one in columns], out)

    arms = list(zip(map(_Arm, columns), rows.values(), strict=True))
    write_arms(out, Encoding.POLY, values, tags, positions, arms, head)


class _Arm:
    """The values of one class: they stand on the level of the column that they are an arm of."""

    __slots__ = ("encode",)

    def __init__(self, column: StructColumn) -> None:
        self.encode = column.encode_arm


def open_poly(column: StructColumn, chunk: Chunk, at: int, space: Space, node: Node) -> View:
    """View a POLY node; a class is resolved when a value of it is first read."""
    children = chunk.children(at)
    if not 4 < len(children) <= MAX_CLASSES:
        raise chunk.error(at, f"{len(children)} children of classes")
    names, prints, tags, positions, *arms = children
    known = open_child(_TEXT, chunk, names, space, len(arms)).read(0, len(arms))
    found = open_child(_TEXT, chunk, prints, space, len(arms)).read(0, len(arms))
    views = [
        ArmView(column, name, fingerprint, chunk, arm, space)
        for name, fingerprint, arm in zip(known, found, arms, strict=True)
    ]
    return open_arms(chunk, at, node, tags, positions, views)


class ArmView(View):
    """The values of one class; opened at first touch, so that an unknown class is an error only where it is met."""

    __slots__ = ("column", "name", "fingerprint", "chunk", "at", "space", "_view")

    def __init__(self, column: StructColumn, name: str, fingerprint: str, chunk: Chunk, at: int, space: Space) -> None:
        self.count = chunk.nodes[at].count
        self.column = column
        self.name = name
        self.fingerprint = fingerprint
        self.chunk = chunk
        self.at = at
        self.space = space
        self._view: View | None = None

    def get(self, i: int) -> Any:
        return (self._view or self._open()).get(i)

    def read(self, start: int, stop: int) -> list[Any]:
        return (self._view or self._open()).read(start, stop)

    @property
    def opened(self) -> View:
        """The view of the values, whose class must be known."""
        return self._view or self._open()

    def _open(self) -> View:
        from .compile import fingerprint_of

        base = self.column.plan.cls
        named = list(named_classes(base, self.name))
        if not named:
            raise SchemaMismatchError(
                f"a {base.__qualname__} is stored as {self.name}, a subclass that this process does not know; "
                "import the module that defines it before reading"
            )
        columns = [_column_for(self.column, cls) for cls in named]
        found = [column for column in columns if fingerprint_of(column) == self.fingerprint]
        if not found:
            raise SchemaMismatchError(f"{self.name} is stored in another shape than the class has now")
        modules = sorted({column.plan.cls.__module__ for column in found})
        if len(modules) > 1:
            raise SchemaMismatchError(
                f"a {base.__qualname__} is stored as {self.name}, and of that name and shape there are several: in the "
                f"modules {', '.join(modules)}"
            )
        self._view = open_child(found[-1], self.chunk, self.at, self.space, self.count)
        return self._view


def named_classes(base: type, name: str) -> list[type]:
    """The subclasses of `base` that the class name stands for, older ones first where a class was defined anew.

    A class that is in another module now (`__main__` here, `game` there) is known by its qualified name alone.
    """
    known = list(subclasses(base))
    found = [cls for cls in known if tag_of(cls) == name]
    return found or [cls for cls in known if cls.__qualname__ == name.partition(":")[2]]
