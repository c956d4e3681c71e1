"""`Session.watch`: waits for commits of other sessions, in this process or another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

from ..errors import FileMissingError, told
from ..storage.mapped import Source
from ..storage.notify import Notifier
from .history.snapshot import Snapshot, snapshot_of

REST = 9  # times as long as it took, nobody looks again at a file that a writer is writing to
Commit = tuple[int, datetime]  # what a compaction keeps of a commit: number and time


def check_seconds(name: str, value: object, *, at_least: float) -> None:
    """Refuse what is no number of seconds.

    Raises:
        ValueError: `value` is no number, or too small.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= at_least:
        raise ValueError(f"watch({name}=...) is a number of seconds, {at_least:g} or more, not {told(value)}")


def commit_of(snapshot: Snapshot | None) -> Commit | None:
    """What tells a commit from others."""
    return None if snapshot is None else (snapshot.sequence, snapshot.time)


def watched(path: str, here: Callable[[], Snapshot | None], timeout: float | None, poll: float) -> Iterator[Snapshot]:
    """The newest commits of the file at `path`, each when it is found; ends if none comes for `timeout` seconds.

    `here` gives the commit that the session reads, which is no news, and raises once the session is closed.
    """
    notifier = Notifier(path)  # before the first look, so that nothing is missed between the two
    look = _Look(path)
    last: Commit | None = None
    try:
        since = time.monotonic()
        while True:
            known = commit_of(here())
            found = look()
            if found is not None and commit_of(found) not in (known, last):
                last = commit_of(found)
                yield found
                since = time.monotonic()
                continue
            left = poll if timeout is None else min(poll, since + timeout - time.monotonic())
            if left <= 0:
                return
            if look.rest > 0:
                time.sleep(min(look.rest, left))
            notifier.wait(left)
    finally:
        notifier.close()


class _Look:
    """Looks at a file. A file that is as it was at the last look, at the end of a commit, is not opened."""

    def __init__(self, path: str) -> None:
        self.rest = 0.0  # seconds until the next look, so that a long commit is not searched all the time
        self._path = path
        self._seen: tuple[int, ...] = ()

    def __call__(self) -> Snapshot | None:
        """The newest commit of the file; None if there is no file, or nothing was done to it."""
        start = time.monotonic()
        self.rest = 0.0
        with suppress(FileNotFoundError, FileMissingError):
            status = os.stat(self._path)
            now = status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
            if now == self._seen or not status.st_size:  # a name may be claimed by an empty file
                return None
            source = Source.open(self._path)
            try:
                # A writer sets the length of its commit before it writes the record: only the end of a commit is final.
                clean = source.recovery is None and source.record.file_length == status.st_size
                self._seen = now if clean and source.identity == now[:2] else ()
                found = snapshot_of(source)
            finally:
                source.close()
            self.rest = 0.0 if clean else REST * (time.monotonic() - start)
            return found
        self._seen = ()
        return None
