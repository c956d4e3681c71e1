"""Compaction: the newest commits as a new file, chunk by chunk as they stood."""

from __future__ import annotations

import errno
import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parcode_orm.errors import ChecksumError, ConflictError, LockedError, ReadOnlyError, StorageError
from parcode_orm.format import superblock
from parcode_orm.format.catalog import CatalogData
from parcode_orm.format.layout import RecordFlag
from parcode_orm.storage.append import Appender
from parcode_orm.storage.compaction import compact_file
from parcode_orm.storage.files import Files
from parcode_orm.storage.lock import WriterLock
from parcode_orm.storage.mapped import Source
from parcode_orm.storage.pipeline import Pipeline
from parcode_orm.storage.writer import save_path

from .sample import UUID, below, build, content, leaf, live

pytestmark = pytest.mark.once

FAST = pytest.mark.parametrize("durability", ["full", "fast"])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "a.par"
    save_path(path, build, uuid=UUID, clock=lambda: 1, workers=0)
    return path


def commit(path: Path, change: dict[str, bytes | None], **options: Any) -> None:
    """Set roots, or with None delete them; each root is two chunks."""
    source = Source.open(path)
    with Appender(path, source, workers=0, **options) as appender:
        pipeline = appender.pipeline
        roots = dict(source.catalog.roots)
        for name, data in change.items():
            roots.pop(name, None)
            if data is not None:
                out = leaf(pipeline, data[:10])
                out.ref(pipeline.submit(leaf(pipeline, data, "lz4")))
                roots[name] = pipeline.submit(out)
        appender.commit(replace(source.catalog, roots=roots, message=f"commit {source.record.sequence + 1}"))


def contents(path: Path, keep: int) -> list[Any]:
    """What the newest commits hold, and what is told of them; the newest first."""
    found = []
    for record in itertools.islice(Source.open(path).records(), keep):
        found.append((record.sequence, record.time, content(Source.open(path, at=record.sequence))))
    return found


