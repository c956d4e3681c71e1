"""The functions in C give what their specifications in Python give, or raise the same."""

from __future__ import annotations

import sysconfig
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import parcode_orm
from parcode_orm import native
from tests.native.cases import CASES
from tests.native.decoding import SLOTS
from tests.native.strategies import SCALARS

if not parcode_orm.accelerated:
    pytest.skip("the native core is not compiled, or switched off", allow_module_level=True)

from parcode_orm.native import _core

PACKAGE = Path(parcode_orm.__file__).parent
for path in PACKAGE.rglob("*.py"):  # some are imported when they are needed
    if "\n@compiled\n" in path.read_text("utf-8"):
        import_module(".".join((PACKAGE.name, *path.relative_to(PACKAGE).with_suffix("").parts)))


def typed(value: Any) -> Any:
    """A value in which equal numbers of different types differ, and NaN equals itself."""
    if isinstance(value, list | tuple):
        return type(value), [typed(item) for item in value]
    if isinstance(value, dict):
        return type(value), [(typed(key), typed(item)) for key, item in value.items()]
    if isinstance(value, float):
        return float, value.hex()
    if isinstance(value, np.ndarray):
        return value.dtype, value.tobytes()
    if isinstance(value, BaseModel):
        return type(value), typed(vars(value)), [typed(getattr(value, slot.__name__, None)) for slot in SLOTS]
    return type(value), value


FILLED = np.ndarray | list | dict | set


def outcome(function: Any, arguments: tuple[Any, ...]) -> Any:
    """What a call gives, with the types of all values, or the type of the error that it raises.

    Arrays, lists, dictionaries and sets among the arguments are copied first, and compared afterwards:
    functions fill them.
    """
    given = [each.copy() if isinstance(each, FILLED) else each for each in arguments]
    try:
        found = typed(function(*given))
    except Exception as error:
        return type(error)
    return found, [typed(each) for each in given if isinstance(each, FILLED)]


def test_each_function_has_a_specification_and_cases() -> None:
    compiled = {name for name in dir(_core) if not name.startswith("_")}
    assert compiled == set(native.specifications) == set(CASES)


def test_references_are_counted_as_the_specification_does() -> None:
    held = object()
    for values in ([object()], [object(), held], [[], held, held], (object(), [held])):
        found = _core.most_references(values)
        assert native.specifications["most_references"](values) == found


@pytest.mark.parametrize("name", sorted(CASES))
@given(data=st.data())
def test_results_are_equal(name: str, data: st.DataObject) -> None:
    if name == "enter_proxy" and sysconfig.get_config_var("Py_GIL_DISABLED"):
        pytest.skip("without the GIL it leaves all to its caller")
    arguments = data.draw(CASES[name])
    assert outcome(getattr(_core, name), arguments) == outcome(native.specifications[name], arguments)


def test_what_is_no_sequence_is_a_type_error() -> None:
    """The names were looked at with the error of the rows set: `SystemError`."""
    for rows, names in [(None, np.arange(3)), (5, ("a",)), ([], 5)]:
        with pytest.raises(TypeError):
            _core.columns_of(rows, names)


@given(st.lists(st.tuples(SCALARS, SCALARS)), st.lists(SCALARS, max_size=3))
def test_maps_are_filled_alike(pairs: list[tuple[Any, Any]], more: list[Any]) -> None:
    keys, values = [key for key, _ in pairs], [value for _, value in pairs] + more
    found: list[Any] = []
    for fill in (_core.fill_map, native.specifications["fill_map"]):
        target: dict[Any, Any] = {1: 2}
        found.append((outcome(fill, (target, keys, values)), typed(target)))
    assert found[0] == found[1]
