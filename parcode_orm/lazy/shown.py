"""Bounded texts of lazy objects and collections: what is not shown is not read."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..codec.blobs import ARRAY, TEXT

LONG = 1_000  # characters or bytes of a value that is shown whole; of a longer one the half of that
WHOLE, SOME = 100, 10  # items: of a collection of more than the first number, the second one
MOST = 10_000  # characters of a collection's text, about


class _Text:
    """Something whose `repr` is a given text."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def brief(value: Any) -> Any:
    """`value`, or what shows the beginning of a long text or of many bytes."""
    if not isinstance(value, str | bytes | bytearray) or len(value) <= LONG:
        return value
    unit = "characters" if isinstance(value, str) else "bytes"
    return _Text(f"{value[: LONG // 2]!r}... <{len(value) - LONG // 2} more {unit}>")


def unread(field: Any) -> Any:
    """What shows a large value that nobody has read, by its size alone; None for a table."""
    found = field.blob()
    if found is None:
        return None
    content, meta = found
    kind = {TEXT: "text of ", ARRAY: "array of "}.get(meta[:1], "")
    return _Text(f"<{kind}{len(content)} bytes, not read>")


def listed(texts: Iterable[str], count: int) -> str:
    """The first ones of the texts of `count` items, and how many follow."""
    found: list[str] = []
    most = count if count <= WHOLE else SOME
    size = 0
    for text in texts:
        if len(found) == most or size > MOST:
            break
        found.append(text)
        size += len(text)
    if len(found) < count:
        found.append(f"<{count - len(found)} more>")
    return ", ".join(found)
