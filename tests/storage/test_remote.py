"""Files elsewhere, read by ranges: what is fetched, how often, and what goes wrong there."""

from __future__ import annotations

import http.server
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest

from parcode_orm import (
    AccessDeniedError,
    Chunk,
    CorruptionError,
    FileReplacedError,
    Key,
    Model,
    NotAParcodeFile,
    ReadOnlyError,
    Session,
    ShardedMap,
    StorageError,
    inspect,
    load,
    save,
    schema,
    select,
)
from parcode_orm.interop.remote import Remote
from parcode_orm.storage.paths import remote_of
from parcode_orm.storage.ranges import BLOCK, TOGETHER, RemoteFile, _marks, put

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("aiohttp")
pytestmark = pytest.mark.once


class Player(Model):
    id: int = Key()
    name: str
    level: int


class World(Model):
    name: str
    players: dict[str, Player] = ShardedMap()
    terrain: bytes = Chunk()
    notes: list[str] = Chunk()


COUNT = 20_000


def world() -> World:
    players = {f"p{n}": Player(id=n, name=f"Hero {n}", level=n % 99) for n in range(COUNT)}
    return World(name="far", players=players, terrain=bytes(range(256)) * 8192, notes=["a", "b"])


class Served(http.server.BaseHTTPRequestHandler):
    """One file in memory, by ranges; it counts."""

    content: ClassVar[bytes] = b""
    asked: ClassVar[list[str]] = []
    version: ClassVar[dict[str, str]] = {"ETag": '"one"'}
    knows_ranges: ClassVar[bool] = True
    protocol_version = "HTTP/1.1"

    def answer(self, body: bool) -> None:
        if self.path != "/world.par":
            self.send_error(403 if self.path == "/secret.par" else 404)
            return
        content, wanted = type(self).content, self.headers.get("Range")
        self.asked.append(f"{self.command} {wanted or ''}")
        found = re.fullmatch(r"bytes=(\d+)-(\d+)", wanted or "") if self.knows_ranges else None
        part = content[int(found[1]) : int(found[2]) + 1] if found else content
        self.send_response(206 if found else 200)
        for name, value in self.version.items():
            self.send_header(name, value)
        if found:
            self.send_header("Content-Range", f"bytes {found[1]}-{found[2]}/{len(content)}")
        self.send_header("Content-Length", str(len(part)))
        self.end_headers()
        if body:
            self.wfile.write(part)

    def do_HEAD(self) -> None:
        self.answer(False)

    def do_GET(self) -> None:
        self.answer(True)

    def log_message(self, *of: Any) -> None:
        pass


@pytest.fixture(scope="module")
def content(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("remote") / "world.par"
    save(path, world())
    with Session(path) as session:
        session.root(World).notes.append("c")
        session.add_all(Player(id=n, name=f"e{n}", level=n) for n in range(100))
        session.commit()
    return path.read_bytes()


@pytest.fixture
def url(content: bytes) -> Iterator[str]:
    Served.content, Served.asked[:] = content, []
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Served)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/world.par"
    server.shutdown()
    server.server_close()


def test_what_is_touched_is_fetched_and_no_more(url: str, content: bytes) -> None:
    with Session.open(url) as session:
        far = session.root(World)
        assert far.name == "far"
        opened = len(Served.asked)
        assert opened <= 3, Served.asked  # one of them asks for the size
        assert far.players["p777"].level == 777 % 99
        assert len(Served.asked) - opened <= 5, Served.asked
        asked = [re.search(r"(\d+)-(\d+)", each) for each in Served.asked]
        fetched = sum(int(each[2]) - int(each[1]) + 1 for each in asked if each)
        assert fetched < len(content) / 4
        before = len(Served.asked)
        assert far.players["p777"].name == "Hero 777" and far.name == "far"
        assert len(Served.asked) == before
        assert [each.level for each in session.scalars(select(Player).where(Player.level > 97)).all()] == [98, 99]
        assert session.stats.bytes_read > 0


def test_a_long_range_is_fetched_by_several_requests(url: str, content: bytes) -> None:
    """A store limits the pace of a connection: one request for 8 MiB after the other took as long as the whole."""
    with Session.open(url) as session:
        assert session.root(World).terrain == world().terrain
    lengths = [int(each[2]) - int(each[1]) + 1 for line in Served.asked if (each := re.search(r"(\d+)-(\d+)", line))]
    assert max(lengths) <= TOGETHER * BLOCK < len(world().terrain) + BLOCK
    assert sum(lengths) < len(content) + len(lengths) * BLOCK  # none is fetched twice


