"""A disk that forgets: what is done through `Files` is logged, and what it may leave after a power loss is built of it.

The model. Content and length of a file are on the disk once a `sync` of it has returned; names once one of the
directory has. Until then, each write, truncation and name may be there or not, in any combination, and a write may be
there in part, by sectors, or have become garbage. A failed `sync` leaves what it was to wait for in doubt for ever.
Bytes that no write covers stay as they are (SQLite calls that "powersafe overwrite").
"""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, NamedTuple

import pytest

from parcode_orm.format.layout import RECORD, RECORD_COPY, RECORD_MAGIC
from parcode_orm.storage.files import FILES, Files

SECTORS = (512, 4096)
COPIES = RECORD_COPY + RECORD.size  # bytes
CALLS = ("open", "close", "stat", "look", "read", "write", "truncate", "sync", "sync_directory", "chmod", "rename")
CALLS += ("link", "remove")


class Op(NamedTuple):
    """One thing that was done. `kind`: write, truncate, sync, unsynced; create, rename, link, remove, names; or what
    the script says of itself: begin, done, failed."""

    kind: str
    file: int = -1
    offset: int = 0
    data: bytes = b""
    name: str = ""
    other: str = ""

    def __repr__(self) -> str:
        return f"<{self.kind} {self.file} {self.offset}+{len(self.data)} {os.path.basename(self.name)}>"


Deaf = Callable[[list[Op], int], bool]


