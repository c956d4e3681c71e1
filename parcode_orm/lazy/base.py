"""`LazyBase`: what generated lazy classes have in place of, and before, the methods of the user's model."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from types import FunctionType
from typing import Any

from pydantic import BaseModel, RootModel

from parcode_orm.codec.asis import to_write
from parcode_orm.errors import DetachedError, FieldNotStored, ParcodeError
from parcode_orm.lazy.assign import Handler, lazy_handler, read_dict, write_dict
from parcode_orm.lazy.display import object_html
from parcode_orm.lazy.shown import Shown, brief, field_within, is_full, unread, unread_in, why, within
from parcode_orm.lazy.state import (
    MISSING,
    WithoutFields,
    check_change,
    field_value,
    fill_slot,
    first_read,
    get_dict,
    get_state,
    pin_held,
    set_state,
    stored_attributes,
    touch,
)
from parcode_orm.model.plain import LazyModel, deep_plain, new_plain

__all__ = ["LazyBase", "UNLESS_OVERRIDDEN", "getattr_for", "to_plain"]

_LAZY_SLOTS = frozenset({"__pydantic_fields_set__", "__pydantic_extra__", "__pydantic_private__"})


class LazyBase(LazyModel):
    """First base of every generated class; the user's model is the second.

    Methods that a user's model may well define itself are not here but in `UNLESS_OVERRIDDEN`.
    """

    __slots__ = ()

    def __init_subclass__(cls, **kwargs: object) -> None:
        """The user's own hook is for classes that the user defines."""

    def __new__(cls, *args: object, **kwargs: object) -> Any:
        """``type(proxy)(...)`` in a method of the user's makes a plain object."""
        return cls._p_model_(*args, **kwargs)

    @classmethod
    def model_construct(cls, *args: Any, **kwargs: Any) -> Any:
        return cls._p_model_.model_construct(*args, **kwargs)

    @property
    def __dict__(self) -> dict[str, object]:
        """All fields; the very dictionary, which may be changed."""
        try:
            touch(self)
        except DetachedError:  # after a rollback: what was decoded may still be looked at
            pass
        return read_dict(self)

    @__dict__.setter
    def __dict__(self, values: dict[str, object]) -> None:
        write_dict(self, values)
        touch(self)

    @property  # type: ignore[misc]
    def __class__(self) -> type[Any]:
        return type(self)._p_model_

    def _setattr_handler(self, name: str, value: object) -> Handler | None:
        if self._p_is_new_extra_(name):  # the model sets it at once
            check_change(self)
        plain = super()._setattr_handler(name, value)  # type: ignore[misc]
        if plain is None:  # it was set directly: an extra value
            touch(self)
            return None
        return lazy_handler(type(self)._p_model_, name, plain)

    def _p_is_new_extra_(self, name: str) -> bool:
        cls = type(self)._p_model_
        allowed = cls.model_config.get("extra") == "allow" and not name.startswith("_")
        return allowed and name not in cls.__pydantic_fields__ and getattr(cls, name, None) is None

    def __delattr__(self, name: str) -> None:
        is_field = name in type(self)._p_names_
        if is_field or self._p_is_new_extra_(name):
            check_change(self)
        if is_field:
            getattr(self, name)
        super().__delattr__(name)
        if is_field:
            view, row = get_state(self)
            if isinstance(view, WithoutFields):
                set_state(self, (WithoutFields(view.view, view.dropped | {name}), row))
            else:
                view.strays = True
                set_state(self, (WithoutFields(view, frozenset({name})), row))
        touch(self)

    @property
    def model_fields_set(self) -> set[str]:
        """As on the plain model: the very set, which may be changed."""
        touch(self)
        return self.__pydantic_fields_set__

    @property
    def model_extra(self) -> dict[str, Any] | None:
        """As on the plain model: the very dictionary, which may be changed."""
        touch(self)
        return self.__pydantic_extra__

    _p_stored_ = staticmethod(get_state)  # for the codec: the view and the row that an object stands for

    def _p_fields_to_store_(self) -> dict[str, object]:
        """The fields in order, for the codec. What nobody has read is read past this object, marked fields not at all.

        So nothing is handed out, and a session need not keep the object.
        """
        here = get_dict(self)
        view, row = get_state(self)
        whole = not isinstance(view, WithoutFields)
        found = {}
        for name in type(self)._p_names_:
            value = here.get(name, MISSING)
            if value is MISSING:
                try:
                    value = whole and view.field_to_store(name, row)
                    value = value or to_write(view.getters.get(name) or view.getter(name), row)
                except FieldNotStored:
                    continue
            elif whole and name in view.column.places:
                value = view.field_to_keep(name, row, value)
            found[name] = value
        return found

    def _p_unread_(self, name: str) -> object:
        """What stands for the value of a field that is stored alone, if it was neither read nor assigned; else None."""
        view, row = get_state(self)
        if name in get_dict(self) or isinstance(view, WithoutFields):
            return None
        unread = getattr(view.field(name), "unread", None)
        return None if unread is None else unread(row)

    def _p_large_(self, name: str) -> object:
        """What shows the value of a field, if it is large, and was neither read nor assigned; else None."""
        view, row = get_state(self)
        if name in get_dict(self) or isinstance(view, WithoutFields):
            return None
        alone = self._p_unread_(name)
        if alone is not None:
            return unread(alone)
        field = view.field(name)
        return unread_in(field, row) if hasattr(field, "stored") else None

    def __copy__(self) -> Any:
        return copy.copy(to_plain(self))

    def __deepcopy__(self, memo: dict[int, object] | None = None) -> Any:
        return copy.deepcopy(to_plain(self), memo)

    def __reduce_ex__(self, protocol: object) -> Any:
        return to_plain(self).__reduce_ex__(protocol)

    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Any:
        skip = frozenset(update or ()) if type(self)._p_model_.model_copy is BaseModel.model_copy else frozenset()
        return to_plain(self, skip).model_copy(update=update, deep=deep)

    def model_load(self) -> Any:
        view, row = get_state(self)
        read = getattr(view, "read", None)
        if read is not None and is_untouched(self) and not isinstance(view, WithoutFields):
            return read(row, row + 1)[0]
        return deep_plain(self)