def test_a_scan_fetches_ahead(url: str) -> None:
    with Session.open(url) as session:
        far = session.root(World)
        before = len(Served.asked)
        assert sum(each.level for each in far.players.values()) == sum(n % 99 for n in range(COUNT))
        assert len(Served.asked) - before <= 12
        assert bytes(far.terrain) == bytes(range(256)) * 8192


def test_everything_that_reads_takes_a_url(url: str) -> None:
    before = world()
    before.notes.append("c")
    assert load(url, World) == before
    assert "World" in schema(url)["roots"]
    with Session.open(url, at=1) as session:
        assert list(session.root(World).notes) == ["a", "b"]
        assert session.snapshot is not None and session.snapshot.sequence == 1
    with Session.open(url) as session:
        assert [each.sequence for each in session.history()] == [2, 1]
        assert len(list(session.diff(1, 2))) > 0
        kept = session.root(World).players["p5"]
    assert kept.name == "Hero 5"  # a detached object fetches what it lacks


def test_a_commit_is_refused_with_what_to_do(url: str) -> None:
    with Session(url) as session:
        assert session.read_only
        assert url in repr(session)
        with pytest.raises(
            ReadOnlyError, match=rf"of {url} is read-only: .*save\(url, obj\) replaces the file there; or copy it here"
        ):
            session.commit()


def test_saving_to_a_url_writes_a_whole_file() -> None:
    save("memory://folder/new.par", world())
    assert load("memory://folder/new.par", World) == world()
    save("memory://folder/new.par", World(name="other", players={}, terrain=b"", notes=[]))
    with Session.open("memory://folder/new.par") as session:
        assert session.root(World).name == "other"


def test_blocks_are_kept_for_later_programs(url: str, tmp_path: Path, content: bytes) -> None:
    def read() -> int:
        Served.asked.clear()
        with Session.open(Remote(url, cache=tmp_path / "kept")) as session:
            assert session.root(World).players["p777"].level == 777 % 99
        return len(Served.asked)

    first = read()
    assert first > 3 and read() == 1  # which asks for the size and the version
    (kept,) = (tmp_path / "kept").glob("*.par")
    assert kept.stat().st_size == len(content)
    kept.with_suffix(".blocks").write_bytes(b"\1")  # of another size: it is not believed
    assert read() == first


def test_marks_that_another_program_made_meanwhile_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that found no marks emptied the file, which another one had mapped and written to by then."""
    first = _marks(tmp_path / "file.blocks", 5)
    first[3] = 1
    monkeypatch.setattr(os, "fstat", lambda _: SimpleNamespace(st_size=0))  # as it was a moment ago
    assert bytes(_marks(tmp_path / "file.blocks", 5)) == b"\0\0\0\1\0"


def test_a_file_that_took_the_place_of_another_is_read_anew(
    url: str, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server may tell no ETag, but the time; or neither, and then nothing is kept."""
    for number, version in enumerate([{"Last-Modified": "Mon, 30 Nov 2026 10:00:00 GMT"}, {}]):
        monkeypatch.setattr(Served, "content", content)
        monkeypatch.setattr(Served, "version", version)
        place = Remote(url, cache=tmp_path / "kept")
        with Session.open(place) as session:
            assert session.root(World).name == "far"
        save(tmp_path / "other.par", World(name="near", players={}, terrain=b"", notes=[]))
        other = (tmp_path / "other.par").read_bytes()
        monkeypatch.setattr(Served, "content", other + bytes(len(content) - len(other)))
        if version:
            monkeypatch.setattr(Served, "version", {"Last-Modified": "Mon, 30 Nov 2026 10:00:01 GMT"})
        assert load(place, World).name == "near", number
    assert len(list((tmp_path / "kept").glob("*.par"))) == 2  # of the server that tells the time


