"""Persistent owners in BTrees and persistent lists; an owner's list is a record, its map a BTree of plain leaves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import BTrees.OOBTree
import persistent
import persistent.list
import ZODB
import ZODB.FileStorage

from benchmarks.trees.plain import Step
from benchmarks.trees.shapes import Held
from benchmarks.trees.store import Store, change


class Leaf:
    __slots__ = ("n", "text")

    def __init__(self, n: int, text: str) -> None:
        self.n, self.text = n, text


class Node(persistent.Persistent):  # type: ignore[misc]
    """An owner or what is above one: `held` are the nodes or leaves below."""

    def __init__(self, title: str, held: Any) -> None:
        self.title, self.held = title, held


class Zodb(Store):
    name = "ZODB"
    ordered = False

    def open(self) -> None:
        storage = ZODB.FileStorage.FileStorage(str(self.path))
        self.db = ZODB.DB(storage, large_record_size=1 << 30)
        self.connection = self.db.open()
        self.commit = self.connection.transaction_manager.commit
        self.root: Any = self.connection.root().get("tree")

    def close(self) -> None:
        self.connection.close()
        self.db.close()
        del self.root

    def build(self) -> None:
        self.open()
        levels = [BTrees.OOBTree.OOBTree if level == "m" else persistent.list.PersistentList for level in self._levels]
        root = Node("root", levels[0]() if levels else None)
        for path, title, held in self.world.all():
            if not path:
                root = self._owner(title, held)
                continue
            above = root
            for depth, key in enumerate(path[:-1]):
                if (not isinstance(key, int) and key not in above.held) or key == len(above.held):
                    self._put(above, key, Node("node", levels[depth + 1]()))
                above = above.held[key]
            self._put(above, path[-1], self._owner(title, held))
        self.connection.root()["tree"] = root
        self.commit()
        self.close()

    @property
    def _levels(self) -> str:
        return self.world.shape.levels

    def _put(self, above: Node, key: str | int, node: Node) -> None:
        if isinstance(key, int):
            above.held.append(node)
        else:
            above.held[key] = node

    def _owner(self, title: str, held: Held) -> Node:
        return Node(title, self._held(held))

    def _held(self, held: Held) -> Any:
        if self.world.held == "lists":
            return persistent.list.PersistentList([Leaf(*leaf) for leaf in held])
        if self.world.held == "maps":
            return BTrees.OOBTree.OOBTree({key: Leaf(*leaf) for key, leaf in held.items()})
        return held

    def prepare(self, step: Step) -> Any:
        if step.operation == "replace":
            return self._held(step.value)
        return Leaf(*step.value) if isinstance(step.value, tuple) else step.value

    def _find(self, path: tuple[str | int, ...]) -> Any:
        node = self.root
        for key in path:
            node = node.held[key]
        return node

    def edit(self, step: Step, value: Any) -> None:
        owner = self._find(step.path)
        if step.operation == "title":
            owner.title = value
        elif step.operation == "replace":
            owner.held = value
        else:
            target = owner.held
            for key in step.within:
                target = target[key]
            change(target, step, value)
            if self.world.held == "numbers":
                owner._p_changed = True
            elif step.operation == "item" and self.world.held == "lists":
                target._p_changed = True
            elif step.operation == "item":
                target[step.at] = target[step.at]
        self.commit()

    def contents(self, owners: Iterable[int]) -> Iterator[tuple[str, Held]]:
        self.open()
        for number in owners:
            owner = self._find(self.world.path(number))
            if self.world.held == "lists":
                held: Held = [(leaf.n, leaf.text) for leaf in owner.held]
            elif self.world.held == "maps":
                held = {key: (leaf.n, leaf.text) for key, leaf in owner.held.items()}
            else:
                held = owner.held
            yield owner.title, held
        self.close()
