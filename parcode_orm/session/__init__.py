"""Sessions, and the functions that need none."""

from __future__ import annotations

from .files import dumps, load, loads, save, write
from .session import Session

open = Session.open

__all__ = ["Session", "dumps", "load", "loads", "open", "save", "write"]
