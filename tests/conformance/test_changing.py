"""Changing lazy objects: assignment, deletion, validation, pinning, and changing class in place."""

import copy
import pickle

import pytest
from pydantic import ValidationError

from parcode_orm.codec.slots import NAMES
from parcode_orm.lazy.proxy import become_lazy, decoded, forget, is_proxy, plain_again, proxy_state
from tests.conformance import models as m
from tests.conformance.fakes import FakeSpace, FakeView
from tests.conformance.models import EXAMPLES

every = pytest.mark.parametrize("plain", EXAMPLES, indirect=True, ids=lambda plain: type(plain).__name__)


def test_assignment_reads_nothing(lazy_of, reads, space):
    lazy = lazy_of(m.small())
    lazy.b = "new"
    assert decoded(lazy) == {"b": "new"}
    assert "b" in lazy.model_fields_set
    plain = m.small()
    plain.b = "new"
    assert lazy == plain and lazy.model_dump_json() == plain.model_dump_json()
    assert list(vars(lazy)) == list(vars(plain))
    assert space.pinned == []


def test_validate_assignment_reads_nothing_else(lazy_of, reads):
    lazy = lazy_of(m.Assigned(a=1, b=2, c=[3]))
    lazy.a = "5"
    assert decoded(lazy) == {"a": 5}
    with pytest.raises(ValidationError):
        lazy.a = "z"
    assert decoded(lazy) == {"a": 5}
    assert lazy.model_dump() == {"a": 5, "b": 2, "c": [3]}


def _outcome(obj, name, value):
    try:
        setattr(obj, name, value)
    except (ValidationError, ValueError, AttributeError) as error:
        details = error.errors() if isinstance(error, ValidationError) else str(error)
        failure = [{**each, "ctx": str(each.get("ctx"))} for each in details] if isinstance(details, list) else details
    else:
        failure = None
    return failure, obj.model_dump(), obj.model_fields_set, obj.model_extra


ASSIGNMENTS = [
    (m.Assigned(a=1, b=2, c=[3]), "c", (4, "5")),
    (m.Assigned(a=1, b=2, c=[3]), "nothing", 1),
    (m.Checked(a=1, b=2, c=[3]), "a", 50),
    (m.Checked(a=1, b=2, c=[3]), "a", 500),
    (m.Dumping(a=1, b=2, c=[3]), "b", 7),
    (m.Informed(a=1, b=2, c=[3]), "c", [1, 2]),
    (m.Informed(a=1, b=2, c=[3]), "c", [1, 2, 3]),
    (m.BeforeChecked(a=1, b=2, c=[3]), "a", "9"),
    (m.Frozen(a=1, b=(1, 2)), "a", 3),
    (m.FrozenField(a=1), "a", 3),
    (m.FrozenField(a=1), "b", 3),
    (m.Extra(a=1), "new", 3),
    (m.Extra(a=1, zz=5), "zz", 6),
    (m.Extra(a=1, zz=5), "a", 6),
    (m.CheckedExtra(a=1, b=[2], zz=5), "zz", 6),
    (m.CheckedExtra(a=1, b=[2], zz=5), "a", "6"),
    (m.CheckedExtra(a=1, b=[2]), "b", "no"),
    (m.small(), "nothing", 1),
    (m.small(), "heavy", [7]),
    (m.Tags(["a"]), "root", ["b"]),
    (m.world(), "kind", "x"),
    (m.world(), "shout", "x"),
    (m.world(), "name", "y"),
    (m.Shadowing(copy=1, json=[2]), "copy", 5),
    (m.Shadowing(copy=1, json=[2]), "old", 5),
    (m.OwnSetattr(a=1), "a", 2),
]


@pytest.mark.parametrize(("plain", "name", "value"), ASSIGNMENTS, ids=lambda each: str(each)[:24])
def test_assignment_as_on_the_plain_object(lazy_of, plain, name, value):
    assert _outcome(lazy_of(plain), name, value) == _outcome(copy.deepcopy(plain), name, value)


def test_an_after_validator_reads_what_it_uses(lazy_of, reads):
    lazy = lazy_of(m.Checked(a=1, b=2, c=[3]))
    lazy.b = 5
    assert reads(lazy) == {"a", "b"}


def test_own_setattr_comes_first_and_reads_nothing(lazy_of):
    lazy = lazy_of(m.OwnSetattr(a=1, b=[2]))
    m.OwnSetattr.calls.clear()
    lazy.a = 4
    assert m.OwnSetattr.calls == ["a"] and decoded(lazy) == {"a": 4}


