"""`Changes`: the methods of a session that tell what the next commit would store. They import what finds it."""

from __future__ import annotations

from ..errors import SessionError
from .adding import this
from .connection import Connection
from .identity_set import IdentitySet


class Changes(Connection):
    """What of a `Session` is new, changed or deleted."""

    @property
    def new(self) -> IdentitySet:
        """The roots and entities that were added since the last commit: a set by identity, which does not change."""
        from . import pending

        self._check_open()
        return IdentitySet(pending.new(self._work))

    @property
    def dirty(self) -> IdentitySet:
        """The stored objects that changed, a set by identity: roots, and lazy objects below any root.

        An object counts as changed if something inside it did. Plain objects inside others are not told apart: ask
        `is_modified`. What is held in memory is compared with the file, so this costs as much as a commit's search.
        """
        from . import pending

        self._check_open()
        return IdentitySet(pending.dirty(self._work, self._compression))

    @property
    def deleted(self) -> IdentitySet:
        """The roots and entities that the next commit deletes: a set by identity."""
        from . import pending

        self._check_open()
        return IdentitySet(pending.deleted(self._work))

    def is_modified(self, obj: object) -> bool:
        """Whether the next commit would store a change of `obj`, or of anything inside it.

        Args:
            obj: a root, a lazy object or collection, or a plain object inside one.

        Raises:
            SessionError: `obj` is not of this session.
        """
        from . import pending

        self._check_open()
        found = pending.is_modified(self._work, obj, self._compression)
        if found is None:
            raise SessionError(f"{this(obj)} is not part of this session: add it, or put it into one of its objects")
        return found
