"""A row group, opened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import attrgetter
from sys import getrefcount
from typing import TYPE_CHECKING, Any
from weakref import ref as weak

from ..codec.base import Column, Getter, Space, View, is_lazy
from ..codec.views.nodes import accessor, open_child, values_at
from ..codec.views.struct import StructView
from ..codec.views.text import TextView
from ..errors import CorruptionError
from ..format.chunk import Chunk
from ..format.layout import Encoding, Kind, Reference
from ..storage.cache import NODE_BYTES
from ..storage.spill import is_spilled

if TYPE_CHECKING:
    from .table import Table

MAPPED = 8  # bytes of a file's pages, which the system can take back, count as one


_compression_of = attrgetter("compression")


def _no_key(place: int) -> Any:
    raise TypeError("the rows of a list have no keys")


def _plain_key(keys: View) -> Getter:
    """Keys that are models are never lazy: nobody changes them, and they go on into plain dictionaries."""
    return lambda row: keys.read(row, row + 1)[0]


def _gives_proxies(items: View) -> StructView | None:
    """The view if it gives proxies. Other structs (dataclasses, say) have the same view, and give plain objects."""
    return items if isinstance(items, StructView) and items.direct is not None else None


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

    def setdefault(self, row: int, value: Any = None, /) -> Any:
        """As that of a dictionary."""
        self._holding.add(self._offset)
        return super().setdefault(row, value)

    def update(self, rows: Mapping[int, Any]) -> None:  # type: ignore[override]
        """As that of a dictionary."""
        if rows:
            self._holding.add(self._offset)
            super().update(rows)


class HeldRows(dict[int, Held]):
    """What is held of the row groups of a table, by their offsets. It ends with the table.

    A row that is held refers to its view, and the view to what is held. Without a cut here, only the cycle collector
    would free them, and the map of the file that they were read from.
    """

    def __del__(self) -> None:
        for held in self.values():
            held.clear()


class Group:
    """A row group, opened: views over its rows' items and, where the table is keyed, keys.

    `held` keeps, by row, what a writable session must not forget: values given out that may change in place. Proxies
    that have handed out nothing are known to their view alone (`keeps` is False for them). `proxies` is this view where
    the rows are those of a Model, else None.
    """

    __slots__ = (
        "compared", "count", "get", "held", "items", "key", "keys", "older", "proxies", "ref", "texts", "used", "whole",
        "__weakref__", "_chunk", "_columns", "_fixed", "_mapped", "_space",
    )  # fmt: skip

    def __init__(
        self,
        ref: Reference,
        space: Space,
        columns: Sequence[Column],
        fingerprint: int,
        held: dict[int, Any],
        chunk: Chunk | None = None,
    ) -> None:
        if ref.kind != Kind.ROW_GROUP:
            raise CorruptionError(f"a row group is a chunk of kind {ref.kind}", offset=ref.offset)
        if chunk is None:
            chunk = space.chunk(ref)
        self.older = chunk.fingerprint != fingerprint  # or newer: of another schema, in any case
        if self.older:
            columns = space.upgraded(chunk.fingerprint, columns)
        root = chunk.nodes[0]
        children = chunk.children(0)
        if root.encoding != Encoding.STRUCT or len(children) != len(columns):
            raise chunk.error(0, f"a row group here has {len(columns)} columns")
        self.ref = ref
        self.used = False  # since the cache looked at it last
        self._chunk = chunk
        self.whole = not chunk.refs  # reading its rows reads nothing else
        self.count = count = root.count
        self._columns = columns
        # Whether all that it keeps, but for nodes and views, are pages of the file, and the bytes that it takes in any
        # case; both found when its size is first asked.
        self._mapped = False
        self._fixed: int | None = None
        self._space = space
        self.items: View = open_child(columns[-1], chunk, children[-1], space, count)
        self.get = accessor(self.items)
        self.texts: tuple[memoryview, memoryview, int] | None = None  # keys that are read: bytes, offsets, gap
        self.held = held
        self.compared: dict[str, dict[int, Any]] = {}  # by field and row: values in memory that are the stored ones
        self.proxies = _gives_proxies(self.items)
        if self.proxies is not None:
            self.proxies.held = self.held

    keys: View | None
    key: Getter

    def __getattr__(self, name: str) -> Any:
        """`keys` and `key` when they are first asked for: opening the keys reads them, and a query needs none."""
        if name not in ("key", "keys"):
            raise AttributeError(name)
        keys: View | None = None
        key: Getter = _no_key
        if len(self._columns) == 2:
            column, chunk = self._columns[0], self._chunk
            keys = open_child(column, chunk, chunk.children(0)[0], self._space, self.count)
            key = _plain_key(keys) if is_lazy(column) else accessor(keys)
        if isinstance(keys, TextView):
            self.texts = keys.data, keys.offsets, keys.gap
        self.key, self.keys = key, keys
        return key if name == "key" else keys

    def keys_at(self, rows: Sequence[int]) -> list[Any]:
        """The keys of some rows, at least one."""
        assert self.keys is not None
        return list(map(self.key, rows)) if is_lazy(self._columns[0]) else values_at(self.keys, rows)

    def share(self, items: StructView) -> None:
        """Let `items`, another view of the same rows, be this group's: what it holds, the group holds.

        So are lazy objects that the program holds: what their former table held of them ended with it.
        """
        if items is not self.items:
            self.items = self.proxies = items
            self.get = accessor(items)
            self.held.update({row: found for row, ref in items.live.copy().items() if (found := ref()) is not None})
            self.held.update(items.held or {})
            items.held = self.held

    @property
    def live(self) -> dict[int, weak[Any]]:
        """By row, the proxies that the program may hold."""
        return {} if self.proxies is None else self.proxies.live

    def alive(self) -> tuple[list[int], list[Any]]:
        """The rows whose lazy objects the program holds, but for those that are `held`, and these objects.

        The view forgets those that are gone: else each commit would look at all that the session ever read.
        """
        held, live = self.held, {} if self.proxies is None else self.proxies.live
        if live.keys() <= held.keys():
            return [], []
        known = live.copy()
        rows, proxies = list(known), [each() for each in known.values()]
        there = [at for at, proxy in enumerate(proxies) if proxy is not None and rows[at] not in held]
        if len(there) == len(rows):
            return rows, proxies
        for row, proxy in zip(rows, proxies, strict=True):
            if proxy is None and live.get(row) is known[row]:
                del live[row]
        return [rows[at] for at in there], [proxies[at] for at in there]

    def forget(self, rows: range) -> None:
        """Know the lazy objects of `rows` no more: they are rows of another row group now."""
        live = self.live
        if len(rows) == self.count:
            live.clear()
        for row in [row for row in live.copy() if row in rows] if len(live) < len(rows) else rows:
            live.pop(row, None)

    @property
    def idle(self) -> bool:
        """Whether nothing that was given out of it may still be in use."""
        if self.held:
            return False
        if self.proxies is not None and self.proxies.live:
            for known in self.proxies.live.copy().values():  # other threads may add to it
                if known() is not None:
                    return False
        return True

    @property
    def size(self) -> int:
        """About the bytes that it keeps: buffers that were read, nodes, and columns stored apart, read or not."""
        chunk = self._chunk
        if self._fixed is None:
            self._fixed = self._apart + NODE_BYTES * chunk.node_count
            compressed = any(map(_compression_of, chunk.nodes))
            self._mapped = self.whole and not is_spilled(self.ref) and not compressed
        return self._fixed + (chunk.held // MAPPED if self._mapped else chunk.held)

    @property
    def _apart(self) -> int:
        """Bytes of columns stored apart."""
        refs = self._chunk.refs
        return sum([ref.length for ref in set(refs) if ref.kind == Kind.COLUMN]) if refs else 0

    @property
    def chunk(self) -> Chunk:
        """The chunk that it is."""
        return self._chunk

    @property
    def refs(self) -> list[Reference]:
        """What its chunk refers to."""
        return self._chunk.refs

    @property
    def packed(self) -> int:
        """The bytes that its rows take, with columns stored apart; 0 where they share these with other row groups."""
        if any(node.encoding == Encoding.SPANS for node in self._chunk.nodes):
            return 0
        return self.ref.length + self._apart

    def _check(self, held: dict[int, Any]) -> None:
        """The rules that hold between any two operations; for tests. `held` are the rows of the table's groups."""
        assert self.held is held.get(self.ref.offset, self.held)
        live = self.live
        for row, value in self.held.items():  # a row is one object
            assert 0 <= row < self.count
            assert row not in live or live[row]() in (None, value)


def _references_to_one_held() -> int:
    held = {0: object()}
    one = held[0]
    return getrefcount(one)


UNUSED = _references_to_one_held()  # references to a group that its table has, as `KeptGroup.close` counts them


class KeptGroup:
    """An opened row group in the cache of its file. The table has it, and may close it and open
    it anew.
    """

    __slots__ = ("_group", "_table")

    def __init__(self, table: Table, group: Group) -> None:
        self._table = weak(table)
        self._group = weak(group)

    @property
    def used(self) -> bool:
        """Whether a row of it was read since the cache looked at it last."""
        group = self._group()
        return group is not None and group.used

    @used.setter
    def used(self, used: bool) -> None:
        group = self._group()
        if group is not None:
            group.used = used

    @property
    def size(self) -> int:
        """As the group says; 0 once the table has closed it."""
        table, group = self._table(), self._group()
        if table is None or group is None or table.groups.get(group.ref.offset) is not group:
            return 0
        return group.size

    def close(self) -> bool:
        """Close it, unless one of its rows may be in use, or code that is running has it and may
        yet hold a row.
        """
        table, group = self._table(), self._group()
        if table is None or group is None:
            return True
        return getrefcount(group) <= UNUSED and table.close(group.ref.offset)
