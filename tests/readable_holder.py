"""A model that holds one value of each kind which reading rebuilds by more than its bytes; the same in any process."""

from __future__ import annotations

import enum
from typing import Any

import numpy as np
import pydantic

from parcode_orm import Chunk, Model
from tests.typed_values import (
    Cents,
    Colour,
    Failure,
    Headers,
    Label,
    Line,
    Money,
    Name,
    Pair,
    Plain,
    Point,
    Ratio,
    Wide,
)

Odd = enum.Flag("Odd", {"a|b": 1, "a": 2, "b": 4, "8": 8})


class Holder(Model):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)
    name: Name
    cents: list[Cents]
    ratio: Ratio
    money: Money
    failure: Failure
    headers: Headers
    line: Line
    label: Label
    flags: list[Odd]
    colour: Colour
    url: pydantic.HttpUrl
    either: list[Point | Pair | Plain | int | None]
    wide: Wide
    array: np.ndarray
    words: np.ndarray = Chunk()
    any: Any


def made() -> Holder:
    """The value."""
    headers = Headers(raw=True)
    headers["a"] = 1
    line = Line(width=2.0)
    line.append(3)
    return Holder.model_construct(
        name=Name("Ada", "Lovelace"),
        cents=[Cents(5)],
        ratio=Ratio(0.5),
        money=Money("1.50"),
        failure=Failure(404, "gone"),
        headers=headers,
        line=line,
        label=Label("en"),
        flags=[Odd(bits) for bits in range(16)],
        colour=Colour.GREEN,
        url=pydantic.HttpUrl("http://example.com/" + "é" * 700),
        either=[Point(1), Pair(1, "b"), Plain(a=2), 3, None],
        wide=Wide(d={"k": Plain(a=1)}, q=Wide(e="x")),
        array=np.array([(1, 2.0)], [("a", "i1"), ("b", "f8")])[["b", "a"]],
        words=np.array(["a", "b" * 40], np.dtypes.StringDType()),
        any=[Name("Grace", "Hopper"), Cents(1), Failure(500), np.str_("a\0"), np.zeros(2, "V0"), Odd(9), {1: Point(2)}],
    )
