"""Every struct of the file, little-endian. `docs/format.md` describes the same structs byte by byte."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import NamedTuple

FILE_MAGIC = b"\x89PAR\r\n\x1a\n"  # as in PNG: a transfer as text would change it
FORMAT_MAJOR = 1
FORMAT_MINOR = 0
INCOMPATIBLE_KNOWN = 0  # feature bits that this version knows: it refuses a file with others,
READ_COMPATIBLE_KNOWN = 0  # or refuses to write to it

SUPERBLOCK = Struct("<8sHHIQQQ16sQ")

RECORD_MAGIC = b"PARCMIT\n"
RECORD_ALIGN = 4096  # of an appended record; the record of a whole-file write has CHUNK_ALIGN
RECORD_COPY = 512  # from the first copy of an appended record to the second
RECORD_SEAL = 256  # from the first copy of an appended record to its seal

CHUNK_MAGIC = 0x314B4843  # "CHK1"
CHUNK_ALIGN = 64
BUFFER_ALIGN = 8
WIDE_BUFFER = 4096
WIDE_ALIGN = 64

CHUNK_HEADER = Struct("<IBBHIIQQ")
REFERENCE = Struct("<QQQI4x")
NODE = Struct("<BBBBIIIQQQQ16s16s")
RECORD = Struct("<8sQQQQqIIQQ32sQ16sQ16xQ")
BLOB_HEADER = Struct("<IIQ")  # bytes a piece, pieces, bytes in all; the value's `meta` follows
BLOB_PIECE = 256 * 1024
TABLE_HEADER = Struct("<QQBBH4x")  # rows, next row id, tree height, 1 where keyed, index runs
SPAN = Struct("<III")  # ordinal of a COLUMN chunk, its first value, and how many

assert SUPERBLOCK.size == 64
assert RECORD.size == 160
assert BLOB_HEADER.size == 16
assert CHUNK_HEADER.size == 32
assert REFERENCE.size == 32
assert NODE.size == 80
assert TABLE_HEADER.size == 24
assert SPAN.size == 12


class Kind(IntEnum):
    """What a chunk holds."""

    ROW_GROUP = 1
    COLUMN = 2
    BLOB = 3
    TABLE = 4
    TREE_NODE = 5
    INDEX_RUN = 6
    INDEX_SHARD = 7
    CATALOG = 8
    SCHEMA = 9


class Encoding(IntEnum):
    """How a node's buffer and children hold its values."""

    EMPTY = 0  # no values; no buffer
    INT = 1  # width 1, 2, 4, 8; flag SIGNED
    FLOAT = 2  # width 8, IEEE 754 binary64
    BOOL = 3  # one bit a value, least significant first
    BYTES = 4  # buffer: the values end to end; child: offsets (INT, count + 1)
    TEXT = 5  # as BYTES in UTF-8; flags SEPARATED (a NUL after each value), SURROGATES
    BIGINT = 6  # as BYTES, each a two's complement integer
    CONSTANT = 7  # child: one value, which stands for `count`
    DICTIONARY = 8  # children: codes (INT), distinct values
    OPTIONAL = 9  # buffer: validity bits; child: the values present; `param` counts the nulls
    LIST = 10  # children: offsets (INT, count + 1), items
    MAP = 11  # children: offsets (INT, count + 1), keys, values
    STRUCT = 12  # children: fields, then what the struct's own column says
    UNION = 13  # children: tags (INT), positions in the arm (INT), then the arms
    REFERENCE = 14  # `param`: ordinal of the chunk whose node 0 holds the values
    EXTERNAL = 15  # children: ordinals (INT; 0 stands for in-group, else reference + 1), in-group values
    PACKED = 16  # as BYTES, each one MessagePack value
    ARRAY = 17  # children: dtype (TEXT), shape (LIST of INT), data (BYTES)
    RAW = 18  # a buffer that its chunk's kind explains
    POLY = 19  # children: class names, fingerprints (TEXT), tags, positions (INT), then an arm a class
    SPANS = 20  # buffer: SPANs, which name values of other chunks, in order
    ROWS = 21  # as BYTES, each one row of a struct as MessagePack
    MIXED = 22  # children: tags, positions (INT), values that the column takes, others (PACKED)


class NodeFlag(IntEnum):
    """Bits of a node's `flags`."""

    SIGNED = 1
    SEPARATED = 2
    SURROGATES = 4
    STATISTICS = 8
    PIECES = 16  # a blob's data: its pieces are compressed and verified one by one, `checksum` is 0
    NANS = 32  # some values are NaN, which the statistics leave out


class RecordFlag(IntEnum):
    """Bits of a commit record's `flags`."""

    WHOLE_FILE = 1  # the one record of a file written in one go; no padding, no copy
    DOUBLED = 2  # a copy follows RECORD_COPY bytes behind
    FAST = 4  # written without waiting for its chunks: range and hash of the commit's bytes are given
    SETTLED = 8  # everything before `range_start` was on the disk when this was written
    COPIED = 16  # written by a compaction: the file's name may be as new as this record
    WAITED = 32  # with FAST: the commit ended when the disk had all of it


class Reference(NamedTuple):
    """Where a chunk lies: byte offset, byte length, XXH3-64 of its head, kind."""

    offset: int
    length: int
    checksum: int
    kind: int


class Node(NamedTuple):
    """One entry of a chunk's directory; `low` and `high` are statistics, cut to 16 bytes."""

    encoding: int
    compression: int
    width: int
    flags: int
    span: int
    count: int  # type: ignore[assignment]
    param: int
    place: int
    stored: int
    raw: int
    checksum: int
    low: bytes
    high: bytes


def aligned(position: int, alignment: int) -> int:
    """The first multiple of `alignment` from `position` on."""
    return -(-position // alignment) * alignment
