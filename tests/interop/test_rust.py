"""Files of the Rust crate are read as what they hold, and nothing else: a wrong model or a damaged byte is an error."""

from __future__ import annotations

import dataclasses
import enum
import shutil
import struct
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, NewType
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, RootModel

import parcode_orm
from parcode_orm import (
    Chunk,
    CorruptionError,
    FileMissingError,
    InputError,
    LazyList,
    LazyMap,
    Model,
    NotAFileError,
    NotAParcodeFile,
    ParcodeError,
    Session,
    ShardedMap,
    TruncatedError,
    UnsupportedTypeError,
    UnsupportedVersion,
)
from parcode_orm.interop import rust
from parcode_orm.interop.rust import (
    I8,
    I16,
    U8,
    U16,
    U32,
    U64,
    Array,
    As,
    Char,
    Variants,
    chunks,
    cursor,
    hints,
    keys,
    nodes,
    reading,
    types,
    values,
)
from tests.effort import EXAMPLES
from tests.golden.rust import write as golden
from tests.golden.rust.models import CONTENT, PLAYERS, Player, World
from tests.interop import rust_files as of
from tests.interop.rust_files import Kind, Writer, varint

pytestmark = pytest.mark.once

FILES = sorted(golden.HERE.glob("*.par"))


def called(path: Path) -> str:
    return path.stem


def content(path: Path) -> tuple[Any, Any]:
    return CONTENT[path.stem.rpartition("-")[0]]


def test_there_are_files_of_each_version() -> None:
    assert {path.stem.rpartition("-")[2] for path in FILES} == set(golden.VERSIONS)
    assert all(path.stat().st_size <= golden.LARGEST for path in FILES)


@pytest.mark.parametrize("path", FILES, ids=called)
def test_files_of_the_crate_are_read(path: Path) -> None:
    kind, value = content(path)
    assert rust.load(path, kind) == value
    assert rust.load(path.read_bytes(), kind) == value


def test_a_file_becomes_one_of_ours(tmp_path: Path) -> None:
    for path in FILES:
        kind, value = content(path)
        if kind == list[Player]:
            continue
        rust.convert(path, kind, tmp_path / "out.par")
        assert parcode_orm.load(tmp_path / "out.par", kind) == value
        with Session.open(tmp_path / "out.par") as session:
            found = session.root(kind)
            if kind is World:
                assert type(found.players) is LazyList and type(found.heroes) is LazyMap
                assert found.heroes["dora"].level == 24


def test_a_list_is_streamed(tmp_path: Path) -> None:
    assert list(rust.stream(golden.HERE / "players-0.6.1.par", list[Player])) == PLAYERS
    with pytest.raises(UnsupportedTypeError, match=r"list\[Player\], not <class"):
        rust.stream(golden.HERE / "world-0.6.1.par", World)


def test_a_conversion_holds_a_part_of_a_list_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Log(Model):
        lines: list[Annotated[int, U16]] = Chunk()
        counts: dict[Annotated[int, U16], Annotated[int, U16]] = ShardedMap()

    writer = Writer()
    listed = writer.list([varint(n) for n in range(1000)], [10])
    key = of.integer("U16")
    mapped = writer.map([(key.hash(n), varint(n) + varint(2 * n)) for n in range(1000)], 50)
    data = writer.done(writer.chunk(b"", [listed, mapped]))
    read: list[int] = []
    inner = nodes.Cursor

    def counting(chunk: Any, first: int = 0) -> Any:
        read.append(first)
        return inner(chunk, first)

    monkeypatch.setattr(nodes, "Cursor", counting)
    with reading.streamed(data, Log, "test") as found:
        before = len(read)
        lines = iter(found.lines)
        assert next(lines) == 0 and len(read) - before == 2  # the list, and its first part
        assert list(lines) == list(range(1, 1000)) and len(read) - before == 101
    rust.convert(data, Log, tmp_path / "log.par")
    assert parcode_orm.load(tmp_path / "log.par", Log).counts == {n: 2 * n for n in range(1000)}


def test_nothing_is_written_of_a_file_that_is_damaged_at_its_end(tmp_path: Path) -> None:
    class Log(Model):
        lines: list[Annotated[int, I16]] = Chunk()

    writer = Writer()
    lines = [varint(n) for n in range(100)]
    data = writer.done(writer.chunk(b"", [writer.list([*lines, varint(1 << 20)], [10])]))
    with pytest.raises(CorruptionError, match=r"^Log.lines\[100\]: an integer does not fit I16"):
        rust.convert(data, Log, tmp_path / "log.par")
    assert list(tmp_path.iterdir()) == []


