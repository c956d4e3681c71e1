"""Writing behind: the bytes come in order, errors reach the caller, and nothing is changed under the thread."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.format.layout import Kind
from parcode_orm.storage import behind, pipeline
from parcode_orm.storage.behind import Behind
from parcode_orm.storage.pipeline import Pipeline

pytestmark = pytest.mark.once


@given(st.lists(st.binary(max_size=40) | st.binary(max_size=40).map(bytearray), max_size=40), st.integers(1, 100))
def test_parts_are_written_in_order(parts: list[bytes | bytearray], limit: int) -> None:
    written = bytearray()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(behind, "LIMIT", limit)
        writer = Behind(written.extend)
        for part in parts:
            writer(part)
        expected = b"".join(parts)
        for part in parts:
            if isinstance(part, bytearray):
                part[:] = bytes(len(part))
        writer.end()
    assert written == expected


def test_an_error_reaches_the_caller_and_later_parts_are_dropped() -> None:
    written: list[bytes] = []
    failing = threading.Event()

    def write(data: object) -> None:
        assert isinstance(data, bytes)
        if failing.is_set():
            raise OSError("full")
        written.append(data)

    writer = Behind(write)
    writer(b"a")
    writer.drain()
    failing.set()
    writer(b"b")
    with pytest.raises(OSError, match="full"):
        writer.drain()
    failing.clear()
    with pytest.raises(OSError, match="full"):
        writer(b"c")
    with pytest.raises(OSError, match="full"):
        writer.end()
    assert written == [b"a"]


def test_abort_ends_the_thread() -> None:
    before = threading.active_count()
    writer = Behind(lambda data: None)
    writer(b"a")
    writer.abort()
    assert threading.active_count() == before


@pytest.mark.parametrize("workers", [None, 0])
def test_a_pipeline_writes_behind_from_some_bytes_on(workers: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BEHIND", 1000)
    monkeypatch.setattr(pipeline, "cpus", lambda: 2)
    threads: set[str] = set()

    def written(by: int | None) -> bytes:
        found = bytearray()

        def write(data: object) -> None:
            assert isinstance(data, bytes | memoryview)
            threads.add(threading.current_thread().name)
            found.extend(data)

        line = Pipeline(write, 0, by)
        for number in range(4):
            line.blob(bytes([number]) * 100_000)
            chunk = line.encoder(Kind.COLUMN)
            chunk.leaf(0, 1, b"x" * 100)  # type: ignore[arg-type]
            line.submit(chunk)
        line.close()
        return bytes(found)

    whole = written(workers)
    assert ("parcode-behind" in threads) == (workers is None)
    assert whole == written(0)


def test_a_pipeline_gives_the_error_of_writing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "BEHIND", 1000)
    monkeypatch.setattr(pipeline, "cpus", lambda: 2)
    calls = 0

    def write(data: object) -> None:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise OSError("full")

    line = Pipeline(write, 0)
    with pytest.raises(OSError, match="full"):
        for _ in range(8):
            line.blob(bytes(100_000))
        line.close()
    line.abort()
    assert not [thread for thread in threading.enumerate() if thread.name == "parcode-behind"]
