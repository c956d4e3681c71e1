"""What a commit need not write again: lazy collections whose table lies in the very file that is written."""

from __future__ import annotations

from typing import Any

from ..codec.columns.boundary import ChunkColumn
from ..codec.schema import short_fingerprint
from ..codec.types.compiled import same_classes
from ..codec.views.boundary import Kept, Unread
from ..format.encoder import Ticket
from ..format.layout import Reference
from ..lazy.handles import COLLECTIONS
from ..lazy.rows import TableRows
from ..storage.mapped import Source
from ..storage.spill import SPILLED, is_spilled
from ..table.persister import store
from ..table.row_groups import Reuse, TableSink
from .dirty import Comparison
from .space import file_of


def reuse_from(source: Source | None, owner: object, comparison: Comparison) -> Reuse:
    """Tells where unchanged lazy collections of `source`'s file lie; tables with changed rows are
    updated first.

    `comparison` finds these. A changed table of another open session than that of `owner` is not
    reused: the change is for that session to store. Without a `source` nothing is stored yet, and
    tables are in files of the session's own.
    """

    here = None if source is None or source.identity is None else (source.identity, source.uuid)

    def reuse(sink: TableSink, value: Any, column: Any) -> Ticket | Reference | None:
        if isinstance(value, Unread):
            if value.column is not column or file_of(value.space) != here:
                return None
            if type(value) is Kept and comparison.field(column, value.known):
                return None
            return sink.copy(value.ref, value.space) if is_spilled(value.ref) else value.ref
        if type(value) not in COLLECTIONS:
            return None
        rows = value.rows
        if not isinstance(rows, TableRows):
            return None
        table = rows.table
        spilled = table.ref.offset >= SPILLED
        other = getattr(table.space, "owner", None)
        if file_of(table.space) != here and not (spilled and other is owner):
            return None
        if source is None and not spilled:
            return None
        if not _holds(column, table):
            return None
        changes = comparison.table(table)
        if other is not owner and other is not None and not other.ended and changes.nodes:
            return None
        return store(sink, table, column.compression, changes)

    return reuse


def _holds(column: ChunkColumn, table: Any) -> bool:
    """Whether `table` may stand in a marked field: equal schemas, and the same classes, which may share a name."""
    if not (column.is_map if table.keys is not None else column.is_list):
        return False
    if column.is_map:
        mine, theirs = [column.shape.key, column.shape.value], [table.keys, table.items]
    else:
        mine, theirs = [column.shape.item], [table.items]
    if mine == theirs:
        return True
    return table.fingerprint == short_fingerprint(*mine) and all(map(same_classes, mine, theirs))
