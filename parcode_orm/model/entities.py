"""How the entities of a class are stored: the models of their table and of the runs of their indexes.

The table is a field of a root that a session makes: `rows` by primary key, the number last given, and a field for each
index. So entities are tracked, committed, compared and read at earlier commits as any other rows are.
"""

from __future__ import annotations

from itertools import product
from types import GenericAlias
from typing import Any

from pydantic.errors import PydanticUndefinedAnnotation

from ..codec.renames import EXACT, FOUND_BY, derived, field_names
from ..errors import UnsupportedTypeError
from .annotations import present
from .base import Model, ModelMeta
from .entity_names import SUFFIX, TEXT_END, field_of, prefix_of, table_name
from .fields import Chunk, ShardedMap
from .indexes import ITEMS, IndexSpec, Path, indexes_of, path_text
from .keys import key_fields, key_type
from .kinds import fields_of, item_type

_TABLE_CLASS = "_p_table_class_"  # in the model's own `__dict__`, so that it lives as long as the model
_RUN_CLASSES = "_p_run_classes_"


class EntityTable(Model):
    """The stored entities of one class; `table_class` derives the class for it.

    `rows` are the entities by key, `last` is the number that was given last. A field `by_NAME` maps each value of the
    unique index NAME to the key of the entity that has it. A field `index_NAME` has the runs of the ordered index NAME,
    a field `text_NAME` those of the text index NAME.
    """

    last: int = 0


def table_class(cls: type[Any]) -> type[EntityTable]:
    """The class of the root that holds the entities of `cls`, made once."""
    found: type[EntityTable] | None = cls.__dict__.get(_TABLE_CLASS)
    if found is None:
        if not cls.__pydantic_complete__:
            _complete(cls)
        found = _derived_table(cls)
        setattr(cls, _TABLE_CLASS, found)
    return found


def _complete(cls: type[Any]) -> None:
    """Complete a class that waits for names.

    Raises:
        UnsupportedTypeError: one is not defined yet.
    """
    try:
        cls.model_rebuild()
    except PydanticUndefinedAnnotation as problem:
        raise UnsupportedTypeError(
            f"the class {cls.__qualname__} is not complete: the name {problem.name!r} in an annotation is not defined; "
            f"define it, and call {cls.__qualname__}.model_rebuild()"
        ) from None


def _derived_table(cls: type[Any]) -> type[EntityTable]:
    key = key_type(cls)
    annotations: dict[str, Any] = {"rows": _dict_of(key, cls)}
    fields: dict[str, Any] = {"rows": ShardedMap(default_factory=dict)}
    for spec in sorted(indexes_of(cls), key=lambda spec: not spec.unique):
        older = tuple(f"{prefix_of(spec)}{name}" for name in _earlier(cls, spec)) or None
        if spec.unique:
            annotations[field_of(spec)] = _dict_of(spec.value, key)
            fields[field_of(spec)] = ShardedMap(default_factory=dict, renamed_from=older)
        else:
            annotations[field_of(spec)] = _list_of(run_class(cls, spec))
            fields[field_of(spec)] = Chunk(default_factory=list, renamed_from=older)
    name = table_name(cls)
    body = {**_about(cls, name), "__annotations__": annotations, **fields}
    found: type[EntityTable] = ModelMeta(name, (EntityTable,), body)
    indexed = [path[0] for spec in indexes_of(cls) for path in spec.parts]
    setattr(cls, FOUND_BY, frozenset([*key_fields(cls), *indexed]))
    return derived(found, cls, SUFFIX)


def _earlier(cls: type[Any], spec: IndexSpec) -> tuple[str, ...]:
    """The earlier names of an index of fields that were renamed, the newest first."""
    names = [path_text(path) for path in spec.parts]
    older = [[path_text(each) for each in _paths_before(cls, path)] for path in spec.parts]
    return tuple(", ".join(each) for each in product(*older) if list(each) != names)


def _paths_before(cls: Any, path: Path) -> list[Path]:
    """A path, and what it was while its fields had earlier names."""
    found: list[Path] = [()]
    tp = cls
    for name in path:
        if name == ITEMS:
            names: tuple[str, ...] = (name,)
            tp = item_type(tp)
        else:
            owner = present(tp)
            names = (name, *field_names(owner).get(name, ()))
            tp = (fields_of(owner) or {})[name]
        found = [(*each, end) for each in found for end in names]
    return found


def _about(cls: type[Any], name: str) -> dict[str, Any]:
    """What a class for the entities of `cls` has of that: above all, whether values stand for members of enums."""
    config = {"use_enum_values": cls.model_config.get("use_enum_values", False)}
    return {"__module__": cls.__module__, "__qualname__": name, "model_config": config}


def _dict_of(key: Any, value: Any) -> Any:
    return dict[key, value]


def _list_of(item: Any) -> Any:
    return list[item]


class Run(Model):
    """A run of an index: its `entries`, sorted by value, and `fences`, the value of every 256th of them."""


class TextRun(Model):
    """A run of a text index: which words the texts of some rows have.

    `version` is that of the rules for words. `texts` and `words` are how many rows with a text, and how many words, the
    run adds to those of older runs. `weight` is the number of postings and rows that it has. `entries` are words in
    order, each with its postings, and `fences` every 256th word. `spans` and `lengths` tell the rows, and the number of
    words of each.
    """

    version: int
    texts: int
    words: int
    weight: int
    entries: list[tuple[str, bytes]] = Chunk()
    fences: list[str] = Chunk()
    spans: bytes = Chunk()
    lengths: bytes = Chunk()


def run_class(cls: Any, spec: IndexSpec) -> type[Any]:
    """The class of the runs of an ordered index or a text index of `cls`, made once."""
    known: dict[str, type[Any]] = cls.__dict__.get(_RUN_CLASSES, {})
    field = field_of(spec)
    if field not in known:
        known = {**known, field: (_derived_text_run if spec.text else _derived_run)(cls, spec)}
        setattr(cls, _RUN_CLASSES, known)
    return known[field]


def _derived_text_run(cls: type[Any], spec: IndexSpec) -> type[TextRun]:
    end = f".{spec.name}{TEXT_END}"
    body = _about(cls, f"{cls.__qualname__}{end}")
    made: type[TextRun] = ModelMeta(f"{cls.__name__}{end}", (TextRun,), body)
    return derived(made, cls, end, *(f".{name}{TEXT_END}" for name in _earlier(cls, spec)))


def _derived_run(cls: Any, spec: IndexSpec) -> type[Run]:
    value, key = spec.value, key_type(cls)
    annotations = {"entries": _list_of(GenericAlias(tuple, (value, key, bool))), "fences": _list_of(value)}
    body = {
        **_about(cls, f"{cls.__qualname__}.{spec.name}"),
        "__annotations__": annotations,
        "entries": Chunk(),
        "fences": Chunk(),
    }
    made: type[Run] = ModelMeta(f"{cls.__name__}.{spec.name}", (Run,), body)
    return derived(made, cls, f".{spec.name}", *(f".{name}" for name in _earlier(cls, spec)))


setattr(EntityTable, EXACT, True)
setattr(Run, EXACT, True)
setattr(TextRun, EXACT, True)
