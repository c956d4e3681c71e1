"""Inline, `Chunk` and `ShardedMap` become each other; random classes with fields added, removed and moved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict

import parcode_orm
from parcode_orm import Chunk, LazyList, LazyMap, Model, ShardedMap, verify
from parcode_orm.codec.types.compile import fingerprint_of, struct_for
from parcode_orm.session.roots import root_name
from parcode_orm.storage.mapped import Source
from tests.effort import half
from tests.equality import same
from tests.small import tuned
from tests.strategies import objects

from .versions import model

pytestmark = pytest.mark.once

Session, save, _ = tuned(large=600, group_rows=64)


def item(**more: Any) -> Any:
    return model("Item", {"n": int, **more}, **dict.fromkeys(more, 7))


MARKS: dict[str, Any] = {"inline": None, "chunk": Chunk, "map": ShardedMap}
SIZES = [3, 300]


def fields_of(element: Any, mark: str) -> dict[str, Any]:
    """A field of each kind of value with this mark, where it may have it."""
    found: dict[str, Any] = {"by": dict[str, int], "rows": dict[str, element]}
    if mark != "map":
        found |= {"numbers": list[int], "items": list[element], "one": element, "data": bytes, "text": str | None}
        found |= {"pair": tuple[int, ...], "maybe": list[int] | None}
    return found


def values(cls: Any, size: int) -> dict[str, Any]:
    return {
        "by": {str(n): n for n in range(size)},
        "rows": {str(n): cls(n=n) for n in range(size)},
        "numbers": list(range(size)),
        "items": [cls(n=n) for n in range(size)],
        "one": cls(n=1),
        "data": b"x" * size * 10,
        "text": "y" * size * 10,
        "pair": tuple(range(size)),
        "maybe": list(range(size)),
    }


def root(element: Any, mark: str) -> Any:
    fields = fields_of(element, mark)
    marks = {} if MARKS[mark] is None else {name: MARKS[mark]() for name in fields}
    return model("World", {"title": str, **fields}, **marks)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("evolved", [False, True])
@pytest.mark.parametrize("new", MARKS)
@pytest.mark.parametrize("old", MARKS)
def test_marks_become_each_other(tmp_path: Path, old: str, new: str, evolved: bool, size: int) -> None:
    before, after = item(), item(more=float) if evolved else item()
    first, second = root(before, old), root(after, new)
    common = fields_of(before, old).keys() & fields_of(after, new).keys()
    second = model(
        "World",
        {"title": str, **{name: second.__annotations__[name] for name in common}},
        **{name: MARKS[new]() for name in common if MARKS[new] is not None},
    )
    path = tmp_path / "a.par"
    given = {name: value for name, value in values(before, size).items() if name in fields_of(before, old)}
    save(path, first(title="t", **given))
    wanted = {name: value for name, value in values(after, size).items() if name in common}
    assert parcode_orm.load(path, second) == second(title="t", **wanted)
    with Session(path) as session:
        world = session.root(second)
        for name in sorted(common):
            found, value = getattr(world, name), wanted[name]
            if MARKS[new] is not None and isinstance(value, list | dict):
                assert isinstance(found, LazyList | LazyMap), name
                found = found.load()
            assert found == value, name
        assert not session.dirty
        session.commit()
        assert session.snapshot.sequence == 1
        world.rows["1"].n = 99
        world.by["new"] = 5
        session.commit()
        assert world.rows["1"].n == 99 and world.by["new"] == 5
    wanted["rows"]["1"].n, wanted["by"]["new"] = 99, 5
    assert parcode_orm.load(path, second) == second(title="t", **wanted)
    assert verify(path).ok


def test_a_root_of_which_only_tables_changed_is_written_as_it_is_now(tmp_path: Path) -> None:
    """It kept its old schema: an older program opened it, committed, and failed in the middle of a scan."""
    path = tmp_path / "a.par"
    element = item()
    first, second = root(element, "chunk"), root(item(more=float), "chunk")
    save(path, first(title="t", **values(element, 300)))
    with Session(path) as session:
        session.root(second).items[5].n = -1
        session.commit()
    source = Source.open(str(path))
    assert source.catalog.writers == {root_name(second): fingerprint_of(struct_for(second))}
    source.close()
    with Session(path) as session:
        session.root(first).items[7].n = -2
        with pytest.raises(parcode_orm.DowngradeError):
            session.commit()


@half()
@given(objects(), st.randoms(use_true_random=False))
def test_fields_added_removed_and_moved(obj: Model, random: Any) -> None:
    """What is the same under another schema is read the same, lazily and whole, and looking changes nothing."""
    cls: Any = type(obj)
    names = list(cls.model_fields)
    gone = random.choice(names)
    kept = [name for name in names if name != gone]
    random.shuffle(kept)
    body: dict[str, Any] = {"__annotations__": {}, "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    for name in kept:
        info = cls.model_fields[name]
        body["__annotations__"][name] = info.annotation
        body[name] = info
    body["__annotations__"]["brand_new"] = list[int]
    body["brand_new"] = [1]
    config = ConfigDict(arbitrary_types_allowed=True, extra=cls.model_config.get("extra"))
    made: Any = type(Model)(cls.__name__, (Model,), {**body, "model_config": config})
    made.model_rebuild(_types_namespace={cls.__name__: made})
    data = parcode_orm.dumps(obj)
    whole = parcode_orm.loads(data, made)
    with Session.open(data) as session:
        lazy = session.root(made)
        for found in (whole, lazy.model_load()):
            assert found.brand_new == [1] and "brand_new" not in found.model_fields_set
            assert found.model_fields_set - {gone} == obj.model_fields_set & set(kept) | (
                (obj.model_fields_set - set(names)) if (obj.model_extra or obj.model_fields_set - set(names)) else set()
            )
            for name in kept:
                if name == "kids":
                    continue
                assert (name in found.__dict__) == (name in obj.__dict__)
                if name in obj.__dict__:
                    assert same(found.__dict__[name], obj.__dict__[name])
            if cls.model_config.get("extra") == "allow" and gone in obj.__dict__ and gone != "kids":
                assert gone in found.model_extra


def test_a_few_rows_of_many_fields_stored_one_by_one(tmp_path: Path) -> None:
    """Fields that are gone, of any type, and fields that are marked now."""
    path = tmp_path / "a.par"
    many = {f"n{n}": int for n in range(30)}
    old = model("Item", {**many, "gone": Any, "rows": list[int]}, BaseModel)
    world = model("World", {"items": list[old]})
    numbers = {f"n{n}": n for n in range(30)}
    save(path, world(items=[old(**numbers, gone={"a": 1}, rows=[1, 2])]))
    new = model("Item", {**many, "rows": list[int]}, rows=Chunk())
    world = model("World", {"items": list[new]})
    assert parcode_orm.load(path, world) == world(items=[new(**numbers, rows=[1, 2])])
    with Session(path) as session:
        session.root(world).items[0].rows.append(3)
        session.commit()
    assert parcode_orm.load(path, world).items[0].rows == [1, 2, 3]
