"""A backup that a crash or a failing disk ends: the copy is at a commit of the file, and the next one finishes it."""

from __future__ import annotations

import errno
import os
import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Session, verify
from parcode_orm.errors import CorruptionError, StorageError, SyncError
from parcode_orm.format.layout import RECORD, RECORD_COPY
from parcode_orm.storage.backup import backup_file
from parcode_orm.storage.files import Files

from .disk import Deaf, Op, Recorder, images, killed, leads_to, left_of
from .history import World, change
from .test_failing_disk import Failing

pytestmark = pytest.mark.once

COMMITS = 5


class Story:
    """A file of some commits, its copy with the first ones, and the log of a backup."""

    def __init__(self, directory: Path, copied: int, deaf: Deaf | None = None) -> None:
        self.path, self.to = directory / "a.par", directory / "copy.par"
        self.expected: dict[int, World] = {}
        plain = World()
        for number in range(1, COMMITS + 1):
            if number == copied + 1 and copied:
                backup_file(str(self.path), str(self.to))
            change(plain, number)
            with Session(self.path, workers=0) as session:
                if number == 1:
                    session.add(plain.model_copy(deep=True))
                else:
                    change(session.root(World), number)
                session.commit()
            self.expected[number] = plain.model_copy(deep=True)
        self.copied = copied
        self.base = self.to.read_bytes() if copied else None
        self.disk = Recorder(str(self.to) if copied else None)
        if deaf is not None:
            self.disk.deaf = deaf
        backup_file(str(self.path), str(self.to), files=self.disk)
        self.whole = self.path.read_bytes()
        assert self.to.read_bytes() == self.whole
        self.left = directory / "left.par"

    def look(self, content: bytes | None, done: bool) -> int:
        """The commit that a copy with this content is at; then a backup finishes it."""
        self.left.unlink(missing_ok=True)
        found = 0
        if content is not None:
            self.left.write_bytes(content)
            assert {each.where for each in verify(self.left).problems} <= {"commit record"}  # a torn copy of one
            with Session.open(self.left) as session:
                assert session.snapshot is not None
                found = session.snapshot.sequence
                assert [each.sequence for each in session.history()] == list(range(found, 0, -1))
                assert session.root(World).model_load() == self.expected[found], f"commit {found} is a mixture"
        assert self.copied <= found <= COMMITS and (found == COMMITS or not done), f"{found} is not one of them"
        backup_file(str(self.path), str(self.left))
        assert self._without_gaps(self.left.read_bytes()) == self._without_gaps(self.whole)
        return found

    def _without_gaps(self, data: bytes) -> bytes:
        """The bytes but for those between the copies of a record, which nothing reads: a torn write may leave any."""
        found = bytearray(data)
        with Session.open(self.path) as session:
            for each in session.history():
                found[each.size - RECORD_COPY : each.size - RECORD.size] = bytes(RECORD_COPY - RECORD.size)
        return bytes(found)


def survey(story: Story, rounds: int) -> Counter[Any]:
    """What is left at every point of the backup: of the process alone, and of the machine."""
    rng = random.Random(1)
    counts: Counter[Any] = Counter()
    log = story.disk.log
    contents: set[bytes | None] = set()
    start = 0 if story.copied else None
    for point in range(len(log) + 1):
        part, done = log[:point], point == len(log)
        for file in leads_to(part, str(story.to), start):
            base = (story.base or b"") if file == 0 and story.copied else b""
            found = [("no name", None)] if file is None else images(left_of(part, file, base), rng, rounds)
            for sort, content in found:
                counts[sort] += 1
                if content not in contents or done:
                    contents.add(content)
                    counts[story.look(content, done)] += 1
        for content in killed(part, str(story.to), story.base):
            counts["killed"] += 1
            if content not in contents:
                contents.add(content)
                counts[story.look(content, False)] += 1
    return counts


