"""What a model class says of the primary key of its objects, by the marks in the metadata of its fields."""

from __future__ import annotations

from types import GenericAlias
from typing import Any, get_args, get_origin

from ..errors import UnsupportedTypeError
from .per_class import per_class


def key_fields(cls: Any) -> tuple[str, ...]:
    """The fields of the primary key of a model; none where it is no entity."""
    if getattr(cls, "__pydantic_complete__", False):  # else its fields may yet change
        return _complete_keys(cls)
    return _keys(cls)


def _keys(cls: Any) -> tuple[str, ...]:
    fields = getattr(cls, "__pydantic_fields__", {})
    return tuple([name for name, info in fields.items() if any(_is_key(mark) for mark in info.metadata)])


@per_class
def _complete_keys(cls: type) -> tuple[str, ...]:
    return _keys(cls)


def _is_key(mark: Any) -> bool:
    return getattr(mark, "is_key", False) is True


def numbered_field(cls: Any) -> str | None:
    """The key field that the file numbers; None where it numbers none."""
    for name in key_fields(cls):
        if any(_is_key(mark) and mark.auto for mark in cls.__pydantic_fields__[name].metadata):
            return name
    return None


def key_type(cls: Any, above: tuple[Any, ...] = ()) -> Any:
    """The type of the keys of an entity: that of its key field, or a tuple of several.

    `above` are the classes whose keys are made of this one.

    Raises:
        UnsupportedTypeError: a reference in the key leads back to the class.
    """
    fields = cls.__pydantic_fields__
    if numbered_field(cls) is not None:
        return int
    parts = tuple([_key_part(fields[name].annotation, (*above, cls)) for name in key_fields(cls)])
    return parts[0] if len(parts) == 1 else GenericAlias(tuple, parts)


def _key_part(annotation: Any, above: tuple[Any, ...]) -> Any:
    """The type of a part of a key. A reference is there the key of its target."""
    target = target_of(annotation)
    if target in above:
        way = " -> ".join(cls.__qualname__ for cls in (*above[above.index(target) :], target))
        raise UnsupportedTypeError(
            f"the key of {target.__qualname__} is made of itself ({way}): make one of these references a field beside "
            "the key, id: int = Key(auto=True)"
        )
    return annotation if target is None else key_type(target, above)


def target_of(annotation: Any) -> Any:
    """The entity class to which references of this type lead; None for any other type."""
    if not getattr(get_origin(annotation), "_p_reference_", False):
        return None
    (cls,) = get_args(annotation)
    return cls if isinstance(cls, type) and key_fields(cls) else None


def key_value(part: Any) -> Any:
    """A part of a key: of a reference, and of an entity in its place, the key."""
    if getattr(type(part), "_p_reference_", False):
        return part.key
    return key_of(part) if key_fields(part.__class__) else part


def plain_key(key: Any) -> Any:
    """A key as it is stored: a reference, or an entity, in its parts stands for the key of that entity."""
    return tuple(map(plain_key, key)) if type(key) is tuple else key_value(key)


def key_of(obj: Any) -> Any:
    """The primary key of an object; None where it has none yet, or a part of it is None."""
    names = key_fields(obj.__class__)
    if len(names) == 1:
        return key_value(getattr(obj, names[0], None))
    parts = tuple([key_value(getattr(obj, name, None)) for name in names])
    return None if None in parts else parts
