"""Tables as wide as the terminal: numbers at the right, long texts cut, what a terminal obeys as escapes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from itertools import chain, islice
from typing import Any
from uuid import UUID

import typer
from rich.cells import cell_len, set_cell_size
from rich.text import Text

from ..lazy.shown import Shown, text_of, visible
from ..model.blobs import LazyText
from .app import out

GAP = 2  # blanks between columns
WIDEST = 200  # characters of a cell
NARROW = 12  # to which texts give way before columns go
LEAST = 4  # to which all values give way where no column may go
FIRST = 200  # rows that decide how wide the columns are
_PLAIN = frozenset({int, float, bool, type(None), Decimal, Shown})


def cell(value: Any) -> str:
    """A value as a table shows it: bounded, on one line."""
    if isinstance(value, Enum):
        text = value.name or str(value)
    elif isinstance(value, str | LazyText):
        text = value[: WIDEST + 1]
    elif type(value) in _PLAIN or isinstance(value, date | time | timedelta | UUID):
        text = repr(value) if type(value) is Shown else str(value)
    else:
        text = text_of(value)[: WIDEST + 1]
    return visible(text.replace("\n", "\\n").replace("\t", "\\t"))


def is_number(value: Any) -> bool:
    """Whether a value stands at the right of its column."""
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool | Enum)


def print_rows(names: Sequence[str], rows: Iterable[Sequence[Any]], *, every: bool = False) -> int:
    """Print a table, and return how many rows it has.

    Args:
        names: the titles of the columns.
        rows: the values of each row, read as they are printed.
        every: whether all columns are printed, however narrow. Else a line below names the columns that do not fit.
    """
    rest = iter(rows)
    first = list(islice(rest, FIRST))
    texts = [list(map(cell, row)) for row in first]
    titles = list(map(cell, names))
    right = [_all_numbers([row[at] for row in first]) for at in range(len(names))]
    widths = _widths([max(map(cell_len, column)) for column in zip(titles, *texts, strict=True)], right, every)
    out.print(Text(_line(titles, widths, right)), style="bold", soft_wrap=True)
    count = 0
    for line in chain(texts, (list(map(cell, row)) for row in rest)):
        typer.echo(_line(line, widths, right))
        count += 1
    if len(widths) < len(names):
        out.print(Text(f"not shown: {', '.join(titles[len(widths) :])}"), style="dim")
    return count


def _all_numbers(values: list[Any]) -> bool:
    there = [value for value in values if value is not None]
    return bool(there) and all(map(is_number, there))


def _widths(needed: list[int], right: Sequence[bool], every: bool) -> list[int]:
    """The widths of the columns that fit, from the first one on. The widest texts give way most."""
    found = [min(width, WIDEST) for width in needed]
    least = [width if at_right else min(width, NARROW) for width, at_right in zip(found, right, strict=True)]
    if every:
        if _total(least) > out.width:
            least = [min(width, LEAST) for width in found]
    else:
        while len(least) > 1 and _total(least) > out.width:
            least.pop()
        del found[len(least) :]
    while _total(found) > max(out.width, _total(least)):
        wide = [at for at, width in enumerate(found) if width > least[at]]
        found[max(wide, key=lambda at: (found[at], at))] -= 1
    return found


def _total(widths: list[int]) -> int:
    return sum(widths) + GAP * (len(widths) - 1)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = [_fitted(text, width, at_right) for text, width, at_right in zip(cells, widths, right, strict=False)]
    return (" " * GAP).join(parts).rstrip()


def _fitted(text: str, width: int, at_right: bool) -> str:
    """A text of exactly so many columns of a terminal."""
    length = cell_len(text)
    if length > width:
        return set_cell_size(text, width - 1) + "…"
    return " " * (width - length) + text if at_right else text + " " * (width - length)