@pytest.mark.parametrize("copied", [0, 1, 2, 4])
def test_every_point_of_a_backup(copied: int, tmp_path: Path, length: float) -> None:
    story = Story(tmp_path, copied)
    counts = survey(story, round(10 * length))
    print(dict(counts))
    assert counts["killed"] and counts[copied] and counts[COMMITS]
    if copied == 2:
        assert counts[3] and counts[4]  # commits that are there before the newest


def test_what_an_earlier_backup_did_not_wait_for(tmp_path: Path) -> None:
    """A backup was killed before its last wait; the next one had nothing to copy, and power failed after it."""
    story = Story(tmp_path, 2)
    log = list(story.disk.log)
    last = max(i for i, op in enumerate(log) if op.kind == "sync")
    killed_then = Recorder(str(story.to))
    backup_file(str(story.path), str(story.to), files=killed_then)
    story.disk.log[:] = [*log[:last], *killed_then.log]
    assert story.base is not None
    for _, content in images(left_of(story.disk.log, 0, story.base), random.Random(1), 2):
        assert story.look(content, True) == COMMITS


def _of(kind: str) -> Any:
    def is_last(log: list[Op]) -> bool:
        ops = [op for op in log if op.kind in ("write", "truncate")]
        record = bool(ops) and ops[-1].kind == "write" and ops[-1].data.startswith(b"PARCMIT\n")
        return record if kind == "record" else not record

    return lambda log, file: is_last(log)


@pytest.mark.parametrize("what", ["chunks", "record"])
def test_a_barrier_that_is_left_out_is_noticed(what: str, tmp_path: Path) -> None:
    with pytest.raises((AssertionError, CorruptionError), match=r"mixture|not one of|commit record"):
        survey(Story(tmp_path, 2, _of(what)), 0)


@pytest.mark.parametrize("copied", [0, 2])
def test_every_call_fails(copied: int, tmp_path: Path) -> None:
    story = Story(tmp_path, copied)
    path, to = str(story.path), str(story.to)

    def prepare() -> None:
        story.to.unlink(missing_ok=True)
        if story.base is not None:
            story.to.write_bytes(story.base)

    prepare()
    counting = Failing()
    backup_file(path, to, files=counting)
    counts: Counter[str] = Counter()
    for at in range(len(counting.calls)):
        for code, stuck in ((errno.EIO, False), (errno.ENOSPC, True)):
            prepare()
            disk = Failing(at, code, stuck)
            problem = None
            try:
                backup_file(path, to, files=disk)
            except StorageError as raised:
                problem = raised
                assert raised.errno == code, disk.failed
            if disk.failed in ("sync", "sync_directory"):
                assert isinstance(problem, SyncError)
            counts["stored" if problem is None else "failed"] += 1
            left = [each for each in tmp_path.iterdir() if each.suffix == ".tmp"]
            assert not left or disk.failed == "remove"
            for each in left:
                each.unlink()
            content = story.to.read_bytes() if story.to.exists() else None
            sort = disk.failed, at, code, stuck
            assert story.look(content, problem is None) in {copied, 4, COMMITS}, sort
    print(dict(counts))
    assert counts["failed"] > 8 and {"write", "sync"} <= set(counting.calls)


def test_an_interrupt_leaves_the_copy_as_it_was(tmp_path: Path) -> None:
    story = Story(tmp_path, 2)
    for call in ("write", "sync"):
        for at in range(4):
            assert story.base is not None
            story.to.write_bytes(story.base)

            class Interrupted(Files):
                left = at

                def write(self, fd: int, data: Any, offset: int) -> None:
                    self.count("write")
                    super().write(fd, data, offset)

                def sync(self, fd: int) -> None:
                    self.count("sync")
                    super().sync(fd)

                def count(self, name: str) -> None:
                    if name == call:  # noqa: B023
                        self.left -= 1
                        if self.left == -1:
                            raise KeyboardInterrupt

            try:
                backup_file(str(story.path), str(story.to), files=Interrupted())
            except KeyboardInterrupt:
                assert story.to.read_bytes() == story.base
    assert os.path.exists(story.to)
