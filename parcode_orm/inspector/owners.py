"""Owners: the parts of a file that chunks and columns belong to, as a tree of names.

    GameWorld                     root
        players                   map: GameWorld.players
            keys                  keys
            level                 column: GameWorld.players[].level
            by key                index

A walk finds the owner of each chunk. `verify` takes the names, `inspect` adds up sizes.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ..lazy.shown import visible
from .entries import Entry
from .parts import type_of
from .steps import name_text

MOST = 10_000  # owners of a file; what is below further names belongs to their owner
LONG = 200  # characters of a name
LONG_PATH = 2_000
ITEMS = frozenset({"list", "map", "entities"})  # kinds whose children are columns of their items
OPAQUE = frozenset({"index", "keys"})  # kinds without children


class Owner:
    """A part of a file. The sizes are those of the part itself, without its children."""

    __slots__ = (
        "kind", "name", "path", "part", "parent", "children", "structs", "is_newest", "notes", "schemas", "count",
        "rows", "chunks", "stored", "saved", "height", "shared", "offset", "compression", "encodings",
    )  # fmt: skip

    def __init__(self, kind: str, name: str, path: str, parent: Owner | None = None) -> None:
        self.kind = kind
        self.name = name
        self.path = path
        self.part: Any = None  # of a schema: what describes the values
        self.parent = parent
        self.children: dict[tuple[str, str], Owner] = {}
        self.count: list[int] = [0] if parent is None else parent.count  # of all owners of a root
        self.structs: set[str] = set()  # the classes whose fields the children are
        self.is_newest = False  # whether kind and type are those of the newest schema
        self.schemas: set[int] = set()  # the fingerprints of its row groups
        self.notes: list[str] = []
        self.rows: int | None = None
        self.height: int | None = None
        self.offset: int | None = None
        self.chunks = self.stored = self.saved = self.shared = 0  # `saved`: by compression
        self.compression: defaultdict[str, int] = defaultdict(int)
        self.encodings: defaultdict[str, int] = defaultdict(int)

    @property
    def items(self) -> str:
        """The path of what the children are fields of."""
        return f"{self.path}[]" if self.kind in ITEMS else self.path

    def child(self, kind: str, name: str, path: str | None = None) -> Owner:
        """The part called `name`, made at its first use; the owner itself where there are too many, or none."""
        if self.kind in OPAQUE:
            return self
        key = (kind if kind in OPAQUE else "", name)
        found = self.children.get(key)
        if found is None:
            if self.count[0] >= MOST:
                return self
            self.count[0] += 1
            path = bounded(f"{self.items}.{first(name)}") if path is None else path
            found = self.children[key] = Owner(kind, name, path, self)
        return found

    def described(self, kind: str, part: Any, *, newest: bool) -> Owner:
        """The owner, of values that a schema describes as `part`. The newest schema has the last word."""
        if not self.is_newest and (newest or self.part is None):
            self.kind, self.part, self.is_newest = kind, part, newest
        return self

    def holder(self, struct: str) -> Owner:
        """The owner whose children are the fields of a class: the outermost one, if the class is inside itself."""
        self.structs.add(struct)
        found = above = self
        while above.parent is not None:
            if struct in above.structs:
                found = above
            above = above.parent
        return found

    def add_rows(self, count: int) -> None:
        """Count rows, items or entries."""
        self.rows = (self.rows or 0) + count

    def entry(self, size: int, depth: int | None) -> Entry:
        """The sums of this part and of all below, as an entry of a file of `size` bytes."""
        # In post-order: names nest as deep as types do.
        order: list[tuple[Owner, int]] = []
        waiting = [(self, 1)]
        while waiting:
            owner, level = waiting.pop()
            order.append((owner, level))
            waiting += ((below, level + 1) for below in owner.children.values())
        made: dict[int, Entry] = {}
        for owner, level in reversed(order):
            below = [made.pop(id(each)) for each in owner.children.values()]
            below.sort(key=lambda entry: entry.kind == "index")
            made[id(owner)] = owner._summed(below, size, depth is None or level < depth)
        return made[id(self)]

    def _summed(self, below: list[Entry], size: int, with_children: bool) -> Entry:
        stored = self.stored + sum(each.stored for each in below)
        compression, encodings = self.compression.copy(), self.encodings.copy()
        for each in below:
            _add(compression, each.compression)
            _add(encodings, each.encodings)
        notes = list(self.notes)
        if len(self.schemas) > 1:
            notes.append(f"rows of {len(self.schemas)} schemas")
        if len(self.name) > LONG:
            notes.append(f"a name of {len(self.name):,} characters")
        heights = [height for height in (self.height, *(each.height for each in below)) if height is not None]
        offsets = [offset for offset in (self.offset, *(each.offset for each in below)) if offset is not None]
        return Entry(
            name=visible(self.name, LONG),
            path=self.path,
            kind=self.kind,
            type="" if self.part is None else type_of(self.part),
            rows=self.rows,
            chunks=self.chunks + sum(each.chunks for each in below),
            stored=stored,
            raw=self.stored + self.saved + sum(each.raw for each in below),
            compression=dict(sorted(compression.items())),
            encodings={
                name: stored for name, stored in sorted(encodings.items()) if stored or not any(encodings.values())
            },
            height=max(heights, default=None),
            share=stored / size if size else 0.0,
            shared=self.shared + sum(each.shared for each in below),
            offset=min(offsets, default=None),
            notes=tuple(notes),
            children=tuple(below) if with_children else (),
        )


def _add(total: defaultdict[str, int], more: dict[str, int]) -> None:
    for name, size in more.items():
        total[name] += size


def first(name: str) -> str:
    """A name as a path begins with it."""
    return name_text(name if len(name) <= LONG else f"{name[: LONG - 1]}…")


def bounded(path: str) -> str:
    """A path, or as much of it as is shown."""
    return path if len(path) <= LONG_PATH else f"{path[: LONG_PATH // 2]}…{path[-LONG_PATH // 4 :]}"
