"""Collections read from one end to the other, by chunks and by columns: in bounded memory, leaving nothing running."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parcode_orm import ChecksumError, Chunk, Model, Session, ShardedMap, dumps, lazy, load, save
from parcode_orm.lazy.rows import TableRows
from parcode_orm.lazy.spans import SpanRows
from parcode_orm.storage import parallel
from parcode_orm.table import scan

pytestmark = pytest.mark.once

REPOSITORY = Path(__file__).parents[2]


class Stats(Model):
    hp: int
    speed: float


class Unit(Model):
    level: int
    name: str
    rank: int | None = None
    stats: Stats
    notes: list[str] = Chunk(default=[])


class Army(Model):
    units: list[Unit] = Chunk()
    by_id: dict[int, Unit] = ShardedMap()
    few: list[Unit] = Chunk()
    few_by_name: dict[str, Unit] = ShardedMap()
    numbers: list[int] = Chunk(default=[])


def unit(i: int) -> Unit:
    stats = Stats(hp=i * 10**9, speed=i / 2)
    return Unit(level=i % 200, name=f"unit {i}", rank=i if i % 5 else None, stats=stats, notes=[f"n{i}"] * (i % 3))


def army(count: int = 10_000) -> Army:
    units = [unit(i) for i in range(count)]
    few = units[:20]
    return Army(
        units=units, by_id=dict(enumerate(units)), few=few, few_by_name={each.name: each for each in few},
        numbers=[i * 10**12 for i in range(count * 3)],
    )  # fmt: skip


@cache
def whole_army() -> Army:
    """To be compared with."""
    return army()


@pytest.fixture(scope="module", params=[None, "lz4"])
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("army") / f"army-{request.param}.par"
    save(path, whole_army(), compression=request.param)
    return path


@pytest.fixture(params=[True, False], ids=["gil", "free-threaded"])
def gil(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """What an interpreter would say of itself; without the GIL row groups are decoded in threads."""
    monkeypatch.setattr(scan, "gil_enabled", lambda: request.param)
    return bool(request.param)


def threads() -> list[str]:
    return [each.name for each in threading.enumerate() if each.name.startswith("parcode")]


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert not threads()


def test_chunks_are_plain_parts_of_the_whole(path: Path, gil: bool) -> None:
    with Session.open(path) as session:
        read = session.root(Army)
        plain = whole_army()
        chunks = list(lazy(read.units).iter_chunks())
        assert len(chunks) > 2 and all(type(chunk) is list and len(chunk) <= 4096 for chunk in chunks)
        assert [each for chunk in chunks for each in chunk] == plain.units
        assert type(chunks[1][0]) is Unit and type(chunks[1][0].notes) is list
        pairs = list(lazy(read.by_id).iter_chunks())
        assert len(pairs) > 2 and all(type(chunk) is dict for chunk in pairs)
        assert [pair for chunk in pairs for pair in chunk.items()] == list(plain.by_id.items())
        assert list(lazy(read.few).iter_chunks()) == [plain.few]
        assert list(lazy(read.few_by_name).iter_chunks()) == [plain.few_by_name]
        numbers = list(lazy(read.numbers).iter_chunks())
        assert [each for chunk in numbers for each in chunk] == plain.numbers and max(map(len, numbers)) <= 4096


def test_columns_come_at_full_width(path: Path) -> None:
    with Session.open(path) as session:
        units = lazy(session.root(Army).units)
        levels = list(units.iter_columns("level"))
        assert len(levels) > 2 and {part.dtype for part in levels} == {np.dtype(np.int64)}
        assert np.concatenate(levels).tolist() == [i % 200 for i in range(10_000)]
        found: dict[str, list[Any]] = {"stats.hp": [], "stats.speed": [], "rank": [], "notes": []}
        for part in units.iter_columns(*found):
            assert list(part) == list(found) and len({len(values) for values in part.values()}) == 1
            assert part["stats.speed"].dtype == np.float64 and part["rank"].dtype == object
            for name, values in part.items():
                found[name] += values.tolist()
        assert found["stats.hp"] == [i * 10**9 for i in range(10_000)]
        assert found["rank"] == [i if i % 5 else None for i in range(10_000)]
        assert found["notes"] == [[f"n{i}"] * (i % 3) for i in range(10_000)]
        by_id = np.concatenate(list(lazy(session.root(Army).by_id).iter_columns("stats.hp")))
        assert by_id.tolist() == found["stats.hp"]
        (few,) = lazy(session.root(Army).few_by_name).iter_columns("level")
        assert few.tolist() == list(range(20))


def test_a_column_of_another_is_not_read(path: Path) -> None:
    with Session.open(path) as session:
        units = lazy(session.root(Army).units)
        before = session.stats.bytes_read
        assert sum(int(part.sum()) for part in units.iter_columns("level")) == sum(i % 200 for i in range(10_000))
        assert session.stats.bytes_read - before < 10_000 * 4


def test_wrong_names_are_refused_at_once(path: Path) -> None:
    with Session.open(path) as session:
        units = lazy(session.root(Army).units)
        with pytest.raises(AttributeError, match=r"'Stats'.*'mana'"):
            units.iter_columns("level", "stats.mana")
        with pytest.raises(TypeError, match="the name of a field"):
            units.iter_columns()


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_what_is_not_yet_written_is_seen(data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        Path(folder, "a.par").write_bytes(stored_army())
        change_and_compare(Path(folder, "a.par"), data)


@cache
def stored_army() -> bytes:
    return dumps(army(1_500))


def change_and_compare(path: Path, data: st.DataObject) -> None:
    with Session(path) as session:
        root = session.root(Army)
        assert lazy(root.units).rows.__class__ is TableRows and lazy(root.few).rows.__class__ is SpanRows
        for _ in range(data.draw(st.integers(0, 6))):
            at = data.draw(st.integers(0, 200))
            match data.draw(st.sampled_from(["change", "replace", "append", "delete", "commit"])):
                case "change":
                    root.units[at].stats.hp = -at
                    root.by_id[at].stats.hp = -at
                    root.few[at % 3].level = at
                case "replace":
                    root.units[at] = root.by_id[at] = unit(1000 + at)
                case "append":
                    root.units.append(unit(at))
                    root.by_id[5000 + at] = unit(at)
                case "delete":
                    del root.units[at]
                    root.by_id.pop(5000 + at, None)
                case "commit":
                    session.commit()
        for stored in (root.units, root.few):
            some = lazy(stored)
            assert [each for chunk in some.iter_chunks() for each in chunk] == list(some) == some.load()
            hp = [int(value) for part in some.iter_columns("stats.hp") for value in part]
            assert hp == [each.stats.hp for each in some] == some.column("stats.hp").tolist()
        by_id = lazy(root.by_id)
        assert {k: v for chunk in by_id.iter_chunks() for k, v in chunk.items()} == dict(by_id.items()) == by_id.load()
        names = [name for part in by_id.iter_columns("name", "level") for name in part["name"]]
        assert names == [each.name for each in by_id.values()]


def test_copies_are_no_part_of_the_session(tmp_path: Path) -> None:
    save(tmp_path / "a.par", army(50))
    with Session(tmp_path / "a.par") as session:
        root = session.root(Army)
        for chunk in lazy(root.few).iter_chunks():
            chunk[0].name = "changed"
        assert root.few[0].name == "unit 0"
        session.commit()
        assert session.stats.chunks_written == 0


def test_a_change_of_size_is_an_error(tmp_path: Path) -> None:
    save(tmp_path / "a.par", army())
    with Session(tmp_path / "a.par") as session:
        units, by_id = lazy(session.root(Army).units), lazy(session.root(Army).by_id)
        with pytest.raises(RuntimeError, match="changed size"):
            for _ in units.iter_chunks():
                units.append(unit(1))
        with pytest.raises(RuntimeError, match="changed size"):
            for _ in by_id.iter_columns("level"):
                del by_id[int(next(iter(by_id)))]


@pytest.mark.parametrize("workers", [None, 0, 1, 3])
def test_a_whole_load_is_the_same_with_any_threads(path: Path, gil: bool, workers: int | None) -> None:
    started: list[str] = []
    in_order = scan.in_order

    def watched(work: Any, items: Any, count: int) -> Any:
        started.append("threads" if count else "none")
        return in_order(work, items, count)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scan, "in_order", watched)
        found = load(path, Army, workers=workers)
    assert found == whole_army()
    assert list(found.by_id) == list(whole_army().by_id)
    pays = workers and (not gil or "lz4" in path.name)
    if workers is not None:
        assert ("threads" in started) == bool(pays)


def test_an_early_break_leaves_nothing_running(path: Path, gil: bool) -> None:
    with Session(path, read_only=True, workers=2) as session:
        units = lazy(session.root(Army).units)
        for chunk in units.iter_chunks():
            assert chunk[0] == unit(0)
            break
        assert not threads()
        for each in units:
            assert each.level == 0
            break
        paused = units.iter_chunks()
        next(paused)
        session.close()
        assert sum(map(len, paused)) == len(units) - len(chunk)
        del paused


def damaged(data: bytes, session: Session) -> tuple[bytes, int]:
    """`data` with a bit changed in the text of the row group in the middle, and the position of its first row."""
    table: Any = lazy(session.root(Army).units).rows.table  # type: ignore[attr-defined]
    pieces = list(table.tree.pieces())
    middle = len(pieces) // 2
    chunk = table.space.source.chunk(pieces[middle][0].ref)
    node = max(chunk.nodes, key=lambda node: node.stored)
    changed = bytearray(data)
    changed[chunk.where[1] + node.place + node.stored // 2] ^= 1
    return bytes(changed), sum(end - first for _, first, end in pieces[:middle])


@pytest.mark.parametrize("workers", [0, 2])
def test_damage_is_met_where_it_stands(path: Path, gil: bool, workers: int) -> None:
    data = path.read_bytes()
    with Session.open(data) as session:
        bad, first = damaged(data, session)
    with Session(bad, workers=workers) as session:
        units = lazy(session.root(Army).units)
        found: list[Unit] = []
        with pytest.raises(ChecksumError) as problem:
            for chunk in units.iter_chunks():
                found += chunk
        assert len(found) == first and found[-1] == unit(first - 1)
        assert not threads()  # though the traceback lives
        with pytest.raises(ChecksumError) as again:
            units.load()
        assert not threads()
        assert again.value.offset == problem.value.offset
        assert units[-1] == unit(9_999)
    with pytest.raises(ChecksumError):
        load(bad, Army, workers=workers)


def test_results_come_in_order_and_problems_at_their_item() -> None:
    started = threading.Semaphore(0)

    def work(number: int) -> int:
        started.release()
        assert parallel.worker_count(5) == 0  # none starts further ones
        if number == 30:
            raise KeyError(number)
        return number * 2

    seen = []
    with pytest.raises(KeyError):
        for item, found in parallel.in_order(work, range(100), 3):
            assert found == item * 2
            seen.append(item)
    assert seen == list(range(30))
    ahead = 0
    while started.acquire(blocking=False):
        ahead += 1
    assert ahead <= 30 + 2 * 3 + 1


def test_no_thread_can_be_started(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    assert load(path, Army, workers=2) == whole_army()


@pytest.mark.parametrize("workers", [-1, 1.5, "2"])
def test_a_wrong_number_of_threads(workers: Any) -> None:
    with pytest.raises(ValueError, match="workers is None or a number from 0 on"):
        load(dumps(army(3)), Army, workers=workers)


@pytest.mark.parametrize("dtype", ["q", "d"])
def test_a_column_of_one_row_group_is_the_file_itself(tmp_path: Path, dtype: str) -> None:
    class Point(Model):
        x: int
        y: float

    class Line(Model):
        points: list[Point] = Chunk()

    def write(count: int, compression: str | None) -> Any:
        points = [Point(x=-i * 10**12, y=i / 7) for i in range(count)]
        save(tmp_path / "l.par", Line(points=points), compression=compression)
        return lazy(Session.open(tmp_path / "l.par").root(Line).points)

    name = "x" if dtype == "q" else "y"
    points = write(3_000, None)
    array = points.column(name)
    assert not array.flags.owndata and not array.flags.writeable
    assert np.shares_memory(array, points.column(name))
    source: Any = points.rows.space.source
    assert np.shares_memory(array, np.frombuffer(source.view(0, source.length), np.uint8))
    (part,) = points.iter_columns(name)
    assert np.shares_memory(array, part)
    expected = [-i * 10**12 if name == "x" else i / 7 for i in range(3_000)]
    source.close()
    assert array.tolist() == expected  # the view owns the map
    assert write(3_000, "lz4").column(name).tolist() == expected


# -- memory -------------------------------------------------------------------------------------------------------


class Blot(Model):
    n: int
    data: bytes


class Ink(Model):
    blots: list[Blot] = Chunk()
    by_n: dict[int, Blot] = ShardedMap(default={})


SCAN = """
import io, sys
from parcode_orm import Session, lazy
from tests.lazy.test_streaming_out import Ink

