"""The tree of errors."""

import builtins
import pickle
import re

import pytest

import parcode_orm
from parcode_orm import errors
from parcode_orm.errors import CorruptionError, EncodeError, LockedError, ParcodeError, with_article

ALL = [getattr(errors, name) for name in errors.__all__]


@pytest.mark.parametrize("error", ALL, ids=lambda each: each.__name__)
def test_one_root_and_no_attribute_error(error):
    assert issubclass(error, ParcodeError)
    assert not issubclass(error, AttributeError)
    made = error("what was wrong")
    assert "what was wrong" in str(made)
    assert str(pickle.loads(pickle.dumps(made))) == str(made)


def test_the_docstring_draws_the_tree():
    drawn, parents = {}, [(-1, "")]
    for line in errors.__doc__.splitlines():
        found = re.match(r"^(    [ │├└─]*)([A-Z][A-Za-z]+)(?:\s{2,}|$)", line)
        if found:
            depth, name = len(found[1]), found[2]
            while parents[-1][0] >= depth:
                parents.pop()
            drawn[name] = parents[-1][1]
            parents.append((depth, name))
    assert drawn.keys() == set(errors.__all__)
    for name, parent in drawn.items():
        assert not parent or getattr(errors, parent) in getattr(errors, name).__bases__


def test_corruption_says_where():
    error = CorruptionError("bad magic", path="f.par", offset=8, expected=b"a", found=b"b")
    assert str(error) == "bad magic (in f.par, at offset 8, expected b'a', found b'b')"
    assert pickle.loads(pickle.dumps(error)).offset == 8


def test_encode_error_says_which_value():
    error = EncodeError("does not fit 64 bits", model="World", path="players.Hero.level", value_type=int)
    assert str(error) == "World.players.Hero.level: does not fit 64 bits (a value of type int)"
    assert isinstance(error, ValueError)


def test_names_of_classes_have_their_articles():
    an = ["Author", "Item", "Order", "Umpire", "Uncle", "Unimportant", "airport"]
    a = ["Book", "User", "Unit", "Union", "University", "European", "One", "UTILITY", "Usage", "_Own"]
    assert [with_article(name) for name in an] == [f"an {name}" for name in an]
    assert [with_article(name) for name in a] == [f"a {name}" for name in a]
    assert errors.called(OSError()) == "an OSError"


def test_locked_error_names_the_holder():
    assert LockedError("locked", holder=42).holder == 42


def test_importing_all_names_leaves_the_builtins_alone() -> None:
    scope: dict[str, object] = {}
    exec("from parcode_orm import *", scope)
    assert not vars(builtins).keys() & (scope.keys() - {"__builtins__"} - {each for each in scope if each[0] == "_"})
    assert "Session" in scope and parcode_orm.open is parcode_orm.session.open  # type: ignore[attr-defined]
