"""A session with `compact_above` compacts its file after commits: the file stays small, and every object goes on."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import parcode_orm
from parcode_orm import Chunk, Key, LazyMap, Model, Session, ShardedMap, compact, load, save, select, verify
from parcode_orm.errors import ConflictError, QueryError
from parcode_orm.storage.lock import WriterLock
from tests.small import tuned

pytestmark = pytest.mark.once

Small = tuned(compact_from=1).Session
KB = 1000


class Message(Model):
    n: int
    tags: list[str] = []


class Room(Model):
    title: str = ""
    messages: list[Message] = Chunk(default_factory=list)
    by: dict[str, Message] = ShardedMap(default_factory=dict)


class House(Model):
    n: int = 0
    rooms: dict[str, Room] = ShardedMap(default_factory=dict)
    front: Room = Chunk(default_factory=Room)
    plain: list[Message] = []
    blob: bytes = Chunk(default=b"")


class Guest(Model):
    id: int = Key()
    name: str = ""
    notes: list[Message] = Chunk(default_factory=list)


def house(rooms: int, messages: int) -> House:
    def room(at: int) -> Room:
        some = [Message(n=n, tags=[f"{at} {n}"]) for n in range(messages)]
        return Room(title=f"room {at}", messages=some, by={f"k{each.n}": each.model_copy(deep=True) for each in some})

    return House(rooms={f"r{at}": room(at) for at in range(rooms)}, front=room(-1), plain=[Message(n=1)])


def changed(session: Session, path: Path) -> bool:
    """Commit something; whether the session compacted the file then."""
    inode = path.stat().st_ino
    session.root(House).n += 1
    session.root(House).blob = os.urandom(40 * KB)
    session.commit()
    return path.stat().st_ino != inode


def compacted(session: Session, path: Path) -> None:
    for _ in range(100):
        if changed(session, path):
            return
    raise AssertionError("the session compacts nothing")


@pytest.mark.parametrize("rooms", [3, 150])
def test_a_file_stays_within_twice_what_it_needs(tmp_path: Path, rooms: int) -> None:
    path, copy = tmp_path / "a.par", tmp_path / "copy.par"
    save(path, house(rooms, 50))
    sizes = []
    with Session(path, durability="fast", compact_above=0.5) as session:
        for _ in range(80):
            changed(session, path)
            sizes.append(path.stat().st_size)
            assert session.snapshot is not None and session.snapshot.size == sizes[-1]
    copy.write_bytes(path.read_bytes())
    compact(copy)
    assert max(sizes) <= max(1 << 20, 2 * copy.stat().st_size) + 60 * KB  # a file of less than 1 MiB is left alone
    assert load(path, House).n == 80 and verify(path).ok


def test_a_compaction_waits_until_the_file_has_doubled(tmp_path: Path) -> None:
    """Whatever the share is, so a compaction writes no more than the commits since the last one."""
    path = tmp_path / "a.par"
    save(path, house(300, 10))
    whole = path.stat().st_size
    with Small(path, compact_above=0.0) as session:
        compactions = sum(changed(session, path) for _ in range(40))
    assert 2 <= compactions <= 2 + 40 * 50 * KB // whole


@pytest.mark.parametrize(("dead", "tripled"), [(45, True), (20, False)])
def test_a_file_that_has_tripled_is_compacted_from_half_of_the_share_on(
    tmp_path: Path, dead: int, tripled: bool
) -> None:
    """What each commit writes is `dead` percent a value that the next one replaces, and else stays."""
    path = tmp_path / "a.par"
    save(path, House(front=Room(title=os.urandom(150 * KB).hex())))
    with Small(path, durability="fast", compact_above=0.5) as session:
        stored = session.root(House)
        compacted(session, path)
        last = path.stat()
        size = last.st_size
        for n in range(40):
            stored.rooms[f"r{n}"] = Room(title=os.urandom(50 * (100 - dead) * KB // 100).hex())
            stored.blob = os.urandom(dead * KB)
            session.commit()
            now = path.stat()
            if now.st_ino != last.st_ino:
                break
            size = now.st_size
    assert (now.st_ino != last.st_ino) == tripled
    assert not tripled or size < 3 * last.st_size < size + 110 * KB


@pytest.mark.parametrize("shape", [(40, 3), (12, 300)])
def test_objects_that_the_program_holds_go_on(tmp_path: Path, shape: tuple[int, int]) -> None:
    """Rows that only a variable has, rows of rows, models that are fields, collections and what is part of nothing."""
    path = tmp_path / "a.par"
    save(path, house(*shape))
    with Small(path, compact_above=0.2) as session:
        found = session.root(House)
        session.add(Guest(id=1, notes=[Message(n=n) for n in range(shape[1])]))
        session.commit()
        guest = session.get_one(Guest, 1)
        known: dict[str, Any] = {
            "row": found.rooms["r3"],
            "row of a row": found.rooms["r4"].messages[1],
            "row of a map in a row": found.rooms["r5"].by["k2"],
            "field": found.front,
            "row of a field": found.front.messages[2],
            "in a plain list": found.plain[0],
            "collection": found.rooms["r6"].messages,
            "map": found.rooms,
            "guest": guest,
            "row of a guest": guest.notes[2],
        }
        taken = found.rooms["r7"].messages.pop(0)
        tags = found.rooms["r8"].messages[0].tags
        for turn in range(3):
            compacted(session, path)
            known["row"].title = f"title {turn}"
            for name in ("row of a row", "row of a map in a row", "row of a field", "in a plain list"):
                known[name].n = 1000 + turn
            known["row of a guest"].n = known["field"].messages[0].n = 1000 + turn
            known["collection"].append(Message(n=2000 + turn))
            known["map"]["new"] = Room(title=f"new {turn}")
            guest.name = f"guest {turn}"
            tags.append(f"tag {turn}")
            taken.n = -turn
            assert session.get(Guest, 1) is guest and found.rooms is known["map"]
            assert found.rooms["r3"] is known["row"] and found.rooms["r4"].messages[1] is known["row of a row"]
            assert found.front.messages[2] is known["row of a field"] and guest.notes[2] is known["row of a guest"]
            session.commit()
            stored = load(path, House)
            assert stored == found.model_load()
            assert stored.rooms["r3"].title == f"title {turn}" and stored.rooms["r8"].messages[0].tags == tags
            assert stored.rooms["r4"].messages[1].n == stored.rooms["r5"].by["k2"].n == 1000 + turn
            assert [each.n for each in stored.rooms["r6"].messages[-turn - 1 :]] == list(range(2000, 2001 + turn))
        found.rooms["r9"].messages.append(taken)
        session.commit()
        with Session.open(path) as reader:
            assert reader.root(House).rooms["r9"].messages[-1].n == -2
            kept = reader.get_one(Guest, 1)
            assert kept.name == "guest 2" and kept.notes[2].n == 1002


def test_a_commit_after_it_writes_what_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save(path, house(400, 20))
    with Small(path, compact_above=0.2) as session:
        found = session.root(House)
        rows = [found.rooms[f"r{at}"].messages[3] for at in range(400)]
        blob = found.blob
        compacted(session, path)
        before = session.stats.bytes_written
        rows[5].n = 99
        session.commit()
        assert session.stats.bytes_written - before < 40 * KB and len(blob) == 0
        assert found.rooms["r6"].messages[3] is rows[6]


def test_who_else_has_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save(path, house(20, 5))
    with Small(path, compact_above=0.2) as session, Session.open(path) as reader, Session(path) as writer:
        then = reader.root(House).rooms["r1"]
        assert writer.root(House).n == 0
        compacted(session, path)
        assert then.messages[2].tags == ["1 2"] and reader.root(House).n == 0
        reader.refresh()
        assert reader.root(House).n == session.root(House).n
        writer.root(House).n = -1
        with pytest.raises(ConflictError):
            writer.commit()
        writer.rollback()
        writer.root(House).n = -1
        writer.commit()
        session.root(House).n = 50
        with pytest.raises(ConflictError):
            session.commit()
        session.rollback()
        assert session.root(House).n == -1


def test_a_session_that_cannot_compact_now_does_so_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.par"
    save(path, house(20, 5))
    with Small(path, compact_above=0.0, lock_timeout=0) as session:
        take = WriterLock.acquire

        def acquire(self: Any, *, write: bool = True, timeout: float = 0.0) -> None:
            if not write:
                raise parcode_orm.LockedError("another session is writing")
            take(self, write=write, timeout=timeout)

        with monkeypatch.context() as patch:
            patch.setattr(WriterLock, "acquire", acquire)
            assert not any(changed(session, path) for _ in range(5))
        compacted(session, path)
        assert session.root(House).n == load(path, House).n
    Session(path).close()
    with Session(path) as session:  # without the option, none of the commits goes
        assert not any(changed(session, path) for _ in range(30))
        assert len(list(session.history())) > 30


def test_in_memory() -> None:
    with Small(":memory:", compact_above=0.5) as session:
        session.add(house(20, 5))
        session.commit()
        row = session.root(House).rooms["r3"]
        sizes = []
        for n in range(40):
            session.root(House).blob = os.urandom(40 * KB)
            row.title = f"title {n}"
            session.commit()
            assert session.snapshot is not None
            sizes.append(session.snapshot.size)
        assert max(sizes) < 250 * KB
        assert session.root(House).rooms["r3"] is row and row.title == "title 39"


def test_iterating_goes_on_and_a_result_says_that_it_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    with Small(path, compact_above=0.2) as session:
        session.add(house(30, 60))
        session.add_all([Guest(id=n) for n in range(4_200)])
        session.commit()
        rooms = session.root(House).rooms
        assert isinstance(rooms, LazyMap)
        for at, room in enumerate(rooms.values()):
            room.title = f"seen {at}"
            compacted(session, path) if at % 10 == 5 else session.commit()
        for at, message in enumerate(rooms["r1"].messages):
            message.n = -at
            if at == 20:
                compacted(session, path)
        session.commit()
        stored = load(path, House)
        assert [room.title for room in stored.rooms.values()] == [f"seen {at}" for at in range(30)]
        assert [message.n for message in stored.rooms["r1"].messages] == [-at for at in range(60)]
        for statement in (select(Guest), select(Guest).order_by(Guest.id)):
            result = iter(session.scalars(statement))
            first = next(result)
            compacted(session, path)
            with pytest.raises(QueryError, match=r"take .all\(\) first"):
                list(result)
            first.name += "x"
            session.commit()
        assert session.scalars(select(Guest).where(Guest.name == "xx")).all() == [first]


def test_old_files_are_let_go(tmp_path: Path) -> None:
    """Objects that are held over many compactions keep no old file open, and none in the address space."""

    def kept() -> list[str]:
        gc.collect()
        used = Path("/proc/self/maps").read_text().splitlines()
        for each in Path("/proc/self/fd").iterdir():
            with suppress(OSError):  # the one of this loop
                used.append(os.readlink(each))
        return [each for each in used if str(path) in each and "(deleted)" in each]

    path = tmp_path / "a.par"
    save(path, house(30, 10))
    with Small(path, compact_above=0.2) as session:
        found = session.root(House)
        held = [found.rooms[f"r{at}"].messages[3] for at in range(30)], found.front.by, found.blob
        compacted(session, path)
        for at in range(4):
            held[0][at].n = 100
            compacted(session, path)
            assert kept() == []
    assert [each.n for each in held[0][:5]] == [100] * 4 + [3]
