"""`verify(path, models=[...])` compares the indexes of entities with their rows; a forged index is told, or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Index, Key, Model, Session, any_, col, func, select, verify
from parcode_orm.errors import CorruptionError, SchemaMismatchError
from parcode_orm.session.entity import flush, indexes, queries
from parcode_orm.session.entity.changed import Changed, Entries

pytestmark = pytest.mark.once


class Home(Model):
    city: str | None = None


class Member(Model):
    id: int = Key(auto=True)
    name: str = Index(unique=True)
    level: int | None = None
    score: float | None = None
    home: Home | None = None
    tags: list[str] = Index(default=[])
    __indexes__ = (
        Index("level"),
        Index("level", "score"),
        Index("home.city"),
        Index("name", "level", unique=True),
    )


class World(Model):
    n: int = 0


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "SHARE", 1)
    monkeypatch.setattr(indexes, "STEP", 4)


def member(at: int) -> Member:
    score = float("nan") if at % 7 == 0 else at / 2
    home = Home(city=f"c{at % 5}") if at % 3 else None
    return Member(name=f"m{at}", level=at % 11 or None, score=score, home=home, tags=["a", f"t{at % 4}"])


def filled(path: Path) -> Path:
    with Session(path, durability="fast") as session:
        for start in range(0, 120, 30):
            session.add_all([member(at) for at in range(start, start + 30)])
            session.commit()
        for each in session.scalars(select(Member).where(Member.id < 20)):
            each.level = 5
            each.tags.append("more")
            each.home = None
        session.delete(session.get_one(Member, 50))
        session.commit()
    return path


def test_indexes_that_fit_their_rows_are_found_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path / "m.par")
    report = verify(path, models=[Member])
    assert report.ok, report
    assert verify(path.read_bytes(), models=[Member]).ok
    with path.open("rb") as file:
        assert verify(file, models=[Member]).ok
    monkeypatch.setattr("parcode_orm.inspector.indexes.AT_ONCE", 7)
    assert verify(path, models=[Member]).ok
    with Session(path) as session:
        session.compact()
    assert verify(path, models=[Member]).ok


INDEXES = ["name", "tags[]", "level", "level, score", "home.city", "name, level"]


@pytest.mark.parametrize("name", INDEXES)
@pytest.mark.parametrize("kind", ["stale", "forged"])
def test_an_index_that_does_not_fit_its_rows_is_told_with_class_value_and_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    path = filled(tmp_path / "m.par")
    real = Changed.of

    def of(self: Any, spec: Any) -> Iterator[tuple[Entries, Entries]]:
        for lost, got in real(self, spec):
            if spec.name != name:
                yield lost, got
            elif kind == "forged":
                yield lost, Entries(got.values, [77] * len(got.keys))

    with monkeypatch.context() as patch:
        patch.setattr(flush.Changed, "of", of)
        with Session(path) as session:
            one = session.get_one(Member, 60)
            one.name, one.level, one.score, one.home, one.tags = "new", 99, 0.5, Home(city="new"), ["new"]
            session.commit()
    assert verify(path).ok
    report = verify(path, models=[Member])
    assert {problem.where for problem in report.problems} == {f"index {name} of Member"}
    text = str(report)
    assert "the value of the Member id=60" in text
    told = {"level, score": "(99, 0.5)", "name, level": "('new', 99)", "level": "99"}.get(name, "'new'")
    assert f"it does not have {told}, the value of the Member id=60" in text
    if kind == "forged":
        assert f"it has {told} for the Member id=77, which has no such value" in text
    else:
        assert "for the Member id=60, which has no such value" in text
    assert all(problem.commit == 6 and problem.offset > 0 for problem in report.problems)


def test_a_key_that_is_not_that_of_its_row_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = filled(tmp_path / "m.par")
    with monkeypatch.context() as patch, Session(path) as session:
        patch.setattr(flush, "_move", lambda *args: False)
        session.get_one(Member, 60).id = 600
        session.get_one(Member, 61).id = 601
        session.commit()
    report = verify(path, models=[Member])
    assert {problem.where for problem in report.problems} == {"keys of Member"}
    assert [problem.what for problem in report.problems] == [
        "id=60 leads to an entity with id=600",
        "id=61 leads to an entity with id=601",
    ]


def test_no_more_than_ten_wrong_values_of_an_index_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(flush, "add_run", lambda *args: None)
        path = filled(tmp_path / "m.par")
    report = verify(path, models=[Member])
    named = [problem for problem in report.problems if problem.where == "index level of Member"]
    assert len(named) == 11
    assert any(problem.what.endswith("more of its values are wrong") for problem in named)


def forged(path: Path, monkeypatch: pytest.MonkeyPatch, **values: Any) -> Path:
    """A file whose runs of the index of levels are other than they should be."""
    real: Any = indexes.run_class

    def run_class(cls: Any, spec: Any) -> Any:
        found = real(cls, spec)
        if spec.name != "level":
            return found

        class Forged:
            @staticmethod
            def model_construct(entries: list[Any], fences: list[Any]) -> Any:
                changed = {name: change(entries, fences) for name, change in values.items()}
                return found.model_construct(**{"entries": entries, "fences": fences, **changed})

        return Forged

    with monkeypatch.context() as patch:
        patch.setattr(indexes, "run_class", run_class)
        return filled(path)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda entries, fences: fences[:-1], "entries has"),
        (lambda entries, fences: [*fences, 99], "entries has"),
        (lambda entries, fences: [], "has 0 fences"),
    ],
)
def test_a_run_with_more_or_fewer_fences_is_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, problem: str
) -> None:
    path = forged(tmp_path / "m.par", monkeypatch, fences=change)
    with Session.open(path) as session:
        with pytest.raises(CorruptionError, match=r"an index run of \d+ entries has \d+ fences"):
            session.scalars(select(Member).where(Member.level == 3)).all()
        assert session.scalar(select(func.count()).select_from(Member)) == 119
        assert session.get_one(Member, 3).name == "m2"
    report = verify(path, models=[Member])
    assert [each.where for each in report.problems] == ["index level of Member"] * len(report.problems)
    assert problem in str(report)


def test_fences_and_entries_that_are_not_those_of_their_run_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = forged(tmp_path / "fences.par", monkeypatch, fences=lambda entries, fences: fences[::-1])
    assert "the fences of a run are not the values of every 4th entry" in str(verify(path, models=[Member]))
    monkeypatch.setattr("parcode_orm.inspector.indexes.AT_ONCE", 7)
    assert "the fences of a run are not the values of every 4th entry" in str(verify(path, models=[Member]))
    path = forged(
        tmp_path / "entries.par",
        monkeypatch,
        entries=lambda entries, fences: entries[::-1],
        fences=lambda entries, fences: [value for value, *_ in entries[::-1][::4]],
    )
    assert "the entries of a run are not in the order of their values" in str(verify(path, models=[Member]))


def test_damage_is_reported_and_not_raised(tmp_path: Path) -> None:
    data = bytearray(filled(tmp_path / "m.par").read_bytes())
    for at in range(200, len(data), 997):
        damaged = data.copy()
        damaged[at] ^= 0x41
        try:
            report = verify(damaged, models=[Member])
        except SchemaMismatchError:
            raise AssertionError("damage was taken for another class") from None
        assert not verify(damaged).ok or report.ok


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    path = filled(tmp_path / "m.par")
    for wrong in (Path, "Member", int, None):
        with pytest.raises(
            TypeError, match=r"verify\(path, models=\[\.\.\.\]\) takes subclasses of parcode_orm\.Model"
        ):
            verify(path, models=[wrong])  # type: ignore[list-item]


def test_classes_without_entities_in_the_file_have_nothing_to_compare(tmp_path: Path) -> None:
    class Other(Model):
        id: int = Key(auto=True)
        x: int = Index(0)

    assert verify(filled(tmp_path / "m.par"), models=[Other, World, Member]).ok


def test_queries_answer_what_the_indexes_of_a_sound_file_say(tmp_path: Path) -> None:
    with Session.open(filled(tmp_path / "m.par")) as session:
        assert len(session.scalars(select(Member).where(any_(Member.tags, func.item() == "more"))).all()) == 19
        assert len(session.scalars(select(Member).where(col(Member.tags).contains("a"))).all()) == 119
