"""Which rows may be the nearest: bounds decide, so that few distances are measured exactly."""

from __future__ import annotations

import numpy as np

from .distances import Distance
from .evaluate import Frame, bounds_of, measured
from .nodes import Ordering
from .vectors import Numbers, Vector


def nearest(
    distance: Distance, here: Frame, count: int, worst: float | None, ordering: Ordering
) -> tuple[Frame, Vector]:
    """The rows of `here` that may be among the first `count` in the order of a distance, and their exact distances.

    `worst`: what the distance of a row of the result is at most, negative in a descending order; None if unknown.

    Raises:
        QueryError: a vector has another length, or a number that is not finite.
    """
    near = bounds_of(distance, here)
    low, high = (-near.high, -near.low) if ordering._descending else (near.low, near.high)
    limit = np.float64(np.inf if worst is None else worst)
    if worst is None and count < len(here):
        found = np.partition(high, count - 1)[count - 1]  # NaN stands last
        limit = limit if np.isnan(found) else np.float64(found)
    may = ~(low > limit)
    if not ordering._first and (worst is not None or len(here) - int(near.nulls.sum()) >= count):
        may &= ~near.nulls
    rows = np.flatnonzero(may)
    chosen = here if len(rows) == len(here) else here.at(rows)
    exact: Numbers = measured(distance, chosen)
    return chosen, exact
