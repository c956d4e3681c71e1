"""Distances of vectors in queries: the same numbers and the same order as numpy gives, wherever the vectors lie."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from parcode_orm import (
    Chunk,
    CorruptionError,
    Key,
    Model,
    QueryError,
    Session,
    Vector,
    any_,
    col,
    compact,
    desc,
    func,
    len_,
    select,
    update,
    verify,
)
from parcode_orm.query.columns import array_parts, arrays
from parcode_orm.query.columns import distance_kernels as measuring
from parcode_orm.query.expressions.distances import METRICS, Distance, distance_test, holds_vectors
from parcode_orm.query.rows.nearest import nearest
from tests.small import small_caches, tuned

pytestmark = pytest.mark.once
WIDTH = 3
Small: Any = tuned().Session
DTYPES = ("f4", "f8", "f2", "i1", "i8", ">f4")


class Doc(Model):
    model_config = {"arbitrary_types_allowed": True}
    id: int = Key()
    year: int = 0
    inline: np.ndarray | None = None
    apart: np.ndarray | None = Chunk(default=None)
    numbers: list[float] | None = None
    listed: list[float] | None = Chunk(default=None)


FIELDS = ("inline", "apart", "numbers", "listed")


def plain(metric: str, vector: Any, to: Any) -> float:
    """The distance as numpy computes it in float64."""
    one, other = np.asarray(vector, np.float64), np.asarray(to, np.float64)
    if metric == "dot":
        return float(one @ other)
    if metric == "l2":
        return float(np.linalg.norm(one - other))
    with np.errstate(all="ignore"):
        return float(1 - one @ other / (np.linalg.norm(one) * np.linalg.norm(other)))


small_vectors = st.lists(st.integers(-3, 3), min_size=WIDTH, max_size=WIDTH)
maybe_vectors = st.none() | small_vectors
targets = small_vectors.filter(any)


def doc(n: int, vector: list[int] | None, dtype: str) -> Doc:
    array = None if vector is None else np.array(vector, dtype)
    floats = None if vector is None else list(map(float, vector))
    return Doc(id=n, year=n % 3, inline=array, apart=array, numbers=floats, listed=floats)


@given(
    st.lists(maybe_vectors, max_size=60),
    st.sampled_from(DTYPES),
    targets,
    st.sampled_from(FIELDS),
    st.sampled_from(list(METRICS)),
    st.integers(1, 12),
    st.booleans(),
    st.data(),
)
def test_order_and_conditions_are_those_of_numpy(
    tmp_path_factory: pytest.TempPathFactory,
    vectors: list[list[int] | None],
    dtype: str,
    to: list[int],
    field: str,
    metric: str,
    limit: int,
    falling: bool,
    data: st.DataObject,
) -> None:
    """Stored rows, rows changed in memory, new and deleted ones: the nearest come first, ties in the order of rows."""
    path = tmp_path_factory.mktemp("d") / "d.par"
    with small_caches() if data.draw(st.booleans()) else nullcontext(), Small(path, durability="fast") as session:
        half = data.draw(st.integers(0, len(vectors)))
        kept = dict(enumerate(vectors))
        session.add_all([doc(n, vector, dtype) for n, vector in list(kept.items())[:half]])
        session.commit()
        for n in data.draw(st.lists(st.integers(0, max(half - 1, 0)), max_size=4)) if half else ():
            kept[n] = data.draw(maybe_vectors)
            changed, new = session.get_one(Doc, n), doc(n, kept[n], dtype)
            for name in FIELDS:
                setattr(changed, name, getattr(new, name))
        if data.draw(st.booleans()):
            session.commit()
        session.add_all([doc(n, vector, dtype) for n, vector in list(kept.items())[half:]])
        for n in data.draw(st.lists(st.integers(0, half - 1), max_size=3, unique=True)) if half else ():
            session.delete(session.get_one(Doc, n))
            del kept[n]
        expression: Any = getattr(getattr(Doc, field), metric)(to)
        wanted = {n: None if vector is None else plain(metric, vector, to) for n, vector in kept.items()}
        check(session, wanted, expression, limit, falling)
        only = {n: value for n, value in wanted.items() if n % 3 == 1}
        check(session, only, expression, limit, falling, Doc.year == 1)


def check(session: Session, wanted: dict[int, float | None], of: Any, limit: int, falling: bool, *where: Any) -> None:
    """Compare what queries say of the distances `wanted`, by key."""
    every = session.execute(select(Doc.id, of).where(*where)).all()
    assert {n for n, _ in every} == set(wanted)
    exact = dict(every)
    for n, value in exact.items():
        assert value is None if wanted[n] is None else value == pytest.approx(wanted[n], abs=1e-12, nan_ok=True)
    numbers = {n: value for n, value in exact.items() if value is not None}

    def rank(n: int) -> Any:
        value = numbers[n]
        return (value != value, value) if not falling else (value == value, -value)

    rows = [n for n, _ in every]
    ordered = sorted((n for n in rows if n in numbers), key=rank) + [n for n in rows if n not in numbers]
    key = desc(of) if falling else of
    statement = select(Doc.id).where(*where).order_by(key)
    assert session.scalars(statement).all() == ordered
    assert session.scalars(statement.limit(limit)).all() == ordered[:limit]
    assert session.scalars(statement.limit(limit).offset(2)).all() == ordered[2 : 2 + limit]
    bound = next((value for value in numbers.values() if value == value), 0.5)
    for test in (of < bound, of >= bound, of == bound, bound != of, of.between(bound - 1, bound)):
        found = session.scalars(select(Doc.id).where(*where, test)).all()
        assert found == [n for n in rows if holds(test, exact[n], bound)]


def holds(test: Any, value: float | None, bound: float) -> bool:
    """What Python says of a condition of `check`."""
    operator = test._operator
    if operator == "and":
        return value is not None and bound - 1 <= value <= bound
    if operator in ("==", "!="):
        return (value == bound) is (operator == "==")
    return value is not None and (value < bound if operator == "<" else value >= bound)


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path: Path = tmp_path_factory.mktemp("many") / "many.par"
    rng = np.random.default_rng(3)
    with Session(path, durability="fast") as session:
        for start in range(0, 6_000, 2_000):
            matrix = rng.standard_normal((2_000, 24), np.float32)
            session.add_all(
                [Doc(id=start + n, year=n % 4, inline=row.copy(), apart=row.copy()) for n, row in enumerate(matrix)]
            )
            session.commit()
    return path


@pytest.fixture
def session(many: Path) -> Iterator[Session]:
    with Session.open(many) as session:
        yield session


def matrix(session: Session) -> Any:
    return np.stack([each.inline for each in session.scalars(select(Doc)).all()]).astype(np.float64)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("field", ["inline", "apart"])
def test_random_vectors(session: Session, metric: str, field: str) -> None:
    """Of thousands of vectors the first are those that numpy finds, and few are measured exactly."""
    stored = matrix(session)
    for seed in range(5):
        to = np.random.default_rng(seed).standard_normal(24)
        wanted = np.array([plain(metric, vector, to) for vector in stored])
        of = getattr(getattr(Doc, field), metric)(to)
        for key, order in ((of, np.argsort(wanted)), (desc(of), np.argsort(-wanted))):
            found = session.execute(select(Doc.id, of.label("d")).order_by(key).limit(10)).all()
            assert [row.id for row in found] == order[:10].tolist()
            assert [row.d for row in found] == pytest.approx(wanted[order[:10]].tolist(), abs=1e-12)
        bound = float(np.sort(wanted)[77]) + 1e-9
        assert session.scalars(select(Doc).where(of < bound)).count() == 78


def test_bounds_decide_nearly_all(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 6,000 rows a search measures a few hundred exactly, and a condition a handful."""
    measured = []
    exact = measuring._measured

    def counting(metric: str, array: Any, *rest: Any) -> Any:
        measured.append(len(array))
        return exact(metric, array, *rest)

    monkeypatch.setattr(measuring, "_measured", counting)
    of = Doc.inline.cosine(np.ones(24))
    assert len(session.scalars(select(Doc).order_by(of).limit(5)).all()) == 5
    assert 5 <= sum(measured) < 600
    measured.clear()
    assert 0 < session.scalars(select(Doc).where(of < 0.9)).count() < 6_000
    assert sum(measured) < 60


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_threads_share_a_pass(many: Path, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of threads gives the same, also where some parts are not in place."""
    monkeypatch.setattr(measuring, "_MANY", 1)
    to = np.random.default_rng(9).standard_normal(24)
    with Session(many, workers=workers) as session:
        stored = matrix(session)
        session.get_one(Doc, 5).inline = None
        stored[5] = -to
        wanted = np.argsort([plain("cosine", vector, to) for vector in stored])[:10].tolist()
        for _ in range(2):
            assert session.scalars(select(Doc.id).order_by(Doc.inline.cosine(to)).limit(10)).all() == wanted
        session.rollback()
    with Session(many, read_only=True, workers=workers) as session:
        stored[5] = session.get_one(Doc, 5).inline
        wanted = np.argsort(-(stored @ to))[:10].tolist()
        for _ in range(2):
            assert session.scalars(select(Doc.id).order_by(desc(Doc.inline.dot(to))).limit(10)).all() == wanted
        with pytest.raises(QueryError, match="of the row 0 has 24 numbers"):
            session.scalars(select(Doc.id).order_by(Doc.inline.cosine(to[:5])).limit(10)).all()


@given(
    st.sampled_from(list(METRICS)),
    st.integers(1, 700),
    st.sampled_from([1e-25, 1e-8, 1.0, 1e8, 1e25]),
    st.integers(),
)
def test_bounds_hold(metric: str, width: int, scale: float, seed: int) -> None:
    """Exact distances lie within their bounds, however long the vectors are, and large or small their numbers."""
    rng = np.random.default_rng(abs(seed))
    stored = (rng.standard_normal((20, width)) * scale).astype(np.float32)
    stored[3] = 0
    stored[4] = stored[5]
    to = measuring.target(metric, rng.standard_normal(width) * scale if seed % 3 else stored[5].astype(np.float64))
    vectors = arrays.vectors_in(list(stored))
    near = measuring.bounds(vectors, to, str)
    found = measuring.distances(vectors, to, str).values
    known = ~np.isnan(near.low)
    assert (near.low[known] <= found[known]).all() and (found[known] <= near.high[known]).all()
    if scale in (1e-8, 1.0, 1e8):
        assert known.sum() >= 19
    again = measuring.distances(vectors.take(np.arange(19, -1, -1)), to, str).values[::-1]
    np.testing.assert_array_equal(found, again)  # the same bits, wherever a row stands


def test_kinds_of_vectors_given(session: Session) -> None:
    """A list, a tuple, arrays of any dtype of numbers, and a value of the file say the same."""
    to = list(range(24))
    wanted = session.scalars(select(Doc.id).order_by(Doc.inline.l2(to)).limit(3)).all()
    given: list[Any] = [tuple(to), *(np.array(to, dtype) for dtype in ("i1", "u8", "f2", ">f4", "f8")), range(24)]
    for each in given:
        assert session.scalars(select(Doc.id).order_by(Doc.inline.l2(each)).limit(3)).all() == wanted
    own = session.get_one(Doc, 77)
    for value in (own.inline, own.lazy("apart")):
        assert session.scalars(select(Doc.id).order_by(Doc.apart.cosine(value)).limit(1)).one() == 77


def test_distance_of_two_fields(session: Session) -> None:
    rows = session.scalars(select(Doc.id).where(Doc.inline.l2(Doc.apart) == 0)).all()
    assert rows == list(range(6_000))
    assert session.scalars(select(Doc.id).order_by(Doc.inline.dot(Doc.apart), Doc.id).limit(1)).one() == int(
        np.argmin((matrix(session) ** 2).sum(axis=1))
    )


def test_in_groups_and_arithmetic(session: Session) -> None:
    to = np.ones(24)
    sums = matrix(session).sum(axis=1)
    means = select(Doc.year, func.max(Doc.inline.dot(to)).label("best")).group_by(Doc.year).order_by(Doc.year)
    for row in session.execute(means):
        assert row.best == pytest.approx(sums[np.arange(6_000) % 2_000 % 4 == row.year].max())
    similar = session.scalar(select(1 - Doc.inline.cosine(to)).where(Doc.id == 5))
    assert similar == pytest.approx(1 - plain("cosine", matrix(session)[5], to))


class Chapter(Model):
    vector: list[float]


class Book(Model):
    id: int = Key()
    chapters: list[Chapter]
    named: dict[str, list[float]] = {}


def test_vectors_inside_other_values(tmp_path: Path) -> None:
    """Items of a list, values of a dictionary, rows that are vectors themselves, and plain collections."""
    books = [Book(id=n, chapters=[Chapter(vector=[n, i]) for i in range(3)], named={"a": [n, 0]}) for n in range(9)]
    with Session(tmp_path / "b.par", durability="fast") as session:
        session.add_all(books)
        session.commit()
        near = any_(Book.chapters, col(Chapter.vector).l2([4, 2]) < 0.5)
        assert session.scalars(select(Book.id).where(near)).all() == [4]
        assert session.scalars(select(Book.id).order_by(Book.named["a"].l2([7, 0])).limit(1)).all() == [7]
    rows = [[1.0, 0.0], [0.0, 1.0], [3.0, 3.0]]
    with Session(":memory:") as session:
        assert session.scalars(select(rows).order_by(func.item().cosine([0, 2])).limit(1)).all() == [[0.0, 1.0]]


def old_class() -> Any:
    class Note(Model):
        model_config = {"arbitrary_types_allowed": True}
        id: int = Key()
        inline: NDArray[np.float32]
        apart: NDArray[np.float32] = Chunk()

    return Note


def new_class() -> Any:
    class Note(Model):
        id: int = Key()
        year: int = 7
        inline: Annotated[NDArray[np.float32], Vector(8)]
        apart: Annotated[NDArray[np.float32], Vector(8)] = Chunk()

    return Note


def test_rows_of_an_older_class_are_read_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class gets a field and lengths of vectors; its older rows are searched as before, beside new ones."""
    before, after = old_class(), new_class()
    stored = np.random.default_rng(5).standard_normal((500, 8), np.float32)
    with Session(tmp_path / "e.par", durability="fast") as session:
        session.add_all([before(id=n, inline=row.copy(), apart=row.copy()) for n, row in enumerate(stored)])
        session.commit()
    to = stored[123] + np.float32(0.001)
    with Session(tmp_path / "e.par", durability="fast") as session:
        with monkeypatch.context() as patch:
            patch.setattr(array_parts, "_loaded", lambda *rest: pytest.fail("a part was not in place"))
            for field in (after.inline, after.apart):
                assert session.scalars(select(after.id).order_by(field.l2(to)).limit(1)).one() == 123
        session.add(after(id=1_000, inline=to, apart=to))
        session.get_one(after, 7).apart = to + np.float32(0.01)
        session.commit()
        assert session.scalars(select(after.id).order_by(after.inline.l2(to)).limit(2)).all() == [1000, 123]
        assert session.scalars(select(after.id).order_by(after.apart.l2(to)).limit(3)).all() == [1000, 123, 7]
    assert verify(tmp_path / "e.par").ok
    compact(tmp_path / "e.par")
    with Session.open(tmp_path / "e.par") as session:
        assert session.scalars(select(after.id).order_by(after.apart.l2(to)).limit(3)).all() == [1000, 123, 7]


class Place(Model):
    id: int = Key()
    year: int
    corner: list[float]


def test_distances_in_joins(tmp_path: Path) -> None:
    """Vectors of a joined source are read in place; where an outer join has no row, there is no distance."""
    with Session(tmp_path / "j.par", durability="fast") as session:
        session.add_all([Doc(id=n, year=n % 5, inline=np.array([n, 0], "f4"), numbers=[n, 1.0]) for n in range(300)])
        session.add_all([Place(id=n, year=n, corner=[n, 2.0]) for n in range(3)])
        session.commit()
        both: Any = select(Doc.id, Place.id).join(Place, Doc.year == Place.year)
        rows = session.execute(both.order_by(Doc.inline.l2([150, 0]), Doc.id).limit(4)).all()
        assert [tuple(row) for row in rows] == [(150, 0), (151, 1), (152, 2), (147, 2)]
        rows = session.execute(both.order_by(col(Doc.numbers).l2(Place.corner), Doc.id).limit(3)).all()
        assert [tuple(row) for row in rows] == [(0, 0), (1, 1), (2, 2)]
        assert session.execute(both.where(Doc.inline.dot([1, 0]) < 7)).all() == [(0, 0), (1, 1), (2, 2), (5, 0), (6, 1)]
        left = select(Doc.id, col(Place.corner).l2([0, 2]).label("far")).outerjoin(Place, Doc.year == Place.year)
        rows = session.execute(left.where(Doc.id < 5).order_by(Doc.id)).all()
        assert [row.far for row in rows] == [0.0, 1.0, 2.0, None, None]
        session.get_one(Doc, 151).inline[0] = 1000
        rows = session.execute(both.order_by(Doc.inline.l2([150, 0]), Doc.id).limit(2)).all()
        assert [tuple(row) for row in rows] == [(150, 0), (152, 2)]


def test_pages_after_a_distance(session: Session) -> None:
    """`after` goes on behind equal distances."""
    of = Doc.inline.dot(np.ones(24))
    statement = select(Doc.id, of.label("d")).order_by(of, Doc.id)
    pages: list[Any] = session.execute(statement.limit(4)).all()
    for _ in range(3):
        pages += session.execute(statement.limit(4, after=(pages[-1].d, pages[-1].id))).all()
    assert pages == session.execute(statement.limit(16)).all()


def test_update_by_a_distance(tmp_path: Path) -> None:
    with Session(tmp_path / "u.par", durability="fast") as session:
        session.add_all([Doc(id=n, numbers=[float(n), 0.0]) for n in range(9)])
        session.commit()
        near = col(Doc.numbers).l2([3, 0])
        assert session.execute(update(Doc).where(near <= 1).values(year=7)) == 3
        assert session.scalars(select(Doc.id).where(Doc.year == 7)).all() == [2, 3, 4]


def test_snapshots_and_explain(tmp_path: Path) -> None:
    """An earlier commit is asked in the same words; a plan shows what is read."""
    path = tmp_path / "s.par"
    with Session(path, durability="fast") as session:
        session.add_all([Doc(id=n, inline=np.full(4, n, np.float32)) for n in range(50)])
        session.commit()
        session.get_one(Doc, 7).inline = np.full(4, 1000, np.float32)
        session.commit()
        nearest_first = select(Doc.id).order_by(Doc.inline.l2([7, 7, 7, 7])).limit(2)
        assert session.scalars(nearest_first).all() == [6, 8]
        plan = session.explain(nearest_first)
        assert "Doc.inline.l2([7, 7, 7, ... 4 numbers])" in str(plan)
        assert plan.columns[0].path == ("inline",) and plan.bytes > 800
    with Session.open(path, at=1) as session:
        assert session.scalars(nearest_first).all() == [7, 6]


@pytest.mark.parametrize("metric", METRICS)
def test_a_row_that_changes_after_a_search(tmp_path: Path, metric: str) -> None:
    """The lengths that a search has kept are those of stored vectors, and not of the ones in memory."""
    stored = np.random.default_rng(2).standard_normal((300, 8))
    with Session(tmp_path / "k.par", durability="fast") as session:
        session.add_all([Doc(id=n, inline=row.copy()) for n, row in enumerate(stored.astype(np.float32))])
        session.commit()
        stored, to = stored.astype(np.float32).astype(np.float64), np.arange(1.0, 9)
        for n, change in enumerate([stored[9], 0 * to, 5 * to, -to, 0.01 * to], 9):
            if n > 9:
                session.get_one(Doc, n).inline = change
            stored[n] = change
            of = getattr(Doc.inline, metric)(to)
            wanted = {at: plain(metric, row, to) for at, row in enumerate(stored)}
            check(session, wanted, of, 5, metric == "dot")


def test_compressed_vectors(tmp_path: Path) -> None:
    """Compressed arrays are decompressed for each use, and not kept."""
    rng = np.random.default_rng(1)
    stored = rng.integers(0, 3, (900, 64)).astype(np.float32)
    with Session(tmp_path / "c.par", durability="fast", compression="zstd") as session:
        session.add_all([Doc(id=n, inline=row.copy(), listed=row.tolist()) for n, row in enumerate(stored)])
        session.commit()
    with Session.open(tmp_path / "c.par") as session:
        wanted = np.argsort(np.linalg.norm(stored - 1, axis=1), kind="stable")[:9].tolist()
        for of in (Doc.inline, Doc.listed):
            for _ in range(2):
                assert session.scalars(select(Doc.id).order_by(col(of).l2(np.ones(64))).limit(9)).all() == wanted


def test_damage_is_found(tmp_path: Path) -> None:
    """A damaged number, and forged nodes, are errors of the file, whichever part of a search meets them."""
    path = tmp_path / "x.par"
    with Session(path, durability="fast") as session:
        session.add_all([Doc(id=n, inline=np.full(64, n, np.float32)) for n in range(500)])
        session.commit()
    data = path.read_bytes()
    at = data.index(np.full(64, 321, np.float32).tobytes())
    path.write_bytes(data[:at] + b"\x01" + data[at + 1 :])
    with Session.open(path) as session, pytest.raises(CorruptionError):
        session.scalars(select(Doc.id).order_by(Doc.inline.l2(np.ones(64))).limit(1)).all()


def test_nodes_that_do_not_fit_are_left_to_others(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(array_parts, "_lengths", lambda *rest: 7)  # a length that the bytes do not have
    of = Doc.inline.l2(np.ones(24))
    assert session.scalars(select(Doc.id).order_by(of).limit(1)).one() == int(
        np.argmin([plain("l2", each, np.ones(24)) for each in matrix(session)])
    )


def test_vectors_of_several_lengths(tmp_path: Path) -> None:
    """A condition that stands before leaves out rows with other vectors; without it the error names the row."""
    with Session(tmp_path / "l.par", durability="fast") as session:
        every = [np.ones(2 + n % 2, np.float32) * n for n in range(40)]
        session.add_all([Doc(id=n, year=n % 2, inline=every[n], apart=every[n]) for n in range(40)])
        session.add(Doc(id=40, year=2, inline=np.ones((2, 2)), apart=np.ones(2)))
        session.add(Doc(id=41, year=3, numbers=[1.0, float("nan")]))
        session.commit()
        for field in (Doc.inline, Doc.apart):
            of = col(field).l2([5, 5, 5])
            assert session.scalars(select(Doc.id).where(Doc.year == 1).order_by(of).limit(3)).all() == [5, 3, 7]
            with pytest.raises(QueryError, match=r"of the row 0 has 2 numbers, and the distance is to a vector of 3"):
                session.scalars(select(Doc.id).where(Doc.year < 2).order_by(of).limit(3)).all()
        with pytest.raises(QueryError, match=r"Doc\.inline of the row 40 is an array of shape \(2, 2\)"):
            session.scalars(select(Doc.inline.dot([1, 2])).where(Doc.year == 2)).all()
        session.execute(update(Doc).where(Doc.id == 0).values(apart=np.ones(3)))
        assert session.scalars(select(Doc.id).where(Doc.inline == None)).all() == [41]  # noqa: E711
        with pytest.raises(
            QueryError, match=r"Doc\.inline of the row 0 has the shape \(2,\), and the other vector \(3,"
        ):
            session.scalars(select(Doc.id).where(Doc.inline.l2(Doc.apart) > 0)).all()


def test_numbers_that_are_not_finite(tmp_path: Path) -> None:
    with Session(tmp_path / "n.par", durability="fast") as session:
        values = [[1.0, 2.0], [0.0, 0.0], [1e200, 1e200], [1e-200, 1e-200]]
        session.add_all([Doc(id=n, numbers=value) for n, value in enumerate(values)])
        session.commit()
        of = col(Doc.numbers)
        found = session.scalars(select(of.cosine([1, 1]))).all()
        assert found[2:] == [0.0, 0.0] and np.isnan(found[1])  # a vector of zeros has no direction
        assert session.scalars(select(Doc.id).order_by(of.cosine([1, 1]), Doc.id)).all() == [2, 3, 0, 1]
        assert session.scalars(select(Doc.id).order_by(of.cosine([1, 1])).limit(3)).all() == [2, 3, 0]
        assert session.scalars(select(of.dot([1e200, 1e200]))).all()[2] == float("inf")
        session.add(Doc(id=9, numbers=[1.0, float("nan")]))
        for metric in METRICS:
            with pytest.raises(QueryError, match=r"Doc\.numbers of the row 9: number 1 of the vector is nan"):
                session.scalars(select(Doc.id).order_by(getattr(of, metric)([1, 2])).limit(2)).all()
            with pytest.raises(QueryError, match="row 9: number 1"):
                session.scalars(select(Doc.id).where(getattr(of, metric)([1, 2]) < 0)).all()
        assert session.scalars(select(Doc.id).where(Doc.id < 9).order_by(of.l2([1, 2])).limit(1)).one() == 0


@pytest.mark.parametrize(
    ("to", "message"),
    [
        (None, "takes a list or an array of numbers, not "),
        ("text", "takes a list or an array of numbers, not "),
        (3, "takes a list or an array of numbers, not "),
        ([], r"at least one, not an array of shape \(0,\)"),
        ([[1, 2]], r"not an array of shape \(1, 2\)"),
        ([1, "x"], "takes numbers, not "),
        ([1, None], "takes numbers, not "),
        ([1, [2, 3]], "takes a list or an array of numbers"),
        ([1, float("nan")], "number 1 of the vector is nan"),
        ([float("inf"), 1], "number 0 of the vector is inf"),
        (np.array([1j]), "takes numbers, not "),
    ],
)
def test_bad_vectors_are_refused_where_they_are_written(to: Any, message: str) -> None:
    with pytest.raises(QueryError, match=message):
        Doc.inline.l2(to)


def test_what_is_no_vector() -> None:
    with pytest.raises(QueryError, match="a vector of zeros has no direction"):
        Doc.inline.cosine([0, 0])
    with pytest.raises(QueryError, match="has no field 'cosine'"):
        Doc.year.cosine([1])  # type: ignore[attr-defined]
    with pytest.raises(QueryError, match=r"the values of Doc\.year are no vectors"):
        Doc.inline.l2(Doc.year)
    assert not holds_vectors(list[str]) and not holds_vectors(int | None) and not holds_vectors(dict[str, float])
    for tp in (NDArray[np.float32], np.ndarray, list[float], tuple[int, ...], list[float] | None, Any):
        assert holds_vectors(tp)


def test_a_statement_never_changes() -> None:
    """The vector is copied where it is given, and expressions that say the same are one."""
    to = np.ones(2)
    of: Any = Doc.inline.l2(to)
    to[0] = 9
    assert of._vector.tolist() == [1.0, 1.0]
    assert of._identity() == Doc.inline.l2([1, 1])._identity() != Doc.inline.dot([1, 1])._identity()
    assert isinstance(of, Distance) and of._name == "l2_inline"
    found = distance_test(3 > of)
    assert found is not None and found[1:] == ("<", 3.0)
    assert distance_test(of + 1 > 3) is None


def test_nearest_takes_few(session: Session) -> None:
    """`nearest` gives back the rows that may count, with exact distances, and `len_` still counts numbers."""
    from parcode_orm.query.expressions.evaluate import Frame, InMemory

    rows = [Doc(id=n, inline=np.array([n, 0.0])) for n in range(100)]
    of: Any = Doc.inline.l2([50, 0])
    frame, found = nearest(of, Frame(InMemory(rows)), 3, None, of.asc())
    assert frame.rows.tolist() == [49, 50, 51] and found.tolist() == [1.0, 0.0, 1.0]
    assert session.scalars(select(Doc.id).where(len_(Doc.inline) == 24).limit(1)).all() == [0]
