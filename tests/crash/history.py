"""A history of commits over a recorded disk, and the survey of all that a crash may leave of it."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

import pytest

from parcode_orm import Chunk, Index, Key, Model, Session, ShardedMap, save
from parcode_orm.errors import NoResultFound, ParcodeError, StorageError
from parcode_orm.inspector.indexes import check_entities
from parcode_orm.session.entity.tables import entities, find_table
from parcode_orm.storage import append, recovery
from tests.small import tuned

from .disk import Deaf, Left, Op, Recorder, failing, images, installed, killed, leads_to, left_of

Durability = Literal["full", "fast"]
BROKEN = -1


class Rules(Model):
    level: int = 3
    words: list[str] = ["ash", "oak"]


class Owner(Model):
    title: str = ""
    items: list[Rules] = Chunk(default_factory=list)


class World(Model):
    n: int = 0
    note: str = ""
    tags: list[str] = []
    rules: Rules = Chunk(default_factory=Rules)
    players: dict[str, int] = ShardedMap(default_factory=dict)
    owners: dict[str, Owner] = ShardedMap(default_factory=dict)
    blob: bytes = Chunk(default=b"")


class Place(Model):
    town: str


class Unit(Model):
    id: int = Key(auto=True)
    name: str = Index(unique=True)
    seen: int = 0
    place: Place | None = None
    tags: list[str] = Index(default=[])
    __indexes__ = (Index("seen", "name"), Index("place.town"))


Units = dict[int, dict[str, Any]]


def change_units(session: Session, units: Units, number: int) -> None:
    """What commit `number` does to entities, of a session and of their plain values: some come, go and swap names."""
    new = Unit(name=f"unit {number}", seen=number, place=Place(town=f"town {number % 2}"), tags=["new"])
    session.add(new)
    units[new.id] = new.model_dump()
    first, *others = units
    last = others[-1] if others else first
    one, other = session.get_one(Unit, first), session.get_one(Unit, last)
    one.name, other.name, one.seen = other.name, one.name, number
    units[first]["name"], units[last]["name"] = units[last]["name"], units[first]["name"]
    units[first]["seen"] = number
    one.tags.append(f"first {number}")
    units[first]["tags"].append(f"first {number}")
    other.place = None
    units[last]["place"] = None
    if number % 3 == 0 and others and one not in session.new:
        session.delete(one)
        del units[first]


def units_in(session: Session) -> Units:
    """The entities that a file holds, each found by its key and by its values in all indexes."""
    table = entities(find_table(session._work, Unit))  # type: ignore[arg-type]
    found = {key: unit.model_dump() for key, unit in table.items()}
    table._check()
    work = session._work
    assert work.source is not None
    assert list(check_entities(work.look_at(work.source), Unit)) == []
    return found


def change(world: World, number: int) -> None:
    """What commit `number` changes, of a lazy world or a plain one; all else is shared with the commit before."""
    world.n = number
    world.note = f"commit {number} " * 5
    if number % 2 == 0:
        world.players[f"p{number}"] = number
        owner = world.owners.setdefault(f"o{number % 4}", Owner())
        owner.items.append(Rules(level=number))
        owner.title = f"owner {number}"
    if number % 3 == 0:
        world.tags.append(f"t{number}")
    if number % 4 == 3:  # an extent of its own, written apart from the rest of its commit
        world.blob = random.Random(number).randbytes(70_000)


class Boot:
    """The run of the operating system, which a power loss ends."""

    now = 1


@contextmanager
def boots() -> Iterator[None]:
    """Let the package take `Boot.now` for the run of the system."""
    Boot.now = 1
    with pytest.MonkeyPatch.context() as patch:
        for module in (recovery, append):
            patch.setattr(module, "boot", lambda: Boot.now)
        yield


class Story:
    """Writes a history to `path`, and knows what each commit held.

    `base` is the content of the file at the start, the state `found` being what it holds. `units`: the entities that it
    has beside its world; None for none.
    """

    units: Units | None = None
    options: Mapping[str, Any] = MappingProxyType({})  # of its sessions

    def __init__(
        self,
        path: Path,
        durability: Durability,
        base: bytes | None = None,
        found: World | None = None,
        deaf: Deaf | None = None,
    ) -> None:
        self.path = path
        self.durability: Durability = durability
        self.boot = Boot.now
        self.fast = durability == "fast"  # somewhere in it
        self.base = base
        if base is not None:
            path.write_bytes(base)
        self.disk = Recorder(None if base is None else str(path))
        if deaf is not None:
            self.disk.deaf = deaf
        self.world = found or World()
        self.before = self.world.n
        self.killed_at = 0  # the length of the log when a process began what it was killed in
        self.expected: dict[int, dict[str, Any]] = {self.before: self.world.model_dump()}

    def open(self) -> Session:
        return tuned(compact_from=1).Session(self.path, durability=self.durability, workers=0, **self.options)

    def attempt(self, number: int, commit: Callable[[World], None], fail: Callable[[str], None] | None = None) -> None:
        """One commit, by `commit(plain)`; `fail` makes the disk fail in it."""
        plain = self.world.model_copy(deep=True)
        change(plain, number)
        self.expected[number] = plain.model_dump()
        before = copy.deepcopy(self.units)
        self.disk.say("begin", number)
        if fail is None:
            commit(plain)
            self.world = plain
            self.disk.log.append(Op("done", offset=number, name=self.durability))
            return
        self.disk.fail = fail
        with pytest.raises(ParcodeError):
            commit(plain)
        self.units = before
        self.disk.fail = lambda call: None
        self.disk.say("failed", number)

    def append(self, session: Session, number: int, fail: Callable[[str], None] | None = None) -> None:
        def commit(plain: World) -> None:
            change(session.root(World), number)
            if self.units is not None:
                change_units(session, self.units, number)
                self.expected[number]["units"] = copy.deepcopy(self.units)
            session.commit()

        self.attempt(number, commit, fail)

    def create(self, session: Session, number: int) -> None:
        def commit(plain: World) -> None:
            session.add(plain.model_copy(deep=True), replace=True)
            session.commit()

        self.attempt(number, commit)

    def kill(self, number: int, after: int) -> None:
        """End in the middle of a commit. Where it is seen nevertheless, it counts as done, and was not waited for."""
        plain = self.world.model_copy(deep=True)
        change(plain, number)
        self.expected[number] = plain.model_dump()
        self.killed_at = len(self.disk.log)
        self.disk.say("begin", number)
        self.disk.fail = self._dead(after)
        with suppress(Killed), self.open() as session:
            change(session.root(World), number)
            session.commit()
        self.disk.fail = lambda call: None
        with self.open() as session:
            seen = session.root(World).n == number
        if seen:
            self.world = plain
        self.disk.say("done" if seen else "failed", number)

    @staticmethod
    def _dead(after: int) -> Callable[[str], None]:
        left = after

        def dead(call: str) -> None:
            nonlocal left
            left -= 1
            if left < 0:
                raise Killed

        return dead

    def save(self, number: int) -> None:
        self.attempt(number, lambda plain: save(self.path, plain, durability=self.durability, workers=0))

    def compact(self, session: Session, keep: int, fail: Callable[[str], None] | None = None) -> None:
        """The same commits in another file; `fail` makes the disk fail in it."""
        self.disk.fail = fail or self.disk.fail
        if fail is None:
            session.compact(keep=keep)
        else:
            with pytest.raises(StorageError):
                session.compact(keep=keep)
        self.disk.fail = lambda call: None

    def kill_compacting(self, keep: int, after: int) -> None:
        """End in the middle of a compaction."""
        self.killed_at = len(self.disk.log)
        self.disk.fail = self._dead(after)
        with suppress(Killed), self.open() as session:
            session.compact(keep=keep)
        self.disk.fail = lambda call: None

    def abort(self, session: Session) -> None:
        """A commit that fails in the middle, at a value that cannot be stored."""
        world = session.root(World)
        world.n = 1_000_000
        world.blob = bytes(100_000)
        world.players = {**world.players, "x": "no number"}  # type: ignore[dict-item]
        with pytest.raises(ParcodeError):
            session.commit()
        session.rollback()


class Killed(BaseException):
    """The process ended here."""


def killed_history(path: Path, durability: Durability, after: int) -> Story:
    """A process ends in the middle of a commit, after so many calls; another one goes on before power fails."""
    story = Story(path, durability)
    with installed(story.disk):
        with story.open() as session:
            story.create(session, 1)
            story.append(session, 2)
        story.kill(3, after)
        with story.open() as session:
            story.append(session, 4)
            story.append(session, 5)
    return story


def killed_compaction(path: Path, durability: Durability, after: int) -> Story:
    """A process ends in the middle of a compaction, after so many calls; another one goes on before power fails."""
    story = Story(path, durability)
    with installed(story.disk):
        with story.open() as session:
            story.create(session, 1)
            for number in (2, 3, 4):
                story.append(session, number)
        story.kill_compacting(1 + after % 2, after // 2)
        story.durability = "full"
        with story.open() as session:
            story.append(session, 5)
            story.append(session, 6)
    return story


def compacted_history(path: Path, durability: Durability, deaf: Deaf | None = None) -> Story:
    """Compactions between commits: of the newest alone, of some, of a file that was compacted, on a failing disk.

    The commits change entities, too.
    """
    story = Story(path, durability, deaf=deaf)
    story.units = {}
    with installed(story.disk):
        with story.open() as session:
            story.create(session, 1)
            for number in (2, 3, 4):
                story.append(session, number)
            story.compact(session, 2)
            story.append(session, 5)
            story.compact(session, 1, failing("write", 0))
            story.append(session, 6)
            story.compact(session, 1)
            story.append(session, 7)
            story.append(session, 8)
            story.compact(session, 3)
            story.compact(session, 3)
        with story.open() as session:
            story.append(session, 9)
            story.compact(session, 1)
        with story.open() as session:
            story.append(session, 10)
    return story


def shrinking_history(path: Path, durability: Durability) -> Story:
    """Commits after which the session compacts its file by itself, and others."""
    story = Story(path, durability)
    story.units = {}
    story.options = {"compact_above": 0.2}
    with installed(story.disk):
        with story.open() as session:
            story.create(session, 1)
            for number in range(2, 6):
                story.append(session, number)
            story.disk.fail = failing("rename", 0)
            story.append(session, 6)
            story.disk.fail = lambda call: None
            for number in range(7, 11):
                story.append(session, number)
    return story


def full_history(path: Path, deaf: Deaf | None = None) -> Story:
    """Creation, appended commits that share chunks, blobs, aborts, failures of the disk, a save over the path."""
    story = Story(path, "full", deaf=deaf)
    with installed(story.disk):
        with story.open() as session:
            story.create(session, 1)
            for number in (2, 3, 4):
                story.append(session, number)
            story.abort(session)
            story.append(session, 5)
            story.append(session, 7, failing("record", 0))  # amid the record
            session.rollback()
            story.append(session, 6)
        story.save(8)
        with story.open() as session:
            story.append(session, 9)
            story.append(session, 11)
            story.append(session, 10, failing("sync", 0))  # after the record
        with story.open() as session:
            story.append(session, 13)
            story.append(session, 15, failing("sync", 1))  # after the record of a large commit
        with story.open() as session:
            story.append(session, 12)
            story.append(session, 14)
    return story


def fast_history(path: Path, deaf: Deaf | None = None) -> Story:
    """The same without barriers, but where a commit settles what is before it."""
    story = Story(path, "fast", deaf=deaf)
    with installed(story.disk):
        with story.open() as session:
            story.create(session, 1)
            for number in (2, 3, 4):
                story.append(session, number)
            story.abort(session)
            for number in (5, 6, 8, 9):
                story.append(session, number)
        story.durability = "full"
        with story.open() as session:
            story.append(session, 10)
        story.durability = "fast"
        with story.open() as session:
            story.append(session, 11)
            story.append(session, 15, failing("record", 0))
            session.rollback()
            story.append(session, 12)
        story.save(13)
        with story.open() as session:
            story.append(session, 14)
            story.append(session, 16)
    return story


def state_of(data: bytes | Path | None, expected: dict[int, dict[str, Any]]) -> int:
    """The number of the commit that a content shows, or BROKEN; an `AssertionError` where it shows none that was."""
    if data is None:
        return 0
    try:
        with Session.open(data) as session:
            found = session.root(World).model_load().model_dump()
            if Unit in session:
                found["units"] = units_in(session)
    except NoResultFound:
        raise AssertionError("a file without its root") from None
    except ParcodeError:
        return BROKEN
    assert found == expected.get(found["n"]), f"a mixture: {found['n']}, {found['note'][:20]}"
    number: int = found["n"]
    return number


class Seed(NamedTuple):
    """A content that a crash may leave, the run of the system that it is found in, and what it holds."""

    data: bytes
    boot: int
    value: dict[str, Any]


class Survey:
    """Opens every content that a power loss may leave after each operation of a story, and checks what is found."""

    def __init__(self, story: Story, rng: random.Random, rounds: int) -> None:
        self.story = story
        self.rng = rng
        self.rounds = rounds
        self.counts: Counter[str] = Counter()
        self.states: Counter[int] = Counter()
        self.seeds: dict[tuple[int, int], Seed] = {}
        self._scratch = story.path.with_name("scratch.par")
        self._known: dict[tuple[bytes | None, int], int] = {}
        self._allowed: dict[tuple[int, int], set[int]] = {}

    def run(self, step: Literal[1, -1] = 1, since: int = 0) -> Survey:
        """Visit all points from `since` on, from the first or from the last."""
        points = range(since, len(self.story.disk.log) + 1)
        for point in points[::step]:
            self.at(point)
        self.counts["points"] = len(points)
        self.counts["contents"] = len(self._known)
        return self

    def at(self, point: int) -> None:
        """All contents at one point: after a power loss, and after the end of the process alone."""
        log = self.story.disk.log[:point]
        boot = self.story.boot
        for data in killed(log, str(self.story.path), self.story.base):
            self.look(point, "killed", data, boot)
        for sort, left in self.lefts(point):
            if left is None:
                self.look(point, "no name", None, boot + 1)
                continue
            for sort, data in images(left, self.rng, self.rounds):
                self.look(point, sort, data, boot + 1)

    def lefts(self, point: int) -> Iterator[tuple[str, Left | None]]:
        """What is left of each of the files that the path may lead to."""
        story = self.story
        log = story.disk.log[:point]
        start = None if story.base is None else 0
        for file in leads_to(log, str(story.path), start):
            yield "", None if file is None else left_of(log, file, (story.base or b"") if file == 0 else b"")

    def look(self, point: int, sort: str, data: bytes | None, boot: int) -> None:
        """Open one content in one run of the system."""
        self.counts[sort] += 1
        Boot.now = boot
        state = self._known.get((data, boot))
        if state is None:
            state = self._known[data, boot] = state_of(data, self.story.expected)
            if data is not None and len(self._known) % 8 == 0:  # through a file, too, which is read in another way
                self._scratch.write_bytes(data)
                assert state_of(self._scratch, self.story.expected) == state
        self.states[state] += 1
        allowed = self.allowed(point, boot)
        assert state in allowed, (
            f"{sort} after operation {point} {self.story.disk.log[max(0, point - 3) : point]}: "
            f"{'broken' if state == BROKEN else f'commit {state}'}, not one of {sorted(allowed)}"
        )
        if data is not None and state > 0:
            self.seeds.setdefault((state, len(data)), Seed(data, boot, self.story.expected[state]))

    def allowed(self, point: int, boot: int) -> set[int]:
        """The states that may be found: none older than the last commit that was waited for, none that was given up."""
        story = self.story
        known = self._allowed.get((point, boot))
        if known is not None:
            return known
        log = story.disk.log[:point]
        start = None if story.base is None else 0
        done, tried, floor = [story.before], set(), 0
        synced: dict[int | None, int] = {start: 0}
        for i, op in enumerate(log):
            if op.kind == "begin":
                tried = {op.offset}
            elif op.kind == "failed":
                tried = set()
            elif op.kind == "done":
                tried = set()
                done.append(op.offset)
                if op.name == "full":
                    floor = len(done) - 1
            elif op.kind in ("sync", "names"):
                if op.kind == "sync":
                    synced[op.file] = len(done) - 1
                files = leads_to(log[: i + 1], str(story.path), start)
                if len(files) == 1:
                    floor = max(floor, synced.get(*files, 0))
        found = set(done[floor:]) | tried
        if story.fast and 0 not in synced and 0 in leads_to(log, str(story.path), start):
            found.add(BROKEN)  # a new file, where none was before, that nobody has waited for yet
        if boot == story.boot:  # the system goes on, and with it all that was acknowledged
            found = {done[-1]} | tried
        self._allowed[point, boot] = found
        return found
