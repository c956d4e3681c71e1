"""The catalog of a commit: one chunk that names the roots, the entity tables and the schemas.

References stand in the chunk's reference table only; the payload, MessagePack in a RAW node, names them by ordinal.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec

from ..errors import EncodeError
from ..stack import room_for
from .chunk import Chunk
from .encoder import Encoder, Ticket
from .layout import Encoding, Kind, Reference

MAX_PAYLOAD = 64 << 20
Target = Ticket | Reference


@dataclass(slots=True)
class CatalogData:
    """The content of a commit. In a catalog read from a file every target is a `Reference`. A writer may name tickets.

    `entities` maps an entity's name to its parts ("table", an index's name, ...), `schemas` a fingerprint to the chunk
    that describes it, `writers` a root's name to the fingerprint of the newest schema that wrote it. `renames` are
    those of applied migrations, in their order: (class, old field, new field), or ("", old class, new class).
    `migrations` maps the name of each applied migration to its hash, in the order in which they were applied.
    `metadata` holds values of MessagePack: None, bool, int, float, str, bytes, lists and dicts.
    """

    roots: dict[str, Target] = field(default_factory=dict)
    entities: dict[str, dict[str, Target]] = field(default_factory=dict)
    schemas: dict[str, Target] = field(default_factory=dict)
    writers: dict[str, str] = field(default_factory=dict)
    renames: list[tuple[str, str, str]] = field(default_factory=list)
    migrations: dict[str, str] = field(default_factory=dict)
    message: str = ""
    metadata: dict[str, Any] = field(default_factory=dict)

    def root(self, name: str) -> Reference:
        """The reference of a root that was read from a file."""
        target = self.roots[name]
        assert isinstance(target, Reference)
        return target

    def schema(self, fingerprint: str) -> Reference:
        """The reference of a schema that was read from a file."""
        target = self.schemas[fingerprint]
        assert isinstance(target, Reference)
        return target

    def place(self) -> None:
        """Put references in the place of tickets, after everything is written."""
        for targets in (self.roots, *self.entities.values(), self.schemas):
            for name, target in targets.items():
                if isinstance(target, Ticket):
                    assert target.reference is not None
                    targets[name] = target.reference


class _Payload(msgspec.Struct, omit_defaults=True):
    roots: dict[str, int] = {}
    entities: dict[str, dict[str, int]] = {}
    schemas: dict[str, int] = {}
    writers: dict[str, int] = {}  # by their places among the schemas
    renames: list[tuple[str, str, str]] = []
    migrations: dict[str, str] = {}
    message: str = ""
    metadata: dict[str, Any] = {}


_decode = msgspec.msgpack.Decoder(_Payload).decode


def encode(data: CatalogData, sink: Any = None) -> Encoder:
    """The catalog's chunk. Submit it after everything that it names."""
    out = Encoder(Kind.CATALOG, None, sink)
    refs = out.refs
    parts: list[dict[str, int]] = []  # ordinals, by name
    for targets in (data.roots, *data.entities.values(), data.schemas):
        first = len(refs)
        refs += targets.values()
        parts.append(dict(zip(targets, range(first, len(refs)), strict=True)))
    entities = dict(zip(data.entities, parts[1:-1], strict=True))
    places = dict(zip(data.schemas, range(len(data.schemas)), strict=True))
    writers = dict(zip(data.writers, map(places.__getitem__, data.writers.values()), strict=True))
    payload = _Payload(
        parts[0], entities, parts[-1], writers, data.renames, data.migrations, data.message, data.metadata
    )
    packed = msgspec.msgpack.encode(payload)
    if len(packed) > MAX_PAYLOAD:
        raise EncodeError(f"a catalog of {len(packed)} bytes; {MAX_PAYLOAD} are allowed: put large metadata in a root")
    out.leaf(Encoding.RAW, 1, packed)
    return out


def decode(chunk: Chunk) -> CatalogData:
    """Read a catalog.

    Raises:
        CorruptionError: the chunk is no catalog, or names references that it does not have.
    """
    if chunk.kind != Kind.CATALOG or chunk.nodes[0].encoding != Encoding.RAW:
        raise chunk.error(0, "this chunk is no catalog")
    if chunk.nodes[0].raw > MAX_PAYLOAD:
        raise chunk.error(0, f"a catalog of {chunk.nodes[0].raw} bytes")
    data = chunk.buffer(0)
    try:
        try:
            payload = _decode(data)
        except RecursionError as problem:
            payload = room_for(problem, lambda: _decode(data))
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as problem:
        raise chunk.error(0, f"the catalog cannot be decoded: {problem}") from problem

    ref, roots, entities, schemas = chunk.refs.__getitem__, payload.roots, payload.entities, payload.schemas
    most = len(chunk.refs) - 1
    if roots and (min(roots.values()) < 0 or max(roots.values()) > most):
        _targets(roots, chunk)  # which says what is wrong
    if schemas and (min(schemas.values()) < 0 or max(schemas.values()) > most):
        _targets(schemas, chunk)
    return CatalogData(
        dict(zip(roots, map(ref, roots.values()))),  # noqa: B905  # of one dictionary
        {name: _targets(parts, chunk) for name, parts in entities.items()} if entities else {},
        dict(zip(schemas, map(ref, schemas.values()))),  # noqa: B905
        _writers(payload, chunk) if payload.writers else {},
        payload.renames,
        payload.migrations,
        payload.message,
        payload.metadata,
    )


def _writers(payload: _Payload, chunk: Chunk) -> dict[str, str]:
    schemas = list(payload.schemas)
    found: dict[str, str] = {}
    for name, place in payload.writers.items():
        if not 0 <= place < len(schemas):
            raise chunk.error(0, f"the catalog's root {name!r} was written by schema {place} of {len(schemas)}")
        found[name] = schemas[place]
    return found


def _targets(ordinals: dict[str, int], chunk: Chunk) -> dict[str, Target]:
    refs = chunk.refs
    found: dict[str, Target] = {}
    for name, ordinal in ordinals.items():
        if not 0 <= ordinal < len(refs):
            raise chunk.error(0, f"the catalog's entry {name!r} names reference {ordinal} of {len(refs)}")
        found[name] = refs[ordinal]
    return found
