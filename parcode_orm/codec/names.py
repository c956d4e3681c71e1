"""Names of classes in files: `module:qualname`, of a generic model with those of its arguments; their structure."""

from __future__ import annotations

import dataclasses
import enum
import re
import sys
import types
import typing
from typing import Any

from ..format.checksum import checksum
from .per_class import per_class

_MODULE = re.compile(r"(?<![^\[\]|,: ])[^\[\]|,: ]+:(?=[^\[\]|,: ])")  # begins where a name begins: else quadratic
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def tag_of(cls: type) -> str:
    """The name by which a class is stored.

    Pydantic calls `Page[shop.Item]` and `Page[depot.Item]` by one name, so arguments are spelled out.
    """
    generic = cls.__dict__.get("__pydantic_generic_metadata__")
    if generic is not None and generic["args"]:
        return f"{tag_of(generic['origin'])}[{', '.join(map(spelled_argument, generic['args']))}]"
    return f"{cls.__module__}:{cls.__qualname__}"


def spelled_argument(tp: Any) -> str:
    origin, args = typing.get_origin(tp), typing.get_args(tp)
    # Equal unions are one class, whichever spelling and order was evaluated first.
    if origin is typing.Literal:
        return f"Literal[{', '.join(sorted(map(repr, args)))}]"
    if origin is typing.Union or origin is types.UnionType:
        return f"Union[{', '.join(sorted(map(spelled_argument, args)))}]"
    if origin is not None and origin is not typing.Annotated:
        return f"{spelled_argument(origin)}[{', '.join(map(spelled_argument, args))}]"
    if isinstance(tp, type):
        return tp.__qualname__ if tp.__module__ == "builtins" else tag_of(tp)
    return _ADDRESS.sub("", str(tp))


def name_of(cls: Any) -> str:
    """The name of a class without its module, of a generic model with its arguments."""
    generic = cls.__dict__.get("__pydantic_generic_metadata__")
    if generic is not None and generic["args"]:
        return f"{generic['origin'].__name__}[{', '.join(bare(spelled_argument(each)) for each in generic['args'])}]"
    name: str = cls.__name__
    return name


def bare(tag: str) -> str:
    """A tag without the modules in it."""
    return _MODULE.sub("", tag)


def bound_class(tag: str) -> Any:
    """The class that a module which is loaded has under the qualified name of `tag`; None without one.

    Only dictionaries are looked at: a module's `__getattr__` could import.
    """
    module, _, path = tag.partition(":")
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, "__dict__", {}).get(name)
    return found if isinstance(found, type) else None


@per_class
def structure_of(cls: type) -> str:
    """What tells classes of one name apart: fields with their types, members with their values; 8 hexadecimal digits.

    Modules do not count, so that a class may move.
    """
    fields: Any = getattr(cls, "__pydantic_fields__", None)
    parts: list[tuple[str, str]]
    if issubclass(cls, enum.Enum):
        kind, parts = "enum", [(name, _value_text(member.value)) for name, member in cls.__members__.items()]
    elif isinstance(fields, dict) and not dataclasses.is_dataclass(cls):
        kind, parts = "model", [(name, _type_text(info.annotation)) for name, info in fields.items()]
    elif dataclasses.is_dataclass(cls):
        kind, parts = "dataclass", [(field.name, _type_text(field.type)) for field in dataclasses.fields(cls)]
    else:
        names = getattr(cls, "_fields", None) or sorted(name for name in vars(cls) if not name.startswith("_"))
        kind, parts = ",".join(base.__name__ for base in cls.__bases__), [(name, "") for name in names]
    text = "\n".join([kind, *(f"{name} {spelled}" for name, spelled in parts)])
    return f"{checksum(text.encode('utf-8', 'surrogatepass')) & 0xFFFFFFFF:08x}"


def _value_text(value: Any) -> str:
    known = isinstance(value, str | int | float | bytes | None)
    return repr(value) if known else type(value).__name__


def _type_text(tp: Any) -> str:
    if isinstance(tp, type) and not typing.get_args(tp):
        return bare(tag_of(tp))
    return _ADDRESS.sub("", re.sub(r"\b\w+\.", "", str(tp)))
