"""Which types may be keys of a marked dictionary: those of which it is known what is equal to what."""

from __future__ import annotations

import typing
from typing import Any

from ...errors import EncodeError, UnsupportedTypeError
from ..types.named import STANDS_FOR
from ..types.typeforms import ANY, Scope, is_recursive, is_union, spelled, strip
from .canonical import handler_of


def check_key_type(tp: Any, scope: Scope) -> None:
    """Refuse keys of type `tp`, which stands in `scope`, by an UnsupportedTypeError.

    What stands in a class's fields, and what is `Any`, is seen when it is written.
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
