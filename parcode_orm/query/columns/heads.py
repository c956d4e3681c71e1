"""`Heads`: the heads of several row groups as one array of nodes, so that each step of a search serves all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...codec.columns.struct import StructColumn
from ...codec.views.struct import StructView
from ...format.chunk import Chunk
from ...format.layout import Encoding, NodeFlag
from ...table.table import Table
from .packed_nodes import NODES, NOWHERE, find_nodes, find_statistics
from .places import bare

SIGNED = int(NodeFlag.SIGNED)


class Heads:
    """The heads of row groups. A node is a number: its place among the nodes of all; `NOWHERE` is none."""

    __slots__ = ("_ends", "_found", "_items", "_packed", "begins", "chunks", "nodes", "views")

    def __init__(self, chunks: Sequence[Chunk | None]) -> None:
        self.chunks = chunks
        self._packed = b"".join([chunk.directory for chunk in chunks if chunk is not None])
        self.nodes: Any = np.frombuffer(self._packed, NODES)
        self._ends = np.cumsum([0 if chunk is None else chunk.node_count for chunk in chunks])
        self.begins = np.concatenate([[0], self._ends[:-1]])
        self._found: dict[tuple[str, ...], Any] = {}
        self._items: list[int] | None = None
        self.views: dict[int, StructView] = {}  # of the items of row groups, which were not opened for them

    def view(self, table: Table, piece: int, stop: int) -> StructView | None:
        """The items of a row group as opening it gives them: at least `stop` objects. The table is only read.

        None where opening the row group tells more, or its buffers are compressed: the row group counts what these
        take when they are decompressed.
        """
        view = self.views.get(piece)
        if view is None:
            if self._items is None:
                self._items = self._models(table)
            at, chunk = self._items[piece], self.chunks[piece]
            if at < 0 or chunk is None:
                return None
            opened = table.items.open(chunk, at, table.space, chunk.node(at))
            if not isinstance(opened, StructView):
                return None
            view = self.views.setdefault(piece, opened)
        return None if view.count < stop else view

    def _models(self, table: Table) -> list[int]:
        """In each row group, which of its nodes has its items, if these are objects, of a Model; else `NOWHERE`."""
        column, nodes = table.items, self.nodes
        is_model = isinstance(column, StructColumn) and column.plan.kind == "model"
        if not is_model or not len(nodes) or nodes["compression"].any():
            return [NOWHERE] * len(self.chunks)
        at, roots = self.find(table, ()), np.minimum(self.begins, len(nodes) - 1)
        structs = nodes["encoding"] == Encoding.STRUCT
        whole = structs[roots] & (self.child(roots, 1 if table.keys is None else 2) < 0)
        fits = (at >= 0) & whole & structs[at] & (nodes["count"][at] == nodes["count"][roots])
        found: list[int] = np.where(fits, at - self.begins, NOWHERE).tolist()
        return found

    def find(self, table: Table, path: tuple[str, ...]) -> Any:
        """The node of the field at `path` in each row group; `NOWHERE` where opening the row group tells more."""
        found = self._found.get(path)
        if found is None:
            found = self._found[path] = self._find(table, path)
        return found

    def _find(self, table: Table, path: tuple[str, ...]) -> Any:
        if not len(self.nodes):
            return np.full(len(self.chunks), NOWHERE)
        known = [chunk is not None and chunk.fingerprint == table.fingerprint for chunk in self.chunks]
        at = np.where(known, self.begins, NOWHERE)
        places = [0 if table.keys is None else 1]
        column: Any = table.items
        for name in path:
            column = bare(column)
            if not isinstance(column, StructColumn) or name not in column.places:
                return np.full(len(self.chunks), NOWHERE)
            place, column = column.places[name]
            places.append(place)
        found = np.empty(len(at), np.int64)
        find_nodes(self._packed, self._ends, at, tuple(places), found)
        return found

    def child(self, at: Any, place: int, pieces: Any = slice(None)) -> Any:
        """Child `place` of each of the nodes `at`, of all row groups or of `pieces`; `NOWHERE` where there is none."""
        found = np.empty(len(at), np.int64)
        find_nodes(self._packed, self._ends[pieces], at, (place,), found)
        return found

    def statistics(self, at: Any) -> tuple[Any, Any]:
        """The nodes with the statistics of the columns `at`, below what stands around them; and where Nones are."""
        nulls = np.zeros(len(at), bool)
        if not len(self.nodes):
            return at, nulls
        found = np.empty(len(at), np.int64)
        find_statistics(self._packed, self._ends, at, found, nulls)
        return found, nulls

    def filled(self, table: Table, at: Any, rows: Any, dtypes: dict[tuple[int, int, int], Any]) -> Any:
        """The numbers of the nodes `at`, one of each row group and `rows` in each, as one array that was read for that.

        None if they are not all stored so: uncompressed, at one width, and no rows beside them.
        """
        if not len(self.nodes) or (at < 0).any():
            return None
        nodes = self.nodes[at]
        first = nodes[0]
        dtype = dtypes.get((int(first["encoding"]), int(first["flags"] & SIGNED), int(first["width"])))
        same = all((nodes[name] == first[name]).all() for name in ("encoding", "width", "compression"))
        if dtype is None or not same or first["compression"] or (nodes["count"] != rows).any():
            return None
        if ((nodes["flags"] ^ first["flags"]) & SIGNED).any() or (nodes["stored"] != rows * dtype.itemsize).any():
            return None
        found = np.empty(int(rows.sum()), dtype)
        offsets = [chunk.where[1] for chunk in self.chunks if chunk is not None]
        places = [offset + place for offset, place in zip(offsets, nodes["place"].tolist(), strict=True)]
        every = list(zip(places, nodes["stored"].tolist(), nodes["checksum"].tolist(), strict=True))
        return found if table.space.fill(every, found.view(np.uint8).data) else None

    def buffers(self, at: Any, pieces: Sequence[int]) -> list[memoryview]:
        """The buffers of the nodes `at`, of the row groups `pieces`, verified."""
        nodes, found = self.nodes[at], []
        indexes = (at - self.begins[pieces]).tolist()
        every = zip(
            pieces,
            indexes,
            *(nodes[name].tolist() for name in ("compression", "place", "stored", "checksum")),
            strict=True,
        )
        for piece, index, compression, place, stored, checksum in every:
            chunk = self.chunks[piece]
            assert chunk is not None
            found.append(chunk.read(index) if compression else chunk.uncompressed(index, place, stored, checksum))
        return found


def dictionaries(heads: Heads, at: Any, parts: Sequence[int]) -> tuple[Any, Any, list[Any]]:
    """The nodes of the codes and of the words of the dictionaries `at`, and marks, equal for the same words."""
    nodes = heads.nodes
    coded = np.where(nodes["encoding"][at] == Encoding.DICTIONARY, at, NOWHERE)
    codes, values = (heads.child(coded, place, parts) for place in (0, 1))
    ends = heads.child(values, 0, parts)
    values = np.where(nodes["encoding"][values] == Encoding.TEXT, values, NOWHERE)
    codes = np.where((ends >= 0) & (values >= 0) & (nodes["flags"][codes] & SIGNED == 0), codes, NOWHERE)
    marked = [
        nodes[name][node].tolist()
        for node in (values, ends)
        for name in ("encoding", "width", "flags", "count", "stored", "checksum")  # which tell the bytes
    ]
    return codes, values, list(zip(*marked, strict=True))
