"""The column of a `Ref[T]`, which is that of the keys of `T` with the name of `T`."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import BaseModel

from ..base import Column
from ..classes.names import name_of
from ..columns.refs import RefColumn
from ..columns.wrappers import OptionalColumn
from ..entity_keys import key_fields, key_type
from .typeforms import Scope, spelled, substitute


def ref_column(tp: Any, scope: Scope) -> Column:
    """The column of `Ref[T]`.

    Raises:
        UnsupportedTypeError: `T` is no class with a `Key()`, or not known yet.
    """
    (cls,) = typing.get_args(substitute(tp, scope)) or (None,)
    shown = f"Ref[{'' if cls is None else spelled(cls)}]"
    if cls is None or isinstance(cls, typing.TypeVar):
        scope.refuse(shown, "Ref takes the class that it refers to, Ref[Plane]")
    if not isinstance(cls, type) or not issubclass(cls, BaseModel):
        scope.refuse(shown, f"{spelled(cls)} is no Model, so no reference leads to its objects")
    names = key_fields(cls)
    if not names:
        scope.refuse(
            shown,
            f"{cls.__qualname__} has no Key(), so its objects are found by no key: give it one, id: int = "
            f"Key(auto=True), or store the object itself, {scope.field}: {cls.__name__}",
        )
    unknown = next((name for name in names if not getattr(cls.__pydantic_fields__[name], "_complete", True)), None)
    if unknown is not None:
        scope.refuse(
            shown,
            f"the type of its key, {cls.__qualname__}.{unknown}, is not known yet: define {cls.__qualname__} first",
        )
    inner = scope.within(
        owner=cls.__qualname__,
        field=names[0],
        variables={},
        aliases=(),
        marked=False,
        enum_values=bool(cls.model_config.get("use_enum_values")),
    ).column(key_type(cls))
    return RefColumn(cls, name_of(cls), inner.inner if isinstance(inner, OptionalColumn) else inner)
