"""One resolver: the class's own module first, then a name that was registered, then the only class that looks so."""

from __future__ import annotations

import dataclasses
import enum
import os
import subprocess
import sys
import textwrap
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Generic, List, Literal, NamedTuple, TypeVar, Union  # noqa: UP035

import pytest
from pydantic import BaseModel, create_model

import parcode_orm
from parcode_orm import EncodeError, Model, SchemaMismatchError, Session, dumps, loads, register
from parcode_orm.codec.classes.generics import parametrized
from parcode_orm.codec.classes.names import bare, spelling, structure_of, tag_of
from parcode_orm.codec.classes.registry import find_class, stored_tag
from parcode_orm.codec.types.compile import struct_for

T = TypeVar("T")


class Note(Model):
    about: Any = None


class Shape(Model):
    name: str = ""


class Drawing(Model):
    shapes: list[Shape] = []
    any: Any = None


class Page(BaseModel, Generic[T]):
    one: T


class Book(Model):
    pages: list[Page] = []  # type: ignore[type-arg]
    any: Any = None


@pytest.fixture
def module() -> Iterator[Callable[..., Any]]:
    made: list[str] = []

    def build(name: str, source: str) -> Any:
        new = sys.modules[name] = types.ModuleType(name)
        made.append(name)
        exec(compile(source, name, "exec", dont_inherit=True), new.__dict__)
        return new

    yield build
    for name in made:
        sys.modules.pop(name, None)


def forget(name: str) -> None:
    """As if the module had never been imported here: its classes die."""
    import gc

    sys.modules.pop(name).__dict__.clear()
    for _ in range(3):
        gc.collect()


KINDS = {
    "enum": ("from enum import Enum\nclass Status(Enum):\n    OPEN = {}\n", "Status.OPEN", ("'a'", "'b'")),
    "dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass Status:\n    x: {} = 1\n",
        "Status()",
        ("int", "float"),
    ),
    "model": (
        "from pydantic import BaseModel\nclass Status(BaseModel):\n    x: {} = 1\n",
        "Status()",
        ("int", "float"),
    ),
    "tuple": (
        "from typing import NamedTuple\nclass Status(NamedTuple):\n    {}: int = 1\n",
        "Status()",
        ("x", "y"),
    ),
    "text": ("class Status(str):\n    def {}(self): pass\n", "Status('s')", ("a", "b")),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_namesake_from_elsewhere_is_never_taken(module: Any, kind: str) -> None:
    source, value, (mine, other) = KINDS[kind]
    source = f"import parcode_orm\n{source}parcode_orm.register(Status)\n"
    orders = module("orders", source.format(mine))
    data = dumps(Note(about=[eval(value, orders.__dict__)]))
    found = loads(data, Note).about[0]
    assert type(found) is orders.Status
    del found, orders
    forget("orders")
    module("shop", source.format(other))
    with pytest.raises(SchemaMismatchError, match=r"'orders:Status', which this program has not defined; import its"):
        loads(data, Note)
    with Session(data) as session, pytest.raises(SchemaMismatchError, match="orders:Status"):
        _ = session.root(Note).about
    moved = module("sales", source.format(mine))
    found = loads(data, Note).about[0]
    assert type(found) is moved.Status, "the only one of that name and structure"
    module("market", source.format(mine))
    with pytest.raises(SchemaMismatchError, match=r"several: in the modules market, sales"):
        loads(data, Note)
    register(moved.Status, name="orders:Status")
    assert type(loads(data, Note).about[0]) is moved.Status


def test_a_class_that_moved_is_found_by_the_name_it_was_registered_with(module: Any) -> None:
    source = "from tests.codec.test_resolver import Shape\nclass Star(Shape):\n    points: int = 5\n"
    data = dumps(Drawing(shapes=[module("shapes_before", source).Star()], any=sys.modules["shapes_before"].Star()))
    forget("shapes_before")
    module("shapes_beside", source)

    @register(name="shapes_before:Star")
    class Star(Shape):
        points: int = 5

    Star.__qualname__ = "Star"
    found = loads(data, Drawing)
    assert [type(each) for each in (*found.shapes, found.any)] == [Star, Star]


