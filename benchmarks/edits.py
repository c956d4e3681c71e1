"""The `edits` workload: one edit of what one of many owners holds, and its commit, in every shape.

Each edit reads its way to another random owner in an open session and changes it, so no cache of one owner hides the
cost. Times are the median and the worst of a few edits; kilobytes are the most that any of them wrote or read. Ours
runs with `durability="fast"` and "full"; SQLite and ZODB wait for the disk; the earlier version (`--before`) runs
"fast". At the end each file of ours is loaded whole and must equal plain objects that took the same edits; of the peers
only the edited owners are compared.

A case whose edit takes longer than two seconds runs once. A store whose edits of one world took half a minute is not
asked for the other operations; their cells stay empty, and count as failed where the store is ours.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import edits_report
from benchmarks.before import before
from benchmarks.measure import clock, machine, say
from benchmarks.trees.ours import Fast, Full, Ours
from benchmarks.trees.plain import OPERATIONS, Plain, edits
from benchmarks.trees.shapes import SHAPES, World, world
from benchmarks.trees.store import Store

LONG = 2.0  # seconds of an edit after which no other of its case follows
MOST = 30.0  # seconds of all edits of a store in one world
PEERS = {"sqlite": "Sqlite", "zodb": "Zodb"}  # modules of benchmarks/trees

text = edits_report.text


def sizes(text: str) -> list[tuple[int, int]]:
    """Pairs of owners and items on the command line, as 20x1000,300x200."""
    found = []
    for pair in text.split(","):
        owners, _, items = pair.partition("x")
        try:
            found.append((int(owners), int(items)))
        except ValueError:
            raise argparse.ArgumentTypeError(f"{pair} is no pair OWNERSxITEMS") from None
        if found[-1][0] < 1 or found[-1][1] < 10:
            raise argparse.ArgumentTypeError(f"{pair}: an owner, and 10 items, are the least")
    return found


class Contestant:
    """A store, and the plain objects that took the same edits."""

    def __init__(self, store: Store) -> None:
        self.store, self.plain = store, Plain(store.world)
        self.spent = 0.0

    def case(self, operation: str, repeat: int) -> dict[str, Any] | None:
        """The figures of one operation; None if the store is too slow to ask."""
        if self.spent > MOST:
            return None
        store, seconds, written, read = self.store, [], [], []
        gc.collect()
        store.open()
        for edit in edits(store.world, operation, repeat):
            step = self.plain.step(edit)
            value = store.prepare(step)
            start = store.bytes()
            seconds.append(clock(lambda step=step, value=value: store.edit(step, value)))
            if start is not None and (end := store.bytes()) is not None:
                written.append(end.written - start.written)
                read.append(end.read - start.read)
            self.plain.apply(step)
            if seconds[-1] > LONG:
                break
        store.close()
        self.spent += sum(seconds)
        found: dict[str, Any] = {"median": statistics.median(seconds), "worst": max(seconds), "samples": seconds}
        return {**found, "written": max(written), "read": max(read)} if written else found

    def check(self) -> None:
        self.store.check(self.plain)


def contestants(measured: World, peers: bool, directory: Path) -> tuple[list[Contestant], dict[str, str]]:
    found: list[Contestant] = []
    skipped = {}
    saved = Fast(measured, directory / "saved.par")
    saved.build()
    for cls in (Fast, Full):
        ours: Ours = cls(measured, directory / f"{cls.__name__}.par")
        ours.copy(saved.path)
        found.append(Contestant(ours))
    for module, name in PEERS.items() if peers else ():
        try:
            peer: type[Store] = getattr(importlib.import_module(f"benchmarks.trees.{module}"), name)
        except ModuleNotFoundError as error:
            skipped[module] = str(error)
            continue
        store = peer(measured, directory / module)
        store.build()
        found.append(Contestant(store))
    return found, skipped


def measure(measured: World, peers: bool, repeat: int, directory: Path) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Every operation on one world, each with all stores in turn."""
    found, skipped = contestants(measured, peers, directory)
    cases = []
    for operation in OPERATIONS[measured.held]:
        figures = {each.store.name: each.case(operation, repeat) for each in found}
        cases.append({"world": name(measured), "title": str(measured), "operation": operation, "stores": figures})
    for each in found:
        each.check()
    for path in directory.iterdir():
        path.unlink()
    return cases, skipped


def name(measured: World) -> list[Any]:
    return [measured.shape.name, measured.held, measured.owners, measured.items]


def child(shape: str, held: str, owners: str, items: str, repeat: str, path: str) -> dict[str, Any]:
    """The figures of the imported `parcode_orm` for every operation on one world, in a file at `path`."""
    each = Contestant(Fast(world(shape, held, int(owners), int(items)), Path(path)))
    each.store.build()
    found = {operation: each.case(operation, int(repeat)) for operation in OPERATIONS[held]}
    each.check()
    Path(path).unlink()
    return found


def worlds(shapes: list[str], chosen: list[tuple[int, int]] | None) -> Iterator[World]:
    for shape in map(SHAPES.__getitem__, shapes):
        pairs = chosen or shape.sizes
        if not shape.levels:
            pairs = dict.fromkeys((1, items) for _, items in pairs)
        for held in shape.held:
            for owners, items in pairs:
                yield World(shape, held, owners, items)


def run(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    cases: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for measured in worlds(options.shapes, options.sizes):
        say(str(measured))
        found, missing = measure(measured, not options.no_peers, options.repeat, directory)
        skipped |= missing
        if options.before:
            try:
                earlier = before(options.before, "edits", *name(measured), options.repeat, directory / "before.par")
            except subprocess.CalledProcessError as error:
                skipped[f"the version before, {measured}"] = f"exit code {error.returncode}"
                earlier = {}
            for case in found:
                case["stores"]["before"] = earlier.get(case["operation"])
        cases += found
    return {"workload": "edits", "repeat": options.repeat, "cases": cases, "skipped": skipped, **machine()}