def test_a_file_that_is_replaced_while_it_is_read_is_said(
    url: str, tmp_path: Path, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was fetched and what comes do not fit: it was told as damage."""
    save(tmp_path / "other.par", World(name="near", players={}, terrain=bytes(1 << 20), notes=["z"] * 9))
    other = (tmp_path / "other.par").read_bytes()
    for put_there in (other + bytes(len(content) - len(other)), content[: len(content) // 2]):
        monkeypatch.setattr(Served, "content", content)
        monkeypatch.setattr(Served, "version", {"ETag": '"one"'})
        with Session.open(Remote(url, cache=tmp_path / "kept")) as session:
            far = session.root(World)
            assert far.name == "far"
            monkeypatch.setattr(Served, "content", put_there)
            with pytest.raises(CorruptionError if len(put_there) == len(content) else FileReplacedError):
                _all_of(far)  # the version is the same: the bytes are damaged there, unless the size tells
            monkeypatch.setattr(Served, "version", {"ETag": '"two"'})
            with pytest.raises(FileReplacedError, match="open it again"):
                _all_of(far)
        assert not list((tmp_path / "kept").iterdir())  # blocks of the other file may be among those kept
    monkeypatch.setattr(Served, "content", other)
    with Session.open(Remote(url, cache=tmp_path / "kept")) as session:
        assert session.root(World).name == "near"


def _all_of(far: World) -> None:
    sum(each.level for each in far.players.values())
    bytes(far.terrain)


def test_blocks_ahead_come_by_a_thread_while_others_are_read(content: bytes) -> None:
    size = 64 << 20
    whole = bytes(range(256)) * (size // 256)
    fsspec.filesystem("memory").pipe_file("/long.par", whole)
    remote = RemoteFile("memory://long.par", None, {})
    for offset in range(0, size, 50_000):
        stop = min(offset + 50_000, size)
        assert remote.need(offset, stop - offset) == whole[offset:stop]
    assert remote.requests <= size // (TOGETHER * BLOCK) + 12 and remote._thread is not None  # 12 to begin with
    scattered = RemoteFile("memory://long.par", None, {})
    for offset in range(size - 100, 0, -(8 << 20)):
        assert scattered.need(offset, 100) == whole[offset : offset + 100]
    assert scattered._thread is None and scattered._present.count(1) <= 16
    fsspec.filesystem("memory").rm("/long.par")


def test_what_goes_wrong_there_is_a_typed_error(url: str, content: bytes) -> None:
    with pytest.raises(FileNotFoundError):
        Session.open(url.replace("world", "word"))
    with pytest.raises(FileNotFoundError):
        Session.open("memory://nothing/here.par")
    with pytest.raises(AccessDeniedError, match="403"):
        Session.open(url.replace("world", "secret"))
    with pytest.raises(StorageError, match="connect") as refused:
        Session.open("http://127.0.0.1:1/world.par")
    with pytest.raises(StorageError, match="cach'") as misspelled:
        Session.open(Remote(url, cach="folder"))
    assert not isinstance(refused.value, FileNotFoundError) and not isinstance(misspelled.value, FileNotFoundError)
    with pytest.raises(FileNotFoundError, match=r"take a URL: copy the file here"):
        inspect(url)
    with pytest.raises(FileNotFoundError, match=r"take a URL: copy the file here"):
        inspect(Path(url))
    with pytest.raises(StorageError, match="abc"):
        Session.open("abc://x/y")
    with pytest.raises(ValueError, match="Remote"):
        Remote("local.par")
    with pytest.raises(TypeError, match="cache is a folder"):
        Remote("memory://a.par", cache=1)  # type: ignore[arg-type]
    fsspec.filesystem("memory").pipe_file("/text.par", b"no file of ours" * 9)
    with pytest.raises(NotAParcodeFile, match="text"):
        Session.open("memory://text.par")
    damaged = bytearray(content)
    start = content.index(b"Hero 15000")
    damaged[start : start + 4] = b"Zero"
    fsspec.filesystem("memory").pipe_file("/damaged.par", bytes(damaged))
    with pytest.raises(CorruptionError, match="damaged"):
        load("memory://damaged.par", World)


def test_ranges_of_a_file(url: str, content: bytes) -> None:
    remote = RemoteFile(url, None, {})
    assert remote.size == len(content)
    assert remote.need(100_000, 10) == content[100_000:100_010] and remote.requests == 1
    remote.need_all([(0, 10), (BLOCK * 2, 10), (BLOCK * 60, 10), (100_000, 5)])
    assert remote.requests == 3  # two are near each other, one is there
    assert remote.need(BLOCK * 60, 10) == content[BLOCK * 60 : BLOCK * 60 + 10]
    assert remote.need(0, remote.size) == content
    assert remote_of(url).url == url and repr(Remote(url)) == f"<Remote {url}>"


def test_a_server_without_ranges_is_asked_once(url: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `python -m http.server`, which sends the whole file whatever it is asked for."""
    monkeypatch.setattr(Served, "knows_ranges", False)
    remote = RemoteFile(url, None, {})
    assert remote.need(0, 10) == content[:10] and remote.requests == 1
    assert remote.need(200_000, 10) == content[200_000:200_010]
    assert remote.need(0, remote.size) == content and remote.requests == 1
    with Session.open(url) as session:
        assert session.root(World).players["p777"].level == 777 % 99


def test_a_server_without_ranges_gives_all(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "local.par").write_bytes(content)
    put("memory://copied.par", str(tmp_path / "local.par"), {})
    remote = RemoteFile("memory://copied.par", None, {})
    whole = remote._files.cat_file
    remote._files.cat_file = lambda name, start=None, end=None: whole(name)
    try:
        assert remote.need(200_000, 10) == content[200_000:200_010]
    finally:
        del remote._files.cat_file