def typed(data: bytes, kind: Any) -> Any:
    """What is read, or a typed error."""
    try:
        return rust.load(data, kind)
    except ParcodeError as problem:
        return problem


@given(st.data())
@settings(deadline=None)
def test_types_are_read_as_rust_writes_them(data: st.DataObject) -> None:
    kind = data.draw(of.kinds)
    expected = data.draw(st.lists(kind.values, max_size=12))
    writer = Writer(packed=data.draw(st.booleans()))
    sizes = data.draw(st.lists(st.integers(1, 4), max_size=3))
    root = writer.list([kind.encode(each) for each in expected], sizes)
    if dataclasses.is_dataclass(kind.annotation):
        assert rust.load(writer.done(root), list[kind.annotation]) == expected
    assert rust.load(writer.done(root), list[tuple[kind.annotation]]) == [(each,) for each in expected]


@given(st.data())
@settings(deadline=None)
def test_maps_are_read_as_rust_writes_them(data: st.DataObject) -> None:
    key, value = data.draw(of.keys), data.draw(of.kinds)
    expected = data.draw(st.dictionaries(key.values, value.values, min_size=1, max_size=12))
    model = parcode_model(key, value)
    writer = Writer(packed=data.draw(st.booleans()))
    pairs = [(key.hash(name), key.encode(name) + value.encode(each)) for name, each in expected.items()]
    total = data.draw(st.integers(1, 20))
    root = writer.chunk(b"", [writer.map(pairs, total, gaps=data.draw(st.booleans()))])
    assert rust.load(writer.done(root), model).pairs == expected
    wrong = [((hash + data.draw(st.integers(1, 99))) % 2**64, each) for hash, each in pairs[:1]] + pairs[1:]
    root = (writer := Writer()).chunk(b"", [writer.map(wrong, total)])
    with pytest.raises(CorruptionError, match="the hash of the key"):
        rust.load(writer.done(root), model)


def parcode_model(key: Kind, value: Kind) -> Any:
    return type(
        "Pairs",
        (Model,),
        {
            "__annotations__": {"pairs": dict[key.annotation, value.annotation]},
            "pairs": ShardedMap(),
            "__module__": __name__,
        },
    )


@given(st.data())
@settings(deadline=None)
def test_a_wrong_type_reads_no_byte_twice_and_leaves_none_out(data: st.DataObject) -> None:
    """What a wrong type reads, its own encoder writes as the same bytes, if it reads anything."""
    written, wrong = data.draw(of.kinds), data.draw(of.kinds)
    payload = written.encode(data.draw(written.values))
    writer = Writer()
    found = typed(writer.done(writer.list([payload], [1])), list[tuple[wrong.annotation]])
    if not isinstance(found, ParcodeError) and "nan" not in repr(found):  # signals of a NaN change on their way
        assert wrong.encode(found[0][0]) == payload


def structure(data: bytes) -> Iterator[int]:
    """The offsets of all bytes of a file that say where something is: the footer, and what ends the chunks."""
    end = len(data) - 26
    _, _, offset, length, _ = struct.unpack("<4sHQQI", data[end:])
    yield from range(end, len(data))
    todo = [(offset, length)]
    while todo:
        offset, length = todo.pop()
        last = offset + length - 1
        yield last
        if data[last] & 1:
            (count,) = struct.unpack("<I", data[last - 4 : last])
            yield from range(last - 4 - 16 * count, last)
            todo += struct.iter_unpack("<QQ", data[last - 4 - 16 * count : last - 4])


@pytest.mark.parametrize("path", [each for each in FILES if "0.6.1" in each.name], ids=called)
def test_no_byte_that_says_where_something_is_can_change_unnoticed(path: Path) -> None:
    kind, value = content(path)
    data = path.read_bytes()
    for at in structure(data):
        for change in (1, 2, 128):
            changed = bytearray(data)
            changed[at] ^= change
            found = typed(bytes(changed), kind)
            assert isinstance(found, ParcodeError) or found == value, f"{at}: {data[at]} to {changed[at]}"


positions = st.integers(0, 2**16)
edits = st.lists(
    st.tuples(st.just("set"), positions, st.binary(min_size=1, max_size=8))
    | st.tuples(st.just("cut"), positions, st.integers(1, 40).map(bytes))
    | st.tuples(st.just("insert"), positions, st.binary(min_size=1, max_size=8)),
    min_size=1,
    max_size=3,
)


