"""The fields of a model or dataclass, as a comparison of two commits takes them apart. Large values stay unread."""

from __future__ import annotations

import dataclasses
from typing import Any

from pydantic import BaseModel

from ...codec.attributes import attributes
from ...codec.views.boundary import Unread
from ...errors import ParcodeError
from ...lazy.proxy import is_proxy
from ...lazy.shown import text_of, why
from ...lazy.state import MISSING, field_value

WIDTH = 60  # characters of a value in a text


def names_of(obj: Any) -> list[str]:
    """The fields and other attributes of a dataclass; the fields, extra values and private attributes of a model."""
    if isinstance(obj, BaseModel):
        return [*obj.__class__.__pydantic_fields__, *besides(obj)]
    return [*(field.name for field in dataclasses.fields(obj)), *besides(obj)]


def besides(obj: Any) -> list[str]:
    """The extra values and private attributes of a model; attributes of a dataclass that are no fields."""
    if isinstance(obj, BaseModel):
        return [*(obj.__pydantic_extra__ or {}), *(obj.__pydantic_private__ or {})]
    fields = {field.name for field in dataclasses.fields(obj)}
    return [name for name in attributes(obj) if name not in fields]


def field_of(obj: object, name: str) -> object:
    """One of `names_of`; MISSING where the object lacks it. Of a lazy model nothing else is read, nor large values."""
    if not isinstance(obj, BaseModel):
        return getattr(obj, name, MISSING)
    if name not in obj.__class__.__pydantic_fields__:
        return {**(obj.__pydantic_extra__ or {}), **(obj.__pydantic_private__ or {})}.get(name, MISSING)
    lazy: Any = obj if is_proxy(obj) else None
    unread = None if lazy is None else lazy._p_unread_(name)
    return field_value(obj, name) if unread is None else unread


def read_now(value: object) -> object:
    """A value, which may be unread yet."""
    return value.read() if isinstance(value, Unread) else value


def value_now(value: object) -> Any:
    """A value, which may be unread yet; None for MISSING."""
    return None if value is MISSING else read_now(value)


def shown(value: object) -> str:
    """A value's text, cut short; large values are not read for it."""
    if value is MISSING:
        return "(none)"
    try:
        blob = value.blob() if isinstance(value, Unread) else None
        if blob is not None:
            return f"<{len(blob[0])} bytes>"
        text = text_of(value_now(value))
    except ParcodeError as problem:
        return f"<{why(problem)}>"
    return text if len(text) <= WIDTH else text[: WIDTH - 3] + "..."
