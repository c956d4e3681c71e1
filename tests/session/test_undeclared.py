"""Attributes of models that neither a field nor a private attribute declares: stored, or refused.

SDKs note on what they return where it came from (`response._request_id = "..."`), validators keep what they computed by
`object.__setattr__`. Pydantic puts both into the instance's dictionary, so copies and pickles have them; files did not.
"""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, PrivateAttr, RootModel, create_model

from parcode_orm import Chunk, EncodeError, Model, Session, ShardedMap, dumps, load, loads, save, verify
from tests.equality import same


class Plain(BaseModel):
    a: int = 0

    @cached_property
    def cached(self) -> int:
        return 5


class Private(BaseModel):
    a: int = 0
    _declared: int = PrivateAttr(default=1)


class Open(BaseModel):
    model_config = ConfigDict(extra="allow")


class Words(RootModel[list[str]]):
    pass


class Lazy(Model):
    a: int = 0
    parts: list[int] = Chunk(default=[])


class Box(Model):
    one: Any = None
    plain: Plain | None = None
    many: list[Lazy] = Chunk(default=[])
    by_key: dict[str, Lazy] = ShardedMap(default={})
    text: str = ""


def noted(obj: Any) -> Any:
    obj._request_id = "abc"
    object.__setattr__(obj, "notes", [1, {2}])
    return obj


Wide: Any = create_model("Wide", **{f"f{n}": (int | None, None) for n in range(60)})


@pytest.mark.parametrize("cls", [Plain, Private, Open, Words, Lazy, Wide], ids=lambda cls: cls.__name__)
def test_undeclared_attributes_come_back(cls: Any) -> None:
    class Holder(Model):
        one: cls
        many: list[cls] = Chunk()
        anything: Any = None

    def make() -> Any:
        return cls(["a"]) if cls is Words else cls()

    obj = Holder(one=noted(make()), many=[make(), noted(make())], anything=noted(make()))
    assert same(loads(dumps(obj), Holder), obj)
    with Session(dumps(obj)) as session:
        found = session.root(Holder)
        assert found.one._request_id == "abc" and found.many[1].notes == [1, {2}] and found.anything.notes == [1, {2}]
        assert "notes" in vars(found.one) and not hasattr(found.many[0], "notes")
        assert not session.dirty
        assert same(found.model_load(), obj)


def test_changes_of_undeclared_attributes_are_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    rows = [noted(Lazy(a=n)) if n % 2 else Lazy(a=n) for n in range(6)]
    save(path, Box(many=rows, by_key={"a": noted(Lazy())}))
    with Session(path) as session:
        box = session.root(Box)
        box.many[1].notes.append(3)
        box.many[0]._request_id = "new"
        box.many[3].a = 30
        box.by_key["a"]._request_id = "other"
        assert session.is_modified(box)
        session.commit()
        assert not session.dirty
        box.many[5]._request_id = "forgotten"
        session.rollback()
        assert box.many[5]._request_id == "abc"
    found = load(path, Box)
    assert [getattr(each, "_request_id", None) for each in found.many] == ["new", "abc", None, "abc", None, "abc"]
    assert found.many[1].notes == [1, {2}, 3] and found.many[3].a == 30 and found.many[3].notes == [1, {2}]  # type: ignore[attr-defined]
    assert found.by_key["a"]._request_id == "other"  # type: ignore[attr-defined]
    assert verify(path).ok


def test_an_added_object_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    lazy, box = noted(Lazy()), Box(text="old")
    box.many = [lazy]
    with Session(path) as session:
        session.add(box)
        session.commit()
        assert not session.dirty
        lazy.a = 4
        lazy._request_id = "def"
        box.text = "new"
        session.commit()
    found = load(path, Box).many[0]
    assert found.a == 4 and found._request_id == "def" and found.notes == [1, {2}]  # type: ignore[attr-defined]


