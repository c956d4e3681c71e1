"""A row group, opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..codec.base import Column, Getter, Space, View, is_lazy
from ..codec.columns.physical import accessor, open_child
from ..errors import CorruptionError, SchemaMismatchError
from ..format.layout import Encoding, Kind, Reference
from ..storage.spill import is_spilled

NODE_BYTES = 512  # of memory: a node of an opened chunk, and the view over it
MAPPED = 8  # bytes of a file's pages, which the system can take back, count as one


def _no_key(place: int) -> Any:
    raise TypeError("the rows of a list have no keys")


def _plain_key(keys: View) -> Getter:
    """Keys that are models are never lazy: nobody changes them, and they go on into plain dictionaries."""
    return lambda row: keys.read(row, row + 1)[0]


class Held(dict[int, Any]):
    """What is held of the row group at `offset`, by row.

    Values come in by `[]`, `setdefault` and `update` alone, which see to it that `holding` has the offsets of all that
    are not empty.
    """

    __slots__ = ("_holding", "_offset")

    def __init__(self, offset: int, holding: set[int]) -> None:
        super().__init__()
        self._offset = offset
        self._holding = holding

    def __setitem__(self, row: int, value: Any) -> None:
        self._holding.add(self._offset)
        super().__setitem__(row, value)

    def setdefault(self, row: int, value: Any) -> Any:  # type: ignore[override]
        """As that of a dictionary."""
        self._holding.add(self._offset)
        return super().setdefault(row, value)

    def update(self, rows: Mapping[int, Any]) -> None:  # type: ignore[override]
        """As that of a dictionary."""
        for row, value in rows.items():
            self[row] = value


class Group:
    """A row group, opened: views over its rows' items and, where the table is keyed, keys.

    `held` keeps, by row, what a writable session must not forget: values given out that may change in place. Proxies
    that have handed out nothing are known to their view alone (`keeps` is False for them).
    """

    __slots__ = (
        "count", "get", "held", "items", "key", "keys", "mapped", "proxies", "ref", "whole", "__weakref__", "_apart",
        "_chunk",
    )  # fmt: skip

    def __init__(
        self, ref: Reference, space: Space, columns: Sequence[Column], fingerprint: int, held: dict[int, Any]
    ) -> None:
        if ref.kind != Kind.ROW_GROUP:
            raise CorruptionError(f"a row group is a chunk of kind {ref.kind}", offset=ref.offset)
        chunk = space.chunk(ref)
        if chunk.fingerprint != fingerprint:
            raise SchemaMismatchError(
                f"row group at byte {ref.offset} was written with schema {chunk.fingerprint:016x}, "
                f"the model has {fingerprint:016x}: read it with the class that wrote it"
            )
        root = chunk.nodes[0]
        children = chunk.children(0)
        if root.encoding != Encoding.STRUCT or len(children) != len(columns):
            raise chunk.error(0, f"a row group here has {len(columns)} columns")
        self.ref = ref
        self._chunk = chunk
        self._apart = sum(target.length for target in set(chunk.refs) if target.kind == Kind.COLUMN)
        self.whole = not chunk.refs  # reading its rows reads nothing else
        # Whether all that it keeps, but for nodes and views, are pages of the file.
        self.mapped = self.whole and not is_spilled(ref) and not any(node.compression for node in chunk.nodes)
        self.count = count = root.count
        self.keys: View | None = None
        self.key: Getter = _no_key
        if len(columns) == 2:
            self.keys = open_child(columns[0], chunk, children[0], space, count)
            self.key = _plain_key(self.keys) if is_lazy(columns[0]) else accessor(self.keys)
        self.items: View = open_child(columns[-1], chunk, children[-1], space, count)
        self.get = accessor(self.items)
        self.held = held
        # Other structs (dataclasses, say) have the same view, and give plain objects.
        self.proxies = hasattr(self.items, "live") and getattr(self.items, "direct", None) is not None
        if self.proxies:
            self.items.held = self.held  # type: ignore[attr-defined]

    def share(self, items: Any) -> None:
        """Let `items`, another view of the same rows, be this group's: what it holds, the group holds."""
        if items is not self.items:
            self.items = items
            self.get = accessor(items)
            self.held.update(items.held or {})
            items.held = self.held

    @property
    def idle(self) -> bool:
        """Whether nothing that was given out of it may still be in use."""
        if self.held:
            return False
        live = getattr(self.items, "live", None)
        return not live or all(ref() is None for ref in live.copy().values())  # other threads may add to it

    @property
    def size(self) -> int:
        """About the bytes that it keeps: buffers that were read, nodes, and columns stored apart, read or not."""
        held = self._chunk.held // MAPPED if self.mapped else self._chunk.held
        return held + self._apart + NODE_BYTES * len(self._chunk.nodes)

    @property
    def nodes(self) -> int:
        """How many nodes its chunk has."""
        return len(self._chunk.nodes)

    def _check(self, held: dict[int, Any]) -> None:
        """The rules that hold between any two operations; for tests. `held` are the rows of the table's groups."""
        assert self.held is held.get(self.ref.offset, self.held)
        live = getattr(self.items, "live", {})
        for row, value in self.held.items():  # a row is one object
            assert 0 <= row < self.count
            assert row not in live or live[row]() in (None, value)
