from __future__ import annotations

import gc
import shutil
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.trees.plain import Plain, Step
from benchmarks.trees.shapes import Held, World
from benchmarks.trees.store import Bytes, Store, change
from parcode_orm import Chunk, Model, Session, ShardedMap, load, save


class Leaf(Model):
    n: int
    text: str


class Branch(Model):
    title: str
    items: list[Leaf] = Chunk(default_factory=list)
    by: dict[str, Leaf] = ShardedMap(default_factory=dict)


class Row(Model):
    title: str
    tags: dict[str, list[int]]


class Grove(Model):
    title: str
    branches: list[Branch] = Chunk(default_factory=list)


class Forest(Model):
    title: str
    groves: dict[str, Grove] = ShardedMap(default_factory=dict)


class Part(Model):
    title: str = ""
    branches: dict[str, Branch] = ShardedMap(default_factory=dict)


class Tree(Model):
    name: str
    mapped: dict[str, Branch] = ShardedMap(default_factory=dict)
    listed: list[Branch] = Chunk(default_factory=list)
    part: Part = Chunk(default_factory=Part)
    groves: dict[str, Grove] = ShardedMap(default_factory=dict)
    forests: list[Forest] = Chunk(default_factory=list)
    rows: dict[str, Row] = ShardedMap(default_factory=dict)


# For each level of a shape the attribute that holds its collection.
WAYS = {
    "map": ("mapped",),
    "list": ("listed",),
    "chunk": ("part.branches",),
    "three": ("groves", "branches"),
    "four": ("forests", "groves", "branches"),
    "inline": ("rows",),
}
BETWEEN = {"groves": Grove, "forests": Forest}
FIELDS = {"lists": "items", "maps": "by", "numbers": "tags"}


def value_of(world: World, held: Held) -> Any:
    """What an owner holds, as models."""
    if world.held == "lists":
        return [Leaf(n=n, text=text) for n, text in held]
    return {key: Leaf(n=leaf[0], text=leaf[1]) for key, leaf in held.items()} if world.held == "maps" else held


def nest(pairs: Any, ways: tuple[str, ...]) -> Any:
    """The collection of one level; `pairs` are paths from there to owners, and the owners, in order."""
    found: dict[Any, Any] = {}
    for key, group in groupby(pairs, key=lambda pair: pair[0][0]):
        if len(ways) == 1:
            found[key] = next(group)[1]
        else:
            below = nest([(path[1:], owner) for path, owner in group], ways[1:])
            found[key] = BETWEEN[ways[0]].model_validate({"title": f"node {key}", ways[1]: below})
    return found if isinstance(next(iter(found)), str) else list(found.values())


def build(world: World) -> Model:
    owners = (
        (path, (Row if world.held == "numbers" else Branch)(title=title, **{FIELDS[world.held]: value_of(world, held)}))
        for path, title, held in world.all()
    )
    ways = WAYS.get(world.shape.name)
    if not ways:
        return next(owners)[1]
    below = nest(owners, ways)
    if world.shape.name == "chunk":
        return Tree(name="tree", part=Part(title="part", branches=below))
    return Tree.model_validate({"name": "tree", ways[0]: below})


class Ours(Store):
    durability: ClassVar[str]

    def __init__(self, world: World, path: Path) -> None:
        super().__init__(world, path)
        self.cls: type[Model] = Tree if world.shape.levels else Branch
        self.field = FIELDS[world.held]
        self.getters = [attrgetter(way) for way in WAYS.get(world.shape.name, ())]

    def build(self) -> None:
        gc.disable()
        save(self.path, build(self.world))
        gc.enable()

    def copy(self, saved: Path) -> None:
        """Instead of `build`: take a file that was built before."""
        shutil.copy(saved, self.path)

    def open(self) -> None:
        self.session = Session(self.path, durability=self.durability)
        self.root: Any = self.session.root(self.cls)

    def close(self) -> None:
        self.session.close()
        del self.root, self.session

    def prepare(self, step: Step) -> Any:
        if self.world.held == "numbers" or step.operation in ("item", "title"):
            return step.value
        if step.operation == "replace":
            return value_of(self.world, step.value)
        return step.value and Leaf(n=step.value[0], text=step.value[1])

    def owner(self, root: Any, path: tuple[str | int, ...]) -> Any:
        for get, key in zip(self.getters, path, strict=True):
            root = get(root)[key]
        return root

    def edit(self, step: Step, value: Any) -> None:
        owner = self.owner(self.root, step.path)
        if step.operation == "title":
            owner.title = value
        elif step.operation == "replace":
            setattr(owner, self.field, value)
        else:
            target = getattr(owner, self.field)
            for key in step.within:
                target = target[key]
            change(target, step, value)
        self.session.commit()

    def bytes(self) -> Bytes:
        return Bytes(self.session.stats.bytes_written, self.session.stats.bytes_read)

    def checked(self, plain: Plain) -> Iterable[int]:
        return range(self.world.owners)

    def contents(self, owners: Iterable[int]) -> Iterator[tuple[str, Held]]:
        root = load(self.path, self.cls)
        for number in owners:
            owner = self.owner(root, self.world.path(number))
            held = getattr(owner, self.field)
            if self.world.held == "lists":
                held = [(leaf.n, leaf.text) for leaf in held]
            elif self.world.held == "maps":
                held = {key: (leaf.n, leaf.text) for key, leaf in held.items()}
            yield owner.title, held


class Fast(Ours):
    name = "ours"
    durability = "fast"


class Full(Ours):
    name = "ours, durable"
    durability = "full"
