"""Classes made of a stored schema: a file opened without the classes that wrote it.

Nothing of a file is evaluated: names are only ever names of attributes.
"""

from __future__ import annotations

import collections
import dataclasses
import enum
import pathlib
import typing
import warnings
from collections.abc import Callable, Iterable, Iterator
from types import GenericAlias
from typing import Any, ForwardRef, Literal, NamedTuple

import pydantic
from pydantic import BaseModel, ConfigDict, PrivateAttr, RootModel
from typing_extensions import TypedDict

from ..codec.aliases import union_of
from ..codec.classes import convert
from ..codec.classes.named import PYDANTIC
from ..codec.evolution.defaults import GENERATED
from ..codec.stored import LISTS, MAPS, Schema
from ..codec.upgrades import VERSION, without_code
from .base import Model
from .entity_names import BY, RUNS, TEXT
from .fields import Chunk, ShardedMap
from .indexes import ITEMS
from .keys import Index, Key

_ATOMS: dict[str, Any] = {
    "int": int,
    "float": float,
    "bool": bool,
    "text": str,
    "bytes": bytes,
    "bytearray": bytearray,
    "none": None,
    "any": Any,
}
_KINDS: dict[str, Any] = {
    "list": list,
    "tuple": tuple,
    "set": set,
    "frozenset": frozenset,
    "dict": dict,
    "OrderedDict": collections.OrderedDict,
    "defaultdict": collections.defaultdict,
}
_CONVERSIONS = {conversion.name: conversion.types[0] for conversion in convert.CONVERSIONS}
_PATHS = {
    name: getattr(pathlib, name) for name in ("Path", "PurePosixPath", "PureWindowsPath", "PosixPath", "WindowsPath")
}
_DERIVED = "_p_made_"  # in a class's own `__dict__`: classes made of schemas of its subclasses
FALLBACK = {"convert": "any", "stored": "any"}  # the last arm of a union


