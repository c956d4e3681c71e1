"""What users get wrong when they define a class, and what they are told."""

from __future__ import annotations

import dataclasses
import io
import threading
from collections.abc import Callable, Generator, Iterable
from typing import Annotated, Any, Generic, TypeVar

import pydantic
import pytest
from pydantic import BaseModel, ConfigDict

from parcode_orm import Chunk, Model, ShardedMap, UnsupportedTypeError

T = TypeVar("T")


class Connection:
    """A class that Pydantic knows nothing about."""


@dataclasses.dataclass
class Task:
    """A dataclass with a field that cannot be stored."""

    run: Callable[[], None]


def anything(annotation: Any, default: Any = ...) -> Any:
    config = type("Base", (Model,), {"model_config": ConfigDict(arbitrary_types_allowed=True)})
    return pydantic.create_model("World", __base__=config, field=(annotation, default))


MEMORY = r"live only in memory; store what it is made from, leave it out with PrivateAttr\(\), or compute it"
FOREIGN = "the class does not say how its values are dumped; make it a Model or a dataclass"
PLACE = r"Chunk\(\) may stand only directly on a field of a parcode_orm.Model"
MISTAKES: dict[str, tuple[Callable[[], Any], str]] = {
    "a function": (lambda: anything(Callable[[int], int]), rf"World\.field: .*Callable\[\[int\], int\].*{MEMORY}"),
    "a type": (lambda: anything(type[int]), rf"World\.field: type\[int\] cannot be stored: .*{MEMORY}"),
    "a generator": (lambda: anything(Generator[int, None, None]), rf"World\.field: .*Generator\[int.*{MEMORY}"),
    "an iterator": (lambda: anything(Iterable[int]), r"World\.field: .*use list\[...\], or mark the field Chunk\(\)"),
    "a foreign class": (lambda: anything(Connection), rf"World\.field: Connection cannot .*{FOREIGN}.*PrivateAttr"),
    "one deep inside": (
        lambda: anything(dict[str, list[Connection | None]], Chunk()),
        rf"World\.field: Connection cannot be stored: {FOREIGN}",
    ),
    "a generic's argument": (lambda: Box[Connection], r"Box\[Connection\]\.item: Connection cannot be stored"),
    "an open file": (lambda: anything(io.BytesIO), r"World\.field: BytesIO cannot be stored"),
    "a lock": (lambda: anything(threading.Lock), r"World\.field: .*lock.* cannot be stored"),
    "a dataclass that holds one": (lambda: anything(Task), r"Task\.run: .*Callable"),
    "a mark on a plain model": (
        lambda: type("Plain", (BaseModel,), {"__annotations__": {"a": list[int]}, "a": Chunk()}),
        rf"Plain\.a: {PLACE}",
    ),
    "a mark inside a type": (lambda: anything(Annotated[list[int], Chunk()] | None), rf"World\.field: {PLACE}"),
    "a map that is a list": (
        lambda: anything(list[int], ShardedMap()),
        r"World\.field: ShardedMap\(\) is for a field of type dict, not list\[int\]; use Chunk\(\)",
    ),
    "a map that is a model": (lambda: anything(Box[int], ShardedMap()), r"of type dict, not Box\[int\]; use Chunk"),
    "no parentheses": (lambda: anything(list[int], Chunk), r"World\.field: write Chunk\(\), with parentheses"),
    "an earlier name that Pydantic does not know": (
        lambda: anything(int, pydantic.Field(json_schema_extra={"renamed_from": "old"})),
        r"World\.field: pydantic\.Field does not know renamed_from: import Field from parcode_orm",
    ),
    "none in Annotated": (
        lambda: anything(Annotated[dict[str, int], ShardedMap]),
        r"World\.field: write ShardedMap\(\), with parentheses",
    ),
}


class Box(Model, Generic[T]):
    model_config = ConfigDict(arbitrary_types_allowed=True)
    item: T


@pytest.mark.parametrize(("define", "message"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_named_when_the_class_is_defined(define: Callable[[], Any], message: str) -> None:
    with pytest.raises(UnsupportedTypeError, match=message):
        define()


@pytest.mark.parametrize("marker", [Chunk, ShardedMap])
def test_a_misspelled_option(marker: Any) -> None:
    with pytest.raises(TypeError, match=rf"{marker.__name__}\(\) got an unexpected keyword argument 'compresion'"):
        marker(compresion="lz4")
    with pytest.raises(TypeError, match="compression must be a name or None, not 3"):
        marker(compression=3)
