"""Superblock, commit record, catalog and chunk: every damage is noticed, and hostile values with good checksums too."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from parcode_orm.errors import (
    ChecksumError,
    CorruptionError,
    FormatError,
    NotAParcodeFile,
    ParcodeError,
    ReadOnlyError,
    TruncatedError,
    UnsupportedVersion,
)
from parcode_orm.format import catalog, commit, superblock
from parcode_orm.format.checksum import checksum
from parcode_orm.format.chunk import Chunk
from parcode_orm.format.commit import Record
from parcode_orm.format.encoder import Encoder
from parcode_orm.format.heads import MAX_DEPTH
from parcode_orm.format.layout import (
    CHUNK_HEADER,
    CHUNK_MAGIC,
    NODE,
    RECORD,
    REFERENCE,
    Encoding,
    Kind,
    RecordFlag,
    Reference,
)

pytestmark = pytest.mark.once

UUID = b"0123456789abcdef"
RECORD_1 = Record(3, 64, 8192, 8192 + 672, -5, 2, 100, 20, Reference(4096, 200, 99, Kind.CATALOG))


def flips(data: bytes) -> Any:
    for bit in range(len(data) * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        yield bit, bytes(damaged)


def test_superblock() -> None:
    data = superblock.pack(UUID, compatible=1 << 40)
    assert len(data) == 64
    assert superblock.unpack(data, "") == (1, 0, 0, 0, 1 << 40, UUID)
    for _, damaged in flips(data):
        with pytest.raises((FormatError, ChecksumError)):
            superblock.unpack(damaged, "x.par")
    for length in range(64):
        with pytest.raises(NotAParcodeFile if not length else TruncatedError):
            superblock.unpack(data[:length], "x.par")


def test_feature_bits() -> None:
    with pytest.raises(UnsupportedVersion, match="bits 3, 17"):
        superblock.unpack(superblock.pack(UUID, incompatible=1 << 3 | 1 << 17), "x.par")
    block = superblock.unpack(superblock.pack(UUID, read_compatible=1 << 5), "x.par")
    with pytest.raises(ReadOnlyError, match="bits 5"):
        block.check_writable("x.par")
    superblock.unpack(superblock.pack(UUID, compatible=~0 & (1 << 64) - 1), "").check_writable("")


def test_record() -> None:
    data = commit.pack(RECORD_1, UUID)
    assert len(data) == RECORD.size
    assert commit.pack_twice(RECORD_1, UUID) == data + bytes(512 - len(data)) + data
    size = RECORD_1.file_length
    assert commit.unpack(data, UUID, 8192, size) == RECORD_1
    assert commit.unpack(data, UUID, 8192 + 512, size) == RECORD_1
    assert commit.unpack(data, UUID, 8192 + 64, size) is None
    assert commit.unpack(data, UUID, 4096, size) is None
    assert commit.unpack(data, b"another file's  ", 8192, size) is None
    for _, damaged in flips(data):
        assert commit.unpack(damaged, UUID, 8192, size) is None
    for length in range(len(data)):
        assert commit.unpack(data[:length], UUID, 8192, size) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"file_length": 1 << 63},
        {"file_length": 0},
        {"offset": 8192 + 64, "file_length": 8192 + 64 + 672},
        {"previous": 8192},
        {"previous": 1 << 60},
        {"sequence": 0},
        {"sequence": commit.MAX_NUMBER},
        {"sequence": (1 << 64) - 1},
        {"live": (1 << 64) - 1},
        {"live": commit.MAX_NUMBER - 20},
        {"dead": (1 << 64) - 1},
        {"file_length": 8192 + 160, "flags": RecordFlag.WHOLE_FILE | RecordFlag.FAST, "range_start": 64},
        {"flags": 0},
        {"flags": RecordFlag.DOUBLED | RecordFlag.WHOLE_FILE},
        {"flags": RecordFlag.DOUBLED | RecordFlag.FAST, "range_start": 9000},
        {"catalog": Reference(4096, 200, 99, Kind.BLOB)},
        {"catalog": Reference(4096, 1 << 62, 99, Kind.CATALOG)},
        {"catalog": Reference(1 << 62, 200, 99, Kind.CATALOG)},
        {"catalog": Reference(0, 200, 99, Kind.CATALOG)},
        {"catalog": Reference(4096, 0, 99, Kind.CATALOG)},
    ],
)
def test_a_record_that_contradicts_itself_is_none(changes: dict[str, Any]) -> None:
    record = RECORD_1._replace(**changes)
    assert commit.unpack(commit.pack(record, UUID), UUID, record.offset, 1 << 40) is None
    assert commit.unpack(commit.pack(RECORD_1, UUID), UUID, 8192, 8192 + 159) is None


def chunk_of(encoder: Encoder, offset: int = 1 << 20, refs: tuple[Reference, ...] = ()) -> tuple[Reference, bytes]:
    directory, parts = encoder.finish()
    head = encoder.head(directory, parts, refs)
    data = head + b"".join(parts)
    return Reference(offset, len(data), checksum(head), encoder.kind), data


def read(ref: Reference, data: bytes) -> Chunk:
    return Chunk(ref, memoryview(data), "x.par", lambda size: None)


def sample() -> Encoder:
    out = Encoder(Kind.COLUMN, "lz4", None)
    top = out.open(Encoding.LIST, 3)
    out.leaf(Encoding.INT, 3, b"\1\2\3", width=1)
    out.leaf(Encoding.RAW, 1, b"again and " * 20)
    out.close(top)
    return out


def test_chunk_flips_and_cuts() -> None:
    out = sample()
    target = Reference(64, 100, 5, Kind.COLUMN)
    out.ref(target)
    ref, data = chunk_of(out, refs=(target,))
    good = [bytes(read(ref, data).buffer(i)) for i in range(3)]
    assert good[2] == b"again and " * 20
    harmless = 0
    for _, damaged in flips(data):
        try:
            chunk = read(ref, damaged)
            assert chunk.refs == [target]
            assert [bytes(chunk.buffer(i)) for i in range(3)] == good
            harmless += 1
        except CorruptionError as problem:
            assert problem.path == "x.par" and problem.offset is not None
    assert harmless <= 7 * 8  # padding between buffers
    for length in range(len(data)):
        with pytest.raises(CorruptionError):
            read(ref, data[:length])
        with pytest.raises(CorruptionError):
            read(ref._replace(length=length), data[:length])


def forged(
    entries: list[tuple[Any, ...]], buffers: bytes = b"", refs: list[Reference] | None = None, **header: int
) -> Any:
    """A chunk with a good checksum and whatever content."""
    refs = refs or []
    table = b"".join(REFERENCE.pack(*r) for r in refs) + b"".join(NODE.pack(*n) for n in entries)
    length = CHUNK_HEADER.size + len(table) + len(buffers)
    head = CHUNK_HEADER.pack(
        CHUNK_MAGIC, Kind.COLUMN, 0, 0, header.get("n_refs", len(refs)), header.get("n_nodes", len(entries)), length, 0
    )
    head += table
    return Reference(1 << 20, length, checksum(head), Kind.COLUMN), head + buffers


def node(**changes: Any) -> tuple[Any, ...]:
    values = {"encoding": 18, "compression": 0, "width": 0, "flags": 0, "span": 1, "count": 1, "param": 0}
    values |= {"place": 0, "stored": 0, "raw": 0, "checksum": 0, "low": b"", "high": b""}
    return tuple({**values, **changes}.values())


BIG = (1 << 64) - 1


@pytest.mark.parametrize(
    "chunk",
    [
        forged([], n_nodes=0),
        forged([node()], n_nodes=(1 << 32) - 1),
        forged([node()], n_refs=(1 << 32) - 1),
        forged([node(place=BIG, stored=8, raw=8)]),
        forged([node(place=112, stored=BIG, raw=8)]),
        forged([node(place=112, stored=8, raw=8)]),
        forged([node(raw=8)]),
        forged([node(place=112, stored=4, raw=8, checksum=checksum(b"abcd"))], b"abcd"),
        forged([node(place=112, stored=4, raw=BIG, compression=1, checksum=checksum(b"abcd"))], b"abcd"),
        forged([node(place=112, stored=4, raw=1000, compression=1, checksum=checksum(b"abcd"))], b"abcd"),
        forged([node(place=112, stored=4, raw=1000, compression=2, checksum=checksum(b"abcd"))], b"abcd"),
        forged([node(flags=16)]),
        forged([node()], refs=[Reference(1 << 20, 32, 0, 1)]),
        forged([node()], refs=[Reference((1 << 20) - 32, 64, 0, 1)]),
        forged([node()], refs=[Reference(BIG, BIG, 0, 1)]),
        forged([node(span=2)]),
        forged([node(span=3), node(span=2), node(span=2)]),
        forged([node(span=3), node(span=0), node()]),
        forged([node(span=BIG >> 32), node()]),
        forged([node(span=MAX_DEPTH + 10 - i) for i in range(MAX_DEPTH + 10)]),
    ],
)
def test_hostile_chunks(chunk: tuple[Reference, bytes]) -> None:
    with pytest.raises(CorruptionError):
        read_chunk = read(*chunk)
        for index in range(len(read_chunk.nodes)):
            read_chunk.buffer(index)
            read_chunk.children(index)


def test_a_node_and_a_child_are_found_without_the_others() -> None:
    spans = [6, 3, 1, 1, 1, 1]
    chunk = read(*forged([node(span=span, count=place) for place, span in enumerate(spans)]))
    assert [chunk.child(0, place) for place in range(3)] == [1, 4, 5] == chunk.children(0)
    assert [chunk.child(1, place) for place in range(2)] == [2, 3] == chunk.children(1)
    assert [chunk.node(index) for index in range(chunk.node_count)] == chunk.nodes
    for index, place in ((0, 3), (1, 2), (2, 0), (5, 0)):
        with pytest.raises(CorruptionError, match=f"no child {place}"):
            chunk.child(index, place)


@pytest.mark.parametrize("spans", [[3, 0, 1], [4, 1, 1], [BIG >> 32, 1], [3, BIG >> 32, 1]])
def test_hostile_spans_lead_to_no_child(spans: list[int]) -> None:
    chunk = read(*forged([node(span=span) for span in spans]))
    with pytest.raises(CorruptionError):
        chunk.child(0, 1)


def test_unknown_compression_names_its_number() -> None:
    with pytest.raises(UnsupportedVersion, match="99"):
        read(*forged([node(place=112, stored=4, raw=9, compression=99, checksum=checksum(b"abcd"))], b"abcd")).buffer(0)


def catalog_of(payload: Any, encoding: Encoding = Encoding.RAW, kind: Kind = Kind.CATALOG) -> Chunk:
    out = Encoder(kind, None, None)
    out.leaf(encoding, 1, payload if isinstance(payload, bytes) else msgspec.msgpack.encode(payload))
    return read(*chunk_of(out))


@pytest.mark.parametrize(
    "chunk",
    [
        catalog_of({"roots": {"A": 0}}),
        catalog_of({"roots": {"A": -1}}),
        catalog_of({"entities": {"A": {"b": 5}}}),
        catalog_of({"schemas": {"A": 1 << 60}}),
        catalog_of({"writers": {"A": 0}}),
        catalog_of({"writers": {"A": -1}}),
        catalog_of({"renames": [["A", "b"]]}),
        catalog_of({"migrations": {"0001": 1}}),
        catalog_of({"roots": [1]}),
        catalog_of({"roots": {"A": "x"}}),
        catalog_of([]),
        catalog_of(b""),
        catalog_of(b"\xdf\xff\xff\xff\xff"),
        catalog_of(b"\x81\xa8metadata\x81\xa1a" + b"\x91" * 100_000 + b"\x00"),
        catalog_of(b"\x81\xa7message\xa2\xff\xfe"),
        catalog_of({}, Encoding.BYTES),
        catalog_of({}, kind=Kind.COLUMN),
    ],
)
def test_hostile_catalogs(chunk: Chunk) -> None:
    with pytest.raises(CorruptionError):
        catalog.decode(chunk)


def test_catalog_of_a_newer_minor_version() -> None:
    assert catalog.decode(catalog_of({"later": [1], "message": "hi"})) == catalog.CatalogData(message="hi")


def test_errors_are_parcode_errors() -> None:
    assert issubclass(CorruptionError, ParcodeError)
