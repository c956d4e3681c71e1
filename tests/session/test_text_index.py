"""Text indexes say what plain Python says of the texts, whatever happened to the entities before."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from contextlib import nullcontext
from math import log
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import (
    Index,
    IntegrityError,
    Key,
    Model,
    Session,
    UnsupportedTypeError,
    delete,
    desc,
    func,
    recover,
    select,
    update,
    verify,
)
from parcode_orm.inspector import text_indexes
from parcode_orm.model.words import words_of
from parcode_orm.session.entity import text_merging, text_reader, text_runs
from parcode_orm.session.entity.tables import find_table
from parcode_orm.tuning import TUNING
from tests.effort import half
from tests.small import SMALL, small_caches, tuned

pytestmark = pytest.mark.once

WORDS = ["red", "Red", "wine", "WINES", "café", "cafe", "fox", "foxes", "über", "x", "naïve-ly", "Straße", "don't", ""]
texts = st.lists(st.sampled_from(WORDS), max_size=6).map(" ".join)
QUERIES = [
    "red",
    "red wine",
    "CAFE",
    "wi*",
    "fox OR red -wine",
    "fo* -foxes",
    "strasse x",
    "-red",
    "",
    "naive",
    "don't OR x -red -fox",
]


class Part(Model):
    note: str | None = None
    size: int = 0


class Note(Model):
    id: int = Key(default=None, auto=True)
    body: str | None = Index(None, text=True)
    tags: list[str] = Index(default=[], text=True)
    level: int = Index(0)
    part: Part | None = None
    __indexes__ = (Index("part.note", text=True), Index("body"))


FIELDS: dict[str, Any] = {
    "body": lambda each: each.body,
    "tags": lambda each: "\n".join(each.tags),
    "note": lambda each: None if each.part is None else each.part.note,
}


def field(cls: Any, name: str) -> Any:
    return cls.part.note if name == "note" else getattr(cls, name)


def has(words: Counter[str], term: str) -> int:
    """How often a text has a term of a query."""
    found = words_of(term)
    if term.endswith("*"):
        return min([*(words[each] for each in found[:-1]), sum(n for w, n in words.items() if w.startswith(found[-1]))])
    return min(words[each] for each in found)


def matched(query: str, text: str | None) -> bool:
    if text is None:
        return False
    words = Counter(words_of(text))
    for alternative in query.split("OR"):
        terms = alternative.split()
        wanted = [term for term in terms if not term.startswith("-")]
        if wanted and all(has(words, term) for term in wanted):
            if not any(has(words, term) for term in terms if term.startswith("-")):
                return True
    return False


def terms_of(query: str) -> list[tuple[str, bool]]:
    found: dict[tuple[str, bool], None] = {}
    for alternative in query.split("OR"):
        for term in alternative.split():
            if not term.startswith("-"):
                words = words_of(term)
                found.update(
                    {(word, at == len(words) - 1 and term.endswith("*")): None for at, word in enumerate(words)}
                )
    return list(found)


def plain_scores(query: str, every: list[str | None]) -> list[float]:
    """BM25 by its formula."""
    counted = [None if text is None else Counter(words_of(text)) for text in every]
    there = [words for words in counted if words is not None]
    mean = sum(words.total() for words in there) / max(len(there), 1)
    scores = [0.0] * len(every)
    for word, prefix in terms_of(query):
        times = [
            0 if words is None else sum(n for w, n in words.items() if w.startswith(word)) if prefix else words[word]
            for words in counted
        ]
        n = sum(map(bool, times))
        idf = log((len(there) - n + 0.5) / (n + 0.5))
        for at, tf in enumerate(times):
            words = counted[at]
            if tf and words is not None:
                length = 1 - 0.75 + 0.75 * words.total() / mean
                scores[at] += (idf if idf > 0 else 1e-6) * tf * (1.2 + 1) / (tf + 1.2 * length)
    return scores


def check(session: Session, queries: list[str], names: Iterable[str] = FIELDS, cls: Any = Note) -> None:
    """Queries over every field give what plain Python gives over the objects."""
    every = session.scalars(select(cls).order_by(cls.id)).all()
    plain = [(each.id, each.level, {name: read(each) for name, read in FIELDS.items()}) for each in every]
    del every
    for name in names:
        of = field(cls, name)
        for query in queries:
            wanted = [key for key, _, texts in plain if matched(query, texts[name])]
            found = session.scalars(select(cls.id).where(of.matches(query)).order_by(cls.id)).all()
            unordered = select(cls.id).where(of.matches(query))
            assert sorted(session.scalars(unordered)) == sorted(session.scalars(unordered).all()) == found
            assert found == wanted, (name, query)
            assert session.scalars(select(cls).where(of.matches(query))).count() == len(wanted)
            both = [key for key, level, texts in plain if level > 2 and matched(query, texts[name])]
            assert (
                session.scalars(select(cls.id).where(of.matches(query), cls.level > 2).order_by(cls.id)).all() == both
            )
            others = select(func.count()).select_from(cls).where(~of.matches(query))
            assert session.scalar(others) == len(plain) - len(wanted)
            scores = plain_scores(query, [texts[name] for _, _, texts in plain])
            score = of.bm25(query).label("score")
            rows = session.execute(select(cls.id, score).order_by(cls.id)).all()
            assert [row.score for row in rows] == pytest.approx(scores, abs=1e-9), (name, query)
            by_id = {row.id: row.score for row in rows}
            best = select(cls.id, score).where(of.matches(query)).order_by(desc(of.bm25(query)), cls.id).limit(3)
            first = sorted([(key, by_id[key]) for key in wanted], key=lambda pair: (-pair[1], pair[0]))[:3]
            assert [tuple(row) for row in session.execute(best)] == first


def note(draw: Any, cls: Any = Note) -> Any:
    return cls(
        body=draw(st.none() | texts), tags=draw(st.lists(texts, max_size=2)), level=draw(st.integers(0, 4)),
        part=draw(st.none() | st.builds(Part, note=st.none() | texts)),
    )  # fmt: skip


def change(draw: Any, session: Session) -> None:
    for _ in range(draw(st.integers(1, 4))):
        known = session.scalars(select(Note)).all()
        kind = draw(st.integers(0, 9))
        if kind == 0 or not known:
            session.add_all([note(draw) for _ in range(draw(st.integers(1, 3)))])
            continue
        one = draw(st.sampled_from(known))
        if kind == 1:
            (session.expunge if one in session.new else session.delete)(one)
        elif kind == 2:
            one.id = -one.id
            session.flush()
        elif kind == 3:
            one.tags.append(draw(texts))
        elif kind == 4:
            one.part = Part(note=draw(texts)) if one.part is None else None
        elif kind == 5 and one.part is not None:
            one.part.note = draw(st.none() | texts)
        elif kind == 6:
            session.execute(update(Note).where(Note.level > 1).values(body=draw(texts)))
        elif kind == 7:
            session.execute(delete(Note).where(Note.body.matches(draw(st.sampled_from(QUERIES)))))
        elif kind == 8:
            one.level += 1
        else:
            one.body = draw(st.none() | texts)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs have fences in them, leave memory, and are read in parts; a commit has several."""
    for module in (text_runs, text_reader, text_indexes):
        monkeypatch.setattr(module, "STEP", 3)
    monkeypatch.setattr(text_runs, "LONG", 12)
    monkeypatch.setattr(text_runs, "IN_MEMORY", 20)
    monkeypatch.setattr(text_merging, "AT_ONCE", 40)
    monkeypatch.setattr(text_merging, "FEW", 3)