def edited(data: bytes, changes: list[tuple[str, int, bytes]]) -> bytes:
    for what, at, new in changes:
        at %= len(data) + 1
        data = data[:at] + (b"" if what == "cut" else new) + data[at + len(new) * (what != "insert") :]
    return data


@given(st.sampled_from([each for each in FILES if "map" not in each.name]), edits)
@settings(deadline=None, max_examples=4 * EXAMPLES)
def test_damaged_files_give_a_typed_error_or_objects_of_the_model(
    path: Path, changes: list[tuple[str, int, bytes]]
) -> None:
    """The format has no checksum: bytes inside a text can change unnoticed. Nothing else may happen."""
    kind, _ = content(path)
    found = typed(edited(path.read_bytes(), changes), kind)
    assert isinstance(found, ParcodeError | World) or all(type(each) is Player for each in found)


class Pair(Model):
    a: Annotated[int, U8]
    b: bool


class Holder(Model):
    one: Annotated[int, U32]
    many: list[Annotated[int, U32]] = Chunk()


class Item(Model):
    data: bytes = Chunk()


class Counts(Model):
    of: dict[str, Annotated[int, U8]] = ShardedMap()


def one(payload: bytes, *children: Callable[[Writer], of.Place]) -> bytes:
    """A file whose root has a payload and children."""
    writer = Writer()
    return writer.done(writer.chunk(payload, [child(writer) for child in children]))


def listed(payload: bytes, *parts: bytes) -> Callable[[Writer], of.Place]:
    return lambda writer: writer.chunk(payload, [writer.chunk(part) for part in parts])


