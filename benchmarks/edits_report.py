"""The table of `edits`, and what it is to reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from benchmarks.measure import number, reached, table
from benchmarks.trees.plain import WHAT

WRITTEN_BYTES, READ_BYTES, SECONDS, TIMES_SQLITE = 64e3, 256e3, 5e-3, 3.0
WHOLE_ROWS = 1_000  # whoever replaces more rows hands over more than 5 ms and 256 KB can cover
WHOLE_NUMBERS = 10_000  # in an inline value, which is written whole
LISTED = 25
Case = dict[str, Any]


class Bound(NamedTuple):
    what: str
    figure: Callable[[Case], float]  # KeyError where a store did not run
    most: float
    unit: float
    all: bool  # whether it holds for whole collections too


BOUNDS = (
    Bound("KB written by any edit", lambda case: case["ours"]["written"], WRITTEN_BYTES, 1e3, True),
    Bound("KB read by any edit", lambda case: case["ours"]["read"], READ_BYTES, 1e3, False),
    Bound("median ms of an edit, not waiting for the disk", lambda case: case["ours"]["median"], SECONDS, 1e-3, False),
    Bound(
        "median of an edit / SQLite's, both waiting for the disk",
        lambda case: case["ours, durable"]["median"] / case["SQLite"]["median"],
        TIMES_SQLITE,
        1,
        True,
    ),
)
STORES = {"before": "before", "ours, durable": "durable", "SQLite": "SQLite", "ZODB": "ZODB"}


def label(case: Case) -> str:
    return f"{case['title']}: {WHAT[case['operation']]}"


def inline_whole(case: Case) -> bool:
    """Whether the edit is in a large inline value, which is written whole with its row."""
    _, held, _, items = case["world"]
    return bool(held == "numbers" and items > WHOLE_NUMBERS)


def whole(case: Case) -> bool:
    """Whether the edit hands over too much to cost what a small change does."""
    return bool(case["operation"] == "replace" and case["world"][3] > WHOLE_ROWS) or inline_whole(case)


def rows(cases: list[Case]) -> tuple[list[str], list[list[str]]]:
    stores = [store for store in STORES if any(store in case["stores"] for case in cases)]
    heads = ["", "ms", "worst ms", "KB written", "KB read", *(f"{STORES[store]} ms" for store in stores)]
    found = []
    for case in cases:
        ours = case["stores"]["ours"]
        figures = ["", "", "", ""]
        if ours:
            figures = [number(ours[key] * 1e3) for key in ("median", "worst")]
            figures += [number(ours[key] / 1e3) for key in ("written", "read")]
        for store in stores:
            other = case["stores"].get(store)
            figures.append(number(other["median"] * 1e3) if other else "")
        found.append([label(case), *figures])
    return heads, found


def reach(cases: list[Case]) -> Iterator[str]:
    for bound in BOUNDS:
        held = [case for case in cases if not inline_whole(case) and (bound.all or not whole(case))]
        values = []
        for case in held:
            try:
                values.append((bound.figure({store: each for store, each in case["stores"].items() if each}), case))
            except KeyError:
                continue
        if not values:
            yield f"  ----  {bound.what}: no case ran"
            continue
        values.sort(key=lambda pair: -pair[0])
        worst, case = values[0]
        yield reached(bound.what, worst / bound.unit, "<=", bound.most / bound.unit) + f", {label(case)}"
        failed = [(value, case) for value, case in values if value > bound.most]
        if failed:
            listed = f", the worst {LISTED}" if len(failed) > LISTED else ""
            yield f"        {len(failed)} of {len(values)} cases fail{listed}:"
        for value, case in failed[:LISTED]:
            yield f"          {number(value / bound.unit)}  {label(case)}"
    missing = [case for case in cases if not case["stores"]["ours"] or not case["stores"]["ours, durable"]]
    yield reached("cases of ours not run because earlier ones took too long", len(missing), "<=", 0)
    replaced = sum(whole(case) and not inline_whole(case) for case in cases)
    if replaced:
        yield f"  Not counted in KB read and ms: {replaced} cases that replace more than {WHOLE_ROWS:,} rows."
    inline = sum(map(inline_whole, cases))
    if inline:
        yield f"  Not counted: {inline} cases of inline values of more than {WHOLE_NUMBERS:,} numbers."


def text(result: dict[str, Any]) -> str:
    cases = result["cases"]
    return "\n".join(
        [
            f"edits: one edit and its commit, medians of {result['repeat']} (of one edit, where it took over 2 s)",
            f"Python {result['python']}, {result['platform']}",
            "",
            *table(*rows(cases)),
            "",
            "Reach:",
            *reach(cases),
            *(f"skipped: {module} ({why})" for module, why in result["skipped"].items()),
        ]
    )
