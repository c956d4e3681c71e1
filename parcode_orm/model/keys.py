"""`Key`: the marker of a field that is, or is part of, an entity's primary key; what a class says about its keys."""

from __future__ import annotations

from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, Union, Unpack, get_args, get_origin

from pydantic_core import PydanticUndefined

from parcode_orm.codec.entity_keys import key_fields, key_type, numbered_field
from parcode_orm.codec.types.marks import FieldMark, find_mark
from parcode_orm.errors import UnsupportedTypeError, with_article
from parcode_orm.model.fields import FieldOptions, marked_field

__all__ = ["Index", "IndexMark", "Key", "KeyMark", "key_fields", "key_type", "numbered_field"]


class KeyMark(FieldMark):
    """A field of the primary key. `auto`: the file numbers it."""

    __slots__ = ("auto",)
    spelling = "Key()"
    is_key = True

    def __init__(self, auto: bool) -> None:
        self.auto = auto

    def __repr__(self) -> str:
        return f"Key(auto={self.auto})" if self.auto else "Key()"


class IndexMark(FieldMark):
    """A secondary index of its own field. In `__indexes__` of a class it covers `fields`.

    `unique`: no two entities have the same value. `text`: it is an index of the words of texts.
    """

    __slots__ = ("fields", "text", "unique")
    spelling = "Index()"

    def __init__(self, fields: tuple[Any, ...], unique: bool, text: bool = False) -> None:
        self.fields = fields
        self.unique = unique
        self.text = text

    def __repr__(self) -> str:
        fields = [repr(each) for each in self.fields if isinstance(each, str)]
        return f"Index({', '.join([*fields, *['unique=True'] * self.unique, *['text=True'] * self.text])})"


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
    *fields: str,
    unique: bool = False,
    text: bool = False,
    default_factory: Callable[[], Any] | Callable[[dict[str, Any]], Any] | None = None,
    alias: str | None = None,
    init: bool | None = None,
    kw_only: bool | None = None,
    **options: Unpack[FieldOptions],
) -> Any:
    """A field of an entity with an index: queries find few entities by its value, or in a range, without reading all.

    On a field that holds a list, the index is of the list's items. In `__indexes__` of the class, an index of several
    fields or of nested ones: `__indexes__ = (Index("guild", "level"), Index("address.city"), Index("items[].price"))`.

    Args:
        default: the default, as of `pydantic.Field`; without it and `default_factory` the field is required. In
            `__indexes__` it is the first of the fields.
        fields: in `__indexes__`, the other fields.
        unique: whether no two entities of the class may have the same value, None excepted: a commit that would store
            one twice raises `IntegrityError`.
        text: whether it is an index of the words of a text, or of a list of texts, for `Player.story.matches("words")`
            and `Player.story.bm25("words")`.
        default_factory: makes the default.
        alias: the name in data that is validated and dumped.
        init: what type checkers make of the field, as of `pydantic.Field`.
        kw_only: as `init`.
        options: everything else that `pydantic.Field` takes.

    Raises:
        UnsupportedTypeError: when the class is defined: the class has no `Key()`, or not these fields; values of a
            field's type have no order, cannot be keys if they are `unique`, or are no text with `text`.
        TypeError: an option is not known.
    """
    return marked_field(
        IndexMark((() if default is PydanticUndefined else (default,)) + fields, unique, text),
        default,
        default_factory=default_factory,
        alias=alias,
        init=init,
        kw_only=kw_only,
        **options,
    )


def marked_fields(cls: Any, kind: type[Any]) -> dict[str, Any]:
    """The fields of a model that have a mark of this kind, with the mark, in the order of the fields."""
    found = {}
    for name, info in getattr(cls, "__pydantic_fields__", {}).items():
        mark = next((each for each in info.metadata if isinstance(each, kind)), None)
        if mark is not None:
            found[name] = mark
    return found


def check_keys(cls: Any) -> None:
    """Raise UnsupportedTypeError where marks of `Key` do not fit their class, field or type."""
    keys = marked_fields(cls, KeyMark)
    auto = numbered_field(cls)
    if auto is not None and (classes_in(cls.__pydantic_fields__[auto].annotation) != {int} or len(keys) > 1):
        raise UnsupportedTypeError(
            f"{cls.__qualname__}.{auto}: Key(auto=True) numbers objects by an int that is their whole key: write "
            "id: int = Key(auto=True), and no other Key()"
        )
    for name, mark in keys.items():
        info, place = cls.__pydantic_fields__[name], f"{cls.__qualname__}.{name}"
        apart = find_mark(info.metadata)
        if apart is not None:
            raise UnsupportedTypeError(
                f"{place}: {mark} cannot stand beside {apart.spelling}: what is looked up lies in its row"
            )
        bad = next((each for each in classes_in(info.annotation) if each.__hash__ is None), None)
        if bad is not None:
            raise UnsupportedTypeError(
                f"{place}: {mark} is for values that can be the keys of a dictionary, and "
                f"{with_article(getattr(bad, '__qualname__', str(bad)))} is not hashable"
            )


def classes_in(annotation: Any) -> set[Any]:
    """The classes of the values that an annotation allows, but for None; of generic types the bare ones."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return classes_in(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return set().union(*map(classes_in, get_args(annotation))) - {type(None)}
    return {annotation if origin is None else origin}
