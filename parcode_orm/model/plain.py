"""Plain copies of models, whether they are plain or lazy: `shallow_plain` and `deep_plain`.

This module does not know how lazy objects work. `obj.__dict__` of a lazy model gives all fields,
`obj.__class__` its plain class, and lazy collections have `load()`.
"""

from __future__ import annotations

import copy
import threading
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar, cast
from weakref import ref

from pydantic import BaseModel

from parcode_orm.codec.attributes import attributes, put_others
from parcode_orm.codec.base import ATOMS, is_lazy_collection
from parcode_orm.codec.classes.named import NUMBERS_AND_TEXT
from parcode_orm.codec.kernels import loaded_numpy
from parcode_orm.codec.packed.arrays import array_copy
from parcode_orm.codec.packed.extensions import LEFT_OUT
from parcode_orm.codec.packed.values import pack, unpack
from parcode_orm.codec.slots import NAMES, put_slot
from parcode_orm.codec.views.build import private_values
from parcode_orm.errors import ParcodeError
from parcode_orm.stack import carried, roomy

__all__ = ["LazyModel", "deep_plain", "new_plain", "shallow_plain"]

T = TypeVar("T")


if TYPE_CHECKING:
    _Model = BaseModel  # by the user's model, which is the other base of a lazy class
else:
    _Model = object


class LazyModel(_Model):
    """A base of the class of every lazy model, and of no other class.

    It stands in this floor because `isinstance(obj, LazyModel)` is ten times faster than looking for an
    attribute that a model's class lacks: such a lookup ends in the metaclass's `__getattr__`.
    """

    __slots__ = ()

    _p_model_: ClassVar[type[BaseModel]]  # the plain class
    _p_names_: ClassVar[dict[str, object]]  # its fields, in order
    _p_compare_: ClassVar[tuple[str, ...]]  # its fields, those stored apart last


_set_dict = BaseModel.__dict__["__dict__"].__set__

_SHARED = ATOMS | {complex}


def new_plain(
    cls: type[Any],
    fields: dict[str, Any],
    fields_set: set[str],
    extra: dict[str, Any] | None,
    private: dict[str, Any] | None,
) -> Any:
    """An instance of the plain class `cls` from these parts, without validation. The parts are not copied."""
    new = object.__new__(cls)
    _set_dict(new, fields)
    for name, value in zip(NAMES, (fields_set, extra, private), strict=True):
        put_slot(name, new, value)
    return new


def shallow_plain(obj: Any) -> Any:
    """A plain model with the same values as `obj`, lazy ones included. This reads all fields."""
    extra, private = obj.__pydantic_extra__, obj.__pydantic_private__
    return new_plain(
        obj.__class__,
        dict(obj.__dict__),
        set(obj.__pydantic_fields_set__),
        None if extra is None else dict(extra),
        None if private is None else dict(private),
    )


def deep_plain(value: T) -> T:
    """A deep copy of `value` without any lazy object in it."""
    memo = None if _running.memo is None else _running.memo()
    if memo is not None:  # a lazy collection that is being copied loads rows that may lead back to it
        return cast(T, _copy(value, memo))
    memo = _Memo()
    _running.memo = ref(memo)
    try:
        return cast(T, _copy(value, memo))
    finally:
        _running.memo = None


class _Memo(dict[int, Any]):
    """Copies by the ids of their originals. It ends with the call that made it, however that ends."""

    __slots__ = ("__weakref__",)


class _Running(threading.local):
    memo: ref[_Memo] | None = None


_running = _Running()
carried(_running)


def _copy(value: Any, memo: dict[int, Any]) -> Any:
    cls = type(value)
    if cls in _SHARED:
        return value
    if id(value) in memo:
        return memo[id(value)]
    memo.setdefault(id(memo), []).append(value)  # keep it alive: another object could get its id
    if is_lazy_collection(value):
        new = value.load()
    elif isinstance(value, BaseModel):
        return _copy_model(value, memo)
    elif cls is list:
        new = _noted(value, [], memo)
        new.extend(_copy(item, memo) for item in value)
        return new
    elif cls is dict:
        new = _noted(value, {}, memo)
        new.update((_copy(k, memo), _copy(v, memo)) for k, v in value.items())
        return new
    elif cls in (tuple, set, frozenset):
        new = cls(_copy(item, memo) for item in value)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        new = cls._make(_copy(item, memo) for item in value)
        put_others(new, {name: _copy(item, memo) for name, item in attributes(value).items()})
    else:
        return _copy_other(value, memo)
    return _noted(value, new, memo)


def _copy_other(value: Any, memo: dict[int, Any]) -> Any:
    """A copy by `copy`; if the constructor takes other arguments, one made as reading a file makes it."""
    if isinstance(value, NUMBERS_AND_TEXT) and not getattr(value, "__dict__", None):
        return value  # `copy` would call the constructor, which may give another value
    numpy = loaded_numpy()
    if numpy is not None and type(value) is numpy.ndarray and not numpy.issubdtype(value.dtype, numpy.number):
        return _noted(value, array_copy(value), memo)
    known = len(memo)
    try:
        return copy.deepcopy(value, memo)  # `deepcopy` adds to `memo`, and keeps `value` alive
    except (TypeError, ValueError, RecursionError):
        for key in list(memo)[known:]:  # incomplete copies
            del memo[key]
        try:
            return _noted(value, unpack(pack(value)), memo)
        except ParcodeError:
            pass
        raise


def _noted(value: Any, new: Any, memo: dict[int, Any]) -> Any:
    """Note `new` as the copy of `value`, and return it. `value` may live for this call alone."""
    memo[id(value)] = new
    return new


@roomy
def _copy_model(obj: Any, memo: dict[int, Any]) -> Any:
    new = _noted(obj, object.__new__(obj.__class__), memo)
    _set_dict(new, {name: _copy(item, memo) for name, item in obj.__dict__.items() if name not in NAMES})
    extra, private = obj.__pydantic_extra__, obj.__pydantic_private__
    put_slot(NAMES[0], new, set(obj.__pydantic_fields_set__))
    put_slot(NAMES[1], new, None if extra is None else {name: _copy(item, memo) for name, item in extra.items()})
    put_slot(NAMES[2], new, None if private is None else _copy_privates(new, private, memo))
    return new


def _copy_privates(new: Any, private: dict[str, Any], memo: dict[int, Any]) -> dict[str, Any]:
    """Copies of private attributes. A value that cannot be copied (a lock) has its default, as after reading."""
    from pickle import PicklingError

    found = {}
    for name, value in private.items():
        try:
            found[name] = _copy(value, memo)
        except (TypeError, copy.Error, PicklingError):
            found[name] = LEFT_OUT
    if not any(value is LEFT_OUT for value in found.values()):
        return found
    return private_values(new.__class__, found, new.__private_attributes__, new.__dict__)
