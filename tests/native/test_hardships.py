"""The functions in C where allocations fail, arguments do not belong, or code that they run changes what they walk."""

from __future__ import annotations

import gc
import sysconfig
from collections.abc import Callable, Iterator
from typing import Any
from weakref import ref

import numpy as np
import pytest

import parcode_orm
from parcode_orm import native
from tests.native.children import run
from tests.native.encoding import Thing
from tests.native.querying import lazy

if not parcode_orm.accelerated:
    pytest.skip("the native core is not compiled, or switched off", allow_module_level=True)

from parcode_orm.native import _core
from tests.native.test_compiled import outcome


@pytest.mark.once
@pytest.mark.parametrize("what", ["memory", "hostile"])
def test_nothing_crashes_or_leaks(what: str) -> None:
    if what == "memory":
        pytest.importorskip("_testcapi")
        if sysconfig.get_config_var("Py_GIL_DISABLED"):
            pytest.skip("a free-threaded CPython 3.14 itself crashes when a list gets no memory for its items")
    child = run("tests.native.hardships", what)
    assert child.returncode == 0, child.stdout[-100:] + child.stderr[-3000:]
    assert child.stdout.split() == sorted(native.specifications)


class Name(str):
    """A key that is equal to its text; who compares it runs `meanwhile`."""

    meanwhile: Callable[[], Any]

    def __eq__(self, other: object) -> bool:
        self.meanwhile()
        return str.__eq__(self, other)

    __hash__ = str.__hash__


class Loose:
    """Runs `meanwhile` when its length is asked for, or its items."""

    def __init__(self, meanwhile: Callable[[], Any]) -> None:
        self.meanwhile = meanwhile

    def __len__(self) -> int:
        self.meanwhile()
        return 2

    def __iter__(self) -> Iterator[int]:
        self.meanwhile()
        return iter((1, 2))


def emptied(values: list[Any]) -> None:
    values.clear()
    gc.collect()


def cut(values: list[Any]) -> None:
    del values[50:]


def longer(values: list[Any]) -> None:
    values += values[:50] if len(values) < 1000 else []


changes = pytest.mark.parametrize("change", [emptied, cut, longer])


@changes
@pytest.mark.parametrize("name", ["columns_of", "field_of", "models_apart"])
def test_lists_that_change_while_names_are_sought(name: str, change: Callable[[list[Any]], Any]) -> None:
    key = Name("b")
    dicts: list[dict[str, Any]] = [{"a": 1, key: 2}, *({"a": i, "b": i} for i in range(99))]
    values = dicts if name == "columns_of" else [Thing.model_construct() for _ in dicts]
    for value, row in zip(values, dicts, strict=True):
        if isinstance(value, Thing):
            value.__dict__ = row
    key.meanwhile = lambda: change(values)
    try:
        if name == "columns_of":
            found = _core.columns_of(values, ("a", "b"))
        elif name == "field_of":
            assert _core.field_of(values, "b")[0] == 2
            return
        else:
            found = (_core.models_apart(values, Thing, ("a", "b")) or (None,))[0]
    except RuntimeError:
        found = None
    assert found is None if change is not longer else [len(column) for column in found] == [100, 100]


@changes
def test_lists_that_change_while_items_are_measured(change: Callable[[list[Any]], Any]) -> None:
    values: list[Any] = []
    values += [Loose(lambda: change(values)) for _ in range(100)]
    for function in (_core.tuples_apart, _core.offsets_of, _core.flatten):
        given = values[:]
        for loose in given:
            loose.meanwhile = lambda: change(given)  # noqa: B023
        try:
            function(given, 2) if function is _core.tuples_apart else function(given)
        except RuntimeError as error:
            assert change is not longer and "changed" in str(error)


