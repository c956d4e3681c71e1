"""Random changes of related classes: a commit stores what the rules in plain Python give, or nothing at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from parcode_orm import IntegrityError, Ref, Session, delete, select, update, verify
from tests.effort import half
from tests.session.rules import CLASSES, Desk, Flight, Note, Plane, Port, Refused, State, committed, links_of
from tests.small import tuned

pytestmark = pytest.mark.once

Small = tuned().Session
STORED = st.integers(0, 3)  # at first
KEYS = STORED | STORED | STORED | st.integers(4, 5)
OPTIONAL = st.none() | KEYS
FEW = st.none() | st.none() | STORED
NAMES = st.sampled_from("ab")
NOTES = st.none() | st.tuples(OPTIONAL, OPTIONAL)


def note(given: tuple[int | None, int | None] | None) -> Note | None:
    return None if given is None else Note(port=given[0], plane=given[1])


VALUES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "Port": st.fixed_dictionaries({}, optional={"near": OPTIONAL}),
    "Plane": st.fixed_dictionaries(
        {}, optional={"home": OPTIONAL, "pair": OPTIONAL, "seen": st.lists(KEYS, max_size=3)}
    ),
    "Flight": st.fixed_dictionaries(
        {}, optional={"plane": OPTIONAL, "note": NOTES.map(note), "also": st.dictionaries(NAMES, KEYS)}
    ),
}
DESK = st.fixed_dictionaries(
    {},
    optional={
        "planes": st.dictionaries(NAMES, KEYS),
        "first": OPTIONAL,
        "ports": st.lists(KEYS, max_size=4),
        "notes": st.dictionaries(NAMES, NOTES.map(lambda given: note(given) or Note())),
    },
)
FIRST = [
    st.tuples(st.just(called), st.just(key), values)
    for called, values in {
        "Port": st.fixed_dictionaries({"near": FEW}),
        "Plane": st.fixed_dictionaries({"home": FEW, "pair": FEW, "seen": st.lists(STORED, max_size=3)}),
        "Flight": st.fixed_dictionaries({"plane": FEW, "also": st.dictionaries(NAMES, STORED)}),
    }.items()
    for key in range(4)
]
CALLED = st.sampled_from(list(CLASSES))
ROWS = CALLED.flatmap(lambda called: st.tuples(st.just(called), KEYS, VALUES[called]))
STEP = st.one_of(
    st.tuples(st.just("add"), ROWS),
    st.tuples(st.just("add"), ROWS),
    st.tuples(st.just("stream"), st.lists(ROWS, max_size=6)),
    st.tuples(st.just("change"), ROWS),
    st.tuples(st.just("update"), st.tuples(KEYS, OPTIONAL)),
    st.tuples(st.just("delete"), st.tuples(CALLED, KEYS)),
    st.tuples(st.just("delete all"), st.tuples(CALLED, st.sets(KEYS))),
    st.tuples(st.just("move"), st.tuples(CALLED, KEYS, KEYS)),
    st.tuples(st.just("swap"), st.tuples(CALLED, KEYS, KEYS)),
    st.tuples(st.just("desk"), DESK),
    st.tuples(st.sampled_from(["savepoint", "back"]), st.none()),
    st.tuples(st.just("delete"), st.tuples(CALLED, STORED)),
    st.tuples(st.sampled_from(["commit", "commit", "rollback", "reopen", "flush"]), st.none()),
    st.tuples(st.just("commit"), st.none()),
)


class Run:
    """A session beside the state that the rules give."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.session: Session = Small(path)
        self.stored: State = {}
        self.held: list[Any] = []
        self.savepoints: list[Any] = []
        self.aside = False  # whether rows left memory since the last commit

    def rows(self, called: str) -> dict[int, Any]:
        """The entities of a class, by the keys under which the session knows them."""
        found = self.session.execute(select(CLASSES[called].id).select_from(CLASSES[called])).all()
        keys = [key for key in range(6) if self.session.get(CLASSES[called], key) is not None]
        assert len(keys) == len(found)
        return {key: self.session.get_one(CLASSES[called], key) for key in keys}

    def state(self) -> tuple[State, dict[tuple[str, int], int]]:
        """The references that the session has now, and the keys that its entities are to have."""
        now: State = {}
        moves = {}
        for called in CLASSES:
            for key, obj in self.rows(called).items():
                now[called, key] = links_of(obj)
                moves[called, key] = obj.id
        if Desk in self.session:
            now["Desk", 0] = links_of(self.session.root(Desk))
        return now, moves

    def do(self, step: str, given: Any) -> None:
        getattr(self, step.replace(" ", "_"))(given)

    def add(self, given: Any) -> None:
        called, key, values = given
        self.session.add(CLASSES[called](id=key, **values), replace=True)

    def stream(self, given: Any) -> None:
        self.aside = True
        for called in CLASSES:
            rows = {key: CLASSES[called](id=key, **values) for name, key, values in given if name == called}
            self.session.add_all(iter(rows.values()), replace=True)

    def change(self, given: Any) -> None:
        called, key, values = given
        obj = self.session.get(CLASSES[called], key)
        for name, value in values.items() if obj is not None else ():
            setattr(obj, name, value)
        self.held.append(obj)

    def update(self, given: Any) -> None:
        old, new = given
        self.aside = True
        self.session.execute(update(Flight).where(Flight.plane == old).values(plane=new))

    def delete(self, given: Any) -> None:
        self.delete_all((given[0], {given[1]}))

    def delete_all(self, given: Any) -> None:
        cls, keys = CLASSES[given[0]], given[1]
        self.session.execute(delete(cls).where(cls.id.in_(keys)))

    def move(self, given: Any) -> None:
        called, old, new = given
        obj = self.session.get(CLASSES[called], old)
        if obj is not None:
            obj.id = new

    def swap(self, given: Any) -> None:
        called, one, other = given
        first, second = self.session.get(CLASSES[called], one), self.session.get(CLASSES[called], other)
        if first is not None and second is not None:
            first.id, second.id = other, one

    def desk(self, given: Any) -> None:
        if Desk not in self.session:
            self.session.add(Desk())
        for name, value in given.items():
            setattr(self.session.root(Desk), name, value)

    def savepoint(self, _: Any) -> None:
        self.savepoints.append((self.session.begin_nested(), self.state()))

    def back(self, _: Any) -> None:
        if self.savepoints:
            savepoint, before = self.savepoints.pop()
            if savepoint.is_active:
                savepoint.rollback()
                assert self.state() == before

    def flush(self, _: Any) -> None:
        before = self.state()
        try:
            committed(self.stored, *before)
        except Refused as problem:
            if self.aside and str(problem) == "dangling":  # rows that left memory are not encoded
                return
            with pytest.raises(IntegrityError):
                self.session.flush()
        else:
            self.session.flush()
        assert self.state() == before

    def commit(self, _: Any) -> None:
        before = self.state()
        try:
            expected = committed(self.stored, *before)
        except Refused as problem:
            event(str(problem))
            with pytest.raises(IntegrityError):
                self.session.commit()
            assert self.state() == before  # nothing was stored, and all is as it was
            return
        for key, links in before[0].items():
            if key not in expected:
                event("cascaded")
            elif links != expected[key]:
                event("taken out")
        self.session.commit()
        self.stored, self.aside = expected, False
        assert self.state()[0] == expected

    def rollback(self, _: Any) -> None:
        self.session.rollback()
        self.aside = False
        assert self.state()[0] == self.stored

    def reopen(self, _: Any) -> None:
        self.session.close()
        self.held.clear()
        self.aside = False
        self.session = Small(self.path)
        assert self.state()[0] == self.stored


@half()
@given(st.tuples(*FIRST), st.lists(STEP, min_size=3, max_size=16))
def test_a_commit_stores_what_the_rules_give(
    tmp_path_factory: pytest.TempPathFactory, first: tuple[Any, ...], steps: list[Any]
) -> None:
    path = tmp_path_factory.getbasetemp() / f"{uuid4()}.par"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("parcode_orm.session.entity.changes.AT_ONCE", 3)
        run = Run(path)
        run.session.add_all([CLASSES[called](id=key, **values) for called, key, values in first])
        run.commit(None)
        for step, given in [*steps, ("commit", None), ("rollback", None), ("reopen", None)]:
            run.do(step, given)
        run.session.close()
    if path.exists():
        assert verify(path, models=[Port, Plane, Flight, Desk]).ok
        path.unlink()


def test_the_rules_of_the_test_know_references() -> None:
    plane = Plane(id=1, home=2, pair=Ref(Plane, 3), seen=[4, 5])
    assert {name: link.keys for name, link in links_of(plane).items()} == {
        "home": {0: 2},
        "pair": {0: 3},
        "seen": {0: 4, 1: 5},
    }
