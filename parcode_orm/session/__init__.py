"""Sessions, and the functions that need none."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..storage.backup import BackupReport
    from .copies import backup, compact
    from .files import dumps, save, write
    from .history.diff import Change, Diff
    from .history.feed import CommitChanges
    from .history.row_change import FieldChange, RowChange
    from .history.snapshot import Snapshot
    from .loading import load, loads
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

_HOMES = {
    "..storage.backup": ["BackupReport"],
    ".copies": ["backup", "compact"],
    ".files": ["dumps", "save", "write"],
    ".history.diff": ["Change", "Diff"],
    ".history.feed": ["CommitChanges"],
    ".history.row_change": ["FieldChange", "RowChange"],
    ".history.snapshot": ["Snapshot"],
    ".loading": ["load", "loads"],
    ".session": ["Session"],
    ".without_classes": ["schema"],
}
_home_of = {name: home for home, names in _HOMES.items() for name in names}

if not TYPE_CHECKING:  # imported when it is first asked for, as `parcode_orm` does

    def __getattr__(name: str) -> Any:
        if name == "open":
            found = __getattr__("Session").open
        elif name in _home_of:
            found = getattr(import_module(_home_of[name], __name__), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found
