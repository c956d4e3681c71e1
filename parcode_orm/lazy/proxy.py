"""Lazy models: instances of a class generated from the user's, which decode a field when it is
first read.

`lazy_class` generates the class, `make_proxy` an instance over a row. `become_lazy` makes a plain
object lazy in place, `plain_again` undoes that.
"""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from itertools import repeat
from typing import Any, TypeGuard
from weakref import ref as weak

from pydantic import BaseModel

from parcode_orm.codec.apart import are_distinct, types_of
from parcode_orm.codec.base import ATOMS, is_lazy_collection
from parcode_orm.codec.kernels import drain
from parcode_orm.codec.slots import SLOTS, from_slots, hidden, to_slots
from parcode_orm.codec.types.marks import find_mark
from parcode_orm.errors import with_article
from parcode_orm.lazy.base import UNLESS_OVERRIDDEN, LazyBase, getattr_for, to_plain
from parcode_orm.lazy.serialize import proxy_serializer
from parcode_orm.lazy.state import (
    MISSING,
    RowView,
    WithoutFields,
    first_read,
    forget,
    get_dict,
    get_state,
    keep_read,
    set_dict,
    set_state,
)
from parcode_orm.model.base import Model, on_complete
from parcode_orm.model.plain import LazyModel
from parcode_orm.native import compiled

__all__ = [
    "become_lazy", "become_lazy_all", "decoded", "forget", "is_lazy", "is_proxy", "lazy_class", "make_proxies",
    "make_proxy", "plain_again", "plain_class", "proxy_state", "to_plain",
]  # fmt: skip

# From CPython 3.12 on, an attribute that lies in the instance's own dictionary and that no class defines is read in
# 8 ns, and one with a descriptor on the class in 35. Before, descriptors make for the cheaper first read.
_DESCRIPTORS = sys.version_info < (3, 12)

_LAZY_CLASS = "_p_lazy_class_"  # in the model's own `__dict__`, so that it lives as long as the model

_new = object.__new__
_set_class: Callable[[object, type], None] = object.__dict__["__class__"].__set__
_del_state: Callable[[object], None] = Model.__dict__["_p_state"].__delete__
_building = threading.RLock()
proxy_state = get_state
"""(struct view, row) of a lazy model."""
decoded = get_dict
"""The real instance dictionary of a model: fields decoded or assigned so far, and cached properties. Not a copy."""


def is_proxy(obj: object) -> TypeGuard[LazyModel]:
    """Whether `obj` is a lazy model."""
    return isinstance(obj, LazyModel)


def is_lazy(obj: object) -> bool:
    """Whether `obj` is a lazy model, or a `LazyList` or `LazyMap`."""
    return isinstance(obj, LazyModel) or is_lazy_collection(obj)


def make_proxy(view: RowView, row: int) -> object:
    """A new lazy object of `view.cls` over the row `row` of the struct view; nothing is read."""
    cls = view.made
    if cls is None:
        view.made = cls = view.cls.__dict__.get(_LAZY_CLASS) or lazy_class(view.cls)
    proxy = _new(cls)
    set_state(proxy, (view, row))
    if not _DESCRIPTORS:
        set_dict(proxy, {})
    return proxy


def make_proxies(wanted: Sequence[tuple[RowView, list[int]]]) -> tuple[list[object], list[weak[object]]]:
    """As `make_proxy`, of rows of several views of one class: each view with its rows. A weak reference to each."""
    view = wanted[0][0]
    return new_proxies(view.made or lazy_class(view.cls), STATE, VALUES, tuple(wanted))


STATE = Model.__dict__["_p_state"]
VALUES = None if _DESCRIPTORS else BaseModel.__dict__["__dict__"]


@compiled
def new_proxies(
    cls: type[object], state: Any, fields: Any, wanted: tuple[tuple[object, list[int]], ...]
) -> tuple[list[object], list[weak[object]]]:
    """Objects of `cls`, one for each row of `wanted`, and a weak reference to each.

    `wanted` has pairs of a view and rows. The descriptor `state` of a slot gets (view, row), and `fields` a new
    dictionary unless it is None.
    """
    states = [(view, row) for view, rows in wanted for row in rows]
    found = [_new(cls) for _ in states]
    drain(map(state.__set__, found, states))
    if fields is not None:
        for proxy in found:
            fields.__set__(proxy, {})
    return found, list(map(weak, found))