@half(40)
@given(st.data())
def test_any_entities_after_any_changes(tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "any.par"
    path.unlink(missing_ok=True)
    draw = data.draw
    small = draw(st.booleans())
    queries = draw(st.lists(st.sampled_from(QUERIES), min_size=2, max_size=2))
    with small_caches() if small else nullcontext():
        with tuned(SMALL if small else TUNING).Session(path, durability="fast") as session:
            session.add_all([note(draw) for _ in range(draw(st.integers(1, 8)))])
            if draw(st.booleans()):
                check(session, queries)
            session.commit()
            for _ in range(draw(st.integers(0, 3))):
                edit(draw, session)
            check(session, queries)
            session.commit()
            if draw(st.booleans()):
                session.compact()
            check(session, queries)
        assert verify(path, models=[Note]).ok
        with Session.open(path) as session:
            check(session, queries)
            first = min(each.sequence for each in session.history())
        with Session.open(path, at=first) as session:
            check(session, queries)


def edit(draw: Any, session: Session) -> None:
    kind = draw(st.integers(0, 5))
    if kind < 4:
        session.commit()
        change(draw, session)
    elif kind == 4:
        with session.begin_nested() as saved:
            change(draw, session)
            if draw(st.booleans()):
                saved.rollback()
    else:
        session.rollback()


def test_a_stream_of_more_texts_than_are_sorted_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_runs, "IN_MEMORY", 4000)
    path = tmp_path / "a.par"
    random = Random(5)
    with tuned(TUNING).Session(path) as session:
        session.add_all(
            Note(body=" ".join(random.choices(WORDS, k=4)), tags=random.choices(WORDS, k=n % 3)) for n in range(4200)
        )
        assert "scan" in str(session.explain(select(Note).where(Note.body.matches("red"))))  # no index has them yet
        check(session, ["red wine"], ["body"])
        session.commit()
        assert "by the text index of body" in str(session.explain(select(Note).where(Note.body.matches("red"))))
        check(session, ["fo* -foxes"], ["body", "tags"])
        session.execute(update(Note).where(Note.id > 2000).values(body="wine and cheese"))
        check(session, ["cheese"], ["body"])
        session.execute(delete(Note).where(Note.body.matches("cheese -red"), Note.id > 3000))
        session.commit()
        check(session, ["cheese"], ["body"])
    assert verify(path, models=[Note]).ok


