"""From the annotation of a field to the reader of its values in a file of the Rust crate."""

from __future__ import annotations

import dataclasses
import enum
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from types import UnionType
from typing import Annotated, Any, Literal, NamedTuple, NewType, NoReturn, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, RootModel, TypeAdapter

from ...codec.aliases import unaliased
from ...errors import UnsupportedTypeError, told
from . import values
from .cursor import Cursor
from .hints import F64, Array, As, Character, Float, Hint, Integer, Variants
from .values import Read

LISTS: dict[Any, Any] = {list: None, Sequence: None, MutableSequence: None, deque: deque}
SETS: dict[Any, Any] = {set: set, frozenset: frozenset}
MAPS = (dict, Mapping, MutableMapping)
SIMPLE: dict[Any, Read] = {bool: values.boolean, str: values.text, bytes: values.sized_bytes, None: values.nothing}


class Type(NamedTuple):
    """An annotation without what says nothing of the bytes: its origin and arguments, its hint, and where it stands."""

    origin: Any
    args: tuple[Any, ...]
    hint: Hint | None
    place: str

    def refuse(self, why: str) -> NoReturn:
        """Raise `UnsupportedTypeError`; `why` says what to do."""
        raise UnsupportedTypeError(f"{self.place}: {why}")


def resolved(tp: Any, place: str, metadata: Sequence[Any] = ()) -> Type:
    """`tp`, which stands at `place`; `metadata` is what a field has beside its annotation.

    Raises:
        UnsupportedTypeError: there is more than one hint.
    """
    hints = [each for each in metadata if isinstance(each, Hint)]
    while True:
        if isinstance(tp, NewType):
            tp = tp.__supertype__
        elif get_origin(tp) is Annotated:
            tp, *more = get_args(tp)
            hints += [each for each in more if isinstance(each, Hint)]
        elif (plain := unaliased(tp)) is not tp:
            tp = plain
        else:
            break
    if tp is type(None):
        tp = None
    origin = get_origin(tp) or tp
    found = Type(Union if origin is UnionType else origin, get_args(tp), hints[0] if hints else None, place)
    if len(hints) > 1:
        found.refuse(f"a type has one hint, not {' and '.join(map(repr, hints))}")
    return found


def fields_of(cls: Any) -> list[tuple[str, Any, Sequence[Any]]] | None:
    """Name, annotation and metadata of the fields of a class, in their order; None for what is no class of fields."""
    if not isinstance(cls, type):
        return None
    if issubclass(cls, BaseModel):
        return [(name, info.annotation, info.metadata) for name, info in cls.model_fields.items()]
    if dataclasses.is_dataclass(cls):
        known = get_type_hints(cls, include_extras=True)
        return [(each.name, known[each.name], ()) for each in dataclasses.fields(cls)]
    if issubclass(cls, tuple) and hasattr(cls, "_fields"):
        known = get_type_hints(cls, include_extras=True)
        return [(name, known[name], ()) for name in cls._fields]
    return None


def builder(cls: Any) -> Callable[[dict[str, Any]], Any]:
    """Makes a validated object of its fields. A model with the one field `root` is made of that."""
    if issubclass(cls, tuple):
        return lambda values: cls(**values)
    validate = TypeAdapter(cls).validator.validate_python if not issubclass(cls, BaseModel) else None
    if validate is None:
        validate = cls.__pydantic_validator__.validate_python
    if issubclass(cls, RootModel):
        return lambda values: validate(values["root"])
    return lambda values: validate(values, by_alias=False, by_name=True)