def test_parametrizations_are_told_apart_by_the_modules_of_their_arguments() -> None:
    first, second = (create_model("Item", __module__=name, x=(int, ...)) for name in ("shop", "depot"))
    pages = [Page[first](one={"x": 1}), Page[second](one={"x": 2}), Page[list[first]](one=[{"x": 3}])]
    pages.append(Page[dict[str, second | None]](one={"k": {"x": 4}}))
    assert tag_of(type(pages[0])) == f"{__name__}:Page[shop:Item]"
    assert tag_of(type(pages[2])) == f"{__name__}:Page[list[shop:Item]]"
    book = Book(pages=pages, any=pages[:3])
    for again in (loads(dumps(book), Book), parcode_orm.open(dumps(book)).root(Book)):
        assert [type(page) for page in again.pages] == [type(page) for page in pages]
        assert [type(page) for page in again.any] == [type(page) for page in pages[:3]]
        assert again == book


MINE = """
    from dataclasses import dataclass
    from typing import *
    from pydantic import BaseModel
    from parcode_orm import Model, register

    T = TypeVar("T")

    class Page(Model, Generic[T]):
        one: T

    class Leaf(BaseModel, Generic[T]):
        one: T

    @dataclass
    class Pair(Generic[T]):
        one: T

    class Cover(Page[List[Union[int, str]]]):
        pass

    class Book(Model):
        pages: List[Page] = []
        either: Union[Leaf[List[Union[int, str]]], Leaf[List[Union[int, bytes]]], None] = None
        leaf: Optional[Leaf[Dict[str, Union[List[Union[int, str]], Literal["a", "b"], None]]]] = None
        pair: Optional[Pair[List[Union[int, str]]]] = None
        marked: Optional[Leaf[Annotated[List[Union[int, str]], "words"]]] = None
        any: Any = None

    pages = [Page[List[Union[int, str]]](one=[1, "a"]), Page[Tuple[List[Union[int, str]], int]](one=([1, "a"], 1)),
             Page[Union[int, str]](one=1), Page[Union[int, str]](one="a"), Cover(one=[1, "a"])]
    book = Book(
        pages=pages, any=pages[:2], either={"one": [b"x"]}, leaf={"one": {"a": [1, "a"], "b": "b"}},
        pair=Pair([1, "a"]), marked={"one": [1, "a"]},
    )
    root = Page[List[Union[int, str]]](one=[1, "a"])
"""
OTHER = """
    from typing import *
    made = (
        List[str | int], Tuple[List[str | int], int], Union[List[str | int], int], Literal["b", "a"],
        List[Union[bytes, int]], Dict[str, Union[None, Literal["b", "a"], List[str | int]]],
        Annotated[List[str | int], "words"],
    )
"""


@pytest.mark.once
@pytest.mark.parametrize("first", ["mine", "other"])
def test_names_do_not_depend_on_the_order_of_imports(tmp_path: Path, first: str) -> None:
    """`typing` gives for a type the first equal one that was evaluated, with another order of arms."""
    for name, source in (("mine", MINE), ("other", OTHER)):
        (tmp_path / f"{name}.py").write_text(textwrap.dedent(source))
    one, two = ("mine, other", "other, mine") if first == "mine" else ("other, mine", "mine, other")
    path = str(tmp_path / "a.par")
    write = "s.add(mine.book); s.add(mine.root); s.commit()"
    read = (
        "book, root = s.root(mine.Book), s.root(type(mine.root)); assert book == mine.book and root == mine.root; "
        "assert [*map(type, book.model_load().any)] == [*map(type, mine.pages[:2])]; "
        "assert [*map(type, book.model_load().pages)] == [*map(type, mine.pages)]"
    )
    for order, what in ((one, write), (two, read)):
        program = (
            f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import parcode_orm, {order}\n"
            f"with parcode_orm.Session({path!r}) as s:\n    {what}"
        )
        subprocess.run([sys.executable, "-c", program], check=True)


