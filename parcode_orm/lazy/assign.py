"""Assigning to fields of a lazy model without reading the others.

Pydantic writes through `model.__dict__`, which on a lazy model reads all fields. The handlers here stand in for
Pydantic's in the `__pydantic_setattr_handlers__` of the generated class, so a user's own `__setattr__` still comes
first.
"""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from functools import cached_property
from typing import Any

from pydantic import BaseModel

from parcode_orm.codec.slots import FIELDS_SET, SLOTS, none_set
from parcode_orm.codec.types.core_schemas import schemas_in
from parcode_orm.lazy.state import check_change, get_dict, get_state, load_all, set_dict, touch
from parcode_orm.model.plain import LazyModel
from parcode_orm.model.references import Converter, converter_of

__all__ = ["lazy_handler", "read_dict", "write_dict"]

Handler = Callable[[LazyModel, str, object], None]
_fields_set = SLOTS["__pydantic_fields_set__"].__get__


class _Assignment:
    """One running `validate_assignment`: the core reads the dictionary once before it validates, and writes it once."""

    __slots__ = ("proxy", "read", "written")

    def __init__(self, proxy: LazyModel) -> None:
        self.proxy = proxy
        self.read = self.written = False


_running: contextvars.ContextVar[_Assignment | None] = contextvars.ContextVar("parcode_assignment", default=None)


def read_dict(proxy: LazyModel) -> dict[str, object]:
    """What `proxy.__dict__` is: all fields, but for the core at the start of an assignment those decoded so far."""
    running = _running.get()
    if running is not None and running.proxy is proxy and not running.read:
        running.read = True
        return get_dict(proxy)
    return load_all(proxy)


def write_dict(proxy: LazyModel, values: dict[str, object]) -> None:
    """What assigning `proxy.__dict__` does."""
    running = _running.get()
    if running is not None and running.proxy is proxy and not running.written:
        # `values` began as a copy: a field that was decoded since then must stay.
        running.written = True
        get_dict(proxy).update(values)
    else:
        set_dict(proxy, values)


def lazy_handler(cls: type[BaseModel], name: str, plain: Handler) -> Handler:
    """The handler for `name` on lazy objects of `cls`, where Pydantic's for plain ones is `plain`."""
    attribute = getattr(cls, name, None)
    if isinstance(attribute, cached_property):
        return _set_cached
    if isinstance(attribute, property):
        return plain
    if name.startswith("_"):
        return _set_private(plain)
    if name not in cls.__pydantic_fields__:
        return _set_plainly(plain)
    convert = converter_of(cls.__pydantic_fields__[name].annotation)
    if cls.model_config.get("validate_assignment"):
        assign = _set_plainly(plain) if _validators_see_others(cls) else _set_validated
        return assign if convert is None else _then_bound(assign, convert)
    return _set_field if convert is None else _set_references(convert)


def _set_field(proxy: LazyModel, name: str, value: object) -> None:
    view, row = get_state(proxy)
    space = view.space
    space.check_change(view.cls.__name__)
    get_dict(proxy)[name] = value
    if not none_set(FIELDS_SET, (proxy,)):
        _fields_set(proxy).add(name)
    elif view.fields_set(row) is not None:  # a row of which all fields were set has this name among them
        proxy.__pydantic_fields_set__.add(name)
    if space.writable:
        space.pin(proxy)


def _set_references(convert: Converter) -> Handler:
    def handler(proxy: LazyModel, name: str, value: object) -> None:
        _set_field(proxy, name, convert(value, get_state(proxy)[0].space))

    return handler


def _then_bound(assign: Handler, convert: Converter) -> Handler:
    """References that Pydantic makes of keys know no session, so they are bound after validation."""

    def handler(proxy: LazyModel, name: str, value: object) -> None:
        assign(proxy, name, value)
        fields = get_dict(proxy)
        fields[name] = convert(fields[name], get_state(proxy)[0].space)

    return handler


def _set_cached(proxy: LazyModel, name: str, value: object) -> None:
    get_dict(proxy)[name] = value


def _set_validated(proxy: LazyModel, name: str, value: object) -> None:
    check_change(proxy)
    token = _running.set(_Assignment(proxy))
    try:
        proxy.__pydantic_validator__.validate_assignment(proxy, name, value)
    finally:
        _running.reset(token)
        touch(proxy)  # an "after" validator that fails leaves the value assigned, as on a plain model


def _set_plainly(plain: Handler) -> Handler:
    def handler(proxy: LazyModel, name: str, value: object) -> None:
        check_change(proxy)
        plain(proxy, name, value)
        touch(proxy)

    return handler


def _set_private(plain: Handler) -> Handler:
    """Private attributes are no declared data, and a method may keep what it likes there: read-only objects, too."""

    def handler(proxy: LazyModel, name: str, value: object) -> None:
        plain(proxy, name, value)
        touch(proxy)

    return handler


def _validators_see_others(cls: type[BaseModel]) -> bool:
    """Whether a validator is handed the other fields' values, instead of asking the object for those it needs."""
    decorators = cls.__pydantic_decorators__
    if any(each.info.mode != "after" for each in decorators.model_validators.values()):
        return True
    return bool(decorators.root_validators) or _takes_info(cls.__pydantic_core_schema__, cls)


def _takes_info(schema: Any, cls: type) -> bool:
    """Whether a function in the core schema of `cls` takes a ValidationInfo; nested models have one of their own."""
    if schema["type"] == "model" and schema["cls"] is not cls:
        return False
    function = schema.get("function")
    if isinstance(function, dict) and function["type"] == "with-info":
        return True
    return any(_takes_info(each, cls) for each in schemas_in(schema))
