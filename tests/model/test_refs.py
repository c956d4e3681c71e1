"""`Ref` as a value, without a file: validation, dumps, equality, copies, what is refused."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any, Generic, TypeVar
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from parcode_orm import Key, Model, Ref
from parcode_orm.codec.entity_keys import key_of, key_type, numbered_field
from parcode_orm.errors import DetachedError, UnsupportedTypeError
from parcode_orm.model import waiting
from parcode_orm.model.references import converter_of, key_type_of, referred_class

T = TypeVar("T")


class Airport(Model):
    faa: str = Key(max_length=3)
    name: str = ""


class Plane(Model):
    tail: str = Key()
    home: Ref[Airport] | None = None


class Jet(Plane):
    engines: int = 2


class Leg(Model):
    carrier: str = Key()
    number: int = Key()


class Node(Model):
    id: int = Key(default=None, auto=True)
    parent: Ref[Node] | None = None
    plane: Ref[Plane] | None = None
    legs: list[Ref[Leg]] = []
    near: dict[str, Ref[Airport]] = {}


class Checked(Model):
    model_config = ConfigDict(validate_assignment=True)
    id: int = Key()
    plane: Ref[Plane]


class Token(Model):
    id: UUID = Key()


class Holder(BaseModel):
    token: Ref[Token]


JFK = Airport(faa="JFK", name="Kennedy")


def test_a_field_takes_an_object_a_reference_or_a_key() -> None:
    plane = Plane(tail="N1", home=JFK)
    assert plane.home == JFK and plane.home == Ref(JFK) == Ref(Airport, "JFK")
    assert Plane(tail="N1", home="JFK").home == plane.home
    assert type(plane.home) is Ref and plane.home.target is JFK and plane.home.name == "Kennedy"
    assert Node(legs=[("AA", 1), Leg(carrier="AA", number=2)]).legs == [Ref(Leg, ("AA", 1)), Ref(Leg, ("AA", 2))]


@pytest.mark.parametrize("wrong", [3, JFK, Jet(tail="N2"), Ref(JFK), {"tail": "N1"}])
def test_what_is_no_object_and_no_key_is_refused(wrong: Any) -> None:
    with pytest.raises(ValidationError, match="plane"):
        Node(plane=wrong)


def test_keys_are_validated_with_the_constraints_of_their_field() -> None:
    with pytest.raises(ValidationError, match="at most 3 characters"):
        Plane(tail="N1", home="LONG")
    assert Holder.model_validate_json('{"token": "00000000-0000-0000-0000-000000000001"}').token.key == UUID(int=1)


def test_a_dump_has_the_key_and_with_the_flag_the_object() -> None:
    node = Node(id=1, plane=Plane(tail="N1", home=JFK), legs=[("AA", 1)], near={"a": JFK})
    assert node.model_dump() == {"id": 1, "parent": None, "plane": "N1", "legs": [("AA", 1)], "near": {"a": "JFK"}}
    assert Node.model_validate_json(node.model_dump_json()) == node
    expanded = Node(plane=node.plane, near=node.near).model_dump(context={"expand_refs": True})
    assert expanded["plane"] == {"tail": "N1", "home": {"faa": "JFK", "name": "Kennedy"}}
    assert expanded["near"] == {"a": {"faa": "JFK", "name": "Kennedy"}}
    assert Holder(token=Token(id=UUID(int=1))).model_dump_json() == ('{"token":"00000000-0000-0000-0000-000000000001"}')


def test_an_expanded_dump_ends_where_references_lead_back() -> None:
    one, two = Node(id=1), Node(id=2)
    one.parent, two.parent = two, one
    found = one.model_dump(context={"expand_refs": True})
    assert found["parent"]["parent"]["parent"] == 2


def test_the_json_schema_is_that_of_the_key() -> None:
    properties = Node.model_json_schema()["properties"]
    assert properties["plane"]["anyOf"] == [{"type": "string"}, {"type": "null"}]
    assert properties["near"]["additionalProperties"] == {"maxLength": 3, "type": "string"}


def test_a_reference_is_not_none() -> None:
    ref: Any = Ref(Airport, "JFK")
    assert not (ref == None) and ref != None and None not in [ref]  # noqa: E711


def test_references_are_equal_by_class_and_key() -> None:
    assert Ref(Plane, "N1") == Plane(tail="N1") and Plane(tail="N1") == Ref(Plane, "N1")
    assert Ref(Plane, "JFK") != Ref(Airport, "JFK") and Ref(Plane, "N1") != "N1"
    assert Ref(Jet, "N1") != Ref(Plane, "N1")
    assert {Ref(Plane, "N1"): 1}[Ref(Plane(tail="N1"))] == 1


def test_a_reference_to_an_object_without_a_key_knows_the_object() -> None:
    new = Node()
    assert Ref(new) == Ref(new) and Ref(new) != Ref(Node()) and Ref(new) == new
    assert Ref(new).key is None and Ref(new).target is new
    assert repr(Ref(new)) == "Ref[Node](<no key yet>)"
    with pytest.raises(TypeError, match=r"no key yet.*session\.add"):
        hash(Ref(new))


def test_copies_and_pickles_keep_class_and_key() -> None:
    ref = Ref(Plane, "N1")
    for other in (copy.copy(ref), copy.deepcopy(ref), pickle.loads(pickle.dumps(ref))):
        assert other == ref and other.key == "N1"
    assert pickle.loads(pickle.dumps(Ref(Node(legs=[("AA", 1)])))).target.legs == [Ref(Leg, ("AA", 1))]
    plane = Plane(tail="N1", home=JFK)
    assert plane.model_copy(deep=True).home.target is JFK


def test_attributes_are_those_of_the_target() -> None:
    airport = Airport(faa="JFK")
    ref = Ref(airport)
    ref.name = "Kennedy"
    assert airport.name == "Kennedy" and ref.faa == "JFK" and ref.model_dump()["faa"] == "JFK"
    assert {"name", "key", "target"} <= set(dir(ref))
    for name in ("key", "target", "_key"):
        with pytest.raises(AttributeError):
            setattr(ref, name, 1)
    with pytest.raises(AttributeError):
        ref._other  # noqa: B018
    with pytest.raises(AttributeError):
        del ref.name


def test_a_reference_made_of_a_key_is_detached() -> None:
    ref = Ref(Plane, "N1")
    assert repr(ref) == "Ref[Plane]('N1')" and not hasattr(ref, "items")  # which no Plane has
    with pytest.raises(DetachedError, match=r"session\.get\(Plane, 'N1'\)"):
        ref.home  # noqa: B018


@pytest.mark.parametrize(
    ("args", "message"),
    [((3,), "Ref(obj)"), ((Plane,), "Ref(obj)"), ((int, 3), "Ref(cls, key)"), ((Plane, None), "None is no key")],
)
def test_what_has_no_key_is_no_target(args: Any, message: str) -> None:
    with pytest.raises(TypeError) as problem:
        Ref(*args)
    assert message in str(problem.value)


def test_assigning_makes_references() -> None:
    node = Node()
    node.plane = Plane(tail="N1")  # type: ignore[assignment]
    assert type(node.plane) is Ref
    node.plane = "N2"  # type: ignore[assignment]
    assert node.plane == Ref(Plane, "N2")
    node.plane = None
    node.legs = [Leg(carrier="AA", number=1), ("AA", 2)]  # type: ignore[list-item]
    assert list(map(type, node.legs)) == [Ref, Ref]
    legs = [Ref(Leg, ("AA", 1))]
    node.legs = legs
    assert node.legs is legs
    node.near = {"a": JFK}  # type: ignore[dict-item]
    assert node.near["a"].target is JFK
    checked = Checked(id=1, plane="N1")  # type: ignore[arg-type]
    checked.plane = "N2"  # type: ignore[assignment]
    assert checked.plane == Ref(Plane, "N2")
    with pytest.raises(ValidationError):
        checked.plane = 3  # type: ignore[assignment]


class Rooted(Model):
    name: str


class Box(Model, Generic[T]):
    held: Ref[T]  # type: ignore[type-var]


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        (Ref[Rooted], r"Rooted has no Key\(\)"),
        (Ref[int], "int is no Model"),
        (Ref, "takes the class that it refers to"),
    ],
)
def test_a_class_without_a_key_is_refused_by_name(annotation: Any, message: str) -> None:
    with pytest.raises(UnsupportedTypeError, match=message):
        type("Wrong", (Model,), {"__annotations__": {"x": annotation}, "__module__": __name__})


def test_a_generic_class_refers_to_what_it_is_given() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"Box\[Rooted\]\.held: Ref\[Rooted\].*Rooted has no Key\(\)"):
        Box[Rooted]
    assert Box[Plane](held="N1").held == Ref(Plane, "N1")


def test_what_annotations_say() -> None:
    assert referred_class(Ref[Plane]) is Plane and referred_class(list[Ref[Plane]]) is None
    assert key_type_of(Ref[Leg]) == tuple[str, int] == key_type(Leg) and key_type_of(int) is int
    assert numbered_field(Node) == "id" and numbered_field(Leg) is None
    assert key_of(Leg(carrier="AA", number=1)) == ("AA", 1) and key_of(Node()) is None
    assert converter_of(list[int]) is None and converter_of(Plane) is None


class Early(Model):
    id: int = Key()
    late: Ref[Late] | None = None
    wrong: Ref[Nowhere] | None = None  # type: ignore[name-defined]  # noqa: F821


class Soon(Model):
    id: int = Key()
    late: list[Ref[Late]] = []


class Late(Model):
    id: int = Key()
    soon: Ref[Soon] | None = None


def test_a_class_is_complete_when_the_targets_of_its_references_are_defined() -> None:
    assert Soon.__pydantic_complete__ and Late(id=1, soon=Soon(id=2, late=[3])).soon.late == [Ref(Late, 3)]
    assert not Early.__pydantic_complete__  # it waits for another class, too
    assert Early in [each.cls() for each in waiting._waiting] and Soon not in [each.cls() for each in waiting._waiting]


def test_a_class_of_a_function_waits_for_one_that_comes_later() -> None:
    class Inner(Model):
        id: int = Key()
        later: Ref[Outer] | None = None
        last: Ref[Last] | None = None

    class Outer(Model):
        id: int = Key()
        inner: Ref[Inner]

    assert not Inner.__pydantic_complete__

    class Last(Model):
        id: int = Key()

    assert Inner(id=1, later=Outer(id=2, inner=1), last=3).later == Ref(Outer, 2)


def test_a_class_waits_for_names_that_mean_nothing_else() -> None:
    """Another class named `Ref`, or as a class that the annotations mean already, broke or changed them."""

    class Waits(Model):
        id: int = Key()
        known: Ref[Airport] | None = None
        late: Ref[Unborn] | None = None

    fields = {"__annotations__": {"code": int}, "code": Key(), "__module__": "another"}
    for name in ("Ref", "Airport", "int"):
        assert type(name, (Model,), dict(fields)).__name__ == name

    class Unborn(Model):
        id: int = Key()

    made = Waits(id=1, known="JFK", late=2)
    assert made.known == Ref(Airport, "JFK") and made.late == Ref(Unborn, 2)


def test_a_key_that_is_made_of_itself_is_refused() -> None:
    """It ended in a RecursionError."""
    with pytest.raises(UnsupportedTypeError, match=r"the key of Own is made of itself \(Own -> Own\)"):
        type("Own", (Model,), {"__annotations__": {"id": "Ref[Own]"}, "id": Key(), "__module__": __name__})

    class One(Model):
        other: Ref[Other] = Key()

    class Other(Model):
        one: Ref[One] = Key()
        number: int = Key()

    with pytest.raises(UnsupportedTypeError, match=r"is made of itself \(\S*One -> \S*Other -> \S*One\)"):
        key_type(One)


def test_a_module_that_is_loading_takes_no_class_of_another_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reference to a class that came below was bound to one of the same name that an import in between defined."""
    head = "from parcode_orm import Key, Model, Ref\n\n\n"
    trip = "class Trip(Model):\n    id: int = Key()\n    vessel: Ref['Vessel']\n\n\n"
    vessel = "class Vessel(Model):\n    id: {} = Key()\n"
    (tmp_path / "harbour.py").write_text(head + vessel.format("str"))
    (tmp_path / "trips.py").write_text(head + trip + "import harbour\n\n\n" + vessel.format("int"))
    (tmp_path / "lone_trips.py").write_text(head + trip)
    (tmp_path / "wharf.py").write_text("import lone_trips\n" + head + vessel.format("str"))
    monkeypatch.syspath_prepend(tmp_path)
    import trips  # type: ignore[import-not-found]
    import wharf  # type: ignore[import-not-found]

    assert trips.Trip(id=1, vessel=trips.Vessel(id=2)).vessel.key == 2
    assert wharf.lone_trips.Trip(id=1, vessel=wharf.Vessel(id="x")).vessel.key == "x"  # it was loaded