TOTAL = struct.Struct("<Q").pack
HASH = of.KEYS[11].hash("a")
BUCKET = struct.pack("<IIQI", 1, 0, HASH, 0)
REFUSED: dict[str, tuple[bytes, Any, str]] = {
    "a bool of 2": (one(b"\1\2"), Pair, r"Pair.b: a bool is 0 or 1; .*at offset 1, expected '0 or 1', found 2"),
    "bytes left over": (one(b"\1\1\0"), Pair, r"Pair: bytes are left over .*expected '2 bytes', found '3 bytes'"),
    "an end too early": (one(b"\1"), Pair, r"Pair.b: a chunk ends inside a value"),
    "a child too many": (one(b"\1\1", lambda w: w.chunk(b"")), Pair, "another number of children .*found 1"),
    "a child too few": (one(b"\1"), Holder, "Holder: a chunk has another number of children"),
    "an int that is not in its shortest form": (one(b"\xfb\1\0"), Annotated[int, U32], "shortest form"),
    "an int that begins with 255": (one(b"\xff\1\0"), Annotated[int, U32], "no integer begins with this byte"),
    "an int beyond its type": (one(b"\xfc\0\0\1\0"), Annotated[int, U16], "too large for U16"),
    "text that is not UTF-8": (one(b"\2\xc3("), str, "a text is not UTF-8"),
    "a surrogate": (one(b"\3\xed\xa0\x80"), str, "a text is not UTF-8"),
    "a length beyond the chunk": (one(b"\xfd" + TOTAL(2**60)), str, "a length is greater than its chunk"),
    "a list that is none": (one(b"\1" + bytes(8)), list[Annotated[int, U8]], "another number of items"),
    "a list with a part too few": (
        one(b"\7", listed(TOTAL(4) + bytes([1, 2, 2]), b"\2\1\1")), Holder, "another number of parts",
    ),
    "a list with another total": (
        one(b"\7", listed(TOTAL(5) + bytes([1, 2, 1]), b"\2\1\1")),
        Holder, "another number of items .*found 2",
    ),
    "a part of another length": (
        one(b"\7", listed(TOTAL(2) + bytes([1, 2, 1]), b"\3\1\1\1")), Holder, "another length .*expected 2, found 3",
    ),
    "a part with more bytes": (
        one(b"\7", listed(TOTAL(2) + bytes([1, 2, 1]), b"\2\1\1\1")), Holder, "bytes are left over",
    ),
    "runs of very many parts": (
        one(b"\7", listed(TOTAL(2**60) + b"\1" + varint(2**30) + varint(2**30), b"\0")),
        Holder, "another number of parts",
    ),
    "items without bytes": (
        one(b"\7", listed(TOTAL(2) + bytes([1, 2, 1]), b"\2\0")),
        type("Units", (Model,), {
            "__annotations__": {"n": Annotated[int, U8], "many": list[tuple[None]]}, "many": Chunk(),
            "__module__": __name__,
        }),
        "items that have no bytes",
    ),
    "very many structs without bytes": (
        one(b"", listed(TOTAL(2**40) + b"\1" + varint(2**40) + b"\1", varint(2**40))),
        type("Items", (Model,), {"__annotations__": {"all": list[Item]}, "all": Chunk(), "__module__": __name__}),
        "another number of|too large",
    ),
    "a bucket that does not begin so": (
        one(b"", listed(b"\1\0\0\0", struct.pack("<II", 1, 7))), Counts, "does not begin with a number and 0",
    ),
    "a bucket of very many": (one(b"", listed(b"\1\0\0\0", struct.pack("<II", 2**32 - 1, 0))), Counts, "ends inside"),
    "an offset that leads elsewhere": (
        one(b"", listed(b"\1\0\0\0", struct.pack("<IIQI", 1, 0, HASH, 1) + b"\1a\5")), Counts, "ends elsewhere",
    ),
    "a key in another bucket": (
        one(b"", listed(b"\2\0\0\0", *([b"", BUCKET + b"\1a\5"] if HASH % 2 == 0 else [BUCKET + b"\1a\5", b""]))),
        Counts, "belong to another bucket",
    ),
    "a key twice": (
        one(b"", listed(b"\1\0\0\0", struct.pack("<IIQQII", 2, 0, HASH, HASH, 0, 3) + b"\1a\5\1a\6")), Counts,
        r"a map has a key twice;.*found 'a'",
    ),
    "fewer buckets than chunks": (one(b"", listed(bytes(4), b"")), Counts, "fewer buckets"),
    "children of a bucket": (
        one(b"", lambda w: w.chunk(b"\1\0\0\0", [w.chunk(BUCKET + b"\1a\5", [w.chunk(b"")])])), Counts,
        "another number of children",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_crate_does_not_write_is_refused(name: str) -> None:
    data, kind, message = REFUSED[name]
    with pytest.raises(CorruptionError, match=message):
        rust.load(data, kind)


def test_an_error_says_where() -> None:
    path = golden.HERE / "world-0.6.1.par"
    data = path.read_bytes()
    at = data.index(b"flooded")
    with pytest.raises(CorruptionError) as caught:
        rust.load(data[:at] + b"\xff" + data[at + 1 :], World)
    message = (
        "World.settings.history[1]: a text is not UTF-8; the file is damaged, or Rust's type is another one than World"
    )
    assert str(caught.value).startswith(message)
    assert caught.value.offset == at - 1 and caught.value.found == b"\xffloo"
    with pytest.raises(InputError, match=r"^World.players\[1\]: level: .* less than 1000, not 4000000000"):
        rust.load(data, limited())
    with pytest.raises(InputError, match=f"^{path}: World.players"):
        rust.load(path, limited())
    packed = (golden.HERE / "world-lz4-0.6.1.par").read_bytes()
    with pytest.raises(
        CorruptionError, match=r"^World.settings.b: .*, in byte 1 of a chunk's content; .*at offset \d+"
    ):
        rust.load(packed, changed_world(settings=Pair))


def changed_world(**fields: Any) -> Any:
    marked = {name: Chunk() for name in fields}
    return type("World", (World,), {"__annotations__": fields, "__module__": __name__, **marked})


def limited() -> Any:
    class Limited(Model):
        level: Annotated[int, U32] = Field(lt=1000)
        inventory: list[Annotated[int, U16]] = Chunk()
        name: str

    return changed_world(players=list[Limited])


def test_what_is_no_file_of_the_crate(tmp_path: Path) -> None:
    whole = one(b"\1\1")
    assert rust.load(whole, Pair) == Pair(a=1, b=True)
    for data in (
        b"",
        b"PAR4",
        whole + b"\0",
        b"PAR5" + whole[4:-26] + b"PAR5" + whole[-22:],
        parcode_orm.dumps(Pair(a=1, b=True)),
    ):
        with pytest.raises(NotAParcodeFile, match="does not end with the footer"):
            rust.load(data, Pair)
    with pytest.raises(UnsupportedVersion, match="version 5"):
        rust.load(whole[:-22] + b"\5" + whole[-21:], Pair)
    with pytest.raises(UnsupportedVersion, match="compression 2"):
        rust.load(b"\1\1\4" + whole[3:], Pair)
    with pytest.raises(CorruptionError, match="unknown bits"):
        rust.load(b"\1\1\x10" + whole[3:], Pair)
    with pytest.raises(CorruptionError, match="last field is not 0"):
        rust.load(whole[:-1] + b"\1", Pair)
    with pytest.raises(CorruptionError, match="do not lie side by side"):
        rust.load(whole[:3] + b"\0" + whole[3:], Pair)
    with pytest.raises(TruncatedError, match="out of the file"):
        rust.load(whole[1:], Pair)
    (tmp_path / "empty").touch()
    with pytest.raises(NotAParcodeFile, match="empty"):
        rust.load(tmp_path / "empty", Pair)
    with pytest.raises(FileMissingError):
        rust.load(tmp_path / "none", Pair)
    with pytest.raises(NotAFileError):
        rust.load(tmp_path, Pair)
    with pytest.raises(TypeError, match="path is a str"):
        rust.load(5, Pair)  # type: ignore[arg-type]


def test_chunks_that_are_no_tree_are_refused() -> None:
    writer = Writer()
    leaf = writer.chunk(b"x")
    for level in range(40):  # each refers to the one before it twice: 2**40 ways
        leaf = writer.chunk(bytes([level]), [leaf, leaf])
    with pytest.raises(CorruptionError, match="chunks overlap"):
        rust.load(writer.done(leaf), Pair)
    with pytest.raises(CorruptionError, match="behind its parent"):
        rust.load(one(b"", lambda w: (0, 22)), Pair)
    writer = Writer()
    leaf = writer.chunk(b"")
    for _ in range(chunks.DEPTH):
        leaf = writer.chunk(b"", [leaf])
    with pytest.raises(CorruptionError, match="more than 200 chunks"):
        rust.load(writer.done(leaf), Pair)


def test_blocks_of_lz4_are_checked() -> None:
    def packed(payload: bytes) -> bytes:
        return payload + b"\2" + of.footer(0, len(payload) + 1)

    assert rust.load(packed(b"\2\0\0\0\x20\1\1"), Pair) == Pair(a=1, b=True)
    for payload, message in {
        b"\2\0": "has no size",
        b"\xff\xff\xff\xff\x20\1\1": "larger than LZ4 can make it",
        b"\3\0\0\0\x20\1\1": "another size",
        b"\2\0\0\0\xff": "no block of LZ4",
    }.items():
        with pytest.raises(CorruptionError, match=message):
            rust.load(packed(payload), Pair)


class Nested(BaseModel):
    inner: list[Nested]


def test_values_lie_in_each_other_as_deep_as_is_allowed() -> None:
    class Root(Model):
        of: Nested

    assert rust.load(one(b"\1" * cursor.DEPTH + b"\0"), Root).of.inner
    for depth in (cursor.DEPTH + 1, 100_000):
        with pytest.raises(CorruptionError, match=r"^Root.of.inner\[0\].*more than 100 values"):
            rust.load(one(b"\1" * depth + b"\0"), Root)


def test_structs_in_chunks_hold_themselves() -> None:
    class Node(Model):
        name: str
        below: list[Node] = Chunk()

    writer = Writer()
    leaf = writer.list([b"\1c"], [1], [[writer.list([], [])]])
    middle = writer.list([b"\1b"], [1], [[leaf]])
    found = rust.load(writer.done(writer.chunk(b"\1a", [middle])), Node)
    assert found == Node(name="a", below=[Node(name="b", below=[Node(name="c", below=[])])])


class Hue(enum.Enum):
    RED = 1
    BLUE = 2


class Spot(NamedTuple):
    x: Annotated[int, U8]
    name: str


@dataclasses.dataclass
class Place:
    at: Annotated[int, U8]


Level = NewType("Level", int)
Small = Annotated[int, U8]


class Everything(Model):
    model_config = ConfigDict(strict=True)
    hue: Annotated[Hue, Variants(Hue.BLUE, Hue.RED)]
    size: Literal["s", "m"]
    spot: Spot
    place: Place
    level: Annotated[Level, U16]
    nothing: None
    tags: frozenset[Small]
    born: Annotated[datetime, As(str), Field(strict=False)]
    key: Annotated[UUID, As(bytes), Field(strict=False)]
    wrapped: RootModel[list[Small]]
    renamed: Small = Field(alias="hue2")
    other: Annotated[Place | Spot | None, Variants(None, Place, Spot)]


def test_what_types_may_stand_in_a_model() -> None:
    born, key = datetime(2024, 5, 2, 12), UUID(int=7)
    text = born.isoformat().encode()
    payload = b"\0\1\5\1n\6\xfb\0\4\2\1\2" + varint(len(text)) + text + b"\x10" + key.bytes + b"\1\x09\3\2\4\1z"
    found = rust.load(one(payload), Everything)
    assert (found.hue, found.size, found.spot, found.place) == (Hue.BLUE, "m", (5, "n"), Place(6))
    assert (found.level, found.nothing, found.tags) == (1024, None, {1, 2})
    assert (found.born, found.key, found.wrapped.root, found.renamed, found.other) == (born, key, [9], 3, (4, "z"))
    assert type(found.spot) is Spot and type(found.other) is Spot


UNCLEAR: dict[str, tuple[Any, str]] = {
    "an int": (int, r"Unclear.x: the file does not say how wide an int is.*Annotated\[int, U32\]"),
    "an int in a list": (list[int], "how wide an int is"),
    "a union": (int | str, "which variants an enum has"),
    "a bare list": (list, "what a collection has"),
    "a bare tuple": (tuple, "what a tuple has"),
    "a bare dict": (dict, "has no form|what"),
    "a datetime": (datetime, r"has no form in a file of the Rust crate.*As\(str\)"),
    "two hints": (Annotated[int, U8, I8], "one hint, not U8 and I8"),
    "a hint around an Option": (Annotated[int | None, U8], "U8 is no hint for"),
    "a hint for another type": (Annotated[str, U8], "U8 is no hint for"),
    "an array of a map": (Annotated[dict[str, str], Array(2)], "is for bytes, list"),
    "keys that are no keys": (dict[tuple[list[str], bool], bool], "cannot be a key"),
    "a set of models": (set[Nested], "cannot be a key"),
    "two values for a variant": (Annotated[Any, Variants(Literal[1, 2])], "is one value"),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_a_type_that_leaves_something_open_is_refused(name: str) -> None:
    annotation, message = UNCLEAR[name]
    model = type("Unclear", (BaseModel,), {"__annotations__": {"x": annotation}, "__module__": __name__})
    with pytest.raises(UnsupportedTypeError, match=message):
        rust.load(b"", model)


def test_chunks_of_their_own_have_what_the_crate_gives_them() -> None:
    class Optional(Model):
        x: str | None = Chunk()

    with pytest.raises(UnsupportedTypeError, match="a chunk of its own"):
        rust.load(b"", Optional)
    with pytest.raises(TypeError, match=r"a class of parcode_orm\.Model"):
        rust.convert(b"", Nested, "out.par")  # type: ignore[type-var]
    with pytest.raises(ValueError, match="0 or more"):
        Array(-1)
    with pytest.raises(ValueError, match="needs the variants"):
        Variants()
    assert [repr(each) for each in (U64, Char, rust.F32, Variants(None))] == ["U64", "Char", "F32", "Variants(None)"]
    assert (hints.I8.low, hints.I8.high, hints.U128.high) == (-128, 127, 2**128 - 1)


def test_a_set_or_an_enum_that_rust_does_not_write() -> None:
    for payload, kind, message in (
        (b"\2\1\1", set[Small], "a set has an item twice"),
        (b"\2", Hue, r"no such variant;.*expected 'below 2', found 2"),
        (b"\2", Small | None, "begins with 0 or 1"),
        (b"\xc3(", Annotated[str, Char], "a char is not UTF-8"),
        (b"\1", dict[tuple[None], tuple[None]], "no bytes"),
    ):
        model = type("Root", (BaseModel,), {"__annotations__": {"x": kind}, "__module__": __name__})
        with pytest.raises(CorruptionError, match=f"^Root.x.*{message}"):
            rust.load(one(payload), model)


def test_keys_with_enums_are_not_checked_by_their_hash() -> None:
    assert keys.hash_of(types.resolved(tuple[Small, Hue], "x")) is None
    found = keys.hash_of(types.resolved(tuple[Small, bool], "x"))
    assert found is not None and found((7, True)) == of.pair(of.integer("U8"), of.KEYS[10]).hash((7, True))
    assert values.text is types.SIMPLE[str]


@pytest.mark.skipif(shutil.which("cargo") is None, reason="cargo is not installed")
def test_files_that_the_crate_writes_now(length: float, tmp_path: Path) -> None:
    if not length:
        pytest.skip("compiles the crate: --torture 1 runs it")
    for version in golden.VERSIONS:
        golden.write(tmp_path, version)
    written = sorted(tmp_path.iterdir())
    assert len(written) == len(golden.VERSIONS) * len(CONTENT)
    for path in written:
        kind, value = content(path)
        assert rust.load(path, kind) == value
