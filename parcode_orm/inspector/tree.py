"""The entries of a report as a table of text or of HTML. Names of a file are shown harmless, and bounded."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

from ..lazy.shown import visible
from .entries import Entry

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions

WIDE = 120  # columns from which on there is more to say of each entry
CHILDREN = 100  # entries that are shown of one
LINES = 1_000  # entries that are shown in all
LEAST = 8  # columns of a cell that is cut
LONGEST = 200  # columns of a cell
HEADS = ("part", "type", "rows", "stored", "share", "encoding", "compression", "chunks", "height")
RIGHT = frozenset({2, 3, 4, 7, 8})
NARROW = 6  # cells of a row that is not wide
CUT = (5, 1, 0)  # cells that may be cut, the widest first
LEAST_ENCODING = 12  # columns of the encodings, which are cut before the names and types


class Line(NamedTuple):
    """An entry as it is shown. `kind` is that of the entry; "" for those that are left out."""

    kind: str
    cells: tuple[str, ...]


def size_of(count: int) -> str:
    """A number of bytes in three digits: `81 B`, `4.91 MB`."""
    if abs(count) < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if abs(value) < 999.5 or unit == "TB":
            break
    return f"{value:.{2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0}f} {unit}"


def lines(entries: Iterable[Entry]) -> Iterator[Line]:
    """The entries and those below, with the lines of a tree before their names; not more than `LINES`."""
    waiting = [(entry, "", "") for entry in entries][::-1]
    count = 0
    while waiting and count < LINES:
        entry, before, below = waiting.pop()
        count += 1
        yield Line(entry.kind, _cells(entry, before))
        shown = entry.children[:CHILDREN]
        for number, child in reversed(list(enumerate(shown, 1))):
            last = number == len(entry.children)
            waiting.append((child, below + ("└ " if last else "├ "), below + ("  " if last else "│ ")))
        left = entry.children[CHILDREN:]
        if left:
            stored = sum(child.stored for child in left)
            rest = Entry(f"{len(left):,} more", "", "", stored=stored, share=sum(child.share for child in left))
            waiting.insert(len(waiting) - len(shown), (rest, f"{below}└ ", ""))
    if waiting:
        yield Line("", (f"{len(waiting):,} or more entries are not shown", *[""] * (len(HEADS) - 1)))


def _cells(entry: Entry, before: str) -> tuple[str, ...]:
    kind = entry.kind
    name = f"{kind}: {entry.name}" if kind in ("index", "entities") else entry.name
    shares = entry.shared - sum(child.shared for child in entry.children)
    said = [*entry.notes, f"shares {size_of(shares)}"] if shares > 0 else entry.notes
    notes = f" ({', '.join(said)})" if said else ""
    encodings = sorted(entry.encodings.items(), key=lambda each: (-each[1], each[0])) if not entry.children else []
    saved = entry.raw - entry.stored
    methods = "+".join(method for method in entry.compression if method != "none")
    return (
        before + visible(name, LONGEST) + notes,
        visible(entry.type, LONGEST),
        "" if entry.rows is None else f"{entry.rows:,}",
        size_of(entry.stored),
        f"{entry.share:.1%}",
        ", ".join(encoding for encoding, _ in encodings),
        f"{methods} {entry.raw / entry.stored:.1f}x" if saved and entry.stored else "",
        f"{entry.chunks:,}" if entry.chunks else "",
        "" if entry.height is None else str(entry.height),
    )


def table(entries: Sequence[Entry], width: int) -> Iterator[tuple[str, str]]:
    """The lines of the entries in `width` columns, each with the kind of its entry; "head" for the first."""
    rows = [Line("titles", HEADS), *lines(entries)]
    count = len(HEADS) if width >= WIDE else NARROW
    widths = [min(max(cells_of(row.cells[at]) for row in rows), LONGEST) for at in range(count)]
    for _ in range(sum(widths) + 2 * (count - 1) - width):
        widest = max((at for at in CUT if at < count), key=widths.__getitem__)
        if widths[CUT[0]] > LEAST_ENCODING:
            widest = CUT[0]
        if widths[widest] > LEAST:
            widths[widest] -= 1
    for row in rows:
        parts = [fitted(row.cells[at], widths[at], right=at in RIGHT) for at in range(count)]
        yield row.kind, "  ".join(parts).rstrip()


def cells_of(text: str) -> int:
    """The columns that a text takes at a terminal."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(each) else 2 if unicodedata.east_asian_width(each) in "WF" else 1 for each in text
    )


def fitted(text: str, width: int, *, right: bool) -> str:
    """A text cut or filled to `width` columns."""
    size = cells_of(text)
    if size > width:
        while text and cells_of(text) > width - 1:
            text = text[:-1]
        text += "…"
        size = cells_of(text)
    blanks = " " * (width - size)
    return blanks + text if right else text + blanks


class Renderable:
    """A report at a terminal, as wide as that is: lines, a table of entries, lines."""

    def __init__(self, head: list[str], entries: Sequence[Entry], tail: list[str]) -> None:
        self._head = head
        self._entries = entries
        self._tail = tail

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Any]:
        from rich.text import Text

        for line in self._head:
            yield Text(line, "" if line.startswith(" ") else "bold")
        yield Text("")
        for kind, line in table(self._entries, options.max_width):
            yield Text(line, STYLES.get(kind, ""), no_wrap=True, overflow="crop")
        for line in self._tail:
            yield Text(line, "red" if line.startswith("  offset") else "")


STYLES = {"titles": "bold underline", "root": "bold", "entities": "bold", "index": "dim", "history": "dim"}
STYLES |= {"head": "dim", "catalog": "dim", "schemas": "dim", "gaps": "dim", "": "dim"}


def html(head: list[str], entries: Sequence[Entry], tail: list[str]) -> str:
    """A report as HTML."""
    found = [f"<p>{'<br>'.join(map(escape, head))}</p>", "<table>"]
    found.append(f"<tr>{''.join(f'<th>{escape(title)}</th>' for title in HEADS)}</tr>")
    for line in lines(entries):
        cells = (_td(escape(cell), "right" if at in RIGHT else "left") for at, cell in enumerate(line.cells))
        found.append(f"<tr>{''.join(cells)}</tr>")
    found.append("</table>")
    found += [f"<p>{escape(line)}</p>" for line in tail]
    return "\n".join(found)


def _td(cell: str, align: str) -> str:
    return f'<td style="text-align: {align}; white-space: pre; padding: 0 .5em">{cell}</td>'
