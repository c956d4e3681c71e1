"""Which classes are of entities, and what their roots, the fields of these and the classes of runs are called.

The models of the tables and runs are made in `entities.py`, which a program without entities does not import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..codec.classes.names import name_of
from .keys import key_fields

if TYPE_CHECKING:
    from .indexes import IndexSpec

SUFFIX = "[]"  # of the names of the roots that hold entities
BY, RUNS, TEXT = "by_", "index_", "text_"  # prefixes of the fields for unique, ordered and text indexes
TEXT_END = "[text]"  # of the names of the classes of runs of text indexes


def is_entity(cls: type[Any]) -> bool:
    """Whether the objects of a model class are entities."""
    return bool(key_fields(cls))


def table_name(cls: type[Any]) -> str:
    """The name of the root that holds the entities of `cls`."""
    return name_of(cls) + SUFFIX


def field_of(spec: IndexSpec) -> str:
    """The name of the table's field for an index."""
    return f"{prefix_of(spec)}{spec.name}"


def prefix_of(spec: IndexSpec) -> str:
    """With what the name of the table's field for an index begins."""
    return TEXT if spec.text else BY if spec.unique else RUNS
