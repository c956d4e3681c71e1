"""`Model.lazy`: large bytes, texts and arrays in parts, compared with the plain values, and what is read for it."""

from __future__ import annotations

import io
import random
import shutil
import sys
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import (
    ChecksumError,
    Chunk,
    CorruptionError,
    LazyArray,
    LazyBytes,
    LazyList,
    LazyMap,
    LazyText,
    Model,
    Session,
    ShardedMap,
    dumps,
    loads,
    save,
)
from parcode_orm.codec.packed.arrays import array_bytes
from parcode_orm.codec.packed.blobs import to_blob
from parcode_orm.format.layout import BLOB_PIECE
from parcode_orm.lazy.proxy import decoded
from parcode_orm.model.handles import _of_blob
from parcode_orm.storage.blob import Blob
from tests.storage.test_pipeline import source_of

pytestmark = pytest.mark.once

COMPRESSIONS = ["none", "lz4", "zstd"]


class Inner(Model):
    n: int = 1


class World(Model):
    model_config = {"arbitrary_types_allowed": True}

    id: int = 7
    name: str = "w"
    tags: list[str] = ["a"]
    inner: Inner = Inner()
    raw: bytes = Chunk(default=b"")
    buffer: bytearray = Chunk(default=bytearray())
    text: str = Chunk(default="")
    array: np.ndarray = Chunk(default=np.zeros(0))
    either: bytes | str | None = Chunk(default=None)
    parts: set[int] = Chunk(default=set())
    apart: Inner = Chunk(default=Inner())
    items: list[int] = Chunk(default=[])
    table: dict[str, int] = ShardedMap(default={})


def texts(count: int, alphabet: str, seed: int) -> str:
    return "".join(random.Random(seed).choices(alphabet, k=count))


