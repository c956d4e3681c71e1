"""How the rows of a class stand in a part: as its entities, or, without a `Key`, as the list of a root."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from pydantic import TypeAdapter

from ...codec.classes.names import name_of
from ...codec.schema import describe, fingerprint_of
from ...codec.types.compile import struct_for
from ...errors import SchemaMismatchError, UnsupportedTypeError, called, told
from ...lazy.proxy import plain_class
from ...model.base import Model, ModelMeta
from ...model.entities import table_class
from ...model.entity_names import is_entity, table_name
from ...model.fields import Chunk
from ...session import Session
from .manifest import Manifest, Part, check_there
from .places import Place


@lru_cache(maxsize=256)
def list_class(cls: type[Any]) -> type[Any]:
    """The class of the root whose `rows` are the objects of a class without a key."""
    body = {
        "__module__": cls.__module__,
        "__qualname__": f"{cls.__qualname__}Rows",
        "__annotations__": {"rows": _list_of(cls)},
        "rows": Chunk(default_factory=list),
    }
    return ModelMeta(f"{cls.__name__}Rows", (Model,), body)


def _list_of(cls: Any) -> Any:
    return list[cls]


def checked_model(model: Any) -> Any:
    """A class of rows.

    Raises:
        TypeError: it is none.
    """
    cls = plain_class(model) if isinstance(model, type) else None
    if cls is None or not issubclass(cls, Model):
        raise TypeError(f"a dataset has rows of one class, a subclass of parcode_orm.Model, not {called(model)}")
    return cls


def new_manifest(cls: Any, partition_by: tuple[str, ...], shards: int, rows_per_file: int) -> Manifest:
    """A manifest without parts for rows of a class.

    Raises:
        UnsupportedTypeError: the class has no such field to partition by, or no key to shard by.
    """
    for name in partition_by:
        if name not in cls.model_fields:
            raise UnsupportedTypeError(f"partition_by: {cls.__qualname__} has no field {told(name)}")
    if shards and not is_entity(cls):
        raise UnsupportedTypeError(f"shards divide entities by their keys, and {cls.__qualname__} has no Key()")
    struct = struct_for(table_class(cls) if is_entity(cls) else list_class(cls))
    return Manifest(name_of(cls), fingerprint_of(struct), describe(struct), partition_by, shards, rows_per_file)


@lru_cache(maxsize=256)
def _adapter(cls: Any, name: str) -> TypeAdapter[Any]:
    return TypeAdapter(cls.model_fields[name].annotation)


def as_json(cls: Any, name: str, value: Any) -> Any:
    """The value of a field as a manifest has it."""
    return _adapter(cls, name).dump_python(value, mode="json")


def of_json(cls: Any, name: str) -> Callable[[Any], Any]:
    """What makes values of a field of those of a manifest."""
    return lambda value: _adapter(cls, name).validate_python(value, strict=False)


def open_part(place: Place, part: Part, cls: Any, manifest: Manifest) -> Session:
    """A session that reads a part.

    Raises:
        FileMissingError: its file is missing.
        SchemaMismatchError: its rows have another schema than the manifest says.
        CorruptionError, NotAParcodeFile: it is damaged.
    """
    path: Any = check_there(place, part)
    session = Session.open(path)
    source = session._work.source
    name = table_name(cls) if is_entity(cls) else name_of(list_class(cls))
    writer = None if source is None else source.catalog.writers.get(name)
    if writer != manifest.fingerprint:
        session.close()
        raise SchemaMismatchError(
            f"the part {path} has no rows of {manifest.model} with the schema of the dataset: another file took its "
            "place; restore it, or write the dataset anew"
        )
    return session
