"""Looking at lazy objects: attributes, repr, equality, dumps. Every check compares with the plain object."""

import copy
import dataclasses
import gc
import inspect
import pickle
import threading
import warnings
import weakref
from typing import Any, Union

import pytest
from pydantic import BaseModel, RootModel, SerializeAsAny, TypeAdapter

from parcode_orm.codec.types.compile import struct_for
from parcode_orm.errors import DecodeError, DetachedError, StreamConsumedError
from parcode_orm.lazy.proxy import is_lazy, is_proxy, lazy_class, proxy_state
from tests.conformance import models as m
from tests.conformance.models import EXAMPLES

every = pytest.mark.parametrize("plain", EXAMPLES, indirect=True, ids=lambda plain: type(plain).__name__)

DUMPS: list[dict[str, Any]] = [
    {},
    {"mode": "json"},
    {"by_alias": True},
    {"exclude": {"history": {0}}},
    {"exclude": {"a": True, "x": ...}},
    {"include": {"settings": {"difficulty"}, "history": True, "a": True}},
    {"include": {"a", "heavy", "total"}},
    {"include": set()},
    {"exclude_unset": True},
    {"exclude_defaults": True},
    {"exclude_none": True},
    {"exclude_computed_fields": True},
    {"round_trip": True},
    {"serialize_as_any": True},
    {"polymorphic_serialization": True},
    {"warnings": "error"},
    {"context": {"k": 1}},
]


@every
@pytest.mark.parametrize("options", DUMPS)
def test_model_dump(plain, lazy_of, options):
    assert lazy_of(plain).model_dump(**options) == plain.model_dump(**options)


@every
@pytest.mark.parametrize("options", [each for each in DUMPS if "mode" not in each])
def test_model_dump_json(plain, lazy_of, options):
    lazy = lazy_of(plain)
    next(iter(type(plain).model_fields), None)
    assert lazy.model_dump_json(**options) == plain.model_dump_json(**options)
    assert lazy.model_dump_json(indent=2, **options) == plain.model_dump_json(indent=2, **options)


@every
def test_dump_after_some_reading_keeps_the_field_order(plain, lazy_of):
    lazy = lazy_of(plain)
    for name in reversed(list(type(plain).model_fields)):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(lazy, name)
    assert lazy.model_dump_json() == plain.model_dump_json()
    assert [name for name in vars(lazy) if name in type(plain).model_fields] == list(type(plain).model_fields)


@every
def test_class_and_isinstance(plain, lazy_of):
    lazy = lazy_of(plain)
    assert lazy.__class__ is type(plain)
    assert isinstance(lazy, type(plain))
    assert issubclass(type(lazy), type(plain))
    assert is_proxy(lazy) and is_lazy(lazy) and not is_proxy(plain) and not is_lazy(plain)
    assert type(lazy) is lazy_class(type(plain)) is lazy_class(type(lazy))
    assert type(lazy).__name__ == type(plain).__name__
    assert type(lazy).__qualname__ == type(plain).__qualname__
    assert type(lazy) not in type(plain).__subclasses__()


@every
def test_equality(plain, lazy_of):
    assert lazy_of(plain) == plain
    assert plain == lazy_of(plain)
    assert lazy_of(plain) == lazy_of(plain)
    assert not lazy_of(plain) != plain
    assert lazy_of(plain) != 1
    assert lazy_of(plain) != m.Settings(difficulty=99)


@every
def test_repr_and_str(plain, lazy_of):
    assert repr(lazy_of(plain)) == repr(plain)
    assert str(lazy_of(plain)) == str(plain)


@every
def test_rich(plain, lazy_of):
    from rich.pretty import pretty_repr

    def show(obj):
        return pretty_repr(obj.model_copy(deep=True) if is_proxy(obj) else obj)

    assert show(lazy_of(plain)) == show(plain)
    assert type(plain).__name__ in pretty_repr(lazy_of(plain))


@every
def test_dir_reads_nothing(plain, lazy_of, reads):
    lazy = lazy_of(plain)
    assert set(dir(lazy)) == set(dir(plain))
    assert reads(lazy) == set()


@every
def test_vars_dict_and_iteration(plain, lazy_of):
    assert vars(lazy_of(plain)) == vars(plain)
    assert list(lazy_of(plain).__dict__) == list(plain.__dict__)
    assert dict(lazy_of(plain)) == dict(plain)
    assert [name for name, _ in lazy_of(plain)] == [name for name, _ in plain]


@every
def test_getmembers(plain, lazy_of):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        lazy = {name for name, _ in inspect.getmembers(lazy_of(plain))} - {"_p_state"}
        assert lazy == {name for name, _ in inspect.getmembers(plain)}


