"""Objects of a bulk load share the keys of their dictionaries, and are otherwise objects as any others."""

from __future__ import annotations

import gc
import sys
import sysconfig
from pathlib import Path
from typing import Any
from weakref import ref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm import Chunk, Model, accelerated, load, save
from parcode_orm.codec.views.build import empty_row

NAMES = st.sampled_from(["name", "items", "level", "more", "another"])
SHARES = accelerated and not sysconfig.get_config_var("Py_GIL_DISABLED")


class Hero(Model):
    name: str
    items: list[Any]
    level: int | None


class Team(Model):
    heroes: list[Hero] = Chunk()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("built") / "team.par"
    save(found, Team(heroes=[Hero(name=f"h{i}", items=[i], level=i or None) for i in range(100)]))
    return found


@pytest.mark.skipif(not SHARES, reason="the passes in Python make whole dictionaries")
def test_a_loaded_object_takes_less_memory_than_a_dictionary_of_its_own(path: Path) -> None:
    hero = load(path, Team).heroes[7]
    assert vars(hero) == {"name": "h7", "items": [7], "level": 7}
    assert sys.getsizeof(vars(hero)) < sys.getsizeof(dict.fromkeys(vars(hero)).copy())


@given(st.lists(st.tuples(st.integers(0, 3), NAMES, st.none() | st.integers() | st.just([])), max_size=12))
def test_the_dictionaries_change_as_plain_ones_and_each_alone(changes: list[tuple[int, str, Any]]) -> None:
    empty = empty_row(("name", "items", "level"))
    loaded = [empty.copy() for _ in range(4)]
    plain: list[dict[str, Any]] = [dict.fromkeys(("name", "items", "level")) for _ in range(4)]
    for at, name, value in changes:
        for rows in (loaded, plain):
            row: Any = rows[at]
            if value is None:
                row.pop(name, None)
            else:
                row[name] = value
    assert loaded == plain
    assert list(map(list, loaded)) == list(map(list, plain))
    assert empty == dict.fromkeys(("name", "items", "level"))


@pytest.mark.parametrize("count", [0, 1, 29, 30, 31, 100])
def test_any_number_of_keys_is_kept_in_order(count: int) -> None:
    names = tuple(f"f{i}" for i in range(count))
    assert list(empty_row(names).copy().items()) == [(name, None) for name in names]


def test_a_cycle_through_a_loaded_object_is_found(path: Path) -> None:
    heroes: Any = load(path, Team).heroes
    heroes[3].items.append(heroes[3])  # through the list that was loaded
    heroes[4].level = [heroes[4]]
    gone = [ref(heroes[3]), ref(heroes[4])]
    del heroes
    gc.collect()
    assert [each() for each in gone] == [None, None]
