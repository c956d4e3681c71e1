"""Parcode ORM: an embedded object database for Pydantic models, in one file."""

from __future__ import annotations

from . import errors
from .codec.types.registry import register, register_type
from .errors import *  # noqa: F403
from .format.compression import register as register_compression
from .inspect.report import VerifyReport
from .inspect.verify import verify
from .lazy.handles import lazy
from .lazy.list import LazyList
from .lazy.map import LazyMap
from .model import Chunk, LazyArray, LazyBytes, LazyText, Model, ShardedMap
from .session import Change, Diff, Session, Snapshot, compact, dumps, load, loads, save, write
from .session import open as open  # no name of `import *`, which would hide the builtin

__version__ = "0.1.0"

__all__ = [
    "Change",
    "Chunk",
    "Diff",
    "LazyArray",
    "LazyBytes",
    "LazyList",
    "LazyMap",
    "LazyText",
    "Model",
    "Session",
    "ShardedMap",
    "Snapshot",
    "VerifyReport",
    "compact",
    "dumps",
    "lazy",
    "load",
    "loads",
    "register",
    "register_compression",
    "register_type",
    "save",
    "verify",
    "write",
    *errors.__all__,
]
