"""Applies migrations to a file, and undoes them: one migration is one commit."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

from ..errors import MigrationError
from ..format.catalog import CatalogData
from ..storage.backend import Backend
from ..storage.files import file_name
from ..storage.mapped import Source
from ..storage.pipeline import Pipeline
from ..storage.stats import Stats
from .applied import Applied
from .loader import Graph, Migration, load, states_of
from .operations import check_undoable
from .rewrite import Progress, Rewrite
from .state import ProjectState

LOCK_TIMEOUT = 5.0  # seconds


@dataclass(frozen=True)
class Planned:
    """A migration to apply, or to undo if `backwards`.

    `operations` says what it does, for people. `known`: the file is as the migration leaves it, so it is only recorded.
    """

    name: str
    backwards: bool
    operations: tuple[str, ...]
    known: bool = False


def migrate(
    path: str | os.PathLike[str],
    target: str | None = None,
    *,
    migrations: str | os.PathLike[str] = "migrations",
    plan: bool = False,
    fake: bool = False,
    rewrite: bool = False,
    progress: Progress | None = None,
) -> list[Planned]:
    """Bring a file to the newest migration, or to `target`, forwards or backwards. One migration is one commit.

    If a file has no record of migrations, the ones whose schemas it has already are recorded, not applied.

    Args:
        path: the file.
        target: the name of a migration or its beginning, "0003"; "zero": undo all. None: the newest.
        migrations: the directory of the migration files.
        plan: say what would be done, and write nothing.
        fake: record the migrations, and change nothing else. This also accepts migration files that were edited after
            they were applied.
        rewrite: write rows anew even if they could be read as they are.
        progress: gets the name of what is written, how many rows were, and how many there are.

    Returns:
        What was done, or would be.

    Raises:
        MigrationError: the migrations cannot be read or ordered, do not fit the file, or fail on a row. The migrations
            that were committed before that stay.
        IntegrityError: a key or a unique value would occur twice.
        ConflictError: another session committed meanwhile.
        LockedError: another session is committing.
        FileMissingError: there is no file.
        CorruptionError, StorageError, SyncError: as for a commit.
    """
    graph = load(migrations)
    runner = _Runner(os.path.abspath(file_name(path, "migrate(path)")), graph, rewrite, progress)
    return runner.run(target, plan, fake)


def showmigrations(
    path: str | os.PathLike[str] | None = None, *, migrations: str | os.PathLike[str] = "migrations"
) -> dict[str, bool | None]:
    """The names of the migrations, in their order, and whether a file records each; None without a file.

    A file may record none although its schemas fit: `migrate` records those that it has.

    Args:
        path: the file, or None.
        migrations: the directory of the migration files.

    Raises:
        MigrationError: the migrations cannot be read or ordered, or do not fit the file.
        FileMissingError, NotAParcodeFile, CorruptionError: the file cannot be read.
    """
    graph = load(migrations)
    if path is None:
        return dict.fromkeys(graph.for_file(()).migrations)
    name = os.path.abspath(file_name(path, "showmigrations(path)"))
    source = Source.open(name)
    try:
        _check_any(graph)
        applied = Applied(source.catalog, graph, name, recorded_only=True)
        return {each: each in applied.names for each in applied.graph.migrations}
    finally:
        source.close()


def _check_any(graph: Graph) -> None:
    """Raise MigrationError where a directory has no migrations: most often it is the wrong one."""
    if not graph.migrations:
        raise MigrationError(
            f"there are no migrations in {os.path.abspath(graph.directory)}: parcode makemigrations writes the first. "
            "If they are in another directory, run the command where they are, or name it, --migrations DIRECTORY"
        )


class _Runner:
    def __init__(self, path: str, graph: Graph, rewrite: bool, progress: Progress | None) -> None:
        self._path = path
        self._all = graph
        self._rewrite = rewrite
        self._progress = progress
        self._backend = Backend(
            path, durability="full", workers=0, compression=None, stats=Stats(), lock_timeout=LOCK_TIMEOUT
        )

    def run(self, target: str | None, plan: bool, fake: bool) -> list[Planned]:
        source = self._backend.newest()
        try:
            _check_any(self._all)
            applied = Applied(source.catalog, self._all, self._path, fake=fake)
            graph = applied.graph
            graph.state()  # an operation that does not fit is reported before anything is written
            steps = [*applied.known, *self._steps(applied, target)]
            done = [Planned(name, False, (), known=True) for name in applied.edited]  # recorded anew, with `fake`
            for name, backwards in steps:
                migration = graph.migrations[name]
                recorded = (name, backwards) in applied.known
                told = [operation.told() for operation in migration.operations]
                done.append(Planned(name, backwards, tuple(told[::-1] if backwards else told), recorded))
            if not plan:
                self._apply(source, applied, steps, fake)
            return done
        finally:
            source.close()

    def _steps(self, applied: Applied, target: str | None) -> list[tuple[str, bool]]:
        """The migrations to apply, or to undo (True), in order."""
        graph, there = applied.graph, applied.names
        if target == "zero":
            return [(name, True) for name in reversed(graph.migrations) if name in there]
        if target is None:
            graph.check_one_head()
            return [(name, False) for name in graph.migrations if name not in there]
        name = graph.find(target)
        needed = graph.needed(name)
        later = [each for each in graph.migrations if each != name and name in graph.needed(each)]
        undone = [(each, True) for each in reversed(later) if each in there]
        return undone + [(each, False) for each in graph.migrations if each in needed and each not in there]

    def _apply(self, source: Source, applied: Applied, steps: list[tuple[str, bool]], fake: bool) -> None:
        known = {name for name, _ in applied.known}
        there = [name for name in applied.names if name not in known]
        alone = len(steps) if fake else len(known)
        if alone or applied.rewritten:
            for name, backwards in steps[:alone]:
                (there.remove if backwards else there.append)(name)
            recorded = replace(source.catalog, migrations=applied.record(there), message="migrations are recorded")
            source = self._commit(source, lambda pipeline: recorded)
        for name, backwards in steps[alone:]:
            migration = applied.graph.migrations[name]
            if backwards:
                there.remove(name)
            before = applied.graph.state(there)
            if not backwards:
                there.append(name)
            message = f"{'undo' if backwards else 'migrate'} {name}"
            build = self._building(source, migration, before, backwards, applied, applied.record(there), message)
            source = self._commit(source, build)
        source.close()

    def _commit(self, source: Source, build: Callable[[Pipeline], CatalogData]) -> Source:
        new = self._backend.write(build, source)
        source.close()
        return new

    def _building(
        self,
        source: Source,
        migration: Migration,
        before: ProjectState,
        backwards: bool,
        applied: Applied,
        recorded: dict[str, str],
        message: str,
    ) -> Callable[[Pipeline], CatalogData]:
        states = states_of(migration, before)
        if backwards:
            for operation in migration.operations:
                check_undoable(operation)

        def build(pipeline: Pipeline) -> CatalogData:
            work = Rewrite(source, self._path, migration.operations, states, backwards, applied, self._progress)
            try:
                return replace(work.catalog(pipeline, self._rewrite), migrations=recorded, message=message)
            except MigrationError as problem:
                raise MigrationError(f"{migration.name}: {problem}", migration=migration.name) from problem

        return build
