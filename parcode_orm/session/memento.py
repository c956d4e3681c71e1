"""What the objects of a session are in memory, to be put back: each keeps its identity, and gets
its former content.

A memento holds a shallow copy of every object that can be reached: models and dataclasses, lists,
dictionaries, sets, arrays, lazy collections and the tables below them. Other objects that can
change are refused. Nothing is read for it. Lazy objects of other sessions are not looked into.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from ..codec.bulk import gc_paused
from ..codec.classes.immutable import has_attributes, has_only_attributes, is_immutable, members
from ..codec.kernels import loaded_numpy
from ..codec.packed.dtypes import holds_objects
from ..codec.slots import NAMES, SLOTS
from ..errors import SessionError
from ..lazy.handles import LazyCollection
from ..lazy.proxy import become_lazy, is_proxy, plain_again, proxy_state
from ..lazy.state import MISSING, get_dict
from .space import is_detached, owner_of
from .traversal import ATOMIC, kind_of_class, name_of_place

_SLOTS = tuple(SLOTS.values())

PutBack = Callable[[Any, Any], None]


class Memento:
    """The state of `objects` and all below them; `owner` is their session's.

    Raises:
        SessionError: a declared field holds an object that can change, and is none of these.
    """

    def __init__(self, objects: list[object], owner: object) -> None:
        self.known: dict[int, object] = {}  # by id; held, so that no id becomes another object's
        self.proxies: list[tuple[Any, set[str]]] = []  # lazy models, with the fields that had been read
        self.rows: list[tuple[Any, Any, Any]] = []  # lazy collections, with their rows and the state of these
        self._states: list[tuple[PutBack, object, object]] = []
        self._objects = objects
        self._owner = owner
        self._privates: list[object] = []
        self._lenient = False
        with gc_paused():
            self._take(list(objects))
            # Private attributes may be anything: of what is not known, the reference alone is kept.
            self._lenient = True
            self._take(self._privates)

    def put_back(self) -> list[str]:
        """Give every object its content back, but for the rows of collections; what could not be, a line each."""
        problems = []
        for put_back, value, state in self._states:
            try:
                put_back(value, state)
            except (ValueError, TypeError, BufferError) as problem:
                problems.append(f"{type(value).__qualname__}: {problem}")
        return problems

    def _take(self, waiting: list[object]) -> None:
        known = self.known
        while waiting:
            value = waiting.pop()
            cls: type = type(value)
            if cls in ATOMIC or id(value) in known:
                continue
            taker = _taker(cls)
            if taker is not None:
                known[id(value)] = value
                waiting += taker(self, value)

    def _model(self, model: Any) -> list[object]:
        fields = dict(get_dict(model))
        fields_set, extra, private = slots = [_get(slot, model) for slot in _SLOTS]
        extra, private = (fields.get(name, slot) for name, slot in zip(NAMES[1:], (extra, private), strict=True))
        names = None if fields_set is MISSING else set(fields_set)
        if not is_proxy(model):
            self._states.append((_put_model, model, (fields, slots, names)))
        elif owner_of(model) is self._owner or is_detached(model):
            self.proxies.append((model, set(fields)))
            self._states.append((_put_proxy, model, (fields, slots, names, proxy_state(model))))
        else:
            return []
        if private:
            self._privates.append(private)
        declared = model.__class__.__pydantic_fields__
        # A cached property may be anything, as a private attribute.
        below = [value for name, value in fields.items() if type(value) not in ATOMIC and name in declared]
        return [*below, extra]

    def _collection(self, collection: LazyCollection) -> list[object]:
        if owner_of(collection) is not self._owner and not is_detached(collection):
            return []
        rows = collection.rows
        self.rows.append((collection, rows, rows.remember()))
        held: list[object] = rows.held()
        return held

    def _list(self, value: list[object]) -> list[object]:
        state = list(value)
        self._states.append((_put_list, value, state))
        return state

    def _dict(self, value: dict[object, object]) -> list[object]:
        state = dict(value.items())
        self._states.append((_put_dict, value, state))
        return [*state, *state.values()]

    def _set(self, value: set[object]) -> list[object]:
        state = set(value)
        self._states.append((_put_set, value, state))
        return list(state)

    def _fixed(self, value: Iterable[object]) -> list[object]:
        return list(value)

    def _array(self, array: Any) -> list[object]:
        if holds_objects(array.dtype):
            return self._refuse(array)
        if not _is_fixed(array):
            self._states.append((_put_array, array, array.copy()))
        return []

    def _dataclass(self, value: object) -> list[object]:
        inner = dict(getattr(value, "__dict__", {}))
        slots = [(slot, _get(slot, value)) for slot in members(type(value))]
        self._states.append((_put_dataclass, value, (inner, slots)))
        return [*inner.values(), *(each for _, each in slots)]

    def _refuse(self, value: object) -> list[object]:
        if self._lenient:
            return []
        cls = type(value)
        raise SessionError(
            f"{name_of_place(self._objects, value)} is a {cls.__module__}.{cls.__qualname__}, which can change in "
            "place, and a savepoint restores models, dataclasses, lists, dictionaries, sets, lazy collections and "
            "arrays alone: put one of these there, or do without a savepoint, by commit() and rollback()"
        )


Taker = Callable[[Memento, Any], list[Any]]
_KINDS: dict[str, Taker | None] = {
    "model": Memento._model,
    "proxy": Memento._model,
    "collection": Memento._collection,
    "list": Memento._list,
    "dict": Memento._dict,
    "tuple": Memento._fixed,
    "stream": None,  # it is read once, whoever holds it
    "dataclass": Memento._dataclass,
}


@lru_cache(1024)
def _taker(cls: Any) -> Taker | None:
    """How a memento takes objects of `cls`; None where they do not change."""
    kind = kind_of_class(cls)
    if kind != "leaf":
        return Memento._refuse if issubclass(cls, deque) else _KINDS[kind]
    builtin: list[tuple[type, Taker]] = [
        (set, Memento._set),
        (frozenset, Memento._fixed),
    ]
    numpy = loaded_numpy()
    if numpy is not None:
        builtin.append((numpy.ndarray, Memento._array))
    for base, taker in builtin:
        if issubclass(cls, base):
            return taker
    if is_immutable(cls) or cls.__setattr__ is not object.__setattr__:
        return None
    can_change = cls.__hash__ is None or (has_attributes(cls) and has_only_attributes(cls))
    return Memento._refuse if can_change else None  # functions, locks and the like are no data


def _is_fixed(array: Any) -> bool:
    """Whether nothing can write to the memory of an array, as where it is the file's."""
    while type(array).__module__ == "numpy":
        if array.flags.writeable or array.base is None:
            return False
        array = array.base
    return True


