"""Maps whose keys have hashes that agree, wholly or in the bits that are looked at first."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, LazyMap, Model, ShardedMap, lazy, load, native, verify
from parcode_orm.codec.keys import canonical as keys
from parcode_orm.codec.keys.canonical import key_hash
from parcode_orm.table import lookup, table
from tests.small import small_caches, tuned

pytestmark = pytest.mark.once

Session, save, _ = tuned(large=0)


class Row(Model):
    level: int


class World(Model):
    rows: dict[str, Row] = ShardedMap(default_factory=dict)
    mixed: dict[int | str | tuple[int, str], int] = Chunk(default_factory=dict)


HASHES: dict[str, Callable[[int], int]] = {
    "all": lambda real: (1 << 64) - 1,
    "the first 24 bits": lambda real: real & (1 << 40) - 1,
    "the first 56 bits": lambda real: real & 255,
    "all but the first 3 bits": lambda real: real >> 61 << 61,
    "all but the last 3 bits": lambda real: real | ~7 & (1 << 64) - 1,
}


@pytest.fixture(params=HASHES)
def agreeing(request: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every module that hashes keys gets such hashes; nothing else does."""
    real, change = keys.xxh3_64_intdigest, HASHES[request.param]

    def digest(data: Any, seed: int = 0) -> int:
        return real(data, seed) if seed else change(real(data))  # only streams hash again, with a seed

    monkeypatch.setattr(keys, "xxh3_64_intdigest", digest)
    monkeypatch.setattr(keys, "hash_plain", native.specifications["hash_plain"])
    monkeypatch.setattr(lookup, "xxh3_64_intdigest", digest)
    monkeypatch.setattr(table, "find_open", native.specifications["find_open"])
    assert key_hash("a") == change(real(b"a"))
    with small_caches():
        yield


def key(number: int) -> int | str | tuple[int, str]:
    return (number, f"k{number}", (number, "k"))[number % 3]


def check(found: LazyMap[Any, Any], expected: dict[Any, Any], asked: list[Any]) -> None:
    found._check()
    assert list(found) == list(expected) and found.load() == expected
    for each in asked:
        assert (each in found) == (each in expected)
        assert found.get(each) == expected.get(each)


def test_written_at_once_and_as_a_stream(agreeing: None, tmp_path: Path) -> None:
    rows = {f"k{n}": Row(level=n) for n in range(60)}
    mixed = {key(n): n for n in range(60)}
    missing = [key(n) for n in range(60, 90)]
    repeated = [*mixed.items(), *((each, -n) for each, n in list(mixed.items())[::7])]
    for pairs in (mixed, iter(repeated)):
        save(tmp_path / "w.par", World(rows=rows, mixed=pairs))
        expected = mixed
        if pairs is not mixed:
            expected = {each: n for each, n in mixed.items() if n % 7}
            expected |= {each: -n for each, n in mixed.items() if not n % 7}
        with Session.open(tmp_path / "w.par") as session:
            check(lazy(session.root(World).mixed), expected, [*mixed, *missing])
            check(lazy(session.root(World).rows), rows, [*rows, *map(str, missing)])
        assert verify(tmp_path / "w.par").ok


def test_grown_and_shrunk_in_many_commits(agreeing: None, tmp_path: Path) -> None:
    path, rng, expected = tmp_path / "w.par", random.Random(5), {key(0): 0}
    save(path, World(mixed=expected))
    with Session(path, durability="fast") as session:
        found = lazy(session.root(World).mixed)
        for turn in range(25):
            for _ in range(6):
                each, what = key(rng.randrange(45)), rng.random()
                if what < 0.3:
                    assert found.pop(each, None) == expected.pop(each, None)
                elif what < 0.4:
                    assert found.setdefault(each, turn) == expected.setdefault(each, turn)
                else:
                    found[each] = expected[each] = turn
            if turn % 5 == 2:
                pairs = {key(n): turn for n in rng.sample(range(30, 60), 10)}
                found.update(iter(pairs.items()))
                expected.update(pairs)
            session.commit()
            if turn % 8 == 0:
                check(found, expected, [key(n) for n in range(60)])
        check(found, expected, [key(n) for n in range(60)])
    with Session.open(path) as session:
        check(lazy(session.root(World).mixed), expected, [key(n) for n in range(60)])
    assert load(path, World).mixed == expected and verify(path).ok


def test_all_taken_away_and_put_back(agreeing: None, tmp_path: Path) -> None:
    path, rows = tmp_path / "w.par", {f"k{n}": Row(level=n) for n in range(20)}
    save(path, World(rows=rows))
    with Session(path, durability="fast") as session:
        found = lazy(session.root(World).rows)
        for each in list(rows)[::2]:
            del found[each]
        session.commit()
        check(found, {each: rows[each] for each in list(rows)[1::2]}, list(rows))
        found.clear()
        session.commit()
        check(found, {}, list(rows))
        for each in reversed(rows):
            found[each] = Row(level=-1)
            session.commit()
        check(found, {each: Row(level=-1) for each in reversed(rows)}, [*rows, "none"])
    assert verify(path).ok