def test_one_changed_text_of_many_costs_little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    path = tmp_path / "a.par"
    random = Random(6)
    with Session(path) as session:
        session.add_all(Note(body=f"word{random.randrange(5000)} other{n} and red", level=n) for n in range(12_000))
        session.commit()
        for n in range(30):
            size = path.stat().st_size
            session.get_one(Note, random.randrange(1, 12_000)).body = f"changed {n}"
            session.commit()
            assert path.stat().st_size - size <= 64_000
        runs = find_table(session._work, Note).obj.text_body  # type: ignore[union-attr]
        assert 1 < len(runs) <= 8
        assert len(session.scalars(select(Note).where(Note.body.matches("changed"))).all()) == 30
        assert session.scalars(select(Note).where(Note.body.matches("red"))).count() == 11_970
    assert verify(path, models=[Note]).ok


def test_a_failed_commit_leaves_the_index_as_it_was(tmp_path: Path) -> None:
    class Unique(Model):
        id: int = Key(default=None, auto=True)
        body: str = Index(text=True)
        name: str = Index(unique=True)

    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add_all([Unique(body="red wine", name="a"), Unique(body="white wine", name="b")])
        session.commit()
        one, other = session.scalars(select(Unique)).all()
        one.body, other.name = "green tea", "a"
        with pytest.raises(IntegrityError):
            session.commit()
        assert session.scalars(select(Unique).where(Unique.body.matches("wine"))).all() == [other]
        other.name = "b"
        session.commit()
        assert session.scalars(select(Unique).where(Unique.body.matches("wine"))).all() == [other]
        one.body = "wine again"
        session.rollback()
        assert session.scalars(select(Unique).where(Unique.body.matches("tea"))).all() == [one]
    assert verify(path, models=[Unique]).ok


