"""Commits appended to a file, the lock, and what a snapshot goes on seeing."""

from __future__ import annotations

import errno
import gc
import mmap
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from parcode_orm.errors import (
    ConflictError,
    CorruptionError,
    DetachedError,
    LockedError,
    NoResultFound,
    ReadOnlyError,
    SessionError,
    StorageError,
)
from parcode_orm.format import commit, superblock
from parcode_orm.format.catalog import CatalogData
from parcode_orm.format.layout import Reference
from parcode_orm.storage import cache, kept
from parcode_orm.storage.append import Appender
from parcode_orm.storage.files import Files
from parcode_orm.storage.lock import WriterLock
from parcode_orm.storage.mapped import Source
from parcode_orm.storage.memory import MemoryFile
from parcode_orm.storage.pipeline import Pipeline
from parcode_orm.storage.stats import Stats
from parcode_orm.storage.writer import save_path, whole_bytes

from .sample import UUID, build, content, leaf, live, small

pytestmark = pytest.mark.once


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.par"
    save_path(path, build, uuid=UUID, clock=lambda: 1, workers=0)
    return path


def add(path: Path, message: str, **options: Any) -> Source:
    source = Source.open(path)
    with Appender(path, source, **options) as appender:
        ticket = appender.pipeline.submit(leaf(appender.pipeline, message.encode() * 50, "lz4"))
        roots = {**source.catalog.roots, message: ticket}
        appender.commit(replace(source.catalog, roots=roots, message=message))
        return appender.source()


def test_commits(path: Path) -> None:
    assert path.read_bytes() == small()
    whole = content(Source.open(path))
    for i in range(2, 6):
        source = add(path, f"m{i}", durability="fast" if i % 2 else "full", workers=i % 3)
        assert source.record == Source.open(path).record
        assert source.record.sequence == i and source.record.offset % 4096 == 0
        assert path.stat().st_size == source.record.file_length
        assert source.record.live == live(source)
        assert source.record.live + source.record.dead == path.stat().st_size
    assert [r.sequence for r in source.records()] == [5, 4, 3, 2, 1]
    assert source.catalog.message == "m5"
    chunk = source.chunk(source.catalog.root("m3"))
    assert bytes(chunk.buffer(0)) == b"m3" * 50
    assert content(Source.open(path, at=1)) == whole
    assert Source.open(path, at=3).catalog.message == "m3"
    assert Source.open(path, at=3).length == Source.open(path, at=3).record.file_length
    for at in (0, 6, -1):
        with pytest.raises(NoResultFound):
            Source.open(path, at=at)


def test_what_was_there_is_not_touched(path: Path) -> None:
    before = path.read_bytes()
    for message in ("a", "b"):
        add(path, message)
        now = path.read_bytes()
        assert now.startswith(before)
        before = now


def test_many_commits_with_one_lock_and_live_bytes(path: Path) -> None:
    source = Source.open(path)
    stats = Stats()
    with Appender(path, source, stats=stats) as appender:
        for _ in range(3):
            ticket = appender.pipeline.submit(leaf(appender.pipeline, bytes(100)))
            record = appender.commit(CatalogData(roots={"a": ticket}))
            assert record.live == live(appender.source()) and record.live + record.dead == record.file_length
    assert stats.chunks_written == 6
    assert stats.bytes_written == record.file_length - source.length


def test_what_commits_released_is_not_remembered(path: Path) -> None:
    source = Source.open(path)
    for i in range(5):
        with Appender(path, source) as appender:
            ticket = appender.pipeline.submit(leaf(appender.pipeline, b"%d" % i, "none"))
            appender.commit(replace(source.catalog, roots={**source.catalog.roots, "m": ticket}))
            source = appender.source()
    used = {source.record.catalog.offset, source.catalog.root("m").offset}
    assert set(source.below) == used  # not the catalogs and the roots of the four commits before


