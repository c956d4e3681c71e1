"""Migrations: the history of a project's models in files of Python, applied to files forwards and backwards."""

from __future__ import annotations

from .executor import Planned, migrate, showmigrations
from .fields import AddField, AddIndex, AlterField, OrderFields, RemoveField, RemoveIndex, RenameField, SetUnique
from .loader import Graph, Migration, load
from .operation import Operation
from .operations import AlterModel, CreateModel, DeleteModel, RenameModel, RunPython
from .project import Answers, Written, makemigrations, squashmigrations
from .state import Field, ProjectState
from .types import Named
from .verdicts import Compared, diff_schema

__all__ = [
    "AddField",
    "AddIndex",
    "AlterField",
    "AlterModel",
    "Answers",
    "Compared",
    "CreateModel",
    "DeleteModel",
    "Field",
    "Graph",
    "Migration",
    "Named",
    "Operation",
    "OrderFields",
    "Planned",
    "ProjectState",
    "RemoveField",
    "RemoveIndex",
    "RenameField",
    "RenameModel",
    "RunPython",
    "SetUnique",
    "Written",
    "diff_schema",
    "load",
    "makemigrations",
    "migrate",
    "showmigrations",
    "squashmigrations",
]