def check(path: Path, keep: int) -> None:
    """Compact a file: content stays, nothing dead does, and it takes further commits."""
    old = Source.open(path)
    expected = contents(path, keep)
    wanted = {r for record, _, _ in expected for r in below(old, Source.open(path, at=record).record.catalog)}
    compact_file(path, keep)
    assert contents(path, keep + 5) == expected
    source = Source.open(path)
    assert source.uuid != old.uuid and source.recovery is None
    records = list(source.records())
    for record in records:
        assert record.live == live(Source.open(path, at=record.sequence)) == record.file_length - record.dead
    assert records[-1].flags == RecordFlag.WHOLE_FILE and not records[-1].dead and not records[-1].previous
    assert all(record.flags == RecordFlag.DOUBLED | RecordFlag.COPIED for record in records[:-1])
    assert len({r for record in records for r in below(source, record.catalog)}) == len(wanted)  # shared chunks once
    if keep == 1:  # no gaps but those behind chunks, and one record
        assert path.stat().st_size == 64 + sum(-(-ref.length // 64) * 64 for ref in wanted) + 160
    commit(path, {"later": b"later"})
    assert contents(path, 1)[0][0] == expected[0][0] + 1


@FAST
@pytest.mark.parametrize("keep", [1, 2, 3, 100])
def test_commits_are_copied(path: Path, keep: int, durability: str) -> None:
    for number in range(6):
        commit(path, {f"r{number % 2}": f"content {number}".encode() * 40, "gone": None}, durability=durability)
    check(path, keep)


changes = st.dictionaries(
    st.sampled_from("abcd"), st.none() | st.binary(max_size=200) | st.just(b"long and compressed " * 50), max_size=4
)


@settings(max_examples=25, deadline=None)
@given(
    steps=st.lists(st.tuples(changes, st.sampled_from(["full", "fast"])), max_size=7),
    keep=st.integers(1, 9),
    again=st.integers(1, 9),
)
def test_random_histories(
    steps: list[tuple[dict[str, bytes | None], str]], keep: int, again: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("random") / "a.par"
    save_path(path, build, workers=0)
    for change, durability in steps:
        commit(path, change, durability=durability)
        record = Source.open(path).record
        assert record.live == live(Source.open(path)) and record.live + record.dead == record.file_length
    check(path, keep)
    check(path, again)


@pytest.mark.parametrize("keep", [0, -1, 1.0, True, None, "1"])
def test_what_is_no_number_of_commits(path: Path, keep: Any) -> None:
    before = path.read_bytes()
    with pytest.raises(ValueError, match="1 or more"):
        compact_file(path, keep)
    assert path.read_bytes() == before


def test_readers_keep_the_old_file_and_writers_are_told(path: Path) -> None:
    commit(path, {"a": b"1" * 1000})
    reader, writer = Source.open(path), Source.open(path)
    before = content(reader)
    compact_file(path)
    assert content(reader) == before
    with pytest.raises(ConflictError, match="was replaced"):
        Appender(path, writer)
    with pytest.raises(ConflictError, match="was replaced"):
        compact_file(path, base=writer)
    base = Source.open(path)
    commit(path, {"a": b"2"})
    with pytest.raises(ConflictError, match="newest commit is 3"):
        compact_file(path, base=base)


def test_another_process_reads_on(path: Path) -> None:
    commit(path, {"a": b"1" * 1000})
    code = (
        "import sys\nfrom parcode_orm.storage.mapped import Source\n"
        "from tests.storage.sample import content\n"
        "source = Source.open(sys.argv[1])\nprint(source.record.sequence, flush=True)\nsys.stdin.readline()\n"
        "print(hash(repr(content(source))), source.record.offset)\n"
    )
    env = {**os.environ, "PYTHONHASHSEED": "0"}
    command = [sys.executable, "-c", code, str(path)]
    root = Path(__file__).parents[2]
    options: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "env": env, "cwd": root}
    with subprocess.Popen(command, **options) as disturbed, subprocess.Popen(command, **options) as calm:
        assert disturbed.stdout is not None and disturbed.stdout.readline() == "2\n"
        expected = calm.communicate("\n")[0].split("\n")[1]
        commit(path, {"a": b"2" * 1000})
        compact_file(path)
        assert disturbed.communicate("\n")[0].strip() == expected


def test_a_writer_holds_the_file(path: Path) -> None:
    with Appender(path, Source.open(path)), pytest.raises(LockedError):
        compact_file(path)
    compact_file(path)


def test_a_tail_is_left_behind(path: Path) -> None:
    commit(path, {"a": b"1"})
    with open(path, "ab") as file:
        file.write(b"a tail" * 1000)
    check(path, 2)


def test_damage_is_not_copied(path: Path) -> None:
    """A buffer that rotted was copied with its checksum, and the good bytes of a backup could not be told any more."""
    commit(path, {"a": b"1" * 100, "b": None})
    source = Source.open(path)
    whole = path.read_bytes()
    for ref in sorted(below(source, source.record.catalog)):
        data = bytearray(whole)
        data[ref.offset + ref.length - 1] ^= 1
        path.write_bytes(data)
        with pytest.raises(ChecksumError) as caught:
            compact_file(path)
        assert ref.offset <= (caught.value.offset or 0) < ref.offset + ref.length
        assert path.read_bytes() == data and os.listdir(path.parent) == ["a.par"]


def test_a_file_of_a_newer_version(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(superblock.pack(UUID, read_compatible=4) + data[64:])
    with pytest.raises(ReadOnlyError):
        compact_file(path)
    path.write_bytes(superblock.pack(UUID, compatible=4) + data[64:])
    compact_file(path)
    assert Source.open(path).superblock.compatible == 4


def test_each_call_that_fails_leaves_the_old_file(path: Path) -> None:
    commit(path, {"a": b"1" * 5000})
    before = path.read_bytes()
    failed = []
    for name in ("open", "read", "write", "sync", "chmod", "rename"):
        files = Files()

        def fail(*_: Any) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        setattr(files, name, fail)
        with pytest.raises(StorageError, match="No space left") as caught:
            compact_file(path, files=files)
        failed.append(type(caught.value).__name__)
        assert path.read_bytes() == before and os.listdir(path.parent) == ["a.par"]
    assert failed.count("SyncError") == 1
    WriterLock.take(str(path)).release()  # nobody holds it any more
    path.chmod(0o640)
    compact_file(path)
    assert path.stat().st_mode & 0o777 == 0o640


def test_a_link_is_followed(path: Path) -> None:
    commit(path, {"a": b"1"})
    link = path.with_name("link")
    link.symlink_to(path)
    size = path.stat().st_size
    compact_file(link)
    assert link.is_symlink() and path.stat().st_size < size


def peak() -> int:
    """The most memory, in KiB, that this process has had; what `resource` tells counts its parent's, too."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    """Maps count as resident memory: pages are dropped behind the copy."""
    path = tmp_path / "large.par"
    size = 160 << 20

    def large(pipeline: Pipeline) -> CatalogData:
        out = pipeline.encoder(leaf(pipeline, b"").kind)
        for number in range(16):
            out.ref(pipeline.blob(os.urandom(1 << 20) * 10 if number else bytes(size // 16)))
        out.leaf(1, 0)
        return CatalogData(roots={"a": pipeline.submit(out)})

    save_path(path, large, workers=0)
    code = (
        "import sys\nfrom parcode_orm.storage.compaction import compact_file\n"
        "from tests.storage.test_compaction import peak\n"
        "before = peak()\ncompact_file(sys.argv[1])\nprint(peak() - before)\n"
    )
    grown = int(subprocess.check_output([sys.executable, "-c", code, str(path)], cwd=Path(__file__).parents[2]))
    assert grown << 10 < 48 << 20, f"{grown} KiB"


def test_compacting_once_more_changes_nothing_but_the_identity(path: Path) -> None:
    for number in range(3):
        commit(path, {"a": bytes([number]) * 1000})
    compact_file(path, 2)
    first = path.read_bytes()
    compact_file(path, 2)
    assert len(path.read_bytes()) == len(first)
    end = list(Source.open(path).records())[-1].offset
    assert path.read_bytes()[64:end] == first[64:end]


def test_what_is_kept_by_way_of_another_chunk_counts_as_released(path: Path) -> None:
    """Exact numbers would cost a walk over the whole file. A compaction has them."""
    source = Source.open(path)
    with Appender(path, source) as appender:
        record = appender.commit(CatalogData(roots=source.catalog.roots))  # a column of theirs stood alone as well
    exact = live(Source.open(path))
    assert record.live < exact and record.live + record.dead == record.file_length
    compact_file(path)
    record = Source.open(path).record
    assert record.live == record.file_length == live(Source.open(path)) and not record.dead


def test_a_damaged_chunk_can_be_replaced(path: Path) -> None:
    """Counting what a commit releases must not keep it from being made."""
    source = Source.open(path)
    data = bytearray(path.read_bytes())
    data[source.catalog.root("World").offset + 40] ^= 1
    path.write_bytes(data)
    commit(path, {"World": b"new"})
    assert Source.open(path).record.dead > 0
