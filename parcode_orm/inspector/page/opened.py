"""`Opened`: the sessions in which the page reads a file: of the commit that it shows, and of earlier ones."""

from __future__ import annotations

import os
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing, suppress
from itertools import islice
from pathlib import Path

from ...errors import CorruptionError, NoResultFound, ParcodeError
from ...format.commit import Record
from ...session import Session, Snapshot

BACK = 10  # commits among which a readable one is looked for
EARLIER = 4  # sessions of earlier commits that stay open


class Opened:
    """The file, as it was when the page was loaded; it may go on since."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self.unread: CorruptionError | None = None  # why the newest commit is not the one that is shown
        self._status: object = None
        self._current: Session | None = None
        self._earlier: OrderedDict[int, Session] = OrderedDict()
        self._records: Iterator[Record] | None = None  # those before the ones whose lengths are known
        self._lengths = array("Q")  # of the file up to each commit, the newest first

    @property
    def current(self) -> Session:
        """The session of the commit that the page shows: the newest, or one before it if that is damaged.

        Raises:
            ParcodeError: the file cannot be read.
        """
        if self._current is None:
            self._status = _status_of(self.path)
            self._current, self.unread = _newest(self.path)
        return self._current

    def at(self, sequence: int | None) -> Session:
        """A session of a commit. It reads what the file was when the page was loaded, whatever stands there by now.

        Raises:
            NoResultFound: there is no such commit.
            ParcodeError: the file cannot be read.
        """
        current = self.current
        here = current.snapshot
        if sequence is None or (here is not None and here.sequence == sequence):
            return current
        known = self._earlier.get(sequence)
        if known is None:
            known = self._earlier[sequence] = Session.open(self._content(current, sequence))
            while len(self._earlier) > EARLIER:
                self._earlier.popitem(last=False)[1].close()
        self._earlier.move_to_end(sequence)
        return known

    def _content(self, current: Session, sequence: int) -> memoryview:
        """The bytes of the file up to a commit."""
        source = current._work.source
        if self._records is None:
            self._records = iter(()) if source is None else source.records()
        place = 0 if source is None else source.record.sequence - sequence
        while place >= len(self._lengths):
            record = next(self._records, None)
            if record is None:
                break
            self._lengths.append(record.file_length)
        if source is None or not 0 <= place < len(self._lengths):
            raise NoResultFound(f"there is no commit {sequence} up to the one that is shown")
        return source.content(self._lengths[place])

    def newer(self) -> int | None:
        """The number of the newest commit, if that is not the one that the page shows; 0 if the file is another one."""
        here = self.current.snapshot
        if _status_of(self.path) == self._status:
            return None
        try:
            with closing(Session.open(self.path)) as session:
                newest = session.snapshot
                if newest == here:
                    return None
                return newest.sequence if newest is not None and _leads_to(session, here) else 0
        except (ParcodeError, OSError):
            return 0

    def go_on(self) -> None:
        """Show the newest commit of the file from now on."""
        self.close()

    def close(self) -> None:
        """Close all sessions."""
        for session in self._earlier.values():
            session.close()
        self._earlier.clear()
        if self._current is not None:
            self._current.close()
            self._current = None
        self._records, self._lengths = None, array("Q")


def _status_of(path: str | Path) -> object:
    """What changes when the file does."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _newest(path: str | Path) -> tuple[Session, CorruptionError | None]:
    """A session of the newest commit that can be read, and why that is not the newest of all."""
    session = Session.open(path)
    try:
        session.snapshot  # noqa: B018
        return session, None
    except CorruptionError as problem:
        source = session._work.source
        assert source is not None
        for record in islice(source.records(), 1, BACK):
            earlier = Session.open(source.content(record.file_length))
            with suppress(CorruptionError):
                earlier.snapshot  # noqa: B018
                return earlier, problem
        raise


def _leads_to(session: Session, snapshot: Snapshot | None) -> bool:
    """Whether a commit is among those of a session."""
    if snapshot is None:
        return True
    return next((each for each in session.history() if each.sequence <= snapshot.sequence), None) == snapshot
