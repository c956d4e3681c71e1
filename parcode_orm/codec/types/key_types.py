"""Which types may be keys of a marked dictionary: types whose equality is known."""

from __future__ import annotations

import typing
from typing import Any

from ...errors import EncodeError, UnsupportedTypeError
from ..classes.named import ANY, STANDS_FOR
from ..keys.canonical import handler_of
from .typeforms import Scope, is_recursive, is_union, spelled, strip


def check_key_type(tp: Any, scope: Scope) -> None:
    """Refuse keys of type `tp`, which stands in `scope`, by an UnsupportedTypeError.

    Values in a class's fields, and values of type `Any`, are checked when they are written.
    """
    if is_recursive(tp, scope):
        return
    tp, scope, _ = strip(tp, scope)
    origin = typing.get_origin(tp) or tp
    if is_union(tp) or origin in (tuple, frozenset):
        for arg in typing.get_args(tp):
            if arg is not Ellipsis:
                check_key_type(arg, scope)
        return
    abstract = not isinstance(origin, type) or origin in ANY or origin in STANDS_FOR or origin.__hash__ is None
    if abstract or origin.__module__ in ("collections.abc", "typing"):
        return
    try:
        handler_of(origin)
    except EncodeError as problem:
        raise UnsupportedTypeError(
            f"{scope.owner}.{scope.field}: {spelled(tp)} cannot be a key of a marked dictionary: {problem.args[0]}"
        ) from None
