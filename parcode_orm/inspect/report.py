"""What a verification found."""

from __future__ import annotations

from dataclasses import dataclass, field

SHOWN = 50  # problems in the text of a report


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong.

    `offset` is the byte of the file where it stands (a damaged buffer begins there), `what` says what is wrong, `where`
    what stands there; `commit` is the newest one that uses it, 0 where it belongs to none.
    """

    offset: int
    what: str
    where: str
    commit: int

    def __str__(self) -> str:
        commit = f", commit {self.commit}" if self.commit else ""
        return f"offset {self.offset}: {self.what} ({self.where}{commit})"


@dataclass(slots=True)
class VerifyReport:
    """What `verify` found.

    `commits`, `chunks` (each counted once) and `size` bytes were looked at; `live` of the bytes the newest commit uses,
    and the rest, `dead`, goes with a compaction. `problems` come by offset. `notes` tell of what is no damage: a commit
    that did not end, an index whose keys cannot be checked without the classes.
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
        """Whether nothing is wrong."""
        return not self.problems

    def __str__(self) -> str:
        count = len(self.problems)
        verdict = "ok" if self.ok else f"{count} problem{'s' if count > 1 else ''}"
        lines = [
            f"{self.path or 'bytes'}: {verdict}",
            f"  {self.commits} commits, {self.chunks} chunks, {self.size:,} bytes",
            f"  {self.live:,} bytes live, {self.dead:,} dead",
        ]
        lines += [f"  {problem}" for problem in self.problems[:SHOWN]]
        if count > SHOWN:
            lines.append(f"  and {count - SHOWN} more")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])
