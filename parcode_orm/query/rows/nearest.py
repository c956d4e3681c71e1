"""Which rows may be the nearest: bounds decide, so that few distances are measured exactly."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...native import compiled
from ..columns.vectors import Numbers, Vector
from ..expressions.distances import Distance
from ..expressions.evaluate import Frame, bounds_of, measured
from ..expressions.nodes import Ordering


def nearest(
    distance: Distance, here: Frame, count: int, worst: float | None, ordering: Ordering
) -> tuple[Frame, Vector]:
    """The rows of `here` that may be among the first `count` in the order of a distance, and their exact distances.

    `worst`: what the distance of a row of the result is at most, negative in a descending order; None if unknown.

    Raises:
        QueryError: a vector has another length, or a number that is not finite.
    """
    near = bounds_of(distance, here)
    limit = np.inf if worst is None else worst
    rows = np.frombuffer(nearest_rows(near.low, near.high, count, limit, ordering._descending), np.int64)
    if not ordering._first and (worst is not None or len(here) - int(near.nulls.sum()) >= count):
        rows = rows[~near.nulls[rows]]
    chosen = here if len(rows) == len(here) else here.at(rows)
    exact: Numbers = measured(distance, chosen)
    return chosen, exact


@compiled
def nearest_rows(low: Any, high: Any, count: int, worst: float, descending: bool) -> bytes:
    """The numbers of the rows that may be among the first `count`, by bounds of their keys: int64, ascending.

    `low` and `high` are arrays of float32, NaN where no bound is known. A row whose key is beyond `worst` does not
    count. In a descending order keys are negative, and `worst` is.
    """
    if descending:
        low, high = -high, -low
    if 0 < count < len(low):
        limit = float(np.partition(high, count - 1)[count - 1])  # NaN stands last
        worst = min(worst, np.inf if np.isnan(limit) else limit)
    rows = np.flatnonzero(~(low > np.float64(worst)))
    return rows.astype(np.int64).tobytes()
