"""One value of a file, printed for people."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import BaseModel

from ..errors import ParcodeError
from ..inspector.paths import Found
from ..lazy.base import LazyBase
from ..lazy.list import LazyList
from ..lazy.map import LazyMap
from ..lazy.shown import Shown, why
from ..lazy.state import MISSING, field_value
from ..model.arrays import LazyArray
from ..model.blobs import LazyBytes, LazyText
from ..model.keys import key_fields
from ..model.kinds import fields_of
from .app import say
from .tables import cell, print_rows

TEXT = 20_000  # characters of a text that is shown
BYTES = 256  # of a value that is shown
LINE = 16  # bytes a line


def print_value(found: Found, limit: int) -> None:
    """Print a value: an object as a table of its fields, a collection as one of its first rows."""
    value = found.value
    names = field_names(value, found.type)
    if isinstance(value, LazyMap | LazyList):
        print_items(value, limit, found.first)
    elif names:
        print_rows(["field", "value"], [(name, shown_field(value, name)) for name in names])
    elif isinstance(value, Mapping | list | tuple | set | frozenset):
        print_items(value, limit, found.first)
    elif isinstance(value, str | LazyText):
        print_text(value)
    elif isinstance(value, bytes | bytearray | LazyBytes):
        print_bytes(value, found.first)
    else:
        say(repr(value) if isinstance(value, LazyArray) else cell(value))


def field_names(value: Any, tp: Any = Any) -> list[str]:
    """The names of the fields of an object; none for any other value."""
    if isinstance(value, BaseModel):
        return [*value.__class__.__pydantic_fields__, *(value.model_extra or {})]
    fields = fields_of(tp if type(value) is dict else type(value))
    return [name for name in fields or () if type(value) is not dict or name in value]


def shown_field(obj: Any, name: str) -> Any:
    """A field of an object; what shows it where it is large, is not there, or cannot be read."""
    try:
        if isinstance(obj, dict):
            return obj[name]
        if not isinstance(obj, BaseModel) or name not in obj.__class__.__pydantic_fields__:
            return getattr(obj, name, Shown(""))
        large = obj._p_large_(name) if isinstance(obj, LazyBase) else None
        value = field_value(obj, name) if large is None else large
    except ParcodeError as problem:
        return Shown(f"<{why(problem)}>")
    return Shown("") if value is MISSING else value


def print_items(values: Any, limit: int, first: int) -> None:
    """Print the first items of a collection, with their keys or positions; objects with a column a field.

    A part of a list begins at the position `first` of the list. Entities show their keys among their fields.
    """
    keyed = isinstance(values, Mapping)
    pairs = list(islice(values.items() if keyed else enumerate(values, first), limit))
    names = list(dict.fromkeys(name for _, item in pairs for name in field_names(item)))
    if names and all(isinstance(item, BaseModel) for _, item in pairs):
        rows: Iterable[Sequence[Any]] = [(key, *(shown_field(item, name) for name in names)) for key, item in pairs]
    else:
        names, rows = ["value"], pairs
    names = ["key" if keyed else "#", *names]
    if pairs and keyed and all(key == key_of(item) for key, item in pairs):
        names, rows = names[1:], [row[1:] for row in rows]
    count = print_rows(names, rows)
    say_count(count, len(values))


def key_of(item: Any) -> Any:
    """The key of an entity, as `get` takes it; MISSING for any other value."""
    fields = key_fields(type(item)) if isinstance(item, BaseModel) else ()
    found = tuple(shown_field(item, name) for name in fields)
    return found[0] if len(found) == 1 else found or MISSING


def say_count(count: int, total: int | None) -> None:
    """Say how many rows were printed, and of how many."""
    of = f" of {total:,}" if total is not None and total > count else ""
    say(f"{count:,}{of} row{'s' * ((total or count) != 1)}")


def print_text(value: Any) -> None:
    """Print a text as it is, or its beginning."""
    say(value[:TEXT])
    if len(value) > TEXT:
        say(f"… {len(value) - TEXT:,} more characters")


def print_bytes(value: Any, first: int) -> None:
    """Print the first bytes as numbers and characters; they stand at `first` of the value."""
    for at in range(0, min(len(value), BYTES), LINE):
        line = bytes(value[at : min(at + LINE, BYTES)])
        text = "".join(chr(each) if 32 <= each < 127 else "." for each in line)
        say(f"{first + at:08x}  {line.hex(' '):{3 * LINE - 1}}  {text}")
    if len(value) > BYTES or not value:
        say(f"{len(value):,} bytes" + f", {BYTES} shown" * (len(value) > BYTES))
