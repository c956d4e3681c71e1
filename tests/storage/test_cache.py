"""The cache of opened chunks and row groups: one limit in bytes, and what was not used for
longest goes first.
"""

from __future__ import annotations

import pytest

from parcode_orm.storage import cache as module
from parcode_orm.storage.cache import Cache


class Entry:
    def __init__(self, size: int, *, idle: bool = True) -> None:
        self.size = size
        self.used = False
        self.idle = idle
        self.closed = False

    def close(self) -> bool:
        self.closed = self.idle
        return self.idle


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LIMIT", 100)
    monkeypatch.setattr(module, "SUM_EVERY", 1)


def filled(*entries: Entry) -> Cache:
    cache = Cache()
    for at, entry in enumerate(entries):
        assert cache.put(at, entry) is entry
    return cache


def test_what_was_not_used_for_longest_goes_first() -> None:
    entries = [Entry(40), Entry(40), Entry(10)]
    cache = filled(*entries)
    assert cache.get(0) is entries[0]
    cache.put("new", Entry(40))
    assert [each.closed for each in entries] == [False, True, False]
    assert cache.get(1) is None and cache.get(0) is entries[0] and cache.size() == 90


def test_where_all_were_used_the_first_one_goes() -> None:
    entries = [Entry(40), Entry(40)]
    cache = filled(*entries)
    assert cache.get(1) and cache.get(0)
    cache.put("new", Entry(40))
    assert [each.closed for each in entries] == [True, False]


def test_what_is_in_use_stays_whatever_it_takes() -> None:
    busy = Entry(500, idle=False)
    cache = filled(busy)
    newest = Entry(30)
    cache.put("new", newest)
    assert cache.get(0) is busy and cache.get("new") is newest and not newest.closed


def test_what_is_gone_is_forgotten_without_being_closed() -> None:
    gone = Entry(40)
    cache = filled(gone)
    gone.size = 0
    cache.put("new", Entry(1))
    assert len(cache) == 1 and not gone.closed


def test_who_is_first_stays() -> None:
    entry = Entry(1)
    cache = filled(entry)
    assert cache.put(0, Entry(2)) is entry and cache.size() == 1
    assert cache.drop(0) and not cache.drop(0)


def test_one_kind_of_key_can_be_cleared() -> None:
    cache = filled(Entry(1))
    cache.put("text", Entry(2))
    cache.clear(str)
    assert cache.size() == 1
    cache.clear()
    assert not len(cache)
