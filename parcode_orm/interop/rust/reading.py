"""`load`, `stream` and `convert`: a file of the Rust crate as objects, item by item, and as a file of ours."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeVar, overload

from pydantic import BaseModel

from ...codec.bulk import gc_paused
from ...errors import UnsupportedTypeError, told
from ...model.base import Model
from ...session.files import save
from .chunks import Chunk, opened
from .cursor import reported
from .nodes import List, Node, Nodes, Struct
from .types import resolved

T = TypeVar("T")
M = TypeVar("M", bound=Model)
Source = str | os.PathLike[str] | bytes


@overload
def load(path: Source, model: type[T]) -> T: ...
@overload
def load(path: Source, model: Any) -> Any: ...
def load(path: Source, model: Any) -> Any:
    """The root of a file of the Rust crate `parcode`, 0.3.1 to 0.6.1, whole.

    `model` is the root's type. Its fields stand in the order of the Rust struct. `Chunk()` stands for `chunkable` and
    `ShardedMap()` for `map`. `Annotated[int, U32]` and other hints say what the file does not. Objects are validated.

    Args:
        path: the file, or its bytes.
        model: a `Model`, or another type that a root may have, such as `list[Player]` and `dict[str, Player]`.

    Raises:
        UnsupportedTypeError: the type leaves open what the bytes are; the message names the field and the hint.
        CorruptionError: bytes do not fit the type, or are damaged; with the path to the value, and the offset.
        InputError: the model's own checks refuse a value.
        NotAParcodeFile, UnsupportedVersion: it is no such file, or a chunk is compressed by something else than LZ4.
        StorageError: the file cannot be read.
    """
    name, node, root, where = _prepared(path, model, "load(path, model)")
    with reported(name, where), gc_paused():
        return node.load(root)


def stream(path: Source, model: Any) -> Iterator[Any]:
    """The items of a file whose root is a list, one by one, with a part of the list in memory.

    Args:
        path: the file, or its bytes.
        model: a type as `list[Player]`.

    Raises:
        UnsupportedTypeError: it is another type, or as `load`.
        CorruptionError and others: as `load`; while items are taken.
    """
    name, node, root, where = _prepared(path, model, "stream(path, model)")
    if not isinstance(node, List):
        raise UnsupportedTypeError(f"stream(path, model): a model is a type as list[Player], not {told(model)}")
    return _reported(name, where, node.stream(root))


def convert(
    path: Source,
    model: type[Model],
    out: str | os.PathLike[str],
    *,
    compression: str | None = None,
    durability: Literal["full", "fast"] = "full",
) -> None:
    """Write the root of a file of the Rust crate as the root of a new file, which takes the place of `out` at once.

    Lists and maps in marked fields of the root, and of the structs in its marked fields, go over part by part, so the
    file may be larger than memory. Nothing is written if anything fails.

    Args:
        path: the file, or its bytes.
        model: as for `load`.
        out: as the path of `save`.
        compression: as for `save`.
        durability: as for `save`.

    Raises:
        UnsupportedTypeError, CorruptionError and others: as `load`.
        EncodeError, LockedError, StorageError: as `save`.
    """
    with streamed(path, model, "convert(path, model, out)") as found:
        save(out, found, compression=compression, durability=durability)


@contextmanager
def streamed(path: Source, model: Any, call: str) -> Iterator[Any]:
    """The root for a block that stores it, with iterators in its lists and maps.

    Raises:
        TypeError: `model` is no `Model`.
        UnsupportedTypeError, CorruptionError and others: as `load`.
    """
    if not (isinstance(model, type) and issubclass(model, Model)):
        raise TypeError(f"{call}: the model is a class of parcode_orm.Model, not {told(model)}")
    name, node, root, where = _prepared(path, model, call)
    with reported(name, where):
        yield node.streamed(root) if isinstance(node, Struct) else node.load(root)


def _reported(name: str, where: str, items: Iterator[Any]) -> Iterator[Any]:
    with reported(name, where):
        yield from items


def _prepared(path: Source, model: Any, call: str) -> tuple[str, Node, Chunk, str]:
    """What the root is called, what reads it, its chunk, and the path of the file."""
    name = model.__name__ if isinstance(model, type) and issubclass(model, BaseModel) else "root"
    node = Nodes().node(resolved(model, name))
    root = opened(path, call)
    return name, node, root, root.file.path
