"""`lazy_of(plain)`: the lazy object for a plain one. What is asked of it does not depend on how it is stored."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

import parcode_orm
from parcode_orm.lazy.proxy import decoded
from parcode_orm.session.space import FileSpace, space_of
from tests.conformance.fakes import FakeSpace, stored


class Unrefusing(FileSpace):
    """Lets changes through that a read-only file refuses: what they do to an object is the same everywhere."""

    def check_change(self, what: str) -> None:
        pass


@pytest.fixture
def plain(request: pytest.FixtureRequest) -> Any:
    """One of the examples; a copy, for looking at an object leaves cached properties in it."""
    return copy.deepcopy(request.param)


@pytest.fixture
def space() -> FakeSpace:
    return FakeSpace()


@pytest.fixture
def lazy_of(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """From a file in memory; from a fake whose rows can be broken, where a test asks for its `space`."""
    if "space" in request.fixturenames:
        space = request.getfixturevalue("space")
        return lambda plain: stored(plain, space)

    def lazy_of(plain: Any) -> Any:
        proxy = parcode_orm.open(parcode_orm.dumps(plain)).root(type(plain))
        space_of(proxy).__class__ = Unrefusing
        return proxy

    return lazy_of


@pytest.fixture
def reads() -> Callable[[Any], set[str]]:
    """The fields of a lazy object that were read, or assigned, so far."""
    return lambda proxy: set(decoded(proxy)) & set(type(proxy).__pydantic_fields__)
