"""Edits, and plain objects that take them: what every store must hold in the end."""

from __future__ import annotations

import copy
import random
from typing import Any, NamedTuple

from benchmarks.trees.shapes import Held, World

OPERATIONS = {
    "lists": ("append", "insert", "delete", "item", "title", "replace"),
    "maps": ("put", "pop", "item", "title", "replace"),
    "numbers": ("append", "insert", "delete", "item", "title", "replace", "put", "pop"),
}
WHAT = {
    "append": "append",
    "insert": "insert in the middle",
    "delete": "delete",
    "item": "set an item's field",
    "title": "set the owner's field",
    "replace": "replace by an equal one",
    "put": "put",
    "pop": "pop",
}


class Edit(NamedTuple):
    operation: str
    owner: int
    at: float  # from 0 to below 1: which item
    number: int  # of which new values are made


class Step(NamedTuple):
    """An edit of what an owner holds at that moment."""

    operation: str
    owner: int
    path: tuple[str | int, ...]  # from the root to the owner
    within: tuple[str, ...]  # from what the owner holds to what changes
    at: Any  # the position or key there
    value: Any


def edits(world: World, operation: str, count: int) -> list[Edit]:
    """The same for every store, each of another owner while there are enough."""
    rng = random.Random(f"{world} {operation}")
    owners = range(world.owners)
    chosen = rng.sample(owners, count) if count <= world.owners else rng.choices(owners, k=count)
    return [Edit(operation, owner, rng.random(), rng.randrange(1 << 30)) for owner in chosen]


class Plain:
    """All owners as plain objects; those that no edit touched are made anew when asked for."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.touched: dict[int, list[Any]] = {}

    def owner(self, number: int) -> list[Any]:
        """Its title and what it holds."""
        if number not in self.touched:
            self.touched[number] = list(self.world.first(number))
        return self.touched[number]

    def now(self, number: int) -> tuple[str, Held]:
        """The same, without keeping an owner that no edit touched."""
        title, held = self.touched.get(number) or self.world.first(number)
        return title, held

    def step(self, edit: Edit) -> Step:
        operation, world, number = edit.operation, self.world, edit.number
        held = self.owner(edit.owner)[1]
        within, at = self._place(edit, held)
        value: Any = None
        if operation == "title":
            value = f"title {number}"
        elif operation == "replace":
            value = copy.deepcopy(held)
        elif operation == "put" and world.held == "numbers":
            value = [world.number(number + place) for place in range(3)]
        elif operation == "item" or world.held == "numbers":
            value = world.number(number)
        elif operation in ("append", "insert", "put"):
            value = world.leaf(number, "new")
        return Step(operation, edit.owner, world.path(edit.owner), within, at, value)

    def _place(self, edit: Edit, held: Held) -> tuple[tuple[str, ...], Any]:
        operation, within = edit.operation, ()
        if operation in ("title", "replace", "put"):
            return (), f"new-{edit.number}"
        if isinstance(held, dict):
            keys = list(held)
            if self.world.held == "numbers" and operation != "pop":
                keys = [key for key in keys if held[key]]
            key = keys[int(edit.at * len(keys))]
            if self.world.held == "maps" or operation == "pop":
                return (), key
            within, held = (key,), held[key]
        if operation == "append":
            return within, None
        return within, len(held) // 2 if operation == "insert" else int(edit.at * len(held))

    def apply(self, step: Step) -> None:
        owner = self.owner(step.owner)
        if step.operation == "title":
            owner[0] = step.value
            return
        if step.operation == "replace":
            owner[1] = copy.deepcopy(step.value)  # the store has `value`, and may change it
            return
        held = owner[1]
        for key in step.within:
            held = held[key]
        match step.operation:
            case "append":
                held.append(step.value)
            case "insert":
                held.insert(step.at, step.value)
            case "delete" | "pop":
                del held[step.at]
            case "put":
                held[step.at] = copy.copy(step.value)
            case "item":
                held[step.at] = step.value if step.within else (step.value, held[step.at][1])
