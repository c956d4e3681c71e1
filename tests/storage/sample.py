"""A small file that has everything, and a reader that touches every byte that means something."""

from __future__ import annotations

from typing import Any

from parcode_orm.format.catalog import CatalogData
from parcode_orm.format.encoder import Encoder
from parcode_orm.format.layout import Encoding, Kind, NodeFlag, Reference
from parcode_orm.storage.blob import Blob
from parcode_orm.storage.mapped import Source
from parcode_orm.storage.pipeline import Pipeline
from parcode_orm.storage.writer import whole_bytes

UUID = bytes(range(16))
TEXT = b"a text that repeats, and so compresses well; " * 8


def leaf(pipeline: Pipeline, data: bytes, compression: str | None = None, kind: Kind = Kind.COLUMN) -> Encoder:
    """A chunk of one node."""
    out = pipeline.encoder(kind, compression)
    out.leaf(Encoding.RAW, 1, data)
    return out


def build(pipeline: Pipeline) -> CatalogData:
    """Chunks of each sort: nested nodes, references, a compressed buffer, blobs."""
    column = pipeline.submit(leaf(pipeline, TEXT, "lz4"))
    plain = pipeline.blob(b"blob" * 30, "none", b"meta")
    packed = pipeline.blob(b"blob" * 300, "lz4")
    group = pipeline.encoder(Kind.ROW_GROUP, None, 7)
    top = group.open(Encoding.STRUCT, 3)
    group.leaf(Encoding.INT, 3, bytes([1, 2, 3]), width=1, flags=NodeFlag.STATISTICS, low=b"\1", high=b"\3")
    group.leaf(Encoding.REFERENCE, 3, param=group.ref(column))
    group.leaf(Encoding.EXTERNAL, 1, b"\1\0\0\0", param=group.ref(plain))
    group.close(top)
    rows = pipeline.submit(group)
    schema = pipeline.submit(leaf(pipeline, b"{}", kind=Kind.SCHEMA))
    return CatalogData(
        roots={"World": rows, "Größe": packed},
        entities={"Player": {"table": rows, "index:name": column}},
        schemas={"ab" * 16: schema},
        writers={"World": "ab" * 16},
        renames=[("", "Gamer", "Player"), ("Player", "nick", "name")],
        migrations={"0002_names": "cd" * 16, "0001_initial": "ef" * 16},
        message="first",
        metadata={"a": [1, None, 2.5, b"x"]},
    )


def small() -> bytes:
    """The file, the same each time."""
    return whole_bytes(build, uuid=UUID, clock=lambda: 1, workers=0)


def content(source: Source) -> list[Any]:
    """Everything that a file says, chunk by chunk."""
    told: list[Any] = [source.record.sequence, source.record.time]
    catalog = source.catalog
    told += [catalog.writers, catalog.renames, list(catalog.migrations.items()), catalog.message, catalog.metadata]
    targets = {**catalog.roots, **catalog.schemas}
    for name, parts in catalog.entities.items():
        targets.update({f"{name}.{part}": target for part, target in parts.items()})
    for name, target in targets.items():
        assert isinstance(target, Reference)
        told += [name, walk(source, target)]
    return told


def walk(source: Source, ref: Reference) -> list[Any]:
    """A chunk and all below it."""
    chunk = source.chunk(ref)
    told: list[Any] = [chunk.kind, chunk.fingerprint]
    if chunk.kind == Kind.BLOB:
        blob = Blob(chunk)
        return [*told, blob.meta, len(blob), bytes(blob.read())]
    for index, node in enumerate(chunk.nodes):
        told += [node.encoding, node.width, node.flags, node.count, node.param, node.low, node.high]
        told += [chunk.children(index), bytes(chunk.buffer(index))]
    return told + [walk(source, target) for target in chunk.refs]


def below(source: Source, ref: Reference) -> set[Reference]:
    """A chunk and all below it, by reference."""
    return {ref}.union(*(below(source, target) for target in source.chunk(ref).refs))


def live(source: Source) -> int:
    """Bytes that a commit uses: superblock, chunks with the gaps behind them, and what follows its catalog."""
    last = source.record.catalog
    chunks = sum(-(-ref.length // 64) * 64 for ref in below(source, last))
    return 64 + chunks + source.record.file_length - -(-(last.offset + last.length) // 64) * 64