class Types:
    """The readers of all types that are met, made once."""

    def __init__(self) -> None:
        self._structs: dict[Any, Read | None] = {}  # None while a reader is being made

    def reader(self, found: Type) -> Read:
        """The reader of the values of a type.

        Raises:
            UnsupportedTypeError: the type says too little, or has no form in such a file.
        """
        origin, args, hint, place = found
        if isinstance(hint, As):
            return self.reader(resolved(hint.type, place))
        if isinstance(hint, Variants):
            return values.enumeration([self._variant(each, found) for each in hint.arms])
        if origin is int:
            if not isinstance(hint, Integer):
                found.refuse(
                    "the file does not say how wide an int is, or whether it has a sign: write Annotated[int, U32], "
                    "with the hint that Rust's type is called"
                )
            return values.integer(hint)
        if origin is float and isinstance(hint, Float | None):
            return values.floating((hint or F64).size)
        if origin is str and isinstance(hint, Character):
            return values.character
        if isinstance(hint, Array):
            return self._array(found, hint.length)
        if hint is not None:
            found.refuse(f"{hint!r} is no hint for {told(origin)}, and may stand next to its type only")
        if origin in SIMPLE:
            return SIMPLE[origin]
        if origin is tuple:
            return self._tuple(found)
        if origin in LISTS or origin in SETS:
            return self._collection(found, None)
        if origin in MAPS and args:
            key = resolved(args[0], place)
            check_hashable(key)
            return values.mapping(self.reader(key), self.reader(resolved(args[1], place)))
        return self._other(found)

    def _other(self, found: Type) -> Read:
        origin, args, _, place = found
        if origin is Union:
            inner = [each for each in args if each is not type(None)]
            if len(inner) == 1:
                return values.option(self.reader(resolved(inner[0], place)))
            found.refuse(
                "the file does not say which variants an enum has: write Annotated[A | B, Variants(A, B)] with all "
                "variants in the order of Rust's source; Annotated[A | B, ...] | None for an Option of it"
            )
        if origin is Literal:
            return values.enumeration([_always(each) for each in args])
        if isinstance(origin, type) and issubclass(origin, enum.Enum):
            return values.enumeration([_always(each) for each in origin])
        if fields_of(origin) is not None:
            return self.struct(origin)
        return found.refuse(
            f"{told(origin)} has no form in a file of the Rust crate: say what the file has in its place, as in "
            "Annotated[datetime, As(str)]"
        )

    def struct(self, cls: Any) -> Read:
        """The reader of a struct whose fields stand one after another."""
        if cls in self._structs:
            return self._structs[cls] or values.deeper(lambda: self._made(cls))
        self._structs[cls] = None
        fields = fields_of(cls) or ()
        readers = {name: self.reader(resolved(tp, f"{cls.__name__}.{name}", metadata)) for name, tp, metadata in fields}
        read = self._structs[cls] = values.built(values.fields(readers), builder(cls))
        return read

    def _made(self, cls: Any) -> Read:
        read = self._structs[cls]
        assert read is not None
        return read

    def _variant(self, arm: Any, found: Type) -> Read:
        """The reader of a variant's content."""
        if arm is None or isinstance(arm, enum.Enum):
            return _always(arm)
        if get_origin(arm) is Literal:
            if len(get_args(arm)) != 1:
                found.refuse(f"a variant without content is one value, not {told(arm)}")
            return _always(get_args(arm)[0])
        return self.reader(resolved(arm, found.place))

    def _tuple(self, found: Type) -> Read:
        args = found.args
        if len(args) == 2 and args[1] is ...:
            return self._collection(found, None)
        if not args:
            found.refuse("the file does not say what a tuple has: write tuple[A, B]")
        return values.parts([self.reader(resolved(each, found.place)) for each in args])

    def _array(self, found: Type, length: int) -> Read:
        if found.origin is bytes:
            return values.fixed_bytes(length)
        if found.origin in LISTS or (found.origin is tuple and found.args[1:] == (...,)):
            return self._collection(found, length)
        return found.refuse("Array(n) is for bytes, list[T] and tuple[T, ...]")

    def _collection(self, found: Type, length: int | None) -> Read:
        if not found.args:
            found.refuse("the file does not say what a collection has: write list[T]")
        item = resolved(found.args[0], found.place)
        read = self.items(item, length)
        if found.origin in SETS:
            check_hashable(item)
            return values.distinct(read, SETS[found.origin])
        kind = tuple if found.origin is tuple else LISTS[found.origin]
        return values.built(read, kind) if kind else read

    def items(self, item: Type, length: int | None = None) -> Callable[[Cursor], list[Any]]:
        """The reader of the items of a collection, or of an array of `length`."""
        read = self.reader(item)
        if length is None and isinstance(item.hint, Integer) and item.origin is int:
            return values.integers(item.hint)
        if length is None and item.origin is float and isinstance(item.hint, Float | None):
            return values.floats((item.hint or F64).size)
        return values.items(read, length)


def _always(value: Any) -> Read:
    return lambda at: value


def check_hashable(key: Type) -> None:
    """Raise `UnsupportedTypeError` if values of a type cannot be keys in Python."""
    origin, args, hint, place = key
    if isinstance(hint, As):
        return
    if getattr(origin, "__hash__", None) is None or origin in MAPS or origin in LISTS:
        key.refuse(f"{told(origin)} cannot be a key or an item of a set: use tuple[T, ...], or a frozen class")
    arms = hint.arms if isinstance(hint, Variants) else args if origin in (tuple, frozenset, Union) else ()
    for each in arms:
        if each is not ... and each is not None and not isinstance(each, enum.Enum):
            check_hashable(resolved(each, place))
