"""Writes migration files: for changed models, for several ends of the history, and to replace others."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import MigrationError
from .autodetector import Answers, changes, name_for
from .fields import AlterField
from .history import History
from .loader import Graph, load
from .models import check_rendered, declared_renames, models_of, state_of
from .operation import Operation
from .operations import RunPython
from .state import ProjectState
from .writer import source_of

__all__ = ["Answers", "Written", "makemigrations", "squashmigrations"]


@dataclass(frozen=True)
class Written:
    """A migration file that was written, or would be: its name, its path, its text, and what it does for people."""

    name: str
    path: Path
    source: str
    operations: tuple[str, ...]


def makemigrations(
    models: Iterable[str],
    *,
    migrations: str | os.PathLike[str] = "migrations",
    name: str | None = None,
    empty: bool = False,
    merge: bool = False,
    write: bool = True,
    answers: Answers | None = None,
) -> Written | None:
    """Write a migration for what differs between the models of a project and the state that its migrations describe.

    Args:
        models: the modules of the models, "package.module", or classes of them, "package.module:Class".
        migrations: the directory of the migration files; it is made if it is missing.
        name: what stands behind the number in the name of the new file.
        empty: write one without operations, for code.
        merge: write one that depends on all ends of the history.
        write: whether to write the file.
        answers: what was renamed, and what stored objects get in new fields.

    Returns:
        The file; None if nothing differs.

    Raises:
        MigrationError: the migrations or the models cannot be read, or `answers` does not say what is needed.
        ValueError: `name` is no name.
    """
    graph = load(migrations).for_file(())
    heads = graph.heads()
    operations: list[Operation] = []
    if merge:
        if len(heads) < 2:
            return None
        graph.state()  # operations that do not fit each other are reported
        name = name or "merge"
    else:
        graph.check_one_head()
        if not empty:
            before, answers = graph.state(), answers or Answers()
            classes: dict[str, Any] = {}
            after = _state(models, classes)
            renames = {**declared_renames(before, after, classes), **answers.renames}
            operations = changes(before, after, replace(answers, renames=renames))
            if not operations:
                return None
    text = source_of(heads, operations)
    return _written(graph, name or name_for(operations, not graph.migrations), text, operations, write)


def squashmigrations(
    last: str, *, migrations: str | os.PathLike[str] = "migrations", name: str | None = None, write: bool = True
) -> Written:
    """Write one migration that replaces all up to `last`: it creates the models as they are then.

    A file that has some of the replaced migrations goes on with them. Delete them once every file has all of them.

    Args:
        last: the name of a migration, or its beginning.
        migrations: the directory of the migration files.
        name: what stands behind the number in the name of the new file.
        write: whether to write the file.

    Raises:
        MigrationError: there is no such migration, or one of them runs code, which cannot be squashed.
        ValueError: `name` is no name.
    """
    everything = load(migrations)
    graph = everything.for_file(())
    end = graph.find(last)
    needed = [each for each in graph.migrations if each in graph.needed(end)]
    for each in needed:
        for operation in graph.migrations[each].operations:
            code = isinstance(operation, AlterField) and (operation.forward or operation.backward)
            if isinstance(operation, RunPython) or code:
                raise MigrationError(
                    f"{each} runs code ({operation.told()}), which cannot be squashed: squash the migrations before it",
                    migration=each,
                )
    operations = changes(ProjectState(), graph.state(needed))
    replaces = [part for each in needed for part in (*graph.migrations[each].replaces, each)]
    text = source_of([], operations, replaces)
    return _written(Graph(graph.directory), name or f"squashed_{end}", text, operations, write)


def _state(models: Iterable[str], met: dict[str, Any]) -> ProjectState:
    classes = models_of(models)
    state = state_of(classes, met)
    check_rendered(classes, History(state).classes)
    return state


def _written(graph: Graph, name: str, text: str, operations: list[Operation], write: bool) -> Written:
    if not re.fullmatch(r"\w+", name):
        raise ValueError(f"the name of a migration is of letters, digits and _, not {name!r}")
    number = max((each.number for each in graph.migrations.values()), default=0) + 1
    full = f"{number:04}_{name}"
    path = Path(graph.directory) / f"{full}.py"
    if write:
        if path.exists():
            raise MigrationError(f"{path} exists already: give the migration another name", migration=full)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return Written(full, path, text, tuple(each.told() for each in operations))
