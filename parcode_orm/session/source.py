"""The classes of a file as Python source: a module that defines classes of the same schemas."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pydantic

from ..codec.classes.named import PYDANTIC
from ..codec.stored import LISTS, MAPS, Schema
from ..codec.upgrades import VERSION
from ..model.entity_names import RUNS, SUFFIX, TEXT
from ..model.generated import FALLBACK, indexes_in, is_path, literal_values, type_of_items, used_as_keys
from ..model.indexes import ITEMS

_NAMES = {"text": "str", "none": "None", "any": "Any"}
_MODULES = {  # the modules of types by the names that schemas have for them
    **dict.fromkeys(("date", "datetime", "time", "timedelta"), "datetime"),
    **dict.fromkeys(("Path", "PurePosixPath", "PureWindowsPath", "PosixPath", "WindowsPath"), "pathlib"),
    **dict.fromkeys(("IPv4Address", "IPv4Interface", "IPv4Network"), "ipaddress"),
    **dict.fromkeys(("IPv6Address", "IPv6Interface", "IPv6Network"), "ipaddress"),
    **dict.fromkeys(("OrderedDict", "defaultdict", "Counter", "deque"), "collections"),
    "Decimal": "decimal",
    "Fraction": "fractions",
    "UUID": "uuid",
    "Pattern": "re",
    "ZoneInfo": "zoneinfo",
    "NameEmail": "pydantic",
}
_ARBITRARY = re.compile(r"\b(np\.|bytearray\b|range\b)")  # types that Pydantic knows nothing of
_BUILTIN = frozenset({"complex", "range"})
_BASES = {
    "model": ("parcode_orm", "Model"),
    "base model": ("pydantic", "BaseModel"),
    "root model": ("pydantic", "RootModel"),
    "typed dict": ("typing_extensions", "TypedDict"),
    "named tuple": ("typing", "NamedTuple"),
}
_TAKEN = frozenset({*dir(builtins), *keyword.kwlist, *_MODULES, *PYDANTIC, *(name for _, name in _BASES.values())}) | {
    "Annotated", "Any", "Chunk", "Enum", "Field", "Flag", "Index", "Key", "Literal", "NDArray", "Sequence",
    "ShardedMap", "dataclasses", "np", "renamed_from", "upgrade",
}  # fmt: skip
_CODE = (
    "    @upgrade(from_version={0})",
    "    @staticmethod",
    "    def from_version_{0}(stored: dict[str, Any]) -> dict[str, Any]:",
    '        raise LookupError("the code is not here")',
)


class Stored(NamedTuple):
    """A class of a file: its `name` in Python. It is the struct `key` of `schema`, the schema of the root `root`.

    `role` is "root", "entities", or "" for a class of values in others. `table` has the fields of the entities' table.
    """

    name: str
    root: str
    schema: Schema
    key: str
    role: str
    table: tuple[str, ...]

    @property
    def body(self) -> dict[str, Any]:
        """Its description."""
        found: dict[str, object] = self.schema.structs[self.key]
        return found

    @property
    def fields(self) -> list[tuple[str, object]]:
        """Its fields: the name, and the description of the values."""
        return [(name, node) for name, node in self.body["fields"] if not name.startswith("(")]


class Classes:
    """The classes of several stored schemas, each once: classes of one name in two schemas may be one or two."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self.every: list[Stored] = []
        self.names: dict[tuple[str, str], str] = {}  # by the name of the root, and the key in its schema
        known: list[tuple[bytes, int]] = []
        for root, schema in sorted(schemas.items()):
            entity, skipped, table = _of_table(root, schema)
            mine: set[int] = set()
            for key in schema.structs:
                if key in skipped:
                    continue
                about = schema.part({"struct": key}).canonical()
                at = next((at for data, at in known if data == about and at not in mine), len(self.every))
                is_role = key == (entity or schema.root.get("struct"))
                role = "" if not is_role else "entities" if entity else "root"
                if at == len(self.every):
                    known.append((about, at))
                    name = self._free(identifier(schema.structs[key]["struct"], _TAKEN))
                    self.every.append(Stored(name, root, schema, key, role, table if entity == key else ()))
                elif role:
                    given = table if entity == key else self.every[at].table
                    self.every[at] = self.every[at]._replace(role=role, table=given)
                mine.add(at)
                self.names[root, key] = self.every[at].name

    def _free(self, name: str) -> str:
        taken = {each.name for each in self.every}
        number, found = 1, name
        while found in taken:
            number += 1
            found = f"{name}_{number}"
        return found

    def names_of(self, root: str) -> dict[str, str]:
        """The names of the classes of the schema of a root, by its keys."""
        return {key: name for (each, key), name in self.names.items() if each == root}


