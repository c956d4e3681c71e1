"""What stored rows have that today's class does not know, noted while they are read, where a caller asks for it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from ...stack import carried
from .refusals import index_at

EXTRAS = "(extra values)"
Names = set[tuple[str, str, Any]]
"""Names of classes, as they are stored, and of their fields; with the column of today's class, None for packed ones."""


class _Noting(threading.local):
    names: Names | None = None


_now = _Noting()
carried(_now)


@contextmanager
def noting(names: Names) -> Iterator[None]:
    """In the block, `names` gets what the rows that are read have beside what today's classes know."""
    before, _now.names = _now.names, names
    try:
        yield
    finally:
        _now.names = before


def is_noting() -> bool:
    """Whether a caller asks what is unknown."""
    return _now.names is not None


def note(cls: str, fields: Iterable[str], today: Any = None) -> None:
    """Note fields of a stored class that are not read, where a caller asks for it."""
    if _now.names is not None:
        _now.names.update((cls, field, today) for field in fields)


def for_messages(names: Iterable[tuple[str, str]]) -> list[str]:
    """Names for messages, sorted: `Hero.mana`, `the index of Hero.level`."""
    return sorted({_for_message(f"{cls}.{name}") for cls, name in names})


def _for_message(where: str) -> str:
    indexes = (f"[].{mark}_" in where for mark in ("by", "index"))
    return f"the index of {index_at(where)[2]}" if any(indexes) else where