def test_cached_values_are_none() -> None:
    plain = Plain()
    assert plain.cached == 5
    assert vars(loads(dumps(Box(plain=plain)), Box).plain) == {"a": 0}


@pytest.mark.parametrize("where", ["plain", "one"])
def test_what_cannot_be_stored_is_left_out_or_refused(where: str) -> None:
    plain = Plain()
    plain._lock = threading.Lock()  # type: ignore[attr-defined]
    plain._kept = 1  # type: ignore[attr-defined]
    found = getattr(loads(dumps(Box(**{where: plain})), Box), where)
    assert found._kept == 1 and not hasattr(found, "_lock")
    object.__setattr__(plain, "lock", threading.Lock())
    with pytest.raises(EncodeError, match=rf"^Box\.{where}\.lock: "):
        dumps(Box(**{where: plain}))


def test_a_parent_that_is_noted_is_left_out() -> None:
    class Node(BaseModel):
        kids: list[Node] = []

    class Tree(Model):
        node: Node

    node = Node(kids=[Node(), Node()])
    for kid in node.kids:
        kid._parent = node  # type: ignore[attr-defined]
    assert loads(dumps(Tree(node=node)), Tree).node == node


def test_the_path_of_an_attribute_that_cannot_be_stored_names_the_row_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save(path, Box(many=[Lazy(a=n) for n in range(5)]))
    with Session(path) as session:
        rows: Any = session.root(Box).many
        row = rows[3]
        object.__setattr__(row, "lock", threading.Lock())
        del rows[:3]
        with pytest.raises(EncodeError, match=r"Box\.many\[0\]\.lock"):
            session.commit()


def test_notes_that_a_library_makes_in_a_dump_are_not_stored(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save(path, Box(plain=Plain(a=1), many=[Lazy(a=1)], one=Plain(a=2)))
    with Session(path) as session:
        box = session.root(Box)
        for each in (box.plain, box.many[0], box.one):
            object.__setattr__(each, "__dumped_without__", True)
        assert not session.dirty
        box.text = "changed"
        session.commit()
    found = load(path, Box)
    assert found.text == "changed" and found.plain is not None
    assert not any("__dumped_without__" in vars(each) for each in (found.plain, found.many[0], found.one))


class Extended(Model):
    model_config = ConfigDict(extra="allow")
    a: int = 0


class Hidden(Model):
    a: int = 0
    _seen: int = PrivateAttr(default=0)


class Row(Model):
    a: int = 0
    text: str = ""


class Rows(Model):
    wide: list[Extended] = Chunk(default=[])
    hidden: list[Hidden] = Chunk(default=[])
    rows: list[Row] = Chunk(default=[])


def _hidden(seen: int) -> Hidden:
    found = Hidden(a=seen)
    found._seen = seen
    return found


def _gappy() -> Row:
    found = Row.model_construct(a=5)
    del found.__dict__["text"]
    object.__setattr__(found, "note", 6)
    return found


def test_new_objects_among_stored_rows_keep_what_they_have_beside_fields(tmp_path: Path) -> None:
    path = tmp_path / "r.par"
    plain = Rows(wide=[Extended(a=1)] * 3, hidden=[_hidden(0)] * 3, rows=[Row(a=1)] * 3)
    save(path, plain)
    with Session(path) as session:
        for root in (session.root(Rows), plain):
            root.wide.append(Extended.model_validate({"a": 2, "more": 7}))
            root.hidden.insert(1, _hidden(8))
            root.rows.append(noted(Row(a=3)))
            root.rows.append(_gappy())
        session.commit()
    with Session(path) as session:
        root = session.root(Rows)
        assert root.wide[3].model_extra == {"more": 7} and root.hidden[1]._seen == 8
        assert vars(root.rows[3].model_load())["notes"] == [1, {2}]
    assert same(load(path, Rows).rows[:4], plain.rows[:4])
    last = vars(load(path, Rows).rows[4])
    assert last["note"] == 6 and "text" not in last
