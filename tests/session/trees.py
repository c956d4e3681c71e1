"""Nested collections, and random edits of them: the same done to a session's objects and to plain ones."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict

from parcode_orm import Chunk, Model, ShardedMap


class Leaf(Model):
    n: int = 0
    text: str = ""


class Note(Leaf):
    more: list[int] = []


class Meta(Model):
    """An inline model with marked fields of its own."""

    level: int = 0
    words: list[Leaf] = Chunk(default=[])


class Plain(BaseModel):
    leaves: list[Leaf] = []


class Branch(Model):
    title: str = ""
    count: int = 0
    meta: Meta = Meta()
    plain: Plain = Plain()
    numbers: dict[str, list[int]] = {}
    inline: dict[str, Meta] = {}
    items: list[Leaf] = Chunk(default=[])
    by: dict[str, Leaf] = ShardedMap(default={})
    apart: Meta = Chunk(default=Meta())
    blob: bytes = Chunk(default=b"")
    chosen: set[str] = Chunk(default=set())


class Open(Branch):
    model_config = ConfigDict(extra="allow")
    _notes: list[int] = []


class Tree(Model):
    n: int = 0
    branches: list[Branch] = Chunk(default=[])
    by: dict[str, Branch] = ShardedMap(default={})
    below: list[Tree] = Chunk(default=[])
    names: dict[str, Tree] = ShardedMap(default={})


def leaf(n: int) -> Leaf:
    return Note(n=n, text=f"note {n}", more=[n]) if n % 13 == 5 else Leaf(n=n, text=f"leaf {n}")


def branch(n: int, size: int) -> Branch:
    cls = Open if n % 7 == 3 else Branch
    meta = Meta(level=n, words=[leaf(i) for i in range(n % 3)])
    return cls(
        title=f"branch {n}",
        meta=meta,
        plain=Plain(leaves=[leaf(n)]),
        numbers={"a": [n, n + 1], "b": []},
        inline={"x": meta.model_copy(deep=True)} if n % 2 else {},
        items=[leaf(n + i) for i in range(size)],
        by={f"k{i}": leaf(i) for i in range(size // 2)},
        apart=Meta(level=-n, words=[leaf(n)] * (n % 2)),
        blob=b"blob" * (n % 4),
        chosen={f"c{n % 5}"},
    )


def tree(width: int, size: int, depth: int = 2) -> Tree:
    few = max(width // 4, 2) if depth else 0
    return Tree(
        branches=[branch(i, size) for i in range(width)],
        by={f"b{i}": branch(i + 1, size) for i in range(width)},
        below=[tree(few, size, depth - 1) for _ in range(few)],
        names={f"t{i}": tree(few, size, depth - 1) for i in range(few)} if depth > 1 else {},
    )


Edit = Callable[[Any, random.Random, int], object]


def _any(items: Any, chance: random.Random) -> Any:
    return items[chance.randrange(len(items))]


def _key(mapping: Any, chance: random.Random) -> Any:
    return sorted(mapping)[chance.randrange(len(mapping))]


def _edit_leaf(each: Any, chance: random.Random, n: int) -> None:
    if chance.random() < 0.5:
        each.n = n
    else:
        each.text += "!"


def _edit_list(items: Any, chance: random.Random, n: int, new: Callable[[int], Any], edit: Edit) -> None:
    place = chance.randrange(len(items) + 1)
    how = chance.choice(["append", "insert", "del", "pop", "set", "edit", "edit", "edit", "slice", "move", "same"])
    if how == "append":
        items.append(new(n))
    elif how == "insert":
        items.insert(place, new(n))
    elif how == "slice":
        items[place : place + chance.randrange(3)] = [new(n), new(n + 1)]
    elif place == len(items):
        items.extend([new(n)])
    elif how == "del":
        del items[place]
    elif how == "pop":
        items.pop()
    elif how == "set":
        items[place] = new(n)
    elif how == "move":
        items.insert(0, items.pop(place))
    elif how == "same":
        items[place] = items[place]
    else:
        edit(items[place], chance, n)


def _edit_map(mapping: Any, chance: random.Random, n: int, new: Callable[[int], Any], edit: Edit) -> None:
    how = chance.choice(["put", "replace", "pop", "edit", "edit", "edit"])
    if how == "put" or not mapping:
        mapping[f"n{n}"] = new(n)
    elif how == "replace":
        mapping[_key(mapping, chance)] = new(n)
    elif how == "pop":
        del mapping[_key(mapping, chance)]
    else:
        edit(mapping[_key(mapping, chance)], chance, n)


def _edit_meta(meta: Any, chance: random.Random, n: int) -> None:
    if chance.random() < 0.4:
        meta.level = n
    else:
        _edit_list(meta.words, chance, n, leaf, _edit_leaf)


def edit_branch(each: Any, chance: random.Random, n: int) -> None:
    """Change something of a branch."""
    what = chance.randrange(16)
    if what < 4:
        _edit_list(each.items, chance, n, leaf, _edit_leaf)
    elif what < 7:
        _edit_map(each.by, chance, n, leaf, _edit_leaf)
    elif what == 7:
        each.title = f"title {n}"
    elif what == 8:
        _edit_meta(each.meta, chance, n)
    elif what == 9:
        _edit_meta(each.apart, chance, n)
    elif what == 10:
        _edit_map(each.inline, chance, n, lambda n: Meta(level=n, words=[leaf(n)]), _edit_meta)
    elif what == 11:
        each.numbers.setdefault(f"{n % 4}", []).append(n)
    elif what == 12:
        each.chosen.add(f"{n % 9}")
    elif what == 13:
        each.blob = b"x" * (n % 300)
    elif what == 14:
        _edit_leaf(each.plain.leaves[0], chance, n)
    else:  # equal, and other objects
        each.items = [one.model_copy(deep=True) for one in each.items]


def edit_tree(root: Any, chance: random.Random, n: int, size: int) -> None:
    """Change something somewhere below `root`."""

    def new(n: int) -> Branch:
        return branch(n, size)

    what = chance.randrange(10)
    if what < 3:
        _edit_list(root.branches, chance, n, new, edit_branch)
    elif what < 6:
        _edit_map(root.by, chance, n, new, edit_branch)
    elif what < 8 and root.below:
        edit_tree(_any(root.below, chance), chance, n, size)
    elif what < 9 and root.names:
        edit_tree(root.names[_key(root.names, chance)], chance, n, size)
    else:
        root.n = n
