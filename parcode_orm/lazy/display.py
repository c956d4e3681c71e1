"""Tables of HTML for notebooks: the first rows of a collection, what a session has. They read what they show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from pydantic import BaseModel

from ..errors import ParcodeError
from .shown import SOME, Shown, is_full, of_rows, text_of, visible, why, within

COLUMNS = 12  # fields of a row that are shown
CELL = 80  # characters of a cell
KEYS = 1_000  # keys that completion offers


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """A table of texts, which are escaped and cut here."""
    parts = ["<table><caption>", _cell(caption), "</caption><thead><tr>"]
    parts += [f"<th>{_cell(each)}</th>" for each in columns]
    parts.append("</tr></thead><tbody>")
    for row in rows:
        parts += ["<tr>", *(f"<td>{_cell(each)}</td>" for each in row), "</tr>"]
    return "".join([*parts, "</tbody></table>"])


def _cell(text: str) -> str:
    from html import escape

    return escape(visible(text, CELL))


def rows_html(pairs: Iterable[tuple[object, object]], count: int, what: str, first: str) -> str:
    """The first of `count` rows of a collection, with their keys or positions, as a table of HTML.

    Args:
        pairs: the key or position of each row, and the row.
        count: how many there are.
        what: the name of the collection's class.
        first: the title of the first column.
    """
    return within(of_rows, _rows_html, pairs, count, what, first)


def _rows_html(pairs: Iterable[tuple[object, object]], count: int, what: str, first: str) -> str:
    rows: list[tuple[str, object]] = []
    reason = ""
    try:
        rows = [(text_of(key), value) for key, value in islice(pairs, SOME)]
    except ParcodeError as problem:
        reason = f", {why(problem)}"
    models = [(key, value) for key, value in rows if isinstance(value, BaseModel)]
    names = list(type(models[0][1]).model_fields)[:COLUMNS] if models and len(models) == len(rows) else []
    more = f", {len(rows)} shown" if len(rows) < count else ""
    caption = f"{what} of {count:,}{more}{reason}"
    if not names:
        return table([first, "value"], [(key, text_of(value)) for key, value in rows], caption)
    return table([first, *names], [(key, *_fields(value, names)) for key, value in models], caption)


def _fields(model: BaseModel, names: list[str]) -> list[str]:
    """The texts of the fields, as the model's own text has them: large values are not read."""
    shown = dict(model.__repr_args__())
    return ["…" if is_full() else text_of(shown[name]) if name in shown else "" for name in names]


def some(pairs: Iterable[tuple[object, object]], count: int) -> Iterator[object]:
    """What rich shows of a collection of `count` rows: its first ones, with their keys, or None for no key."""
    for key, value in islice(pairs, SOME):
        shown = Shown(text_of(value))
        yield shown if key is None else (text_of(key), shown)
    if count > SOME:
        yield Shown(f"<{count - SOME:,} more>")


def object_html(model: BaseModel) -> str:
    """The fields of an object."""
    return within(_object_html, model)


def _object_html(model: BaseModel) -> str:
    pairs = [(name or "", text_of(value)) for name, value in model.__repr_args__()]
    return table(["field", "value"], pairs, type(model).__name__)
