"""A lazy collection that enters another field is treated as a plain one is: the same errors, the same values."""

from __future__ import annotations

import tempfile
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PositiveInt, ValidationError, create_model

from parcode_orm import Chunk, EncodeError, LazyList, LazyMap, Model, Session, ShardedMap, dumps, load, loads, save
from parcode_orm.codec.types.stream import Stream
from parcode_orm.model.plain import deep_plain
from tests.effort import half
from tests.equality import same


def item_class(module: str, **more: Any) -> Any:
    return create_model("Item", __base__=Model, __module__=module, x=(int, 0), **more)


Here, There = item_class("here"), item_class("there")  # one name, one layout
Wide = item_class("wide", y=(str, ""))


class Derived(Here):  # type: ignore[valid-type, misc]
    pass


def no_two(values: Any) -> Any:
    if len(values) == 2:
        raise ValueError("two are unlucky")
    return values


ITEMS: dict[str, tuple[Any, Callable[[int], Any]]] = {
    "int": (int, lambda n: n),
    "positive": (Annotated[int, Field(gt=0)], lambda n: n + 1),
    "PositiveInt": (PositiveInt, lambda n: n + 1),
    "maybe": (int | None, lambda n: n if n % 3 else None),
    "float": (float, lambda n: n / 2),
    "digits": (str, str),
    "short": (Annotated[str, Field(max_length=1)], lambda n: str(n % 10)),
    "word": (Literal["a", "b"], lambda n: "ab"[n % 2]),
    "here": (Here, lambda n: Here(x=n)),
    "there": (There, lambda n: There(x=n)),
    "wide": (Wide, lambda n: Wide(x=n)),
    "derived": (Derived, lambda n: Derived(x=n)),
    "list": (list[int], lambda n: [n]),
    "pair": (tuple[int, int], lambda n: (n, n)),
    "dict": (dict[str, int], lambda n: {str(n): n}),
}
METADATA: dict[str, list[Any]] = {
    "": [],
    "two at most": [Field(max_length=2)],
    "a hundred": [Field(min_length=100)],
    "strict": [Field(strict=True)],
    "a validator": [AfterValidator(no_two)],
}
KINDS: dict[str, Callable[[Any], Any]] = {
    "list": lambda item: list[item],
    "Sequence": lambda item: Sequence[item],
    "LazyList": lambda item: LazyList[item],
    "list or None": lambda item: list[item] | None,
    "tuple": lambda item: tuple[item, ...],
    "by text": lambda item: dict[str, item],
    "by number": lambda item: dict[int, item],
    "Mapping": lambda item: Mapping[str, item],
    "LazyMap": lambda item: LazyMap[str, item],
    "OrderedDict": lambda item: OrderedDict[str, item],
    "either": lambda item: list[item] | dict[str, item],
    "anything": lambda item: Any,
}
FIELDS = st.tuples(st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(ITEMS)), st.sampled_from(sorted(METADATA)))


def field_of(kind: str, item: str, rule: str) -> Any:
    annotation = KINDS[kind](ITEMS[item][0])
    few = kind in ("either", "anything") or (rule == "strict" and kind not in ("list", "tuple", "by text", "by number"))
    rules = [] if few else METADATA[rule]  # Pydantic takes no more for these
    return Annotated[(annotation, *rules)] if rules else annotation  # type: ignore[return-value]


def outcome(make: Callable[[], Any]) -> tuple[Any, Any]:
    """The value, or what Pydantic says is wrong, at most a hundred times: of a stream it looks at few items at once."""
    try:
        return make(), None
    except ValidationError as error:
        return None, [(each["loc"], each["type"].replace("_attributes", "")) for each in error.errors()[:100]]


def values_of(kind: str, item: str, count: int) -> Any:
    made = [ITEMS[item][1](n) for n in range(count)]
    if kind == "list":
        return made
    return dict(zip(map(str, range(count)) if kind == "by text" else range(count), made, strict=True))


