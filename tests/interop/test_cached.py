"""`cached(path)`: what is computed again and what is not, in one process and in several, and what is refused."""

from __future__ import annotations

import pickle
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parcode_orm import (
    ChecksumError,
    EncodeError,
    Model,
    NotAParcodeFile,
    Session,
    UnsupportedTypeError,
    dumps,
    register_type,
    select,
)
from parcode_orm.interop import cached as module
from parcode_orm.interop.cached import CachedResult, CacheStats, cached

pytestmark = pytest.mark.once


class Fit(Model):
    slope: float
    residuals: list[float] = []


@dataclass
class Options:
    steps: int = 10


RAN: list[Any] = []


def fit(data: list[float], options: Options = Options(), *more: Any, scale: float = 1.0, **named: Any) -> Fit:  # noqa: B008
    RAN.append(data)
    return Fit(slope=sum(data) * scale * options.steps, residuals=data)


def anything(value):  # type: ignore[no-untyped-def]
    RAN.append(value)
    return [value]


@pytest.fixture(autouse=True)
def fresh() -> None:
    RAN.clear()


def test_a_result_is_computed_once_and_comes_back_equal(tmp_path: Path) -> None:
    kept = cached(tmp_path / "c.par")(fit)
    first = kept([1.0, 2.0])
    again = cached(tmp_path / "c.par")(fit)  # as in another run
    for same in (
        again([1.0, 2.0]),
        again(data=[1.0, 2.0]),
        again([1.0, 2.0], Options(10), scale=1.0),
    ):
        assert type(same) is Fit and same == first
    assert len(RAN) == 1 and kept.stats == CacheStats(0, 1) and again.stats == CacheStats(3, 0)
    assert again.__name__ == "fit" and again.__wrapped__ is fit


def test_other_arguments_are_other_results(tmp_path: Path) -> None:
    kept = cached(tmp_path / "c.par")(fit)
    kept([1.0])
    calls: list[Callable[[], Fit]] = [
        lambda: kept([1]),
        lambda: kept([1.0], Options(11)),
        lambda: kept([1.0], Options(), 1),
        lambda: kept([1.0], Options(), 1, 2),
        lambda: kept([1.0], scale=-0.0),
        lambda: kept([1.0], more=1),
    ]
    for count, call in enumerate(calls, 2):
        assert call() == call()
        assert len(RAN) == count


@settings(max_examples=25)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary() | st.dates(),
        lambda inner: (
            st.lists(inner, max_size=3) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner, max_size=3)
        ),
    )
)
def test_results_without_annotation_equal_those_of_the_function(
    tmp_path_factory: pytest.TempPathFactory, value: Any
) -> None:
    kept = cached(tmp_path_factory.mktemp("c") / "c.par")(anything)
    first, second = kept(value), kept(value)
    assert repr(first) == repr(second) == repr([value]) and kept.stats == CacheStats(1, 1)


def test_sets_are_equal_in_any_order_and_arrays_by_content(tmp_path: Path) -> None:
    kept = cached(tmp_path / "c.par")(anything)
    kept({f"{n}" for n in range(100)})
    kept({f"{n}" for n in reversed(range(100))})
    kept(np.arange(12.0)[::2])
    assert np.array_equal(kept(np.arange(0, 12.0, 2))[0], np.arange(0, 12.0, 2))
    assert kept.stats == CacheStats(2, 2)


def made(factor: int, path: Path) -> Any:
    @cached(path)
    def times(x: int) -> int:
        return x * factor

    return times


def test_variables_around_a_function_count(tmp_path: Path) -> None:
    path = tmp_path / "c.par"
    assert [made(2, path)(3), made(5, path)(3), made(2, path)(3)] == [6, 15, 6]


class Scale:
    """Has a method whose results are kept; only what it is made of counts."""

    def __init__(self, factor: int) -> None:
        self.factor = factor

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Scale) and other.factor == self.factor


def scaled(self: Scale, x: int) -> int:
    RAN.append(x)
    return x * self.factor


register_type(Scale, encode=lambda scale: scale.factor, decode=Scale)


def test_a_method_is_keyed_by_its_object(tmp_path: Path) -> None:
    class Here(Scale):
        times = cached(tmp_path / "c.par")(scaled)

    register_type(Here, encode=lambda scale: scale.factor, decode=Here)
    assert [Here(2).times(3), Here(4).times(3), Here(2).times(3)] == [6, 12, 6] and len(RAN) == 2


@cached("never-written.par")
def pickled(x: int) -> int:
    return x


def test_a_cached_function_is_pickled_by_its_name() -> None:
    assert pickle.dumps(pickled).endswith(b"pickled\x94\x93\x94.")