for _name, _method in vars(LazyBase).items():  # Python names a function where an argument of it is wrong
    if isinstance(_method, FunctionType) and not _name.startswith("_"):
        _method.__qualname__ = f"Model.{_name}"


def getattr_for(cls: type[Any]) -> Callable[[LazyModel, str], object]:
    """`__getattr__` of the lazy class of `cls`: called for names that neither the object nor its class has."""
    names = frozenset(cls.__pydantic_fields__)

    def __getattr__(self: LazyModel, name: str) -> object:
        if name in names:
            return first_read(self, name)
        if name in _LAZY_SLOTS:
            return fill_slot(self, name)
        stored = stored_attributes(self)
        if name in stored:
            pin_held(self, stored[name])
            return get_dict(self).setdefault(name, stored[name])
        self.__pydantic_extra__  # noqa: B018  # the model's __getattr__ asks the bare slot
        return cls.__getattr__(self, name)

    return __getattr__


def to_plain(proxy: LazyModel, skip: frozenset[str] = frozenset()) -> Any:
    """A plain object holding the very values of `proxy`, lazy handles included.

    All fields are read, but for those in `skip`: None stands in their place.
    """
    if skip:
        values = {}
        for name in type(proxy)._p_names_:
            value = None if name in skip else field_value(proxy, name)
            if value is not MISSING:
                values[name] = value
        for name, value in get_dict(proxy).items():
            values.setdefault(name, value)
    else:
        values = dict(read_dict(proxy))
    extra, private = proxy.__pydantic_extra__, proxy.__pydantic_private__
    return new_plain(
        type(proxy)._p_model_,
        values,
        set(proxy.__pydantic_fields_set__),
        None if extra is None else dict(extra),
        None if private is None else dict(private),
    )


