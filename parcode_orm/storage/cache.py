"""What was opened of a file and may be needed again: chunks, and the row groups over them, up to
`LIMIT` bytes.

The least recently used goes first. A use sets a mark: moving a row group to the end of a list for
each row that is read would cost as much as reading the row. When the cache is full, an entry with a
mark loses it and moves to the end; an entry without one is closed.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Protocol

LIMIT = 48 << 20  # bytes
NODE_BYTES = 512  # of memory: a node of an opened chunk, and the view over it
SUM_EVERY = 16  # entries added, at least


class Kept(Protocol):
    """What a cache keeps."""

    used: bool

    @property
    def size(self) -> int:
        """About the bytes that it takes; 0 once it is gone."""

    def close(self) -> bool:
        """Let go of what it takes, unless that is in use. Return whether it did."""


class Cache:
    """One for a file in a session, whichever commits of it are read. Threads may share it.

    `kept` has what is there, for a quick look; whoever takes something of it sets its mark.
    """

    __slots__ = ("_until_sum", "kept")

    def __init__(self) -> None:
        self.kept: dict[Hashable, Kept] = {}
        self._until_sum = SUM_EVERY

    def __len__(self) -> int:
        return len(self.kept)

    def get(self, key: Hashable) -> Kept | None:
        """What was put under `key`, if it is still there: it is used now."""
        found = self.kept.get(key)
        if found is not None:
            found.used = True
        return found

    def put(self, key: Hashable, kept: Kept) -> Kept:
        """Keep this under `key`. Return what stands there: another thread may have been first."""
        kept = self.kept.setdefault(key, kept)
        self._until_sum -= 1
        if self._until_sum <= 0:
            self._shed(kept)
        return kept

    def drop(self, key: Hashable) -> bool:
        """Forget what stands under `key`, without closing it. Return whether there was anything."""
        return self.kept.pop(key, None) is not None

    def clear(self, kind: type[Hashable] = object) -> None:
        """Forget what stands under keys of this kind."""
        for key in list(self.kept.copy()):
            if isinstance(key, kind):
                self.kept.pop(key, None)

    def size(self) -> int:
        """About the bytes that all take."""
        return sum([each.size for each in self.kept.copy().values()])

    def _shed(self, newest: Kept) -> None:
        """Close the least recently used ones while all take more than `LIMIT` bytes.

        The `newest` stays, whatever it takes.
        """
        size = self.size()
        for _ in range(2):  # the first time all may have been used
            for key, each in self.kept.copy().items():
                taken = each.size
                if taken and (size <= LIMIT or each is newest):
                    continue
                self.kept.pop(key, None)
                if taken and (each.used or not each.close()):
                    each.used = False
                    self.kept[key] = each
                else:
                    size -= taken
            if size <= LIMIT:
                break
        count = len(self.kept)
        room = (LIMIT - size) * count // (2 * max(size, 1))  # so many more would take half of what is left
        self._until_sum = max(SUM_EVERY, count // 16, min(room, count))
