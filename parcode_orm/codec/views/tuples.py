"""Values that have places, or stand in one of several arms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import SchemaMismatchError, told
from ...format.chunk import Chunk
from ...format.layout import Encoding, Node
from ..base import Column, Space, View
from ..packed.dumped import Dumped
from .nodes import PackedView, child_nodes, open_child, read_blocks, read_numbers, wrapped
from .wrappers import EachView


class TupleView(View):
    """Tuples put together from the views of their places."""

    __slots__ = ("items",)

    def __init__(self, items: list[View], count: int) -> None:
        self.count = count
        self.items = items

    def get(self, i: int) -> Any:
        return tuple([item.get(i) for item in self.items])

    def read(self, start: int, stop: int) -> list[Any]:
        if not self.items:
            return [()] * (stop - start)
        return list(zip(*[item.read(start, stop) for item in self.items], strict=True))


def open_arms(chunk: Chunk, at: int, node: Node, tags: int, positions: int, views: Sequence[View]) -> ArmsView:
    """View tags and positions over arms; every value must stand in its arm."""
    numbers = read_numbers(chunk, tags, node.count), read_numbers(chunk, positions, node.count)
    if sum(arm.count for arm in views) != node.count:
        raise chunk.error(at, "the arms hold more or fewer values than there are rows")
    return ArmsView(*numbers, views, chunk, at)


def open_mixed(column: Column, chunk: Chunk, at: int, space: Space, node: Node) -> View:
    """View a MIXED node by a column that has no validators, though one that wrote it had some."""
    tags, positions, first, second = child_nodes(chunk, at, 4)
    counts = chunk.nodes[first].count, chunk.nodes[second].count
    others = EachView(open_child(_PACKED, chunk, second, space, counts[1]), _not_dumped)
    return open_arms(chunk, at, node, tags, positions, [open_child(column, chunk, first, space, counts[0]), others])


class _Packed(Column):
    """Packed values."""

    __slots__ = ()

    def view(self, chunk: Chunk, at: int, space: Space) -> View:
        node = chunk.nodes[at]
        if node.encoding == Encoding.PACKED:
            return PackedView(*read_blocks(chunk, at, node), chunk, at)
        return wrapped(self, chunk, at, space, node)


_PACKED = _Packed()


def _not_dumped(value: Any) -> Any:
    """A value that a validator made, which the field had once; refuses one that Pydantic dumped for it."""
    if type(value) is Dumped:
        raise SchemaMismatchError(
            f"a value was stored as Pydantic dumped it ({told(value.content)}), for validators that the field has "
            "no more: give them back to the field, or assign another value here"
        )
    return value


class ArmsView(View):
    """Values that stand in one of several views; positions count up within each."""

    __slots__ = ("tags", "positions", "arms", "chunk", "at")

    def __init__(self, tags: memoryview, positions: memoryview, arms: Sequence[View], chunk: Chunk, at: int) -> None:
        self.count = len(tags)
        self.tags = tags
        self.positions = positions
        self.arms = arms
        self.chunk = chunk
        self.at = at

    def arm(self, i: int) -> tuple[View, int]:
        """The view that holds value `i`, and its place there."""
        tag, position = self.tags[i], self.positions[i]
        if tag >= len(self.arms) or position >= self.arms[tag].count:
            raise self.chunk.error(self.at, f"value {i} is {position} of arm {tag}")
        return self.arms[tag], position

    def get(self, i: int) -> Any:
        view, position = self.arm(i)
        return view.get(position)

    def read(self, start: int, stop: int) -> list[Any]:
        tags, positions = self.tags[start:stop].tolist(), self.positions[start:stop].tolist()
        ends: dict[int, list[int]] = {}  # positions count up, so an arm's values here are one slice
        for tag, position in zip(tags, positions, strict=True):
            end = ends.setdefault(tag, [position, position])
            if end[1] != position:
                raise self.chunk.error(self.at, f"positions of arm {tag} do not count up")
            end[1] = position + 1
        following = {}
        for tag, (a, b) in ends.items():
            if tag >= len(self.arms) or b > self.arms[tag].count:
                raise self.chunk.error(self.at, f"values up to {b} of arm {tag}")
            following[tag] = iter(self.arms[tag].read(a, b)).__next__
        return [following[tag]() for tag in tags]
