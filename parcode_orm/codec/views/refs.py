"""References, made of the keys in another view."""

from __future__ import annotations

from itertools import repeat
from typing import Any

from ...format.chunk import Chunk
from ..base import Space
from ..refs import make_ref
from .wrappers import Converter, ConvertView


class RefView(ConvertView):
    """References to entities of `cls` by the keys in `inner`. `space` finds their targets."""

    __slots__ = ("cls", "space")

    def __init__(self, inner: Any, column: Converter, chunk: Chunk, at: int, cls: type[Any], space: Space) -> None:
        super().__init__(inner, column, chunk, at)
        self.cls = cls
        self.space = space if space.finds_targets else None

    def convert(self, stored: list[Any]) -> list[Any]:
        return list(map(make_ref, repeat(self.cls), stored, repeat(self.space)))
