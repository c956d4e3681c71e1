"""Commits of what the file holds already: compaction, and the way back to an earlier commit."""

from __future__ import annotations

from ..errors import ConflictError
from ..format.commit import Record
from ..storage.mapped import Source
from .history import content_of
from .interrupts import storing
from .medium import Medium
from .work import Work


def compact(work: Work, medium: Medium, keep: int) -> None:
    """Replace the file by its newest commits, and stand on the newest in the new one."""
    base = work.source
    if base is not None:
        storing(work, medium, lambda: _compact(work, medium, base, keep), work.go_on)


def _compact(work: Work, medium: Medium, base: Source, keep: int) -> None:
    try:
        source = medium.compact(base, keep)
    except ConflictError:
        work.stale = True
        raise
    work.go_on(source)


def revert(work: Work, medium: Medium, record: Record, message: str) -> None:
    """Commit the content of `record`, an earlier commit, and stand on it; without a difference, write nothing."""
    assert work.source is not None
    content = content_of(work.source, record, message)
    if content is not None:
        storing(work, medium, lambda: work.go_on(work.append(medium, lambda pipeline: content)), work.go_on)
