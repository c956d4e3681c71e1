"""The schemas of a file's commit, and the columns that read rows of each as today's classes have them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..codec.base import Column
from ..codec.evolution import packed as packed  # it reads packed objects of classes that changed
from ..codec.evolution.lost import Known
from ..codec.evolution.resolve import Resolver
from ..codec.schema import known
from ..codec.stored import Schema, believed, parts_of
from ..errors import SchemaMismatchError
from ..format.layout import Reference
from ..storage.mapped import Source

REMEMBERED = 16
_known: dict[tuple[object, ...], Schemas] = {}


class Schemas:
    """The stored schemas of a commit, which its row groups and subclasses name."""

    def __init__(self, schemas: Mapping[str, bytes], renames: Sequence[tuple[str, str, str]]) -> None:
        self._names = list(schemas)
        self._parts = list(map(parts_of, schemas.values()))
        self._versions: dict[str, list[tuple[str, Schema]]] | None = None
        self._resolver = Resolver(renames)
        self._columns: dict[tuple[int | str, tuple[int, ...]], tuple[Sequence[Column], Sequence[Column]]] = {}

    def stored(self, name: int | str) -> tuple[Schema, ...] | None:
        """The schemas of the columns of a row group, or of a class by its fingerprint; None if they are not there."""
        for parts in self._parts:
            found = parts.groups.get(name) if isinstance(name, int) else None
            if found is not None:
                return found
            if isinstance(name, str) and name in parts.fingerprints:
                return (parts.fingerprints[name],)
        return None

    def versions(self) -> dict[str, list[tuple[str, Schema]]]:
        """The schemas of each class that was written as a root or where its base stands, the oldest first."""
        if self._versions is None:
            found: dict[str, list[tuple[str, Schema]]] = {}
            with believed():
                for name, parts in zip(self._names, self._parts, strict=True):
                    schema = parts.fingerprints.get(name)
                    if schema is not None and isinstance(schema.root, dict) and "struct" in schema.root:
                        found.setdefault(schema.struct()["struct"], []).append((name, schema))
            self._versions = found
        return self._versions

    def upgraded(self, name: int | str, today: Sequence[Column]) -> Sequence[Column]:
        """The columns that read rows of the schema `name` as those of today's columns.

        Raises:
            SchemaMismatchError: it is not there, or of another kind of table, or a migration must say how.
        """
        key = name, tuple(map(id, today))
        found = self._columns.get(key)
        if found is None:
            stored = self.stored(name)
            if stored is None or len(stored) != len(today):
                shown = f"{name:016x}" if isinstance(name, int) else name
                raise SchemaMismatchError(
                    f"rows were written with schema {shown}, which the file does not have: read them with the class "
                    "that wrote them"
                )
            with believed():
                columns = self._resolver.columns(stored, today)
            found = self._columns.setdefault(key, (columns, today))
        return found[0]


def reads(source: Source, name: str, column: Column) -> bool:
    """Whether `column` can read all rows of a root, as far as the schema that wrote it last says. No row is read."""
    writer = source.catalog.writers.get(name, "")
    stored = schemas_of(source).stored(writer)
    if stored is None or writer == known(column).long:
        return True  # reading says what is wrong
    resolver = Resolver(source.catalog.renames)
    try:
        with believed():
            resolver.columns(stored, (column,))
            resolver.complete()
    except SchemaMismatchError:
        return False
    return not resolver.unbuilt()


def subclasses_known(source: Source) -> Known | None:
    """What the newest versions of subclasses know that stand where their bases do; None where none has several."""
    catalog = source.catalog
    if len(catalog.schemas) <= len(catalog.writers):  # roots alone
        return None
    versions = schemas_of(source).versions()
    several = any(len(each) > 1 for name, each in versions.items() if name not in catalog.writers)
    return Known(None, versions) if several else None


def schemas_of(source: Source) -> Schemas:
    """The schemas of the commit that `source` reads."""
    catalog = source.catalog
    key = *catalog.schemas, "", *catalog.renames
    found = _known.pop(key, None)
    if found is None:
        refs = {name: ref for name, ref in catalog.schemas.items() if isinstance(ref, Reference)}
        found = Schemas({name: bytes(source.chunk(ref).buffer(0)) for name, ref in refs.items()}, catalog.renames)
    _known[key] = found
    while len(_known) > REMEMBERED:
        _known.pop(next(iter(_known)), None)
    return found
