"""Where values are in a file: the paths that the page and its addresses use, and the collections that there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...codec.base import is_lazy_collection
from ...errors import ParcodeError
from ...lazy.proxy import plain_class
from ...lazy.shown import visible
from ...session import Session
from ..paths import Found, find
from ..steps import Path, Step
from .nodes import NAME, Child, children, kind_of

LONGEST = 4_000  # characters of a path that the page can ask for
DEEP = 4  # objects in each other, in which the page looks for collections
FIELDS = 200  # of an object, among which it looks
COLLECTIONS = 200


def below(place: Path, child: Child) -> str | None:
    """The path of a value in another; None where none leads there, or one that is too long for an address."""
    found = _below(place, child)
    text = "" if found is None else str(found)
    return text if 0 < len(text) <= LONGEST else None


def _below(place: Path, child: Child) -> Path | None:
    if child.step is None:
        return None
    kind, what = child.step
    if isinstance(what, str | bytes) and len(what) > LONGEST:
        return None
    return place.field(what) if kind == "name" else place.item(what)


def way(place: Path) -> list[dict[str, str]]:
    """The values around the one at a path, from the outermost to itself: what each is called, and its path."""
    found: list[dict[str, str]] = []
    before = ""
    for count in range(1, len(place.steps) + 1):
        text = str(Path(place.steps[:count]))
        found.append({"name": visible(text[len(before) :].removeprefix("."), NAME), "path": text})
        before = text
    return found


def names(session: Session) -> list[str]:
    """The paths of the roots and entities of a commit."""
    return [str(Path((Step("name", name),))) for name in session.models()]


def collections(session: Session) -> list[dict[str, Any]]:
    """The roots and entities, and the lists and dictionaries in roots: their paths, and how many rows each has."""
    found: list[dict[str, Any]] = []
    for name in names(session):
        try:
            here = find(session, name)
            if kind_of(here.value) == "map":
                found.append({"path": name, "kind": "entities", "rows": len(here.value), "of": here.rows.__name__})
            else:
                found.append({"path": name, "kind": "root", "of": plain_class(type(here.value)).__name__})
                found += _inside(here.path, here.value, DEEP)
        except ParcodeError as problem:
            found.append({"path": name, "kind": "damaged", "problem": visible(str(problem), 500)})
        if len(found) >= COLLECTIONS:
            break
    return found[:COLLECTIONS]


def _inside(place: Path, value: Any, depth: int) -> Iterator[dict[str, Any]]:
    kind = kind_of(value)
    if kind in ("list", "map") and is_lazy_collection(value):
        if len(str(place)) <= LONGEST:
            yield {"path": str(place), "kind": kind, "rows": len(value)}
    elif kind == "object" and depth:
        for child in children(value, 0, FIELDS):
            found = _below(place, child)
            if found is not None:
                yield from _inside(found, child.value, depth - 1)


__all__ = ["Found", "Path", "below", "collections", "find", "names", "way"]
