"""The rows of a batch that fulfil conditions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .evaluate import Frame, matching
from .expressions import Expression
from .pruning import candidates
from .sources import Batch


def found(batch: Batch, where: Sequence[Expression[bool]]) -> Frame:
    """The rows of a batch that fulfil the conditions."""
    return matched(where, batch, candidates(where, batch))


def matched(where: Sequence[Expression[bool]], batch: Batch, parts: Any) -> Frame:
    """The rows of some `parts` of a batch, or of all (None), that fulfil the conditions."""
    frame = Frame(batch) if parts is None else Frame(batch, batch.chosen(parts))
    places = matching(where, frame)
    return frame if places is None else frame.at(places)