def test_nothing_committed_leaves_nothing(path: Path) -> None:
    before = path.read_bytes()
    with Appender(path, Source.open(path)) as appender:
        appender.pipeline.submit(leaf(appender.pipeline, bytes(3_000_000)))
    assert path.read_bytes() == before
    with pytest.raises(SessionError):
        appender.commit(CatalogData())
    with pytest.raises(RuntimeError), Appender(path, Source.open(path)) as appender:
        appender.pipeline.submit(leaf(appender.pipeline, bytes(3_000_000), "lz4"))
        raise RuntimeError
    assert path.read_bytes() == before


def test_conflicts(path: Path) -> None:
    old = Source.open(path)
    add(path, "newer")
    before = path.read_bytes()
    with pytest.raises(ConflictError, match="newest commit is 2"):
        Appender(path, old)
    save_path(path, build)
    with pytest.raises(ConflictError, match="replaced"):
        Appender(path, old)
    path.write_bytes(before)  # the same file by its number, another by its UUID
    with pytest.raises(ConflictError):
        Appender(path, Source.open(small()))
    WriterLock.take(str(path)).release()  # no lock was left behind


def test_torn_tail_is_cut_under_the_lock(path: Path) -> None:
    add(path, "two")
    whole = path.read_bytes()
    with open(path, "ab") as file:
        file.write(b"torn" * 5000)
    reader = Source.open(path)
    assert reader.recovery and path.stat().st_size > len(whole)
    Appender(path, reader).close()
    assert path.read_bytes() == whole
    assert add(path, "three").record.sequence == 3


@pytest.mark.parametrize("where", ["first", "last", "missing"])
def test_a_damaged_copy_is_repaired(path: Path, where: str) -> None:
    source = add(path, "two")
    whole = path.read_bytes()
    damaged = bytearray(whole)
    if where == "missing":
        del damaged[-100:]
    else:
        damaged[source.record.offset + (512 if where == "last" else 0) + 20] ^= 1
    path.write_bytes(damaged)
    reader = Source.open(path)
    assert reader.record == source.record
    Appender(path, reader).close()
    assert path.read_bytes() == whole


def test_read_compatible_features_are_not_written_past(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[:64] = superblock.pack(UUID, read_compatible=2)
    path.write_bytes(data)
    source = Source.open(path)
    with pytest.raises(ReadOnlyError):
        Appender(path, source)


class Broken(Files):
    """Fails at the n-th call of one kind."""

    def __init__(self, call: str, after: int) -> None:
        self.call, self.after = call, after

    def fail(self, call: str) -> None:
        if call == self.call:
            self.after -= 1
            if self.after < 0:
                raise OSError(errno.EIO, "Input/output error")

    def write(self, fd: int, data: Any, offset: int) -> None:
        self.fail("write")
        super().write(fd, data, offset)

    def sync(self, fd: int) -> None:
        self.fail("sync")
        super().sync(fd)

    def truncate(self, fd: int, size: int) -> None:
        self.fail("truncate")
        super().truncate(fd, size)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("call", "after"), [("write", 0), ("write", 1), ("write", 2), ("sync", 0), ("sync", 1)])
def test_failures_leave_the_last_commit(path: Path, call: str, after: int, workers: int) -> None:
    add(path, "two")
    before = path.read_bytes()
    appender = Appender(path, Source.open(path), files=Broken(call, after), workers=workers, compression="lz4")
    with appender:
        with pytest.raises(StorageError) as problem:
            for _ in range(3):
                appender.pipeline.submit(leaf(appender.pipeline, os.urandom(200_000)))
            appender.commit(CatalogData())
        assert problem.value.errno == errno.EIO
        appender.abort()
        assert path.read_bytes() == before
        if call == "sync":
            with pytest.raises(SessionError, match="disk failed"):
                appender.pipeline.submit(leaf(appender.pipeline, b""))
    assert Source.open(path).record.sequence == 2
    add(path, "three")


def test_a_record_that_was_not_acknowledged_does_not_stay(path: Path) -> None:
    class Stuck(Broken):
        def truncate(self, fd: int, size: int) -> None:
            raise OSError(errno.EIO, "Input/output error")

    appender = Appender(path, Source.open(path), files=Stuck("sync", 1))
    appender.pipeline.submit(leaf(appender.pipeline, bytes(100)))
    with pytest.raises(StorageError):
        appender.commit(CatalogData())
    appender.close()
    source = Source.open(path)
    assert source.record.sequence == 1 and source.recovery


