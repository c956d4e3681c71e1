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
from .text import TextColumn
from .tuples import open_arms, write_arms

if TYPE_CHECKING:
    from .struct import StructColumn

_TEXT = TextColumn()
MAX_CLASSES = 1 << 16


def class_name(cls: type) -> str:
    """What stands for a class in a file."""
    return f"{cls.__module__}:{cls.__qualname__}"


def subclasses(cls: type) -> Iterator[type]:
    """`cls` and all classes below it."""
    seen = {cls}
    stack = [cls]
    while stack:
        found = stack.pop()
        yield found
        known: list[type] = type.__subclasses__(found)
        for below in known:
            if below not in seen:
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
        _TEXT.encode([class_name(cls) for cls in order], out)
        _TEXT.encode([fingerprint_of(one) for one in columns], out)

    arms = list(zip(columns, rows.values(), strict=True))
    write_arms(out, Encoding.POLY, values, tags, positions, arms, head)


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

    def _open(self) -> View:
        from .compile import fingerprint_of

        base = self.column.plan.cls
        found = [cls for cls in subclasses(base) if class_name(cls) == self.name]
        if not found:
            raise SchemaMismatchError(
                f"a {base.__qualname__} is stored as {self.name}, a subclass that this process does not know; "
                "import the module that defines it before reading"
            )
        for cls in reversed(found):  # a class defined anew comes after the old one of the same name
            column = _column_for(self.column, cls)
            if fingerprint_of(column) == self.fingerprint:
                self._view = open_child(column, self.chunk, self.at, self.space, self.count)
                return self._view
        raise SchemaMismatchError(f"{self.name} is stored in another shape than the class has now")