def test_another_source_is_computed_anew(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    found = []
    for factor in (2, 2, 30):
        program.write_text(f"def f(x: int) -> int:\n    RAN.append(x)\n    return x * {factor}\n")
        function = runpy.run_path(str(program), {"RAN": RAN}, "program")["f"]
        found.append((cached(tmp_path / "c.par")(function)(7), len(RAN)))
    assert found == [(14, 1), (14, 1), (210, 2)]


def test_results_are_forgotten_and_cleared(tmp_path: Path) -> None:
    path = tmp_path / "c.par"
    kept, other = cached(path)(anything), cached(path)(fit)
    assert kept.clear() == 0 and not kept.forget(1)
    kept(1), kept(2), kept(3), other([1.0])
    assert kept.forget(2) and not kept.forget(2)
    kept(1), kept(2)
    assert kept.stats == CacheStats(1, 4)
    assert kept.clear() == 3
    kept(1), other([1.0])
    assert kept.stats.misses == 5 and other.stats == CacheStats(1, 1)


def test_what_cannot_be_part_of_a_key_is_named(tmp_path: Path) -> None:
    kept = cached(tmp_path / "c.par")(fit)
    with pytest.raises(EncodeError, match="part of a key") as caught:
        kept([1.0], Options(), scale=1.0, callback=print)
    assert caught.value.path == "named" and not RAN and "test_cached:fit" in str(caught.value)
    with pytest.raises(TypeError, match="missing a required argument"):
        kept()  # type: ignore[call-arg]


def test_a_result_that_cannot_be_stored_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EncodeError):
        cached(tmp_path / "c.par")(wrong)(1)


def wrong(x: int) -> str:
    return x  # type: ignore[return-value]


def test_functions_without_a_result_or_a_source_are_refused(tmp_path: Path) -> None:
    def items() -> Iterator[int]:
        yield 1

    async def later() -> int:
        return 1

    for function in (items, later):
        with pytest.raises(TypeError, match="generator or coroutine"):
            cached(tmp_path / "c.par")(function)
    with pytest.raises(TypeError, match="source"):
        cached(tmp_path / "c.par")(eval("lambda: 1"))

    def unknown() -> Nowhere:  # type: ignore[name-defined]  # noqa: F821
        ...

    with pytest.raises(UnsupportedTypeError, match="Nowhere"):
        cached(tmp_path / "c.par")(unknown)()


def test_a_result_of_a_class_that_changed_is_computed_anew(tmp_path: Path) -> None:
    kept = cached(tmp_path / "c.par")(fit)
    first = kept([1.0])
    with Session(tmp_path / "c.par") as session:  # as if the class had had another shape
        row = session.scalars(select(CachedResult)).one()
        row.image = another_shape()
        session.commit()
    assert kept([1.0]) == first and kept([1.0]) == first and kept.stats == CacheStats(1, 2)


def another_shape() -> bytes:
    make: Any = type(Model)
    result = make(
        "Result",
        (Model,),
        {"__module__": __name__, "__qualname__": "fit.Result", "__annotations__": {"value": list[int]}},
    )
    return dumps(result(value=[1]))


def test_a_damaged_file_says_that_it_may_be_deleted(tmp_path: Path) -> None:
    path = tmp_path / "c.par"
    kept = cached(path)(anything)
    kept("x" * 50_000)
    data = bytearray(path.read_bytes())
    at = data.index(b"x" * 1000)
    data[at : at + 10] = b"damage...."
    path.write_bytes(data)
    with pytest.raises(ChecksumError, match="is a cache, so delete it"):
        kept("x" * 50_000)
    path.write_bytes(b"no such file" * 100)
    with pytest.raises(NotAParcodeFile, match="is a cache, so delete it"):
        kept(1)
    path.unlink()
    assert kept(1) == [1]


WORKER = """
import sys, time
from parcode_orm.interop.cached import cached

@cached(sys.argv[1])
def square(x: int) -> int:
    time.sleep(0.005)
    return x * x

print([square(n) for n in range(12)] == [n * n for n in range(12)], square.stats.hits + square.stats.misses)
"""


def test_two_processes_store_each_result_once(tmp_path: Path) -> None:
    (tmp_path / "worker.py").write_text(WORKER)
    command = [sys.executable, str(tmp_path / "worker.py"), str(tmp_path / "c.par")]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0].strip() for process in running] == ["True 12"] * 2
    with Session.open(tmp_path / "c.par") as session:
        assert session.scalars(select(CachedResult)).count() == 12


def test_threads_share_a_file(tmp_path: Path) -> None:
    kept = cached(tmp_path / "c.par")(anything)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(kept, [n % 5 for n in range(20)])) == [[n % 5] for n in range(20)]
    with Session.open(tmp_path / "c.par") as session:
        assert session.scalars(select(CachedResult)).count() == 5
    assert module.ATTEMPTS > 20