@compiled
def meet(live: dict[int, weak[object]], rows: list[int], found: list[object], refs: list[weak[object]], at: int) -> int:
    """Enter the objects for `rows` to `live`: those from the place `at` on. How many are new.

    Where `live` knows an object of a row, that one and its reference take the place of the other. `rows` differ.
    """
    fresh = len(rows)
    known = list(map(live.get, rows))
    if any(known):
        for place, ref in enumerate(known, at):
            if ref is not None and (other := ref()) is not None:
                found[place], refs[place] = other, ref
                fresh -= 1
    live.update(zip(rows, refs[at : at + len(rows)], strict=True))
    return fresh


@compiled
def enter_proxy(
    live: dict[int, weak[object]],
    view: object,
    row: int,
    cls: type[object],
    state: Any,
    fields: Any,
    counted: object,
    counter: Any,
    lock: AbstractContextManager[object],
) -> object:
    """The object for a row that `live` knows; else a new one, as of `new_proxies`, which `live` knows from now on.

    None if `live` is empty, so that it may be no longer in use: the caller is to hold the lock.

    Args:
        live: the objects of the rows of the view.
        view: the view.
        row: the row.
        cls: the class of its objects.
        state: the descriptor of the slot that gets (view, row).
        fields: the descriptor that gets a new dictionary, or None.
        counted: what counts new objects,
        counter: in this slot.
        lock: is held where `live` is looked at; not where the GIL lets no other code run meanwhile, nor while
            `forget_dead` does.
    """
    proxy = _new(cls)
    state.__set__(proxy, (view, row))
    if fields is not None:
        fields.__set__(proxy, {})
    ref = weak(proxy)  # before the lock is taken, as making it may run the cycle collector, and that any code
    with lock:
        if not live:
            return None
        known = live.setdefault(row, ref)
        if known is not ref:
            other = known()
            if other is not None:  # another thread was first
                return other
            live[row] = ref
        counter.__set__(counted, counter.__get__(counted) + 1)
    return proxy


@compiled
def forget_dead(lives: dict[object, dict[int, weak[object]]]) -> int:
    """Forget the objects of each of `lives` that are gone, and each that knows no more. How many are left."""
    alive = 0
    for key, live in list(lives.items()):
        for row in [row for row, ref in live.items() if ref() is None]:
            del live[row]
        alive += len(live)
        if not live:
            del lives[key]
    return alive


def plain_class(cls: object) -> Any:
    """The model that `cls` is: `type(obj)` of a lazy object is a generated class."""
    if isinstance(cls, type) and issubclass(cls, LazyModel):
        return cls._p_model_
    return cls


def become_lazy(obj: object, view: RowView, row: int) -> None:
    """Make a plain object lazy in place (or move a lazy one to another row).

    The values it holds stay, as if they had been read; taking one out of `decoded(obj)` lets it be read anew.
    """
    lazy = lazy_class(view.cls)
    if obj.__class__ is not view.cls:
        raise TypeError(f"{with_article(obj.__class__.__qualname__)} cannot stand for a row of {view.cls.__qualname__}")
    if is_proxy(obj):
        before, at = get_state(obj)
        if before is not view or at != row:
            _note_stray(before)
        set_state(obj, (view, row))
        return
    set_state(obj, (view, row))
    to_slots(obj)
    _set_class(obj, lazy)


def become_lazy_all(objs: Sequence[object], view: RowView, rows: Sequence[int]) -> None:
    """Make plain objects of exactly `view.cls` lazy in place, or move lazy ones: each to its row."""
    lazy = lazy_class(view.cls)
    plain = objs
    if lazy in types_of(objs):
        plain = [obj for obj in objs if type(obj) is not lazy]
        states = [get_state(obj) for obj in objs if type(obj) is lazy]
        for before in {id(before): before for before, _ in states}.values():
            _note_stray(before)
    view.strays |= not are_distinct(objs)
    drain(map(set_state, objs, zip(repeat(view), rows)))
    if hidden(view.cls):
        drain(map(to_slots, plain))
    drain(map(_set_class, plain, repeat(lazy)))


def _note_stray(view: RowView) -> None:
    """One of the lazy objects that a view knows stands for another row."""
    known = view.view if isinstance(view, WithoutFields) else view
    known.strays = True


def plain_again(obj: LazyModel) -> None:
    """Undo `become_lazy` on an object that was plain; what it is to hold now is the caller's to set."""
    view, row = get_state(obj)
    known = view.live.get(row)
    if known is not None and known() is obj:
        del view.live[row]
    cls = type(obj)._p_model_
    from_slots(obj, cls)
    _set_class(obj, cls)
    _del_state(obj)


