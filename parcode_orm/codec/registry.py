"""Which classes a stored class name may stand for: those that were compiled or registered in this process, no others.

A name read from a file is looked up here and nowhere else; nothing is ever imported because a file says so.
"""

from __future__ import annotations

from typing import Any, TypeVar
from weakref import WeakValueDictionary

from ..errors import SchemaMismatchError

T = TypeVar("T", bound=type)

_by_tag: WeakValueDictionary[str, type] = WeakValueDictionary()
_by_name: WeakValueDictionary[str, type] = WeakValueDictionary()


def tag_of(cls: type) -> str:
    """The name by which a class is stored: `module:qualname`."""
    return f"{cls.__module__}:{cls.__qualname__}"


def register(cls: T) -> T:
    """Let instances of `cls` stand where a field's type does not name their class, above all in fields of type `Any`.

        @register
        class Money(Decimal): ...

    Use it as a class decorator, or call it on classes of others. A file names the class of such a value, and reading
    takes only classes that were registered, or that stand in the field of a stored model; it never imports any. The
    class is known by `module:qualname`, by its qualname alone when the module has changed; of two of one name the later
    counts. What it is stored by is as in a typed field: models, dataclasses, named tuples, enums, subclasses of
    `str`, `int`, `float`, `bytes` and `Decimal`, and classes with a Pydantic core schema that has a serializer.
    """
    _by_tag[tag_of(cls)] = cls
    _by_name[cls.__qualname__] = cls
    return cls


def register_parts(cls: type, parts: Any) -> None:
    """Let values of `cls`, a custom type, be stored by `parts` where their field's type does not say how."""
    try:
        cls._p_parts_ = parts  # type: ignore[attr-defined]
    except TypeError:  # a class of an extension module takes no attributes; its values are stored in typed fields only
        return
    register(cls)


def parts_of(cls: type) -> Any:
    """What `register_parts` was given for this very class, or None."""
    return cls.__dict__.get("_p_parts_")


def is_registered(cls: type) -> bool:
    """Whether `find_class` gives `cls` for its own tag."""
    return _by_tag.get(tag_of(cls)) is cls


def find_class(tag: str) -> Any:
    """The class of a tag; by its name alone when its module is another now (`__main__` here, `game` there).

    Raises:
        SchemaMismatchError: no such class is known.
    """
    found = _by_tag.get(tag)
    if found is None:
        found = _by_name.get(tag.partition(":")[2])
    if found is None:
        raise SchemaMismatchError(
            f"the file holds a value of class {tag[:200]!r}, which this program has not defined; import its module, or "
            "call parcode_orm.register() on the class, before reading"
        )
    return found