class Generated:
    """The classes of one stored schema, the root's made of `base` if there is one."""

    def __init__(self, schema: Schema, base: Any = None) -> None:
        self._base = base  # of the root's class
        self._bodies = schema.structs
        self._root = schema.root
        self._classes: dict[str, Any] = {}
        self._building: list[str] = []
        self._open: set[str] = set()  # the structs that name one which was being built
        self._models: list[Any] = []
        self._enums: dict[str, Any] = {}
        self._keys = used_as_keys(schema)
        self._names = {key: f"_struct_{at}" for at, key in enumerate(self._bodies)}  # identifiers, each of one struct
        self._indexes: dict[str, dict[str, Any]] = {}  # what the class of entities says of them

    def root(self) -> Any:
        """The class of the root, and of all that is below it, complete."""
        return self._complete(self._root["struct"])

    def _complete(self, key: str) -> Any:
        found = self._class(key)
        for each, cls in self._classes.items():
            if each in self._open and not hasattr(cls, "model_rebuild"):
                self._close(cls, self._bodies[each])
        names = {self._names[each]: cls for each, cls in self._classes.items()}
        for cls in reversed(self._models):
            cls.model_rebuild(force=False, raise_errors=False, _types_namespace=names)
        return found

    def _close(self, cls: Any, body: dict[str, Any]) -> None:
        """Give a class that is no model its annotations anew: every class that they name is there now."""
        hints = {name: self.annotation(node) for name, node in body["fields"] if not name.startswith("(")}
        cls.__annotations__ = hints
        for each in getattr(cls, "__dataclass_fields__", {}).values():
            each.type = hints[each.name]

    def entity(self) -> Any:
        """The class of the entities that a root of a table of them holds."""
        fields = dict(self._bodies[self._root["struct"]]["fields"])
        key = fields["rows"]["map"]["dict"][1]["struct"]
        names = {name for name, _ in self._bodies[key]["fields"]}
        marks: dict[str, Any] = {}
        declared = []
        for name, unique, text in indexes_in(fields):
            field = name.removesuffix(ITEMS)
            if field in names and field not in marks and not is_path(field):
                marks[field] = Index(unique=unique, text=text)
            else:
                declared.append(Index(*name.split(", "), unique=unique, text=text))
        self._indexes = {key: {**marks, "__indexes__": tuple(declared)}}
        return self._complete(key)

    # -- types ------------------------------------------------------------------------------------------------------

    def annotation(self, node: Any) -> Any:
        """The annotation of values of a description."""
        if isinstance(node, str):
            return _ATOMS[node]
        if "struct" in node:
            name = node["struct"]
            if name in self._building:
                self._open.update(self._building)
                return ForwardRef(self._names[name])
            return self._class(name)
        if "optional" in node:
            return union_of([self.annotation(node["optional"]), None])
        if "convert" in node:
            return self._converted(node)
        if "literal" in node:
            return Literal[tuple(literal_values(node))]
        if "fixed" in node:
            places = tuple(map(self.annotation, node["tuple"]))
            return GenericAlias(tuple, places or ((),))
        if "union" in node:
            return self.union_of(node["union"])
        if "array" in node:
            return array_of(node["array"])
        for mark in ("chunk", "map"):
            if mark in node:
                return self.annotation(node[mark])
        (kind,) = node.keys() & (LISTS | MAPS)
        if kind in MAPS:
            key, value = map(self.annotation, node[kind])
            return GenericAlias(collections.Counter, (key,)) if kind == "Counter" else _KINDS[kind][key, value]
        item = self.annotation(node[kind])
        return GenericAlias(tuple, (item, ...)) if kind == "tuple" else _KINDS[kind][item]

    def union_of(self, arms: list[Any]) -> Any:
        if arms[-1] == "any" and len(arms) == 3 and isinstance(arms[0], dict) and arms[0].keys() == {"list"}:
            return GenericAlias(collections.abc.Sequence, (self.annotation(arms[0]["list"]),))
        return union_of([self.annotation(arm) for arm in arms if arm != FALLBACK])

    def _converted(self, node: dict[str, Any]) -> Any:
        name = node["convert"]
        if name in _CONVERSIONS:
            return _CONVERSIONS[name]
        if name == "deque":
            return GenericAlias(collections.deque, (self.annotation(node["stored"]["tuple"][0]["list"]),))
        if "members" in node or "flags" in node:
            return self._enum(node)
        kind, _, called = name.partition(" ")
        if name in _PATHS:
            return _PATHS[name]
        if name == "NameEmail":
            return pydantic.NameEmail
        if kind == "secret" and called == "Secret":
            secret: Any = pydantic.Secret
            return secret[self.annotation(node["stored"])]
        if kind in ("url", "secret") and called in PYDANTIC:
            return PYDANTIC[called]
        return self.annotation(node["stored"])

    def _enum(self, node: dict[str, Any]) -> Any:
        name = node["convert"].removeprefix("enum ").rpartition(".")[2]
        pairs = node.get("members") or node.get("flags") or []
        key = repr((name, pairs))
        cls = self._enums.get(key)
        if cls is None:
            values = [(each, _Unknown(each) if value is None else value) for each, value in pairs]
            base: Any = enum.Flag if "flags" in node else enum.Enum
            qualname = node["convert"].removeprefix("enum ")
            cls = self._enums[key] = base(name, values, module=GENERATED, qualname=qualname)
        if "literal" in node:
            return Literal[tuple(cls.__members__[each] for each in node["literal"])]
        return cls

    # -- classes ----------------------------------------------------------------------------------------------------

    def _class(self, key: str) -> Any:
        known = self._classes.get(key)
        if known is not None:
            return known
        self._building.append(key)
        try:
            body = self._bodies[key]
            fields = {name: self.annotation(node) for name, node in body["fields"] if not name.startswith("(")}
            privates = {name: self.annotation(node) for name, node in body.get("privates", ())}
            extra = self.annotation(body["extra"]) if "extra" in body else None
        finally:
            self._building.pop()
        made = _MAKERS[body["kind"]](self, key, fields, privates, extra)
        self._classes[key] = made
        return made

    def _model(self, key: str, fields: dict[str, Any], privates: dict[str, Any], extra: Any, base: Any) -> Any:
        body = self._bodies[key]
        config = ConfigDict(arbitrary_types_allowed=True, protected_namespaces=())
        if extra is not None:
            config["extra"] = "allow"
        if key in self._keys:
            config["frozen"] = True
        name = body["struct"]
        namespace: dict[str, Any] = {
            "__module__": GENERATED,
            "__qualname__": name,
            "model_config": config,
            **_code(body),
        }
        annotations = {**fields, **privates}
        if extra is not None and typing.get_args(extra)[1] is not Any:
            annotations["__pydantic_extra__"] = extra
        namespace["__annotations__"] = annotations
        namespace.update(dict.fromkeys(privates, PrivateAttr()))
        for field, node in body["fields"]:
            if isinstance(node, dict) and ("chunk" in node or "map" in node):
                namespace[field] = Chunk() if "chunk" in node else ShardedMap()
        namespace.update((field, Key(auto=bool(body.get("auto")))) for field in body.get("key", ()))
        namespace.update(self._indexes.get(key, {}))
        if base is RootModel:
            config.pop("extra", None)
            root_model: Any = RootModel
            base = root_model[fields["root"]]
            namespace["__annotations__"] = {}
        if self._base is not None and key == self._root["struct"]:
            base = self._base
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # a field named as a method of models
            made = type(base)(name, (base,), namespace)
        self._models.append(made)
        return made


