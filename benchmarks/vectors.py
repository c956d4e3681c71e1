"""The `vectors` workload: the nearest of many vectors of 384 float32, beside numpy and LanceDB without an index.

Each store is open and was asked before. Rows are given by their numbers. numpy has the vectors in one array in memory,
and its matrix product uses all cores, as LanceDB does. It computes what the question says: `numpy, lengths kept` knows
the lengths of the vectors beforehand, as our store does after its first question.
"""

from __future__ import annotations

import os
import shutil
import statistics
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.measure import clock, machine, number, reached, say, table
from parcode_orm import Key, Model, Session, Vector, desc, select

WIDTH = 384
BATCH = 50_000
ROUNDS = 9
YEARS = 50
YEAR = 17
LIMIT = 10
TO_NUMPY, TO_LANCE = 1.3, 1.0
QUESTIONS = {
    "dot": "the 10 rows with the largest inner product",
    "cosine": "the 10 rows with the smallest cosine distance",
    "l2": "the 10 rows with the smallest Euclidean distance",
    "filtered": "the 10 rows of one year of 50 with the smallest cosine distance",
}
Array = NDArray[np.float32]
Answer = Callable[[], list[int]]


class Passage(Model):
    id: int = Key()
    year: int
    vector: Annotated[NDArray[np.float32], Vector(WIDTH)]


def batches(count: int) -> Iterator[tuple[int, Array]]:
    """The vectors, the same each time: the number of the first of a batch, and the batch."""
    for start in range(0, count, BATCH):
        rows = min(BATCH, count - start)
        yield start, np.random.default_rng(start).standard_normal((rows, WIDTH), np.float32)


def target() -> Array:
    """The vector that is asked for."""
    return np.random.default_rng(1).standard_normal(WIDTH, np.float32)


class Ours:
    name = "Parcode ORM"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "vectors.par"

    def write(self, count: int) -> None:
        with Session(self.path) as session:
            for start, vectors in batches(count):
                rows = range(start, start + len(vectors))
                session.add_all(Passage(id=n, year=n % YEARS, vector=v) for n, v in zip(rows, vectors, strict=True))
                session.commit()

    def open(self) -> Mapping[str, Answer]:
        session, to = Session.open(self.path), target()
        of = Passage.vector
        statements = {
            "dot": select(Passage.id).order_by(desc(of.dot(to))),
            "cosine": select(Passage.id).order_by(of.cosine(to)),  # type: ignore[attr-defined]
            "l2": select(Passage.id).order_by(of.l2(to)),  # type: ignore[attr-defined]
            "filtered": select(Passage.id).where(Passage.year == YEAR).order_by(of.cosine(to)),  # type: ignore[attr-defined]
        }
        return {
            name: lambda each=each: session.scalars(each.limit(LIMIT)).all()  # type: ignore[misc]
            for name, each in statements.items()
        }


class Numpy:
    name = "numpy"

    def __init__(self, directory: Path) -> None:
        self.vectors: Array = np.empty((0, WIDTH), np.float32)

    def write(self, count: int) -> None:
        self.vectors = np.empty((count, WIDTH), np.float32)
        for start, vectors in batches(count):
            self.vectors[start : start + len(vectors)] = vectors

    def lengths(self) -> Array:
        found: Array = np.sqrt(np.vecdot(self.vectors, self.vectors))
        return found

    def open(self) -> Mapping[str, Answer]:
        vectors, to = self.vectors, target()
        years = np.arange(len(vectors)) % YEARS

        def filtered() -> list[int]:
            rows = np.flatnonzero(years == YEAR)
            some = vectors[rows]
            return [int(rows[at]) for at in first(-(some @ to) / np.sqrt(np.vecdot(some, some)))]

        return {
            "dot": lambda: first(-(vectors @ to)),
            "cosine": lambda: first(-(vectors @ to) / self.lengths()),
            "l2": lambda: first(self.lengths() ** 2 - 2 * (vectors @ to)),
            "filtered": filtered,
        }


class NumpyKept(Numpy):
    """The lengths of the vectors are known."""

    name = "numpy, lengths kept"

    def write(self, count: int) -> None:
        super().write(count)
        self.known = super().lengths()

    def lengths(self) -> Array:
        return self.known


