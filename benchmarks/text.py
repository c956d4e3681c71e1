"""The `text` workload: text search of many short texts, beside SQLite's FTS5 with the same texts.

Both store the texts and an index of their words, wait for the disk, and are asked warm, after a first question. The
answers are compared. Words are drawn from a vocabulary by Zipf's law, as words of languages are.
"""

from __future__ import annotations

import sqlite3
import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import clock, machine, number, say, table
from parcode_orm import Index, Key, Model, Session, col, select

ROUNDS = 7
VOCABULARY = 100_000
LENGTHS = 5, 16  # words of a text
AT_ONCE = 20_000  # texts that are made together
FREQUENT, MEDIUM, OTHER, RARE = 5, 60, 80, 20_000  # ranks of words
QUESTIONS = {
    "rare": "keys of the texts with a rare word",
    "medium": "keys of the texts with a word of medium frequency",
    "frequent": "keys of the texts with a frequent word",
    "two": "keys of the texts with two words, a frequent and a medium one",
    "count": "how many texts have both",
    "top": "the 10 best texts by BM25 for the word of medium frequency",
    "top two": "the 10 best texts by BM25 for the two words",
    "change": "one text changed, and committed",
}
Answer = Callable[[], Any]


class Text(Model):
    id: int = Key()
    body: str = Index(text=True)


def vocabulary() -> list[str]:
    """Different words, the most frequent first."""
    parts = [a + b for a in "bdfgklmnprst" for b in "aeiou"]
    found = [f"{a}{b}{c}" for a in parts for b in parts for c in parts[:30]]
    return [found[at * 7919 % len(found)] for at in range(min(VOCABULARY, len(found)))]


def texts(count: int) -> Iterator[str]:
    """The texts, the same each time."""
    words = np.array(vocabulary(), object)
    weights = 1 / (np.arange(len(words)) + 2.7)
    ends = np.cumsum(weights / weights.sum())
    random = np.random.default_rng(17)
    for done in range(0, count, AT_ONCE):
        lengths = random.integers(*LENGTHS, AT_ONCE)
        chosen = np.minimum(np.searchsorted(ends, random.random(int(lengths.sum()))), len(words) - 1)
        found = words[chosen].tolist()
        at = 0
        for length in lengths.tolist()[: count - done]:
            yield " ".join(found[at : at + length])
            at += length


class Ours:
    name = "Parcode ORM"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "texts.par"

    def write(self, count: int) -> None:
        """Store the texts."""
        with Session(self.path) as session:
            session.add_all(Text(id=at, body=body) for at, body in enumerate(texts(count)))
            session.commit()

    def open(self) -> Mapping[str, Answer]:
        """Open the file: the questions as functions."""
        self.session = session = Session(self.path)
        body, words = col(Text.body), vocabulary()
        two = f"{words[FREQUENT]} {words[MEDIUM]}"

        def keys(wanted: str) -> Answer:
            statement = select(Text.id).where(body.matches(wanted))
            return lambda: session.scalars(statement).all()

        def top(wanted: str) -> Answer:
            score = body.bm25(wanted)
            statement = select(Text.id, score).where(body.matches(wanted)).order_by(score.desc(), Text.id).limit(10)
            return lambda: [tuple(row) for row in session.execute(statement)]

        def change() -> None:
            session.get_one(Text, 77).body += f" {words[OTHER]}"
            session.commit()

        return {
            "rare": keys(words[RARE]),
            "medium": keys(words[MEDIUM]),
            "frequent": keys(words[FREQUENT]),
            "two": keys(two),
            "count": lambda: session.scalars(select(Text).where(body.matches(two))).count(),
            "top": top(words[MEDIUM]),
            "top two": top(two),
            "change": change,
        }

    def close(self) -> None:
        """Close the file."""
        self.session.close()


