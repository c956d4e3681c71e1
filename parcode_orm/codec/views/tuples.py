"""Values that have places, or stand in one of several arms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...format.chunk import Chunk
from ...format.layout import Node
from ..base import View
from .nodes import read_numbers


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
