"""FastAPI's encoder for responses without a model knows lists and dictionaries by class, and asks others for pairs.

A `LazyList` would be taken for the pairs of a dictionary: an error at best, and `{}` for an empty one. So the encoder
is told, in the table that it has for such classes, once a program uses it; nothing is imported for that.
"""

from __future__ import annotations

import sys
from typing import Any

from .list import LazyList
from .map import LazyMap

FASTAPI = "fastapi.encoders"


class Encoders:
    """Whether FastAPI knows our collections."""

    known = False


def meet_fastapi() -> None:
    """Tell FastAPI of our collections which the program has imported."""
    module: Any = sys.modules.get(FASTAPI)
    encoders = getattr(module, "ENCODERS_BY_TYPE", None)
    encode = getattr(module, "jsonable_encoder", None)
    if isinstance(encoders, dict) and encode is not None:
        for cls in (LazyList, LazyMap):
            encoders.setdefault(cls, lambda value: encode(value.load()))
        Encoders.known = True
