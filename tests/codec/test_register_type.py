"""`register_type`: classes of other packages, stored by two functions, wherever they stand."""

from __future__ import annotations

import abc
import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic
import pytest
from pydantic import BaseModel, ConfigDict

import parcode_orm
from parcode_orm import Chunk, EncodeError, Model, Session, UnsupportedTypeError, dumps, load, loads, register_type
from tests.everywhere import stored_everywhere


class Money:
    """A class of somebody else."""

    def __init__(self, cents: int, currency: str = "EUR") -> None:
        self.cents = cents
        self.currency = currency

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Money) and vars(other) == vars(self)


class Fee(Money):
    """A subclass, registered by itself."""


class Opaque:
    """Without `__eq__`."""

    def __init__(self, text: str) -> None:
        self.text = text


class Theirs(BaseModel):
    """A model that is better stored by what it is made from."""

    at: str
    cached: Any = pydantic.Field(default=None, exclude=True)

    def model_post_init(self, context: Any) -> None:
        self.cached = object()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Theirs) and other.at == self.at


class Unit(enum.Enum):
    """Members that are better stored by value."""

    METRE = "m"


class Base(abc.ABC):
    """Abstract, with registered classes below it."""


@dataclass
class Leaf(Base):
    n: int


register_type(Money, encode=lambda m: (m.cents, m.currency), decode=lambda parts: Money(*parts))
register_type(Fee, encode=lambda m: {"cents": m.cents}, decode=lambda parts: Fee(parts["cents"]))
register_type(Opaque, encode=lambda o: o.text, decode=Opaque)
register_type(Theirs, encode=lambda t: t.at, decode=lambda at: Theirs(at=at))
register_type(Unit, encode=lambda u: u.value, decode=Unit)


@pytest.mark.parametrize(
    ("tp", "values"),
    [
        (Money, [Money(1), Money(2, "USD"), Fee(3)]),
        (Money | int | None, [Money(1), 7]),
        (list[Money | Fee], [[Money(1), Fee(2)]]),
        (dict[str, tuple[Money, int]], [{"a": (Money(1), 2)}]),
        (Any, [Money(1), [Fee(2)], {"a": Money(3)}]),
        (Theirs, [Theirs(at="here")]),
        (Unit, [Unit.METRE]),
    ],
    ids=lambda value: str(value) if not isinstance(value, list) else "",
)
def test_a_registered_class_is_stored_everywhere(tp: Any, values: list[Any]) -> None:
    stored_everywhere(tp, *values)


def test_the_message_about_a_function_in_a_model_of_others_says_what_helps() -> None:
    class Metric(BaseModel):
        name: str
        own: Callable[..., Any] | None = None

    class Job(BaseModel):
        metrics: list[Metric] = []

    def holder() -> Any:
        return type("Jobs", (Model,), {"__annotations__": {"jobs": list[Job]}, "__module__": __name__})

    with pytest.raises(UnsupportedTypeError, match=r"Metric is not yours, call parcode_orm\.register_type\(Metric"):
        holder()
    register_type(Metric, encode=lambda m: m.model_dump(exclude_unset=True), decode=Metric.model_validate)
    jobs = holder()
    obj = jobs(jobs=[Job(metrics=[Metric(name="loss")]), Job()])
    assert loads(dumps(obj), jobs) == obj
    with pytest.raises(EncodeError, match=r"metrics\[0\]\['own'\]"):
        dumps(jobs(jobs=[Job(metrics=[Metric(name="own", own=len)])]))


class Plain(BaseModel):
    n: int = 0


class Live(Plain):
    """A subclass that cannot be stored field by field."""

    client: Callable[[], None] | None = None


class Noted(Plain):
    """A subclass that could be, and is registered all the same."""

    note: str = ""


class Held(Model):
    one: Plain | None = None
    many: list[Plain] = Chunk(default_factory=list)
    either: Plain | int = 0
    any: Any = None


def test_a_subclass_in_a_field_of_its_base(tmp_path: Path) -> None:
    for field, value in (("one", Live()), ("many", [Plain(), Live()]), ("either", Live()), ("any", [Live()])):
        with pytest.raises(EncodeError, match=r"Live\.client: .* call parcode_orm\.register_type\(Live") as caught:
            dumps(Held(**{field: value}))
        assert caught.value.path == {"many": "many[1]", "any": "any[0]"}.get(field, field)
    register_type(Live, encode=lambda live: live.n, decode=lambda n: Live(n=n))
    register_type(Noted, encode=lambda noted: f"{noted.n} {noted.note}", decode=noted_from)
    held = Held(
        one=Live(n=1), many=[Plain(n=2), Live(n=3), Noted(n=4, note="x"), Live(n=5)], either=Live(n=6), any=Live()
    )
    stored_everywhere(Held, held)
    with Session(tmp_path / "held.par") as session:
        session.add(held)
        session.commit()
        found = session.root(Held)
        assert [type(each) for each in found.many] == [Plain, Live, Noted, Live]
        found.many[1].n = 7
        found.many.append(Live(n=8))
        session.commit()
    assert [each.n for each in load(tmp_path / "held.par", Held).many] == [2, 7, 4, 5, 8]


