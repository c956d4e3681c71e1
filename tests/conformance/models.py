"""The models whose plain and lazy objects are compared."""

import enum
import warnings
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Any, ClassVar, Generic, Literal, TypeVar

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    RootModel,
    ValidationInfo,
    computed_field,
    field_serializer,
    field_validator,
    model_serializer,
    model_validator,
)

from parcode_orm.model import Chunk, Model, ShardedMap

T = TypeVar("T")


class Settings(Model):
    difficulty: int
    history: list[str] = Chunk(default_factory=list)


class Player(Model):
    level: int
    inventory: list[int] = Chunk()


class World(Model):
    """Everything at once."""

    model_config = ConfigDict(populate_by_name=True)
    kind: ClassVar[str] = "world"

    id: int
    name: str = Field(alias="NAME")
    score: float | None = None
    when: datetime = datetime(2020, 1, 2, tzinfo=UTC)
    settings: Settings = Chunk()
    inline: Settings
    history: list[str] = Chunk()
    terrain: bytes = Chunk(default=b"", compression="lz4")
    players: dict[str, Player] = ShardedMap(default_factory=dict)
    numbers: Annotated[list[int], Chunk(max_length=5)] = []
    tags: list[str] = []
    price: Decimal = Decimal("1.50")
    _secret: int = PrivateAttr(5)

    @property
    def shout(self) -> str:
        return self.name.upper()

    @cached_property
    def twice(self) -> int:
        return self.id * 2

    def grown(self) -> int:
        return self.id + 1


class Small(Model):
    """Models without computed fields and the like, for what is dumped and what is read."""

    a: int
    b: str = "b"
    heavy: list[int] = Chunk(default_factory=list)
    blob: bytes = Chunk(default=b"")
    hidden: str = Field("h", repr=False)
    excluded: str = Field("e", exclude=True)


class Computed(Model):
    a: int
    b: list[int] = Chunk()

    @computed_field
    @property
    def double(self) -> int:
        return self.a * 2

    @computed_field
    @cached_property
    def total(self) -> int:
        return sum(self.b)


class Serialized(Model):
    a: int
    h: list[int] = Chunk()

    @field_serializer("a")
    def dump_a(self, value: int) -> str:
        return f"{value}!{len(self.h)}"


class Wrapped(Model):
    a: int
    h: list[int] = Chunk()

    @model_serializer(mode="wrap")
    def dump(self, handler: Any) -> dict[str, Any]:
        return {"wrapped": handler(self)}


class Revalidated(Model):
    model_config = ConfigDict(revalidate_instances="always")
    a: int
    h: list[int] = Chunk()


class RevalidatedSubclasses(Model):
    model_config = ConfigDict(revalidate_instances="subclass-instances")
    a: int
    h: list[int] = Chunk()


class Assigned(Model):
    model_config = ConfigDict(validate_assignment=True)
    a: int
    b: int = Chunk()
    c: list[int] = Chunk()


class Checked(Assigned):
    @model_validator(mode="after")
    def small(self) -> "Checked":
        if self.a > 100:
            raise ValueError("a is too big")
        return self


class Dumping(Assigned):
    @model_validator(mode="after")
    def dumps(self) -> "Dumping":
        self.__dict__.get("c")
        assert set(self.model_dump()) == {"a", "b", "c"}
        return self


class Informed(Assigned):
    @field_validator("c")
    @classmethod
    def longer(cls, value: list[int], info: ValidationInfo) -> list[int]:
        if len(value) > info.data["b"]:
            raise ValueError(f"longer than b = {info.data['b']}")
        return value


class BeforeChecked(Assigned):
    @model_validator(mode="before")
    @classmethod
    def before(cls, value: Any) -> Any:
        return value


class Frozen(Model):
    model_config = ConfigDict(frozen=True)
    a: int
    b: tuple[int, ...] = Chunk()


class FrozenField(Model):
    a: int = Field(frozen=True)
    b: int = 2


class Extra(Model):
    model_config = ConfigDict(extra="allow")
    a: int


class CheckedExtra(Model):
    model_config = ConfigDict(extra="allow", validate_assignment=True)
    a: int
    b: list[int] = Chunk()


class Tags(Model, RootModel[list[str]]):
    pass


class ChunkedRoot(Model, RootModel[dict[str, int]]):
    root: dict[str, int] = Chunk()


