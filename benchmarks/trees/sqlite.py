"""Two tables: nodes, a row for every owner, list and what is above them, and leaves, each with its place or key.

A commit waits for the disk, as SQLite does unless it is set otherwise.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

from benchmarks.trees.plain import Step
from benchmarks.trees.shapes import Held
from benchmarks.trees.store import Store

ROOT = 1


class Sqlite(Store):
    name = "SQLite"

    def _columns(self) -> tuple[str, ...]:
        return ("n",) if self.world.held == "numbers" else ("n", "text")

    def _insert(self) -> str:
        """Values are the owner, the place and the leaf's own."""
        marks = ", ".join("?" * (2 + len(self._columns())))
        return f"INSERT INTO leaves (owner, place, {', '.join(self._columns())}) VALUES ({marks})"

    def build(self) -> None:
        self.open()
        self.connection.executescript(
            f"""
            CREATE TABLE nodes (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES nodes, key, title TEXT);
            CREATE UNIQUE INDEX nodes_by_key ON nodes (parent, key);
            CREATE TABLE leaves (
                id INTEGER PRIMARY KEY, owner INTEGER REFERENCES nodes, place, {", ".join(self._columns())}
            );
            CREATE {"UNIQUE" if self.world.held == "maps" else ""} INDEX leaves_by_place ON leaves (owner, place);
            """
        )
        ids: dict[Any, int] = {(): self._node(None, None, "root")}
        with self.connection:
            for path, title, held in self.world.all():
                for depth in range(1, len(path)):
                    if path[:depth] not in ids:
                        ids[path[:depth]] = self._node(ids[path[: depth - 1]], path[depth - 1], "node")
                if path:
                    owner = self._node(ids[path[:-1]], path[-1], title)
                else:
                    owner = ROOT
                    self.connection.execute("UPDATE nodes SET title = ? WHERE id = ?", (title, ROOT))
                self._hold(owner, held)
        self.close()

    def _node(self, parent: int | None, key: str | int | None, title: str) -> int:
        cursor = self.connection.execute(
            "INSERT INTO nodes (parent, key, title) VALUES (?, ?, ?)", (parent, key, title)
        )
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def _hold(self, owner: int, held: Held) -> None:
        if self.world.held == "numbers":
            for key, numbers in held.items():
                self._numbers(owner, key, numbers)
            return
        pairs = held.items() if isinstance(held, dict) else enumerate(held)
        self.connection.executemany(self._insert(), ((owner, place, *leaf) for place, leaf in pairs))

    def _numbers(self, owner: int, key: str, numbers: list[int]) -> None:
        node = self._node(owner, key, "")
        self.connection.executemany(self._insert(), ((node, place, n) for place, n in enumerate(numbers)))

    def open(self) -> None:
        self.connection = sqlite3.connect(self.path)
        for pragma in ("journal_mode=DELETE", "synchronous=FULL", "foreign_keys=ON"):
            self.connection.execute(f"PRAGMA {pragma}").fetchall()

    def close(self) -> None:
        self.connection.close()

    def _find(self, path: tuple[str | int, ...]) -> int:
        node = ROOT
        for key in path:
            query = "SELECT id FROM nodes WHERE parent = ? AND key = ?"
            (node,) = self.connection.execute(query, (node, key)).fetchone()
        return node

    def edit(self, step: Step, value: Any) -> None:
        with self.connection:
            node = self._find((*step.path, *step.within))
            if step.operation == "title":
                self.connection.execute("UPDATE nodes SET title = ? WHERE id = ?", (value, node))
            elif step.operation == "replace":
                self._replace(node, value)
            elif self.world.held == "numbers" and step.operation == "put":
                self._numbers(node, step.at, value)
            elif self.world.held == "numbers" and step.operation == "pop":
                found = self._find((*step.path, step.at))
                self.connection.execute("DELETE FROM leaves WHERE owner = ?", (found,))
                self.connection.execute("DELETE FROM nodes WHERE id = ?", (found,))
            else:
                self._change(node, step, value)

    def _replace(self, node: int, held: Held) -> None:
        if self.world.held == "numbers":
            below = "SELECT id FROM nodes WHERE parent = ?"
            self.connection.execute(f"DELETE FROM leaves WHERE owner IN ({below})", (node,))
            self.connection.execute("DELETE FROM nodes WHERE parent = ?", (node,))
        else:
            self.connection.execute("DELETE FROM leaves WHERE owner = ?", (node,))
        self._hold(node, held)

    def _change(self, node: int, step: Step, value: Any) -> None:
        execute = self.connection.execute
        shift = "UPDATE leaves SET place = place {} 1 WHERE owner = ? AND place >= ?"
        at = step.at
        match step.operation:
            case "item":
                execute("UPDATE leaves SET n = ? WHERE owner = ? AND place = ?", (value, node, at))
                return
            case "delete" | "pop":
                execute("DELETE FROM leaves WHERE owner = ? AND place = ?", (node, at))
                if step.operation == "delete":
                    execute(shift.format("-"), (node, at))
                return
            case "append":
                query = "SELECT coalesce(max(place) + 1, 0) FROM leaves WHERE owner = ?"
                (at,) = execute(query, (node,)).fetchone()
            case "insert":
                execute(shift.format("+"), (node, at))
        execute(self._insert(), (node, at, *(value if isinstance(value, tuple) else (value,))))

    def contents(self, owners: Iterable[int]) -> Iterator[tuple[str, Held]]:
        self.open()
        order = "id" if self.world.held == "maps" else "place"
        query = f"SELECT place, {', '.join(self._columns())} FROM leaves WHERE owner = ? ORDER BY {order}"
        for number in owners:
            node = self._find(self.world.path(number))
            (title,) = self.connection.execute("SELECT title FROM nodes WHERE id = ?", (node,)).fetchone()
            if self.world.held == "numbers":
                lists = self.connection.execute("SELECT key, id FROM nodes WHERE parent = ? ORDER BY id", (node,))
                held: Held = {key: [n for _, n in self.connection.execute(query, (id,))] for key, id in lists}
            else:
                leaves = [(place, (n, text)) for place, n, text in self.connection.execute(query, (node,))]
                held = dict(leaves) if self.world.held == "maps" else [leaf for _, leaf in leaves]
            yield title, held
        self.close()