def test_fast_writes_no_barrier_but_settles_now_and_then(path: Path) -> None:
    syncs = 0

    class Counting(Files):
        def sync(self, fd: int) -> None:
            nonlocal syncs
            syncs += 1

    with Appender(path, Source.open(path), durability="fast", files=Counting()) as appender:
        for _ in range(130):
            appender.pipeline.submit(leaf(appender.pipeline, bytes(10)))
            appender.commit(CatalogData())
    assert syncs == 3  # the first, as the file may have been written without waiting, and two of 64
    with Appender(path, Source.open(path), files=Counting()) as appender:
        appender.commit(CatalogData())
    assert syncs == 4


def test_lock_names_its_holder(path: Path) -> None:
    code = (
        "import sys; from parcode_orm.storage.lock import WriterLock; lock = WriterLock.take(sys.argv[1]);"
        "print('held', flush=True); sys.stdin.readline(); lock.release();"
        "print('free', flush=True); sys.stdin.readline()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    child = subprocess.Popen(
        [sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    )
    assert child.stdin and child.stdout
    assert child.stdout.readline() == b"held\n"
    with pytest.raises(LockedError) as problem:
        WriterLock.take(str(path))
    if sys.platform == "linux":
        assert problem.value.holder == child.pid and str(child.pid) in str(problem.value)
    started = time.monotonic()
    with pytest.raises(LockedError):
        WriterLock.take(str(path), timeout=0.1)
    assert time.monotonic() - started >= 0.1
    Source.open(path).close()  # reading neither needs the lock nor breaks it
    with pytest.raises(LockedError):
        WriterLock.take(str(path))
    child.stdin.write(b"\n")
    child.stdin.flush()
    assert child.stdout.readline() == b"free\n"
    WriterLock.take(str(path)).release()
    child.send_signal(signal.SIGKILL)
    child.communicate()


def test_lock_ends_with_its_process(path: Path) -> None:
    code = "import os, sys; from parcode_orm.storage.lock import WriterLock; WriterLock.take(sys.argv[1]); os._exit(1)"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-c", code, path], env=environment, check=False)
    WriterLock.take(str(path)).release()


def test_threads_share_a_snapshot_larger_than_its_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    refs: list[Reference] = []

    def many(pipeline: Pipeline) -> CatalogData:
        tickets = [pipeline.submit(leaf(pipeline, b"%d" % i)) for i in range(60)]
        refs.extend(ticket.reference for ticket in tickets if ticket.reference)
        return CatalogData()

    source = Source.open(whole_bytes(many, workers=0))
    monkeypatch.setattr(cache, "LIMIT", 5 * 520)
    monkeypatch.setattr(cache, "SUM_EVERY", 1)
    problems: list[BaseException] = []

    def work(step: int) -> None:
        try:
            for i in range(4000):
                at = i * step % 60
                assert bytes(source.chunk(refs[at]).buffer(0)) == b"%d" % at
        except BaseException as problem:
            problems.append(problem)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        workers = [threading.Thread(target=work, args=(step,)) for step in (1, 7, 11, 13)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
    finally:
        sys.setswitchinterval(before)
    assert not problems and len(source.cache) <= 5 + len(workers)


def test_chunks_that_hold_much_are_let_go(monkeypatch: pytest.MonkeyPatch) -> None:
    refs: list[Reference] = []

    def many(pipeline: Pipeline) -> CatalogData:
        tickets = [pipeline.submit(leaf(pipeline, bytes([i]) * 10_000)) for i in range(40)]
        refs.extend(ticket.reference for ticket in tickets if ticket.reference)
        return CatalogData()

    source = Source.open(whole_bytes(many, workers=0, compression="lz4"))
    monkeypatch.setattr(cache, "LIMIT", 50_000)
    chunks = [source.chunk(ref) for ref in refs[:30]]
    assert all(source.chunk(ref) is chunk for ref, chunk in zip(refs, chunks, strict=False))  # nothing was read of them
    for i, ref in enumerate(refs):
        assert bytes(source.chunk(ref).buffer(0)) == bytes([i]) * 10_000
    assert 20_000 <= source.cache.size() <= 50_000 + cache.SUM_EVERY * 11_000
    assert source.chunk(refs[-1]).held == 10_000


@pytest.mark.parametrize("kind", ["file", "memory", "bytes"])
def test_what_is_let_go_of_can_be_read_again(path: Path, kind: str) -> None:
    if kind == "memory":
        file = MemoryFile()
        source = file.create(build, Stats())
    else:
        source = Source.open(path if kind == "file" else path.read_bytes())
    ref = source.catalog.root("World")
    chunk = source.chunk(ref)
    view, before = chunk.buffer(1), bytes(source.view(0, source.length))
    source.release(ref)
    assert bytes(view) == bytes(chunk.buffer(1)) == bytes([1, 2, 3]) and bytes(source.view(0, source.length)) == before
    source.close()
    source.release(ref)
    assert bytes(view) == bytes(chunk.buffer(1))


@pytest.mark.skipif(not hasattr(mmap, "MAP_ANONYMOUS"), reason="no anonymous maps")
def test_memory_that_is_not_ours_keeps_what_is_in_it(path: Path) -> None:
    data = path.read_bytes()
    map = mmap.mmap(-1, len(data), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    map[:] = data
    source = Source.open(memoryview(map))
    source.release(source.catalog.root("World"))
    assert map[:] == data


def test_pages_that_cannot_be_let_go(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "DONTNEED", 9999)  # the system refuses
    source = Source.open(path)
    source.release(source.catalog.root("World"))
    monkeypatch.setattr(kept, "DONTNEED", None)  # it has no such thing
    source.release(source.catalog.root("World"))
    assert source.chunk(source.catalog.root("World")).nodes


def test_lock_waits(path: Path) -> None:
    lock = WriterLock.take(str(path))
    timer = threading.Timer(0.1, lock.release)
    timer.start()
    WriterLock.take(str(path), timeout=5).release()
    timer.join()


def test_lock_of_a_file_that_is_replaced_meanwhile(path: Path) -> None:
    lock = WriterLock.take(str(path))
    got: list[WriterLock] = []
    thread = threading.Thread(target=lambda: got.append(WriterLock.take(str(path), timeout=5)))
    thread.start()
    time.sleep(0.05)
    save_path(path, build, lock=lock)
    lock.release()
    thread.join()
    status = path.stat()
    assert got[0].identity == (status.st_dev, status.st_ino) != lock.identity
    got[0].release()


def _child(appender: Appender, results: Any) -> None:
    try:
        appender.commit(CatalogData())
        results.put("committed")
    except SessionError as problem:
        results.put(str(problem))
    appender.close()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_a_forked_child_only_closes(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    with Appender(path, Source.open(path)) as appender:
        appender.pipeline.submit(leaf(appender.pipeline, bytes(100_000)))
        child = context.Process(target=_child, args=(appender, results))
        child.start()
        assert "fork" in results.get(timeout=20)
        child.join()
        with pytest.raises(LockedError):  # still the parent's
            WriterLock.take(str(path))
        appender.commit(CatalogData(message="by the parent"))
    assert Source.open(path).catalog.message == "by the parent"


def test_the_lock_is_not_kept_alive_by_a_child(path: Path) -> None:
    lock = WriterLock.take(str(path))
    context = multiprocessing.get_context("fork")
    child = context.Process(target=time.sleep, args=(30,))
    child.start()
    try:
        os.close(lock.fd)  # as when the parent dies
        lock.fd = -1
        WriterLock.take(str(path), timeout=5).release()
    finally:
        child.kill()
        child.join()


def test_writers_of_many_processes(path: Path) -> None:
    code = """
import sys
from parcode_orm.errors import ConflictError
from parcode_orm.format.catalog import CatalogData
from parcode_orm.storage.append import Appender
from parcode_orm.storage.mapped import Source
from parcode_orm.storage.memory import MemoryFile
done = 0
while done < 10:
    try:
        source = Source.open(sys.argv[1])
        with Appender(sys.argv[1], source, timeout=30, durability="fast") as appender:
            appender.commit(CatalogData(metadata={"n": source.catalog.metadata.get("n", 0) + 1}))
        done += 1
    except ConflictError:
        pass
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    children = [subprocess.Popen([sys.executable, "-c", code, path], env=environment) for _ in range(3)]
    while any(child.poll() is None for child in children):
        source = Source.open(path)  # readers see whole commits only, at any time
        assert source.catalog.metadata.get("n", 0) in (0, source.record.sequence - 1)
        source.close()
    assert [child.returncode for child in children] == [0, 0, 0]
    assert Source.open(path).catalog.metadata == {"n": 30}


def test_views_outlive_their_source(path: Path) -> None:
    source = Source.open(path)
    ref = source.catalog.root("World")
    chunk = source.chunk(ref)
    view = source.view(0, 8)
    source.close()
    source.close()
    del source
    gc.collect()
    assert bytes(view) == b"\x89PAR\r\n\x1a\n"
    assert bytes(chunk.buffer(1)) == bytes([1, 2, 3])
    source = Source.open(path)
    source.close()
    for act in (
        lambda: source.chunk(ref),
        lambda: source.view(0, 1),
        lambda: source.catalog,
        lambda: list(source.records()),
    ):
        with pytest.raises(DetachedError, match=r"a\.par"):
            act()


def test_closing_ends_the_map(path: Path) -> None:
    def maps() -> int:
        return Path("/proc/self/maps").read_text().count(str(path))

    if not Path("/proc/self/maps").exists():
        pytest.skip("needs /proc")
    gc.collect()  # what earlier tests left behind closes its files now, not in between
    before = len(os.listdir("/proc/self/fd"))
    source = Source.open(path)
    content(source)
    assert maps() == 0, "all of it stands in the tail"
    source.view(0, 1)
    assert maps() == 1
    source.close()
    gc.collect()
    assert maps() == 0 and len(os.listdir("/proc/self/fd")) == before
    source = Source.open(path)
    del source
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) == before


def test_references_are_checked_against_the_file(path: Path) -> None:
    source = Source.open(path)
    good = source.catalog.root("World")
    for bad in (
        good._replace(offset=0),
        good._replace(offset=good.offset + 1),
        good._replace(offset=1 << 63),
        good._replace(offset=source.length),
        good._replace(length=0),
        good._replace(length=(1 << 64) - 1),
        good._replace(length=good.length + 1),
        good._replace(checksum=good.checksum ^ 1),
        good._replace(kind=3),
        Reference(64, 64, 0, 0),
    ):
        with pytest.raises(CorruptionError):
            source.chunk(bad)
    for offset, length in ((-1, 5), (0, -1), (source.length, 1), (1 << 70, 1)):
        with pytest.raises(CorruptionError):
            source.view(offset, length)
    source.chunk(good)


def test_stats_and_cache(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stats = Stats()
    source = Source.open(path, stats)
    assert stats == Stats()
    ref = source.catalog.root("World")
    assert (stats.chunks_read, stats.bytes_read) == (1, source.record.catalog.length)
    chunk = source.chunk(ref)
    assert source.chunk(ref) is chunk and stats.chunks_read == 2
    before = stats.bytes_read
    chunk.buffer(1), chunk.buffer(1)
    assert stats.bytes_read == before + 3
    monkeypatch.setattr(cache, "LIMIT", 5_000)
    monkeypatch.setattr(cache, "SUM_EVERY", 1)
    source.chunk(chunk.refs[0])
    source.chunk(ref)
    source.chunk(chunk.refs[1])
    assert source.chunk(ref) is chunk
    source.retire()
    assert source.chunk(ref) is not chunk
    stats.reset()
    assert stats.as_dict()["bytes_read"] == 0


def test_a_file_that_shrinks_while_it_is_opened(path: Path) -> None:
    record = Source.open(path).record
    assert commit.pack(record, UUID) == path.read_bytes()[-160:]
    data = path.read_bytes()
    with open(path, "r+b") as file:
        file.truncate(len(data) - 1)
    with pytest.raises(CorruptionError):
        Source.open(path)
