"""`Ref`: a reference to an entity, which is stored as the key of its target.

A `Ref` is a leaf: it never changes, and nothing looks through it for changes. It knows the class and the key of its
target, and the `Space` that finds the target. A `Ref` that was made of an object without a key holds that object, and
has no `_key`. One that was prefetched holds the target that was found, which is the target while its `_space` says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from itertools import repeat
from typing import TYPE_CHECKING, Any, Generic, TypeVar, get_args, overload
from uuid import UUID

from pydantic import BaseModel, GetCoreSchemaHandler
from pydantic_core import CoreSchema

from ..errors import DetachedError, called, told
from .entity_keys import key_fields, key_of, plain_key
from .kernels import drain
from .ref_schema import core_schema_of

T = TypeVar("T")
_SomeKey = str | int | bytes | float | date | timedelta | UUID | Decimal | tuple[Any, ...]  # for type checkers

_MISSING: Any = object()
_GETATTR: Any = BaseModel.__dict__["__getattr__"]


class Ref(Generic[T]):
    """A reference to an entity of the class `T`.

    A field `plane: Ref[Plane]` takes a `Plane`, a `Ref` or a key, and holds a `Ref`. Attributes are those of the
    target, which is loaded when one is asked for: `flight.plane.year`. `key` and `target` are the reference's own.
    Two references are equal if they have one class and one key; a reference is equal to its target, too.

    Args:
        target: the object, or the class of it.
        key: its key, if `target` is the class.

    Raises:
        TypeError: the class has no `Key()`, or `target` is not an object of such a class.
    """

    __slots__ = ("_cls", "_key", "_space", "_target")
    _p_reference_ = True

    _cls: type[Any]
    _key: Any
    _space: Any
    _target: Any

    @overload
    def __init__(self, target: T, /) -> None: ...
    @overload
    def __init__(self, target: type[T], key: Any, /) -> None: ...
    def __init__(self, target: Any, key: Any = _MISSING, /) -> None:
        if key is _MISSING:
            self._refer(target)
            return
        if not isinstance(target, type) or not key_fields(target):
            raise TypeError(f"Ref(cls, key): cls is a Model class with a Key(), not {called(target)}")
        key = plain_key(key)
        if key is None:
            raise TypeError(f"Ref({target.__name__}, key): None is no key")
        _fill(self, target, key, None, None)

    def _refer(self, target: Any) -> None:
        cls = target.__class__
        if cls is type(target) and key_fields(cls):  # a plain object
            _fill(self, cls, None, None, target)
            return
        if isinstance(target, type) or not key_fields(cls):
            raise TypeError(
                f"Ref(obj): obj is an object of a Model class with a Key(), not {told(target)}: Ref(cls, key) takes "
                "the class and a key"
            )
        stored = getattr(type(target), "_p_stored_", None)
        key = key_of(target)
        if stored is None or key is None:
            _fill(self, cls, None, None, target)
        else:
            _fill(self, cls, key, stored(target)[0].space, None)

    if TYPE_CHECKING:  # of a field: what it gives of an object and of the class, and what it takes

        @overload
        def __get__(self, obj: None, owner: type, /) -> Any: ...
        @overload
        def __get__(self, obj: object, owner: type, /) -> Ref[T]: ...
        def __get__(self, obj: object, owner: type, /) -> Any: ...
        def __set__(self, obj: Any, value: T | Ref[T] | _SomeKey, /) -> None: ...

    @property
    def key(self) -> Any:
        """The key of the target, which is not loaded. None while an object that is numbered was not added."""
        key = self._key
        return key_of(self._target) if key is None else key

    @property
    def target(self) -> T:
        """The target: the one object that its session has for the key.

        Raises:
            NoResultFound: there is no object with this key.
            DetachedError: the reference was made of a key, and no session knows the object that holds it.
            SchemaMismatchError, CorruptionError: the target cannot be read.
        """
        target, space = self._target, self._space
        if target is None or (space is not None and not space.keeps_targets()):
            if space is None:
                raise DetachedError(
                    f"{self!r} was made of a key, and no session knows it yet: ask the session, "
                    f"session.get({self._cls.__name__}, {told(self._key)}), or add or commit the object that holds it"
                )
            target = space.entity(self._cls, self._key)
        found: T = target
        return found

    def __getattr__(self, name: str) -> Any:
        known, space = self._target, self._space
        if known is not None and name[:1] != "_" and (space is None or space.keeps_targets()):
            return getattr(known, name)
        if name.startswith("_"):
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        if not _may_have(self._cls, name):  # whoever only asks what a value is like reads nothing
            raise AttributeError(f"{self._cls.__name__!r} object has no attribute {name!r}")
        return getattr(self.target, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_") or name in ("key", "target"):
            raise AttributeError(f"{name!r} of a Ref cannot be set: assign another object to the field that holds it")
        setattr(self.target, name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{name!r} cannot be deleted through a Ref: del ref.target.{name}")

    def __dir__(self) -> list[str]:
        return sorted({*object.__dir__(self), *self._cls.__pydantic_fields__, *type.__dir__(self._cls)})

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Ref):
            if self._cls is not other._cls:
                return False
            key = self.key
            return self._target is other._target if key is None else bool(key == other.key)
        if other is None:
            return False
        if other is self._target and self._key is None:
            return True
        if other.__class__ is self._cls:
            key = key_of(other)
            return key is not None and bool(key == self.key)
        return NotImplemented

    def __hash__(self) -> int:
        key = self.key
        if key is None:
            raise TypeError(f"{self!r} has no key yet, so it is not hashable: session.add(obj) numbers its target")
        return hash((self._cls, key))

    def __repr__(self) -> str:
        key = self.key
        return f"Ref[{self._cls.__qualname__}]({'<no key yet>' if key is None else told(key)})"

    def __copy__(self) -> Ref[T]:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Ref[T]:
        return self

    def __reduce__(self) -> Any:
        key = self.key
        return (Ref, (self._target,)) if key is None else (Ref, (self._cls, key))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema_of(cls, next(iter(get_args(source)), None))


Ref.__module__ = "parcode_orm"  # where users, pickles and migrations import it from


def _may_have(cls: Any, name: str) -> bool:
    """Whether objects of a model class may have an attribute, as far as the class tells."""
    if name in cls.__pydantic_fields__ or cls.model_config.get("extra") == "allow":
        return True
    return cls.__getattr__ is not _GETATTR or hasattr(cls, name)


_set: tuple[Callable[[Any, Any], None], ...] = tuple(
    [Ref.__dict__[name].__set__ for name in ("_cls", "_key", "_space", "_target")]
)
_set_class, _set_key, _set_space, _set_target = _set


def _fill(ref: Any, cls: Any, key: Any, space: Any, target: Any) -> None:
    _set_class(ref, cls)
    _set_key(ref, key)
    _set_space(ref, space)
    _set_target(ref, target)


def make_ref(cls: type[Any], key: Any, space: Any = None) -> Ref[Any]:
    """The reference to the entity of `cls` with this key, which `space` finds."""
    ref: Ref[Any] = object.__new__(Ref)
    _fill(ref, cls, key, space, None)
    return ref


def make_refs(cls: type[Any], keys: Sequence[Any], targets: Sequence[Any], space: Any) -> list[Ref[Any]]:
    """References to entities of `cls` with these keys, which are `targets` as long as `space` says so."""
    refs: list[Ref[Any]] = list(map(object.__new__, repeat(Ref, len(keys))))
    for put, values in zip(_set, (repeat(cls), keys, repeat(space), targets), strict=True):
        drain(map(put, refs, values))
    return refs


_shared: dict[int, Any] = {}


def share(default: Any) -> None:
    """Know the references in a default of a field, which objects of several sessions may share."""
    if type(default) is Ref:
        _shared[id(default)] = default
    elif type(default) in (list, tuple, set, frozenset, dict):
        for each in default.values() if type(default) is dict else default:
            share(each)


def bound(default: Any, space: Any) -> Any:
    """The default of a field of a stored object: references that were made of keys find their targets by `space`."""
    if type(default) is Ref:
        known = default._space is not None or default._target is not None
        return default if known else make_ref(default._cls, default._key, space)
    if type(default) is dict:
        return {key: bound(each, space) for key, each in default.items()}
    if type(default) in (list, tuple, set, frozenset):
        return type(default)([bound(each, space) for each in default])
    return default


def bind(ref: Ref[Any], space: Any) -> None:
    """Let a reference that no space has given find its target through `space`: it is stored by now."""
    if id(ref) not in _shared:
        _fill(ref, ref._cls, ref.key, space, None)
