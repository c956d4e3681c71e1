"""What a lazy model is made of: its slots, and the reading that fills them.

A lazy model is an instance of a class generated from the user's (`lazy.proxy`). Its slot `_p_state` holds
(struct view, row); its instance dictionary holds what was decoded or assigned. `__dict__` as Python code sees it is a
property that reads all fields, so everything here goes to the real one through the slot descriptors.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from enum import Enum, EnumType
from typing import Any, Protocol
from weakref import ref

from pydantic import BaseModel

from parcode_orm.codec.apart import types_within
from parcode_orm.codec.base import Getter, View
from parcode_orm.codec.slots import MORE, SLOTS, none_filled
from parcode_orm.codec.structs import UNDECLARED, Struct
from parcode_orm.codec.views.build import private_values
from parcode_orm.errors import DecodeError, FieldNotStored, ParcodeError, SchemaMismatchError
from parcode_orm.format.chunk import Chunk
from parcode_orm.model.base import Model
from parcode_orm.model.plain import LazyModel
from parcode_orm.table.table import ATOMIC, MISSING

__all__ = [
    "MISSING", "RowView", "WithoutFields", "changing_in_place", "check_change", "field_value", "fill_slot",
    "first_read", "forget", "get_dict", "get_state", "keep_read", "load_all", "may_change_in_place", "pin_held",
    "set_dict", "set_state", "stored_attributes", "touch",
]  # fmt: skip


class RowView(Protocol):
    """Rows of a model: what lazy models read from. A getter raises `FieldNotStored` where a row
    lacks its field.

    `made` is the class of the lazy objects, once there was one. `live` has the lazy objects of the rows that the
    program may hold, and `strays` says whether one of them may stand for another row by now. `chunk` and `at` say where
    the rows lie.
    """

    getters: dict[str, Getter]
    made: type | None
    live: dict[int, ref[object]]
    lively: set[int] | None
    strays: bool
    held: dict[int, object] | None

    @property
    def cls(self) -> type[BaseModel]: ...
    @property
    def column(self) -> Struct: ...
    @property
    def space(self) -> Any: ...
    @property
    def chunk(self) -> Chunk: ...
    @property
    def at(self) -> int: ...
    @property
    def bits(self) -> int: ...
    def move(self, chunk: Chunk, names: Iterable[str], /) -> None: ...
    def getter(self, name: str, /) -> Getter: ...
    def field(self, name: str, /) -> View: ...
    def read(self, start: int, stop: int, /) -> list[object]: ...
    def field_to_store(self, name: str, row: int, /) -> object: ...
    def field_to_keep(self, name: str, row: int, value: object, /) -> object: ...
    def attributes(self, row: int, /) -> dict[str, object]: ...
    def fields_set(self, row: int, /) -> Iterable[str] | None: ...
    def extra(self, row: int, /) -> dict[str, object] | None: ...
    def private(self, row: int, /) -> dict[str, object] | None: ...


get_dict: Callable[[object], dict[str, Any]] = BaseModel.__dict__["__dict__"].__get__
set_dict: Callable[[object, dict[str, object]], None] = BaseModel.__dict__["__dict__"].__set__
get_state: Callable[[object], tuple[RowView, int]] = Model.__dict__["_p_state"].__get__
set_state: Callable[[object, tuple[RowView, int]], None] = Model.__dict__["_p_state"].__set__

_filling = threading.RLock()


def touch(proxy: LazyModel) -> None:
    """Have a writable session keep `proxy` alive until its next commit: it was, or may yet be, changed."""
    space = get_state(proxy)[0].space
    if space.writable:
        space.pin(proxy)


def check_change(proxy: LazyModel) -> None:
    """Raise `ReadOnlyError`, `DetachedError` or `SessionError` where `proxy` may not be changed."""
    view = get_state(proxy)[0]
    view.space.check_change(view.cls.__name__)


def first_read(proxy: LazyModel, name: str) -> object:
    """Decode the field `name` of `proxy` and remember it; AttributeError where the row was stored without it."""
    view, row = get_state(proxy)
    try:
        getter = view.getters.get(name) or view.getter(name)
        value = getter(row)
    except FieldNotStored:
        raise AttributeError(f"{view.cls.__name__!r} object has no attribute {name!r}") from None
    except AttributeError as error:
        raise _decode_error(view, name) from error
    except (DecodeError, SchemaMismatchError) as problem:
        raise _placed(problem, f"{view.cls.__name__}.{name}") from problem.__cause__
    return keep_read(proxy, view, name, value)


def keep_read(proxy: LazyModel, view: RowView, name: str, value: object) -> object:
    """Remember the value of a field that was decoded, and return it.

    Two threads may decode at once; the first to get here decides which object both see, now and later.
    """
    value = get_dict(proxy).setdefault(name, value)
    cls = type(value)
    if cls not in ATOMIC and not isinstance(cls, EnumType) and view.space.writable:
        view.space.pin(proxy)
    return value


def field_value(obj: object, name: str) -> Any:
    """The field `name` of a plain or lazy model, no other field being read; MISSING where it has none."""
    if not isinstance(obj, LazyModel):
        return obj.__dict__.get(name, MISSING)
    value = get_dict(obj).get(name, MISSING)
    if value is MISSING:
        try:
            return first_read(obj, name)
        except AttributeError:
            return MISSING
    return value


def stored_attributes(proxy: LazyModel) -> dict[str, object]:
    """The attributes in the row of `proxy` that its class does not declare."""
    view, row = get_state(proxy)
    return view.attributes(row) if getattr(view, "bits", 0) & UNDECLARED else {}


def pin_held(proxy: LazyModel, value: object) -> None:
    """Let a session that writes keep `proxy`, which is about to hand out `value`, where that can change."""
    space = get_state(proxy)[0].space
    if type(value) not in ATOMIC and not isinstance(value, Enum) and space.writable:
        space.pin(proxy)


def load_all(proxy: LazyModel) -> dict[str, object]:
    """The real dictionary of `proxy` with every field in it, in field order; then cached properties and the like."""
    names = type(proxy)._p_names_
    values = get_dict(proxy)
    for name, value in stored_attributes(proxy).items():
        if values.setdefault(name, value) is value:
            pin_held(proxy, value)
    if len(values) < len(names) or any(name not in values for name in names):
        for name in names:
            field_value(proxy, name)
    present = [name for name in names if name in values]
    if list(values)[: len(present)] != present:
        # All fields are decoded by now, so a thread still holding the former dictionary finds the same objects in it.
        ordered = {name: values[name] for name in present}
        ordered.update(values)
        set_dict(proxy, ordered)
        return ordered
    return values


def fill_slot(proxy: LazyModel, name: str) -> object:
    """Decode one of Pydantic's own slots, left unset until it is asked for; returns its value."""
    with _filling:
        slot = SLOTS[name]
        try:
            return slot.__get__(proxy)
        except AttributeError:
            pass
        view, row = get_state(proxy)
        try:
            value = _decode_slot(proxy, view, row, name)
        except AttributeError as error:
            raise _decode_error(view, name) from error
        slot.__set__(proxy, value)
    if value and name != "__pydantic_fields_set__":
        touch(proxy)
    return value


