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
    """Let values of `cls` be stored in fields of type `Any`; usable as a decorator.

    Of two classes of one name the later counts.
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
            "call register() on the class, before reading"
        )
    return found
