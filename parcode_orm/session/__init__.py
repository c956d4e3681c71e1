"""Sessions, and the functions that need none."""

from __future__ import annotations

from ..storage.backup import BackupReport
from .files import backup, compact, dumps, load, loads, save, write
from .history.diff import Change, Diff
from .history.feed import CommitChanges
from .history.row_change import FieldChange, RowChange
from .history.snapshot import Snapshot
from .session import Session
from .without_classes import schema

open = Session.open

__all__ = [
    "BackupReport",
    "Change",
    "CommitChanges",
    "Diff",
    "FieldChange",
    "RowChange",
    "Session",
    "Snapshot",
    "backup",
    "compact",
    "dumps",
    "load",
    "loads",
    "open",
    "save",
    "schema",
    "write",
]
