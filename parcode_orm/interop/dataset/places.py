"""Where a dataset lies: in a folder of this machine, or under a prefix elsewhere, `s3://games/players`.

    folder    manifest.json            replaced by a rename, under a lock
    prefix    manifest-0000000003.json  the newest has the largest number; each is put once, if nobody else did

An object store has no renames and no locks, but it puts an object as a whole, and refuses one whose name is taken.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from ...errors import StorageError
from ...storage.files import storing
from ...storage.paths import Remote, is_remote, remote_of
from ...storage.ranges import put, reached

NAME = "manifest.json"
LOCK = "manifest.lock"
NUMBERED = re.compile(r"manifest-(\d{10})\.json")
TRIES = 100  # commits of others that one waits for

Change = Callable[[bytes | None], bytes]


class Place(Protocol):
    """Where a dataset lies. It can be pickled."""

    path: str
    given: Any
    """What `place_of` makes the place of again."""

    def make(self) -> None:
        """Make the folder. Raises StorageError."""

    def manifest(self) -> bytes | None:
        """The newest manifest; None where there is none."""

    def change(self, change: Change) -> None:
        """Put the manifest that `change` makes of the newest one in its place, unless another process does so first.

        `change` is called again then.
        """

    def part(self, name: str) -> str | Remote:
        """What a session opens."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    def drafts(self) -> str:
        """A folder of this machine for what is not ready."""

    def take(self, draft: str, name: str) -> None:
        """Take a file of this machine, which goes away there."""

    def remove(self, name: str) -> None:
        """Remove a file."""

    def clean(self, named: Callable[[], Collection[str]], older_than: float) -> list[str]:
        """Remove files that no manifest names and that are older than so many seconds; return their names."""


def place_of(path: Any) -> Place:
    """Where a path, a URL or a `Remote` leads."""
    return Prefix(remote_of(path)) if is_remote(path) else Folder(os.path.abspath(os.fspath(path)))


class Folder:
    """A folder of this machine, or one that several mount."""

    def __init__(self, path: str) -> None:
        self.path = self.given = path

    def _of(self, name: str) -> str:
        return os.path.join(self.path, name)

    def make(self) -> None:
        """See `Place`."""
        try:
            os.makedirs(self.path, exist_ok=True)
        except OSError as problem:
            raise StorageError(problem.errno, f"cannot make the folder: {problem.strerror}", self.path) from problem

    def manifest(self) -> bytes | None:
        """See `Place`."""
        path = self._of(NAME)
        if not os.path.exists(path):
            return None
        with storing("read", path), open(path, "rb") as file:
            return file.read()

    def change(self, change: Change) -> None:
        """See `Place`."""
        with self._locked():
            body = change(self.manifest())
            beside = self._of(f"manifest-{uuid.uuid4().hex}.tmp")
            with storing("write", beside), open(beside, "wb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
                os.replace(beside, self._of(NAME))
            self._sync()

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other processes from committing meanwhile."""
        path = self._of(LOCK)
        with storing("lock", path):
            file = open(path, "ab")
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _sync(self) -> None:
        """Wait until the names of the files are on the disk."""
        with storing("sync", self.path):
            number = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)

    def part(self, name: str) -> str:
        """See `Place`."""
        return self._of(name)

    def has(self, name: str) -> bool:
        """See `Place`."""
        return os.path.exists(self._of(name))

    def drafts(self) -> str:
        """See `Place`. It is the folder itself, so that drafts become parts by a rename."""
        return self.path

    def take(self, draft: str, name: str) -> None:
        """See `Place`."""
        os.replace(draft, self._of(name))

    def remove(self, name: str) -> None:
        """See `Place`."""
        os.unlink(self._of(name))

    def clean(self, named: Callable[[], Collection[str]], older_than: float) -> list[str]:
        """See `Place`."""
        removed = []
        with self._locked():
            kept = named()
            for entry in list(os.scandir(self.path)):
                ours = entry.name.startswith(("part-", "manifest-", "spill-")) and entry.name.endswith((".par", ".tmp"))
                if not ours or entry.name in kept or time.time() - entry.stat().st_mtime < older_than:
                    continue
                if entry.is_dir():
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)
                removed.append(entry.name)
        return sorted(removed)


class Prefix:
    """A prefix in an object store that puts an object whole and only once: S3, or the memory of fsspec."""

    def __init__(self, remote: Remote) -> None:
        self.path = remote.url.rstrip("/")
        self._remote = self.given = remote

    def make(self) -> None:
        """See `Place`. A store has no folders."""

    def _newest(self) -> tuple[int, str]:
        """The number and the name of the newest manifest; 0 and "" where there is none."""
        found = [(int(match[1]), name) for name in self._names() if (match := NUMBERED.fullmatch(name))]
        return max(found, default=(0, ""))

    def _names(self) -> dict[str, Any]:
        """The names of the files, and what the store says of each."""
        with reached(self.path, self._remote.options, "list") as (files, name):
            files.invalidate_cache(name)
            try:
                return {each["name"].rsplit("/", 1)[-1]: each for each in files.ls(name, detail=True)}
            except FileNotFoundError:
                return {}

    def manifest(self) -> bytes | None:
        """See `Place`."""
        name = self._newest()[1]
        return self._read(name) if name else None

    def _read(self, name: str) -> bytes:
        with reached(f"{self.path}/{name}", self._remote.options, "read") as (files, path):
            found: bytes = files.cat_file(path)
            return found

    def change(self, change: Change) -> None:
        """See `Place`."""
        for _ in range(TRIES):
            number, name = self._newest()
            body = change(self._read(name) if name else None)
            with reached(f"{self.path}/manifest-{number + 1:010}.json", self._remote.options, "write") as (files, path):
                try:
                    files.pipe_file(path, body, mode="create")
                    return
                except FileExistsError:
                    continue
        raise StorageError(errno.EBUSY, "others commit to this dataset all the time: try again", self.path)

    def part(self, name: str) -> Remote:
        """See `Place`."""
        return Remote(f"{self.path}/{name}", cache=self._remote.cache, **self._remote.options)

    def has(self, name: str) -> bool:
        """See `Place`. Opening a part says the same, without a request for it."""
        return True

    def drafts(self) -> str:
        """See `Place`."""
        return tempfile.gettempdir()

    def take(self, draft: str, name: str) -> None:
        """See `Place`."""
        put(f"{self.path}/{name}", draft, self._remote.options)
        os.unlink(draft)

    def remove(self, name: str) -> None:
        """See `Place`."""
        with reached(f"{self.path}/{name}", self._remote.options, "remove") as (files, path):
            files.rm_file(path)

    def clean(self, named: Callable[[], Collection[str]], older_than: float) -> list[str]:
        """See `Place`. Manifests but for the newest go, too."""
        names, newest, kept = self._names(), self._newest()[1], named()
        removed = []
        for name in sorted(names):
            is_part = name.startswith("part-") and name.endswith(".par") and name not in kept
            if not is_part and (not NUMBERED.fullmatch(name) or name >= newest):
                continue
            with reached(f"{self.path}/{name}", self._remote.options, "remove") as (files, path):
                if time.time() - files.modified(path).timestamp() >= older_than:
                    files.rm_file(path)
                    removed.append(name)
        return removed
