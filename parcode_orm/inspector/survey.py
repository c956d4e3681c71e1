"""`inspect`: who owns the bytes of a file, found from the heads of chunks alone. No value is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from ..errors import CorruptionError, ParcodeError, told
from ..format.chunk import Chunk
from ..format.commit import Record
from ..format.compression import name_of
from ..format.layout import CHUNK_HEADER, NODE, REFERENCE, SUPERBLOCK, Kind, RecordFlag, Reference
from ..lazy.shown import visible
from ..storage.paths import Content, LocalPath
from ..storage.recovery import newest, record_at
from ..storage.usage import footprint, live_bytes
from .entries import CommitInfo, SchemaInfo
from .guide import Guide
from .heads import Heads
from .opened import opened
from .owners import LONG, Owner
from .report import Problem, Report, what_of
from .scan import chunks_by_kind
from .schemas import classes_in
from .walk import ROWS, Step, Walk, where

SHOWN = 100  # commits in a report
COUNTED = 10_000  # commits whose records are read to count them
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def inspect(path: LocalPath | Content, *, depth: int | None = None) -> Report:
    """Report what is in a file: its commits and schemas, and what each part of it takes.

    `inspect` needs no class, and reads no values: of most chunks it reads the head alone. It looks at the newest
    commit. On a damaged file it goes on where it can; `problems` says where it could not. If the file has no whole
    commit, the entries are chunks by kind.

    Args:
        path: a file's path, the bytes of a file, or a binary file object.
        depth: how deep the entries of the report go, an int: 1 for roots, entities and the other parts of the file.
            The sums are always those of all levels.

    Raises:
        NotAParcodeFile, UnsupportedVersion: this version cannot read the file.
        TypeError: `path` is none of these, or `depth` no int.
        ValueError: `depth` is less than 1.
        OSError: the file cannot be read.
    """
    if depth is not None and type(depth) is not int:
        raise TypeError(f"inspect(path, depth=...) takes an int, not {told(depth)}")
    if depth is not None and depth < 1:
        raise ValueError(f"inspect(path, depth=...) takes 1 or more, not {depth}")
    with opened(path, "inspect(path)") as (name, read, size, _):
        return _Survey(name, Heads(read, size, name), size, depth).report()


class _Counted(NamedTuple):
    """What is known of a chunk with references, once all below it is counted."""

    size: int
    rows: int | None


class _End(NamedTuple):
    """The end of what is below a chunk: how much was counted before it."""

    offset: int
    counted: int
    owner: Owner
    rows: int


class _Survey:
    def __init__(self, path: str, heads: Heads, size: int, depth: int | None) -> None:
        self._path = path
        self._heads = heads
        self._size = size
        self._depth = depth
        self._problems: list[Problem] = []
        self._notes: list[str] = []
        self._seen: dict[int, Owner] = {}  # chunks by offset, and who owns them
        self._known: dict[int, _Counted] = {}
        self._counted = 0  # bytes of chunks
        self._record: Record | None = None
        self._schemas: list[SchemaInfo] = []

    def report(self) -> Report:
        heads = self._heads
        try:
            found = newest(heads.read, self._size, self._path)
        except CorruptionError as problem:
            self._add(problem, "superblock" if (problem.offset or 0) < SUPERBLOCK.size else "commit record")
            return self._scanned()
        block, record = found.superblock, found.record
        self._record = record
        if found.recovered is not None:
            self._notes.append(str(found.recovered))
        commits, count = self._commits(record, block.uuid)
        walk, record = self._walked(commits)
        if walk is None:
            return self._scanned()
        live = live_bytes(record, self._counted)
        if live > record.file_length:
            self._notes.append("chunks lie on each other: the sizes add up to more than the file")
        entries = [
            *(owner for owner in walk.owners if owner is not walk.catalog),
            walk.catalog,
            _of_bytes("head", "superblock and record", live - self._counted),
            _of_bytes("history", "earlier commits", max(record.file_length - live, 0)),
            _of_bytes("gaps", f"after commit {record.sequence}", max(self._size - record.file_length, 0)),
        ]
        if self._problems:
            entries[-2].notes.append("and what only damaged chunks lead to")
        return Report(
            path=self._path,
            size=self._size,
            format=f"{block.major}.{block.minor}",
            uuid=block.uuid.hex(),
            live=live,
            dead=self._size - live,
            commits=tuple(map(_commit, commits[:SHOWN], [*(each.file_length for each in commits[1:]), 0])),
            commit_count=count,
            schemas=tuple(self._schemas),
            entries=tuple(each.entry(self._size, self._depth) for each in entries if each.chunks or each.stored),
            problems=tuple(sorted(self._problems, key=lambda problem: problem.offset)),
            notes=tuple(self._notes),
            bytes_read=heads.bytes_read,
        )

    def _commits(self, record: Record, uuid: bytes) -> tuple[list[Record], int]:
        """The newest records, and how many there are."""
        found = [record]
        count = 1
        while record.previous and count < COUNTED:
            try:
                earlier = record_at(self._heads.read, uuid, record.previous, self._size, self._path)
            except CorruptionError as problem:
                self._add(problem, "commit record")
                break
            if earlier.sequence >= record.sequence:
                break
            record = earlier
            count += 1
            if len(found) <= SHOWN:
                found.append(record)
        return found, count if count < COUNTED else found[0].sequence

    def _walked(self, commits: list[Record]) -> tuple[Walk | None, Record]:
        """The walk over the newest commit whose catalog can be read, and its record; None if there is none."""
        for record in commits:
            self._record = record
            walk = Walk(self._heads.chunk)
            problems = len(self._problems)
            below = self._count(walk, walk.start(record.catalog))
            if len(self._problems) > problems:
                self._counted = 0
                continue
            if record is not commits[0]:
                damaged = commits[0].sequence
                self._notes.append(
                    f"the catalog of commit {damaged} is damaged: the entries are those of commit {record.sequence}"
                )
            self._walk(walk, below)
            return walk, record
        return None, commits[0]

    def _scanned(self) -> Report:
        """The report of a file without a whole commit."""
        heads = self._heads
        owners = chunks_by_kind(heads.read, self._size)
        self._notes.append("no commit can be read: the entries are all chunks of the file, by kind")
        return Report(
            path=self._path,
            size=self._size,
            dead=self._size,
            entries=tuple(each.entry(self._size, self._depth) for each in owners if each.stored),
            problems=tuple(self._problems),
            notes=tuple(self._notes),
            bytes_read=heads.bytes_read,
        )

    def _walk(self, walk: Walk, first: list[Step]) -> None:
        waiting: list[Step | _End] = [*reversed(first)]
        while waiting:
            step = waiting.pop()
            if isinstance(step, _End):
                rows = None if step.owner.rows is None else step.owner.rows - step.rows
                self._known[step.offset] = _Counted(self._counted - step.counted, rows)
                continue
            owner = self._seen.get(step.ref.offset)
            if owner is not None:
                if owner is not step.owner:
                    self._share(step)
                continue
            self._seen[step.ref.offset] = step.owner
            before = _End(step.ref.offset, self._counted, step.owner, step.owner.rows or 0)
            below = self._count(walk, step)
            if below or step.target is not None:
                waiting.append(before)
                waiting += reversed(below)

    def _share(self, step: Step) -> None:
        """Note a chunk that counts for another owner."""
        known = self._known.get(step.ref.offset)
        step.owner.shared += footprint(step.ref) if known is None else known.size
        if known is not None and known.rows is not None and step.target is not None and step.target.counts:
            step.owner.add_rows(known.rows)

    def _count(self, walk: Walk, step: Step) -> list[Step]:
        """Count a chunk for its owner. Return the steps below it."""
        ref, owner, guide = step.ref, step.owner, None
        size = footprint(ref)
        self._counted += size
        owner.chunks += 1
        owner.stored += size
        owner.offset = ref.offset if owner.offset is None else min(owner.offset, ref.offset)
        try:
            chunk = self._heads.chunk(ref)
        except ParcodeError as problem:
            self._add(problem, where(step), ref)
            return []
        try:
            if chunk.kind in ROWS:
                guide = walk.guide(step, chunk)
            self._nodes(chunk, ref.length, owner, guide)
            if guide is not None and guide.problem is not None:
                self._add(guide.problem, where(step), ref)
            if step.fingerprint:
                classes = tuple(visible(name, LONG) for name in classes_in(walk.schema(step)))
                self._schemas.append(SchemaInfo(visible(step.fingerprint, LONG), classes, size))
                owner.add_rows(1)
            return walk.below(step, chunk, guide)
        except ParcodeError as problem:
            self._add(problem, where(step), ref)
            return walk.unguided(step, chunk, guide)

    def _nodes(self, chunk: Chunk, length: int, owner: Owner, guide: Guide | None) -> None:
        """Give what the nodes of a chunk take to the owners of its columns."""
        # A forged directory may say more than the chunk has.
        left = length - CHUNK_HEADER.size - len(chunk.refs) * REFERENCE.size - len(chunk.nodes) * NODE.size
        for at, node in enumerate(chunk.nodes):
            stored, raw = min(node.stored, left), node.raw
            left -= stored
            own = owner
            if guide is not None:
                own = guide.owners[at]
                own.encodings[guide.labels[at]] += stored
                if own is not owner:
                    size = NODE.size + stored
                    own.stored += size
                    owner.stored -= size
            elif chunk.kind == Kind.BLOB:
                own.encodings["blob"] += stored
            if stored:
                own.saved += raw - stored
                own.compression[_method(node.compression)] += stored

    def _add(self, problem: ParcodeError, where: str, ref: Reference | None = None) -> None:
        offset = getattr(problem, "offset", None)
        if offset is None:
            offset = 0 if ref is None else ref.offset
        self._problems.append(Problem(offset, what_of(problem), where, self._record.sequence if self._record else 0))


def _of_bytes(kind: str, name: str, size: int) -> Owner:
    found = Owner(kind, name, "")
    found.stored = size
    return found


def _commit(record: Record, before: int) -> CommitInfo:
    flags = record.flags
    kinds = {RecordFlag.WHOLE_FILE: "whole", RecordFlag.WAITED: "appended", RecordFlag.FAST: "fast"}
    kinds[RecordFlag.COPIED] = "compacted"
    kind = next((name for flag, name in kinds.items() if flags & flag), "appended")
    try:
        time = EPOCH + timedelta(microseconds=record.time // 1_000)
    except OverflowError:
        time = EPOCH
    return CommitInfo(record.sequence, time, record.offset, record.file_length - before, record.live, record.dead, kind)


def _method(compression: int) -> str:
    return name_of(compression) or ("none" if not compression else str(compression))
