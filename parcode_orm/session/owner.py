"""`Owner` stands for a session, and a `Family` for a root with all that was read below it."""

from __future__ import annotations

from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Any
from weakref import ref as weak

from ..errors import CorruptionError, StorageError

if TYPE_CHECKING:
    from .space import FileSpace

_watching = RLock()
SWEEP_EVERY = 4096  # proxies, or collections, handed out


class Owner:
    """Stands for a session where a reference to it would make a cycle. Its objects belong to families.

    When the `session` has ended, its objects are detached: they read on, and change as plain objects do.
    """

    def __init__(self, session: object = None) -> None:
        self._session = None if session is None else weak(session)
        self.edits = 0  # changes that were begun
        self.committing: int | None = None  # the thread that does
        self._families: list[weak[Family]] = []
        # Views of rows, and the row groups that they were opened for, by where the rows lie.
        self._shown: dict[tuple[Any, ...], tuple[weak[Any], weak[object]]] = {}
        self._until_sweep = SWEEP_EVERY

    @property
    def work(self) -> Any:
        """The session's unit of work; None when the session has ended."""
        return None if self._session is None else self._session()

    @property
    def ended(self) -> bool:
        """Whether there is no such session any more."""
        return self.work is None

    def living(self, group: Any) -> Any:
        """The view of the rows of a row group: that of lazy objects in use whose collection is not, or its own."""
        shown, view = self._shown, group.items
        key = view.space.source.uuid, view.chunk.where[1], view.at, id(view.column)
        pair = shown.get(key)
        known = None if pair is None else pair[0]()
        if pair is not None and known is not None:
            if pair[1]() is not None or known.space.family is not view.space.family:
                return view
            shown[key] = pair[0], weak(group)
            return known
        shown[key] = weak(view), weak(group)
        self._until_sweep -= 1
        if self._until_sweep <= 0:
            self._shown = shown = {key: pair for key, pair in shown.items() if pair[0]() is not None}
            self._until_sweep = max(SWEEP_EVERY, len(shown))
        return view

    def orphans(self) -> set[int]:
        """Where the row groups lie of which the program holds lazy objects, though their table is gone."""
        return {
            key[1]
            for key, (view, group) in self._shown.items()
            if group() is None and (known := view()) is not None and known.live
        }

    def forget_views(self) -> None:
        """The session goes on to another commit: what is read from now on shares no view with what was read before."""
        self._shown = {}

    def families(self) -> list[Family]:
        """Those that something still belongs to."""
        found = [family for each in self._families if (family := each()) is not None and family.owner is self]
        with _watching:
            if len(self._families) > 2 * len(found) + 16:
                self._families = list(map(weak, found))
        return found

    def take(self, family: Family) -> None:
        """The objects of `family` are this session's from now on."""
        family.owner = self
        with _watching:
            self._families.append(weak(family))

    def spaces(self) -> list[FileSpace]:
        """Those that something still stands on."""
        return [space for family in self.families() for space in family.spaces()]

    def collections(self) -> list[Any]:
        """The lazy collections that the program holds, of each family in the order they were handed out."""
        return [each for family in self.families() for each in family.collections()]

    def end(self) -> None:
        """The session ends: each family is detached. What is kept takes no descriptor but one a file."""
        self._session = None
        for each in self._families.copy():
            family = each()
            if family is None or family.owner is not self:
                continue
            family.detach()
            for space in family.spaces():
                with suppress(StorageError, CorruptionError):  # a file that was cut: reading says so
                    space.source.settle()


class Family:
    """A root and all that was read below it. A session has families, and takes and gives away whole ones.

    It knows the spaces that its objects stand on, now or before the session let go of them, and the lazy collections
    that it handed out.
    """

    __slots__ = ("__weakref__", "_collections", "_spaces", "_until_spaces", "_until_sweep", "owner")

    def __init__(self, owner: Owner) -> None:
        self._spaces: list[weak[FileSpace]] = []
        self._until_spaces = 16
        self._collections: list[weak[object]] = []
        self._until_sweep = SWEEP_EVERY
        self.owner = owner
        with _watching:
            owner._families.append(weak(self))

    owner: Owner

    def detach(self) -> None:
        """Belong to no session."""
        Owner().take(self)

    def watch(self, space: FileSpace) -> None:
        """Know a space."""
        with _watching:
            if len(self._spaces) >= self._until_spaces:
                self._spaces = [each for each in self._spaces if each() is not None]
                self._until_spaces = 2 * len(self._spaces) + 16
            self._spaces.append(weak(space))

    def spaces(self) -> list[FileSpace]:
        """Those that something still stands on."""
        return [space for each in self._spaces if (space := each()) is not None and space.family is self]

    def handed(self, collection: object) -> None:
        """Remember a lazy collection that may be changed."""
        self._collections.append(weak(collection))
        self._until_sweep -= 1
        if not self._until_sweep:
            self._collections = [ref for ref in self._collections if ref() is not None]
            self._until_sweep = max(SWEEP_EVERY, len(self._collections))

    def collections(self) -> list[object]:
        """The ones that the program holds, in the order they were handed out."""
        return [found for ref in self._collections if (found := ref()) is not None]
