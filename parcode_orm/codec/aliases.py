"""Types made and taken apart at run time: aliases (`type Name = ...`, numpy's `NDArray[...]`) and unions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Union, get_args, get_origin


def unaliased(tp: Any) -> Any:
    """What the alias `tp` stands for, with its arguments put in; any other type itself.

    From numpy 2.5 on, Python 3.12 and later see `NDArray[np.float32]` as such an alias, and its origin is no class.
    """
    while True:
        alias, args = get_origin(tp) or tp, get_args(tp)
        if type(alias).__name__ != "TypeAliasType":
            return tp
        tp = alias.__value__[args] if args else alias.__value__


def union_of(arms: Iterable[Any]) -> Any:
    """The union of types that are known at run time: of one type, that type."""
    combined: Any = Union
    return combined[tuple(arms)]
