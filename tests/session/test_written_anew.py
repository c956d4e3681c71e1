"""Compaction writes a commit anew: what is left is what a fresh save would write, and nothing stored is lost."""

from __future__ import annotations

import enum
import random
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from pydantic import ConfigDict

import parcode_orm
from parcode_orm import Chunk, Model, Session, ShardedMap, compact, dumps, load, save, verify
from parcode_orm.codec.views.build import Builder
from parcode_orm.errors import ChecksumError
from parcode_orm.format.layout import RECORD, SUPERBLOCK
from parcode_orm.storage.mapped import Source
from tests.effort import EXAMPLES, THOROUGH
from tests.session.trees import Tree, edit_tree, tree
from tests.small import Tuned, small_caches, tuned
from tests.storage.sample import below
from tests.strategies import same

pytestmark = pytest.mark.once

SIZES = {"small": (6, 3, 64), "within": (12, 4, 400), "apart": (12, 12, 400), "as it is": (16, 20, 0)}


class Message(Model):
    n: int
    text: str = ""


class Conversation(Model):
    title: str = ""
    messages: list[Message] = Chunk(default_factory=list)
    tags: dict[str, list[int]] = Chunk(default_factory=dict)
    pinned: list[Message] | None = Chunk(default=None)
    last: Message | None = None


class Archive(Model):
    conversations: dict[str, Conversation] = ShardedMap(default_factory=dict)
    recent: list[Message] = Chunk(default_factory=list)
    blob: bytes = Chunk(default=b"")


class Other(Model):
    rows: list[Message] = Chunk(default_factory=list)


def chunks(path: Path) -> bytes:
    """What a file holds between its superblock, which has a number of its own, and its one record."""
    return path.read_bytes()[SUPERBLOCK.size : -RECORD.size]


def chatted(path: Path, commits: int, text: int = 40) -> Archive:
    """A file to whose conversations messages were appended one by one; what it holds."""
    chance = random.Random(commits)
    save(
        path, Archive(conversations={f"c{i}": Conversation(title=f"about {i}") for i in range(50)}, blob=b"b" * 90_000)
    )
    with Session(path, durability="fast") as session:
        root = session.root(Archive)
        for n in range(commits):
            each = root.conversations[f"c{chance.randrange(50)}"]
            each.messages.append(Message(n=n, text="x" * chance.randrange(text)))
            each.tags.setdefault(f"t{n % 3}", []).append(n)
            root.recent.append(Message(n=n))
            if n % 5 == 1:
                each.last = Message(n=n)
                each.pinned = [*(each.pinned or ()), each.last]
            if n % 7 == 6:
                del root.recent[chance.randrange(len(root.recent))]
                del each.messages[0]
            session.commit()
    return load(path, Archive)


@pytest.mark.parametrize("how", ["function", "session", "at the end", "in memory"])
def test_a_compacted_file_is_as_large_as_a_fresh_save(tmp_path: Path, how: str) -> None:
    """A chunk was copied whole where any of its values was used: 18.9 MB of a file that takes 6.7."""
    path, fresh = tmp_path / "a.par", tmp_path / "fresh.par"
    plain = chatted(path, 120)
    size = path.stat().st_size
    save(fresh, plain)
    if how == "function":
        compact(path)
    elif how == "session":
        with Session(path) as session:
            session.compact()
            assert session.root(Archive).recent[-1].n == 119
    elif how == "at the end":
        Session(path, compact_above=0.1).close()
    else:
        with Session(":memory:") as session:
            session.add(plain.model_copy(deep=True))
            session.commit()
            for n in range(30):
                session.root(Archive).conversations["c1"].messages.append(Message(n=n))
                plain.conversations["c1"].messages.append(Message(n=n))
                session.commit()
            session.compact()
            save(fresh, plain)
            assert session.snapshot is not None and session.snapshot.size == fresh.stat().st_size
            assert same(session.root(Archive).model_load(), plain)
        return
    assert size > 4 * path.stat().st_size
    assert chunks(path) == chunks(fresh)
    assert same(load(path, Archive), plain) and verify(path).ok
    with Session(path) as session:
        session.root(Archive).conversations["c7"].messages.append(Message(n=-1))
        session.commit()
    assert load(path, Archive).conversations["c7"].messages[-1].n == -1


