"""docs/format.md and the code say the same: each would otherwise drift from the other."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path
from struct import Struct, calcsize

import pytest

from parcode_orm.codec.columns import convert, struct
from parcode_orm.codec.packed import extensions
from parcode_orm.format import compression, layout
from parcode_orm.format.commit import Record
from parcode_orm.format.superblock import Superblock

PAGE = (Path(__file__).parents[2] / "docs" / "format.md").read_text("utf-8")


def rows(heading: str) -> list[list[str]]:
    """The cells of the first table below a heading, without backquotes."""
    section = re.split(rf"^#+ `?{re.escape(heading)}`?.*$", PAGE, maxsplit=1, flags=re.M)[1]
    table = re.search(r"^\|.*?(?:\n(?!\|)|\Z)", section, re.M | re.S)
    assert table
    lines = [line for line in table[0].splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines[2:]]


def fields(struct: Struct) -> list[int]:
    """The sizes of a struct's fields, padding among them."""
    tokens = re.findall(r"(\d*)([a-zA-Z])", struct.format.lstrip("<"))
    sizes = []
    for count, code in tokens:
        if code in "sx":
            sizes.append(int(count or 1))
        else:
            sizes += [calcsize("<" + code)] * int(count or 1)
    return sizes


STRUCTS = [name for name, value in vars(layout).items() if isinstance(value, Struct)]
NAMES = {
    "SUPERBLOCK": Superblock._fields,
    "RECORD": Record._fields,
    "REFERENCE": layout.Reference._fields,
    "NODE": layout.Node._fields,
}


@pytest.mark.parametrize("name", STRUCTS)
def test_struct(name: str) -> None:
    struct = getattr(layout, name)
    table = rows(name)
    assert [int(size) for _, size, *_ in table] == fields(struct)
    position = 0
    for offset, size, *_ in table:
        assert int(offset) == position
        position += int(size)
    assert position == struct.size
    if name in NAMES:
        named = [row[2] for row in table if row[2] not in ("magic", "reserved")]
        if name in ("SUPERBLOCK", "RECORD"):  # their checksums are no fields of the tuples
            assert named.pop() == "checksum"
        assert named == list(NAMES[name])


@pytest.mark.parametrize("enum", [layout.Kind, layout.Encoding, layout.NodeFlag, layout.RecordFlag])
def test_enum(enum: type[layout.Kind]) -> None:
    assert [(int(value), name) for value, name, *_ in rows(enum.__name__)] == [(int(e), e.name) for e in enum]


def test_compressions() -> None:
    built_in = {id: method.name for id, method in compression._by_id.items() if id < compression.FIRST_OF_USERS}
    assert {int(value): name for value, name, *_ in rows("Compression")} == {0: "none", **built_in}


@pytest.mark.parametrize("row", rows("Constants"), ids=lambda row: row[0])
def test_constant(row: list[str]) -> None:
    value = getattr(layout, row[0])
    assert (bytes.fromhex(row[1]) if isinstance(value, bytes) else int(row[1], 0)) == value


def test_no_constant_is_missing() -> None:
    plain = {name for name, value in vars(layout).items() if name.isupper() and isinstance(value, int | bytes)}
    assert plain == {row[0] for row in rows("Constants")}


@pytest.mark.parametrize("row", rows("Limits"), ids=lambda row: row[0])
def test_limit(row: list[str]) -> None:
    module, _, name = row[0].partition(".")
    assert getattr(import_module(f"parcode_orm.format.{module}"), name) == int(row[1])


@pytest.mark.parametrize("row", rows("Sizes"), ids=lambda row: row[0])
def test_size(row: list[str]) -> None:
    module, _, name = row[0].rpartition(".")
    assert getattr(import_module(f"parcode_orm.{module}"), name) == int(row[1])


def test_parts_of_a_struct() -> None:
    assert [(int(value), name) for value, name, *_ in rows("Parts of a struct")] == [
        (getattr(struct, name), name) for name in ("SETS", "MISSING", "EXTRA", "PRIVATE", "UNDECLARED")
    ]


def test_stored_forms() -> None:
    found = {name: form.partition(":")[0] for name, form in rows("Stored forms")}
    assert {name: eval(form) for name, form in found.items()} == {each.name: each.inner for each in convert.CONVERSIONS}


def test_packed_values() -> None:
    assert {name: int(code) for code, name, _ in rows("Packed values")} == extensions.CODES
