"""Run as a child process: opens damaged copies of one file, in little memory, and tells what came of them.

    python -m tests.crash.hostile FILE MEGABYTES < cases

A case is a line: `flip BIT`, `cut LENGTH`, `add SEED`, `swap SEED`. After each a line is printed: `same`, an error's
name, or what was recovered. Whatever else happens is the failure that the parent looks for: a value that is another,
an error without a type, a signal, a case that takes over 10 seconds.
"""

from __future__ import annotations

import random
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from parcode_orm import Chunk, Model, Session, ShardedMap
from parcode_orm.errors import ParcodeError
from parcode_orm.format.layout import RECORD, RECORD_COPY, RECORD_MAGIC, Reference
from parcode_orm.storage.mapped import Source

SECONDS = 10


class Leaf(Model):
    name: str = ""
    numbers: list[int] = []
    apart: list[str] = Chunk(default_factory=list)


class Tree(Model):
    n: int = 0
    text: str = Chunk(default="")
    packed: bytes = Chunk(default=b"", compression="lz4")
    leaves: list[Leaf] = Chunk(default_factory=list)
    by_name: dict[str, int | None] = ShardedMap(default_factory=dict)
    ratio: float | None = None


def two_commits(path: Path) -> None:
    """A small file in which the second commit shares chunks with the first."""
    leaves = [Leaf(name=f"leaf{i}", numbers=[i, -i], apart=["x" * i]) for i in range(5)]
    with Session(path, workers=0) as session:
        session.add(
            Tree(
                n=1,
                text="text " * 10,
                packed=b"packed " * 60,
                leaves=leaves,
                by_name={f"k{i}": i or None for i in range(9)},
            )
        )
        session.commit()
        tree = session.root(Tree)
        tree.n, tree.ratio = 2, 0.5
        tree.by_name["k3"] = 300
        tree.leaves[2].numbers.append(7)
        session.commit()


def everything(data: bytes | Path) -> tuple[Any, str | None]:
    """All that the newest commit holds, and what opening it recovered."""
    with Session.open(data) as session:
        tree = session.root(Tree)
        told = [session.roots(), len(tree.by_name), tree.by_name.get("k3"), [leaf.name for leaf in tree.leaves]]
        return [*told, tree.model_load().model_dump()], session.recovered


def references(data: bytes) -> list[Reference]:
    """Where all chunks of the newest commit lie."""
    source = Source.open(data)
    found: dict[int, Reference] = {}
    waiting = [source.record.catalog]
    while waiting:
        ref = waiting.pop()
        if ref.offset not in found:
            found[ref.offset] = ref
            waiting += source.chunk(ref).refs
    return sorted(found.values())


def damaged(data: bytes, case: str) -> bytes:
    """The file with the damage that a case names."""
    kind, number = case.split()[0], int(case.split()[1])
    rng = random.Random(number)
    if kind == "flip":
        changed = bytearray(data)
        changed[number // 8] ^= 1 << number % 8
        return bytes(changed)
    if kind == "cut":
        return data[:number]
    if kind == "add":
        return data + garbage(data, rng)
    return swapped(data, rng)


def garbage(data: bytes, rng: random.Random) -> bytes:
    """Something behind the end: noise, zeros, what looks like a record, a record of the file at another place."""
    size = rng.choice([1, 7, 63, 64, 159, 160, 161, 511, 512, 672, 4095, 4096, 4097, rng.randrange(1, 20_000)])
    pad = bytes(-len(data) % rng.choice([1, 64, 4096]))
    record = data[-RECORD.size :]
    offset = len(data) + len(pad)
    moved = record[:24] + offset.to_bytes(8, "little") + (offset + RECORD_COPY + RECORD.size).to_bytes(8, "little")
    moved += record[len(moved) :]
    sort = rng.randrange(8)
    parts = {
        0: rng.randbytes(size),
        1: bytes(size),
        2: RECORD_MAGIC + rng.randbytes(size),
        3: record,
        4: record + bytes(RECORD_COPY - RECORD.size) + record,
        5: moved + bytes(RECORD_COPY - RECORD.size) + moved,
        6: RECORD_MAGIC * (size // 8 + 1),
        7: data[: rng.randrange(len(data))],
    }
    return pad + parts[sort]


def swapped(data: bytes, rng: random.Random) -> bytes:
    """Two chunks in each other's place (as much as fits), two equal stretches swapped, or one chunk over another."""
    changed = bytearray(data)
    one, two = rng.sample(references(data), 2)
    size = min(one.length, two.length)
    a, b = one.offset, two.offset
    sort = rng.randrange(3)
    if sort == 2:
        size = 64
        a, b = (rng.randrange(len(data) // 64) * 64 for _ in range(2))
    first, second = data[a : a + size], data[b : b + size]
    if len(first) == len(second) and abs(a - b) >= size:
        changed[a : a + size] = second
        if sort != 1:
            changed[b : b + size] = first
    return bytes(changed)


def outcome(data: bytes, case: str, good: Any, earlier: Any, scratch: Path) -> str:
    """What becomes of one case; each fourth is read from a file."""
    changed = damaged(data, case)
    through_file = int(case.split()[1]) % 4 == 0
    if through_file:
        scratch.write_bytes(changed)
    try:
        found, recovered = everything(scratch if through_file else changed)
    except ParcodeError as error:
        return type(error).__name__
    if found == good:
        return "recovered" if recovered else "same"
    if found == earlier:
        # Cut exactly where the first commit ended, the file is that of the first commit.
        return f"earlier, {'said' if recovered else 'unsaid'}"
    return "SILENT"


def main(path: str, megabytes: str) -> None:
    data = Path(path).read_bytes()
    scratch = Path(path).with_name("scratch.par")
    good, _ = everything(data)
    earlier, _ = everything(data[: first_commit(data)])
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limit = used + int(megabytes) * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for line in sys.stdin:
        signal.alarm(SECONDS)
        try:
            told = outcome(data, line, good, earlier, scratch)
        except BaseException as error:  # told to the parent, which fails
            told = f"UNTYPED {type(error).__name__}: {error}"
        print(told.replace("\n", " "), flush=False)
    signal.alarm(0)


def first_commit(data: bytes) -> int:
    """The length of the file after its first commit."""
    return min(record.file_length for record in Source.open(data).records())


if __name__ == "__main__":
    main(*sys.argv[1:])
