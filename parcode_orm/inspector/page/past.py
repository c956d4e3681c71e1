"""What a value was in earlier commits, and what changed in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from pydantic import BaseModel

from ...errors import NoResultFound, ParcodeError, PathError
from ...lazy.shown import visible
from ...lazy.state import MISSING
from ...session import Session, Snapshot
from ...session.history.compare import compare
from ...session.history.diff import Change
from ...session.history.difference import Difference, Place
from . import places
from .nodes import cell, children_names, field_of
from .opened import Opened

COMMITS = 50  # that one answer goes back
FIRST = 3  # changes of a commit that the history shows
MOST = 500  # changes of a diff


def history(opened: Opened, path: str, before: int | None) -> dict[str, Any]:
    """The commits that changed a value, the newest first: those before a commit, a few at a time.

    Raises:
        ParcodeError: the file cannot be read.
    """
    snapshots = list(islice(_from(opened, before), COMMITS + 1))
    earlier: list[Snapshot | None] = [*snapshots[1:]]
    if len(snapshots) <= COMMITS:
        earlier.append(None)  # before the first commit there was nothing
    found = []
    for snapshot, last in zip(snapshots, earlier, strict=False):
        changes, more, problem = _between(opened, path, last, snapshot, FIRST)
        if changes or problem:
            found.append({**_said(snapshot), "changes": changes, "more": more, "problem": problem})
    return {"path": path, "commits": found, "before": snapshots[-1].sequence if len(snapshots) > COMMITS else None}


def _from(opened: Opened, before: int | None) -> Iterator[Snapshot]:
    """The commits from one back to the first that the file has."""
    snapshot = opened.at(before).snapshot
    while snapshot is not None:
        yield snapshot
        try:
            snapshot = opened.at(snapshot.sequence - 1).snapshot
        except NoResultFound:
            return


def diff(opened: Opened, path: str, a: int | None, b: int | None) -> dict[str, Any]:
    """What changed from commit `a` to `b`, in a value or in the whole file.

    Raises:
        NoResultFound: there is no such commit.
        ParcodeError: the file cannot be read.
    """
    if a is None:
        raise NoResultFound("which commits are to be compared? a is the earlier one")
    old, new = opened.at(a).snapshot, opened.at(b).snapshot
    assert old is not None and new is not None
    paths = [path] if path else list(dict.fromkeys(name for at in (a, b) for name in places.names(opened.at(at))))
    changes: list[dict[str, Any]] = []
    problems = []
    more = False
    for each in paths:
        here, left, problem = _between(opened, each, old, new, MOST - len(changes))
        changes += here
        more = more or left
        if problem:
            problems.append(problem)
    schemas = [visible(each, 500) for each in _schemas(opened.current, old, new)]
    return {
        "a": _said(old),
        "b": _said(new),
        "changes": changes,
        "more": more,
        "problems": problems,
        "schemas": schemas,
    }


def _schemas(session: Session, old: Snapshot, new: Snapshot) -> list[str]:
    try:
        return session.diff(old, new).schemas
    except ParcodeError:  # which the comparison says already
        return []


def _between(
    opened: Opened, path: str, old: Snapshot | None, new: Snapshot, most: int
) -> tuple[list[dict[str, Any]], bool, str | None]:
    """The first changes of a value from one commit to the next, whether there are more, and what went wrong."""
    found: list[dict[str, Any]] = []
    try:
        before = MISSING if old is None else _value(opened.at(old.sequence), path)
        after = _value(opened.at(new.sequence), path)
        for each in _differences(before, after, Place((path,), path, {})):
            if len(found) == most:
                return found, True, None
            found.append(_change(Change(each)))
    except ParcodeError as problem:
        return found, False, visible(f"{type(problem).__name__}: {problem}", 500)
    return found, False, None


def _value(session: Session, path: str) -> Any:
    """The value at a path in a commit; MISSING where that commit has none."""
    try:
        return places.find(session, path).value
    except (NoResultFound, PathError):
        return MISSING


def _differences(old: Any, new: Any, place: Place) -> Iterable[Difference]:
    """As `compare`, but objects of two definitions of one class are compared by their fields."""
    if isinstance(old, BaseModel) and isinstance(new, BaseModel) and _is_redefined(old, new):
        for name in dict.fromkeys([*children_names(old), *children_names(new)]):
            mine, theirs = (field_of(each, name) if name in children_names(each) else MISSING for each in (old, new))
            yield from _differences(mine, theirs, place.field(name))
    else:
        yield from compare(old, new, place)


def _is_redefined(old: BaseModel, new: BaseModel) -> bool:
    return old.__class__ is not new.__class__ and old.__class__.__name__ == new.__class__.__name__


def _change(change: Change) -> dict[str, Any]:
    found: dict[str, Any] = {"kind": change.kind, "where": visible(change.where, 500)}
    sides = {"added": ("new",), "removed": ("old",)}.get(change.kind, ("old", "new"))
    for side in sides:
        try:
            found[side] = cell(getattr(change, side))
        except ParcodeError as problem:
            found[side] = ["unread", f"<{type(problem).__name__}>"]
    return found


def _said(snapshot: Snapshot) -> dict[str, Any]:
    return {
        "sequence": snapshot.sequence,
        "time": snapshot.time.isoformat(),
        "message": visible(snapshot.message, 200),
    }
