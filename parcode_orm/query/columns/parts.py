"""Rows by the part of a block that they are in."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np

from ...native import compiled


def by_part(positions: Any, ends: Any, before: Any) -> tuple[list[tuple[int, list[int]]], Any]:
    """As `rows_by_part`, of positions in any order; the place of each among `positions`, or None if they ascend."""
    found = rows_by_part(positions, ends, before)
    if found is not None:
        return found, None
    order = np.argsort(positions, kind="stable")
    found = rows_by_part(positions[order], ends, before)
    if found is None:
        raise IndexError(f"a position is beyond the {ends[-1]} of a block")
    return found, order


@compiled
def rows_by_part(positions: Any, ends: Any, before: Any) -> list[tuple[int, list[int]]] | None:
    """The positions of each part, less the number in `before`, with the number of the part; parts without any left out.

    Part i ends before the position `ends[i]`. None if the positions do not ascend, or one is of no part.
    """
    if not len(positions):
        return []
    if positions[0] < 0 or positions[-1] >= ends[-1] or (positions[1:] < positions[:-1]).any():
        return None
    of = np.searchsorted(ends, positions, side="right")
    within = (positions - before[of]).tolist()
    cuts = [0, *(np.flatnonzero(np.diff(of)) + 1).tolist(), len(within)]
    return [(int(of[a]), within[a:b]) for a, b in pairwise(cuts)]
