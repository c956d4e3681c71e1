"""Waiting until a file may have changed: by inotify, through the C library, where there is one; else by the clock.

The directory is watched and not the file, because a file may be replaced by rename, or not exist yet. What inotify does
not tell of (a network file system, another name of the file, another target of a link) is found by the clock, so a
waiting caller looks now and then in any case.
"""

from __future__ import annotations

import os
import select
import struct
import time
from typing import Any

from .files import Descriptor

MODIFY, MOVED_TO, CREATE, OVERFLOW, IGNORED = 0x2, 0x80, 0x100, 0x4000, 0x8000  # of <sys/inotify.h>
EVENT = struct.Struct("iIII")  # watch, mask, cookie, length of the name that follows
BUFFER = 1 << 16  # bytes of events that are read at once


class Notifier:
    """Tells when something was done to the file at `path`, from now on. `works` says whether there is inotify."""

    def __init__(self, path: str) -> None:
        directory, name = os.path.split(os.path.realpath(path))
        self._name = os.fsencode(name)
        self._events = _watching(directory)
        self._poll = select.poll() if self._events is not None else None
        if self._poll is not None and self._events is not None:
            self._poll.register(self._events, select.POLLIN)

    @property
    def works(self) -> bool:
        """Whether the system tells of changes."""
        return self._poll is not None

    def wait(self, seconds: float) -> None:
        """Return when the file may have changed, or after `seconds`."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self._poll is None or self._events is None:
                time.sleep(left)
            elif self._poll.poll(max(1, round(left * 1000))) and self._concerned(self._events):
                return

    def _concerned(self, events: Descriptor) -> bool:
        """Whether any of the events that came is one of the file, or says that some were lost."""
        try:
            data = os.read(events, BUFFER)
        except OSError:  # another thread has read them
            return True
        at, found = 0, False
        while at + EVENT.size <= len(data):
            _, mask, _, length = EVENT.unpack_from(data, at)
            at += EVENT.size + length
            if mask & IGNORED:  # the directory is gone, or was moved away
                self.close()
            name = data[at - length : at].rstrip(b"\0")
            found |= bool(mask & (OVERFLOW | IGNORED)) or name == self._name
        return found

    def close(self) -> None:
        """From now on only the clock tells."""
        self._events = self._poll = None


def _watching(directory: str) -> Descriptor | None:
    """The events of a directory; None where the system has none, or no more."""
    try:
        import ctypes

        library: Any = ctypes.CDLL(None, use_errno=True)
        number = library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if number < 0:
            return None
        events = Descriptor(number)
        watched = library.inotify_add_watch(events.fd, os.fsencode(directory), MODIFY | MOVED_TO | CREATE)
    except (ImportError, AttributeError, OSError, TypeError):
        return None
    return None if watched < 0 else events