class Fts:
    name = "SQLite FTS5"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "texts.sqlite"

    def write(self, count: int) -> None:
        """Store the texts."""
        connection = sqlite3.connect(self.path)
        connection.execute("create virtual table texts using fts5(body, tokenize = 'unicode61 remove_diacritics 2')")
        rows = enumerate(texts(count))
        with connection:
            while batch := list(islice(rows, AT_ONCE)):
                connection.executemany("insert into texts(rowid, body) values (?, ?)", batch)
        connection.close()

    def open(self) -> Mapping[str, Answer]:
        """Open the file: the questions as functions."""
        self.connection = connection = sqlite3.connect(self.path)
        words = vocabulary()
        two = f"{words[FREQUENT]} {words[MEDIUM]}"

        def keys(wanted: str) -> Answer:
            asked = "select rowid from texts where texts match ? order by rowid"
            return lambda: [key for (key,) in connection.execute(asked, (wanted,))]

        def top(wanted: str) -> Answer:
            asked = "select rowid, -bm25(texts) from texts where texts match ? order by bm25(texts), rowid limit 10"
            return lambda: connection.execute(asked, (wanted,)).fetchall()

        def change() -> None:
            with connection:
                connection.execute("update texts set body = body || ? where rowid = 77", (f" {words[OTHER]}",))

        return {
            "rare": keys(words[RARE]),
            "medium": keys(words[MEDIUM]),
            "frequent": keys(words[FREQUENT]),
            "two": keys(two),
            "count": lambda: connection.execute("select count(*) from texts where texts match ?", (two,)).fetchone()[0],
            "top": top(words[MEDIUM]),
            "top two": top(two),
            "change": change,
        }

    def close(self) -> None:
        """Close the file."""
        self.connection.close()


def told(answer: Any) -> Any:
    """An answer with its scores rounded: sums of floats differ in their last digits."""
    if isinstance(answer, list) and answer and isinstance(answer[0], tuple):
        return [(key, round(score, 6)) for key, score in answer]
    return answer


def run(count: int, directory: Path) -> dict[str, Any]:
    """Write the texts to both stores, and ask."""
    figures: dict[str, Any] = {}
    expected: dict[str, Any] = {}
    for kind in (Ours, Fts):
        store = kind(directory)
        say(f"{store.name}: write {count:,} texts, ask")
        wrote = clock(lambda store=store: store.write(count))  # type: ignore[misc]
        size = store.path.stat().st_size
        questions = store.open()
        warm: dict[str, float] = {}
        for name, question in questions.items():
            answer = told(question())
            if expected.setdefault(name, answer) != answer:
                raise AssertionError(f"{store.name} gives another answer to {name!r}")
            warm[name] = statistics.median(clock(question) for _ in range(ROUNDS))
        store.close()
        figures[store.name] = {"write": wrote, "size": size, "warm": warm}
        with suppress(FileNotFoundError):
            store.path.unlink()
    found = {name: len(answer) if isinstance(answer, list) else answer for name, answer in expected.items()}
    return {"workload": "text", "rows": count, "stores": figures, "found": found, **machine()}


def text(result: dict[str, Any]) -> str:
    """The figures as a table."""
    lines = [f"text: {result['rows']:,} texts; milliseconds, medians of {ROUNDS}, warm"]
    lines += [f"Python {result['python']}, {result['platform']}", ""]
    ours, others = result["stores"]["Parcode ORM"], result["stores"]["SQLite FTS5"]
    rows = []
    for name, what in QUESTIONS.items():
        times = [each["warm"][name] * 1e3 for each in (ours, others)]
        found = result["found"][name]
        rows.append([what, "" if found is None else f"{found:,}", *map(number, times), number(times[0] / times[1])])
    for name, unit, scale in (("write", "s", 1), ("size", "MB", 1e-6)):
        pair = [each[name] * scale for each in (ours, others)]
        rows.append([f"{name}, {unit}", "", *map(number, pair), number(pair[0] / pair[1])])
    return "\n".join([*lines, *table(["", "found", "Parcode ORM", "SQLite FTS5", "ratio"], rows)])