def test_a_spelling_is_one_for_what_typing_takes_for_equal() -> None:
    spelled = [List[Union[int, str]], list[str | int], List[str | int], list[Union[str, int]]]  # noqa: UP006, UP007
    assert {spelling(tp) for tp in spelled} == {"list[int | str]"}
    assert spelling(dict[str, Literal["b", "a"] | None]) == "dict[str, Literal['a', 'b'] | None]"
    shop, depot = (create_model("Item", __module__=name, x=(int, ...)) for name in ("shop", "depot"))
    assert spelling(list[shop | depot | int]) == "list[depot:Item | shop:Item | int]"  # type: ignore[valid-type]
    assert tag_of(Page[Union[str, int]]).endswith(":Page[int | str]")  # noqa: UP007
    assert tag_of(Page[str | int]).endswith(":Page[int | str]")


def cell(text: str, bases: str = "Shape", body: str = "radius: float = 1.0") -> Any:
    """What running a notebook's cell does: the class is defined in the module, in the place of an older one."""
    source = f"class Circle({bases}):\n    {body}\n    def area(self):\n        return {text!r}\n"
    exec(compile(source, "cell", "exec", dont_inherit=True), globals())
    return globals()["Circle"]


def test_the_newest_definition_is_read() -> None:
    old = cell("old")
    kept = [old()]
    data = dumps(Drawing(shapes=kept, any=old()))
    for text in ("newer", "newest"):
        new = cell(text)
        for found in (loads(data, Drawing), parcode_orm.open(data).root(Drawing)):
            assert type(loads(data, Drawing).shapes[0]) is new
            assert [each.area() for each in (*found.shapes, found.any)] == [text, text]
        again = loads(dumps(Drawing(shapes=[new(radius=3.0)], any=new())), Drawing)
        assert type(again.shapes[0]) is new is type(again.any)
    # Objects that were made before the cell was run again are stored, and come back as the newest class.
    assert type(loads(dumps(Drawing(shapes=kept)), Drawing).shapes[0]) is new
    with pytest.raises(EncodeError, match=r"shapes\[0\]: there are several classes .*:Circle of one shape"):
        dumps(Drawing(shapes=[*kept, new()]))
    with pytest.raises(EncodeError, match=r"Drawing\.any"):
        dumps(Drawing(any=old()))


def test_an_older_definition_of_another_shape_is_told_apart() -> None:
    old = cell("old", body="radius: int = 1")
    new = cell("new", body="radius: float = 1.0")
    found = loads(dumps(Drawing(shapes=[old(), new()])), Drawing).shapes
    assert [type(each) for each in found] == [old, new]


def test_a_definition_that_was_refused_is_no_candidate() -> None:
    from parcode_orm import UnsupportedTypeError

    kept = []
    try:
        cell("refused", body="hook: __import__('typing').Callable = None")
    except UnsupportedTypeError as problem:
        kept.append(problem)  # and with it the class
    new = cell("right", body="radius: float = 2.0")
    assert kept and type(loads(dumps(Drawing(shapes=[new()])), Drawing).shapes[0]) is new


def test_classes_that_a_function_makes_are_no_older_versions_of_each_other() -> None:
    def make(n: int) -> Any:
        class Made(Shape):
            x: int = n

        return Made

    first, second = make(1), make(2)
    assert type(loads(dumps(Drawing(shapes=[second()])), Drawing).shapes[0]) is second
    with pytest.raises(EncodeError, match="several classes"):
        dumps(Drawing(shapes=[first()]))


def test_a_dataclass_with_slots_is_the_second_of_its_two_classes() -> None:
    @register
    @dataclasses.dataclass
    class Base:
        n: int = 0

    @dataclasses.dataclass(slots=True)
    class Point(Base):
        x: int = 1

    class Holder(Model):
        points: list[Base]
        any: Any = None

    register(Point)
    first = next(each for each in Base.__subclasses__() if each.__name__ == "Point")
    found = loads(dumps(Holder(points=[Point(), Base()], any=Point(2))), Holder)
    assert [type(each) for each in (*found.points, found.any)] == [Point, Base, Point]
    assert first is not None