# Characters of one to four bytes, lone surrogates, line ends of all sorts; so pieces end inside characters.
ALPHABETS = ["abc \n", "aé\r\n", "a€\ud800\udfff", "\U0001f600x\x85\u2028\n", "日本"]
SIZES = [33_000, BLOB_PIECE - 1, BLOB_PIECE, BLOB_PIECE + 1, 2 * BLOB_PIECE, 3 * BLOB_PIECE + 77]
RAW = {size: (random.Random(size).randbytes(size // 2) + bytes(size))[:size] for size in SIZES}
TEXTS = [(alphabet, size) for alphabet in ALPHABETS for size in (40_000, 300_000)]
ARRAYS: dict[str, Any] = {
    "line": np.arange(150_000, dtype="<i4"),
    "swapped": np.arange(50_000, dtype=">f8"),
    "plane": np.arange(300 * 400, dtype="<f8").reshape(300, 400),
    "fortran": np.asfortranarray(np.arange(300 * 400, dtype="<i8").reshape(300, 400)),
    "cube": np.arange(40 * 50 * 60, dtype="<i4").reshape(40, 50, 60),
    "strided": np.arange(200_000)[::3],
    "structured": np.array([(i, i / 2, b"x") for i in range(20_000)], dtype=[("a", "<i4"), ("b", "<f8"), ("c", "S3")]),
    "gaps": np.ones(9_000, np.dtype({"names": ["a"], "formats": ["u1"], "offsets": [3], "itemsize": 8})),
    "times": np.arange(9_000).astype("M8[s]"),
    "bools": np.arange(70_000) % 3 == 0,
    "point": np.array(b"p" * 50_000),
    "texts": np.array(["é" * 100] * 200),
    "thin": np.zeros((0, 5)),
    "one": np.array(5),
    "small": np.arange(12).reshape(3, 4),
}  # fmt: skip


def forms(name: str, value: Any, compression: str) -> list[World]:
    """The value in a file, in a file for an owner that was loaded, in a session that writes, and in memory."""
    plain = World.model_construct(**{name: value})
    data = dumps(World(**{name: value}), compression=compression)
    session = Session(":memory:", compression=compression)
    session.add(World(**{name: value}))
    session.commit()
    decoded = Session.open(data).root(World)
    getattr(decoded, name)
    return [Session.open(data).root(World), session.root(World), decoded, loads(data, World), plain]


def slices(size: int) -> st.SearchStrategy[slice]:
    near = [at + by for at in range(0, size + BLOB_PIECE, BLOB_PIECE) for by in (-2, -1, 0, 1, 2)]
    places = (
        st.none() | st.integers(-size - 5, size + 5) | st.sampled_from(near) | st.sampled_from(near).map(int.__neg__)
    )
    return st.builds(slice, places, places, st.none() | st.integers(1, 9) | st.integers(-9, -1) | st.just(70_001))


# -- bytes ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def raws() -> list[tuple[bytes, LazyBytes]]:
    return [
        (value, world.lazy(name))
        for value in [b"", b"small", *RAW.values()]
        for compression in COMPRESSIONS
        for name in ("raw", "buffer", "either")
        for world in forms(name, bytearray(value) if name == "buffer" else value, compression)
    ]


@given(st.data())
def test_bytes_are_sliced_as_bytes(raws: list[tuple[bytes, LazyBytes]], data: st.DataObject) -> None:
    value, handle = data.draw(st.sampled_from(raws))
    assert len(handle) == len(value)
    part = data.draw(slices(len(value)))
    found = handle[part]
    assert type(found) is bytes and found == value[part]
    place = data.draw(st.integers(-len(value) - 2, len(value) + 2))
    if -len(value) <= place < len(value):
        assert handle[place] == value[place]
    else:
        with pytest.raises(IndexError, match=f"index {place} out of range: there are {len(value)} bytes"):
            handle[place]
    assert bytes(handle.view(part.start, part.stop)) == value[part.start : part.stop]


@given(st.data())
def test_bytes_are_read_as_a_file(raws: list[tuple[bytes, LazyBytes]], data: st.DataObject) -> None:
    value, handle = data.draw(st.sampled_from(raws))
    plain = io.BytesIO(value)
    for file in (plain, handle):
        file.seek(0)
    size = len(value)
    for _ in range(data.draw(st.integers(1, 6))):
        action = data.draw(st.sampled_from(["read", "readinto", "seek", "readline", "readall"]))
        if action == "seek":
            whence = data.draw(st.integers(0, 2))
            least = {0: 0, 1: -plain.tell(), 2: -size}[whence]
            offset = data.draw(st.integers(least, size + 9))
            assert handle.seek(offset, whence) == plain.seek(offset, whence)
        elif action == "readinto":
            one, other = bytearray(b"_" * 300_000), bytearray(b"_" * 300_000)
            assert handle.readinto(one) == plain.readinto(other) and one == other
        elif action == "readall":
            assert handle.readall() == plain.read()
        else:
            count = data.draw(st.none() | st.integers(-1, size + 9))
            if action == "read":
                assert handle.read(count) == plain.read(count)
            elif len(value) < 50_000:
                assert handle.readline(count) == plain.readline(count)
                assert plain.tell() == handle.tell()
        assert handle.tell() == plain.tell()


def test_whole_bytes(raws: list[tuple[bytes, LazyBytes]]) -> None:
    for value, handle in raws:
        assert handle.load() == value and type(handle.load()) in (bytes, bytearray)
        assert handle == value and handle == bytearray(value) and handle == handle
        assert handle != value + b"x" and (not value or handle != bytes([value[0] ^ 1]) + value[1:])
        assert handle.__eq__(5) is NotImplemented and bool(handle) is bool(value)
    world = forms("buffer", bytearray(50_000), "none")[0]
    assert type(world.lazy("buffer").load()) is bytearray is type(world.buffer)


def test_handles_are_files_to_others(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("big", RAW[SIZES[-1]])
        archive.writestr("hello.txt", "hello")
    value = content.getvalue()
    for world in forms("raw", value, "lz4"):
        handle = world.lazy("raw")
        assert isinstance(handle, io.RawIOBase) and handle.readable() and handle.seekable() and not handle.writable()
        with zipfile.ZipFile(handle) as archive:
            assert archive.read("hello.txt") == b"hello"
        copied = io.BytesIO()
        handle.seek(0)
        shutil.copyfileobj(handle, copied)
        assert copied.getvalue() == value
        with io.BufferedReader(handle) as buffered:
            buffered.seek(5)
            assert buffered.read(10) == value[5:15]
        with pytest.raises(ValueError, match="closed"):
            handle.read()
        assert handle[5:15] == value[5:15]  # what a reader closed is the file alone
        again = world.lazy("raw")
        with pytest.raises(ValueError, match="cannot seek to -1, before the start"):
            again.seek(-1)
        with pytest.raises(ValueError, match="whence"):
            again.seek(0, 3)
        with pytest.raises(io.UnsupportedOperation):
            again.write(b"x")
        with pytest.raises(TypeError):
            _ = b"x" in again
        with pytest.raises(TypeError):
            again[0] = 1


# -- text -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written() -> list[tuple[str, World]]:
    return [
        (value, world)
        for value in ["", "sm\nall", *(texts(size, alphabet, size) for alphabet, size in TEXTS)]
        for compression in COMPRESSIONS
        for world in forms("text", value, compression)
    ]


@given(st.data())
def test_text_is_sliced_by_characters(written: list[tuple[str, World]], data: st.DataObject) -> None:
    value, world = data.draw(st.sampled_from(written))
    handle = world.lazy("text")
    assert isinstance(handle, LazyText)
    for _ in range(3):
        part = data.draw(slices(len(value)))
        assert handle[part] == value[part]
        place = data.draw(st.integers(-len(value) - 2, len(value) + 2))
        if -len(value) <= place < len(value):
            assert handle[place] == value[place]
        else:
            with pytest.raises(IndexError, match=f"index {place} out of range: there are {len(value)} characters"):
                handle[place]
    assert len(handle) == len(value)


@given(st.data())
def test_text_is_read_as_a_file(written: list[tuple[str, World]], data: st.DataObject) -> None:
    value, world = data.draw(st.sampled_from(written))
    handle, plain = world.lazy("text"), io.StringIO(value, newline="\n")
    for _ in range(data.draw(st.integers(1, 5))):
        count = data.draw(st.sampled_from([0, 1, 7, 8192, 270_000, -1, None]))
        if data.draw(st.booleans()):
            assert handle.read(count) == plain.read(count)
        else:
            assert handle.readline(-1 if count is None else count) == plain.readline(count)
    place, following = handle.tell(), plain.read(9)
    assert handle.read(9) == following
    handle.seek(place)
    assert handle.read(9) == following


def test_whole_text(written: list[tuple[str, World]]) -> None:
    for value, world in written:
        handle = world.lazy("text")
        assert handle.load() == value and handle == value and handle == world.lazy("text")
        assert handle != value + "x" and bool(handle) is bool(value)
        if len(value) < 50_000:
            assert list(handle) == list(io.StringIO(value, newline="\n"))
        with pytest.raises(TypeError):
            _ = "a" in handle
    assert type(forms("either", "ab" * 50_000, "lz4")[0].lazy("either")) is LazyText


def test_bytes_that_are_no_text_are_corruption() -> None:
    _, blob = source_of(b"a" * BLOB_PIECE + b"\xff" + b"\x80" * BLOB_PIECE, "none", b"s")
    text = _of_blob(blob, b"s")
    assert text[:5] == "aaaaa"
    for read in (text.load, text.read, text.readlines, text.readline, lambda: text[BLOB_PIECE - 3 : BLOB_PIECE + 1]):
        text.seek(0)
        with pytest.raises(CorruptionError, match="text is not UTF-8"):
            read()


# -- arrays -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def arrays() -> list[tuple[Any, LazyArray]]:
    return [
        (value, world.lazy("array"))
        for value in ARRAYS.values()
        for compression in COMPRESSIONS
        for world in forms("array", value, compression)
    ]


def assert_same(found: Any, expected: Any) -> None:
    assert type(found) is type(expected)
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.dtype == expected.dtype and found.shape == expected.shape
    assert bytes(array_bytes(found)) == bytes(array_bytes(expected))


def indexes(array: Any) -> st.SearchStrategy[Any]:
    def part(axis: int) -> st.SearchStrategy[Any]:
        size = array.shape[axis]
        bound = st.none() | st.integers(-size - 2, size + 2)
        cut = st.builds(slice, bound, bound, st.none() | st.sampled_from([1, 2, 7, -1, -3]))
        place = st.integers(-size, size - 1) if size else st.just(slice(None))
        return st.one_of(
            cut, cut, place, place, place.map(lambda i: np.int64(i) if isinstance(i, int) else i),
            st.just(...), st.just(None), st.lists(place, min_size=1, max_size=3) if size else cut,
        )  # fmt: skip

    parts = st.integers(0, array.ndim).flatmap(lambda n: st.tuples(*(part(axis) for axis in range(n))))
    return parts | (part(0) if array.ndim else st.just(()))


@given(st.data())
def test_arrays_are_indexed_as_arrays(arrays: list[tuple[Any, LazyArray]], data: st.DataObject) -> None:
    value, handle = data.draw(st.sampled_from(arrays))
    index = data.draw(indexes(value))
    try:
        expected = value[index]
    except IndexError as problem:
        with pytest.raises(IndexError) as raised:
            handle[index]
        assert str(raised.value) == str(problem)
    else:
        assert_same(handle[index], expected)


def test_whole_arrays(arrays: list[tuple[Any, LazyArray]]) -> None:
    for value, handle in arrays:
        assert isinstance(handle, LazyArray)
        assert (handle.shape, handle.dtype, handle.ndim) == (value.shape, value.dtype, value.ndim)
        assert (handle.size, handle.nbytes) == (value.size, value.nbytes)
        loaded = handle.load()
        assert loaded.flags.writeable
        assert_same(loaded, value)
        assert not np.asarray(handle).flags.writeable and np.array_equal(np.asarray(handle), value)
        assert np.array(handle).flags.writeable and np.all(value == handle)
        with pytest.raises(IndexError):
            handle[value.shape[0] if value.ndim else 0]
        if value.ndim:
            assert len(handle) == len(value)
            for one, expected, _ in zip(handle, value, range(9), strict=False):
                assert_same(one, expected)
        else:
            for fails in (len, iter):
                with pytest.raises(TypeError, match="unsized"):
                    fails(handle)
    structured = forms("array", ARRAYS["structured"], "none")[0].lazy("array")
    assert structured["b"][7] == 3.5 and structured[["a", "b"]][3].tolist() == (3, 1.5)
    assert np.asarray(structured["a"], np.float64).sum() == sum(range(20_000))
    with pytest.raises(ValueError, match="read-only"):
        structured[0:2]["a"] = 5
    with pytest.raises(ValueError, match="copy"):
        np.asarray(forms("array", ARRAYS["line"], "none")[0].lazy("array"), np.float64, copy=False)


@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_arrays_are_given_to_other_libraries_by_dlpack(compression: str, tmp_path: Path) -> None:
    save(tmp_path / "a.par", World(array=ARRAYS["plane"]), compression=compression)
    with Session.open(tmp_path / "a.par") as session:
        handle = session.root(World).lazy("array")
        assert handle.__dlpack_device__() == np.zeros(1).__dlpack_device__()
        given = np.from_dlpack(handle)
        assert np.shares_memory(given, np.asarray(handle)) == (compression == "none")
    assert np.array_equal(given, ARRAYS["plane"]) and not given.flags.writeable


@pytest.mark.parametrize("library", ["jax.numpy", "torch"])
@pytest.mark.parametrize("compression", ["none", "zstd"])
def test_libraries_of_tensors_take_arrays(library: str, compression: str, tmp_path: Path) -> None:
    tensors = pytest.importorskip(library)
    array = np.arange(40_000, dtype=np.float32).reshape(-1, 4)
    save(tmp_path / "a.par", World(array=array), compression=compression)
    with Session.open(tmp_path / "a.par") as session:
        handle = session.root(World).lazy("array")
        given = [tensors.from_dlpack(handle), tensors.asarray(handle)]
    for each in given:  # they stay, after the session, and copies of them may be changed
        assert np.array_equal(np.asarray(each), array) and np.array_equal(np.asarray(each + 1), array + 1)


class Before1:
    """What a library asks that knows no read-only capsules."""

    def __init__(self, array: LazyArray) -> None:
        self.array = array

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.array.__dlpack_device__()

    def __dlpack__(self, **_: Any) -> Any:
        return self.array.__dlpack__()


def test_a_library_that_could_write_to_the_map_gets_a_copy() -> None:
    handle = forms("array", ARRAYS["plane"], "none")[0].lazy("array")
    given = np.from_dlpack(Before1(handle))
    assert np.array_equal(given, ARRAYS["plane"]) and not np.shares_memory(given, np.asarray(handle))
    with pytest.raises(BufferError, match="readonly"):
        handle.__dlpack__(copy=False)


def test_views_are_of_the_map(tmp_path: Path) -> None:
    save(tmp_path / "a.par", World(array=ARRAYS["plane"], raw=RAW[SIZES[-1]]))
    session = Session.open(tmp_path / "a.par")
    world = session.root(World)
    array, raw = world.lazy("array"), world.lazy("raw")
    parts = [array[5:9], array[7], array[...], np.asarray(array), array[::2, 3]]
    assert all(np.shares_memory(part, parts[2]) for part in parts)
    view = raw.view(1000, 2000)
    assert np.shares_memory(np.frombuffer(view, "u1"), np.frombuffer(raw.view(), "u1")) and view.readonly
    session.close()
    for part, expected in zip(parts, [slice(5, 9), 7, ..., ..., (slice(None, None, 2), 3)], strict=True):
        assert np.array_equal(part, ARRAYS["plane"][expected])
    assert view == RAW[SIZES[-1]][1000:2000]


@pytest.mark.parametrize("meta", [
    b'a["\\"<i4\\"",[9]]', b'a["\\"<i4\\"",[-1]]', b'a["\\"<i4\\"",[true]]', b'a["\\"|O\\"",[8192]]', b"a[]", b"a{",
    b"bb", b"z", b"",
])  # fmt: skip
def test_a_hostile_meta_is_corruption(meta: bytes) -> None:
    _, blob = source_of(bytes(1 << 15), "none", meta)
    with pytest.raises(CorruptionError, match=r"does not decode|unknown kind"):
        _of_blob(blob, meta)


# -- what is read -----------------------------------------------------------------------------------------------------

BIG = 50_000_000


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("name", ["raw", "text", "array"])
def test_one_slice_reads_the_pieces_it_meets(tmp_path: Path, compression: str, name: str) -> None:
    line = np.arange(BIG // 8)
    value = {"raw": line.tobytes(), "text": "0123456789" * (BIG // 10), "array": line.reshape(-1, 1000)}[name]
    save(tmp_path / "a.par", World(**{name: value}), compression=compression)
    with Session.open(tmp_path / "a.par") as session:
        world = session.root(World)
        handle = world.lazy(name)
        assert session.stats.bytes_read < 100_000  # the row, and the heads and tables of the blob
        before = session.stats.bytes_read
        if name == "array":
            assert handle.shape == (BIG // 8000, 1000)
            assert handle[3100, 7] == value[3100, 7] and np.array_equal(handle[3100:3110], value[3100:3110])
        elif name == "raw":
            assert len(handle) == BIG and handle[25_000_000:25_100_000] == value[25_000_000:25_100_000]
            handle.seek(-10, 2)
            before_end = session.stats.bytes_read
            assert handle.read() == value[-10:]
            assert session.stats.bytes_read - before_end <= BLOB_PIECE
            assert handle[25_000_000:25_100_000] == value[25_000_000:25_100_000]
        else:
            assert handle.read(100) == value[:100] and handle[400_000:400_020] == value[400_000:400_020]
        assert session.stats.bytes_read - before <= 3 * BLOB_PIECE
        assert session.stats.bytes_read < 900_000
        once = session.stats.bytes_read
        assert handle[0:1] is not None and handle[0:1] is not None
        assert session.stats.bytes_read - once <= 2 * BLOB_PIECE
        assert name not in decoded(world)


def test_one_slice_of_50_mb_reads_less_than_600_kb(tmp_path: Path) -> None:
    save(tmp_path / "a.par", World(raw=random.Random(1).randbytes(BIG)))
    with Session.open(tmp_path / "a.par") as session:
        assert len(session.root(World).lazy("raw")[30_000_000:30_100_000]) == 100_000
        assert session.stats.bytes_read < 600_000


def test_small_reads_decompress_a_piece_once(monkeypatch: pytest.MonkeyPatch) -> None:
    world = forms("text", texts(400_000, "abc \n", 1), "lz4")[0]
    handle = world.lazy("text")
    calls = []
    plain = Blob._stored
    monkeypatch.setattr(Blob, "_stored", lambda self, piece: calls.append(piece) or plain(self, piece))
    assert sum(map(len, handle)) == 400_000
    assert calls == [0, 1]


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_damage_elsewhere_does_not_disturb(tmp_path: Path, compression: str) -> None:
    piece = random.Random(4).randbytes(BLOB_PIECE // 2).hex()  # half of what it takes: compresses, differs by piece
    value = "".join(f"{n}{piece[1:]}" for n in range(6))
    data = bytearray(dumps(World(text=value, raw=value.encode(), array=np.frombuffer(value.encode(), "u1")),
                           compression=compression))  # fmt: skip
    for name in ("text", "raw", "array"):
        start = _start_of(bytes(data), name, 3)
        data[start + 5] ^= 1
    world = Session.open(bytes(data)).root(World)
    fine, broken = slice(4 * BLOB_PIECE, 5 * BLOB_PIECE), slice(3 * BLOB_PIECE + 9, 3 * BLOB_PIECE + 10)
    expected = value[fine]
    assert world.lazy("raw")[fine] == expected.encode() and world.lazy("array")[fine].tobytes() == expected.encode()
    assert world.lazy("text")[: 3 * BLOB_PIECE] == value[: 3 * BLOB_PIECE]
    for name in ("raw", "array", "text"):
        handle = world.lazy(name)
        with pytest.raises(ChecksumError):
            handle[broken]
        with pytest.raises(ChecksumError):
            handle.load()
        assert len(handle[: 2 * BLOB_PIECE]) == 2 * BLOB_PIECE


def _start_of(data: bytes, name: str, piece: int) -> int:
    """Where in the file the stored bytes of a blob's piece begin."""
    blob = Session.open(data).root(World).lazy(name)._content
    _, offset = blob._chunk.where
    return int(
        offset + blob._chunk.nodes[3].place + (piece * BLOB_PIECE if blob._ends is None else blob._ends[piece - 1])
    )


# -- sessions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_handles_read_on_after_closing(tmp_path: Path, compression: str) -> None:
    path = tmp_path / "a.par"
    value = texts(300_000, "abc", 1)
    save(path, World(raw=value.encode(), text=value, array=np.arange(99_999)), compression=compression)
    with Session.open(path) as session:
        world = session.root(World)
        raw, text, array = (world.lazy(name) for name in ("raw", "text", "array"))
        kept = raw[:5], raw.view(5, 9), text[:5], array[:5]
    assert kept[0] == value[:5].encode() and kept[1] == value[5:9].encode()
    assert kept[2] == value[:5] and kept[3].tolist() == [0, 1, 2, 3, 4]
    assert len(raw) == 300_000 and array.shape == (99_999,)
    assert raw.load() == value.encode() and text.load() == value and world.lazy("raw")[-1] == value.encode()[-1]
    assert raw.read(9) == value[:9].encode() and text.read(9) == value[:9] and len(text) == 300_000
    assert np.array_equal(np.asarray(array), np.arange(99_999))


def test_a_handle_shows_what_was_committed_when_it_was_taken(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save(path, World(raw=b"a" * 50_000, array=np.zeros(50_000)))
    session = Session(path)
    world = session.root(World)
    before, zeros = world.lazy("raw"), world.lazy("array")
    world.raw = b"new" * 20_000
    assert world.lazy("raw") == b"new" * 20_000  # assigned, not yet committed
    world.array[3] = 5.0
    assert world.lazy("array")[3] == 5.0 and zeros[3] == 0.0
    session.commit()
    assert world.lazy("raw")[:3] == b"new" and world.lazy("array")[3] == 5.0
    assert before[:3] == b"aaa" and zeros[3] == 0.0
    world.id = 8
    session.commit()
    session.close()
    assert before[3:6] == b"aaa" and zeros[4] == 0.0


def test_a_handle_pins_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save(path, World(raw=b"a" * 50_000, array=np.zeros(50_000)))
    size = path.stat().st_size
    with Session(path) as session:
        world = session.root(World)
        assert world.lazy("array")[5] == 0 and world.lazy("raw")[0] == 97
        session.commit()
    assert path.stat().st_size == size


# -- the method -------------------------------------------------------------------------------------------------------


def test_what_is_no_blob_comes_as_it_is() -> None:
    made = World(items=range(3), table={"a": 1}, parts={1, 2})
    big = World(items=range(50_000), table={str(i): i for i in range(20_000)})
    for world, stored in [
        (made, False),
        (Session.open(dumps(made)).root(World), True),
        (loads(dumps(made), World), False),
    ]:
        assert world.lazy("items") is world.items and world.lazy("table") is world.table
        assert isinstance(world.items, LazyList) is stored is isinstance(world.table, LazyMap)
        for name in ("inner", "apart", "tags"):
            assert world.lazy(name) is getattr(world, name)
        assert world.lazy("parts") == {1, 2} and world.lazy("either") is None
        for name in ("id", "name"):
            with pytest.raises(TypeError, match=rf"World\.{name} is stored inline.*mark the field Chunk\(\)"):
                world.lazy(name)
        for name in ("nothing", "lazy", "model_fields"):
            with pytest.raises(AttributeError, match=f"'World' object has no field '{name}'"):
                world.lazy(name)
    world = Session.open(dumps(big)).root(World)
    assert isinstance(world.lazy("items"), LazyList) and world.lazy("table")["77"] == 77
    partial = World.model_construct(id=1)
    del partial.__dict__["raw"]
    for each in (partial, Session.open(dumps(partial)).root(World)):
        with pytest.raises(AttributeError, match="raw"):
            each.lazy("raw")


def test_a_deleted_field_has_no_handle(tmp_path: Path) -> None:
    save(tmp_path / "w.par", World(raw=b"a" * 50_000, text="b" * 50_000))
    with Session(tmp_path / "w.par") as session:
        world = session.root(World)
        del world.raw
        with pytest.raises(AttributeError, match="raw"):
            world.lazy("raw")
        assert world.lazy("text")[:3] == "bbb"


def test_a_field_may_be_named_lazy(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Animal(Model):
            lazy: bool
            picture: bytes = Chunk(default=b"")

        class Sloth(Animal):
            lazy: bool = True

    with pytest.raises(ValueError, match="lazy"):
        Animal()
    for animal in (Animal(lazy=False), Sloth(lazy=False), Sloth.model_construct(lazy=False)):
        save(tmp_path / "a.par", animal)
        for each in (Session(tmp_path / "a.par").root(type(animal)), loads(dumps(animal), type(animal)), animal):
            assert each.lazy is False and each == animal
            each.lazy = True
            assert each.lazy is True and each.model_dump()["lazy"] is True
    assert Sloth().lazy is True and not hasattr(Model, "lazy")


def test_a_method_may_be_named_lazy() -> None:
    class Task(Model):
        n: int = 2

        def lazy(self) -> int:
            return self.n

    assert Task().lazy() == Session.open(dumps(Task())).root(Task).lazy() == 2


def test_plain_values_need_no_numpy() -> None:
    assert "numpy" in sys.modules
    data, meta = to_blob(b"x")
    assert (data, meta) == (b"x", b"b") and repr(World(raw=b"x").lazy("raw")) == "<LazyBytes of 1 bytes>"
    assert repr(World(text="é").lazy("text")) == "<LazyText of 2 bytes>"
    assert "(12,)" in repr(World(array=np.arange(12)).lazy("array"))


class Handled(Model):
    text: str = Chunk(default="")
    data: bytes = Chunk(default=b"")


def test_a_place_within_a_character_is_refused() -> None:
    text = Handled(text="héllo").lazy("text")
    assert (text.seek(1), text.read(1), text.tell()) == (1, "é", 3)
    with pytest.raises(ValueError, match="byte 2 is within a character"):
        text.seek(2)
    assert text.seek(0, 2) == 6 and text.read() == ""


def test_bytes_of_a_handle_are_the_whole() -> None:
    handle = Handled(data=b"abc").lazy("data")
    handle.read()
    assert bytes(handle) == b"abc"
