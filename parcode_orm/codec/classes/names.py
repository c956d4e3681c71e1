"""Names of classes in files: `module:qualname`, arguments included; and their structure."""

from __future__ import annotations

import dataclasses
import enum
import re
import sys
import typing
from typing import Any

from typing_inspection.introspection import is_union_origin

from ...format.checksum import checksum
from ..per_class import per_class

# Begins where a name begins: else quadratic.
_MODULE = re.compile(r"(?<![^\[\]|,: ])[^\[\]|,: ]+:(?=[^\[\]|,: ])")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def tag_of(cls: type) -> str:
    """The name by which a class is stored.

    Pydantic calls `Page[shop.Item]` and `Page[depot.Item]` by one name, so arguments are spelled
    out.
    """
    origin, args = generic_of(cls)
    if args:
        return f"{tag_of(origin)}[{', '.join(map(spelling, args))}]"
    return f"{cls.__module__}:{cls.__qualname__}"


def name_of(cls: type, args: tuple[Any, ...] = ()) -> str:
    """The name of a class, or of a generic one with `args`, without modules."""
    origin, own = generic_of(cls)
    inner = list(map(spelling, own or args))
    return f"{name_of(origin) if own else cls.__name__}[{', '.join(map(bare, inner))}]" if inner else cls.__name__


def generic_of(cls: type) -> tuple[Any, tuple[Any, ...]]:
    """The generic model and its arguments; `cls` and no arguments for any other class."""
    found = cls.__dict__.get("__pydantic_generic_metadata__")
    return (found["origin"], found["args"]) if found and found["args"] else (cls, ())


def spelling(tp: Any) -> str:
    """One text for all types that `typing` or Pydantic may give for each other.

    They keep one object for equal types: `List[Union[int, str]]` may give `List[Union[str, int]]`,
    or `List[int | str]`, if that was evaluated before. `Page[int | str]` and `Page[str | int]` are
    one class before CPython 3.14 and two from then on. So arms and literals are sorted, by their
    names before their modules.
    """
    origin, args = typing.get_origin(tp), typing.get_args(tp)
    if origin is typing.Literal:
        return f"Literal[{', '.join(sorted(map(repr, args)))}]"
    if is_union_origin(origin):
        return " | ".join(sorted(map(_arm, args), key=lambda text: (bare(text), text)))
    if origin is typing.Annotated:
        return f"Annotated[{', '.join([spelling(args[0]), *map(_text, args[1:])])}]"
    if origin is not None:
        return f"{spelling(origin)}[{', '.join(map(spelling, args))}]"
    if isinstance(tp, type):
        return tp.__qualname__ if tp.__module__ == "builtins" else tag_of(tp)
    return _text(tp)


def _arm(tp: Any) -> str:
    return "None" if tp is type(None) else spelling(tp)


def _text(value: Any) -> str:
    return _ADDRESS.sub("", str(value))


def bare(tag: str) -> str:
    """A tag without the modules in it."""
    return _MODULE.sub("", tag)


def bound_class(tag: str) -> Any:
    """The class of a loaded module that has the qualified name of `tag`, or None.

    Only dictionaries are looked at: a module's `__getattr__` could import.
    """
    module, _, path = tag.partition(":")
    found: Any = sys.modules.get(module)
    for name in path.split("."):
        found = getattr(found, "__dict__", {}).get(name)
    return found if isinstance(found, type) else None


@per_class
def structure_of(cls: type) -> str:
    """A hash of fields and types, or members and values, which tells classes of one name apart.

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
    return re.sub(r"\b\w+\.", "", bare(spelling(tp)))