def first(distances: Any) -> list[int]:
    """The numbers of the rows with the smallest distances, in order."""
    rows = np.argpartition(distances, LIMIT)[:LIMIT]
    found: list[int] = rows[np.argsort(distances[rows])].tolist()
    return found


class Lance:
    name = "LanceDB, no index"

    def __init__(self, directory: Path) -> None:
        import lancedb

        self.path = directory / "lance"
        self.connect: Callable[[], Any] = lambda: lancedb.connect(str(self.path))

    def write(self, count: int) -> None:
        import pyarrow as pa

        def parts() -> Iterator[Any]:
            for start, vectors in batches(count):
                rows = np.arange(start, start + len(vectors))
                column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), WIDTH)
                yield pa.RecordBatch.from_arrays([pa.array(rows), pa.array(rows % YEARS), column], schema=schema)

        vector = pa.list_(pa.float32(), WIDTH)
        schema = pa.schema([("id", pa.int64()), ("year", pa.int64()), ("vector", vector)])
        self.connect().create_table("rows", data=parts(), schema=schema)

    def open(self) -> Mapping[str, Answer]:
        rows, to = self.connect().open_table("rows"), target()

        def search(metric: str, where: str | None = None) -> Answer:
            def ask() -> list[int]:
                query = rows.search(to).distance_type(metric).limit(LIMIT).select(["id"])
                query = query if where is None else query.where(where, prefilter=True)
                found: list[int] = query.to_arrow()["id"].to_pylist()
                return found

            return ask

        return {
            **{metric: search(metric) for metric in ("dot", "cosine", "l2")},
            "filtered": search("cosine", f"year = {YEAR}"),
        }


STORES: tuple[Any, ...] = (Ours, Numpy, NumpyKept, Lance)


def vectors(count: int, directory: Path) -> dict[str, Any]:
    expected: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    missing = []
    for kind in STORES:
        try:
            store = kind(directory)
        except ImportError as problem:
            missing.append(f"{kind.name}: {problem}")
            continue
        say(f"{kind.name}: write {count:,} vectors, ask")
        wrote = clock(lambda store=store: store.write(count))  # type: ignore[misc]
        questions = store.open()
        cold = {name: clock(question) for name, question in questions.items()}
        for name, question in questions.items():
            answer = question()
            if expected.setdefault(name, answer) != answer:
                raise AssertionError(f"{store.name} gives another answer to {name!r}")
        warm = {name: [clock(question) for _ in range(ROUNDS)] for name, question in questions.items()}
        figures[store.name] = {
            "write": wrote,
            "first": cold,
            "warm": {name: statistics.median(times) for name, times in warm.items()},
            "best": {name: min(times) for name, times in warm.items()},
        }
        del store, questions
        for path in directory.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    return {
        "workload": "vectors",
        "rows": count,
        "cores": os.cpu_count(),
        "stores": figures,
        "missing": missing,
        **machine(),
    }


def text(result: dict[str, Any]) -> str:
    stores = result["stores"]
    lines = [
        f"vectors: {result['rows']:,} of {WIDTH} float32 on {result['cores']} cores; milliseconds: median of {ROUNDS} "
        "warm questions / the best of them / the first one"
    ]
    lines += [f"Python {result['python']}, {result['platform']}", ""]
    lines += [f"  {name}: {what}" for name, what in QUESTIONS.items()]
    rows = []
    for name, figures in stores.items():
        times = [
            " / ".join(number(figures[kind][each] * 1e3) for kind in ("warm", "best", "first")) for each in QUESTIONS
        ]
        rows.append([name, *times, number(figures["write"])])
    lines += ["", *table(["", *QUESTIONS, "write s"], rows), ""]
    lines += [f"not installed: {each}" for each in result["missing"]]
    ours = stores[Ours.name]["warm"]
    for peer, bound in ((Numpy, TO_NUMPY), (Lance, TO_LANCE)):
        theirs = stores.get(peer.name)
        for name in QUESTIONS if theirs else ():
            if name == "filtered" and peer is Numpy:  # it gathers few rows of an array in memory
                continue
            lines.append(reached(f"{name}, times {peer.name}'s", ours[name] / theirs["warm"][name], "<=", bound))
    return "\n".join(lines)
