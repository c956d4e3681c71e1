"""Earlier commits of a file: the list of them, and which one a number, a time or a snapshot means."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime

from ...errors import NoResultFound, told
from ...format.catalog import CatalogData
from ...format.commit import Record
from ...storage.mapped import Source
from .snapshot import Snapshot, snapshot_of, time_of

At = int | datetime | Snapshot


def snapshots(source: Source) -> Iterator[Snapshot]:
    """The commit that `source` reads, and all before it, the newest first.

    Raises:
        CorruptionError: the record or the catalog of one is damaged.
    """
    for record in source.records():
        yield snapshot_of(source.at(record))


def check_at(at: At) -> None:
    """Refuse what can mean no commit.

    Raises:
        TypeError: it is neither a sequence number, nor a snapshot, nor a datetime.
        ValueError: a datetime without a time zone.
    """
    if isinstance(at, bool) or not isinstance(at, int | datetime | Snapshot):
        raise TypeError(f"a commit is named by its sequence number, its snapshot or a datetime, not by {told(at)}")
    if isinstance(at, datetime) and at.utcoffset() is None:
        raise ValueError(
            f"{at!r} has no time zone, so it names no moment: give one, datetime(..., tzinfo=UTC), or take the local "
            "one, datetime(...).astimezone()"
        )


def find(source: Source, at: At) -> Record:
    """The record of a commit among that of `source` and those before it.

    Args:
        source: the newest snapshot to look at.
        at: a sequence number; a snapshot, which must be of this file; or a moment: the newest commit not later.

    Raises:
        NoResultFound: there is no such commit; the message says which there are.
        CorruptionError: a record on the way there is damaged.
        TypeError, ValueError: as `check_at`.
    """
    check_at(at)
    record = source.record
    for record in source.records():
        if _is(record, at):
            return record
    newest = source.record
    there = (
        f"commit {newest.sequence}, of {time_of(newest)}"
        if record is newest
        else f"the commits {record.sequence} to {newest.sequence}, of {time_of(record)} to {time_of(newest)}"
    )
    raise NoResultFound(f"{source.path or 'the file'} holds no commit {_named(at)}: what is read here has {there}")


def _is(record: Record, at: At) -> bool:
    if isinstance(at, datetime):
        return time_of(record) <= at
    if isinstance(at, Snapshot):
        return (record.sequence, record.file_length, time_of(record)) == (at.sequence, at.size, at.time)
    return record.sequence == at


def _named(at: At) -> str:
    if isinstance(at, datetime):
        return f"of {at} or before"
    return f"{at.sequence} of {at.time}, {at.size} bytes" if isinstance(at, Snapshot) else str(at)


def earlier(source: Source, at: At) -> Source:
    """The snapshot of an earlier commit; `source`, which is closed, gives it its bytes. Raises as `find`."""
    try:
        return source.at(find(source, at))
    finally:
        source.close()


def content_of(source: Source, record: Record, message: str) -> CatalogData | None:
    """The catalog of a commit with the content of `record`; None where `source` has that content already."""
    found = source.at(record).catalog
    if replace(found, message="") == replace(source.catalog, message=""):
        return None
    return replace(found, message=message)
