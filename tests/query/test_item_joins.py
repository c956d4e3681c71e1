"""Joins by lists of references, and along a `Backref`: they find what nested loops in Python find."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import (
    Backref,
    Index,
    Key,
    Model,
    Ref,
    Session,
    aliased,
    func,
    select,
)
from parcode_orm.query.joins import hash_join as joined
from tests.query.test_random import tries

pytestmark = pytest.mark.once


class Tag(Model):
    name: str = Key()
    weight: int = 0
    posts: Sequence[Post] = Backref("tags")
    first: Sequence[Post] = Backref("main")


class Place(Model):
    """Its key has two fields."""

    town: str = Key()
    number: int = Key()
    posts: Sequence[Post] = Backref("places")


class Post(Model):
    id: int = Key(default=None, auto=True)
    main: Ref[Tag] | None = Index(default=None)
    tags: list[Ref[Tag]] = Index(default=[])
    places: set[Ref[Place]] | None = None
    words: tuple[str, ...] | None = ()
    parent: Ref[Post] | None = None
    answers: Sequence[Post] = Backref("parent")


NAMES = ["a", "b", "c", "a longer name", "ä"]
PLACES = [("x", 1), ("x", 2), ("y", 1)]
names = st.sampled_from(NAMES)
posts = st.builds(
    dict,
    main=st.none() | names,
    tags=st.lists(names, max_size=4),
    places=st.none() | st.sets(st.sampled_from(PLACES)),
    words=st.none() | st.lists(names, max_size=3),
    parent=st.none() | st.just(1),
)


def filled(draw: Any) -> tuple[Session, list[Post], list[Tag], list[Place]]:
    """A session with random rows, some of them not committed."""
    session = Session(":memory:")
    tags = [Tag(name=name, weight=weight) for weight, name in enumerate(NAMES)]
    places = [Place(town=town, number=number) for town, number in PLACES]
    session.add_all([*tags, *places, Post()])
    session.add_all(Post(**each) for each in draw(st.lists(posts, max_size=6)))
    session.commit()
    session.add_all(Post(**each) for each in draw(st.lists(posts, max_size=2)))
    return session, session.scalars(select(Post)).all(), tags, places


def keys(of: Any) -> set[Any]:
    return {each.key for each in of or ()}


@tries
@given(st.data())
def test_lists_of_references_are_joined_by_their_items(data: st.DataObject) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joined, "PAIRS", data.draw(st.sampled_from([1, 3, 1 << 20])))
        session, rows, tags, places = filled(data.draw)
        pairs = sorted((tag.name, post.id) for tag in tags for post in rows if tag.name in keys(post.tags))
        for statement in (
            select(Tag.name, Post.id).join(Tag.posts),
            select(Tag.name, Post.id).join(Post.tags),
            select(Tag.name, Post.id).select_from(Post).join(Post.tags),
            select(Tag.name, Post.id).join(Post, Post.tags.contains(Tag.name)),  # type: ignore[attr-defined]
            select(Tag.name, Post.id).where(Post.tags.contains(Tag.name)),  # type: ignore[attr-defined]
        ):
            assert sorted(session.execute(statement)) == pairs, statement
        alone = [(tag.name, None) for tag in tags if not any(tag.name in keys(post.tags) for post in rows)]
        found = session.execute(select(Tag.name, Post.id).outerjoin(Tag.posts)).all()
        assert sorted(found, key=repr) == sorted([*pairs, *alone], key=repr)
        heavy = select(Tag.name, Post.id).join(Tag.posts).where(Tag.weight > 1, Post.id > 2)
        assert sorted(session.execute(heavy)) == [
            (name, number) for name, number in pairs if NAMES.index(name) > 1 and number > 2
        ]
        some = [
            (post.id, place.number)
            for post in rows
            for place in places
            if (place.town, place.number) in keys(post.places)
        ]
        assert sorted(session.execute(select(Post.id, Place.number).join(Place.posts))) == sorted(some)
        words = [(post.id, tag.name) for post in rows for tag in tags if tag.name in (post.words or ())]
        both = select(Post.id, Tag.name).join(Tag, Post.words.contains(Tag.name))  # type: ignore[union-attr]
        assert sorted(session.execute(both)) == sorted(words)
        counts = select(Tag.name, func.count()).join(Tag.posts).group_by(Tag.name)
        assert dict(map(tuple, session.execute(counts))) == {
            name: sum(each == name for each, _ in pairs) for name, _ in pairs
        }


@tries
@given(st.data())
def test_a_backref_of_one_reference_is_joined(data: st.DataObject) -> None:
    session, rows, tags, _ = filled(data.draw)
    pairs = sorted((tag.name, post.id) for tag in tags for post in rows if post.main and post.main.key == tag.name)
    assert sorted(session.execute(select(Tag.name, Post.id).join(Tag.first))) == pairs
    other = aliased(Post, "other")
    assert sorted(session.execute(select(Tag.name, other.id).join(other, Tag.first))) == pairs
    answers = sorted((1, post.id) for post in rows if post.parent)
    assert sorted(session.execute(select(Post.id, other.id.label("answer")).join(other, Post.answers))) == answers  # type: ignore[attr-defined]


def test_a_plan_says_by_which_items() -> None:
    with Session(":memory:") as session:
        session.add_all([Tag(name="a"), Post(tags=["a"])])
        session.commit()
        plan = str(session.explain(select(Tag.name, Post.id).join(Tag.posts)))
    assert "by the items of Post.tags" in plan and "each with each" not in plan
