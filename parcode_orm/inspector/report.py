"""The reports of `verify` and `inspect`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from ..errors import ChecksumError, CorruptionError, ParcodeError
from ..lazy.shown import visible
from . import tree
from .entries import CommitInfo, Entry, SchemaInfo, plain
from .tree import size_of

SHOWN = 50  # problems in the text of a report
LONG = 500  # characters of what is wrong
WIDTH = 100  # columns of the text of a report


def what_of(problem: ParcodeError) -> str:
    """The message of an error without offset and path: a problem has both."""
    what = str(problem)
    if isinstance(problem, CorruptionError):
        what = ParcodeError.__str__(problem)
        if isinstance(problem, ChecksumError) and problem.expected is not None:
            what = f"{what}: checksum {problem.found:016x}, not {problem.expected:016x}"
    return visible(what, LONG)


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a file.

    Attributes:
        offset: its place in the file, in bytes, an int. A damaged buffer begins there.
        what: what is wrong, a str.
        where: the content of that place, a str: the kind of the chunk, the path from the root, and the rows, from 0
            on: `row group of World.players[].level, rows 4,096 to 8,191`.
        commit: the sequence number of the newest commit that uses the place, an int; 0 if none does.
    """

    offset: int
    what: str
    where: str
    commit: int

    def __str__(self) -> str:
        commit = f", commit {self.commit}" if self.commit else ""
        return f"offset {self.offset}: {self.what} ({self.where}{commit})"


@dataclass(slots=True, repr=False)
class VerifyReport:
    """The report of `verify`. `str()` gives a text of a few lines.

    Attributes:
        path: the file, a str; "" for bytes.
        size: the number of bytes verified, an int.
        commits: the number of commits verified, an int.
        chunks: the number of chunks verified, each counted once, an int.
        live: the number of bytes that the newest commit uses, an int.
        dead: the number of other bytes, which a compaction drops, an int.
        problems: the damage, a list of objects with `offset`, `what`, `where` and `commit`, by offset.
        notes: remarks that are no damage, a list of str: a commit that did not end, an index whose keys cannot be
            checked without the classes.
    """

    path: str
    size: int = 0
    commits: int = 0
    chunks: int = 0
    live: int = 0
    dead: int = 0
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Whether there is no problem, a bool."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON has it, a dict, with `"ok"`."""
        found = {each.name: plain(getattr(self, each.name)) for each in fields(self)}
        return {**found, "ok": self.ok}

    @property
    def _verdict(self) -> str:
        count = len(self.problems)
        return "ok" if self.ok else f"{count} problem{'s' if count > 1 else ''}"

    def __repr__(self) -> str:
        return f"<VerifyReport of {self.path or 'bytes'}: {self._verdict}>"

    def __str__(self) -> str:
        count, verdict = len(self.problems), self._verdict
        lines = [
            f"{self.path or 'bytes'}: {verdict}",
            f"  {self.commits} commit{'s' * (self.commits != 1)}, {self.chunks} chunks, {self.size:,} bytes",
            f"  {self.live:,} bytes live, {self.dead:,} dead",
        ]
        lines += [f"  {problem}" for problem in self.problems[:SHOWN]]
        if count > SHOWN:
            lines.append(f"  and {count - SHOWN} more")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """What `inspect` found in a file. `str()` gives a tree of its entries.

    Attributes:
        path: the file, a str; "" for bytes.
        size: its bytes, an int.
        format: the version of the format, a str; "" if it cannot be read.
        uuid: the identity of the file, a str of hexadecimal digits; "" if it cannot be read.
        live: the bytes that the newest commit uses, an int.
        dead: the other bytes, which a compaction drops, an int.
        commits: the newest commits, 100 at most, the newest first, a tuple of CommitInfo.
        commit_count: the number of all commits, an int. If there are more than 10,000, it is the number of the newest
            commit, which also counts commits that a compaction dropped.
        schemas: the stored schemas, a tuple of SchemaInfo.
        entries: the parts of the file, a tuple of Entry. Their `stored` adds up to `size`.
        problems: the places that could not be read, a tuple of objects with `offset`, `what`, `where` and `commit`.
            Only `verify` looks at every byte.
        notes: remarks that are no damage, a tuple of str.
        bytes_read: the bytes that were read of the file, an int.
    """

    path: str
    size: int
    format: str = ""
    uuid: str = ""
    live: int = 0
    dead: int = 0
    commits: tuple[CommitInfo, ...] = ()
    commit_count: int = 0
    schemas: tuple[SchemaInfo, ...] = ()
    entries: tuple[Entry, ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()
    bytes_read: int = 0

    @property
    def ok(self) -> bool:
        """Whether all that was read is undamaged, a bool."""
        return not self.problems

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON has it, a dict, with `"ok"`: a time is an ISO 8601 text."""
        return {**{each.name: plain(getattr(self, each.name)) for each in fields(self)}, "ok": self.ok}

    def to_json(self) -> str:
        """The report as JSON, a str in ASCII."""
        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        return f"<Report on {visible(self.path, 200) or 'bytes'}: {self.size:,} bytes, {len(self.problems)} problems>"

    def __str__(self) -> str:
        entries = (line for _, line in tree.table(self.entries, WIDTH))
        return "\n".join([*self._head(), "", *entries, *self._tail()])

    def __rich__(self) -> tree.Renderable:
        return tree.Renderable(list(self._head()), self.entries, list(self._tail()))

    def _repr_html_(self) -> str:
        return tree.html(list(self._head()), self.entries, list(self._tail()))

    def _head(self) -> Iterator[str]:
        """What is said of the file as a whole."""
        name = visible(self.path, LONG) or "bytes"
        form = f", format {self.format}" if self.format else ""
        yield f"{name}: {size_of(self.size)}{form}{'' if self.ok else ', damaged'}"
        if self.commits:
            newest = self.commits[0]
            count = f"{self.commit_count:,} commits, the newest" if self.commit_count > 1 else "1 commit"
            schemas = f"{len(self.schemas):,} schema{'' if len(self.schemas) == 1 else 's'}"
            yield f"  {count} of {newest.time:%Y-%m-%d %H:%M:%S} UTC, {schemas}"
            yield f"  {size_of(self.live)} live, {size_of(self.dead)} dead"
        yield f"  {self.bytes_read:,} bytes read to inspect it"

    def _tail(self) -> Iterator[str]:
        """Remarks, and the problems."""
        yield from (f"  note: {visible(note, LONG)}" for note in self.notes)
        yield from (f"  {problem}" for problem in self.problems[:SHOWN])
        if len(self.problems) > SHOWN:
            yield f"  and {len(self.problems) - SHOWN:,} more problems"
