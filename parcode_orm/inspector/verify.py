"""`verify`: looks at every chunk of every commit, once, and reports every problem with its offset."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO, NamedTuple

from ..errors import ChecksumError, CorruptionError, DecodeError, ParcodeError, told
from ..format import catalog as catalogs
from ..format.checksum import WideChecksum, fingerprint
from ..format.chunk import Chunk
from ..format.commit import Record
from ..format.layout import Encoding, Kind, RecordFlag, Reference
from ..lazy.proxy import plain_class
from ..model.entities import is_entity, table_name
from ..session.space import FileSpace
from ..storage.check import Sweep, check_buffers
from ..storage.files import check_regular, file_name, storing
from ..storage.mapped import FLAGS, Source, check_binary, content_of
from ..storage.recovery import BLOCK, Read
from ..storage.usage import footprint, live_bytes
from ..table.nodes import Piece, read_node
from .commits import RECORD_NAME, lost_records, records
from .indexes import check_entities
from .nodes import check_nodes, values_needed
from .report import Problem, VerifyReport
from .tables import Header, check_index, check_shard, key_columns, run_below

ROWS = frozenset({Kind.ROW_GROUP, Kind.COLUMN})
NAMES: dict[int, str] = {kind: kind.name.lower().replace("_", " ") for kind in Kind}


class _Step(NamedTuple):
    """A chunk to verify: its owner, and what the chunk that refers to it says about it."""

    ref: Reference
    owner: str
    height: int = 0  # of a tree node; for an index run below another, the bits that lead through it
    rows: int = -1  # of a tree node; the least number for a row group, or for node 0 of a column chunk
    keyed: bool = False
    fingerprint: str = ""  # of a schema


def verify(
    path: str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO, *, models: Iterable[type[Any]] = ()
) -> VerifyReport:
    """Verify every byte of a file that has a meaning, and report every problem.

    `verify` looks at every chunk of every commit, once: checksums, decompression, references, and the rules of trees
    and indexes. For the newest commit it also checks that an index leads to each row of its table, by the rows' keys if
    these are text or ints. It needs no class, and some hundred bytes of memory a chunk. With the classes of entities,
    it also compares their indexes with their rows.

    Args:
        path: a file's path, the bytes of a file, or a binary file object.
        models: classes with a `Key()`, the indexes of whose entities are compared.

    Raises:
        NotAParcodeFile, UnsupportedVersion: this version cannot verify the file.
        SchemaMismatchError: entities were written with another definition of their class, and need a migration.
        TypeError: one of `models` is no class with a `Key()`.
        OSError: the file cannot be read.
    """
    classes = [_entity_class(cls) for cls in models]
    if not isinstance(path, str | os.PathLike):
        if isinstance(path, bytes | bytearray | memoryview):
            view = memoryview(path).cast("B").toreadonly()
        else:
            check_binary(path)
            view = content_of(path)
        return _verified("", view, lambda size, offset: bytes(view[offset : offset + size]), len(view), classes)
    name = file_name(path, "verify(path)")
    with storing("open", name):
        fd = os.open(name, FLAGS)
    try:
        with storing("read", name):
            status = os.fstat(fd)
            check_regular(status, name)
            file = io.FileIO(fd, "rb", closefd=False)
            file.name = name  # messages name it
            return _verified(name, file, lambda size, offset: os.pread(fd, size, offset), status.st_size, classes)
    finally:
        os.close(fd)


def _entity_class(cls: Any) -> type[Any]:
    cls = plain_class(cls)
    if isinstance(cls, type) and is_entity(cls):
        return cls
    raise TypeError(f"verify(path, models=[...]) takes classes with a Key(), not {told(cls)}")


def _verified(name: str, file: Any, read: Read, size: int, models: Sequence[type[Any]]) -> VerifyReport:
    report = VerifyReport(name, size)
    try:
        source = Source.open(file)
    except CorruptionError as problem:
        where = "superblock" if (problem.offset or 0) < 64 else RECORD_NAME
        report.problems.append(Problem(problem.offset or 0, _what(problem), where, 0))
        return report
    try:
        _Verification(source, read, report).run()
        for cls in models:
            _compare(source, cls, report)
    finally:
        source.close()
    report.problems.sort(key=lambda problem: problem.offset)
    return report


def _compare(source: Source, cls: type[Any], report: VerifyReport) -> None:
    """Report the indexes of `cls` that do not fit the rows of its entities."""
    commit, at = source.record.sequence, source.record.catalog.offset
    try:
        name = table_name(cls)
        if name not in source.catalog.roots:
            return
        at = source.catalog.root(name).offset
        for where, what in check_entities(FileSpace(source, writable=False), cls):
            report.problems.append(Problem(at, what, where, commit))
    except (CorruptionError, DecodeError) as problem:
        if not report.ok:
            report.notes.append(f"the indexes of {cls.__qualname__} were not all compared, as the file is damaged")
            return
        offset = getattr(problem, "offset", None)
        where = f"the indexes of {cls.__qualname__}"
        report.problems.append(Problem(at if offset is None else offset, _what(problem), where, commit))


class _Verification:
    def __init__(self, source: Source, read: Read, report: VerifyReport) -> None:
        self._source = source
        self._pread = read
        self._report = report
        self._sweep = Sweep(source)
        self._seen: dict[Reference, int] = {}  # the number of rows of a row group, or of values of a column chunk
        self._tables: list[_Step] = []  # the keyed tables of the newest commit
        self._keys: dict[int, Any] = {}
        self._commit = 0
        self._steps: list[_Step] = []
        self._told: set[tuple[int, str]] = set()

    def run(self) -> None:
        """Fill the report."""
        report, source = self._report, self._source
        found = []
        for record in records(self._pread, source.uuid, source.record, report.problems):
            found.append(record)
            self._commit = record.sequence
            self._walk(_Step(record.catalog, "the catalog"))
            if record == source.record:
                report.live = live_bytes(record, sum(map(footprint, self._seen)))
                report.dead = record.file_length - report.live
                self._check_indexes()
        report.commits, report.chunks = len(found), len(self._seen)
        self._check_places(found)
        for record in found:
            self._check_range(record)
        self._check_tail()

    def _walk(self, first: _Step) -> None:
        self._steps = [first]
        while self._steps:
            step = self._steps.pop()
            rows = self._seen.get(step.ref)
            if rows is None:
                rows = self._seen[step.ref] = self._guarded(step, self._check) or -1
            if step.ref.kind in ROWS and 0 <= rows < step.rows:
                way = "the tree" if step.ref.kind == Kind.ROW_GROUP else "a marked field"
                what = f"{way} leads to row {step.rows - 1} of {rows}"
                self._report.problems.append(Problem(step.ref.offset, what, _where(step), self._commit))

    def _guarded(self, step: _Step, check: Callable[[_Step], int]) -> int | None:
        try:
            return check(step)
        except ParcodeError as problem:
            self._add(step, problem)
            return None

    def _add(self, step: _Step, problem: ParcodeError) -> None:
        offset = getattr(problem, "offset", None)
        found = Problem(step.ref.offset if offset is None else offset, _what(problem), _where(step), self._commit)
        if (found.offset, found.what) not in self._told:
            self._told.add((found.offset, found.what))
            self._report.problems.append(found)

    def _check(self, step: _Step) -> int:
        """Verify one chunk; the chunks below it come next. Return the number of rows of a row group or column chunk."""
        chunk = self._source.read(step.ref, self._sweep)
        whole = True
        for problem in (*check_nodes(chunk), *check_buffers(chunk, decompress=True)):
            self._add(step, problem)
            whole = False
        below = self._below(step, chunk) if whole else [_Step(ref, step.owner) for ref in chunk.refs]
        self._steps += reversed(below)
        return chunk.nodes[0].count if chunk.kind in ROWS else 0

    def _below(self, step: _Step, chunk: Chunk) -> list[_Step]:
        """Check the rules of the chunk's kind. Return the chunks below it, with what it says about them."""
        try:
            if chunk.kind == Kind.CATALOG:
                return _named(chunk)
            if chunk.kind == Kind.TABLE:
                return self._table(step, chunk)
            if chunk.kind == Kind.TREE_NODE and step.height:
                return _children(step, chunk)
            if chunk.kind == Kind.INDEX_SHARD:
                check_shard(chunk)
            elif chunk.kind == Kind.INDEX_RUN:
                refs, bits = run_below(chunk, step.height)
                return [_Step(ref, step.owner, bits) for ref in refs]
            elif chunk.kind == Kind.SCHEMA:
                self._schema(step, chunk)
            elif chunk.kind == Kind.ROW_GROUP and chunk.nodes[0].encoding != Encoding.STRUCT:
                raise chunk.error(0, "a row group is a struct of columns")
            if chunk.kind in ROWS:
                needed = values_needed(chunk)
                return [_Step(ref, step.owner, rows=needed.get(at, -1)) for at, ref in enumerate(chunk.refs)]
        except CorruptionError as problem:
            self._add(step, problem)
        return [_Step(ref, step.owner) for ref in chunk.refs]

    def _table(self, step: _Step, chunk: Chunk) -> list[_Step]:
        table = Header(chunk)
        if table.keyed and self._commit == self._source.record.sequence:
            self._tables.append(step)
        found = [_Step(run, step.owner) for run in table.runs]
        if table.tree is not None:
            kind = Kind.TREE_NODE if table.height else Kind.ROW_GROUP
            if table.tree.kind != kind:
                raise chunk.error(0, f"a tree of height {table.height} begins with a chunk of kind {table.tree.kind}")
            found.insert(0, _Step(table.tree, step.owner, table.height, table.rows, table.keyed))
        return found

    def _schema(self, step: _Step, chunk: Chunk) -> None:
        data = bytes(chunk.read(0))
        if step.fingerprint and fingerprint(data) != step.fingerprint:
            raise chunk.error(0, "a schema with another fingerprint than the catalog says")
        try:
            self._keys.update(key_columns(data))
        except CorruptionError as problem:
            raise chunk.error(0, str(problem)) from problem

    def _check_indexes(self) -> None:
        space = FileSpace(self._source, writable=False)
        unread = 0
        for step in self._tables:

            def check(step: _Step) -> int:
                read: Callable[[Reference], Chunk] = lambda ref: self._source.read(ref, self._sweep)  # noqa: E731
                return int(check_index(read, space, read(step.ref), self._keys))

            unread += self._guarded(step, check) == 0
        if unread:
            self._report.notes.append(
                f"the keys of {unread} tables are neither text nor ints: of these it was verified that their indexes "
                "lead to all rows, not that it is by their keys"
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


def _named(chunk: Chunk) -> list[_Step]:
    catalog: Any = catalogs.decode(chunk)
    found = [_Step(ref, f"schema {name[:8]}", fingerprint=name) for name, ref in catalog.schemas.items()]
    found += [_Step(ref, f"root {name}") for name, ref in catalog.roots.items()]
    for name, parts in catalog.entities.items():
        found += [_Step(ref, f"entity {name}, {part}") for part, ref in parts.items()]
    return found


def _children(step: _Step, chunk: Chunk) -> list[_Step]:
    found = []
    for child in read_node(chunk, step.height, step.rows, step.keyed):
        kind = Kind.ROW_GROUP if step.height == 1 else Kind.TREE_NODE
        if child.ref.kind != kind:
            raise chunk.error(0, f"a tree node of height {step.height} refers to a chunk of kind {child.ref.kind}")
        rows = child.start + child.length if isinstance(child, Piece) else child.length
        found.append(_Step(child.ref, step.owner, step.height - 1, rows, step.keyed))
    return found


def _where(step: _Step) -> str:
    kind = NAMES.get(step.ref.kind, "chunk")
    return step.owner if step.owner == "the catalog" else f"{kind} of {step.owner}"


def _what(problem: ParcodeError) -> str:
    """The message without offset and path: the report has both."""
    if not isinstance(problem, CorruptionError):
        return str(problem)
    what = ParcodeError.__str__(problem)
    if isinstance(problem, ChecksumError) and problem.expected is not None:
        return f"{what}: checksum {problem.found:016x}, not {problem.expected:016x}"
    return what
