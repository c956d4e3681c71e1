"""A unit of work goes back to what is stored, or on to another commit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import FileMissingError, NoResultFound, SchemaMismatchError
from ..lazy.proxy import is_proxy, proxy_state
from ..model.entity_names import SUFFIX
from ..storage.backend import Backend
from ..storage.mapped import Source
from ..table.state import known_rows
from .expire import Follow, Reset
from .rebind import attach, rebase
from .roots import Root, root_group
from .space import owner_of
from .traversal import walk

if TYPE_CHECKING:
    from .unit_of_work import UnitOfWork


def rollback(work: UnitOfWork, backend: Backend | None) -> None:
    """Let everything be as it was committed; after a conflict, as in the newest commit."""
    work.halfway = True
    work.end_savepoints()
    for root in work.roots.values():
        if work.is_new(root):  # a savepoint took it
            work.detach(root)
    for root in [*work.roots.values(), *work.settled.values()]:
        root.drop_pending()
    work.roots = dict(work.settled)
    work.deleted.clear()
    if work.stale and backend is not None:
        go_on(work, backend.newest())
    elif work.space is not None:
        for root in work.roots.values():
            _make_lazy(work, root)
        for space in work.own():
            space.end_spills()
        Reset(work.owner).everything([root.obj for root in work.roots.values()], work.own(), work.lost())
    else:  # nothing is stored, so what was read of streams belongs to nothing
        for space in work.own():
            space.abandon()
    work.halfway = False


def _make_lazy(work: UnitOfWork, root: Root) -> None:
    """A root that was added plain, and is stored: from now on it is the lazy object of what is stored."""
    if not is_proxy(root.obj) or owner_of(root.obj) is not work.owner:
        attach(root.obj, *proxy_state(work.read(root)))
        root.read = True


def expire(work: UnitOfWork, obj: Any) -> None:
    """Drop what was read and assigned of a stored root, or of a lazy object or collection."""
    work.halfway = True
    root = work.root_of(obj)
    if root is not None:
        root.drop_pending()
        _make_lazy(work, root)
    reset = Reset(work.owner)
    alive: list[object] = []
    if root is not None:  # rows that the program holds may be in no collection any more, which was replaced
        others = {id(each) for other in work.roots.values() if other is not root for each in walk(other.obj)}
        mine = [space for space in work.own() if space.family is root.family]
        alive = [proxy for space in mine for proxy in space.alive() if id(proxy) not in others]
    if is_proxy(obj):
        reset.object(obj)
    else:
        reset.collection(obj)
    for proxy in alive:
        reset.object(proxy)
    work.halfway = False


def refresh(work: UnitOfWork, backend: Backend) -> None:
    """Stand on the newest commit; without another one, all stays as it is."""
    if work.space is None and backend.memory is not None:
        return
    try:
        source = backend.newest()
    except FileMissingError:
        if work.space is not None:
            raise
        return  # nothing is stored yet
    here = work.source
    if here is not None and (here.uuid, here.record) == (source.uuid, source.record):
        source.close()
    else:
        go_on(work, source)


def go_on(work: UnitOfWork, source: Source) -> None:
    """Stand on another commit: roots, and the models and collections that are their fields, show it in place."""
    work.stale = work.halfway = True  # until all is done: a rollback finishes what an interrupt leaves
    work.end_savepoints()  # their objects stood on the commit before
    before = work.own()
    work.stand_on(source)
    work.owner.forget_views()
    roots: dict[str, Root] = {}
    follow = Follow(work.owner)
    for root in work.roots.values():
        try:
            found = work.read(root)
        except (NoResultFound, SchemaMismatchError):  # `root` will say so when it is asked for
            continue
        in_use = _entities_in_use(work, root)
        follow.object(root.obj, found)
        for key, obj in in_use:
            if (there := root.obj.rows.get(key)) is not None:
                follow.object(obj, there)
        root.read = True
        root.settle()
        roots[root.name] = root
    work.roots, work.settled = roots, dict(roots)
    if work.writable:
        for space in before:
            space.abandon()
    work.stale = work.halfway = False


def move_on(work: UnitOfWork, source: Source) -> None:
    """Stand on `source`, a compacted file: it holds what is in memory, and all objects go on there.

    What is part of nothing, such as a row that was taken out of its list, still reads the file before.
    """
    work.stale = work.halfway = True  # until all is done, as in `go_on`
    work.stand_on(source)
    work.owner.forget_views()
    for root in work.roots.values():
        root.read = True
        root.settle()
        if not is_proxy(root.obj) or owner_of(root.obj) is work.owner:
            rebase(root.obj, root_group(work.space_for(root), root.name, root.column).items, 0)
    work.stale = work.halfway = False


def _entities_in_use(work: UnitOfWork, root: Root) -> list[tuple[object, object]]:
    """The lazy entities of a root that the program holds, with their keys. What is pending is dropped."""
    is_read = is_proxy(root.obj)
    if not root.name.endswith(SUFFIX) or not is_read:
        return []
    rows = root.obj.rows
    Reset(work.owner).collection(rows)
    return [(key, obj) for key, obj in known_rows(rows.rows.table) if is_proxy(obj)]


def take_on(work: UnitOfWork, source: Source) -> None:
    """Stand on the commit `source`, which stored all that is in memory, and was interrupted then.

    As in `go_on`, roots and what is a field of them go on; what they hold and is not lazy stays as it is. Rows that
    were taken out of collections take no more changes.
    """
    work.take_roots()
    before = work.own()
    work.end_savepoints()
    for root in work.deleted.values():
        work.detach(root)
    work.deleted.clear()
    work.stand_on(source)
    work.consumed.clear()
    follow = Follow(work.owner, stored=True)
    for root in work.roots.values():
        root.read = True
        root.settle()
        follow.object(root.obj, work.read(root))
    work.settled = dict(work.roots)
    for space in before:
        space.abandon()
