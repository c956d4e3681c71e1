"""What stored rows have that an older class does not know, and would be lost if that class wrote them again.

    Known(schema of the newest class, {}).lost(view, 0, 1)  # ["Hero.mana"]

A row is looked at as it is stored, with what lies inside it. Tables and blobs are not written with their row.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from ...errors import DowngradeError
from ...stack import roomy
from ..asis import UNREADABLE
from ..base import View
from ..columns.poly import ArmView
from ..columns.rows import RowsView
from ..schema import fingerprint_of
from ..stored import Schema
from ..structs import EXTRA, PRIVATE
from ..views.boundary import MarkedView, ReferenceView
from ..views.nodes import ConstantView, OptionalView, locate
from ..views.stretch import Stretch
from ..views.struct import StructView
from .rows import AddedCollections, AddedView, UpgradedView
from .unknown import EXTRAS, Names, for_messages, noting
from .views import AsInlineView, AsMarkedView

Versions = Mapping[str, Sequence[tuple[str, Schema]]]
"""By the name of a class: the fingerprints and schemas of its versions that a file holds, the oldest first."""


class Known:
    """The fields and private attributes that the newest classes that wrote a file have.

    `newest` is the schema of the newest class of a root, if the class that writes is older. It has the fields of all
    classes inside it. The fields of other classes, such as subclasses, are taken from `versions`.
    """

    def __init__(self, newest: Schema | None, versions: Versions) -> None:
        self.older = newest is not None
        self._versions = versions
        self._names: dict[str, set[str]] = {}
        for body in () if newest is None else newest.structs.values():
            self._names.setdefault(body["struct"], set()).update(_names_of(body))

    def lost(self, view: View, start: int, stop: int) -> list[str]:
        """The fields that would be lost of stored rows, as `Class.field`, without what the newest class dropped."""
        found: Names = set()
        with noting(found):
            _walk(view, start, stop)
        return for_messages((cls, name) for cls, name, today in found if self._has(cls, name, today))

    def _has(self, cls: str, name: str, today: Any) -> bool:
        """Whether the newest version of a class has a field, or may have it, and today's version is older."""
        if cls in self._names:
            return name in self._names[cls]
        versions = self._versions.get(cls, ())
        prints = [fingerprint for fingerprint, _ in versions]
        mine = None if today is None else fingerprint_of(today)
        if mine not in prints:
            return self.older
        return mine != prints[-1] and name in _names_of(versions[-1][1].struct())

    def check(self, view: Any, row: int, what: Callable[[], str] | None = None) -> None:
        """Refuse to write a stored row again if fields of it would be lost. Messages call the row `what()`.

        Raises:
            DowngradeError: fields would be lost.
        """
        view = getattr(view, "view", view)  # of an object of which a field was deleted
        lost = self.lost(view, row, row + 1)
        if lost:
            raise DowngradeError(
                f"{_place_of(view, row) if what is None else what()} would be written again without {', '.join(lost)}, "
                "which a newer version of the class wrote: change it with that version, or put a new object in its "
                "place"
            )

    def check_rows(self, view: View, start: int, stop: int) -> None:
        """As `check`, of rows that go elsewhere. Rows that the class itself wrote are left out."""
        for row in range(start, stop):
            found = locate(view, row)
            if found is not None and isinstance(found[0], UpgradedView | ArmView | RowsView):
                self.check(*found)


def _names_of(body: dict[str, Any]) -> set[str]:
    """The fields and private attributes of a stored struct."""
    names = {name for part in ("fields", "privates") for name, _ in body.get(part, ())}
    return {*names, EXTRAS} if "extra" in body else names


def _place_of(view: View, row: int) -> str:
    inner, at = locate(view, row) or (view, row)
    path, offset = inner.chunk.where
    name = getattr(getattr(inner, "column", None), "expected", "a value")
    return f"{name}, row {at} of the chunk at byte {offset} of {path or 'the file'},"


@roomy
def _walk(view: Any, start: int, stop: int) -> None:
    """Read the values `start` to `stop`, but for those in tables and blobs."""
    if start >= stop or isinstance(view, AddedView | AddedCollections):  # nothing is stored
        return
    if isinstance(view, AsMarkedView | AsInlineView):
        _walk(view.inner, start, stop)
    elif isinstance(view, ArmView):
        _walk(view.opened, start, stop)
    elif isinstance(view, StructView):
        _walk_structs(view, start, stop)
    elif isinstance(view, MarkedView):
        for place in view.places(start, stop):
            if isinstance(place, Stretch) and isinstance(place.view, ReferenceView):
                _walk(place.view.inner, place.start, place.stop)
    elif hasattr(view, "bounds"):  # lists, or the values of dictionaries
        for row in range(start, stop):
            _walk(view.items, *view.bounds(row))
    elif isinstance(view, OptionalView | ConstantView) or hasattr(view, "arm"):
        for row in range(start, stop):
            located = locate(view, row)
            if located is not None:
                _walk(located[0], located[1], located[1] + 1)
    else:
        view.read(start, stop)


def _walk_structs(view: StructView, start: int, stop: int) -> None:
    if isinstance(view, UpgradedView):
        view.note(start, stop)
    for name in view.column.places:
        with suppress(*UNREADABLE):  # a value that cannot be read is written as it is stored
            _walk(view.field(name), start, stop)
    for bit in (EXTRA, PRIVATE):
        if view.bits & bit:
            with suppress(*UNREADABLE):
                view.part(bit).read(start, stop)