@half(200)
@given(
    st.sampled_from(["list", "by text", "by number"]),
    st.sampled_from(sorted(ITEMS)),
    FIELDS,
    st.sampled_from([0, 2, 3, 3, 9000]),
    st.booleans(),
    st.booleans(),
)
def test_it_is_taken_as_a_plain_one_is(
    kind: str, item: str, target: tuple[str, str, str], count: int, marked: bool, one_file: bool
) -> None:
    mark = Chunk if kind == "list" else ShardedMap
    source = create_model("Source", __base__=Model, values=(KINDS[kind](ITEMS[item][0]), mark()))
    annotation = field_of(*target)
    field = (annotation, Chunk(default=None)) if marked else (annotation, None)
    cls: Any = create_model("Target", __base__=Model, values=field)
    assigned: Any = create_model("Checked", __base__=cls, __config__=None)
    assigned.model_config["validate_assignment"] = True
    assigned.model_rebuild(force=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.par"
        save(path, source(values=values_of(kind, item, count)))
        with Session(path) as session:
            for make in (
                lambda root: cls(values=root.values),
                lambda root: cls.model_validate({"values": root.values}),
                lambda root: cls.model_validate(root, from_attributes=True),
                lambda root: set_value(assigned(), root.values),
            ):
                expected, problem = outcome(lambda make=make: make(source(values=values_of(kind, item, count))))  # type: ignore[misc]
                found, refused = outcome(lambda make=make: make(session.root(source)))  # type: ignore[misc]
                assert refused == problem
                if problem is None:
                    assert same(deep_plain(found.values), expected.values)
                    assert same(loads(dumps(found), type(found)).values, expected.values)
            # Nobody validates what is assigned: then the commit looks at types, as with a plain one.
            loose, loosely = cls(), cls()
            loose.values, loosely.values = session.root(source).values, values_of(kind, item, count)
            other = path if one_file else path.with_name("b.par")
            stored = committed(session if one_file else Session(other), loose)
            assert stored == (committed(Session(path.with_name("c.par")), loosely))
            if stored is None:
                assert same(load(other, cls), loosely.model_load())


def set_value(obj: Any, value: Any) -> Any:
    obj.values = value
    return obj


def committed(session: Session, obj: Any) -> Any:
    """What the commit of `obj` as a root says of its path; None where it is stored."""
    session.add(obj)
    try:
        session.commit()
    except EncodeError as problem:
        session.rollback()
        return problem.path
    return None


@half(30)
@given(st.sampled_from(sorted(ITEMS)), st.sampled_from(sorted(ITEMS)), st.sampled_from([1, 2, 3, 3000]))
def test_what_is_put_into_a_collection(item: str, into: str, count: int) -> None:
    source = create_model("Source", __base__=Model, values=(list[ITEMS[item][0]], Chunk()))  # type: ignore[misc]
    inner = list[ITEMS[into][0]]  # type: ignore[misc]
    row = create_model("Row", __base__=Model, values=(inner, Chunk()))
    cls: Any = create_model(
        "Target",
        __base__=Model,
        lists=(list[inner], Chunk(default=[])),
        maps=(dict[str, inner], ShardedMap(default={})),
        rows=(list[row], Chunk(default=[])),  # type: ignore[valid-type]
        flat=(inner, Chunk(default=[])),
    )
    plain = values_of("list", item, count)
    changes: list[Callable[[Any, Any], None]] = [
        lambda target, value: target.lists.append(value),
        lambda target, value: target.lists.extend([value, value]),
        lambda target, value: target.maps.__setitem__("a", value),
        lambda target, value: target.maps.update(b=value),
        lambda target, value: target.rows.append({"values": value}),
        lambda target, value: target.rows.extend([{"values": value}]),
        lambda target, value: target.flat.extend(value),
        lambda target, value: target.flat.__setitem__(slice(0, 0), value),
    ]
    with Session(dumps(source(values=plain))) as given, Session(":memory:") as one, Session(":memory:") as two:
        lazy = given.root(source).values
        for session in (one, two):
            session.add(cls())
            session.commit()
        for change in changes:
            found = outcome(lambda change=change: change(one.root(cls), lazy))  # type: ignore[misc]
            assert found == outcome(lambda change=change: change(two.root(cls), values_of("list", item, count)))  # type: ignore[misc]
            assert same(one.root(cls).model_load(), two.root(cls).model_load())
        one.commit()
        two.commit()
        assert same(loads(dumps(one.root(cls)), cls), loads(dumps(two.root(cls)), cls))


class Source(Model):
    numbers: list[Annotated[int, Field(gt=0)]] = Chunk()
    items: list[Here] = Chunk()  # type: ignore[valid-type]
    by_key: dict[str, Here] = ShardedMap()  # type: ignore[valid-type]


class Same(Model):
    numbers: list[PositiveInt] = Chunk(max_length=9000)
    items: Sequence[Here] = Chunk(min_length=1)  # type: ignore[valid-type]
    by_key: Mapping[str, Here] | None = Chunk()  # type: ignore[valid-type]


class Holds(BaseModel):
    numbers: LazyList[PositiveInt]
    by_key: LazyMap[str, Here] = Field(max_length=9000)  # type: ignore[valid-type]


@pytest.mark.parametrize("count", [3, 9000])
@pytest.mark.parametrize("cls", [Same, Holds, Source])
def test_nothing_is_read_where_the_types_are_equal(count: int, cls: Any) -> None:
    numbers, items = list(range(1, count + 1)), [Here(x=n) for n in range(count)]
    data = dumps(Source(numbers=numbers, items=items, by_key={str(n): Here(x=n) for n in range(count)}))
    with Session.open(data) as session:
        root = session.root(Source)
        given = {"numbers": root.numbers, "items": root.items, "by_key": root.by_key}
        before = session.stats.rows_read, session.stats.bytes_read
        found = cls(**given)
        assert cls.model_validate(root, from_attributes=True).numbers is root.numbers
        assert found.numbers is root.numbers and found.by_key is root.by_key
        assert (session.stats.rows_read, session.stats.bytes_read) == before


def test_the_length_counts_that_it_has_now() -> None:
    class Few(Model):
        model_config = ConfigDict(validate_assignment=True)
        numbers: list[int] = Chunk(max_length=3)

    with Session(":memory:") as session:
        session.add(Few(numbers=[1, 2, 3]))
        session.commit()
        root = session.root(Few)
        root.numbers = root.numbers
        assert type(root.numbers) is LazyList
        root.numbers.append(4)  # as Pydantic, nobody looks at the length here
        with pytest.raises(ValidationError, match="at most 3 items") as caught:
            root.numbers = root.numbers
        assert caught.value.errors()[0]["loc"] == ("numbers",)
        with pytest.raises(ValidationError, match="at most 3 items"):
            Few(numbers=root.numbers)
        root.numbers.pop()
        assert Few(numbers=root.numbers).numbers is root.numbers


def test_the_config_of_a_class_is_a_part_of_its_schema() -> None:
    class Short(Model):
        model_config = ConfigDict(str_max_length=2)
        words: list[str] = Chunk()

    class Words(Model):
        words: list[str] = Chunk()

    with Session.open(dumps(Words(words=["ab", "abc"]))) as session:
        with pytest.raises(ValidationError) as caught:
            Short(words=session.root(Words).words)
        assert caught.value.errors()[0]["loc"] == ("words", 1)


def test_a_lazy_map_becomes_the_dictionary_that_the_field_is_of(tmp_path: Path) -> None:
    class Votes(Model):
        counted: Counter[str] = Chunk(default=Counter())
        given: dict[str, int] = ShardedMap(default={})

    path = tmp_path / "v.par"
    with Session(path) as session:
        session.add(Votes(given={str(n): n for n in range(9000)}))
        session.commit()
        root = session.root(Votes)
        assert type(Votes(counted=root.given).counted) is Counter
        root.counted = root.given  # type: ignore[assignment]
        with pytest.raises(EncodeError, match=r"Votes\.counted: expected Counter"):
            session.commit()
    assert load(path, Votes).counted == Counter()


@pytest.mark.parametrize("count", [3, 9000])
def test_a_lazy_list_in_an_inline_field_is_stored_and_followed(count: int, tmp_path: Path) -> None:
    class Both(Model):
        inline: list[Here] = []  # type: ignore[valid-type]
        by_key: dict[str, int] = {}
        apart: list[Here] = Chunk(default=[])  # type: ignore[valid-type]
        pairs: dict[str, int] = ShardedMap(default={})

    path = tmp_path / "b.par"
    with Session(path) as session:
        session.add(Both(apart=[Here(x=n) for n in range(count)], pairs={str(n): n for n in range(count)}))
        session.commit()
    with Session(path) as session:
        root = session.root(Both)
        root.inline, root.by_key = root.apart, root.pairs
        session.commit()
        assert not session.dirty
        root.apart[1].x = -1
        root.pairs["0"] = -2
        session.commit()
        assert not session.dirty
    found = load(path, Both)
    assert found.inline == found.apart and found.inline[1].x == -1 and found.by_key == found.pairs
    assert found.by_key["0"] == -2


def test_a_stream_of_another_field_is_validated_again() -> None:
    class Texts(Model):
        words: list[str] = Chunk()

    class Numbers(Model):
        numbers: list[int] = Chunk()
        more: list[int] = Chunk(default=[])

    stream: Any = Texts(words=iter(["1", "2", "x"])).words
    assert type(stream) is Stream
    with pytest.raises(ValidationError, match=r"numbers\.2"):
        dumps(Numbers(numbers=stream))
    ready: Any = Numbers(numbers=iter([1, 2])).numbers
    assert Numbers(numbers=[], more=ready).more is ready
