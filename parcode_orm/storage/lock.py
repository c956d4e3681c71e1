"""The writer lock: `flock` on the database file itself. There is no second file, and no rename is missed.

Why no other lock: POSIX record locks (`fcntl`, `lockf`) are lost when *any* descriptor of the file
is closed in the process, and readers open and close it all the time. A lock file beside the database
stays behind, and is locked by path, so that two names of one file would be two locks.

`flock` belongs to the open file. Two sessions of one process exclude each other as those of two
processes do, and the kernel ends the lock with the process. A forked child shares the lock. So the
child closes its copy at once (the parent's lock stays), and the parent unlocks explicitly (else the
child's copy would hold the lock).

A file that is replaced by rename keeps its lock. So a writer that gets the lock checks whether the
path still leads to the locked file.
"""

from __future__ import annotations

import errno
import fcntl
import os
import time
from contextlib import suppress
from stat import S_ISREG
from weakref import WeakSet

from ..errors import ConflictError, LockedError, SessionError, StorageError
from .files import FILES, Files, check_regular, storage_error

RETRIES = 100
PAUSE = 0.005  # seconds


class WriterLock:
    """The lock of the file at `path`, the descriptor `fd` that it belongs to, and the file's `size` when it was taken.

    The lock is held from `acquire` to `release`, or until nothing refers to this object. So no lock
    outlives its owner, wherever an interrupt comes.
    """

    fd = -1

    def __init__(self, path: str, *, files: Files = FILES) -> None:
        self.path = path
        self.identity = (0, 0)
        self.size = 0
        self._files = files
        self._process = os.getpid()
        _held.add(self)

    @classmethod
    def take(cls, path: str, *, write: bool = True, timeout: float = 0.0, files: Files = FILES) -> WriterLock:
        """Make a lock and acquire it; raises as `acquire`."""
        lock = cls(path, files=files)
        lock.acquire(write=write, timeout=timeout)
        return lock

    def acquire(self, *, write: bool = True, timeout: float = 0.0) -> None:
        """Lock the file that the path leads to, waiting up to `timeout` seconds.

        Raises:
            LockedError: another session holds the lock; the message names its process if the system knows it.
            StorageError: the file cannot be opened, or its file system has no locks.
        """
        path, files = self.path, self._files
        flags = (os.O_RDWR if write else os.O_RDONLY) | getattr(os, "O_NONBLOCK", 0)
        deadline = time.monotonic() + timeout
        try:
            for _ in range(RETRIES):
                self.fd = files.open(path, flags)
                status = files.stat(self.fd)
                if not S_ISREG(status.st_mode):
                    check_regular(status, path)
                _lock(self.fd, path, status, deadline)
                now = files.look(path)
                self.identity, self.size = (status.st_dev, status.st_ino), now.st_size
                if (now.st_dev, now.st_ino) == self.identity:
                    return
                self.release()  # the file was replaced while we waited
        except BaseException as problem:
            self.release()
            if isinstance(problem, OSError) and not isinstance(problem, StorageError):
                raise storage_error(problem, "open", path) from problem
            raise
        raise ConflictError(f"{path} is being replaced over and over; nothing was written")

    def check(self) -> None:
        """Raise `SessionError` unless this process holds the lock."""
        if self.fd < 0 or self._process != os.getpid():
            raise SessionError(
                f"{self.path} was opened for writing before this process was forked: open it again here"
                if self._process != os.getpid()
                else f"the writer lock of {self.path} was released"
            )

    def release(self) -> None:
        """Unlock and close the descriptor. A second call, or one in a forked child, does nothing."""
        if self.fd >= 0 and self._process == os.getpid():
            with suppress(OSError):
                fcntl.flock(self.fd, fcntl.LOCK_UN)
            with suppress(OSError):
                fd, self.fd = self.fd, -1
                self._files.close(fd)  # an interrupt here leaves a descriptor open that locks nothing

    def __del__(self) -> None:
        if self.fd >= 0:
            self.release()


def _lock(fd: int, path: str, status: os.stat_result, deadline: float) -> None:
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as problem:
            if problem.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise storage_error(problem, "lock", path) from problem
            if time.monotonic() >= deadline:
                pid = holder(status)
                who = "another process" if pid is None else f"process {pid}"
                who = "another session of this process" if pid == os.getpid() else who
                raise LockedError(
                    f"{path} is locked: {who} is writing to it; try again later, or let commits wait longer: "
                    "Session(path, lock_timeout=seconds)",
                    holder=pid,
                ) from None
        time.sleep(PAUSE)


def holder(status: os.stat_result) -> int | None:
    """The process that holds the lock of a file, from /proc/locks of Linux; None if unknown."""
    try:
        with open("/proc/locks") as lines:
            found = [line.split() for line in lines]
    except OSError:
        return None
    device = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}"
    inexact = None
    for fields in found:
        if len(fields) < 6 or fields[1] != "FLOCK" or not fields[4].isdigit():
            continue  # waiting processes too: their second field is "->"
        where, _, inode = fields[5].rpartition(":")
        if inode == str(status.st_ino) and int(fields[4]) > 0:
            if where == device:
                return int(fields[4])
            inexact = int(fields[4])  # some file systems show another device number
    return inexact


_held: WeakSet[WriterLock] = WeakSet()


def _forget() -> None:
    """In a forked child: close the copies of descriptors, which would keep the parent's lock alive."""
    for lock in list(_held):
        if lock.fd >= 0:
            with suppress(OSError):
                os.close(lock.fd)
            lock.fd = -1
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
