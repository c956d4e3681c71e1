"""The targets of references: in the session that reads them, or in the commit on which they stand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...codec.types.compile import struct_for
from ...errors import NoResultFound
from ...model.entities import table_class
from ...model.entity_names import table_name
from ..owner import Family, Owner
from ..roots import read_root
from ..space import FileSpace
from .tables import rows_of


def entities_of(space: FileSpace, cls: type[object]) -> Mapping[Any, object]:
    """The entities of `cls` by key, as the objects that `space` gives see them.

    In a session that goes on, they are the session's, with all pending changes. Objects that stand on another commit,
    or whose session was closed, see the entities of their commit.
    """
    owner = space.owner
    work = None if owner is None else owner.work
    return rows_of(work, cls) if work is not None and work.reads_through(space) else stored_entities(space, cls)


def stored_entities(space: FileSpace, cls: type[object]) -> Mapping[Any, object]:
    """The entities of `cls` by key, as the commit has them that `space` reads."""
    if cls not in space.tables:
        apart = space.tables.setdefault(FileSpace, _detached(space))
        table = table_class(cls)
        try:
            rows = read_root(apart, table_name(cls), struct_for(table)).rows
        except NoResultFound:
            rows = {}
        space.tables.setdefault(cls, rows)
    found: Mapping[Any, object] = space.tables[cls]
    return found


def _detached(space: FileSpace) -> FileSpace:
    """What reads the commit of `space`. Its objects change as plain ones do if those of `space` do so."""
    owner = space.owner
    if owner is not None and owner.ended and space.writable:
        return FileSpace(space.source, writable=True, family=Family(Owner()), workers=0)
    return FileSpace(space.source, writable=False, workers=0)
