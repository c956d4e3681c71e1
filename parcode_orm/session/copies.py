"""Files made anew: compacted, or copied commit by commit."""

from __future__ import annotations

import os

from ..errors import told
from ..storage.backup import BackupReport, backup_file
from ..storage.compaction import compact_file
from ..storage.files import file_name
from ..storage.progress import Progress, untold
from .compacting import rewriting


def compact(path: str | os.PathLike[str], keep: int = 1, *, progress: Progress | None = None) -> None:
    """Replace a file by one of its `keep` newest commits, without the bytes that only earlier ones use.

    Sessions that read the old file go on reading it; a session that writes to it gets `ConflictError`. The commits keep
    their numbers, times and messages. A single commit is written anew, as large as `save` writes it, where the classes
    of its roots are defined in this program. Otherwise chunks are copied as they are. All that stays is verified.

    Args:
        path: the file's.
        keep: how many commits stay, 1 or more.
        progress: is called now and then with what is done, how many bytes are, and about how many there are: a str and
            two ints.

    Raises:
        LockedError: a session is committing to the file.
        NotAParcodeFile, UnsupportedVersion, CorruptionError: it cannot be read; it is as it was.
        StorageError: the disk is full or fails; the file is as it was.
        SyncError: waiting for the disk failed; the file is the old one or the new one.
        TypeError, ValueError: an argument is none of these.
    """
    compact_file(file_name(path, "compact(path)"), keep, rewrite=rewriting(None), progress=progress or untold)


def backup(
    path: str | os.PathLike[str],
    to: str | os.PathLike[str],
    *,
    since: int | None = None,
    progress: Progress | None = None,
) -> BackupReport:
    """Make `to` a copy of the file: copy the commits that it lacks, or all of the file if there is no copy yet.

    Others may read and write the file meanwhile: the copy gets the commit that is the newest when the backup begins.
    It holds whole commits at any time, and others may read it. After a crash, the next backup goes on. What is copied
    is verified before it counts. A file that was compacted, or saved anew, is copied whole again, and takes the place
    of the copy at once.

    Args:
        path: the file's.
        to: the copy's. Nothing else may write to it.
        since: the number of a commit that the copy must have: a backup that would copy more than the commits after it
            raises `ConflictError`. Without it, whatever is missing is copied.
        progress: is called now and then with what is done, how many bytes are, and how many there are: a str and two
            ints.

    Returns:
        A `BackupReport`: how many commits and bytes were copied, and why all of the file was.

    Raises:
        ConflictError: the copy has a commit that the file lacks, or is a later, other file; or it lacks `since`.
        LockedError: another backup, or a session, writes to the copy.
        FileMissingError, AccessDeniedError, NotAFileError: one of the two cannot be opened.
        NotAParcodeFile, UnsupportedVersion, CorruptionError: one of the two cannot be read, or a commit to be copied is
            damaged; the copy is as it was.
        StorageError: the disk is full or fails; the copy holds an earlier commit.
        SyncError: waiting for the disk failed; what it holds is not known.
        TypeError, ValueError: an argument is none of these; both paths lead to one file.
    """
    if since is not None and (type(since) is not int or since < 0):
        raise ValueError(f"backup(since=...) is the number of a commit, an int, or None, not {told(since)}")
    source, target = file_name(path, "backup(path, to)"), file_name(to, "backup(path, to)")
    return backup_file(source, target, since, progress=progress or untold)
