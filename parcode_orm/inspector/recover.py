"""`recover`: a new file of what verifies of a damaged one."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from tempfile import TemporaryFile
from typing import Any

from ..codec.stored import parts_of
from ..errors import CorruptionError, ParcodeError, StorageError
from ..format.catalog import CatalogData
from ..format.commit import Record
from ..format.layout import Reference
from ..model.entity_names import SUFFIX, field_of
from ..model.indexes import indexes_of
from ..session import Session
from ..session.entity.changed import Entries
from ..session.entity.indexes import add_run
from ..session.entity.tables import find_table, table_in
from ..session.entity.text_rows import every_text
from ..session.entity.text_runs import add_text_run
from ..session.roots import read_root
from ..session.space import FileSpace
from ..session.without_classes import short_name
from ..storage.files import file_name, storing
from ..storage.mapped import Source
from ..storage.pipeline import Pipeline
from ..storage.progress import Done, Progress, untold
from ..storage.writer import save_path
from .indexes import check_entities, pairs_of
from .lost_fields import Roots
from .mended import mended
from .opened import opened
from .report import SHOWN
from .salvage import Damage, Loss, Salvage
from .walk import Step


@dataclass(frozen=True, slots=True)
class RecoverReport:
    """What `recover` saved. `str()` gives a text of a few lines.

    Attributes:
        path: the damaged file, a str.
        target: the new file, a str.
        commit: the number of the commit that was taken, an int.
        saved: the names of the roots and entities in the new file, a tuple of str.
        lost: what is not in it, a tuple of objects with `path`, `rows`, `first`, `reason` and `offset`.
        notes: what else is not as it was, a tuple of str.
    """

    path: str
    target: str
    commit: int
    saved: tuple[str, ...]
    lost: tuple[Loss, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was lost, a bool."""
        return not self.lost

    def to_dict(self) -> dict[str, Any]:
        """The report as a dictionary of plain values."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.target}: commit {self.commit} of {self.path}"]
        lines += [f"  saved: {', '.join(self.saved) or 'nothing'}"]
        lines += [f"  lost: {each}" for each in self.lost[:SHOWN]]
        if len(self.lost) > SHOWN:
            lines.append(f"  and {len(self.lost) - SHOWN} more")
        return "\n".join([*lines, *(f"  note: {note}" for note in self.notes)])


def recover(
    path: str | os.PathLike[str], target: str | os.PathLike[str], *, progress: Progress | None = None
) -> RecoverReport:
    """Write a new file of what verifies of a damaged one. The damaged file is only read.

    What is whole is copied as it stands, for any class. Collections and entities lose the rows that are damaged, and
    indexes that do not fit the rows that are left are made anew. A root loses fields of its own that are damaged: they
    are not in its stored schema any more, so a class that has them gives their defaults, or asks for a migration.
    Where the newest commit cannot be found, an earlier one is taken. Where bytes are missing in the middle, or the end
    with the only commit record is, the rest is found by its bytes.

    Args:
        path: the damaged file.
        target: the new file; there must be none yet. It has one commit, and another one if indexes were made anew.
        progress: is called now and then with what is done, how many bytes are read, and about how many there are: a str
            and two ints.

    Raises:
        CorruptionError: nothing can be saved.
        NotAParcodeFile, UnsupportedVersion: this version cannot read the file.
        StorageError: the file cannot be read; the target exists, or cannot be written.
    """
    name, out = file_name(path, "recover(path)"), file_name(target, "recover(path, target)")
    if os.path.lexists(out):
        raise StorageError(errno.EEXIST, "recover writes a new file, and this one exists: give another name", out)
    draft = f"{out}.{secrets.token_hex(4)}.part"
    notes: list[str] = []
    with _opened(name, out, notes) as source:
        try:
            work = _of_a_commit(source, draft, notes, progress or untold)
            _mend_indexes(draft, work.emptied, notes)
            with storing("create", out):
                os.link(draft, out)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(draft)
    return RecoverReport(name, out, work.commit, tuple(work.saved), tuple(work.losses), tuple(notes))


@contextmanager
def _opened(name: str, out: str, notes: list[str]) -> Iterator[Source]:
    with ExitStack() as stack:
        try:
            source = Source.open(name)
        except CorruptionError:
            file = stack.enter_context(opened(name, "recover(path)"))

            def read(size: int, at: int) -> bytes:
                with storing("read", name):
                    return file.read(size, at)

            with storing("write beside", out):
                draft = stack.enter_context(TemporaryFile(dir=os.path.dirname(os.path.abspath(out))))
                notes.append(mended(read, file.size, draft, name))
                draft.flush()
                draft.seek(0)
            source = Source.open(draft)
        stack.callback(source.close)
        yield source


def _of_a_commit(source: Source, draft: str, notes: list[str], progress: Progress) -> _Recovery:
    """Save the newest commit whose catalog can be read."""
    problem: ParcodeError | None = None
    for record in source.records():
        work = _Recovery(source, record, notes, progress)
        try:
            save_path(draft, work.build, exclusive=True)
        except RecursionError as deep:
            what = f"the collections of commit {record.sequence} are nested too deeply"
            raise CorruptionError(what, path=source.path or "", offset=record.catalog.offset) from deep
        except Damage as damage:
            problem = problem or CorruptionError(damage.reason, path=source.path or "", offset=damage.offset)
            notes.append(f"the catalog of commit {record.sequence} is damaged, so an earlier commit is taken")
            continue
        return work
    assert problem is not None
    raise problem


class _Recovery:
    def __init__(self, source: Source, record: Record, notes: list[str], progress: Progress) -> None:
        self.commit = record.sequence
        self._progress = progress
        self.losses: list[Loss] = []
        self.saved: list[str] = []
        self.emptied: list[str] = []  # the roots of entities whose indexes are to be made anew
        self._source = source
        self._record = record
        self._notes = notes

    def build(self, pipeline: Pipeline) -> CatalogData:
        """Save all roots.

        Raises:
            Damage: the catalog cannot be read.
        """
        source = self._source
        space = FileSpace(source, writable=False)
        done = Done(self._progress, "recover", self._record.live)
        salvage = Salvage(source, pipeline, space, done)
        start = salvage.walk.start(self._record.catalog)
        old, steps = salvage.catalog(start)
        catalog = replace(old, roots={}, entities={}, schemas={}, writers={})
        roots = Roots(salvage, space, pipeline, old, catalog)
        self._schemas([step for step in steps if step.fingerprint], salvage, old, catalog)
        for step in steps:
            try:
                if not step.fingerprint:
                    self._root(step, salvage, roots, old, catalog)
            except Damage as damage:
                if not self._earlier(step, salvage, catalog):
                    self.losses.append(Loss(step.owner.path, 0, -1, damage.reason, damage.offset))
        for name in [name for name, schema in catalog.writers.items() if schema not in catalog.schemas]:
            del catalog.writers[name]
        for name, schema in old.writers.items():
            # Its class would seem to be older than what was written instead, so it could not write.
            if catalog.writers.get(name, schema) != schema and name not in roots.recursive:
                if schema not in catalog.writers.values():
                    catalog.schemas.pop(schema, None)
        self.losses += salvage.losses
        self.saved = [short_name(name, catalog.roots) for name in catalog.roots]
        done.end()
        return catalog

    def _schemas(self, steps: list[Step], salvage: Salvage, old: CatalogData, catalog: CatalogData) -> None:
        """Save the schemas. Rows of an older one that is lost are lost: no class could read them."""
        for step in steps:
            try:
                catalog.schemas[step.fingerprint] = salvage.value(step)
            except Damage as damage:
                self.losses.append(Loss(f"schema {step.fingerprint}", 0, -1, damage.reason, damage.offset))
        if self.losses and catalog.schemas.keys() >= set(old.writers.values()):
            data = [bytes(salvage.read(old.schema(name)).read(0)) for name in catalog.schemas]
            salvage.schemas = {group for each in data for group in parts_of(each).groups}

    def _root(self, step: Step, salvage: Salvage, roots: Roots, old: CatalogData, catalog: CatalogData) -> None:
        name = step.root
        if step.owner.kind == "entities" and not salvage.is_whole(step.ref):
            catalog.roots[name] = roots.entities(step)
            self.emptied.append(name)
            return
        try:
            catalog.roots[name] = salvage.value(step)
            if name in old.writers:
                catalog.writers[name] = old.writers[name]
        except Damage:
            catalog.roots[name] = roots.without_fields(step)

    def _earlier(self, lost: Step, salvage: Salvage, catalog: CatalogData) -> bool:
        """Save a root as it is in an earlier commit, the newest one in which it is whole."""
        for record in self._source.records():
            if record.sequence >= self.commit:
                continue
            try:
                old, steps = salvage.catalog(salvage.walk.start(record.catalog))
            except Damage:
                continue
            for step in steps:
                if step.root == lost.root and salvage.is_whole(step.ref) and step.root in old.writers:
                    catalog.roots[step.root] = salvage.copy(step.ref)
                    catalog.writers[step.root] = old.writers[step.root]
                    for name, schema in old.schemas.items():
                        if name not in catalog.schemas and isinstance(schema, Reference) and salvage.is_whole(schema):
                            catalog.schemas[name] = salvage.copy(schema)
                    self._notes.append(f"{step.owner.path} is as in commit {record.sequence}")
                    return True
        return False


class _Session(Session):
    def fitting(self, cls: Any) -> bool:
        """Whether all indexes of entities fit their rows."""
        space = self._work.space
        assert space is not None
        try:
            return not any(part.startswith("index ") for part, _ in check_entities(_reading(space), cls))
        except ParcodeError:  # rows that cannot be read give no values
            return True

    def rebuild(self, cls: Any) -> None:
        """Make all indexes of entities anew."""
        root = find_table(self._work, cls)
        space = self._work.space
        assert root is not None and space is not None
        # Made of a stored schema, the class reads rows that lack its fields only where it does not write.
        stored = read_root(_reading(space), root.name, root.column)
        for spec in indexes_of(cls):
            if spec.text:
                words: list[Any] = []
                add_text_run(words, space, cls, spec, every_text(table_in(stored.rows), spec))
                setattr(root.obj, field_of(spec), words)
                continue
            pairs = list(pairs_of(stored, spec))
            if spec.unique:
                values = getattr(root.obj, field_of(spec))
                values.clear()
                values.update(pairs)
            else:
                entries = Entries([value for value, _ in pairs], [key for _, key in pairs])
                runs: list[Any] = []
                add_run(runs, space, cls, spec, [(Entries([], []), entries)])
                setattr(root.obj, field_of(spec), runs)


def _reading(space: FileSpace) -> FileSpace:
    return FileSpace(space.source, writable=False)


def _mend_indexes(path: str, emptied: list[str], notes: list[str]) -> None:
    """Make the indexes of entities anew: those of the roots `emptied`, and those that do not fit their rows."""
    with _Session(path) as session:
        models = session.models()
        for name in session.entities():
            lost = name in emptied or name + SUFFIX in emptied
            if lost or not session.fitting(models[name]):
                session.rebuild(models[name])
                if not lost:
                    notes.append(f"the indexes of {name} did not fit its entities, and were made anew")
        session.commit("indexes of recovered entities")
