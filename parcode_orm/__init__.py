"""Parcode ORM: an embedded object database for Pydantic models, in one file."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import errors
from .codec.classes.registry import register
from .codec.packed.custom import register_type
from .codec.refs import Ref
from .codec.renames import renamed_from
from .codec.upgrades import upgrade
from .codec.vectors import Vector
from .errors import *  # noqa: F403
from .errors import RenamedWarning
from .format.compression import register as register_compression
from .lazy.handles import lazy
from .lazy.list import LazyList
from .lazy.map import LazyMap
from .model import Backref, Chunk, Field, Index, Key, LazyArray, LazyBytes, LazyText, Model, ShardedMap
from .model.backrefs import in_queries, related
from .model.base import fields_of_queries, on_complete
from .model.entity_names import is_entity
from .model.references import entities_seen
from .native import accelerated as accelerated  # a bool, no name of `import *`

# The rest is imported when it is first asked for: a program that reads one field does not wait for queries and numpy.
if TYPE_CHECKING:
    from .inspector.recover import RecoverReport, recover
    from .inspector.report import Report, VerifyReport
    from .inspector.survey import inspect
    from .inspector.verify import verify
    from .interop.aio import AsyncSession as AsyncSession  # documented with its module
    from .interop.dataset import Dataset, dataset
    from .query import (
        aliased,
        all_,
        and_,
        any_,
        asc,
        case,
        cast,
        col,
        delete,
        desc,
        except_,
        exists,
        explain,
        func,
        intersect,
        len_,
        not_,
        or_,
        prefetch,
        raise_lazy,
        select,
        union,
        union_all,
        update,
    )
    from .session import (
        BackupReport,
        Change,
        CommitChanges,
        Diff,
        FieldChange,
        RowChange,
        Session,
        Snapshot,
        backup,
        compact,
        dumps,
        load,
        loads,
        save,
        schema,
        write,
    )
    from .session import open as open  # no name of `import *`, which would hide the builtin

__version__ = "0.1.0"

__all__ = [
    "Backref",
    "BackupReport",
    "Change",
    "Chunk",
    "CommitChanges",
    "Dataset",
    "Diff",
    "Field",
    "FieldChange",
    "Index",
    "Key",
    "LazyArray",
    "LazyBytes",
    "LazyList",
    "LazyMap",
    "LazyText",
    "Model",
    "Ref",
    "Report",
    "Session",
    "RecoverReport",
    "RowChange",
    "ShardedMap",
    "Snapshot",
    "Vector",
    "VerifyReport",
    "aliased",
    "all_",
    "and_",
    "any_",
    "asc",
    "backup",
    "case",
    "cast",
    "col",
    "compact",
    "dataset",
    "delete",
    "desc",
    "dumps",
    "except_",
    "exists",
    "explain",
    "func",
    "inspect",
    "intersect",
    "lazy",
    "len_",
    "load",
    "loads",
    "not_",
    "or_",
    "prefetch",
    "RenamedWarning",
    "raise_lazy",
    "recover",
    "register",
    "register_compression",
    "register_type",
    "renamed_from",
    "save",
    "schema",
    "select",
    "union",
    "union_all",
    "update",
    "upgrade",
    "verify",
    "write",
    *errors.__all__,
]

_HOMES = {
    ".inspector.recover": "RecoverReport recover",
    ".inspector.report": "Report VerifyReport",
    ".inspector.survey": "inspect",
    ".inspector.verify": "verify",
    ".interop.aio": "AsyncSession",
    ".interop.dataset": "Dataset dataset",
    ".query": (
        "aliased all_ and_ any_ asc case cast col delete desc except_ exists explain func intersect len_ not_ or_ "
        "prefetch raise_lazy select union union_all update"
    ),
    ".session": (
        "BackupReport Change CommitChanges Diff FieldChange RowChange Session Snapshot backup compact dumps load "
        "loads save schema write open"
    ),
}
_home_of = {name: home for home, names in _HOMES.items() for name in names.split()}

if not TYPE_CHECKING:  # else every name would pass for one of the package

    def __getattr__(name: str) -> Any:
        home = _home_of.get(name)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        found = globals()[name] = getattr(import_module(home, __name__), name)
        return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_home_of})


# What lower floors ask of higher ones.


def _field_of(cls: type[Any], name: str) -> Any:
    from .query.expressions.functions import field_of

    fields_of_queries[:] = [field_of]
    return field_of(cls, name)


def _other_side(backref: Any, owner: type[Any]) -> Any:
    from .query.expressions.backrefs import of_class

    return of_class(backref, owner)


def _related(backref: Any, obj: Any) -> Any:
    from .session.entity.related import Related

    return Related(backref, obj)


def _entities_of(space: Any, cls: type[Any]) -> Any:
    from .session.entity.targets import entities_of

    return entities_of(space, cls)


def _with_table(cls: type[Any]) -> None:  # so that what cannot be a key is refused when the class is defined
    if is_entity(cls):
        from .model.entities import table_class

        table_class(cls)


fields_of_queries.append(_field_of)
in_queries.append(_other_side)
related.append(_related)
entities_seen.append(_entities_of)
on_complete.append(_with_table)
