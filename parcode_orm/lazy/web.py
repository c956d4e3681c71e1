"""FastAPI's encoder for responses without a model knows lists and dictionaries by class, and asks others for pairs.

It would take a `LazyList` for the pairs of a dictionary: an error at best, and `{}` for an empty one. So lazy
collections stand in the encoder's table of classes once a program has imported it. Nothing is imported for that.
"""

from __future__ import annotations

import sys

from .list import LazyList
from .map import LazyMap

FASTAPI = "fastapi.encoders"


class Encoders:
    """Whether FastAPI knows our collections."""

    known = False


def meet_fastapi() -> None:
    """Tell FastAPI of our collections which the program has imported."""
    module: object = sys.modules.get(FASTAPI)
    encoders = getattr(module, "ENCODERS_BY_TYPE", None)
    encode = getattr(module, "jsonable_encoder", None)
    if isinstance(encoders, dict) and encode is not None:
        for cls in (LazyList, LazyMap):
            encoders.setdefault(cls, lambda value: encode(value.load()))
        Encoders.known = True
