"""The row of a key, found by the index runs of a table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xxhash import xxh3_64_intdigest

from ..codec.keys.canonical import EqualityUnknown, key_hash
from ..errors import EncodeError
from .index import find_row
from .nodes import Piece
from .row_group import Group

if TYPE_CHECKING:
    from .table import Table


def search(table: Table, key: Any) -> tuple[Piece, int, Group | None] | None:
    """Where the index leads to: piece, place and, where it is one of the file, the row group. None: nowhere."""
    try:
        hashed = xxh3_64_intdigest(key.encode()) if type(key) is str else _hash(key)
    except UnicodeEncodeError:
        hashed = key_hash(key)
    except EqualityUnknown:
        raise
    except EncodeError:
        return None  # equal to no key that can be stored
    for run in table.runs:
        shard = run.shards.get(hashed >> run.shift) or run.shard(hashed >> run.shift)
        tried = 0
        while (row_id := find_row(hashed, run.low_shift, shard.lows, shard.rows, tried)) >= 0:
            tried += 1
            found = table.tree.row(row_id)
            if found is None:
                continue
            piece, place = found
            group = None
            if piece.keys is not None:
                stored = piece.keys[place]
            else:
                group = table.groups.get(piece.ref.offset)  # type: ignore[union-attr]
                row = piece.start + place
                if group is None or row >= group.count:
                    group = table.group(piece)
                group.used = True
                stored = group.key(row)
            if stored == key or stored is key:
                return piece, place, group
    return None


def _hash(key: Any) -> int:
    hash(key)  # as a dictionary asks: a TypeError for what cannot be a key
    return key_hash(key)
