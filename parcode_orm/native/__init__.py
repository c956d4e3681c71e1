"""The native core: functions in C that take the place of Python functions of the same name.

Each function in C has a specification: the Python function that `compiled` decorates. Both take the
same arguments, give the same results and raise the same types of errors, and the tests compare
them. Where there is no compiled module, or `PARCODE_PURE=1` is set when the package is imported,
the specifications run.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    _core: Any
elif os.environ.get("PARCODE_PURE", "") in ("", "0"):
    try:
        from parcode_orm.native import _core
    except ImportError:
        _core = None
else:
    _core = None

F = TypeVar("F", bound=Callable[..., Any])

accelerated: bool = _core is not None
"""Whether the functions in C run. A bool, set when the package is imported."""

specifications: dict[str, Callable[..., Any]] = {}
"""The Python functions that have a counterpart in C, by name."""


def compiled(function: F) -> F:
    """The function in C that has the name of `function`, or `function` where there is no native core.

    Raises ImportError if the compiled module lacks the function: it belongs to another version.
    """
    name = function.__name__
    specifications[name] = function
    if _core is None:
        return function
    try:
        found: F = getattr(_core, name)
    except AttributeError:
        raise ImportError(
            f"the native core of Parcode ORM has no {name}(): it was compiled from other sources. "
            "Install the package again, or run `python hatch_build.py` in a checkout"
        ) from None
    return found
