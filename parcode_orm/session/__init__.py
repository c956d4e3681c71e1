"""Sessions, and the functions that need none."""

from __future__ import annotations

from .diff import Change, Diff
from .files import compact, dumps, load, loads, save, write
from .session import Session
from .snapshot import Snapshot

open = Session.open

__all__ = ["Change", "Diff", "Session", "Snapshot", "compact", "dumps", "load", "loads", "open", "save", "write"]