def lazy_class(cls: type) -> type:
    """The class of lazy objects of the model `cls`: a subclass that adds no slot, generated once."""
    if issubclass(cls, LazyModel):
        return cls
    found: type | None = cls.__dict__.get(_LAZY_CLASS)
    if found is None:
        with _building:
            found = cls.__dict__.get(_LAZY_CLASS)
            if found is None:
                found = _generate(cls)
                setattr(cls, _LAZY_CLASS, found)
    return found


on_complete.append(lazy_class)  # so that the first read of a process need not wait for it


def _generate(cls: type) -> type:
    if not issubclass(cls, Model):
        raise TypeError(f"{cls.__qualname__} is not a parcode_orm.Model")
    if not cls.__pydantic_complete__:
        cls.model_rebuild()
    fields = cls.__pydantic_fields__
    namespace: dict[str, object] = {
        "__slots__": (),
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__getattr__": getattr_for(cls),
        "__pydantic_serializer__": proxy_serializer(cls),
        "__pydantic_setattr_handlers__": {},
        "_p_model_": cls,
        "_p_names_": dict.fromkeys(fields),
        "_p_compare_": tuple(sorted(fields, key=lambda name: find_mark(fields[name].metadata) is not None)),
    }
    namespace.update({name: SLOTS[name] for name in hidden(cls)})
    namespace.update(_descriptors(cls))
    # Not through the metaclass: Pydantic would collect the fields anew.
    found = type.__new__(type(cls), cls.__name__, (LazyBase, cls), namespace)
    for name, (plain, lazy) in UNLESS_OVERRIDDEN.items():
        if getattr(cls, name, None) in plain:
            setattr(found, name, lazy)  # an `__eq__` in the namespace would end the inheritance of `__hash__`
    return found


def _descriptors(cls: type[Model]) -> dict[str, object]:
    """Descriptors for fields, where needed, and for cached properties, which else would go through `__dict__`."""
    attributes: dict[str, object] = {}
    for each in reversed(cls.__mro__):
        attributes.update(each.__dict__)
    found: dict[str, object] = {}
    for name, field in cls.__pydantic_fields__.items():
        if field.deprecation_message is not None:
            found[name] = _DeprecatedField(name, field.deprecation_message)
        elif _DESCRIPTORS or name in attributes:
            found[name] = _LazyField(name)
    for name, value in attributes.items():
        if isinstance(value, cached_property) and name not in found:
            found[name] = _LazyCached(value)
    return found


class _LazyField:
    """Reads a field the first time; then the instance's dictionary comes before it."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, proxy: LazyModel | None, owner: type[LazyModel]) -> object:
        if proxy is None:
            return getattr(owner._p_model_, self.name)
        name = self.name
        view, row = get_state(proxy)
        try:
            value = (view.getters.get(name) or view.getter(name))(row)
        except Exception:
            return first_read(proxy, name)  # which says what is wrong
        if type(value) in ATOMS:  # so it obliges nobody to keep the object
            return get_dict(proxy).setdefault(name, value)
        return keep_read(proxy, view, name, value)


class _DeprecatedField:
    """Pydantic's descriptor for deprecated fields, without reading the others."""

    __slots__ = ("message", "name")

    def __init__(self, name: str, message: str) -> None:
        self.name = name
        self.message = message

    def __get__(self, proxy: LazyModel | None, owner: type[LazyModel]) -> object:
        if proxy is None:
            return getattr(owner._p_model_, self.name)
        warnings.warn(self.message, DeprecationWarning, stacklevel=2)
        value = get_dict(proxy).get(self.name, MISSING)
        return first_read(proxy, self.name) if value is MISSING else value

    def __set__(self, proxy: LazyModel, value: object) -> None:
        get_dict(proxy)[self.name] = value  # a data descriptor comes before the dictionary


class _LazyCached:
    """`functools.cached_property` into the real dictionary: through `__dict__` it would read all fields."""

    __slots__ = ("plain",)

    def __init__(self, plain: cached_property[object]) -> None:
        self.plain = plain

    def __get__(self, proxy: object, owner: type) -> object:
        if proxy is None:
            return self.plain
        value = self.plain.func(proxy)
        get_dict(proxy)[self.plain.attrname or self.plain.func.__name__] = value
        return value
