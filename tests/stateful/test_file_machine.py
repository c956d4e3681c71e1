"""Two writers, readers at any commit, crashes and compactions on one file, against plain dictionaries."""

from __future__ import annotations

import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from parcode_orm import Chunk, ConflictError, Model, NoResultFound, Session, SessionError, ShardedMap, lazy, verify
from tests.effort import half

pytestmark = pytest.mark.once

WHO = st.integers(0, 1)
TOUCHED = [f"k{n}" for n in range(61)]
KEYS = st.sampled_from(TOUCHED)


class Item(Model):
    level: int = 0
    tags: list[str] = []


class Box(Model):
    items: dict[str, Item] = ShardedMap(default={})
    log: list[int] = Chunk(default=[])


def plain(box: Box) -> dict[str, Any]:
    return {"items": {key: each.model_dump() for key, each in box.items.items()}, "log": list(box.log)}


def loaded(box: Box) -> dict[str, Any]:
    """The same, read at once."""
    items = lazy(box.items).load()
    return {"items": {key: {"level": each.level, "tags": each.tags} for key, each in items.items()}, "log": [*box.log]}


class Writer:
    """A session, the commit it stands on, and what it should hold."""

    def __init__(self, path: Path, sequence: int, state: dict[str, Any]) -> None:
        self.session = Session(path, durability="fast")
        self.stand_on(sequence, state)

    def stand_on(self, sequence: int, state: dict[str, Any]) -> None:
        self.sequence, self.state, self.changed = sequence, deepcopy(state), False
        self.replaced = False

    @property
    def box(self) -> Box:
        return self.session.root(Box)


class FileMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.directory = Path(tempfile.mkdtemp())
        self.path = self.directory / "box.par"
        self.commits: dict[int, dict[str, Any]] = {}  # in the file, by sequence number
        self.gone: dict[int, dict[str, Any]] = {}  # by compaction
        self.writers: list[Writer] = []
        self.readers: list[tuple[Session, dict[str, Any]]] = []

    @initialize(count=st.sampled_from([0, 3, 400]))
    def begin(self, count: int) -> None:
        box = Box(items={f"k{n}": Item(level=n, tags=["x" * 40]) for n in range(count)}, log=list(range(count)))
        with Session(self.path) as session:
            session.add(box)
            session.commit()
        self.commits[1] = plain(box)
        self.open()

    def open(self) -> None:
        newest = max(self.commits)
        self.writers = [Writer(self.path, newest, self.commits[newest]) for _ in range(2)]

    @rule(who=WHO, key=KEYS, level=st.integers())
    def set_item(self, who: int, key: str, level: int) -> None:
        writer = self.writers[who]
        writer.box.items[key] = Item(level=level)
        writer.state["items"][key] = {"level": level, "tags": []}
        writer.changed = True

    @rule(who=WHO, key=KEYS)
    def change_item(self, who: int, key: str) -> None:
        writer = self.writers[who]
        if key in writer.state["items"]:
            writer.box.items[key].tags.append("more")
            writer.state["items"][key]["tags"].append("more")
            writer.changed = True

    @rule(who=WHO, key=KEYS)
    def remove_item(self, who: int, key: str) -> None:
        writer = self.writers[who]
        found = writer.box.items.pop(key, None)
        assert (found is not None) == (writer.state["items"].pop(key, None) is not None)
        writer.changed |= found is not None

    @rule(who=WHO, numbers=st.lists(st.integers(), min_size=1, max_size=9))
    def extend_log(self, who: int, numbers: list[int]) -> None:
        writer = self.writers[who]
        writer.box.log.extend(numbers)
        writer.state["log"].extend(numbers)
        writer.changed = True

    @rule(who=WHO)
    def commit(self, who: int) -> None:
        writer, newest = self.writers[who], max(self.commits)
        size = self.path.stat().st_size
        if writer.changed and (writer.sequence != newest or writer.replaced):
            with pytest.raises(ConflictError):
                writer.session.commit()
            assert self.path.stat().st_size == size
            writer.session.rollback()
            writer.stand_on(newest, self.commits[newest])
            return
        writer.session.commit()
        snapshot = writer.session.snapshot
        if snapshot.sequence > writer.sequence:
            writer.sequence += 1
            self.commits[writer.sequence] = deepcopy(writer.state)
        else:
            assert writer.state == self.old(writer)
        writer.changed = False

    @rule(who=WHO)
    def rollback(self, who: int) -> None:
        writer = self.writers[who]
        writer.session.rollback()
        replaced = writer.replaced
        writer.stand_on(writer.sequence, self.old(writer))
        writer.replaced = replaced

    def old(self, writer: Writer) -> dict[str, Any]:
        return self.commits[writer.sequence] if writer.sequence in self.commits else self.gone[writer.sequence]

    @rule(who=WHO)
    def refresh(self, who: int) -> None:
        writer, newest = self.writers[who], max(self.commits)
        if writer.changed:
            try:
                writer.session.refresh()
            except SessionError:
                return
            assert writer.state == self.old(writer), "what was changed was changed back"
        else:
            writer.session.refresh()
        writer.stand_on(newest, self.commits[newest])

    @rule(who=WHO, keep=st.integers(1, 3))
    def compact(self, who: int, keep: int) -> None:
        writer, newest = self.writers[who], max(self.commits)
        if writer.changed:
            return
        if writer.sequence != newest or writer.replaced:
            with pytest.raises(ConflictError):
                writer.session.compact(keep=keep)
            writer.session.refresh()
            writer.stand_on(newest, self.commits[newest])
            return
        writer.session.compact(keep=keep)
        for sequence in sorted(self.commits)[:-keep]:
            self.gone[sequence] = self.commits.pop(sequence)
        self.writers[1 - who].replaced = True

    @rule(which=st.integers(0, 30))
    def read_at(self, which: int) -> None:
        sequence = sorted(self.commits)[which % len(self.commits)]
        session = Session.open(self.path, at=sequence)
        assert plain(session.root(Box)) == self.commits[sequence]
        self.readers.append((session, self.commits[sequence]))
        if self.gone:
            with pytest.raises(NoResultFound):
                Session.open(self.path, at=max(self.gone))

    @rule()
    def readers_stay(self) -> None:
        for session, state in self.readers:
            assert plain(session.root(Box)) == state
            session.close()
        self.readers.clear()

    @rule(tail=st.binary(max_size=300), zeros=st.sampled_from([0, 512, 4096]))
    def crash(self, tail: bytes, zeros: int) -> None:
        """Nobody says goodbye, and what was being written is left at the end."""
        for writer in self.writers:
            writer.session.rollback()
            writer.session.close()
        with self.path.open("ab") as file:
            file.write(tail + bytes(zeros))
        self.open()
        if tail or zeros:
            assert "ignored" in (self.writers[0].session.recovered or "")

    @invariant()
    def writers_agree(self) -> None:
        for writer in self.writers:
            box, items = writer.box, writer.state["items"]
            assert loaded(box) == writer.state
            for key in TOUCHED:
                assert (box.items[key].model_dump() if key in box.items else None) == items.get(key)

    def teardown(self) -> None:
        try:
            for session, _ in self.readers:
                session.close()
            for writer in self.writers:
                writer.session.close()
            if self.commits:
                newest = max(self.commits)
                with Session.open(self.path) as session:
                    assert plain(session.root(Box)) == self.commits[newest]
                    assert [each.sequence for each in session.history()] == sorted(self.commits, reverse=True)
                report = verify(self.path)
                assert report.ok or "after the newest" in str(report), str(report)
        finally:
            shutil.rmtree(self.directory)


TestFile = FileMachine.TestCase
TestFile.settings = half()
