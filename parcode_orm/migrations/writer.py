"""Writes migration files: Python that people read and edit, in the form that `ruff format` gives it."""

from __future__ import annotations

import builtins
import keyword
import math
import sys
import typing
from collections.abc import Iterable
from dataclasses import MISSING, fields
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

from typing_inspection.introspection import is_union_origin

from ..codec.types.marks import Mark
from ..errors import MigrationError, told
from ..model.keys import IndexMark, KeyMark
from .operation import Operation
from .state import UNSET, Field
from .types import Member, Named, module_and_name

WIDTH = 88  # the default line length of `ruff format`
HERE = "parcode_orm.migrations"


def source_of(dependencies: Iterable[str], operations: Iterable[Operation], replaces: Iterable[str] = ()) -> str:
    """The text of a migration file.

    Raises:
        MigrationError: something in it has no spelling, such as a lambda.
    """
    writer = Writer()
    body = [f"dependencies = {writer.block(list(dependencies), 0, len('dependencies = '))}"]
    if replaces := list(replaces):
        body.append(f"replaces = {writer.block(replaces, 0, len('replaces = '))}")
    listed = list(operations)
    body.append(f"operations = {writer.exploded([writer.call(each, 1) for each in listed], 0) if listed else '[]'}")
    return "\n".join([*writer.head(), "\n".join(body), ""])


def can_spell(value: Any) -> bool:
    """Whether a value can stand in a migration file."""
    try:
        Writer().value(value)
    except MigrationError:
        return False
    return True


class Writer:
    """Spells values, and knows what the file must import and name for them."""

    def __init__(self) -> None:
        self._imports: dict[str, tuple[str, str]] = {}  # by the name in the file: module and name there
        self._named: dict[str, str] = {}  # names in the file by those of classes

    def head(self) -> list[str]:
        """The lines before the content: imports, and names of classes."""
        if self._named:
            self.imported(HERE, "Named")
        modules: dict[str, list[str]] = {}
        for here, (module, name) in self._imports.items():
            modules.setdefault(module, []).append(name if here == name else f"{name} as {here}")
        standard = [module for module in modules if module.partition(".")[0] in sys.stdlib_module_names]
        others = [module for module in modules if module not in standard]
        lines: list[str] = []
        for section in (standard, others):
            lines += [_import(module, modules[module]) for module in sorted(section, key=str.lower)]
            lines += [""] if section else []
        names = [f"{here} = Named({_text(name)})" for name, here in sorted(self._named.items())]
        return [*lines, *names, ""] if names else lines

    def imported(self, module: str, name: str) -> str:
        """The name in the file of what `module` calls `name`; of a nested class, the whole way to it."""
        first, _, rest = name.partition(".")
        here, number = first, 1
        while self._imports.get(here, (module, first)) != (module, first) or here in self._named.values():
            number += 1
            here = f"{first}_{number}"
        self._imports[here] = module, first
        return f"{here}.{rest}" if rest else here

    def named(self, name: str) -> str:
        """The name in the file of a class of the project."""
        found = self._named.get(name)
        if found is None:
            found = "".join(each if each.isalnum() else "_" for each in name).strip("_")
            while found in self._imports or found in self._named.values() or keyword.iskeyword(found):
                found += "_"
            self._named[name] = found
        return found

    # -- types --------------------------------------------------------------------------------------------------------

    def type(self, tp: Any) -> str:
        """A type as it stands in an annotation."""
        if isinstance(tp, Named):
            return self.named(tp.__name__)
        if tp is None or tp is type(None):
            return "None"
        if tp is ...:
            return "..."
        origin, args = typing.get_origin(tp), typing.get_args(tp)
        if origin is None:
            return self._place(tp)
        if origin is typing.Literal:
            return f"{self.imported('typing', 'Literal')}[{', '.join(map(self.value, args))}]"
        if is_union_origin(origin):
            return " | ".join(map(self.type, args))
        inner = ", ".join(map(self.type, args)) if args else "()"
        return f"{self._place(origin)}[{inner}]"

    def _place(self, thing: Any) -> str:
        if thing is Any:
            return self.imported("typing", "Any")
        place = module_and_name(thing)
        if place is None:
            name = getattr(thing, "__name__", None)
            if getattr(thing, "__module__", "") == "typing" and name:
                return self.imported("typing", str(name))
            raise MigrationError(
                f"{told(thing)} cannot be named in a migration file: define it at the top of a module, with a name"
            )
        module, name = place
        return name if module == "builtins" and hasattr(builtins, name) else self.imported(*_public(module, name))

    # -- values -------------------------------------------------------------------------------------------------------

    def value(self, value: Any) -> str:
        """A value, on one line."""
        if isinstance(value, Enum):
            return f"{self._place(type(value))}.{value.name}"
        simple = _simple(value)
        if simple is not None:
            return simple
        if isinstance(value, Member):
            return f"{self.named(value.enum)}[{_text(value.name)}]"
        if isinstance(value, Mark | KeyMark | IndexMark):
            return self._mark(value)
        if isinstance(value, Field | Operation):
            return self.call(value, 0, one_line=True)
        if type(value) in (list, tuple, set, frozenset):
            return self._several(value)
        if type(value) is dict:
            return "{" + ", ".join(f"{self.value(key)}: {self.value(each)}" for key, each in value.items()) + "}"
        if type(value) in (date, datetime, time, timedelta):
            self.imported("datetime", type(value).__name__)
            if getattr(value, "tzinfo", None) is None:
                return repr(value).removeprefix("datetime.")
        if type(value) in (Decimal, UUID):
            return f"{self.imported(type(value).__module__, type(value).__name__)}({_text(str(value))})"
        if callable(value) or typing.get_origin(value) is not None:
            return self.type(value)
        raise MigrationError(f"{told(value)} has no spelling in a migration file")

    def _several(self, value: Any) -> str:
        if not value:
            empty: dict[Any, str] = {list: "[]", tuple: "()", set: "set()", frozenset: "frozenset()"}
            return empty[type(value)]
        inner = ", ".join(map(self.value, sorted(value, key=repr) if isinstance(value, set | frozenset) else value))
        if isinstance(value, tuple):
            return f"({inner},)" if len(value) == 1 else f"({inner})"
        if isinstance(value, frozenset):
            return f"frozenset({{{inner}}})"
        return f"[{inner}]" if isinstance(value, list) else f"{{{inner}}}"

    def _mark(self, mark: Any) -> str:
        name = mark.spelling[:-2]
        options = ""
        if isinstance(mark, Mark) and mark.compression is not None:
            options = f"compression={_text(mark.compression)}"
        elif isinstance(mark, KeyMark) and mark.auto:
            options = "auto=True"
        elif isinstance(mark, IndexMark) and (mark.unique or mark.text):
            options = "unique=True" if mark.unique else "text=True"
        return f"{self.imported('parcode_orm', name)}({options})"

    # -- calls --------------------------------------------------------------------------------------------------------

    def call(self, thing: Any, level: int, one_line: bool = False, used: int = 0) -> str:
        """An operation or field as a call, on one line if it fits behind `used` characters, else an argument a line."""
        name = self.imported(HERE, type(thing).__name__)
        given: list[tuple[str, Any]] = []  # what stands before the value, and that
        for each in fields(thing):
            value = getattr(thing, each.name)
            positional = each.default is MISSING or each.name in ("fields", "mark")
            if value != each.default or each.default is MISSING or type(value) is not type(each.default):
                given.append(("" if positional else f"{each.name}=", value))
        arguments = [f"{key}{self._argument(thing, key, value)}" for key, value in given]
        line = f"{name}({', '.join(arguments)})"
        short = len(line) + 4 * level + used + 1 <= WIDTH and not any(isinstance(value, dict) for _, value in given)
        if one_line or short:
            return line
        lines = [f"{key}{self.block(value, level + 1, len(key))}" for key, value in given]
        return self.exploded(lines, level, f"{name}()")

    def _argument(self, thing: Any, key: str, value: Any) -> str:
        is_type = isinstance(thing, Field) and key == "" and not _is_mark(value)
        return self.type(value) if is_type else self.value(value)

    def block(self, value: Any, level: int, used: int = 0) -> str:
        """A value, over several lines where it does not fit on one or is a dictionary of fields."""
        if isinstance(value, Field | Operation):
            return self.call(value, level, used=used)
        has_fields = type(value) is dict and any(isinstance(each, Field) for each in value.values())
        line = "" if has_fields else (self.type(value) if isinstance(value, type) else self.value(value))
        if not has_fields and (len(line) + 4 * level + used + 1 <= WIDTH or not value):
            return line
        if type(value) is dict:
            keys = [f"{self.value(key)}: " for key in value]
            parts = zip(keys, value.values(), strict=True)
            return self.exploded([f"{key}{self.block(each, level + 1, len(key))}" for key, each in parts], level, "{}")
        if type(value) in (list, tuple):
            brackets = "[]" if isinstance(value, list) else "()"
            return self.exploded([self.block(each, level + 1) for each in value], level, brackets)
        return line

    def exploded(self, lines: list[str], level: int, brackets: str = "[]") -> str:
        """Lines between brackets, each with a comma."""
        inner = "".join(f"{'    ' * (level + 1)}{line},\n" for line in lines)
        return f"{brackets[:-1]}\n{inner}{'    ' * level}{brackets[-1]}"