def _of_table(root: str, schema: Schema) -> tuple[str | None, set[str], tuple[str, ...]]:
    """The entity of a table, the structs that only the table and its indexes have, and its fields; None for a root."""
    if not root.endswith(SUFFIX):
        return None, set(), ()
    fields = dict(schema.struct()["fields"])
    runs = [node["chunk"]["list"]["struct"] for name, node in fields.items() if name.startswith((RUNS, TEXT))]
    skipped = {schema.root["struct"], *runs}
    return fields["rows"]["map"]["dict"][1]["struct"], skipped, tuple(fields)


def _options(unique: bool, text: bool) -> str:
    """The options of an index."""
    return "unique=True" if unique else "text=True" if text else ""


def identifier(name: str, taken: frozenset[str] | set[str] = frozenset(keyword.kwlist)) -> str:
    """A name of Python, like `name`, that begins with no underscore and is none of `taken`."""
    found = "".join(part if f"a{part}".isidentifier() else "_" for part in name).strip("_") or "x"
    found = found if found.isidentifier() else f"x_{found}"
    if name.isidentifier() and not keyword.iskeyword(name):
        found = name
    return f"{found}_" if found in taken or keyword.iskeyword(found) else found


class Writer:
    """Writes classes as source, and knows what they import."""

    def __init__(self, schemas: dict[str, Schema]) -> None:
        self.classes = Classes(schemas)
        self._imports: set[tuple[str, str]] = {("parcode_orm", "Model")}
        self._modules: set[str] = set()
        self._enums: dict[str, tuple[str, str]] = {}  # by what they are: the name, and the source
        self._keys: set[str] = set()  # structs of the schema at hand whose objects are keys
        self._names: dict[str, str] = {}  # names of the classes of the schema at hand, by key

    def text(self, comments: list[str]) -> str:
        """The whole module, `comments` on top."""
        classes = [self._class(each) for each in self.classes.every]
        enums = [source for _, source in self._enums.values()]
        return "\n\n\n".join(["\n".join([*comments, *self._head()]), *enums, *classes]) + "\n"

    def at(self, each: Stored) -> None:
        """Begin with a class: names in types are those of its schema."""
        self._keys = used_as_keys(each.schema)
        self._names = self.classes.names_of(each.root)

    def _head(self) -> Iterator[str]:
        yield "from __future__ import annotations"
        groups: dict[str, set[str]] = {}
        for module, name in self._imports:
            groups.setdefault(module, set()).add(name)
        lines = [f"from {module} import {', '.join(sorted(names))}" for module, names in groups.items()]
        lines += [f"import {module}" for module in self._modules]
        public = next(line for line in lines if line.startswith("from parcode_orm"))
        others = sorted(line for line in lines if line is not public)
        yield from ["", *others] if others else []
        yield from ["", public]

    def imported(self, module: str, name: str) -> str:
        """A name that is imported from a module."""
        self._imports.add((module, name))
        return name

    # -- classes ----------------------------------------------------------------------------------------------------

    def _class(self, each: Stored) -> str:
        self.at(each)
        body, kind = each.body, each.body["kind"]
        lines = []
        if each.name != body["struct"]:
            lines.append(f"@{self.imported('parcode_orm', 'renamed_from')}({body['struct']!r})")
        frozen = each.key in self._keys
        if kind == "dataclass":
            self._modules.add("dataclasses")
            lines += ["@dataclasses.dataclass" + "(frozen=True)" * frozen, f"class {each.name}:"]
        else:
            base = self.imported(*_BASES[kind])
            lines.append(f"class {each.name}({base}{', total=False' * (kind == 'typed dict')}):")
        inside = [*self._fields(each)]
        if "extra" in body and body["extra"] != {"dict": ["text", "any"]}:
            inside.append(f"    __pydantic_extra__: {self.type(body['extra'])}")
        inside += [f"    {name}: {self.type(node)}" for name, node in body.get("privates", ())]
        config: dict[str, object] = {"extra": "allow"} if "extra" in body and kind != "root model" else {}
        config |= {"frozen": True} if frozen and kind != "dataclass" else {}
        config |= {"arbitrary_types_allowed": True} if any(map(_ARBITRARY.search, inside)) else {}
        if config and kind in ("model", "base model", "root model"):
            inside.insert(0, f"    model_config = {config}")
        if VERSION in body:
            self.imported("typing", "Any")
            self.imported("parcode_orm", "upgrade")
            inside += ["", *(line.format(body[VERSION] - 1) for line in _CODE)]
        lines += inside or ["    pass"]
        others = any("extra" in other for other in each.schema.structs.values())
        if kind == "typed dict" and others:  # what it does not say it has of a model around it
            extra = "allow" if "extra" in body else "ignore"
            lines += ["", "", f"{each.name}.__pydantic_config__ = {{'extra': {extra!r}}}"]
        return "\n".join(lines)

    def _fields(self, each: Stored) -> Iterator[str]:
        marks, declared = self.marks(each)
        taken: set[str] = set()
        words = {word for _, node in each.fields for word in re.findall(r"\w+", self.type(node))}
        for name, node in each.fields:
            found = name if _is_field(name) else identifier(name)
            while found in taken or (found != name and any(found == other for other, _ in each.fields)):
                found += "_"
            taken.add(found)
            tp, mark = self.type(node), marks.get(name, "")
            if found != name and mark:
                mark = f"{mark[:-1]}{', ' * (mark[-2] != '(')}renamed_from={name!r})"
            elif found != name:
                tp = self._annotated(tp, f"{self.imported('parcode_orm', 'renamed_from')}({name!r})")
            if mark and found in words:  # the value would hide the type
                tp, mark = self._annotated(tp, mark), ""
            yield f"    {found}: {tp}" + f" = {mark}" * bool(mark)
        if declared:
            self.imported("parcode_orm", "Index")
            yield f"    __indexes__ = ({', '.join(declared)},)"

    def _annotated(self, tp: str, mark: str) -> str:
        return f"{self.imported('typing', 'Annotated')}[{tp}, {mark}]"

    def marks(self, each: Stored) -> tuple[dict[str, str], list[str]]:
        """The markers of fields, and the indexes that stand in `__indexes__`."""
        names = [name for name, _ in each.fields]
        key = "Key(default=None, auto=True)" if each.body.get("auto") else "Key()"
        found = {name: mark for name, node in each.fields if (mark := mark_of(node))}
        found |= dict.fromkeys(each.body.get("key", ()), key)
        indexes = list(indexes_in(each.table))
        at_fields = [index for index in indexes if index[0].removesuffix(ITEMS) in names]
        in_order = sorted(at_fields, key=lambda index: (not index[1], names.index(index[0].removesuffix(ITEMS))))
        others = [index for index in indexes if index not in at_fields]
        fields = [name.removesuffix(ITEMS) for name, _, _ in at_fields]
        if indexes != sorted([*in_order, *others], key=lambda index: not index[1]) or (
            len(set(fields)) < len(fields) or any(field in found for field in fields)
        ):
            weird = {index for index in at_fields if not is_path(index[0].removesuffix(ITEMS))}
            at_fields, others = [index for index in indexes if index in weird], [x for x in indexes if x not in weird]
        found |= {name.removesuffix(ITEMS): f"Index({_options(*kinds)})" for name, *kinds in at_fields}
        for mark in found.values():
            self.imported("parcode_orm", mark.partition("(")[0])
        declared = []
        for name, *kinds in others:
            options = _options(*kinds)
            declared.append(f"Index({', '.join([*map(repr, name.split(', ')), *[options] * bool(options)])})")
        return found, declared

    # -- types ------------------------------------------------------------------------------------------------------

    def type(self, node: Any) -> str:
        """A type as source."""
        if isinstance(node, str):
            return self.imported("typing", "Any") if node == "any" else _NAMES.get(node, node)
        if "struct" in node:
            return self._names.get(node["struct"]) or identifier(node["struct"])
        if "optional" in node:
            return f"{self.type(node['optional'])} | None"
        if "convert" in node:
            return self._converted(node)
        if "literal" in node:
            return self._literal(map(repr, literal_values(node)))
        if "fixed" in node:
            return f"tuple[{', '.join(map(self.type, node['tuple'])) or '()'}]"
        if "union" in node:
            return self._union(node["union"])
        if "array" in node:
            return self._array(node["array"])
        for mark in ("chunk", "map"):
            if mark in node:
                return self.type(node[mark])
        (kind,) = node.keys() & (LISTS | MAPS)
        if kind in MAPS:
            name = kind if kind == "dict" else self.imported("collections", kind)
            key, value = map(self.type, node[kind])
            return f"{name}[{key}]" if kind == "Counter" else f"{name}[{key}, {value}]"
        return f"{kind}[{self.type(node[kind])}{', ...' if kind == 'tuple' else ''}]"

    def _literal(self, values: Any) -> str:
        return f"{self.imported('typing', 'Literal')}[{', '.join(values)}]"

    def _union(self, arms: list[object]) -> str:
        if arms[-1] == "any" and len(arms) == 3 and isinstance(arms[0], dict) and arms[0].keys() == {"list"}:
            return f"{self.imported('collections.abc', 'Sequence')}[{self.type(arms[0]['list'])}]"
        return " | ".join(self.type(arm) for arm in arms if arm != FALLBACK)

    def _array(self, dtype: str | None) -> str:
        self._modules.add("numpy as np")
        found = type_of_items(dtype)
        return "np.ndarray" if found is None else f"{self.imported('numpy.typing', 'NDArray')}[np.{found.__name__}]"

    def _converted(self, node: dict[str, Any]) -> str:
        name = node["convert"]
        if "ref" in node:
            return self._reference(node)
        if "members" in node or "flags" in node:
            return self._enum(node)
        if name == "deque":
            return f"{self.imported('collections', 'deque')}[{self.type(node['stored']['tuple'][0]['list'])}]"
        if name in _BUILTIN:
            return str(name)
        if name in _MODULES:
            return self.imported(_MODULES[name], name)
        kind, _, called = name.partition(" ")
        if kind in ("url", "secret") and called in PYDANTIC:
            found = self.imported("pydantic" if hasattr(pydantic, called) else "pydantic_core", called)
            return f"{found}[{self.type(node['stored'])}]" if called == "Secret" else found
        return self.type(node["stored"])

    def _reference(self, node: dict[str, object]) -> str:
        """A reference to a class of the file; the type of its keys, if the file has no entities of the class."""
        there = [
            each.name for each in self.classes.every if (each.role, each.body["struct"]) == ("entities", node["ref"])
        ]
        if self.classes.every and not there:
            return self.type(node["stored"])
        return f"{self.imported('parcode_orm', 'Ref')}[{there[0] if there else node['ref']}]"

    def _enum(self, node: dict[str, Any]) -> str:
        kind = "Flag" if "flags" in node else "Enum"
        pairs = node.get("members") or node.get("flags") or []
        about = repr((node["convert"], kind, pairs))
        if about not in self._enums:
            taken = _TAKEN | {each.name for each in self.classes.every} | {name for name, _ in self._enums.values()}
            name = identifier(node["convert"].removeprefix("enum ").rpartition(".")[2], taken)
            while name in taken:
                name += "_"
            self._enums[about] = name, self._members(name, self.imported("enum", kind), pairs)
        name = self._enums[about][0]
        return self._literal(f"{name}[{each!r}]" for each in node["literal"]) if "literal" in node else name

    def _members(self, name: str, kind: str, pairs: list[Any]) -> str:
        values = [(each, "object()" if value is None else repr(value)) for each, value in pairs]
        if all(each.isidentifier() and not keyword.iskeyword(each) and each != "mro" for each, _ in values):
            lines = [f"    {each} = {value}" + "  # not known" * (value == "object()") for each, value in values]
            return "\n".join([f"class {name}({kind}):", *(lines or ["    pass"])])
        return f"{name} = {kind}({name!r}, [{', '.join(f'({each!r}, {value})' for each, value in values)}])"


def mark_of(node: object) -> str:
    """The marker of a field, by its description."""
    if not isinstance(node, dict):
        return ""
    return "Chunk()" if "chunk" in node else "ShardedMap()" if "map" in node else ""


def _is_field(name: str) -> bool:
    return name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
