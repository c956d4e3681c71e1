"""Finding the owner of each node and of each reference of a chunk, along the stored schema.

Schema and nodes are read side by side. Where they do not fit each other, or the schema is not known, nodes belong to
the part around them, so every byte has an owner.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

from ..codec.columns.text import TextColumn
from ..codec.stored import LISTS, MAPS, Schema
from ..codec.structs import PRIVATE
from ..codec.views.boundary import read_spans
from ..codec.views.nodes import read_numbers
from ..errors import CorruptionError
from ..format.chunk import Chunk
from ..format.layout import Encoding
from ..model.entity_names import BY, RUNS, TEXT
from .owners import Owner
from .parts import MARKS, is_leaf, kind_of
from .schemas import Schemas

ENCODINGS: dict[int, str] = {each: each.name.lower() for each in Encoding}
_AROUND: dict[int, int] = {Encoding.OPTIONAL: 0, Encoding.CONSTANT: 0, Encoding.DICTIONARY: 1, Encoding.MIXED: 2}
_ELSEWHERE = frozenset({Encoding.REFERENCE, Encoding.SPANS, Encoding.EXTERNAL})
_TEXT = TextColumn()


class Target(NamedTuple):
    """What a reference leads to: its owner, the schema of the values there, and the row that they belong to."""

    owner: Owner
    schema: Schema | None = None
    counts: bool = True  # whether its rows are rows of the owner
    row: int = -1  # of the row group that refers to it; -1 for several
    in_step: bool = False  # whether value `i` there is that of row `i`


class _Frame(NamedTuple):
    at: int
    part: Any  # of the schema
    schema: Schema
    owner: Owner
    counts: bool
    direct: bool  # whether value `i` is that of row `i`


class Guide:
    """The owners of the nodes of a chunk, the encoding that each node is a part of, and the targets of references."""

    __slots__ = ("_chunk", "_name", "_new", "_newest", "_schemas", "labels", "owners", "problem", "targets")

    def __init__(self, chunk: Chunk, owner: Owner, schemas: Schemas, name: str, *, newest: bool = True) -> None:
        self._chunk = chunk
        self._schemas = schemas
        self._name = name  # of the root
        self._newest = newest  # whether the schema is the one that wrote the root last
        self._new: list[_Frame] = []
        self.owners = [owner] * len(chunk.nodes)
        self.labels = [ENCODINGS.get(node.encoding, "unknown") for node in chunk.nodes]
        self.targets: dict[int, Target] = {}
        self.problem: CorruptionError | None = None  # the damage at which it stopped

    def rows(self, owner: Owner, parts: tuple[Schema, ...]) -> None:
        """Follow the columns of a row group, which has keys if there are two parts."""
        children = self._chunk.children(0)
        if len(children) == len(parts):
            if len(parts) == 2:
                self._put(children[0], parts[0].root, parts[0], self._keys(owner, parts[0].root), False)
            self._inner(children[-1], parts[-1].root, parts[-1], owner, True)
            self._run()

    def values(self, target: Target) -> None:
        """Follow the values of a column chunk."""
        if target.schema is not None:
            self._put(0, target.schema.root, target.schema, target.owner, target.counts, target.in_step)
            self._run()

    def _put(
        self, at: int, part: Any, schema: Schema, owner: Owner, counts: bool = False, direct: bool = False
    ) -> None:
        self._new.append(_Frame(at, part, schema, owner, counts, direct))

    def _run(self) -> None:
        waiting: list[_Frame] = []  # a stack of its own: values nest deeper than calls may
        while waiting or self._new:
            waiting += reversed(self._new)
            self._new.clear()
            self._follow(waiting.pop())

    def _follow(self, frame: _Frame) -> None:
        chunk, (at, part, schema, owner, counts, _) = self._chunk, frame
        encoding = chunk.nodes[at].encoding
        self._claim(at, owner)
        if encoding in _AROUND:
            if encoding in (Encoding.OPTIONAL, Encoding.MIXED) or not is_leaf(part):
                place = _AROUND[encoding]
                for child in chunk.children(at)[place : place + 1]:
                    self._put(child, part, schema, owner, counts)
            return
        while isinstance(part, dict) and (name := next(filter(part.__contains__, MARKS), None)) is not None:
            if encoding in _ELSEWHERE:
                self._marked(frame, part[name], encoding)
                return
            part = part[name]
        if isinstance(part, dict):
            self._parts(frame._replace(part=part), encoding, chunk.children(at))

    def _parts(self, frame: _Frame, encoding: int, children: list[int]) -> None:
        """Follow the parts of values that have some."""
        _, part, schema, owner, counts, direct = frame
        if part.keys() == {"struct"}:
            self._struct(frame, encoding, children)
        elif "convert" in part:
            if encoding == Encoding.STRUCT:
                for child in children:
                    self._put(child, None, schema, owner)
        elif "union" in part:
            if encoding == Encoding.UNION and len(children) == len(part["union"]) + 2:
                owner.structs.update(arm["struct"] for arm in part["union"] if "struct" in arm)
                for child, arm in zip(children[2:], part["union"], strict=True):
                    self._put(child, arm, schema, owner)
        elif "fixed" in part:
            if encoding == Encoding.STRUCT and len(children) == len(part["tuple"]):
                for number, (child, each) in enumerate(zip(children, part["tuple"], strict=True)):
                    name = f"[{number}]"
                    below = owner if is_leaf(each) else self._child(owner, name, each, owner.items + name)
                    self._put(child, each, schema, below, below is not owner, direct)
        elif encoding == Encoding.LIST and (kind := LISTS & part.keys()) and len(children) == 2:
            if counts:
                owner.add_rows(self._chunk.nodes[children[1]].count)
            self._inner(children[1], part[min(kind)], schema, owner)
        elif encoding == Encoding.MAP and (kind := MAPS & part.keys()) and len(children) == 3:
            if counts:
                owner.add_rows(self._chunk.nodes[children[1]].count)
            key, value = part[min(kind)]
            self._put(children[1], key, schema, self._keys(owner, key))
            self._inner(children[2], value, schema, owner)

    def _inner(self, at: int, part: Any, schema: Schema, owner: Owner, direct: bool = False) -> None:
        """Follow the items of lists, of dictionaries or of a table."""
        below = owner
        if kind_of(part) in ("list", "map"):
            below = self._child(owner, "[]", part, owner.items)
        self._put(at, part, schema, below, below is not owner, direct)

    def _struct(self, frame: _Frame, encoding: int, children: list[int]) -> None:
        chunk, (at, part, schema, owner, _, direct) = self._chunk, frame
        body = schema.structs[part["struct"]]
        fields = body["fields"]
        bits = chunk.nodes[at].param
        holder = owner.holder(part["struct"])
        if encoding == Encoding.POLY and len(children) > 4:
            self._poly(children[1], children[4:], holder)
        elif encoding == Encoding.STRUCT and len(children) == len(fields) + bits.bit_count():
            for child, (name, below) in zip(children, fields, strict=False):
                if body["struct"] == self._name and holder.kind == "entities":
                    self._part_of_entities(child, name, below, schema, holder)
                elif holder.kind == "index":  # a run, whose entries are its rows
                    self._put(child, below, schema, holder, name == "entries")
                else:
                    name = self._schemas.renamed(body["struct"], name)
                    self._put(child, below, schema, self._child(holder, name, below), True, direct)
            if bits & PRIVATE:
                private = children[len(fields) + (bits & PRIVATE - 1).bit_count()]
                for child, (name, below) in zip(chunk.children(private), body.get("privates", ()), strict=False):
                    self._put(child, below, schema, self._child(holder, name, below), True)

    def _poly(self, prints: int, arms: list[int], holder: Owner) -> None:
        """Follow objects of subclasses. Their fields are added up by name."""
        fingerprints = _TEXT.view(self._chunk, prints, cast(Any, None)).read(0, len(arms))
        for arm, fingerprint in zip(arms, fingerprints, strict=True):
            found = self._schemas.subclass(self._name, fingerprint)
            if found is not None:
                self._put(arm, found.root, found, holder)

    def _part_of_entities(self, at: int, name: str, part: Any, schema: Schema, holder: Owner) -> None:
        """Follow a field of the row that holds all entities of a class."""
        prefix = next(filter(name.startswith, (BY, RUNS, TEXT)), "")
        called = name.removeprefix(prefix) + " (words)" * (prefix == TEXT)
        owner = holder.child("index", called, holder.path) if prefix else holder
        self._put(at, part, schema, owner, name == "rows" or prefix == BY)

    def _marked(self, frame: _Frame, part: Any, encoding: int) -> None:
        """Follow a marked field, whose values stand in other chunks."""
        chunk, (at, _, schema, owner, counts, direct) = self._chunk, frame
        target = Target(owner, schema.part(part), counts)
        if encoding == Encoding.REFERENCE:
            self.targets.setdefault(chunk.nodes[at].param, target._replace(in_step=direct))
        elif encoding == Encoding.SPANS:
            for ordinal, _, _ in read_spans(chunk, at):
                self.targets.setdefault(ordinal, target)
        else:
            numbers, inside = chunk.children(at)
            for row, ordinal in enumerate(read_numbers(chunk, numbers, chunk.nodes[at].count)):
                if ordinal:
                    self.targets.setdefault(ordinal - 1, target._replace(row=row if direct else -1))
            self._put(inside, frame.part, schema, owner, counts)

    def _keys(self, owner: Owner, part: Any) -> Owner:
        found = owner.child("keys", "keys", owner.path)
        return found if found is owner else found.described("keys", part, newest=self._newest)

    def _child(self, owner: Owner, name: str, part: Any, path: str | None = None) -> Owner:
        kind = kind_of(part)
        found = owner.child(kind, name, path)
        return found if found is owner else found.described(kind, part, newest=self._newest)

    def _claim(self, at: int, owner: Owner) -> None:
        """Give the node `at` and all below it to an owner. What is followed further gets owners of its own."""
        span = self._chunk.nodes[at].span
        if span > len(self.owners) - at:
            raise self._chunk.error(at, "subtree leaves the directory")
        self.owners[at : at + span] = [owner] * span
        self.labels[at : at + span] = [ENCODINGS.get(self._chunk.nodes[at].encoding, "unknown")] * span