def peak():
    return next(int(line.split()[1]) for line in io.open("/proc/self/status") if line.startswith("VmHWM"))

path, how, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
import numpy
with Session(path, read_only=how != "writable", workers=2) as session:
    ink = session.root(Ink)
    ink.blots[0].data
    list(lazy(ink.blots).iter_columns("n"))
    before = peak()
    total = 0
    if how in ("items", "writable"):
        for blot in ink.blots:
            total += blot.n + len(blot.data)
    elif how == "chunks":
        for chunk in lazy(ink.blots).iter_chunks():
            total += sum(blot.n + len(blot.data) for blot in chunk)
    elif how == "columns":
        for part in lazy(ink.blots).iter_columns("n", "data"):
            total += int(part["n"].sum()) + sum(map(len, part["data"]))
    elif how == "pairs":
        for n, blot in ink.by_n.items():
            total += n + len(blot.data)
    assert total == sum(n + 2000 for n in range(count)), total
    print(peak() - before)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
@pytest.mark.parametrize("compression", [None, "lz4"])
def test_a_scan_takes_little_memory(tmp_path: Path, compression: str | None) -> None:
    count = 50_000
    blots = (Blot.model_construct(n=i, data=b"%08d" % i * 250) for i in range(count))
    pairs = ((i, Blot.model_construct(n=i, data=b"%08d" % i * 250)) for i in range(count))
    path = tmp_path / "ink.par"
    save(path, Ink(blots=blots, by_n=pairs), compression=compression, durability="fast")
    if compression is None:
        assert path.stat().st_size > 200_000_000
    for how in ("items", "columns", "pairs", "writable") if compression is None else ("chunks", "pairs"):
        command = [sys.executable, "-c", SCAN, str(path), how, str(count)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, check=False)
        assert done.returncode == 0, done.stderr
        assert int(done.stdout) < 60_000, (how, done.stdout)  # KiB
