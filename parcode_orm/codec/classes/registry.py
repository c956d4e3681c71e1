"""Which class a stored name means: only classes compiled or registered in this process count.

A name read from a file is looked up here and nowhere else; nothing is ever imported because a file
says so. First the module and qualified name count, the newest class where one was defined again;
then a name given to `register`; then a class of the same qualified name and structure, if there is
only one. A name alone is never enough.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, TypeVar, overload
from weakref import WeakSet, WeakValueDictionary

from ...errors import SchemaMismatchError, called, told
from ..undo import note
from .generics import parametrized
from .names import bare, bound_class, structure_of, tag_of

T = TypeVar("T", bound=type)
PARTS = "_p_parts_"  # of a custom type: that class, and how its values are stored

_by_tag: WeakValueDictionary[str, type] = WeakValueDictionary()
_by_name: WeakValueDictionary[str, type] = WeakValueDictionary()
_by_bare: dict[str, WeakSet[type]] = {}
_again: set[str] = set()  # tags that more than one class was registered by
_hooks: dict[type, Any] = {}


@overload
def register(cls: T, *, name: str | None = None) -> T: ...
@overload
def register(cls: None = None, *, name: str | None = None) -> Callable[[T], T]: ...
def register(cls: Any = None, *, name: str | None = None) -> Any:
    """Let instances of `cls` stand where a field's type does not name their class.

        @register
        class Money(Decimal): ...

        @register(name="billing.money:Money")  # where the class was when files were written
        class Money(Decimal): ...

    Use it as a class decorator, or call it on classes of others. A file names the class of such a
    value, and reading takes only classes that were registered, or that stand in the field of a
    stored model; it never imports any. The class is found by `module:qualname`; of two of one name
    the newer counts. A class that has moved is found by `name`, or as the only class with its
    qualified name and structure. What it is stored by is as in a typed field: models, dataclasses,
    named tuples, enums, subclasses of `str`, `int`, `float`, `bytes` and `Decimal`, and classes
    with a Pydantic core schema that has a serializer.

    Args:
        cls: the class; without it, a decorator is returned.
        name: another `module:qualname` that files may know the class by.

    Raises:
        TypeError: `cls` is no class, or `name` no such name.
    """
    given: Any = name
    if given is not None and (not isinstance(given, str) or ":" not in given):
        raise TypeError(f'register(cls, name=...): name is "module:qualname", a str, not {told(name)}')
    if cls is None:
        return partial(register, name=name)
    if not isinstance(cls, type):
        raise TypeError(f"register(cls): cls is a class, not {called(cls)}")
    tag = tag_of(cls)
    before = _by_tag.get(tag)
    if before is not cls:
        if before is not None:
            _again.add(tag)
        known = _by_bare.setdefault(bare(tag), WeakSet())
        note(partial(_forget, tag, cls, before, known, cls in known))
        known.add(cls)
        if before is None or not _is_older(cls, before):
            _by_tag[tag] = cls
    if name is not None:
        _by_name[name] = cls
    return cls


def _is_older(cls: type, other: type) -> bool:
    """Whether `cls` was made before `other`, a class of the same base."""
    for base in cls.__bases__:
        if base in other.__bases__:
            known: list[type] = type.__subclasses__(base)
            return next(each for each in known if each is cls or each is other) is cls
    return False


def _forget(tag: str, cls: type, before: type | None, known: WeakSet[type], was_known: bool) -> None:
    if _by_tag.get(tag) is cls:
        del _by_tag[tag]
        if before is not None:
            _by_tag[tag] = before
    if not was_known:
        known.discard(cls)


def register_parts(cls: type, parts: Any) -> None:
    """Let values of `cls`, a custom type, be stored by `parts` in fields of other types."""
    before = cls.__dict__.get(PARTS, (None, None))
    try:
        setattr(cls, PARTS, (cls, parts))
    except TypeError:  # a class of an extension module takes no attributes; its values are stored in typed fields only
        return
    note(partial(setattr, cls, PARTS, before))
    register(cls)


def set_hook(cls: type, parts: Any) -> None:
    """Let values of exactly `cls` be stored by `parts`, which `register_type` made."""
    _hooks[cls] = parts


def hook_of(cls: type) -> Any:
    """What `register_type` made for this very class, or None."""
    return _hooks.get(cls)


def parts_of(cls: type) -> Any:
    """What `register_parts` was given for this very class, or None."""
    owner, parts = cls.__dict__.get(PARTS, (None, None))
    return parts if owner is cls else None


def is_registered(cls: type) -> bool:
    """Whether `find_class` gives `cls` for its own tag."""
    return _registered(tag_of(cls)) is cls


def stored_tag(cls: type) -> str:
    """The name by which a packed value says its class: the tag, and the structure after a `#`."""
    return f"{tag_of(cls)}#{structure_of(cls)}"


def _registered(tag: str) -> type | None:
    found = _by_tag.get(tag)
    if tag in _again:  # what the module's name leads to now, where that was registered too
        bound: type | None = bound_class(tag)
        if bound is not None and bound in _by_bare.get(bare(tag), ()):
            return bound
    return found


def named(tag: str) -> type | None:
    """The class that was registered with this `name`."""
    return _by_name.get(tag)


def newest(classes: Iterable[type]) -> type:
    """The class that the name leads to now, else the last of `classes`: older ones come first."""
    known = list(classes)
    if len(known) > 1:
        bound: type | None = bound_class(tag_of(known[-1]))
        if bound is not None and bound in known:
            return bound
    return known[-1]


def find_class(stored: str) -> Any:
    """The class of a `stored_tag`.

    Raises:
        SchemaMismatchError: no such class is known, or several could be it.
    """
    tag, _, structure = stored.rpartition("#")
    found: type = _registered(tag) or named(tag) or _made(tag, structure) or _moved(tag, structure)
    return found


def made(tag: str) -> Any:
    """The parametrisation of a known generic class that `tag` names; None if there is none."""
    return parametrized(tag, lambda name: _registered(name) or bound_class(name))


def _made(tag: str, structure: str) -> Any:
    found = made(tag)
    return found if found is not None and structure_of(found) == structure else None


def _moved(tag: str, structure: str) -> type:
    """The only registered class of this qualified name and structure."""
    known = {tag_of(cls) for cls in _by_bare.get(bare(tag), ())}
    classes = list(filter(None, map(_registered, sorted(known))))
    fitting: list[type] = [cls for cls in classes if structure_of(cls) == structure]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        modules = ", ".join(cls.__module__ for cls in fitting)
        why = f"and of that name and structure there are several: in the modules {modules}; import its own module"
    else:
        why = "which this program has not defined; import its module"
    raise SchemaMismatchError(
        f"the file holds a value of class {tag[:200]!r}, {why}, or call parcode_orm.register() on the class, before "
        "reading; where the class has moved, register(name=...) says what it was called"
    )
