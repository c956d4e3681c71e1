"""Subclasses of `str`, `bytes`, `int` or `float` in a builtin's column: packed with their class.

`numpy.float64` is not kept so: as Pydantic's validation would, its column makes it a float.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import EncodeError
from ...format.encoder import Encoder
from .. import trail
from ..classes.registry import is_registered
from .physical import write_packed


def write_subclasses(values: Sequence[Any], types: Iterable[type], base: tuple[type, ...], out: Encoder) -> bool:
    """Append `values` packed where any is of such a subclass; else return False.

    Raises:
        EncodeError: reading would not find the class.
    """
    special = [t for t in types if t not in base and t is not bool and issubclass(t, base)]
    special = [t for t in special if not (t.__module__ == "numpy" and issubclass(t, float))]
    for cls in special:
        if cls.__module__.partition(".")[0] != "numpy" and not is_registered(cls):
            row = next(row for row, value in enumerate(values) if type(value) is cls)
            name = next(each.__name__ for each in base if issubclass(cls, each))
            problem = EncodeError(
                f"{cls.__qualname__}, a subclass of {name}, would come back as {name}: name it in the field's type, or "
                "call parcode_orm.register() on it",
                value_type=cls,
            )
            raise trail.at(problem, row)
    if special:
        write_packed(values, out)
    return bool(special)
