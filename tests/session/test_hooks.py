"""`session.on`: what is called before and after commits and rollbacks, and what such a function may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import (
    Chunk,
    ClosedError,
    ConflictError,
    Key,
    Model,
    Session,
    SessionError,
    delete,
    update,
)
from parcode_orm.session.hooks import EVENTS


class Player(Model):
    id: int = Key(auto=True)
    level: int = 0
    seen: int = 0


class Log(Model):
    lines: list[str] = Chunk(default_factory=list)


@pytest.fixture
def session() -> Iterator[Session]:
    with Session(":memory:") as session:
        session.add_all([Player(level=n) for n in range(20)])
        session.add(Log())
        session.commit()
        yield session


def noted(session: Session) -> list[str]:
    """The events of a session, as they come."""
    met: list[str] = []
    for event in EVENTS:
        session.on(event, lambda session, event=event: met.append(event))  # type: ignore[misc]
    return met


def test_events_come_in_order_with_the_session(session: Session) -> None:
    met: list[tuple[str, Session, int]] = []

    def note(event: str) -> Callable[[Session], None]:
        def called(session: Session) -> None:
            assert session.snapshot is not None
            met.append((event, session, session.snapshot.sequence))

        return called

    for event in EVENTS:
        assert callable(session.on(event, note(event)))
    session.get_one(Player, 1).level = 50
    session.commit()
    session.rollback()
    assert met == [("before_commit", session, 1), ("after_commit", session, 2), ("after_rollback", session, 2)]


def test_a_commit_without_changes_has_no_event_after_it(session: Session) -> None:
    met = noted(session)
    session.commit()
    session.flush()
    assert met == ["before_commit"]


@pytest.mark.parametrize("statement", [update(Player).values(level=9), delete(Player)])
def test_bulk_statements_are_changes(session: Session, statement: Any) -> None:
    met = noted(session)
    assert session.execute(statement) == 20
    session.commit()
    assert met == ["before_commit", "after_commit"]


def test_what_is_changed_before_the_commit_is_stored(tmp_path: Path) -> None:
    with Session(tmp_path / "game.par") as session:

        @session.on("before_commit")
        def stamp(session: Session) -> None:
            for obj in session.dirty:
                if isinstance(obj, Player):
                    obj.seen += 1
            for obj in session.new:
                if isinstance(obj, Player):
                    obj.seen = 100
            if Log not in session:
                session.add(Log())
            session.root(Log).lines.append(f"{len(session.new)} new, {len(session.deleted)} deleted")
            session.execute(update(Player).where(Player.level == 3).values(seen=7))

        session.add_all([Player(level=n) for n in range(5)])
        session.commit()
        session.delete(session.get_one(Player, 1))
        session.get_one(Player, 2).level = 50
        session.commit()
    with Session.open(tmp_path / "game.par") as session:
        seen = {key: player.seen for key in range(1, 7) if (player := session.get(Player, key)) is not None}
        assert seen == {2: 101, 3: 100, 4: 7, 5: 100}
        assert list(session.root(Log).lines) == ["6 new, 0 deleted", "0 new, 1 deleted"]


def test_an_exception_before_the_commit_stores_nothing(session: Session) -> None:
    later: list[object] = []

    def refuse(session: Session) -> None:
        raise ValueError("no")

    session.on("before_commit", refuse)
    session.on("before_commit", later.append)
    session.on("after_commit", later.append)
    player = session.get_one(Player, 1)
    player.level = 50
    with session.begin_nested() as savepoint:
        with pytest.raises(ValueError, match="no") as caught:
            session.commit()
        assert not hasattr(caught.value, "__notes__") and savepoint.is_active
    assert not later and player in session.dirty
    session.off("before_commit", refuse)
    session.commit()
    assert len(later) == 2 and not session.dirty


def test_an_exception_after_the_commit_says_that_it_is_stored(tmp_path: Path) -> None:
    later: list[object] = []
    with Session(tmp_path / "game.par") as session:

        @session.on("after_commit")
        def fail(session: Session) -> None:
            raise ValueError("no mail")

        session.on("after_commit", later.append)
        session.add(Player(level=1))
        with pytest.raises(ValueError, match="no mail") as caught:
            session.commit()
        assert caught.value.__notes__ == [
            "commit 1 is stored: a function called at after_commit raised this; those registered behind it were not "
            "called"
        ]
        assert not session.new and not later
        session.commit()  # nothing is left to store
        session.get_one(Player, 1).level = 2
        session.off("after_commit", fail)
        session.commit()
        assert later == [session]
    with Session.open(tmp_path / "game.par") as session:
        assert session.get_one(Player, 1).level == 2


@pytest.mark.parametrize("event", EVENTS)
@pytest.mark.parametrize(
    "call",
    [
        Session.commit,
        Session.rollback,
        Session.close,
        Session.refresh,
        Session.begin_nested,
        Session.compact,
        lambda session: session.revert(1),
        lambda session: session.attempts(),
    ],
)
def test_a_function_does_not_commit_roll_back_or_close(
    session: Session, event: Any, call: Callable[[Session], object]
) -> None:
    caught: list[SessionError] = []

    def again(session: Session) -> None:
        session.get_one(Player, 1).level = 70
        with pytest.raises(SessionError) as problem:
            call(session)
        caught.append(problem.value)

    session.on(event, again)
    session.get_one(Player, 2).level = 60
    if event == "after_rollback":
        session.rollback()
    else:
        session.commit()
    assert len(caught) == 1 and f"by a function that this session calls at {event}" in str(caught[0])
    session.off(event, again)
    session.commit()
    assert session.get_one(Player, 1).level == 70


def test_functions_come_and_go(session: Session) -> None:
    met: list[str] = []

    def once(session: Session) -> None:
        met.append("once")
        session.off("before_commit", once)
        session.on("before_commit", late)

    def late(session: Session) -> None:
        met.append("late")

    assert session.on("before_commit")(once) is once
    assert session.on("before_commit", once) is once
    session.commit()
    session.commit()
    assert met == ["once", "late"]


def test_bad_arguments(session: Session) -> None:
    with pytest.raises(ValueError, match=r"on\(event, function\): event is one of before_commit, .*, not 'commit'"):
        session.on("commit")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="takes the session, and"):
        session.on("after_commit", 3)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="is not registered for this event"):
        session.off("after_commit", print)
    session.close()
    with pytest.raises(ClosedError):
        session.on("after_commit", print)


def test_the_code_of_streams_may_register_and_change_nothing(session: Session) -> None:
    met: list[str] = []

    def lines() -> Iterator[str]:
        yield "a"
        session.on("after_commit", lambda session: met.append("after"))
        yield "b"

    session.root(Log).lines = lines()  # type: ignore[assignment]
    session.commit()
    assert met == ["after"]

    def meddling() -> Iterator[str]:
        yield "a"
        session.get_one(Player, 1).level = 90

    session.root(Log).lines = meddling()  # type: ignore[assignment]
    with pytest.raises(SessionError, match="changed what is written"):
        session.commit()
    assert met == ["after"]


def test_savepoints_have_no_events(session: Session) -> None:
    met = noted(session)
    with pytest.raises(KeyError), session.begin_nested():
        session.get_one(Player, 1).level = 50
        raise KeyError
    with session.begin_nested():
        session.get_one(Player, 1).level = 51
    assert met == []


def test_conflicts_and_attempts(tmp_path: Path) -> None:
    path = tmp_path / "game.par"
    with Session(path) as session, Session(path) as other:
        session.add(Player(level=1))
        session.commit()
        met = noted(session)
        other.refresh()
        other.get_one(Player, 1).level += 1
        other.commit()
        session.get_one(Player, 1).level += 1
        with pytest.raises(ConflictError):
            session.commit()
        assert met == ["before_commit"]
        session.rollback()
        assert met == ["before_commit", "after_rollback"]
        other.get_one(Player, 1).level += 1
        other.commit()
        met.clear()
        for attempt in session.attempts():
            with attempt:
                session.get_one(Player, 1).level += 1
                session.commit()
        assert met == ["before_commit", "after_rollback", "before_commit", "after_commit"]
        assert session.get_one(Player, 1).level == 4


def test_a_revert_is_a_commit(session: Session) -> None:
    session.get_one(Player, 1).level = 50
    session.commit()
    met = noted(session)
    session.revert(1)
    assert met == ["after_commit"] and session.get_one(Player, 1).level == 0
    session.revert(1)
    assert met == ["after_commit"]


@given(st.lists(st.sampled_from(["change", "update", "commit", "rollback", "savepoint", "undo"]), max_size=12))
def test_events_of_any_sequence(steps: list[str]) -> None:
    """`after_commit` comes with each stored commit and no other, `before_commit` with each call."""
    with Session(":memory:") as session:
        session.add(Player(level=0))
        session.commit()
        met = noted(session)
        expected: list[str] = []
        stored = level = 0
        for step in steps:
            if step == "change":
                level += 1
                session.get_one(Player, 1).level = level
            elif step == "update":
                level += 1
                session.execute(update(Player).values(level=level))
            elif step == "commit":
                session.commit()
                expected += ["before_commit", "after_commit"] if level != stored else ["before_commit"]
                stored = level
            elif step == "rollback":
                session.rollback()
                expected.append("after_rollback")
                level = stored
            elif step == "savepoint":
                with session.begin_nested():
                    level += 1
                    session.get_one(Player, 1).level = level
            else:
                session.begin_nested().rollback()
            assert met == expected
