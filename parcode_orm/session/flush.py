"""The flush of a unit of work: the changed roots are written, and code that this runs may change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import SessionError
from ..format.catalog import CatalogData
from ..lazy.proxy import decoded
from ..model.base import Model
from ..table.row_groups import TableSink
from .roots import Compared, write_roots

if TYPE_CHECKING:
    from .unit_of_work import UnitOfWork

CHANGED = (
    "code that ran while {} was being written (of a stream, a generator or a serializer) changed what is written; "
    "nothing is stored. Let that code run first: assign list(stream) instead of the stream"
)


Seen = tuple[int, list[tuple[int, list[int]]], list[str]]


def flush(work: UnitOfWork, sink: TableSink, changed: list[Compared], message: str) -> CatalogData:
    """Write the roots that changed; the catalog."""
    base = None if work.source is None else work.source.catalog
    return write_roots(sink, changed, work.deleted, base, message)


def seen(work: UnitOfWork) -> Seen:
    """What a change of the session's objects shows in: counted edits, roots, lengths of plain collections."""
    roots = []
    for root in work.roots.values():
        roots.append((id(root.obj), sizes(root.obj)))
    return work.owner.edits, roots, list(work.deleted)


def check_unchanged(work: UnitOfWork, before: Seen) -> None:
    """Raise SessionError where code that ran since `before` changed objects of the session."""
    if seen(work) != before:
        raise SessionError(CHANGED.format("this commit") + ", and call rollback()")


def sizes(obj: Model) -> list[int]:
    """The lengths of the plain collections in the fields of `obj`, and of models that are fields of it."""
    found: list[int] = []
    seen: set[int] = set()
    models: list[Any] = [obj]
    for model in models:
        seen.add(id(model))
        for value in decoded(model).values():
            if isinstance(value, list | dict | set):
                found.append(len(value))
            elif isinstance(value, Model) and id(value) not in seen:
                models.append(value)
    return found
