"""What a report of `inspect` consists of: commits, schemas, and who owns which bytes of the file."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from typing import Any


def plain(value: Any) -> Any:
    """`value` as JSON has it."""
    if is_dataclass(value):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple | list):
        return [plain(each) for each in value]
    return value.isoformat() if isinstance(value, datetime) else value


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A commit of a file.

    Attributes:
        sequence: its number, an int.
        time: when it was made, a datetime in UTC.
        offset: the place of its record in the file, in bytes, an int.
        size: the bytes that it added to the file, an int.
        live: the bytes of the file that it uses, an int, at least.
        dead: the bytes of the file that only earlier commits use, an int, at most.
        kind: a str: "whole" for a file written in one go, "appended", "fast" (without waiting for the disk) or
            "compacted" (copied by a compaction).
    """

    sequence: int
    time: datetime
    offset: int
    size: int
    live: int
    dead: int
    kind: str


@dataclass(frozen=True, slots=True)
class SchemaInfo:
    """A stored schema.

    Attributes:
        fingerprint: its name in the file, a str of hexadecimal digits.
        classes: the names of the classes that it describes, a tuple of str.
        stored: its bytes in the file, an int.
    """

    fingerprint: str
    classes: tuple[str, ...]
    stored: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A part of a file: what it is, and what it takes.

    The sizes include those of `children`. A chunk that several parts use counts for the first of them.

    Attributes:
        name: the name, a str, cut if it is very long: `players`.
        path: the path from the root, a str: `GameWorld.players`, for a column of its rows `GameWorld.players[].level`.
            Keys and indexes have the path of their collection.
        kind: a str. For data "root", "entities", "list", "map", "model", "column", "blob", "keys" or "index"; for the
            rest of the file "head", "catalog", "schemas", "history" (earlier commits) or "gaps" (bytes that no
            commit uses). In a file without a whole commit it is the kind of the chunks.
        type: the type by the newest stored schema, a str: `dict[str, Player]`.
        rows: the number of rows, items or entries, an int; None if it has none. Lists and dictionaries that stand
            within the rows of another count the stored ones: equal values may be stored once.
        chunks: the number of chunks, an int.
        stored: the bytes in the file, an int.
        raw: the same without compression, an int.
        compression: the bytes of the buffers by compression, a dict of int by str: "none", "lz4", "zstd".
        encodings: the bytes of the buffers by encoding, a dict of int by str: "int", "text", "dictionary".
        height: the height of the highest tree of rows, an int; None without one.
        share: the share of the file, a float from 0 to 1.
        shared: the bytes of chunks that it uses, and that count for another entry, an int.
        offset: the place of its first chunk in the file, an int; None if it has none.
        notes: remarks, a tuple of str.
        children: the parts, a tuple of Entry, as far as the depth that was asked for.
    """

    name: str
    path: str
    kind: str
    type: str = ""
    rows: int | None = None
    chunks: int = 0
    stored: int = 0
    raw: int = 0
    compression: dict[str, int] = field(default_factory=dict)
    encodings: dict[str, int] = field(default_factory=dict)
    height: int | None = None
    share: float = 0.0
    shared: int = 0
    offset: int | None = None
    notes: tuple[str, ...] = ()
    children: tuple[Entry, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The entry as JSON has it, a dict."""
        found: dict[str, Any] = plain(self)
        return found
