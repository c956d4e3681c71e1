"""Which migrations a file has, by its catalog or, where it has no record of any, by the schemas in it."""

from __future__ import annotations

from collections.abc import Iterable

from ..codec.schema import fingerprint_of
from ..codec.types.compile import struct_for
from ..errors import MigrationError
from ..format.catalog import CatalogData
from ..model.entities import table_class
from ..model.entity_names import SUFFIX
from .history import History
from .loader import Graph, states_of
from .operations import RunPython


class Applied:
    """The migrations that were applied to a file, and the graph for it.

    `names` are in the order of the graph. With `recorded_only` they are those that the catalog has. `known`: the ones
    that the file has no record of, as steps. `rewritten`: the record of the file is to be written anew. `edited`: the
    ones that `fake` takes for applied although their files were edited.

    Raises:
        MigrationError: what the file records does not fit the migrations; it holds other models than they have.
    """

    def __init__(
        self, catalog: CatalogData, graph: Graph, path: str, *, fake: bool = False, recorded_only: bool = False
    ) -> None:
        self._catalog = catalog
        self._path = path
        self._histories: dict[int, History] = {}
        recorded = catalog.migrations
        self._check_squashed(recorded, graph)
        self.graph = graph.for_file(recorded)
        self.known: list[tuple[str, bool]] = []
        self._check_known(recorded, graph)
        there = self._present(recorded)
        self._check_order(there)
        self._check_hashes(recorded, fake)
        self._hashes = {name: each.hash for name, each in self.graph.migrations.items()}
        if not recorded and catalog.roots and not fake and not recorded_only:
            there = self._found()
            self.known = [(name, False) for name in there]
        self.names = [name for name in self.graph.migrations if name in there]
        self.rewritten = bool(recorded) and recorded != self.record(self.names)
        self.edited = [name for name in self.names if recorded.get(name, self._hashes[name]) != self._hashes[name]]

    def record(self, names: Iterable[str]) -> dict[str, str]:
        """What a file records to which `names` were applied."""
        return {name: self._hashes[name] for name in names}

    def _present(self, recorded: Iterable[str]) -> list[str]:
        """The migrations of the graph that were applied. A squashed one was, if all that it replaces were."""
        there = set(recorded)
        return [
            name
            for name, each in self.graph.migrations.items()
            if name in there or (each.replaces and set(each.replaces) <= there)
        ]

    # -- what can be wrong --------------------------------------------------------------------------------------------

    def _check_known(self, recorded: dict[str, str], graph: Graph) -> None:
        parts = {name for each in graph.migrations.values() for name in each.replaces}
        unknown = [name for name in recorded if name not in graph.migrations and name not in parts]
        if not unknown:
            return
        newest = max((each.number for each in graph.migrations.values()), default=0)
        newer = [name for name in unknown if name[:4].isdigit() and int(name[:4]) > newest]
        if newer == unknown:
            raise MigrationError(
                f"{self._path} was migrated by newer code, with {', '.join(newer)}, and {graph.directory} ends at "
                f"{newest:04}: use the program, and the migrations, that go with the file",
                migration=newer[0],
            )
        raise MigrationError(
            f"{self._path} has {', '.join(unknown)}, which is not in {graph.directory}: the file is missing, or the "
            "migrations are those of another project",
            migration=unknown[0],
        )

    def _check_squashed(self, recorded: dict[str, str], graph: Graph) -> None:
        for each in graph.migrations.values():
            there = [name for name in each.replaces if name in recorded]
            lacking = [name for name in each.replaces if name not in graph.migrations]
            if there and lacking and len(there) < len(each.replaces) and each.name not in recorded:
                raise MigrationError(
                    f"{self._path} has only a part of what {each.name} was squashed from, {', '.join(there)}: bring "
                    f"back the files {', '.join(lacking)}, migrate the file, and remove them after that",
                    migration=each.name,
                )

    def _check_order(self, there: list[str]) -> None:
        for name in there:
            lacking = [each for each in self.graph.parents(self.graph.migrations[name]) if each not in there]
            if lacking:
                raise MigrationError(
                    f"{self._path} has {name} and lacks {', '.join(lacking)}, which it depends on: the migrations were "
                    "applied out of order. If the file is as all of them leave it, record them: parcode migrate FILE "
                    f"{lacking[0]} --fake",
                    migration=name,
                )

    def _check_hashes(self, recorded: dict[str, str], fake: bool) -> None:
        for name, known in recorded.items():
            migration = self.graph.migrations.get(name)
            if migration is not None and migration.hash != known and not fake:
                raise MigrationError(
                    f"{name} was edited after it was applied to {self._path}: take the edit back, and write another "
                    "migration. If it changes nothing for the file, take it for applied: parcode migrate FILE "
                    f"{name} --fake",
                    migration=name,
                )

    # -- files without a record ---------------------------------------------------------------------------------------

    def _found(self) -> list[str]:
        """The migrations up to the newest state whose schemas the file has.

        Raises:
            MigrationError: it has the schemas of no state, or of several states with code between them.
        """
        fitting = [count for count in range(len(self.graph.migrations), -1, -1) if self._fits(count)]
        names = list(self.graph.migrations)
        if not fitting:
            held = ", ".join(sorted(name.removesuffix(SUFFIX) for name in self._catalog.roots))
            raise MigrationError(
                f"{self._path} holds {held}, written by models that {self.graph.directory} has at no point: these are "
                "the migrations of another file's models, or the models changed without a migration "
                "(parcode makemigrations)"
            )
        newest, oldest = fitting[0], fitting[-1]
        for place in range(oldest, newest):
            name = names[place]
            if self._runs_code(place):
                raise MigrationError(
                    f"{self._path} has no record of migrations, and fits them before and after {name}, which runs "
                    "code: say where it is, parcode migrate FILE NAME --fake",
                    migration=name,
                )
        return names[:newest]

    def _runs_code(self, place: int) -> bool:
        """Whether the migration at a place runs code on rows that the file may have."""
        migration = list(self.graph.migrations.values())[place]
        states = states_of(migration, self._history(place).state)
        held = [root.removesuffix(SUFFIX) for root in self._catalog.roots]
        for operation, state in zip(migration.operations, states, strict=False):
            if isinstance(operation, RunPython):
                within = {each for name in held if name in state.models for each in state.closure(name)}
                if any(state.is_a(each, operation.model) for each in within):
                    return True
        return False

    def _fits(self, count: int) -> bool:
        """Whether the file has the schemas of the state after so many migrations, for all that the state knows."""
        known = self._ever_known()
        roots = [root for root in self._catalog.roots if root.removesuffix(SUFFIX) in known]
        return bool(roots) and all(self._schema(count, root) == self._catalog.writers.get(root) for root in roots)

    def _history(self, count: int) -> History:
        found = self._histories.get(count)
        if found is None:
            earlier = self._histories.get(count - 1) or self._histories.get(count + 1)
            found = self._histories[count] = History(self.graph.state(list(self.graph.migrations)[:count]), earlier)
        return found

    def _schema(self, count: int, root: str) -> str | None:
        return _schema(self._history(count), root)

    def _ever_known(self) -> set[str]:
        found: set[str] = set()
        for count in range(len(self.graph.migrations) + 1):
            found |= self.graph.state(list(self.graph.migrations)[:count]).models.keys()
        return found

    def check_state(self, root: str, written: str | None) -> None:
        """Raise MigrationError unless a root was written by the models of a state of the migrations."""
        if any(self._schema(count, root) == written for count in range(len(self.graph.migrations) + 1)):
            return
        raise MigrationError(
            f"{root.removesuffix(SUFFIX)} in {self._path} was written by models that {self.graph.directory} has at no "
            "point: the models changed without a migration (parcode makemigrations)"
        )


def _schema(history: History, root: str) -> str | None:
    """The fingerprint of what a root of this name is stored by; None where the state has no such class."""
    name = root.removesuffix(SUFFIX)
    cls = history.classes.get(name)
    if cls is None or history.state.models[name].kind != "model":
        return None
    is_entity = history.state.is_entity(name)
    if is_entity is not root.endswith(SUFFIX):
        return None
    return fingerprint_of(struct_for(table_class(cls) if is_entity else cls))
