"""References that a commit writes must lead to entities that are stored after it.

Columns of references tell the sink which keys they write. All these keys are looked up together, by class, in the
tables as they will be. Only a key that is missing is searched for in the objects, so that the error names the place.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ...codec.classes.names import name_of
from ...codec.types.compile import struct_for
from ...errors import DanglingError, NoResultFound
from ...model.entities import table_class
from ...model.entity_names import table_name
from ...table.pairs import known_keys
from ..roots import read_root
from ..unit_of_work import UnitOfWork
from .holders import first_met, holders
from .tables import entities, table_in

Referred = Mapping[type[object], Collection[object]]
"""Keys to which references lead, by the class of the targets."""


def check_targets(work: UnitOfWork, referred: Referred) -> None:
    """Raise DanglingError if a reference that is written leads to an entity that is not stored."""
    for cls, keys in referred.items():
        missing = frozenset(keys).difference(_known(work, cls, list(keys)))
        if missing:
            _refuse(work, cls, missing)


def _known(work: UnitOfWork, cls: type[object], keys: list[Any]) -> list[Any]:
    """Those of `keys` that entities of `cls` will have."""
    root = work.roots.get(table_name(cls))
    if root is not None:
        return known_keys(table_in(entities(root)), keys)
    if work.source is None:
        return []
    try:  # not the session's own objects: the commit is on its way, and must not find more of them
        rows = read_root(work.look_at(work.source), table_name(cls), struct_for(table_class(cls))).rows
    except NoResultFound:
        return []
    return known_keys(table_in(rows), keys)


def _refuse(work: UnitOfWork, cls: type[object], missing: Collection[object]) -> None:
    """Raise for the first reference to one of the `missing` keys. Rows that were taken back may have told of others."""
    called = name_of(cls)
    for holder in holders(work)[0]:
        for place in holder.places:
            met = first_met(work, holder, place, missing) if place.called == called else None
            if met is not None:
                name = cls.__name__.lower()
                raise DanglingError(
                    f"{met.where} refers to {met.target}, which is not stored: add that object, "
                    f"session.add({name}), or assign another one"
                )
