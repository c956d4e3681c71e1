"""Worlds of owners that hold leaves: one seedless content for every store, and the way to an owner in each shape."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

TEXT_BITS = 20
Leaf = tuple[int, str]
Held = Any  # list[Leaf], dict[str, Leaf] or dict[str, list[int]]


class Shape(NamedTuple):
    """Where owners stand: one character a level below the root, "m" for a map and "l" for a list."""

    name: str
    title: str
    levels: str
    held: tuple[str, ...]  # what owners hold: "lists" or "maps" of leaves, "numbers" for dictionaries of lists
    sizes: tuple[tuple[int, int], ...]


SIZES = ((20, 20), (20, 1_000), (300, 200), (2_000, 20), (2_000, 100), (20_000, 100), (10, 100_000))
LEAVES = ("lists", "maps")
SHAPES = {
    shape.name: shape
    for shape in (
        Shape("map", "map", "m", LEAVES, SIZES),
        Shape("list", "list", "l", LEAVES, SIZES),
        Shape("chunk", "Chunk model, map", "m", LEAVES, SIZES),
        Shape("three", "three levels", "ml", LEAVES, SIZES),
        Shape("four", "four levels", "lml", LEAVES, SIZES),
        Shape("inline", "map", "m", ("numbers",), SIZES),
        Shape("one", "one model", "", LEAVES, ((1, 50_000),)),
        Shape("small", "one model, small rows", "", ("lists",), ((1, 32_000),)),
    )
}
HELD = {"lists": "lists of {:,}", "maps": "maps of {:,}", "numbers": "inline dictionaries of {:,} numbers"}
LISTS = 10  # in a dictionary of lists


@dataclass(frozen=True)
class World:
    """So many owners in one shape, each with so many items at first."""

    shape: Shape
    held: str
    owners: int
    items: int

    def __str__(self) -> str:
        above = self.shape.title
        if len(self.shape.levels) == 1:
            above += f" of {self.owners:,}"
        elif self.shape.levels:
            fans = self._fans()
            above += f", {' x '.join(f'{fan:,}' for fan in (-(-self.owners // prod(fans)), *fans))}"
        return f"{above} with {HELD[self.held].format(self.items)}"

    def _fans(self) -> tuple[int, ...]:
        """How many owners or nodes each node holds, from the second level on."""
        levels = len(self.shape.levels)
        few = self.owners < 10**levels
        return {2: (5,) if few else (10,), 3: (2, 5) if few else (10, 10)}.get(levels, ())

    def path(self, owner: int) -> tuple[str | int, ...]:
        """The keys and positions that lead from the root to an owner."""
        places = []
        for fan in reversed(self._fans()):
            owner, place = divmod(owner, fan)
            places.append(place)
        places.append(owner)
        pairs = zip(self.shape.levels, reversed(places), strict=False)  # without levels, the root is the owner
        return tuple(place if level == "l" else f"k{place}" for level, place in pairs)

    def leaf(self, number: int, text: str = "text") -> Leaf:
        if self.shape.name == "small":
            return number % 100, "x"
        return self.number(number), f"{text} {number}"

    def number(self, number: int) -> int:
        """An int that looks like chance: cheap, and the same on every machine."""
        bits = 6 if self.shape.name == "small" else 8 if self.held == "numbers" else TEXT_BITS
        return (number * 2654435761 >> 16) & ((1 << bits) - 1)

    def first(self, owner: int) -> tuple[str, Held]:
        """An owner's title, and what it holds before any edit."""
        numbers = range(owner * self.items, (owner + 1) * self.items)
        title = f"b{owner % 10}"
        if self.held == "lists":
            return title, [self.leaf(number) for number in numbers]
        if self.held == "maps":
            return title, {f"item-{place:06d}": self.leaf(number) for place, number in enumerate(numbers)}
        return title, {
            f"tag-{place}": [self.number(number) for number in numbers[place::LISTS]] for place in range(LISTS)
        }

    def all(self) -> Iterator[tuple[tuple[str | int, ...], str, Held]]:
        """Every owner: its path, its title and what it holds."""
        for owner in range(self.owners):
            yield (self.path(owner), *self.first(owner))


def world(shape: str, held: str, owners: int, items: int) -> World:
    return World(SHAPES[shape], held, owners, items)
