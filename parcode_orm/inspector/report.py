"""The report of a verification."""

from __future__ import annotations

from dataclasses import dataclass, field

SHOWN = 50  # problems in the text of a report


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem of a file.

    Attributes:
        offset: its place in the file, in bytes, an int. A damaged buffer begins there.
        what: what is wrong, a str.
        where: the content of that place, a str: a root, and the part of it.
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
            f"  {self.commits} commits, {self.chunks} chunks, {self.size:,} bytes",
            f"  {self.live:,} bytes live, {self.dead:,} dead",
        ]
        lines += [f"  {problem}" for problem in self.problems[:SHOWN]]
        if count > SHOWN:
            lines.append(f"  and {count - SHOWN} more")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])