@pytest.mark.parametrize("seed", range(1 if not THOROUGH else EXAMPLES // 10))
@pytest.mark.parametrize("size", SIZES)
def test_random_histories(tmp_path: Path, size: str, seed: int) -> None:
    width, items, large = SIZES[size]
    path, fresh = tmp_path / "a.par", tmp_path / "fresh.par"
    sizes = tuned(large=large) if large else Tuned(Session, save, dumps)
    with small_caches() if large else nullcontext():
        chance = random.Random(f"{size} {seed}")
        sizes.save(path, tree(width, items))
        with sizes.Session(path, durability="fast") as session:
            for n in range(60):
                edit_tree(session.root(Tree), chance, n, items)
                session.commit()
        plain = load(path, Tree)
        compact(path)
        assert same(load(path, Tree), plain) and verify(path).ok
        save(fresh, plain)
        assert path.stat().st_size <= fresh.stat().st_size * 1.1
        with Session(path) as session:
            for n in range(10):
                edit_tree(session.root(Tree), chance, n, items)
                session.commit()


def test_columns_are_written_from_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.par"
    plain = chatted(path, 60)

    def objects(*_: Any) -> Any:
        raise AssertionError("an object was made")

    with monkeypatch.context() as patch:
        patch.setattr(Builder, "objects", objects)
        compact(path)
    assert same(load(path, Archive), plain)


def test_tables_that_became_small_go_to_their_owners(tmp_path: Path) -> None:
    path, fresh = tmp_path / "a.par", tmp_path / "fresh.par"
    long = [Message(n=n, text="x" * 50) for n in range(2000)]
    save(path, Archive(conversations={f"c{i}": Conversation(messages=long, title="t") for i in range(20)}))
    with Session(path) as session:
        for each in session.root(Archive).conversations.values():
            del each.messages[2:]
        session.commit()
    plain = load(path, Archive)
    compact(path)
    save(fresh, plain)
    assert same(load(path, Archive), plain)
    assert path.stat().st_size <= fresh.stat().st_size * 1.1


def test_a_table_that_two_owners_share_is_written_once(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    long = [Message(n=n, text="x" * 50) for n in range(2000)]
    save(path, Archive(conversations={"a": Conversation(messages=long), "b": Conversation()}, blob=b"x"))
    with Session(path) as session:
        found = session.root(Archive).conversations
        found["b"].messages = found["a"].messages
        session.commit()
    plain = load(path, Archive)
    compact(path)
    assert same(load(path, Archive), plain)
    assert path.stat().st_size < 1.5 * len(parcode_orm.dumps(Archive(recent=long)))


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
@pytest.mark.parametrize("told", [True, False])
def test_what_was_compressed_is(tmp_path: Path, compression: str, told: bool) -> None:
    path = tmp_path / "a.par"
    rows = [Message(n=n, text=f"one of many like it {n % 10}") for n in range(5000)]
    save(path, Archive(recent=rows), compression=compression)
    with Session(path, compression=compression) as session:
        session.root(Archive).recent.append(Message(n=1, text="x"))
        session.commit()
        if told:
            session.compact()
    plain = load(path, Archive)
    compact(path)
    fresh = tmp_path / "fresh.par"
    save(fresh, plain, compression=compression)
    assert chunks(path) == chunks(fresh)


def test_several_commits_are_copied(tmp_path: Path) -> None:
    """Of a chunk that they share, each uses another part."""
    path = tmp_path / "a.par"
    plain = chatted(path, 20)
    with Session(path) as session:
        session.root(Archive).recent.append(Message(n=99))
        session.commit(message="last")
    source = Source.open(path)
    before, last = list(source.records())[1], source.record
    wanted = {*below(source, before.catalog), *below(source, last.catalog)}
    compact(path, keep=2)
    source = Source.open(path)
    records = list(source.records())
    assert [each.sequence for each in records] == [last.sequence, before.sequence]
    assert len({ref for each in records for ref in below(source, each.catalog)}) == len(wanted)
    with Session(path, at=before.sequence) as session:
        assert same(session.root(Archive).model_load(), plain)


def test_a_file_of_one_commit_is_written_anew_whatever_is_kept(tmp_path: Path) -> None:
    path, fresh = tmp_path / "a.par", tmp_path / "fresh.par"
    plain = chatted(path, 30)
    save(fresh, plain)
    compact(path)
    compact(path, keep=3)
    assert chunks(path) == chunks(fresh)


def test_roots_of_classes_that_are_not_defined_are_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    plain = chatted(path, 30)
    with Session(path) as session:
        session.add(Other(rows=[Message(n=n) for n in range(10)]))
        session.commit()
        for n in range(30):
            session.root(Other).rows.insert(0, Message(n=n))
            session.commit()
    other = load(path, Other)
    source = Source.open(path)
    kept = len(set(below(source, source.catalog.root("Other"))))
    code = (
        "import sys\nfrom parcode_orm import Chunk, Model, compact\n"
        "class Archive(Model):\n    other_fields: int = 0\n"
        "compact(sys.argv[1])\n"
    )
    copied = tmp_path / "copied.par"
    copied.write_bytes(path.read_bytes())
    subprocess.run([sys.executable, "-c", code, str(copied)], check=True, cwd=Path(__file__).parents[2])
    source = Source.open(copied)
    assert len(set(below(source, source.catalog.root("Other")))) == kept  # as they stood
    compact(path)
    assert path.stat().st_size < copied.stat().st_size < source.record.file_length + 1
    for each in (path, copied):
        assert same(load(each, Archive), plain) and same(load(each, Other), other)
        report = verify(each)
        assert report.ok and not report.dead


class Size:
    """What is stored by hooks that a program may define wrongly."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and other.n == self.n

    def __hash__(self) -> int:
        return self.n


refuses: list[bool] = []


def _stored(value: Size) -> int:
    if refuses:
        refuses.append(True)
        raise ValueError("not now")
    return value.n


parcode_orm.register_type(Size, encode=_stored, decode=Size)


class Sized(Model):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    sizes: list[Size] = Chunk(default_factory=list)
    n: int = 0


def test_what_cannot_be_written_is_copied(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save(path, Sized(sizes=[Size(n) for n in range(10)]))
    with Session(path) as session:
        session.root(Sized).n = 5
        session.commit()
        refuses.append(True)
        try:
            session.compact()
            asked = len(refuses)
            compact(path)
            assert len(refuses) > asked > 1
        finally:
            refuses.clear()
        assert session.root(Sized).sizes.load() == [Size(n) for n in range(10)]
    assert load(path, Sized).n == 5 and verify(path).commits == 1


class Mood(enum.Enum):
    GOOD = "good"
    BAD = "bad"


class Day(Model):
    moods: list[Mood] = Chunk(default_factory=list)
    n: int = 0


def test_values_that_cannot_be_read_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, fresh = tmp_path / "a.par", tmp_path / "fresh.par"
    plain = Day(moods=[Mood.GOOD, Mood.BAD] * 10)
    save(path, plain)
    save(fresh, plain)
    with monkeypatch.context() as patch:
        patch.delitem(Mood._value2member_map_, "bad")
        patch.delitem(Mood._member_map_, "BAD")
        compact(path)
    assert chunks(path) == chunks(fresh)
    assert same(load(path, Day), plain)


def test_damage_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    chatted(path, 10)
    source = Source.open(path)
    whole = path.read_bytes()
    for ref in sorted(below(source, source.record.catalog))[::5]:
        data = bytearray(whole)
        data[ref.offset + ref.length - 1] ^= 1
        path.write_bytes(data)
        with pytest.raises(ChecksumError):
            compact(path)
        assert path.read_bytes() == data and [each.name for each in tmp_path.iterdir()] == ["a.par"]


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "large.par"

    def rows() -> Any:
        for n in range(150_000):
            yield Message(n=n, text=f"{n:0300}")

    save(path, Archive(recent=rows()))
    with Session(path, durability="fast") as session:
        for n in range(0, 150_000, 1500):
            session.root(Archive).recent[n].n = -1
        session.commit()
    assert path.stat().st_size > 44 << 20
    # Pages that were written together are mapped together, and count as memory. The child is to meet single pages.
    whole = path.read_bytes()
    with open(path, "wb", buffering=0) as file:
        for at in range(0, len(whole), 4096):
            file.write(whole[at : at + 4096])
    small = tmp_path / "small.par"
    save(small, Archive(recent=[Message(n=1, text="")]))
    code = (
        "import sys\nfrom parcode_orm import compact\nfrom tests.session.test_written_anew import Archive\n"
        "from tests.storage.test_compaction import peak\n"
        "compact(sys.argv[1])\n"  # imports what it needs
        "before = peak()\ncompact(sys.argv[2])\nprint(peak() - before)\n"
    )
    command = [sys.executable, "-c", code, str(small), str(path)]
    grown = int(subprocess.check_output(command, cwd=Path(__file__).parents[2]))
    assert grown << 10 < 30 << 20, f"{grown} KiB"
    assert load(path, Archive).recent[1500].n == -1
