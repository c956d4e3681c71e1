"""Conditions of which one must hold: each finds its entities by an index, unless a scan is as fast."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Index, Key, Model, Session, ShardedMap, any_, col, explain, func, select, update
from parcode_orm.query.expressions.negation import without_not
from parcode_orm.session.entity import ways

pytestmark = pytest.mark.once

COUNT = 12_000
KEY: Any = func.key()


class Offer(Model):
    price: int
    good: bool = True


class Seller(Model):
    id: int = Key()
    name: str = Index(unique=True)
    city: str = Index()
    rating: int | None = Index(default=None)
    score: float = Index(default=0.0)
    tags: list[str] = Index(default=[])
    offers: list[Offer] = []
    text: str = ""
    __indexes__ = (Index("city", "rating"), Index("offers[].price"))


def seller(n: int) -> Seller:
    return Seller(
        id=n, name=f"s{n}", city=f"c{n % 2_000}", rating=n % 3_000 or None, score=n / 4,
        tags=[f"t{n % 1_500}"] * (n % 2), offers=[Offer(price=n % 4_000)], text=f"{n % 10}",
    )  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("unions") / "s.par"
    with Session(path, durability="fast") as session:
        session.add_all(map(seller, range(COUNT)))
        session.commit()
    return path


@pytest.fixture
def session(path: Path) -> Iterator[Session]:
    with Session(path, durability="fast") as session:
        yield session


def plan(session: Session, *conditions: Any) -> str:
    return str(session.explain(select(Seller).where(*conditions)))


UNIONS: list[tuple[Any, str, Any]] = [
    (
        (Seller.city == "c7") | (Seller.rating == 8),
        "the index of city (city == 'c7') or the index of rating (rating == 8)",
        lambda n: n % 2_000 == 7 or n % 3_000 == 8,
    ),
    (
        (Seller.id == 5) | (Seller.name == "s8") | (Seller.score < 1),
        "key or the index of name or the index of score (score < 1)",
        lambda n: n in (5, 8) or n < 4,
    ),
    (
        ((Seller.city == "c7") | (Seller.city == "c8")) & (Seller.rating > 2_000),
        "the index of city, rating (city == 'c7' and rating > 2000) or the index of city, rating (city == 'c8' and",
        lambda n: n % 2_000 in (7, 8) and n % 3_000 > 2_000,
    ),
    (
        ~((Seller.city != "c7") & ~(Seller.id == 9)),
        "the index of city (city == 'c7') or key",
        lambda n: n % 2_000 == 7 or n == 9,
    ),
    (
        any_(Seller.offers, (Offer.price == 8) | (Offer.price > 3_998)),
        "the index of offers[].price (offers[].price == 8) or the index of offers[].price (offers[].price > 3998)",
        lambda n: n % 4_000 in (8, 3_999),
    ),
    (
        Seller.tags.contains("t7") | (Seller.score == 2),  # type: ignore[attr-defined]
        "the index of tags[] (tags[] == 't7') or the index of score (score == 2)",
        lambda n: n % 1_500 == 7 or n == 8,
    ),
    (
        (Seller.id == 5) | ((Seller.text == "7") & ((Seller.id == 7) | (Seller.city == "c27"))),
        "key or the index of city (city == 'c27')",
        lambda n: n in (5, 7) or n % 2_000 == 27,
    ),
    (
        (Seller.id == 1) | (Seller.id == 2) | (Seller.id == 3) | (Seller.city == "c5") | (Seller.rating == 6)
        | (Seller.score == 2) | (Seller.name == "s9"),
        "key or the index of city (city == 'c5') or the index of rating (rating == 6) or 2 more",
        lambda n: n in (1, 2, 3, 8, 9) or n % 2_000 == 5 or n % 3_000 == 6,
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "named", "plain"), UNIONS, ids=lambda each: "" if callable(each) else str(each)[:40]
)
def test_each_condition_has_its_index(session: Session, condition: Any, named: str, plain: Any) -> None:
    assert f" rows by {named}" in plan(session, condition)
    found = session.scalars(select(Seller).where(condition)).all()
    assert [each.id for each in found] == [n for n in range(COUNT) if plain(n)]
    assert session.scalars(select(Seller).where(condition)).count() == len(found)


@pytest.mark.parametrize("condition", [
    (Seller.city == "c7") | (Seller.text == "7"),
    (Seller.city == "c7") | ((Seller.text == "7") & (Seller.rating != 8)),
    (Seller.city == "c7") | (Seller.rating == None),  # noqa: E711
    (Seller.city == "c7") | (Seller.score > 5),
    ~(Seller.city == "c7"),
    ~((Seller.city == "c7") | (Seller.id == 7)),
    ~(Seller.score > 1),
    (Seller.score < 8) | (Seller.score > 2_990),
], ids=str)  # fmt: skip
def test_a_union_that_reads_much_or_has_a_condition_without_index_is_a_scan(session: Session, condition: Any) -> None:
    assert "scan 12,000 rows" in plan(session, condition)
    assert session.scalars(select(Seller).where(condition)).all()


def test_a_condition_beside_a_union_may_find_fewer(session: Session) -> None:
    both = ((Seller.city == "c7") | (Seller.rating == 8)) & (Seller.id == 7)
    assert "look up 1 rows by key:" in plan(session, both)
    assert session.scalars(select(Seller.id).where(both)).all() == [7]


def test_changes_in_memory_stand_beside_a_union(session: Session) -> None:
    either = (Seller.city == "c7") | (Seller.rating == 8)
    one = session.get_one(Seller, 7)
    one.city = "elsewhere"
    session.delete(session.get_one(Seller, 8))
    session.get_one(Seller, 100).rating = 8
    session.add(Seller(id=COUNT, name="new", city="c7"))
    found = [n for n in range(COUNT + 1) if n in (100, COUNT) or (n > 8 and (n % 2_000 == 7 or n % 3_000 == 8))]
    assert session.scalars(select(Seller.id).where(either)).all() == found
    assert "and 3 in memory" in plan(session, either)
    session.execute(update(Seller).where(either).values(text="found"))
    assert session.scalars(select(Seller.id).where(Seller.text == "found")).all() == found


def test_one_index_for_all_conditions_counts_alone(session: Session) -> None:
    either = (Seller.rating == 8) | (Seller.rating == 9) | (Seller.rating < 3)
    asked = select(func.count(), func.max(Seller.rating)).where(either)
    assert "read 16 values of the index of rating (rating == 8) or " in str(session.explain(asked))
    assert tuple(session.execute(asked).one()) == (16, 9)
    asked = select(func.count()).select_from(Seller).where((Seller.rating == 8) | (Seller.city == "c8"))
    assert " alone: " not in str(session.explain(asked))
    assert session.scalar(asked) == 8


def test_values_that_lie_beside_each_other_are_read_once(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """64 values read 64 times 256 entries, so such a query went by a scan."""
    read = []
    real = ways.entries_in
    monkeypatch.setattr(ways, "entries_in", lambda spans, order: (read.append(spans), real(spans, order))[1])
    near = Seller.rating.in_(range(100, 112))  # type: ignore[union-attr]
    assert "look up 48 rows by the index of rating (rating in 12 values)" in plan(session, near)
    assert sum(span.stop - span.start for span in read[-1]) <= 512
    assert [each.id for each in session.scalars(select(Seller).where(near))] == [
        n for n in range(COUNT) if 100 <= n % 3_000 < 112
    ]


class Shelf(Model):
    sellers: dict[str, Seller] = ShardedMap()


def test_keys_of_a_dictionary_are_found_under_or(tmp_path: Path) -> None:
    with Session(tmp_path / "shelf.par") as session:
        session.add(Shelf(sellers={f"k{n}": seller(n) for n in range(5_000)}))
        session.commit()
        sellers = session.root(Shelf).sellers
        either = select(sellers).where((KEY == "k7") | ((KEY == "k8") & (Seller.id < 8)) | KEY.in_(["k9", "none"]))
        assert "look up 4 rows by key" in str(explain(either))
        assert session.scalars(either).all() == [sellers["k7"], sellers["k9"]]
        other = select(sellers).where((KEY == "k7") | (Seller.id == 9))
        assert "scan" in str(explain(other))
        assert session.scalars(other).all() == [sellers["k7"], sellers["k9"]]


def test_row_groups_are_left_out_under_or_and_not(tmp_path: Path) -> None:
    rows = [seller(n).model_copy(update={"rating": n}) for n in range(20_000)]
    rows[19_000].rating = None
    rows[19_000].score = float("nan")
    with Session(tmp_path / "shelf.par") as session:
        session.add(Shelf(sellers={f"k{row.id}": row.model_copy() for row in rows}))
        session.commit()
    with Session(tmp_path / "shelf.par") as session:
        sellers = session.root(Shelf).sellers

        def read(condition: Any) -> int:
            found = session.scalars(select(Seller.id).select_from(sellers).where(condition)).all()
            assert found == session.scalars(select(Seller.id).select_from(rows).where(condition)).all()
            return explain(select(sellers).where(condition)).groups_read

        assert read((Seller.id == 5) | (Seller.id == 19_999)) == 2
        assert read(~((Seller.id != 5) & (Seller.id != 19_999))) == 2
        assert read(~(Seller.id >= 5)) == 1
        assert read(~(5 <= Seller.id)) == 1
        assert read(~(Seller.rating < 30_000)) == 1  # of None it is true
        assert read(~(Seller.score < 30_000)) == 1  # of NaN, too
        assert read(~((Seller.id > 5) | (Seller.id < 3))) == 1
        assert read(~(Seller.id == 5)) == 5
        assert read((Seller.id == 5) | (Seller.text == "3")) == 5
        held = sellers["k12000"]
        held.rating = rows[12_000].rating = None
        assert read(~(Seller.rating < 30_000)) == 1  # and the row that is held


def test_not_is_moved_to_single_conditions() -> None:
    def moved(condition: Any) -> str:
        return str(without_not(condition))

    assert moved(~((Seller.id == 1) & ~(Seller.id < 2))) == "(~(Seller.id == 1)) | (Seller.id < 2)"
    assert moved(~((Seller.id != 1) | ~(Seller.id != 2))) == "(Seller.id == 1) & (Seller.id != 2)"
    assert moved(~any_(Seller.offers, Offer.price != 1)) == "all_(Seller.offers, Offer.price == 1)"
    assert moved(~col(Offer, "good")) == "~(Offer.good)"