class Recorder(Files):
    """Does everything on the real files, and keeps the log. `fail`, given a call's name, may raise in its
    place; a sync of which `deaf` says so is not done, which is what a writer does that leaves it out."""

    def __init__(self, existing: str | None = None) -> None:
        self.log: list[Op] = []
        self.fail: Callable[[str], None] = lambda call: None
        self.deaf: Deaf = lambda log, file: False
        self._numbers: dict[int, int] = {}
        self._next = 0
        if existing is not None:
            self._number(os.stat(existing).st_ino)

    def _number(self, inode: int) -> int:
        self._numbers[inode] = self._next  # inode numbers come again when a file is gone
        self._next += 1
        return self._next - 1

    def _of(self, fd: int) -> int:
        return self._numbers[os.fstat(fd).st_ino]

    def say(self, kind: str, number: int) -> None:
        self.log.append(Op(kind, offset=number))

    def open(self, path: str, flags: int, mode: int = 0o666) -> int:
        fd = super().open(path, flags, mode)
        if flags & os.O_EXCL:
            self.log.append(Op("create", self._number(os.fstat(fd).st_ino), name=path))
        return fd

    def write(self, fd: int, data: Any, offset: int) -> None:
        if os.fstat(fd).st_ino not in self._numbers:  # a temporary file without a name: nothing of it is left
            super().write(fd, data, offset)
            return
        whole = bytes(memoryview(data).cast("B"))
        chunks = len(whole) - COPIES
        if chunks > 0 and whole[chunks:].startswith(RECORD_MAGIC):  # in one call, and yet two steps of the commit
            self.write(fd, whole[:chunks], offset)
            whole, offset = whole[chunks:], offset + chunks
        try:
            self.fail("record" if len(whole) == COPIES else "write")
        except OSError:
            half = whole[: len(whole) // 2]  # a short write, and then the error
            super().write(fd, half, offset)
            self.log.append(Op("write", self._of(fd), offset, half))
            raise
        super().write(fd, whole, offset)
        self.log.append(Op("write", self._of(fd), offset, whole))

    def truncate(self, fd: int, size: int) -> None:
        self.fail("truncate")
        super().truncate(fd, size)
        self.log.append(Op("truncate", self._of(fd), size))

    def sync(self, fd: int) -> None:
        try:
            self.fail("sync")
        except OSError:
            self.log.append(Op("unsynced", self._of(fd)))
            raise
        if not self.deaf(self.log, self._of(fd)):
            self.log.append(Op("sync", self._of(fd)))  # nothing to wait for: it is the model that loses power

    def sync_directory(self, path: str) -> None:
        self.fail("sync_directory")
        if not self.deaf(self.log, -1):
            self.log.append(Op("names"))

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self.log.append(Op("rename", name=source, other=target))

    def link(self, source: str, target: str) -> None:
        super().link(source, target)
        self.log.append(Op("link", name=source, other=target))

    def remove(self, path: str) -> None:
        super().remove(path)
        self.log.append(Op("remove", name=path))


@contextmanager
def installed(files: Files) -> Iterator[None]:
    """Let the whole package work on `files`."""
    with pytest.MonkeyPatch.context() as patch:
        for call in CALLS:
            patch.setattr(FILES, call, getattr(files, call))
        yield


def failing(call: str, number: int, code: int = errno.EIO) -> Callable[[str], None]:
    """An error at the call of that name and number, from 0."""
    left = number

    def fail(name: str) -> None:
        nonlocal left
        if name == call:
            left -= 1
            if left == -1:
                raise OSError(code, os.strerror(code))

    return fail


class Step(NamedTuple):
    """A write or truncation, and whether it is surely on the disk."""

    op: Op
    safe: bool


class Left(NamedTuple):
    """What a crash finds of one file: bytes that are surely there, and what was done to them after."""

    base: bytes
    steps: list[Step]


def leads_to(log: list[Op], target: str, start: int | None = None) -> set[int | None]:
    """The files (None: none) that `target` may lead to after a crash at the end of `log`; `start` is what was there."""
    kinds = ("create", "rename", "link", "remove")
    last = max((i for i, op in enumerate(log) if op.kind == "names"), default=-1)
    safe = [op for op in log[: last + 1] if op.kind in kinds]
    open_ops = [op for op in log[last + 1 :] if op.kind in kinds]
    found = set()
    for choice in range(1 << len(open_ops)):
        names: dict[str, int | None] = {target: start}
        for op in safe + [op for i, op in enumerate(open_ops) if choice >> i & 1]:
            if op.kind == "create":
                names[op.name] = op.file
            elif op.name in names:
                if op.kind != "remove":
                    names[op.other] = names[op.name]
                if op.kind != "link":
                    del names[op.name]
        found.add(names.get(target))
    return found


def left_of(log: list[Op], file: int, base: bytes = b"") -> Left:
    """What a crash at the end of `log` finds of a file that held `base` when the log began."""
    steps: list[Step] = []
    hopeful = 0  # from here on a sync can still help
    for op in log:
        if op.file != file:
            continue
        if op.kind in ("write", "truncate"):
            steps.append(Step(op, False))
        elif op.kind == "sync":
            steps[hopeful:] = [Step(step.op, True) for step in steps[hopeful:]]
            hopeful = len(steps)
        elif op.kind == "unsynced":
            hopeful = len(steps)
    sure = next((i for i, step in enumerate(steps) if not step.safe), len(steps))
    return Left(apply(base, [step.op for step in steps[:sure]]), steps[sure:])


def killed(log: list[Op], target: str, base: bytes | None) -> Iterator[bytes | None]:
    """What is left when the process ends in the last operation of `log`, and the system goes on: all that was done."""
    start = None if base is None else 0
    done = [*log, Op("names")]
    (file,) = leads_to(done, target, start)
    if file is None:
        yield None
        return
    left = left_of(log, file, (base or b"") if file == 0 else b"")
    yield image(left, lambda i, op: [op])
    last = log[-1] if log else Op("")
    if last.kind == "write" and last.file == file and not left.steps[-1].safe:
        final = sum(not step.safe for step in left.steps) - 1
        pages = cuts(last, 4096)
        for edge in {1, 100, 300, *pages[:3], *pages[-3:], len(last.data) - 1}:
            if edge < len(last.data):
                yield image(left, _torn(final, [part(last, 0, edge)], lambda i, op: [op]))


def apply(base: bytes, ops: list[Op]) -> bytes:
    """The content after `ops`; gaps are zeros."""
    data = bytearray(base)
    for op in ops:
        if op.kind == "truncate":
            del data[op.offset :]
        data += bytes(max(0, op.offset - len(data)))
        if op.kind == "write":
            data[op.offset : op.offset + len(op.data)] = op.data
    return bytes(data)


def cuts(op: Op, sector: int) -> list[int]:
    """Where the sectors of a write begin within its data."""
    return list(range(sector - op.offset % sector, len(op.data), sector)) if op.kind == "write" else []


def part(op: Op, start: int, stop: int) -> Op:
    """A piece of a write."""
    return op._replace(offset=op.offset + start, data=op.data[start:stop])


def spoilt(op: Op, rng: random.Random) -> Op:
    """A write that left garbage, or zeros."""
    size = len(op.data)
    return op._replace(data=bytes(size) if rng.random() < 0.3 else rng.randbytes(size))


Fate = Callable[[int, Op], list[Op]]
"""What becomes of an unsafe step."""


def image(left: Left, fate: Fate) -> bytes:
    """The content that a crash leaves, where `fate(i, op)` is what is there of the `i`-th unsafe step."""
    ops: list[Op] = []
    i = 0
    for step in left.steps:
        if step.safe:
            ops.append(step.op)
        else:
            ops += fate(i, step.op)
            i += 1
    return apply(left.base, ops)


def images(left: Left, rng: random.Random, rounds: int) -> Iterator[tuple[str, bytes]]:
    """All whole-step combinations (a sample where they are many), tears, and `rounds` of each random sort."""
    unsafe = [step.op for step in left.steps if not step.safe]
    count = len(unsafe)

    def subset(keep: int) -> Fate:
        return lambda i, op: [op] if keep >> i & 1 else []

    everything = (1 << count) - 1
    choices: Any = range(1 << count)
    if count > 6:
        some = {0, everything, *((1 << n) - 1 for n in range(count)), *(everything ^ 1 << n for n in range(count))}
        choices = sorted(some | {rng.getrandbits(count) for _ in range(16 + rounds)})
    for keep in choices:
        sort = "kept" if keep == everything else "dropped" if keep == 0 else "reordered"
        yield sort, image(left, subset(keep))
    for torn in range(max(0, count - 3 - rounds), count):  # those before it are there, or all others are
        op = unsafe[torn]
        for sector in SECTORS:
            edges = cuts(op, sector)
            if len(edges) > 4 + rounds:
                edges = edges[:2] + rng.sample(edges[2:-1], 1 + rounds) + edges[-1:]
            for edge in edges:
                head, tail = part(op, 0, edge), part(op, edge, len(op.data))
                for piece in (head, tail):
                    for others in ((1 << torn) - 1, everything):
                        yield f"torn at {sector}", image(left, _torn(torn, [piece], subset(others)))
    for torn, op in enumerate(unsafe):
        if op.kind == "write":
            for others in (0, (1 << torn) - 1, everything):
                yield "garbage", image(left, _torn(torn, [spoilt(op, rng)], subset(others)))
    for _ in range(rounds if count else 0):
        for sector in SECTORS:
            for garbage in (0.0, 0.3):
                sort = "garbage" if garbage else f"reordered by {sector}"
                yield sort, image(left, _pieces(sector, garbage, rng))


def _torn(torn: int, pieces: list[Op], others: Fate) -> Fate:
    return lambda i, op: pieces if i == torn else others(i, op)


def _pieces(sector: int, garbage: float, rng: random.Random) -> Fate:
    """Each sector of each write for itself."""
    share = rng.choice((0.1, 0.5, 0.9))

    def fate(_: int, op: Op) -> list[Op]:
        if op.kind != "write":
            return [op] if rng.random() < share else []
        edges = [0, *cuts(op, sector), len(op.data)]
        pieces = [part(op, a, b) for a, b in pairwise(edges) if rng.random() < share]
        return [spoilt(piece, rng) if rng.random() < garbage else piece for piece in pieces]

    return fate
