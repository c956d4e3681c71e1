"""Which classes are older than the newest that wrote a file: these only read it, or write rows that lose nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from ..codec.evolution.lost import Known
from ..codec.evolution.resolve import Resolver
from ..codec.schema import known
from ..codec.stored import Schema, believed
from ..errors import DowngradeError, SchemaMismatchError
from ..format.catalog import CatalogData
from ..lazy.proxy import is_proxy
from ..model.entity_names import SUFFIX
from ..storage.mapped import Source
from .roots import Root
from .schemas import schemas_of, subclasses_known


def judge(source: Source | None, *, downgrade: bool) -> Callable[[Root, CatalogData], Known | None]:
    """Return a function that gives what the newest class of a root knows, if the class that writes is older.

    The function raises `DowngradeError` for an older class, unless `downgrade` is true.
    """

    def older(root: Root, base: CatalogData) -> Known | None:
        written, mine = base.writers.get(root.name), known(root.column).long
        if source is None:
            return None
        found = None if written in (None, mine) else schemas_of(source).stored(written)
        if found is None or not _is_older(root, mine, found[-1], base, downgrade):
            return subclasses_known(source)
        return Known(found[-1], schemas_of(source).versions())

    return older


def _is_older(root: Root, mine: str, newest: Schema, base: CatalogData, downgrade: bool) -> bool:
    """Whether the class of a root, whose schema is `mine`, is older than the one that wrote the file as `newest`.

    Raises:
        DowngradeError: it is, and `downgrade` is false.
    """
    name = root.name.removesuffix(SUFFIX)
    if mine in base.schemas:
        if not downgrade:
            raise DowngradeError(
                f"the class {name} is not the newest that wrote this file. This program may read. To write what "
                "loses nothing that only the newer class knows, open the file with Session(path, downgrade=True)"
            )
        return True
    fresh = not is_proxy(root.obj)  # nothing that is stored of it is kept
    lacking = [] if fresh or not base.migrations else _lacking(root, newest, base)
    if lacking and not downgrade:
        raise DowngradeError(
            f"the class {name} lacks {', '.join(lacking)}, which this file has, and the file keeps a record of "
            f"migrations ({list(base.migrations)[-1]} is the last): if this program is older than that, it may "
            "read; if it is newer, write a migration (parcode makemigrations) and apply it (parcode migrate)"
        )
    return bool(lacking)


def _lacking(root: Root, newest: Schema, base: CatalogData) -> list[str]:
    """What the class of a root lacks, and the newest class that wrote the file has."""
    resolver = Resolver(base.renames)
    with suppress(SchemaMismatchError), believed():
        resolver.columns((newest,), (root.column,))
        resolver.complete()
    return resolver.lacking()
