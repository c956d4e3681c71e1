"""Objects are saved while other threads change them: an error, or values that they had; no crash, and no torn value.

A program should not do this. Without the GIL the functions in C meet lists and dictionaries that change under them.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from parcode_orm import Model, dumps, loads
from tests.effort import THOROUGH

COUNT = 300


class Item(Model):
    number: int = 0
    text: str = ""
    ratio: float | None = None
    tags: list[str] = []
    pair: tuple[int, str] = (0, "")


class Shelf(Model):
    items: list[Item] = []
    numbers: list[int] = []
    floats: list[float] = []
    flags: list[bool] = []
    maybe: list[int | None] = []
    texts: list[str] = []
    nested: list[list[int]] = []
    by_name: dict[str, int] = {}
    by_number: dict[int, Item] = {}


def item(n: int) -> Item:
    return Item(number=n, text=f"é{n}", ratio=n / 7 if n % 3 else None, tags=[f"t{n}"] * (n % 4), pair=(n, str(n)))


def shelf() -> Shelf:
    few = range(COUNT)
    return Shelf(
        items=list(map(item, few)),
        numbers=list(few),
        floats=[n / 7 for n in few],
        flags=[n % 2 == 0 for n in few],
        maybe=[n if n % 3 else None for n in few],
        texts=[f"é{n}" for n in few],
        nested=[[n] * (n % 5) for n in few],
        by_name={f"k{n}": n for n in few},
        by_number={n: item(n) for n in few},
    )


def change_lists(found: Shelf, n: int) -> None:
    for values in (found.items, found.numbers, found.floats, found.flags, found.maybe, found.texts, found.nested):
        kept: Any = values
        kept[:] = kept[::-1][: n % COUNT or None]
        kept.extend(kept[:COUNT] * 2)
        del kept[COUNT:]
        kept.insert(n % 7, kept[-1])


def change_items(found: Shelf, n: int) -> None:
    for each in found.items[:50]:
        new = item((each.number + n) % COUNT)
        each.ratio, each.tags, each.pair, each.text = new.ratio, new.tags, new.pair, new.text
        each.__dict__["number"] = new.number
        each.tags.append("more")
    for each in found.nested[:50]:
        each[:] = each[1:] + [n % COUNT] * (n % 3)
        each.clear()


def change_maps(found: Shelf, n: int) -> None:
    for k in range(COUNT):
        found.by_name.pop(f"k{k + n % 3}", None)
        found.by_name[f"k{k}"] = k
        found.by_number.pop(k, None)
        found.by_number[k] = item(k)


def check(found: Shelf) -> None:
    numbers, texts = set(range(COUNT)), {f"é{n}" for n in range(COUNT)}
    assert numbers.issuperset(found.numbers) and {n / 7 for n in numbers}.issuperset(found.floats)
    assert (numbers | {None}).issuperset(found.maybe) and texts.issuperset(found.texts)
    assert all(type(flag) is bool for flag in found.flags)
    assert all(numbers.issuperset(each) for each in found.nested)
    assert all(name[0] == "k" and n in numbers for name, n in found.by_name.items())
    for each in (*found.items, *found.by_number.values()):
        assert each.number in numbers and each.text in texts and each.pair == (each.pair[0], str(each.pair[0]))
    assert numbers.issuperset(found.by_number)


@pytest.fixture(autouse=True)
def giving_way() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("change", [change_lists, change_items, change_maps])
def test_an_error_or_values_that_were_there(change: Callable[[Shelf, int], None]) -> None:
    found, ended, failed = shelf(), threading.Event(), []

    def change_on() -> None:
        try:
            for n in range(10**9):
                if ended.is_set():
                    return
                change(found, n)
        except Exception as problem:
            failed.append(problem)

    thread = threading.Thread(target=change_on)
    thread.start()
    try:
        for _ in range(2_000 if THOROUGH else 20):
            try:
                data = dumps(found)
            except Exception as problem:
                assert not isinstance(problem, SystemError), problem
                continue
            check(loads(data, Shelf))
    finally:
        ended.set()
        thread.join()
    assert not failed
