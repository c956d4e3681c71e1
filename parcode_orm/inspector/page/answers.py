"""`Answers`: the data that the page asks for, by route. Each answer is bounded, whatever the file holds."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

from ...errors import CorruptionError, ParcodeError
from ...lazy.map import LazyMap
from ...lazy.shown import visible
from ...session import Session, Snapshot, schema
from ..survey import inspect
from ..verify import verify
from . import past, places
from .nodes import children, content, key_child, kind_of, node
from .opened import Opened
from .rows import page_of, pairs, rows_of

COMMITS = 500  # of which the page knows the message
PAGE = 200  # rows, or values in an object, that come at once at most
FARTHEST = 1 << 62
PROBLEMS = 500
LONGEST = 2_000  # characters of a text of the report


class Answers:
    """What the page shows of a file."""

    def __init__(self, path: str | Path) -> None:
        self.path = path
        self._opened = Opened(path)
        self._report: dict[str, Any] | None = None
        self._routes: dict[str, tuple[Callable[..., Any], frozenset[str]]] = {
            "report": (self.report, frozenset({"newest"})),
            "newer": (self.newer, frozenset()),
            "rows": (self.rows, frozenset({"path", "where", "order", "offset", "limit", "at"})),
            "value": (self.value, frozenset({"path", "offset", "limit", "at"})),
            "history": (self.history, frozenset({"path", "before"})),
            "diff": (self.diff, frozenset({"path", "a", "b"})),
            "verify": (self.verify, frozenset()),
        }
        self.get("report", {})  # which says at once whether the file can be read

    def get(self, route: str, given: dict[str, str]) -> Any:
        """The answer of a route, for JSON.

        Raises:
            ValueError: there is no such route or parameter, or a number is none.
            ParcodeError: the file cannot be read there, or what was asked does not fit it.
        """
        if route not in self._routes:
            raise ValueError("there is no such route")
        answer, names = self._routes[route]
        unknown = sorted(given.keys() - names)
        if unknown:
            raise ValueError(f"there is no parameter {visible(unknown[0], 40)} here: only {', '.join(sorted(names))}")
        return answer(**given)

    def close(self) -> None:
        """Close the file."""
        self._opened.close()

    # -- routes -------------------------------------------------------------------------------------------------------

    def report(self, newest: str = "") -> Any:
        """What the file is made of, its commits and classes, and which collections there are."""
        if newest:
            self._opened.go_on()
            self._report = None
        if self._report is None:
            self._report = self._made()
        return self._report

    def _made(self) -> dict[str, Any]:
        report = inspect(self.path)
        found: dict[str, Any] = {"report": harmless(report.to_dict()), "name": visible(Path(self.path).name, 200)}
        try:
            session = self._opened.current
        except ParcodeError as problem:
            return {**found, "unread": error_data(problem), "at": None, "collections": [], "schema": [], "messages": {}}
        if self._opened.unread is not None:
            found["unread"] = error_data(self._opened.unread)
        here = session.snapshot
        found["at"] = None if here is None else here.sequence
        found["recovered"] = session.recovered
        found["messages"] = _messages(session)
        found["collections"] = places.collections(session)
        found["schema"] = _classes(self.path)
        return found

    def newer(self) -> Any:
        """Whether the file went on since the page was loaded."""
        return {"newer": self._opened.newer()}

    def rows(
        self, path: str = "", where: str = "", order: str = "", offset: str = "0", limit: str = "50", at: str = ""
    ) -> Any:
        """Rows of a collection, from one on."""
        session = self._opened.at(_commit(at))
        found = rows_of(session, path)
        return page_of(session, found, where, order, _number("offset", offset, FARTHEST), _number("limit", limit, PAGE))

    def value(self, path: str = "", offset: str = "0", limit: str = "100", at: str = "") -> Any:
        """A value and what is directly in it."""
        first, most = _number("offset", offset, FARTHEST), _number("limit", limit, PAGE)
        session = self._opened.at(_commit(at))
        here = places.find(session, path)
        place, value = here.path, here.value
        found = {"path": str(place), "way": places.way(place), **node(value), **content(value)}
        if "size" in found:
            found["offset"] = first
            if isinstance(value, LazyMap):
                inside = [key_child(*pair) for pair in pairs(session, here.rows, first, most)]
            else:
                inside = children(value, first, most)
            found["children"] = [
                {"name": visible(each.name, 200), "path": places.below(place, each), **node(each.value)}
                for each in inside
            ]
            found["rows"] = kind_of(value) in ("list", "map")
        return found

    def history(self, path: str = "", before: str = "") -> Any:
        """The commits that changed a value."""
        return past.history(self._opened, path, _commit(before))

    def diff(self, path: str = "", a: str = "", b: str = "") -> Any:
        """What changed from one commit to another."""
        return past.diff(self._opened, path, _commit(a), _commit(b))

    def verify(self) -> Any:
        """The damage of the file: every byte is read."""
        found = verify(self.path).to_dict()
        shown = {"problems": found["problems"][:PROBLEMS], "notes": found["notes"][:PROBLEMS]}
        return harmless({**found, **shown, "count": len(found["problems"])})


def _messages(session: Session) -> dict[str, str]:
    """The messages of the newest commits, by their numbers."""
    found: dict[str, str] = {}
    try:
        each: Snapshot
        for each in islice(session.history(), COMMITS):
            found[str(each.sequence)] = visible(each.message, 200)
    except CorruptionError:  # the messages before the damage are shown
        pass
    return found


def _classes(path: str | Path) -> Any:
    """The classes of the file, or why they cannot be read."""
    try:
        return harmless(schema(path).classes())
    except ParcodeError as problem:
        return error_data(problem)


def harmless(value: Any) -> Any:
    """A value for JSON whose texts are bounded, and show what a browser would obey or hide."""
    if isinstance(value, str):
        return visible(value, LONGEST)
    if isinstance(value, dict):
        return {visible(str(key), LONGEST): harmless(each) for key, each in value.items()}
    return [harmless(each) for each in value] if isinstance(value, list | tuple) else value


def error_data(problem: Exception) -> dict[str, Any]:
    """An error as data for JSON: its type, its message, and the column in the text that was asked."""
    error = {"type": type(problem).__name__, "message": visible(str(problem), LONGEST)}
    position = getattr(problem, "position", None)
    return {"error": error if position is None else {**error, "column": position + 1}}


def _number(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 20 and int(text) <= most):
        raise ValueError(f"{name} is a number from 0 to {most:,}")
    return int(text)


def _commit(text: str) -> int | None:
    return _number("a commit", text, FARTHEST) if text else None
