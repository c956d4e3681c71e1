"""`Snapshot`: which commit of a file a session reads."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ..storage.mapped import Source

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit: its number (1 is a file's first), its time (UTC, to the microsecond), the message given to
    `commit`, and the size of the file up to it in bytes.
    """

    sequence: int
    time: datetime
    message: str
    size: int


def snapshot_of(source: Source) -> Snapshot:
    """What `source` reads."""
    record = source.record
    try:
        time = _EPOCH + timedelta(microseconds=record.time // 1000)
    except OverflowError:  # `save(time_ns=...)` takes any number
        time = datetime.max.replace(tzinfo=UTC)
    return Snapshot(record.sequence, time, source.catalog.message, record.file_length)
