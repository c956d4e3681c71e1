"""`matches` and `bm25` without an index, what they look for, and what they refuse."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import (
    Chunk,
    Index,
    Key,
    Model,
    QueryError,
    Ref,
    Session,
    ShardedMap,
    aliased,
    any_,
    col,
    delete,
    desc,
    explain,
    func,
    save,
    select,
    update,
    verify,
)
from parcode_orm.query.expressions import corpus
from parcode_orm.query.expressions.text_search import Term, Weights, Words, parsed
from parcode_orm.query.rows import rows_by_id as selected
from parcode_orm.query.running import text_lookup as searched
from parcode_orm.query.statements.parsing import condition, order

pytestmark = pytest.mark.once


class Line(Model):
    text: str | None = None


class Page(Model):
    title: str
    tags: list[str] = []
    lines: list[Line] = []
    number: int = 0


class Book(Model):
    pages: list[Page] = Chunk()
    by_name: dict[str, Page] = ShardedMap()
    texts: list[str] = Chunk()


class Note(Model):
    id: int = Key()
    title: str = Index(text=True)


def terms(*words: str) -> tuple[Term, ...]:
    return tuple(Term(word.rstrip("*"), word.endswith("*")) for word in words)


@pytest.mark.parametrize(
    ("text", "alternatives"),
    [
        ("red wine", [(terms("red", "wine"), ())]),
        ("Red red", [(terms("red"), ())]),
        ("wi-fi* -x-y -é", [(terms("wi", "fi*"), (terms("x", "y"), terms("e")))]),
        ("a OR b c OR a", [(terms("a"), ()), (terms("b", "c"), ())]),
        ("OR OR a or b OR", [(terms("a", "or", "b"), ())]),
        ("-a", []),
        ("-a OR b", [(terms("b"), ())]),
        ("* - -- !? OR", []),
        ("", []),
    ],
)
def test_what_is_looked_for(text: str, alternatives: list[Any]) -> None:
    assert parsed("body.matches(words)", text) == Words(text, tuple(map(tuple, alternatives)))  # type: ignore[arg-type]


def test_lists_dictionaries_and_lazy_collections_are_searched(tmp_path: Path) -> None:
    pages = [Page(title=f"{'red' if n % 3 else 'white'} wine {n}", tags=["Old", f"t{n}"], number=n) for n in range(300)]
    wanted = [page.number for page in pages if page.number % 3]
    score = col(Page.title).bm25("white 7")
    statement = select(Page.number, score).where(score > 0).order_by(score.desc(), Page.number).limit(5)
    plain = select(Page).select_from(pages)
    with Session(":memory:") as session:
        rows = [page.number for page in session.scalars(plain.where(Page.title.matches("red")))]
        expected = session.execute(statement.select_from(pages)).all()
    assert rows == wanted and expected[0].number == 7
    path = tmp_path / "a.par"
    save(path, Book(pages=pages, by_name={f"k{n}": page for n, page in enumerate(pages)}, texts=["a b", "b c", "c"]))
    with Session(path) as session:
        book = session.root(Book)
        for rows in (book.pages, book.by_name):
            found = session.scalars(select(Page.number).select_from(rows).where(Page.title.matches("red"))).all()
            assert found == wanted
            assert session.execute(statement.select_from(rows)).all() == expected
            tags = select(Page.number).select_from(rows).where(Page.tags.matches("old T12"))
            assert session.scalars(tags).all() == [12]
        items = session.scalars(select(book.texts).where(func.item().matches("b"))).all()
        assert items == ["a b", "b c"]
        book.pages[4].title = "green tea"
        assert session.scalars(select(Page.number).select_from(book.pages).where(Page.title.matches("tea"))).all() == [
            4
        ]


def test_items_of_lists_are_searched_one_by_one() -> None:
    pages = [
        Page(title="a", lines=[Line(text="red wine"), Line()]),
        Page(title="b", lines=[Line(text="red"), Line(text="wine")]),
    ]
    with Session(":memory:") as session:
        found = session.scalars(select(pages).where(any_(Page.lines, Line.text.matches("red wine")))).all()
        assert [page.title for page in found] == ["a"]
        with pytest.raises(QueryError, match="cannot stand in a condition on items"):
            session.scalars(select(pages).where(any_(Page.lines, col(Line.text).bm25("red") > 1))).all()


def test_scores_in_every_part_of_a_statement() -> None:
    pages = [Page(title=f"{'red ' * (n % 4)}wine", number=n) for n in range(20)]
    score = col(Page.title).bm25("red")
    with Session(":memory:") as session:
        every = {row.number: row.bm25 for row in session.execute(select(Page.number, score).select_from(pages))}
        assert every[0] == 0 and every[3] > every[2] > every[1] > 0
        assert session.scalar(select(func.max(score)).select_from(pages)) == every[3]
        groups = select(score.label("score"), func.count()).select_from(pages).group_by(score).having(score > 0)
        assert {row.score: row.count for row in session.execute(groups)} == dict.fromkeys(
            [every[1], every[2], every[3]], 5
        )
        page = select(Page.number, score).select_from(pages).order_by(score.desc(), Page.number)
        first = session.execute(page.limit(3)).all()
        rest = session.execute(page.limit(30, after=(first[-1].bm25, first[-1].number))).all()
        assert first + rest == session.execute(page).all()
        doubled = select((score * 2).label("twice")).select_from(pages).where(Page.number == 3)
        assert session.scalar(doubled) == every[3] * 2
        steep = session.scalar(
            select(col(Page.title).bm25("red", k1=2, b=0)).select_from(pages).where(Page.number == 3)
        )
        assert steep > every[3]


class Comment(Model):
    id: int = Key()
    note: int
    text: str


def test_joined_rows_are_searched(tmp_path: Path) -> None:
    with Session(tmp_path / "a.par") as session:
        session.add_all(Note(id=n, title=f"red wine {n}" if n % 2 else "green tea") for n in range(50))
        session.add_all(Comment(id=n, note=n % 50, text=f"x{n % 7} and more") for n in range(100))
        session.commit()
        score = col(Note.title).bm25("wine 7")
        scores = {row.id: row.bm25 for row in session.execute(select(Note.id, score))}
        both = select(Note.id, Comment.id.label("comment"), score).join(Comment, Comment.note == Note.id)
        both = both.where(col(Note.title).matches("wine"), col(Comment.text).matches("x3"))
        expected = [(n % 50, n, scores[n % 50]) for n in range(100) if n % 2 and n % 7 == 3]
        assert sorted(map(tuple, session.execute(both.order_by(score.desc())))) == sorted(expected)
        other = aliased(Note)
        named = select(other.id, other.title.bm25("wine 7")).where(other.title.matches("wine 7"))
        assert session.execute(named).all() == [(7, scores[7])]
        pairs = select(Note.id, other.title.bm25("wine 7").label("score")).join(other, other.id == Note.id + 1)
        assert [tuple(row) for row in session.execute(pairs.where(Note.id == 6))] == [(6, scores[7])]


def test_the_text_of_statements(tmp_path: Path) -> None:
    condition, score = col(Page.title).matches("red wine"), col(Page.title).bm25("red", b=0)
    assert str(condition) == "Page.title.matches('red wine')" and str(score) == "Page.title.bm25('red', b=0.0)"
    with Session(tmp_path / "a.par") as session:
        session.add_all(Note(id=n, title=f"red {n}") for n in range(50))
        session.commit()
        both = select(Note).where(col(Note.title).matches("red"), Note.title.matches("7"))
        assert "by the text index of title: 1 rows" in str(session.explain(both))
        either = str(session.explain(select(Note).where(col(Note.title).matches("1") | Note.title.matches("7"))))
        assert "scan 50 rows" in either and "title: to filter" not in either  # its texts are not read
        assert "by key" in str(session.explain(select(Note).where(func.key() == 3, Note.title.matches("red"))))
    plan = str(explain(select([Page(title="a")]).where(Page.title.matches("a"))))
    assert "Page.title: to filter" in plan


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: col(Page.number).matches("x"), "is no text and no list of texts"),
        (lambda: col(Page.number).bm25("x"), "is no text and no list of texts"),
        (lambda: col(Page.title).matches(3), "takes the words to look for, a text"),
        (lambda: col(Page.title).matches('"red wine"'), "where words stand is not kept"),
        (lambda: col(Page.title).bm25("x", k1=-1), "k1 is a number from 0 on"),
        (lambda: col(Page.title).bm25("x", b=1.5), "b is a number from 0 on to 1"),
        (lambda: col(Page.title).bm25("x", k1=float("nan")), "k1 is a number"),
        (lambda: select(Page).where(col(Page.title).bm25("x")), "and no condition"),
    ],
)
def test_what_is_refused(build: Any, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        build()


def test_the_order_is_that_of_fts5(tmp_path: Path) -> None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("create virtual table t using fts5(x, tokenize = 'unicode61 remove_diacritics 2')")
    except sqlite3.OperationalError:
        pytest.skip("SQLite has no FTS5")
    chosen = random.Random(3)
    vocabulary = [f"w{n}" for n in range(60)]
    weights = [1 / (n + 1) for n in range(60)]
    texts = [" ".join(chosen.choices(vocabulary, weights, k=chosen.randrange(1, 20))) for _ in range(2_000)]
    connection.executemany("insert into t(rowid, x) values (?, ?)", enumerate(texts))
    with Session(tmp_path / "a.par") as session:
        session.add_all(Note(id=n, title=text) for n, text in enumerate(texts))
        session.commit()
        queries = {"w3": "w3", "w0 w7": "w0 w7", "w9 OR w20": "w9 OR w20", "w4*": "w4*", "w5 -w1": "w5 NOT w1"}
        for ours, theirs in queries.items():
            score = col(Note.title).bm25(ours)
            statement = select(Note.id, score).where(col(Note.title).matches(ours)).order_by(score.desc(), Note.id)
            found = [tuple(row) for row in session.execute(statement)]
            asked = "select rowid, -bm25(t) from t where t match ?"
            expected = dict(connection.execute(asked, (theirs,)))
            assert found and {key: pytest.approx(value, rel=1e-9) for key, value in found} == expected
            assert found == sorted(found, key=lambda pair: (-pair[1], pair[0]))


def test_modules() -> None:
    assert selected.FEW and corpus.NONE.size == 0 and searched.K1 == 1.2


def test_statements_that_change_rows_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Ranked(Model):
        id: int = Key()
        title: str = Index(text=True)
        rank: float = 0.0

    for few in (1000, 5):
        monkeypatch.setattr("parcode_orm.query.running.update_delete.FEW", few)
        path = tmp_path / f"{few}.par"
        with Session(path) as session:
            session.add_all(Ranked(id=n, title=f"{'red ' * (1 + n % 3)}wine{n % 2}") for n in range(200))
            session.commit()
            score = col(Ranked.title).bm25("red wine1")
            scores = {row.id: row.bm25 for row in session.execute(select(Ranked.id, score))}
            change = update(Ranked).where(Ranked.title.matches("wine1"))
            assert session.execute(change.values(rank=score, title="white " + Ranked.title)) == 100
            found = session.execute(select(Ranked.id, Ranked.rank).where(Ranked.title.matches("white"))).all()
            assert [tuple(row) for row in found] == [(n, scores[n]) for n in range(200) if n % 2]
            session.commit()
            assert session.execute(delete(Ranked).where(Ranked.title.matches("red -white"), Ranked.id < 150)) == 75
            session.commit()
            assert session.scalars(select(Ranked).where(Ranked.title.matches("red"))).count() == 125
        assert verify(path, models=[Ranked]).ok


def test_other_spellings() -> None:
    pages = [Page(title="red wine"), Page(title="tea")]
    with Session(":memory:") as session:
        assert session.scalars(select(pages).filter_by(title__search="wine")).all() == pages[:1]
        assert session.scalars(select(pages).where(condition(pages, 'matches(title, "red")'))).all() == pages[:1]
        (score,) = order(pages, '-bm25(title, "red")')
        assert session.scalars(select(pages).order_by(score)).first() is pages[0]
        with pytest.raises(QueryError, match="takes the words to look for"):
            condition(pages, "matches(title, title)")


class Shelf(Model):
    id: int = Key()
    name: str = ""


class Indexed(Model):
    id: int = Key()
    body: str | None = Index(None, text=True)
    shelf: Ref[Shelf] | None = None


class Scanned(Model):
    id: int = Key()
    body: str | None = None
    shelf: Ref[Shelf] | None = None


@pytest.mark.parametrize("held", [False, True])
def test_a_join_asks_the_index(monkeypatch: pytest.MonkeyPatch, held: bool) -> None:
    """A join took each text apart again."""
    chance, session = random.Random(7), Session(":memory:")
    texts = [
        None if n % 17 == 0 else " ".join(chance.choices(["red", "wine", "fox", "sea", *map(str, range(6))], k=3))
        for n in range(300)
    ]
    session.add_all(Shelf(id=n, name=f"s{n % 3}") for n in range(12))
    for cls in (Indexed, Scanned):
        session.add_all([cls(id=n, body=text, shelf=n % 9 if n % 5 else None) for n, text in enumerate(texts)])
    session.commit()
    if held:
        for cls in (Indexed, Scanned):
            session.get_one(cls, 5).body = "wine wine fox"
            session.add(cls(id=1000, body="wine", shelf=2))
    scored: list[str | None] = []
    before = Weights.score
    monkeypatch.setattr(Weights, "score", lambda self, text: scored.append(text) or before(self, text))  # type: ignore[func-returns-value]
    found = []
    for cls in (Indexed, Scanned):
        scored.clear()
        body: Any = cls.body
        score, matches = body.bm25("wine fox"), body.matches("wine -sea")
        pairs = select(cls.id, Shelf.name, score).join(cls.shelf)
        outer = select(Shelf.id, cls.id, score).outerjoin(cls, cls.shelf == Shelf.id)
        statements: list[Any] = [
            pairs.where(matches).order_by(desc(score), cls.id),
            pairs.where((Shelf.name == "s1") | matches).order_by(cls.id),
            pairs.where(score > 0.5, Shelf.name != "s0").order_by(cls.id),
            outer.order_by(Shelf.id, cls.id),
        ]
        found.append([session.execute(each).all() for each in statements])
        few = {None, "wine wine fox", "wine"} if held else {None}
        assert (set(scored) <= few) is (cls is Indexed)
    assert found[0] == found[1] and all(found[0])
