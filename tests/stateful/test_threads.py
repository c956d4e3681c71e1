"""Eight threads read one read-only session, all that there is in it: right values, and one object for each row.

Little is kept open, and threads give way to each other all the time, so that rows are met in row groups which others
close. A few seconds, and a minute with `--torture 1`.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, Model, Session, ShardedMap, save
from parcode_orm.session import space
from parcode_orm.storage import cache
from parcode_orm.table import scan

READERS = 8
COUNT = 12_000
HELD = 2_000  # rows, at most
TEXT = "".join(f"é{n} " for n in range(100_000))
BLOB = random.Random(1).randbytes(400_000) * 2


class Tag(Model):
    name: str


class Animal(Model):
    number: int


class Dog(Animal):
    bark: str = "w"


class Item(Model):
    number: int
    tag: Tag
    tags: list[Tag] = Chunk()
    apart: Tag = Chunk()


class Shop(Model):
    items: list[Item] = Chunk(compression="lz4")
    by_name: dict[str, Item] = ShardedMap()
    counts: dict[str, int] = Chunk()
    animals: list[Animal] = Chunk()
    maybe: list[Item | None] = Chunk()
    either: list[Item | Tag] = Chunk()
    plain: list[list[int]] = Chunk()
    text: str = Chunk(compression="lz4")
    blob: bytes = Chunk(compression="lz4")


def item(n: int) -> Item:
    return Item(number=n, tag=Tag(name=f"t{n}"), tags=[Tag(name=f"a{n}"), Tag(name=f"b{n}")], apart=Tag(name=f"p{n}"))


def make_shop() -> Shop:
    numbers = range(COUNT)
    return Shop(
        items=map(item, numbers),  # type: ignore[arg-type]
        by_name=((f"k{n}", item(n)) for n in numbers),  # type: ignore[arg-type]
        counts={f"q{n}": n for n in numbers},
        animals=[Dog(number=n) if n % 3 else Animal(number=n) for n in numbers],
        maybe=[item(n) if n % 5 else None for n in numbers],
        either=[item(n) if n % 2 else Tag(name=str(n)) for n in numbers],
        plain=[[n] * 3 for n in numbers],
        text=TEXT,
        blob=BLOB,
    )


class Reader:
    """One thread's reading; what it takes is compared with what the others took, which is `held`."""

    def __init__(self, seed: int, session: Session, held: dict[Any, tuple[Any, ...]], handles: Shop) -> None:
        self.random = random.Random(seed)
        self.held = held
        self.shop = session.root(Shop)
        self.text: Any = handles.text
        self.blob: Any = handles.blob
        self.check_one("root", self.shop)

    def number(self) -> int:
        return self.random.randrange(200) * 97 % COUNT  # few, so that threads meet

    def check_one(self, place: Any, *objects: Any) -> None:
        for mine, theirs in zip(objects, self.held.setdefault(place, objects), strict=True):
            assert mine is theirs, f"two objects for {place}"

    def check_item(self, name: str, found: Any, n: int) -> None:
        assert found.number == n and found.tag.name == f"t{n}" and found.apart.name == f"p{n}"
        assert [tag.name for tag in found.tags] == [f"a{n}", f"b{n}"]
        self.check_one((name, n), found, found.tag, found.tags, found.tags[0], found.apart)

    def read_slices(self) -> None:
        start = self.random.randrange(COUNT - 100)
        for n, found in enumerate(self.shop.items[start : start + 100], start):
            self.check_item("items", found, n)

    def read_rows(self) -> None:
        for n in (self.number() for _ in range(50)):
            self.check_item("items", self.shop.items[n], n)

    def look_up(self) -> None:
        for n in (self.number() for _ in range(50)):
            self.check_item("by_name", self.shop.by_name[f"k{n}"], n)
            assert self.shop.counts[f"q{n}"] == n
        assert "no such key" not in self.shop.by_name

    def read_classes(self) -> None:
        for n in (self.number() for _ in range(50)):
            animal, maybe, either = self.shop.animals[n], self.shop.maybe[n], self.shop.either[n]
            assert animal.number == n and isinstance(animal, Dog) is bool(n % 3)
            self.check_one(("animals", n), animal)
            if maybe is not None:
                self.check_item("maybe", maybe, n)
            assert (maybe is None) is (n % 5 == 0)
            if isinstance(either, Item):
                self.check_item("either", either, n)
            else:
                assert either.name == str(n)
                self.check_one(("either", n), either)

    def read_large_values(self) -> None:
        start = self.random.randrange(len(TEXT) - 50)
        assert self.text[start : start + 50] == TEXT[start : start + 50] and len(self.text) == len(TEXT)
        start = self.random.randrange(len(BLOB) - 50)
        assert self.blob[start : start + 50] == BLOB[start : start + 50]

    def read_columns(self) -> None:
        found: Any = self.shop.items
        assert found.column("number").tolist() == list(range(COUNT))
        n = self.number()
        assert self.shop.plain[n] == [n] * 3

    def read_whole(self) -> None:
        found: Any = self.shop.items
        numbers = [each.number for part in found.iter_chunks() for each in part]
        assert numbers == list(range(COUNT))

    def iterate(self) -> None:
        for n, found in enumerate(islice(self.shop.items, 6_000)):
            assert found.number == n
        for n, (key, value) in enumerate(islice(self.shop.by_name.items(), 5_000)):
            assert (key, value.number) == (f"k{n}", n)

    def dump(self) -> None:
        n = self.number()
        found = self.shop.items[n]
        assert found.model_dump() == item(n).model_dump() and found == item(n) and found.model_load() == item(n)

    def forget(self) -> None:
        """Let go of half of the rows that are held, so that others take their places."""
        if len(self.held) > HELD:
            for place in list(self.held):
                if place != "root" and self.random.random() < 0.5:
                    self.held.pop(place, None)

    def run(self, until: float) -> int:
        often = [
            self.read_slices, self.read_rows, self.look_up, self.read_classes, self.read_large_values, self.dump,
        ]  # fmt: skip
        rarely = [self.read_columns, self.read_whole, self.iterate]
        count = 0
        while time.monotonic() < until:
            self.random.choice(often if self.random.random() < 0.9 else rarely)()
            self.forget()
            count += 1
        return count