class Colour(enum.Enum):
    RED = 1


class Pair(NamedTuple):
    x: int


def test_names_and_structures() -> None:
    assert bare("a.b:C[d:E, list[f:G.H], <locals>:I]") == "C[E, list[G.H], I]"
    assert bare("x" * 100_000) == "x" * 100_000
    assert find_class(stored_tag(register(Colour))) is Colour
    assert structure_of(Pair) != structure_of(NamedTuple("Pair", [("y", int)]))
    with pytest.raises(SchemaMismatchError):
        find_class("nowhere:Colour#00000000")


SHELF = """
from typing import Any, Generic, TypeVar
from pydantic import BaseModel
from parcode_orm import Model

T, U = TypeVar("T"), TypeVar("U")

class Item(BaseModel):
    x: int = 0

class Pair(BaseModel, Generic[T, U]):
    one: T
    two: U

class Page(BaseModel, Generic[T]):
    one: T

class Book(Model):
    pages: list[Page] = []
    pairs: list[Pair] = []
    any: Any = None
"""


def test_a_parametrisation_that_the_reader_has_not_evaluated_is_made(tmp_path: Path) -> None:
    """`Page[Item]` is a class only once a program has evaluated it: files could not be read where it had not.

    Nor where it had been evaluated with the arms of a union in another order.
    """
    (tmp_path / "shelf.py").write_text(SHELF)
    write = """
import parcode_orm, shelf
from shelf import *
kinds = [Page[Item], Page[list[Item]], Page[dict[str, Item | None]], Page[Page[int]], Page[tuple[int, ...]]]
values = [Item(x=1), [Item()], {"a": None}, Page[int](one=3), (1, 2)]
pages = [kind(one=value) for kind, value in zip(kinds, values)]
pairs = [Pair[int, str](one=1, two="a"), Pair[Page[Item], Any](one=pages[0], two=2)]
parcode_orm.save("book.par", Book(pages=pages, pairs=pairs, any=[pages, pairs]))
"""
    read = """
import parcode_orm, shelf
shelf.Page[dict[str, None | shelf.Item]]  # which is the same
book = parcode_orm.load("book.par", shelf.Book)
assert book.any == [book.pages, book.pairs] and len(book.pages) == 5
assert type(book.pages[0]) is shelf.Page[shelf.Item] and book.pages[0].one == shelf.Item(x=1)
assert type(book.pages[2]) is shelf.Page[dict[str, shelf.Item | None]]
assert type(book.pages[4]) is shelf.Page[tuple[int, ...]] and book.pages[4].one == (1, 2)
assert type(book.pairs[1]) is shelf.Pair[shelf.Page[shelf.Item], shelf.Any]
"""
    root = str(Path(__file__).parents[2])
    for source in (write, read):
        environment = {**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{tmp_path}"}
        subprocess.run([sys.executable, "-c", source], check=True, cwd=tmp_path, env=environment)


@pytest.mark.parametrize(
    "tag",
    [
        "m:Page[",
        "m:Page[]",
        "m:Page[int",
        "m:Page[no:Such]",
        "m:Page[int, int]",
        "m:Page[exit]",
        "[int]",
        "m:Page[" * 90,
    ],
)
def test_a_hostile_name_makes_no_parametrisation(tag: str, module: Callable[..., Any]) -> None:
    module("m", SHELF)
    assert parametrized(tag) is None


def test_the_order_of_arms_in_arguments_says_nothing() -> None:
    """Pydantic calls a parametrisation as it was first spelled, in any module of the process."""

    class First(Model, Generic[T]):
        value: T

    @dataclasses.dataclass
    class Crate(Generic[T]):
        value: T

    class Second(Model, Generic[T]):
        value: T

    Second.__name__ = Second.__qualname__ = "First"
    first, second = First[int | str | None], Second[str | None | int]
    assert loads(dumps(first(value="a")), second).value == "a"
    one, two = struct_for(Crate[int | str]), struct_for(Crate[str | int])
    assert one.plan.name == two.plan.name
