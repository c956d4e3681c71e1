"""save, load, dumps, loads, write: the same object through files, bytes and writers that cannot seek; bad input."""

from __future__ import annotations

import gzip
import io
import os
import socket
import subprocess
import sys
import threading
from pathlib import Path
from uuid import UUID

import pytest

import parcode_orm
from parcode_orm import Chunk, Model, Session, ShardedMap, dumps, load, loads, save, write
from parcode_orm.errors import (
    CorruptionError,
    CyclicGraphError,
    EncodeError,
    FormatError,
    NotAParcodeFile,
    ParcodeError,
    TruncatedError,
    UnsupportedVersion,
)
from parcode_orm.format.checksum import checksum
from parcode_orm.format.layout import SUPERBLOCK

UUID_ = UUID(int=7)


class Item(Model):
    name: str
    parts: list[int] = Chunk(default=[])


class Store(Model):
    title: str
    blob: bytes = Chunk(default=b"")
    items: dict[str, Item] = ShardedMap()
    names: list[str] = Chunk(default=[])


class Node(Model):
    name: str
    children: list[Node] = []


def store(n: int = 2000) -> Store:
    return Store(
        title="ü" * 10,
        blob=os.urandom(100) * 1000,
        items={f"k{i}": Item(name=f"item {i}", parts=list(range(i % 7))) for i in range(n)},
        names=[f"name {i}" for i in range(n * 3)],
    )


@pytest.mark.parametrize("compression", [None, "lz4", "zstd", "auto"])
@pytest.mark.parametrize("workers", [0, 4])
def test_save_and_load(tmp_path: Path, compression: str | None, workers: int) -> None:
    obj = store()
    save(tmp_path / "s.par", obj, compression=compression, workers=workers)
    assert load(tmp_path / "s.par", Store) == obj
    data = dumps(obj, compression=compression, workers=workers)
    assert loads(data, Store) == obj
    assert Session.open(tmp_path / "s.par").root(Store) == obj
    assert os.listdir(tmp_path) == ["s.par"]


def test_write_to_a_pipe() -> None:
    obj = store()
    reading, writing = os.pipe()
    received = bytearray()

    def receive() -> None:
        with open(reading, "rb") as file:
            received.extend(file.read())

    thread = threading.Thread(target=receive)
    thread.start()
    with open(writing, "wb", buffering=0) as file:
        write(file, obj)
    thread.join()
    assert loads(bytes(received), Store) == obj


def test_write_to_a_socket_and_gzip(tmp_path: Path) -> None:
    obj = store(50)
    ours, theirs = socket.socketpair()
    received = bytearray()

    def receive() -> None:
        while part := theirs.recv(65536):
            received.extend(part)

    thread = threading.Thread(target=receive)
    thread.start()
    with ours, ours.makefile("wb") as file:
        write(file, obj)
    ours.close()
    thread.join()
    theirs.close()
    assert loads(bytes(received), Store) == obj
    with gzip.open(tmp_path / "s.gz", "wb") as packed:
        write(packed, obj)
    with gzip.open(tmp_path / "s.gz", "rb") as packed:
        assert Session(packed).root(Store) == obj


def test_equal_input_gives_equal_files_for_any_number_of_workers() -> None:
    obj = store()
    for compression in (None, "lz4"):
        files = {
            dumps(obj, workers=workers, compression=compression, uuid=UUID_, time_ns=1) for workers in (0, 1, 2, 4)
        }
        assert len(files) == 1


SCRIPT = """
import sys
from uuid import UUID
from typing import Any
from parcode_orm import Model, Chunk, ShardedMap, dumps
class Sets(Model):
    a: set[str]
    b: frozenset[int] = Chunk()
    c: dict[str, set[str]] = ShardedMap()
    d: Any
names = {f"n{i}" for i in range(300)}
obj = Sets(a=names, b=frozenset(range(100)), c={"x": names, "y": set()}, d={"k": names, "l": frozenset(names)})
sys.stdout.write(dumps(obj, uuid=UUID(int=7), time_ns=1).hex())
"""


@pytest.mark.once
def test_equal_input_gives_equal_files_for_any_hash_seed() -> None:
    found = set()
    for seed in ("0", "1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", SCRIPT], capture_output=True, check=True, env={**os.environ, "PYTHONHASHSEED": seed}
        )
        found.add(run.stdout)
    assert len(found) == 1
    assert len(found.pop()) > 1000


def test_save_replaces_a_file_and_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "s.par"
    save(path, store(5))
    path.chmod(0o640)
    reader = Session.open(path).root(Store)
    save(path, store(7))
    assert path.stat().st_mode & 0o777 == 0o640
    assert len(reader.items) == 5
    assert len(load(path, Store).items) == 7


