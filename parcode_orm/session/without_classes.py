"""Files opened without their classes: classes made of the stored schemas, and what `parcode_orm.schema` says."""

from __future__ import annotations

import os
from collections.abc import Callable, Container, Iterator, Mapping
from functools import lru_cache, partial
from typing import Any, TypeVar

from ..codec.stored import Schema, believed, parsed
from ..errors import CorruptionError, NoResultFound, ParcodeError, SchemaError, told
from ..model.entities import table_class
from ..model.entity_names import SUFFIX
from ..model.generated import Generated
from ..storage.mapped import Source
from ..storage.paths import AnyPath, Content, is_remote
from .described import FileSchema

T = TypeVar("T")


def schemas_in(source: Source) -> dict[str, Schema | ParcodeError]:
    """The schema that wrote each root last, by the name of the root; in place of a damaged one, why."""
    return {name: _tried(lambda name: parsed(_stored(source, name)), name) for name in sorted(source.catalog.roots)}


def _stored(source: Source, name: str) -> bytes:
    catalog = source.catalog
    writer = catalog.writers.get(name)
    if writer is None:
        raise CorruptionError(f"the catalog does not say which schema wrote the root {name}", path=source.path or "")
    return bytes(source.chunk(catalog.schema(writer)).buffer(0))


def _tried(read: Callable[[str], T], name: str) -> T | ParcodeError:
    try:
        return read(name)
    except ParcodeError as problem:
        return problem


class Models(Mapping[str, type[object]]):
    """Classes for the roots and entities of a file, by name; each is made when it is asked for.

    `Player[]` is the name of the entities of `Player`. Without a root of that name, they have the short name.
    """

    def __init__(self, stored: dict[str, bytes | ParcodeError]) -> None:
        self._stored = stored
        self._names = {short_name(name, stored): name for name in stored}

    def __getitem__(self, name: str) -> type:
        """The class of a root, or of entities.

        Raises:
            KeyError: the file has neither of this name.
            SchemaError: no class can be made of the stored schema.
            CorruptionError: the stored schema is damaged.
        """
        full = self._names.get(name, name)
        data = self._stored[full]
        if isinstance(data, ParcodeError):
            raise data
        found: type = _class_of(data, full.endswith(SUFFIX))
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<Models {', '.join(self._names)}>"


def short_name(name: str, names: Container[str]) -> str:
    """What a root is called among `names`: entities by the name of their class, unless a root has that."""
    bare = name.removesuffix(SUFFIX)
    return name if bare != name and bare in names else bare


def models_of(source: Source | None) -> Models:
    """Classes for the roots and entities of a file, by their names."""
    if source is None:
        return Models({})
    return Models({name: _tried(partial(_stored, source), name) for name in sorted(source.catalog.roots)})


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


def model_named(source: Source, name: str) -> type:
    """The class made for a stored root.

    Raises:
        SchemaError: none can be made of the stored schema.
        CorruptionError: that is damaged.
    """
    found: type = _class_of(_stored(source, name), False)
    return found


def stored_class(source: Source, name: str) -> type:
    """The class made for a stored root; for entities, that of their table. Raises as `model_named`."""
    is_table = name.endswith(SUFFIX)
    found: type = _class_of(_stored(source, name), is_table)
    return table_class(found) if is_table else found


def schema(path: AnyPath | Content) -> FileSchema:
    """What a file says about the classes of its newest commit.

    Args:
        path: a file's path, a URL or a `Remote` of a file elsewhere, the bytes of a file, or a binary file object.

    Returns:
        JSON Schema, a dict: `"$defs"` has each class, `"roots"` and `"entities"` name those stored, and `"damaged"`, if
        there are such, those whose schemas cannot be read, with the reason. Its method `source()` gives the classes as
        Python source.

    Raises:
        NotAParcodeFile, UnsupportedVersion, CorruptionError: the file cannot be read.
        StorageError: the path cannot be opened.
    """
    if is_remote(path):
        from ..storage.remote import open_remote

        source: Source = open_remote(path)
    else:
        given: Any = path
        source = Source.open(os.fspath(given) if hasattr(given, "__fspath__") else given)
    try:
        found = schemas_in(source)
        damaged = {name: str(each) for name, each in found.items() if isinstance(each, ParcodeError)}
        with believed():
            return FileSchema({name: each for name, each in found.items() if isinstance(each, Schema)}, damaged)
    finally:
        source.close()
