"""The `classes` workload: what classes cost that hold each other, hold one another in a chain, or have many fields.

Each shape is defined in several sizes. Beside the seconds of a whole dump and load, the first and a later one, stands
what Pydantic takes to define the plain classes. What is loaded must equal what was dumped.
"""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

from pydantic import create_model

from benchmarks.measure import clock, machine, number, reached, repeated, say, table
from parcode_orm import Chunk, Model, dumps, loads

TIMES_DUMP = 5  # at most, of a load of nine classes that hold each other
LEAVES = 512


def mutual(count: int) -> list[Any]:
    """`count` classes, each field of each a union of all."""
    names = [f"Node{n}" for n in range(count)]
    union = " | ".join(names)
    fields: dict[str, Any] = {"n": (int, 0), "items": (f"list[{union}]", [])}
    fields |= dict.fromkeys(("left", "right"), (f"{union} | None", None))
    made: dict[str, Any] = {name: create_model(name, **fields) for name in names}
    for cls in made.values():
        cls.model_rebuild(_types_namespace=made)
    return list(made.values())


def chain(count: int) -> list[Any]:
    """`count` classes, each of which holds the one before it."""
    made: list[Any] = [create_model("Part0", n=(int, 0))]
    for n in range(1, count):
        fields: dict[str, Any] = {"n": (int, 0), "left": (made[-1] | None, None), "items": (list[made[-1]], [])}
        made.append(create_model(f"Part{n}", **fields))
    return made


def wide(count: int) -> list[Any]:
    """One class of `count` fields."""
    kinds: list[tuple[Any, Any]] = [(int, 1), (str, "a"), (list[str], ["b"]), (float | None, 0.5), (dict[str, int], {})]
    fields: dict[str, Any] = {f"field_{n}": kinds[n % len(kinds)] for n in range(count)}
    return [create_model("Wide", **fields)]


def objects(shape: str, classes: list[Any]) -> list[Any]:
    """Some hundred objects of the classes."""
    if shape == "wide":
        return [classes[0]() for _ in range(LEAVES // 8)]
    made: list[Any] = []
    for n in range(LEAVES):
        if shape == "mutual":
            inner = made[n // 2] if made else None
            made.append(classes[n % len(classes)](n=n, left=inner if n < LEAVES // 8 else None))
        else:
            last = classes[-3](n=n)
            made.append(classes[-1](n=n, left=classes[-2](n=n, items=[last, last])))
    return [classes[0](items=made)] if shape == "mutual" else made


SHAPES: dict[str, tuple[Callable[[int], list[Any]], tuple[int, ...]]] = {
    "mutual": (mutual, (3, 9, 27)),
    "chain": (chain, (9, 27, 81)),
    "wide": (wide, (50, 500, 5_000)),
}


def measured(shape: str, count: int) -> dict[str, float]:
    """Seconds of each step with `count` classes or fields."""
    build, _ = SHAPES[shape]
    classes: list[Any] = []
    holder: list[Any] = []
    gc.collect()
    seconds = {"pydantic": clock(lambda: classes.extend(build(count)))}
    held = list[classes[0] if shape == "mutual" else classes[-1]]
    seconds["define"] = clock(lambda: holder.append(create_model("Holder", __base__=Model, held=(held, Chunk()))))
    obj = holder[0](held=objects(shape, classes))
    gc.collect()
    seconds["first_dump"] = clock(lambda: dumps(obj))
    data = dumps(obj)
    seconds["first_load"] = clock(lambda: loads(data, holder[0]))
    if loads(data, holder[0]) != obj:
        raise AssertionError(f"{shape} {count}: what is loaded is another object")
    seconds["dump"] = repeated(lambda: dumps(obj))
    seconds["load"] = repeated(lambda: loads(data, holder[0]))
    return seconds


def classes(shapes: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for shape in shapes:
        for count in SHAPES[shape][1]:
            say(f"{shape} {count}")
            found[f"{shape} {count}"] = measured(shape, count)
    return {"workload": "classes", "seconds": found, **machine()}


STEPS = {
    "pydantic": "Pydantic defines",
    "define": "ours defines",
    "first_dump": "first dump",
    "first_load": "first load",
    "dump": "dump",
    "load": "load",
}


def text(result: dict[str, Any]) -> str:
    rows = [[name, *(number(seconds[step] * 1000) for step in STEPS)] for name, seconds in result["seconds"].items()]
    lines = [
        f"Python {result['python']}, {result['platform']}",
        "",
        *table(["classes or fields", *(f"{label} ms" for label in STEPS.values())], rows),
    ]
    nine = result["seconds"].get("mutual 9")
    if nine is not None:
        lines += ["", "Reach:"]
        for load, dump in (("first_load", "first_dump"), ("load", "dump")):
            what = f"nine classes that hold each other, {STEPS[load]} / {STEPS[dump]}"
            lines.append(reached(what, nine[load] / nine[dump], "<=", TIMES_DUMP))
    return "\n".join(lines)