@pytest.fixture
def little_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(scan, "KEPT", 1)
    monkeypatch.setattr(cache, "LIMIT", 1)
    monkeypatch.setattr(cache, "SUM_EVERY", 1)
    monkeypatch.setattr(space, "SWEEP_EVERY", 64)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(interval)


def in_threads(works: list[Callable[[], Any]]) -> list[Any]:
    """What the functions return, each in a thread of its own; the first exception is raised here."""
    found: list[Any] = []
    problems: list[BaseException] = []
    barrier = threading.Barrier(len(works))

    def run(work: Callable[[], Any]) -> None:
        try:
            barrier.wait(60)
            found.append(work())
        except BaseException as problem:
            problems.append(problem)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if problems:
        raise problems[0]
    return found


def descriptors() -> int:
    gc.collect()
    return len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0


def groups(collection: Any) -> dict[int, Any]:
    """The row groups that are open."""
    found: dict[int, Any] = collection.rows.table.groups
    return found


@pytest.mark.usefixtures("little_open")
def test_eight_threads_read_one_session(tmp_path: Path, length: float) -> None:
    path = tmp_path / "shop.par"
    save(path, make_shop())
    before = descriptors()
    end = time.monotonic() + 2 + 58 * length
    rounds, readings = 0, 0
    while not rounds or time.monotonic() < end:
        rounds += 1
        with Session.open(path) as session, Session.open(path) as other:
            shop = other.root(Shop)
            handles = Shop.model_construct(text=shop.lazy("text"), blob=shop.lazy("blob"))
            held: dict[Any, tuple[Any, ...]] = {}
            until = min(time.monotonic() + 5, end)

            def read(seed: int, session: Session = session, handles: Shop = handles, until: float = until) -> int:
                return Reader(seed, session, held, handles).run(until)  # noqa: B023

            counts = in_threads([lambda seed=seed: read(seed) for seed in range(READERS)])  # type: ignore[misc]
            assert len(counts) == READERS
            readings += sum(counts)
            assert descriptors() - before <= 2
            opened = [
                group for view in (session.root(Shop).items, session.root(Shop).by_name) for group in groups(view)
            ]
            assert len(opened) <= 4 + len(held)  # those of rows that are held, and what a reader has in hand
        assert gc.isenabled()
    print(f"{readings} readings in {rounds} sessions")