def _code(body: dict[str, Any]) -> dict[str, Any]:
    """What a class has, so that it is of the version of its schema."""
    return without_code(body[VERSION]) if VERSION in body else {}


def derived_class(schema: Schema, base: Any) -> Any:
    """The class of a stored schema of a subclass of `base`, which was made of a schema as well; made once."""
    known: dict[bytes, Any] = base.__dict__.get(_DERIVED, {})
    data = schema.canonical()
    if data not in known:
        known = {**known, data: Generated(schema, base).root()}
        setattr(base, _DERIVED, known)
    return known[data]


class _Unknown:
    """The value of a member that the schema does not have."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<unknown value of {self.name}>"


def indexes_in(fields: Iterable[str]) -> Iterator[tuple[str, bool, bool]]:
    """The indexes of a table of entities, as its fields have them: name, whether it is unique, whether of words."""
    for name in fields:
        for start in (BY, RUNS, TEXT):
            if name.startswith(start):
                yield name.removeprefix(start), start == BY, start == TEXT


def is_path(name: str) -> bool:
    """Whether an index can be declared by the name of a field: it reads as a path of this one field."""
    return not any(mark in name for mark in (".", ", ", ITEMS))


def literal_values(node: dict[str, Any]) -> list[Any]:
    """The values of a `Literal`."""
    kind = node["stored"]
    if kind == "int":
        return [int(value, 16) if isinstance(value, str) else value for value in node["literal"]]
    return [bytes.fromhex(value) for value in node["literal"]] if kind == "bytes" else list(node["literal"])


def array_of(dtype: str | None) -> Any:
    """The type of arrays of a dtype."""
    import numpy as np
    from numpy.typing import NDArray

    found = type_of_items(dtype)
    return np.ndarray if found is None else NDArray[found]  # type: ignore[valid-type]


def type_of_items(dtype: str | None) -> Any:
    """The class of numpy's that items of a dtype are of; None where no annotation names it."""
    import json

    import numpy as np

    try:
        return None if dtype is None else np.dtype(json.loads(dtype)).type
    except (TypeError, ValueError):  # of a structured array
        return None


def used_as_keys(schema: Schema) -> set[str]:
    """The structs whose objects are keys, or items of sets."""
    parts = [
        below for body in schema.structs.values() for part in ("fields", "privates") for _, below in body.get(part, ())
    ]
    return set(_keys_in(parts, False))


def _keys_in(node: Any, inside: bool) -> Iterator[str]:
    """The structs that stand for keys in a part of a schema; `inside`: the part is one of a key."""
    if isinstance(node, list):
        for each in node:
            yield from _keys_in(each, inside)
    elif isinstance(node, dict):
        if "struct" in node and len(node) == 1:
            if inside:
                yield node["struct"]
            return
        for name, below in node.items():
            if name in MAPS and isinstance(below, list):
                yield from _keys_in(below[0], True)
                yield from _keys_in(below[1:], inside)
            else:
                yield from _keys_in(below, inside or name in ("set", "frozenset"))


def _dataclass(made: Generated, key: str, fields: dict[str, Any], privates: Any, extra: Any) -> Any:
    frozen = key in made._keys
    code = _code(made._bodies[key])
    cls = dataclasses.make_dataclass(made._names[key], list(fields.items()), frozen=frozen, namespace=code)
    cls.__name__ = cls.__qualname__ = made._bodies[key]["struct"]
    cls.__module__ = GENERATED
    return cls


def _typed_dict(made: Generated, key: str, fields: dict[str, Any], privates: Any, extra: Any) -> Any:
    make: Any = TypedDict
    found = make(made._bodies[key]["struct"], fields, total=False)
    found.__pydantic_config__ = ConfigDict(extra="ignore" if extra is None else "allow")
    return found


def _named_tuple(made: Generated, key: str, fields: dict[str, Any], privates: Any, extra: Any) -> Any:
    make: Any = NamedTuple
    found = make(made._names[key], list(fields.items()))
    for name, method in _code(made._bodies[key]).items():
        setattr(found, name, method)
    found.__name__ = found.__qualname__ = made._bodies[key]["struct"]
    return found


_MAKERS: dict[str, Callable[..., Any]] = {
    "model": lambda made, *parts: made._model(*parts, Model),
    "base model": lambda made, *parts: made._model(*parts, BaseModel),
    "root model": lambda made, *parts: made._model(*parts, RootModel),
    "dataclass": _dataclass,
    "typed dict": _typed_dict,
    "named tuple": _named_tuple,
}