# -- putting back: the content, so that whoever holds the object sees it -----------------------------------------------


def _get(slot: Any, obj: Any) -> Any:
    try:
        return slot.__get__(obj)
    except AttributeError:
        return MISSING


def _set(slot: Any, obj: Any, value: Any) -> None:
    if _get(slot, obj) is value:  # then it may well be one that cannot be set
        return
    if value is MISSING:
        slot.__delete__(obj)
    else:
        slot.__set__(obj, value)


def _put_model(model: object, state: Any) -> None:
    if is_proxy(model):  # it was expired
        plain_again(model)
    _put_parts(model, *state)


def _put_proxy(proxy: object, state: Any) -> None:
    *parts, (view, row) = state
    become_lazy(proxy, view, row)  # an entity that was expunged is plain
    known = view.live.get(row)
    if known is None or known() is not proxy:  # it was expunged, and stood for another row
        view.space.know(view, row, proxy)
    _put_parts(proxy, *parts)


def _put_parts(model: object, fields: dict[str, object], slots: list[Any], names: set[str] | None) -> None:
    _put_dict(get_dict(model), fields)
    for slot, value in zip(_SLOTS, slots, strict=True):
        _set(slot, model, value)
    if names is not None:
        _put_set(slots[0], names)


def _put_list(value: list[object], state: list[object]) -> None:
    list.__setitem__(value, slice(None), state)


def _put_dict(value: dict[Any, object], state: dict[Any, Any]) -> None:
    base: Any = OrderedDict if isinstance(value, OrderedDict) else dict  # past methods that a subclass overrides
    base.clear(value)
    for key, each in state.items():
        base.__setitem__(value, key, each)


def _put_set(value: set[object], state: set[Any]) -> None:
    set.clear(value)
    set.update(value, state)


def _put_array(array: Any, state: Any) -> None:
    if array.dtype != state.dtype:
        raise TypeError(f"its dtype was {state.dtype} and was made {array.dtype} in place")
    writeable = array.flags.writeable
    array.flags.writeable = True
    if array.shape != state.shape:
        array.resize(state.shape, refcheck=False)
    array[...] = state
    array.flags.writeable = writeable


def _put_dataclass(value: object, state: Any) -> None:
    inner, slots = state
    if hasattr(value, "__dict__"):
        _put_dict(value.__dict__, inner)
    for slot, each in slots:
        _set(slot, value, each)
