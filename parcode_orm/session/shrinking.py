"""A session compacts its file: when it is asked to, and by itself when a commit leaves too many dead bytes."""

from __future__ import annotations

from functools import partial

from ..errors import ConflictError
from ..format.commit import Record
from ..storage.backend import NOT_READ, Backend
from .compacting import rewriting
from .refresh import go_on, move_on
from .storing import storing
from .unit_of_work import UnitOfWork


def compact(work: UnitOfWork, backend: Backend, keep: int) -> None:
    """Replace the file by its newest commits, and go on in the new one. After a conflict the session is `stale`."""
    if work.source is None:
        return
    try:
        _compact(work, backend, keep)
    except ConflictError:
        work.stale = True
        raise


def _compact(work: UnitOfWork, backend: Backend, keep: int) -> None:
    base = work.source
    assert base is not None

    def store() -> None:
        move_on(work, backend.compact(base, keep, rewriting(backend.compression, work.tuning)))

    storing(work, backend, store, partial(go_on, work))


class Shrinking:
    """Compacts the file of a session after a commit, where more than `share` of it is dead.

    It waits until the file has doubled since the last compaction. So a compaction writes no more bytes than the commits
    before it have written. Once the file has tripled, half of the share is enough: a chunk that is used in part counts
    as used, so more is dead than the record says.
    """

    def __init__(self, share: float) -> None:
        self._share = share
        self._size = 0  # of the file, when it was compacted, or could not be

    def committed(self, work: UnitOfWork, backend: Backend) -> None:
        """Compact the file if it is time.

        The commit is stored, so an error that leaves the old file in place is not raised: a later commit, or the close,
        tries again. If a wait for the disk failed, or the new file cannot be read, the next commit raises the error.
        """
        before = work.source
        if before is None or not self._is_due(before.record, work.tuning.compact_from):
            return
        self._size = before.record.file_length
        try:
            _compact(work, backend, 1)
        except NOT_READ:
            if work.source is not before:  # the session has begun to go on in the new file
                raise
        if work.source is not None:
            self._size = work.source.record.file_length

    def _is_due(self, record: Record, least: int) -> bool:
        size = record.file_length
        if size < max(least, 2 * self._size):
            return False
        tripled = 0 < 3 * self._size <= size
        return record.dead > (self._share / 2 if tripled else self._share) * size
