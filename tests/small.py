"""Small sizes: collections of a few dozen rows get trees of several levels, merges, large indexes, full caches."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import pytest

import parcode_orm
from parcode_orm.session.files import build_root
from parcode_orm.storage import cache
from parcode_orm.storage.writer import save_path, whole_bytes
from parcode_orm.tuning import Tuning

SMALL = Tuning(
    group_rows=6,
    sample_rows=2,
    few_rows=2,
    fanout=3,
    merged=3,
    classes=(1, 3),
    short=2,
    largest=5,
    max_runs=3,
    shard_rows=4,
    directory_bits=2,
    arrays_from=5,
    large=64,
    copied_below=700,
    few_chunks=3,
)

CACHES = (
    (cache, "LIMIT", 1),
    (cache, "SUM_EVERY", 1),
)


class Tuned(NamedTuple):
    """What writes with other sizes."""

    Session: type[parcode_orm.Session]
    save: Callable[[Any, Any], None]
    dumps: Callable[[Any], bytes]


def tuned(tuning: Tuning = SMALL, **sizes: Any) -> Tuned:
    """A session class, `save` and `dumps` that write with `tuning`, but for the `sizes` given."""
    tuning = replace(tuning, **sizes)

    def save(path: Any, obj: Any) -> None:
        save_path(os.fspath(path), build_root(obj, None, "save", tuning))

    def dumps(obj: Any) -> bytes:
        return whole_bytes(build_root(obj, None, "dumps", tuning))

    return Tuned(type("Session", (parcode_orm.Session,), {"_tuning": tuning}), save, dumps)


@contextmanager
def small_caches() -> Iterator[None]:
    """Row groups and chunks are closed early, and opened again."""
    with pytest.MonkeyPatch.context() as patch:
        for module, name, value in CACHES:
            assert hasattr(module, name)
            patch.setattr(module, name, value)
        yield
