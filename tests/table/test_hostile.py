"""Tables whose chunks lie, with right checksums: a typed error, or the value, in little time and memory."""

from __future__ import annotations

import random
from struct import pack_into

import pytest

from parcode_orm.codec.columns.scalars import IntColumn
from parcode_orm.codec.columns.text import TextColumn
from parcode_orm.errors import ParcodeError
from parcode_orm.format.checksum import checksum
from parcode_orm.format.layout import CHUNK_HEADER, NODE, REFERENCE, TABLE_HEADER, Kind, Node, Reference
from parcode_orm.table.table import Table
from tests.table.harness import Disk

INT, TEXT = IntColumn(), TextColumn()


class Liar(Disk):
    """Gives one chunk with other bytes, its checksums made to fit."""

    def __init__(self) -> None:
        super().__init__()
        self.lies: dict[int, bytearray] = {}

    def chunk(self, ref: Reference):  # type: ignore[no-untyped-def]
        data = self.lies.get(ref.offset)
        if data is not None:
            self.data[ref.offset : ref.offset + ref.length] = data
            ref = ref._replace(checksum=checksum(bytes(data[: head_size(data)])))
        return super().chunk(ref)


def head_size(data: bytes | bytearray) -> int:
    _, _, _, _, refs, nodes, _, _ = CHUNK_HEADER.unpack_from(data)
    return CHUNK_HEADER.size + refs * REFERENCE.size + nodes * NODE.size


def stored(disk: Liar) -> Table:
    table = disk.map_table(TEXT, INT, {f"key{i}": i * i for i in range(12_000)})
    for i in range(0, 12_000, 500):
        table.put(f"key{i}", -i)
    for i in range(600):
        table.put(f"new{i}", i)
    disk.commit(table)
    return table


def chunks(disk: Liar, table: Table) -> list[Reference]:
    kinds = {Kind.TABLE, Kind.TREE_NODE, Kind.INDEX_RUN, Kind.INDEX_SHARD, Kind.ROW_GROUP}
    found, waiting = [], [table.ref]
    while waiting:
        ref = waiting.pop()
        if ref.kind in kinds and ref not in found:
            found.append(ref)
            waiting += disk.chunk(ref).refs
    return found


def use(disk: Liar, ref: Reference) -> None:
    table = Table(disk, ref, INT, TEXT)
    len(range(table.rows))
    for key in ("key0", "key11999", "new5", "none"):
        found = table.find(key)
        if found is not None:
            table.value(*found)
    if 0 < table.rows < 100_000:
        table.value(*table.tree.at(0))
        table.value(*table.tree.at(table.rows - 1))
        table.read_map()
    table.put("another", 1)
    disk.commit(table)


def test_heads_and_columns_that_lie() -> None:
    disk = Liar()
    table = stored(disk)
    lie(disk, table, chunks(disk, table), random.Random(5))


def test_directories_of_an_index_that_lie(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("parcode_orm.table.index.SHARD_ROWS", 400)
    monkeypatch.setattr("parcode_orm.table.index.DIRECTORY_BITS", 2)
    disk = Liar()
    table = stored(disk)
    directories = [ref for ref in chunks(disk, table) if ref.kind == Kind.INDEX_RUN]
    assert len(directories) > 8
    lie(disk, table, directories, random.Random(6))


def lie(disk: Liar, table: Table, refs: list[Reference], rng: random.Random) -> None:
    whole = bytes(disk.data)
    for ref in refs:
        original = whole[ref.offset : ref.offset + ref.length]
        head = head_size(original)
        for _ in range(12 if ref.kind in (Kind.ROW_GROUP, Kind.INDEX_SHARD) else 60):
            data = bytearray(original)
            in_head = rng.random() < 0.6 or head == len(data)
            where = rng.randrange(CHUNK_HEADER.size - 8, head) if in_head else rng.randrange(head, len(data))
            data[where] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
            fit_buffers(data)
            disk.data[:] = whole
            disk.lies = {ref.offset: data}
            try:
                use(disk, table.ref)
            except ParcodeError:
                pass


def fit_buffers(data: bytearray) -> None:
    """Make the checksum of every buffer that can be found fit."""
    _, _, _, _, refs, nodes, _, _ = CHUNK_HEADER.unpack_from(data)
    start = CHUNK_HEADER.size + refs * REFERENCE.size
    for number in range(min(nodes, 64)):
        at = start + number * NODE.size
        if at + NODE.size > len(data):
            return
        node = Node._make(NODE.unpack_from(data, at))
        if node.stored and node.place + node.stored <= len(data):
            pack_into("<Q", data, at + 40, checksum(bytes(data[node.place : node.place + node.stored])))


@pytest.mark.parametrize("rows", [0, 1, 11_999, 1 << 31, 1 << 48, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("next_row", [0, 12_000, 1 << 48, (1 << 64) - 1])
def test_table_headers_that_lie(rows: int, next_row: int) -> None:
    disk = Liar()
    table = stored(disk)
    data = bytearray(disk.data[table.ref.offset : table.ref.offset + table.ref.length])
    header = bytearray(disk.chunk(table.ref).buffer(0))
    place = bytes(data).index(bytes(header))
    _, _, height, keyed, runs = TABLE_HEADER.unpack(header)
    data[place : place + TABLE_HEADER.size] = TABLE_HEADER.pack(rows, next_row, height, keyed, runs)
    fit_buffers(data)
    disk.lies = {table.ref.offset: data}
    with pytest.raises(ParcodeError):
        use(disk, table.ref)