def test_sets_of_models_of_several_classes() -> None:
    """Only the first one's class tells where the slots are: others are asked for attributes."""
    full = {"a", "b", "c"}
    things = [Thing.model_construct(full, a=1, b="b", c=[]) for _ in range(3)]
    for odd in (1, "text", [], object(), Thing):
        for values in ([*things, odd], [*things, odd, *things]):
            found = outcome(_core.all_set, (values, full))
            assert found == outcome(native.specifications["all_set"], (values, full))


def test_objects_that_change_while_they_are_met() -> None:
    class Row(int):
        def __hash__(self) -> int:
            refs.clear()
            found.clear()
            return 7

    made = [lazy(row) for row in range(3)]
    found, refs = made[:], list(map(ref, made))
    with pytest.raises(IndexError):
        _core.meet({}, [Row(1), Row(2)], found, refs, 0)


def test_maps_that_change_while_they_are_filled() -> None:
    class Hashed:
        def __hash__(self) -> int:
            keys.clear()
            values.clear()
            return 7

    keys: list[Any] = [Hashed(), Hashed()]
    values = [1, 2]
    with pytest.raises(IndexError):
        _core.fill_map({}, keys, values)


class Int(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class Text(str):
    pass


class Values(list[Any]):
    def __iter__(self) -> Iterator[Any]:
        return iter([3, 4])


class Pairs(dict[Any, Any]):
    def __getitem__(self, key: Any) -> Any:
        return "other"


ODD: list[Any] = [
    [1, Int(1)],
    [True, 1],
    [1.0, 2],
    ["a", Text("b")],
    [Text("a")] * 600,
    Values([1, 2]),
    [Values([1, 2]), [1, 2]],
    [1 << 64, 1],
    [-1, 1 << 63],
    [(1 << 64) - 1, 0],
    [-(1 << 63), (1 << 63) - 1],
    [-(1 << 63) - 1],
    ["\ud800", "a\0b", "\udfff" * 300],
    [Pairs(a=1), {"a": 2}],
    (Text("a"), "a"),
]


@pytest.mark.parametrize("values", ODD, ids=range(len(ODD)))
def test_subclasses_wide_ints_and_surrogates(values: Any) -> None:
    for name in ("pack_exact_ints", "pack_floats", "pack_bools", "pack_text", "is_varied", "flatten", "offsets_of"):
        assert outcome(getattr(_core, name), (values,)) == outcome(native.specifications[name], (values,)), name
    for name, more in (("hash_plain", 7), ("columns_of", ("a",)), ("tuples_apart", 2)):
        assert outcome(getattr(_core, name), (values, more)) == outcome(native.specifications[name], (values, more))


def test_what_no_file_has() -> None:
    """Formats of no width, offsets that are negative, and as many equal hashes as need the deepest recursion."""
    with pytest.raises(NotImplementedError):
        _core.unpack_numbers(np.empty(3, []), 0, 3)
    with pytest.raises(OverflowError):
        _core.slices([1, 2], [-(1 << 63), (1 << 63) - 1])
    with pytest.raises(TypeError):
        _core.build_models(Thing, {}, (), (1,), 0)
    assert _core.tuples_apart([()], 1 << 62) is None
    hashes = np.array([5] * 40 + [1 << bit for bit in range(64)] * 30, "u8")
    ordered, places = _core.sort_hashes(hashes.tobytes())
    assert np.array_equal(np.frombuffer(ordered, "u8"), np.sort(hashes))
    assert np.array_equal(np.frombuffer(places, "u8"), np.argsort(hashes, kind="stable"))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_strings_that_old_functions_of_python_make() -> None:
    make = getattr(pytest.importorskip("_testcapi"), "unicode_legacy_string", None)
    if make is None:
        pytest.skip("there are none since 3.12")
    assert _core.pack_text([make("abc"), "b"]) == native.specifications["pack_text"]([make("abc"), "b"])
    assert _core.hash_plain([make("abc")], 0) == _core.hash_plain(["abc"], 0)
    assert _core.is_varied([make("abc"), make("b")])