class Box(Model, Generic[T]):
    item: T
    items: list[T] = Chunk(default_factory=list)


class Base(Model):
    x: int


class Derived(Base):
    y: int = 0


class Cat(Model):
    kind: Literal["cat"] = "cat"
    lives: int = 9


class Dog(Model):
    kind: Literal["dog"] = "dog"
    tricks: list[str] = Chunk(default_factory=list)


class Hooked(Model):
    """Counts its subclasses; has a post-init hook, private attributes of all sorts, a __setattr__."""

    seen: ClassVar[list[str]] = []
    made: ClassVar[int] = 0
    a: int
    b: list[int] = Chunk(default_factory=list)
    _given: list[int] = PrivateAttr(default_factory=lambda: [1])
    _unset: int = PrivateAttr()
    _object: object = PrivateAttr(default=None)

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        Hooked.seen.append(cls.__name__)

    def model_post_init(self, context: Any) -> None:
        Hooked.made += 1

    def again(self) -> "Hooked":
        return type(self)(a=self.a + 1, b=[2])

    @classmethod
    def build(cls, a: int) -> "Hooked":
        return cls(a=a)


class OwnSetattr(Model):
    calls: ClassVar[list[str]] = []
    a: int
    b: list[int] = Chunk(default_factory=list)

    def __setattr__(self, name: str, value: Any) -> None:
        OwnSetattr.calls.append(name)
        super().__setattr__(name, value)


class OwnDunders(Model):
    a: int
    b: list[int] = Chunk(default_factory=list)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OwnDunders) and self.a % 10 == other.a % 10

    def __hash__(self) -> int:
        return self.a % 10

    def __repr_args__(self) -> Any:
        yield "own", self.a

    def __getattr__(self, name: str) -> Any:
        if name == "dynamic":
            return self.a * 100
        return super().__getattr__(name)

    def __len__(self) -> int:
        return 0  # a proxy is not to be tested for truth


with warnings.catch_warnings():
    warnings.simplefilter("ignore")

    class Shadowing(Model):
        """Fields that stand over attributes of BaseModel, and a deprecated one."""

        copy: int  # type: ignore[assignment]
        json: list[int] = Chunk()  # type: ignore[assignment]
        old: int = Field(1, deprecated="use new")


class Color(enum.Enum):
    RED = "red"


class Node(Model):
    name: str
    children: list["Node"] = Chunk(default_factory=list)


class Weird(Model):
    model_config = ConfigDict(ser_json_inf_nan="strings", ser_json_bytes="hex")
    raw: bytes = b"\xff"
    rawest: bytes = Chunk(default=b"\xff")
    nan: float
    color: Color = Color.RED
    pair: tuple[int, str] = (1, "x")
    names: set[str] = set()


class Attributes(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int
    tags: list[str]


def world() -> World:
    return World(
        id=7, name="x", settings=Settings(difficulty=3, history=["s"]), inline=Settings(difficulty=4),
        history=["a", "b"],
        terrain=b"\x00z", players={"Hero": Player(level=3, inventory=[1, 2])}, numbers=[1, 2], tags=["t"],
    )  # fmt: skip


def small() -> Small:
    return Small(a=1, heavy=[1, 2, 3], blob=b"abc")


EXAMPLES: list[Model] = [
    world(),
    small(),
    Computed(a=2, b=[1, 2]),
    Serialized(a=1, h=[1]),
    Wrapped(a=1, h=[1]),
    Revalidated(a=1, h=[1]),
    Assigned(a=1, b=2, c=[3]),
    Checked(a=1, b=2, c=[3]),
    Informed(a=1, b=2, c=[3]),
    Frozen(a=1, b=(1, 2)),
    FrozenField(a=1),
    Extra(a=1, zz=5),
    Extra(a=1),
    Tags(["a", "b"]),
    ChunkedRoot({"k": 1}),
    Box[int](item=1, items=[2]),
    Box[Player](item=Player(level=1, inventory=[]), items=[Player(level=2, inventory=[3])]),
    Derived(x=1, y=2),
    Dog(tricks=["sit"]),
    Hooked(a=1, b=[1]),
    OwnSetattr(a=1, b=[1]),
    OwnDunders(a=1, b=[1]),
    Shadowing(copy=1, json=[2]),
    Node(name="r", children=[Node(name="c", children=[Node(name="g")])]),
    Weird(nan=2.5, names={"a"}),
]