def may_change_in_place(proxy: LazyModel) -> bool:
    """Whether values in memory for `proxy` can change in place: whoever takes one of them does not come by `touch`."""
    for name, slot in SLOTS.items():
        try:
            if name != "__pydantic_fields_set__" and slot.__get__(proxy):
                return True
        except AttributeError:
            continue
    return any(type(value) not in ATOMIC and not isinstance(value, Enum) for value in get_dict(proxy).values())


def changing_in_place(proxies: Sequence[LazyModel]) -> list[int]:
    """The places of those `proxies` of which `may_change_in_place` is true."""
    types = types_within(proxies)
    fixed = all(cls in ATOMIC or issubclass(cls, Enum) for cls in types)
    if fixed and none_filled(MORE, proxies):
        return []
    return [place for place, proxy in enumerate(proxies) if may_change_in_place(proxy)]


def forget(proxy: LazyModel) -> None:
    """Let everything of `proxy` be read anew: what was decoded or assigned is dropped, and deleted fields come back."""
    view, row = get_state(proxy)
    if isinstance(view, WithoutFields):
        set_state(proxy, (view.view, row))
    set_dict(proxy, {})
    for slot in SLOTS.values():
        try:
            slot.__delete__(proxy)
        except AttributeError:
            continue


def _decode_slot(proxy: LazyModel, view: RowView, row: int, name: str) -> object:
    cls = view.cls
    if name == "__pydantic_fields_set__":
        stored = view.fields_set(row)
        return set(cls.__pydantic_fields__) if stored is None else set(stored)
    if name == "__pydantic_extra__":
        return view.extra(row) or ({} if cls.model_config.get("extra") == "allow" else None)
    if not cls.__private_attributes__:
        return None
    storable = [name for name, _ in view.column.plan.privates]
    takes_fields = any(info.default_factory_takes_validated_data for info in cls.__private_attributes__.values())
    return private_values(cls, view.private(row), storable, load_all(proxy) if takes_fields else {})


def _placed(problem: ParcodeError, place: str) -> ParcodeError:
    """The error, saying which field it is about, unless it does."""
    if not str(problem).startswith(place):
        problem.args = (f"{place}: {problem}",)
    return problem


def _decode_error(view: RowView, name: str) -> DecodeError:
    return DecodeError(
        f"{view.cls.__qualname__}.{name}: AttributeError while the stored value was being read; its cause is above. It "
        "is not passed on as it is, for then the field would seem to be missing"
    )


class WithoutFields:
    """A struct view that some fields were deleted from (``del proxy.field``): `dropped` names them."""

    def __init__(self, view: RowView, dropped: frozenset[str]) -> None:
        self.view = view
        self.dropped = dropped
        self.getters: dict[str, Getter] = {}

    def getter(self, name: str) -> Getter:
        if name in self.dropped:
            raise FieldNotStored(name)
        return self.view.getter(name)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.view, name)