def noted_from(text: str) -> Noted:
    n, _, note = text.partition(" ")
    return Noted(n=int(n), note=note)


def test_any_depth_of_models_of_others() -> None:
    @dataclass
    class Line:
        price: Money

    @pydantic.dataclasses.dataclass(config=ConfigDict(arbitrary_types_allowed=True))
    class Checked:
        lines: list[Line]
        note: Opaque | None = None

    class Order(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True, extra="allow")
        parts: dict[str, Checked]

    class Shop(Model):
        orders: list[Order] = Chunk()

    order = Order(parts={"a": Checked([Line(Money(1))], Opaque("x"))}, total=Money(9))
    with Session(dumps(Shop(orders=[order]))) as session:
        found = session.root(Shop).orders[0]
        assert found.parts["a"].lines == [Line(Money(1))] and found.total == Money(9)  # type: ignore[attr-defined]
        assert found.parts["a"].note.text == "x"  # type: ignore[union-attr]


def test_a_change_in_place_is_stored() -> None:
    class Shop(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        price: Money

    with Session(":memory:") as session:
        session.add(Shop(price=Money(1)))
        session.commit()
        session.root(Shop).price.cents = 2
        session.commit()
        assert loads(dumps(session.root(Shop)), Shop).price == Money(2)


def test_what_decode_does_not_give_back_is_refused() -> None:
    class Lossy(Money):
        pass

    register_type(Lossy, encode=lambda m: m.cents, decode=Lossy)

    class Shop(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        prices: list[Lossy]

    assert loads(dumps(Shop(prices=[Lossy(1)])), Shop).prices == [Lossy(1)]
    with pytest.raises(EncodeError, match=r"Shop\.prices\[1\]: the decode\(\) registered for .*Lossy does not give"):
        dumps(Shop(prices=[Lossy(1), Lossy(1, "USD")]))


def test_functions_that_fail_say_so() -> None:
    class Broken(Money):
        pass

    def encode(value: Broken) -> int:
        return value.cents if value.cents < 9 else value.missing  # type: ignore[attr-defined, no-any-return]

    calls = []

    def decode(cents: int) -> Broken:
        calls.append(cents)
        if len(calls) > 1:
            raise ValueError("no more")
        return Broken(cents)

    register_type(Broken, encode=encode, decode=decode)

    class Shop(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        price: Broken
        anything: Any = None

    data = dumps(Shop(price=Broken(1)))
    with pytest.raises(parcode_orm.DecodeError, match=r"registered for .*Broken failed: no more"):
        loads(data, Shop)
    for given in ({"price": Broken(9)}, {"price": Broken(9), "anything": [Broken(9)]}):
        with pytest.raises(EncodeError, match=r"Shop\.\w+: the functions registered for .*Broken failed"):
            dumps(Shop(**given))


def test_what_has_its_own_way_cannot_be_registered() -> None:
    class Ours(Model):
        n: int

    for cls in (int, dict, Ours, "Money", object):
        with pytest.raises(UnsupportedTypeError, match="register_type"):
            register_type(cls, encode=str, decode=int)  # type: ignore[type-var]


def test_a_subclass_that_is_not_registered_is_refused() -> None:
    class Hidden(Money):
        pass

    class Shop(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        price: Money

    with pytest.raises(EncodeError, match=r"Shop\.price: .*register_type"):
        dumps(Shop(price=Hidden(1)))


def test_a_refused_class_names_the_hook() -> None:
    class Foreign:
        pass

    with pytest.raises(UnsupportedTypeError, match=r"Shop\.foreign: .*Foreign .*register_type\(Foreign, encode="):

        class Shop(Model):
            model_config = ConfigDict(arbitrary_types_allowed=True)
            foreign: Foreign

    register_type(Foreign, encode=lambda f: None, decode=lambda stored: Foreign())

    class Again(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        foreign: Foreign

    assert type(loads(dumps(Again(foreign=Foreign())), Again).foreign) is Foreign


class Pin(pydantic.SecretStr):
    """A secret whose constructor wants other arguments."""

    def __init__(self, code: str, tries: int) -> None:
        super().__init__(code)
        self.tries = tries

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Pin) and vars(other) == vars(self)

    __hash__ = None  # type: ignore[assignment]


def test_a_registered_secret_in_a_field_of_any_type() -> None:
    """Its functions were not asked there: its class was stored as secrets are, and refused."""
    register_type(Pin, encode=lambda pin: [pin.get_secret_value(), pin.tries], decode=lambda made: Pin(*made))

    class Safe(Model):
        pin: Any

    assert loads(dumps(Safe(pin=[Pin("1234", 3)])), Safe).pin == [Pin("1234", 3)]
