"""`CompiledStruct`, the column of a class, which takes no values until complete; its cache.

The column is kept in the class's own `__dict__`, so it lives as long as the class.
`@dataclass(slots=True)` copies that dictionary to a second class, so an entry counts only for the
class that it was made for.
"""

from __future__ import annotations

import typing
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from pydantic import BaseModel

from ...errors import EncodeError, UnsupportedTypeError
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding, Node
from .. import schema, trail
from ..base import Column, Space, View
from ..columns.struct import StructColumn
from ..structs import StructPlan
from ..undo import note
from ..views.struct import StructView
from .typeforms import Compiler

STRUCT = int(Encoding.STRUCT)
CACHE = "_p_columns_"
BARE = (
    "Pydantic makes an object of BaseModel itself of a dictionary, and drops what is in it, where a field declares no "
    "class below BaseModel: declare a class of your own, or dict[str, Any]"
)
Entries = dict[tuple[Any, ...], tuple[Any, "CompiledStruct"]]


class CompiledStruct(StructColumn):
    """A struct column of a class; its schema names it, so that a class may hold itself.

    `problem`: why the class cannot be stored, where that was found out after others had been
    compiled with it.
    """

    __slots__ = ("compiler", "complete", "problem", "schema_known", "_exact", "__weakref__")

    def __init__(self, plan: StructPlan, compiler: Compiler) -> None:
        super().__init__(plan)
        self.compiler = compiler
        plan.struct_for = compiler.struct_for
        self._exact = self.exact
        self.reset()

    def reset(self) -> None:
        """Forget the fields. Without an exact type every value goes to `odd`, which asks."""
        self.fields = []
        self.plan.private = self.plan.extra = None
        self.complete = False
        self.problem: str | None = None
        self.exact = frozenset()

    def finish(self) -> None:
        """All fields are known."""
        self.complete = True
        self.exact = self._exact

    def unusable(self) -> str | None:
        """Why no value can be stored or read, or None. Tries to complete the class first."""
        if not self.complete and self.problem is None:
            self.compiler.complete_waiting()
        if self.complete:
            return None
        if self.problem is not None:
            return self.problem
        fields = getattr(self.plan.cls, "__pydantic_fields__", {})
        names = [name for name, info in fields.items() if not getattr(info, "_complete", True)]
        where = f" of {', '.join(map(repr, names))}" if names else ""
        return (
            f"the class {self.plan.cls.__qualname__} is not complete: a name in the annotation{where} is not defined; "
            f"define it, and call {self.plan.cls.__qualname__}.model_rebuild()"
        )

    def odd(self, values: Sequence[Any], types: set[type], out: Encoder) -> None:
        if not self.complete:
            problem = self.unusable()
            if problem is None:
                self.encode_here(values, out)
                return
            raise trail.at(EncodeError(problem, value_type=types.pop()), 0)
        super().odd(values, types, out)

    def open(self, chunk: Chunk, at: int, space: Space, node: Node) -> View:
        if self.complete and node.encoding == STRUCT:
            return StructView(self, chunk, at, space, node)
        if not self.complete and (problem := self.unusable()) is not None:
            raise UnsupportedTypeError(problem)
        return super().open(chunk, at, space, node)

    def describe(self) -> Any:
        """The struct's name, defined beside the schema's root."""
        if not self.complete:
            schema.unfinished(self.plan.name)
        return schema.define(self, self.plan.name, super().describe)


def refuse_bare(values: Sequence[Any]) -> NoReturn:
    """Raise for objects of `BaseModel` itself, which Pydantic cannot compare."""
    raise trail.at(EncodeError(BARE, value_type=BaseModel), 0)


def version_of(cls: Any) -> Any:
    """What changes when Pydantic rebuilds a model; other classes never change."""
    return cls.__dict__.get("__pydantic_fields__") if isinstance(cls, type) and issubclass(cls, BaseModel) else None


def entries_of(cls: Any) -> Entries:
    """The columns made for `cls`, by its arguments; none if its dictionary was copied."""
    found: Entries = cls.__dict__.get(CACHE, {})
    return {} if any(column.plan.cls is not cls for _, column in found.values()) else found


def cached(tp: Any) -> CompiledStruct | None:
    """The column of `tp`, unless Pydantic has rebuilt the class since."""
    cls = typing.get_origin(tp) or tp
    known = entries_of(cls).get(typing.get_args(tp))
    return known[1] if known is not None and known[0] is version_of(cls) else None


def keep(cls: Any, args: tuple[Any, ...], column: CompiledStruct) -> None:
    """Let `column` be that of `cls` with `args`, unless what is being compiled is refused."""
    before = entries_of(cls)
    setattr(cls, CACHE, {**before, args: (version_of(cls), column)})
    note(lambda: setattr(cls, CACHE, before))


def below(column: Column) -> Iterator[CompiledStruct]:
    """The struct columns in `column`, itself among them, each once."""
    return (each for each in parts_below(column) if isinstance(each, CompiledStruct))


def parts_below(column: Column) -> Iterator[Column]:
    """`column` and the columns in it, each once."""
    stack, seen = [column], {id(column)}
    while stack:
        each = stack.pop()
        yield each
        for part in each.parts():
            if id(part) not in seen:
                seen.add(id(part))
                stack.append(part)


def same_classes(one: Column, other: Column) -> bool:
    """Whether two columns of equal schemas have the same classes, which schemas only name."""
    return one is other or _classes(one) == _classes(other)


def _classes(column: Column) -> list[Any]:
    found = (
        each.plan.cls if isinstance(each, StructColumn) else getattr(each, "types", None)
        for each in parts_below(column)
    )
    return [classes for classes in found if classes is not None]
