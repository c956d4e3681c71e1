"""Streams in a commit: as far as they are found, their code runs before anything else is encoded."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..codec import trail
from ..codec.boundary import ChunkColumn
from ..codec.compile import struct_for
from ..codec.stream import is_stream
from ..errors import EncodeError, SessionError
from ..format.catalog import CatalogData
from ..format.layout import Kind
from ..lazy.proxy import decoded
from ..model.base import Model
from ..table.writer import TableSink
from .roots import Root, State, States, write_roots

if TYPE_CHECKING:
    from .work import Work

DEEPEST = 50  # models in fields of each other; what is nested deeper is read when it is encoded

EDITED = (
    "while this commit was being encoded, code that it ran (a stream's in a row of a collection, or a serializer's) "
    "changed objects of the session; nothing is stored. Call rollback(), and let that code run before the commit: "
    "assign list(stream), or assign the stream to a field of a root, where it is read first"
)


def encode(work: Work, sink: TableSink, states: States, message: str) -> tuple[CatalogData, States]:
    """Write the roots that changed: the catalog, and what each root is beside the file, once the streams were read.

    Raises:
        SessionError: code that ran meanwhile changed objects of the session.
    """
    draw_streams(sink, work.roots)
    if sink.streamed:  # their code may have changed anything
        sink.stored.clear()
        states = work.states(sink.compression)
    before = _edits(work)
    changed = [root for root, state in states if state is State.CHANGED]
    base = None if work.source is None else work.source.catalog
    catalog = write_roots(sink, changed, work.deleted, base, message)
    if _edits(work) != before:
        raise SessionError(EDITED)
    return catalog, states


def _edits(work: Work) -> tuple[int, list[int], list[str]]:
    return work.owner.edits, [id(root) for root in work.roots.values()], list(work.deleted)


def draw_streams(sink: TableSink, roots: Mapping[str, Root]) -> None:
    """Write the streams in fields of the roots, and of models that are fields of them, before anything else.

    Their code may take rows out of other collections or put some there, or add a root, whose streams follow.
    """
    done: list[int] = []
    while (now := [id(root.obj) for root in roots.values()]) != done:
        for root in list(roots.values()):
            _draw(sink, root.obj, {id(root.obj)}, 0)
        done = now


def _draw(sink: TableSink, obj: Any, seen: set[int], depth: int) -> None:
    column = struct_for(obj.__class__)
    fields = decoded(obj)
    try:
        for name, field_column in column.fields:
            value = fields.get(name)
            if isinstance(value, Model):
                if id(value) not in seen and depth < DEEPEST:
                    seen.add(id(value))
                    _draw(sink, value, seen, depth + 1)
            elif is_stream(type(value)) and isinstance(field_column, ChunkColumn):
                if field_column.is_list or field_column.is_map:
                    sink.draw(value, partial(field_column.leave, value, 0, sink.encoder(Kind.COLUMN)))
    except EncodeError as problem:
        problem.model = column.plan.name
        raise trail.below(problem, name, 0) from None
