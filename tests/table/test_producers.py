"""Row groups encoded in threads: the same bytes, errors and memory as from one thread."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Optional

import pytest

from parcode_orm import Chunk, Model, Session, ShardedMap, loads, save
from parcode_orm.codec.compile import struct_for
from parcode_orm.errors import CyclicGraphError, EncodeError, StorageError
from parcode_orm.format.chunk import Buffer
from parcode_orm.session.roots import Root, write_roots
from parcode_orm.storage import pipeline as pipelines
from parcode_orm.storage.mapped import Source
from parcode_orm.storage.writer import write_whole
from parcode_orm.table import producers, writer
from parcode_orm.table.writer import TableSink

UUID = bytes(range(16))
WORKERS = [0, 1, 2, 4]


class Part(Model):
    n: int
    text: str = ""


class Row(Model):
    id: int
    name: str
    score: float | None = None
    deep: list[Part] = []
    tags: list[int] = Chunk(default=[])
    parts: dict[str, Part] = ShardedMap(default={})
    blob: bytes = Chunk(default=b"", compression="lz4")
    anything: Any = None
    next: Optional[Row] = None  # noqa: UP045  # a class that is not there yet


class World(Model):
    rows: list[Row] = Chunk(default=[])
    by_key: dict[str, Row] = ShardedMap(default={})
    numbers: list[int] = Chunk(default=[])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(writer, "TARGET_ROWS", 50)
    yield
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("parcode")]


@pytest.fixture(params=[True, False], ids=["gil", "free-threaded"])
def gil(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Where there is a GIL, threads encode just the same when it is said that there is none."""
    monkeypatch.setattr(pipelines, "gil_enabled", lambda: request.param)
    return bool(request.param)


@pytest.fixture
def no_gil(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "gil_enabled", lambda: False)


