"""`parcode_orm.schema`: what a file says about its classes, as JSON Schema and as Python source."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator
from typing import Any

from ..codec.stored import LISTS, MAPS, Schema, believed
from ..codec.upgrades import VERSION
from ..model.entities import SUFFIX

_JSON: dict[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "bool": {"type": "boolean"},
    "text": {"type": "string"},
    "bytes": {"type": "string", "format": "binary"},
    "bytearray": {"type": "string", "format": "binary"},
    "none": {"type": "null"},
    "any": {},
}
_FORMATS = {
    "datetime": "date-time",
    "date": "date",
    "time": "time",
    "timedelta": "duration",
    "UUID": "uuid",
    "Path": "path",
    "IPv4Address": "ipv4",
    "IPv6Address": "ipv6",
}
_NAMES = {"text": "str", "none": "None", "any": "Any"}
_IMPORTS = {
    "datetime": "from datetime import date, datetime, time, timedelta",
    "date": "from datetime import date, datetime, time, timedelta",
    "time": "from datetime import date, datetime, time, timedelta",
    "timedelta": "from datetime import date, datetime, time, timedelta",
    "Decimal": "from decimal import Decimal",
    "Fraction": "from fractions import Fraction",
    "UUID": "from uuid import UUID",
    "Path": "from pathlib import Path",
    "Pattern": "from re import Pattern",
    "ZoneInfo": "from zoneinfo import ZoneInfo",
    "deque": "from collections import deque",
    **dict.fromkeys(
        ("IPv4Address", "IPv4Interface", "IPv4Network", "IPv6Address", "IPv6Interface", "IPv6Network"),
        "from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network",
    ),
    **{name: f"from pathlib import {name}" for name in ("PurePosixPath", "PureWindowsPath")},
}
_BUILTIN = frozenset({"complex", "range"})
_CODE = (
    "    @upgrade(from_version={0})",
    "    @staticmethod",
    "    def from_version_{0}(stored: dict[str, Any]) -> dict[str, Any]:",
    '        raise LookupError("the code is not here")',
)
_FALLBACK = {"convert": "any", "stored": "any"}


class FileSchema(dict[str, Any]):
    """The classes of a file, as JSON Schema: `"$defs"` has each class, `"roots"` and `"entities"` name those stored.

    `source()` gives them as Python source.
    """

    def __init__(self, schemas: dict[str, Schema]) -> None:
        defs: dict[str, Any] = {}
        roots, entities = [], {}
        for name, schema in sorted(schemas.items()):
            for key, body in schema.structs.items():
                defs.setdefault(key, _object(body))
            if name.endswith(SUFFIX):
                body = schema.struct()
                (_, rows) = next(each for each in body["fields"] if each[0] == "rows")
                entities[name.removesuffix(SUFFIX)] = {"key": _json(rows["map"]["dict"][0])}
                defs.pop(schema.root["struct"], None)
            else:
                roots.append(name)
        defs = {key: value for key, value in defs.items() if not _is_of_index(key, entities)}
        super().__init__({"$schema": "https://json-schema.org/draft/2020-12/schema", "roots": roots})
        self["entities"] = entities
        self["$defs"] = defs
        self._schemas = schemas

    def source(self) -> str:
        """The classes as Python source, to begin with in a program that has none.

        Raises:
            CorruptionError: the stored schemas say what no type is.
        """
        with believed():
            return _Source(self._schemas).text()

    def classes(self) -> list[dict[str, Any]]:
        """The classes and their fields, for people: a list of dict.

        Each has `name`, `kind` ("model", "dataclass" and so on), `stored` ("root", "entities" or "" for a class of
        values in others), and `fields`, a list of dict with `name`, `type` and `mark` ("Chunk()", "Key()" or "").

        Raises:
            CorruptionError: the stored schemas say what no type is.
        """
        with believed():
            return _Source(self._schemas).classes()


def _is_of_index(key: str, entities: Iterable[str]) -> bool:
    return any(key.startswith(f"{name}.") for name in entities)


def _object(body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"title": body["struct"], "type": "object", "description": f"a {body['kind']}"}
    if VERSION in body:
        found["description"] += f", version {body[VERSION]}"
    found["properties"] = {name: _json(node) for name, node in body["fields"]}
    found["additionalProperties"] = "extra" in body
    return found


def _json(node: Any) -> dict[str, Any]:
    """The JSON Schema of values of a description."""
    if isinstance(node, str):
        return dict(_JSON[node])
    if "struct" in node:
        return {"$ref": f"#/$defs/{node['struct']}"}
    if "optional" in node:
        return {"anyOf": [_json(node["optional"]), {"type": "null"}]}
    if "members" in node:
        return {"title": node["convert"].removeprefix("enum "), "enum": [name for name, _ in node["members"]]}
    if "literal" in node and "convert" not in node:
        return {"enum": list(node["literal"])}
    if "convert" in node:
        kind = node["convert"]
        return {"type": "string", "format": _FORMATS[kind]} if kind in _FORMATS else {"title": kind}
    if "fixed" in node:
        return {"type": "array", "prefixItems": list(map(_json, node["tuple"])), "items": False}
    if "union" in node:
        return {"anyOf": [_json(arm) for arm in node["union"] if arm != _FALLBACK]}
    if "array" in node:
        return {"title": "array", "dtype": node["array"]}
    for mark, name in (("chunk", "Chunk"), ("map", "ShardedMap")):
        if mark in node:
            return {**_json(node[mark]), "stored": name}
    (kind,) = node.keys() & (LISTS | MAPS)
    if kind in MAPS:
        return {"type": "object", "propertyNames": _json(node[kind][0]), "additionalProperties": _json(node[kind][1])}
    found: dict[str, Any] = {"type": "array", "items": _json(node[kind])}
    return {**found, "uniqueItems": True} if kind in ("set", "frozenset") else found


def spelled(node: Any) -> str:
    """The type of values of a description, as Python source spells it."""
    return _Source({}).type(node)


class _Source:
    """Writes classes as text: names that are no identifiers are changed, and a comment says so."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self._schemas = schemas
        self._imports: set[str] = {"from __future__ import annotations"}
        self._public: set[str] = {"Model"}
        self._enums: dict[str, str] = {}
        self._classes: dict[str, str] = {}

    def text(self) -> str:
        """The whole module."""
        for key, body, marks, _ in self._each():
            self._classes[key] = self._class(key, body, marks)
        public = f"from parcode_orm import {', '.join(sorted(self._public))}"
        first = "from __future__ import annotations"
        others = sorted(self._imports - {first})
        head = "\n".join([first, "", *others, "", public] if others else [first, "", public])
        return "\n\n\n".join([head, *self._enums.values(), *self._classes.values()]) + "\n"

    def classes(self) -> list[dict[str, Any]]:
        """See `FileSchema.classes`."""
        found = []
        for key, body, marks, stored in self._each():
            fields = [
                {"name": name, "type": self.type(node), "mark": _mark(node) or marks.get(name, "")}
                for name, node in body["fields"]
                if not name.startswith("(")
            ]
            found.append({"name": key, "kind": body["kind"], "stored": stored, "fields": fields})
        return found

    def _each(self) -> Iterator[tuple[str, dict[str, Any], dict[str, str], str]]:
        """Each class once: its name, its description, the markers of its fields, and whether it is a root or entity."""
        seen = set()
        for name, schema in sorted(self._schemas.items()):
            marks: dict[str, dict[str, str]] = {}
            skipped = set()
            roots = {schema.root.get("struct"): "root"}
            if name.endswith(SUFFIX):
                fields = dict(schema.struct()["fields"])
                skipped = {schema.root["struct"]}
                skipped |= {key for key in schema.structs if key.startswith(name.removesuffix(SUFFIX) + ".")}
                entity = fields["rows"]["map"]["dict"][1]["struct"]
                marks[entity] = self._marks(schema, fields)
                roots = {entity: "entities"}
            for key, body in schema.structs.items():
                if key not in skipped and key not in seen:
                    seen.add(key)
                    yield key, body, marks.get(key, {}), roots.get(key, "")

    def _marks(self, schema: Schema, fields: dict[str, Any]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in fields:
            if name.startswith("by_"):
                found[name.removeprefix("by_")] = "Index(unique=True)"
            elif name.startswith("index_"):
                found[name.removeprefix("index_")] = "Index()"
        body = schema.structs[fields["rows"]["map"]["dict"][1]["struct"]]
        for name in body.get("key", ()):
            found[name] = "Key(default=None, auto=True)" if body.get("auto") else "Key()"
        self._public.update(mark.partition("(")[0] for mark in found.values())
        return found

    def _class(self, key: str, body: dict[str, Any], marks: dict[str, str]) -> str:
        kind, name = body["kind"], _identifier(key)
        bases = {"model": "Model", "base model": "BaseModel", "typed dict": "TypedDict", "named tuple": "NamedTuple"}
        if kind == "base model":
            self._imports.add("from pydantic import BaseModel")
        elif kind in ("typed dict", "named tuple"):
            self._imports.add(f"from typing_extensions import {bases[kind]}")
        elif kind == "dataclass":
            self._imports.add("import dataclasses")
        elif kind == "root model":
            self._imports.add("from pydantic import RootModel")
        head = f"class {name}({bases[kind]}):" if kind in bases else f"class {name}:"
        fields = [(each, node) for each, node in body["fields"] if not each.startswith("(")]
        if kind == "root model":
            return f"class {name}(RootModel[{self.type(fields[0][1])}]):\n    pass"
        if kind == "dataclass":
            head = f"@dataclasses.dataclass\n{head}"
        if kind == "typed dict":
            head = head.replace("TypedDict", "TypedDict, total=False")
        lines = [head]
        config: dict[str, Any] = {"extra": "allow"} if "extra" in body else {}
        lines += [self._field(each, node, marks.get(each, "")) for each, node in fields]
        if "extra" in body and body["extra"] != {"dict": ["text", "any"]}:
            lines.append(f"    __pydantic_extra__: {self.type(body['extra'])}")
        if any("np.ndarray" in line for line in lines):
            config["arbitrary_types_allowed"] = True
        if config and kind in ("model", "base model"):
            lines.insert(1, f"    model_config = {config}")
        for each, node in body.get("privates", ()):
            lines.append(f"    {each}: {self.type(node)}")
        if VERSION in body:
            self._imports.add("from typing import Any")
            self._public.add("upgrade")
            lines += ["", *(line.format(body[VERSION] - 1) for line in _CODE)]
        return "\n".join(lines if len(lines) > 1 else [*lines, "    pass"])

    def _field(self, name: str, node: Any, mark: str) -> str:
        if _mark(node):
            mark = _mark(node)
            self._public.add(mark[:-2])
        line = f"    {_identifier(name)}: {self.type(node)}" + (f" = {mark}" if mark else "")
        return line if _identifier(name) == name else f"{line}  # stored as {name!r}"

    def type(self, node: Any) -> str:
        """A type as source."""
        if isinstance(node, str):
            if node == "any":
                self._imports.add("from typing import Any")
            return _NAMES.get(node, node)
        if "struct" in node:
            return _identifier(node["struct"])
        if "optional" in node:
            return f"{self.type(node['optional'])} | None"
        if "members" in node or "flags" in node:
            return self._enum(node)
        if "literal" in node and "convert" not in node:
            self._imports.add("from typing import Literal")
            return f"Literal[{', '.join(map(repr, node['literal']))}]"
        if "convert" in node:
            return self._converted(node)
        if "fixed" in node:
            return f"tuple[{', '.join(map(self.type, node['tuple'])) or '()'}]"
        if "union" in node:
            return " | ".join(self.type(arm) for arm in node["union"] if arm != _FALLBACK)
        if "array" in node:
            self._imports.add("import numpy as np")
            return "np.ndarray"
        for mark in ("chunk", "map"):
            if mark in node:
                return self.type(node[mark])
        (kind,) = node.keys() & (LISTS | MAPS)
        if kind in MAPS:
            if kind != "dict":
                self._imports.add(f"from collections import {kind}")
            key, value = map(self.type, node[kind])
            return f"{kind}[{key}]" if kind == "Counter" else f"{kind}[{key}, {value}]"
        return f"{kind}[{self.type(node[kind])}{', ...' if kind == 'tuple' else ''}]"

    def _converted(self, node: dict[str, Any]) -> str:
        name = node["convert"]
        if name == "deque":
            self._imports.add(_IMPORTS[name])
            return f"deque[{self.type(node['stored']['tuple'][0]['list'])}]"
        if name in _IMPORTS:
            self._imports.add(_IMPORTS[name])
            return str(name)
        return str(name) if name in _BUILTIN else self.type(node["stored"])

    def _enum(self, node: dict[str, Any]) -> str:
        name = _identifier(node["convert"].removeprefix("enum ").rpartition(".")[2])
        kind = "Flag" if "flags" in node else "Enum"
        self._imports.add(f"from enum import {kind}")
        members = node.get("members") or node.get("flags") or []
        lines = [f"    {_identifier(each)} = {value!r}" for each, value in members] or ["    pass"]
        self._enums.setdefault(name, "\n".join([f"class {name}({kind}):", *lines]))
        return name


def _mark(node: Any) -> str:
    """The marker of a field, by its description."""
    if not isinstance(node, dict):
        return ""
    return "Chunk()" if "chunk" in node else "ShardedMap()" if "map" in node else ""


def _identifier(name: str) -> str:
    found = "".join(part if part.isalnum() or part == "_" else "_" for part in name)
    return f"_{found}" if not found.isidentifier() or keyword.iskeyword(found) else found
