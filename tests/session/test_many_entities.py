"""Entities that come by many: lists and iterators store what adding them one by one stores, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import DetachedError, Index, IntegrityError, Key, Model, select, verify
from parcode_orm.session.entity import changes, indexes, unique
from tests.effort import half
from tests.small import tuned

pytestmark = pytest.mark.once
Small = tuned().Session


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "many.par"


class Item(Model):
    id: int = Key()
    code: str | None = Index(None, unique=True)
    score: float | None = Index(None)
    tags: list[int] = []


class Numbered(Model):
    id: int = Key(default=None, auto=True)
    code: str | None = Index(None, unique=True)


ITEM = st.tuples(
    st.integers(0, 30),
    st.none() | st.sampled_from("abcdefghijklmnopqrstuvwxyz"),
    st.none() | st.floats(allow_nan=True, width=16),
)
STEP = st.tuples(
    st.sampled_from(["list", "iterator", "replace"]), st.lists(ITEM, max_size=14), st.sets(st.integers(0, 30))
)
Rows = dict[int, tuple[str | None, float | None]]


def stored_as(state: Rows, items: list[tuple[int, Any, Any]], *, replace: bool) -> Rows | None:
    """The rows when `items` are added to `state`; None where a key comes twice."""
    found = dict(state)
    for key, code, score in items:
        if key in found and not replace:
            return None
        found[key] = code, score
    return found


def is_unique(rows: Rows) -> bool:
    codes = [code for code, _ in rows.values() if code is not None]
    return len(codes) == len(set(codes))


def read(session: Any) -> Rows:
    return {each.id: (each.code, each.score) for each in session.scalars(select(Item)).all()}


def alike(one: Rows, other: Rows) -> bool:
    return {key: repr(row) for key, row in one.items()} == {key: repr(row) for key, row in other.items()}


@half()
@given(st.lists(STEP, max_size=5), st.sampled_from([3, 1_000]))
def test_what_is_added_by_many_is_what_one_by_one_would_be(steps: Any, in_memory: int) -> None:
    """Entries of indexes leave memory if they are more than `in_memory`."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (unique, indexes):
            patch.setattr(module, "IN_MEMORY", in_memory)
        patch.setattr(changes, "AT_ONCE", 4)
        with Small(":memory:") as session:
            known: Rows = {}
            for way, items, gone in steps:
                for key in gone & known.keys():
                    session.delete(session.get_one(Item, key))
                left = {key: row for key, row in known.items() if key not in gone}
                made = [Item(id=key, code=code, score=score) for key, code, score in items]
                replace = way == "replace"
                expected = stored_as(left, items, replace=replace)
                try:
                    session.add_all(iter(made) if way == "iterator" else made, replace=replace)
                except IntegrityError:
                    assert expected is None
                    expected = left
                assert expected is not None
                assert alike(read(session), expected)
                try:
                    session.commit()
                    assert is_unique(expected)
                    known = expected
                except IntegrityError:
                    assert not is_unique(expected)
                    session.rollback()
                assert alike(read(session), known)
                check(session, known)


def check(session: Any, known: Rows) -> None:
    """Both indexes find what they should."""
    for key, (code, score) in known.items():
        if code is not None:
            assert session.scalars(select(Item).where(Item.code == code)).one().id == key
        if score is not None:
            assert (
                key in [each.id for each in session.scalars(select(Item).where(Item.score == score))] or score != score
            )


@pytest.mark.parametrize("as_iterator", [False, True])
def test_many_objects_are_attached_after_the_commit_and_their_changes_are_stored(path: Path, as_iterator: bool) -> None:
    items = [Item(id=n, code=str(n), score=n % 7, tags=[n]) for n in range(9_000)]
    with Small(path) as session:
        session.add_all(iter(items) if as_iterator else items)
        session.commit()
        for n in (0, 4_500, 8_999):
            found = session.get_one(Item, n)
            assert (found is items[n]) is not as_iterator
            found.tags.append(-n)
            found.score = 99.0
        session.commit()
        assert [each.id for each in session.scalars(select(Item).where(Item.score == 99.0))] == [0, 4_500, 8_999]
        assert session.scalars(select(Item).where(Item.code == "4500")).one().tags == [4_500, -4_500]
    with Small(path) as session:
        assert session.get_one(Item, 8_999).tags == [8_999, -8_999]
    assert verify(path).ok


def test_an_object_that_comes_twice_is_added_once(path: Path) -> None:
    with Small(path) as session:
        one, other = Numbered(), Numbered()
        session.add_all([one, other, one])
        assert (one.id, other.id) == (1, 2)
        session.commit()
        assert len(session.scalars(select(Numbered)).all()) == 2


def test_a_key_that_comes_twice_names_the_key_and_stores_nothing(path: Path) -> None:
    with Small(path) as session:
        session.add_all([Item(id=n) for n in range(20)])
        session.commit()
        for items in ([Item(id=30), Item(id=31), Item(id=30)], [Item(id=30), Item(id=7)]):
            with pytest.raises(IntegrityError, match=f"another Item has the key id={items[-1].id}"):
                session.add_all(items)
            assert not session.new
        session.add_all([Item(id=40, code="a"), Item(id=41, code="b"), Item(id=42, code="a")])
        with pytest.raises(IntegrityError, match=r"Item\.code: 'a' is the value of two objects, id=40 and id=42"):
            session.commit()
        assert len(session.new) == 3


@pytest.mark.parametrize("stored", [False, True])
def test_a_unique_value_that_comes_twice_among_very_many_names_both(
    path: Path, monkeypatch: pytest.MonkeyPatch, stored: bool
) -> None:
    for module in (unique, indexes):
        monkeypatch.setattr(module, "IN_MEMORY", 100)
    with Small(path) as session:
        session.add_all(Item(id=n, code=f"c{n}", score=n % 7) for n in range(50))
        session.commit()
        other = "c7" if stored else "c200"
        session.add_all(Item(id=n, code=other if n == 5_500 else f"c{n}", score=n % 7) for n in range(100, 6_000))
        twice = rf"Item\.code: '{other}' is the value of two objects, id={other[1:]} and id=5500"
        for _ in range(2):
            with pytest.raises(IntegrityError, match=twice):
                session.commit()
        session.get_one(Item, 5_500).code = "free"
        session.commit()
        assert [each.id for each in session.scalars(select(Item).where(Item.code == other))] == [int(other[1:])]
        assert len(session.scalars(select(Item).where(Item.score == 3)).all()) == len(
            [n for n in (*range(50), *range(100, 6_000)) if n % 7 == 3]
        )
    assert verify(path, models=[Item]).ok


def test_numbers_rise_above_the_keys_that_are_given(path: Path) -> None:
    with Small(path) as session:
        made = [Numbered(), Numbered(id=7), Numbered(), Numbered(id=3)]
        session.add_all(made)
        assert [each.id for each in made] == [8, 7, 9, 3]
        session.rollback()
        assert [each.id for each in made] == [None, 7, None, 3]


def test_a_streamed_object_of_a_file_without_a_commit_leaves_the_session_in_a_rollback(path: Path) -> None:
    """It was still taken for an object of the session."""
    with Small(path) as session:
        session.add_all(Numbered() for _ in range(9_000))
        found = session.get_one(Numbered, 1)
        assert found in session
        session.rollback()
        assert found not in session and session.get(Numbered, 1) is None
        with pytest.raises(DetachedError):
            found.code = "a"
        session.add(Numbered())
        session.commit()
        assert session.get_one(Numbered, 1) is not found
