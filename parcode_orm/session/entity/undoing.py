"""Changes that a flush makes to tables of entities are taken back unless the commit stores something."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..roots import Root
from ..unit_of_work import UnitOfWork


@contextmanager
def taken_back(work: UnitOfWork, changed: Any) -> Iterator[None]:
    """Changes of a collection's rows in the block are taken back, unless it stores them."""
    before = work.source
    if isinstance(changed, list):  # of a table that is not stored yet
        known = list(changed)
        try:
            yield
        finally:
            if work.source is before:
                changed[:] = known
        return
    rows = changed._changing()
    state = rows.begin()
    try:
        yield
    finally:
        if work.source is not before:
            rows.end(state)
        else:
            rows.undo(state)


@contextmanager
def as_before(work: UnitOfWork, root: Root) -> Iterator[None]:
    """What a root knows of deleted entities, and its last number, are taken back after the block."""
    before, gone, last = work.source, dict(root.gone), root.obj.last
    try:
        yield
    finally:
        if work.source is before:
            root.gone = gone
            if root.obj.last != last:
                root.obj.last = last


@contextmanager
def unless_stored(work: UnitOfWork, restore: Callable[[], object]) -> Iterator[None]:
    """`restore()` after the block, unless it stores something."""
    before = work.source
    try:
        yield
    finally:
        if work.source is before:
            restore()
