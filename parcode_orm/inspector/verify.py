"""`verify`: looks at every chunk of every commit, once, and reports every problem with its offset."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..errors import CorruptionError, DecodeError, MigrationRequired, ParcodeError, SchemaMismatchError, told
from ..format.checksum import WideChecksum, fingerprint
from ..format.chunk import Chunk
from ..format.commit import Record
from ..format.layout import Encoding, Kind, RecordFlag, Reference
from ..lazy.proxy import plain_class
from ..model.base import Model
from ..model.entity_names import is_entity
from ..session.space import FileSpace
from ..storage.check import Sweep, check_buffers
from ..storage.mapped import Source
from ..storage.paths import Content, LocalPath
from ..storage.progress import Done, Progress, untold
from ..storage.recovery import BLOCK, Read
from ..storage.usage import footprint, live_bytes
from .commits import RECORD_NAME, lost_records, records
from .constraints import check_constraints, stored_name
from .indexes import check_entities
from .nodes import check_nodes
from .opened import Opened, opened
from .owners import Owner
from .report import Problem, VerifyReport, what_of
from .tables import Header, check_index, check_shard, key_columns
from .walk import ROWS, Step, Walk, where


def verify(
    path: LocalPath | Content,
    *,
    models: Iterable[type[Any]] = (),
    progress: Progress | None = None,
) -> VerifyReport:
    """Verify every byte of a file that has a meaning, and report every problem.

    `verify` looks at every chunk of every commit, once: checksums, decompression, references, and the rules of trees
    and indexes. For the newest commit it also checks that an index leads to each row of its table, by the rows' keys if
    these are text or ints. It needs no class, and some hundred bytes of memory a chunk. With the classes of roots and
    entities, Pydantic validates all their objects, one after another, as constraints may be tighter than when they were
    written, and the indexes of entities are compared with their rows.

    Args:
        path: a file's path, the bytes of a file, or a binary file object.
        models: classes of roots and entities. A class without a root or entities in the file is ignored.
        progress: is called now and then with what is done, how many bytes are, and how many there are: a str and two
            ints.

    Raises:
        NotAParcodeFile, UnsupportedVersion: this version cannot verify the file.
        SchemaMismatchError: objects were written with another definition of their class, and need a migration.
        TypeError: one of `models` is no Model class.
        OSError: the file cannot be read.
    """
    classes = list(map(_checked, models))
    with opened(path, "verify(path)") as file:
        return _verified(file, classes, progress or untold)


def _checked(cls: Any) -> type[Any]:
    cls = plain_class(cls)
    if isinstance(cls, type) and issubclass(cls, Model):
        return cls
    raise TypeError(f"verify(path, models=[...]) takes subclasses of parcode_orm.Model, not {told(cls)}")


def _verified(file: Opened, models: Sequence[type[Any]], progress: Progress) -> VerifyReport:
    report = VerifyReport(file.name, file.size)
    try:
        source = Source.open(file.file)
    except CorruptionError as problem:
        where = "superblock" if (problem.offset or 0) < 64 else RECORD_NAME
        report.problems.append(Problem(problem.offset or 0, what_of(problem), where, 0))
        return report
    try:
        _Verification(source, file.read, report, progress).run()
        found = [_compare(source, cls, report) for cls in models]
        if models and not any(found):
            names = ", ".join(cls.__qualname__ for cls in models)
            report.notes.append(f"the file holds no root and no entities of {names}, so nothing was compared with them")
    finally:
        source.close()
    report.problems.sort(key=lambda problem: problem.offset)
    return report


def _compare(source: Source, cls: type[Any], report: VerifyReport) -> bool:
    """Report the objects of `cls` that do not pass its validation, and the indexes that do not fit their rows.

    Returns:
        Whether the file holds a root or entities of `cls`.
    """
    commit, at = source.record.sequence, source.record.catalog.offset
    what = "indexes" if is_entity(cls) else "objects"
    try:
        space = FileSpace(source, writable=False)
        name = stored_name(space, cls)
        if name is None:
            return False
        at = source.catalog.root(name).offset
        if is_entity(cls):
            _compare_indexes(space, cls, at, report)
        what = "objects"
        for found in check_constraints(space, cls, name):
            report.problems.append(Problem(found.offset or at, found.what, found.place, commit))
    except (CorruptionError, DecodeError) as error:
        if not report.ok:
            report.notes.append(f"the {what} of {cls.__qualname__} were not all compared, as the file is damaged")
            return True
        offset = getattr(error, "offset", None)
        where = f"the {what} of {cls.__qualname__}"
        report.problems.append(Problem(at if offset is None else offset, what_of(error), where, commit))
    return True


def _compare_indexes(space: FileSpace, cls: type[Any], at: int, report: VerifyReport) -> None:
    try:
        for where, what in check_entities(space, cls):
            report.problems.append(Problem(at, what, where, space.source.record.sequence))
    except MigrationRequired:
        raise
    except SchemaMismatchError as problem:  # of rows, which are reported with what else does not pass
        report.notes.append(f"the indexes of {cls.__qualname__} were not all compared: {problem}")


class _Verification:
    def __init__(self, source: Source, read: Read, report: VerifyReport, progress: Progress) -> None:
        self._source = source
        self._pread = read
        self._report = report
        self._sweep = Sweep(source)
        self._seen: dict[Reference, int] = {}  # the number of rows of a row group, or of values of a column chunk
        self._tables: list[Step] = []  # the keyed tables of the newest commit
        self._keys: dict[int, Any] = {}
        self._commit = 0
        self._walk = Walk(self._read)
        self._done = Done(progress, "verify", report.size)
        self._told: set[tuple[int, str]] = set()

    def run(self) -> None:
        """Fill the report."""
        report, source = self._report, self._source
        found = []
        for record in records(self._pread, source.uuid, source.record, report.problems):
            found.append(record)
            self._commit = record.sequence
            self._check_commit(record)
            if record == source.record:
                report.live = live_bytes(record, sum(map(footprint, self._seen)))
                report.dead = record.file_length - report.live
                self._check_indexes()
        report.commits, report.chunks = len(found), len(self._seen)
        self._check_places(found)
        for record in found:
            self._check_range(record)
        self._check_tail()
        self._done.end()

    def _check_commit(self, record: Record) -> None:
        """Check the chunks that no newer commit has."""
        self._walk = Walk(self._read, self._walk)
        steps = [self._walk.start(record.catalog)]
        while steps:
            step = steps.pop()
            rows = self._seen.get(step.ref)
            if rows is None:
                self._seen[step.ref] = -1
                try:
                    chunk = self._read(step.ref)
                except ParcodeError as problem:
                    self._add(step, problem)
                else:
                    steps += reversed(self._check(step, chunk))
                    rows = self._seen[step.ref] = chunk.nodes[0].count if chunk.kind in ROWS else -1
                self._done.add(step.ref.length)
            if step.ref.kind in ROWS and 0 <= (rows or -1) < step.rows:
                way = "the tree" if step.ref.kind == Kind.ROW_GROUP else "a marked field"
                self._add_problem(step, f"{way} leads to row {step.rows - 1} of {rows}")

    def _read(self, ref: Reference) -> Chunk:
        return self._source.read(ref, self._sweep)

    def _check(self, step: Step, chunk: Chunk) -> list[Step]:
        """Verify one chunk. Return the steps to those below it."""
        whole = True
        for problem in (*check_nodes(chunk), *check_buffers(chunk, decompress=True)):
            self._add(step, problem, chunk)
            whole = False
        if whole:
            try:
                self._check_kind(step, chunk)
                return self._walk.below(step, chunk)
            except ParcodeError as problem:
                self._add(step, problem, chunk)
        return self._walk.unguided(step, chunk)

    def _check_kind(self, step: Step, chunk: Chunk) -> None:
        """Check the rules of a chunk's kind that are of no use for the walk.

        Raises:
            CorruptionError: it breaks one.
        """
        if chunk.kind == Kind.TABLE and self._commit == self._source.record.sequence and Header(chunk).keyed:
            self._tables.append(step)
        elif chunk.kind == Kind.INDEX_SHARD:
            check_shard(chunk)
        elif chunk.kind == Kind.SCHEMA:
            self._check_schema(step, chunk)
        elif chunk.kind == Kind.ROW_GROUP and chunk.nodes[0].encoding != Encoding.STRUCT:
            raise chunk.error(0, "a row group is a struct of columns")

    def _check_schema(self, step: Step, chunk: Chunk) -> None:
        data = bytes(chunk.read(0))
        if step.fingerprint and fingerprint(data) != step.fingerprint:
            raise chunk.error(0, "a schema with another fingerprint than the catalog says")
        try:
            self._keys.update(key_columns(data))
        except CorruptionError as problem:
            raise chunk.error(0, str(problem)) from problem

    def _add(self, step: Step, problem: ParcodeError, chunk: Chunk | None = None) -> None:
        offset = getattr(problem, "offset", None)
        owner = None if chunk is None or offset is None else self._column(step, chunk, offset)
        self._add_problem(step, what_of(problem), offset, owner)

    def _add_problem(self, step: Step, what: str, offset: int | None = None, owner: Owner | None = None) -> None:
        found = Problem(step.ref.offset if offset is None else offset, what, where(step, owner), self._commit)
        if (found.offset, found.what) not in self._told:
            self._told.add((found.offset, found.what))
            self._report.problems.append(found)

    def _column(self, step: Step, chunk: Chunk, offset: int) -> Owner | None:
        """Who owns the buffer at `offset`."""
        place = offset - step.ref.offset
        for at, node in enumerate(chunk.nodes if chunk.kind in ROWS else ()):
            if node.stored and node.place <= place < node.place + node.stored:
                return self._walk.guide(step, chunk).owners[at]
        return None

    def _check_indexes(self) -> None:
        space = FileSpace(self._source, writable=False)
        unread = 0
        for step in self._tables:
            try:
                unread += not check_index(self._read, space, self._read(step.ref), self._keys)
            except ParcodeError as problem:
                self._add(step, problem)
        if unread:
            self._report.notes.append(
                f"the indexes by key of {unread} {'tables' if unread > 1 else 'table'} lead to all rows, but were not "
                "compared with the keys, which are neither texts nor ints"
            )

    def _check_places(self, found: list[Record]) -> None:
        """Check that no two chunks or records overlap."""
        spans = [(ref.offset, ref.offset + ref.length, "chunk") for ref in self._seen]
        spans += [(record.offset, record.file_length, RECORD_NAME) for record in found]
        last = 0
        for start, end, what in sorted(spans):
            if start < last:
                self._report.problems.append(Problem(start, "it lies on what stands before it", what, 0))
            last = max(last, end)

    def _check_range(self, record: Record) -> None:
        """Check the hash over a fast commit. Report it only if no other damage was found in the commit."""
        start, stop = record.range_start, record.offset
        if not record.flags & RecordFlag.FAST or any(start <= each.offset < stop for each in self._report.problems):
            return
        state = WideChecksum()
        for at in range(start, stop, BLOCK):
            state.update(self._pread(min(BLOCK, stop - at), at))
        if state.digest() != record.range_hash:
            what = "the bytes of a fast commit are not those that it wrote"
            self._report.problems.append(Problem(start, what, "gaps between chunks", record.sequence))

    def _check_tail(self) -> None:
        report, end = self._report, self._source.record.file_length
        if report.size <= end:
            return
        lost = next(lost_records(self._pread, end, report.size), None)
        if lost is None:
            report.notes.append(f"{report.size - end} bytes behind the newest commit, of one that did not end")
        else:
            what = f"a damaged record, and {report.size - end} bytes of a commit that is lost"
            report.problems.append(Problem(lost, what, RECORD_NAME, 0))
