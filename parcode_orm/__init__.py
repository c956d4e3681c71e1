"""Parcode ORM: an embedded object database for Pydantic models, in one file."""

from __future__ import annotations

from . import errors
from .codec.classes.registry import register
from .codec.packed.custom import register_type
from .codec.refs import Ref
from .codec.renames import renamed_from
from .codec.upgrades import upgrade
from .codec.vectors import Vector
from .errors import *  # noqa: F403
from .format.compression import register as register_compression
from .inspector.recover import RecoverReport, recover
from .inspector.report import Report, VerifyReport
from .inspector.survey import inspect
from .inspector.verify import verify
from .lazy.handles import lazy
from .lazy.list import LazyList
from .lazy.map import LazyMap
from .model import Backref, Chunk, Field, Index, Key, LazyArray, LazyBytes, LazyText, Model, ShardedMap
from .native import accelerated as accelerated  # a bool, no name of `import *`
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
