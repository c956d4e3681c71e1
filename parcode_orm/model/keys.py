"""`Key`: the marker of a field that is, or is part of, an entity's primary key; what a class says about its keys."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, Union, Unpack, get_args, get_origin

from pydantic_core import PydanticUndefined

from parcode_orm.codec.per_class import per_class
from parcode_orm.codec.types.marks import FieldMark, find_mark
from parcode_orm.errors import UnsupportedTypeError
from parcode_orm.model.fields import FieldOptions, marked_field

__all__ = ["Index", "IndexMark", "Key", "KeyMark", "indexed_fields", "key_fields", "numbered_field", "unique_fields"]


class KeyMark(FieldMark):
    """A field of the primary key. `auto`: the file numbers it."""

    __slots__ = ("auto",)
    spelling = "Key()"

    def __init__(self, auto: bool) -> None:
        self.auto = auto

    def __repr__(self) -> str:
        return f"Key(auto={self.auto})" if self.auto else "Key()"


class IndexMark(FieldMark):
    """A field with a secondary index. `unique`: no two entities have the same value in it."""

    __slots__ = ("unique",)
    spelling = "Index()"

    def __init__(self, unique: bool) -> None:
        self.unique = unique

    def __repr__(self) -> str:
        return f"Index(unique={self.unique})"


def Key(
    default: Any = PydanticUndefined,
    *,
    auto: bool = False,
    default_factory: Callable[[], Any] | Callable[[dict[str, Any]], Any] | None = None,
    alias: str | None = None,
    init: bool | None = None,
    kw_only: bool | None = None,
    **options: Unpack[FieldOptions],
) -> Any:
    """A field of the primary key. It makes the class an entity: a file holds any number of its objects, by their keys.

    Several fields with `Key()` are one composite key, a tuple of their values in the order of the fields.

    Args:
        default: the default, as of `pydantic.Field`; without it and `default_factory` the field is required.
        auto: number the objects: `session.add` gives an object whose key is None the next free int. Numbers of deleted
            objects are not used again.
        default_factory: makes the default, such as `uuid4`.
        alias: the name in data that is validated and dumped.
        init: what type checkers make of the field, as of `pydantic.Field`.
        kw_only: as `init`.
        options: everything else that `pydantic.Field` takes, such as `description` or `max_length`.

    Raises:
        UnsupportedTypeError: when the class is defined: the field's type cannot be a key, or `auto` stands on a field
            that is no int, or beside another `Key()`.
        TypeError: an option is not known.
    """
    if auto and default is PydanticUndefined and default_factory is None:
        default = None
    return marked_field(
        KeyMark(auto),
        default,
        default_factory=default_factory,
        alias=alias,
        init=init,
        kw_only=kw_only,
        **options,
    )


def Index(
    default: Any = PydanticUndefined,
    *,
    unique: bool = False,
    default_factory: Callable[[], Any] | Callable[[dict[str, Any]], Any] | None = None,
    alias: str | None = None,
    init: bool | None = None,
    kw_only: bool | None = None,
    **options: Unpack[FieldOptions],
) -> Any:
    """A field of an entity with an index: queries find few entities by its value, or in a range, without reading all.

    Args:
        default: the default, as of `pydantic.Field`; without it and `default_factory` the field is required.
        unique: whether no two entities of the class may have the same value, None excepted: a commit that would store
            one twice raises `IntegrityError`.
        default_factory: makes the default.
        alias: the name in data that is validated and dumped.
        init: what type checkers make of the field, as of `pydantic.Field`.
        kw_only: as `init`.
        options: everything else that `pydantic.Field` takes.

    Raises:
        UnsupportedTypeError: when the class is defined: the class has no `Key()`; values of the field's type have no
            order or, where they are `unique`, cannot be keys.
        TypeError: an option is not known.
    """
    return marked_field(
        IndexMark(unique),
        default,
        default_factory=default_factory,
        alias=alias,
        init=init,
        kw_only=kw_only,
        **options,
    )


def _marked(cls: Any, kind: type[Any]) -> dict[str, Any]:
    """The fields of a model that have a mark of this kind, with the mark, in the order of the fields."""
    found = {}
    for name, info in getattr(cls, "__pydantic_fields__", {}).items():
        mark = next((each for each in info.metadata if isinstance(each, kind)), None)
        if mark is not None:
            found[name] = mark
    return found


def key_fields(cls: Any) -> tuple[str, ...]:
    """The fields of the primary key of a model; none where it is no entity."""
    if getattr(cls, "__pydantic_complete__", False):  # else its fields may yet change
        return _complete_keys(cls)
    return tuple(_marked(cls, KeyMark))


@per_class
def _complete_keys(cls: type) -> tuple[str, ...]:
    return tuple(_marked(cls, KeyMark))


def unique_fields(cls: Any) -> tuple[str, ...]:
    """The fields of an entity of which no value occurs twice."""
    return tuple(name for name, mark in _marked(cls, IndexMark).items() if mark.unique)


def indexed_fields(cls: Any) -> tuple[str, ...]:
    """The fields of an entity with an ordered index."""
    return tuple(name for name, mark in _marked(cls, IndexMark).items() if not mark.unique)


def numbered_field(cls: Any) -> str | None:
    """The key field that the file numbers; None where it numbers none."""
    return next((name for name, mark in _marked(cls, KeyMark).items() if mark.auto), None)


def check_keys(cls: Any) -> None:
    """Raise UnsupportedTypeError where marks of `Key` or `Index` do not fit their class, field or type."""
    keys, indexed = _marked(cls, KeyMark), _marked(cls, IndexMark)
    auto = numbered_field(cls)
    if auto is not None and (_types(cls.__pydantic_fields__[auto].annotation) != {int} or len(keys) > 1):
        raise UnsupportedTypeError(
            f"{cls.__qualname__}.{auto}: Key(auto=True) numbers objects by an int that is their whole key: write "
            "id: int = Key(auto=True), and no other Key()"
        )
    for name, mark in [*keys.items(), *indexed.items()]:
        info, place = cls.__pydantic_fields__[name], f"{cls.__qualname__}.{name}"
        if not keys:
            raise UnsupportedTypeError(
                f"{place}: {mark} is for entities, and the class has no Key(): give it one, id: int = Key(auto=True)"
            )
        apart = find_mark(info.metadata)
        if apart is not None:
            raise UnsupportedTypeError(
                f"{place}: {mark} cannot stand beside {apart.spelling}: what is looked up lies in its row"
            )
        bad = next((each for each in _types(info.annotation) if each.__hash__ is None), None)
        if bad is not None and (name in keys or mark.unique):
            raise UnsupportedTypeError(
                f"{place}: {mark} is for values that can be the keys of a dictionary, and a "
                f"{getattr(bad, '__qualname__', bad)} is not hashable"
            )


def _types(annotation: Any) -> set[Any]:
    """The classes of the values that an annotation allows, but for None; of generic types the bare ones."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _types(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return set().union(*map(_types, get_args(annotation))) - {type(None)}
    return {annotation if origin is None else origin}


def key_type(cls: Any) -> Any:
    """The type of the keys of an entity: that of its key field, or a tuple of several."""
    fields = cls.__pydantic_fields__
    if numbered_field(cls) is not None:
        return int
    parts = tuple([fields[name].annotation for name in key_fields(cls)])
    return parts[0] if len(parts) == 1 else tuple[parts]  # type: ignore[valid-type]
