"""Files opened without their classes: classes made of the stored schemas, and what `parcode_orm.schema` says."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Any, BinaryIO

from ..codec.stored import Schema, believed, parsed
from ..errors import CorruptionError, NoResultFound, SchemaError, told
from ..model.entities import SUFFIX
from ..model.generated import Generated
from ..storage.mapped import Source
from .described import FileSchema


def schemas_in(source: Source) -> dict[str, Schema]:
    """The schema that wrote each root last, by the name of the root.

    Raises:
        CorruptionError: the catalog does not name it.
    """
    return {name: parsed(data) for name, data in _stored(source).items()}


def _stored(source: Source) -> dict[str, bytes]:
    catalog = source.catalog
    found = {}
    for name in sorted(catalog.roots):
        writer = catalog.writers.get(name)
        if writer is None:
            raise CorruptionError(
                f"the catalog does not say which schema wrote the root {name}", path=source.path or ""
            )
        found[name] = bytes(source.chunk(catalog.schema(writer)).buffer(0))
    return found


def models_of(source: Source | None) -> dict[str, type[Any]]:
    """Classes for the roots and entities of a file, by their names."""
    stored = {} if source is None else _stored(source)
    return {name.removesuffix(SUFFIX): _class_of(data, name.endswith(SUFFIX)) for name, data in stored.items()}


@lru_cache(64)
def _class_of(data: bytes, is_table: bool) -> Any:
    made = Generated(parsed(data))
    try:
        return made.entity() if is_table else made.root()
    except Exception as problem:
        raise SchemaError(f"no class can be made of a stored schema: {problem}") from problem


def root_named(names: list[str], name: str | None) -> str:
    """The name of a root, of the only one where no name is given. `names` are those of all roots.

    Raises:
        NoResultFound: there is no such root, or not exactly one.
    """
    roots = [each for each in names if not each.endswith(SUFFIX)]
    if name is None and len(roots) == 1:
        return roots[0]
    if name is None or name not in roots:
        asked = "root() without a class or a name" if name is None else f"no root of type {told(name)}"
        raise NoResultFound(f"{asked}: the file holds {', '.join(roots) or 'no root'}")
    return name


def model_named(source: Source | None, name: str) -> type[Any]:
    """The class made for a stored root."""
    stored = {} if source is None else _stored(source)
    found: type[Any] = _class_of(stored[name], False)
    return found


def schema(path: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO) -> FileSchema:
    """What a file says about the classes of its newest commit.

    Args:
        path: a file's path, the bytes of a file, or a binary file object.

    Returns:
        JSON Schema, a dict: `"$defs"` has each class, `"roots"` and `"entities"` name those stored. Its method
        `source()` gives the classes as Python source.

    Raises:
        NotAParcodeFile, UnsupportedVersion, CorruptionError: the file cannot be read.
        StorageError: the path cannot be opened.
    """
    source = Source.open(os.fspath(path) if hasattr(path, "__fspath__") else path)
    try:
        with believed():
            return FileSchema(schemas_in(source))
    finally:
        source.close()
