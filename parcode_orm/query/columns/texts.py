"""Texts as they are stored, compared as bytes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...native import compiled


@compiled
def mark_texts(data: memoryview, begins: Any, ends: Any, wanted: bytes, whole: bool, found: Any) -> None:
    """Set `found`, an array of bools, where a text `data[begins[i]:ends[i]]` is `wanted`; without `whole`, begins so.

    By length first, then eight bytes at a time from the end.

    Raises:
        IndexError: a text of that length lies beyond the data.
    """
    lengths = ends - begins
    rows = (lengths == len(wanted) if whole else lengths >= len(wanted)).nonzero()[0]
    at, left = begins[rows], len(wanted)
    words = np.ndarray((max(len(data) - 7, 0),), "<u8", data, strides=(1,))
    while left >= 8 and len(rows):
        word = np.uint64(int.from_bytes(wanted[left - 8 : left], "little"))
        same = (words[at + (left - 8)] == word).nonzero()[0]
        rows, at, left = rows[same], at[same], left - 8
    single = np.frombuffer(data, np.uint8)
    for i in range(left if len(rows) else 0):
        same = (single[at + i] == wanted[i]).nonzero()[0]
        rows, at = rows[same], at[same]
    found[rows] = True
