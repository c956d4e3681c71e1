"""What the schemas of a file say: the schema of each part of a stored schema, as a column of its own would say it.

The schema of a root names the structs below it. A table within it, or an object of a subclass, has a fingerprint of its
own: that of the part. So a file need not hold the schemas of parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec

from ..errors import CorruptionError, ParcodeError
from ..format.checksum import checksum, fingerprint
from ..stack import with_room

LISTS = frozenset({"list", "tuple", "set", "frozenset"})
MAPS = frozenset({"dict", "OrderedDict", "defaultdict", "Counter"})
_AROUND = ("optional", "chunk", "map", "stored", *sorted(LISTS))
_encode = msgspec.json.Encoder(order="sorted").encode


class Schema(NamedTuple):
    """A schema, or a part of one: the description of its root, and of all structs that it names."""

    root: Any
    structs: dict[str, Any]

    def canonical(self) -> bytes:
        """The bytes that a column of this schema has as its canonical schema."""
        structs: dict[str, Any] = {}
        root = with_room(lambda: _named_anew(self.root, self.structs, {}, structs))
        return _encode({"root": root, "structs": structs})

    def part(self, root: Any) -> Schema:
        """The schema of a part."""
        return Schema(root, self.structs)

    def struct(self) -> dict[str, Any]:
        """The struct that the root names."""
        found: dict[str, Any] = self.structs[self.root["struct"]]
        return found


class Parts(NamedTuple):
    """The parts of a schema that rows may be stored by: by the XXH3-64 of row groups, and by fingerprint."""

    groups: dict[int, tuple[Schema, ...]]
    fingerprints: dict[str, Schema]


def parsed(data: bytes) -> Schema:
    """The schema that a chunk of a file holds.

    Raises:
        CorruptionError: it is no schema.
    """
    try:
        found: Any = with_room(lambda: msgspec.json.decode(data))
        schema = Schema(found["root"], found["structs"])
        for body in schema.structs.values():
            for _ in _children(body):
                pass
    except (msgspec.DecodeError, LookupError, TypeError, AttributeError, ValueError, RecursionError) as problem:
        raise CorruptionError(f"a stored schema cannot be read: {problem}") from problem
    return schema


@contextmanager
def believed() -> Iterator[None]:
    """In the block, what a stored schema says is followed: one that says what no column has is corruption."""
    try:
        yield
    except (LookupError, TypeError, AttributeError, ValueError, RecursionError) as problem:
        if isinstance(problem, ParcodeError):
            raise
        raise CorruptionError(f"a stored schema cannot be read: {problem!r:.200}") from problem


@lru_cache(256)
def parts_of(data: bytes) -> Parts:
    """All parts of the schema whose canonical bytes are `data`.

    Raises:
        CorruptionError: they are no schema.
    """
    schema = parsed(data)
    groups: dict[int, tuple[Schema, ...]] = {}
    fingerprints: dict[str, Schema] = {}
    with believed():
        for one in _rows(schema):
            for row in one:
                found = row.canonical()
                fingerprints[fingerprint(found)] = row
            groups[checksum(b"\n".join([row.canonical() for row in one]))] = one
    return Parts(groups, fingerprints)


def _rows(schema: Schema) -> Iterator[tuple[Schema, ...]]:
    """What may be the columns of a row group: the whole, each struct, items of lists, keys and values of maps."""
    waiting = [schema.root]
    for name, body in schema.structs.items():
        yield (schema.part({"struct": name}),)
        waiting += _children(body)
    yield (schema,)
    while waiting:
        each = waiting.pop()
        below = list(_children(each))
        waiting += below
        if isinstance(each, dict):
            if any(isinstance(each.get(name), list) for name in MAPS):
                yield tuple(map(schema.part, below))
            elif not LISTS.isdisjoint(each) and "fixed" not in each:
                yield (schema.part(below[0]),)


def _children(node: Any) -> Iterator[Any]:
    """The descriptions directly inside one, in the order in which a column describes them."""
    if not isinstance(node, dict):
        return
    if "fields" in node:
        for part in ("fields", "privates"):
            for _, below in node.get(part, ()):
                yield below
        if "extra" in node:
            yield node["extra"]
        return
    for name in ("union", *sorted(MAPS)):
        if isinstance(node.get(name), list):
            yield from node[name]
    if "fixed" in node:
        yield from node["tuple"]
        return
    for name in _AROUND:
        if name in node:
            yield node[name]


def _named_anew(node: Any, structs: dict[str, Any], keys: dict[str, str], found: dict[str, Any]) -> Any:
    """`node` with the names that its structs have where it is described alone; their bodies go to `found`."""
    if isinstance(node, list):
        return [_named_anew(each, structs, keys, found) for each in node]
    if not isinstance(node, dict):
        return node
    if node.keys() == {"struct"}:
        old = node["struct"]
        if old not in keys:
            body = structs[old]
            name = key = body["struct"]
            number = 1
            while key in found:
                number += 1
                key = f"{name}#{number}"
            keys[old] = key
            found[key] = None
            found[key] = _body(body, structs, keys, found)
        return {"struct": keys[old]}
    return {name: below if name in _PLAIN else _named_anew(below, structs, keys, found) for name, below in node.items()}


_PLAIN = frozenset({"convert", "members", "flags", "literal", "fixed", "array"})


def _body(body: dict[str, Any], structs: dict[str, Any], keys: dict[str, str], found: dict[str, Any]) -> dict[str, Any]:
    anew = dict(body)
    for part in ("fields", "privates"):
        if part in body:
            anew[part] = [[name, _named_anew(below, structs, keys, found)] for name, below in body[part]]
    if "extra" in body:
        anew["extra"] = _named_anew(body["extra"], structs, keys, found)
    return anew
