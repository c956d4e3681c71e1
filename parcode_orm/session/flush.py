"""The flush of a unit of work: the changed roots are written, and code that this runs may change nothing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import DanglingError, SessionError
from ..format.catalog import CatalogData
from ..lazy.proxy import decoded
from ..model.base import Model
from ..storage.pipeline import Pipeline
from ..table.persister import Stored
from ..table.row_groups import TableSink
from .dirty import Comparison
from .reuse import reuse_from
from .roots import Again, Compared, write_roots

if TYPE_CHECKING:
    from .unit_of_work import UnitOfWork

CHANGED = (
    "code that ran while {} was being written (of a stream, a generator or a serializer) changed what is written; "
    "nothing is stored. Let that code run first: assign list(stream) instead of the stream"
)


Check = Callable[[Mapping[type[Any], Collection[Any]]], object]
"""Raises where a key to which references lead, by the class of the targets, will not be stored."""
Seen = tuple[int, list[tuple[int, list[int]]], list[str]]


class Flush:
    """Writes the roots that a commit found changed. `check` takes the keys to which what is written refers.

    After `build`: `read` are the streams that were read, `stored` the tables that were written anew, and `again` the
    roots that were written as they stand. `fresh` are references that were written and know no space.
    """

    def __init__(
        self,
        work: UnitOfWork,
        roots: list[Compared],
        before: Seen,
        comparison: Comparison,
        compression: str | None,
        check: Check,
    ) -> None:
        self._check = check
        self._work = work
        self._roots = roots
        self._before = before
        self._comparison = comparison
        self._compression = compression
        self.message = ""
        self.read: list[object] = []
        self.stored: dict[int, Stored] = {}
        self.again: dict[str, Again] = {}
        self.rows_written = 0
        self.fresh: list[Any] = []

    def build(self, pipeline: Pipeline) -> CatalogData:
        """Submit what changed to the pipeline, and return the catalog."""
        work, source = self._work, self._work.source
        reuse = reuse_from(source, work.owner, self._comparison)
        sink = TableSink(pipeline, self._compression, reuse, work.consumed, work.tuning)
        sink.is_fresh = self._is_fresh
        self.read, self.stored = sink.read, sink.stored
        base = None if source is None else source.catalog
        from .older import judge

        older = judge(source, downgrade=work.downgrade)
        catalog, self.again = write_roots(sink, self._roots, work.deleted, base, self.message, older=older)
        check_unchanged(work, self._before)
        self.rows_written = sink.rows_written
        self.fresh = sink.fresh
        self._check(sink.referred)
        return catalog

    def _is_fresh(self, space: Any) -> bool:
        """Whether references that `space` gave are not bound to this session.

        Raises:
            DanglingError: they lead to objects of another file.
        """
        work = self._work
        if space is None:
            return True
        if space.owner is work.owner:
            return space.source is not work.source  # left behind by a refresh, or of before the first commit
        if work.space is None or not work.space.is_of_file(space):
            where = f", {space.source.path}" if space.source.path else ""
            raise DanglingError(
                f"refers to an object of another file{where}: add a copy of that object to this one, and refer to it "
                "by Ref(cls, key); or merge both objects"
            )
        return True


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
    models: list[object] = [obj]
    for model in models:
        seen.add(id(model))
        for value in decoded(model).values():
            if isinstance(value, list | dict | set):
                found.append(len(value))
            elif isinstance(value, Model) and id(value) not in seen:
                models.append(value)
    return found
