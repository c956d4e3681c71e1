"""Runs of an index that are merged a part at a time give what one sort of all entries gives."""

from __future__ import annotations

from collections import Counter
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Index, Key, Model, Session, select, verify
from parcode_orm.model.ordering import itself, order_of_parts
from parcode_orm.session.entity import indexes, long_runs, queries
from parcode_orm.session.entity.long_runs import merged
from parcode_orm.session.entity.tables import find_table
from tests.effort import half
from tests.small import small_caches, tuned

pytestmark = pytest.mark.once

ENTRIES = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3), st.booleans()), max_size=20)


@half()
@given(st.lists(ENTRIES, max_size=5), st.integers(1, 5))
def test_parts_of_runs_are_merged_as_whole_runs_are(runs: list[list[Any]], at_once: int) -> None:
    order = order_of_parts((int | None, int | None))
    for kind in (itself, order):
        pairs = kind is order
        given = [[((value, None) if pairs else value, key, has) for value, key, has in run] for run in runs]
        given = [sorted(run, key=lambda entry: kind(entry[0])) for run in given]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(long_runs, "AT_ONCE", at_once)
            found = list(chain.from_iterable(merged(given, kind)))
        counts: Counter[Any] = Counter()
        for value, key, has in (entry for run in given for entry in run):
            counts[value, key] += 1 if has else -1
        values = [value for value, _, _ in found]
        assert values == sorted(values, key=kind)
        assert {(value, key): has for value, key, has in found} == {
            pair: count > 0 for pair, count in counts.items() if count
        }


class Trade(Model):
    id: int = Key(auto=True)
    buyer: str = ""
    price: int = Index(0)
    __indexes__ = (Index("buyer", "price"),)


def prices(session: Session, low: int, high: int) -> list[int]:
    return sorted(session.scalars(select(Trade.price).where(Trade.price >= low, Trade.price < high)))


@pytest.mark.parametrize("fails", [False, True])
def test_a_long_run_leaves_memory_as_it_is_merged_and_is_found_at_every_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    monkeypatch.setattr(indexes, "LONG", 30)
    monkeypatch.setattr(indexes, "STEP", 4)
    monkeypatch.setattr(queries, "SHARE", 1)
    path = tmp_path / "t.par"
    long: list[Any] = []
    real = indexes.long_run
    monkeypatch.setattr(indexes, "long_run", lambda *args: long.append(real(*args)) or long[-1])
    with small_caches(), tuned(large=320).Session(path, durability="fast") as session:
        for start in range(0, 200, 10):
            session.add_all([Trade(buyer=f"b{at % 7}", price=at * 37 % 199) for at in range(start, start + 10)])
            if fails:
                one = session.get_one(Trade, 1)
                one.buyer = 5  # type: ignore[assignment]
                with pytest.raises(Exception, match="expected str"):
                    session.commit()
                one.buyer = "b0"
            session.commit()
            assert prices(session, 20, 40) == sorted(
                at * 37 % 199 for at in range(start + 10) if 20 <= at * 37 % 199 < 40
            )
        for each in session.scalars(select(Trade).where(Trade.buyer == "b3")).all():
            session.delete(each)
        session.commit()
        session.add_all([Trade(price=1_000) for _ in range(150)])
        session.commit()
        assert len(prices(session, 0, 2_000)) == 150 + sum(at % 7 != 3 for at in range(200))
        table = find_table(session._work, Trade)
        assert table is not None and len(table.obj.index_price) < 8
        for run in table.obj.index_price:
            assert run.fences == [value for value, _, _ in run.entries][::4]
    assert any(not isinstance(entries, list) for entries, _ in long)
    report = verify(path, models=[Trade])
    assert report.ok, report
    with Session.open(path, at=5) as past:
        assert prices(past, 0, 200) == sorted(at * 37 % 199 for at in range(50))


def test_an_index_that_grows_in_equal_commits_merges_each_entry_seldom(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each entry was written 5.3 times in 200 commits, and the last tenth of a million inserts took twice the first."""
    sizes: list[int] = []
    real = indexes._run
    monkeypatch.setattr(indexes, "_run", lambda *args: sizes.append(args[-1]) or real(*args))
    with Session(tmp_path / "t.par", durability="fast") as session:
        for at in range(200):
            session.add_all([Trade(price=at * 7 % 199 + n) for n in range(3)])
            session.commit()
        assert len(sizes) == 2 * 200
        assert sum(sizes) < 2 * 600 * 4.5
        assert prices(session, 0, 300) == sorted(at * 7 % 199 + n for at in range(200) for n in range(3))
    assert verify(tmp_path / "t.par").ok