@pytest.fixture
def encoders(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the threads that encode row groups."""
    found: set[str] = set()
    write_group = TableSink.write_group

    def watched(self: TableSink, *args: Any) -> Any:
        found.add(threading.current_thread().name)
        return write_group(self, *args)

    monkeypatch.setattr(TableSink, "write_group", watched)
    return found


def row(i: int) -> Row:
    """Rows of every size: fields that stay, fields that are stored alone, tables of several row groups."""
    return Row(
        id=i,
        name=f"row {i}",
        score=None if i % 3 else i / 7,
        deep=[Part(n=k) for k in range(i % 4)],
        tags=list(range(i % 11)) if i % 97 else list(range(20_000)),
        parts={f"{k}": Part(n=k, text="x" * k) for k in range(3 if i % 89 else 600)},
        blob=bytes([i % 256]) * (i % 50 if i % 83 else 90_000),
        anything=[i, {"a": b"b"}] if i % 5 else Part(n=i),
    )


def world() -> World:
    return World(
        rows=[row(i) for i in range(230)],
        by_key={f"key {i}": row(i) for i in range(130)},
        numbers=[i * i for i in range(3000)],
    )


def whole(obj: Any, workers: int | None, compression: str | None = None, write: Any = None) -> bytes:
    parts: list[bytes] = []
    column = struct_for(type(obj))

    def build(pipeline: Any) -> Any:
        return write_roots(TableSink(pipeline, compression), [Root(type(obj).__name__, obj, column)], (), None)

    write_whole(
        write or (lambda part: parts.append(bytes(part))),
        build,
        uuid=UUID,
        clock=lambda: 1,
        workers=workers,
        compression=compression,
    )
    return b"".join(parts)


@pytest.mark.parametrize("compression", [None, "lz4"])
@pytest.mark.parametrize("held", [1, 8 << 20])
def test_the_same_bytes(
    compression: str | None, held: int, monkeypatch: pytest.MonkeyPatch, encoders: set[str]
) -> None:
    obj = world()
    monkeypatch.setattr(producers, "HELD", held)
    made = set()
    for gil in (True, False):
        monkeypatch.setattr(pipelines, "gil_enabled", lambda gil=gil: gil)
        for workers in WORKERS:
            encoders.clear()
            made.add(whole(obj, workers, compression))
            assert ("parcode-encoder" in encoders) == (not gil and workers > 0)
    assert len(made) == 1


@pytest.mark.parametrize("workers", WORKERS)
def test_rows_of_growing_and_repeating_size(workers: int, gil: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "TARGET_ROWS", 4096)
    monkeypatch.setattr(writer, "TARGET_BYTES", 4096)
    rows = [Row(id=i, name=str(i) * (1 + i // 40) if i < 1500 else "again") for i in range(3000)]
    made = whole(World(rows=rows), workers)
    monkeypatch.setattr(pipelines, "gil_enabled", lambda: True)
    assert made == whole(World(rows=rows), 0)


def test_streams_are_taken_from_by_the_calling_thread_alone(no_gil: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def threads(source: Iterator[Any]) -> Iterator[Any]:
        for each in source:
            assert threading.current_thread() is threading.main_thread()
            yield each

    def streams() -> World:
        def rows() -> Iterator[Row]:
            for i in range(180):
                found = row(i)
                found.tags = threads(iter(range(i if i % 70 else 20_000)))
                if i % 3 == 0:
                    found.parts = threads((f"{k % 100}", Part(n=k)) for k in range(i % 120))
                yield found

        pairs = ((f"key {i % 180}", row(i)) for i in range(300))
        return World(rows=threads(rows()), by_key=threads(pairs), numbers=threads(iter(range(1000))))

    made = {whole(streams(), workers, "lz4") for workers in (0, 1, 4)}
    monkeypatch.setattr(pipelines, "gil_enabled", lambda: True)
    made.add(whole(streams(), 2, "lz4"))
    assert len(made) == 1
    found = loads(made.pop(), World)
    assert len(found.rows) == 180
    assert len(found.by_key) == 180


def rows_with(broken: dict[int, Callable[[Row], None]], count: int = 900) -> list[Row]:
    found = [row(i) for i in range(count)]
    for i, change in broken.items():
        change(found[i])
    return found


def wrong_tag(found: Row) -> None:
    found.tags = ["no number"]  # type: ignore[list-item]


def wrong_part(found: Row) -> None:
    found.parts = {"x": Part.model_construct(n="no number", text="")}


def wrong_tag_far_in(found: Row) -> None:
    found.tags = [*range(40_000), "no number"]  # type: ignore[list-item]


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("at", [3, 60, 333, 399])
def test_an_error_says_where_as_without_threads(workers: int, at: int, gil: bool) -> None:
    for change, path in (
        (wrong_tag, "tags[0]"),
        (wrong_part, "parts['x'].n"),
        (wrong_tag_far_in, "tags[40000]"),
    ):
        rows = rows_with({at: change}, 400)
        with pytest.raises(EncodeError) as caught:
            whole(World(rows=rows), workers)
        assert (caught.value.path, caught.value.model) == (f"rows[{at}].{path}", "World")
        with pytest.raises(EncodeError) as caught:
            whole(World(by_key={f"k{i}": each for i, each in enumerate(rows)}), workers)
        assert (caught.value.path, caught.value.model) == (f"by_key['k{at}'].{path}", "World")


def test_the_first_of_two_errors_is_raised(no_gil: None) -> None:
    rows = rows_with({888: wrong_tag, 341: wrong_part, 320: wrong_tag, 777: wrong_tag})
    for _ in range(5):
        with pytest.raises(EncodeError) as caught:
            whole(World(rows=rows), 4)
        assert caught.value.path == "rows[320].tags[0]"


@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("bad", [None, 300, 349])
def test_a_stream_that_fails(workers: int, bad: int | None, gil: bool) -> None:
    class Gone(Exception):
        pass

    def rows() -> Iterator[Row]:
        for i in range(380):
            found = row(i)
            if i == bad:
                wrong_tag(found)
            yield found
        raise Gone

    if bad is None:
        with pytest.raises(Gone):
            whole(World(rows=rows()), workers)
    else:  # that row was written before the stream failed
        with pytest.raises(EncodeError) as caught:
            whole(World(rows=rows()), workers)
        assert caught.value.path == f"rows[{bad}].tags[0]"


def test_a_stream_within_a_row_that_fails(gil: bool) -> None:
    def tags() -> Iterator[int]:
        yield 1
        raise ZeroDivisionError

    rows = rows_with({555: lambda found: setattr(found, "tags", tags())})
    with pytest.raises(ZeroDivisionError):
        whole(World(rows=rows), 2)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, GeneratorExit])
def test_an_interrupt_ends_everything_at_once(kind: type[BaseException], no_gil: None) -> None:
    def rows() -> Iterator[Row]:
        for i in range(400):
            yield row(i)
        raise kind

    with pytest.raises(kind):
        whole(World(rows=rows()), 2)

    def tags() -> Iterator[int]:
        raise kind
        yield 1

    with pytest.raises(kind):
        whole(World(rows=rows_with({555: lambda found: setattr(found, "tags", tags())})), 2)


@pytest.mark.parametrize("held", [1, 8 << 20])
def test_a_disk_that_fails(held: int, no_gil: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producers, "HELD", held)
    written = 0

    def write(part: Buffer) -> None:
        nonlocal written
        written += len(part)
        if written > 1 << 18:
            raise StorageError(28, "full")

    with pytest.raises(StorageError, match="full"):
        whole(world(), 3, "lz4", write)


def test_where_no_thread_can_be_started(no_gil: None, monkeypatch: pytest.MonkeyPatch) -> None:
    obj = world()
    made = whole(obj, 0)
    start, left = threading.Thread.start, 0

    def fail(thread: threading.Thread) -> None:
        nonlocal left
        if thread.name == "parcode-encoder":
            left -= 1
            if left < 0:
                raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    for allowed in (0, 1):
        left = allowed
        assert whole(obj, 3) == made


def test_a_cycle_is_found_from_the_outermost_object(gil: bool) -> None:
    rows = rows_with({}, 300)
    rows[244].next = Row(id=1, name="inner", next=rows[244])
    found = []
    for workers in WORKERS:
        with pytest.raises(CyclicGraphError) as caught:
            whole(World(rows=rows), workers)
        found.append((caught.value.path, caught.value.model, str(caught.value)))
    assert len(set(found)) == 1


def test_lazy_values_are_read_by_the_calling_thread_alone(
    tmp_path: Any, no_gil: None, monkeypatch: pytest.MonkeyPatch, encoders: set[str]
) -> None:
    path = tmp_path / "a.par"
    save(path, world(), workers=0)
    readers = set()
    chunk = Source.chunk

    def watched(self: Source, ref: Any) -> Any:
        readers.add(threading.current_thread().name)
        return chunk(self, ref)

    monkeypatch.setattr(Source, "chunk", watched)
    made = []
    for workers in (0, 2):
        with Session.open(path) as session:
            stored = session.root(World)
            mixed = [stored.rows[i] if i % 7 == 0 else row(i) for i in range(230)]
            for i in (92, 200):
                mixed[i].anything = {"lazy": stored.rows[3], "numbers": stored.numbers}
            mixed[205].tags = stored.rows[0].tags
            mixed[206].next = stored.rows[5]
            made.append(whole(World(rows=mixed, by_key=stored.by_key), workers))
    assert made[0] == made[1]
    assert readers == {"MainThread"}
    assert "parcode-encoder" in encoders


def test_sessions_commit_and_stream_in_with_threads(tmp_path: Any, no_gil: None, encoders: set[str]) -> None:
    path = tmp_path / "a.par"
    with Session(path, workers=2) as session:
        stored = world()
        session.add(stored)
        session.commit()
        assert session.stats.rows_written > 230 + 130 + 3000
        stored = session.root(World)
        stored.rows.extend(row(i) for i in range(230, 700))
        stored.by_key.update((f"key {i}", row(i)) for i in range(100, 450))
        session.commit()
    assert "parcode-encoder" in encoders
    with Session.open(path) as session:
        found = session.root(World)
        assert [each.id for each in found.rows] == list(range(700))
        assert found.by_key["key 377"] == row(377)
        assert found.by_key["key 120"] == row(120)
        assert len(found.by_key) == 450


def test_a_slow_disk_stalls_the_stream(no_gil: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipelines, "INFLIGHT", 100_000)
    monkeypatch.setattr(producers, "HELD", 100_000)
    monkeypatch.setattr(pipelines.Pipeline.__init__, "__defaults__", (0, None, None, 100_000))
    go = threading.Event()
    taken = 0

    def rows() -> Iterator[Row]:
        nonlocal taken
        for taken in range(5000):
            yield Row(id=taken, name=f"{taken:05}" * 200)

    def write(part: Buffer) -> None:
        assert go.wait(20)

    failed: list[BaseException] = []

    def run() -> None:
        try:
            whole(World(rows=rows()), 2, None, write)
        except BaseException as problem:
            failed.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(1)
    stalled = taken
    go.set()
    thread.join(60)
    assert not failed and not thread.is_alive()
    assert stalled < 50 * 12 and taken == 4999