def test_private_assignment_and_deletion(lazy_of):
    lazy = lazy_of(m.Hooked(a=1))
    lazy._given = [9]
    lazy._unset = 3
    assert lazy._given == [9] and lazy._unset == 3
    del lazy._unset
    assert not hasattr(lazy, "_unset")
    assert copy.copy(lazy)._given == [9]


def test_deleted_fields_stay_deleted(lazy_of):
    plain, lazy = m.small(), lazy_of(m.small())
    for obj in (plain, lazy):
        del obj.heavy
        with pytest.raises(AttributeError, match="no attribute 'heavy'"):
            _ = obj.heavy
        with pytest.raises(AttributeError):
            del obj.heavy
        del obj.blob
    assert lazy == plain and vars(lazy) == vars(plain)
    assert proxy_state(lazy)[0].dropped == {"heavy", "blob"}
    lazy.heavy = [1]
    assert lazy.heavy == [1]


def test_copies_are_independent(lazy_of):
    lazy = lazy_of(m.small())
    made = copy.copy(lazy)
    made.a = 99
    made.model_fields_set.add("b")
    assert lazy.a == 1 and "b" not in lazy.model_fields_set
    deep = copy.deepcopy(lazy)
    deep.heavy.append(4)
    assert lazy.heavy == [1, 2, 3]


def test_model_construct_and_fields_set_are_not_shared(lazy_of):
    one, two = lazy_of(m.Extra(a=1)), lazy_of(m.Extra(a=1))
    one.new = 3
    assert two.model_fields_set == {"a"} and one.model_fields_set == {"a", "new"}


@pytest.mark.parametrize(
    ("action", "pins"),
    [
        (lambda p: p.id, False),
        (lambda p: p.name, False),
        (lambda p: p.terrain, False),
        (lambda p: p.tags, True),
        (lambda p: p.settings, True),
        (lambda p: p.history, True),
        (lambda p: setattr(p, "id", 8), True),
        (lambda p: setattr(p, "_secret", 8), True),
        (lambda p: delattr(p, "id"), True),
        (lambda p: p._secret, True),
        (lambda p: dir(p), False),
    ],
)
def test_what_may_change_is_pinned_in_a_writable_space(lazy_of, space, action, pins):
    lazy = lazy_of(m.world())
    action(lazy)
    assert space.pinned == []
    space.writable = True
    lazy = lazy_of(m.world())
    action(lazy)
    assert (len(space.pinned) > 0 and all(each is lazy for each in space.pinned)) is pins


def test_validated_assignment_is_pinned(lazy_of, space):
    space.writable = True
    for plain in (m.Assigned(a=1, b=2, c=[3]), m.Informed(a=1, b=2, c=[3]), m.Extra(a=1)):
        lazy = lazy_of(plain)
        lazy.a = 2
        assert space.pinned[-1] is lazy
    lazy = lazy_of(m.Extra(a=1))
    lazy.fresh = 1
    assert space.pinned[-1] is lazy


@every
def test_a_plain_object_becomes_lazy_in_place_and_back(plain):
    obj = copy.deepcopy(plain)
    view = FakeView(plain, FakeSpace())
    become_lazy(obj, view, 0)
    assert is_proxy(obj) and obj.__class__ is type(plain) and isinstance(obj, type(plain))
    assert obj == plain and view.log == []
    decoded(obj).clear()
    assert vars(obj) == vars(plain) and set(view.log) == set(type(plain).model_fields)
    assert obj.model_dump() == plain.model_dump()
    for slot in NAMES:
        getattr(obj, slot)
    plain_again(obj)
    assert type(obj) is type(plain) and obj == plain
    assert not hasattr(obj, "_p_state")
    assert pickle.loads(pickle.dumps(obj)) == plain


def test_only_rows_of_its_own_class(lazy_of):
    with pytest.raises(TypeError, match="Small"):
        become_lazy(m.Base(x=1), FakeView(m.small(), FakeSpace()), 0)


def test_forgetting_reads_anew(lazy_of, reads):
    lazy = lazy_of(m.Hooked(a=1, b=[2]))
    lazy.a, lazy._given = 5, [6]
    del lazy.b
    forget(lazy)
    assert reads(lazy) == set()
    assert lazy == m.Hooked(a=1, b=[2]) and lazy._given == [1]
