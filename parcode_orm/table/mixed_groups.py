"""Rows of which some are stored, written to a table of their own: from columns, not through objects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any, Protocol

from ..codec import trail
from ..codec.base import Column
from ..codec.columns.mixed import Mixed
from ..codec.columns.weights import weigh_keys, weigh_parts
from ..codec.schema import short_fingerprint
from ..errors import EncodeError
from ..format.encoder import Ticket
from ..tuning import Tuning

TARGET_BYTES = 192 * 1024  # that the rows of a row group weigh, with all that is below them


class Groups(Protocol):
    """The part of a sink that writes a row group."""

    tuning: Tuning

    def write_group(
        self, items: Column, rows: Any, keys: tuple[Column, Sequence[Any]] | None, compression: str | None, schema: int
    ) -> tuple[Ticket, int]: ...


def write_mixed(
    sink: Groups, items: Column, rows: Mixed, keys: tuple[Column, Sequence[Any]] | None, compression: str | None
) -> Iterator[tuple[Ticket, int, int]]:
    """Write row groups of even size. Yields each one's ticket, and its first row and end."""
    size = weigh_parts(items, rows.parts)
    if keys is not None:
        size += weigh_keys(keys[0], list(keys[1]))
    schema = short_fingerprint(*((items,) if keys is None else (keys[0], items)))
    count = max(1, min(round(size / TARGET_BYTES), len(rows)), -(-len(rows) // sink.tuning.group_rows))  # none empty
    for start, stop in pairwise([len(rows) * i // count for i in range(count + 1)]):
        some = None if keys is None else (keys[0], keys[1][start:stop])
        try:
            ticket, _ = sink.write_group(items, rows.cut(start, stop) if count > 1 else rows, some, compression, schema)
        except EncodeError as problem:
            row = start + trail.row_of(problem)
            raise trail.at(problem, row) if keys is None else trail.below(problem, f"[{keys[1][row]!r}]", 0) from None
        yield ticket, start, stop
