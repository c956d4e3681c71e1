"""Migration files: what they say, in which order they go, and the state of the project after each."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from ..errors import MigrationError
from ..format.checksum import fingerprint
from .operation import Operation
from .state import ProjectState

PATTERN = re.compile(r"\d{4}_\w+\.py")
PARTS = {"dependencies": str, "operations": Operation, "replaces": str}


@dataclass(frozen=True)
class Migration:
    """A migration file. `hash`: of its bytes. `replaces`: the migrations that it was squashed of."""

    name: str
    operations: tuple[Operation, ...] = ()
    dependencies: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    hash: str = ""

    @property
    def number(self) -> int:
        """The number that its name begins with."""
        return int(self.name[:4])


@dataclass
class Graph:
    """The migrations of a project, each after the ones that it depends on.

    It has squashed migrations and the ones that they replace. `for_file` chooses between them.
    """

    directory: str
    migrations: dict[str, Migration] = field(default_factory=dict)

    def for_file(self, applied: Iterable[str]) -> Graph:
        """The graph for a file to which `applied` were applied: a squashed migration, or the ones that it replaces.

        Raises:
            MigrationError: migrations depend on each other, or on one that is missing.
        """
        there = set(applied)
        chosen = dict(self.migrations)
        for squashed in self.migrations.values():
            parts = set(squashed.replaces)
            if not parts:
                continue
            if squashed.name in there or parts <= there or not parts & there:
                for name in parts:
                    chosen.pop(name, None)
            else:
                chosen.pop(squashed.name, None)
        return Graph(self.directory, _sorted(chosen, self.directory))

    def heads(self) -> list[str]:
        """The migrations on which no other depends."""
        needed = {name for each in self.migrations.values() for name in self.parents(each)}
        return [name for name in self.migrations if name not in needed]

    def check_one_head(self) -> None:
        """Raise MigrationError where the history has several ends."""
        heads = self.heads()
        if len(heads) > 1:
            raise MigrationError(
                f"the migrations in {self.directory} have several ends, {', '.join(heads)}: they were written in "
                "parallel. parcode makemigrations --merge writes one that depends on all of them"
            )

    def parents(self, migration: Migration) -> tuple[str, ...]:
        """What a migration depends on. A squashed migration stands for the ones that it replaces."""
        return _resolved(migration, self.migrations)

    def needed(self, name: str) -> set[str]:
        """A migration with all that it depends on."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            each = waiting.pop()
            if each not in found:
                found.add(each)
                waiting += self.parents(self.migrations[each])
        return found

    def find(self, name: str) -> str:
        """The full name of a migration that begins with `name`.

        Raises:
            MigrationError: there is none, or several.
        """
        found = [each for each in self.migrations if each == name] or [
            each for each in self.migrations if each.startswith(name)
        ]
        if len(found) != 1:
            there = ", ".join(self.migrations) or "none"
            what = f"{len(found)} migrations begin" if found else "no migration begins"
            raise MigrationError(f"{what} with {name!r}; there are: {there}", migration=name)
        return found[0]

    def state(self, names: Iterable[str] | None = None) -> ProjectState:
        """The state of the project after migrations, in their order; None: after all.

        Raises:
            MigrationError: an operation does not fit what was before it.
        """
        state = ProjectState()
        chosen = set(self.migrations if names is None else names)
        for name, migration in self.migrations.items():
            if name in chosen:
                state = states_of(migration, state)[-1]
        return state


def states_of(migration: Migration, before: ProjectState) -> list[ProjectState]:
    """The states before, between and after the operations of a migration.

    Raises:
        MigrationError: an operation does not fit the state before it.
    """
    found = [before]
    for operation in migration.operations:
        state = found[-1].copy()
        try:
            operation.state_forwards(state)
        except MigrationError as problem:
            raise MigrationError(f"{migration.name}: {problem}", migration=migration.name) from problem
        found.append(state)
    try:
        found[-1].check()
    except MigrationError as problem:
        raise MigrationError(f"{migration.name}: {problem}", migration=migration.name) from problem
    return found


def load(directory: str | os.PathLike[str]) -> Graph:
    """The migrations in the numbered files of `directory`, `0001_initial.py` and so on.

    A missing directory has none. The files are Python, and are run.

    Raises:
        MigrationError: a file fails, does not say what a migration says, or depends on one that is missing; or
            migrations depend on each other in a circle.
    """
    folder = Path(directory)
    found = {}
    if folder.is_dir():
        for path in sorted(folder.iterdir()):
            if PATTERN.fullmatch(path.name):
                found[path.stem] = _read(path)
    graph = Graph(os.fspath(directory), found)
    graph.for_file(())  # reports what is wrong with the graph
    return graph


def _read(path: Path) -> Migration:
    name, text = path.stem, path.read_bytes()
    module = ModuleType(f"migrations.{name}")
    module.__file__ = str(path)
    try:
        exec(compile(text, str(path), "exec"), module.__dict__)
    except Exception as problem:
        raise MigrationError(
            f"{path} cannot be read as a migration: {type(problem).__name__}: {problem}", migration=name
        ) from problem
    parts: dict[str, Any] = {}
    for part, kind in PARTS.items():
        value = getattr(module, part, None if part != "replaces" else [])
        if not isinstance(value, list | tuple) or not all(isinstance(each, kind) for each in value):
            kinds = "names of migrations" if kind is str else "operations"
            raise MigrationError(f"{path}: a migration has a list {part!r} of {kinds}", migration=name)
        parts[part] = tuple(value)
    return Migration(name, hash=fingerprint(text), **parts)


def _resolved(migration: Migration, known: dict[str, Migration]) -> tuple[str, ...]:
    squashed = {part: each.name for each in known.values() for part in each.replaces}
    found = [name if name in known else squashed.get(name, name) for name in migration.dependencies]
    return tuple(dict.fromkeys(name for name in found if name != migration.name))


def _sorted(migrations: dict[str, Migration], directory: str) -> dict[str, Migration]:
    """By name, but each after what it depends on."""
    found: dict[str, Migration] = {}
    entered: list[str] = []

    def enter(name: str, needed_by: str) -> None:
        if name in found:
            return
        if name in entered:
            circle = " -> ".join([*entered[entered.index(name) :], name])
            raise MigrationError(f"the migrations in {directory} depend on each other: {circle}", migration=name)
        if name not in migrations:
            raise MigrationError(
                f"{needed_by} depends on {name}, which is not in {directory}: its file is missing", migration=needed_by
            )
        entered.append(name)
        for each in _resolved(migrations[name], migrations):
            enter(each, name)
        entered.pop()
        found[name] = migrations[name]

    for name in sorted(migrations):
        enter(name, name)
    return found
