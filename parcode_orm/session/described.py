"""`parcode_orm.schema`: what a file says about its classes, as JSON Schema and as Python source."""

from __future__ import annotations

from typing import Any

from ..codec.stored import LISTS, MAPS, Schema, believed
from ..codec.upgrades import VERSION
from ..model.entity_names import SUFFIX
from ..model.generated import FALLBACK
from .source import Stored, Writer

_JSON: dict[str, dict[str, object]] = {
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


class FileSchema(dict[str, Any]):
    """The classes of a file, as JSON Schema: `"$defs"` has each class, `"roots"` and `"entities"` name those stored.

    `source()` gives them as Python source.
    """

    def __init__(self, schemas: dict[str, Schema], damaged: dict[str, str] | None = None) -> None:
        super().__init__({"$schema": "https://json-schema.org/draft/2020-12/schema"})
        self["roots"] = [name for name in schemas if not name.endswith(SUFFIX)]
        self["entities"] = {}
        if damaged:
            self["damaged"] = damaged
        self._schemas = schemas
        writer = Writer(schemas)
        classes = writer.classes
        self["$defs"] = {each.name: _object(each.body, classes.names_of(each.root)) for each in classes.every}
        for name, schema in schemas.items():
            if name.endswith(SUFFIX):
                rows = dict(schema.struct()["fields"])["rows"]
                key = _json(rows["map"]["dict"][0], writer.classes.names_of(name))
                self["entities"][name.removesuffix(SUFFIX)] = {"key": key}

    def source(self) -> str:
        """The classes as Python source, to begin with in a program that has none.

        Raises:
            CorruptionError: the stored schemas say what no type is.
        """
        with believed():
            lost = self.get("damaged", {})
            return Writer(self._schemas).text([f"# {name}: {problem}" for name, problem in lost.items()])

    def classes(self) -> list[dict[str, Any]]:
        """The classes and their fields, for people: a list of dict.

        Each has `name`, `kind` ("model", "dataclass" and so on), `stored` ("root", "entities" or "" for a class of
        values in others), and `fields`, a list of dict with `name`, `type` and `mark` ("Chunk()", "Key()" or "").

        Raises:
            CorruptionError: the stored schemas say what no type is.
        """
        with believed():
            writer = Writer(self._schemas)
            return [_for_people(writer, each) for each in writer.classes.every]


def _for_people(writer: Writer, each: Stored) -> dict[str, object]:
    writer.at(each)
    marks, _ = writer.marks(each)
    fields = [{"name": name, "type": writer.type(node), "mark": marks.get(name, "")} for name, node in each.fields]
    return {"name": each.name, "kind": each.body["kind"], "stored": each.role, "fields": fields}


def _object(body: dict[str, Any], names: dict[str, str]) -> dict[str, object]:
    found: dict[str, Any] = {"title": body["struct"], "type": "object", "description": f"a {body['kind']}"}
    if VERSION in body:
        found["description"] += f", version {body[VERSION]}"
    found["properties"] = {name: _json(node, names) for name, node in body["fields"]}
    found["additionalProperties"] = "extra" in body
    return found


def _json(node: Any, names: dict[str, str]) -> dict[str, object]:
    """The JSON Schema of values of a description."""
    if isinstance(node, str):
        return dict(_JSON[node])
    if "struct" in node:
        return {"$ref": f"#/$defs/{names.get(node['struct'], node['struct'])}"}
    if "optional" in node:
        return {"anyOf": [_json(node["optional"], names), {"type": "null"}]}
    if "members" in node:
        return {"title": node["convert"].removeprefix("enum "), "enum": [name for name, _ in node["members"]]}
    if "literal" in node and "convert" not in node:
        return {"enum": list(node["literal"])}
    if "ref" in node:
        return {**_json(node["stored"], names), "title": f"Ref[{node['ref']}]"}
    if "convert" in node:
        kind = node["convert"]
        return {"type": "string", "format": _FORMATS[kind]} if kind in _FORMATS else {"title": kind}
    if "fixed" in node:
        return {"type": "array", "prefixItems": [_json(each, names) for each in node["tuple"]], "items": False}
    if "union" in node:
        return {"anyOf": [_json(arm, names) for arm in node["union"] if arm != FALLBACK]}
    if "array" in node:
        return {"title": "array", "dtype": node["array"]}
    for mark, name in (("chunk", "Chunk"), ("map", "ShardedMap")):
        if mark in node:
            return {**_json(node[mark], names), "stored": name}
    (kind,) = node.keys() & (LISTS | MAPS)
    if kind in MAPS:
        return {
            "type": "object",
            "propertyNames": _json(node[kind][0], names),
            "additionalProperties": _json(node[kind][1], names),
        }
    found: dict[str, Any] = {"type": "array", "items": _json(node[kind], names)}
    return {**found, "uniqueItems": True} if kind in ("set", "frozenset") else found


def spelled(node: object) -> str:
    """The type of values of a description, as Python source spells it."""
    return Writer({}).type(node)