def is_untouched(proxy: LazyModel) -> bool:
    """Whether nothing of `proxy` was decoded or assigned: its row alone says what it is."""
    if get_dict(proxy):
        return False
    for name in _LAZY_SLOTS:
        try:
            BaseModel.__dict__[name].__get__(proxy)
        except AttributeError:
            continue
        return False
    return True


def _eq(self: LazyModel, other: object) -> object:
    """`BaseModel.__eq__`, field by field, ending at the first difference."""
    if self is other:
        return True
    if not isinstance(other, BaseModel):
        return NotImplemented
    mine, theirs = type(self)._p_model_, other.__class__
    if (mine.__pydantic_generic_metadata__["origin"] or mine) is not (
        theirs.__pydantic_generic_metadata__["origin"] or theirs
    ):
        return False
    for name in type(self)._p_compare_:
        left, right = field_value(self, name), field_value(other, name)
        if left is not right and not left == right:
            return False
    return getattr(self, "__pydantic_private__", None) == getattr(other, "__pydantic_private__", None) and (
        self.__pydantic_extra__ or {}
    ) == (other.__pydantic_extra__ or {})


def _repr_args(self: LazyBase) -> Iterator[tuple[str | None, object]]:
    """`BaseModel.__repr_args__`; fields with ``repr=False`` and large values are left unread, long ones cut.

    What cannot be read is named with the reason: looking at an object never fails.
    """
    return iter(within(_fields_shown, self))


def _fields_shown(self: LazyBase) -> list[tuple[str | None, object]]:
    shown: list[tuple[str | None, object]] = []
    fields = list(_to_show(self))
    for at, (name, value_of) in enumerate(fields):
        if is_full():
            shown.append((None, Shown("<more fields>")))
            break
        value = field_within(name, len(fields) - at - 1, partial(_value_shown, self, value_of))
        if value is not MISSING:
            shown.append((name, value))
    return shown


def _value_shown(self: Any, value_of: Callable[[], Any]) -> object:
    try:
        value = value_of()
    except Exception as problem:  # in reading, or in a computed field
        return Shown(f"<{why(problem)}>")
    if value is MISSING:
        return value
    return brief(value) if value is not self else self.__repr_recursion__(value)


def _to_show(self: LazyBase) -> Iterator[tuple[str | None, Callable[[], object]]]:
    """What a text shows, in the order that Pydantic has: names, and functions that give the values."""
    cls = type(self)._p_model_
    for name, info in cls.__pydantic_fields__.items():
        if info.repr:
            yield name, partial(_field_to_show, self, name)
    try:
        extra = self.__pydantic_extra__ or {}
    except ParcodeError as problem:
        extra = {}
        yield None, partial(Shown, f"<extra values, {why(problem)}>")
    for name, value in extra.items():
        yield name, partial(_itself, value)
    for name, computed in cls.__pydantic_computed_fields__.items():
        if computed.repr:
            yield name, partial(getattr, self, name)


def _itself(value: object) -> object:
    return value


def _field_to_show(self: LazyBase, name: str) -> object:
    large = self._p_large_(name)
    return field_value(self, name) if large is None else large


def _dir(self: LazyModel) -> list[str]:
    return sorted({*type.__dir__(type(self)._p_model_), *type(self)._p_names_, *get_dict(self)})


# name -> (what a model has that does not override it, what its lazy class gets)
UNLESS_OVERRIDDEN: dict[str, tuple[tuple[object, ...], object]] = {
    "__eq__": ((BaseModel.__eq__,), _eq),
    "__repr_args__": ((BaseModel.__repr_args__, RootModel.__repr_args__), _repr_args),
    "__dir__": ((BaseModel.__dir__,), _dir),
    "_repr_html_": ((None,), object_html),
}