def test_words_by_other_rules_are_scanned_for_until_a_commit_builds_the_index_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add_all([Note(body="red wine"), Note(body="white wine")])
        session.commit()
    monkeypatch.setattr(text_runs, "VERSION", 2)
    monkeypatch.setattr(text_indexes, "VERSION", 2)
    red = select(Note).where(Note.body.matches("red"))
    with Session(path) as session:
        assert "text index" not in str(session.explain(red))
        assert "by version 1 of the rules for words" in str(verify(path, models=[Note]))
        check(session, ["red", "wine"])
        session.get_one(Note, 2).body = "red tea"
        session.commit()
        assert "by the text index of body: 2 rows" in str(session.explain(red))
        check(session, ["red", "wine"])


@pytest.mark.parametrize("field", ["entries", "spans", "lengths", "fences"])
def test_a_damaged_run_is_reported(tmp_path: Path, field: str) -> None:
    path = tmp_path / "a.par"
    with Session(path) as session:
        session.add_all([Note(body=f"red wine {n}") for n in range(30)])
        session.commit()
        run = find_table(session._work, Note).obj.text_body[0]  # type: ignore[union-attr]
        if field == "entries":
            run.entries[3] = (run.entries[3][0], b"\x7f\x01")
        elif field == "fences":
            run.fences.pop()
        else:
            setattr(run, field, getattr(run, field)[:-1])
        session.commit()
    report = verify(path, models=[Note])
    assert not report.ok and "index body of Note" in str(report)


def test_recover_builds_the_index_anew(tmp_path: Path) -> None:
    path, other = tmp_path / "a.par", tmp_path / "b.par"
    with Session(path) as session:
        session.add_all([Note(body=f"red wine {n}", part=Part(note="tea")) for n in range(300)])
        session.commit()
    recover(path, other)
    assert verify(other, models=[Note]).ok
    with Session.open(other) as session:
        assert "by the text index of body: 300 rows" in str(
            session.explain(select(Note).where(Note.body.matches("red")))
        )
        check(session, ["red wine", "tea"])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"body": (int, Index(text=True))}, "is for text, and for lists of text, not for int"),
        ({"body": (str, Index(text=True, unique=True))}, "it cannot be unique too"),
        ({"body": (dict[str, str], Index(text=True))}, "is for text, and for lists of text"),
        ({"body": (str, ""), "__indexes__": (Index("body", "id", text=True),)}, "is of one field"),
        ({"body": (list[Part], ...), "__indexes__": (Index("body[].note", text=True),)}, "is of one field"),
        ({"body": (str, ""), "__indexes__": (Index("body", text=True),) * 2}, "the class has this index already"),
    ],
)
def test_what_is_refused(fields: dict[str, Any], message: str) -> None:
    annotations = {name: each[0] for name, each in fields.items() if name != "__indexes__"}
    defaults = {name: each[1] for name, each in fields.items() if name != "__indexes__" and each[1] is not ...}
    more = {name: each for name, each in fields.items() if name == "__indexes__"}
    body = {"__module__": __name__, "__annotations__": {"id": int, **annotations}, "id": Key(), **defaults, **more}
    with pytest.raises(UnsupportedTypeError, match=re.escape(message)):
        type(Model)("Refused", (Model,), body)


@pytest.mark.parametrize("way", ["same", "equal", "statement", "swapped", "stream"])
def test_a_deleted_entity_that_is_added_again_is_found(tmp_path: Path, way: str) -> None:
    """It gets another row, and its text is the same: the index kept to the row that is gone."""
    with Session(tmp_path / "notes.par") as session:
        session.add_all([Note(body="red wine", tags=["red", "fox"], level=n) for n in range(4)])
        session.commit()
        first, second = session.get_one(Note, 1), session.get_one(Note, 2)
        again = [Note(id=n, body="red wine", tags=["red", "fox"], level=n) for n in (1, 2)]
        if way == "swapped":
            first.id, second.id = 2, 1
        elif way == "statement":
            session.execute(delete(Note).where(Note.id < 3))
            session.add_all(again)
        else:
            session.delete(first)
            session.delete(second)
            session.add_all([first, second] if way == "same" else again if way == "equal" else iter(again))
        check(session, QUERIES)
        session.commit()
        check(session, QUERIES)
    assert verify(tmp_path / "notes.par", models=[Note]).ok