@pytest.mark.parametrize("data", [b"", b"x", b"hello world" * 1000, bytes(1000), b"PK\x03\x04" * 100])
def test_not_a_file_of_ours(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    with pytest.raises((NotAParcodeFile, TruncatedError)):
        load(tmp_path / "x", Store)
    with pytest.raises((NotAParcodeFile, TruncatedError)):
        loads(data, Store)
    with pytest.raises((NotAParcodeFile, TruncatedError)):
        Session(tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == data


def test_truncated_at_any_byte() -> None:
    data = dumps(Store(title="t", items={"a": Item(name="b")}))
    for size in range(len(data)):
        with pytest.raises((CorruptionError, FormatError)):
            loads(data[:size], Store)


def test_a_flipped_bit_is_an_error_or_harmless() -> None:
    obj = Store(title="title", blob=b"blob", items={"a": Item(name="b", parts=[1, 2])}, names=["x", "y"])
    data = dumps(obj)
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        try:
            assert loads(bytes(flipped), Store) == obj
        except ParcodeError:
            pass


def test_wrong_version_and_unknown_features() -> None:
    data = dumps(store(2))
    fields = list(SUPERBLOCK.unpack_from(data))

    def changed(place: int, value: int) -> bytes:
        new = [*fields[:place], value, *fields[place + 1 : -1], 0]
        head = SUPERBLOCK.pack(*new)[:-8]
        return head + checksum(head).to_bytes(8, "little") + data[SUPERBLOCK.size :]

    assert loads(changed(1, fields[1]), Store) == loads(data, Store)
    with pytest.raises(UnsupportedVersion, match="99"):
        loads(changed(1, 99), Store)
    with pytest.raises(UnsupportedVersion):
        loads(changed(4, 1 << 31), Store)


def test_paths_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        load(tmp_path, Store)
    with pytest.raises(OSError):
        Session(tmp_path)
    with pytest.raises(OSError):
        save(tmp_path, store(1))
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "missing.par", Store)
    with pytest.raises(FileNotFoundError):
        parcode_orm.open(tmp_path / "missing.par")
    with pytest.raises(OSError):
        save(tmp_path / "no" / "dir.par", store(1))


@pytest.mark.parametrize("bad", ["high", object(), [1], b"x", 1j])
def test_a_value_that_does_not_fit_its_column(tmp_path: Path, bad: object) -> None:
    class Deep(Model):
        level: int

    class Top(Model):
        rows: list[Deep] = []

    path = tmp_path / "t.par"
    good = Top(rows=[Deep(level=1), Deep(level=2)])
    save(path, good)
    broken = Top(rows=[Deep(level=1), Deep(level=2)])
    broken.rows[1].level = bad  # type: ignore[assignment]
    with pytest.raises(EncodeError, match=r"rows\[1\]\.level") as raised:
        save(path, broken)
    assert type(bad).__name__ in str(raised.value)
    assert load(path, Top) == good
    assert os.listdir(tmp_path) == ["t.par"]


def test_a_cyclic_object_graph_is_named(tmp_path: Path) -> None:
    top = Node(name="a")
    child = Node(name="b", children=[top])
    top.children.append(child)
    with pytest.raises(CyclicGraphError, match="children"):
        save(tmp_path / "n.par", top)
    assert not os.listdir(tmp_path)


def test_recursion_of_sensible_depth(tmp_path: Path) -> None:
    node = Node(name="leaf")
    for i in range(60):
        node = Node(name=str(i), children=[node])
    save(tmp_path / "n.par", node)
    assert load(tmp_path / "n.par", Node) == node


def test_a_generator_that_raises_leaves_the_earlier_content(tmp_path: Path) -> None:
    path = tmp_path / "s.par"
    save(path, store(3))
    before = path.read_bytes()

    def broken():  # type: ignore[no-untyped-def]
        yield from (f"n{i}" for i in range(20_000))
        raise ZeroDivisionError("half-way")

    obj = Store(title="x", items={}, names=broken())
    with pytest.raises(ZeroDivisionError):
        save(path, obj, workers=2)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["s.par"]
    assert not [thread for thread in threading.enumerate() if "parcode" in thread.name]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="mounts a tmpfs")
def test_a_full_disk(tmp_path: Path) -> None:
    mount = tmp_path / "small"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)], capture_output=True)
    if done.returncode:
        pytest.skip("no permission to mount a tmpfs here")
    try:
        path = mount / "s.par"
        save(path, store(3))
        before = path.read_bytes()
        with pytest.raises(ParcodeError) as raised:
            save(path, store(20_000))
        assert isinstance(raised.value, OSError)
        with Session(path) as session:
            session.root(Store).blob = bytes(os.urandom(1 << 20))
            with pytest.raises(ParcodeError):
                session.commit()
        assert path.read_bytes() == before
        assert os.listdir(mount) == ["s.par"]
    finally:
        subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_file_object_that_fails() -> None:
    class Full(io.RawIOBase):
        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError):
        write(Full(), store(3))
