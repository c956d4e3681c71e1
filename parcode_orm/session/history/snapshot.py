"""`Snapshot`: one commit of a file, as those see it who ask which a session reads, or which there are."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta

from ...errors import told
from ...format.commit import Record
from ...lazy.shown import text_of
from ...storage.mapped import Source

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One commit of a file.

    Attributes:
        sequence: its number, an int; 1 is a file's first commit.
        time: when it was made, a datetime in UTC, to the microsecond.
        message: what `commit` was given, a str; "" without it.
        size: of the file up to this commit, in bytes.
        live: bytes of these that the commit uses, at least.
        dead: the other bytes, which only earlier commits use, at most; compaction counts anew.
    """

    sequence: int
    time: datetime
    message: str
    size: int
    live: int
    dead: int

    def __repr__(self) -> str:
        parts = (f"{each.name}={text_of(getattr(self, each.name))}" for each in fields(self))
        return f"Snapshot({', '.join(parts)})"


def time_of(record: Record) -> datetime:
    """When a commit was made, to the microsecond."""
    try:
        return _EPOCH + timedelta(microseconds=record.time // 1000)
    except OverflowError:  # `save(time_ns=...)` takes any number
        return datetime.max.replace(tzinfo=UTC)


def snapshot_of(source: Source) -> Snapshot:
    """What `source` reads."""
    record = source.record
    return Snapshot(
        record.sequence, time_of(record), source.catalog.message, record.file_length, record.live, record.dead
    )


def check_message(message: object) -> None:
    """Raise for what cannot be the message of a commit."""
    if not isinstance(message, str):
        raise TypeError(f"the message of a commit is a str, not {told(message)}")
    try:
        message.encode()
    except UnicodeEncodeError as problem:
        raise ValueError(f"the message of a commit is text, and holds half a character: {told(message)}") from problem
