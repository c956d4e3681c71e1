"""Random classes and values through every way in and out: what comes back is what was stored, of the same types."""

from __future__ import annotations

import copy
import json
import os
import pickle
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator, MutableMapping, MutableSequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st
from pydantic import BaseModel

import parcode_orm
from parcode_orm import Chunk, Model, Session, ShardedMap, dumps, load, loads, save, write
from parcode_orm.format.layout import RECORD, SUPERBLOCK
from tests.effort import half
from tests.strategies import objects, same, values_of

IDENTITY: dict[str, Any] = {"uuid": uuid.UUID(int=7), "time_ns": 1_700_000_000_000_000_000}
COMPRESSIONS = [None, "lz4", "zstd", "auto"]
some = st.booleans().flatmap(lambda large: objects(large=large))
few = settings(max_examples=max(settings.default.max_examples // 2, 1))

CUTS = (" more>", " more characters>", " more bytes>", " bytes, not read>")


@contextmanager
def directory() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as made:
        yield Path(made)


def piped(obj: Model, **options: Any) -> bytes:
    """What arrives at the other end of a pipe."""
    ends = os.pipe()
    got: list[bytes] = []

    def drain() -> None:
        with open(ends[0], "rb") as source:
            got.append(source.read())

    reader = threading.Thread(target=drain)
    reader.start()
    try:
        with open(ends[1], "wb", buffering=0) as target:
            write(target, obj, **options)
    finally:
        reader.join()
    return got[0]


@given(some, st.sampled_from(COMPRESSIONS))
def test_what_is_stored_comes_back(obj: Model, compression: str | None) -> None:
    options = {"compression": compression, **IDENTITY}
    data = dumps(obj, workers=0, **options)
    back = loads(data, type(obj))
    assert same(back, obj)
    assert dumps(obj, workers=4, **options) == data, "the bytes do not depend on the number of workers"
    assert dumps(back, workers=0, **options) == data, "what was loaded is stored as what it came from"
    assert piped(obj, workers=4, **options) == data
    with directory() as here:
        save(here / "a.par", obj, workers=4, durability="fast", **options)
        assert (here / "a.par").read_bytes() == data
        assert same(load(here / "a.par", type(obj)), obj)


@given(some, st.sampled_from(COMPRESSIONS))
@few
def test_a_compaction_writes_what_a_save_does(obj: Model, compression: str | None) -> None:
    data = dumps(obj, compression=compression, workers=0, **IDENTITY)
    with directory() as here:
        save(here / "a.par", obj, compression=compression, workers=0, durability="fast")
        with Session(here / "a.par", compression=compression) as session:
            session.compact()
        assert same(load(here / "a.par", type(obj)), obj)
        written = (here / "a.par").read_bytes()
        assert written[SUPERBLOCK.size : -RECORD.size] == data[SUPERBLOCK.size : -RECORD.size]


class Cub(Model):
    names: list[str] = []


class Empties(Model):
    lists: list[list[int]] = Chunk()
    by_name: dict[str, list[int]] = ShardedMap()
    maps: dict[str, dict[str, int]] = ShardedMap()
    sets: dict[str, set[int]] = ShardedMap()
    cubs: list[Cub] = Chunk()


def test_nothing_is_stored_alike_from_lists_and_from_lazy_collections() -> None:
    """Items of collections without items, of which a proxy has a stretch of no rows."""
    for cubs in ([], [Cub()], [Cub()] * 5000):
        obj = Empties(lists=[[]] * len(cubs), by_name={}, maps={}, sets={}, cubs=cubs)
        data = dumps(obj, **IDENTITY)
        proxy = parcode_orm.open(data).root(Empties)
        assert (len(proxy.by_name), len(proxy.maps), len(proxy.sets), len(proxy.cubs)) == (0, 0, 0, len(cubs))
        assert dumps(proxy, **IDENTITY) == data
        with directory() as here:
            save(here / "a.par", obj, durability="fast")
            with Session(here / "a.par") as session:
                session.compact()
            assert (here / "a.par").read_bytes()[SUPERBLOCK.size : -RECORD.size] == data[SUPERBLOCK.size : -RECORD.size]


def outcome(action: Callable[[], Any]) -> Any:
    """What an action gives, or that it fails: within a wrapped serializer Pydantic raises errors of its own."""
    try:
        return action()
    except Exception:
        return "fails"


def agree(one: Any, other: Any) -> bool:
    """Whether two comparisons, with their outcomes, agree; arrays refuse to be compared, where it gets to them."""
    return one == other or "fails" in (one, other)


def as_json(text: Any) -> Any:
    """A JSON text with arrays in an order of their own: sets are dumped in the order they happen to have."""

    def ordered(value: Any) -> Any:
        if isinstance(value, list):
            return sorted(map(ordered, value), key=repr)
        return {key: ordered(item) for key, item in value.items()} if isinstance(value, dict) else value

    return ordered(json.loads(text)) if text != "fails" else text


@given(some)
@half()
def test_a_proxy_is_as_the_plain_object(obj: Model) -> None:
    cls = type(obj)
    data = dumps(obj)
    plain = loads(data, cls)

    def proxy() -> Any:
        return parcode_orm.open(data).root(cls)

    assert same(proxy().model_load(), obj)
    assert agree(outcome(lambda: proxy() == obj), outcome(lambda: plain == obj))
    assert agree(outcome(lambda: obj == proxy()), outcome(lambda: obj == plain))
    assert agree(outcome(lambda: proxy() == proxy()), outcome(lambda: loads(data, cls) == plain))
    shown = outcome(lambda: repr(proxy()))
    assert shown == outcome(lambda: repr(plain)) or any(cut in shown for cut in CUTS), "what is long is cut"
    options: dict[str, Any]
    for options in ({}, {"exclude_unset": True}, {"exclude_defaults": True}, {"round_trip": True}, {"by_alias": True}):
        assert same(outcome(lambda: proxy().model_dump(**options)), outcome(lambda: plain.model_dump(**options)))  # noqa: B023
        found, wanted = (outcome(lambda: one.model_dump_json(**options)) for one in (proxy(), plain))  # noqa: B023
        assert as_json(found) == as_json(wanted)
    assert same(outcome(lambda: pickle.loads(pickle.dumps(proxy()))), outcome(lambda: pickle.loads(pickle.dumps(obj))))
    assert same(copy.copy(proxy()).model_load(), obj)
    assert same(copy.deepcopy(proxy()), obj)
    assert type(copy.deepcopy(proxy())) is cls
    assert same(proxy().model_copy(deep=True).model_load(), obj)
    assert dumps(proxy(), **IDENTITY) == dumps(obj, **IDENTITY), "a proxy is stored as the object that it stands for"


def change(obj: Any, other: Any, data: Callable[[int], int]) -> str:
    """Change one thing in `obj`, plain or lazy, as the numbers from `data` say; its values are taken from `other`."""
    names = [name for name in type(obj).model_fields if hasattr(obj, name) and hasattr(other, name)]
    if not names:
        return "nothing"
    name = names[data(len(names))]
    value, new = getattr(obj, name), copy.deepcopy(getattr(other, name))
    what = data(4)
    if what == 0 and isinstance(value, BaseModel) and value.__class__ is new.__class__:
        return f"{name}.{change(value, new, data)}"
    if what <= 1 and isinstance(value, MutableSequence) and not isinstance(value, bytearray) and len(value):
        if data(2):
            del value[data(len(value))]
            return f"{name} del"
        value.append(value[data(len(value))])
        return f"{name} append"
    if what <= 1 and isinstance(value, MutableMapping) and len(value):
        keys = list(value)
        key = keys[data(len(keys))]
        if data(2):
            del value[key]
            return f"{name} del [...]"
        value[key] = value[keys[data(len(keys))]]
        return f"{name}[...]"
    setattr(obj, name, new)
    return f"{name} = ..."


@given(st.data(), some)
@few
def test_a_change_through_the_lazy_root(data: st.DataObject, obj: Model) -> None:
    cls = type(obj)
    other = data.draw(values_of(cls))
    numbers = data.draw(st.lists(st.integers(0, 2**16), min_size=8, max_size=8))

    def dealt() -> Callable[[int], int]:
        left = iter(numbers * 4)
        return lambda below: next(left) % below

    expected = loads(dumps(obj), cls)
    with directory() as here:
        path = here / "a.par"
        with Session(path, durability="fast") as session:
            session.add(obj)
            session.commit()
            size = path.stat().st_size
            session.commit()
            assert path.stat().st_size == size, "nothing changed"
        with Session(path, durability="fast") as session:
            root = session.root(cls)
            assert same(root.model_load(), expected)
            session.commit()
            assert path.stat().st_size == size, "nothing changed"
            what = change(root, other, dealt())
            note(what)
            assert change(expected, other, dealt()) == what
            session.commit()
            assert same(session.root(cls).model_load(), expected)
        with Session.open(path) as session:
            assert same(session.root(cls).model_load(), expected)
        assert same(load(path, cls), expected)
