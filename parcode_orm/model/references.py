"""References in the fields of models: the classes they lead to, and what assigning to such a field makes of a value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args, get_origin

from parcode_orm.codec.aliases import union_of
from parcode_orm.codec.entity_keys import key_fields, key_type, plain_key, target_of
from parcode_orm.codec.refs import Ref, make_ref
from parcode_orm.model.annotations import arms

__all__ = [
    "Converter",
    "converter_of",
    "entities_seen",
    "key_type_of",
    "referred_class",
    "referred_classes",
    "setter_of",
    "stored_type",
    "targets_in",
]

Converter = Callable[[Any, Any], Any]
"""Makes references of the objects and keys in a value of a field. The second argument is the space that finds their
targets, or None."""

Setter = Callable[[Any, str, Any], None]

entities_seen: list[Callable[[Any, type[Any]], Mapping[Any, Any]]] = []
"""The first gives the entities of a class by key, as what a space reads sees them."""

_PLAIN = (list, tuple, set, frozenset)
_CHANGED = (list, set, dict)
_COPIED = (*_PLAIN, dict)


def referred_class(tp: Any) -> type[Any] | None:
    """The class to which references of the type `tp` lead, where that is `Ref[cls]`; None for any other type."""
    if type(tp) is type:  # a plain class, as most are
        return None
    found: type[Any] | None = target_of(tp)
    return found


def referred_classes(tp: Any) -> list[type[Any]]:
    """The classes to which references of the type `tp`, or of the parts of a union, lead."""
    return [cls for arm in arms(tp) if (cls := referred_class(arm)) is not None]


def targets_in(tp: Any) -> set[type[Any]]:
    """The classes to which references in values of the type `tp`, and in its collections, lead."""
    found = set()
    for arm in arms(tp):
        cls = referred_class(arm)
        if cls is not None:
            found.add(cls)
        elif get_origin(arm) is not Ref:
            found.update(each for arg in filter(_is_type, get_args(arm)) for each in targets_in(arg))
    return found


def _is_type(arg: Any) -> bool:
    return isinstance(arg, type) or get_origin(arg) is not None or type(arg).__name__ == "TypeAliasType"


def stored_type(tp: Any) -> Any:
    """`tp`, with the type of the keys instead of `Ref[...]`, if it is a reference or may be one."""
    if type(tp) is type:
        return tp
    return union_of(map(key_type_of, arms(tp))) if referred_classes(tp) else tp


def key_type_of(tp: Any) -> Any:
    """The type of the keys that stand for references of the type `tp`; `tp` itself where that is no reference."""
    cls = referred_class(tp)
    return tp if cls is None else key_type(cls)


def converter_of(tp: Any) -> Converter | None:
    """What makes references of a value that is assigned to a field of the type `tp`; None where it holds none.

    Nothing is validated. A value that cannot be a reference stays as it is.
    """
    found = [arm for arm in arms(tp) if arm is not type(None)]
    classes = referred_classes(tp)
    if classes:
        return _to_ref(classes[0], keys=len(found) == 1) if len(classes) == 1 else _of_several(classes)
    for arm in found:
        origin, args = get_origin(arm), get_args(arm)
        if not isinstance(origin, type) or not args:
            continue
        item = converter_of(args[-1] if issubclass(origin, Mapping) else args[0])
        if item is not None:
            return _to_items(item)
    return None


def setter_of(cls: type[Any], name: str, plain: Setter) -> Setter:
    """What assigns the field `name` of plain objects, where `plain` is what Pydantic has for it."""
    info = cls.__pydantic_fields__.get(name)
    if info is None or cls.model_config.get("validate_assignment"):
        return plain  # Pydantic makes the references
    convert = converter_of(info.annotation)
    if convert is None:
        return plain
    return lambda obj, name, value: plain(obj, name, convert(value, None))


def _to_ref(cls: type[Any], *, keys: bool) -> Converter:
    def convert(value: Any, space: Any) -> Any:
        if type(value) is Ref:
            return _bound(value, space)
        if value.__class__ is cls:
            return _bound(Ref(value), space)
        if value is None or not keys or isinstance(value, list | dict) or key_fields(value.__class__):
            return value
        return make_ref(cls, plain_key(value), space)

    return convert


def _bound(ref: Ref[Any], space: Any) -> Ref[Any]:
    """The reference for an object that `space` has given: one of another session of the file finds its own target."""
    there = ref._space
    if space is None or there is space or ref._key is None or not (there is None or space.is_of_file(there)):
        return ref
    return make_ref(ref._cls, ref._key, space)


def _of_several(classes: list[type[Any]]) -> Converter:
    def convert(value: Any, space: Any) -> Any:
        if value.__class__ in classes:
            value = Ref(value)
        return _bound(value, space) if type(value) is Ref else value

    return convert


def _to_items(item: Converter) -> Converter:
    def convert(value: Any, space: Any) -> Any:
        if type(value) not in _COPIED:
            return value
        if type(value) is dict:
            return _kept(value, {key: item(each, space) for key, each in value.items()}, value.values())
        return _kept(value, type(value)([item(each, space) for each in value]), value)

    return convert


def _kept(value: Any, new: Any, items: Any) -> Any:
    """`value` itself with what is `new` where all its `items` are references: what is assigned stays the list that it
    is. Else `new`.
    """
    if type(value) not in _CHANGED or not all(type(each) is Ref for each in items):
        return new
    if type(value) is list:
        value[:] = new
    else:
        value.clear()
        value.update(new)
    return value
