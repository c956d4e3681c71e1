"""Annotations without what says nothing of their values, and the types that they are unions of."""

from __future__ import annotations

import types
from types import NoneType
from typing import Annotated, Any, NewType, NotRequired, Required, TypeVar, Union, get_args, get_origin

from typing_extensions import ReadOnly

from parcode_orm.codec.aliases import unaliased

_WRAPPERS = (Annotated, Required, NotRequired, ReadOnly)


def bare(tp: Any) -> Any:
    """`tp` without what says nothing of its values: `Annotated`, aliases, `NewType`."""
    for _ in range(20):
        if isinstance(tp, NewType):
            tp = tp.__supertype__
        elif get_origin(tp) in _WRAPPERS:
            tp = get_args(tp)[0]
        elif (plain := unaliased(tp)) is not tp:
            tp = plain
        elif isinstance(tp, TypeVar):
            tp = tp.__bound__ or Any
        else:
            break
    return tp


def arms(tp: Any) -> list[Any]:
    """The types that `tp` is a union of, None among them; of any other type, that alone."""
    if type(tp) is type:  # a plain class, as most are
        return [tp]
    tp = bare(tp)
    if get_origin(tp) in (Union, types.UnionType):
        return [arm for each in get_args(tp) for arm in arms(each)]
    return [tp]


def present(tp: Any) -> Any:
    """The only type in `tp` apart from None; `Any` if there are several."""
    if type(tp) is type and tp is not NoneType:
        return tp
    found = [arm for arm in arms(tp) if arm is not NoneType]
    return found[0] if len(found) == 1 else Any
