from __future__ import annotations

import threading
import time
import tracemalloc
from collections.abc import Callable
from struct import pack

import pytest

from parcode_orm.errors import ChecksumError, CompressionError, CorruptionError, StorageError
from parcode_orm.format import compression
from parcode_orm.format.catalog import CatalogData
from parcode_orm.format.checksum import checksum
from parcode_orm.format.chunk import Chunk
from parcode_orm.format.encoder import Buffer, Encoder, Ticket
from parcode_orm.format.layout import BLOB_HEADER, BLOB_PIECE, NODE, Encoding, Kind, NodeFlag, Reference
from parcode_orm.storage.blob import Blob
from parcode_orm.storage.mapped import Source
from parcode_orm.storage.pipeline import Pipeline
from parcode_orm.storage.stats import Stats
from parcode_orm.storage.writer import whole_bytes

from .sample import UUID, leaf

pytestmark = pytest.mark.once

WORKERS = [0, 1, 4, None]


def threads() -> set[str]:
    return {thread.name for thread in threading.enumerate() if thread.name.startswith("parcode")}


def many(pipeline: Pipeline) -> CatalogData:
    """Chunks of many sizes, each with a reference to one before it."""
    tickets: list[Ticket] = []
    for i in range(120):
        out = pipeline.encoder(Kind.COLUMN, ["lz4", "zstd", "auto", "none", None][i % 5])
        out.leaf(Encoding.RAW, 1, bytes([i]) * (i * 700) + str(i).encode() * i)
        if tickets:
            out.ref(tickets[i // 2])
        tickets.append(pipeline.submit(out))
        if i % 30 == 0:
            tickets.append(pipeline.blob(bytes([i]) * 700_000, "lz4", b"m"))
    top = pipeline.encoder(Kind.ROW_GROUP)
    for ticket in tickets:
        top.ref(ticket)
    top.leaf(Encoding.EMPTY, 0)
    return CatalogData(roots={"all": pipeline.submit(top)})


def test_the_same_bytes_with_any_number_of_workers() -> None:
    made = [
        whole_bytes(many, uuid=UUID, clock=lambda: 1, workers=workers, compression=name)
        for name in ("lz4", "lz4")
        for workers in WORKERS
    ]
    assert len(set(made)) == 1
    assert not threads()
    source = Source.open(made[0])
    refs = source.chunk(source.catalog.root("all")).refs
    assert len(refs) == 124
    for ref in refs:
        chunk = source.chunk(ref)
        if chunk.kind == Kind.COLUMN:
            chunk.buffer(0)


def test_no_thread_where_none_is_asked_for_or_of_use() -> None:
    seen: set[str] = set()

    def build(pipeline: Pipeline) -> CatalogData:
        ticket = pipeline.submit(leaf(pipeline, b"x" * 100_000))
        assert ticket.reference is not None
        seen.update(threads())
        return CatalogData()

    whole_bytes(build, workers=0, compression="lz4")
    whole_bytes(build, workers=None)
    assert not seen


@pytest.mark.parametrize("workers", WORKERS)
@pytest.mark.parametrize("stage", ["finish", "write", "producer", "catalog"])
def test_an_exception_stops_everything(workers: int | None, stage: str, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 0
    written = []

    def fail_later() -> None:
        nonlocal calls
        calls += 1
        if calls > 5:
            raise RuntimeError(stage)

    class Failing(Encoder):
        __slots__ = ()

        def finish(self) -> tuple[bytes, list[Buffer]]:
            if stage == "finish":
                fail_later()
            return super().finish()

    def write(data: Buffer) -> None:
        written.append(len(data))
        if stage == "write":
            fail_later()

    def build(pipeline: Pipeline) -> CatalogData:
        for _ in range(2000):
            out = Failing(Kind.COLUMN, "lz4", None)
            out.leaf(Encoding.RAW, 1, bytes(range(256)) * 300)
            pipeline.submit(out)
            if stage == "producer":
                fail_later()
        return CatalogData(roots={"lost": Ticket()} if stage == "catalog" else {})

    from parcode_orm.storage.writer import write_whole

    with pytest.raises((RuntimeError, ValueError), match=stage if stage != "catalog" else "not submitted"):
        write_whole(write, build, workers=workers)
    assert not threads()


@pytest.mark.parametrize("workers", [1, 4])
def test_bytes_in_flight_are_bounded(workers: int) -> None:
    gate = threading.Event()
    waiting = 0
    most = 0
    lock = threading.Lock()

    def write(data: Buffer) -> None:
        gate.wait(10)

    class Counted(Encoder):
        __slots__ = ()

        def head(self, *args: object) -> bytes:
            nonlocal waiting
            with lock:
                waiting -= 1
            return super().head(*args)  # type: ignore[arg-type]

    pipeline = Pipeline(write, 0, workers, "lz4", inflight_bytes=1 << 20)
    done = threading.Event()

    def produce() -> None:
        nonlocal waiting, most
        for _ in range(200):
            out = Counted(Kind.COLUMN, None, None)
            out.leaf(Encoding.RAW, 1, bytes(100_000))
            with lock:
                waiting += 1
                most = max(most, waiting)
            pipeline.submit(out)
        done.set()

    producer = threading.Thread(target=produce)
    producer.start()
    assert not done.wait(0.2)
    gate.set()
    producer.join(20)
    pipeline.close()
    assert done.is_set() and most <= 12
    assert not threads()


def test_one_chunk_may_be_larger_than_the_bound() -> None:
    got: list[int] = []
    pipeline = Pipeline(lambda data: got.append(len(data)), 0, 2, inflight_bytes=10)
    for _ in range(5):
        pipeline.submit(leaf(pipeline, bytes(1000)))
    pipeline.close()
    assert sum(got) == pipeline.output.position


def test_abort_while_the_producer_waits_for_a_slow_disk() -> None:
    pipeline = Pipeline(lambda data: time.sleep(0.05), 0, 2, "lz4", inflight_bytes=1000)
    pipeline.submit(leaf(pipeline, bytes(100_000), "none"))
    started = time.monotonic()
    pipeline.abort()
    pipeline.abort()
    assert time.monotonic() - started < 5 and not threads()
    with pytest.raises(ValueError, match="closed"):
        pipeline.submit(leaf(pipeline, b""))
    with pytest.raises(StorageError):
        pipeline.close()


@pytest.mark.parametrize("which", ["parcode-writer", "parcode-worker"])
def test_a_thread_that_cannot_be_started(which: str, monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refuse(self: threading.Thread) -> None:
        if self.name.startswith(which):
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    pipeline = Pipeline(lambda data: None, 0, 2, "lz4", inflight_bytes=10)
    for _ in range(2):  # nor does the second wait for ever
        with pytest.raises(RuntimeError, match="can't start"):
            pipeline.submit(leaf(pipeline, bytes(1000)))
    pipeline.abort()
    assert not threads()
    with pytest.raises(RuntimeError, match="can't start"):
        pipeline.close()


def test_the_pool_ends_where_waiting_for_the_writer_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = Pipeline(lambda data: None, 0, 2, "lz4")
    pipeline.submit(leaf(pipeline, bytes(1000)))
    assert pipeline._writer is not None

    def interrupted(timeout: float | None = None) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(pipeline._writer, "join", interrupted)
        with pytest.raises(KeyboardInterrupt):
            pipeline.close()
        assert not any(name.startswith("parcode-worker") for name in threads())
    pipeline.abort()
    assert not threads()


def test_bad_arguments() -> None:
    with pytest.raises(CompressionError):
        Pipeline(lambda data: None, compression="brotli")
    with pytest.raises(ValueError):
        Pipeline(lambda data: None, workers=-1)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_blob_was_may_change_at_once(workers: int) -> None:
    small, large = bytearray(b"small" * 100), bytearray(b"large" * 50_000)

    def build(pipeline: Pipeline) -> CatalogData:
        roots = {"s": pipeline.blob(small, None, b""), "l": pipeline.blob(memoryview(large), None, b"")}
        small[:] = bytes(500)
        large[:] = bytes(250_000)
        return CatalogData(roots=dict(roots))

    source = Source.open(whole_bytes(build, workers=workers))
    assert bytes(Blob(source.chunk(source.catalog.root("s"))).read()) == b"small" * 100
    assert bytes(Blob(source.chunk(source.catalog.root("l"))).read()) == b"large" * 50_000


def source_of(data: bytes, name: str | None, meta: bytes = b"", stats: Stats | None = None) -> tuple[Source, Blob]:
    source = Source.open(whole_bytes(lambda p: CatalogData(roots={"b": p.blob(data, name, meta)}), workers=0), stats)
    return source, Blob(source.chunk(source.catalog.root("b")))


MIXED = bytes(BLOB_PIECE) + __import__("random").Random(3).randbytes(BLOB_PIECE) + b"end" * 1000


@pytest.mark.parametrize("name", ["none", "lz4", "zstd", "auto"])
@pytest.mark.parametrize(
    "data",
    [b"", b"x", b"ab" * 100, bytes(BLOB_PIECE - 1), bytes(BLOB_PIECE), bytes(BLOB_PIECE + 1), MIXED],
    ids=len,
)
def test_blob(data: bytes, name: str) -> None:
    _, blob = source_of(data, name, b"what it is")
    assert blob.meta == b"what it is" and len(blob) == len(data)
    assert bytes(blob.read()) == data
    edges = [0, 1, len(data) // 2, BLOB_PIECE - 1, BLOB_PIECE, BLOB_PIECE + 1, len(data) - 1, len(data), len(data) + 9]
    for start in edges:
        for stop in edges:
            if start >= 0 and stop >= 0:
                assert bytes(blob.read(start, stop)) == data[start:stop]
    assert blob.read().readonly


def test_a_part_of_a_blob_reads_and_verifies_a_part() -> None:
    stats = Stats()
    data = bytes(range(256)) * 20_000
    source, blob = source_of(data, "none", stats=stats)
    before = stats.bytes_read
    view = blob.read(BLOB_PIECE + 5, BLOB_PIECE + 10)
    assert stats.bytes_read - before == BLOB_PIECE
    blob.read(BLOB_PIECE + 5, BLOB_PIECE + 10)
    assert stats.bytes_read - before == BLOB_PIECE
    assert isinstance(view.obj, bytes) and view.obj is blob.read(0, 5).obj  # no copy
    del source


@pytest.mark.parametrize("name", ["none", "lz4"])
def test_a_damaged_piece_is_found_where_it_is(name: str) -> None:
    whole = bytearray(
        whole_bytes(lambda p: CatalogData(roots={"b": p.blob(bytes(range(256)) * 5000, name, b"")}), workers=0)
    )
    source = Source.open(bytes(whole))
    ref = source.catalog.root("b")
    node = source.chunk(ref).nodes[3]
    assert node.compression == (name == "lz4")
    at = ref.offset + node.place + node.stored - 10  # in the last piece
    whole[at] ^= 4
    source = Source.open(bytes(whole))
    blob = Blob(source.chunk(ref))
    assert bytes(blob.read(0, 100)) == bytes(range(100))
    with pytest.raises(ChecksumError):
        blob.read()


def forged_blob(name: str, stored: bytes, count: int, checksums: list[int] | None = None) -> Blob:
    """A blob of `count` whole pieces, each of which is stored as `stored`."""
    out = Encoder(Kind.BLOB, None, None)
    root = out.open(Encoding.RAW, 1, BLOB_HEADER.pack(BLOB_PIECE, count, count * BLOB_PIECE))
    out.leaf(Encoding.INT, count, pack(f"<{count}Q", *(checksums or [checksum(stored)] * count)), width=8)
    out.leaf(
        Encoding.INT, count, pack(f"<{count}Q", *range(len(stored), (count + 1) * len(stored), len(stored))), width=8
    )
    out.leaf(Encoding.RAW, 1, stored * count)
    out.close(root)
    directory, parts = out.finish()
    data = list(NODE.unpack(directory[-NODE.size :]))
    data[1], data[3] = compression.compress(name, bytes(1000))[0], NodeFlag.PIECES
    data[9], data[10] = count * BLOB_PIECE, 0
    directory = directory[: -NODE.size] + NODE.pack(*data)
    head = out.head(directory, parts, ())
    whole = head + b"".join(parts)
    reference = Reference(64, len(whole), checksum(head), Kind.BLOB)
    return Blob(Chunk(reference, memoryview(whole), "x.par", lambda size: None))


@pytest.mark.parametrize("name, size", [("lz4", 1), ("lz4", 1028), ("zstd", 1), ("zstd", 3)])
def test_a_piece_that_claims_to_expand_beyond_all_bounds(name: str, size: int) -> None:
    with pytest.raises(CorruptionError, match="claims to expand"):
        forged_blob(name, bytes(size), 2)


@pytest.mark.parametrize("name", ["lz4", "zstd"])
def test_memory_follows_what_was_verified(name: str) -> None:
    stored = bytes(compression.compress(name, bytes(BLOB_PIECE))[1])
    assert bytes(forged_blob(name, stored, 3).read()) == bytes(3 * BLOB_PIECE)
    good = checksum(stored)
    blob = forged_blob(name, stored, 1000, [good, good, good + 1 & (1 << 64) - 1] + [good] * 997)
    tracemalloc.start()
    with pytest.raises(ChecksumError):
        blob.read()
    assert tracemalloc.get_traced_memory()[1] < 8 * BLOB_PIECE
    tracemalloc.stop()


def test_a_registered_compression_that_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compression, "_by_id", dict(compression._by_id))
    monkeypatch.setattr(compression, "_by_name", dict(compression._by_name))
    calls: list[int] = []

    def grow(data: memoryview) -> bytes:
        calls.append(len(data))
        return bytes(data) * 2

    decompress: Callable[[memoryview, int], bytes] = lambda data, raw: bytes(data[:raw])
    compression.register(150, "grow", grow, decompress)
    _, blob = source_of(b"abc" * 1000, "grow")
    assert calls and bytes(blob.read()) == b"abc" * 1000