def _is_mark(value: Any) -> bool:
    return isinstance(value, Mark | KeyMark | IndexMark)


def _simple(value: Any) -> str | None:
    if value is None or value is ... or isinstance(value, bool) or type(value) is int:
        return "..." if value is ... else repr(value)
    if value is UNSET:
        return None
    if type(value) is float:
        return repr(value) if math.isfinite(value) else f'float("{value!r}")'
    if type(value) is str:
        return _text(value)
    if type(value) is bytes:
        return "b" + _quoted([repr(bytes([each]))[2:-1] if each != ord("'") else "'" for each in value])
    return None


def _text(value: str) -> str:
    return _quoted([each if each.isprintable() and each != "\\" else repr(each)[1:-1] for each in value])


def _quoted(parts: list[str]) -> str:
    """Characters in double quotes, or in single ones where these need fewer escapes, as the formatter has them."""
    quote = "'" if parts.count('"') > parts.count("'") else '"'
    return quote + "".join(f"\\{each}" if each == quote else each for each in parts) + quote


def _import(module: str, names: list[str]) -> str:
    names = sorted(set(names), key=lambda name: (not name.isupper(), not name[0].isupper(), name))
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return f"from {module} import (\n" + "".join(f"    {name},\n" for name in names) + ")"


def _public(module: str, name: str) -> tuple[str, str]:
    """Where people import something from: a package above a private module that has it, too, or a public namesake."""
    found = getattr(sys.modules[module], name, None)
    parts = module.split(".")
    for length in range(1, len(parts)):
        if any(part.startswith("_") for part in parts[length:]):
            for outer in (".".join(part.lstrip("_") for part in parts[:length]), ".".join(parts[:length])):
                if outer in sys.modules and found is not None and getattr(sys.modules[outer], name, None) is found:
                    return outer, name
    return module, name
