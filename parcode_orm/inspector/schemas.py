"""The stored schemas of a commit, read when a row group or a subclass asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from ..codec.stored import Parts, Schema, parts_of
from ..errors import ParcodeError
from ..format.catalog import CatalogData
from ..format.chunk import Chunk
from ..format.layout import Reference
from ..model.entity_names import SUFFIX

Read = Callable[[Reference], Chunk]
Known = dict[str, bytes | ParcodeError]
"""The bytes of schemas by fingerprint, or why they cannot be read."""


class Schemas:
    """What the schemas that a catalog names say of row groups, by fingerprint. Damaged ones say nothing."""

    def __init__(self, catalog: CatalogData, read: Read, known: Known) -> None:
        self._catalog = catalog
        self._read = read
        self._data = known
        self._rows: dict[tuple[str, int], tuple[Schema, ...] | None] = {}
        self._classes: dict[tuple[str, str], Schema | None] = {}
        self._renamed = bool(catalog.renames)

    def rows(self, name: str, fingerprint: int) -> tuple[Schema, ...] | None:
        """The schemas of the columns of a row group below the root `name`: of the items, or of keys and items."""
        key = name, fingerprint
        if key not in self._rows:
            self._rows[key] = next(
                (found for data in self._of(name) if (found := _parts(data).groups.get(fingerprint)) is not None), None
            )
        return self._rows[key]

    def is_newest(self, name: str, fingerprint: int) -> bool:
        """Whether the schema that wrote the root last has such row groups."""
        data = self.data(self._catalog.writers.get(name, ""))
        return data is not None and fingerprint in _parts(data).groups

    def subclass(self, name: str, fingerprint: str) -> Schema | None:
        """The schema of a class of this fingerprint below the root `name`."""
        key = name, fingerprint
        if key not in self._classes:
            self._classes[key] = next(
                (each for data in self._of(name) if (each := _parts(data).fingerprints.get(fingerprint))), None
            )
        return self._classes[key]

    def renamed(self, cls: str, field: str) -> str:
        """What a field is called after the migrations of the file."""
        if self._renamed:
            for of, old, new in self._catalog.renames:
                if not of and old == cls:
                    cls = new
                elif of == cls and old == field:
                    field = new
        return field

    def data(self, fingerprint: str) -> bytes | None:
        """The bytes of a schema; None if it is missing or damaged."""
        if fingerprint not in self._catalog.schemas:
            return None
        try:
            return self.stored(fingerprint)
        except ParcodeError:  # the walk meets the chunk as well, and tells
            return None

    def stored(self, fingerprint: str) -> bytes:
        """The bytes of a schema, read once.

        Raises:
            CorruptionError: it is damaged.
        """
        found = self._data.get(fingerprint)
        if found is None:
            try:
                found = bytes(self._read(self._catalog.schema(fingerprint)).read(0))
            except ParcodeError as problem:
                found = problem
            self._data[fingerprint] = found
        if isinstance(found, ParcodeError):
            raise found
        return found

    def _of(self, name: str) -> Iterator[bytes]:
        """The schema that wrote a root last, and then all others."""
        writer = self._catalog.writers.get(name, "")
        for each in [writer, *(other for other in self._catalog.schemas if other != writer)]:
            data = self.data(each)
            if data is not None:
                yield data


def _parts(data: bytes) -> Parts:
    try:
        return parts_of(data)
    except ParcodeError:
        return Parts({}, {})


def classes_in(data: bytes) -> tuple[str, ...]:
    """The names of the classes that a schema describes, without the tables and runs of entities."""
    try:
        names = msgspec.json.decode(data, type=_Names).structs
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    entities = [name.removesuffix(SUFFIX) for name in names if name.endswith(SUFFIX)]
    inner = tuple(f"{name}." for name in entities)
    return tuple(name for name in names if not name.endswith(SUFFIX) and not (inner and name.startswith(inner)))


class _Names(msgspec.Struct):
    structs: dict[str, msgspec.Raw] = {}