@every
def test_fields_set_extra_private(plain, lazy_of, reads):
    lazy = lazy_of(plain)
    assert lazy.model_fields_set == plain.model_fields_set
    assert lazy.model_extra == plain.model_extra
    assert lazy.__pydantic_private__ == plain.__pydantic_private__
    assert reads(lazy) == set()


@every
def test_copies_are_plain_and_equal(plain, lazy_of):
    for made in (
        copy.copy(lazy_of(plain)),
        copy.deepcopy(lazy_of(plain)),
        lazy_of(plain).model_copy(),
        lazy_of(plain).model_copy(deep=True),
        lazy_of(plain).model_load(),
        *(pickle.loads(pickle.dumps(lazy_of(plain), protocol)) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
    ):
        assert type(made) is type(plain)
        assert made == plain and plain == made
        assert made.model_fields_set == plain.model_fields_set
        assert made.model_dump() == plain.model_dump()


@every
def test_load_leaves_nothing_lazy(plain, lazy_of):
    loaded = lazy_of(plain).model_load()
    assert not _lazy_below(loaded)
    assert loaded.__dict__ == plain.__dict__
    pickled = pickle.loads(pickle.dumps(lazy_of(plain)))
    assert not _lazy_below(pickled)


@every
def test_load_of_plain_is_deep(plain):
    loaded = plain.model_load()
    assert loaded == plain and loaded is not plain
    for name, value in vars(plain).items():
        if isinstance(value, list | dict | set):
            assert vars(loaded)[name] is not value


def _lazy_below(value: Any) -> bool:
    if is_lazy(value):
        return True
    if isinstance(value, BaseModel):
        return _lazy_below(value.__dict__)
    if isinstance(value, dict):
        return any(map(_lazy_below, value.values()))
    return isinstance(value, list | tuple | set) and any(map(_lazy_below, value))


@every
def test_validating_a_lazy_object_gives_itself(plain, lazy_of, reads):
    lazy = lazy_of(plain)
    if type(plain).model_config.get("revalidate_instances"):
        assert type(plain).model_validate(lazy) == lazy
        return
    assert type(plain).model_validate(lazy) is lazy
    assert TypeAdapter(type(plain)).validate_python(lazy) is lazy
    assert TypeAdapter(list[type(plain)]).validate_python([lazy])[0] is lazy
    if not type(plain).__pydantic_decorators__.model_validators:
        assert reads(lazy) == set()


@every
def test_json_schema_and_signature(plain, lazy_of):
    lazy = lazy_of(plain)
    for mode in ("validation", "serialization"):
        assert type(lazy).model_json_schema(mode=mode) == type(plain).model_json_schema(mode=mode)
    assert inspect.signature(type(lazy)) == inspect.signature(type(plain))


@every
def test_weakref_and_truth(plain, lazy_of):
    lazy = lazy_of(plain)
    assert bool(lazy) == bool(plain)
    ref = weakref.ref(lazy)
    assert ref() is lazy
    del lazy
    gc.collect()
    assert ref() is None


@every
@pytest.mark.parametrize("how", ["any", "exact", "as_any", "union", "list", "dict", "root"])
@pytest.mark.parametrize("options", [{}, {"polymorphic_serialization": True}, {"serialize_as_any": True}], ids=str)
def test_inside_another_model(plain, lazy_of, how, options):
    cls = type(plain)
    annotation: Any = {
        "any": Any,
        "exact": cls,
        "as_any": SerializeAsAny[cls],
        "union": Union[m.Settings, cls],  # noqa: UP007
        "list": list[cls],
        "dict": dict[str, cls],
        "root": RootModel[cls],
    }[how]
    Outer = type("Outer", (BaseModel,), {"__annotations__": {"w": annotation}, "__module__": __name__})
    shape = {"list": lambda v: [v], "dict": lambda v: {"k": v}}.get(how, lambda v: v)
    lazy, flat = Outer(w=shape(lazy_of(plain))), Outer(w=shape(plain))
    assert lazy == flat
    assert lazy.model_dump(**options) == flat.model_dump(**options)
    assert lazy.model_dump_json(**options) == flat.model_dump_json(**options)
    assert TypeAdapter(annotation).dump_json(lazy.w, **options) == TypeAdapter(annotation).dump_json(flat.w, **options)


@every
def test_a_dataclass_may_hold_one(plain, lazy_of):
    @dataclasses.dataclass
    class Holder:
        w: Any

    assert Holder(lazy_of(plain)) == Holder(plain)
    assert dataclasses.asdict(Holder(lazy_of(plain))) == dataclasses.asdict(Holder(plain))


@every
def test_after_closing_what_was_read_stays(plain, lazy_of, space):
    lazy = lazy_of(plain)
    first, *others = type(plain).model_fields
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        value = getattr(lazy, first)
        space.closed = True
        assert getattr(lazy, first) is value
        for name in others:
            for attempt in (lambda name=name: getattr(lazy, name), lambda name=name: hasattr(lazy, name)):
                with pytest.raises(DetachedError):
                    attempt()
    if others:
        for attempt in (lambda: lazy.model_dump(round_trip=True), lambda: vars(lazy), lambda: copy.copy(lazy)):
            with pytest.raises(Exception) as caught:
                attempt()
            assert isinstance(caught.value, DetachedError) or "DetachedError" in str(caught.value)


# Particular fields and members


def test_attributes_read_themselves_only(lazy_of, reads):
    world, plain = lazy_of(m.world()), m.world()
    assert world.id == 7 and reads(world) == {"id"}
    assert world.settings.difficulty == 3
    assert reads(world) == {"id", "settings"} and reads(world.settings) == {"difficulty"}
    assert world.settings is world.settings
    assert world.history[1] == "b" and world.players["Hero"].level == 3
    assert world.name == plain.name and world.price == plain.price
    assert world.kind == "world"


def test_methods_properties_and_cached_properties_read_what_they_use(lazy_of, reads):
    world = lazy_of(m.world())
    assert (world.shout, reads(world)) == ("X", {"name"})
    world = lazy_of(m.world())
    assert (world.twice, world.twice, reads(world)) == (14, 14, {"id"})
    del world.twice
    world.twice = 3
    assert (world.twice, world.grown(), reads(world)) == (3, 8, {"id"})
    assert world._secret == 5
    assert world == m.world()


def test_computed_fields(lazy_of, reads):
    lazy = lazy_of(m.Computed(a=2, b=[1, 2]))
    assert (lazy.double, reads(lazy)) == (4, {"a"})
    assert lazy.model_dump(include={"a"}) == {"a": 2} and reads(lazy) == {"a"}
    assert lazy.total == 3


def test_equality_stops_at_the_first_difference(lazy_of, reads):
    lazy = lazy_of(m.Small(a=1))
    assert lazy != m.Small(a=2)
    assert reads(lazy) == {"a"}
    lazy = lazy_of(m.Small(a=1))
    assert lazy != m.Base(x=1) and reads(lazy) == set()
    assert lazy == lazy and reads(lazy) == set()


def test_repr_reads_no_field_it_does_not_show(lazy_of, reads):
    lazy = lazy_of(m.small())
    repr(lazy)
    assert "hidden" not in reads(lazy)


@pytest.mark.parametrize(
    ("options", "read"),
    [
        ({"include": {"a"}}, {"a"}),
        ({"include": {"a": True, "b": ...}}, {"a", "b"}),
        ({"exclude": {"heavy", "blob"}}, {"a", "b", "hidden"}),
        ({"exclude": {"heavy": True, "blob": ..., "hidden": True}}, {"a", "b"}),
        ({"exclude": {"heavy": {0}}}, {"a", "b", "heavy", "blob", "hidden"}),
        ({"exclude_unset": True}, {"a", "heavy", "blob"}),
        ({"exclude_unset": True, "exclude": {"blob"}}, {"a", "heavy"}),
    ],
    ids=lambda value: ",".join(sorted(value)),
)
def test_a_dump_reads_no_field_it_leaves_out(lazy_of, reads, options, read):
    lazy = lazy_of(m.small())
    assert lazy.model_dump(**options) == m.small().model_dump(**options)
    assert reads(lazy) == read
    lazy = lazy_of(m.small())
    assert lazy.model_dump_json(**options) == m.small().model_dump_json(**options)
    assert reads(lazy) == read


def test_a_copy_reads_no_field_it_replaces(lazy_of, reads):
    lazy = lazy_of(m.small())
    made = lazy.model_copy(update={"blob": b"new", "heavy": [9]})
    assert made == m.small().model_copy(update={"blob": b"new", "heavy": [9]})
    assert list(made.model_dump()) == list(m.small().model_dump())
    assert reads(lazy) == {"a", "b", "hidden", "excluded"}


def test_replace(lazy_of):
    assert lazy_of(m.small()).__replace__(a=5) == m.small().model_copy(update={"a": 5})
    if hasattr(copy, "replace"):
        assert copy.replace(lazy_of(m.small()), a=5).a == 5


def test_from_attributes_reads_what_it_takes(lazy_of, reads):
    lazy = lazy_of(m.world())
    assert m.Attributes.model_validate(lazy) == m.Attributes(id=7, tags=["t"])
    assert reads(lazy) == {"id", "tags"}


def test_match_statement(lazy_of, reads):
    lazy = lazy_of(m.small())
    match lazy:
        case m.Base():
            pytest.fail("no Base")
        case m.Small(a=1, b=b):
            assert b == "b"
        case _:
            pytest.fail("no match")
    assert reads(lazy) == {"a", "b"}


def test_frozen_hash(lazy_of):
    plain = m.Frozen(a=1, b=(1, 2))
    assert hash(lazy_of(plain)) == hash(plain)
    assert len({plain, lazy_of(plain)}) == 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(lazy_of(m.small()))
    assert hash(lazy_of(m.OwnDunders(a=13))) == 3


def test_revalidation_gives_a_plain_equal_object(lazy_of):
    for cls in (m.Revalidated, m.RevalidatedSubclasses):
        plain = cls(a=1, h=[1])
        Outer = type("Outer", (BaseModel,), {"__annotations__": {"w": cls}, "__module__": __name__})
        assert Outer(w=lazy_of(plain)).w == plain
        assert Outer.model_validate({"w": lazy_of(plain)}, strict=True).w == plain


def test_unions_choose_the_exact_class(lazy_of):
    class Holder(BaseModel):
        either: m.Base | m.Derived
        tagged: m.Cat | m.Dog

    derived, dog = m.Derived(x=1, y=2), m.Dog(tricks=["sit"])
    lazy, plain = Holder(either=lazy_of(derived), tagged=lazy_of(dog)), Holder(either=derived, tagged=dog)
    assert lazy.model_dump() == plain.model_dump()
    assert lazy.model_dump_json() == plain.model_dump_json()
    adapter = TypeAdapter(m.Base | m.Derived)
    assert adapter.dump_python(lazy_of(derived)) == {"x": 1, "y": 2}


def test_polymorphic_serialization_of_a_base_field(lazy_of):
    class Holder(BaseModel):
        base: m.Base

    assert Holder(base=lazy_of(m.Derived(x=1, y=2))).model_dump(polymorphic_serialization=True) == {
        "base": {"x": 1, "y": 2}
    }


def test_extra_values(lazy_of):
    lazy = lazy_of(m.Extra(a=1, zz=5))
    assert (lazy.zz, lazy.model_extra) == (5, {"zz": 5})
    assert hasattr(lazy, "zz") and not hasattr(lazy, "yy")


def test_private_attributes_and_hooks(lazy_of):
    plain = m.Hooked(a=1)
    plain._given.append(2)
    made, seen = m.Hooked.made, list(m.Hooked.seen)
    lazy = lazy_of(plain)
    assert lazy._given == [1, 2] and lazy._given is lazy._given
    assert lazy._object is None
    assert not hasattr(lazy, "_unset") and not hasattr(plain, "_unset")
    with pytest.raises(AttributeError, match="'Hooked' object has no attribute '_unset'"):
        _ = lazy._unset
    assert m.Hooked.made == made, "model_post_init is for new objects"
    assert m.Hooked.seen == seen, "__init_subclass__ is for the user's classes"


def test_type_of_a_lazy_object_makes_plain_objects(lazy_of):
    lazy = lazy_of(m.Hooked(a=1))
    assert type(lazy.again()) is m.Hooked and lazy.again().a == 2
    assert type(lazy.build(4)) is m.Hooked
    assert type(type(lazy).model_construct(a=1)) is m.Hooked
    assert type(type(lazy).model_validate({"a": 1})) is m.Hooked


def test_own_dunders_come_first(lazy_of, reads):
    lazy = lazy_of(m.OwnDunders(a=13))
    assert lazy == m.OwnDunders(a=3)
    assert repr(lazy) == "OwnDunders(own=13)"
    assert lazy.dynamic == 1300
    assert reads(lazy) == {"a"}


def test_shadowing_and_deprecated_fields(lazy_of, reads):
    lazy = lazy_of(m.Shadowing(copy=1, json=[2]))
    assert lazy.copy == 1 and list(lazy.json) == [2]
    with pytest.warns(DeprecationWarning, match="use new"):
        assert lazy.old == 1
    lazy = lazy_of(m.Shadowing(copy=1, json=[2]))
    with pytest.warns(DeprecationWarning):
        _ = lazy.old
    assert reads(lazy) == {"old"}


def test_missing_names_raise_as_on_the_plain_object(lazy_of):
    plain = m.small()
    for obj in (plain, lazy_of(plain)):
        with pytest.raises(AttributeError, match="'Small' object has no attribute 'nothing'"):
            _ = obj.nothing


def test_fields_left_out_by_model_construct_are_missing(lazy_of):
    plain = m.Player.model_construct(level=1)
    lazy = lazy_of(plain)
    for obj in (plain, lazy):
        with pytest.raises(AttributeError, match="'Player' object has no attribute 'inventory'"):
            _ = obj.inventory
    assert vars(lazy) == {"level": 1}
    assert lazy == plain and plain == lazy
    assert lazy.model_dump() == plain.model_dump() == {"level": 1}
    assert lazy.model_copy(update={"level": 3}).__dict__ == {"level": 3}
    assert repr(lazy) == repr(plain)


def test_an_attribute_error_while_decoding_is_no_missing_field(lazy_of, space):
    lazy = lazy_of(m.small())
    proxy_state(lazy)[0].broken["a"] = AttributeError("inner")
    for attempt in (lambda: lazy.a, lambda: getattr(lazy, "a", None), lambda: hasattr(lazy, "a"), lambda: vars(lazy)):
        with pytest.raises(DecodeError, match=r"Small\.a"):
            attempt()


def test_one_identity_across_threads(lazy_of):
    for _ in range(20):
        lazy = lazy_of(m.world())
        barrier, seen = threading.Barrier(4), []

        def read(lazy=lazy, barrier=barrier, seen=seen):
            barrier.wait()
            seen.append((id(lazy.history), id(lazy.settings), id(lazy.tags)))
            lazy.model_dump()

        threads = [threading.Thread(target=read) for _ in range(4)]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
        assert len(set(seen)) == 1 and len(seen) == 4
        assert seen[0] == (id(lazy.history), id(lazy.settings), id(lazy.tags))


def test_recursive_models(lazy_of):
    plain = m.Node(name="r", children=[m.Node(name="c")])
    lazy = lazy_of(plain)
    assert lazy.children[0].children == []
    assert (
        m.Node(name="top", children=[lazy_of(plain)]).model_dump() == m.Node(name="top", children=[plain]).model_dump()
    )


def test_lazy_collections_pass_into_marked_fields_unread(lazy_of, space):
    world = lazy_of(m.world())
    history, players = world.history, world.players
    columns = dict(struct_for(m.World).fields)
    history._p_items_, players._p_items_ = columns["history"].items, columns["players"].items
    other = m.World(id=1, name="n", settings=world.settings, inline=world.inline, history=history, players=players)
    assert other.history is history and other.players is players and other.settings is world.settings
    assert history.loads == 0 and players.loads == 0
    assert other.model_dump()["history"] == ["a", "b"]


def test_fastapi(lazy_of):
    from fastapi import FastAPI
    from fastapi.testclient import TestClient

    app = FastAPI()
    plain = m.Small(a=1, heavy=[1])

    @app.get("/annotated")
    def annotated() -> m.Small:
        return lazy_of(plain)

    @app.get("/list", response_model=list[m.Derived | m.Base])
    def several() -> Any:
        return [lazy_of(m.Derived(x=1, y=2)), lazy_of(m.Base(x=3))]

    @app.get("/filtered", response_model=m.Attributes)
    def filtered() -> Any:
        return lazy_of(m.world())

    @app.get("/unset", response_model_exclude_unset=True)
    def unset() -> m.Small:
        return lazy_of(plain)

    @app.post("/echo")
    def echo(small: m.Small) -> m.Small:
        return small

    client = TestClient(app)
    assert client.get("/annotated").json() == plain.model_dump(mode="json")
    assert client.get("/list").json() == [{"x": 1, "y": 2}, {"x": 3}]
    assert client.get("/filtered").json() == {"id": 7, "tags": ["t"]}
    assert client.get("/unset").json() == {"a": 1, "heavy": [1]}
    assert client.post("/echo", json={"a": 3, "heavy": [4]}).json()["heavy"] == [4]
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    for name in ("Small-Input", "Small-Output"):
        heavy = schemas[name]["properties"]["heavy"]
        assert heavy == {"items": {"type": "integer"}, "title": "Heavy", "type": "array"}


def test_a_stream_is_not_dumped_or_copied():
    player = m.Player(level=1, inventory=iter([1]))
    with pytest.raises(Exception, match="read once"):
        player.model_dump()
    with pytest.raises(TypeError, match="read once"):
        copy.deepcopy(player)
    assert list(player.inventory) == [1]
    with pytest.raises(StreamConsumedError):
        list(player.inventory)
